/* fuzz_frames.c - a server's frames, whole and in pieces: the same messages,
 * the same end; text is UTF-8, and nothing is longer than the limit. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/err.h"
#include "runtime/net/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 5000

static void need(bool ok) {
  if (!ok)
    abort();
}

struct source {
  const uint8_t *p;
  size_t len;
  size_t step;
};

static size_t on_read(void *ud, void *p, size_t len) {
  struct source *s = ud;
  size_t n = s->len < len ? s->len : len;
  n = n < s->step ? n : s->step;
  if (n > 0)
    memcpy(p, s->p, n);
  s->p += n;
  s->len -= n;
  return n;
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
  struct source src = {data, size, step};
  struct frames_event ev;
  struct frames f;
  struct buf message;
  int rv;
  buf_init(&r->out, &mem_libc, (size_t)64 << 20);
  buf_init(&message, &mem_libc, LIMIT);
  need(frames_init(&f, LIMIT, on_read, &src) == 0);
  do {
    rv = frames_recv(&f, &ev);
    if (rv == 0)
      on_event(r, &message, &ev);
  } while (rv == 0 || (rv == ERR_AGAIN && src.len > 0));
  need((rv == ERR_PROTOCOL) == (f.fail_code != 0));
  r->fail_code = f.fail_code;
  frames_deinit(&f);
  buf_deinit(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const size_t steps[] = {1, 3, 100};
  struct result whole, pieces;
  run(&whole, data, size, SIZE_MAX);
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    run(&pieces, data, size, steps[i]);
    need(whole.fail_code == pieces.fail_code);
    need(slice_eq(buf_slice(&whole.out), buf_slice(&pieces.out)));
    buf_deinit(&pieces.out);
  }
  buf_deinit(&whole.out);
  return 0;
}
