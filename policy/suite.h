/* suite.h - policy tests: what a test file asks, whether a policy set answers
 * as it expects, what of the set that covered, and which changes of the set
 * nobody would notice. */
#ifndef POLICY_SUITE_H
#define POLICY_SUITE_H

#include "policy/decide.h"
#include "policy/model.h"
#include "policy/tree.h"

/* One file.  Reads no other: it names the policies it is about, and whoever
 * holds it loads them. */
struct suite;

enum suite_want {
  SUITE_ALLOW,
  SUITE_DENY, /* a policy or a rule of the engine says no, and sure */
  SUITE_UNDEFINED,
  SUITE_ERROR,  /* refused, and an evaluation failed */
  SUITE_REFUSED /* of "deny:" with URLs: anything but allow */
};

/* A word of the file, NUL-terminated; p NULL: it is not there. */
struct suite_word {
  struct slice text;
  struct tree_pos pos;
};

/* One question, and the answer it should get. */
struct suite_expectation {
  enum suite_want want;
  bool connect; /* |resource| is a URL: asks websocket.connect, then .url */
  bool held;    /* in the last run */
  struct slice action;
  struct slice resource;
  struct slice url; /* of an address; p NULL: none */
  struct tree_pos pos;
};

struct suite_test {
  struct suite_word name;
  const struct actor *actor; /* NULL: nobody */
  const struct value *meta;  /* a map or NULL */
  struct suite_word *scope;
  size_t nscope;            /* 0: every policy */
  struct suite_word policy; /* that must decide */
  struct suite_expectation *expectations;
  size_t nexpectations;
  bool ran;
  /* since suite_bind */
  size_t in_force;         /* which of the suite's scopes */
  const struct policy *by; /* |policy|, or NULL */
};

/* Parses |text|.  |name| is shown in messages and kept by copy.  0; ERR_SYNTAX
 * after |fn| (may be NULL) was called for each mistake, in the order of the
 * text; or ERR_NOMEM */
int suite_new(struct suite **ret, const char *name, struct slice text,
              const struct tree_limits *limits, const struct mem *m,
              policy_mistake_fn *fn, void *ud);
void suite_free(struct suite *s); /* NULL is harmless */

const char *suite_name(const struct suite *s);
/* The entries of "policies": files or folders, relative to the test file. */
size_t suite_paths(const struct suite *s);
const struct suite_word *suite_path(const struct suite *s, size_t i);
size_t suite_len(const struct suite *s); /* tests, in the order of the file */
const struct suite_test *suite_at(const struct suite *s, size_t i);

/* Says which policies the tests are about; |set| is finished, and the suite
 * takes a reference.  Looks up the names of scopes and policies.  0; ERR_SYNTAX
 * after |fn| was called for each that does not exist; ERR_BUSY (it is bound);
 * ERR_INVALID (the set is not finished) or ERR_NOMEM */
int suite_bind(struct suite *s, struct policy_set *set, policy_mistake_fn *fn,
               void *ud);

/* Runs test |i| of a bound suite.  |*ret_failed| is the number of expectations
 * that did not hold; for each, lines for people are appended to |why|: what was
 * expected, what came, and why; two blanks in front, a newline behind, safe to
 * print on a terminal.  0, ERR_FULL or ERR_NOMEM */
int suite_run(struct suite *s, size_t i, size_t *ret_failed, struct buf *why);

/* ------------------------------------------------------------- coverage --- */

enum suite_cover_kind {
  SUITE_COVER_POLICY,   /* yes: requests it applied to */
  SUITE_COVER_RULE,     /* yes: requests it matched, with its conditions */
  SUITE_COVER_CONDITION /* yes, no, error: its outcomes where the patterns of
                           its policy matched */
};

struct suite_cover {
  enum suite_cover_kind kind;
  const struct policy *policy;
  struct tree_pos pos;
  const char *text; /* the rule or the condition, for people; "" for a policy */
  uint32_t yes;
  uint32_t no;
  uint32_t error;
};

typedef void suite_cover_fn(void *ud, const struct suite_cover *c);

/* Tells what the tests that ran asked of each policy, in the order of their
 * ids, rules and conditions behind their policy.  0 or ERR_NOMEM */
int suite_coverage(const struct suite *s, suite_cover_fn *fn, void *ud);

/* -------------------------------------------------------------- mutants --- */

struct suite_mutant {
  const struct policy *policy;
  struct tree_pos pos;
  const char *change;               /* "drop rule 2", for people */
  const struct suite_test *noticed; /* a test that fails with it; NULL: none */
  const char *witness; /* of one that survives: a URL it answers otherwise, if
                          no other policy does; NULL: none is known */
};

typedef void suite_mutant_fn(void *ud, const struct suite_mutant *m);

/* Tries small changes of the policies, one at a time: another effect, a rule, a
 * pattern or a condition less, a wider pattern; and tells for each whether an
 * expectation that held would hold no more.  Tests that did not run do not
 * count.  0 or ERR_NOMEM */
int suite_mutate(struct suite *s, suite_mutant_fn *fn, void *ud);

/* ------------------------------------------- between suite.c, mutate.c --- */

/* The requests of one expectation.  Points into itself: not to be copied. */
struct suite_asked {
  const struct suite_expectation *expectation;
  struct request requests[2];
  size_t nrequests;
  bool address; /* the second rests on the decision of the first */
  bool is_url;
  struct url url; /* if is_url */
  struct ip ip;
};

void suite_ask(struct suite_asked *a, const struct suite_test *t,
               const struct suite_expectation *x);
/* By the policies of |list|, in the order of their ids.  |*ret_last| is which
 * of the requests settled it. */
struct decision suite_settle(const struct suite_asked *a,
                             const struct policy *const *list, size_t len,
                             size_t *ret_last);
bool suite_holds(const struct suite_test *t, const struct suite_expectation *x,
                 const struct decision *d);
/* The policies in force for a test. */
const struct policy *const *suite_in_force(const struct suite *s,
                                           const struct suite_test *t,
                                           size_t *ret_len);
const struct policy_set *suite_set(const struct suite *s);
const struct mem *suite_mem(const struct suite *s);

#endif
