/* check_connection.c - open connections: what they receive and send, against a
 * scripted server on loopback. */
#include <signal.h>

#include "tests/client.h"

#define IN_(bytes)                                                             \
  { bytes, sizeof(bytes) - 1 }

/* ------------------------------------------------------- open: receive --- */

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
    client_ends(&k, n < 4   ? "open closed 1006 unclean"
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

static void peer_long(struct peer *p) {
  if (p_handshake(p, ""))
    p_write(p, p->arg, p->arg_len);
}

/* But of one who has just sent half as much. */
START_TEST(announced_length_is_believed_twice) {
  static char bytes[10 + 200000 + 2 * 14];
  struct peer p;
  struct client k;
  size_t n = 10 + 200000;
  memcpy(bytes, "\x82\x7f\x00\x00\x00\x00\x00\x03\x0d\x40", 10); /* 200000 */
  for (size_t i = 0; i < 200000; i++)
    bytes[10 + i] = (char)(i * 7);
  for (int twice = 0; twice < 2; twice++) {
    /* 400000, and 400002: a byte of it comes */
    memcpy(bytes + n, "\x82\x7f\x00\x00\x00\x00\x00\x06\x1a\x80x", 11);
    bytes[n + 9] = (char)(twice ? 0x82 : 0x80);
    peer_start(&p, peer_long);
    p.arg = bytes;
    p.arg_len = n + 11;
    peer_go(&p);
    client_init(&k, "ws://127.0.0.1:%u/", p.port);
    client_ends(&k, "open B200000 closed 1006 unclean");
    if (twice)
      ck_assert_uint_lt(k.owner.peak_bytes, 400000);
    else
      ck_assert_uint_ge(k.owner.peak_bytes, 400000);
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
  client_ends(&k, "open closed 1006 unclean");
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
  p.arg_int = 2 + _i; /* with an end, or a reset */
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
  ck_assert_msg(strstr(k.log, "open T2:hi closed 1006 unclean") == k.log, "%s",
                k.log);
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

/* What nothing waits before, the kernel has when the call returns. */
START_TEST(sent_at_once) {
  static char big[65537];
  struct sender a, b, c, d, e;
  struct peer p;
  struct client k;
  client_meets(&k, &p, peer_echo);
  k.o.session.write_timeout_ns = 10 * NS_PER_S;
  client_open(&k);
  sender_init(&a, &k, 'a', WS_TEXT, "one", 3);
  ck_assert_int_eq(connection_send_now(k.c, &a.r), CONNECTION_SENT);
  sender_init(&b, &k, 'b', WS_PING, "p", 1);
  ck_assert_int_eq(connection_send_now(k.c, &b.r), CONNECTION_SENT);
  ck_assert(!a.done && !b.done);
  /* not before those who came first */
  sender_init(&c, &k, 'c', WS_BINARY, big, sizeof big);
  ck_assert_int_eq(connection_send_now(k.c, &c.r), 0); /* too long, besides */
  sender_init(&d, &k, 'd', WS_TEXT, "two", 3);
  ck_assert_int_eq(connection_send_now(k.c, &d.r), 0);
  while (!d.done)
    ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  ck_assert(c.done && c.code == 0 && d.code == 0);
  sender_init(&e, &k, 'e', WS_BINARY, big, sizeof big - 1);
  ck_assert_int_ge(connection_send_now(k.c, &e.r), 0);
  b.r.data.len = 126;
  ck_assert_int_eq(connection_send_now(k.c, &b.r), ERR_INVALID);
  ck_assert_int_eq(connection_close(k.c, 1000, SLICE(""), NULL), 0);
  ck_assert_int_eq(connection_send_now(k.c, &a.r), ERR_CLOSED);
  client_run(&k, NULL);
  expect_part(k.log, "closed 1000 clean");
  client_end(&k);
  peer_end(&p);
  expect(p.got, "T3:one P:p B65537 T3:two B65536 C1000 ");
}
END_TEST

/* As long as the socket takes it all; then somebody waits, and may go away. */
START_TEST(sent_at_once_until_it_is_full) {
  static char piece[65536];
  struct sender s, other;
  struct peer p;
  struct client k;
  size_t n = 0, whole = 0, cut = 0;
  gate = 0;
  client_meets(&k, &p, peer_slow);
  client_open(&k);
  /* The kernel finds more room for a while after it had none: full is what
   * stays full. */
  do {
    do {
      sender_init(&s, &k, 's', WS_BINARY, piece, sizeof piece);
      ck_assert_uint_lt(++n, 10000);
    } while (connection_send_now(k.c, &s.r) == CONNECTION_SENT);
    for (int i = 0; i < 20 && !s.done; i++)
      ck_assert_int_eq(loop_dispatch(k.loop, 10), 0);
  } while (s.done);
  sender_init(&other, &k, 'o', WS_TEXT, "behind", 6);
  ck_assert_int_eq(connection_send_now(k.c, &other.r), 0);
  ck_assert(!other.done);
  connection_send_abandon(k.c, &s.r); /* its bytes go all the same */
  memset(&s, 0xff, sizeof s);
  open_gate();
  while (!other.done)
    ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  ck_assert_int_eq(other.code, 0);
  connection_release(k.c, 1000);
  k.c = NULL;
  client_end(&k);
  peer_end(&p);
  for (const char *at = p.got; (at = strstr(at, "B65536 ")); at++)
    whole++;
  cut = strstr(p.got, "CUT") || strstr(p.got, "BAD");
  ck_assert_uint_eq(whole, n);
  ck_assert_uint_eq(cut, 0);
  expect_part(p.got, "T6:behind C1000 ");
}
END_TEST

/* Each allocation that fails: the message goes, or the connection ends. */
START_TEST(sent_at_once_without_memory) {
  for (size_t i = 0; i < 4; i++) {
    struct sender a;
    struct peer p;
    struct client k;
    int rv;
    client_meets(&k, &p, peer_echo);
    client_open(&k);
    k.owner.fail_at = k.owner.count + i;
    sender_init(&a, &k, 'a', WS_TEXT, "one", 3);
    rv = connection_send_now(k.c, &a.r);
    ck_assert(rv == 0 || rv == CONNECTION_SENT);
    for (int turn = 0; turn < 10 && !k.ended && rv == 0 && !a.done; turn++)
      ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
    ck_assert(rv == CONNECTION_SENT || a.done);
    client_end(&k);
    peer_end(&p);
  }
}
END_TEST

START_TEST(write_timeout) {
  struct sender a, b;
  struct peer p;
  struct client k;
  bool late;
  char *huge = calloc(1, HUGE_LEN);
  gate = 0;
  client_meets(&k, &p, peer_slow);
  k.o.session.write_timeout_ns = 50 * NS_PER_MS;
  client_open(&k);
  sender_init(&a, &k, 'a', WS_BINARY, huge, HUGE_LEN);
  sender_init(&b, &k, 'b', WS_BINARY, huge, 1);
  ck_assert_int_eq(connection_send(k.c, &a.r), 0);
  loop_dispatch(k.loop, 20);
  loop_dispatch(k.loop, 20);
  late = k.ended; /* a machine that took longer for that */
  ck_assert_int_eq(connection_send(k.c, &b.r), late ? ERR_CLOSED : 0);
  client_run(&k, NULL);
  ck_assert_int_eq(a.code, ERR_TIMEOUT);
  ck_assert(late || (b.done && b.code != 0));
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
  client_meets(&k, &p, peer_slow);
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
  client_meets(&k, &p, peer_slow);
  client_open(&k);
  sender_begins(&a, &k, 'a', huge);
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
  client_meets(&k, &p, peer_flood);
  ck_assert_int_eq(client_start(&k), 0);
  client_run(&k, NULL);
  expect_part(k.log, "closed 1006");
  ck_assert_uint_lt(k.owner.peak_bytes, 256 * 1024);
  client_end(&k);
  peer_end(&p);
}
END_TEST

int main(void) {
  Suite *s = suite_create("connection");
  TCase *tc = tcase_create("connection");
  signal(SIGPIPE, SIG_IGN); /* of the server's side: OpenSSL's own writes */
  tcase_set_timeout(tc, 4 * PATIENCE_S);
  tcase_add_test(tc, server_frames);
  tcase_add_test(tc, lost_at_each_byte_of_a_frame);
  tcase_add_test(tc, large_messages);
  tcase_add_test(tc, announced_length_is_not_believed);
  tcase_add_test(tc, announced_length_is_believed_twice);
  tcase_add_test(tc, paused);
  tcase_add_loop_test(tc, paused_while_the_peer_goes, 0, 2);
  tcase_add_test(tc, read_timeout);
  tcase_add_test(tc, send_and_close);
  tcase_add_test(tc, sent_at_once);
  tcase_add_test(tc, sent_at_once_until_it_is_full);
  tcase_add_test(tc, sent_at_once_without_memory);
  tcase_add_test(tc, write_timeout);
  tcase_add_test(tc, abandoned);
  tcase_add_test(tc, abandoned_without_memory);
  tcase_add_test(tc, ping_flood);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
