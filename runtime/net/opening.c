/* opening.c - the steps from a URL to an open stream: the state machine over
 * resolve, dial, tls and upgrade. */
#include "runtime/net/opening.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/buf.h"
#include "runtime/base/clock.h"
#include "runtime/net/dial.h"
#include "runtime/net/resolve.h"
#include "runtime/net/tls.h"

enum opening_state {
  OPENING_RESOLVING,
  OPENING_DIALING,
  OPENING_TLS,
  OPENING_UPGRADING,
  OPENING_OVER /* the owner knows how it ended */
};

struct opening {
  struct mem mem; /* of the owner */
  struct loop *loop;
  struct tls_context *tls_context;
  const struct opening_handler *h;
  void *ud;
  enum opening_state state;
  unsigned depth; /* of calls from the loop that are using |this| */
  bool freed;     /* the last of them frees the memory */

  struct timer timer; /* the dial timeout */
  struct resolve_query *query;
  struct dial *dial;
  struct stream *stream;
  struct buf out; /* what is left of the request */
  struct upgrade upgrade;

  bool tls;
  bool answered;     /* a byte of the answer came */
  bool write_broken; /* the request will not arrive */
  bool host_is_name; /* else an IP literal: ip */
  uint16_t port;
  struct ip ip;
  char key[UPGRADE_KEY_LEN];
  char host[256];
  struct slice *protocols; /* the texts stand behind the slices */
  size_t nprotocols;
  size_t protocols_bytes;
};

/* --------------------------------------------------------------- life --- */

/* Nothing is under way any more.  The upgrade and the owner's memory stay until
 * the callback has seen them. */
static void stop(struct opening *o) {
  o->state = OPENING_OVER;
  timer_stop(&o->timer);
  if (o->query)
    resolve_cancel(o->query);
  o->query = NULL;
  dial_free(o->dial);
  o->dial = NULL;
  stream_free(o->stream);
  o->stream = NULL;
}

static void destroy(struct opening *o) {
  mem_free(loop_mem(o->loop), o, sizeof *o);
}

void opening_free(struct opening *o) {
  if (!o || o->freed)
    return;
  stop(o);
  buf_deinit(&o->out);
  upgrade_deinit(&o->upgrade);
  mem_free(&o->mem, o->protocols, o->protocols_bytes);
  o->protocols = NULL;
  o->freed = true;
  if (o->depth == 0)
    destroy(o);
}

/* Level-triggered: only what will be looked at may be watched. */
static unsigned wanted_events(const struct opening *o) {
  unsigned events = POLLER_READ;
  if (o->state == OPENING_TLS)
    return tls_wants_write(o->stream->tls) ? POLLER_WRITE : POLLER_READ;
  if ((o->out.len > 0 && !o->stream->write_wants_read) ||
      o->stream->read_wants_write)
    events |= POLLER_WRITE;
  return events;
}

static void enter(struct opening *o) {
  o->depth++;
}

static void leave(struct opening *o) {
  if (--o->depth > 0)
    return;
  if (o->freed)
    destroy(o);
  else if (o->stream)
    (void)watch_change(&o->stream->watch, wanted_events(o));
}

static void fail(struct opening *o, int code, enum connection_stage stage,
                 const char *reason) {
  struct connection_failure f = {.code = code, .stage = stage};
  if (o->upgrade.status != 101)
    f.http_status = o->upgrade.status;
  snprintf(f.reason, sizeof f.reason, "%s", reason);
  stop(o);
  o->h->failed(o->ud, &f);
}

static void fail_err(struct opening *o, enum connection_stage stage,
                     const struct err *e) {
  fail(o, e->code, stage, e->message);
}

/* ------------------------------------------------------------ upgrade --- */

/* Sends what the socket takes of the request.  When it takes none any more, the
 * answer that says why may be there all the same. */
static void send_request(struct opening *o) {
  while (o->out.len > 0) {
    size_t n = 0;
    int rv = stream_write(o->stream, buf_bytes(&o->out), o->out.len, &n);
    if (rv == ERR_AGAIN)
      return;
    if (rv != 0) {
      o->write_broken = true;
      o->stream->write_wants_read = false;
      buf_clear(&o->out);
      return;
    }
    buf_consume(&o->out, n);
  }
  buf_shrink(&o->out);
}

static void succeed(struct opening *o, const uint8_t *rest, size_t len) {
  struct opened opened = {.stream = o->stream,
                          .rest = {(const char *)rest, len},
                          .deflate = o->upgrade.agreed};
  if (o->upgrade.protocol > 0)
    opened.protocol = o->protocols[o->upgrade.protocol - 1];
  o->stream = NULL;
  stop(o);
  o->h->opened(o->ud, &opened);
}

static void step_upgrading(struct opening *o) {
  uint8_t piece[OPENING_REST_MAX];
  struct err e;
  size_t n = 0, used;
  int rv;
  send_request(o);
  while ((rv = stream_read(o->stream, piece, sizeof piece, &n)) == 0 && n > 0) {
    o->answered = true;
    rv = upgrade_feed(&o->upgrade, piece, n, &used, &e);
    if (rv == ERR_AGAIN)
      continue;
    if (rv == 0 && (o->out.len > 0 || o->write_broken))
      rv = err_setf(&e, ERR_PROTOCOL,
                    "the server's answer came before the request was sent");
    if (rv == 0)
      succeed(o, piece + used, n - used);
    else
      fail_err(o, STAGE_HANDSHAKE, &e);
    return;
  }
  if (rv == ERR_AGAIN)
    return;
  fail(o, ERR_PROTOCOL, STAGE_HANDSHAKE,
       o->answered
           ? "the server closed the connection in the middle of its answer"
           : "the server closed the connection without an answer");
}

static void step_tls(struct opening *o) {
  struct err e;
  int rv = tls_handshake(o->stream->tls, &e);
  if (rv == ERR_AGAIN)
    return;
  if (rv != 0) {
    fail_err(o, STAGE_TLS, &e);
    return;
  }
  o->state = OPENING_UPGRADING;
  step_upgrading(o);
}

/* ------------------------------------------------- called from the loop --- */

static void on_watch(struct watch *w, unsigned events, void *ud) {
  struct opening *o = ud;
  (void)w;
  (void)events;
  enter(o);
  if (o->state == OPENING_TLS)
    step_tls(o);
  else
    step_upgrading(o);
  leave(o);
}

static void on_dialled(void *ud, int fd, const struct err *e) {
  struct opening *o = ud;
  struct err why;
  int rv;
  enter(o);
  dial_free(o->dial);
  o->dial = NULL;
  if (fd < 0) {
    fail_err(o, STAGE_CONNECT, e);
    leave(o);
    return;
  }
  rv = stream_new(&o->stream, o->loop, fd, POLLER_WRITE, on_watch, o);
  if (rv != 0) {
    err_set(&why, rv);
    close(fd);
  } else if (o->tls) {
    rv = tls_session_new(&o->stream->tls, o->tls_context, fd,
                         o->host_is_name ? o->host : NULL, &o->ip, &why);
  }
  if (rv != 0) {
    fail_err(o, o->stream ? STAGE_TLS : STAGE_CONNECT, &why);
  } else if (o->tls) {
    o->state = OPENING_TLS;
    step_tls(o);
  } else {
    o->state = OPENING_UPGRADING;
    step_upgrading(o);
  }
  leave(o);
}

static int on_judge(void *ud, const struct ip *ip, uint16_t port) {
  struct opening *o = ud;
  int rv;
  enter(o);
  rv = o->h->judge(o->ud, ip, port);
  leave(o);
  return rv;
}

static int start_dial(struct opening *o, const struct ip *addresses, size_t n) {
  static const struct dial_handler handler = {.judge = on_judge,
                                              .done = on_dialled};
  o->state = OPENING_DIALING;
  return dial_new(&o->dial, o->loop, loop_mem(o->loop), addresses, n, o->port,
                  &handler, o);
}

static void on_resolved(void *ud, int code, const char *why,
                        const struct ip *addresses, size_t n) {
  struct opening *o = ud;
  enter(o);
  o->query = NULL;
  if (code != 0)
    fail(o, code, STAGE_RESOLVE, why);
  else if ((code = start_dial(o, addresses, n)) != 0)
    fail(o, code, STAGE_CONNECT, err_text(code));
  leave(o);
}

static void on_timer(struct timer *t, void *ud) {
  struct opening *o = ud;
  const char *what = "timed out";
  (void)t;
  switch (o->state) {
  case OPENING_RESOLVING:
    what = "timed out while the name was resolved";
    break;
  case OPENING_DIALING:
    what = "timed out while connecting";
    break;
  case OPENING_TLS:
    what = "timed out in the TLS handshake";
    break;
  case OPENING_UPGRADING:
    what = "timed out waiting for the server's answer";
    break;
  case OPENING_OVER:
    return;
  }
  enter(o);
  fail(o, ERR_TIMEOUT, STAGE_TIMEOUT, what);
  leave(o);
}

/* ------------------------------------------------------- for the owner --- */

/* The offered subprotocols in one block: slices, then their texts. */
static int copy_protocols(struct opening *o,
                          const struct opening_options *opts) {
  size_t bytes = opts->nprotocols * sizeof *o->protocols;
  char *text;
  if (opts->nprotocols == 0)
    return 0;
  for (size_t i = 0; i < opts->nprotocols; i++)
    bytes += opts->protocols[i].len; /* all of them fit in the request */
  if (!(o->protocols = mem_alloc(&o->mem, bytes)))
    return ERR_NOMEM;
  o->protocols_bytes = bytes;
  o->nprotocols = opts->nprotocols;
  text = (char *)(o->protocols + opts->nprotocols);
  for (size_t i = 0; i < opts->nprotocols; i++) {
    o->protocols[i] = (struct slice){text, opts->protocols[i].len};
    memcpy(text, opts->protocols[i].p, opts->protocols[i].len);
    text += opts->protocols[i].len;
  }
  return 0;
}

static int prepare(struct opening *o, const struct opening_options *opts,
                   struct resolver *rs, struct err *e) {
  const struct url *url = opts->url;
  int rv;
  o->tls = url->tls;
  o->host_is_name = url->host_kind == URL_HOST_NAME;
  o->port = url->port;
  o->ip = url->ip;
  if (url->host.len >= sizeof o->host || (o->tls && !o->tls_context) ||
      (o->host_is_name && !rs))
    return err_set(e, ERR_INVALID);
  memcpy(o->host, url->host.p, url->host.len);
  buf_init(&o->out, &o->mem, UPGRADE_REQUEST_MAX_BYTES);
  if ((rv = upgrade_make_key(o->key)) != 0)
    return err_setf(e, rv, "no random numbers");
  if ((rv = upgrade_write_request(&o->out, url, o->key, opts->headers,
                                  opts->nheaders, opts->protocols,
                                  opts->nprotocols, opts->deflate, e)) != 0)
    return rv;
  if ((rv = copy_protocols(o, opts)) != 0)
    return err_set(e, rv);
  upgrade_init(&o->upgrade, &o->mem, o->key, o->protocols, o->nprotocols);
  o->upgrade.deflate = opts->deflate;
  return 0;
}

static int start(struct opening *o, const struct opening_options *opts,
                 struct resolver *rs) {
  uint64_t now = clock_mono_ns(), delay = opts->dial_timeout_ns;
  int rv;
  if (delay != 0 && (rv = timer_start_at(&o->timer, delay > UINT64_MAX - now
                                                        ? UINT64_MAX
                                                        : now + delay)) != 0)
    return rv;
  if (!o->host_is_name)
    return start_dial(o, &o->ip, 1);
  o->state = OPENING_RESOLVING;
  return resolve_start(&o->query, rs, opts->url->host, on_resolved, o);
}

int opening_new(struct opening **ret, struct loop *lp, struct resolver *rs,
                struct tls_context *tls, const struct opening_options *opts,
                const struct opening_handler *h, void *ud, const struct mem *m,
                struct err *e) {
  struct opening *o = mem_zalloc(loop_mem(lp), sizeof *o);
  int rv;
  if (!o)
    return err_set(e, ERR_NOMEM);
  o->mem = *m;
  o->loop = lp;
  o->tls_context = tls;
  o->h = h;
  o->ud = ud;
  timer_init(&o->timer, lp, on_timer, o);
  if ((rv = prepare(o, opts, rs, e)) != 0)
    goto fail;
  if ((rv = start(o, opts, rs)) != 0) {
    err_set(e, rv);
    goto fail;
  }
  *ret = o;
  return 0;
fail:
  opening_free(o);
  return rv;
}
