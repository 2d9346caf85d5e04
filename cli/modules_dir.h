/* modules_dir.h - the Lua files beside the main script, for require.  Nothing
 * outside its folder can be reached: no "..", no symbolic link. */
#ifndef CLI_MODULES_DIR_H
#define CLI_MODULES_DIR_H

#include "cli/watch.h"

#include <cordon/cordon.h>

#include <stdbool.h>
#include <stddef.h>

struct modules_dir {
  int fd;       /* the folder; -1: there is none, nothing is found */
  char *prefix; /* how the folder is called in messages: "" or "lib/" */
  char *name;   /* of the last file found, and its text */
  char *text;
  unsigned told; /* how many words about unreadable files have been said */
};

/* Opens the folder of |script|; 0, or -1 with errno. */
int modules_dir_init(struct modules_dir *m, const char *script);
void modules_dir_deinit(struct modules_dir *m);

/* The same with the folder of |path|, which is relative to that of |beside|: a
 * symbolic link is not followed on the way. */
int modules_dir_init_below(struct modules_dir *m, const char *beside,
                           const char *path);

/* Reads |file| in the folder, no link; at most FILE_MAX_BYTES + 1 of it.  False
 * with errno, for which modules_dir_why has words.  The text is the caller's.
 */
bool modules_dir_read(const struct modules_dir *m, const char *file,
                      char **ret_text, size_t *ret_len);
const char *modules_dir_why(int error);

/* A cordon_require_fn, but |m| comes typed: "a.b" is a/b.lua, else
 * a/b/init.lua. */
int modules_dir_find(struct modules_dir *m, const char *name,
                     cordon_source *ret_source);

/* Puts the files that |name| may be found in into |w|, which may be NULL, as
 * |whose|: see watch_module. */
void modules_dir_watch(const struct modules_dir *m, const char *name,
                       struct watch *w, const void *whose);

#endif
