/* fuzz_match.c - Lua patterns: one byte of length, a pattern, a subject; the
 * matches, captures and errors are those of Lua's own string.find. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/vm/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MATCHES_MAX 16
/* What takes longer would take for ever in Lua's. */
#define PAUSES_MAX 60

/* A list of what find returns, match after match. */
static const char lua_side[] =
    "local find, pattern, subject, max = ...\n"
    "local r, init = {}, 1\n"
    "for _ = 1, max do\n"
    "  local t = table.pack(find(subject, pattern, init))\n"
    "  if not t[1] then break end\n"
    "  table.move(t, 1, t.n, #r + 1, r)\n"
    "  init = math.max(t[2], t[1]) + 1\n"
    "  if init > #subject + 1 then break end\n"
    "end\n"
    "return r";

static bool endless; /* the last one was given up */

static int our_find(lua_State *L) {
  size_t len, plen;
  const char *s = luaL_checklstring(L, 1, &len);
  const char *p = luaL_checklstring(L, 2, &plen);
  bool anchor = *p == '^';
  struct match m, moved;
  enum match_result rv;
  int pauses = 0;
  match_init(&m, L, s, len, p + anchor, plen - anchor, anchor);
  m.start = s + luaL_checkinteger(L, 3) - 1;
  while ((rv = match_next(&m)) == MATCH_PAUSED) {
    if (++pauses > PAUSES_MAX) {
      endless = true;
      return 0;
    }
    /* as when a task loses its turn: it goes on elsewhere */
    moved = m;
    match_moved(&moved, &m);
    memset(&m, 0xa5, sizeof m);
    m = moved;
    match_moved(&m, &moved);
  }
  if (rv == MATCH_NO)
    return 0;
  lua_pushinteger(L, (m.start - s) + 1);
  lua_pushinteger(L, m.end - s);
  return match_push_captures(&m, false) + 2;
}

/* Leaves the results, or the error, of the list above with find at |idx|. */
static int list(lua_State *L, const char *pat, size_t patlen, const char *sub,
                size_t sublen, bool ours) {
  lua_pushvalue(L, 1);
  if (ours)
    lua_pushcfunction(L, our_find);
  else
    lua_pushvalue(L, 2);
  lua_pushlstring(L, pat, patlen);
  lua_pushlstring(L, sub, sublen);
  lua_pushinteger(L, MATCHES_MAX);
  return lua_pcall(L, 4, 1, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  const char *pat, *sub;
  size_t patlen, sublen;
  int status;
  if (!L) {
    L = luaL_newstate();
    if (!L)
      abort();
    luaL_openlibs(L);
    if (luaL_loadstring(L, lua_side) != LUA_OK)
      abort();
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "find");
    lua_remove(L, -2);
  }
  if (size < 1)
    return 0;
  patlen = data[0];
  pat = (const char *)data + 1;
  if (patlen > size - 1)
    patlen = size - 1;
  sub = pat + patlen;
  sublen = size - 1 - patlen;
  if (match_is_plain(pat, patlen)) /* find does not match these */
    return 0;

  endless = false;
  status = list(L, pat, patlen, sub, sublen, true);
  if (!endless) {
    if (list(L, pat, patlen, sub, sublen, false) != status)
      abort();
    if (status == LUA_OK) {
      lua_Unsigned n = lua_rawlen(L, -1);
      if (lua_rawlen(L, -2) != n)
        abort();
      for (lua_Unsigned i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        lua_rawgeti(L, -3, (lua_Integer)i);
        if (!lua_rawequal(L, -1, -2))
          abort();
        lua_pop(L, 2);
      }
    } else if (!lua_rawequal(L, -1, -2)) {
      abort();
    }
  }
  lua_settop(L, 2);
  return 0;
}
