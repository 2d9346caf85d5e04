/* state.c - one lua_State with counted memory, a CPU budget, a deadline and a
 * way to stop it. */
#include "runtime/vm/state.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/vm/env.h"
#include "runtime/vm/object.h"
#include "runtime/vm/preempt.h"
#include "runtime/vm/sched.h"

#define TRACEBACK_MAX (16 * 1024)
/* To give a KiB of memory back to the kernel, which looks at each of its pages:
 * 30 to 110 ns were measured, the most in a virtual machine. */
#define DROP_KIB_NS 100

/* Never reached: all script code and all set-up runs in protected mode.  Lua
 * aborts the process when this returns, which is what a broken promise is
 * worth. */
static int on_panic(lua_State *L) {
  (void)L;
  return 0;
}

/* Lua warns of one thing only, a finalizer that failed: where a stack is used
 * up or no memory is left for its call, it did not even begin, and never will.
 * Scripts have none.  An object of ours (object.h) does without: it is there
 * until the script ends, and knows when what it points to goes.  But userdata
 * of the host's own modules may be linked to who knows what, and Lua will free
 * it: so a script that uses such modules ends here, as out of memory, and
 * nothing of it is given back before. */
static void on_warning(void *ud, const char *piece, int to_be_continued) {
  static const char *const not_begun[] = {"not enough memory", "stack overflow",
                                          "error in error handling"};
  struct state *st = ud;
  (void)to_be_continued;
  if (!st->host_code) {
    /* it was not the script that wanted memory then */
    if (strstr(piece, "not enough memory") && st->region.failures > 0)
      st->region.failures--;
    return;
  }
  for (size_t i = 0; i < sizeof not_begun / sizeof *not_begun; i++)
    if (strstr(piece, not_begun[i])) {
      st->region.keeps = true;
      if (st->stop == STOP_NONE)
        st->stop = STOP_MEMORY;
    }
}

static int open_all(lua_State *L) {
  lua_CFunction open = (lua_CFunction)lua_touserdata(L, 1);
  env_open(L);
  if (open)
    open(L);
  lua_settop(L, 0);
  return 0;
}

static void on_cpu_limit(void *ud) {
  state_stop(ud, STOP_CPU);
}

static void on_deadline(struct timer *t, void *ud) {
  (void)t;
  state_stop(ud, STOP_DEADLINE);
}

bool state_module_allowed(const struct state_modules *m, struct slice name) {
  if (!m->listed)
    return true;
  for (size_t i = 0; i < m->n; i++)
    if (slice_eq(m->names[i], name))
      return true;
  return false;
}

int state_new(struct state **ret, struct loop *lp, struct preempt *preempt,
              const struct mem *base, const struct state_limits *limits,
              const struct state_host *host, void *services,
              lua_CFunction open) {
  /* mem.fn aligns for any type, which is 16 bytes or more: the low bits of the
   * address are free for the flags of threads */
  struct state *st = mem_zalloc(base, sizeof *st);
  int rv = ERR_NOMEM;
  _Static_assert(alignof(max_align_t) >= 16, "thread flags need four bits");
  if (!st)
    return ERR_NOMEM;
  st->base = *base;
  st->loop = lp;
  st->preempt = preempt;
  st->limits = *limits;
  st->host = *host;
  st->services = services;
  list_init(&st->objects);
  list_init(&st->tasks);
  list_init(&st->ready);
  list_init(&st->turn);
  deferred_init(&st->run, sched_run, st);
  timer_init(&st->deadline, lp, on_deadline, st);
  buf_init(&st->traceback, base, TRACEBACK_MAX);
  account_init(&st->account, base,
               limits->memory_bytes > SIZE_MAX ? SIZE_MAX
                                               : (size_t)limits->memory_bytes);
  st->mem = account_mem(&st->account);
  st->payer = (struct payer){
      .alarm_ns = limits->cpu_ns, .alarm = on_cpu_limit, .ud = st};
  if (payer_add(loop_till(lp), &st->payer) != 0) {
    mem_free(base, st, sizeof *st);
    return ERR_NOMEM;
  }
  region_init(&st->region, base, &st->account);
  if (((uintptr_t)st & 15) != 0 || prng_seed(&st->prng) != 0 ||
      random_bytes(st->secret, sizeof st->secret) != 0) {
    rv = ERR_SYSTEM;
    goto fail;
  }
  st->L = lua_newstate(region_alloc, &st->region);
  if (!st->L)
    goto fail;
  lua_atpanic(st->L, on_panic);
  lua_setwarnf(st->L, on_warning, st);
  thread_set_flags(st->L, st, 0);
  /* no memory is needed to push these */
  lua_pushcfunction(st->L, open_all);
  lua_pushlightuserdata(st->L, (void *)open);
  if (lua_pcall(st->L, 1, 0, 0) != LUA_OK)
    goto fail;
  *ret = st;
  return 0;
fail:
  state_free(st);
  return rv;
}

void state_free(struct state *st) {
  struct mem base;
  if (!st)
    return;
  st->ended = true;
  deferred_cancel(&st->run);
  timer_stop(&st->deadline);
  sched_cancel_all(st);
  state_drop(st);
  deferred_cancel(&st->run); /* what was let go of may have woken a task */
  payer_remove(loop_till(st->loop), &st->payer);
  buf_deinit(&st->traceback);
  base = st->base;
  mem_free(&base, st, sizeof *st);
}

void state_drop(struct state *st) {
  /* Objects of the host's modules have finalizers that only Lua can find. */
  if (st->L && st->host_code && !st->abandoned)
    lua_close(st->L);
  st->L = NULL;
  objects_drop(st);
  region_drop(&st->region);
}

/* ------------------------------------------------------------- loading --- */

/* What is not Lua: a byte order mark, and a first line for a shell. */
static struct slice without_head(struct slice text) {
  if (slice_starts(text, SLICE("\xef\xbb\xbf"))) {
    text.p += 3;
    text.len -= 3;
  }
  if (text.len > 0 && text.p[0] == '#')
    while (text.len > 0 && text.p[0] != '\n') {
      text.p++;
      text.len--;
    }
  return text;
}

int state_compile(lua_State *L, const char *name, struct slice text) {
  struct state *st = state_of(L);
  const char *chunkname;
  if (text.len > st->limits.source_bytes) {
    lua_pushfstring(L, "%s:1: the text has %I bytes, at most %I are allowed",
                    name, (LUAI_UACINT)text.len,
                    (LUAI_UACINT)st->limits.source_bytes);
    return LUA_ERRSYNTAX;
  }
  text = without_head(text);
  env_provide(L, &text);
  chunkname = lua_pushfstring(L, "@%s", name);
  int status = luaL_loadbufferx(L, text.p, text.len, chunkname, "t");
  lua_remove(L, -2);
  return status;
}

static uint64_t deadline_at(const struct state *st) {
  uint64_t ns = st->limits.deadline_ns;
  return ns > UINT64_MAX - st->started_ns ? UINT64_MAX : st->started_ns + ns;
}

struct load {
  struct state *st;
  const char *name;
  struct slice text;
  const char *method;
  const char *const *args;
  size_t nargs;
  int status; /* of the compiler */
  int result; /* of all of it */
};

static int returned(lua_State *L, int table, int first) {
  const struct state_host *host = &state_of(L)->host;
  return host->returned ? host->returned(host->ud, L, table, first)
                        : lua_gettop(L) - first + 1;
}

/* Stack: the script's arguments, the table it returned, the method's results,
 * which are the script's. */
static int main_done(lua_State *L, int status, lua_KContext nargs) {
  int table = (int)nargs + 1;
  (void)status;
  return returned(L, table, table + 1);
}

/* Stack: the script's arguments, then what the chunk returned. */

static int chunk_done(lua_State *L, int status, lua_KContext nargs) {
  int first = (int)nargs + 1;
  (void)status;
  luaL_checkstack(L, 2, NULL); /* there may be as many results as fit */
  if (lua_type(L, first) == LUA_TTABLE) {
    lua_pushvalue(L, lua_upvalueindex(2)); /* the method's name */
    lua_rawget(L, first);
    if (lua_type(L, -1) == LUA_TFUNCTION) {
      luaL_checkstack(L, (int)nargs + 1, "too many arguments");
      lua_insert(L, first + 1);
      lua_settop(L, first + 1);
      for (int i = 1; i <= (int)nargs; i++)
        lua_pushvalue(L, i);
      lua_callk(L, (int)nargs, LUA_MULTRET, nargs, main_done);
      return main_done(L, LUA_OK, nargs);
    }
    lua_pop(L, 1);
    return returned(L, first, first);
  }
  return returned(L, 0, first);
}

/* Upvalues: the chunk, the method's name.  Arguments: the script's. */
static int run_main(lua_State *L) {
  int nargs = lua_gettop(L);
  luaL_checkstack(L, nargs + 2, "too many arguments");
  lua_pushvalue(L, lua_upvalueindex(1));
  for (int i = 1; i <= nargs; i++)
    lua_pushvalue(L, i);
  lua_callk(L, nargs, LUA_MULTRET, nargs, chunk_done);
  return chunk_done(L, LUA_OK, nargs);
}

static int load_protected(lua_State *L) {
  struct load *ld = lua_touserdata(L, 1);
  const struct state_host *host = &ld->st->host;
  int before = 0;
  ld->status = state_compile(L, ld->name, ld->text);
  if (ld->status != LUA_OK)
    return 1;
  lua_pushstring(L, ld->method);
  lua_pushcclosure(L, run_main, 2);
  lua_createtable(L, (int)ld->nargs, 1);
  lua_pushstring(L, ld->name);
  lua_rawseti(L, -2, 0);
  luaL_checkstack(L, (int)ld->nargs + 6, "too many arguments");
  if (host->arguments)
    before = host->arguments(host->ud, L);
  for (size_t i = 0; i < ld->nargs; i++) {
    lua_pushstring(L, ld->args[i]);
    lua_pushvalue(L, -1);
    lua_rawseti(L, 3, (lua_Integer)i + 1);
  }
  lua_pushvalue(L, 3);
  lua_setglobal(L, "arg");
  lua_remove(L, 3);
  task_spawn_main(L, before + (int)ld->nargs);
  return 0;
}

static void load_in_gate(void *ud) {
  struct load *ld = ud;
  ld->result = lua_pcall(ld->st->L, 1, 1, 0);
}

static void syntax_error(struct err *e, const char *name, const char *text) {
  /* "name:line: message"; the name was cut by Lua if it is long */
  const char *p = text;
  uint32_t line = 0;
  for (; (p = strchr(p, ':')) != NULL; p++) {
    const char *d = p + 1;
    uint32_t n = 0;
    while (ascii_digit(*d) && n < 100000000)
      n = n * 10 + (uint32_t)(*d++ - '0');
    if (d > p + 1 && d[0] == ':' && d[1] == ' ') {
      line = n;
      text = d + 2;
      break;
    }
  }
  if (line == 0) /* "C stack overflow": the compiler forgets where it was */
    err_at(e, ERR_SYNTAX, name, 0, 0, "%s: cannot be compiled: %s", name, text);
  else
    err_at(e, ERR_SYNTAX, name, line, 0, "%s", text);
}

int state_load(struct state *st, const char *name, struct slice text,
               const char *method, const char *const *args, size_t nargs,
               struct err *e) {
  struct load ld = {.st = st,
                    .name = name,
                    .text = text,
                    .method = method,
                    .args = args,
                    .nargs = nargs};
  lua_State *L = st->L;
  uint64_t before;
  bool whole;
  int rv;
  if (nargs > 250)
    return err_setf(e, ERR_INVALID, "a script takes at most 250 arguments");
  if (st->started_ns != 0)
    return err_setf(e, ERR_INVALID, "a script is loaded already");
  if (!L)
    return err_setf(e, ERR_LIMIT, "the script has ended");
  if (preempt_enter(st->preempt, st, SLICE_NS) != 0)
    return err_setf(e, ERR_SYSTEM,
                    "no timer could be made to bound the script");
  st->started_ns = clock_mono_ns();
  if (st->begun_ns != 0 && st->begun_ns < st->started_ns)
    st->started_ns = st->begun_ns;
  before = till_pass(loop_till(st->loop), &st->payer);
  lua_settop(L, 0);
  lua_pushcfunction(L, load_protected);
  lua_pushlightuserdata(L, &ld);
  whole = gate_run(st->preempt, load_in_gate, &ld);
  preempt_leave(st->preempt);
  till_pass_id(loop_till(st->loop), before);
  st->abandoned = !whole;
  if (sched_look_at_limits(st) || !whole) { /* it says which in both cases */
    sched_stop_error(st, e);
    sched_cancel_all(st);
    deferred_cancel(&st->run);
    state_drop(st);
    return e->code;
  }
  if (ld.result == LUA_OK && ld.status == LUA_OK) {
    lua_settop(L, 0);
    if (st->limits.deadline_ns != UINT64_MAX &&
        timer_start_at(&st->deadline, deadline_at(st)) != 0) {
      sched_cancel_all(st); /* not without its deadline */
      deferred_cancel(&st->run);
      return err_set(e, ERR_NOMEM);
    }
    return 0;
  }
  if (ld.result == LUA_ERRMEM || ld.status == LUA_ERRMEM) {
    st->stop = STOP_MEMORY;
    err_setf(e, ERR_LIMIT, "not enough memory to load the script");
    rv = ERR_LIMIT;
  } else {
    const char *why = lua_tostring(L, -1);
    syntax_error(e, name, why ? why : "cannot be loaded");
    rv = ERR_SYNTAX;
  }
  lua_settop(L, 0);
  return rv;
}

/* The compiler asks for the text in pieces: between two of them, and where it
 * wants memory, it can be ended without a timer, on any thread.  What one token
 * costs has a bound: as often as not it goes through a list of all before. */
#define CHECK_PIECE_BYTES 32

struct check {
  const char *name;
  struct slice text; /* what is left of it */
  struct mem mem;
  uint64_t begun_ns, begun_cpu_ns, cpu_ns;
  bool over;
};

static bool check_over(struct check *c) {
  /* the cheap clock first */
  if (!c->over && clock_mono_ns() - c->begun_ns > c->cpu_ns)
    c->over = clock_thread_cpu_ns() - c->begun_cpu_ns > c->cpu_ns;
  return c->over;
}

static const char *check_read(lua_State *L, void *ud, size_t *ret_len) {
  struct check *c = ud;
  const char *p = c->text.p;
  if (check_over(c))
    luaL_error(L, "it takes too long");
  *ret_len = c->text.len < CHECK_PIECE_BYTES ? c->text.len : CHECK_PIECE_BYTES;
  c->text.p += *ret_len;
  c->text.len -= *ret_len;
  return *ret_len > 0 ? p : NULL;
}

static int check_protected(lua_State *L) {
  struct check *c = lua_touserdata(L, 1);
  const char *chunkname = lua_pushfstring(L, "@%s", c->name);
  if (lua_load(L, check_read, c, chunkname, "t") != LUA_OK)
    return lua_error(L);
  return 0;
}

static void *check_alloc(void *ud, void *p, size_t old_n, size_t new_n) {
  struct check *c = ud;
  if (!p)
    old_n = 0; /* it is a type then */
  if (new_n > old_n && check_over(c))
    return NULL;
  if (new_n > 0)
    return mem_realloc(&c->mem, p, old_n, new_n);
  if (p)
    mem_free(&c->mem, p, old_n);
  return NULL;
}

int state_compiles(const char *name, struct slice text, size_t memory_bytes,
                   uint64_t cpu_ns, const struct mem *base, struct err *e) {
  struct check c = {.name = name,
                    .text = without_head(text),
                    .begun_ns = clock_mono_ns(),
                    .begun_cpu_ns = clock_thread_cpu_ns(),
                    .cpu_ns = cpu_ns};
  struct account account;
  lua_State *L;
  int rv = 0, status;
  account_init(&account, base, memory_bytes);
  c.mem = account_mem(&account);
  L = lua_newstate(check_alloc, &c);
  if (!L)
    return err_set(e, ERR_NOMEM);
  lua_pushcfunction(L, check_protected);
  lua_pushlightuserdata(L, &c);
  status = lua_pcall(L, 1, 0, 0);
  if (status != LUA_OK && c.over) {
    rv = err_at(e, ERR_LIMIT, name, 0, 0,
                "the text takes more than %g s of CPU time to compile",
                (double)cpu_ns / 1e9);
  } else if (status == LUA_ERRMEM) {
    rv = err_set(e, ERR_NOMEM);
  } else if (status != LUA_OK) {
    const char *why = lua_tostring(L, -1);
    syntax_error(e, name, why ? why : "cannot be loaded");
    rv = ERR_SYNTAX;
  }
  lua_close(L);
  return rv;
}

/* ------------------------------------------------------------- asking --- */

void state_stop(struct state *st, enum stop_reason why) {
  if (st->ended || st->stop != STOP_NONE)
    return;
  st->stop = why;
  /* Running: the next tick finds it.  Else: the scheduler does, from the
   * loop. */
  if (!st->current)
    deferred_schedule(st->loop, &st->run);
}

uint64_t state_cpu_used_ns(const struct state *st) {
  uint64_t used_ns = till_paid_ns(loop_till(st->loop), &st->payer);
  return st->stop == STOP_CPU && used_ns < st->limits.cpu_ns ? st->limits.cpu_ns
                                                             : used_ns;
}

uint64_t state_cpu_end_ns(const struct state *st) {
  uint64_t limit_ns = st->limits.cpu_ns;
  uint64_t drop_ns = (uint64_t)st->region.held / 1024 * DROP_KIB_NS;
  if (limit_ns == UINT64_MAX)
    return limit_ns;
  return limit_ns - (drop_ns < limit_ns / 2 ? drop_ns : limit_ns / 2);
}

uint64_t state_cpu_left_ns(const struct state *st) {
  uint64_t used_ns = state_cpu_used_ns(st), end_ns = state_cpu_end_ns(st);
  if (end_ns == UINT64_MAX)
    return UINT64_MAX;
  return used_ns < end_ns ? end_ns - used_ns : 0;
}

struct loop *state_loop(struct state *st) {
  return st->loop;
}

const struct mem *state_mem(struct state *st) {
  return &st->mem;
}

struct prng *state_prng(struct state *st) {
  return &st->prng;
}

void *state_services(lua_State *L) {
  return state_of(L)->services;
}

bool state_timer_room(const struct state *st) {
  return st->timers < st->limits.timers;
}

void state_timer_acquire(struct state *st) {
  st->timers++;
}

void state_timer_release(struct state *st) {
  st->timers--;
}
