/* api_policy.c - the public functions around policy files as texts: their
 * layout and their schema. */
#include "policy/format.h"
#include "policy/schema.h"
#include "runtime/api.h"

#include <string.h>

int cordon_policy_format(const cordon_source *source, cordon_write_fn *write,
                         void *ud, cordon_error *reterr) {
  struct err e;
  struct buf out;
  int rv;

  memset(&e, 0, sizeof e);
  if (!source || !write || (!source->text && source->len_bytes > 0)) {
    err_setf(&e, ERR_INVALID, "source and write are required");
    return api_error(reterr, &e);
  }
  buf_init(&out, &mem_libc, tree_limits_default.max_bytes);
  rv = format_document(&out, (struct slice){source->text, source->len_bytes},
                       &tree_limits_default, &mem_libc, &e);
  str_escape(e.source, sizeof e.source,
             slice_of(source->name ? source->name : "?"));
  if (rv == 0) {
    write(ud, (const char *)buf_bytes(&out), out.len);
  } else {
    rv = api_error(reterr, &e);
    if (e.code == ERR_SYNTAX && reterr)
      reterr->code = CORDON_E_POLICY;
    if (e.code == ERR_SYNTAX)
      rv = CORDON_E_POLICY;
  }
  buf_deinit(&out);
  return rv;
}

int cordon_policy_schema(cordon_write_fn *write, void *ud) {
  if (!write)
    return CORDON_E_INVALID;
  write(ud, policy_schema, policy_schema_len);
  return CORDON_OK;
}
