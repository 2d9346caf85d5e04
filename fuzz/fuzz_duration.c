/* fuzz_duration.c - durations, sizes and numbers: any bytes; what is read is in
 * its range, and a duration written out in nanoseconds reads back the same. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/err.h"
#include "runtime/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
  if (!ok)
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct slice s = {(const char *)data, size};
  char text[64], shown[256];
  int64_t ns, again;
  uint64_t n;
  int rv = str_duration(s, &ns);
  need(rv == 0 || rv == ERR_SYNTAX || rv == ERR_RANGE);
  if (rv == 0) {
    snprintf(text, sizeof text, "%" PRId64 "ns", ns);
    need(str_duration(slice_of(text), &again) == 0 && again == ns);
  }
  rv = str_u64(s, 65535, &n);
  need(rv == ERR_SYNTAX || rv == ERR_RANGE || (rv == 0 && n <= 65535));
  rv = str_size(s, &n);
  need(rv == 0 || rv == ERR_SYNTAX || rv == ERR_RANGE);
  /* what people are shown is text, whatever it was */
  need(str_escape(shown, sizeof shown, s) < sizeof shown);
  need(utf8_valid(slice_of(shown)));
  return 0;
}
