/* json_schema_form.c - JSON Schema: is a schema well-formed, and what does it
 * refer to? */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "modules/json_format.h"
#include "modules/json_schema.h"
#include "runtime/vm/arg.h"

#define SCHEMA_MAX_DEPTH 64
#define REF_MAX_BYTES 512

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

/* What the value of a keyword must be. */
enum form {
  FORM_TYPE,
  FORM_LIST,
  FORM_ANY,
  FORM_NUMBER,
  FORM_POSITIVE,
  FORM_COUNT,
  FORM_NAMES,
  FORM_NAME_LISTS,
  FORM_SCHEMA,
  FORM_SCHEMAS,
  FORM_MAP,
  FORM_BOOLEAN,
  FORM_TEXT,
  FORM_FORMAT,
  FORM_REF,
  FORM_ANCHOR,
  FORM_ID
};

static const struct {
  const char *name;
  enum form form;
} keywords[KW_COUNT] = {
    [KW_REF] = {"$ref", FORM_REF},
    [KW_TYPE] = {"type", FORM_TYPE},
    [KW_ENUM] = {"enum", FORM_LIST},
    [KW_CONST] = {"const", FORM_ANY},
    [KW_MINIMUM] = {"minimum", FORM_NUMBER},
    [KW_MAXIMUM] = {"maximum", FORM_NUMBER},
    [KW_EXCLUSIVE_MINIMUM] = {"exclusiveMinimum", FORM_NUMBER},
    [KW_EXCLUSIVE_MAXIMUM] = {"exclusiveMaximum", FORM_NUMBER},
    [KW_MULTIPLE_OF] = {"multipleOf", FORM_POSITIVE},
    [KW_MIN_LENGTH] = {"minLength", FORM_COUNT},
    [KW_MAX_LENGTH] = {"maxLength", FORM_COUNT},
    [KW_PATTERN] = {"pattern", FORM_TEXT},
    [KW_FORMAT] = {"format", FORM_FORMAT},
    [KW_MIN_ITEMS] = {"minItems", FORM_COUNT},
    [KW_MAX_ITEMS] = {"maxItems", FORM_COUNT},
    [KW_MIN_PROPERTIES] = {"minProperties", FORM_COUNT},
    [KW_MAX_PROPERTIES] = {"maxProperties", FORM_COUNT},
    [KW_REQUIRED] = {"required", FORM_NAMES},
    [KW_DEPENDENT_REQUIRED] = {"dependentRequired", FORM_NAME_LISTS},
    [KW_PREFIX_ITEMS] = {"prefixItems", FORM_SCHEMAS},
    [KW_ITEMS] = {"items", FORM_SCHEMA},
    [KW_CONTAINS] = {"contains", FORM_SCHEMA},
    [KW_UNIQUE_ITEMS] = {"uniqueItems", FORM_BOOLEAN},
    [KW_PROPERTY_NAMES] = {"propertyNames", FORM_SCHEMA},
    [KW_PROPERTIES] = {"properties", FORM_MAP},
    [KW_PATTERN_PROPERTIES] = {"patternProperties", FORM_MAP},
    [KW_ADDITIONAL_PROPERTIES] = {"additionalProperties", FORM_SCHEMA},
    [KW_DEPENDENT_SCHEMAS] = {"dependentSchemas", FORM_MAP},
    [KW_ALL_OF] = {"allOf", FORM_SCHEMAS},
    [KW_ANY_OF] = {"anyOf", FORM_SCHEMAS},
    [KW_ONE_OF] = {"oneOf", FORM_SCHEMAS},
    [KW_NOT] = {"not", FORM_SCHEMA},
    [KW_IF] = {"if", FORM_SCHEMA},
    [KW_THEN] = {"then", FORM_SCHEMA},
    [KW_ELSE] = {"else", FORM_SCHEMA},
    [KW_MIN_CONTAINS] = {"minContains", FORM_COUNT},
    [KW_MAX_CONTAINS] = {"maxContains", FORM_COUNT},
    [KW_DEFS] = {"$defs", FORM_MAP},
    [KW_DEFINITIONS] = {"definitions", FORM_MAP},
    [KW_ANCHOR] = {"$anchor", FORM_ANCHOR},
    [KW_ID] = {"$id", FORM_ID},
};

static const char *const annotations[] = {"$schema",
                                          "$comment",
                                          "title",
                                          "description",
                                          "default",
                                          "examples",
                                          "deprecated",
                                          "readOnly",
                                          "writeOnly",
                                          "contentEncoding",
                                          "contentMediaType",
                                          "contentSchema",
                                          NULL};

const char *schema_keyword(enum keyword kw) {
  return keywords[kw].name;
}

static void set_message(struct checker *c, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void set_message(struct checker *c, const char *fmt, va_list ap) {
  int n = snprintf(c->message, sizeof c->message, "%s%s: ", c->path,
                   c->path_len >= sizeof c->path ? "..." : "");
  if (n > 0 && (size_t)n < sizeof c->message)
    vsnprintf(c->message + n, sizeof c->message - (size_t)n, fmt, ap);
}

bool schema_fail(struct checker *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  set_message(c, fmt, ap);
  va_end(ap);
  return false;
}

bool schema_fatal(struct checker *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  set_message(c, fmt, ap);
  va_end(ap);
  c->fatal = true;
  return false;
}

size_t path_name(struct checker *c, const char *name, size_t len) {
  size_t old = c->path_len;
  if (old < sizeof c->path)
    snprintf(c->path + old, sizeof c->path - old, ".%.*s",
             len < sizeof c->path ? (int)len : (int)sizeof c->path, name);
  c->path_len += len + 1;
  return old;
}

size_t path_index(struct checker *c, lua_Integer i) {
  char text[32];
  size_t old = c->path_len;
  int n = snprintf(text, sizeof text, "[%lld]", (long long)i);
  if (old < sizeof c->path)
    snprintf(c->path + old, sizeof c->path - old, "%s", text);
  c->path_len += (size_t)n;
  return old;
}

void path_leave(struct checker *c, size_t old) {
  c->path_len = old;
  if (old < sizeof c->path)
    c->path[old] = '\0';
}

unsigned schema_types_of(struct checker *c, int idx, size_t *ret_count) {
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

unsigned schema_type_bit(lua_State *L, int idx) {
  struct slice name;
  if (value_slice(L, idx, &name))
    for (size_t i = 0; i < NTYPES; i++)
      if (slice_is(name, types[i].name))
        return types[i].bit;
  return 0;
}

bool schema_is_list(struct checker *c, int idx, size_t *ret_n) {
  enum json_shape s;
  if (lua_type(c->L, idx) != LUA_TTABLE)
    return false;
  s = json_shape(c->L, idx, ret_n, &c->steps);
  return s == JSON_SHAPE_ARRAY ||
         (s == JSON_SHAPE_EMPTY && !json_is_empty_object(c->L, idx));
}

/* ------------------------------------------------------------------ forms */

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

/* Each member of the object on top of the stack through |check|; |want|
 * names what they are in messages. */
static bool check_members(struct checker *c, int depth, const char *want,
                          bool (*check)(struct checker *c, int depth)) {
  lua_State *L = c->L;
  size_t n;
  if (lua_type(L, -1) != LUA_TTABLE)
    return schema_fail(c, "expected an object of %s", want);
  switch (json_shape(L, -1, &n, &c->steps)) {
  case JSON_SHAPE_EMPTY:
  case JSON_SHAPE_OBJECT:
    break;
  case JSON_SHAPE_ARRAY:
  case JSON_SHAPE_MIXED:
  case JSON_SHAPE_SPARSE:
    return schema_fail(c, "expected an object of %s", want);
  }
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    size_t len;
    const char *name = lua_tolstring(L, -2, &len);
    size_t old = path_name(c, name, len);
    if (!check(c, depth))
      return false;
    lua_pop(L, 1);
    path_leave(c, old);
  }
  return true;
}

static bool check_map(struct checker *c, int depth) {
  return check_members(c, depth + 1, "schemas", check_schema);
}

static bool check_names(struct checker *c, bool of_types) {
  size_t n;
  if (!schema_is_list(c, -1, &n) || (of_types && n == 0))
    return schema_fail(c, of_types ? "expected a type or a list of types"
                                   : "expected a list of names");
  for (size_t i = 1; i <= n; i++) {
    json_step(c->L, &c->steps);
    lua_rawgeti(c->L, -1, (lua_Integer)i);
    if (of_types ? !schema_type_bit(c->L, -1)
                 : lua_type(c->L, -1) != LUA_TSTRING)
      return schema_fail(c, of_types
                                ? "unknown type, expected null, boolean, "
                                  "integer, number, string, array or object"
                                : "expected a list of names");
    lua_pop(c->L, 1);
  }
  return true;
}

static bool check_name_list(struct checker *c, int depth) {
  (void)depth;
  return check_names(c, false);
}

static bool check_name_lists(struct checker *c) {
  return check_members(c, 0, "lists of names", check_name_list);
}

/* References are looked up when the whole schema has been seen. */
static bool check_ref(struct checker *c) {
  struct slice ref;
  if (!value_slice(c->L, -1, &ref))
    return schema_fail(c, "expected a text");
  if (ref.len > REF_MAX_BYTES)
    return schema_fail(c, "longer than %d bytes", REF_MAX_BYTES);
  lua_pushvalue(c->L, -1);
  lua_rawseti(c->L, AT_REFS, (lua_Integer)++c->nrefs);
  return true;
}

/* The name on top; below it are the name of the keyword and the schema. */
static bool check_anchor(struct checker *c) {
  lua_State *L = c->L;
  struct slice name;
  if (!value_slice(L, -1, &name) || name.len == 0)
    return schema_fail(c, "expected a name");
  lua_pushvalue(L, -1);
  if (lua_rawget(L, AT_ANCHORS) != LUA_TNIL && !lua_rawequal(L, -1, -4))
    return schema_fail(c, "is the name of two schemas");
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_pushvalue(L, -4);
  lua_rawset(L, AT_ANCHORS);
  return true;
}

/* The value of a keyword, on top. */
static bool check_form(struct checker *c, enum form form, int depth) {
  lua_State *L = c->L;
  struct slice name;
  lua_Integer count;
  int whole;
  size_t n;
  switch (form) {
  case FORM_ANY:
    return true;
  case FORM_TYPE:
    if (lua_type(L, -1) == LUA_TTABLE)
      return check_names(c, true);
    if (!schema_type_bit(L, -1))
      return schema_fail(
          c, "unknown type, expected null, boolean, integer, number, "
             "string, array or object");
    return true;
  case FORM_LIST:
    return schema_is_list(c, -1, &n) || schema_fail(c, "expected a list");
  case FORM_NUMBER:
    if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(lua_tonumber(L, -1)))
      return schema_fail(c, "expected a number");
    return true;
  case FORM_POSITIVE:
    if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(lua_tonumber(L, -1)) ||
        lua_tonumber(L, -1) <= 0)
      return schema_fail(c, "expected a number above 0");
    return true;
  case FORM_COUNT:
    count = lua_tointegerx(L, -1, &whole);
    if (lua_type(L, -1) != LUA_TNUMBER || !whole || count < 0)
      return schema_fail(c, "expected a whole number, at least 0");
    return true;
  case FORM_NAMES:
    return check_names(c, false);
  case FORM_SCHEMA:
    return check_schema(c, depth + 1);
  case FORM_SCHEMAS:
    if (!schema_is_list(c, -1, &n) || n == 0)
      return schema_fail(c, "expected a list of schemas");
    return check_each(c, n, depth);
  case FORM_MAP:
    return check_map(c, depth);
  case FORM_BOOLEAN:
    return lua_isboolean(L, -1) || schema_fail(c, "expected true or false");
  case FORM_NAME_LISTS:
    return check_name_lists(c);
  case FORM_TEXT:
    return lua_type(L, -1) == LUA_TSTRING || schema_fail(c, "expected a text");
  case FORM_FORMAT:
    if (!value_slice(L, -1, &name))
      return schema_fail(c, "expected a text");
    if (json_format_find(name) == JSON_FORMAT_MISSING)
      return schema_fail(c, "format '%.*s' is not supported", (int)name.len,
                         name.p);
    return true;
  case FORM_REF:
    return check_ref(c);
  case FORM_ANCHOR:
    return check_anchor(c);
  case FORM_ID:
    if (lua_type(L, -1) != LUA_TSTRING)
      return schema_fail(c, "expected a text");
    return depth == 0 ||
           schema_fail(c, "is not supported below the outermost schema");
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
    return schema_fail(c, "expected a schema, got %s", luaL_typename(L, -1));
  lua_pushvalue(L, -1);
  if (lua_rawget(L, AT_CHECKED) != LUA_TNIL) {
    lua_pop(L, 1);
    return true;
  }
  lua_pop(L, 1);
  if (depth >= SCHEMA_MAX_DEPTH)
    return schema_fail(c, "schema is nested deeper than %d levels",
                       SCHEMA_MAX_DEPTH);
  switch (json_shape(L, -1, &n, &c->steps)) {
  case JSON_SHAPE_EMPTY:
    return true;
  case JSON_SHAPE_OBJECT:
    break;
  case JSON_SHAPE_ARRAY:
  case JSON_SHAPE_MIXED:
  case JSON_SHAPE_SPARSE:
    return schema_fail(c, "expected a schema, got a list");
  }
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    struct slice name;
    size_t i = 0, a = 0;
    name.p = lua_tolstring(L, -2, &name.len);
    while (i < KW_COUNT && !slice_is(name, keywords[i].name))
      i++;
    if (i < KW_COUNT) {
      size_t old = path_name(c, name.p, name.len);
      if (!check_form(c, keywords[i].form, depth))
        return false;
      path_leave(c, old);
    } else {
      while (annotations[a] && !slice_is(name, annotations[a]))
        a++;
      if (!annotations[a])
        return schema_fail(c, "keyword '%.*s' is not supported",
                           name.len < 64 ? (int)name.len : 64, name.p);
    }
    lua_pop(L, 1);
  }
  lua_pushvalue(L, -1);
  lua_pushboolean(L, 1);
  lua_rawset(L, AT_CHECKED);
  return true;
}

/* ------------------------------------------------------------- references */

/* One step of a JSON Pointer, |token| decoded, from the value on top, which it
 * replaces. */
static bool step_into(struct checker *c, struct slice token) {
  lua_State *L = c->L;
  lua_Integer index = 0;
  size_t n;
  if (lua_type(L, -1) != LUA_TTABLE)
    return false;
  if (schema_is_list(c, -1, &n)) {
    for (size_t i = 0; i < token.len; i++) {
      if (!ascii_digit(token.p[i]) || i > 9 || (i > 0 && token.p[0] == '0'))
        return false;
      index = index * 10 + (token.p[i] - '0');
    }
    if (token.len == 0)
      return false;
    lua_rawgeti(L, -1, index + 1); /* pointers count from 0 */
  } else {
    lua_pushlstring(L, token.p, token.len);
    lua_rawget(L, -2);
  }
  lua_remove(L, -2);
  return !lua_isnil(L, -1);
}

/* Goes from the schema on top along |pointer|, of which percent escapes (it is
 * part of a URI) and then ~0 and ~1 (RFC 6901) are decoded. */
static bool walk(struct checker *c, struct slice pointer) {
  char token[REF_MAX_BYTES];
  size_t i = 0, n;
  while (i < pointer.len) {
    bool tilde = false;
    if (pointer.p[i++] != '/')
      return false;
    for (n = 0; i < pointer.len && pointer.p[i] != '/';) {
      char ch = pointer.p[i++];
      if (ch == '%') {
        int high = i < pointer.len ? hex_digit(pointer.p[i]) : -1;
        int low = i + 1 < pointer.len ? hex_digit(pointer.p[i + 1]) : -1;
        if (high < 0 || low < 0)
          return false;
        ch = (char)(high * 16 + low);
        i += 2;
      }
      if (tilde && ch != '0' && ch != '1')
        return false;
      if (tilde)
        token[n++] = ch == '0' ? '~' : '/';
      else if (ch != '~')
        token[n++] = ch;
      tilde = !tilde && ch == '~';
    }
    if (tilde || !step_into(c, (struct slice){token, n}))
      return false;
  }
  return true;
}

bool schema_resolve(struct checker *c, struct slice ref) {
  lua_State *L = c->L;
  struct slice id, rest = ref;
  bool found = false;
  lua_pushliteral(L, "$id");
  if (lua_istable(L, AT_SCHEMA) && lua_rawget(L, AT_SCHEMA) == LUA_TSTRING) {
    value_slice(L, -1, &id);
    if (id.len > 0 && id.p[id.len - 1] == '#')
      id.len--;
    if (slice_starts(rest, id)) {
      rest.p += id.len;
      rest.len -= id.len;
    }
  }
  lua_pop(L, 1);
  if (rest.len == 0 && ref.len > 0) { /* the outermost one by its name */
    lua_pushvalue(L, AT_SCHEMA);
    return true;
  }
  if (rest.len == 0 || rest.p[0] != '#')
    return schema_fatal(c,
                        "$ref '%.*s' is not supported, expected one within "
                        "the schema, like '#/$defs/name'",
                        (int)ref.len, ref.p);
  rest.p++;
  rest.len--;
  if (rest.len == 0 || rest.p[0] == '/') {
    lua_pushvalue(L, AT_SCHEMA);
    found = walk(c, rest);
  } else {
    lua_pushlstring(L, rest.p, rest.len);
    found = lua_rawget(L, AT_ANCHORS) != LUA_TNIL;
  }
  return found || schema_fatal(c, "$ref '%.*s': there is no such schema",
                               (int)ref.len, ref.p);
}

bool schema_check(struct checker *c) {
  lua_State *L = c->L;
  size_t root = c->path_len;
  lua_pushvalue(L, AT_SCHEMA);
  if (!check_schema(c, 0))
    return false;
  lua_pop(L, 1);
  /* what is only reached by reference may refer to more */
  for (size_t i = 1; i <= c->nrefs; i++) {
    struct slice ref = {0};
    path_leave(c, root);
    lua_rawgeti(L, AT_REFS, (lua_Integer)i);
    value_slice(L, -1, &ref);
    if (!schema_resolve(c, ref))
      return false;
    path_name(c, ref.p, ref.len);
    if (!check_schema(c, 1))
      return false;
    lua_pop(L, 2);
  }
  return true;
}
