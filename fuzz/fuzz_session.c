/* fuzz_session.c - a server's bytes through an open connection, compression
 * included: whole and in pieces the same messages come out, text is UTF-8,
 * nothing is longer than the limit, and no memory stays behind.  The first byte
 * of the input chooses the options. */
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
  struct buf out; /* what came, one behind the other */
  unsigned code;  /* of the end; 0: none yet */
};

static void on_message(void *ud, struct message *m) {
  struct client *k = ud;
  need(m->len <= (m->opcode >= WS_CLOSE ? FRAMES_CONTROL_MAX : LIMIT));
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
      .read_limit = LIMIT,
      .control_messages = bits & 1,
      .deflate = {.on = bits & 2,
                  .in_takeover = bits & 4,
                  .in_bits = (uint8_t)(8 + (bits >> 4 & 7)),
                  .out_bits = 15}};
  struct slice none = {NULL, 0};
  struct mem m;
  int pair[2];
  memset(k, 0, sizeof *k);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct client whole, pieces;
  if (size > 20000)
    return 0;
  run(&whole, data, size, SIZE_MAX, false);
  for (int i = 0; i < 3; i++) {
    static const size_t steps[] = {1, 7, SIZE_MAX};
    run(&pieces, data, size, size > 500 && i == 0 ? 50 : steps[i], i == 2);
    need(whole.code == pieces.code);
    need(slice_eq(buf_slice(&whole.out), buf_slice(&pieces.out)));
    buf_deinit(&pieces.out);
  }
  buf_deinit(&whole.out);
  return 0;
}
