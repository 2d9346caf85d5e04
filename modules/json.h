/* json.h - JSON between texts and Lua values: what its parts share. */
#ifndef MODULES_JSON_H
#define MODULES_JSON_H

#include <lua.h>
#include <stdbool.h>

#include "runtime/base/err.h"
#include "runtime/base/str.h"

/* What a table is for JSON, by raw access. */
enum json_shape {
  JSON_SHAPE_EMPTY,
  JSON_SHAPE_ARRAY,  /* keys 1..n */
  JSON_SHAPE_OBJECT, /* string keys */
  JSON_SHAPE_MIXED,  /* both kinds of keys, or keys of another type */
  JSON_SHAPE_SPARSE  /* integer keys, but not 1..n */
};

/* The shape of the table at |idx| and the number of its members. |*steps|
 * counts the work of the whole call, for json_step. */
enum json_shape json_shape(lua_State *L, int idx, size_t *ret_count,
                           unsigned *steps);

/* One step of work on a script's data: calls state_check now and then. */
void json_step(lua_State *L, unsigned *steps);

/* Decodes |text| and pushes its value; |keep_null|: null becomes json.null, not
 * nil.  False: |e| has line, column and message, and the stack holds rubbish
 * above its old top. */
bool json_decode(lua_State *L, struct slice text, bool keep_null,
                 struct err *e);

bool json_is_null(lua_State *L, int idx); /* json.null itself */
/* Was the table at |idx| decoded from "{}"? */
bool json_is_empty_object(lua_State *L, int idx);
/* Remembers that the empty table on top stands for "{}". */
void json_mark_empty_object(lua_State *L);

int json_validate(lua_State *L);        /* json.validate(schema, value) */
int json_validate_string(lua_State *L); /* json.validate_string(schema, text) */

int luaopen_json(lua_State *L);

#endif
