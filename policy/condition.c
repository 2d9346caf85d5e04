/* condition.c - fourteen operators, checked at load and evaluated to true,
 * false or an error. */
#include "policy/condition.h"

const char *const condition_op_names[] = {
#define CONDITION_OP_TEXT(name, text) text,
    CONDITION_OP_MAP(CONDITION_OP_TEXT)
#undef CONDITION_OP_TEXT
        NULL};

const char *condition_op_name(enum condition_op op) {
  return condition_op_names[op];
}

int condition_op_find(struct slice name, enum condition_op *ret) {
  for (size_t i = 0; condition_op_names[i]; i++)
    if (slice_is(name, condition_op_names[i])) {
      *ret = (enum condition_op)i;
      return 0;
    }
  return ERR_NOT_FOUND;
}

/* ----------------------------------------------------------------- load --- */

static int wants(const struct condition *c, const struct value *v,
                 const char *what, struct err *e) {
  return err_setf(e, ERR_SYNTAX, "value of '%s' is %s%s, expected %s",
                  condition_op_name(c->op),
                  v->type == VALUE_NULL ? "nothing" : "a ",
                  v->type == VALUE_NULL ? "" : value_type_name(v->type), what);
}

static int check_value(const struct condition *c, const struct value *v,
                       struct err *e) {
  switch (c->op) {
  case CONDITION_EQ:
  case CONDITION_NE:
    if (v->type == VALUE_NULL)
      return wants(c, v, "a value; what is missing is found with 'nexists'", e);
    break;
  case CONDITION_LT:
  case CONDITION_GT:
  case CONDITION_LTE:
  case CONDITION_GTE:
    if (v->type != VALUE_INT && v->type != VALUE_FLOAT &&
        v->type != VALUE_STRING)
      return wants(c, v, "a number or a string", e);
    break;
  case CONDITION_IN:
  case CONDITION_NIN:
    if (v->type != VALUE_LIST)
      return wants(c, v, "a list like [reader, admin]", e);
    if (v->as.list.len >= FIELD_MAX_STEPS)
      return err_setf(e, ERR_SYNTAX,
                      "list of %zu items, expected fewer than %d",
                      v->as.list.len, FIELD_MAX_STEPS);
    break;
  case CONDITION_EXISTS:
  case CONDITION_NEXISTS:
    if (v->type != VALUE_BOOL)
      return wants(c, v, "true or false", e);
    break;
  case CONDITION_CONTAINS:
  case CONDITION_NCONTAINS:
    if (v->type == VALUE_NULL)
      return wants(c, v, "a value", e);
    break;
  case CONDITION_MATCHES:
  case CONDITION_NMATCHES:
    if (v->type != VALUE_STRING)
      return wants(c, v, "a regular expression in quotes", e);
    break;
  }
  return 0;
}

static bool is_regex(const struct condition *c) {
  return c->op == CONDITION_MATCHES || c->op == CONDITION_NMATCHES;
}

static bool asks_existence(const struct condition *c) {
  return c->op == CONDITION_EXISTS || c->op == CONDITION_NEXISTS;
}

int condition_set_value(struct condition *c, const struct value *value,
                        struct regex_pool *regexes, struct arena *a,
                        struct err *e) {
  struct value yes = {.type = VALUE_BOOL, .as.boolean = true};
  int rv;

  if (!value && !asks_existence(c))
    return err_setf(e, ERR_SYNTAX,
                    "condition without a value, expected 'value'%s",
                    is_regex(c) ? "" : " or 'value_from'");
  if (!value)
    value = &yes;
  if ((rv = check_value(c, value, e)) != 0)
    return rv;
  c->value = *value;
  if (is_regex(c))
    return regex_compile(&c->regex, value->as.string, regexes, a, e);
  return 0;
}

int condition_set_value_from(struct condition *c, struct slice path,
                             struct arena *a, struct err *e) {
  int rv;

  if (is_regex(c))
    return err_setf(e, ERR_SYNTAX,
                    "'value_from' with '%s', expected 'value': regular "
                    "expressions are compiled when the policy is loaded",
                    condition_op_name(c->op));
  if (asks_existence(c))
    return err_setf(e, ERR_SYNTAX,
                    "'value_from' with '%s', expected 'value: true' or "
                    "'value: false'",
                    condition_op_name(c->op));
  if ((rv = field_parse(&c->value_from, path, a, e)) == 0)
    c->has_value_from = true;
  return rv;
}

/* ------------------------------------------------------------- evaluate --- */

static enum outcome not(enum outcome o) {
  return o == OUTCOME_ERROR  ? OUTCOME_ERROR
         : o == OUTCOME_TRUE ? OUTCOME_FALSE
                             : OUTCOME_TRUE;
}

/* Both sides are there. */
static enum outcome compare(const struct condition *c, const struct operand *f,
                            const struct operand *v, struct effort *w) {
  const char *name = condition_op_name(c->op);

  switch (c->op) {
  case CONDITION_EQ:
    return operand_equal(f, v, w);
  case CONDITION_NE:
    return not(operand_equal(f, v, w));
  case CONDITION_LT:
    return operand_order(f, v, ORDER_LT, name, w);
  case CONDITION_GT:
    return operand_order(f, v, ORDER_GT, name, w);
  case CONDITION_LTE:
    return operand_order(f, v, ORDER_LTE, name, w);
  case CONDITION_GTE:
    return operand_order(f, v, ORDER_GTE, name, w);
  case CONDITION_IN:
    return operand_in(f, v, name, w);
  case CONDITION_NIN:
    return not(operand_in(f, v, name, w));
  case CONDITION_CONTAINS:
    return operand_contains(f, v, name, w);
  case CONDITION_NCONTAINS:
    return not(operand_contains(f, v, name, w));
  case CONDITION_MATCHES:
    return operand_matches(f, c->regex, name, w);
  case CONDITION_NMATCHES:
    return not(operand_matches(f, c->regex, name, w));
  case CONDITION_EXISTS:
  case CONDITION_NEXISTS:
    break; /* asked before */
  }
  return OUTCOME_ERROR;
}

enum outcome condition_eval(const struct condition *c,
                            const struct facts *facts, struct fault *fault) {
  struct effort w = {.fault = fault};
  struct operand field = {.field = &c->field};
  struct operand value = {.value = c->value};
  enum outcome rv;
  bool there;

  *fault = (struct fault){.kind = FAULT_NONE};
  there = field_get(&c->field, facts, &w, &field.value);
  if (fault->kind != FAULT_NONE) {
    rv = OUTCOME_ERROR;
  } else if (asks_existence(c)) {
    rv = (there == c->value.as.boolean) == (c->op == CONDITION_EXISTS)
             ? OUTCOME_TRUE
             : OUTCOME_FALSE;
  } else if (!there) {
    rv = operand_missing(&c->field, &w);
  } else {
    rv = OUTCOME_TRUE;
    if (c->has_value_from) {
      value.field = &c->value_from;
      if (!field_get(&c->value_from, facts, &w, &value.value))
        rv = operand_missing(&c->value_from, &w);
    }
    if (rv == OUTCOME_TRUE)
      rv = compare(c, &field, &value, &w);
  }
  if (rv == OUTCOME_ERROR) {
    fault->line = c->line;
    fault->column = c->column;
  }
  return rv;
}

/* ---------------------------------------------------------------- words --- */

static const char *wish(enum condition_op op) {
  switch (op) {
  case CONDITION_EQ:
    return "wants";
  case CONDITION_NE:
    return "wants anything but";
  case CONDITION_LT:
    return "wants less than";
  case CONDITION_GT:
    return "wants more than";
  case CONDITION_LTE:
    return "wants at most";
  case CONDITION_GTE:
    return "wants at least";
  case CONDITION_IN:
    return "wants one of";
  case CONDITION_NIN:
    return "wants none of";
  case CONDITION_CONTAINS:
    return "wants it to contain";
  case CONDITION_NCONTAINS:
    return "wants it not to contain";
  case CONDITION_MATCHES:
    return "wants it to match";
  case CONDITION_NMATCHES:
    return "wants it not to match";
  case CONDITION_EXISTS:
  case CONDITION_NEXISTS:
    break;
  }
  return "wants";
}

static int write_field(const struct field *f, struct buf *out) {
  char text[160];

  str_escape(text, sizeof text, f->source);
  return buf_adds(out, text);
}

int condition_write_miss(const struct condition *c, const struct facts *facts,
                         struct buf *out) {
  struct fault fault = {.kind = FAULT_NONE};
  struct effort w = {.fault = &fault};
  struct value v;
  bool there = field_get(&c->field, facts, &w, &v);
  int rv;

  if ((rv = write_field(&c->field, out)) != 0)
    return rv;
  if (asks_existence(c))
    return buf_adds(out, there ? " is there, wants it not to be"
                               : " is missing, wants it to be there");
  if ((rv = buf_adds(out, there ? " is " : " is missing")) != 0 ||
      (there && (rv = field_write_value(&v, out)) != 0) ||
      (rv = buf_addf(out, ", %s ", wish(c->op))) != 0)
    return rv;
  if (!c->has_value_from)
    return field_write_value(&c->value, out);
  if ((rv = write_field(&c->value_from, out)) != 0 ||
      !field_get(&c->value_from, facts, &w, &v))
    return rv == 0 ? buf_adds(out, ", which is missing") : rv;
  if ((rv = buf_adds(out, ", which is ")) != 0)
    return rv;
  return field_write_value(&v, out);
}
