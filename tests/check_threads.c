/* check_threads.c - what cordon.h says any thread may do, done by many at once:
 * a policy set, a scope, a value and a manifest that all share, hosts of their
 * own, and scripts that another thread cancels.
 *
 * Built with -fsanitize=thread it is the test that nothing of it is a race
 * (CONTRIBUTING.md); that is why its hosts use no signal, which such a program
 * is given late. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "cordon/cordon.h"
#include "tests/unit.h"

#define THREADS 6
#define ROUNDS 20

static const char policies[] =
    "version: \"1.0\"\nnamespace: t\nentries:\n"
    "  - name: feed\n    kind: security.policy\n    groups: [all]\n"
    "    policy:\n      actions: [websocket.connect, websocket.connect.url]\n"
    "      resources: ['', 'wss://*.example.com/feed/*']\n"
    "      effect: allow\n      conditions:\n"
    "        - {field: actor.id, operator: contains, value: work}\n"
    "  - name: odd\n    kind: security.policy.expr\n"
    "    policy:\n      actions: [read]\n      resources: '*'\n"
    "      effect: allow\n      expression: \"meta.n == 1\"\n";

static const char manifest[] =
    "{namespace: t, entries: [{name: a, kind: process.lua, source: "
    "'file://a.lua', lifecycle: {security: {groups: ['t:all']}}}]}";

static const char script[] =
    "local security, json = require 'security', require 'json'\n"
    "local yes = 0\n"
    "for i = 1, 20 do\n"
    "  if security.can('read', 'x' .. i, {n = i % 2}) then yes = yes + 1 end\n"
    "end\n"
    "require 'time'.load_location 'Europe/Paris'\n"
    "json.validate({pattern = '^a+$'}, 'aaa')\n"
    "return {yes = yes, input = ...}\n";

static struct shared {
  cordon_policy *policy;
  cordon_scope *scope;
  cordon_manifest *manifest;
  cordon_value *value;
  atomic_int failed; /* a line that was not as expected; 0: none */
} all;

/* Check's own functions are for one thread. */
#define expect(cond)                                                           \
  do {                                                                         \
    if (!(cond))                                                               \
      atomic_store(&all.failed, __LINE__);                                     \
  } while (0)

static void no_text(void *ud, const char *data, size_t len) {
  size_t *n = ud;
  (void)data;
  *n += len;
}

static void no_item(void *ud, const cordon_explanation *item) {
  (void)item;
  ++*(size_t *)ud;
}

static void no_finding(void *ud, const cordon_finding *f) {
  (void)f;
  ++*(size_t *)ud;
}

/* ------------------------------------------------------- without a host --- */

static void ask(void) {
  cordon_request rq = {.actor_id = "worker-1",
                       .action = "websocket.connect.url",
                       .resource = "wss://a.example.com/feed/1",
                       .resource_len_bytes = 26};
  cordon_decision d;
  size_t n = 0;
  expect(cordon_decide(all.scope, &rq, &d, NULL) == CORDON_OK);
  expect(d.verdict == CORDON_ALLOW);
  rq.actor_id = "nobody";
  expect(cordon_decide(all.scope, &rq, &d, NULL) == CORDON_OK);
  expect(d.verdict == CORDON_UNDEFINED);
  expect(cordon_explain(all.scope, &rq, &d, no_text, &n) == CORDON_OK);
  expect(cordon_explain_errors(all.scope, &rq, no_text, &n) == CORDON_OK);
  expect(cordon_explain_all(all.scope, &rq, 0, no_item, &n, &d, NULL) ==
         CORDON_OK);
  expect(n > 0);
}

static void read_all(void) {
  cordon_source src = {"p.yaml", policies, sizeof policies - 1};
  cordon_source bad = {"x.lua", "x = = 1", 7};
  cordon_policy *mine = cordon_policy_ref(all.policy);
  cordon_manifest *m = NULL;
  cordon_value *v = NULL;
  cordon_scope *scope = NULL;
  cordon_error err;
  char text[32];
  size_t n = 0;
  expect(cordon_policy_count(mine) == 2);
  expect(cordon_scope_new(&scope, mine, NULL, 0, NULL, NULL) == CORDON_OK);
  cordon_scope_free(scope);
  expect(cordon_policy_lint(mine, NULL, no_finding, &n, NULL) == CORDON_OK);
  expect(cordon_policy_format(&src, no_text, &n, NULL) == CORDON_OK);
  expect(cordon_policy_schema(no_text, &n) == CORDON_OK);
  expect(cordon_manifest_check(all.manifest, mine, NULL, NULL, NULL) ==
         CORDON_OK);
  cordon_policy_unref(mine);
  expect(cordon_manifest_at(all.manifest, 0) != NULL);
  src = (cordon_source){"m.yaml", manifest, sizeof manifest - 1};
  expect(cordon_manifest_new(&m, &src, NULL, NULL, NULL, NULL) == CORDON_OK);
  cordon_manifest_free(m);
  expect(cordon_value_integer(cordon_value_get(all.value, "n")) == 1);
  expect(cordon_value_write_json(all.value, no_text, &n) == CORDON_OK);
  expect(cordon_value_from_yaml(&v, "{a: 1}", 6, NULL, NULL) == CORDON_OK);
  cordon_value_free(v);
  expect(cordon_script_check(&bad, NULL, &err) == CORDON_E_SYNTAX);
  expect(cordon_escape(text, sizeof text, "\x1b", 1) > 0);
  expect(cordon_lint_page(cordon_lint_code(0)) != NULL);
  expect(cordon_version() && cordon_strerror(CORDON_E_URL));
}

/* ---------------------------------------------------- a host of its own --- */

static cordon_sandbox *sandbox_new(cordon_host *host, const char *text,
                                   size_t len) {
  cordon_source src = {"threads.lua", text, len};
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.policy = all.policy;
  cfg.actor_id = "worker-1";
  cfg.input = all.value;
  cfg.limits.cpu_ms = CORDON_UNLIMITED; /* who cancels it may have to wait */
  if (cordon_sandbox_new(&sb, host, &cfg, NULL) != CORDON_OK)
    return NULL;
  expect(cordon_sandbox_load(sb, &src, NULL, 0, NULL) == CORDON_OK);
  return sb;
}

static cordon_host *host_new(void) {
  cordon_host_config cfg;
  cordon_host *host = NULL;
  cordon_host_config_init(&cfg);
  cfg.preempt_signal = CORDON_NO_SIGNAL;
  expect(cordon_host_new(&host, &cfg, NULL) == CORDON_OK);
  return host;
}

static void run_one(void) {
  cordon_host *host = host_new();
  cordon_sandbox *sb = sandbox_new(host, script, sizeof script - 1);
  const cordon_value *v = NULL;
  expect(sb && cordon_sandbox_run(sb, 0, NULL) == CORDON_OK);
  expect(cordon_sandbox_value(sb, &v, NULL) == CORDON_OK);
  expect(cordon_value_integer(cordon_value_get(v, "yes")) == 10);
  expect(cordon_sandbox_set_policy(sb, all.policy, NULL) == CORDON_OK);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}

static void *do_all(void *ud) {
  (void)ud;
  for (int i = 0; i < ROUNDS; i++) {
    ask();
    read_all();
    if (i % 4 == 0)
      run_one();
  }
  cordon_policy_unref(all.policy); /* each has one; the last frees it */
  return NULL;
}

static void setup(void) {
  cordon_source src = {"p.yaml", policies, sizeof policies - 1};
  cordon_source m = {"m.yaml", manifest, sizeof manifest - 1};
  cordon_error err;
  memset(&all, 0, sizeof all);
  if (cordon_policy_new(&all.policy, NULL, &err) != CORDON_OK ||
      cordon_policy_add(all.policy, &src, NULL, NULL, &err) != CORDON_OK ||
      cordon_policy_finish(all.policy, NULL, NULL, &err) != CORDON_OK ||
      cordon_scope_new(&all.scope, all.policy, NULL, 0, NULL, &err) !=
          CORDON_OK ||
      cordon_manifest_new(&all.manifest, &m, NULL, NULL, NULL, &err) !=
          CORDON_OK ||
      cordon_value_from_json(&all.value, "{\"n\":1}", 7, NULL, &err) !=
          CORDON_OK)
    ck_abort_msg("%u: %s", err.line, err.message);
}

static void teardown(void) {
  cordon_scope_free(all.scope);
  cordon_manifest_free(all.manifest);
  cordon_value_free(all.value);
}

START_TEST(shared_by_all) {
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    cordon_policy_ref(all.policy);
    ck_assert_int_eq(pthread_create(&threads[i], NULL, do_all, NULL), 0);
  }
  cordon_policy_unref(all.policy);
  for (size_t i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  ck_assert_msg(atomic_load(&all.failed) == 0, "line %d",
                atomic_load(&all.failed));
}
END_TEST

/* ------------------------------------------------------------- cancel --- */

static void *cancel(void *ud) {
  struct timespec soon = {0, 2000000};
  nanosleep(&soon, NULL);
  for (int i = 0; i < 3; i++)
    cordon_sandbox_cancel(ud);
  return NULL;
}

/* While it runs, while it waits, and before it is loaded. */
START_TEST(canceled_by_another) {
  static const char *const texts[] = {"while true do end",
                                      "require 'time'.sleep '1h'",
                                      "while true do pcall(error) end"};
  for (int i = 0; i < 5; i++) {
    unit_each(text, texts) {
      cordon_host *host = host_new();
      cordon_sandbox *sb = sandbox_new(host, *text, strlen(*text));
      pthread_t threads[2];
      for (size_t t = 0; t < 2; t++)
        ck_assert_int_eq(pthread_create(&threads[t], NULL, cancel, sb), 0);
      ck_assert_int_eq(cordon_sandbox_run(sb, 0, NULL), CORDON_E_CANCELLED);
      for (size_t t = 0; t < 2; t++)
        pthread_join(threads[t], NULL);
      cordon_sandbox_free(sb);
      cordon_host_free(host);
    }
  }
  cordon_policy_unref(all.policy);
}
END_TEST

/* A host moves from thread to thread, one after the other. */
static void *run_there(void *ud) {
  expect(cordon_sandbox_run(ud, 0, NULL) == CORDON_OK);
  return NULL;
}

START_TEST(hosts_move) {
  cordon_host *host = host_new();
  for (int i = 0; i < 5; i++) {
    cordon_sandbox *sb = sandbox_new(host, script, sizeof script - 1);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_there, sb), 0);
    pthread_join(thread, NULL);
    cordon_sandbox_free(sb);
  }
  cordon_host_free(host);
  cordon_policy_unref(all.policy);
  ck_assert_int_eq(atomic_load(&all.failed), 0);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("threads");
  TCase *tc = tcase_create("threads");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_set_timeout(tc, 120);
  tcase_add_test(tc, shared_by_all);
  tcase_add_test(tc, canceled_by_another);
  tcase_add_test(tc, hosts_move);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
