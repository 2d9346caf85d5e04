/* check_format.c - the layout of policy files: before and after, what is
 * refused, and memory that ends. */
#include "policy/format.h"

#include "runtime/base/err.h"
#include "unit.h"

#define OUT_MAX ((size_t)4 << 20)

struct row {
  const char *before;
  const char *after; /* NULL: it is in order already */
};

static int format(struct buf *out, const char *text, const struct mem *m,
                  struct err *e) {
  struct guard g;
  int rv;

  memset(e, 0, sizeof *e);
  guard_init_str(&g, text);
  buf_init(out, m, OUT_MAX);
  rv = format_text(out, guard_slice(&g), &tree_limits_default, m, e);
  guard_deinit(&g);
  return rv;
}

static void expect(const struct row *row) {
  const char *want = row->after ? row->after : row->before;
  struct buf once, twice;
  struct err e;

  ck_assert_msg(format(&once, row->before, &mem_libc, &e) == 0,
                "%u:%u: %s in:\n%s", e.line, e.column, e.message, row->before);
  ck_assert_slice_eq(buf_slice(&once), want);
  ck_assert_int_eq(buf_terminate(&once), 0);
  ck_assert_int_eq(
      format(&twice, (const char *)buf_bytes(&once), &mem_libc, &e), 0);
  ck_assert_slice_eq(buf_slice(&twice), want);
  buf_deinit(&once);
  buf_deinit(&twice);
}

#define HEAD "version: \"1.0\"\nnamespace: app\n"

static const struct row files[] = {
    {HEAD "entries: []\n", NULL},
    {"entries: []\r\nnamespace:   'app'\r\n\r\n\r\nversion: '1.0'", /* CRLF */
     "version: \"1.0\"\nnamespace: app\nentries: []\n"},
    {"\xEF\xBB\xBFnamespace: app\nentries: []\n",
     "namespace: app\nentries: []\n"},
    {"--- # words\nnamespace: app\nentries: []\n...\n# end\n",
     "# words\nnamespace: app\nentries: []\n# end\n"},
    /* a title stays where it is */
    {"# yaml-language-server: $schema=policy.schema.json\n"
     "# about the file\nentries: []\nnamespace: a\n",
     "# yaml-language-server: $schema=policy.schema.json\n"
     "# about the file\n\nnamespace: a\nentries: []\n"},
    {"# title\n\n# of entries\nentries: []\nnamespace: a\n",
     "# title\n\nnamespace: a\n\n# of entries\nentries: []\n"},
    /* keys in order, their comments with them */
    {HEAD "entries:\n"
          "- groups: [b]   # where\n"
          "  # what it says\n"
          "  policy:\n"
          "        effect: deny\n"
          "        conditions:\n"
          "        - {value: [a], operator: in, field: actor.id}  # who\n"
          "        # of one\n"
          "        resources: 'x'\n"
          "        actions: [ \"read\" ,'write']\n"
          "  kind: security.policy\n"
          "  # its name\n"
          "  name: p\n",
     HEAD "entries:\n"
          "  # its name\n"
          "  - name: p\n"
          "    kind: security.policy\n"
          "    # what it says\n"
          "    policy:\n"
          "      actions: [read, write]\n"
          "      # of one\n"
          "      resources: x\n"
          "      effect: deny\n"
          "      conditions:\n"
          "        - {field: actor.id, operator: in, value: [a]}  # who\n"
          "    groups: [b]  # where\n"},
    /* a blank line between entries, at most one elsewhere */
    {HEAD "\n\n\nentries:\n\n"
          "  - {kind: security.policy, name: a}\n"
          "  - {kind: x.y, name: b}\n"
          "  - {kind: x.y, name: c}\n\n\n"
          "  # the last\n"
          "  - {kind: x.y, name: d}\n",
     HEAD "\nentries:\n"
          "  - name: a\n"
          "    kind: security.policy\n\n"
          "  - {kind: x.y, name: b}\n"
          "  - {kind: x.y, name: c}\n\n"
          "  # the last\n"
          "  - {kind: x.y, name: d}\n"},
    /* rules and policies are blocks, a long list becomes one */
    {HEAD "entries:\n"
          "  - name: a\n"
          "    kind: security.policy.expr\n"
          "    policy: {rules: [{resource: r, action: a}], effect: allow, "
          "expression: 'actor.id == \"x\"'}\n"
          "  - name: b\n"
          "    kind: security.policy\n"
          "    policy: {effect: allow, actions: a, resources: "
          "['wss://one.example.com/a/*', 'wss://two.example.com/b/*', c, d]}\n",
     HEAD "entries:\n"
          "  - name: a\n"
          "    kind: security.policy.expr\n"
          "    policy:\n"
          "      effect: allow\n"
          "      rules:\n"
          "        - {action: a, resource: r}\n"
          "      expression: actor.id == \"x\"\n\n"
          "  - name: b\n"
          "    kind: security.policy\n"
          "    policy:\n"
          "      actions: a\n"
          "      resources:\n"
          "        - wss://one.example.com/a/*\n"
          "        - wss://two.example.com/b/*\n"
          "        - c\n"
          "        - d\n"
          "      effect: allow\n"},
    /* a file that is one policy */
    {"policy: {effect: deny, resources: '*', actions: \"*\"}\n"
     "kind: security.policy\nname: x\nnamespace: app\n",
     "namespace: app\nname: x\nkind: security.policy\npolicy:\n"
     "  actions: \"*\"\n  resources: \"*\"\n  effect: deny\n"},
    /* what is not ours keeps order and words */
    {HEAD "entries:\n- source: 'a'\n  kind: process.lua\n  name:  \"x\"\n"
          "  modules: [ time,\n   'json' ]\n",
     HEAD "entries:\n  - source: 'a'\n    kind: process.lua\n    name: \"x\"\n"
          "    modules: [time, 'json']\n"},
    {"other: {b: 'x'}\nentries: []\nnamespace: a\n",
     "namespace: a\nother: {b: 'x'}\nentries: []\n"},
    {"b: 'x'\na: 1\n", "b: x\na: 1\n"},
    /* an alias never comes before its anchor, nor do two change places */
    {HEAD "entries:\n  - kind: security.policy\n    policy:\n"
          "      resources: &r [a]\n      actions: *r\n      effect: deny\n"
          "    name: x\n",
     HEAD "entries:\n  - name: x\n    kind: security.policy\n    policy:\n"
          "      resources: &r [a]\n      actions: *r\n      effect: deny\n"},
    {HEAD "entries:\n  - kind: security.policy\n    policy: &a x\n"
          "    meta: &a z\n    name: *a\n",
     NULL},
    {HEAD "entries:\n  - kind: security.policy\n    name: &a x\n"
          "  - *a\n",
     HEAD "entries:\n  - name: &a x\n    kind: security.policy\n\n  - *a\n"},
};

static const struct row comments[] = {
    {"# header\n\n# of a\na: 1\n", NULL},
    {"a: # one\n  # two\n  b: 1\n", "a:  # one\n  # two\n  b: 1\n"},
    {"a: 1 # one\n     # two\nb: 2\n", "a: 1  # one\n      # two\nb: 2\n"},
    {"a: # one\n  1 # two\n", "# two\na: 1  # one\n"},
    {"a:\n  - b\n  # foot\n# of c\nc: d\n# end\n", NULL},
    {"a:\n- b\n# of c\nc: d\n", "a:\n  - b\n# of c\nc: d\n"},
    {"a:\n  b:\n    c: d\n    # of c's\n  # of b's\n", NULL},
    {"a:\n  b:\n    c: d\n  # of b's\n    # too\n",
     "a:\n  b:\n    c: d\n  # of b's\n  # too\n"},
    {"a: [b, # one\n  c # two\n  # three\n]\n",
     "a:\n  - b  # one\n  - c  # two\n  # three\n"},
    {"a: [ # only\n]\n", "a: []  # only\n"},
    {"a: [\n  # only\n]\n", "# only\na: []\n"},
    {"a: | # why\n  text # no comment\n", "a: |  # why\n  text # no comment\n"},
    {"a: # 1\n   # 2\n  |\n  text\n", "# 1\n# 2\na: |\n  text\n"},
    {"- # a\n  b: 1\n-\n  # c\n  - 2\n", "# a\n- b: 1\n# c\n- - 2\n"},
    {"a: 'x # y' # z\nb: x#y\n", "a: \"x # y\"  # z\nb: x#y\n"},
    {"a:   #no blank  \t\n", "a:  #no blank\n"},
    {"a: &x # c\n  b: 1\n", "a: &x  # c\n  b: 1\n"},
    {"? a # c\n: b # d\n", "# d\na: b  # c\n"},
    {"# only\n---\n# words\n", "---\n# only\n# words\n"},
    {"x # c\n# d\n", "x  # c\n# d\n"},
};

static const struct row scalars[] = {
    /* plain where YAML 1.1 and 1.2 agree that it is a string */
    {"- 'a'\n- \"b c\"\n- 'x:y'\n- 'a#b'\n- \"10.0.0.0/8\"\n- 'wss://h/*'\n",
     "- a\n- b c\n- x:y\n- a#b\n- 10.0.0.0/8\n- wss://h/*\n"},
    {"- 'yes'\n- No\n- 'y'\n- on\n- '~'\n- ''\n- 'null'\n- 'True'\n",
     "- \"yes\"\n- \"No\"\n- \"y\"\n- \"on\"\n- \"~\"\n- \"\"\n- \"null\"\n"
     "- \"True\"\n"},
    {"- '1'\n- '1.0'\n- 1_000\n- 0b11\n- 12:30:00\n- 2001-01-01\n- '0x1F'\n"
     "- .inf\n- '.Inf'\n- '1e3'\n- 1.2.3.4:5\n- '+1'\n",
     "- \"1\"\n- \"1.0\"\n- \"1_000\"\n- \"0b11\"\n- \"12:30:00\"\n"
     "- \"2001-01-01\"\n- \"0x1F\"\n- .inf\n- \".Inf\"\n- \"1e3\"\n"
     "- \"1.2.3.4:5\"\n- \"+1\"\n"},
    {"- '*'\n- '&a'\n- '!a'\n- '- a'\n- '? a'\n- ': a'\n- 'a: b'\n- 'a:'\n"
     "- 'a #b'\n- ' a'\n- 'a '\n- '[a'\n- '{a'\n- '%a'\n- '@a'\n- '`a'\n"
     "- '#a'\n- '...'\n- '---'\n- '<<'\n- '='\n",
     "- \"*\"\n- \"&a\"\n- \"!a\"\n- \"- a\"\n- \"? a\"\n- \": a\"\n"
     "- \"a: b\"\n- \"a:\"\n- \"a #b\"\n- \" a\"\n- \"a \"\n- \"[a\"\n"
     "- \"{a\"\n- \"%a\"\n- \"@a\"\n- \"`a\"\n- \"#a\"\n- \"...\"\n- \"---\"\n"
     "- \"<<\"\n- \"=\"\n"},
    /* inside of brackets fewer are plain */
    {"a: ['b:c', 'd,e', 'f]', 'g?', h i]\n",
     "a: [\"b:c\", \"d,e\", \"f]\", \"g?\", h i]\n"},
    /* single quotes where double ones would need backslashes */
    {"- \"[a-z]+\\\\.x\"\n- '\"a\": b'\n- \"it's: \\\"x\\\"\"\n",
     "- '[a-z]+\\.x'\n- '\"a\": b'\n- \"it's: \\\"x\\\"\"\n"},
    {"- \"a\\tb\\x07\\u202e\\0\\U0001F600\"\n",
     "- \"a\\tb\\x07\\u202E\\x00\xF0\x9F\x98\x80\"\n"},
    {"- 'gr\xC3\xB6\xC3\x9F"
     "er'\n",
     "- gr\xC3\xB6\xC3\x9F"
     "er\n"},
    {"- a\n  b\n\n  c\n- \"a\n  b\"\n", "- \"a b\\nc\"\n- a b\n"},
    /* tags */
    {"- !!str  '1'\n- !t 'x'\n- !!int \"3\"\n- &a !t {b: c}\n",
     "- !!str '1'\n- !t 'x'\n- !!int \"3\"\n- &a !t {b: c}\n"},
    {"%TAG !e! tag:e,2000:\n---\n- !e!x y\n", NULL},
    /* literals and foldings keep what they say */
    {"a: |\n     one\n       two\n\n     three\n\n\nb: 1\n",
     "a: |\n  one\n    two\n\n  three\n\nb: 1\n"},
    {"a: |-\n one\nb: |+\n two\n\n\nc: >-\n three\n four\n\n\n five\n",
     "a: |-\n  one\nb: |+\n  two\n\n\nc: >-\n  three\n  four\n\n\n  five\n"},
    {"a: |3\n    one\n", "a: |2\n   one\n"},
    {"a: |\n  one", "a: |-\n  one\n"},
    {"a: |\nb: >\n\nc: |+\n\n", "a: \"\"\nb: \"\"\n\nc: |+\n\n"},
    {"- |\n a\n- - >\n   b\n   c\n", "- |\n  a\n- - >\n    b\n    c\n"},
    {"|\n root\n", "|\n  root\n"},
};

static const struct row shapes[] = {
    {"? [a, b]\n: c\n? {d: e}\n: - f\n? |\n  g\n: h\n",
     "? [a, b]\n: c\n? {d: e}\n: - f\n? |\n  g\n: h\n"},
    {"{a: 1, ? b : 2, c, \"d\":e, f: }\n", "a: 1\nb: 2\nc:\nd: e\nf:\n"},
    {"a: {b, c: , d: [e: f], ? g : h}\n", "a: {b, c, d: [{e: f}], g: h}\n"},
    {"a: [{? [b] : c}]\n", "a:\n  - ? [b]\n    : c\n"},
    {"- - - a\n    - b\n  - c\n-\n- {}\n- []\n",
     "- - - a\n    - b\n  - c\n-\n- {}\n- []\n"},
    {"a: &x\n- b\n-   &y\n    c: d\n- *y\n- *x : e\n", /* x inside itself */
     NULL},
    {"- &x a\n- {*x : b, c: *x}\n- *x : d\n",
     "- &x a\n- {*x : b, c: *x}\n- *x : d\n"},
    {"&x\na: !!null\nb: &y\n", "&x\na: !!null\nb: &y\n"},
    {"a: [&x , !!str , b]\n", "a: [&x , !!str , b]\n"},
    {"x: {name:: , b: 1}\nentries: []\n", NULL},
    {"---\n", "---\n"},
    {"~", "~\n"},
    {"[a,\nb]", "- a\n- b\n"},
    {"- ? a\n- ?\n  : b\n", "- a:\n- ?\n  : b\n"},
};

START_TEST(layouts) {
  unit_each(row, files) expect(row);
}
END_TEST

START_TEST(places_of_comments) {
  unit_each(row, comments) expect(row);
}
END_TEST

START_TEST(words) {
  unit_each(row, scalars) expect(row);
}
END_TEST

START_TEST(other_yaml) {
  unit_each(row, shapes) {
    struct buf out;
    struct err e;
    if (strstr(row->before, "*x : e")) {
      ck_assert_int_eq(format(&out, row->before, &mem_libc, &e), ERR_SYNTAX);
      buf_deinit(&out);
    } else {
      expect(row);
    }
  }
}
END_TEST

/* Exactly 80 columns stay, 81 become a block. */
START_TEST(eighty_columns) {
  for (int n = 60; n < 80; n++) {
    char text[256], want[256];
    snprintf(text, sizeof text, "a: [%0*d, b]\n", n, 0);
    snprintf(want, sizeof want, "a:\n  - %0*d\n  - b\n", n, 0);
    expect(&(struct row){text, n + 8 <= 80 ? text : want});
  }
  for (int n = 1000; n < 1030; n += 5) { /* keys libyaml cannot look past */
    char text[1100], out[1100];
    memset(text, 'k', sizeof text);
    memcpy(text, "? ", 2);
    snprintf(text + 2 + n, 8, "\n: v\n");
    memcpy(out, text + 2, (size_t)n);
    snprintf(out + n, 8, ": v\n");
    expect(&(struct row){text, n > 1000 ? NULL : out});
  }
}
END_TEST

START_TEST(refusals) {
  static const struct {
    const char *text;
    uint32_t line, column;
    const char *part;
  } rows[] = {
      {"", 1, 1, "empty"},
      {"# only words\n", 1, 1, "empty"},
      {"a: b\n\tc: d\n", 2, 1, "tab"},
      {"a: [b\n", 2, 1, "expected"},
      {"a: b: c\n", 1, 5, "inside of a value"},
      {"a: b\n---\nc: d\n", 2, 1, "second document"},
      {"a: *b\n", 1, 4, "alias"},
      {"a: \x01\n", 1, 4, "control"},
      {"a: \xFF\n", 1, 4, "UTF-8"},
  };
  unit_each(row, rows) {
    struct buf out;
    struct err e;
    ck_assert_int_eq(format(&out, row->text, &mem_libc, &e), ERR_SYNTAX);
    ck_assert_uint_eq(e.line, row->line);
    ck_assert_uint_eq(e.column, row->column);
    ck_assert_msg(strstr(e.message, row->part), "%s", e.message);
    ck_assert_uint_eq(out.len, 0);
    buf_deinit(&out);
  }
}
END_TEST

/* A list whose indentation would be larger than a policy file may be. */
START_TEST(bounds) {
  size_t len = 0, max = (size_t)1 << 20;
  char *text = malloc(max);
  struct buf out;
  struct err e = {.code = 0};

  for (int i = 0; i < 60; i++)
    text[len++] = '[';
  while (len < 250000) {
    /* each item with its comment: a line of its own, far to the right */
    memcpy(text + len, "a, #\n", 5);
    len += 5;
    if (len > 49000)
      break;
  }
  for (int i = 0; i < 60; i++)
    text[len++] = ']';
  text[len++] = '\n';
  buf_init(&out, &mem_libc, OUT_MAX);
  ck_assert_int_eq(format_text(&out, (struct slice){text, len},
                               &tree_limits_default, &mem_libc, &e),
                   ERR_UNSUPPORTED);
  ck_assert_msg(strstr(e.message, "larger"), "%s", e.message);
  ck_assert_uint_eq(out.len, 0);
  buf_deinit(&out);
  buf_init(&out, &mem_libc, 3);
  ck_assert_int_eq(
      format_text(&out, SLICE("abcdef"), &tree_limits_default, &mem_libc, &e),
      ERR_FULL);
  ck_assert_int_eq(e.code, ERR_FULL);
  buf_deinit(&out);
  free(text);
}
END_TEST

START_TEST(no_memory) {
  const char *text = files[6].before;
  size_t n = 0;
  int rv = ERR_NOMEM;

  for (; rv == ERR_NOMEM; n++) {
    struct failing_mem fm;
    struct buf out;
    struct err e;
    failing_mem_init(&fm, n);
    rv = format(&out, text, &fm.mem, &e);
    ck_assert_msg(rv == 0 || rv == ERR_NOMEM, "%zu: %s", n, e.message);
    ck_assert_int_eq(e.code, rv);
    if (rv != 0)
      ck_assert_uint_eq(out.len, 0);
    buf_deinit(&out);
    ck_assert_uint_eq(fm.live_bytes, 0);
  }
  ck_assert_uint_gt(n, 20);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("format");
  TCase *tc = tcase_create("format");

  tcase_add_test(tc, layouts);
  tcase_add_test(tc, places_of_comments);
  tcase_add_test(tc, words);
  tcase_add_test(tc, other_yaml);
  tcase_add_test(tc, eighty_columns);
  tcase_add_test(tc, refusals);
  tcase_add_test(tc, bounds);
  tcase_add_test(tc, no_memory);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
