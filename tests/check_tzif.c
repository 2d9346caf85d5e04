/* check_tzif.c - zone data: what is refused, transitions, rules, names. */
#include "modules/tzif.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modules/lookup.h"
#include "runtime/base/err.h"
#include "tests/unit.h"

/* Data are put together byte by byte. */
struct data {
  char bytes[1024];
  size_t len;
};

static void add(struct data *d, const void *p, size_t n) {
  ck_assert_uint_le(n, sizeof d->bytes - d->len);
  memcpy(d->bytes + d->len, p, n);
  d->len += n;
}

static void add_number(struct data *d, int64_t v, int bytes) {
  for (int i = bytes - 1; i >= 0; i--) {
    char c = (char)((uint64_t)v >> (8 * i) & 0xFF);
    add(d, &c, 1);
  }
}

static void add_header(struct data *d, char version, unsigned times,
                       unsigned types, unsigned names, unsigned leaps) {
  const char head[20] = {'T', 'Z', 'i', 'f', version};
  add(d, head, sizeof head);
  add_number(d, 0, 4); /* isutcnt */
  add_number(d, 0, 4);
  add_number(d, leaps, 4);
  add_number(d, times, 4);
  add_number(d, types, 4);
  add_number(d, names, 4);
}

/* Two transitions between LMT (+600), STD (+3600) and SUM (+7200). */
static void add_block(struct data *d, int time_bytes) {
  add_number(d, -1000, time_bytes);
  add_number(d, 5000, time_bytes);
  add(d, "\1\2", 2);
  add_number(d, 600, 4);
  add(d, "\0\0", 2);
  add_number(d, 3600, 4);
  add(d, "\0\4", 2);
  add_number(d, 7200, 4);
  add(d, "\1\10", 2);
  add(d, "LMT\0STD\0SUM", 12);
}

static void make(struct data *d, const char *footer) {
  d->len = 0;
  add_header(d, '2', 2, 3, 12, 0);
  add_block(d, 4);
  add_header(d, '2', 2, 3, 12, 0);
  add_block(d, 8);
  add(d, "\n", 1);
  add(d, footer, strlen(footer));
  add(d, "\n", 1);
}

static int parse(struct tzif *z, const struct data *d) {
  return tzif_parse(z, (struct slice){d->bytes, d->len});
}

static void check_at(const struct tzif *z, int64_t sec, const char *name,
                     int32_t offset) {
  struct zone there = tzif_at(z, sec);
  if (!slice_is(there.name, name) || there.offset != offset)
    ck_abort_msg("at %lld: %.*s %d, expected %s %d", (long long)sec,
                 (int)there.name.len, there.name.p, (int)there.offset, name,
                 (int)offset);
}

START_TEST(transitions) {
  struct data d;
  struct tzif z;
  make(&d, "");
  ck_assert_int_eq(parse(&z, &d), 0);
  check_at(&z, INT64_MIN / 2, "LMT", 600);
  check_at(&z, -1001, "LMT", 600);
  check_at(&z, -1000, "STD", 3600);
  check_at(&z, 4999, "STD", 3600);
  check_at(&z, 5000, "SUM", 7200);
  check_at(&z, INT64_MAX / 2, "SUM", 7200); /* nothing is known beyond */
}
END_TEST

START_TEST(version_1) {
  struct data d = {.len = 0};
  struct tzif z;
  add_header(&d, '\0', 2, 3, 12, 0);
  add_block(&d, 4);
  ck_assert_int_eq(parse(&z, &d), 0);
  check_at(&z, -1001, "LMT", 600);
  check_at(&z, 0, "STD", 3600);
  check_at(&z, 5000, "SUM", 7200);
  add(&d, "x", 1);
  ck_assert_int_eq(parse(&z, &d), ERR_SYNTAX);
}
END_TEST

/* Seconds since 1970 of midnight UTC. */
static int64_t day(int64_t year, int month, int mday) {
  return civil_days(year, month, mday) * 86400;
}

START_TEST(rules) {
  struct data d;
  struct tzif z;
  make(&d, "CET-1CEST,M3.5.0,M10.5.0/3");
  ck_assert_int_eq(parse(&z, &d), 0);
  check_at(&z, day(2100, 1, 15), "CET", 3600);
  check_at(&z, day(2100, 3, 28) + 3599, "CET", 3600);
  check_at(&z, day(2100, 3, 28) + 3600, "CEST", 7200);
  check_at(&z, day(2100, 10, 31) + 3599, "CEST", 7200);
  check_at(&z, day(2100, 10, 31) + 3600, "CET", 3600);
  /* in the south summer goes over the turn of the year */
  make(&d, "AEST-10AEDT,M10.1.0,M4.1.0/3");
  ck_assert_int_eq(parse(&z, &d), 0);
  check_at(&z, day(2050, 1, 1), "AEDT", 39600);
  check_at(&z, day(2050, 7, 1), "AEST", 36000);
  check_at(&z, day(2050, 12, 31) + 86399, "AEDT", 39600);
  /* summer time that is winter time, and changes before midnight */
  make(&d, "IST-1GMT0,M10.5.0,M3.5.0/1");
  ck_assert_int_eq(parse(&z, &d), 0);
  check_at(&z, day(2050, 1, 1), "GMT", 0);
  check_at(&z, day(2050, 7, 1), "IST", 3600);
  make(&d, "<-02>2<-01>,M3.5.0/-1,M10.5.0/0");
  ck_assert_int_eq(parse(&z, &d), 0);
  check_at(&z, day(2050, 3, 27) + 3599, "-02", -7200);
  check_at(&z, day(2050, 3, 27) + 3600, "-01", -3600);
  /* days of the year, with February 29 and without */
  make(&d, "AAA0BBB,J60/0,300/0");
  ck_assert_int_eq(parse(&z, &d), 0);
  check_at(&z, day(2048, 3, 1) - 1, "AAA", 0);
  check_at(&z, day(2048, 3, 1), "BBB", 3600);
  check_at(&z, day(2049, 3, 1) - 1, "AAA", 0);
  check_at(&z, day(2049, 3, 1), "BBB", 3600);
  check_at(&z, day(2049, 1, 1) + 300 * 86400 - 3601, "BBB", 3600);
  check_at(&z, day(2049, 1, 1) + 300 * 86400 - 3600, "AAA", 0);
  /* summer all year round: RFC 8536 section 3.3.1 */
  make(&d, "EST5EDT,0/0,J365/25");
  ck_assert_int_eq(parse(&z, &d), 0);
  for (int64_t i = 0; i < 366 * 24; i++)
    check_at(&z, day(2050, 1, 1) + i * 3600, "EDT", -14400);
  make(&d, "<+0530>-5:30");
  ck_assert_int_eq(parse(&z, &d), 0);
  check_at(&z, day(2050, 6, 1), "+0530", 19800);
}
END_TEST

START_TEST(rules_refused) {
  static const char *const cases[] = {
      "A",
      "AB-1",
      "CET",
      "CET-1CEST",
      "CET-25",
      "CET-1:60",
      "CET-1:30:60",
      "CET-1 ",
      "<CET-1",
      "<+1>-1",
      "CET-1CEST,M3",
      "CET-1CEST,M3.5.0",
      "CET-1CEST,",
      "CET-1CEST,,J1",
      "CET1CEST,J0,J1",
      "CET1CEST,J366,J1",
      "CET1CEST,366,1",
      "CET1CEST,M13.1.0,J1",
      "CET1CEST,M0.1.0,J1",
      "CET1CEST,M1.0.0,J1",
      "CET1CEST,M1.6.0,J1",
      "CET1CEST,M1.1.7,J1",
      "CET1CEST,J1/168,J2",
      "CET1CEST,J1,J2,J3",
      "CET1CEST,J1,J2\n",
      "1CET",
  };
  struct data d;
  struct tzif z;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    make(&d, cases[i]);
    if (parse(&z, &d) != ERR_SYNTAX)
      ck_abort_msg("'%s' was taken", cases[i]);
  }
}
END_TEST

/* Every part of good data, and good data with each bit changed: read or
 * refused, never beyond their end. */
START_TEST(cut_and_changed) {
  struct data d, bad;
  struct guard g;
  struct tzif z;
  make(&d, "CET-1CEST,M3.5.0,M10.5.0/3");
  for (size_t n = 0; n < d.len; n++) {
    guard_init(&g, d.bytes, n);
    ck_assert_int_eq(tzif_parse(&z, guard_slice(&g)), ERR_SYNTAX);
    guard_deinit(&g);
  }
  for (size_t i = 0; i < d.len * 8; i++) {
    bad = d;
    bad.bytes[i / 8] = (char)(bad.bytes[i / 8] ^ 1 << i % 8);
    guard_init(&g, bad.bytes, bad.len);
    if (tzif_parse(&z, guard_slice(&g)) == 0)
      for (int64_t sec = -6000; sec < 10000; sec += 500)
        ck_assert_uint_le(tzif_at(&z, sec).name.len, ZONE_NAME_MAX);
    guard_deinit(&g);
  }
}
END_TEST

START_TEST(refused) {
  struct data d;
  struct tzif z;
  const size_t first = 44 + 2 * 4 + 2 + 18 + 12, block = first + 44;
  static const struct {
    size_t at; /* in the second block */
    char byte;
    const char *why;
  } cases[] = {
      {0, 0x7F, "times that do not ascend"},
      {16, 3, "a type that is not there"},
      {18, 0x7F, "an offset of years"},
      {22, 2, "neither summer nor not"},
      {23, 12, "a name behind the names"},
      {47, 'x', "a name without an end"},
  };
  unit_each(c, cases) {
    make(&d, "");
    ck_assert_int_eq(parse(&z, &d), 0);
    d.bytes[block + c->at] = c->byte;
    if (parse(&z, &d) != ERR_SYNTAX)
      ck_abort_msg("%s", c->why);
  }
  d.len = 0; /* leap seconds */
  add_header(&d, '\0', 0, 1, 4, 1);
  add_number(&d, 0, 4);
  add(&d, "\0\0UTC", 6);
  add_number(&d, 78796800, 4);
  add_number(&d, 1, 4);
  ck_assert_int_eq(parse(&z, &d), ERR_SYNTAX);
  d.len = 0; /* no types */
  add_header(&d, '\0', 0, 0, 0, 0);
  ck_assert_int_eq(parse(&z, &d), ERR_SYNTAX);
  d.len = 0; /* counts whose product would wrap */
  add_header(&d, '\0', UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX);
  ck_assert_int_eq(parse(&z, &d), ERR_SYNTAX);
}
END_TEST

START_TEST(names) {
  struct data d;
  struct tzif z;
  int32_t offset = 1;
  make(&d, "STD-1SUM,M3.5.0,M10.5.0/3");
  ck_assert_int_eq(parse(&z, &d), 0);
  ck_assert(tzif_named(&z, SLICE("STD"), 3600, &offset));
  ck_assert_int_eq(offset, 3600);
  ck_assert(tzif_named(&z, SLICE("SUM"), day(2050, 7, 1), &offset));
  ck_assert_int_eq(offset, 7200);
  ck_assert(tzif_named(&z, SLICE("LMT"), day(2050, 7, 1), &offset));
  ck_assert_int_eq(offset, 600); /* long out of force: any will do */
  ck_assert(!tzif_named(&z, SLICE("XYZ"), 0, &offset));
}
END_TEST

START_TEST(file_names) {
  static const struct {
    const char *name;
    bool ok;
  } cases[] = {
      {"Europe/Paris", true},
      {"UTC", true},
      {"Etc/GMT+5", true},
      {"America/Argentina/Buenos_Aires", true},
      {"", false},
      {"/etc/passwd", false},
      {"..", false},
      {"../x", false},
      {"Europe/../x", false},
      {"Europe/", false},
      {"Europe//Paris", false},
      {"zone.tab", false},
      {"a b", false},
      {"a\\b", false},
      {"\xC3\xA9", false},
      {"a\nb", false},
  };
  char long_name[TZ_NAME_MAX_BYTES + 1];
  unit_each(c, cases) if (tz_name_ok(slice_of(c->name)) != c->ok)
      ck_abort_msg("%s", c->name);
  ck_assert(!tz_name_ok((struct slice){"a\0b", 3}));
  memset(long_name, 'a', sizeof long_name);
  ck_assert(tz_name_ok((struct slice){long_name, TZ_NAME_MAX_BYTES}));
  ck_assert(!tz_name_ok((struct slice){long_name, TZ_NAME_MAX_BYTES + 1}));
}
END_TEST

/* What is no zone does not leave the process that may read files. */
START_TEST(no_zones) {
  static const struct {
    size_t cut, added; /* of a good one */
    const char *instead;
    int rv;
  } cases[] = {{0, 0, NULL, 0},
               {5, 0, NULL, ERR_SYNTAX},
               {0, TZIF_MAX_BYTES, NULL, ERR_NOT_FOUND},
               {0, 0, "secret = 1\n", ERR_SYNTAX},
               {0, 0, "TZif secret", ERR_SYNTAX},
               {0, 0, "", ERR_SYNTAX}};
  static char bytes[2 * TZIF_MAX_BYTES];
  char folder[] = "/tmp/check_tzif.XXXXXX", path[64];
  struct lookup_memory k;
  struct data d;
  make(&d, "STD-1SUM,M3.5.0,M10.5.0/3");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/Zone", folder);
  ck_assert_int_eq(setenv("TZDIR", folder, 1), 0);
  unit_each(c, cases) {
    size_t len = d.len - c->cut + c->added;
    struct slice data = {NULL, 0};
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    memset(bytes, '\n', sizeof bytes);
    memcpy(bytes, d.bytes, d.len - c->cut);
    if (c->instead) {
      len = strlen(c->instead);
      memcpy(bytes, c->instead, len);
    }
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
    lookup_memory_init(&k, &mem_libc);
    ck_assert_int_eq(lookup_zone(&k, SLICE("Zone"), &data), c->rv);
    ck_assert_uint_eq(data.len, c->rv == 0 ? len : 0);
    lookup_memory_deinit(&k);
  }
  unlink(path);
  rmdir(folder);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("tzif");
  TCase *t = tcase_create("tzif");
  tcase_add_test(t, transitions);
  tcase_add_test(t, version_1);
  tcase_add_test(t, rules);
  tcase_add_test(t, rules_refused);
  tcase_add_test(t, cut_and_changed);
  tcase_add_test(t, refused);
  tcase_add_test(t, names);
  tcase_add_test(t, file_names);
  tcase_add_test(t, no_zones);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  return unit_run(suite());
}
