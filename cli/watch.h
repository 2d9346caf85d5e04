/* watch.h - notices that one of some files has changed, has come or is gone.
 * Owns the inotify descriptor.  What the kernel is asked about is the folder a
 * file lies in, so that an editor that writes another file and renames it is
 * seen, and those above, of which one may be replaced with all that is in it;
 * its events only say when to look at the files again. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include <stdint.h>

struct watch;

/* A status; unless STATUS_OK, why not has been said. */
int watch_new(struct watch **ret_watch);
void watch_free(struct watch *w); /* may be NULL */

/* Forgets all files, and what has happened to them. */
void watch_reset(struct watch *w);

/* A file is to be named before it is read: what happens in between is a change
 * then.  It need not exist.  |w| NULL: nothing is done. */
void watch_file(struct watch *w, const char *path);

/* The same for a file that a script asks for, by which it gets no room of
 * others: |whose| tells scripts from each other until watch_reset. */
void watch_module(struct watch *w, const void *whose, const char *path);

/* The same for a policy file, or every *.yaml and *.yml below a folder. */
void watch_policies(struct watch *w, const char *path);

/* Wait for |watch_fd| to be readable (-1: not now), for no longer than
 * |watch_timeout_ms| (-1: as long as you like), then call watch_look.  Both
 * take NULL. */
int watch_fd(const struct watch *w);
int watch_timeout_ms(const struct watch *w, uint64_t now_ms);

/* The name of one that has changed, as it was given, until the next
 * watch_reset; NULL: none has, or not yet for long enough.  Never waits. */
const char *watch_look(struct watch *w, uint64_t now_ms);

#endif
