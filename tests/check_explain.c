/* check_explain.c - which miss is the nearest, and everything told about a
 * decision. */
#include "tests/unit.h"

#include "cordon/cordon.h"
#include "policy/explain.h"

#define CONNECT "websocket.connect"
#define URL_ACTION "websocket.connect.url"
#define ADDRESS_ACTION "websocket.connect.address"

/* Every item in one line: "miss app:p port is 8443, wants 443 | edit | ..." */
struct told {
  struct buf out;
  int rv;
};

static const char *const kinds[] = {"request", "applies", "error", "miss",
                                    "advice"};

static void note(struct told *t, const char *name, const char *text) {
  if (text && t->rv == 0)
    t->rv = buf_addf(&t->out, " %s{%s}", name, text);
}

static void on_item(void *ud, const struct explain_item *e) {
  struct told *t = ud;

  if (t->rv == 0)
    t->rv = buf_adds(&t->out, kinds[e->kind]);
  if (e->policy && t->rv == 0)
    t->rv =
        buf_addf(&t->out, " %s%s%s", e->policy->id.p,
                 e->decides ? " decides" : "", e->outside ? " outside" : "");
  if (e->rule_number && t->rv == 0)
    t->rv = buf_addf(&t->out, " rule %u", e->rule_number);
  note(t, "text", e->text);
  note(t, "pattern", e->pattern);
  for (size_t i = 0; i < e->nparts; i++) {
    ck_assert_ptr_nonnull(e->parts[i].is);
    ck_assert_ptr_nonnull(e->parts[i].wants);
    note(t, e->parts[i].name, e->parts[i].text);
  }
  note(t, "edit", e->edit);
  note(t, "add", e->add);
  note(t, "wider", e->wider);
  note(t, "instead", e->instead);
  note(t, "note", e->note);
  if (t->rv == 0)
    t->rv = buf_addc(&t->out, '\n');
}

static int load(struct policy_set **ret, const char *text,
                const struct mem *m) {
  struct policy_set *set;
  int rv = policy_set_new(&set, m);

  if (rv != 0)
    return rv;
  if ((rv = policy_set_add(set, "p.yaml", slice_of(text), NULL, NULL)) != 0 ||
      (rv = policy_set_finish(set, NULL, NULL)) != 0) {
    policy_set_unref(set);
    return rv;
  }
  *ret = set;
  return 0;
}

struct question {
  const char *action;
  const char *resource;
  const char *url;  /* of an address or of websocket.connect */
  const char *role; /* of the actor; NULL: none */
};

static int tell(struct told *t, const char *policies, const char *scope_name,
                const struct question *x, size_t max, const struct mem *m) {
  struct value_member members[] = {{.key = SLICE("role")}};
  struct value meta = {.type = VALUE_MAP,
                       .as.map = {.members = members, .len = 1}};
  struct actor actor = {.id = SLICE("user:1"), .meta = x->role ? &meta : NULL};
  struct request q = {.actor = &actor,
                      .action = slice_of(x->action),
                      .resource = slice_of(x->resource)};
  struct slice names[] = {slice_of(scope_name)};
  struct policy_scope *scope = NULL;
  struct policy_set *set = NULL;
  struct decision d;
  struct url url;
  struct err e;
  int rv = load(&set, policies, m);

  members[0].value =
      (struct value){.type = VALUE_STRING, .as.string = slice_of(x->role)};
  if (rv != 0)
    return rv;
  if (x->url) {
    ck_assert_int_eq(url_parse(&url, slice_of(x->url), NULL, NULL), 0);
    q.url = &url;
  }
  rv = policy_scope_new(&scope, set, names, scope_name ? 1 : 0, m, &e);
  if (rv == 0) {
    d = policy_decide(set, scope, &q, NULL);
    rv = policy_explain_all(set, scope, &q, &d, max, m, on_item, t);
  }
  policy_scope_free(scope);
  policy_set_unref(set);
  return rv;
}

/* ------------------------------------------------------------- nearest --- */

#define TOP "namespace: app\nentries:\n"
#define P(name) "- name: " name "\n  kind: security.policy\n  policy:\n"
#define ALLOW(name, rules) P(name) "    effect: allow\n    rules: [" rules "]\n"
#define U(url) "{action: websocket.connect.url, resource: '" url "'}"
#define R(act, resource) "{action: " act ", resource: '" resource "'}"
#define LISTS(name, acts, resources)                                           \
  P(name)                                                                      \
  "    effect: allow\n    actions: " acts "\n    resources: " resources "\n"
#define IF(conditions) "    conditions: [" conditions "]\n"
#define GROUP(name) "  groups: [" name "]\n"

#define ADMIN IF("{field: actor.meta.role, operator: eq, value: admin}")

/* |nearest|: the ids of the misses in their order, for the role guest. */
static const struct {
  const char *policies;
  const char *action;
  const char *resource;
  const char *nearest;
} rankings[] = {
    /* the same host with another port is nearer than what takes any host for
     * others */
    {TOP ALLOW("a", U("wss://api.example.com")) LISTS("b", "'*'", "'*'")
         ADMIN ALLOW("c", U("wss://other.example")),
     URL_ACTION, "wss://api.example.com:8443/", "app:a"},
    /* but who names the very URL, for others, is nearer still */
    {TOP ALLOW("a", U("wss://api.example.com"))
         LISTS("b", URL_ACTION, "'wss://api.example.com:8443/x'") ADMIN,
     URL_ACTION, "wss://api.example.com:8443/x", "app:b app:a"},
    {TOP ALLOW("a", U("wss://api.example.com/x"))
         ALLOW("b", U("wss://*.example.com:8443/x")),
     URL_ACTION, "wss://api.example.com:8443/y", "app:a app:b"},
    /* misspelt, below, beside */
    {TOP ALLOW("a", U("wss://apis.sample.com")) ALLOW(
         "b", U("wss://api.exmaple.com")) ALLOW("c", U("wss://x.example.com")),
     URL_ACTION, "wss://api.example.com/", "app:b app:c"},
    {TOP ALLOW("a", U("wss://*.example.com"))
         ALLOW("b", U("wss://example.org")),
     URL_ACTION, "wss://example.com/", "app:a app:b"},
    {TOP ALLOW("a", U("ws://127.0.0.1:80")) ALLOW("b", U("ws://local.example")),
     URL_ACTION, "ws://localhost/", "app:a"},
    {TOP ALLOW("a", U("wss://*")) ALLOW("b", U("wss://10.0.0.2")), URL_ACTION,
     "wss://10.0.0.1/", "app:b app:a"},
    /* alone, even what is far away is worth a word */
    {TOP ALLOW("a", U("wss://other.example")), URL_ACTION, "wss://x.test/",
     "app:a"},
    {TOP ALLOW("a", R("read", "image:*")) ALLOW("b", R("read", "document:*"))
         ALLOW("c", R("write", "document:7")),
     "read", "documents:7", "app:b"},
    {TOP ALLOW("a", R("write", "document:7")) ALLOW("b", R("read", "x:*")),
     "read", "document:7", "app:a"},
    {TOP ALLOW("a", R("registry.get", "*")) ALLOW("b", R("env.get", "*")),
     "registry.apply", "app:x", "app:a"},
    {TOP ALLOW("a", R("registry.read", "*")) ALLOW("b", R("registry.x.y", "*")),
     "registry.raed", "app:x", "app:a"},
    /* a condition that names the thing is like a pattern */
    {TOP LISTS("a", URL_ACTION, "'*'")
         IF("{field: url.host, operator: eq, value: a.example}, {field: "
            "actor.meta.role, operator: eq, value: admin}")
             LISTS("b", URL_ACTION, "'*'")
                 IF("{field: url.host, operator: eq, value: b.example}, "
                    "{field: actor.meta.role, operator: eq, value: admin}"),
     URL_ACTION, "wss://b.example/", "app:b"},
    {TOP ALLOW("a", R(ADDRESS_ACTION, "10.0.0.0/8:80"))
         ALLOW("b", R(ADDRESS_ACTION, "192.168.0.0/16")),
     ADDRESS_ACTION, "10.0.0.1:443", "app:a"},
    {TOP ALLOW("a", R("other", "y")), "read", "x", ""},
    {"namespace: app\nentries: []\n", "read", "x", ""},
};

START_TEST(ranks_misses) {
  unit_each(row, rankings) {
    struct question x = {row->action, row->resource, NULL, "guest"};
    struct told t = {.rv = 0};
    struct buf ids;
    char *line;

    buf_init(&t.out, &mem_libc, 1 << 20);
    buf_init(&ids, &mem_libc, 4096);
    ck_assert_int_eq(tell(&t, row->policies, NULL, &x, NEAREST_MAX, &mem_libc),
                     0);
    ck_assert_int_eq(buf_terminate(&t.out), 0);
    for (line = (char *)buf_bytes(&t.out); (line = strstr(line, "miss "));) {
      line += 5;
      ck_assert_int_eq(buf_addf(&ids, "%s%.*s", ids.len ? " " : "",
                                (int)strcspn(line, " "), line),
                       0);
    }
    ck_assert_msg(slice_is(buf_slice(&ids), row->nearest),
                  "%s %s: '%.*s', not '%s'\n%s", row->action, row->resource,
                  (int)ids.len, ids.len ? (char *)buf_bytes(&ids) : "",
                  row->nearest, (char *)buf_bytes(&t.out));
    buf_deinit(&ids);
    buf_deinit(&t.out);
  }
}
END_TEST

/* --------------------------------------------------------------- facts --- */

static const char messy[] = TOP LISTS(
    "prices", "[websocket.connect, websocket.connect.url]",
    "['', 'wss://stream.example.com/prices/*']") GROUP("default")
    ALLOW("feeds", "{action: websocket.connect}, " U("wss://f.example:1-9/x"))
        GROUP("default") LISTS("docs", "[read, list]", "'document:*'") IF(
            "{field: actor.id, operator: ne, value: x}, {field: "
            "actor.meta.role, operator: in, value: [reader, admin]}")
            GROUP("default") LISTS("all", "'*'", "'*'") GROUP("admin") LISTS(
                "more", "pay", "'bill:*'") GROUP("admin")
                P("never") "    effect: deny\n    actions: '*'\n    resources: "
                           "'secret:*'\n" GROUP("default") P(
                               "mine") "    effect: deny\n    actions: "
                                       "delete\n    "
                                       "resources: '*'\n" IF(
                                           "{field: meta.owner, operator: ne, "
                                           "value_from: actor.id}")
                                           GROUP("default")
                                               P("urls") "    effect: deny\n   "
                                                         " actions: fetch\n    "
                                                         "resources: "
                                                         "'wss://a/*'\n" GROUP(
                                                             "default");

static const struct {
  struct question question;
  const char *facts[8]; /* each is told */
} facts[] = {
    {{URL_ACTION, "wss://stream.example.com:8443/prices/b?x", NULL, "guest"},
     {"request text{no policy applies} scheme{scheme wss} host{host "
      "stream.example.com} port{port 8443} path{path /prices/b} query{query "
      "x}\n",
      "miss app:prices text{port is 8443, wants 443} "
      "pattern{wss://stream.example.com/prices/*} port{port is 8443, wants "
      "443}",
      "edit{add the resource to its resources, or a policy with this rule} "
      "add{{action: websocket.connect.url, resource: "
      "\"wss://stream.example.com:8443/prices/b?x\"}}",
      "wider{wss://stream.example.com:8443/prices/*} "
      "instead{wss://stream.example.com/prices/b?x}\n"}},
    {{URL_ACTION, "ws://stream.example.com/prices/b", NULL, "guest"},
     {"scheme{scheme is ws, wants wss}",
      "instead{wss://stream.example.com/prices/b}",
      "note{ws:// is not encrypted"}},
    {{URL_ACTION, "wss://f.example:10/x", NULL, "guest"},
     {"miss app:feeds rule 2 text{port is 10, wants 1-9}",
      "edit{add this rule to its rules}"}},
    {{URL_ACTION, "wss://f.example:9/x/*", NULL, "guest"},
     {"note{'*' in a pattern is any run of bytes"}},
    {{"read", "document:7", NULL, "guest"},
     {"miss app:docs text{condition 2: actor.meta.role is \"guest\", wants one "
      "of [reader, admin]} pattern{document:*} condition{",
      "edit{another actor.meta.role, or add \"guest\" to the list (p.yaml:"}},
    {{"read", "document:7", NULL, NULL},
     {"error app:docs text{condition 2: actor.meta.role is missing}",
      "miss app:docs text{condition 2: actor.meta.role is missing",
      "edit{an actor with actor.meta.role, or another condition (p.yaml:"}},
    {{"read", "document:7", NULL, "reader"},
     {"applies app:docs decides text{allows it} pattern{document:*} "
      "condition{condition 1: actor.id is \"user:1\" (ne \"x\")} "
      "condition{condition 2: actor.meta.role is \"reader\" (in [reader, "
      "admin])}\n"}},
    {{"read", "docmuent:7", NULL, "reader"},
     {"note{'docmuent:' may be a misspelling of 'document:'}"}},
    {{"raed", "document:7", NULL, "reader"},
     {"note{'raed' may be a misspelling of 'read'}"}},
    {{"write", "document:7", NULL, "reader"},
     {"miss app:docs text{action is write, wants one of [read, list]}"}},
    {{"pay", "bill:7", NULL, NULL},
     {"miss app:more outside text{not in force; its group is app:admin}",
      "edit{put it in force: name its group, or the policy, in the scope}",
      "advice edit{add a policy with this rule}"}},
    {{"read", "secret:7", NULL, NULL},
     {"applies app:never decides text{denies it}",
      "advice app:never edit{no allow overrules a deny"}},
    {{"delete", "x", NULL, NULL},
     {"error app:mine decides text{condition 1: meta.owner is missing}",
      "advice app:mine edit{a deny that cannot be evaluated denies: a request "
      "with meta.owner"}},
    {{CONNECT, "", "wss://f.example/", NULL},
     {"applies app:feeds decides", "applies app:prices text{allows it too}"}},
    {{ADDRESS_ACTION, "10.0.0.1:443", "wss://f.example/", NULL},
     {"address{address 10.0.0.1} port{port 443} class{class private}",
      "add{{action: websocket.connect.url, resource: \"wss://f.example/\", "
      "address: any}}"}},
    {{ADDRESS_ACTION, "127.0.0.1:80", "ws://localhost/", NULL},
     {"add{{action: websocket.connect.url, resource: \"ws://localhost/\"}}"}},
    {{"fetch", "wss://a b/", NULL, NULL},
     {"error app:urls decides text{",
      "advice app:urls edit{a deny that cannot be evaluated denies: a resource "
      "that is a proper URL"}},
    {{"re\x1b[31m", "x\n\xFF", NULL, NULL},
     {"advice edit{no rule can be written for it}\n"}},
};

START_TEST(tells_facts) {
  unit_each(row, facts) {
    struct told t = {.rv = 0};

    buf_init(&t.out, &mem_libc, 1 << 20);
    ck_assert_int_eq(tell(&t, messy, "default", &row->question, 3, &mem_libc),
                     0);
    ck_assert_int_eq(t.rv, 0);
    ck_assert_int_eq(buf_terminate(&t.out), 0);
    for (size_t i = 0; i < 8 && row->facts[i]; i++)
      ck_assert_msg(strstr((char *)buf_bytes(&t.out), row->facts[i]) != NULL,
                    "%s %s: no '%s' in\n%s", row->question.action,
                    row->question.resource, row->facts[i],
                    (char *)buf_bytes(&t.out));
    /* safe to print */
    for (size_t i = 0; i < t.out.len; i++)
      ck_assert(buf_bytes(&t.out)[i] == '\n' || buf_bytes(&t.out)[i] >= 0x20);
    buf_deinit(&t.out);
  }
}
END_TEST

/* The rule that is advised allows what was asked, where no deny is. */
START_TEST(advises_well) {
  static const struct question asked[] = {
      {URL_ACTION, "wss://stream.example.com:8443/prices/b?x", NULL, NULL},
      {URL_ACTION, "ws://[2001:db8::1]:81/a*b?c", NULL, NULL},
      {URL_ACTION, "wss://other.example/", NULL, NULL},
      {"read", "image:\"\\\xC3\xA9", NULL, NULL},
      {"update x", "document:7", NULL, NULL},
  };

  unit_each(x, asked) {
    struct told t = {.rv = 0}, again = {.rv = 0};
    struct buf text;
    char *add;

    buf_init(&t.out, &mem_libc, 1 << 20);
    buf_init(&again.out, &mem_libc, 1 << 20);
    buf_init(&text, &mem_libc, 1 << 20);
    ck_assert_int_eq(tell(&t, messy, "default", x, 1, &mem_libc), 0);
    ck_assert_int_eq(buf_terminate(&t.out), 0);
    add = strstr(strstr((char *)buf_bytes(&t.out), "\nadvice"), " add{");
    ck_assert_ptr_nonnull(add);
    add += strlen(" add{");
    ck_assert_int_eq(
        buf_addf(&text,
                 TOP P("p") "    effect: allow\n    rules:\n    - %.*s\n",
                 (int)(strstr(add, "}}") + 1 - add), add),
        0);
    ck_assert_int_eq(buf_terminate(&text), 0);
    ck_assert_int_eq(
        tell(&again, (char *)buf_bytes(&text), NULL, x, 1, &mem_libc), 0);
    ck_assert_int_eq(buf_terminate(&again.out), 0);
    ck_assert_msg(strstr((char *)buf_bytes(&again.out), "app:p decides"), "%s",
                  (char *)buf_bytes(&text));
    buf_deinit(&t.out);
    buf_deinit(&again.out);
    buf_deinit(&text);
  }
}
END_TEST

START_TEST(tells_without_a_context) {
  static const struct actor actor = {.id = {"a", 1}};
  struct request q = {.action = SLICE("read"), .resource = SLICE("x")};
  struct decision d = policy_decide(NULL, NULL, &q, NULL);
  struct told t = {.rv = 0};

  buf_init(&t.out, &mem_libc, 4096);
  ck_assert_int_eq(
      policy_explain_all(NULL, NULL, &q, &d, 3, &mem_libc, on_item, &t), 0);
  q.actor = &actor;
  d = policy_decide(NULL, NULL, &q, NULL);
  ck_assert_int_eq(
      policy_explain_all(NULL, NULL, &q, &d, 3, &mem_libc, on_item, &t), 0);
  ck_assert_slice_eq(buf_slice(&t.out), "request text{no actor}\n"
                                        "advice edit{name an actor}\n"
                                        "request text{no scope}\n"
                                        "advice edit{name a scope}\n");
  /* what is no question has no answer */
  buf_clear(&t.out);
  q.action = SLICE(URL_ACTION);
  ck_assert_int_eq(
      policy_explain_all(NULL, NULL, &q, &d, 3, &mem_libc, on_item, &t), 0);
  ck_assert_uint_eq(t.out.len, 0);
  buf_deinit(&t.out);
}
END_TEST

START_TEST(survives_failing_memory) {
  unit_each(row, facts) {
    bool done = false;

    for (size_t n = 0; !done; n += 1 + n / 32) {
      struct failing_mem f;
      struct told t = {.rv = 0};
      int rv;

      failing_mem_init(&f, n);
      buf_init(&t.out, &mem_libc, 1 << 20);
      rv = tell(&t, messy, "default", &row->question, 3, &f.mem);
      ck_assert_msg(rv == 0 || rv == ERR_NOMEM, "%d", rv);
      ck_assert_int_eq(rv == 0, f.refused == 0);
      done = rv == 0;
      buf_deinit(&t.out);
      ck_assert_uint_eq(f.live_bytes, 0);
    }
  }
}
END_TEST

/* ------------------------------------------------------------- the API --- */

static void on_explanation(void *ud, const cordon_explanation *e) {
  size_t *n = ud;

  ck_assert_uint_eq(e->struct_size, sizeof *e);
  ck_assert_int_le(e->kind, CORDON_EXPLAIN_ADVICE);
  for (size_t i = 0; i < e->nparts; i++)
    ck_assert(e->parts[i]->name[0] && e->parts[i]->text[0]);
  if (e->kind == CORDON_EXPLAIN_MISS && ++*n == 1) {
    ck_assert_str_eq(e->policy_id, "app:prices");
    ck_assert_str_eq(e->file, "p.yaml");
    ck_assert_uint_eq(e->line, 3);
    ck_assert(e->in_scope && !e->deny && !e->decides);
    ck_assert_uint_eq(e->ngroups, 1);
    ck_assert_str_eq(e->groups[0], "app:default");
    ck_assert_str_eq(e->parts[0]->text, "port is 1, wants 443");
  }
}

START_TEST(api_tells) {
  cordon_source source = {"p.yaml", messy, sizeof messy - 1};
  cordon_request q = {.actor_id = "user:1",
                      .action = URL_ACTION,
                      .resource = "wss://stream.example.com:1/prices/x"};
  cordon_decision d;
  cordon_policy *policy;
  cordon_scope *scope;
  cordon_error err;
  size_t n = 0;

  q.resource_len_bytes = strlen(q.resource);
  ck_assert_int_eq(cordon_policy_new(&policy, NULL, &err), CORDON_OK);
  ck_assert_int_eq(cordon_policy_add(policy, &source, NULL, NULL, &err),
                   CORDON_OK);
  ck_assert_int_eq(cordon_policy_finish(policy, NULL, NULL, &err), CORDON_OK);
  ck_assert_int_eq(cordon_scope_new(&scope, policy, NULL, 0, NULL, &err),
                   CORDON_OK);
  /* this one is allowed by app:all, which the other scope lacks */
  ck_assert_int_eq(
      cordon_explain_all(scope, &q, 0, on_explanation, &n, &d, &err),
      CORDON_OK);
  ck_assert_int_eq(d.verdict, CORDON_ALLOW);
  ck_assert_uint_eq(n, 0);
  cordon_scope_free(scope);
  ck_assert_int_eq(cordon_scope_new(&scope, policy,
                                    (const char *const[]){"default"}, 1, NULL,
                                    &err),
                   CORDON_OK);
  ck_assert_int_eq(
      cordon_explain_all(scope, &q, 1, on_explanation, &n, NULL, NULL),
      CORDON_OK);
  ck_assert_uint_eq(n, 1);
  ck_assert_int_eq(
      cordon_explain_all(NULL, &q, 99, on_explanation, &n, &d, NULL),
      CORDON_OK);
  ck_assert_str_eq(d.reason, "no scope");
  ck_assert_int_eq(cordon_explain_all(scope, &q, 0, NULL, NULL, &d, &err),
                   CORDON_E_INVALID);
  q.resource = "wss://a@b/";
  q.resource_len_bytes = strlen(q.resource);
  ck_assert_int_eq(
      cordon_explain_all(scope, &q, 0, on_explanation, &n, &d, &err),
      CORDON_E_URL);
  ck_assert_str_eq(d.canonical_reason, "userinfo");
  q.action = NULL;
  ck_assert_int_eq(
      cordon_explain_all(scope, &q, 0, on_explanation, &n, NULL, NULL),
      CORDON_E_INVALID);
  cordon_scope_free(scope);
  cordon_policy_unref(policy);
}
END_TEST

int main(void) {
  Suite *s = suite_create("explain");
  TCase *tc = tcase_create("explain");

  tcase_add_test(tc, ranks_misses);
  tcase_add_test(tc, tells_facts);
  tcase_add_test(tc, advises_well);
  tcase_add_test(tc, tells_without_a_context);
  tcase_add_test(tc, survives_failing_memory);
  tcase_add_test(tc, api_tells);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
