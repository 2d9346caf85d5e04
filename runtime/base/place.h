/* place.h - may what lies beside a program be run with it? */
#ifndef RUNTIME_BASE_PLACE_H
#define RUNTIME_BASE_PLACE_H

#include <stdbool.h>

/* The file |rest| ("lib/cordon/part.so") below the folder |base|, in which the
 * program lies, or a folder of it does.  True: it is there, and whoever could
 * have put it there could as well have put another program there.  False where
 * others can add files and not replace that one (the folder is /tmp, say): it
 * is nothing of ours then. */
bool place_is_ours(const char *base, const char *rest);

#endif
