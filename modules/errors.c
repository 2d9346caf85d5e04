/* errors.c - error objects: immutable values that say what failed, of which
 * kind, and where. */
#include "modules/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/err.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/out.h"
#include "runtime/vm/state.h"

#define ERROR_META "error"

#define FRAMES_MAX 32
#define LEVELS_MAX 64 /* looked at, C functions among them */
#define NAME_MAX_BYTES 48
#define DETAILS_MAX_DEPTH 64
#define STEPS_PER_CHECK 256

/* The user values of an error object. */
enum { UV_KIND = 1, UV_MESSAGE, UV_TEXT, UV_DETAILS, UV_COUNT = UV_DETAILS };

enum retry { RETRY_UNKNOWN, RETRY_NO, RETRY_YES };

struct frame {
  int line;
  char source[LUA_IDSIZE];
  char name[NAME_MAX_BYTES]; /* "": not known */
};

struct error_object {
  enum retry retry;
  const char *thread; /* where it was made; a literal */
  size_t nframes;
  struct frame frames[];
};

/* Making one */

static void push_meta(lua_State *L);

/* Writes the Lua functions on |L|'s stack to |frames|; returns how many. */
static size_t capture(lua_State *L, struct frame *frames) {
  size_t n = 0;
  lua_Debug ar;
  for (int level = 0; level < LEVELS_MAX && n < FRAMES_MAX; level++) {
    if (!lua_getstack(L, level, &ar))
      break;
    lua_getinfo(L, "Sln", &ar);
    if (ar.currentline < 0)
      continue; /* a C function: nothing the script's author can look up */
    struct frame *f = &frames[n++];
    f->line = ar.currentline;
    memcpy(f->source, ar.short_src, sizeof f->source);
    f->name[0] = '\0';
    if (ar.name) /* the script's own word: any bytes, any length */
      str_escape(f->name, sizeof f->name, slice_of(ar.name));
  }
  return n;
}

/* Pushes an error object with kind "" and |n| frames copied from |frames|; its
 * message is still to be set. */
static struct error_object *object_new(lua_State *L, const struct frame *frames,
                                       size_t n) {
  struct error_object *e =
      lua_newuserdatauv(L, sizeof *e + n * sizeof *frames, UV_COUNT);
  memset(e, 0, sizeof *e);
  e->nframes = n;
  if (n)
    memcpy(e->frames, frames, n * sizeof *frames);
  push_meta(L);
  lua_setmetatable(L, -2);
  return e;
}

static const char *thread_name(lua_State *L) {
  const struct state *st = state_of(L);
  if (!(thread_flags(L) & THREAD_IS_TASK))
    return "coroutine";
  return st->current == st->main ? "main" : "task";
}

static struct error_object *object_here(lua_State *L) {
  struct frame frames[FRAMES_MAX];
  size_t n = capture(L, frames);
  struct error_object *e = object_new(L, frames, n);
  e->thread = thread_name(L);
  return e;
}

/* Pops a value into user value |n| of the object at |idx|. */
static void set_uv(lua_State *L, int idx, int n) {
  lua_setiuservalue(L, idx, n);
}

/* Deep copies of details */

struct copier {
  unsigned steps;
  int seen; /* index of a table: original -> copy, or false while it is made */
};

static void copy_value(lua_State *L, struct copier *c, int depth);

/* Replaces the table on top by a copy.  A table met twice is copied once, so
 * that the work is linear in what exists. */
static void copy_table(lua_State *L, struct copier *c, int depth) {
  luaL_checkstack(L, 8, "error details");
  lua_pushvalue(L, -1);
  switch (lua_rawget(L, c->seen)) {
  case LUA_TTABLE:
    lua_remove(L, -2);
    return;
  case LUA_TBOOLEAN:
    luaL_error(L, "error details contain themselves");
    return;
  }
  lua_pop(L, 1);
  if (depth >= DETAILS_MAX_DEPTH)
    luaL_error(L, "error details are nested deeper than %d levels",
               DETAILS_MAX_DEPTH);
  lua_pushvalue(L, -1);
  lua_pushboolean(L, 0);
  lua_rawset(L, c->seen);
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, -3)) { /* original, copy, key, value */
    if (++c->steps % STEPS_PER_CHECK == 0)
      state_check(L);
    switch (lua_type(L, -2)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:
    case LUA_TBOOLEAN:
      break;
    default:
      luaL_error(L, "error details have a %s as a key", luaL_typename(L, -2));
    }
    copy_value(L, c, depth + 1);
    lua_pushvalue(L, -2);
    lua_insert(L, -2); /* original, copy, key, key, value's copy */
    lua_rawset(L, -4);
  }
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -2);
  lua_rawset(L, c->seen);
  lua_remove(L, -2);
}

/* Replaces the value on top by a copy.  Functions, threads and host objects are
 * opaque and stay what they are. */
static void copy_value(lua_State *L, struct copier *c, int depth) {
  if (lua_type(L, -1) == LUA_TTABLE)
    copy_table(L, c, depth);
}

/* Pushes a deep copy of the table at |idx|; nil for an empty one. */
static void push_copy(lua_State *L, int idx) {
  struct copier c = {0};
  idx = lua_absindex(L, idx);
  lua_pushnil(L);
  if (!lua_next(L, idx)) {
    lua_pushnil(L);
    return;
  }
  lua_pop(L, 2);
  lua_newtable(L);
  c.seen = lua_gettop(L);
  lua_pushvalue(L, idx);
  copy_value(L, &c, 0);
  lua_remove(L, c.seen);
}

/* The library */

static struct error_object *test_error(lua_State *L, int idx) {
  return luaL_testudata(L, idx, ERROR_META);
}

static struct error_object *check_error(lua_State *L, int idx) {
  return luaL_checkudata(L, idx, ERROR_META);
}

/* Pushes what tostring shows of the object at |idx|. */
static void push_text(lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  if (lua_getiuservalue(L, idx, UV_TEXT) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_getiuservalue(L, idx, UV_MESSAGE);
  }
}

/* Pushes the field |name| of the table at 1; its type. */
static int raw_field(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  return lua_rawget(L, 1);
}

static int new_from_table(lua_State *L) {
  int type;
  lua_settop(L, 1);
  type = raw_field(L, "message"); /* 2 */
  if (type != LUA_TSTRING && type != LUA_TNUMBER)
    return luaL_argerror(L, 1,
                         type == LUA_TNIL ? "'message' is missing"
                                          : "'message' must be a string");
  lua_tolstring(L, 2, NULL);
  type = raw_field(L, "kind"); /* 3 */
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushliteral(L, KIND_UNKNOWN);
  } else if (type != LUA_TSTRING) {
    return luaL_argerror(L, 1, "'kind' must be a string");
  }
  type = raw_field(L, "retryable"); /* 4 */
  if (type != LUA_TNIL && type != LUA_TBOOLEAN)
    return luaL_argerror(L, 1, "'retryable' must be a boolean");
  type = raw_field(L, "details"); /* 5 */
  if (type == LUA_TTABLE) {
    push_copy(L, 5);
    lua_replace(L, 5);
  } else if (type != LUA_TNIL) {
    return luaL_argerror(L, 1, "'details' must be a table");
  }
  struct error_object *e = object_here(L);
  if (lua_type(L, 4) == LUA_TBOOLEAN)
    e->retry = lua_toboolean(L, 4) ? RETRY_YES : RETRY_NO;
  lua_insert(L,
             2); /* 2: object, 3: message, 4: kind, 5: retryable, 6: details */
  set_uv(L, 2, UV_DETAILS);
  lua_pop(L, 1);
  set_uv(L, 2, UV_KIND);
  set_uv(L, 2, UV_MESSAGE);
  return 1;
}

static int errors_new(lua_State *L) {
  if (lua_type(L, 1) == LUA_TTABLE)
    return new_from_table(L);
  luaL_checkstring(L, 1);
  object_here(L);
  lua_pushvalue(L, 1);
  set_uv(L, -2, UV_MESSAGE);
  lua_pushliteral(L, KIND_UNKNOWN);
  set_uv(L, -2, UV_KIND);
  return 1;
}

static int errors_wrap(lua_State *L) {
  const struct error_object *inner = test_error(L, 1);
  size_t context_len;
  if (!inner && lua_type(L, 1) != LUA_TSTRING && lua_type(L, 1) != LUA_TNUMBER)
    return luaL_typeerror(L, 1, "error or string");
  luaL_checklstring(L, 2, &context_len);
  lua_settop(L, 2);
  if (inner) {
    struct error_object *e = object_new(L, inner->frames, inner->nframes);
    e->retry = inner->retry;
    e->thread = inner->thread;
    for (int n = 1; n <= UV_COUNT; n++) {
      lua_getiuservalue(L, 1, n);
      set_uv(L, 3, n);
    }
  } else {
    lua_tolstring(L, 1, NULL);
    object_here(L);
    lua_pushvalue(L, 1);
    set_uv(L, 3, UV_MESSAGE);
    lua_pushliteral(L, KIND_UNKNOWN);
    set_uv(L, 3, UV_KIND);
  }
  if (context_len) {
    lua_pushvalue(L, 2);
    lua_pushliteral(L, ": ");
    push_text(L, 3);
    lua_concat(L, 3); /* strings only: no metamethod */
    set_uv(L, 3, UV_TEXT);
  }
  return 1;
}

static int errors_is(lua_State *L) {
  const struct error_object *e = test_error(L, 1);
  luaL_checkany(L, 1);
  luaL_checktype(L, 2, LUA_TSTRING);
  if (!e) {
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_getiuservalue(L, 1, UV_KIND);
  lua_pushboolean(L, lua_rawequal(L, -1, 2));
  return 1;
}

static int errors_call_stack(lua_State *L) {
  const struct error_object *e = test_error(L, 1);
  luaL_checkany(L, 1);
  if (!e) {
    lua_pushnil(L);
    return 1;
  }
  lua_createtable(L, 0, 2);
  lua_pushstring(L, e->thread);
  lua_setfield(L, -2, "thread");
  lua_createtable(L, (int)e->nframes, 0);
  for (size_t i = 0; i < e->nframes; i++) {
    const struct frame *f = &e->frames[i];
    lua_createtable(L, 0, 3);
    lua_pushstring(L, f->source);
    lua_setfield(L, -2, "source");
    lua_pushinteger(L, f->line);
    lua_setfield(L, -2, "line");
    if (f->name[0]) {
      lua_pushstring(L, f->name);
      lua_setfield(L, -2, "name");
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "frames");
  return 1;
}

static const luaL_Reg functions[] = {
    {"new", errors_new}, {"wrap", errors_wrap},
    {"is", errors_is},   {"call_stack", errors_call_stack},
    {NULL, NULL},
};

/* Methods */

static int error_get_kind(lua_State *L) {
  check_error(L, 1);
  lua_getiuservalue(L, 1, UV_KIND);
  return 1;
}

static int error_message(lua_State *L) {
  check_error(L, 1);
  lua_getiuservalue(L, 1, UV_MESSAGE);
  return 1;
}

static int error_retryable(lua_State *L) {
  const struct error_object *e = check_error(L, 1);
  if (e->retry == RETRY_UNKNOWN)
    lua_pushnil(L);
  else
    lua_pushboolean(L, e->retry == RETRY_YES);
  return 1;
}

static int error_details(lua_State *L) {
  check_error(L, 1);
  lua_settop(L, 1);
  if (lua_getiuservalue(L, 1, UV_DETAILS) == LUA_TTABLE)
    push_copy(L, 2);
  return 1;
}

static int error_stack(lua_State *L) {
  static const char head[] = "stack traceback:";
  const struct error_object *e = check_error(L, 1);
  struct out o;
  lua_pushnil(L);
  out_init(&o, lua_gettop(L));
  out_add(L, &o, head, sizeof head - 1);
  for (size_t i = 0; i < e->nframes; i++) {
    const struct frame *f = &e->frames[i];
    char line[LUA_IDSIZE + NAME_MAX_BYTES + 64];
    if (f->name[0])
      snprintf(line, sizeof line, "\n\t%s:%d: in function '%s'", f->source,
               f->line, f->name);
    else
      snprintf(line, sizeof line, "\n\t%s:%d", f->source, f->line);
    out_add(L, &o, line, strlen(line));
  }
  out_push(L, &o);
  return 1;
}

static const luaL_Reg methods[] = {
    {"kind", error_get_kind},       {"message", error_message},
    {"retryable", error_retryable}, {"details", error_details},
    {"stack", error_stack},         {NULL, NULL},
};

static int error_tostring(lua_State *L) {
  check_error(L, 1);
  push_text(L, 1);
  return 1;
}

/* Pushes operand |idx| of ".." as a string. */
static void push_operand(lua_State *L, int idx) {
  if (test_error(L, idx))
    push_text(L, idx);
  else if (lua_type(L, idx) == LUA_TSTRING || lua_type(L, idx) == LUA_TNUMBER)
    lua_pushvalue(L, idx);
  else
    luaL_error(L, "attempt to concatenate a %s value", luaL_typename(L, idx));
}

static int error_concat(lua_State *L) {
  push_operand(L, 1);
  push_operand(L, 2);
  lua_concat(L, 2);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__tostring", error_tostring},
    {"__concat", error_concat},
    {NULL, NULL},
};

/* Modules make error objects whether or not a script opened this library. */
static void push_meta(lua_State *L) {
  if (luaL_getmetatable(L, ERROR_META) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  meta_new(L, ERROR_META, methods, metamethods);
  luaL_getmetatable(L, ERROR_META);
}

/* For modules and the host */

static void push_failure(lua_State *L, const char *kind, bool retryable,
                         int details, const struct err *text) {
  if (details)
    details = lua_absindex(L, details);
  luaL_checkstack(L, 12, "error object");
  struct error_object *e = object_here(L);
  int self = lua_gettop(L);
  e->retry = retryable ? RETRY_YES : RETRY_NO;
  lua_pushstring(L, kind);
  set_uv(L, self, UV_KIND);
  lua_pushstring(L, text->message);
  set_uv(L, self, UV_MESSAGE);
  if (details) {
    push_copy(L, details);
    set_uv(L, self, UV_DETAILS);
  }
}

void error_push(lua_State *L, const char *kind, bool retryable, int details,
                const char *fmt, ...) {
  struct err text; /* escapes and bounds the message, with no memory at all */
  va_list ap;
  va_start(ap, fmt);
  err_vsetf(&text, ERR_SCRIPT, fmt, ap);
  va_end(ap); /* before Lua can raise */
  push_failure(L, kind, retryable, details, &text);
}

int fail_nil(lua_State *L, const char *kind, bool retryable, const char *fmt,
             ...) {
  struct err text;
  va_list ap;
  va_start(ap, fmt);
  err_vsetf(&text, ERR_SCRIPT, fmt, ap);
  va_end(ap);
  luaL_checkstack(L, 1, NULL);
  lua_pushnil(L);
  push_failure(L, kind, retryable, 0, &text);
  return 2;
}

int fail_false(lua_State *L, const char *kind, bool retryable, const char *fmt,
               ...) {
  struct err text;
  va_list ap;
  va_start(ap, fmt);
  err_vsetf(&text, ERR_SCRIPT, fmt, ap);
  va_end(ap);
  luaL_checkstack(L, 1, NULL);
  lua_pushboolean(L, 0);
  push_failure(L, kind, retryable, 0, &text);
  return 2;
}

const char *error_kind(lua_State *L, int idx) {
  const char *kind = NULL;
  luaL_checkstack(L, 3, NULL);
  if (test_error(L, idx)) {
    lua_getiuservalue(L, idx, UV_KIND);
    kind = lua_tostring(L, -1); /* anchored by the object */
    lua_pop(L, 1);
  }
  return kind;
}

/* Opening */

static const struct {
  const char *name, *kind;
} kinds[] = {
    {"UNKNOWN", KIND_UNKNOWN},
    {"INVALID", KIND_INVALID},
    {"NOT_FOUND", KIND_NOT_FOUND},
    {"ALREADY_EXISTS", KIND_ALREADY_EXISTS},
    {"PERMISSION_DENIED", KIND_PERMISSION_DENIED},
    {"UNAVAILABLE", KIND_UNAVAILABLE},
    {"INTERNAL", KIND_INTERNAL},
    {"CANCELED", KIND_CANCELED},
    {"CONFLICT", KIND_CONFLICT},
    {"TIMEOUT", KIND_TIMEOUT},
    {"RATE_LIMITED", KIND_RATE_LIMITED},
};

#define NKINDS (sizeof kinds / sizeof *kinds)

bool error_kind_known(const char *kind) {
  for (size_t i = 0; i < NKINDS; i++)
    if (strcmp(kinds[i].kind, kind) == 0)
      return true;
  return false;
}

static void fill_kinds(lua_State *L) {
  for (size_t i = 0; i < NKINDS; i++) {
    lua_pushstring(L, kinds[i].kind);
    lua_setfield(L, -2, kinds[i].name);
  }
}

static bool push_kind(lua_State *L, struct slice name) {
  for (size_t i = 0; i < NKINDS; i++)
    if (slice_is(name, kinds[i].name)) {
      lua_pushstring(L, kinds[i].kind);
      return true;
    }
  return false;
}

static const struct library library = {"errors", functions, fill_kinds,
                                       push_kind};

int luaopen_errors(lua_State *L) {
  push_meta(L);
  lua_pop(L, 1);
  lib_new(L, &library);
  return 1;
}
