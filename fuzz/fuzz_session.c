/* fuzz_session.c - a server's bytes through an open connection, compression
 * included: whole and in pieces the same messages come out, text is UTF-8,
 * nothing is longer than the limit, and no memory stays behind.  The first byte
 * of the input chooses the options; with the highest bit, long messages are
 * made of a few bytes (expand). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/net/connection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 5000
#define LONG_LIMIT 90000
#define LONG_MIN 30000
#define LONG_MARK 0xfe /* a byte that begins no frame */
#define EXPANDED_MAX ((size_t)400000)
#define OUTPUT_MAX (8U << 20)

static void need(bool ok) {
  if (!ok)
    abort();
}

struct client {
  struct account account; /* the owner's */
  struct loop *loop;
  struct connection *c;
  bool pauses;
  size_t limit;
  struct buf out; /* what came, one behind the other */
  unsigned code;  /* of the end; 0: none yet */
};

static void on_message(void *ud, struct message *m) {
  struct client *k = ud;
  need(m->len <= (m->opcode >= WS_CLOSE ? FRAMES_CONTROL_MAX : k->limit));
  need(m->opcode != WS_TEXT || utf8_valid((struct slice){m->data, m->len}));
  need(k->code == 0);
  /* A flood of empty messages need not be remembered to its end. */
  if (k->out.max - k->out.len > m->len + 100)
    need(buf_addf(&k->out, "%u %zu:", m->opcode, m->len) == 0 &&
         buf_add(&k->out, m->data, m->len) == 0);
  message_free(m);
  if (k->pauses)
    connection_pause(k->c, true);
}

static void on_closed(void *ud, const struct connection_close *how) {
  struct client *k = ud;
  need(how->code == 1005 || how->code == 1006 || close_code_valid(how->code));
  need(how->reason.len <= FRAMES_CONTROL_MAX && utf8_valid(how->reason));
  k->code = how->code;
}

static const struct connection_handler handler = {.message = on_message,
                                                  .closed = on_closed};

static void turns(struct client *k, int peer) {
  uint8_t sink[4096];
  for (int i = 0; i < 3; i++) {
    need(loop_dispatch(k->loop, 0) == 0);
    connection_pause(k->c, false);
    while (recv(peer, sink, sizeof sink, MSG_DONTWAIT) > 0)
      ;
  }
}

/* Until nothing more happens at once: a paused one takes a turn a message. */
static void settle(struct client *k, int peer) {
  size_t before;
  do {
    before = k->out.len;
    turns(k, peer);
  } while (k->out.len != before || loop_timeout_ms(k->loop) == 0);
}

static void run(struct client *k, const uint8_t *data, size_t size, size_t step,
                bool pauses) {
  unsigned bits = size ? data[0] : 0;
  struct session_options o = {
      .read_limit = bits & 128 ? LONG_LIMIT : LIMIT,
      .control_messages = bits & 1,
      .deflate = {.on = bits & 2,
                  .in_takeover = bits & 4,
                  .in_bits = (uint8_t)(8 + (bits >> 4 & 7)),
                  .out_bits = 15}};
  struct slice none = {NULL, 0};
  struct mem m;
  int pair[2];
  memset(k, 0, sizeof *k);
  k->limit = o.read_limit;
  k->pauses = pauses;
  buf_init(&k->out, &mem_libc, OUTPUT_MAX);
  account_init(&k->account, &mem_libc, 1 << 20);
  m = account_mem(&k->account);
  need(loop_new(&k->loop, &mem_libc) == 0);
  need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  need(connection_adopt(&k->c, k->loop, pair[0], none, none, &o, &handler, k,
                        &m) == 0);
  for (size_t at = 1; at < size && k->code == 0;) {
    size_t n = size - at < step ? size - at : step;
    ssize_t sent = send(pair[1], data + at, n, MSG_NOSIGNAL);
    if (sent > 0)
      at += (size_t)sent;
    settle(k, pair[1]);
  }
  shutdown(pair[1], SHUT_WR);
  for (int i = 0; i < 1000 && k->code == 0; i++)
    settle(k, pair[1]);
  need(k->code != 0); /* the peer has said all it had to say */
  need(k->account.refused == 0);
  connection_free(k->c);
  need(k->account.used == 0);
  loop_free(k->loop);
  close(pair[1]);
}

/* |out| is |data|, but where LONG_MARK stands the next three bytes stand for a
 * frame: its first byte, and how much longer than LONG_MIN it is.  Returns its
 * length. */
static size_t expand(const uint8_t *data, size_t size, uint8_t *out) {
  size_t n = 0;
  for (size_t i = 0; i < size && n < EXPANDED_MAX; i++) {
    size_t len;
    if (data[i] != LONG_MARK || size - i < 4) {
      out[n++] = data[i];
      continue;
    }
    len = LONG_MIN + ((size_t)data[i + 2] << 8 | data[i + 3]);
    if (len + 10 > EXPANDED_MAX - n)
      break;
    out[n++] = data[i + 1];
    out[n++] = len < 65536 ? 126 : 127;
    for (int shift = len < 65536 ? 8 : 56; shift >= 0; shift -= 8)
      out[n++] = (uint8_t)((uint64_t)len >> shift);
    for (size_t j = 0; j < len; j++)
      out[n++] = (uint8_t)('a' + (j + (j >> 8)) % 26);
    i += 3;
  }
  return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t expanded[EXPANDED_MAX];
  struct client whole, pieces;
  if (size > 20000)
    return 0;
  if (size > 0 && data[0] & 128) {
    size = expand(data, size, expanded);
    data = expanded;
  }
  run(&whole, data, size, SIZE_MAX, false);
  for (int i = 0; i < 3; i++) {
    static const size_t steps[] = {1, 7, SIZE_MAX};
    size_t step = size > 500 && i == 0 ? 50 : steps[i];
    if (size > 20000 && i < 2)
      step = i == 0 ? 1111 : 20011;
    run(&pieces, data, size, step, i == 2);
    need(whole.code == pieces.code);
    need(slice_eq(buf_slice(&whole.out), buf_slice(&pieces.out)));
    buf_deinit(&pieces.out);
  }
  buf_deinit(&whole.out);
  return 0;
}
