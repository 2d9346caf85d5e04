/* fuzz_suite.c - a test file as untrusted text, run against fixed policies: it
 * loads or has mistakes with positions; what its tests say is safe to print;
 * mutants and coverage hold together. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_MAX ((size_t)256 << 20)

static const char policies[] =
    "namespace: app\n"
    "entries:\n"
    "- name: prices\n"
    "  kind: security.policy\n"
    "  policy:\n"
    "    actions: [websocket.connect, websocket.connect.url]\n"
    "    resources: ['', 'wss://stream.example.com/prices/*']\n"
    "    effect: allow\n"
    "    conditions:\n"
    "    - {field: actor.meta.role, operator: in, value: [reader, admin]}\n"
    "  groups: [default]\n"
    "- name: local\n"
    "  kind: security.policy\n"
    "  policy:\n"
    "    effect: allow\n"
    "    rules:\n"
    "    - {action: websocket.connect}\n"
    "    - {action: websocket.connect.url, resource: 'ws://localhost:*'}\n"
    "    - {action: websocket.connect.url, resource: 'wss://a.example',\n"
    "       address: any}\n"
    "- name: guard\n"
    "  kind: security.policy\n"
    "  policy:\n"
    "    effect: deny\n"
    "    rules:\n"
    "    - {action: websocket.connect.address, resource: '10.0.0.0/8:443'}\n"
    "    - {action: read, resource: 'document:*'}\n"
    "- name: owner\n"
    "  kind: security.policy.expr\n"
    "  policy:\n"
    "    actions: '*'\n"
    "    resources: 'document:*'\n"
    "    effect: allow\n"
    "    expression: 'actor.id == meta.owner'\n"
    "  groups: [office]\n";

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

static void safe(const char *p, size_t len) {
  for (size_t i = 0; i < len; i++)
    need(((unsigned char)p[i] >= 0x20 && p[i] != 0x7F) || p[i] == '\n');
}

static void on_cover(void *ud, const struct suite_cover *c) {
  size_t *policies_seen = ud;

  *policies_seen += c->kind == SUITE_COVER_POLICY;
  need(c->policy && c->pos.line > 0 && c->text);
  safe(c->text, strlen(c->text));
}

static void on_mutant(void *ud, const struct suite_mutant *m) {
  size_t *noticed = ud;

  *noticed += m->noticed != NULL;
  need(m->policy && m->pos.line > 0 && m->change[0]);
  need(!m->noticed || m->noticed->ran);
  safe(m->change, strlen(m->change));
  need(!m->witness || !m->noticed);
  if (m->witness)
    safe(m->witness, strlen(m->witness));
}

static void run(struct suite *s, const struct policy_set *set,
                const struct mem *m) {
  size_t failed = 0, n, noticed = 0, seen = 0, held = 0;
  struct buf why;

  for (size_t i = 0; i < suite_len(s); i++) {
    buf_init(&why, m, (size_t)64 << 20);
    need(suite_run(s, i, &n, &why) == 0);
    need((n == 0) == (why.len == 0));
    need(n <= suite_at(s, i)->nexpectations);
    safe((const char *)buf_bytes(&why), why.len);
    failed += n;
    held += suite_at(s, i)->nexpectations - n;
    buf_deinit(&why);
  }
  need(suite_coverage(s, on_cover, &seen) == 0);
  need(seen == policy_set_len(set));
  need(suite_mutate(s, on_mutant, &noticed) == 0);
  need(held > 0 || noticed == 0); /* what fails notices nothing */
  /* the set is as it was */
  for (size_t i = 0; i < suite_len(s); i++) {
    buf_init(&why, m, (size_t)64 << 20);
    need(suite_run(s, i, &n, &why) == 0 && n <= failed);
    failed -= n;
    buf_deinit(&why);
  }
  need(failed == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct slice text = {(const char *)data, size};
  struct account account;
  struct mem m;
  struct policy_set *set;
  struct suite *s;
  size_t mistakes = 0;
  int rv;

  account_init(&account, &mem_libc, MEMORY_MAX);
  m = account_mem(&account);
  need(policy_set_new(&set, &m) == 0);
  need(policy_set_add(set, "p.yaml", slice_of(policies), NULL, NULL) == 0);
  need(policy_set_finish(set, NULL, NULL) == 0);
  rv = suite_new(&s, "fuzz_test.yaml", text, &tree_limits_default, &m,
                 on_mistake, &mistakes);
  need(rv == 0 || rv == ERR_SYNTAX);
  need((rv == 0) == (mistakes == 0));
  if (rv == 0) {
    need(suite_paths(s) > 0 && suite_len(s) > 0);
    rv = suite_bind(s, set, on_mistake, &mistakes);
    need(rv == 0 || (rv == ERR_SYNTAX && mistakes > 0));
    if (rv == 0)
      run(s, set, &m);
    suite_free(s);
  }
  policy_set_unref(set);
  need(account.used == 0);
  return 0;
}
