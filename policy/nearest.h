/* nearest.h - which policies came nearest to allowing a request, ranked so that
 * the first is the one a person means. */
#ifndef POLICY_NEAREST_H
#define POLICY_NEAREST_H

#include "policy/decide.h"

/* An allow that does not apply, and everything that keeps it from applying. */
struct miss {
  const struct policy *policy;
  const struct policy_rule *rule;
  /* Of the rule: the one that matches, or came nearest; NULL: the resource is
   * that of another question (|lacks_empty|). */
  const struct pattern *resource;
  unsigned parts;               /* PATTERN_PART_* of |resource| that fail */
  const struct pattern *action; /* NULL: it matches; else it is for this one */
  bool lacks_empty;             /* websocket.connect without the resource "" */
  bool unmet;     /* a condition or the expression does not hold, or cannot be
                     evaluated */
  bool outside;   /* it would apply, but is not in force */
  unsigned score; /* the higher, the nearer */
};

#define NEAREST_MAX 16

/* Completes |q|: the URL and the address that its resource is, where its action
 * carries one and they are not set.  |url| and |ip| lend the room.  False: it
 * is no URL or no address. */
bool nearest_complete(struct request *q, struct url *url, struct ip *ip);

/* At most |max| <= NEAREST_MAX misses, the nearest first, one a policy, those
 * that are out of the question left out; returns how many.  |set|: where
 * policies may be that are not in force; NULL: nowhere.  |q| is complete.  The
 * same for the same policies, whatever their order; time linear in them. */
size_t nearest_find(struct miss *ret, size_t max, const struct policy_set *set,
                    const struct policy_scope *scope, const struct request *q);

/* Is |a| perhaps |b| misspelt?  Not where only numbers differ, or in what is
 * too short to tell. */
bool nearest_is_typo(struct slice a, struct slice b);
/* The beginning of |text| that is perhaps |prefix| misspelt; empty: none. */
struct slice nearest_typo_prefix(struct slice text, struct slice prefix);

#endif
