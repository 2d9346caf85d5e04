/* relay.c - carries bytes both ways between a stream and a local socket. */
#include "runtime/net/relay.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/buf.h"
#include "runtime/base/clock.h"
#include "runtime/base/err.h"

#define LINGER_NS (5 * NS_PER_S)
#define TURN_BYTES (64u * 1024) /* one relay's share of a turn, each way */
#define CREW_NS (1 * NS_PER_MS) /* and that of a crew */

struct direction {
  struct buf waiting;
  uint64_t left; /* bytes it may still take in; UINT64_MAX: any number */
  bool ended;    /* nothing more comes in */
  bool told;     /* and the other side knows, or is gone */
};

struct relay {
  struct list node; /* in the list of all */
  struct loop *loop;
  struct relay_crew *crew; /* NULL: it has gone */
  struct list member;      /* in crew.all */
  struct list turn;        /* in crew.waiting */
  struct list leaving;     /* in crew.parting */
  void (*ended)(void *ud);
  void *ud;
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
  if (d->left == 0)
    rv = ERR_LIMIT;
  else if (!(to = buf_reserve(&d->waiting, RELAY_BUFFER, NULL)))
    rv = ERR_NOMEM;
  else
    rv = take(r, d, to, d->left < RELAY_BUFFER ? d->left : RELAY_BUFFER, &n);
  if (rv == ERR_AGAIN)
    return false;
  if (rv != 0 || n == 0) {
    d->ended = true;
    return false;
  }
  if (d->left != UINT64_MAX)
    d->left -= n;
  buf_commit(&d->waiting, n);
  return true;
}

static void wait_turn(struct relay *r) {
  if (!r->crew) {
    deferred_schedule(r->loop, &r->kick);
  } else if (list_empty(&r->turn)) {
    list_add_tail(&r->crew->waiting, &r->turn);
    deferred_schedule(r->loop, &r->crew->run);
  }
}

static void pump(struct relay *r, struct direction *d) {
  size_t moved = 0;
  while (step(r, d, &moved))
    if (moved >= TURN_BYTES) {
      wait_turn(r);
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

static void end(struct relay *r) {
  if (r->ended)
    r->ended(r->ud);
  relay_free(r);
}

/* After every step: what to wait for next, or the end. */
static void settle(struct relay *r) {
  if (r->up.told && r->down.told) {
    end(r);
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
  wait_turn(r);
}

static void on_linger(struct timer *t, void *ud) {
  (void)t;
  end(ud);
}

/* False: there is no memory for a timer, and it has ended. */
static bool linger(struct relay *r) {
  if (timer_active(&r->linger) || timer_start_after(&r->linger, LINGER_NS) == 0)
    return true;
  end(r);
  return false;
}

static void on_local(struct watch *w, unsigned events, void *ud) {
  struct relay *r = ud;
  if (events & POLLER_ERROR) {
    /* The other process has closed it: nothing can go down any more, and what
     * it wrote before must go up soon. */
    watch_stop(w);
    r->local_gone = true;
    break_off(r, &r->down);
    if (!linger(r))
      return;
  }
  wait_turn(r);
}

static void on_kick(struct deferred *d, void *ud) {
  (void)d;
  pump_both(ud);
}

/* ---------------------------------------------------------------- crews --- */

/* One after the other: who has more to do goes to the end of the line. */
static void on_run(struct deferred *d, void *ud) {
  struct relay_crew *crew = ud;
  uint64_t stop_ns = clock_mono_ns() + CREW_NS;
  struct list batch, *node;
  list_init(&batch);
  list_splice_tail(&batch, &crew->waiting);
  while ((node = list_pop(&batch))) {
    pump_both(list_entry(node, struct relay, turn));
    if (clock_mono_ns() >= stop_ns)
      break;
  }
  /* those who had no turn come first in the next */
  list_splice_tail(&batch, &crew->waiting);
  list_splice_tail(&crew->waiting, &batch);
  if (!list_empty(&crew->waiting))
    deferred_schedule(crew->loop, d);
}

void relay_crew_init(struct relay_crew *crew, struct loop *lp) {
  crew->loop = lp;
  crew->nparting = 0;
  list_init(&crew->waiting);
  list_init(&crew->parting);
  list_init(&crew->all);
  deferred_init(&crew->run, on_run, crew);
}

void relay_crew_deinit(struct relay_crew *crew) {
  struct list *node;
  if (!crew->loop)
    return;
  deferred_cancel(&crew->run);
  while ((node = list_pop(&crew->all))) {
    struct relay *r = list_entry(node, struct relay, member);
    r->ended = NULL;
    r->crew = NULL;
    list_remove(&r->turn);
    list_remove(&r->leaving);
    deferred_schedule(r->loop, &r->kick);
  }
}

int relay_new(struct relay **ret, struct relay_crew *crew, struct stream *s,
              int local, struct list *all, void (*ended)(void *ud), void *ud) {
  struct loop *lp = crew->loop;
  const struct mem *m = loop_mem(lp);
  struct relay *r = mem_zalloc(m, sizeof *r);
  int rv;
  if (!r)
    return ERR_NOMEM;
  r->loop = lp;
  r->local = local;
  r->crew = crew;
  r->ended = ended;
  r->ud = ud;
  r->up.left = r->down.left = UINT64_MAX;
  list_init(&r->node);
  list_init(&r->turn);
  list_init(&r->leaving);
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
  list_add_tail(&crew->all, &r->member);
  /* TLS may hold bytes that the poller does not tell of. */
  wait_turn(r);
  *ret = r;
  return 0;
}

void relay_part(struct relay *r, bool now) {
  struct relay_crew *crew = r->crew;
  int there = 0;
  r->ended = NULL;
  if (!list_empty(&r->leaving))
    return;
  if (ioctl(r->local, FIONREAD, &there) != 0 || there < 0)
    there = 0;
  r->up.left = (unsigned)there;
  if (there > 0 || r->up.waiting.len > 0)
    r->up.left += RELAY_PART_UP;
  r->down.left = now ? 0 : RELAY_PART_DOWN;
  list_add_tail(&crew->parting, &r->leaving);
  if (++crew->nparting > RELAY_PARTING_MAX)
    relay_free(list_entry(crew->parting.next, struct relay, leaving));
  else if (linger(r))
    wait_turn(r);
}

void relay_free(struct relay *r) {
  if (!r)
    return;
  if (r->crew && !list_empty(&r->leaving))
    r->crew->nparting--;
  list_remove(&r->node);
  list_remove(&r->turn);
  list_remove(&r->leaving);
  if (r->crew)
    list_remove(&r->member);
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
