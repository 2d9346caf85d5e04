/* sched.c - tasks: start, wait, wake, resume, preempt, cancel.
 *
 * A task is a Lua thread.  When it has to wait, the running coroutine yields
 * with state.park set; every coroutine.resume on the way down sees that and
 * yields in turn, until the scheduler has the thread back.  To go on, the chain
 * is resumed from the outside in.  Only the scheduler can do that: threads on a
 * parked chain are marked, and coroutine.resume refuses them. */
#include "runtime/vm/sched.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/vm/preempt.h"

struct task {
  struct list all;   /* in state.tasks */
  struct list queue; /* in state.ready, or in no list */
  struct state *st;
  lua_State *L;
  struct wait *wait; /* until the task runs again */
  uint64_t id;
  int nargs; /* of the first resume */
};

/* Memory errors that a script does not catch by itself (in the chain of its
 * __close, or where Lua can do without) are not counted by state_must_halt;
 * each has cost a full collection. */
#define MEMORY_FAILURES 4

/* A task lives in a userdata, which the registry holds under the task's
 * address: user value 1 is its thread, user value 2 its scratch memory. */
enum { TASK_THREAD = 1, TASK_SCRATCH = 2 };

/* ------------------------------------------------------ waiting, waking --- */

bool task_can_preempt(lua_State *L) {
  return lua_isyieldable(L) && state_of(L)->blocked_resumers == 0;
}

bool task_can_wait(lua_State *L) {
  return task_can_preempt(L) && !(thread_flags(L) & THREAD_NO_WAIT) &&
         state_of(L)->no_wait_resumers == 0;
}

void task_check_wait(lua_State *L, const char *what) {
  if (state_of(L)->current == NULL)
    luaL_error(L, "%s cannot wait here: no task is running", what);
  if (!task_can_wait(L))
    luaL_error(L,
               "%s cannot wait here: it was called through a C function that "
               "cannot be suspended (table.sort, string.gsub, a metamethod)",
               what);
  luaL_checkstack(L, 4, NULL); /* for what the waker leaves here */
}

static int unwind(lua_State *L, enum park_kind why, lua_KContext ctx,
                  lua_KFunction k) {
  state_of(L)->park = why;
  return lua_yieldk(L, 0, ctx, k);
}

void wait_begin(lua_State *L, struct wait *w) {
  struct task *t = state_of(L)->current;
  w->task = t;
  w->woken = false;
  t->wait = w;
}

int task_wait(lua_State *L, struct wait *w, lua_KContext ctx, lua_KFunction k) {
  if (state_of(L)->current == NULL || state_of(L)->current->wait != w) {
    task_check_wait(L, w->what);
    wait_begin(L, w);
  }
  return unwind(L, PARK_WAIT, ctx, k);
}

int task_yield(lua_State *L, lua_KContext ctx, lua_KFunction k) {
  return unwind(L, PARK_YIELD, ctx, k);
}

static void make_ready(struct task *t) {
  struct state *st = t->st;
  gate_enter();
  list_add_tail(&st->ready, &t->queue);
  deferred_schedule(st->loop, &st->run);
  preempt_shorten(st->preempt);
  gate_leave();
}

void wait_wake(struct wait *w) {
  if (!w->task || w->woken)
    return;
  w->woken = true;
  make_ready(w->task);
}

uint64_t task_id(const struct task *t) {
  return t ? t->id : 0;
}

const struct wait *task_waits_on(const struct state *st, uint64_t id) {
  list_foreach (it, &st->tasks) {
    const struct task *t = list_entry(it, struct task, all);
    if (t->id == id)
      return t->wait;
  }
  return NULL;
}

bool task_is_alone(lua_State *L) {
  const struct state *st = state_of(L);
  return list_empty(&st->ready) && list_empty(&st->turn);
}

void *task_scratch(lua_State *L, size_t size) {
  struct task *t = state_of(L)->current;
  void *p;
  luaL_checkstack(L, 3, NULL);
  lua_rawgetp(L, LUA_REGISTRYINDEX, t);
  if (lua_getiuservalue(L, -1, TASK_SCRATCH) == LUA_TUSERDATA &&
      lua_rawlen(L, -1) >= size) {
    p = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return p;
  }
  lua_pop(L, 1);
  p = lua_newuserdatauv(L, size, 0);
  lua_setiuservalue(L, -2, TASK_SCRATCH);
  lua_pop(L, 1);
  return p;
}

/* --------------------------------------------------- starting, ending --- */

/* Error handler of every task: remembers where, keeps the error as it is. */
static int task_traceback(lua_State *L) {
  struct state *st = state_of(L);
  static const char ours[] = "\n\t[C]: in ?";
  const char *text, *cut;
  size_t len, at;
  if (st->stop != STOP_NONE || st->current == NULL)
    return 1;
  luaL_traceback(L, L, NULL, 1);
  text = lua_tolstring(L, -1, &len);
  /* what every task begins with is ours, not the script's */
  while (len > sizeof ours - 1 &&
         memcmp(text + len - (sizeof ours - 1), ours, sizeof ours - 1) == 0)
    len -= sizeof ours - 1;
  /* "...\t(skipping 20 levels)": a tab begins a line, and stands nowhere else
   */
  cut = memmem(text, len, "\n\t...\t", 6);
  at = cut ? (size_t)(cut - text) + 5 : len;
  gate_enter();
  buf_clear(&st->traceback);
  if (buf_add(&st->traceback, text, at) != 0 ||
      (cut && (buf_add(&st->traceback, " ", 1) != 0 ||
               buf_add(&st->traceback, text + at + 1, len - at - 1) != 0)))
    buf_clear(&st->traceback);
  gate_leave();
  lua_pop(L, 1);
  return 1;
}

/* Stack: traceback handler, function, arguments. */
static int task_body_done(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  if (status != LUA_OK && status != LUA_YIELD)
    return lua_error(L);
  return lua_gettop(L) - 1;
}

static int task_body(lua_State *L) {
  lua_pushcfunction(L, task_traceback);
  lua_insert(L, 1);
  return task_body_done(
      L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, task_body_done),
      0);
}

static struct task *spawn(lua_State *L, int nargs) {
  struct state *st = state_of(L);
  struct task *t;
  lua_State *co;
  luaL_checkstack(L, 4, NULL);
  t = lua_newuserdatauv(L, sizeof *t, 2);
  memset(t, 0, sizeof *t);
  co = lua_newthread(L);
  lua_sethook(co, NULL, 0, 0); /* it may have inherited an armed one */
  preempt_prepare(st->preempt, co);
  thread_set_flags(co, st, THREAD_IS_TASK);
  if (!lua_checkstack(co, nargs + 4)) /* an error on |co| would find no one */
    luaL_error(L, "too many arguments to spawn");
  lua_setiuservalue(L, -2, TASK_THREAD);
  lua_rawsetp(L, LUA_REGISTRYINDEX, t); /* the last thing that can raise */
  lua_pushcfunction(co, task_body);
  lua_xmove(L, co, nargs + 1);
  t->st = st;
  t->L = co;
  t->nargs = nargs + 1;
  t->id = ++st->last_task_id;
  list_init(&t->queue);
  gate_enter();
  list_add_tail(&st->tasks, &t->all);
  st->ntasks++;
  make_ready(t);
  gate_leave();
  return t;
}

/* -------------------------------------------------- how many are alive --- */

/* What is garbage still counts until it is collected.  So at the limit all
 * garbage is; that costs time in proportion to the heap, and must not happen
 * for each of many coroutines: it is paid for with attempts to make one, so
 * many of them each, and some recounts may be owed.  Where no more can be, the
 * last answer holds: no room; or room for some, and by then one has been paid
 * for. */
#define RECOUNTS_OWED 32

static size_t recount_price(const struct state *st) {
  uint64_t price = st->limits.tasks / 64;
  return price < 64              ? 64
         : price > SIZE_MAX / 64 ? SIZE_MAX / 64
                                 : (size_t)price;
}

static size_t alive(const struct state *st) {
  return st->ntasks + st->region.counted;
}

static bool recount(lua_State *L) {
  struct state *st = state_of(L);
  size_t price = recount_price(st);
  if (st->recount_debt > (RECOUNTS_OWED - 1) * price)
    return st->recount_found_room && alive(st) - st->limits.tasks < price;
  st->recount_debt += price;
  lua_gc(L, LUA_GCCOLLECT);
  st->recount_found_room = alive(st) < st->limits.tasks;
  return st->recount_found_room;
}

void sched_admit(lua_State *L, const char *what) {
  struct state *st = state_of(L);
  if (st->recount_debt > 0)
    st->recount_debt--;
  if (alive(st) >= st->limits.tasks && !recount(L))
    luaL_error(L,
               "too many %s: %I tasks and coroutines are alive, which is the "
               "limit",
               what, (LUAI_UACINT)alive(st));
}

void thread_count(lua_State *co) {
  *(uintptr_t *)lua_getextraspace(co) |= THREAD_COUNTED;
  state_of(co)->region.counted++;
}

void thread_uncount(lua_State *co) {
  uintptr_t *extra = lua_getextraspace(co);
  if (*extra & THREAD_COUNTED) {
    *extra &= ~(uintptr_t)THREAD_COUNTED;
    state_of(co)->region.counted--;
  }
}

void task_spawn(lua_State *L, int nargs) {
  sched_admit(L, "tasks");
  spawn(L, nargs);
}

void task_spawn_main(lua_State *L, int nargs) {
  struct state *st = state_of(L);
  st->main = spawn(L, nargs);
}

/* Forgets |t|, without Lua.  Its thread may still be referred to by the script;
 * it is dead or never resumed again. */
static void task_drop(struct task *t) {
  struct state *st = t->st;
  if (t->wait) {
    struct wait *w = t->wait;
    t->wait = NULL;
    w->task = NULL;
    if (w->cancel)
      w->cancel(w);
  }
  list_remove(&t->all);
  list_remove(&t->queue);
  st->ntasks--;
  if (st->main == t)
    st->main = NULL;
}

/* Nobody refers to the task's memory any more.  Sets an existing key, which
 * needs none. */
static void task_forget(struct state *st, struct task *t) {
  lua_pushnil(st->L);
  lua_rawsetp(st->L, LUA_REGISTRYINDEX, t);
}

void task_kill(struct state *st, uint64_t id) {
  list_foreach_safe (it, &st->tasks) {
    struct task *t = list_entry(it, struct task, all);
    if (t->id != id || t == st->current)
      continue;
    task_drop(t);
    task_forget(st, t);
    return;
  }
}

void sched_cancel_all(struct state *st) {
  while (!list_empty(&st->tasks))
    task_drop(list_entry(st->tasks.next, struct task, all));
}

void sched_end(struct state *st, int code, const struct err *e) {
  if (st->ended)
    return;
  st->ended = true;
  st->ended_ns = clock_mono_ns();
  st->result.code = code;
  if (e)
    st->result.error = *e;
  st->result.error.code = code;
  if (code != ERR_SCRIPT)
    st->result.kind[0] = '\0';
  timer_stop(&st->deadline);
  deferred_cancel(&st->run);
  sched_cancel_all(st);
  st->host.ended(st->host.ud);
}

/* ------------------------------------------------------------- results --- */

/* "prices.lua:12: no such thing" to a position and the rest. */
static void split_position(struct err *e) {
  char *m = e->message, *p, *digits;
  unsigned long line = 0;
  for (p = m; *p != '\0' && *p != ' ' && *p != '\n'; p++) {
    if (*p != ':' || p == m)
      continue;
    for (digits = p + 1; ascii_digit(*digits) && line < 100000000; digits++)
      line = line * 10 + (unsigned long)(*digits - '0');
    if (digits > p + 1 && digits[0] == ':' && digits[1] == ' ') {
      e->line = (uint32_t)line;
      str_escape(e->source, sizeof e->source,
                 (struct slice){m, (size_t)(p - m)});
      memmove(m, digits + 2, strlen(digits + 2) + 1);
      return;
    }
    line = 0;
  }
}

void sched_describe(lua_State *L, int idx, struct err *e) {
  struct state *st = state_of(L);
  int type = lua_type(L, idx);
  const char *text, *kind = NULL;
  size_t len;
  idx = lua_absindex(L, idx);
  if (type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TTHREAD) {
    /* nothing of the script is called to describe it */
    text = lua_pushfstring(L, "(error object is a %s value)",
                           luaL_typename(L, idx));
    len = strlen(text);
  } else {
    text = luaL_tolstring(L, idx, &len);
    kind = st->host.error_kind(L, idx);
  }
  if (len > sizeof e->message)
    len = sizeof e->message;
  err_setf(e, ERR_SCRIPT, "%.*s%s%s%s", (int)len, text,
           kind && *kind ? " (" : "", kind && *kind ? kind : "",
           kind && *kind ? ")" : "");
  split_position(e);
  lua_pop(L, 1);
}

/* Runs in protected mode on the main thread: argument 1 is the error value. */
static int describe_error(lua_State *L) {
  struct state *st = state_of(L);
  struct script_result *r = &st->result;
  const char *kind = st->host.error_kind(L, 1);
  str_escape(r->kind, sizeof r->kind, slice_of(kind ? kind : ""));
  sched_describe(L, 1, &r->error);
  return 0;
}

static void describe_in_gate(void *ud) {
  struct state *st = ud;
  if (lua_pcall(st->L, 1, 0, 0) != LUA_OK) {
    lua_settop(st->L, 0);
    err_setf(&st->result.error, ERR_SCRIPT, "an error that has no text");
  }
}

/* False: a limit was reached meanwhile, for even this may collect garbage. */
static bool fail_with_value(struct state *st, lua_State *from) {
  /* |from|'s top value is the error; reserved slots make the push safe */
  lua_State *L = st->L;
  lua_settop(L, 0);
  lua_pushcfunction(L, describe_error);
  lua_xmove(from, L, 1);
  st->abandoned = !gate_run(st->preempt, describe_in_gate, st);
  return !st->abandoned;
}

static void end_stopped(struct state *st);

static void script_failed(struct state *st, struct task *t, int status) {
  struct err e;
  if (status == LUA_ERRMEM) {
    st->stop = STOP_MEMORY;
    err_setf(&e, ERR_LIMIT, "not enough memory");
    sched_end(st, ERR_LIMIT, &e);
    return;
  }
  if (!fail_with_value(st, t->L)) {
    end_stopped(st);
    return;
  }
  if (t != st->main) {
    struct err *re = &st->result.error;
    size_t used = strlen(re->message);
    snprintf(re->message + used, sizeof re->message - used,
             " (in spawned task %llu)", (unsigned long long)t->id);
  }
  e = st->result.error;
  sched_end(st, ERR_SCRIPT, &e);
}

static bool is_failure(lua_State *L, int n) {
  /* "return nil, err" and "return false, err" */
  return n >= 2 && !lua_toboolean(L, -n) && !lua_isnil(L, -n + 1);
}

static void task_ended(struct state *st, struct task *t, int status, int n) {
  if (status != LUA_OK) {
    script_failed(st, t, status);
    return;
  }
  if (t != st->main) {
    lua_settop(t->L, 0); /* dead, for those who ask for its status */
    task_drop(t);
    task_forget(st, t);
    return;
  }
  if (is_failure(t->L, n)) {
    struct err e;
    lua_settop(t->L, lua_gettop(t->L) - n + 2);
    buf_clear(&st->traceback);
    if (!fail_with_value(st, t->L)) {
      end_stopped(st);
      return;
    }
    e = st->result.error;
    sched_end(st, ERR_SCRIPT, &e);
  } else {
    sched_end(st, 0, NULL);
  }
}

/* ------------------------------------------------------------- stopping --- */

static int stop_code(enum stop_reason why) {
  return why == STOP_CANCEL ? ERR_CANCELED : ERR_LIMIT;
}

static const char *stop_message(enum stop_reason why) {
  switch (why) {
  case STOP_CPU:
    return "the CPU limit is reached";
  case STOP_MEMORY:
    return "the memory limit is reached";
  case STOP_DEADLINE:
    return "the deadline has passed";
  case STOP_OUTPUT:
    return "the output limit is reached";
  case STOP_CANCEL:
    return "canceled";
  case STOP_NONE:
    break;
  }
  return "stopped";
}

/* Where a stopped script was.  The text goes to memory of the host, not of the
 * script, which may have none left; luaL_traceback would allocate in Lua. */
static void stop_traceback(struct state *st, lua_State *L) {
  lua_Debug ar;
  gate_enter();
  buf_clear(&st->traceback);
  buf_adds(&st->traceback, "stack traceback:");
  for (int level = 0; level < 20 && lua_getstack(L, level, &ar); level++) {
    if (!lua_getinfo(L, "Sl", &ar) || ar.currentline <= 0)
      continue;
    buf_addf(&st->traceback, "\n\t%s:%d: in function <%s:%d>", ar.short_src,
             ar.currentline, ar.short_src, ar.linedefined);
  }
  gate_leave();
}

/* A script that was stopped between two runs: its main task tells where. */
static void stop_traceback_of_main(struct state *st) {
  if (st->traceback.len == 0 && st->main && !st->abandoned)
    stop_traceback(st, st->main->L);
}

int sched_stop_error(const struct state *st, struct err *e) {
  return err_setf(e, stop_code(st->stop), "%s", stop_message(st->stop));
}

static void end_stopped(struct state *st) {
  struct err e;
  sched_look_at_limits(st); /* who was abandoned may not have done so */
  stop_traceback_of_main(st);
  sched_stop_error(st, &e);
  sched_end(st, e.code, &e);
}

bool state_over(const struct state *st) {
  return st->stop != STOP_NONE || st->region.failures >= MEMORY_FAILURES ||
         atomic_load_explicit(&st->cancel, memory_order_relaxed) ||
         state_cpu_used_ns(st) >= state_cpu_end_ns(st) ||
         (st->limits.deadline_ns != UINT64_MAX &&
          clock_mono_ns() - st->started_ns >= st->limits.deadline_ns);
}

static bool look_at_limits(struct state *st, uint64_t used_ns) {
  if (st->stop != STOP_NONE)
    return true;
  if (atomic_load_explicit(&st->cancel, memory_order_relaxed))
    st->stop = STOP_CANCEL;
  else if (st->region.failures >= MEMORY_FAILURES)
    st->stop = STOP_MEMORY;
  else if (used_ns >= state_cpu_end_ns(st))
    st->stop = STOP_CPU;
  else if (st->limits.deadline_ns != UINT64_MAX &&
           clock_mono_ns() - st->started_ns >= st->limits.deadline_ns)
    st->stop = STOP_DEADLINE;
  return st->stop != STOP_NONE;
}

bool sched_look_at_limits(struct state *st) {
  return look_at_limits(st, state_cpu_used_ns(st));
}

int state_halt(lua_State *L) {
  struct state *st = state_of(L);
  if (st->traceback.len == 0)
    stop_traceback(st, L);
  if (st->current && task_can_preempt(L))
    return unwind(L, PARK_STOP, 0, NULL);
  /* A frame below cannot be suspended: an error takes the script there, and
   * whoever catches it looks at state_must_halt. */
  lua_sethook(L, sched_hook, LUA_MASKCOUNT, 1);
  return luaL_error(L, "%s", stop_message(st->stop));
}

int state_no_memory(lua_State *L) {
  lua_pushliteral(L, "not enough memory"); /* lua_error knows it */
  return lua_error(L);
}

bool state_must_halt(lua_State *L, int status) {
  struct state *st = state_of(L);
  if (status == LUA_ERRMEM && ++st->memory_errors > 1 && st->stop == STOP_NONE)
    st->stop = STOP_MEMORY;
  return st->stop != STOP_NONE;
}

void state_check(lua_State *L) {
  struct state *st = state_of(L);
  if (!preempt_slice_over(st->preempt))
    return;
  sched_look_at_limits(st);
  if (st->stop != STOP_NONE) {
    if (st->traceback.len == 0)
      stop_traceback(st, L);
    /* no continuation to park in: raise, nothing can hold it */
    lua_sethook(L, sched_hook, LUA_MASKCOUNT, 1);
    luaL_error(L, "%s", stop_message(st->stop));
  }
}

bool state_slice_over(lua_State *L) {
  struct state *st = state_of(L);
  if (!preempt_slice_over(st->preempt))
    return false;
  state_check(L);
  return st->current && task_can_preempt(L);
}

void sched_hook(lua_State *L, lua_Debug *ar) {
  struct state *st = state_of(L);
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  preempt_prepare(st->preempt, L);
  if (st->current == NULL || !preempt_slice_over(st->preempt))
    return; /* left over from an earlier slice */
  sched_look_at_limits(st);
  if (st->stop != STOP_NONE) {
    state_halt(L);
    return;
  }
  if (task_can_preempt(L)) {
    st->park = PARK_PREEMPT;
    lua_yield(L, 0);
  }
}

/* ----------------------------------------------------------- resuming --- */

int sched_resume(lua_State *L, lua_State *co, int nargs, int *ret_n) {
  struct state *st = state_of(L);
  unsigned blocked = lua_isyieldable(L) ? 0 : 1;
  unsigned no_wait = thread_flags(L) & THREAD_NO_WAIT ? 1 : 0;
  int status;
  st->blocked_resumers += blocked;
  st->no_wait_resumers += no_wait;
  st->running = co;
  status = lua_resume(co, L, nargs, ret_n);
  st->running = L;
  st->blocked_resumers -= blocked;
  st->no_wait_resumers -= no_wait;
  if (status == LUA_YIELD && st->park != PARK_NONE) {
    thread_set_flags(
        co, st,
        THREAD_PARKED | (thread_flags(co) & (THREAD_NO_WAIT | THREAD_COUNTED)));
    return SCHED_PARKED;
  }
  thread_set_flags(co, st, thread_flags(co) & THREAD_COUNTED);
  if (status != LUA_YIELD)
    thread_uncount(co);
  return status;
}

int sched_park(lua_State *L, lua_KContext ctx, lua_KFunction k) {
  return lua_yieldk(L, 0, ctx, k);
}

struct resumption {
  lua_State *L;
  int nargs;
  int status;
  int n;
};

static void resume_in_gate(void *ud) {
  struct resumption *r = ud;
  r->status = lua_resume(r->L, NULL, r->nargs, &r->n);
}

static void task_run(struct task *t) {
  struct state *st = t->st;
  struct resumption r = {.L = t->L, .nargs = t->nargs};
  t->nargs = 0;
  if (t->wait) {
    t->wait->task = NULL;
    t->wait = NULL;
  }
  st->current = t;
  st->park = PARK_NONE;
  st->blocked_resumers = 0;
  st->no_wait_resumers = 0;
  st->running = t->L;
  st->abandoned = !gate_run(st->preempt, resume_in_gate, &r);
  st->running = NULL;
  st->current = NULL;
  if (st->stop != STOP_NONE || st->abandoned) {
    end_stopped(st);
    return;
  }
  if (r.status != LUA_YIELD) {
    task_ended(st, t, r.status, r.n);
    return;
  }
  lua_pop(t->L, r.n);
  if (st->park == PARK_YIELD || st->park == PARK_PREEMPT)
    make_ready(t);
}

/* All wait.  Can anything still happen?  The first task whose wait is live goes
 * to the front, so that the answer is usually found at once. */
static bool anything_live(struct state *st) {
  list_foreach (it, &st->tasks) {
    struct task *t = list_entry(it, struct task, all);
    if (t->wait && (!t->wait->live || t->wait->live(t->wait))) {
      list_remove(&t->all);
      list_add_head(&st->tasks, &t->all);
      return true;
    }
  }
  return false;
}

/* The innermost coroutine of a parked chain is not known here; the task's own
 * frames tell where it waits. */
static void describe_wait(struct state *st, struct task *t) {
  lua_Debug ar;
  buf_addf(&st->traceback, "\n\ttask %llu waits in %s",
           (unsigned long long)t->id, t->wait ? t->wait->what : "?");
  for (int level = 0; lua_getstack(t->L, level, &ar); level++)
    if (lua_getinfo(t->L, "Sl", &ar) && ar.currentline > 0) {
      buf_addf(&st->traceback, " at %s:%d", ar.short_src, ar.currentline);
      break;
    }
}

static void end_deadlocked(struct state *st) {
  struct err e;
  int shown = 0;
  buf_clear(&st->traceback);
  buf_addf(&st->traceback, "%zu waiting:", st->ntasks);
  list_foreach (it, &st->tasks) {
    if (++shown > 10) {
      buf_adds(&st->traceback, "\n\t...");
      break;
    }
    describe_wait(st, list_entry(it, struct task, all));
  }
  err_setf(&e, ERR_SCRIPT,
           "deadlock: all tasks are asleep, and no timer or "
           "connection can wake one");
  sched_end(st, ERR_SCRIPT, &e);
}

/* One that wants to run and has nobody beside it runs on for longer, though not
 * past a limit: the end of a slice costs a signal, a hook and a look at the
 * poller. */
static uint64_t slice_ns(const struct state *st) {
  uint64_t left_ns = SLICE_ALONE_NS, cpu_ns;
  int timeout_ms;
  if (st->park != PARK_PREEMPT || loop_till(st->loop)->npayers > 1 ||
      st->turn.prev != st->turn.next)
    return SLICE_NS;
  timeout_ms = loop_timeout_ms(st->loop);
  if (timeout_ms >= 0 && (uint64_t)timeout_ms * NS_PER_MS < left_ns)
    left_ns = (uint64_t)timeout_ms * NS_PER_MS;
  cpu_ns = state_cpu_left_ns(st);
  if (cpu_ns < left_ns)
    left_ns = cpu_ns;
  return left_ns < SLICE_NS ? SLICE_NS : left_ns;
}

void sched_run(struct deferred *d, void *ud) {
  struct state *st = ud;
  bool asleep = false;
  (void)d;
  if (st->ended)
    return;
  till_pass(loop_till(st->loop), &st->payer);
  look_at_limits(st, st->payer.cpu_ns); /* the rest is found at the tick */
  if (st->stop != STOP_NONE) {
    end_stopped(st);
    state_drop(st);
    return;
  }
  /* the tasks that are ready now; those they wake come in the next turn */
  list_splice_tail(&st->turn, &st->ready);
  if (preempt_enter(st->preempt, st, slice_ns(st)) != 0) {
    struct err e;
    err_setf(&e, ERR_SYSTEM, "no timer could be made to bound the script");
    sched_end(st, ERR_SYSTEM, &e);
    state_drop(st);
    return;
  }
  while (!st->ended && !list_empty(&st->turn)) {
    task_run(list_entry(list_pop(&st->turn), struct task, queue));
    if (preempt_slice_over(st->preempt))
      break;
  }
  preempt_leave(st->preempt);
  if (!st->ended) {
    /* the rest goes first next time */
    list_splice_tail(&st->turn, &st->ready);
    list_splice_tail(&st->ready, &st->turn);
    if (!list_empty(&st->ready))
      deferred_schedule(st->loop, &st->run);
    else
      asleep = !anything_live(st);
  }
  if (asleep)
    end_deadlocked(st);
  if (st->ended)
    state_drop(st);
}
