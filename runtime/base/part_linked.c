/* part_linked.c - parts that are linked in. */
#include <stddef.h>

#include "runtime/base/gate.h"
#include "runtime/base/part.h"

extern const struct part cordon_part_tls;
#if CORDON_HAVE_RE2
extern const struct part cordon_part_regex;
#endif

const void *part_get(enum part_name name, struct err *e) {
  gate_check(); /* as where it loads */
  switch (name) {
  case PART_TLS:
    return cordon_part_tls.calls;
  case PART_REGEX:
#if CORDON_HAVE_RE2
    return cordon_part_regex.calls;
#endif
    break;
  }
  err_set(e, ERR_UNSUPPORTED);
  return NULL;
}
