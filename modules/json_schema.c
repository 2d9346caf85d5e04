/* json_schema.c - json.validate: Lua values against a part of JSON Schema.
 *
 * Known: type, enum, const, minimum, maximum, exclusiveMinimum,
 * exclusiveMaximum, minLength, maxLength, minItems, maxItems, uniqueItems,
 * prefixItems, items, minProperties, maxProperties, required, properties,
 * additionalProperties, allOf, anyOf, oneOf, not, and the schemas true and
 * false.  Words that only describe ($schema, $id, $comment, title, description,
 * default, examples, format, deprecated, readOnly, writeOnly) are skipped.  Any
 * other word is refused, wherever it stands: a rule that was not applied must
 * not look as if it had been. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "modules/errors.h"
#include "modules/json.h"
#include "runtime/base/json.h"
#include "runtime/vm/arg.h"

#define SCHEMA_MAX_DEPTH 64
/* uniqueItems compares arrays and objects pair by pair. */
#define UNIQUE_MAX_TABLES 1000

/* What a value may be; an empty table can be both array and object, and every
 * integer is a number too. */
enum {
  TYPE_NULL = 1,
  TYPE_BOOLEAN = 2,
  TYPE_INTEGER = 4,
  TYPE_NUMBER = 8,
  TYPE_STRING = 16,
  TYPE_ARRAY = 32,
  TYPE_OBJECT = 64
};

static const struct {
  const char *name;
  unsigned bit;
} types[] = {
    {"null", TYPE_NULL},       {"boolean", TYPE_BOOLEAN},
    {"integer", TYPE_INTEGER}, {"number", TYPE_NUMBER},
    {"string", TYPE_STRING},   {"array", TYPE_ARRAY},
    {"object", TYPE_OBJECT},
};
#define NTYPES (sizeof types / sizeof *types)

/* In the order in which they are applied. */
enum keyword {
  KW_TYPE,
  KW_ENUM,
  KW_CONST,
  KW_MINIMUM,
  KW_MAXIMUM,
  KW_EXCLUSIVE_MINIMUM,
  KW_EXCLUSIVE_MAXIMUM,
  KW_MIN_LENGTH,
  KW_MAX_LENGTH,
  KW_MIN_ITEMS,
  KW_MAX_ITEMS,
  KW_MIN_PROPERTIES,
  KW_MAX_PROPERTIES,
  KW_REQUIRED,
  KW_PREFIX_ITEMS,
  KW_ITEMS,
  KW_UNIQUE_ITEMS,
  KW_PROPERTIES,
  KW_ADDITIONAL_PROPERTIES,
  KW_ALL_OF,
  KW_ANY_OF,
  KW_ONE_OF,
  KW_NOT
};

/* What the value of a keyword must be. */
enum form {
  FORM_TYPE,
  FORM_LIST,
  FORM_ANY,
  FORM_NUMBER,
  FORM_COUNT,
  FORM_NAMES,
  FORM_SCHEMA,
  FORM_SCHEMAS,
  FORM_MAP,
  FORM_BOOLEAN
};

static const struct {
  const char *name;
  enum form form;
} keywords[] = {
    [KW_TYPE] = {"type", FORM_TYPE},
    [KW_ENUM] = {"enum", FORM_LIST},
    [KW_CONST] = {"const", FORM_ANY},
    [KW_MINIMUM] = {"minimum", FORM_NUMBER},
    [KW_MAXIMUM] = {"maximum", FORM_NUMBER},
    [KW_EXCLUSIVE_MINIMUM] = {"exclusiveMinimum", FORM_NUMBER},
    [KW_EXCLUSIVE_MAXIMUM] = {"exclusiveMaximum", FORM_NUMBER},
    [KW_MIN_LENGTH] = {"minLength", FORM_COUNT},
    [KW_MAX_LENGTH] = {"maxLength", FORM_COUNT},
    [KW_MIN_ITEMS] = {"minItems", FORM_COUNT},
    [KW_MAX_ITEMS] = {"maxItems", FORM_COUNT},
    [KW_MIN_PROPERTIES] = {"minProperties", FORM_COUNT},
    [KW_MAX_PROPERTIES] = {"maxProperties", FORM_COUNT},
    [KW_REQUIRED] = {"required", FORM_NAMES},
    [KW_PREFIX_ITEMS] = {"prefixItems", FORM_SCHEMAS},
    [KW_ITEMS] = {"items", FORM_SCHEMA},
    [KW_UNIQUE_ITEMS] = {"uniqueItems", FORM_BOOLEAN},
    [KW_PROPERTIES] = {"properties", FORM_MAP},
    [KW_ADDITIONAL_PROPERTIES] = {"additionalProperties", FORM_SCHEMA},
    [KW_ALL_OF] = {"allOf", FORM_SCHEMAS},
    [KW_ANY_OF] = {"anyOf", FORM_SCHEMAS},
    [KW_ONE_OF] = {"oneOf", FORM_SCHEMAS},
    [KW_NOT] = {"not", FORM_SCHEMA},
};
#define NKEYWORDS (sizeof keywords / sizeof *keywords)

static const char *const annotations[] = {
    "$schema",  "$id",    "$comment",   "title",    "description", "default",
    "examples", "format", "deprecated", "readOnly", "writeOnly",   NULL};

struct checker {
  lua_State *L;
  unsigned steps;
  bool from_text;    /* the value was JSON text: "[]" is no object */
  size_t path_len;   /* may run ahead of what fits */
  char path[160];    /* of the value, or of the schema while it is read */
  char message[400]; /* once a function returned false */
};

static bool fail(struct checker *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct checker *c, const char *fmt, ...) {
  int n = snprintf(c->message, sizeof c->message, "%s%s: ", c->path,
                   c->path_len >= sizeof c->path ? "..." : "");
  va_list ap;
  va_start(ap, fmt);
  if (n > 0 && (size_t)n < sizeof c->message)
    vsnprintf(c->message + n, sizeof c->message - (size_t)n, fmt, ap);
  va_end(ap);
  return false;
}

/* Both return the length to be given to path_leave. */
static size_t path_name(struct checker *c, const char *name, size_t len) {
  size_t old = c->path_len;
  if (old < sizeof c->path)
    snprintf(c->path + old, sizeof c->path - old, ".%.*s",
             len < sizeof c->path ? (int)len : (int)sizeof c->path, name);
  c->path_len += len + 1;
  return old;
}

static size_t path_index(struct checker *c, lua_Integer i) {
  char text[32];
  size_t old = c->path_len;
  int n = snprintf(text, sizeof text, "[%lld]", (long long)i);
  if (old < sizeof c->path)
    snprintf(c->path + old, sizeof c->path - old, "%s", text);
  c->path_len += (size_t)n;
  return old;
}

static void path_leave(struct checker *c, size_t old) {
  c->path_len = old;
  if (old < sizeof c->path)
    c->path[old] = '\0';
}

/* The types of the value at |idx|, 0 if it is no JSON value; |*ret_count|: the
 * members of a table. */
static unsigned types_of(struct checker *c, int idx, size_t *ret_count) {
  lua_State *L = c->L;
  *ret_count = 0;
  switch (lua_type(L, idx)) {
  case LUA_TNIL:
    return TYPE_NULL;
  case LUA_TBOOLEAN:
    return TYPE_BOOLEAN;
  case LUA_TSTRING:
    return TYPE_STRING;
  case LUA_TNUMBER:
    if (lua_isinteger(L, idx))
      return TYPE_INTEGER | TYPE_NUMBER;
    if (!isfinite(lua_tonumber(L, idx)))
      return 0;
    return floor(lua_tonumber(L, idx)) == lua_tonumber(L, idx)
               ? TYPE_INTEGER | TYPE_NUMBER
               : TYPE_NUMBER;
  case LUA_TUSERDATA:
    return json_is_null(L, idx) ? TYPE_NULL : 0;
  case LUA_TTABLE:
    switch (json_shape(L, idx, ret_count, &c->steps)) {
    case JSON_SHAPE_EMPTY:
      if (json_is_empty_object(L, idx))
        return TYPE_OBJECT;
      return c->from_text ? TYPE_ARRAY : TYPE_ARRAY | TYPE_OBJECT;
    case JSON_SHAPE_ARRAY:
      return TYPE_ARRAY;
    case JSON_SHAPE_OBJECT:
      return TYPE_OBJECT;
    case JSON_SHAPE_MIXED:
    case JSON_SHAPE_SPARSE:
      return 0;
    }
  }
  return 0;
}

/* The narrowest name that fits. */
static const char *type_name(unsigned bits) {
  for (size_t i = 0; i < NTYPES; i++)
    if (bits & types[i].bit)
      return types[i].name;
  return "something that JSON has no type for";
}

static unsigned type_bit(lua_State *L, int idx) {
  struct slice name;
  if (value_slice(L, idx, &name))
    for (size_t i = 0; i < NTYPES; i++)
      if (slice_is(name, types[i].name))
        return types[i].bit;
  return 0;
}

/* Is the value at |idx| an array (perhaps empty)?  |*ret_n|: its length. */
static bool is_list(struct checker *c, int idx, size_t *ret_n) {
  enum json_shape s;
  if (lua_type(c->L, idx) != LUA_TTABLE)
    return false;
  s = json_shape(c->L, idx, ret_n, &c->steps);
  return s == JSON_SHAPE_ARRAY ||
         (s == JSON_SHAPE_EMPTY && !json_is_empty_object(c->L, idx));
}

/* Is the schema well-formed? */

static bool check_schema(struct checker *c, int depth);

static bool check_each(struct checker *c, size_t n, int depth) {
  for (size_t i = 1; i <= n; i++) {
    size_t old = path_index(c, (lua_Integer)i);
    lua_rawgeti(c->L, -1, (lua_Integer)i);
    if (!check_schema(c, depth + 1))
      return false;
    lua_pop(c->L, 1);
    path_leave(c, old);
  }
  return true;
}

static bool check_map(struct checker *c, int depth) {
  lua_State *L = c->L;
  size_t n;
  if (lua_type(L, -1) != LUA_TTABLE)
    return fail(c, "expected an object of schemas");
  switch (json_shape(L, -1, &n, &c->steps)) {
  case JSON_SHAPE_EMPTY:
  case JSON_SHAPE_OBJECT:
    break;
  case JSON_SHAPE_ARRAY:
  case JSON_SHAPE_MIXED:
  case JSON_SHAPE_SPARSE:
    return fail(c, "expected an object of schemas");
  }
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    size_t len;
    const char *name = lua_tolstring(L, -2, &len);
    size_t old = path_name(c, name, len);
    if (!check_schema(c, depth + 1))
      return false;
    lua_pop(L, 1);
    path_leave(c, old);
  }
  return true;
}

static bool check_names(struct checker *c, bool of_types) {
  size_t n;
  if (!is_list(c, -1, &n) || (of_types && n == 0))
    return fail(c, of_types ? "expected a type or a list of types"
                            : "expected a list of names");
  for (size_t i = 1; i <= n; i++) {
    json_step(c->L, &c->steps);
    lua_rawgeti(c->L, -1, (lua_Integer)i);
    if (of_types ? !type_bit(c->L, -1) : lua_type(c->L, -1) != LUA_TSTRING)
      return fail(c, of_types ? "unknown type, expected null, boolean, "
                                "integer, number, string, array or object"
                              : "expected a list of names");
    lua_pop(c->L, 1);
  }
  return true;
}

/* The value of a keyword, on top. */
static bool check_form(struct checker *c, enum form form, int depth) {
  lua_State *L = c->L;
  lua_Integer count;
  int whole;
  size_t n;
  switch (form) {
  case FORM_ANY:
    return true;
  case FORM_TYPE:
    if (lua_type(L, -1) == LUA_TTABLE)
      return check_names(c, true);
    if (!type_bit(L, -1))
      return fail(c, "unknown type, expected null, boolean, integer, number, "
                     "string, array or object");
    return true;
  case FORM_LIST:
    return is_list(c, -1, &n) || fail(c, "expected a list");
  case FORM_NUMBER:
    if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(lua_tonumber(L, -1)))
      return fail(c, "expected a number");
    return true;
  case FORM_COUNT:
    count = lua_tointegerx(L, -1, &whole);
    if (lua_type(L, -1) != LUA_TNUMBER || !whole || count < 0)
      return fail(c, "expected a whole number, at least 0");
    return true;
  case FORM_NAMES:
    return check_names(c, false);
  case FORM_SCHEMA:
    return check_schema(c, depth + 1);
  case FORM_SCHEMAS:
    if (!is_list(c, -1, &n) || n == 0)
      return fail(c, "expected a list of schemas");
    return check_each(c, n, depth);
  case FORM_MAP:
    return check_map(c, depth);
  case FORM_BOOLEAN:
    return lua_isboolean(L, -1) || fail(c, "expected true or false");
  }
  return false;
}

/* The schema on top; after false the stack is the caller's to restore. */
static bool check_schema(struct checker *c, int depth) {
  lua_State *L = c->L;
  size_t n;
  json_step(L, &c->steps);
  luaL_checkstack(L, 10, "json.validate");
  if (lua_isboolean(L, -1))
    return true;
  if (lua_type(L, -1) != LUA_TTABLE)
    return fail(c, "expected a schema, got %s", luaL_typename(L, -1));
  if (depth > SCHEMA_MAX_DEPTH)
    return fail(c, "schema is nested deeper than %d levels", SCHEMA_MAX_DEPTH);
  switch (json_shape(L, -1, &n, &c->steps)) {
  case JSON_SHAPE_EMPTY:
    return true;
  case JSON_SHAPE_OBJECT:
    break;
  case JSON_SHAPE_ARRAY:
  case JSON_SHAPE_MIXED:
  case JSON_SHAPE_SPARSE:
    return fail(c, "expected a schema, got a list");
  }
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    struct slice name;
    size_t i = 0, a = 0;
    name.p = lua_tolstring(L, -2, &name.len);
    while (i < NKEYWORDS && !slice_is(name, keywords[i].name))
      i++;
    if (i < NKEYWORDS) {
      size_t old = path_name(c, name.p, name.len);
      if (!check_form(c, keywords[i].form, depth))
        return false;
      path_leave(c, old);
    } else {
      while (annotations[a] && !slice_is(name, annotations[a]))
        a++;
      if (!annotations[a])
        return fail(c, "keyword '%.*s' is not supported",
                    name.len < 64 ? (int)name.len : 64, name.p);
    }
    lua_pop(L, 1);
  }
  return true;
}

/* Does the value match? */

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
    return types_of(c, a, &na) == TYPE_NULL && types_of(c, b, &nb) == TYPE_NULL;
  }
  if (lua_rawequal(L, a, b))
    return true;
  ta = types_of(c, a, &na);
  tb = types_of(c, b, &nb);
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
  unsigned want = type_bit(L, -1);
  if (!want && is_list(c, -1, &n)) {
    for (size_t i = 1; i <= n; i++) {
      lua_rawgeti(L, -1, (lua_Integer)i);
      want |= type_bit(L, -1);
      lua_pop(L, 1);
    }
  }
  if (have & want)
    return true;
  char list[96] = "";
  size_t len = 0;
  for (size_t i = 0; i < NTYPES; i++)
    if (want & types[i].bit)
      len += (size_t)snprintf(list + len, sizeof list - len, "%s%s",
                              len ? " or " : "", types[i].name);
  return fail(c, "expected %s, got %s", list, type_name(have));
}

static bool apply_enum(struct checker *c, int value) {
  int list = lua_gettop(c->L);
  size_t n;
  is_list(c, list, &n);
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(c->L, list, (lua_Integer)i);
    bool same = equal(c, list + 1, value, 0);
    lua_pop(c->L, 1);
    if (same)
      return true;
  }
  return fail(c, "value is none of the %zu in 'enum'", n);
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
  return fail(c, "number must be %s %s", must, text);
}

/* The bound on top against |n| |units|. */
static bool apply_count(struct checker *c, bool minimum, size_t n,
                        const char *units) {
  /* a count beyond what a lua_Integer holds was refused by check_form */
  lua_Integer bound = lua_tointeger(c->L, -1);
  if (minimum ? n >= (lua_Unsigned)bound : n <= (lua_Unsigned)bound)
    return true;
  return fail(c, "expected at %s %lld %s, got %zu", minimum ? "least" : "most",
              (long long)bound, units, n);
}

static bool apply_required(struct checker *c, int value) {
  lua_State *L = c->L;
  int names = lua_gettop(L);
  size_t n;
  is_list(c, names, &n);
  for (size_t i = 1; i <= n; i++) {
    struct slice name = {0};
    json_step(L, &c->steps);
    lua_rawgeti(L, names, (lua_Integer)i);
    value_slice(L, -1, &name);
    lua_pushvalue(L, -1);
    lua_rawget(L, value);
    if (lua_isnil(L, -1))
      return fail(c, "missing property '%.*s'",
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

static bool apply_prefix(struct checker *c, int value, size_t n) {
  int list = lua_gettop(c->L);
  size_t nschemas;
  is_list(c, list, &nschemas);
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
    is_list(c, -1, &n);
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
    if (!types_of(c, -1, &members)) /* among them NaN, which can be no key */
      return fail(c, "element %zu is no JSON value", i);
    if (lua_type(L, -1) != LUA_TTABLE) {
      lua_pushvalue(L, -1);
      if (lua_rawget(L, seen) != LUA_TNIL)
        return fail(c, "element %zu is there twice", i);
      lua_pop(L, 1);
      lua_pushboolean(L, 1);
      lua_rawset(L, seen);
      continue;
    }
    if (ntables == UNIQUE_MAX_TABLES)
      return fail(c, "uniqueItems compares at most %d arrays and objects",
                  UNIQUE_MAX_TABLES);
    for (size_t j = 1; j <= ntables; j++) {
      lua_rawgeti(L, tables, (lua_Integer)j);
      if (equal(c, lua_gettop(L) - 1, lua_gettop(L), 0))
        return fail(c, "element %zu is there twice", i);
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

/* The schema on top against the members of |value| that "properties" of |of|
 * does not name. */
static bool apply_additional(struct checker *c, int of, int value) {
  lua_State *L = c->L;
  int schema = lua_gettop(L), properties = schema + 1;
  lua_pushliteral(L, "properties");
  lua_rawget(L, of);
  lua_pushnil(L);
  while (lua_next(L, value)) { /* schema, properties, name, value */
    struct slice name = {0};
    bool known = false;
    json_step(L, &c->steps);
    if (lua_istable(L, properties)) {
      lua_pushvalue(L, -2);
      known = lua_rawget(L, properties) != LUA_TNIL;
      lua_pop(L, 1);
    }
    value_slice(L, -2, &name);
    if (!known && lua_isboolean(L, schema) && !lua_toboolean(L, schema))
      return fail(c, "unexpected property '%.*s'",
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

/* The list of schemas on top; how many of them match |value|, of |*ret_n|. */
static size_t matches(struct checker *c, int value, size_t *ret_n) {
  int list = lua_gettop(c->L);
  size_t count = 0, old = c->path_len;
  is_list(c, list, ret_n);
  for (size_t i = 1; i <= *ret_n; i++) {
    lua_rawgeti(c->L, list, (lua_Integer)i);
    count += validate(c, list + 1, value);
    lua_settop(c->L, list);
    path_leave(c, old);
  }
  return count;
}

static bool apply_all(struct checker *c, int value) {
  size_t n;
  is_list(c, -1, &n);
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
  return !matched || fail(c, "value matches the schema in 'not'");
}

/* The value of keyword |kw| of |schema|, on top. */
static bool apply(struct checker *c, enum keyword kw, int schema, int value,
                  unsigned have, size_t n) {
  size_t of, count;
  switch (kw) {
  case KW_TYPE:
    return apply_type(c, have);
  case KW_ENUM:
    return apply_enum(c, value);
  case KW_CONST:
    return equal(c, lua_gettop(c->L), value, 0) ||
           fail(c, "value is not the one in 'const'");
  case KW_MINIMUM:
  case KW_MAXIMUM:
  case KW_EXCLUSIVE_MINIMUM:
  case KW_EXCLUSIVE_MAXIMUM:
    return !(have & TYPE_NUMBER) || apply_bound(c, kw, value);
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
  case KW_PREFIX_ITEMS:
    return !(have & TYPE_ARRAY) || apply_prefix(c, value, n);
  case KW_ITEMS:
    return !(have & TYPE_ARRAY) ||
           apply_items(c, value, prefix_length(c, schema) + 1, n);
  case KW_UNIQUE_ITEMS:
    return !(have & TYPE_ARRAY) || apply_unique(c, value, n);
  case KW_PROPERTIES:
    return !(have & TYPE_OBJECT) || apply_properties(c, value);
  case KW_ADDITIONAL_PROPERTIES:
    return !(have & TYPE_OBJECT) || apply_additional(c, schema, value);
  case KW_ALL_OF:
    return apply_all(c, value);
  case KW_ANY_OF:
    return matches(c, value, &of) > 0 ||
           fail(c, "value matches none of the %zu schemas in 'anyOf'", of);
  case KW_ONE_OF:
    count = matches(c, value, &of);
    return count == 1 ||
           fail(c, "value matches %zu of the %zu schemas in 'oneOf'", count,
                of);
  case KW_NOT:
    return apply_not(c, value);
  }
  return false;
}

/* Both indexes are absolute; |schema| has passed check_schema, which also
 * bounds the recursion.  After false the stack is the caller's to restore. */
static bool validate(struct checker *c, int schema, int value) {
  lua_State *L = c->L;
  unsigned have;
  size_t n;
  json_step(L, &c->steps);
  luaL_checkstack(L, 16, "json.validate");
  if (lua_isboolean(L, schema))
    return lua_toboolean(L, schema) || fail(c, "no value is allowed here");
  have = types_of(c, value, &n);
  if (!have)
    return fail(c, "%s is no JSON value",
                lua_type(L, value) == LUA_TTABLE
                    ? "table with mixed or sparse keys"
                    : luaL_typename(L, value));
  for (size_t i = 0; i < NKEYWORDS; i++) {
    lua_pushstring(L, keywords[i].name);
    if (lua_rawget(L, schema) != LUA_TNIL &&
        !apply(c, (enum keyword)i, schema, value, have, n))
      return false;
    lua_pop(L, 1);
  }
  return true;
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
  lua_pushvalue(L, 1);
  if (!check_schema(&c, 1)) {
    lua_settop(L, 2);
    return invalid(L, c.message, "");
  }
  lua_settop(L, 2);
  if (from_text && !decode_at(L, 2, why, sizeof why))
    return invalid(L, "data: ", why);
  snprintf(c.path, sizeof c.path, "$");
  c.path_len = 1;
  c.from_text = from_text;
  if (!validate(&c, 1, 2)) {
    lua_settop(L, 2);
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
