/* sched.h - tasks: start, wait, wake, resume, preempt, cancel.  A task is a
 * Lua thread run by the scheduler; plain coroutines live inside tasks, and a
 * blocking call made inside one suspends the whole task. */
#ifndef RUNTIME_VM_SCHED_H
#define RUNTIME_VM_SCHED_H

#include "runtime/vm/state.h"

struct task;

/* What a task waits for.  Embedded in whoever wakes it; often in a userdata
 * that stands on the waiting thread's stack, which keeps it alive. */
struct wait {
  struct task *task; /* private; NULL: nobody waits */
  const char *what;  /* "time.sleep", "channel.receive": for deadlock messages */
  /* The task will never run again: forget the wait (stop its timer, unlink it).
   * Must not touch Lua.  May be NULL. */
  void (*cancel)(struct wait *w);
  /* Can a timer, socket or host event still end this wait?  NULL: yes.  Waits
   * for other tasks say no, so that a deadlock is seen. */
  bool (*live)(const struct wait *w);
};

/* Ends a C function called by Lua: "return task_wait(L, &w, ctx, k)".  The task
 * sleeps until wait_wake(w), then |k| runs in the same coroutine with the same
 * stack (L's slots stay where they were).  Raises where it cannot wait (inside a
 * table.sort comparator, a string.gsub callback, a metamethod called from C):
 * nothing was started then, so call task_check_wait before starting anything.
 * |w| must stay where it is until |k| or |cancel| was called. */
int task_wait(lua_State *L, struct wait *w, lua_KContext ctx, lua_KFunction k);

/* Raises the error task_wait would raise. |what| names the call in it. */
void task_check_wait(lua_State *L, const char *what);
bool task_can_wait(lua_State *L);

/* The wait is over: its task becomes ready.  Harmless if nobody waits (again).
 * Never runs Lua itself.  From loop callbacks and from other tasks. */
void wait_wake(struct wait *w);
static inline bool wait_active(const struct wait *w) {
  return w->task != NULL;
}

/* Gives the other tasks a turn, then goes on in |k|.  Only where
 * task_can_wait. */
int task_yield(lua_State *L, lua_KContext ctx, lua_KFunction k);

#endif
