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
  p->batch = NULL;
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

int poller_wait(struct poller *p, struct poller_batch *b, int wait_ms) {
  struct epoll_event ev[POLLER_BATCH];
  int n = epoll_wait(p->fd, ev, POLLER_BATCH, wait_ms);
  b->len = b->next = 0;
  if (n < 0)
    return errno == EINTR ? 0 : ERR_SYSTEM;
  for (int i = 0; i < n; i++) {
    b->entries[i].watch = ev[i].data.ptr;
    b->entries[i].events = from_epoll(ev[i].events);
  }
  b->len = n;
  return 0;
}

/* What is left when a turn has taken that long comes in the next one, for epoll
 * goes on telling what is ready, and what it has not told for the longest time
 * first: 60 handshakes of TLS at once take as many milliseconds, after which a
 * script may be far beyond a limit, and others wait. */
#define DELIVER_NS UINT64_C(2000000)

void poller_deliver(struct poller *p, struct poller_batch *b,
                    uint64_t begun_ns) {
  p->batch = b;
  while (b->next < b->len) {
    if (b->next > 0 && clock_mono_ns() - begun_ns >= DELIVER_NS)
      break;
    struct watch *w = b->entries[b->next].watch;
    unsigned events = b->entries[b->next].events;
    b->next++;
    if (!w)
      continue;
    till_pass_id(p->till, w->payer);
    w->fn(w, events, w->ud);
  }
  p->batch = NULL;
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
  for (int i = p->batch ? p->batch->next : 0; p->batch && i < p->batch->len;
       i++)
    if (p->batch->entries[i].watch == w)
      p->batch->entries[i].watch = NULL;
  w->poller = NULL;
  w->fd = -1;
}
