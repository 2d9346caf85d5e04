/* fuzz_frames.c - a server's frames, whole and in pieces: the same messages,
 * the same end, and what is peeked at is what comes; text is UTF-8, and nothing
 * is longer than the limit.  And libwslay, which has its own opinion about
 * headers, has the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <wslay/wslay.h>

#include "runtime/base/err.h"
#include "runtime/net/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 5000

static void need(bool ok) {
  if (!ok)
    abort();
}

/* What came out: whole messages and control frames, one behind the other. */
struct result {
  struct buf out;
  uint16_t fail_code;
};

static void on_event(struct result *r, struct buf *message,
                     const struct frames_event *ev) {
  if (ev->kind != FRAMES_DATA) {
    need(ev->data.len <= FRAMES_CONTROL_MAX);
    need(ev->kind != FRAMES_CLOSE || ev->code == 1005 ||
         close_code_valid(ev->code));
    need(ev->kind != FRAMES_CLOSE || utf8_valid(ev->data));
    need(buf_addf(&r->out, "%d %u %zu:", ev->kind, ev->code, ev->data.len) ==
             0 &&
         buf_add(&r->out, ev->data.p, ev->data.len) == 0);
    return;
  }
  need(ev->opcode == WS_TEXT || ev->opcode == WS_BINARY);
  need(!ev->end || (ev->fin && ev->announced == 0));
  need(ev->announced + message->len + ev->data.len <= LIMIT);
  need(buf_add(message, ev->data.p, ev->data.len) == 0);
  if (!ev->end)
    return;
  need(ev->opcode != WS_TEXT || utf8_valid(buf_slice(message)));
  need(buf_addf(&r->out, "%u %zu:", ev->opcode, message->len) == 0 &&
       buf_add(&r->out, buf_bytes(message), message->len) == 0);
  buf_clear(message);
}

static void run(struct result *r, const uint8_t *data, size_t size,
                size_t step) {
  struct slice in = {(const char *)data, 0};
  struct frames_event ev;
  struct frames f;
  struct buf message;
  int rv;
  buf_init(&r->out, &mem_libc, (size_t)64 << 20);
  buf_init(&message, &mem_libc, LIMIT);
  frames_init(&f, LIMIT, false);
  do {
    struct slice seen;
    uint8_t opcode;
    bool whole = frames_peek(&f, in, &opcode, &seen);
    bool cut = frames_cut(&f, in, SIZE_MAX);
    struct slice from = in;
    size_t header = frames_fits(&f, in, 4)    ? 4
                    : frames_fits(&f, in, 10) ? 10
                                              : 0;
    rv = frames_recv(&f, &in, &ev);
    need(header == 0 || rv == ERR_PROTOCOL ||
         (rv == 0 && ev.kind == FRAMES_DATA && in.len == 0 &&
          ev.data.p == from.p + header && ev.data.len == from.len - header &&
          !ev.deflated));
    need(!whole ||
         (rv == 0 && ev.kind == FRAMES_DATA && ev.end && ev.opcode == opcode &&
          ev.data.len == seen.len && (seen.len == 0 || ev.data.p == seen.p)));
    /* a part of what is cut may come all the same, or be no text */
    need(!cut || (!whole && (rv == ERR_PROTOCOL || in.len == 0)));
    if (rv == 0)
      on_event(r, &message, &ev);
    if (rv == ERR_AGAIN && size > 0) {
      need(in.len == 0);
      in.len = step < size ? step : size;
      size -= in.len;
      rv = 0;
    }
  } while (rv == 0);
  need((rv == ERR_PROTOCOL) == (f.fail_code != 0));
  r->fail_code = f.fail_code;
  buf_deinit(&message);
}

/* --------------------------------------------------- a second opinion --- */

static ssize_t wslay_read(uint8_t *p, size_t len, int flags, void *ud) {
  struct slice *in = ud;
  size_t n = in->len < len ? in->len : len;
  (void)flags;
  if (n == 0)
    return -1;
  memcpy(p, in->p, n);
  *in = (struct slice){in->p + n, in->len - n};
  return (ssize_t)n;
}

/* The frames that wslay sees, judged by what this library adds to it.  It says
 * nothing of a frame before the first byte of its payload is there: only what
 * ended without a failure, or in a malformed header, can be compared. */
static bool wslay_likes(const uint8_t *data, size_t size) {
  static const struct wslay_frame_callbacks callbacks = {.recv_callback =
                                                             wslay_read};
  struct slice in = {(const char *)data, size};
  struct wslay_frame_iocb io;
  wslay_frame_context_ptr ws;
  ssize_t n;
  need(wslay_frame_context_init(&ws, &callbacks, &in) == 0);
  do {
    memset(&io, 0, sizeof io);
    n = wslay_frame_recv(ws, &io);
  } while (n >= 0);
  wslay_frame_context_free(ws);
  return n == WSLAY_ERR_WANT_READ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const size_t steps[] = {1, 3, 100};
  struct result whole, pieces;
  run(&whole, data, size, SIZE_MAX);
  need(whole.fail_code != 0 || wslay_likes(data, size));
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    run(&pieces, data, size, steps[i]);
    need(whole.fail_code == pieces.fail_code);
    need(slice_eq(buf_slice(&whole.out), buf_slice(&pieces.out)));
    buf_deinit(&pieces.out);
  }
  buf_deinit(&whole.out);
  return 0;
}
