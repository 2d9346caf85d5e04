/* check_limits.c - what scripts may use, how they take turns, in other loops
 * too, and how they are cancelled. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "tests/box.h"

/* ---------------------------------------------------------------- limits ---
 */

static const struct {
  const char *text;
  cordon_stop stop;
} limits[] = {
    {"while true do end", CORDON_STOP_CPU},
    {"while true do pcall(function() while true do end end) end",
     CORDON_STOP_CPU},
    {"while true do xpcall(function() while true do end end, function() while "
     "true do end end) end",
     CORDON_STOP_CPU},
    {"while true do coroutine.wrap(function() while true do end end)() end",
     CORDON_STOP_CPU},
    {"while true do pcall(table.sort, {3, 2, 1}, function() while true do end "
     "end) end",
     CORDON_STOP_CPU},
    {"while true do pcall(string.gsub, 'x', 'x', function() while true do end "
     "end) end",
     CORDON_STOP_CPU},
    {"string.f = function() while true do end end while true do pcall(('').f) "
     "end",
     CORDON_STOP_CPU},
    {"coroutine.spawn(function() while true do end end) while true do end",
     CORDON_STOP_CPU},
    {"local ch = channel.new() while true do channel.select{ch:case_receive(), "
     "default = true} end",
     CORDON_STOP_CPU},
    {"local c = coroutine.wrap(function() local x <close> = setmetatable({}, "
     "{__close = function() while true do end end}) error 'x' end) pcall(c) "
     "while true do end",
     CORDON_STOP_CPU},
    {"local t = {} while true do pcall(function() t[#t + 1] = {} end) end",
     CORDON_STOP_MEMORY},
    {"for i = 1, 3 do pcall(string.rep, 'x', 1 << 30) end", CORDON_STOP_MEMORY},
    {"local s = 'x' while true do s = s .. s end", CORDON_STOP_MEMORY},
    {"local t = {} for i = 1, 1e9 do t[i] = coroutine.create(print) end",
     CORDON_STOP_MEMORY},
    {"while true do print(('x'):rep(1000)) end", CORDON_STOP_OUTPUT},
    {"while true do pcall(print, ('x'):rep(1000)) end", CORDON_STOP_OUTPUT},
};

START_TEST(limits_hold) {
  const int signals[] = {0, CORDON_NO_SIGNAL};
  struct output o;
  cordon_sandbox_config cfg;
  cordon_error err;
  cordon_usage usage;
  unit_each(sig, signals) {
    unit_each(c, limits) {
      config_init(&cfg, &o);
      cfg.limits.cpu_ms = c->stop == CORDON_STOP_CPU ? 20 : 20000;
      cfg.limits.memory_bytes = 4 << 20;
      cfg.limits.output_bytes = 10000;
      ck_assert_msg(run(c->text, &cfg, *sig, &err, &usage) == CORDON_E_LIMIT,
                    "%s: %s", c->text, err.message);
      ck_assert_msg(usage.stop == c->stop, "%s: %s", c->text, err.message);
      ck_assert_uint_le(usage.memory_peak_bytes, 4 << 20);
      ck_assert_uint_le(usage.output_bytes, 10000);
      ck_assert_uint_eq(usage.output_bytes, o.len);
    }
  }
}
END_TEST

START_TEST(deadlines) {
  static const char *const texts[] = {
      "while true do end", "require 'time'.sleep('1h')",
      "while true do pcall(require 'time'.sleep, '1ms') end",
      ("for i = 1, 20 do coroutine.spawn(function() while true do end end) end "
       "channel.new():receive()")};
  const int signals[] = {0, CORDON_NO_SIGNAL};
  cordon_sandbox_config cfg;
  cordon_error err;
  cordon_usage usage;
  unit_each(sig, signals) {
    unit_each(text, texts) {
      config_init(&cfg, NULL);
      cfg.limits.deadline_ms = 20;
      ck_assert_int_eq(run(*text, &cfg, *sig, &err, &usage), CORDON_E_LIMIT);
      ck_assert_int_eq(usage.stop, CORDON_STOP_DEADLINE);
      ck_assert(usage.wall_ns >= 20000000);
    }
  }
}
END_TEST

START_TEST(small_limits) {
  struct output o;
  cordon_sandbox_config cfg;
  cordon_error err;
  cordon_host *host = host_with(0);
  cordon_sandbox *sb;
  cordon_source src = source("big.lua", "--[[ 24 bytes of text ]]");
  config_init(&cfg, &o);
  cfg.limits.tasks = 3;
  cfg.limits.timers = 2;
  cfg.limits.source_bytes = 300;
  ck_assert_int_eq(
      run("local time = require 'time'\n"
          "for i = 1, 3 do print((pcall(coroutine.spawn, print, i))) end\n"
          "keep = {time.timer('1h'), time.timer('1h')} print(#keep)\n"
          "local t, e = time.after('1h') print(t, e:kind())",
          &cfg, 0, &err, NULL),
      CORDON_OK);
  ck_assert_ptr_nonnull(strstr(o.text, "true\ntrue\nfalse\n"));
  ck_assert_ptr_nonnull(strstr(o.text, "nil\tRateLimited\n"));
  cfg.limits.source_bytes = 23;
  sb = sandbox_with(host, &cfg);
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, NULL, 0, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_E_SYNTAX);
  cordon_sandbox_free(sb);
  /* less memory than a state takes */
  cfg.limits.memory_bytes = 1000;
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_E_NOMEM);
  cordon_host_free(host);
}
END_TEST

static void *run_in_thread(void *ud) {
  cordon_sandbox_config cfg;
  cordon_error err;
  cordon_usage usage;
  sigset_t all;
  int *rv = ud;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  config_init(&cfg, NULL);
  cfg.limits.cpu_ms = 20;
  *rv = run("while true do end", &cfg, 0, &err, &usage);
  return NULL;
}

START_TEST(limits_hold_in_threads_that_block_signals) {
  pthread_t threads[4];
  int results[4] = {0};
  for (size_t i = 0; i < unit_len(threads); i++)
    ck_assert_int_eq(
        pthread_create(&threads[i], NULL, run_in_thread, &results[i]), 0);
  for (size_t i = 0; i < unit_len(threads); i++) {
    pthread_join(threads[i], NULL);
    ck_assert_int_eq(results[i], CORDON_E_LIMIT);
  }
}
END_TEST

static cordon_host *moved_host;
static void *run_moved(void *ud) {
  cordon_sandbox_config cfg;
  cordon_sandbox *sb;
  (void)ud;
  config_init(&cfg, NULL);
  cfg.limits.cpu_ms = 20;
  sb = sandbox_with(moved_host, &cfg);
  load(sb, "while true do end");
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, NULL), CORDON_E_LIMIT);
  cordon_sandbox_free(sb);
  return NULL;
}

START_TEST(a_host_may_move_to_another_thread) {
  pthread_t thread;
  moved_host = host_with(0);
  for (int i = 0; i < 3; i++) {
    run_moved(NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_moved, NULL), 0);
    pthread_join(thread, NULL);
  }
  cordon_host_free(moved_host);
}
END_TEST

/* ----------------------------------------------- several; other loops --- */

START_TEST(sandboxes_take_turns) {
  enum { N = 8 };
  const int signals[] = {0, CORDON_NO_SIGNAL};
  unit_each(sig, signals) {
    struct output o[N];
    cordon_sandbox_config cfg;
    cordon_sandbox *sb[N];
    cordon_host *host = host_with(*sig);
    cordon_usage usage;
    uint64_t least, most;
    int turns = 0;
    for (int i = 0; i < N; i++) {
      config_init(&cfg, &o[i]);
      cfg.limits.cpu_ms = CORDON_UNLIMITED;
      sb[i] = sandbox_with(host, &cfg);
      /* the first has many tasks, which must not mean more time */
      load(sb[i], i == 0 ? "for i = 1, 100 do coroutine.spawn(function() while "
                           "true do end end) end while true do end"
                         : "while true do end");
    }
    /* a slice that the machine made longer is made up for by many others */
    do {
      for (int i = 0; i < 20 * N; i++)
        ck_assert_int_eq(cordon_host_dispatch(host, NULL), CORDON_OK);
      least = UINT64_MAX;
      most = 0;
      for (int i = 0; i < N; i++) {
        cordon_sandbox_usage(sb[i], &usage);
        least = usage.cpu_ns < least ? usage.cpu_ns : least;
        most = usage.cpu_ns > most ? usage.cpu_ns : most;
        ck_assert_int_eq(cordon_sandbox_result(sb[i], NULL), CORDON_AGAIN);
      }
      ck_assert_uint_gt(least, 0);
    } while (most >= 4 * least && ++turns < 30);
    ck_assert_msg(most < 4 * least, "%llu to %llu ns",
                  (unsigned long long)least, (unsigned long long)most);
    for (int i = 0; i < N; i++)
      cordon_sandbox_free(sb[i]);
    cordon_host_free(host);
  }
}
END_TEST

START_TEST(in_another_loop) {
  struct output o[2];
  cordon_sandbox_config cfg;
  cordon_sandbox *sb[2];
  cordon_host *host = host_with(0);
  struct pollfd p = {cordon_host_fd(host), POLLIN, 0};
  int turns = 0;
  ck_assert_int_ge(p.fd, 0);
  ck_assert_int_eq(cordon_host_timeout_ms(host), -1);
  ck_assert_int_eq(cordon_host_dispatch(host, NULL), CORDON_OK);
  for (int i = 0; i < 2; i++) {
    config_init(&cfg, &o[i]);
    sb[i] = sandbox_with(host, &cfg);
    load(sb[i], "for i = 1, 5 do require 'time'.sleep('2ms') print(i) end");
  }
  ck_assert_int_eq(cordon_host_timeout_ms(host), 0);
  while (cordon_sandbox_result(sb[0], NULL) == CORDON_AGAIN ||
         cordon_sandbox_result(sb[1], NULL) == CORDON_AGAIN) {
    int timeout_ms = cordon_host_timeout_ms(host);
    ck_assert(timeout_ms >= 0 && timeout_ms <= 3);
    ck_assert(poll(&p, 1, timeout_ms) >= 0 || errno == EINTR);
    ck_assert_int_eq(cordon_host_dispatch(host, NULL), CORDON_OK);
    ck_assert_int_eq(p.fd, cordon_host_fd(host));
    ck_assert_int_lt(++turns, 1000); /* it sleeps, it does not spin */
  }
  ck_assert_str_eq(o[0].text, "1\n2\n3\n4\n5\n");
  ck_assert_str_eq(o[1].text, o[0].text);
  ck_assert_int_eq(cordon_host_timeout_ms(host), -1);
  cordon_sandbox_free(sb[0]);
  cordon_sandbox_free(sb[1]);
  cordon_host_free(host);
}
END_TEST

START_TEST(sandboxes_are_freed_at_any_time) {
  static const char *const texts[] = {
      "while true do end",
      "require 'time'.sleep('1h')",
      ("local c = channel.new() coroutine.spawn(function() "
       "coroutine.wrap(function() channel.select {c:case_send(1), "
       "require 'time'.after('1h'):case_receive()} end)() end) c:receive() "
       "c:receive()"),
      ("for i = 1, 100 do coroutine.spawn(function() require 'time'.sleep(i) "
       "end) end require 'time'.sleep('1h')"),
  };
  cordon_host *host = host_with(0);
  cordon_sandbox_config cfg;
  config_init(&cfg, NULL);
  unit_each(text, texts) {
    for (int turns = 0; turns < 6; turns++) {
      cordon_sandbox *sb = sandbox_with(host, &cfg);
      load(sb, *text);
      for (int i = 0; i < turns; i++)
        ck_assert_int_eq(cordon_host_dispatch(host, NULL), CORDON_OK);
      cordon_sandbox_free(sb);
      ck_assert_int_eq(cordon_host_dispatch(host, NULL), CORDON_OK);
    }
  }
  cordon_host_free(host);
}
END_TEST

/* ---------------------------------------------------------------- cancel ---
 */

static void *cancel_soon(void *ud) {
  struct timespec pause = {0, 10000000};
  nanosleep(&pause, NULL);
  cordon_sandbox_cancel(ud);
  return NULL;
}

static const char *const endless[] = {
    "while true do end", "require 'time'.sleep('1h')",
    "while true do pcall(function() while true do end end) end",
    "pcall(require 'time'.sleep, '1h') while true do end"};

START_TEST(cancel_from_another_thread) {
  const int signals[] = {0, CORDON_NO_SIGNAL};
  unit_each(sig, signals) {
    unit_each(text, endless) {
      cordon_host *host = host_with(*sig);
      cordon_sandbox_config cfg;
      cordon_sandbox *sb;
      cordon_usage usage;
      cordon_error err;
      pthread_t thread;
      config_init(&cfg, NULL);
      cfg.limits.cpu_ms = CORDON_UNLIMITED; /* that thread may have to wait */
      sb = sandbox_with(host, &cfg);
      load(sb, *text);
      ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, sb), 0);
      ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_E_CANCELLED);
      pthread_join(thread, NULL);
      cordon_sandbox_usage(sb, &usage);
      ck_assert_int_eq(usage.stop, CORDON_STOP_NONE);
      cordon_sandbox_cancel(sb); /* once more is harmless */
      ck_assert_int_eq(cordon_sandbox_result(sb, NULL), CORDON_E_CANCELLED);
      cordon_sandbox_free(sb);
      cordon_host_free(host);
    }
  }
}
END_TEST

static cordon_sandbox *alarmed;
static void on_alarm(int sig) {
  (void)sig;
  cordon_sandbox_cancel(alarmed);
}

START_TEST(cancel_from_a_signal_handler) {
  unit_each(text, endless) {
    cordon_host *host = host_with(0);
    cordon_sandbox_config cfg;
    struct itimerspec at = {{0, 0}, {0, 10000000}};
    struct sigevent ev;
    timer_t timer;
    memset(&ev, 0, sizeof ev);
    ev.sigev_notify = SIGEV_SIGNAL;
    ev.sigev_signo = SIGUSR1;
    signal(SIGUSR1, on_alarm);
    config_init(&cfg, NULL);
    cfg.limits.cpu_ms = CORDON_UNLIMITED;
    alarmed = sandbox_with(host, &cfg);
    load(alarmed, *text);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &at, NULL), 0);
    ck_assert_int_eq(cordon_sandbox_run(alarmed, 0, NULL), CORDON_E_CANCELLED);
    timer_delete(timer);
    cordon_sandbox_free(alarmed);
    cordon_host_free(host);
  }
}
END_TEST

START_TEST(cancel_makes_the_fd_readable) {
  cordon_host *host = host_with(0);
  cordon_sandbox_config cfg;
  cordon_sandbox *sb;
  struct pollfd p = {cordon_host_fd(host), POLLIN, 0};
  config_init(&cfg, NULL);
  sb = sandbox_with(host, &cfg);
  load(sb, "require 'time'.sleep('1h')");
  while (cordon_host_timeout_ms(host) == 0)
    ck_assert_int_eq(cordon_host_dispatch(host, NULL), CORDON_OK);
  ck_assert_int_eq(poll(&p, 1, 0), 0);
  cordon_sandbox_cancel(sb);
  ck_assert_int_eq(poll(&p, 1, 0), 1);
  ck_assert_int_eq(cordon_host_dispatch(host, NULL), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_result(sb, NULL), CORDON_E_CANCELLED);
  cordon_sandbox_free(sb);
  /* before it is loaded */
  sb = sandbox_with(host, &cfg);
  cordon_sandbox_cancel(sb);
  ck_assert_int_eq(cordon_host_dispatch(host, NULL), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_result(sb, NULL), CORDON_E_CANCELLED);
  cordon_sandbox_free(sb);
  cordon_sandbox_cancel(NULL);
  cordon_host_free(host);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("limits");
  TCase *tc = tcase_create("limits");
  tcase_set_timeout(tc, 120); /* busy machines, sanitizers */
  tcase_add_test(tc, limits_hold);
  tcase_add_test(tc, deadlines);
  tcase_add_test(tc, small_limits);
  tcase_add_test(tc, limits_hold_in_threads_that_block_signals);
  tcase_add_test(tc, a_host_may_move_to_another_thread);
  tcase_add_test(tc, sandboxes_take_turns);
  tcase_add_test(tc, in_another_loop);
  tcase_add_test(tc, sandboxes_are_freed_at_any_time);
  tcase_add_test(tc, cancel_from_another_thread);
  tcase_add_test(tc, cancel_from_a_signal_handler);
  tcase_add_test(tc, cancel_makes_the_fd_readable);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
