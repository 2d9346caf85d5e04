/* connection_dial.c - a connection that opens itself.  Apart from the others,
 * so that a program which adopts what somebody else has opened is linked
 * without resolver and TLS. */
#include <stdio.h>

#include "runtime/base/gate.h"
#include "runtime/net/connection_impl.h"

static void on_opened(void *ud, const struct opened *o) {
  struct connection *c = ud;
  struct connection_failure f = {.stage = STAGE_HANDSHAKE};
  conn_enter(c);
  f.code = conn_open_up(c, o->stream, o->rest, o->protocol, &o->deflate);
  if (f.code == 0) {
    opening_free(c->opening);
    c->opening = NULL;
    c->h->opened(c->ud);
  } else {
    snprintf(f.reason, sizeof f.reason, "%s", err_text(f.code));
    if (!c->stream)
      stream_free(o->stream);
    conn_disconnect(c);
    c->h->failed(c->ud, &f);
  }
  conn_leave(c);
}

static void on_failed(void *ud, const struct connection_failure *f) {
  struct connection *c = ud;
  conn_enter(c);
  conn_disconnect(c);
  c->h->failed(c->ud, f);
  conn_leave(c);
}

static int on_judge(void *ud, const struct ip *ip, uint16_t port) {
  struct connection *c = ud;
  int rv;
  conn_enter(c);
  rv = c->h->judge(c->ud, ip, port);
  conn_leave(c);
  return rv;
}

int connection_new(struct connection **ret, struct loop *lp,
                   struct resolver *rs, struct tls_context *tls,
                   const struct connection_options *opts,
                   const struct connection_handler *h, void *ud,
                   const struct mem *m, struct err *e) {
  static const struct opening_handler handler = {
      .judge = on_judge, .opened = on_opened, .failed = on_failed};
  struct connection *c = conn_create(lp, &opts->session, h, ud, m);
  int rv;
  gate_check();
  if (!c)
    return err_set(e, ERR_NOMEM);
  c->opening_free = opening_free;
  rv = opening_new(&c->opening, lp, rs, tls, &opts->opening, &handler, c,
                   &c->mem, e);
  if (rv != 0) {
    connection_free(c);
    return rv;
  }
  *ret = c;
  return 0;
}
