/* about.h - what the libraries below net are, and whom TLS trusts; for people.
 */
#ifndef RUNTIME_NET_ABOUT_H
#define RUNTIME_NET_ABOUT_H

#include <stddef.h>

#include "runtime/base/err.h"

/* As they are linked, not as they were compiled; static.  Only OpenSSL may be
 * missing: NULL, with |e|. */
const char *about_openssl(struct err *e);
const char *about_cares(void);
const char *about_zlib(void);

/* Where tls_context_new looks, and how many certificates it finds there. */
struct about_trust {
  const char *file; /* static */
  const char *folder;
  size_t in_file;
  size_t in_folder;
};
/* 0 or ERR_SYSTEM: OpenSSL is missing */
int about_trust(struct about_trust *ret, struct err *e);

#endif
