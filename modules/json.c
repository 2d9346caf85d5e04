/* json.c - JSON between texts and Lua values, by raw access, in memory that is
 * charged to the script. */
#include "modules/json.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "modules/errors.h"
#include "runtime/base/json.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/state.h"

#define NULL_META "json.null"
#define STEPS_PER_CHECK 256
/* Bytes that cost about as much as one step. */
#define BYTES_PER_STEP 64

/* Keys of the registry, by address: json.null itself, and the tables that were
 * decoded from "{}".  The latter is a weak table rather than a mark on each of
 * them: a metatable could be seen by getmetatable and would be in the way of
 * setmetatable. */
static const char null_key, empty_objects_key;

void json_step(lua_State *L, unsigned *steps) {
  if (++*steps % STEPS_PER_CHECK == 0)
    state_check(L);
}

/* The same for work on |bytes| bytes. */
static void bytes_step(lua_State *L, unsigned *steps, size_t bytes) {
  size_t more = bytes / BYTES_PER_STEP;
  if (more >= STEPS_PER_CHECK) {
    state_check(L);
    return;
  }
  unsigned before = *steps;
  *steps += (unsigned)more + 1;
  if (before / STEPS_PER_CHECK != *steps / STEPS_PER_CHECK)
    state_check(L);
}

bool json_is_null(lua_State *L, int idx) {
  return luaL_testudata(L, idx, NULL_META) != NULL;
}

bool json_is_empty_object(lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &empty_objects_key) != LUA_TTABLE) {
    lua_pop(L, 1); /* nobody was marked */
    return false;
  }
  lua_pushvalue(L, idx);
  bool marked = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  return marked;
}

/* Has the table on top no member?  Not the same as "none was put in": a later
 * null takes an earlier duplicate away. */
static bool is_empty(lua_State *L) {
  lua_pushnil(L);
  if (!lua_next(L, -2))
    return true;
  lua_pop(L, 2);
  return false;
}

/* The weak table of them: also values of the host are marked, for which nobody
 * need have opened the library. */
static void push_empty_objects(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &empty_objects_key) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &empty_objects_key);
}

void json_mark_empty_object(lua_State *L) {
  push_empty_objects(L);
  lua_pushvalue(L, -2);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

enum json_shape json_shape(lua_State *L, int idx, size_t *ret_count,
                           unsigned *steps) {
  enum json_shape shape = JSON_SHAPE_EMPTY;
  lua_Unsigned count = 0, highest = 0;
  idx = lua_absindex(L, idx);
  lua_pushnil(L);
  while (lua_next(L, idx)) {
    enum json_shape key = JSON_SHAPE_MIXED;
    json_step(L, steps);
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      key = JSON_SHAPE_OBJECT;
    } else if (lua_isinteger(L, -1)) {
      lua_Integer i = lua_tointeger(L, -1);
      key = i > 0 ? JSON_SHAPE_ARRAY : JSON_SHAPE_SPARSE;
      if (i > 0 && (lua_Unsigned)i > highest)
        highest = (lua_Unsigned)i;
    }
    if (shape == JSON_SHAPE_EMPTY ||
        (shape == JSON_SHAPE_ARRAY && key == JSON_SHAPE_SPARSE))
      shape = key;
    else if (shape != key &&
             !(shape == JSON_SHAPE_SPARSE && key == JSON_SHAPE_ARRAY))
      shape = JSON_SHAPE_MIXED;
    if (shape == JSON_SHAPE_MIXED) {
      lua_pop(L, 1);
      break;
    }
    count++;
  }
  if (shape == JSON_SHAPE_ARRAY && highest != count)
    shape = JSON_SHAPE_SPARSE;
  *ret_count = (size_t)count;
  return shape;
}

/* Encoding */

/* The output is a userdata at |at|, so that no error can leak it; a fuller one
 * is replaced by a larger. */
struct encoder {
  lua_State *L;
  int at;
  char *bytes;
  size_t len;
  size_t cap;
  unsigned steps;
  int depth;
  const void *parents[JSON_MAX_DEPTH]; /* tables around this one */
  char why[96]; /* what cannot be encoded, once encode_* returned false */
};

/* Room for |n| more bytes behind the output. */
static char *reserve(struct encoder *e, size_t n) {
  if (n > e->cap - e->len) {
    size_t cap = e->cap;
    char *bytes;
    if (n > SIZE_MAX / 4 - cap)
      state_no_memory(e->L);
    do
      cap *= 2;
    while (n > cap - e->len);
    bytes = lua_newuserdatauv(e->L, cap, 0);
    memcpy(bytes, e->bytes, e->len);
    lua_replace(e->L, e->at);
    e->bytes = bytes;
    e->cap = cap;
  }
  return e->bytes + e->len;
}

static void add(struct encoder *e, const char *p, size_t n) {
  memcpy(reserve(e, n), p, n);
  e->len += n;
}

static void add_char(struct encoder *e, char c) {
  *reserve(e, 1) = c;
  e->len++;
}

/* How many bytes at |p| stand in a JSON string as they are. */
static size_t plain_run(const char *p, size_t len) {
  size_t n = 0;
  while (n < len && (unsigned char)p[n] >= 0x20 && p[n] != '"' && p[n] != '\\')
    n++;
  return n;
}

static void add_escape(struct encoder *e, char c) {
  static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
  char text[8];
  for (size_t i = 0; i + 1 < sizeof names; i += 2) {
    if (names[i] == c) {
      text[0] = '\\';
      text[1] = names[i + 1];
      add(e, text, 2);
      return;
    }
  }
  snprintf(text, sizeof text, "\\u%04x", (unsigned)(unsigned char)c);
  add(e, text, 6);
}

/* Looked at in one go, so that a limit can stop a long string half-way. */
#define WINDOW_BYTES ((size_t)64 << 10)

/* Bytes that are no UTF-8 become U+FFFD, one for each: the output is always
 * valid JSON. */
static void add_string(struct encoder *e, const char *p, size_t len) {
  add_char(e, '"');
  while (len) {
    size_t window = len < WINDOW_BYTES ? len : WINDOW_BYTES;
    /* a character that the window cuts comes first in the next one */
    size_t valid = utf8_valid_prefix(p, window);
    len -= valid;
    bytes_step(e->L, &e->steps, valid);
    if (!valid) {
      add(e, "\xEF\xBF\xBD", 3);
      p++;
      len--;
    }
    while (valid) {
      size_t run = plain_run(p, valid);
      if (run)
        add(e, p, run);
      p += run;
      valid -= run;
      if (valid) {
        add_escape(e, *p++);
        valid--;
      }
    }
  }
  add_char(e, '"');
}

static void add_number(struct encoder *e) {
  char text[64];
  size_t n;
  if (lua_isinteger(e->L, -1))
    n = (size_t)snprintf(text, sizeof text, "%lld",
                         (long long)lua_tointeger(e->L, -1));
  else
    n = json_format_double(text, sizeof text, lua_tonumber(e->L, -1));
  add(e, text, n);
}

/* One key of an object: its bytes, and its place in the table of keys, which
 * keeps them alive. */
struct key {
  const char *p;
  size_t len;
  lua_Integer place;
};

static bool key_before(struct encoder *e, const struct key *a,
                       const struct key *b) {
  size_t common = a->len < b->len ? a->len : b->len;
  int order = memcmp(a->p, b->p, common);
  bytes_step(e->L, &e->steps, common);
  return order < 0 || (order == 0 && a->len < b->len);
}

static void sift_down(struct encoder *e, struct key *keys, size_t root,
                      size_t n) {
  for (;;) {
    size_t child = 2 * root + 1;
    if (child >= n)
      return;
    if (child + 1 < n && key_before(e, &keys[child], &keys[child + 1]))
      child++;
    if (!key_before(e, &keys[root], &keys[child]))
      return;
    struct key k = keys[root];
    keys[root] = keys[child];
    keys[child] = k;
    root = child;
  }
}

/* Heapsort: in place, never quadratic, and free to be left by a longjmp, none
 * of which the C library's qsort promises. */
static void sort_keys(struct encoder *e, struct key *keys, size_t n) {
  for (size_t i = n / 2; i-- > 0;)
    sift_down(e, keys, i, n);
  for (size_t end = n; end-- > 1;) {
    struct key k = keys[0];
    keys[0] = keys[end];
    keys[end] = k;
    sift_down(e, keys, 0, end);
  }
}

static bool encode_value(struct encoder *e);

static bool refuse(struct encoder *e, const char *why) {
  snprintf(e->why, sizeof e->why, "%s", why);
  return false;
}

/* The array of |n| elements on top. */
static bool encode_array(struct encoder *e, size_t n) {
  add_char(e, '[');
  for (size_t i = 1; i <= n; i++) {
    if (i > 1)
      add_char(e, ',');
    lua_rawgeti(e->L, -1, (lua_Integer)i);
    if (!encode_value(e))
      return false;
    lua_pop(e->L, 1);
  }
  add_char(e, ']');
  return true;
}

/* The object of |n| members on top: fewer when it is weak and the collector has
 * been there meanwhile. */
static bool encode_object(struct encoder *e, size_t n) {
  lua_State *L = e->L;
  int object = lua_gettop(L), names = object + 1;
  struct key *keys;
  size_t i = 0;
  lua_createtable(L, n < INT_MAX ? (int)n : 0, 0);
  if (n > SIZE_MAX / sizeof *keys)
    return refuse(e, "object is too large");
  keys = lua_newuserdatauv(L, n * sizeof *keys, 0);
  lua_pushnil(L);
  while (i < n && lua_next(L, object)) {
    json_step(L, &e->steps);
    lua_pop(L, 1);
    keys[i].p = lua_tolstring(L, -1, &keys[i].len);
    keys[i].place = (lua_Integer)i + 1;
    lua_pushvalue(L, -1);
    lua_rawseti(L, names, keys[i].place);
    i++;
  }
  n = i;
  lua_settop(L, names + 1);
  sort_keys(e, keys, n);
  add_char(e, '{');
  for (i = 0; i < n; i++) {
    if (i)
      add_char(e, ',');
    add_string(e, keys[i].p, keys[i].len);
    add_char(e, ':');
    lua_rawgeti(L, names, keys[i].place);
    lua_rawget(L, object);
    if (!encode_value(e))
      return false;
    lua_pop(L, 1);
  }
  add_char(e, '}');
  lua_settop(L, object);
  return true;
}

/* The table on top. */
static bool encode_table(struct encoder *e) {
  const void *self = lua_topointer(e->L, -1);
  bool done = false;
  size_t n;
  if (e->depth == JSON_MAX_DEPTH) {
    for (int i = 0; i < e->depth; i++)
      if (e->parents[i] == self)
        return refuse(e, "table contains itself");
    return refuse(e, "table is nested deeper than 128 levels");
  }
  luaL_checkstack(e->L, 10, "json.encode");
  e->parents[e->depth++] = self;
  switch (json_shape(e->L, -1, &n, &e->steps)) {
  case JSON_SHAPE_EMPTY:
    if (json_is_empty_object(e->L, -1))
      add(e, "{}", 2);
    else
      add(e, "[]", 2);
    done = true;
    break;
  case JSON_SHAPE_ARRAY:
    done = encode_array(e, n);
    break;
  case JSON_SHAPE_OBJECT:
    done = encode_object(e, n);
    break;
  case JSON_SHAPE_MIXED:
    done = refuse(e, "table has mixed keys, expected strings or 1..n");
    break;
  case JSON_SHAPE_SPARSE:
    done = refuse(e, "table is a sparse array, expected keys 1..n");
    break;
  }
  e->depth--;
  return done;
}

/* The value on top, which stays there. */
static bool encode_value(struct encoder *e) {
  size_t len;
  const char *p;
  json_step(e->L, &e->steps);
  switch (lua_type(e->L, -1)) {
  case LUA_TNIL:
    add(e, "null", 4);
    return true;
  case LUA_TBOOLEAN:
    if (lua_toboolean(e->L, -1))
      add(e, "true", 4);
    else
      add(e, "false", 5);
    return true;
  case LUA_TNUMBER:
    add_number(e);
    return true;
  case LUA_TSTRING:
    p = lua_tolstring(e->L, -1, &len);
    add_string(e, p, len);
    return true;
  case LUA_TTABLE:
    return encode_table(e);
  case LUA_TUSERDATA:
    if (json_is_null(e->L, -1)) {
      add(e, "null", 4);
      return true;
    }
  }
  snprintf(e->why, sizeof e->why, "cannot encode a %s",
           luaL_typename(e->L, -1));
  return false;
}

static int encode(lua_State *L) {
  struct encoder e = {.L = L, .at = 2, .cap = 256};
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  e.bytes = lua_newuserdatauv(L, e.cap, 0);
  lua_pushvalue(L, 1);
  if (!encode_value(&e)) {
    lua_settop(L, 0);
    return fail_nil(L, KIND_INTERNAL, false, "json.encode: %s", e.why);
  }
  lua_pushlstring(L, e.bytes, e.len);
  return 1;
}

/* Decoding */

struct level {
  bool object;
  lua_Integer n; /* elements of an array so far */
};

static void push_string(lua_State *L, const struct json_lexer *lx) {
  if (!lx->escaped) {
    lua_pushlstring(L, lx->raw.p, lx->raw.len);
    return;
  }
  char *text = lua_newuserdatauv(L, lx->raw.len, 0);
  lua_pushlstring(L, text, json_unescape(text, lx->raw));
  lua_remove(L, -2);
}

/* Puts the value on top into the container below it. */
static void attach(lua_State *L, struct level *in) {
  if (in->object) { /* object, key, value */
    lua_rawset(L, -3);
  } else { /* array, value */
    in->n++;
    if (lua_isnil(L, -1))
      lua_pop(L, 1);
    else
      lua_rawseti(L, -2, in->n);
  }
}

bool json_decode(lua_State *L, struct slice text, bool keep_null,
                 struct err *e) {
  struct level levels[JSON_MAX_DEPTH], *in = NULL; /* |in|: the innermost */
  struct json_lexer lx;
  size_t before = 0;
  unsigned steps = 0;

  luaL_checkstack(L, 8, "json.decode");
  json_lexer_init(&lx, text, e);
  for (;;) {
    enum json_token token = json_next(&lx);
    bytes_step(L, &steps, lx.pos - before);
    before = lx.pos;
    switch (token) {
    case JSON_END:
      return true;
    case JSON_ERROR:
      return false;
    case JSON_ARRAY_BEGIN:
    case JSON_OBJECT_BEGIN:
      luaL_checkstack(L, 8, "json.decode");
      in = in ? in + 1 : levels;
      *in = (struct level){.object = token == JSON_OBJECT_BEGIN};
      lua_newtable(L);
      continue;
    case JSON_KEY:
      push_string(L, &lx);
      continue;
    case JSON_OBJECT_END:
      if (is_empty(L))
        json_mark_empty_object(L);
      in = in == levels ? NULL : in - 1;
      break;
    case JSON_ARRAY_END:
      in = in == levels ? NULL : in - 1;
      break;
    case JSON_NULL:
      if (keep_null)
        lua_rawgetp(L, LUA_REGISTRYINDEX, &null_key);
      else
        lua_pushnil(L);
      break;
    case JSON_TRUE:
    case JSON_FALSE:
      lua_pushboolean(L, token == JSON_TRUE);
      break;
    case JSON_INT:
      lua_pushinteger(L, lx.integer);
      break;
    case JSON_FLOAT:
      lua_pushnumber(L, lx.number);
      break;
    case JSON_STRING:
      push_string(L, &lx);
      break;
    }
    if (in)
      attach(L, in);
  }
}

/* Does argument 2, the options, ask for json.null? */
static bool option_null(lua_State *L) {
  if (lua_isnoneornil(L, 2))
    return false;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_pushliteral(L, "null");
  bool keep = lua_rawget(L, 2) != LUA_TNIL;
  if (keep && !json_is_null(L, -1))
    luaL_argerror(L, 2, "'null' must be json.null");
  lua_pop(L, 1);
  return keep;
}

static int decode(lua_State *L) {
  struct slice text = arg_slice(L, 1);
  bool keep_null = option_null(L);
  struct err e = {0};
  lua_settop(L, 1);
  if (text.len == 0)
    return fail_nil(L, KIND_INVALID, false, "json.decode: input is empty");
  if (json_decode(L, text, keep_null, &e))
    return 1;
  lua_settop(L, 1);
  return fail_nil(L, KIND_INTERNAL, false,
                  "json.decode: line %u, column %u: %s", (unsigned)e.line,
                  (unsigned)e.column, e.message);
}

/* Opening */

static int null_tostring(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

static void fill(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &null_key);
  lua_setfield(L, -2, "null");
}

static const luaL_Reg null_metamethods[] = {
    {"__tostring", null_tostring},
    {NULL, NULL},
};

static const luaL_Reg null_methods[] = {{NULL, NULL}};

static const luaL_Reg functions[] = {
    {"encode", encode},
    {"decode", decode},
    {"validate", json_validate},
    {"validate_string", json_validate_string},
    {NULL, NULL},
};

static const struct library library = {"json", functions, fill, NULL};

int luaopen_json(lua_State *L) {
  meta_new(L, NULL_META, null_methods, null_metamethods);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &null_key) == LUA_TNIL) {
    lua_newuserdatauv(L, 0, 0);
    luaL_setmetatable(L, NULL_META);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &null_key);
  }
  lua_pop(L, 1);
  lib_new(L, &library);
  return 1;
}
