/* message.h - one whole message, as it is handed to whoever reads it. */
#ifndef RUNTIME_NET_MESSAGE_H
#define RUNTIME_NET_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/list.h"
#include "runtime/base/mem.h"

/* Or a control frame.  Allocated with the mem of the connection, header and
 * data in one piece; free with message_free. */
struct message {
  struct list node; /* for its owner's queue */
  struct mem mem;
  uint8_t opcode; /* WS_TEXT, WS_BINARY; WS_PING, WS_PONG */
  size_t len;
  size_t cap; /* private: bytes allocated for data */
  char *data;
  /* For whoever it was handed to: room for a queue entry of theirs, so that a
   * message needs no second allocation.  The bytes of |data| follow: before it
   * is handed over what stands in front of them may be read to here. */
  void *user[6];
};
void message_free(struct message *m); /* NULL is harmless */

/* Makes |*m| (may be NULL at first: then it is made, empty) |cap| bytes long,
 * which is no less than what it holds.  0 or ERR_NOMEM, which does not come
 * when it shrinks.  It may move: not when it is in a queue. */
int message_resize(struct message **m, const struct mem *mem, uint8_t opcode,
                   size_t cap);

#endif
