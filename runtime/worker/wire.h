/* wire.h - messages over one end of a socketpair, with descriptors beside them:
 * a buffer each way, of which the outgoing one never makes its owner wait. */
#ifndef RUNTIME_WORKER_WIRE_H
#define RUNTIME_WORKER_WIRE_H

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/worker/protocol.h"

/* Under way at a time, each direction: as many as there can be connections. */
#define WIRE_FDS_MAX 65536

struct wire {
  int fd; /* its owner's; -1: lost */
  size_t in_max;
  struct buf in;
  struct buf out;
  uint64_t out_at; /* bytes sent so far: |out| starts there */
  /* descriptors to send, each with the first byte of its message */
  struct {
    uint64_t at;
    int fd;
  } * send;
  size_t nsend;
  size_t send_cap;
  size_t untaken; /* sent since the other end had last read everything */
  int *received;  /* in the order of their messages; -1: it was lost */
  size_t nreceived;
  size_t received_cap;
};

/* |in_max|: of one message; |out_max|: of all that wait. */
void wire_init(struct wire *w, int fd, const struct mem *m, size_t in_max,
               size_t out_max);
void wire_deinit(struct wire *w); /* closes the descriptors in between */

/* Appends |m|, to be sent by wire_flush.  |fd| >= 0 goes with it, and is the
 * wire's if this returns 0.  0, ERR_NOMEM, ERR_FULL */
int wire_put(struct wire *w, const struct packet *m, int fd);

/* Sends as much as the socket takes.  0: all of it; ERR_AGAIN; ERR_LIMIT: no
 * more descriptors can be sent for now, which no poller tells the end of;
 * ERR_CLOSED: nobody reads any more. */
int wire_flush(struct wire *w);
static inline size_t wire_unsent(const struct wire *w) {
  return w->out.len;
}

/* Receives once, at most |max| bytes; |fds|: descriptors too (else any that
 * come are dropped by the kernel).  0, ERR_AGAIN, ERR_CLOSED (end of file, or
 * lost), ERR_NOMEM */
int wire_receive(struct wire *w, size_t max, bool fds);

/* The next whole message: 0 with |*ret_whole| for packet_read, borrowed until
 * wire_drop, which must come first; ERR_AGAIN: more must come; ERR_PROTOCOL */
int wire_next(struct wire *w, enum packet_kind *ret_kind,
              struct slice *ret_whole);
void wire_drop(struct wire *w, struct slice whole);

/* The descriptor that came with the oldest message that brought one; -1 when it
 * was lost, or there is none. */
int wire_take_fd(struct wire *w);

#endif
