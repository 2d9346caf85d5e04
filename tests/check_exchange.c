/* check_exchange.c - what hosts and scripts tell each other in values, in this
 * process and in workers: functions of the host, what goes in and comes out. */
#include "tests/world.h"

static const struct {
  const char *text, *output;
  int result;
} calls[] = {
    {"local h = require 'host' assert(h == require 'host') local t = "
     "h.echo(1, 'a\\0b', true, nil, 2.5, {x = {1, 2}}, nil) "
     "print(#t[2], t[1], t[3], t[4], t[5], t[6].x[2], t[7], math.type(t[1]))",
     "3\t1\ttrue\tnil\t2.5\t2\tnil\tinteger\n", CORDON_OK},
    {"print(select('#', require 'host'.nothing()))", "1\n", CORDON_OK},
    {"local json = require 'json' print(json.encode(require 'host'.echo({}, "
     "json.decode('{}'), {json.null}, 1)))",
     "[[],{},[],1]\n", CORDON_OK},
    {"print(pcall(require 'host'.echo, print))\n"
     "local r, e = require 'host'.echo(1, {a = {2, print}}) print(r, e, "
     "e:kind())",
     "true\tnil\thost.echo: argument 1 is a function, expected plain data\n"
     "nil\thost.echo: argument 2.a[2] is a function, expected plain "
     "data\tInvalid\n",
     CORDON_OK},
    {"local t = {} t.t = t print(require 'host'.echo(t))",
     "nil\thost.echo: argument 1.t contains itself\n", CORDON_OK},
    {"local t = {} for i = 1, 200 do t = {t} end print(require "
     "'host'.echo(t))",
     "nil\thost.echo: argument 1 is nested deeper than 99 levels\n", CORDON_OK},
    {"local t = {} for i = 1, 98 do t = {t} end t = require 'host'.echo(t) "
     "local n = 0 while t do t = t[1] n = n + 1 end print(n)",
     "100\n", CORDON_OK},
    {"local t = {} for i = 1, 70000 do t[i] = 1 end print(require "
     "'host'.echo(t))",
     "nil\thost.echo: argument 1 has more than 65535 values\n", CORDON_OK},
    {"print(require 'host'.echo(('x'):rep(5000000)))",
     "nil\thost.echo: argument 1 has more than 4194304 bytes of strings\n",
     CORDON_OK},
    {"print(#require 'host'.echo(('x'):rep(4000000))[1])", "4000000\n",
     CORDON_OK},
    {"print(require 'host'.echo(0/0))",
     "nil\thost.echo: argument 1 is no finite number\n", CORDON_OK},
    {"local r, e = require 'host'.fail('NotFound', true) print(r, e, e:kind(), "
     "e:retryable())",
     "nil\tit \\x1b[2J failed\tNotFound\ttrue\n", CORDON_OK},
    {"local r, e = require 'host'.fail() print(r, e, e:kind(), "
     "e:retryable())",
     "nil\tit \\x1b[2J failed\t\tfalse\n", CORDON_OK},
    {"local t = require 'my-db.v1'.read('table1') print(#t.rows, t.rows[3], "
     "require 'json'.encode(t.rows[6]))",
     "6\tthree\t{}\n", CORDON_OK},
    {"for _, t in ipairs {'secret', 'other'} do local r, e = require "
     "'my-db.v1'.read(t) print(r, e:kind(), e:details().action, "
     "e:details().resource, e:details().policy) end",
     "nil\tPermissionDenied\tdb.read\tsecret\tapp:no\n"
     "nil\tPermissionDenied\tdb.read\tother\tnil\n",
     CORDON_OK},
    {"print(pcall(function() require 'host'.x = 1 end))",
     "false\ttest.lua:1: attempt to set field 'x' of a read-only table",
     CORDON_OK},
    {"print(pcall(table.sort, {2, 1}, require 'host'.echo))",
     "false\thost.echo cannot wait here", CORDON_OK},
    {"local done = channel.new(8) local h = require 'host' for i = 1, 8 do "
     "coroutine.spawn(function() done:send(h.echo(i)[1]) end) end local n = 0 "
     "for i = 1, 8 do n = n + done:receive() end print(n)",
     "36\n", CORDON_OK},
    {"print(coroutine.wrap(function() return require 'host'.echo('in')[1] "
     "end)())",
     "in\n", CORDON_OK},
    {"local c = channel.new(8) for i = 1, 1001 do coroutine.spawn(function() "
     "local r, e = require 'host'.forever() c:send(e) end) end local e = "
     "c:receive() print(e:kind(), e:retryable())",
     "RateLimited\ttrue\n", CORDON_OK},
    {"local c, s = channel.new(8), ('x'):rep(4000000) for i = 1, 6 do "
     "coroutine.spawn(function() local r, e = require 'host'.forever(s) "
     "c:send(e) end) end local e = c:receive() print(e:kind())",
     "RateLimited\n", CORDON_OK},
    /* Each call is counted with what it takes beside its arguments, also the
     * last one that fits: behind it there is no room, and not all of it. */
    {"local f, sleep = require 'host'.forever, require 'time'.sleep "
     "local long, n, refused = ('x'):rep(4000000), 776500, 0 "
     "local function try(n) local s, e = long:sub(1, n) coroutine.spawn("
     "function() e = select(2, f(s)) end) for i = 1, 50 do if e then break "
     "end sleep(0) end return e end "
     "for i = 1, 4 do assert(not try(4000000)) end "
     "while try(n) do n = n - 100 refused = refused + 1 end "
     "print(refused > 0, try(4000000):kind(), try(1000):kind())",
     "true\tRateLimited\tRateLimited\n", CORDON_OK},
    {"require 'host'.fail2()", "", CORDON_E_SCRIPT},
};

START_TEST(scripts_call_the_host) {
  unit_each(level, levels) {
    unit_each(c, calls) {
      cordon_sandbox_config cfg;
      struct world w;
      int rv;
      config_init(&cfg, &w, *level);
      world_begin(&w, &cfg);
      add_functions(&w);
      load(&w, c->text);
      rv = finish(&w);
      ck_assert_msg(rv == c->result, "%d: %s: %d %s", *level, c->text, rv,
                    w.err.message);
      ck_assert_msg(strncmp(w.output, c->output, strlen(c->output)) == 0,
                    "%d: %s: %s", *level, c->text, w.output);
      world_end(&w);
    }
  }
}
END_TEST

START_TEST(answers_come_later) {
  unit_each(level, levels) {
    cordon_sandbox_config cfg;
    cordon_value *v = json("[\"later\"]");
    struct world w;
    config_init(&cfg, &w, *level);
    world_begin(&w, &cfg);
    add_functions(&w);
    load(&w,
         "local keep = require 'my-db.v1'.keep local done = channel.new() "
         "for i = 1, 3 do coroutine.spawn(function() done:send(i .. "
         "keep(i)[1]) end) end for i = 1, 3 do print((done:receive())) end");
    turn_until(&w, w.nkept == 3);
    for (size_t i = 3; i-- > 0;) /* in another order */
      ck_assert_int_eq(cordon_call_return(w.kept[i], v), CORDON_OK);
    ck_assert_int_eq(finish(&w), CORDON_OK);
    ck_assert_str_eq(w.output, "3later\n2later\n1later\n");
    ck_assert_uint_eq(w.gone, 0);
    cordon_value_free(v);
    world_end(&w);
  }
}
END_TEST

/* The script goes before it is answered, in each way it can. */
START_TEST(answers_come_too_late) {
  enum { END, FAIL, LIMIT, CANCEL, FREE, NWAYS };
  unit_each(level, levels) {
    for (int way = END; way < NWAYS; way++) {
      cordon_sandbox_config cfg;
      struct world w;
      config_init(&cfg, &w, *level);
      cfg.limits.cpu_ms = way == LIMIT ? 300 : 0;
      world_begin(&w, &cfg);
      add_functions(&w);
      load(&w, way == END ? "coroutine.spawn(require 'my-db.v1'.keep) require "
                            "'time'.sleep('20ms')"
               : way == FAIL ? "coroutine.spawn(require 'my-db.v1'.keep) "
                               "require 'time'.sleep('20ms') error 'x'"
               : way == LIMIT
                   ? "coroutine.spawn(require 'my-db.v1'.keep) require "
                     "'time'.sleep('20ms') while true do end"
                   : "require 'my-db.v1'.keep()");
      turn_until(&w, w.nkept == 1);
      if (way == CANCEL)
        cordon_sandbox_cancel(w.sb);
      if (way == FREE) {
        cordon_sandbox_free(w.sb);
        w.sb = NULL;
      } else {
        ck_assert_int_eq(finish(&w), way == END     ? CORDON_OK
                                     : way == FAIL  ? CORDON_E_SCRIPT
                                     : way == LIMIT ? CORDON_E_LIMIT
                                                    : CORDON_E_CANCELLED);
        turn_until(&w, w.gone == 1);
        ck_assert_ptr_eq(cordon_call_sandbox(w.kept[0]), w.sb);
      }
      ck_assert_uint_eq(w.gone, 1);
      if (way != FAIL) { /* that one is never answered */
        if (way == END)
          ck_assert_int_eq(
              cordon_call_guard(w.kept[0], "db.read", "table1", 6, NULL),
              CORDON_ALLOW);
        if (way == FREE) {
          ck_assert_ptr_null(cordon_call_sandbox(w.kept[0]));
          ck_assert_int_eq(
              cordon_call_guard(w.kept[0], "db.read", "table1", 6, NULL),
              CORDON_DENY);
        } else {
          ck_assert_int_eq(cordon_call_return(w.kept[0], NULL), CORDON_OK);
        }
      }
      world_end(&w);
    }
  }
}
END_TEST

/* ------------------------------------------------- what goes in and out --- */

static const struct {
  const char *input, *text, *value;
  int result;
  const char *message;
} values[] = {
    {NULL, "", "null", CORDON_OK, NULL},
    {NULL, "return 1, 2", "1", CORDON_OK, NULL},
    {NULL, "return {main = function() return {a = {1, 'x'}} end}",
     "{\"a\":[1,\"x\"]}", CORDON_OK, NULL},
    {NULL, "return {1, 2}", "[1,2]", CORDON_OK, NULL},
    {NULL, "return true, 'fine'", "true", CORDON_OK, NULL},
    {NULL, "return nil", "null", CORDON_OK, NULL},
    {NULL, "return {main = print}", "null", CORDON_OK, NULL},
    {NULL, "return nil, 'x'", "", CORDON_E_SCRIPT, "x"},
    {NULL, "return {main = 1, rows = {1, 2, print}}", "", CORDON_E_INVALID,
     "result.rows[3] is a function, expected plain data"},
    {NULL, "local t = {} t[1] = t return t", "", CORDON_E_INVALID,
     "result[1] contains itself"},
    {NULL, "return {1, nil, 3}", "", CORDON_E_INVALID,
     "result is a sparse list, expected keys 1..n"},
    {NULL, "return channel.new()", "", CORDON_E_INVALID,
     "result is a userdata, expected plain data"},
    {"{\"n\": 20}",
     "local i = ... return {main = function(i) return i.n + 1 "
     "end}",
     "21", CORDON_OK, NULL},
    {"[1, null, 3]", "return #arg, select('#', ...)", "0", CORDON_OK, NULL},
    {"7", "return select(1, ...)", "7", CORDON_OK, NULL},
    {"null", "return select('#', ...)", "1", CORDON_OK, NULL},
};

START_TEST(values_go_in_and_out) {
  unit_each(level, levels) {
    unit_each(c, values) {
      cordon_sandbox_config cfg;
      const cordon_value *v = NULL;
      cordon_value *input = c->input ? json(c->input) : NULL;
      struct world w;
      int rv;
      config_init(&cfg, &w, *level);
      cfg.input = input;
      world_begin(&w, &cfg);
      cordon_value_free(input);
      ck_assert_int_eq(cordon_sandbox_value(w.sb, &v, NULL), CORDON_AGAIN);
      load(&w, c->text);
      ck_assert_int_eq(cordon_sandbox_value(w.sb, &v, NULL), CORDON_AGAIN);
      (void)!finish(&w);
      rv = cordon_sandbox_value(w.sb, &v, &w.err);
      ck_assert_msg(rv == c->result, "%d: %s: %d %s", *level, c->text, rv,
                    w.err.message);
      if (rv == CORDON_OK)
        ck_assert_str_eq(text_of(v), c->value);
      else
        ck_assert_str_eq(w.err.message, c->message);
      world_end(&w);
    }
  }
}
END_TEST

START_TEST(arguments_follow_the_input) {
  unit_each(level, levels) {
    static const char *const args[] = {"a", "b"};
    static const char text[] = "local a, b, c = ... return {main = function(x, "
                               "y, z) return {a.n, b, c, x.n, y, z, arg[1], "
                               "arg[2], arg[0], #arg} end}";
    cordon_source src = {"test.lua", text, sizeof text - 1};
    cordon_sandbox_config cfg;
    const cordon_value *v;
    cordon_value *input = json("{\"n\":1}");
    struct world w;
    config_init(&cfg, &w, *level);
    cfg.input = input;
    world_begin(&w, &cfg);
    cordon_value_free(input);
    ck_assert_int_eq(cordon_sandbox_load(w.sb, &src, args, 2, &w.err),
                     CORDON_OK);
    ck_assert_int_eq(finish(&w), CORDON_OK);
    ck_assert_int_eq(cordon_sandbox_value(w.sb, &v, &w.err), CORDON_OK);
    ck_assert_str_eq(
        text_of(v), "[1,\"a\",\"b\",1,\"a\",\"b\",\"a\",\"b\",\"test.lua\",2]");
    world_end(&w);
  }
}
END_TEST

/* --------------------------------------------------------------- offers --- */

static const struct {
  const char *module, *name;
  int result;
} names[] = {
    {"a", "b", CORDON_OK},           {"a", "c", CORDON_OK},
    {"a", "b", CORDON_E_INVALID},    {"a.b-c_d", "e", CORDON_OK},
    {"json", "b", CORDON_E_INVALID}, {"channel", "b", CORDON_E_INVALID},
    {"", "b", CORDON_E_INVALID},     {"a", "", CORDON_E_INVALID},
    {".a", "b", CORDON_E_INVALID},   {"a.", "b", CORDON_E_INVALID},
    {"a..b", "b", CORDON_E_INVALID}, {"a/b", "b", CORDON_E_INVALID},
    {"a", "b.c", CORDON_E_INVALID},  {"a", "1b", CORDON_E_INVALID},
    {"1", "b", CORDON_E_INVALID},
};

START_TEST(names_are_checked) {
  unit_each(level, levels) {
    cordon_sandbox_config cfg;
    cordon_channel *ch;
    struct world w;
    char name[32];
    int rv = CORDON_OK;
    config_init(&cfg, &w, *level);
    world_begin(&w, &cfg);
    unit_each(n, names) {
      rv = cordon_sandbox_add_function(w.sb, n->module, n->name, fn_echo, &w,
                                       &w.err);
      ck_assert_msg(rv == n->result, "%s.%s: %d", n->module, n->name, rv);
    }
    ck_assert_int_eq(
        cordon_sandbox_add_inlet(w.sb, "a", "b", 1, NULL, NULL, &ch, &w.err),
        CORDON_E_INVALID);
    ck_assert_int_eq(
        cordon_sandbox_add_inlet(w.sb, "a", "z", 0, NULL, NULL, &ch, &w.err),
        CORDON_E_INVALID);
    ck_assert_int_eq(cordon_sandbox_add_outlet(w.sb, "a", "z", 10001,
                                               on_receive, NULL, &ch, &w.err),
                     CORDON_E_INVALID);
    for (int i = 0; i < 1001 && rv != CORDON_E_LIMIT; i++) {
      snprintf(name, sizeof name, "f%d", i);
      rv = cordon_sandbox_add_function(w.sb, "many", name, fn_echo, &w, &w.err);
    }
    ck_assert_int_eq(rv, CORDON_E_LIMIT);
    load(&w, "print(require 'many'.f990(1)[1])");
    ck_assert_int_eq(
        cordon_sandbox_add_function(w.sb, "x", "y", fn_echo, &w, &w.err),
        CORDON_E_INVALID);
    ck_assert_int_eq(finish(&w), CORDON_OK);
    ck_assert_str_eq(w.output, "1\n");
    world_end(&w);
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("exchange");
  TCase *tc = tcase_create("exchange");
  tcase_set_timeout(tc, 120); /* busy machines, sanitizers */
  tcase_add_test(tc, scripts_call_the_host);
  tcase_add_test(tc, answers_come_later);
  tcase_add_test(tc, answers_come_too_late);
  tcase_add_test(tc, values_go_in_and_out);
  tcase_add_test(tc, arguments_follow_the_input);
  tcase_add_test(tc, names_are_checked);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
