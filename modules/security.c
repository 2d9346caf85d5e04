/* security.c - the security module: actors, policies and scopes for scripts to
 * look at and to ask.  Nothing here changes what the script itself may do. */
#include <string.h>

#include "modules/errors.h"
#include "modules/json.h"
#include "modules/modules.h"
#include "modules/services.h"
#include "modules/sort.h"
#include "modules/value_lua.h"
#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/object.h"

#define ACTOR_META "security.actor"
#define POLICY_META "security.policy"
#define SCOPE_META "security.scope"

/* What it points into is the sandbox's, or kept by the user values. */
struct actor_object {
  struct actor actor;
  struct value meta;
};

enum { ACTOR_USER_ID = 1, ACTOR_USER_META = 2 };

/* The host may swap policies at any time: each object keeps the set that its
 * policy is part of. */
struct policy_object {
  struct object object;
  const struct authority *authority;
  void *set;
  const struct policy *policy;
};

/* |policies| are in the order of their ids, each id once; each is of the set in
 * the same place, of which it is a reference.  Both arrays stand behind the
 * struct.  Immutable for scripts. */
struct scope_object {
  struct object object;
  const struct authority *authority;
  size_t len;
  const struct policy **policies;
  void **sets;
};

/* ------------------------------------------------------------ objects --- */

static struct actor_object *push_actor(lua_State *L) {
  struct actor_object *a = lua_newuserdatauv(L, sizeof *a, 2);
  memset(a, 0, sizeof *a);
  meta_set(L, ACTOR_META);
  return a;
}

static void policy_release(struct object *o) {
  struct policy_object *p = list_entry(o, struct policy_object, object);
  p->authority->drop(p->set);
  p->set = NULL;
}

static void push_policy(lua_State *L, void *set, const struct policy *policy) {
  struct policy_object *p = object_new(L, POLICY_META, sizeof *p, 0);
  p->authority = services_of(L)->authority;
  p->policy = policy;
  object_ready(&p->object, policy_release);
  gate_enter();
  p->set = p->authority->hold(set);
  gate_leave();
}

static void scope_release(struct object *o) {
  struct scope_object *s = list_entry(o, struct scope_object, object);
  while (s->len > 0)
    s->authority->drop(s->sets[--s->len]);
}

/* Room for |len| policies, of which none is there yet. */
static struct scope_object *push_scope(lua_State *L, size_t len) {
  const size_t each = sizeof(struct policy *) + sizeof(void *);
  struct scope_object *s;
  size_t bytes;
  if (len > (SIZE_MAX / 2 - sizeof *s) / each)
    state_no_memory(L);
  bytes = sizeof *s + len * each;
  s = object_new(L, SCOPE_META, bytes, 0);
  s->authority = services_of(L)->authority;
  object_ready(&s->object, scope_release);
  s->policies = (const struct policy **)(void *)(s + 1);
  s->sets = (void **)(void *)(s->policies + len);
  return s;
}

/* Puts a policy at the end of what is there. */
static void scope_put(struct scope_object *s, void *set,
                      const struct policy *policy) {
  s->policies[s->len] = policy;
  gate_enter();
  s->sets[s->len++] = s->authority->hold(set);
  gate_leave();
}

static struct actor_object *arg_actor(lua_State *L, int arg) {
  return luaL_checkudata(L, arg, ACTOR_META);
}

static struct policy_object *arg_policy(lua_State *L, int arg) {
  return object_check(L, arg, POLICY_META);
}

static struct scope_object *arg_scope(lua_State *L, int arg) {
  return object_check(L, arg, SCOPE_META);
}

static void push_slice(lua_State *L, struct slice s) {
  lua_pushlstring(L, s.len ? s.p : "", s.len);
}

/* ------------------------------------------------------------ guarded --- */

static int refused(lua_State *L, const struct refusal *r) {
  luaL_checkstack(L, 2, NULL);
  lua_pushnil(L);
  guard_push_refusal(L, r);
  return 2;
}

/* True, or pushes nil and the error. */
static bool ask(lua_State *L, const char *action, struct slice resource) {
  struct services *sv = services_of(L);
  struct guard_place where;
  struct refusal r;
  bool passes;
  guard_here(L, &where);
  gate_enter();
  passes = sv->authority->ask(sv, slice_of(action), resource, &where, &r);
  gate_leave();
  if (passes)
    return true;
  refused(L, &r);
  return false;
}

static int no_memory(lua_State *L) {
  return state_no_memory(L);
}

/* A string argument that names something.  False: pushed nil and the error. */
static bool read_id(lua_State *L, int arg, const char *what,
                    struct slice *ret) {
  *ret = arg_slice(L, arg);
  if (ret->len <= INQUIRY_ID_MAX_BYTES)
    return true;
  fail_nil(L, KIND_INVALID, false, "the id of %s has more than %d bytes", what,
           INQUIRY_ID_MAX_BYTES);
  return false;
}

/* ---------------------------------------------------------- questions --- */

/* Reads the arguments from |arg| on: action, resource, metadata.  True: pushes
 * one value, which keeps it alive.  False: |e| says what is wrong with what
 * they hold. */
static bool read_inquiry(lua_State *L, int arg, struct inquiry *q,
                         struct value *meta, struct err *e) {
  *q = (struct inquiry){.action = arg_slice(L, arg),
                        .resource = arg_slice(L, arg + 1)};
  if (!lua_isnoneornil(L, arg + 2))
    luaL_checktype(L, arg + 2, LUA_TTABLE);
  luaL_checkstack(L, 4, NULL);
  if (lua_isnoneornil(L, arg + 2)) {
    lua_pushnil(L);
    return true;
  }
  if (!value_from_table(L, arg + 2, "metadata", meta, e))
    return false;
  q->meta = meta;
  return true;
}

/* Arguments from 2 on: actor, action, resource, metadata. */
static int evaluate(lua_State *L, const struct policy *const *list,
                    void *const *sets, size_t len, bool one) {
  const struct actor_object *actor = arg_actor(L, 2);
  struct services *sv = services_of(L);
  enum verdict verdict;
  struct value meta;
  struct inquiry q;
  struct err e;
  int rv = ERR_INVALID;
  state_check(L);
  if (read_inquiry(L, 3, &q, &meta, &e)) {
    q.actor = &actor->actor;
    gate_enter();
    rv = sv->authority->evaluate(sv, &q, list, sets, len, one, &verdict, &e);
    gate_leave();
  }
  if (rv == ERR_NOMEM)
    return no_memory(L);
  if (rv != 0)
    return fail_nil(L, KIND_INVALID, false, "%s", e.message);
  lua_pushstring(L, verdict_name(verdict));
  return 1;
}

static int security_can(lua_State *L) {
  struct services *sv = services_of(L);
  struct value meta;
  struct inquiry q;
  struct err e;
  bool can;
  int rv = ERR_INVALID;
  state_check(L);
  if (read_inquiry(L, 1, &q, &meta, &e)) {
    gate_enter();
    rv = sv->authority->can(sv, &q, &can, &e);
    gate_leave();
  }
  if (rv == ERR_NOMEM)
    return no_memory(L);
  if (rv != 0)
    return fail_false(L, KIND_INVALID, false, "%s", e.message);
  lua_pushboolean(L, can);
  return 1;
}

/* ------------------------------------------------------------- actors --- */

static int security_actor(lua_State *L) {
  const struct guard *g = &services_of(L)->guard;
  if (g->actor)
    push_actor(L)->actor = *g->actor; /* of the sandbox, which outlives Lua */
  else
    lua_pushnil(L);
  return 1;
}

static int security_new_actor(lua_State *L) {
  struct actor_object *a;
  struct slice id;
  struct err e;
  if (!lua_isnoneornil(L, 2))
    luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  if (!read_id(L, 1, "an actor", &id))
    return 2;
  a = push_actor(L); /* 3 */
  if (!lua_isnil(L, 2)) {
    if (!value_from_table(L, 2, "metadata", &a->meta, &e))
      return fail_nil(L, KIND_INVALID, false, "%s", e.message);
    lua_setiuservalue(L, 3, ACTOR_USER_META);
    a->actor.meta = &a->meta;
  }
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, ACTOR_USER_ID);
  a->actor.id = id;
  if (!ask(L, "security.actor.create", id))
    return 2;
  return 1;
}

static int actor_id(lua_State *L) {
  push_slice(L, arg_actor(L, 1)->actor.id);
  return 1;
}

static int actor_meta(lua_State *L) {
  value_push(L, arg_actor(L, 1)->actor.meta);
  return 1;
}

static const luaL_Reg actor_methods[] = {
    {"id", actor_id}, {"meta", actor_meta}, {NULL, NULL}};

/* ----------------------------------------------------------- policies --- */

static int security_policy(lua_State *L) {
  struct services *sv = services_of(L);
  const struct policy *p;
  struct guard_place where;
  struct refusal r;
  struct slice id;
  void *set;
  int rv;
  if (!read_id(L, 1, "a policy", &id))
    return 2;
  guard_here(L, &where);
  gate_enter();
  rv = sv->authority->policy(sv, id, &where, &set, &p, &r);
  gate_leave();
  if (rv == ERR_DENIED)
    return refused(L, &r);
  if (rv == ERR_NOMEM)
    return no_memory(L);
  if (rv != 0)
    return fail_nil(L, KIND_NOT_FOUND, false,
                    "no policy '%.*s', expected \"namespace:name\"",
                    (int)id.len, id.p);
  push_policy(L, set, p);
  return 1;
}

static int policy_id(lua_State *L) {
  push_slice(L, arg_policy(L, 1)->policy->id);
  return 1;
}

static int policy_evaluate(lua_State *L) {
  const struct policy_object *p = arg_policy(L, 1);
  return evaluate(L, &p->policy, &p->set, 1, true);
}

static const luaL_Reg policy_methods[] = {
    {"id", policy_id}, {"evaluate", policy_evaluate}, {NULL, NULL}};

static const luaL_Reg policy_metamethods[] = {{"__gc", object_gc},
                                              {NULL, NULL}};

/* ------------------------------------------------------------- scopes --- */

/* The policies of |l| as a scope; false, and nothing pushed: there are none. */
static bool push_listing(lua_State *L, const struct listing *l) {
  struct scope_object *s;
  const struct policy *p;
  unsigned steps = 0;
  size_t n = 0;
  for (size_t i = 0; i < l->len; i++) {
    json_step(L, &steps);
    n += l->at(l, i) != NULL;
  }
  if (n == 0)
    return false;
  s = push_scope(L, n);
  for (size_t i = 0; s->len < n; i++) {
    json_step(L, &steps);
    if ((p = l->at(l, i)) != NULL)
      scope_put(s, l->set, p);
  }
  return true;
}

static int security_scope(lua_State *L) {
  struct services *sv = services_of(L);
  struct listing l;
  int rv;
  gate_enter();
  rv = sv->authority->scope(sv, &l);
  gate_leave();
  if (rv != 0)
    return no_memory(L);
  if (!push_listing(L, &l))
    push_scope(L, 0);
  return 1;
}

static int security_named_scope(lua_State *L) {
  struct services *sv = services_of(L);
  struct guard_place where;
  struct refusal r;
  struct listing l;
  struct slice id;
  int rv;
  if (!read_id(L, 1, "a group", &id))
    return 2;
  guard_here(L, &where);
  gate_enter();
  rv = sv->authority->group(sv, id, &where, &l, &r);
  gate_leave();
  if (rv == ERR_DENIED)
    return refused(L, &r);
  if (rv != 0)
    return no_memory(L);
  if (!push_listing(L, &l))
    return fail_nil(L, KIND_NOT_FOUND, false,
                    "no group '%.*s', expected \"namespace:name\"", (int)id.len,
                    id.p);
  return 1;
}

/* A policy on its way into a scope. */
struct entry {
  const struct policy_object *object;
  size_t place; /* in the script's list */
};

static int cmp_entries(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  int c = slice_cmp(x->object->policy->id, y->object->policy->id);
  return c != 0 ? c : (x->place > y->place) - (x->place < y->place);
}

/* The |n| policies of the list at 1 to a scope. */
static void push_scope_of(lua_State *L, size_t n) {
  struct scope_object *s;
  struct entry *entries;
  unsigned steps = 0;
  if (n > SIZE_MAX / sizeof *entries)
    state_no_memory(L);
  entries = lua_newuserdatauv(L, n * sizeof *entries, 0); /* 2 */
  lua_newtable(L); /* 3: keeps them: the list may be a weak table */
  for (size_t i = 0; i < n; i++) {
    json_step(L, &steps);
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    entries[i].object = object_test(L, -1, POLICY_META);
    entries[i].place = i;
    if (!entries[i].object)
      luaL_error(L,
                 "bad argument #1 to 'new_scope' (item %d is a %s, expected a "
                 "policy)",
                 (int)(i + 1), luaL_typename(L, -1));
    lua_rawseti(L, 3, (lua_Integer)i + 1);
  }
  sort_heap(L, entries, n, sizeof *entries, cmp_entries);
  s = push_scope(L, n);
  for (size_t i = 0; i < n; i++) {
    const struct policy_object *p = entries[i].object;
    /* of two of one id the later one counts, as if added one by one */
    if (i + 1 == n ||
        !slice_eq(p->policy->id, entries[i + 1].object->policy->id))
      scope_put(s, p->set, p->policy);
  }
}

static int security_new_scope(lua_State *L) {
  size_t n = 0;
  unsigned steps = 0;
  lua_settop(L, 1);
  if (!lua_isnil(L, 1)) {
    enum json_shape shape;
    luaL_checktype(L, 1, LUA_TTABLE);
    shape = json_shape(L, 1, &n, &steps);
    luaL_argcheck(L, shape == JSON_SHAPE_EMPTY || shape == JSON_SHAPE_ARRAY, 1,
                  "expected a list of policies");
  }
  push_scope_of(L, n);
  if (!ask(L, "security.scope.create", SLICE("custom")))
    return 2;
  return 1;
}

/* Where the policy |id| is in |s|, or would be; true: it is there. */
static bool scope_find(const struct scope_object *s, struct slice id,
                       size_t *ret) {
  size_t low = 0, high = s->len;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int c = slice_cmp(s->policies[middle]->id, id);
    if (c == 0) {
      *ret = middle;
      return true;
    }
    if (c < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *ret = low;
  return false;
}

/* The id that argument 2 gives: as a string, by a policy, or as {ns=, name=}.
 */
static struct slice arg_policy_id(lua_State *L) {
  const struct policy_object *p = object_test(L, 2, POLICY_META);
  if (p)
    return p->policy->id;
  if (lua_type(L, 2) == LUA_TTABLE) {
    lua_settop(L, 2);
    lua_pushliteral(L, "ns");
    lua_rawget(L, 2);
    lua_pushliteral(L, ":");
    lua_pushliteral(L, "name");
    lua_rawget(L, 2);
    luaL_argcheck(
        L, lua_type(L, 3) == LUA_TSTRING && lua_type(L, 5) == LUA_TSTRING, 2,
        "expected strings 'ns' and 'name'");
    lua_concat(L, 3);
    lua_replace(L, 2);
  }
  luaL_argexpected(L, lua_type(L, 2) == LUA_TSTRING, 2, "policy or its id");
  return arg_slice(L, 2);
}

/* Pushes a copy of |s| with |add| (NULL: nothing) instead of the |drop|
 * policies at |at|. */
static void push_changed(lua_State *L, const struct scope_object *s, size_t at,
                         size_t drop, const struct policy_object *add) {
  struct scope_object *to = push_scope(L, s->len - drop + (add != NULL));
  for (size_t i = 0; i < at; i++)
    scope_put(to, s->sets[i], s->policies[i]);
  if (add)
    scope_put(to, add->set, add->policy);
  for (size_t i = at + drop; i < s->len; i++)
    scope_put(to, s->sets[i], s->policies[i]);
}

static int scope_with(lua_State *L) {
  const struct scope_object *s = arg_scope(L, 1);
  const struct policy_object *p = arg_policy(L, 2);
  size_t at;
  bool found = scope_find(s, p->policy->id, &at);
  if (!ask(L, "security.scope.create", SLICE("with")))
    return 2;
  push_changed(L, s, at, found, p);
  return 1;
}

static int scope_without(lua_State *L) {
  const struct scope_object *s = arg_scope(L, 1);
  size_t at;
  bool found = scope_find(s, arg_policy_id(L), &at);
  if (!ask(L, "security.scope.create", SLICE("without")))
    return 2;
  if (found)
    push_changed(L, s, at, 1, NULL);
  else
    lua_pushvalue(L, 1);
  return 1;
}

static int scope_contains(lua_State *L) {
  const struct scope_object *s = arg_scope(L, 1);
  size_t at;
  lua_pushboolean(L, scope_find(s, arg_policy_id(L), &at));
  return 1;
}

static int scope_policies(lua_State *L) {
  const struct scope_object *s = arg_scope(L, 1);
  unsigned steps = 0;
  lua_newtable(L);
  for (size_t i = 0; i < s->len; i++) {
    json_step(L, &steps);
    push_policy(L, s->sets[i], s->policies[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int scope_evaluate(lua_State *L) {
  const struct scope_object *s = arg_scope(L, 1);
  return evaluate(L, (const struct policy *const *)s->policies,
                  (void *const *)s->sets, s->len, false);
}

static const luaL_Reg scope_methods[] = {
    {"with", scope_with},         {"without", scope_without},
    {"contains", scope_contains}, {"policies", scope_policies},
    {"evaluate", scope_evaluate}, {NULL, NULL}};

static const luaL_Reg scope_metamethods[] = {{"__gc", object_gc}, {NULL, NULL}};

/* -------------------------------------------------------------- module --- */

static const luaL_Reg functions[] = {{"actor", security_actor},
                                     {"scope", security_scope},
                                     {"can", security_can},
                                     {"new_actor", security_new_actor},
                                     {"new_scope", security_new_scope},
                                     {"policy", security_policy},
                                     {"named_scope", security_named_scope},
                                     {NULL, NULL}};

static const struct meta_def metas[] = {
    {ACTOR_META, actor_methods, NULL},
    {POLICY_META, policy_methods, policy_metamethods},
    {SCOPE_META, scope_methods, scope_metamethods}};

static const struct library library = {"security", functions, NULL, NULL};

int luaopen_security(lua_State *L) {
  for (size_t i = 0; i < sizeof metas / sizeof *metas; i++)
    meta_later(L, &metas[i]);
  lib_new(L, &library);
  return 1;
}
