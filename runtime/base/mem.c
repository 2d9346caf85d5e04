/* mem.c - allocator handles, accounts, arenas. */
#include "runtime/base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/gate.h"

static void *libc_fn(void *ud, void *ptr, size_t old_size, size_t new_size) {
  (void)ud;
  (void)old_size;
  gate_check(); /* malloc locks */
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

const struct mem mem_libc = {libc_fn, NULL};

void *mem_alloc(const struct mem *m, size_t n) {
  return m->fn(m->ud, NULL, 0, n);
}

void *mem_zalloc(const struct mem *m, size_t n) {
  void *p = mem_alloc(m, n);
  if (p)
    memset(p, 0, n);
  return p;
}

void *mem_realloc(const struct mem *m, void *p, size_t old_n, size_t new_n) {
  return m->fn(m->ud, p, old_n, new_n);
}

void mem_free(const struct mem *m, void *p, size_t n) {
  if (p)
    m->fn(m->ud, p, n, 0);
}

char *mem_strndup(const struct mem *m, const char *s, size_t n) {
  char *p = n == SIZE_MAX ? NULL : mem_alloc(m, n + 1);
  if (p) {
    if (n)
      memcpy(p, s, n);
    p[n] = '\0';
  }
  return p;
}

void *mem_grow(const struct mem *m, void *arr, size_t *cap, size_t need,
               size_t elem_size, size_t max) {
  size_t n = *cap;
  void *p;
  if (need <= n && arr)
    return arr;
  if (need > max)
    return NULL;
  if (n < 4)
    n = 4;
  while (n < need)
    n = n > max / 2 ? max : n * 2;
  if (n > max)
    n = max;
  if (n > SIZE_MAX / elem_size)
    return NULL;
  p = mem_realloc(m, arr, *cap * elem_size, n * elem_size);
  if (!p)
    return NULL;
  *cap = n;
  return p;
}

/* ------------------------------------------------------------- account --- */

static void *account_fn(void *ud, void *ptr, size_t old_size, size_t new_size) {
  struct account *a = ud;
  void *p;
  gate_check(); /* what is counted is held by somebody, or given back */
  if (!ptr)
    old_size = 0; /* Lua passes a type tag here */
  if (new_size > old_size && !account_allows(a, new_size - old_size)) {
    a->refused++;
    return NULL;
  }
  p = a->base.fn(a->base.ud, ptr, old_size, new_size);
  if (!p && new_size != 0)
    return NULL;
  a->used = a->used - old_size + new_size;
  if (account_used(a) > a->peak)
    a->peak = account_used(a);
  return p;
}

void account_init(struct account *a, const struct mem *base, size_t limit) {
  *a = (struct account){.base = *base, .limit = limit};
}

struct mem account_mem(struct account *a) {
  return (struct mem){account_fn, a};
}

/* --------------------------------------------------------------- arena --- */

#define ARENA_BLOCK 512 /* many arenas hold a name or two */
#define ARENA_BLOCK_MAX (256 * 1024)

/* Under AddressSanitizer every piece is a block of its own: it then sees who
 * reads past one, and a test that lets the n-th allocation fail reaches each of
 * them, not one in a hundred. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SINGLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SINGLE 1
#endif
#endif
#ifndef ARENA_SINGLE
#define ARENA_SINGLE 0
#endif

#define ALIGN                                                                  \
  sizeof(union {                                                               \
    long double d;                                                             \
    void *p;                                                                   \
    int64_t i;                                                                 \
  })

struct arena_block {
  struct arena_block *next;
  size_t size; /* of the whole block */
  size_t used; /* from its start, this header included */
};

void arena_init(struct arena *a, const struct mem *m, size_t max_bytes) {
  *a = (struct arena){
      .mem = *m, .max_bytes = max_bytes, .first_bytes = ARENA_BLOCK};
}

void arena_deinit(struct arena *a) {
  while (a->blocks) {
    struct arena_block *b = a->blocks;
    a->blocks = b->next;
    mem_free(&a->mem, b, b->size);
  }
  a->bytes = 0;
}

static size_t align_up(size_t n) {
  return (n + ALIGN - 1) & ~(ALIGN - 1);
}

/* A block of |size| bytes, of which |bytes| count. */
static struct arena_block *new_block(struct arena *a, size_t size,
                                     size_t bytes) {
  struct arena_block *b;

  if (bytes > a->max_bytes - a->bytes || !(b = mem_alloc(&a->mem, size)))
    return NULL;
  b->size = size;
  b->next = a->blocks;
  a->blocks = b;
  a->bytes += bytes;
  return b;
}

/* |n| bytes at a multiple of |align|. */
static void *take(struct arena *a, size_t n, size_t align) {
  struct arena_block *b = a->blocks;
  size_t head = align_up(sizeof *b), at = 0, size;
  if (n > SIZE_MAX / 2)
    return NULL;
  if (ARENA_SINGLE) {
    b = new_block(a, head + n, align_up(n));
    return b ? (char *)b + head : NULL;
  }
  if (b)
    at = (b->used + align - 1) & ~(align - 1);
  if (!b || at > b->size || n > b->size - at) {
    /* Blocks double, so that a large set costs few of them. */
    size = b ? b->size * 2 : a->first_bytes;
    if (b && size > ARENA_BLOCK_MAX)
      size = ARENA_BLOCK_MAX;
    if (n > size - head)
      size = align_up(n) + head;
    if (size > a->max_bytes - a->bytes)
      size = align_up(n) + head;
    b = new_block(a, size, size);
    if (!b)
      return NULL;
    at = head;
  }
  b->used = at + n;
  return (char *)b + at;
}

void *arena_alloc(struct arena *a, size_t n) {
  return take(a, n, ALIGN);
}

void *arena_zalloc(struct arena *a, size_t n) {
  void *p = arena_alloc(a, n);
  if (p)
    memset(p, 0, n);
  return p;
}

void *arena_array(struct arena *a, size_t n, size_t size) {
  if (size != 0 && n > SIZE_MAX / size)
    return NULL;
  return arena_zalloc(a, n * size);
}

char *arena_strndup(struct arena *a, const char *s, size_t n) {
  char *p = n == SIZE_MAX ? NULL : take(a, n + 1, 1);
  if (p) {
    if (n)
      memcpy(p, s, n);
    p[n] = '\0';
  }
  return p;
}
