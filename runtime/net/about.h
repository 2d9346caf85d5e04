/* about.h - what the libraries below net are, and whom TLS trusts; for people.
 */
#ifndef RUNTIME_NET_ABOUT_H
#define RUNTIME_NET_ABOUT_H

#include <stddef.h>

/* As they are linked, not as they were compiled; static, never NULL. */
const char *about_openssl(void);
const char *about_cares(void);
const char *about_zlib(void);

/* Where tls_context_new looks, and how many certificates it finds there. */
struct about_trust {
  const char *file; /* static */
  const char *folder;
  size_t in_file;
  size_t in_folder;
};
void about_trust(struct about_trust *ret);

#endif
