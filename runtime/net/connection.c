/* connection.c - one WebSocket connection: the state machine over an opening,
 * then a stream and its frames. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/net/connection_impl.h"
#include "runtime/net/poller.h"

#define CLOSE_TIMEOUT_NS (5 * NS_PER_S)
/* One for a task that waits for a message to run and one for what it sends to
 * go out; the others for a broker between. */
#define FAIL_TURNS 4

const char *connection_stage_name(enum connection_stage s) {
  switch (s) {
  case STAGE_RESOLVE:
    return "resolve";
  case STAGE_CONNECT:
    return "connect";
  case STAGE_TLS:
    return "tls";
  case STAGE_HANDSHAKE:
    return "handshake";
  case STAGE_TIMEOUT:
    return "timeout";
  }
  return "unknown";
}

bool close_code_sendable(uint16_t code) {
  return close_code_valid(code);
}

/* -------------------------------------------------------------- parts --- */

void conn_drop_message(struct connection *c) {
  message_free(c->message);
  message_free(c->expected);
  c->message = c->expected = NULL;
}

void conn_free_compressors(struct connection *c) {
  inflater_free(c->inflater);
  c->inflater = NULL;
  deflater_free(c->deflater);
  c->deflater = NULL;
  list_remove(&c->awake);
}

/* One in the middle of a message stays as it is, and comes back when it has
 * gone on with it. */
static void compressors_sleep(struct connection *c) {
  list_remove(&c->awake);
  if (c->inflater)
    inflater_sleep(c->inflater);
  if (c->deflater)
    deflater_sleep(c->deflater);
}

void conn_count_awake(struct connection *c) {
  struct list *all = loop_awake(c->loop);
  size_t n = 0;
  if (!(c->inflater && inflater_awake(c->inflater)) &&
      !(c->deflater && deflater_awake(c->deflater)))
    return;
  list_remove(&c->awake);
  list_add_tail(all, &c->awake);
  list_foreach (it, all)
    n++;
  if (n > AWAKE_MAX)
    compressors_sleep(list_entry(all->next, struct connection, awake));
}

void conn_disconnect(struct connection *c) {
  c->state = CONN_DEAD;
  timer_stop(&c->timer);
  deferred_cancel(&c->kick);
  if (c->opening)
    c->opening_free(c->opening);
  c->opening = NULL;
  stream_free(c->stream);
  c->stream = NULL;
  conn_free_compressors(c);
  buf_deinit(&c->leftover);
  buf_deinit(&c->out);
  conn_drop_message(c);
  c->read_at = c->close_at = 0;
  if (!c->h)
    list_remove(&c->released);
}

static void destroy(struct connection *c) {
  struct mem mem = *loop_mem(c->loop);
  mem_free(&mem, c, sizeof *c);
}

void connection_free(struct connection *c) {
  gate_check();
  if (!c || c->freed)
    return;
  conn_drop_requests(c);
  conn_disconnect(c);
  mem_free(&c->mem, c->subprotocol, c->subprotocol_len + 1);
  c->subprotocol = NULL;
  c->h = NULL;
  list_remove(&c->released);
  c->freed = true;
  if (c->depth == 0)
    destroy(c);
}

void conn_kick(struct connection *c) {
  gate_check();
  if (c->state != CONN_DEAD)
    deferred_schedule(c->loop, &c->kick);
}

/* ---------------------------------------------- watching and deadlines --- */

/* The poller is level-triggered: only what will be looked at may be watched,
 * or the loop turns without end. */
static unsigned wanted_events(const struct connection *c) {
  unsigned out = c->out.len > 0 ? POLLER_WRITE : 0;
  if (c->stream->write_wants_read)
    out = POLLER_READ;
  if (c->state != CONN_DRAINING && !conn_receiving(c))
    return out;
  if (c->stream->read_wants_write)
    out |= POLLER_WRITE;
  return out | (c->read_end ? 0 : POLLER_READ);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a == 0 || (b != 0 && b < a) ? b : a;
}

static uint64_t write_deadline(const struct connection *c) {
  const struct list *heads[] = {&c->flushing, &c->data, &c->control};
  uint64_t at = 0;
  if (c->write_timeout_ns == 0)
    return 0;
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
    if (!list_empty(heads[i])) {
      const struct send_request *r =
          list_entry(heads[i]->next, struct send_request, node);
      if (r->queued_ns <= UINT64_MAX - c->write_timeout_ns)
        at = earlier(at, r->queued_ns + c->write_timeout_ns);
    }
  return at;
}

static uint64_t deadline(const struct connection *c) {
  uint64_t at = c->close_at;
  if (!c->paused && c->state == CONN_OPEN) /* as on_timer judges it */
    at = earlier(at, c->read_at);
  return earlier(at, write_deadline(c));
}

/* The timer may fire too early, and then looks again: that is cheaper than
 * moving it with every message.  0 or ERR_NOMEM */
int conn_arm(struct connection *c) {
  uint64_t at = deadline(c);
  gate_check();
  if (at == 0 || (timer_active(&c->timer) && c->timer.node.key <= at))
    return 0;
  return timer_start_at(&c->timer, at);
}

void conn_enter(struct connection *c) {
  c->depth++;
}

void conn_leave(struct connection *c) {
  if (--c->depth > 0)
    return;
  if (!c->freed && c->state == CONN_DEAD && !c->h)
    connection_free(c); /* a released one has come to its end */
  else if (c->freed)
    destroy(c);
  else if (c->stream) {
    /* Either can fail only for lack of memory; what is left undone then is
     * noticed at the next event or deadline. */
    if (watch_active(&c->stream->watch))
      (void)watch_change(&c->stream->watch, wanted_events(c));
    (void)conn_arm(c);
  }
}

uint64_t conn_after(uint64_t now, uint64_t delay_ns) {
  return delay_ns > UINT64_MAX - now ? UINT64_MAX : now + delay_ns;
}

void conn_start_close_timeout(struct connection *c) {
  c->close_at = conn_after(loop_now_ns(c->loop), CLOSE_TIMEOUT_NS);
}

/* ------------------------------------------------------------- ending --- */

void conn_end_output(struct connection *c) {
  if (c->write_broken)
    return;
  stream_end(c->stream);
  c->write_broken = true;
}

void conn_finish(struct connection *c, uint16_t code, bool clean,
                 struct slice reason, bool linger) {
  struct connection_close how = {
      .code = code, .clean = clean, .reason = reason};
  if (c->state == CONN_DRAINING || c->state == CONN_DEAD)
    return;
  c->state = CONN_DRAINING;
  c->paused = false;
  c->read_at = 0;
  conn_drop_message(c);
  buf_deinit(&c->leftover);
  conn_fail_requests(c, false);
  if (c->freed)
    return;
  if (c->h)
    c->h->closed(c->ud, &how);
  if (c->freed || c->state == CONN_DEAD)
    return;
  if (!linger || c->read_end || c->write_broken || c->hung_up) {
    conn_disconnect(c);
    return;
  }
  conn_start_close_timeout(c);
  if (conn_flush(c) && c->out.len == 0)
    conn_end_output(c);
}

void conn_lose(struct connection *c) {
  struct slice none = {NULL, 0};
  if (c->fail_turns > 0)
    conn_finish(c, c->fail_code, false, slice_of(c->fail_reason), false);
  else if (c->peer_closed)
    conn_finish(c, c->peer_code, false,
                (struct slice){c->peer_reason, c->peer_reason_len}, false);
  else
    conn_finish(c, CLOSE_LOST, false, none, false);
}

void conn_fail_open(struct connection *c, uint16_t code, const char *reason) {
  struct slice text = slice_of(reason);
  bool linger = false;
  if (!c->close_begun && !c->frames.sending && !c->write_broken) {
    c->close_code = code;
    c->close_reason_len = 0;
    linger = conn_write_close(c) == 0;
  }
  conn_finish(c, code, false, text, linger);
}

void conn_fail_soon(struct connection *c, uint16_t code, const char *reason) {
  c->fail_turns = FAIL_TURNS;
  c->fail_code = code;
  c->fail_reason = reason;
  c->read_at = 0;
  conn_kick(c);
}

static void count_to_fail(struct connection *c) {
  if (--c->fail_turns > 0)
    conn_kick(c);
  else
    conn_fail_open(c, c->fail_code, c->fail_reason);
}

void conn_queue_close(struct connection *c, uint16_t code, struct slice reason,
                      struct send_request *r) {
  c->state = CONN_CLOSING;
  c->close_queued = true;
  c->close_code = code;
  c->close_reason_len = (uint8_t)reason.len;
  if (reason.len > 0)
    memcpy(c->close_reason, reason.p, reason.len);
  if (!r) {
    r = &c->close_request;
    *r = (struct send_request){.done = NULL};
  }
  r->opcode = WS_CLOSE;
  r->started = false;
  r->sent = 0;
  r->queued_ns = loop_now_ns(c->loop);
  list_add_tail(&c->data, &r->node);
  conn_start_close_timeout(c);
  conn_kick(c);
}

/* ------------------------------------------------- called from the loop --- */

static void step_open(struct connection *c, unsigned events) {
  if (c->paused && (events & POLLER_ERROR)) {
    /* Level-triggered, and nobody may read: look again when that changes. */
    watch_stop(&c->stream->watch);
    c->hung_up = true;
  }
  if ((events & (POLLER_WRITE | POLLER_ERROR)) || c->stream->write_wants_read)
    conn_pump(c);
  if (conn_receiving(c) && !c->owner_first)
    conn_receive(c);
}

static void on_watch(struct watch *w, unsigned events, void *ud) {
  struct connection *c = ud;
  (void)w;
  conn_enter(c);
  if (c->state == CONN_OPEN || c->state == CONN_CLOSING)
    step_open(c, events);
  else if (c->state == CONN_DRAINING)
    conn_drain(c);
  conn_leave(c);
}

static void on_kick(struct deferred *d, void *ud) {
  struct connection *c = ud;
  (void)d;
  c->owner_first = false;
  conn_enter(c);
  if (c->state == CONN_OPEN || c->state == CONN_CLOSING) {
    conn_pump(c);
    if (!c->freed && c->fail_turns > 0 && c->state <= CONN_CLOSING)
      count_to_fail(c);
    if (conn_receiving(c) && (c->more || c->read_end))
      conn_receive(c);
  } else if (c->state == CONN_DRAINING) {
    conn_drain(c);
  }
  conn_leave(c);
}

static bool due(uint64_t at, uint64_t now) {
  return at != 0 && at <= now;
}

static void on_timer(struct timer *t, void *ud) {
  struct connection *c = ud;
  uint64_t now = loop_now_ns(c->loop);
  (void)t;
  conn_enter(c);
  if (due(write_deadline(c), now))
    conn_lose(c);
  else if (due(c->close_at, now)) {
    if (c->state == CONN_DRAINING)
      conn_disconnect(c);
    else
      conn_lose(c);
  } else if (conn_receiving(c) && c->state == CONN_OPEN &&
             due(c->read_at, now)) {
    /* what came while this process did not run was in time */
    conn_receive(c);
    if (!c->freed && !c->paused && c->state == CONN_OPEN &&
        due(c->read_at, now))
      conn_fail_open(c, CLOSE_GOING_AWAY, "no message within the read timeout");
  }
  conn_leave(c);
}

/* ------------------------------------------------------------ opening --- */

int conn_open_up(struct connection *c, struct stream *s, struct slice rest,
                 struct slice protocol, const struct deflate_params *deflate) {
  int rv;
  if (!loop_scratch(c->loop))
    return ERR_NOMEM;
  buf_init(&c->leftover, &c->mem, LOOP_SCRATCH_BYTES);
  buf_init(&c->out, &c->mem, OUT_MAX);
  if (protocol.len > 0) {
    if (!(c->subprotocol = mem_strndup(&c->mem, protocol.p, protocol.len)))
      return ERR_NOMEM;
    c->subprotocol_len = protocol.len;
  }
  if ((rv = buf_add(&c->leftover, rest.p, rest.len)) != 0)
    return rv;
  c->deflate = *deflate;
  frames_init(&c->frames, c->read_limit, deflate->on);
  stream_hand_over(s, on_watch, c);
  c->stream = s;
  c->state = CONN_OPEN;
  if (c->read_timeout_ns)
    c->read_at = conn_after(clock_mono_ns(), c->read_timeout_ns);
  c->more = true;
  conn_kick(c);
  return conn_arm(c);
}

/* ------------------------------------------------------- for the owner --- */

struct connection *conn_create(struct loop *lp, const struct session_options *o,
                               const struct connection_handler *h, void *ud,
                               const struct mem *m) {
  struct connection *c = mem_zalloc(loop_mem(lp), sizeof *c);
  if (!c)
    return NULL;
  c->mem = *m;
  c->loop = lp;
  c->h = h;
  c->ud = ud;
  c->read_timeout_ns = o->read_timeout_ns;
  c->write_timeout_ns = o->write_timeout_ns;
  c->read_limit = o->read_limit;
  c->deflate_threshold = o->deflate_threshold;
  c->control_messages = o->control_messages;
  list_init(&c->released);
  list_init(&c->awake);
  list_init(&c->data);
  list_init(&c->control);
  list_init(&c->flushing);
  timer_init(&c->timer, lp, on_timer, c);
  deferred_init(&c->kick, on_kick, c);
  return c;
}

int connection_adopt(struct connection **ret, struct loop *lp, int fd,
                     struct slice rest, struct slice protocol,
                     const struct session_options *opts,
                     const struct connection_handler *h, void *ud,
                     const struct mem *m) {
  struct connection *c;
  struct stream *s = NULL;
  int rv;
  gate_check();
  if (rest.len > OPENING_REST_MAX || !deflate_params_valid(&opts->deflate))
    return ERR_INVALID;
  if (!(c = conn_create(lp, opts, h, ud, m)))
    return ERR_NOMEM;
  if ((rv = stream_new(&s, lp, fd, POLLER_READ, on_watch, c)) != 0 ||
      (rv = conn_open_up(c, s, rest, protocol, &opts->deflate)) != 0)
    goto fail;
  *ret = c;
  return 0;
fail:
  if (s) {
    c->stream = NULL;
    (void)stream_take_fd(s); /* it stays the caller's */
  }
  connection_free(c);
  return rv;
}

int connection_close(struct connection *c, uint16_t code, struct slice reason,
                     struct send_request *r) {
  gate_check();
  if (!close_code_sendable(code) || reason.len > CLOSE_REASON_MAX ||
      !utf8_valid(reason))
    return ERR_INVALID;
  if (c->state != CONN_OPEN || c->close_queued)
    return ERR_CLOSED;
  conn_enter(c);
  conn_queue_close(c, code, reason, r);
  conn_leave(c);
  return 0;
}

void connection_pause(struct connection *c, bool paused) {
  gate_check();
  if ((c->state != CONN_OPEN && c->state != CONN_CLOSING) ||
      c->paused == paused)
    return;
  conn_enter(c);
  c->paused = paused;
  if (!paused) {
    if (c->read_timeout_ns) /* the pause was our doing, not the peer's */
      c->read_at = conn_after(clock_mono_ns(), c->read_timeout_ns);
    c->more = true;
    conn_kick(c);
  }
  conn_leave(c);
}

bool connection_is_open(const struct connection *c) {
  return c->state == CONN_OPEN && !c->close_queued;
}

struct slice connection_subprotocol(const struct connection *c) {
  return (struct slice){c->subprotocol, c->subprotocol_len};
}

/* ----------------------------------------------------------- released --- */

/* The content of |b| moves to |mem|.  0 or ERR_NOMEM */
static int rebase(struct buf *b, const struct mem *mem) {
  struct buf moved;
  int rv;
  buf_init(&moved, mem, b->max);
  if (b->len > 0 && (rv = buf_add(&moved, buf_bytes(b), b->len)) != 0)
    return rv;
  buf_deinit(b);
  *b = moved;
  return 0;
}

/* The oldest goodbyes end where there are too many: their close frames have
 * long gone out, and a peer that never hangs up must not hold descriptors that
 * no limit on open connections counts. */
static void bound_released(struct loop *lp) {
  struct list *all = loop_released(lp);
  for (size_t n = connections_released(lp); n > CONNECTIONS_RELEASED_MAX; n--)
    connection_free(list_entry(all->next, struct connection, released));
}

/* Everything of the owner's memory goes.  0, or it cannot go on without */
static int leave_owner(struct connection *c) {
  const struct mem *mem = loop_mem(c->loop);
  int rv;
  conn_drop_requests(c);
  conn_drop_message(c);
  conn_free_compressors(c);
  mem_free(&c->mem, c->subprotocol, c->subprotocol_len + 1);
  c->subprotocol = NULL;
  c->subprotocol_len = 0;
  if ((rv = rebase(&c->out, mem)) != 0 || (rv = rebase(&c->leftover, mem)) != 0)
    return rv;
  c->mem = *mem;
  c->h = NULL;
  /* what many peers go on sending takes time that nobody pays for */
  c->goodbye_share = 1 + connections_released(c->loop) / 4;
  list_add_tail(loop_released(c->loop), &c->released);
  bound_released(c->loop);
  return 0;
}

static void release(struct connection *c, uint16_t code, bool now) {
  bool cut;
  gate_check();
  if (!c || c->freed || !c->h)
    return;
  cut = c->state < CONN_OPEN || c->state == CONN_DEAD ||
        (c->state != CONN_DRAINING && (c->frames.sending || c->write_broken));
  if (cut) {
    connection_free(c);
    return;
  }
  conn_enter(c);
  c->paused = false;
  c->more = true;
  c->read_at = 0;
  if (c->state != CONN_DRAINING) {
    if (!c->close_queued) {
      c->close_code = close_code_sendable(code) ? code : CLOSE_GOING_AWAY;
      if (c->fail_turns > 0)
        c->close_code = c->fail_code;
      c->close_reason_len = 0;
    }
    c->close_queued = true;
    c->state = CONN_CLOSING;
    cut = !c->close_begun && conn_write_close(c) != 0;
  }
  /* What the socket takes now need not be kept. */
  conn_start_close_timeout(c);
  cut = cut || !conn_flush(c) || now || leave_owner(c) != 0 || conn_arm(c) != 0;
  if (cut)
    connection_free(c);
  else
    conn_kick(c);
  conn_leave(c);
}

void connection_release(struct connection *c, uint16_t code) {
  release(c, code, false);
}

void connection_release_now(struct connection *c, uint16_t code) {
  release(c, code, true);
}

size_t connections_released(struct loop *lp) {
  size_t n = 0;
  list_foreach (it, loop_released(lp))
    n++;
  return n;
}

void connections_cut(struct loop *lp) {
  struct list *all = loop_released(lp);
  while (!list_empty(all))
    connection_free(list_entry(all->next, struct connection, released));
}
