/* env.c - the globals untrusted code sees: an allow-list. */
#include "runtime/vm/env.h"

#include <lualib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/out.h"
#include "runtime/vm/sched.h"
#include "runtime/vm/strlib.h"

/* Registry: name to {open function or text loader state}; name to module. */
static const char modules_key;
static const char loaded_key;
static const char strings_key;

#define LOADING_META "loading" /* never handed out */

/* ------------------------------------------------------------- tostring --- */

/* Two objects have two names, an object keeps its own, and no name tells where
 * in memory anything is: a permutation of 64-bit words under a secret. */
static uint64_t hide_address(const struct state *st, const void *p) {
  uint64_t x = (uint64_t)(uintptr_t)p ^ st->secret[0];
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x ^= st->secret[1];
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (x ^ (x >> 31)) ^ st->secret[2];
}

const char *env_tolstring(lua_State *L, int idx, size_t *len) {
  int type = lua_type(L, idx);
  char hex[17];
  uint64_t id;
  if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER ||
      type == LUA_TSTRING)
    return luaL_tolstring(L, idx, len);
  if (luaL_getmetafield(L, idx, "__tostring") != LUA_TNIL) {
    lua_pop(L, 1); /* luaL_tolstring calls it */
    return luaL_tolstring(L, idx, len);
  }
  id = hide_address(state_of(L), lua_topointer(L, idx));
  for (int i = 15; i >= 0; i--, id >>= 4)
    hex[i] = "0123456789abcdef"[id & 15];
  hex[16] = '\0';
  switch (luaL_getmetafield(L, idx, "__name")) {
  case LUA_TSTRING:
    lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), hex);
    lua_remove(L, -2);
    break;
  case LUA_TNIL:
    lua_pushfstring(L, "%s: %s", lua_typename(L, type), hex);
    break;
  default:
    lua_pop(L, 1);
    lua_pushfstring(L, "%s: %s", lua_typename(L, type), hex);
  }
  return lua_tolstring(L, -1, len);
}

static int env_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  env_tolstring(L, 1, NULL);
  return 1;
}

static int env_print(lua_State *L) {
  struct state *st = state_of(L);
  int n = lua_gettop(L);
  struct out o;
  size_t len;
  lua_pushnil(L);
  out_init(&o, n + 1);
  for (int i = 1; i <= n; i++) {
    const char *text = env_tolstring(L, i, &len);
    if (i > 1)
      out_byte(L, &o, '\t');
    out_add(L, &o, text, len);
    lua_pop(L, 1);
  }
  out_byte(L, &o, '\n');
  len = o.len;
  if (len > st->limits.output_bytes - st->output_bytes) {
    st->stop = STOP_OUTPUT;
    return state_halt(L);
  }
  st->output_bytes += len;
  if (st->host.output) {
    gate_enter();
    st->host.output(st->host.ud, o.p, len);
    gate_leave();
  }
  if (st->stop != STOP_NONE || atomic_load(&st->cancel)) {
    if (st->stop == STOP_NONE)
      st->stop = STOP_CANCEL;
    return state_halt(L);
  }
  return 0;
}

/* ------------------------------------------------------ error handling --- */

/* |ctx|: how many values below the results are ours, and NO_WAIT if the caller
 * is in a callback: the error may have come out of another one. */
#define NO_WAIT 16

static lua_KContext pcall_context(lua_State *L, int extra) {
  return extra | (thread_flags(L) & THREAD_NO_WAIT ? NO_WAIT : 0);
}

static int pcall_done(lua_State *L, int status, lua_KContext ctx) {
  if (status != LUA_OK && status != LUA_YIELD) {
    thread_set_no_wait(L, (ctx & NO_WAIT) != 0);
    if (state_must_halt(L, status))
      return state_halt(L);
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
  }
  return lua_gettop(L) - (int)(ctx & ~NO_WAIT);
}

static int env_pcall(lua_State *L) {
  lua_KContext ctx = pcall_context(L, 0);
  int status;
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, ctx, pcall_done);
  return pcall_done(L, status, ctx);
}

/* Upvalue 1: the script's handler, which must not see a stop. */
static int guarded_handler(lua_State *L) {
  lua_settop(L, 1);
  if (state_of(L)->stop != STOP_NONE)
    return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int env_xpcall(lua_State *L) {
  lua_KContext ctx = pcall_context(L, 2);
  int n = lua_gettop(L), status;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, guarded_handler, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  /* f, handler, true, f, arguments */
  status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, ctx, pcall_done);
  return pcall_done(L, status, ctx);
}

/* --------------------------------------------------------- metatables --- */

static int env_setmetatable(lua_State *L) {
  int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2,
                   "nil or table");
  if (type == LUA_TTABLE) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL)
      return luaL_error(L, "finalizers (__gc) are not available to scripts");
    lua_pop(L, 1);
  }
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
    return luaL_error(L, "cannot change a protected metatable");
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

static int env_rawset(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  if (table_is_locked(L, 1))
    return luaL_error(L, "attempt to change a read-only table");
  lua_settop(L, 3);
  lua_rawset(L, 1);
  return 1;
}

/* ---------------------------------------------------------------- math --- */

/* Lua's own returns the seed, which holds part of an address. */
static int env_randomseed(lua_State *L) {
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  if (n == 0) {
    lua_pushinteger(L, (lua_Integer)prng_next(&state_of(L)->prng));
    lua_pushinteger(L, (lua_Integer)prng_next(&state_of(L)->prng));
    lua_call(L, 2, 0);
  } else {
    lua_insert(L, 1);
    lua_call(L, n, 0);
  }
  return 0;
}

/* -------------------------------------------------------------- require --- */

/* Stands for a module that is being loaded: a userdata in the table of loaded
 * ones. */
struct loading {
  uint64_t loader;     /* the task that does it */
  struct list waiters; /* of struct require_wait */
};

/* A task that waits until another one has loaded a module.  In its scratch. */
struct require_wait {
  struct wait wait;
  struct list node;
  uint64_t loader;
};

static const char require_what[] = "require";

static void require_cancel(struct wait *w) {
  list_remove(&list_entry(w, struct require_wait, wait)->node);
}

static bool require_live(const struct wait *w) {
  (void)w; /* only the other task can end it */
  return false;
}

static bool wake_waiter(struct loading *ld) {
  struct list *node;
  gate_enter();
  node = list_pop(&ld->waiters);
  if (node)
    wait_wake(&list_entry(node, struct require_wait, node)->wait);
  gate_leave();
  return node != NULL;
}

/* Pops the new value of the module whose name is at 1; whoever waits for it
 * looks again. */
static void set_loaded(lua_State *L) {
  struct loading *ld;
  int value = lua_gettop(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
  lua_pushvalue(L, 1);
  lua_rawget(L, -2);
  ld = luaL_testudata(L, -1, LOADING_META);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, value);
  lua_rawset(L, -4);
  while (ld && wake_waiter(ld))
    ;
  lua_settop(L, value - 1);
}

static int require_store(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  /* stack: name, its result */
  if (lua_isnil(L, 2)) {
    lua_pushboolean(L, 1);
    lua_replace(L, 2);
  }
  lua_pushvalue(L, 2);
  set_loaded(L);
  return 1;
}

static void mark_loading(lua_State *L) {
  struct loading *ld = lua_newuserdatauv(L, sizeof *ld, 0);
  ld->loader = task_id(state_of(L)->current);
  list_init(&ld->waiters);
  meta_new(L, LOADING_META, NULL, NULL);
  luaL_setmetatable(L, LOADING_META);
  set_loaded(L);
}

static int env_require(lua_State *L);

static int require_again(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return env_require(L);
}

/* Does the task |id| wait, perhaps through others, for what this one loads? */
static bool waits_for_me(struct state *st, uint64_t id) {
  uint64_t me = task_id(st->current);
  for (size_t n = 0; n <= st->ntasks; n++) { /* longer is a loop of others */
    const struct wait *w;
    if (id == me)
      return true;
    w = task_waits_on(st, id);
    if (!w || w->what != require_what)
      return false;
    id = list_entry((struct wait *)(uintptr_t)w, struct require_wait, wait)
             ->loader;
  }
  return false;
}

/* The module is being loaded: |ld|, on top of the stack. */
static int require_wait(lua_State *L, struct loading *ld, const char *name) {
  struct require_wait *w;
  if (!state_of(L)->current || waits_for_me(state_of(L), ld->loader))
    return luaL_error(L, "module '%s' is being loaded: require loop", name);
  if (!task_can_wait(L))
    return luaL_error(L,
                      "module '%s' is being loaded by another task, which "
                      "cannot be waited for here",
                      name);
  task_check_wait(L, require_what);
  w = task_scratch(L, sizeof *w);
  memset(w, 0, sizeof *w);
  w->wait.what = require_what;
  w->wait.cancel = require_cancel;
  w->wait.live = require_live;
  w->loader = ld->loader;
  gate_enter();
  list_add_tail(&ld->waiters, &w->node);
  gate_leave();
  return task_wait(L, &w->wait, 0, require_again);
}

static int require_ran(lua_State *L, int status, lua_KContext ctx) {
  if (status != LUA_OK && status != LUA_YIELD) {
    if (status == LUA_ERRMEM && state_must_halt(L, status))
      return state_halt(L); /* raised anew it would not be counted */
    lua_pushnil(L);
    set_loaded(L);
    return lua_error(L); /* a stop included: nobody has caught it */
  }
  return require_store(L, status, ctx);
}

static int not_listed(lua_State *L, const struct state_modules *m,
                      const char *name) {
  if (m->from.len == 0)
    return luaL_error(L,
                      "module '%s' is not among the modules that this "
                      "script may require",
                      name);
  lua_pushlstring(L, m->from.p, m->from.len);
  return luaL_error(L, "module '%s' is not in the list of modules at %s", name,
                    lua_tostring(L, -1));
}

/* "a.b" is a/b.lua; a name with other characters is that of no file. */
static int not_found(lua_State *L, const char *name) {
  static const char good[] = "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  size_t len = strlen(name);
  const char *path;
  if (len == 0 || strspn(name, good) != len || name[0] == '.' ||
      name[len - 1] == '.' || strstr(name, ".."))
    return luaL_error(L,
                      "module '%s' not found: expected letters, digits, '_' "
                      "and '-', and a dot between folder and file",
                      name);
  path = luaL_gsub(L, name, ".", "/");
  return luaL_error(L,
                    "module '%s' not found: it is no built-in module, and "
                    "there is no './%s.lua' or './%s/init.lua' beside the "
                    "script",
                    name, path, path);
}

/* The module whose name is alone on the stack, whatever the list of modules
 * says: a script has its globals without one. */
static int require_any(lua_State *L) {
  struct state *st = state_of(L);
  const char *name = lua_tostring(L, 1), *file = NULL;
  struct slice text = {NULL, 0};
  int rv, status;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, -2) != LUA_TNIL) {
    struct loading *ld = luaL_testudata(L, -1, LOADING_META);
    return ld ? require_wait(L, ld, name) : 1;
  }
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
  lua_pushvalue(L, 1);
  switch (lua_rawget(L, -2)) {
  case LUA_TTABLE:
    if (lua_rawgeti(L, -1, 3) != LUA_TNIL) {
      env_provide(L, NULL); /* C code of the host names globals as it likes */
      st->host_code = true;
    }
    lua_pop(L, 1);
    lua_rawgeti(L, -1, 1); /* open */
    lua_pushvalue(L, 1);
    lua_rawgeti(L, -3, 2); /* ud */
    break;
  case LUA_TFUNCTION:
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, NULL);
    break;
  default:
    lua_pushnil(L);
  }
  if (!lua_isnil(L, -1)) {
    lua_call(L, 2, 1);
    lua_replace(L, 2);
    lua_settop(L, 2);
    return require_store(L, LUA_OK, 0);
  }
  lua_settop(L, 1);
  gate_enter();
  rv = st->host.require ? st->host.require(st->host.ud, name, &file, &text)
                        : ERR_NOT_FOUND;
  gate_leave();
  if (rv == ERR_NOT_FOUND)
    return not_found(L, name);
  if (rv != 0)
    return luaL_error(L, "module '%s' cannot be read", name);
  status = state_compile(L, file, text);
  if (status == LUA_ERRMEM)
    return state_must_halt(L, status) ? state_halt(L) : lua_error(L);
  if (status != LUA_OK)
    return luaL_error(L, "error loading module '%s': %s", name,
                      lua_tostring(L, -1));
  mark_loading(L);
  lua_pushvalue(L, 1);
  status = lua_pcallk(L, 1, 1, 0, 0, require_ran);
  return require_ran(L, status, 0);
}

static int env_require(lua_State *L) {
  struct state *st = state_of(L);
  struct slice s;
  luaL_checktype(L, 1, LUA_TSTRING);
  lua_settop(L, 1);
  value_slice(L, 1, &s);
  if (strlen(s.p) != s.len || s.len > 200)
    return luaL_error(L, "module name: expected at most 200 bytes, no NUL");
  if (!state_module_allowed(&st->host.modules, s))
    return not_listed(L, &st->host.modules, s.p);
  return require_any(L);
}

static void add_module(lua_State *L, const char *name, lua_CFunction open,
                       void *ud, bool of_host) {
  luaL_checkstack(L, 4, NULL);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
  if (!of_host && !ud) { /* each sandbox has those: no table for them */
    lua_pushcfunction(L, open);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
    return;
  }
  lua_createtable(L, of_host ? 3 : 2, 0);
  lua_pushcfunction(L, open);
  lua_rawseti(L, -2, 1);
  lua_pushlightuserdata(L, ud);
  lua_rawseti(L, -2, 2);
  if (of_host) {
    lua_pushboolean(L, 1);
    lua_rawseti(L, -2, 3);
  }
  lua_setfield(L, -2, name); /* a plain table of ours */
  lua_pop(L, 1);
}

void env_add_module(lua_State *L, const char *name, lua_CFunction open,
                    void *ud) {
  add_module(L, name, open, ud, false);
}

void env_add_host_module(lua_State *L, const char *name, lua_CFunction open,
                         void *ud) {
  add_module(L, name, open, ud, true);
}

void env_add_global_module(lua_State *L, const char *name, lua_CFunction open) {
  struct state *st = state_of(L);
  env_add_module(L, name, open, NULL);
  if (st->nglobal_modules == GLOBAL_MODULES_MAX)
    luaL_error(L, "too many global modules");
  st->global_modules[st->nglobal_modules++] = name;
}

bool env_has_module(lua_State *L, const char *name) {
  bool has;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
  has = lua_getfield(L, -1, name) != LUA_TNIL;
  lua_pop(L, 2);
  return has;
}

/* ------------------------------------------------------------- opening --- */

static bool is_listed(const char *name, const char *const *names) {
  while (*names && strcmp(*names, name) != 0)
    names++;
  return *names != NULL;
}

/* Takes everything but |names| out of the table on top. */
static void keep_fields(lua_State *L, const char *const *names) {
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING && is_listed(lua_tostring(L, -1), names))
      continue;
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, -4);
  }
}

/* Replaces field |name| of the table on top by |f| with the old one as its
 * upvalue. */
/* Opens one of Lua's libraries without publishing it; its table is on top. */
static void open_lib(lua_State *L, lua_CFunction open) {
  lua_pushcfunction(L, open);
  lua_call(L, 0, 1);
}

/* lua_resume and lua_resetthread make these outside of protected mode, where
 * an allocation that fails ends the process.  Strings that exist are found. */
static void keep_strings(lua_State *L) {
  static const char *const strings[] = {
      "C stack overflow", "cannot resume dead coroutine",
      "cannot resume non-suspended coroutine", "error in error handling", NULL};
  lua_newtable(L);
  for (int i = 0; strings[i]; i++) {
    lua_pushstring(L, strings[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, &strings_key);
}

/* ------------------------------------------------------------ libraries ---
 *
 * Most sandboxes use few of them, and each costs kilobytes: a library is opened
 * when a text is compiled that could name it.  There is no other way to a
 * global than its name in the text, unless the text has "_G" or "_ENV" in it,
 * and then all of them are there.  So no script can tell. */

/* The library on top becomes the global |name|, under which error messages and
 * tracebacks know its functions. */
static void publish(lua_State *L, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
  lua_setglobal(L, name);
}

static void provide_string(lua_State *L) {
  open_lib(L, luaopen_string);
  strlib_open(L);
  lua_pushliteral(L, ""); /* strings keep their metatable to themselves */
  lua_getmetatable(L, -1);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
  publish(L, "string");
}

static void provide_table(lua_State *L) {
  open_lib(L, luaopen_table);
  tablib_open(L);
  lua_getfield(L, -1, "unpack");
  lua_setglobal(L, "unpack");
  publish(L, "table");
}

static void provide_math(lua_State *L) {
  open_lib(L, luaopen_math);
  strlib_wrap(L, "randomseed", env_randomseed);
  lua_getfield(L, -1, "randomseed");
  lua_call(L, 0, 0);
  publish(L, "math");
}

static void provide_utf8(lua_State *L) {
  open_lib(L, luaopen_utf8);
  publish(L, "utf8");
}

static void provide_os(lua_State *L) {
  oslib_open(L);
  publish(L, "os");
}

static void provide_coroutine(lua_State *L) {
  corolib_open(L);
  publish(L, "coroutine");
}

enum { LIB_STRING };

static const struct {
  const char *name;
  const char *other; /* what else is named by it, or NULL */
  void (*provide)(lua_State *L);
} libraries[] = {[LIB_STRING] = {"string", NULL, provide_string},
                 {"table", "unpack", provide_table},
                 {"math", NULL, provide_math},
                 {"utf8", NULL, provide_utf8},
                 {"os", NULL, provide_os},
                 {"coroutine", NULL, provide_coroutine}};

#define NLIBRARIES (sizeof libraries / sizeof *libraries)

/* Once for each; what fails for want of memory is tried again. */
static void provide_library(lua_State *L, size_t i) {
  struct state *st = state_of(L);
  if (st->libraries & 1u << i)
    return;
  libraries[i].provide(L);
  st->libraries |= 1u << i;
}

static bool names(struct slice text, const char *name) {
  return name && memmem(text.p, text.len, name, strlen(name)) != NULL;
}

void env_provide(lua_State *L, const struct slice *text) {
  struct state *st = state_of(L);
  bool all = !text || names(*text, "_G") || names(*text, "_ENV");
  luaL_checkstack(L, 6, NULL);
  for (size_t i = 0; i < NLIBRARIES; i++)
    if (all || names(*text, libraries[i].name) ||
        names(*text, libraries[i].other))
      provide_library(L, i);
  for (size_t i = 0; i < st->nglobal_modules; i++) {
    const char *name = st->global_modules[i];
    if (!name || !(all || names(*text, name)))
      continue;
    lua_pushcfunction(L, require_any);
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
    lua_setglobal(L, name);
    st->global_modules[i] = NULL;
  }
}

/* The metatable of strings needs no name.  What stands in for it opens the
 * library at the first touch, and does then what the library does. */
static int string_index(lua_State *L) {
  provide_library(L, LIB_STRING);
  lua_getmetatable(L, 1);
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  return 1;
}

static bool push_number(lua_State *L, int arg) {
  size_t len;
  const char *text;
  if (lua_type(L, arg) == LUA_TNUMBER) {
    lua_pushvalue(L, arg);
    return true;
  }
  text = lua_tolstring(L, arg, &len);
  return text && lua_stringtonumber(L, text) == len + 1;
}

/* Arithmetic on strings, as in lstrlib.c: errors must not tell of a detour. */
static int string_arith(lua_State *L, int op, const char *name) {
  if (push_number(L, 1) && push_number(L, 2)) {
    lua_arith(L, op);
    return 1;
  }
  lua_settop(L, 2);
  if (lua_type(L, 2) == LUA_TSTRING || !luaL_getmetafield(L, 2, name))
    return luaL_error(L, "attempt to perform arithmetic on a %s value",
                      luaL_typename(L, -2));
  lua_insert(L, -3);
  lua_call(L, 2, 1);
  return 1;
}

/* Without upvalues they take no memory. */
#define ARITH(name, op)                                                        \
  static int string_##name(lua_State *L) {                                     \
    return string_arith(L, op, "__" #name);                                    \
  }
ARITH(add, LUA_OPADD)
ARITH(sub, LUA_OPSUB)
ARITH(mul, LUA_OPMUL)
ARITH(mod, LUA_OPMOD)
ARITH(pow, LUA_OPPOW)
ARITH(div, LUA_OPDIV)
ARITH(idiv, LUA_OPIDIV)
ARITH(unm, LUA_OPUNM)
#undef ARITH

static void stand_in_for_string(lua_State *L) {
  static const luaL_Reg stand_in[] = {
      {"__index", string_index}, {"__add", string_add},
      {"__sub", string_sub},     {"__mul", string_mul},
      {"__mod", string_mod},     {"__pow", string_pow},
      {"__div", string_div},     {"__idiv", string_idiv},
      {"__unm", string_unm},     {NULL, NULL}};
  lua_pushliteral(L, "");
  lua_createtable(L, 0, 10);
  luaL_setfuncs(L, stand_in, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

void env_open(lua_State *L) {
  static const char *const base[] = {
      "_VERSION", "assert",   "error",  "getmetatable", "ipairs", "next",
      "pairs",    "rawequal", "rawget", "rawlen",       "select", "tonumber",
      "type",     NULL};
  static const luaL_Reg own[] = {{"pcall", env_pcall},
                                 {"xpcall", env_xpcall},
                                 {"print", env_print},
                                 {"tostring", env_tostring},
                                 {"setmetatable", env_setmetatable},
                                 {"rawset", env_rawset},
                                 {"require", env_require},
                                 {NULL, NULL}};
  luaL_checkstack(L, 10, NULL);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_key);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
  keep_strings(L);

  lua_createtable(L, 0, 32); /* all of what luaopen_base adds to the globals */
  lua_pushvalue(L, -1);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushcfunction(L, luaopen_base);
  lua_call(L, 0, 0);
  keep_fields(L, base);
  luaL_setfuncs(L, own, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "_G");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "_G");
  stand_in_for_string(L);
  lua_settop(L, 0);
}
