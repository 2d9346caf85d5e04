/* fuzz_format.c - whatever loads can be formatted: it means the same, keeps its
 * comments, formatting it again changes nothing, and what memory it needs is
 * bounded. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_MAX ((size_t)512 << 20)
#define OUT_MAX ((size_t)8 << 20)

static void need(bool ok) {
  if (!ok)
    abort();
}

static bool loads(struct slice text, const struct mem *m) {
  struct tree_node *root;
  struct arena a;
  struct err e;
  int rv;

  arena_init(&a, m, SIZE_MAX);
  rv = tree_parse(&root, text, &tree_limits_default, &a, &e);
  arena_deinit(&a);
  need(rv == 0 || rv == ERR_SYNTAX);
  return rv == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct slice text = {(const char *)data, size};
  struct account account;
  struct buf once, twice;
  struct err e = {.line = 0};
  struct mem m;
  int rv;

  account_init(&account, &mem_libc, MEMORY_MAX);
  m = account_mem(&account);
  buf_init(&once, &m, OUT_MAX);
  buf_init(&twice, &m, OUT_MAX);
  rv = format_text(&once, text, &tree_limits_default, &m, &e);
  if (!loads(text, &m)) {
    need(rv == ERR_SYNTAX && e.line > 0 && e.column > 0 && e.message[0]);
  } else if (rv == ERR_UNSUPPORTED) {
    /* indentation can make a large file too large, nothing else may fail */
    need(size > 4096 && strstr(e.message, "larger"));
  } else {
    need(rv == 0 && once.len > 0);
    need(buf_bytes(&once)[once.len - 1] == '\n');
    need(format_text(&twice, buf_slice(&once), &tree_limits_default, &m, &e) ==
         0);
    need(slice_eq(buf_slice(&once), buf_slice(&twice)));
  }
  if (rv != 0)
    need(once.len == 0);
  buf_deinit(&once);
  buf_deinit(&twice);
  need(account.used == 0);
  return 0;
}
