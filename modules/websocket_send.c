/* websocket_send.c - what a client sends: messages, pings and the close frame,
 * and the tasks that wait until they are sent. */
#include <string.h>

#include "modules/errors.h"
#include "modules/websocket_client.h"
#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"

#define PING_MAX 125 /* RFC 6455 section 5.5 */

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

void client_fail_sends(struct client *c) {
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

static int no_client(lua_State *L) {
  return fail_false(L, KIND_INTERNAL, false,
                    "argument 1 is a %s, expected a websocket client",
                    luaL_typename(L, 1));
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

/* Sends the string at stack slot 2, which stays there until it is sent. */
static int send_frame(lua_State *L, struct client *c, uint8_t opcode,
                      const char *what) {
  struct send_op *op;
  int rv;
  op = send_op_new(L, c, what);
  op->rq.opcode = opcode;
  value_slice(L, 2, &op->rq.data);
  gate_enter();
  /* Where others are ready their messages may go out with this one; who is
   * alone need not wait for the loop: it has its slice of time in any case. */
  rv = task_is_alone(L) ? connection_send_now(c->conn, &op->rq)
                        : connection_send(c->conn, &op->rq);
  if (rv == 0) {
    list_add_tail(&c->sends, &op->node);
    wait_begin(L, &op->wait);
  }
  gate_leave();
  if (rv == 0 || rv == CONNECTION_SENT)
    c->sv->sent += opcode == WS_TEXT || opcode == WS_BINARY;
  if (rv == CONNECTION_SENT) {
    lua_pushboolean(L, 1);
    return 1;
  }
  if (rv != 0)
    return fail_closed(L);
  return task_wait(L, &op->wait, (lua_KContext)op, sent);
}

int client_send(lua_State *L) {
  struct client *c = client_arg(L);
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

int client_ping(lua_State *L) {
  struct client *c = client_arg(L);
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

int client_close(lua_State *L) {
  struct client *c = client_arg(L);
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
