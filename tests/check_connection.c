/* check_connection.c - connections against a scripted server on loopback, which
 * runs in a thread of this process. */
#include "runtime/net/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/net/resolve.h"
#include "runtime/net/tls.h"
#include "tests/peer.h"
#include "tests/unit.h"

#define IN_(bytes)                                                             \
  { bytes, sizeof(bytes) - 1 }

/* -------------------------------------------------------------- client --- */

enum hook { HOOK_NONE, HOOK_FREE, HOOK_RELEASE };

struct client {
  struct failing_mem lib;   /* the loop's */
  struct failing_mem owner; /* the sandbox's */
  struct loop *loop;
  struct resolver *resolver;
  struct tls_context *tls;
  struct connection *c;
  struct connection_options o;
  struct url url;
  struct err err;
  char log[8192];
  size_t log_len;
  bool ended;
  int judged;
  int deny_first; /* so many addresses are refused */
  bool pause_at_open;
  bool pause_at_message;
  char hook_at; /* 'j'udge 'o'pened 'f'ailed 'm'essage 'c'losed */
  enum hook hook;
  struct connection_failure failure;
};

__attribute__((format(printf, 2, 3))) static void note(struct client *k,
                                                       const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  k->log_len += (size_t)vsnprintf(k->log + k->log_len,
                                  sizeof k->log - k->log_len, fmt, ap);
  va_end(ap);
  if (k->log_len >= sizeof k->log)
    k->log_len = sizeof k->log - 1;
}

static void hook(struct client *k, char at) {
  if (k->hook_at != at)
    return;
  k->ended = true;
  if (k->hook == HOOK_FREE)
    connection_free(k->c);
  else if (k->hook == HOOK_RELEASE)
    connection_release(k->c, 1001);
  k->c = NULL;
  /* The account may end here and now. */
  ck_assert_uint_eq(k->owner.live_bytes, 0);
}

static int on_judge(void *ud, const struct ip *ip, uint16_t port) {
  struct client *k = ud;
  ck_assert_uint_eq(port, k->url.port);
  ck_assert(ip->family == 4 || ip->family == 6);
  k->judged++;
  hook(k, 'j');
  return k->judged <= k->deny_first ? ERR_DENIED : 0;
}

static void on_opened(void *ud) {
  struct client *k = ud;
  note(k, "open ");
  ck_assert(connection_is_open(k->c));
  if (k->pause_at_open)
    connection_pause(k->c, true);
  hook(k, 'o');
}

static void on_failed(void *ud, const struct connection_failure *f) {
  struct client *k = ud;
  k->failure = *f;
  note(k, "failed %s %u %s", connection_stage_name(f->stage), f->http_status,
       f->reason);
  k->ended = true;
  hook(k, 'f');
}

static void on_message(void *ud, struct message *m) {
  struct client *k = ud;
  note(k, "%c%zu",
       m->opcode == WS_TEXT     ? 'T'
       : m->opcode == WS_BINARY ? 'B'
       : m->opcode == WS_PING   ? 'P'
                                : 'O',
       m->len);
  if (m->len < 40)
    note(k, ":%.*s", (int)m->len, m->data);
  note(k, " ");
  for (size_t i = 0; m->len >= 100000 && i < m->len; i++)
    if ((uint8_t)m->data[i] != (uint8_t)(i * 7)) /* an assert a byte is slow */
      ck_abort_msg("byte %zu differs", i);
  message_free(m);
  if (k->pause_at_message)
    connection_pause(k->c, true);
  hook(k, 'm');
}

static void on_closed(void *ud, const struct connection_close *how) {
  struct client *k = ud;
  note(k, "closed %u %s%s%.*s", how->code, how->clean ? "clean" : "unclean",
       how->reason.len ? " " : "", (int)how->reason.len, how->reason.p);
  k->ended = true;
  ck_assert(!connection_is_open(k->c));
  hook(k, 'c');
}

static const struct connection_handler handler = {
    on_judge, on_failed, on_opened, on_message, on_closed};

__attribute__((format(printf, 2, 3))) static void
client_init(struct client *k, const char *url, ...) {
  char text[512];
  va_list ap;
  va_start(ap, url);
  vsnprintf(text, sizeof text, url, ap);
  va_end(ap);
  memset(k, 0, sizeof *k);
  failing_mem_init(&k->lib, FAIL_NEVER);
  failing_mem_init(&k->owner, FAIL_NEVER);
  ck_assert_int_eq(loop_new(&k->loop, &k->lib.mem), 0);
  /* Nobody listens there: no test may ask a real name server. */
  ck_assert_int_eq(
      resolver_new(&k->resolver, k->loop, &k->lib.mem, "127.0.0.1:1"), 0);
  ck_assert_int_eq(url_parse(&k->url, slice_of(text), NULL, &k->err), 0);
  k->o.opening.url = &k->url;
  k->o.session.read_limit = 16 << 20;
}

static int client_start(struct client *k) {
  return connection_new(&k->c, k->loop, k->resolver, k->tls, &k->o, &handler, k,
                        &k->owner.mem, &k->err);
}

/* Until |*flag|, or the end when NULL. */
static void client_run(struct client *k, const bool *flag) {
  uint64_t until = clock_mono_ns() + PATIENCE_S * NS_PER_S;
  while (!(flag ? *flag : k->ended)) {
    ck_assert_int_eq(loop_dispatch(k->loop, 1000), 0);
    ck_assert_msg(clock_mono_ns() < until, "nothing more happens: %s", k->log);
  }
}

static void client_end(struct client *k) {
  uint64_t until = clock_mono_ns() + PATIENCE_S * NS_PER_S;
  connection_free(k->c);
  ck_assert_uint_eq(k->owner.live_bytes, 0);
  while (connections_released(k->loop) > 0 && clock_mono_ns() < until)
    ck_assert_int_eq(loop_dispatch(k->loop, 1000), 0);
  ck_assert_uint_eq(connections_released(k->loop), 0);
  connections_cut(k->loop);
  resolver_free(k->resolver);
  tls_context_free(k->tls);
  loop_free(k->loop);
  ck_assert_uint_eq(k->lib.live_bytes, 0);
}

static void expect(const char *got, const char *want) {
  ck_assert_msg(strcmp(got, want) == 0, "got: %s\nnot: %s", got, want);
}

static void expect_part(const char *got, const char *want) {
  ck_assert_msg(strstr(got, want), "got: %s\nwithout: %s", got, want);
}

/* -------------------------------------------------- failing handshakes --- */

static void peer_fixed_answer(struct peer *p) {
  if (p_request(p))
    p_write(p, p->arg, p->arg_len);
}

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
  peer_start(&p, NULL);
  close(p.listener);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect(k.log, "failed connect 0 connection refused");
  ck_assert_int_eq(k.failure.code, ERR_SYSTEM);
  client_end(&k);
  client_init(&k, "ws://nowhere.example:1/");
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect(k.log, "failed resolve 0 no answer from the name servers");
  client_end(&k);
}
END_TEST

START_TEST(judged) {
  struct peer p;
  struct client k;
  peer_start(&p, peer_echo);
  peer_go(&p);
  /* no packet is sent to an address that is refused */
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  k.deny_first = 1;
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect(k.log, "failed connect 0 every address is refused");
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
  peer_end(&p);
  ck_assert_str_eq(p.request, "");
}
END_TEST

/* localhost is 127.0.0.1 and ::1: who listens on the second only is found. */
START_TEST(the_other_family) {
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
  socklen_t len = sizeof in6;
  struct peer p;
  struct client k;
  peer_start(&p, peer_echo);
  close(p.listener);
  in6.sin6_addr = in6addr_loopback;
  p.listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (p.listener < 0 ||
      bind(p.listener, (struct sockaddr *)&in6, sizeof in6) != 0)
    return; /* a machine without IPv6 */
  ck_assert_int_eq(listen(p.listener, 8), 0);
  getsockname(p.listener, (struct sockaddr *)&in6, &len);
  p.port = ntohs(in6.sin6_port);
  peer_go(&p);
  client_init(&k, "ws://localhost:%u/", p.port);
  ck_assert_int_eq(client_start(&k), 0);
  while (k.log_len == 0)
    ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  expect(k.log, "open ");
  ck_assert_int_eq(k.judged, 2);
  client_end(&k);
  peer_end(&p);
  client_init(&k, "ws://[::1]:%u/", p.port);
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect(k.log, "failed connect 0 connection refused");
  client_end(&k);
}
END_TEST

static void peer_silent(struct peer *p) {
  p_request(p);
  p_frames(p);
}

START_TEST(dial_timeout) {
  struct peer p;
  struct client k;
  peer_start(&p, peer_silent);
  peer_go(&p);
  client_init(&k, "ws://localhost:%u/", p.port);
  k.o.opening.dial_timeout_ns = 30 * NS_PER_MS;
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect(k.log, "failed timeout 0 timed out waiting for the server's answer");
  ck_assert_int_eq(k.failure.code, ERR_TIMEOUT);
  client_end(&k);
  peer_end(&p);
}
END_TEST

/* ------------------------------------------------------- open: receive --- */

/* Handshake and the bytes |arg| in one piece, or byte by byte; then reads. */
static void peer_bytes(struct peer *p) {
  char out[4096];
  size_t n;
  if (!p_request(p))
    return;
  n = p_answer(p, out, sizeof out, "");
  memcpy(out + n, p->arg, p->arg_len);
  n += p->arg_len;
  if (p->arg_int == 0)
    p_write(p, out, n);
  for (size_t i = 0; p->arg_int != 0 && i < n; i++) {
    if (!p_write(p, out + i, 1))
      break;
    if (i % 16 == 0)
      usleep(100);
  }
  if (p->arg_int == 2)
    return; /* gone without a word */
  p_frames(p);
}

START_TEST(server_frames) {
  static const struct {
    struct slice bytes;
    const char *log;
    const char *got;
    bool control;
  } cases[] = {
      {IN_("\x81\x02hi\x88\x02\x03\xe8"), "open T2:hi closed 1000 clean",
       "C1000 EOF", false},
      {IN_("\x88\x00"), "open closed 1005 clean", "C EOF", false},
      {IN_("\x88\x05\x0b\xb8"
           "bye"),
       "open closed 3000 clean bye", "C3000 EOF", false},
      {IN_("\x89\x01p\x89\x01q\x81\x00\x88\x00"), "open T0: closed 1005 clean",
       "O:p O:q C EOF", false},
      {IN_("\x89\x01p\x8a\x01q\x88\x00"), "open P1:p O1:q closed 1005 clean",
       "O:p C EOF", true},
      {IN_("\x8a\x00\x88\x00"), "open closed 1005 clean", "C EOF", false},
      {IN_("\x01\x01h\x89\x00\x80\x01i\x88\x00"),
       "open T2:hi closed 1005 clean", "O: C EOF", false},
      /* nothing counts behind a close */
      {IN_("\x88\x00\x81\x02hi"), "open closed 1005 clean", "C EOF", false},
      {IN_("\x81\x01x\x81\x82mask\x05\x08"),
       "open T1:x closed 1002 unclean a server's frame is masked", "C1002 EOF",
       false},
      {IN_("\xc1\x00"), "open closed 1002 unclean reserved bits are set",
       "C1002 EOF", false},
      {IN_("\x88\x02\x03\xed"),
       "open closed 1002 unclean close code that may not be sent", "C1002 EOF",
       false},
      {IN_("\x88\x02\x03\xee"),
       "open closed 1002 unclean close code that may not be sent", "C1002 EOF",
       false},
      {IN_("\x88\x02\x03\xf7"),
       "open closed 1002 unclean close code that may not be sent", "C1002 EOF",
       false},
      {IN_("\x88\x01x"), "open closed 1002 unclean close frame of one byte",
       "C1002 EOF", false},
      {IN_("\x81\x03ok\xff"),
       "open closed 1007 unclean text is not valid UTF-8", "C1007 EOF", false},
      {IN_("\x81\x7f\x00\x00\x00\x00\x40\x00\x00\x00x"),
       "open closed 1009 unclean message is longer than the read limit",
       "C1009 EOF", false},
  };
  unit_each(c, cases) {
    for (int step = 0; step < 2; step++) {
      struct peer p;
      struct client k;
      peer_start(&p, peer_bytes);
      p.arg = c->bytes.p;
      p.arg_len = c->bytes.len;
      p.arg_int = step;
      peer_go(&p);
      client_init(&k, "ws://127.0.0.1:%u/", p.port);
      k.o.session.control_messages = c->control;
      ck_assert_int_eq(client_start(&k), 0);
      client_run(&k, NULL);
      /* let the last frame go out before the socket is closed */
      connection_release(k.c, 1001);
      k.c = NULL;
      client_end(&k);
      peer_end(&p);
      expect(k.log, c->log);
      expect(p.got, c->got);
    }
  }
}
END_TEST

START_TEST(lost_at_each_byte_of_a_frame) {
  static const char bytes[] = "\x81\x02hi\x81\x03you\x89\x01x\x88\x02\x03\xe8";
  for (size_t n = 0; n < sizeof bytes - 1; n++) {
    struct peer p;
    struct client k;
    peer_start(&p, peer_bytes);
    p.arg = bytes;
    p.arg_len = n;
    p.arg_int = 2;
    peer_go(&p);
    client_init(&k, "ws://127.0.0.1:%u/", p.port);
    ck_assert_int_eq(client_start(&k), 0);
    client_run(&k, NULL);
    expect(k.log, n < 4   ? "open closed 1006 unclean"
                  : n < 9 ? "open T2:hi closed 1006 unclean"
                          : "open T2:hi T3:you closed 1006 unclean");
    client_end(&k);
    peer_end(&p);
  }
}
END_TEST

/* Fragments of a large message, then a close. */
static void peer_large(struct peer *p) {
  size_t total = (size_t)p->arg_int, at = 0;
  uint8_t h[10], *data = malloc(total);
  for (size_t i = 0; i < total; i++)
    data[i] = (uint8_t)(i * 7);
  if (p_handshake(p, "")) {
    while (at < total) {
      size_t n = total - at < p->arg_len ? total - at : p->arg_len;
      h[0] =
          (uint8_t)((at == 0 ? WS_BINARY : 0) | (at + n == total ? 0x80 : 0));
      h[1] = n < 126 ? (uint8_t)n : 127;
      for (int i = 0; i < 8; i++)
        h[2 + i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
      if (!p_write(p, h, n < 126 ? 2 : 10) || !p_write(p, data + at, n))
        break;
      at += n;
    }
    p_write(p, "\x88\x02\x03\xe8", 4);
    p_frames(p);
  }
  free(data);
}

START_TEST(large_messages) {
  static const struct {
    int total;
    size_t piece;
  } cases[] = {{600000, 600000}, {5000000, 5000000}, {200001, 100}};
  char want[64];
  unit_each(c, cases) {
    struct peer p;
    struct client k;
    peer_start(&p, peer_large);
    p.arg_int = c->total;
    p.arg_len = c->piece;
    peer_go(&p);
    client_init(&k, "ws://127.0.0.1:%u/", p.port);
    ck_assert_int_eq(client_start(&k), 0);
    client_run(&k, NULL);
    snprintf(want, sizeof want, "open B%d closed 1000 clean", c->total);
    expect(k.log, want);
    /* what is held follows what came, doubled at most while it moves */
    ck_assert_uint_lt(k.owner.peak_bytes, (size_t)c->total * 3 + 65536);
    client_end(&k);
    peer_end(&p);
  }
}
END_TEST

START_TEST(announced_length_is_not_believed) {
  struct peer p;
  struct client k;
  peer_start(&p, peer_bytes);
  p.arg = "\x82\x7f\x00\x00\x00\x00\x00\xf0\x00\x00some";
  p.arg_len = 14;
  p.arg_int = 2;
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect(k.log, "open closed 1006 unclean");
  ck_assert_uint_lt(k.owner.peak_bytes, 64 * 1024);
  client_end(&k);
  peer_end(&p);
}
END_TEST

static void peer_many(struct peer *p) {
  char text[32];
  if (!p_handshake(p, ""))
    return;
  for (int i = 0; i < p->arg_int; i++) {
    text[0] = (char)0x81;
    text[1] = (char)snprintf(text + 2, 20, "%d", i);
    if (!p_write(p, text, 2U + (size_t)text[1]))
      return;
  }
  p_write(p, "\x88\x00", 2);
  p_frames(p);
}

START_TEST(paused) {
  struct peer p;
  struct client k;
  char want[1024] = "open ";
  peer_start(&p, peer_many);
  p.arg_int = 40;
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  k.pause_at_open = true;
  k.pause_at_message = true;
  ck_assert_int_eq(client_start(&k), 0);
  while (k.log_len == 0)
    loop_dispatch(k.loop, 1000);
  for (int i = 0; i < 40; i++) {
    for (int turn = 0; turn < 3; turn++)
      loop_dispatch(k.loop, turn);
    expect(k.log, want);
    snprintf(want + strlen(want), sizeof want - strlen(want), "T%d:%d ",
             i < 10 ? 1 : 2, i);
    connection_pause(k.c, false);
    while (strcmp(k.log, want) != 0)
      ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  }
  connection_pause(k.c, false);
  client_run(&k, NULL);
  strcat(want, "closed 1005 clean");
  expect(k.log, want);
  client_end(&k);
  peer_end(&p);
}
END_TEST

/* The peer is gone while nobody reads: no busy loop, and what came before the
 * end is still delivered. */
START_TEST(paused_while_the_peer_goes) {
  struct peer p;
  struct client k;
  peer_start(&p, peer_bytes);
  p.arg = "\x81\x02hi";
  p.arg_len = 4;
  p.arg_int = 2;
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  k.pause_at_open = true;
  ck_assert_int_eq(client_start(&k), 0);
  while (k.log_len == 0)
    loop_dispatch(k.loop, 1000);
  peer_end(&p);
  for (int i = 0; i < 5; i++)
    loop_dispatch(k.loop, 5);
  expect(k.log, "open ");
  connection_pause(k.c, false);
  client_run(&k, NULL);
  expect(k.log, "open T2:hi closed 1006 unclean");
  client_end(&k);
}
END_TEST

START_TEST(read_timeout) {
  struct peer p;
  struct client k;
  peer_start(&p, peer_bytes);
  p.arg = "\x81\x02hi";
  p.arg_len = 4;
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  k.o.session.read_timeout_ns = 30 * NS_PER_MS;
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect(k.log,
         "open T2:hi closed 1001 unclean no message within the read timeout");
  connection_release(k.c, 1000);
  k.c = NULL;
  client_end(&k);
  peer_end(&p);
  expect(p.got, "C1001 EOF");
}
END_TEST

/* ---------------------------------------------------------- open: send --- */

struct sender {
  struct send_request r;
  struct client *k;
  char name;
  bool done;
  int code;
  bool free_it;
};

static void on_done(struct send_request *r, int code) {
  struct sender *s = r->ud;
  ck_assert(!s->done);
  s->done = true;
  s->code = code;
  if (s->name)
    note(s->k, "%c%d ", s->name, code);
  if (s->free_it) {
    connection_free(s->k->c);
    s->k->c = NULL;
    s->k->ended = true;
  }
}

static void sender_init(struct sender *s, struct client *k, char name,
                        uint8_t opcode, const void *data, size_t len) {
  *s = (struct sender){.k = k, .name = name};
  s->r.opcode = opcode;
  s->r.data = (struct slice){data, len};
  s->r.done = on_done;
  s->r.ud = s;
}

static void client_open(struct client *k) {
  uint64_t until = clock_mono_ns() + PATIENCE_S * NS_PER_S;
  ck_assert_int_eq(client_start(k), 0);
  while (k->log_len == 0 && clock_mono_ns() < until)
    ck_assert_int_eq(loop_dispatch(k->loop, 1000), 0);
  expect(k->log, "open ");
}

START_TEST(send_and_close) {
  static uint8_t big[600000];
  struct slice protocols[] = {{"a", 1}, {"b.c", 3}};
  struct sender a, b, c, d, e;
  struct peer p;
  struct client k;
  for (size_t i = 0; i < sizeof big; i++)
    big[i] = (uint8_t)(i * 7);
  peer_start(&p, peer_echo);
  p.arg = "Sec-WebSocket-Protocol: b.c\r\n";
  peer_go(&p);
  client_init(&k, "ws://localhost:%u/", p.port);
  k.o.opening.protocols = protocols;
  k.o.opening.nprotocols = 2;
  client_open(&k);
  ck_assert_slice_eq(connection_subprotocol(k.c), "b.c");
  sender_init(&a, &k, 0, WS_TEXT, "h\xc3\xa9llo", 6);
  sender_init(&b, &k, 0, WS_BINARY, big, sizeof big);
  sender_init(&c, &k, 0, WS_TEXT, NULL, 0);
  sender_init(&d, &k, 0, WS_PING, "hey", 3);
  sender_init(&e, &k, 0, 0, NULL, 0);
  ck_assert_int_eq(connection_send(k.c, &a.r), 0);
  ck_assert(!a.done); /* never from inside */
  ck_assert_int_eq(connection_send(k.c, &b.r), 0);
  ck_assert_int_eq(connection_send(k.c, &c.r), 0);
  ck_assert_int_eq(connection_send(k.c, &d.r), 0);
  e.r.opcode = WS_CLOSE;
  ck_assert_int_eq(connection_send(k.c, &e.r), ERR_INVALID);
  e.r.opcode = WS_PING;
  e.r.data = (struct slice){(char *)big, 126};
  ck_assert_int_eq(connection_send(k.c, &e.r), ERR_INVALID);
  ck_assert_int_eq(connection_close(k.c, 1004, SLICE(""), &e.r), ERR_INVALID);
  ck_assert_int_eq(connection_close(k.c, 1000, SLICE("\xff"), &e.r),
                   ERR_INVALID);
  ck_assert_int_eq(
      connection_close(k.c, 1000, (struct slice){(char *)big, 124}, &e.r),
      ERR_INVALID);
  ck_assert(connection_is_open(k.c));
  ck_assert_int_eq(connection_close(k.c, 3001, SLICE("bye"), &e.r), 0);
  ck_assert(!connection_is_open(k.c));
  ck_assert_int_eq(connection_close(k.c, 1000, SLICE(""), NULL), ERR_CLOSED);
  ck_assert_int_eq(connection_send(k.c, &a.r), ERR_CLOSED);
  client_run(&k, NULL);
  ck_assert(a.done && b.done && c.done && d.done && e.done);
  ck_assert(a.code == 0 && b.code == 0 && c.code == 0 && d.code == 0 &&
            e.code == 0);
  /* the ping overtook */
  expect(k.log, "open T6:h\xc3\xa9llo B600000 T0: closed 3001 clean bye");
  ck_assert_uint_lt(k.owner.peak_bytes, 3 * sizeof big);
  client_end(&k);
  peer_end(&p);
  expect(p.got, "P:hey T6:h\xc3\xa9llo B600000 T0: C3001:bye ");
}
END_TEST

/* Reads nothing until told by the end of the client's side. */
static volatile int gate;
static void peer_slow(struct peer *p) {
  int op;
  if (!p_handshake(p, ""))
    return;
  while (!__atomic_load_n(&gate, __ATOMIC_SEQ_CST))
    usleep(1000);
  while ((op = p_frame(p)) >= 0 && op != WS_CLOSE)
    ;
}

static void open_gate(void) {
  __atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
}

#define HUGE_LEN ((size_t)32 << 20)

START_TEST(write_timeout) {
  struct sender a, b;
  struct peer p;
  struct client k;
  char *huge = calloc(1, HUGE_LEN);
  gate = 0;
  peer_start(&p, peer_slow);
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  k.o.session.write_timeout_ns = 50 * NS_PER_MS;
  client_open(&k);
  sender_init(&a, &k, 'a', WS_BINARY, huge, HUGE_LEN);
  sender_init(&b, &k, 'b', WS_BINARY, huge, 1);
  ck_assert_int_eq(connection_send(k.c, &a.r), 0);
  loop_dispatch(k.loop, 20);
  loop_dispatch(k.loop, 20);
  ck_assert_int_eq(connection_send(k.c, &b.r), 0);
  client_run(&k, NULL);
  ck_assert_int_eq(a.code, ERR_TIMEOUT);
  ck_assert(b.done && b.code != 0);
  expect_part(k.log, "closed 1006 unclean");
  ck_assert_uint_lt(k.owner.peak_bytes, 96 * 1024); /* no copy was made */
  client_end(&k);
  open_gate();
  peer_end(&p);
  free(huge);
}
END_TEST

/* The sender goes away in the middle of its message, which arrives whole all
 * the same; another, not begun, is forgotten. */
START_TEST(abandoned) {
  struct sender a, b, e;
  struct peer p;
  struct client k;
  char *huge = calloc(1, HUGE_LEN);
  gate = 0;
  peer_start(&p, peer_slow);
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  client_open(&k);
  sender_init(&a, &k, 'a', WS_BINARY, huge, HUGE_LEN);
  sender_init(&b, &k, 'b', WS_TEXT, "never", 5);
  sender_init(&e, &k, 'e', 0, NULL, 0);
  ck_assert_int_eq(connection_send(k.c, &a.r), 0);
  ck_assert_int_eq(connection_send(k.c, &b.r), 0);
  ck_assert_int_eq(connection_close(k.c, 1000, SLICE("x"), &e.r), 0);
  while (a.r.sent == 0)
    loop_dispatch(k.loop, 10);
  ck_assert_uint_lt(a.r.sent, HUGE_LEN);
  connection_send_abandon(k.c, &b.r);
  connection_send_abandon(k.c, &a.r);
  connection_send_abandon(k.c, &e.r);
  memset(&a, 0xff, sizeof a);
  memset(&e, 0xff, sizeof e);
  memset(huge, 0xff, HUGE_LEN);
  open_gate();
  client_run(&k, NULL);
  client_end(&k);
  peer_end(&p);
  free(huge);
  expect(k.log, "open closed 1006 unclean"); /* that peer answers nothing */
  expect_part(p.got, "B33554432 C1000:x ");
}
END_TEST

START_TEST(abandoned_without_memory) {
  struct sender a;
  struct peer p;
  struct client k;
  char *huge = calloc(1, HUGE_LEN);
  gate = 0;
  peer_start(&p, peer_slow);
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  client_open(&k);
  sender_init(&a, &k, 'a', WS_BINARY, huge, HUGE_LEN);
  ck_assert_int_eq(connection_send(k.c, &a.r), 0);
  while (a.r.sent == 0)
    loop_dispatch(k.loop, 10);
  k.owner.fail_at = k.owner.count;
  connection_send_abandon(k.c, &a.r);
  client_run(&k, NULL);
  expect(k.log, "open closed 1006 unclean");
  client_end(&k);
  open_gate();
  peer_end(&p);
  free(huge);
}
END_TEST

/* Pings without end, and nothing is read: bounded. */
static void peer_flood(struct peer *p) {
  static char pings[127 * 512];
  struct timeval tv = {1, 0};
  for (size_t i = 0; i < sizeof pings; i += 127) {
    memset(pings + i, 'x', 127);
    pings[i] = (char)0x89;
    pings[i + 1] = 125;
  }
  if (!p_handshake(p, ""))
    return;
  setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
  for (int i = 0; i < 300; i++)
    if (!p_write(p, pings, sizeof pings))
      break;
}

START_TEST(ping_flood) {
  struct peer p;
  struct client k;
  peer_start(&p, peer_flood);
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect_part(k.log, "closed 1006");
  ck_assert_uint_lt(k.owner.peak_bytes, 256 * 1024);
  client_end(&k);
  peer_end(&p);
}
END_TEST

/* ------------------------------------------------------ no busy loops --- */

/* Turns the loop for a while in which nothing happens. */
static void quiet(struct client *k) {
  uint64_t until = clock_mono_ns() + 150 * NS_PER_MS;
  unsigned turns = 0;
  for (; clock_mono_ns() < until && !k->ended; turns++)
    ck_assert_int_eq(loop_dispatch(k->loop, 50), 0);
  ck_assert_msg(turns < 100, "%u turns: %s", turns, k->log);
}

/* Our close frame is answered late: the read timeout that passes meanwhile
 * belongs to nobody any more. */
START_TEST(quiet_while_closing) {
  struct peer p;
  struct client k;
  gate = 0;
  peer_start(&p, peer_slow);
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  k.o.session.read_timeout_ns = NS_PER_MS;
  ck_assert_int_eq(client_start(&k), 0);
  while (k.log_len == 0)
    ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  ck_assert_int_eq(connection_close(k.c, 1000, SLICE(""), NULL), 0);
  quiet(&k);
  expect(k.log, "open ");
  open_gate();
  client_run(&k, NULL);
  client_end(&k);
  peer_end(&p);
}
END_TEST

/* Says goodbye and hangs up its side, more bytes behind it, while it reads
 * nothing of what we are in the middle of sending. */
static void peer_goodbye(struct peer *p) {
  int op;
  if (!p_handshake(p, ""))
    return;
  while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST) == 0)
    usleep(1000);
  p_write(p, "\x88\x00\x81\x02hi", 6);
  shutdown(p->fd, SHUT_WR);
  while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST) == 1)
    usleep(1000);
  while ((op = p_frame(p)) >= 0 && op != WS_CLOSE)
    ;
}

START_TEST(quiet_after_the_peers_goodbye) {
  struct sender a;
  struct peer p;
  struct client k;
  char *huge = calloc(1, HUGE_LEN);
  gate = 0;
  peer_start(&p, peer_goodbye);
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  client_open(&k);
  sender_init(&a, &k, 'a', WS_BINARY, huge, HUGE_LEN);
  ck_assert_int_eq(connection_send(k.c, &a.r), 0);
  while (a.r.sent == 0)
    loop_dispatch(k.loop, 10);
  open_gate();
  while (connection_is_open(k.c))
    loop_dispatch(k.loop, 10);
  quiet(&k);
  expect(k.log, "open ");
  __atomic_store_n(&gate, 2, __ATOMIC_SEQ_CST);
  client_run(&k, NULL);
  expect(k.log, "open a0 closed 1005 clean");
  client_end(&k);
  peer_end(&p);
  free(huge);
  expect_part(p.got, "B33554432 C ");
}
END_TEST

/* ------------------------------------------------- freed and released --- */

START_TEST(freed_in_every_callback) {
  static const char where[] = "jomcf";
  for (int h = HOOK_FREE; h <= HOOK_RELEASE; h++)
    for (const char *at = where; *at; at++)
      for (int step = 0; step < 2; step++) {
        struct peer p;
        struct client k;
        peer_start(&p, *at == 'f' ? peer_fixed_answer : peer_bytes);
        p.arg = *at == 'f' ? "nonsense" : "\x81\x02hi\x81\x02ho\x88\x00";
        p.arg_len = *at == 'f' ? 8 : 10;
        p.arg_int = step;
        peer_go(&p);
        client_init(&k, "ws://localhost:%u/", p.port);
        k.hook_at = *at;
        k.hook = (enum hook)h;
        ck_assert_int_eq(client_start(&k), 0);
        client_run(&k, NULL);
        ck_assert_ptr_null(k.c);
        client_end(&k);
        peer_end(&p);
        if (h == HOOK_RELEASE && *at == 'o')
          expect(p.got, "C1001 EOF");
      }
}
END_TEST

START_TEST(freed_at_every_turn) {
  for (int turns = 0; turns < 12; turns++)
    for (int release = 0; release < 2; release++) {
      struct sender a;
      struct peer p;
      struct client k;
      peer_start(&p, peer_echo);
      peer_go(&p);
      client_init(&k, "ws://localhost:%u/", p.port);
      ck_assert_int_eq(client_start(&k), 0);
      sender_init(&a, &k, 0, WS_TEXT, "hi", 2);
      for (int i = 0; i < turns; i++) {
        loop_dispatch(k.loop, 5);
        if (connection_is_open(k.c) && !a.r.node.next)
          ck_assert_int_eq(connection_send(k.c, &a.r), 0);
      }
      if (release)
        connection_release(k.c, 1000);
      else
        connection_free(k.c);
      k.c = NULL;
      ck_assert_uint_eq(k.owner.live_bytes, 0);
      client_end(&k);
      peer_end(&p);
    }
}
END_TEST

START_TEST(freed_in_done) {
  struct sender a, b;
  struct peer p;
  struct client k;
  peer_start(&p, peer_echo);
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  client_open(&k);
  sender_init(&a, &k, 'a', WS_TEXT, "hi", 2);
  sender_init(&b, &k, 'b', WS_TEXT, "ho", 2);
  a.free_it = true;
  ck_assert_int_eq(connection_send(k.c, &a.r), 0);
  ck_assert_int_eq(connection_send(k.c, &b.r), 0);
  client_run(&k, NULL);
  expect(k.log, "open a0 ");
  ck_assert(!b.done);
  client_end(&k);
  peer_end(&p);
}
END_TEST

START_TEST(released) {
  struct peer p;
  struct client k;
  peer_start(&p, peer_echo);
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  client_open(&k);
  connection_release(k.c, 1001);
  k.c = NULL;
  ck_assert_uint_eq(k.owner.live_bytes, 0);
  ck_assert_uint_eq(connections_released(k.loop), 1);
  client_end(&k);
  peer_end(&p);
  expect(k.log, "open ");
  expect(p.got, "C1001 ");
  /* and cut */
  peer_start(&p, peer_silent);
  p.fn = peer_bytes;
  p.arg = "";
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  client_open(&k);
  connection_release(k.c, 1006); /* may not be sent: 1001 instead */
  k.c = NULL;
  ck_assert_uint_eq(connections_released(k.loop), 1);
  connections_cut(k.loop);
  ck_assert_uint_eq(connections_released(k.loop), 0);
  client_end(&k);
  peer_end(&p);
  expect(p.got, "C1001 EOF");
}
END_TEST

#define MANY (CONNECTIONS_RELEASED_MAX + 20)

/* Never hangs up. */
static void peer_clinging(struct peer *p) {
  int fds[MANY];
  size_t n = 0;
  for (;;) {
    if (!p_handshake(p, ""))
      break;
    p_frame(p);
    fds[n] = p->fd;
    if (++n == MANY || (p->fd = accept(p->listener, NULL, NULL)) < 0)
      break;
  }
  while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST) == 0)
    usleep(1000);
  for (size_t i = 1; i < n; i++)
    close(fds[i]);
  p->fd = fds[0];
}

START_TEST(released_are_bounded) {
  struct peer p;
  struct client k;
  gate = 0;
  peer_start(&p, peer_clinging);
  peer_go(&p);
  client_init(&k, "ws://127.0.0.1:%u/", p.port);
  for (size_t i = 1; i <= MANY; i++) {
    k.log_len = 0;
    client_open(&k);
    connection_release(k.c, 1001);
    k.c = NULL;
    ck_assert_uint_eq(k.owner.live_bytes, 0);
    ck_assert_uint_le(connections_released(k.loop), CONNECTIONS_RELEASED_MAX);
  }
  ck_assert_uint_gt(connections_released(k.loop), 0);
  open_gate();
  client_end(&k);
  peer_end(&p);
  ck_assert_uint_gt(p.got_len, 6 * CONNECTIONS_RELEASED_MAX);
}
END_TEST

START_TEST(refused_options) {
  struct header bad = {{"Host", 4}, {"x", 1}};
  struct slice twice[] = {{"a", 1}, {"a", 1}};
  struct client k;
  client_init(&k, "ws://127.0.0.1:1/");
  k.o.opening.headers = &bad;
  k.o.opening.nheaders = 1;
  ck_assert_int_eq(client_start(&k), ERR_INVALID);
  expect_part(k.err.message, "belongs to the handshake");
  k.o.opening.nheaders = 0;
  k.o.opening.protocols = twice;
  k.o.opening.nprotocols = 2;
  ck_assert_int_eq(client_start(&k), ERR_INVALID);
  expect_part(k.err.message, "twice");
  k.c = NULL;
  client_end(&k);
  client_init(&k, "wss://127.0.0.1:1/"); /* without a tls_context */
  ck_assert_int_eq(client_start(&k), ERR_INVALID);
  k.c = NULL;
  client_end(&k);
  connection_free(NULL);
  connection_release(NULL, 1000);
  message_free(NULL);
}
END_TEST

/* ----------------------------------------------------------- no memory --- */

/* From connection_new to the end, with the n-th allocation refused.  True when
 * all went well. */
static bool try_all(bool owner, size_t n) {
  static char big[40000];
  struct slice protocols[] = {{"a", 1}};
  struct sender a, b;
  struct peer p;
  struct client k;
  bool good;
  peer_start(&p, peer_echo);
  p.arg = "Sec-WebSocket-Protocol: a\r\n";
  peer_go(&p);
  client_init(&k, "ws://localhost:%u/", p.port);
  k.o.opening.protocols = protocols;
  k.o.opening.nprotocols = 1;
  k.o.session.control_messages = true;
  k.o.session.write_timeout_ns = PATIENCE_S * NS_PER_S;
  if (owner)
    k.owner.fail_at = n;
  else
    k.lib.fail_at = k.lib.count + n;
  sender_init(&a, &k, 0, WS_BINARY, big, sizeof big);
  sender_init(&b, &k, 0, WS_PING, "x", 1);
  if (client_start(&k) != 0) {
    ck_assert_int_eq(k.err.code, ERR_NOMEM);
    k.c = NULL;
  } else {
    while (!k.ended && k.log_len == 0)
      ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
    if (!k.ended) {
      ck_assert_int_eq(connection_send(k.c, &b.r), 0);
      ck_assert_int_eq(connection_send(k.c, &a.r), 0);
      ck_assert_int_eq(connection_close(k.c, 1000, SLICE("x"), NULL), 0);
      client_run(&k, NULL);
      ck_assert(a.done && b.done);
    }
  }
  good = strcmp(k.log, "open O1:x B40000 closed 1000 clean x") == 0;
  if (!good && k.c)
    ck_assert_msg(strstr(k.log, "out of memory") ||
                      strstr(k.log, "closed 1006") ||
                      strstr(k.log, "closed 1009"),
                  "%s", k.log);
  client_end(&k);
  peer_end(&p);
  return good;
}

START_TEST(failing_allocations) {
  size_t n;
  for (n = 0; !try_all(true, n); n++)
    ck_assert_uint_lt(n, 200);
  ck_assert_uint_gt(n, 5);
  for (n = 0; !try_all(false, n); n++)
    ck_assert_uint_lt(n, 200);
  ck_assert_uint_gt(n, 2);
}
END_TEST

/* ----------------------------------------------------------------- TLS --- */

#define DAY 86400L

struct identity {
  EVP_PKEY *key;
  X509 *cert;
};

/* |san|: "DNS:localhost,IP:127.0.0.1", or NULL; |ca|: signs it, NULL: itself.
 */
static struct identity identity_make(const char *cn, const char *san,
                                     const struct identity *ca, bool is_ca,
                                     long from_s, long to_s) {
  static long serial = 1000;
  struct identity id = {EVP_EC_gen("P-256"), X509_new()};
  X509_NAME *name;
  X509V3_CTX ctx;
  X509_EXTENSION *ext;
  ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
  X509_set_version(id.cert, 2);
  X509_gmtime_adj(X509_getm_notBefore(id.cert), from_s);
  X509_gmtime_adj(X509_getm_notAfter(id.cert), to_s);
  X509_set_pubkey(id.cert, id.key);
  name = X509_get_subject_name(id.cert);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             (const unsigned char *)cn, -1, -1, 0);
  X509_set_issuer_name(id.cert, ca ? X509_get_subject_name(ca->cert) : name);
  X509V3_set_ctx(&ctx, ca ? ca->cert : id.cert, id.cert, NULL, NULL, 0);
  ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints,
                            is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  X509_add_ext(id.cert, ext, -1);
  X509_EXTENSION_free(ext);
  if (san) {
    ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, san);
    X509_add_ext(id.cert, ext, -1);
    X509_EXTENSION_free(ext);
  }
  ck_assert_int_gt(X509_sign(id.cert, ca ? ca->key : id.key, EVP_sha256()), 0);
  return id;
}

static void identity_free(struct identity *id) {
  X509_free(id->cert);
  EVP_PKEY_free(id->key);
}

static void peer_tls(struct peer *p, const struct identity *id, int max) {
  p->tls = SSL_CTX_new(TLS_server_method());
  ck_assert_int_eq(SSL_CTX_use_certificate(p->tls, id->cert), 1);
  ck_assert_int_eq(SSL_CTX_use_PrivateKey(p->tls, id->key), 1);
  if (max) {
    SSL_CTX_set_security_level(p->tls, 0);
    SSL_CTX_set_min_proto_version(p->tls, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(p->tls, max);
  }
}

static void ca_write(char path[64], const struct identity *ca) {
  FILE *f;
  int fd;
  strcpy(path, "check_connection_ca_XXXXXX");
  fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  f = fdopen(fd, "w");
  PEM_write_X509(f, ca->cert);
  fclose(f);
}

static void tls_try(const struct identity *id, const char *ca_path,
                    const char *host, int max, const char *want) {
  static uint8_t big[300000];
  struct sender a;
  struct peer p;
  struct client k;
  for (size_t i = 0; i < sizeof big; i++)
    big[i] = (uint8_t)(i * 7);
  peer_start(&p, peer_echo);
  peer_tls(&p, id, max);
  peer_go(&p);
  client_init(&k, "wss://%s:%u/", host, p.port);
  ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, ca_path, &k.err), 0);
  ck_assert_int_eq(client_start(&k), 0);
  while (k.log_len == 0)
    ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  if (want) {
    expect_part(k.log, "failed tls 0 ");
    expect_part(k.log, want);
  } else {
    expect(k.log, "open ");
    sender_init(&a, &k, 0, WS_BINARY, big, sizeof big);
    ck_assert_int_eq(connection_send(k.c, &a.r), 0);
    ck_assert_int_eq(connection_close(k.c, 1000, SLICE(""), NULL), 0);
    client_run(&k, NULL);
    expect(k.log, "open B300000 closed 1000 clean");
  }
  client_end(&k);
  peer_end(&p);
  SSL_CTX_free(p.tls);
}

START_TEST(certificates) {
  struct identity ca = identity_make("Test CA", NULL, NULL, true, -DAY, DAY);
  struct identity other =
      identity_make("Other CA", NULL, NULL, true, -DAY, DAY);
  struct identity good = identity_make(
      "localhost", "DNS:localhost,IP:127.0.0.1", &ca, false, -DAY, DAY);
  struct identity expired =
      identity_make("localhost", "DNS:localhost", &ca, false, -2 * DAY, -DAY);
  struct identity early =
      identity_make("localhost", "DNS:localhost", &ca, false, DAY, 2 * DAY);
  struct identity wrong =
      identity_make("localhost", "DNS:a.example,DNS:*.b.example,IP:127.0.0.2",
                    &ca, false, -DAY, DAY);
  struct identity nameless =
      identity_make("localhost", NULL, &ca, false, -DAY, DAY);
  struct identity self = identity_make(
      "localhost", "DNS:localhost,IP:127.0.0.1", NULL, false, -DAY, DAY);
  struct identity stranger =
      identity_make("localhost", "DNS:localhost", &other, false, -DAY, DAY);
  char path[64], self_path[64];
  ca_write(path, &ca);
  ca_write(self_path, &self);
  tls_try(&good, path, "localhost", 0, NULL);
  tls_try(&good, path, "127.0.0.1", 0, NULL);
  tls_try(&good, path, "localhost", TLS1_2_VERSION, NULL);
  tls_try(&self, self_path, "localhost", 0, NULL); /* trusted by name */
  tls_try(&good, path, "localhost", TLS1_1_VERSION, "TLS failed");
  tls_try(&expired, path, "localhost", 0,
          "certificate has expired (CN=localhost, not after 20");
  tls_try(&early, path, "localhost", 0,
          "certificate is not valid yet (CN=localhost, not before 20");
  tls_try(&wrong, path, "localhost", 0,
          "certificate is for a.example, *.b.example, 127.0.0.2, not for "
          "localhost");
  tls_try(&wrong, path, "127.0.0.1", 0, "127.0.0.2, not for 127.0.0.1");
  tls_try(&nameless, path, "localhost", 0,
          "no name (it has no subjectAltName), not for localhost");
  tls_try(&self, path, "localhost", 0, "certificate is self-signed");
  tls_try(&stranger, path, "localhost", 0, "authority that is not trusted");
  tls_try(&good, NULL, "localhost", 0, "authority that is not trusted");
  /* The environment does not choose whom to trust. */
  setenv("SSL_CERT_FILE", path, 1);
  tls_try(&good, NULL, "localhost", 0, "authority that is not trusted");
  unsetenv("SSL_CERT_FILE");
  unlink(path);
  unlink(self_path);
  identity_free(&ca);
  identity_free(&other);
  identity_free(&good);
  identity_free(&expired);
  identity_free(&early);
  identity_free(&wrong);
  identity_free(&nameless);
  identity_free(&self);
  identity_free(&stranger);
}
END_TEST

static int resumed; /* as the server sees it */

static void peer_notes_resumption(struct peer *p) {
  resumed += SSL_session_reused(p->ssl);
  peer_echo(p);
}

/* Four connections to one server, under two names. */
START_TEST(resumption) {
  static const char *const hosts[] = {"localhost", "localhost", "127.0.0.1",
                                      "localhost"};
  static const int versions[] = {0, TLS1_2_VERSION};
  struct identity ca = identity_make("Test CA", NULL, NULL, true, -DAY, DAY);
  struct identity good = identity_make(
      "localhost", "DNS:localhost,IP:127.0.0.1", &ca, false, -DAY, DAY);
  char path[64];
  ca_write(path, &ca);
  unit_each(version, versions) {
    struct client k;
    SSL_CTX *server = NULL;
    struct tls_context *tls = NULL;
    struct failing_mem fm;
    failing_mem_init(&fm, FAIL_NEVER);
    ck_assert_int_eq(tls_context_new(&tls, &fm.mem, path, NULL), 0);
    resumed = 0;
    unit_each(host, hosts) {
      struct peer p;
      struct sender a;
      peer_start(&p, peer_notes_resumption);
      peer_tls(&p, &good, *version);
      if (server) {
        SSL_CTX_free(p.tls);
        p.tls = server;
      }
      server = p.tls;
      peer_go(&p);
      client_init(&k, "wss://%s:%u/", *host, p.port);
      k.tls = tls;
      client_open(&k);
      sender_init(&a, &k, 0, WS_TEXT, "x", 1); /* tickets come before it */
      ck_assert_int_eq(connection_send(k.c, &a.r), 0);
      ck_assert_int_eq(connection_close(k.c, 1000, SLICE(""), NULL), 0);
      client_run(&k, NULL);
      expect(k.log, "open T1:x closed 1000 clean");
      k.tls = NULL;
      client_end(&k);
      peer_end(&p);
    }
    ck_assert_int_eq(resumed, 2); /* not for the name it was not verified as */
    tls_context_free(tls);
    ck_assert_uint_eq(fm.live_bytes, 0);
    SSL_CTX_free(server);
  }
  unlink(path);
  identity_free(&ca);
  identity_free(&good);
}
END_TEST

/* A list of revoked certificates behind the authority's own, in its file. */
static void crl_append(const char *path, const struct identity *ca,
                       const struct identity *gone, long until) {
  X509_CRL *crl = X509_CRL_new();
  ASN1_TIME *t = X509_gmtime_adj(NULL, -DAY);
  FILE *f = fopen(path, "a");
  ck_assert(X509_CRL_set_version(crl, X509_CRL_VERSION_2));
  ck_assert(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)));
  ck_assert(X509_CRL_set1_lastUpdate(crl, t));
  X509_gmtime_adj(t, until);
  ck_assert(X509_CRL_set1_nextUpdate(crl, t));
  if (gone) {
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_INTEGER *serial = X509_get_serialNumber(gone->cert);
    X509_gmtime_adj(t, -1);
    ck_assert(X509_REVOKED_set_serialNumber(r, serial));
    ck_assert(X509_REVOKED_set_revocationDate(r, t));
    ck_assert(X509_CRL_add0_revoked(crl, r));
  }
  ck_assert_int_gt(X509_CRL_sign(crl, ca->key, EVP_sha256()), 0);
  PEM_write_X509_CRL(f, crl);
  fclose(f);
  ASN1_TIME_free(t);
  X509_CRL_free(crl);
}

START_TEST(revocation) {
  struct identity ca = identity_make("Test CA", NULL, NULL, true, -DAY, DAY);
  struct identity other = identity_make("Other", NULL, NULL, true, -DAY, DAY);
  struct identity good =
      identity_make("localhost", "DNS:localhost", &ca, false, -DAY, DAY);
  struct identity gone =
      identity_make("localhost", "DNS:localhost", &ca, false, -DAY, DAY);
  struct identity foreign =
      identity_make("localhost", "DNS:localhost", &other, false, -DAY, DAY);
  char path[64];
  FILE *f;
  ASN1_INTEGER_set(X509_get_serialNumber(gone.cert), 77);
  ck_assert_int_gt(X509_sign(gone.cert, ca.key, EVP_sha256()), 0);
  ca_write(path, &ca);
  f = fopen(path, "a");
  PEM_write_X509(f, other.cert);
  fclose(f);
  tls_try(&gone, path, "localhost", 0, NULL); /* nobody says anything yet */
  crl_append(path, &ca, &gone, DAY);
  tls_try(&good, path, "localhost", 0, NULL);
  tls_try(&gone, path, "localhost", 0, "certificate has been revoked");
  tls_try(&foreign, path, "localhost", 0, NULL); /* without a list */
  unlink(path);
  ca_write(path, &ca);
  crl_append(path, &ca, NULL, -10);
  tls_try(&good, path, "localhost", 0, "CRL has expired");
  unlink(path);
  identity_free(&ca);
  identity_free(&other);
  identity_free(&good);
  identity_free(&gone);
  identity_free(&foreign);
}
END_TEST

/* TLS ends without close_notify: truncation, not an end. */
static void peer_truncates(struct peer *p) {
  if (p_handshake(p, ""))
    p_write(p, "\x81\x02hi", 4);
}

/* One record, whose first frame begins with the last byte of what is read at
 * once while the answer is awaited. */
static void peer_one_record(struct peer *p) {
  static const char frame[] = "\x81\x02hi";
  char extra[4096], out[8192];
  size_t n, pad;
  if (!p_request(p))
    return;
  n = p_answer(p, out, sizeof out, "");
  pad = 4096 - (size_t)p->arg_int - n - 5; /* "a: " and CRLF */
  snprintf(extra, sizeof extra, "a: %0*d\r\n", (int)pad, 0);
  n = p_answer(p, out, sizeof out, extra);
  memcpy(out + n, frame, 4);
  p_write(p, out, n + 4);
  p_frames(p);
}

#define KEY_UPDATES 200

/* Many key updates and then a message, all in the client's socket when the gate
 * opens. */
static void peer_key_updates(struct peer *p) {
  if (!p_handshake(p, ""))
    return;
  while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST) == 0)
    usleep(1000);
  for (int i = 0; i < KEY_UPDATES; i++)
    if (SSL_key_update(p->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
        SSL_do_handshake(p->ssl) != 1)
      return;
  p_write(p, "\x81\x02hi", 4);
  __atomic_store_n(&gate, 2, __ATOMIC_SEQ_CST);
  p_frames(p);
}

static void peer_talks_plain(struct peer *p) {
  char buf[64];
  if (recv(p->fd, buf, sizeof buf, 0) > 0)
    p_write(p, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

START_TEST(tls_faults) {
  struct identity ca = identity_make("Test CA", NULL, NULL, true, -DAY, DAY);
  struct identity good =
      identity_make("localhost", "DNS:localhost", &ca, false, -DAY, DAY);
  struct peer p;
  struct client k;
  struct tls_context *t;
  struct err e;
  char path[64];
  unsigned turns;
  FILE *f;
  ca_write(path, &ca);
  peer_start(&p, peer_truncates);
  peer_tls(&p, &good, 0);
  peer_go(&p);
  client_init(&k, "wss://localhost:%u/", p.port);
  ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, path, &k.err), 0);
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect(k.log, "open T2:hi closed 1006 unclean");
  client_end(&k);
  peer_end(&p);
  SSL_CTX_free(p.tls);

  for (int i = 0; i < 6; i++) {
    peer_start(&p, peer_one_record);
    peer_tls(&p, &good, 0);
    p.arg_int = i;
    peer_go(&p);
    client_init(&k, "wss://localhost:%u/", p.port);
    ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, path, &k.err), 0);
    ck_assert_int_eq(client_start(&k), 0);
    while (k.log_len < 11) /* the check's own time limit stands behind */
      ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
    expect(k.log, "open T2:hi ");
    client_end(&k);
    peer_end(&p);
    SSL_CTX_free(p.tls);
  }

  gate = 0;
  peer_start(&p, peer_key_updates);
  peer_tls(&p, &good, 0);
  peer_go(&p);
  client_init(&k, "wss://localhost:%u/", p.port);
  ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, path, &k.err), 0);
  client_open(&k);
  for (int i = 0; i < 5; i++) /* the tickets of the handshake */
    ck_assert_int_eq(loop_dispatch(k.loop, 20), 0);
  open_gate();
  while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST) != 2)
    usleep(1000);
  for (turns = 0; k.log_len < 11; turns++)
    ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  ck_assert_uint_ge(turns, KEY_UPDATES); /* others have theirs between */
  connection_free(k.c);
  k.c = NULL;
  client_end(&k);
  peer_end(&p);
  SSL_CTX_free(p.tls);

  peer_start(&p, peer_talks_plain);
  peer_go(&p);
  client_init(&k, "wss://127.0.0.1:%u/", p.port);
  ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, path, &k.err), 0);
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect(k.log, "failed tls 0 the server does not speak TLS");
  client_end(&k);
  peer_end(&p);

  ck_assert_int_eq(tls_context_new(&t, &mem_libc, "/nonexistent/ca.pem", &e),
                   ERR_SYSTEM);
  expect_part(e.message, "/nonexistent/ca.pem");
  f = fopen(path, "w");
  fputs("no certificate\n", f);
  fclose(f);
  ck_assert_int_eq(tls_context_new(&t, &mem_libc, path, &e), ERR_INVALID);
  expect_part(e.message, "no PEM certificates");
  unlink(path);
  identity_free(&ca);
  identity_free(&good);
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
  Suite *s = suite_create("connection");
  TCase *tc = tcase_create("connection");
  signal(SIGPIPE, SIG_IGN); /* of the server's side: OpenSSL's own writes */
  tcase_set_timeout(tc, 4 * PATIENCE_S);
  tcase_add_test(tc, names);
  tcase_add_test(tc, failed_handshakes);
  tcase_add_test(tc, cut_at_each_byte_of_the_answer);
  tcase_add_test(tc, nobody_listens);
  tcase_add_test(tc, judged);
  tcase_add_test(tc, the_other_family);
  tcase_add_test(tc, dial_timeout);
  tcase_add_test(tc, server_frames);
  tcase_add_test(tc, lost_at_each_byte_of_a_frame);
  tcase_add_test(tc, large_messages);
  tcase_add_test(tc, announced_length_is_not_believed);
  tcase_add_test(tc, paused);
  tcase_add_test(tc, paused_while_the_peer_goes);
  tcase_add_test(tc, read_timeout);
  tcase_add_test(tc, send_and_close);
  tcase_add_test(tc, write_timeout);
  tcase_add_test(tc, abandoned);
  tcase_add_test(tc, abandoned_without_memory);
  tcase_add_test(tc, ping_flood);
  tcase_add_test(tc, quiet_while_closing);
  tcase_add_test(tc, quiet_after_the_peers_goodbye);
  tcase_add_test(tc, freed_in_every_callback);
  tcase_add_test(tc, freed_at_every_turn);
  tcase_add_test(tc, freed_in_done);
  tcase_add_test(tc, released);
  tcase_add_test(tc, released_are_bounded);
  tcase_add_test(tc, refused_options);
  tcase_add_test(tc, failing_allocations);
  tcase_add_test(tc, certificates);
  tcase_add_test(tc, resumption);
  tcase_add_test(tc, revocation);
  tcase_add_test(tc, tls_faults);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
