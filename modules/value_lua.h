/* value_lua.h - plain data between Lua tables and values. */
#ifndef MODULES_VALUE_LUA_H
#define MODULES_VALUE_LUA_H

#include <lua.h>
#include <stdbool.h>

#include "runtime/base/err.h"
#include "runtime/base/value.h"

/* Of value_from_table.  Policies look at it condition by condition, in C
 * code that cannot be stopped: small enough that a hundred thousand of them
 * still answer soon. */
#define VALUE_LUA_MAX_DEPTH 32
#define VALUE_LUA_MAX_VALUES 2048
#define VALUE_LUA_MAX_BYTES (64 * 1024) /* of strings, those of keys too */

/* Copies the table at |idx|, by raw access, to a map; members in the order of
 * their keys.  Booleans, numbers that are finite, strings, json.null, lists
 * (keys 1..n) and maps (keys that are strings) can be in it; an empty table is
 * a list as for json.encode, but the outermost one is a map.  True: pushes one
 * value, and |ret| lives as long as that does.  False: pushes nothing, and |e|
 * names what cannot be and where, as "|name|.a.b". */
bool value_from_table(lua_State *L, int idx, const char *name,
                      struct value *ret, struct err *e);

/* What crosses between a script and its host (modules/bridge.h). */
bool value_from_lua(lua_State *L, int idx, const char *name, struct value *ret,
                    struct err *e);
/* The same for |n| values from |first| on, to a list; each is named
 * "argument 1" and so on. */
bool value_from_args(lua_State *L, int first, int n, struct value *ret,
                     struct err *e);

/* Pushes a copy of |v|; null is nil.  |v| NULL: an empty table. */
void value_push(lua_State *L, const struct value *v);

#endif
