/* websocket.c - the websocket module: connect under policy, send, receive on a
 * channel, close. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "modules/admission.h"
#include "modules/channel.h"
#include "modules/errors.h"
#include "modules/modules.h"
#include "modules/services.h"
#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/net/connection.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/object.h"
#include "runtime/vm/sched.h"

#define CLIENT_META "websocket.client"

#define DIAL_TIMEOUT_NS (30 * NS_PER_S)
#define READ_LIMIT (UINT64_C(16) << 20)
#define READ_LIMIT_MAX (UINT64_C(128) << 20)
#define THRESHOLD 512
#define THRESHOLD_MAX (UINT64_C(100) << 20)
#define CAPACITY 16
#define CAPACITY_MAX 10000
#define HEADERS_MAX 64
#define HEADERS_MAX_BYTES 8192
#define PROTOCOLS_MAX 32
#define CLOSE_REASON_MAX 123 /* RFC 6455 section 5.5: 125 less the code */
#define PING_MAX 125

/* What is needed until a connection is open. */
struct dial {
  struct mem mem;
  struct wait wait;
  struct dial_answer answer; /* for the script, once it is there */
  struct admission admission;
  /* in a worker */
  struct state *st;
  struct client *client;
  struct remote_dial remote;
  struct session_options session;
  struct arena texts; /* of |answer| */
};

struct client {
  struct object object;
  struct list node; /* in services.clients */
  struct services *sv;
  struct connection *conn; /* NULL: not there any more */
  struct channel *ch;
  struct dial *dial;
  struct list sends; /* of struct send_op */
  bool control_messages;
  bool paused;
  bool close_called;
  uint16_t own_code; /* with it */
  bool over;         /* close_info is known */
  uint64_t number;   /* for the audit; 0: it was never open */
  bool clean;
  uint16_t close_code;
  uint8_t close_reason_len;
  char close_reason[CLOSE_REASON_MAX];
  struct channel_item close_item;
};

enum { USER_CHANNEL = 1, USER_PROTOCOL = 2 };

/* ------------------------------------------------------- life and end --- */

static void dial_free(struct client *c) {
  struct dial *d = c->dial;
  struct mem m;
  if (!d)
    return;
  gate_enter();
  c->dial = NULL;
  if (c->sv->dialer)
    c->sv->dialer->deinit(&d->admission);
  list_remove(&d->remote.node);
  arena_deinit(&d->texts);
  m = d->mem;
  mem_free(&m, d, sizeof *d);
  gate_leave();
}

static void forget(struct client *c) {
  if (!list_empty(&c->node)) {
    list_remove(&c->node);
    c->sv->nclients--;
  }
}

/* Tells the host, once, that an open connection has ended. */
static void tell_end(struct client *c, uint16_t code, bool clean) {
  struct client_event event = {
      .number = c->number, .code = code, .clean = clean};
  if (c->number == 0)
    return;
  c->number = 0;
  c->sv->on_client(c->sv->guard.ud, &event);
}

/* Lets go of the connection, with a goodbye if it is open. */
static void release(struct client *c, uint16_t code) {
  struct connection *conn = c->conn;
  c->conn = NULL;
  forget(c);
  if (c->dial)
    list_remove(&c->dial->remote.node);
  tell_end(c, c->close_called ? c->own_code : code, false);
  if (conn)
    connection_release(conn, code);
}

void websocket_end(struct services *sv) {
  while (!list_empty(&sv->clients))
    release(list_entry(sv->clients.next, struct client, node), 1001);
}

static void fail_sends(struct client *c);

static void client_release(struct object *o) {
  struct client *c = list_entry(o, struct client, object);
  if (c->ch)
    channel_host_detach(c->ch);
  fail_sends(c); /* of a script that found it in a weak table just before */
  release(c, 1001);
  dial_free(c);
}

/* Nobody is there to receive, nor to send. */
static void channel_gone(void *ud) {
  struct client *c = ud;
  c->ch = NULL;
  fail_sends(c);
  release(c, 1001);
}

static bool channel_live(void *ud) {
  const struct client *c = ud;
  return c->conn != NULL;
}

static void channel_taken(void *ud) {
  struct client *c = ud;
  if (c->paused && c->conn && channel_host_room(c->ch) > 0) {
    c->paused = false;
    connection_pause(c->conn, false);
  }
}

/* ------------------------------------------------- what comes from it --- */

static struct message *message_of(struct channel_item *it) {
  return list_entry(it, struct message, user);
}

static void push_type(lua_State *L, uint8_t opcode, bool words) {
  switch (opcode) {
  case WS_TEXT:
    channel_push_word(L, words, WORD_TEXT);
    break;
  case WS_PING:
    lua_pushliteral(L, "ping");
    break;
  case WS_PONG:
    lua_pushliteral(L, "pong");
    break;
  default:
    channel_push_word(L, words, WORD_BINARY);
    break;
  }
}

static void push_data(lua_State *L, uint8_t opcode, struct slice data,
                      bool words) {
  lua_createtable(L, 0, 2);
  channel_push_word(L, words, WORD_DATA);
  lua_pushlstring(L, data.p, data.len);
  lua_rawset(L, -3);
  channel_push_word(L, words, WORD_TYPE);
  push_type(L, opcode, words);
  lua_rawset(L, -3);
}

static void push_message(lua_State *L, struct channel_item *it, bool words) {
  const struct message *m = message_of(it);
  push_data(L, m->opcode, (struct slice){m->data, m->len}, words);
}

/* Straight from where the connection has read it to.  The client, which the
 * channel on the stack refers to, is not collected meanwhile. */
static bool pull_message(lua_State *L, void *ud, bool words) {
  struct client *c = ud;
  struct slice data;
  uint8_t opcode;
  bool got;
  gate_enter();
  got = c->conn && connection_peek(c->conn, &opcode, &data);
  gate_leave();
  if (!got)
    return false;
  push_data(L, opcode, data, words);
  gate_enter();
  connection_took(c->conn, data);
  gate_leave();
  return true;
}

static void drop_message(struct channel_item *it) {
  message_free(message_of(it));
}

static void push_close(lua_State *L, struct channel_item *it, bool words) {
  const struct client *c = list_entry(it, struct client, close_item);
  (void)words;
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "close");
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, c->close_code);
  lua_setfield(L, -2, "code");
  lua_pushlstring(L, c->close_reason, c->close_reason_len);
  lua_setfield(L, -2, "reason");
}

static void drop_close(struct channel_item *it) {
  (void)it; /* part of the client */
}

static void on_message(void *ud, struct message *m) {
  struct client *c = ud;
  struct channel_item *it = (struct channel_item *)(void *)m->user;
  _Static_assert(sizeof *it <= sizeof m->user, "room for a queue entry");
  it->push = push_message;
  it->drop = drop_message;
  if (c->close_called && channel_host_room(c->ch) == 0) {
    /* the script has said goodbye and does not read: only the peer's answer
     * still matters (RFC 6455 section 1.4) */
    message_free(m);
    return;
  }
  channel_host_put(c->ch, it);
  if (!c->close_called && !c->paused && channel_host_room(c->ch) == 0) {
    c->paused = true;
    connection_pause(c->conn, true);
  }
}

struct send_op;
static void send_finish(struct send_op *op, int code);

static void on_closed(void *ud, const struct connection_close *how) {
  struct client *c = ud;
  struct connection *conn = c->conn;
  c->over = true;
  c->clean = how->clean;
  c->close_code = how->code;
  c->close_reason_len =
      (uint8_t)(how->reason.len > CLOSE_REASON_MAX ? CLOSE_REASON_MAX
                                                   : how->reason.len);
  if (c->close_reason_len)
    memcpy(c->close_reason, how->reason.p, c->close_reason_len);
  fail_sends(c);
  c->conn = NULL;
  forget(c);
  tell_end(c, how->code, how->clean);
  connection_release(conn, 1001); /* it may still owe its close frame */
  if (c->control_messages) {
    c->close_item.push = push_close;
    c->close_item.drop = drop_close;
    channel_host_put(c->ch, &c->close_item);
  }
  channel_host_close(c->ch);
}

static int on_judge(void *ud, const struct ip *ip, uint16_t port) {
  struct client *c = ud;
  return c->sv->dialer->judge(&c->dial->admission, ip, port);
}

static void on_opened(void *ud) {
  struct client *c = ud;
  struct client_event event = {.number = ++c->sv->opened,
                               .opened = true,
                               .url = c->dial->admission.url.text,
                               .where = &c->dial->admission.where};
  c->number = event.number;
  c->sv->on_client(c->sv->guard.ud, &event);
  wait_wake(&c->dial->wait);
}

static void on_failed(void *ud, const struct connection_failure *f) {
  struct client *c = ud;
  struct connection *conn = c->conn;
  c->sv->dialer->failed(&c->dial->admission, f, &c->dial->answer);
  c->conn = NULL;
  forget(c);
  connection_free(conn);
  channel_host_close(c->ch);
  wait_wake(&c->dial->wait);
}

static const struct connection_handler handler = {.judge = on_judge,
                                                  .opened = on_opened,
                                                  .failed = on_failed,
                                                  .message = on_message,
                                                  .closed = on_closed};

/* ------------------------------------------------- opened by the broker --- */

#define ANSWER_MAX_BYTES (64 * 1024)

static bool keep_text(struct arena *a, struct slice *s) {
  char *copy = s->p ? arena_strndup(a, s->p, s->len) : NULL;
  bool ok = copy || !s->p;
  s->p = copy;
  return ok;
}

/* The answer outlives the message it came in. */
static bool keep_answer(struct dial *d, const struct dial_answer *a) {
  struct refusal *r = &d->answer.refusal;
  d->answer = *a;
  return keep_text(&d->texts, &r->action) &&
         keep_text(&d->texts, &r->resource) &&
         keep_text(&d->texts, &r->policy) && keep_text(&d->texts, &r->reason) &&
         keep_text(&d->texts, &d->answer.url);
}

/* It is open over there, and cannot be used here. */
static void adopt_failed(struct dial *d, int code, const char *why) {
  struct dial_answer *a = &d->answer;
  memset(a, 0, sizeof *a);
  a->end = DIAL_FAILED;
  a->failure.code = code;
  a->failure.stage = STAGE_HANDSHAKE;
  snprintf(a->failure.reason, sizeof a->failure.reason, "%s", why);
}

static void on_remote(struct remote_dial *rd, const struct remote_answer *a) {
  struct dial *d = list_entry(rd, struct dial, remote);
  struct client *c = d->client;
  struct state *st = d->st;
  int rv;
  if (!keep_answer(d, &a->answer)) {
    adopt_failed(d, ERR_NOMEM, err_text(ERR_NOMEM));
  } else if (a->answer.end == DIAL_OPEN) {
    c->number = a->number;
    d->session.deflate = a->deflate;
    rv = a->fd < 0
             ? ERR_LIMIT
             : connection_adopt(&c->conn, st->loop, a->fd, a->rest, a->protocol,
                                &d->session, &handler, c, &st->mem);
    if (rv != 0) {
      if (a->fd >= 0)
        close(a->fd);
      adopt_failed(d, rv,
                   rv == ERR_LIMIT ? "no descriptor is left" : err_text(rv));
      tell_end(c, CLOSE_LOST, false);
    }
  }
  if (d->answer.end != DIAL_OPEN) {
    forget(c);
    channel_host_close(c->ch);
  }
  wait_wake(&d->wait);
}

/* ------------------------------------------------------------ options --- */

struct options {
  struct connection_options net;
  struct header headers[HEADERS_MAX];
  struct slice protocols[PROTOCOLS_MAX];
  size_t capacity;
};

/* Pushes nil and an INVALID error about option |name|; its value is on top. */
static int bad_option(lua_State *L, const char *name, const char *expected) {
  struct slice s;
  if (value_slice(L, -1, &s))
    return fail_nil(L, KIND_INVALID, false,
                    "option '%s' is \"%.*s\", expected %s", name,
                    (int)(s.len > 80 ? 80 : s.len), s.p, expected);
  if (lua_isnumber(L, -1))
    return fail_nil(L, KIND_INVALID, false, "option '%s' is %.14g, expected %s",
                    name, lua_tonumber(L, -1), expected);
  return fail_nil(L, KIND_INVALID, false, "option '%s' is a %s, expected %s",
                  name, luaL_typename(L, -1), expected);
}

/* Each reads the value on top of the stack; 0, or the number of results of a
 * failed connect. */
static int read_timeout(lua_State *L, const char *name, bool zero_is_none,
                        uint64_t *ret_ns) {
  static const char takes[] = "milliseconds as a number, or a duration such as "
                              "\"5s\", from 0 to 1000000 hours";
  const double max_ms = 1e6 * 3600e3;
  struct slice s;
  if (value_slice(L, -1, &s)) {
    int64_t ns;
    if (str_duration(s, &ns) != 0 || ns < 0)
      return bad_option(L, name, takes);
    *ret_ns = (uint64_t)ns;
  } else if (lua_type(L, -1) == LUA_TNUMBER) {
    double ms = lua_tonumber(L, -1);
    if (!isfinite(ms) || ms < 0 || ms > max_ms)
      return bad_option(L, name, takes);
    *ret_ns = (uint64_t)(ms * 1e6);
  } else {
    return bad_option(L, name, takes);
  }
  if (*ret_ns == 0 && !zero_is_none)
    return bad_option(L, name, "more than 0");
  return 0;
}

static int read_count(lua_State *L, const char *name, uint64_t min,
                      uint64_t max, const char *takes, uint64_t *ret) {
  int exact;
  lua_Integer n = 0;
  if (lua_type(L, -1) == LUA_TNUMBER)
    n = lua_tointegerx(L, -1, &exact);
  else
    exact = 0;
  if (!exact || n < 0 || (uint64_t)n < min || (uint64_t)n > max)
    return bad_option(L, name, takes);
  *ret = (uint64_t)n;
  return 0;
}

static bool header_is_ours(struct slice name) {
  static const char *const ours[] = {
      "Host",           "Connection",        "Upgrade",
      "Content-Length", "Transfer-Encoding", NULL};
  struct slice prefix = SLICE("Sec-WebSocket-");
  for (const char *const *o = ours; *o; o++)
    if (slice_eq_nocase(name, slice_of(*o)))
      return true;
  return name.len >= prefix.len &&
         slice_eq_nocase((struct slice){name.p, prefix.len}, prefix);
}

static bool has_control(struct slice s) {
  for (size_t i = 0; i < s.len; i++)
    if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
      return true;
  return false;
}

static int bad_header(lua_State *L, struct slice name, const char *what) {
  return fail_nil(L, KIND_INVALID, false, "option 'headers': '%.*s' %s",
                  (int)(name.len > 80 ? 80 : name.len), name.p, what);
}

static int read_headers(lua_State *L, struct options *o) {
  size_t bytes = 0;
  if (lua_type(L, -1) != LUA_TTABLE)
    return bad_option(L, "headers", "a table of names to values");
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    struct header h;
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
      return fail_nil(L, KIND_INVALID, false,
                      "option 'headers': a %s for a %s, expected a string for "
                      "each header name",
                      luaL_typename(L, -1), luaL_typename(L, -2));
    value_slice(L, -2, &h.name);
    value_slice(L, -1, &h.value);
    if (!http_token(h.name))
      return bad_header(L, h.name,
                        "is no header name, expected letters, digits and "
                        "!#$%&'*+-.^_`|~ only");
    if (header_is_ours(h.name))
      return bad_header(L, h.name,
                        "belongs to the handshake and cannot be set");
    if (has_control(h.value))
      return bad_header(L, h.name,
                        "has a line break or control character in its value");
    for (size_t i = 0; i < o->net.opening.nheaders; i++)
      if (slice_eq_nocase(o->headers[i].name, h.name))
        return bad_header(L, h.name, "is given twice");
    bytes += h.name.len + h.value.len + 4;
    if (o->net.opening.nheaders == HEADERS_MAX || bytes > HEADERS_MAX_BYTES)
      return fail_nil(L, KIND_INVALID, false,
                      "option 'headers': more than %d headers or %d bytes",
                      HEADERS_MAX, HEADERS_MAX_BYTES);
    o->headers[o->net.opening.nheaders++] = h;
  }
  return 0;
}

/* Does the table on top, of length |n|, have 1 to |n| for keys and no other?
 * With a hole in it the length is one or the other, and neither fits. */
static bool is_list(lua_State *L, size_t n) {
  size_t found = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    if (++found > n) {
      lua_pop(L, 2);
      return false;
    }
  return found == n;
}

static int read_protocols(lua_State *L, struct options *o) {
  size_t n;
  if (lua_type(L, -1) != LUA_TTABLE)
    return bad_option(L, "protocols", "a list of subprotocol names");
  n = lua_rawlen(L, -1);
  if (n > PROTOCOLS_MAX)
    return fail_nil(
        L, KIND_INVALID, false,
        "option 'protocols' has %zu entries, at most %d are allowed", n,
        PROTOCOLS_MAX);
  if (!is_list(L, n))
    return fail_nil(L, KIND_INVALID, false,
                    "option 'protocols' is a table with other keys than 1, 2, "
                    "3 ..., expected a list of subprotocol names");
  for (size_t i = 0; i < n; i++) {
    struct slice s;
    bool is_string;
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    is_string = value_slice(L, -1, &s);
    lua_pop(L, 1); /* the table keeps it */
    if (!is_string || !http_token(s) || s.len > 256)
      return fail_nil(L, KIND_INVALID, false,
                      "option 'protocols': entry %zu is no subprotocol name, "
                      "expected a token such as \"graphql-ws\"",
                      i + 1);
    for (size_t j = 0; j < i; j++)
      if (slice_eq(o->protocols[j], s))
        return fail_nil(L, KIND_INVALID, false,
                        "option 'protocols': '%.*s' is given twice", (int)s.len,
                        s.p);
    o->protocols[o->net.opening.nprotocols++] = s;
  }
  return 0;
}

static int read_compression(lua_State *L, enum deflate_mode *ret) {
  static const char *const names[] = {"disabled", "context_takeover",
                                      "no_context_takeover"};
  struct slice s;
  int exact = 0;
  lua_Integer n = -1;
  if (value_slice(L, -1, &s)) {
    for (int i = DEFLATE_OFF; i <= DEFLATE_NO_CONTEXT; i++)
      if (slice_is(s, names[i]))
        n = i;
  } else if (lua_type(L, -1) == LUA_TNUMBER) {
    n = lua_tointegerx(L, -1, &exact);
    n = exact ? n : -1;
  }
  if (n < DEFLATE_OFF || n > DEFLATE_NO_CONTEXT)
    return bad_option(
        L, "compression",
        "websocket.COMPRESSION.DISABLED, CONTEXT_TAKEOVER or NO_CONTEXT, or "
        "\"disabled\", \"context_takeover\" or \"no_context_takeover\"");
  *ret = (enum deflate_mode)n;
  return 0;
}

/* The value on top stays where the collector sees it, whatever becomes of the
 * script's table, which may be a weak one. */
static void keep(lua_State *L, int anchors) {
  lua_pushvalue(L, -1);
  lua_rawseti(L, anchors, (lua_Integer)lua_rawlen(L, anchors) + 1);
}

static int read_option(lua_State *L, struct slice name, int anchors,
                       struct options *o) {
  static const char *const names[] = {"headers",
                                      "protocols",
                                      "dial_timeout",
                                      "read_timeout",
                                      "write_timeout",
                                      "compression",
                                      "compression_threshold",
                                      "read_limit",
                                      "channel_capacity",
                                      "control_messages",
                                      NULL};
  const char *near;
  uint64_t n;
  int rv;
  if (slice_is(name, "headers")) {
    keep(L, anchors);
    return read_headers(L, o);
  }
  if (slice_is(name, "protocols")) {
    keep(L, anchors);
    return read_protocols(L, o);
  }
  if (slice_is(name, "dial_timeout"))
    return read_timeout(L, name.p, false, &o->net.opening.dial_timeout_ns);
  if (slice_is(name, "read_timeout"))
    return read_timeout(L, name.p, true, &o->net.session.read_timeout_ns);
  if (slice_is(name, "write_timeout"))
    return read_timeout(L, name.p, true, &o->net.session.write_timeout_ns);
  if (slice_is(name, "compression"))
    return read_compression(L, &o->net.opening.deflate);
  if (slice_is(name, "compression_threshold"))
    return read_count(L, name.p, 0, THRESHOLD_MAX,
                      "bytes, an integer from 0 to 104857600",
                      &o->net.session.deflate_threshold);
  if (slice_is(name, "read_limit")) {
    rv = read_count(L, name.p, 0, READ_LIMIT_MAX,
                    "bytes, an integer from 0 (the default) to 134217728", &n);
    if (rv == 0 && n > 0)
      o->net.session.read_limit = n;
    return rv;
  }
  if (slice_is(name, "channel_capacity")) {
    rv = read_count(L, name.p, 1, CAPACITY_MAX,
                    "messages, an integer from 1 to 10000", &n);
    if (rv == 0)
      o->capacity = (size_t)n;
    return rv;
  }
  if (slice_is(name, "control_messages")) {
    if (lua_type(L, -1) != LUA_TBOOLEAN)
      return bad_option(L, name.p, "true or false");
    o->net.session.control_messages = lua_toboolean(L, -1);
    return 0;
  }
  near = str_nearest(name, names);
  return fail_nil(L, KIND_INVALID, false, "unknown option '%.*s'%s%s%s",
                  (int)(name.len > 80 ? 80 : name.len), name.p,
                  near ? ", did you mean '" : "", near ? near : "",
                  near ? "'?" : "");
}

/* The table at |idx|, read by raw access; a table that keeps what |o| points
 * to takes its place.  0 or a number of results. */
static int read_options(lua_State *L, int idx, struct options *o) {
  int rv, anchors;
  memset(o, 0, sizeof *o);
  o->net.opening.headers = o->headers;
  o->net.opening.protocols = o->protocols;
  o->net.opening.dial_timeout_ns = DIAL_TIMEOUT_NS;
  o->net.session.read_limit = READ_LIMIT;
  o->net.session.deflate_threshold = THRESHOLD;
  o->capacity = CAPACITY;
  if (lua_isnoneornil(L, idx))
    return 0;
  lua_createtable(L, 2, 0);
  anchors = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
    struct slice name;
    if (!value_slice(L, -2, &name))
      return fail_nil(L, KIND_INVALID, false,
                      "an option's name is a %s, expected a string",
                      luaL_typename(L, -2));
    if ((rv = read_option(L, name, anchors, o)) != 0)
      return rv;
  }
  lua_replace(L, idx);
  return 0;
}

/* ------------------------------------------------------------ connect --- */

static bool dial_live(const struct wait *w) {
  (void)w; /* the dial timeout ends it at the latest */
  return true;
}

static int connect_failed(lua_State *L, const struct dial_answer *a) {
  const struct connection_failure *f = &a->failure;
  lua_pushnil(L);
  lua_createtable(L, 0, 4);
  lua_pushlstring(L, a->url.p, a->url.len);
  lua_setfield(L, -2, "url");
  lua_pushstring(L, connection_stage_name(f->stage));
  lua_setfield(L, -2, "stage");
  lua_pushstring(L, f->reason);
  lua_setfield(L, -2, "reason");
  if (f->http_status != 0) {
    lua_pushinteger(L, (lua_Integer)f->http_status);
    lua_setfield(L, -2, "status");
  }
  error_push(L, KIND_INTERNAL, true, lua_gettop(L),
             "connection to %.*s failed: %s", (int)a->url.len, a->url.p,
             f->reason);
  lua_remove(L, -2);
  return 2;
}

/* nil and the error of a connect that did not come to a connection. */
static int not_open(lua_State *L, const struct dial_answer *a) {
  switch (a->end) {
  case DIAL_REFUSED:
    lua_pushnil(L);
    guard_push_refusal(L, &a->refusal);
    return 2;
  case DIAL_INVALID:
    return fail_nil(L, KIND_INVALID, false, "%s", a->message);
  case DIAL_DRY_RUN:
    return fail_nil(L, KIND_UNAVAILABLE, false, "%s", a->message);
  case DIAL_LIMITED:
    return fail_nil(L, KIND_RATE_LIMITED, true, "%s", a->message);
  case DIAL_FAILED:
  case DIAL_OPEN:
    break;
  }
  return connect_failed(L, a);
}

/* Stack: URL, options, client. */
static int connect_done(lua_State *L, int status, lua_KContext ctx) {
  struct client *c = object_get(L, 3);
  (void)status;
  (void)ctx;
  if (c->dial->answer.end != DIAL_OPEN) {
    int n = not_open(L, &c->dial->answer);
    dial_free(c);
    return n;
  }
  dial_free(c);
  if (c->conn) {
    struct slice protocol = connection_subprotocol(c->conn);
    if (protocol.len > 0) {
      lua_pushlstring(L, protocol.p, protocol.len);
      lua_setiuservalue(L, 3, USER_PROTOCOL);
    }
  }
  lua_settop(L, 3);
  return 1;
}

/* A userdata that is closed but complete; its finalizer owns all of it. */
static struct client *client_new(lua_State *L, const struct options *o) {
  struct services *sv = services_of(L);
  struct client *c = object_new(L, CLIENT_META, sizeof *c, 2);
  const struct channel_host host = {.live = channel_live,
                                    .taken = channel_taken,
                                    .pull = pull_message,
                                    .gone = channel_gone,
                                    .ud = c};
  c->sv = sv;
  list_init(&c->node);
  list_init(&c->sends);
  object_ready(&c->object, client_release);
  c->control_messages = o->net.session.control_messages;
  c->ch = channel_new_host(L, o->capacity, -1, &host);
  lua_setiuservalue(L, -2, USER_CHANNEL);
  return c;
}

static int start_remote(lua_State *L, struct client *c, struct slice url,
                        const struct guard_place *where, struct options *o) {
  struct services *sv = c->sv;
  struct dial *d = c->dial;
  int rv;
  d->wait.what = "websocket.connect";
  d->wait.live = dial_live;
  task_check_wait(L, d->wait.what);
  gate_enter();
  d->st = state_of(L);
  d->client = c;
  d->session = o->net.session;
  d->remote.done = on_remote;
  rv = sv->dial(sv, url, where, &o->net.opening, &d->remote);
  if (rv == 0) {
    list_add_tail(&sv->clients, &c->node);
    sv->nclients++;
    wait_begin(L, &d->wait);
  }
  gate_leave();
  if (rv != 0)
    return luaL_error(L, "not enough memory");
  return task_wait(L, &d->wait, 0, connect_done);
}

static int start_dial(lua_State *L, struct client *c, struct options *o) {
  struct state *st = state_of(L);
  struct services *sv = c->sv;
  struct err e;
  int rv;
  o->net.opening.url = &c->dial->admission.url;
  c->dial->wait.what = "websocket.connect";
  c->dial->wait.live = dial_live;
  task_check_wait(L, c->dial->wait.what);
  gate_enter();
  rv = sv->dialer->connect(&c->conn, st->loop, sv->resolver, sv->tls, &o->net,
                           &handler, c, &st->mem, &e);
  if (rv == 0) {
    list_add_tail(&sv->clients, &c->node);
    sv->nclients++;
    wait_begin(L, &c->dial->wait);
  }
  gate_leave();
  if (rv != 0) {
    dial_free(c);
    if (rv == ERR_NOMEM)
      return luaL_error(L, "not enough memory");
    return fail_nil(L, KIND_INVALID, false, "%s", e.message);
  }
  return task_wait(L, &c->dial->wait, 0, connect_done);
}

static int ws_connect(lua_State *L) {
  struct state *st = state_of(L);
  struct slice text = arg_slice(L, 1);
  struct options o;
  struct guard_place where;
  struct client *c;
  int rv;
  if (!lua_isnoneornil(L, 2))
    luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  luaL_checkstack(L, 10, NULL);
  if ((rv = read_options(L, 2, &o)) != 0)
    return rv;
  if (!st->current || !task_can_wait(L))
    return fail_nil(L, KIND_INTERNAL, false,
                    "websocket.connect cannot wait here: no context that can "
                    "be suspended");
  guard_here(L, &where);
  c = client_new(L, &o);
  gate_enter();
  c->dial = mem_zalloc(&st->mem, sizeof *c->dial);
  if (c->dial) {
    c->dial->mem = st->mem;
    list_init(&c->dial->remote.node);
    arena_init(&c->dial->texts, &st->mem, ANSWER_MAX_BYTES);
  }
  gate_leave();
  if (!c->dial)
    return luaL_error(L, "not enough memory");
  if (c->sv->dial)
    return start_remote(L, c, text, &where, &o);
  gate_enter();
  c->sv->dialer->ask(&c->dial->admission, c->sv, text, &where,
                     loop_now_ns(st->loop), &c->dial->answer);
  gate_leave();
  if (c->dial->answer.end != DIAL_OPEN) {
    int n = not_open(L, &c->dial->answer);
    dial_free(c);
    return n;
  }
  return start_dial(L, c, &o);
}

/* --------------------------------------------------------------- send --- */

/* In the task's scratch while it waits. */
struct send_op {
  struct wait wait;
  struct send_request rq;
  struct client *client; /* NULL: done */
  struct list node;      /* in client.sends */
  int code;
};

static void send_finish(struct send_op *op, int code) {
  op->code = code;
  op->client = NULL;
  list_remove(&op->node);
  wait_wake(&op->wait);
}

static void fail_sends(struct client *c) {
  while (!list_empty(&c->sends)) {
    struct send_op *op = list_entry(c->sends.next, struct send_op, node);
    connection_send_abandon(c->conn, &op->rq);
    send_finish(op, ERR_CLOSED);
  }
}

static void on_sent(struct send_request *rq, int code) {
  send_finish(rq->ud, code);
}

static void send_cancel(struct wait *w) {
  struct send_op *op = list_entry(w, struct send_op, wait);
  struct client *c = op->client;
  if (!c)
    return;
  op->client = NULL;
  list_remove(&op->node);
  if (c->conn)
    connection_send_abandon(c->conn, &op->rq);
}

static int fail_closed(lua_State *L) {
  return fail_false(L, KIND_INTERNAL, false, "the connection is closed");
}

static int sent(lua_State *L, int status, lua_KContext ctx) {
  const struct send_op *op = (const struct send_op *)ctx;
  (void)status;
  if (op->code == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  if (op->code == ERR_TIMEOUT)
    return fail_false(L, KIND_TIMEOUT, true,
                      "the peer did not take the message within write_timeout; "
                      "the connection is closed");
  return fail_closed(L);
}

static int sent_close(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx; /* sent, or the peer is gone: it is closed either way */
  lua_pushboolean(L, 1);
  return 1;
}

static struct send_op *send_op_new(lua_State *L, struct client *c,
                                   const char *what) {
  struct send_op *op;
  task_check_wait(L, what);
  op = task_scratch(L, sizeof *op);
  memset(op, 0, sizeof *op);
  op->wait.what = what;
  op->wait.cancel = send_cancel;
  op->rq.done = on_sent;
  op->rq.ud = op;
  list_init(&op->rq.node);
  list_init(&op->node);
  op->client = c;
  return op;
}

static struct client *arg_client(lua_State *L) {
  return object_test(L, 1, CLIENT_META);
}

static int no_client(lua_State *L) {
  return fail_false(L, KIND_INTERNAL, false,
                    "argument 1 is a %s, expected a websocket client",
                    luaL_typename(L, 1));
}

/* Sends the string at stack slot 2, which stays there until it is sent. */
static int send_frame(lua_State *L, struct client *c, uint8_t opcode,
                      const char *what) {
  struct send_op *op;
  int rv;
  op = send_op_new(L, c, what);
  op->rq.opcode = opcode;
  value_slice(L, 2, &op->rq.data);
  gate_enter();
  rv = connection_send(c->conn, &op->rq);
  if (rv == 0) {
    list_add_tail(&c->sends, &op->node);
    wait_begin(L, &op->wait);
  }
  gate_leave();
  if (rv != 0)
    return fail_closed(L);
  return task_wait(L, &op->wait, (lua_KContext)op, sent);
}

static int client_send(lua_State *L) {
  struct client *c = arg_client(L);
  struct slice data;
  lua_Integer type;
  if (!c)
    return no_client(L);
  data = arg_slice(L, 2);
  type = luaL_optinteger(L, 3, WS_TEXT);
  lua_settop(L, 2);
  if (type != WS_TEXT && type != WS_BINARY)
    return fail_false(L, KIND_INVALID, false,
                      "message type %lld, expected websocket.TEXT (1) or "
                      "websocket.BINARY (2)",
                      (long long)type);
  if (type == WS_TEXT && !utf8_valid(data))
    return fail_false(L, KIND_INVALID, false,
                      "text is not valid UTF-8 at byte %zu, expected UTF-8, or "
                      "websocket.BINARY as the type",
                      utf8_valid_prefix(data.p, data.len) + 1);
  if (!c->conn || !connection_is_open(c->conn))
    return fail_closed(L);
  return send_frame(L, c, (uint8_t)type, "client:send");
}

static int client_ping(lua_State *L) {
  struct client *c = arg_client(L);
  if (!c)
    return no_client(L);
  if (lua_isnoneornil(L, 2)) {
    lua_settop(L, 1);
    lua_pushliteral(L, "");
  }
  lua_settop(L, 2);
  if (arg_slice(L, 2).len > PING_MAX)
    return fail_false(L, KIND_INVALID, false,
                      "ping data has %zu bytes, at most %d are allowed",
                      arg_slice(L, 2).len, PING_MAX);
  if (!c->conn || !connection_is_open(c->conn))
    return fail_closed(L);
  return send_frame(L, c, WS_PING, "client:ping");
}

/* -------------------------------------------------------------- close --- */

static int client_close(lua_State *L) {
  struct client *c = arg_client(L);
  lua_Integer code;
  struct slice reason = SLICE("");
  struct send_op *op;
  int rv;
  if (!c)
    return no_client(L);
  code = luaL_optinteger(L, 2, 1000);
  if (!lua_isnoneornil(L, 3))
    reason = arg_slice(L, 3);
  lua_settop(L, 3);
  if (code < 0 || code > UINT16_MAX || !close_code_sendable((uint16_t)code))
    return fail_false(L, KIND_INVALID, false,
                      "close code %lld, expected 1000-1003, 1007-1014 or "
                      "3000-4999",
                      (long long)code);
  if (reason.len > CLOSE_REASON_MAX || !utf8_valid(reason))
    return fail_false(L, KIND_INVALID, false,
                      "close reason, expected UTF-8 of at most %d bytes",
                      CLOSE_REASON_MAX);
  if (c->close_called || !c->conn || !connection_is_open(c->conn)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  op = send_op_new(L, c, "client:close");
  gate_enter();
  rv = connection_close(c->conn, (uint16_t)code, reason, &op->rq);
  if (rv == 0) {
    c->close_called = true;
    c->own_code = (uint16_t)code;
    if (c->paused) {
      c->paused = false;
      connection_pause(c->conn, false);
    }
    list_add_tail(&c->sends, &op->node);
    wait_begin(L, &op->wait);
  }
  gate_leave();
  if (rv != 0) {
    lua_pushboolean(L, 1); /* it is closing already */
    return 1;
  }
  return task_wait(L, &op->wait, (lua_KContext)op, sent_close);
}

/* For the methods whose success is a value. */
static int nil_for_no_client(lua_State *L) {
  return fail_nil(L, KIND_INTERNAL, false,
                  "argument 1 is a %s, expected a websocket client",
                  luaL_typename(L, 1));
}

static int client_channel(lua_State *L) {
  if (!arg_client(L))
    return nil_for_no_client(L);
  lua_getiuservalue(L, 1, USER_CHANNEL);
  return 1;
}

static int client_close_info(lua_State *L) {
  struct client *c = arg_client(L);
  if (!c)
    return nil_for_no_client(L);
  if (!c->over) {
    lua_pushnil(L);
    return 1;
  }
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, c->close_code);
  lua_setfield(L, -2, "code");
  lua_pushlstring(L, c->close_reason, c->close_reason_len);
  lua_setfield(L, -2, "reason");
  lua_pushboolean(L, c->clean);
  lua_setfield(L, -2, "clean");
  return 1;
}

static int client_subprotocol(lua_State *L) {
  if (!arg_client(L))
    return nil_for_no_client(L);
  lua_getiuservalue(L, 1, USER_PROTOCOL);
  return 1;
}

/* --------------------------------------------------------- the module --- */

struct constant {
  const char *name;
  lua_Integer value;
};

static void set_constants(lua_State *L, const char *name,
                          const struct constant *list) {
  lua_newtable(L);
  for (; list->name; list++) {
    lua_pushinteger(L, list->value);
    lua_setfield(L, -2, list->name);
  }
  table_lock(L, name);
}

static void fill(lua_State *L) {
  static const struct constant compression[] = {
      {"DISABLED", DEFLATE_OFF},
      {"CONTEXT_TAKEOVER", DEFLATE_TAKEOVER},
      {"NO_CONTEXT", DEFLATE_NO_CONTEXT},
      {NULL, 0}};
  /* RFC 6455 section 7.4.1 and the IANA registry of close codes */
  static const struct constant codes[] = {{"NORMAL", 1000},
                                          {"GOING_AWAY", 1001},
                                          {"PROTOCOL_ERROR", 1002},
                                          {"UNSUPPORTED_DATA", 1003},
                                          {"RESERVED", 1004},
                                          {"NO_STATUS", 1005},
                                          {"ABNORMAL_CLOSURE", 1006},
                                          {"INVALID_PAYLOAD", 1007},
                                          {"POLICY_VIOLATION", 1008},
                                          {"MESSAGE_TOO_BIG", 1009},
                                          {"MANDATORY_EXTENSION", 1010},
                                          {"INTERNAL_ERROR", 1011},
                                          {"SERVICE_RESTART", 1012},
                                          {"TRY_AGAIN_LATER", 1013},
                                          {"BAD_GATEWAY", 1014},
                                          {"TLS_HANDSHAKE", 1015},
                                          {NULL, 0}};
  static const char *const types[] = {"TEXT", "BINARY", "PING",
                                      "PONG", "CLOSE",  NULL};
  static const char *const names[] = {"text", "binary", "ping", "pong",
                                      "close"};
  lua_pushinteger(L, WS_TEXT);
  lua_setfield(L, -2, "TEXT");
  lua_pushinteger(L, WS_BINARY);
  lua_setfield(L, -2, "BINARY");
  for (int i = 0; types[i]; i++) {
    lua_pushfstring(L, "TYPE_%s", types[i]);
    lua_pushstring(L, names[i]);
    lua_rawset(L, -3);
  }
  set_constants(L, "websocket.COMPRESSION", compression);
  lua_setfield(L, -2, "COMPRESSION");
  set_constants(L, "websocket.CLOSE_CODES", codes);
  lua_setfield(L, -2, "CLOSE_CODES");
}

int luaopen_websocket(lua_State *L) {
  static const luaL_Reg methods[] = {{"send", client_send},
                                     {"ping", client_ping},
                                     {"close", client_close},
                                     {"channel", client_channel},
                                     {"receive", client_channel},
                                     {"close_info", client_close_info},
                                     {"subprotocol", client_subprotocol},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", object_gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"connect", ws_connect}, {NULL, NULL}};
  meta_new(L, CLIENT_META, methods, meta);
  lib_new(L, "websocket", functions, fill);
  return 1;
}
