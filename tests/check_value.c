/* check_value.c - lookup, copy, equality and text of values. */
#include "tests/unit.h"

#include <math.h>

#include "runtime/base/err.h"
#include "runtime/base/json.h"
#include "runtime/base/value.h"

static struct value parse(const char *text, struct arena *a) {
  struct value v;
  struct err e;
  int rv = json_parse(&v, slice_of(text), a, &e);

  ck_assert_msg(rv == 0, "%s: %s", text, e.message);
  return v;
}

static const struct {
  const char *a;
  const char *b;
  bool equal;
} pairs[] = {
    {"null", "null", true},
    {"null", "false", false},
    {"true", "true", true},
    {"true", "false", false},
    {"true", "1", false},
    {"1", "1", true},
    {"1", "1.0", true},
    {"1", "2", false},
    {"1", "\"1\"", false},
    {"0", "-0.0", true},
    {"0.0", "-0.0", true},
    {"1.5", "1", false},
    {"1.5", "1.5", true},
    {"9007199254740992", "9007199254740992.0", true},
    {"9007199254740993", "9007199254740992.0", false},
    {"9223372036854775807", "9223372036854775808.0", false},
    {"-9223372036854775808", "-9223372036854775808.0", true},
    {"-9223372036854775808", "-9223372036854777856.0", false},
    {"\"a\"", "\"a\"", true},
    {"\"a\"", "\"A\"", false},
    {"\"\"", "\"\"", true},
    {"\"a\\u0000b\"", "\"a\\u0000c\"", false},
    {"[]", "[]", true},
    {"[]", "{}", false},
    {"[1,2]", "[1,2]", true},
    {"[1,2]", "[2,1]", false},
    {"[1,2]", "[1,2,3]", false},
    {"{\"a\":1,\"b\":[2]}", "{\"b\":[2.0],\"a\":1}", true},
    {"{\"a\":1}", "{\"a\":2}", false},
    {"{\"a\":1}", "{\"b\":1}", false},
    {"{\"a\":null}", "{\"b\":null}", false},
    {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
    {"{}", "{}", true},
};

START_TEST(compares) {
  unit_each(row, pairs) {
    struct arena arena;
    struct value a, b;
    arena_init(&arena, &mem_libc, 1 << 20);
    a = parse(row->a, &arena);
    b = parse(row->b, &arena);
    ck_assert_msg(value_equal(&a, &b) == row->equal, "%s, %s", row->a, row->b);
    ck_assert_msg(value_equal(&b, &a) == row->equal, "%s, %s", row->b, row->a);
    arena_deinit(&arena);
  }
}
END_TEST

START_TEST(nan_equals_nothing) {
  struct value n = {.type = VALUE_FLOAT, .as.number = (double)NAN};
  struct value i = {.type = VALUE_INT, .as.integer = 0};
  struct value inf = {.type = VALUE_FLOAT, .as.number = (double)INFINITY};

  ck_assert(!value_equal(&n, &n));
  ck_assert(!value_equal(&n, &i));
  ck_assert(!value_equal(&inf, &i));
  ck_assert(value_equal(&inf, &inf));
}
END_TEST

START_TEST(finds_members) {
  struct arena a;
  struct value v;

  arena_init(&a, &mem_libc, 1 << 20);
  v = parse("{\"a\":1,\"\":2,\"long key\":{\"x\":3}}", &a);
  ck_assert_int_eq(value_get(&v, SLICE("a"))->as.integer, 1);
  ck_assert_int_eq(value_get(&v, SLICE(""))->as.integer, 2);
  ck_assert_int_eq(
      value_get(value_get(&v, SLICE("long key")), SLICE("x"))->as.integer, 3);
  ck_assert_ptr_null(value_get(&v, SLICE("b")));
  ck_assert_ptr_null(value_get(value_get(&v, SLICE("a")), SLICE("a")));
  ck_assert_ptr_null(value_get(NULL, SLICE("a")));
  arena_deinit(&a);
}
END_TEST

START_TEST(names_types) {
  static const struct {
    enum value_type t;
    const char *name;
  } rows[] = {{VALUE_NULL, "null"},     {VALUE_BOOL, "boolean"},
              {VALUE_INT, "number"},    {VALUE_FLOAT, "number"},
              {VALUE_STRING, "string"}, {VALUE_LIST, "list"},
              {VALUE_MAP, "map"}};
  unit_each(row, rows) ck_assert_str_eq(value_type_name(row->t), row->name);
}
END_TEST

static const char sample[] =
    "{\"a\":[1,-2.5,\"text\",null,true,[]],\"b\":{\"c\":\"\",\"d\":{}}}";

START_TEST(copies_deeply) {
  struct arena from, to;
  struct value v, copy;
  struct buf out;

  arena_init(&from, &mem_libc, 1 << 20);
  arena_init(&to, &mem_libc, 1 << 20);
  buf_init(&out, &mem_libc, 1 << 20);
  v = parse(sample, &from);
  ck_assert_int_eq(value_copy(&copy, &v, &to), 0);
  ck_assert(value_equal(&copy, &v));
  arena_deinit(&from); /* a shallow copy would now read freed memory */
  ck_assert_int_eq(value_write_json(&copy, &out), 0);
  ck_assert_slice_eq(buf_slice(&out), sample);
  buf_deinit(&out);
  arena_deinit(&to);
}
END_TEST

START_TEST(survives_failing_memory) {
  struct arena from;
  struct value v;
  size_t need;

  arena_init(&from, &mem_libc, 1 << 20);
  v = parse(sample, &from);
  /* the arena takes one block, so its bound makes the copy fail early ... */
  for (need = 0; need < 4096; need += 16) {
    struct failing_mem f;
    struct arena a;
    struct value copy;
    int rv;
    failing_mem_init(&f, FAIL_NEVER);
    arena_init(&a, &f.mem, need);
    rv = value_copy(&copy, &v, &a);
    ck_assert(rv == 0 || rv == ERR_NOMEM);
    if (rv == 0)
      ck_assert(value_equal(&copy, &v));
    arena_deinit(&a);
    ck_assert_uint_eq(f.live_bytes, 0);
  }
  /* ... and the buffer's bound the writer */
  for (size_t max = 0; max < sizeof sample - 1; max++) {
    struct buf out;
    buf_init(&out, &mem_libc, max);
    ck_assert_int_eq(value_write_json(&v, &out), ERR_FULL);
    buf_deinit(&out);
  }
  arena_deinit(&from);
}
END_TEST

int main(void) {
  Suite *s = suite_create("value");
  TCase *tc = tcase_create("value");

  tcase_add_test(tc, compares);
  tcase_add_test(tc, nan_equals_nothing);
  tcase_add_test(tc, finds_members);
  tcase_add_test(tc, names_types);
  tcase_add_test(tc, copies_deeply);
  tcase_add_test(tc, survives_failing_memory);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
