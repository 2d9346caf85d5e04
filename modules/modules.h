/* modules.h - the table of built-in modules: name and open function. */
#ifndef MODULES_MODULES_H
#define MODULES_MODULES_H

#include <lua.h>
#include <stdbool.h>

int luaopen_channel(lua_State *L);
int luaopen_errors(lua_State *L);
int luaopen_json(lua_State *L);
int luaopen_security(lua_State *L);
int luaopen_time(lua_State *L);
int luaopen_websocket(lua_State *L);

/* Is it one of these? */
bool module_is_builtin(const char *name);

/* Registers them all for require, and channel and errors as globals.  Runs in
 * protected mode. */
int modules_open(lua_State *L);

#endif
