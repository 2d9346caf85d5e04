/* connection_in.c - what a connection receives: bytes to frames, frames to
 * whole messages, inflated if need be, and answers to control frames. */
#include <string.h>

#include "runtime/net/connection_impl.h"
#include "runtime/net/poller.h"

/* One connection's share of a turn. */
#define TURN_READ_BYTES (256U * 1024)
#define TURN_EVENTS 1024
#define TURN_INFLATED_BYTES (1U << 20)

/* How much is read at a time: all there is room for, but for who could not take
 * the last share, since the rest of it is kept for every paused connection. */
#define READ_FIRST_BYTES (16U * 1024)
#define READ_MOST_BYTES (64U * 1024)

/* So much in one read, and more is likely to be there already. */
#define FLOOD_BYTES (8U * 1024)

#define MESSAGE_FIRST_BYTES (16U * 1024) /* whatever the peer announces */
/* When it announces no more than this, or twice what its last one had: who has
 * sent so much may well do so again. */
#define MESSAGE_TRUSTED_BYTES (64U * 1024)
/* A payload that has so much to come is read to where it belongs. */
#define DIRECT_MIN_BYTES (8U * 1024)
/* After a message of that length another like it is expected: it is read to
 * where it belongs from its first byte on, its header to in front of it. */
#define EXPECTED_MIN_BYTES (32U * 1024)
#define EXPECTED_MAX_BYTES (1U << 20) /* room that is made before it comes */

/* ------------------------------------------------------------- messages --- */

static void deliver(struct connection *c) {
  struct message *m = c->message;
  c->message = NULL;
  if (m->cap - m->len > m->cap / 4)
    (void)message_resize(&m, &c->mem, m->opcode, m->len);
  if (c->read_timeout_ns && m->opcode < WS_CLOSE)
    c->read_at = conn_after(loop_now_ns(c->loop), c->read_timeout_ns);
  c->h->message(c->ud, m);
}

static bool is_trusted(const struct connection *c, uint64_t len) {
  return len <= MESSAGE_TRUSTED_BYTES || len / 2 <= c->trusted;
}

/* Room as bytes come, twice what is there at most: neither a great length that
 * is announced nor many small fragments cost more than what was really sent. */
static int make_room(struct connection *c, const struct frames_event *ev) {
  size_t need = (c->message ? c->message->len : 0) + ev->data.len;
  size_t grown =
      need > MESSAGE_FIRST_BYTES / 2 ? need * 2 : MESSAGE_FIRST_BYTES;
  if (c->message && need <= c->message->cap)
    return 0;
  if (ev->fin &&
      (ev->announced <= grown - need || is_trusted(c, need + ev->announced)))
    grown = need + (size_t)ev->announced; /* exactly the whole message */
  else if (!c->message && !ev->fin && need < MESSAGE_FIRST_BYTES / 16)
    grown = MESSAGE_FIRST_BYTES / 16;
  return message_resize(&c->message, &c->mem, ev->opcode, grown);
}

static void no_memory(struct connection *c) {
  conn_fail_open(c, CLOSE_TOO_BIG, "no memory for the message");
}

/* The room that was made for it is the message, whose first piece is there. */
static void take_expected(struct connection *c, const struct frames_event *ev) {
  struct message *m = c->expected;
  size_t len = ev->data.len;
  c->expected = NULL;
  m->opcode = ev->opcode;
  m->len = len;
  memset(m->user, 0, sizeof m->user); /* its header was read to there */
  c->message = m;
  if (ev->fin && ev->announced > m->cap - len &&
      is_trusted(c, len + ev->announced)) /* else it grows as others do */
    (void)message_resize(&c->message, &c->mem, ev->opcode,
                         len + (size_t)ev->announced);
}

static void on_plain(struct connection *c, const struct frames_event *ev) {
  if (!c->message && c->expected && ev->data.p == c->expected->data) {
    take_expected(c, ev);
  } else {
    char *to;
    if (make_room(c, ev) != 0) {
      no_memory(c);
      return;
    }
    to = c->message->data + c->message->len;
    if (ev->data.len > 0 && ev->data.p != to) /* else it was read to there */
      memcpy(to, ev->data.p, ev->data.len);
    c->message->len += ev->data.len;
  }
  if (ev->end) {
    c->trusted = c->message->len;
    c->expects = c->trusted >= EXPECTED_MIN_BYTES;
    deliver(c);
  }
}

/* ----------------------------------------------------- compressed ones --- */

/* 0 or ERR_NOMEM */
static int start_inflating(struct connection *c,
                           const struct frames_event *ev) {
  size_t cap = ev->end ? ev->data.len * 4 : MESSAGE_FIRST_BYTES / 16;
  int rv;
  if (!c->inflater &&
      (rv = inflater_new(&c->inflater, &c->mem, &c->deflate)) != 0)
    return rv;
  c->inflated_text = (struct utf8_stream){0};
  return message_resize(&c->message, &c->mem, ev->opcode,
                        cap < c->read_limit ? cap : (size_t)c->read_limit);
}

/* A message that is full grows, up to the limit. */
static int grow(struct connection *c) {
  size_t cap = c->message->cap;
  cap = cap < 256 ? 256 : cap * 2;
  return message_resize(&c->message, &c->mem, c->message->opcode,
                        cap < c->read_limit ? cap : (size_t)c->read_limit);
}

static bool is_good_text(struct connection *c, size_t n, bool end) {
  return c->message->opcode != WS_TEXT ||
         (utf8_stream_add(&c->inflated_text, c->message->data + c->message->len,
                          n) &&
          (!end || utf8_stream_complete(&c->inflated_text)));
}

/* The limit is for what comes out, which is stopped as soon as it is reached:
 * a bomb costs what a message of that length may cost. */
static void on_deflated(struct connection *c, const struct frames_event *ev) {
  struct slice in = ev->data;
  char beyond;
  size_t n;
  int rv;
  if (!c->message && start_inflating(c, ev) != 0) {
    no_memory(c);
    return;
  }
  do {
    struct message *m = c->message;
    bool full = m->len >= c->read_limit;
    if (!full && m->len == m->cap && grow(c) != 0) {
      no_memory(c);
      return;
    }
    m = c->message;
    rv = inflater_run(c->inflater, &in, ev->end,
                      full ? &beyond : m->data + m->len,
                      full ? sizeof beyond : m->cap - m->len, &n);
    if (rv == ERR_NOMEM) {
      no_memory(c);
      return;
    }
    if (rv != 0 && rv != ERR_AGAIN) {
      conn_fail_soon(c, CLOSE_BAD_DATA, "message is not valid deflate");
      return;
    }
    if (full && n > 0) {
      conn_fail_soon(c, CLOSE_TOO_BIG, "message is longer than the read limit");
      return;
    }
    if (!is_good_text(c, n, ev->end && rv == 0)) {
      conn_fail_soon(c, CLOSE_BAD_DATA, "text is not valid UTF-8");
      return;
    }
    m->len += n;
    c->inflated += n;
  } while (rv == ERR_AGAIN);
  if (ev->end)
    deliver(c);
}

/* --------------------------------------------------------------- events --- */

static void on_control(struct connection *c, const struct frames_event *ev) {
  struct message *m = NULL;
  if (ev->kind == FRAMES_PING) {
    /* Where there is no room only the latest is answered (section 5.5.3): a
     * peer that floods us and reads nothing costs one buffer. */
    c->pong_wanted = true;
    c->pong_len = (uint8_t)ev->data.len;
    memcpy(c->pong, ev->data.p, ev->data.len);
    if (!c->write_broken && conn_write_pong(c) != 0) {
      conn_lose(c);
      return;
    }
  }
  if (!c->h || !c->control_messages)
    return;
  if (message_resize(&m, &c->mem, ev->opcode, ev->data.len) != 0) {
    no_memory(c);
    return;
  }
  memcpy(m->data, ev->data.p, ev->data.len);
  m->len = ev->data.len;
  c->h->message(c->ud, m);
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
    conn_lose(c);
    return;
  }
  conn_fail_requests(c, true); /* the peer reads no message any more */
  if (c->freed)
    return;
  if (!c->close_queued)
    conn_queue_close(c, ev->code, none, NULL);
  conn_start_close_timeout(c);
}

static void on_event(struct connection *c, const struct frames_event *ev) {
  switch (ev->kind) {
  case FRAMES_DATA:
    if (!c->h) /* nobody waits for it */
      break;
    if (ev->deflated)
      on_deflated(c, ev);
    else
      on_plain(c, ev);
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

/* ---------------------------------------------------------------- bytes --- */

static bool alive(const struct connection *c) {
  return !c->freed && (c->state == CONN_OPEN || c->state == CONN_CLOSING);
}

/* What was left over goes first.  A handler may release the connection, which
 * moves it: it is taken out before. */
static int next_event(struct connection *c, struct slice *read,
                      struct frames_event *ret) {
  struct slice in;
  int rv;
  if (c->leftover.len == 0)
    return frames_recv(&c->frames, read, ret);
  in = buf_slice(&c->leftover);
  rv = frames_recv(&c->frames, &in, ret);
  buf_consume(&c->leftover, c->leftover.len - in.len);
  return rv;
}

static bool rest_is_peekable(const struct connection *c, struct slice read) {
  uint8_t opcode;
  struct slice data;
  return !c->freed && c->state == CONN_OPEN &&
         frames_peek(&c->frames,
                     c->leftover.len > 0 ? buf_slice(&c->leftover) : read,
                     &opcode, &data);
}

/* Works at |*read| until it is used up, or nobody may receive any more in this
 * turn. */
static void work(struct connection *c, struct slice *read, unsigned *events) {
  struct frames_event ev;
  int rv;
  while (conn_receiving(c)) {
    if (*events == TURN_EVENTS || c->inflated >= TURN_INFLATED_BYTES) {
      c->more = true;
      return;
    }
    ++*events;
    rv = next_event(c, read, &ev);
    if (rv == 0) {
      /* those an owner is given are as many as it likes to take */
      if (conn_parting(c) && (!c->h || ev.kind != FRAMES_DATA || !ev.end))
        c->goodbye_frames++;
      on_event(c, &ev);
      if (c->left_to_owner) {
        c->left_to_owner = false;
        if (rest_is_peekable(c, *read)) {
          c->more = true; /* should it not */
          c->takes = false;
          c->owner_first = true;
          return;
        }
      }
    } else if (rv == ERR_AGAIN) {
      if (read->len == 0)
        return;
    } else {
      conn_fail_soon(c, c->frames.fail_code, c->frames.fail_reason);
      return;
    }
  }
}

/* How long the header of a message of |len| bytes is. */
static size_t header_size(size_t len) {
  return len < 65536 ? 4 : 10;
}

/* Where another message like the last one goes, its header to in front of it.
 * NULL: none is expected */
static char *place_expected(struct connection *c, size_t *ret_len) {
  size_t len = c->trusted, header = header_size(len);
  if (!c->expects || !frames_between(&c->frames) || !c->h)
    return NULL;
  if (!c->expected &&
      message_resize(&c->expected, &c->mem, WS_BINARY,
                     len < EXPECTED_MAX_BYTES ? len : READ_MOST_BYTES) != 0)
    return NULL;
  if (len > c->expected->cap)
    len = c->expected->cap;
  *ret_len = header + (len < READ_MOST_BYTES ? len : READ_MOST_BYTES);
  return c->expected->data - header;
}

/* Where the next bytes go: into the message under way, when enough of it is to
 * come, or to where everybody's go. */
static char *place(struct connection *c, size_t *ret_len) {
  size_t left = frames_payload_left(&c->frames);
  struct message *m = c->message;
  size_t grown;
  if (m && left >= DIRECT_MIN_BYTES) {
    grown = left < m->len ? m->len + left : m->len * 2;
    if (m->cap - m->len < DIRECT_MIN_BYTES && grown > m->cap)
      (void)message_resize(&c->message, &c->mem, m->opcode, grown);
    m = c->message;
    *ret_len = m->cap - m->len < left ? m->cap - m->len : left;
    if (*ret_len >= DIRECT_MIN_BYTES)
      return m->data + m->len;
  }
  if (c->read_size < READ_FIRST_BYTES)
    c->read_size = READ_FIRST_BYTES;
  *ret_len = c->read_size;
  return (char *)loop_scratch(c->loop);
}

/* 0: |*ret| has come; |*ret_drained|: the socket has no more now.  ERR_AGAIN,
 * or the end, which |read_end| says */
static int read_some(struct connection *c, struct slice *ret,
                     bool *ret_drained) {
  size_t len, n = 0;
  char *expected = place_expected(c, &len);
  char *p = expected ? expected : place(c, &len);
  int rv = stream_read(c->stream, p, len, &n);
  if (rv == 0 && n > 0) {
    if (expected && !frames_fits(&c->frames, (struct slice){p, n},
                                 header_size(c->trusted))) {
      /* What is read must outlive what becomes of it. */
      p = memcpy(loop_scratch(c->loop), p, n);
      c->expects = false;
      message_free(c->expected);
      c->expected = NULL;
    } else if (!expected && n == c->read_size && n < READ_MOST_BYTES) {
      c->read_size *= 2;
    }
    c->flooded = n >= FLOOD_BYTES;
    *ret = (struct slice){p, n};
    /* after a hang-up nobody tells what comes next: ask */
    *ret_drained = c->stream->drained && !c->hung_up;
    return 0;
  }
  if (rv != ERR_AGAIN)
    c->read_end = true;
  else if (c->hung_up) /* told too early: let the poller look again */
    c->hung_up = watch_start(&c->stream->watch, loop_poller(c->loop),
                             c->stream->fd, POLLER_READ) != 0;
  return ERR_AGAIN;
}

/* ---------------------------------------------------- read by the owner --- */

/* The socket is asked again only if it had so much the last time that there may
 * be more, and only by who took messages out of that: long ones are better read
 * to where they belong. */
static bool read_ahead(struct connection *c) {
  size_t n = 0, room = LOOP_SCRATCH_BYTES - c->leftover.len;
  uint8_t *p;
  int rv;
  if (!c->flooded || !c->took || c->read_end ||
      !frames_cut(&c->frames, buf_slice(&c->leftover), DIRECT_MIN_BYTES))
    return false;
  c->took = false;
  c->more = true; /* who stops in the middle leaves the rest to the loop */
  conn_kick(c);
  p = buf_reserve(&c->leftover, room, NULL);
  rv = p ? stream_read(c->stream, p, room, &n) : ERR_NOMEM;
  c->flooded = rv == 0 && n >= FLOOD_BYTES;
  c->read_end = rv != ERR_NOMEM && rv != ERR_AGAIN && n == 0;
  buf_commit(&c->leftover, n);
  return n > 0;
}

bool connection_peek(struct connection *c, uint8_t *ret_opcode,
                     struct slice *ret_data) {
  if (!conn_receiving(c) || c->state != CONN_OPEN || c->message)
    return false;
  if (frames_peek(&c->frames, buf_slice(&c->leftover), ret_opcode, ret_data))
    return true;
  return read_ahead(c) &&
         frames_peek(&c->frames, buf_slice(&c->leftover), ret_opcode, ret_data);
}

void connection_leave_rest(struct connection *c) {
  c->left_to_owner = c->takes;
}

void connection_took(struct connection *c, struct slice data) {
  size_t end = (size_t)(data.p + data.len - (char *)buf_bytes(&c->leftover));
  buf_consume(&c->leftover, end);
  c->took = true;
  c->takes = true;
  c->owner_first = false;
  if (c->read_timeout_ns)
    c->read_at = conn_after(loop_now_ns(c->loop), c->read_timeout_ns);
}

/* What an idle connection need not hold. */
static void slim(struct connection *c) {
  message_free(c->expected);
  c->expected = NULL;
  buf_shrink(&c->leftover);
  if (c->inflater && !c->deflate.in_takeover && !c->frames.message) {
    inflater_free(c->inflater);
    c->inflater = NULL;
  }
  conn_count_awake(c);
}

void conn_receive(struct connection *c) {
  struct slice read = {NULL, 0};
  size_t budget = TURN_READ_BYTES;
  unsigned events = 0;
  bool drained = false;
  c->more = false;
  c->inflated = 0;
  for (;;) {
    work(c, &read, &events);
    if (!conn_receiving(c) || c->more || c->read_end || drained)
      break;
    /* what is read and not looked at must find room in |leftover| */
    if (budget == 0 || events == TURN_EVENTS) {
      c->more = true;
      break;
    }
    if (read_some(c, &read, &drained) != 0)
      break;
    budget -= read.len < budget ? read.len : budget;
    if (conn_parting(c))
      c->goodbye_bytes += read.len;
  }
  if (alive(c) && !c->peer_closed && c->fail_turns == 0 && read.len > 0) {
    c->read_size = READ_FIRST_BYTES;
    if (buf_add(&c->leftover, read.p, read.len) != 0)
      no_memory(c);
  }
  if (!alive(c))
    return;
  slim(c);
  if (c->paused)
    c->more = true; /* for the time when it goes on */
  conn_pump(c);     /* pongs, and the answer to a close */
  if (!alive(c))
    return;
  if (c->read_end || (!c->peer_closed && conn_goodbye_over(c))) {
    conn_lose(c);
  } else if (c->owner_first) { /* it was woken: behind it */
    deferred_cancel(&c->kick);
    conn_kick(c);
  } else if (c->more && conn_receiving(c)) {
    conn_kick(c);
  }
}

void conn_drain(struct connection *c) {
  uint8_t *scratch = loop_scratch(c->loop);
  size_t n, budget = TURN_READ_BYTES;
  int rv;
  if (!conn_flush(c))
    c->read_end = true;
  else if (c->out.len == 0)
    conn_end_output(c);
  while (!c->read_end && budget > 0) {
    n = 0;
    rv = stream_read(c->stream, scratch, LOOP_SCRATCH_BYTES, &n);
    if (rv == ERR_AGAIN)
      return;
    c->goodbye_bytes += n;
    if (rv != 0 || n == 0 || conn_goodbye_over(c))
      c->read_end = true;
    budget -= n < budget ? n : budget;
  }
  if (c->read_end)
    conn_disconnect(c);
  else
    conn_kick(c); /* TLS may hold more that the poller does not tell of */
}
