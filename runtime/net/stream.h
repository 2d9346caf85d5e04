/* stream.h - an open byte stream: a connected socket, or TLS over one, with its
 * place in the poller.  Made by the opening phase, used by the frames. */
#ifndef RUNTIME_NET_STREAM_H
#define RUNTIME_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/net/loop.h"
#include "runtime/net/poller.h"

struct tls_session;

/* Who has it may read the fields; the functions below change them. */
struct stream {
  struct loop *loop;
  struct watch watch; /* stays in the poller when the owner changes */
  int fd;
  struct tls_session *tls; /* NULL: plain */
  /* Why the last read or write gave ERR_AGAIN, where that is not obvious: TLS
   * may have to write before it can read, and the other way round. */
  bool read_wants_write;
  bool write_wants_read;
  /* The last read gave all there was.  The poller, which is level-triggered,
   * tells when there is more. */
  bool drained;
};

/* |fd| is connected and non-blocking, and the stream's once this returns 0.  It
 * comes from the loop's memory, and asks the kernel for nothing but sendto
 * without an address, recvfrom, shutdown, close and epoll_ctl: a confined
 * process can use it.  0, ERR_NOMEM or ERR_SYSTEM */
int stream_new(struct stream **ret, struct loop *lp, int fd, unsigned events,
               watch_fn *fn, void *ud);
void stream_free(struct stream *s); /* closes the fd; NULL is harmless */

/* Events go to somebody else from now on. */
void stream_hand_over(struct stream *s, watch_fn *fn, void *ud);
/* Frees the stream but not its fd, which is the caller's.  -1, and nothing is
 * freed: there is TLS in between, which cannot be handed on as an fd. */
int stream_take_fd(struct stream *s);

/* 0 with |*ret_n| > 0, or 0 at EOF; ERR_AGAIN; anything else: lost */
int stream_read(struct stream *s, void *p, size_t len, size_t *ret_n);
/* 0 with |*ret_n| > 0; ERR_AGAIN: call again with at least the same bytes (they
 * may have moved); anything else: nothing more can be written. */
int stream_write(struct stream *s, const void *p, size_t len, size_t *ret_n);
/* Says that nothing follows: close_notify and FIN. */
void stream_end(struct stream *s);

#endif
