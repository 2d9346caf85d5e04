/* authority.h - what the security module asks of the policies: in this process,
 * or, from a worker, of the process that has them.  No Lua. */
#ifndef MODULES_AUTHORITY_H
#define MODULES_AUTHORITY_H

#include "modules/guard.h"

struct services;

/* A question a script makes up.  Borrowed for the call. */
struct inquiry {
  const struct actor *actor; /* of policy:evaluate and scope:evaluate */
  struct slice action;
  struct slice resource;
  const struct value *meta; /* a map, or NULL */
};

/* Policies on their way to a script.  Borrowed until the next question. */
struct listing {
  void *set;  /* what they are part of; see hold */
  size_t len; /* places */
  const void *source;
  struct slice group;
  /* NULL: the policy in that place is not meant */
  const struct policy *(*at)(const struct listing *l, size_t i);
};

/* Called with the gate closed (runtime/base/gate.h).
 *
 * Policies are handed out with the set they are part of, which lives as long as
 * somebody holds it.  Of a policy only |id| is to be looked at: the rest may be
 * elsewhere.  Each function may also return ERR_NOMEM. */
struct authority {
  /* guard_ask: true, or false with |ret|, borrowed until the next question. */
  bool (*ask)(struct services *sv, struct slice action, struct slice resource,
              const struct guard_place *where, struct refusal *ret);
  /* Asks for security.policy.get, then finds.  0, ERR_DENIED with
   * |ret_refusal|, ERR_NOT_FOUND */
  int (*policy)(struct services *sv, struct slice id,
                const struct guard_place *where, void **ret_set,
                const struct policy **ret_policy, struct refusal *ret_refusal);
  /* Asks for security.policy_group.get.  0 or ERR_DENIED with |ret_refusal|; a
   * group that does not exist has no policies. */
  int (*group)(struct services *sv, struct slice id,
               const struct guard_place *where, struct listing *ret,
               struct refusal *ret_refusal);
  /* The policies in force. */
  int (*scope)(struct services *sv, struct listing *ret);
  /* What |len| policies, each of the set in the same place, say to |q|.  |one|:
   * what a single one says.  0 or ERR_INVALID with |e| */
  int (*evaluate)(struct services *sv, const struct inquiry *q,
                  const struct policy *const *policies, void *const *sets,
                  size_t len, bool one, enum verdict *ret, struct err *e);
  /* May the sandbox's actor do it?  Not recorded.  0 or ERR_INVALID with |e| */
  int (*can)(struct services *sv, const struct inquiry *q, bool *ret,
             struct err *e);
  void *(*hold)(void *set); /* returns |set| */
  void (*drop)(void *set);  /* NULL is harmless */
};

/* Of the policies in services.guard, in this process. */
extern const struct authority authority_here;

/* What scripts may put into a question.  Deciding cannot be stopped half-way,
 * so that what it looks at has to be short. */
#define INQUIRY_ACTION_MAX_BYTES 256
#define INQUIRY_RESOURCE_MAX_BYTES 4096
#define INQUIRY_ID_MAX_BYTES 512
/* 0 or ERR_INVALID with |e|: the action or the resource is too long. */
int inquiry_check(const struct inquiry *q, struct err *e);

#endif
