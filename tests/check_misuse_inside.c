/* check_misuse_inside.c - hosts that do everything wrong from inside of each
 * callback: while a sandbox is freed, while a call is given up, while mistakes
 * are told.  Codes are expected, an end of the process where cordon.h says so,
 * and no crash. */
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <signal.h>
#include <time.h>

#include "cordon/cordon.h"
#include "tests/echo.h"

/* |call| must come to |want|, and tells which one did not. */
#define is(call, want)                                                         \
  do {                                                                         \
    int got_ = (int)(call);                                                    \
    ck_assert_msg(got_ == (int)(want), "%s: %d, expected %d", #call, got_,     \
                  (int)(want));                                                \
  } while (0)
#define busy(call) is(call, CORDON_E_BUSY)
#define invalid(call) is(call, CORDON_E_INVALID)

#if CORDON_HAVE_WORKER
static const cordon_isolation levels[] = {CORDON_ISOLATION_INPROCESS,
                                          CORDON_ISOLATION_PROCESS};
#else
static const cordon_isolation levels[] = {CORDON_ISOLATION_INPROCESS};
#endif

/* ---------------------------------------------------------------- host --- */

enum which { DONE, GONE, WAIT_GONE, CONNECTION, ROOM, NWHICH };

struct inside {
  cordon_host *host;
  cordon_sandbox *sb;
  cordon_sandbox *other; /* of the same host: nothing is loaded in it */
  cordon_policy *policy;
  cordon_channel *in, *out, *others;
  cordon_value *value;
  cordon_call *kept;
  cordon_wait *wait;
  bool freeing;         /* it is being freed */
  size_t seen[NWHICH];  /* callbacks, */
  size_t while_freeing; /* and of them */
  size_t opened;
  void (*worst)(struct inside *in); /* what a callback does, and never ends */
};

static void no_text(void *ud, const char *data, size_t len) {
  (void)ud;
  (void)data;
  (void)len;
}

static int no_receive(void *ud, cordon_channel *ch, const cordon_value *v) {
  (void)ud;
  (void)ch;
  (void)v;
  return CORDON_OK;
}

static void no_function(void *ud, cordon_call *call) {
  (void)ud;
  is(cordon_call_return(call, NULL), CORDON_OK);
}

static void no_done(void *ud, int result, const cordon_value *v,
                    const cordon_error *e) {
  (void)ud;
  (void)result;
  (void)v;
  (void)e;
}

static int no_module(struct lua_State *L) {
  (void)L;
  return 0;
}

/* ----------------------------------------------------- what is tried --- */

/* All that is not marked [in callbacks], given |sb| or its host. */
static void refused(struct inside *in, cordon_sandbox *sb) {
  cordon_source empty = {NULL, "", 0};
  cordon_sandbox_config cfg;
  cordon_sandbox *made = NULL;
  cordon_channel *ch = NULL;
  cordon_error err;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  busy(cordon_host_dispatch(in->host, &err));
  busy(cordon_sandbox_new(&made, in->host, &cfg, &err));
  ck_assert_ptr_null(made);
  busy(cordon_sandbox_set_policy(sb, in->policy, &err));
  busy(cordon_sandbox_load(sb, &empty, NULL, 0, &err));
  busy(cordon_sandbox_add_function(sb, "z", "z", no_function, NULL, &err));
  busy(cordon_sandbox_add_inlet(sb, "z", "z", 1, NULL, NULL, &ch, &err));
  busy(cordon_sandbox_add_outlet(sb, "z", "z", 1, no_receive, NULL, &ch, &err));
  busy(cordon_sandbox_add_module(sb, "z", no_module, NULL, &err));
  busy(cordon_sandbox_call_cancel(sb, no_done, NULL));
  ck_assert_ptr_null(ch);
}

/* And what is. */
static void allowed(struct inside *in) {
  const cordon_value *v = NULL;
  cordon_usage usage;
  cordon_error err;
  cordon_decision d;
  cordon_request rq = {.action = "x"};
  cordon_policy *again = cordon_policy_ref(in->policy);
  int rv = cordon_sandbox_result(in->sb, &err);
  is(cordon_sandbox_value(in->sb, &v, &err), rv);
  cordon_sandbox_usage(in->sb, &usage);
  ck_assert_ptr_nonnull(cordon_sandbox_traceback(in->sb));
  ck_assert_ptr_nonnull(cordon_sandbox_error_kind(in->sb));
  ck_assert_int_ge(cordon_host_fd(in->host), 0);
  (void)cordon_host_timeout_ms(in->host);
  is(cordon_decide(NULL, &rq, &d, &err), CORDON_OK);
  is(cordon_policy_count(again), 0);
  cordon_policy_unref(again);
  rv = cordon_channel_send(in->in, in->value, &err);
  ck_assert(rv == CORDON_OK || rv == CORDON_AGAIN || rv == CORDON_E_CLOSED);
  invalid(cordon_channel_send(in->out, in->value, &err));
  cordon_channel_resume(in->out);
  cordon_channel_resume(in->in);
  if (in->freeing)
    is(cordon_sandbox_call(in->sb, "f", NULL, 0, no_done, NULL, &err),
       CORDON_E_CLOSED);
  is(cordon_script_check(&(cordon_source){"x", "", 0}, NULL, &err), CORDON_OK);
  cordon_sandbox_cancel(in->other); /* which nobody runs */
}

static void misuse(struct inside *in, enum which which) {
  in->seen[which]++;
  in->while_freeing += in->freeing;
  if (in->worst && (in->freeing || which == ROOM)) {
    in->worst(in);
    ck_abort();
  }
  refused(in, in->other);
  refused(in, in->sb);
  busy(cordon_sandbox_run(in->sb, 0, NULL));
  busy(cordon_sandbox_run(in->sb, 100, NULL));
  allowed(in);
}

static void on_done(void *ud, int result, const cordon_value *v,
                    const cordon_error *e) {
  ck_assert(result == CORDON_OK ? !e : e && !v);
  misuse(ud, DONE);
}

static void on_gone(void *ud) {
  struct inside *in = ud;
  cordon_call *call = in->kept;
  in->kept = NULL;
  misuse(in, GONE);
  is(cordon_call_guard(call, "x", "y", 1, in->value), CORDON_DENY);
  is(cordon_call_return(call, in->value), CORDON_OK);
}

static void on_wait_gone(void *ud) {
  struct inside *in = ud;
  in->wait = NULL;
  misuse(in, WAIT_GONE);
}

static void on_connection(void *ud, const cordon_connection_event *ev) {
  struct inside *in = ud;
  in->opened += (size_t)ev->opened;
  misuse(in, CONNECTION);
}

static void on_room(void *ud, cordon_channel *ch) {
  struct inside *in = ud;
  ck_assert_ptr_eq(ch, in->in);
  misuse(in, ROOM);
}

static void fn_keep(void *ud, cordon_call *call) {
  struct inside *in = ud;
  ck_assert_ptr_null(in->kept);
  in->kept = call;
  cordon_call_on_gone(call, on_gone, in);
}

/* ----------------------------------------------------------- for Lua --- */

static int finished(struct lua_State *L) {
  lua_pushinteger(L, lua_gettop(L));
  return 1;
}

/* wait(): never answered; the process ends it, or the sandbox. */
static int lua_wait(struct lua_State *L) {
  struct inside *in = lua_touserdata(L, lua_upvalueindex(1));
  in->wait = cordon_wait_begin(L, NULL);
  cordon_wait_on_gone(in->wait, on_wait_gone, in);
  return cordon_wait_yield(L, in->wait, finished);
}

static int yield_nothing(struct lua_State *L) {
  return cordon_wait_yield(L, NULL, finished);
}

static int yield_to_nothing(struct lua_State *L) {
  return cordon_wait_yield(L, cordon_wait_begin(L, "x"), NULL);
}

/* Ended twice before it is yielded, and a second one that is void. */
static int wait_twice(struct lua_State *L) {
  cordon_wait *w = cordon_wait_begin(L, "x");
  (void)cordon_wait_begin(L, "y");
  cordon_wait_end(w);
  cordon_wait_end(w);
  return cordon_wait_yield(L, w, finished);
}

/* Each of these is a refusal, with an error object; how many were. */
static int guard_wrongly(struct lua_State *L) {
  struct inside *in = lua_touserdata(L, lua_upvalueindex(1));
  int top = lua_gettop(L);
  is(cordon_sandbox_guard(L, NULL, "x", 1, NULL), CORDON_DENY);
  is(cordon_sandbox_guard(L, "x", NULL, 1, NULL), CORDON_DENY);
  is(cordon_sandbox_guard(L, "x", "y", 1, in->value), CORDON_DENY);
  is(cordon_sandbox_guard(L, "x", NULL, 0, NULL), CORDON_UNDEFINED);
  for (int i = top + 1; i <= lua_gettop(L); i++)
    is(lua_type(L, i), LUA_TUSERDATA);
  lua_pushinteger(L, lua_gettop(L) - top);
  return 1;
}

static int open_module(struct lua_State *L) {
  static const luaL_Reg calls[] = {{"wait", lua_wait},
                                   {"nothing", yield_nothing},
                                   {"to_nothing", yield_to_nothing},
                                   {"twice", wait_twice},
                                   {"guard", guard_wrongly},
                                   {NULL, NULL}};
  void *ud = lua_touserdata(L, 2);
  ck_assert_ptr_eq(cordon_sandbox_of(L), ((struct inside *)ud)->sb);
  lua_newtable(L);
  lua_pushlightuserdata(L, ud);
  luaL_setfuncs(L, calls, 1);
  return 1;
}

/* ---------------------------------------------------------------- begin ---
 */

static cordon_policy *policy_of(const char *text) {
  cordon_policy *p = NULL;
  cordon_source src = {"p.yaml", text, strlen(text)};
  cordon_error err;
  is(cordon_policy_new(&p, NULL, NULL), CORDON_OK);
  if (text[0] && cordon_policy_add(p, &src, NULL, NULL, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  is(cordon_policy_finish(p, NULL, NULL, NULL), CORDON_OK);
  return p;
}

static const char script[] =
    "local ok, m = pcall(require, 'm')\n"
    "local h, time = require 'h', require 'time'\n"
    "local url = ...\n"
    "if url then c = assert(require 'websocket'.connect(url)) end\n"
    "coroutine.spawn(h.keep)\n"
    "if ok then coroutine.spawn(m.wait) end\n"
    "local M = {}\n"
    "function M.f() time.sleep('1h') end\n"
    "function M.take() return h['in']:receive() end\n"
    "return M\n";

static void begin(struct inside *in, cordon_isolation level, const char *url) {
  static char path[PATH_MAX];
  const char *top = getenv("top_builddir");
  cordon_source src = {"inside.lua", script, sizeof script - 1};
  cordon_sandbox_config cfg;
  cordon_host_config hc;
  cordon_policy *all =
      policy_of("version: \"1.0\"\nnamespace: t\nentries:\n"
                "  - {name: all, kind: security.policy, policy: {actions: "
                "'websocket.*', resources: '*', effect: allow}}\n");
  char relative[PATH_MAX];
  cordon_error err;
  memset(in, 0, sizeof *in);
  snprintf(relative, sizeof relative, "%s/libexec/cordon/cordon-worker",
           top ? top : ".");
  cordon_host_config_init(&hc);
  hc.worker_path = realpath(relative, path);
  is(cordon_host_new(&in->host, &hc, NULL), CORDON_OK);
  is(cordon_value_from_json(&in->value, "[1]", 3, NULL, NULL), CORDON_OK);
  in->policy = policy_of("");
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  is(cordon_sandbox_new(&in->other, in->host, &cfg, NULL), CORDON_OK);
  cfg.isolation = level;
  cfg.actor_id = "tester";
  cfg.policy = all;
  cfg.connection = on_connection;
  cfg.output = no_text;
  cfg.keep = 1;
  cfg.ud = in;
  is(cordon_sandbox_new(&in->sb, in->host, &cfg, &err), CORDON_OK);
  is(cordon_sandbox_add_function(in->sb, "h", "keep", fn_keep, in, &err),
     CORDON_OK);
  is(cordon_sandbox_add_inlet(in->sb, "h", "in", 1, on_room, in, &in->in, &err),
     CORDON_OK);
  is(cordon_sandbox_add_outlet(in->sb, "h", "out", 1, no_receive, in, &in->out,
                               &err),
     CORDON_OK);
  is(cordon_sandbox_add_module(in->sb, "m", open_module, in, &err),
     level == CORDON_ISOLATION_INPROCESS ? CORDON_OK : CORDON_E_UNSUPPORTED);
  is(cordon_sandbox_load(in->sb, &src, &url, url ? 1 : 0, &err), CORDON_OK);
  is(cordon_sandbox_call(in->sb, "f", NULL, 0, on_done, in, &err), CORDON_OK);
  cordon_policy_unref(all);
}

static void turn(struct inside *in) {
  struct pollfd p = {cordon_host_fd(in->host), POLLIN, 0};
  int wait = cordon_host_timeout_ms(in->host);
  poll(&p, 1, wait < 0 || wait > 50 ? 50 : wait);
  is(cordon_host_dispatch(in->host, NULL), CORDON_OK);
  is(cordon_sandbox_result(in->sb, NULL), CORDON_AGAIN);
}

static void end(struct inside *in) {
  if (in->sb) {
    in->freeing = true;
    cordon_sandbox_free(in->sb);
  }
  cordon_sandbox_free(in->other);
  cordon_host_free(in->host);
  cordon_value_free(in->value);
  cordon_policy_unref(in->policy);
}

/* ---------------------------------------------------------------- cases --- */

/* Who waits for a sandbox is told when it is freed, and can do nothing to it
 * any more. */
START_TEST(while_it_is_freed) {
  unit_each(level, levels) {
    bool here = *level == CORDON_ISOLATION_INPROCESS;
    struct inside in;
    struct peer p;
    char url[64];
    echo_start(&p, echo_frames, NULL);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", p.port);
    begin(&in, *level, url);
    while (!in.kept || in.opened == 0 || (here && !in.wait))
      turn(&in);
    end(&in);
    is(in.seen[DONE], 1);
    is(in.seen[GONE], 1);
    is(in.seen[WAIT_GONE], here);
    is(in.seen[CONNECTION], 2);
    is(in.while_freeing, here ? 4 : 3);
    echo_end(&p);
  }
}
END_TEST

START_TEST(while_a_call_is_given_up) {
  unit_each(level, levels) {
    struct inside in;
    begin(&in, *level, NULL);
    while (!in.kept)
      turn(&in);
    is(cordon_sandbox_call_cancel(in.sb, on_done, &in), CORDON_OK);
    is(in.seen[DONE], 1);
    is(cordon_sandbox_call_cancel(in.sb, on_done, &in), CORDON_E_NOT_FOUND);
    turn(&in);
    end(&in);
    is(in.seen[DONE], 1);
  }
}
END_TEST

START_TEST(when_there_is_room) {
  unit_each(level, levels) {
    struct inside in;
    begin(&in, *level, NULL);
    while (cordon_channel_send(in.in, in.value, NULL) == CORDON_OK)
      continue;
    is(cordon_sandbox_call(in.sb, "take", NULL, 0, on_done, &in, NULL),
       CORDON_OK);
    while (in.seen[ROOM] == 0)
      turn(&in);
    end(&in);
  }
}
END_TEST

static void frees_it(struct inside *in) {
  cordon_sandbox_free(in->sb);
}

static void frees_the_other(struct inside *in) {
  cordon_sandbox_free(in->other);
}

static void frees_the_host(struct inside *in) {
  cordon_host_free(in->host);
}

/* Frames below would go on with what is gone: the process ends, at once. */
static const struct {
  void (*worst)(struct inside *in);
  bool give_up; /* in the callback of a call that is given up */
} ends[] = {{frees_it, false},       {frees_the_other, false},
            {frees_the_host, false}, {frees_it, true},
            {frees_the_other, true}, {frees_the_host, true}};

START_TEST(what_must_not_be_survived) {
  struct inside in;
  begin(&in, CORDON_ISOLATION_INPROCESS, NULL);
  while (!in.kept)
    turn(&in);
  in.worst = ends[_i].worst;
  in.freeing = true;
  if (ends[_i].give_up)
    (void)cordon_sandbox_call_cancel(in.sb, on_done, &in);
  else
    cordon_sandbox_free(in.sb);
}
END_TEST

START_TEST(modules_for_lua) {
  static const char text[] =
      "local m = require 'm'\n"
      "print(pcall(m.nothing)) print(pcall(m.to_nothing))\n"
      "assert(not pcall(m.nothing) and not pcall(m.to_nothing))\n"
      "assert(m.twice() > 0) assert(m.guard('a') == 4)\n"
      "assert(not pcall(table.sort, {2, 1}, m.twice))\n";
  cordon_source src = {"x.lua", text, sizeof text - 1};
  cordon_sandbox_config cfg;
  struct inside in;
  cordon_error err;
  memset(&in, 0, sizeof in);
  is(cordon_host_new(&in.host, NULL, NULL), CORDON_OK);
  is(cordon_value_from_json(&in.value, "[1]", 3, NULL, NULL), CORDON_OK);
  in.policy = policy_of("");
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.actor_id = "tester";
  cfg.policy = in.policy;
  is(cordon_sandbox_new(&in.sb, in.host, &cfg, NULL), CORDON_OK);
  is(cordon_sandbox_add_module(in.sb, "m", open_module, &in, NULL), CORDON_OK);
  is(cordon_sandbox_load(in.sb, &src, NULL, 0, NULL), CORDON_OK);
  ck_assert_msg(cordon_sandbox_run(in.sb, INT_MAX, &err) == CORDON_OK, "%s",
                err.message);
  end(&in);
}
END_TEST

/* What can still be said to a script that has ended. */
START_TEST(after_the_end) {
  static const char text[] = "return {f = print}";
  cordon_source src = {"x.lua", text, sizeof text - 1};
  unit_each(level, levels) {
    struct inside in;
    cordon_channel *ch = NULL;
    const cordon_value *v = NULL;
    cordon_error err;
    begin(&in, *level, NULL);
    while (!in.kept)
      turn(&in);
    cordon_sandbox_cancel(in.sb);
    is(cordon_sandbox_run(in.sb, 0, &err), CORDON_E_CANCELLED);
    is(in.seen[DONE], 1);
    is(in.seen[GONE], 1);
    for (int i = 0; i < 2; i++) {
      invalid(cordon_sandbox_load(in.sb, &src, NULL, 0, &err));
      invalid(cordon_sandbox_add_function(in.sb, "z", "z", no_function, NULL,
                                          &err));
      invalid(
          cordon_sandbox_add_inlet(in.sb, "z", "z", 1, NULL, NULL, &ch, &err));
      invalid(cordon_sandbox_add_outlet(in.sb, "z", "z", 1, no_receive, NULL,
                                        &ch, &err));
      is(cordon_sandbox_add_module(in.sb, "z", no_module, NULL, &err),
         *level == CORDON_ISOLATION_INPROCESS ? CORDON_E_INVALID
                                              : CORDON_E_UNSUPPORTED);
      is(cordon_sandbox_call(in.sb, "f", NULL, 0, on_done, &in, &err),
         CORDON_E_CLOSED);
      is(cordon_sandbox_call_cancel(in.sb, on_done, &in), CORDON_E_NOT_FOUND);
      is(cordon_channel_send(in.in, in.value, &err), CORDON_E_CLOSED);
      cordon_channel_resume(in.out);
      cordon_channel_close(in.out);
      cordon_channel_close(in.in);
      is(cordon_sandbox_set_policy(in.sb, in.policy, &err), CORDON_OK);
      is(cordon_sandbox_value(in.sb, &v, &err), CORDON_E_CANCELLED);
      is(cordon_sandbox_run(in.sb, 0, &err), CORDON_E_CANCELLED);
      cordon_sandbox_cancel(in.sb);
      is(cordon_host_dispatch(in.host, &err), CORDON_OK);
    }
    ck_assert_ptr_null(v);
    end(&in);
  }
}
END_TEST

/* ------------------------------------------------- mistakes and texts --- */

struct teller {
  cordon_policy *policy;
  cordon_policy *given_up;
  cordon_suite *suite;
  size_t told;
};

static void on_mistake(void *ud, const cordon_error *mistake) {
  struct teller *t = ud;
  cordon_source empty = {NULL, "", 0};
  cordon_error err;
  ck_assert_int_eq(mistake->code, CORDON_E_POLICY);
  t->told++;
  busy(cordon_policy_add(t->policy, &empty, on_mistake, t, &err));
  busy(cordon_policy_allow(t->policy, "ws://a/", &err));
  busy(cordon_policy_finish(t->policy, NULL, NULL, &err));
  busy(cordon_policy_compat(t->policy, &err));
  invalid(cordon_policy_lint(t->policy, NULL, NULL, NULL, &err));
  (void)cordon_policy_count(t->policy);
  cordon_policy_unref(t->given_up);
  t->given_up = NULL;
}

static const char wrong[] =
    "version: \"1.0\"\nnamespace: t\nentries:\n"
    "  - {name: a, kind: security.policy, policy: {actions: a, resources: 'x', "
    "effect: alow}}\n"
    "  - {name: b, kind: security.policy, policy: {actions: a, resources: 'x', "
    "effect: alow}}\n";

/* Who gives up a set while its mistakes are told has given it up. */
START_TEST(while_mistakes_are_told) {
  cordon_source src = {"wrong.yaml", wrong, sizeof wrong - 1};
  struct teller t = {.told = 0};
  cordon_error err;
  is(cordon_policy_new(&t.policy, NULL, NULL), CORDON_OK);
  is(cordon_policy_add(t.policy, &src, on_mistake, &t, &err), CORDON_E_POLICY);
  is(t.told, 2);
  is(err.line, 4);
  cordon_policy_unref(t.policy);
  is(cordon_policy_new(&t.policy, NULL, NULL), CORDON_OK);
  t.given_up = t.policy;
  is(cordon_policy_add(t.policy, &src, on_mistake, &t, &err), CORDON_E_POLICY);
  is(t.told, 4);
}
END_TEST

static void on_text(void *ud, const char *data, size_t len) {
  cordon_source src = {"x", "version: \"1.0\"\nnamespace: t\nentries: []\n",
                       40};
  size_t *depth = ud;
  ck_assert_ptr_nonnull(data);
  if (++*depth > 3)
    return;
  is(cordon_write_json_string(data, len, on_text, ud), CORDON_OK);
  is(cordon_policy_format(&src, on_text, ud, NULL), CORDON_OK);
  is(cordon_policy_schema(on_text, ud), CORDON_OK);
}

START_TEST(while_texts_are_written) {
  cordon_value *v = NULL;
  size_t depth = 0;
  is(cordon_value_from_json(&v, "{\"a\":[1]}", 9, NULL, NULL), CORDON_OK);
  is(cordon_value_write_json(v, on_text, &depth), CORDON_OK);
  ck_assert_uint_gt(depth, 3);
  cordon_value_free(v);
}
END_TEST

/* ------------------------------------------------------------- suites --- */

static const char tests[] =
    "policies: [.]\nactors:\n  me: {id: me}\ntests:\n"
    "- {name: one, actor: me, deny: 'ws://a.example/'}\n";

static void on_cover(void *ud, const cordon_cover *cover) {
  (void)ud;
  (void)cover;
}

static void on_mutant(void *ud, const cordon_mutant *mutant) {
  (void)ud;
  (void)mutant;
}

static void no_finding(void *ud, const cordon_finding *f) {
  (void)ud;
  (void)f;
}

START_TEST(suites_in_the_wrong_order) {
  cordon_source src = {"t.yaml", tests, sizeof tests - 1};
  cordon_policy *unfinished = NULL, *policy, *other;
  cordon_suite *suite = NULL;
  const cordon_suite *list[2] = {NULL, NULL};
  cordon_lint_config lint;
  size_t asked = 9, failed = 9;
  cordon_error err;
  uint32_t line = 9, column = 9;
  is(cordon_policy_new(&unfinished, NULL, NULL), CORDON_OK);
  policy = policy_of("");
  other = policy_of("");
  if (cordon_suite_new(&suite, &src, NULL, NULL, NULL, &err) != CORDON_OK)
    ck_abort_msg("%u: %s", err.line, err.message);
  /* not bound */
  invalid(cordon_suite_run(suite, 0, &asked, &failed, no_text, NULL, &err));
  invalid(cordon_suite_coverage(suite, on_cover, NULL, &err));
  invalid(cordon_suite_mutate(suite, on_mutant, NULL, &err));
  invalid(cordon_suite_bind(suite, NULL, NULL, NULL, &err));
  invalid(cordon_suite_bind(suite, unfinished, NULL, NULL, &err));
  cordon_lint_config_init(&lint);
  list[0] = suite;
  lint.suites = list;
  lint.nsuites = 1;
  invalid(cordon_policy_lint(policy, &lint, no_finding, NULL, &err));
  is(cordon_suite_bind(suite, policy, NULL, NULL, &err), CORDON_OK);
  is(cordon_suite_bind(suite, policy, NULL, NULL, &err), CORDON_E_BUSY);
  is(cordon_suite_bind(suite, other, NULL, NULL, &err), CORDON_E_BUSY);
  invalid(cordon_suite_run(suite, 1, &asked, &failed, no_text, NULL, &err));
  invalid(cordon_suite_run(suite, SIZE_MAX, NULL, NULL, NULL, NULL, &err));
  is(asked, 9);
  is(cordon_suite_run(suite, 0, NULL, NULL, NULL, NULL, NULL), CORDON_OK);
  is(cordon_suite_run(suite, 0, &asked, &failed, NULL, NULL, NULL), CORDON_OK);
  is(asked, 1);
  is(failed, 0);
  invalid(cordon_suite_coverage(suite, NULL, NULL, &err));
  invalid(cordon_suite_mutate(suite, NULL, NULL, &err));
  is(cordon_suite_coverage(suite, on_cover, NULL, NULL), CORDON_OK);
  is(cordon_suite_mutate(suite, on_mutant, NULL, NULL), CORDON_OK);
  ck_assert_ptr_nonnull(cordon_suite_path(suite, 0, NULL, NULL));
  ck_assert_ptr_null(cordon_suite_path(suite, 1, &line, &column));
  ck_assert_ptr_null(cordon_suite_test(suite, SIZE_MAX, &line, &column));
  is(line, 9);
  /* bound to another set, or none */
  invalid(cordon_policy_lint(other, &lint, no_finding, NULL, &err));
  lint.nsuites = 2;
  invalid(cordon_policy_lint(policy, &lint, no_finding, NULL, &err));
  lint.nsuites = 1;
  is(cordon_policy_lint(policy, &lint, no_finding, NULL, &err), CORDON_OK);
  cordon_policy_unref(policy); /* the suite keeps its own */
  is(cordon_suite_run(suite, 0, &asked, &failed, NULL, NULL, NULL), CORDON_OK);
  cordon_suite_free(suite);
  cordon_policy_unref(other);
  cordon_policy_unref(unfinished);
}
END_TEST

/* ------------------------------------------------- names that are none --- */

START_TEST(lists_with_nothing_in_them) {
  const char *names[] = {"t:a", NULL};
  cordon_policy *policy = policy_of("");
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_scope *scope = NULL;
  cordon_host *host = NULL;
  cordon_error err;
  char text[16] = "unchanged";
  invalid(cordon_scope_new(&scope, policy, names + 1, 1, NULL, &err));
  invalid(cordon_scope_new(&scope, policy, names, 2, NULL, &err));
  ck_assert_ptr_null(scope);
  is(cordon_host_new(&host, NULL, NULL), CORDON_OK);
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.policy = policy;
  cfg.scope_len = 1;
  invalid(cordon_sandbox_new(&sb, host, &cfg, &err));
  cfg.scope = names + 1;
  invalid(cordon_sandbox_new(&sb, host, &cfg, &err));
  cfg.scope = NULL;
  cfg.scope_len = 0;
  cfg.modules_len = 1;
  invalid(cordon_sandbox_new(&sb, host, &cfg, &err));
  cfg.modules = names + 1;
  invalid(cordon_sandbox_new(&sb, host, &cfg, &err));
  ck_assert_ptr_null(sb);
  is(cordon_escape(text, sizeof text, NULL, 5), 0);
  ck_assert_str_eq(text, "");
  invalid(cordon_doctor(NULL, NULL, NULL, &err));
  cordon_host_free(host);
  cordon_policy_unref(policy);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("misuse_inside");
  TCase *tc = tcase_create("inside"), *own = tcase_create("fork");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, while_it_is_freed);
  tcase_add_test(tc, while_a_call_is_given_up);
  tcase_add_test(tc, when_there_is_room);
  tcase_add_test(tc, modules_for_lua);
  tcase_add_test(tc, after_the_end);
  tcase_add_test(tc, while_mistakes_are_told);
  tcase_add_test(tc, while_texts_are_written);
  tcase_add_test(tc, suites_in_the_wrong_order);
  tcase_add_test(tc, lists_with_nothing_in_them);
  tcase_set_tags(own, UNIT_FORK);
  for (int i = 0; i < (int)unit_len(ends); i++)
    tcase_add_loop_test_raise_signal(own, what_must_not_be_survived, SIGABRT, i,
                                     i + 1);
  suite_add_tcase(s, tc);
  suite_add_tcase(s, own);
  return s;
}

int main(void) {
  signal(SIGPIPE, SIG_IGN); /* of the server's side: OpenSSL's own writes */
  return unit_run(suite());
}
