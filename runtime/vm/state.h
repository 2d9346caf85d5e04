/* state.h - one lua_State with counted memory, a CPU budget, a deadline and a
 * way to stop it.  What a thread of it is for the scheduler is kept in the
 * thread's extra space, so that the way from any lua_State to its state is one
 * load. */
#ifndef RUNTIME_VM_STATE_H
#define RUNTIME_VM_STATE_H

#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/base/list.h"
#include "runtime/base/mem.h"
#include "runtime/base/random.h"
#include "runtime/base/str.h"
#include "runtime/net/loop.h"
#include "runtime/vm/region.h"

struct preempt;
struct task;

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
  uint64_t deadline_ns; /* from state_load on; UINT64_MAX: none */
  uint64_t tasks;
  uint64_t timers;
  uint64_t output_bytes;
  uint64_t source_bytes;
};

/* Which modules the script may require; what it is given as globals is not
 * asked about. */
struct state_modules {
  bool listed; /* false: all */
  const struct slice *names;
  size_t n;
  struct slice from; /* where the list stands, for messages; or empty */
};
bool state_module_allowed(const struct state_modules *m, struct slice name);

/* What the owner of a state is asked.  None of these touches Lua. */
struct state_host {
  void (*output)(void *ud, const char *data, size_t len);
  /* The Lua text of a module: 0 with |*ret_text| and |*ret_name| borrowed until
   * the next call; ERR_NOT_FOUND; ERR_SYSTEM. */
  int (*require)(void *ud, const char *name, const char **ret_name,
                 struct slice *ret_text);
  /* Of an error object at |idx|: its kind, else NULL.  Called with Lua. */
  const char *(*error_kind)(lua_State *L, int idx);
  /* Pushes values that come before the script's arguments; returns how many.
   * Called with Lua; may be NULL. */
  int (*arguments)(void *ud, lua_State *L);
  /* The last act of the main task: its results begin at |first|, the table that
   * the script returned is at |table| (0: it did not).  Returns as a C function
   * does.  Called with Lua; may be NULL. */
  int (*returned)(void *ud, lua_State *L, int table, int first);
  /* The script has ended: called from the loop, outside of Lua, once. */
  void (*ended)(void *ud);
  void *ud;
  struct state_modules modules; /* borrowed for the state's life */
};

#define SCRIPT_KIND_BYTES 64

/* How it ended. */
struct script_result {
  int code;         /* 0, ERR_SCRIPT, ERR_LIMIT, ERR_CANCELED, ERR_NOMEM */
  struct err error; /* message and, where known, position */
  char kind[SCRIPT_KIND_BYTES]; /* of the error object that it failed with, safe
                                   to print, cut to fit; or "" */
};

#define GLOBAL_MODULES_MAX 4

enum park_kind { PARK_NONE, PARK_WAIT, PARK_YIELD, PARK_PREEMPT, PARK_STOP };

/* A metatable of host objects: for object.c, which asks often. */
#define STATE_METAS 16
struct state_meta {
  const char *name; /* as meta_new was given it: compared by address */
  /* The table; or one more than the address of the struct meta_def to make it
   * of, which no table is at. */
  uintptr_t table;
};

struct state {
  lua_State *L;    /* the main thread: never runs script code */
  struct mem base; /* what the struct itself came from */
  struct account account;
  struct mem mem;       /* of the account */
  struct region region; /* what Lua allocates; all of it goes at once */
  struct loop *loop;
  struct preempt *preempt;
  struct prng prng;
  uint64_t secret[3]; /* hides addresses in what scripts see */
  struct state_limits limits;
  struct state_host host;
  void *services;      /* what modules need; see modules/services.h */
  struct list objects; /* of object.h */
  size_t nmetas;
  struct state_meta metas[STATE_METAS];
  size_t untold;      /* bytes of them that Lua's collector has not heard of */
  size_t uncollected; /* bytes of them since objects_collect, near the limit */

  /* of env.c */
  unsigned libraries; /* a bit for each that is open */
  unsigned nglobal_modules;
  const char *global_modules[GLOBAL_MODULES_MAX]; /* NULL: it is there */

  /* stopping */
  atomic_int cancel; /* set by any thread */
  enum stop_reason stop;
  unsigned memory_errors; /* caught by the script */
  bool abandoned;         /* left in the middle: L must not be used any more */
  bool host_code; /* a module of the host was opened: never to be abandoned */

  /* accounting */
  struct payer payer;  /* CPU time */
  uint64_t begun_ns;   /* when it was asked for; 0: at state_load */
  uint64_t started_ns; /* state_load; 0: not loaded */
  uint64_t ended_ns;
  uint64_t output_bytes;
  size_t timers;

  /* scheduling; see sched.c */
  lua_State *volatile running; /* the coroutine that runs now, or NULL */
  struct task *current;
  struct task *main;
  struct list tasks; /* all of them */
  struct list ready;
  struct list turn; /* were ready when the scheduler began, and still wait */
  size_t ntasks;
  uint64_t last_task_id;
  /* Coroutines are in region.counted; see sched_admit. */
  size_t recount_debt;
  bool recount_found_room;   /* the last one did */
  unsigned blocked_resumers; /* of the running chain, that cannot yield */
  unsigned no_wait_resumers; /* of the running chain, in a callback */
  unsigned closing;          /* coroutines being closed, one inside the other */
  enum park_kind park;       /* why the chain is unwinding */
  struct deferred run;
  struct timer deadline;
  bool ended;
  struct script_result result;
  struct buf traceback;
};

/* The state |L| (any thread of it) belongs to. */
#define THREAD_IS_TASK 1u /* run by the scheduler, not by coroutine.resume */
#define THREAD_PARKED 2u  /* on the chain of a task that waits */
#define THREAD_NO_WAIT 4u /* in a callback of a C function: see sched.h */
#define THREAD_COUNTED 8u /* a coroutine that is alive: see sched_admit */
_Static_assert(THREAD_COUNTED == REGION_COUNTED, "the region looks for it");
static inline struct state *state_of(lua_State *L) {
  return (struct state *)(*(uintptr_t *)lua_getextraspace(L) & ~(uintptr_t)15);
}
static inline unsigned thread_flags(lua_State *L) {
  return (unsigned)(*(uintptr_t *)lua_getextraspace(L) & 15);
}
static inline void thread_set_flags(lua_State *L, struct state *st,
                                    unsigned flags) {
  *(uintptr_t *)lua_getextraspace(L) = (uintptr_t)st | flags;
}

/* While it is set, script code on |L| can be preempted, but neither wait nor
 * yield: it was called by a C function that Lua's own could not be suspended
 * in.  Returns what it was.  Functions that catch errors put it back. */
static inline bool thread_set_no_wait(lua_State *L, bool on) {
  uintptr_t *extra = lua_getextraspace(L);
  bool was = (*extra & THREAD_NO_WAIT) != 0;
  *extra = on ? *extra | THREAD_NO_WAIT : *extra & ~(uintptr_t)THREAD_NO_WAIT;
  return was;
}

/* A state with the globals of env.c and no modules.  |open| (may be NULL) runs
 * in protected mode with |services| reachable, to register modules; ends with
 * nothing on the stack.  0, ERR_NOMEM, ERR_SYSTEM. */
int state_new(struct state **ret, struct loop *lp, struct preempt *preempt,
              const struct mem *base, const struct state_limits *limits,
              const struct state_host *host, void *services,
              lua_CFunction open);
/* Cancels every task, then frees it all.  Not from inside Lua. */
void state_free(struct state *st);

/* The script has ended: its memory goes, and what its objects own with it.  Not
 * from inside Lua, nor while a task can still run.  Harmless the second time.
 */
void state_drop(struct state *st);

/* Compiles |text| and makes its main task ready: it starts from the loop.
 * |method| names the function of a returned table that is called then.  0,
 * ERR_SYNTAX with position, ERR_NOMEM, ERR_LIMIT. */
int state_load(struct state *st, const char *name, struct slice text,
               const char *method, const char *const *args, size_t nargs,
               struct err *e);

/* Would |text| compile?  Nothing is kept, and nothing of it runs.  0, ERR_NOMEM
 * (also: it takes more than |memory_bytes|), ERR_SYNTAX, ERR_LIMIT: it takes
 * more than |cpu_ns| of the thread, which is looked at between tokens. */
int state_compiles(const char *name, struct slice text, size_t memory_bytes,
                   uint64_t cpu_ns, const struct mem *base, struct err *e);

/* Ends the script from outside, at once if it is not running, else at its next
 * instruction. */
void state_stop(struct state *st, enum stop_reason why);

/* Once the limit is reached at least that. */
uint64_t state_cpu_used_ns(const struct state *st);
uint64_t state_cpu_left_ns(const struct state *st); /* UINT64_MAX: no limit */
/* When the script is stopped: what it then takes to give its memory back, which
 * is much where the kernel takes long for a page, is part of the limit. */
uint64_t state_cpu_end_ns(const struct state *st);

struct loop *state_loop(struct state *st);
const struct mem *state_mem(struct state *st); /* charged to the script */
struct prng *state_prng(struct state *st);
void *state_services(lua_State *L);

/* To be called now and then (every few hundred steps) by C functions that loop
 * over a script's data: ends the script if a stop is due, and then does not
 * return. */
void state_check(lua_State *L);

/* Is a stop due?  Changes nothing, from the signal handler. */
bool state_over(const struct state *st);

/* Ends a C function of a script that must not go on: "return state_halt(L)".
 * Parks the task for good where it can, raises where it cannot. */
int state_halt(lua_State *L);

/* Raises Lua's own memory error, which counts as one (state_must_halt): "return
 * state_no_memory(L)", for memory of a script that Lua does not hand out. */
int state_no_memory(lua_State *L);

/* After a protected call of script code failed with |status|: counts memory
 * errors, and tells whether the error must not reach the script. */
bool state_must_halt(lua_State *L, int status);

/* Timers of scripts (sleep, after, timer, ticker) are limited: may one more
 * start?  It is counted with state_timer_acquire, in the stretch of host code
 * (gate.h) that starts it: a script that is left between the two would leave a
 * wrong count behind.  Each is paid back with state_timer_release. */
bool state_timer_room(const struct state *st);
void state_timer_acquire(struct state *st);
void state_timer_release(struct state *st);

/* Compiles |text| as text only and leaves the function on |L|: LUA_OK or an
 * error with its message on the stack.  Enforces source_bytes.  A first line
 * that starts with '#' is skipped. */
int state_compile(lua_State *L, const char *name, struct slice text);

#endif
