/* env.h - the globals untrusted code sees: an allow-list. */
#ifndef RUNTIME_VM_ENV_H
#define RUNTIME_VM_ENV_H

#include <lua.h>
#include <stdbool.h>

#include "runtime/base/str.h"

/* Replaces the globals of |L| by a fresh table of what is offered.  Runs in
 * protected mode; may raise (memory). */
void env_open(lua_State *L);

/* Registers |open| for require(|name|); called at the first one.  Its upvalue 1
 * is the light userdata |ud|. May raise. */
void env_add_module(lua_State *L, const char *name, lua_CFunction open,
                    void *ud);
/* The same for C code of the host: once a script has required it, the script is
 * only asked to stop and never abandoned, and finalizers run at its end. */
void env_add_host_module(lua_State *L, const char *name, lua_CFunction open,
                         void *ud);
/* The global |name|, a literal, is the module of that name, opened when a text
 * names it. */
void env_add_global_module(lua_State *L, const char *name, lua_CFunction open);
/* Opens the libraries that |text| could name; NULL: all of them.  Before it is
 * compiled.  May raise. */
void env_provide(lua_State *L, const struct slice *text);
/* Has a module of that name been registered? */
bool env_has_module(lua_State *L, const char *name);

/* corolib.c, oslib.c: each pushes its library. */
int corolib_open(lua_State *L);
int oslib_open(lua_State *L);

#endif
