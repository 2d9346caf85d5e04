/* fuzz_policy.c - a policy file as untrusted text: it loads or has mistakes
 * with positions, costs what its size allows, and what it decides holds
 * together. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/decide.h"
#include "policy/explain.h"
#include "policy/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_MAX ((size_t)64 << 20)

static void need(bool ok) {
  if (!ok)
    abort();
}

static void on_mistake(void *ud, const struct err *e) {
  size_t *n = ud;

  ++*n;
  need(e->code == ERR_SYNTAX && e->line > 0 && e->column > 0);
  need(e->message[0] && e->source[0]);
}

static const struct {
  const char *action;
  const char *resource;
} asked[] = {
    {"websocket.connect", ""},
    {"websocket.connect.url", "wss://stream.example.com/prices/btc?x=1"},
    {"websocket.connect.url", "ws://127.0.0.1:8080/"},
    {"websocket.connect.url", "wss://[fd00::1]/*"},
    {"websocket.connect.url", "nonsense"},
    {"websocket.connect.address", "10.20.3.4:443"},
    {"websocket.connect.address", "[::1]:80"},
    {"websocket.connect.address", "8.8.8.8:443"},
    {"read", "document:1"},
    {"fetch", "wss://a b/"},
};

static void is_safe(const char *text) {
  for (; text && *text; text++) /* for a terminal, in one line */
    need((unsigned char)*text >= 0x20);
}

static void on_item(void *ud, const struct explain_item *item) {
  size_t *deciding = ud;

  *deciding += item->decides;
  is_safe(item->pattern);
  is_safe(item->text);
  is_safe(item->edit);
  is_safe(item->add);
  is_safe(item->wider);
  is_safe(item->instead);
  is_safe(item->note);
  need(item->nparts <= EXPLAIN_MAX_PARTS);
  for (size_t i = 0; i < item->nparts; i++) {
    is_safe(item->parts[i].is);
    is_safe(item->parts[i].wants);
    is_safe(item->parts[i].text);
  }
}

static void ask(const struct policy_set *set, const struct policy_scope *scope,
                size_t i, const struct mem *m) {
  static const struct actor actor = {.id = {"fuzz", 4}};
  struct request q = {.actor = &actor,
                      .action = slice_of(asked[i].action),
                      .resource = slice_of(asked[i].resource)};
  struct decision d = policy_decide(set, scope, &q, NULL);
  struct decision again = policy_decide(set, scope, &q, NULL);
  size_t deciding = 0;
  struct buf out;

  need(d.verdict == again.verdict && d.policy == again.policy);
  need(d.reason && d.reason[0]);
  if (d.policy)
    need(d.policy->deny == (d.verdict == VERDICT_DENY) && d.rule);
  else
    need(d.verdict != VERDICT_ALLOW || d.by_address_class);
  buf_init(&out, m, (size_t)1 << 20);
  need(policy_explain_refusal(set, scope, &q, &d, &out) == 0);
  need((out.len == 0) == (d.verdict == VERDICT_ALLOW));
  for (size_t k = 0; k < out.len; k++) /* safe for a terminal */
    need(buf_bytes(&out)[k] >= 0x20 || buf_bytes(&out)[k] == '\n');
  buf_deinit(&out);
  need(policy_explain_all(set, scope, &q, &d, NEAREST_MAX, m, on_item,
                          &deciding) == 0);
  need(deciding == (d.policy ? 1 : 0));
}

static void on_finding(void *ud, const struct lint_finding *f) {
  size_t *n = ud;

  ++*n;
  need(f->message[0] && f->reason[0] && f->fix[0] && f->file[0]);
  need(f->code < LINT_CODES && f->line > 0 && (!f->edit.line || f->edit.text));
  is_safe(f->message);
  is_safe(f->reason);
  is_safe(f->fix);
}

/* As --compat reads it: at least what loads without. */
static void advise(struct slice text, bool loads, const struct mem *m) {
  struct policy_set *set;
  size_t n = 0;
  int rv;

  need(policy_set_new(&set, m) == 0);
  policy_set_compat(set);
  rv = policy_set_add(set, "fuzz.yaml", text, NULL, NULL);
  if (rv == 0)
    rv = policy_set_finish(set, NULL, NULL);
  need(rv == 0 || !loads);
  if (rv == 0)
    need(policy_lint(set, NULL, m, on_finding, &n) == 0);
  policy_set_unref(set);
}

static void try_values(struct slice text, const struct mem *m) {
  struct tree_node *root;
  struct value v;
  struct arena a;
  struct err e;

  arena_init(&a, m, SIZE_MAX);
  if (tree_parse(&root, text, &tree_limits_default, &a, &e) == 0 &&
      tree_to_value(&v, root, &a, &e) == 0) {
    struct buf out;
    buf_init(&out, m, (size_t)64 << 20);
    need(value_write_json(&v, &out) == 0);
    buf_deinit(&out);
  }
  arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct slice text = {(const char *)data, size};
  struct account account;
  struct mem m;
  struct policy_set *set;
  struct policy_scope *scope;
  size_t mistakes = 0;
  int rv;

  account_init(&account, &mem_libc, MEMORY_MAX);
  m = account_mem(&account);
  need(policy_set_new(&set, &m) == 0);
  rv = policy_set_add(set, "fuzz.yaml", text, on_mistake, &mistakes);
  need(rv == 0 || rv == ERR_SYNTAX);
  need((rv == 0) == (mistakes == 0));
  if (rv == 0 && policy_set_finish(set, on_mistake, &mistakes) == 0) {
    need(policy_scope_new(&scope, set, NULL, 0, &m, NULL) == 0);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
      ask(set, scope, i, &m);
    policy_scope_free(scope);
    need(policy_lint(set, NULL, &m, on_finding, &mistakes) == 0);
    advise(text, true, &m);
  } else {
    advise(text, false, &m);
  }
  policy_set_unref(set);
  try_values(text, &m);
  need(account.used == 0);
  return 0;
}
