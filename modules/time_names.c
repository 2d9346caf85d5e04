/* time_names.c - what the time module calls by name: units, months, weekdays
 * and layouts. */
#include "modules/time.h"

static const struct {
  const char *name;
  lua_Integer value;
} numbers[] = {
    {"NANOSECOND", 1},
    {"MICROSECOND", 1000},
    {"MILLISECOND", 1000000},
    {"SECOND", 1000000000},
    {"MINUTE", INT64_C(60000000000)},
    {"HOUR", INT64_C(3600000000000)},
    {"JANUARY", 1},
    {"FEBRUARY", 2},
    {"MARCH", 3},
    {"APRIL", 4},
    {"MAY", 5},
    {"JUNE", 6},
    {"JULY", 7},
    {"AUGUST", 8},
    {"SEPTEMBER", 9},
    {"OCTOBER", 10},
    {"NOVEMBER", 11},
    {"DECEMBER", 12},
    {"SUNDAY", 0},
    {"MONDAY", 1},
    {"TUESDAY", 2},
    {"WEDNESDAY", 3},
    {"THURSDAY", 4},
    {"FRIDAY", 5},
    {"SATURDAY", 6},
};

static const struct {
  const char *name, *layout;
} layouts[] = {
    {"RFC3339", "2006-01-02T15:04:05Z07:00"},
    {"RFC3339NANO", "2006-01-02T15:04:05.999999999Z07:00"},
    {"RFC822", "02 Jan 06 15:04 MST"},
    {"RFC822Z", "02 Jan 06 15:04 -0700"},
    {"RFC850", "Monday, 02-Jan-06 15:04:05 MST"},
    {"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"},
    {"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"},
    {"DATE_TIME", "2006-01-02 15:04:05"},
    {"DATE_ONLY", "2006-01-02"},
    {"TIME_ONLY", "15:04:05"},
    {"KITCHEN", "3:04PM"},
    {"STAMP", "Jan _2 15:04:05"},
    {"STAMP_MILLI", "Jan _2 15:04:05.000"},
    {"STAMP_MICRO", "Jan _2 15:04:05.000000"},
    {"STAMP_NANO", "Jan _2 15:04:05.000000000"},
};

#define NNUMBERS (sizeof numbers / sizeof *numbers)
#define NLAYOUTS (sizeof layouts / sizeof *layouts)

bool time_push_name(lua_State *L, struct slice name) {
  for (size_t i = 0; i < NNUMBERS; i++)
    if (slice_is(name, numbers[i].name)) {
      lua_pushinteger(L, numbers[i].value);
      return true;
    }
  for (size_t i = 0; i < NLAYOUTS; i++)
    if (slice_is(name, layouts[i].name)) {
      lua_pushstring(L, layouts[i].layout);
      return true;
    }
  return false;
}

void time_fill_names(lua_State *L) {
  for (size_t i = 0; i < NNUMBERS; i++) {
    lua_pushinteger(L, numbers[i].value);
    lua_setfield(L, -2, numbers[i].name);
  }
  for (size_t i = 0; i < NLAYOUTS; i++) {
    lua_pushstring(L, layouts[i].layout);
    lua_setfield(L, -2, layouts[i].name);
  }
}
