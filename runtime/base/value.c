/* value.c - trees of plain data: lookup, copy, equality, JSON text. */
#include "runtime/base/value.h"

#include <math.h>

#include "runtime/base/err.h"
#include "runtime/base/json.h"

const char *value_type_name(enum value_type t) {
  switch (t) {
  case VALUE_NULL:
    return "null";
  case VALUE_BOOL:
    return "boolean";
  case VALUE_INT:
  case VALUE_FLOAT:
    return "number";
  case VALUE_STRING:
    return "string";
  case VALUE_LIST:
    return "list";
  case VALUE_MAP:
    return "map";
  }
  return "null";
}

const struct value *value_get(const struct value *v, struct slice key) {
  if (!v || v->type != VALUE_MAP)
    return NULL;
  for (size_t i = 0; i < v->as.map.len; i++)
    if (slice_eq(v->as.map.members[i].key, key))
      return &v->as.map.members[i].value;
  return NULL;
}

static int copy_slice(struct slice *ret, struct slice s, struct arena *a) {
  char *p = arena_strndup(a, s.len ? s.p : "", s.len);

  if (!p)
    return ERR_NOMEM;
  *ret = (struct slice){p, s.len};
  return 0;
}

struct extent {
  size_t values;
  size_t bytes;
};

static bool extend(struct extent *x, size_t values, size_t bytes) {
  if (values > VALUE_CROSS_VALUES - x->values ||
      bytes > VALUE_CROSS_BYTES - x->bytes)
    return false;
  x->values += values;
  x->bytes += bytes;
  return true;
}

/* |v| itself is counted already. */
static bool measure(const struct value *v, size_t depth, struct extent *x) {
  switch (v->type) {
  case VALUE_NULL:
  case VALUE_BOOL:
  case VALUE_INT:
  case VALUE_FLOAT:
    return true;
  case VALUE_STRING:
    return extend(x, 0, v->as.string.len);
  case VALUE_LIST:
    if (depth == VALUE_CROSS_DEPTH || !extend(x, v->as.list.len, 0))
      return false;
    for (size_t i = 0; i < v->as.list.len; i++)
      if (!measure(&v->as.list.items[i], depth + 1, x))
        return false;
    return true;
  case VALUE_MAP:
    if (depth == VALUE_CROSS_DEPTH || !extend(x, v->as.map.len, 0))
      return false;
    for (size_t i = 0; i < v->as.map.len; i++)
      if (!extend(x, 0, v->as.map.members[i].key.len) ||
          !measure(&v->as.map.members[i].value, depth + 1, x))
        return false;
    return true;
  }
  return false;
}

bool value_may_cross(const struct value *v, size_t *ret_cost) {
  struct extent x = {1, 0};
  if (!measure(v, 0, &x))
    return false;
  *ret_cost = x.values * sizeof(struct value_member) + x.bytes;
  return true;
}

bool value_is_sorted(const struct value *v) {
  if (v->type == VALUE_LIST)
    for (size_t i = 0; i < v->as.list.len; i++)
      if (!value_is_sorted(&v->as.list.items[i]))
        return false;
  if (v->type == VALUE_MAP)
    for (size_t i = 0; i < v->as.map.len; i++)
      if (!value_is_sorted(&v->as.map.members[i].value) ||
          (i > 0 && slice_cmp(v->as.map.members[i - 1].key,
                              v->as.map.members[i].key) >= 0))
        return false;
  return true;
}

int value_copy(struct value *ret, const struct value *v, struct arena *a) {
  struct value out = *v;
  int rv = 0;

  switch (v->type) {
  case VALUE_NULL:
  case VALUE_BOOL:
  case VALUE_INT:
  case VALUE_FLOAT:
    break;
  case VALUE_STRING:
    rv = copy_slice(&out.as.string, v->as.string, a);
    break;
  case VALUE_LIST:
    out.as.list.items = arena_array(a, v->as.list.len, sizeof(struct value));
    if (!out.as.list.items)
      return ERR_NOMEM;
    for (size_t i = 0; rv == 0 && i < v->as.list.len; i++)
      rv = value_copy(&out.as.list.items[i], &v->as.list.items[i], a);
    break;
  case VALUE_MAP:
    out.as.map.members =
        arena_array(a, v->as.map.len, sizeof(struct value_member));
    if (!out.as.map.members)
      return ERR_NOMEM;
    for (size_t i = 0; rv == 0 && i < v->as.map.len; i++) {
      const struct value_member *from = &v->as.map.members[i];
      struct value_member *to = &out.as.map.members[i];
      if ((rv = copy_slice(&to->key, from->key, a)) == 0)
        rv = value_copy(&to->value, &from->value, a);
    }
    break;
  }
  if (rv == 0)
    *ret = out;
  return rv;
}

/* Exact: the double is converted, never the integer, for above 2^53 the
 * conversion of the integer would round. */
static bool int_equals_float(int64_t i, double d) {
  return d >= -0x1p63 && d < 0x1p63 && (double)(int64_t)d == d &&
         (int64_t)d == i;
}

static bool map_equal(const struct value *a, const struct value *b) {
  if (a->as.map.len != b->as.map.len)
    return false;
  for (size_t i = 0; i < a->as.map.len; i++) {
    const struct value_member *m = &a->as.map.members[i];
    const struct value *other;
    /* the same place first: most maps that are equal have the same order */
    if (slice_eq(b->as.map.members[i].key, m->key))
      other = &b->as.map.members[i].value;
    else
      other = value_get(b, m->key);
    if (!other || !value_equal(&m->value, other))
      return false;
  }
  return true; /* keys are unique, so as many found means all found */
}

bool value_equal(const struct value *a, const struct value *b) {
  if (a->type == VALUE_INT && b->type == VALUE_FLOAT)
    return int_equals_float(a->as.integer, b->as.number);
  if (a->type == VALUE_FLOAT && b->type == VALUE_INT)
    return int_equals_float(b->as.integer, a->as.number);
  if (a->type != b->type)
    return false;
  switch (a->type) {
  case VALUE_NULL:
    return true;
  case VALUE_BOOL:
    return a->as.boolean == b->as.boolean;
  case VALUE_INT:
    return a->as.integer == b->as.integer;
  case VALUE_FLOAT:
    return a->as.number >= b->as.number && a->as.number <= b->as.number;
  case VALUE_STRING:
    return slice_eq(a->as.string, b->as.string);
  case VALUE_LIST:
    if (a->as.list.len != b->as.list.len)
      return false;
    for (size_t i = 0; i < a->as.list.len; i++)
      if (!value_equal(&a->as.list.items[i], &b->as.list.items[i]))
        return false;
    return true;
  case VALUE_MAP:
    return map_equal(a, b);
  }
  return false;
}

static int write_list(const struct value *v, struct buf *out) {
  int rv = buf_addc(out, '[');

  for (size_t i = 0; rv == 0 && i < v->as.list.len; i++) {
    if (i && (rv = buf_addc(out, ',')) != 0)
      break;
    rv = value_write_json(&v->as.list.items[i], out);
  }
  return rv == 0 ? buf_addc(out, ']') : rv;
}

static int write_map(const struct value *v, struct buf *out) {
  int rv = buf_addc(out, '{');

  for (size_t i = 0; rv == 0 && i < v->as.map.len; i++) {
    const struct value_member *m = &v->as.map.members[i];
    if ((i && (rv = buf_addc(out, ',')) != 0) ||
        (rv = json_write_string(out, m->key)) != 0 ||
        (rv = buf_addc(out, ':')) != 0)
      break;
    rv = value_write_json(&m->value, out);
  }
  return rv == 0 ? buf_addc(out, '}') : rv;
}

int value_write_json(const struct value *v, struct buf *out) {
  char number[32];

  switch (v->type) {
  case VALUE_NULL:
    return buf_adds(out, "null");
  case VALUE_BOOL:
    return buf_adds(out, v->as.boolean ? "true" : "false");
  case VALUE_INT:
    return buf_addf(out, "%lld", (long long)v->as.integer);
  case VALUE_FLOAT:
    return buf_add(out, number,
                   json_format_double(number, sizeof number, v->as.number));
  case VALUE_STRING:
    return json_write_string(out, v->as.string);
  case VALUE_LIST:
    return write_list(v, out);
  case VALUE_MAP:
    return write_map(v, out);
  }
  return ERR_INVALID;
}
