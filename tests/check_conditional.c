/* check_conditional.c - conditions and expressions in a decision: true, false
 * and an error. */
#include "tests/asked.h"

/* ------------------------------------------------------- conditions --- */

/* Every set of up to three policies that allow or deny, and whose condition or
 * expression is true, false or an error. */
static const struct {
  const char *text;
  bool deny;
  int outcome; /* 1, 0, -1 */
} conditional[] = {
    {"allow, conditions: [{field: actor.id, operator: eq, value: 'user:1'}]",
     false, 1},
    {"allow, conditions: [{field: actor.id, operator: exists}, {field: "
     "meta.no, operator: exists}, {field: meta.no, operator: eq, value: 1}]",
     false, 0},
    {"allow, conditions: [{field: meta.no, operator: ne, value: 1}, {field: "
     "meta.no, operator: exists}]",
     false, -1},
    {"allow, expression: 'true'", false, 1},
    {"allow, expression: 'false && meta.no > 1'", false, 0},
    {"allow, expression: 'meta.no > 1'", false, -1},
    {"deny, conditions: [{field: actor.id, operator: ne, value: 'user:2'}]",
     true, 1},
    {"deny, conditions: [{field: action, operator: nin, value: [ask]}]", true,
     0},
    {"deny, conditions: [{field: actor.meta.no, operator: nin, value: [1]}]",
     true, -1},
    {"deny, expression: 'actor.id == \"user:1\"'", true, 1},
    {"deny, expression: 'has(meta.no)'", true, 0},
    {"deny, expression: '!meta.no'", true, -1},
};

static void add_conditional(struct buf *b, size_t kind, size_t at) {
  const char *text = conditional[kind].text;

  ck_assert_int_eq(
      buf_addf(b,
               "- {name: p%zu, kind: security.policy%s, policy: {actions: ask, "
               "resources: '*', effect: %s}}\n",
               at, strstr(text, "expression") ? ".expr" : "", text),
      0);
}

static void try_conditional(const size_t *kinds, size_t n) {
  enum verdict want = VERDICT_UNDEFINED;
  bool sure = false, allow = false, maybe = false;
  unsigned errors = 0;
  struct fixture f;
  struct decision d;
  struct buf b;

  buf_init(&b, &mem_libc, 1 << 16);
  ck_assert_int_eq(buf_adds(&b, TOP), 0);
  for (size_t i = 0; i < n; i++) {
    int o = conditional[kinds[i]].outcome;
    add_conditional(&b, kinds[i], i);
    errors += o < 0;
    sure |= conditional[kinds[i]].deny && o > 0;
    maybe |= conditional[kinds[i]].deny && o < 0;
    allow |= !conditional[kinds[i]].deny && o > 0;
  }
  want = sure || maybe ? VERDICT_DENY
         : allow       ? VERDICT_ALLOW
                       : VERDICT_UNDEFINED;
  ck_assert_int_eq(buf_terminate(&b), 0);
  fixture_init(&f, (const char *)buf_bytes(&b));
  d = ask(&f, "ask", "x");
  ck_assert_msg(d.verdict == want && d.nerrors == errors, "%s: %s, %u errors",
                (const char *)buf_bytes(&b), verdict_name(d.verdict),
                d.nerrors);
  ck_assert(d.by_error == (want == VERDICT_DENY        ? !sure
                           : want == VERDICT_UNDEFINED ? errors > 0
                                                       : false));
  for (size_t i = 0; i < n; i++) { /* the first of its kind decides */
    const struct policy *p = policy_set_at(f.set, i);
    int o = conditional[kinds[i]].outcome;
    if (p->deny == (want == VERDICT_DENY) && want != VERDICT_UNDEFINED &&
        o == (d.by_error ? -1 : 1)) {
      ck_assert_ptr_eq(d.policy, p);
      break;
    }
  }
  fixture_deinit(&f);
  buf_deinit(&b);
}

START_TEST(conditions_decide) {
  size_t n = unit_len(conditional);

  for (size_t i = 0; i < n; i++) {
    try_conditional(&i, 1);
    for (size_t j = 0; j < n; j++) {
      try_conditional((size_t[]){i, j}, 2);
      for (size_t k = 0; k < n; k++)
        try_conditional((size_t[]){i, j, k}, 3);
    }
  }
}
END_TEST

struct error_list {
  struct buf out;
  size_t n;
};

static void list_error(void *ud, const struct policy *p,
                       const struct fault *fault) {
  struct error_list *l = ud;

  l->n++;
  ck_assert_int_eq(policy_write_error(p, fault, &l->out), 0);
  ck_assert_int_eq(buf_addc(&l->out, '\n'), 0);
}

START_TEST(names_errors) {
  struct request q = {
      .actor = &nobody, .action = SLICE("ask"), .resource = SLICE("x")};
  struct error_list l = {.n = 0};
  struct fixture f;
  struct decision d;
  struct buf b, out;

  buf_init(&b, &mem_libc, 1 << 16);
  ck_assert_int_eq(buf_adds(&b, TOP), 0);
  for (size_t i = 0; i < unit_len(conditional); i++)
    add_conditional(&b, i, 10 + i);
  ck_assert_int_eq(buf_terminate(&b), 0);
  fixture_init(&f, (const char *)buf_bytes(&b));
  buf_init(&l.out, &mem_libc, 1 << 16);
  policy_each_error(f.scope, &q, list_error, &l);
  ck_assert_slice_eq(
      buf_slice(&l.out),
      "app:p12 (p.yaml:5): condition 1: meta.no is missing\n"
      "app:p15 (p.yaml:8): expression: meta.no is missing\n"
      "app:p18 (p.yaml:11): condition 1: actor.meta.no is missing\n"
      "app:p21 (p.yaml:14): expression: meta.no is missing\n");
  d = policy_decide(f.set, f.scope, &q, NULL);
  ck_assert_uint_eq(d.nerrors, l.n);
  fixture_deinit(&f);
  /* an erring deny says why it denies */
  buf_clear(&b);
  ck_assert_int_eq(buf_adds(&b, TOP), 0);
  add_conditional(&b, 11, 0);
  ck_assert_int_eq(buf_terminate(&b), 0);
  fixture_init(&f, (const char *)buf_bytes(&b));
  buf_init(&out, &mem_libc, 4096);
  d = policy_decide(f.set, f.scope, &q, NULL);
  ck_assert_int_eq(policy_explain_refusal(f.set, f.scope, &q, &d, &out), 0);
  ck_assert_slice_eq(buf_slice(&out),
                     "  denied by app:p0 (p.yaml:3), which could not be "
                     "evaluated: meta.no is missing\n");
  buf_deinit(&out);
  fixture_deinit(&f);
  buf_deinit(&l.out);
  buf_deinit(&b);
}
END_TEST

/* The URL of an address's connection, and its canonical text. */
START_TEST(conditions_see_addresses) {
  static const char text[] = TOP
      "- name: a\n  kind: security.policy.expr\n  policy:\n"
      "    {actions: websocket.connect.address, resources: '*', effect: "
      "allow,\n     expression: \"resource == '[::1]:80' && meta.ip == '::1' "
      "&& meta.class == 'loopback' && meta.port == 80\"}\n"
      "- name: b\n  kind: security.policy\n  policy:\n"
      "    {actions: websocket.connect.address, resources: 'class:private', "
      "effect: deny,\n     conditions: [{field: url.host, operator: ne, "
      "value: inner.example}]}\n"
      "- name: c\n  kind: security.policy\n  policy:\n"
      "    {actions: websocket.connect.address, resources: 'class:private', "
      "effect: allow}\n";
  struct request q = {.actor = &nobody, .action = SLICE(ADDRESS_ACTION)};
  struct fixture f;
  struct decision d;
  struct url url;

  fixture_init(&f, text);
  ck_assert_int_eq(ask(&f, ADDRESS_ACTION, "[0:0::1]:80").verdict,
                   VERDICT_ALLOW);
  ck_assert_int_eq(ask(&f, ADDRESS_ACTION, "[::1]:81").verdict, VERDICT_DENY);
  q.resource = SLICE("10.0.0.1:443");
  d = policy_decide(f.set, f.scope, &q, NULL); /* no URL: an error */
  ck_assert_int_eq(d.verdict, VERDICT_DENY);
  ck_assert(d.by_error);
  q.url = &url;
  ck_assert_int_eq(url_parse(&url, SLICE("wss://Inner.example"), NULL, NULL),
                   0);
  d = policy_decide(f.set, f.scope, &q, NULL);
  ck_assert_int_eq(d.verdict, VERDICT_ALLOW);
  ck_assert_slice_eq(d.policy->id, "app:c");
  ck_assert_int_eq(url_parse(&url, SLICE("wss://x.example"), NULL, NULL), 0);
  d = policy_decide(f.set, f.scope, &q, NULL);
  ck_assert_int_eq(d.verdict, VERDICT_DENY);
  ck_assert(!d.by_error);
  fixture_deinit(&f);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("conditional");
  TCase *tc = tcase_create("conditional");
  tcase_set_timeout(tc, 60); /* busy machines, sanitizers */
  tcase_add_test(tc, conditions_decide);
  tcase_add_test(tc, names_errors);
  tcase_add_test(tc, conditions_see_addresses);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
