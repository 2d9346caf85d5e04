/* bridge.h - what a script and its host tell each other in values: functions of
 * the host that scripts call, functions of the script that the host calls,
 * channels between them, and what main takes and returns.  This is the script's
 * side; the host's (runtime/exchange.h) is in this process or behind a worker's
 * socket, and knows no Lua.
 *
 * Values cross by copy.  What waits for the script is charged to it, and so is
 * what it has sent and the host has not taken yet. */
#ifndef MODULES_BRIDGE_H
#define MODULES_BRIDGE_H

#include "modules/guard.h"
#include "runtime/base/err.h"
#include "runtime/base/list.h"
#include "runtime/base/value.h"
#include "runtime/vm/sched.h"

struct bridge;
struct channel;

/* Calls of one script to its host under way at a time. */
#define BRIDGE_CALLS_MAX 1000
#define BRIDGE_CALLS_MAX_COST (16u << 20) /* value_may_cross, all together */
/* Calls of the host. */
#define BRIDGE_INVOCATIONS_MAX 1000
#define BRIDGE_NAME_MAX 200 /* bytes of a module's or a function's name */

enum offer_kind {
  OFFER_FUNCTION,
  OFFER_INLET, /* a channel from the host to the script */
  OFFER_OUTLET /* and the other way */
};

/* What the host has in the module |module|.  Its place in the list of all
 * offers is its number in messages. */
struct bridge_offer {
  enum offer_kind kind;
  const char *module;
  const char *name;
  const char *what;  /* "module.name" */
  uint32_t capacity; /* of a channel, from 1 */
};

/* The answer to a call of the script. */
struct bridge_answer {
  bool ok;
  const struct value *value; /* ok; NULL: null */
  struct slice kind;         /* else: see errors.h */
  struct slice message;
  bool retryable;
  const struct refusal *refusal; /* a policy's, and nothing of the above; or
                                    NULL */
};

/* The host's side, told by the script's.  Called with the gate closed; no Lua.
 * Values are borrowed. */
struct bridge_ops {
  /* The script calls offer |function|; answered by bridge_answer with |id|.
   * 0 or ERR_NOMEM */
  int (*call)(struct bridge *b, uint32_t id, uint32_t function,
              const struct guard_place *where, const struct value *args);
  /* Nobody waits for the answer to |id| any more, which comes all the same: the
   * script pays for the call until then. */
  void (*forget)(struct bridge *b, uint32_t id);
  /* The end of the host's call |id|: a value (NULL: null), or |e|. */
  void (*returned)(struct bridge *b, uint32_t id, const struct value *value,
                   const struct err *e);
  /* Into the outlet |channel|, which has room.  0 or ERR_NOMEM */
  int (*send)(struct bridge *b, uint32_t channel, const struct value *value);
  /* One value has left the inlet |channel|. */
  void (*taken)(struct bridge *b, uint32_t channel);
  /* The script closes the outlet |channel|. */
  void (*shut)(struct bridge *b, uint32_t channel);
  /* What main returned: a value (NULL: null), or why it is none. */
  void (*result)(struct bridge *b, const struct value *value,
                 const struct err *e);
};

/* What a value takes on the host's side beside value_may_cross, at most. */
#define BRIDGE_VALUE_BYTES 256

/* The script's end of one channel. */
struct bridge_channel {
  struct bridge *bridge;
  uint32_t number;
  struct channel *channel; /* NULL: no script has required it */
  struct list early;       /* items from before that */
  size_t used;             /* places of an outlet */
  struct list held; /* of an outlet, what the host has not taken: it is the
                       host's memory, at the script's expense */
  bool shut;        /* by the host */
};

struct bridge {
  const struct bridge_ops *ops;
  void *ud; /* for them */
  struct state *st;
  struct mem mem; /* of the state: charged to the script */
  /* What the host has: the owner's, and as long-lived. */
  const struct bridge_offer *offers;
  size_t noffers;
  const struct value *input; /* NULL: none */
  bool keeps; /* what the script returned is there to be called */
  /* private */
  struct mem base;
  struct bridge_channel *channels; /* by offer; made by bridge_start */
  struct list calls;
  struct list forgotten; /* the host still has them */
  uint32_t last_id;
  size_t ncalls; /* of both */
  size_t calls_cost;
  struct list results; /* of its calls, which the host was not told */
  struct list waiting; /* invocations that have not begun */
  struct list running;
  struct wait idle; /* of the main task of a script that is kept */
  bool ended;
};

void bridge_init(struct bridge *b, const struct bridge_ops *ops, void *ud);
/* Before the script is loaded: its modules can be required.  0 or ERR_NOMEM */
int bridge_start(struct bridge *b, struct state *st);
/* The script has ended, its state may live: nothing is told any more. */
void bridge_end(struct bridge *b);
/* The state is gone. */
void bridge_deinit(struct bridge *b);

/* For struct state_host: pushes what comes before the script's arguments;
 * returns how many values. */
int bridge_arguments(struct bridge *b, lua_State *L);
/* The main task of |L| is done: its results are the values from |first| on, and
 * the table the script returned, if it did, is at |table| (else 0).  Returns as
 * a C function does. */
int bridge_returned(struct bridge *b, lua_State *L, int table, int first);

/* From the host, out of the loop or any of its callbacks; no Lua.  What comes
 * too late is harmless. */
void bridge_answer(struct bridge *b, uint32_t id,
                   const struct bridge_answer *answer);
void bridge_invoke(struct bridge *b, uint32_t id, struct slice method,
                   const struct value *args);
/* The host does not wait for |id| any more: its task goes.  Told as returned,
 * ERR_CANCELED, if it has not been yet. Not from inside a script's run. */
void bridge_drop(struct bridge *b, uint32_t id);
/* A value for an inlet that has room. */
void bridge_feed(struct bridge *b, uint32_t channel, const struct value *value);
/* There is room for |n| more in an outlet. */
void bridge_room(struct bridge *b, uint32_t channel, uint32_t n);
/* The host was told what its call |id| returned, or does not want to know.  Not
 * in the order in which calls returned: what nobody waits for goes at once,
 * past those that wait, and they are of other sizes.  Who let go of another's
 * would find room that the host does not. */
void bridge_told(struct bridge *b, uint32_t id);
/* The host closes its end of a channel. */
void bridge_shut(struct bridge *b, uint32_t channel);

#endif
