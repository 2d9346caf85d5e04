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
  uint64_t from;
  timer_init(&t.t, lg.loop, on_timer, &t);
  ck_assert_int_eq(timer_start_after(&t.t, 3600 * NS_PER_S), 0);
  ck_assert_int_le(loop_timeout_ms(lg.loop), 3600000);
  ck_assert_int_gt(loop_timeout_ms(lg.loop), 1800000);
  from = clock_mono_ns();
  ck_assert_int_eq(timer_start_after(&t.t, 20 * NS_PER_MS), 0);
  ck_assert_int_le(loop_timeout_ms(lg.loop), 20);
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

struct slow {
  struct watch w;
  int fds[2];
  int calls;
};

/* Leaves what is there, and takes longer than a turn delivers for. */
static void on_slow(struct watch *w, unsigned events, void *ud) {
  struct slow *x = ud;
  uint64_t begun_ns = clock_mono_ns();
  (void)w;
  (void)events;
  x->calls++;
  while (clock_mono_ns() - begun_ns < 3 * NS_PER_MS)
    ;
}

/* Who stays ready and takes all of a turn keeps nobody from having one: all
 * have as many, whatever order epoll tells of them in. */
START_TEST(slow_ones_take_turns) {
  struct slow all[5];
  for (size_t i = 0; i < 5; i++) {
    struct slow *x = &all[i];
    x->calls = 0;
    watch_init(&x->w, on_slow, x);
    ck_assert_int_eq(pipe(x->fds), 0);
    ck_assert_int_eq(write(x->fds[1], "x", 1), 1);
    ck_assert_int_eq(
        watch_start(&x->w, loop_poller(lg.loop), x->fds[0], POLLER_READ), 0);
  }
  for (int i = 0; i < 10; i++)
    ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0);
  for (size_t i = 0; i < 5; i++)
    ck_assert_int_eq(all[i].calls, 2);
  /* two were told and wait for their turn: one wants nothing any more, and one
   * goes; the others are not held up by that */
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0);
  ck_assert_int_eq(loop_timeout_ms(lg.loop), 0);
  for (size_t i = 0, n = 0; i < 5; i++)
    if (all[i].calls == 2 && n++ == 0)
      ck_assert_int_eq(watch_change(&all[i].w, 0), 0);
    else if (all[i].calls == 2)
      watch_stop(&all[i].w);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(loop_dispatch(lg.loop, -1), 0);
  for (size_t i = 0, n = 0; i < 5; i++) {
    n += (size_t)all[i].calls;
    ck_assert_int_ne(all[i].calls, 5);
    watch_stop(&all[i].w);
    close(all[i].fds[0]);
    close(all[i].fds[1]);
    if (i == 4)
      ck_assert_uint_ge(n, 3 * 3 + 2 * 2 + 3);
  }
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

/* ------------------------------------------------------------- payers --- */

/* Takes |ns| of processor time, or some more: how much. */
static uint64_t work(uint64_t ns) {
  uint64_t from = clock_thread_cpu_ns(), now;
  while ((now = clock_thread_cpu_ns()) < from + ns)
    ;
  return now - from;
}

struct job {
  struct timer t;
  struct deferred d;
  struct watch w;
  uint64_t ns;
  uint64_t took_ns;
  uint64_t seen; /* who had the thread */
  int done;
};

static void do_job(struct job *j) {
  j->seen = till_id(loop_till(lg.loop));
  j->done++;
  j->took_ns = work(j->ns);
}

static void job_timer(struct timer *t, void *ud) {
  (void)t;
  do_job(ud);
}

static void job_deferred(struct deferred *d, void *ud) {
  (void)d;
  do_job(ud);
}

static void job_watch(struct watch *w, unsigned events, void *ud) {
  (void)events;
  watch_stop(w);
  do_job(ud);
}

enum job_kind { JOB_TIMER, JOB_DEFERRED, JOB_WATCH };

static void start_job(struct job *j, enum job_kind kind, int fd,
                      struct payer *p, uint64_t ns) {
  struct till *till = loop_till(lg.loop);
  uint64_t before = till_pass(till, p);
  *j = (struct job){.ns = ns, .seen = UINT64_MAX};
  switch (kind) {
  case JOB_TIMER:
    timer_init(&j->t, lg.loop, job_timer, j);
    ck_assert_int_eq(timer_start_at(&j->t, 0), 0);
    break;
  case JOB_DEFERRED:
    deferred_init(&j->d, job_deferred, j);
    deferred_schedule(lg.loop, &j->d);
    break;
  case JOB_WATCH:
    watch_init(&j->w, job_watch, j);
    ck_assert_int_eq(watch_start(&j->w, loop_poller(lg.loop), fd, POLLER_WRITE),
                     0);
    break;
  }
  till_pass_id(till, before);
}

/* Whoever has the thread when something is started pays for it. */
START_TEST(who_starts_it_pays) {
  struct till *till = loop_till(lg.loop);
  struct payer a = {0}, b = {0};
  struct job of_a, of_b, of_nobody;
  int p[2];
  ck_assert_int_eq(pipe(p), 0);
  ck_assert_int_eq(payer_add(till, &a), 0);
  ck_assert_int_eq(payer_add(till, &b), 0);
  ck_assert_uint_ne(a.id, b.id);
  for (int turn = 0; turn < 2; turn++) {
    uint64_t from_ns = clock_thread_cpu_ns();
    of_nobody.took_ns = 0;
    a.cpu_ns = b.cpu_ns = 0;
    start_job(&of_a, (enum job_kind)_i, p[1], &a, 3 * NS_PER_MS);
    if (_i != JOB_WATCH)
      start_job(&of_nobody, (enum job_kind)_i, -1, NULL, 20 * NS_PER_MS);
    start_job(&of_b, JOB_DEFERRED, -1, &b, 2 * NS_PER_MS);
    ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
    ck_assert_int_eq(of_a.done, 1);
    ck_assert_uint_eq(of_a.seen, a.id);
    ck_assert_uint_eq(of_b.seen, b.id);
    ck_assert_uint_ge(a.cpu_ns, 3 * NS_PER_MS);
    ck_assert_uint_ge(b.cpu_ns, 2 * NS_PER_MS);
    /* all that was used since, without what nobody did; and a toll each time
     * that the thread comes to one of them from nobody, four times at most */
    ck_assert_uint_le(a.cpu_ns + b.cpu_ns + of_nobody.took_ns,
                      clock_thread_cpu_ns() - from_ns + 4 * PAYER_TOLL_MAX_NS);
    if (_i != JOB_WATCH)
      ck_assert_uint_eq(of_nobody.seen, 0);
    /* nor what the program does between two turns */
    work(20 * NS_PER_MS);
  }
  ck_assert_uint_eq(till_id(till), 0);
  payer_remove(till, &a);
  payer_remove(till, &b);
  payer_remove(till, &b);
  close(p[0]);
  close(p[1]);
}
END_TEST

/* What outlives its payer is nobody's, and not that of who has his place. */
START_TEST(payers_that_are_gone) {
  struct till *till = loop_till(lg.loop);
  struct payer a = {0}, b = {0}, many[20] = {{0}};
  struct job late;
  ck_assert_int_eq(payer_add(till, &a), 0);
  start_job(&late, JOB_TIMER, -1, &a, NS_PER_MS);
  payer_remove(till, &a);
  ck_assert_int_eq(payer_add(till, &b), 0);
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_uint_eq(late.seen, 0);
  for (size_t i = 0; i < unit_len(many); i++)
    ck_assert_int_eq(payer_add(till, &many[i]), 0);
  for (size_t i = 0; i < unit_len(many); i++) {
    start_job(&late, JOB_DEFERRED, -1, &many[i], 0);
    ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
    ck_assert_uint_eq(late.seen, many[i].id);
    payer_remove(till, &many[i]);
  }
  /* who goes while he has the thread leaves it to nobody */
  till_pass(till, &b);
  payer_remove(till, &b);
  ck_assert_uint_eq(till_id(till), 0);
}
END_TEST

static void on_alarm(void *ud) {
  ++*(int *)ud;
}

START_TEST(payers_are_told) {
  struct till *till = loop_till(lg.loop);
  int alarms = 0;
  struct payer a = {.alarm_ns = 5 * NS_PER_MS, .alarm = on_alarm};
  struct job j;
  a.ud = &alarms;
  ck_assert_int_eq(payer_add(till, &a), 0);
  payer_charge(&a, 5 * NS_PER_MS - 1);
  ck_assert_int_eq(alarms, 0);
  start_job(&j, JOB_TIMER, -1, &a, NS_PER_MS);
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_int_eq(alarms, 1);
  payer_charge(&a, NS_PER_S);
  ck_assert_int_eq(alarms, 1); /* until it is set anew */
  a.alarm_ns = 0;
  payer_charge(&a, 0);
  ck_assert_int_eq(alarms, 2);
  payer_remove(till, &a);
}
END_TEST

/* Work of the program's own, in the middle of a payer's. */
START_TEST(callbacks_are_free) {
  struct till *till = loop_till(lg.loop);
  struct payer a = {0};
  uint64_t before, from_ns, free_ns, paid_ns;
  ck_assert_int_eq(payer_add(till, &a), 0);
  from_ns = clock_thread_cpu_ns();
  till_pass(till, &a);
  before = till_pass(till, NULL);
  ck_assert_uint_eq(before, a.id);
  free_ns = work(20 * NS_PER_MS);
  till_give_back(till, before);
  ck_assert_uint_eq(till_id(till), a.id);
  paid_ns = till_paid_ns(till, &a);
  ck_assert_uint_le(paid_ns + free_ns,
                    clock_thread_cpu_ns() - from_ns + PAYER_TOLL_MAX_NS);
  till_pass(till, NULL);
  /* and a process that is there for one */
  till_always(till, &a);
  a.cpu_ns = 0;
  work(2 * NS_PER_MS);
  ck_assert_int_eq(loop_dispatch(lg.loop, 0), 0);
  ck_assert_uint_ge(a.cpu_ns, 2 * NS_PER_MS);
  ck_assert_uint_eq(till_id(till), a.id);
  payer_remove(till, &a);
  ck_assert_uint_eq(till_id(till), 0);
}
END_TEST

START_TEST(failing_allocations) {
  struct failing_mem f;
  struct loop *lp;
  struct timer t;
  struct payer p = {0};
  int rv = ERR_NOMEM;
  for (size_t n = 0; rv == ERR_NOMEM; n++) {
    failing_mem_init(&f, n);
    if ((rv = loop_new(&lp, &f.mem)) == 0) {
      timer_init(&t, lp, on_timer, NULL);
      if ((rv = timer_start_after(&t, 1)) == 0)
        rv = payer_add(loop_till(lp), &p);
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
  tcase_add_test(tc, slow_ones_take_turns);
  tcase_add_test(tc, watch_of_a_bad_fd);
  tcase_add_test(tc, wake_from_a_thread);
  tcase_add_loop_test(tc, who_starts_it_pays, 0, JOB_WATCH + 1);
  tcase_add_test(tc, payers_that_are_gone);
  tcase_add_test(tc, payers_are_told);
  tcase_add_test(tc, callbacks_are_free);
  tcase_add_test(tc, failing_allocations);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
