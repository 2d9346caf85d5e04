/* check_expr.c - expressions: what compiles, what they come to, where and why
 * they fail, and their bounds. */
#include "tests/unit.h"

#include "policy/expr.h"
#include "runtime/base/json.h"

static const char actor_meta[] =
    "{\"role\":\"Reader\",\"level\":3,\"tags\":[\"a\",\"b\",3],\"admin\":false,"
    "\"deep\":{\"x\":{\"y\":\"z\"}},\"nothing\":null,\"a-b\":1,\"big\":"
    "9007199254740993,\"half\":0.5,\"bad\":\"a\\u0000b\"}";
static const char meta[] =
    "{\"owner\":\"user:1\",\"public\":true,\"n\":3,\"text\":\"3\",\"list\":[],"
    "\"map\":{\"a\":1},\"host\":\"evil.example\",\"in\":\"in\"}";

struct fixture {
  struct arena arena;
  struct regex_pool regexes;
  struct value actor;
  struct value meta;
  struct facts facts;
};

static void fixture_init(struct fixture *f, const struct mem *m) {
  struct err e;

  memset(f, 0, sizeof *f);
  arena_init(&f->arena, m, SIZE_MAX);
  ck_assert_int_eq(json_parse(&f->actor, slice_of(actor_meta), &f->arena, &e),
                   0);
  ck_assert_int_eq(json_parse(&f->meta, slice_of(meta), &f->arena, &e), 0);
  f->facts.actor_id = SLICE("user:1");
  f->facts.actor_meta = &f->actor;
  f->facts.action = SLICE("read");
  f->facts.resource = SLICE("document:1");
  f->facts.meta = &f->meta;
}

static void fixture_deinit(struct fixture *f) {
  regex_pool_deinit(&f->regexes);
  arena_deinit(&f->arena);
}

static const struct expr_place place = {7, 20};

static const struct expr *compile(struct fixture *f, const char *text) {
  const struct expr *x = NULL;
  struct err e;

  ck_assert_msg(
      expr_compile(&x, slice_of(text), place, &f->regexes, &f->arena, &e) == 0,
      "%s: %s at %u", text, e.message, e.column);
  return x;
}

#define T OUTCOME_TRUE
#define F OUTCOME_FALSE

static const struct {
  const char *text;
  enum outcome outcome;
} cases[] = {
    {"true", T},
    {"false", F},
    {" ( ( true ) ) ", T},
    {"!false", T},
    {"!!true", T},
    {"not not true", T},
    {"not (1 == 2)", T},
    {"!(1 == 2) && !(2 == 1)", T},
    {"actor.id == meta.owner || (action == \"read\" && meta.public == true)",
     T},
    {"actor.id == 'user:2' or action == \"write\"", F},
    {"meta.public", T},
    {"meta.public && !actor.meta.admin", T},
    {"actor.meta.admin", F},
    {"true || false && false", T}, /* and binds closer */
    {"(true || false) && false", F},
    {"false and true or true", T},
    /* numbers by value, exactly */
    {"meta.n == 3", T},
    {"meta.n == 3.0", T},
    {"meta.n != 3", F},
    {"meta.text == 3", F}, /* no conversion */
    {"meta.text != 3", T},
    {"meta.text == '3'", T},
    {"actor.meta.big == 9007199254740993", T},
    {"actor.meta.big == 9007199254740992", F},
    {"actor.meta.big == 9007199254740992.0", F},
    {"actor.meta.big > 9007199254740992.0", T},
    {"9007199254740992.0 < actor.meta.big", T},
    {"9223372036854775807 < 9223372036854775808.0", T},
    {"-9223372036854775808 >= -9223372036854775808.0", T},
    {"-3 < 2", T},
    {"actor.meta.half < 1", T},
    {"1 > actor.meta.half", T},
    {"-1 < -0.5", T},
    {"-0.0 == 0", T},
    {"1.5e3 == 1500", T},
    {"3 <= 3 && 3 >= 3 && !(3 < 3) && !(3 > 3)", T},
    /* strings by bytes */
    {"'a' < 'b'", T},
    {"'' < 'a'", T},
    {"'B' < 'a'", T},
    {"'\\u00e9' > 'z'", T},
    {"\"\\ud83d\\ude00\" == '\xF0\x9F\x98\x80'", T},
    {"'a\\n\\t\\r\\/\\\\\\'\\\"' == \"a\\n\\t\\r/\\\\'\\\"\"", T},
    {"actor.meta.bad contains '\\u0000'", T},
    {"true == true", T},
    {"true == 1", F},
    {"(1 == 1) == (2 == 2)", T},
    {"[1, 'a'] == [1.0, 'a']", T},
    {"[1, 2] == [2, 1]", F},
    {"actor.meta.tags == ['a', 'b', 3]", T},
    {"meta.map == meta.map", T},
    /* membership */
    {"meta.n in [1, 2, 3]", T},
    {"meta.n not in [1, 2, 3]", F},
    {"'x' not in []", T},
    {"'a' in actor.meta.tags", T},
    {"actor.id in [meta.owner, 'x']", T},
    {"actor.id in ['x', meta.owner]", T},
    {"'y' in [meta.owner, lower(action), len(meta.list)]", F},
    {"0 in [meta.owner, len(meta.list)]", T},
    {"true in [1 == 1]", F - 2}, /* refused: items are no comparisons */
    {"true in [(1 == 1)]", T},
    {"actor.meta.tags contains 'b'", T},
    {"actor.meta.tags contains '3'", F},
    {"resource contains 'ment'", T},
    {"resource contains ''", T},
    {"'' contains 'a'", F},
    {"resource startsWith 'document:'", T},
    {"resource endsWith ':1'", T},
    {"resource startsWith 'document:11'", F},
    {"resource endsWith ''", T},
    /* functions */
    {"has(meta.owner)", T},
    {"has(meta.missing)", F},
    {"has(meta.owner.x)", F},
    {"has(actor.meta.nothing)", F}, /* null is missing */
    {"has(actor.meta)", T},
    {"has(actor.meta.deep.x.y)", T},
    {"!has(url.host)", T},
    {"len(resource) == 10", T},
    {"len(actor.meta.tags) == 3", T},
    {"len(meta.map) == 1 and len(meta.list) == 0", T},
    {"lower(actor.meta.role) == 'reader'", T},
    {"'reader' == lower(actor.meta.role)", T},
    {"lower(actor.meta.role) == 'Reader'", F},
    {"lower(actor.meta.role) in ['x', 'reader']", T},
    {"lower(actor.meta.role) contains 'rea'", T},
    {"'a reader' contains lower(actor.meta.role)", T},
    {"'A READER' contains lower(actor.meta.role)", F},
    {"lower(actor.meta.role) startsWith 'read'", T},
    {"lower(actor.meta.role) endsWith 'ader'", T},
    {"lower(actor.meta.role) < 's' && lower(actor.meta.role) > 'q'", T},
    {"lower(actor.meta.role) matches '^reader$'", T},
    {"lower(actor.meta.role) == lower(actor.meta.role)", T},
    {"actor.meta.role matches '^R.*r$'", T},
    {"actor.meta.role matches 'ead'", T}, /* anywhere */
    {"actor.meta.role matches 'x'", F},
    /* nil: missing and null are the same */
    {"meta.missing == nil", T},
    {"nil == actor.meta.nothing", T},
    {"meta.owner != nil", T},
    {"meta.owner == nil", F},
    {"meta.missing.deeper == nil", T},
    {"nil == nil", T},
    {"1 != nil", T},
    {"(1 == 1) != nil", T},
    /* paths */
    {"actor[\"meta\"][\"a-b\"] == 1", T},
    {"actor.meta['deep'].x[\"y\"] == 'z'", T},
    {"meta.in == 'in'", T},
    {"meta . public", T},
    /* left to right, no further than needed */
    {"true || meta.missing", T},
    {"false && meta.missing", F},
    {"has(meta.missing) && meta.missing > 3", F},
    {"'x' in ['x', meta.missing]", T},
    {"true\n  and\n\ttrue\r\n", T},
};

START_TEST(evaluates) {
  struct fixture f;

  fixture_init(&f, &mem_libc);
  unit_each(row, cases) {
    const struct expr *x;
    struct fault fault;
    struct err e;
    int rv =
        expr_compile(&x, slice_of(row->text), place, &f.regexes, &f.arena, &e);
    if (row->outcome == F - 2) {
      ck_assert_msg(rv == ERR_SYNTAX, "%s compiles", row->text);
      continue;
    }
    if (!regex_supported() && strstr(row->text, "matches"))
      continue;
    ck_assert_msg(rv == 0, "%s: %s", row->text, e.message);
    ck_assert_msg(expr_eval(x, &f.facts, &fault) == row->outcome,
                  "%s is not %d", row->text, row->outcome);
    ck_assert_int_eq(fault.kind, FAULT_NONE);
  }
  fixture_deinit(&f);
}
END_TEST

static const struct {
  const char *text;
  const char *fault;
  uint32_t column; /* from 1, of the text */
} faults[] = {
    {"meta.missing == 1", "meta.missing is missing", 1},
    {"1 == meta.missing", "meta.missing is missing", 6},
    {"true && meta['x'].y != 'a'", "meta['x'].y is missing", 9},
    {"meta.missing == meta.missing", "meta.missing is missing", 1},
    {"meta.missing", "meta.missing is missing", 1},
    {"!meta.missing", "meta.missing is missing", 2},
    {"actor.meta.nothing == 1", "actor.meta.nothing is missing", 1},
    {"'y' in ['x', meta.missing]", "meta.missing is missing", 14},
    {"len(meta.missing) == nil", "meta.missing is missing", 1},
    {"lower(meta.n) == 'a'", "meta.n is a number, 'lower()' takes a string", 1},
    {"len(meta.n) == 1",
     "meta.n is a number, 'len()' takes a string, a list or a map", 1},
    {"url.host == 'a'", "url.host is missing", 1},
    {"meta.owner", "meta.owner is a string, 'expression' takes a boolean", 1},
    {"true and meta.n", "meta.n is a number, 'expression' takes a boolean", 10},
    {"meta.owner < 3",
     "meta.owner is a string, '<' takes two numbers or two strings", 1},
    {"3 >= meta.owner",
     "meta.owner is a string, '>=' takes two numbers or two strings", 1},
    {"meta.public > true == false", NULL, 0},
    {"meta.public > meta.n",
     "meta.public is a boolean, '>' takes two numbers or two strings", 1},
    {"'a' in meta.owner", "meta.owner is a string, 'in' takes a list", 1},
    {"'a' not in meta.map", "meta.map is a map, 'not in' takes a list", 1},
    {"meta.n contains 3",
     "meta.n is a number, 'contains' takes a string or a list", 1},
    {"meta.owner contains meta.n",
     "meta.n is a number, 'contains' takes a string in a string", 1},
    {"meta.n startsWith 'a'",
     "meta.n is a number, 'startsWith' takes two strings", 1},
    {"meta.owner endsWith meta.n",
     "meta.n is a number, 'endsWith' takes two strings", 1},
    {"meta.n matches 'a'", "meta.n is a number, 'matches' takes a string", 1},
};

START_TEST(fails_with_a_reason) {
  struct fixture f;

  fixture_init(&f, &mem_libc);
  unit_each(row, faults) {
    const struct expr *x;
    struct fault fault;
    struct buf out;
    if (!row->fault || (!regex_supported() && strstr(row->text, "matches")))
      continue;
    x = compile(&f, row->text);
    ck_assert_msg(expr_eval(x, &f.facts, &fault) == OUTCOME_ERROR,
                  "%s is no error", row->text);
    buf_init(&out, &mem_libc, 1024);
    ck_assert_int_eq(fault_write(&fault, &out), 0);
    ck_assert_slice_eq(buf_slice(&out), row->fault);
    ck_assert_uint_eq(fault.line, place.line);
    ck_assert_msg(fault.column == place.column + row->column - 1,
                  "%s: fails at %u", row->text,
                  fault.column - place.column + 1);
    buf_deinit(&out);
  }
  fixture_deinit(&f);
}
END_TEST

static const struct {
  const char *text;
  uint32_t column;
  const char *message;
} bad[] = {
    {"", 1,
     "expression is empty, expected one such as actor.meta.role == \"admin\""},
    {"  ", 1,
     "expression is empty, expected one such as actor.meta.role == \"admin\""},
    {"1", 1, "expression is a number, expected a boolean"},
    {"'a'", 1, "expression is a string, expected a boolean"},
    {"nil", 1, "expression is nil, expected a boolean"},
    {"[true]", 1, "expression is a list, expected a boolean"},
    {"action", 1, "expression is a string, expected a boolean"},
    {"len(meta.a)", 1, "expression is a number, expected a boolean"},
    {"true && 1", 9, "operand of '&&' is a number, expected a boolean"},
    {"action || true", 1, "operand of '||' is a string, expected a boolean"},
    {"!'a'", 2, "operand of '!' is a string, expected a boolean"},
    {"!meta.a == meta.b", 9,
     "'!' or 'not' before a comparison, expected parentheses: '!(a == b)'"},
    {"not meta.a in [1]", 12,
     "'!' or 'not' before a comparison, expected parentheses: '!(a in b)'"},
    {"!!meta.a != 3", 10,
     "'!' or 'not' before a comparison, expected parentheses: '!(a != b)'"},
    {"1 < 2 < 3", 7, "second comparison, expected '&&', '||' or parentheses"},
    {"meta.a = 1", 8, "'=', expected '=='"},
    {"true & true", 6, "'&', expected '&&'"},
    {"true | true", 6, "'|', expected '||'"},
    {"meta.a-b == 1", 7,
     "'-' is no operator; an attribute with such a name is written "
     "meta[\"a-b\"]"},
    {"meta.a == $x", 11,
     "unexpected '$', expected an operator such as == or &&, a value or an "
     "attribute"},
    {"1 + 1", 3, "'+' is no operator, expected a comparison"},
    {"meta.a == \xC3\xA9", 11,
     "character outside of ASCII, expected it in a string"},
    {"meta.a == 'x", 11, "string without an end, expected '"},
    {"meta.a == 'x\\'", 11, "string without an end, expected '"},
    {"meta.a == 'x\\q'", 13, NULL},
    {"meta.a == '\\u12'", 12, NULL},
    {"meta.a == '\\ud800'", 12, NULL},
    {"meta.a == '\\udc00'", 12, NULL},
    {"meta.a == 'a\nb'", 13,
     "control character in a string, expected an escape"},
    {"meta.a == 01", 11, "bad number, expected one like 12, -3 or 1.5e3"},
    {"meta.a == 1x", 11, "bad number, expected one like 12, -3 or 1.5e3"},
    {"meta.a == 1.", 11, "bad number, expected one like 12, -3 or 1.5e3"},
    {"meta.a == 9223372036854775808", 11,
     "number out of range, expected a 64-bit integer"},
    {"meta.a == 1e999", 11, "bad number, expected one like 12, -3 or 1.5e3"},
    {"true true", 6, "unexpected 'true', expected an operator or the end"},
    {"true adn true", 6, "unknown operator 'adn', expected 'and'"},
    {"action startswith 'a'", 8,
     "unknown operator 'startswith', expected 'startsWith'"},
    {"true &&", 8, "expression ends, expected a value, an attribute or '('"},
    {"(true", 6, "expression ends, expected ')'"},
    {"true)", 5, "unexpected ')', expected an operator or the end"},
    {"meta.a in [1, 2", 16, "expression ends, expected ',' or ']'"},
    {"meta.a in [1 2]", 14, "unexpected '2', expected ',' or ']'"},
    {"meta.a in [,]", 12,
     "unexpected ',', expected a value, an attribute or '('"},
    {"meta.a in [nil]", 12, "nil in a list, expected a value"},
    {"meta.a in [[meta.b]]", 12,
     "list with attributes in it, expected it right of 'in'"},
    {"meta.a == [meta.b]", 11,
     "list with attributes in it, expected it right of 'in'"},
    {"[meta.b] contains meta.a", 1,
     "list with attributes in it, expected it right of 'in'"},
    {"meta.a not 3", 12, "unexpected '3', expected 'in' behind 'not'"},
    {"meta.a < nil", 10, "'<' with nil, expected '== nil' or '!= nil'"},
    {"nil in [1]", 1, "'in' with nil, expected '== nil' or '!= nil'"},
    {"meta.a < true", 10,
     "'<' with a boolean, expected two numbers or two strings"},
    {"'a' < 3", 7, "'<' with a number, expected two numbers or two strings"},
    {"action >= 3", 11,
     "'>=' with a number, expected two numbers or two strings"},
    {"'a' in 'abc'", 8, "'in' with a string, expected a list on the right"},
    {"3 contains 3", 1,
     "'contains' with a number, expected a string or a list on the left"},
    {"action contains 3", 17,
     "'contains' with a number, expected a string in a string"},
    {"action startsWith 3", 19,
     "'startsWith' with a number, expected two strings"},
    {"3 endsWith action", 1, "'endsWith' with a number, expected two strings"},
    {"3 matches 'a'", 1,
     "'matches' with a number, expected a string on the left"},
    {"meta.a matches meta.b", 16,
     "'matches' without a string in quotes on the right: regular expressions "
     "are compiled when the policy is loaded"},
    {"user.id == 1", 1, NULL},
    {"mta.a == 1", 1, "unknown name 'mta', expected 'meta'"},
    {"null == meta.a", 1, "unknown name 'null', expected 'nil'"},
    {"hass(meta.a)", 1, "unknown function 'hass', expected 'has'"},
    {"upper(meta.a) == 'A'", 1, NULL},
    {"has('a')", 5, "has() takes an attribute, like meta.owner"},
    {"len(meta.a == 1", 12, "unexpected '==', expected ')'"},
    {"has meta.a", 5, "unexpected 'meta', expected '('"},
    {"actor == 1", 1,
     "'actor' is no attribute, expected actor.id or actor.meta.NAME"},
    {"actor.idd == 1", 1, "unknown field 'actor.idd', expected 'actor.id'"},
    {"actor.id.x == 1", 1, "'actor.id' is a string and has no 'x'"},
    {"meta == 1", 1, "'meta' is no attribute, expected meta.NAME"},
    {"url.hots == 'a'", 1, "unknown field 'url.hots', expected 'url.host'"},
    {"url.host.x == 'a'", 1, "'url.host' has no 'x'"},
    {"meta. == 1", 7, "unexpected '==', expected a name"},
    {"meta[1] == 1", 6,
     "unexpected '1', expected a name in quotes, like [\"a-b\"]"},
    {"meta['a' == 1", 10, "unexpected '==', expected ']'"},
};

START_TEST(places_mistakes) {
  struct fixture f;

  fixture_init(&f, &mem_libc);
  unit_each(row, bad) {
    const struct expr *x = NULL;
    struct guard g;
    struct err e;
    int rv;
    guard_init_str(&g, row->text);
    rv = expr_compile(&x, guard_slice(&g), place, &f.regexes, &f.arena, &e);
    guard_deinit(&g);
    ck_assert_msg(rv == ERR_SYNTAX, "%s gives %d", row->text, rv);
    ck_assert_ptr_null(x);
    ck_assert_msg(e.column == row->column, "%s: at %u: %s", row->text, e.column,
                  e.message);
    if (row->message)
      ck_assert_str_eq(e.message, row->message);
  }
  fixture_deinit(&f);
}
END_TEST

START_TEST(refuses_bad_regexes) {
  struct fixture f;
  const struct expr *x;
  struct err e;

  fixture_init(&f, &mem_libc);
  ck_assert_int_eq(expr_compile(&x, SLICE("action matches '('"), place,
                                &f.regexes, &f.arena, &e),
                   ERR_SYNTAX);
  ck_assert_uint_eq(e.column, 16);
  ck_assert(strstr(e.message, regex_supported() ? "bad regular expression '('"
                                                : "built without RE2"));
  if (regex_supported()) {
    ck_assert_int_eq(
        expr_compile(&x, SLICE("action matches '(\\\\pL{1000}){1000}'"), place,
                     &f.regexes, &f.arena, &e),
        ERR_SYNTAX);
  }
  fixture_deinit(&f);
}
END_TEST

/* --------------------------------------------------------------- bounds --- */

/* |n| times |piece| between two ends; 0 or the error */
static int repeated(const char *before, const char *piece, size_t n,
                    const char *after) {
  struct fixture f;
  const struct expr *x;
  struct fault fault;
  struct buf b;
  struct err e;
  int rv;

  fixture_init(&f, &mem_libc);
  buf_init(&b, &mem_libc, 1 << 16);
  ck_assert_int_eq(buf_adds(&b, before), 0);
  while (n-- > 0)
    ck_assert_int_eq(buf_adds(&b, piece), 0);
  ck_assert_int_eq(buf_adds(&b, after), 0);
  rv = expr_compile(&x, buf_slice(&b), place, &f.regexes, &f.arena, &e);
  if (rv == 0)
    ck_assert_int_ne(expr_eval(x, &f.facts, &fault), OUTCOME_ERROR);
  buf_deinit(&b);
  fixture_deinit(&f);
  return rv;
}

START_TEST(keeps_its_bounds) {
  ck_assert_int_eq(repeated("true", " ", EXPR_MAX_BYTES - 4, ""), 0);
  ck_assert_int_eq(repeated("true", " ", EXPR_MAX_BYTES - 3, ""), ERR_SYNTAX);
  /* each operand and each operator is a node */
  ck_assert_int_eq(repeated("", "true&&", 255, "true"), 0);
  ck_assert_int_eq(repeated("", "true&&", 256, "true"), ERR_SYNTAX);
  ck_assert_int_eq(repeated("1 in [", "1,", 255, "1]"), 0);
  ck_assert_int_eq(repeated("1 in [", "1,", 256, "1]"), ERR_SYNTAX);
  for (size_t n = 30; n <= 34; n++) {
    char after[80] = "true";
    memset(after + 4, ')', n);
    after[4 + n] = '\0';
    ck_assert_int_eq(repeated("", "(", n, after), n <= 32 ? 0 : ERR_SYNTAX);
    ck_assert_int_eq(repeated("", "!", n, "true"), n <= 32 ? 0 : ERR_SYNTAX);
    memset(after, ']', n);
    after[n] = '\0';
    ck_assert_int_eq(repeated("1 in ", "[", n, after),
                     n <= 32 ? 0 : ERR_SYNTAX);
  }
  ck_assert_int_eq(repeated("", "(", 4000, ""), ERR_SYNTAX);
  ck_assert_int_eq(repeated("", "!", 4000, ""), ERR_SYNTAX);
  ck_assert_int_eq(repeated("has(meta", ".a", 31, ")"), 0);
  ck_assert_int_eq(repeated("has(meta", ".a", 32, ")"), ERR_SYNTAX);
}
END_TEST

/* A request can be as large as it likes; it only costs so much. */
START_TEST(stops_after_its_steps) {
  static const struct {
    const char *text;
    size_t items;
    enum outcome outcome;
  } rows[] = {
      {"'x' in meta.items", 9000, OUTCOME_FALSE},
      {"'x' in meta.items", 10001, OUTCOME_ERROR},
      {"'x' in meta.items", 9990, OUTCOME_FALSE},
      {"'y' in meta.items", 10001, OUTCOME_TRUE}, /* the first */
      {"meta.items == meta.items", 4900, OUTCOME_TRUE},
      {"meta.items == meta.items", 10001, OUTCOME_ERROR},
      {"'x' in meta.items || has(action)", 10001, OUTCOME_ERROR},
      {"has(action) || 'x' in meta.items", 10001, OUTCOME_TRUE},
  };
  unit_each(row, rows) {
    struct value *items = calloc(row->items, sizeof *items);
    struct value_member member = {.key = SLICE("items")};
    struct value m = {.type = VALUE_MAP};
    struct fixture f;
    struct fault fault;
    const struct expr *x;
    for (size_t i = 0; i < row->items; i++)
      items[i] = (struct value){.type = VALUE_STRING, .as.string = SLICE("y")};
    member.value = (struct value){.type = VALUE_LIST};
    member.value.as.list.items = items;
    member.value.as.list.len = row->items;
    m.as.map.members = &member;
    m.as.map.len = 1;
    fixture_init(&f, &mem_libc);
    f.facts.meta = &m;
    x = compile(&f, row->text);
    ck_assert_msg(expr_eval(x, &f.facts, &fault) == row->outcome, "%s of %zu",
                  row->text, row->items);
    if (row->outcome == OUTCOME_ERROR)
      ck_assert_int_eq(fault.kind, FAULT_STEPS);
    fixture_deinit(&f);
    free(items);
  }
}
END_TEST

START_TEST(bounds_long_texts) {
  static char text[2 << 20];
  static const struct {
    const char *text;
    size_t len;
    enum fault_kind kind;
  } rows[] = {
      {"meta.t contains 'b'", 100000, FAULT_NONE},
      {"meta.t contains 'b'", 2 << 20, FAULT_STEPS},
      {"meta.t == meta.t", 2 << 20, FAULT_STEPS},
      {"lower(meta.t) contains 'aaaaaaaaaaaaaaaab'", 2000, FAULT_NONE},
      {"lower(meta.t) contains 'aaaaaaaaaaaaaaaab'", 100000, FAULT_STEPS},
      {"meta.t matches 'b'", 30000, FAULT_NONE},
      {"meta.t matches 'b'", 100000, FAULT_STEPS},
      /* the more instructions, the fewer bytes */
      {"meta.t matches '[AB]*A[AB]{150}[AB]{150}[AB]{150}c'", 2000, FAULT_NONE},
      {"meta.t matches '[AB]*A[AB]{150}[AB]{150}[AB]{150}c'", 4000,
       FAULT_STEPS},
      {"lower(meta.t) matches 'b'", 4096, FAULT_NONE},
      {"lower(meta.t) matches 'b'", 4097, FAULT_TOO_LONG},
  };
  memset(text, 'A', sizeof text);
  unit_each(row, rows) {
    struct value_member member = {
        .key = SLICE("t"),
        .value = {.type = VALUE_STRING, .as.string = {text, row->len}}};
    struct value m = {.type = VALUE_MAP};
    struct fixture f;
    struct fault fault;
    if (!regex_supported() && strstr(row->text, "matches"))
      continue;
    m.as.map.members = &member;
    m.as.map.len = 1;
    fixture_init(&f, &mem_libc);
    f.facts.meta = &m;
    expr_eval(compile(&f, row->text), &f.facts, &fault);
    ck_assert_msg(fault.kind == row->kind, "%s of %zu: %d", row->text, row->len,
                  fault.kind);
    fixture_deinit(&f);
  }
}
END_TEST

/* One bad byte must not hide a text from a deny. */
START_TEST(matches_text_only) {
  struct fixture f;
  struct fault fault;

  if (!regex_supported())
    return;
  fixture_init(&f, &mem_libc);
  f.facts.resource = SLICE("\xFF"
                           "evil");
  ck_assert_int_eq(
      expr_eval(compile(&f, "resource matches 'evil'"), &f.facts, &fault),
      OUTCOME_ERROR);
  ck_assert_int_eq(fault.kind, FAULT_NOT_UTF8);
  fixture_deinit(&f);
}
END_TEST

/* What the guards say about the URL is above what the caller says. */
START_TEST(asks_about_the_url) {
  static const struct {
    const char *text;
    enum outcome outcome;
  } rows[] = {
      {"url.host == 'h.example' and meta.host == url.host", OUTCOME_TRUE},
      {"url.port == 8443 && meta.port == 8443", OUTCOME_TRUE},
      {"url.scheme == 'wss' && meta.tls", OUTCOME_TRUE},
      {"url.path == '/p' && url.query == ''", OUTCOME_TRUE},
      {"meta.host.x == nil", OUTCOME_TRUE},
      {"meta.ip == nil", OUTCOME_TRUE},
      {"meta.owner == 'user:1'", OUTCOME_TRUE},
  };
  struct fixture f;
  struct fault fault;
  struct url url;
  struct ip ip = {.family = 4, .bytes = {10, 0, 0, 1}};

  fixture_init(&f, &mem_libc);
  ck_assert_int_eq(url_parse(&url, SLICE("wss://H.example:8443/p"), NULL, NULL),
                   0);
  f.facts.url = &url;
  unit_each(row, rows) ck_assert_msg(
      expr_eval(compile(&f, row->text), &f.facts, &fault) == row->outcome, "%s",
      row->text);
  f.facts.ip = &ip;
  f.facts.port = 443;
  strcpy(f.facts.ip_text, "10.0.0.1");
  ck_assert_int_eq(
      expr_eval(compile(&f, "meta.ip == '10.0.0.1' && meta.class == 'private' "
                            "&& meta.port == 443 && url.port == 8443"),
                &f.facts, &fault),
      OUTCOME_TRUE);
  fixture_deinit(&f);
}
END_TEST

START_TEST(says_what_is_false) {
  static const struct {
    const char *text;
    const char *words;
  } rows[] = {
      {"actor.id == meta.text",
       "actor.id == meta.text is false (actor.id is \"user:1\", meta.text is "
       "\"3\")"},
      {"true && (meta.n == 3) && meta.n > 4 && false",
       "meta.n > 4 is false (meta.n is 3)"},
      {"has(meta.x) || meta.n in [1, 2]",
       "has(meta.x) || meta.n in [1, 2] is false (meta.x is missing, meta.n is "
       "3)"},
      {"false", "false is false"},
      {"!(meta.public)", "!(meta.public) is false (meta.public is true)"},
      {"actor.meta.tags == [1]",
       "actor.meta.tags == [1] is false (actor.meta.tags is [a, b, 3])"},
  };
  struct fixture f;

  fixture_init(&f, &mem_libc);
  unit_each(row, rows) {
    struct buf out;
    buf_init(&out, &mem_libc, 4096);
    ck_assert_int_eq(expr_write_miss(compile(&f, row->text), &f.facts, &out),
                     0);
    ck_assert_slice_eq(buf_slice(&out), row->words);
    buf_deinit(&out);
  }
  fixture_deinit(&f);
}
END_TEST

START_TEST(survives_failing_memory) {
  size_t refused = 0;

  unit_each(row, cases) {
    int rv = ERR_NOMEM;
    if (!regex_supported() && strstr(row->text, "matches"))
      continue;
    for (size_t n = 0; rv == ERR_NOMEM; n++) {
      struct failing_mem fm;
      struct regex_pool regexes = {NULL};
      const struct expr *x;
      struct arena a;
      struct err e;
      failing_mem_init(&fm, n);
      arena_init(&a, &fm.mem, SIZE_MAX);
      rv = expr_compile(&x, slice_of(row->text), place, &regexes, &a, &e);
      ck_assert_int_eq(rv, fm.refused              ? ERR_NOMEM
                           : row->outcome == F - 2 ? ERR_SYNTAX
                                                   : 0);
      refused += fm.refused;
      regex_pool_deinit(&regexes);
      arena_deinit(&a);
      ck_assert_uint_eq(fm.live_bytes, 0);
    }
  }
  ck_assert_uint_gt(refused, unit_len(cases) - 10);
}
END_TEST

int main(void) {
  Suite *s = suite_create("expr");
  TCase *tc = tcase_create("expr");

  tcase_add_test(tc, evaluates);
  tcase_add_test(tc, fails_with_a_reason);
  tcase_add_test(tc, places_mistakes);
  tcase_add_test(tc, refuses_bad_regexes);
  tcase_add_test(tc, keeps_its_bounds);
  tcase_add_test(tc, stops_after_its_steps);
  tcase_add_test(tc, bounds_long_texts);
  tcase_add_test(tc, matches_text_only);
  tcase_add_test(tc, asks_about_the_url);
  tcase_add_test(tc, says_what_is_false);
  tcase_add_test(tc, survives_failing_memory);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
