/* check_exchange_limits.c - what hosts and scripts tell each other: CPU time
 * and memory come to an end in all of it. */
#include <time.h>

#define guard unit_guard /* the modules have one of the same name */
#include "tests/world.h"
#undef guard
#include "runtime/sandbox.h"

/* ------------------------------------------------- limits and no memory --- */

/* Wherever it is when its time is up: converting, waiting, being answered. */
START_TEST(limits_hold_in_all_of_it) {
  static const char *const texts[] = {
      "local e, t = require 'host'.echo, {} for i = 1, 60000 do t[i] = i end "
      "while true do e(t) end",
      "local e, s = require 'host'.echo, ('x'):rep(1000000) while true do e(s, "
      "s) end",
      "local e = require 'host'.echo for i = 1, 50 do "
      "coroutine.spawn(function() "
      "while true do e({i, {i}}) end end) end while true do e(1) end",
      "local t = {} for i = 1, 60000 do t['k' .. i] = i end while true do "
      "require 'host'.echo(t, t) end",
      "local o = require 'io'.results while true do o:send({1, {2}}) end",
      "local io = require 'io' while true do channel.select{"
      "io.results:case_send({1}), io.jobs:case_receive()} end",
  };
  unit_each(level, levels) {
    unit_each(t, texts) {
      for (uint64_t cpu_ms = 5; cpu_ms < 30; cpu_ms += 12) {
        cordon_sandbox_config cfg;
        struct world w;
        int rv;
        config_init(&cfg, &w, *level);
        cfg.limits.cpu_ms = cpu_ms;
        world_begin(&w, &cfg);
        add_functions(&w);
        ck_assert_int_eq(cordon_sandbox_add_inlet(w.sb, "io", "jobs", 3, NULL,
                                                  &w, &w.in, &w.err),
                         CORDON_OK);
        ck_assert_int_eq(cordon_sandbox_add_outlet(w.sb, "io", "results", 2,
                                                   on_receive, &w, &w.out,
                                                   &w.err),
                         CORDON_OK);
        load(&w, *t);
        rv = finish(&w);
        ck_assert_msg(rv == CORDON_E_LIMIT, "%d: %s: %d %s", *level, *t, rv,
                      w.err.message);
        world_end(&w);
      }
    }
  }
}
END_TEST

/* All that there is, once; codes of all kinds may come of it. */
static void use_all(struct world *w, const cordon_allocator *alloc,
                    cordon_value *v, uint64_t memory_bytes) {
  static const char text[] =
      "local h, io = require 'host', require 'io' coroutine.spawn(function() "
      "io.results:send(io.jobs:receive()) end) h.echo({1, 'x'}) "
      "h.fail('NotFound') require 'my-db.v1'.read('secret') return {g = "
      "function(...) return {h.echo(...)} end}";
  cordon_source src = {"test.lua", text, sizeof text - 1};
  cordon_sandbox_config cfg;
  cordon_host_config hc;
  struct done d = {.calls = 0};
  size_t made = 0;
  config_init(&cfg, w, CORDON_ISOLATION_INPROCESS);
  cfg.keep = 1;
  cfg.input = v;
  cfg.limits.memory_bytes = memory_bytes;
  cordon_host_config_init(&hc);
  hc.alloc = *alloc;
  if (cordon_host_new(&w->host, &hc, NULL) != CORDON_OK)
    return;
  if (cordon_sandbox_new(&w->sb, w->host, &cfg, NULL) != CORDON_OK)
    goto done;
  d.world = w;
  if (cordon_sandbox_add_function(w->sb, "host", "echo", fn_echo, w, NULL) ||
      cordon_sandbox_add_function(w->sb, "host", "fail", fn_fail, w, NULL) ||
      cordon_sandbox_add_function(w->sb, "my-db.v1", "read", fn_read, w,
                                  NULL) ||
      cordon_sandbox_add_inlet(w->sb, "io", "jobs", 3, on_room, w, &w->in,
                               NULL) ||
      cordon_sandbox_add_outlet(w->sb, "io", "results", 3, on_receive, w,
                                &w->out, NULL) ||
      cordon_sandbox_load(w->sb, &src, NULL, 0, NULL))
    goto done;
  (void)!cordon_channel_send(w->in, v, NULL);
  made +=
      cordon_sandbox_call(w->sb, "g", v, 10000, on_done, &d, NULL) == CORDON_OK;
  for (int i = 0; i < 30 || (i < 10000 && !cordon_host_timeout_ms(w->host));
       i++)
    if (cordon_host_dispatch(w->host, NULL) != CORDON_OK)
      break;
done:
  cordon_sandbox_free(w->sb);
  cordon_host_free(w->host);
  ck_assert_uint_eq(d.calls, made);
}

START_TEST(memory_is_refused) {
  cordon_value *v = json("[1,{\"a\":[true,\"text\"]}]");
  for (size_t n = 0;; n++) {
    struct world w;
    struct failing_mem fm;
    cordon_allocator alloc = {failing_mem_fn, &fm};
    failing_mem_init(&fm, n);
    use_all(&w, &alloc, v, 0);
    ck_assert_uint_eq(fm.live_bytes, 0);
    if (fm.refused == 0) {
      ck_assert_uint_eq(w.called, 2);
      ck_assert_uint_eq(w.nreceived, 1);
      break;
    }
    ck_assert_uint_lt(n, 5000);
  }
  cordon_value_free(v);
}
END_TEST

/* The same by the limit, which counts what the host holds for the script. */
START_TEST(every_limit_refuses_somewhere) {
  cordon_value *v = json("[1,{\"a\":[true,\"text\"]}]");
  size_t whole = 0;
  for (uint64_t limit = 8000; whole < 20; limit += 61) {
    struct world w;
    struct failing_mem fm;
    cordon_allocator alloc = {failing_mem_fn, &fm};
    failing_mem_init(&fm, FAIL_NEVER);
    use_all(&w, &alloc, v, limit);
    ck_assert_uint_eq(fm.live_bytes, 0);
    whole += w.called == 2 && w.nreceived == 1;
    ck_assert_uint_lt(limit, 100000);
  }
  cordon_value_free(v);
}
END_TEST

static void fn_later(void *ud, cordon_call *call) {
  (void)call; /* never answered: it goes with the host */
  ((struct world *)ud)->called++;
}

/* What the host holds of a call is the script's until it has answered, though
 * nobody waits any more. */
START_TEST(forgotten_calls_are_paid) {
  static const char text[] =
      "local later = require 'host'.later "
      "return {g = function() later(('x'):rep(400000)) end}";
  unit_each(level, levels) {
    cordon_sandbox_config cfg;
    struct world w;
    struct done d = {.world = &w};
    config_init(&cfg, &w, *level);
    cfg.keep = 1;
    cfg.limits.memory_bytes = 4 << 20;
    world_begin(&w, &cfg);
    ck_assert_int_eq(cordon_sandbox_add_function(w.sb, "host", "later",
                                                 fn_later, &w, &w.err),
                     CORDON_OK);
    load(&w, text);
    for (size_t i = 0; i < 40 && d.calls == i; i++) {
      if (cordon_sandbox_call(w.sb, "g", NULL, 0, on_done, &d, &w.err) !=
          CORDON_OK)
        break;
      turn_until(&w, w.called > i || d.calls > i);
      if (d.calls > i)
        break; /* there was no memory for it */
      ck_assert_int_eq(cordon_sandbox_call_cancel(w.sb, on_done, &d),
                       CORDON_OK);
    }
    ck_assert_uint_ge(w.called, 3);
    ck_assert_uint_lt(w.called, 15);
    world_end(&w);
  }
}
END_TEST

#define CPU_MS 300

static uint64_t thread_cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void gone_slowly(void *ud) {
  uint64_t end_ns = thread_cpu_ns() + UINT64_C(1000000) * (CPU_MS + 100);
  while (thread_cpu_ns() < end_ns)
    continue;
  ((struct world *)ud)->nreceived++;
}

static void fn_gone(void *ud, cordon_call *call) {
  cordon_call_on_gone(call, gone_slowly, ud);
  ((struct world *)ud)->called++;
}

/* What the host does when a call is gone is its own, and not the script's. */
START_TEST(who_is_told_that_a_call_is_gone_pays) {
  static const char text[] =
      "local gone = require 'host'.gone "
      "return {g = function() gone() end, h = function() return 1 end}";
  unit_each(level, levels) {
    cordon_sandbox_config cfg;
    struct world w;
    struct done d = {.world = &w}, after = {.world = &w};
    config_init(&cfg, &w, *level);
    cfg.keep = 1;
    cfg.limits.cpu_ms = CPU_MS;
    world_begin(&w, &cfg);
    ck_assert_int_eq(
        cordon_sandbox_add_function(w.sb, "host", "gone", fn_gone, &w, &w.err),
        CORDON_OK);
    load(&w, text);
    ck_assert_int_eq(
        cordon_sandbox_call(w.sb, "g", NULL, 0, on_done, &d, &w.err),
        CORDON_OK);
    turn_until(&w, w.called == 1);
    ck_assert_int_eq(cordon_sandbox_call_cancel(w.sb, on_done, &d), CORDON_OK);
    turn_until(&w, w.nreceived == 1);
    for (size_t i = 1; i <= 3; i++) { /* what it is charged is told it later */
      ck_assert_int_eq(
          cordon_sandbox_call(w.sb, "h", NULL, 0, on_done, &after, &w.err),
          CORDON_OK);
      turn_until(&w, after.calls == i);
      ck_assert_int_eq(after.result, CORDON_OK);
    }
    world_end(&w);
  }
}
END_TEST

/* ------------------------------------------- results that wait --- */

struct tally {
  size_t good, refused, other;
  char last[200];
};

static size_t total(const struct tally *t) {
  return t->good + t->refused + t->other;
}

static void on_counted(void *ud, int result, const cordon_value *value,
                       const cordon_error *error) {
  struct tally *t = ud;
  (void)value;
  t->good += result == CORDON_OK;
  t->refused += result == CORDON_E_LIMIT;
  t->other += result != CORDON_OK && result != CORDON_E_LIMIT;
  if (error)
    snprintf(t->last, sizeof t->last, "%s", error->message);
}

static void call_some(struct world *w, const char *method, size_t n,
                      struct tally *t) {
  for (size_t i = 0; i < n; i++)
    ck_assert_int_eq(
        cordon_sandbox_call(w->sb, method, NULL, 0, on_counted, t, &w->err),
        CORDON_OK);
}

static void on_nothing(struct deferred *d, void *ud) {
  (void)d;
  (void)ud;
}

/* A host that is told nothing until |tell| is given back to it; returns that.
 */
typedef void tell_fn(struct deferred *d, void *ud);
static tell_fn *hold_back(struct world *w) {
  tell_fn *tell = w->sb->exchange.run.fn;
  w->sb->exchange.run.fn = on_nothing;
  return tell;
}

static void tell_again(struct world *w, tell_fn *tell) {
  w->sb->exchange.run.fn = tell;
  deferred_schedule(w->sb->host->loop, &w->sb->exchange.run);
}

/* Its results are one text in Lua. */
static void returns_begin(struct world *w, cordon_isolation level) {
  static const char text[] =
      "local s = ('x'):rep(40000) return {one = function() return s end, some "
      "= function() local t = {} for i = 1, 10 do t[i] = s end return t end}";
  cordon_sandbox_config cfg;
  config_init(&cfg, w, level);
  cfg.keep = 1;
  cfg.limits.memory_bytes = 3 << 20;
  world_begin(w, &cfg);
  load(w, text);
}

/* And nothing of what was charged is left. */
static void returns_end(struct world *w) {
  struct tally last = {0};
  turn_until(w, w->sb->exchange.sent_cost == 0);
  call_some(w, "some", 1, &last);
  turn_until(w, total(&last) == 1);
  ck_assert_msg(last.good == 1, "%s", last.last);
  ck_assert(list_empty(&w->sb->bridge.results));
  world_end(w);
}

/* What the host was not told yet is the script's to pay. */
START_TEST(waiting_results_are_paid) {
  unit_each(level, levels) {
    struct world w;
    struct tally t = {0};
    tell_fn *tell;
    returns_begin(&w, *level);
    tell = hold_back(&w);
    call_some(&w, "one", 100, &t);
    turn_until(&w, list_empty(&w.sb->exchange.outgoing));
    tell_again(&w, tell);
    turn_until(&w, total(&t) == 100);
    ck_assert_msg(t.good >= 10 && t.refused >= 10 && t.other == 0,
                  "%d: %zu returned, %zu refused, %zu otherwise: %s", *level,
                  t.good, t.refused, t.other, t.last);
    returns_end(&w);
  }
}
END_TEST

static void drop_on_its_way(struct exchange *x, uint32_t id) {
  (void)x;
  (void)id;
}

/* Results that nobody waits for are given back before those that wait, which
 * are larger: the script pays for these until they are told, and is never told
 * that there is room where the host sees none.  The calls were canceled when
 * they had returned, and the host did not know. */
START_TEST(results_are_given_back_by_name) {
  unit_each(level, levels) {
    struct world w;
    struct script_ops wire;
    struct tally large = {0}, gone = {0}, more = {0};
    struct exchange *x;
    tell_fn *tell;
    returns_begin(&w, *level);
    x = &w.sb->exchange;
    wire = *x->script;
    wire.drop = drop_on_its_way;
    x->script = &wire;
    tell = hold_back(&w);
    call_some(&w, "some", 3, &large);
    call_some(&w, "one", 3, &gone);
    for (int i = 0; i < 3; i++)
      ck_assert_int_eq(cordon_sandbox_call_cancel(w.sb, on_counted, &gone),
                       CORDON_OK);
    ck_assert_uint_eq(gone.other, 3);
    turn_until(&w, list_empty(&x->outgoing));
    call_some(&w, "some", 6, &more);
    turn_until(&w, list_empty(&x->outgoing));
    tell_again(&w, tell);
    turn_until(&w, total(&large) + total(&more) == 9);
    ck_assert_msg(large.good == 3, "%s", large.last);
    ck_assert_msg(more.refused > 0 && more.other == 0, "%s", more.last);
    returns_end(&w);
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("exchange_limits");
  TCase *tc = tcase_create("exchange_limits");
  tcase_set_timeout(tc, 120); /* busy machines, sanitizers */
  tcase_add_test(tc, limits_hold_in_all_of_it);
  tcase_add_test(tc, forgotten_calls_are_paid);
  tcase_add_test(tc, who_is_told_that_a_call_is_gone_pays);
  tcase_add_test(tc, waiting_results_are_paid);
  tcase_add_test(tc, results_are_given_back_by_name);
  tcase_add_test(tc, memory_is_refused);
  tcase_add_test(tc, every_limit_refuses_somewhere);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
