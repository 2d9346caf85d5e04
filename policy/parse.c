/* parse.c - policy files: a tree of YAML nodes to policies, and every mistake
 * on the way.  What is not understood is never half-read: a policy with a
 * mistake is not delivered, and its file fails. */
#include "policy/parse.h"

#include "policy/mistakes.h"

/* Of a name, an action, a resource: longer is no pattern anybody means, and an
 * alias could repeat it ten thousand times. */
#define MAX_TEXT 4096
#define MAX_NAME 128

/* Actions are few and come again: policies share their texts.  So many of one
 * file are remembered. */
#define KNOWN_ACTIONS 8
/* The same of whole lists of the guards' actions. */
#define KNOWN_LISTS 4
#define SHARED_ACTIONS 3

struct parser {
  struct arena *keep;
  struct regex_pool *regexes;
  struct policy_reference **references;
  bool compat;
  struct tree_node *root;
  struct slice ns; /* NULL: missing or wrong */
  parse_policy_fn *on_policy;
  void *ud;
  struct policy **policies; /* delivered, for the check of their ids */
  size_t npolicies;
  size_t policies_cap;
  struct pattern known[KNOWN_ACTIONS];
  size_t nknown; /* ever */
  struct known_list {
    const struct pattern *actions;
    size_t n;
  } lists[KNOWN_LISTS];
  size_t nlists; /* ever */
  struct mistakes ms;
};

/* ------------------------------------------------------------------- maps ---
 */

#define MAX_KEYS 8

/* Finds the members |words| of |map| into |items| (NULL where absent).  Other
 * keys and keys that stand twice are mistakes. */
static void read_keys(struct parser *ps, const struct tree_node *map,
                      const char *what, const char *const *words,
                      const struct tree_item *items[MAX_KEYS]) {
  memset(items, 0, MAX_KEYS * sizeof *items);
  if (map->tagged)
    mistakes_add(&ps->ms, map->pos, "tags are not supported");
  for (size_t i = 0; i < map->len; i++) {
    const struct tree_node *key = map->items[i].key;
    size_t w = 0;
    if (key->kind != TREE_SCALAR || key->tagged) {
      mistakes_add(&ps->ms, key->pos, "%s as a key, expected a name",
                   tree_describe(key));
      continue;
    }
    /* most words differ in the first letter; |text| has a NUL behind it */
    while (words[w] &&
           (words[w][0] != key->text.p[0] || !slice_is(key->text, words[w])))
      w++;
    if (words[w] && items[w])
      mistakes_add(&ps->ms, key->pos, "duplicate key '%s'", words[w]);
    else if (words[w])
      items[w] = &map->items[i];
    else if (slice_is(key->text, "<<"))
      mistakes_add(&ps->ms, key->pos,
                   "merge key '<<' is not supported, expected the "
                   "keys written out");
    else
      mistakes_unknown(&ps->ms, key->pos, what, key->text, words);
  }
}

/* A string that is not too long; else a mistake. */
static bool is_string(struct parser *ps, const struct tree_item *item,
                      const char *what) {
  const struct tree_node *n = item->value;
  bool quotable = n->kind == TREE_SCALAR && !n->tagged && n->text.len > 0;

  if (n->kind == TREE_SCALAR && n->type == TREE_STRING) {
    if (n->text.len <= MAX_TEXT)
      return true;
    mistakes_add(&ps->ms, item->pos,
                 "%s is too long, expected at most %d bytes", what, MAX_TEXT);
  } else {
    mistakes_add(&ps->ms, item->pos, "%s is %s, expected a string%s", what,
                 tree_describe(n), quotable ? " in quotes" : "");
  }
  return false;
}

/* Of a namespace, an entry or a group: printable ASCII that needs no quotes and
 * does not look like two names. */
static bool is_name(struct slice s) {
  if (s.len == 0 || s.len > MAX_NAME)
    return false;
  for (size_t i = 0; i < s.len; i++)
    if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) &&
        (s.p[i] == '\0' || !strchr("_-./@+", s.p[i])))
      return false;
  return true;
}

#define NAME_RULE "letters, digits and _ - . / @ +, at most 128"

/* ------------------------------------------------------------------- lists ---
 */

/* A list or a scalar that stands for a list of one. */
static size_t list_len(const struct tree_node *n) {
  return n->kind == TREE_LIST ? n->len : 1;
}

static struct tree_item list_at(const struct tree_item *item, size_t i) {
  if (item->value->kind == TREE_LIST)
    return item->value->items[i];
  return *item;
}

static bool is_list(struct parser *ps, const struct tree_item *item,
                    const char *what) {
  const struct tree_node *n = item->value;

  if (n->kind == TREE_MAP || n->tagged) {
    mistakes_add(&ps->ms, item->pos, "'%s' is %s, expected a string or a list",
                 what, tree_describe(n));
    return false;
  }
  if (n->kind == TREE_LIST && n->len == 0) {
    mistakes_add(&ps->ms, item->pos,
                 "'%s' is empty, expected at least one pattern", what);
    return false;
  }
  return true;
}

/* ------------------------------------------------------------------- rules ---
 */

/* Where byte |column| of the text of |item| stands. */
static struct tree_pos pos_inside(const struct tree_item *item,
                                  uint32_t column) {
  const struct tree_node *n = item->value;
  bool alias =
      item->pos.line != n->pos.line || item->pos.column != n->pos.column;

  if (alias || !n->text_column || !column)
    return item->pos;
  return (struct tree_pos){n->pos.line, n->text_column + column - 1};
}

static bool compiled(struct parser *ps, const struct tree_item *item, int rv,
                     const struct err *e) {
  if (rv == ERR_NOMEM)
    ps->ms.nomem = true;
  else if (rv != 0)
    mistakes_add(&ps->ms, pos_inside(item, e->column), "%s", e->message);
  return rv == 0;
}

/* So that advice can point at it, and rewrite it. */
static void place_pattern(const struct tree_item *item, struct pattern *p) {
  struct tree_pos at = pos_inside(item, 1);
  const struct tree_node *n = item->value;

  p->line = at.line;
  p->column = at.column;
  p->in_place =
      n->text_column && at.line == n->pos.line && at.column == n->text_column;
}

static int compile_action(struct parser *ps, struct slice text,
                          struct pattern *ret, struct err *e) {
  int rv;

  for (size_t i = 0; i < ps->nknown && i < KNOWN_ACTIONS; i++)
    if (slice_eq(ps->known[i].source, text)) {
      *ret = ps->known[i];
      return 0;
    }
  rv = pattern_compile_action(ret, text, ps->keep, e);
  if (rv == 0)
    ps->known[ps->nknown++ % KNOWN_ACTIONS] = *ret;
  return rv;
}

static bool read_action(struct parser *ps, const struct tree_item *item,
                        struct pattern *ret) {
  struct err e;

  if (!is_string(ps, item, "action") ||
      !compiled(ps, item, compile_action(ps, item->value->text, ret, &e), &e))
    return false;
  place_pattern(item, ret);
  return true;
}

/* Behind the last, so that they stay in the order of the text. */
static struct policy_note *note(struct parser *ps, struct policy *p,
                                enum policy_note_kind kind, struct tree_pos at,
                                struct slice text) {
  struct policy_note *n = arena_zalloc(ps->keep, sizeof *n);
  const struct policy_note **link = &p->notes;

  if (!n || !(n->text.p =
                  arena_strndup(ps->keep, text.len ? text.p : "", text.len))) {
    ps->ms.nomem = true;
    return NULL;
  }
  n->kind = kind;
  n->line = at.line;
  n->column = at.column;
  n->text.len = text.len;
  n->next = NULL;
  while (*link)
    link = (const struct policy_note **)(uintptr_t) & (*link)->next;
  *link = n;
  return n;
}

static bool read_resource(struct parser *ps, const struct tree_item *item,
                          unsigned use, struct policy *p, struct pattern *ret) {
  struct policy_note *n;
  struct err warning, e;

  if (ps->compat)
    use |= PATTERN_COMPAT;
  if (!is_string(ps, item, "resource") ||
      !compiled(ps, item,
                pattern_compile_resource(ret, item->value->text, use, ps->keep,
                                         &warning, &e),
                &e))
    return false;
  place_pattern(item, ret);
  if (warning.code != 0 && (n = note(ps, p, POLICY_NOTE_COMPAT,
                                     (struct tree_pos){ret->line, ret->column},
                                     slice_of(warning.message))) != NULL)
    n->pattern = ret;
  return true;
}

/* Whether the |n| names of |item| are all guards' actions, and few. */
static bool is_shared(const struct tree_item *item, size_t n) {
  for (size_t i = 0; i < n && n <= SHARED_ACTIONS; i++) {
    struct tree_item at = list_at(item, i);
    if (at.value->kind != TREE_SCALAR || at.value->type != TREE_STRING ||
        !pattern_is_guard(at.value->text))
      return false;
  }
  return n > 0 && n <= SHARED_ACTIONS;
}

/* The list that says what |item| does, where one is known. */
static const struct pattern *find_list(const struct parser *ps,
                                       const struct tree_item *item, size_t n) {
  for (size_t k = 0; k < ps->nlists && k < KNOWN_LISTS; k++) {
    const struct known_list *list = &ps->lists[k];
    size_t i = 0;
    if (list->n != n)
      continue;
    while (i < n &&
           slice_eq(list->actions[i].source, list_at(item, i).value->text))
      i++;
    if (i == n)
      return list->actions;
  }
  return NULL;
}

/* The names of |item|, which is_shared. */
static bool share_actions(struct parser *ps, const struct tree_item *item,
                          size_t n, struct policy_rule *r) {
  const struct pattern *actions = find_list(ps, item, n);
  struct policy_place *places = arena_array(ps->keep, n, sizeof *places);
  struct pattern *new = NULL, place;

  if (places && !actions)
    actions = new = arena_array(ps->keep, n, sizeof *new);
  if (!actions || !places) {
    ps->ms.nomem = true;
    return false;
  }
  for (size_t i = 0; i < n; i++) {
    struct tree_item at = list_at(item, i);
    if (new && !read_action(ps, &at, &new[i]))
      return false;
    place_pattern(&at, &place);
    places[i] = (struct policy_place){place.line, place.column};
    r->use |= pattern_action_use(&actions[i]);
  }
  if (new)
    ps->lists[ps->nlists++ % KNOWN_LISTS] = (struct known_list){new, n};
  r->actions = actions;
  r->action_places = places;
  r->nactions = (uint32_t)n;
  return true;
}

static bool read_actions(struct parser *ps, const struct tree_item *item,
                         struct policy_rule *r) {
  struct pattern *actions;
  size_t n;
  bool good = true;

  if (!is_list(ps, item, "actions"))
    return false;
  n = list_len(item->value);
  if (is_shared(item, n))
    return share_actions(ps, item, n, r);
  r->actions = actions =
      n <= UINT32_MAX ? arena_array(ps->keep, n, sizeof *actions) : NULL;
  if (!actions) {
    ps->ms.nomem = true;
    return false;
  }
  for (r->nactions = 0; r->nactions < n && !ps->ms.nomem; r->nactions++) {
    struct tree_item at = list_at(item, r->nactions);
    struct pattern *p = &actions[r->nactions];
    if (read_action(ps, &at, p))
      r->use |= pattern_action_use(p);
    else
      good = false;
  }
  return good && !ps->ms.nomem;
}

/* After read_actions, which says what the resources are for. */
static bool read_resources(struct parser *ps, const struct tree_item *item,
                           struct policy *p, struct policy_rule *r) {
  unsigned use = r->use | (p->deny ? PATTERN_IN_DENY : 0);
  size_t n;
  bool good = true;

  if (!is_list(ps, item, "resources"))
    return false;
  n = list_len(item->value);
  r->resources =
      n <= UINT32_MAX ? arena_array(ps->keep, n, sizeof *r->resources) : NULL;
  if (!r->resources) {
    ps->ms.nomem = true;
    return false;
  }
  for (r->nresources = 0; r->nresources < n && !ps->ms.nomem; r->nresources++) {
    struct tree_item at = list_at(item, r->nresources);
    good &= read_resource(ps, &at, use, p, &r->resources[r->nresources]);
  }
  return good && !ps->ms.nomem;
}

/* "address: any" speaks about the addresses of a host that the rule names. */
static bool read_address(struct parser *ps, const struct tree_item *item,
                         bool deny, struct policy_rule *r) {
  if (!is_string(ps, item, "address"))
    return false;
  if (!slice_is(item->value->text, "any")) {
    mistakes_unknown(&ps->ms, item->pos, "address", item->value->text,
                     (const char *const[]){"any", NULL});
    return false;
  }
  if (deny) {
    mistakes_add(&ps->ms, item->pos,
                 "'address' in a deny, expected it in an allow");
    return false;
  }
  if (r->nresources == 1 &&
      pattern_naming(r->resources) == PATTERN_NAMES_NONE) {
    mistakes_add(&ps->ms, item->pos,
                 "'address: any' without a host, expected a resource "
                 "that names one host without a wildcard");
    return false;
  }
  r->any_address = true;
  return true;
}

enum { RULE_ACTION, RULE_RESOURCE, RULE_ADDRESS };
static const char *const rule_keys[] = {"action", "resource", "address", NULL};

static bool read_rule(struct parser *ps, const struct tree_item *item,
                      struct policy *p, struct policy_rule *r) {
  static struct tree_node nothing = {
      .kind = TREE_SCALAR, .type = TREE_STRING, .text = {"", 0}};
  const struct tree_item *at[MAX_KEYS];
  struct tree_item resource = {.value = &nothing, .pos = item->pos};
  size_t before = ps->ms.total;

  if (item->value->kind != TREE_MAP) {
    mistakes_add(&ps->ms, item->pos,
                 "rule is %s, expected a map like {action: ..., "
                 "resource: ...}",
                 tree_describe(item->value));
    return false;
  }
  read_keys(ps, item->value, "key", rule_keys, at);
  r->line = item->pos.line;
  r->column = item->pos.column;
  if (!at[RULE_ACTION]) {
    mistakes_add(&ps->ms, item->pos,
                 "rule without an action, expected 'action'");
  } else if (at[RULE_ACTION]->value->kind == TREE_LIST) {
    mistakes_add(&ps->ms, at[RULE_ACTION]->pos,
                 "action is a list, expected a string: a rule has one action");
  } else if (read_actions(ps, at[RULE_ACTION], r)) {
    if (at[RULE_RESOURCE])
      resource = *at[RULE_RESOURCE];
    if (resource.value->kind == TREE_LIST)
      mistakes_add(
          &ps->ms, resource.pos,
          "resource is a list, expected a string: a rule has one resource");
    else if (!at[RULE_RESOURCE] && r->use != PATTERN_FOR_CONNECT)
      mistakes_add(&ps->ms, item->pos,
                   "rule without a resource, expected 'resource'");
    else if (read_resources(ps, &resource, p, r) && at[RULE_ADDRESS])
      read_address(ps, at[RULE_ADDRESS], p->deny, r);
  }
  return ps->ms.total == before && !ps->ms.nomem;
}

static void read_rules(struct parser *ps, const struct tree_item *item,
                       struct policy *p) {
  const struct tree_node *list = item->value;

  if (list->kind != TREE_LIST || list->tagged) {
    mistakes_add(&ps->ms, item->pos, "'rules' is %s, expected a list",
                 tree_describe(list));
    return;
  }
  if (list->len == 0) {
    mistakes_add(&ps->ms, item->pos,
                 "'rules' is empty, expected at least one rule");
    return;
  }
  p->rules = arena_array(ps->keep, list->len, sizeof *p->rules);
  if (!p->rules) {
    ps->ms.nomem = true;
    return;
  }
  for (p->nrules = 0; p->nrules < list->len && !ps->ms.nomem; p->nrules++)
    read_rule(ps, &list->items[p->nrules], p, &p->rules[p->nrules]);
}

/* --------------------------------------------------------------- conditions
 * --- */

/* What the actions of |p| may ask about; 0: a mistake hides it. */
static unsigned policy_use(const struct policy *p) {
  unsigned use = 0;

  for (size_t i = 0; i < p->nrules; i++)
    use |= p->rules[i].use;
  return use;
}

#define CARRIES_URL (PATTERN_FOR_URL | PATTERN_FOR_ADDRESS)

/* A condition on the URL could not be evaluated where there is none, so that an
 * allow would not allow and a deny deny. */
static void check_url_field(struct parser *ps, const struct tree_item *item,
                            const struct field *f, const struct policy *p) {
  if (f->root == FIELD_URL && (policy_use(p) & ~CARRIES_URL))
    mistakes_add(&ps->ms, item->pos,
                 "'%.*s' where an action carries no URL, expected the actions "
                 "websocket.connect.url or websocket.connect.address alone",
                 MISTAKES_SHOWN(f->source));
}

static bool read_field(struct parser *ps, const struct tree_item *item,
                       const struct policy *p, struct field *ret) {
  struct err e;
  int rv;

  if (!is_string(ps, item, "field"))
    return false;
  if ((rv = field_parse(ret, item->value->text, ps->keep, &e)) == 0)
    check_url_field(ps, item, ret, p);
  return compiled(ps, item, rv, &e);
}

enum {
  CONDITION_KEY_FIELD,
  CONDITION_KEY_OPERATOR,
  CONDITION_KEY_VALUE,
  CONDITION_KEY_VALUE_FROM
};
static const char *const condition_keys[] = {"field", "operator", "value",
                                             "value_from", NULL};

static bool read_operator(struct parser *ps, const struct tree_item *item,
                          enum condition_op *ret) {
  if (!is_string(ps, item, "operator"))
    return false;
  if (condition_op_find(item->value->text, ret) == 0)
    return true;
  mistakes_unknown(&ps->ms, item->pos, "operator", item->value->text,
                   condition_op_names);
  return false;
}

static void read_value(struct parser *ps, const struct tree_item *condition,
                       const struct tree_item *item, struct condition *c) {
  struct value v;
  struct err e;
  int rv;

  memset(&e, 0, sizeof e);
  if (item && (rv = tree_to_value(&v, item->value, ps->keep, &e)) != 0) {
    if (rv == ERR_NOMEM)
      ps->ms.nomem = true;
    else
      mistakes_add(&ps->ms, (struct tree_pos){e.line, e.column}, "%s",
                   e.message);
    return;
  }
  rv = condition_set_value(c, item ? &v : NULL, ps->regexes, ps->keep, &e);
  e.column = 0; /* of the value as a whole */
  compiled(ps, item ? item : condition, rv, &e);
}

static void read_value_from(struct parser *ps, const struct tree_item *item,
                            const struct policy *p, struct condition *c) {
  struct err e;
  int rv;

  if (!is_string(ps, item, "value_from"))
    return;
  rv = condition_set_value_from(c, item->value->text, ps->keep, &e);
  e.column = 0;
  if (compiled(ps, item, rv, &e))
    check_url_field(ps, item, &c->value_from, p);
}

static void read_condition(struct parser *ps, const struct tree_item *item,
                           const struct policy *p, struct condition *c) {
  const struct tree_item *at[MAX_KEYS];
  bool known = false;

  c->line = item->pos.line;
  c->column = item->pos.column;
  if (item->value->kind != TREE_MAP) {
    mistakes_add(
        &ps->ms, item->pos,
        "condition is %s, expected a map like {field: actor.meta.role, "
        "operator: eq, value: reader}",
        tree_describe(item->value));
    return;
  }
  read_keys(ps, item->value, "key", condition_keys, at);
  if (!at[CONDITION_KEY_FIELD])
    mistakes_add(&ps->ms, item->pos,
                 "condition without a field, expected 'field'");
  else
    read_field(ps, at[CONDITION_KEY_FIELD], p, &c->field);
  if (!at[CONDITION_KEY_OPERATOR])
    mistakes_add(&ps->ms, item->pos,
                 "condition without an operator, expected 'operator'");
  else
    known = read_operator(ps, at[CONDITION_KEY_OPERATOR], &c->op);
  if (at[CONDITION_KEY_VALUE] && at[CONDITION_KEY_VALUE_FROM])
    mistakes_add(&ps->ms, at[CONDITION_KEY_VALUE_FROM]->key->pos,
                 "'value_from' beside 'value', expected one or the other");
  else if (!known)
    return; /* what the value may be depends on the operator */
  else if (at[CONDITION_KEY_VALUE_FROM])
    read_value_from(ps, at[CONDITION_KEY_VALUE_FROM], p, c);
  else
    read_value(ps, item, at[CONDITION_KEY_VALUE], c);
}

static void read_conditions(struct parser *ps, const struct tree_item *item,
                            struct policy *p) {
  const struct tree_node *list = item->value;

  if (list->kind != TREE_LIST || list->tagged) {
    mistakes_add(&ps->ms, item->pos, "'conditions' is %s, expected a list",
                 tree_describe(list));
    return;
  }
  p->conditions = arena_array(ps->keep, list->len, sizeof *p->conditions);
  if (!p->conditions) {
    ps->ms.nomem = true;
    return;
  }
  for (p->nconditions = 0; p->nconditions < list->len && !ps->ms.nomem;
       p->nconditions++)
    read_condition(ps, &list->items[p->nconditions], p,
                   &p->conditions[p->nconditions]);
}

static void read_expression(struct parser *ps, const struct tree_item *item,
                            struct policy *p) {
  struct expr_place place = {item->pos.line, 0};
  const struct field *url;
  unsigned use = policy_use(p);
  struct err e;
  int rv;

  if (!is_string(ps, item, "expression"))
    return;
  if (pos_inside(item, 1).line == item->value->pos.line &&
      item->value->text_column)
    place.column = pos_inside(item, 1).column;
  rv = expr_compile(&p->expr, item->value->text, place, ps->regexes, ps->keep,
                    &e);
  if (rv == ERR_SYNTAX && !place.column && e.column > 1)
    mistakes_add(&ps->ms, item->pos, "%s (at byte %u of the expression)",
                 e.message, e.column);
  else if (compiled(ps, item, rv, &e) && (url = expr_url_field(p->expr)) &&
           use && !(use & CARRIES_URL))
    mistakes_add(&ps->ms, item->pos,
                 "'%.*s' where no action carries a URL, expected the action "
                 "websocket.connect.url or websocket.connect.address",
                 MISTAKES_SHOWN(url->source));
}

/* ----------------------------------------------------------------- policies
 * --- */

enum {
  BODY_ACTIONS,
  BODY_RESOURCES,
  BODY_EFFECT,
  BODY_RULES,
  BODY_CONDITIONS,
  BODY_EXPRESSION
};
static const char *const body_keys[] = {"actions", "resources",  "effect",
                                        "rules",   "conditions", "expression",
                                        NULL};

/* True for a deny, and where it cannot be known: denies take more patterns, so
 * that no second mistake follows from the first. */
static bool read_effect(struct parser *ps, struct tree_pos pos,
                        const struct tree_item *item) {
  if (!item)
    mistakes_add(&ps->ms, pos,
                 "policy without an effect, expected 'effect: allow' or "
                 "'effect: deny'");
  else if (is_string(ps, item, "effect")) {
    if (slice_is(item->value->text, "allow"))
      return false;
    if (!slice_is(item->value->text, "deny"))
      mistakes_unknown(&ps->ms, item->pos, "effect", item->value->text,
                       (const char *const[]){"allow", "deny", NULL});
  }
  return true;
}

static void read_lists(struct parser *ps, const struct tree_item *at[],
                       struct tree_pos pos, struct policy *p) {
  struct policy_rule *r = arena_zalloc(ps->keep, sizeof *r);

  if (!r) {
    ps->ms.nomem = true;
    return;
  }
  r->line = pos.line;
  r->column = pos.column;
  p->rules = r;
  p->nrules = 1;
  if (!at[BODY_ACTIONS])
    mistakes_add(&ps->ms, pos,
                 "policy without actions, expected 'actions' or 'rules'");
  if (!at[BODY_RESOURCES])
    mistakes_add(&ps->ms, pos,
                 "policy without resources, expected 'resources'");
  /* what a resource may be depends on the actions: with a wrong one nothing
   * sure can be said about it */
  if (at[BODY_ACTIONS] && read_actions(ps, at[BODY_ACTIONS], r) &&
      at[BODY_RESOURCES])
    read_resources(ps, at[BODY_RESOURCES], p, r);
}

static void read_body(struct parser *ps, const struct tree_item *item,
                      bool is_expr, struct policy *p) {
  const struct tree_node *body = item->value;
  const struct tree_item *at[MAX_KEYS];

  if (body->kind != TREE_MAP) {
    mistakes_add(&ps->ms, item->pos, "'policy' is %s, expected a map",
                 tree_describe(body));
    return;
  }
  read_keys(ps, body, "key", body_keys, at);
  p->deny = read_effect(ps, item->pos, at[BODY_EFFECT]);
  if (at[BODY_RULES] && (at[BODY_ACTIONS] || at[BODY_RESOURCES]))
    mistakes_add(&ps->ms, at[BODY_RULES]->key->pos,
                 "'rules' beside 'actions' or 'resources', expected one or the "
                 "other");
  else if (at[BODY_RULES])
    read_rules(ps, at[BODY_RULES], p);
  else
    read_lists(ps, at, item->pos, p);
  if (at[BODY_CONDITIONS] && is_expr)
    mistakes_add(
        &ps->ms, at[BODY_CONDITIONS]->key->pos,
        "'conditions' in kind 'security.policy.expr', expected them in "
        "the expression");
  else if (at[BODY_CONDITIONS])
    read_conditions(ps, at[BODY_CONDITIONS], p);
  if (at[BODY_EXPRESSION] && !is_expr)
    mistakes_add(&ps->ms, at[BODY_EXPRESSION]->key->pos,
                 "'expression' in kind 'security.policy', expected kind "
                 "'security.policy.expr'");
  else if (at[BODY_EXPRESSION])
    read_expression(ps, at[BODY_EXPRESSION], p);
  else if (is_expr)
    mistakes_add(&ps->ms, item->pos,
                 "policy without an expression, expected 'expression'");
}

/* "|ns|:|name|" in the arena; NULL after setting nomem. */
static bool make_id(struct parser *ps, struct slice ns, struct slice name,
                    struct slice *ret) {
  size_t len = ns.len + 1 + name.len;
  char *p = arena_alloc(ps->keep, len + 1);

  if (!p) {
    ps->ms.nomem = true;
    return false;
  }
  memcpy(p, ns.p, ns.len);
  p[ns.len] = ':';
  memcpy(p + ns.len + 1, name.p, name.len);
  p[len] = '\0';
  *ret = (struct slice){p, len};
  return true;
}

static void read_group(struct parser *ps, const struct tree_item *item,
                       struct slice *ret) {
  struct slice s, ns = ps->ns, name;
  const char *colon;

  if (!is_string(ps, item, "group"))
    return;
  s = name = item->value->text;
  if ((colon = memchr(s.p, ':', s.len)) != NULL) {
    ns = (struct slice){s.p, (size_t)(colon - s.p)};
    name = (struct slice){colon + 1, s.len - ns.len - 1};
  }
  if (!is_name(name) || (colon && !is_name(ns)))
    mistakes_add(&ps->ms, item->pos,
                 "bad group '%.*s', expected 'name' or 'ns:name'; a "
                 "name is " NAME_RULE,
                 MISTAKES_SHOWN(s));
  else if (ns.p)
    make_id(ps, ns, name, ret);
}

static void read_groups(struct parser *ps, const struct tree_item *item,
                        struct policy *p) {
  const struct tree_node *n = item->value;
  size_t len = list_len(n);

  if (n->kind == TREE_MAP || n->tagged) {
    mistakes_add(&ps->ms, item->pos, "'groups' is %s, expected a list of names",
                 tree_describe(n));
    return;
  }
  p->groups = arena_array(ps->keep, len, sizeof *p->groups);
  if (!p->groups) {
    ps->ms.nomem = true;
    return;
  }
  for (p->ngroups = 0; p->ngroups < len && !ps->ms.nomem; p->ngroups++) {
    struct tree_item at = list_at(item, p->ngroups);
    read_group(ps, &at, &p->groups[p->ngroups]);
  }
}

/* ----------------------------------------------------------------- advice
 * --- */

static void bad_silence(struct parser *ps, struct policy *p, struct tree_pos at,
                        const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void bad_silence(struct parser *ps, struct policy *p, struct tree_pos at,
                        const char *fmt, ...) {
  struct err e;
  va_list ap;

  va_start(ap, fmt);
  err_vsetf(&e, ERR_SYNTAX, fmt, ap);
  va_end(ap);
  note(ps, p, POLICY_NOTE_BAD_SILENCE, at, slice_of(e.message));
}

/* meta: {lint: {silence: {CODE: "why"}}}.  Meta is free text for everybody
 * else, so that nothing in it is a mistake: what is wrong is advice as well. */
static void read_silence(struct parser *ps, const struct tree_item *item,
                         struct policy *p) {
  const struct tree_node *map = item->value;

  if (map->kind != TREE_MAP) {
    bad_silence(ps, p, item->pos,
                "'silence' is %s, expected a map like {CODE: \"reason\"}",
                tree_describe(map));
    return;
  }
  for (size_t i = 0; i < map->len && !ps->ms.nomem; i++) {
    const struct tree_node *key = map->items[i].key;
    const struct tree_node *value = map->items[i].value;
    bool reason = value->kind == TREE_SCALAR && value->type == TREE_STRING;
    struct policy_note *n;
    if (key->kind != TREE_SCALAR) {
      bad_silence(ps, p, key->pos, "%s as a code, expected a name",
                  tree_describe(key));
      continue;
    }
    n = note(ps, p, POLICY_NOTE_SILENCE, key->pos, key->text);
    if (!n || !reason)
      continue;
    n->reason.p = arena_strndup(ps->keep, value->text.p, value->text.len);
    n->reason.len = value->text.len;
    if (!n->reason.p)
      ps->ms.nomem = true;
  }
}

static void read_meta(struct parser *ps, const struct tree_node *meta,
                      struct policy *p) {
  const struct tree_item *lint =
      meta->kind == TREE_MAP ? tree_get(meta, "lint") : NULL;

  if (!lint)
    return;
  if (lint->value->kind != TREE_MAP) {
    bad_silence(ps, p, lint->pos,
                "'lint' is %s, expected a map like {silence: {CODE: "
                "\"reason\"}}",
                tree_describe(lint->value));
    return;
  }
  for (size_t i = 0; i < lint->value->len && !ps->ms.nomem; i++) {
    const struct tree_item *item = &lint->value->items[i];
    if (item->key->kind == TREE_SCALAR && slice_is(item->key->text, "silence"))
      read_silence(ps, item, p);
    else
      bad_silence(ps, p, item->key->pos,
                  "unknown key '%.*s' in 'lint', expected 'silence'",
                  MISTAKES_SHOWN(item->key->text));
  }
}

static void add_reference(struct parser *ps, const struct tree_item *item,
                          bool group) {
  struct policy_reference *r;
  struct slice s = item->value->text;

  if (item->value->kind != TREE_SCALAR || item->value->type != TREE_STRING ||
      s.len == 0 || s.len > MAX_TEXT)
    return;
  r = arena_zalloc(ps->keep, sizeof *r);
  if (!r || !(r->name.p = arena_strndup(ps->keep, s.p, s.len)) ||
      (ps->ns.p &&
       !(r->ns.p = arena_strndup(ps->keep, ps->ns.p, ps->ns.len)))) {
    ps->ms.nomem = true;
    return;
  }
  r->name.len = s.len;
  r->ns.len = ps->ns.p ? ps->ns.len : 0;
  r->file = ps->ms.name;
  r->line = item->pos.line;
  r->column = item->pos.column;
  r->group = group;
  r->next = *ps->references;
  *ps->references = r;
}

static void add_references(struct parser *ps, const struct tree_node *security,
                           const char *key, bool group) {
  const struct tree_item *list =
      security->kind == TREE_MAP ? tree_get(security, key) : NULL;

  for (size_t i = 0; list && i < list_len(list->value) && !ps->ms.nomem; i++) {
    struct tree_item at = list_at(list, i);
    add_reference(ps, &at, group);
  }
}

/* Of an entry of another kind, at any depth.  The depth of a tree is bounded
 * (TREE_MAX_LEVELS), and its size counts aliases as written out. */
static void find_references(struct parser *ps, const struct tree_node *n) {
  for (size_t i = 0; n->kind != TREE_SCALAR && i < n->len && !ps->ms.nomem;
       i++) {
    const struct tree_item *item = &n->items[i];
    if (item->key && item->key->kind == TREE_SCALAR &&
        slice_is(item->key->text, "security")) {
      add_references(ps, item->value, "policies", false);
      add_references(ps, item->value, "groups", true);
    } else {
      find_references(ps, item->value);
    }
  }
}

static void deliver(struct parser *ps, struct policy *p) {
  if (ps->npolicies == ps->policies_cap) {
    struct policy **grown =
        mem_grow(ps->ms.mem, ps->policies, &ps->policies_cap, ps->npolicies + 1,
                 sizeof *grown, SIZE_MAX / sizeof *grown);
    if (!grown) {
      ps->ms.nomem = true;
      return;
    }
    ps->policies = grown;
  }
  p->index = ps->npolicies;
  ps->policies[ps->npolicies++] = p;
}

/* ------------------------------------------------------------------ entries
 * --- */

enum {
  ENTRY_NAME,
  ENTRY_KIND,
  ENTRY_META,
  ENTRY_POLICY,
  ENTRY_GROUPS,
  ENTRY_VERSION, /* of a file that is one entry */
  ENTRY_NAMESPACE
};
static const char *const entry_keys[] = {"name",   "kind",   "meta",
                                         "policy", "groups", NULL};
static const char *const single_keys[] = {
    "name", "kind", "meta", "policy", "groups", "version", "namespace", NULL};

static void read_policy(struct parser *ps, const struct tree_item *entry,
                        const char *const *keys, bool is_expr) {
  const struct tree_item *at[MAX_KEYS];
  struct policy *p = arena_zalloc(ps->keep, sizeof *p);
  size_t before = ps->ms.total;

  if (!p) {
    ps->ms.nomem = true;
    return;
  }
  read_keys(ps, entry->value, "key", keys, at);
  p->file = ps->ms.name;
  p->line = entry->pos.line;
  p->column = entry->pos.column;
  if (!at[ENTRY_NAME])
    mistakes_add(&ps->ms, entry->pos, "policy without a name, expected 'name'");
  else if (is_string(ps, at[ENTRY_NAME], "name")) {
    struct slice name = at[ENTRY_NAME]->value->text;
    if (!is_name(name))
      mistakes_add(&ps->ms, at[ENTRY_NAME]->pos,
                   "bad name '%.*s', expected " NAME_RULE,
                   MISTAKES_SHOWN(name));
    else if (ps->ns.p)
      make_id(ps, ps->ns, name, &p->id);
  }
  if (!at[ENTRY_POLICY])
    mistakes_add(&ps->ms, entry->pos,
                 "entry of kind '%s' without a policy, expected 'policy'",
                 is_expr ? "security.policy.expr" : "security.policy");
  else
    read_body(ps, at[ENTRY_POLICY], is_expr, p);
  if (at[ENTRY_GROUPS])
    read_groups(ps, at[ENTRY_GROUPS], p);
  if (at[ENTRY_META] && !ps->ms.nomem)
    read_meta(ps, at[ENTRY_META]->value, p);
  if (ps->ms.total == before && p->id.p && !ps->ms.nomem)
    deliver(ps, p);
}

static const char *const kinds[] = {"security.policy", "security.policy.expr",
                                    NULL};

/* Another kind is left alone, unless it is one of ours misspelt: a policy that
 * silently is none could be a deny. */
static bool kind_is_ours(struct slice kind) {
  struct slice prefix = SLICE("security.");
  const char *near = str_nearest(kind, kinds);
  /* The original's place for login tokens; no policy. */
  bool other = slice_is(kind, "security.token_store");
  struct slice s = slice_of(near);
  size_t same = 0, tail = 0;

  if (other)
    return false;
  if (kind.len >= prefix.len &&
      slice_eq_nocase((struct slice){kind.p, prefix.len}, prefix))
    return true;
  if (!near)
    return slice_eq_nocase(kind, SLICE("security"));
  /* one edit away: all but one byte (or two that changed places) are shared by
   * a beginning and an end */
  while (same < kind.len && same < s.len &&
         ascii_lower(kind.p[same]) == s.p[same])
    same++;
  while (tail < kind.len - same && tail < s.len - same &&
         ascii_lower(kind.p[kind.len - 1 - tail]) == s.p[s.len - 1 - tail])
    tail++;
  return same + tail + 2 >= kind.len && same + tail + 2 >= s.len;
}

static void read_entry(struct parser *ps, const struct tree_item *entry,
                       const char *const *keys) {
  const struct tree_node *map = entry->value;
  const struct tree_item *kind = NULL;
  struct slice k;
  bool twice = false;

  if (map->kind != TREE_MAP) {
    mistakes_add(&ps->ms, entry->pos,
                 "entry is %s, expected a map with name and kind",
                 tree_describe(map));
    return;
  }
  for (size_t i = 0; i < map->len; i++) {
    const struct tree_node *key = map->items[i].key;
    if (key->kind != TREE_SCALAR || !slice_is(key->text, "kind"))
      continue;
    if (kind) {
      mistakes_add(&ps->ms, key->pos, "duplicate key 'kind'");
      twice = true;
    } else {
      kind = &map->items[i];
    }
  }
  if (twice)
    return;
  if (!kind) {
    mistakes_add(&ps->ms, entry->pos, "entry without a kind, expected 'kind'");
    return;
  }
  if (!is_string(ps, kind, "kind"))
    return;
  k = kind->value->text;
  if (slice_is(k, "security.policy"))
    read_policy(ps, entry, keys, false);
  else if (slice_is(k, "security.policy.expr"))
    read_policy(ps, entry, keys, true);
  else if (kind_is_ours(k))
    mistakes_unknown(&ps->ms, kind->pos, "kind", k, kinds);
  else
    find_references(ps, map);
}

/* ------------------------------------------------------------------- files ---
 */

enum { FILE_VERSION, FILE_NAMESPACE, FILE_ENTRIES };
static const char *const file_keys[] = {"version", "namespace", "entries",
                                        NULL};

/* The keys of ours; what else stands at the top is left alone, unless it is one
 * of ours misspelt. */
static void read_top(struct parser *ps, const struct tree_item *at[]) {
  const struct tree_node *map = ps->root;

  memset(at, 0, MAX_KEYS * sizeof *at);
  for (size_t i = 0; i < map->len; i++) {
    const struct tree_node *key = map->items[i].key;
    const char *near;
    size_t w = 0;
    if (key->kind != TREE_SCALAR)
      continue;
    while (file_keys[w] && !slice_is(key->text, file_keys[w]))
      w++;
    if (file_keys[w] && at[w])
      mistakes_add(&ps->ms, key->pos, "duplicate key '%s'", file_keys[w]);
    else if (file_keys[w])
      at[w] = &map->items[i];
    else if ((near = str_nearest(key->text, file_keys)) != NULL)
      mistakes_add(&ps->ms, key->pos, "unknown key '%.*s', expected '%s'",
                   MISTAKES_SHOWN(key->text), near);
  }
}

static void read_head(struct parser *ps, const struct tree_item *version,
                      const struct tree_item *ns) {
  if (version) {
    const struct tree_node *n = version->value;
    /* the number 1.0 is what people write who forget the quotes */
    if (n->kind != TREE_SCALAR || n->tagged || n->type == TREE_NULL)
      mistakes_add(&ps->ms, version->pos, "version is %s, expected \"1.0\"",
                   tree_describe(n));
    else if (!slice_is(n->text, "1.0") && !slice_is(n->text, "1"))
      mistakes_add(&ps->ms, version->pos,
                   "unknown version '%.*s', expected \"1.0\"",
                   MISTAKES_SHOWN(n->text));
  }
  if (!ns) {
    mistakes_add(&ps->ms, ps->root->pos,
                 "file without a namespace, expected 'namespace'");
  } else if (is_string(ps, ns, "namespace")) {
    struct slice s = ns->value->text;
    if (!is_name(s))
      mistakes_add(&ps->ms, ns->pos,
                   "bad namespace '%.*s', expected " NAME_RULE,
                   MISTAKES_SHOWN(s));
    else if (slice_is(s, PARSE_RESERVED_NAMESPACE))
      mistakes_add(&ps->ms, ns->pos,
                   "namespace 'cli' is reserved, expected another");
    else
      ps->ns = s;
  }
}

static void read_file(struct parser *ps) {
  const struct tree_item *at[MAX_KEYS];
  struct tree_item root = {.value = ps->root, .pos = ps->root->pos};

  if (ps->root->kind != TREE_MAP) {
    mistakes_add(&ps->ms, root.pos,
                 "file is %s, expected a map with version, namespace "
                 "and entries",
                 tree_describe(ps->root));
    return;
  }
  read_top(ps, at);
  read_head(ps, at[FILE_VERSION], at[FILE_NAMESPACE]);
  if (!at[FILE_ENTRIES]) {
    if (tree_get(ps->root, "kind"))
      read_entry(ps, &root, single_keys);
    else
      mistakes_add(&ps->ms, root.pos,
                   "file without entries, expected 'entries'");
    return;
  }
  if (tree_get(ps->root, "kind"))
    mistakes_add(&ps->ms, tree_get(ps->root, "kind")->key->pos,
                 "'kind' beside 'entries', expected one or the other");
  if (at[FILE_ENTRIES]->value->kind != TREE_LIST ||
      at[FILE_ENTRIES]->value->tagged) {
    mistakes_add(&ps->ms, at[FILE_ENTRIES]->pos,
                 "'entries' is %s, expected a list",
                 tree_describe(at[FILE_ENTRIES]->value));
    return;
  }
  for (size_t i = 0; i < at[FILE_ENTRIES]->value->len && !ps->ms.nomem; i++)
    read_entry(ps, &at[FILE_ENTRIES]->value->items[i], entry_keys);
}

/* -------------------------------------------------------------------- order
 * --- */

static bool before(const struct policy *a, const struct policy *b) {
  int c = slice_cmp(a->id, b->id);

  return c != 0 ? c < 0 : a->index < b->index;
}

static void sift_down(struct policy **p, size_t at, size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    struct policy *t;
    if (child + 1 < n && before(p[child], p[child + 1]))
      child++;
    if (!before(p[at], p[child]))
      return;
    t = p[at];
    p[at] = p[child];
    p[child] = t;
  }
}

void parse_sort(struct policy **p, size_t n) {
  for (size_t i = n / 2; i-- > 0;)
    sift_down(p, i, n);
  for (size_t end = n; end-- > 1;) {
    struct policy *t = p[0];
    p[0] = p[end];
    p[end] = t;
    sift_down(p, 0, end);
  }
}

static void find_duplicates(struct parser *ps) {
  struct policy **p = ps->policies;

  for (size_t i = 0; i < ps->npolicies && !ps->ms.nomem; i++)
    if (ps->on_policy(ps->ud, p[i]) != 0)
      ps->ms.nomem = true;
  parse_sort(p, ps->npolicies);
  for (size_t i = 1; i < ps->npolicies; i++)
    if (slice_eq(p[i - 1]->id, p[i]->id))
      mistakes_add(&ps->ms, (struct tree_pos){p[i]->line, p[i]->column},
                   "duplicate id '%s', first at line %u", p[i]->id.p,
                   p[i - 1]->line);
}

int parse_file(const char *name, struct slice text,
               const struct tree_limits *limits, const struct parse_into *into,
               parse_policy_fn *on_policy, void *policy_ud,
               policy_mistake_fn *on_mistake, void *mistake_ud) {
  struct parser ps = {.keep = into->keep,
                      .regexes = into->regexes,
                      .references = into->references,
                      .compat = into->compat,
                      .on_policy = on_policy,
                      .ud = policy_ud};
  struct arena scratch;
  struct err e;
  int rv;

  mistakes_init(&ps.ms, name, &into->keep->mem);
  arena_init(&scratch, &into->keep->mem, SIZE_MAX);
  memset(&e, 0, sizeof e);
  rv = tree_parse(&ps.root, text, limits, &scratch, &e);
  if (rv == ERR_SYNTAX) {
    mistakes_add(&ps.ms, (struct tree_pos){e.line, e.column}, "%s", e.message);
  } else if (rv == 0) {
    read_file(&ps);
    find_duplicates(&ps);
  } else {
    ps.ms.nomem = true;
  }
  rv = mistakes_tell(&ps.ms, on_mistake, mistake_ud);
  mistakes_deinit(&ps.ms);
  mem_free(&into->keep->mem, ps.policies,
           ps.policies_cap * sizeof *ps.policies);
  arena_deinit(&scratch);
  return rv;
}
