/* check_exchange.c - what hosts and scripts tell each other in values, through
 * the public API, in this process and in workers: functions of the host, what
 * goes in and comes out, calls of the host, channels. */
#include <limits.h>
#include <poll.h>
#include <time.h>

#include "cordon/cordon.h"
#include "tests/unit.h"

#if CORDON_HAVE_WORKER
static const cordon_isolation levels[] = {CORDON_ISOLATION_INPROCESS,
                                          CORDON_ISOLATION_PROCESS};
#else
static const cordon_isolation levels[] = {CORDON_ISOLATION_INPROCESS};
#endif

/* -------------------------------------------------------------- helpers --- */

struct world {
  cordon_host *host;
  cordon_sandbox *sb;
  cordon_error err;
  char output[8192];
  size_t output_len;
  /* functions */
  cordon_call *kept[8];
  size_t nkept, called, gone, refused;
  /* channels */
  cordon_channel *in, *out;
  char received[4096];
  size_t nreceived, stop_after, rooms, ended;
};

static void on_output(void *ud, const char *data, size_t len) {
  struct world *w = ud;
  if (len > sizeof w->output - 1 - w->output_len)
    len = sizeof w->output - 1 - w->output_len;
  memcpy(w->output + w->output_len, data, len);
  w->output_len += len;
  w->output[w->output_len] = '\0';
}

static cordon_value *json(const char *text) {
  cordon_value *v = NULL;
  cordon_error e;
  if (cordon_value_from_json(&v, text, strlen(text), NULL, &e) != CORDON_OK)
    ck_abort_msg("%s: %s", text, e.message);
  return v;
}

struct text {
  char p[4096];
  size_t len;
};

static void on_text(void *ud, const char *data, size_t len) {
  struct text *t = ud;
  if (len > sizeof t->p - 1 - t->len)
    len = sizeof t->p - 1 - t->len;
  memcpy(t->p + t->len, data, len);
  t->len += len;
  t->p[t->len] = '\0';
}

/* Static: until the next one. */
static const char *text_of(const cordon_value *v) {
  static struct text t;
  t.len = 0;
  t.p[0] = '\0';
  ck_assert_int_eq(cordon_value_write_json(v, on_text, &t), CORDON_OK);
  return t.p;
}

static cordon_policy *policy_new(void) {
  static const char text[] = "version: \"1.0\"\nnamespace: app\nentries:\n"
                             "  - name: db\n    kind: security.policy\n"
                             "    policy:\n      actions: db.read\n"
                             "      resources: [table1]\n      effect: allow\n"
                             "  - name: no\n    kind: security.policy\n"
                             "    policy:\n      actions: db.read\n"
                             "      resources: [secret]\n      effect: deny\n";
  cordon_source src = {"policy.yaml", text, sizeof text - 1};
  cordon_policy *policy = NULL;
  cordon_error e;
  if (cordon_policy_new(&policy, NULL, &e) != CORDON_OK ||
      cordon_policy_add(policy, &src, NULL, NULL, &e) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &e) != CORDON_OK)
    ck_abort_msg("%s", e.message);
  return policy;
}

static const char *worker_path(void) {
  static char path[PATH_MAX];
  const char *top = getenv("top_builddir");
  char relative[PATH_MAX];
  snprintf(relative, sizeof relative, "%s/libexec/cordon/cordon-worker",
           top ? top : ".");
  return realpath(relative, path);
}

static void config_init(cordon_sandbox_config *cfg, struct world *w,
                        cordon_isolation level) {
  memset(w, 0, sizeof *w);
  cordon_sandbox_config_init(cfg);
  cfg->isolation = level;
  cfg->actor_id = "tester";
  cfg->output = on_output;
  cfg->ud = w;
}

static void world_begin(struct world *w, cordon_sandbox_config *cfg) {
  cordon_host_config hc;
  cordon_policy *policy = policy_new();
  cordon_host_config_init(&hc);
  hc.worker_path = worker_path();
  cfg->policy = policy;
  if (cordon_host_new(&w->host, &hc, &w->err) != CORDON_OK ||
      cordon_sandbox_new(&w->sb, w->host, cfg, &w->err) != CORDON_OK)
    ck_abort_msg("%s", w->err.message);
  cordon_policy_unref(policy);
}

static void load(struct world *w, const char *text) {
  cordon_source src = {"test.lua", text, strlen(text)};
  if (cordon_sandbox_load(w->sb, &src, NULL, 0, &w->err) != CORDON_OK)
    ck_abort_msg("%s: %s", text, w->err.message);
}

/* One turn, waiting for at most |ms|. */
static void turn(struct world *w, int ms) {
  struct pollfd p = {cordon_host_fd(w->host), POLLIN, 0};
  int timeout = cordon_host_timeout_ms(w->host);
  if (timeout < 0 || timeout > ms)
    timeout = ms;
  poll(&p, 1, timeout);
  ck_assert_int_eq(cordon_host_dispatch(w->host, NULL), CORDON_OK);
}

static uint64_t now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Turns until |cond|; fails when it takes long. */
#define turn_until(w, cond)                                                    \
  do {                                                                         \
    uint64_t end_ = now_ms() + 20000;                                          \
    while (!(cond)) {                                                          \
      ck_assert_msg(now_ms() < end_, "%s never came: %s", #cond, (w)->output); \
      turn((w), 50);                                                           \
    }                                                                          \
  } while (0)

static int finish(struct world *w) {
  int rv = cordon_sandbox_run(w->sb, 0, &w->err);
  return rv;
}

static void world_end(struct world *w) {
  cordon_sandbox_free(w->sb);
  cordon_host_free(w->host);
}

/* ------------------------------------------------- functions of the host ---
 */

static const cordon_value *arg(cordon_call *call, size_t i) {
  return cordon_value_at(cordon_call_args(call), i, NULL, NULL);
}

/* echo(...): a list of its arguments */
static void fn_echo(void *ud, cordon_call *call) {
  struct world *w = ud;
  w->called++;
  ck_assert_ptr_eq(cordon_call_sandbox(call), w->sb);
  ck_assert_int_eq(cordon_value_type(cordon_call_args(call)), CORDON_LIST);
  ck_assert_int_eq(cordon_call_return(call, cordon_call_args(call)), CORDON_OK);
  ck_assert_int_eq(cordon_call_return(call, NULL), CORDON_E_INVALID);
  ck_assert_int_eq(cordon_call_fail(call, NULL, "x", 0), CORDON_E_INVALID);
}

static void fn_nothing(void *ud, cordon_call *call) {
  (void)ud;
  ck_assert_int_eq(cordon_call_return(call, NULL), CORDON_OK);
}

static void fn_fail(void *ud, cordon_call *call) {
  const char *kind = cordon_value_string(arg(call, 0), NULL);
  (void)ud;
  ck_assert_int_eq(cordon_call_fail(call, "no such kind", "x", 0),
                   CORDON_E_INVALID);
  ck_assert_int_eq(cordon_call_fail(call, kind, "it \x1b[2J failed",
                                    cordon_value_boolean(arg(call, 1))),
                   CORDON_OK);
}

static void fn_read(void *ud, cordon_call *call) {
  struct world *w = ud;
  size_t len;
  const char *table = cordon_value_string(arg(call, 0), &len);
  cordon_value *v;
  if (cordon_call_guard(call, "db.read", table, len, NULL) != CORDON_ALLOW) {
    w->refused++;
    ck_assert_int_eq(cordon_call_return(call, NULL), CORDON_E_INVALID);
    return;
  }
  v = json("{\"rows\":[1,2.5,\"three\",true,null,{}]}");
  ck_assert_int_eq(cordon_call_return(call, v), CORDON_OK);
  cordon_value_free(v);
}

static void on_gone(void *ud) {
  ((struct world *)ud)->gone++;
}

static void fn_keep(void *ud, cordon_call *call) {
  struct world *w = ud;
  ck_assert_uint_lt(w->nkept, unit_len(w->kept));
  cordon_call_on_gone(call, on_gone, w);
  w->kept[w->nkept++] = call;
}

static void fn_forever(void *ud, cordon_call *call) {
  (void)ud;
  (void)call; /* never answered: it goes with the host */
}

static void add_functions(struct world *w) {
  static const struct {
    const char *module, *name;
    cordon_function *fn;
  } all[] = {{"host", "echo", fn_echo},     {"host", "nothing", fn_nothing},
             {"host", "fail", fn_fail},     {"my-db.v1", "read", fn_read},
             {"my-db.v1", "keep", fn_keep}, {"host", "forever", fn_forever}};
  unit_each(f, all) ck_assert_int_eq(
      cordon_sandbox_add_function(w->sb, f->module, f->name, f->fn, w, &w->err),
      CORDON_OK);
}

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
      cfg.limits.cpu_ms = 50;
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

/* ---------------------------------------------------- calls of the host --- */

struct done {
  struct world *world;
  size_t calls;
  int result;
  char text[4096];
  const char *again; /* called from inside */
};

static void on_done(void *ud, int result, const cordon_value *value,
                    const cordon_error *error) {
  struct done *d = ud;
  d->calls++;
  d->result = result;
  ck_assert(result == CORDON_OK ? !error : error && error->code == result);
  snprintf(d->text, sizeof d->text, "%s",
           error ? error->message : text_of(value));
  if (d->again) {
    const char *again = d->again;
    d->again = NULL;
    ck_assert_int_eq(
        cordon_sandbox_call(d->world->sb, again, NULL, 0, on_done, d, NULL),
        CORDON_OK);
    ck_assert_int_eq(cordon_sandbox_run(d->world->sb, 0, NULL), CORDON_E_BUSY);
  }
}

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

START_TEST(calls_run_side_by_side) {
  unit_each(level, levels) {
    struct world w;
    struct done d[20], again;
    size_t n = 0;
    actor_begin(&w, *level);
    for (size_t i = 0; i < unit_len(d); i++)
      begin_call(&w, &d[i], i % 2 ? "slow" : "add", i % 2 ? "[10]" : NULL, 0);
    turn_until(&w, d[18].calls == 1);
    for (size_t i = 0; i < unit_len(d); i++)
      n += d[i].calls;
    ck_assert_uint_lt(n, unit_len(d)); /* the slow ones still sleep */
    turn_until(&w, d[19].calls == 1);
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
      cfg.limits.cpu_ms = way == LIMIT ? 60 : 0;
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

/* ------------------------------------------------------------- channels --- */

static void on_room(void *ud, cordon_channel *ch) {
  struct world *w = ud;
  ck_assert_ptr_eq(ch, w->in);
  w->rooms++;
}

static int on_receive(void *ud, cordon_channel *ch, const cordon_value *v) {
  struct world *w = ud;
  size_t used = strlen(w->received);
  ck_assert_ptr_eq(ch, w->out);
  if (!v) {
    w->ended++;
    return CORDON_OK;
  }
  snprintf(w->received + used, sizeof w->received - used, "%s ", text_of(v));
  return ++w->nreceived == w->stop_after ? CORDON_AGAIN : CORDON_OK;
}

static void channels_begin(struct world *w, cordon_isolation level,
                           const char *text) {
  cordon_sandbox_config cfg;
  config_init(&cfg, w, level);
  world_begin(w, &cfg);
  ck_assert_int_eq(cordon_sandbox_add_inlet(w->sb, "io", "jobs", 3, on_room, w,
                                            &w->in, &w->err),
                   CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_add_outlet(w->sb, "io", "results", 2,
                                             on_receive, w, &w->out, &w->err),
                   CORDON_OK);
  if (text)
    load(w, text);
}

static int send_text(struct world *w, const char *text) {
  cordon_value *v = json(text);
  int rv = cordon_channel_send(w->in, v, &w->err);
  cordon_value_free(v);
  return rv;
}

START_TEST(values_go_through_channels) {
  unit_each(level, levels) {
    struct world w;
    char text[32];
    int sent = 0, rv;
    channels_begin(&w, *level,
                   "local io = require 'io' local n = 0 for i = 1, 100 do "
                   "local v, ok = io.jobs:receive() assert(ok and v.n == i) "
                   "n = n + v.n io.results:send({n}) end print(n, "
                   "io.jobs:receive()) io.results:close()");
    while (sent < 100) {
      snprintf(text, sizeof text, "{\"n\":%d}", sent + 1);
      if ((rv = send_text(&w, text)) == CORDON_OK)
        sent++;
      else
        turn(&w, 50);
      ck_assert(rv == CORDON_OK || rv == CORDON_AGAIN);
    }
    cordon_channel_close(w.in);
    ck_assert_int_eq(send_text(&w, "1"), CORDON_E_CLOSED);
    ck_assert_int_eq(finish(&w), CORDON_OK);
    turn_until(&w, w.ended == 1);
    ck_assert_str_eq(w.output, "5050\tnil\tfalse\n");
    ck_assert_uint_eq(w.nreceived, 100);
    ck_assert_uint_gt(w.rooms, 0);
    ck_assert_ptr_nonnull(strstr(w.received, "[1] [3] [6] [10] "));
    ck_assert_int_eq(send_text(&w, "1"), CORDON_E_CLOSED);
    world_end(&w);
  }
}
END_TEST

START_TEST(who_is_slow_holds_up_the_other) {
  unit_each(level, levels) {
    struct world w;
    channels_begin(&w, *level,
                   "local io, time = require 'io', require 'time' for i = 1, 9 "
                   "do io.results:send(i) print(i, #io.results) end "
                   "time.sleep('1h')");
    /* three fit, though nobody has received */
    ck_assert_int_eq(send_text(&w, "1"), CORDON_OK);
    ck_assert_int_eq(send_text(&w, "2"), CORDON_OK);
    ck_assert_int_eq(send_text(&w, "3"), CORDON_OK);
    ck_assert_int_eq(send_text(&w, "4"), CORDON_AGAIN);
    w.stop_after = 2;
    turn_until(&w, w.nreceived == 2);
    for (int i = 0; i < 20; i++)
      turn(&w, 1);
    ck_assert_str_eq(w.received, "1 2 ");
    /* two were received, two wait here */
    turn_until(&w, strstr(w.output, "4\t") != NULL);
    ck_assert_ptr_null(strstr(w.output, "5\t"));
    cordon_channel_resume(w.out);
    turn_until(&w, w.nreceived == 9);
    ck_assert_str_eq(w.received, "1 2 3 4 5 6 7 8 9 ");
    ck_assert_uint_eq(w.rooms, 0);
    ck_assert_int_eq(send_text(&w, "4"), CORDON_AGAIN);
    world_end(&w);
  }
}
END_TEST

/* As world_begin, and |fm| sees what the host's side takes. */
static void counted_begin(struct world *w, struct failing_mem *fm,
                          cordon_isolation level, size_t limit) {
  cordon_sandbox_config cfg;
  cordon_host_config hc;
  failing_mem_init(fm, FAIL_NEVER);
  config_init(&cfg, w, level);
  cfg.limits.memory_bytes = limit;
  cordon_host_config_init(&hc);
  hc.worker_path = worker_path();
  hc.alloc.fn = failing_mem_fn;
  hc.alloc.ud = fm;
  if (cordon_host_new(&w->host, &hc, &w->err) != CORDON_OK ||
      cordon_sandbox_new(&w->sb, w->host, &cfg, &w->err) != CORDON_OK ||
      cordon_sandbox_add_function(w->sb, "host", "forever", fn_forever, w,
                                  &w->err) != CORDON_OK ||
      cordon_sandbox_add_outlet(w->sb, "io", "results", 1000, on_receive, w,
                                &w->out, &w->err) != CORDON_OK)
    ck_abort_msg("%s", w->err.message);
}

/* A host that does not take what it is sent holds it at the script's expense,
 * who gets its memory back when it is taken. */
START_TEST(what_waits_for_the_host_is_charged) {
  static const char text[] =
      "local io, time = require 'io', require 'time' "
      "local text, n = ('x'):rep(500000), 0 io.results:send(1) "
      "print(pcall(function() while true do io.results:send(text) n = n + 1 "
      "end end)) print(n > 8 and n < 16) "
      "for i = 1, 40 do while #io.results > 0 do time.sleep('1ms') end "
      "io.results:send(text) end print 'again'";
  const size_t limit = 8 << 20;
  unit_each(level, levels) {
    cordon_usage usage;
    struct failing_mem fm;
    struct world w;
    counted_begin(&w, &fm, *level, limit);
    w.stop_after = 1;
    load(&w, text);
    turn_until(&w, strstr(w.output, "true") != NULL);
    ck_assert_str_eq(w.output, "false\tnot enough memory\ntrue\n");
    cordon_sandbox_usage(w.sb, &usage);
    ck_assert_uint_le(usage.memory_peak_bytes, limit);
    ck_assert_uint_gt(fm.live_bytes, limit / 2); /* so it is held here */
    ck_assert_uint_lt(fm.peak_bytes, limit + limit / 2);
    cordon_channel_resume(w.out);
    ck_assert_msg(finish(&w) == CORDON_OK, "%s", w.err.message);
    ck_assert_ptr_nonnull(strstr(w.output, "again"));
    world_end(&w);
    ck_assert_uint_eq(fm.live_bytes, 0);
  }
}
END_TEST

/* So is what it is asked and has not answered. */
START_TEST(what_the_host_is_asked_is_charged) {
  static const char text[] =
      "local text = ('x'):rep(500000) for i = 1, 30 do "
      "coroutine.spawn(function() pcall(require 'host'.forever, text) end) end "
      "require 'time'.sleep('1h')";
  const size_t limit = 8 << 20;
  unit_each(level, levels) {
    struct failing_mem fm;
    struct world w;
    counted_begin(&w, &fm, *level, limit);
    load(&w, text);
    ck_assert_int_eq(finish(&w), CORDON_E_LIMIT);
    ck_assert_uint_lt(fm.peak_bytes, limit + limit / 2);
    world_end(&w);
    ck_assert_uint_eq(fm.live_bytes, 0);
  }
}
END_TEST

static const struct {
  const char *text, *output;
} uses[] = {
    {"local io = require 'io' print(pcall(io.jobs.send, io.jobs, 1))",
     "false\tthis channel is fed by the host"},
    {"local io = require 'io' print(pcall(io.results.receive, io.results))",
     "false\tthis channel goes to the host"},
    {"local io = require 'io' print(pcall(io.results.case_receive, "
     "io.results))",
     "false\tthis channel goes to the host"},
    {"local io = require 'io' print(pcall(function() io.results:send(print) "
     "end)) io.results:send('after')",
     "false\ttest.lua:1: channel.send: value is a function, expected plain "
     "data\n"},
    {"local io = require 'io' io.results:close() io.results:close() "
     "print(pcall(io.results.send, io.results, 1))",
     "false\tsend on closed channel\n"},
    {"local io = require 'io' print(io.jobs:capacity(), io.results:capacity())",
     "3\t2\n"},
    {"local io = require 'io' local r = channel.select{io.jobs:case_receive(), "
     "default = true} print(r.default)",
     "true\n"},
    {"local io = require 'io' for i = 1, 5 do local r = "
     "channel.select{io.results:case_send(i), io.jobs:case_receive()} "
     "print(r.channel == io.results, r.ok) end",
     "true\ttrue\ntrue\ttrue\ntrue\ttrue\ntrue\ttrue\ntrue\ttrue\n"},
    {"local io = require 'io' for i = 1, 3 do coroutine.spawn(function() "
     "io.results:send(i == 3 and print or i) end) end "
     "coroutine.spawn(function() print(pcall(io.results.send, io.results, "
     "{print})) end) require 'time'.sleep('1h')",
     ""},
};

START_TEST(channels_are_ordinary_ones) {
  unit_each(level, levels) {
    unit_each(u, uses) {
      struct world w;
      channels_begin(&w, *level, u->text);
      (void)!finish(&w);
      ck_assert_msg(strncmp(w.output, u->output, strlen(u->output)) == 0,
                    "%d: %s: %s %s", *level, u->text, w.output, w.err.message);
      world_end(&w);
    }
  }
}
END_TEST

START_TEST(the_host_closes_an_outlet) {
  unit_each(level, levels) {
    struct world w;
    channels_begin(&w, *level,
                   "local io = require 'io' while true do local ok, e = "
                   "pcall(io.results.send, io.results, 1) if not ok then "
                   "print(e) break end end");
    turn_until(&w, w.nreceived > 3);
    cordon_channel_close(w.out);
    w.nreceived = 0;
    ck_assert_int_eq(finish(&w), CORDON_OK);
    ck_assert_str_eq(w.output, "send on closed channel\n");
    ck_assert_uint_eq(w.nreceived, 0);
    world_end(&w);
  }
}
END_TEST

/* Also what is sent with the last breath. */
START_TEST(all_is_received_when_it_has_run) {
  unit_each(level, levels) {
    struct world w;
    channels_begin(&w, *level,
                   "local r = require 'io'.results r:send(1) r:send(2) "
                   "r:close()");
    ck_assert_int_eq(finish(&w), CORDON_OK);
    ck_assert_str_eq(w.received, "1 2 ");
    ck_assert_uint_eq(w.ended, 1);
    world_end(&w);
  }
}
END_TEST

/* What is sent before anybody has required the module waits for it. */
START_TEST(values_wait_for_the_script) {
  unit_each(level, levels) {
    struct world w;
    channels_begin(&w, *level, NULL);
    ck_assert_int_eq(send_text(&w, "1"), CORDON_E_INVALID);
    load(&w, "require 'time'.sleep('5ms') local j = require 'io'.jobs "
             "print(j:receive(), (j:receive()), j:receive())");
    ck_assert_int_eq(send_text(&w, "\"a\""), CORDON_OK);
    ck_assert_int_eq(send_text(&w, "[]"), CORDON_OK);
    cordon_channel_close(w.in);
    cordon_channel_close(w.in);
    ck_assert_int_eq(finish(&w), CORDON_OK);
    ck_assert_msg(strncmp(w.output, "a\ttable", 7) == 0 &&
                      strstr(w.output, "\tnil\tfalse\n"),
                  "%s", w.output);
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
  for (int i = 0; i < 30; i++)
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

static Suite *suite(void) {
  Suite *s = suite_create("exchange");
  TCase *tc = tcase_create("exchange");
  tcase_set_timeout(tc, 120); /* busy machines, sanitizers */
  tcase_add_test(tc, scripts_call_the_host);
  tcase_add_test(tc, answers_come_later);
  tcase_add_test(tc, answers_come_too_late);
  tcase_add_test(tc, values_go_in_and_out);
  tcase_add_test(tc, arguments_follow_the_input);
  tcase_add_test(tc, the_host_calls_functions);
  tcase_add_test(tc, calls_run_side_by_side);
  tcase_add_test(tc, calls_have_deadlines);
  tcase_add_test(tc, calls_can_be_cancelled);
  tcase_add_test(tc, calls_end_with_the_script);
  tcase_add_test(tc, not_every_script_can_be_kept);
  tcase_add_test(tc, calls_are_bounded);
  tcase_add_test(tc, values_go_through_channels);
  tcase_add_test(tc, who_is_slow_holds_up_the_other);
  tcase_add_test(tc, what_waits_for_the_host_is_charged);
  tcase_add_test(tc, what_the_host_is_asked_is_charged);
  tcase_add_test(tc, channels_are_ordinary_ones);
  tcase_add_test(tc, the_host_closes_an_outlet);
  tcase_add_test(tc, values_wait_for_the_script);
  tcase_add_test(tc, all_is_received_when_it_has_run);
  tcase_add_test(tc, names_are_checked);
  tcase_add_test(tc, limits_hold_in_all_of_it);
  tcase_add_test(tc, memory_is_refused);
  tcase_add_test(tc, every_limit_refuses_somewhere);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
