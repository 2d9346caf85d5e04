/* time_format.h - the civil calendar, Go's reference-time layouts and Go's
 * durations as text.  No Lua, no zone data, no allocation. */
#ifndef MODULES_TIME_FORMAT_H
#define MODULES_TIME_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/str.h"

/* Years that times may have: what is added to a time can then be checked after
 * the addition, which cannot overflow. */
#define CIVIL_MAX_YEAR INT64_C(1000000000)

/* A moment as a clock on the wall shows it: proleptic Gregorian. */
struct civil {
  int64_t year;
  int month; /* 1-12 */
  int day;   /* 1-31 */
  int hour;
  int minute;
  int second;
  int nanosecond;
  int weekday;  /* 0: Sunday */
  int year_day; /* 1-366 */
};

/* The zone a clock stands in. */
struct zone {
  struct slice name; /* "": unknown */
  int32_t offset;    /* seconds east of UTC */
};

/* |sec|: seconds since 1970 on that clock. */
void civil_from_seconds(struct civil *ret, int64_t sec, int nanosecond);
/* Of the first moment of that day; |month| and |day| may be out of range and
 * carry over, as in Go.  All three within +-4 * CIVIL_MAX_YEAR. */
int64_t civil_days(int64_t year, int64_t month, int64_t day);
int civil_days_in(int64_t year, int month);

/* A layout is literal text and parts, taken off one after the other. */
enum layout_part {
  LAYOUT_END,
  LAYOUT_LONG_MONTH,     /* January */
  LAYOUT_MONTH,          /* Jan */
  LAYOUT_NUM_MONTH,      /* 1 */
  LAYOUT_ZERO_MONTH,     /* 01 */
  LAYOUT_LONG_WEEKDAY,   /* Monday */
  LAYOUT_WEEKDAY,        /* Mon */
  LAYOUT_DAY,            /* 2 */
  LAYOUT_UNDER_DAY,      /* _2 */
  LAYOUT_ZERO_DAY,       /* 02 */
  LAYOUT_UNDER_YEAR_DAY, /* __2 */
  LAYOUT_ZERO_YEAR_DAY,  /* 002 */
  LAYOUT_HOUR,           /* 15 */
  LAYOUT_HOUR12,         /* 3 */
  LAYOUT_ZERO_HOUR12,    /* 03 */
  LAYOUT_MINUTE,         /* 4 */
  LAYOUT_ZERO_MINUTE,    /* 04 */
  LAYOUT_SECOND,         /* 5 */
  LAYOUT_ZERO_SECOND,    /* 05 */
  LAYOUT_LONG_YEAR,      /* 2006 */
  LAYOUT_YEAR,           /* 06 */
  LAYOUT_PM,             /* PM */
  LAYOUT_LOWER_PM,       /* pm */
  LAYOUT_ZONE_NAME,      /* MST */
  LAYOUT_OFFSET,         /* -0700, Z07:00 and their like */
  LAYOUT_FRACTION,       /* .000 */
  LAYOUT_TRIMMED         /* .999 */
};

struct layout_chunk {
  struct slice literal; /* before the part */
  struct slice text;    /* of the part, as the layout has it */
  enum layout_part part;
  bool z;         /* LAYOUT_OFFSET: "Z" stands for UTC */
  bool colon;     /* with colons */
  int fields;     /* 1: hours; 2: and minutes; 3: and seconds */
  size_t digits;  /* of a fraction */
  char separator; /* '.' or ',' */
};

/* Takes the next chunk off |layout|; at its end the part is LAYOUT_END. */
void layout_next(struct slice *layout, struct layout_chunk *ret);

/* Writes the part of |c| for that clock in that zone to |out|; the literal is
 * the caller's to copy.  Returns the length. */
#define LAYOUT_PART_MAX 288 /* a zone's name is the longest */
#define ZONE_NAME_MAX 255
size_t layout_write(char out[LAYOUT_PART_MAX], const struct layout_chunk *c,
                    const struct civil *civil, const struct zone *zone);

/* What a text said. */
enum parsed_zone {
  PARSED_NO_ZONE,
  PARSED_UTC,
  PARSED_OFFSET, /* |offset|; |zone_name| may be there too */
  PARSED_NAME    /* |zone_name| alone */
};
struct parsed_time {
  struct civil civil; /* weekday and year_day not filled */
  enum parsed_zone zone;
  int32_t offset;
  struct slice zone_name; /* borrowed from the text */
};

/* Reads |text| by |layout|, as Go's time.Parse.  0, or ERR_SYNTAX or ERR_RANGE
 * with |*ret_part|: the text at fault, |*ret_want|: what it was to be (either
 * may be empty), |*ret_why|: a static text or NULL. */
struct parse_fault {
  struct slice got;
  struct slice want;
  const char *why;
};
int layout_parse(struct parsed_time *ret, struct slice layout,
                 struct slice text, struct parse_fault *fault);

/* "1h30m45.5s", as Go prints a duration.  Returns the length. */
#define DURATION_TEXT_MAX 40
size_t duration_write(char out[DURATION_TEXT_MAX], int64_t ns);

#endif
