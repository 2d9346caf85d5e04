/* check_dial.c - connections that do not come about: dialling, judging, and
 * answers that are no handshake, against a scripted server on loopback. */
#include <signal.h>
#include <fcntl.h>

#include "tests/client.h"
#include "tests/names.h"

#define IN_(bytes)                                                             \
  { bytes, sizeof(bytes) - 1 }

/* -------------------------------------------------- failing handshakes --- */

START_TEST(failed_handshakes) {
  static const struct {
    struct slice answer;
    unsigned status;
    const char *reason;
  } cases[] = {
      {IN_("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"), 404,
       "status 404"},
      {IN_("HTTP/1.1 301 Moved\r\nLocation: ws://b/\r\n\r\n"), 301,
       "redirects are not followed"},
      {IN_("HTTP/1.1 200 OK\r\n\r\n"), 200, "status 200"},
      {IN_("SSH-2.0-OpenSSH_9\r\n"), 0, "not HTTP/1.1"},
      {IN_("\0\0\0\0"), 0, "control character"},
      {IN_(""), 0, "without an answer"},
      {IN_("HTTP/1.1 101 Switching"), 0, "middle of its answer"},
      {IN_("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
       0, "wrong Sec-WebSocket-Accept"},
  };
  unit_each(c, cases) {
    struct peer p;
    struct client k;
    peer_start(&p, peer_fixed_answer);
    p.arg = c->answer.p;
    p.arg_len = c->answer.len;
    peer_go(&p);
    client_init(&k, "ws://127.0.0.1:%u/p?q", p.port);
    ck_assert_int_eq(client_start(&k), 0);
    ck_assert_str_eq(k.log, "");
    client_run(&k, NULL);
    expect_part(k.log, "failed handshake");
    expect_part(k.log, c->reason);
    ck_assert_uint_eq(k.failure.http_status, c->status);
    ck_assert_int_eq(k.failure.code, ERR_PROTOCOL);
    client_end(&k);
    peer_end(&p);
    expect_part(p.request, "GET /p?q HTTP/1.1\r\nHost: 127.0.0.1:");
  }
}
END_TEST

static void peer_cut_answer(struct peer *p) {
  char out[1024];
  size_t n;
  if (!p_request(p))
    return;
  n = p_answer(p, out, sizeof out, "");
  p->big_len = n;
  p_write(p, out, (size_t)p->arg_int < n ? (size_t)p->arg_int : n);
  if ((size_t)p->arg_int % 2) { /* a reset instead of an end */
    struct linger l = {1, 0};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
  }
}

START_TEST(cut_at_each_byte_of_the_answer) {
  size_t len = 1;
  for (int i = 0; (size_t)i <= len; i++) {
    struct peer p;
    struct client k;
    peer_start(&p, peer_cut_answer);
    p.arg_int = i;
    peer_go(&p);
    client_init(&k, "ws://127.0.0.1:%u/", p.port);
    ck_assert_int_eq(client_start(&k), 0);
    client_run(&k, NULL);
    peer_end(&p);
    len = p.big_len;
    if ((size_t)i < len)
      expect_part(k.log, "failed handshake 0 the server closed");
    else if (i % 2 == 0)
      expect(k.log, "open closed 1006 unclean");
    client_end(&k);
  }
}
END_TEST

START_TEST(nobody_listens) {
  struct peer p;
  struct client k;
  memset(&p, 0, sizeof p);
  peer_bind(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  client_ends(&k, "failed connect 0 connection refused");
  ck_assert_int_eq(k.failure.code, ERR_SYSTEM);
  client_end(&k);
  client_init(&k, "ws://nowhere.example:1/");
  client_ends(&k, "failed resolve 0 no answer from the name servers");
  client_end(&k);
  close(p.listener);
}
END_TEST

START_TEST(judged) {
  struct peer p, deaf = {.listener = -1};
  struct client k;
  peer_start(&p, peer_echo);
  peer_go(&p);
  (void)peer_bind6(&deaf, p.port);
  /* no packet is sent to an address that is refused */
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  k.deny_first = 1;
  client_ends(&k, "failed connect 0 every address is refused");
  ck_assert_int_eq(k.failure.code, ERR_DENIED);
  ck_assert_int_eq(k.judged, 1);
  client_end(&k);
  client_init(&k, "ws://localhost:%u/", p.port);
  k.deny_first = 2;
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  ck_assert_int_eq(k.failure.code, ERR_DENIED);
  ck_assert_int_eq(k.judged, 2);
  client_end(&k);
  /* the other one is tried; the server listens on 127.0.0.1 only */
  client_init(&k, "ws://localhost:%u/", p.port);
  k.deny_first = 1;
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  ck_assert_int_eq(k.failure.code, ERR_SYSTEM);
  ck_assert_int_eq(k.judged, 2);
  client_end(&k);
  if (deaf.listener >= 0)
    close(deaf.listener);
  peer_end(&p);
  ck_assert_str_eq(p.request, "");
}
END_TEST

/* localhost is 127.0.0.1 and ::1: who listens on the second only is found. */
START_TEST(the_other_family) {
  struct peer p;
  struct client k;
  peer_start(&p, peer_echo);
  if (!peer_listen6(&p, 0)) {
    close(p.listener);
    return;
  }
  peer_go(&p);
  client_init(&k, "ws://localhost:%u/", p.port);
  client_open(&k);
  ck_assert_int_eq(k.judged, 2);
  client_end(&k);
  peer_end(&p);
  ck_assert(peer_bind6(&p, 0));
  client_init(&k, "ws://[::1]:%u/", p.port);
  client_ends(&k, "failed connect 0 connection refused");
  client_end(&k);
  close(p.listener);
}
END_TEST

/* Longer and longer: a slow machine may not have come that far before. */
START_TEST(dial_timeout) {
  bool far = false;
  for (uint64_t ms = 30; !far; ms *= 2) {
    struct peer p;
    struct client k;
    peer_start(&p, peer_silent);
    peer_go(&p);
    client_init(&k, "ws://localhost:%u/", p.port);
    k.o.opening.dial_timeout_ns = ms * NS_PER_MS;
    ck_assert_int_eq(client_start(&k), 0);
    client_run(&k, NULL);
    expect_part(k.log, "failed timeout 0 timed out w"); /* -hile or -aiting */
    far = strstr(k.log, "timed out waiting for the server's answer");
    ck_assert_msg(far || ms < PATIENCE_S * 1000 / 2, "%s", k.log);
    ck_assert_int_eq(k.failure.code, ERR_TIMEOUT);
    client_end(&k);
    peer_end(&p);
  }
}
END_TEST

/* A listener whose queue is full: the kernel drops what would begin a
 * connection, as a firewall does. */
struct hole {
  int listener;
  int fds[16];
  size_t n;
  uint16_t port;
};

/* What TCP_INFO tells of a listener (tcp_get_info in Linux): how many wait in
 * its queue, and how many may. */
static bool hole_is_full(const struct hole *h) {
  struct tcp_info info;
  socklen_t len = sizeof info;
  memset(&info, 0, sizeof info);
  ck_assert_int_eq(getsockopt(h->listener, IPPROTO_TCP, TCP_INFO, &info, &len),
                   0);
  return info.tcpi_unacked > info.tcpi_sacked;
}

static bool hole_is_deep(struct hole *h, const struct sockaddr_in *in) {
  struct pollfd p = {.events = POLLOUT};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  p.fd = h->fds[h->n++] = fd;
  if (connect(fd, (const struct sockaddr *)in, sizeof *in) == 0)
    return false;
  ck_assert_int_eq(errno, EINPROGRESS);
  while (poll(&p, 1, 100) == 0)
    if (hole_is_full(h))
      return true;
  return false;
}

static void hole_start(struct hole *h) {
  struct sockaddr_in in = {.sin_family = AF_INET,
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof in;
  memset(h, 0, sizeof *h);
  h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq(bind(h->listener, (struct sockaddr *)&in, sizeof in), 0);
  ck_assert_int_eq(listen(h->listener, 0), 0);
  ck_assert_int_eq(getsockname(h->listener, (struct sockaddr *)&in, &len), 0);
  h->port = ntohs(in.sin_port);
  while (!hole_is_deep(h, &in))
    ck_assert_uint_lt(h->n, sizeof h->fds / sizeof *h->fds);
}

static void hole_end(struct hole *h) {
  while (h->n > 0)
    close(h->fds[--h->n]);
  close(h->listener);
}

/* The first address answers nothing at all: the second has not to wait for its
 * end, which would be the dial timeout. */
START_TEST(a_black_hole_first) {
  struct hole h;
  struct peer p;
  struct client k;
  hole_start(&h);
  peer_start(&p, peer_echo);
  if (peer_listen6(&p, h.port)) {
    peer_go(&p);
    client_init(&k, "ws://localhost:%u/", h.port);
    k.o.opening.dial_timeout_ns = PATIENCE_S * NS_PER_S;
    client_open(&k);
    ck_assert_int_eq(k.judged, 2);
    client_end(&k);
    peer_end(&p);
  } else {
    close(p.listener);
  }
  client_init(&k, "ws://127.0.0.1:%u/", h.port);
  k.o.opening.dial_timeout_ns = 30 * NS_PER_MS;
  client_ends(&k, "failed timeout 0 timed out while connecting");
  ck_assert_int_eq(k.failure.code, ERR_TIMEOUT);
  client_end(&k);
  hole_end(&h);
}
END_TEST

static void client_asks(struct client *k, const struct dns *d) {
  char servers[64];
  snprintf(servers, sizeof servers, "127.0.0.1:%u", d->port);
  resolver_free(k->resolver);
  ck_assert_int_eq(resolver_new(&k->resolver, k->loop, &k->lib.mem, servers),
                   0);
}

/* Name servers that never answer, late, and for one family only. */
START_TEST(slow_names) {
  struct dns d;
  struct peer p;
  struct client k;
  dns_start(&d);
  client_init(&k, "ws://silent.test:1/");
  client_asks(&k, &d);
  k.o.opening.dial_timeout_ns = 500 * NS_PER_MS; /* each is asked for alone */
  client_ends(&k, "failed timeout 0 timed out while the name was resolved");
  ck_assert_int_eq(k.failure.code, ERR_TIMEOUT);
  ck_assert_int_eq(k.judged, 0);
  client_end(&k);

  /* c-ares waits 14 s for the other */
  peer_start(&p, peer_echo);
  peer_go(&p);
  client_init(&k, "ws://mute6here.test:%u/", p.port);
  client_asks(&k, &d);
  k.o.opening.dial_timeout_ns = 10 * NS_PER_S;
  client_open(&k);
  ck_assert_int_eq(k.judged, 1);
  client_end(&k);
  peer_end(&p);

  peer_start(&p, peer_echo);
  peer_go(&p);
  client_init(&k, "ws://heldhere.test:%u/", p.port);
  client_asks(&k, &d);
  ck_assert_int_eq(client_start(&k), 0);
  while (d.nheld < 2)
    ck_assert_int_eq(loop_dispatch(k.loop, 1), 0);
  expect(k.log, "");
  d.release = true;
  while (k.log_len == 0)
    ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  expect(k.log, "open ");
  client_end(&k);
  peer_end(&p);
  dns_end(&d);
}
END_TEST

START_TEST(names) {
  static const char *const stage[] = {"resolve", "connect", "tls", "handshake",
                                      "timeout"};
  for (int i = STAGE_RESOLVE; i <= STAGE_TIMEOUT; i++)
    ck_assert_str_eq(connection_stage_name((enum connection_stage)i), stage[i]);
  ck_assert(close_code_sendable(1000) && close_code_sendable(4999));
  ck_assert(!close_code_sendable(1005) && !close_code_sendable(2999));
}
END_TEST

int main(void) {
  Suite *s = suite_create("dial");
  TCase *tc = tcase_create("dial");
  signal(SIGPIPE, SIG_IGN); /* of the server's side: OpenSSL's own writes */
  tcase_set_timeout(tc, 4 * PATIENCE_S);
  tcase_add_test(tc, failed_handshakes);
  tcase_add_test(tc, cut_at_each_byte_of_the_answer);
  tcase_add_test(tc, nobody_listens);
  tcase_add_test(tc, judged);
  tcase_add_test(tc, the_other_family);
  tcase_add_test(tc, dial_timeout);
  tcase_add_test(tc, a_black_hole_first);
  tcase_add_test(tc, slow_names);
  tcase_add_test(tc, names);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
