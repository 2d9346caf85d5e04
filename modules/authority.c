/* authority.c - the policies of a sandbox, asked by its scripts.  Nothing here
 * changes what the script itself may do. */
#include "modules/authority.h"

#include "modules/services.h"
#include "runtime/base/clock.h"

#define CONNECT_URL "websocket.connect.url"
#define CONNECT_ADDRESS "websocket.connect.address"

/* ------------------------------------------------------------ guarded --- */

static bool ask_here(struct services *sv, struct slice action,
                     struct slice resource, const struct guard_place *where,
                     struct refusal *ret) {
  struct request rq = {.action = action, .resource = resource};
  struct decision decision;
  if (guard_ask(&sv->guard, &rq, NULL, where, &decision))
    return true;
  refusal_of(ret, &rq, &decision);
  return false;
}

static int policy_here(struct services *sv, struct slice id,
                       const struct guard_place *where, void **ret_set,
                       const struct policy **ret_policy,
                       struct refusal *ret_refusal) {
  const struct policy *p;
  if (!ask_here(sv, SLICE("security.policy.get"), id, where, ret_refusal))
    return ERR_DENIED;
  p = sv->guard.set ? policy_set_find(sv->guard.set, id) : NULL;
  if (!p)
    return ERR_NOT_FOUND;
  *ret_set = sv->guard.set;
  *ret_policy = p;
  return 0;
}

static bool in_group(const struct policy *p, struct slice id) {
  for (size_t i = 0; i < p->ngroups; i++)
    if (slice_eq(p->groups[i], id))
      return true;
  return false;
}

static const struct policy *group_at(const struct listing *l, size_t i) {
  const struct policy *p = policy_set_at(l->source, i);
  return in_group(p, l->group) ? p : NULL;
}

static int group_here(struct services *sv, struct slice id,
                      const struct guard_place *where, struct listing *ret,
                      struct refusal *ret_refusal) {
  struct policy_set *set = sv->guard.set;
  if (!ask_here(sv, SLICE("security.policy_group.get"), id, where, ret_refusal))
    return ERR_DENIED;
  *ret = (struct listing){.set = set,
                          .len = set ? policy_set_len(set) : 0,
                          .source = set,
                          .group = id,
                          .at = group_at};
  return 0;
}

static const struct policy *scope_at(const struct listing *l, size_t i) {
  return policy_scope_at(l->source, i);
}

static int scope_here(struct services *sv, struct listing *ret) {
  const struct policy_scope *scope = sv->guard.scope;
  *ret = (struct listing){.set = sv->guard.set,
                          .len = scope ? policy_scope_len(scope) : 0,
                          .source = scope,
                          .at = scope_at};
  return 0;
}

/* ---------------------------------------------------------- questions --- */

/* Points into itself: not to be copied. */
struct question {
  struct request rq;
  struct url url; /* of the request, or of the address */
  struct ip ip;
  char address[IP_TEXT_MAX + 8];
};

static int read_url(struct question *q, struct slice text, struct err *e) {
  int rv = url_parse(&q->url, text, NULL, e);
  if (rv == 0)
    q->rq.url = &q->url;
  return rv;
}

/* The address is canonical from here on; the member "url" of the metadata says
 * which URL it was resolved for. */
static int read_address(struct question *q, struct err *e) {
  struct slice s = q->rq.resource;
  const struct value *url = value_get(q->rq.meta, SLICE("url"));
  if (ip_parse_port(s, &q->ip, &q->rq.port) != 0)
    return err_setf(e, ERR_INVALID,
                    "'%.*s' is no address, expected \"ip:port\" or "
                    "\"[ip]:port\"",
                    (int)(s.len > 80 ? 80 : s.len), s.p);
  q->rq.ip = &q->ip;
  q->rq.resource.p = q->address;
  q->rq.resource.len = ip_format_port(&q->ip, q->rq.port, q->address);
  if (!url)
    return 0;
  if (url->type == VALUE_STRING)
    return read_url(q, url->as.string, e);
  return err_setf(e, ERR_INVALID, "metadata.url is a %s, expected a string",
                  value_type_name(url->type));
}

/* 0, or what is wrong with what |from| holds. */
static int read_question(struct question *q, const struct services *sv,
                         const struct inquiry *from, struct err *e) {
  int rv = inquiry_check(from, e);
  if (rv != 0)
    return rv;
  q->rq = (struct request){.actor = from->actor,
                           .action = from->action,
                           .resource = from->resource,
                           .meta = from->meta,
                           .may_leave = true};
  if (sv->question_ns > 0) {
    q->rq.until_mono_ns = clock_mono_ns() + sv->question_ns;
    q->rq.until_cpu_ns = clock_thread_cpu_ns() + sv->question_ns;
  }
  if (slice_is(q->rq.action, CONNECT_URL)) {
    if ((rv = read_url(q, q->rq.resource, e)) == 0)
      q->rq.resource = (struct slice){q->url.text, q->url.len};
  } else if (slice_is(q->rq.action, CONNECT_ADDRESS)) {
    rv = read_address(q, e);
  }
  return rv == 0 ? 0 : ERR_INVALID;
}

/* The request for the URL that the address of |q| belongs to. */
static bool question_url(const struct question *q, struct request *ret) {
  if (!q->rq.ip || !q->rq.url)
    return false;
  *ret = (struct request){.action = SLICE(CONNECT_URL),
                          .resource = {q->url.text, q->url.len},
                          .url = &q->url,
                          .actor = q->rq.actor,
                          .meta = q->rq.meta,
                          .may_leave = true,
                          .until_mono_ns = q->rq.until_mono_ns,
                          .until_cpu_ns = q->rq.until_cpu_ns};
  return true;
}

/* An answer that was found in time, or none. */
static int in_time(const struct question *q, struct err *e) {
  if (!policy_out_of_time(&q->rq))
    return 0;
  return err_setf(e, ERR_INVALID,
                  "the question takes the policies too long to answer");
}

static int evaluate_here(struct services *sv, const struct inquiry *from,
                         const struct policy *const *policies,
                         void *const *sets, size_t len, bool one,
                         enum verdict *ret, struct err *e) {
  struct decision d, url_decision;
  struct request url_rq;
  struct question q;
  bool has_url;
  int rv;
  (void)sets;
  if ((rv = read_question(&q, sv, from, e)) != 0)
    return rv;
  has_url = question_url(&q, &url_rq);
  if (has_url)
    url_decision = policy_decide_list(policies, len, &url_rq, NULL);
  d = policy_decide_list(policies, len, &q.rq, has_url ? &url_decision : NULL);
  /* the class of an address is nothing a single policy says */
  *ret = one && d.by_address_class ? VERDICT_UNDEFINED : d.verdict;
  return in_time(&q, e);
}

/* The guards of this program ask without metadata.  What a script would put in
 * must not make another answer of theirs than they will give. */
static bool asked_without_meta(struct slice action) {
  static const char *const actions[] = {
      "websocket.connect",     CONNECT_URL,
      CONNECT_ADDRESS,         "security.policy.get",
      "security.scope.create", "security.policy_group.get",
      "security.actor.create"};
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
    if (slice_eq(action, slice_of(actions[i])))
      return true;
  return false;
}

static int can_here(struct services *sv, const struct inquiry *from, bool *ret,
                    struct err *e) {
  const struct guard *g = &sv->guard;
  struct decision d, url_decision;
  struct request url_rq;
  struct question q;
  bool has_url, can;
  int rv;
  if ((rv = read_question(&q, sv, from, e)) != 0)
    return rv;
  if (asked_without_meta(q.rq.action))
    q.rq.meta = NULL;
  has_url = question_url(&q, &url_rq);
  can = !has_url || guard_would(g, &url_rq, NULL, &url_decision);
  if (can && has_url && url_decision.verdict != VERDICT_ALLOW)
    url_decision = guard_allow_of_url(&q.url);
  if (can)
    can = guard_would(g, &q.rq, has_url ? &url_decision : NULL, &d);
  *ret = can;
  return in_time(&q, e);
}

static void *hold_here(void *set) {
  return policy_set_ref(set);
}

static void drop_here(void *set) {
  policy_set_unref(set);
}

const struct authority authority_here = {.ask = ask_here,
                                         .policy = policy_here,
                                         .group = group_here,
                                         .scope = scope_here,
                                         .evaluate = evaluate_here,
                                         .can = can_here,
                                         .hold = hold_here,
                                         .drop = drop_here};
