/* fuzz_pattern.c - any pattern compiles or is a mistake with a position; what
 * compiled can be written, read back, and means the same.
 *
 * Input: a byte of uses, the pattern, a newline, what it is held against. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/pattern.h"

#define MUST(cond)                                                             \
  do {                                                                         \
    if (!(cond)) {                                                             \
      fprintf(stderr, "%d: %s\n", __LINE__, #cond);                            \
      abort();                                                                 \
    }                                                                          \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct pattern *p, unsigned use, struct slice against,
                  struct arena *a) {
  static struct url u;
  struct pattern again;
  struct pattern_subject s = {.text = against};
  struct buf out, twice;
  struct ip ip;
  struct err e;
  unsigned parts, near;
  int rv;
  buf_init(&out, &mem_libc, 16384);
  buf_init(&twice, &mem_libc, 16384);
  if (pattern_write(p, &out) == 0 && out.len <= URL_MAX_BYTES) {
    MUST(pattern_compile_resource(&again, buf_slice(&out), use, a, NULL, &e) ==
         0);
    MUST(pattern_write(&again, &twice) == 0);
    MUST(slice_eq(buf_slice(&out), buf_slice(&twice)));
  } else {
    again = *p;
  }
  if (ip_parse_port(against, &ip, &s.port) == 0) {
    s.ip = &ip;
  } else if (url_parse(&u, against, NULL, NULL) == 0) {
    s.url = &u;
    s.text = (struct slice){u.text, u.len};
  }
  rv = pattern_match(p, &s);
  MUST(rv == 0 || rv == 1 || (rv == ERR_INVALID && !s.url && !s.ip));
  MUST(pattern_match(&again, &s) == rv);
  parts = pattern_miss(p, &s, &near);
  MUST((parts == 0) == (rv == 1) && near <= 1000);
  buf_clear(&out);
  MUST(pattern_write_wants(p, parts, &out) == 0 || out.len == 0);
  buf_deinit(&out);
  buf_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct pattern p;
  struct err e, warning;
  struct arena a;
  struct slice text, against;
  const uint8_t *end;
  unsigned use;
  int rv;
  if (size == 0)
    return 0;
  /* Letters, so that the corpora can be read. */
  use = (unsigned)(data[0] & 63);
  data++;
  size--;
  end = memchr(data, '\n', size);
  if (!end)
    end = data + size;
  text = (struct slice){(const char *)data, (size_t)(end - data)};
  against = (struct slice){(const char *)end, size - text.len};
  if (against.len > 0)
    against = (struct slice){against.p + 1, against.len - 1};
  arena_init(&a, &mem_libc, 1 << 20);
  rv = pattern_compile_resource(&p, text, use, &a, &warning, &e);
  if (rv == ERR_SYNTAX)
    MUST(e.code == ERR_SYNTAX && e.message[0] && e.column <= text.len + 1);
  else if (rv == 0)
    check(&p, use, against, &a);
  else
    MUST(rv == ERR_NOMEM);
  if (pattern_compile_action(&p, text, &a, &e) == 0) {
    MUST((pattern_action_use(&p) & 15) != 0);
    MUST(p.kind != PATTERN_EXACT || pattern_match_text(&p, text));
  }
  arena_deinit(&a);
  return 0;
}
