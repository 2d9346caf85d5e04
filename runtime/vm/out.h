/* out.h - text that grows, in memory that is charged to the script and that
 * survives where the C stack does not. */
#ifndef RUNTIME_VM_OUT_H
#define RUNTIME_VM_OUT_H

#include <lua.h>
#include <stddef.h>
#include <string.h>

#define OUT_INLINE 512

struct out {
  char *p;
  size_t len, room;
  int slot; /* of the stack: holds the memory once it is not |bytes| */
  char bytes[OUT_INLINE];
};

static inline void out_init(struct out *o, int slot) {
  o->p = o->bytes;
  o->len = 0;
  o->room = sizeof o->bytes;
  o->slot = slot;
}

/* The slow way of out_room. */
void out_grow(lua_State *L, struct out *o, size_t more);

/* Space for |more| bytes behind what is there; raises.  o->len is the caller's
 * to advance. */
static inline char *out_room(lua_State *L, struct out *o, size_t more) {
  if (o->room - o->len < more)
    out_grow(L, o, more);
  return o->p + o->len;
}

static inline void out_add(lua_State *L, struct out *o, const char *p,
                           size_t len) {
  memcpy(out_room(L, o, len), p, len);
  o->len += len;
}

static inline void out_byte(lua_State *L, struct out *o, char c) {
  *out_room(L, o, 1) = c;
  o->len++;
}

static inline void out_push(lua_State *L, const struct out *o) {
  lua_pushlstring(L, o->p, o->len);
}

#endif
