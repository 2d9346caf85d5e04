/* tablib.c - table functions that had to be written anew: concat, insert, move,
 * remove, sort.
 *
 * Results, errors and their texts are those of ltablib.c of Lua 5.4, and
 * metamethods are honoured as there.  But no more elements are believed in than
 * the script has memory for: a __len or a border that lies costs an error, not
 * 2^53 steps.  (unpack is bounded by the stack; Lua's own is handed out.)
 *
 * All but sort are done in one go, as scripts whose tasks share a table expect,
 * which that bound allows.  sort lets others have their turn. */
#include <limits.h>
#include <stdlib.h>

#include "runtime/vm/out.h"
#include "runtime/vm/sched.h"
#include "runtime/vm/strlib.h"

/* Looked at how things are after this many elements. */
#define STEPS 1024

/* ---------------------------------------------------------- the table --- */

enum { TAB_R = 1, TAB_W = 2, TAB_L = 4 };

static bool has_field(lua_State *L, const char *name) {
  bool has;
  lua_pushstring(L, name);
  has = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 1);
  return has;
}

/* Raises unless |arg| is a table or behaves like one.  Is it one without a
 * metatable? */
static bool check_table(lua_State *L, int arg, int what) {
  bool is_table = lua_type(L, arg) == LUA_TTABLE;
  if (!lua_getmetatable(L, arg)) {
    if (!is_table)
      luaL_checktype(L, arg, LUA_TTABLE);
    return true;
  }
  if (!is_table && ((what & TAB_R && !has_field(L, "__index")) ||
                    (what & TAB_W && !has_field(L, "__newindex")) ||
                    (what & TAB_L && !has_field(L, "__len"))))
    luaL_checktype(L, arg, LUA_TTABLE);
  lua_pop(L, 1);
  return false;
}

static lua_Integer table_len(lua_State *L, int arg, bool raw) {
  return raw ? (lua_Integer)lua_rawlen(L, arg) : luaL_len(L, arg);
}

/* More elements than fit into the script's memory are a lie: a value and its
 * type take 16 bytes in an array of Lua's, 9 in a later one. */
static lua_Unsigned elements_max(lua_State *L) {
  uint64_t n = state_of(L)->limits.memory_bytes / 8;
  return n < INT_MAX ? n : INT_MAX;
}

static inline void step(lua_State *L, unsigned *steps) {
  if (++*steps % STEPS == 0)
    state_check(L);
}

/* ------------------------------------------------------ insert, remove --- */

static int tab_insert(lua_State *L) {
  bool raw = check_table(L, 1, TAB_R | TAB_W | TAB_L);
  lua_Integer e, pos;
  unsigned steps = 0;
  /* wraps around where __len says so, as Lua's does */
  e = (lua_Integer)((lua_Unsigned)table_len(L, 1, raw) + 1);
  switch (lua_gettop(L)) {
  case 2:
    lua_seti(L, 1, e);
    return 0;
  case 3:
    break;
  default:
    return luaL_error(L, "wrong number of arguments to 'insert'");
  }
  pos = luaL_checkinteger(L, 2);
  luaL_argcheck(L, (lua_Unsigned)pos - 1u < (lua_Unsigned)e, 2,
                "position out of bounds");
  luaL_argcheck(L, (lua_Unsigned)e - (lua_Unsigned)pos <= elements_max(L), 1,
                "array too big");
  for (lua_Integer i = e; i > pos; i--) {
    lua_geti(L, 1, i - 1);
    lua_seti(L, 1, i);
    step(L, &steps);
  }
  lua_seti(L, 1, pos);
  return 0;
}

static int tab_remove(lua_State *L) {
  bool raw = check_table(L, 1, TAB_R | TAB_W | TAB_L);
  lua_Integer size = table_len(L, 1, raw), pos = size;
  unsigned steps = 0;
  if (!lua_isnoneornil(L, 2)) {
    pos = luaL_checkinteger(L, 2);
    if (pos != size)
      luaL_argcheck(L, (lua_Unsigned)pos - 1u <= (lua_Unsigned)size, 1,
                    "position out of bounds");
    luaL_argcheck(L,
                  pos >= size || (lua_Unsigned)(size - pos) <= elements_max(L),
                  1, "array too big");
  }
  lua_geti(L, 1, pos);
  for (; pos < size; pos++) {
    lua_geti(L, 1, pos + 1);
    lua_seti(L, 1, pos);
    step(L, &steps);
  }
  lua_pushnil(L);
  lua_seti(L, 1, pos);
  return 1;
}

/* ---------------------------------------------------------------- move --- */

static int tab_move(lua_State *L) {
  lua_Integer f = luaL_checkinteger(L, 2);
  lua_Integer e = luaL_checkinteger(L, 3);
  lua_Integer t = luaL_checkinteger(L, 4);
  int to = !lua_isnoneornil(L, 5) ? 5 : 1;
  bool raw_from = check_table(L, 1, TAB_R), raw_to = check_table(L, to, TAB_W);
  if (e >= f) {
    lua_Integer n;
    lua_Unsigned max = elements_max(L);
    unsigned steps = 0;
    bool forward;
    luaL_argcheck(L, f > 0 || e < LUA_MAXINTEGER + f, 3,
                  "too many elements to move");
    n = e - f + 1;
    luaL_argcheck(L, t <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
    forward = t > e || t <= f || (to != 1 && !lua_compare(L, 1, to, LUA_OPEQ));
    if (raw_from && raw_to) /* no metamethod can end it early */
      luaL_argcheck(L, (lua_Unsigned)n <= max, 3, "too many elements to move");
    for (lua_Integer k = 0; k < n; k++) {
      lua_Integer i = forward ? k : n - 1 - k;
      if ((lua_Unsigned)k >= max)
        return luaL_argerror(L, 3, "too many elements to move");
      lua_geti(L, 1, f + i);
      lua_seti(L, to, t + i);
      step(L, &steps);
    }
  }
  lua_pushvalue(L, to);
  return 1;
}

/* -------------------------------------------------------------- concat --- */

enum { CONCAT_OUTPUT = 5 };

static void add_element(lua_State *L, struct out *o, lua_Integer i) {
  size_t len;
  const char *s;
  lua_geti(L, 1, i);
  s = lua_tolstring(L, -1, &len);
  if (!s)
    luaL_error(L, "invalid value (%s) at index %I in table for 'concat'",
               luaL_typename(L, -1), (LUAI_UACINT)i);
  out_add(L, o, s, len);
  lua_pop(L, 1);
}

static int tab_concat(lua_State *L) {
  bool raw = check_table(L, 1, TAB_R | TAB_L);
  lua_Integer last = table_len(L, 1, raw), i = 1;
  const char *sep = "";
  size_t sep_len = 0;
  unsigned steps = 0;
  struct out o;
  if (!lua_isnoneornil(L, 2))
    sep = luaL_checklstring(L, 2, &sep_len);
  i = luaL_optinteger(L, 3, 1);
  last = luaL_optinteger(L, 4, last);
  lua_settop(L, CONCAT_OUTPUT);
  out_init(&o, CONCAT_OUTPUT);
  if (!raw && i <= last)
    luaL_argcheck(L, (lua_Unsigned)last - (lua_Unsigned)i <= elements_max(L), 1,
                  "array too big");
  for (; i < last; i++) {
    add_element(L, &o, i);
    out_add(L, &o, sep, sep_len);
    step(L, &steps);
  }
  if (i == last)
    add_element(L, &o, i);
  out_push(L, &o);
  return 1;
}

/* ---------------------------------------------------------------- sort --- */

/* Quicksort step by step as in ltablib.c, so that what is equal ends where
 * Lua leaves it and bad order functions are found where Lua finds them.  A step
 * is what follows a comparison; between two steps the script may run and the
 * task may lose its turn.  The stack of intervals is at most as deep as the
 * number has bits: the smaller part always goes first. */
enum sort_step {
  SORT_BEGIN,
  SORT_ENDS,   /* a[up] < a[lo]? */
  SORT_MIDDLE, /* a[p] < a[lo]? */
  SORT_UPPER,  /* a[up] < a[p]? */
  SORT_RISE,   /* a[i] < pivot? */
  SORT_FALL    /* pivot < a[j]? */
};
#define SORT_LARGE 100u /* from here on pivots may be random */

/* The stack of the call: table, order function or nil, the struct. */
enum { SORT_TABLE = 1, SORT_ORDER, SORT_SELF };

union number {
  lua_Integer i;
  lua_Number x;
};

struct interval {
  unsigned lo, up, random;
};

struct sort {
  bool busy, order, less, no_wait;
  enum sort_step step;
  unsigned steps;
  unsigned lo, up, random; /* the interval */
  unsigned p, i, j;
  unsigned ntodo;
  struct interval todo[32];
  /* numbers only: a copy */
  union number *numbers;
  bool floats;
};

static int sort_on(lua_State *L, struct sort *x);

static int sort_called(lua_State *L, int status, lua_KContext ctx) {
  struct sort *x = (struct sort *)ctx;
  (void)status;
  thread_set_no_wait(L, x->no_wait);
  x->less = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return sort_on(L, x);
}

static int sort_again(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return sort_on(L, (struct sort *)ctx);
}

/* Is the value at |a| less than that at |b|?  Both from the top. */
static inline void compare(lua_State *L, struct sort *x, int a, int b) {
  if (!x->order) {
    x->less = lua_compare(L, a, b, LUA_OPLT);
    return;
  }
  lua_pushvalue(L, SORT_ORDER);
  lua_pushvalue(L, a - 1);
  lua_pushvalue(L, b - 2);
  x->no_wait = thread_set_no_wait(L, true);
  lua_callk(L, 2, 1, (lua_KContext)x, sort_called);
  thread_set_no_wait(L, x->no_wait);
  x->less = lua_toboolean(L, -1);
  lua_pop(L, 1);
}

/* a[i] = top, a[j] = the one below; pops both. */
static inline void set2(lua_State *L, unsigned i, unsigned j) {
  lua_seti(L, SORT_TABLE, i);
  lua_seti(L, SORT_TABLE, j);
}

/* lo..up is done: the next interval, or false. */
static bool sort_next(struct sort *x) {
  const struct interval *t;
  if (x->ntodo == 0)
    return false;
  t = &x->todo[--x->ntodo];
  x->lo = t->lo;
  x->up = t->up;
  x->random = t->random;
  return true;
}

/* a[lo..up] is in two parts around a[p]: the smaller one is next. */
static void sort_split(lua_State *L, struct sort *x, unsigned p) {
  struct interval large = {x->lo, p - 1, x->random};
  unsigned n;
  if (p - x->lo < x->up - p) {
    n = p - x->lo;
    large.lo = p + 1;
    large.up = x->up;
    x->up = p - 1;
  } else {
    n = x->up - p;
    x->lo = p + 1;
  }
  if (large.lo < large.up) {
    if ((large.up - large.lo) / 128 > n) /* a bad pivot, perhaps on purpose */
      large.random = (unsigned)prng_next(&state_of(L)->prng);
    x->todo[x->ntodo++] = large;
  }
}

static unsigned sort_pivot(const struct sort *x) {
  unsigned quarter = (x->up - x->lo) / 4;
  if (x->up - x->lo < SORT_LARGE || x->random == 0)
    return (x->lo + x->up) / 2;
  return x->random % (quarter * 2) + (x->lo + quarter);
}

static int sort_bad(lua_State *L) {
  return luaL_error(L, "invalid order function for sorting");
}

static int sort_done(struct sort *x) {
  x->busy = false;
  return 0;
}

static int sort_on(lua_State *L, struct sort *x) {
  for (;;) {
    if (++x->steps % STEPS == 0 && state_slice_over(L))
      return task_yield(L, (lua_KContext)x, sort_again);
    switch (x->step) {
    case SORT_BEGIN:
      while (x->lo >= x->up)
        if (!sort_next(x))
          return sort_done(x);
      lua_geti(L, SORT_TABLE, x->lo);
      lua_geti(L, SORT_TABLE, x->up);
      x->step = SORT_ENDS;
      compare(L, x, -1, -2);
      continue;

    case SORT_ENDS:
      if (x->less)
        set2(L, x->lo, x->up);
      else
        lua_pop(L, 2);
      if (x->up - x->lo == 1)
        break;
      x->p = sort_pivot(x);
      lua_geti(L, SORT_TABLE, x->p);
      lua_geti(L, SORT_TABLE, x->lo);
      x->step = SORT_MIDDLE;
      compare(L, x, -2, -1);
      continue;

    case SORT_MIDDLE:
      if (!x->less) {
        lua_pop(L, 1);
        lua_geti(L, SORT_TABLE, x->up);
        x->step = SORT_UPPER;
        compare(L, x, -1, -2);
        continue;
      }
      set2(L, x->p, x->lo);
      goto partition;

    case SORT_UPPER:
      if (x->less)
        set2(L, x->p, x->up);
      else
        lua_pop(L, 2);
    partition:
      if (x->up - x->lo == 2)
        break;
      lua_geti(L, SORT_TABLE, x->p);
      lua_pushvalue(L, -1);
      lua_geti(L, SORT_TABLE, x->up - 1);
      set2(L, x->p, x->up - 1);
      x->i = x->lo;
      x->j = x->up - 1;
      /* the pivot stays on the stack: a[lo..i] <= pivot <= a[j..up] */
      goto rise;

    case SORT_RISE:
      if (x->less) {
        if (x->i == x->up - 1)
          return sort_bad(L);
        lua_pop(L, 1);
      rise:
        lua_geti(L, SORT_TABLE, ++x->i);
        x->step = SORT_RISE;
        compare(L, x, -1, -2);
        continue;
      }
      goto fall;

    case SORT_FALL:
      if (x->less) {
        if (x->j < x->i)
          return sort_bad(L);
        lua_pop(L, 1);
      fall:
        lua_geti(L, SORT_TABLE, --x->j);
        x->step = SORT_FALL;
        compare(L, x, -3, -1);
        continue;
      }
      if (x->j >= x->i) {
        set2(L, x->i, x->j);
        goto rise;
      }
      lua_pop(L, 1);
      set2(L, x->up - 1, x->i);
      sort_split(L, x, x->i);
      x->step = SORT_BEGIN;
      continue;
    }
    /* lo..up was short */
    x->lo = x->up;
    x->step = SORT_BEGIN;
  }
}

/* ----------------------------------------------------- sorting numbers --- */

static inline bool number_less(const struct sort *x, union number a,
                               union number b, bool floats) {
  (void)x;
  return floats ? a.x < b.x : a.i < b.i;
}

/* The same steps on plain numbers; false: nothing is left to do. */
static inline __attribute__((always_inline)) bool
partition(lua_State *L, struct sort *x, bool floats) {
  union number *a = x->numbers - 1, pivot, t;
  unsigned i, j, p;
#define LESS(m, n) number_less(x, a[m], a[n], floats)
#define SWAP(m, n) (t = a[m], a[m] = a[n], a[n] = t)
  while (x->lo >= x->up)
    if (!sort_next(x))
      return false;
  if (LESS(x->up, x->lo))
    SWAP(x->lo, x->up);
  if (x->up - x->lo == 1)
    goto done;
  p = sort_pivot(x);
  if (LESS(p, x->lo))
    SWAP(p, x->lo);
  else if (LESS(x->up, p))
    SWAP(p, x->up);
  if (x->up - x->lo == 2)
    goto done;
  pivot = a[p];
  SWAP(p, x->up - 1);
  i = x->lo;
  j = x->up - 1;
  for (;;) {
    while (number_less(x, a[++i], pivot, floats))
      continue;
    while (number_less(x, pivot, a[--j], floats))
      continue;
    if (j < i)
      break;
    SWAP(i, j);
  }
  SWAP(x->up - 1, i);
  x->steps += x->up - x->lo;
  sort_split(L, x, i);
  return true;
done:
  x->steps++;
  x->lo = x->up;
  return true;
#undef LESS
#undef SWAP
}

static int numbers_on(lua_State *L, struct sort *x);

static int numbers_again(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return numbers_on(L, (struct sort *)ctx);
}

static int numbers_on(lua_State *L, struct sort *x) {
  unsigned n;
  while (x->floats ? partition(L, x, true) : partition(L, x, false))
    if (x->steps >= STEPS * 8) {
      x->steps = 0;
      if (state_slice_over(L))
        return task_yield(L, (lua_KContext)x, numbers_again);
    }
  n = x->i;
  for (unsigned k = 1; k <= n; k++) {
    if (x->floats)
      lua_pushnumber(L, x->numbers[k - 1].x);
    else
      lua_pushinteger(L, x->numbers[k - 1].i);
    lua_rawseti(L, SORT_TABLE, k);
  }
  return sort_done(x);
}

/* Copies the table if it is all integers or all floats that have an order. */
static bool numbers_read(lua_State *L, struct sort *x, unsigned n) {
  bool ok = true;
  lua_rawgeti(L, SORT_TABLE, 1);
  x->floats = !lua_isinteger(L, -1);
  ok = lua_type(L, -1) == LUA_TNUMBER;
  lua_pop(L, 1);
  if (!ok || n < 8 || n > elements_max(L) / 8)
    return false;
  x->numbers = lua_newuserdatauv(L, n * sizeof *x->numbers, 0);
  for (unsigned k = 1; k <= n && ok; k++) {
    union number *number = &x->numbers[k - 1];
    ok = lua_rawgeti(L, SORT_TABLE, k) == LUA_TNUMBER &&
         lua_isinteger(L, -1) == !x->floats;
    if (ok && x->floats) {
      number->x = lua_tonumber(L, -1);
      ok = number->x == number->x;
    } else if (ok) {
      number->i = lua_tointeger(L, -1);
    }
    lua_pop(L, 1);
  }
  if (!ok)
    lua_pop(L, 1);
  return ok;
}

/* Upvalue 1: a struct that the next call can have, unless it is in use. */
static int tab_sort(lua_State *L) {
  struct sort *x = lua_touserdata(L, lua_upvalueindex(1));
  bool raw = check_table(L, 1, TAB_R | TAB_W | TAB_L);
  lua_Integer n = table_len(L, 1, raw);
  if (n <= 1)
    return 0;
  luaL_argcheck(L, n < INT_MAX && (lua_Unsigned)n <= elements_max(L), 1,
                "array too big");
  if (!lua_isnoneornil(L, 2))
    luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (x && !x->busy) {
    lua_pushvalue(L, lua_upvalueindex(1));
  } else {
    x = lua_newuserdatauv(L, sizeof *x, 0);
    lua_pushvalue(L, -1);
    lua_replace(L, lua_upvalueindex(1));
  }
  x->busy = true; /* after an error it stays so, and is not used again */
  x->order = lua_type(L, SORT_ORDER) == LUA_TFUNCTION;
  x->step = SORT_BEGIN;
  x->steps = 0;
  x->lo = 1;
  x->up = (unsigned)n;
  x->random = 0;
  x->ntodo = 0;
  if (raw && !x->order && numbers_read(L, x, (unsigned)n)) {
    x->i = (unsigned)n;
    return numbers_on(L, x);
  }
  return sort_on(L, x);
}

void tablib_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"concat", tab_concat},
                                       {"insert", tab_insert},
                                       {"move", tab_move},
                                       {"remove", tab_remove},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  lua_pushnil(L);
  lua_pushcclosure(L, tab_sort, 1);
  lua_setfield(L, -2, "sort");
}
