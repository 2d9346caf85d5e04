/* api_explain.c - the public function that tells everything behind a
 * decision. */
#include "policy/explain.h"
#include "runtime/api.h"
#include "runtime/sandbox.h"

#define MAX_GROUPS 16

struct teller {
  cordon_explanation_fn *fn;
  void *ud;
};

static cordon_explanation_kind kind_of(enum explain_kind kind) {
  _Static_assert((int)CORDON_EXPLAIN_REQUEST == EXPLAIN_REQUEST &&
                     (int)CORDON_EXPLAIN_APPLIES == EXPLAIN_APPLIES &&
                     (int)CORDON_EXPLAIN_ERROR == EXPLAIN_ERROR &&
                     (int)CORDON_EXPLAIN_MISS == EXPLAIN_MISS &&
                     (int)CORDON_EXPLAIN_ADVICE == EXPLAIN_ADVICE,
                 "one order of kinds");
  return (cordon_explanation_kind)kind;
}

static void on_item(void *ud, const struct explain_item *in) {
  const struct teller *t = ud;
  const struct policy *p = in->policy;
  cordon_explanation_part parts[EXPLAIN_MAX_PARTS];
  const cordon_explanation_part *list[EXPLAIN_MAX_PARTS];
  const char *groups[MAX_GROUPS];
  cordon_explanation out = {.struct_size = sizeof out,
                            .kind = kind_of(in->kind),
                            .decides = in->decides,
                            .in_scope = p && !in->outside,
                            .rule = in->rule_number,
                            .rule_line = in->rule ? in->rule->line : 0,
                            .pattern = in->pattern,
                            .text = in->text,
                            .parts = list,
                            .nparts = in->nparts,
                            .groups = groups,
                            .edit = in->edit,
                            .add = in->add,
                            .wider = in->wider,
                            .instead = in->instead,
                            .note = in->note};
  for (size_t i = 0; i < in->nparts; i++) {
    const struct explain_part *part = &in->parts[i];
    parts[i] = (cordon_explanation_part){.name = part->name,
                                         .number = part->number,
                                         .line = part->line,
                                         .is = part->is,
                                         .wants = part->wants,
                                         .text = part->text};
    list[i] = &parts[i];
  }
  if (p) {
    out.policy_id = p->id.p;
    out.file = p->file;
    out.line = p->line;
    out.deny = p->deny;
    out.ngroups = p->ngroups < MAX_GROUPS ? p->ngroups : MAX_GROUPS;
    for (size_t i = 0; i < out.ngroups; i++)
      groups[i] = p->groups[i].p;
  }
  t->fn(t->ud, &out);
}

int cordon_explain_all(const cordon_scope *scope, const cordon_request *request,
                       size_t max_misses, cordon_explanation_fn *fn, void *ud,
                       cordon_decision *ret_decision, cordon_error *reterr) {
  cordon_decision own;
  struct api_question q;
  struct decision d;
  struct teller t = {fn, ud};
  struct err e;
  int rv;
  if (!fn) {
    err_setf(&e, ERR_INVALID, "fn is required");
    return api_error(reterr, &e);
  }
  /* what the answer to a broken request is, is said in one place */
  rv =
      cordon_decide(scope, request, ret_decision ? ret_decision : &own, reterr);
  if (rv != CORDON_OK || api_question_init(&q, scope, request, &own, &e) != 0)
    return rv;
  d = api_question_decide(&q, scope);
  rv = policy_explain_all(
      scope ? scope->set : NULL, scope ? scope->scope : NULL, &q.rq, &d,
      max_misses ? max_misses : CORDON_EXPLAIN_MISSES, &mem_libc, on_item, &t);
  if (rv == 0)
    return CORDON_OK;
  err_set(&e, rv);
  return api_error(reterr, &e);
}
