/* tzif.h - compiled zone data (RFC 8536, TZif versions 1 to 4) as bytes, and
 * the zone in force at a moment.  No Lua, no files, no allocation.
 *
 * Why not the C library's: tzset knows one zone for the whole process, by an
 * environment variable and with a lock, and a worker cannot open files. */
#ifndef MODULES_TZIF_H
#define MODULES_TZIF_H

#include <stdbool.h>
#include <stdint.h>

#include "modules/time_format.h"

/* The largest of the system's is below 4 KiB. */
#define TZIF_MAX_BYTES (64u * 1024)

/* When clocks change, each year. */
struct tz_change {
  enum { TZ_MONTH_WEEK_DAY, TZ_JULIAN, TZ_DAY } form; /* Mm.w.d, Jn, n */
  int month;
  int week; /* 5: the last one */
  int day;
  int32_t time; /* seconds after that day's midnight; may be negative */
};

/* A POSIX TZ string, for moments behind the last transition. */
struct tz_rule {
  struct zone standard;
  struct zone summer;
  bool has_summer;
  struct tz_change begin; /* of summer time, by standard time */
  struct tz_change end;   /* by summer time */
};

/* Points into the data it was read from, which has to outlive it. */
struct tzif {
  const uint8_t *times; /* ascending, |time_bytes| each */
  const uint8_t *kinds; /* one byte each: which type begins then */
  const uint8_t *types; /* six bytes each */
  const char *names;
  size_t ntimes;
  size_t ntypes;
  size_t time_bytes;
  bool has_rule;
  struct tz_rule rule;
};

/* 0, or ERR_SYNTAX: it is no such data, or has leap seconds, which moments here
 * do not count.  All that the functions below look at has been checked. */
int tzif_parse(struct tzif *ret, struct slice data);

/* The zone in force at |sec|, in logarithmic time. */
struct zone tzif_at(const struct tzif *z, int64_t sec);

/* The offset of the zone called |name|: of the one in force when clocks show
 * |clock| (seconds since 1970), or else of any.  False: there is none. */
bool tzif_named(const struct tzif *z, struct slice name, int64_t clock,
                int32_t *ret_offset);

/* May |name| be looked for below a folder of zones?  Letters, digits, "_", "+"
 * and "-" in parts with "/" between them: nothing that leads out of it. */
#define TZ_NAME_MAX_BYTES 128
bool tz_name_ok(struct slice name);

#endif
