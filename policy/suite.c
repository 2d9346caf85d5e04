/* suite.c - runs policy tests and counts what they cover.  What is expected is
 * held against the decision that guards would get, index and all; what is
 * covered is asked of the plain loop. */
#include "policy/suite.h"

#include "policy/mistakes.h"
#include "policy/suite_parse.h"

#define CONNECT "websocket.connect"
#define CONNECT_URL "websocket.connect.url"
#define CONNECT_ADDRESS "websocket.connect.address"

/* The names of a scope, looked up once for all tests that write them. */
struct in_force {
  const struct suite_test *like;
  struct policy_scope *scope;
  const struct policy **list; /* of the scope, for the plain loop */
  size_t len;
};

struct suite {
  struct mem mem;
  struct arena arena;
  const char *name;
  struct suite_file file;
  struct policy_set *set; /* NULL: not bound */
  struct in_force *in_force;
  size_t nin_force;
  size_t in_force_cap;
};

int suite_new(struct suite **ret, const char *name, struct slice text,
              const struct tree_limits *limits, const struct mem *m,
              policy_mistake_fn *fn, void *ud) {
  struct suite *s = mem_zalloc(m, sizeof *s);
  int rv;

  if (!s)
    return ERR_NOMEM;
  s->mem = *m;
  arena_init(&s->arena, m, SIZE_MAX);
  s->name = arena_strndup(&s->arena, name, strlen(name));
  rv = s->name ? suite_parse(&s->file, s->name, text, limits, &s->arena, fn, ud)
               : ERR_NOMEM;
  if (rv != 0) {
    suite_free(s);
    return rv;
  }
  *ret = s;
  return 0;
}

static void unbind(struct suite *s) {
  for (size_t i = 0; i < s->nin_force; i++) {
    struct in_force *f = &s->in_force[i];
    mem_free(&s->mem, f->list, f->len * sizeof *f->list);
    policy_scope_free(f->scope);
  }
  mem_free(&s->mem, s->in_force, s->in_force_cap * sizeof *s->in_force);
  s->in_force = NULL;
  s->nin_force = s->in_force_cap = 0;
  policy_set_unref(s->set);
  s->set = NULL;
}

void suite_free(struct suite *s) {
  struct mem mem;

  if (!s)
    return;
  unbind(s);
  mem = s->mem;
  arena_deinit(&s->arena);
  mem_free(&mem, s, sizeof *s);
}

const char *suite_name(const struct suite *s) {
  return s->name;
}

size_t suite_paths(const struct suite *s) {
  return s->file.npaths;
}

const struct suite_word *suite_path(const struct suite *s, size_t i) {
  return &s->file.paths[i];
}

size_t suite_len(const struct suite *s) {
  return s->file.ntests;
}

const struct suite_test *suite_at(const struct suite *s, size_t i) {
  return &s->file.tests[i];
}

const struct policy *const *suite_in_force(const struct suite *s,
                                           const struct suite_test *t,
                                           size_t *ret_len) {
  *ret_len = s->in_force[t->in_force].len;
  return s->in_force[t->in_force].list;
}

const struct policy_set *suite_set(const struct suite *s) {
  return s->set;
}

const struct mem *suite_mem(const struct suite *s) {
  return &s->mem;
}

/* -------------------------------------------------------------- binding --- */

static bool same_scope(const struct suite_test *a, const struct suite_test *b) {
  if (a->nscope != b->nscope)
    return false;
  for (size_t i = 0; i < a->nscope; i++)
    if (!slice_eq(a->scope[i].text, b->scope[i].text))
      return false;
  return true;
}

/* Each name for itself, so that each mistake has its position. */
static int check_names(struct suite *s, const struct suite_test *t,
                       struct mistakes *ms) {
  for (size_t i = 0; i < t->nscope; i++) {
    struct policy_scope *scope;
    struct err e;
    int rv =
        policy_scope_new(&scope, s->set, &t->scope[i].text, 1, &s->mem, &e);
    if (rv == 0)
      policy_scope_free(scope);
    else if (rv == ERR_NOT_FOUND)
      mistakes_add(ms, t->scope[i].pos, "%s", e.message);
    else
      return rv;
  }
  return 0;
}

static int open_scope(struct suite *s, const struct suite_test *t,
                      struct in_force *f) {
  struct slice *names = NULL;
  int rv;

  if (t->nscope > 0 && !(names = mem_alloc(&s->mem, t->nscope * sizeof *names)))
    return ERR_NOMEM;
  for (size_t i = 0; i < t->nscope; i++)
    names[i] = t->scope[i].text;
  rv = policy_scope_new(&f->scope, s->set, names, t->nscope, &s->mem, NULL);
  mem_free(&s->mem, names, t->nscope * sizeof *names);
  if (rv != 0)
    return rv;
  f->len = policy_scope_len(f->scope);
  if (f->len > 0 && !(f->list = mem_alloc(&s->mem, f->len * sizeof *f->list))) {
    policy_scope_free(f->scope);
    return ERR_NOMEM;
  }
  for (size_t i = 0; i < f->len; i++)
    f->list[i] = policy_scope_at(f->scope, i);
  return 0;
}

static int bind_scope(struct suite *s, struct suite_test *t,
                      struct mistakes *ms) {
  struct in_force f = {.like = t};
  size_t before = ms->total;
  int rv;

  for (size_t i = 0; i < s->nin_force; i++)
    if (same_scope(s->in_force[i].like, t)) {
      t->in_force = i;
      return 0;
    }
  if ((rv = check_names(s, t, ms)) != 0 || ms->total > before)
    return rv;
  if (s->nin_force == s->in_force_cap) {
    struct in_force *grown =
        mem_grow(&s->mem, s->in_force, &s->in_force_cap, s->nin_force + 1,
                 sizeof *grown, SIZE_MAX / sizeof *grown);
    if (!grown)
      return ERR_NOMEM;
    s->in_force = grown;
  }
  if ((rv = open_scope(s, t, &f)) != 0)
    return rv;
  t->in_force = s->nin_force;
  s->in_force[s->nin_force++] = f;
  return 0;
}

/* "ns:name", or a bare name where one policy has it. */
static bool names_policy(struct slice name, const struct policy *p) {
  const char *colon = memchr(p->id.p, ':', p->id.len);

  if (name.len && memchr(name.p, ':', name.len))
    return slice_eq(name, p->id);
  return colon && slice_eq(name, slice_of(colon + 1));
}

static void policy_unknown(struct suite *s, const struct suite_word *w,
                           struct mistakes *ms) {
  size_t n = policy_set_len(s->set);
  bool bare = !memchr(w->text.p, ':', w->text.len);
  const char **words, *near;

  /* without memory for the suggestion the mistake is the same */
  words = mem_alloc(&s->mem, (n + 1) * sizeof *words);
  for (size_t i = 0; words && i < n; i++) {
    const char *id = policy_set_at(s->set, i)->id.p;
    words[i] = bare ? strchr(id, ':') + 1 : id;
  }
  if (words)
    words[n] = NULL;
  near = words ? str_nearest(w->text, words) : NULL;
  mistakes_add(ms, w->pos, "no policy '%.*s'%s%s%s", MISTAKES_SHOWN(w->text),
               near ? ", did you mean '" : "", near ? near : "",
               near ? "'" : "");
  mem_free(&s->mem, words, (n + 1) * sizeof *words);
}

static void bind_policy(struct suite *s, struct suite_test *t,
                        struct mistakes *ms) {
  const struct suite_word *w = &t->policy;

  t->by = NULL;
  if (!w->text.p)
    return;
  for (size_t i = 0; i < policy_set_len(s->set); i++) {
    const struct policy *p = policy_set_at(s->set, i);
    if (!names_policy(w->text, p))
      continue;
    if (t->by) {
      mistakes_add(ms, w->pos, "'%.*s' is ambiguous, expected '%s' or '%s'",
                   MISTAKES_SHOWN(w->text), t->by->id.p, p->id.p);
      return;
    }
    t->by = p;
  }
  if (!t->by)
    policy_unknown(s, w, ms);
}

int suite_bind(struct suite *s, struct policy_set *set, policy_mistake_fn *fn,
               void *ud) {
  struct mistakes ms;
  int rv = 0;

  if (s->set)
    return ERR_BUSY;
  mistakes_init(&ms, s->name, &s->mem);
  s->set = policy_set_ref(set);
  for (size_t i = 0; rv == 0 && i < s->file.ntests; i++) {
    struct suite_test *t = &s->file.tests[i];
    t->ran = false;
    rv = bind_scope(s, t, &ms);
    if (rv == 0)
      bind_policy(s, t, &ms);
  }
  if (rv == 0)
    rv = mistakes_tell(&ms, fn, ud);
  mistakes_deinit(&ms);
  if (rv != 0)
    unbind(s);
  return rv;
}

/* -------------------------------------------------------------- running --- */

static struct request *add_request(struct suite_asked *a,
                                   const struct suite_test *t,
                                   struct slice action) {
  struct request *q = &a->requests[a->nrequests++];

  *q = (struct request){
      .actor = t->actor, .action = action, .resource = SLICE("")};
  return q;
}

static void ask_url(struct suite_asked *a, const struct suite_test *t,
                    struct slice text) {
  struct request *q = add_request(a, t, SLICE(CONNECT_URL));

  q->resource = text;
  if (!a->is_url)
    return;
  q->url = &a->url;
  q->resource = (struct slice){a->url.text, a->url.len};
}

void suite_ask(struct suite_asked *a, const struct suite_test *t,
               const struct suite_expectation *x) {
  bool of_url = slice_is(x->action, CONNECT_URL);
  struct slice url = of_url ? x->resource : x->url;
  struct request *q;

  a->expectation = x;
  a->nrequests = 0;
  a->is_url = url.p && url_parse(&a->url, url, NULL, NULL) == 0;
  a->address = x->url.p != NULL;
  /* what is no URL is refused whatever policies say */
  if (x->connect && a->is_url)
    add_request(a, t, SLICE(CONNECT));
  if (of_url || a->address)
    ask_url(a, t, url);
  if (!of_url) {
    q = add_request(a, t, x->action);
    q->resource = x->resource;
    if (a->is_url)
      q->url = &a->url;
    if (slice_is(x->action, CONNECT_ADDRESS) &&
        ip_parse_port(x->resource, &a->ip, &q->port) == 0)
      q->ip = &a->ip;
  }
  a->requests[a->nrequests - 1].meta = t->meta;
}

typedef struct decision decide_fn(const void *ud, const struct request *q,
                                  const struct decision *url_decision);

/* One request after the other; the first refusal is the answer, unless the
 * second is about the addresses of the first. */
static struct decision settle(const struct suite_asked *a, decide_fn *fn,
                              const void *ud, size_t *ret_last) {
  struct decision first = fn(ud, &a->requests[0], NULL);
  bool allowed = first.verdict == VERDICT_ALLOW;

  *ret_last = 0;
  if (a->nrequests == 1 || (!a->address && !allowed))
    return first;
  *ret_last = 1;
  return fn(ud, &a->requests[1], a->address && allowed ? &first : NULL);
}

struct list {
  const struct policy *const *items;
  size_t len;
};

static struct decision by_list(const void *ud, const struct request *q,
                               const struct decision *url_decision) {
  const struct list *l = ud;

  return policy_decide_list(l->items, l->len, q, url_decision);
}

struct decision suite_settle(const struct suite_asked *a,
                             const struct policy *const *list, size_t len,
                             size_t *ret_last) {
  struct list l = {list, len};

  return settle(a, by_list, &l, ret_last);
}

struct in_set {
  const struct policy_set *set;
  const struct policy_scope *scope;
};

static struct decision by_scope(const void *ud, const struct request *q,
                                const struct decision *url_decision) {
  const struct in_set *in = ud;

  return policy_decide(in->set, in->scope, q, url_decision);
}

/* Refused, and an evaluation failed that may be why. */
static bool forced(const struct decision *d) {
  return d->verdict != VERDICT_ALLOW && d->nerrors > 0;
}

bool suite_holds(const struct suite_test *t, const struct suite_expectation *x,
                 const struct decision *d) {
  bool holds = false;

  switch (x->want) {
  case SUITE_ALLOW:
    holds = d->verdict == VERDICT_ALLOW;
    break;
  case SUITE_DENY:
    holds = d->verdict == VERDICT_DENY;
    break;
  case SUITE_UNDEFINED:
    holds = d->verdict == VERDICT_UNDEFINED;
    break;
  case SUITE_ERROR:
    holds = forced(d);
    break;
  case SUITE_REFUSED:
    holds = d->verdict != VERDICT_ALLOW;
    break;
  }
  /* by its id: a mutant of the policy still is this policy */
  return holds && (!t->by || (d->policy && slice_eq(d->policy->id, t->by->id)));
}

/* ----------------------------------------------------------- explaining --- */

static const char *want_name(enum suite_want want) {
  switch (want) {
  case SUITE_ALLOW:
    return "allow";
  case SUITE_DENY:
    return "deny";
  case SUITE_UNDEFINED:
    return "undefined";
  case SUITE_ERROR:
    return "error";
  case SUITE_REFUSED:
    return "a refusal";
  }
  return "deny";
}

static int write_where(const struct policy *p, struct buf *out) {
  char file[256], id[320];

  str_escape(file, sizeof file, slice_of(p->file));
  str_escape(id, sizeof id, p->id);
  return buf_addf(out, "%s (%s:%u)", id, file, p->line);
}

/* "expected allow by a:b, got undefined by c:d (file:1)" */
static int write_answers(const struct suite_test *t,
                         const struct suite_expectation *x,
                         const struct decision *d, struct buf *out) {
  char id[320];
  int rv;

  if ((rv = buf_addf(out, "expected %s", want_name(x->want))) != 0)
    return rv;
  if (t->by) {
    str_escape(id, sizeof id, t->by->id);
    if ((rv = buf_addf(out, " by %s", id)) != 0)
      return rv;
  }
  rv = buf_addf(out, ", got %s%s", verdict_name(d->verdict),
                forced(d) ? " with an error" : "");
  if (rv == 0 && t->by && !d->policy)
    rv = buf_adds(out, " by no policy");
  if (rv != 0 || !d->policy)
    return rv;
  if ((rv = buf_adds(out, " by ")) != 0)
    return rv;
  return write_where(d->policy, out);
}

static int write_question(const struct suite *s,
                          const struct suite_expectation *x,
                          const struct request *q, struct buf *out) {
  char source[256], action[256], resource[1024];

  str_escape(source, sizeof source, slice_of(s->name));
  str_escape(action, sizeof action, q->action);
  /* as it was written: a test is found again by it */
  str_escape(resource, sizeof resource,
             x->connect && slice_is(q->action, CONNECT) ? x->resource
                                                        : q->resource);
  return buf_addf(out, "  %s:%u:%u: %s%s%s: ", source, x->pos.line,
                  x->pos.column, action, resource[0] ? " " : "", resource);
}

/* Which rule of the policy it was, where that is not plain from its line. */
static int write_rule_line(const struct decision *d, struct buf *out) {
  if (!d->policy || !d->rule || d->rule->line == d->policy->line ||
      d->policy->nrules < 2)
    return 0;
  return buf_addf(out, "    by its rule at line %u\n", d->rule->line);
}

/* The lines of |text|, each two columns further in. */
static int write_indented(struct slice text, struct buf *out) {
  int rv = 0;

  while (rv == 0 && text.len > 0) {
    const char *nl = memchr(text.p, '\n', text.len);
    size_t n = nl ? (size_t)(nl - text.p) + 1 : text.len;
    if ((rv = buf_adds(out, "  ")) == 0)
      rv = buf_add(out, text.p, n);
    text.p += n;
    text.len -= n;
  }
  return rv;
}

static int write_refusal(const struct suite *s, const struct suite_test *t,
                         const struct request *q, const struct decision *d,
                         struct buf *out) {
  struct buf lines;
  struct err e;
  struct url *url;
  int rv;

  if (slice_is(q->action, CONNECT_URL) && !q->url) {
    if (!(url = mem_alloc(&s->mem, sizeof *url)))
      return ERR_NOMEM;
    rv = url_parse(url, q->resource, NULL, &e);
    mem_free(&s->mem, url, sizeof *url);
    if (rv != 0)
      return buf_addf(out, "    %s\n", e.message);
  }
  buf_init(&lines, &s->mem, out->max);
  rv = policy_explain_refusal(s->set, s->in_force[t->in_force].scope, q, d,
                              &lines);
  if (rv == 0)
    rv = write_indented(buf_slice(&lines), out);
  buf_deinit(&lines);
  return rv;
}

static int write_failure(const struct suite *s, const struct suite_test *t,
                         const struct suite_expectation *x,
                         const struct request *q, const struct decision *d,
                         struct buf *out) {
  int rv;

  if ((rv = write_question(s, x, q, out)) != 0 ||
      (rv = write_answers(t, x, d, out)) != 0 ||
      (rv = buf_addc(out, '\n')) != 0)
    return rv;
  if (d->verdict != VERDICT_ALLOW && !d->policy)
    return write_refusal(s, t, q, d, out);
  /* who decided has been said */
  if ((rv = buf_addf(out, "    %s\n", d->reason)) != 0)
    return rv;
  return write_rule_line(d, out);
}

int suite_run(struct suite *s, size_t i, size_t *ret_failed, struct buf *why) {
  struct suite_test *t = &s->file.tests[i];
  struct in_set in = {s->set, s->in_force[t->in_force].scope};
  struct suite_asked *a = mem_alloc(&s->mem, sizeof *a);
  size_t failed = 0, last;
  int rv = 0;

  if (!a)
    return ERR_NOMEM;
  for (size_t k = 0; rv == 0 && k < t->nexpectations; k++) {
    struct suite_expectation *x = &t->expectations[k];
    struct decision d;
    suite_ask(a, t, x);
    d = settle(a, by_scope, &in, &last);
    x->held = suite_holds(t, x, &d);
    if (x->held)
      continue;
    failed++;
    if (x->connect && a->is_url) /* so that advice is about both questions */
      a->requests[0].url = &a->url;
    rv = write_failure(s, t, x, &a->requests[last], &d, why);
  }
  mem_free(&s->mem, a, sizeof *a);
  if (rv != 0)
    return rv;
  t->ran = true;
  *ret_failed = failed;
  return 0;
}

/* ------------------------------------------------------------- coverage --- */

/* What one policy alone, or a part of it, says about the requests. */
enum answer { ANSWER_NO, ANSWER_YES, ANSWER_ERROR };

static enum answer ask_alone(const struct policy *p, const struct request *q) {
  struct decision d = policy_decide_list(&p, 1, q, NULL);

  if (d.policy && !d.by_error)
    return ANSWER_YES;
  return d.nerrors > 0 ? ANSWER_ERROR : ANSWER_NO;
}

static void count(struct suite_cover *c, enum answer answer) {
  switch (answer) {
  case ANSWER_NO:
    c->no++;
    return;
  case ANSWER_YES:
    c->yes++;
    return;
  case ANSWER_ERROR:
    c->error++;
    return;
  }
}

/* The covers of one policy: itself, its rules, its conditions, its expression.
 */
static size_t cover_len(const struct policy *p) {
  return 1 + p->nrules + p->nconditions + (p->expr ? 1 : 0);
}

/* Each condition for itself, also those that evaluation never comes to because
 * one before them is false: what a test means to show is theirs too. */
static void cover_conditions(struct suite_cover *covers, const struct policy *p,
                             const struct request *q) {
  struct policy part = *p;

  part.nconditions = 0;
  part.expr = NULL;
  if (ask_alone(&part, q) != ANSWER_YES)
    return;
  part.nconditions = 1;
  for (size_t i = 0; i < p->nconditions; i++) {
    part.conditions = &p->conditions[i];
    count(covers++, ask_alone(&part, q));
  }
  part.nconditions = 0;
  part.expr = p->expr;
  if (p->expr)
    count(covers, ask_alone(&part, q));
}

static void cover_request(struct suite_cover *covers, const struct policy *p,
                          const struct request *q) {
  struct policy part = *p;
  enum answer whole = ask_alone(p, q);

  count(&covers[0], whole);
  for (size_t r = 0; r < p->nrules; r++) {
    part.rules = &p->rules[r];
    part.nrules = 1;
    count(&covers[1 + r], ask_alone(&part, q));
  }
  if (p->nconditions > 0 || p->expr)
    cover_conditions(covers + 1 + p->nrules, p, q);
}

/* What |asked| covers of the policies in force: only requests that were come
 * to count. */
static void cover_asked(struct suite_cover *covers, const size_t *first,
                        const struct suite_asked *a,
                        const struct policy *const *list, size_t len) {
  size_t last;

  (void)suite_settle(a, list, len, &last);
  for (size_t k = 0; k <= last; k++) {
    /* the URL of an address is there for the address's sake */
    if (a->address && k < last)
      continue;
    for (size_t i = 0; i < len; i++)
      cover_request(covers + first[list[i]->index], list[i], &a->requests[k]);
  }
}

static int cover_tests(const struct suite *s, struct suite_cover *covers,
                       const size_t *first) {
  struct suite_asked *a = mem_alloc(&s->mem, sizeof *a);

  if (!a)
    return ERR_NOMEM;
  for (size_t i = 0; i < s->file.ntests; i++) {
    const struct suite_test *t = &s->file.tests[i];
    const struct in_force *f = &s->in_force[t->in_force];
    for (size_t k = 0; t->ran && k < t->nexpectations; k++) {
      suite_ask(a, t, &t->expectations[k]);
      cover_asked(covers, first, a, f->list, f->len);
    }
  }
  mem_free(&s->mem, a, sizeof *a);
  return 0;
}

static int write_patterns(struct buf *out, const struct pattern *p, size_t n) {
  char shown[128];
  int rv = 0;

  for (size_t i = 0; rv == 0 && i < n; i++) {
    if (i == 3 && n > 4) /* enough to know it by */
      return buf_addf(out, " and %zu more", n - i);
    str_escape(shown, sizeof shown, p[i].source);
    rv = buf_addf(out, "%s%s", i ? ", " : "", shown[0] ? shown : "\"\"");
  }
  return rv;
}

static int write_rule(const struct policy_rule *r, struct buf *out) {
  int rv = write_patterns(out, r->actions, r->nactions);

  if (rv == 0)
    rv = buf_adds(out, " on ");
  if (rv == 0)
    rv = write_patterns(out, r->resources, r->nresources);
  return rv == 0 ? buf_terminate(out) : rv;
}

static int write_condition(const struct condition *c, size_t i,
                           struct buf *out) {
  char field[256];
  int rv;

  str_escape(field, sizeof field, c->field.source);
  rv = buf_addf(out, "condition %zu: %s %s", i + 1, field,
                condition_op_name(c->op));
  return rv == 0 ? buf_terminate(out) : rv;
}

struct telling {
  const struct policy *policy;
  struct buf text;
  suite_cover_fn *fn;
  void *ud;
};

static void tell(struct telling *t, const struct suite_cover *cover,
                 enum suite_cover_kind kind, uint32_t line, uint32_t column) {
  struct suite_cover c = *cover;

  c.kind = kind;
  c.policy = t->policy;
  c.pos = (struct tree_pos){line, column};
  c.text = t->text.len ? (const char *)buf_bytes(&t->text) : "";
  t->fn(t->ud, &c);
  buf_clear(&t->text);
}

static int tell_policy(struct telling *t, const struct suite_cover *covers,
                       const struct policy *p) {
  int rv = 0;

  t->policy = p;
  tell(t, covers++, SUITE_COVER_POLICY, p->line, p->column);
  for (size_t i = 0; i < p->nrules; i++) {
    if ((rv = write_rule(&p->rules[i], &t->text)) != 0)
      return rv;
    tell(t, covers++, SUITE_COVER_RULE, p->rules[i].line, p->rules[i].column);
  }
  for (size_t i = 0; i < p->nconditions; i++) {
    const struct condition *c = &p->conditions[i];
    if ((rv = write_condition(c, i, &t->text)) != 0)
      return rv;
    tell(t, covers++, SUITE_COVER_CONDITION, c->line, c->column);
  }
  if (!p->expr)
    return 0;
  if ((rv = buf_adds(&t->text, "expression")) != 0 ||
      (rv = buf_terminate(&t->text)) != 0)
    return rv;
  tell(t, covers, SUITE_COVER_CONDITION, p->line, p->column);
  return 0;
}

int suite_coverage(const struct suite *s, suite_cover_fn *fn, void *ud) {
  size_t n = policy_set_len(s->set), total = 0;
  struct telling t = {.fn = fn, .ud = ud};
  struct suite_cover *covers = NULL;
  struct arena a;
  size_t *first;
  int rv = ERR_NOMEM;

  arena_init(&a, &s->mem, SIZE_MAX);
  if ((first = arena_array(&a, n + 1, sizeof *first)) != NULL) {
    for (size_t i = 0; i < n; i++) {
      first[i] = total;
      total += cover_len(policy_set_at(s->set, i));
    }
    covers = arena_array(&a, total + 1, sizeof *covers);
  }
  if (covers)
    rv = cover_tests(s, covers, first);
  buf_init(&t.text, &s->mem, 4096);
  for (size_t i = 0; rv == 0 && i < n; i++)
    rv = tell_policy(&t, covers + first[i], policy_set_at(s->set, i));
  buf_deinit(&t.text);
  arena_deinit(&a);
  return rv;
}
