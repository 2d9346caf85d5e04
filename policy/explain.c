/* explain.c - a refusal in words: who denied, or what came nearest and the rule
 * that would have allowed it. */
#include "policy/explain.h"

#define CONNECT "websocket.connect"
#define CONNECT_URL "websocket.connect.url"
#define CONNECT_ADDRESS "websocket.connect.address"

int explain_write_where(const struct policy *p, struct buf *out) {
  char file[256], id[320];

  str_escape(file, sizeof file, slice_of(p->file));
  str_escape(id, sizeof id, p->id);
  if (p->line == 0)
    return buf_addf(out, "%s (%s)", id, file);
  return buf_addf(out, "%s (%s:%u)", id, file, p->line);
}

int policy_write_error(const struct policy *p, const struct fault *fault,
                       struct buf *out) {
  int rv = explain_write_where(p, out);

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

int explain_write_quoted(struct slice s, struct buf *out) {
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
  return plain ? buf_add(out, s.p, s.len) : explain_write_quoted(s, out);
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

const char *explain_note(const struct request *q) {
  struct slice s = q->url ? (struct slice){q->url->text, q->url->len}
                          : (struct slice){NULL, 0};
  bool carries =
      slice_is(q->action, CONNECT_URL) || slice_is(q->action, CONNECT_ADDRESS);

  if (!carries || s.len == 0 || !memchr(s.p, '*', s.len))
    return NULL;
  return "'*' in a pattern is any run of bytes, so it takes more than this URL";
}

/* Only a name whose addresses change needs the word: what stands for this very
 * address, and loopback addresses of localhost, are opened by the URL itself.
 */
static bool needs_any_address(const struct request *q) {
  if (q->url->host_kind != URL_HOST_NAME)
    return false;
  return !slice_is(q->url->host, "localhost") || !q->ip ||
         ip_classify(q->ip) != IP_LOOPBACK;
}

bool explain_is_url_class(const struct request *q, const struct decision *d) {
  return d && d->by_address_class && q->url;
}

bool explain_has_rule(const struct request *q) {
  if (slice_is(q->action, CONNECT))
    return q->resource.len == 0; /* nothing but "" can be asked about */
  if (slice_is(q->action, CONNECT_URL))
    return q->url != NULL;
  return is_action(q->action) && expressible(q->action) &&
         expressible(q->resource);
}

/* Addresses of a name change, so the rule is to say it where the host is
 * named. */
int explain_write_rule(const struct request *q, const struct decision *d,
                       struct buf *out) {
  char address[IP_TEXT_MAX + 8];
  struct slice action = q->action, resource = q->resource;
  bool by_class = explain_is_url_class(q, d);
  int rv;

  if (by_class)
    action = SLICE(CONNECT_URL);
  if (slice_is(action, CONNECT_URL) && q->url)
    resource = url_pattern(q->url);
  else if (slice_is(action, CONNECT_ADDRESS) && q->ip)
    resource = (struct slice){address, ip_format_port(q->ip, q->port, address)};
  if ((rv = buf_adds(out, "{action: ")) != 0 ||
      (rv = write_action(action, out)) != 0)
    return rv;
  if (!slice_is(action, CONNECT) &&
      ((rv = buf_adds(out, ", resource: ")) != 0 ||
       (rv = explain_write_quoted(resource, out)) != 0))
    return rv;
  return buf_adds(out,
                  by_class && needs_any_address(q) ? ", address: any}" : "}");
}

static int write_rule_line(const struct request *q, const struct decision *d,
                           struct buf *out) {
  const char *note = explain_note(q);
  int rv;

  if ((rv = buf_adds(out, "  to allow it: ")) != 0 ||
      (rv = explain_write_rule(q, d, out)) != 0)
    return rv;
  return note ? buf_addf(out, "\n    (%s)\n", note) : buf_addc(out, '\n');
}

/* ---------------------------------------------------------- conditions --- */

int explain_write_condition(const struct policy *p, size_t i,
                            const struct facts *facts, struct buf *out) {
  const struct condition *c = &p->conditions[i];
  struct fault fault;
  enum outcome o = condition_eval(c, facts, &fault);
  int rv = buf_addf(out, "condition %zu: ", i + 1);

  if (rv != 0)
    return rv;
  if (o == OUTCOME_ERROR &&
      !(fault.kind == FAULT_MISSING && fault.field == &c->field))
    return fault_write(&fault, out);
  return condition_write_miss(c, facts, out);
}

int explain_write_expression(const struct policy *p, const struct facts *facts,
                             struct buf *out) {
  struct fault fault;
  enum outcome o = expr_eval(p->expr, facts, &fault);
  int rv = buf_adds(out, "expression: ");

  if (rv != 0)
    return rv;
  return o == OUTCOME_ERROR ? fault_write(&fault, out)
                            : expr_write_miss(p->expr, facts, out);
}

/* The first condition that does not hold; nconditions: all do. */
static size_t first_unmet(const struct policy *p, const struct facts *facts) {
  struct fault fault;
  size_t i = 0;

  while (i < p->nconditions &&
         condition_eval(&p->conditions[i], facts, &fault) == OUTCOME_TRUE)
    i++;
  return i;
}

/* "an actor with actor.meta.role" */
static int write_supply(const struct field *f, struct buf *out) {
  char name[160];

  str_escape(name, sizeof name, f->source);
  if (f->root == FIELD_ACTOR_META)
    return buf_addf(out, "an actor with %s", name);
  return buf_addf(out, "a request with %s", name);
}

/* A change of |c| that would take |is| as well. */
static int write_take_too(const struct condition *c, const struct value *is,
                          struct buf *out) {
  char name[160];
  int rv;

  if (is->type != VALUE_STRING && is->type != VALUE_INT &&
      is->type != VALUE_BOOL)
    return buf_adds(out, "another condition");
  if (c->op == CONDITION_IN && !c->has_value_from) {
    if ((rv = buf_adds(out, "add ")) != 0 ||
        (rv = field_write_value(is, out)) != 0)
      return rv;
    return buf_adds(out, " to the list");
  }
  if (c->op != CONDITION_EQ || c->has_value_from ||
      c->value.type == VALUE_LIST || c->value.type == VALUE_MAP)
    return buf_adds(out, "another condition");
  str_escape(name, sizeof name, c->field.source);
  if ((rv = buf_addf(out, "{field: %s, operator: in, value: [", name)) != 0 ||
      (rv = field_write_value(&c->value, out)) != 0 ||
      (rv = buf_adds(out, ", ")) != 0 || (rv = field_write_value(is, out)) != 0)
    return rv;
  return buf_adds(out, "]}");
}

int explain_write_unmet_edit(const struct policy *p, const struct request *q,
                             struct buf *out) {
  char file[256], name[160];
  const struct condition *c;
  struct facts facts;
  struct fault fault = {.kind = FAULT_NONE};
  struct effort w = {.fault = &fault};
  struct value is;
  size_t i;
  int rv;

  policy_facts(&facts, q);
  i = first_unmet(p, &facts);
  str_escape(file, sizeof file, slice_of(p->file));
  if (i == p->nconditions && !p->expr) /* FAULT_REQUEST */
    return buf_adds(out, "a resource that is a proper URL, or none at all");
  if (i == p->nconditions) {
    if (expr_eval(p->expr, &facts, &fault) == OUTCOME_ERROR &&
        fault.kind == FAULT_MISSING && fault.field) {
      rv = write_supply(fault.field, out);
      return rv == 0 ? buf_addf(out, ", or another expression (%s:%u)", file,
                                p->line)
                     : rv;
    }
    return buf_addf(out, "other attributes, or another expression (%s:%u)",
                    file, p->line);
  }
  c = &p->conditions[i];
  if (c->op == CONDITION_EXISTS || c->op == CONDITION_NEXISTS ||
      !field_get(&c->field, &facts, &w, &is)) {
    bool there = field_get(&c->field, &facts, &w, &is);
    str_escape(name, sizeof name, c->field.source);
    rv = there ? buf_addf(out, "a request without %s", name)
               : write_supply(&c->field, out);
    return rv == 0
               ? buf_addf(out, ", or another condition (%s:%u)", file, c->line)
               : rv;
  }
  str_escape(name, sizeof name, c->field.source);
  if ((rv = buf_addf(out, "another %s, or ", name)) != 0 ||
      (rv = write_take_too(c, &is, out)) != 0)
    return rv;
  return buf_addf(out, " (%s:%u)", file, c->line);
}

/* ---------------------------------------------------------- refusals --- */

int explain_write_outside(const struct policy *p, struct buf *out) {
  char id[200];
  int rv;

  if (p->ngroups == 0)
    return buf_adds(out, "not in force; it is in no group");
  rv = buf_adds(out, p->ngroups == 1 ? "not in force; its group is "
                                     : "not in force; its groups are ");
  for (size_t i = 0; rv == 0 && i < p->ngroups; i++) {
    if (i == 4)
      return buf_addf(out, " and %zu more", p->ngroups - i);
    str_escape(id, sizeof id, p->groups[i]);
    rv = buf_addf(out, "%s%s", i ? ", " : "", id);
  }
  return rv;
}

/* ", condition 1: ...", or the expression. */
static int write_unmet(const struct policy *p, const struct request *q,
                       struct buf *out) {
  struct facts facts;
  size_t i;
  int rv = buf_adds(out, ", ");

  policy_facts(&facts, q);
  i = first_unmet(p, &facts);
  if (rv != 0)
    return rv;
  return i < p->nconditions ? explain_write_condition(p, i, &facts, out)
                            : explain_write_expression(p, &facts, out);
}

static int write_miss(const struct miss *m, const struct request *q,
                      struct buf *out) {
  char action[128];
  int rv;

  if ((rv = buf_adds(out, "; nearest: ")) != 0 ||
      (rv = explain_write_where(m->policy, out)) != 0)
    return rv;
  if (m->outside) {
    rv = buf_adds(out, m->unmet ? " is " : " allows it but is ");
    if (rv == 0)
      rv = explain_write_outside(m->policy, out);
    return rv == 0 && m->unmet ? write_unmet(m->policy, q, out) : rv;
  }
  if (m->action) {
    str_escape(action, sizeof action, m->action->source);
    rv = buf_addf(out, " is for action %s", action);
  } else if (m->lacks_empty) {
    rv = buf_adds(out, " lacks the resource \"\" of websocket.connect");
  } else if (m->parts && (rv = buf_adds(out, " wants ")) == 0) {
    rv = pattern_write_wants(m->resource, m->parts, out);
  }
  return rv == 0 && m->unmet ? write_unmet(m->policy, q, out) : rv;
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

/* Nothing but its conditions, or its scope, keeps |m| from applying. */
static bool needs_no_rule(const struct miss *m) {
  return m->outside || (m->unmet && !m->parts && !m->action && !m->lacks_empty);
}

static int write_advice(const struct policy_set *set,
                        const struct policy_scope *scope, const struct miss *m,
                        const struct request *q, const struct decision *d,
                        struct buf *out) {
  struct request url = *q;
  int rv = 0;

  if (m->score && m->outside && !m->unmet && !explain_has_rule(q))
    return buf_adds(out, "  to allow it: put it in force\n");
  if (m->score && needs_no_rule(m) && !m->outside) {
    if ((rv = buf_adds(out, "  to allow it: ")) != 0 ||
        (rv = explain_write_unmet_edit(m->policy, q, out)) != 0)
      return rv;
    rv = buf_addc(out, '\n');
  } else if (explain_has_rule(q)) {
    rv = write_rule_line(q, d, out);
  }
  if (rv != 0 || !slice_is(q->action, CONNECT) || !q->url)
    return rv;
  /* the next question, so that one change is enough */
  url.action = SLICE(CONNECT_URL);
  url.resource = (struct slice){q->url->text, q->url->len};
  if (policy_decide(set, scope, &url, NULL).verdict == VERDICT_ALLOW)
    return 0;
  return write_rule_line(&url, NULL, out);
}

static int explain_unallowed(const struct policy_set *set,
                             const struct policy_scope *scope,
                             const struct request *q, const struct decision *d,
                             struct buf *out) {
  struct miss m = {.score = 0};
  size_t n = nearest_find(&m, 1, set, scope, q);
  int rv = buf_addf(out, "  %s",
                    d->by_address_class       ? d->reason
                    : policy_scope_len(scope) ? "no policy allows it"
                                              : "there is no policy");

  if (n == 0)
    m.score = 0;
  if (rv == 0 && m.score)
    rv = write_miss(&m, q, out);
  if (rv == 0)
    rv = buf_addc(out, '\n');
  if (rv == 0)
    rv = write_errors(scope, q, m.score && m.unmet ? m.policy : NULL, out);
  return rv == 0 ? write_advice(set, scope, &m, q, d, out) : rv;
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
  int rv;

  if (d->verdict == VERDICT_ALLOW)
    return 0;
  if (!nearest_complete(&q, &url, &ip) && !d->policy)
    return buf_addf(out, "  %s\n", d->reason);
  if (d->policy) {
    if ((rv = buf_adds(out, "  denied by ")) != 0 ||
        (rv = explain_write_where(d->policy, out)) != 0 ||
        (d->by_error && (rv = write_deny_error(d->policy, &q, out)) != 0))
      return rv;
    return buf_addc(out, '\n');
  }
  if (!scope || !q.actor ||
      (d->verdict == VERDICT_DENY && !d->by_address_class))
    return buf_addf(out, "  %s\n", d->reason);
  return explain_unallowed(set, scope, &q, d, out);
}
