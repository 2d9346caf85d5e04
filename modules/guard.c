/* guard.c - the one gate: ask policy, record, let pass or refuse. */
#include "modules/guard.h"

#include "runtime/base/clock.h"
#include "runtime/base/gate.h"

bool guard_would(const struct guard *g, struct request *rq,
                 const struct decision *url_decision,
                 struct decision *ret_decision) {
  rq->actor = g->actor;
  *ret_decision = policy_decide(g->set, g->scope, rq, url_decision);
  return ret_decision->verdict == VERDICT_ALLOW ||
         (g->mode == GUARD_COMPLAIN &&
          ret_decision->verdict == VERDICT_UNDEFINED);
}

struct decision guard_allow_of_url(const struct url *url) {
  struct decision d = {.verdict = VERDICT_ALLOW};
  d.loopback_address = slice_is(url->host, "localhost");
  if (url->host_kind != URL_HOST_NAME)
    d.literal = url->ip;
  return d;
}

bool guard_ask(struct guard *g, struct request *rq,
               const struct decision *url_decision,
               const struct guard_place *where, struct decision *ret_decision) {
  uint64_t begin_ns = g->record ? clock_mono_ns() : 0;
  struct guard_event event = {
      .request = rq, .decision = ret_decision, .where = where};
  uint64_t left_ns;
  gate_enter();
  left_ns = g->left_ns ? g->left_ns(g->ud) : UINT64_MAX;
  if (left_ns < UINT64_MAX / 4) {
    rq->until_mono_ns = clock_mono_ns() + left_ns;
    rq->until_cpu_ns = clock_thread_cpu_ns() + left_ns;
  }
  event.passes = guard_would(g, rq, url_decision, ret_decision);
  if (g->record) {
    event.latency_ns = clock_mono_ns() - begin_ns;
    if (g->record(g->ud, &event) != 0 && event.passes) {
      event.passes = false;
      *ret_decision =
          (struct decision){.verdict = VERDICT_DENY,
                            .reason = "the decision could not be recorded"};
    }
  }
  if (event.passes)
    g->allowed++;
  else
    g->refused++;
  gate_leave();
  return event.passes;
}

void refusal_of(struct refusal *ret, const struct request *rq,
                const struct decision *d) {
  *ret = (struct refusal){.action = rq->action, .resource = rq->resource};
  if (d->verdict == VERDICT_DENY && d->policy)
    ret->policy = d->policy->id;
  else
    ret->reason = slice_of(d->reason);
}
