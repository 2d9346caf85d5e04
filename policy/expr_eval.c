/* expr_eval.c - what an expression comes to, without an allocation, and which
 * part of it is false. */
#include "policy/expr_node.h"

const char *expr_op_name(enum compare_op op) {
  switch (op) {
  case OP_EQ:
    return "==";
  case OP_NE:
    return "!=";
  case OP_LT:
    return "<";
  case OP_LTE:
    return "<=";
  case OP_GT:
    return ">";
  case OP_GTE:
    return ">=";
  case OP_IN:
    return "in";
  case OP_NOT_IN:
    return "not in";
  case OP_CONTAINS:
    return "contains";
  case OP_STARTS:
    return "startsWith";
  case OP_ENDS:
    return "endsWith";
  case OP_MATCHES:
    return "matches";
  }
  return "";
}

/* ------------------------------------------------------------- evaluate --- */

struct run {
  const struct expr *expr;
  const struct facts *facts;
  struct effort effort;
};

static enum outcome eval_bool(struct run *r, const struct node *n);

/* The innermost node that failed says where. */
static enum outcome placed(struct run *r, const struct node *n,
                           enum outcome o) {
  struct fault *f = r->effort.fault;

  if (o == OUTCOME_ERROR && f->line == 0 && f->column == 0) {
    f->line = r->expr->place.line;
    f->column = r->expr->place.column ? r->expr->place.column + n->offset : 0;
  }
  return o;
}

static enum outcome truth(bool b) {
  return b ? OUTCOME_TRUE : OUTCOME_FALSE;
}

static enum outcome invert(enum outcome o) {
  return o == OUTCOME_ERROR ? o : truth(o == OUTCOME_FALSE);
}

static enum outcome eval_has(struct run *r, const struct field *f) {
  struct value v;
  bool there = field_get(f, r->facts, &r->effort, &v);

  return r->effort.fault->kind ? OUTCOME_ERROR : truth(there);
}

static enum outcome get(struct run *r, const struct node *n,
                        struct operand *ret) {
  ret->field = &n->as.field;
  if (!field_get(&n->as.field, r->facts, &r->effort, &ret->value))
    return operand_missing(&n->as.field, &r->effort);
  return OUTCOME_TRUE;
}

static enum outcome eval_len(struct run *r, const struct node *n,
                             struct operand *ret) {
  struct operand o = {.lower = false};
  size_t len = 0;

  if (get(r, n, &o) == OUTCOME_ERROR)
    return OUTCOME_ERROR;
  switch (o.value.type) {
  case VALUE_STRING:
    len = o.value.as.string.len;
    break;
  case VALUE_LIST:
    len = o.value.as.list.len;
    break;
  case VALUE_MAP:
    len = o.value.as.map.len;
    break;
  case VALUE_NULL:
  case VALUE_BOOL:
  case VALUE_INT:
  case VALUE_FLOAT:
    return operand_wrong(&o, "len()", "a string, a list or a map", &r->effort);
  }
  ret->value = (struct value){.type = VALUE_INT, .as.integer = (int64_t)len};
  return OUTCOME_TRUE;
}

/* OUTCOME_TRUE with the value, or an error. */
static enum outcome eval_operand(struct run *r, const struct node *n,
                                 struct operand *ret) {
  enum outcome o = OUTCOME_TRUE;

  *ret = (struct operand){.lower = false};
  if (n->kind == NODE_LITERAL) {
    ret->value = n->as.literal;
  } else if (n->kind == NODE_PATH || n->kind == NODE_LOWER) {
    o = get(r, n, ret);
    ret->lower = n->kind == NODE_LOWER;
    if (o == OUTCOME_TRUE && ret->lower && ret->value.type != VALUE_STRING)
      o = operand_wrong(ret, "lower()", "a string", &r->effort);
  } else if (n->kind == NODE_LEN) {
    o = eval_len(r, n, ret);
  } else {
    o = eval_bool(r, n);
    ret->value =
        (struct value){.type = VALUE_BOOL, .as.boolean = o == OUTCOME_TRUE};
    if (o != OUTCOME_ERROR)
      o = OUTCOME_TRUE;
  }
  if (o != OUTCOME_ERROR && !effort_spend(&r->effort, 0))
    o = OUTCOME_ERROR;
  return placed(r, n, o);
}

static bool is_nil(const struct node *n) {
  return n->kind == NODE_LITERAL && n->as.literal.type == VALUE_NULL;
}

/* |n| == nil: what is missing is nil, and so is null. */
static enum outcome eval_nil(struct run *r, const struct node *n) {
  struct operand o;

  if (n->kind == NODE_PATH)
    return placed(r, n, invert(eval_has(r, &n->as.field)));
  if (is_nil(n))
    return OUTCOME_TRUE;
  return eval_operand(r, n, &o) == OUTCOME_ERROR ? OUTCOME_ERROR
                                                 : OUTCOME_FALSE;
}

static enum outcome eval_in(struct run *r, const struct operand *item,
                            const struct node *list, const char *name) {
  enum outcome rv = OUTCOME_FALSE;
  struct operand o;

  if (list->kind != NODE_LIST) {
    if (eval_operand(r, list, &o) == OUTCOME_ERROR)
      return OUTCOME_ERROR;
    return operand_in(item, &o, name, &r->effort);
  }
  for (const struct node *n = list->items; n && rv == OUTCOME_FALSE;
       n = n->next) {
    if (eval_operand(r, n, &o) == OUTCOME_ERROR)
      return OUTCOME_ERROR;
    rv = operand_equal(item, &o, &r->effort);
  }
  return rv;
}

static enum outcome eval_two(struct run *r, const struct node *n,
                             const struct operand *a, const struct operand *b) {
  const char *name = expr_op_name(n->op);
  struct effort *w = &r->effort;

  switch (n->op) {
  case OP_EQ:
    return operand_equal(a, b, w);
  case OP_NE:
    return invert(operand_equal(a, b, w));
  case OP_LT:
    return operand_order(a, b, ORDER_LT, name, w);
  case OP_LTE:
    return operand_order(a, b, ORDER_LTE, name, w);
  case OP_GT:
    return operand_order(a, b, ORDER_GT, name, w);
  case OP_GTE:
    return operand_order(a, b, ORDER_GTE, name, w);
  case OP_CONTAINS:
    return operand_contains(a, b, name, w);
  case OP_STARTS:
    return operand_starts(a, b, name, w);
  case OP_ENDS:
    return operand_ends(a, b, name, w);
  case OP_MATCHES:
    return operand_matches(a, n->as.regex, name, w);
  case OP_IN:
  case OP_NOT_IN:
    break; /* eval_in */
  }
  return OUTCOME_ERROR;
}

static enum outcome eval_compare(struct run *r, const struct node *n) {
  const struct node *left = n->items, *right = left->next;
  struct operand a, b;
  enum outcome o;

  if (is_nil(left) || is_nil(right)) {
    o = eval_nil(r, is_nil(left) ? right : left);
    return n->op == OP_NE ? invert(o) : o;
  }
  if (eval_operand(r, left, &a) == OUTCOME_ERROR)
    return OUTCOME_ERROR;
  if (n->op == OP_IN || n->op == OP_NOT_IN) {
    o = eval_in(r, &a, right, expr_op_name(n->op));
    return n->op == OP_NOT_IN ? invert(o) : o;
  }
  if (eval_operand(r, right, &b) == OUTCOME_ERROR)
    return OUTCOME_ERROR;
  return eval_two(r, n, &a, &b);
}

/* A path that stands for a truth. */
static enum outcome eval_flag(struct run *r, const struct node *n) {
  struct operand o = {.lower = false};

  if (get(r, n, &o) == OUTCOME_ERROR)
    return OUTCOME_ERROR;
  if (o.value.type != VALUE_BOOL)
    return operand_wrong(&o, "expression", "a boolean", &r->effort);
  return truth(o.value.as.boolean);
}

/* Recurses as deep as EXPR_MAX_DEPTH lets the tree be. */
static enum outcome eval_bool(struct run *r, const struct node *n) {
  enum outcome o = OUTCOME_ERROR;

  if (!effort_spend(&r->effort, 0))
    return placed(r, n, OUTCOME_ERROR);
  switch (n->kind) {
  case NODE_AND:
  case NODE_OR:
    for (const struct node *item = n->items; item; item = item->next) {
      o = eval_bool(r, item);
      if (o != truth(n->kind == NODE_AND))
        break;
    }
    break;
  case NODE_NOT:
    o = invert(eval_bool(r, n->items));
    break;
  case NODE_COMPARE:
    o = eval_compare(r, n);
    break;
  case NODE_HAS:
    o = eval_has(r, &n->as.field);
    break;
  case NODE_PATH:
    o = eval_flag(r, n);
    break;
  case NODE_LITERAL:
    o = truth(n->as.literal.as.boolean); /* of other types: not compiled */
    break;
  case NODE_LIST:
  case NODE_LEN:
  case NODE_LOWER:
    break; /* not compiled where a boolean is needed */
  }
  return placed(r, n, o);
}

enum outcome expr_eval(const struct expr *x, const struct facts *facts,
                       struct fault *fault) {
  struct run r = {.expr = x, .facts = facts, .effort = {.fault = fault}};

  *fault = (struct fault){.kind = FAULT_NONE};
  return eval_bool(&r, x->root);
}

/* ---------------------------------------------------------------- words --- */

/* The part that makes |n| false: of "a && b && c" the first that is. */
static const struct node *find_false(struct run *r, const struct node *n) {
  while (n->kind == NODE_AND) {
    const struct node *item = n->items;
    while (item->next && eval_bool(r, item) == OUTCOME_TRUE)
      item = item->next;
    n = item;
  }
  return n;
}

#define MAX_SHOWN 4

struct shown {
  const struct field *fields[MAX_SHOWN];
  size_t n;
};

static void collect(const struct node *n, struct shown *s) {
  for (const struct node *item = n->items; item; item = item->next)
    collect(item, s);
  if (n->kind != NODE_PATH && n->kind != NODE_HAS && n->kind != NODE_LEN &&
      n->kind != NODE_LOWER)
    return;
  for (size_t i = 0; i < s->n; i++)
    if (slice_eq(s->fields[i]->source, n->as.field.source))
      return;
  if (s->n < MAX_SHOWN)
    s->fields[s->n++] = &n->as.field;
}

int expr_write_miss(const struct expr *x, const struct facts *facts,
                    struct buf *out) {
  struct fault fault = {.kind = FAULT_NONE};
  struct run r = {.expr = x, .facts = facts, .effort = {.fault = &fault}};
  const struct node *n = find_false(&r, x->root);
  struct shown s = {.n = 0};
  char text[200];
  int rv;

  str_escape(text, sizeof text,
             (struct slice){x->source.p + n->offset, n->end - n->offset});
  if ((rv = buf_addf(out, "%s is false", text)) != 0)
    return rv;
  collect(n, &s);
  for (size_t i = 0; rv == 0 && i < s.n; i++) {
    struct value v;
    str_escape(text, sizeof text, s.fields[i]->source);
    fault.kind = FAULT_NONE;
    r.effort.steps = 0;
    if ((rv = buf_addf(out, "%s%s is ", i ? ", " : " (", text)) != 0)
      return rv;
    if (field_get(s.fields[i], facts, &r.effort, &v))
      rv = field_write_value(&v, out);
    else
      rv = buf_adds(out, "missing");
  }
  return rv == 0 && s.n ? buf_addc(out, ')') : rv;
}
