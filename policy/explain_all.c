/* explain_all.c - one decision at length: what was asked, who applied, who
 * could not be evaluated, who came near, and the least that would allow it. */
#include "policy/explain.h"

#define CONNECT "websocket.connect"
#define CONNECT_URL "websocket.connect.url"

#define TEXT_MAX_BYTES 8192
#define ITEM_MAX_BYTES (256 * 1024)

/* One telling.  Words are put together in |words| and kept, for one item, in
 * |kept|.  The first error ends it. */
struct teller {
  const struct policy_set *set;
  const struct policy_scope *scope;
  const struct request *q; /* complete */
  const struct decision *d;
  struct facts facts;
  struct pattern_subject subject;
  struct mem mem;
  struct buf words;
  struct arena kept;
  struct explain_part parts[EXPLAIN_MAX_PARTS];
  struct explain_item item;
  explain_fn *fn;
  void *ud;
  bool first; /* of the errors, that of the deciding policy */
  int rv;
};

/* What is too long for its place is left where it is full: |rv| of whatever
 * wrote into t->words. */
static bool wrote(struct teller *t, int rv) {
  if (t->rv == 0 && rv != 0 && rv != ERR_FULL)
    t->rv = rv;
  return t->rv == 0;
}

/* The words so far, kept for the item. */
static const char *keep(struct teller *t) {
  char *s = NULL;

  if (t->rv == 0) {
    s = arena_strndup(&t->kept, t->words.len ? buf_slice(&t->words).p : "",
                      t->words.len);
    if (!s)
      t->rv = ERR_NOMEM;
  }
  buf_clear(&t->words);
  return s ? s : "";
}

static const char *keep_text(struct teller *t, const char *s) {
  wrote(t, buf_adds(&t->words, s));
  return keep(t);
}

/* |s| made visible, cut where it is long. */
static const char *keep_visible(struct teller *t, struct slice s) {
  char text[1024];

  str_escape(text, sizeof text, s);
  return keep_text(t, text);
}

static void begin(struct teller *t, enum explain_kind kind,
                  const struct policy *p) {
  arena_deinit(&t->kept);
  arena_init(&t->kept, &t->mem, ITEM_MAX_BYTES);
  buf_clear(&t->words);
  t->item = (struct explain_item){.kind = kind, .policy = p, .parts = t->parts};
}

static void tell(struct teller *t) {
  if (t->rv == 0)
    t->fn(t->ud, &t->item);
}

/* The next part, or NULL when there are too many to be of use. */
static struct explain_part *add_part(struct teller *t, const char *name) {
  struct explain_part *part;

  if (t->item.nparts == EXPLAIN_MAX_PARTS)
    return NULL;
  part = &t->parts[t->item.nparts++];
  *part =
      (struct explain_part){.name = name, .is = "", .wants = "", .text = ""};
  return part;
}

static void set_rule(struct teller *t, const struct policy_rule *r,
                     const struct pattern *resource) {
  const struct policy *p = t->item.policy;

  t->item.rule = r;
  t->item.resource = resource;
  if (r && p->nrules > 1)
    t->item.rule_number = (unsigned)(r - p->rules) + 1;
  if (resource)
    t->item.pattern = keep_visible(t, resource->source);
}

/* ------------------------------------------------------------- request --- */

static const char *part_is(struct teller *t, unsigned part) {
  const struct url *url = t->q->url;
  char address[IP_TEXT_MAX + 8];

  switch (part) {
  case PATTERN_PART_SCHEME:
    return keep_visible(t, url->scheme);
  case PATTERN_PART_HOST:
    return keep_visible(t, url->host);
  case PATTERN_PART_PORT:
    wrote(t, buf_addf(&t->words, "%u",
                      t->q->ip ? (unsigned)t->q->port : (unsigned)url->port));
    return keep(t);
  case PATTERN_PART_PATH:
    return keep_visible(t, url->path);
  case PATTERN_PART_QUERY:
    return url->has_query ? keep_visible(t, url->query) : "";
  case PATTERN_PART_ADDRESS:
    ip_format(t->q->ip, address);
    return keep_text(t, address);
  default:
    return keep_visible(t, t->facts.resource);
  }
}

static void request_part(struct teller *t, unsigned bit, const char *name,
                         const char *is) {
  struct explain_part *part = add_part(t, name);

  if (!part)
    return;
  part->is = is ? is : part_is(t, bit);
  wrote(t, buf_addf(&t->words, "%s %s", name, part->is));
  part->text = keep(t);
}

static void tell_request(struct teller *t) {
  begin(t, EXPLAIN_REQUEST, NULL);
  if (slice_is(t->q->action, CONNECT_URL))
    for (unsigned bit = PATTERN_PART_SCHEME; bit <= PATTERN_PART_QUERY;
         bit <<= 1)
      if (bit != PATTERN_PART_QUERY || t->q->url->has_query)
        request_part(t, bit, pattern_part_name(bit), NULL);
  if (t->subject.ip) {
    request_part(t, PATTERN_PART_ADDRESS, "address", NULL);
    request_part(t, PATTERN_PART_PORT, "port", NULL);
    request_part(t, 0, "class", ip_class_name(ip_classify(t->q->ip)));
  }
  t->item.text = t->d->reason;
  tell(t);
}

/* ------------------------------------------------------------- applies --- */

/* The rule of |p| that matches, and the pattern of its resource. */
static bool matches(const struct teller *t, const struct policy *p,
                    const struct policy_rule **ret_rule,
                    const struct pattern **ret_resource) {
  for (size_t i = 0; i < p->nrules; i++) {
    const struct policy_rule *r = &p->rules[i];
    bool acts = false;
    for (size_t j = 0; j < r->nactions && !acts; j++)
      acts = pattern_match_text(&r->actions[j], t->facts.action);
    for (size_t j = 0; acts && j < r->nresources; j++)
      if (pattern_match(&r->resources[j], &t->subject) == 1) {
        *ret_rule = r;
        *ret_resource = &r->resources[j];
        return true;
      }
  }
  return false;
}

/* 'condition 1: action is "registry.apply" (matches "^registry")' */
static void held_condition(struct teller *t, size_t i) {
  const struct condition *c = &t->item.policy->conditions[i];
  struct explain_part *part = add_part(t, "condition");
  struct buf *out = &t->words;
  struct fault fault = {.kind = FAULT_NONE};
  struct effort w = {.fault = &fault};
  struct value v;
  char name[160];

  if (!part)
    return;
  part->number = (unsigned)i + 1;
  part->line = c->line;
  if (field_get(&c->field, &t->facts, &w, &v)) {
    wrote(t, field_write_value(&v, out));
    part->is = keep(t);
  }
  str_escape(name, sizeof name, c->field.source);
  wrote(t,
        buf_addf(out, "condition %zu: %s is %s (%s ", i + 1, name,
                 part->is[0] ? part->is : "missing", condition_op_name(c->op)));
  if (c->has_value_from) {
    str_escape(name, sizeof name, c->value_from.source);
    wrote(t, buf_adds(out, name));
  } else {
    wrote(t, field_write_value(&c->value, out));
  }
  wrote(t, buf_addc(out, ')'));
  part->text = keep(t);
}

static void tell_applies_one(struct teller *t, const struct policy *p) {
  const struct policy_rule *rule;
  const struct pattern *resource;
  struct fault fault;

  if (!matches(t, p, &rule, &resource) ||
      policy_holds(p, &t->facts, &fault) != OUTCOME_TRUE)
    return;
  begin(t, EXPLAIN_APPLIES, p);
  set_rule(t, rule, resource);
  t->item.decides = p == t->d->policy;
  for (size_t i = 0; i < p->nconditions; i++)
    held_condition(t, i);
  if (p->expr) {
    struct explain_part *part = add_part(t, "expression");
    if (part) {
      part->is = keep_visible(t, expr_source(p->expr));
      wrote(t, buf_addf(&t->words, "expression holds: %s", part->is));
      part->text = keep(t);
    }
  }
  t->item.text = t->item.decides ? (p->deny ? "denies it" : "allows it")
                 : p->deny       ? "denies it too"
                 : t->d->verdict == VERDICT_DENY
                     ? "would allow it, were it not denied"
                     : "allows it too";
  tell(t);
}

static void tell_applies(struct teller *t) {
  const struct policy *first = t->d->by_error ? NULL : t->d->policy;

  if (first)
    tell_applies_one(t, first);
  for (size_t i = 0; t->rv == 0 && i < policy_scope_len(t->scope); i++)
    if (policy_scope_at(t->scope, i) != first)
      tell_applies_one(t, policy_scope_at(t->scope, i));
}

static bool some_allow_applies(const struct teller *t) {
  const struct policy_rule *rule;
  const struct pattern *resource;
  struct fault fault;

  if (t->d->verdict == VERDICT_ALLOW)
    return true;
  for (size_t i = 0; i < policy_scope_len(t->scope); i++) {
    const struct policy *p = policy_scope_at(t->scope, i);
    if (!p->deny && matches(t, p, &rule, &resource) &&
        policy_holds(p, &t->facts, &fault) == OUTCOME_TRUE)
      return true;
  }
  return false;
}

static void tell_error(void *ud, const struct policy *p,
                       const struct fault *fault) {
  struct teller *t = ud;
  const struct policy_rule *rule;
  const struct pattern *resource;
  struct explain_part *part;

  /* once for the deciding one, which comes first, once for the others */
  if ((t->d->by_error && p == t->d->policy) != t->first)
    return;
  begin(t, EXPLAIN_ERROR, p);
  if (matches(t, p, &rule, &resource))
    set_rule(t, rule, resource);
  t->item.decides = p == t->d->policy && t->d->by_error;
  wrote(t, buf_adds(&t->words,
                    fault->condition || !p->expr ? "" : "expression: "));
  wrote(t, fault_write(fault, &t->words));
  t->item.text = keep(t);
  if (fault->kind != FAULT_REQUEST &&
      (part = add_part(t, fault->condition ? "condition" : "expression"))) {
    part->number = fault->condition;
    part->line = fault->line;
    part->text = t->item.text;
  }
  tell(t);
}

/* -------------------------------------------------------------- misses --- */

/* What |m| wants of |bit|, without the name of the part in front. */
static const char *part_wants(struct teller *t, const struct miss *m,
                              unsigned bit) {
  const char *name = pattern_part_name(bit);
  struct slice s;

  wrote(t, pattern_write_wants(m->resource, bit, &t->words));
  s = buf_slice(&t->words);
  if (slice_starts(s, slice_of(name)) && s.len > strlen(name) &&
      s.p[strlen(name)] == ' ')
    buf_consume(&t->words, strlen(name) + 1);
  return keep(t);
}

static void url_parts(struct teller *t, const struct miss *m) {
  for (unsigned bit = 1; bit <= PATTERN_PART_ADDRESS; bit <<= 1) {
    struct explain_part *part;
    if (!(m->parts & bit) || !(part = add_part(t, pattern_part_name(bit))))
      continue;
    /* a text that only looks like a URL has no parts of its own */
    if (bit == PATTERN_PART_RESOURCE || bit == PATTERN_PART_ADDRESS ||
        t->q->url || (bit == PATTERN_PART_PORT && t->q->ip))
      part->is = part_is(t, bit);
    part->wants = part_wants(t, m, bit);
    if (bit == PATTERN_PART_QUERY && !(t->q->url && t->q->url->has_query))
      wrote(t, buf_addf(&t->words, "there is no query, wants %s", part->wants));
    else if (part->is[0])
      wrote(t, buf_addf(&t->words, "%s is %s, wants %s", part->name, part->is,
                        part->wants));
    else
      wrote(t, buf_addf(&t->words, "%s: wants %s", part->name, part->wants));
    part->text = keep(t);
  }
}

/* All that do not hold, not only the first. */
static void condition_parts(struct teller *t, const struct miss *m) {
  const struct policy *p = m->policy;
  struct effort w;
  struct fault fault;
  struct explain_part *part;
  struct value v;

  for (size_t i = 0; i < p->nconditions; i++) {
    const struct condition *c = &p->conditions[i];
    if (condition_eval(c, &t->facts, &fault) == OUTCOME_TRUE ||
        !(part = add_part(t, "condition")))
      continue;
    part->number = (unsigned)i + 1;
    part->line = c->line;
    w = (struct effort){.fault = &fault};
    if (field_get(&c->field, &t->facts, &w, &v)) {
      wrote(t, field_write_value(&v, &t->words));
      part->is = keep(t);
    }
    wrote(t, explain_write_condition(p, i, &t->facts, &t->words));
    part->text = keep(t);
  }
  if (p->expr && expr_eval(p->expr, &t->facts, &fault) != OUTCOME_TRUE &&
      (part = add_part(t, "expression"))) {
    wrote(t, explain_write_expression(p, &t->facts, &t->words));
    part->text = keep(t);
  }
}

#define ACTIONS_SHOWN 6

/* The nearest of the actions of its rule, and the others. */
static const char *action_wants(struct teller *t, const struct miss *m) {
  const struct policy_rule *r = m->rule;
  struct buf *out = &t->words;
  char name[160];
  size_t shown = 1;

  str_escape(name, sizeof name, m->action->source);
  wrote(t, buf_addf(out, r->nactions > 1 ? "one of [%s" : "%s", name));
  for (size_t i = 0; i < r->nactions; i++) {
    if (&r->actions[i] == m->action)
      continue;
    if (shown++ == ACTIONS_SHOWN) {
      wrote(t, buf_addf(out, ", ... %zu more",
                        (size_t)r->nactions - ACTIONS_SHOWN));
      break;
    }
    str_escape(name, sizeof name, r->actions[i].source);
    wrote(t, buf_addf(out, ", %s", name));
  }
  if (r->nactions > 1)
    wrote(t, buf_addc(out, ']'));
  return keep(t);
}

static void miss_parts(struct teller *t, const struct miss *m) {
  struct explain_part *part;

  if (m->outside && (part = add_part(t, "scope")) != NULL) {
    wrote(t, explain_write_outside(m->policy, &t->words));
    part->text = keep(t);
  }
  if (m->action && (part = add_part(t, "action")) != NULL) {
    part->is = keep_visible(t, t->facts.action);
    part->wants = action_wants(t, m);
    wrote(t,
          buf_addf(&t->words, "action is %s, wants %s", part->is, part->wants));
    part->text = keep(t);
  }
  if (m->lacks_empty && (part = add_part(t, "resource")) != NULL) {
    part->wants = "\"\"";
    part->text = "lacks the resource \"\" of websocket.connect";
  }
  url_parts(t, m);
  if (m->unmet)
    condition_parts(t, m);
}

/* The line of the miss: its parts. */
static const char *miss_text(struct teller *t) {
  for (size_t i = 0; i < t->item.nparts; i++) {
    if (i > 0)
      wrote(t, buf_adds(&t->words, "; "));
    wrote(t, buf_adds(&t->words, t->parts[i].text));
  }
  return keep(t);
}

/* ----------------------------------------------------------- the edits --- */

/* |m->resource| with the parts that fail taken from the URL, where that is
 * still what its author had in mind: another scheme or port. */
static void widen(struct teller *t, const struct miss *m) {
  const struct url *url = t->q->url;
  struct pattern p;

  if (!m->resource || m->resource->kind != PATTERN_URL || !m->parts || !url ||
      (m->parts & ~(PATTERN_PART_SCHEME | PATTERN_PART_PORT)) || m->action ||
      m->unmet)
    return;
  p = *m->resource;
  if (m->parts & PATTERN_PART_SCHEME) {
    if (!url->tls)
      return; /* who wants encryption there wants it */
    p.as.url.schemes = PATTERN_WSS;
  }
  if (m->parts & PATTERN_PART_PORT) {
    bool usual = url->port == (url->tls ? 443 : 80);
    p.as.url.ports =
        (struct pattern_ports){usual ? 0 : url->port, usual ? 0 : url->port};
  }
  if (pattern_match(&p, &t->subject) != 1)
    return;
  wrote(t, pattern_write(&p, &t->words));
  if (slice_eq(buf_slice(&t->words), t->facts.resource))
    buf_clear(&t->words); /* no wider than the rule */
  else
    t->item.wider = keep(t);
}

/* A URL like the one asked for that |m| allows. */
static void redirect(struct teller *t, const struct miss *m) {
  const struct pattern_url *u;
  const struct url *url = t->q->url;
  struct slice scheme, host;
  struct url other;
  struct pattern_subject s = {.url = &other};
  unsigned port;

  if (!m->resource || m->resource->kind != PATTERN_URL || !m->parts || !url ||
      (m->parts & (PATTERN_PART_PATH | PATTERN_PART_QUERY)) || m->action ||
      m->unmet)
    return;
  u = &m->resource->as.url;
  scheme = url->scheme;
  host = url->host;
  port = url->port;
  if (m->parts & PATTERN_PART_SCHEME) {
    scheme = url->tls ? SLICE("ws") : SLICE("wss");
    if (port == (url->tls ? 443 : 80))
      port = url->tls ? 80 : 443;
  }
  if (m->parts & PATTERN_PART_HOST) {
    /* another host is another service, unless it was only misspelt */
    if (u->host_kind != PATTERN_HOST_NAME || !nearest_is_typo(host, u->host))
      return;
    host = u->host;
  }
  if (m->parts & PATTERN_PART_PORT) {
    if (u->ports.first != u->ports.last)
      return;
    port = u->ports.first ? u->ports.first : slice_is(scheme, "wss") ? 443 : 80;
  }
  wrote(t,
        buf_addf(&t->words, "%.*s://%.*s:%u%.*s", (int)scheme.len, scheme.p,
                 (int)host.len, host.p, port, (int)url->path.len, url->path.p));
  if (url->has_query)
    wrote(t, buf_addf(&t->words, "?%.*s", (int)url->query.len, url->query.p));
  if (t->rv == 0 && url_parse(&other, buf_slice(&t->words), NULL, NULL) == 0) {
    s.text = (struct slice){other.text, other.len};
    if (pattern_match(m->resource, &s) == 1) {
      buf_clear(&t->words);
      t->item.instead = keep_text(t, other.text);
    }
  }
  buf_clear(&t->words);
}

/* Lists of actions and resources, not pairs. */
static bool is_product(const struct policy *p) {
  return p->nrules == 1 && (p->rules->nactions > 1 || p->rules->nresources > 1);
}

/* A resource more in |p| would open nothing but what a rule would. */
static bool resource_goes_in(const struct teller *t, const struct miss *m) {
  const struct policy_rule *r = m->rule;
  unsigned others = r->use & ~(PATTERN_FOR_CONNECT | PATTERN_FOR_URL);

  if (!is_product(m->policy) || m->action || m->unmet)
    return false;
  if (slice_is(t->facts.action, CONNECT_URL) ||
      slice_is(t->facts.action, CONNECT))
    return others == 0;
  return r->nactions == 1 && r->actions->kind == PATTERN_EXACT;
}

static void write_edit(struct teller *t, const struct miss *m) {
  struct buf *out = &t->words;
  const struct policy *p = m->policy;
  bool from_file = p->line != 0;

  if (m->outside) {
    wrote(t, buf_adds(out, "put it in force: name "));
    wrote(t, buf_adds(out, p->ngroups ? "its group, or the policy, "
                                      : "the policy "));
    wrote(t, buf_adds(out, "in the scope"));
    if (m->unmet) {
      wrote(t, buf_adds(out, "; and "));
      wrote(t, explain_write_unmet_edit(p, t->q, out));
    }
  } else if (m->unmet && !m->parts && !m->action && !m->lacks_empty) {
    wrote(t, explain_write_unmet_edit(p, t->q, out));
    if (t->item.nparts > 1)
      wrote(t, buf_addf(out, "; all %zu have to hold", t->item.nparts));
  } else if (!t->item.add) {
    return;
  } else if (m->unmet) {
    wrote(t, buf_adds(out, "add a policy without that condition, with this "
                           "rule"));
  } else if (!from_file) {
    wrote(t, buf_adds(out, "add a policy with this rule"));
  } else if (m->lacks_empty && is_product(p)) {
    wrote(t, buf_adds(out, "add \"\" to its resources, or a policy with this "
                           "rule"));
  } else if (resource_goes_in(t, m) && !explain_is_url_class(t->q, t->d)) {
    wrote(t, buf_adds(out, "add the resource to its resources, or a policy "
                           "with this rule"));
  } else if (p->nrules > 1 && !p->nconditions && !p->expr) {
    wrote(t, buf_adds(out, "add this rule to its rules"));
  } else {
    wrote(t, buf_adds(out, "add a policy with this rule"));
  }
  t->item.edit = keep(t);
}

static void set_add(struct teller *t) {
  if (!explain_has_rule(t->q))
    return;
  wrote(t, explain_write_rule(t->q, t->d, &t->words));
  t->item.add = keep(t);
  t->item.note = explain_note(t->q);
}

/* Another word, or the same one misspelt? */
static void suspect(struct teller *t, struct slice is, struct slice wants) {
  char known[160], asked[160];

  if (is.len == 0 || !nearest_is_typo(is, wants))
    return;
  str_escape(known, sizeof known, wants);
  str_escape(asked, sizeof asked, is);
  wrote(t,
        buf_addf(&t->words, "'%s' may be a misspelling of '%s'", asked, known));
  t->item.note = keep(t);
}

static void tell_miss(struct teller *t, const struct miss *m) {
  begin(t, EXPLAIN_MISS, m->policy);
  set_rule(t, m->rule, m->resource);
  t->item.outside = m->outside;
  miss_parts(t, m);
  t->item.text = miss_text(t);
  if (!m->outside && (m->parts || m->action || m->lacks_empty))
    set_add(t);
  if (m->action && m->action->kind == PATTERN_EXACT)
    suspect(t, t->facts.action, m->action->source);
  else if (!m->action && m->parts && m->resource->kind == PATTERN_EXACT)
    suspect(t, t->facts.resource, m->resource->source);
  else if (!m->action && m->parts && m->resource->kind == PATTERN_PREFIX)
    suspect(t, nearest_typo_prefix(t->facts.resource, m->resource->as.text),
            m->resource->as.text);
  if (m->outside && m->resource->kind == PATTERN_ANY)
    t->item.note = "that policy opens more than this";
  if ((m->parts & PATTERN_PART_SCHEME) && t->q->url && !t->q->url->tls)
    t->item.note = "ws:// is not encrypted: whoever is on the way can read and "
                   "change it";
  write_edit(t, m);
  widen(t, m);
  redirect(t, m);
  tell(t);
}

static void tell_misses(struct teller *t, size_t max) {
  struct miss list[NEAREST_MAX];
  size_t n = nearest_find(list, max > NEAREST_MAX ? NEAREST_MAX : max, t->set,
                          t->scope, t->q);

  for (size_t i = 0; i < n && t->rv == 0; i++)
    tell_miss(t, &list[i]);
}

/* -------------------------------------------------------------- advice --- */

static void tell_advice(struct teller *t) {
  const struct policy *p = t->d->policy;

  begin(t, EXPLAIN_ADVICE, p);
  if (p && t->d->by_error) {
    wrote(t, buf_adds(&t->words, "a deny that cannot be evaluated denies: "));
    wrote(t, explain_write_unmet_edit(p, t->q, &t->words));
  } else if (p) {
    wrote(t,
          buf_adds(&t->words,
                   "no allow overrules a deny: narrow it, or leave it out of "
                   "the scope"));
  } else if (!t->q->actor) {
    wrote(t, buf_adds(&t->words, "name an actor"));
  } else if (!t->scope) {
    wrote(t, buf_adds(&t->words, "name a scope"));
  } else {
    set_add(t);
    wrote(t,
          buf_adds(&t->words, t->item.add ? "add a policy with this rule"
                                          : "no rule can be written for it"));
  }
  t->item.edit = keep(t);
  tell(t);
}

int policy_explain_all(const struct policy_set *set,
                       const struct policy_scope *scope,
                       const struct request *request, const struct decision *d,
                       size_t max_misses, const struct mem *m, explain_fn *fn,
                       void *ud) {
  struct request q = *request;
  struct teller t = {.set = set,
                     .scope = scope,
                     .q = &q,
                     .d = d,
                     .mem = *m,
                     .fn = fn,
                     .ud = ud};
  struct url url;
  struct ip ip;

  if (!nearest_complete(&q, &url, &ip))
    return 0; /* nothing was asked */
  policy_facts(&t.facts, &q);
  t.subject = (struct pattern_subject){.text = t.facts.resource};
  if (slice_is(q.action, CONNECT_URL))
    t.subject.url = q.url;
  if (t.facts.ip) {
    t.subject.ip = q.ip;
    t.subject.port = q.port;
  }
  buf_init(&t.words, m, TEXT_MAX_BYTES);
  arena_init(&t.kept, m, ITEM_MAX_BYTES);
  tell_request(&t);
  if (scope && q.actor) {
    tell_applies(&t);
    t.first = true;
    policy_each_error(scope, &q, tell_error, &t);
    t.first = false;
    policy_each_error(scope, &q, tell_error, &t);
    if (max_misses > 0 && !some_allow_applies(&t) &&
        !(d->verdict == VERDICT_ALLOW))
      tell_misses(&t, max_misses);
  }
  if (d->verdict != VERDICT_ALLOW)
    tell_advice(&t);
  arena_deinit(&t.kept);
  buf_deinit(&t.words);
  return t.rv;
}
