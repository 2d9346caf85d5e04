/* lint_condition.c - advice on conditions and expressions: denies that end in
 * an error, what can never hold, regular expressions that match too much. */
#include "policy/expr_node.h"
#include "policy/lint_test.h"

static bool same_field(const struct field *a, const struct field *b) {
  if (a->root != b->root || a->part != b->part || a->nkeys != b->nkeys)
    return false;
  for (size_t i = 0; i < a->nkeys; i++)
    if (!slice_eq(a->keys[i], b->keys[i]))
      return false;
  return true;
}

static unsigned policy_use(const struct policy *p) {
  unsigned use = 0;

  for (size_t i = 0; i < p->nrules; i++)
    for (size_t k = 0; k < p->rules[i].nresources; k++)
      use |= p->rules[i].use & lint_live(&p->rules[i].resources[k]);
  return use;
}

/* ----------------------------------------------------------- what is known ---
 */

static const char *const ip_words[] = {"ip", "class", NULL};

static bool is_word(struct slice s, const char *const *words) {
  while (*words && !slice_is(s, *words))
    words++;
  return *words != NULL;
}

/* The part of a URL or address that |f| is where guards of the network ask:
 * "host"; empty: none. */
static struct slice part_of(const struct field *f) {
  const char *part = field_part(f);

  return part ? slice_of(part) : SLICE("");
}

/* Is |f| there whatever is asked? */
static bool always_there(const struct field *f, unsigned use) {
  struct slice part = part_of(f);

  if (f->root != FIELD_META && f->root != FIELD_ACTOR_META)
    return true; /* a URL where there is none does not load */
  if (part.len == 0 || use == 0)
    return false;
  if (is_word(part, ip_words) ||
      !(use & PATTERN_FOR_URL)) /* the URL of an address may be unknown */
    return (use & ~PATTERN_FOR_ADDRESS) == 0 &&
           (is_word(part, ip_words) || slice_is(part, "port"));
  return (use & ~PATTERN_FOR_URL) == 0;
}

/* VALUE_NULL: not known. */
static enum value_type known_type(const struct field *f, unsigned use) {
  struct slice part = part_of(f);

  if (f->root == FIELD_ACTOR_META)
    return VALUE_NULL;
  if (part.len == 0)
    return f->root == FIELD_META || f->root == FIELD_URL ? VALUE_NULL
                                                         : VALUE_STRING;
  /* a host module's own guard may say anything */
  if (f->root == FIELD_META && (use == 0 || (use & PATTERN_FOR_OTHER)))
    return VALUE_NULL;
  return slice_is(part, "port")  ? VALUE_INT
         : slice_is(part, "tls") ? VALUE_BOOL
                                 : VALUE_STRING;
}

bool lint_is_host(const struct field *f) {
  return slice_is(part_of(f), "host");
}

bool lint_asks_target(const struct policy *p) {
  for (size_t i = 0; i < p->nconditions; i++) {
    const struct field *f = &p->conditions[i].field;
    if (f->root == FIELD_RESOURCE || lint_is_host(f) ||
        slice_is(part_of(f), "ip") || slice_is(part_of(f), "class"))
      return true;
  }
  if (p->expr) {
    struct slice s = expr_source(p->expr);
    return memmem(s.p, s.len, "host", 4) || memmem(s.p, s.len, "resource", 8);
  }
  return false;
}

/* ---------------------------------------------------------- contradictions ---
 */

static bool known_pattern(const struct policy *p, const struct field *f,
                          const struct value *v) {
  struct slice s = v->as.string;

  if (f->root == FIELD_ACTION) {
    for (size_t i = 0; i < p->nrules; i++)
      for (size_t k = 0; k < p->rules[i].nactions; k++)
        if (pattern_match_text(&p->rules[i].actions[k], s))
          return true;
    return false;
  }
  if (f->root == FIELD_RESOURCE) {
    struct pattern_subject subject = {.text = s};
    for (size_t i = 0; i < p->nrules; i++)
      for (size_t k = 0; k < p->rules[i].nresources; k++) {
        const struct pattern *r = &p->rules[i].resources[k];
        if (r->kind == PATTERN_ADDRESS || r->kind == PATTERN_CLASS ||
            pattern_match(r, &subject) != 0)
          return true;
      }
    return false;
  }
  return true;
}

static bool is_lower_text(struct slice s) {
  for (size_t i = 0; i < s.len; i++)
    if (s.p[i] >= 'A' && s.p[i] <= 'Z')
      return false;
  return true;
}

static bool port_fits(const struct pattern_url *u, int64_t port) {
  if (u->ports.first != 0)
    return u->ports.first <= port && port <= u->ports.last;
  return ((u->schemes & PATTERN_WSS) && port == 443) ||
         ((u->schemes & PATTERN_WS) && port == 80);
}

/* Does |u| let through a URL whose |part| is |v|? */
static bool part_fits(const struct pattern_url *u, struct slice part,
                      const struct value *v) {
  if (u->host_kind == PATTERN_HOST_PREFIX)
    return true;
  if (slice_is(part, "port"))
    return v->type != VALUE_INT || port_fits(u, v->as.integer);
  if (slice_is(part, "scheme"))
    return (u->schemes &
            (slice_is(v->as.string, "ws") ? PATTERN_WS : PATTERN_WSS)) != 0;
  if (!slice_is(part, "host") || u->host_kind == PATTERN_HOST_ANY_NAME)
    return true;
  if (u->host_kind == PATTERN_HOST_BELOW)
    return lint_is_below(v->as.string, u->host);
  return slice_eq(v->as.string, u->host);
}

/* Where only URLs are asked about: does any pattern let such a one through? */
static bool known_part(const struct policy *p, struct slice part,
                       const struct value *v, unsigned use) {
  if (part.len == 0 || (use & ~PATTERN_FOR_URL))
    return true;
  for (size_t i = 0; i < p->nrules; i++)
    for (size_t k = 0; k < p->rules[i].nresources; k++) {
      const struct pattern *r = &p->rules[i].resources[k];
      if ((lint_live(r) & p->rules[i].use) &&
          (r->kind != PATTERN_URL || part_fits(&r->as.url, part, v)))
        return true;
    }
  return false;
}

/* Can |f| be |v| at all, where |p| is asked? */
static bool possible(const struct policy *p, const struct field *f,
                     const struct value *v, unsigned use) {
  enum value_type t = known_type(f, use);
  struct slice part = part_of(f);
  enum ip_class class_;

  if (t == VALUE_NULL)
    return true;
  if (t == VALUE_INT)
    return (v->type == VALUE_INT && v->as.integer >= 1 &&
            v->as.integer <= 65535 && known_part(p, part, v, use)) ||
           v->type == VALUE_FLOAT;
  if (v->type != t)
    return false;
  if (t != VALUE_STRING)
    return true;
  if (slice_is(part, "scheme"))
    return (slice_is(v->as.string, "ws") || slice_is(v->as.string, "wss")) &&
           known_part(p, part, v, use);
  if (slice_is(part, "host"))
    return v->as.string.len > 0 && is_lower_text(v->as.string) &&
           !memchr(v->as.string.p, '/', v->as.string.len) &&
           !memchr(v->as.string.p, '*', v->as.string.len) &&
           v->as.string.p[v->as.string.len - 1] != '.' &&
           known_part(p, part, v, use);
  if (slice_is(part, "path"))
    return v->as.string.len > 0 && v->as.string.p[0] == '/';
  if (slice_is(part, "class"))
    return ip_class_from_name(v->as.string, &class_) == 0;
  return known_pattern(p, f, v);
}

static enum outcome ordered(const struct value *a, const struct value *b,
                            enum order_op op) {
  struct fault fault = {.kind = FAULT_NONE};
  struct effort w = {.fault = &fault};
  struct operand x = {.value = *a}, y = {.value = *b};

  return operand_order(&x, &y, op, "", &w);
}

/* An error denies, and allows nothing. */
static bool holds(enum outcome o, bool deny) {
  return o == OUTCOME_TRUE || (deny && o == OUTCOME_ERROR);
}

/* Does |v| pass |t|?  True when it cannot be told. */
static bool passes(const struct test *t, const struct value *v, bool deny) {
  if (t->op == TEST_NEXISTS)
    return false;
  if (!t->value || t->lower || t->len)
    return true;
  switch (t->op) {
  case TEST_EQ:
    return value_equal(v, t->value);
  case TEST_NE:
    return !value_equal(v, t->value);
  case TEST_LT:
    return holds(ordered(v, t->value, ORDER_LT), deny);
  case TEST_GT:
    return holds(ordered(v, t->value, ORDER_GT), deny);
  case TEST_LTE:
    return holds(ordered(v, t->value, ORDER_LTE), deny);
  case TEST_GTE:
    return holds(ordered(v, t->value, ORDER_GTE), deny);
  case TEST_IN:
  case TEST_NIN:
    if (t->value->type != VALUE_LIST)
      return true;
    for (size_t i = 0; i < t->value->as.list.len; i++)
      if (value_equal(v, &t->value->as.list.items[i]))
        return t->op == TEST_IN;
    return t->op == TEST_NIN;
  case TEST_MATCHES:
  case TEST_NMATCHES:
    if (!t->regex || v->type != VALUE_STRING)
      return deny || v->type == VALUE_STRING;
    return (regex_search(t->regex, v->as.string) == 0) ==
           (t->op == TEST_NMATCHES);
  case TEST_EXISTS:
  case TEST_NEXISTS:
  case TEST_CONTAINS:
  case TEST_NCONTAINS:
  case TEST_STARTS:
  case TEST_ENDS:
    break;
  }
  return true;
}

static bool is_order(enum test_op op) {
  return op == TEST_LT || op == TEST_GT || op == TEST_LTE || op == TEST_GTE;
}

/* Are the bounds |a| and |b| on one field apart? */
static bool apart(const struct test *a, const struct test *b) {
  bool above = a->op == TEST_GT || a->op == TEST_GTE;
  bool below = b->op == TEST_LT || b->op == TEST_LTE;

  if (!above || !below || !a->value || !b->value)
    return false;
  if (a->op == TEST_GTE && b->op == TEST_LTE)
    return ordered(a->value, b->value, ORDER_GT) == OUTCOME_TRUE;
  return ordered(a->value, b->value, ORDER_GTE) == OUTCOME_TRUE;
}

static const char never_why[] =
    "it looks as if it allowed or denied something, and it never applies";

static void never(struct lint *l, const struct policy *p, const struct test *t,
                  const struct test *other) {
  struct lint_finding *f =
      lint_add(l, LINT_NEVER_MATCHES, p, t->line, t->column, never_why);
  struct slice part = part_of(t->field);

  if (other && other->line != t->line)
    lint_message(l, f,
                 "what is asked of %.*s here and at line %u cannot both hold",
                 LINT_SHOWN(t->field->source), other->line);
  else if (other)
    lint_message(l, f,
                 "what is asked of %.*s here and at column %u cannot both hold",
                 LINT_SHOWN(t->field->source), other->column);
  else
    lint_message(l, f, "%.*s %s", LINT_SHOWN(t->field->source),
                 t->op == TEST_NEXISTS ? "is always there"
                                       : "never has this value here");
  if (other)
    lint_fix(l, f, "remove one of them, or make two policies");
  else if (t->op == TEST_NEXISTS)
    lint_fix(l, f, "remove the condition, or the policy");
  else if (slice_is(part, "host") || slice_is(part, "scheme"))
    lint_fix(l, f,
             "a scheme is 'ws' or 'wss', a host in lower case without a "
             "port, and both such as a resource of this policy lets through");
  else if (slice_is(part, "port"))
    lint_fix(l, f,
             "ports are numbers without quotes, such as a resource of this "
             "policy lets through");
  else if (slice_is(part, "path"))
    lint_fix(l, f, "paths begin with '/'");
  else if (part.len > 0)
    lint_fix(l, f, "compare it with a value that it can have");
  else
    lint_fix(l, f, "compare it with what the %ss of this policy let through",
             t->field->root == FIELD_ACTION ? "action" : "resource");
}

/* A deny that compares what can never be compared. */
static void always_errs(struct lint *l, const struct policy *p,
                        const struct test *t, enum value_type type) {
  struct lint_finding *f =
      lint_add(l, LINT_DENY_CAN_ERROR, p, t->line, t->column,
               "an error while a deny is evaluated is a deny: whatever comes "
               "here is denied");

  lint_message(l, f, "%.*s is a %s, which is never compared with a %s",
               LINT_SHOWN(t->field->source), value_type_name(type),
               value_type_name(t->value->type));
  lint_fix(l, f, "compare it with a %s", value_type_name(type));
}

/* Is |f| there in every request? */
static bool is_given(const struct field *f, unsigned use) {
  return f->root == FIELD_ACTOR_ID || f->root == FIELD_ACTION ||
         f->root == FIELD_RESOURCE ||
         (use == PATTERN_FOR_URL && part_of(f).len > 0 && always_there(f, use));
}

/* Of tests that must all hold: those of the field of tests[at]. */
static bool contradicts(struct lint *l, const struct policy *p,
                        const struct test *tests, size_t n, size_t at,
                        unsigned use) {
  const struct test *t = &tests[at];
  size_t candidates = 1;
  bool any = false;

  if (t->lower || t->len)
    return false;
  if (t->op == TEST_NEXISTS && is_given(t->field, use)) {
    never(l, p, t, NULL);
    return true;
  }
  if (t->value && is_order(t->op) && known_type(t->field, use) != VALUE_NULL &&
      (known_type(t->field, use) == VALUE_STRING) !=
          (t->value->type == VALUE_STRING)) {
    if (p->deny)
      always_errs(l, p, t, known_type(t->field, use));
    else
      never(l, p, t, NULL);
    return true;
  }
  for (size_t i = 0; i < n; i++) {
    const struct test *o = &tests[i];
    if (i == at || !same_field(o->field, t->field) || o->lower || o->len)
      continue;
    /* a comparison with what is missing is an error, which denies */
    if (apart(t, o) ||
        (t->op == TEST_NEXISTS &&
         (p->deny ? o->op == TEST_EXISTS : o->op != TEST_NEXISTS))) {
      never(l, p, at > i ? t : o, at > i ? o : t);
      return true;
    }
  }
  if (!t->value || (t->op != TEST_EQ && t->op != TEST_IN) ||
      (t->op == TEST_IN && t->value->type != VALUE_LIST))
    return false;
  if (t->op == TEST_IN)
    candidates = t->value->as.list.len;
  for (size_t c = 0; c < candidates && !any; c++) {
    const struct value *v =
        t->op == TEST_IN ? &t->value->as.list.items[c] : t->value;
    any = possible(p, t->field, v, use);
  }
  if (!any) {
    never(l, p, t, NULL);
    return true;
  }
  for (size_t c = 0; c < candidates; c++) {
    const struct value *v =
        t->op == TEST_IN ? &t->value->as.list.items[c] : t->value;
    bool good = true;
    for (size_t i = 0; i < n && good; i++)
      good = i == at || !same_field(tests[i].field, t->field) ||
             passes(&tests[i], v, p->deny);
    if (good)
      return false;
  }
  for (size_t i = 0; i < n; i++)
    if (i != at && same_field(tests[i].field, t->field)) {
      never(l, p, at > i ? t : &tests[i], at > i ? &tests[i] : t);
      return true;
    }
  return false;
}

#define MANY_TESTS 64

static void contradictions(struct lint *l, const struct policy *p,
                           const struct test *tests, size_t n) {
  unsigned use = policy_use(p);

  for (size_t i = 0; i < n && n <= MANY_TESTS; i++)
    if (contradicts(l, p, tests, n, i, use))
      return;
}

/* -------------------------------------------------------- deny-can-error ---
 */

/* Fields that are known to be there. */
struct there {
  const struct field *fields[32];
  size_t n;
};

static bool is_there(const struct there *t, const struct field *f,
                     unsigned use) {
  if (always_there(f, use))
    return true;
  for (size_t i = 0; i < t->n; i++)
    if (same_field(t->fields[i], f))
      return true;
  return false;
}

static void learn(struct there *t, const struct field *f) {
  if (t->n < sizeof t->fields / sizeof *t->fields)
    t->fields[t->n++] = f;
}

static void can_error(struct lint *l, const struct policy *p,
                      const struct field *f, uint32_t line, uint32_t column) {
  struct lint_finding *x =
      lint_add(l, LINT_DENY_CAN_ERROR, p, line, column,
               "an error while a deny is evaluated is a deny: whoever comes "
               "without this attribute is refused, whatever else is allowed");

  lint_message(l, x, "this deny fails where %.*s is missing",
               LINT_SHOWN(f->source));
  if (p->expr)
    lint_fix(l, x, "write has(%.*s) && in front of it, unless that is meant",
             LINT_SHOWN(f->source));
  else
    lint_fix(l, x,
             "put {field: %.*s, operator: exists} in front of it, unless that "
             "is meant",
             LINT_SHOWN(f->source));
}

/* An allow that fails where websocket.connect asks, which says nothing about
 * its URL. */
static void connect_has_no_url(struct lint *l, const struct policy *p,
                               const struct field *f, uint32_t line,
                               uint32_t column) {
  unsigned use = policy_use(p);
  struct lint_finding *x;

  if (p->deny || f->root != FIELD_META || !part_of(f).len ||
      !(use & PATTERN_FOR_CONNECT) || (use & PATTERN_FOR_OTHER))
    return;
  x = lint_add(l, LINT_NEVER_MATCHES, p, line, column,
               "without an allow of websocket.connect the URL is not even "
               "asked for");
  lint_message(l, x,
               "websocket.connect has no %.*s: this allow never applies "
               "to it",
               LINT_SHOWN(f->source));
  lint_fix(l, x, "allow websocket.connect in a policy without this condition");
}

/* --------------------------------------------------------------- compat --- */

static bool is_numeric(struct slice s) {
  bool digit = false;

  for (size_t i = 0; i < s.len; i++) {
    if (ascii_digit(s.p[i]))
      digit = true;
    else if (!(i == 0 && s.p[i] == '-') && s.p[i] != '.')
      return false;
  }
  return digit;
}

/* The original compared "3" and 3 as equal. */
static void converts(struct lint *l, const struct policy *p,
                     const struct test *t, unsigned use) {
  struct lint_finding *f;

  if (!t->value || t->value->type != VALUE_STRING ||
      !is_numeric(t->value->as.string) ||
      known_type(t->field, use) != VALUE_NULL ||
      (t->op != TEST_EQ && t->op != TEST_NE && !is_order(t->op)))
    return;
  f = lint_add(l, LINT_COMPAT, p, t->line, t->column,
               "a string is never a number here, in the original runtime "
               "\"3\" equals 3");
  if (!policy_set_is_compat(l->set))
    lint_note(f);
  lint_message(l, f, "%.*s is compared with the string \"%.*s\"",
               LINT_SHOWN(t->field->source), LINT_SHOWN(t->value->as.string));
  lint_fix(l, f, "write the number without quotes, if the attribute is one");
}

/* -------------------------------------------------------------- one test ---
 */

static void each_test(struct lint *l, const struct policy *p,
                      const struct test *t) {
  bool names = t->op == TEST_EQ || t->op == TEST_NE || t->op == TEST_IN ||
               t->op == TEST_NIN;

  if (t->regex)
    lint_regex(l, p, t);
  lint_open_text(l, p, t);
  converts(l, p, t, policy_use(p));
  if (!names || t->field->root != FIELD_ACTION || !t->value)
    return;
  if (t->value->type == VALUE_STRING)
    lint_action_name(l, p, t->value->as.string, t->line, t->column);
  for (size_t i = 0; t->value->type == VALUE_LIST && i < t->value->as.list.len;
       i++)
    if (t->value->as.list.items[i].type == VALUE_STRING)
      lint_action_name(l, p, t->value->as.list.items[i].as.string, t->line,
                       t->column);
}

/* ------------------------------------------------------------ conditions ---
 */

static struct test test_of(const struct condition *c) {
  static const enum test_op ops[] = {
      TEST_EQ,       TEST_NE,        TEST_LT,      TEST_GT,      TEST_LTE,
      TEST_GTE,      TEST_IN,        TEST_NIN,     TEST_EXISTS,  TEST_NEXISTS,
      TEST_CONTAINS, TEST_NCONTAINS, TEST_MATCHES, TEST_NMATCHES};
  struct test t = {.field = &c->field,
                   .op = ops[c->op],
                   .value = c->has_value_from ? NULL : &c->value,
                   .regex = c->regex,
                   .line = c->line,
                   .column = c->column};

  if (t.op == TEST_EXISTS || t.op == TEST_NEXISTS) {
    if (!c->value.as.boolean)
      t.op = t.op == TEST_EXISTS ? TEST_NEXISTS : TEST_EXISTS;
    t.value = NULL;
  }
  return t;
}

static void list(struct lint *l, const struct policy *p) {
  struct test *tests = arena_array(&l->arena, p->nconditions, sizeof *tests);
  unsigned use = policy_use(p);
  struct there known = {.n = 0};

  if (!tests) {
    l->nomem = true;
    return;
  }
  for (size_t i = 0; i < p->nconditions; i++) {
    const struct condition *c = &p->conditions[i];
    const struct field *both[2] = {&c->field,
                                   c->has_value_from ? &c->value_from : NULL};
    bool asks;
    tests[i] = test_of(c);
    asks = tests[i].op == TEST_EXISTS || tests[i].op == TEST_NEXISTS;
    each_test(l, p, &tests[i]);
    for (size_t k = 0; k < 2 && both[k]; k++) {
      lint_field_name(l, p, both[k], c->line, c->column);
      if (!asks && !is_there(&known, both[k], use)) {
        if (p->deny)
          can_error(l, p, both[k], c->line, c->column);
        connect_has_no_url(l, p, both[k], c->line, c->column);
      }
      if (!asks || tests[i].op == TEST_EXISTS)
        learn(&known, both[k]);
    }
  }
  contradictions(l, p, tests, p->nconditions);
}

/* ----------------------------------------------------------- expressions ---
 */

struct walk {
  struct lint *l;
  const struct policy *p;
  unsigned use;
};

static void position(const struct walk *w, const struct node *n,
                     struct test *t) {
  const struct expr *x = w->p->expr;

  t->line = x->place.line;
  t->column = x->place.column ? x->place.column + n->offset : 0;
}

static bool is_field(const struct node *n) {
  return n->kind == NODE_PATH || n->kind == NODE_LOWER || n->kind == NODE_LEN;
}

/* A comparison of one field with something known; |not|: it must not hold. */
static bool test_of_node(const struct walk *w, const struct node *n,
                         bool negated, struct test *ret) {
  static const enum test_op plain[] = {
      TEST_EQ, TEST_NE,  TEST_LT,       TEST_LTE,    TEST_GT,   TEST_GTE,
      TEST_IN, TEST_NIN, TEST_CONTAINS, TEST_STARTS, TEST_ENDS, TEST_MATCHES};
  static const enum test_op swapped[] = {TEST_EQ,  TEST_NE, TEST_GT,
                                         TEST_GTE, TEST_LT, TEST_LTE};
  const struct node *a, *b;
  struct test t = {.field = NULL};
  bool turned = false;

  if (n->kind == NODE_HAS) {
    t.field = &n->as.field;
    t.op = negated ? TEST_NEXISTS : TEST_EXISTS;
    position(w, n, &t);
    *ret = t;
    return true;
  }
  if (n->kind != NODE_COMPARE)
    return false;
  a = n->items;
  b = a->next;
  if (!is_field(a) && is_field(b) && n->op <= OP_GTE) {
    const struct node *s = a;
    a = b;
    b = s;
    turned = true;
  }
  if (!is_field(a))
    return false;
  t.field = &a->as.field;
  t.lower = a->kind == NODE_LOWER;
  t.len = a->kind == NODE_LEN;
  t.op = turned ? swapped[n->op] : plain[n->op];
  if (b->kind == NODE_LITERAL)
    t.value = &b->as.literal;
  if (t.value && t.value->type == VALUE_NULL) { /* x == nil */
    t.op = t.op == TEST_EQ ? TEST_NEXISTS : TEST_EXISTS;
    t.value = NULL;
  }
  if (t.op == TEST_MATCHES)
    t.regex = n->as.regex;
  if (negated) {
    static const enum test_op inverse[] = {
        [TEST_EQ] = TEST_NE,
        [TEST_NE] = TEST_EQ,
        [TEST_LT] = TEST_GTE,
        [TEST_GT] = TEST_LTE,
        [TEST_LTE] = TEST_GT,
        [TEST_GTE] = TEST_LT,
        [TEST_IN] = TEST_NIN,
        [TEST_NIN] = TEST_IN,
        [TEST_EXISTS] = TEST_NEXISTS,
        [TEST_NEXISTS] = TEST_EXISTS,
        [TEST_CONTAINS] = TEST_NCONTAINS,
        [TEST_NCONTAINS] = TEST_CONTAINS,
        [TEST_STARTS] = TEST_NCONTAINS, /* no more is said of it */
        [TEST_ENDS] = TEST_NCONTAINS,
        [TEST_MATCHES] = TEST_NMATCHES,
        [TEST_NMATCHES] = TEST_MATCHES};
    if (t.op == TEST_STARTS || t.op == TEST_ENDS)
      t.value = NULL;
    t.op = inverse[t.op];
  }
  position(w, n, &t);
  *ret = t;
  return true;
}

/* The tests that must hold for |n| to be true. */
static void flatten(const struct walk *w, const struct node *n, bool negated,
                    struct test *tests, size_t *len) {
  if (n->kind == NODE_NOT) {
    flatten(w, n->items, !negated, tests, len);
  } else if (n->kind == (negated ? NODE_OR : NODE_AND)) {
    for (const struct node *i = n->items; i; i = i->next)
      flatten(w, i, negated, tests, len);
  } else if (*len < MANY_TESTS) {
    *len += test_of_node(w, n, negated, &tests[*len]);
  }
}

static void each_node(const struct walk *w, const struct node *n,
                      bool negated) {
  struct test t;

  if (test_of_node(w, n, negated, &t))
    each_test(w->l, w->p, &t);
  if (n->kind == NODE_PATH || n->kind == NODE_HAS || n->kind == NODE_LEN ||
      n->kind == NODE_LOWER) {
    position(w, n, &t);
    lint_field_name(w->l, w->p, &n->as.field, t.line, t.column);
  }
  if (n->kind ==
      (negated ? NODE_AND : NODE_OR)) /* each alternative by itself */
    for (const struct node *i = n->items; i; i = i->next) {
      struct test tests[MANY_TESTS];
      size_t len = 0;
      if (i->kind == n->kind)
        continue;
      flatten(w, i, negated, tests, &len);
      contradictions(w->l, w->p, tests, len);
    }
  for (const struct node *i = n->items; i; i = i->next)
    each_node(w, i, n->kind == NODE_NOT ? !negated : negated);
}

static bool is_nil_test(const struct node *n) {
  return n->kind == NODE_COMPARE && (n->op == OP_EQ || n->op == OP_NE) &&
         ((n->items->kind == NODE_LITERAL &&
           n->items->as.literal.type == VALUE_NULL) ||
          (n->items->next->kind == NODE_LITERAL &&
           n->items->next->as.literal.type == VALUE_NULL));
}

/* What must be there once |n| came to |outcome|. */
static void learn_node(const struct node *n, bool outcome, struct there *t) {
  struct walk none = {.l = NULL};
  struct expr nowhere = {.place = {0, 0}};
  struct policy p = {.expr = &nowhere};
  struct test test;

  switch (n->kind) {
  case NODE_NOT:
    learn_node(n->items, !outcome, t);
    return;
  case NODE_AND:
  case NODE_OR:
    if (outcome == (n->kind == NODE_AND))
      for (const struct node *i = n->items; i; i = i->next)
        learn_node(i, outcome, t);
    return; /* else nobody knows which of them it was */
  case NODE_HAS:
  case NODE_COMPARE:
    none.p = &p;
    if ((n->kind == NODE_HAS || is_nil_test(n)) &&
        test_of_node(&none, n, !outcome, &test)) {
      if (test.op == TEST_EXISTS)
        learn(t, test.field);
      return;
    }
    /* it was compared, so it was there, whatever came of it */
    for (const struct node *i = n->items; i; i = i->next)
      if (is_field(i))
        learn(t, &i->as.field);
    return;
  case NODE_PATH:
    learn(t, &n->as.field);
    return;
  case NODE_LITERAL:
  case NODE_LIST:
  case NODE_LEN:
  case NODE_LOWER:
    return;
  }
}

/* Tells what can be missing where |n| is evaluated, |known| being there. */
static void missing(const struct walk *w, const struct node *n,
                    const struct there *known) {
  struct there now = *known;
  struct test t;

  switch (n->kind) {
  case NODE_HAS:
  case NODE_LITERAL:
    return;
  case NODE_PATH:
  case NODE_LEN:
  case NODE_LOWER:
    if (is_there(known, &n->as.field, w->use))
      return;
    position(w, n, &t);
    if (w->p->deny)
      can_error(w->l, w->p, &n->as.field, t.line, t.column);
    connect_has_no_url(w->l, w->p, &n->as.field, t.line, t.column);
    return;
  case NODE_AND:
  case NODE_OR:
    for (const struct node *i = n->items; i; i = i->next) {
      missing(w, i, &now);
      learn_node(i, n->kind == NODE_AND, &now);
    }
    return;
  case NODE_COMPARE:
    if (is_nil_test(n))
      return;
    for (const struct node *i = n->items; i; i = i->next) {
      missing(w, i, &now);
      learn_node(i, true, &now);
    }
    return;
  case NODE_NOT:
  case NODE_LIST:
    for (const struct node *i = n->items; i; i = i->next)
      missing(w, i, known);
    return;
  }
}

static void expression(struct lint *l, const struct policy *p) {
  struct walk w = {l, p, policy_use(p)};
  const struct node *root = p->expr->root;
  struct there none = {.n = 0};
  struct test tests[MANY_TESTS];
  size_t len = 0;

  flatten(&w, root, false, tests, &len);
  contradictions(l, p, tests, len);
  each_node(&w, root, false);
  missing(&w, root, &none);
  if (root->kind == NODE_LITERAL && root->as.literal.type == VALUE_BOOL) {
    bool yes = root->as.literal.as.boolean;
    struct lint_finding *f =
        lint_add(l, LINT_NEVER_MATCHES, p, p->expr->place.line,
                 p->expr->place.column, never_why);
    lint_message(l, f, "the expression is always %s", yes ? "true" : "false");
    lint_fix(l, f,
             yes ? "use kind security.policy, without an expression"
                 : "remove the policy");
    if (f && yes) {
      lint_note(f);
      f->reason = "it looks like a limit, and is none";
    }
  }
}

void lint_conditions(struct lint *l, const struct policy *p) {
  if (p->nconditions)
    list(l, p);
  if (p->expr)
    expression(l, p);
}
