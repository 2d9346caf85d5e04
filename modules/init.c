/* init.c - the table of modules: name and open function. */
#include "modules/modules.h"
#include "runtime/vm/env.h"

int modules_open(lua_State *L) {
  env_add_module(L, "json", luaopen_json, NULL);
  env_add_module(L, "security", luaopen_security, NULL);
  env_add_module(L, "time", luaopen_time, NULL);
  env_add_module(L, "websocket", luaopen_websocket, NULL);
  env_add_global_module(L, "errors", luaopen_errors);
  env_add_global_module(L, "channel", luaopen_channel);
  return 0;
}
