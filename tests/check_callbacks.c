/* check_callbacks.c - what a host may do in its callbacks, and its modules for
 * Lua. */
#include "tests/box.h"

/* ------------------------------------------------------------- callbacks ---
 */

struct inside {
  cordon_host *host;
  cordon_sandbox *sb;
  cordon_policy *policy;
  int calls;
  int audits;
  int audit_result;
  uint64_t last_sequence;
  cordon_verdict verdicts[16];
};

/* What may be called in a callback works, the rest is refused untouched. */
static void try_everything(struct inside *in) {
  cordon_sandbox_config cfg;
  cordon_sandbox *other = NULL;
  cordon_source src = source("x", "");
  cordon_usage usage;
  cordon_error err;
  in->calls++;
  config_init(&cfg, NULL);
  ck_assert_int_eq(cordon_sandbox_new(&other, in->host, &cfg, &err),
                   CORDON_E_BUSY);
  ck_assert_ptr_null(other);
  ck_assert_int_eq(cordon_host_dispatch(in->host, &err), CORDON_E_BUSY);
  ck_assert_int_eq(err.code, CORDON_E_BUSY);
  ck_assert_int_eq(cordon_sandbox_run(in->sb, 0, &err), CORDON_E_BUSY);
  ck_assert_int_eq(cordon_sandbox_load(in->sb, &src, NULL, 0, &err),
                   CORDON_E_BUSY);
  ck_assert_int_eq(cordon_sandbox_result(in->sb, &err), CORDON_AGAIN);
  ck_assert_str_eq(cordon_sandbox_traceback(in->sb), "");
  ck_assert_int_ge(cordon_host_fd(in->host), 0);
  cordon_host_timeout_ms(in->host);
  cordon_sandbox_usage(in->sb, &usage);
  ck_assert(usage.memory_bytes > 0);
}

static void busy_output(void *ud, const char *data, size_t len) {
  struct inside *in = ud;
  try_everything(in);
  if (len >= 6 && memcmp(data, "cancel", 6) == 0)
    cordon_sandbox_cancel(in->sb);
}

static int busy_audit(void *ud, const cordon_audit_event *event) {
  struct inside *in = ud;
  try_everything(in);
  ck_assert_uint_eq(event->sequence, ++in->last_sequence);
  ck_assert_ptr_eq(event->sandbox, in->sb);
  ck_assert_str_eq(event->request->actor_id, "tester");
  ck_assert_str_eq(event->script, "test.lua");
  ck_assert_uint_gt(event->line, 0);
  ck_assert_int_gt((int)event->unix_ns, INT32_MIN);
  in->verdicts[in->audits++ % 16] = event->decision->verdict;
  return in->audit_result;
}

static int busy_require(void *ud, const char *name, cordon_source *ret) {
  struct inside *in = ud;
  try_everything(in);
  if (strcmp(name, "known") == 0) {
    *ret = source("known.lua", "print('running', ...) print 'cancel' "
                               "print 'not reached'");
    return CORDON_OK;
  }
  return strcmp(name, "unreadable") == 0 ? CORDON_E_SYSTEM : CORDON_E_NOT_FOUND;
}

static int run_inside(struct inside *in, const char *text, cordon_error *err) {
  cordon_sandbox_config cfg;
  int rv;
  config_init(&cfg, NULL);
  cfg.policy = in->policy;
  cfg.output = busy_output;
  cfg.audit = busy_audit;
  cfg.require = busy_require;
  cfg.ud = in;
  in->host = host_with(0);
  in->sb = sandbox_with(in->host, &cfg);
  load(in->sb, text);
  rv = cordon_sandbox_run(in->sb, 0, err);
  cordon_sandbox_free(in->sb);
  cordon_host_free(in->host);
  return rv;
}

START_TEST(callbacks) {
  struct inside in = {.policy = policy_new()};
  cordon_error err;
  ck_assert_int_eq(run_inside(&in, "print 'x' print 'cancel' print 'y'", &err),
                   CORDON_E_CANCELLED);
  ck_assert_int_eq(in.calls, 2);
  ck_assert_int_eq(run_inside(&in, "pcall(require, 'known')", &err),
                   CORDON_E_CANCELLED);
  ck_assert_int_eq(in.calls, 5);
  ck_assert_int_eq(run_inside(&in, "require 'unreadable'", &err),
                   CORDON_E_SCRIPT);
  ck_assert_ptr_nonnull(strstr(err.message, "cannot be read"));
  cordon_policy_unref(in.policy);
}
END_TEST

static void run_another_host(void *ud, const char *data, size_t len) {
  cordon_sandbox_config cfg;
  cordon_error err;
  int *calls = ud;
  (void)data;
  (void)len;
  ++*calls;
  config_init(&cfg, NULL);
  cfg.limits.cpu_ms = 10;
  ck_assert_int_eq(run("while true do end", &cfg, 0, &err, NULL),
                   CORDON_E_LIMIT);
}

START_TEST(a_callback_may_run_another_host) {
  cordon_sandbox_config cfg;
  cordon_error err;
  int calls = 0;
  config_init(&cfg, NULL);
  cfg.limits.cpu_ms = 300;
  cfg.output = run_another_host;
  cfg.ud = &calls;
  ck_assert_int_eq(
      run("print() print() while true do end", &cfg, 0, &err, NULL),
      CORDON_E_LIMIT);
  ck_assert_int_eq(calls, 2);
}
END_TEST

START_TEST(what_is_not_recorded_is_refused) {
  static const char connects[] =
      "local c, e = require 'websocket'.connect('ws://127.0.0.1:1/x')\n"
      "assert(not c) error(e)";
  struct inside in = {.policy = policy_new()};
  cordon_error err;
  ck_assert_int_eq(run_inside(&in, connects, &err), CORDON_E_SCRIPT);
  ck_assert_ptr_null(strstr(err.message, "PermissionDenied"));
  ck_assert_int_ge(in.audits, 2);
  ck_assert_int_eq(in.verdicts[0], CORDON_ALLOW);
  ck_assert_int_eq(in.verdicts[1], CORDON_ALLOW);
  in.last_sequence = 0;
  in.audits = 0;
  in.audit_result = -1;
  ck_assert_int_eq(run_inside(&in, connects, &err), CORDON_E_SCRIPT);
  ck_assert_ptr_nonnull(strstr(err.message, "PermissionDenied"));
  ck_assert_ptr_nonnull(strstr(err.message, "could not be recorded"));
  ck_assert_int_eq(in.audits, 1);
  cordon_policy_unref(in.policy);
}
END_TEST

/* ------------------------------------------------------- modules of hosts ---
 */

static int open_fails(struct lua_State *L) {
  return luaL_error(L, "cannot open");
}

static int run_db(struct db *db, const char *text, struct output *o,
                  bool answer, uint64_t deadline_ms, cordon_error *err) {
  cordon_host *host = host_with(0);
  cordon_policy *policy = policy_new();
  cordon_sandbox_config cfg;
  cordon_sandbox *sb;
  int rv;
  config_init(&cfg, o);
  cfg.policy = policy;
  cfg.limits.deadline_ms = deadline_ms;
  sb = sandbox_with(host, &cfg);
  cordon_policy_unref(policy);
  memset(db, 0, sizeof *db);
  ck_assert_int_eq(cordon_sandbox_add_module(sb, "db", db_open, db, err),
                   CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_add_module(sb, "bad", open_fails, NULL, err),
                   CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_add_module(sb, "db", db_open, db, err),
                   CORDON_E_INVALID);
  ck_assert_int_eq(cordon_sandbox_add_module(sb, "json", db_open, db, err),
                   CORDON_E_INVALID);
  ck_assert_int_eq(cordon_sandbox_add_module(sb, "", db_open, db, err),
                   CORDON_E_INVALID);
  load(sb, text);
  ck_assert_int_eq(cordon_sandbox_add_module(sb, "late", db_open, db, err),
                   CORDON_E_INVALID);
  while ((rv = cordon_sandbox_result(sb, err)) == CORDON_AGAIN) {
    struct pollfd p = {cordon_host_fd(host), POLLIN, 0};
    if (cordon_host_timeout_ms(host) != 0 && db->waiting && answer) {
      cordon_wait *w = db->waiting;
      db->waiting = NULL;
      cordon_wait_end(w);
      cordon_wait_end(w);
    }
    poll(&p, 1, cordon_host_timeout_ms(host));
    ck_assert_int_eq(cordon_host_dispatch(host, NULL), CORDON_OK);
  }
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  return rv;
}

START_TEST(modules_of_the_host) {
  static const struct {
    const char *text, *output;
    int result, finished, gone;
    bool answer;
  } cases[] = {
      {"local db = require 'db' assert(require 'db' == db) "
       "print(db.query('thing'), db.query('thing', 'at once'))",
       "row of thing\trow of thing\n", CORDON_OK, 2, 0, true},
      {"print(coroutine.wrap(function() return pcall(require 'db'.query, "
       "'thing') end)())",
       "true\trow of thing\n", CORDON_OK, 1, 0, true},
      {"local r, e = require 'db'.query('other') print(r, e:kind(), "
       "e:details().resource)",
       "nil\tPermissionDenied\tother\n", CORDON_OK, 0, 0, true},
      {"print(pcall(table.sort, {2, 1}, function() require 'db'.query('thing') "
       "end))",
       "false\ttest.lua:1: db.query cannot wait here", CORDON_OK, 0, 0, true},
      {"local db = require 'db' coroutine.spawn(db.query, 'thing') "
       "require 'time'.sleep('1ms') print 'end'",
       "end\n", CORDON_OK, 0, 1, false},
      {"coroutine.spawn(function() require 'time'.sleep('1ms') error 'x' end) "
       "require 'db'.query 'thing'",
       "", CORDON_E_SCRIPT, 0, 1, false},
      {"require 'db'.query 'thing'", "", CORDON_E_LIMIT, 0, 1, false},
      {"print(pcall(require, 'bad'))", "false\tcannot open\n", CORDON_OK, 0, 0,
       true},
  };
  struct output o;
  struct db db;
  cordon_error err;
  unit_each(c, cases) {
    bool late = c->result == CORDON_E_LIMIT;
    uint64_t ms = late ? 200 : 120000;
    int rv = run_db(&db, c->text, &o, c->answer, ms, &err);
    /* a slow machine may not have come as far as to wait */
    while (late && db.gone == 0 && (ms *= 4) < 60000)
      rv = run_db(&db, c->text, &o, c->answer, ms, &err);
    ck_assert_msg(rv == c->result, "%s: %d %s", c->text, rv, err.message);
    ck_assert_msg(strncmp(o.text, c->output, strlen(c->output)) == 0, "%s: %s",
                  c->text, o.text);
    ck_assert_int_eq(db.finished, c->finished);
    ck_assert_int_eq(db.gone, c->gone);
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("callbacks");
  TCase *tc = tcase_create("callbacks");
  tcase_set_timeout(tc, 120); /* busy machines, sanitizers */
  tcase_add_test(tc, callbacks);
  tcase_add_test(tc, a_callback_may_run_another_host);
  tcase_add_test(tc, what_is_not_recorded_is_refused);
  tcase_add_test(tc, modules_of_the_host);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
