/* host.h - an event loop, a resolver, a TLS context and a preemption timer,
 * which carry many sandboxes. */
#ifndef RUNTIME_HOST_H
#define RUNTIME_HOST_H

#include <stdatomic.h>

#include "runtime/base/err.h"
#include "runtime/base/list.h"
#include "runtime/base/mem.h"
#include "runtime/net/loop.h"
#include "runtime/net/poller.h"
#include "runtime/net/resolve.h"
#include "runtime/net/tls.h"
#include "runtime/vm/preempt.h"

struct worker_pool;

struct cordon_host {
  struct mem mem;
  struct loop *loop;
  struct resolver *resolver;
  struct tls_context *tls;
  struct preempt *preempt;
  struct list sandboxes;
  /* For isolated sandboxes, from the first one on: the helper program, workers
   * whose sandboxes are gone, and connections that are relayed to workers. */
  struct worker_pool *workers;
  struct watch workers_watch;
  char *worker_path; /* NULL: where it was installed */
  struct list departing;
  struct list relays;
  struct list orphans;      /* calls of scripts that outlive their sandbox */
  atomic_bool busy;         /* inside dispatch: callbacks may not re-enter */
  atomic_bool cancel_asked; /* of some sandbox */
};

struct host_config {
  const char *ca_file;
  const char *dns_servers;
  const char *worker_path;
  int preempt_signal;
};

/* 0, ERR_NOMEM, ERR_SYSTEM, ERR_INVALID */
int host_new(struct cordon_host **ret, const struct mem *m,
             const struct host_config *config, struct err *e);
/* Its sandboxes must be gone. */
void host_free(struct cordon_host *host);

/* Sees to it that workers can be asked for.  0, ERR_NOMEM, ERR_SYSTEM,
 * ERR_INVALID, ERR_UNSUPPORTED */
int host_workers(struct cordon_host *host, struct err *e);

/* One turn; waits for at most |wait_ms|.  0, ERR_SYSTEM, ERR_BUSY */
int host_dispatch(struct cordon_host *host, int wait_ms, struct err *e);

#endif
