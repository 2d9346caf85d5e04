/* refusal.c - where a script asked, and how it is told no: what of the gate is
 * Lua, in workers too. */
#include <lauxlib.h>

#include "modules/errors.h"
#include "modules/guard.h"

void guard_here(lua_State *L, struct guard_place *ret_where) {
  lua_Debug ar;
  ret_where->script[0] = '\0';
  ret_where->line = 0;
  for (int level = 0; lua_getstack(L, level, &ar); level++) {
    if (!lua_getinfo(L, "Sl", &ar) || ar.currentline <= 0)
      continue;
    str_escape(ret_where->script, sizeof ret_where->script,
               slice_of(ar.short_src));
    ret_where->line = (uint32_t)ar.currentline;
    return;
  }
}

static void set_string(lua_State *L, const char *name, struct slice s) {
  lua_pushlstring(L, s.p ? s.p : "", s.len);
  lua_setfield(L, -2, name);
}

void guard_push_refusal(lua_State *L, const struct refusal *r) {
  bool denied = r->policy.p != NULL;
  struct slice why = denied ? r->policy : r->reason;
  luaL_checkstack(L, 6, NULL);
  lua_createtable(L, 0, 3);
  set_string(L, "action", r->action);
  set_string(L, "resource", r->resource);
  if (denied)
    set_string(L, "policy", r->policy);
  error_push(L, KIND_PERMISSION_DENIED, false, lua_gettop(L),
             "%.*s%s%.*s refused: %s%.*s", (int)r->action.len, r->action.p,
             r->resource.len ? " " : "", (int)r->resource.len,
             r->resource.len ? r->resource.p : "",
             denied ? "denied by policy " : "", (int)why.len, why.p);
  lua_remove(L, -2);
}
