/* client.h - one connection and what it tells its owner, written down as text,
 * for tests against peer.h. */
#ifndef TESTS_CLIENT_H
#define TESTS_CLIENT_H

#include <stdarg.h>

#include "runtime/base/clock.h"
#include "runtime/net/connection.h"
#include "runtime/net/resolve.h"
#include "runtime/net/tls.h"
#include "tests/peer.h"
#include "tests/unit.h"

#define HUGE_LEN ((size_t)32 << 20) /* more than sockets hold */

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

__attribute__((format(printf, 2, 3))) static inline void
note(struct client *k, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  k->log_len += (size_t)vsnprintf(k->log + k->log_len,
                                  sizeof k->log - k->log_len, fmt, ap);
  va_end(ap);
  if (k->log_len >= sizeof k->log)
    k->log_len = sizeof k->log - 1;
}

static inline void client_hook(struct client *k, char at) {
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

static inline int client_on_judge(void *ud, const struct ip *ip,
                                  uint16_t port) {
  struct client *k = ud;
  ck_assert_uint_eq(port, k->url.port);
  ck_assert(ip->family == 4 || ip->family == 6);
  k->judged++;
  client_hook(k, 'j');
  return k->judged <= k->deny_first ? ERR_DENIED : 0;
}

static inline void client_on_opened(void *ud) {
  struct client *k = ud;
  note(k, "open ");
  ck_assert(connection_is_open(k->c));
  if (k->pause_at_open)
    connection_pause(k->c, true);
  client_hook(k, 'o');
}

static inline void client_on_failed(void *ud,
                                    const struct connection_failure *f) {
  struct client *k = ud;
  k->failure = *f;
  note(k, "failed %s %u %s", connection_stage_name(f->stage), f->http_status,
       f->reason);
  k->ended = true;
  client_hook(k, 'f');
}

static inline void client_on_message(void *ud, struct message *m) {
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
  client_hook(k, 'm');
}

static inline void client_on_closed(void *ud,
                                    const struct connection_close *how) {
  struct client *k = ud;
  note(k, "closed %u %s%s%.*s", how->code, how->clean ? "clean" : "unclean",
       how->reason.len ? " " : "", (int)how->reason.len, how->reason.p);
  k->ended = true;
  ck_assert(!connection_is_open(k->c));
  client_hook(k, 'c');
}

__attribute__((format(printf, 2, 3))) static inline void
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

static inline int client_start(struct client *k) {
  static const struct connection_handler handler = {.judge = client_on_judge,
                                                    .failed = client_on_failed,
                                                    .opened = client_on_opened,
                                                    .message =
                                                        client_on_message,
                                                    .closed = client_on_closed};
  return connection_new(&k->c, k->loop, k->resolver, k->tls, &k->o, &handler, k,
                        &k->owner.mem, &k->err);
}

/* Until |*flag|, or the end when NULL. */
static inline void client_run(struct client *k, const bool *flag) {
  uint64_t until = clock_mono_ns() + PATIENCE_S * NS_PER_S;
  while (!(flag ? *flag : k->ended)) {
    ck_assert_int_eq(loop_dispatch(k->loop, 1000), 0);
    ck_assert_msg(clock_mono_ns() < until, "nothing more happens: %s", k->log);
  }
}

static inline void expect(const char *got, const char *want) {
  ck_assert_msg(strcmp(got, want) == 0, "got: %s\nnot: %s", got, want);
}

static inline void expect_part(const char *got, const char *want) {
  ck_assert_msg(strstr(got, want), "got: %s\nwithout: %s", got, want);
}

/* Starts it, and it comes to this end. */
static inline void client_ends(struct client *k, const char *log) {
  ck_assert_int_eq(client_start(k), 0);
  client_run(k, NULL);
  expect(k->log, log);
}

static inline void client_end(struct client *k) {
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

/* What is sent. */
struct sender {
  struct send_request r;
  struct client *k;
  char name;
  bool done;
  int code;
  bool free_it;
};

static inline void sender_done(struct send_request *r, int code) {
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

static inline void sender_init(struct sender *s, struct client *k, char name,
                               uint8_t opcode, const void *data, size_t len) {
  *s = (struct sender){.k = k, .name = name};
  s->r.opcode = opcode;
  s->r.data = (struct slice){data, len};
  s->r.done = sender_done;
  s->r.ud = s;
}

static inline void client_open(struct client *k) {
  uint64_t until = clock_mono_ns() + PATIENCE_S * NS_PER_S;
  ck_assert_int_eq(client_start(k), 0);
  while (k->log_len == 0 && clock_mono_ns() < until)
    ck_assert_int_eq(loop_dispatch(k->loop, 1000), 0);
  expect(k->log, "open ");
}

/* A message that the peer does not read yet is under way. */
static inline void sender_begins(struct sender *s, struct client *k, char name,
                                 const char *huge) {
  sender_init(s, k, name, WS_BINARY, huge, HUGE_LEN);
  ck_assert_int_eq(connection_send(k->c, &s->r), 0);
  while (s->r.sent == 0)
    loop_dispatch(k->loop, 10);
}

/* ------------------------------------------------------------- servers --- */

static inline void client_meets(struct client *k, struct peer *p, peer_fn *fn) {
  peer_start(p, fn);
  peer_go(p);
  client_init(k, "ws://127.0.0.1:%u/", p->port);
}

static inline void peer_fixed_answer(struct peer *p) {
  if (p_request(p))
    p_write(p, p->arg, p->arg_len);
}

static inline void peer_silent(struct peer *p) {
  p_request(p);
  p_frames(p);
}

/* Handshake and the bytes |arg| in one piece, or byte by byte; then reads. */
static inline void peer_bytes(struct peer *p) {
  char out[4096];
  size_t n;
  if (!p_request(p))
    return;
  n = p_answer(p, out, sizeof out, "");
  memcpy(out + n, p->arg, p->arg_len);
  n += p->arg_len;
  /* a reset drops what waits for an answer to what was sent before it */
  if (p->arg_int == 0 || p->arg_int == 3)
    p_write(p, out, n);
  for (size_t i = 0; p->arg_int != 0 && p->arg_int != 3 && i < n; i++) {
    if (!p_write(p, out + i, 1))
      break;
    if (i % 16 == 0)
      usleep(100);
  }
  if (p->arg_int == 3) { /* gone with a reset */
    struct linger now = {1, 0};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  if (p->arg_int >= 2)
    return; /* gone without a word */
  p_frames(p);
}

/* Opened by the client's side: servers wait for it. */
static volatile int gate;

static inline void open_gate(void) {
  __atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
}

/* Reads nothing until told by the end of the client's side. */
static inline void peer_slow(struct peer *p) {
  int op;
  if (!p_handshake(p, ""))
    return;
  while (!__atomic_load_n(&gate, __ATOMIC_SEQ_CST))
    usleep(1000);
  while ((op = p_frame(p)) >= 0 && op != WS_CLOSE)
    ;
}

#endif
