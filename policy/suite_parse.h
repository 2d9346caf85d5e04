/* suite_parse.h - the text of a test file to tests; every mistake in one pass.
 * For suite.c. */
#ifndef POLICY_SUITE_PARSE_H
#define POLICY_SUITE_PARSE_H

#include "policy/suite.h"

struct suite_file {
  struct suite_word *paths;
  size_t npaths;
  struct suite_test *tests;
  size_t ntests;
};

/* What it finds lives in |keep|.  |name| is for messages and only borrowed.
 * 0, ERR_SYNTAX or ERR_NOMEM */
int suite_parse(struct suite_file *ret, const char *name, struct slice text,
                const struct tree_limits *limits, struct arena *keep,
                policy_mistake_fn *fn, void *ud);

#endif
