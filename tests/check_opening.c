/* check_opening.c - the opening phase alone, and connections made from what it
 * left behind; what goes wrong on the way is check_dial.c's. */
#include "runtime/net/opening.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/net/connection.h"
#include "tests/peer.h"
#include "tests/unit.h"

struct client {
  struct failing_mem lib;
  struct failing_mem owner;
  struct loop *loop;
  struct opening *opening;
  struct connection *c;
  int fd; /* taken out of the stream */
  char rest[OPENING_REST_MAX];
  size_t rest_len;
  char protocol[16];
  char log[1024];
  size_t log_len;
  bool free_at_once;
  bool ended;
};

__attribute__((format(printf, 2, 3))) static void note(struct client *k,
                                                       const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  k->log_len += (size_t)vsnprintf(k->log + k->log_len,
                                  sizeof k->log - k->log_len, fmt, ap);
  va_end(ap);
  ck_assert_uint_lt(k->log_len, sizeof k->log);
}

static int on_judge(void *ud, const struct ip *ip, uint16_t port) {
  (void)ud;
  (void)port;
  ck_assert_int_eq(ip->family, 4);
  return 0;
}

static void on_opened(void *ud, const struct opened *o) {
  struct client *k = ud;
  int no_delay = 0;
  socklen_t len = sizeof no_delay;
  k->ended = true;
  memcpy(k->rest, o->rest.p, o->rest.len);
  k->rest_len = o->rest.len;
  snprintf(k->protocol, sizeof k->protocol, "%.*s", (int)o->protocol.len,
           o->protocol.p);
  if (k->free_at_once) {
    opening_free(k->opening);
    k->opening = NULL;
    ck_assert_uint_eq(k->owner.live_bytes, 0);
  }
  k->fd = stream_take_fd(o->stream);
  ck_assert_int_ge(k->fd, 0);
  ck_assert_int_eq(getsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &len),
                   0);
  ck_assert_int_ne(no_delay, 0);
}

static void on_failed(void *ud, const struct connection_failure *f) {
  struct client *k = ud;
  k->ended = true;
  note(k, "failed %s %s", connection_stage_name(f->stage), f->reason);
  if (k->free_at_once) {
    opening_free(k->opening);
    k->opening = NULL;
    ck_assert_uint_eq(k->owner.live_bytes, 0);
  }
}

static const struct opening_handler opening_handler = {on_judge, on_opened,
                                                       on_failed};

static void client_init(struct client *k) {
  memset(k, 0, sizeof *k);
  k->fd = -1;
  failing_mem_init(&k->lib, FAIL_NEVER);
  failing_mem_init(&k->owner, FAIL_NEVER);
  ck_assert_int_eq(loop_new(&k->loop, &k->lib.mem), 0);
}

static void client_end(struct client *k) {
  opening_free(k->opening);
  connection_free(k->c);
  connections_cut(k->loop);
  ck_assert_uint_eq(k->owner.live_bytes, 0);
  loop_free(k->loop);
  ck_assert_uint_eq(k->lib.live_bytes, 0);
  if (k->fd >= 0)
    close(k->fd);
}

static void client_run(struct client *k) {
  uint64_t until = clock_mono_ns() + PATIENCE_S * NS_PER_S;
  while (!k->ended) {
    ck_assert_int_eq(loop_dispatch(k->loop, 1000), 0);
    ck_assert_msg(clock_mono_ns() < until, "nothing more happens: %s", k->log);
  }
}

static void client_open(struct client *k, uint16_t port) {
  struct slice offered[] = {{"a", 1}, {"b", 1}};
  struct opening_options o = {.protocols = offered, .nprotocols = 2};
  struct url url;
  char text[64];
  struct err e;
  snprintf(text, sizeof text, "ws://127.0.0.1:%u/", port);
  ck_assert_int_eq(url_parse(&url, slice_of(text), NULL, &e), 0);
  o.url = &url;
  ck_assert_int_eq(opening_new(&k->opening, k->loop, NULL, NULL, &o,
                               &opening_handler, k, &k->owner.mem, &e),
                   0);
  client_run(k);
}

/* ------------------------------------------------- what becomes of it --- */

static void on_adopted(void *ud) {
  (void)ud;
  ck_abort_msg("it was open already");
}

static void on_message(void *ud, struct message *m) {
  struct client *k = ud;
  note(k, "%zu:%.*s ", m->len, (int)m->len, m->data);
  message_free(m);
}

static void on_closed(void *ud, const struct connection_close *how) {
  struct client *k = ud;
  note(k, "closed %u", how->code);
  k->ended = true;
}

static const struct connection_handler handler = {
    .opened = on_adopted, .message = on_message, .closed = on_closed};

static int adopt(struct client *k, int fd) {
  struct session_options o = {.read_limit = 1000};
  return connection_adopt(
      &k->c, k->loop, fd, (struct slice){k->rest, k->rest_len},
      slice_of(k->protocol), &o, &handler, k, &k->owner.mem);
}

static void peer_greeting(struct peer *p) {
  char answer[512];
  size_t len;
  if (!p_request(p))
    return;
  /* A frame and a half in the same piece as the answer. */
  len = p_answer(p, answer, sizeof answer, "Sec-WebSocket-Protocol: b\r\n");
  memcpy(answer + len, "\x81\x02hi\x81\x05you", 9);
  if (p_write(p, answer, len + 9) && p_frame(p) >= 0 && p_write(p, "ng", 2))
    p_frames(p);
}

START_TEST(fd_taken_and_adopted) {
  struct send_request r = {.opcode = WS_TEXT, .data = {"go", 2}};
  struct peer p;
  struct client k;
  peer_start(&p, peer_greeting);
  peer_go(&p);
  client_init(&k);
  client_open(&k, p.port);
  ck_assert_str_eq(k.log, "");
  ck_assert_uint_eq(k.rest_len, 9);
  opening_free(k.opening);
  k.opening = NULL;
  k.ended = false;
  ck_assert_int_eq(adopt(&k, k.fd), 0);
  k.fd = -1;
  ck_assert(connection_is_open(k.c));
  ck_assert_slice_eq(connection_subprotocol(k.c), "b");
  ck_assert_int_eq(connection_send(k.c, &r), 0);
  while (!strstr(k.log, "5:young"))
    ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  ck_assert_int_eq(connection_close(k.c, 1000, SLICE("x"), NULL), 0);
  client_run(&k);
  ck_assert_str_eq(k.log, "2:hi 5:young closed 1006");
  client_end(&k);
  peer_end(&p);
  ck_assert_str_eq(p.got, "T2:go C1000:x EOF");
}
END_TEST

START_TEST(freed_in_the_callback) {
  struct peer p;
  struct client k;
  peer_start(&p, peer_echo);
  peer_go(&p);
  client_init(&k);
  k.free_at_once = true;
  client_open(&k, p.port);
  ck_assert_int_ge(k.fd, 0);
  client_end(&k);
  peer_end(&p);
  client_init(&k);
  k.free_at_once = true;
  peer_bind(&p);
  client_open(&k, p.port); /* nobody listens */
  ck_assert_str_eq(k.log, "failed connect connection refused");
  client_end(&k);
  close(p.listener);
}
END_TEST

/* Every allocation refused in turn: the fd stays the caller's, and open. */
START_TEST(adopted_without_memory) {
  struct client k;
  int pair[2];
  for (int owner = 0; owner < 2; owner++) {
    bool good = false;
    size_t n;
    for (n = 0; !good; n++) {
      int rv;
      ck_assert_int_eq(
          socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
      client_init(&k);
      strcpy(k.protocol, "b");
      memcpy(k.rest, "\x81\x01x\x88", 4);
      k.rest_len = 4;
      if (owner)
        k.owner.fail_at = n;
      else
        k.lib.fail_at = k.lib.count + n;
      rv = adopt(&k, pair[0]);
      if (rv != 0) {
        ck_assert_int_eq(rv, ERR_NOMEM);
        ck_assert_ptr_null(k.c);
        ck_assert_int_ge(fcntl(pair[0], F_GETFD), 0);
        close(pair[0]);
      } else {
        ck_assert_int_eq(write(pair[1], "\0", 1), 1);
        client_run(&k);
        good = strcmp(k.log, "1:x closed 1005") == 0;
        ck_assert_msg(good || strcmp(k.log, "closed 1009") == 0 ||
                          strcmp(k.log, "1:x closed 1006") == 0,
                      "%s", k.log);
      }
      client_end(&k);
      close(pair[1]);
    }
    ck_assert_uint_ge(n, 3);
  }
}
END_TEST

START_TEST(refused) {
  struct client k;
  client_init(&k);
  k.rest_len = OPENING_REST_MAX + 1;
  ck_assert_int_eq(adopt(&k, 0), ERR_INVALID);
  k.rest_len = 0;
  ck_assert_int_ne(adopt(&k, -1), 0); /* no fd */
  opening_free(NULL);
  stream_free(NULL);
  client_end(&k);
}
END_TEST

int main(void) {
  Suite *s = suite_create("opening");
  TCase *tc = tcase_create("opening");
  tcase_set_timeout(tc, 4 * PATIENCE_S);
  tcase_add_test(tc, fd_taken_and_adopted);
  tcase_add_test(tc, freed_in_the_callback);
  tcase_add_test(tc, adopted_without_memory);
  tcase_add_test(tc, refused);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
