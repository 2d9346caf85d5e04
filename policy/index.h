/* index.h - the fast road to the same decision: which resource patterns of a
 * set may match a subject.  It finds candidates, never decides: each of them is
 * judged by what the plain loop of decide.c judges with.  All that can match is
 * found; what cannot match may be found as well. */
#ifndef POLICY_INDEX_H
#define POLICY_INDEX_H

#include "policy/model.h"

struct policy_index;

/* Over |n| policies in the order of their ids, which outlive it.  Takes time
 * and memory linear in their patterns.  0 or ERR_NOMEM */
int policy_index_new(struct policy_index **ret, struct policy *const *policies,
                     size_t n, const struct mem *m);
void policy_index_free(struct policy_index *ix); /* NULL is harmless */

/*
 * The order of candidates.  Of a quiet policy nothing but its verdict can
 * matter: it cannot fail to be evaluated and says nothing about addresses, so
 * that after the first one of its kind that applies the others change nothing.
 */
enum index_stage { INDEX_LOUD, INDEX_QUIET_DENY, INDEX_QUIET_ALLOW };

/* One resource pattern of one rule of one policy. */
struct index_pair {
  const struct pattern *resource;
  const struct policy *policy;
  const struct policy_rule *rule;
  unsigned use; /* PATTERN_FOR_* of the rule's actions: a guard's bit is set if
                   and only if one of them matches its action */
};

/* More lists than that are no case for an index. */
#define INDEX_MAX_LISTS 64

/* One search; nothing to be freed. */
struct index_search {
  const struct policy_index *index;
  size_t nlists;
  struct index_list {
    const uint32_t *at;
    const uint32_t *end;
  } lists[INDEX_MAX_LISTS];
};

/* False: it cannot tell, ask the plain loop.  Never allocates. */
bool policy_index_search(struct index_search *s, const struct policy_index *ix,
                         struct slice action,
                         const struct pattern_subject *subject);

/* The candidates by stage, policy, rule, and place in the rule; some perhaps
 * twice.  NULL: no more */
const struct index_pair *policy_index_next(struct index_search *s);
enum index_stage policy_index_stage(const struct index_search *s,
                                    const struct index_pair *pair);

#endif
