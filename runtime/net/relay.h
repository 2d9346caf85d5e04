/* relay.h - carries bytes both ways between a stream, TLS as a rule, and a
 * local socket, at whose other end another process has the connection.  At most
 * RELAY_BUFFER bytes wait in each direction: who does not read is not read
 * from.  An end of file is passed on when the bytes before it are. */
#ifndef RUNTIME_NET_RELAY_H
#define RUNTIME_NET_RELAY_H

#include "runtime/base/list.h"
#include "runtime/net/stream.h"

#define RELAY_BUFFER (16u * 1024)

struct relay;

/* |s| and |local| (non-blocking) are the relay's when this returns 0; it enters
 * itself in |all| and frees itself when both ends have ended, or 5 s after the
 * local one has.  All of it comes from the loop's memory.  0, ERR_NOMEM or
 * ERR_SYSTEM */
int relay_new(struct relay **ret, struct loop *lp, struct stream *s, int local,
              struct list *all);
void relay_free(struct relay *r); /* cuts it */
void relays_cut(struct list *all);

#endif
