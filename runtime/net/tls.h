/* tls.h - OpenSSL over a socket; the peer is always verified. */
#ifndef RUNTIME_NET_TLS_H
#define RUNTIME_NET_TLS_H

#include "runtime/base/err.h"
#include "runtime/base/mem.h"

struct tls_context;

/* The system's trust store, and the PEM certificates of |ca_file| (NULL: none)
 * beside it.  0, ERR_NOMEM, ERR_SYSTEM or ERR_INVALID (|e| says which file and
 * why). */
int tls_context_new(struct tls_context **ret, const struct mem *m,
                    const char *ca_file, struct err *e);
void tls_context_free(struct tls_context *t); /* NULL is harmless */

/* The session side is declared here by the owner of tls.c and used by
 * connection.c only. */

#endif
