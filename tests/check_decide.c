/* check_decide.c - decisions; what must hold whatever the policies are. */
#include <pthread.h>

#include "tests/asked.h"

static const struct {
  const char *action;
  const char *resource;
  enum verdict verdict;
  const char *policy;
} questions[] = {
    {"websocket.connect", "", VERDICT_ALLOW, "app:feeds"},
    {"websocket.connect", "x", VERDICT_UNDEFINED, NULL},
    {"websocket.connec", "", VERDICT_UNDEFINED, NULL},
    {URL_ACTION, "wss://stream.example.com/prices/btc", VERDICT_ALLOW,
     "app:prices"},
    {URL_ACTION, "WSS://Stream.Example.com.:443/prices/b%74c", VERDICT_ALLOW,
     "app:prices"},
    {URL_ACTION, "wss://stream.example.com/prices", VERDICT_UNDEFINED, NULL},
    {URL_ACTION, "wss://stream.example.com:8443/prices/btc", VERDICT_UNDEFINED,
     NULL},
    {URL_ACTION, "ws://stream.example.com/prices/btc", VERDICT_UNDEFINED, NULL},
    {URL_ACTION, "wss://a.b.example.com:8500/feed/x", VERDICT_ALLOW,
     "app:feeds"},
    {URL_ACTION, "wss://example.com:8500/feed/x", VERDICT_UNDEFINED, NULL},
    {URL_ACTION, "wss://stream.example.com/admin/", VERDICT_DENY,
     "app:no-admin"},
    {URL_ACTION, "ws://other.example:81/admin/x", VERDICT_DENY, "app:no-admin"},
    /* what is no URL is refused, whoever would allow it */
    {URL_ACTION, "wss://stream.example.com/prices/../admin/", VERDICT_DENY,
     NULL},
    {URL_ACTION, "", VERDICT_DENY, NULL},
    {URL_ACTION, "document:x", VERDICT_DENY, NULL},
    {"read", "document:a", VERDICT_ALLOW, "app:docs"},
    {"list.all", "document:a", VERDICT_ALLOW, "app:docs"},
    {"list", "document:a", VERDICT_UNDEFINED, NULL},
    {"read", "document", VERDICT_UNDEFINED, NULL},
    {"read", "document:secret", VERDICT_DENY, "app:secret"},
    {"write", "document:secret", VERDICT_DENY, "app:secret"},
    {"", "", VERDICT_UNDEFINED, NULL},
};

START_TEST(decides) {
  struct fixture f;

  fixture_init(&f, prices);
  unit_each(row, questions) {
    struct decision d = ask(&f, row->action, row->resource);
    ck_assert_msg(d.verdict == row->verdict, "%s %s: %s (%s)", row->action,
                  row->resource, verdict_name(d.verdict), d.reason);
    ck_assert_int_eq(d.policy != NULL, row->policy != NULL);
    ck_assert_int_eq(d.rule != NULL, row->policy != NULL);
    if (row->policy)
      ck_assert_slice_eq(d.policy->id, row->policy);
    ck_assert_ptr_nonnull(d.reason);
  }
  fixture_deinit(&f);
}
END_TEST

START_TEST(refuses_without_a_context) {
  static const struct decision zero;
  struct fixture f;
  struct request q = {.action = SLICE("a"), .resource = SLICE("b")};
  struct decision d;

  ck_assert_int_eq(zero.verdict, VERDICT_DENY);
  fixture_init(&f, TOP POLICY("all") "    actions: '*'\n    resources: '*'\n"
                                     "    effect: allow\n");
  ck_assert_int_eq(ask(&f, "a", "b").verdict, VERDICT_ALLOW);
  d = policy_decide(f.set, f.scope, &q, NULL);
  ck_assert_int_eq(d.verdict, VERDICT_DENY);
  ck_assert_str_eq(d.reason, "no actor");
  q.actor = &nobody;
  d = policy_decide(f.set, NULL, &q, NULL);
  ck_assert_int_eq(d.verdict, VERDICT_DENY);
  ck_assert_str_eq(d.reason, "no scope");
  fixture_deinit(&f);
  fixture_init(&f, NULL);
  ck_assert_int_eq(ask(&f, "a", "b").verdict, VERDICT_UNDEFINED);
  fixture_deinit(&f);
}
END_TEST

START_TEST(errors_deny) {
  /* a resource that begins like a URL and is none cannot be judged */
  static const char broken[] = "wss://a b/";
  struct fixture f;
  struct decision d;

  fixture_init(&f, TOP POLICY("a") "    actions: fetch\n"
                                   "    resources: ['wss://a.example/*']\n"
                                   "    effect: allow\n");
  d = ask(&f, "fetch", "wss://a.example/x");
  ck_assert_int_eq(d.verdict, VERDICT_ALLOW);
  ck_assert_uint_eq(d.nerrors, 0);
  d = ask(&f, "fetch", broken);
  ck_assert_int_eq(d.verdict, VERDICT_UNDEFINED);
  ck_assert_uint_eq(d.nerrors, 1);
  fixture_deinit(&f);
  fixture_init(&f, TOP POLICY("b") "    actions: fetch\n"
                                   "    resources: ['wss://a.example/*']\n"
                                   "    effect: deny\n" POLICY(
                                       "a") "    actions: fetch\n"
                                            "    resources: '*'\n"
                                            "    effect: allow\n");
  d = ask(&f, "fetch", broken);
  ck_assert_int_eq(d.verdict, VERDICT_DENY);
  ck_assert(d.by_error);
  ck_assert_slice_eq(d.policy->id, "app:b");
  fixture_deinit(&f);
  /* a deny that is sure goes before */
  fixture_init(&f, TOP POLICY("b") "    actions: fetch\n"
                                   "    resources: ['wss://a.example/*']\n"
                                   "    effect: deny\n" POLICY(
                                       "c") "    actions: fetch\n"
                                            "    resources: '*'\n"
                                            "    effect: deny\n");
  d = ask(&f, "fetch", broken);
  ck_assert(!d.by_error);
  ck_assert_uint_eq(d.nerrors, 1);
  ck_assert_slice_eq(d.policy->id, "app:c");
  fixture_deinit(&f);
}
END_TEST

/* ------------------------------------------------------------------ time ---
 */

struct long_question {
  const struct fixture *f;
  bool may_leave;
  bool list;
  bool answered;
};

/* A limit is reached while the question is being answered. */
static void answer_overdue(void *ud) {
  struct long_question *lq = ud;
  const struct policy *only = policy_set_at(lq->f->set, 0);
  struct request q = {.actor = &nobody,
                      .action = SLICE("read"),
                      .resource = SLICE("document:x"),
                      .may_leave = lq->may_leave};
  gate_enter();
  gate_abandon(lq, NULL);
  if (lq->list)
    (void)policy_decide_list(&only, 1, &q, NULL);
  else
    (void)policy_decide(lq->f->set, lq->f->scope, &q, NULL);
  lq->answered = true;
  gate_leave();
}

/* Scripts that ask are abandoned in the middle, and only they. */
START_TEST(long_questions_are_left) {
  struct fixture f;
  fixture_init(&f, TOP POLICY("a") "    actions: read\n"
                                   "    resources: '*'\n"
                                   "    effect: allow\n"
                                   "    conditions:\n"
                                   "    - {field: meta.a, operator: eq, "
                                   "value: 1}\n");
  for (int list = 0; list < 2; list++) {
    struct long_question lq = {&f, true, list, false};
    ck_assert(!gate_run(&lq, answer_overdue, &lq));
    ck_assert(!lq.answered);
    lq.may_leave = false;
    ck_assert(!gate_run(&lq, answer_overdue, &lq));
    ck_assert(lq.answered);
  }
  fixture_deinit(&f);
}
END_TEST

/* What has not been evaluated in time is not evaluated: a deny denies, an allow
 * allows nothing, and what needs no evaluation is as ever. */
START_TEST(questions_may_run_out_of_time) {
  static const struct {
    const char *effect;
    const char *conditions; /* one, or an expression, or none */
    enum verdict in_time, late;
  } cases[] = {{"allow", "{field: action, operator: eq, value: read}",
                VERDICT_ALLOW, VERDICT_UNDEFINED},
               {"deny", "{field: action, operator: eq, value: other}",
                VERDICT_UNDEFINED, VERDICT_DENY},
               {"allow", NULL, VERDICT_ALLOW, VERDICT_ALLOW},
               {"allow", "action == 'read'", VERDICT_ALLOW, VERDICT_UNDEFINED},
               {"deny", "action == 'other'", VERDICT_UNDEFINED, VERDICT_DENY}};
  unit_each(c, cases) {
    struct request q = {.actor = &nobody,
                        .action = SLICE("read"),
                        .resource = SLICE("document:x")};
    struct fixture f;
    bool expr = c->conditions && c->conditions[0] != '{';
    char text[500];
    snprintf(text, sizeof text,
             TOP "- name: a\n"
                 "  kind: security.policy%s\n"
                 "  policy:\n"
                 "    actions: read\n"
                 "    resources: '*'\n"
                 "    effect: %s\n%s%s\n",
             expr ? ".expr" : "", c->effect,
             expr            ? "    expression: "
             : c->conditions ? "    conditions:\n    - "
                             : "",
             c->conditions ? c->conditions : "");
    fixture_init(&f, text);
    ck_assert(!policy_out_of_time(&q));
    ck_assert_int_eq(policy_decide(f.set, f.scope, &q, NULL).verdict,
                     c->in_time);
    q.until_mono_ns = UINT64_MAX; /* not yet */
    q.until_cpu_ns = 1;
    ck_assert(!policy_out_of_time(&q));
    ck_assert_int_eq(policy_decide(f.set, f.scope, &q, NULL).verdict,
                     c->in_time);
    q.until_mono_ns = 1;
    q.until_cpu_ns = UINT64_MAX; /* so it seems, but others had the time */
    ck_assert(!policy_out_of_time(&q));
    ck_assert_int_eq(policy_decide(f.set, f.scope, &q, NULL).verdict,
                     c->in_time);
    q.until_cpu_ns = 1;
    ck_assert(policy_out_of_time(&q));
    ck_assert_int_eq(policy_decide(f.set, f.scope, &q, NULL).verdict, c->late);
    fixture_deinit(&f);
  }
}
END_TEST

static uint64_t left_ns;

static uint64_t on_left(void *ud) {
  (void)ud;
  return left_ns;
}

/* A guard asks no longer than the script could go on with the answer. */
START_TEST(guards_run_out_of_time) {
  static const struct {
    uint64_t left_ns;
    bool passes;
  } cases[] = {{UINT64_MAX, true}, {UINT64_C(3600000000000), true}, {0, false}};
  struct fixture f;
  struct guard g = {.actor = &nobody, .left_ns = on_left};
  struct guard_place where = {.line = 1};
  fixture_init(&f, TOP POLICY("a") "    actions: read\n"
                                   "    resources: '*'\n"
                                   "    effect: allow\n"
                                   "    conditions:\n"
                                   "    - {field: action, operator: eq, "
                                   "value: read}\n");
  g.set = f.set;
  g.scope = f.scope;
  unit_each(c, cases) {
    struct request q = {.action = SLICE("read"),
                        .resource = SLICE("document:x")};
    struct decision d;
    left_ns = c->left_ns;
    ck_assert_int_eq(guard_ask(&g, &q, NULL, &where, &d), c->passes);
    ck_assert_int_eq(d.verdict, c->passes ? VERDICT_ALLOW : VERDICT_UNDEFINED);
    ck_assert_int_eq(d.by_error, !c->passes);
  }
  fixture_deinit(&f);
}
END_TEST

/* ---------------------------------------------------------- properties --- */

static uint64_t random_state = 88172645463325252U;

static size_t pick(size_t n) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (size_t)(random_state % n);
}

/* Rules and questions over the same small world, so that they meet often. */
static const struct {
  const char *actions;
  const char *resource;
} rules[] = {
    {"websocket.connect", "''"},
    {"websocket.connect", "'*'"},
    {"[websocket.connect, " URL_ACTION "]", "['', 'wss://a.x/*']"},
    {URL_ACTION, "'wss://a.x'"},
    {URL_ACTION, "'wss://*.x/p*'"},
    {URL_ACTION, "'*://*:*/q'"},
    {URL_ACTION, "['ws://1.2.3.4', 'wss://b.x:80-90']"},
    {"'websocket.*'", "['', 'wss://b.x']"},
    {"'*'", "'*'"},
    {"'*'", "'wss://a.x/p'"},
    {"read", "'doc:*'"},
    {"'re*'", "['doc:1', 'doc:2']"},
    {"fetch", "'wss://a.x'"},
    {"'*'", "''"},
};
static const struct {
  const char *action;
  const char *resource;
} asked[] = {
    {"websocket.connect", ""},
    {URL_ACTION, "wss://a.x/p"},
    {URL_ACTION, "wss://a.x/q"},
    {URL_ACTION, "ws://1.2.3.4/"},
    {URL_ACTION, "wss://b.x:85/"},
    {URL_ACTION, "wss://b.x/"},
    {URL_ACTION, "none"},
    {"read", "doc:1"},
    {"read", ""},
    {"fetch", "wss://a.x/"},
    {"fetch", "wss://a x/"},
    {"", ""},
};

/* |n| policies p0..., one file each, loaded from the |first| on. */
struct world {
  size_t rule[8];
  bool deny[8];
  size_t n;
};

static void world_load(const struct world *w, size_t n, size_t first,
                       struct fixture *f) {
  struct err e;

  ck_assert_int_eq(policy_set_new(&f->set, &mem_libc), 0);
  for (size_t i = 0; i < n; i++) {
    size_t k = (first + i) % n;
    char text[512];
    sprintf(text,
            TOP "- {name: p%zu, kind: security.policy, policy: {actions: %s, "
                "resources: %s, effect: %s}}\n",
            k, rules[w->rule[k]].actions, rules[w->rule[k]].resource,
            w->deny[k] ? "deny" : "allow");
    ck_assert_msg(policy_set_add(f->set, "f", slice_of(text), NULL, NULL) == 0,
                  "%s", text);
  }
  ck_assert_int_eq(policy_set_finish(f->set, NULL, NULL), 0);
  ck_assert_int_eq(policy_scope_new(&f->scope, f->set, NULL, 0, &mem_libc, &e),
                   0);
}

START_TEST(holds_whatever_the_policies) {
  for (int turn = 0; turn < 1500; turn++) {
    struct world w = {.n = 1 + pick(8)};
    struct fixture all, other, less;
    bool last_denies;
    for (size_t i = 0; i < w.n; i++) {
      w.rule[i] = pick(unit_len(rules));
      w.deny[i] = pick(3) == 0;
    }
    last_denies = w.deny[w.n - 1];
    world_load(&w, w.n, 0, &all);
    world_load(&w, w.n, pick(w.n), &other);
    world_load(&w, w.n - 1, 0, &less);
    unit_each(q, asked) {
      struct decision a = ask(&all, q->action, q->resource);
      struct decision o = ask(&other, q->action, q->resource);
      struct decision l = ask(&less, q->action, q->resource);
      /* order never matters, not even for who decided */
      ck_assert_int_eq(a.verdict, o.verdict);
      ck_assert_uint_eq(a.nerrors, o.nerrors);
      ck_assert_int_eq(a.policy == NULL, o.policy == NULL);
      if (a.policy)
        ck_assert(slice_eq(a.policy->id, o.policy->id));
      /* one more deny never allows, one more allow never denies */
      if (last_denies) {
        ck_assert(a.verdict != VERDICT_ALLOW || l.verdict == VERDICT_ALLOW);
        ck_assert(a.verdict != VERDICT_UNDEFINED ||
                  l.verdict == VERDICT_UNDEFINED);
      } else {
        ck_assert(a.verdict != VERDICT_DENY || l.verdict == VERDICT_DENY);
        ck_assert(l.verdict != VERDICT_ALLOW || a.verdict == VERDICT_ALLOW);
      }
      /* whoever decided has the effect of the verdict */
      if (a.policy)
        ck_assert_int_eq(a.policy->deny, a.verdict == VERDICT_DENY);
    }
    fixture_deinit(&all);
    fixture_deinit(&other);
    fixture_deinit(&less);
  }
}
END_TEST

/* --------------------------------------------------------------- memory --- */

START_TEST(survives_failing_memory) {
  bool done = false;
  size_t n;

  for (n = 0; !done; n++) {
    struct failing_mem f;
    struct policy_set *set;
    struct policy_scope *scope = NULL;
    struct request q = {.actor = &nobody,
                        .action = SLICE(URL_ACTION),
                        .resource =
                            SLICE("wss://stream.example.com:1/prices/")};
    failing_mem_init(&f, n);
    set = load(prices, &f.mem);
    if (set && policy_scope_new(&scope, set, NULL, 0, &f.mem, NULL) == 0) {
      size_t count = f.count;
      struct decision d = policy_decide(set, scope, &q, NULL);
      struct buf out;
      int rv;
      ck_assert_int_eq(d.verdict, VERDICT_UNDEFINED);
      ck_assert_uint_eq(f.count, count); /* deciding allocates nothing */
      buf_init(&out, &f.mem, 4096);
      rv = policy_explain_refusal(set, scope, &q, &d, &out);
      ck_assert(rv == 0 || rv == ERR_NOMEM);
      done = rv == 0 && f.refused == 0;
      buf_deinit(&out);
    }
    policy_scope_free(scope);
    policy_set_unref(set);
    ck_assert_uint_eq(f.live_bytes, 0);
  }
  ck_assert_uint_gt(n, 8);
}
END_TEST

/* --------------------------------------------------------------- threads ---
 */

static void *match_often(void *ud) {
  static const char *const resources[] = {"doc:1", "doc:22", "x", ""};

  for (size_t i = 0; i < 4000; i++) {
    struct decision d = ask(ud, "ask", resources[i % 4]);
    if (d.verdict != (i % 4 < 2 ? VERDICT_ALLOW : VERDICT_UNDEFINED))
      return ud;
  }
  return NULL;
}

/* RE2 builds its automaton while it matches. */
START_TEST(matches_on_threads) {
  struct fixture f;
  pthread_t threads[4];

  if (!regex_supported())
    return;
  fixture_init(&f, TOP "- {name: a, kind: security.policy, policy: {actions: "
                       "ask, resources: '*', effect: allow, conditions: "
                       "[{field: resource, operator: matches, value: "
                       "'^doc:[0-9]+$'}]}}\n");
  for (size_t i = 0; i < unit_len(threads); i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, match_often, &f), 0);
  for (size_t i = 0; i < unit_len(threads); i++) {
    void *failed;
    pthread_join(threads[i], &failed);
    ck_assert_ptr_null(failed);
  }
  fixture_deinit(&f);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("decide");
  TCase *tc = tcase_create("decide");
  tcase_set_timeout(tc, 60); /* busy machines, sanitizers */
  tcase_add_test(tc, decides);
  tcase_add_test(tc, refuses_without_a_context);
  tcase_add_test(tc, errors_deny);
  tcase_add_test(tc, long_questions_are_left);
  tcase_add_test(tc, questions_may_run_out_of_time);
  tcase_add_test(tc, guards_run_out_of_time);
  tcase_add_test(tc, holds_whatever_the_policies);
  tcase_add_test(tc, survives_failing_memory);
  tcase_add_test(tc, matches_on_threads);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
