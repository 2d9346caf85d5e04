/* session.h - a client over a socketpair, without a thread: the test is the
 * server, byte by byte. */
#ifndef TESTS_SESSION_H
#define TESTS_SESSION_H

#include "runtime/net/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit.h"

#define TURNS 100000 /* no assertion on time: only against hanging */

struct client {
  struct failing_mem lib;
  struct failing_mem owner;
  struct loop *loop;
  struct connection *c;
  struct session_options o;
  int peer; /* the server's end */
  char log[4096];
  size_t log_len;
  size_t messages;
  size_t bytes;
  bool pause_at_message;
  bool leaves; /* what is behind a message */
  bool takes;  /* and takes it later in the turn */
  size_t taken;
  bool slow; /* so slow with a message that all else waits for the next turn */
  struct deferred later;
  bool closed;
  unsigned code;
  int sent; /* requests that are done */
  /* what the client sent */
  uint8_t wire[400000];
  size_t wire_len;
};

__attribute__((format(printf, 2, 3))) static inline void
note(struct client *k, const char *fmt, ...) {
  va_list ap;
  if (k->log_len > sizeof k->log - 200)
    return;
  va_start(ap, fmt);
  k->log_len += (size_t)vsnprintf(k->log + k->log_len,
                                  sizeof k->log - k->log_len, fmt, ap);
  va_end(ap);
}

static inline void on_message(void *ud, struct message *m) {
  struct client *k = ud;
  k->messages++;
  k->bytes += m->len;
  note(k, "%c%zu",
       m->opcode == WS_TEXT   ? 'T'
       : m->opcode == WS_PING ? 'P'
                              : 'B',
       m->len);
  if (m->len < 40)
    note(k, ":%.*s", (int)m->len, m->data);
  note(k, " ");
  message_free(m);
  if (k->pause_at_message)
    connection_pause(k->c, true);
  if (k->leaves) {
    connection_leave_rest(k->c);
    deferred_schedule(k->loop, &k->later);
  }
  if (k->slow)
    usleep(2000);
}

/* As a task that was woken. */
static inline void on_later(struct deferred *d, void *ud) {
  struct client *k = ud;
  struct slice data;
  uint8_t opcode;
  (void)d;
  note(k, "| ");
  while (k->takes && connection_peek(k->c, &opcode, &data)) {
    note(k, "=%.*s ", (int)data.len, data.p);
    connection_took(k->c, data);
    k->taken++;
  }
}

static inline void on_closed(void *ud, const struct connection_close *how) {
  struct client *k = ud;
  note(k, "closed %u%s", how->code, how->clean ? " clean" : "");
  k->closed = true;
  k->code = how->code;
}

static const struct connection_handler handler = {.message = on_message,
                                                  .closed = on_closed};

static inline void client_init(struct client *k, bool deflate, bool takeover) {
  memset(k, 0, sizeof *k);
  deferred_init(&k->later, on_later, k);
  failing_mem_init(&k->lib, FAIL_NEVER);
  failing_mem_init(&k->owner, FAIL_NEVER);
  ck_assert_int_eq(loop_new(&k->loop, &k->lib.mem), 0);
  k->o.read_limit = 1 << 20;
  k->o.deflate = (struct deflate_params){.on = deflate,
                                         .in_takeover = takeover,
                                         .out_takeover = takeover,
                                         .in_bits = 15,
                                         .out_bits = 15};
}

/* Takes as much on every machine, less than the long messages of these tests:
 * what Linux gives where nobody has set it otherwise. */
static inline void pair_open(int pair[2]) {
  static const int bytes = 106496; /* doubled: socket(7), SO_SNDBUF */
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
                   0);
  for (int i = 0; i < 2; i++)
    ck_assert_int_eq(
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
}

static inline void client_open(struct client *k) {
  int pair[2];
  struct slice none = {NULL, 0};
  pair_open(pair);
  k->peer = pair[1];
  ck_assert_int_eq(connection_adopt(&k->c, k->loop, pair[0], none, none, &k->o,
                                    &handler, k, &k->owner.mem),
                   0);
}

static inline void turn(struct client *k) {
  ssize_t n;
  ck_assert_int_eq(loop_dispatch(k->loop, 0), 0);
  while (k->peer >= 0 && k->wire_len < sizeof k->wire &&
         (n = read(k->peer, k->wire + k->wire_len,
                   sizeof k->wire - k->wire_len)) > 0)
    k->wire_len += (size_t)n;
}

static inline void settle(struct client *k) {
  for (int i = 0; i < 8; i++)
    turn(k);
}

/* To the client, as far as it takes it; the turns in between are its. */
static inline void feed(struct client *k, const void *data, size_t len,
                        size_t step) {
  const uint8_t *p = data;
  for (int i = 0; i < TURNS && len > 0 && !k->closed; i++) {
    ssize_t n = send(k->peer, p, len < step ? len : step, MSG_NOSIGNAL);
    if (n > 0) {
      p += n;
      len -= (size_t)n;
    } else if (n < 0 && errno != EAGAIN) {
      return;
    }
    turn(k);
  }
  settle(k);
}

static inline void client_end(struct client *k) {
  connection_free(k->c);
  ck_assert_uint_eq(k->owner.live_bytes, 0);
  connections_cut(k->loop);
  loop_free(k->loop);
  ck_assert_uint_eq(k->lib.live_bytes, 0);
  if (k->peer >= 0)
    close(k->peer);
}

/* --------------------------------------------------- the server's frames ---
 */

static inline size_t frame(uint8_t *out, unsigned first, const void *data,
                           size_t len) {
  size_t n = 2;
  out[0] = (uint8_t)first;
  if (len < 126) {
    out[1] = (uint8_t)len;
  } else if (len < 65536) {
    out[1] = 126;
    out[2] = (uint8_t)(len >> 8);
    out[3] = (uint8_t)len;
    n = 4;
  } else {
    out[1] = 127;
    for (int i = 0; i < 8; i++)
      out[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
    n = 10;
  }
  memcpy(out + n, data, len);
  return n + len;
}

#endif
