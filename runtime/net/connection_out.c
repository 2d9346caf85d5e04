/* connection_out.c - what a connection sends: frames from the queues, pongs and
 * the close frame, compressed if that was agreed on. */
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/net/connection_impl.h"

/* One connection's share of a turn. */
#define TURN_WRITE_BYTES (256U * 1024)
#define TURN_DEFLATE_BYTES (256U * 1024) /* before compression */

/* A message is compressed in fragments of this size: nobody knows how long it
 * will be, and none must be held as a whole. */
#define DEFLATE_PART (16U * 1024)
#define DEFLATE_PART_MIN 64

/* ------------------------------------------------------------ requests --- */

static void orphan_free(struct connection *c) {
  mem_free(&c->mem, c->orphan_data, c->orphan.data.len);
  c->orphan_data = NULL;
}

/* Forgets what is queued; nobody is called. */
void conn_drop_requests(struct connection *c) {
  while (list_pop(&c->data) || list_pop(&c->control) || list_pop(&c->flushing))
    ;
  c->pong_wanted = false;
  orphan_free(c);
}

static bool data_started(const struct connection *c) {
  return !list_empty(&c->data) &&
         list_entry(c->data.next, struct send_request, node)->started;
}

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
void conn_fail_requests(struct connection *c, bool unstarted) {
  uint64_t now = loop_now_ns(c->loop);
  struct send_request *r;
  while (!c->freed && c->h && (r = first_request(c, unstarted))) {
    bool late = c->write_timeout_ns != 0 &&
                conn_after(r->queued_ns, c->write_timeout_ns) <= now;
    list_remove(&r->node);
    if (r == &c->orphan)
      orphan_free(c);
    if (r->done)
      r->done(r, late ? ERR_TIMEOUT : ERR_CLOSED);
  }
}

/* --------------------------------------------------------------- bytes --- */

/* Hands |out| to the kernel as far as it takes it.  False: the way out is
 * broken, and |out| was emptied. */
bool conn_flush(struct connection *c) {
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
      conn_start_close_timeout(c);
  }
  if (c->out.cap > OUT_KEPT)
    buf_shrink(&c->out);
  return true;
}

/* Appends our close frame to |out|.  0, or it cannot be sent any more. */
int conn_write_close(struct connection *c) {
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

/* Pongs overtake data between frames: a peer that sends much must not hold us
 * for dead.  0: none is owed, or there is no room now; else as frames_send */
int conn_write_pong(struct connection *c) {
  size_t sent = 0;
  if (!c->pong_wanted || c->close_begun || c->frames.sending ||
      c->out.max - c->out.len < OUT_CONTROL_ROOM)
    return 0;
  c->pong_wanted = false;
  return frames_send(&c->frames, &c->out, WS_PONG,
                     (struct slice){(const char *)c->pong, c->pong_len}, &sent);
}

static bool worth_deflating(const struct connection *c,
                            const struct send_request *r) {
  return deflater_possible(&c->deflate) && r->data.len > 0 &&
         r->data.len >= c->deflate_threshold;
}

/* Is |r|, the first in the queue, sent compressed? */
static bool choose_deflate(struct connection *c, const struct send_request *r) {
  if (r->started)
    return c->deflating;
  c->part_sent = false;
  c->deflating =
      worth_deflating(c, r) &&
      (c->deflater || deflater_new(&c->deflater, &c->mem, &c->deflate) == 0) &&
      deflater_wake(c->deflater) == 0;
  return c->deflating;
}

/* The next fragment of a compressed message.  As frames_send; ERR_AGAIN also
 * when this turn's share is used up. */
static int send_part(struct connection *c, struct send_request *r) {
  size_t left = r->data.len - r->sent;
  size_t share = TURN_DEFLATE_BYTES - c->deflated;
  size_t room = c->out.max - c->out.len, n;
  /* What deflate makes of |left| bytes fits, but for rare ones. */
  size_t cap =
      left < DEFLATE_PART ? left + left / 8 + DEFLATE_PART_MIN : DEFLATE_PART;
  struct slice in = {left ? r->data.p + r->sent : NULL, left};
  uint8_t *p;
  int rv, ended;
  if (room < FRAMES_PART_ROOM + DEFLATE_PART_MIN || (left > 0 && share == 0))
    return ERR_AGAIN;
  if (in.len > share)
    in.len = share;
  if (cap > room - FRAMES_PART_ROOM)
    cap = room - FRAMES_PART_ROOM;
  if (!(p = frames_part(&c->out, cap, &rv)))
    return rv;
  share = in.len;
  ended = deflater_run(c->deflater, &in, share == left, p, cap, &n);
  share -= in.len;
  r->sent += share;
  r->started = true;
  c->deflated += share;
  if (ended != 0 && ended != ERR_AGAIN)
    return ended;
  if (ended == 0 && r->sent < r->data.len)
    ended = ERR_AGAIN;
  if (n == 0 && ended != 0)
    return ended; /* zlib keeps it for the next one */
  rv = frames_part_send(&c->frames, &c->out,
                        c->part_sent ? WS_CONTINUATION : r->opcode, ended == 0,
                        !c->part_sent, n);
  c->part_sent = true;
  return rv != 0 ? rv : ended;
}

/* Of |r|, the first in the queue, what there is room for; as frames_send. */
static int fill_data(struct connection *c, struct send_request *r) {
  int rv = ERR_AGAIN;
  c->out.max = OUT_DATA_MAX;
  if (c->out.len < OUT_DATA_MAX) {
    if (choose_deflate(c, r))
      rv = send_part(c, r);
    else
      rv = frames_send(&c->frames, &c->out, r->opcode, r->data, &r->sent);
    r->started = r->started || c->frames.sending;
  }
  c->out.max = OUT_MAX;
  return rv;
}

/* Frames to |out| until it is full.  1: there is no more; 0; or an error that
 * breaks the stream */
static int fill(struct connection *c) {
  for (;;) {
    struct send_request *r;
    bool in_frame = c->frames.sending;
    int rv;
    if (c->close_begun)
      return 1;
    if ((rv = conn_write_pong(c)) != 0)
      return rv;
    if (!in_frame && c->out.max - c->out.len < OUT_CONTROL_ROOM)
      return 0;
    if (!in_frame && !list_empty(&c->control)) {
      r = list_entry(list_pop(&c->control), struct send_request, node);
      rv = frames_send(&c->frames, &c->out, r->opcode, r->data, &r->sent);
    } else if (!list_empty(&c->data)) {
      r = list_entry(c->data.next, struct send_request, node);
      rv = r->opcode == WS_CLOSE ? conn_write_close(c) : fill_data(c, r);
      if (rv == ERR_AGAIN)
        return 0;
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
  conn_start_close_timeout(c);
  conn_fail_requests(c, false);
  if (!c->freed && (c->read_end || c->peer_closed))
    conn_lose(c);
}

/* Sends what is queued, a turn's share at most. */
void conn_pump(struct connection *c) {
  uint64_t stop = c->out_sent + TURN_WRITE_BYTES;
  int rv;
  if (c->write_broken)
    return;
  c->deflated = 0;
  do {
    rv = fill(c);
    if (rv < 0) {
      conn_lose(c); /* no memory, or no random numbers, inside a frame */
      return;
    }
    if (!conn_flush(c)) {
      on_write_broken(c);
      return;
    }
  } while (rv == 0 && c->out.len == 0 && c->out_sent < stop &&
           c->deflated < TURN_DEFLATE_BYTES);
  if (rv == 0 && c->out.len == 0)
    conn_kick(c);
  /* 22 KiB that a connection without a window of its own need not hold. */
  if (rv == 1 && !c->deflate.out_takeover) {
    deflater_free(c->deflater);
    c->deflater = NULL;
  }
  conn_count_awake(c);
  complete(c);
  if (c->freed)
    return;
  if (c->close_begun && c->out.len == 0 && c->peer_closed)
    conn_finish(c, c->peer_code, true,
                (struct slice){c->peer_reason, c->peer_reason_len}, true);
}

/* ------------------------------------------------------- for the owner --- */

/* 0, or why |r| cannot be sent */
static int check_request(const struct connection *c, struct send_request *r) {
  gate_check();
  if (r->opcode != WS_TEXT && r->opcode != WS_BINARY &&
      (r->opcode != WS_PING || r->data.len > FRAMES_CONTROL_MAX))
    return ERR_INVALID;
  if (c->state != CONN_OPEN || c->close_queued)
    return ERR_CLOSED;
  r->sent = 0;
  r->started = false;
  r->control = r->opcode >= WS_CLOSE;
  r->queued_ns = c->write_timeout_ns ? clock_mono_ns() : 0;
  return 0;
}

static int enqueue(struct connection *c, struct send_request *r) {
  list_add_tail(r->control ? &c->control : &c->data, &r->node);
  conn_kick(c); /* several sends of one turn go out together */
  return 0;
}

int connection_send(struct connection *c, struct send_request *r) {
  int rv = check_request(c, r);
  return rv == 0 ? enqueue(c, r) : rv;
}

/* Compressing takes too long to be done while the sender waits. */
static bool can_write_now(const struct connection *c,
                          const struct send_request *r) {
  return c->out.len == 0 && !c->write_broken && !c->pong_wanted &&
         list_empty(&c->control) && list_empty(&c->data) &&
         list_empty(&c->flushing) &&
         r->data.len <= OUT_DATA_MAX - FRAMES_HEADER_MAX &&
         (r->control || !worth_deflating(c, r));
}

int connection_send_now(struct connection *c, struct send_request *r) {
  size_t n;
  int rv = check_request(c, r);
  if (rv != 0)
    return rv;
  if (!can_write_now(c, r) ||
      frames_send(&c->frames, &c->out, r->opcode, r->data, &r->sent) != 0)
    return enqueue(c, r); /* if it was an error it comes back there */
  while (c->out.len > 0 &&
         stream_write(c->stream, buf_bytes(&c->out), c->out.len, &n) == 0) {
    buf_consume(&c->out, n);
    c->out_sent += n;
  }
  if (c->out.len > 0) { /* the pump sees to it, and to what may be wrong */
    r->flushed_at = c->out_sent + c->out.len;
    list_add_tail(&c->flushing, &r->node);
    conn_kick(c);
    return 0;
  }
  if (c->out.cap > OUT_KEPT)
    buf_shrink(&c->out);
  return CONNECTION_SENT;
}

/* |with| takes the place of |r| in its queue. */
static void replace_request(struct send_request *r, struct send_request *with) {
  list_insert_after(&r->node, &with->node);
  list_remove(&r->node);
}

void connection_send_abandon(struct connection *c, struct send_request *r) {
  size_t left = r->data.len - r->sent;
  gate_check();
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
      (void)conn_arm(c);
      return;
    }
    memcpy(c->orphan_data, r->data.p + r->sent, left);
    c->orphan.data = (struct slice){c->orphan_data, left};
  }
  replace_request(r, &c->orphan);
}
