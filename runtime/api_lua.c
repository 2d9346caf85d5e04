/* api_lua.c - for hosts that write modules in C for Lua: those of scripts in
 * this process; and whether a text is Lua. */
#include <lauxlib.h>
#include <string.h>

#include "modules/errors.h"
#include "runtime/api.h"
#include "runtime/sandbox.h"
#include "runtime/vm/env.h"
#include "runtime/vm/sched.h"

struct add_module {
  const char *name;
  cordon_lua_fn *open; /* NULL: only looked for */
  void *ud;
  bool taken;
};

static int add_module_protected(lua_State *L) {
  struct add_module *a = lua_touserdata(L, 1);
  a->taken = env_has_module(L, a->name);
  if (!a->taken && a->open)
    env_add_host_module(L, a->name, a->open, a->ud);
  return 0;
}

/* 0 or ERR_NOMEM */
static int run_protected(lua_State *L, struct add_module *a) {
  int status;
  lua_settop(L, 0);
  lua_pushcfunction(L, add_module_protected);
  lua_pushlightuserdata(L, a);
  status = lua_pcall(L, 1, 0, 0);
  lua_settop(L, 0);
  return status == LUA_OK ? 0 : ERR_NOMEM;
}

bool api_lua_has_module(const cordon_sandbox *sandbox, const char *name) {
  struct add_module a = {name, NULL, NULL, false};
  return run_protected(sandbox->st->L, &a) != 0 || a.taken;
}

int cordon_sandbox_add_module(cordon_sandbox *sandbox, const char *name,
                              cordon_lua_fn *open, void *ud,
                              cordon_error *reterr) {
  struct add_module a = {name, open, ud, false};
  struct err e;
  if (!sandbox || !name || !*name || !open)
    return api_invalid(reterr, "sandbox, name and open are required");
  if (sandbox->host->busy) {
    err_setf(&e, ERR_BUSY, "called from inside a callback");
    return api_error(reterr, &e);
  }
  if (sandbox->remote) {
    err_setf(&e, ERR_UNSUPPORTED,
             "a worker process cannot run C functions for Lua: use "
             "cordon_sandbox_add_function, or CORDON_ISOLATION_INPROCESS");
    return api_error(reterr, &e);
  }
  if (sandbox->loaded || !sandbox->st->L)
    return api_invalid(reterr, "a script is loaded already");
  if (!exchange_has_module(&sandbox->exchange, name)) {
    if (run_protected(sandbox->st->L, &a) != 0) {
      err_set(&e, ERR_NOMEM);
      return api_error(reterr, &e);
    }
    if (!a.taken)
      return CORDON_OK;
  }
  err_setf(&e, ERR_INVALID, "the module name '%s' is taken", name);
  return api_error(reterr, &e);
}

cordon_sandbox *cordon_sandbox_of(struct lua_State *L) {
  struct services *sv = services_of(L);
  return list_entry(sv, struct cordon_sandbox, services);
}

cordon_verdict cordon_sandbox_guard(struct lua_State *L, const char *action,
                                    const char *resource,
                                    size_t resource_len_bytes,
                                    const cordon_value *meta) {
  struct request rq = {
      .action = slice_of(action ? action : ""),
      .resource = {resource ? resource : "", resource ? resource_len_bytes : 0},
      .meta = api_value(meta)};
  struct decision d = {.verdict = VERDICT_DENY,
                       .reason = "the request is not valid"};
  struct guard_place where;
  struct refusal refusal;
  bool valid = action && (resource || resource_len_bytes == 0) &&
               (!meta || cordon_value_type(meta) == CORDON_MAP);
  guard_here(L, &where);
  if (valid && guard_ask(&services_of(L)->guard, &rq, NULL, &where, &d))
    return CORDON_ALLOW; /* perhaps by the mode, and not by the policies */
  refusal_of(&refusal, &rq, &d);
  guard_push_refusal(L, &refusal);
  return d.verdict == VERDICT_ALLOW ? CORDON_DENY : (cordon_verdict)d.verdict;
}

/* ------------------------------------------------------------- waiting --- */

/* A userdata on the waiting thread's stack. */
struct cordon_wait {
  struct wait wait;
  void (*gone)(void *ud);
  void *ud;
  cordon_lua_fn *finish;
  bool ended; /* before it was yielded */
};

static void wait_gone(struct wait *w) {
  cordon_wait *cw = list_entry(w, cordon_wait, wait);
  if (cw->gone)
    cw->gone(cw->ud);
}

cordon_wait *cordon_wait_begin(struct lua_State *L, const char *what) {
  cordon_wait *w;
  if (!what)
    what = "a function of the host";
  task_check_wait(L, what);
  w = lua_newuserdatauv(L, sizeof *w, 0);
  memset(w, 0, sizeof *w);
  w->wait.what = what;
  w->wait.cancel = wait_gone;
  return w;
}

void cordon_wait_on_gone(cordon_wait *wait, void (*gone)(void *ud), void *ud) {
  if (!wait)
    return;
  wait->gone = gone;
  wait->ud = ud;
}

static int wait_finished(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return ((cordon_wait *)ctx)->finish(L);
}

int cordon_wait_yield(struct lua_State *L, cordon_wait *wait,
                      cordon_lua_fn *finish) {
  if (!wait || !finish)
    return luaL_error(L, "cordon_wait_yield: wait and finish are required");
  wait->finish = finish;
  if (wait->ended)
    return finish(L);
  return task_wait(L, &wait->wait, (lua_KContext)wait, wait_finished);
}

void cordon_wait_end(cordon_wait *wait) {
  if (!wait)
    return;
  wait->ended = true;
  wait_wake(&wait->wait);
}

#define CHECK_SOURCE_BYTES (1024u * 1024)
#define CHECK_MEMORY_BYTES (64u * 1024 * 1024)
#define CHECK_CPU_NS UINT64_C(2000000000)

int cordon_script_check(const cordon_source *source,
                        const cordon_allocator *alloc, cordon_error *reterr) {
  struct mem m = api_mem(alloc);
  const char *name;
  struct err e;
  int rv;
  if (!source || (!source->text && source->len_bytes > 0))
    return api_invalid(reterr, "source is required");
  name = source->name ? source->name : "?";
  if (source->len_bytes > CHECK_SOURCE_BYTES)
    rv = err_at(&e, ERR_SYNTAX, name, 1, 0,
                "the text has %zu bytes, at most %u are allowed",
                source->len_bytes, CHECK_SOURCE_BYTES);
  else
    rv = state_compiles(
        name,
        (struct slice){source->text ? source->text : "", source->len_bytes},
        CHECK_MEMORY_BYTES, CHECK_CPU_NS, &m, &e);
  return rv == 0 ? CORDON_OK : api_error(reterr, &e);
}
