/* lint_in.h - what the files of lint share. */
#ifndef POLICY_LINT_IN_H
#define POLICY_LINT_IN_H

#include "policy/lint.h"

#define LINT_CONNECT "websocket.connect"
#define LINT_URL "websocket.connect.url"
#define LINT_ADDRESS "websocket.connect.address"
#define LINT_GUARDED                                                           \
  (PATTERN_FOR_CONNECT | PATTERN_FOR_URL | PATTERN_FOR_ADDRESS)

/* Comparisons of patterns in one run: some seconds. */
#define LINT_WORK_MAX ((size_t)30 * 1000 * 1000)
#define LINT_FINDINGS_MAX 100000

struct lint {
  const struct policy_set *set;
  const struct lint_options *options;
  struct arena arena;
  struct mem mem;
  struct lint_finding **found;
  size_t nfound;
  size_t cap;
  bool *attached; /* of each policy: an entry names it, so that it is in force
                     there and not with all others */
  bool grouped;   /* there are groups: a policy without one is named by itself,
                     and with its neighbours at most */
  struct slice *groups; /* "ns:name" of every policy, sorted */
  size_t ngroups;
  size_t work; /* comparisons left to this part of the run */
  bool nomem;
};

/* A finding without words, to be filled by the two below, which accept NULL;
 * NULL: no memory, or too many. */
struct lint_finding *lint_add(struct lint *l, enum lint_code code,
                              const struct policy *p, uint32_t line,
                              uint32_t column, const char *reason);
void lint_message(struct lint *l, struct lint_finding *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void lint_fix(struct lint *l, struct lint_finding *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void lint_note(struct lint_finding *f); /* lowers it to a note */

#define LINT_SHOWN(s) (int)((s).len > 120 ? 120 : (s).len), (s).p

/* Of what |p| can be asked, PATTERN_FOR_*, which |resource| of it can match. */
unsigned lint_live(const struct pattern *resource);

/* Sure that |a| matches whatever |b| does; false when not sure. */
bool lint_covers(const struct pattern *a, const struct pattern *b);

/* Is |name| one or more labels below |parent|? */
bool lint_is_below(struct slice name, struct slice parent);

/* Can both be in force at a time, as far as groups and entries say? */
bool lint_together(const struct lint *l, const struct policy *a,
                   const struct policy *b);

/* Does a condition or the expression ask where the connection goes? */
bool lint_asks_target(const struct policy *p);

/* Is |s| |word| with one or two letters wrong in one place?  Stricter than
 * str_nearest: for names that may well be right. */
bool lint_is_typo(struct slice s, struct slice word);

/* The policy "ns:name" that |r| means, or NULL. */
const struct policy *lint_find_policy(struct lint *l,
                                      const struct policy_reference *r);
/* Is any policy in the group that |r| means? */
bool lint_find_group(struct lint *l, const struct policy_reference *r);

/* One file each. */
void lint_patterns(struct lint *l, const struct policy *p);
void lint_conditions(struct lint *l, const struct policy *p);
void lint_together_all(struct lint *l);
void lint_names(struct lint *l);
void lint_tests(struct lint *l);

/* Each action the policies speak of in conditions: |s| is one of the values
 * "action" is compared with. */
void lint_action_name(struct lint *l, const struct policy *p, struct slice s,
                      uint32_t line, uint32_t column);
/* An attribute of the actor, or of the request. */
void lint_field_name(struct lint *l, const struct policy *p,
                     const struct field *f, uint32_t line, uint32_t column);

#endif
