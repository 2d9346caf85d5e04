/* dial.h - addresses to a connected socket: asks about each address before it
 * is tried, and dials exactly that one (RFC 8305: families take turns, the next
 * address starts after 250 ms without waiting for the last to fail). */
#ifndef RUNTIME_NET_DIAL_H
#define RUNTIME_NET_DIAL_H

#include "runtime/base/err.h"
#include "runtime/base/ip.h"
#include "runtime/net/loop.h"

struct dial;

struct dial_handler {
  /* 0: |ip|:|port| may be dialled; ERR_DENIED: not. */
  int (*judge)(void *ud, const struct ip *ip, uint16_t port);
  /* Once, then nothing more: |fd| is connected, non-blocking, and the
   * caller's; or |fd| is -1 and |e| says why (ERR_DENIED: every address was
   * refused by the judge; ERR_TIMEOUT, ERR_SYSTEM, ERR_NOMEM).  dial_free may
   * be called in both functions. */
  void (*done)(void *ud, int fd, const struct err *e);
};

/* |addresses| is copied; |h| is kept.  No function is called from inside.
 * 0, ERR_NOMEM, or ERR_INVALID when |n| is 0. */
int dial_new(struct dial **ret, struct loop *lp, const struct mem *m,
             const struct ip *addresses, size_t n, uint16_t port,
             const struct dial_handler *h, void *ud);
/* Before or after |done|; what is under way is dropped.  NULL is harmless. */
void dial_free(struct dial *d);

#endif
