/* frames.c - over wslay_frame_*.  wslay checks that lengths are minimal and
 * below 2^63, and that control frames are short and whole. */
#include "runtime/net/frames.h"

#include <wslay/wslay.h>

#include <string.h>

#include "runtime/base/err.h"
#include "runtime/base/random.h"

bool close_code_valid(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

/* ---------------------------------------------------- wslay's callbacks --- */

static ssize_t on_recv(uint8_t *p, size_t len, int flags, void *ud) {
  struct frames *f = ud;
  size_t n = f->read(f->ud, p, len);
  (void)flags;
  return n > 0 ? (ssize_t)n : -1;
}

static ssize_t on_send(const uint8_t *p, size_t len, int flags, void *ud) {
  struct frames *f = ud;
  size_t room = f->out->max - f->out->len;
  size_t n = len < room ? len : room;
  (void)flags;
  if (n == 0 || buf_add(f->out, p, n) != 0)
    return -1;
  return (ssize_t)n;
}

/* getrandom(2) costs more than masking a small message: drawn in batches. */
static int on_mask(uint8_t *p, size_t len, void *ud) {
  struct frames *f = ud;
  if (len > f->nmasks) {
    if (random_bytes(f->masks, sizeof f->masks) != 0)
      return -1;
    f->nmasks = sizeof f->masks;
  }
  f->nmasks -= len;
  memcpy(p, f->masks + f->nmasks, len);
  return 0;
}

int frames_init(struct frames *f, uint64_t read_limit, frames_read_fn *read,
                void *ud) {
  static const struct wslay_frame_callbacks callbacks = {
      .send_callback = on_send,
      .recv_callback = on_recv,
      .genmask_callback = on_mask};
  *f = (struct frames){.read = read, .ud = ud, .read_limit = read_limit};
  return wslay_frame_context_init(&f->ws, &callbacks, f) == 0 ? 0 : ERR_NOMEM;
}

void frames_deinit(struct frames *f) {
  wslay_frame_context_free(f->ws);
  f->ws = NULL;
}

/* ---------------------------------------------------------- receiving --- */

static int fail(struct frames *f, uint16_t code, const char *reason) {
  f->fail_code = code;
  f->fail_reason = reason;
  return ERR_PROTOCOL;
}

/* What can be judged before any payload is kept. */
static int check_header(struct frames *f, const struct wslay_frame_iocb *io) {
  if (io->rsv != 0)
    return fail(f, CLOSE_PROTOCOL, "reserved bits are set");
  if (io->mask)
    return fail(f, CLOSE_PROTOCOL, "a server's frame is masked");
  switch (io->opcode) {
  case WS_CONTINUATION:
    if (f->message == 0)
      return fail(f, CLOSE_PROTOCOL, "nothing to continue");
    break;
  case WS_TEXT:
  case WS_BINARY:
    if (f->message != 0)
      return fail(f, CLOSE_PROTOCOL, "a message inside another");
    f->message = io->opcode;
    f->message_len = 0;
    f->utf8 = (struct utf8_stream){0};
    break;
  case WS_CLOSE:
  case WS_PING:
  case WS_PONG:
    f->control_len = 0;
    return 0;
  default:
    return fail(f, CLOSE_PROTOCOL, "reserved opcode");
  }
  if (io->payload_length > f->read_limit - f->message_len)
    return fail(f, CLOSE_TOO_BIG, "message is longer than the read limit");
  return 0;
}

/* A piece of a message's payload. */
static int on_data(struct frames *f, const struct wslay_frame_iocb *io,
                   uint64_t left, struct frames_event *ret) {
  bool end = io->fin && left == 0;
  f->message_len += io->data_length;
  if (f->message == WS_TEXT &&
      (!utf8_stream_add(&f->utf8, io->data, io->data_length) ||
       (end && !utf8_stream_complete(&f->utf8))))
    return fail(f, CLOSE_BAD_DATA, "text is not valid UTF-8");
  *ret =
      (struct frames_event){.kind = FRAMES_DATA,
                            .opcode = f->message,
                            .fin = io->fin,
                            .end = end,
                            .announced = left,
                            .data = {(const char *)io->data, io->data_length}};
  if (end)
    f->message = 0;
  return 0;
}

static int on_close(struct frames *f, struct frames_event *ret) {
  ret->kind = FRAMES_CLOSE;
  ret->code = CLOSE_NO_STATUS;
  if (f->control_len == 0)
    return 0;
  if (f->control_len == 1)
    return fail(f, CLOSE_PROTOCOL, "close frame of one byte");
  ret->code = (uint16_t)(f->control[0] << 8 | f->control[1]);
  ret->data = (struct slice){(const char *)f->control + 2, f->control_len - 2U};
  if (!close_code_valid(ret->code))
    return fail(f, CLOSE_PROTOCOL, "close code that may not be sent");
  if (!utf8_valid(ret->data))
    return fail(f, CLOSE_BAD_DATA, "close reason is not valid UTF-8");
  return 0;
}

/* A piece of a control frame; wslay has seen to it that it fits.  ERR_AGAIN:
 * more is to come. */
static int on_control(struct frames *f, const struct wslay_frame_iocb *io,
                      uint64_t left, struct frames_event *ret) {
  if (io->data_length > sizeof f->control - f->control_len)
    return fail(f, CLOSE_PROTOCOL, "control frame is too long");
  if (io->data_length > 0)
    memcpy(f->control + f->control_len, io->data, io->data_length);
  f->control_len = (uint8_t)(f->control_len + io->data_length);
  if (left > 0)
    return ERR_AGAIN;
  *ret = (struct frames_event){
      .kind = io->opcode == WS_PING ? FRAMES_PING : FRAMES_PONG,
      .opcode = io->opcode,
      .fin = true,
      .end = true,
      .data = {(const char *)f->control, f->control_len}};
  return io->opcode == WS_CLOSE ? on_close(f, ret) : 0;
}

int frames_recv(struct frames *f, struct frames_event *ret) {
  struct wslay_frame_iocb io;
  uint64_t left = 0;
  ssize_t n;
  int rv;
  if (f->fail_code != 0)
    return ERR_PROTOCOL;
  for (;;) {
    memset(&io, 0, sizeof io);
    n = wslay_frame_recv(f->ws, &io);
    if (n == WSLAY_ERR_WANT_READ)
      return ERR_AGAIN;
    if (n < 0)
      return fail(f, CLOSE_PROTOCOL, "malformed frame header");
    if (!f->in_frame) {
      if ((rv = check_header(f, &io)) != 0)
        return rv;
      f->in_frame = true;
      f->frame_left = io.payload_length;
    }
    f->frame_left -= io.data_length;
    left = f->frame_left;
    if (left == 0)
      f->in_frame = false;
    if (!wslay_is_ctrl_frame(io.opcode))
      return on_data(f, &io, left, ret);
    if ((rv = on_control(f, &io, left, ret)) != ERR_AGAIN)
      return rv;
  }
}

/* ------------------------------------------------------------ sending --- */

int frames_send(struct frames *f, struct buf *out, uint8_t opcode,
                struct slice data, size_t *sent) {
  struct wslay_frame_iocb io = {
      .fin = 1,
      .opcode = opcode,
      .payload_length = data.len,
      .mask = 1,
      .data = data.len ? (const uint8_t *)data.p + *sent : NULL,
      .data_length = data.len - *sent};
  size_t room = out->max - out->len;
  size_t want =
      io.data_length < room ? io.data_length + FRAMES_HEADER_MAX : room;
  ssize_t n;
  int rv;
  if (room == 0)
    return ERR_AGAIN;
  /* Asked for here, so that wslay's callback never meets refused memory. */
  if (!buf_reserve(out, want < room ? want : room, &rv))
    return rv;
  f->out = out;
  n = wslay_frame_send(f->ws, &io);
  f->out = NULL;
  if (n == WSLAY_ERR_WANT_WRITE)
    return ERR_AGAIN;
  if (n < 0)
    return ERR_SYSTEM;
  *sent += (size_t)n;
  return *sent == data.len ? 0 : ERR_AGAIN;
}
