/* tls_calls.h - what tls.h is made of: one table, so that nothing else needs
 * OpenSSL to be there. */
#ifndef RUNTIME_NET_TLS_CALLS_H
#define RUNTIME_NET_TLS_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/err.h"
#include "runtime/base/ip.h"
#include "runtime/base/mem.h"
#include "runtime/net/about.h"

struct tls_session;
struct tls_store; /* trust, and tickets of sessions */

/* As the functions of the same names in tls.h and about.h. */
struct tls_calls {
  int (*store_new)(struct tls_store **ret, const struct mem *m,
                   const char *ca_file, struct err *e);
  void (*store_free)(struct tls_store *t);
  int (*session_new)(struct tls_session **ret, struct tls_store *t, int fd,
                     const char *host, const struct ip *ip);
  void (*session_free)(struct tls_session *s);
  int (*handshake)(struct tls_session *s, struct err *e);
  int (*read)(struct tls_session *s, void *p, size_t len, size_t *ret_n);
  bool (*drained)(const struct tls_session *s);
  int (*write)(struct tls_session *s, const void *p, size_t len, size_t *ret_n);
  bool (*wants_write)(const struct tls_session *s);
  void (*shutdown)(struct tls_session *s);
  const char *(*version)(void);
  void (*trust)(struct about_trust *ret);
};

/* tls_about.c */
const char *tls_about_version(void);
void tls_about_trust(struct about_trust *ret);

#endif
