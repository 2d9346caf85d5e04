/* check_loop.c - watches, timers, deferred calls. */
#include "runtime/net/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/err.h"
#include "runtime/net/poller.h"
#include "tests/unit.h"

struct log {
  struct loop *loop;
  int n;
  int order[64];
};

static struct failing_mem fm;
static struct log lg;

static void setup(void) {
  failing_mem_init(&fm, FAIL_NEVER);
  memset(&lg, 0, sizeof lg);
  ck_assert_int_eq(loop_new(&lg.loop, &fm.mem), 0);
}

static void teardown(void) {
  loop_free(lg.loop);
  ck_assert_uint_eq(fm.live_bytes, 0);
}

/* ------------------------------------------------------------- timers --- */

struct tt {
  struct timer t;
  int id;
  int again; /* restarts itself that often, long due */
  struct tt *stops;
};

static void on_timer(struct timer *t, void *ud) {
  struct tt *me = ud;
  ck_assert_ptr_eq(t, &me->t);
  ck_assert(!timer_active(t));
  lg.order[lg.n++] = me->id;
  if (me->stops)
    timer_stop(&me->stops->t);
  if (me->again-- > 0)
    ck_assert_int_eq(timer_start_at(t, 0), 0);
}

START_TEST(timers_in_order) {
  struct tt t[5];
  static const uint64_t at[5] = {50, 10, 40, 20, 30};
  ck_assert_int_eq(loop_timeout_ms(lg.loop), -1);
  for (int i = 0; i < 5; i++) {
    t[i] = (struct tt){.id = (int)at[i]};
    timer_init(&t[i].t, lg.loop, on_timer, &t[i]);
    ck_assert(!timer_active(&t[i].t));
    ck_assert_int_eq(timer_start_at(&t[i].t, at[i]), 0);
    ck_assert(timer_active(&t[i].t));
  }
  ck_assert_int_eq(lg.n, 0); /* never from inside */
  ck_assert_int_eq(loop_timeout_ms(lg.loop), 0);
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_int_eq(lg.n, 5);
  for (int i = 0; i < 5; i++)
    ck_assert_int_eq(lg.order[i], (i + 1) * 10);
  ck_assert_int_eq(loop_timeout_ms(lg.loop), -1);
}
END_TEST

START_TEST(timer_restarting_itself_does_not_hold_the_turn) {
  struct tt t = {.id = 1, .again = 3};
  timer_init(&t.t, lg.loop, on_timer, &t);
  ck_assert_int_eq(timer_start_at(&t.t, 0), 0);
  for (int turn = 1; turn <= 4; turn++) {
    ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0);
    ck_assert_int_eq(lg.n, turn);
  }
  ck_assert(!timer_active(&t.t));
}
END_TEST

START_TEST(timer_stopped_by_another) {
  struct tt b = {.id = 2};
  struct tt a = {.id = 1, .stops = &b};
  timer_init(&a.t, lg.loop, on_timer, &a);
  timer_init(&b.t, lg.loop, on_timer, &b);
  timer_stop(&b.t); /* harmless */
  ck_assert_int_eq(timer_start_at(&a.t, 1), 0);
  ck_assert_int_eq(timer_start_at(&b.t, 2), 0);
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_int_eq(lg.n, 1);
  /* started again while active: moved, not doubled */
  ck_assert_int_eq(timer_start_at(&b.t, 5), 0);
  ck_assert_int_eq(timer_start_at(&b.t, 1), 0);
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_int_eq(lg.n, 2);
}
END_TEST

START_TEST(timer_is_never_early) {
  struct tt t = {.id = 1};
  uint64_t from = clock_mono_ns();
  timer_init(&t.t, lg.loop, on_timer, &t);
  ck_assert_int_eq(timer_start_after(&t.t, 20 * NS_PER_MS), 0);
  ck_assert_int_le(loop_timeout_ms(lg.loop), 20);
  ck_assert_int_gt(loop_timeout_ms(lg.loop), 0);
  while (lg.n == 0)
    ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0);
  ck_assert_uint_ge(clock_mono_ns() - from, 20 * NS_PER_MS);
  ck_assert_uint_ge(loop_now_ns(lg.loop) - from, 20 * NS_PER_MS);
  ck_assert_int_eq(timer_start_after(&t.t, UINT64_MAX), 0);
  ck_assert_int_gt(loop_timeout_ms(lg.loop), 1000000);
  timer_stop(&t.t);
  ck_assert_int_eq(loop_timeout_ms(lg.loop), -1);
}
END_TEST

/* ----------------------------------------------------------- deferred --- */

struct dd {
  struct deferred d;
  int id;
  bool again;
  struct dd *cancels;
};

static void on_deferred(struct deferred *d, void *ud) {
  struct dd *me = ud;
  lg.order[lg.n++] = me->id;
  if (me->cancels)
    deferred_cancel(&me->cancels->d);
  if (me->again)
    deferred_schedule(lg.loop, d);
}

START_TEST(deferred_calls) {
  struct dd b = {.id = 2};
  struct dd c = {.id = 3};
  struct dd a = {.id = 1, .again = true, .cancels = &b};
  struct deferred never = {0};
  int n;
  deferred_cancel(&never);
  deferred_init(&a.d, on_deferred, &a);
  deferred_init(&b.d, on_deferred, &b);
  deferred_init(&c.d, on_deferred, &c);
  deferred_schedule(lg.loop, &a.d);
  deferred_schedule(lg.loop, &a.d); /* once is enough */
  deferred_schedule(lg.loop, &b.d);
  deferred_schedule(lg.loop, &c.d);
  ck_assert_int_eq(loop_timeout_ms(lg.loop), 0);
  ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0);
  ck_assert_int_ge(lg.n, 2);
  ck_assert_int_eq(lg.order[0], 1);
  ck_assert_int_eq(lg.order[1], 3);
  /* again: in this turn, but not for ever, and in the next */
  ck_assert_int_lt(lg.n, 8);
  n = lg.n;
  ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0);
  ck_assert_int_gt(lg.n, n);
  deferred_cancel(&a.d);
  ck_assert_int_eq(loop_timeout_ms(lg.loop), -1);
}
END_TEST

/* ------------------------------------------------------------ watches --- */

struct ww {
  struct watch w;
  int fds[2];
  int calls;
  unsigned events;
  struct ww *stops;
};

static void on_watch(struct watch *w, unsigned events, void *ud) {
  struct ww *me = ud;
  ck_assert_ptr_eq(w, &me->w);
  me->calls++;
  me->events = events;
  if (me->stops) {
    watch_stop(&me->stops->w);
    watch_stop(&me->w);
  }
}

static void ww_start(struct ww *x, bool readable) {
  memset(x, 0, sizeof *x);
  ck_assert_int_eq(pipe2(x->fds, O_CLOEXEC | O_NONBLOCK), 0);
  watch_init(&x->w, on_watch, x);
  ck_assert_int_eq(
      watch_start(&x->w, loop_poller(lg.loop), x->fds[0], POLLER_READ), 0);
  if (readable)
    ck_assert_int_eq(write(x->fds[1], "x", 1), 1);
}

static void ww_end(struct ww *x) {
  watch_stop(&x->w);
  close(x->fds[0]);
  close(x->fds[1]);
}

START_TEST(watch_levels) {
  struct ww a;
  ww_start(&a, false);
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_int_eq(a.calls, 0);
  ck_assert_int_eq(write(a.fds[1], "x", 1), 1);
  ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0);
  ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0); /* level triggered */
  ck_assert_int_eq(a.calls, 2);
  ck_assert_uint_eq(a.events, POLLER_READ);
  ck_assert_int_eq(watch_change(&a.w, 0), 0);
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_int_eq(a.calls, 2);
  close(a.fds[1]); /* a hang-up is told although nothing was asked for */
  a.fds[1] = -1;
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_int_eq(a.calls, 3);
  ck_assert_uint_eq(a.events, POLLER_ERROR);
  watch_stop(&a.w);
  watch_stop(&a.w);
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_int_eq(a.calls, 3);
  ww_end(&a);
}
END_TEST

/* Both are ready in one batch, and whichever comes first stops the other. */
START_TEST(watch_stopped_in_its_batch) {
  struct ww a, b;
  ww_start(&a, true);
  ww_start(&b, true);
  a.stops = &b;
  b.stops = &a;
  ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0);
  ck_assert_int_eq(a.calls + b.calls, 1);
  ck_assert(!watch_active(&a.w) && !watch_active(&b.w));
  ww_end(&a);
  ww_end(&b);
}
END_TEST

START_TEST(watch_of_a_bad_fd) {
  struct watch w;
  watch_init(&w, on_watch, NULL);
  ck_assert_int_eq(watch_start(&w, loop_poller(lg.loop), -1, POLLER_READ),
                   ERR_SYSTEM);
  ck_assert(!watch_active(&w));
  watch_stop(&w);
}
END_TEST

static void *waker(void *ud) {
  loop_wake(ud);
  return NULL;
}

START_TEST(wake_from_a_thread) {
  pthread_t th;
  ck_assert_int_eq(pthread_create(&th, NULL, waker, lg.loop), 0);
  ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0); /* would wait for ever */
  pthread_join(th, NULL);
  loop_wake(lg.loop);
  loop_wake(lg.loop);
  ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0);
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_int_ge(loop_fd(lg.loop), 0);
}
END_TEST

START_TEST(failing_allocations) {
  struct failing_mem f;
  struct loop *lp;
  struct timer t;
  int rv = ERR_NOMEM;
  for (size_t n = 0; rv == ERR_NOMEM; n++) {
    failing_mem_init(&f, n);
    if ((rv = loop_new(&lp, &f.mem)) == 0) {
      timer_init(&t, lp, on_timer, NULL);
      rv = timer_start_after(&t, 1);
      loop_free(lp);
    }
    ck_assert_uint_eq(f.live_bytes, 0);
    ck_assert_uint_lt(n, 100);
  }
  ck_assert_int_eq(rv, 0);
}
END_TEST

int main(void) {
  Suite *s = suite_create("loop");
  TCase *tc = tcase_create("loop");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, timers_in_order);
  tcase_add_test(tc, timer_restarting_itself_does_not_hold_the_turn);
  tcase_add_test(tc, timer_stopped_by_another);
  tcase_add_test(tc, timer_is_never_early);
  tcase_add_test(tc, deferred_calls);
  tcase_add_test(tc, watch_levels);
  tcase_add_test(tc, watch_stopped_in_its_batch);
  tcase_add_test(tc, watch_of_a_bad_fd);
  tcase_add_test(tc, wake_from_a_thread);
  tcase_add_test(tc, failing_allocations);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
