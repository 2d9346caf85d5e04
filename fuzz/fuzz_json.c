/* fuzz_json.c - JSON text to a value and back: what is read is written as text
 * that reads back equal, and strings survive escaping. */
#include <stdint.h>
#include <stdlib.h>

#include "runtime/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
  if (!ok)
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct slice text = {(const char *)data, size};
  struct arena a;
  struct value v, again;
  struct buf out, twice;
  struct err e;

  arena_init(&a, &mem_libc, (size_t)256 << 20);
  buf_init(&out, &mem_libc, (size_t)64 << 20);
  buf_init(&twice, &mem_libc, (size_t)64 << 20);
  e.line = 0;
  if (json_parse(&v, text, &a, &e) == 0) {
    need(value_write_json(&v, &out) == 0);
    need(json_parse(&again, buf_slice(&out), &a, NULL) == 0);
    need(value_equal(&v, &again) && value_equal(&again, &v));
    need(value_write_json(&again, &twice) == 0);
    need(slice_eq(buf_slice(&out), buf_slice(&twice)));
  } else {
    need(e.code == ERR_SYNTAX && e.line > 0 && e.column > 0 && e.message[0]);
  }
  /* any bytes as a string */
  buf_clear(&out);
  need(json_write_string(&out, text) == 0);
  need(json_parse(&v, buf_slice(&out), &a, NULL) == 0);
  need(v.type == VALUE_STRING);
  if (utf8_valid(text))
    need(slice_eq(v.as.string, text));
  buf_deinit(&twice);
  buf_deinit(&out);
  arena_deinit(&a);
  return 0;
}
