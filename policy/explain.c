/* explain.c - a refusal in words: who denied, or what came nearest and the rule
 * that would have allowed it. */
#include "policy/decide.h"

#define CONNECT "websocket.connect"
#define CONNECT_URL "websocket.connect.url"
#define CONNECT_ADDRESS "websocket.connect.address"

/* The rule of an allow that came nearest to a request. */
struct miss {
  const struct policy *policy;
  const struct pattern *pattern; /* of the resource; NULL: none of them fits */
  const struct pattern
      *action; /* the action failed and would have to be this */
  unsigned parts;
  bool unmet;         /* the patterns match, a condition does not hold */
  unsigned closeness; /* 0: no miss */
};

static int write_where(const struct policy *p, struct buf *out) {
  char file[256], id[320];

  str_escape(file, sizeof file, slice_of(p->file));
  str_escape(id, sizeof id, p->id);
  if (p->line == 0)
    return buf_addf(out, "%s (%s)", id, file);
  return buf_addf(out, "%s (%s:%u)", id, file, p->line);
}

int policy_write_error(const struct policy *p, const struct fault *fault,
                       struct buf *out) {
  int rv = write_where(p, out);

  if (rv == 0)
    rv = buf_adds(out, fault->condition || !p->expr ? ": " : ": expression: ");
  return rv == 0 ? fault_write(fault, out) : rv;
}

/* ----------------------------------------------------------------- YAML --- */

/* The code point at |p|, of valid UTF-8. */
static uint32_t decode(const char *p, size_t *ret_len) {
  unsigned char c = (unsigned char)*p;
  size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
  uint32_t cp = n == 1 ? c : c & (0xFFU >> (n + 1));

  for (size_t i = 1; i < n; i++)
    cp = cp << 6 | ((unsigned char)p[i] & 0x3F);
  *ret_len = n;
  return cp;
}

/* |s| as a YAML string in double quotes, ASCII only. */
static int write_quoted(struct slice s, struct buf *out) {
  int rv = buf_addc(out, '"');
  size_t n;

  for (size_t i = 0; rv == 0 && i < s.len; i += n) {
    uint32_t cp = decode(s.p + i, &n);
    if (cp == '"' || cp == '\\')
      rv = buf_addf(out, "\\%c", (char)cp);
    else if (cp >= 0x20 && cp < 0x7F)
      rv = buf_addc(out, (char)cp);
    else if (cp < 0x100)
      rv = buf_addf(out, "\\x%02X", cp);
    else if (cp < 0x10000)
      rv = buf_addf(out, "\\u%04X", cp);
    else
      rv = buf_addf(out, "\\U%08X", cp);
  }
  return rv == 0 ? buf_addc(out, '"') : rv;
}

/* Plain where YAML takes it for a string in every place: dotted words. */
static int write_action(struct slice s, struct buf *out) {
  bool plain = s.len > 0 && ascii_alpha(s.p[0]) && memchr(s.p, '.', s.len);

  for (size_t i = 0; plain && i < s.len; i++)
    plain = ascii_alpha(s.p[i]) || ascii_digit(s.p[i]) || s.p[i] == '_' ||
            s.p[i] == '-' || s.p[i] == '.';
  return plain ? buf_add(out, s.p, s.len) : write_quoted(s, out);
}

/* Can |s| stand in a policy as the pattern of itself? */
static bool expressible(struct slice s) {
  return utf8_valid(s) && (s.len == 0 || !memchr(s.p, '*', s.len)) &&
         s.len <= URL_TEXT_MAX;
}

/* Those that pattern_compile_action refuses, and no guard asks for. */
static bool is_action(struct slice s) {
  for (size_t i = 0; i < s.len; i++)
    if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F)
      return false;
  return s.len > 0 && s.p[0] != ' ' && s.p[s.len - 1] != ' ';
}

/* The pattern of one URL: its text, but a path holds eight stars at most and
 * "*" is an ordinary byte in a URL, so one star then stands for the rest. */
static struct slice url_pattern(const struct url *url) {
  struct slice s = {url->text, url->len};
  unsigned stars = 0;

  for (size_t i = 0; i < s.len; i++)
    if (s.p[i] == '*' && ++stars == PATTERN_MAX_STARS)
      return (struct slice){s.p, i + 1};
  return s;
}

static int write_rule(const struct request *q, const char *more,
                      struct buf *out) {
  char address[IP_TEXT_MAX + 8];
  struct slice resource = q->resource;
  int rv;

  if (slice_is(q->action, CONNECT_URL) && q->url)
    resource = url_pattern(q->url);
  if (slice_is(q->action, CONNECT_ADDRESS) && q->ip)
    resource = (struct slice){address, ip_format_port(q->ip, q->port, address)};
  if ((rv = buf_adds(out, "  to allow it: {action: ")) != 0 ||
      (rv = write_action(q->action, out)) != 0)
    return rv;
  if (!slice_is(q->action, CONNECT) &&
      ((rv = buf_adds(out, ", resource: ")) != 0 ||
       (rv = write_quoted(resource, out)) != 0))
    return rv;
  return buf_addf(out, "%s}\n", more);
}

static int write_advice(const struct request *q, struct buf *out) {
  struct request url = *q;
  int rv;

  if (slice_is(q->action, CONNECT) && q->resource.len == 0) {
    rv = write_rule(q, "", out);
    if (rv != 0 || !q->url)
      return rv;
    /* the next question, so that one change is enough */
    url.action = SLICE(CONNECT_URL);
    return write_rule(&url, "", out);
  }
  if (slice_is(q->action, CONNECT))
    return 0; /* nothing but "" can be asked about */
  if (slice_is(q->action, CONNECT_URL)
          ? !q->url
          : !is_action(q->action) || !expressible(q->action) ||
                !expressible(q->resource))
    return 0;
  return write_rule(q, "", out);
}

/* --------------------------------------------------------- nearest miss --- */

static void consider(struct miss *best, const struct miss *m) {
  /* the first of equals: scopes are in the order of the ids */
  if (m->closeness > best->closeness)
    *best = *m;
}

/* The words before the last dot agree: websocket.connect.url and
 * websocket.connect are of a kind. */
static bool related(const struct pattern *p, struct slice action) {
  struct slice a = p->source, b = action;
  size_t i = 0;

  while (i < a.len && i < b.len && a.p[i] == b.p[i] && a.p[i] != '.')
    i++;
  return i > 0 && i < a.len && i < b.len && a.p[i] == '.' && b.p[i] == '.';
}

/* All patterns match, so it is nearer than any pattern, and the nearer the more
 * conditions hold. */
static void consider_unmet(struct miss *best, const struct policy *p,
                           const struct facts *facts) {
  struct miss m = {.policy = p, .unmet = true, .closeness = 2000};
  struct fault fault;
  size_t held = 0;

  while (held < p->nconditions &&
         condition_eval(&p->conditions[held], facts, &fault) == OUTCOME_TRUE)
    held++;
  m.closeness += held < 1000 ? (unsigned)held : 1000;
  consider(best, &m);
}

static void rule_miss(struct miss *best, const struct policy *p,
                      const struct policy_rule *r, const struct facts *facts,
                      const struct pattern_subject *s) {
  struct slice action = facts->action;
  const struct pattern *other = NULL;
  bool acts = false;

  for (size_t i = 0; i < r->nactions && !acts; i++) {
    acts = pattern_match_text(&r->actions[i], action);
    if (!acts && !other && related(&r->actions[i], action))
      other = &r->actions[i];
  }
  if (!acts) {
    if (other)
      consider(best,
               &(struct miss){.policy = p, .action = other, .closeness = 1});
    return;
  }
  for (size_t i = 0; i < r->nresources; i++)
    if (pattern_match(&r->resources[i], s) == 1) {
      consider_unmet(best, p, facts); /* what else could be missing */
      return;
    }
  if (slice_is(action, CONNECT) && s->text.len == 0) {
    /* its patterns are for the questions that follow this one */
    consider(best, &(struct miss){.policy = p, .closeness = 500});
    return;
  }
  for (size_t i = 0; i < r->nresources; i++) {
    struct miss m = {.policy = p, .pattern = &r->resources[i]};
    m.parts = pattern_miss(m.pattern, s, &m.closeness);
    m.closeness += 2; /* nearer than another action */
    if (m.parts)
      consider(best, &m);
  }
}

static struct miss find_miss(const struct policy_scope *scope,
                             const struct request *q) {
  struct pattern_subject s = {.text = q->resource};
  struct miss best = {.closeness = 0};
  struct facts facts;

  policy_facts(&facts, q);
  if (slice_is(q->action, CONNECT_URL))
    s.url = q->url;
  if (slice_is(q->action, CONNECT_ADDRESS)) {
    s.ip = q->ip;
    s.port = q->port;
  }
  for (size_t i = 0; i < policy_scope_len(scope); i++) {
    const struct policy *p = policy_scope_at(scope, i);
    for (size_t j = 0; !p->deny && j < p->nrules; j++)
      rule_miss(&best, p, &p->rules[j], &facts, &s);
  }
  return best;
}

/* ", condition 2: actor.meta.role is \"guest\", wants one of [reader, admin]"
 */
static int write_unmet(const struct policy *p, const struct request *q,
                       struct buf *out) {
  const struct condition *c;
  struct facts facts;
  struct fault fault;
  enum outcome o;
  size_t i;
  int rv;

  policy_facts(&facts, q);
  for (i = 0; i < p->nconditions; i++)
    if (condition_eval(&p->conditions[i], &facts, &fault) != OUTCOME_TRUE)
      break;
  c = i < p->nconditions ? &p->conditions[i] : NULL;
  o = c         ? condition_eval(c, &facts, &fault)
      : p->expr ? expr_eval(p->expr, &facts, &fault)
                : OUTCOME_TRUE;
  rv = c ? buf_addf(out, ", condition %zu: ", i + 1)
         : buf_adds(out, ", expression: ");
  if (rv != 0 || o == OUTCOME_TRUE)
    return rv;
  if (o == OUTCOME_ERROR &&
      !(c && fault.kind == FAULT_MISSING && fault.field == &c->field))
    return fault_write(&fault, out);
  return c ? condition_write_miss(c, &facts, out)
           : expr_write_miss(p->expr, &facts, out);
}

/* What would let |q| pass: what was asked for, or what asks for it. */
static int write_unmet_advice(const struct policy *p, const struct request *q,
                              struct buf *out) {
  char file[256], field[160];
  struct facts facts;
  struct fault fault;
  size_t i;

  policy_facts(&facts, q);
  for (i = 0; i < p->nconditions; i++)
    if (condition_eval(&p->conditions[i], &facts, &fault) != OUTCOME_TRUE)
      break;
  str_escape(file, sizeof file, slice_of(p->file));
  if (i == p->nconditions)
    return buf_addf(out,
                    "  to allow it: other attributes, or another expression "
                    "(%s:%u)\n",
                    file, p->line);
  str_escape(field, sizeof field, p->conditions[i].field.source);
  return buf_addf(out,
                  "  to allow it: another %s, or another condition (%s:%u)\n",
                  field, file, p->conditions[i].line);
}

static int write_miss(const struct miss *m, const struct request *q,
                      struct buf *out) {
  char action[128];
  int rv;

  if ((rv = buf_adds(out, "; nearest: ")) != 0 ||
      (rv = write_where(m->policy, out)) != 0)
    return rv;
  if (m->action) {
    str_escape(action, sizeof action, m->action->source);
    return buf_addf(out, " is for action %s", action);
  }
  if (m->unmet)
    return write_unmet(m->policy, q, out);
  if (!m->pattern)
    return buf_adds(out, " lacks the resource \"\" of websocket.connect");
  if ((rv = buf_adds(out, " wants ")) != 0)
    return rv;
  return pattern_write_wants(m->pattern, m->parts, out);
}

#define MAX_ERRORS 5

struct errors {
  struct buf *out;
  const struct policy *shown; /* as the nearest miss */
  size_t n;
  int rv;
};

static void on_error(void *ud, const struct policy *p,
                     const struct fault *fault) {
  struct errors *e = ud;

  if (p == e->shown || e->rv != 0 || e->n++ >= MAX_ERRORS)
    return;
  if ((e->rv = buf_adds(e->out, "  error in ")) == 0 &&
      (e->rv = policy_write_error(p, fault, e->out)) == 0)
    e->rv = buf_addc(e->out, '\n');
}

/* What could not be evaluated, and might have allowed it. */
static int write_errors(const struct policy_scope *scope,
                        const struct request *q, const struct policy *shown,
                        struct buf *out) {
  struct errors e = {.out = out, .shown = shown};

  policy_each_error(scope, q, on_error, &e);
  if (e.rv == 0 && e.n > MAX_ERRORS)
    e.rv = buf_addf(out, "  errors in %zu more\n", e.n - MAX_ERRORS);
  return e.rv;
}

static int explain_undefined(const struct policy_scope *scope,
                             const struct request *q, struct buf *out) {
  struct miss m = find_miss(scope, q);
  int rv = buf_adds(out, policy_scope_len(scope) ? "  no policy allows it"
                                                 : "  there is no policy");

  if (rv == 0 && m.closeness)
    rv = write_miss(&m, q, out);
  if (rv == 0)
    rv = buf_addc(out, '\n');
  if (rv == 0)
    rv = write_errors(scope, q, m.unmet ? m.policy : NULL, out);
  if (rv != 0)
    return rv;
  return m.unmet ? write_unmet_advice(m.policy, q, out) : write_advice(q, out);
}

/* Addresses of a name change, so the advice is to say it where the host is
 * named. */
static int explain_class(const struct policy_scope *scope,
                         const struct request *q, const struct decision *d,
                         struct buf *out) {
  struct request url = *q;
  struct miss m = find_miss(scope, q);
  int rv = buf_addf(out, "  %s", d->reason);

  if (rv == 0 && m.closeness && (m.pattern || m.unmet) && !m.action)
    rv = write_miss(&m, q, out);
  if (rv == 0)
    rv = buf_addc(out, '\n');
  if (rv == 0)
    rv = write_errors(scope, q, m.unmet ? m.policy : NULL, out);
  if (rv != 0 || !q->url)
    return rv == 0 ? write_advice(q, out) : rv;
  url.action = SLICE(CONNECT_URL);
  return write_rule(
      &url, q->url->host_kind == URL_HOST_NAME ? ", address: any" : "", out);
}

static int write_deny_error(const struct policy *p, const struct request *q,
                            struct buf *out) {
  struct facts facts;
  struct fault fault;
  int rv = buf_adds(out, ", which could not be evaluated: ");

  policy_facts(&facts, q);
  if (rv == 0 && policy_holds(p, &facts, &fault) != OUTCOME_ERROR)
    fault = (struct fault){.kind = FAULT_REQUEST};
  return rv == 0 ? fault_write(&fault, out) : rv;
}

int policy_explain_refusal(const struct policy_set *set,
                           const struct policy_scope *scope,
                           const struct request *request,
                           const struct decision *d, struct buf *out) {
  struct request q = *request;
  struct url url;
  struct ip ip;
  uint16_t port;
  int rv;

  (void)set;
  if (d->verdict == VERDICT_ALLOW)
    return 0;
  if (slice_is(q.action, CONNECT_URL) && !q.url &&
      url_parse(&url, q.resource, NULL, NULL) == 0)
    q.url = &url;
  if (slice_is(q.action, CONNECT_ADDRESS) && !q.ip &&
      ip_parse_port(q.resource, &ip, &port) == 0) {
    q.ip = &ip;
    q.port = port;
  }
  if (d->policy) {
    if ((rv = buf_adds(out, "  denied by ")) != 0 ||
        (rv = write_where(d->policy, out)) != 0 ||
        (d->by_error && (rv = write_deny_error(d->policy, &q, out)) != 0))
      return rv;
    return buf_addc(out, '\n');
  }
  if (d->by_address_class)
    return explain_class(scope, &q, d, out);
  if (d->verdict == VERDICT_DENY || !scope)
    return buf_addf(out, "  %s\n", d->reason);
  return explain_undefined(scope, &q, out);
}
