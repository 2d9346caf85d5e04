/* check_calls.c - calls of the host to functions of a script that is kept. */
#include "tests/world.h"

static void begin_call(struct world *w, struct done *d, const char *method,
                       const char *args, uint64_t deadline_ms) {
  cordon_value *v = args ? json(args) : NULL;
  int rv;
  memset(d, 0, sizeof *d);
  d->world = w;
  rv = cordon_sandbox_call(w->sb, method, v, deadline_ms, on_done, d, &w->err);
  ck_assert_msg(rv == CORDON_OK, "%s: %s", method, w->err.message);
  ck_assert_uint_eq(d->calls, 0);
  cordon_value_free(v);
}

static const char actor[] =
    "local time, host = require 'time', require 'host'\n"
    "local count = 0\n"
    "local T = {}\n"
    "function T.main(...) time.sleep('1ms') count = 100 return 'ignored' end\n"
    "function T.add(n) count = count + (n or 1) return count end\n"
    "function T.args(...) return {select('#', ...), ...} end\n"
    "function T.slow(ms) time.sleep(ms .. 'ms') return 'slow' end\n"
    "function T.fail() error 'boom' end\n"
    "function T.refuse() return nil, errors.new{message = 'no', kind = "
    "'NotFound'} end\n"
    "function T.odd() return {f = print} end\n"
    "function T.spin() while true do end end\n"
    "function T.echo(...) return host.echo(...) end\n"
    "function T.keep() return require 'my-db.v1'.keep() end\n"
    "function T.wait() channel.new():receive() end\n"
    "function T.nothing() end\n"
    "function T.spawn() coroutine.spawn(function() time.sleep('1ms') count = "
    "count + 1000 end) end\n"
    "function T.big() local t = {} for i = 1, 1e9 do t[i] = {} end end\n"
    "T.number = 1\n"
    "return T\n";

static void actor_begin(struct world *w, cordon_isolation level) {
  cordon_sandbox_config cfg;
  config_init(&cfg, w, level);
  cfg.keep = 1;
  world_begin(w, &cfg);
  add_functions(w);
  load(w, actor);
}

static const struct {
  const char *method, *args;
  int result;
  const char *text;
} methods[] = {
    {"add", NULL, CORDON_OK, "101"},
    {"add", "[20]", CORDON_OK, "121"},
    {"args", "[]", CORDON_OK, "[0]"},
    {"args", "[1,\"x\",{\"a\":[true]}]", CORDON_OK,
     "[3,1,\"x\",{\"a\":[true]}]"},
    {"nothing", NULL, CORDON_OK, "null"},
    {"slow", "[1]", CORDON_OK, "\"slow\""},
    {"echo", "[{\"deep\":[1]},2]", CORDON_OK, "[{\"deep\":[1]},2]"},
    {"fail", NULL, CORDON_E_SCRIPT, "boom"},
    {"refuse", NULL, CORDON_E_SCRIPT, "no (NotFound)"},
    {"odd", NULL, CORDON_E_INVALID,
     "result.f is a function, expected plain data"},
    {"number", NULL, CORDON_E_NOT_FOUND,
     "the script returned no function 'number'"},
    {"none", NULL, CORDON_E_NOT_FOUND,
     "the script returned no function 'none'"},
    {"", NULL, CORDON_E_NOT_FOUND, "the script returned no function ''"},
    {"add", NULL, CORDON_OK, "122"},
    {"spawn", NULL, CORDON_OK, "null"},
    {"slow", "[5]", CORDON_OK, "\"slow\""},
    {"add", NULL, CORDON_OK, "1123"},
    {"big", NULL, CORDON_E_LIMIT, "not enough memory"},
    {"add", NULL, CORDON_OK, "1124"},
};

START_TEST(the_host_calls_functions) {
  unit_each(level, levels) {
    struct world w;
    struct done d;
    actor_begin(&w, *level);
    unit_each(m, methods) {
      begin_call(&w, &d, m->method, m->args, 0);
      turn_until(&w, d.calls > 0);
      ck_assert_msg(d.result == m->result && strcmp(d.text, m->text) == 0,
                    "%d: %s: %d %s", *level, m->method, d.result, d.text);
      ck_assert_uint_eq(d.calls, 1);
    }
    ck_assert_int_eq(cordon_sandbox_result(w.sb, NULL), CORDON_AGAIN);
    world_end(&w);
  }
}
END_TEST

/* Every other one waits for the host, which waits for all the rest. */
START_TEST(calls_run_side_by_side) {
  unit_each(level, levels) {
    struct world w;
    struct done d[20], again;
    actor_begin(&w, *level);
    for (size_t i = 0; i < unit_len(d); i++)
      begin_call(&w, &d[i], i % 2 ? "keep" : "add", NULL, 0);
    for (size_t i = 0; i < unit_len(d); i += 2)
      turn_until(&w, d[i].calls == 1);
    turn_until(&w, w.nkept == unit_len(d) / 2);
    for (size_t i = 1; i < unit_len(d); i += 2)
      ck_assert_uint_eq(d[i].calls, 0);
    while (w.nkept > 0)
      ck_assert_int_eq(cordon_call_return(w.kept[--w.nkept], NULL), CORDON_OK);
    for (size_t i = 0; i < unit_len(d); i++) {
      turn_until(&w, d[i].calls == 1);
      ck_assert_int_eq(d[i].result, CORDON_OK);
    }
    begin_call(&w, &again, "add", NULL, 0);
    again.again = "add";
    turn_until(&w, again.calls == 2);
    ck_assert_str_eq(again.text, "112");
    world_end(&w);
  }
}
END_TEST

START_TEST(calls_have_deadlines) {
  static const char *const slow[] = {"slow", "spin", "wait"};
  unit_each(level, levels) {
    struct world w;
    struct done d;
    actor_begin(&w, *level);
    unit_each(s, slow) {
      begin_call(&w, &d, *s, "[100000]", 20);
      turn_until(&w, d.calls == 1);
      ck_assert_int_eq(d.result, CORDON_E_LIMIT);
      ck_assert_str_eq(d.text, "the deadline of the call has passed");
      begin_call(&w, &d, "nothing", NULL, 60000);
      turn_until(&w, d.calls == 1);
      ck_assert_msg(d.result == CORDON_OK, "%s", d.text);
    }
    world_end(&w);
  }
}
END_TEST

START_TEST(calls_can_be_cancelled) {
  static const char *const slow[] = {"slow", "spin", "wait"};
  unit_each(level, levels) {
    struct world w;
    struct done d, e;
    actor_begin(&w, *level);
    unit_each(s, slow) {
      begin_call(&w, &d, *s, "[100000]", 60000);
      begin_call(&w, &e, *s, "[100000]", 20);
      turn_until(&w, e.calls == 1);
      ck_assert_uint_eq(d.calls, 0);
      ck_assert_int_eq(cordon_sandbox_call_cancel(w.sb, on_done, &d),
                       CORDON_OK);
      ck_assert_uint_eq(d.calls, 1);
      ck_assert_int_eq(d.result, CORDON_E_CANCELLED);
      ck_assert_int_eq(cordon_sandbox_call_cancel(w.sb, on_done, &d),
                       CORDON_E_NOT_FOUND);
      begin_call(&w, &d, "nothing", NULL, 60000);
      turn_until(&w, d.calls == 1);
      ck_assert_msg(d.result == CORDON_OK, "%s", d.text);
    }
    ck_assert_int_eq(cordon_sandbox_call_cancel(NULL, on_done, &d),
                     CORDON_E_INVALID);
    ck_assert_int_eq(cordon_sandbox_call_cancel(w.sb, NULL, &d),
                     CORDON_E_INVALID);
    world_end(&w);
  }
}
END_TEST

START_TEST(calls_end_with_the_script) {
  enum { LIMIT, CANCEL, FREE, FAIL, NWAYS };
  unit_each(level, levels) {
    for (int way = LIMIT; way < NWAYS; way++) {
      cordon_sandbox_config cfg;
      struct world w;
      struct done d, e;
      config_init(&cfg, &w, *level);
      cfg.keep = 1;
      cfg.limits.cpu_ms = way == LIMIT ? 100 : 0;
      world_begin(&w, &cfg);
      add_functions(&w);
      load(&w,
           way == FAIL ? "return {main = function() error 'x' end}" : actor);
      begin_call(&w, &d, way == LIMIT ? "spin" : "wait", NULL, 0);
      begin_call(&w, &e, "wait", NULL, 100000);
      if (way == CANCEL)
        cordon_sandbox_cancel(w.sb);
      if (way == FREE) {
        cordon_sandbox_free(w.sb);
        w.sb = NULL;
      } else {
        turn_until(&w, d.calls == 1 && e.calls == 1);
        ck_assert_int_eq(
            cordon_sandbox_call(w.sb, "add", NULL, 0, on_done, &d, NULL),
            CORDON_E_CLOSED);
      }
      ck_assert_uint_eq(d.calls, 1);
      ck_assert_int_eq(d.result, way == LIMIT  ? CORDON_E_LIMIT
                                 : way == FAIL ? CORDON_E_SCRIPT
                                               : CORDON_E_CANCELLED);
      ck_assert_int_eq(e.result, d.result);
      world_end(&w);
    }
  }
}
END_TEST

START_TEST(not_every_script_can_be_kept) {
  static const char *const texts[] = {"", "return 1", "return nil"};
  unit_each(level, levels) {
    unit_each(t, texts) {
      cordon_sandbox_config cfg;
      struct world w;
      struct done d;
      config_init(&cfg, &w, *level);
      cfg.keep = 1;
      world_begin(&w, &cfg);
      ck_assert_int_eq(
          cordon_sandbox_call(w.sb, "x", NULL, 0, on_done, &d, NULL),
          CORDON_E_INVALID);
      load(&w, *t);
      ck_assert_int_eq(finish(&w), CORDON_E_SCRIPT);
      ck_assert_ptr_nonnull(strstr(w.err.message, "a table of functions"));
      world_end(&w);
    }
  }
}
END_TEST

START_TEST(calls_are_bounded) {
  unit_each(level, levels) {
    struct world w;
    struct done d = {.calls = 0};
    cordon_value *list = json("{}");
    size_t n = 0;
    int rv;
    actor_begin(&w, *level);
    d.world = &w;
    ck_assert_int_eq(
        cordon_sandbox_call(w.sb, "add", list, 0, on_done, &d, NULL),
        CORDON_E_INVALID);
    while ((rv = cordon_sandbox_call(w.sb, "add", NULL, 0, on_done, &d,
                                     NULL)) == CORDON_OK)
      n++;
    ck_assert_int_eq(rv, CORDON_AGAIN);
    ck_assert_uint_eq(n, 1000);
    turn_until(&w, d.calls == 1000);
    ck_assert_int_eq(
        cordon_sandbox_call(w.sb, "add", NULL, 0, on_done, &d, NULL),
        CORDON_OK);
    turn_until(&w, d.calls == 1001);
    ck_assert_str_eq(d.text, "1101");
    cordon_value_free(list);
    world_end(&w);
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("calls");
  TCase *tc = tcase_create("calls");
  tcase_set_timeout(tc, 120); /* busy machines, sanitizers */
  tcase_add_test(tc, the_host_calls_functions);
  tcase_add_test(tc, calls_run_side_by_side);
  tcase_add_test(tc, calls_have_deadlines);
  tcase_add_test(tc, calls_can_be_cancelled);
  tcase_add_test(tc, calls_end_with_the_script);
  tcase_add_test(tc, not_every_script_can_be_kept);
  tcase_add_test(tc, calls_are_bounded);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
