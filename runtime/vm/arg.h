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

struct library {
  const char *name;
  const luaL_Reg *funcs; /* NULL-terminated, no upvalues */
  /* Adds the fields that are not functions to the plain table on top of the
   * stack; perhaps again, if memory was refused.  NULL: there are none. */
  void (*fill)(lua_State *L);
  /* Pushes the one called |name|; false: it is none.  NULL: they are all added
   * when one of them is asked for. */
  bool (*field)(lua_State *L, struct slice name);
};

/* Pushes a read-only table whose __newindex raises and whose metatable is
 * hidden ("locked").  Its fields take memory from when a script asks for them;
 * no script can tell.  |lib| is kept. */
void lib_new(lua_State *L, const struct library *lib);

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

struct meta_def {
  const char *name;
  const luaL_Reg *methods; /* may be NULL */
  const luaL_Reg *meta;    /* may be NULL */
};

/* The same, when the first object needs it: a library that is opened for one of
 * its functions takes no room for the others.  |def| is kept. */
void meta_later(lua_State *L, const struct meta_def *def);

/* As luaL_setmetatable, of one that meta_new or meta_later was given.  May
 * raise. */
void meta_set(lua_State *L, const char *tname);

/* The last act of every __gc: takes the methods away from the object at |idx|.
 * A finalizer is no end: a script whose weak table has the object as a key gets
 * it from there until the next collection. */
void object_bury(lua_State *L, int idx);

#endif
