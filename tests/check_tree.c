/* check_tree.c - YAML to trees and values: positions, types, and the bounds
 * that hostile documents meet. */
#include "tests/unit.h"

#include "policy/tree.h"
#include "runtime/base/buf.h"

/* libyaml calls malloc, not our allocator.  Where nothing else has taken its
 * place (a sanitizer would), ours fails on request and counts. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||     \
    __has_feature(thread_sanitizer)
#define OTHER_MALLOC 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||           \
    !defined(__GLIBC__)
#define OTHER_MALLOC 1
#endif

static size_t malloc_count; /* since the last malloc_fail_at */
static size_t malloc_fail_at = SIZE_MAX;
static long malloc_live; /* blocks */

#ifndef OTHER_MALLOC
#define EXPORT __attribute__((visibility("default")))
void *__libc_malloc(size_t n);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);
EXPORT void *malloc(size_t n);
EXPORT void *realloc(void *p, size_t n);
EXPORT void free(void *p);

void *malloc(size_t n) {
  if (malloc_count++ == malloc_fail_at)
    return NULL;
  malloc_live++;
  return __libc_malloc(n);
}

void *realloc(void *p, size_t n) {
  if (malloc_count++ == malloc_fail_at)
    return NULL;
  malloc_live += !p;
  return __libc_realloc(p, n);
}

void free(void *p) {
  malloc_live -= p != NULL;
  __libc_free(p);
}
#endif

/* Parses before a guard page and writes the value as JSON. */
static int to_json(struct slice text, struct buf *out, struct err *e) {
  struct arena a;
  struct tree_node *root;
  struct value v;
  struct guard g;
  int rv;

  memset(e, 0, sizeof *e);
  guard_init(&g, text.p, text.len);
  arena_init(&a, &mem_libc, (size_t)256 << 20);
  buf_init(out, &mem_libc, (size_t)64 << 20);
  rv = tree_parse(&root, guard_slice(&g), &tree_limits_default, &a, e);
  if (rv == 0)
    rv = tree_to_value(&v, root, &a, e);
  if (rv == 0)
    ck_assert_int_eq(value_write_json(&v, out), 0);
  arena_deinit(&a);
  guard_deinit(&g);
  return rv;
}

static const struct {
  const char *text;
  const char *json;
} good[] = {
    {"a", "\"a\""},
    {"# only a comment\n~", "null"},
    {"a: 1", "{\"a\":1}"},
    {"\xEF\xBB\xBF"
     "a: 1",
     "{\"a\":1}"},
    {"a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}"},
    {"%YAML 1.2\n---\na: 1\n...\n", "{\"a\":1}"},
    {"- a\n- [b, {c: d}]\n- 'e'\n- \"\\x41\\n\"",
     "[\"a\",[\"b\",{\"c\":\"d\"}],\"e\",\"A\\n\"]"},
    {"[null, ~, Null, NULL, , true, True, FALSE, yes, no, on]", NULL},
    {"[null, ~, Null, NULL, true, True, FALSE, yes, no, on, nul]",
     "[null,null,null,null,true,true,false,\"yes\",\"no\",\"on\",\"nul\"]"},
    {"[0, -0, +1, 007, 12, 0o17, 0x1F, 0x, 0o8, 1_000, 9223372036854775807]",
     "[0,0,1,7,12,15,31,\"0x\",\"0o8\",\"1_000\",9223372036854775807]"},
    {"[1.5, .5, 1., -.5e3, +1e2, 1e, ., -, +, 1.2.3, 0x1.8]",
     "[1.5,0.5,1.0,-500.0,100.0,\"1e\",\".\",\"-\",\"+\",\"1.2.3\",\"0x1.8\"]"},
    {"9223372036854775808", "9.223372036854776e+18"},
    {"['1', \"true\", !!str 1, !!str ~]", "[\"1\",\"true\",\"1\",\"~\"]"},
    {"a: &x [1, 2]\nb: *x\nc: [*x, *x]",
     "{\"a\":[1,2],\"b\":[1,2],\"c\":[[1,2],[1,2]]}"},
    {"[&a 1, &a 2, *a]", "[1,2,2]"},
    {"a: |\n  x\n  y\nb: >\n  x\n  y\n",
     "{\"a\":\"x\\ny\\n\",\"b\":\"x y\\n\"}"},
    {"? a\n: b", "{\"a\":\"b\"}"},
    {"1: a\ntrue: b", "{\"1\":\"a\",\"true\":\"b\"}"},
    {"{}", "{}"},
    {"[]", "[]"},
    {"!!map {a: !!seq [1]}", "{\"a\":[1]}"},
    {"\"a\\0b\"", "\"a\\u0000b\""},
    {"2001-01-01", "\"2001-01-01\""},
};

static const struct {
  struct slice text;
  uint32_t line;
  uint32_t column;
  const char *message;
} bad[] = {
    {{"", 0}, 1, 1, "empty, expected a YAML document"},
    {{"# nothing\n", 10}, 1, 1, "empty, expected a YAML document"},
    {{"a: 1\n---\nb: 2\n", 14},
     2,
     1,
     "second document, expected one document a file"},
    {{"a: 1\n...\n---\nb: 2\n", 18}, 3, 1, NULL},
    {{"a:\n\tb: 1\n", 9}, 2, 1, "tab, expected blanks for indentation"},
    {{"a: [1, 2\nb: 3\n", 14}, 2, 2, NULL},
    {{"a: 'x\n", 6}, 1, 4, "quotes without their end, expected a second one"},
    {{"a: b: c\n", 8},
     1,
     5,
     "': ' inside of a value, expected quotes around the value, or a key that "
     "is indented as those before it"},
    {{"a: \n  b: 1\n c: 2\n", 17},
     3,
     2,
     "no key of the map, expected one indented as those since line 1, column "
     "1"},
    {{"a: [b\nc: 1\n", 11},
     2,
     2,
     "list without its end, expected ',' or ']' in the one that starts at line "
     "1"},
    {{"a: 1\nb\nc: 1\n", 12}, 2, 1, "line without ': ', expected 'key: value'"},
    {{"a: - b\n", 7}, 1, 4, NULL},
    {{"a: %b\n", 6},
     1,
     4,
     "'%', '@' or '`' in front of a value, expected quotes around text that "
     "begins with it"},
    {{"a: \"\\d\"\n", 8}, 1, 5, NULL},
    {{"a: *x\n", 6},
     1,
     4,
     "alias of an anchor that was not defined before, expected quotes around "
     "text that begins with '*'"},
    {{"a: *\n", 5},
     1,
     4,
     "'*' in front of a value means an alias, expected quotes around text that "
     "begins with it"},
    {{"a: &x [1, *x]", 13}, 1, 11, "alias inside of what it stands for"},
    {{"&x {a: *x}", 10}, 1, 8, NULL},
    {{"a: \0b", 5}, 1, 4, "NUL byte, expected text"},
    {{"a\n\nb\x01", 5}, 3, 2, "control character, expected text"},
    {{"a: \x7F", 4}, 1, 4, NULL},
    {{"# \x1b[0m\n", 7}, 1, 3, NULL},
    {{"a: 1 # \rb: 2\n", 13},
     1,
     8,
     "carriage return without a line feed, expected a line feed"},
    {{"a: 1 # \xC2\x85"
      "b",
      10},
     1,
     8,
     NULL},
    {{"a: 1 # \xE2\x80\xA8"
      "b: 2\n",
      15},
     1,
     8,
     "line separator U+2028 or U+2029, expected a line feed"},
    {{"a: 1 # \xE2\x80\xA9"
      "b",
      11},
     1,
     8,
     NULL},
    {{"a: \xC2\x9B", 5}, 1, 4, NULL},
    {{"a: x\xEF\xBB\xBF", 7}, 1, 5, NULL},
    {{"a: \xFF", 4}, 1, 4, "invalid UTF-8, expected UTF-8 text"},
    {{"\xFF\xFE"
      "a\0",
      4},
     1,
     1,
     NULL},
    {{"\xC3\xA9: *x", 6}, 1, 5, NULL}, /* columns are bytes */
    {{"[\xC3\xA9, \xE2\x82\xAC, *x]", 13}, 1, 11, NULL},
    {{"a: \xC3\xA9\n\xC3\xA9: [\xC3\xA9, *x]", 18}, 2, 10, NULL},
    {{"!foo a", 6}, 1, 1, "tags are not supported"},
    {{"a: !!int 1", 10}, 1, 4, NULL},
    {{"a: !!binary aGk=", 16}, 1, 4, NULL},
    {{"!foo {a: 1}", 11}, 1, 1, NULL},
    {{"{a: 1, a: 2}", 12}, 1, 8, "duplicate key, expected each key once"},
    {{"{[a]: 1}", 8}, 1, 2, "bad key, expected a string"},
    {{".inf", 4}, 1, 1, NULL},
    {{"-.INF", 5}, 1, 1, NULL},
    {{".NaN", 4}, 1, 1, NULL},
    {{"1e999", 5}, 1, 1, "number out of range"},
    {{"0xFFFFFFFFFFFFFFFF", 18}, 1, 1, "number out of range"},
};

START_TEST(reads) {
  unit_each(row, good) {
    struct buf out;
    struct err e;
    int rv = to_json(slice_of(row->text), &out, &e);
    if (row->json) {
      ck_assert_msg(rv == 0, "%s: %s", row->text, e.message);
      ck_assert_slice_eq(buf_slice(&out), row->json);
    } else {
      ck_assert_int_eq(rv, ERR_SYNTAX);
    }
    buf_deinit(&out);
  }
}
END_TEST

START_TEST(refuses) {
  unit_each(row, bad) {
    struct buf out;
    struct err e;
    int rv = to_json(row->text, &out, &e);
    ck_assert_msg(rv == ERR_SYNTAX, "'%.*s' gives %d", (int)row->text.len,
                  row->text.p, rv);
    ck_assert_msg(e.line == row->line && e.column == row->column,
                  "'%.*s' at %u:%u: %s", (int)row->text.len, row->text.p,
                  e.line, e.column, e.message);
    ck_assert_uint_gt(strlen(e.message), 0);
    if (row->message)
      ck_assert_str_eq(e.message, row->message);
    buf_deinit(&out);
  }
}
END_TEST

START_TEST(knows_positions) {
  static const char text[] = "a: x\n"
                             "b:\n"
                             "  - \"q r\"\n"
                             "  - &n {k: v}\n"
                             "  - *n\n"
                             "c: \"\\x41\"\n";
  struct tree_node *root;
  const struct tree_item *a, *b, *c;
  struct arena arena;

  arena_init(&arena, &mem_libc, 1 << 20);
  ck_assert_int_eq(
      tree_parse(&root, SLICE("a: x\n"), &tree_limits_default, &arena, NULL),
      0);
  ck_assert_int_eq(
      tree_parse(&root, slice_of(text), &tree_limits_default, &arena, NULL), 0);
  a = tree_get(root, "a");
  b = tree_get(root, "b");
  c = tree_get(root, "c");
  ck_assert_ptr_null(tree_get(root, "d"));
  ck_assert_ptr_null(tree_get(a->value, "d"));
  ck_assert_uint_eq(a->pos.line, 1);
  ck_assert_uint_eq(a->pos.column, 4);
  ck_assert_uint_eq(a->value->text_column, 4);
  ck_assert_uint_eq(b->value->items[0].pos.line, 3);
  ck_assert_uint_eq(b->value->items[0].pos.column, 5);
  ck_assert_uint_eq(b->value->items[0].value->text_column, 6);
  /* an alias is shared and has a place of its own */
  ck_assert_ptr_eq(b->value->items[1].value, b->value->items[2].value);
  ck_assert_uint_eq(b->value->items[1].pos.line, 4);
  ck_assert_uint_eq(b->value->items[2].pos.line, 5);
  ck_assert_uint_eq(b->value->items[2].pos.column, 5);
  ck_assert_uint_eq(c->value->text_column, 0); /* an escape */
  arena_deinit(&arena);
}
END_TEST

/* ------------------------------------------------------------ hostile --- */

static struct {
  char *p;
  size_t len;
  size_t cap;
} made;

static void add(const char *s, size_t times) {
  size_t n = strlen(s);

  if (made.len + n * times > made.cap) {
    made.cap = (made.len + n * times) * 2;
    made.p = realloc(made.p, made.cap);
  }
  for (; times; times--, made.len += n)
    memcpy(made.p + made.len, s, n);
}

static int parse_made(struct err *e) {
  struct failing_mem f;
  struct arena a;
  struct tree_node *root;
  int rv;

  memset(e, 0, sizeof *e);
  failing_mem_init(&f, FAIL_NEVER);
  arena_init(&a, &f.mem, SIZE_MAX);
  rv = tree_parse(&root, (struct slice){made.p, made.len}, &tree_limits_default,
                  &a, e);
  arena_deinit(&a);
  ck_assert_uint_eq(f.live_bytes, 0);
  /* whatever it is, it costs no more than this */
  ck_assert_uint_lt(f.peak_bytes, (size_t)16 << 20);
  made.len = 0;
  return rv;
}

#define refused(word)                                                          \
  do {                                                                         \
    struct err e_;                                                             \
    ck_assert_int_eq(parse_made(&e_), ERR_SYNTAX);                             \
    ck_assert_msg(strstr(e_.message, word) != NULL, "%s", e_.message);         \
  } while (0)

START_TEST(refuses_alias_bombs) {
  char line[128];

  /* a billion laughs */
  add("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n", 1);
  for (int i = 1; i < 10; i++) {
    sprintf(line, "a%d: &a%d [", i, i);
    add(line, 1);
    sprintf(line, "*a%d,", i - 1);
    add(line, 9);
    sprintf(line, "*a%d]\n", i - 1);
    add(line, 1);
  }
  refused("too many nodes");
  /* the same in depth */
  add("a0: &a0 [x]\n", 1);
  for (int i = 1; i < 100; i++) {
    sprintf(line, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    add(line, 1);
  }
  refused("nested too deeply");
  /* a long text many times: few nodes, many bytes */
  add("a: &a ", 1);
  add("x", 500000);
  add("\nb: [", 1);
  add("*a,", 5000);
  add("]\n", 1);
  refused("too much text");
}
END_TEST

START_TEST(refuses_depth) {
  struct err e;

  add("[", 64);
  add("]", 64);
  ck_assert_int_eq(parse_made(&e), 0);
  add("[", 65);
  add("]", 65);
  refused("nested too deeply");
  add("[", 1000000);
  refused("");
  add("{a: ", 250000);
  refused("");
  add("- ", 500000);
  refused("nested too deeply");
  add("? ", 500000);
  refused("");
  add("&a ", 300000);
  refused("");
  for (size_t i = 0; i < 70; i++) {
    add(" ", i);
    add("a:\n", 1);
  }
  refused("nested too deeply");
}
END_TEST

START_TEST(refuses_size) {
  struct err e;

  add("- x\n", 9999);
  ck_assert_int_eq(parse_made(&e), 0);
  add("- x\n", 10000);
  refused("too many nodes");
  add("- x\n", (1 << 18));
  refused("too many nodes");
  add("#", (1 << 20) + 1);
  refused("file too large");
  add("x", 1 << 20);
  ck_assert_int_eq(parse_made(&e), 0);
  add("- &a x\n", 1001);
  refused("too many anchors");
  add("%TAG !a! tag:a\n", 60000);
  refused("too many %TAG");
  add("\n", 1 << 20);
  refused("empty");
  add("a: \"", 1);
  add("\\L", 500000);
  add("\"", 1);
  ck_assert_int_eq(parse_made(&e), 0);
  add(": ", 500000);
  refused("");
  add("? a\n", 4000);
  ck_assert_int_eq(parse_made(&e), 0);
}
END_TEST

START_TEST(minds_its_limits) {
  struct tree_limits l = {64, 3, TREE_MAX_LEVELS + 1};
  struct tree_node *root;
  struct arena a;
  struct err e;

  arena_init(&a, &mem_libc, 1 << 20);
  ck_assert_int_eq(tree_parse(&root, SLICE("a"), &l, &a, &e), ERR_INVALID);
  l.max_levels = TREE_MAX_LEVELS;
  ck_assert_int_eq(tree_parse(&root, SLICE("[a, b]"), &l, &a, &e), 0);
  ck_assert_int_eq(tree_parse(&root, SLICE("[a, b, c]"), &l, &a, &e),
                   ERR_SYNTAX);
  l.max_levels = 0;
  ck_assert_int_eq(tree_parse(&root, SLICE("a"), &l, &a, &e), 0);
  ck_assert_int_eq(tree_parse(&root, SLICE("[a]"), &l, &a, &e), ERR_SYNTAX);
  arena_deinit(&a);
}
END_TEST

START_TEST(survives_failing_memory) {
  static const char text[] =
      "a: &x [1, 2.5, 'three', {k: [~, true]}]\nb: *x\nc: &y text\nd: *y\n"
      "long: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]\n";
  int rv = ERR_NOMEM;
  size_t n;

  for (n = 0; rv == ERR_NOMEM; n++) {
    struct failing_mem f;
    struct arena a;
    struct tree_node *root;
    struct value v;
    struct err e;
    failing_mem_init(&f, n);
    arena_init(&a, &f.mem, 1 << 20);
    rv = tree_parse(&root, slice_of(text), &tree_limits_default, &a, &e);
    if (rv == 0)
      rv = tree_to_value(&v, root, &a, &e);
    if (rv != 0)
      ck_assert_int_eq(e.code, ERR_NOMEM);
    arena_deinit(&a);
    ck_assert_uint_eq(f.live_bytes, 0);
  }
  ck_assert_int_eq(rv, 0);
  ck_assert_uint_gt(n, 3);
}
END_TEST

START_TEST(survives_failing_malloc) {
  static const char *const texts[] = {
      ("%YAML 1.1\n%TAG !x! tag:x,2000:\n---\na: &x [1, 'b', {c: "
       "\"\\u00e9\"}]\n"
       "b: *x\nc: |\n  text\n  more\nd: !x!t {e: f}\n? g\n: - h\n  - i\n"),
      "a: [1, {b: c}\n",        /* a mistake */
      "a: &x [*x]\n",           /* one of ours, half-way */
      "a: 1\n---\n&b !t c: 2\n" /* likewise */
  };
  unit_each(text, texts) {
    int rv = ERR_NOMEM;
    for (size_t n = 0; rv == ERR_NOMEM; n++) {
      struct tree_node *root;
      struct arena a;
      struct err e;
      long live = malloc_live;
      arena_init(&a, &mem_libc, 1 << 20);
      malloc_count = 0;
      malloc_fail_at = n;
      rv = tree_parse(&root, slice_of(*text), &tree_limits_default, &a, &e);
      malloc_fail_at = SIZE_MAX;
      arena_deinit(&a);
      ck_assert_int_eq(malloc_live, live);
    }
    ck_assert_int_eq(rv, text == texts ? 0 : ERR_SYNTAX);
  }
}
END_TEST

int main(void) {
  Suite *s = suite_create("tree");
  TCase *tc = tcase_create("tree");
  int rv;

  tcase_add_test(tc, reads);
  tcase_add_test(tc, refuses);
  tcase_add_test(tc, knows_positions);
  tcase_add_test(tc, refuses_alias_bombs);
  tcase_add_test(tc, refuses_depth);
  tcase_add_test(tc, refuses_size);
  tcase_add_test(tc, minds_its_limits);
  tcase_add_test(tc, survives_failing_memory);
  tcase_add_test(tc, survives_failing_malloc);
  suite_add_tcase(s, tc);
  rv = unit_run(s);
  free(made.p);
  return rv;
}
