/* tzif.c - compiled zone data (RFC 8536) as bytes, and the zone in force at a
 * moment. */
#include "modules/tzif.h"

#include <string.h>

#include "runtime/base/err.h"

#define HEADER_BYTES 44
#define TYPE_BYTES 6
#define SECONDS_PER_DAY 86400
/* RFC 8536 section 3.2: "SHOULD be more than -25 hours and less than 26". */
#define OFFSET_MIN (-25 * 3600)
#define OFFSET_MAX (26 * 3600)

static uint32_t big32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
         p[3];
}

static int64_t time_at(const struct tzif *z, size_t i) {
  const uint8_t *p = z->times + i * z->time_bytes;
  if (z->time_bytes == 4)
    return (int32_t)big32(p);
  return (int64_t)((uint64_t)big32(p) << 32 | big32(p + 4));
}

static int32_t type_offset(const struct tzif *z, size_t type) {
  return (int32_t)big32(z->types + type * TYPE_BYTES);
}

static struct zone type_zone(const struct tzif *z, size_t type) {
  return (struct zone){slice_of(z->names + z->types[type * TYPE_BYTES + 5]),
                       type_offset(z, type)};
}

/* ------------------------------------------------------ POSIX TZ strings ---
 */

static bool next_is(struct slice *s, char c) {
  if (s->len == 0 || s->p[0] != c)
    return false;
  s->p++;
  s->len--;
  return true;
}

/* A number of at most |digits| digits and at most |max|. */
static bool read_number(struct slice *s, size_t digits, int max, int *ret) {
  size_t n = 0;
  int v = 0;
  while (n < s->len && n < digits && ascii_digit(s->p[n]))
    v = v * 10 + (s->p[n++] - '0');
  if (n == 0 || v > max)
    return false;
  s->p += n;
  s->len -= n;
  *ret = v;
  return true;
}

/* [+-]hh[:mm[:ss]]; section 3.3.1 allows 167 hours where it is a time of day */
static bool read_clock(struct slice *s, int max_hours, int32_t *ret) {
  int hours, minutes = 0, seconds = 0;
  bool negative = next_is(s, '-');
  if (!negative)
    (void)next_is(s, '+');
  if (!read_number(s, 3, max_hours, &hours))
    return false;
  if (next_is(s, ':')) {
    if (!read_number(s, 2, 59, &minutes))
      return false;
    if (next_is(s, ':') && !read_number(s, 2, 59, &seconds))
      return false;
  }
  *ret = (hours * 60 + minutes) * 60 + seconds;
  if (negative)
    *ret = -*ret;
  return true;
}

/* Letters, or letters, digits, "+" and "-" in angle brackets. */
static bool read_name(struct slice *s, struct slice *ret) {
  bool quoted = next_is(s, '<');
  size_t n = 0;
  while (n < s->len && (ascii_alpha(s->p[n]) ||
                        (quoted && (ascii_digit(s->p[n]) || s->p[n] == '+' ||
                                    s->p[n] == '-'))))
    n++;
  if (n < 3 || n > ZONE_NAME_MAX)
    return false;
  *ret = (struct slice){s->p, n};
  s->p += n;
  s->len -= n;
  return !quoted || next_is(s, '>');
}

static bool read_change(struct slice *s, struct tz_change *ret) {
  *ret = (struct tz_change){.form = TZ_DAY, .time = 2 * 3600};
  if (!next_is(s, ','))
    return false;
  if (next_is(s, 'M')) {
    ret->form = TZ_MONTH_WEEK_DAY;
    if (!read_number(s, 2, 12, &ret->month) || ret->month < 1 ||
        !next_is(s, '.') || !read_number(s, 1, 5, &ret->week) ||
        ret->week < 1 || !next_is(s, '.') || !read_number(s, 1, 6, &ret->day))
      return false;
  } else if (next_is(s, 'J')) {
    ret->form = TZ_JULIAN;
    if (!read_number(s, 3, 365, &ret->day) || ret->day < 1)
      return false;
  } else if (!read_number(s, 3, 365, &ret->day)) {
    return false;
  }
  return !next_is(s, '/') || read_clock(s, 167, &ret->time);
}

static bool read_rule(struct tz_rule *ret, struct slice s) {
  int32_t west;
  memset(ret, 0, sizeof *ret);
  if (!read_name(&s, &ret->standard.name) || !read_clock(&s, 24, &west))
    return false;
  ret->standard.offset = -west;
  if (s.len == 0)
    return true;
  ret->has_summer = true;
  if (!read_name(&s, &ret->summer.name))
    return false;
  ret->summer.offset = ret->standard.offset + 3600;
  if (s.len > 0 && s.p[0] != ',') {
    if (!read_clock(&s, 24, &west))
      return false;
    ret->summer.offset = -west;
  }
  return read_change(&s, &ret->begin) && read_change(&s, &ret->end) &&
         s.len == 0;
}

/* Seconds since 1970 at which clocks that are |offset| ahead of UTC change in
 * |year|. */
static int64_t change_in(const struct tz_change *c, int64_t year,
                         int32_t offset) {
  int64_t day = 0, first;
  int weekday;
  switch (c->form) {
  case TZ_JULIAN: /* February 29 is never counted */
    day = civil_days(year, 1, c->day) +
          (c->day >= 60 && civil_days_in(year, 2) == 29);
    break;
  case TZ_DAY:
    day = civil_days(year, 1, 1) + c->day;
    break;
  case TZ_MONTH_WEEK_DAY:
    first = civil_days(year, c->month, 1);
    weekday = (int)(((first + 4) % 7 + 7) % 7); /* 1970 began on Thursday */
    day = first + (c->day - weekday + 7) % 7 + INT64_C(7) * (c->week - 1);
    if (day >= first + civil_days_in(year, c->month))
      day -= 7; /* the fifth: the last */
    break;
  }
  return day * SECONDS_PER_DAY + c->time - offset;
}

static struct zone rule_at(const struct tz_rule *r, int64_t sec) {
  struct civil c;
  int64_t begin, end;
  bool summer;
  if (!r->has_summer)
    return r->standard;
  civil_from_seconds(&c, sec + r->standard.offset, 0);
  begin = change_in(&r->begin, c.year, r->standard.offset);
  end = change_in(&r->end, c.year, r->summer.offset);
  /* in the south summer is around the turn of the year */
  summer = begin <= end ? sec >= begin && sec < end : sec >= begin || sec < end;
  return summer ? r->summer : r->standard;
}

/* ---------------------------------------------------------------- reading ---
 */

struct counts {
  size_t isut, isstd, leap, time, type, name;
};

static bool read_header(struct slice s, struct counts *ret) {
  const uint8_t *p = (const uint8_t *)s.p;
  if (s.len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
    return false;
  ret->isut = big32(p + 20);
  ret->isstd = big32(p + 24);
  ret->leap = big32(p + 28);
  ret->time = big32(p + 32);
  ret->type = big32(p + 36);
  ret->name = big32(p + 40);
  /* a bound for each, so that no sum of products can wrap */
  return ret->isut <= TZIF_MAX_BYTES && ret->isstd <= TZIF_MAX_BYTES &&
         ret->leap <= TZIF_MAX_BYTES && ret->time <= TZIF_MAX_BYTES &&
         ret->type <= 256 && ret->name <= TZIF_MAX_BYTES;
}

static size_t block_bytes(const struct counts *n, size_t time_bytes) {
  return n->time * (time_bytes + 1) + n->type * TYPE_BYTES + n->name +
         n->leap * (time_bytes + 4) + n->isstd + n->isut;
}

static bool types_ok(const struct tzif *z, const struct counts *n) {
  for (size_t i = 0; i < n->type; i++) {
    const uint8_t *p = z->types + i * TYPE_BYTES;
    int32_t offset = (int32_t)big32(p);
    if (offset <= OFFSET_MIN || offset >= OFFSET_MAX || p[4] > 1 ||
        p[5] >= n->name || !memchr(z->names + p[5], '\0', n->name - p[5]))
      return false;
  }
  for (size_t i = 0; i < n->time; i++)
    if (z->kinds[i] >= n->type || (i > 0 && time_at(z, i - 1) >= time_at(z, i)))
      return false;
  return true;
}

int tzif_parse(struct tzif *ret, struct slice data) {
  struct counts n;
  size_t version;
  memset(ret, 0, sizeof *ret);
  if (data.len > TZIF_MAX_BYTES || !read_header(data, &n))
    return ERR_SYNTAX;
  version = (uint8_t)data.p[4];
  ret->time_bytes = 4;
  if (version >= '2') { /* the same again, in 64 bits: section 3 */
    size_t skip = HEADER_BYTES + block_bytes(&n, 4);
    if (skip > data.len)
      return ERR_SYNTAX;
    data.p += skip;
    data.len -= skip;
    if (!read_header(data, &n))
      return ERR_SYNTAX;
    ret->time_bytes = 8;
  }
  data.p += HEADER_BYTES;
  data.len -= HEADER_BYTES;
  if (n.leap > 0 || n.type == 0 || n.name == 0 ||
      block_bytes(&n, ret->time_bytes) > data.len)
    return ERR_SYNTAX;
  ret->times = (const uint8_t *)data.p;
  ret->kinds = ret->times + n.time * ret->time_bytes;
  ret->types = ret->kinds + n.time;
  ret->names = (const char *)ret->types + n.type * TYPE_BYTES;
  ret->ntimes = n.time;
  ret->ntypes = n.type;
  if (!types_ok(ret, &n))
    return ERR_SYNTAX;
  data.p += block_bytes(&n, ret->time_bytes);
  data.len -= block_bytes(&n, ret->time_bytes);
  if (version < '2')
    return data.len == 0 ? 0 : ERR_SYNTAX;
  if (data.len < 2 || data.p[0] != '\n' || data.p[data.len - 1] != '\n')
    return ERR_SYNTAX;
  ret->has_rule = data.len > 2; /* an empty one: nothing is known */
  if (ret->has_rule &&
      !read_rule(&ret->rule, (struct slice){data.p + 1, data.len - 2}))
    return ERR_SYNTAX;
  return 0;
}

/* ---------------------------------------------------------------- looking ---
 */

struct zone tzif_at(const struct tzif *z, int64_t sec) {
  size_t low = 0, high = z->ntimes;
  while (low < high) { /* the first transition behind |sec| */
    size_t middle = low + (high - low) / 2;
    if (time_at(z, middle) <= sec)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == z->ntimes && z->has_rule)
    return rule_at(&z->rule, sec);
  /* section 3.2: before the first transition the first type is in force */
  return type_zone(z, low == 0 ? 0 : z->kinds[low - 1]);
}

bool tzif_named(const struct tzif *z, struct slice name, int64_t clock,
                int32_t *ret_offset) {
  bool found = false;
  for (size_t i = 0; i < z->ntypes; i++) {
    struct zone zone = type_zone(z, i), there;
    if (!slice_eq(zone.name, name))
      continue;
    there = tzif_at(z, clock - zone.offset);
    if (slice_eq(there.name, name)) {
      *ret_offset = there.offset;
      return true;
    }
    if (!found)
      *ret_offset = zone.offset;
    found = true;
  }
  return found;
}

bool tz_name_ok(struct slice name) {
  bool begins = true; /* of a part */
  if (name.len > TZ_NAME_MAX_BYTES)
    return false;
  for (size_t i = 0; i < name.len; i++) {
    char c = name.p[i];
    if (c == '/') {
      if (begins)
        return false;
      begins = true;
      continue;
    }
    if (!ascii_alpha(c) && !ascii_digit(c) && c != '_' && c != '+' && c != '-')
      return false;
    begins = false;
  }
  return !begins;
}
