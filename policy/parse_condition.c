/* parse_condition.c - when a policy applies: conditions and expressions. */
#include "policy/parse_in.h"

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

  if (!parse_is_string(ps, item, "field"))
    return false;
  if ((rv = field_parse(ret, item->value->text, ps->keep, &e)) == 0)
    check_url_field(ps, item, ret, p);
  return parse_compiled(ps, item, rv, &e);
}

enum {
  CONDITION_KEY_FIELD,
  CONDITION_KEY_OPERATOR,
  CONDITION_KEY_VALUE,
  CONDITION_KEY_VALUE_FROM
};
static const char *const condition_keys[] = {"field", "operator", "value",
                                             "value_from", NULL};

/* What other languages call them: "ge" is one letter away from "ne". */
static const struct {
  const char *word;
  enum condition_op op;
} operators_elsewhere[] = {
    {"=", CONDITION_EQ},          {"==", CONDITION_EQ},
    {"equal", CONDITION_EQ},      {"equals", CONDITION_EQ},
    {"!=", CONDITION_NE},         {"<>", CONDITION_NE},
    {"neq", CONDITION_NE},        {"not_equals", CONDITION_NE},
    {"<", CONDITION_LT},          {"<=", CONDITION_LTE},
    {"le", CONDITION_LTE},        {">", CONDITION_GT},
    {">=", CONDITION_GTE},        {"ge", CONDITION_GTE},
    {"not_in", CONDITION_NIN},    {"not in", CONDITION_NIN},
    {"notin", CONDITION_NIN},     {"includes", CONDITION_CONTAINS},
    {"~", CONDITION_MATCHES},     {"=~", CONDITION_MATCHES},
    {"regex", CONDITION_MATCHES},
};

static bool read_operator(struct parser *ps, const struct tree_item *item,
                          enum condition_op *ret) {
  if (!parse_is_string(ps, item, "operator"))
    return false;
  if (condition_op_find(item->value->text, ret) == 0)
    return true;
  for (size_t i = 0;
       i < sizeof operators_elsewhere / sizeof *operators_elsewhere; i++)
    if (slice_is(item->value->text, operators_elsewhere[i].word)) {
      mistakes_add(&ps->ms, item->pos, "unknown operator '%s', expected '%s'",
                   operators_elsewhere[i].word,
                   condition_op_names[operators_elsewhere[i].op]);
      return false;
    }
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
  parse_compiled(ps, item ? item : condition, rv, &e);
}

static void read_value_from(struct parser *ps, const struct tree_item *item,
                            const struct policy *p, struct condition *c) {
  struct err e;
  int rv;

  if (!parse_is_string(ps, item, "value_from"))
    return;
  rv = condition_set_value_from(c, item->value->text, ps->keep, &e);
  e.column = 0;
  if (parse_compiled(ps, item, rv, &e))
    check_url_field(ps, item, &c->value_from, p);
}

static void read_condition(struct parser *ps, const struct tree_item *item,
                           const struct policy *p, struct condition *c) {
  const struct tree_item *at[PARSE_MAX_KEYS];
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
  mistakes_read_keys(&ps->ms, item->value, condition_keys, at);
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

void parse_conditions(struct parser *ps, const struct tree_item *item,
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

void parse_expression(struct parser *ps, const struct tree_item *item,
                      struct policy *p) {
  struct expr_place place = {item->pos.line, 0};
  const struct field *url;
  unsigned use = policy_use(p);
  struct err e;
  int rv;

  if (!parse_is_string(ps, item, "expression"))
    return;
  if (parse_pos_inside(item, 1).line == item->value->pos.line &&
      item->value->text_column)
    place.column = parse_pos_inside(item, 1).column;
  rv = expr_compile(&p->expr, item->value->text, place, ps->regexes, ps->keep,
                    &e);
  if (rv == ERR_SYNTAX && !place.column && e.column > 1)
    mistakes_add(&ps->ms, item->pos, "%s (at byte %u of the expression)",
                 e.message, e.column);
  else if (parse_compiled(ps, item, rv, &e) &&
           (url = expr_url_field(p->expr)) && use && !(use & CARRIES_URL))
    mistakes_add(&ps->ms, item->pos,
                 "'%.*s' where no action carries a URL, expected the action "
                 "websocket.connect.url or websocket.connect.address",
                 MISTAKES_SHOWN(url->source));
}
