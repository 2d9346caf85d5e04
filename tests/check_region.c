/* check_region.c - the memory of one Lua state. */
#include "runtime/base/random.h"
#include "runtime/vm/region.h"
#include "tests/unit.h"

struct block {
  uint8_t *p;
  size_t size;
  uint8_t mark;
};

static void fill(struct block *b, uint8_t mark) {
  b->mark = mark;
  if (b->size)
    memset(b->p, mark, b->size);
}

static bool intact(const struct block *b, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (b->p[i] != b->mark)
      return false;
  return true;
}

/* Any order of requests: blocks do not overlap, keep what is in them, are
 * charged exactly, and all of it goes back to the host. */
static void random_requests(size_t limit, size_t max_bytes, size_t fail_at,
                            int n) {
  enum { BLOCKS = 400 };
  struct block blocks[BLOCKS] = {{NULL, 0, 0}};
  struct failing_mem fm;
  struct account a;
  struct region r;
  struct prng prng;
  size_t asked = 0;
  failing_mem_init(&fm, fail_at);
  account_init(&a, &fm.mem, limit);
  region_init(&r, &fm.mem, &a);
  ck_assert_int_eq(prng_seed(&prng), 0);
  for (int i = 0; i < n; i++) {
    struct block *b = &blocks[prng_below(&prng, BLOCKS)];
    size_t size = prng_below(&prng, 4) == 0
                      ? 0
                      : 1 + prng_below(&prng, 1 + prng_below(&prng, max_bytes));
    /* Lua passes the type of an object where there is no old block */
    uint8_t *p = region_alloc(&r, b->p, b->p ? b->size : 5, size);
    if (size == 0) {
      ck_assert_ptr_null(p);
    } else if (!p) {
      ck_assert_uint_gt(size, b->size); /* making smaller never fails */
      ck_assert(intact(b, b->size));
      continue;
    }
    asked = asked - b->size + size;
    ck_assert_uint_eq((uintptr_t)p % 16, 0);
    b->p = p;
    ck_assert(intact(b, size < b->size ? size : b->size));
    b->size = size;
    fill(b, (uint8_t)i);
    ck_assert_uint_eq(a.outside, asked);
    ck_assert_uint_le(asked, limit);
    ck_assert_uint_eq(r.held >= fm.live_bytes - r.cap * sizeof(void *), true);
  }
  region_drop(&r);
  ck_assert_uint_eq(a.outside, 0);
  ck_assert_uint_eq(fm.live_bytes, 0);
  region_drop(&r); /* nothing there */
}

/* Threads are told apart from other blocks of their size, and those that are
 * marked are counted until they are freed. */
START_TEST(threads_are_counted) {
  enum { THREADS = 200, BYTES = 208, THREAD_TAG = 8 };
  struct failing_mem fm;
  struct account a;
  struct region r;
  uintptr_t *threads[THREADS], *other;
  failing_mem_init(&fm, SIZE_MAX);
  account_init(&a, &fm.mem, 1 << 20);
  region_init(&r, &fm.mem, &a);
  for (size_t round = 0; round < 3; round++) {
    for (size_t i = 0; i < THREADS; i++) {
      threads[i] = region_alloc(&r, NULL, THREAD_TAG, BYTES);
      ck_assert_ptr_nonnull(threads[i]);
      memset(threads[i], 0, BYTES);
      if (i % 3 == 0) {
        threads[i][0] = REGION_COUNTED;
        r.counted++;
      }
      other = region_alloc(&r, NULL, 5, BYTES);
      ck_assert_ptr_nonnull(other);
      memset(other, 0xff, BYTES); /* looks like one that counts */
      region_alloc(&r, other, BYTES, 0);
    }
    ck_assert_uint_eq(r.counted, (THREADS + 2) / 3);
    ck_assert_uint_eq(a.outside, THREADS * BYTES);
    for (size_t i = 0; i < THREADS; i++)
      region_alloc(&r, threads[i], BYTES, 0);
    ck_assert_uint_eq(r.counted, 0);
    ck_assert_uint_eq(a.outside, 0);
  }
  /* the main thread is no small block */
  other = region_alloc(&r, NULL, THREAD_TAG, 1500);
  ck_assert_ptr_nonnull(other);
  region_alloc(&r, other, 1500, 0);
  region_drop(&r);
  ck_assert_uint_eq(fm.live_bytes, 0);
}
END_TEST

START_TEST(requests_of_every_size) {
  random_requests(SIZE_MAX, 3000, FAIL_NEVER, 20000);
  random_requests(SIZE_MAX, 60, FAIL_NEVER, 20000);
  random_requests(SIZE_MAX, 100000, FAIL_NEVER, 20000);
  random_requests(100000, 3000, FAIL_NEVER, 20000);
  random_requests(20000, 500, FAIL_NEVER, 20000);
}
END_TEST

START_TEST(a_host_that_refuses) {
  for (size_t n = 0; n < 40; n++)
    random_requests(SIZE_MAX, 3000, n, 1000);
}
END_TEST

/* A script whose sizes change from phase to phase: what one phase has freed
 * serves the next one. */
START_TEST(phases) {
  enum { TOTAL = 4 << 20 };
  struct failing_mem fm;
  struct account a;
  struct region r;
  void **p = calloc(TOTAL / 16, sizeof *p);
  failing_mem_init(&fm, FAIL_NEVER);
  account_init(&a, &fm.mem, TOTAL + TOTAL / 4);
  region_init(&r, &fm.mem, &a);
  for (size_t size = 16; size <= 1024; size += 48) {
    size_t n = TOTAL / size, kept = 0;
    for (size_t i = 0; i < n; i++) {
      p[i] = region_alloc(&r, NULL, 0, size);
      ck_assert_msg(p[i], "%zu of %zu blocks of %zu bytes", i, n, size);
    }
    ck_assert_uint_le(r.held, TOTAL * 2);
    /* one block in some thousand stays until the end */
    for (size_t i = 0; i < n; i++)
      if (i % 5000 == 4999)
        kept += size;
      else
        region_alloc(&r, p[i], size, 0);
    ck_assert_uint_le(kept, TOTAL / 1000);
  }
  region_drop(&r);
  ck_assert_uint_eq(fm.live_bytes, 0);
  free(p);
}
END_TEST

/* Who keeps a block of every page holds memory that he is not charged for: up
 * to a bound. */
START_TEST(one_block_of_each_page) {
  enum { LIMIT = 4 << 20 };
  struct failing_mem fm;
  struct account a;
  struct region r;
  size_t kept = 0;
  failing_mem_init(&fm, FAIL_NEVER);
  account_init(&a, &fm.mem, LIMIT);
  region_init(&r, &fm.mem, &a);
  for (size_t size = 16; size <= 1024; size += 16) {
    for (int i = 0; i < LIMIT; i += 4096) {
      void *block[256];
      size_t n = 0;
      while (n < 4096 / size && (block[n] = region_alloc(&r, NULL, 0, size)))
        n++;
      kept += n > 0;
      while (n > 1)
        region_alloc(&r, block[--n], size, 0);
    }
    ck_assert_uint_le(fm.live_bytes, LIMIT + LIMIT / 4 + (300 << 10));
  }
  ck_assert_uint_gt(kept, 1000);
  ck_assert_uint_gt(r.failures + a.refused, 0);
  region_drop(&r);
  ck_assert_uint_eq(fm.live_bytes, 0);
}
END_TEST

/* The pages of small blocks that are all free make way for large ones, which
 * may come anew or grow. */
START_TEST(small_then_large) {
  enum { LIMIT = 4 << 20, SIZE = 64, N = LIMIT / SIZE * 9 / 10 };
  void **p = calloc(N, sizeof *p), *q;
  struct account a;
  struct region r;
  account_init(&a, &mem_libc, LIMIT);
  region_init(&r, &mem_libc, &a);
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < N; i++)
      ck_assert_ptr_nonnull(p[i] = region_alloc(&r, NULL, 0, SIZE));
    for (size_t i = 0; i < N; i++)
      region_alloc(&r, p[i], SIZE, 0);
    q = region_alloc(&r, NULL, 0, round == 0 ? LIMIT / 2 : 2000);
    ck_assert_ptr_nonnull(q);
    q = region_alloc(&r, q, round == 0 ? LIMIT / 2 : 2000, LIMIT / 8 * 7);
    ck_assert_ptr_nonnull(q);
    region_alloc(&r, q, LIMIT / 8 * 7, 0);
  }
  region_drop(&r);
  free(p);
}
END_TEST

/* What is refused twice in a row is refused for good: Lua has collected its
 * garbage in between. */
START_TEST(failures_are_counted) {
  struct account a;
  struct region r;
  void *p;
  account_init(&a, &mem_libc, 10000);
  region_init(&r, &mem_libc, &a);
  ck_assert_ptr_null(region_alloc(&r, NULL, 0, 20000));
  ck_assert_uint_eq(r.failures, 0);
  p = region_alloc(&r, NULL, 0, 5000);
  ck_assert_ptr_nonnull(p);
  ck_assert_ptr_null(region_alloc(&r, NULL, 0, 20000));
  ck_assert_uint_eq(r.failures, 0);
  region_alloc(&r, p, 5000, 4000); /* as a collection might */
  ck_assert_ptr_null(region_alloc(&r, NULL, 0, 20000));
  ck_assert_uint_eq(r.failures, 1);
  ck_assert_ptr_null(region_alloc(&r, NULL, 0, 20000));
  ck_assert_uint_eq(r.failures, 1);
  ck_assert_ptr_null(region_alloc(&r, NULL, 0, 20000));
  ck_assert_uint_eq(r.failures, 2);
  region_drop(&r);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("region");
  TCase *tc = tcase_create("region");
  tcase_add_test(tc, threads_are_counted);
  tcase_add_test(tc, requests_of_every_size);
  tcase_add_test(tc, a_host_that_refuses);
  tcase_add_test(tc, phases);
  tcase_add_test(tc, one_block_of_each_page);
  tcase_add_test(tc, small_then_large);
  tcase_add_test(tc, failures_are_counted);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
