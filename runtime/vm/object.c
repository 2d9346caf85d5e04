/* object.c - host objects that own something outside of the script's memory. */
#include "runtime/vm/object.h"

#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"

static struct object *take(struct state *st, size_t size, void **box) {
  struct object *o;
  gate_enter();
  o = mem_zalloc(&st->mem, size);
  if (o) {
    o->st = st;
    o->size = size;
    list_add_tail(&st->objects, &o->node);
    *box = o;
  }
  gate_leave();
  return o;
}

void *object_new(lua_State *L, const char *meta, size_t size, int nuv) {
  struct state *st = state_of(L);
  void **box = lua_newuserdatauv(L, sizeof *box, nuv), *o;
  *box = NULL;
  luaL_setmetatable(L, meta);
  o = take(st, size, box);
  if (!o) { /* as Lua would do */
    lua_gc(L, LUA_GCCOLLECT, 0);
    o = take(st, size, box);
  }
  if (!o)
    luaL_error(L, "not enough memory");
  return o;
}

void *object_get(lua_State *L, int idx) {
  return *(void **)lua_touserdata(L, idx);
}

void *object_check(lua_State *L, int arg, const char *meta) {
  return *(void **)luaL_checkudata(L, arg, meta);
}

void *object_test(lua_State *L, int idx, const char *meta) {
  void **box = luaL_testudata(L, idx, meta);
  return box ? *box : NULL;
}

static void object_free(struct object *o) {
  mem_free(&o->st->mem, o, o->size);
}

int object_gc(lua_State *L) {
  struct object **box = lua_touserdata(L, 1), *o = *box;
  if (o) {
    gate_enter();
    *box = NULL;
    list_remove(&o->node);
    if (o->release)
      o->release(o);
    object_free(o);
    gate_leave();
  }
  object_bury(L, 1);
  return 0;
}

void objects_drop(struct state *st) {
  struct list released, *node;
  list_init(&released);
  while ((node = list_pop(&st->objects))) {
    struct object *o = list_entry(node, struct object, node);
    list_add_tail(&released, node);
    if (o->release)
      o->release(o);
  }
  while ((node = list_pop(&released)))
    object_free(list_entry(node, struct object, node));
}
