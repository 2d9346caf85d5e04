/* guard.c - the one gate: ask policy, record, let pass or refuse. */
#include "modules/guard.h"

#include <lauxlib.h>

#include "modules/errors.h"
#include "runtime/base/clock.h"
#include "runtime/base/gate.h"

void guard_here(lua_State *L, struct guard_place *ret_where) {
  lua_Debug ar;
  ret_where->script[0] = '\0';
  ret_where->line = 0;
  for (int level = 0; lua_getstack(L, level, &ar); level++) {
    if (!lua_getinfo(L, "Sl", &ar) || ar.currentline <= 0)
      continue;
    str_escape(ret_where->script, sizeof ret_where->script,
               slice_of(ar.short_src));
    ret_where->line = (uint32_t)ar.currentline;
    return;
  }
}

bool guard_would(const struct guard *g, struct request *rq,
                 const struct decision *url_decision,
                 struct decision *ret_decision) {
  rq->actor = g->actor;
  gate_enter(); /* the regex library locks */
  *ret_decision = policy_decide(g->set, g->scope, rq, url_decision);
  gate_leave();
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
  gate_enter();
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

static void set_string(lua_State *L, const char *name, struct slice s) {
  lua_pushlstring(L, s.p ? s.p : "", s.len);
  lua_setfield(L, -2, name);
}

void refusal_of(struct refusal *ret, const struct request *rq,
                const struct decision *d) {
  *ret = (struct refusal){.action = rq->action, .resource = rq->resource};
  if (d->verdict == VERDICT_DENY && d->policy)
    ret->policy = d->policy->id;
  else
    ret->reason = slice_of(d->reason);
}

void guard_push_refusal(lua_State *L, const struct refusal *r) {
  bool denied = r->policy.p != NULL;
  struct slice why = denied ? r->policy : r->reason;
  luaL_checkstack(L, 6, NULL);
  lua_createtable(L, 0, 3);
  set_string(L, "action", r->action);
  set_string(L, "resource", r->resource);
  if (denied)
    set_string(L, "policy", r->policy);
  error_push(L, KIND_PERMISSION_DENIED, false, lua_gettop(L),
             "%.*s%s%.*s refused: %s%.*s", (int)r->action.len, r->action.p,
             r->resource.len ? " " : "", (int)r->resource.len,
             r->resource.len ? r->resource.p : "",
             denied ? "denied by policy " : "", (int)why.len, why.p);
  lua_remove(L, -2);
}
