/* time.c - durations, times and zones for scripts. */
#include "modules/time.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "modules/errors.h"
#include "modules/modules.h"
#include "modules/services.h"
#include "modules/time_format.h"
#include "modules/tzif.h"
#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/out.h"
#include "runtime/vm/state.h"

#define DURATION_META "time.Duration"
#define TIME_META "time.Time"
#define LOCATION_META "time.Location"

#define CHUNKS_PER_CHECK 256
#define PARSE_MAX_BYTES 4096 /* of a layout or a text */
#define OFFSET_MAX_SECONDS (24 * 3600)

#define LAYOUT_RFC3339 "2006-01-02T15:04:05Z07:00"
#define LAYOUT_STRING "2006-01-02 15:04:05.999999999 -0700 MST"

static const int64_t ns_per_s = 1000000000;
/* About CIVIL_MAX_YEAR; sums of two such never overflow. */
static const int64_t max_seconds = INT64_C(31556952) * CIVIL_MAX_YEAR;
static const int64_t zero_seconds = INT64_C(-62135596800); /* year 1, as Go */

/* Keys of the registry, by address. */
static const char utc_key, local_key;

/* Arguments */

static lua_Integer arg_between(lua_State *L, int arg, lua_Integer min,
                               lua_Integer max) {
  lua_Integer n = luaL_checkinteger(L, arg);
  luaL_argcheck(L, n >= min && n <= max, arg, "out of range");
  return n;
}

/* Durations */

static int64_t *test_duration(lua_State *L, int idx) {
  return luaL_testudata(L, idx, DURATION_META);
}

static int push_duration(lua_State *L, int64_t ns) {
  int64_t *d = lua_newuserdatauv(L, sizeof *d, 0);
  *d = ns;
  meta_set(L, DURATION_META);
  return 1;
}

static bool bad_duration(struct bad_duration *bad, const char *why) {
  snprintf(bad->why, sizeof bad->why, "%s", why);
  return false;
}

bool duration_get(lua_State *L, int idx, int64_t *ret_ns,
                  struct bad_duration *bad) {
  struct slice text;
  lua_Number n;
  int rv;
  if (lua_type(L, idx) == LUA_TNUMBER) {
    if (lua_isinteger(L, idx)) {
      *ret_ns = lua_tointeger(L, idx);
      return true;
    }
    n = lua_tonumber(L, idx);
    if (!isfinite(n))
      return bad_duration(bad, "duration is not finite");
    if (n < -0x1p63 || n >= 0x1p63)
      return bad_duration(bad, "duration is out of range");
    *ret_ns = (int64_t)n;
    return true;
  }
  if (value_slice(L, idx, &text)) {
    rv = str_duration(text, ret_ns);
    if (rv == 0)
      return true;
    if (rv == ERR_RANGE)
      return bad_duration(bad, "duration is out of range");
    snprintf(bad->why, sizeof bad->why,
             "bad duration '%.*s', expected one like '1h30m' or '250ms'",
             text.len < 32 ? (int)text.len : 32, text.p);
    return false;
  }
  const int64_t *d = test_duration(L, idx);
  if (d) {
    *ret_ns = *d;
    return true;
  }
  snprintf(bad->why, sizeof bad->why,
           "duration must be a number of nanoseconds, a string or a Duration, "
           "got %s",
           lua_type(L, idx) == LUA_TNONE ? "nothing" : luaL_typename(L, idx));
  return false;
}

int duration_fail(lua_State *L, const char *what,
                  const struct bad_duration *bad) {
  return fail_nil(L, KIND_INVALID, false, "%s: %s", what, bad->why);
}

static int64_t check_duration(lua_State *L, int arg) {
  return *(int64_t *)luaL_checkudata(L, arg, DURATION_META);
}

static int duration_hours(lua_State *L) {
  int64_t d = check_duration(L, 1);
  /* whole and rest apart, as Go does: exact where a double can be */
  lua_pushnumber(L, (lua_Number)(d / (3600 * ns_per_s)) +
                        (lua_Number)(d % (3600 * ns_per_s)) / 3600e9);
  return 1;
}

static int duration_minutes(lua_State *L) {
  int64_t d = check_duration(L, 1);
  lua_pushnumber(L, (lua_Number)(d / (60 * ns_per_s)) +
                        (lua_Number)(d % (60 * ns_per_s)) / 60e9);
  return 1;
}

static int duration_seconds(lua_State *L) {
  int64_t d = check_duration(L, 1);
  lua_pushnumber(L,
                 (lua_Number)(d / ns_per_s) + (lua_Number)(d % ns_per_s) / 1e9);
  return 1;
}

static int duration_milliseconds(lua_State *L) {
  lua_pushinteger(L, check_duration(L, 1) / 1000000);
  return 1;
}

static int duration_microseconds(lua_State *L) {
  lua_pushinteger(L, check_duration(L, 1) / 1000);
  return 1;
}

static int duration_nanoseconds(lua_State *L) {
  lua_pushinteger(L, check_duration(L, 1));
  return 1;
}

static int duration_tostring(lua_State *L) {
  char text[DURATION_TEXT_MAX];
  lua_pushlstring(L, text, duration_write(text, check_duration(L, 1)));
  return 1;
}

/* An operand of a metamethod; raises. */
static int64_t operand(lua_State *L, int idx) {
  struct bad_duration bad;
  int64_t ns = 0;
  if (!duration_get(L, idx, &ns, &bad))
    luaL_error(L, "%s", bad.why);
  return ns;
}

static int duration_add(lua_State *L) {
  int64_t a = operand(L, 1), b = operand(L, 2), sum;
  if (__builtin_add_overflow(a, b, &sum))
    return luaL_error(L, "duration is out of range");
  return push_duration(L, sum);
}

static int duration_sub(lua_State *L) {
  int64_t a = operand(L, 1), b = operand(L, 2), difference;
  if (__builtin_sub_overflow(a, b, &difference))
    return luaL_error(L, "duration is out of range");
  return push_duration(L, difference);
}

static int duration_eq(lua_State *L) {
  const int64_t *a = test_duration(L, 1), *b = test_duration(L, 2);
  lua_pushboolean(L, a && b && *a == *b);
  return 1;
}

static int duration_lt(lua_State *L) {
  lua_pushboolean(L, operand(L, 1) < operand(L, 2));
  return 1;
}

static int duration_le(lua_State *L) {
  lua_pushboolean(L, operand(L, 1) <= operand(L, 2));
  return 1;
}

static const luaL_Reg duration_methods[] = {
    {"hours", duration_hours},
    {"minutes", duration_minutes},
    {"seconds", duration_seconds},
    {"milliseconds", duration_milliseconds},
    {"microseconds", duration_microseconds},
    {"nanoseconds", duration_nanoseconds},
    {NULL, NULL},
};

static const luaL_Reg duration_metamethods[] = {
    {"__tostring", duration_tostring},
    {"__add", duration_add},
    {"__sub", duration_sub},
    {"__eq", duration_eq},
    {"__lt", duration_lt},
    {"__le", duration_le},
    {NULL, NULL},
};

/* Locations */

enum location_kind {
  LOCATION_UTC,
  LOCATION_LOCAL, /* what the C library takes for the system's */
  LOCATION_FIXED,
  LOCATION_ZONE
};

/* Behind its name lie the data of a LOCATION_ZONE, to which |zone| points. */
struct location {
  enum location_kind kind;
  int32_t offset; /* LOCATION_FIXED */
  struct tzif zone;
  size_t len;
  char name[];
};

static const struct location *check_location(lua_State *L, int arg) {
  return luaL_checkudata(L, arg, LOCATION_META);
}

static void push_location(lua_State *L, enum location_kind kind,
                          struct slice name, int32_t offset) {
  struct location *loc = lua_newuserdatauv(L, sizeof *loc + name.len, 0);
  loc->kind = kind;
  loc->offset = offset;
  loc->len = name.len;
  if (name.len)
    memcpy(loc->name, name.p, name.len);
  meta_set(L, LOCATION_META);
}

static void push_kept(lua_State *L, const char *key, enum location_kind kind,
                      struct slice name) {
  luaL_checkstack(L, 3, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) != LUA_TNIL)
    return;
  lua_pop(L, 1);
  push_location(L, kind, name, 0);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static void push_utc(lua_State *L) {
  push_kept(L, &utc_key, LOCATION_UTC, SLICE("UTC"));
}

static void push_local(lua_State *L) {
  push_kept(L, &local_key, LOCATION_LOCAL, SLICE("Local"));
}

/* Pushes a location of |name| with |data|.  False: they are no zone's. */
static bool push_zone(lua_State *L, struct slice name, struct slice data) {
  struct location *loc =
      lua_newuserdatauv(L, sizeof *loc + name.len + data.len, 0);
  loc->kind = LOCATION_ZONE;
  loc->offset = 0;
  loc->len = name.len;
  memcpy(loc->name, name.p, name.len);
  memcpy(loc->name + name.len, data.p, data.len);
  meta_set(L, LOCATION_META);
  return tzif_parse(&loc->zone,
                    (struct slice){loc->name + name.len, data.len}) == 0;
}

/* The zone of |loc| in force at |sec|.  |names| may hold its name. */
static struct zone zone_at(const struct location *loc, int64_t sec,
                           char names[ZONE_NAME_MAX + 1]) {
  struct zone zone = {{loc->name, loc->len}, loc->offset};
  if (loc->kind == LOCATION_ZONE)
    return tzif_at(&loc->zone, sec);
  if (loc->kind == LOCATION_LOCAL) {
    time_t t = (time_t)sec;
    struct tm tm;
    zone = (struct zone){SLICE("UTC"), 0};
    gate_enter(); /* it locks, and tm_zone is shared */
    if (localtime_r(&t, &tm)) {
      snprintf(names, ZONE_NAME_MAX + 1, "%s", tm.tm_zone ? tm.tm_zone : "");
      zone.name = slice_of(names);
      zone.offset = (int32_t)tm.tm_gmtoff;
    }
    gate_leave();
  }
  return zone;
}

/* Seconds since 1970 of a clock in |loc| that shows |clock| such seconds. Where
 * clocks jump, one of the two answers, as Go: the offset that is in force at
 * the result of the first guess. */
static int64_t seconds_in(const struct location *loc, int64_t clock) {
  char names[ZONE_NAME_MAX + 1];
  int32_t offset = zone_at(loc, clock, names).offset;
  if (offset != 0)
    offset = zone_at(loc, clock - offset, names).offset;
  return clock - offset;
}

static int location_string(lua_State *L) {
  const struct location *loc = check_location(L, 1);
  lua_pushlstring(L, loc->name, loc->len);
  return 1;
}

static int location_eq(lua_State *L) {
  const struct location *a = luaL_testudata(L, 1, LOCATION_META);
  const struct location *b = luaL_testudata(L, 2, LOCATION_META);
  lua_pushboolean(L, a && b && a->kind == b->kind && a->offset == b->offset &&
                         slice_eq((struct slice){a->name, a->len},
                                  (struct slice){b->name, b->len}));
  return 1;
}

static const luaL_Reg location_methods[] = {
    {"string", location_string},
    {NULL, NULL},
};

static const luaL_Reg location_metamethods[] = {
    {"__tostring", location_string},
    {"__eq", location_eq},
    {NULL, NULL},
};

/* Times */

static struct moment *check_time(lua_State *L, int arg) {
  return luaL_checkudata(L, arg, TIME_META);
}

/* A Time is a struct moment whose user value 1 is its Location. */

/* Pops a Location, pushes a Time in it. */
static int push_time_in(lua_State *L, const struct moment *m) {
  if (m->sec < -max_seconds || m->sec > max_seconds)
    return luaL_error(L, "time is out of range");
  struct moment *t = lua_newuserdatauv(L, sizeof *t, 1);
  *t = *m;
  meta_set(L, TIME_META);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

/* In the location of the Time at |idx|. */
static int push_time_like(lua_State *L, const struct moment *m, int idx) {
  lua_getiuservalue(L, idx, 1);
  return push_time_in(L, m);
}

int time_push_local(lua_State *L, const struct moment *m) {
  push_local(L);
  return push_time_in(L, m);
}

struct moment moment_now(void) {
  int64_t wall = clock_wall_ns();
  struct moment m = {.sec = wall / ns_per_s, .has_mono = true};
  m.nsec = (int32_t)(wall % ns_per_s);
  if (m.nsec < 0) {
    m.sec--;
    m.nsec += (int32_t)ns_per_s;
  }
  m.mono_ns = (int64_t)clock_mono_ns();
  return m;
}

/* |sec| and |nsec|, which may be any, without a monotonic reading. */
static struct moment moment_of(int64_t sec, int64_t nsec) {
  struct moment m = {.sec = sec + nsec / ns_per_s};
  m.nsec = (int32_t)(nsec % ns_per_s);
  if (m.nsec < 0) {
    m.sec--;
    m.nsec += (int32_t)ns_per_s;
  }
  return m;
}

static struct moment moment_add(const struct moment *t, int64_t ns) {
  struct moment m = moment_of(t->sec + ns / ns_per_s, t->nsec + ns % ns_per_s);
  m.has_mono =
      t->has_mono && !__builtin_add_overflow(t->mono_ns, ns, &m.mono_ns);
  return m;
}

static int64_t moment_sub(const struct moment *a, const struct moment *b) {
  int64_t ns;
  if (a->has_mono && b->has_mono) {
    if (!__builtin_sub_overflow(a->mono_ns, b->mono_ns, &ns))
      return ns;
    return a->mono_ns < b->mono_ns ? INT64_MIN : INT64_MAX;
  }
  if (__builtin_mul_overflow(a->sec - b->sec, ns_per_s, &ns) ||
      __builtin_add_overflow(ns, (int64_t)(a->nsec - b->nsec), &ns))
    return a->sec < b->sec ? INT64_MIN : INT64_MAX; /* Go saturates, too */
  return ns;
}

/* Negative, zero or positive, as a is before, at or after b. */
static int moment_cmp(const struct moment *a, const struct moment *b) {
  if (a->has_mono && b->has_mono)
    return (a->mono_ns > b->mono_ns) - (a->mono_ns < b->mono_ns);
  if (a->sec != b->sec)
    return a->sec < b->sec ? -1 : 1;
  return (a->nsec > b->nsec) - (a->nsec < b->nsec);
}

/* The Time at |idx| as the clock of its location shows it.  |names| as in
 * zone_at; |ret_zone| may be NULL. */
static void civil_of(lua_State *L, int idx, struct civil *ret,
                     struct zone *ret_zone, char names[ZONE_NAME_MAX + 1]) {
  const struct moment *t = check_time(L, idx);
  lua_getiuservalue(L, idx, 1);
  /* the Time keeps its location, and with it the name, alive */
  struct zone zone = zone_at(lua_touserdata(L, -1), t->sec, names);
  lua_pop(L, 1);
  civil_from_seconds(ret, t->sec + zone.offset, t->nsec);
  if (ret_zone)
    *ret_zone = zone;
}

static struct civil civil_at(lua_State *L, int idx) {
  char names[ZONE_NAME_MAX + 1];
  struct civil c;
  civil_of(L, idx, &c, NULL, names);
  return c;
}

static int time_add(lua_State *L) {
  const struct moment *t = check_time(L, 1);
  struct bad_duration bad;
  int64_t ns;
  if (!duration_get(L, 2, &ns, &bad))
    return duration_fail(L, "Time:add", &bad);
  struct moment m = moment_add(t, ns);
  return push_time_like(L, &m, 1);
}

static int time_sub(lua_State *L) {
  return push_duration(L, moment_sub(check_time(L, 1), check_time(L, 2)));
}

static int time_add_date(lua_State *L) {
  const struct moment *t = check_time(L, 1);
  lua_Integer years = arg_between(L, 2, -CIVIL_MAX_YEAR, CIVIL_MAX_YEAR);
  lua_Integer months = arg_between(L, 3, -CIVIL_MAX_YEAR, CIVIL_MAX_YEAR);
  lua_Integer days = arg_between(L, 4, -CIVIL_MAX_YEAR, CIVIL_MAX_YEAR);
  struct civil c = civil_at(L, 1);
  int64_t clock =
      civil_days(c.year + years, c.month + months, c.day + days) * 86400 +
      c.hour * 3600 + c.minute * 60 + c.second;
  if (clock < -2 * max_seconds || clock > 2 * max_seconds)
    return luaL_error(L, "time is out of range");
  lua_getiuservalue(L, 1, 1);
  struct moment m =
      moment_of(seconds_in(lua_touserdata(L, -1), clock), t->nsec);
  return push_time_in(L, &m);
}

static int time_before(lua_State *L) {
  lua_pushboolean(L, moment_cmp(check_time(L, 1), check_time(L, 2)) < 0);
  return 1;
}

static int time_after_other(lua_State *L) {
  lua_pushboolean(L, moment_cmp(check_time(L, 1), check_time(L, 2)) > 0);
  return 1;
}

static int time_equal(lua_State *L) {
  lua_pushboolean(L, moment_cmp(check_time(L, 1), check_time(L, 2)) == 0);
  return 1;
}

/* "==": unlike the method it never raises. */
static int time_eq(lua_State *L) {
  const struct moment *a = luaL_testudata(L, 1, TIME_META);
  const struct moment *b = luaL_testudata(L, 2, TIME_META);
  lua_pushboolean(L, a && b && moment_cmp(a, b) == 0);
  return 1;
}

static int time_le(lua_State *L) {
  lua_pushboolean(L, moment_cmp(check_time(L, 1), check_time(L, 2)) <= 0);
  return 1;
}

/* Pushes the Time at 1 by |layout|. */
static int format(lua_State *L, struct slice layout) {
  char names[ZONE_NAME_MAX + 1], part[LAYOUT_PART_MAX];
  struct layout_chunk chunk;
  struct civil civil;
  struct zone zone;
  unsigned chunks = 0;
  struct out o;
  civil_of(L, 1, &civil, &zone, names);
  lua_pushnil(L);
  out_init(&o, lua_gettop(L));
  do {
    layout_next(&layout, &chunk);
    out_add(L, &o, chunk.literal.p, chunk.literal.len);
    out_add(L, &o, part, layout_write(part, &chunk, &civil, &zone));
    if (++chunks % CHUNKS_PER_CHECK == 0)
      state_check(L);
  } while (chunk.part != LAYOUT_END);
  out_push(L, &o);
  return 1;
}

static int time_format(lua_State *L) {
  check_time(L, 1);
  return format(L, arg_slice(L, 2));
}

static int time_format_rfc3339(lua_State *L) {
  check_time(L, 1);
  return format(L, SLICE(LAYOUT_RFC3339));
}

static int time_tostring(lua_State *L) {
  check_time(L, 1);
  return format(L, SLICE(LAYOUT_STRING));
}

static int time_unix(lua_State *L) {
  lua_pushinteger(L, check_time(L, 1)->sec);
  return 1;
}

static int time_unix_nano(lua_State *L) {
  const struct moment *t = check_time(L, 1);
  /* seconds are rounded down, so the earliest moment needs the sum, not the
   * product, to fit */
  __int128 ns = (__int128)t->sec * ns_per_s + t->nsec;
  if (ns < INT64_MIN || ns > INT64_MAX)
    return luaL_error(L, "time is out of the range of unix_nano");
  lua_pushinteger(L, (lua_Integer)ns);
  return 1;
}

static int time_date_parts(lua_State *L) {
  struct civil c = civil_at(L, 1);
  lua_pushinteger(L, c.year);
  lua_pushinteger(L, c.month);
  lua_pushinteger(L, c.day);
  return 3;
}

static int time_clock(lua_State *L) {
  struct civil c = civil_at(L, 1);
  lua_pushinteger(L, c.hour);
  lua_pushinteger(L, c.minute);
  lua_pushinteger(L, c.second);
  return 3;
}

static int time_year(lua_State *L) {
  lua_pushinteger(L, civil_at(L, 1).year);
  return 1;
}

static int time_month(lua_State *L) {
  lua_pushinteger(L, civil_at(L, 1).month);
  return 1;
}

static int time_day(lua_State *L) {
  lua_pushinteger(L, civil_at(L, 1).day);
  return 1;
}

static int time_hour(lua_State *L) {
  lua_pushinteger(L, civil_at(L, 1).hour);
  return 1;
}

static int time_minute(lua_State *L) {
  lua_pushinteger(L, civil_at(L, 1).minute);
  return 1;
}

static int time_second(lua_State *L) {
  lua_pushinteger(L, civil_at(L, 1).second);
  return 1;
}

static int time_nanosecond(lua_State *L) {
  lua_pushinteger(L, check_time(L, 1)->nsec);
  return 1;
}

static int time_weekday(lua_State *L) {
  lua_pushinteger(L, civil_at(L, 1).weekday);
  return 1;
}

static int time_year_day(lua_State *L) {
  lua_pushinteger(L, civil_at(L, 1).year_day);
  return 1;
}

static int time_is_zero(lua_State *L) {
  const struct moment *t = check_time(L, 1);
  lua_pushboolean(L, t->sec == zero_seconds && t->nsec == 0);
  return 1;
}

static int time_utc(lua_State *L) {
  const struct moment *t = check_time(L, 1);
  push_utc(L);
  return push_time_in(L, t);
}

static int time_in_local(lua_State *L) {
  return time_push_local(L, check_time(L, 1));
}

static int time_in_location(lua_State *L) {
  const struct moment *t = check_time(L, 1);
  check_location(L, 2);
  lua_pushvalue(L, 2);
  return push_time_in(L, t);
}

static int time_location(lua_State *L) {
  check_time(L, 1);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/* How far the Time is above a multiple of |d| since year 1. */
static int64_t above_multiple(const struct moment *t, int64_t d) {
  __int128 ns = (__int128)(t->sec - zero_seconds) * ns_per_s + t->nsec;
  int64_t rest = (int64_t)(ns % d);
  return rest < 0 ? rest + d : rest;
}

static int round_time(lua_State *L, const char *what, bool nearest) {
  const struct moment *t = check_time(L, 1);
  struct bad_duration bad;
  struct moment m = *t;
  int64_t d;
  if (!duration_get(L, 2, &d, &bad))
    return duration_fail(L, what, &bad);
  m.has_mono = false; /* as Go */
  if (d > 0) {
    int64_t rest = above_multiple(t, d);
    if (nearest && rest >= d - rest) /* halves go up */
      rest -= d;
    m = moment_of(t->sec - rest / ns_per_s, t->nsec - rest % ns_per_s);
  }
  return push_time_like(L, &m, 1);
}

static int time_round(lua_State *L) {
  return round_time(L, "Time:round", true);
}

static int time_truncate(lua_State *L) {
  return round_time(L, "Time:truncate", false);
}

static const luaL_Reg time_methods[] = {
    {"add", time_add},
    {"sub", time_sub},
    {"add_date", time_add_date},
    {"before", time_before},
    {"after", time_after_other},
    {"equal", time_equal},
    {"format", time_format},
    {"format_rfc3339", time_format_rfc3339},
    {"unix", time_unix},
    {"unix_nano", time_unix_nano},
    {"date", time_date_parts},
    {"clock", time_clock},
    {"year", time_year},
    {"month", time_month},
    {"day", time_day},
    {"hour", time_hour},
    {"minute", time_minute},
    {"second", time_second},
    {"nanosecond", time_nanosecond},
    {"weekday", time_weekday},
    {"year_day", time_year_day},
    {"is_zero", time_is_zero},
    {"utc", time_utc},
    {"in_local", time_in_local},
    {"in_location", time_in_location},
    {"location", time_location},
    {"round", time_round},
    {"truncate", time_truncate},
    {NULL, NULL},
};

static const luaL_Reg time_metamethods[] = {
    {"__tostring", time_tostring},
    {"__eq", time_eq},
    {"__lt", time_before},
    {"__le", time_le},
    {NULL, NULL},
};

/* Making times */

static int lib_now(lua_State *L) {
  struct moment m = moment_now();
  return time_push_local(L, &m);
}

static int lib_unix(lua_State *L) {
  lua_Integer sec = arg_between(L, 1, -max_seconds, max_seconds);
  struct moment m = moment_of(sec, luaL_optinteger(L, 2, 0));
  return time_push_local(L, &m);
}

/* Pushes the location of argument |arg|, "Local" if there is none. */
static const struct location *push_location_arg(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg)) {
    push_local(L);
  } else {
    check_location(L, arg);
    lua_pushvalue(L, arg);
  }
  return lua_touserdata(L, -1);
}

static lua_Integer optional_between(lua_State *L, int arg, lua_Integer limit) {
  return lua_isnoneornil(L, arg) ? 0 : arg_between(L, arg, -limit, limit);
}

static int lib_date(lua_State *L) {
  const lua_Integer limit = INT64_C(1000000000000);
  lua_Integer year = arg_between(L, 1, -CIVIL_MAX_YEAR, CIVIL_MAX_YEAR);
  lua_Integer month = arg_between(L, 2, -CIVIL_MAX_YEAR, CIVIL_MAX_YEAR);
  lua_Integer day = arg_between(L, 3, -CIVIL_MAX_YEAR, CIVIL_MAX_YEAR);
  lua_Integer hour = optional_between(L, 4, limit);
  lua_Integer minute = optional_between(L, 5, limit);
  lua_Integer second = optional_between(L, 6, limit);
  /* nanoseconds carry over before the zone is looked up */
  struct moment m = moment_of(0, luaL_optinteger(L, 7, 0));
  int64_t clock = civil_days(year, month, day) * 86400 + hour * 3600 +
                  minute * 60 + second + m.sec;
  const struct location *loc = push_location_arg(L, 8);
  if (clock < -2 * max_seconds || clock > 2 * max_seconds)
    return luaL_error(L, "time is out of range");
  m.sec = seconds_in(loc, clock);
  return push_time_in(L, &m);
}

static int lib_parse_duration(lua_State *L) {
  struct bad_duration bad;
  int64_t ns;
  if (!duration_get(L, 1, &ns, &bad))
    return duration_fail(L, "time.parse_duration", &bad);
  return push_duration(L, ns);
}

static int lib_load_location(lua_State *L) {
  struct slice name = arg_slice(L, 1);
  struct services *sv = services_of(L);
  const int name_max = name.len < 64 ? (int)name.len : 64;
  struct slice data = {NULL, 0};
  int rv = ERR_NOT_FOUND;
  if (name.len == 0)
    return fail_nil(L, KIND_INVALID, false,
                    "time.load_location: the name is empty");
  if (slice_is(name, "UTC")) {
    push_utc(L);
    return 1;
  }
  if (slice_is(name, "Local")) {
    push_local(L);
    return 1;
  }
  /* The name decides which file is read; who reads it looks at it again. */
  if (tz_name_ok(name)) {
    gate_enter();
    rv = sv->lookup->zone(sv, name, &data);
    gate_leave();
  }
  if (rv == 0 && (data.len > TZIF_MAX_BYTES || !push_zone(L, name, data)))
    rv = ERR_SYNTAX;
  switch (rv) {
  case 0:
    return 1;
  case ERR_SYNTAX:
    return fail_nil(L, KIND_INTERNAL, false,
                    "time.load_location: what is stored for '%.*s' is no zone",
                    name_max, name.p);
  case ERR_NOT_FOUND:
    return fail_nil(L, KIND_NOT_FOUND, false,
                    "time.load_location: no zone '%.*s', expected a name like "
                    "'Europe/Paris'",
                    name_max, name.p);
  case ERR_UNSUPPORTED:
    return fail_nil(L, KIND_UNAVAILABLE, false,
                    "time.load_location: this machine has no time zones "
                    "(tzdata), only 'UTC', 'Local' and fixed_zone work");
  case ERR_NOMEM:
    return state_no_memory(L);
  default:
    return fail_nil(L, KIND_INTERNAL, false,
                    "time.load_location: the zone '%.*s' cannot be read",
                    name_max, name.p);
  }
}

static int lib_fixed_zone(lua_State *L) {
  struct slice name = arg_slice(L, 1);
  int32_t offset =
      (int32_t)arg_between(L, 2, -OFFSET_MAX_SECONDS, OFFSET_MAX_SECONDS);
  if (name.len > ZONE_NAME_MAX)
    return fail_nil(L, KIND_INVALID, false,
                    "time.fixed_zone: the name has %d bytes, expected at most "
                    "%d",
                    (int)name.len, (int)ZONE_NAME_MAX);
  push_location(L, LOCATION_FIXED, name, offset);
  return 1;
}

/* Pushes the Time that |p| says, in |loc| (on top of the stack) unless the text
 * named another zone. */
static int push_parsed(lua_State *L, const struct parsed_time *p,
                       const struct location *loc) {
  char names[ZONE_NAME_MAX + 1];
  const struct civil *c = &p->civil;
  int64_t clock = civil_days(c->year, c->month, c->day) * 86400 +
                  c->hour * 3600 + c->minute * 60 + c->second;
  struct moment m = {.sec = clock, .nsec = c->nanosecond};
  struct slice name = p->zone_name;
  struct zone there;
  int32_t offset = 0;
  int sign;
  switch (p->zone) {
  case PARSED_NO_ZONE:
    m.sec = seconds_in(loc, clock);
    return push_time_in(L, &m);
  case PARSED_UTC:
    push_utc(L);
    return push_time_in(L, &m);
  case PARSED_OFFSET:
    m.sec = clock - p->offset;
    there = zone_at(loc, m.sec, names);
    if (there.offset == p->offset &&
        (name.len == 0 || slice_eq(name, there.name)))
      return push_time_in(L, &m);
    push_location(L, LOCATION_FIXED, name, p->offset);
    return push_time_in(L, &m);
  case PARSED_NAME:
    if (loc->kind == LOCATION_ZONE &&
        tzif_named(&loc->zone, name, clock, &offset)) {
      m.sec = clock - offset;
      return push_time_in(L, &m);
    }
    there = zone_at(loc, seconds_in(loc, clock), names);
    if (slice_eq(name, there.name)) {
      m.sec = clock - there.offset;
      return push_time_in(L, &m);
    }
    /* an abbreviation means nothing by itself: Go makes up a zone of that name
     * at UTC, except for "GMT+3" */
    if (name.len > 4 && slice_starts(name, SLICE("GMT"))) {
      sign = name.p[3] == '-' ? -1 : 1;
      for (size_t i = 4; i < name.len; i++)
        offset = offset * 10 + (name.p[i] - '0');
      offset *= sign * 3600;
    }
    push_location(L, LOCATION_FIXED, name, offset);
    return push_time_in(L, &m);
  }
  return 0;
}

static int lib_parse(lua_State *L) {
  struct slice layout = arg_slice(L, 1), text = arg_slice(L, 2);
  const struct location *loc = push_location_arg(L, 3);
  struct parsed_time parsed;
  struct parse_fault fault;
  if (layout.len > PARSE_MAX_BYTES || text.len > PARSE_MAX_BYTES)
    return fail_nil(L, KIND_INVALID, false,
                    "time.parse: layout or text is longer than %d bytes",
                    PARSE_MAX_BYTES);
  if (layout_parse(&parsed, layout, text, &fault) == 0)
    return push_parsed(L, &parsed, loc);
  const int text_max = 64;
  if (fault.why)
    return fail_nil(L, KIND_INVALID, false, "time.parse: '%.*s': %s",
                    (int)text.len < text_max ? (int)text.len : text_max, text.p,
                    fault.why);
  return fail_nil(
      L, KIND_INVALID, false, "time.parse: cannot read '%.*s' as '%.*s'",
      (int)fault.got.len < text_max ? (int)fault.got.len : text_max,
      fault.got.p,
      (int)fault.want.len < text_max ? (int)fault.want.len : text_max,
      fault.want.p);
}

/* Opening */

static const luaL_Reg functions[] = {
    {"now", lib_now},
    {"unix", lib_unix},
    {"date", lib_date},
    {"parse", lib_parse},
    {"parse_duration", lib_parse_duration},
    {"load_location", lib_load_location},
    {"fixed_zone", lib_fixed_zone},
    {"sleep", timers_sleep},
    {"after", timers_after},
    {"timer", timers_timer},
    {"ticker", timers_ticker},
    {NULL, NULL},
};

static void fill(lua_State *L) {
  time_fill_names(L);
  push_utc(L);
  lua_setfield(L, -2, "utc");
  push_local(L);
  lua_setfield(L, -2, "localtz");
}

static bool field(lua_State *L, struct slice name) {
  if (slice_is(name, "utc"))
    push_utc(L);
  else if (slice_is(name, "localtz"))
    push_local(L);
  else
    return time_push_name(L, name);
  return true;
}

static const struct library library = {"time", functions, fill, field};

static const struct meta_def metas[] = {
    {DURATION_META, duration_methods, duration_metamethods},
    {LOCATION_META, location_methods, location_metamethods},
    {TIME_META, time_methods, time_metamethods}};

int luaopen_time(lua_State *L) {
  for (size_t i = 0; i < sizeof metas / sizeof *metas; i++)
    meta_later(L, &metas[i]);
  timers_open(L);
  lib_new(L, &library);
  return 1;
}
