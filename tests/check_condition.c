/* check_condition.c - fourteen operators over every type, missing attributes,
 * and the words for what does not hold. */
#include "tests/unit.h"

#include "policy/condition.h"
#include "runtime/base/json.h"

static const char actor_meta[] =
    "{\"role\":\"guest\",\"level\":3,\"tags\":[\"a\",\"b\",3],\"admin\":false,"
    "\"deep\":{\"x\":{\"y\":\"z\"}},\"nothing\":null,\"half\":0.5}";
static const char meta[] =
    "{\"owner\":\"user:1\",\"n\":3.0,\"text\":\"3\",\"list\":[[1],{\"a\":1}],"
    "\"map\":{\"a\":1}}";

struct fixture {
  struct arena arena;
  struct regex_pool regexes;
  struct value actor;
  struct value meta;
  struct facts facts;
};

static void fixture_init(struct fixture *f) {
  struct err e;

  memset(f, 0, sizeof *f);
  arena_init(&f->arena, &mem_libc, SIZE_MAX);
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

/* |value| is JSON, "@path" for value_from, or NULL for none. */
static int make(struct fixture *f, struct condition *c, const char *field,
                const char *op, const char *value, struct err *e) {
  struct value v;
  int rv;

  memset(c, 0, sizeof *c);
  c->line = 4;
  c->column = 9;
  if ((rv = field_parse(&c->field, slice_of(field), &f->arena, e)) != 0 ||
      (rv = condition_op_find(slice_of(op), &c->op)) != 0)
    return rv;
  if (value && *value == '@')
    return condition_set_value_from(c, slice_of(value + 1), &f->arena, e);
  if (!value)
    return condition_set_value(c, NULL, &f->regexes, &f->arena, e);
  if ((rv = json_parse(&v, slice_of(value), &f->arena, e)) != 0)
    return rv;
  return condition_set_value(c, &v, &f->regexes, &f->arena, e);
}

#define T OUTCOME_TRUE
#define F OUTCOME_FALSE
#define E OUTCOME_ERROR

static const struct {
  const char *field;
  const char *op;
  const char *value;
  enum outcome outcome;
  const char *fault;
} cases[] = {
    {"actor.id", "eq", "\"user:1\"", T, NULL},
    {"actor.id", "eq", "@meta.owner", T, NULL},
    {"actor.id", "ne", "@meta.owner", F, NULL},
    {"action", "eq", "\"read\"", T, NULL},
    {"resource", "eq", "\"document:2\"", F, NULL},
    {"actor.meta.deep.x.y", "eq", "\"z\"", T, NULL},
    {"actor.meta.deep.x", "eq", "{\"y\":\"z\"}", T, NULL},
    {"actor.meta.level", "eq", "3.0", T, NULL},
    {"meta.n", "eq", "3", T, NULL},
    {"meta.n", "eq", "@actor.meta.level", T, NULL},
    {"meta.text", "eq", "3", F, NULL},
    {"meta.text", "ne", "3", T, NULL},
    {"actor.meta.admin", "eq", "false", T, NULL},
    {"actor.meta.admin", "eq", "0", F, NULL},
    {"actor.meta.tags", "eq", "[\"a\",\"b\",3]", T, NULL},
    {"actor.meta.tags", "ne", "[\"a\",\"b\"]", T, NULL},
    {"actor.meta.level", "lt", "4", T, NULL},
    {"actor.meta.level", "lt", "3", F, NULL},
    {"actor.meta.level", "lte", "3", T, NULL},
    {"actor.meta.level", "gt", "2.5", T, NULL},
    {"actor.meta.level", "gte", "3.5", F, NULL},
    {"actor.meta.role", "gt", "\"a\"", T, NULL},
    {"actor.meta.role", "lt", "4", E,
     "actor.meta.role is a string, 'lt' takes two numbers or two strings"},
    {"actor.meta.level", "lt", "\"4\"", E,
     "a value is a string, 'lt' takes two numbers or two strings"},
    {"actor.meta.admin", "gte", "1", E,
     "actor.meta.admin is a boolean, 'gte' takes two numbers or two strings"},
    {"actor.meta.tags", "gt", "@meta.map", E,
     "actor.meta.tags is a list, 'gt' takes two numbers or two strings"},
    {"actor.meta.role", "in", "[\"reader\",\"guest\"]", T, NULL},
    {"actor.meta.role", "nin", "[\"reader\",\"guest\"]", F, NULL},
    {"actor.meta.role", "in", "[]", F, NULL},
    {"meta.text", "in", "[3]", F, NULL},
    {"meta.n", "in", "[3]", T, NULL},
    {"meta.map", "in", "[{\"a\":1}]", T, NULL},
    {"actor.id", "in", "@actor.meta.tags", F, NULL},
    {"actor.id", "in", "@meta.owner", E,
     "meta.owner is a string, 'in' takes a list"},
    {"actor.id", "nin", "@meta.owner", E,
     "meta.owner is a string, 'nin' takes a list"},
    {"meta.owner", "exists", "true", T, NULL},
    {"meta.owner", "exists", "false", F, NULL},
    {"meta.owner", "exists", NULL, T, NULL},
    {"meta.owner", "nexists", "true", F, NULL},
    {"meta.owner", "nexists", "false", T, NULL},
    {"meta.missing", "exists", "true", F, NULL},
    {"meta.missing", "exists", "false", T, NULL},
    {"meta.missing", "nexists", NULL, T, NULL},
    {"meta.missing", "nexists", "false", F, NULL},
    {"meta.owner.x", "exists", NULL, F, NULL},
    {"actor.meta.nothing", "exists", NULL, F, NULL}, /* null is missing */
    {"actor.meta", "exists", NULL, T, NULL},
    {"url.host", "exists", NULL, F, NULL},
    {"resource", "contains", "\"ment\"", T, NULL},
    {"resource", "ncontains", "\"ment\"", F, NULL},
    {"resource", "contains", "\"\"", T, NULL},
    {"actor.meta.tags", "contains", "3", T, NULL},
    {"actor.meta.tags", "contains", "\"3\"", F, NULL},
    {"actor.meta.tags", "ncontains", "\"c\"", T, NULL},
    {"meta.list", "contains", "[1]", T, NULL},
    {"meta.list", "contains", "{\"a\":1.0}", T, NULL},
    {"resource", "contains", "@actor.meta.level", E,
     "actor.meta.level is a number, 'contains' takes a string in a string"},
    {"actor.meta.level", "ncontains", "3", E,
     "actor.meta.level is a number, 'ncontains' takes a string or a list"},
    {"resource", "matches", "\"^doc\"", T, NULL},
    {"resource", "matches", "\"ment:[0-9]$\"", T, NULL},
    {"resource", "nmatches", "\"^doc\"", F, NULL},
    {"resource", "matches", "\"^ment\"", F, NULL},
    {"actor.meta.level", "matches", "\"3\"", E,
     "actor.meta.level is a number, 'matches' takes a string"},
    {"meta.missing", "eq", "1", E, "meta.missing is missing"},
    {"meta.missing", "ne", "1", E, "meta.missing is missing"},
    {"meta.missing", "lt", "1", E, "meta.missing is missing"},
    {"meta.missing", "nin", "[1]", E, "meta.missing is missing"},
    {"meta.missing", "ncontains", "1", E, "meta.missing is missing"},
    {"meta.missing", "nmatches", "\"a\"", E, "meta.missing is missing"},
    {"meta.missing.more", "eq", "1", E, "meta.missing.more is missing"},
    {"actor.meta.nothing", "eq", "1", E, "actor.meta.nothing is missing"},
    {"actor.id", "eq", "@meta.missing", E, "meta.missing is missing"},
    {"actor.id", "ne", "@meta.missing", E, "meta.missing is missing"},
    {"url.host", "eq", "\"a\"", E, "url.host is missing"},
};

START_TEST(evaluates) {
  struct fixture f;

  fixture_init(&f);
  unit_each(row, cases) {
    struct condition c;
    struct fault fault;
    struct buf out;
    struct err e;
    if (!regex_supported() && strstr(row->op, "matches"))
      continue;
    ck_assert_msg(make(&f, &c, row->field, row->op, row->value, &e) == 0,
                  "%s %s: %s", row->field, row->op, e.message);
    ck_assert_msg(condition_eval(&c, &f.facts, &fault) == row->outcome,
                  "%s %s %s is not %d", row->field, row->op,
                  row->value ? row->value : "", row->outcome);
    buf_init(&out, &mem_libc, 4096);
    if (row->fault) {
      ck_assert_int_eq(fault_write(&fault, &out), 0);
      ck_assert_slice_eq(buf_slice(&out), row->fault);
      ck_assert_uint_eq(fault.line, 4);
      ck_assert_uint_eq(fault.column, 9);
    } else {
      ck_assert_int_eq(fault.kind, FAULT_NONE);
    }
    buf_deinit(&out);
  }
  fixture_deinit(&f);
}
END_TEST

/* A condition and its negation: never both, and the same errors. */
START_TEST(negates) {
  static const char *const pairs[][2] = {{"eq", "ne"},
                                         {"in", "nin"},
                                         {"exists", "nexists"},
                                         {"contains", "ncontains"},
                                         {"matches", "nmatches"},
                                         {"lt", "gte"},
                                         {"gt", "lte"}};
  struct fixture f;

  fixture_init(&f);
  unit_each(row, cases) unit_each(pair, pairs) {
    struct condition a, b;
    struct fault fault;
    struct err e;
    enum outcome x, y;
    if (make(&f, &a, row->field, (*pair)[0], row->value, &e) != 0 ||
        make(&f, &b, row->field, (*pair)[1], row->value, &e) != 0)
      continue;
    x = condition_eval(&a, &f.facts, &fault);
    y = condition_eval(&b, &f.facts, &fault);
    ck_assert_msg(x == E ? y == E : y == (x == T ? F : T), "%s %s/%s",
                  row->field, (*pair)[0], (*pair)[1]);
  }
  fixture_deinit(&f);
}
END_TEST

START_TEST(knows_its_operators) {
  enum condition_op op;
  size_t n = 0;

  for (; condition_op_names[n]; n++) {
    ck_assert_int_eq(condition_op_find(slice_of(condition_op_names[n]), &op),
                     0);
    ck_assert_uint_eq(op, n);
    ck_assert_str_eq(condition_op_name(op), condition_op_names[n]);
  }
  ck_assert_uint_eq(n, 14);
  ck_assert_int_eq(condition_op_find(SLICE(""), &op), ERR_NOT_FOUND);
  ck_assert_int_eq(condition_op_find(SLICE("EQ"), &op), ERR_NOT_FOUND);
}
END_TEST

START_TEST(checks_regexes) {
  static const struct {
    const char *pattern;
    bool good;
  } rows[] = {
      {"\"\"", true},
      {"\"(\"", false},
      {"\"a{2000}\"", false},
      {"\"(\\\\pL{1000}){900}\"", false},
      {"\"\\\\1\"", false},
      {"\"(?=a)\"", false},
      {"\"[[:alpha:]]\"", true},
  };
  struct fixture f;

  fixture_init(&f);
  unit_each(row, rows) {
    struct condition c;
    struct err e;
    int rv = make(&f, &c, "action", "matches", row->pattern, &e);
    if (!regex_supported()) {
      ck_assert_int_eq(rv, ERR_UNSUPPORTED);
      ck_assert(strstr(e.message, "built without RE2"));
    } else {
      ck_assert_msg(rv == (row->good ? 0 : ERR_SYNTAX), "%s", row->pattern);
    }
  }
  if (regex_supported()) {
    char pattern[REGEX_MAX_BYTES + 4];
    struct condition c;
    struct err e;
    memset(pattern, 'a', sizeof pattern);
    pattern[0] = pattern[REGEX_MAX_BYTES + 1] = '"';
    pattern[REGEX_MAX_BYTES + 2] = '\0';
    ck_assert_int_eq(make(&f, &c, "action", "matches", pattern, &e), 0);
    pattern[REGEX_MAX_BYTES + 1] = 'a';
    pattern[REGEX_MAX_BYTES + 2] = '"';
    pattern[REGEX_MAX_BYTES + 3] = '\0';
    ck_assert_int_eq(make(&f, &c, "action", "matches", pattern, &e),
                     ERR_SYNTAX);
  }
  fixture_deinit(&f);
}
END_TEST

static const struct {
  const char *field;
  const char *op;
  const char *value;
  const char *words;
} misses[] = {
    {"actor.meta.role", "in", "[\"reader\",\"admin\"]",
     "actor.meta.role is \"guest\", wants one of [reader, admin]"},
    {"actor.meta.role", "eq", "\"reader\"",
     "actor.meta.role is \"guest\", wants \"reader\""},
    {"actor.meta.role", "eq", "@meta.owner",
     "actor.meta.role is \"guest\", wants meta.owner, which is \"user:1\""},
    {"actor.meta.role", "eq", "@meta.x",
     "actor.meta.role is \"guest\", wants meta.x, which is missing"},
    {"actor.meta.level", "gte", "5", "actor.meta.level is 3, wants at least 5"},
    {"actor.meta.half", "gt", "1.0",
     "actor.meta.half is 0.5, wants more than 1.0"},
    {"meta.x", "eq", "1", "meta.x is missing, wants 1"},
    {"meta.x", "exists", NULL, "meta.x is missing, wants it to be there"},
    {"meta.n", "nexists", NULL, "meta.n is there, wants it not to be"},
    {"actor.meta.tags", "contains", "\"c\"",
     "actor.meta.tags is [a, b, 3], wants it to contain \"c\""},
    {"meta.list", "in", "[1,2,3,4,5,6,7,8,9,10]",
     "meta.list is [a list of 1, a map of 1], wants one of [1, 2, 3, 4, 5, 6, "
     "7, 8, ... 2 more]"},
};

START_TEST(says_what_does_not_hold) {
  struct fixture f;

  fixture_init(&f);
  unit_each(row, misses) {
    struct condition c;
    struct buf out;
    struct err e;
    ck_assert_int_eq(make(&f, &c, row->field, row->op, row->value, &e), 0);
    buf_init(&out, &mem_libc, 4096);
    ck_assert_int_eq(condition_write_miss(&c, &f.facts, &out), 0);
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
    if (!regex_supported() && strstr(row->op, "matches"))
      continue;
    for (size_t n = 0; rv == ERR_NOMEM; n++) {
      struct failing_mem fm;
      struct fixture f = {.regexes = {NULL}};
      struct condition c;
      struct err e;
      failing_mem_init(&fm, n);
      arena_init(&f.arena, &fm.mem, SIZE_MAX);
      rv = make(&f, &c, row->field, row->op, row->value, &e);
      ck_assert_int_eq(rv, fm.refused ? ERR_NOMEM : 0);
      refused += fm.refused;
      regex_pool_deinit(&f.regexes);
      arena_deinit(&f.arena);
      ck_assert_uint_eq(fm.live_bytes, 0);
    }
  }
  ck_assert_uint_gt(refused, unit_len(cases));
}
END_TEST

int main(void) {
  Suite *s = suite_create("condition");
  TCase *tc = tcase_create("condition");

  tcase_add_test(tc, evaluates);
  tcase_add_test(tc, negates);
  tcase_add_test(tc, knows_its_operators);
  tcase_add_test(tc, checks_regexes);
  tcase_add_test(tc, says_what_does_not_hold);
  tcase_add_test(tc, survives_failing_memory);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
