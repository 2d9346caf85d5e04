/* arg.h - arguments of Lua functions to sizes, durations and slices. */
#ifndef RUNTIME_VM_ARG_H
#define RUNTIME_VM_ARG_H

#include <lauxlib.h>
#include <lua.h>

#include "runtime/base/str.h"

/* Raises unless argument |arg| is an integer in min..max. */
size_t arg_size(lua_State *L, int arg, size_t min, size_t max);

/* A string argument; no conversion from numbers.  Lives as long as the value is
 * on the stack. */
struct slice arg_slice(lua_State *L, int arg);

/* The value at |idx| as a slice, if it is a string; else false. */
static inline bool value_slice(lua_State *L, int idx, struct slice *ret) {
  if (lua_type(L, idx) != LUA_TSTRING)
    return false;
  ret->p = lua_tolstring(L, idx, &ret->len);
  return true;
}

/* A read-only library table: pushes a table of |funcs| (NULL-terminated, no
 * upvalues) whose __newindex raises and whose metatable is hidden ("locked").
 * Fields that are not functions are added by |fill| (may be NULL), which
 * receives the plain table on top of the stack. */
void lib_new(lua_State *L, const char *name, const luaL_Reg *funcs,
             void (*fill)(lua_State *L));

/* Replaces the table on top of the stack by a read-only view of it, which is
 * all that scripts get. */
void table_lock(lua_State *L, const char *name);
/* Is the table at |idx| such a view?  rawset asks. */
bool table_is_locked(lua_State *L, int idx);

/* Registers the metatable |tname| for host objects: |methods| behind a
 * read-only __index, |meta| as metamethods, __name = |tname|, __metatable =
 * false.  Leaves nothing on the stack; harmless when it exists. */
void meta_new(lua_State *L, const char *tname, const luaL_Reg *methods,
              const luaL_Reg *meta);

/* The last act of every __gc: takes the methods away from the object at |idx|.
 * A finalizer is no end: a script whose weak table has the object as a key gets
 * it from there until the next collection. */
void object_bury(lua_State *L, int idx);

#endif
