/* host.h - an event loop, a resolver, a TLS context and a preemption timer,
 * which carry many sandboxes. */
#ifndef RUNTIME_HOST_H
#define RUNTIME_HOST_H

#include <stdatomic.h>

#include "runtime/base/err.h"
#include "runtime/base/list.h"
#include "runtime/base/mem.h"
#include "runtime/net/loop.h"
#include "runtime/net/resolve.h"
#include "runtime/net/tls.h"
#include "runtime/vm/preempt.h"

struct cordon_host {
  struct mem mem;
  struct loop *loop;
  struct resolver *resolver;
  struct tls_context *tls;
  struct preempt *preempt;
  struct list sandboxes;
  bool busy;                /* inside dispatch: callbacks may not re-enter */
  atomic_bool cancel_asked; /* of some sandbox */
};

struct host_config {
  const char *ca_file;
  const char *dns_servers;
  int preempt_signal;
};

/* 0, ERR_NOMEM, ERR_SYSTEM, ERR_INVALID */
int host_new(struct cordon_host **ret, const struct mem *m,
             const struct host_config *config, struct err *e);
/* Its sandboxes must be gone. */
void host_free(struct cordon_host *host);

/* One turn; waits for at most |wait_ms|.  0, ERR_SYSTEM, ERR_BUSY */
int host_dispatch(struct cordon_host *host, int wait_ms, struct err *e);

#endif
