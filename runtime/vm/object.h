/* object.h - host objects that own something outside of the script's memory: a
 * connection, a timer, a reference.
 *
 * No finalizer runs when the memory of a script is thrown away; and one is
 * skipped for good when there is no memory left to call it.  What the host has
 * linked into its lists must survive both: the userdata holds only a pointer to
 * the object, and the state has a list of all that own something.  The object
 * is in the region of the script too, but the collector knows nothing of it. */
#ifndef RUNTIME_VM_OBJECT_H
#define RUNTIME_VM_OBJECT_H

#include "runtime/vm/state.h"

/* The first member of each of them. */
struct object {
  struct list node; /* in state.objects */
  struct state *st;
  size_t size;
  /* Lets go of what it owns: when its userdata is collected, or when the script
   * ends.  Never touches Lua; called once, with the gate closed.  At the end
   * others may have been released before, but their memory is there until all
   * are.  NULL: there is nothing to let go of yet. */
  void (*release)(struct object *o);
};

/* Pushes a new userdata with metatable |meta| and |nuv| user values, and
 * returns the object of |size| bytes it stands for, zeroed but for its struct
 * object. Charged to the script.  Raises when there is no memory.  The caller
 * calls object_ready as soon as it is fit for |release|, before anything can
 * raise: until then the object owns nothing. */
void *object_new(lua_State *L, const char *meta, size_t size, int nuv);
void object_ready(struct object *o, void (*release)(struct object *o));
/* The same for one that owns nothing outside of the script's memory: |release|
 * is called only when it is collected.  Scripts make many of them, and their
 * end must not take long. */
static inline void object_ready_inside(struct object *o,
                                       void (*release)(struct object *o)) {
  o->release = release;
}

/* As luaL_checkudata and luaL_testudata. */
void *object_check(lua_State *L, int arg, const char *meta);
void *object_test(lua_State *L, int idx, const char *meta);
/* Of the userdata at |idx|, which is known to be one; NULL: it was collected.
 */
void *object_get(lua_State *L, int idx);

/* A full collection of garbage that lets go of such objects too. */
void objects_collect(lua_State *L);

/* Is there room for |more| bytes?  Looked for as Lua does it, by a collection:
 * for those who ask an allocator themselves and give up where it refuses. */
bool objects_room(lua_State *L, size_t more);

/* The __gc of them all. */
int object_gc(lua_State *L);

/* For state_drop: releases all that own something.  Their memory goes with the
 * region. */
void objects_drop(struct state *st);

#endif
