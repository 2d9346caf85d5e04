/* admission.c - may this connection be opened?  Policies and limits. */
#include "modules/admission.h"

#include <stdio.h>
#include <string.h>

#include "modules/services.h"
#include "runtime/base/clock.h"

/* |url| of websocket.connect serves explanations only. */
static bool ask(struct admission *a, struct request *rq,
                struct decision *ret_decision, struct dial_answer *ret) {
  struct guard *g = &a->sv->guard;
  if (guard_ask(g, rq, NULL, &a->where, ret_decision) ||
      g->mode == GUARD_DRY_RUN)
    return true;
  ret->end = DIAL_REFUSED;
  refusal_of(&ret->refusal, rq, ret_decision);
  return false;
}

static const char *over_limit(struct services *sv, uint64_t now_ns) {
  if (sv->nclients >= sv->max_clients)
    return "too many open connections";
  if (now_ns - sv->minute_started_ns >= 60 * NS_PER_S) {
    sv->minute_started_ns = now_ns;
    sv->minute_connects = 0;
  }
  if (sv->minute_connects >= sv->connects_per_minute)
    return "too many connects in a minute";
  sv->minute_connects++;
  return NULL;
}

static void say(struct dial_answer *ret, enum dial_end end, const char *why) {
  ret->end = end;
  snprintf(ret->message, sizeof ret->message, "%s", why);
}

void admission_ask(struct admission *a, struct services *sv, struct slice url,
                   const struct guard_place *where, uint64_t now_ns,
                   struct dial_answer *ret) {
  struct request rq = {.action = SLICE("websocket.connect"),
                       .resource = SLICE("")};
  struct decision decision;
  const char *limit;
  struct err e;
  int parsed;
  memset(a, 0, sizeof *a);
  memset(ret, 0, sizeof *ret);
  a->sv = sv;
  a->where = *where;
  parsed = url_parse(&a->url, url, NULL, &e);
  rq.url = parsed == 0 ? &a->url : NULL;
  if (!ask(a, &rq, &decision, ret))
    return;
  if (parsed != 0) {
    say(ret, DIAL_INVALID, e.message);
    return;
  }
  rq.action = SLICE("websocket.connect.url");
  rq.resource = (struct slice){a->url.text, a->url.len};
  if (!ask(a, &rq, &decision, ret))
    return;
  if (sv->guard.mode == GUARD_DRY_RUN) {
    say(ret, DIAL_DRY_RUN,
        "dry run: connects are decided and recorded, and nothing is opened");
    return;
  }
  if (decision.verdict != VERDICT_ALLOW) /* complain mode has let it through */
    decision = guard_allow_of_url(&a->url);
  a->url_decision = decision;
  a->url_decision.policy = NULL; /* may be gone when it is used */
  a->url_decision.rule = NULL;
  if ((limit = over_limit(sv, now_ns)) != NULL)
    say(ret, DIAL_LIMITED, limit);
}

int admission_judge(struct admission *a, const struct ip *ip, uint16_t port) {
  struct decision decision;
  char text[IP_TEXT_MAX + 8];
  struct request rq = {.action = SLICE("websocket.connect.address"),
                       .url = &a->url,
                       .ip = ip,
                       .port = port};
  rq.resource.p = text;
  rq.resource.len = ip_format_port(ip, port, text);
  if (guard_ask(&a->sv->guard, &rq, &a->url_decision, &a->where, &decision))
    return 0;
  a->refused = decision;
  policy_set_unref(a->set); /* the host may swap policies before it is told */
  a->set = a->sv->guard.set ? policy_set_ref(a->sv->guard.set) : NULL;
  memcpy(a->address, text, sizeof text);
  return ERR_DENIED;
}

void admission_failed(const struct admission *a,
                      const struct connection_failure *f,
                      struct dial_answer *ret) {
  memset(ret, 0, sizeof *ret);
  if (f->code == ERR_DENIED) {
    struct request rq = {.action = SLICE("websocket.connect.address"),
                         .resource = slice_of(a->address)};
    ret->end = DIAL_REFUSED;
    refusal_of(&ret->refusal, &rq, &a->refused);
    return;
  }
  ret->end = DIAL_FAILED;
  ret->url = (struct slice){a->url.text, a->url.len};
  ret->failure = *f;
}

void admission_deinit(struct admission *a) {
  policy_set_unref(a->set);
  a->set = NULL;
}

const struct dialer dialer_here = {.ask = admission_ask,
                                   .judge = admission_judge,
                                   .failed = admission_failed,
                                   .deinit = admission_deinit,
                                   .connect = connection_new};
