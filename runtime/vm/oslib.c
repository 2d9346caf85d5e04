/* oslib.c - the os library: time, date, difftime and clock.  Behaviour and
 * messages follow loslib.c of Lua 5.4; what is new is that dates are bounded,
 * and that the C library's calendar, which locks, is used behind the gate. */
#include <limits.h>
#include <string.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/env.h"
#include "runtime/vm/out.h"
#include "runtime/vm/state.h"

#define FORMAT_MAX_BYTES 4096
#define ITEM_MAX_BYTES 256 /* as in Lua: what one conversion may write */

/* CPU time of the script, not of the process it shares. */
static int os_clock(lua_State *L) {
  lua_pushnumber(L, (lua_Number)state_cpu_used_ns(state_of(L)) / 1e9);
  return 1;
}

static time_t check_seconds(lua_State *L, int arg) {
  lua_Integer t = luaL_checkinteger(L, arg);
  luaL_argcheck(L, (time_t)t == t, arg, "time out-of-bounds");
  return (time_t)t;
}

static int os_difftime(lua_State *L) {
  time_t a = check_seconds(L, 1), b = check_seconds(L, 2);
  lua_pushnumber(L, (lua_Number)difftime(a, b));
  return 1;
}

/* ------------------------------------------------------------- os.time --- */

static void set_field(lua_State *L, const char *key, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, key); /* a new table, or one of the script's own */
}

/* The table on top gets the fields of |tm|. */
static void set_all_fields(lua_State *L, const struct tm *tm) {
  set_field(L, "year", (lua_Integer)tm->tm_year + 1900);
  set_field(L, "month", (lua_Integer)tm->tm_mon + 1);
  set_field(L, "day", tm->tm_mday);
  set_field(L, "hour", tm->tm_hour);
  set_field(L, "min", tm->tm_min);
  set_field(L, "sec", tm->tm_sec);
  set_field(L, "yday", (lua_Integer)tm->tm_yday + 1);
  set_field(L, "wday", (lua_Integer)tm->tm_wday + 1);
  if (tm->tm_isdst >= 0) {
    lua_pushboolean(L, tm->tm_isdst);
    lua_setfield(L, -2, "isdst");
  }
}

static int get_boolean(lua_State *L, const char *key) {
  int is = lua_getfield(L, -1, key) == LUA_TNIL ? -1 : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is;
}

/* |otherwise| < 0: the field has to be there.  |delta| is what struct tm counts
 * from. */
static int get_field(lua_State *L, const char *key, int otherwise, int delta) {
  int is_integer, type = lua_getfield(L, -1, key);
  lua_Integer n = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer) {
    if (type != LUA_TNIL)
      return luaL_error(L, "field '%s' is not an integer", key);
    if (otherwise < 0)
      return luaL_error(L, "field '%s' missing in date table", key);
    n = otherwise;
  } else {
    if (!(n >= 0 ? n - delta <= INT_MAX : INT_MIN + delta <= n))
      return luaL_error(L, "field '%s' is out-of-bound", key);
    n -= delta;
  }
  lua_pop(L, 1);
  return (int)n;
}

static int os_time(lua_State *L) {
  time_t t;
  struct tm tm;
  if (lua_isnoneornil(L, 1)) {
    lua_pushinteger(L, (lua_Integer)time(NULL));
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  memset(&tm, 0, sizeof tm);
  tm.tm_year = get_field(L, "year", -1, 1900);
  tm.tm_mon = get_field(L, "month", -1, 1);
  tm.tm_mday = get_field(L, "day", -1, 0);
  tm.tm_hour = get_field(L, "hour", 12, 0);
  tm.tm_min = get_field(L, "min", 0, 0);
  tm.tm_sec = get_field(L, "sec", 0, 0);
  tm.tm_isdst = get_boolean(L, "isdst");
  gate_enter();
  t = mktime(&tm);
  gate_leave();
  set_all_fields(L, &tm); /* normalized */
  if (t == (time_t)-1)
    return luaL_error(L, "time result cannot be represented in this "
                         "installation");
  lua_pushinteger(L, (lua_Integer)t);
  return 1;
}

/* ------------------------------------------------------------- os.date --- */

/* C99 conversions, as Lua checks them.  Returns what follows; |spec| is it. */
static const char *check_option(lua_State *L, const char *conv, size_t left,
                                char spec[4]) {
  static const char plain[] = "aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%";
  static const char with_e[] = "cCxXyY", with_o[] = "deHImMSuUVwWy";
  size_t n = 0;
  if (left >= 1 && *conv != '\0' && strchr(plain, *conv))
    n = 1;
  else if (left >= 2 && conv[1] != '\0' &&
           ((*conv == 'E' && strchr(with_e, conv[1])) ||
            (*conv == 'O' && strchr(with_o, conv[1]))))
    n = 2;
  if (n == 0)
    luaL_argerror(L, 1,
                  lua_pushfstring(L, "invalid conversion specifier '%%%s'",
                                  left > 0 ? conv : ""));
  spec[0] = '%';
  memcpy(spec + 1, conv, n);
  spec[n + 1] = '\0';
  return conv + n;
}

static int os_date(lua_State *L) {
  size_t len;
  const char *s = luaL_optlstring(L, 1, "%c", &len), *end = s + len;
  time_t t = lua_isnoneornil(L, 2) ? time(NULL) : check_seconds(L, 2);
  struct tm tm, *ok;
  struct out o;
  bool utc = *s == '!';
  if (len > FORMAT_MAX_BYTES)
    return luaL_argerror(L, 1, "format has more than 4096 bytes");
  if (utc)
    s++;
  gate_enter();
  ok = utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm);
  gate_leave();
  if (!ok)
    return luaL_error(L, "date result cannot be represented in this "
                         "installation");
  if (strcmp(s, "*t") == 0) {
    lua_createtable(L, 0, 9);
    set_all_fields(L, &tm);
    return 1;
  }
  lua_pushnil(L);
  out_init(&o, lua_gettop(L));
  while (s < end) {
    char spec[4], *item;
    size_t n;
    if (*s != '%') {
      out_byte(L, &o, *s++);
      continue;
    }
    item = out_room(L, &o, ITEM_MAX_BYTES);
    s = check_option(L, s + 1, (size_t)(end - s - 1), spec);
    gate_enter(); /* "%Z" and "%c" look at the zone and the locale */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    n = strftime(item, ITEM_MAX_BYTES, spec, &tm); /* one checked above */
#pragma GCC diagnostic pop
    gate_leave();
    o.len += n;
  }
  out_push(L, &o);
  return 1;
}

int oslib_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"clock", os_clock},
                                       {"date", os_date},
                                       {"difftime", os_difftime},
                                       {"time", os_time},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
