/* modules_seen.h - which modules a run has required and what they were, so that
 * it can be told whether another run would get the same. */
#ifndef CLI_MODULES_SEEN_H
#define CLI_MODULES_SEEN_H

#include "cli/modules_dir.h"

#include <stdint.h>

#define MODULES_SEEN_MAX 1000 /* a script can require for ever */

/* Zeroed to start. */
struct modules_seen {
  struct module_seen {
    char *name;
    bool found;
    size_t len;
    uint64_t hash; /* of its text */
  } * items;
  size_t len, cap;
};

/* modules_dir_find, which is remembered; the files it may be in are put into
 * |w| (NULL: none) before. */
int modules_seen_find(struct modules_seen *s, struct modules_dir *m,
                      const char *name, cordon_source *ret_source,
                      struct watch *w);

/* Would all of them be found in |m| as they were? */
bool modules_seen_same(const struct modules_seen *s, struct modules_dir *m,
                       struct watch *w);

void modules_seen_clear(struct modules_seen *s);

#endif
