/* upgrade.h - the HTTP/1.1 upgrade of RFC 6455, section 4: bytes in, bytes out,
 * no fd. */
#ifndef RUNTIME_NET_UPGRADE_H
#define RUNTIME_NET_UPGRADE_H

#include <stdbool.h>

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/base/url.h"
#include "runtime/net/deflate.h"

#define UPGRADE_MAX_BYTES (16U * 1024) /* of the answer's header block */
#define UPGRADE_MAX_LINES 100          /* status line included */
#define UPGRADE_REQUEST_MAX_BYTES (64U * 1024)
#define UPGRADE_MAX_PROTOCOLS 64 /* offered at once */
#define UPGRADE_KEY_LEN 24
#define UPGRADE_ACCEPT_LEN 28

struct header {
  struct slice name;
  struct slice value;
};

/* May a script send this header?  0, or ERR_INVALID with |e|: the name is no
 * token or belongs to the handshake (Host, Connection, Upgrade, Content-Length,
 * Transfer-Encoding, Sec-WebSocket-*), or the value holds a control
 * character. */
int upgrade_check_header(const struct header *h, struct err *e);
/* At most UPGRADE_MAX_PROTOCOLS tokens, none twice.  0 or ERR_INVALID with |e|
 */
int upgrade_check_protocols(const struct slice *protocols, size_t n,
                            struct err *e);

/* |key|: base64 of 16 random bytes.  What the server must answer. */
void upgrade_accept(const char key[UPGRADE_KEY_LEN],
                    char out[UPGRADE_ACCEPT_LEN]);
int upgrade_make_key(char out[UPGRADE_KEY_LEN]); /* 0 or ERR_SYSTEM */

/* Appends the request.  0, ERR_INVALID (with |e|: a header or protocol, or the
 * whole is longer than |out| takes) or ERR_NOMEM */
int upgrade_write_request(struct buf *out, const struct url *url,
                          const char key[UPGRADE_KEY_LEN],
                          const struct header *headers, size_t nheaders,
                          const struct slice *protocols, size_t nprotocols,
                          enum deflate_mode deflate, struct err *e);

/* Reads the answer. */
struct upgrade {
  struct buf in; /* the header block so far */
  char accept[UPGRADE_ACCEPT_LEN];
  const struct slice *protocols; /* offered; borrowed */
  size_t nprotocols;
  enum deflate_mode deflate; /* offered; set it after upgrade_init */
  struct deflate_params agreed;
  unsigned lines;   /* seen whole */
  size_t line_from; /* where the line that is being read starts */
  unsigned status;  /* of the answer, once its first line was read */
  size_t protocol;  /* the one agreed on: index + 1; 0: none */
  /* which lines were seen */
  bool upgrade;
  bool connection;
  bool connection_upgrade; /* one of them names it */
  bool accepted;
  bool extensions;
};

/* |m| holds at most UPGRADE_MAX_BYTES. */
void upgrade_init(struct upgrade *u, const struct mem *m,
                  const char key[UPGRADE_KEY_LEN],
                  const struct slice *protocols, size_t nprotocols);
void upgrade_deinit(struct upgrade *u);

/* Takes bytes in pieces of any size.  0: upgraded, |*ret_used| bytes of |p|
 * belonged to the answer, the rest to the first frame; ERR_AGAIN: all were
 * used, more must come; ERR_PROTOCOL or ERR_NOMEM: |e| says why, u->status the
 * status if there was one.  Every byte is looked at as it comes: what can no
 * longer become a valid answer fails at once. */
int upgrade_feed(struct upgrade *u, const void *p, size_t len, size_t *ret_used,
                 struct err *e);

#endif
