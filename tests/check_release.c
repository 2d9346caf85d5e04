/* check_release.c - the end of connections: no busy loops, freed and released
 * at any moment, without memory. */
#include <signal.h>

#include "tests/client.h"

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
  client_meets(&k, &p, peer_slow);
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
  client_meets(&k, &p, peer_goodbye);
  client_open(&k);
  sender_begins(&a, &k, 'a', huge);
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
  client_meets(&k, &p, peer_echo);
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
  client_meets(&k, &p, peer_echo);
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
  client_meets(&k, &p, peer_clinging);
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

int main(void) {
  Suite *s = suite_create("release");
  TCase *tc = tcase_create("release");
  signal(SIGPIPE, SIG_IGN); /* of the server's side: OpenSSL's own writes */
  tcase_set_timeout(tc, 4 * PATIENCE_S);
  tcase_add_test(tc, quiet_while_closing);
  tcase_add_test(tc, quiet_after_the_peers_goodbye);
  tcase_add_test(tc, freed_in_every_callback);
  tcase_add_test(tc, freed_at_every_turn);
  tcase_add_test(tc, freed_in_done);
  tcase_add_test(tc, released);
  tcase_add_test(tc, released_are_bounded);
  tcase_add_test(tc, refused_options);
  tcase_add_test(tc, failing_allocations);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
