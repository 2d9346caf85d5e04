/* websocket_client.c - the client object: its life, and what its connection
 * brings to its channel. */
#include "modules/websocket_client.h"

#include <string.h>

#include "modules/modules.h"
#include "runtime/base/gate.h"

/* ------------------------------------------------------- life and end --- */

void client_forget(struct client *c) {
  if (!list_empty(&c->node)) {
    list_remove(&c->node);
    c->sv->nclients--;
  }
}

void client_tell_end(struct client *c, uint16_t code, bool clean) {
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
  client_forget(c);
  client_dial_forget(c);
  client_tell_end(c, c->close_called ? c->own_code : code, false);
  if (conn && c->object.st->stop == STOP_CPU)
    connection_release_now(conn, code);
  else if (conn)
    connection_release(conn, code);
}

void websocket_end(struct services *sv) {
  while (!list_empty(&sv->clients))
    release(list_entry(sv->clients.next, struct client, node), 1001);
}

static void client_release(struct object *o) {
  struct client *c = list_entry(o, struct client, object);
  if (c->ch)
    channel_host_detach(c->ch);
  /* of a script that found it in a weak table just before */
  client_fail_sends(c);
  release(c, 1001);
  client_dial_free(c);
}

/* Nobody is there to receive, nor to send. */
static void channel_gone(void *ud) {
  struct client *c = ud;
  c->ch = NULL;
  client_fail_sends(c);
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
  c->sv->received++;
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

void client_on_message(void *ud, struct message *m) {
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
  c->sv->received++;
  channel_host_put(c->ch, it);
  if (channel_host_len(c->ch) == 0) /* somebody waited for it */
    connection_leave_rest(c->conn);
  if (!c->close_called && !c->paused && channel_host_room(c->ch) == 0) {
    c->paused = true;
    connection_pause(c->conn, true);
  }
}

void client_on_closed(void *ud, const struct connection_close *how) {
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
  client_fail_sends(c);
  c->conn = NULL;
  client_forget(c);
  client_tell_end(c, how->code, how->clean);
  connection_release(conn, 1001); /* it may still owe its close frame */
  if (c->control_messages) {
    c->close_item.push = push_close;
    c->close_item.drop = drop_close;
    channel_host_put(c->ch, &c->close_item);
  }
  channel_host_close(c->ch);
}

/* ---------------------------------------------------------- beginning --- */

struct client *client_new(lua_State *L, size_t capacity,
                          bool control_messages) {
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
  c->control_messages = control_messages;
  c->ch = channel_new_host(L, capacity, -1, &host);
  lua_setiuservalue(L, -2, USER_CHANNEL);
  return c;
}
