/* condition.h - one line of a policy's conditions: a field, an operator and
 * what to hold it against. */
#ifndef POLICY_CONDITION_H
#define POLICY_CONDITION_H

#include "policy/field.h"

/* Name in C, in a policy. */
#define CONDITION_OP_MAP(X)                                                    \
  X(EQ, "eq")                                                                  \
  X(NE, "ne")                                                                  \
  X(LT, "lt")                                                                  \
  X(GT, "gt")                                                                  \
  X(LTE, "lte")                                                                \
  X(GTE, "gte")                                                                \
  X(IN, "in")                                                                  \
  X(NIN, "nin")                                                                \
  X(EXISTS, "exists")                                                          \
  X(NEXISTS, "nexists")                                                        \
  X(CONTAINS, "contains")                                                      \
  X(NCONTAINS, "ncontains")                                                    \
  X(MATCHES, "matches")                                                        \
  X(NMATCHES, "nmatches")

enum condition_op {
#define CONDITION_OP_ENUM(name, text) CONDITION_##name,
  CONDITION_OP_MAP(CONDITION_OP_ENUM)
#undef CONDITION_OP_ENUM
};

struct condition {
  struct field field;
  enum condition_op op;
  bool has_value_from;
  struct field value_from;   /* if has_value_from */
  struct value value;        /* else; of exists: a boolean */
  const struct regex *regex; /* of matches, nmatches */
  uint32_t line;
  uint32_t column;
};

/* "eq", "ne", ..., NULL */
extern const char *const condition_op_names[];

const char *condition_op_name(enum condition_op op);

/* 0 or ERR_NOT_FOUND */
int condition_op_find(struct slice name, enum condition_op *ret);

/* Checks that |c|, whose op and value are set (|value| NULL: there is none),
 * makes sense, and compiles what is to be compiled.  What |value| points to
 * outlives |c|.  0; ERR_SYNTAX with a message; ERR_UNSUPPORTED (no RE2);
 * ERR_NOMEM. */
int condition_set_value(struct condition *c, const struct value *value,
                        struct regex_pool *regexes, struct arena *a,
                        struct err *e);
/* The same for "value_from", which is parsed. */
int condition_set_value_from(struct condition *c, struct slice path,
                             struct arena *a, struct err *e);

/* Does |c| hold?  On OUTCOME_ERROR |fault| says why (its condition number is
 * the caller's to set).  No allocation but RE2's own. */
enum outcome condition_eval(const struct condition *c,
                            const struct facts *facts, struct fault *fault);

/* For a condition that does not hold: 'actor.meta.role is "guest", wants one of
 * [reader, admin]'.  Safe to print.  0, ERR_FULL, ERR_NOMEM */
int condition_write_miss(const struct condition *c, const struct facts *facts,
                         struct buf *out);

#endif
