/* tls.h - OpenSSL over a socket; the peer is always verified. */
#ifndef RUNTIME_NET_TLS_H
#define RUNTIME_NET_TLS_H

#include "runtime/base/gate.h"
#include "runtime/net/tls_calls.h"

struct tls_context;

/* The system's trust store, and the PEM certificates of |ca_file| (NULL: none)
 * beside it.  The store is the one OpenSSL was built for; SSL_CERT_FILE,
 * SSL_CERT_DIR and OPENSSL_CONF are ignored: whoever sets a script's
 * environment must not choose whom it trusts.  Lists of revoked certificates
 * (CRLs) in |ca_file| are asked for each certificate of a chain; an authority
 * without one has revoked nothing, an expired list refuses.  Files are read
 * once: later changes of them are for the next context.  Sessions are resumed,
 * within an hour and as long as the certificate is valid, and are not verified
 * again: the lists that judged them are the ones there still are.
 *
 * Without |ca_file| nothing is loaded before the first session: OpenSSL and the
 * system's store take many times as long as everything else a host needs to
 * start, and most scripts never ask for them.  0, ERR_NOMEM, ERR_SYSTEM or
 * ERR_INVALID (|e| says which file and why). */
int tls_context_new(struct tls_context **ret, const struct mem *m,
                    const char *ca_file, struct err *e);
/* After the last session.  NULL is harmless. */
void tls_context_free(struct tls_context *t);

/* One client session over |fd|, which stays its owner's; used by connection.c
 * only.  Never raises SIGPIPE.  OpenSSL's own allocations come from libc. */
struct tls_session;

/* The peer must prove to be |host| (NUL-terminated; sent as SNI), or, when
 * |host| is NULL, |ip|.  0, ERR_NOMEM, ERR_INVALID or ERR_SYSTEM, with |e| */
int tls_session_new(struct tls_session **ret, struct tls_context *t, int fd,
                    const char *host, const struct ip *ip, struct err *e);

/* The session's calls are its first member. */
static inline const struct tls_calls *
tls_calls_of(const struct tls_session *s) {
  gate_check();
  return *(const struct tls_calls *const *)(const void *)s;
}

static inline void tls_session_free(struct tls_session *s) {
  if (s)
    tls_calls_of(s)->session_free(s);
}

/* 0: done and verified; ERR_AGAIN (see tls_wants_write); else |e| says which
 * check failed, for whom, until when. */
static inline int tls_handshake(struct tls_session *s, struct err *e) {
  return tls_calls_of(s)->handshake(s, e);
}

/* 0 with |*ret_n| > 0, or 0 at an orderly end (close_notify); ERR_AGAIN;
 * ERR_CLOSED: cut off without close_notify; ERR_SYSTEM; ERR_PROTOCOL */
static inline int tls_read(struct tls_session *s, void *p, size_t len,
                           size_t *ret_n) {
  return tls_calls_of(s)->read(s, p, len, ret_n);
}

/* After a read that gave bytes: there were no more, neither here nor in the
 * socket. */
static inline bool tls_drained(const struct tls_session *s) {
  return tls_calls_of(s)->drained(s);
}

/* 0 with |*ret_n| > 0; ERR_AGAIN: call again with at least the same bytes (they
 * may have moved); ERR_SYSTEM, ERR_PROTOCOL: nothing more can be written. */
static inline int tls_write(struct tls_session *s, const void *p, size_t len,
                            size_t *ret_n) {
  return tls_calls_of(s)->write(s, p, len, ret_n);
}

/* After ERR_AGAIN: the session waits for the socket to take bytes, not to have
 * some.  It says so too when it has read some that it has not looked at. */
static inline bool tls_wants_write(const struct tls_session *s) {
  return tls_calls_of(s)->wants_write(s);
}

/* Sends close_notify, as far as the socket takes it now. */
static inline void tls_shutdown(struct tls_session *s) {
  tls_calls_of(s)->shutdown(s);
}

#endif
