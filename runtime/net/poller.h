/* poller.h - who waits for which fd.  Owns the epoll fd, never the fds it
 * watches. */
#ifndef RUNTIME_NET_POLLER_H
#define RUNTIME_NET_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLLER_READ 1U
#define POLLER_WRITE 2U
#define POLLER_ERROR                                                           \
  4U /* error or hang-up: always reported, never asked for                     \
      */

#define POLLER_BATCH 64

struct poller;
struct till;
struct watch;
typedef void watch_fn(struct watch *w, unsigned events, void *ud);

/* Embedded in its owner; zeroed or watch_init'ed before use. */
struct watch {
  struct poller *poller; /* NULL: not watched */
  watch_fn *fn;
  void *ud;
  int fd;
  unsigned events;
  uint64_t payer; /* of its callback (payer.h) */
};

struct poller {
  int fd;
  struct till *till;
  /* what epoll has told, and from |next| on has not been delivered */
  int next;
  int len;
  struct {
    struct watch *watch; /* NULL: forgotten since */
    unsigned events;
  } told[POLLER_BATCH];
};

int poller_init(struct poller *p, struct till *till); /* 0 or ERR_SYSTEM */
void poller_deinit(struct poller *p);

/* Waits for at most |wait_ms| (-1: for ever), if all that it told the last time
 * was delivered.  0 or ERR_SYSTEM; a signal ends the wait. */
int poller_wait(struct poller *p, int wait_ms);
/* Calls the watches that there is news for, as many as there is time for in a
 * turn that began at |begun_ns|, one at least; those that are stopped meanwhile
 * are skipped, and their owners may be gone. */
void poller_deliver(struct poller *p, uint64_t begun_ns);
/* Is there something left for the next turn? */
static inline bool poller_left(const struct poller *p) {
  return p->next < p->len;
}

void watch_init(struct watch *w, watch_fn *fn, void *ud);
/* Level triggered.  0, ERR_NOMEM or ERR_SYSTEM */
int watch_start(struct watch *w, struct poller *p, int fd, unsigned events);
int watch_change(struct watch *w, unsigned events);
/* Before the fd is closed.  Harmless when not started. */
void watch_stop(struct watch *w);
static inline bool watch_active(const struct watch *w) {
  return w->poller != NULL;
}

#endif
