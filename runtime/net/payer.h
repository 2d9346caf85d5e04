/* payer.h - for whom a loop works: the CPU time of its thread is shared out
 * among those who cause it, so that no script can do its work in turns of the
 * loop, nor one script at the cost of another.
 *
 * At any time one payer, or nobody, has the thread.  The clock, which is a
 * system call, is read when the thread passes from one to another, and not
 * while one has it for many turns' callbacks.  What is started (a watch, a
 * timer, a deferred call) belongs to the one who has the thread then, and its
 * callback begins with giving the thread to him; an id of a payer that is gone
 * is nobody's. */
#ifndef RUNTIME_NET_PAYER_H
#define RUNTIME_NET_PAYER_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"

/* Time that nobody has (the look at the poller, the resolver's work) is paid by
 * the next payer: it is what led to him.  At most so much at once, for others
 * can have caused it; and of the time between two turns, which the program may
 * have used for itself, at most that. */
#define PAYER_TOLL_MAX_NS UINT64_C(60000)
#define PAYER_GAP_MAX_NS UINT64_C(30000)

/* Embedded in its owner, zeroed before payer_add. */
struct payer {
  uint64_t id;     /* 0: nobody */
  uint64_t cpu_ns; /* what it has paid; till_paid_ns has the rest */
  /* Called when |cpu_ns| has come to |alarm_ns|, which is UINT64_MAX then.  May
   * set it anew; must not do more than schedule. */
  uint64_t alarm_ns;
  void (*alarm)(void *ud);
  void *ud;
};

struct till {
  struct mem mem;
  struct payer *now;    /* NULL: nobody */
  struct payer *always; /* who pays where nobody would */
  uint64_t since_ns;    /* CPU time of the thread when |now| got it */
  uint64_t ended_ns;    /* likewise, of the last turn's end; 0: none */
  uint64_t ended_mono_ns;
  struct till_place *places;
  uint32_t nplaces;
  uint32_t npayers;
  uint32_t free_place; /* 1 and more; 0: none */
};

void till_init(struct till *t, const struct mem *m);
void till_deinit(struct till *t);

int payer_add(struct till *t, struct payer *p);     /* 0 or ERR_NOMEM */
void payer_remove(struct till *t, struct payer *p); /* harmless twice */

/* A turn of the loop; outside of it nobody has the thread. */
void till_turn_begin(struct till *t);
void till_turn_end(struct till *t);
/* All time from now on that is nobody else's is |p|'s, between turns too: for a
 * process that is there for one script. */
void till_always(struct till *t, struct payer *p);

/* From now on |p| has the thread, or nobody; the id of who had it before. */
uint64_t till_pass(struct till *t, struct payer *p);
uint64_t till_pass_id(struct till *t, uint64_t id);
/* What nobody had until now is the program's own, which nobody pays; then |id|
 * has the thread. */
void till_give_back(struct till *t, uint64_t id);
static inline uint64_t till_id(const struct till *t) {
  return t->now ? t->now->id : 0;
}

/* What |p| has paid and owes.  Also from a signal handler, while |p| has the
 * thread. */
uint64_t till_paid_ns(const struct till *t, const struct payer *p);
/* What was done for it elsewhere. */
void payer_charge(struct payer *p, uint64_t ns);

#endif
