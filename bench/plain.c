/* plain.c - runs a Lua script and does nothing else, with the library that
 * cordon is linked with: what bench/limits.py compares with.
 *
 *   plain SCRIPT [ARG]...
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  if (!L || argc < 2)
    return 2;
  luaL_openlibs(L);
  if (luaL_loadfile(L, argv[1]) != LUA_OK)
    return 3;
  luaL_checkstack(L, argc, NULL);
  for (int i = 2; i < argc; i++)
    lua_pushstring(L, argv[i]);
  if (lua_pcall(L, argc - 2, 0, 0) != LUA_OK) {
    fprintf(stderr, "plain: %s\n", lua_tostring(L, -1));
    return 1;
  }
  lua_close(L);
  return 0;
}
