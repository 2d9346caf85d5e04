/* expr_node.h - the tree of an expression; for expr*.c, and for those who read
 * expressions without evaluating them (lint.h). */
#ifndef POLICY_EXPR_NODE_H
#define POLICY_EXPR_NODE_H

#include "policy/expr.h"

enum node_kind {
  NODE_LITERAL, /* |literal|; VALUE_NULL is nil */
  NODE_LIST,    /* with paths in it, right of "in" only; other lists are
                   literals */
  NODE_PATH,
  NODE_HAS,
  NODE_LEN,
  NODE_LOWER,
  NODE_NOT,
  NODE_AND,
  NODE_OR,
  NODE_COMPARE
};

enum compare_op {
  OP_EQ,
  OP_NE,
  OP_LT,
  OP_LTE,
  OP_GT,
  OP_GTE,
  OP_IN,
  OP_NOT_IN,
  OP_CONTAINS,
  OP_STARTS,
  OP_ENDS,
  OP_MATCHES
};

const char *expr_op_name(enum compare_op op); /* as it is written: "!=" */

struct node {
  enum node_kind kind;
  enum compare_op op; /* of NODE_COMPARE */
  uint32_t offset;    /* in the source */
  uint32_t end;
  struct node *next;  /* the next operand or item */
  struct node *items; /* of what has operands: the first */
  union {
    struct value literal;
    struct field field; /* PATH, HAS, LEN, LOWER */
    const struct regex *regex;
  } as;
};

struct expr {
  struct slice source;
  struct expr_place place;
  const struct node *root;
  const struct field *url_field;
};

#endif
