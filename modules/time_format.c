/* time_format.c - the civil calendar, Go's reference-time layouts (package
 * time, documented under "Constants" of pkg.go.dev/time) and Go's durations as
 * text. */
#include "modules/time_format.h"

#include <stdio.h>

#include "runtime/base/err.h"

#define SECONDS_PER_DAY 86400

static const char *const month_names[] = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
static const char *const weekday_names[] = {"Sunday",    "Monday",   "Tuesday",
                                            "Wednesday", "Thursday", "Friday",
                                            "Saturday"};

/* The calendar */

static int64_t floor_div(int64_t a, int64_t b) { /* b > 0 */
  return a / b - (a % b < 0);
}

static bool is_leap(int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int civil_days_in(int64_t year, int month) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && is_leap(year));
}

/* Years that begin in March have their leap day last: the days before each
 * month are then one linear formula, and 400 years are always 146097 days. */
int64_t civil_days(int64_t year, int64_t month, int64_t day) {
  int64_t era, of_era, m;
  year += floor_div(month - 1, 12);
  m = month - 1 - 12 * floor_div(month - 1, 12); /* 0: January */
  if (m < 2)
    year--;
  m = (m + 10) % 12; /* 0: March */
  era = floor_div(year, 400);
  of_era = year - era * 400;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
         (153 * m + 2) / 5 + day - 1 - 719468;
}

void civil_from_seconds(struct civil *ret, int64_t sec, int nanosecond) {
  int64_t days = floor_div(sec, SECONDS_PER_DAY);
  int rest = (int)(sec - days * SECONDS_PER_DAY);
  int64_t z = days + 719468; /* since the first of March of year 0 */
  int64_t era = floor_div(z, 146097), of_era = z - era * 146097;
  int64_t year =
      (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  int64_t m = (5 * of_year + 2) / 153; /* 0: March */
  ret->day = (int)(of_year - (153 * m + 2) / 5 + 1);
  ret->month = (int)(m < 10 ? m + 3 : m - 9);
  ret->year = year + era * 400 + (ret->month <= 2);
  ret->hour = rest / 3600;
  ret->minute = rest / 60 % 60;
  ret->second = rest % 60;
  ret->nanosecond = nanosecond;
  ret->weekday = (int)(days + 4 - 7 * floor_div(days + 4, 7));
  ret->year_day = (int)(days - civil_days(ret->year, 1, 1) + 1);
}

/* Layouts */

static const struct {
  const char *text;
  enum layout_part part;
} fixed_parts[] = {
    /* a longer text comes before its prefixes */
    {"January", LAYOUT_LONG_MONTH},
    {"Jan", LAYOUT_MONTH},
    {"Monday", LAYOUT_LONG_WEEKDAY},
    {"Mon", LAYOUT_WEEKDAY},
    {"MST", LAYOUT_ZONE_NAME},
    {"002", LAYOUT_ZERO_YEAR_DAY},
    {"01", LAYOUT_ZERO_MONTH},
    {"02", LAYOUT_ZERO_DAY},
    {"03", LAYOUT_ZERO_HOUR12},
    {"04", LAYOUT_ZERO_MINUTE},
    {"05", LAYOUT_ZERO_SECOND},
    {"06", LAYOUT_YEAR},
    {"15", LAYOUT_HOUR},
    {"1", LAYOUT_NUM_MONTH},
    {"2006", LAYOUT_LONG_YEAR},
    {"2", LAYOUT_DAY},
    {"__2", LAYOUT_UNDER_YEAR_DAY},
    {"_2", LAYOUT_UNDER_DAY},
    {"3", LAYOUT_HOUR12},
    {"4", LAYOUT_MINUTE},
    {"5", LAYOUT_SECOND},
    {"PM", LAYOUT_PM},
    {"pm", LAYOUT_LOWER_PM},
};

static const struct {
  const char *text;
  bool colon;
  int fields;
} offsets[] = {
    {"070000", false, 3}, {"07:00:00", true, 3}, {"0700", false, 2},
    {"07:00", true, 2},   {"07", false, 1},
};

static bool starts_with(struct slice s, const char *prefix) {
  return slice_starts(s, slice_of(prefix));
}

static bool digit_at(struct slice s, size_t i) {
  return i < s.len && ascii_digit(s.p[i]);
}

static struct slice skip_bytes(struct slice s, size_t n) {
  return (struct slice){s.p + n, s.len - n};
}

/* The length of the part that |s| starts with, 0 if it starts with none. */
static size_t part_at(struct slice s, struct layout_chunk *c) {
  if ((s.p[0] == '-' || s.p[0] == 'Z')) {
    struct slice rest = skip_bytes(s, 1);
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
      if (!starts_with(rest, offsets[i].text))
        continue;
      c->part = LAYOUT_OFFSET;
      c->z = s.p[0] == 'Z';
      c->colon = offsets[i].colon;
      c->fields = offsets[i].fields;
      return 1 + strlen(offsets[i].text);
    }
    return 0;
  }
  if (s.p[0] == '.' || s.p[0] == ',') {
    size_t n = 1;
    if (s.len < 2 || (s.p[1] != '0' && s.p[1] != '9'))
      return 0;
    while (n < s.len && s.p[n] == s.p[1])
      n++;
    if (digit_at(s, n))
      return 0; /* a number that only begins so */
    c->part = s.p[1] == '0' ? LAYOUT_FRACTION : LAYOUT_TRIMMED;
    c->digits = n - 1;
    c->separator = s.p[0];
    return n;
  }
  if (starts_with(s, "_2006"))
    return 0; /* a literal '_', then the year */
  for (size_t i = 0; i < sizeof fixed_parts / sizeof *fixed_parts; i++) {
    enum layout_part part = fixed_parts[i].part;
    size_t n = strlen(fixed_parts[i].text);
    if (!starts_with(s, fixed_parts[i].text))
      continue;
    if ((part == LAYOUT_MONTH || part == LAYOUT_WEEKDAY) && s.len > n &&
        s.p[n] >= 'a' && s.p[n] <= 'z')
      continue; /* a word such as "Month" */
    c->part = part;
    return n;
  }
  return 0;
}

void layout_next(struct slice *layout, struct layout_chunk *ret) {
  struct slice s = *layout;
  memset(ret, 0, sizeof *ret);
  for (size_t i = 0; i < s.len; i++) {
    size_t n = part_at(skip_bytes(s, i), ret);
    if (n) {
      ret->literal = (struct slice){s.p, i};
      ret->text = (struct slice){s.p + i, n};
      *layout = skip_bytes(s, i + n);
      return;
    }
  }
  ret->part = LAYOUT_END;
  ret->literal = s;
  *layout = skip_bytes(s, s.len);
}

/* Writing */

static size_t write_number(char *out, int64_t n, int width) {
  const char *sign = n < 0 ? "-" : "";
  return (size_t)snprintf(out, LAYOUT_PART_MAX, "%s%0*lld", sign, width,
                          (long long)(n < 0 ? -n : n));
}

static size_t write_name(char *out, const char *name, size_t len) {
  memcpy(out, name, len);
  return len;
}

static size_t write_fraction(char *out, const struct layout_chunk *c,
                             int nanosecond) {
  size_t len = 1 + (c->digits < 9 ? c->digits : 9);
  if (c->part == LAYOUT_TRIMMED && nanosecond == 0)
    return 0;
  snprintf(out, LAYOUT_PART_MAX, "%c%09d", c->separator, nanosecond);
  if (c->part == LAYOUT_TRIMMED) {
    while (len > 1 && out[len - 1] == '0')
      len--;
    if (len == 1)
      return 0;
  }
  return len;
}

static size_t write_offset(char *out, const struct layout_chunk *c,
                           int32_t offset) {
  int seconds = offset < 0 ? -offset : offset;
  const char *colon = c->colon ? ":" : "";
  size_t len;
  if (c->z && offset == 0) {
    out[0] = 'Z';
    return 1;
  }
  len = (size_t)snprintf(out, LAYOUT_PART_MAX, "%c%02d", offset < 0 ? '-' : '+',
                         seconds / 3600);
  if (c->fields > 1)
    len += (size_t)snprintf(out + len, LAYOUT_PART_MAX - len, "%s%02d", colon,
                            seconds / 60 % 60);
  if (c->fields > 2)
    len += (size_t)snprintf(out + len, LAYOUT_PART_MAX - len, "%s%02d", colon,
                            seconds % 60);
  return len;
}

static size_t write_zone_name(char *out, const struct zone *zone) {
  const struct layout_chunk plain = {.fields = 2};
  size_t len = zone->name.len;
  if (len == 0)
    return write_offset(out, &plain, zone->offset);
  if (len > ZONE_NAME_MAX)
    len = ZONE_NAME_MAX;
  return write_name(out, zone->name.p, len);
}

size_t layout_write(char out[LAYOUT_PART_MAX], const struct layout_chunk *c,
                    const struct civil *civil, const struct zone *zone) {
  int hour12 = civil->hour % 12 ? civil->hour % 12 : 12;
  const char *name;
  switch (c->part) {
  case LAYOUT_END:
    return 0;
  case LAYOUT_LONG_MONTH:
    name = month_names[civil->month - 1];
    return write_name(out, name, strlen(name));
  case LAYOUT_MONTH:
    return write_name(out, month_names[civil->month - 1], 3);
  case LAYOUT_NUM_MONTH:
    return write_number(out, civil->month, 0);
  case LAYOUT_ZERO_MONTH:
    return write_number(out, civil->month, 2);
  case LAYOUT_LONG_WEEKDAY:
    name = weekday_names[civil->weekday];
    return write_name(out, name, strlen(name));
  case LAYOUT_WEEKDAY:
    return write_name(out, weekday_names[civil->weekday], 3);
  case LAYOUT_DAY:
    return write_number(out, civil->day, 0);
  case LAYOUT_UNDER_DAY:
    return (size_t)snprintf(out, LAYOUT_PART_MAX, "%2d", civil->day);
  case LAYOUT_ZERO_DAY:
    return write_number(out, civil->day, 2);
  case LAYOUT_UNDER_YEAR_DAY:
    return (size_t)snprintf(out, LAYOUT_PART_MAX, "%3d", civil->year_day);
  case LAYOUT_ZERO_YEAR_DAY:
    return write_number(out, civil->year_day, 3);
  case LAYOUT_HOUR:
    return write_number(out, civil->hour, 2);
  case LAYOUT_HOUR12:
    return write_number(out, hour12, 0);
  case LAYOUT_ZERO_HOUR12:
    return write_number(out, hour12, 2);
  case LAYOUT_MINUTE:
    return write_number(out, civil->minute, 0);
  case LAYOUT_ZERO_MINUTE:
    return write_number(out, civil->minute, 2);
  case LAYOUT_SECOND:
    return write_number(out, civil->second, 0);
  case LAYOUT_ZERO_SECOND:
    return write_number(out, civil->second, 2);
  case LAYOUT_LONG_YEAR:
    return write_number(out, civil->year, 4);
  case LAYOUT_YEAR:
    return write_number(out, civil->year < 0 ? 0 : civil->year % 100, 2);
  case LAYOUT_PM:
    return write_name(out, civil->hour >= 12 ? "PM" : "AM", 2);
  case LAYOUT_LOWER_PM:
    return write_name(out, civil->hour >= 12 ? "pm" : "am", 2);
  case LAYOUT_ZONE_NAME:
    return write_zone_name(out, zone);
  case LAYOUT_OFFSET:
    return write_offset(out, c, zone->offset);
  case LAYOUT_FRACTION:
  case LAYOUT_TRIMMED:
    return write_fraction(out, c, civil->nanosecond);
  }
  return 0;
}

size_t duration_write(char out[DURATION_TEXT_MAX], int64_t ns) {
  uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
  const char *sign = ns < 0 ? "-" : "", *unit = "s";
  uint64_t scale = 1000000000, hours = 0, minutes = 0, part;
  size_t len;
  int digits = 9;
  if (u == 0)
    return (size_t)snprintf(out, DURATION_TEXT_MAX, "0s");
  if (u < 1000) {
    unit = "ns", scale = 1, digits = 0;
  } else if (u < 1000000) {
    unit = "\xC2\xB5s", scale = 1000, digits = 3; /* U+00B5, as Go prints it */
  } else if (u < 1000000000) {
    unit = "ms", scale = 1000000, digits = 6;
  } else {
    hours = u / (3600 * scale);
    minutes = u / (60 * scale) % 60;
    u %= 60 * scale;
  }
  len = (size_t)snprintf(out, DURATION_TEXT_MAX, "%s", sign);
  if (hours)
    len += (size_t)snprintf(out + len, DURATION_TEXT_MAX - len, "%lluh",
                            (unsigned long long)hours);
  if (hours || minutes)
    len += (size_t)snprintf(out + len, DURATION_TEXT_MAX - len, "%llum",
                            (unsigned long long)minutes);
  len += (size_t)snprintf(out + len, DURATION_TEXT_MAX - len, "%llu",
                          (unsigned long long)(u / scale));
  part = u % scale;
  if (part) {
    len += (size_t)snprintf(out + len, DURATION_TEXT_MAX - len, ".%0*llu",
                            digits, (unsigned long long)part);
    while (out[len - 1] == '0')
      len--;
  }
  return len + (size_t)snprintf(out + len, DURATION_TEXT_MAX - len, "%s", unit);
}

/* Reading */

/* One or two digits (|fixed|: two) off |s|. */
static bool take_number(struct slice *s, bool fixed, int *ret) {
  size_t n = digit_at(*s, 1) ? 2 : 1;
  if (!digit_at(*s, 0) || (fixed && n != 2))
    return false;
  *ret = n == 1 ? s->p[0] - '0' : (s->p[0] - '0') * 10 + (s->p[1] - '0');
  *s = skip_bytes(*s, n);
  return true;
}

/* Exactly |n| digits off |s|. */
static bool take_digits(struct slice *s, size_t n, int *ret) {
  int v = 0;
  for (size_t i = 0; i < n; i++) {
    if (!digit_at(*s, i))
      return false;
    v = v * 10 + (s->p[i] - '0');
  }
  *s = skip_bytes(*s, n);
  *ret = v;
  return true;
}

/* One of |names|, or of their first |letters|, off |s|. */
static bool take_name(struct slice *s, const char *const *names, size_t n,
                      size_t letters, int *ret) {
  for (size_t i = 0; i < n; i++) {
    struct slice name = slice_of(names[i]);
    if (letters)
      name.len = letters;
    if (s->len < name.len ||
        !slice_eq_nocase((struct slice){s->p, name.len}, name))
      continue;
    *s = skip_bytes(*s, name.len);
    *ret = (int)i;
    return true;
  }
  return false;
}

/* A separator and |digits| digits, of which nine count, off |s|. */
static bool take_fraction(struct slice *s, size_t digits, int *ret) {
  int v = 0;
  if (s->len < 1 + digits || (s->p[0] != '.' && s->p[0] != ','))
    return false;
  for (size_t i = 1; i <= digits; i++)
    if (!ascii_digit(s->p[i]))
      return false;
  for (size_t i = 1; i <= 9; i++)
    v = v * 10 + (i <= digits ? s->p[i] - '0' : 0);
  *s = skip_bytes(*s, 1 + digits);
  *ret = v;
  return true;
}

/* How many digits follow a separator at the start of |s|; 0: no fraction. */
static size_t fraction_digits(struct slice s) {
  size_t n = 0;
  if (s.len == 0 || (s.p[0] != '.' && s.p[0] != ','))
    return 0;
  while (digit_at(s, n + 1))
    n++;
  return n;
}

/* Literal text; a run of spaces stands for any run of spaces, or for the end.
 */
static bool take_literal(struct slice *s, struct slice literal) {
  while (literal.len) {
    if (literal.p[0] == ' ') {
      if (s->len && s->p[0] != ' ')
        return false;
      while (literal.len && literal.p[0] == ' ')
        literal = skip_bytes(literal, 1);
      while (s->len && s->p[0] == ' ')
        *s = skip_bytes(*s, 1);
      continue;
    }
    if (!s->len || s->p[0] != literal.p[0])
      return false;
    literal = skip_bytes(literal, 1);
    *s = skip_bytes(*s, 1);
  }
  return true;
}

static int take_offset(struct slice *s, const struct layout_chunk *c,
                       struct parsed_time *t, const char **why) {
  struct slice at = *s;
  int field[3] = {0, 0, 0};
  char sign;
  if (c->z && at.len && at.p[0] == 'Z') {
    *s = skip_bytes(at, 1);
    t->zone = PARSED_UTC;
    return 0;
  }
  if (!at.len || (at.p[0] != '+' && at.p[0] != '-'))
    return ERR_SYNTAX;
  sign = at.p[0];
  at = skip_bytes(at, 1);
  for (int i = 0; i < c->fields; i++) {
    if (i && c->colon) {
      if (!at.len || at.p[0] != ':')
        return ERR_SYNTAX;
      at = skip_bytes(at, 1);
    }
    if (!take_digits(&at, 2, &field[i]))
      return ERR_SYNTAX;
  }
  *why = "time zone offset is out of range";
  if (field[0] > 24 || field[1] > 60 || field[2] > 60) /* Go's own bounds */
    return ERR_RANGE;
  *why = NULL;
  t->offset = (field[0] * 60 + field[1]) * 60 + field[2];
  if (sign == '-')
    t->offset = -t->offset;
  t->zone = PARSED_OFFSET;
  *s = at;
  return 0;
}

/* The length of "+3" or "-11" at the start of |s|, 0 if there is none. */
static size_t signed_hours(struct slice s) {
  size_t n = 1;
  int v = 0;
  if (!s.len || (s.p[0] != '+' && s.p[0] != '-'))
    return 0;
  for (; digit_at(s, n); n++)
    if ((v = v * 10 + (s.p[n] - '0')) > 23)
      return 0;
  return n > 1 ? n : 0;
}

/* The length of what looks like a zone's abbreviation; 0: nothing does. */
static size_t zone_name_length(struct slice s) {
  size_t upper = 0;
  if (s.len < 3)
    return 0;
  if (starts_with(s, "ChST") || starts_with(s, "MeST"))
    return 4;
  if (starts_with(s, "GMT"))
    return 3 + signed_hours(skip_bytes(s, 3));
  if (s.p[0] == '+' || s.p[0] == '-')
    return signed_hours(s);
  while (upper < 6 && upper < s.len && s.p[upper] >= 'A' && s.p[upper] <= 'Z')
    upper++;
  if (upper == 3)
    return 3;
  if (upper == 4)
    return s.p[3] == 'T' || starts_with(s, "WITA") ? 4 : 0;
  return upper == 5 && s.p[4] == 'T' ? 5 : 0;
}

static bool take_zone_name(struct slice *s, struct parsed_time *t) {
  size_t n;
  if (starts_with(*s, "UTC")) {
    t->zone = PARSED_UTC;
    *s = skip_bytes(*s, 3);
    return true;
  }
  n = zone_name_length(*s);
  if (n == 0)
    return false;
  t->zone_name = (struct slice){s->p, n};
  if (t->zone == PARSED_NO_ZONE)
    t->zone = PARSED_NAME;
  *s = skip_bytes(*s, n);
  return true;
}

/* What the parts said before they are put together. */
struct reading {
  struct parsed_time *t;
  int month;    /* -1: not said */
  int day;      /* -1 */
  int year_day; /* -1 */
  bool pm;
  bool am;
  const char *why; /* behind ERR_RANGE */
};

static int in_range(struct reading *r, bool good, const char *why) {
  if (good)
    return 0;
  r->why = why;
  return ERR_RANGE;
}

/* Takes the part of |c| off |s|.  |rest|: the layout behind it. */
static int take_part(struct reading *r, const struct layout_chunk *c,
                     struct slice *s, struct slice rest) {
  struct civil *civil = &r->t->civil;
  struct layout_chunk next;
  int v = 0;
  size_t n;
  switch (c->part) {
  case LAYOUT_END:
    return 0;
  case LAYOUT_YEAR:
    if (!take_digits(s, 2, &v))
      return ERR_SYNTAX;
    civil->year = v >= 69 ? v + 1900 : v + 2000; /* POSIX, as Go */
    return 0;
  case LAYOUT_LONG_YEAR:
    if (!take_digits(s, 4, &v))
      return ERR_SYNTAX;
    civil->year = v;
    return 0;
  case LAYOUT_MONTH:
  case LAYOUT_LONG_MONTH:
    if (!take_name(s, month_names, 12, c->part == LAYOUT_MONTH ? 3 : 0, &v))
      return ERR_SYNTAX;
    r->month = v + 1;
    return 0;
  case LAYOUT_NUM_MONTH:
  case LAYOUT_ZERO_MONTH:
    if (!take_number(s, c->part == LAYOUT_ZERO_MONTH, &r->month))
      return ERR_SYNTAX;
    return in_range(r, r->month >= 1 && r->month <= 12,
                    "month is out of range");
  case LAYOUT_WEEKDAY:
  case LAYOUT_LONG_WEEKDAY: /* checked for its form, as Go, not for its truth */
    return take_name(s, weekday_names, 7, c->part == LAYOUT_WEEKDAY ? 3 : 0, &v)
               ? 0
               : ERR_SYNTAX;
  case LAYOUT_DAY:
  case LAYOUT_UNDER_DAY:
  case LAYOUT_ZERO_DAY:
    if (c->part == LAYOUT_UNDER_DAY && s->len && s->p[0] == ' ')
      *s = skip_bytes(*s, 1);
    return take_number(s, c->part == LAYOUT_ZERO_DAY, &r->day) ? 0 : ERR_SYNTAX;
  case LAYOUT_UNDER_YEAR_DAY:
  case LAYOUT_ZERO_YEAR_DAY:
    for (int i = 0; i < 2 && c->part == LAYOUT_UNDER_YEAR_DAY; i++)
      if (s->len && s->p[0] == ' ')
        *s = skip_bytes(*s, 1);
    for (n = 0; n < 3 && digit_at(*s, n); n++)
      ;
    if (n == 0 || (c->part == LAYOUT_ZERO_YEAR_DAY && n != 3))
      return ERR_SYNTAX;
    return take_digits(s, n, &r->year_day) ? 0 : ERR_SYNTAX;
  case LAYOUT_HOUR:
    if (!take_number(s, false, &civil->hour))
      return ERR_SYNTAX;
    return in_range(r, civil->hour < 24, "hour is out of range");
  case LAYOUT_HOUR12:
  case LAYOUT_ZERO_HOUR12:
    if (!take_number(s, c->part == LAYOUT_ZERO_HOUR12, &civil->hour))
      return ERR_SYNTAX;
    return in_range(r, civil->hour <= 12, "hour is out of range");
  case LAYOUT_MINUTE:
  case LAYOUT_ZERO_MINUTE:
    if (!take_number(s, c->part == LAYOUT_ZERO_MINUTE, &civil->minute))
      return ERR_SYNTAX;
    return in_range(r, civil->minute < 60, "minute is out of range");
  case LAYOUT_SECOND:
  case LAYOUT_ZERO_SECOND:
    if (!take_number(s, c->part == LAYOUT_ZERO_SECOND, &civil->second))
      return ERR_SYNTAX;
    if (civil->second >= 60)
      return in_range(r, false, "second is out of range");
    /* a fraction that the layout does not mention is read all the same */
    n = fraction_digits(*s);
    if (n == 0)
      return 0;
    layout_next(&rest, &next);
    if (next.part == LAYOUT_FRACTION || next.part == LAYOUT_TRIMMED)
      return 0;
    return take_fraction(s, n, &civil->nanosecond) ? 0 : ERR_SYNTAX;
  case LAYOUT_PM:
  case LAYOUT_LOWER_PM:
    if (starts_with(*s, c->part == LAYOUT_PM ? "PM" : "pm"))
      r->pm = true;
    else if (starts_with(*s, c->part == LAYOUT_PM ? "AM" : "am"))
      r->am = true;
    else
      return ERR_SYNTAX;
    *s = skip_bytes(*s, 2);
    return 0;
  case LAYOUT_OFFSET:
    return take_offset(s, c, r->t, &r->why);
  case LAYOUT_ZONE_NAME:
    return take_zone_name(s, r->t) ? 0 : ERR_SYNTAX;
  case LAYOUT_FRACTION:
    return take_fraction(s, c->digits, &civil->nanosecond) ? 0 : ERR_SYNTAX;
  case LAYOUT_TRIMMED:
    n = fraction_digits(*s);
    if (n)
      take_fraction(s, n, &civil->nanosecond);
    return 0;
  }
  return ERR_SYNTAX;
}

/* Month and day from what was said of them and of the day of the year. */
static int settle_date(struct reading *r) {
  struct civil *civil = &r->t->civil;
  civil->month = r->month < 0 ? 1 : r->month;
  civil->day = r->day < 0 ? 1 : r->day;
  if (r->year_day >= 0) {
    struct civil there;
    if (r->year_day < 1 || r->year_day > 365 + is_leap(civil->year))
      return in_range(r, false, "day of year is out of range");
    civil_from_seconds(
        &there, civil_days(civil->year, 1, r->year_day) * SECONDS_PER_DAY, 0);
    if (r->month >= 0 && r->month != there.month)
      return in_range(r, false, "day of year does not match month");
    if (r->day >= 0 && r->day != there.day)
      return in_range(r, false, "day of year does not match day");
    civil->month = there.month;
    civil->day = there.day;
  }
  return in_range(r,
                  civil->day >= 1 &&
                      civil->day <= civil_days_in(civil->year, civil->month),
                  "day is out of range");
}

int layout_parse(struct parsed_time *ret, struct slice layout,
                 struct slice text, struct parse_fault *fault) {
  struct reading r = {.t = ret, .month = -1, .day = -1, .year_day = -1};
  struct layout_chunk c;
  int rv;
  memset(ret, 0, sizeof *ret);
  memset(fault, 0, sizeof *fault);
  do {
    layout_next(&layout, &c);
    fault->got = text;
    fault->want = c.literal;
    if (!take_literal(&text, c.literal))
      return ERR_SYNTAX;
    fault->got = text;
    fault->want = c.text;
    rv = take_part(&r, &c, &text, layout);
    if (rv != 0) {
      fault->why = r.why;
      return rv;
    }
  } while (c.part != LAYOUT_END);
  if (text.len) {
    fault->why = "extra text";
    return ERR_SYNTAX;
  }
  fault->got = fault->want = (struct slice){NULL, 0};
  if (r.pm && ret->civil.hour < 12)
    ret->civil.hour += 12;
  else if (r.am && ret->civil.hour == 12)
    ret->civil.hour = 0;
  rv = settle_date(&r);
  fault->why = r.why;
  return rv;
}
