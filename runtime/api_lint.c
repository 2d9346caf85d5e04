/* api_lint.c - the public functions that give advice on policies. */
#include "policy/lint.h"
#include "runtime/api.h"

void cordon_lint_config_init_sized(cordon_lint_config *cfg,
                                   size_t struct_size) {
  if (cfg)
    api_config_init(cfg, struct_size);
}

struct finding_out {
  cordon_finding_fn *fn;
  void *ud;
};

static void on_finding(void *ud, const struct lint_finding *f) {
  const struct finding_out *out = ud;
  cordon_finding told = {.code = lint_code_names[f->code],
                         .severity = f->level == LINT_NOTE ? CORDON_NOTE
                                                           : CORDON_WARNING,
                         .file = f->file,
                         .line = f->line,
                         .column = f->column,
                         .policy_id = f->policy ? f->policy->id.p : NULL,
                         .message = f->message,
                         .reason = f->reason,
                         .fix = f->fix,
                         .edit_line = f->edit.line,
                         .edit_column = f->edit.column,
                         .edit_len_bytes = f->edit.len,
                         .edit_text = f->edit.line ? f->edit.text : NULL};
  out->fn(out->ud, &told);
}

int cordon_policy_lint(const cordon_policy *policy,
                       const cordon_lint_config *config, cordon_finding_fn *fn,
                       void *ud, cordon_error *reterr) {
  const struct policy_set *set =
      (const struct policy_set *)(const void *)policy;
  struct finding_out out = {fn, ud};
  cordon_lint_config cfg;
  struct lint_options o;
  struct err e;
  int rv;
  if ((rv = api_config_take(&cfg, sizeof cfg, config, reterr)) != CORDON_OK)
    return rv;
  if (!policy || !fn || (!cfg.suites && cfg.nsuites > 0))
    return api_invalid(reterr, "policy, fn and suites are required");
  if (!policy_set_is_finished(set))
    return api_invalid(reterr, "the policy set is not finished");
  o = (struct lint_options){
      .catalogue = api_value(cfg.catalogue),
      .suites = (const struct suite *const *)(const void *)cfg.suites,
      .nsuites = cfg.nsuites};
  for (size_t i = 0; i < o.nsuites; i++)
    if (!o.suites[i] || suite_set(o.suites[i]) != set)
      return api_invalid(reterr, "the suites must be bound to the policy");
  if (o.catalogue && lint_check_catalogue(o.catalogue, &e) != 0)
    return api_error(reterr, &e);
  if ((rv = policy_lint(set, &o, policy_set_mem(set), on_finding, &out)) != 0) {
    err_set(&e, rv);
    return api_error(reterr, &e);
  }
  return CORDON_OK;
}

int cordon_policy_compat(cordon_policy *policy, cordon_error *reterr) {
  struct err e;
  if (!policy)
    return api_invalid(reterr, "policy is required");
  if (policy_set_compat((struct policy_set *)(void *)policy) == 0)
    return CORDON_OK;
  err_setf(&e, ERR_BUSY, "the policy set is finished, or mistakes are told");
  return api_error(reterr, &e);
}

const char *cordon_lint_code(size_t i) {
  return i < LINT_CODES ? lint_code_names[i] : NULL;
}

const char *cordon_lint_page(const char *code) {
  return code ? lint_page(code) : NULL;
}
