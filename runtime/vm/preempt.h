/* preempt.h - ends slices, and scripts that do not end: a timer signal of the
 * thread arms the hook of the coroutine that runs now, so that scripts pay
 * nothing until their time is up; and a script that is still there some
 * milliseconds after a limit is abandoned (gate.h), wherever it is. */
#ifndef RUNTIME_VM_PREEMPT_H
#define RUNTIME_VM_PREEMPT_H

#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "runtime/vm/state.h"

#define SLICE_NS UINT64_C(1000000)
/* Of the only task there is: nobody waits for its end. */
#define SLICE_ALONE_NS UINT64_C(4000000)
/* How long a script that must stop may take to do so politely. */
#define GRACE_NS UINT64_C(3000000)

struct preempt;

/* |signal| 0: a default; -1: none, and hooks count instructions instead.
 * 0, ERR_NOMEM, ERR_SYSTEM, ERR_INVALID (no usable signal number) */
int preempt_new(struct preempt **ret, const struct mem *m, int signal,
                struct err *e);
void preempt_free(struct preempt *p);

/* Around every stretch of script code of |st| on this thread, which in turn is
 * what gate_run(p, ...) calls.  Not nested for one host; a callback of a script
 * may run another host.  The slice ends after |slice_ns|, SLICE_NS or more.
 * 0 or ERR_SYSTEM */
int preempt_enter(struct preempt *p, struct state *st, uint64_t slice_ns);
void preempt_leave(struct preempt *p);
/* Somebody else wants to run now: the slice ends SLICE_NS from now at the
 * latest.  With the gate closed. */
void preempt_shorten(struct preempt *p);
/* Has the slice that began with preempt_enter ended? */
bool preempt_slice_over(const struct preempt *p);

/* For tests: every run of the script of |st| (NULL: of every script) is
 * abandoned |ns| after its begin, at the first instruction at which that may
 * be; UINT64_MAX: as usual.  Less than SLICE_NS. */
void preempt_abandon_after(struct preempt *p, const struct state *st,
                           uint64_t ns);

/* New threads of |L| in counting mode need their hook. */
void preempt_prepare(struct preempt *p, lua_State *L);

#endif
