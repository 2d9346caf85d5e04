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

enum guard_mode {
  GUARD_ENFORCE,
  GUARD_COMPLAIN, /* what no policy speaks of passes; refusals do not */
  GUARD_DRY_RUN   /* as enforce; connections that would be opened are not */
};

/* What was asked, answered, and came of it.  Borrowed for the call. */
struct guard_event {
  const struct request *request;
  const struct decision *decision;
  const struct guard_place *where;
  bool passes;         /* in complain mode also what no policy allows */
  uint64_t latency_ns; /* of the decision */
};

struct guard {
  struct policy_set *set;
  const struct policy_scope *scope; /* NULL: everything is refused */
  const struct actor *actor;        /* NULL: likewise */
  enum guard_mode mode;
  /* Records a decision before it takes effect.  Not 0: it could not be
   * recorded, and what would pass is refused.  NULL: nothing is recorded. */
  int (*record)(void *ud, const struct guard_event *event);
  /* The CPU time that is left to the script: so long may an answer take, for
   * with what comes later it could do nothing.  UINT64_MAX: any; may be NULL */
  uint64_t (*left_ns)(void *ud);
  void *ud;
  uint64_t allowed;
  uint64_t refused;
};

/* The line of script code that called into C. */
void guard_here(lua_State *L, struct guard_place *ret_where);

/* Decides and records.  |rq|'s actor is filled in.  No Lua: may be asked from
 * the loop.  True: it may be done.  |*ret_decision| is the policies' answer, or
 * a refusal when that could not be recorded. */
bool guard_ask(struct guard *g, struct request *rq,
               const struct decision *url_decision,
               const struct guard_place *where, struct decision *ret_decision);

/* The same question without consequences: what guard_ask would answer, not
 * recorded and not counted.  With the gate closed: the regex library locks. */
bool guard_would(const struct guard *g, struct request *rq,
                 const struct decision *url_decision,
                 struct decision *ret_decision);

/* What complain mode lets through is judged further as if a policy allowed just
 * this URL: a name that leads to a private address is still refused. */
struct decision guard_allow_of_url(const struct url *url);

/* What a script is told of a refusal. */
struct refusal {
  struct slice action;
  struct slice resource;
  struct slice policy; /* that denies; p NULL: none does */
  struct slice reason; /* where none does */
};

/* Points into |rq| and |d|. */
void refusal_of(struct refusal *ret, const struct request *rq,
                const struct decision *d);

/* Pushes the error object of a refusal: PERMISSION_DENIED, not retryable,
 * details {action, resource, policy}. */
void guard_push_refusal(lua_State *L, const struct refusal *r);

#endif
