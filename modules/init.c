/* init.c - the table of modules: name and open function. */
#include <string.h>

#include "modules/modules.h"
#include "runtime/vm/env.h"

static const struct {
  const char *name;
  lua_CFunction open;
  bool global;
} modules[] = {
    {"json", luaopen_json, false},    {"security", luaopen_security, false},
    {"time", luaopen_time, false},    {"websocket", luaopen_websocket, false},
    {"errors", luaopen_errors, true}, {"channel", luaopen_channel, true}};

#define NMODULES (sizeof modules / sizeof *modules)

bool module_is_builtin(const char *name) {
  for (size_t i = 0; i < NMODULES; i++)
    if (strcmp(modules[i].name, name) == 0)
      return true;
  return false;
}

int modules_open(lua_State *L) {
  for (size_t i = 0; i < NMODULES; i++) {
    if (modules[i].global)
      env_add_global_module(L, modules[i].name, modules[i].open);
    else
      env_add_module(L, modules[i].name, modules[i].open, NULL);
  }
  return 0;
}
