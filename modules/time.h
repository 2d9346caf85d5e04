/* time.h - times and durations between time.c and timers.c. */
#ifndef MODULES_TIME_H
#define MODULES_TIME_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/str.h"

/* A point in time. */
struct moment {
  int64_t sec; /* since 1970, rounded down */
  int32_t nsec;
  bool has_mono;
  int64_t mono_ns; /* a monotonic reading, for differences */
};

struct moment moment_now(void);

/* Pushes a Time in the location "Local"; returns 1. */
int time_push_local(lua_State *L, const struct moment *m);

/* What is wrong with a duration. */
struct bad_duration {
  char why[96];
};

/* The value at |idx| as nanoseconds: a number of them, a text as Go writes it,
 * or a Duration.  False with |bad| filled; never raises. */
bool duration_get(lua_State *L, int idx, int64_t *ret_ns,
                  struct bad_duration *bad);
/* Pushes nil and an error object in the name of |what|; returns 2. */
int duration_fail(lua_State *L, const char *what,
                  const struct bad_duration *bad);

/* Pushes what |name| stands for: a unit, a month, a weekday or a layout; false:
 * none of these. */
bool time_push_name(lua_State *L, struct slice name);
/* All of them, into the table on top. */
void time_fill_names(lua_State *L);

int timers_sleep(lua_State *L);
int timers_after(lua_State *L);
int timers_timer(lua_State *L);
int timers_ticker(lua_State *L);
void timers_open(lua_State *L); /* their metatables */

#endif
