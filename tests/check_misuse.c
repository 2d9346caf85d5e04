/* check_misuse.c - hosts that do everything wrong: every function of cordon.h
 * without its arguments, in the wrong order, from inside callbacks and from
 * another thread.  Codes are expected, and no crash. */
#include <pthread.h>
#include <signal.h>

#include "cordon/cordon.h"
#include "tests/unit.h"

/* |call| must come to |want|, and tells which one did not. */
#define is(call, want)                                                         \
  do {                                                                         \
    int got_ = (int)(call);                                                    \
    ck_assert_msg(got_ == (int)(want), "%s: %d, expected %d", #call, got_,     \
                  (int)(want));                                                \
  } while (0)
#define invalid(call) is(call, CORDON_E_INVALID)

static void nothing(void *ud) {
  (void)ud;
}

static void no_text(void *ud, const char *data, size_t len) {
  (void)ud;
  (void)data;
  (void)len;
}

static void no_function(void *ud, cordon_call *call) {
  (void)ud;
  ck_assert_int_eq(cordon_call_return(call, NULL), CORDON_OK);
}

static int no_receive(void *ud, cordon_channel *ch, const cordon_value *v) {
  (void)ud;
  (void)ch;
  (void)v;
  return CORDON_OK;
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

static void no_finding(void *ud, const cordon_finding *f) {
  (void)ud;
  (void)f;
}

/* -------------------------------------------------- without arguments --- */

START_TEST(texts_and_values_of_nothing) {
  cordon_error err;
  cordon_value *v = NULL;
  char small[8];
  ck_assert_str_eq(cordon_strerror(12345), "unknown result");
  ck_assert_ptr_nonnull(cordon_version());
  is(cordon_escape(NULL, 100, "x", 1), 0);
  is(cordon_escape(small, 1, "x", 1), 0);
  invalid(cordon_value_from_json(NULL, "1", 1, NULL, &err));
  invalid(cordon_value_from_json(&v, NULL, 1, NULL, NULL));
  invalid(cordon_value_from_yaml(NULL, "1", 1, NULL, &err));
  invalid(cordon_value_from_yaml(&v, NULL, 1, NULL, NULL));
  invalid(cordon_value_from_string(NULL, "1", 1, NULL, &err));
  invalid(cordon_value_from_string(&v, NULL, 1, NULL, NULL));
  is(cordon_value_from_json(&v, NULL, 0, NULL, &err), CORDON_E_SYNTAX);
  is(cordon_value_from_string(&v, NULL, 0, NULL, &err), CORDON_OK);
  ck_assert_str_eq(cordon_value_string(v, NULL), "");
  is(cordon_value_integer(v), 0);
  is(cordon_value_boolean(v), 0);
  is(cordon_value_len(v), 0);
  ck_assert_ptr_null(cordon_value_at(v, 0, NULL, NULL));
  ck_assert_ptr_null(cordon_value_get(v, "x"));
  cordon_value_free(v);
  cordon_value_free(NULL);
  is(cordon_value_type(NULL), CORDON_NULL);
  ck_assert_ptr_null(cordon_value_get(NULL, NULL));
  ck_assert_ptr_null(cordon_value_at(NULL, SIZE_MAX, NULL, NULL));
  ck_assert_ptr_null(cordon_value_string(NULL, NULL));
  is(cordon_value_len(NULL), 0);
  is(cordon_value_boolean(NULL), 0);
  is(cordon_value_integer(NULL), 0);
  ck_assert(cordon_value_number(NULL) == 0);
  invalid(cordon_value_write_json(NULL, NULL, NULL));
  is(cordon_value_write_json(NULL, no_text, NULL), CORDON_OK);
  invalid(cordon_write_json_string("x", 1, NULL, NULL));
  invalid(cordon_write_json_string(NULL, 1, no_text, NULL));
}
END_TEST

START_TEST(policies_of_nothing) {
  cordon_source none = {NULL, NULL, 1}, empty = {NULL, NULL, 0};
  cordon_lint_config lint;
  cordon_policy *p = NULL;
  cordon_scope *scope = NULL;
  cordon_suite *suite = NULL;
  cordon_request request;
  cordon_decision d;
  cordon_error err;
  size_t n;
  memset(&request, 0, sizeof request);
  invalid(cordon_policy_new(NULL, NULL, &err));
  invalid(cordon_policy_add(NULL, &empty, NULL, NULL, &err));
  invalid(cordon_policy_allow(NULL, "ws://a/", &err));
  invalid(cordon_policy_finish(NULL, NULL, NULL, NULL));
  invalid(cordon_policy_compat(NULL, NULL));
  ck_assert_ptr_null(cordon_policy_ref(NULL));
  cordon_policy_unref(NULL);
  is(cordon_policy_count(NULL), 0);
  invalid(cordon_policy_format(NULL, no_text, NULL, &err));
  invalid(cordon_policy_format(&none, no_text, NULL, &err));
  invalid(cordon_policy_format(&empty, NULL, NULL, &err));
  invalid(cordon_policy_schema(NULL, NULL));
  is(cordon_policy_new(&p, NULL, &err), CORDON_OK);
  invalid(cordon_policy_add(p, NULL, NULL, NULL, &err));
  invalid(cordon_policy_add(p, &none, NULL, NULL, &err));
  invalid(cordon_policy_allow(p, NULL, &err));
  /* not finished yet */
  invalid(cordon_scope_new(&scope, p, NULL, 0, NULL, &err));
  invalid(cordon_policy_lint(p, NULL, no_finding, NULL, &err));
  is(cordon_policy_finish(p, NULL, NULL, &err), CORDON_OK);
  is(cordon_policy_finish(p, NULL, NULL, &err), CORDON_E_BUSY);
  is(cordon_policy_add(p, &empty, NULL, NULL, &err), CORDON_E_BUSY);
  is(cordon_policy_allow(p, "ws://a/", &err), CORDON_E_BUSY);
  is(cordon_policy_compat(p, &err), CORDON_E_BUSY);
  invalid(cordon_policy_lint(NULL, NULL, no_finding, NULL, &err));
  invalid(cordon_policy_lint(p, NULL, NULL, NULL, &err));
  memset(&lint, 0, sizeof lint);
  invalid(cordon_policy_lint(p, &lint, no_finding, NULL, &err));
  cordon_lint_config_init(&lint);
  lint.nsuites = 1;
  invalid(cordon_policy_lint(p, &lint, no_finding, NULL, &err));
  cordon_lint_config_init_sized(NULL, 8);
  ck_assert_ptr_null(cordon_lint_code(SIZE_MAX));
  ck_assert_ptr_null(cordon_lint_page(NULL));
  ck_assert_ptr_null(cordon_lint_page("none"));

  invalid(cordon_scope_new(NULL, p, NULL, 0, NULL, &err));
  invalid(cordon_scope_new(&scope, NULL, NULL, 0, NULL, &err));
  invalid(cordon_scope_new(&scope, p, NULL, 1, NULL, &err));
  cordon_scope_free(NULL);
  invalid(cordon_decide(NULL, &request, NULL, &err));
  d.verdict = CORDON_ALLOW;
  invalid(cordon_decide(NULL, NULL, &d, &err));
  is(d.verdict, CORDON_DENY);
  invalid(cordon_decide(NULL, &request, &d, &err));
  request.action = "x";
  request.resource_len_bytes = 1;
  invalid(cordon_decide(NULL, &request, &d, &err));
  request.resource_len_bytes = 0;
  is(cordon_decide(NULL, &request, &d, &err), CORDON_OK);
  is(d.verdict == CORDON_ALLOW, 0);
  invalid(cordon_explain(NULL, NULL, &d, no_text, NULL));
  invalid(cordon_explain(NULL, &request, NULL, no_text, NULL));
  invalid(cordon_explain(NULL, &request, &d, NULL, NULL));
  is(cordon_explain(NULL, &request, &d, no_text, NULL), CORDON_OK);
  invalid(cordon_explain_errors(NULL, NULL, no_text, NULL));
  invalid(cordon_explain_errors(NULL, &request, NULL, NULL));
  is(cordon_explain_errors(NULL, &request, no_text, NULL), CORDON_OK);
  invalid(cordon_explain_all(NULL, NULL, 0, NULL, NULL, &d, &err));
  invalid(cordon_explain_all(NULL, &request, 0, NULL, NULL, &d, &err));

  invalid(cordon_suite_new(NULL, &empty, NULL, NULL, NULL, &err));
  invalid(cordon_suite_new(&suite, NULL, NULL, NULL, NULL, &err));
  invalid(cordon_suite_new(&suite, &none, NULL, NULL, NULL, &err));
  cordon_suite_free(NULL);
  ck_assert_ptr_null(cordon_suite_path(NULL, 0, NULL, NULL));
  ck_assert_ptr_null(cordon_suite_test(NULL, 0, NULL, NULL));
  invalid(cordon_suite_bind(NULL, p, NULL, NULL, &err));
  invalid(cordon_suite_run(NULL, 0, &n, &n, no_text, NULL, &err));
  invalid(cordon_suite_coverage(NULL, NULL, NULL, &err));
  invalid(cordon_suite_mutate(NULL, NULL, NULL, &err));
  invalid(cordon_doctor("relative", NULL, NULL, &err));
  cordon_policy_unref(p);
}
END_TEST

START_TEST(manifests_of_nothing) {
  static const char text[] =
      "{namespace: n, entries: [{name: a, kind: process.lua, source: "
      "'file://a', lifecycle: {security: {groups: [g]}}}]}";
  cordon_source none = {NULL, NULL, 1}, empty = {NULL, NULL, 0};
  cordon_source good = {"m", text, sizeof text - 1};
  cordon_manifest *m = NULL;
  cordon_policy *p = NULL;
  cordon_error err;
  invalid(cordon_manifest_new(NULL, &empty, NULL, NULL, NULL, &err));
  invalid(cordon_manifest_new(&m, NULL, NULL, NULL, NULL, &err));
  invalid(cordon_manifest_new(&m, &none, NULL, NULL, NULL, &err));
  is(cordon_manifest_new(&m, &empty, NULL, NULL, NULL, NULL), CORDON_E_POLICY);
  cordon_manifest_free(NULL);
  ck_assert_ptr_null(cordon_manifest_at(NULL, 0));
  is(cordon_manifest_new(&m, &good, NULL, NULL, NULL, &err), CORDON_OK);
  ck_assert_ptr_null(cordon_manifest_at(m, 1));
  is(cordon_policy_new(&p, NULL, &err), CORDON_OK);
  invalid(cordon_manifest_check(NULL, p, NULL, NULL, &err));
  invalid(cordon_manifest_check(m, NULL, NULL, NULL, &err));
  invalid(cordon_manifest_check(m, p, NULL, NULL, &err)); /* not finished */
  is(cordon_policy_finish(p, NULL, NULL, &err), CORDON_OK);
  is(cordon_manifest_check(m, p, NULL, NULL, &err), CORDON_E_POLICY);
  is(err.line, 1);
  cordon_manifest_free(m);
  cordon_policy_unref(p);
}
END_TEST

START_TEST(sandboxes_of_nothing) {
  cordon_host *host = NULL;
  cordon_sandbox *sb = NULL;
  cordon_sandbox_config cfg;
  cordon_host_config hc;
  cordon_channel *ch = NULL;
  const cordon_value *v = NULL;
  cordon_source empty = {NULL, NULL, 0};
  cordon_usage usage;
  cordon_error err;
  struct {
    cordon_sandbox_config cfg;
    char newer;
  } newer;
  char tiny[4] = {1, 2, 3, 4};

  cordon_host_config_init_sized(NULL, 8);
  cordon_sandbox_config_init_sized(NULL, 8);
  cordon_sandbox_config_init_sized((cordon_sandbox_config *)(void *)tiny,
                                   sizeof tiny);
  is(tiny[3], 4);
  invalid(cordon_host_new(NULL, NULL, &err));
  memset(&hc, 0, sizeof hc);
  invalid(cordon_host_new(&host, &hc, &err));
  is(cordon_host_fd(NULL), -1);
  is(cordon_host_timeout_ms(NULL), -1);
  invalid(cordon_host_dispatch(NULL, &err));
  cordon_host_free(NULL);
  is(cordon_host_new(&host, NULL, &err), CORDON_OK);

  cordon_sandbox_config_init(&cfg);
  invalid(cordon_sandbox_new(NULL, host, &cfg, &err));
  invalid(cordon_sandbox_new(&sb, NULL, &cfg, &err));
  invalid(cordon_sandbox_new(&sb, host, NULL, &err));
  memset(&cfg, 0, sizeof cfg);
  invalid(cordon_sandbox_new(&sb, host, &cfg, &err));
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = (cordon_isolation)7;
  invalid(cordon_sandbox_new(&sb, host, &cfg, &err));
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.mode = (cordon_mode)7;
  invalid(cordon_sandbox_new(&sb, host, &cfg, &err));
  cordon_sandbox_config_init_sized(&newer.cfg, sizeof newer);
  ((char *)&newer)[sizeof newer.cfg] = 1;
  newer.cfg.isolation = CORDON_ISOLATION_INPROCESS;
  is(cordon_sandbox_new(&sb, host, &newer.cfg, &err), CORDON_E_UNSUPPORTED);

  cordon_sandbox_free(NULL);
  cordon_sandbox_cancel(NULL);
  cordon_sandbox_usage(NULL, &usage);
  cordon_sandbox_usage_sized(NULL, NULL, 0);
  memset(&usage, 0xa5, sizeof usage);
  cordon_sandbox_usage(NULL, &usage);
  is(usage.cpu_ns == 0 && usage.sent == 0, 1);
  ck_assert_str_eq(cordon_sandbox_traceback(NULL), "");
  ck_assert_str_eq(cordon_sandbox_error_kind(NULL), "");
  ck_assert_str_eq(cordon_sandbox_error_kind(NULL), "");
  invalid(cordon_sandbox_set_policy(NULL, NULL, &err));
  invalid(cordon_sandbox_add_module(NULL, NULL, NULL, NULL, &err));
  invalid(cordon_sandbox_add_function(NULL, "a", "b", no_function, NULL, &err));
  invalid(cordon_sandbox_add_inlet(NULL, "a", "b", 1, NULL, NULL, &ch, &err));
  invalid(cordon_sandbox_add_outlet(NULL, "a", "b", 1, no_receive, NULL, &ch,
                                    &err));
  invalid(cordon_script_check(NULL, NULL, &err));
  is(cordon_script_check(&empty, NULL, NULL), CORDON_OK);
  invalid(cordon_sandbox_load(NULL, &empty, NULL, 0, &err));
  invalid(cordon_sandbox_run(NULL, 0, &err));
  invalid(cordon_sandbox_result(NULL, &err));
  invalid(cordon_sandbox_value(NULL, &v, &err));
  invalid(cordon_sandbox_call(NULL, "x", NULL, 0, no_done, NULL, &err));
  ck_assert_ptr_null(cordon_call_args(NULL));
  ck_assert_ptr_null(cordon_call_sandbox(NULL));
  is(cordon_call_guard(NULL, "x", "y", 1, NULL), CORDON_DENY);
  invalid(cordon_call_return(NULL, NULL));
  invalid(cordon_call_fail(NULL, NULL, NULL, 0));
  cordon_call_on_gone(NULL, nothing, NULL);
  invalid(cordon_channel_send(NULL, NULL, &err));
  cordon_channel_resume(NULL);
  cordon_channel_close(NULL);
  cordon_wait_on_gone(NULL, nothing, NULL);
  cordon_wait_end(NULL);

  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  is(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_OK);
  invalid(cordon_sandbox_set_policy(sb, NULL, &err));
  invalid(cordon_sandbox_add_module(sb, "x", NULL, NULL, &err));
  invalid(cordon_sandbox_add_function(sb, NULL, "b", no_function, NULL, &err));
  invalid(cordon_sandbox_add_function(sb, "a", "b", NULL, NULL, &err));
  invalid(cordon_sandbox_add_inlet(sb, "a", "b", 1, NULL, NULL, NULL, &err));
  invalid(cordon_sandbox_add_outlet(sb, "a", "b", 1, NULL, NULL, &ch, &err));
  invalid(cordon_sandbox_load(sb, NULL, NULL, 0, &err));
  invalid(cordon_sandbox_load(sb, &empty, NULL, 1, &err));
  invalid(cordon_sandbox_run(sb, 0, &err)); /* nothing is loaded */
  invalid(cordon_sandbox_value(sb, NULL, &err));
  invalid(cordon_sandbox_call_cancel(sb, NULL, NULL));
  is(cordon_sandbox_call_cancel(sb, no_done, NULL), CORDON_E_NOT_FOUND);
  invalid(cordon_sandbox_call(sb, NULL, NULL, 0, no_done, NULL, &err));
  invalid(cordon_sandbox_call(sb, "x", NULL, 0, NULL, NULL, &err));
  invalid(cordon_sandbox_call(sb, "x", NULL, 0, no_done, NULL, &err));
  is(cordon_sandbox_result(sb, NULL), CORDON_AGAIN);
  is(cordon_sandbox_add_function(sb, "a", "b", no_function, NULL, NULL),
     CORDON_OK);
  is(cordon_sandbox_add_outlet(sb, "a", "c", 1, no_receive, NULL, &ch, NULL),
     CORDON_OK);
  invalid(cordon_sandbox_add_module(sb, "a", no_module, NULL, NULL));
  cordon_channel_close(ch); /* before anything is loaded */
  is(cordon_sandbox_load(sb, &empty, NULL, 0, NULL), CORDON_OK);
  invalid(cordon_sandbox_load(sb, &empty, NULL, 0, &err));
  is(cordon_sandbox_run(sb, -5, NULL), CORDON_OK);
  is(cordon_sandbox_run(sb, 0, NULL), CORDON_OK);
  invalid(cordon_sandbox_load(sb, &empty, NULL, 0, &err));
  cordon_sandbox_cancel(sb);
  is(cordon_sandbox_result(sb, NULL), CORDON_OK);
  memset(&usage, 0xa5, sizeof usage);
  cordon_sandbox_usage_sized(sb, &usage, sizeof usage.memory_bytes);
  is(usage.refused == UINT64_C(0xa5a5a5a5a5a5a5a5), 1);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}
END_TEST

/* ----------------------------------------------------- inside callbacks --- */

struct inside {
  cordon_host *host;
  cordon_sandbox *sb;
  cordon_policy *policy;
  cordon_channel *in, *out;
  cordon_call *kept;
  size_t calls;
  bool frees; /* the worst of all */
};

/* What is not marked [in callbacks] refuses, what is does as always. */
static void misuse(void *ud) {
  struct inside *in = ud;
  cordon_source empty = {NULL, "", 0};
  cordon_sandbox_config cfg;
  cordon_sandbox *other = NULL;
  cordon_channel *ch = NULL;
  const cordon_value *v = NULL;
  cordon_usage usage;
  cordon_error err;
  in->calls++;
  if (in->frees) {
    cordon_sandbox_free(in->sb);
    ck_abort();
  }
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  is(cordon_host_dispatch(in->host, &err), CORDON_E_BUSY);
  is(cordon_sandbox_new(&other, in->host, &cfg, &err), CORDON_E_BUSY);
  is(cordon_sandbox_set_policy(in->sb, in->policy, &err), CORDON_E_BUSY);
  is(cordon_sandbox_load(in->sb, &empty, NULL, 0, &err), CORDON_E_BUSY);
  is(cordon_sandbox_run(in->sb, 0, &err), CORDON_E_BUSY);
  is(cordon_sandbox_add_function(in->sb, "z", "z", no_function, NULL, &err),
     CORDON_E_BUSY);
  is(cordon_sandbox_add_inlet(in->sb, "z", "z", 1, NULL, NULL, &ch, &err),
     CORDON_E_BUSY);
  is(cordon_sandbox_add_outlet(in->sb, "z", "z", 1, no_receive, NULL, &ch,
                               &err),
     CORDON_E_BUSY);
  is(cordon_sandbox_result(in->sb, NULL), CORDON_AGAIN);
  is(cordon_sandbox_value(in->sb, &v, NULL), CORDON_AGAIN);
  cordon_sandbox_usage(in->sb, &usage);
  ck_assert(cordon_host_fd(in->host) >= 0);
  (void)cordon_host_timeout_ms(in->host);
  ck_assert_ptr_nonnull(cordon_sandbox_traceback(in->sb));
  ck_assert_ptr_nonnull(cordon_sandbox_error_kind(in->sb));
  cordon_channel_resume(in->out);
  (void)!cordon_channel_send(in->in, NULL, NULL);
  if (in->kept) {
    cordon_call *call = in->kept;
    in->kept = NULL;
    is(cordon_call_return(call, NULL), CORDON_OK);
  }
}

static void in_output(void *ud, const char *data, size_t len) {
  (void)data;
  (void)len;
  misuse(ud);
}

static int in_audit(void *ud, const cordon_audit_event *ev) {
  (void)ev;
  misuse(ud);
  return 0;
}

static int in_require(void *ud, const char *name, cordon_source *ret) {
  (void)name;
  (void)ret;
  misuse(ud);
  return CORDON_E_NOT_FOUND;
}

static void in_keep(void *ud, cordon_call *call) {
  struct inside *in = ud;
  if (in->kept)
    misuse(ud);
  in->kept = call;
  misuse(ud); /* answers it, at once */
}

static void in_function(void *ud, cordon_call *call) {
  misuse(ud);
  is(cordon_call_guard(call, "x", "y", 1, NULL), CORDON_UNDEFINED);
  is(cordon_call_guard(call, "x", "y", 1, NULL), CORDON_DENY);
  invalid(cordon_call_return(call, NULL));
  invalid(cordon_call_fail(call, NULL, NULL, 0));
}

static int in_receive(void *ud, cordon_channel *ch, const cordon_value *v) {
  (void)ch;
  (void)v;
  misuse(ud);
  return CORDON_AGAIN;
}

static void in_done(void *ud, int result, const cordon_value *v,
                    const cordon_error *e) {
  struct inside *in = ud;
  (void)result;
  (void)v;
  (void)e;
  if (in->sb)
    misuse(ud);
}

static const char script[] =
    "local a = require 'a' print(1) pcall(require, 'nothing') a.f() a.keep()\n"
    "coroutine.spawn(function() a.keep() end)\n"
    "coroutine.spawn(function() a.out:send(1) a.out:send(2) a.out:close() "
    "end)\n"
    "return {g = function() print(2) return a.f() end}\n";

static void begin(struct inside *in, cordon_isolation level) {
  cordon_sandbox_config cfg;
  cordon_host_config hc;
  cordon_source src = {"misuse.lua", script, sizeof script - 1};
  static char path[4096];
  char relative[4096];
  const char *top = getenv("top_builddir");
  cordon_error err;
  memset(in, 0, sizeof *in);
  snprintf(relative, sizeof relative, "%s/libexec/cordon/cordon-worker",
           top ? top : ".");
  cordon_host_config_init(&hc);
  hc.worker_path = realpath(relative, path);
  is(cordon_policy_new(&in->policy, NULL, NULL), CORDON_OK);
  is(cordon_policy_finish(in->policy, NULL, NULL, NULL), CORDON_OK);
  is(cordon_host_new(&in->host, &hc, NULL), CORDON_OK);
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = level;
  cfg.actor_id = "tester";
  cfg.policy = in->policy;
  cfg.output = in_output;
  cfg.audit = in_audit;
  cfg.require = in_require;
  cfg.keep = 1;
  cfg.ud = in;
  is(cordon_sandbox_new(&in->sb, in->host, &cfg, &err), CORDON_OK);
  is(cordon_sandbox_add_function(in->sb, "a", "f", in_function, in, &err),
     CORDON_OK);
  is(cordon_sandbox_add_function(in->sb, "a", "keep", in_keep, in, &err),
     CORDON_OK);
  is(cordon_sandbox_add_inlet(in->sb, "a", "inlet", 1, NULL, in, &in->in, &err),
     CORDON_OK);
  is(cordon_sandbox_add_outlet(in->sb, "a", "out", 1, in_receive, in, &in->out,
                               &err),
     CORDON_OK);
  is(cordon_sandbox_load(in->sb, &src, NULL, 0, &err), CORDON_OK);
}

static const cordon_isolation levels[] = {CORDON_ISOLATION_INPROCESS,
#if CORDON_HAVE_WORKER
                                          CORDON_ISOLATION_PROCESS
#endif
};

START_TEST(in_every_callback) {
  unit_each(level, levels) {
    struct inside in;
    begin(&in, *level);
    for (int i = 0; i < 3; i++)
      is(cordon_sandbox_call(in.sb, "g", NULL, 60000, in_done, &in, NULL),
         CORDON_OK);
    while (in.calls < 20) {
      struct timespec ts = {0, 1000000};
      is(cordon_host_dispatch(in.host, NULL), CORDON_OK);
      nanosleep(&ts, NULL);
    }
    is(cordon_sandbox_call(in.sb, "g", NULL, 0, in_done, &in, NULL), CORDON_OK);
    {
      cordon_sandbox *sb = in.sb;
      in.sb = NULL; /* what is told from here on has none any more */
      cordon_sandbox_free(sb);
    }
    cordon_host_free(in.host);
    cordon_policy_unref(in.policy);
  }
}
END_TEST

/* A sandbox that is freed under its own feet: the process ends, at once. */
START_TEST(freed_in_a_callback) {
  struct inside in;
  begin(&in, CORDON_ISOLATION_INPROCESS);
  in.frees = true;
  for (;;)
    (void)!cordon_host_dispatch(in.host, NULL);
}
END_TEST

/* A host whose sandboxes live. */
START_TEST(freed_too_early) {
  struct inside in;
  begin(&in, CORDON_ISOLATION_INPROCESS);
  cordon_host_free(in.host);
}
END_TEST

/* ---------------------------------------------------------- two threads --- */

static void *dispatch_there(void *ud) {
  struct inside *in = ud;
  int rv = cordon_host_dispatch(in->host, NULL);
  ck_assert(rv == CORDON_E_BUSY);
  cordon_sandbox_cancel(in->sb); /* that may be done */
  return NULL;
}

static void from_another_thread(void *ud, const char *data, size_t len) {
  struct inside *in = ud;
  pthread_t t;
  (void)data;
  (void)len;
  in->calls++;
  ck_assert(pthread_create(&t, NULL, dispatch_there, in) == 0);
  pthread_join(t, NULL);
}

START_TEST(dispatched_by_two_threads) {
  cordon_source src = {"two.lua", "print(1) while true do end", 26};
  cordon_sandbox_config cfg;
  struct inside in;
  memset(&in, 0, sizeof in);
  is(cordon_host_new(&in.host, NULL, NULL), CORDON_OK);
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.output = from_another_thread;
  cfg.ud = &in;
  is(cordon_sandbox_new(&in.sb, in.host, &cfg, NULL), CORDON_OK);
  is(cordon_sandbox_load(in.sb, &src, NULL, 0, NULL), CORDON_OK);
  is(cordon_sandbox_run(in.sb, 0, NULL), CORDON_E_CANCELLED);
  is(in.calls, 1);
  cordon_sandbox_free(in.sb);
  cordon_host_free(in.host);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("misuse");
  TCase *tc = tcase_create("misuse"), *own = tcase_create("fork");
  tcase_add_test(tc, texts_and_values_of_nothing);
  tcase_add_test(tc, policies_of_nothing);
  tcase_add_test(tc, manifests_of_nothing);
  tcase_add_test(tc, sandboxes_of_nothing);
  tcase_add_test(tc, in_every_callback);
  tcase_add_test(tc, dispatched_by_two_threads);
  tcase_set_tags(own, UNIT_FORK);
  tcase_add_test_raise_signal(own, freed_in_a_callback, SIGABRT);
  tcase_add_test_raise_signal(own, freed_too_early, SIGABRT);
  suite_add_tcase(s, tc);
  suite_add_tcase(s, own);
  return s;
}

int main(void) {
  return unit_run(suite());
}
