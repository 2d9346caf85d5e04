/* fuzz_tzif.c - zone data: read or refused, and a zone for every moment. */
#include <stdlib.h>

#include "modules/tzif.h"
#include "runtime/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
  if (!holds)
    abort();
}

/* Names lie in the data; offsets are what one can add to any moment. */
static void look(const struct tzif *z, const uint8_t *data, size_t size,
                 int64_t sec) {
  struct zone there = tzif_at(z, sec);
  const char *begin = (const char *)data;
  int32_t offset;
  must(there.name.p >= begin && there.name.len <= size &&
       there.name.p + there.name.len <= begin + size);
  must(there.offset > -26 * 3600 && there.offset < 27 * 3600);
  (void)tzif_named(z, there.name, sec, &offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tzif z;
  int rv = tzif_parse(&z, (struct slice){(const char *)data, size});
  (void)tz_name_ok((struct slice){(const char *)data, size});
  must(rv == 0 || rv == ERR_SYNTAX);
  if (rv != 0)
    return 0;
  for (int64_t sec = INT64_C(-5000000000); sec < INT64_C(10000000000);
       sec += INT64_C(50000003))
    look(&z, data, size, sec);
  look(&z, data, size, -INT64_C(31556952) * CIVIL_MAX_YEAR * 2);
  look(&z, data, size, INT64_C(31556952) * CIVIL_MAX_YEAR * 2);
  return 0;
}
