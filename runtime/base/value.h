/* value.h - null, boolean, number, string, list, map: what actors and resources
 * carry.  A tree of plain data in an arena; immutable once built. */
#ifndef RUNTIME_BASE_VALUE_H
#define RUNTIME_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

enum value_type {
  VALUE_NULL,
  VALUE_BOOL,
  VALUE_INT,
  VALUE_FLOAT,
  VALUE_STRING,
  VALUE_LIST,
  VALUE_MAP
};

/* Whoever builds one keeps it at most VALUE_MAX_DEPTH levels deep: the
 * functions below recurse. */
#define VALUE_MAX_DEPTH 128

/* What may cross between a script and its host in one piece. */
#define VALUE_CROSS_DEPTH 100
#define VALUE_CROSS_VALUES 65536u
#define VALUE_CROSS_BYTES (4u << 20) /* of strings, those of keys too */

struct value {
  enum value_type type;
  union {
    bool boolean;
    int64_t integer;
    double number;
    struct slice string;
    struct {
      struct value *items;
      size_t len;
    } list;
    struct {
      struct value_member *members; /* in the order of the text, keys unique */
      size_t len;
    } map;
  } as;
};

struct value_member {
  struct slice key;
  struct value value;
};

/* "null", "boolean", "number", "string", "list", "map" */
const char *value_type_name(enum value_type t);

/* The member |key| of a map, else NULL. */
const struct value *value_get(const struct value *v, struct slice key);

/* Deep copy into |a|.  0 or ERR_NOMEM */
int value_copy(struct value *ret, const struct value *v, struct arena *a);

/* May |v| cross?  |*ret_cost| is about what it takes in memory. */
bool value_may_cross(const struct value *v, size_t *ret_cost);
/* Do the keys of each map in |v| stand in their order, none of them twice? */
bool value_is_sorted(const struct value *v);

/* Numbers by value (an int never equals a float it cannot represent), strings
 * by bytes, lists in order, maps by keys.  No conversion between types. */
bool value_equal(const struct value *a, const struct value *b);

/* Appends compact JSON; keys in their own order.  0, ERR_FULL, ERR_NOMEM */
int value_write_json(const struct value *v, struct buf *out);

#endif
