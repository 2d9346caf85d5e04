/* opening.h - how a WebSocket connection comes about: resolve, judge each
 * address, dial, TLS, upgrade.  Ends in an open stream, or says why not.  Event
 * driven on a loop; knows neither Lua nor policy. */
#ifndef RUNTIME_NET_OPENING_H
#define RUNTIME_NET_OPENING_H

#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/base/url.h"
#include "runtime/net/loop.h"
#include "runtime/net/stream.h"
#include "runtime/net/upgrade.h" /* struct header, upgrade_check_* */

struct resolver;    /* resolve.h: c-ares on the loop */
struct tls_context; /* tls.h: trust store, sessions */
struct opening;

enum connection_stage {
  STAGE_RESOLVE,
  STAGE_CONNECT,
  STAGE_TLS,
  STAGE_HANDSHAKE,
  STAGE_TIMEOUT
};
const char *connection_stage_name(enum connection_stage s); /* "resolve" ... */

/* Why a connection was never opened.  Borrowed for the callback. */
struct connection_failure {
  int code; /* ERR_DENIED: judge refused (every address, or the last one);
               ERR_NOMEM; else ERR_PROTOCOL, ERR_TIMEOUT, ERR_SYSTEM ... */
  enum connection_stage stage;
  unsigned http_status; /* of an answer that was no 101; else 0 */
  char reason[256];     /* "connection refused", "certificate has expired (of
                           CN=..., until ...)"; safe to print */
};

struct opening_options {
  const struct url *url;
  const struct header *headers; /* already checked by the caller; the library
                                   checks again and refuses (ERR_INVALID) */
  size_t nheaders;
  const struct slice *protocols;
  size_t nprotocols;
  enum deflate_mode deflate; /* to be offered */
  uint64_t dial_timeout_ns;  /* resolve to upgrade; 0: none */
};

/* Bytes behind the answer that may have come with it, at most. */
#define OPENING_REST_MAX 4096

/* What it led to. */
struct opened {
  /* The callee's from now on: it hands it over to a watch function of its own
   * and frees it, or takes the fd out of it (stream_take_fd).  TLS may hold
   * decrypted bytes that the poller does not tell of: read once at first. */
  struct stream *stream;
  /* Borrowed for the callback: the first bytes of the first frames, and the
   * subprotocol agreed on (empty: none). */
  struct slice rest;
  struct slice protocol;
  struct deflate_params deflate; /* agreed on */
};

/* All called from the loop, never from inside a call into the opening.
 * opening_free may be called in any of them. */
struct opening_handler {
  /* May |ip|:|port| be dialled?  0: yes; ERR_DENIED: no. */
  int (*judge)(void *ud, const struct ip *ip, uint16_t port);
  /* One of these, once; nothing follows. */
  void (*opened)(void *ud, const struct opened *o);
  void (*failed)(void *ud, const struct connection_failure *f);
};

/* Starts.  |opts| and what it points to are borrowed for the call; |h| is kept.
 * What a script or a server can make longer comes from |m|, and nothing of it
 * is held once opening_free has returned; the rest, of a fixed size, comes from
 * the loop's memory, libc and OpenSSL.  |rs| may be NULL where the host is an
 * IP literal, |tls| for ws://.  0, ERR_NOMEM or ERR_INVALID; then no callback
 * ever comes. */
int opening_new(struct opening **ret, struct loop *lp, struct resolver *rs,
                struct tls_context *tls, const struct opening_options *opts,
                const struct opening_handler *h, void *ud, const struct mem *m,
                struct err *e);
/* Before or after the end; what is under way is dropped, no callback comes any
 * more.  NULL is harmless. */
void opening_free(struct opening *o);

#endif
