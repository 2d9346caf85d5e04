/* check_remote.c - the broker and workers that lie: whatever they send, hosts
 * are told nothing that is not so, and all of it is over when it is over. */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "runtime/net/upgrade.h"
#include "tests/hostile.h"

#if !CORDON_HAVE_WORKER

START_TEST(there_are_none) {
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("remote");
  TCase *tc = tcase_create("remote");
  tcase_add_test(tc, there_are_none);
  suite_add_tcase(s, tc);
  return s;
}

#else

#define ROUNDS 150 /* unless REMOTE_ROUNDS says how many */

/* -------------------------------------------------------------- server --- */

/* Agrees to everything, and never says anything more. */
struct server {
  int fd;
  int port;
  int conns[2048];
  size_t nconns;
  pthread_t thread;
};

static void agree(int c) {
  static const char name[] = "Sec-WebSocket-Key: ";
  char text[16384], accept[UPGRADE_ACCEPT_LEN], answer[256];
  size_t len = 0;
  const char *key;
  ssize_t n;
  int size;
  do {
    n = recv(c, text + len, sizeof text - 1 - len, 0);
    len += n > 0 ? (size_t)n : 0;
    text[len] = '\0';
  } while (n > 0 && !strstr(text, "\r\n\r\n"));
  if (n <= 0 || !(key = strstr(text, name)))
    return;
  upgrade_accept(key + sizeof name - 1, accept);
  size = snprintf(answer, sizeof answer,
                  "HTTP/1.1 101 ok\r\nUpgrade: websocket\r\nConnection: "
                  "Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
                  UPGRADE_ACCEPT_LEN, accept);
  (void)!send(c, answer, (size_t)size, MSG_NOSIGNAL);
}

static void *serve(void *ud) {
  struct server *s = ud;
  int c;
  while ((c = accept(s->fd, NULL, NULL)) >= 0) {
    if (s->nconns == unit_len(s->conns))
      close(s->conns[--s->nconns]);
    s->conns[s->nconns++] = c;
    agree(c);
  }
  return NULL;
}

static void server_start(struct server *s) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  socklen_t len = sizeof in;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  s->nconns = 0;
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert(s->fd >= 0);
  ck_assert(bind(s->fd, (struct sockaddr *)&in, sizeof in) == 0);
  ck_assert(listen(s->fd, 100) == 0);
  ck_assert(getsockname(s->fd, (struct sockaddr *)&in, &len) == 0);
  s->port = ntohs(in.sin_port);
  ck_assert(pthread_create(&s->thread, NULL, serve, s) == 0);
}

static void server_stop(struct server *s) {
  shutdown(s->fd, SHUT_RDWR);
  pthread_join(s->thread, NULL);
  close(s->fd);
  while (s->nconns > 0)
    close(s->conns[--s->nconns]);
}

/* ---------------------------------------------------------------- host --- */

struct seen {
  size_t opened, closed;
  cordon_channel *in, *out;
  char text[200];
};

/* Calls of all sandboxes: they outlive them. */
static cordon_call *kept[64];
static size_t nkept, calls_made, calls_done, values_seen;

static size_t open_fds(void) {
  DIR *d = opendir("/proc/self/fd");
  size_t n = 0;
  ck_assert_ptr_nonnull(d);
  while (readdir(d))
    n++;
  closedir(d);
  return n;
}

static int on_audit(void *ud, const cordon_audit_event *ev) {
  static const char *const known[] = {
      "websocket.connect",         "websocket.connect.url",
      "websocket.connect.address", "security.actor.create",
      "security.scope.create",     "security.policy.get",
      "security.policy_group.get", "host.call"};
  const cordon_request *q = ev->request;
  size_t found = 0;
  (void)ud;
  unit_each(k, known) found += strcmp(q->action, *k) == 0;
  ck_assert_msg(found == 1, "'%s' is recorded", q->action);
  ck_assert_int_eq(q->resource[q->resource_len_bytes], '\0');
  ck_assert(utf8_valid(slice_of(ev->script)));
  return 0;
}

static void on_connection(void *ud, const cordon_connection_event *ev) {
  struct seen *seen = ud;
  if (ev->opened)
    seen->opened++;
  else
    seen->closed++;
  ck_assert(seen->closed <= seen->opened);
}

static void look_at(void *ud, const char *data, size_t len) {
  (void)ud;
  (void)data;
  values_seen += len;
}

static void fn_at_once(void *ud, cordon_call *call) {
  (void)ud;
  ck_assert_int_eq(cordon_value_type(cordon_call_args(call)), CORDON_LIST);
  ck_assert_int_eq(
      cordon_value_write_json(cordon_call_args(call), look_at, NULL),
      CORDON_OK);
  if (cordon_call_guard(call, "host.call", "p1", 2, NULL) == CORDON_ALLOW)
    ck_assert_int_eq(cordon_call_return(call, cordon_call_args(call)),
                     CORDON_OK);
}

static void on_gone(void *ud) {
  ck_assert_ptr_nonnull(ud);
}

static void fn_keep(void *ud, cordon_call *call) {
  cordon_call_on_gone(call, on_gone, ud);
  if (nkept == unit_len(kept))
    ck_assert_int_eq(cordon_call_fail(kept[--nkept], "Timeout", "late", 1),
                     CORDON_OK);
  kept[nkept++] = call;
}

static int on_receive(void *ud, cordon_channel *ch, const cordon_value *v) {
  struct seen *seen = ud;
  ck_assert_ptr_eq(ch, seen->out);
  ck_assert_int_eq(cordon_value_write_json(v, look_at, NULL), CORDON_OK);
  return values_seen % 7 == 0 ? CORDON_AGAIN : CORDON_OK;
}

static void on_done(void *ud, int result, const cordon_value *v,
                    const cordon_error *e) {
  (void)ud;
  calls_done++;
  ck_assert(result == CORDON_OK ? !e : e && !v);
  ck_assert_int_eq(cordon_value_write_json(v, look_at, NULL), CORDON_OK);
}

/* Whatever hosts do with a sandbox whose worker lies. */
static void use(cordon_sandbox *sb, struct seen *seen, int what) {
  static cordon_value *v;
  if (!v)
    ck_assert_int_eq(cordon_value_from_json(&v, "[1,\"x\",{}]", 10, NULL, NULL),
                     CORDON_OK);
  switch (what) {
  case 0:
    (void)!cordon_channel_send(seen->in, v, NULL);
    break;
  case 1:
    cordon_channel_resume(seen->out);
    break;
  case 2:
    calls_made +=
        cordon_sandbox_call(sb, "f", v, 3, on_done, NULL, NULL) == CORDON_OK;
    break;
  case 3:
    calls_made +=
        cordon_sandbox_call(sb, "f", NULL, 0, on_done, NULL, NULL) == CORDON_OK;
    break;
  case 4:
    if (nkept > 0)
      ck_assert_int_eq(cordon_call_return(kept[--nkept], v), CORDON_OK);
    break;
  case 5:
    if (rand() % 50 == 0)
      cordon_channel_close(rand() % 2 ? seen->in : seen->out);
    break;
  }
}

static int on_require(void *ud, const char *name, cordon_source *ret) {
  (void)ud;
  if (strcmp(name, "mod") != 0)
    return CORDON_E_NOT_FOUND;
  *ret = (cordon_source){"mod", "return 1", 8};
  return CORDON_OK;
}

static cordon_policy *policy_new(int port) {
  cordon_policy *policy = NULL;
  char text[1024];
  cordon_error err;
  cordon_source src = {"policy.yaml", text, 0};
  snprintf(text, sizeof text,
           "version: \"1.0\"\nnamespace: app\nentries:\n"
           "  - name: all\n    kind: security.policy\n    policy:\n"
           "      actions: \"*\"\n"
           "      resources: [\"\", \"ws://127.0.0.1:%d/*\", "
           "\"127.0.0.1:%d\", \"p1\", \"all\"]\n"
           "      effect: allow\n",
           port, port);
  src.len_bytes = strlen(text);
  if (cordon_policy_new(&policy, NULL, &err) != CORDON_OK ||
      cordon_policy_add(policy, &src, NULL, NULL, &err) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &err) != CORDON_OK)
    ck_abort_msg("%s:%u: %s", err.source, err.line, err.message);
  return policy;
}

static void on_output(void *ud, const char *data, size_t len) {
  struct seen *seen = ud;
  size_t room = sizeof seen->text - 1 - strlen(seen->text);
  strncat(seen->text, data, len < room ? len : room);
}

static uint64_t connections; /* 0: as many as by default */
static uint64_t cpu_ms;      /* 0: few */

static cordon_sandbox *sandbox_new(cordon_host *host, cordon_policy *policy,
                                   struct seen *seen) {
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_PROCESS;
  cfg.policy = policy;
  cfg.actor_id = "tester";
  cfg.audit = on_audit;
  cfg.output = on_output;
  cfg.require = on_require;
  cfg.connection = on_connection;
  cfg.ud = seen;
  cfg.limits.cpu_ms = cpu_ms ? cpu_ms : 200;
  cfg.limits.deadline_ms = 120000;
  cfg.limits.connects_per_minute = 100000;
  cfg.limits.connections = connections;
  cfg.keep = 1;
  if (cordon_sandbox_new(&sb, host, &cfg, &err) != CORDON_OK ||
      cordon_sandbox_add_function(sb, "h", "f", fn_at_once, seen, &err) !=
          CORDON_OK ||
      cordon_sandbox_add_function(sb, "h", "keep", fn_keep, seen, &err) !=
          CORDON_OK ||
      cordon_sandbox_add_inlet(sb, "h", "in", 4, NULL, seen, &seen->in, &err) !=
          CORDON_OK ||
      cordon_sandbox_add_outlet(sb, "h", "out", 100, on_receive, seen,
                                &seen->out, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  return sb;
}

/* ------------------------------------------------------- made-up words --- */

/* Sandboxes that come and go, whose workers say what they like. */
static void storm(const char *what, unsigned seed) {
  struct server server;
  struct seen seen[4];
  cordon_sandbox *sb[4] = {NULL, NULL, NULL, NULL};
  const char *rounds_text = getenv("REMOTE_ROUNDS");
  unsigned rounds = rounds_text ? (unsigned)atoi(rounds_text) : ROUNDS;
  size_t before = open_fds();
  cordon_policy *policy;
  cordon_host *host;
  cordon_error err;
  server_start(&server);
  policy = policy_new(server.port);
  host = hostile_host();
  srand(seed);
  for (unsigned i = 0; i < rounds; i++) {
    unsigned k = (unsigned)rand() % 4;
    if (sb[k]) {
      cordon_sandbox_free(sb[k]);
      sb[k] = NULL;
    } else {
      memset(&seen[k], 0, sizeof seen[k]);
      sb[k] = sandbox_new(host, policy, &seen[k]);
      if (rand() % 8 > 0)
        (void)load(sb[k], what, server.port, seed + i, &err);
    }
    for (int turns = rand() % 40; turns > 0; turns--) {
      turn(host, 2);
      k = (unsigned)rand() % 4;
      if (sb[k])
        use(sb[k], &seen[k], rand() % 8);
      if (sb[k] && rand() % 100 == 0)
        cordon_sandbox_cancel(sb[k]);
      if (sb[k] && rand() % 50 == 0)
        (void)!cordon_sandbox_set_policy(sb[k], policy, &err);
    }
  }
  for (unsigned k = 0; k < 4; k++)
    cordon_sandbox_free(sb[k]);
  ck_assert_uint_eq(calls_done, calls_made);
  cordon_host_free(host); /* and with it the calls nobody has answered */
  nkept = 0;
  cordon_policy_unref(policy);
  server_stop(&server);
  ck_assert_uint_eq(open_fds(), before);
}

static const char *const acts[] = {"garbage", "babble", "spoil", "vanish"};

START_TEST(whatever_they_say) {
  const char *seed = getenv("REMOTE_SEED");
  storm(acts[_i], seed ? (unsigned)atoi(seed) : 1);
}
END_TEST

/* -------------------------------------------------------------- hoards --- */

/* How many it has opened when nothing more comes.  It says |wait_ms| after it
 * has asked for them that they are closed. */
static size_t hoarded(cordon_host *host, cordon_policy *policy, int port,
                      unsigned wait_ms) {
  struct seen seen = {.opened = 0};
  cordon_sandbox *sb = sandbox_new(host, policy, &seen);
  uint64_t moved_ms = now_ms(), patience_ms = 60000;
  size_t before = open_fds(), last = 0;
  cordon_error err;
  ck_assert_int_eq(load(sb, "hoard", port, wait_ms, &err), CORDON_OK);
  while (cordon_sandbox_result(sb, &err) == CORDON_AGAIN &&
         now_ms() - moved_ms < patience_ms) {
    turn(host, 50);
    if (seen.opened != last) {
      moved_ms = now_ms();
      patience_ms = 500 + 2 * wait_ms;
    }
    last = seen.opened;
    /* those of the server are in this process, too */
    ck_assert_uint_lt(open_fds(), before + seen.opened + 100);
  }
  cordon_sandbox_free(sb);
  return seen.opened;
}

/* Connections it says are closed, and has not even taken, are still ours.  It
 * breaks the protocol if it says so before they are open: on a slow machine it
 * has to wait longer. */
START_TEST(what_is_not_taken_counts) {
  struct server server;
  cordon_policy *policy;
  cordon_host *host;
  server_start(&server);
  policy = policy_new(server.port);
  host = hostile_host();
  cpu_ms = 20000;
  for (unsigned wait_ms = 100;
       hoarded(host, policy, server.port, wait_ms) <= 20; wait_ms *= 4)
    ck_assert_uint_lt(wait_ms, 10000);
  cpu_ms = 0;
  cordon_host_free(host);
  cordon_policy_unref(policy);
  server_stop(&server);
}
END_TEST

static size_t calls_kept;

static void fn_ignore(void *ud, cordon_call *call) {
  (void)ud;
  ck_assert_ptr_nonnull(call);
  calls_kept++;
}

static cordon_value *large;

static void fn_large(void *ud, cordon_call *call) {
  (void)ud;
  ck_assert_int_eq(cordon_call_return(call, large), CORDON_OK);
}

/* A sandbox with one function that answers at once, and one that does not. */
static cordon_sandbox *caller_new(cordon_host *host, cordon_function *fn) {
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_PROCESS;
  if (cordon_sandbox_new(&sb, host, &cfg, &err) != CORDON_OK ||
      cordon_sandbox_add_function(sb, "h", "f", fn, NULL, &err) != CORDON_OK ||
      cordon_sandbox_add_function(sb, "h", "g", fn_ignore, NULL, &err) !=
          CORDON_OK)
    ck_abort_msg("%s", err.message);
  return sb;
}

static void fn_null(void *ud, cordon_call *call) {
  (void)ud;
  ck_assert_int_eq(cordon_call_return(call, NULL), CORDON_OK);
}

/* Calls that the script has forgotten are still the host's and count until it
 * has answered them: an honest worker knows, and makes no more. */
START_TEST(forgotten_calls_are_bounded) {
  cordon_host *host = hostile_host();
  cordon_sandbox *sb = caller_new(host, fn_null);
  cordon_error err;
  calls_kept = 0;
  ck_assert_int_eq(load(sb, "nag", 1, 8, &err), CORDON_OK);
  ck_assert_msg(cordon_sandbox_run(sb, 0, &err) == CORDON_E_WORKER, "%s",
                err.message);
  ck_assert_uint_le(calls_kept, 1000);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}
END_TEST

/* Answers that are not taken do not pile up. */
START_TEST(answers_wait_for_the_worker) {
  static char text[500000];
  struct failing_mem fm;
  cordon_host *host;
  cordon_sandbox *sb;
  cordon_error err;
  uint64_t until_ms;
  memset(text, '1', sizeof text);
  text[0] = text[sizeof text - 1] = '"';
  failing_mem_init(&fm, FAIL_NEVER);
  ck_assert_int_eq(
      cordon_value_from_json(&large, text, sizeof text, NULL, NULL), CORDON_OK);
  host = hostile_host_with(&fm);
  sb = caller_new(host, fn_large);
  ck_assert_int_eq(load(sb, "gorge", 1, 900, &err), CORDON_OK);
  until_ms = now_ms() + 60000;
  while (fm.peak_bytes <= sizeof text && now_ms() < until_ms)
    turn(host, 20);
  ck_assert_uint_gt(fm.peak_bytes, sizeof text);
  until_ms = now_ms() + 300;
  while (now_ms() < until_ms)
    turn(host, 20);
  ck_assert_uint_lt(fm.peak_bytes, 40 * sizeof text);
  ck_assert_int_eq(cordon_sandbox_result(sb, &err), CORDON_AGAIN);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  ck_assert_uint_eq(fm.live_bytes, 0);
  cordon_value_free(large);
}
END_TEST

/* ---------------------------------------------------------------- ends --- */

/* Reading what it sends is paid for by its script. */
START_TEST(our_time_is_limited) {
  struct seen seen = {.opened = 0};
  cordon_host *host = hostile_host();
  cordon_sandbox *sb = sandbox_new(host, NULL, &seen);
  cordon_error err;
  int rv;
  ck_assert_int_eq(load(sb, "burden", 1, 1, &err), CORDON_OK);
  rv = cordon_sandbox_run(sb, 0, &err);
  ck_assert_msg(rv == CORDON_E_LIMIT, "%d: %s", rv, err.message);
  ck_assert_str_eq(err.message, "the CPU limit is reached");
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}
END_TEST

/* One that never says that it has loaded the script holds nobody up, and can be
 * given up. */
START_TEST(loading_holds_nobody_up) {
  static const char *const hangs[] = {"silent", "halt"};
  cordon_host *host = hostile_host();
  unit_each(what, hangs) {
    struct seen seen = {.opened = 0};
    cordon_sandbox *sb = sandbox_new(host, NULL, &seen);
    cordon_sandbox *other = sandbox_new(host, NULL, &seen);
    cordon_error err;
    ck_assert_int_eq(load(sb, *what, 1, 1, &err), CORDON_OK);
    ck_assert_int_eq(load(other, "lie", 1, 1, &err), CORDON_OK);
    ck_assert_int_eq(cordon_sandbox_run(other, 0, &err), CORDON_E_WORKER);
    ck_assert_int_eq(cordon_sandbox_result(sb, &err), CORDON_AGAIN);
    cordon_sandbox_cancel(sb);
    ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_E_CANCELLED);
    cordon_sandbox_free(sb);
    cordon_sandbox_free(other);
  }
  cordon_host_free(host);
}
END_TEST

START_TEST(lies_are_worker_errors) {
  struct seen seen = {.opened = 0};
  cordon_host *host = hostile_host();
  cordon_sandbox *sb = sandbox_new(host, NULL, &seen);
  cordon_error err;
  ck_assert_int_eq(load(sb, "lie", 1, (unsigned)_i, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_E_WORKER);
  ck_assert_ptr_nonnull(strstr(err.message, "broke the protocol"));
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}
END_TEST

/* Each of these is readable, and no honest worker sends it. */
START_TEST(words_that_are_broken) {
  cordon_policy *policy = policy_new(1);
  cordon_host *host = hostile_host();
  struct seen seen = {.opened = 0};
  cordon_sandbox *sb = sandbox_new(host, policy, &seen);
  cordon_error err;
  ck_assert_int_eq(load(sb, "break", 1, (unsigned)_i, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_E_WORKER);
  ck_assert_msg(strstr(err.message, "broke the protocol"), "%d: %s", _i,
                err.message);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  cordon_policy_unref(policy);
}
END_TEST

/* However many are opened at once, each comes with its descriptor, which is
 * connected; and the worker has no other. */
START_TEST(descriptors_of_workers) {
  static const unsigned counts[] = {1, 60, 700};
  struct server server;
  cordon_policy *policy;
  cordon_host *host;
  struct rlimit l;
  ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
  l.rlim_cur = l.rlim_max;
  ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
  server_start(&server);
  policy = policy_new(server.port);
  host = hostile_host();
  unit_each(n, counts) {
    struct seen seen = {.opened = 0};
    cordon_sandbox *sb;
    cordon_error err;
    char want[100];
    if (l.rlim_max < 4 * *n + 100)
      continue;
    connections = *n;
    cpu_ms = 20000;
    sb = sandbox_new(host, policy, &seen);
    ck_assert_int_eq(load(sb, "inventory", server.port, *n, &err), CORDON_OK);
    ck_assert_msg(cordon_sandbox_run(sb, 0, &err) == CORDON_OK, "%s",
                  err.message);
    snprintf(want, sizeof want, "%u connected, 0 wrong\n", *n);
    ck_assert_str_eq(seen.text, want);
    ck_assert_uint_eq(seen.opened, *n);
    ck_assert_uint_eq(seen.closed, *n);
    cordon_sandbox_free(sb);
  }
  connections = cpu_ms = 0;
  cordon_host_free(host);
  cordon_policy_unref(policy);
  server_stop(&server);
}
END_TEST

/* More than the system gives a worker: told at once. */
START_TEST(more_connections_than_descriptors) {
  cordon_host *host = hostile_host();
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  struct rlimit l;
  ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
  l.rlim_max = l.rlim_cur = 200;
  ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
  cordon_sandbox_config_init(&cfg);
  cfg.limits.connections = 200;
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_E_INVALID);
  ck_assert_ptr_nonnull(strstr(err.message, "open files"));
  cordon_host_free(host);
}
END_TEST

/* One that is killed at a limit has used what it has used, whatever it said. */
START_TEST(usage_of_the_killed) {
  struct seen seen = {.opened = 0};
  cordon_host *host = hostile_host();
  cordon_sandbox *sb = sandbox_new(host, NULL, &seen);
  cordon_usage usage;
  cordon_error err;
  ck_assert_int_eq(load(sb, "spin", 1, 1, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_E_LIMIT);
  ck_assert_str_eq(err.message, "the CPU limit is reached");
  cordon_sandbox_usage(sb, &usage);
  ck_assert_int_eq(usage.stop, CORDON_STOP_CPU);
  ck_assert_uint_ge(usage.cpu_ns, 200 * 1000000);
  ck_assert_uint_le(usage.cpu_ns, usage.wall_ns + 100 * 1000000);
  cordon_sandbox_free(sb);
  sb = sandbox_new(host, NULL, &seen);
  ck_assert_int_eq(load(sb, "boast", 1, 1, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_OK);
  cordon_sandbox_usage(sb, &usage);
  ck_assert_uint_le(usage.cpu_ns, usage.wall_ns + 100 * 1000000);
  ck_assert_uint_le(usage.memory_peak_bytes, 64 << 20);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}
END_TEST

/* What it says after its result is not listened to for long. */
START_TEST(last_words_are_few) {
  struct seen seen = {.opened = 0};
  cordon_host *host = hostile_host();
  cordon_sandbox *sb = sandbox_new(host, NULL, &seen);
  struct timespec begin, end;
  cordon_error err;
  uint64_t ms;
  ck_assert_int_eq(load(sb, "chatter", 1, 1, &err), CORDON_OK);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  ck_assert_int_eq(cordon_sandbox_run(sb, 60000, &err), CORDON_OK);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  ms = (uint64_t)(end.tv_sec - begin.tv_sec) * 1000;
  ms = (ms * 1000000 + (uint64_t)end.tv_nsec - (uint64_t)begin.tv_nsec) /
       1000000;
  ck_assert_uint_lt(ms, 1000); /* of seven seconds */
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("remote");
  TCase *tc = tcase_create("remote"), *own = tcase_create("fork"),
        *slow = tcase_create("slow");
  tcase_set_timeout(tc, 300);
  tcase_add_loop_test(tc, whatever_they_say, 0, unit_len(acts));
  tcase_add_test(tc, what_is_not_taken_counts);
  tcase_add_test(tc, forgotten_calls_are_bounded);
  tcase_add_test(tc, answers_wait_for_the_worker);
  tcase_add_test(tc, loading_holds_nobody_up);
  tcase_add_loop_test(tc, lies_are_worker_errors, 0, 5);
  tcase_add_loop_test(tc, words_that_are_broken, 0, 20);
  tcase_add_test(tc, usage_of_the_killed);
  tcase_add_test(tc, last_words_are_few);
  tcase_set_tags(own, UNIT_FORK);
  tcase_add_test(own, more_connections_than_descriptors);
  suite_add_tcase(s, tc);
  /* a broker that is slower than the worker sees another fault first */
  tcase_set_tags(slow, UNIT_SLOW);
  tcase_add_test(slow, descriptors_of_workers);
  tcase_set_timeout(slow, 300);
  tcase_add_test(slow, our_time_is_limited);
  suite_add_tcase(s, own);
  suite_add_tcase(s, slow);
  return s;
}

#endif

int main(void) {
  return unit_run(suite());
}
