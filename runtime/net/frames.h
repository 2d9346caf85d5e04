/* frames.h - RFC 6455 frames of a client over wslay's frame layer, which does
 * headers, lengths and masks; this adds what it leaves open: reserved bits and
 * opcodes, fragmentation, UTF-8, close codes, limits.  Bytes are pulled and
 * pushed through callbacks: no fd. */
#ifndef RUNTIME_NET_FRAMES_H
#define RUNTIME_NET_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/buf.h"
#include "runtime/base/str.h"

#define FRAMES_CONTROL_MAX 125
#define FRAMES_HEADER_MAX 14

/* RFC 6455 section 5.2 */
enum ws_opcode {
  WS_CONTINUATION = 0,
  WS_TEXT = 1,
  WS_BINARY = 2,
  WS_CLOSE = 8,
  WS_PING = 9,
  WS_PONG = 10
};

/* Close codes the library itself uses (section 7.4.1). */
enum {
  CLOSE_NORMAL = 1000,
  CLOSE_GOING_AWAY = 1001,
  CLOSE_PROTOCOL = 1002,
  CLOSE_NO_STATUS = 1005, /* never on the wire */
  CLOSE_LOST = 1006,      /* never on the wire */
  CLOSE_BAD_DATA = 1007,
  CLOSE_TOO_BIG = 1009,
  CLOSE_INTERNAL = 1011
};

/* May |code| stand in a close frame?  1000-1003, 1007-1014, 3000-4999 */
bool close_code_valid(uint16_t code);

/* Up to |len| bytes into |p|; 0: none now (or never again). */
typedef size_t frames_read_fn(void *ud, void *p, size_t len);

struct wslay_frame_context;

struct frames {
  struct wslay_frame_context *ws;
  frames_read_fn *read;
  void *ud;
  uint64_t read_limit; /* bytes of one message */
  /* receiving */
  bool in_frame; /* a header was read, its payload is not over */
  uint64_t frame_left;
  uint8_t message;      /* opcode of the message under way; 0: none */
  uint64_t message_len; /* its bytes so far */
  struct utf8_stream utf8;
  uint8_t control_len;
  uint8_t control[FRAMES_CONTROL_MAX];
  uint16_t fail_code; /* after ERR_PROTOCOL: to close with */
  const char *fail_reason;
  /* sending */
  struct buf *out; /* of the call under way */
  size_t nmasks;   /* bytes left */
  uint8_t masks[64];
};

enum frames_kind {
  FRAMES_DATA, /* a piece of a message */
  FRAMES_PING,
  FRAMES_PONG,
  FRAMES_CLOSE
};

struct frames_event {
  enum frames_kind kind;
  uint8_t opcode; /* of the message: WS_TEXT or WS_BINARY */
  bool fin;       /* the frame is the message's last */
  bool end;       /* this piece ends the message */
  /* what is sure to follow in the same frame, as the peer announces it: a
   * bound, no promise */
  uint64_t announced;
  struct slice data; /* borrowed until the next call */
  uint16_t code;     /* FRAMES_CLOSE; 1005: none; |data| is the reason */
};

/* 0 or ERR_NOMEM (wslay allocates with malloc, about 4 KiB) */
int frames_init(struct frames *f, uint64_t read_limit, frames_read_fn *read,
                void *ud);
void frames_deinit(struct frames *f); /* harmless on zeroed memory */

/* The next event.  0; ERR_AGAIN: the read function gave too little; or
 * ERR_PROTOCOL: the connection is to be failed with f->fail_code, and nothing
 * more may be received. */
int frames_recv(struct frames *f, struct frames_event *ret);

/* Appends one whole frame, or as much as |out| has room for.  |*sent| counts
 * the payload bytes appended; 0 at first.  0: the frame is complete; ERR_AGAIN:
 * call again with the same frame when |out| was emptied; ERR_NOMEM; ERR_SYSTEM
 * (no random numbers).  After the last two the stream may be broken off inside
 * a frame. */
int frames_send(struct frames *f, struct buf *out, uint8_t opcode,
                struct slice data, size_t *sent);

#endif
