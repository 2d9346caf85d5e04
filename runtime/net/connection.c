/* connection.c - one WebSocket connection: the state machine over an opening,
 * then a stream and its frames. */
#include "runtime/net/connection.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/buf.h"
#include "runtime/base/clock.h"
#include "runtime/net/poller.h"
#include "runtime/net/stream.h"

#define CLOSE_TIMEOUT_NS (5 * NS_PER_S)
#define CLOSE_REASON_MAX (FRAMES_CONTROL_MAX - 2)

/* Masked bytes that wait for the socket; a control frame always finds room
 * behind a full share of data. */
#define OUT_DATA_MAX (16U * 1024)
#define OUT_CONTROL_ROOM (FRAMES_HEADER_MAX + FRAMES_CONTROL_MAX)
#define OUT_MAX (OUT_DATA_MAX + 2 * OUT_CONTROL_ROOM)
#define OUT_KEPT 1024 /* a buffer that an idle connection may keep */

/* One connection's share of a turn. */
#define TURN_READ_BYTES (64U * 1024)
#define TURN_WRITE_BYTES (256U * 1024)
#define TURN_EVENTS 256

#define MESSAGE_FIRST_BYTES (16U * 1024) /* whatever the peer announces */
#define PIECE_BYTES 4096

enum connection_state {
  CONN_OPENING,
  CONN_OPEN,
  CONN_CLOSING,  /* a close frame is queued, sent or received */
  CONN_DRAINING, /* the owner knows the end; the last bytes go and come */
  CONN_DEAD      /* no socket */
};

struct connection {
  struct mem mem; /* of the owner; the loop's after connection_release */
  struct loop *loop;
  const struct connection_handler *h; /* NULL: nobody is told any more */
  void *ud;
  struct list released;
  enum connection_state state;
  unsigned depth; /* of calls from the loop that are using |this| */
  bool freed;     /* the last of them frees the memory */

  struct opening *opening; /* until it is open, and */
  struct stream *stream;   /* from then on */
  struct timer timer;
  struct deferred kick;
  char *subprotocol;
  size_t subprotocol_len;

  uint64_t read_timeout_ns;
  uint64_t write_timeout_ns;
  uint64_t read_limit;
  uint64_t read_at; /* deadlines; 0: none */
  uint64_t close_at;

  /* receiving */
  struct frames frames;
  struct buf leftover; /* came behind the upgrade's answer */
  struct message *message;
  size_t budget; /* bytes that may still be read in this turn */
  bool control_messages;
  bool paused;
  bool more;     /* something may be there that the poller does not tell */
  bool read_end; /* EOF or an error: nothing more comes */
  bool hung_up;  /* reported while nothing was to be read: not watched */

  /* sending */
  struct buf out;
  uint64_t out_sent; /* bytes handed to the kernel so far */
  struct list data;  /* send_requests in order; the first may be started */
  struct list control;
  struct list flushing;              /* in |out| as a whole */
  struct send_request close_request; /* when nobody waits for the frame */
  struct send_request orphan;        /* the rest of an abandoned one */
  char *orphan_data;
  bool write_broken;
  bool pong_wanted;
  uint8_t pong_len;
  uint8_t pong[FRAMES_CONTROL_MAX];

  /* closing */
  bool close_queued;
  bool close_begun; /* our frame is in |out|: nothing follows it */
  bool peer_closed;
  uint16_t close_code; /* ours; 1005: an empty frame */
  uint16_t peer_code;
  uint8_t close_reason_len;
  uint8_t peer_reason_len;
  char close_reason[CLOSE_REASON_MAX];
  char peer_reason[CLOSE_REASON_MAX];
};

bool close_code_sendable(uint16_t code) {
  return close_code_valid(code);
}

/* -------------------------------------------------------------- parts --- */

void message_free(struct message *m) {
  if (m) {
    struct mem mem = m->mem;
    mem_free(&mem, m, sizeof *m + m->cap);
  }
}

/* Makes |*m| (may be NULL at first) at least |cap| long, or |cap| exactly when
 * that is less: shrinking does not fail. */
static int message_resize(struct message **m, const struct mem *mem,
                          uint8_t opcode, size_t cap) {
  struct message *grown;
  if (cap > SIZE_MAX - sizeof *grown)
    return ERR_NOMEM;
  grown = *m ? mem_realloc(mem, *m, sizeof **m + (*m)->cap, sizeof **m + cap)
             : mem_alloc(mem, sizeof *grown + cap);
  if (!grown)
    return ERR_NOMEM;
  if (!*m)
    *grown = (struct message){.mem = *mem, .opcode = opcode};
  list_init(&grown->node);
  grown->data = (char *)(grown + 1);
  grown->cap = cap;
  *m = grown;
  return 0;
}

static void orphan_free(struct connection *c) {
  mem_free(&c->mem, c->orphan_data, c->orphan.data.len);
  c->orphan_data = NULL;
}

/* Forgets what is queued; nobody is called. */
static void drop_requests(struct connection *c) {
  while (list_pop(&c->data) || list_pop(&c->control) || list_pop(&c->flushing))
    ;
  c->pong_wanted = false;
  orphan_free(c);
}

/* No socket, no buffers, no deadline; the struct stays its owner's. */
static void disconnect(struct connection *c) {
  c->state = CONN_DEAD;
  timer_stop(&c->timer);
  deferred_cancel(&c->kick);
  opening_free(c->opening);
  c->opening = NULL;
  stream_free(c->stream);
  c->stream = NULL;
  frames_deinit(&c->frames);
  buf_deinit(&c->leftover);
  buf_deinit(&c->out);
  message_free(c->message);
  c->message = NULL;
  c->read_at = c->close_at = 0;
  if (!c->h)
    list_remove(&c->released);
}

static void destroy(struct connection *c) {
  struct mem mem = *loop_mem(c->loop);
  mem_free(&mem, c, sizeof *c);
}

void connection_free(struct connection *c) {
  if (!c || c->freed)
    return;
  drop_requests(c);
  disconnect(c);
  mem_free(&c->mem, c->subprotocol, c->subprotocol_len + 1);
  c->subprotocol = NULL;
  c->h = NULL;
  list_remove(&c->released);
  c->freed = true;
  if (c->depth == 0)
    destroy(c);
}

static void kick(struct connection *c) {
  if (c->state != CONN_DEAD)
    deferred_schedule(c->loop, &c->kick);
}

/* ---------------------------------------------- watching and deadlines --- */

static bool receiving(const struct connection *c) {
  return !c->freed && !c->paused && !c->peer_closed &&
         (c->state == CONN_OPEN || c->state == CONN_CLOSING);
}

/* The poller is level-triggered: only what will be looked at may be watched,
 * or the loop turns without end. */
static unsigned wanted_events(const struct connection *c) {
  unsigned out = c->out.len > 0 ? POLLER_WRITE : 0;
  if (c->stream->write_wants_read)
    out = POLLER_READ;
  if (c->state != CONN_DRAINING && !receiving(c))
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
static int arm(struct connection *c) {
  uint64_t at = deadline(c);
  if (at == 0 || (timer_active(&c->timer) && c->timer.node.key <= at))
    return 0;
  return timer_start_at(&c->timer, at);
}

static void enter(struct connection *c) {
  c->depth++;
}

static void leave(struct connection *c) {
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
    (void)arm(c);
  }
}

static uint64_t after(uint64_t now, uint64_t delay_ns) {
  return delay_ns > UINT64_MAX - now ? UINT64_MAX : now + delay_ns;
}

static void start_close_timeout(struct connection *c) {
  c->close_at = after(loop_now_ns(c->loop), CLOSE_TIMEOUT_NS);
}

/* -------------------------------------------------------------- bytes --- */

/* Hands |out| to the kernel as far as it takes it.  False: the way out is
 * broken, and |out| was emptied. */
static bool flush(struct connection *c) {
  while (c->out.len > 0) {
    size_t n = 0;
    int rv = stream_write(c->stream, buf_bytes(&c->out), c->out.len, &n);
    if (rv == ERR_AGAIN)
      return true;
    if (rv != 0) {
      c->write_broken = true;
      c->stream->write_wants_read = false;
      buf_clear(&c->out);
      return false;
    }
    buf_consume(&c->out, n);
    c->out_sent += n;
    /* A slow peer that takes bytes is not a dead one; but nobody waits long
     * for the goodbye of a connection without an owner. */
    if (c->state == CONN_CLOSING && c->h)
      start_close_timeout(c);
  }
  if (c->out.cap > OUT_KEPT)
    buf_shrink(&c->out);
  return true;
}

/* ------------------------------------------------------------- ending --- */

/* The first that waits for a send.  |unstarted|: only one whose frame was not
 * begun, and no close. */
static struct send_request *first_request(struct connection *c,
                                          bool unstarted) {
  struct list *lists[] = {&c->flushing, &c->data, &c->control};
  for (size_t i = unstarted ? 1 : 0; i < sizeof lists / sizeof *lists; i++)
    list_foreach (it, lists[i]) { /* at most two are passed over */
      struct send_request *r = list_entry(it, struct send_request, node);
      if (!unstarted || (!r->started && r->opcode != WS_CLOSE))
        return r;
    }
  return NULL;
}

/* Tells them all.  The state lets no new ones in. */
static void fail_requests(struct connection *c, bool unstarted) {
  uint64_t now = loop_now_ns(c->loop);
  struct send_request *r;
  while (!c->freed && c->h && (r = first_request(c, unstarted))) {
    bool late = c->write_timeout_ns != 0 &&
                after(r->queued_ns, c->write_timeout_ns) <= now;
    list_remove(&r->node);
    if (r == &c->orphan)
      orphan_free(c);
    if (r->done)
      r->done(r, late ? ERR_TIMEOUT : ERR_CLOSED);
  }
}

/* The last words went to the kernel: say that nothing follows, and let the peer
 * hang up, since closing with unread bytes would reset what is still on its
 * way. */
static void end_output(struct connection *c) {
  if (c->write_broken)
    return;
  stream_end(c->stream);
  c->write_broken = true;
}

/* The owner is told; |linger|: the socket may still have something to send. */
static void finish(struct connection *c, uint16_t code, bool clean,
                   struct slice reason, bool linger) {
  struct connection_close how = {
      .code = code, .clean = clean, .reason = reason};
  if (c->state == CONN_DRAINING || c->state == CONN_DEAD)
    return;
  c->state = CONN_DRAINING;
  c->paused = false;
  c->read_at = 0;
  message_free(c->message);
  c->message = NULL;
  buf_deinit(&c->leftover);
  fail_requests(c, false);
  if (c->freed)
    return;
  if (c->h)
    c->h->closed(c->ud, &how);
  if (c->freed || c->state == CONN_DEAD)
    return;
  if (!linger || c->read_end || c->write_broken || c->hung_up) {
    disconnect(c);
    return;
  }
  start_close_timeout(c);
  if (flush(c) && c->out.len == 0)
    end_output(c);
}

/* The connection went away under us. */
static void lose(struct connection *c) {
  struct slice none = {NULL, 0};
  if (c->peer_closed)
    finish(c, c->peer_code, false,
           (struct slice){c->peer_reason, c->peer_reason_len}, false);
  else
    finish(c, CLOSE_LOST, false, none, false);
}

static bool data_started(const struct connection *c) {
  return !list_empty(&c->data) &&
         list_entry(c->data.next, struct send_request, node)->started;
}

/* Appends our close frame to |out|.  0, or it cannot be sent any more. */
static int write_close(struct connection *c) {
  uint8_t payload[FRAMES_CONTROL_MAX];
  size_t sent = 0, len = 0;
  c->close_begun = true;
  if (c->out.max - c->out.len < OUT_CONTROL_ROOM)
    c->out.max = c->out.len + OUT_CONTROL_ROOM; /* nothing comes behind it */
  if (c->close_code != CLOSE_NO_STATUS) {
    payload[0] = (uint8_t)(c->close_code >> 8);
    payload[1] = (uint8_t)c->close_code;
    memcpy(payload + 2, c->close_reason, c->close_reason_len);
    len = 2U + c->close_reason_len;
  }
  return frames_send(&c->frames, &c->out, WS_CLOSE,
                     (struct slice){(const char *)payload, len}, &sent);
}

/* RFC 6455, section 7.1.7: say why, and listen no more. */
static void fail_open(struct connection *c, uint16_t code, const char *reason) {
  struct slice text = slice_of(reason);
  bool linger = false;
  if (!c->close_begun && !data_started(c) && !c->write_broken) {
    c->close_code = code;
    c->close_reason_len = 0;
    linger = write_close(c) == 0;
  }
  finish(c, code, false, text, linger);
}

/* ------------------------------------------------------------ sending --- */

/* Pongs overtake data between frames: a peer that sends much must not hold us
 * for dead.  0: none is owed, or there is no room now; else as frames_send */
static int write_pong(struct connection *c) {
  size_t sent = 0;
  if (!c->pong_wanted || c->close_begun || data_started(c) ||
      c->out.max - c->out.len < OUT_CONTROL_ROOM)
    return 0;
  c->pong_wanted = false;
  return frames_send(&c->frames, &c->out, WS_PONG,
                     (struct slice){(const char *)c->pong, c->pong_len}, &sent);
}

/* Frames to |out| until it is full.  1: there is no more; 0; or an error that
 * breaks the stream */
static int fill(struct connection *c) {
  for (;;) {
    struct send_request *r;
    bool started = data_started(c);
    int rv;
    if (c->close_begun)
      return 1;
    if ((rv = write_pong(c)) != 0)
      return rv;
    if (!started && c->out.max - c->out.len < OUT_CONTROL_ROOM)
      return 0;
    if (!started && !list_empty(&c->control)) {
      r = list_entry(list_pop(&c->control), struct send_request, node);
      rv = frames_send(&c->frames, &c->out, r->opcode, r->data, &r->sent);
    } else if (!list_empty(&c->data)) {
      r = list_entry(c->data.next, struct send_request, node);
      r->started = true;
      if (r->opcode == WS_CLOSE) {
        rv = write_close(c);
      } else {
        c->out.max = OUT_DATA_MAX;
        rv =
            c->out.len < OUT_DATA_MAX
                ? frames_send(&c->frames, &c->out, r->opcode, r->data, &r->sent)
                : ERR_AGAIN;
        c->out.max = OUT_MAX;
        if (rv == ERR_AGAIN)
          return 0;
      }
      list_remove(&r->node);
    } else {
      return 1;
    }
    r->flushed_at = c->out_sent + c->out.len;
    list_add_tail(&c->flushing, &r->node);
    if (rv != 0)
      return rv;
  }
}

/* Tells those whose bytes the kernel has. */
static void complete(struct connection *c) {
  while (!c->freed && !list_empty(&c->flushing)) {
    struct send_request *r =
        list_entry(c->flushing.next, struct send_request, node);
    if (r->flushed_at > c->out_sent)
      return;
    list_remove(&r->node);
    if (r == &c->orphan)
      orphan_free(c);
    if (r->done)
      r->done(r, 0);
  }
}

/* The way out is broken, the way in may still hold messages. */
static void on_write_broken(struct connection *c) {
  c->close_queued = true;
  if (c->state == CONN_OPEN)
    c->state = CONN_CLOSING;
  start_close_timeout(c);
  fail_requests(c, false);
  if (!c->freed && (c->read_end || c->peer_closed))
    lose(c);
}

/* Sends what is queued, a turn's share at most. */
static void pump(struct connection *c) {
  uint64_t stop = c->out_sent + TURN_WRITE_BYTES;
  int rv;
  if (c->write_broken)
    return;
  do {
    rv = fill(c);
    if (rv < 0) {
      lose(c); /* no memory, or no random numbers, inside a frame */
      return;
    }
    if (!flush(c)) {
      on_write_broken(c);
      return;
    }
  } while (rv == 0 && c->out.len == 0 && c->out_sent < stop);
  if (rv == 0 && c->out.len == 0)
    kick(c);
  complete(c);
  if (c->freed)
    return;
  if (c->close_begun && c->out.len == 0 && c->peer_closed)
    finish(c, c->peer_code, true,
           (struct slice){c->peer_reason, c->peer_reason_len}, true);
}

/* ---------------------------------------------------------- receiving --- */

static size_t on_read(void *ud, void *p, size_t len) {
  struct connection *c = ud;
  size_t n = 0;
  int rv;
  if (c->leftover.len > 0) {
    n = len < c->leftover.len ? len : c->leftover.len;
    memcpy(p, buf_bytes(&c->leftover), n);
    buf_consume(&c->leftover, n);
    buf_shrink(&c->leftover);
    /* It may end inside a header, with the rest of its TLS record in OpenSSL's
     * buffer, where the poller sees nothing. */
    c->more = true;
    return n;
  }
  if (c->read_end)
    return 0;
  if (c->budget == 0) {
    c->more = true;
    return 0;
  }
  rv = stream_read(c->stream, p, len, &n);
  if (rv == 0 && n > 0) {
    c->budget -= n < c->budget ? n : c->budget;
    return n;
  }
  if (rv != ERR_AGAIN)
    c->read_end = true;
  else if (c->hung_up) /* told too early: let the poller look again */
    c->hung_up = watch_start(&c->stream->watch, loop_poller(c->loop),
                             c->stream->fd, POLLER_READ) != 0;
  return 0;
}

static void deliver(struct connection *c) {
  struct message *m = c->message;
  c->message = NULL;
  if (m->cap - m->len > m->cap / 4)
    (void)message_resize(&m, &c->mem, m->opcode, m->len);
  if (c->read_timeout_ns && m->opcode < WS_CLOSE)
    c->read_at = after(loop_now_ns(c->loop), c->read_timeout_ns);
  c->h->message(c->ud, m);
}

/* Room as bytes come, doubled each time: neither an announced length nor many
 * small fragments cost more than what was really sent. */
static int make_room(struct connection *c, const struct frames_event *ev) {
  size_t cap = c->message ? c->message->cap : 0;
  size_t len = c->message ? c->message->len : 0;
  size_t need = len + ev->data.len;
  size_t grown = cap > MESSAGE_FIRST_BYTES / 2 ? cap * 2 : MESSAGE_FIRST_BYTES;
  if (c->message && need <= cap)
    return 0;
  if (grown < need)
    grown = need;
  if (ev->fin && ev->announced <= grown && need + ev->announced <= grown)
    grown = need + (size_t)ev->announced; /* exactly the whole message */
  else if (!c->message && !ev->fin && need < MESSAGE_FIRST_BYTES / 16)
    grown = MESSAGE_FIRST_BYTES / 16;
  return message_resize(&c->message, &c->mem, ev->opcode, grown);
}

static void on_data(struct connection *c, const struct frames_event *ev) {
  if (!c->h) /* nobody waits for it */
    return;
  if (make_room(c, ev) != 0) {
    fail_open(c, CLOSE_TOO_BIG, "no memory for the message");
    return;
  }
  if (ev->data.len > 0)
    memcpy(c->message->data + c->message->len, ev->data.p, ev->data.len);
  c->message->len += ev->data.len;
  if (ev->end)
    deliver(c);
}

static void on_control(struct connection *c, const struct frames_event *ev) {
  struct message *m = NULL;
  if (ev->kind == FRAMES_PING) {
    /* Where there is no room only the latest is answered (section 5.5.3): a
     * peer that floods us and reads nothing costs one buffer. */
    c->pong_wanted = true;
    c->pong_len = (uint8_t)ev->data.len;
    memcpy(c->pong, ev->data.p, ev->data.len);
    if (!c->write_broken && write_pong(c) != 0) {
      lose(c);
      return;
    }
  }
  if (!c->h || !c->control_messages)
    return;
  if (message_resize(&m, &c->mem, ev->opcode, ev->data.len) != 0) {
    fail_open(c, CLOSE_TOO_BIG, "no memory for the message");
    return;
  }
  memcpy(m->data, ev->data.p, ev->data.len);
  m->len = ev->data.len;
  c->h->message(c->ud, m);
}

/* Puts our close frame behind the data that is queued already. */
static void queue_close(struct connection *c, uint16_t code,
                        struct slice reason, struct send_request *r) {
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
  start_close_timeout(c);
  kick(c);
}

static void on_peer_close(struct connection *c, const struct frames_event *ev) {
  struct slice none = {NULL, 0};
  c->peer_closed = true;
  c->peer_code = ev->code;
  c->peer_reason_len = (uint8_t)ev->data.len;
  if (ev->data.len > 0)
    memcpy(c->peer_reason, ev->data.p, ev->data.len);
  c->state = CONN_CLOSING;
  if (c->write_broken) {
    lose(c);
    return;
  }
  fail_requests(c, true); /* the peer reads no message any more */
  if (c->freed)
    return;
  if (!c->close_queued)
    queue_close(c, ev->code, none, NULL);
  start_close_timeout(c);
}

static void on_event(struct connection *c, const struct frames_event *ev) {
  switch (ev->kind) {
  case FRAMES_DATA:
    on_data(c, ev);
    break;
  case FRAMES_PING:
  case FRAMES_PONG:
    on_control(c, ev);
    break;
  case FRAMES_CLOSE:
    on_peer_close(c, ev);
    break;
  }
}

static void receive(struct connection *c) {
  struct frames_event ev;
  unsigned events = 0;
  int rv = 0;
  c->budget = TURN_READ_BYTES;
  c->more = false;
  while (receiving(c)) {
    if (events++ == TURN_EVENTS) {
      c->more = true;
      break;
    }
    rv = frames_recv(&c->frames, &ev);
    if (rv == ERR_AGAIN)
      break;
    if (rv != 0) {
      fail_open(c, c->frames.fail_code, c->frames.fail_reason);
      return;
    }
    on_event(c, &ev);
  }
  if (c->freed || c->state == CONN_DRAINING || c->state == CONN_DEAD)
    return;
  if (c->paused)
    c->more = true; /* for the time when it goes on */
  pump(c);          /* pongs, and the answer to a close */
  if (c->freed || c->state == CONN_DRAINING || c->state == CONN_DEAD)
    return;
  if (c->read_end)
    lose(c);
  else if (c->more && receiving(c))
    kick(c);
}

/* After the end: nothing is looked at any more. */
static void drain(struct connection *c) {
  uint8_t piece[PIECE_BYTES];
  size_t n;
  int rv = 0;
  if (!flush(c))
    c->read_end = true;
  else if (c->out.len == 0)
    end_output(c);
  for (unsigned i = 0; i < TURN_READ_BYTES / PIECE_BYTES && !c->read_end; i++) {
    n = 0;
    rv = stream_read(c->stream, piece, sizeof piece, &n);
    if (rv == ERR_AGAIN)
      return;
    if (rv != 0 || n == 0)
      c->read_end = true;
  }
  if (c->read_end)
    disconnect(c);
}

/* ------------------------------------------------- called from the loop --- */

static void step_open(struct connection *c, unsigned events) {
  if (c->paused && (events & POLLER_ERROR)) {
    /* Level-triggered, and nobody may read: look again when that changes. */
    watch_stop(&c->stream->watch);
    c->hung_up = true;
  }
  if ((events & (POLLER_WRITE | POLLER_ERROR)) || c->stream->write_wants_read)
    pump(c);
  if (receiving(c))
    receive(c);
}

static void on_watch(struct watch *w, unsigned events, void *ud) {
  struct connection *c = ud;
  (void)w;
  enter(c);
  if (c->state == CONN_OPEN || c->state == CONN_CLOSING)
    step_open(c, events);
  else if (c->state == CONN_DRAINING)
    drain(c);
  leave(c);
}

static void on_kick(struct deferred *d, void *ud) {
  struct connection *c = ud;
  (void)d;
  enter(c);
  if (c->state == CONN_OPEN || c->state == CONN_CLOSING) {
    pump(c);
    if (receiving(c) && (c->more || c->read_end))
      receive(c);
  } else if (c->state == CONN_DRAINING) {
    drain(c);
  }
  leave(c);
}

static bool due(uint64_t at, uint64_t now) {
  return at != 0 && at <= now;
}

static void on_timer(struct timer *t, void *ud) {
  struct connection *c = ud;
  uint64_t now = loop_now_ns(c->loop);
  (void)t;
  enter(c);
  if (due(write_deadline(c), now))
    lose(c);
  else if (due(c->close_at, now)) {
    if (c->state == CONN_DRAINING)
      disconnect(c);
    else
      lose(c);
  } else if (!c->paused && c->state == CONN_OPEN && due(c->read_at, now))
    fail_open(c, CLOSE_GOING_AWAY, "no message within the read timeout");
  leave(c);
}

/* ------------------------------------------------------------ opening --- */

/* From here on it is open, on |s|, which is the connection's when this returns
 * 0.  0, ERR_NOMEM or ERR_SYSTEM */
static int open_up(struct connection *c, struct stream *s, struct slice rest,
                   struct slice protocol) {
  int rv;
  buf_init(&c->leftover, &c->mem, OPENING_REST_MAX);
  buf_init(&c->out, &c->mem, OUT_MAX);
  if (protocol.len > 0) {
    if (!(c->subprotocol = mem_strndup(&c->mem, protocol.p, protocol.len)))
      return ERR_NOMEM;
    c->subprotocol_len = protocol.len;
  }
  if ((rv = frames_init(&c->frames, c->read_limit, on_read, c)) != 0 ||
      (rv = buf_add(&c->leftover, rest.p, rest.len)) != 0)
    return rv;
  stream_hand_over(s, on_watch, c);
  c->stream = s;
  c->state = CONN_OPEN;
  if (c->read_timeout_ns)
    c->read_at = after(clock_mono_ns(), c->read_timeout_ns);
  c->more = true;
  kick(c);
  return arm(c);
}

static void on_opened(void *ud, const struct opened *o) {
  struct connection *c = ud;
  struct connection_failure f = {.stage = STAGE_HANDSHAKE};
  enter(c);
  f.code = open_up(c, o->stream, o->rest, o->protocol);
  if (f.code == 0) {
    opening_free(c->opening);
    c->opening = NULL;
    c->h->opened(c->ud);
  } else {
    snprintf(f.reason, sizeof f.reason, "%s", err_text(f.code));
    if (!c->stream)
      stream_free(o->stream);
    disconnect(c);
    c->h->failed(c->ud, &f);
  }
  leave(c);
}

static void on_failed(void *ud, const struct connection_failure *f) {
  struct connection *c = ud;
  enter(c);
  disconnect(c);
  c->h->failed(c->ud, f);
  leave(c);
}

static int on_judge(void *ud, const struct ip *ip, uint16_t port) {
  struct connection *c = ud;
  int rv;
  enter(c);
  rv = c->h->judge(c->ud, ip, port);
  leave(c);
  return rv;
}

/* ------------------------------------------------------- for the owner --- */

/* Closed but complete.  NULL: no memory */
static struct connection *create(struct loop *lp,
                                 const struct session_options *o,
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
  c->control_messages = o->control_messages;
  list_init(&c->released);
  list_init(&c->data);
  list_init(&c->control);
  list_init(&c->flushing);
  timer_init(&c->timer, lp, on_timer, c);
  deferred_init(&c->kick, on_kick, c);
  return c;
}

int connection_new(struct connection **ret, struct loop *lp,
                   struct resolver *rs, struct tls_context *tls,
                   const struct connection_options *opts,
                   const struct connection_handler *h, void *ud,
                   const struct mem *m, struct err *e) {
  static const struct opening_handler handler = {
      .judge = on_judge, .opened = on_opened, .failed = on_failed};
  struct connection *c = create(lp, &opts->session, h, ud, m);
  int rv;
  if (!c)
    return err_set(e, ERR_NOMEM);
  rv = opening_new(&c->opening, lp, rs, tls, &opts->opening, &handler, c,
                   &c->mem, e);
  if (rv != 0) {
    connection_free(c);
    return rv;
  }
  *ret = c;
  return 0;
}

int connection_adopt(struct connection **ret, struct loop *lp, int fd,
                     struct slice rest, struct slice protocol,
                     const struct session_options *opts,
                     const struct connection_handler *h, void *ud,
                     const struct mem *m) {
  struct connection *c;
  struct stream *s = NULL;
  int rv;
  if (rest.len > OPENING_REST_MAX)
    return ERR_INVALID;
  if (!(c = create(lp, opts, h, ud, m)))
    return ERR_NOMEM;
  if ((rv = stream_new(&s, lp, fd, POLLER_READ, on_watch, c)) != 0 ||
      (rv = open_up(c, s, rest, protocol)) != 0)
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

int connection_send(struct connection *c, struct send_request *r) {
  if (r->opcode != WS_TEXT && r->opcode != WS_BINARY &&
      (r->opcode != WS_PING || r->data.len > FRAMES_CONTROL_MAX))
    return ERR_INVALID;
  if (c->state != CONN_OPEN || c->close_queued)
    return ERR_CLOSED;
  r->sent = 0;
  r->started = false;
  r->control = r->opcode >= WS_CLOSE;
  r->queued_ns = c->write_timeout_ns ? clock_mono_ns() : 0;
  list_add_tail(r->control ? &c->control : &c->data, &r->node);
  kick(c); /* several sends of one turn go out together */
  return 0;
}

/* |with| takes the place of |r| in its queue. */
static void replace_request(struct send_request *r, struct send_request *with) {
  list_insert_after(&r->node, &with->node);
  list_remove(&r->node);
}

void connection_send_abandon(struct connection *c, struct send_request *r) {
  size_t left = r->data.len - r->sent;
  if (r->opcode == WS_CLOSE) {
    /* The frame has its own copy of what it needs. */
    c->close_request = (struct send_request){.opcode = WS_CLOSE,
                                             .started = r->started,
                                             .queued_ns = r->queued_ns,
                                             .flushed_at = r->flushed_at};
    if (list_empty(&r->node))
      return;
    replace_request(r, &c->close_request);
    return;
  }
  if (!data_started(c) || c->data.next != &r->node) {
    list_remove(&r->node);
    return;
  }
  c->orphan = (struct send_request){
      .opcode = r->opcode, .started = true, .queued_ns = r->queued_ns};
  if (left > 0) {
    if (!(c->orphan_data = mem_alloc(&c->mem, left))) {
      /* Half a frame cannot be taken back. */
      list_remove(&r->node);
      c->write_broken = true;
      c->close_queued = true;
      c->close_at = 1; /* long past: the timer ends it */
      buf_clear(&c->out);
      (void)arm(c);
      return;
    }
    memcpy(c->orphan_data, r->data.p + r->sent, left);
    c->orphan.data = (struct slice){c->orphan_data, left};
  }
  replace_request(r, &c->orphan);
}

int connection_close(struct connection *c, uint16_t code, struct slice reason,
                     struct send_request *r) {
  if (!close_code_sendable(code) || reason.len > CLOSE_REASON_MAX ||
      !utf8_valid(reason))
    return ERR_INVALID;
  if (c->state != CONN_OPEN || c->close_queued)
    return ERR_CLOSED;
  enter(c);
  queue_close(c, code, reason, r);
  leave(c);
  return 0;
}

void connection_pause(struct connection *c, bool paused) {
  if ((c->state != CONN_OPEN && c->state != CONN_CLOSING) ||
      c->paused == paused)
    return;
  enter(c);
  c->paused = paused;
  if (!paused) {
    if (c->read_timeout_ns) /* the pause was our doing, not the peer's */
      c->read_at = after(clock_mono_ns(), c->read_timeout_ns);
    c->more = true;
    kick(c);
  }
  leave(c);
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
  drop_requests(c);
  message_free(c->message);
  c->message = NULL;
  mem_free(&c->mem, c->subprotocol, c->subprotocol_len + 1);
  c->subprotocol = NULL;
  c->subprotocol_len = 0;
  if ((rv = rebase(&c->out, mem)) != 0 || (rv = rebase(&c->leftover, mem)) != 0)
    return rv;
  c->mem = *mem;
  c->h = NULL;
  list_add_tail(loop_released(c->loop), &c->released);
  bound_released(c->loop);
  return 0;
}

void connection_release(struct connection *c, uint16_t code) {
  bool cut;
  if (!c || c->freed || !c->h)
    return;
  cut = c->state < CONN_OPEN || c->state == CONN_DEAD ||
        (c->state != CONN_DRAINING && (data_started(c) || c->write_broken));
  if (cut) {
    connection_free(c);
    return;
  }
  enter(c);
  c->paused = false;
  c->more = true;
  c->read_at = 0;
  if (c->state != CONN_DRAINING) {
    if (!c->close_queued) {
      c->close_code = close_code_sendable(code) ? code : CLOSE_GOING_AWAY;
      c->close_reason_len = 0;
    }
    c->close_queued = true;
    c->state = CONN_CLOSING;
    cut = !c->close_begun && write_close(c) != 0;
  }
  /* What the socket takes now need not be kept. */
  start_close_timeout(c);
  cut = cut || !flush(c) || leave_owner(c) != 0 || arm(c) != 0;
  if (cut)
    connection_free(c);
  else
    kick(c);
  leave(c);
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
