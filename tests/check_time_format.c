/* check_time_format.c - the calendar against the C library's, layouts and
 * durations against tables. */
#include <time.h>

#include "modules/time_format.h"
#include "runtime/base/err.h"
#include "tests/unit.h"

/* A small generator of our own: the same cases in every run. */
static uint64_t next_random(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
  return *state >> 16;
}

static void check_against_libc(int64_t sec) {
  struct civil c;
  struct tm tm;
  time_t t = (time_t)sec;
  bool same;
  ck_assert_ptr_nonnull(gmtime_r(&t, &tm));
  civil_from_seconds(&c, sec, 5);
  same = c.year == (int64_t)tm.tm_year + 1900 && c.month == tm.tm_mon + 1 &&
         c.day == tm.tm_mday && c.hour == tm.tm_hour && c.minute == tm.tm_min &&
         c.second == tm.tm_sec && c.nanosecond == 5 &&
         c.weekday == tm.tm_wday && c.year_day == tm.tm_yday + 1 &&
         civil_days(c.year, c.month, c.day) * 86400 + c.hour * 3600 +
                 c.minute * 60 + c.second ==
             sec;
  if (!same) /* one check for each would take most of the time */
    ck_abort_msg("%lld is not %lld-%02d-%02d %02d:%02d:%02d", (long long)sec,
                 (long long)c.year, c.month, c.day, c.hour, c.minute, c.second);
}

START_TEST(calendar_every_day) {
  for (int64_t day = -146097; day <= 146097; day++)
    check_against_libc(day * 86400 + (day & 0xFFFF));
}
END_TEST

START_TEST(calendar_random) {
  uint64_t state = 1;
  for (int i = 0; i < 30000; i++) {
    int64_t sec = (int64_t)(next_random(&state) << 16 >> 8);
    sec %= INT64_C(60000000000000000); /* 1.9e9 years, what a struct tm holds */
    check_against_libc(sec);
    check_against_libc(-sec);
  }
  check_against_libc(0);
  check_against_libc(-1);
  check_against_libc(86399);
  check_against_libc(-86400);
  check_against_libc(INT64_C(-62135596800));
}
END_TEST

START_TEST(calendar_carries) {
  static const struct {
    int64_t year, month, day, same_year, same_month, same_day;
  } cases[] = {
      {2024, 13, 1, 2025, 1, 1},    {2024, 0, 1, 2023, 12, 1},
      {2024, -11, 1, 2023, 1, 1},   {2024, -12, 1, 2022, 12, 1},
      {2024, 2, 30, 2024, 3, 1},    {2023, 2, 29, 2023, 3, 1},
      {2024, 3, 0, 2024, 2, 29},    {2024, 3, -1, 2024, 2, 28},
      {2024, 1, 366, 2024, 12, 31}, {2000, 12 * 400 + 1, 1, 2400, 1, 1},
      {0, 1, 1, -1, 13, 1},         {2024, 25, 32, 2026, 2, 1},
      {-400, 3, 1, -400, 2, 30},    {1970, 1, 146098, 2370, 1, 1},
  };
  unit_each(c, cases)
      ck_assert_int_eq(civil_days(c->year, c->month, c->day),
                       civil_days(c->same_year, c->same_month, c->same_day));
  ck_assert_int_eq(civil_days(1970, 1, 1), 0);
}
END_TEST

START_TEST(calendar_month_lengths) {
  for (int64_t year = -401; year <= 2401; year++)
    for (int month = 1; month <= 12; month++)
      if (civil_days_in(year, month) !=
          civil_days(year, month + 1, 1) - civil_days(year, month, 1))
        ck_abort_msg("%lld-%02d", (long long)year, month);
}
END_TEST

/* The chunks of a layout, from the literal texts and the parts. */
START_TEST(layouts_split) {
  static const struct {
    const char *layout;
    enum layout_part first;
    const char *literal, *text;
  } cases[] = {
      {"", LAYOUT_END, "", ""},
      {"abc", LAYOUT_END, "abc", ""},
      {"xJanuary", LAYOUT_LONG_MONTH, "x", "January"},
      {"Jan", LAYOUT_MONTH, "", "Jan"},
      {"JanX", LAYOUT_MONTH, "", "Jan"},
      {"Janx", LAYOUT_END, "Janx", ""},
      {"Monday", LAYOUT_LONG_WEEKDAY, "", "Monday"},
      {"Mond", LAYOUT_END, "Mond", ""},
      {"MST", LAYOUT_ZONE_NAME, "", "MST"},
      {"00", LAYOUT_END, "00", ""},
      {"002", LAYOUT_ZERO_YEAR_DAY, "", "002"},
      {"_2006", LAYOUT_LONG_YEAR, "_", "2006"},
      {"_2", LAYOUT_UNDER_DAY, "", "_2"},
      {"__2", LAYOUT_UNDER_YEAR_DAY, "", "__2"},
      {"___2", LAYOUT_UNDER_YEAR_DAY, "_", "__2"},
      {"200", LAYOUT_DAY, "", "2"},
      {"15", LAYOUT_HOUR, "", "15"},
      {"16", LAYOUT_NUM_MONTH, "", "1"},
      {"-07", LAYOUT_OFFSET, "", "-07"},
      {"-070", LAYOUT_OFFSET, "", "-07"},
      {"-0700", LAYOUT_OFFSET, "", "-0700"},
      {"-07000", LAYOUT_OFFSET, "", "-0700"},
      {"Z07:00:0", LAYOUT_OFFSET, "", "Z07:00"},
      {"Z070000", LAYOUT_OFFSET, "", "Z070000"},
      {"-7", LAYOUT_END, "-7", ""},
      {".0", LAYOUT_FRACTION, "", ".0"},
      {".000x", LAYOUT_FRACTION, "", ".000"},
      {",999", LAYOUT_TRIMMED, "", ",999"},
      {".0001", LAYOUT_ZERO_MONTH, ".00", "01"},
      {".990", LAYOUT_END, ".990", ""},
      {".", LAYOUT_END, ".", ""},
      {"PM", LAYOUT_PM, "", "PM"},
      {"pm", LAYOUT_LOWER_PM, "", "pm"},
      {"Pm", LAYOUT_END, "Pm", ""},
      {"Z", LAYOUT_END, "Z", ""},
      {"_", LAYOUT_END, "_", ""},
      {"0", LAYOUT_END, "0", ""},
  };
  unit_each(c, cases) {
    struct layout_chunk chunk;
    struct guard g;
    struct slice left;
    guard_init_str(&g, c->layout);
    left = guard_slice(&g);
    layout_next(&left, &chunk);
    ck_assert_msg(chunk.part == c->first, "'%s' begins with part %d", c->layout,
                  (int)chunk.part);
    ck_assert_slice_eq(chunk.literal, c->literal);
    ck_assert_slice_eq(chunk.text, c->text);
    ck_assert_uint_eq(left.len, g.len - chunk.literal.len - chunk.text.len);
    guard_deinit(&g);
  }
}
END_TEST

static size_t format(char *out, const char *layout, const struct civil *civil,
                     const struct zone *zone) {
  char part[LAYOUT_PART_MAX];
  struct slice left = slice_of(layout);
  struct layout_chunk c;
  size_t len = 0;
  do {
    size_t n;
    layout_next(&left, &c);
    memcpy(out + len, c.literal.p, c.literal.len);
    len += c.literal.len;
    n = layout_write(part, &c, civil, zone);
    ck_assert_uint_le(n, sizeof part);
    memcpy(out + len, part, n);
    len += n;
  } while (c.part != LAYOUT_END);
  out[len] = '\0';
  return len;
}

START_TEST(layouts_write) {
  static const struct {
    int64_t sec;
    int nanosecond;
    int32_t offset;
    const char *zone, *layout, *want;
  } cases[] = {
      {0, 0, 0, "UTC", "2006-01-02T15:04:05Z07:00", "1970-01-01T00:00:00Z"},
      {1735484645, 0, 0, "UTC", "Mon Jan _2 15:04:05 MST 2006",
       "Sun Dec 29 15:04:05 UTC 2024"},
      {1735484645, 1, 3600, "CET", "Monday, 2 January 06 3:4:5pm .000000000",
       "Sunday, 29 December 24 4:4:5pm .000000001"},
      {-1, 999999999, 0, "", "05.999999999 MST", "59.999999999 +0000"},
      {0, 0, -19800, "", "MST -07 -07:00:00 Z07", "-0530 -05 -05:30:00 -05"},
      {0, 0, -1, "", "-07:00:00", "-00:00:01"},
      {0, 120000000, 0, "", ".999 .0 ,99999", ".12 .1 ,12"},
      {0, 0, 0, "", ".999|.000|03 PM|3 pm", "|.000|12 AM|12 am"},
      {INT64_C(-62135596800) - 86400, 0, 0, "", "2006 06 002", "0000 00 366"},
      {INT64_C(-62167219201), 0, 0, "", "2006-01-02", "-0001-12-31"},
      {INT64_C(31556889832780799), 0, 0, "", "2006-01-02", "999999999-12-31"},
  };
  unit_each(c, cases) {
    char out[1024];
    struct zone zone = {slice_of(c->zone), c->offset};
    struct civil civil;
    civil_from_seconds(&civil, c->sec + c->offset, c->nanosecond);
    format(out, c->layout, &civil, &zone);
    ck_assert_str_eq(out, c->want);
  }
}
END_TEST

START_TEST(layouts_write_long_names) {
  char name[600], out[1024];
  struct zone zone = {{name, sizeof name}, 0};
  struct civil civil;
  memset(name, 'n', sizeof name);
  civil_from_seconds(&civil, 0, 0);
  ck_assert_uint_eq(format(out, "MST", &civil, &zone), ZONE_NAME_MAX);
}
END_TEST

START_TEST(layouts_parse_no_overrun) {
  /* every prefix of a text, each before an unreadable page */
  static const char *const layouts[] = {
      "2006-01-02T15:04:05.000Z07:00", "Mon, 02 Jan 2006 15:04:05 MST",
      "Monday January _2 __2 3:4:5PM -07:00:00", "06 002 .999 Z0700"};
  static const char *const texts[] = {
      "2024-12-29T15:04:05.123+01:00", "Sun, 29 Dec 2024 15:04:05 GMT+11",
      "Sunday December  9 364 3:4:5PM -01:02:03", "24 364 .123456789012 Z"};
  for (size_t i = 0; i < unit_len(layouts); i++) {
    for (size_t n = 0; n <= strlen(texts[i]); n++) {
      for (size_t m = 0; m <= strlen(layouts[i]); m++) {
        struct guard text, layout;
        struct parsed_time t;
        struct parse_fault f;
        guard_init(&text, texts[i], n);
        guard_init(&layout, layouts[i], m);
        int rv = layout_parse(&t, guard_slice(&layout), guard_slice(&text), &f);
        ck_assert(rv == 0 || rv == ERR_SYNTAX || rv == ERR_RANGE);
        if (rv == 0) {
          ck_assert_int_ge(t.civil.month, 1);
          ck_assert_int_le(t.civil.month, 12);
          ck_assert_int_ge(t.civil.day, 1);
          ck_assert_int_le(t.civil.day,
                           civil_days_in(t.civil.year, t.civil.month));
        }
        guard_deinit(&text);
        guard_deinit(&layout);
      }
    }
  }
}
END_TEST

START_TEST(layouts_parse) {
  static const struct {
    const char *layout, *text;
    int rv;
    int64_t year;
    int month, day, hour, minute, second, nanosecond;
    enum parsed_zone zone;
    int32_t offset;
    const char *name;
  } cases[] = {
      {"", "", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_NO_ZONE, 0, ""},
      {"2006-01-02", "2024-02-29", 0, 2024, 2, 29, 0, 0, 0, 0, PARSED_NO_ZONE,
       0, ""},
      {"15:04:05", "23:59:59.5", 0, 0, 1, 1, 23, 59, 59, 500000000,
       PARSED_NO_ZONE, 0, ""},
      {"Z07:00", "-12:30", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_OFFSET, -45000, ""},
      {"Z07:00", "Z", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_UTC, 0, ""},
      {"MST", "UTC", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_UTC, 0, ""},
      {"MST", "CEST", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_NAME, 0, "CEST"},
      {"MST", "ChST", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_NAME, 0, "ChST"},
      {"MST", "WITA", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_NAME, 0, "WITA"},
      {"MST", "AAAAT", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_NAME, 0, "AAAAT"},
      {"MST", "GMT-11", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_NAME, 0, "GMT-11"},
      {"MST", "+03", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_NAME, 0, "+03"},
      {"MST", "GMT-24", ERR_SYNTAX, 0, 0, 0, 0, 0, 0, 0, PARSED_NAME, 0, ""},
      {"MST -0700", "PST -0800", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_OFFSET, -28800,
       "PST"},
      {"-0700 MST", "-0800 PST", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_OFFSET, -28800,
       "PST"},
      {"3PM", "12AM", 0, 0, 1, 1, 0, 0, 0, 0, PARSED_NO_ZONE, 0, ""},
      {"3PM", "12PM", 0, 0, 1, 1, 12, 0, 0, 0, PARSED_NO_ZONE, 0, ""},
      {"3", "13", ERR_RANGE, 0, 0, 0, 0, 0, 0, 0, PARSED_NO_ZONE, 0, ""},
      {"01", "1", ERR_SYNTAX, 0, 0, 0, 0, 0, 0, 0, PARSED_NO_ZONE, 0, ""},
      {"1", "13", ERR_RANGE, 0, 0, 0, 0, 0, 0, 0, PARSED_NO_ZONE, 0, ""},
      {"2006-01-02", "2023-02-29", ERR_RANGE, 0, 0, 0, 0, 0, 0, 0,
       PARSED_NO_ZONE, 0, ""},
      {"2006 002", "2023 366", ERR_RANGE, 0, 0, 0, 0, 0, 0, 0, PARSED_NO_ZONE,
       0, ""},
      {"x", "y", ERR_SYNTAX, 0, 0, 0, 0, 0, 0, 0, PARSED_NO_ZONE, 0, ""},
      {"", "y", ERR_SYNTAX, 0, 0, 0, 0, 0, 0, 0, PARSED_NO_ZONE, 0, ""},
  };
  unit_each(c, cases) {
    struct parsed_time t;
    struct parse_fault f;
    int rv = layout_parse(&t, slice_of(c->layout), slice_of(c->text), &f);
    ck_assert_msg(rv == c->rv, "'%s' as '%s' gives %d", c->text, c->layout, rv);
    if (rv != 0)
      continue;
    ck_assert_int_eq(t.civil.year, c->year);
    ck_assert_int_eq(t.civil.month, c->month);
    ck_assert_int_eq(t.civil.day, c->day);
    ck_assert_int_eq(t.civil.hour, c->hour);
    ck_assert_int_eq(t.civil.minute, c->minute);
    ck_assert_int_eq(t.civil.second, c->second);
    ck_assert_int_eq(t.civil.nanosecond, c->nanosecond);
    ck_assert_int_eq(t.zone, c->zone);
    ck_assert_int_eq(t.offset, c->offset);
    ck_assert_slice_eq(t.zone_name, c->name);
  }
}
END_TEST

START_TEST(durations) {
  static const struct {
    int64_t ns;
    const char *want;
  } cases[] = {
      {0, "0s"},
      {1, "1ns"},
      {-1, "-1ns"},
      {1100, "1.1\xC2\xB5s"},
      {999999, "999.999\xC2\xB5s"},
      {2200000, "2.2ms"},
      {3300000000, "3.3s"},
      {INT64_C(245000000000), "4m5s"},
      {INT64_C(245001000000), "4m5.001s"},
      {INT64_C(18367001000000), "5h6m7.001s"},
      {INT64_C(480000000001), "8m0.000000001s"},
      {INT64_C(3600000000000), "1h0m0s"},
      {INT64_MAX, "2562047h47m16.854775807s"},
      {INT64_MIN, "-2562047h47m16.854775808s"},
  };
  char out[DURATION_TEXT_MAX];
  uint64_t state = 7;
  unit_each(c, cases) {
    size_t n = duration_write(out, c->ns);
    ck_assert_slice_eq(((struct slice){out, n}), c->want);
  }
  for (int i = 0; i < 20000; i++) { /* what is printed is read back */
    int64_t ns = (int64_t)(next_random(&state) << 16), back;
    ns /= (int64_t)1 << (i % 60);
    size_t n = duration_write(out, ns);
    ck_assert_uint_le(n, sizeof out);
    ck_assert_int_eq(str_duration((struct slice){out, n}, &back), 0);
    ck_assert_int_eq(back, ns);
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("time_format");
  TCase *t = tcase_create("time_format");
  tcase_add_test(t, calendar_every_day);
  tcase_add_test(t, calendar_random);
  tcase_add_test(t, calendar_carries);
  tcase_add_test(t, calendar_month_lengths);
  tcase_add_test(t, layouts_split);
  tcase_add_test(t, layouts_write);
  tcase_add_test(t, layouts_write_long_names);
  tcase_add_test(t, layouts_parse_no_overrun);
  tcase_add_test(t, layouts_parse);
  tcase_add_test(t, durations);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  return unit_run(suite());
}
