/* textdiff.h - what differs between two texts, line by line, as a unified
 * diff. */
#ifndef CLI_TEXTDIFF_H
#define CLI_TEXTDIFF_H

#include "cli/print.h"

/* Prints the diff from |was| to |is| under the name |path|; nothing when they
 * are the same.  The work is bounded: texts that hardly agree are shown as
 * replaced, not searched for ever. */
void textdiff_print(struct out *o, const char *path, const char *was,
                    size_t was_len, const char *is, size_t is_len);

#endif
