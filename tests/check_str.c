/* check_str.c - slices, numbers, durations, sizes, UTF-8, escaping, the nearest
 * word; error messages. */
#include "runtime/base/str.h"

#include "runtime/base/err.h"
#include "tests/unit.h"

START_TEST(compares_slices) {
  ck_assert(slice_eq(SLICE(""), (struct slice){NULL, 0}));
  ck_assert(!slice_eq(SLICE("a"), SLICE("b")));
  ck_assert(!slice_eq(SLICE("a"), SLICE("ab")));
  ck_assert(slice_eq_nocase(SLICE("Sec-WebSocket"), SLICE("sec-websocket")));
  ck_assert(!slice_eq_nocase(SLICE("["), SLICE("{"))); /* 0x5b, 0x7b */
  ck_assert(slice_starts(SLICE("abc"), SLICE("")));
  ck_assert(slice_starts(SLICE("abc"), SLICE("abc")));
  ck_assert(!slice_starts(SLICE("ab"), SLICE("abc")));
  ck_assert_int_lt(slice_cmp(SLICE("a"), SLICE("ab")), 0);
  ck_assert_int_gt(slice_cmp(SLICE("b"), SLICE("ab")), 0);
  ck_assert_int_eq(slice_cmp(SLICE("ab"), SLICE("ab")), 0);
  ck_assert_int_gt(slice_cmp(SLICE("\xff"), SLICE("a")), 0);
  ck_assert_uint_eq(slice_alike(SLICE(""), SLICE(""), 10), 10);
  ck_assert_uint_eq(slice_alike(SLICE("abc"), SLICE("abc"), 10), 10);
  ck_assert_uint_eq(slice_alike(SLICE("abc"), SLICE(""), 10), 0);
  ck_assert_uint_eq(slice_alike(SLICE("abcd"), SLICE("axyd"), 100), 50);
  ck_assert_uint_eq(slice_alike(SLICE("ab"), SLICE("abab"), 100), 50);
  ck_assert_uint_eq(slice_alike(SLICE("xay"), SLICE("bac"), 100), 0);
}
END_TEST

START_TEST(knows_tokens) {
  for (int c = 0; c < 256; c++) {
    bool want = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                (c >= 'A' && c <= 'Z') ||
                (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
    ck_assert_msg(http_token_char((char)c) == want, "byte %d", c);
  }
  ck_assert(http_token(SLICE("graphql-ws")));
  ck_assert(!http_token(SLICE("")));
  ck_assert(!http_token(SLICE("a b")));
  ck_assert(!http_token(SLICE("a\0b")));
}
END_TEST

static const struct {
  const char *text;
  int rv;
  uint64_t max, want;
} numbers[] = {
    {"0", 0, UINT64_MAX, 0},
    {"65535", 0, 65535, 65535},
    {"65536", ERR_RANGE, 65535, 0},
    {"18446744073709551615", 0, UINT64_MAX, UINT64_MAX},
    {"18446744073709551616", ERR_RANGE, UINT64_MAX, 0},
    {"99999999999999999999999", ERR_RANGE, UINT64_MAX, 0},
    {"", ERR_SYNTAX, 9, 0},
    {"00", ERR_SYNTAX, 9, 0},
    {"01", ERR_SYNTAX, 9, 0},
    {"+1", ERR_SYNTAX, 9, 0},
    {"-1", ERR_SYNTAX, 9, 0},
    {" 1", ERR_SYNTAX, 9, 0},
    {"1 ", ERR_SYNTAX, 9, 0},
    {"0x1", ERR_SYNTAX, 9, 0},
    {"99999999999999999999x", ERR_SYNTAX, 9, 0},
};

START_TEST(reads_numbers) {
  unit_each(row, numbers) {
    uint64_t n = 7;
    struct guard g;
    guard_init_str(&g, row->text);
    ck_assert_msg(str_u64(guard_slice(&g), row->max, &n) == row->rv, "'%s'",
                  row->text);
    ck_assert_uint_eq(n, row->rv == 0 ? row->want : 7);
    guard_deinit(&g);
  }
}
END_TEST

#define H INT64_C(3600000000000)
static const struct {
  const char *text;
  int rv;
  int64_t want;
} durations[] = {
    {"0", 0, 0},
    {"+0", 0, 0},
    {"-0", 0, 0},
    {"0s", 0, 0},
    {"1h30m", 0, H + H / 2},
    {"1.5s", 0, 1500000000},
    {".5s", 0, 500000000},
    {"5.s", 0, 5000000000},
    {"300ms", 0, 300000000},
    {"-2m", 0, -120000000000},
    {"+5s", 0, 5000000000},
    {"1us", 0, 1000},
    {"1\xc2\xb5s", 0, 1000},
    {"1\xce\xbcs", 0, 1000},
    {"1ns", 0, 1},
    {"1h1m1s1ms1us1ns", 0, H + 61001001001},
    {"0.000000000000000000000001h", 0, 0},
    {"0.3333333333333333333h", 0, 1200000000000},
    {"9223372036854775807ns", 0, INT64_MAX},
    {"-9223372036854775808ns", 0, INT64_MIN},
    {"9223372036854775808ns", ERR_RANGE, 0},
    {"-9223372036854775809ns", ERR_RANGE, 0},
    {"2562047h47m16.854775807s", 0, INT64_MAX},
    {"2562047h47m16.854775808s", ERR_RANGE, 0},
    {"2562048h", ERR_RANGE, 0},
    {"99999999999999999999s", ERR_RANGE, 0},
    {"", ERR_SYNTAX, 0},
    {"3", ERR_SYNTAX, 0},
    {"-", ERR_SYNTAX, 0},
    {"s", ERR_SYNTAX, 0},
    {".", ERR_SYNTAX, 0},
    {"-.", ERR_SYNTAX, 0},
    {".s", ERR_SYNTAX, 0},
    {"+.s", ERR_SYNTAX, 0},
    {"1d", ERR_SYNTAX, 0},
    {"1S", ERR_SYNTAX, 0},
    {"1 s", ERR_SYNTAX, 0},
    {" 1s", ERR_SYNTAX, 0},
    {"1s ", ERR_SYNTAX, 0},
    {"1s-1s", ERR_SYNTAX, 0},
    {"1e3s", ERR_SYNTAX, 0},
    {"inf", ERR_SYNTAX, 0},
    {"--1s", ERR_SYNTAX, 0},
};

START_TEST(reads_durations) {
  unit_each(row, durations) {
    int64_t ns = 7;
    struct guard g;
    guard_init_str(&g, row->text);
    ck_assert_msg(str_duration(guard_slice(&g), &ns) == row->rv, "'%s'",
                  row->text);
    ck_assert_msg(ns == (row->rv == 0 ? row->want : 7), "'%s' is %lld",
                  row->text, (long long)ns);
    guard_deinit(&g);
  }
}
END_TEST

START_TEST(reads_sizes) {
  static const struct {
    const char *text;
    int rv;
    uint64_t want;
  } sizes[] = {
      {"0", 0, 0},
      {"4096", 0, 4096},
      {"4096B", 0, 4096},
      {"64KiB", 0, 65536},
      {"64MiB", 0, UINT64_C(64) << 20},
      {"2GiB", 0, UINT64_C(2) << 30},
      {"10KB", 0, 10000},
      {"10MB", 0, 10000000},
      {"1GB", 0, 1000000000},
      {"17179869183GiB", 0, UINT64_C(17179869183) << 30},
      {"17179869184GiB", ERR_RANGE, 0},
      {"", ERR_SYNTAX, 0},
      {"MiB", ERR_SYNTAX, 0},
      {"1 MiB", ERR_SYNTAX, 0},
      {"1mib", ERR_SYNTAX, 0},
      {"1.5MiB", ERR_SYNTAX, 0},
      {"-1", ERR_SYNTAX, 0},
      {"01", ERR_SYNTAX, 0},
      {"1M", ERR_SYNTAX, 0},
  };
  unit_each(row, sizes) {
    uint64_t n = 7;
    ck_assert_msg(str_size(slice_of(row->text), &n) == row->rv, "'%s'",
                  row->text);
    ck_assert_uint_eq(n, row->rv == 0 ? row->want : 7);
  }
}
END_TEST

/* ---------------------------------------------------------------- UTF-8 --- */

/* Every code point and nothing else: the encoder against the checker. */
START_TEST(checks_every_code_point) {
  for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
    char out[4];
    size_t n = utf8_encode(cp, out);
    bool valid = utf8_valid_prefix(out, n) == n;
    ck_assert_msg(valid == (cp < 0xd800 || cp > 0xdfff), "U+%X", (unsigned)cp);
    /* no beginning of it is complete */
    for (size_t cut = 1; valid && cut < n; cut++)
      ck_assert_uint_eq(utf8_valid_prefix(out, cut), 0);
  }
}
END_TEST

/* All sequences of three bytes: how many are valid is known. */
START_TEST(checks_every_short_text) {
  size_t valid[4] = {0};
  for (unsigned a = 0; a < 256; a++) {
    unsigned char s[3] = {(unsigned char)a};
    valid[1] += utf8_valid_prefix((char *)s, 1) == 1;
    for (unsigned b = 0; b < 256; b++) {
      s[1] = (unsigned char)b;
      valid[2] += utf8_valid_prefix((char *)s, 2) == 2;
      for (unsigned c = 0; c < 256; c++) {
        struct utf8_stream u = {0, 0, 0};
        bool whole, pieces;
        s[2] = (unsigned char)c;
        whole = utf8_valid_prefix((char *)s, 3) == 3;
        pieces = utf8_stream_add(&u, s, 1) && utf8_stream_add(&u, s + 1, 1) &&
                 utf8_stream_add(&u, s + 2, 1) && utf8_stream_complete(&u);
        valid[3] += whole;
        if (whole != pieces)
          ck_abort_msg("%02x %02x %02x", a, b, c);
      }
    }
  }
  ck_assert_uint_eq(valid[1], 128);
  ck_assert_uint_eq(valid[2], 128 * 128 + 1920);
  /* 1+1+1, 1+2, 2+1, and U+0800 to U+FFFF without surrogates */
  ck_assert_uint_eq(valid[3],
                    128 * 128 * 128 + 2 * 128 * 1920 + (65536 - 2048 - 2048));
}
END_TEST

START_TEST(finds_the_first_bad_byte) {
  static const struct {
    const char *text;
    size_t good;
  } rows[] = {
      {"", 0},
      {"plain text, longer than a word", 30},
      {"plain text, longer\xff", 18},
      {"12345678\xc3\xa4 12345678\xe2\x82\xac", 22},
      {"12345678\xe2\x82", 8},
      {"\xf0\x9f\x98\x80\x80", 4},
      {"a\xed\xa0\x80", 1},
      {"\xc0\xaf", 0},
      {"\xf4\x90\x80\x80", 0},
  };
  unit_each(row, rows) {
    struct guard g;
    guard_init_str(&g, row->text);
    ck_assert_uint_eq(utf8_valid_prefix(g.p, g.len), row->good);
    guard_deinit(&g);
  }
}
END_TEST

/* ------------------------------------------------------------ for people ---
 */

START_TEST(escapes) {
  static const struct {
    const char *text;
    size_t len;
    const char *want;
  } rows[] = {
      {"plain", 5, "plain"},
      {"tab\tnl\ncr\r", 10, "tab\\tnl\\ncr\\r"},
      {"\x1b[31mred\x07", 9, "\\x1b[31mred\\x07"},
      {"nul\0!", 5, "nul\\x00!"},
      {"\x7f", 1, "\\x7f"},
      {"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
      {"\xc2\x9b", 2, "\\u{9b}"},              /* C1: CSI */
      {"a\xe2\x80\xae\x62", 5, "a\\u{202e}b"}, /* right-to-left override */
      {"\xef\xbb\xbf", 3, "\\u{feff}"},        /* BOM */
      {"\xe2\x80\x8b", 3, "\\u{200b}"},        /* zero width space */
      {"\xf3\xa0\x81\x81", 4, "\\u{e0041}"},   /* tag */
      {"\xff\xc3", 2, "\\xff\\xc3"},
      {"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
  };
  unit_each(row, rows) {
    char out[64];
    size_t n = str_escape(out, sizeof out, (struct slice){row->text, row->len});
    ck_assert_str_eq(out, row->want);
    ck_assert_uint_eq(n, strlen(row->want));
  }
}
END_TEST

/* Whatever the room: it ends in a NUL within it, and says what was cut. */
START_TEST(escapes_into_any_room) {
  const char *text = "ab\x1b\xc3\xbc\xe2\x80\xae\xff plain";
  size_t len = strlen(text), whole;
  char all[128];
  whole = str_escape(all, sizeof all, (struct slice){text, len});
  for (size_t cap = 8; cap < 64; cap++) {
    struct guard g;
    char zero[64] = "";
    size_t n;
    guard_init(&g, zero, cap);
    n = str_escape(g.p, cap, (struct slice){text, len});
    ck_assert_uint_lt(n, cap);
    ck_assert_uint_eq(strlen(g.p), n);
    if (cap > whole)
      ck_assert_str_eq(g.p, all);
    else
      ck_assert_str_eq(g.p + n - 3, "...");
    guard_deinit(&g);
  }
}
END_TEST

START_TEST(suggests) {
  static const char *const words[] = {
      "allow", "deny", "actions", "effect", "resources", "conditions", NULL};
  static const struct {
    const char *text, *want;
  } rows[] = {
      {"alow", "allow"},
      {"ALLOW", "allow"},
      {"dney", "deny"},
      {"resorces", "resources"},
      {"efect", "effect"},
      {"action", "actions"},
      {"condtions", "conditions"},
      {"", NULL},
      {"x", NULL},
      {"permit", NULL},
      {"wholly unlike anything here at all", NULL},
      {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
       NULL},
  };
  unit_each(row, rows) {
    const char *got = str_nearest(slice_of(row->text), words);
    if (row->want)
      ck_assert_msg(got && strcmp(got, row->want) == 0, "'%s': %s", row->text,
                    got ? got : "none");
    else
      ck_assert_msg(!got, "'%s': %s", row->text, got);
  }
}
END_TEST

/* ---------------------------------------------------------------- errors ---
 */

START_TEST(every_code_has_a_text) {
  ck_assert_str_eq(err_text(0), "success");
  for (int code = -1; code >= -(int)ERR_COUNT; code--) {
    ck_assert_str_ne(err_text(code), "unknown error");
    ck_assert_uint_gt(strlen(err_text(code)), 3);
  }
  ck_assert_str_eq(err_text(1), "unknown error");
  ck_assert_str_eq(err_text(-(int)ERR_COUNT - 1), "unknown error");
}
END_TEST

START_TEST(fills_errors) {
  struct err e;
  char name[300];
  ck_assert_int_eq(err_set(NULL, ERR_NOMEM), ERR_NOMEM);
  ck_assert_int_eq(err_setf(NULL, ERR_NOMEM, "x"), ERR_NOMEM);
  ck_assert_int_eq(err_set(&e, ERR_NOMEM), ERR_NOMEM);
  ck_assert_str_eq(e.message, "out of memory");
  ck_assert_uint_eq(e.line, 0);
  ck_assert_int_eq(
      err_at(&e, ERR_SYNTAX, "a\x1b.yaml", 3, 9, "unknown '%s'", "x\ny"),
      ERR_SYNTAX);
  ck_assert_str_eq(e.source, "a\\x1b.yaml");
  ck_assert_str_eq(e.message, "unknown 'x\\ny'");
  ck_assert_uint_eq(e.line, 3);
  ck_assert_uint_eq(e.column, 9);
  ck_assert_int_eq(err_system(&e, 2, "%s", "f"), ERR_SYSTEM);
  ck_assert_str_eq(e.message, "f: No such file or directory");
  ck_assert_int_eq(e.sys_errno, 2);
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  err_at(&e, ERR_SYNTAX, name, 1, 1, "%s%s%s", name, name, name);
  ck_assert_uint_lt(strlen(e.source), sizeof e.source);
  ck_assert_uint_lt(strlen(e.message), sizeof e.message);
}
END_TEST

/* A message that is cut in the middle of a character stays valid UTF-8. */
START_TEST(cuts_messages_between_characters) {
  struct err e;
  char text[1200];
  for (size_t lead = 0; lead < 4; lead++) {
    size_t at = lead;
    memset(text, 'a', lead);
    while (at + 3 < sizeof text) {
      memcpy(text + at, "\xe2\x82\xac", 3);
      at += 3;
    }
    text[at] = '\0';
    err_setf(&e, ERR_INVALID, "%s", text);
    ck_assert(utf8_valid(slice_of(e.message)));
  }
}
END_TEST

/* Byte by byte there is no fast road: the one must come to the same end. */
static size_t plain_prefix(const uint8_t *p, size_t len) {
  struct utf8_stream u = {0, 0, 0};
  size_t good = 0;
  for (size_t i = 0; i < len; i++) {
    if (!utf8_stream_add(&u, p + i, 1))
      break;
    if (u.need == 0)
      good = i + 1;
  }
  return good;
}

static void bulk_agrees(const uint8_t *text, size_t len) {
  struct guard g;
  struct utf8_stream u = {0, 0, 0};
  size_t good = plain_prefix(text, len), cut = len / 3;
  bool whole;
  guard_init(&g, text, len); /* as far at the end of a page as can be */
  ck_assert_uint_eq(utf8_valid_prefix(g.p, len), good);
  whole = utf8_stream_add(&u, g.p, cut) &&
          utf8_stream_add(&u, g.p + cut, len - cut) && utf8_stream_complete(&u);
  ck_assert_int_eq(whole, good == len);
  guard_deinit(&g);
}

START_TEST(utf8_in_bulk) {
  static const char *const pieces[] = {"a",
                                       "ascii text of some length ",
                                       "\xc3\xa9",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xe4\xb8\x96\xe7\x95\x8c"};
  static const char *const bad[] = {"\x80",
                                    "\xbf",
                                    "\xc0\x80",
                                    "\xc1\xbf",
                                    "\xc3",
                                    "\xe0\x9f\xbf",
                                    "\xed\xa0\x80",
                                    "\xe1\x80",
                                    "\xe1",
                                    "\xf0\x8f\xbf\xbf",
                                    "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xf1\x80\x80",
                                    "\xf1\x80",
                                    "\xf8\x88\x80\x80\x80",
                                    "\xff",
                                    "\xc3\xa9\xa9",
                                    "\xe1\x80\x80\x80",
                                    "\xf1\x80\x80\x80\x80",
                                    "\xfe"};
  uint8_t text[700];
  srand(7);
  /* Each kind of mistake at each place of two steps, in ASCII and not. */
  unit_each(b, bad) for (size_t at = 0; at < 140; at++) {
    for (int kind = 0; kind < 2; kind++) {
      size_t len = 200;
      memset(text, 'x', sizeof text);
      for (size_t i = 0; kind && i + 3 <= at; i += 3)
        memcpy(text + i, "\xe4\xb8\x96", 3);
      memcpy(text + at, *b, strlen(*b));
      bulk_agrees(text, len);
      bulk_agrees(text, at + strlen(*b)); /* and as the last there is */
    }
  }
  for (int i = 0; i < 20000; i++) {
    size_t len = 0, want = 130 + (size_t)rand() % 400;
    int favourite = rand() % (int)unit_len(pieces);
    while (len < want) {
      const char *s =
          pieces[rand() % 3 ? favourite : rand() % (int)unit_len(pieces)];
      memcpy(text + len, s, strlen(s));
      len += strlen(s);
    }
    if (i % 2)
      text[(size_t)rand() % len] = (uint8_t)rand();
    if (i % 4 == 3)
      len -= (size_t)rand() % 5;
    bulk_agrees(text, len);
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("str");
  TCase *tc = tcase_create("str"), *slow = tcase_create("exhaustive");
  tcase_add_test(tc, compares_slices);
  tcase_add_test(tc, knows_tokens);
  tcase_add_test(tc, reads_numbers);
  tcase_add_test(tc, reads_durations);
  tcase_add_test(tc, reads_sizes);
  tcase_add_test(tc, finds_the_first_bad_byte);
  tcase_add_test(tc, escapes);
  tcase_add_test(tc, escapes_into_any_room);
  tcase_add_test(tc, suggests);
  tcase_add_test(tc, every_code_has_a_text);
  tcase_add_test(tc, fills_errors);
  tcase_add_test(tc, cuts_messages_between_characters);
  tcase_add_test(tc, utf8_in_bulk);
  suite_add_tcase(s, tc);
  tcase_set_tags(slow, UNIT_SLOW);
  tcase_add_test(slow, checks_every_code_point);
  tcase_add_test(slow, checks_every_short_text);
  suite_add_tcase(s, slow);
  return s;
}

int main(void) {
  return unit_run(suite());
}
