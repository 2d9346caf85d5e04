/* arg.c - arguments of Lua functions to sizes and slices; read-only tables. */
#include "runtime/vm/arg.h"

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

static const char
    locked_key; /* its address marks metatables of locked tables */

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

/* Upvalue 1: what stands behind the lock.  It is iterated, never handed out. */
static int locked_pairs(lua_State *L) {
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

void lib_new(lua_State *L, const char *name, const luaL_Reg *funcs,
             void (*fill)(lua_State *L)) {
  luaL_checkstack(L, 6, NULL);
  lua_newtable(L);
  luaL_setfuncs(L, funcs, 0);
  if (fill)
    fill(L);
  table_lock(L, name);
}

void object_bury(lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  lua_pushnil(L);
  lua_setmetatable(L, idx);
}

void meta_new(lua_State *L, const char *tname, const luaL_Reg *methods,
              const luaL_Reg *meta) {
  struct state *st = state_of(L);
  luaL_checkstack(L, 6, NULL);
  if (luaL_newmetatable(L, tname)) {
    if (meta)
      luaL_setfuncs(L, meta, 0);
    if (methods) {
      lua_newtable(L);
      luaL_setfuncs(L, methods, 0);
      lua_setfield(L, -2, "__index");
    }
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    if (st->nmetas < STATE_METAS)
      st->metas[st->nmetas++] =
          (struct state_meta){tname, lua_topointer(L, -1)};
  }
  lua_pop(L, 1);
}
