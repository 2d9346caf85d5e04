/* about.c - asks the libraries what they are. */
#include "runtime/net/about.h"

#include <ares.h>
#include <zlib.h>

#include "runtime/base/part.h"
#include "runtime/net/tls_calls.h"

const char *about_openssl(struct err *e) {
  const struct tls_calls *calls = part_get(PART_TLS, e);
  return calls ? calls->version() : NULL;
}

const char *about_cares(void) {
  return ares_version(NULL);
}

const char *about_zlib(void) {
  return zlibVersion();
}

int about_trust(struct about_trust *ret, struct err *e) {
  const struct tls_calls *calls = part_get(PART_TLS, e);
  if (!calls)
    return ERR_SYSTEM;
  calls->trust(ret);
  return 0;
}
