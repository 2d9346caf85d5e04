/* loop.c - poller + timers + deferred calls. */
#include "runtime/net/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/err.h"
#include "runtime/base/gate.h"
#include "runtime/net/poller.h"

struct loop {
  struct mem mem;
  struct poller poller;
  struct watch wake;
  int wake_fd;
  bool in_timers;
  uint64_t now_ns;
  struct till till;
  struct heap timers;
  struct list deferred;
  struct list released;
  struct list awake;
  uint8_t *scratch;
};

static void on_wake(struct watch *w, unsigned events, void *ud) {
  uint64_t n;
  (void)events;
  (void)ud;
  while (read(w->fd, &n, sizeof n) < 0 && errno == EINTR)
    ;
}

int loop_new(struct loop **ret, const struct mem *m) {
  struct loop *lp = mem_zalloc(m, sizeof *lp);
  int rv;
  if (!lp)
    return ERR_NOMEM;
  lp->mem = *m;
  lp->wake_fd = -1;
  till_init(&lp->till, m);
  heap_init(&lp->timers, m);
  list_init(&lp->deferred);
  list_init(&lp->released);
  list_init(&lp->awake);
  watch_init(&lp->wake, on_wake, lp);
  if ((rv = poller_init(&lp->poller, &lp->till)) != 0)
    goto fail;
  rv = ERR_SYSTEM;
  lp->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (lp->wake_fd < 0)
    goto fail;
  if ((rv = watch_start(&lp->wake, &lp->poller, lp->wake_fd, POLLER_READ)) != 0)
    goto fail;
  lp->now_ns = clock_mono_ns();
  *ret = lp;
  return 0;
fail:
  loop_free(lp);
  return rv;
}

void loop_free(struct loop *lp) {
  if (!lp)
    return;
  watch_stop(&lp->wake);
  if (lp->wake_fd >= 0)
    close(lp->wake_fd);
  poller_deinit(&lp->poller);
  heap_deinit(&lp->timers);
  till_deinit(&lp->till);
  mem_free(&lp->mem, lp->scratch, LOOP_SCRATCH_BYTES);
  mem_free(&lp->mem, lp, sizeof *lp);
}

int loop_fd(const struct loop *lp) {
  return lp->poller.fd;
}

const struct mem *loop_mem(const struct loop *lp) {
  return &lp->mem;
}

struct poller *loop_poller(struct loop *lp) {
  return &lp->poller;
}

struct list *loop_released(struct loop *lp) {
  return &lp->released;
}

struct list *loop_awake(struct loop *lp) {
  return &lp->awake;
}

uint8_t *loop_scratch(struct loop *lp) {
  if (!lp->scratch)
    lp->scratch = mem_alloc(&lp->mem, LOOP_SCRATCH_BYTES);
  return lp->scratch;
}

uint64_t loop_now_ns(const struct loop *lp) {
  return lp->now_ns;
}

struct till *loop_till(struct loop *lp) {
  return &lp->till;
}

void loop_wake(struct loop *lp) {
  int saved = errno; /* may run in a signal handler */
  uint64_t one = 1;
  while (write(lp->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
    ;
  errno = saved;
}

int loop_timeout_ms(const struct loop *lp) {
  struct heap_node *first = heap_min(&lp->timers);
  uint64_t now, left_ms;
  if (!list_empty(&lp->deferred) || poller_left(&lp->poller))
    return 0;
  if (!first)
    return -1;
  now = clock_mono_ns();
  if (first->key <= now)
    return 0;
  left_ms = (first->key - now - 1) / NS_PER_MS + 1;
  return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void timers_run(struct loop *lp) {
  struct heap_node *first;
  lp->in_timers = true; /* those started now are not due before the next turn */
  while ((first = heap_min(&lp->timers)) && first->key <= lp->now_ns) {
    struct timer *t = list_entry(first, struct timer, node);
    till_pass_id(&lp->till, t->payer);
    heap_remove(&lp->timers, first);
    t->fn(t, t->ud);
  }
  lp->in_timers = false;
}

/* A message that came wakes a task, what the task sends wakes the connection,
 * and that it was sent wakes the task: with no look at the poller in between
 * the whole way costs one turn. */
#define DEFERRED_ROUNDS 4
#define DEFERRED_NS                                                            \
  UINT64_C(500000) /* no more begins so long after the first                   \
                    */

static void deferred_run(struct loop *lp) {
  struct list batch, *node;
  list_init(&batch);
  for (int round = 0;
       round < DEFERRED_ROUNDS && !list_empty(&lp->deferred) &&
       (round == 0 || clock_mono_ns() - lp->now_ns < DEFERRED_NS);
       round++) {
    list_splice_tail(&batch, &lp->deferred);
    while ((node = list_pop(&batch))) {
      struct deferred *d = list_entry(node, struct deferred, node);
      till_pass_id(&lp->till, d->payer);
      d->fn(d, d->ud);
    }
  }
}

int loop_dispatch(struct loop *lp, int wait_ms) {
  int timeout_ms = loop_timeout_ms(lp);
  int rv;
  if (wait_ms < 0 || (timeout_ms >= 0 && timeout_ms < wait_ms))
    wait_ms = timeout_ms;
  till_turn_begin(&lp->till);
  if ((rv = poller_wait(&lp->poller, wait_ms)) == 0) {
    lp->now_ns = clock_mono_ns(); /* one reading per turn */
    poller_deliver(&lp->poller, lp->now_ns);
    timers_run(lp);
    deferred_run(lp);
  }
  till_turn_end(&lp->till);
  return rv;
}

void timer_init(struct timer *t, struct loop *lp, timer_fn *fn, void *ud) {
  *t = (struct timer){.loop = lp, .fn = fn, .ud = ud};
}

int timer_start_at(struct timer *t, uint64_t at_ns) {
  struct loop *lp = t->loop;
  gate_check();
  if (lp->in_timers && at_ns <= lp->now_ns)
    at_ns = lp->now_ns + 1;
  heap_remove(&lp->timers, &t->node);
  t->payer = till_id(&lp->till);
  return heap_insert(&lp->timers, &t->node, at_ns);
}

int timer_start_after(struct timer *t, uint64_t delay_ns) {
  uint64_t now = clock_mono_ns();
  return timer_start_at(t, delay_ns > UINT64_MAX - now ? UINT64_MAX
                                                       : now + delay_ns);
}

void timer_stop(struct timer *t) {
  gate_check();
  if (t->loop)
    heap_remove(&t->loop->timers, &t->node);
}

void deferred_init(struct deferred *d, void (*fn)(struct deferred *, void *),
                   void *ud) {
  list_init(&d->node);
  d->fn = fn;
  d->ud = ud;
}

void deferred_schedule(struct loop *lp, struct deferred *d) {
  gate_check();
  if (!list_empty(&d->node))
    return;
  d->payer = till_id(&lp->till);
  list_add_tail(&lp->deferred, &d->node);
}

void deferred_cancel(struct deferred *d) {
  if (d->node.next) /* zeroed: never initialized */
    list_remove(&d->node);
}
