/* sched.h - tasks: start, wait, wake, resume, preempt, cancel.  A task is a
 * Lua thread run by the scheduler; plain coroutines live inside tasks, and a
 * blocking call made inside one suspends the whole task. */
#ifndef RUNTIME_VM_SCHED_H
#define RUNTIME_VM_SCHED_H

#include "runtime/vm/state.h"

/* What a task waits for.  Embedded in whoever wakes it; often in a userdata
 * that stands on the waiting thread's stack, which keeps it alive. */
struct wait {
  struct task *task; /* private; NULL: nobody waits */
  bool woken;        /* private; the task is ready and has not run yet */
  const char *what; /* "time.sleep", "channel.receive": for deadlock messages */
  /* The task will never run again: forget the wait (stop its timer, unlink it,
   * drop what it was handed).  May come after wait_wake.  Must not touch Lua.
   * May be NULL. */
  void (*cancel)(struct wait *w);
  /* Can a timer, socket or host event still end this wait?  NULL: yes.  Waits
   * for other tasks say no, so that a deadlock is seen. */
  bool (*live)(const struct wait *w);
};

/* Ends a C function called by Lua: "return task_wait(L, &w, ctx, k)".  The task
 * sleeps until wait_wake(w), then |k| runs in the same coroutine with the same
 * stack (L's slots stay where they were).  Raises where it cannot wait (inside
 * a table.sort comparator, a string.gsub callback, a metamethod called from C):
 * nothing was started then, so call task_check_wait before starting anything.
 * |w| must stay where it is until |k| or |cancel| was called. */
int task_wait(lua_State *L, struct wait *w, lua_KContext ctx, lua_KFunction k);

/* For those who start something outside that will end the wait (a timer, a
 * send): within one gate_enter and gate_leave with the start, after
 * task_check_wait and before task_wait, which must follow. */
void wait_begin(lua_State *L, struct wait *w);

/* Raises the error task_wait would raise. |what| names the call in it. */
void task_check_wait(lua_State *L, const char *what);
bool task_can_wait(lua_State *L);
/* Can its turn end here?  Also where it cannot wait, in callbacks of functions
 * that call the script with lua_callk (string.gsub, table.sort). */
bool task_can_preempt(lua_State *L);
/* To be asked now and then by functions that loop over a script's data: like
 * state_check, and true if others should have a turn: "return task_yield". */
bool state_slice_over(lua_State *L);

/* The wait is over: its task becomes ready.  Harmless if nobody waits (again).
 * Never runs Lua itself.  From loop callbacks and from other tasks. */
void wait_wake(struct wait *w);
static inline bool wait_active(const struct wait *w) {
  return w->task != NULL && !w->woken;
}

/* Gives the other tasks a turn, then goes on in |k|.  Only where
 * task_can_preempt. */
int task_yield(lua_State *L, lua_KContext ctx, lua_KFunction k);

/* Is no other task ready to run? */
bool task_is_alone(lua_State *L);

/* Names a task for ever; 0: there is none. */
uint64_t task_id(const struct task *t);
/* What the task |id| waits for; NULL: nothing, or there is no such task. */
const struct wait *task_waits_on(const struct state *st, uint64_t id);

/* |size| bytes that belong to the calling task and stay valid and in place
 * until it asks again.  A task waits for one thing at a time, so what it needs
 * to wait need not be allocated each time.  May raise. */
void *task_scratch(lua_State *L, size_t size);

/* Starts a task that calls the function at the top of |L| below |nargs|
 * arguments, and pops them.  Raises when there are too many. */
void task_spawn(lua_State *L, int nargs);
/* The same for the main task of |st|; its results decide how the script ends.
 */
void task_spawn_main(lua_State *L, int nargs);

/* Ends the task |id|, which is not running, wherever it waits: it never runs
 * again, and nobody is told.  Harmless when there is none.  From the loop. */
void task_kill(struct state *st, uint64_t id);

/* The error value at |idx| for people: message, position where it has one,
 * kind.  Calls nothing of the script; may raise (memory). */
void sched_describe(lua_State *L, int idx, struct err *e);

/* Raises where one more task or coroutine would be more than the limit; |what|
 * names it in the plural.  Coroutines count from thread_count on until they are
 * dead (thread_uncount) or collected. */
void sched_admit(lua_State *L, const char *what);
void thread_count(lua_State *co);
void thread_uncount(lua_State *co); /* harmless when it does not count */

/* The deferred call of a state: runs ready tasks for a slice. */
void sched_run(struct deferred *d, void *ud);
/* Ends the script: no task runs any more. */
void sched_end(struct state *st, int code, const struct err *e);
/* Is something due?  Sets state.stop. */
bool sched_look_at_limits(struct state *st);
/* Says why |st| was stopped; returns the code. */
int sched_stop_error(const struct state *st, struct err *e);
/* Drops all tasks.  Without Lua. */
void sched_cancel_all(struct state *st);
/* The count hook of every thread. */
void sched_hook(lua_State *L, lua_Debug *ar);

/* resume for coroutine.resume and wrap: see corolib.c.  Runs |co| (which no
 * task owns) with |nargs| values on its stack; returns LUA_OK or LUA_YIELD with
 * |*ret_n| results on |co|, or an error status with the error on |co|, or
 * SCHED_PARKED: the task waits, end with "return sched_park(L, ctx, k)" and
 * call again with 0 arguments in |k|. */
#define SCHED_PARKED (-1)
int sched_resume(lua_State *L, lua_State *co, int nargs, int *ret_n);
int sched_park(lua_State *L, lua_KContext ctx, lua_KFunction k);

#endif
