/* check_broker.c - the broker with real connections, over TLS too: a worker of
 * ours while memory is short, and workers that misuse what is relayed. */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "cordon/cordon.h"
#include "runtime/base/mem.h"
#define guard unit_guard /* the modules have one of the same name */
#include "tests/echo.h"
#undef guard

#if !CORDON_HAVE_WORKER

int main(void) {
  return 77;
}

#else

#define STRIDE 5 /* of the sweep, unless BROKER_STRIDE says how long */

#define CA_PATH "/tmp/cordon-broker-XXXXXX"
static char ca_path[] = CA_PATH;
static struct peer plain, secure;
static atomic_size_t heard; /* bytes, by the servers that count */

static uint64_t now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ------------------------------------------------------------- servers --- */

static void count(struct peer *p) {
  char bytes[16384];
  ssize_t n;
  while ((n = p_read(p, bytes, sizeof bytes)) > 0)
    atomic_fetch_add(&heard, (size_t)n);
}

static void flood(struct peer *p) {
  static const char noise[65536];
  while (p_write(p, noise, sizeof noise))
    ;
}

static void mute(struct peer *p) {
  struct pollfd q = {p->fd, 0, 0}; /* until it is reset */
  for (int i = 0; i < PATIENCE_S * 20 && atomic_load(&heard) == 0; i++)
    poll(&q, 1, 50);
}

/* What the path of the URL says. */
static void by_path(struct peer *p) {
  if (strncmp(p->request, "GET /count", 10) == 0)
    count(p);
  else if (strncmp(p->request, "GET /flood", 10) == 0)
    flood(p);
  else if (strncmp(p->request, "GET /mute", 9) == 0)
    mute(p);
  else
    echo_frames(p);
}

static void servers_start(void) {
  int fd;
  memcpy(ca_path, CA_PATH, sizeof CA_PATH); /* a case before named it */
  fd = mkstemp(ca_path);
  signal(SIGPIPE, SIG_IGN); /* OpenSSL of the servers */
  ck_assert_int_ge(fd, 0);
  close(fd);
  atomic_store(&heard, 0);
  echo_start(&plain, by_path, NULL);
  echo_start(&secure, by_path, ca_path);
}

static void servers_stop(void) {
  echo_end(&plain);
  echo_end(&secure);
  unlink(ca_path);
}

/* ---------------------------------------------------------------- host --- */

static const char *helper(const char *name) {
  static char path[PATH_MAX];
  const char *top = getenv("top_builddir");
  char relative[PATH_MAX];
  snprintf(relative, sizeof relative, "%s/%s", top ? top : ".", name);
  return realpath(relative, path);
}

static int host_new(cordon_host **ret, struct failing_mem *fm,
                    const char *worker) {
  cordon_host_config cfg;
  cordon_error err;
  cordon_host_config_init(&cfg);
  cfg.alloc = (cordon_allocator){failing_mem_fn, fm};
  cfg.dns_servers = "127.0.0.1:9";
  cfg.ca_file = ca_path;
  cfg.worker_path = helper(worker);
  return cordon_host_new(ret, &cfg, &err);
}

static cordon_policy *policy_new(void) {
  static const char text[] = "version: \"1.0\"\nnamespace: t\nentries:\n"
                             "  - name: all\n    kind: security.policy\n"
                             "    policy:\n      actions: '*'\n"
                             "      resources: '*'\n      effect: allow\n";
  cordon_source src = {"policy.yaml", text, sizeof text - 1};
  cordon_policy *policy = NULL;
  cordon_error err;
  if (cordon_policy_new(&policy, NULL, &err) != CORDON_OK ||
      cordon_policy_add(policy, &src, NULL, NULL, &err) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  return policy;
}

static void turn(cordon_host *host, int most_ms) {
  struct pollfd p = {cordon_host_fd(host), POLLIN, 0};
  int wait = cordon_host_timeout_ms(host);
  poll(&p, 1, wait < 0 || wait > most_ms ? most_ms : wait);
  ck_assert_int_eq(cordon_host_dispatch(host, NULL), CORDON_OK);
}

/* ------------------------------------------------------------ the sweep --- */

/* What the host hears, and says while it hears it. */
struct talk {
  cordon_channel *in, *out;
  cordon_value *value;
  size_t opened, closed;
};

static void say(struct talk *t) {
  if (t->in)
    (void)!cordon_channel_send(t->in, t->value, NULL);
}

static int on_audit(void *ud, const cordon_audit_event *ev) {
  ck_assert_ptr_nonnull(ev);
  say(ud);
  return 0;
}

static void on_connection(void *ud, const cordon_connection_event *ev) {
  struct talk *t = ud;
  if (ev->opened)
    t->opened++;
  else
    t->closed++;
  say(t);
}

static void on_call(void *ud, cordon_call *call) {
  (void)ud;
  (void)cordon_call_return(call, cordon_call_args(call));
}

static int on_receive(void *ud, cordon_channel *ch, const cordon_value *v) {
  (void)ch;
  (void)v;
  say(ud);
  return CORDON_OK;
}

static const char conversation[] =
    "local ws, h, time = require 'websocket', require 'h', require 'time'\n"
    "local json, security = require 'json', require 'security'\n"
    "local M = {}\n"
    "function M.f(x) return x end\n"
    "function M.main(...)\n"
    "  for _, url in ipairs {...} do\n"
    "    local c, e = ws.connect(url, {headers = {['X-A'] = 'b'}})\n"
    "    if not c then error(tostring(e)) end\n"
    "    assert(c:send('hello')) assert(c:channel():receive().data == "
    "'hello')\n"
    "    local v, e = h.f({a = {1, 2}}, 'x')\n"
    "    if not v then error(tostring(e)) end\n"
    "    h.out:send({1, 'two'}) h['in']:receive()\n"
    "    print(security.can('websocket.connect.url', url))\n"
    "    assert(c:close(1000, 'done'))\n"
    "  end\n"
    "  pcall(ws.connect, 'ws://127.0.0.1:1/')\n"
    "  security.scope() security.policy('t:all')\n"
    "  return {ok = true}\n"
    "end\n"
    "return M\n";

/* One script from its beginning to its end; its result. */
static int converse(cordon_host *host, cordon_policy *policy) {
  struct talk t = {.opened = 0};
  cordon_source src = {"x.lua", conversation, sizeof conversation - 1};
  char urls[2][64];
  const char *args[] = {urls[0], urls[1]};
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  int rv;
  snprintf(urls[0], sizeof urls[0], "ws://127.0.0.1:%u/", plain.port);
  snprintf(urls[1], sizeof urls[1], "wss://localhost:%u/", secure.port);
  ck_assert_int_eq(cordon_value_from_json(&t.value, "[1]", 3, NULL, NULL),
                   CORDON_OK);
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_PROCESS;
  cfg.policy = policy;
  cfg.actor_id = "tester";
  cfg.audit = on_audit;
  cfg.connection = on_connection;
  cfg.limits.deadline_ms = 300000;
  cfg.ud = &t;
  if ((rv = cordon_sandbox_new(&sb, host, &cfg, &err)) == CORDON_OK &&
      (rv = cordon_sandbox_add_function(sb, "h", "f", on_call, &t, &err)) ==
          CORDON_OK &&
      (rv = cordon_sandbox_add_inlet(sb, "h", "in", 50, NULL, &t, &t.in,
                                     &err)) == CORDON_OK &&
      (rv = cordon_sandbox_add_outlet(sb, "h", "out", 4, on_receive, &t, &t.out,
                                      &err)) == CORDON_OK &&
      (rv = cordon_sandbox_load(sb, &src, args, 2, &err)) == CORDON_OK) {
    rv = cordon_sandbox_run(sb, 1000, &err);
    /* the memory may be that of the script; but it does not hang */
    ck_assert_msg(rv != CORDON_E_LIMIT || strstr(err.message, "memory"), "%s",
                  err.message);
    ck_assert_msg(rv != CORDON_E_WORKER || !strstr(err.message, "signal 11"),
                  "%s", err.message);
  }
  if (rv == CORDON_OK)
    ck_assert_uint_eq(t.opened, 2);
  cordon_sandbox_free(sb);
  ck_assert_uint_eq(t.closed, t.opened);
  cordon_value_free(t.value);
  return rv;
}

/* Each allocation of the broker fails once; or it and all that follow it.  The
 * next script of the host knows nothing of it. */
static void sweep(bool after) {
  const char *text = getenv("BROKER_STRIDE");
  size_t stride = (text ? (size_t)atoi(text) : STRIDE) * (after ? 3 : 1);
  cordon_policy *policy;
  size_t n, failed = 0;
  ck_assert_uint_gt(stride, 0);
  servers_start();
  policy = policy_new();
  for (n = 0;; n += stride) {
    struct failing_mem fm;
    cordon_host *host = NULL;
    int rv;
    failing_mem_init(&fm, n);
    fm.fail_after = after;
    if (host_new(&host, &fm, "libexec/cordon/cordon-worker") == CORDON_OK) {
      rv = converse(host, policy);
      failed += rv != CORDON_OK;
      ck_assert_msg(rv == CORDON_OK || fm.refused > 0, "%d", rv);
      if (fm.refused > 0) {
        fm.fail_at = FAIL_NEVER;
        rv = converse(host, policy);
        ck_assert_msg(rv == CORDON_OK, "after allocation %zu: %d", n, rv);
      }
      cordon_host_free(host);
    }
    ck_assert_msg(fm.live_bytes == 0, "allocation %zu: %zu bytes", n,
                  fm.live_bytes);
    if (fm.refused == 0)
      break;
  }
  ck_assert_uint_gt(n, 60);
  ck_assert_uint_gt(failed, 0);
  cordon_policy_unref(policy);
  servers_stop();
}

START_TEST(one_allocation_fails) {
  sweep(false);
}
END_TEST

START_TEST(allocations_fail_from_then_on) {
  sweep(true);
}
END_TEST

/* ---------------------------------------------------------- long questions ---
 */

/* Thousands of conditions over sixty kilobytes: more than a turn of the loop
 * may take.  What a question costs does not grow with what is answered. */
START_TEST(a_question_is_not_answered_for_long) {
  static char text[400 * 300];
  static const char script[] =
      "local s = require 'security'\n"
      "local function ask(n)\n"
      "  local _, a, b = pcall(s.can, 'x.y', 'z', {t = ('ab '):rep(n)})\n"
      "  return tostring(a) .. tostring(b)\n"
      "end\n"
      "local long = ask(20000)\n"
      "assert(long:find('takes the policies too long', 1, true), long)\n";
  cordon_source src = {"x.lua", script, sizeof script - 1};
  cordon_source file = {"p.yaml", text, 0};
  cordon_policy *policy = NULL;
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_host *host = NULL;
  struct failing_mem fm;
  cordon_error err;
  if (cordon_policy_new(&policy, NULL, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  for (int f = 0; f < 12; f++) {
    size_t n = (size_t)snprintf(
        text, sizeof text, "version: \"1.0\"\nnamespace: t%d\nentries:\n", f);
    for (int i = 0; i < 400; i++)
      n += (size_t)snprintf(text + n, sizeof text - n,
                            "  - name: p%d\n    kind: security.policy\n"
                            "    policy:\n      actions: x.y\n"
                            "      resources: z\n      effect: allow\n"
                            "      conditions:\n        - {field: meta.t, "
                            "operator: contains, value: 'b ac%d'}\n",
                            i, i);
    file.len_bytes = n;
    if (cordon_policy_add(policy, &file, NULL, NULL, &err) != CORDON_OK)
      ck_abort_msg("%u: %s", err.line, err.message);
  }
  ck_assert_int_eq(cordon_policy_finish(policy, NULL, NULL, &err), CORDON_OK);
  servers_start(); /* for the certificate */
  failing_mem_init(&fm, FAIL_NEVER);
  ck_assert_int_eq(host_new(&host, &fm, "libexec/cordon/cordon-worker"),
                   CORDON_OK);
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_PROCESS;
  cfg.policy = policy;
  cfg.actor_id = "tester";
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, NULL, 0, &err), CORDON_OK);
  ck_assert_msg(cordon_sandbox_run(sb, 0, &err) == CORDON_OK, "%s",
                err.message);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  cordon_policy_unref(policy);
  servers_stop();
}
END_TEST

/* ------------------------------------------------- relays that are misused ---
 */

struct seen {
  size_t opened, by_worker, by_host;
};

static void on_end(void *ud, const cordon_connection_event *ev) {
  struct seen *seen = ud;
  if (ev->opened)
    seen->opened++;
  else if (ev->by_worker)
    seen->by_worker++;
  else
    seen->by_host++;
}

/* A worker of tests/hostile_worker.c with one relayed connection. */
static cordon_sandbox *start(cordon_host *host, cordon_policy *policy,
                             const char *what, const char *path,
                             struct seen *seen) {
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  char text[200];
  cordon_source src = {"x", text, 0};
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_PROCESS;
  cfg.policy = policy;
  cfg.actor_id = "tester";
  cfg.connection = on_end;
  cfg.ud = seen;
  snprintf(text, sizeof text, "%s wss://localhost:%u/%s 1", what, secure.port,
           path);
  src.len_bytes = strlen(text);
  if (cordon_sandbox_new(&sb, host, &cfg, &err) != CORDON_OK ||
      cordon_sandbox_load(sb, &src, NULL, 0, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  return sb;
}

static const struct misuse {
  const char *what;
  const char *path;
  size_t most_heard; /* by the server; 0: it is not told */
  int result;        /* CORDON_AGAIN: it goes on until it is cancelled */
  size_t by_worker;
} misuses[] = {
    /* says that it is closed, and writes on: what fits into buffers goes up */
    {"goes-on", "count", 1024 * 1024, CORDON_OK, 1},
    /* closes its end in the middle of a frame, and says nothing */
    {"cuts", "count", 2, CORDON_OK, 0},
    /* what the server sends is not read */
    {"sits", "flood", 0, CORDON_AGAIN, 0},
    /* writes to a server that does not read */
    {"pours", "mute", 0, CORDON_AGAIN, 0},
    /* the same to one that does, for as long as it likes */
    {"pours", "count", 0, CORDON_AGAIN, 0},
    /* says so twice */
    {"twice", "count", 2, CORDON_E_WORKER, 1},
};

START_TEST(relays_are_misused) {
  const struct misuse *m = &misuses[_i];
  struct failing_mem fm;
  struct seen seen = {.opened = 0};
  cordon_policy *policy;
  cordon_host *host = NULL;
  cordon_sandbox *sb;
  cordon_error err;
  uint64_t until_ms;
  servers_start();
  policy = policy_new();
  failing_mem_init(&fm, FAIL_NEVER);
  ck_assert_int_eq(host_new(&host, &fm, "tests/hostile_worker"), CORDON_OK);
  sb = start(host, policy, m->what, m->path, &seen);
  until_ms = now_ms() + 60000;
  while (cordon_sandbox_result(sb, &err) == CORDON_AGAIN && now_ms() < until_ms)
    if (turn(host, 20), m->result == CORDON_AGAIN && seen.opened > 0)
      break;
  if (m->result == CORDON_AGAIN)
    until_ms = now_ms() + 500;
  while (cordon_sandbox_result(sb, &err) == CORDON_AGAIN && now_ms() < until_ms)
    turn(host, 20);
  ck_assert_msg(cordon_sandbox_result(sb, &err) == m->result, "%s",
                err.message);
  ck_assert_uint_eq(seen.opened, 1);
  if (m->result == CORDON_AGAIN)
    cordon_sandbox_cancel(sb);
  (void)!cordon_sandbox_run(sb, 0, &err);
  ck_assert_uint_eq(seen.by_worker, m->by_worker);
  ck_assert_uint_eq(seen.by_worker + seen.by_host, 1);
  if (m->most_heard > 0)
    ck_assert_uint_le(atomic_load(&heard), m->most_heard);
  ck_assert_uint_lt(fm.peak_bytes, 4 * 1024 * 1024);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  ck_assert_uint_eq(fm.live_bytes, 0);
  atomic_fetch_add(&heard, 1); /* who waits for it may go */
  cordon_policy_unref(policy);
  servers_stop();
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("broker");
  TCase *tc = tcase_create("broker");
  tcase_set_timeout(tc, 1200);
  tcase_add_test(tc, one_allocation_fails);
  tcase_add_test(tc, allocations_fail_from_then_on);
  tcase_add_test(tc, a_question_is_not_answered_for_long);
  tcase_add_loop_test(tc, relays_are_misused, 0, unit_len(misuses));
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}

#endif
