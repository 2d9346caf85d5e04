/* strlib.h - the string and table functions that are our own. */
#ifndef RUNTIME_VM_STRLIB_H
#define RUNTIME_VM_STRLIB_H

#include <lua.h>
#include <stddef.h>

/* The table of Lua's own string library is on top: what can loop for long, or
 * tells too much, is replaced. */
void strlib_open(lua_State *L);
/* The same for the table library. */
void tablib_open(lua_State *L);

/* The function |name| of the table on top is replaced by |f|, whose upvalue it
 * becomes. */
void strlib_wrap(lua_State *L, const char *name, lua_CFunction f);

/* env.c: luaL_tolstring without addresses. */
const char *env_tolstring(lua_State *L, int idx, size_t *len);
/* format.c: string.format. */
int string_format(lua_State *L);

#endif
