/* frames.c - the frame parser and writer of RFC 6455, section 5.  Of our own:
 * libwslay's frame layer masks byte by byte, wants to be fed 4 KiB at a time,
 * and judges a header only when the first byte behind it is there; the fuzz
 * target compares the two. */
#include "runtime/net/frames.h"

#include <string.h>

#include "runtime/base/err.h"
#include "runtime/base/random.h"

#define FIN 0x80U
#define RSV1 0x40U
#define RSV 0x70U
#define MASKED 0x80U
#define MASK_LEN 4

bool close_code_valid(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

void frames_init(struct frames *f, uint64_t read_limit, bool deflate) {
  *f = (struct frames){.read_limit = read_limit, .deflate = deflate};
}

/* ---------------------------------------------------------- receiving --- */

static int fail(struct frames *f, uint16_t code, const char *reason) {
  f->fail_code = code;
  f->fail_reason = reason;
  return ERR_PROTOCOL;
}

static bool is_control(uint8_t opcode) {
  return (opcode & 8) != 0;
}

static int on_first_byte(struct frames *f) {
  uint8_t byte = f->header[0];
  f->fin = (byte & FIN) != 0;
  f->opcode = byte & 15;
  /* RFC 7692, section 6: the bit stands on a message's first frame only. */
  if ((byte & RSV) != 0 && !((byte & RSV) == RSV1 && f->deflate &&
                             (f->opcode == WS_TEXT || f->opcode == WS_BINARY)))
    return fail(f, CLOSE_PROTOCOL, "reserved bits are set");
  switch (f->opcode) {
  case WS_CONTINUATION:
    if (f->message == 0)
      return fail(f, CLOSE_PROTOCOL, "nothing to continue");
    return 0;
  case WS_TEXT:
  case WS_BINARY:
    if (f->message != 0)
      return fail(f, CLOSE_PROTOCOL, "a message inside another");
    return 0;
  case WS_CLOSE:
  case WS_PING:
  case WS_PONG:
    if (!f->fin)
      return fail(f, CLOSE_PROTOCOL, "control frame in fragments");
    return 0;
  default:
    return fail(f, CLOSE_PROTOCOL, "reserved opcode");
  }
}

static int on_second_byte(struct frames *f) {
  if (f->header[1] & MASKED)
    return fail(f, CLOSE_PROTOCOL, "a server's frame is masked");
  if (is_control(f->opcode) && f->header[1] > FRAMES_CONTROL_MAX)
    return fail(f, CLOSE_PROTOCOL, "control frame is too long");
  return 0;
}

/* How long the header is; 2 until its second byte is there. */
static uint8_t header_size(const struct frames *f) {
  if (f->header_len < 2 || f->header[1] < 126)
    return 2;
  return f->header[1] == 126 ? 4 : 10;
}

static int on_length(struct frames *f) {
  uint64_t len = 0;
  uint8_t size = header_size(f);
  if (size == 2) {
    len = f->header[1];
  } else {
    for (uint8_t i = 2; i < size; i++)
      len = len << 8 | f->header[i];
    if (len < (size == 4 ? 126U : 65536U))
      return fail(f, CLOSE_PROTOCOL, "length is not minimal");
    if (len > INT64_MAX)
      return fail(f, CLOSE_PROTOCOL, "length has its highest bit set");
  }
  f->frame_left = len;
  return 0;
}

/* Compressed bytes are not what the limit is about; but who sends twice the
 * limit and more to say so little has something else in mind. */
static uint64_t wire_limit(const struct frames *f) {
  if (!f->message_deflated)
    return f->read_limit;
  return f->read_limit > UINT64_MAX / 2 - 1024 ? UINT64_MAX
                                               : f->read_limit * 2 + 1024;
}

static int on_header(struct frames *f) {
  int rv = on_length(f);
  if (rv != 0)
    return rv;
  f->header_len = 0;
  f->in_frame = true;
  if (is_control(f->opcode)) {
    f->control_len = 0;
    return 0;
  }
  if (f->opcode != WS_CONTINUATION) {
    f->message = f->opcode;
    f->message_deflated = (f->header[0] & RSV1) != 0;
    f->message_len = 0;
    f->utf8 = (struct utf8_stream){0};
  }
  if (f->frame_left > wire_limit(f) - f->message_len)
    return fail(f, CLOSE_TOO_BIG, "message is longer than the read limit");
  return 0;
}

/* 0: the header is whole; ERR_AGAIN or ERR_PROTOCOL */
static int recv_header(struct frames *f, struct slice *in) {
  int rv;
  while (in->len > 0) {
    f->header[f->header_len++] = (uint8_t)in->p[0];
    *in = (struct slice){in->p + 1, in->len - 1};
    if (f->header_len == 1)
      rv = on_first_byte(f);
    else if (f->header_len == 2)
      rv = on_second_byte(f);
    else
      rv = 0;
    if (rv != 0)
      return rv;
    if (f->header_len >= 2 && f->header_len == header_size(f))
      return on_header(f);
  }
  return ERR_AGAIN;
}

static struct slice take(struct frames *f, struct slice *in, size_t max) {
  struct slice piece = {in->p, in->len < max ? in->len : max};
  if (piece.len > f->frame_left)
    piece.len = (size_t)f->frame_left;
  if (piece.len > 0)
    *in = (struct slice){in->p + piece.len, in->len - piece.len};
  f->frame_left -= piece.len;
  if (f->frame_left == 0)
    f->in_frame = false;
  return piece;
}

/* A piece of a message's payload. */
static int recv_data(struct frames *f, struct slice *in,
                     struct frames_event *ret) {
  struct slice piece;
  bool end;
  if (in->len == 0 && f->frame_left > 0)
    return ERR_AGAIN;
  piece = take(f, in, f->message_deflated ? FRAMES_DEFLATED_PIECE : SIZE_MAX);
  end = f->fin && f->frame_left == 0;
  f->message_len += piece.len;
  if (f->message == WS_TEXT && !f->message_deflated &&
      (!utf8_stream_add(&f->utf8, piece.p, piece.len) ||
       (end && !utf8_stream_complete(&f->utf8))))
    return fail(f, CLOSE_BAD_DATA, "text is not valid UTF-8");
  *ret = (struct frames_event){.kind = FRAMES_DATA,
                               .opcode = f->message,
                               .fin = f->fin,
                               .end = end,
                               .deflated = f->message_deflated,
                               .announced = f->frame_left,
                               .data = piece};
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

static int recv_control(struct frames *f, struct slice *in,
                        struct frames_event *ret) {
  struct slice piece = take(f, in, sizeof f->control - f->control_len);
  if (piece.len > 0)
    memcpy(f->control + f->control_len, piece.p, piece.len);
  f->control_len = (uint8_t)(f->control_len + piece.len);
  if (f->frame_left > 0)
    return ERR_AGAIN;
  *ret = (struct frames_event){
      .kind = f->opcode == WS_PING ? FRAMES_PING : FRAMES_PONG,
      .opcode = f->opcode,
      .fin = true,
      .end = true,
      .data = {(const char *)f->control, f->control_len}};
  return f->opcode == WS_CLOSE ? on_close(f, ret) : 0;
}

int frames_recv(struct frames *f, struct slice *in, struct frames_event *ret) {
  int rv;
  if (f->fail_code != 0)
    return ERR_PROTOCOL;
  if (!f->in_frame && (rv = recv_header(f, in)) != 0)
    return rv;
  return is_control(f->opcode) ? recv_control(f, in, ret)
                               : recv_data(f, in, ret);
}

bool frames_between(const struct frames *f) {
  return f->fail_code == 0 && !f->in_frame && f->header_len == 0 &&
         f->message == 0;
}

/* What begins a message in one frame, not compressed: 0, with the lengths of
 * header and payload; ERR_AGAIN: there is not enough of it to know them; or
 * ERR_INVALID: something else, or longer than is worth while. */
static int peek_header(const struct frames *f, struct slice in,
                       size_t *ret_header, size_t *ret_len) {
  const uint8_t *p = (const uint8_t *)in.p;
  size_t header = 2, len;
  if (in.len == 0)
    return ERR_AGAIN;
  if (p[0] != (FIN | WS_TEXT) && p[0] != (FIN | WS_BINARY))
    return ERR_INVALID;
  if (in.len < header)
    return ERR_AGAIN;
  len = p[1];
  if (len == 126) {
    header = 4;
    if (in.len < header)
      return ERR_AGAIN;
    len = (size_t)p[2] << 8 | p[3];
    if (len < 126)
      return ERR_INVALID;
  } else if (len > 126) { /* or masked */
    return ERR_INVALID;
  }
  *ret_header = header;
  *ret_len = len;
  return len <= f->read_limit ? 0 : ERR_INVALID;
}

bool frames_peek(const struct frames *f, struct slice in, uint8_t *ret_opcode,
                 struct slice *ret_data) {
  size_t header, len;
  if (peek_header(f, in, &header, &len) != 0 || len > in.len - header ||
      !frames_between(f))
    return false;
  *ret_opcode = (uint8_t)in.p[0] & 15;
  *ret_data = (struct slice){in.p + header, len};
  return *ret_opcode != WS_TEXT || utf8_valid(*ret_data);
}

bool frames_cut(const struct frames *f, struct slice in, size_t max) {
  size_t header, len;
  int rv = peek_header(f, in, &header, &len);
  if (!frames_between(f))
    return false;
  return rv == 0 ? len > in.len - header && len <= max : rv == ERR_AGAIN;
}

bool frames_fits(const struct frames *f, struct slice in, size_t header_len) {
  const uint8_t *p = (const uint8_t *)in.p;
  uint64_t len = 0;
  if (!frames_between(f) || in.len <= header_len)
    return false;
  if ((p[0] & ~FIN) != WS_TEXT && (p[0] & ~FIN) != WS_BINARY)
    return false;
  if (p[1] != (header_len == 10 ? 127 : 126))
    return false;
  for (size_t i = 2; i < header_len; i++)
    len = len << 8 | p[i];
  return len >= in.len - header_len;
}

size_t frames_payload_left(const struct frames *f) {
  if (!f->in_frame || is_control(f->opcode) || f->message_deflated)
    return 0;
  return f->frame_left < SIZE_MAX ? (size_t)f->frame_left : SIZE_MAX;
}

/* ------------------------------------------------------------ sending --- */

/* getrandom(2) costs more than masking a small message: drawn in batches.
 * 0 or ERR_SYSTEM */
static int draw_mask(struct frames *f, uint8_t mask[MASK_LEN]) {
  if (f->nmasks < MASK_LEN) {
    if (random_bytes(f->masks, sizeof f->masks) != 0)
      return ERR_SYSTEM;
    f->nmasks = sizeof f->masks;
  }
  f->nmasks = (uint8_t)(f->nmasks - MASK_LEN);
  memcpy(mask, f->masks + f->nmasks, MASK_LEN);
  return 0;
}

/* Words of eight, for the compiler to make vectors of.  |at|: the mask's byte
 * for the first one; |to| may be |from|. */
static void apply_mask(uint8_t *to, const uint8_t *from, size_t len,
                       const uint8_t mask[MASK_LEN], uint8_t at) {
  uint8_t turned[8];
  uint64_t key, a, b, c, d;
  size_t i = 0;
  for (uint8_t k = 0; k < sizeof turned; k++)
    turned[k] = mask[(at + k) % MASK_LEN];
  memcpy(&key, turned, sizeof key);
  for (; len - i >= 4 * sizeof key; i += 4 * sizeof key) {
    memcpy(&a, from + i, sizeof a);
    memcpy(&b, from + i + 8, sizeof b);
    memcpy(&c, from + i + 16, sizeof c);
    memcpy(&d, from + i + 24, sizeof d);
    a ^= key;
    b ^= key;
    c ^= key;
    d ^= key;
    memcpy(to + i, &a, sizeof a);
    memcpy(to + i + 8, &b, sizeof b);
    memcpy(to + i + 16, &c, sizeof c);
    memcpy(to + i + 24, &d, sizeof d);
  }
  for (; i < len; i++)
    to[i] = from[i] ^ turned[i % sizeof turned];
}

/* |first|: the first byte.  Returns how long the header is. */
static size_t write_header(uint8_t *p, unsigned first, uint64_t len,
                           const uint8_t mask[MASK_LEN]) {
  size_t n = 2;
  unsigned bytes = len < 126 ? 0 : len < 65536 ? 2 : 8;
  p[0] = (uint8_t)first;
  p[1] = (uint8_t)(MASKED | (bytes == 0 ? len : bytes == 2 ? 126U : 127U));
  while (bytes-- > 0)
    p[n++] = (uint8_t)(len >> (8 * bytes));
  memcpy(p + n, mask, MASK_LEN);
  return n + MASK_LEN;
}

int frames_send(struct frames *f, struct buf *out, uint8_t opcode,
                struct slice data, size_t *sent) {
  size_t left = data.len - *sent;
  size_t room = out->max - out->len;
  size_t want = left, n = 0;
  uint8_t *p;
  int rv;
  if (!f->sending)
    want = want > SIZE_MAX - FRAMES_HEADER_MAX ? SIZE_MAX
                                               : want + FRAMES_HEADER_MAX;
  if (room == 0 || (!f->sending && room < FRAMES_HEADER_MAX))
    return ERR_AGAIN;
  if (want > room)
    want = room;
  if (!(p = buf_reserve(out, want, &rv)))
    return rv;
  if (!f->sending) {
    if ((rv = draw_mask(f, f->send_mask)) != 0)
      return rv;
    n = write_header(p, FIN | opcode, data.len, f->send_mask);
    f->sending = true;
    f->send_at = 0;
  }
  if (left > want - n)
    left = want - n;
  if (left > 0)
    apply_mask(p + n, (const uint8_t *)data.p + *sent, left, f->send_mask,
               f->send_at);
  f->send_at = (uint8_t)((f->send_at + left) % MASK_LEN);
  buf_commit(out, n + left);
  *sent += left;
  if (*sent < data.len)
    return ERR_AGAIN;
  f->sending = false;
  return 0;
}

uint8_t *frames_part(struct buf *out, size_t len, int *ret_err) {
  uint8_t *p = buf_reserve(out, len + FRAMES_PART_ROOM, ret_err);
  return p ? p + FRAMES_PART_ROOM : NULL;
}

int frames_part_send(struct frames *f, struct buf *out, uint8_t opcode,
                     bool fin, bool rsv1, size_t len) {
  uint8_t *p = buf_bytes(out) + out->len;
  uint8_t mask[MASK_LEN], header[FRAMES_HEADER_MAX];
  size_t n;
  int rv = draw_mask(f, mask);
  if (rv != 0)
    return rv;
  n = write_header(header, (fin ? FIN : 0U) | (rsv1 ? RSV1 : 0U) | opcode, len,
                   mask);
  if (n < FRAMES_PART_ROOM) /* then there are less than 126 bytes to move */
    memmove(p + n, p + FRAMES_PART_ROOM, len);
  memcpy(p, header, n);
  apply_mask(p + n, p + n, len, mask, 0);
  buf_commit(out, n + len);
  return 0;
}
