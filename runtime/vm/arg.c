/* arg.c - arguments of Lua functions to sizes and slices; read-only tables. */
#include "runtime/vm/arg.h"

#include <string.h>

#include "runtime/vm/state.h"

size_t arg_size(lua_State *L, int arg, size_t min, size_t max) {
  lua_Integer n = luaL_checkinteger(L, arg);
  luaL_argcheck(L, n >= 0 && (lua_Unsigned)n >= min && (lua_Unsigned)n <= max,
                arg, "out of range");
  return (size_t)n;
}

struct slice arg_slice(lua_State *L, int arg) {
  struct slice s;
  luaL_checktype(L, arg, LUA_TSTRING);
  s.p = lua_tolstring(L, arg, &s.len);
  return s;
}

/* Keys of metatables, by address: of locked tables, and of what is behind the
 * lock of a library that is not all there. */
static const char locked_key, library_key;

bool table_is_locked(lua_State *L, int idx) {
  bool locked;
  if (!lua_getmetatable(L, idx))
    return false;
  locked = lua_rawgetp(L, -1, &locked_key) == LUA_TBOOLEAN;
  lua_pop(L, 2);
  return locked;
}

static int refuse_write(lua_State *L) {
  struct slice key;
  if (value_slice(L, 2, &key) && key.len < 60)
    return luaL_error(L, "attempt to set field '%s' of a read-only table",
                      key.p);
  return luaL_error(L, "attempt to change a read-only table");
}

static int locked_next(lua_State *L) {
  lua_settop(L, 2);
  if (lua_next(L, lua_upvalueindex(1)))
    return 2;
  lua_pushnil(L);
  return 1;
}

/* The table behind the lock of a library has this as its __index until all is
 * there. */
static const struct library *library_of(lua_State *L, int idx) {
  const struct library *lib;
  if (!lua_getmetatable(L, idx))
    return NULL;
  lua_rawgetp(L, -1, &library_key);
  lib = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return lib;
}

static void library_complete(lua_State *L, int idx, const struct library *lib) {
  lua_pushvalue(L, idx);
  luaL_setfuncs(L, lib->funcs, 0);
  if (lib->fill)
    lib->fill(L);
  lua_pushnil(L); /* only now: memory may have been refused on the way */
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

static bool push_function(lua_State *L, const luaL_Reg *funcs,
                          struct slice name) {
  for (; funcs->name; funcs++)
    if (slice_is(name, funcs->name)) {
      lua_pushcfunction(L, funcs->func);
      return true;
    }
  return false;
}

/* A field that was not asked for before, or is none. */
static int library_index(lua_State *L) {
  const struct library *lib = library_of(L, 1);
  struct slice name;
  lua_settop(L, 2);
  if (!lib || !value_slice(L, 2, &name))
    return 0;
  if (push_function(L, lib->funcs, name) ||
      (lib->field && lib->field(L, name))) {
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
    return 1;
  }
  if (!lib->fill || lib->field)
    return 0;
  library_complete(L, 1, lib);
  lua_rawget(L, 1);
  return 1;
}

/* Upvalue 1: what stands behind the lock.  It is iterated, never handed out. */
static int locked_pairs(lua_State *L) {
  const struct library *lib = library_of(L, lua_upvalueindex(1));
  if (lib)
    library_complete(L, lua_upvalueindex(1), lib);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, locked_next, 1);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

void table_lock(lua_State *L, const char *name) {
  lua_newtable(L); /* what scripts see: always empty, so every write is new */
  lua_createtable(L, 0, 6);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, refuse_write);
  lua_setfield(L, -2, "__newindex");
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, locked_pairs, 1);
  lua_setfield(L, -2, "__pairs");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &locked_key);
  lua_setmetatable(L, -2);
  lua_remove(L, -2);
}

void lib_new(lua_State *L, const struct library *lib) {
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, library_index);
  lua_setfield(L, -2, "__index");
  lua_pushlightuserdata(L, (void *)(uintptr_t)lib);
  lua_rawsetp(L, -2, &library_key);
  lua_setmetatable(L, -2);
  table_lock(L, lib->name);
}

void object_bury(lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  lua_pushnil(L);
  lua_setmetatable(L, idx);
}

static int count_of(const luaL_Reg *funcs) {
  int n = 0;
  while (funcs && funcs[n].name)
    n++;
  return n;
}

/* The same text is at one address in a file, and perhaps in all of them. */
static struct state_meta *meta_find(struct state *st, const char *tname) {
  for (size_t i = 0; i < st->nmetas; i++)
    if (st->metas[i].name == tname)
      return &st->metas[i];
  for (size_t i = 0; i < st->nmetas; i++)
    if (strcmp(st->metas[i].name, tname) == 0)
      return &st->metas[i];
  return NULL;
}

void meta_new(lua_State *L, const char *tname, const luaL_Reg *methods,
              const luaL_Reg *meta) {
  struct state *st = state_of(L);
  struct state_meta *m;
  uintptr_t table;
  luaL_checkstack(L, 6, NULL);
  if (luaL_getmetatable(L, tname) != LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  /* It is registered last: memory may be refused at each step, and the half of
   * a metatable hides nothing. */
  lua_createtable(L, 0, 3 + count_of(meta));
  lua_pushstring(L, tname);
  lua_setfield(L, -2, "__name");
  if (meta)
    luaL_setfuncs(L, meta, 0);
  if (methods) {
    lua_createtable(L, 0, count_of(methods));
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
  }
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  table = (uintptr_t)lua_topointer(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, tname);
  m = meta_find(st, tname);
  if (!m && st->nmetas < STATE_METAS)
    m = &st->metas[st->nmetas++];
  if (m)
    *m = (struct state_meta){tname, table};
}

void meta_later(lua_State *L, const struct meta_def *def) {
  struct state *st = state_of(L);
  if (meta_find(st, def->name))
    return;
  if (st->nmetas < STATE_METAS)
    st->metas[st->nmetas++] =
        (struct state_meta){def->name, (uintptr_t)def | 1};
  else
    meta_new(L, def->name, def->methods, def->meta);
}

void meta_set(lua_State *L, const char *tname) {
  const struct state_meta *m = meta_find(state_of(L), tname);
  if (m && (m->table & 1)) {
    const struct meta_def *def = (const struct meta_def *)(m->table - 1);
    meta_new(L, tname, def->methods, def->meta);
  }
  /* An object without one would be anybody's. */
  if (luaL_getmetatable(L, tname) != LUA_TTABLE)
    luaL_error(L, "the metatable of %s is missing", tname);
  lua_setmetatable(L, -2);
}
