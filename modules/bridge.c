/* bridge.c - what a script and its host tell each other in values: the script's
 * side. */
#include "modules/bridge.h"

#include <lauxlib.h>
#include <string.h>

#include "modules/channel.h"
#include "modules/errors.h"
#include "modules/services.h"
#include "modules/value_lua.h"
#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/env.h"
#include "runtime/vm/object.h"

#define PENDING_META "host.call" /* never handed out */

/* ------------------------------------------------- functions of the host ---
 */

/* What the host holds of a call, at the script's expense until it has answered:
 * also when nobody waits any more. */
struct asked {
  struct list node; /* in bridge.forgotten, or in no list */
  uint32_t id;
  size_t cost;
};

/* A call that waits for its answer: a userdata on the stack of its task. */
struct pending {
  struct object object;
  struct wait wait;
  struct list node; /* in bridge.calls until it is answered */
  struct bridge *bridge;
  uint32_t id;
  struct asked *asked; /* while it is in bridge.calls */
  /* the answer, and what it is in */
  struct arena arena;
  bool nomem;
  bool refused;
  struct refusal refusal;
  struct value value;
  struct bridge_answer answer;
};

static struct bridge *bridge_of(lua_State *L) {
  return services_of(L)->bridge;
}

static struct asked *asked_new(struct bridge *b, uint32_t id, size_t cost) {
  struct asked *a = mem_alloc(&b->mem, sizeof *a);
  if (!a)
    return NULL;
  list_init(&a->node);
  a->id = id;
  a->cost = cost;
  b->ncalls++;
  b->calls_cost += cost;
  account_outside(&b->st->account, 0, cost);
  return a;
}

static void asked_free(struct bridge *b, struct asked *a) {
  list_remove(&a->node);
  b->ncalls--;
  b->calls_cost -= a->cost;
  account_outside(&b->st->account, a->cost, 0);
  mem_free(&b->mem, a, sizeof *a);
}

/* NULL: it was answered or forgotten before. */
static struct asked *pending_leave(struct pending *p) {
  struct asked *a = p->asked;
  list_remove(&p->node);
  p->asked = NULL;
  return a;
}

static void pending_cancel(struct wait *w) {
  struct pending *p = list_entry(w, struct pending, wait);
  struct bridge *b = p->bridge;
  struct asked *a = pending_leave(p);
  if (!a)
    return;
  if (b->ended || b->st->ended) {
    asked_free(b, a);
    return;
  }
  list_add_tail(&b->forgotten, &a->node);
  b->ops->forget(b, p->id);
}

static void pending_release(struct object *o) {
  struct pending *p = list_entry(o, struct pending, object);
  struct asked *a = pending_leave(p);
  if (a)
    asked_free(p->bridge, a);
  arena_deinit(&p->arena);
}

static int copy_slice(struct slice *s, struct arena *a) {
  char *p = arena_strndup(a, s->len ? s->p : "", s->len);
  if (!p)
    return ERR_NOMEM;
  s->p = p;
  return 0;
}

static int copy_answer(struct pending *p, const struct bridge_answer *from) {
  struct bridge_answer *to = &p->answer;
  *to = *from;
  if (from->ok) {
    if (!from->value)
      return 0;
    to->value = &p->value;
    return value_copy(&p->value, from->value, &p->arena);
  }
  if (from->refusal) {
    p->refusal = *from->refusal;
    to->refusal = &p->refusal;
    if (copy_slice(&p->refusal.action, &p->arena) != 0 ||
        copy_slice(&p->refusal.resource, &p->arena) != 0)
      return ERR_NOMEM;
    return copy_slice(p->refusal.policy.p ? &p->refusal.policy
                                          : &p->refusal.reason,
                      &p->arena);
  }
  return copy_slice(&to->kind, &p->arena) != 0 ||
                 copy_slice(&to->message, &p->arena) != 0
             ? ERR_NOMEM
             : 0;
}

void bridge_answer(struct bridge *b, uint32_t id,
                   const struct bridge_answer *answer) {
  list_foreach (it, &b->calls) {
    struct pending *p = list_entry(it, struct pending, node);
    if (p->id != id)
      continue;
    asked_free(b, pending_leave(p));
    p->nomem = copy_answer(p, answer) != 0;
    wait_wake(&p->wait);
    return;
  }
  list_foreach (it, &b->forgotten) {
    struct asked *a = list_entry(it, struct asked, node);
    if (a->id != id)
      continue;
    asked_free(b, a);
    return;
  }
}

/* The answer is pushed: what it was in goes, and not only with the garbage. */
static void pending_clear(struct pending *p) {
  gate_enter();
  arena_deinit(&p->arena);
  arena_init(&p->arena, &p->bridge->mem, SIZE_MAX);
  gate_leave();
}

static int call_done(lua_State *L, int status, lua_KContext ctx) {
  struct pending *p = (struct pending *)ctx;
  const struct bridge_answer *a = &p->answer;
  (void)status;
  if (p->nomem)
    return fail_nil(L, KIND_INTERNAL, false,
                    "%s: there is not enough memory for the answer",
                    p->wait.what);
  if (a->ok) {
    if (a->value)
      value_push(L, a->value);
    else
      lua_pushnil(L);
    pending_clear(p);
    return 1;
  }
  lua_pushnil(L);
  if (a->refusal)
    guard_push_refusal(L, a->refusal);
  else
    error_push(L, a->kind.p, a->retryable, 0, "%.*s", (int)a->message.len,
               a->message.p);
  pending_clear(p);
  return 2;
}

/* Upvalue 1: the number of the offer. */
static int call_function(lua_State *L) {
  struct bridge *b = bridge_of(L);
  uint32_t number = (uint32_t)lua_tointeger(L, lua_upvalueindex(1));
  const char *what = b->offers[number].what;
  struct guard_place where;
  struct value args;
  struct pending *p;
  struct err e;
  size_t cost;
  int rv;
  task_check_wait(L, what);
  if (!value_from_args(L, 1, lua_gettop(L), &args, &e))
    return fail_nil(L, KIND_INVALID, false, "%s: %s", what, e.message);
  if (!value_may_cross(&args, &cost))
    return fail_nil(L, KIND_INVALID, false, "%s: the arguments are too large",
                    what);
  cost += BRIDGE_VALUE_BYTES;
  if (b->ncalls >= BRIDGE_CALLS_MAX ||
      cost > BRIDGE_CALLS_MAX_COST - b->calls_cost)
    return fail_nil(L, KIND_RATE_LIMITED, true,
                    "%s: as many calls as are allowed are waiting for the host",
                    what);
  if (!objects_room(L, cost + sizeof *p))
    return state_no_memory(L);
  guard_here(L, &where);
  p = object_new(L, PENDING_META, sizeof *p, 0);
  list_init(&p->node);
  p->bridge = b;
  p->id = ++b->last_id;
  p->wait.what = what;
  p->wait.cancel = pending_cancel;
  arena_init(&p->arena, &b->mem, SIZE_MAX);
  object_ready(&p->object, pending_release);
  gate_enter();
  rv = ERR_NOMEM;
  if ((p->asked = asked_new(b, p->id, cost))) {
    list_add_tail(&b->calls, &p->node);
    rv = b->ops->call(b, p->id, number, &where, &args);
  }
  if (rv == 0)
    wait_begin(L, &p->wait);
  else if (p->asked)
    asked_free(b, pending_leave(p));
  gate_leave();
  if (rv != 0)
    return state_no_memory(L);
  return task_wait(L, &p->wait, (lua_KContext)p, call_done);
}

/* ------------------------------------------------------------- channels --- */

/* A value on its way to the script, in its own arena. */
struct fed {
  struct channel_item item;
  struct bridge_channel *to;
  struct arena arena;
  struct value value;
};

static void fed_push(lua_State *L, struct channel_item *it, bool words) {
  (void)words;
  value_push(L, &list_entry(it, struct fed, item)->value);
}

static void fed_drop(struct channel_item *it) {
  struct fed *f = list_entry(it, struct fed, item);
  struct bridge *b = f->to->bridge;
  struct arena a = f->arena; /* which |f| is in */
  uint32_t number = f->to->number;
  arena_deinit(&a);
  if (!b->ended && !b->st->ended)
    b->ops->taken(b, number);
}

void bridge_feed(struct bridge *b, uint32_t number, const struct value *value) {
  struct bridge_channel *bc = &b->channels[number];
  struct arena a;
  struct fed *f;
  if (b->ended)
    return;
  arena_init(&a, &b->mem, SIZE_MAX);
  f = arena_zalloc(&a, sizeof *f);
  if (!f || value_copy(&f->value, value, &a) != 0) {
    arena_deinit(&a);
    state_stop(b->st, STOP_MEMORY); /* what was sent must not be lost */
    return;
  }
  f->to = bc;
  f->arena = a;
  f->item.push = fed_push;
  f->item.drop = fed_drop;
  list_init(&f->item.node);
  if (bc->channel)
    channel_host_put(bc->channel, &f->item);
  else
    list_add_tail(&bc->early, &f->item.node);
}

static bool inlet_live(void *ud) {
  const struct bridge_channel *bc = ud;
  return !bc->shut;
}

static void channel_gone(void *ud) {
  struct bridge_channel *bc = ud;
  bc->channel = NULL;
}

static void push_inlet(lua_State *L, struct bridge_channel *bc,
                       size_t capacity) {
  const struct channel_host host = {
      .live = inlet_live, .gone = channel_gone, .ud = bc};
  struct list *node;
  bc->channel = channel_new_host(L, capacity, 0, &host);
  gate_enter();
  while ((node = list_pop(&bc->early)))
    channel_host_put(bc->channel, list_entry(node, struct channel_item, node));
  if (bc->shut)
    channel_host_close(bc->channel);
  gate_leave();
}

/* One value that the host has not taken. */
struct held {
  struct list node;
  uint32_t id; /* of a result: the call's */
  size_t cost;
};

static int hold(struct bridge *b, struct list *in, uint32_t id, size_t cost) {
  struct held *h = mem_alloc(&b->mem, sizeof *h);
  if (!h)
    return ERR_NOMEM;
  h->id = id;
  h->cost = cost;
  list_add_tail(in, &h->node);
  account_outside(&b->st->account, 0, cost);
  return 0;
}

static void let_go(struct bridge *b, struct list *node) {
  struct held *h = list_entry(node, struct held, node);
  account_outside(&b->st->account, h->cost, 0);
  list_remove(node);
  mem_free(&b->mem, h, sizeof *h);
}

static void let_all_go(struct bridge *b, struct list *held) {
  while (!list_empty(held))
    let_go(b, held->next);
}

/* The value at |idx|; false: pushes why not. */
static bool outlet_send(lua_State *L, int idx, void *ud) {
  struct bridge_channel *bc = ud;
  struct bridge *b = bc->bridge;
  struct value v;
  struct err e;
  size_t cost;
  int rv;
  if (!value_from_lua(L, idx, "value", &v, &e)) {
    luaL_where(L, 1);
    lua_pushfstring(L, "channel.send: %s", e.message);
    lua_concat(L, 2);
    return false;
  }
  rv = value_may_cross(&v, &cost) ? 0 : ERR_RANGE;
  if (rv == 0 && !objects_room(L, (cost += BRIDGE_VALUE_BYTES)))
    rv = ERR_NOMEM;
  gate_enter();
  if (rv == 0 && (rv = hold(b, &bc->held, 0, cost)) == 0 &&
      (rv = b->ops->send(b, bc->number, &v)) != 0)
    let_go(b, bc->held.prev);
  gate_leave();
  if (rv != 0) {
    lua_pushliteral(L, "not enough memory");
    return false;
  }
  bc->used++;
  lua_pop(L, 1);
  return true;
}

static void outlet_shut(void *ud) {
  struct bridge_channel *bc = ud;
  struct bridge *b = bc->bridge;
  if (bc->shut || b->ended || b->st->ended)
    return;
  bc->shut = true;
  b->ops->shut(b, bc->number);
}

static void push_outlet(lua_State *L, struct bridge_channel *bc,
                        size_t capacity) {
  const struct channel_sink sink = {
      .send = outlet_send, .shut = outlet_shut, .gone = channel_gone, .ud = bc};
  bc->channel = channel_new_sink(L, capacity, bc->used, &sink);
  if (bc->shut)
    channel_sink_close(bc->channel);
}

void bridge_room(struct bridge *b, uint32_t number, uint32_t n) {
  struct bridge_channel *bc = &b->channels[number];
  if (b->ended)
    return;
  bc->used -= n;
  for (uint32_t i = 0; i < n && !list_empty(&bc->held); i++)
    let_go(b, bc->held.next);
  if (bc->channel)
    channel_sink_room(bc->channel, n);
}

void bridge_shut(struct bridge *b, uint32_t number) {
  struct bridge_channel *bc = &b->channels[number];
  if (b->ended || bc->shut)
    return;
  bc->shut = true;
  let_all_go(b, &bc->held); /* the host has thrown it away */
  if (!bc->channel)
    return;
  if (b->offers[number].kind == OFFER_INLET)
    channel_host_close(bc->channel);
  else
    channel_sink_close(bc->channel);
}

/* -------------------------------------------------------------- modules --- */

static int open_module(lua_State *L) {
  struct bridge *b = bridge_of(L);
  const char *module = luaL_checkstring(L, 1);
  const luaL_Reg meta[] = {{"__gc", object_gc}, {NULL, NULL}};
  meta_new(L, PENDING_META, NULL, meta);
  lua_newtable(L);
  for (size_t i = 0; i < b->noffers; i++) {
    const struct bridge_offer *o = &b->offers[i];
    if (strcmp(o->module, module) != 0)
      continue;
    switch (o->kind) {
    case OFFER_FUNCTION:
      lua_pushinteger(L, (lua_Integer)i);
      lua_pushcclosure(L, call_function, 1);
      break;
    case OFFER_INLET:
      push_inlet(L, &b->channels[i], o->capacity);
      break;
    case OFFER_OUTLET:
      push_outlet(L, &b->channels[i], o->capacity);
      break;
    }
    lua_setfield(L, -2, o->name);
  }
  table_lock(L, module);
  return 1;
}

static int register_modules(lua_State *L) {
  struct bridge *b = lua_touserdata(L, 1);
  for (size_t i = 0; i < b->noffers; i++)
    env_add_module(L, b->offers[i].module, open_module, NULL);
  return 0;
}

void bridge_init(struct bridge *b, const struct bridge_ops *ops, void *ud) {
  memset(b, 0, sizeof *b);
  b->ops = ops;
  b->ud = ud;
  list_init(&b->calls);
  list_init(&b->waiting);
  list_init(&b->running);
  list_init(&b->forgotten);
  list_init(&b->results);
  b->idle.what = "calls of the host";
}

int bridge_start(struct bridge *b, struct state *st) {
  lua_State *L = st->L;
  int status;
  b->st = st;
  b->mem = *state_mem(st);
  b->base = st->base;
  if (b->noffers == 0)
    return 0;
  /* not the state's: its objects let go of them at their end */
  b->channels = mem_zalloc(&st->base, b->noffers * sizeof *b->channels);
  if (!b->channels)
    return ERR_NOMEM;
  for (size_t i = 0; i < b->noffers; i++) {
    b->channels[i].bridge = b;
    b->channels[i].number = (uint32_t)i;
    list_init(&b->channels[i].early);
    list_init(&b->channels[i].held);
  }
  lua_settop(L, 0);
  lua_pushcfunction(L, register_modules);
  lua_pushlightuserdata(L, b);
  status = lua_pcall(L, 1, 0, 0);
  lua_settop(L, 0);
  return status == LUA_OK ? 0 : ERR_NOMEM;
}

/* ------------------------------------------------- calls of the host's own
 */

/* In its own arena.  Its task has its address as a light userdata that no
 * script can see; when the task is killed the invocation goes too. */
struct invocation {
  struct list node; /* in bridge.waiting or running */
  uint32_t id;
  uint64_t task; /* running: its number */
  struct arena arena;
  struct slice method;
  struct value args;
};

static void invocation_free(struct invocation *inv) {
  struct arena a = inv->arena;
  list_remove(&inv->node);
  arena_deinit(&a);
}

/* |inv| is gone afterwards. */
static void invocation_end(struct bridge *b, struct invocation *inv,
                           const struct value *value, const struct err *e) {
  uint32_t id = inv->id;
  gate_enter();
  invocation_free(inv);
  if (!b->ended)
    b->ops->returned(b, id, value, e);
  gate_leave();
}

void bridge_invoke(struct bridge *b, uint32_t id, struct slice method,
                   const struct value *args) {
  static const struct value none = {.type = VALUE_LIST};
  struct invocation *inv;
  struct arena a;
  struct err e;
  if (b->ended)
    return;
  arena_init(&a, &b->mem, SIZE_MAX);
  inv = arena_zalloc(&a, sizeof *inv);
  if (inv)
    inv->method = method;
  if (!inv || copy_slice(&inv->method, &a) != 0 ||
      value_copy(&inv->args, args ? args : &none, &a) != 0) {
    arena_deinit(&a);
    err_setf(&e, ERR_LIMIT, "the script has not enough memory for the call");
    b->ops->returned(b, id, NULL, &e);
    return;
  }
  inv->id = id;
  inv->arena = a;
  list_add_tail(&b->waiting, &inv->node);
  wait_wake(&b->idle);
}

static struct invocation *invocation_by_id(const struct list *in, uint32_t id) {
  list_foreach (it, in) {
    struct invocation *inv = list_entry(it, struct invocation, node);
    if (inv->id == id)
      return inv;
  }
  return NULL;
}

void bridge_drop(struct bridge *b, uint32_t id) {
  struct invocation *inv;
  struct err e;
  if (b->ended)
    return;
  err_setf(&e, ERR_CANCELED, "canceled");
  if ((inv = invocation_by_id(&b->running, id)))
    task_kill(b->st, inv->task);
  else
    inv = invocation_by_id(&b->waiting, id);
  if (inv)
    invocation_end(b, inv, NULL, &e);
}

/* "return nil, err" and "return false, err" */
static bool is_failure(lua_State *L, int first) {
  return lua_gettop(L) > first && !lua_toboolean(L, first) &&
         !lua_isnil(L, first + 1);
}

/* The result of a call is charged as what is sent into an outlet, until the
 * host was told.  Null is nothing. */
static bool hold_result(lua_State *L, uint32_t id, const struct value *v,
                        struct err *e) {
  struct bridge *b = bridge_of(L);
  size_t cost;
  int rv;
  if (v->type == VALUE_NULL)
    return true;
  if (!value_may_cross(v, &cost)) {
    err_setf(e, ERR_INVALID, "the result is too large");
    return false;
  }
  cost += BRIDGE_VALUE_BYTES;
  rv = objects_room(L, cost) ? 0 : ERR_NOMEM;
  gate_enter();
  if (rv == 0)
    rv = hold(b, &b->results, id, cost);
  gate_leave();
  if (rv != 0)
    err_setf(e, ERR_LIMIT, "the script has not enough memory for the result");
  return rv == 0;
}

void bridge_told(struct bridge *b, uint32_t id) {
  if (b->ended)
    return;
  list_foreach (it, &b->results) {
    if (list_entry(it, struct held, node)->id != id)
      continue;
    let_go(b, it);
    return;
  }
}

/* Stack: the invocation, its table, what the function returned. */
static int invocation_returned(lua_State *L, int status, lua_KContext ctx) {
  struct invocation *inv = lua_touserdata(L, 1);
  struct bridge *b = bridge_of(L);
  struct value v;
  struct err e;
  (void)status;
  (void)ctx;
  if (is_failure(L, 3)) {
    sched_describe(L, 4, &e);
    invocation_end(b, inv, NULL, &e);
  } else if (lua_gettop(L) < 3) {
    invocation_end(b, inv, NULL, NULL);
  } else if (value_from_lua(L, 3, "result", &v, &e) &&
             hold_result(L, inv->id, &v, &e)) {
    invocation_end(b, inv, &v, NULL);
  } else {
    invocation_end(b, inv, NULL, &e);
  }
  return 0;
}

/* Nothing here may raise after invocation_end. */
static int invocation_body(lua_State *L) {
  struct invocation *inv = lua_touserdata(L, 1);
  size_t n = inv->args.as.list.len;
  struct err e;
  lua_pushlstring(L, inv->method.p, inv->method.len);
  if (lua_rawget(L, 2) != LUA_TFUNCTION) {
    err_setf(&e, ERR_NOT_FOUND, "the script returned no function '%.*s'",
             (int)inv->method.len, inv->method.p);
    invocation_end(bridge_of(L), inv, NULL, &e);
    return 0;
  }
  luaL_checkstack(L, (int)n + 1, "too many arguments");
  for (size_t i = 0; i < n; i++)
    value_push(L, &inv->args.as.list.items[i]);
  lua_callk(L, (int)n, LUA_MULTRET, 0, invocation_returned);
  return invocation_returned(L, LUA_OK, 0);
}

/* Stack: the invocation, and an error if there was one. */
static int invocation_ran(lua_State *L, int status, lua_KContext ctx) {
  struct err e;
  (void)ctx;
  if (status == LUA_OK || status == LUA_YIELD)
    return 0;
  thread_set_no_wait(L, false);
  if (state_must_halt(L, status))
    return state_halt(L);
  sched_describe(L, -1, &e);
  if (status == LUA_ERRMEM)
    e.code = ERR_LIMIT;
  invocation_end(bridge_of(L), lua_touserdata(L, 1), NULL, &e);
  return 0;
}

/* A task: the invocation, the table of functions. */
static int invocation_run(lua_State *L) {
  lua_pushcfunction(L, invocation_body);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  return invocation_ran(L, lua_pcallk(L, 2, 0, 0, 0, invocation_ran), 0);
}

/* What the main task of a script that is kept does from then on. */
static int keep(lua_State *L, int status, lua_KContext table) {
  struct bridge *b = bridge_of(L);
  struct state *st = b->st;
  (void)status;
  lua_settop(L, (int)table);
  luaL_checkstack(L, 8, NULL);
  while (!list_empty(&b->waiting)) {
    struct invocation *inv =
        list_entry(b->waiting.next, struct invocation, node);
    if (st->ntasks >= st->limits.tasks) {
      struct err e;
      err_setf(&e, ERR_LIMIT, "the script has as many tasks as it may");
      invocation_end(b, inv, NULL, &e);
      continue;
    }
    lua_pushcfunction(L, invocation_run);
    lua_pushlightuserdata(L, inv);
    lua_pushvalue(L, (int)table);
    task_spawn(L, 2);
    gate_enter();
    list_remove(&inv->node);
    list_add_tail(&b->running, &inv->node);
    inv->task = st->last_task_id;
    gate_leave();
  }
  return task_wait(L, &b->idle, table, keep);
}

/* ------------------------------------------------- what main takes and gives
 */

int bridge_arguments(struct bridge *b, lua_State *L) {
  if (!b->input)
    return 0;
  value_push(L, b->input);
  return 1;
}

int bridge_returned(struct bridge *b, lua_State *L, int table, int first) {
  int n = lua_gettop(L) - first + 1;
  struct value v;
  struct err e;
  bool whole;
  luaL_checkstack(L, 8, NULL);
  if (is_failure(L, first))
    return n;
  if (b->keeps) {
    if (table == 0)
      return luaL_error(L,
                        "the script returned %s, expected a table of functions "
                        "for the host",
                        n > 0 ? luaL_typename(L, first) : "nothing");
    return keep(L, LUA_OK, table);
  }
  if (n == 0)
    return 0;
  whole = value_from_lua(L, first, "result", &v, &e);
  gate_enter();
  b->ops->result(b, whole ? &v : NULL, whole ? NULL : &e);
  gate_leave();
  lua_settop(L, first - 1 + n);
  return n;
}

/* --------------------------------------------------------------- the end ---
 */

static void drop_invocations(struct list *in) {
  while (!list_empty(in))
    invocation_free(list_entry(in->next, struct invocation, node));
}

void bridge_end(struct bridge *b) {
  b->ended = true;
  drop_invocations(&b->waiting);
  drop_invocations(&b->running);
  for (size_t i = 0; b->channels && i < b->noffers; i++) {
    struct list *node;
    while ((node = list_pop(&b->channels[i].early)))
      fed_drop(list_entry(node, struct channel_item, node));
    let_all_go(b, &b->channels[i].held);
  }
  let_all_go(b, &b->results);
  while (!list_empty(&b->forgotten))
    asked_free(b, list_entry(b->forgotten.next, struct asked, node));
}

void bridge_deinit(struct bridge *b) {
  bridge_end(b);
  if (b->channels)
    mem_free(&b->base, b->channels, b->noffers * sizeof *b->channels);
  b->channels = NULL;
}
