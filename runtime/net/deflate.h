/* deflate.h - permessage-deflate (RFC 7692): its parameters, and zlib with a
 * bound on what comes out.  Bytes in, bytes out; every allocation is charged to
 * whoever gave the memory. */
#ifndef RUNTIME_NET_DEFLATE_H
#define RUNTIME_NET_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"

/* What is offered. */
enum deflate_mode {
  DEFLATE_OFF,
  DEFLATE_TAKEOVER, /* windows live on from message to message */
  DEFLATE_NO_CONTEXT
};

/* What was agreed on.  Zeroed: no compression. */
struct deflate_params {
  bool on;
  bool in_takeover;  /* the server's window lives on */
  bool out_takeover; /* ours may */
  uint8_t in_bits;   /* the server's window is at most 1 << in_bits; 8 to 15 */
  uint8_t out_bits;  /* ours, as the server wishes */
};
/* Do they make sense?  For those that came from another process. */
bool deflate_params_valid(const struct deflate_params *p);

/* The value of Sec-WebSocket-Extensions that offers |mode|, not DEFLATE_OFF. */
const char *deflate_offer(enum deflate_mode mode);
/* Reads the server's answer, one whole header value, to an offer of |mode|.
 * 0, or ERR_PROTOCOL: it is no valid answer to that offer; |*ret_why| says what
 * it does ("names an unknown parameter ..."). */
int deflate_answer(struct slice value, enum deflate_mode mode,
                   struct deflate_params *ret, const char **ret_why);

/* ---------------------------------------------------------- receiving --- */

struct inflater;

/* It is made asleep: the first bytes wake it, which takes about 7 KiB and the
 * window.  0 or ERR_NOMEM */
int inflater_new(struct inflater **ret, const struct mem *m,
                 const struct deflate_params *p);
void inflater_free(struct inflater *z); /* NULL is harmless */

/* Between messages it may sleep: it then holds no more than what later ones may
 * look back to.  In the middle of a message, or where there is no memory for
 * that, it stays awake. */
void inflater_sleep(struct inflater *z);
bool inflater_awake(const struct inflater *z);

/* Goes on with a message: takes from |*in|, writes at most |cap| > 0 bytes to
 * |out|.  |last|: with |*in| the message ends.  0: |*in| is used up, and
 * |last|: the message is whole; ERR_AGAIN: |out| is full, there may be more;
 * ERR_PROTOCOL: that is not deflate; ERR_NOMEM.  After the last two the
 * inflater can only be freed. */
int inflater_run(struct inflater *z, struct slice *in, bool last, void *out,
                 size_t cap, size_t *ret_n);

/* ------------------------------------------------------------ sending --- */

struct deflater;

/* May |p| be used to send compressed at all?  (zlib has no windows of 256
 * bytes.) */
bool deflater_possible(const struct deflate_params *p);
/* Made asleep; awake it takes about 22 KiB: the window is 2 KiB, or what the
 * server wishes when that is less.  0 or ERR_NOMEM */
int deflater_new(struct deflater **ret, const struct mem *m,
                 const struct deflate_params *p);
void deflater_free(struct deflater *z); /* NULL is harmless */

/* As inflater_sleep.  Only awake it can run: 0 or ERR_NOMEM, and it sleeps on.
 */
void deflater_sleep(struct deflater *z);
int deflater_wake(struct deflater *z);
bool deflater_awake(const struct deflater *z);

/* Goes on with a message, which is not empty (zlib would have nothing to end
 * it with): takes from |*in|, writes at most |cap| >= 16 bytes to |out|.  0:
 * |*in| is used up, and |last|: the message is whole; ERR_AGAIN: |out| is full;
 * ERR_SYSTEM: zlib does not work */
int deflater_run(struct deflater *z, struct slice *in, bool last, void *out,
                 size_t cap, size_t *ret_n);

#endif
