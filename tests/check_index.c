/* check_index.c - over generated policies and requests: the index answers as
 * the plain loop does, and what must hold whatever the policies are. */
#include "tests/unit.h"

#include "policy/decide.h"
#include "policy/index.h"
#include "runtime/base/buf.h"

#define URL_ACTION "websocket.connect.url"
#define ADDRESS_ACTION "websocket.connect.address"

/* ----------------------------------------------------------- generating --- */

/* splitmix64: the same policies everywhere */
struct dice {
  uint64_t state;
};

static uint64_t roll(struct dice *d) {
  uint64_t z = (d->state += UINT64_C(0x9E3779B97F4A7C15));

  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

static size_t below(struct dice *d, size_t n) {
  return (size_t)(roll(d) % n);
}

static bool chance(struct dice *d, unsigned percent) {
  return below(d, 100) < percent;
}

#define pick(d, table) ((table)[below(d, unit_len(table))])

static const char *const actions[] = {"websocket.connect",
                                      URL_ACTION,
                                      URL_ACTION,
                                      URL_ACTION,
                                      URL_ACTION,
                                      ADDRESS_ACTION,
                                      "read",
                                      "write",
                                      "list.all",
                                      "list.*",
                                      "websocket.*",
                                      "web*",
                                      "*",
                                      "websocket.connect.*"};
static const char *const asked_actions[] = {
    "websocket.connect",      "read", "write", "list.all", "list.none", "other",
    "websocket.connect.other"};

/* For patterns; those for denies only are at the end. */
#define DENY_HOSTS 5
static const char *const hosts[] = {
    "a.com",     "a.com",     "b.a.com",   "c.b.a.com", "x.org",
    "localhost", "10.0.0.1",  "127.0.0.1", "[::1]",     "[2001:db8::1]",
    "*.a.com",   "*.b.a.com", "*.com",     "*",         "xn--a.com",
    "a*",        "10.*",      "a.com:4*",  "*",         "[::1]*"};
static const char *const asked_hosts[] = {
    "a.com",         "a.com",     "b.a.com",   "c.b.a.com", "d.c.b.a.com",
    "x.org",         "localhost", "10.0.0.1",  "127.0.0.1", "[::1]",
    "[2001:db8::1]", "y.com",     "xn--a.com", "aa.com"};
static const char *const schemes[] = {"wss", "wss", "wss", "ws", "*"};
static const char *const ports[] = {
    "", "", "", ":443", ":80", ":*", ":444", ":8443", ":400-9000", ":1-79"};
static const char *const asked_ports[] = {"",     "",      ":443",  ":80",
                                          ":444", ":8443", ":65535"};
static const char *const paths[] = {
    "",
    "",
    "/",
    "/*",
    "/p",
    "/p*",
    "/p/*",
    "/p/q",
    "/q",
    "/q/*",
    "/p/*/q",
    "/*/q",
    "/p/q*",
    "/*p*q*",
    "/r/1",
    "/r/2",
    "/r/3",
    "/r/4*",
    "/r/5/*",
    "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/*",
    "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/a*"};
static const char *const asked_paths[] = {
    "",
    "/",
    "/p",
    "/p/",
    "/p/q",
    "/q",
    "/q/q",
    "/pp",
    "/p/x/q",
    "/r/1",
    "/r/2",
    "/r/3",
    "/r/44",
    "/r/5/5",
    "/zpzqz",
    "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/ab"};
static const char *const queries[] = {"",  "",     "",     "",
                                      "?", "?v=1", "?v=*", "?*=1"};
static const char *const asked_queries[] = {"", "", "?", "?v=1", "?w=1"};

static const char *const texts[] = {
    "",
    "*",
    "doc:1",
    "doc:2",
    "doc:*",
    "d*",
    "doc/*",
    "do*",
    "doc:11",
    "folder*",
    "f*",
    "10*",
    "127.0.0.1:80",
    "w*",
    "0123456789012345678901234567890123456789012345678901234567890123*",
    "01234567890123456789012345678901234567890123456789012345678901234*"};
static const char *const asked_texts[] = {
    "",
    "doc:1",
    "doc:2",
    "doc:11",
    "doc:",
    "doc/1",
    "d",
    "folder",
    "x",
    "10.0.0.0/8",
    "class:private",
    "10.0.0.1",
    "wss://a.com/p",
    "ws://a.com:/",
    "WSS://B.a.com/q?v=1",
    "*://a.com",
    "01234567890123456789012345678901234567890123456789012345678901234567"};

static const char *const blocks[] = {"10.0.0.0/8",      "10.0.0.1",
                                     "10.0.0.0/8:443",  "0.0.0.0/0",
                                     "[::]/0",          "127.0.0.0/8",
                                     "[::1]",           "[fd00::]/8",
                                     "[2001:db8::]/33", "class:private",
                                     "class:loopback",  "class:public",
                                     "class:reserved",  "*",
                                     "8.8.8.0/23",      "8.8.8.8:1-1024",
                                     "[64:ff9b::]/96",  "class:embedded_v4"};
static const char *const asked_addresses[] = {
    "10.0.0.1:443",       "10.9.9.9:80",
    "127.0.0.1:80",       "[::1]:443",
    "[fd00::1]:443",      "[2001:db8::1]:443",
    "8.8.8.8:443",        "8.8.9.9:8443",
    "0.0.0.0:80",         "[64:ff9b::a00:1]:443",
    "[::ffff:7f00:1]:80", "[2002:a00:1::]:80",
    "[2606:4700::1]:443", "169.254.1.1:80"};

static const char *const conditions[] = {
    "{field: actor.id, operator: eq, value: 'user:1'}",
    "{field: actor.meta.role, operator: in, value: [reader, admin]}",
    "{field: actor.meta.role, operator: eq, value: guest}",
    "{field: meta.level, operator: gt, value: 2}",
    "{field: meta.none, operator: eq, value: 2}",
    "{field: actor.id, operator: lt, value: 2}",
    "{field: meta.none, operator: exists, value: false}"};
static const char *const expressions[] = {
    "actor.id == \"user:1\"",
    "meta.level > 2",
    "meta.level > 5",
    "meta.none > 2",
    "actor.meta.role contains \"read\"",
    "has(meta.none) || actor.meta.role == \"reader\""};

static void add(struct buf *out, const char *text) {
  ck_assert_int_eq(buf_adds(out, text), 0);
}

static void add_url_pattern(struct dice *d, struct buf *out, bool deny) {
  add(out, pick(d, schemes));
  add(out, "://");
  add(out, hosts[below(d, unit_len(hosts) - (deny ? 0 : DENY_HOSTS))]);
  if (chance(d, 70))
    add(out, pick(d, ports));
  if (chance(d, 80))
    add(out, pick(d, paths));
  if (chance(d, 30))
    add(out, pick(d, queries));
}

static void add_resource(struct dice *d, struct buf *out, const char *action,
                         bool deny) {
  add(out, "'");
  if (strcmp(action, ADDRESS_ACTION) == 0)
    add(out, pick(d, blocks));
  else if (strcmp(action, URL_ACTION) == 0)
    add_url_pattern(d, out, deny);
  else if (chance(d, 25))
    add_url_pattern(d, out, deny);
  else if (chance(d, 10))
    add(out, pick(d, blocks));
  else
    add(out, pick(d, texts));
  add(out, "'");
}

static void add_rules(struct dice *d, struct buf *out, bool deny) {
  size_t n = 1 + below(d, 4);

  add(out, "    rules:\n");
  for (size_t i = 0; i < n; i++) {
    const char *action = pick(d, actions);
    add(out, "    - {action: '");
    add(out, action);
    add(out, "', resource: ");
    add_resource(d, out, action, deny);
    add(out, !deny && chance(d, 15) ? ", address: any}\n" : "}\n");
  }
}

static void add_lists(struct dice *d, struct buf *out, bool deny) {
  size_t n = chance(d, 10) ? 9 + below(d, 3) : 1 + below(d, 2);
  const char *action = pick(d, actions);

  add(out, "    actions: ['");
  add(out, action);
  for (size_t i = 1; i < n; i++) {
    add(out, "', '");
    add(out, pick(d, actions));
  }
  add(out, "']\n    resources: [");
  for (size_t i = 1 + below(d, 4); i-- > 0;) {
    add_resource(d, out, action, deny);
    add(out, i ? ", " : "]\n");
  }
}

/* A file of one policy with the number |i|; perhaps with a mistake. */
static void add_policy(struct dice *d, struct buf *out, size_t i, bool deny) {
  bool expr = chance(d, 10);

  ck_assert_int_eq(
      buf_addf(out,
               "namespace: t\nentries:\n- name: p%04zu\n"
               "  kind: security.policy%s\n  groups: [g%zu, all]\n  policy:\n"
               "    effect: %s\n",
               i, expr ? ".expr" : "", below(d, 3), deny ? "deny" : "allow"),
      0);
  if (expr)
    ck_assert_int_eq(
        buf_addf(out, "    expression: '%s'\n", pick(d, expressions)), 0);
  else if (chance(d, 15))
    ck_assert_int_eq(
        buf_addf(out, "    conditions: [%s]\n", pick(d, conditions)), 0);
  if (!expr && chance(d, 50))
    add_rules(d, out, deny);
  else
    add_lists(d, out, deny);
}

static bool loads(struct slice text) {
  struct policy_set *set;
  int rv;

  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  rv = policy_set_add(set, "p", text, NULL, NULL);
  policy_set_unref(set);
  return rv == 0;
}

/* Without a mistake; free it. */
static char *new_policy(struct dice *d, size_t i, bool deny) {
  struct buf b;
  char *text;

  buf_init(&b, &mem_libc, 1 << 16);
  do {
    buf_clear(&b);
    add_policy(d, &b, i, deny);
  } while (!loads(buf_slice(&b)));
  ck_assert_int_eq(buf_addc(&b, '\0'), 0);
  text = strdup(buf_slice(&b).p);
  ck_assert_ptr_nonnull(text);
  buf_deinit(&b);
  return text;
}

#define MAX_POLICIES 80

struct world {
  char *files[MAX_POLICIES];
  size_t n;
};

static void world_init(struct world *w, struct dice *d, size_t n) {
  w->n = n;
  for (size_t i = 0; i < n; i++)
    w->files[i] = new_policy(d, i, chance(d, 30));
}

static void world_deinit(struct world *w) {
  for (size_t i = 0; i < w->n; i++)
    free(w->files[i]);
}

/* A set of some of the files, in some order; all of it in force. */
struct force {
  struct policy_set *set;
  struct policy_scope *scope;
  const struct policy *plain[MAX_POLICIES]; /* the same for the plain loop */
  size_t n;
};

static void force_scope(struct force *f, const struct slice *names, size_t n) {
  struct err e;

  policy_scope_free(f->scope);
  ck_assert_int_eq(policy_scope_new(&f->scope, f->set, names, n, &mem_libc, &e),
                   0);
  f->n = policy_scope_len(f->scope);
  for (size_t i = 0; i < f->n; i++)
    f->plain[i] = policy_scope_at(f->scope, i);
}

static void force_init(struct force *f, char *const *files, size_t n,
                       struct dice *shuffle) {
  size_t order[MAX_POLICIES];

  f->scope = NULL;
  ck_assert_int_eq(policy_set_new(&f->set, &mem_libc), 0);
  for (size_t i = 0; i < n; i++)
    order[i] = i;
  for (size_t i = n; shuffle && i > 1; i--) {
    size_t j = below(shuffle, i), t = order[i - 1];
    order[i - 1] = order[j];
    order[j] = t;
  }
  for (size_t i = 0; i < n; i++)
    ck_assert_int_eq(
        policy_set_add(f->set, "p", slice_of(files[order[i]]), NULL, NULL), 0);
  ck_assert_int_eq(policy_set_finish(f->set, NULL, NULL), 0);
  force_scope(f, NULL, 0);
}

static void force_deinit(struct force *f) {
  policy_scope_free(f->scope);
  policy_set_unref(f->set);
}

/* ------------------------------------------------------------- requests --- */

static struct value_member reader_meta[] = {
    {{"role", 4}, {.type = VALUE_STRING, .as.string = {"reader", 6}}}};
static const struct value reader = {
    .type = VALUE_MAP, .as.map = {reader_meta, unit_len(reader_meta)}};
static struct value_member level_meta[] = {
    {{"level", 5}, {.type = VALUE_INT, .as.integer = 3}}};
static const struct value level = {
    .type = VALUE_MAP, .as.map = {level_meta, unit_len(level_meta)}};
static const struct actor somebody = {.id = {"user:1", 6}, .meta = &reader};
static const struct actor nobody = {.id = {"user:2", 6}};

struct question {
  struct request rq;
  char text[512];
};

static void ask_url(struct question *q, struct dice *d) {
  snprintf(q->text, sizeof q->text, "%s://%s%s%s%s",
           chance(d, 70) ? "wss" : "ws", pick(d, asked_hosts),
           chance(d, 40) ? pick(d, asked_ports) : "", pick(d, asked_paths),
           chance(d, 30) ? pick(d, asked_queries) : "");
  q->rq.action = SLICE(URL_ACTION);
}

static void ask(struct question *q, struct dice *d) {
  q->rq = (struct request){.actor = chance(d, 70) ? &somebody : &nobody,
                           .meta = chance(d, 70) ? &level : NULL};
  if (chance(d, 60)) {
    ask_url(q, d);
  } else if (chance(d, 30)) {
    q->rq.action = SLICE(ADDRESS_ACTION);
    snprintf(q->text, sizeof q->text, "%s", pick(d, asked_addresses));
  } else {
    q->rq.action = slice_of(pick(d, asked_actions));
    if (chance(d, 30))
      q->rq.action = SLICE("websocket.connect");
    snprintf(q->text, sizeof q->text, "%s",
             chance(d, 40) ? "" : pick(d, asked_texts));
  }
  q->rq.resource = slice_of(q->text);
}

/* ------------------------------------------------------------ agreement --- */

static bool same_id(const struct policy *a, const struct policy *b) {
  return a && b ? slice_eq(a->id, b->id) : a == b;
}

/* Of the same policies, be they loaded twice. */
static void assert_same(const struct decision *a, const struct decision *b,
                        const struct question *q) {
  ck_assert_msg(a->verdict == b->verdict && same_id(a->policy, b->policy) &&
                    (a->rule == NULL) == (b->rule == NULL) &&
                    (!a->rule || a->rule - a->policy->rules ==
                                     b->rule - b->policy->rules) &&
                    a->nerrors == b->nerrors && a->by_error == b->by_error &&
                    a->any_address == b->any_address &&
                    a->loopback_address == b->loopback_address &&
                    a->literal.family == b->literal.family &&
                    memcmp(&a->literal, &b->literal, sizeof a->literal) == 0 &&
                    a->by_address_class == b->by_address_class &&
                    strcmp(a->reason, b->reason) == 0,
                "%.*s %s: %s by %s (%u errors), not %s by %s (%u errors)",
                (int)q->rq.action.len, q->rq.action.p, q->text,
                verdict_name(a->verdict),
                a->policy ? a->policy->id.p : a->reason, a->nerrors,
                verdict_name(b->verdict),
                b->policy ? b->policy->id.p : b->reason, b->nerrors);
}

/* The answer of the index, which is that of the plain loop. */
static struct decision agreed(const struct force *f, const struct question *q) {
  struct decision d = policy_decide(f->set, f->scope, &q->rq, NULL);
  struct decision plain = policy_decide_list(f->plain, f->n, &q->rq, NULL);

  assert_same(&d, &plain, q);
  return d;
}

/* What the checks met, so that they do not pass for want of cases. */
static void assert_met(const unsigned *met, size_t n, unsigned at_least) {
  for (size_t i = 0; i < n; i++)
    ck_assert_msg(met[i] >= at_least, "case %zu was met %u times", i, met[i]);
}

START_TEST(agrees_with_the_plain_loop) {
  struct dice d = {.state = (uint64_t)_i};
  unsigned met[6] = {0};

  for (unsigned round = 0; round < 25; round++) {
    struct world w;
    struct force f;
    world_init(&w, &d, chance(&d, 20) ? MAX_POLICIES : 1 + below(&d, 30));
    force_init(&f, w.files, w.n, NULL);
    for (unsigned i = 0; i < 200; i++) {
      struct question q;
      struct decision a;
      ask(&q, &d);
      a = agreed(&f, &q);
      met[a.verdict]++;
      met[3] += a.nerrors > 0;
      met[4] += a.any_address || a.loopback_address || a.literal.family;
      met[5] += a.by_error && a.policy;
    }
    force_deinit(&f);
    world_deinit(&w);
  }
  assert_met(met, unit_len(met), 10);
}
END_TEST

START_TEST(agrees_in_every_scope) {
  struct dice d = {.state = 1000};
  unsigned met[3] = {0};
  struct world w;
  struct force f;

  world_init(&w, &d, MAX_POLICIES);
  force_init(&f, w.files, w.n, NULL);
  for (unsigned round = 0; round < 40; round++) {
    char id[16];
    struct slice names[] = {SLICE("t:g0"), SLICE("g1"), {id, 5}};
    snprintf(id, sizeof id, "p%04zu", below(&d, MAX_POLICIES));
    force_scope(&f, names + below(&d, 3), 1);
    for (size_t i = 0; i < f.n; i++)
      ck_assert(policy_scope_has(f.scope, f.plain[i]));
    for (unsigned i = 0; i < 100; i++) {
      struct question q;
      ask(&q, &d);
      met[agreed(&f, &q).verdict]++;
    }
  }
  assert_met(met, unit_len(met), 10);
  force_deinit(&f);
  world_deinit(&w);
}
END_TEST

/* Many patterns of one host, with every length of beginning: divided by port
 * and path. */
START_TEST(agrees_on_a_crowded_host) {
  struct dice d = {.state = 2000};
  char *files[MAX_POLICIES];
  unsigned met[3] = {0};
  struct force f;

  for (size_t i = 0; i < MAX_POLICIES; i++) {
    char *text = malloc(512);
    ck_assert_ptr_nonnull(text);
    snprintf(text, 512,
             "namespace: t\nentries:\n- name: p%04zu\n  kind: security.policy\n"
             "  policy:\n    actions: " URL_ACTION "\n    effect: %s\n"
             "    resources: 'wss://%s%s/%.*s%s'\n",
             i, i % 9 ? "allow" : "deny", i % 3 ? "a.com" : "*.com",
             pick(&d, ports), (int)(i / 2),
             "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
             i % 4 ? "*" : "");
    files[i] = text;
  }
  force_init(&f, files, MAX_POLICIES, NULL);
  for (size_t i = 0; i < 4000; i++) {
    struct question q = {.rq = {.actor = &somebody}};
    snprintf(q.text, sizeof q.text, "wss://%s%s/%.*s%s",
             i % 2 ? "a.com" : "b.com", pick(&d, asked_ports),
             (int)(i / 2 % 60),
             "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
             chance(&d, 30) ? "0" : "");
    q.rq.action = SLICE(URL_ACTION);
    q.rq.resource = slice_of(q.text);
    met[agreed(&f, &q).verdict]++;
  }
  assert_met(met, unit_len(met), 10);
  force_deinit(&f);
  for (size_t i = 0; i < MAX_POLICIES; i++)
    free(files[i]);
}
END_TEST

/* More lists than a search holds: the plain loop answers. */
START_TEST(gives_up_in_time) {
  char *files[MAX_POLICIES], host[256] = "a";
  struct pattern_subject s;
  struct index_search search;
  struct question q = {.rq = {.actor = &somebody}};
  struct force f;
  struct url url;

  for (size_t i = 0; i < MAX_POLICIES; i++) {
    char *text = malloc(512);
    ck_assert_ptr_nonnull(text);
    snprintf(text, 512,
             "namespace: t\nentries:\n- name: p%04zu\n  kind: security.policy\n"
             "  policy: {actions: " URL_ACTION ", effect: allow,"
             " resources: 'wss://*.%s'}\n",
             i, host);
    files[i] = text;
    snprintf(host, sizeof host, "a");
    for (size_t label = 0; label <= i; label++)
      memcpy(host + 2 * label, "a.a", sizeof "a.a");
  }
  force_init(&f, files, MAX_POLICIES, NULL);
  snprintf(q.text, sizeof q.text, "wss://%s", host);
  q.rq.action = SLICE(URL_ACTION);
  q.rq.resource = slice_of(q.text);
  ck_assert_int_eq(url_parse(&url, q.rq.resource, NULL, NULL), 0);
  s = (struct pattern_subject){.text = {url.text, url.len}, .url = &url};
  ck_assert(!policy_index_search(&search, policy_scope_index(f.scope),
                                 q.rq.action, &s));
  ck_assert_int_eq(agreed(&f, &q).verdict, VERDICT_ALLOW);
  force_deinit(&f);
  for (size_t i = 0; i < MAX_POLICIES; i++)
    free(files[i]);
}
END_TEST

START_TEST(finds_nothing_in_nothing) {
  struct question q;
  struct dice d = {.state = 3000};
  struct force f;

  force_init(&f, NULL, 0, NULL);
  for (unsigned i = 0; i < 100; i++) {
    ask(&q, &d);
    agreed(&f, &q);
  }
  force_deinit(&f);
}
END_TEST

/* ----------------------------------------------------------- properties --- */

START_TEST(order_never_matters) {
  struct dice d = {.state = 4000 + (uint64_t)_i};

  for (unsigned round = 0; round < 15; round++) {
    struct world w;
    struct force a, b;
    world_init(&w, &d, 2 + below(&d, 30));
    force_init(&a, w.files, w.n, NULL);
    force_init(&b, w.files, w.n, &d);
    for (unsigned i = 0; i < 100; i++) {
      struct decision one, other;
      struct question q;
      ask(&q, &d);
      one = agreed(&a, &q);
      other = agreed(&b, &q);
      assert_same(&one, &other, &q);
    }
    force_deinit(&a);
    force_deinit(&b);
    world_deinit(&w);
  }
}
END_TEST

/* A connection: its URL, and then an address of its host. */
static bool connects(const struct force *f, const struct question *url,
                     const char *address) {
  struct decision named = policy_decide(f->set, f->scope, &url->rq, NULL);
  struct request rq = url->rq;
  struct decision d;
  struct url parsed;

  if (named.verdict != VERDICT_ALLOW)
    return false;
  ck_assert_int_eq(url_parse(&parsed, url->rq.resource, NULL, NULL), 0);
  rq.action = SLICE(ADDRESS_ACTION);
  rq.resource = slice_of(address);
  rq.url = &parsed;
  d = policy_decide(f->set, f->scope, &rq, &named);
  named = policy_decide_list(f->plain, f->n, &rq, &named);
  assert_same(&d, &named, url);
  return d.verdict == VERDICT_ALLOW;
}

START_TEST(adding_keeps_to_its_side) {
  struct dice d = {.state = 5000 + (uint64_t)_i};
  unsigned met[4] = {0};

  /* A deny that takes something away is rare: compilers order the throws of the
   * dice in ways of their own. */
  for (unsigned round = 0; round < 20 || (met[2] == 0 && round < 200); round++) {
    bool deny = chance(&d, 50);
    struct world w;
    struct force less, more;
    world_init(&w, &d, 1 + below(&d, 20));
    free(w.files[w.n - 1]);
    w.files[w.n - 1] = new_policy(&d, w.n - 1, deny);
    force_init(&less, w.files, w.n - 1, NULL);
    force_init(&more, w.files, w.n, &d);
    for (unsigned i = 0; i < 150; i++) {
      struct question q;
      bool before, after;
      ask(&q, &d);
      if (slice_is(q.rq.action, URL_ACTION) && chance(&d, 70)) {
        const char *address = pick(&d, asked_addresses);
        before = connects(&less, &q, address);
        after = connects(&more, &q, address);
      } else {
        before = agreed(&less, &q).verdict == VERDICT_ALLOW;
        after = agreed(&more, &q).verdict == VERDICT_ALLOW;
      }
      ck_assert_msg(before == after || before == deny, "%.*s %s, after\n%s",
                    (int)q.rq.action.len, q.rq.action.p, q.text,
                    w.files[w.n - 1]);
      met[before * 2 + after]++;
    }
    force_deinit(&less);
    force_deinit(&more);
    world_deinit(&w);
  }
  assert_met(met, unit_len(met), 1);
}
END_TEST

/* The same URL, written in another way. */
static void respell(char *out, size_t cap, const char *url, struct dice *d) {
  const char *host = strstr(url, "://") + 3;
  size_t authority = strcspn(host, "/?"), n = 0;
  bool port = memchr(host, ']', authority)
                  ? host[authority - 1] != ']'
                  : memchr(host, ':', authority) != NULL;
  bool name = ascii_alpha(host[0]) || ascii_alpha(host[authority - 1]);
  const char *tail = host + authority;

  for (const char *p = url; p < tail; p++)
    out[n++] =
        chance(d, 30) && *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
  if (!port && name && host[0] != '[' && chance(d, 40))
    out[n++] = '.';
  if (!port && chance(d, 40))
    n += (size_t)snprintf(out + n, cap - n, "%s",
                          url[2] == 's' ? ":443" : ":80");
  if (*tail != '/' && chance(d, 50))
    out[n++] = '/';
  for (const char *p = tail; *p; p++)
    if (chance(d, 30) && (ascii_alpha(*p) || ascii_digit(*p)))
      n += (size_t)snprintf(out + n, cap - n,
                            chance(d, 50) ? "%%%02x" : "%%%02X", (unsigned)*p);
    else
      out[n++] = *p;
  out[n] = '\0';
}

START_TEST(spellings_get_one_answer) {
  struct dice d = {.state = 6000};
  struct world w;
  struct force f;

  world_init(&w, &d, 40);
  force_init(&f, w.files, w.n, NULL);
  for (unsigned i = 0; i < 3000; i++) {
    struct question q, other;
    struct decision a, b;
    struct url url, again;
    ask(&q, &d);
    ask_url(&q, &d);
    q.rq.resource = slice_of(q.text);
    other = q;
    respell(other.text, sizeof other.text, q.text, &d);
    other.rq.resource = slice_of(other.text);
    ck_assert_int_eq(url_parse(&url, q.rq.resource, NULL, NULL), 0);
    ck_assert_msg(url_parse(&again, other.rq.resource, NULL, NULL) == 0, "%s",
                  other.text);
    ck_assert_str_eq(url.text, again.text);
    /* canonical is canonical */
    ck_assert_int_eq(
        url_parse(&again, (struct slice){url.text, url.len}, NULL, NULL), 0);
    ck_assert_str_eq(url.text, again.text);
    a = agreed(&f, &q);
    b = agreed(&f, &other);
    assert_same(&a, &b, &other);
  }
  force_deinit(&f);
  world_deinit(&w);
}
END_TEST

/* ------------------------------------------------------------- no memory ---
 */

static int build(const struct mem *m, const struct world *w) {
  const struct slice group = SLICE("g0");
  struct policy_scope *scope = NULL;
  struct policy_set *set;
  struct err e;
  int rv = policy_set_new(&set, m);

  if (rv != 0)
    return rv;
  for (size_t i = 0; i < w->n && rv == 0; i++)
    rv = policy_set_add(set, "p", slice_of(w->files[i]), NULL, NULL);
  if (rv == 0)
    rv = policy_set_finish(set, NULL, NULL);
  if (rv == 0)
    rv = policy_scope_new(&scope, set, &group, 1, m, &e);
  policy_scope_free(scope);
  policy_set_unref(set);
  return rv;
}

START_TEST(survives_want_of_memory) {
  struct dice d = {.state = 7000};
  struct failing_mem fm;
  struct world w;
  int rv = ERR_NOMEM;

  world_init(&w, &d, 25);
  for (size_t n = 0; rv == ERR_NOMEM; n += 1 + n / 32) {
    failing_mem_init(&fm, n);
    rv = build(&fm.mem, &w);
    ck_assert_uint_eq(fm.live_bytes, 0);
  }
  ck_assert_int_eq(rv, 0);
  world_deinit(&w);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("index");
  TCase *tc = tcase_create("agreement");

  tcase_add_loop_test(tc, agrees_with_the_plain_loop, 0, 4);
  tcase_add_test(tc, agrees_in_every_scope);
  tcase_add_test(tc, agrees_on_a_crowded_host);
  tcase_add_test(tc, gives_up_in_time);
  tcase_add_test(tc, finds_nothing_in_nothing);
  suite_add_tcase(s, tc);
  tc = tcase_create("properties");
  tcase_add_loop_test(tc, order_never_matters, 0, 2);
  tcase_add_loop_test(tc, adding_keeps_to_its_side, 0, 3);
  tcase_add_test(tc, spellings_get_one_answer);
  suite_add_tcase(s, tc);
  tc = tcase_create("memory");
  tcase_set_tags(tc, UNIT_SLOW);
  tcase_add_test(tc, survives_want_of_memory);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
