/* mem.h - the allocator handle every constructor takes, an account that bounds
 * one, an arena, and arrays with overflow checks. */
#ifndef RUNTIME_BASE_MEM_H
#define RUNTIME_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Contract of lua_Alloc and of cordon_alloc_fn: new_size 0 frees; ptr NULL
 * allocates (old_size then means nothing); shrinking does not fail. */
typedef void *mem_fn(void *ud, void *ptr, size_t old_size, size_t new_size);

/* Copied by value into whatever allocates; |ud| outlives all of them. */
struct mem {
  mem_fn *fn;
  void *ud;
};

extern const struct mem mem_libc; /* malloc, realloc, free */

void *mem_alloc(const struct mem *m, size_t n);  /* n > 0; NULL: refused */
void *mem_zalloc(const struct mem *m, size_t n); /* zeroed */
void *mem_realloc(const struct mem *m, void *p, size_t old_n, size_t new_n);
/* |p| may be NULL; |n| is the size it was allocated with. */
void mem_free(const struct mem *m, void *p, size_t n);
/* Copy of |n| bytes plus a NUL; free it with mem_free(m, p, n + 1). */
char *mem_strndup(const struct mem *m, const char *s, size_t n);

/* Makes room for |need| elements of |elem_size| bytes in the array |arr| of
 * |*cap| elements, never more than |max|.  Returns the array, perhaps moved,
 * with |*cap| updated; NULL (and nothing changed) when |need| > |max|, when the
 * size overflows or memory is refused. */
void *mem_grow(const struct mem *m, void *arr, size_t *cap, size_t need,
               size_t elem_size, size_t max);

/* An allocator that counts, and refuses above its limit.  Not for several
 * threads at a time.  |old_size| must be right in every call. */
struct account {
  struct mem base;
  size_t used;    /* through account_mem */
  size_t outside; /* charged by others, who allocate by themselves */
  size_t peak;    /* of both together */
  size_t limit;
  uint64_t refused; /* how many requests the limit turned down */
};

void account_init(struct account *a, const struct mem *base, size_t limit);
/* The handle whose allocations |a| counts; |a| outlives it. */
struct mem account_mem(struct account *a);
static inline size_t account_used(const struct account *a) {
  return a->used + a->outside;
}
/* Is there room for |more| bytes? */
static inline bool account_allows(const struct account *a, size_t more) {
  size_t used = account_used(a);
  return used <= a->limit && more <= a->limit - used;
}
/* What somebody else allocated: |new_size| bytes instead of |old_size|. */
static inline void account_outside(struct account *a, size_t old_size,
                                   size_t new_size) {
  a->outside = a->outside - old_size + new_size;
  if (account_used(a) > a->peak)
    a->peak = account_used(a);
}

/* Many small pieces with one end.  Nothing is freed before arena_deinit. */
struct arena_block;
struct arena {
  struct mem mem;
  struct arena_block *blocks; /* newest first */
  size_t bytes;               /* held from |mem| */
  size_t max_bytes;           /* refuses beyond */
  size_t first_bytes;         /* of the first block; later ones double */
};

void arena_init(struct arena *a, const struct mem *m, size_t max_bytes);
void arena_deinit(struct arena *a);
/* Aligned for any type, not zeroed; NULL: refused.  |n| 0 gives a pointer that
 * must not be read. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
/* |n| elements of |size| bytes, zeroed; NULL also when the product overflows */
void *arena_array(struct arena *a, size_t n, size_t size);
/* Copy with a NUL behind it. */
char *arena_strndup(struct arena *a, const char *s, size_t n);

#endif
