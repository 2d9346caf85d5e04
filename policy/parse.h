/* parse.h - the text of a policy file to policies; every mistake of a file in
 * one pass.  For model.c. */
#ifndef POLICY_PARSE_H
#define POLICY_PARSE_H

#include "policy/model.h"

/* Receives each policy that was understood; it lives in the arena.
 * 0 or ERR_NOMEM */
typedef int parse_policy_fn(void *ud, struct policy *p);

/* Where parse_file puts what it finds. */
struct parse_into {
  struct arena *keep;
  struct regex_pool *regexes;
  struct policy_reference **references; /* newest first */
  bool compat;                          /* policy_set_compat */
};

/* Parses |text|.  |name| outlives the policies; what they hold is allocated
 * from |into->keep|, and their regular expressions are |into->regexes|', which
 * is not emptied after a mistake.  |on_mistake| may be NULL; it is called in
 * the order of the text, after the last policy was delivered.  0, ERR_SYNTAX or
 * ERR_NOMEM. */
int parse_file(const char *name, struct slice text,
               const struct tree_limits *limits, const struct parse_into *into,
               parse_policy_fn *on_policy, void *policy_ud,
               policy_mistake_fn *on_mistake, void *mistake_ud);

/* By id; equal ids by index.  In place, O(n log n). */
void parse_sort(struct policy **p, size_t n);

/* Of a namespace, an entry or a group: printable ASCII that needs no quotes and
 * does not look like two names. */
bool parse_is_name(struct slice s);
#define PARSE_NAME_RULE "letters, digits and _ - . / @ +, at most 128"

/* The namespace of the policies of policy_set_add_allow. */
#define PARSE_RESERVED_NAMESPACE "cli"

#endif
