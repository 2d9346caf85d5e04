/* guard.h - the one gate: ask policy, record, let pass or refuse. */
#ifndef MODULES_GUARD_H
#define MODULES_GUARD_H

#include <lua.h>

#include "policy/decide.h"

/* Where in the script a question was asked. */
struct guard_place {
  char script[64]; /* as Lua's short_src; "" when not known */
  uint32_t line;
};

struct guard {
  const struct policy_set *set;
  const struct policy_scope *scope; /* NULL: everything is refused */
  const struct actor *actor;        /* NULL: likewise */
  /* Records a decision before it takes effect.  Not 0: it could not be
   * recorded, and an allow becomes a refusal.  NULL: nothing is recorded. */
  int (*record)(void *ud, const struct request *rq, const struct decision *d,
                const struct guard_place *where);
  void *ud;
  uint64_t allowed;
  uint64_t refused;
};

/* The line of script code that called into C. */
void guard_here(lua_State *L, struct guard_place *ret_where);

/* Decides and records.  |rq|'s actor is filled in.  No Lua: may be asked from
 * the loop.  True: allowed. */
bool guard_ask(struct guard *g, struct request *rq,
               const struct decision *url_decision,
               const struct guard_place *where, struct decision *ret_decision);

/* Pushes the error object of a refusal: PERMISSION_DENIED, not retryable,
 * details {action, resource, policy}. */
void guard_push_refusal(lua_State *L, const struct request *rq,
                        const struct decision *d);

#endif
