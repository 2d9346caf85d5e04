/* fuzz_manifest.c - a manifest as untrusted text: it loads or has mistakes with
 * positions; what loads is in an order of starting, and stays below its
 * folder. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_MAX ((size_t)256 << 20)

static const char policies[] = "namespace: app\n"
                               "entries:\n"
                               "- name: p\n"
                               "  kind: security.policy\n"
                               "  policy: {effect: allow, actions: x,\n"
                               "    resources: y}\n"
                               "  groups: [g]\n";

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

/* Joined to a folder it names a file below it. */
static bool is_below(const char *path) {
  if (path[0] == '\0' || path[0] == '/' || path[strlen(path) - 1] == '/' ||
      strstr(path, "//"))
    return false;
  for (const char *p = path; p; p = strchr(p, '/')) {
    p += *p == '/';
    if (p[0] == '.' && (p[1] == '/' || p[1] == '\0' ||
                        (p[1] == '.' && (p[2] == '/' || p[2] == '\0'))))
      return false;
  }
  return true;
}

static void look_at(const struct manifest *mf, size_t i) {
  const struct manifest_workload *w = manifest_at(mf, i);

  need(w->name.text.len > 0 && w->name.pos.line > 0);
  need(strlen(w->source.text.p) == w->source.text.len);
  need(is_below(w->source.text.p));
  need(w->delay_ms > 0 && w->delay_ms <= w->delay_max_ms && w->stable_ms > 0);
  for (size_t k = 0; k < w->ndepends_on; k++) {
    need(w->depends_on[k] < i);
    need(!w->auto_start || manifest_at(mf, w->depends_on[k])->auto_start);
  }
  for (size_t k = 0; k < w->nmodules; k++)
    need(w->modules[k][0]);
  for (size_t k = 0; k < w->nscope; k++)
    need(strchr(w->scope[k].text.p, ':') != NULL);
  for (size_t k = 0; k < i; k++)
    need(!slice_eq(manifest_at(mf, k)->name.text, w->name.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct slice text = {(const char *)data, size};
  struct account account;
  struct mem m;
  struct policy_set *set;
  struct manifest *mf;
  size_t mistakes = 0;
  int rv;

  account_init(&account, &mem_libc, MEMORY_MAX);
  m = account_mem(&account);
  need(policy_set_new(&set, &m) == 0);
  need(policy_set_add(set, "p.yaml", slice_of(policies), NULL, NULL) == 0);
  need(policy_set_finish(set, NULL, NULL) == 0);
  rv = manifest_new(&mf, "fuzz.yaml", text, &tree_limits_default, &m,
                    on_mistake, &mistakes);
  need(rv == 0 || rv == ERR_SYNTAX);
  need((rv == 0) == (mistakes == 0));
  if (rv == 0) {
    need(manifest_len(mf) > 0 && manifest_len(mf) <= MANIFEST_MAX_WORKLOADS);
    for (size_t i = 0; i < manifest_len(mf); i++)
      look_at(mf, i);
    rv = manifest_check(mf, set, on_mistake, &mistakes);
    need(rv == (mistakes ? ERR_SYNTAX : 0));
    manifest_free(mf);
  }
  policy_set_unref(set);
  need(account.used == 0);
  return 0;
}
