/* websocket_options.h - the options of websocket.connect. */
#ifndef MODULES_WEBSOCKET_OPTIONS_H
#define MODULES_WEBSOCKET_OPTIONS_H

#include <lua.h>
#include <stddef.h>

#include "runtime/net/connection.h"

#define WS_HEADERS_MAX 64
#define WS_PROTOCOLS_MAX 32

/* |net| points into the rest and to strings of the script. */
struct websocket_options {
  struct connection_options net;
  struct header headers[WS_HEADERS_MAX];
  struct slice protocols[WS_PROTOCOLS_MAX];
  size_t capacity;
};

/* The table at |idx|, or none, read by raw access; a table that keeps what |o|
 * points to takes its place.  0, or the number of results of a failed connect:
 * nil and an INVALID error. */
int websocket_options_read(lua_State *L, int idx, struct websocket_options *o);

#endif
