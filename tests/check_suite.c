/* check_suite.c - policy tests: what a test file may say, what its tests find,
 * what they cover and which mutants they notice. */
#include "tests/unit.h"

#include "policy/suite.h"

#define TOP "namespace: app\nentries:\n"
#define ACTORS                                                                 \
  "policies: [.]\n"                                                            \
  "actors:\n"                                                                  \
  "  reader: {id: 'user:1', meta: {role: reader, level: 3}}\n"                 \
  "  guest: {id: 'user:2', meta: {role: guest}}\n"                             \
  "  robot: {id: 'robot:1'}\n"                                                 \
  "tests:\n"

static const char policies[] = TOP
    "- name: prices\n"
    "  kind: security.policy\n"
    "  policy:\n"
    "    actions: [websocket.connect, websocket.connect.url]\n"
    "    resources: ['', 'wss://stream.example.com/prices/*']\n"
    "    effect: allow\n"
    "    conditions:\n"
    "    - {field: actor.meta.role, operator: in, value: [reader, admin]}\n"
    "  groups: [default]\n"
    "- name: guard\n"
    "  kind: security.policy\n"
    "  policy:\n"
    "    effect: deny\n"
    "    rules:\n"
    "    - {action: websocket.connect.address, resource: '10.0.0.0/8:443'}\n"
    "    - {action: read, resource: 'document:secret'}\n"
    "  groups: [default]\n"
    "- name: owner\n"
    "  kind: security.policy.expr\n"
    "  policy:\n"
    "    actions: read\n"
    "    resources: 'document:*'\n"
    "    effect: allow\n"
    "    expression: 'actor.id == meta.owner'\n"
    "  groups: [office]\n";

static struct policy_set *load(const char *text, const struct mem *m) {
  struct policy_set *set;

  if (policy_set_new(&set, m) != 0)
    return NULL;
  if (policy_set_add(set, "p.yaml", slice_of(text), NULL, NULL) != 0 ||
      policy_set_finish(set, NULL, NULL) != 0) {
    policy_set_unref(set);
    return NULL;
  }
  return set;
}

static void on_mistake(void *ud, const struct err *e) {
  struct buf *b = ud;

  ck_assert_str_eq(e->source, "t.yaml");
  ck_assert_int_eq(buf_addf(b, "%u:%u: %s\n", e->line, e->column, e->message),
                   0);
}

/* ------------------------------------------------------------- mistakes --- */

#define GOOD_TEST "- {name: a, actor: reader, deny: x}\n"

static const struct {
  const char *text;
  const char *mistakes;
} wrong[] = {
    {"", "1:1: empty, expected a YAML document\n"},
    {"7", "1:1: file is a number, expected a map with policies, actors and "
          "tests\n"},
    {"{}",
     "1:1: test file without policies, expected 'policies': files or folders "
     "beside it, such as [.]\n1:1: test file without tests, expected "
     "'tests'\n"},
    {"polices: [.]\ntests: []\n",
     "1:1: unknown key 'polices', expected 'policies'\n"
     "2:8: 'tests' is empty, expected at least one test\n"},
    {"policies: {}\ntests: 3\n",
     "1:11: 'policies' is a map, expected a string or a list\n"
     "2:8: 'tests' is a number, expected a list\n"},
    {"version: [1]\npolicies: ['', 1]\nactors: [x]\ntests: [x]\n",
     "1:10: version is a list, expected \"1.0\"\n"
     "2:12: path is empty, expected a text\n"
     "2:16: path is a number, expected a string in quotes\n"
     "3:9: 'actors' is a list, expected a map from names to actors\n"
     "4:9: test is a string, expected a map with name, actor and allow, deny "
     "or action\n"},
    {"policies: .\nactors: {a: {}, b: {id: ''}, b: {id: x}, c: {id: x, meta: "
     "1}}\ntests:\n- {name: x, actor: d, deny: y}\n",
     "2:13: actor without an id, expected 'id'\n"
     "2:25: id is empty, expected a text\n"
     "2:30: duplicate actor 'b'\n"
     "2:59: 'meta' is a number, expected a map\n"
     "4:20: unknown actor 'd', expected 'a', 'b' or 'c'\n"},
    {"policies: .\ntests:\n- {name: x, actor: d, deny: y}\n",
     "3:20: unknown actor 'd', expected one that stands in 'actors'\n"},
    {ACTORS "- {}\n",
     "7:3: test without a name, expected 'name'\n"
     "7:3: test without an actor, expected 'actor': a name from 'actors', or "
     "null for nobody\n"
     "7:3: test without a question, expected 'allow', 'deny' or 'action'\n"},
    {ACTORS GOOD_TEST GOOD_TEST, "8:3: duplicate test 'a', first at line 7\n"},
    {ACTORS "- {name: a, actor: reader, action: x}\n",
     "7:3: test of an action without an answer, expected 'expect: allow', "
     "'deny', 'undefined' or 'error'\n"},
    {ACTORS "- {name: a, actor: reader, action: x, expect: alow}\n",
     "7:47: unknown answer 'alow', expected 'allow'\n"},
    {ACTORS "- {name: a, actor: reader, action: '', expect: allow, allow: x, "
            "deny: x}\n",
     "7:36: action is empty, expected a text\n"
     "7:55: 'allow' beside 'action', expected one or the other\n"
     "7:65: 'deny' beside 'action', expected one or the other\n"},
    {ACTORS "- {name: a, actor: reader, deny: x, resource: x, meta: {}, url: "
            "x, expect: deny}\n",
     "7:37: 'resource' without an action, expected 'action'\n"
     "7:50: 'meta' without an action, expected 'action'\n"
     "7:60: 'url' without an action, expected 'action'\n"
     "7:68: 'expect' without an action, expected 'action'\n"},
    {ACTORS "- {name: a, actor: reader, action: x, url: 'ws://x', expect: "
            "deny}\n",
     "7:39: 'url' beside action 'x', expected it beside "
     "'websocket.connect.address' only\n"},
    {ACTORS "- {name: a, actor: reader, allow: [x, {}, \"\\0\"], scope: []}\n",
     "7:39: URL is a map, expected a string\n"
     "7:43: URL has a NUL byte, expected text\n"
     "7:57: 'scope' is empty, expected at least one name\n"},
};

START_TEST(test_mistakes) {
  struct suite *s;
  struct buf b;

  buf_init(&b, &mem_libc, 1 << 16);
  ck_assert_int_eq(suite_new(&s, "t.yaml", slice_of(wrong[_i].text),
                             &tree_limits_default, &mem_libc, on_mistake, &b),
                   ERR_SYNTAX);
  ck_assert_slice_eq(buf_slice(&b), wrong[_i].mistakes);
  buf_deinit(&b);
  suite_free(NULL);
}
END_TEST

/* ---------------------------------------------------------------- tests --- */

struct fixture {
  struct policy_set *set;
  struct suite *suite;
};

static void fixture_init(struct fixture *f, const char *set,
                         const char *tests) {
  char *text = NULL;
  size_t n = strlen(ACTORS) + strlen(tests) + 1;
  struct buf b;
  int rv;

  f->set = load(set, &mem_libc);
  ck_assert_ptr_nonnull(f->set);
  text = malloc(n);
  ck_assert_ptr_nonnull(text);
  snprintf(text, n, "%s%s", ACTORS, tests);
  buf_init(&b, &mem_libc, 1 << 16);
  rv = suite_new(&f->suite, "t.yaml", slice_of(text), &tree_limits_default,
                 &mem_libc, on_mistake, &b);
  if (rv == 0)
    rv = suite_bind(f->suite, f->set, on_mistake, &b);
  ck_assert_msg(rv == 0, "%s\n%.*s", text, (int)b.len,
                b.len ? (const char *)buf_bytes(&b) : "");
  buf_deinit(&b);
  free(text);
}

static void fixture_deinit(struct fixture *f) {
  suite_free(f->suite);
  policy_set_unref(f->set);
}

static size_t run_all(struct fixture *f, struct buf *why) {
  size_t all = 0, failed = 0;

  for (size_t i = 0; i < suite_len(f->suite); i++) {
    ck_assert_int_eq(suite_run(f->suite, i, &failed, why), 0);
    all += failed;
  }
  return all;
}

#define PRICE "wss://stream.example.com/prices/btc"
#define T(body) "- {name: a, actor: " body "}\n"
#define ADDRESS(actor) actor ", action: websocket.connect.address, resource: "

static const struct {
  const char *test;
  const char *why; /* the first line behind the position; NULL: it holds */
} answers[] = {
    {T("reader, allow: '" PRICE "'"), NULL},
    {T("reader, deny: '" PRICE "'"),
     "websocket.connect.url " PRICE ": expected a refusal, got allow by "
     "app:prices (p.yaml:3)"},
    {T("guest, deny: '" PRICE "'"), NULL},
    {T("guest, allow: '" PRICE "'"),
     "websocket.connect " PRICE ": expected allow, got undefined"},
    {T("reader, deny: 'ws://stream.example.com/prices/btc'"), NULL},
    {T("reader, allow: 'WSS://Stream.Example.com.:443/prices/%62tc'"), NULL},
    /* what is no URL is refused */
    {T("reader, deny: [x, 'wss://u@x']"), NULL},
    {T("reader, allow: 'wss://u@x'"),
     "websocket.connect.url wss://u@x: expected allow, got deny with an error"},
    {T("null, deny: '" PRICE "'"), NULL},
    {T("null, allow: '" PRICE "'"),
     "websocket.connect " PRICE ": expected allow, got deny"},
    /* a policy that has to decide */
    {T("reader, allow: '" PRICE "', policy: prices"), NULL},
    {T("reader, allow: '" PRICE "', policy: 'app:guard'"),
     "websocket.connect.url " PRICE
     ": expected allow by app:guard, got allow by app:prices (p.yaml:3)"},
    {T("reader, deny: 'ws://x/', policy: guard"),
     "websocket.connect.url ws://x/: expected a refusal by app:guard, got "
     "undefined by no policy"},
    /* the four answers */
    {T("reader, action: read, resource: 'document:secret', expect: deny, "
       "policy: guard"),
     NULL},
    {T("reader, action: read, resource: 'document:1', meta: {owner: 'user:1'},"
       " expect: allow, policy: owner"),
     NULL},
    {T("reader, action: read, resource: 'document:1', meta: {owner: x}, "
       "expect: undefined"),
     NULL},
    {T("reader, action: read, resource: 'document:1', expect: error"), NULL},
    {T("reader, action: read, resource: 'document:1', expect: undefined"),
     NULL},
    {T("reader, action: read, resource: 'document:1', expect: deny"),
     "read document:1: expected deny, got undefined with an error"},
    {T("reader, action: write, expect: error"),
     "write: expected error, got undefined"},
    {T("reader, action: write, expect: undefined"), NULL},
    /* a sure deny beside an error: refused, and an evaluation failed */
    {T("reader, action: read, resource: 'document:secret', expect: error"),
     NULL},
    /* scopes */
    {T("reader, scope: office, deny: '" PRICE "'"), NULL},
    {T("reader, scope: [default, 'app:owner'], allow: '" PRICE "'"), NULL},
    {T("reader, scope: prices, action: read, resource: 'document:secret', "
       "expect: undefined"),
     NULL},
    /* addresses */
    {T(ADDRESS("reader") "'10.1.2.3:443', expect: deny, policy: guard"), NULL},
    {T(ADDRESS("reader") "'10.1.2.3:80', expect: deny"), NULL},
    {T(ADDRESS("reader") "'8.8.8.8:80', expect: allow"), NULL},
    {T(ADDRESS("reader") "'8.8.8.8:80', expect: deny"),
     "websocket.connect.address 8.8.8.8:80: expected deny, got allow"},
    {T(ADDRESS("reader") "nonsense, expect: error"), NULL},
    {T(ADDRESS("reader") "nonsense, expect: deny"), NULL},
    {T("reader, action: websocket.connect.url, resource: '" PRICE
       "', expect: allow"),
     NULL},
    {T("reader, action: websocket.connect.url, resource: nonsense, expect: "
       "error"),
     NULL},
    {T("robot, action: websocket.connect.url, resource: '" PRICE
       "', expect: error"),
     NULL},
};

START_TEST(test_answers) {
  struct fixture f;
  struct buf why;
  size_t failed;

  buf_init(&why, &mem_libc, 1 << 16);
  fixture_init(&f, policies, answers[_i].test);
  failed = run_all(&f, &why);
  if (!answers[_i].why) {
    ck_assert_msg(failed == 0, "%s%.*s", answers[_i].test, (int)why.len,
                  why.len ? (const char *)buf_bytes(&why) : "");
    ck_assert_uint_eq(why.len, 0);
  } else {
    const char *line, *end;
    ck_assert_uint_eq(failed, 1);
    ck_assert_int_eq(buf_terminate(&why), 0);
    line = (const char *)buf_bytes(&why);
    ck_assert_int_eq(strncmp(line, "  t.yaml:7:", 11), 0);
    line = strstr(line, ": ") + 2;
    end = strchr(line, '\n');
    ck_assert_slice_eq(((struct slice){line, (size_t)(end - line)}),
                       answers[_i].why);
    ck_assert_int_eq(strncmp(end, "\n    ", 5), 0); /* and why */
  }
  buf_deinit(&why);
  fixture_deinit(&f);
}
END_TEST

/* An address rests on the decision about its URL. */
START_TEST(test_address_of_a_url) {
  static const char set[] = TOP
      "- name: a\n  kind: security.policy\n  policy:\n    effect: allow\n"
      "    rules:\n"
      "    - {action: websocket.connect.url, resource: 'ws://localhost:*'}\n"
      "    - {action: websocket.connect.url, resource: 'wss://a.example', "
      "address: any}\n";
  struct fixture f;
  struct buf why;

  buf_init(&why, &mem_libc, 1 << 16);
  fixture_init(&f, set,
               "- {name: a, actor: robot, action: websocket.connect.address, "
               "resource: '127.0.0.1:9', url: 'ws://localhost:9', expect: "
               "allow}\n"
               "- {name: b, actor: robot, action: websocket.connect.address, "
               "resource: '10.0.0.1:9', url: 'ws://localhost:9', expect: "
               "deny}\n"
               "- {name: c, actor: robot, action: websocket.connect.address, "
               "resource: '10.0.0.1:443', url: 'wss://a.example', expect: "
               "allow}\n"
               "- {name: d, actor: robot, action: websocket.connect.address, "
               "resource: '10.0.0.1:443', url: 'wss://b.example', expect: "
               "deny}\n"
               "- {name: e, actor: robot, action: websocket.connect.address, "
               "resource: '127.0.0.1:9', expect: deny}\n");
  ck_assert_uint_eq(run_all(&f, &why), 0);
  buf_deinit(&why);
  fixture_deinit(&f);
}
END_TEST

START_TEST(test_bind) {
  static const char text[] =
      "policies: [.]\nactors: {r: {id: x}}\ntests:\n"
      "- {name: a, actor: r, scope: [defualt, office, nothing], deny: x}\n"
      "- {name: b, actor: r, deny: x, policy: gaurd}\n"
      "- {name: c, actor: r, deny: x, policy: 'app:pricse'}\n";
  struct policy_set *set = load(policies, &mem_libc);
  struct suite *s;
  struct buf b;

  buf_init(&b, &mem_libc, 1 << 16);
  ck_assert_int_eq(suite_new(&s, "t.yaml", slice_of(text), &tree_limits_default,
                             &mem_libc, on_mistake, &b),
                   0);
  ck_assert_uint_eq(suite_paths(s), 1);
  ck_assert_slice_eq(suite_path(s, 0)->text, ".");
  ck_assert_uint_eq(suite_len(s), 3);
  ck_assert_slice_eq(suite_at(s, 1)->name.text, "b");
  ck_assert_uint_eq(suite_at(s, 1)->name.pos.line, 5);
  ck_assert_int_eq(suite_bind(s, set, on_mistake, &b), ERR_SYNTAX);
  ck_assert_slice_eq(
      buf_slice(&b),
      "4:31: no group or policy 'defualt', did you mean 'default'\n"
      "4:48: no group or policy 'nothing'\n"
      "5:40: no policy 'gaurd', did you mean 'guard'\n"
      "6:40: no policy 'app:pricse', did you mean 'app:prices'\n");
  ck_assert_int_eq(suite_bind(s, set, NULL, NULL), ERR_SYNTAX);
  suite_free(s);
  policy_set_unref(set);
  buf_deinit(&b);
}
END_TEST

/* ------------------------------------------------- coverage and mutants --- */

static void on_cover(void *ud, const struct suite_cover *c) {
  static const char *const kinds[] = {"policy", "rule", "condition"};
  struct buf *b = ud;

  ck_assert_int_eq(buf_addf(b, "%s %s:%u:%u %s %u %u %u\n", kinds[c->kind],
                            c->policy->id.p, c->pos.line, c->pos.column,
                            c->text, c->yes, c->no, c->error),
                   0);
}

START_TEST(test_coverage) {
  struct fixture f;
  struct buf b;

  buf_init(&b, &mem_libc, 1 << 16);
  fixture_init(
      &f, policies,
      "- {name: a, actor: reader, allow: '" PRICE "'}\n"
      "- {name: b, actor: guest, deny: '" PRICE "'}\n"
      "- {name: c, actor: robot, action: read, resource: 'document:secret', "
      "expect: deny}\n"
      "- {name: d, actor: robot, action: read, resource: 'document:1', meta: "
      "{owner: x}, expect: deny}\n");
  /* nothing ran: nothing is covered */
  ck_assert_int_eq(suite_coverage(f.suite, on_cover, &b), 0);
  ck_assert_ptr_nonnull(memmem(buf_bytes(&b), b.len, " 0 0 0\n", 7));
  ck_assert_ptr_null(memmem(buf_bytes(&b), b.len, " 1 ", 3));
  buf_clear(&b);
  ck_assert_uint_eq(run_all(&f, &b), 1);
  buf_clear(&b);
  ck_assert_int_eq(suite_coverage(f.suite, on_cover, &b), 0);
  /* connect and url of a, connect of b, which ends it; then c and d */
  ck_assert_slice_eq(
      buf_slice(&b),
      "policy app:guard:12:3  1 4 0\n"
      "rule app:guard:17:7 websocket.connect.address on 10.0.0.0/8:443 0 5 0\n"
      "rule app:guard:18:7 read on document:secret 1 4 0\n"
      "policy app:owner:20:3  0 4 1\n"
      "rule app:owner:23:5 read on document:* 0 4 1\n"
      "condition app:owner:20:3 expression 0 1 1\n"
      "policy app:prices:3:3  2 3 0\n"
      "rule app:prices:6:5 websocket.connect, websocket.connect.url on \"\", "
      "wss://stream.example.com/prices/* 2 3 0\n"
      "condition app:prices:10:7 condition 1: actor.meta.role in 2 1 0\n");
  buf_deinit(&b);
  fixture_deinit(&f);
}
END_TEST

struct mutants {
  struct buf survive;
  size_t noticed;
};

static void on_mutant(void *ud, const struct suite_mutant *m) {
  struct mutants *all = ud;

  if (m->noticed) {
    all->noticed++;
    ck_assert_ptr_null(m->witness);
    return;
  }
  ck_assert_int_eq(buf_addf(&all->survive, "%s:%u: %s%s%s\n", m->policy->id.p,
                            m->pos.line, m->change, m->witness ? " " : "",
                            m->witness ? m->witness : ""),
                   0);
}

#define ONE(body)                                                              \
  TOP "- name: p\n  kind: security.policy\n  policy:\n" body "\n"
#define URL_POLICY(url)                                                        \
  ONE("    {effect: allow, actions: websocket.connect.url, resources: '" url   \
      "'}")
#define ASK(answer, url)                                                       \
  "- {name: '" answer " " url "', actor: reader, action: "                     \
  "websocket.connect.url, resource: '" url "', expect: " answer "}\n"
#define ASK_READ(answer, resource)                                             \
  "- {name: '" answer " " resource                                             \
  "', actor: reader, action: read, resource: '" resource "', expect: " answer  \
  "}\n"

static const struct {
  const char *policies;
  const char *tests;
  size_t noticed;
  const char *survive;
} mutants[] = {
    /* effect, the policy itself, scheme, host, port, path */
    {URL_POLICY("wss://a.example.com/x"), ASK("allow", "wss://a.example.com/x"),
     2,
     "app:p:6: widen scheme of \"wss://a.example.com/x\" to ws and wss "
     "ws://a.example.com/x\n"
     "app:p:6: widen host of \"wss://a.example.com/x\" to *.example.com "
     "wss://other.example.com/x\n"
     "app:p:6: widen port of \"wss://a.example.com/x\" to any "
     "wss://a.example.com:8443/x\n"
     "app:p:6: widen path of \"wss://a.example.com/x\" to any "
     "wss://a.example.com/other\n"},
    {URL_POLICY("wss://a.example.com/x"),
     ASK("allow", "wss://a.example.com/x")
         ASK("undefined", "ws://a.example.com/x")
             ASK("undefined", "wss://b.example.com/x")
                 ASK("undefined", "wss://a.example.com:444/x")
                     ASK("undefined", "wss://a.example.com/y"),
     6, ""},
    /* nothing that can be widened */
    {URL_POLICY("*"), ASK("allow", "wss://a.example.com/x"), 2, ""},
    {URL_POLICY("*://*:*"), ASK("allow", "wss://a.example.com/x"), 2, ""},
    {URL_POLICY("*://*.example.com:*?v=1"),
     ASK("allow", "ws://a.example.com/x?v=1"), 2,
     "app:p:6: widen host of \"*://*.example.com:*?v=1\" to any name "
     "wss://other.example/?v=1\n"
     "app:p:6: widen query of \"*://*.example.com:*?v=1\" to any "
     "wss://other.example.com/?other\n"},
    {URL_POLICY("*://localhost:*"), ASK("allow", "ws://localhost"), 2,
     "app:p:6: widen host of \"*://localhost:*\" to any name "
     "wss://other.example/\n"},
    {URL_POLICY("*://127.0.0.1:*"), ASK("allow", "ws://127.0.0.1"), 2, ""},
    {URL_POLICY("wss://*.example.com:8443-8444/a/*?x=*"),
     ASK("allow", "wss://b.example.com:8444/a/b?x="), 2,
     "app:p:6: widen scheme of \"wss://*.example.com:8443-8444/a/*?x=*\" to ws "
     "and wss ws://other.example.com:8443/a/x?x=x\n"
     "app:p:6: widen host of \"wss://*.example.com:8443-8444/a/*?x=*\" to any "
     "name wss://other.example:8443/a/x?x=x\n"
     "app:p:6: widen port of \"wss://*.example.com:8443-8444/a/*?x=*\" to any "
     "wss://other.example.com:9443/a/x?x=x\n"
     "app:p:6: widen path of \"wss://*.example.com:8443-8444/a/*?x=*\" to any "
     "wss://other.example.com:8443/other?x=x\n"
     "app:p:6: widen query of \"wss://*.example.com:8443-8444/a/*?x=*\" to any "
     "wss://other.example.com:8443/a/x?other\n"},
    /* no witness is better than a wrong one */
    {URL_POLICY("ws://*:8000-9500/o*r?"), ASK("allow", "ws://b:8000/or"), 2,
     "app:p:6: widen scheme of \"ws://*:8000-9500/o*r?\" to ws and wss "
     "wss://other.example:8000/oxr\n"
     "app:p:6: widen port of \"ws://*:8000-9500/o*r?\" to any\n"
     "app:p:6: widen path of \"ws://*:8000-9500/o*r?\" to any\n"
     "app:p:6: widen query of \"ws://*:8000-9500/o*r?\" to any "
     "ws://other.example:8000/oxr?other\n"},
    /* a test that fails notices nothing */
    {URL_POLICY("*"), ASK("deny", "wss://a.example.com/x"), 0,
     "app:p:3: effect deny instead of allow\napp:p:6: drop the policy\n"},
    /* lists: each entry less */
    {ONE("    {effect: allow, actions: [read, write], resources: ['a', "
         "'b:*']}"),
     ASK_READ("allow", "a"), 4,
     "app:p:6: drop action write\napp:p:6: widen \"a\" to anything\n"
     "app:p:6: drop resource \"b:*\"\napp:p:6: widen \"b:*\" to anything\n"},
    /* rules: each less; deny */
    {ONE("    effect: deny\n    rules:\n    - {action: read, resource: a}\n"
         "    - {action: read, resource: b}"),
     ASK_READ("deny", "a") ASK_READ("undefined", "c"), 4,
     "app:p:9: drop rule 2\n"},
    /* conditions, expressions */
    {ONE("    effect: allow\n    actions: read\n    resources: '*'\n"
         "    conditions:\n"
         "    - {field: actor.id, operator: eq, value: 'user:1'}\n"
         "    - {field: actor.meta.role, operator: eq, value: reader}"),
     ASK_READ(
         "allow",
         "a") "- {name: b, actor: guest, action: read, expect: undefined}\n",
     2,
     "app:p:10: drop condition 1 on actor.id\n"
     "app:p:11: drop condition 2 on actor.meta.role\n"},
    {ONE("    effect: allow\n    actions: read\n    resources: '*'\n"
         "    conditions:\n"
         "    - {field: actor.meta.role, operator: eq, value: reader}"),
     ASK_READ(
         "allow",
         "a") "- {name: b, actor: guest, action: read, expect: undefined}\n",
     3, ""},
    {TOP "- name: p\n  kind: security.policy.expr\n  policy:\n"
         "    effect: allow\n    actions: read\n    resources: '*'\n"
         "    expression: 'meta.x == 1'\n",
     "- {name: a, actor: guest, action: read, meta: {x: 1}, expect: allow}\n",
     2, "app:p:3: drop the expression\n"},
    {TOP "- name: p\n  kind: security.policy.expr\n  policy:\n"
         "    effect: allow\n    actions: read\n    resources: '*'\n"
         "    expression: 'meta.x == 1'\n",
     "- {name: a, actor: guest, action: read, meta: {x: 1}, expect: allow}\n"
     "- {name: b, actor: guest, action: read, expect: error}\n",
     3, ""},
    /* addresses, by themselves and through the URL */
    {ONE("    effect: deny\n    rules:\n    - {action: "
         "websocket.connect.address, resource: '8.8.8.0/24:443'}"),
     "- {name: a, actor: reader, action: websocket.connect.address, resource: "
     "'8.8.8.8:443', expect: deny}\n",
     2,
     "app:p:8: widen port of \"8.8.8.0/24:443\" to any\n"
     "app:p:8: widen \"8.8.8.0/24:443\" to anything\n"},
    {ONE("    effect: allow\n    rules:\n    - {action: "
         "websocket.connect.url, resource: '*://a.example:*', address: any}"),
     "- {name: a, actor: reader, action: websocket.connect.address, resource: "
     "'10.0.0.1:443', url: 'wss://a.example', expect: allow}\n",
     4, ""},
    /* out of scope, nothing matters */
    {ONE("    {effect: allow, actions: read, resources: '*'}") "- name: q\n  "
                                                               "kind: "
                                                               "security."
                                                               "policy\n  "
                                                               "policy:\n"
                                                               "    {effect: "
                                                               "allow, "
                                                               "actions: read, "
                                                               "resources: "
                                                               "'*'}\n",
     "- {name: a, actor: reader, scope: q, action: read, expect: allow}\n", 2,
     "app:p:3: effect deny instead of allow\napp:p:6: drop the policy\n"},
};

START_TEST(test_mutants) {
  struct mutants all = {.noticed = 0};
  struct fixture f;
  struct buf why;

  buf_init(&why, &mem_libc, 1 << 16);
  buf_init(&all.survive, &mem_libc, 1 << 16);
  fixture_init(&f, mutants[_i].policies, mutants[_i].tests);
  run_all(&f, &why);
  ck_assert_int_eq(suite_mutate(f.suite, on_mutant, &all), 0);
  ck_assert_slice_eq(buf_slice(&all.survive), mutants[_i].survive);
  ck_assert_uint_eq(all.noticed, mutants[_i].noticed);
  buf_deinit(&why);
  buf_deinit(&all.survive);
  fixture_deinit(&f);
}
END_TEST

/* --------------------------------------------------------------- memory --- */

static void count_mistake(void *ud, const struct err *e) {
  (void)e;
  ++*(size_t *)ud;
}

static void count_cover(void *ud, const struct suite_cover *c) {
  (void)c;
  ++*(size_t *)ud;
}

static void count_mutant(void *ud, const struct suite_mutant *m) {
  (void)m;
  ++*(size_t *)ud;
}

static int everything(const char *text, struct policy_set *set,
                      const struct mem *m, int want) {
  size_t n = 0, failed = 0;
  struct suite *s;
  struct buf why;
  int rv = suite_new(&s, "t.yaml", slice_of(text), &tree_limits_default, m,
                     count_mistake, &n);

  if (rv != 0)
    return rv;
  buf_init(&why, m, 1 << 20);
  rv = suite_bind(s, set, count_mistake, &n);
  for (size_t i = 0; rv == 0 && i < suite_len(s); i++)
    rv = suite_run(s, i, &failed, &why);
  if (rv == 0)
    rv = suite_coverage(s, count_cover, &n);
  if (rv == 0)
    rv = suite_mutate(s, count_mutant, &n);
  buf_deinit(&why);
  suite_free(s);
  ck_assert_int_eq(rv == 0 ? want : rv, rv);
  return rv;
}

static const struct {
  const char *text;
  int rv;
} sweeps[] = {
    {ACTORS "- {name: a, actor: reader, scope: [default], allow: ['" PRICE
            "', 'wss://x.example', 'wss://u@x'], deny: 'ws://x.example'}\n"
            "- {name: b, actor: guest, action: read, resource: 'document:1', "
            "meta: {owner: [x]}, expect: error, policy: owner}\n"
            "- {name: c, actor: guest, action: websocket.connect.address, "
            "resource: '10.0.0.1:9', url: 'ws://x.example', expect: allow}\n",
     0},
    {ACTORS "- {name: a, actor: raeder, scope: {}, alow: []}\n", ERR_SYNTAX},
    {ACTORS "- {name: a, actor: reader, scope: [x, y], deny: x, policy: z}\n",
     ERR_SYNTAX},
};

START_TEST(test_failing_memory) {
  struct policy_set *set = load(policies, &mem_libc);
  int rv = ERR_NOMEM;

  ck_assert_ptr_nonnull(set);
  for (size_t n = 0; rv == ERR_NOMEM; n++) {
    struct failing_mem fm;
    failing_mem_init(&fm, n);
    rv = everything(sweeps[_i].text, set, &fm.mem, sweeps[_i].rv);
    ck_assert_uint_eq(fm.live_bytes, 0);
    ck_assert(rv == ERR_NOMEM || rv == sweeps[_i].rv);
    if (fm.refused == 0) {
      ck_assert_uint_gt(n, 4);
      break;
    }
    if (rv != ERR_NOMEM) /* survived: a suggestion less */
      rv = ERR_NOMEM;
  }
  ck_assert_int_eq(rv, sweeps[_i].rv);
  policy_set_unref(set);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("suite");
  TCase *t = tcase_create("suite");

  suite_add_tcase(s, t);
  tcase_add_loop_test(t, test_mistakes, 0, (int)unit_len(wrong));
  tcase_add_loop_test(t, test_answers, 0, (int)unit_len(answers));
  tcase_add_test(t, test_address_of_a_url);
  tcase_add_test(t, test_bind);
  tcase_add_test(t, test_coverage);
  tcase_add_loop_test(t, test_mutants, 0, (int)unit_len(mutants));
  tcase_add_loop_test(t, test_failing_memory, 0, (int)unit_len(sweeps));
  return s;
}

int main(void) {
  return unit_run(suite());
}
