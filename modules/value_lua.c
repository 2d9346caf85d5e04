/* value_lua.c - plain data between Lua tables and values: by raw access, in
 * memory that the garbage collector knows. */
#include "modules/value_lua.h"

#include <lauxlib.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "modules/json.h"
#include "modules/sort.h"
#include "runtime/vm/arg.h"

#define PLACE_MAX_BYTES 160

/* From Lua */

/* What leads to the value that is being copied. */
struct step {
  const void *table;
  struct slice key; /* p NULL: |index| instead */
  size_t index;
};

struct bounds {
  size_t depth; /* at most VALUE_MAX_DEPTH */
  size_t values;
  size_t bytes;
};

static const struct bounds of_tables = {
    VALUE_LUA_MAX_DEPTH, VALUE_LUA_MAX_VALUES, VALUE_LUA_MAX_BYTES};
static const struct bounds of_crossing = {VALUE_CROSS_DEPTH, VALUE_CROSS_VALUES,
                                          VALUE_CROSS_BYTES};
/* They are in a list. */
static const struct bounds of_args = {
    VALUE_CROSS_DEPTH - 1, VALUE_CROSS_VALUES - 1, VALUE_CROSS_BYTES};

struct copier {
  lua_State *L;
  const struct bounds *max;
  bool map_only; /* the outermost value */
  int anchors;   /* index of a table: the blocks of the arena */
  lua_Integer nanchors;
  struct arena arena;
  unsigned steps; /* for json_step */
  size_t values;
  size_t bytes;
  size_t depth;
  const char *name;
  struct err *e;
  struct step path[VALUE_MAX_DEPTH];
};

/* A block of the arena is a userdata: no error of Lua can leak it, garbage
 * counts as garbage, and the limit on memory sees it.  Raises instead of
 * refusing; nothing is ever given back by hand. */
static void *new_block(void *ud, void *ptr, size_t old_size, size_t new_size) {
  struct copier *c = ud;
  uintptr_t p;
  (void)ptr;
  (void)old_size;
  if (new_size == 0)
    return NULL;
  luaL_checkstack(c->L, 2, NULL);
  /* Lua aligns to 8 bytes, an arena wants what malloc gives */
  p = (uintptr_t)lua_newuserdatauv(c->L, new_size + 16, 0);
  lua_rawseti(c->L, c->anchors, ++c->nanchors);
  return (void *)((p + 15) & ~(uintptr_t)15);
}

/* Writes "metadata.a.b[3]". */
static void write_place(const struct copier *c, char out[PLACE_MAX_BYTES]) {
  size_t n = (size_t)snprintf(out, PLACE_MAX_BYTES, "%s", c->name);
  for (size_t i = 0; i < c->depth && n < PLACE_MAX_BYTES; i++) {
    const struct step *s = &c->path[i];
    int more =
        s->key.p ? snprintf(out + n, PLACE_MAX_BYTES - n, ".%.*s",
                            (int)(s->key.len > 40 ? 40 : s->key.len), s->key.p)
                 : snprintf(out + n, PLACE_MAX_BYTES - n, "[%zu]", s->index);
    n += more > 0 ? (size_t)more : 0;
  }
}

static bool refuse(struct copier *c, const char *what) {
  char place[PLACE_MAX_BYTES];
  write_place(c, place);
  err_setf(c->e, ERR_INVALID, "%s %s", place, what);
  return false;
}

static bool count_value(struct copier *c) {
  json_step(c->L, &c->steps);
  if (++c->values > c->max->values) {
    err_setf(c->e, ERR_INVALID, "%s has more than %zu values", c->name,
             c->max->values);
    return false;
  }
  return true;
}

/* The string at |idx|, copied: the table may lose it. */
static bool copy_string(struct copier *c, int idx, struct slice *ret) {
  struct slice s;
  value_slice(c->L, idx, &s);
  if (s.len > c->max->bytes - c->bytes) {
    err_setf(c->e, ERR_INVALID, "%s has more than %zu bytes of strings",
             c->name, c->max->bytes);
    return false;
  }
  c->bytes += s.len;
  *ret = (struct slice){arena_strndup(&c->arena, s.p, s.len), s.len};
  return true;
}

static bool copy_value(struct copier *c, struct value *ret);

/* The list of |n| items on top. */
static bool copy_list(struct copier *c, size_t n, struct value *ret) {
  struct step *s = &c->path[c->depth++];
  ret->type = VALUE_LIST;
  ret->as.list.items = arena_array(&c->arena, n, sizeof *ret->as.list.items);
  for (size_t i = 0; i < n; i++) {
    s->index = i + 1;
    lua_rawgeti(c->L, -1, (lua_Integer)i + 1);
    if (!copy_value(c, &ret->as.list.items[i]))
      return false;
    lua_pop(c->L, 1);
  }
  ret->as.list.len = n;
  c->depth--;
  return true;
}

static int cmp_members(const void *a, const void *b) {
  const struct value_member *x = a, *y = b;
  return slice_cmp(x->key, y->key);
}

/* The map of |n| members on top: fewer when it is weak and the collector has
 * been there meanwhile. */
static bool copy_map(struct copier *c, size_t n, struct value *ret) {
  struct value_member *m =
      arena_array(&c->arena, n, sizeof *ret->as.map.members);
  struct step *s = &c->path[c->depth++];
  size_t len = 0;
  lua_pushnil(c->L);
  while (lua_next(c->L, -2)) { /* map, key, value */
    if (len == n || !copy_string(c, -2, &m[len].key))
      return false;
    s->key = m[len].key;
    if (!copy_value(c, &m[len].value))
      return false;
    len++;
    lua_pop(c->L, 1);
  }
  /* what a policy's condition costs must not depend on a hash's seed */
  sort_heap(c->L, m, len, sizeof *m, cmp_members);
  *ret =
      (struct value){.type = VALUE_MAP, .as.map = {.members = m, .len = len}};
  c->depth--;
  return true;
}

/* The table on top. */
static bool copy_table(struct copier *c, struct value *ret) {
  const void *self = lua_topointer(c->L, -1);
  bool outermost = c->depth == 0 && c->map_only;
  size_t n;
  for (size_t i = 0; i < c->depth; i++)
    if (c->path[i].table == self)
      return refuse(c, "contains itself");
  if (c->depth == c->max->depth) {
    err_setf(c->e, ERR_INVALID, "%s is nested deeper than %zu levels", c->name,
             c->max->depth);
    return false;
  }
  luaL_checkstack(c->L, 8, NULL);
  c->path[c->depth] = (struct step){.table = self};
  switch (json_shape(c->L, -1, &n, &c->steps)) {
  case JSON_SHAPE_EMPTY:
    if (outermost || json_is_empty_object(c->L, -1))
      return copy_map(c, 0, ret);
    return copy_list(c, 0, ret);
  case JSON_SHAPE_ARRAY:
    if (outermost)
      return refuse(c, "is a list, expected keys that are strings");
    if (n > c->max->values - c->values)
      n = c->max->values - c->values + 1; /* enough to be refused */
    return copy_list(c, n, ret);
  case JSON_SHAPE_OBJECT:
    if (n > c->max->values - c->values) {
      c->values = c->max->values;
      return count_value(c);
    }
    return copy_map(c, n, ret);
  case JSON_SHAPE_MIXED:
    return refuse(c, "has mixed keys, expected strings or 1..n");
  case JSON_SHAPE_SPARSE:
    return refuse(c, "is a sparse list, expected keys 1..n");
  }
  return refuse(c, "is no plain data");
}

/* The value on top, which stays there when it is taken. */
static bool copy_value(struct copier *c, struct value *ret) {
  char what[64];
  *ret = (struct value){.type = VALUE_NULL};
  if (!count_value(c))
    return false;
  switch (lua_type(c->L, -1)) {
  case LUA_TNIL: /* a weak list has lost it */
    return true;
  case LUA_TBOOLEAN:
    ret->type = VALUE_BOOL;
    ret->as.boolean = lua_toboolean(c->L, -1);
    return true;
  case LUA_TNUMBER:
    if (lua_isinteger(c->L, -1)) {
      ret->type = VALUE_INT;
      ret->as.integer = lua_tointeger(c->L, -1);
      return true;
    }
    ret->type = VALUE_FLOAT;
    ret->as.number = lua_tonumber(c->L, -1);
    return isfinite(ret->as.number) || refuse(c, "is no finite number");
  case LUA_TSTRING:
    ret->type = VALUE_STRING;
    return copy_string(c, -1, &ret->as.string);
  case LUA_TTABLE:
    return copy_table(c, ret);
  case LUA_TUSERDATA:
    if (json_is_null(c->L, -1))
      return true;
  }
  snprintf(what, sizeof what, "is a %s, expected plain data",
           luaL_typename(c->L, -1));
  return refuse(c, what);
}

/* Leaves a table on the stack, which keeps what is copied. */
static void copier_init(struct copier *c) {
  const struct mem m = {new_block, c};
  luaL_checkstack(c->L, 4, NULL);
  lua_newtable(c->L);
  c->anchors = lua_gettop(c->L);
  arena_init(&c->arena, &m, SIZE_MAX);
}

static bool copy_at(struct copier *c, int idx, struct value *ret) {
  lua_pushvalue(c->L, idx);
  if (!copy_value(c, ret)) {
    lua_settop(c->L, c->anchors - 1);
    return false;
  }
  lua_settop(c->L, c->anchors);
  return true;
}

bool value_from_table(lua_State *L, int idx, const char *name,
                      struct value *ret, struct err *e) {
  struct copier c = {
      .L = L, .max = &of_tables, .map_only = true, .name = name, .e = e};
  idx = lua_absindex(L, idx);
  copier_init(&c);
  return copy_at(&c, idx, ret);
}

bool value_from_lua(lua_State *L, int idx, const char *name, struct value *ret,
                    struct err *e) {
  struct copier c = {.L = L, .max = &of_crossing, .name = name, .e = e};
  idx = lua_absindex(L, idx);
  copier_init(&c);
  return copy_at(&c, idx, ret);
}

bool value_from_args(lua_State *L, int first, int n, struct value *ret,
                     struct err *e) {
  char name[32];
  struct copier c = {.L = L, .max = &of_args, .name = name, .e = e};
  struct value *items;
  copier_init(&c);
  items = arena_array(&c.arena, (size_t)n, sizeof *items);
  for (int i = 0; i < n; i++) {
    snprintf(name, sizeof name, "argument %d", i + 1);
    if (!copy_at(&c, first + i, &items[i]))
      return false;
  }
  *ret = (struct value){.type = VALUE_LIST, .as.list = {items, (size_t)n}};
  return true;
}

/* To Lua */

static void push_value(lua_State *L, const struct value *v, unsigned *steps);

static void push_list(lua_State *L, const struct value *v, unsigned *steps) {
  lua_newtable(L);
  for (size_t i = 0; i < v->as.list.len; i++) {
    push_value(L, &v->as.list.items[i], steps);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_map(lua_State *L, const struct value *v, unsigned *steps) {
  lua_newtable(L);
  for (size_t i = 0; i < v->as.map.len; i++) {
    const struct value_member *m = &v->as.map.members[i];
    lua_pushlstring(L, m->key.len ? m->key.p : "", m->key.len);
    push_value(L, &m->value, steps);
    lua_rawset(L, -3);
  }
  if (v->as.map.len == 0)
    json_mark_empty_object(L);
}

static void push_value(lua_State *L, const struct value *v, unsigned *steps) {
  json_step(L, steps);
  luaL_checkstack(L, 6, NULL);
  switch (v->type) {
  case VALUE_NULL:
    lua_pushnil(L);
    return;
  case VALUE_BOOL:
    lua_pushboolean(L, v->as.boolean);
    return;
  case VALUE_INT:
    lua_pushinteger(L, v->as.integer);
    return;
  case VALUE_FLOAT:
    lua_pushnumber(L, v->as.number);
    return;
  case VALUE_STRING:
    lua_pushlstring(L, v->as.string.len ? v->as.string.p : "",
                    v->as.string.len);
    return;
  case VALUE_LIST:
    push_list(L, v, steps);
    return;
  case VALUE_MAP:
    push_map(L, v, steps);
    return;
  }
}

void value_push(lua_State *L, const struct value *v) {
  static const struct value empty = {.type = VALUE_MAP};
  unsigned steps = 0;
  push_value(L, v ? v : &empty, &steps);
}
