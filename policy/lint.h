/* lint.h - advice on a finished policy set: what loads, and yet does not do
 * what its author wants, or does more. */
#ifndef POLICY_LINT_H
#define POLICY_LINT_H

#include "policy/model.h"
#include "policy/suite.h"

/* Name in C, code.  The codes are frozen: files silence them by name. */
#define LINT_MAP(X)                                                            \
  X(ALLOW_ALL_MINUS_DENY, "allow-all-minus-deny")                              \
  X(BAD_SILENCE, "bad-silence")                                                \
  X(COMPAT, "compat")                                                          \
  X(DEAD_OR_SHADOWED, "dead-or-shadowed")                                      \
  X(DENY_CAN_ERROR, "deny-can-error")                                          \
  X(HOST_OPEN_END, "host-open-end")                                            \
  X(NETWORK_TOO_WIDE, "network-too-wide")                                      \
  X(NEVER_MATCHES, "never-matches")                                            \
  X(PRODUCT_OVERGRANT, "product-overgrant")                                    \
  X(REGEX_LOOSE, "regex-loose")                                                \
  X(UNKNOWN_REFERENCE, "unknown-reference")                                    \
  X(UNTESTED, "untested")

enum lint_code {
#define LINT_ENUM(name, text) LINT_##name,
  LINT_MAP(LINT_ENUM)
#undef LINT_ENUM
      LINT_CODES
};

/* "allow-all-minus-deny", ..., NULL; in the order of the alphabet */
extern const char *const lint_code_names[];

enum lint_level { LINT_NOTE, LINT_WARNING };

/* A text to put in the place of another, which stands on one line. */
struct lint_edit {
  uint32_t line; /* 0: none */
  uint32_t column;
  size_t len;       /* bytes that are replaced */
  const char *text; /* by this */
};

/* All of it lives until policy_lint returns, the texts are safe to print. */
struct lint_finding {
  enum lint_code code;
  enum lint_level level;
  const char *file;
  uint32_t line; /* 0: policy_set_add_allow */
  uint32_t column;
  const struct policy *policy; /* NULL: of another entry */
  const char *message;         /* what */
  const char *reason;          /* why it matters */
  const char *fix;             /* what to write instead */
  struct lint_edit edit; /* does that and changes no answer, where possible */
  size_t order;          /* private */
};

struct lint_options {
  /* What there is beside the policies: a map with the lists "actions" (names
   * and "name.*"), "groups", "policies" and "actor" (attributes below
   * actor.meta).  NULL: not declared. */
  const struct value *catalogue;
  /* Bound to the set, and run.  0: nothing is said about tests. */
  const struct suite *const *suites;
  size_t nsuites;
};

typedef void lint_fn(void *ud, const struct lint_finding *f);

/* Is |catalogue| what lint_options says?  0, or ERR_SYNTAX. */
int lint_check_catalogue(const struct value *catalogue, struct err *e);

/* Calls |fn| for each finding, in the order of files, lines and columns.  0 or
 * ERR_NOMEM, before the first call.  Time is near linear in the size of the
 * set; beyond a bound of work comparisons between policies are left out. */
int policy_lint(const struct policy_set *set, const struct lint_options *o,
                const struct mem *m, lint_fn *fn, void *ud);

/* The page about |code|, doc/lint/CODE.md; NULL: there is no such code. */
const char *lint_page(const char *code);

#endif
