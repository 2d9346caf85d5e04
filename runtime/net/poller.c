/* poller.c - epoll. */
#include "runtime/net/poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/err.h"
#include "runtime/base/gate.h"
#include "runtime/net/payer.h"

int poller_init(struct poller *p, struct till *till) {
  p->till = till;
  p->next = p->len = 0;
  p->fd = epoll_create1(EPOLL_CLOEXEC);
  return p->fd < 0 ? ERR_SYSTEM : 0;
}

void poller_deinit(struct poller *p) {
  if (p->fd >= 0)
    close(p->fd);
  p->fd = -1;
}

static uint32_t to_epoll(unsigned events) {
  return (uint32_t)((events & POLLER_READ ? EPOLLIN : 0) |
                    (events & POLLER_WRITE ? EPOLLOUT : 0));
}

static unsigned from_epoll(uint32_t events) {
  return (events & EPOLLIN ? POLLER_READ : 0) |
         (events & EPOLLOUT ? POLLER_WRITE : 0) |
         (events & (EPOLLERR | EPOLLHUP) ? POLLER_ERROR : 0);
}

int poller_wait(struct poller *p, int wait_ms) {
  struct epoll_event ev[POLLER_BATCH];
  int n;
  if (poller_left(p))
    return 0;
  n = epoll_wait(p->fd, ev, POLLER_BATCH, wait_ms);
  /* Interrupted by a signal or, whatever is done about signals, by SIGCONT
   * after a stop of any length (signal(7)): what has come meanwhile comes
   * before the timers that it was in time for. */
  if (n < 0 && errno == EINTR)
    n = epoll_wait(p->fd, ev, POLLER_BATCH, 0);
  p->len = p->next = 0;
  if (n < 0)
    return errno == EINTR ? 0 : ERR_SYSTEM;
  for (int i = 0; i < n; i++) {
    p->told[i].watch = ev[i].data.ptr;
    p->told[i].events = from_epoll(ev[i].events);
  }
  p->len = n;
  return 0;
}

/* What is left when a turn has taken that long comes in the next one: 60
 * handshakes of TLS at once take as many milliseconds, after which a script may
 * be far beyond a limit, and others wait.  It comes before epoll is asked
 * again, which tells of those that stay ready in the same order each time: the
 * first could keep the others from ever having a turn. */
#define DELIVER_NS UINT64_C(2000000)

void poller_deliver(struct poller *p, uint64_t begun_ns) {
  for (bool any = false; poller_left(p); any = true) {
    struct watch *w = p->told[p->next].watch;
    unsigned events = p->told[p->next].events;
    if (any && clock_mono_ns() - begun_ns >= DELIVER_NS)
      return;
    p->next++;
    /* what was told in an earlier turn may not be wanted any more */
    if (!w || !(events &= w->events | POLLER_ERROR))
      continue;
    till_pass_id(p->till, w->payer);
    w->fn(w, events, w->ud);
  }
}

void watch_init(struct watch *w, watch_fn *fn, void *ud) {
  *w = (struct watch){.fn = fn, .ud = ud, .fd = -1};
}

static int watch_control(const struct watch *w, struct poller *p, int op) {
  struct epoll_event ev = {.events = to_epoll(w->events)};
  gate_check();
  ev.data.ptr = (void *)(uintptr_t)w;
  if (epoll_ctl(p->fd, op, w->fd, &ev) == 0)
    return 0;
  return errno == ENOMEM || errno == ENOSPC ? ERR_NOMEM : ERR_SYSTEM;
}

int watch_start(struct watch *w, struct poller *p, int fd, unsigned events) {
  int rv;
  w->fd = fd;
  w->events = events;
  w->payer = till_id(p->till);
  if ((rv = watch_control(w, p, EPOLL_CTL_ADD)) == 0)
    w->poller = p;
  return rv;
}

int watch_change(struct watch *w, unsigned events) {
  if (!w->poller || w->events == events)
    return 0;
  w->events = events;
  return watch_control(w, w->poller, EPOLL_CTL_MOD);
}

void watch_stop(struct watch *w) {
  struct poller *p = w->poller;
  if (!p)
    return;
  (void)watch_control(w, p, EPOLL_CTL_DEL);
  for (int i = p->next; i < p->len; i++)
    if (p->told[i].watch == w)
      p->told[i].watch = NULL;
  w->poller = NULL;
  w->fd = -1;
}
