/* check_lint.c - advice on policies, rule by rule: what must be found and
 * where, and what looks like it and must not be. */
#include "tests/unit.h"

#include <cordon/cordon.h>

#include "policy/lint.h"
#include "policy/tree.h"
#include "tests/lint_cases.h"

struct told {
  struct buf out;
  bool words; /* also the message, the fix and the edit */
};

static void on_finding(void *ud, const struct lint_finding *f) {
  struct told *t = ud;
  const char *const texts[] = {f->message, f->reason, f->fix};

  ck_assert_int_eq(buf_addf(&t->out, "%u:%u %s%s", f->line, f->column,
                            f->level == LINT_NOTE ? "note " : "",
                            lint_code_names[f->code]),
                   0);
  if (t->words)
    ck_assert_int_eq(buf_addf(&t->out, ": %s -> %s", f->message, f->fix), 0);
  if (t->words && f->edit.line)
    ck_assert_int_eq(buf_addf(&t->out, " [%u:%u %zu %s]", f->edit.line,
                              f->edit.column, f->edit.len, f->edit.text),
                     0);
  ck_assert_int_eq(buf_adds(&t->out, "\n"), 0);
  for (size_t i = 0; i < unit_len(texts); i++) {
    ck_assert_msg(texts[i][0], "%s without %s", lint_code_names[f->code],
                  i == 0   ? "words"
                  : i == 1 ? "a reason"
                           : "a fix");
    for (const char *p = texts[i]; *p; p++)
      ck_assert_msg((unsigned char)*p >= 0x20, "unsafe: %s", texts[i]);
  }
}

static void on_mistake(void *ud, const struct err *e) {
  (void)ud;
  ck_abort_msg("%u:%u: %s", e->line, e->column, e->message);
}

static void told_init(struct told *t, bool words) {
  buf_init(&t->out, &mem_libc, 1 << 20);
  t->words = words;
}

static const char *told_text(struct told *t) {
  ck_assert_int_eq(buf_terminate(&t->out), 0);
  return (char *)buf_bytes(&t->out);
}

static struct policy_set *load(const char *const *texts, size_t n,
                               bool compat) {
  struct policy_set *set;
  char name[] = "a.yaml";

  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  if (compat)
    policy_set_compat(set);
  for (size_t i = 0; i < n; i++, name[0]++)
    ck_assert_int_eq(
        policy_set_add(set, name, slice_of(texts[i]), on_mistake, NULL), 0);
  ck_assert_int_eq(policy_set_finish(set, on_mistake, NULL), 0);
  return set;
}

static void expect(const char *text, bool compat,
                   const struct lint_options *options, bool words,
                   const char *want) {
  struct policy_set *set = load(&text, 1, compat);
  struct told t;

  told_init(&t, words);
  ck_assert_int_eq(policy_lint(set, options, &mem_libc, on_finding, &t), 0);
  ck_assert_msg(strcmp(told_text(&t), want) == 0,
                "of\n%s\nis found\n%sinstead of\n%s", text, told_text(&t),
                want);
  buf_deinit(&t.out);
  policy_set_unref(set);
}

static const struct {
  const struct row *rows;
  size_t n;
} rules[] = {{host_open_end, unit_len(host_open_end)},
             {deny_can_error, unit_len(deny_can_error)},
             {never_matches, unit_len(never_matches)},
             {product_overgrant, unit_len(product_overgrant)},
             {regex_loose, unit_len(regex_loose)},
             {allow_all_minus_deny, unit_len(allow_all_minus_deny)},
             {network_too_wide, unit_len(network_too_wide)},
             {dead_or_shadowed, unit_len(dead_or_shadowed)},
             {unknown_reference, unit_len(unknown_reference)},
             {silence, unit_len(silence)},
             {quoted_numbers, unit_len(quoted_numbers)}};

START_TEST(one_rule) {
  for (size_t i = 0; i < rules[_i].n; i++)
    expect(rules[_i].rows[i].text, false, NULL, false,
           rules[_i].rows[i].findings);
}
END_TEST

/* ------------------------------------------------------------ the words --- */

static const struct row words[] = {
    {TOP CONNECT ALLOW("a", "*://A.example.com/x"),
     "4:111 network-too-wide: '*://A.example.com/x' allows ws:// to a host "
     "that is not this machine -> write \"wss://A.example.com/x\"\n"},
    {TOP CONNECT EXPR("a", "allow", "url.host endsWith \"example.com\""),
     "5:17 host-open-end: 'url.host' compared with a part of a host, "
     "'example.com' -> write \".example.com\", or use the URL pattern "
     "\"wss://*.example.com\"\n"},
    {TOP CONNECT DENY_IF("d", IF("actor.meta.role", "eq", "guest")),
     "5:17 deny-can-error: this deny fails where actor.meta.role is missing -> "
     "put {field: actor.meta.role, operator: exists} in front of it, unless "
     "that is meant\n"},
    {TOP CONNECT EXPR("d", "deny", "actor.meta.role == \"guest\""),
     "5:17 deny-can-error: this deny fails where actor.meta.role is missing -> "
     "write has(actor.meta.role) && in front of it, unless that is meant\n"},
    {TOP CONNECT ALLOW("a", "wss://a.example.com/*")
         ALLOW("b", "wss://a.example.com/x"),
     "5:3 dead-or-shadowed: this allow never changes an answer: app:a "
     "(a.yaml:4) allows it already -> remove one of the two\n"},
    {TOP CONNECT ALLOW("a", "wss://a.example.com/x")
         DENY("b", "wss://*.example.com"),
     "4:3 dead-or-shadowed: this allow never changes an answer: app:b "
     "(a.yaml:5) denies all of it -> remove it, or make the deny narrower\n"},
    /* what comes from the file is made safe to print */
    {TOP CONNECT DENY_IF("d", IF("\"actor.meta.\\e[31m\"", "eq", "x")),
     "5:17 deny-can-error: this deny fails where actor.meta.\\x1b[31m is "
     "missing -> put {field: actor.meta.\\x1b[31m, operator: exists} in front "
     "of it, unless that is meant\n"},
};

START_TEST(words_and_fixes) {
  unit_each(row, words) expect(row->text, false, NULL, true, row->findings);
}
END_TEST

/* --------------------------------------------------------------- compat --- */

/* "wss://host*" is a mistake without. */
static const struct row compat_rows[] = {
    {TOP OTHER("allow", "'*'", "'*.views:*'"),
     "3:86 compat: '*' in the middle of '*.views:*' is an asterisk and nothing "
     "else, as in the original runtime -> name the prefixes that are meant, "
     "one by one, as in \"app.views:*\"\n"},
    {TOP OTHER("deny", "'security.*'", "'a.*'"),
     "3:69 compat: 'security.*' does not match 'security' itself, nor "
     "'securitys' -> add 'security' if it is meant\n3:94 compat: 'a.*' does "
     "not match 'a' itself, nor 'as' -> add 'a' if it is meant\n"},
    {TOP OTHER("allow", "'security.*'", "'a:*'"),
     "3:70 note compat: 'security.*' does not match 'security' itself, nor "
     "'securitys' -> add 'security' if it is meant\n"},
    {TOP CONNECT ALLOW("a", "wss://api.example.com*"),
     "4:111 host-open-end: '*' inside the host of 'wss://api.example.com*' is "
     "read as 'wss://api.example.com/*' -> write \"wss://api.example.com/*\" "
     "[4:111 22 wss://api.example.com/*]\n"},
    {TOP CONNECT ALLOW("a", "wss://api.example.com/x*"), ""},
    {TOP CONNECT DENY("a", "wss://api.example.com*"),
     "4:110 note host-open-end: '*' inside the host of "
     "'wss://api.example.com*': this deny hits every host and port that begins "
     "like this, as in the original runtime -> name the hosts or the prefix "
     "that are meant, one by one\n"},
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.n", "eq", "'3'")),
     "5:17 compat: actor.meta.n is compared with the string \"3\" -> write the "
     "number without quotes, if the attribute is one\n"},
};

/* Only the end of a text takes a star; in a deny that would be less than what
 * is meant. */
static void count_mistake(void *ud, const struct err *e) {
  ck_assert_ptr_nonnull(strstr(e->message, "'*' in the middle of"));
  ++*(size_t *)ud;
}

START_TEST(compat_star) {
  static const struct {
    const char *text;
    bool compat;
    bool loads;
  } rows[] = {
      {TOP OTHER("allow", "read", "'*.views:*'"), false, false},
      {TOP OTHER("allow", "read", "'*.views:*'"), true, true},
      {TOP OTHER("deny", "read", "'*.views:*'"), true, false},
      {TOP OTHER("allow", "'*.read'", "x"), true, false},
  };
  unit_each(row, rows) {
    struct policy_set *set;
    size_t n = 0;
    ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
    if (row->compat)
      policy_set_compat(set);
    ck_assert_int_eq(
        policy_set_add(set, "a.yaml", slice_of(row->text), count_mistake, &n),
        row->loads ? 0 : ERR_SYNTAX);
    ck_assert_uint_eq(n, row->loads ? 0 : 1);
    policy_set_unref(set);
  }
}
END_TEST

START_TEST(compat_mode) {
  unit_each(row, compat_rows)
      expect(row->text, true, NULL, true, row->findings);
}
END_TEST

/* ------------------------------------------------------------ catalogue --- */

static struct value yaml(struct arena *a, const char *text) {
  struct tree_node *root;
  struct value v;

  ck_assert_int_eq(
      tree_parse(&root, slice_of(text), &tree_limits_default, a, NULL), 0);
  ck_assert_int_eq(tree_to_value(&v, root, a, NULL), 0);
  return v;
}

static const struct {
  const char *catalogue;
  const char *text;
  const char *findings;
} declared[] = {
    {"{actions: [read]}", TOP OTHER("allow", "[read, wirte]", "x"),
     "3:76 unknown-reference\n"},
    {"{actions: ['read*', write]}",
     TOP OTHER("allow", "[read.all, write]", "x"), ""},
    {"{actions: [document.read]}", TOP OTHER("allow", "'document.*'", "x"), ""},
    {"{actions: [document.read]}", TOP OTHER("allow", "'documents.*'", "x"),
     "3:70 unknown-reference\n"},
    {"{actor: [role, team.name]}",
     TOP CONNECT ALLOW_IF("a", IF("actor.meta.role", "eq", "x") ", " IF(
                                   "actor.meta.team.name", "eq", "x")),
     ""},
    {"{actor: [actor.meta.role]}",
     TOP CONNECT ALLOW_IF("a", IF("actor.meta.roll", "eq", "x")),
     "5:17 unknown-reference\n"},
    {"{actor: [role]}", TOP CONNECT EXPR("a", "allow", "has(actor.meta.roll)"),
     "5:17 unknown-reference\n"},
    {"{groups: ['app:x', y], policies: ['b:c']}",
     TOP "- {name: a, kind: security.policy, groups: [x, y, z], policy: "
         "{effect: allow, actions: '*', resources: a}}\n"
         "- {name: s, kind: process.lua, security: {groups: [x], policies: "
         "['b:c', 'b:d']}}\n",
     "3:3 unknown-reference\n4:74 note unknown-reference\n"},
};

START_TEST(catalogue) {
  unit_each(row, declared) {
    struct arena a;
    struct value v;
    struct lint_options o = {.catalogue = &v};
    arena_init(&a, &mem_libc, SIZE_MAX);
    v = yaml(&a, row->catalogue);
    ck_assert_int_eq(lint_check_catalogue(&v, NULL), 0);
    expect(row->text, false, &o, false, row->findings);
    arena_deinit(&a);
  }
}
END_TEST

START_TEST(bad_catalogue) {
  static const struct row rows[] = {
      {"[a]", "catalogue is a list, expected a map with the lists actions, "
              "actor, groups and policies"},
      {"{action: [a]}", "unknown key 'action', expected 'actions'"},
      {"{xyz: [a]}",
       "unknown key 'xyz', expected actions, actor, groups or policies"},
      {"{actions: a}", "'actions' is a string, expected a list of names"},
      {"{actions: [a, 1]}", "item 2 of 'actions' is a number, expected a name"},
  };
  unit_each(row, rows) {
    struct arena a;
    struct value v;
    struct err e;
    arena_init(&a, &mem_libc, SIZE_MAX);
    v = yaml(&a, row->text);
    ck_assert_int_eq(lint_check_catalogue(&v, &e), ERR_SYNTAX);
    ck_assert_str_eq(e.message, row->findings);
    arena_deinit(&a);
  }
}
END_TEST

/* --------------------------------------------------------------- untested ---
 */

#define TESTED                                                                  \
  TOP ENTRY(                                                                    \
      "a", "",                                                                  \
      "effect: allow, rules: [{action: websocket.connect},\n"                   \
      "  " RULE(                                                                \
          "websocket.connect.url",                                              \
          "wss://a.example.com") ",\n"                                          \
                                 "  " RULE(                                     \
                                     "websocket.connect.url",                   \
                                     "wss://b.example.com") "],\n"              \
                                                            "  conditions: "    \
                                                            "[" IF(             \
                                                                "actor.id",     \
                                                                "eq",           \
                                                                "'bot:1'") "]") \
      DENY("d", "wss://c.example.com")

static const struct {
  const char *tests;
  const char *findings;
} suites[] = {
    /* nothing: all of it */
    {"- {name: x, actor: bot, deny: 'wss://x.example.com'}\n",
     "4:3 untested\n5:3 untested\n6:16 untested\n7:3 untested\n"},
    {"- {name: x, actor: guest, deny: 'wss://x.example.com'}\n",
     "3:3 untested\n7:3 untested\n"},
    {"- {name: x, actor: bot, allow: ['wss://a.example.com', "
     "'wss://b.example.com']}\n",
     "6:16 untested\n7:3 untested\n"},
    {"- {name: x, actor: bot, allow: ['wss://a.example.com', "
     "'wss://b.example.com'], deny: 'wss://c.example.com'}\n"
     "- {name: y, actor: guest, deny: 'wss://a.example.com'}\n",
     ""},
};

START_TEST(untested) {
  unit_each(row, suites) {
    const char *text = TESTED;
    struct policy_set *set = load(&text, 1, false);
    struct suite *suite;
    const struct suite *list[2];
    struct lint_options o = {.suites = list, .nsuites = 2};
    struct buf file, why;
    struct told t;
    size_t failed;
    buf_init(&file, &mem_libc, 1 << 16);
    buf_init(&why, &mem_libc, 1 << 16);
    ck_assert_int_eq(
        buf_addf(&file,
                 "policies: [.]\nactors: {bot: {id: 'bot:1'}, guest: {id: "
                 "guest}}\ntests:\n%s",
                 row->tests),
        0);
    ck_assert_int_eq(suite_new(&suite, "t.yaml", buf_slice(&file),
                               &tree_limits_default, &mem_libc, NULL, NULL),
                     0);
    ck_assert_int_eq(suite_bind(suite, set, NULL, NULL), 0);
    for (size_t i = 0; i < suite_len(suite); i++)
      ck_assert_int_eq(suite_run(suite, i, &failed, &why), 0);
    list[0] = list[1] = suite; /* more suites only add to it */
    told_init(&t, false);
    ck_assert_int_eq(policy_lint(set, &o, &mem_libc, on_finding, &t), 0);
    ck_assert_msg(strcmp(told_text(&t), row->findings) == 0,
                  "%sleave untested\n%s", row->tests, told_text(&t));
    buf_deinit(&t.out);
    buf_deinit(&why);
    buf_deinit(&file);
    suite_free(suite);
    policy_set_unref(set);
  }
}
END_TEST

/* ------------------------------------------------------- a set as a whole ---
 */

static void many_files(const char *const *texts, size_t n, const char *want) {
  struct policy_set *set = load(texts, n, false);
  struct told t;

  told_init(&t, false);
  ck_assert_int_eq(policy_lint(set, NULL, &mem_libc, on_finding, &t), 0);
  ck_assert_msg(strcmp(told_text(&t), want) == 0, "%s", told_text(&t));
  buf_deinit(&t.out);
  policy_set_unref(set);
}

/* By file, line and column, whatever order the files and policies have. */
START_TEST(order) {
  static const char *const texts[] = {
      TOP CONNECT ALLOW("z", "ws://b.example.com")
          ALLOW("b", "ws://a.example.com:*"),
      "namespace: a\nentries:\n" ALLOW("a", "ws://c.example.com"),
  };

  many_files(texts, 2,
             "4:111 network-too-wide\n5:111 network-too-wide\n"
             "5:111 network-too-wide\n3:111 network-too-wide\n");
}
END_TEST

/* A group of another namespace is known by its whole name only. */
START_TEST(references) {
  static const char *const texts[] = {
      "namespace: one\nentries:\n"
      "- {name: a, kind: security.policy, groups: [g], policy: {effect: allow, "
      "actions: '*', resources: a}}\n",
      "namespace: two\nentries:\n"
      "- {name: s, kind: process.lua, lifecycle: {security: {groups: [g, "
      "'one:g'], policies: ['one:a', a]}}}\n",
  };

  many_files(texts, 2, "3:64 unknown-reference\n3:97 unknown-reference\n");
}
END_TEST

/* Every kind of key, in a set where all comparisons would be too many. */
#define URL "{action: websocket.connect.url, resource: "
START_TEST(large) {
  struct policy_set *set;
  struct told t;
  struct buf b;
  int found = 0;

  buf_init(&b, &mem_libc, 1 << 20);
  ck_assert_int_eq(buf_adds(&b, TOP CONNECT), 0);
  for (int i = 0; i < 240; i++) {
    ck_assert_int_eq(
        buf_addf(&b,
                 "- name: p%d\n  kind: security.policy\n  policy:\n"
                 "    effect: allow\n    rules:\n"
                 "    - " URL "'wss://h%d.example.com/x'}\n"
                 "    - " URL "'wss://*.n%d.example.com'}\n"
                 "    - {action: read, resource: 'document:%d:*'}\n"
                 "    - {action: read, resource: 'document:%d:x'}\n"
                 "    - {action: websocket.connect.address, resource: "
                 "'10.0.%d.0/24'}\n",
                 i, i, i, i, i, i),
        0);
  }
  ck_assert_int_eq(buf_terminate(&b), 0);
  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  policy_set_limits(set, &(struct tree_limits){1 << 24, 1 << 20, 64});
  ck_assert_int_eq(
      policy_set_add(set, "a.yaml", buf_slice(&b), on_mistake, NULL), 0);
  ck_assert_int_eq(policy_set_finish(set, on_mistake, NULL), 0);
  told_init(&t, false);
  ck_assert_int_eq(policy_lint(set, NULL, &mem_libc, on_finding, &t), 0);
  for (const char *p = told_text(&t);
       (p = strstr(p, "dead-or-shadowed")) != NULL; p++)
    found++;
  ck_assert_int_eq(found, 240); /* document:N:x, each by document:N:* */
  buf_deinit(&t.out);
  buf_deinit(&b);
  policy_set_unref(set);
}
END_TEST

/* ---------------------------------------------------------------- memory ---
 */

static void count(void *ud, const struct lint_finding *f) {
  (void)f;
  ++*(size_t *)ud;
}

START_TEST(failing_memory) {
  static const char *const texts[] = {
      TESTED OTHER("allow", "[read, '*']", "['a:*', 'https://a.b*', x, y]"),
      "namespace: two\nentries:\n"
      "- {name: s, kind: process.lua, security: {groups: [g, 'app:g'], "
      "policies: ['app:a', 'app:aa']}}\n"
      "- {name: t, kind: security.policy, groups: [g, gg], meta: {lint: "
      "{silence: {compat: x, y: }}}, policy: {effect: deny, actions: "
      "websocket.connect.url, resources: ['wss://a.example.com*', "
      "'wss://*.com'], conditions: [" IF("url.host", "matches",
                                         "'a.b'") ", " IF("actor.meta.x", "eq",
                                                          "'3'") "]}}\n",
  };
  struct policy_set *set = load(texts, 2, true);
  struct arena a;
  struct value v;
  struct lint_options o = {.catalogue = &v};
  struct failing_mem fm;
  size_t all = 0;
  int rv = ERR_NOMEM;

  arena_init(&a, &mem_libc, SIZE_MAX);
  v = yaml(&a, "{actions: [a], actor: [xx], groups: [h], policies: []}");
  for (size_t n = 0; rv == ERR_NOMEM; n++) {
    size_t told = 0;
    failing_mem_init(&fm, n);
    rv = policy_lint(set, &o, &fm.mem, count, &told);
    ck_assert_uint_eq(fm.live_bytes, 0);
    ck_assert(rv == 0 || (rv == ERR_NOMEM && told == 0));
    all = told;
    ck_assert_uint_lt(n, 10000);
  }
  ck_assert_uint_gt(all, 12);
  arena_deinit(&a);
  policy_set_unref(set);
}
END_TEST

/* ----------------------------------------------------------------- pages ---
 */

START_TEST(pages) {
  for (size_t i = 0; i < LINT_CODES; i++) {
    const char *page = lint_page(lint_code_names[i]);
    ck_assert_ptr_nonnull(page);
    ck_assert(page[0] == '#' && page[1] == ' ');
    ck_assert_int_eq(
        strncmp(page + 2, lint_code_names[i], strlen(lint_code_names[i])), 0);
    ck_assert(i == 0 || strcmp(lint_code_names[i - 1], lint_code_names[i]) < 0);
  }
  ck_assert_ptr_null(lint_code_names[LINT_CODES]);
  ck_assert_ptr_null(lint_page("nonsense"));
  ck_assert_ptr_null(lint_page(""));
}
END_TEST

/* ------------------------------------------------------------ public API ---
 */

static void on_public(void *ud, const cordon_finding *f) {
  ck_assert_str_eq(f->code, "host-open-end");
  ck_assert_int_eq(f->severity, CORDON_WARNING);
  ck_assert_str_eq(f->file, "a.yaml");
  ck_assert_str_eq(f->policy_id, "app:a");
  ck_assert_str_eq(f->edit_text, "wss://a.example.com/*");
  ++*(size_t *)ud;
}

START_TEST(public_api) {
  static const char text[] = TOP CONNECT ALLOW("a", "wss://a.example.com*");
  cordon_source source = {
      .name = "a.yaml", .text = text, .len_bytes = sizeof text - 1};
  cordon_lint_config cfg;
  cordon_policy *p;
  cordon_error err;
  size_t n = 0;

  ck_assert_int_eq(cordon_policy_new(&p, NULL, &err), CORDON_OK);
  ck_assert_int_eq(cordon_policy_compat(p, &err), CORDON_OK);
  ck_assert_int_eq(cordon_policy_add(p, &source, NULL, NULL, &err), CORDON_OK);
  ck_assert_int_eq(cordon_policy_lint(p, NULL, on_public, &n, &err),
                   CORDON_E_INVALID); /* not finished */
  ck_assert_int_eq(cordon_policy_finish(p, NULL, NULL, &err), CORDON_OK);
  ck_assert_int_eq(cordon_policy_lint(p, NULL, NULL, &n, &err),
                   CORDON_E_INVALID);
  ck_assert_int_eq(cordon_policy_lint(NULL, NULL, on_public, &n, &err),
                   CORDON_E_INVALID);
  cordon_lint_config_init(&cfg);
  cfg.nsuites = 1;
  ck_assert_int_eq(cordon_policy_lint(p, &cfg, on_public, &n, &err),
                   CORDON_E_INVALID);
  ck_assert_uint_eq(n, 0);
  cordon_lint_config_init(&cfg);
  ck_assert_int_eq(cordon_policy_lint(p, &cfg, on_public, &n, &err), CORDON_OK);
  ck_assert_uint_eq(n, 1);
  cordon_policy_unref(p);
  ck_assert_str_eq(cordon_lint_code(0), lint_code_names[0]);
  ck_assert_ptr_null(cordon_lint_code(LINT_CODES));
  ck_assert_ptr_nonnull(cordon_lint_page("untested"));
  ck_assert_ptr_null(cordon_lint_page(NULL));
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("lint");
  TCase *t = tcase_create("lint");

  tcase_add_loop_test(t, one_rule, 0, (int)unit_len(rules));
  tcase_add_test(t, words_and_fixes);
  tcase_add_test(t, compat_mode);
  tcase_add_test(t, compat_star);
  tcase_add_test(t, catalogue);
  tcase_add_test(t, bad_catalogue);
  tcase_add_test(t, untested);
  tcase_add_test(t, order);
  tcase_add_test(t, references);
  tcase_add_test(t, large);
  tcase_add_test(t, failing_memory);
  tcase_add_test(t, pages);
  tcase_add_test(t, public_api);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  return unit_run(suite());
}
