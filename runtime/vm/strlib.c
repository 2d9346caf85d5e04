/* strlib.c - string functions that had to be written anew, so that they can be
 * stopped and preempted: find, match, gmatch, gsub, rep;
 * or so that the garbage of a script is collected before it has no memory.
 *
 * Results, errors and their texts are those of lstrlib.c of Lua 5.4.  Where a
 * slice ends half-way, all that a function knows is moved to (or is already in)
 * a userdata on its stack, and its task waits for its turn. */
#include "runtime/vm/strlib.h"

#include <limits.h>
#include <string.h>

#include "runtime/base/str.h"
#include "runtime/vm/match.h"
#include "runtime/vm/object.h"
#include "runtime/vm/out.h"
#include "runtime/vm/sched.h"

/* Where a search may begin: 1-based, from the end if negative; 0-based result.
 */
static size_t arg_init(lua_State *L, int arg, size_t len) {
  lua_Integer init;
  if (lua_isnoneornil(L, arg))
    return 0;
  init = luaL_checkinteger(L, arg);
  if (init > 0)
    return (size_t)init - 1;
  if (init == 0 || init < -(lua_Integer)len)
    return 0;
  return len - (size_t)-init;
}

static const char *arg_string(lua_State *L, int arg, size_t *len) {
  const char *s = lua_tolstring(L, arg, len);
  return s ? s : luaL_checklstring(L, arg, len);
}

/* ---------------------------------------------------------- find, match --- */

/* First bytes are looked for, which is fastest as long as few of them mislead;
 * then glibc's memmem, which is linear whatever the texts are. */
static const char *find_plain(const char *s, size_t len, const char *p,
                              size_t plen) {
  const char *from = s;
  size_t misled = 0;
  if (plen == 0)
    return s;
  if (plen > len)
    return NULL;
  if (plen == 1)
    return memchr(s, *p, len);
  for (;;) {
    size_t left = len - (size_t)(s - from);
    const char *at;
    if (left < plen)
      return NULL;
    at = memchr(s, *p, left - plen + 1);
    if (!at)
      return NULL;
    if (at[1] == p[1] && memcmp(at, p, plen) == 0)
      return at;
    s = at + 1;
    misled += at[1] == p[1] ? plen : 1;
    if (misled * 16 > (size_t)(s - from) + 256)
      return memmem(s, len - (size_t)(s - from), p, plen);
  }
}

struct search {
  struct match m;
  bool find;
};

static int search_on(lua_State *L, struct search *x, bool moved);

static int search_again(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return search_on(L, (struct search *)ctx, true);
}

static int search_on(lua_State *L, struct search *x, bool moved) {
  struct match *m = &x->m;
  enum match_result rv;
  while ((rv = match_next(m)) == MATCH_PAUSED) {
    if (!state_slice_over(L))
      continue;
    if (!moved) {
      struct search *box;
      luaL_checkstack(L, 4, NULL);
      box = lua_newuserdatauv(L, sizeof *box, 0);
      *box = *x;
      match_moved(&box->m, m);
      x = box;
    }
    return task_yield(L, (lua_KContext)x, search_again);
  }
  if (rv == MATCH_NO) {
    lua_pushnil(L);
    return 1;
  }
  if (!x->find)
    return match_push_captures(m, true);
  lua_pushinteger(L, (m->start - m->src) + 1);
  lua_pushinteger(L, m->end - m->src);
  return match_push_captures(m, false) + 2;
}

static inline int search(lua_State *L, bool find) {
  struct search x;
  size_t len, plen, init;
  const char *s = arg_string(L, 1, &len), *p = arg_string(L, 2, &plen);
  bool anchor;
  init = arg_init(L, 3, len);
  if (init > len) {
    lua_pushnil(L);
    return 1;
  }
  if (find && (lua_toboolean(L, 4) || match_is_plain(p, plen))) {
    const char *at = find_plain(s + init, len - init, p, plen);
    if (!at) {
      lua_pushnil(L);
      return 1;
    }
    lua_pushinteger(L, (at - s) + 1);
    lua_pushinteger(L, (at - s) + (ptrdiff_t)plen);
    return 2;
  }
  anchor = *p == '^';
  match_init(&x.m, L, s, len, p + anchor, plen - anchor, anchor);
  x.m.start = s + init;
  x.find = find;
  return search_on(L, &x, false);
}

static int str_find(lua_State *L) {
  return search(L, true);
}

static int str_match(lua_State *L) {
  return search(L, false);
}

/* -------------------------------------------------------------- gmatch --- */

/* Between two calls.  The matcher itself belongs to a call: an iterator that is
 * called by one task while another is in it must not find it half-way. */
struct gmatch {
  const char *src, *pat; /* upvalues 1 and 2 */
  size_t srclen, patlen;
  const char *next, *last;
  bool has_sets; /* what is known of them is kept */
  struct match_set sets[MATCH_SETS];
};

static int gmatch_on(lua_State *L, struct gmatch *g, struct match *m,
                     bool moved);

static int gmatch_again(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return gmatch_on(L, lua_touserdata(L, lua_upvalueindex(3)),
                   (struct match *)ctx, true);
}

static int gmatch_on(lua_State *L, struct gmatch *g, struct match *m,
                     bool moved) {
  enum match_result rv;
  while ((rv = match_next(m)) == MATCH_PAUSED) {
    if (!state_slice_over(L))
      continue;
    if (!moved) {
      struct match *box;
      luaL_checkstack(L, 4, NULL);
      box = lua_newuserdatauv(L, sizeof *box, 0);
      *box = *m;
      match_moved(box, m);
      m = box;
    }
    return task_yield(L, (lua_KContext)m, gmatch_again);
  }
  if (rv == MATCH_NO)
    return 0;
  g->next = g->last = m->end;
  if (g->has_sets)
    memcpy(g->sets, m->sets, sizeof g->sets);
  return match_push_captures(m, true);
}

static int gmatch_call(lua_State *L) {
  struct gmatch *g = lua_touserdata(L, lua_upvalueindex(3));
  struct match m;
  if (g->next > g->src + g->srclen)
    return 0;
  match_init(&m, L, g->src, g->srclen, g->pat, g->patlen, false);
  if (g->has_sets)
    memcpy(m.sets, g->sets, sizeof m.sets);
  m.start = g->next;
  m.last = g->last;
  return gmatch_on(L, g, &m, false);
}

static int str_gmatch(lua_State *L) {
  struct gmatch *g;
  size_t len, plen, init;
  const char *s = arg_string(L, 1, &len), *p = arg_string(L, 2, &plen);
  init = arg_init(L, 3, len);
  if (init > len)
    init = len + 1;
  lua_settop(L, 2);
  g = lua_newuserdatauv(L, sizeof *g, 0);
  g->src = s;
  g->srclen = len;
  g->pat = p;
  g->patlen = plen;
  g->next = s + init;
  g->last = NULL;
  g->has_sets = memchr(p, '[', plen) != NULL;
  if (g->has_sets)
    memset(g->sets, 0, sizeof g->sets);
  lua_pushcclosure(L, gmatch_call, 3);
  return 1;
}

/* ---------------------------------------------------------------- gsub --- */

/* Its stack: subject, pattern, replacement, the struct, the output once it has
 * outgrown the struct; then what the matcher keeps there. */
enum { GSUB_SUBJECT = 1, GSUB_PATTERN, GSUB_REPLACE, GSUB_SELF, GSUB_OUTPUT };

struct gsub {
  bool busy;
  struct match m;
  const char *copied; /* the subject up to here is in the output */
  lua_Integer count, max;
  bool changed, no_wait;
  int type;
  const char *text; /* a replacement that is a string */
  size_t text_len;
  bool plain; /* without '%' */
  struct out out;
};

/* A replacement with %0 to %9 and %% in it. */
static void out_template(lua_State *L, struct gsub *g) {
  const char *p = g->text, *end = p + g->text_len, *esc;
  while ((esc = memchr(p, '%', (size_t)(end - p))) != NULL) {
    const char *cap;
    size_t len;
    out_add(L, &g->out, p, (size_t)(esc - p));
    p = esc + 2;
    if (esc[1] == '%') {
      out_add(L, &g->out, "%", 1);
    } else if (esc[1] == '0') {
      out_add(L, &g->out, g->m.start, (size_t)(g->m.end - g->m.start));
    } else if (esc[1] >= '1' && esc[1] <= '9') {
      if (match_capture(&g->m, (unsigned)(esc[1] - '1'), &cap, &len)) {
        out_add(L, &g->out, cap, len);
      } else {
        cap = lua_tolstring(L, -1, &len);
        out_add(L, &g->out, cap, len);
        lua_pop(L, 1);
      }
    } else {
      luaL_error(L, "invalid use of '%c' in replacement string", '%');
    }
  }
  out_add(L, &g->out, p, (size_t)(end - p));
}

/* The value for the last match is on top. */
static void gsub_value(lua_State *L, struct gsub *g) {
  const char *p;
  size_t len;
  if (!lua_toboolean(L, -1)) {
    p = g->m.start;
    len = (size_t)(g->m.end - p);
  } else {
    p = lua_tolstring(L, -1, &len);
    if (!p)
      luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    g->changed = true;
  }
  out_add(L, &g->out, p, len);
  lua_pop(L, 1);
}

/* To be called when the last match has been dealt with. */
static inline void gsub_step(struct gsub *g) {
  g->m.start = g->m.end;
  g->m.budget -= 4;
  if (g->m.anchor)
    g->max = g->count;
}

static int gsub_on(lua_State *L, struct gsub *g);

static int gsub_called(lua_State *L, int status, lua_KContext ctx) {
  struct gsub *g = (struct gsub *)ctx;
  (void)status;
  thread_set_no_wait(L, g->no_wait);
  gsub_value(L, g);
  gsub_step(g);
  return gsub_on(L, g);
}

static int gsub_again(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return gsub_on(L, (struct gsub *)ctx);
}

/* Script code below here can be preempted, but cannot wait: as in Lua there is
 * a C call between it and its coroutine. */
static void gsub_call(lua_State *L, struct gsub *g, int nargs) {
  g->no_wait = thread_set_no_wait(L, true);
  lua_callk(L, nargs, 1, (lua_KContext)g, gsub_called);
  thread_set_no_wait(L, g->no_wait);
}

/* Indexes the replacement with the key on top, as lua_gettable would; a
 * function in __index is called so that it can be preempted. */
static void gsub_index(lua_State *L, struct gsub *g) {
  lua_pushvalue(L, -1);
  if (lua_rawget(L, GSUB_REPLACE) == LUA_TNIL &&
      luaL_getmetafield(L, GSUB_REPLACE, "__index") != LUA_TNIL) {
    /* key, nil, __index */
    if (lua_type(L, -1) == LUA_TFUNCTION) {
      lua_replace(L, -2);
      lua_pushvalue(L, GSUB_REPLACE);
      lua_rotate(L, -3, -1); /* function, table, key */
      gsub_call(L, g, 2);
      return;
    }
    lua_replace(L, -2);
    lua_pushvalue(L, -2);
    lua_gettable(L, -2);
    lua_replace(L, -2);
  }
  lua_replace(L, -2);
}

static void gsub_replace(lua_State *L, struct gsub *g) {
  if (g->type == LUA_TFUNCTION) {
    lua_pushvalue(L, GSUB_REPLACE);
    gsub_call(L, g, match_push_captures(&g->m, true));
  } else if (g->type == LUA_TTABLE) {
    match_push_capture(&g->m, 0);
    gsub_index(L, g);
  } else {
    if (g->plain)
      out_add(L, &g->out, g->text, g->text_len);
    else
      out_template(L, g);
    g->changed = true;
    return;
  }
  gsub_value(L, g);
}

static int gsub_done(lua_State *L, struct gsub *g) {
  if (g->changed) {
    out_add(L, &g->out, g->copied, (size_t)(g->m.src_end - g->copied));
    out_push(L, &g->out);
  } else {
    lua_pushvalue(L, GSUB_SUBJECT);
  }
  lua_pushinteger(L, g->count);
  g->busy = false;
  return 2;
}

static int gsub_on(lua_State *L, struct gsub *g) {
  struct match *m = &g->m;
  while (g->count < g->max) {
    enum match_result rv = match_next(m);
    if (rv == MATCH_NO)
      break;
    if (rv == MATCH_PAUSED) {
      if (state_slice_over(L))
        return task_yield(L, (lua_KContext)g, gsub_again);
      continue;
    }
    g->count++;
    out_add(L, &g->out, g->copied, (size_t)(m->start - g->copied));
    /* before the script is called: the call may not come back here */
    g->copied = m->end;
    m->last = m->end;
    gsub_replace(L, g);
    gsub_step(g);
  }
  return gsub_done(L, g);
}

/* Upvalue 1: a struct that the next call can have, unless it is in use. */
static int str_gsub(lua_State *L) {
  size_t len, plen;
  const char *s = arg_string(L, 1, &len), *p = arg_string(L, 2, &plen);
  int type = lua_type(L, 3);
  lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)len + 1);
  struct gsub *g = lua_touserdata(L, lua_upvalueindex(1));
  bool anchor = *p == '^';
  luaL_argexpected(L,
                   type == LUA_TNUMBER || type == LUA_TSTRING ||
                       type == LUA_TFUNCTION || type == LUA_TTABLE,
                   3, "string/function/table");
  lua_settop(L, 3);
  if (g && !g->busy) {
    lua_pushvalue(L, lua_upvalueindex(1));
  } else {
    g = lua_newuserdatauv(L, sizeof *g, 0);
    lua_pushvalue(L, -1);
    lua_replace(L, lua_upvalueindex(1));
  }
  lua_pushnil(L); /* GSUB_OUTPUT */
  g->busy = true; /* after an error it stays so, and is not used again */
  match_init(&g->m, L, s, len, p + anchor, plen - anchor, anchor);
  g->copied = s;
  g->count = 0;
  g->max = max;
  g->changed = false;
  g->type = type;
  g->text = NULL;
  g->text_len = 0;
  if (type == LUA_TSTRING || type == LUA_TNUMBER) {
    g->text = lua_tolstring(L, 3, &g->text_len);
    g->plain = memchr(g->text, '%', g->text_len) == NULL;
  }
  out_init(&g->out, GSUB_OUTPUT);
  return gsub_on(L, g);
}

/* ----------------------------------------------- rep, and what is simple ---
 */

/* luaL_Buffer asks the allocator itself, and where it is refused does not
 * collect and ask again, as Lua does: a script whose memory is full of garbage
 * would be told that it has none.  So room is made before. */
static char *buffer_of(lua_State *L, luaL_Buffer *b, size_t len) {
  if (len > LUAL_BUFFERSIZE)
    (void)objects_room(L, len); /* the buffer itself will complain */
  return luaL_buffinitsize(L, b, len);
}

static int str_upper(lua_State *L) {
  size_t len;
  const char *s = arg_string(L, 1, &len);
  luaL_Buffer b;
  char *p = buffer_of(L, &b, len);
  for (size_t i = 0; i < len; i++)
    p[i] = ascii_upper(s[i]);
  luaL_pushresultsize(&b, len);
  return 1;
}

static int str_lower(lua_State *L) {
  size_t len;
  const char *s = arg_string(L, 1, &len);
  luaL_Buffer b;
  char *p = buffer_of(L, &b, len);
  for (size_t i = 0; i < len; i++)
    p[i] = ascii_lower(s[i]);
  luaL_pushresultsize(&b, len);
  return 1;
}

static int str_reverse(lua_State *L) {
  size_t len;
  const char *s = arg_string(L, 1, &len);
  luaL_Buffer b;
  char *p = buffer_of(L, &b, len);
  for (const char *from = s + len; from > s;)
    *p++ = *--from;
  luaL_pushresultsize(&b, len);
  return 1;
}

static int str_char(lua_State *L) {
  int n = lua_gettop(L);
  luaL_Buffer b;
  char *p = buffer_of(L, &b, (size_t)n);
  for (int i = 1; i <= n; i++) {
    lua_Unsigned c = (lua_Unsigned)luaL_checkinteger(L, i);
    luaL_argcheck(L, c <= UCHAR_MAX, i, "value out of range");
    p[i - 1] = (char)(unsigned char)c;
  }
  luaL_pushresultsize(&b, (size_t)n);
  return 1;
}

/* What Lua's function (upvalue 1) makes has at most |most| bytes; its buffer
 * holds half as many more while it grows, beside the smaller one before. */
static int with_room(lua_State *L, size_t most) {
  if (most > LUAL_BUFFERSIZE)
    (void)objects_room(L, most > SIZE_MAX / 4 ? SIZE_MAX : most / 2 * 5);
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static size_t plus(size_t a, size_t b) {
  return b > SIZE_MAX - a ? SIZE_MAX : a + b;
}

/* An option makes at most 16 bytes and 16 of padding, or as many as it says
 * ("c1000"), or its string with a length. */
static int str_pack(lua_State *L) {
  const struct account *a = &state_of(L)->account;
  size_t len, most, n = 0;
  const char *format;
  if (account_allows(a, a->limit / 2)) /* nobody packs that much */
    return with_room(L, 0);
  format = arg_string(L, 1, &len);
  most = len * 32;
  for (size_t i = 0; i < len; i++) {
    n = !ascii_digit(format[i])   ? 0
        : n > (SIZE_MAX - 9) / 10 ? SIZE_MAX
                                  : n * 10 + (size_t)(format[i] - '0');
    most = plus(most, n);
  }
  for (int i = lua_gettop(L); i > 1; i--)
    most = plus(most, lua_rawlen(L, i));
  return with_room(L, most);
}

static int str_rep(lua_State *L) {
  size_t len, sep_len = 0, unit, total, done;
  const char *s = arg_string(L, 1, &len), *sep = "";
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_Buffer b;
  char *p;
  if (!lua_isnoneornil(L, 3))
    sep = luaL_checklstring(L, 3, &sep_len);
  unit = len + sep_len;
  if (n <= 0 || unit == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (unit < len || unit > (size_t)INT_MAX / (lua_Unsigned)n)
    return luaL_error(L, "resulting string too large");
  if (n == 1) {
    lua_pushvalue(L, 1);
    return 1;
  }
  total = unit * (size_t)n - sep_len;
  p = buffer_of(L, &b, total);
  /* the first one, then what is there doubles itself */
  memcpy(p, s, len);
  memcpy(p + len, sep, sep_len);
  for (done = unit; done < total;) {
    size_t more = total - done < done ? total - done : done;
    memcpy(p + done, p, more);
    done += more;
  }
  luaL_pushresultsize(&b, total);
  return 1;
}

void strlib_wrap(lua_State *L, const char *name, lua_CFunction f) {
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, f, 1);
  lua_setfield(L, -2, name);
}

void strlib_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"find", str_find},        {"match", str_match},
      {"gmatch", str_gmatch},    {"rep", str_rep},
      {"upper", str_upper},      {"lower", str_lower},
      {"reverse", str_reverse},  {"char", str_char},
      {"format", string_format}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  lua_pushnil(L);
  lua_pushcclosure(L, str_gsub, 1);
  lua_setfield(L, -2, "gsub");
  lua_pushnil(L);
  lua_setfield(L, -2, "dump");
  strlib_wrap(L, "pack", str_pack);
}
