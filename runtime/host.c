/* host.c - an event loop, a resolver, a TLS context and a preemption timer. */
#include "runtime/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/net/connection.h"
#include "runtime/net/relay.h"
#include "runtime/remote.h"
#include "runtime/sandbox.h"
#include "runtime/worker/spawn.h"

int host_new(struct cordon_host **ret, const struct mem *m,
             const struct host_config *config, struct err *e) {
  struct cordon_host *h = mem_zalloc(m, sizeof *h);
  int rv;
  if (!h)
    return err_set(e, ERR_NOMEM);
  h->mem = *m;
  list_init(&h->sandboxes);
  list_init(&h->departing);
  list_init(&h->relays);
  list_init(&h->orphans);
  if (config->worker_path &&
      !(h->worker_path =
            mem_strndup(m, config->worker_path, strlen(config->worker_path)))) {
    rv = err_set(e, ERR_NOMEM);
    goto fail;
  }
  atomic_init(&h->cancel_asked, false);
  if ((rv = loop_new(&h->loop, m)) != 0) {
    err_setf(e, rv, "the event loop could not be made: %s", err_text(rv));
    goto fail;
  }
  if ((rv = resolver_new(&h->resolver, h->loop, m, config->dns_servers)) != 0) {
    if (rv == ERR_INVALID)
      err_setf(e, rv, "bad list of name servers, expected \"ip:port,...\"");
    else
      err_setf(e, rv, "the resolver could not be set up: %s", err_text(rv));
    goto fail;
  }
  if ((rv = tls_context_new(&h->tls, m, config->ca_file, e)) != 0 ||
      (rv = preempt_new(&h->preempt, m, config->preempt_signal, e)) != 0)
    goto fail;
  *ret = h;
  return 0;
fail:
  host_free(h);
  return rv;
}

void host_free(struct cordon_host *h) {
  struct mem m;
  if (!h)
    return;
  /* Sandboxes point into the host: going on would be worse than ending. */
  if (!list_empty(&h->sandboxes) || h->busy)
    abort();
  exchange_drop_orphans(h);
  remotes_cut(h);
  relays_cut(&h->relays);
  watch_stop(&h->workers_watch);
  if (h->workers)
    worker_pool_free(h->workers);
  if (h->worker_path)
    mem_free(&h->mem, h->worker_path, strlen(h->worker_path) + 1);
  if (h->loop)
    connections_cut(h->loop);
  if (h->resolver)
    resolver_free(h->resolver);
  if (h->loop)
    loop_free(h->loop);
  tls_context_free(h->tls);
  preempt_free(h->preempt);
  m = h->mem;
  mem_free(&m, h, sizeof *h);
}

static void on_workers(struct watch *w, unsigned events, void *ud) {
  struct cordon_host *h = ud;
  (void)w;
  (void)events;
  worker_pool_dispatch(h->workers);
}

int host_workers(struct cordon_host *h, struct err *e) {
  int rv;
  if (h->workers)
    return 0;
  if ((rv = worker_pool_new(&h->workers, &h->mem, h->worker_path, e)) != 0)
    return rv;
  watch_init(&h->workers_watch, on_workers, h);
  rv = watch_start(&h->workers_watch, loop_poller(h->loop),
                   worker_pool_fd(h->workers), POLLER_READ);
  if (rv == 0)
    return 0;
  worker_pool_free(h->workers);
  h->workers = NULL;
  return err_set(e, rv);
}

int host_dispatch(struct cordon_host *h, int wait_ms, struct err *e) {
  int rv, number;
  if (atomic_exchange(&h->busy, true)) /* or by another thread */
    return err_setf(e, ERR_BUSY, "called from inside a callback");
  if (atomic_exchange(&h->cancel_asked, false))
    list_foreach (it, &h->sandboxes)
      sandbox_look_at_cancel(list_entry(it, struct cordon_sandbox, node));
  rv = loop_dispatch(h->loop, wait_ms);
  number = errno;
  h->busy = false;
  if (rv == ERR_SYSTEM)
    return err_system(e, number, "the event loop failed");
  if (rv != 0)
    return err_setf(e, rv, "the event loop failed: %s", err_text(rv));
  return 0;
}
