/* parse_rules.c - what a policy is about: lists of actions and resources, and
 * rules that pair them. */
#include "policy/parse_in.h"

/* Actions of a list that is shared. */
#define SHARED_ACTIONS 3

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

/* So that advice can point at it, and rewrite it. */
static void place_pattern(const struct tree_item *item, struct pattern *p) {
  struct tree_pos at = parse_pos_inside(item, 1);
  const struct tree_node *n = item->value;

  p->line = at.line;
  p->column = at.column;
  p->in_place =
      n->text_column && at.line == n->pos.line && at.column == n->text_column;
}

static int compile_action(struct parser *ps, struct slice text,
                          struct pattern *ret, struct err *e) {
  int rv;

  for (size_t i = 0; i < ps->nknown && i < PARSE_KNOWN_ACTIONS; i++)
    if (slice_eq(ps->known[i].source, text)) {
      *ret = ps->known[i];
      return 0;
    }
  rv = pattern_compile_action(ret, text, ps->keep, e);
  if (rv == 0)
    ps->known[ps->nknown++ % PARSE_KNOWN_ACTIONS] = *ret;
  return rv;
}

static bool read_action(struct parser *ps, const struct tree_item *item,
                        struct pattern *ret) {
  struct err e;

  if (!parse_is_string(ps, item, "action") ||
      !parse_compiled(ps, item, compile_action(ps, item->value->text, ret, &e),
                      &e))
    return false;
  place_pattern(item, ret);
  return true;
}

static bool read_resource(struct parser *ps, const struct tree_item *item,
                          unsigned use, struct policy *p, struct pattern *ret) {
  struct policy_note *n;
  struct err warning, e;

  if (ps->compat)
    use |= PATTERN_COMPAT;
  if (!parse_is_string(ps, item, "resource") ||
      !parse_compiled(ps, item,
                      pattern_compile_resource(ret, item->value->text, use,
                                               ps->keep, &warning, &e),
                      &e))
    return false;
  place_pattern(item, ret);
  if (warning.code != 0 &&
      (n = parse_note(ps, p, POLICY_NOTE_COMPAT,
                      (struct tree_pos){ret->line, ret->column},
                      slice_of(warning.message))) != NULL)
    n->pattern = ret;
  return true;
}

/* Whether the |n| names of |item| are all guards' actions, and few. */
static bool is_shared(const struct tree_item *item, size_t n) {
  for (size_t i = 0; i < n && n <= SHARED_ACTIONS; i++) {
    struct tree_item at = parse_list_at(item, i);
    if (at.value->kind != TREE_SCALAR || at.value->type != TREE_STRING ||
        !pattern_is_guard(at.value->text))
      return false;
  }
  return n > 0 && n <= SHARED_ACTIONS;
}

/* The list that says what |item| does, where one is known. */
static const struct pattern *find_list(const struct parser *ps,
                                       const struct tree_item *item, size_t n) {
  for (size_t k = 0; k < ps->nlists && k < PARSE_KNOWN_LISTS; k++) {
    const struct known_list *list = &ps->lists[k];
    size_t i = 0;
    if (list->n != n)
      continue;
    while (i < n && slice_eq(list->actions[i].source,
                             parse_list_at(item, i).value->text))
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
    struct tree_item at = parse_list_at(item, i);
    if (new && !read_action(ps, &at, &new[i]))
      return false;
    place_pattern(&at, &place);
    places[i] = (struct policy_place){place.line, place.column};
    r->use |= pattern_action_use(&actions[i]);
  }
  if (new)
    ps->lists[ps->nlists++ % PARSE_KNOWN_LISTS] = (struct known_list){new, n};
  r->actions = actions;
  r->action_places = places;
  r->nactions = (uint32_t)n;
  return true;
}

bool parse_actions(struct parser *ps, const struct tree_item *item,
                   struct policy_rule *r) {
  struct pattern *actions;
  size_t n;
  bool good = true;

  if (!is_list(ps, item, "actions"))
    return false;
  n = parse_list_len(item->value);
  if (is_shared(item, n))
    return share_actions(ps, item, n, r);
  r->actions = actions =
      n <= UINT32_MAX ? arena_array(ps->keep, n, sizeof *actions) : NULL;
  if (!actions) {
    ps->ms.nomem = true;
    return false;
  }
  for (r->nactions = 0; r->nactions < n && !ps->ms.nomem; r->nactions++) {
    struct tree_item at = parse_list_at(item, r->nactions);
    struct pattern *p = &actions[r->nactions];
    if (read_action(ps, &at, p))
      r->use |= pattern_action_use(p);
    else
      good = false;
  }
  return good && !ps->ms.nomem;
}

/* After parse_actions, which says what the resources are for. */
bool parse_resources(struct parser *ps, const struct tree_item *item,
                     struct policy *p, struct policy_rule *r) {
  unsigned use = r->use | (p->deny ? PATTERN_IN_DENY : 0);
  size_t n;
  bool good = true;

  if (!is_list(ps, item, "resources"))
    return false;
  n = parse_list_len(item->value);
  r->resources =
      n <= UINT32_MAX ? arena_array(ps->keep, n, sizeof *r->resources) : NULL;
  if (!r->resources) {
    ps->ms.nomem = true;
    return false;
  }
  for (r->nresources = 0; r->nresources < n && !ps->ms.nomem; r->nresources++) {
    struct tree_item at = parse_list_at(item, r->nresources);
    good &= read_resource(ps, &at, use, p, &r->resources[r->nresources]);
  }
  return good && !ps->ms.nomem;
}

/* "address: any" speaks about the addresses of a host that the rule names. */
static bool read_address(struct parser *ps, const struct tree_item *item,
                         bool deny, struct policy_rule *r) {
  if (!parse_is_string(ps, item, "address"))
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
  const struct tree_item *at[PARSE_MAX_KEYS];
  struct tree_item resource = {.value = &nothing, .pos = item->pos};
  size_t before = ps->ms.total;

  if (item->value->kind != TREE_MAP) {
    mistakes_add(&ps->ms, item->pos,
                 "rule is %s, expected a map like {action: ..., "
                 "resource: ...}",
                 tree_describe(item->value));
    return false;
  }
  mistakes_read_keys(&ps->ms, item->value, rule_keys, at);
  r->line = item->pos.line;
  r->column = item->pos.column;
  if (!at[RULE_ACTION]) {
    mistakes_add(&ps->ms, item->pos,
                 "rule without an action, expected 'action'");
  } else if (at[RULE_ACTION]->value->kind == TREE_LIST) {
    mistakes_add(&ps->ms, at[RULE_ACTION]->pos,
                 "action is a list, expected a string: a rule has one action");
  } else if (parse_actions(ps, at[RULE_ACTION], r)) {
    if (at[RULE_RESOURCE])
      resource = *at[RULE_RESOURCE];
    if (resource.value->kind == TREE_LIST)
      mistakes_add(
          &ps->ms, resource.pos,
          "resource is a list, expected a string: a rule has one resource");
    else if (!at[RULE_RESOURCE] && r->use != PATTERN_FOR_CONNECT)
      mistakes_add(&ps->ms, item->pos,
                   "rule without a resource, expected 'resource'");
    else if (parse_resources(ps, &resource, p, r) && at[RULE_ADDRESS])
      read_address(ps, at[RULE_ADDRESS], p->deny, r);
  }
  return ps->ms.total == before && !ps->ms.nomem;
}

void parse_rules(struct parser *ps, const struct tree_item *item,
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
