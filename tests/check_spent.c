/* check_spent.c - what the broker does for a script is paid by that script, and
 * ends where its CPU time ends: what a worker leaves behind, output that comes
 * too late, and the accounts themselves. */
#define guard unit_guard /* the modules have one of the same name */
#include "tests/hostile.h"
#undef guard

#if !CORDON_HAVE_WORKER

int main(void) {
  return 77;
}

#else

#include <netinet/in.h>
#include <sys/socket.h>

#include "runtime/remote_inside.h"

#define CPU_MS 60

struct spender {
  cordon_sandbox *sb;
  size_t lines;
  size_t done;
  uint64_t payer; /* of the call that told it */
};

static cordon_sandbox *sandbox_new_for(cordon_host *host, struct spender *s,
                                       uint64_t cpu_ms,
                                       cordon_output_fn *output) {
  cordon_sandbox_config cfg;
  cordon_error err;
  memset(s, 0, sizeof *s);
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_PROCESS;
  cfg.output = output;
  cfg.ud = s;
  cfg.keep = 1;
  cfg.limits.cpu_ms = cpu_ms;
  if (cordon_sandbox_new(&s->sb, host, &cfg, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  return s->sb;
}

static uint64_t thread_cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A host whose output is dear: a line is a millisecond of CPU time. */
static void on_dear_output(void *ud, const char *data, size_t len) {
  struct spender *s = ud;
  uint64_t end_ns = thread_cpu_ns() + 1000000;
  (void)data;
  s->lines += len;
  while (thread_cpu_ns() < end_ns)
    continue;
}

static void ends_by_cpu(struct spender *s) {
  cordon_usage usage;
  cordon_error err = {.message = ""};
  int rv = cordon_sandbox_run(s->sb, 0, &err);
  ck_assert_msg(rv == CORDON_E_LIMIT, "%d: %s", rv, err.message);
  ck_assert_str_eq(err.message, "the CPU limit is reached");
  cordon_sandbox_usage(s->sb, &usage);
  ck_assert_int_eq(usage.stop, CORDON_STOP_CPU);
}

/* ---------------------------------------------- what a worker leaves behind
 * ---
 */

/* Nothing of it is read before the process is gone, and then all in one turn:
 * some ten thousand lines, as far as it is paid. */
static void on_last_lines(void *ud, const char *data, size_t len) {
  struct spender *s = ud;
  struct pollfd p = {worker_pidfd(s->sb->remote->worker), POLLIN, 0};
  if (s->lines == 0 && p.fd >= 0)
    ck_assert_int_eq(poll(&p, 1, 60000), 1);
  on_dear_output(ud, data, len);
}

START_TEST(what_is_left_behind_is_paid) {
  cordon_host *host = hostile_host();
  struct spender s;
  cordon_error err;
  sandbox_new_for(host, &s, CPU_MS, on_last_lines);
  ck_assert_int_eq(load(s.sb, "scrawl", 1, 20000, &err), CORDON_OK);
  ends_by_cpu(&s);
  /* its limit, what it may be late, and a line */
  ck_assert_uint_le(s.lines, CPU_MS + 300 + 1);
  cordon_sandbox_free(s.sb);
  cordon_host_free(host);
}
END_TEST

/* ------------------------------------------------- output that is dropped ---
 */

/* A worker that says all went well has not printed what was behind the limit:
 * so it has not gone well. */
START_TEST(dropped_output_is_told) {
  cordon_host *host = hostile_host();
  struct spender s;
  cordon_error err;
  /* more than the broker itself needs to come to a line */
  sandbox_new_for(host, &s, 5 * CPU_MS, on_dear_output);
  ck_assert_int_eq(load(s.sb, "print-all", 1, 3000, &err), CORDON_OK);
  ends_by_cpu(&s);
  ck_assert_uint_gt(s.lines, 0);
  ck_assert_uint_lt(s.lines, 3000);
  cordon_sandbox_free(s.sb);
  cordon_host_free(host);
}
END_TEST

/* And one that could print it all was not stopped. */
START_TEST(what_is_paid_is_printed) {
  cordon_host *host = hostile_host();
  struct spender s;
  cordon_error err;
  int rv;
  sandbox_new_for(host, &s, 100 * CPU_MS, on_dear_output);
  ck_assert_int_eq(load(s.sb, "print-all", 1, 10, &err), CORDON_OK);
  rv = cordon_sandbox_run(s.sb, 0, &err);
  ck_assert_msg(rv == CORDON_OK, "%d: %s", rv, err.message);
  ck_assert_uint_eq(s.lines, 10);
  cordon_sandbox_free(s.sb);
  cordon_host_free(host);
}
END_TEST

/* ------------------------------------------------------------ the accounts ---
 */

static void on_done(void *ud, int result, const cordon_value *v,
                    const cordon_error *e) {
  struct spender *s = ud;
  (void)result;
  (void)v;
  (void)e;
  s->done++;
  s->payer = s->sb->exchange.run.payer;
}

/* That one owes is noticed when the thread has gone on to another, who must not
 * pay for the reckoning, nor for what comes of it. */
START_TEST(reckoning_is_paid_by_the_debtor) {
  cordon_host *host = hostile_host();
  struct till *till = loop_till(host->loop);
  struct spender debtor, other;
  struct remote *r, *q;
  cordon_error err;
  sandbox_new_for(host, &debtor, CPU_MS, NULL);
  sandbox_new_for(host, &other, CPU_MS, NULL);
  ck_assert_int_eq(load(debtor.sb, "silent", 1, 1, &err), CORDON_OK);
  ck_assert_int_eq(load(other.sb, "silent", 1, 1, &err), CORDON_OK);
  ck_assert_int_eq(
      cordon_sandbox_call(debtor.sb, "f", NULL, 0, on_done, &debtor, &err),
      CORDON_OK);
  r = debtor.sb->remote;
  q = other.sb->remote;
  till_turn_begin(till);
  till_pass(till, &r->payer);
  r->payer.cpu_ns += UINT64_C(1000000) * (CPU_MS + 300);
  till_pass(till, &q->payer);
  till_turn_end(till);
  while (debtor.done == 0)
    turn(host, 100);
  ck_assert_int_eq(cordon_sandbox_result(debtor.sb, NULL), CORDON_E_LIMIT);
  ck_assert_uint_eq(debtor.payer, r->payer.id);
  ck_assert_int_eq(cordon_sandbox_result(other.sb, NULL), CORDON_AGAIN);
  cordon_sandbox_free(debtor.sb);
  cordon_sandbox_free(other.sb);
  cordon_host_free(host);
}
END_TEST

/* ------------------------------------------------ connects under way ---
 */

static cordon_policy *policy_for_all(void) {
  static const char text[] = "namespace: app\nentries:\n"
                             "  - name: all\n    kind: security.policy\n"
                             "    policy:\n      actions: \"*\"\n"
                             "      resources: \"*\"\n      effect: allow\n";
  cordon_source src = {"policy.yaml", text, sizeof text - 1};
  cordon_policy *policy = NULL;
  cordon_error e;
  if (cordon_policy_new(&policy, NULL, &e) != CORDON_OK ||
      cordon_policy_add(policy, &src, NULL, NULL, &e) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &e) != CORDON_OK)
    ck_abort_msg("%s", e.message);
  return policy;
}

/* Where nobody answers, ever. */
static int silent_listener(uint16_t *ret_port) {
  struct sockaddr_in a = {.sin_family = AF_INET,
                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
  ck_assert_int_eq(listen(fd, 8), 0);
  ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
  *ret_port = ntohs(a.sin_port);
  return fd;
}

/* By the worker's own account there is time left: it waits for an answer to
 * each connect, and gets one. */
START_TEST(connects_under_way_are_answered) {
  char worker[PATH_MAX], path[PATH_MAX], text[300];
  const char *top = getenv("top_builddir");
  cordon_host_config hc;
  cordon_sandbox_config cfg;
  cordon_host *host = NULL;
  cordon_sandbox *sb = NULL;
  cordon_source src = {"x.lua", text, 0};
  cordon_error err = {.message = ""};
  uint16_t port;
  uint64_t end = now_ms() + 20000;
  int rv, fd = silent_listener(&port);
  snprintf(path, sizeof path, "%s/libexec/cordon/cordon-worker",
           top ? top : ".");
  ck_assert_ptr_nonnull(realpath(path, worker));
  cordon_host_config_init(&hc);
  hc.worker_path = worker;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_PROCESS;
  cfg.policy = policy_for_all();
  cfg.actor_id = "tester";
  if (cordon_host_new(&host, &hc, &err) != CORDON_OK ||
      cordon_sandbox_new(&sb, host, &cfg, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  cordon_policy_unref(cfg.policy);
  snprintf(text, sizeof text,
           "local ws = require 'websocket' local function f() assert(not "
           "ws.connect('ws://127.0.0.1:%u/', {dial_timeout = '10m'})) end "
           "coroutine.spawn(f) coroutine.spawn(f) f()",
           port);
  src.len_bytes = strlen(text);
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, NULL, 0, &err), CORDON_OK);
  while (sb->services.nclients < 3) {
    ck_assert_msg(
        now_ms() < end && cordon_sandbox_result(sb, &err) == CORDON_AGAIN,
        "%u connects: %s", (unsigned)sb->services.nclients, err.message);
    turn(host, 50);
  }
  remote_spend(sb->remote);
  ck_assert_uint_eq(sb->services.nclients, 0);
  rv = cordon_sandbox_run(sb, 20000, &err);
  ck_assert_msg(rv == CORDON_OK, "%d: %s", rv, err.message);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  close(fd);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("spent");
  TCase *tc = tcase_create("spent");
  tcase_set_timeout(tc, 120);
  tcase_add_test(tc, what_is_left_behind_is_paid);
  tcase_add_test(tc, dropped_output_is_told);
  tcase_add_test(tc, what_is_paid_is_printed);
  tcase_add_test(tc, reckoning_is_paid_by_the_debtor);
  tcase_add_test(tc, connects_under_way_are_answered);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}

#endif
