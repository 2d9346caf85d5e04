/* object.c - host objects that own something outside of the script's memory. */
#include "runtime/vm/object.h"

#include <string.h>

#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"

#define UNTOLD_MAX 4096

/* The userdata.  A script can still find it in a weak table after the collector
 * has found that nobody else can, and may be inside of a function of the object
 * when the finalizer comes.  So it is collected twice: the first time nothing
 * is taken away, but no function takes it any more.  Until the second time
 * every function that did has come to its end, for it has the userdata on its
 * stack.
 */
struct box {
  struct object *object; /* NULL: not there any more */
  struct object *dying;  /* collected once */
};

static struct object *take(struct state *st, size_t size, struct box *box) {
  struct object *o = region_alloc(&st->region, NULL, 0, size);
  if (o) {
    memset(o, 0, size);
    list_init(&o->node);
    o->st = st;
    o->size = size;
    box->object = o;
  }
  return o;
}

void object_ready(struct object *o, void (*release)(struct object *o)) {
  gate_enter();
  list_add_tail(&o->st->objects, &o->node);
  o->release = release;
  gate_leave();
}

/* Lua's collector knows of the box alone, and would let much more garbage pile
 * up than it thinks: it is told of the rest as if it had been asked for it.
 * And its emergency collections call no finalizers, so where one comes near the
 * limit, objects that are garbage are let go of before it. */
static void tell_collector(lua_State *L, size_t size) {
  struct state *st = state_of(L);
  size_t limit = st->account.limit;
  st->untold += size;
  st->uncollected += size;
  if (st->uncollected > limit / 64 + UNTOLD_MAX &&
      !account_allows(&st->account, limit / 4)) {
    st->uncollected = 0;
    objects_collect(L);
  }
  if (st->untold >= UNTOLD_MAX) {
    int kib = (int)(st->untold / 1024);
    st->untold %= 1024;
    lua_gc(L, LUA_GCSTEP, kib);
  }
}

void *object_new(lua_State *L, const char *meta, size_t size, int nuv) {
  struct state *st = state_of(L);
  struct box *box;
  void *o;
  tell_collector(L, size);
  box = lua_newuserdatauv(L, sizeof *box, nuv);
  *box = (struct box){NULL, NULL};
  meta_set(L, meta);
  o = take(st, size, box);
  if (!o) { /* as Lua would do */
    objects_collect(L);
    o = take(st, size, box);
  }
  if (!o)
    state_no_memory(L);
  return o;
}

void *object_get(lua_State *L, int idx) {
  const struct box *box = lua_touserdata(L, idx);
  return box->object;
}

/* As luaL_testudata, which looks into two tables each time.  Metatables stay in
 * the registry until the end, so that their addresses tell them apart. */
static const struct box *test(lua_State *L, int idx, const char *meta) {
  const struct state *st = state_of(L);
  const struct box *box = lua_touserdata(L, idx);
  uintptr_t table;
  if (!box || !lua_getmetatable(L, idx))
    return NULL;
  table = (uintptr_t)lua_topointer(L, -1);
  lua_pop(L, 1);
  for (size_t i = 0; i < st->nmetas; i++)
    if (st->metas[i].name == meta)
      return st->metas[i].table == table ? box : NULL;
  return luaL_testudata(L, idx, meta); /* one of many, or under another name */
}

void *object_check(lua_State *L, int arg, const char *meta) {
  const struct box *box = test(L, arg, meta);
  if (!box)
    luaL_checkudata(L, arg, meta); /* raises */
  luaL_argexpected(L, box && box->object, arg, meta);
  return box->object;
}

void *object_test(lua_State *L, int idx, const char *meta) {
  const struct box *box = test(L, idx, meta);
  return box ? box->object : NULL;
}

void objects_collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_gc(L, LUA_GCCOLLECT, 0);
}

bool objects_room(lua_State *L, size_t more) {
  const struct account *a = &state_of(L)->account;
  if (!account_allows(a, more))
    objects_collect(L);
  return account_allows(a, more);
}

int object_gc(lua_State *L) {
  struct box *box = lua_touserdata(L, 1);
  struct object *o = box->dying;
  if (box->object) {
    box->dying = box->object;
    box->object = NULL;
    lua_getmetatable(L, 1);
    lua_setmetatable(L,
                     1); /* asks for another finalizer; no memory is needed */
    return 0;
  }
  if (o) {
    gate_enter();
    box->dying = NULL;
    list_remove(&o->node);
    if (o->release)
      o->release(o);
    gate_leave();
    region_alloc(&o->st->region, o, o->size, 0);
  }
  object_bury(L, 1);
  return 0;
}

void objects_drop(struct state *st) {
  struct list *node;
  while ((node = list_pop(&st->objects))) {
    struct object *o = list_entry(node, struct object, node);
    o->release(o);
  }
}
