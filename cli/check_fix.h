/* check_fix.h - writes the corrections of cordon check --fix into the files. */
#ifndef CLI_CHECK_FIX_H
#define CLI_CHECK_FIX_H

#include "cli/check_report.h"

#include <stddef.h>

/* Applies the edits of |r| and says which files it could not change.  A file is
 * written only if what comes out loads and needs none of them any more.
 * Returns how many places were corrected. */
size_t check_fix(const struct check_report *r);

#endif
