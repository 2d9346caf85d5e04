/* json_schema.c - json.validate: Lua values against JSON Schema (2020-12).
 *
 * Known are the keywords of json_schema_form.c; "$ref" stays within the schema,
 * "pattern" is in RE2's syntax, "format" is asserted where it is one of JSON
 * Schema's own.  Words that only describe are skipped.  Any other word is
 * refused, wherever it stands: a rule that was not applied must not look as if
 * it had been. */
#include "modules/json_schema.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "modules/errors.h"
#include "modules/json_format.h"
#include "modules/services.h"
#include "runtime/base/gate.h"
#include "runtime/base/json.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/out.h"

/* Of schemas that are being applied, one within the other: a reference can go
 * round for ever. */
#define APPLY_MAX_DEPTH 256
/* uniqueItems compares arrays and objects pair by pair. */
#define UNIQUE_MAX_TABLES 1000

/* In schema_type_bit's order, the narrowest first. */
static const char *const type_names[] = {
    "null", "boolean", "integer", "number", "string", "array", "object"};
#define NTYPES (sizeof type_names / sizeof *type_names)

static const char *type_name(unsigned bits) {
  for (size_t i = 0; i < NTYPES; i++)
    if (bits >> i & 1)
      return type_names[i];
  return "something that JSON has no type for";
}

/* Are the JSON values at |a| and |b| the same?  Deeper than any JSON: no. */
static bool equal(struct checker *c, int a, int b, int depth) {
  lua_State *L = c->L;
  size_t na, nb;
  unsigned ta, tb;
  json_step(L, &c->steps);
  luaL_checkstack(L, 10, "json.validate");
  if (lua_type(L, a) != LUA_TTABLE || lua_type(L, b) != LUA_TTABLE) {
    if (lua_rawequal(L, a, b))
      return true;
    return schema_types_of(c, a, &na) == TYPE_NULL &&
           schema_types_of(c, b, &nb) == TYPE_NULL;
  }
  if (lua_rawequal(L, a, b))
    return true;
  ta = schema_types_of(c, a, &na);
  tb = schema_types_of(c, b, &nb);
  if (!(ta & tb) || na != nb || depth == JSON_MAX_DEPTH)
    return false;
  lua_pushnil(L);
  while (lua_next(L, a)) { /* key, value in a */
    bool same;
    lua_pushvalue(L, -2);
    lua_rawget(L, b);
    same = !lua_isnil(L, -1) &&
           equal(c, lua_gettop(L) - 1, lua_gettop(L), depth + 1);
    lua_pop(L, 2);
    if (!same) {
      lua_pop(L, 1);
      return false;
    }
  }
  return true;
}

static size_t code_points(struct checker *c, int idx) {
  struct slice s = {0};
  size_t n = 0;
  value_slice(c->L, idx, &s);
  for (size_t i = 0; i < s.len; i++) {
    n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    if (i % 4096 == 4095)
      json_step(c->L, &c->steps);
  }
  return n;
}

static bool validate(struct checker *c, int schema, int value);

/* The schema on top against the value at |value|; pops the schema if it
 * matches. */
static bool validate_top(struct checker *c, int value) {
  if (!validate(c, lua_gettop(c->L), value))
    return false;
  lua_pop(c->L, 1);
  return true;
}

static bool apply_type(struct checker *c, unsigned have) {
  lua_State *L = c->L;
  size_t n;
  unsigned want = schema_type_bit(L, -1);
  if (!want && schema_is_list(c, -1, &n)) {
    for (size_t i = 1; i <= n; i++) {
      lua_rawgeti(L, -1, (lua_Integer)i);
      want |= schema_type_bit(L, -1);
      lua_pop(L, 1);
    }
  }
  if (have & want)
    return true;
  char list[96] = "";
  size_t len = 0;
  for (size_t i = 0; i < NTYPES; i++)
    if (want >> i & 1)
      len += (size_t)snprintf(list + len, sizeof list - len, "%s%s",
                              len ? " or " : "", type_names[i]);
  return schema_fail(c, "expected %s, got %s", list, type_name(have));
}

static bool apply_enum(struct checker *c, int value) {
  int list = lua_gettop(c->L);
  size_t n;
  schema_is_list(c, list, &n);
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(c->L, list, (lua_Integer)i);
    bool same = equal(c, list + 1, value, 0);
    lua_pop(c->L, 1);
    if (same)
      return true;
  }
  return schema_fail(c, "value is none of the %zu in 'enum'", n);
}

/* The bound on top against the number at |value|. */
static bool apply_bound(struct checker *c, enum keyword kw, int value) {
  lua_State *L = c->L;
  int bound = lua_gettop(L);
  bool good = true;
  const char *must = "";
  char text[40];
  if (kw == KW_MINIMUM) { /* numbers only: no metamethod is called */
    good = lua_compare(L, bound, value, LUA_OPLE);
    must = "at least";
  } else if (kw == KW_MAXIMUM) {
    good = lua_compare(L, value, bound, LUA_OPLE);
    must = "at most";
  } else if (kw == KW_EXCLUSIVE_MINIMUM) {
    good = lua_compare(L, bound, value, LUA_OPLT);
    must = "more than";
  } else if (kw == KW_EXCLUSIVE_MAXIMUM) {
    good = lua_compare(L, value, bound, LUA_OPLT);
    must = "less than";
  }
  if (good)
    return true;
  if (lua_isinteger(L, bound))
    snprintf(text, sizeof text, "%lld", (long long)lua_tointeger(L, bound));
  else
    text[json_format_double(text, sizeof text - 1, lua_tonumber(L, bound))] =
        '\0';
  return schema_fail(c, "number must be %s %s", must, text);
}

/* The bound on top against |n| |units|. */
static bool apply_count(struct checker *c, bool minimum, size_t n,
                        const char *units) {
  /* a count beyond what a lua_Integer holds was refused by check_form */
  lua_Integer bound = lua_tointeger(c->L, -1);
  if (minimum ? n >= (lua_Unsigned)bound : n <= (lua_Unsigned)bound)
    return true;
  return schema_fail(c, "expected at %s %lld %s, got %zu",
                     minimum ? "least" : "most", (long long)bound, units, n);
}

static bool nearly_whole(lua_Number n) {
  return n < 0x1p40 &&
         fabs(n - (lua_Number)(int64_t)(n + 0.5)) <= n * 2 * DBL_EPSILON;
}

static bool is_whole(lua_State *L, int idx) {
  return lua_isinteger(L, idx) ||
         floor(lua_tonumber(L, idx)) == lua_tonumber(L, idx);
}

/* Is the number at |value| a multiple of the one on top?  Exactly, or where
 * both are decimal fractions that no double is, as near as the quotient of two
 * of them can be. */
static bool apply_multiple(struct checker *c, int value) {
  lua_State *L = c->L;
  int of = lua_gettop(L);
  lua_Number rest, q;
  char text[40];
  lua_pushvalue(L, value); /* both are numbers: no metamethod is called */
  lua_pushvalue(L, of);
  lua_arith(L, LUA_OPMOD);
  rest = lua_tonumber(L, -1);
  lua_settop(L, of);
  q = fabs(lua_tonumber(L, value) / lua_tonumber(L, of));
  if (rest == 0 ||
      (!(lua_isinteger(L, value) && lua_isinteger(L, of)) &&
       (nearly_whole(q) ||
        (nearly_whole(1 / lua_tonumber(L, of)) && is_whole(L, value)))))
    return true;
  if (lua_isinteger(L, of))
    snprintf(text, sizeof text, "%lld", (long long)lua_tointeger(L, of));
  else
    text[json_format_double(text, sizeof text - 1, lua_tonumber(L, of))] = '\0';
  return schema_fail(c, "number must be a multiple of %s", text);
}

/* Patterns.  The answers are the host's: lookup.h says what they cost. */

/* Names of Unicode's general categories of which RE2 knows the short ones. */
static const struct {
  const char *name, *is;
} categories[] = {
    {"Letter}", "L"},
    {"Lowercase_Letter}", "Ll"},
    {"Uppercase_Letter}", "Lu"},
    {"Mark}", "M"},
    {"Number}", "N"},
    {"Decimal_Number}", "Nd"},
    {"digit}", "Nd"},
    {"Punctuation}", "P"},
    {"punct}", "P"},
    {"Symbol}", "S"},
    {"Separator}", "Z"},
    {"Other}", "C"},
};

/* How many bytes of |s|, behind a backslash, are an escape of ECMA-262 that RE2
 * writes otherwise, as |out| says; 0: it is no such. */
static size_t escape_to_re2(struct slice s, char out[16]) {
  char c = s.len ? s.p[0] : '\0';
  if (c == 'u' && s.len > 4 && hex_digit(s.p[1]) >= 0 &&
      hex_digit(s.p[2]) >= 0 && hex_digit(s.p[3]) >= 0 &&
      hex_digit(s.p[4]) >= 0) {
    snprintf(out, 16, "x{%.4s}", s.p + 1);
    return 5;
  }
  if (c == 'c' && s.len > 1 && ascii_alpha(s.p[1])) {
    snprintf(out, 16, "x%02x", (unsigned)s.p[1] & 31);
    return 2;
  }
  if ((c == 'p' || c == 'P') && s.len > 2 && s.p[1] == '{')
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
      if (slice_starts((struct slice){s.p + 2, s.len - 2},
                       slice_of(categories[i].name))) {
        snprintf(out, 16, "%c{%s}", c, categories[i].is);
        return 2 + strlen(categories[i].name);
      }
  return 0;
}

/* Pushes |pattern|, which is ECMA-262's, as RE2 takes it. */
static void push_re2(lua_State *L, struct slice pattern) {
  char escape[16];
  struct out o;
  lua_pushnil(L);
  out_init(&o, lua_gettop(L));
  for (size_t i = 0; i < pattern.len; i++) {
    struct slice rest = {pattern.p + i + 1, pattern.len - i - 1};
    size_t n;
    out_byte(L, &o, pattern.p[i]);
    if (pattern.p[i] == '(' && rest.len > 2 && rest.p[0] == '?' &&
        rest.p[1] == '<' && rest.p[2] != '=' && rest.p[2] != '!') {
      out_add(L, &o, "?P", 2); /* a group with a name */
      i++;
    }
    if (pattern.p[i] != '\\' || rest.len == 0)
      continue;
    n = escape_to_re2(rest, escape);
    if (n > 0)
      out_add(L, &o, escape, strlen(escape));
    else
      out_byte(L, &o, rest.p[0]);
    i += n > 0 ? n : 1;
  }
  out_push(L, &o);
  lua_replace(L, o.slot);
}

/* 1 or 0; -1: it cannot be told, as the error (fatal) says, or with |good| not
 * NULL, where |pattern| may be anything, as |*good| says. */
static int match(struct checker *c, struct slice pattern, struct slice text,
                 bool *good) {
  lua_State *L = c->L;
  struct services *sv = services_of(L);
  struct slice re2 = {0};
  struct err e;
  bool found = false;
  int rv;
  if (pattern.len > REGEX_MAX_BYTES) {
    if (good)
      *good = false;
    else
      schema_fatal(c, "pattern is longer than %d bytes", REGEX_MAX_BYTES);
    return -1;
  }
  if (text.len > LOOKUP_TEXT_MAX_BYTES) {
    schema_fatal(c,
                 "text of %zu bytes is too long for a pattern, expected at "
                 "most %u",
                 text.len, LOOKUP_TEXT_MAX_BYTES);
    return -1;
  }
  push_re2(L, pattern);
  value_slice(L, -1, &re2);
  gate_enter();
  rv = sv->lookup->match(sv, re2, text, &found, &e);
  gate_leave();
  lua_pop(L, 1);
  state_check(L);
  if (rv == 0)
    return found;
  if (good && rv == ERR_SYNTAX)
    *good = false;
  else if (rv == ERR_UNSUPPORTED)
    schema_fatal(c, "patterns are not supported: built without RE2");
  else if (rv == ERR_SYNTAX || rv == ERR_LIMIT)
    schema_fatal(c, "%s", e.message);
  else
    state_no_memory(L);
  return -1;
}

static bool apply_pattern(struct checker *c, int value) {
  struct slice pattern = {0}, text = {0};
  int rv;
  value_slice(c->L, -1, &pattern);
  value_slice(c->L, value, &text);
  rv = match(c, pattern, text, NULL);
  return rv == 1 ||
         (rv == 0 &&
          schema_fail(c, "text does not match the pattern '%.*s'",
                      pattern.len < 64 ? (int)pattern.len : 64, pattern.p));
}

static bool apply_format(struct checker *c, int value) {
  struct slice name = {0}, text = {0};
  const char *article = "a";
  bool holds = true;
  value_slice(c->L, -1, &name);
  value_slice(c->L, value, &text);
  switch (json_format_find(name)) {
  case JSON_FORMAT_KNOWN:
    holds = json_format_holds(name, text);
    break;
  case JSON_FORMAT_REGEX:
    if (match(c, text, (struct slice){"", 0}, &holds) < 0 && c->fatal)
      return false;
    break;
  case JSON_FORMAT_MISSING:
  case JSON_FORMAT_FOREIGN:
    break;
  }
  if (name.len > 0 && strchr("aeiou", name.p[0]) &&
      !slice_starts(name, SLICE("u")))
    article = "an";
  return holds ||
         schema_fail(c, "text is not %s %.*s", article, (int)name.len, name.p);
}

/* The list of names on top. */
static bool apply_required(struct checker *c, int value) {
  lua_State *L = c->L;
  int names = lua_gettop(L);
  size_t n;
  schema_is_list(c, names, &n);
  for (size_t i = 1; i <= n; i++) {
    struct slice name = {0};
    json_step(L, &c->steps);
    lua_rawgeti(L, names, (lua_Integer)i);
    value_slice(L, -1, &name);
    lua_pushvalue(L, -1);
    lua_rawget(L, value);
    if (lua_isnil(L, -1))
      return schema_fail(c, "missing property '%.*s'",
                         name.len < 64 ? (int)name.len : 64, name.p);
    lua_pop(L, 2);
  }
  return true;
}

/* The schema on top against elements |first|..|n| of |value|. */
static bool apply_items(struct checker *c, int value, size_t first, size_t n) {
  int schema = lua_gettop(c->L);
  for (size_t i = first; i <= n; i++) {
    size_t old = path_index(c, (lua_Integer)i);
    lua_rawgeti(c->L, value, (lua_Integer)i);
    if (!validate(c, schema, schema + 1))
      return false;
    lua_pop(c->L, 1);
    path_leave(c, old);
  }
  return true;
}

/* The schema on top against each of |n| elements of |value|. */
static bool apply_contains(struct checker *c, int of, int value, size_t n) {
  lua_State *L = c->L;
  int schema = lua_gettop(L);
  size_t count = 0, old = c->path_len;
  lua_Integer min = 1, max = LUA_MAXINTEGER;
  lua_pushstring(L, schema_keyword(KW_MIN_CONTAINS));
  if (lua_rawget(L, of) != LUA_TNIL)
    min = lua_tointeger(L, -1);
  lua_pushstring(L, schema_keyword(KW_MAX_CONTAINS));
  if (lua_rawget(L, of) != LUA_TNIL)
    max = lua_tointeger(L, -1);
  lua_settop(L, schema);
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(L, value, (lua_Integer)i);
    count += validate(c, schema, schema + 1);
    if (c->fatal)
      return false;
    lua_settop(L, schema);
    path_leave(c, old);
  }
  if (count < (lua_Unsigned)min)
    return schema_fail(c,
                       "expected at least %lld elements that match "
                       "'contains', got %zu",
                       (long long)min, count);
  if (count > (lua_Unsigned)max)
    return schema_fail(c,
                       "expected at most %lld elements that match "
                       "'contains', got %zu",
                       (long long)max, count);
  return true;
}

static bool apply_prefix(struct checker *c, int value, size_t n) {
  int list = lua_gettop(c->L);
  size_t nschemas;
  schema_is_list(c, list, &nschemas);
  for (size_t i = 1; i <= nschemas && i <= n; i++) {
    lua_rawgeti(c->L, list, (lua_Integer)i);
    if (!apply_items(c, value, i, i))
      return false;
    lua_pop(c->L, 1);
  }
  return true;
}

/* How many elements "prefixItems" of |schema| describes. */
static size_t prefix_length(struct checker *c, int schema) {
  size_t n = 0;
  lua_pushliteral(c->L, "prefixItems");
  if (lua_rawget(c->L, schema) == LUA_TTABLE)
    schema_is_list(c, -1, &n);
  lua_pop(c->L, 1);
  return n;
}

static bool apply_unique(struct checker *c, int value, size_t n) {
  lua_State *L = c->L;
  int seen, tables, top = lua_gettop(L);
  size_t ntables = 0, members;
  if (!lua_toboolean(L, -1))
    return true;
  lua_newtable(L); /* scalar -> true; 1 and 1.0 are one key, as in JSON */
  seen = lua_gettop(L);
  lua_newtable(L);
  tables = lua_gettop(L);
  for (size_t i = 1; i <= n; i++) {
    json_step(L, &c->steps);
    lua_rawgeti(L, value, (lua_Integer)i);
    if (!schema_types_of(c, -1,
                         &members)) /* among them NaN, which can be no key */
      return schema_fail(c, "element %zu is no JSON value", i);
    if (lua_type(L, -1) != LUA_TTABLE) {
      lua_pushvalue(L, -1);
      if (lua_rawget(L, seen) != LUA_TNIL)
        return schema_fail(c, "element %zu is there twice", i);
      lua_pop(L, 1);
      lua_pushboolean(L, 1);
      lua_rawset(L, seen);
      continue;
    }
    if (ntables == UNIQUE_MAX_TABLES)
      return schema_fatal(c,
                          "uniqueItems compares at most %d arrays and objects",
                          UNIQUE_MAX_TABLES);
    for (size_t j = 1; j <= ntables; j++) {
      lua_rawgeti(L, tables, (lua_Integer)j);
      if (equal(c, lua_gettop(L) - 1, lua_gettop(L), 0))
        return schema_fail(c, "element %zu is there twice", i);
      lua_pop(L, 1);
    }
    lua_rawseti(L, tables, (lua_Integer)++ntables);
  }
  lua_settop(L, top);
  return true;
}

static bool apply_properties(struct checker *c, int value) {
  lua_State *L = c->L;
  lua_pushnil(L);
  while (lua_next(L, -2)) { /* properties, name, schema */
    struct slice name = {0};
    int schema = lua_gettop(L);
    lua_pushvalue(L, -2);
    if (lua_rawget(L, value) != LUA_TNIL) {
      value_slice(L, -3, &name);
      size_t old = path_name(c, name.p, name.len);
      if (!validate(c, schema, schema + 1))
        return false;
      path_leave(c, old);
    }
    lua_pop(L, 2);
  }
  return true;
}

/* The member on top of the stack (name, value) against what the patterns at
 * |patterns| that its name matches say; |*matched|: one does. */
static bool apply_patterns(struct checker *c, int patterns, bool *matched) {
  lua_State *L = c->L;
  int member = lua_gettop(L);
  struct slice name = {0}, pattern = {0};
  value_slice(L, member - 1, &name);
  lua_pushnil(L);
  while (lua_next(L, patterns)) { /* pattern, schema */
    int found;
    value_slice(L, -2, &pattern);
    found = match(c, pattern, name, NULL);
    if (found < 0)
      return false;
    if (found) {
      size_t old = path_name(c, name.p, name.len);
      *matched = true;
      if (!validate(c, lua_gettop(L), member))
        return false;
      path_leave(c, old);
    }
    lua_pop(L, 1);
  }
  return true;
}

/* The patterns on top, against the members of |value|; but where there is
 * "additionalProperties", which asks the same, it does both. */
static bool apply_pattern_properties(struct checker *c, int of, int value) {
  lua_State *L = c->L;
  int patterns = lua_gettop(L);
  bool matched;
  lua_pushstring(L, schema_keyword(KW_ADDITIONAL_PROPERTIES));
  if (lua_rawget(L, of) != LUA_TNIL)
    return true;
  lua_pushnil(L);
  lua_replace(L, patterns + 1);
  while (lua_next(L, value)) {
    json_step(L, &c->steps);
    if (!apply_patterns(c, patterns, &matched))
      return false;
    lua_pop(L, 1);
  }
  return true;
}

/* The schema on top against the members of |value| that neither "properties"
 * nor "patternProperties" of |of| speak of. */
static bool apply_additional(struct checker *c, int of, int value) {
  lua_State *L = c->L;
  int schema = lua_gettop(L), properties = schema + 1, patterns = schema + 2;
  lua_pushstring(L, schema_keyword(KW_PROPERTIES));
  lua_rawget(L, of);
  lua_pushstring(L, schema_keyword(KW_PATTERN_PROPERTIES));
  lua_rawget(L, of);
  lua_pushnil(L);
  while (lua_next(L, value)) { /* schema, properties, patterns, name, value */
    struct slice name = {0};
    bool known = false;
    json_step(L, &c->steps);
    if (lua_istable(L, properties)) {
      lua_pushvalue(L, -2);
      known = lua_rawget(L, properties) != LUA_TNIL;
      lua_pop(L, 1);
    }
    if (lua_istable(L, patterns) && !apply_patterns(c, patterns, &known))
      return false;
    value_slice(L, -2, &name);
    if (!known && lua_isboolean(L, schema) && !lua_toboolean(L, schema))
      return schema_fail(c, "unexpected property '%.*s'",
                         name.len < 64 ? (int)name.len : 64, name.p);
    if (!known) {
      size_t old = path_name(c, name.p, name.len);
      if (!validate(c, schema, lua_gettop(L)))
        return false;
      path_leave(c, old);
    }
    lua_pop(L, 1);
  }
  lua_settop(L, schema);
  return true;
}

static bool apply_names(struct checker *c, int value) {
  lua_State *L = c->L;
  int schema = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, value)) {
    struct slice name = {0};
    size_t old;
    lua_pop(L, 1);
    value_slice(L, -1, &name);
    old = path_name(c, name.p, name.len);
    if (!validate(c, schema, lua_gettop(L)))
      return false;
    path_leave(c, old);
  }
  return true;
}

/* On top: name -> what is asked of |value| if it has that member. */
static bool apply_dependent(struct checker *c, int value, bool names) {
  lua_State *L = c->L;
  lua_pushnil(L);
  while (lua_next(L, -2)) { /* name, list or schema */
    int what = lua_gettop(L);
    lua_pushvalue(L, -2);
    bool there = lua_rawget(L, value) != LUA_TNIL;
    lua_settop(L, what);
    if (there && !(names ? apply_required(c, value) : validate(c, what, value)))
      return false;
    lua_settop(L, what - 1);
  }
  return true;
}

/* The list of schemas on top; how many of them match |value|, of |*ret_n|. */
static size_t matches(struct checker *c, int value, size_t *ret_n) {
  int list = lua_gettop(c->L);
  size_t count = 0, old = c->path_len;
  schema_is_list(c, list, ret_n);
  for (size_t i = 1; i <= *ret_n; i++) {
    lua_rawgeti(c->L, list, (lua_Integer)i);
    count += validate(c, list + 1, value);
    if (c->fatal)
      return 0;
    lua_settop(c->L, list);
    path_leave(c, old);
  }
  return count;
}

static bool apply_all(struct checker *c, int value) {
  size_t n;
  schema_is_list(c, -1, &n);
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(c->L, -1, (lua_Integer)i);
    if (!validate_top(c, value))
      return false;
  }
  return true;
}

static bool apply_not(struct checker *c, int value) {
  int schema = lua_gettop(c->L);
  size_t old = c->path_len;
  bool matched = validate(c, schema, value);
  lua_settop(c->L, schema);
  path_leave(c, old);
  return !c->fatal &&
         (!matched || schema_fail(c, "value matches the schema in 'not'"));
}

/* The schema on top, and then one of its neighbours in |of|. */
static bool apply_if(struct checker *c, int of, int value) {
  lua_State *L = c->L;
  int schema = lua_gettop(L);
  size_t old = c->path_len;
  bool matched = validate(c, schema, value);
  if (c->fatal)
    return false;
  lua_settop(L, schema);
  path_leave(c, old);
  lua_pushstring(L, schema_keyword(matched ? KW_THEN : KW_ELSE));
  return lua_rawget(L, of) == LUA_TNIL || validate(c, schema + 1, value);
}

static bool apply_ref(struct checker *c, int value) {
  struct slice ref = {0};
  value_slice(c->L, -1, &ref);
  return schema_resolve(c, ref) && validate(c, lua_gettop(c->L), value);
}

/* The value of keyword |kw| of |schema|, on top. */
static bool apply(struct checker *c, enum keyword kw, int schema, int value,
                  unsigned have, size_t n) {
  size_t of, count;
  switch (kw) {
  case KW_REF:
    return apply_ref(c, value);
  case KW_TYPE:
    return apply_type(c, have);
  case KW_ENUM:
    return apply_enum(c, value);
  case KW_CONST:
    return equal(c, lua_gettop(c->L), value, 0) ||
           schema_fail(c, "value is not the one in 'const'");
  case KW_MINIMUM:
  case KW_MAXIMUM:
  case KW_EXCLUSIVE_MINIMUM:
  case KW_EXCLUSIVE_MAXIMUM:
    return !(have & TYPE_NUMBER) || apply_bound(c, kw, value);
  case KW_MULTIPLE_OF:
    return !(have & TYPE_NUMBER) || apply_multiple(c, value);
  case KW_PATTERN:
    return !(have & TYPE_STRING) || apply_pattern(c, value);
  case KW_FORMAT:
    return !(have & TYPE_STRING) || apply_format(c, value);
  case KW_MIN_LENGTH:
  case KW_MAX_LENGTH:
    return !(have & TYPE_STRING) ||
           apply_count(c, kw == KW_MIN_LENGTH, code_points(c, value),
                       "characters");
  case KW_MIN_ITEMS:
  case KW_MAX_ITEMS:
    return !(have & TYPE_ARRAY) ||
           apply_count(c, kw == KW_MIN_ITEMS, n, "elements");
  case KW_MIN_PROPERTIES:
  case KW_MAX_PROPERTIES:
    return !(have & TYPE_OBJECT) ||
           apply_count(c, kw == KW_MIN_PROPERTIES, n, "properties");
  case KW_REQUIRED:
    return !(have & TYPE_OBJECT) || apply_required(c, value);
  case KW_DEPENDENT_REQUIRED:
  case KW_DEPENDENT_SCHEMAS:
    return !(have & TYPE_OBJECT) ||
           apply_dependent(c, value, kw == KW_DEPENDENT_REQUIRED);
  case KW_PREFIX_ITEMS:
    return !(have & TYPE_ARRAY) || apply_prefix(c, value, n);
  case KW_ITEMS:
    return !(have & TYPE_ARRAY) ||
           apply_items(c, value, prefix_length(c, schema) + 1, n);
  case KW_CONTAINS:
    return !(have & TYPE_ARRAY) || apply_contains(c, schema, value, n);
  case KW_UNIQUE_ITEMS:
    return !(have & TYPE_ARRAY) || apply_unique(c, value, n);
  case KW_PROPERTIES:
    return !(have & TYPE_OBJECT) || apply_properties(c, value);
  case KW_PROPERTY_NAMES:
    return !(have & TYPE_OBJECT) || apply_names(c, value);
  case KW_PATTERN_PROPERTIES:
    return !(have & TYPE_OBJECT) || apply_pattern_properties(c, schema, value);
  case KW_ADDITIONAL_PROPERTIES:
    return !(have & TYPE_OBJECT) || apply_additional(c, schema, value);
  case KW_ALL_OF:
    return apply_all(c, value);
  case KW_ANY_OF:
    return matches(c, value, &of) > 0 ||
           (!c->fatal &&
            schema_fail(c, "value matches none of the %zu schemas in 'anyOf'",
                        of));
  case KW_ONE_OF:
    count = matches(c, value, &of);
    if (c->fatal)
      return false;
    return count == 1 ||
           schema_fail(c, "value matches %zu of the %zu schemas in 'oneOf'",
                       count, of);
  case KW_NOT:
    return apply_not(c, value);
  case KW_IF:
    return apply_if(c, schema, value);
  case KW_THEN: /* those that do nothing by themselves */
  case KW_ELSE:
  case KW_MIN_CONTAINS:
  case KW_MAX_CONTAINS:
  case KW_DEFS:
  case KW_DEFINITIONS:
  case KW_ANCHOR:
  case KW_ID:
  case KW_COUNT:
    break;
  }
  return true;
}

static bool apply_all_keywords(struct checker *c, int schema, int value) {
  lua_State *L = c->L;
  unsigned have;
  size_t n;
  have = schema_types_of(c, value, &n);
  if (!have)
    return schema_fail(c, "%s is no JSON value",
                       lua_type(L, value) == LUA_TTABLE
                           ? "table with mixed or sparse keys"
                           : luaL_typename(L, value));
  for (int i = 0; i <= KW_LAST; i++) {
    int top = lua_gettop(L);
    lua_pushstring(L, schema_keyword((enum keyword)i));
    if (lua_rawget(L, schema) != LUA_TNIL &&
        !apply(c, (enum keyword)i, schema, value, have, n))
      return false;
    lua_settop(L, top);
  }
  return true;
}

/* Both indexes are absolute; |schema| has passed schema_check.  After false the
 * stack is the caller's to restore. */
static bool validate(struct checker *c, int schema, int value) {
  lua_State *L = c->L;
  bool good;
  json_step(L, &c->steps);
  luaL_checkstack(L, 20, "json.validate");
  if (lua_isboolean(L, schema))
    return lua_toboolean(L, schema) ||
           schema_fail(c, "no value is allowed here");
  if (c->depth == APPLY_MAX_DEPTH)
    return schema_fatal(c,
                        "schemas go deeper than %d levels, or round and "
                        "round",
                        APPLY_MAX_DEPTH);
  c->depth++;
  good = apply_all_keywords(c, schema, value);
  c->depth--;
  return good;
}

/* The library */

static int invalid(lua_State *L, const char *what, const char *why) {
  return fail_false(L, KIND_INVALID, false, "%s%s", what, why);
}

/* Decodes the JSON text at |idx| in place; false: |why| says what is wrong. */
static bool decode_at(lua_State *L, int idx, char *why, size_t cap) {
  struct slice text = {0};
  struct err e = {0};
  int top = lua_gettop(L);
  value_slice(L, idx, &text);
  if (text.len == 0) {
    snprintf(why, cap, "text is empty");
    return false;
  }
  if (!json_decode(L, text, true, &e)) {
    lua_settop(L, top);
    snprintf(why, cap, "line %u, column %u: %s", (unsigned)e.line,
             (unsigned)e.column, e.message);
    return false;
  }
  lua_replace(L, idx);
  return true;
}

/* Argument 1 is the schema, 2 the value. */
static int run(lua_State *L, bool from_text) {
  struct checker c = {.L = L};
  char why[400];
  switch (lua_type(L, 1)) {
  case LUA_TNIL:
    return invalid(L, "schema is required", "");
  case LUA_TSTRING:
    if (!decode_at(L, 1, why, sizeof why))
      return invalid(L, "schema: ", why);
    break;
  case LUA_TTABLE:
  case LUA_TBOOLEAN:
    break;
  default:
    return invalid(L, "schema must be a table or a JSON text", "");
  }
  snprintf(c.path, sizeof c.path, "schema");
  c.path_len = strlen(c.path);
  for (int i = AT_CHECKED; i <= AT_LAST; i++)
    lua_newtable(L);
  if (!schema_check(&c)) {
    lua_settop(L, AT_VALUE);
    return invalid(L, c.message, "");
  }
  lua_settop(L, AT_LAST);
  if (from_text && !decode_at(L, AT_VALUE, why, sizeof why))
    return invalid(L, "data: ", why);
  snprintf(c.path, sizeof c.path, "$");
  c.path_len = 1;
  c.from_text = from_text;
  if (!validate(&c, AT_SCHEMA, AT_VALUE)) {
    lua_settop(L, AT_VALUE);
    return invalid(L, c.message, "");
  }
  lua_pushboolean(L, 1);
  return 1;
}

int json_validate(lua_State *L) {
  lua_settop(L, 2);
  if (!lua_isnil(L, 1) && lua_isnil(L, 2))
    return invalid(L, "data is required", "");
  return run(L, false);
}

int json_validate_string(lua_State *L) {
  lua_settop(L, 2);
  if (!lua_isnil(L, 1) && lua_type(L, 2) != LUA_TSTRING)
    return invalid(L, "data must be a JSON text", "");
  return run(L, true);
}
