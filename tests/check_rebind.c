/* check_rebind.c - names that change their addresses: the one that was judged
 * is the one that is dialled, in both levels of isolation. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cordon/cordon.h"
#include "runtime/base/clock.h"
#include "runtime/net/upgrade.h"
#include "tests/unit.h"

/* ---------------------------------------------------------- name server --- */

/* What is said of the IPv4 addresses to the n-th connect, however often it is
 * asked; and from the moment on at which its addresses were judged, another. */
struct names {
  int fd;
  uint16_t port;
  pthread_t thread;
  const char *const *plan; /* "127.0.0.2 127.0.0.3" */
  atomic_int connect;      /* counted from 1 */
  atomic_bool judged;
  atomic_int asked_v4, asked_v6;
};

#define TRAP "127.0.0.3" /* where nobody may go */

static size_t put_a(uint8_t *p, const char *address) {
  static const uint8_t head[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4};
  memcpy(p, head, sizeof head);
  ck_assert_int_eq(inet_pton(AF_INET, address, p + sizeof head), 1);
  return sizeof head + 4;
}

static size_t names_answer(struct names *s, uint8_t *p, size_t len) {
  char text[128], *rest = text;
  const char *address;
  size_t n = 12;
  while (n < len && p[n] != 0)
    n += p[n] + 1U;
  n += 5;
  p[2] = 0x84;
  p[3] = p[7] = 0;
  memset(p + 8, 0, 4);
  if (p[n - 3] == 28) {
    s->asked_v6++;
    return n;
  }
  snprintf(text, sizeof text, "%s", s->judged ? TRAP : s->plan[s->connect - 1]);
  s->asked_v4++;
  while ((address = strtok_r(rest, " ", &rest))) {
    n += put_a(p + n, address);
    p[7]++;
  }
  return n;
}

static void *names_main(void *ud) {
  struct names *s = ud;
  for (;;) {
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    uint8_t p[1024];
    ssize_t n = recvfrom(s->fd, p, 512, 0, (struct sockaddr *)&from, &len);
    if (n <= 12)
      return NULL;
    n = (ssize_t)names_answer(s, p, (size_t)n);
    sendto(s->fd, p, (size_t)n, 0, (struct sockaddr *)&from, len);
  }
}

static int bound(int type, const char *address, uint16_t *port) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(*port)};
  socklen_t len = sizeof in;
  int one = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  inet_pton(AF_INET, address, &in.sin_addr);
  if (bind(fd, (struct sockaddr *)&in, sizeof in) != 0) {
    close(fd);
    return -1;
  }
  ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
  *port = ntohs(in.sin_port);
  return fd;
}

static void names_start(struct names *s, const char *const *plan) {
  memset(s, 0, sizeof *s);
  s->plan = plan;
  s->fd = bound(SOCK_DGRAM, "127.0.0.1", &s->port);
  ck_assert_int_eq(pthread_create(&s->thread, NULL, names_main, s), 0);
}

static void names_end(struct names *s) {
  struct sockaddr_in in = {.sin_family = AF_INET,
                           .sin_addr = {htonl(INADDR_LOOPBACK)},
                           .sin_port = htons(s->port)};
  sendto(s->fd, "", 0, 0, (struct sockaddr *)&in, sizeof in);
  pthread_join(s->thread, NULL);
  close(s->fd);
}

/* --------------------------------------------------------------- servers ---
 */

/* One port on several addresses; says who it is, and goes. */
struct server {
  const char *address;
  int fd;
  pthread_t thread;
  atomic_int accepted;
};

static void answer(const struct server *s, int c) {
  char text[4096], accept[UPGRADE_ACCEPT_LEN], out[512];
  size_t len = 0;
  const char *key;
  ssize_t n;
  do {
    n = recv(c, text + len, sizeof text - 1 - len, 0);
    len += n > 0 ? (size_t)n : 0;
    text[len] = '\0';
  } while (n > 0 && !strstr(text, "\r\n\r\n"));
  if (!(key = strstr(text, "Sec-WebSocket-Key: ")))
    return;
  upgrade_accept(key + 19, accept);
  n = snprintf(out, sizeof out,
               "HTTP/1.1 101 ok\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: %.28s\r\n\r\n"
               "\x81%c%s",
               accept, (int)strlen(s->address), s->address);
  (void)!send(c, out, (size_t)n, MSG_NOSIGNAL);
}

static void *serve(void *ud) {
  struct server *s = ud;
  int c;
  while ((c = accept(s->fd, NULL, NULL)) >= 0) {
    s->accepted++;
    answer(s, c);
    shutdown(c, SHUT_WR);
    close(c);
  }
  return NULL;
}

#define SERVERS 3
static const char *const addresses[SERVERS] = {"127.0.0.2", "127.0.0.3",
                                               "127.0.0.4"};

static uint16_t servers_start(struct server s[SERVERS]) {
  uint16_t port = 0;
  for (int tries = 0; tries < 100; tries++) {
    size_t i = 0;
    port = 0;
    memset(s, 0, SERVERS * sizeof *s);
    for (; i < SERVERS; i++) {
      s[i].address = addresses[i];
      if ((s[i].fd = bound(SOCK_STREAM, addresses[i], &port)) < 0)
        break;
    }
    if (i == SERVERS)
      break;
    while (i > 0)
      close(s[--i].fd);
  }
  for (size_t i = 0; i < SERVERS; i++) {
    ck_assert_int_eq(listen(s[i].fd, 16), 0);
    ck_assert_int_eq(pthread_create(&s[i].thread, NULL, serve, &s[i]), 0);
  }
  return port;
}

static void servers_end(struct server s[SERVERS]) {
  for (size_t i = 0; i < SERVERS; i++) {
    shutdown(s[i].fd, SHUT_RDWR);
    pthread_join(s[i].thread, NULL);
    close(s[i].fd);
  }
}

/* ------------------------------------------------------------------ host ---
 */

static const char script[] =
    "local websocket = require 'websocket'\n"
    "for i = 1, 8 do\n"
    "  local c, err = websocket.connect('ws://app.example:PORT/')\n"
    "  if c then\n"
    "    print(c:channel():receive().data)\n"
    "  else\n"
    "    local d = err:details()\n"
    "    print(('%s %s %s'):format(err:kind(), d.action or d.stage,\n"
    "                              d.resource or d.reason))\n"
    "  end\n"
    "end\n";

static const char policy_text[] =
    "version: '1.0'\n"
    "namespace: app\n"
    "entries:\n"
    "  - name: all\n"
    "    kind: security.policy\n"
    "    policy:\n"
    "      effect: allow\n"
    "      rules:\n"
    "        - {action: websocket.connect}\n"
    "        - {action: websocket.connect.url, resource: "
    "'ws://app.example:*/'}\n"
    "        - {action: websocket.connect.address, resource: '127.0.0.2/32'}\n"
    "        - {action: websocket.connect.address, resource: '127.0.0.4/32'}\n";

struct printed {
  char text[4096];
  size_t len;
  struct names *names;
};

static int on_audit(void *ud, const cordon_audit_event *ev) {
  const struct printed *p = ud;
  if (strcmp(ev->request->action, "websocket.connect.url") == 0) {
    p->names->judged = false;
    p->names->connect++;
  } else if (strcmp(ev->request->action, "websocket.connect.address") == 0) {
    p->names->judged = true;
  }
  return 0;
}

static void on_output(void *ud, const char *data, size_t len) {
  struct printed *p = ud;
  if (len < sizeof p->text - p->len) {
    memcpy(p->text + p->len, data, len);
    p->len += len;
  }
}

static cordon_policy *policy_new(void) {
  cordon_source src = {"policy.yaml", policy_text, sizeof policy_text - 1};
  cordon_policy *policy = NULL;
  cordon_error err;
  if (cordon_policy_new(&policy, NULL, &err) != CORDON_OK ||
      cordon_policy_add(policy, &src, NULL, NULL, &err) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &err) != CORDON_OK)
    ck_abort_msg("%s:%u: %s", err.source, err.line, err.message);
  return policy;
}

static cordon_host *host_new(uint16_t dns_port) {
  static char worker[4096];
  const char *top = getenv("top_builddir");
  char servers[64], relative[4096];
  cordon_host_config cfg;
  cordon_host *host = NULL;
  cordon_error err;
  snprintf(servers, sizeof servers, "127.0.0.1:%u", dns_port);
  cordon_host_config_init(&cfg);
  cfg.dns_servers = servers;
  snprintf(relative, sizeof relative, "%s/libexec/cordon/cordon-worker",
           top ? top : ".");
  if (realpath(relative, worker))
    cfg.worker_path = worker;
  if (cordon_host_new(&host, &cfg, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  return host;
}

static void run(cordon_isolation level, struct names *names, uint16_t port,
                struct printed *out) {
  char text[sizeof script + 16], *at;
  cordon_source src = {"rebind.lua", text, 0};
  cordon_policy *policy = policy_new();
  cordon_host *host = host_new(names->port);
  cordon_sandbox *sb = NULL;
  cordon_sandbox_config cfg;
  cordon_error err;
  int rv = CORDON_OK;
  memcpy(text, script, sizeof script);
  at = strstr(text, "PORT");
  snprintf(at, sizeof text - (size_t)(at - text), "%u%s", port,
           strstr(script, "PORT") + 4);
  src.len_bytes = strlen(text);
  memset(out, 0, sizeof *out);
  out->names = names;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = level;
  cfg.policy = policy;
  cfg.actor_id = "tester";
  cfg.output = on_output;
  cfg.audit = on_audit;
  cfg.ud = out;
  cfg.limits.deadline_ms = 60000;
  if (cordon_sandbox_new(&sb, host, &cfg, &err) != CORDON_OK ||
      cordon_sandbox_load(sb, &src, NULL, 0, &err) != CORDON_OK ||
      (rv = cordon_sandbox_run(sb, 0, &err)) != CORDON_OK)
    ck_abort_msg("%d: %s", rv, err.message);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  cordon_policy_unref(policy);
}

static const char *const plan[] = {
    "127.0.0.2", /* judged, dialled */
    "127.0.0.3", /* the same name again, and another address: refused */
    "127.0.0.3 127.0.0.2 127.0.0.3", /* only the one that may be */
    "10.0.0.1 192.168.1.1 169.254.169.254 0.0.0.0 255.255.255.255 224.0.0.1",
    "127.0.0.9 127.0.0.2",
    "127.0.0.2",
    "127.0.0.4",
    "127.0.0.3"};

/* A server that has not answered for so long is asked again. */
#define MUTE_NS (300 * NS_PER_MS)

static void rebind(cordon_isolation level) {
  struct server servers[SERVERS];
  struct names names;
  struct printed out;
  char want[1024];
  uint16_t port = servers_start(servers);
  uint64_t begun_ns = clock_mono_ns();
  bool quick;
  names_start(&names, plan);
  run(level, &names, port, &out);
  quick = clock_mono_ns() - begun_ns < MUTE_NS;
  snprintf(want, sizeof want,
           "127.0.0.2\n"
           "PermissionDenied websocket.connect.address 127.0.0.3:%u\n"
           "127.0.0.2\n",
           port);
  ck_assert_msg(strncmp(out.text, want, strlen(want)) == 0, "%s", out.text);
  /* which of them was the last is the sorting's affair */
  ck_assert_msg(strncmp(out.text + strlen(want),
                        "PermissionDenied websocket.connect.address ", 43) == 0,
                "%s", out.text);
  snprintf(want, sizeof want,
           "\n127.0.0.2\n127.0.0.2\n127.0.0.4\n"
           "PermissionDenied websocket.connect.address 127.0.0.3:%u\n",
           port);
  ck_assert_msg(strstr(out.text, want) != NULL, "%s", out.text);
  ck_assert_int_eq(servers[0].accepted, 4);
  ck_assert_int_eq(servers[1].accepted, 0); /* not a packet */
  ck_assert_int_eq(servers[2].accepted, 1);
  /* Asked once a connect: there is no second answer to be fooled by. */
  ck_assert_int_eq(names.connect, 8);
  ck_assert_int_ge(names.asked_v4, 8);
  ck_assert_int_ge(names.asked_v6, 8);
  if (quick) {
    ck_assert_int_eq(names.asked_v4, 8);
    ck_assert_int_eq(names.asked_v6, 8);
  }
  names_end(&names);
  servers_end(servers);
}

START_TEST(rebinding_inprocess) {
  rebind(CORDON_ISOLATION_INPROCESS);
}
END_TEST

#if CORDON_HAVE_WORKER
START_TEST(rebinding_process) {
  rebind(CORDON_ISOLATION_PROCESS);
}
END_TEST
#endif

static Suite *suite(void) {
  Suite *s = suite_create("rebind");
  TCase *tc = tcase_create("rebind");
  tcase_set_timeout(tc, 120);
  tcase_add_test(tc, rebinding_inprocess);
#if CORDON_HAVE_WORKER
  tcase_add_test(tc, rebinding_process);
#endif
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
