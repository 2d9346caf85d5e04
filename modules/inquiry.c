/* inquiry.c - how long a question of a script may be, on both sides. */
#include "modules/authority.h"

int inquiry_check(const struct inquiry *q, struct err *e) {
  if (q->action.len <= INQUIRY_ACTION_MAX_BYTES &&
      q->resource.len <= INQUIRY_RESOURCE_MAX_BYTES)
    return 0;
  return err_setf(e, ERR_INVALID,
                  "an action has at most %d bytes, and a resource %d",
                  INQUIRY_ACTION_MAX_BYTES, INQUIRY_RESOURCE_MAX_BYTES);
}
