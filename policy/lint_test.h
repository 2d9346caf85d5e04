/* lint_test.h - what a condition, and a part of an expression, come to: one
 * comparison of a field. */
#ifndef POLICY_LINT_TEST_H
#define POLICY_LINT_TEST_H

#include "policy/lint_in.h"

enum test_op {
  TEST_EQ,
  TEST_NE,
  TEST_LT,
  TEST_GT,
  TEST_LTE,
  TEST_GTE,
  TEST_IN,
  TEST_NIN,
  TEST_EXISTS,
  TEST_NEXISTS,
  TEST_CONTAINS,
  TEST_NCONTAINS,
  TEST_STARTS,
  TEST_ENDS,
  TEST_MATCHES,
  TEST_NMATCHES
};

/* One comparison of a field: a condition, or such a part of an expression. */
struct test {
  const struct field *field;
  enum test_op op;
  const struct value *value; /* NULL: another field, or computed */
  const struct regex *regex;
  bool lower; /* lower(field) */
  bool len;   /* len(field): nothing is known about it */
  uint32_t line;
  uint32_t column;
};

/* Is |f| the host of a URL? */
bool lint_is_host(const struct field *f);

/* Advice on the regular expression of |t|, or on the part of a host or a URL
 * that it compares. */
void lint_regex(struct lint *l, const struct policy *p, const struct test *t);
void lint_open_text(struct lint *l, const struct policy *p,
                    const struct test *t);

#endif
