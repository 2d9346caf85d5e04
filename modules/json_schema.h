/* json_schema.h - what the two halves of json.validate share: whether a schema
 * is well-formed (json_schema_form.c), and whether a value matches it
 * (json_schema.c). */
#ifndef MODULES_JSON_SCHEMA_H
#define MODULES_JSON_SCHEMA_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "modules/json.h"

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

/* Those that apply to a value, in the order in which they do, and those behind
 * KW_LAST, which do not by themselves. */
enum keyword {
  KW_REF,
  KW_TYPE,
  KW_ENUM,
  KW_CONST,
  KW_MINIMUM,
  KW_MAXIMUM,
  KW_EXCLUSIVE_MINIMUM,
  KW_EXCLUSIVE_MAXIMUM,
  KW_MULTIPLE_OF,
  KW_MIN_LENGTH,
  KW_MAX_LENGTH,
  KW_PATTERN,
  KW_FORMAT,
  KW_MIN_ITEMS,
  KW_MAX_ITEMS,
  KW_MIN_PROPERTIES,
  KW_MAX_PROPERTIES,
  KW_REQUIRED,
  KW_DEPENDENT_REQUIRED,
  KW_PREFIX_ITEMS,
  KW_ITEMS,
  KW_CONTAINS,
  KW_UNIQUE_ITEMS,
  KW_PROPERTY_NAMES,
  KW_PROPERTIES,
  KW_PATTERN_PROPERTIES,
  KW_ADDITIONAL_PROPERTIES,
  KW_DEPENDENT_SCHEMAS,
  KW_ALL_OF,
  KW_ANY_OF,
  KW_ONE_OF,
  KW_NOT,
  KW_IF,
  KW_LAST = KW_IF,
  KW_THEN, /* with "if" */
  KW_ELSE,
  KW_MIN_CONTAINS, /* with "contains" */
  KW_MAX_CONTAINS,
  KW_DEFS, /* a place for what "$ref" refers to */
  KW_DEFINITIONS,
  KW_ANCHOR,
  KW_ID,
  KW_COUNT
};

const char *schema_keyword(enum keyword kw);

/* Where things are on the stack of L. */
enum {
  AT_SCHEMA = 1, /* the outermost schema */
  AT_VALUE,
  AT_CHECKED, /* schema -> true: it is well-formed */
  AT_ANCHORS, /* name -> schema */
  AT_REFS,    /* 1..n: every "$ref" that was seen */
  AT_LAST = AT_REFS
};

struct checker {
  lua_State *L;
  unsigned steps;
  unsigned depth;    /* of schemas within schemas that are being applied */
  size_t nrefs;      /* in AT_REFS */
  bool fatal;        /* not "does not match": that cannot be found out */
  bool from_text;    /* the value was JSON text: "[]" is no object */
  size_t path_len;   /* may run ahead of what fits */
  char path[160];    /* of the value, or of the schema while it is read */
  char message[400]; /* once a function returned false */
};

/* Sets the message, returns false; schema_fatal: whatever "not" says of it. */
bool schema_fail(struct checker *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool schema_fatal(struct checker *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Both return the length to be given to path_leave. */
size_t path_name(struct checker *c, const char *name, size_t len);
size_t path_index(struct checker *c, lua_Integer i);
void path_leave(struct checker *c, size_t old);

/* The types of the value at |idx|, 0 if it is no JSON value; |*ret_count|: the
 * members of a table. */
unsigned schema_types_of(struct checker *c, int idx, size_t *ret_count);
/* The bit of the type whose name is at |idx|, 0 if there is none. */
unsigned schema_type_bit(lua_State *L, int idx);
/* Is the value at |idx| an array (perhaps empty)?  |*ret_n|: its length. */
bool schema_is_list(struct checker *c, int idx, size_t *ret_n);

/* Is the schema at AT_SCHEMA well-formed, and everything it refers to?  Needs
 * the tables above on the stack; after false the stack is the caller's to
 * restore. */
bool schema_check(struct checker *c);

/* Pushes the schema that |ref| means.  False: there is none (fatal). */
bool schema_resolve(struct checker *c, struct slice ref);

#endif
