/* api_value.c - plain data: what cordon_value_ functions do. */
#include "policy/tree.h"
#include "runtime/api.h"
#include "runtime/base/json.h"

#define VALUE_MAX_BYTES (256u << 20)

const struct value *api_value(const cordon_value *v) {
  return (const struct value *)(const void *)v;
}

const cordon_value *api_public_value(const struct value *v) {
  return (const cordon_value *)(const void *)v;
}

static int value_new(cordon_value **ret, const struct mem *m) {
  cordon_value *v = mem_zalloc(m, sizeof *v);
  if (!v)
    return ERR_NOMEM;
  arena_init(&v->arena, m, VALUE_MAX_BYTES);
  *ret = v;
  return 0;
}

int api_value_copy(cordon_value **ret, const struct mem *m,
                   const struct value *from) {
  cordon_value *v;
  int rv = value_new(&v, m);
  if (rv != 0)
    return rv;
  if ((rv = value_copy(&v->value, from, &v->arena)) != 0) {
    cordon_value_free(v);
    return rv;
  }
  *ret = v;
  return 0;
}

int cordon_value_from_json(cordon_value **ret_value, const char *text,
                           size_t len_bytes, const cordon_allocator *alloc,
                           cordon_error *reterr) {
  struct mem m = api_mem(alloc);
  cordon_value *v = NULL;
  struct err e;
  int rv;
  if (!ret_value || (!text && len_bytes > 0))
    return api_invalid(reterr, "ret_value and text are required");
  err_set(&e, ERR_NOMEM);
  if ((rv = value_new(&v, &m)) != 0 ||
      (rv = json_parse(&v->value, (struct slice){text, len_bytes}, &v->arena,
                       &e)) != 0) {
    cordon_value_free(v);
    if (rv == ERR_NOMEM)
      err_set(&e, ERR_NOMEM);
    return api_error(reterr, &e);
  }
  *ret_value = v;
  return CORDON_OK;
}

int cordon_value_from_yaml(cordon_value **ret_value, const char *text,
                           size_t len_bytes, const cordon_allocator *alloc,
                           cordon_error *reterr) {
  struct mem m = api_mem(alloc);
  cordon_value *v = NULL;
  struct tree_node *tree;
  struct err e;
  int rv;
  if (!ret_value || (!text && len_bytes > 0))
    return api_invalid(reterr, "ret_value and text are required");
  err_set(&e, ERR_NOMEM);
  if ((rv = value_new(&v, &m)) != 0 ||
      (rv = tree_parse(&tree, (struct slice){text, len_bytes},
                       &tree_limits_default, &v->arena, &e)) != 0 ||
      (rv = tree_to_value(&v->value, tree, &v->arena, &e)) != 0) {
    cordon_value_free(v);
    if (rv == ERR_NOMEM)
      err_set(&e, ERR_NOMEM);
    return api_error(reterr, &e);
  }
  *ret_value = v;
  return CORDON_OK;
}

int cordon_value_from_string(cordon_value **ret_value, const char *text,
                             size_t len_bytes, const cordon_allocator *alloc,
                             cordon_error *reterr) {
  struct mem m = api_mem(alloc);
  struct value from = {.type = VALUE_STRING};
  struct err e;
  int rv;
  if (!ret_value || (!text && len_bytes > 0))
    return api_invalid(reterr, "ret_value and text are required");
  from.as.string = (struct slice){text ? text : "", len_bytes};
  if ((rv = api_value_copy(ret_value, &m, &from)) == 0)
    return CORDON_OK;
  err_set(&e, rv);
  return api_error(reterr, &e);
}

void cordon_value_free(cordon_value *value) {
  struct mem m;
  if (!value)
    return;
  m = value->arena.mem;
  arena_deinit(&value->arena);
  mem_free(&m, value, sizeof *value);
}

cordon_type cordon_value_type(const cordon_value *value) {
  _Static_assert(
      (int)CORDON_NULL == VALUE_NULL && (int)CORDON_BOOLEAN == VALUE_BOOL &&
          (int)CORDON_INTEGER == VALUE_INT &&
          (int)CORDON_NUMBER == VALUE_FLOAT &&
          (int)CORDON_STRING == VALUE_STRING &&
          (int)CORDON_LIST == VALUE_LIST && (int)CORDON_MAP == VALUE_MAP,
      "one order of types");
  return value ? (cordon_type)api_value(value)->type : CORDON_NULL;
}

const cordon_value *cordon_value_get(const cordon_value *value,
                                     const char *key) {
  if (!value || !key || api_value(value)->type != VALUE_MAP)
    return NULL;
  return api_public_value(value_get(api_value(value), slice_of(key)));
}

size_t cordon_value_len(const cordon_value *value) {
  const struct value *v = api_value(value);
  if (!v)
    return 0;
  return v->type == VALUE_LIST  ? v->as.list.len
         : v->type == VALUE_MAP ? v->as.map.len
                                : 0;
}

const cordon_value *cordon_value_at(const cordon_value *value, size_t i,
                                    const char **ret_key,
                                    size_t *ret_key_len_bytes) {
  const struct value *v = api_value(value);
  if (i >= cordon_value_len(value))
    return NULL;
  if (v->type == VALUE_LIST)
    return api_public_value(&v->as.list.items[i]);
  if (ret_key)
    *ret_key = v->as.map.members[i].key.p;
  if (ret_key_len_bytes)
    *ret_key_len_bytes = v->as.map.members[i].key.len;
  return api_public_value(&v->as.map.members[i].value);
}

const char *cordon_value_string(const cordon_value *value,
                                size_t *ret_len_bytes) {
  const struct value *v = api_value(value);
  if (!v || v->type != VALUE_STRING)
    return NULL;
  if (ret_len_bytes)
    *ret_len_bytes = v->as.string.len;
  return v->as.string.p ? v->as.string.p : "";
}

int cordon_value_boolean(const cordon_value *value) {
  const struct value *v = api_value(value);
  return v && v->type == VALUE_BOOL && v->as.boolean;
}

int64_t cordon_value_integer(const cordon_value *value) {
  const struct value *v = api_value(value);
  return v && v->type == VALUE_INT ? v->as.integer : 0;
}

double cordon_value_number(const cordon_value *value) {
  const struct value *v = api_value(value);
  if (!v)
    return 0;
  return v->type == VALUE_FLOAT ? v->as.number
         : v->type == VALUE_INT ? (double)v->as.integer
                                : 0;
}

int cordon_value_write_json(const cordon_value *value, cordon_write_fn *write,
                            void *ud) {
  static const struct value null = {.type = VALUE_NULL};
  struct buf b;
  if (!write)
    return CORDON_E_INVALID;
  buf_init(&b, &mem_libc, SIZE_MAX / 4);
  return api_write_out(
      &b, value_write_json(value ? api_value(value) : &null, &b), write, ud);
}

int cordon_write_json_string(const char *text, size_t len_bytes,
                             cordon_write_fn *write, void *ud) {
  struct buf b;
  if (!write || (!text && len_bytes > 0))
    return CORDON_E_INVALID;
  buf_init(&b, &mem_libc, SIZE_MAX / 4);
  return api_write_out(
      &b, json_write_string(&b, (struct slice){text, len_bytes}), write, ud);
}
