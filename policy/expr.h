/* expr.h - the expression language of security.policy.expr: text to a tree in
 * an arena, and the tree to true, false or an error. */
#ifndef POLICY_EXPR_H
#define POLICY_EXPR_H

#include "policy/field.h"

#define EXPR_MAX_BYTES 4096
#define EXPR_MAX_NODES 512      /* operands, list items and operators */
#define EXPR_MAX_DEPTH 32       /* "(", "[", "!" and "not" inside each other */
#define EXPR_MAX_LIST_ITEMS 256 /* of one list */

struct expr;

/* Where the text stands in its file; column 0: not letter by letter. */
struct expr_place {
  uint32_t line;
  uint32_t column;
};

/* Compiles |text| into |a|, which outlives the result, and its regular
 * expressions into |regexes|.  0; ERR_SYNTAX with a message, |e->column| being
 * the byte of |text| (from 1) where it is wrong; ERR_NOMEM. */
int expr_compile(const struct expr **ret, struct slice text,
                 struct expr_place place, struct regex_pool *regexes,
                 struct arena *a, struct err *e);

/* The first path below url, or NULL. */
const struct field *expr_url_field(const struct expr *x);

struct slice expr_source(const struct expr *x);

/* Does |x| hold?  On OUTCOME_ERROR |fault| says why and where.  No allocation
 * but RE2's own; at most FIELD_MAX_STEPS. */
enum outcome expr_eval(const struct expr *x, const struct facts *facts,
                       struct fault *fault);

/* For an expression that is false: the part that is, and what stands in it:
 * 'actor.id == meta.owner is false (actor.id is "user:1", meta.owner is
 * "user:2")'.  Safe to print.  0, ERR_FULL, ERR_NOMEM */
int expr_write_miss(const struct expr *x, const struct facts *facts,
                    struct buf *out);

#endif
