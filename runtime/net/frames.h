/* frames.h - RFC 6455 frames of a client: headers, lengths, masks, reserved
 * bits and opcodes, fragmentation, UTF-8, close codes, limits.  Bytes in, bytes
 * out: no fd, no memory of its own. */
#ifndef RUNTIME_NET_FRAMES_H
#define RUNTIME_NET_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Of a compressed message one event carries at most so many bytes: whoever
 * inflates them can stop in between, however much they grow. */
#define FRAMES_DEFLATED_PIECE 1024

struct frames {
  uint64_t read_limit; /* bytes of one message */
  bool deflate;        /* RSV1 may announce a compressed message (RFC 7692) */
  /* receiving */
  bool in_frame;         /* the header was read, the payload is not over */
  uint8_t header_len;    /* bytes of it so far, while not in_frame */
  uint8_t header[10];    /* a server sends no mask */
  bool fin;              /* of the frame under way */
  uint8_t opcode;        /* its */
  uint64_t frame_left;   /* its payload that is still to come */
  uint8_t message;       /* opcode of the message under way; 0: none */
  bool message_deflated; /* it is compressed */
  uint64_t message_len;  /* its bytes so far, as they are on the wire */
  struct utf8_stream utf8;
  uint8_t control_len;
  uint8_t control[FRAMES_CONTROL_MAX];
  uint16_t fail_code; /* after ERR_PROTOCOL: to close with */
  const char *fail_reason;
  /* sending */
  bool sending;    /* a frame was begun by frames_send */
  uint8_t send_at; /* which byte of the mask comes next */
  uint8_t send_mask[4];
  uint8_t nmasks; /* unused bytes in |masks| */
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
  bool deflated;  /* compressed, and neither text nor limit was checked */
  /* what is sure to follow in the same frame, as the peer announces it: a
   * bound, no promise */
  uint64_t announced;
  struct slice data; /* of the input, or borrowed until the next call */
  uint16_t code;     /* FRAMES_CLOSE; 1005: none; |data| is the reason */
};

void frames_init(struct frames *f, uint64_t read_limit, bool deflate);

/* The next event out of |*in|, which loses what was looked at.  0; ERR_AGAIN:
 * all was used, more must come; or ERR_PROTOCOL: the connection is to be failed
 * with f->fail_code, and nothing more may be received.  Every byte is judged as
 * soon as it is there. */
int frames_recv(struct frames *f, struct slice *in, struct frames_event *ret);

/* Is it between messages, and has nothing of the next one's header? */
bool frames_between(const struct frames *f);

/* Between messages: is the next thing in |in| a whole message in one frame, not
 * compressed, with nothing wrong about it?  Then true, with its opcode and its
 * payload, and frames_recv would say the same of it; false says nothing.  The
 * caller may go on behind the payload without frames_recv. */
bool frames_peek(const struct frames *f, struct slice in, uint8_t *ret_opcode,
                 struct slice *ret_data);

/* Between messages: is all of |in| the beginning of a message that frames_peek
 * would tell of, of |max| bytes at most, and no more of it is there yet? */
bool frames_cut(const struct frames *f, struct slice in, size_t max);

/* Between messages: does |in| begin with a header of |header_len| bytes, 4 or
 * 10, of a data message that is not compressed, with a first piece of it
 * behind, and nothing else?  Then frames_recv makes one event of all of it, or
 * fails. */
bool frames_fits(const struct frames *f, struct slice in, size_t header_len);

/* So many bytes at least belong to the data message under way and may be given
 * to frames_recv from where they shall end up: the next event is then exactly
 * they.  0: there is no message, or it is compressed. */
size_t frames_payload_left(const struct frames *f);

/* Appends one whole frame, or as much as |out| has room for.  |*sent| counts
 * the payload bytes appended; 0 at first.  0: the frame is complete; ERR_AGAIN:
 * call again with the same frame when |out| was emptied; ERR_NOMEM; ERR_SYSTEM
 * (no random numbers).  After the last two the stream may be broken off inside
 * a frame. */
int frames_send(struct frames *f, struct buf *out, uint8_t opcode,
                struct slice data, size_t *sent);

/* A frame whose length shows only when its payload is there: room for |len| <=
 * 65535 bytes of it behind the content of |out|; NULL: |*ret_err| says ERR_FULL
 * or ERR_NOMEM.  Then frames_part_send with those that were written, which are
 * masked in place.  0 or ERR_SYSTEM: nothing was appended. */
#define FRAMES_PART_ROOM 8 /* that the header takes in |out| at most */
uint8_t *frames_part(struct buf *out, size_t len, int *ret_err);
int frames_part_send(struct frames *f, struct buf *out, uint8_t opcode,
                     bool fin, bool rsv1, size_t len);

#endif
