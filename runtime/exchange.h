/* exchange.h - what a host and its script tell each other in values: the host's
 * side, for scripts in this process and in workers alike.  modules/bridge.h is
 * the script's.
 *
 * The host's callbacks are called from the loop, by one deferred call: never
 * while the script runs, and not at its expense. */
#ifndef RUNTIME_EXCHANGE_H
#define RUNTIME_EXCHANGE_H

#include "cordon/cordon.h"
#include "modules/bridge.h"
#include "runtime/net/loop.h"

struct cordon_host;
struct cordon_sandbox;
struct exchange;

#define EXCHANGE_OFFERS_MAX 1000

/* The script's side, told by this one: as bridge_answer and so on. */
struct script_ops {
  void (*answer)(struct exchange *x, uint32_t id,
                 const struct bridge_answer *answer);
  void (*invoke)(struct exchange *x, uint32_t id, struct slice method,
                 const struct value *args);
  void (*drop)(struct exchange *x, uint32_t id);
  void (*feed)(struct exchange *x, uint32_t channel, const struct value *value);
  void (*room)(struct exchange *x, uint32_t channel, uint32_t n);
  void (*told)(struct exchange *x, uint32_t id);
  void (*shut)(struct exchange *x, uint32_t channel);
  /* Is there room for answers?  NULL: always; else exchange_go_on says when. */
  bool (*ready)(const struct exchange *x);
};

struct cordon_channel {
  struct exchange *exchange;
  uint32_t number;
  enum offer_kind kind;
  uint32_t capacity;
  uint32_t used;   /* values the script has not taken; of an outlet: that wait
                      in |values| */
  bool shut;       /* by the host */
  bool shut_there; /* by the script */
  bool end_due;    /* the host is still to be told of that */
  bool wants_room; /* a send found none */
  bool room_due;
  bool paused;
  struct list values;
  cordon_room_fn *room;
  cordon_receive_fn *receive;
  void *ud;
};

/* What the host does for one offer. */
struct exchange_end {
  cordon_function *fn;
  void *ud;
  struct cordon_channel *channel; /* NULL: it is a function */
};

/* A call of the script.  It is the host's until that has answered it, and
 * outlives script and sandbox if need be. */
struct cordon_call {
  struct list node; /* in exchange.queue or calls, or cordon_host.orphans */
  struct exchange *exchange; /* NULL: the sandbox is no more */
  struct mem mem;
  uint32_t id;
  uint32_t function;
  struct guard_place where;
  size_t cost;
  struct arena arena;
  struct value args;
  bool in_callback;
  bool answered;
  bool gone;     /* nobody waits for the answer */
  bool gone_due; /* the host is still to be told of that */
  void (*on_gone)(void *ud);
  void *ud;
};

struct exchange {
  struct cordon_sandbox *sb;
  const struct script_ops *script;
  struct bridge_offer *offers;
  struct exchange_end *ends; /* in the same places */
  size_t noffers;
  size_t offers_cap;
  size_t ends_cap;
  struct arena names;
  cordon_value *input;
  bool keeps;
  struct deferred run;
  /* calls of the script */
  struct list queue; /* the host was not told of them */
  struct list calls;
  size_t ncalls; /* that are not answered */
  size_t calls_cost;
  /* values that the script has sent or returned and the host was not told */
  size_t sent_cost;
  size_t sent_max_cost; /* the script's memory, which is charged */
  /* calls of the host: struct outgoing */
  struct list outgoing;
  struct list done; /* of which the host is still to be told */
  size_t noutgoing;
  uint32_t last_id;
  /* what main returned */
  cordon_value *result;
  const struct err *result_error; /* NULL: |result| is it, NULL: null */
  bool ended;                     /* and so has the script */
};

void exchange_init(struct exchange *x, struct cordon_sandbox *sb);
/* Tells the host what it is still to be told; from then on there is no script.
 */
void exchange_close(struct exchange *x);
void exchange_deinit(struct exchange *x);
/* Calls that the host never answered. */
void exchange_drop_orphans(struct cordon_host *host);

/* A new offer: its place, or ERR_NOMEM, ERR_INVALID, ERR_FULL with |e|. */
int exchange_offer(struct exchange *x, enum offer_kind kind, const char *module,
                   const char *name, uint32_t capacity,
                   const struct exchange_end *end, struct err *e);
/* Is there an offer of that module? */
bool exchange_has_module(const struct exchange *x, const char *module);

/* The host's own calls; see cordon_sandbox_call and so on. */
int exchange_invoke(struct exchange *x, const char *method,
                    const struct value *args, uint64_t deadline_ms,
                    cordon_done_fn *done, void *ud, struct err *e);
/* The first call with |done| and |ud| that is not answered; 0 or ERR_NOT_FOUND
 */
int exchange_drop(struct exchange *x, cordon_done_fn *done, void *ud);
/* 0 or ERR_INVALID: it was answered before. */
int exchange_answer(struct cordon_call *call,
                    const struct bridge_answer *answer);
/* ERR_AGAIN: there is no room; ERR_CLOSED, ERR_INVALID */
int exchange_feed(struct cordon_channel *ch, const struct value *value,
                  struct err *e);
void exchange_shut_here(struct cordon_channel *ch);
/* A script is loaded: it hears which channels the host has closed before. */
void exchange_loaded(struct exchange *x);
void exchange_resume(struct cordon_channel *ch);

/* Out of the script, by a bridge or by a worker, who may lie: ERR_PROTOCOL if
 * that cannot be. Values are borrowed. */
int exchange_called(struct exchange *x, uint32_t id, uint32_t function,
                    const struct guard_place *where, const struct value *args);
void exchange_forgotten(struct exchange *x, uint32_t id);
int exchange_returned(struct exchange *x, uint32_t id,
                      const struct value *value, const struct err *e);
int exchange_sent(struct exchange *x, uint32_t channel,
                  const struct value *value);
int exchange_taken(struct exchange *x, uint32_t channel);
int exchange_shut(struct exchange *x, uint32_t channel);
void exchange_result(struct exchange *x, const struct value *value,
                     const struct err *e);
/* The script's side has room for answers again. */
void exchange_go_on(struct exchange *x);
/* The script is over: |code| and |e| (may be NULL) say how. */
void exchange_ended(struct exchange *x, int code, const struct err *e);

/* Tells the host at once what it is still to be told of a script that is over.
 */
void exchange_tell_rest(struct exchange *x);

/* For a script in this process. */
extern const struct bridge_ops exchange_bridge_ops; /* |ud|: the exchange */
extern const struct script_ops script_here;

#endif
