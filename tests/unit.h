/* unit.h - helpers for the Check programs: an allocator that fails on request,
 * bytes before a guard page, table loops, and the common main. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/gate.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#define unit_len(table) (sizeof(table) / sizeof *(table))

/* for every row of a table: unit_each (row, cases) { use(row->text); } */
#define unit_each(row, table)                                                  \
  for (const __typeof__(*(table)) *row = (table);                              \
       row < (table) + unit_len(table); row++)

/* ---------------------------------------------------------- allocation --- */

#define FAIL_NEVER SIZE_MAX

/* Counts the requests that could fail (a free and a shrink cannot) and refuses
 * the one with number |fail_at|, counted from 0.  It also holds its caller to
 * the contract of mem_fn: a wrong old_size fails the test. */
struct failing_mem {
  struct mem mem;
  size_t count;      /* requests so far */
  size_t fail_at;    /* FAIL_NEVER: none */
  bool fail_after;   /* and all that follow it; false unless set after init */
  size_t live_bytes; /* given out and not freed */
  size_t peak_bytes;
  size_t refused;
};

/* In front of every block, as large as the strictest alignment. */
union unit_header {
  size_t size;
  max_align_t align;
};

static inline void *failing_mem_fn(void *ud, void *ptr, size_t old_size,
                                   size_t new_size) {
  struct failing_mem *f = (struct failing_mem *)ud;
  union unit_header *h = NULL;
  union unit_header *moved;
  gate_check();
  if (ptr) {
    h = (union unit_header *)ptr - 1;
    ck_assert_msg(h->size == old_size, "block of %zu bytes given back as %zu",
                  h->size, old_size);
  }
  if (new_size == 0) {
    if (h) {
      f->live_bytes -= h->size;
      free(h);
    }
    return NULL;
  }
  if (!h || new_size > h->size) {
    size_t n = f->count++;
    if (n == f->fail_at ||
        (f->fail_after && f->fail_at != FAIL_NEVER && n > f->fail_at)) {
      f->refused++;
      return NULL;
    }
  }
  if (new_size > SIZE_MAX - sizeof *h)
    return NULL;
  /* Always to another place: pointers kept across a resize are found out. */
  moved = (union unit_header *)malloc(sizeof *h + new_size);
  if (!moved)
    return NULL;
  moved->size = new_size;
  if (h) {
    memcpy(moved + 1, h + 1, new_size < h->size ? new_size : h->size);
    f->live_bytes -= h->size;
    free(h);
  }
  f->live_bytes += new_size;
  if (f->live_bytes > f->peak_bytes)
    f->peak_bytes = f->live_bytes;
  return moved + 1;
}

/* |f| stays where it is while anything allocated from f->mem lives. */
static inline void failing_mem_init(struct failing_mem *f, size_t fail_at) {
  memset(f, 0, sizeof *f);
  f->mem.fn = failing_mem_fn;
  f->mem.ud = f;
  f->fail_at = fail_at;
}

/* ---------------------------------------------------------- guard page --- */

/* A copy of some bytes with an unreadable page behind the last (and one before
 * the first page), so that a parser that reads past its end dies at once, also
 * where no sanitizer is built in. */
struct guard {
  char *p; /* the copy */
  size_t len;
  char *map;
  size_t map_len;
};

static inline char *guard_init(struct guard *g, const void *data, size_t len) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t body = (len + page - 1) / page * page;
  if (body == 0)
    body = page;
  g->len = len;
  g->map_len = body + 2 * page;
  g->map = (char *)mmap(NULL, g->map_len, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(g->map, MAP_FAILED);
  ck_assert_int_eq(mprotect(g->map + page, body, PROT_READ | PROT_WRITE), 0);
  g->p = g->map + page + body - len;
  if (len > 0)
    memcpy(g->p, data, len);
  return g->p;
}

static inline char *guard_init_str(struct guard *g, const char *text) {
  return guard_init(g, text, strlen(text));
}

static inline struct slice guard_slice(const struct guard *g) {
  return (struct slice){g->p, g->len};
}

static inline void guard_deinit(struct guard *g) {
  munmap(g->map, g->map_len);
  memset(g, 0, sizeof *g);
}

/* -------------------------------------------------------------- checks --- */

/* A slice against a C string, with both in the message. */
#define ck_assert_slice_eq(got, want)                                          \
  do {                                                                         \
    struct slice unit_got_ = (got);                                            \
    const char *unit_want_ = (want);                                           \
    ck_assert_msg(slice_is(unit_got_, unit_want_), "%s is '%.*s', not '%s'",   \
                  #got, (int)(unit_got_.len > 2000 ? 2000 : unit_got_.len),    \
                  unit_got_.p ? unit_got_.p : "", unit_want_);                 \
  } while (0)

/* ---------------------------------------------------------------- main --- */

/* For tcase_set_tags: cases that go through millions of inputs are left out
 * where every instruction is dear (valgrind). */
#define UNIT_SLOW "slow"

/* And those that are nothing without a process of their own: they end it, or
 * take from it what cannot be had back. */
#define UNIT_FORK "fork"

/* Where the files of tests/ are: the programs run from any build folder. */
static inline const char *unit_srcdir(void) {
  const char *dir = getenv("top_srcdir");
  return dir && *dir ? dir : ".";
}

/* Check's own limit of 4 s for a case is met by a machine that has nothing else
 * to do.  A limit is there for what hangs: those that are set in the programs
 * count four times.  Read when a case is made. */
__attribute__((constructor)) static void unit_patience(void) {
  (void)setenv("CK_DEFAULT_TIMEOUT", "60", 0);
  (void)setenv("CK_TIMEOUT_MULTIPLIER", "4", 0);
}

/* Ends main: "return unit_run(suite());".  Check's environment works. */
static inline int unit_run(Suite *s) {
  SRunner *sr = srunner_create(s);
  int failed;
  srunner_run_all(sr, CK_ENV);
  failed = srunner_ntests_failed(sr);
  srunner_free(sr);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
