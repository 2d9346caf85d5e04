/* part.h - parts of the library that are loaded when they are first needed:
 * each brings big libraries that only it uses, and whose dynamic linking would
 * be most of the time a script takes to start.
 *
 * A part shows one symbol, cordon_part_NAME.  In a build without shared
 * libraries, and in tests, all parts are linked in. */
#ifndef RUNTIME_BASE_PART_H
#define RUNTIME_BASE_PART_H

#include "runtime/base/err.h"

enum part_name {
  PART_TLS,   /* runtime/net/tls_calls.h: OpenSSL */
  PART_REGEX, /* policy/regex_re2.h: RE2 and the C++ library */
};

/* Changes whenever a table of calls does: library and parts are of one build.
 */
#define PART_VERSION PACKAGE_VERSION "/1"

struct part {
  const char *version;
  const void *calls; /* the table that the header above names */
};

#define PART_EXPORT __attribute__((visibility("default")))

/* The calls of a part, for good.  NULL: it cannot be loaded, and why is in |e|,
 * with paths: not for scripts.  Any thread; must not be called by code that may
 * be abandoned (gate.h): the dynamic linker locks. */
const void *part_get(enum part_name name, struct err *e);

#endif
