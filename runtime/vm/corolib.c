/* corolib.c - the coroutine library: Lua's own, but a blocking call inside a
 * coroutine suspends its whole task, and the scheduler's threads are out of
 * reach.  Behaviour and messages follow lcorolib.c of Lua 5.4. */
#include "runtime/vm/arg.h"
#include "runtime/vm/env.h"
#include "runtime/vm/sched.h"

/* Each level can hold as many C calls as Lua allows in all, 200. */
#define CLOSING_MAX 8

enum status { CO_RUNNING, CO_DEAD, CO_SUSPENDED, CO_NORMAL };
static const char *const status_names[] = {"running", "dead", "suspended",
                                           "normal"};

static lua_State *arg_thread(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  return co;
}

static enum status thread_status(lua_State *L, lua_State *co) {
  lua_Debug ar;
  if (L == co)
    return CO_RUNNING;
  if (thread_flags(co) & THREAD_PARKED)
    return CO_NORMAL;
  if (thread_flags(co) & THREAD_IS_TASK)
    return lua_status(co) == LUA_OK && !lua_getstack(co, 0, &ar) &&
                   lua_gettop(co) == 0
               ? CO_DEAD
               : CO_NORMAL;
  switch (lua_status(co)) {
  case LUA_YIELD:
    return CO_SUSPENDED;
  case LUA_OK:
    if (lua_getstack(co, 0, &ar))
      return CO_NORMAL; /* it resumed the one that asks */
    return lua_gettop(co) == 0 ? CO_DEAD : CO_SUSPENDED;
  default:
    return CO_DEAD; /* ended in an error */
  }
}

/* Leaves the results, or an error message, on |L|: their number, -1 for an
 * error, or SCHED_PARKED - 1. */
#define PARKED (-2)
static int resume_step(lua_State *L, lua_State *co, int nargs) {
  int n = 0, status;
  if (nargs >= 0 && thread_status(L, co) != CO_SUSPENDED) {
    lua_pushfstring(L, "cannot resume %s coroutine",
                    thread_status(L, co) == CO_DEAD ? "dead" : "non-suspended");
    return -1;
  }
  if (nargs > 0) {
    if (!lua_checkstack(co, nargs)) {
      lua_pushliteral(L, "too many arguments to resume");
      return -1;
    }
    lua_xmove(L, co, nargs);
  }
  status = sched_resume(L, co, nargs < 0 ? 0 : nargs, &n);
  if (status == SCHED_PARKED)
    return PARKED;
  if (status == LUA_OK || status == LUA_YIELD) {
    if (!lua_checkstack(L, n + 1)) {
      lua_pop(co, n);
      lua_pushliteral(L, "too many results to resume");
      return -1;
    }
    lua_xmove(co, L, n);
    return n;
  }
  if (state_must_halt(L, status))
    return state_halt(L); /* does not come back, or is never resumed */
  lua_xmove(co, L, 1);
  return -1;
}

/* ------------------------------------------------------------- functions ---
 */

static int co_resume_finish(lua_State *L, lua_State *co, int nargs);

static int co_resume_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return co_resume_finish(L, lua_tothread(L, 1), -1);
}

static int co_resume_finish(lua_State *L, lua_State *co, int nargs) {
  int n = resume_step(L, co, nargs);
  if (n == PARKED)
    return sched_park(L, 0, co_resume_k);
  if (n < 0) {
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushboolean(L, 1);
  lua_insert(L, -(n + 1));
  return n + 1;
}

static int co_resume(lua_State *L) {
  lua_State *co = arg_thread(L);
  return co_resume_finish(L, co, lua_gettop(L) - 1);
}

/* Closes |co| and its pending variables, whose __close metamethods run on it
 * here, where nothing can be suspended.  Lua 5.4.4 counts the C calls of each
 * closed coroutine from where that one was (commit 1e64c139 of Lua mends it),
 * so closing inside closing must be bounded here. */
static int close_thread(lua_State *L, lua_State *co) {
  struct state *st = state_of(L);
  int status;
  if (st->closing >= CLOSING_MAX)
    return luaL_error(L,
                      "C stack overflow: coroutines are closed inside the "
                      "closing of %d others",
                      CLOSING_MAX);
  st->closing++;
  st->blocked_resumers++;
  st->running = co;
  status = lua_resetthread(co);
  st->running = L;
  st->blocked_resumers--;
  st->closing--;
  thread_uncount(co);
  return status;
}

static int wrap_finish(lua_State *L, int nargs);

static int wrap_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return wrap_finish(L, -1);
}

static int wrap_finish(lua_State *L, int nargs) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int n = resume_step(L, co, nargs);
  int status;
  if (n == PARKED)
    return sched_park(L, 0, wrap_k);
  if (n >= 0)
    return n;
  status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) { /* an error in it */
    status = close_thread(L, co);
    if (state_must_halt(L, status))
      return state_halt(L);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int wrap_call(lua_State *L) {
  return wrap_finish(L, lua_gettop(L));
}

static int co_create(lua_State *L) {
  lua_State *co;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  sched_admit(L, "coroutines");
  co = lua_newthread(L);
  thread_count(co);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int co_wrap(lua_State *L) {
  co_create(L);
  lua_pushcclosure(L, wrap_call, 1);
  return 1;
}

static int co_yield (lua_State *L) {
  if (thread_flags(L) & THREAD_IS_TASK)
    return luaL_error(L, "attempt to yield from outside a coroutine");
  if (thread_flags(L) & THREAD_NO_WAIT)
    return luaL_error(L, "attempt to yield across a C-call boundary");
  return lua_yield(L, lua_gettop(L));
}

static int co_status(lua_State *L) {
  lua_pushstring(L, status_names[thread_status(L, arg_thread(L))]);
  return 1;
}

static int co_isyieldable(lua_State *L) {
  lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
  lua_pushboolean(L, !(thread_flags(co) & (THREAD_IS_TASK | THREAD_NO_WAIT)) &&
                         lua_isyieldable(co));
  return 1;
}

static int co_running(lua_State *L) {
  lua_pushthread(L);
  /* For a script its task is what the main thread is in plain Lua. */
  lua_pushboolean(L, (thread_flags(L) & THREAD_IS_TASK) != 0);
  return 2;
}

static int co_close(lua_State *L) {
  lua_State *co = arg_thread(L);
  enum status s = thread_status(L, co);
  int status;
  if ((s != CO_DEAD && s != CO_SUSPENDED) ||
      (thread_flags(co) & THREAD_IS_TASK))
    return luaL_error(L, "cannot close a %s coroutine", status_names[s]);
  status = close_thread(L, co);
  if (status == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  if (state_must_halt(L, status))
    return state_halt(L);
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

static int co_spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  task_spawn(L, lua_gettop(L) - 1);
  return 0;
}

int corolib_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"create", co_create},
                                       {"resume", co_resume},
                                       {"running", co_running},
                                       {"status", co_status},
                                       {"wrap", co_wrap},
                                       {"yield", co_yield },
                                       {"isyieldable", co_isyieldable},
                                       {"close", co_close},
                                       {"spawn", co_spawn},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
