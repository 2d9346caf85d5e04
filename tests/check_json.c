/* check_json.c - the JSON lexer, builder and writers. */
#include "tests/unit.h"

#include <float.h>
#include <locale.h>
#include <math.h>

#include "runtime/base/json.h"

/* Parses before a guard page and writes back; NULL text in |out| on an error.
 */
static int round_trip(struct slice text, struct buf *out, struct err *e) {
  struct arena a;
  struct value v;
  struct guard g;
  int rv;

  guard_init(&g, text.p, text.len);
  arena_init(&a, &mem_libc, (size_t)64 << 20);
  buf_init(out, &mem_libc, (size_t)16 << 20);
  memset(e, 0, sizeof *e);
  rv = json_parse(&v, guard_slice(&g), &a, e);
  if (rv == 0)
    ck_assert_int_eq(value_write_json(&v, out), 0);
  arena_deinit(&a);
  guard_deinit(&g);
  return rv;
}

static const struct {
  const char *text;
  const char *out; /* NULL: the same */
} good[] = {
    {"null", NULL},
    {"true", NULL},
    {" \t\r\nfalse \n", "false"},
    {"0", NULL},
    {"-0", "0"},
    {"-0.0", NULL},
    {"0.0", NULL},
    {"0e5", "0.0"},
    {"-0e-999999999999999999999999", "-0.0"},
    {"1.0", NULL},
    {"1e0", "1.0"},
    {"1E+2", "100.0"},
    {"1e15", "1e+15"},
    {"1e14", "100000000000000.0"},
    {"0.0001", NULL},
    {"0.00001", "1e-05"},
    {"0.1", NULL},
    {"-1.5e-7", "-1.5e-07"},
    {"9007199254740993", NULL},
    {"9007199254740993.0", "9007199254740992.0"},
    {"9223372036854775807", NULL},
    {"-9223372036854775808", NULL},
    {"9223372036854775808", "9.223372036854776e+18"},
    {"-9223372036854775809", "-9.223372036854776e+18"},
    {"18446744073709551616", "1.8446744073709552e+19"},
    {"1e-400", "0.0"},
    {"5e-324", NULL},
    {"2.2250738585072014e-308", NULL},
    {"1.7976931348623157e308", "1.7976931348623157e+308"},
    {"\"\"", NULL},
    {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"a\\\"\\\\/\\b\\f\\n\\r\\t\""},
    {"\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"",
     "\"A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
    {"\"\\u0000\\u001f\"", NULL},
    {"\"\x7F\xC2\x80\xC2\x9F\xC2\xA0\"", "\"\\u007f\\u0080\\u009f\xC2\xA0\""},
    {"\"\\uD800\\uDC00\\uDBFF\\uDFFF\"",
     "\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\""},
    {"[]", NULL},
    {"{}", NULL},
    {"[ ]", "[]"},
    {"{ }", "{}"},
    {"[1,[2,[3,[]]],{}]", NULL},
    {"[1 , 2 ]", "[1,2]"},
    {"{\"a\":{\"b\":[null,true,{\"c\":\"d\"}]},\"\":0}", NULL},
    {"{ \"a\" : 1 , \"b\" : 2 }", "{\"a\":1,\"b\":2}"},
    {"[{\"a\":1},{\"a\":2},{\"A\":1,\"a\":{\"a\":3}}]", NULL},
};

START_TEST(parses) {
  unit_each(row, good) {
    struct buf out;
    struct err e;
    int rv = round_trip(slice_of(row->text), &out, &e);
    ck_assert_msg(rv == 0, "%s: %s", row->text, e.message);
    ck_assert_slice_eq(buf_slice(&out), row->out ? row->out : row->text);
    buf_deinit(&out);
  }
}
END_TEST

static const struct {
  struct slice text;
  uint32_t line;
  uint32_t column;
  const char *message;
} bad[] = {
    {{"", 0}, 1, 1, "unexpected end of input, expected a value"},
    {{"  \n ", 4}, 2, 2, "unexpected end of input, expected a value"},
    {{"\xEF\xBB\xBF{}", 5}, 1, 1, "unexpected byte 0xef, expected a value"},
    {{"\0", 1}, 1, 1, "unexpected byte 0x00, expected a value"},
    {{"1\0", 2},
     1,
     2,
     "unexpected byte 0x00, expected nothing behind the value"},
    {{"nul", 3}, 1, 1, "unexpected 'n', expected a value"},
    {{"nulll", 5}, 1, 5, NULL},
    {{"NaN", 3}, 1, 1, NULL},
    {{"Infinity", 8}, 1, 1, NULL},
    {{"-Infinity", 9}, 1, 2, "unexpected 'I', expected a digit"},
    {{"-", 1}, 1, 2, "unexpected end of input, expected a digit"},
    {{"+1", 2}, 1, 1, NULL},
    {{".5", 2}, 1, 1, NULL},
    {{"1.", 2}, 1, 3, NULL},
    {{"1.e5", 4}, 1, 3, NULL},
    {{"1e", 2}, 1, 3, NULL},
    {{"1e+", 3}, 1, 4, NULL},
    {{"01", 2}, 1, 1, "number with a leading zero"},
    {{"-01", 3}, 1, 2, "number with a leading zero"},
    {{"0x10", 4}, 1, 2, NULL},
    {{"1e309", 5}, 1, 1, "number out of range"},
    {{"[\n-1e99999999999999999999]", 25}, 2, 1, "number out of range"},
    {{"1 2", 3}, 1, 3, NULL},
    {{"[1,]", 4}, 1, 4, "unexpected ']', expected a value"},
    {{"[,1]", 4}, 1, 2, "unexpected ',', expected a value or ']'"},
    {{"[1 2]", 5}, 1, 4, "unexpected '2', expected ',' or ']'"},
    {{"[1}", 3}, 1, 3, NULL},
    {{"[", 1}, 1, 2, NULL},
    {{"[1", 2}, 1, 3, NULL},
    {{"]", 1}, 1, 1, NULL},
    {{"{", 1},
     1,
     2,
     "unexpected end of input, expected a key in quotes or '}'"},
    {{"{,}", 3}, 1, 2, NULL},
    {{"{\"a\"}", 5}, 1, 5, "unexpected '}', expected ':'"},
    {{"{\"a\":}", 6}, 1, 6, NULL},
    {{"{\"a\":1,}", 8}, 1, 8, "unexpected '}', expected a key in quotes"},
    {{"{\"a\":1 \"b\":2}", 13}, 1, 8, "unexpected '\"', expected ',' or '}'"},
    {{"{a:1}", 5}, 1, 2, NULL},
    {{"{1:1}", 5}, 1, 2, NULL},
    {{"{'a':1}", 7}, 1, 2, NULL},
    {{"{\"a\":1]", 7}, 1, 7, NULL},
    {{"[1] // c", 8}, 1, 5, NULL},
    {{"\"abc", 4}, 1, 5, "string without end, expected '\"'"},
    {{"\"abc\\", 5}, 1, 6, NULL},
    {{"\"abc\\\"", 6}, 1, 7, NULL},
    {{"\"a\nb\"", 5},
     1,
     3,
     "raw control character in a string, expected an escape"},
    {{"\"a\0b\"", 5}, 1, 3, NULL},
    {{"\"\t\"", 3}, 1, 2, NULL},
    {{"\"\\x41\"", 6}, 1, 2, NULL},
    {{"\"\\\0\"", 4}, 1, 2, NULL},
    {{"\"\\u12\"", 6}, 1, 2, NULL},
    {{"\"\\u12G4\"", 8}, 1, 2, NULL},
    {{"\"\\uD800\"", 8}, 1, 2, NULL},
    {{"\"\\uD800\\u0041\"", 14}, 1, 2, NULL},
    {{"\"\\uD800\\uD800\"", 14}, 1, 2, NULL},
    {{"\"\\uD800\\uDC0\"", 13}, 1, 2, NULL},
    {{"\"\\uDC00\"", 8}, 1, 2, NULL},
    {{"\"ok \xFF\"", 6}, 1, 5, "invalid UTF-8"},
    {{"\"\xC0\x80\"", 4}, 1, 2, NULL},
    {{"\"\xED\xA0\x80\"", 5}, 1, 2, NULL},
    {{"\"\xF4\x90\x80\x80\"", 6}, 1, 2, NULL},
    {{"\"\xE2\x82\"", 4}, 1, 2, NULL},
    {{"{\"\xFF\":1}", 7}, 1, 3, NULL},
};

START_TEST(refuses) {
  unit_each(row, bad) {
    struct buf out;
    struct err e;
    struct json_lexer lx;
    enum json_token t;
    int rv = round_trip(row->text, &out, &e);
    ck_assert_msg(rv == ERR_SYNTAX, "'%.*s' gives %d", (int)row->text.len,
                  row->text.p, rv);
    ck_assert_int_eq(e.code, ERR_SYNTAX);
    ck_assert_msg(e.line == row->line && e.column == row->column,
                  "'%.*s' at %u:%u: %s", (int)row->text.len, row->text.p,
                  e.line, e.column, e.message);
    if (row->message)
      ck_assert_str_eq(e.message, row->message);
    buf_deinit(&out);
    /* the lexer stays failed, also without an err */
    json_lexer_init(&lx, row->text, NULL);
    while ((t = json_next(&lx)) != JSON_ERROR)
      ck_assert_int_ne(t, JSON_END);
    ck_assert_int_eq(json_next(&lx), JSON_ERROR);
  }
}
END_TEST

START_TEST(keeps_the_source) {
  struct err e = {.source = "in.json"};
  struct json_lexer lx;

  json_lexer_init(&lx, SLICE("[x"), &e);
  ck_assert_int_eq(json_next(&lx), JSON_ARRAY_BEGIN);
  ck_assert_int_eq(json_next(&lx), JSON_ERROR);
  ck_assert_str_eq(e.source, "in.json");
  ck_assert_uint_eq(e.column, 2);
}
END_TEST

START_TEST(gives_tokens) {
  static const enum json_token want[] = {
      JSON_OBJECT_BEGIN, JSON_KEY,        JSON_ARRAY_BEGIN, JSON_INT,
      JSON_FLOAT,        JSON_STRING,     JSON_ARRAY_END,   JSON_KEY,
      JSON_OBJECT_BEGIN, JSON_OBJECT_END, JSON_OBJECT_END,  JSON_END,
      JSON_END};
  struct json_lexer lx;

  json_lexer_init(&lx, SLICE("{\"a\": [1, 2.5, \"x\\n\"], \"b\": {}}"), NULL);
  unit_each(t, want) {
    ck_assert_int_eq(json_next(&lx), *t);
    if (*t == JSON_INT)
      ck_assert_int_eq(lx.integer, 1);
    if (*t == JSON_FLOAT)
      ck_assert_double_eq(lx.number, 2.5);
    if (*t == JSON_STRING) {
      char text[8];
      ck_assert(lx.escaped);
      ck_assert_uint_eq(json_unescape(text, lx.raw), 2);
      ck_assert_mem_eq(text, "x\n", 2);
    }
  }
}
END_TEST

static int parse_nested(size_t depth, char open, char close) {
  char *text = malloc(2 * depth);
  struct buf out;
  struct err e;
  int rv;

  memset(text, open, depth);
  memset(text + depth, close, depth);
  rv = round_trip((struct slice){text, 2 * depth}, &out, &e);
  buf_deinit(&out);
  free(text);
  return rv;
}

START_TEST(bounds_the_depth) {
  char text[JSON_MAX_DEPTH * 12 + 16], *p = text;
  struct buf out;
  struct err e;

  ck_assert_int_eq(parse_nested(JSON_MAX_DEPTH, '[', ']'), 0);
  ck_assert_int_eq(parse_nested(JSON_MAX_DEPTH + 1, '[', ']'), ERR_SYNTAX);
  ck_assert_int_eq(parse_nested(1000000, '[', ']'), ERR_SYNTAX);
  /* objects and arrays in turn: the bit set keeps them apart */
  for (size_t i = 0; i < JSON_MAX_DEPTH; i++)
    p += sprintf(p, i % 3 ? "{\"k\":" : "[");
  *p++ = '1';
  for (size_t i = JSON_MAX_DEPTH; i-- > 0;)
    *p++ = i % 3 ? '}' : ']';
  ck_assert_int_eq(
      round_trip((struct slice){text, (size_t)(p - text)}, &out, &e), 0);
  ck_assert_uint_eq(out.len, (size_t)(p - text));
  buf_deinit(&out);
}
END_TEST

/* The lexer, which remembers no key, takes these. */
static const struct {
  const char *text;
  const char *key;
  uint32_t line;
  uint32_t column;
} twice[] = {
    {"{\"a\":1,\n \"a\":1}", "a", 2, 2},
    {"{\"b\":1,\"a\":2,\"\\u0062\":3,\"a\":4}", "b", 1, 14},
    {"[0,{\"x\":[{\"\":1,\"\":2}]}]", "", 1, 16},
    {"{\"a\":null,\"a\":null}", "a", 1, 11},
    {"{\"a\":{},\"c\":1,\"a\":{\"b\":1}}", "a", 1, 15},
};

START_TEST(refuses_a_key_twice) {
  unit_each(row, twice) {
    char message[96];
    struct buf out;
    struct err e;
    ck_assert_int_eq(round_trip(slice_of(row->text), &out, &e), ERR_SYNTAX);
    buf_deinit(&out);
    snprintf(message, sizeof message,
             "duplicate key '%s', expected each key once", row->key);
    ck_assert_str_eq(e.message, message);
    ck_assert_uint_eq(e.line, row->line);
    ck_assert_uint_eq(e.column, row->column);
  }
}
END_TEST

START_TEST(finds_a_key_among_many) {
  /* 60,000 members: quadratic work would be felt */
  size_t n = 60000, cap = n * 24, last = 0;
  char *text = malloc(cap), *p = text;
  struct slice all;
  struct arena a;
  struct value v;
  struct err e;

  *p++ = '{';
  for (size_t i = 0; i < n; i++) {
    last = (size_t)(p - text) + 1;
    p += sprintf(p, "%s\"k%05zu\":%zu", i ? "," : "", (i * 7919) % n, i);
  }
  *p++ = '}';
  all = (struct slice){text, (size_t)(p - text)};
  arena_init(&a, &mem_libc, (size_t)64 << 20);
  ck_assert_int_eq(json_parse(&v, all, &a, NULL), 0);
  ck_assert_uint_eq(v.as.map.len, n);
  for (size_t i = 0; i < n; i++) /* in the order of the text */
    ck_assert_int_eq(v.as.map.members[i].value.as.integer, (int64_t)i);
  memcpy(text + last, "\"k07919\"", 8); /* the second again */
  memset(&e, 0, sizeof e);
  ck_assert_int_eq(json_parse(&v, all, &a, &e), ERR_SYNTAX);
  ck_assert_str_eq(e.message, "duplicate key 'k07919', expected each key once");
  ck_assert_uint_eq(e.column, last + 1);
  arena_deinit(&a);
  free(text);
}
END_TEST

static double parse_double(struct slice text) {
  struct json_lexer lx;

  json_lexer_init(&lx, text, NULL);
  ck_assert_int_eq(json_next(&lx), JSON_FLOAT);
  ck_assert_int_eq(json_next(&lx), JSON_END);
  return lx.number;
}

START_TEST(rounds_long_numbers) {
  /* 2^53 + 1 is a tie and goes to even; any digit behind it goes up */
  char text[4096];

  memset(text, '0', sizeof text);
  memcpy(text, "9007199254740993.", 17);
  ck_assert_double_eq(parse_double((struct slice){text, sizeof text}),
                      9007199254740992.0);
  text[sizeof text - 1] = '1';
  ck_assert_double_eq(parse_double((struct slice){text, sizeof text}),
                      9007199254740994.0);
  /* 0.000...01e4000 */
  memset(text, '0', sizeof text);
  text[1] = '.';
  memcpy(text + 4000, "1e3998", 6);
  ck_assert_double_eq(parse_double((struct slice){text, 4006}), 0.1);
  /* 1000...0e-3999 */
  memset(text, '0', sizeof text);
  text[0] = '1';
  memcpy(text + 4000, "e-3999", 6);
  ck_assert_double_eq(parse_double((struct slice){text, 4006}), 1.0);
}
END_TEST

/* Bits, so that -0.0 and 0.0 differ. */
static uint64_t bits(double d) {
  uint64_t u;

  memcpy(&u, &d, sizeof u);
  return u;
}

static void check_double(double d) {
  char text[32];
  struct guard g;
  size_t n = json_format_double(text, sizeof text, d);

  ck_assert_uint_lt(n, sizeof text);
  ck_assert(memchr(text, '.', n) || memchr(text, 'e', n));
  guard_init(&g, text, n);
  ck_assert_msg(bits(parse_double(guard_slice(&g))) == bits(d),
                "%a prints as %.*s", d, (int)n, text);
  guard_deinit(&g);
}

START_TEST(formats_doubles) {
  static const double values[] = {0.0,
                                  -0.0,
                                  1.0,
                                  0.1,
                                  1e21,
                                  1e22,
                                  1e23,
                                  1.0 / 3,
                                  DBL_MAX,
                                  DBL_MIN,
                                  5e-324,
                                  -DBL_MAX,
                                  1e-5,
                                  123456,
                                  1e17,
                                  1.2345678901234568e17,
                                  0x1p63,
                                  -0x1p63,
                                  0x1p-1022 - 0x1p-1074};
  static const struct {
    double d;
    const char *text;
  } texts[] = {{1e100, "1e+100"},
               {5e-324, "5e-324"},
               {0.3, "0.3"},
               {1e16, "1e+16"},
               {-2.5, "-2.5"},
               {1e-4, "0.0001"},
               {100, "100.0"},
               {1e23, "1e+23"},
               {0.1 + 0.2, "0.30000000000000004"},
               {NAN, "null"},
               {INFINITY, "null"},
               {-INFINITY, "null"},
               {123456789012345680, "1.2345678901234568e+17"}};
  uint64_t x = 88172645463325252U;
  char text[32];

  unit_each(d, values) check_double(*d);
  unit_each(row, texts) {
    size_t n = json_format_double(text, sizeof text, row->d);
    ck_assert_slice_eq(((struct slice){text, n}), row->text);
  }
  for (int i = 0; i < 20000; i++) {
    double d;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    memcpy(&d, &x, sizeof d);
    if (isfinite(d))
      check_double(d);
  }
  ck_assert_uint_eq(json_format_double(text, 8, 1.5), 0);
}
END_TEST

START_TEST(ignores_the_locale) {
  static const char *const names[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8",
                                      "es_ES.UTF-8", "ps_AF"};
  char text[32];

  /* whichever of them the machine has; none is no failure */
  unit_each(name, names) {
    if (!setlocale(LC_ALL, *name))
      continue;
    ck_assert_uint_eq(json_format_double(text, sizeof text, 1.5), 3);
    ck_assert_mem_eq(text, "1.5", 3);
    ck_assert_double_eq(parse_double(SLICE("2.25")), 2.25);
  }
  setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(writes_strings) {
  static const struct {
    struct slice in;
    const char *out;
  } rows[] = {
      {{"", 0}, "\"\""},
      {{"a/b<&>", 6}, "\"a/b<&>\""},
      {{"\0\x1b[31m", 6}, "\"\\u0000\\u001b[31m\""},
      {{"\xC3\xA9\xF0\x9F\x98\x80", 6}, "\"\xC3\xA9\xF0\x9F\x98\x80\""},
      {{"a\xFF\xFE"
        "b",
        4},
       "\"a\xEF\xBF\xBD\xEF\xBF\xBD"
       "b\""},
      {{"\xC2", 1}, "\"\xEF\xBF\xBD\""},
      {{"\xE2\x82", 2}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {{"\xC2\x85", 2}, "\"\\u0085\""},
  };
  unit_each(row, rows) {
    struct guard g;
    struct buf out;
    guard_init(&g, row->in.p, row->in.len);
    buf_init(&out, &mem_libc, 1024);
    ck_assert_int_eq(json_write_string(&out, guard_slice(&g)), 0);
    ck_assert_slice_eq(buf_slice(&out), row->out);
    buf_deinit(&out);
    /* too little room: nothing is left behind */
    for (size_t max = 0; max < strlen(row->out); max++) {
      buf_init(&out, &mem_libc, max);
      ck_assert_int_eq(json_write_string(&out, guard_slice(&g)), ERR_FULL);
      ck_assert_uint_eq(out.len, 0);
      buf_deinit(&out);
    }
    guard_deinit(&g);
  }
}
END_TEST

START_TEST(survives_failing_memory) {
  static const char text[] =
      "{\"a\": [1, 2.5, \"x\\u0041\", {\"b\": [], \"d\": {}}], \"c\": null, "
      "\"e\": [true, false, [[[[\"deep\"]]]], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}";
  int rv = ERR_NOMEM;
  size_t n;

  for (n = 0; rv == ERR_NOMEM; n++) {
    struct failing_mem f;
    struct arena a;
    struct value v;
    struct buf out;
    struct err e;
    failing_mem_init(&f, n);
    arena_init(&a, &f.mem, 1 << 20);
    buf_init(&out, &f.mem, 1 << 20);
    rv = json_parse(&v, slice_of(text), &a, &e);
    if (rv == 0)
      rv = value_write_json(&v, &out);
    else
      ck_assert_int_eq(e.code, ERR_NOMEM);
    buf_deinit(&out);
    arena_deinit(&a);
    ck_assert_uint_eq(f.live_bytes, 0);
  }
  ck_assert_int_eq(rv, 0);
  ck_assert_uint_gt(n, 4);
}
END_TEST

int main(void) {
  Suite *s = suite_create("json");
  TCase *tc = tcase_create("json");

  tcase_add_test(tc, parses);
  tcase_add_test(tc, refuses);
  tcase_add_test(tc, keeps_the_source);
  tcase_add_test(tc, gives_tokens);
  tcase_add_test(tc, bounds_the_depth);
  tcase_add_test(tc, refuses_a_key_twice);
  tcase_add_test(tc, finds_a_key_among_many);
  tcase_add_test(tc, rounds_long_numbers);
  tcase_add_test(tc, formats_doubles);
  tcase_add_test(tc, ignores_the_locale);
  tcase_add_test(tc, writes_strings);
  tcase_add_test(tc, survives_failing_memory);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
