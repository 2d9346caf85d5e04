/* websocket.c - the websocket module: its table, its constants, and what a
 * client says of itself. */
#include "modules/errors.h"
#include "modules/modules.h"
#include "modules/websocket_client.h"
#include "runtime/vm/arg.h"

/* --------------------------------------------------------- the client --- */

/* For the methods whose success is a value. */
static int nil_for_no_client(lua_State *L) {
  return fail_nil(L, KIND_INTERNAL, false,
                  "argument 1 is a %s, expected a websocket client",
                  luaL_typename(L, 1));
}

static int client_channel(lua_State *L) {
  if (!client_arg(L))
    return nil_for_no_client(L);
  lua_getiuservalue(L, 1, USER_CHANNEL);
  return 1;
}

static int client_close_info(lua_State *L) {
  struct client *c = client_arg(L);
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
  if (!client_arg(L))
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
  static const luaL_Reg functions[] = {{"connect", websocket_connect},
                                       {NULL, NULL}};
  static const struct meta_def client = {CLIENT_META, methods, meta};
  static const struct library library = {"websocket", functions, fill, NULL};
  meta_later(L, &client);
  lib_new(L, &library);
  return 1;
}
