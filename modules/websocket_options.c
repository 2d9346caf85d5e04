/* websocket_options.c - the options of websocket.connect: types, ranges and
 * defaults, and which headers a script may set. */
#include "modules/websocket_options.h"

#include <math.h>
#include <string.h>

#include "modules/errors.h"
#include "runtime/base/clock.h"
#include "runtime/vm/arg.h"

#define DIAL_TIMEOUT_NS (30 * NS_PER_S)
#define READ_LIMIT (UINT64_C(16) << 20)
#define READ_LIMIT_MAX (UINT64_C(128) << 20)
#define THRESHOLD 512
#define THRESHOLD_MAX (UINT64_C(100) << 20)
#define CAPACITY 16
#define CAPACITY_MAX 10000
#define HEADERS_MAX_BYTES 8192

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

static int read_headers(lua_State *L, struct websocket_options *o) {
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
    if (o->net.opening.nheaders == WS_HEADERS_MAX || bytes > HEADERS_MAX_BYTES)
      return fail_nil(L, KIND_INVALID, false,
                      "option 'headers': more than %d headers or %d bytes",
                      WS_HEADERS_MAX, HEADERS_MAX_BYTES);
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

static int read_protocols(lua_State *L, struct websocket_options *o) {
  size_t n;
  if (lua_type(L, -1) != LUA_TTABLE)
    return bad_option(L, "protocols", "a list of subprotocol names");
  n = lua_rawlen(L, -1);
  if (n > WS_PROTOCOLS_MAX)
    return fail_nil(
        L, KIND_INVALID, false,
        "option 'protocols' has %zu entries, at most %d are allowed", n,
        WS_PROTOCOLS_MAX);
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
                       struct websocket_options *o) {
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

int websocket_options_read(lua_State *L, int idx, struct websocket_options *o) {
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
