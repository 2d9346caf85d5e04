/* relay.c - carries bytes both ways between a stream and a local socket. */
#include "runtime/net/relay.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/buf.h"
#include "runtime/base/clock.h"
#include "runtime/base/err.h"

#define LINGER_NS (5 * NS_PER_S)
#define TURN_BYTES (256u * 1024) /* one relay's share of a turn, each way */

struct direction {
  struct buf waiting;
  bool ended; /* nothing more comes in */
  bool told;  /* and the other side knows, or is gone */
};

struct relay {
  struct list node;
  struct loop *loop;
  struct stream *stream;
  int local;
  struct watch watch; /* of |local|; the stream has its own */
  struct timer linger;
  struct deferred kick;
  struct direction up;   /* from the local socket to the stream */
  struct direction down; /* and back */
  bool local_gone;
};

static int local_read(struct relay *r, void *p, size_t len, size_t *ret_n) {
  ssize_t n;
  do
    n = recv(r->local, p, len, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_SYSTEM;
  *ret_n = (size_t)n;
  return 0;
}

static int local_write(struct relay *r, const void *p, size_t len,
                       size_t *ret_n) {
  ssize_t n;
  do
    n = send(r->local, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_SYSTEM;
  *ret_n = (size_t)n;
  return 0;
}

/* What one direction reads from and writes to. */
static int take(struct relay *r, struct direction *d, void *p, size_t len,
                size_t *ret_n) {
  return d == &r->up ? local_read(r, p, len, ret_n)
                     : stream_read(r->stream, p, len, ret_n);
}

static int give(struct relay *r, struct direction *d, size_t *ret_n) {
  struct buf *b = &d->waiting;
  return d == &r->up ? stream_write(r->stream, buf_bytes(b), b->len, ret_n)
                     : local_write(r, buf_bytes(b), b->len, ret_n);
}

/* Nobody takes what this direction carries. */
static void break_off(struct relay *r, struct direction *d) {
  buf_clear(&d->waiting);
  d->ended = d->told = true;
  if (d == &r->up && !r->local_gone)
    (void)shutdown(r->local, SHUT_RD); /* whoever writes there learns it */
}

/* False: it must wait for one of the ends. */
static bool step(struct relay *r, struct direction *d, size_t *moved) {
  size_t n = 0;
  uint8_t *to;
  int rv;
  if (d->waiting.len > 0) {
    if ((rv = give(r, d, &n)) == ERR_AGAIN)
      return false;
    if (rv != 0) {
      break_off(r, d);
      return false;
    }
    buf_consume(&d->waiting, n);
    *moved += n;
    return true;
  }
  if (d->ended)
    return false;
  if (!(to = buf_reserve(&d->waiting, RELAY_BUFFER, NULL)))
    rv = ERR_NOMEM;
  else
    rv = take(r, d, to, RELAY_BUFFER, &n);
  if (rv == ERR_AGAIN)
    return false;
  if (rv != 0 || n == 0) {
    d->ended = true;
    return false;
  }
  buf_commit(&d->waiting, n);
  return true;
}

static void pump(struct relay *r, struct direction *d) {
  size_t moved = 0;
  while (step(r, d, &moved))
    if (moved >= TURN_BYTES) {
      deferred_schedule(r->loop, &r->kick);
      break;
    }
  if (d->waiting.len == 0)
    buf_shrink(&d->waiting);
  if (!d->ended || d->told || d->waiting.len > 0)
    return;
  d->told = true;
  if (d == &r->up)
    stream_end(r->stream);
  else
    (void)shutdown(r->local, SHUT_WR);
}

static unsigned stream_events(const struct relay *r) {
  const struct stream *s = r->stream;
  bool more = !r->down.ended && r->down.waiting.len == 0;
  unsigned events = more ? POLLER_READ : 0;
  if (more && s->read_wants_write)
    events |= POLLER_WRITE;
  if (r->up.waiting.len > 0)
    events |= s->write_wants_read ? POLLER_READ : POLLER_WRITE;
  return events;
}

static unsigned local_events(const struct relay *r) {
  unsigned events = 0;
  if (!r->up.ended && r->up.waiting.len == 0)
    events |= POLLER_READ;
  if (r->down.waiting.len > 0)
    events |= POLLER_WRITE;
  return events;
}

/* After every step: what to wait for next, or the end. */
static void settle(struct relay *r) {
  if (r->up.told && r->down.told) {
    relay_free(r);
    return;
  }
  /* It fails only for lack of memory, and the next event looks again. */
  if (watch_active(&r->stream->watch))
    (void)watch_change(&r->stream->watch, stream_events(r));
  else if (!r->down.ended && r->down.waiting.len == 0) /* told too early */
    (void)watch_start(&r->stream->watch, loop_poller(r->loop), r->stream->fd,
                      stream_events(r));
  if (watch_active(&r->watch))
    (void)watch_change(&r->watch, local_events(r));
}

static void pump_both(struct relay *r) {
  pump(r, &r->up);
  pump(r, &r->down);
  settle(r);
}

static void on_stream(struct watch *w, unsigned events, void *ud) {
  struct relay *r = ud;
  if (events & POLLER_ERROR) /* reported for ever: what is left is read */
    watch_stop(w);
  pump_both(r);
}

static void on_linger(struct timer *t, void *ud) {
  (void)t;
  relay_free(ud);
}

static void on_local(struct watch *w, unsigned events, void *ud) {
  struct relay *r = ud;
  if (events & POLLER_ERROR) {
    /* The other process has closed it: nothing can go down any more, and what
     * it wrote before must go up soon. */
    watch_stop(w);
    r->local_gone = true;
    break_off(r, &r->down);
    if (timer_start_after(&r->linger, LINGER_NS) != 0) {
      relay_free(r);
      return;
    }
  }
  pump_both(r);
}

static void on_kick(struct deferred *d, void *ud) {
  (void)d;
  pump_both(ud);
}

int relay_new(struct relay **ret, struct loop *lp, struct stream *s, int local,
              struct list *all) {
  const struct mem *m = loop_mem(lp);
  struct relay *r = mem_zalloc(m, sizeof *r);
  int rv;
  if (!r)
    return ERR_NOMEM;
  r->loop = lp;
  r->local = local;
  list_init(&r->node);
  buf_init(&r->up.waiting, m, RELAY_BUFFER);
  buf_init(&r->down.waiting, m, RELAY_BUFFER);
  watch_init(&r->watch, on_local, r);
  timer_init(&r->linger, lp, on_linger, r);
  deferred_init(&r->kick, on_kick, r);
  if ((rv = watch_start(&r->watch, loop_poller(lp), local, POLLER_READ)) != 0) {
    mem_free(m, r, sizeof *r);
    return rv;
  }
  r->stream = s;
  stream_hand_over(s, on_stream, r);
  list_add_tail(all, &r->node);
  /* TLS may hold bytes that the poller does not tell of. */
  deferred_schedule(lp, &r->kick);
  *ret = r;
  return 0;
}

void relay_free(struct relay *r) {
  if (!r)
    return;
  list_remove(&r->node);
  watch_stop(&r->watch);
  timer_stop(&r->linger);
  deferred_cancel(&r->kick);
  stream_free(r->stream);
  close(r->local);
  buf_deinit(&r->up.waiting);
  buf_deinit(&r->down.waiting);
  mem_free(loop_mem(r->loop), r, sizeof *r);
}

void relays_cut(struct list *all) {
  while (!list_empty(all))
    relay_free(list_entry(all->next, struct relay, node));
}
