/* decide.c - the plain loop that defines what policies mean. */
#include "policy/decide.h"

#include "policy/index.h"
#include "runtime/base/clock.h"
#include "runtime/base/gate.h"

#define CONNECT_URL "websocket.connect.url"
#define CONNECT_ADDRESS "websocket.connect.address"

static bool action_matches(const struct policy_rule *r, struct slice action) {
  for (size_t i = 0; i < r->nactions; i++)
    if (pattern_match_text(&r->actions[i], action))
      return true;
  return false;
}

/* 1, 0 or ERR_INVALID: it cannot be told */
static int resource_matches(const struct policy_rule *r,
                            const struct pattern_subject *s) {
  int result = 0;

  for (size_t i = 0; i < r->nresources; i++) {
    int rv = pattern_match(&r->resources[i], s);
    if (rv == 1)
      return 1;
    if (rv != 0)
      result = ERR_INVALID;
  }
  return result;
}

/* Does |p| apply?  1 with the rule, 0, or ERR_INVALID. */
static int policy_matches(const struct policy *p, struct slice action,
                          const struct pattern_subject *s,
                          const struct policy_rule **ret_rule) {
  int result = 0;

  for (size_t i = 0; i < p->nrules; i++) {
    const struct policy_rule *r = &p->rules[i];
    int rv = action_matches(r, action) ? resource_matches(r, s) : 0;
    if (rv == 0)
      continue;
    if (rv == 1 || result == 0)
      *ret_rule = r;
    if (rv == 1)
      return 1;
    result = ERR_INVALID;
  }
  return result;
}

/* What is in force: a scope, or a list of its own. */
struct among {
  const struct policy_scope *scope; /* NULL: the list */
  const struct policy *const *list;
  size_t len;
};

static const struct policy *among_at(const struct among *among, size_t i) {
  return among->scope ? policy_scope_at(among->scope, i) : among->list[i];
}

/* What |r|, a rule of an allow that applies to |s|, says about addresses by the
 * way |resource| names the host. */
static void note_naming(struct decision *d, const struct policy_rule *r,
                        const struct pattern *resource,
                        const struct pattern_subject *s) {
  enum pattern_naming naming = pattern_naming(resource);

  if (naming == PATTERN_NAMES_NONE || pattern_match(resource, s) != 1)
    return;
  if (r->any_address)
    d->any_address = true;
  if (s->url->host_kind != URL_HOST_NAME)
    d->literal = s->url->ip;
  else if (naming == PATTERN_NAMES_LOCAL)
    d->loopback_address = true;
}

void policy_facts(struct facts *ret, const struct request *request) {
  ret->actor_id = (struct slice){NULL, 0};
  ret->actor_meta = NULL;
  if (request->actor) {
    ret->actor_id = request->actor->id;
    ret->actor_meta = request->actor->meta;
  }
  ret->action = request->action;
  ret->resource = request->resource;
  ret->meta = request->meta;
  ret->url = NULL;
  ret->ip = NULL;
  ret->port = 0;
  ret->may_leave = request->may_leave;
  ret->until_mono_ns = request->until_mono_ns;
  ret->until_cpu_ns = request->until_cpu_ns;
  if (slice_is(request->action, CONNECT_URL) && request->url) {
    ret->url = request->url;
    ret->resource = (struct slice){request->url->text, request->url->len};
  } else if (slice_is(request->action, CONNECT_ADDRESS) && request->ip) {
    ret->url = request->url;
    ret->ip = request->ip;
    ret->port = request->port;
    ip_format(request->ip, ret->ip_text);
    ret->resource = (struct slice){
        ret->address, ip_format_port(request->ip, request->port, ret->address)};
  }
}

static void stop_by(const struct facts *facts) {
  if (!facts->may_leave)
    return;
  gate_leave();
  gate_enter();
}

/* The clock of the thread is a system call; the other one is not. */
static bool time_is_up(uint64_t mono_ns, uint64_t cpu_ns) {
  return cpu_ns != 0 && clock_mono_ns() >= mono_ns &&
         clock_thread_cpu_ns() >= cpu_ns;
}

bool policy_out_of_time(const struct request *request) {
  return time_is_up(request->until_mono_ns, request->until_cpu_ns);
}

/* Between one condition and the next.  False, with |fault|: there is no time
 * left for it. */
static bool may_go_on(const struct facts *facts, unsigned condition,
                      struct fault *fault) {
  stop_by(facts);
  if (!time_is_up(facts->until_mono_ns, facts->until_cpu_ns))
    return true;
  *fault = (struct fault){.kind = FAULT_STEPS, .condition = condition};
  return false;
}

enum outcome policy_holds(const struct policy *p, const struct facts *facts,
                          struct fault *fault) {
  for (size_t i = 0; i < p->nconditions; i++) {
    enum outcome o;
    if (!may_go_on(facts, (unsigned)i + 1, fault))
      return OUTCOME_ERROR;
    o = condition_eval(&p->conditions[i], facts, fault);
    if (o == OUTCOME_ERROR)
      fault->condition = (unsigned)i + 1;
    if (o != OUTCOME_TRUE)
      return o;
  }
  if (!p->expr)
    return OUTCOME_TRUE;
  return may_go_on(facts, 0, fault) ? expr_eval(p->expr, facts, fault)
                                    : OUTCOME_ERROR;
}

/* Does |p| apply, of which |match| (1 or ERR_INVALID) says whether its patterns
 * match?  1, 0, or ERR_INVALID. */
static int applies(const struct policy *p, int match,
                   const struct facts *facts) {
  struct fault fault;

  if (match != 1 || (!p->nconditions && !p->expr))
    return match;
  switch (policy_holds(p, facts, &fault)) {
  case OUTCOME_FALSE:
    return 0;
  case OUTCOME_TRUE:
    return 1;
  case OUTCOME_ERROR:
    break;
  }
  return ERR_INVALID;
}

/* An answer that is being made. */
struct answer {
  struct decision d;
  size_t at; /* of d.policy in the order of the ids */
};

/* Lets |p|, which applies or perhaps does (|rv| is 1 or ERR_INVALID), change
 * the answer.  The order of the calls does not matter: of policies that weigh
 * the same the first |at| decides.  True for an allow that applies. */
static bool weigh(struct answer *answer, const struct policy *p, size_t at,
                  int rv, const struct policy_rule *rule) {
  struct decision *d = &answer->d;
  bool sure = rv == 1, first = at < answer->at;

  if (!sure)
    d->nerrors++;
  /* what cannot be evaluated denies in a deny, unless another deny is sure, and
   * allows in no allow */
  if (!p->deny && !sure)
    return false;
  if (d->verdict == VERDICT_UNDEFINED || (p->deny && !d->policy->deny) ||
      (p->deny == d->policy->deny && (d->by_error == !sure ? first : sure))) {
    answer->at = at;
    d->verdict = p->deny ? VERDICT_DENY : VERDICT_ALLOW;
    d->policy = p;
    d->rule = rule;
    d->by_error = !sure;
    d->reason = !p->deny ? "allowed by policy"
                : sure   ? "denied by policy"
                         : "denied: a deny could not be evaluated";
  }
  return !p->deny;
}

/* The definition: every policy in force, every rule of it. */
static void decide_plain(struct answer *answer, const struct among *among,
                         const struct facts *facts,
                         const struct pattern_subject *s) {
  struct slice action = facts->action;

  for (size_t i = 0; i < among->len; i++) {
    const struct policy *p = among_at(among, i);
    const struct policy_rule *rule = NULL;
    int rv;
    stop_by(facts);
    rv = policy_matches(p, action, s, &rule);
    if (rv != 0)
      rv = applies(p, rv, facts);
    if (rv == 0 || !weigh(answer, p, i, rv, rule) || !s->url)
      continue;
    for (size_t r = 0; r < p->nrules; r++)
      for (size_t j = 0; j < p->rules[r].nresources; j++)
        if (action_matches(&p->rules[r], action))
          note_naming(&answer->d, &p->rules[r], &p->rules[r].resources[j], s);
  }
}

/* The bit of index_pair.use that says all about |action|; 0: none does. */
static unsigned use_of(struct slice action) {
  return slice_is(action, CONNECT_URL)           ? PATTERN_FOR_URL
         : slice_is(action, CONNECT_ADDRESS)     ? PATTERN_FOR_ADDRESS
         : slice_is(action, "websocket.connect") ? PATTERN_FOR_CONNECT
                                                 : 0;
}

/* Holds the candidates of one policy, of which |pair| is the first, against |s|
 * and leaves the search behind them.  What policy_matches returns; |named|
 * (NULL: nobody asks) gets what they say about addresses. */
static int candidates_match(struct index_search *search,
                            const struct index_pair **pair, struct slice action,
                            unsigned use, const struct pattern_subject *s,
                            const struct policy_rule **ret_rule,
                            struct decision *named) {
  const struct policy *p = (*pair)->policy;
  int result = 0;

  for (; *pair && (*pair)->policy == p; *pair = policy_index_next(search)) {
    const struct policy_rule *r = (*pair)->rule;
    int rv = pattern_match((*pair)->resource, s);
    if (rv == 0 ||
        !(use ? ((*pair)->use & use) != 0 : action_matches(r, action)))
      continue;
    if (rv == 1 && named)
      note_naming(named, r, (*pair)->resource, s);
    if (result == 1 || (result != 0 && rv != 1))
      continue;
    *ret_rule = r;
    result = rv == 1 ? 1 : ERR_INVALID;
  }
  return result;
}

/* The same from the candidates of the index.  False: it has no answer, and
 * |answer| is untouched. */
static bool decide_indexed(struct answer *answer,
                           const struct policy_scope *scope,
                           const struct facts *facts,
                           const struct pattern_subject *s) {
  unsigned use = use_of(facts->action);
  struct index_search search;
  const struct index_pair *pair;

  if (!policy_index_search(&search, policy_scope_index(scope), facts->action,
                           s))
    return false;
  for (pair = policy_index_next(&search); pair;) {
    const struct policy *p = pair->policy;
    enum index_stage stage = policy_index_stage(&search, pair);
    const struct policy_rule *rule = NULL;
    struct decision named = {.any_address = false};
    bool loud = stage == INDEX_LOUD;
    int rv;
    stop_by(facts);
    if (stage == INDEX_QUIET_ALLOW && answer->d.verdict == VERDICT_DENY)
      break;
    if (!policy_scope_has(scope, p)) {
      pair = policy_index_next(&search);
      continue;
    }
    rv = candidates_match(&search, &pair, facts->action, use, s, &rule,
                          loud && !p->deny && s->url ? &named : NULL);
    if (rv != 0 && loud) /* a quiet one has nothing more to ask */
      rv = applies(p, rv, facts);
    if (rv == 0)
      continue;
    if (weigh(answer, p, p->index, rv, rule)) {
      answer->d.any_address |= named.any_address;
      answer->d.loopback_address |= named.loopback_address;
      if (named.literal.family)
        answer->d.literal = named.literal;
    }
    if (!loud && rv == 1)
      break;
  }
  return true;
}

/* Deny overrides, then allow; |among| is in the order of the ids, and the first
 * of its kind decides. */
static struct decision decide(const struct among *among,
                              const struct request *request,
                              const struct pattern_subject *s) {
  struct answer answer = {
      .d = {.verdict = VERDICT_UNDEFINED, .reason = "no policy applies"}};
  struct decision *d = &answer.d;
  struct facts facts;

  policy_facts(&facts, request);
  if (!among->scope || !decide_indexed(&answer, among->scope, &facts, s))
    decide_plain(&answer, among, &facts, s);
  if (d->verdict == VERDICT_UNDEFINED && d->nerrors) {
    d->by_error = true;
    d->reason = "no policy applies, and some could not be evaluated";
  }
  if (d->verdict != VERDICT_ALLOW) {
    d->any_address = d->loopback_address = false;
    d->literal = (struct ip){0};
  }
  return answer.d;
}

/* ------------------------------------------------------------ addresses --- */

static bool ip_equal(const struct ip *a, const struct ip *b) {
  return a->family != 0 && a->family == b->family &&
         memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16) == 0;
}

static const char *class_reason(enum ip_class c) {
  switch (c) {
  case IP_PUBLIC:
    return "public address";
  case IP_PRIVATE:
    return "private address that no policy opens";
  case IP_LOOPBACK:
    return "loopback address that no policy opens";
  case IP_LINK_LOCAL:
    return "link-local address that no policy opens";
  case IP_CGNAT:
    return "shared (CGNAT) address that no policy opens";
  case IP_MULTICAST:
    return "multicast address that no policy opens";
  case IP_RESERVED:
    return "reserved address that no policy opens";
  case IP_EMBEDDED_V4:
    return "address with an IPv4 address inside that no policy opens";
  }
  return "address that no policy opens";
}

/* Where no policy applies: the class decides, or the way the URL's host was
 * named.  An allow elsewhere changes nothing here: adding one never denies. */
static void decide_class(struct decision *d, const struct ip *ip,
                         const struct decision *named) {
  enum ip_class c = ip_classify(ip);

  d->by_address_class = true;
  d->verdict = VERDICT_DENY;
  d->reason = class_reason(c);
  if (c == IP_PUBLIC) {
    d->verdict = VERDICT_ALLOW;
    d->by_error = false;
  } else if (named && named->verdict == VERDICT_ALLOW &&
             (named->any_address ||
              (named->loopback_address && c == IP_LOOPBACK) ||
              ip_equal(&named->literal, ip))) {
    d->verdict = VERDICT_ALLOW;
    d->by_error = false;
    d->reason = "address of a host that a policy names";
  }
}

/* Fills in what |q| leaves out, and |s|.  NULL, or why |q| is no question. */
static const char *complete(struct request *q, struct pattern_subject *s,
                            struct url *url, struct ip *ip) {
  *s = (struct pattern_subject){.text = q->resource};
  if (slice_is(q->action, CONNECT_URL)) {
    if (!q->url && url_parse(url, q->resource, NULL, NULL) != 0)
      return "the resource is no URL";
    s->url = q->url = q->url ? q->url : url;
    s->text = (struct slice){s->url->text, s->url->len};
  } else if (slice_is(q->action, CONNECT_ADDRESS)) {
    if (!q->ip && ip_parse_port(q->resource, ip, &q->port) != 0)
      return "the resource is no address";
    s->ip = q->ip = q->ip ? q->ip : ip;
    s->port = q->port;
  }
  return NULL;
}

static struct decision decide_among(const struct among *among,
                                    const struct request *request,
                                    const struct decision *url_decision) {
  struct request q = *request;
  struct pattern_subject s;
  struct decision d;
  struct url url;
  struct ip ip;
  const char *bad;

  if (!request->actor)
    return (struct decision){.verdict = VERDICT_DENY, .reason = "no actor"};
  if ((bad = complete(&q, &s, &url, &ip)) != NULL)
    return (struct decision){
        .verdict = VERDICT_DENY, .nerrors = 1, .by_error = true, .reason = bad};
  d = decide(among, &q, &s);
  if (s.ip && d.verdict == VERDICT_UNDEFINED)
    decide_class(&d, s.ip, url_decision);
  return d;
}

void policy_each_error(const struct policy_scope *scope,
                       const struct request *request, policy_error_fn *fn,
                       void *ud) {
  struct request q = *request;
  struct pattern_subject s;
  struct facts facts;
  struct url url;
  struct ip ip;

  if (!scope || !request->actor || complete(&q, &s, &url, &ip))
    return;
  policy_facts(&facts, &q);
  for (size_t i = 0; i < policy_scope_len(scope); i++) {
    const struct policy *p = policy_scope_at(scope, i);
    const struct policy_rule *rule;
    struct fault fault = {.kind = FAULT_REQUEST};
    int rv = policy_matches(p, q.action, &s, &rule);
    if (rv != 0 && (rv != 1 || policy_holds(p, &facts, &fault) < 0))
      fn(ud, p, &fault);
  }
}

struct decision policy_decide(const struct policy_set *set,
                              const struct policy_scope *scope,
                              const struct request *request,
                              const struct decision *url_decision) {
  struct among among = {.scope = scope};

  gate_check();
  (void)set; /* the scope holds what is in force */
  if (request->actor && !scope)
    return (struct decision){.verdict = VERDICT_DENY, .reason = "no scope"};
  if (scope)
    among.len = policy_scope_len(scope);
  return decide_among(&among, request, url_decision);
}

struct decision policy_decide_list(const struct policy *const *list, size_t len,
                                   const struct request *request,
                                   const struct decision *url_decision) {
  struct among among = {.list = list, .len = len};

  return decide_among(&among, request, url_decision);
}
