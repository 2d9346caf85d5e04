/* state.h - one lua_State with counted memory, a CPU budget, a deadline and a
 * way to stop it.  What a thread of it is for the scheduler is kept in the
 * thread's extra space, so that the way from any lua_State to its state is one
 * load. */
#ifndef RUNTIME_VM_STATE_H
#define RUNTIME_VM_STATE_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "runtime/base/random.h"
#include "runtime/net/loop.h"

struct sched;
struct state;

/* Why a script was stopped for good.  Nothing it does can undo it. */
enum stop_reason {
  STOP_NONE,
  STOP_CPU,
  STOP_MEMORY,
  STOP_DEADLINE,
  STOP_OUTPUT,
  STOP_CANCEL
};

struct state_limits {
  uint64_t memory_bytes;
  uint64_t cpu_ns;
  uint64_t deadline_ns; /* from the first dispatch; UINT64_MAX: none */
  uint64_t tasks;
  uint64_t timers;
  uint64_t output_bytes;
  uint64_t source_bytes;
};

/* The state |L| (any thread of it) belongs to. */
static inline struct state *state_of(lua_State *L) {
  return (struct state *)(*(uintptr_t *)lua_getextraspace(L) & ~(uintptr_t)15);
}

struct loop *state_loop(struct state *st);
struct sched *state_sched(struct state *st);
const struct mem *state_mem(struct state *st); /* charged to the script */
struct account *state_account(struct state *st);
struct prng *state_prng(struct state *st);
const struct state_limits *state_limits(const struct state *st);
void *state_owner(struct state *st); /* the sandbox; opaque here */

/* To be called now and then (every few hundred steps) by C functions that loop
 * over a script's data: raises the stop that is due and does not return. */
void state_check(lua_State *L);

/* Timers of scripts (sleep, after, timer, ticker) are limited: true if one more
 * may start; each true is paid back with state_timer_release. */
bool state_timer_acquire(struct state *st);
void state_timer_release(struct state *st);

#endif
