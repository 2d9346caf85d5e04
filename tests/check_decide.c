/* check_decide.c - decisions and their explanations; what must hold whatever
 * the policies are. */
/* The tests have one of the same name as the modules. */
#define guard unit_guard
#include "tests/unit.h"
#undef guard

#include <pthread.h>

#include "modules/guard.h"
#include "policy/decide.h"
#include "runtime/base/gate.h"

#define URL_ACTION "websocket.connect.url"
#define ADDRESS_ACTION "websocket.connect.address"

static const struct actor nobody = {.id = {"user:1", 6}};

static struct policy_set *load(const char *text, const struct mem *m) {
  struct policy_set *set;

  if (policy_set_new(&set, m) != 0)
    return NULL;
  if ((text &&
       policy_set_add(set, "p.yaml", slice_of(text), NULL, NULL) != 0) ||
      policy_set_finish(set, NULL, NULL) != 0) {
    policy_set_unref(set);
    return NULL;
  }
  return set;
}

/* A set in force as a whole. */
struct fixture {
  struct policy_set *set;
  struct policy_scope *scope;
};

static void fixture_init(struct fixture *f, const char *text) {
  struct err e;

  f->set = load(text, &mem_libc);
  ck_assert_msg(f->set != NULL, "does not load:\n%s", text ? text : "");
  ck_assert_int_eq(policy_scope_new(&f->scope, f->set, NULL, 0, &mem_libc, &e),
                   0);
}

static void fixture_deinit(struct fixture *f) {
  policy_scope_free(f->scope);
  policy_set_unref(f->set);
}

static struct decision ask(const struct fixture *f, const char *action,
                           const char *resource) {
  struct request q = {.actor = &nobody,
                      .action = slice_of(action),
                      .resource = slice_of(resource)};

  return policy_decide(f->set, f->scope, &q, NULL);
}

/* --allow makes the same policies the file would. */
#define TOP "namespace: app\nentries:\n"
#define EMPTY "namespace: app\nentries: []\n"
#define POLICY(name) "- name: " name "\n  kind: security.policy\n  policy:\n"

static const char prices[] = TOP POLICY(
    "prices") "    actions: [websocket.connect, websocket.connect.url]\n"
              "    resources: ['', 'wss://stream.example.com/prices/*']\n"
              "    effect: allow\n" POLICY(
                  "feeds") "    effect: allow\n"
                           "    rules:\n"
                           "    - {action: websocket.connect}\n"
                           "    - {action: websocket.connect.url, resource: "
                           "'wss://*.example.com:8000-8999/feed/*'}\n" POLICY(
                               "no-admin") "    actions: "
                                           "websocket.connect.url\n"
                                           "    resources: ['*://*/admin/*', "
                                           "'*://*:*/admin/*']\n"
                                           "    effect: deny\n" POLICY(
                                               "docs") "    actions: [read, "
                                                       "'list.*']\n"
                                                       "    resources: "
                                                       "'document:*'\n"
                                                       "    effect: "
                                                       "allow\n" POLICY(
                                                           "secret") "    "
                                                                     "actions: "
                                                                     "'*'\n"
                                                                     "    "
                                                                     "resources"
                                                                     ": "
                                                                     "'document"
                                                                     ":secret'"
                                                                     "\n"
                                                                     "    "
                                                                     "effect: "
                                                                     "deny\n";

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

/* ---------------------------------------------------------- addresses --- */

#define OPEN(rules) TOP POLICY("p") "    effect: allow\n    rules:\n" rules
#define URL_RULE(pattern)                                                      \
  "    - {action: " URL_ACTION ", resource: '" pattern "'}\n"
#define URL_RULE_ANY(pattern)                                                  \
  "    - {action: " URL_ACTION ", resource: '" pattern "', address: any}\n"
#define ADDRESS_RULE(pattern)                                                  \
  "    - {action: " ADDRESS_ACTION ", resource: '" pattern "'}\n"

static const struct {
  const char *policies;
  const char *url; /* NULL: asked without one */
  const char *address;
  enum verdict verdict;
  bool by_class;
} addresses[] = {
    /* classes */
    {EMPTY, NULL, "93.184.216.34:443", VERDICT_ALLOW, true},
    {EMPTY, NULL, "[2606:4700::1]:443", VERDICT_ALLOW, true},
    {EMPTY, NULL, "10.0.0.1:443", VERDICT_DENY, true},
    {EMPTY, NULL, "127.0.0.1:443", VERDICT_DENY, true},
    {EMPTY, NULL, "169.254.169.254:80", VERDICT_DENY, true},
    {EMPTY, NULL, "100.64.0.1:80", VERDICT_DENY, true},
    {EMPTY, NULL, "224.0.0.1:80", VERDICT_DENY, true},
    {EMPTY, NULL, "0.0.0.0:80", VERDICT_DENY, true},
    {EMPTY, NULL, "[::1]:80", VERDICT_DENY, true},
    {EMPTY, NULL, "[fd00::1]:80", VERDICT_DENY, true},
    {EMPTY, NULL, "[fe80::1]:80", VERDICT_DENY, true},
    {EMPTY, NULL, "[::ffff:8.8.8.8]:80", VERDICT_DENY, true},
    {EMPTY, NULL, "[64:ff9b::808:808]:80", VERDICT_DENY, true},
    {EMPTY, NULL, "example.com:80", VERDICT_DENY, false},
    {EMPTY, NULL, "", VERDICT_DENY, false},
    /* a wildcard never opens more than public addresses */
    {OPEN(URL_RULE("wss://*")), "wss://a.example/", "10.0.0.1:443",
     VERDICT_DENY, true},
    {OPEN(URL_RULE("wss://*.example")), "wss://a.example/", "127.0.0.1:443",
     VERDICT_DENY, true},
    {OPEN(URL_RULE("*")), "wss://10.0.0.1/", "10.0.0.1:443", VERDICT_DENY,
     true},
    {OPEN(URL_RULE("*")), "wss://localhost/", "127.0.0.1:443", VERDICT_DENY,
     true},
    {OPEN(URL_RULE("wss://*")), "wss://a.example/", "93.184.216.34:443",
     VERDICT_ALLOW, true},
    /* a full name does with "address: any" */
    {OPEN(URL_RULE("wss://a.example")), "wss://a.example/", "10.0.0.1:443",
     VERDICT_DENY, true},
    {OPEN(URL_RULE_ANY("wss://a.example")), "wss://a.example/", "10.0.0.1:443",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE_ANY("wss://a.example")), "wss://a.example/",
     "[::ffff:10.0.0.1]:443", VERDICT_ALLOW, true},
    /* the word of a rule that does not apply is nothing */
    {OPEN(URL_RULE_ANY("wss://a.example/x") URL_RULE("wss://a.example/y")),
     "wss://a.example/y", "10.0.0.1:443", VERDICT_DENY, true},
    {OPEN(URL_RULE_ANY("wss://b.example") URL_RULE("wss://a.example")),
     "wss://a.example/", "10.0.0.1:443", VERDICT_DENY, true},
    /* the second applicable rule counts too */
    {OPEN(URL_RULE("wss://*") URL_RULE_ANY("wss://a.example")),
     "wss://a.example/", "10.0.0.1:443", VERDICT_ALLOW, true},
    /* localhost */
    {OPEN(URL_RULE("ws://localhost:80")), "ws://localhost/", "127.0.0.1:80",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE("ws://localhost:80")), "ws://localhost/", "[::1]:80",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE("ws://localhost:80")), "ws://localhost/", "10.0.0.1:80",
     VERDICT_DENY, true},
    {OPEN(URL_RULE_ANY("ws://localhost:80")), "ws://localhost/", "10.0.0.1:80",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE("ws://a.localhost")), "ws://a.localhost/", "127.0.0.1:80",
     VERDICT_DENY, true},
    /* IP literals: that very address */
    {OPEN(URL_RULE("ws://127.0.0.1")), "ws://127.0.0.1/", "127.0.0.1:80",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE("ws://127.0.0.1")), "ws://127.0.0.1/", "127.0.0.2:80",
     VERDICT_DENY, true},
    {OPEN(URL_RULE("ws://[::1]")), "ws://[::1]/", "[::1]:80", VERDICT_ALLOW,
     true},
    {OPEN(URL_RULE("ws://[::1]")), "ws://[::1]/", "127.0.0.1:80", VERDICT_DENY,
     true},
    {OPEN(URL_RULE("ws://10.1.2.3")), "ws://10.1.2.3/", "10.1.2.3:80",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE("ws://10.1.2.3")), "ws://10.1.2.3/", "10.1.2.4:80",
     VERDICT_DENY, true},
    {OPEN(URL_RULE("ws://[fd00::1]")), "ws://[fd00::1]/", "[fd00::1]:80",
     VERDICT_ALLOW, true},
    /* an allow opens what it names and closes nothing */
    {OPEN(ADDRESS_RULE("10.0.0.0/8")), NULL, "10.1.2.3:443", VERDICT_ALLOW,
     false},
    {OPEN(ADDRESS_RULE("10.0.0.0/8:443")), NULL, "10.1.2.3:80", VERDICT_DENY,
     true},
    {OPEN(ADDRESS_RULE("10.0.0.0/8")), NULL, "93.184.216.34:443", VERDICT_ALLOW,
     true},
    {OPEN(ADDRESS_RULE("10.0.0.0/8") URL_RULE("ws://127.0.0.1")),
     "ws://127.0.0.1/", "127.0.0.1:80", VERDICT_ALLOW, true},
    {OPEN(ADDRESS_RULE("class:private") ADDRESS_RULE("class:public")), NULL,
     "93.184.216.34:443", VERDICT_ALLOW, false},
    {OPEN(ADDRESS_RULE("class:private")), NULL, "127.0.0.1:443", VERDICT_DENY,
     true},
    {OPEN(ADDRESS_RULE("*")), NULL, "127.0.0.1:443", VERDICT_ALLOW, false},
    {OPEN(ADDRESS_RULE("[fd00::]/8")), NULL, "[fd12::1]:443", VERDICT_ALLOW,
     false},
    /* actions with a star and URL patterns only do not speak */
    {TOP POLICY("p") "    actions: 'websocket.connect*'\n"
                     "    resources: ['', 'wss://a.example/*']\n"
                     "    effect: allow\n",
     NULL, "93.184.216.34:443", VERDICT_ALLOW, true},
    /* a deny alone closes what it names and nothing else */
    {TOP POLICY("p") "    actions: " ADDRESS_ACTION "\n"
                     "    resources: 93.184.0.0/16\n    effect: deny\n",
     NULL, "93.184.216.34:443", VERDICT_DENY, false},
    {TOP POLICY("p") "    actions: " ADDRESS_ACTION "\n"
                     "    resources: 93.184.0.0/16\n    effect: deny\n",
     NULL, "93.185.216.34:443", VERDICT_ALLOW, true},
    {TOP POLICY("p") "    actions: " ADDRESS_ACTION "\n"
                     "    resources: 93.184.0.0/16\n    effect: deny\n",
     NULL, "10.0.0.1:443", VERDICT_DENY, true},
    /* and goes before every word of an allow */
    {OPEN(URL_RULE_ANY("wss://a.example")) POLICY("q") "    actions: '*'\n"
                                                       "    resources: "
                                                       "class:private\n"
                                                       "    effect: deny\n",
     "wss://a.example/", "10.0.0.1:443", VERDICT_DENY, false},
};

static struct decision ask_address(const struct fixture *f, const char *url,
                                   const char *address, bool parsed) {
  struct request q = {.actor = &nobody,
                      .action = SLICE(ADDRESS_ACTION),
                      .resource = slice_of(address)};
  struct decision named;
  struct url u;
  struct ip ip;

  if (url) {
    ck_assert_int_eq(url_parse(&u, slice_of(url), NULL, NULL), 0);
    named = ask(f, URL_ACTION, url);
    ck_assert_int_eq(named.verdict, VERDICT_ALLOW);
    q.url = &u;
  }
  if (parsed && ip_parse_port(q.resource, &ip, &q.port) == 0)
    q.ip = &ip;
  return policy_decide(f->set, f->scope, &q, url ? &named : NULL);
}

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

START_TEST(judges_addresses) {
  unit_each(row, addresses) {
    struct fixture f;
    fixture_init(&f, row->policies);
    for (int parsed = 0; parsed < 2; parsed++) {
      struct decision d = ask_address(&f, row->url, row->address, parsed);
      ck_assert_msg(d.verdict == row->verdict &&
                        d.by_address_class == row->by_class,
                    "%s\n%s: %s (%s)", row->policies, row->address,
                    verdict_name(d.verdict), d.reason);
    }
    fixture_deinit(&f);
  }
}
END_TEST

START_TEST(trusts_no_refused_url) {
  struct fixture f;
  struct request q = {.actor = &nobody,
                      .action = SLICE(ADDRESS_ACTION),
                      .resource = SLICE("10.0.0.1:443")};
  struct decision named;

  fixture_init(
      &f, OPEN(URL_RULE_ANY("wss://a.example"))
              POLICY("q") "    actions: '*'\n    resources: 'wss://a.example'\n"
                          "    effect: deny\n");
  named = ask(&f, URL_ACTION, "wss://a.example/");
  ck_assert_int_eq(named.verdict, VERDICT_DENY);
  ck_assert(!named.any_address);
  named.any_address = true; /* even so */
  ck_assert_int_eq(policy_decide(f.set, f.scope, &q, &named).verdict,
                   VERDICT_DENY);
  fixture_deinit(&f);
}
END_TEST

/* -------------------------------------------------------- explanations --- */

static const struct {
  const char *policies;
  const char *action;
  const char *resource;
  const char *url;
  const char *text;
} refusals[] = {
    {prices, URL_ACTION, "wss://stream.example.com:9443/prices/btc", NULL,
     "  no policy allows it; nearest: app:prices (p.yaml:3) wants port 443\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"wss://stream.example.com:9443/prices/btc\"}\n"},
    {prices, URL_ACTION, "wss://stream.example.com/admin/", NULL,
     "  denied by app:no-admin (p.yaml:16)\n"},
    {prices, "read", "document:secret", NULL,
     "  denied by app:secret (p.yaml:28)\n"},
    {prices, URL_ACTION, "wss://x y/", NULL, "  the resource is no URL\n"},
    {prices, "read", "docs:1", NULL,
     "  no policy allows it; nearest: app:docs (p.yaml:22) wants resource "
     "\"document:*\"\n"
     "  to allow it: {action: \"read\", resource: \"docs:1\"}\n"},
    {prices, "write.x", "\"a\\\x1b\xC3\xA9\xF0\x9F\x98\x80\xE2\x82\xAC", NULL,
     "  no policy allows it\n"
     "  to allow it: {action: write.x, resource: "
     "\"\\\"a\\\\\\x1B\\xE9\\U0001F600\\u20AC\"}\n"},
    {prices, "write.x", "a*b", NULL, "  no policy allows it\n"},
    {prices, "write.x", "a\xFF", NULL, "  no policy allows it\n"},
    {prices, "websocket.connect.other", "x", NULL,
     "  no policy allows it; nearest: app:feeds (p.yaml:9) is for action "
     "websocket.connect\n"
     "  to allow it: {action: websocket.connect.other, resource: \"x\"}\n"},
    {prices, "", "", NULL, "  no policy allows it\n"},
    {OPEN(URL_RULE("wss://a.example")), "websocket.connect", "", NULL,
     "  no policy allows it; nearest: app:p (p.yaml:3) is for action "
     "websocket.connect.url\n"
     "  to allow it: {action: websocket.connect}\n"},
    {TOP POLICY("p") "    actions: [websocket.connect, " URL_ACTION "]\n"
                     "    resources: wss://a.example\n    effect: allow\n",
     "websocket.connect", "", NULL,
     "  no policy allows it; nearest: app:p (p.yaml:3) lacks the resource "
     "\"\" of websocket.connect\n"
     "  to allow it: {action: websocket.connect}\n"},
    {NULL, "websocket.connect", "", "wss://a.example/x",
     "  there is no policy\n"
     "  to allow it: {action: websocket.connect}\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"wss://a.example/x\"}\n"},
    {NULL, URL_ACTION, "wss://a.example/*/*/*/*/*/*/*/*/*/x?*", NULL,
     "  there is no policy\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"wss://a.example/*/*/*/*/*/*/*/*\"}\n"
     "    ('*' in a pattern is any run of bytes, so it takes more than this "
     "URL)\n"},
    {NULL, ADDRESS_ACTION, "127.0.0.1:80", "ws://localhost/x",
     "  loopback address that no policy opens\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"ws://localhost/x\"}\n"},
    {NULL, ADDRESS_ACTION, "10.0.0.1:80", "ws://localhost/x",
     "  private address that no policy opens\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"ws://localhost/x\", address: any}\n"},
    {NULL, ADDRESS_ACTION, "10.0.0.1:443", NULL,
     "  private address that no policy opens\n"
     "  to allow it: {action: websocket.connect.address, resource: "
     "\"10.0.0.1:443\"}\n"},
    {NULL, ADDRESS_ACTION, "10.0.0.1:443", "wss://a.example/x",
     "  private address that no policy opens\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"wss://a.example/x\", address: any}\n"},
    {NULL, ADDRESS_ACTION, "[fd00::1]:443", "wss://[fd00::1]/",
     "  private address that no policy opens\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"wss://[fd00::1]/\"}\n"},
    {OPEN(ADDRESS_RULE("10.0.0.0/8:80")), ADDRESS_ACTION, "10.0.0.1:443", NULL,
     "  private address that no policy opens; nearest: app:p (p.yaml:3) wants "
     "port 80\n"
     "  to allow it: {action: websocket.connect.address, resource: "
     "\"10.0.0.1:443\"}\n"},
};

START_TEST(explains_refusals) {
  unit_each(row, refusals) {
    struct fixture f;
    struct request q = {.actor = &nobody,
                        .action = slice_of(row->action),
                        .resource = slice_of(row->resource)};
    struct decision d;
    struct url url;
    struct buf out;
    fixture_init(&f, row->policies);
    if (row->url) {
      ck_assert_int_eq(url_parse(&url, slice_of(row->url), NULL, NULL), 0);
      q.url = &url;
    }
    d = policy_decide(f.set, f.scope, &q, NULL);
    buf_init(&out, &mem_libc, 1 << 16);
    ck_assert_int_eq(policy_explain_refusal(f.set, f.scope, &q, &d, &out), 0);
    ck_assert_slice_eq(buf_slice(&out), row->text);
    /* no room is an error and no harm */
    for (size_t max = 0; max < strlen(row->text); max++) {
      struct buf small;
      buf_init(&small, &mem_libc, max);
      ck_assert_int_eq(policy_explain_refusal(f.set, f.scope, &q, &d, &small),
                       ERR_FULL);
      buf_deinit(&small);
    }
    buf_deinit(&out);
    fixture_deinit(&f);
  }
}
END_TEST

START_TEST(explains_without_a_context) {
  struct request q = {.action = SLICE("a.b"), .resource = SLICE("c")};
  struct decision d = policy_decide(NULL, NULL, &q, NULL);
  struct buf out;

  buf_init(&out, &mem_libc, 1024);
  ck_assert_int_eq(policy_explain_refusal(NULL, NULL, &q, &d, &out), 0);
  ck_assert_slice_eq(buf_slice(&out), "  no actor\n");
  buf_clear(&out);
  d.verdict = VERDICT_ALLOW;
  ck_assert_int_eq(policy_explain_refusal(NULL, NULL, &q, &d, &out), 0);
  ck_assert_uint_eq(out.len, 0);
  buf_deinit(&out);
}
END_TEST

/* Puts the rules of "to allow it" lines into a policy: it must allow. */
static void take_advice(const char *action, const char *resource) {
  struct fixture f;
  struct request q = {.actor = &nobody,
                      .action = slice_of(action),
                      .resource = slice_of(resource)};
  struct decision d;
  struct buf out, text;
  char *rule, *end;

  fixture_init(&f, NULL);
  d = policy_decide(f.set, f.scope, &q, NULL);
  if (d.verdict == VERDICT_ALLOW) { /* a public address */
    fixture_deinit(&f);
    return;
  }
  buf_init(&out, &mem_libc, 1 << 16);
  buf_init(&text, &mem_libc, 1 << 16);
  ck_assert_int_eq(policy_explain_refusal(f.set, f.scope, &q, &d, &out), 0);
  ck_assert_int_eq(buf_terminate(&out), 0);
  fixture_deinit(&f);
  rule = strstr((char *)buf_bytes(&out), "to allow it: ");
  ck_assert_msg(rule != NULL, "%s %s", action, resource);
  rule += strlen("to allow it: ");
  end = strchr(rule, '\n');
  ck_assert_int_eq(
      buf_addf(&text, OPEN("    - %.*s\n"), (int)(end - rule), rule), 0);
  ck_assert_int_eq(buf_terminate(&text), 0);
  fixture_init(&f, (const char *)buf_bytes(&text));
  d = ask(&f, action, resource);
  ck_assert_msg(d.verdict == VERDICT_ALLOW, "%s", (char *)buf_bytes(&text));
  fixture_deinit(&f);
  buf_deinit(&out);
  buf_deinit(&text);
}

START_TEST(gives_good_advice) {
  static const char *const urls[] = {"wss://a.example",
                                     "ws://A.example:81/x%2a/y?z=%20",
                                     "wss://[fd00::1]:1/",
                                     "ws://10.0.0.1/*a*b*",
                                     "ws://a/?",
                                     "ws://a/?*",
                                     "ws://a/'&:@!$(),;=~",
                                     "ws://a/*/*/*/*/*/*/*/*/*?*",
                                     "ws://a/?*************"};
  static const char *const resources[] = {
      "",         "x",   ":",    "document:1", "a b",
      "#",        "- a", "{}",   "~",          "1",
      "'",        "\"",  "\\",   "\n",         "\xC3\xBC",
      "\xC2\x85", "no",  "a: b", "!x",         "&a",
      "%",        "@",   "`",    "10.0.0.1",   "class:private"};
  static const char *const actions[] = {"a.b", "true", "1.5", "a b",     "a'b",
                                        "x",   "~",    "-",   "a.b-c_d", "a:b"};
  static const char *const ips[] = {"10.0.0.1:1", "[::1]:65535", "[fe80::1]:80",
                                    "224.1.2.3:9"};

  take_advice("websocket.connect", "");
  unit_each(url, urls) take_advice(URL_ACTION, *url);
  unit_each(ip, ips) take_advice(ADDRESS_ACTION, *ip);
  unit_each(action, actions) unit_each(resource, resources)
      take_advice(*action, *resource);
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

START_TEST(a_deny_opens_no_address) {
  static const char *const open[] = {
      TOP, OPEN(URL_RULE_ANY("wss://a.example")), OPEN(ADDRESS_RULE("*")),
      OPEN(ADDRESS_RULE("10.0.0.0/8")), OPEN(URL_RULE("wss://*"))};
  static const char *const closed[] = {"'*'", "10.0.0.0/8", "class:public",
                                       "class:loopback", "'10.0.0.0/8:1'"};
  static const char *const ips[] = {"10.0.0.1:443", "127.0.0.1:443",
                                    "93.184.216.34:443", "[::1]:443"};
  unit_each(allow, open) unit_each(deny, closed) unit_each(ip, ips) {
    char text[1024];
    struct fixture with, without;
    struct decision a, b;
    sprintf(text,
            "%s" POLICY("z") "    actions: " ADDRESS_ACTION "\n"
                             "    resources: %s\n    effect: deny\n",
            *allow, *deny);
    fixture_init(&with, text);
    fixture_init(&without, allow == open ? EMPTY : *allow);
    a = ask_address(&with, NULL, *ip, true);
    b = ask_address(&without, NULL, *ip, true);
    ck_assert(a.verdict != VERDICT_ALLOW || b.verdict == VERDICT_ALLOW);
    fixture_deinit(&with);
    fixture_deinit(&without);
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

int main(void) {
  Suite *s = suite_create("decide");
  TCase *tc = tcase_create("decide");

  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, decides);
  tcase_add_test(tc, refuses_without_a_context);
  tcase_add_test(tc, errors_deny);
  tcase_add_test(tc, long_questions_are_left);
  tcase_add_test(tc, questions_may_run_out_of_time);
  tcase_add_test(tc, guards_run_out_of_time);
  tcase_add_test(tc, judges_addresses);
  tcase_add_test(tc, trusts_no_refused_url);
  tcase_add_test(tc, explains_refusals);
  tcase_add_test(tc, explains_without_a_context);
  tcase_add_test(tc, gives_good_advice);
  tcase_add_test(tc, holds_whatever_the_policies);
  tcase_add_test(tc, a_deny_opens_no_address);
  tcase_add_test(tc, survives_failing_memory);
  tcase_add_test(tc, conditions_decide);
  tcase_add_test(tc, names_errors);
  tcase_add_test(tc, conditions_see_addresses);
  tcase_add_test(tc, matches_on_threads);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
