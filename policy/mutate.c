/* mutate.c - small changes of policies, to see whether the tests notice.  A
 * mutant is decided by the plain loop over copies of what changes: nothing is
 * parsed again, and the set stays as it is. */
#include "policy/suite.h"

#include <stdio.h>

enum change {
  FLIP,
  DROP_RULE,
  DROP_ACTION,
  DROP_RESOURCE,
  DROP_ADDRESS, /* "address: any" */
  DROP_CONDITION,
  DROP_EXPRESSION,
  WIDEN_SCHEME,
  WIDEN_HOST,
  WIDEN_PORTS,
  WIDEN_PATH,
  WIDEN_QUERY,
  WIDEN_RESOURCE /* to anything */
};

struct mutant {
  enum change change;
  const struct policy *policy;
  size_t rule;
  size_t item; /* of its actions or resources; or of the conditions */
  const struct suite_test *noticed;
};

/* What is known of the policy whose mutants are being tried, of one
 * expectation. */
struct whole {
  const struct policy *policy;
  bool known[2];
  bool applies[2];
};

struct run {
  struct suite *suite;
  struct whole whole;
  const struct mem *mem;
  struct mutant *mutants;
  size_t len;
  size_t cap;
  const struct policy **list; /* in force, to put a mutant into */
};

/* -------------------------------------------------------------- changes --- */

static bool widen_url(struct pattern_url *u, enum change change) {
  const char *dot;

  switch (change) {
  case WIDEN_SCHEME:
    if (u->schemes == (PATTERN_WS | PATTERN_WSS))
      return false;
    u->schemes = PATTERN_WS | PATTERN_WSS;
    return true;
  case WIDEN_HOST:
    if (u->host_kind != PATTERN_HOST_NAME && u->host_kind != PATTERN_HOST_BELOW)
      return false;
    dot = memchr(u->host.p, '.', u->host.len);
    if (u->host_kind == PATTERN_HOST_NAME && dot) {
      u->host.len -= (size_t)(dot + 1 - u->host.p);
      u->host.p = dot + 1;
      u->host_kind = PATTERN_HOST_BELOW;
    } else {
      u->host_kind = PATTERN_HOST_ANY_NAME;
      u->host = SLICE("");
    }
    return true;
  case WIDEN_PORTS:
    if (u->host_kind == PATTERN_HOST_PREFIX ||
        (u->ports.first == 1 && u->ports.last == UINT16_MAX))
      return false;
    u->ports = (struct pattern_ports){1, UINT16_MAX};
    return true;
  case WIDEN_PATH:
    if (u->any_path)
      return false;
    u->any_path = true;
    return true;
  case WIDEN_QUERY:
    if (u->any_query)
      return false;
    u->any_query = true;
    return true;
  case FLIP:
  case DROP_RULE:
  case DROP_ACTION:
  case DROP_RESOURCE:
  case DROP_ADDRESS:
  case DROP_CONDITION:
  case DROP_EXPRESSION:
  case WIDEN_RESOURCE:
    break;
  }
  return false;
}

/* Makes |p| match more.  False: this change does not. */
static bool widen(struct pattern *p, enum change change) {
  switch (p->kind) {
  case PATTERN_URL:
    return widen_url(&p->as.url, change);
  case PATTERN_ADDRESS:
  case PATTERN_CLASS:
    if (change == WIDEN_PORTS && p->as.address.ports.first != 0) {
      p->as.address.ports = (struct pattern_ports){0, 0};
      return true;
    }
    break;
  case PATTERN_EXACT:
    if (p->as.text.len == 0) /* of websocket.connect, which asks nothing else */
      return false;
    break;
  case PATTERN_PREFIX:
    break;
  case PATTERN_ANY:
  case PATTERN_NEVER:
    return false;
  }
  if (change != WIDEN_RESOURCE)
    return false;
  p->kind = PATTERN_ANY;
  return true;
}

/* A copy of |n| elements without the one at |i|. */
static void *without(struct arena *a, const void *from, size_t n, size_t size,
                     size_t i) {
  char *to = arena_array(a, n, size);

  if (!to)
    return NULL;
  memcpy(to, from, i * size);
  memcpy(to + i * size, (const char *)from + (i + 1) * size,
         (n - i - 1) * size);
  return to;
}

/* As much of a policy as a change of a rule touches, before or after it. */
struct part {
  struct policy policy;
  struct policy_rule rule;
  struct pattern pattern;
};

static bool is_of_rule(enum change change) {
  return change != FLIP && change != DROP_CONDITION &&
         change != DROP_EXPRESSION;
}

static void part_of_rule(struct part *part, const struct mutant *m,
                         bool after) {
  struct policy_rule *r = &part->rule;

  *r = m->policy->rules[m->rule];
  part->policy.rules = r;
  part->policy.nrules = 1;
  if (m->change == DROP_RULE || m->change == DROP_ACTION ||
      m->change == DROP_RESOURCE)
    part->policy.nrules = after ? 0 : 1;
  if (m->change == DROP_ADDRESS)
    r->any_address &= !after;
  if (m->change == DROP_ACTION) {
    r->actions += m->item;
    r->nactions = 1;
  } else if (m->change >= WIDEN_SCHEME || m->change == DROP_RESOURCE) {
    part->pattern = r->resources[m->item];
    if (m->change >= WIDEN_SCHEME && after)
      widen(&part->pattern, m->change);
    r->resources = &part->pattern;
    r->nresources = 1;
  }
}

/* The two sides of |m|.  Where both answer a request alike, so do the whole
 * policies. */
static void part_init(struct part *part, const struct mutant *m, bool after) {
  part->policy = *m->policy;
  if (is_of_rule(m->change)) {
    part_of_rule(part, m, after);
  } else if (m->change == FLIP) {
    part->policy.deny ^= after;
  } else if (after) { /* no condition: at least as much as one less */
    part->policy.nconditions = 0;
    part->policy.expr = NULL;
  }
}

static int change_rule(struct policy_rule *r, const struct mutant *m,
                       struct arena *a) {
  struct pattern *resources;

  if (m->change == DROP_ADDRESS) {
    r->any_address = false;
  } else if (m->change == DROP_ACTION) {
    r->actions =
        without(a, r->actions, r->nactions--, sizeof *r->actions, m->item);
    return r->actions ? 0 : ERR_NOMEM;
  } else if (m->change == DROP_RESOURCE) {
    r->resources = without(a, r->resources, r->nresources--,
                           sizeof *r->resources, m->item);
    return r->resources ? 0 : ERR_NOMEM;
  } else {
    if (!(resources = arena_array(a, r->nresources, sizeof *resources)))
      return ERR_NOMEM;
    memcpy(resources, r->resources, r->nresources * sizeof *resources);
    widen(&resources[m->item], m->change);
    r->resources = resources;
  }
  return 0;
}

/* The whole policy with its change; what is new lives in |a|. */
static int build(struct policy *ret, const struct mutant *m, struct arena *a) {
  struct policy_rule *rules;

  *ret = *m->policy;
  if (m->change == FLIP) {
    ret->deny = !ret->deny;
    return 0;
  }
  if (m->change == DROP_RULE) {
    ret->rules =
        without(a, ret->rules, ret->nrules--, sizeof *ret->rules, m->rule);
    return ret->rules ? 0 : ERR_NOMEM;
  }
  if (m->change == DROP_CONDITION) {
    ret->conditions = without(a, ret->conditions, ret->nconditions--,
                              sizeof *ret->conditions, m->item);
    return ret->conditions ? 0 : ERR_NOMEM;
  }
  if (m->change == DROP_EXPRESSION) {
    ret->expr = NULL;
    return 0;
  }
  if (!(rules = arena_array(a, ret->nrules, sizeof *rules)))
    return ERR_NOMEM;
  memcpy(rules, ret->rules, ret->nrules * sizeof *rules);
  ret->rules = rules;
  return change_rule(&rules[m->rule], m, a);
}

/* ---------------------------------------------------------- all of them --- */

static int add(struct run *run, enum change change, const struct policy *p,
               size_t rule, size_t item) {
  if (run->len == run->cap) {
    struct mutant *grown =
        mem_grow(run->mem, run->mutants, &run->cap, run->len + 1, sizeof *grown,
                 SIZE_MAX / sizeof *grown);
    if (!grown)
      return ERR_NOMEM;
    run->mutants = grown;
  }
  run->mutants[run->len++] = (struct mutant){
      .change = change, .policy = p, .rule = rule, .item = item};
  return 0;
}

static int add_resource(struct run *run, const struct policy *p, size_t rule,
                        size_t item) {
  const struct policy_rule *r = &p->rules[rule];
  int rv = 0;

  if (r->nresources > 1)
    rv = add(run, DROP_RESOURCE, p, rule, item);
  for (int c = WIDEN_SCHEME; rv == 0 && c <= WIDEN_RESOURCE; c++) {
    struct pattern copy = r->resources[item];
    if (widen(&copy, (enum change)c))
      rv = add(run, (enum change)c, p, rule, item);
  }
  return rv;
}

static int add_rule(struct run *run, const struct policy *p, size_t rule) {
  const struct policy_rule *r = &p->rules[rule];
  int rv = add(run, DROP_RULE, p, rule, 0);

  if (rv == 0 && r->any_address)
    rv = add(run, DROP_ADDRESS, p, rule, 0);
  for (size_t i = 0; rv == 0 && r->nactions > 1 && i < r->nactions; i++)
    rv = add(run, DROP_ACTION, p, rule, i);
  for (size_t i = 0; rv == 0 && i < r->nresources; i++)
    rv = add_resource(run, p, rule, i);
  return rv;
}

static int add_all(struct run *run, const struct policy_set *set) {
  int rv = 0;

  for (size_t i = 0; rv == 0 && i < policy_set_len(set); i++) {
    const struct policy *p = policy_set_at(set, i);
    rv = add(run, FLIP, p, 0, 0);
    for (size_t r = 0; rv == 0 && r < p->nrules; r++)
      rv = add_rule(run, p, r);
    for (size_t c = 0; rv == 0 && c < p->nconditions; c++)
      rv = add(run, DROP_CONDITION, p, 0, c);
    if (rv == 0 && p->expr)
      rv = add(run, DROP_EXPRESSION, p, 0, 0);
  }
  return rv;
}

/* --------------------------------------------------------------- trying --- */

static bool same(const struct decision *a, const struct decision *b) {
  return a->verdict == b->verdict && a->nerrors == b->nerrors &&
         a->by_error == b->by_error && !a->policy == !b->policy &&
         a->any_address == b->any_address &&
         a->loopback_address == b->loopback_address &&
         a->literal.family == b->literal.family;
}

static bool acts(const struct policy_rule *r, struct slice action) {
  for (size_t i = 0; i < r->nactions; i++)
    if (pattern_match_text(&r->actions[i], action))
      return true;
  return false;
}

/* Of a change of one resource pattern: do both patterns hold |q| alike? */
static bool same_match(const struct mutant *m, const struct request *q) {
  const struct pattern *before = &m->policy->rules[m->rule].resources[m->item];
  struct pattern_subject s = {
      .text = q->resource, .ip = q->ip, .port = q->port};
  struct pattern after;
  int rv;

  if (!q->ip)
    s.url = q->url;
  rv = pattern_match(before, &s);
  if (m->change == DROP_RESOURCE || rv == 1) /* wider, it matches as well */
    return m->change == DROP_RESOURCE ? rv == 0 : true;
  after = *before;
  widen(&after, m->change);
  return pattern_match(&after, &s) == rv;
}

/* Does |p| as it is apply to request |k|?  Asked once for all its mutants. */
static bool applies(struct whole *w, const struct policy *p,
                    const struct suite_asked *a, size_t k) {
  if (w->policy != p)
    *w = (struct whole){.policy = p};
  if (!w->known[k]) {
    struct decision d = policy_decide_list(&p, 1, &a->requests[k], NULL);
    w->applies[k] = d.policy && !d.by_error;
    w->known[k] = true;
  }
  return w->applies[k];
}

/* The quick part of what follows: false where |m| surely changes nothing. */
static bool touches(const struct mutant *m, struct whole *w,
                    const struct suite_asked *a, size_t k) {
  const struct policy *p = m->policy;
  const struct request *q = &a->requests[k];
  bool acting = false;

  if (is_of_rule(m->change))
    acting = acts(&p->rules[m->rule], q->action);
  for (size_t r = 0; !is_of_rule(m->change) && !acting && r < p->nrules; r++)
    acting = acts(&p->rules[r], q->action);
  if (!acting)
    return false;
  /* how a pattern names its host counts where an address rests on it */
  if (a->address || (m->change < WIDEN_SCHEME && m->change != DROP_RESOURCE))
    return true;
  if (same_match(m, q))
    return false;
  return m->change == DROP_RESOURCE || !applies(w, p, a, k);
}

/* Can |m| change an answer at all?  Most cannot, and this is quick to see. */
static bool matters(const struct mutant *m, struct whole *w,
                    const struct suite_asked *a) {
  struct part before, after;
  const struct policy *b = &before.policy, *c = &after.policy;
  size_t k = 0;

  while (k < a->nrequests && !touches(m, w, a, k))
    k++;
  if (k == a->nrequests)
    return false;
  part_init(&before, m, false);
  part_init(&after, m, true);
  for (; k < a->nrequests; k++) {
    struct decision x = policy_decide_list(&b, 1, &a->requests[k], NULL);
    struct decision y = policy_decide_list(&c, 1, &a->requests[k], NULL);
    if (!same(&x, &y))
      return true;
  }
  return false;
}

/* Where |p| stands among those in force, which are in the order of the set. */
static bool find(const struct policy *const *list, size_t len,
                 const struct policy *p, size_t *ret) {
  size_t low = 0, high = len;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (list[middle]->index < p->index)
      low = middle + 1;
    else
      high = middle;
  }
  *ret = low;
  return low < len && list[low] == p;
}

static int try_one(struct run *run, struct mutant *m,
                   const struct suite_test *t, const struct suite_asked *a,
                   size_t len) {
  struct policy changed;
  struct decision d;
  struct arena arena;
  size_t at, last;
  int rv;

  if (!find(run->list, len, m->policy, &at) || !matters(m, &run->whole, a))
    return 0;
  arena_init(&arena, run->mem, SIZE_MAX);
  if ((rv = build(&changed, m, &arena)) == 0) {
    run->list[at] = &changed;
    d = suite_settle(a, run->list, len, &last);
    run->list[at] = m->policy;
    if (!suite_holds(t, a->expectation, &d))
      m->noticed = t;
  }
  arena_deinit(&arena);
  return rv;
}

static int try_test(struct run *run, const struct suite_test *t,
                    struct suite_asked *a) {
  size_t len;
  const struct policy *const *list = suite_in_force(run->suite, t, &len);
  int rv = 0;

  if (len == 0)
    return 0;
  memcpy(run->list, list, len * sizeof *list);
  for (size_t k = 0; rv == 0 && k < t->nexpectations; k++) {
    if (!t->expectations[k].held)
      continue;
    suite_ask(a, t, &t->expectations[k]);
    run->whole.policy = NULL;
    for (size_t i = 0; rv == 0 && i < run->len; i++)
      if (!run->mutants[i].noticed)
        rv = try_one(run, &run->mutants[i], t, a, len);
  }
  return rv;
}

/* -------------------------------------------------------------- telling --- */

static int write_resource(const struct mutant *m, struct buf *out) {
  const struct pattern *p = &m->policy->rules[m->rule].resources[m->item];
  char shown[256];

  str_escape(shown, sizeof shown, p->source);
  return buf_addf(out, "\"%s\"", shown);
}

static int write_host(const struct mutant *m, struct buf *out) {
  struct pattern p = m->policy->rules[m->rule].resources[m->item];

  widen(&p, WIDEN_HOST);
  if (p.as.url.host_kind == PATTERN_HOST_ANY_NAME)
    return buf_adds(out, "any name");
  return buf_addf(out, "*.%.*s", (int)p.as.url.host.len, p.as.url.host.p);
}

static int write_widened(const struct mutant *m, const char *what,
                         const char *to, struct buf *out) {
  int rv;

  if ((rv = buf_addf(out, "widen %s", what)) != 0 ||
      (rv = write_resource(m, out)) != 0 || (rv = buf_adds(out, " to ")) != 0)
    return rv;
  return to ? buf_adds(out, to) : write_host(m, out);
}

static int write_change(const struct mutant *m, struct buf *out) {
  const struct policy *p = m->policy;
  char shown[256];
  int rv;

  switch (m->change) {
  case FLIP:
    return buf_addf(out, "effect %s instead of %s", p->deny ? "allow" : "deny",
                    p->deny ? "deny" : "allow");
  case DROP_RULE:
    if (p->nrules == 1)
      return buf_adds(out, "drop the policy");
    return buf_addf(out, "drop rule %zu", m->rule + 1);
  case DROP_ACTION:
    str_escape(shown, sizeof shown, p->rules[m->rule].actions[m->item].source);
    return buf_addf(out, "drop action %s", shown);
  case DROP_RESOURCE:
    rv = buf_adds(out, "drop resource ");
    return rv == 0 ? write_resource(m, out) : rv;
  case DROP_ADDRESS:
    return buf_adds(out, "drop 'address: any'");
  case DROP_CONDITION:
    str_escape(shown, sizeof shown, p->conditions[m->item].field.source);
    return buf_addf(out, "drop condition %zu on %s", m->item + 1, shown);
  case DROP_EXPRESSION:
    return buf_adds(out, "drop the expression");
  case WIDEN_SCHEME:
    return write_widened(m, "scheme of ", "ws and wss", out);
  case WIDEN_HOST:
    return write_widened(m, "host of ", NULL, out);
  case WIDEN_PORTS:
    return write_widened(m, "port of ", "any", out);
  case WIDEN_PATH:
    return write_widened(m, "path of ", "any", out);
  case WIDEN_QUERY:
    return write_widened(m, "query of ", "any", out);
  case WIDEN_RESOURCE:
    return write_widened(m, "", "anything", out);
  }
  return 0;
}

/* -------------------------------------------------------------- witness --- */

/* The parts of a URL, some of which are tried in several ways. */
struct parts {
  const char *scheme;
  char host[320];
  char port[8];
  char path[2 * URL_MAX_BYTES];
  char query[2 * URL_MAX_BYTES];
};

/* |text| with an "x" for each star. */
static void fill(char *out, size_t cap, struct slice text) {
  size_t n = text.len < cap - 1 ? text.len : cap - 1;

  for (size_t i = 0; i < n; i++)
    out[i] = text.p[i] == '*' ? 'x' : text.p[i];
  out[n] = '\0';
}

static void fill_host(struct parts *parts, const struct pattern_url *u) {
  snprintf(parts->host, sizeof parts->host, "%s%.*s",
           u->host_kind == PATTERN_HOST_BELOW ? "other." : "",
           u->host_kind == PATTERN_HOST_ANY_NAME ? 13 : (int)u->host.len,
           u->host_kind == PATTERN_HOST_ANY_NAME ? "other.example" : u->host.p);
}

/* A URL that |u| itself matches. */
static void fill_all(struct parts *parts, const struct pattern_url *u) {
  parts->scheme = u->schemes & PATTERN_WSS ? "wss" : "ws";
  fill_host(parts, u);
  parts->port[0] = '\0';
  if (u->ports.first > 1 || (u->ports.first && u->ports.last < UINT16_MAX))
    snprintf(parts->port, sizeof parts->port, ":%u", u->ports.first);
  fill(parts->path, sizeof parts->path, u->any_path ? SLICE("/") : u->path);
  parts->query[0] = '?';
  parts->query[1] = '\0';
  if (!u->any_query)
    fill(parts->query + 1, sizeof parts->query - 1, u->query);
  if (!parts->query[1])
    parts->query[0] = '\0';
}

/* A URL that would show |m|, written to |out|; nothing where none is found:
 * what is told was tried. */
static int write_witness(const struct mutant *m, struct buf *out) {
  const struct pattern *narrow;
  struct pattern wide;
  struct pattern_subject s = {.text = {NULL, 0}};
  char text[URL_MAX_BYTES + 1];
  struct parts parts;
  struct url url;
  int n;

  if (m->change < WIDEN_SCHEME)
    return 0; /* |item| is no resource */
  narrow = &m->policy->rules[m->rule].resources[m->item];
  wide = *narrow;
  if (narrow->kind != PATTERN_URL ||
      narrow->as.url.host_kind == PATTERN_HOST_PREFIX ||
      !widen(&wide, m->change))
    return 0;
  fill_all(&parts, &narrow->as.url);
  if (m->change == WIDEN_SCHEME)
    parts.scheme = strcmp(parts.scheme, "wss") == 0 ? "ws" : "wss";
  if (m->change == WIDEN_HOST)
    fill_host(&parts, &wide.as.url);
  if (m->change == WIDEN_PORTS)
    snprintf(parts.port, sizeof parts.port, ":%d",
             narrow->as.url.ports.first == 8443 ? 9443 : 8443);
  if (m->change == WIDEN_PATH)
    snprintf(parts.path, sizeof parts.path, "/other");
  if (m->change == WIDEN_QUERY)
    snprintf(parts.query, sizeof parts.query, "?other");
  n = snprintf(text, sizeof text, "%s://%s%s%s%s", parts.scheme, parts.host,
               parts.port, parts.path, parts.query);
  if (n < 0 || (size_t)n >= sizeof text ||
      url_parse(&url, (struct slice){text, (size_t)n}, NULL, NULL) != 0)
    return 0;
  s.text = (struct slice){url.text, url.len};
  s.url = &url;
  if (pattern_match(narrow, &s) != 0 || pattern_match(&wide, &s) != 1)
    return 0;
  return buf_add(out, url.text, url.len);
}

/* What is changed, as near as it is known. */
static struct tree_pos place(const struct mutant *m) {
  const struct policy *p = m->policy;
  struct policy_place at = {0, 0};
  const struct policy_rule *r;

  if (m->change == DROP_CONDITION)
    return (struct tree_pos){p->conditions[m->item].line,
                             p->conditions[m->item].column};
  if (!is_of_rule(m->change))
    return (struct tree_pos){p->line, p->column};
  r = &p->rules[m->rule];
  if (m->change == DROP_ACTION)
    at = policy_action_place(r, m->item);
  else if (m->change == DROP_RESOURCE || m->change >= WIDEN_SCHEME)
    at = (struct policy_place){r->resources[m->item].line,
                               r->resources[m->item].column};
  if (at.line == 0)
    at = (struct policy_place){r->line, r->column};
  return (struct tree_pos){at.line, at.column};
}

static int tell(const struct run *run, suite_mutant_fn *fn, void *ud) {
  struct buf text, witness;
  int rv = 0;

  buf_init(&text, run->mem, 4096);
  buf_init(&witness, run->mem, 4096);
  for (size_t i = 0; i < run->len; i++) {
    const struct mutant *m = &run->mutants[i];
    struct suite_mutant told = {
        .policy = m->policy, .pos = place(m), .noticed = m->noticed};
    buf_clear(&text);
    if ((rv = write_change(m, &text)) != 0 || (rv = buf_terminate(&text)) != 0)
      break;
    told.change = (const char *)buf_bytes(&text);
    buf_clear(&witness);
    if (!m->noticed && ((rv = write_witness(m, &witness)) != 0 ||
                        (rv = buf_terminate(&witness)) != 0))
      break;
    told.witness = witness.len ? (const char *)buf_bytes(&witness) : NULL;
    fn(ud, &told);
  }
  buf_deinit(&text);
  buf_deinit(&witness);
  return rv;
}

int suite_mutate(struct suite *s, suite_mutant_fn *fn, void *ud) {
  struct run run = {.suite = s, .mem = suite_mem(s)};
  size_t n = policy_set_len(suite_set(s));
  struct suite_asked *a = mem_alloc(run.mem, sizeof *a);
  int rv = a ? add_all(&run, suite_set(s)) : ERR_NOMEM;

  if (rv == 0 && n > 0) {
    run.list = mem_alloc(run.mem, n * sizeof *run.list);
    rv = run.list ? 0 : ERR_NOMEM;
  }
  for (size_t i = 0; rv == 0 && n > 0 && i < suite_len(s); i++)
    if (suite_at(s, i)->ran)
      rv = try_test(&run, suite_at(s, i), a);
  if (rv == 0)
    rv = tell(&run, fn, ud);
  mem_free(run.mem, run.list, n * sizeof *run.list);
  mem_free(run.mem, run.mutants, run.cap * sizeof *run.mutants);
  mem_free(run.mem, a, sizeof *a);
  return rv;
}
