/* loop.h - poller + timers + deferred calls: an fd, a timeout, a dispatch. */
#ifndef RUNTIME_NET_LOOP_H
#define RUNTIME_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/heap.h"
#include "runtime/base/list.h"
#include "runtime/base/mem.h"
#include "runtime/net/payer.h"

struct loop;

int loop_new(struct loop **ret,
             const struct mem *m); /* ERR_NOMEM, ERR_SYSTEM */
/* Everything that was started on it must have been stopped before. */
void loop_free(struct loop *lp);

int loop_fd(const struct loop *lp); /* the epoll fd: readable when work waits */
/* Milliseconds until the next timer, rounded up; 0: work waits; -1: no limit */
int loop_timeout_ms(const struct loop *lp);
/* One turn: delivers one batch of readiness, due timers and deferred calls;
 * waits for at most |wait_ms| (0: not at all, -1: until something happens).
 * 0 or ERR_SYSTEM, with errno */
int loop_dispatch(struct loop *lp, int wait_ms);
/* Monotonic time of this turn. */
uint64_t loop_now_ns(const struct loop *lp);
/* What the loop itself was made of: for what must outlive a sandbox. */
const struct mem *loop_mem(const struct loop *lp);
/* For whom it works, while it works. */
struct till *loop_till(struct loop *lp);
/* Where watches are started (poller.h). */
struct poller;
struct poller *loop_poller(struct loop *lp);
/* Connections that were released and still say goodbye; connection.c's own. */
struct list *loop_released(struct loop *lp);
/* Those whose compressors are awake, the last one used last; likewise. */
struct list *loop_awake(struct loop *lp);
/* Room that all share, for bytes between a read and the look at them: whoever
 * takes it must be done with it when another function of the loop runs.  NULL:
 * no memory; once it was there it stays. */
#define LOOP_SCRATCH_BYTES (64U * 1024 + 64)
uint8_t *loop_scratch(struct loop *lp);
/* Makes a waiting loop_dispatch return.  From any thread or signal handler. */
void loop_wake(struct loop *lp);

/* Timers: embedded in their owner, zeroed or timer_init'ed before use. */
struct timer;
typedef void timer_fn(struct timer *t, void *ud);
struct timer {
  struct heap_node node;
  struct loop *loop;
  timer_fn *fn;
  void *ud;
  uint64_t payer; /* who had the thread when it was started */
};
void timer_init(struct timer *t, struct loop *lp, timer_fn *fn, void *ud);
/* (Re)starts.  |at_ns| is monotonic time; past is due at once, but never from
 * inside this call, and not in this turn when a timer's function starts it.
 * 0 or ERR_NOMEM, which cannot come for a timer that is active or was just
 * taken out: its place is kept. */
int timer_start_at(struct timer *t, uint64_t at_ns);
/* From the real time, not from that of the turn: never early. */
int timer_start_after(struct timer *t, uint64_t delay_ns);
void timer_stop(struct timer *t); /* harmless when not started */
static inline bool timer_active(const struct timer *t) {
  return heap_contains(&t->node);
}

/* Calls |fn| once at the end of this turn, or at once in the next; embedded in
 * its owner.  For frees and callbacks that must not run re-entrantly.  Those
 * that come of deferred calls have a few rounds in the same turn. */
struct deferred {
  struct list node;
  void (*fn)(struct deferred *d, void *ud);
  void *ud;
  uint64_t payer; /* who had the thread when it was scheduled */
};
void deferred_init(struct deferred *d, void (*fn)(struct deferred *, void *),
                   void *ud);
void deferred_schedule(struct loop *lp,
                       struct deferred *d); /* once is enough */
void deferred_cancel(struct deferred *d);

#endif
