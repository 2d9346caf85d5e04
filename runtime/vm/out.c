/* out.c - text that grows. */
#include "runtime/vm/out.h"

#include <lauxlib.h>
#include <stdint.h>

void out_grow(lua_State *L, struct out *o, size_t more) {
  size_t room = o->room;
  char *p;
  if (more > (SIZE_MAX >> 2) - o->len)
    luaL_error(L, "resulting string too large");
  room *= 2;
  if (room - o->len < more)
    room = o->len + more;
  luaL_checkstack(L, 1, NULL);
  p = lua_newuserdatauv(L, room, 0);
  memcpy(p, o->p, o->len);
  lua_replace(L, o->slot);
  o->p = p;
  o->room = room;
}
