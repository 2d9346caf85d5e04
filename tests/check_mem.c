/* check_mem.c - arrays that grow, accounts, arenas, buffers, lists, the heap,
 * clocks and random numbers. */
#include "runtime/base/mem.h"

#include "runtime/base/buf.h"
#include "runtime/base/clock.h"
#include "runtime/base/err.h"
#include "runtime/base/heap.h"
#include "runtime/base/list.h"
#include "runtime/base/random.h"
#include "tests/unit.h"

START_TEST(grows_arrays) {
  struct failing_mem f;
  size_t cap = 0;
  int *a = NULL, *b;
  failing_mem_init(&f, FAIL_NEVER);
  for (size_t need = 1; need <= 1000; need++) {
    a = mem_grow(&f.mem, a, &cap, need, sizeof *a, 1000);
    ck_assert_ptr_nonnull(a);
    ck_assert_uint_ge(cap, need);
    ck_assert_uint_le(cap, 1000);
    a[need - 1] = (int)need;
  }
  for (size_t i = 0; i < 1000; i++)
    ck_assert_int_eq(a[i], (int)i + 1);
  ck_assert_ptr_null(mem_grow(&f.mem, a, &cap, 1001, sizeof *a, 1000));
  ck_assert_uint_eq(cap, 1000);
  /* the size of the array would overflow */
  b = mem_grow(&f.mem, NULL, &(size_t){0}, SIZE_MAX / 2, 16, SIZE_MAX);
  ck_assert_ptr_null(b);
  mem_free(&f.mem, a, cap * sizeof *a);
  ck_assert_uint_eq(f.live_bytes, 0);
  mem_free(&f.mem, NULL, 99);
  ck_assert_ptr_null(mem_strndup(&f.mem, "", SIZE_MAX));
}
END_TEST

START_TEST(counts_and_refuses) {
  struct failing_mem f;
  struct account a;
  struct mem m;
  char *p, *q;
  failing_mem_init(&f, FAIL_NEVER);
  account_init(&a, &f.mem, 1000);
  m = account_mem(&a);
  p = mem_alloc(&m, 600);
  ck_assert_ptr_nonnull(p);
  ck_assert_uint_eq(a.used, 600);
  ck_assert_ptr_null(mem_alloc(&m, 401));
  ck_assert_ptr_null(mem_alloc(&m, SIZE_MAX));
  ck_assert_uint_eq(a.refused, 2);
  q = mem_alloc(&m, 400);
  ck_assert_ptr_nonnull(q);
  ck_assert_uint_eq(a.used, 1000);
  ck_assert_ptr_null(mem_realloc(&m, q, 400, 401));
  p = mem_realloc(&m, p, 600, 100);
  ck_assert_ptr_nonnull(p);
  ck_assert_uint_eq(a.used, 500);
  q = mem_realloc(&m, q, 400, 900);
  ck_assert_ptr_nonnull(q);
  ck_assert_uint_eq(a.used, 1000);
  ck_assert_uint_eq(a.peak, 1000);
  mem_free(&m, p, 100);
  mem_free(&m, q, 900);
  ck_assert_uint_eq(a.used, 0);
  ck_assert_uint_eq(f.live_bytes, 0);
  /* Lua passes a type tag as the old size of nothing */
  p = m.fn(m.ud, NULL, 8, 64);
  ck_assert_uint_eq(a.used, 64);
  mem_free(&m, p, 64);
  /* refused below: nothing is counted */
  failing_mem_init(&f, 0);
  ck_assert_ptr_null(mem_alloc(&m, 10));
  ck_assert_uint_eq(a.used, 0);
}
END_TEST

START_TEST(fills_arenas) {
  struct failing_mem f;
  for (size_t fail = 0; fail < 6; fail++) {
    struct arena a;
    failing_mem_init(&f, fail);
    arena_init(&a, &f.mem, 1 << 20);
    for (size_t n = 0; n < 300; n++) {
      char *p = arena_zalloc(&a, n * 7);
      if (!p)
        break;
      ck_assert_uint_eq((uintptr_t)p % sizeof(long double), 0);
      for (size_t i = 0; i < n * 7; i++)
        ck_assert_int_eq(p[i], 0);
      memset(p, 0xaa, n * 7); /* shows up if two pieces overlap */
    }
    arena_deinit(&a);
    ck_assert_uint_eq(f.live_bytes, 0);
  }
}
END_TEST

START_TEST(bounds_arenas) {
  struct failing_mem f;
  struct arena a;
  size_t n = 0;
  failing_mem_init(&f, FAIL_NEVER);
  arena_init(&a, &f.mem, 100000);
  while (arena_alloc(&a, 1000))
    n++;
  ck_assert_uint_gt(n, 80);
  ck_assert_uint_le(a.bytes, 100000);
  /* where each piece is a block, what stands before it does not count */
  ck_assert_uint_le(f.live_bytes, a.bytes + n * 32);
  ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
  ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 8));
  ck_assert_ptr_null(arena_array(&a, SIZE_MAX / 2, 4));
  ck_assert_ptr_null(arena_strndup(&a, "", SIZE_MAX));
  arena_deinit(&a);
  ck_assert_uint_eq(f.live_bytes, 0);
}
END_TEST

/* --------------------------------------------------------------- buffers ---
 */

/* A buffer against a plain array, through thousands of random steps. */
START_TEST(buffers_keep_their_bytes) {
  enum { MAX = 500 };
  struct failing_mem f;
  struct prng g = {{1, 2, 3, 4}};
  unsigned char model[MAX], next = 0;
  size_t len = 0;
  struct buf b;
  failing_mem_init(&f, FAIL_NEVER);
  buf_init(&b, &f.mem, MAX);
  for (int step = 0; step < 20000; step++) {
    size_t n = (size_t)prng_below(&g, 80);
    if (prng_below(&g, 2)) {
      unsigned char piece[80];
      for (size_t i = 0; i < n; i++)
        piece[i] = (unsigned char)(next + i);
      int rv = buf_add(&b, piece, n);
      ck_assert_int_eq(rv, n > MAX - len ? ERR_FULL : 0);
      if (rv == 0) {
        memcpy(model + len, piece, n);
        len += n;
        next = (unsigned char)(next + n);
      }
    } else {
      n = n > len ? len : n;
      buf_consume(&b, n);
      len -= n;
      memmove(model, model + n, len);
    }
    ck_assert_uint_eq(b.len, len);
    ck_assert(len == 0 || memcmp(buf_bytes(&b), model, len) == 0);
    ck_assert_uint_le(f.live_bytes, 2 * MAX);
  }
  buf_deinit(&b);
  ck_assert_uint_eq(f.live_bytes, 0);
}
END_TEST

START_TEST(buffers_refuse) {
  struct failing_mem f;
  struct buf b, zero = {.max = 0};
  int rv = 0;
  ck_assert_int_eq(buf_addc(&zero, 'x'), ERR_FULL);
  failing_mem_init(&f, 0);
  buf_init(&b, &f.mem, 10);
  ck_assert_int_eq(buf_adds(&b, "a"), ERR_NOMEM);
  ck_assert_int_eq(buf_adds(&b, "12345"), 0);
  ck_assert_int_eq(buf_adds(&b, "678901"), ERR_FULL);
  ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX, &rv));
  ck_assert_int_eq(rv, ERR_FULL);
  ck_assert_int_eq(buf_addf(&b, "%d", 678), 0);
  ck_assert_slice_eq(buf_slice(&b), "12345678");
  ck_assert_int_eq(buf_terminate(&b), 0);
  ck_assert_str_eq((char *)buf_bytes(&b), "12345678");
  ck_assert_uint_eq(b.len, 8);
  buf_shrink(&b); /* not empty: stays */
  ck_assert_uint_eq(b.len, 8);
  buf_clear(&b);
  buf_shrink(&b);
  ck_assert_uint_eq(f.live_bytes, 0);
  ck_assert_int_eq(buf_addc(&b, 'y'), 0);
  buf_deinit(&b);
  ck_assert_uint_eq(f.live_bytes, 0);
}
END_TEST

/* ------------------------------------------------------------ list, heap ---
 */

struct item {
  struct list node;
  int n;
};

START_TEST(lists) {
  struct item items[5];
  struct list a, b;
  int want = 0;
  list_init(&a);
  list_init(&b);
  ck_assert(list_empty(&a));
  ck_assert_ptr_null(list_pop(&a));
  for (int i = 0; i < 5; i++) {
    items[i].n = i;
    list_add_tail(i < 3 ? &a : &b, &items[i].node);
  }
  list_splice_tail(&a, &b);
  ck_assert(list_empty(&b));
  list_splice_tail(&a, &b); /* nothing to move */
  list_foreach_safe (it, &a) {
    ck_assert_int_eq(list_entry(it, struct item, node)->n, want++);
    if (want % 2)
      list_remove(it);
  }
  ck_assert_int_eq(want, 5);
  list_remove(&items[0].node); /* in no list: harmless */
  list_add_head(&a, &items[0].node);
  ck_assert_ptr_eq(list_pop(&a), &items[0].node);
  ck_assert_ptr_eq(list_pop(&a), &items[1].node);
  ck_assert_ptr_eq(list_pop(&a), &items[3].node);
  ck_assert(list_empty(&a));
}
END_TEST

START_TEST(heap_gives_the_least) {
  enum { N = 200 };
  struct failing_mem f;
  struct heap_node nodes[N];
  struct prng g = {{5, 6, 7, 8}};
  struct heap h;
  uint64_t last = 0;
  size_t inside = 0;
  failing_mem_init(&f, FAIL_NEVER);
  heap_init(&h, &f.mem);
  memset(nodes, 0, sizeof nodes);
  ck_assert_ptr_null(heap_min(&h));
  for (int step = 0; step < 20000; step++) {
    struct heap_node *n = &nodes[prng_below(&g, N)];
    uint64_t least = UINT64_MAX;
    if (heap_contains(n)) {
      heap_remove(&h, n);
      inside--;
    } else {
      ck_assert_int_eq(heap_insert(&h, n, prng_below(&g, 1000)), 0);
      inside++;
    }
    ck_assert_uint_eq(h.len, inside);
    for (size_t i = 0; i < N; i++)
      if (heap_contains(&nodes[i]) && nodes[i].key < least)
        least = nodes[i].key;
    ck_assert_uint_eq(heap_min(&h) ? heap_min(&h)->key : UINT64_MAX, least);
  }
  while (heap_min(&h)) {
    struct heap_node *n = heap_min(&h);
    ck_assert_uint_ge(n->key, last);
    last = n->key;
    heap_remove(&h, n);
    heap_remove(&h, n); /* outside: harmless */
  }
  heap_deinit(&h);
  ck_assert_uint_eq(f.live_bytes, 0);
}
END_TEST

START_TEST(heap_survives_refusals) {
  struct failing_mem f;
  struct heap_node n = {0, 0};
  struct heap h;
  failing_mem_init(&f, 0);
  heap_init(&h, &f.mem);
  ck_assert_int_eq(heap_insert(&h, &n, 1), ERR_NOMEM);
  ck_assert(!heap_contains(&n));
  ck_assert_int_eq(heap_insert(&h, &n, 1), 0);
  heap_deinit(&h);
  ck_assert(!heap_contains(&n));
  ck_assert_uint_eq(f.live_bytes, 0);
}
END_TEST

/* ------------------------------------------------------- clocks, chances ---
 */

START_TEST(clocks_go_forward) {
  uint64_t mono = clock_mono_ns(), cpu = clock_thread_cpu_ns();
  ck_assert_int_gt(clock_wall_ns(), INT64_C(1600000000) * (int64_t)NS_PER_S);
  for (int i = 0; i < 1000; i++) {
    uint64_t now = clock_mono_ns();
    ck_assert_uint_ge(now, mono);
    mono = now;
  }
  ck_assert_uint_ge(clock_thread_cpu_ns(), cpu);
}
END_TEST

START_TEST(chances_are_even) {
  unsigned char bytes[64] = {0}, again[64] = {0};
  struct prng g;
  size_t seen[7] = {0};
  ck_assert_int_eq(random_bytes(bytes, sizeof bytes), 0);
  ck_assert_int_eq(random_bytes(again, sizeof again), 0);
  ck_assert_int_ne(memcmp(bytes, again, sizeof bytes), 0);
  ck_assert_int_eq(prng_seed(&g), 0);
  for (int i = 0; i < 70000; i++)
    seen[prng_below(&g, 7)]++;
  for (size_t i = 0; i < 7; i++) /* 10000 each; ten deviations off */
    ck_assert_msg(seen[i] > 9000 && seen[i] < 11000, "%zu: %zu", i, seen[i]);
  for (int i = 0; i < 100; i++)
    ck_assert_uint_eq(prng_below(&g, 1), 0);
}
END_TEST

/* xoshiro256** from the state {1, 2, 3, 4}: the authors' reference values. */
START_TEST(generator_is_xoshiro) {
  static const uint64_t want[] = {11520, 0, 1509978240,
                                  UINT64_C(1215971899390074240)};
  struct prng g = {{1, 2, 3, 4}};
  unit_each(row, want) ck_assert_uint_eq(prng_next(&g), *row);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("mem");
  TCase *tc = tcase_create("mem");
  tcase_add_test(tc, grows_arrays);
  tcase_add_test(tc, counts_and_refuses);
  tcase_add_test(tc, fills_arenas);
  tcase_add_test(tc, bounds_arenas);
  tcase_add_test(tc, buffers_keep_their_bytes);
  tcase_add_test(tc, buffers_refuse);
  tcase_add_test(tc, lists);
  tcase_add_test(tc, heap_gives_the_least);
  tcase_add_test(tc, heap_survives_refusals);
  tcase_add_test(tc, clocks_go_forward);
  tcase_add_test(tc, chances_are_even);
  tcase_add_test(tc, generator_is_xoshiro);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
