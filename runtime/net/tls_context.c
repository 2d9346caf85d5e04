/* tls_context.c - TLS from when it is first needed. */
#include "runtime/base/gate.h"
#include "runtime/base/part.h"
#include "runtime/net/tls.h"

struct tls_context {
  struct mem mem;
  const struct tls_calls *calls;
  struct tls_store *store; /* NULL until the first session */
};

static int context_open(struct tls_context *t, const char *ca_file,
                        struct err *e) {
  t->calls = part_get(PART_TLS, e);
  return t->calls ? t->calls->store_new(&t->store, &t->mem, ca_file, e)
                  : ERR_SYSTEM;
}

int tls_context_new(struct tls_context **ret, const struct mem *m,
                    const char *ca_file, struct err *e) {
  struct tls_context *t = mem_zalloc(m, sizeof *t);
  int rv;
  if (!t)
    return err_set(e, ERR_NOMEM);
  t->mem = *m;
  if (ca_file && (rv = context_open(t, ca_file, e)) != 0) {
    tls_context_free(t);
    return rv;
  }
  *ret = t;
  return 0;
}

void tls_context_free(struct tls_context *t) {
  struct mem mem;
  if (!t)
    return;
  if (t->store)
    t->calls->store_free(t->store);
  mem = t->mem;
  mem_free(&mem, t, sizeof *t);
}

int tls_session_new(struct tls_session **ret, struct tls_context *t, int fd,
                    const char *host, const struct ip *ip, struct err *e) {
  int rv;
  gate_check();
  if (!t->store && (rv = context_open(t, NULL, NULL)) != 0) {
    /* scripts are told: no paths of this machine */
    return rv == ERR_NOMEM ? err_set(e, rv)
                           : err_setf(e, rv,
                                      "TLS cannot be loaded here ('cordon "
                                      "doctor' tells why)");
  }
  rv = t->calls->session_new(ret, t->store, fd, host, ip);
  return rv == 0 ? 0 : err_set(e, rv);
}
