/* region.c - the memory of one lua_State, which can be thrown away at once. */
#include "runtime/vm/region.h"

#include <lua.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/gate.h"

#ifdef GATE_CHECKED /* AddressSanitizer sees free blocks that are touched */
void __asan_poison_memory_region(void const volatile *p, size_t n);
void __asan_unpoison_memory_region(void const volatile *p, size_t n);
#define HIDE(p, n) __asan_poison_memory_region(p, n)
#define SHOW(p, n) __asan_unpoison_memory_region(p, n)
#else
#define HIDE(p, n) ((void)0)
#define SHOW(p, n) ((void)0)
#endif

/* Blocks do not cross pages, so that a page whose blocks are all free can be
 * cut anew, in other sizes. */
#define PAGE ((size_t)4096)
#define CHUNK_MIN ((size_t)4096)
#define CHUNK_MAX ((size_t)1 << 20)
#define SLACK ((size_t)256 << 10)

struct region_block {
  struct region_block *next;
};

struct region_chunk {
  size_t size;
  size_t used; /* pages that were taken from it */
  size_t npages;
  uint16_t idle[]; /* while sweeping: free units of REGION_ALIGN in each page */
};

/* A block of the host's allocator.  Bytes for the script follow. */
struct large {
  struct list node;
  size_t size; /* of them */
  size_t unused;
};

_Static_assert(sizeof(struct large) % REGION_ALIGN == 0, "blocks are aligned");

static size_t align_up(size_t n) {
  return (n + REGION_ALIGN - 1) & ~(size_t)(REGION_ALIGN - 1);
}

static size_t class_of(size_t n) {
  return (n - 1) / REGION_ALIGN;
}

static size_t class_size(size_t c) {
  return (c + 1) * REGION_ALIGN;
}

void region_init(struct region *r, const struct mem *base, struct account *a) {
  memset(r, 0, sizeof *r);
  r->base = *base;
  r->account = a;
  list_init(&r->large);
}

/* ------------------------------------------------------------- chunks --- */

static char *page_at(struct region_chunk *c, size_t i) {
  size_t head = align_up(sizeof *c + c->npages * sizeof c->idle[0]);
  return (char *)c + head + i * PAGE;
}

/* The last page may be shorter: the header takes from it. */
static size_t page_size(const struct region_chunk *c, size_t i) {
  size_t head = align_up(sizeof *c + c->npages * sizeof c->idle[0]);
  size_t left = c->size - head - i * PAGE;
  return left < PAGE ? left : PAGE;
}

/* May |more| bytes be held?  A script that keeps one block of every page holds
 * much more than it is charged for. */
static bool may_hold(const struct region *r, size_t more) {
  size_t limit = r->account->limit, slack = limit / 4 + SLACK;
  size_t cap = slack > SIZE_MAX - limit ? SIZE_MAX : limit + slack;
  return r->held <= cap && more <= cap - r->held;
}

/* |size| is a multiple of PAGE. */
static bool chunk_new(struct region *r, size_t size) {
  struct region_chunk *c, **chunks;
  size_t at = 0;
  if (!may_hold(r, size))
    return false;
  gate_enter();
  chunks = mem_grow(&r->base, r->chunks, &r->cap, r->nchunks + 1,
                    sizeof *r->chunks, SIZE_MAX / sizeof *r->chunks);
  if (chunks)
    r->chunks = chunks;
  c = chunks ? mem_alloc(&r->base, size) : NULL;
  if (c) {
    c->size = size;
    c->used = 0;
    c->npages = size / PAGE;
    while (at < r->nchunks && (uintptr_t)r->chunks[at] < (uintptr_t)c)
      at++;
    memmove(r->chunks + at + 1, r->chunks + at,
            (r->nchunks - at) * sizeof *r->chunks);
    r->chunks[at] = c;
    r->nchunks++;
    r->held += size;
    r->uncut = c;
    HIDE(page_at(c, 0), size - (size_t)(page_at(c, 0) - (char *)c));
  }
  gate_leave();
  return c != NULL;
}

static void chunk_free(struct region *r, size_t at) {
  struct region_chunk *c = r->chunks[at];
  gate_enter();
  r->nchunks--;
  memmove(r->chunks + at, r->chunks + at + 1,
          (r->nchunks - at) * sizeof *r->chunks);
  r->held -= c->size;
  SHOW(c, c->size);
  mem_free(&r->base, c, c->size);
  gate_leave();
}

/* Where in |r->chunks| the chunk of |p| is; |r->nchunks|: nowhere. */
static size_t chunk_of(const struct region *r, const void *p) {
  size_t low = 0, high = r->nchunks;
  uintptr_t a = (uintptr_t)p;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if ((uintptr_t)r->chunks[middle] <= a)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0 || a - (uintptr_t)r->chunks[low - 1] >= r->chunks[low - 1]->size)
    return r->nchunks;
  return low - 1;
}

/* ------------------------------------------------------------- sweeping --- */

static void put_free(struct region *r, void *p, size_t c) {
  struct region_block *b = p;
  SHOW(b, sizeof *b);
  b->next = r->free[c];
  r->free[c] = b;
  HIDE(p, class_size(c));
}

static struct region_block *next_of(struct region_block *b) {
  struct region_block *next;
  SHOW(b, sizeof *b);
  next = b->next;
  HIDE(b, sizeof *b);
  return next;
}

/* The counter of the page of |b|, or NULL: it is in none. */
static uint16_t *idle_of(const struct region *r, const void *b, size_t *last) {
  struct region_chunk *c;
  if (*last >= r->nchunks || (uintptr_t)b < (uintptr_t)r->chunks[*last] ||
      (uintptr_t)b - (uintptr_t)r->chunks[*last] >= r->chunks[*last]->size)
    *last = chunk_of(r, b);
  if (*last == r->nchunks)
    return NULL;
  c = r->chunks[*last];
  return &c->idle[(size_t)((const char *)b - page_at(c, 0)) / PAGE];
}

static bool page_is_idle(const struct region_chunk *c, size_t i) {
  return i < c->used && c->idle[i] == page_size(c, i) / REGION_ALIGN;
}

/* What is left of the page that is being cut up becomes blocks. */
static void put_rest(struct region *r) {
  while (r->at != r->end) {
    size_t left = (size_t)(r->end - r->at);
    size_t size = left < REGION_SMALL_MAX ? left : REGION_SMALL_MAX;
    put_free(r, r->at, class_of(size));
    r->at += size;
  }
}

/* Takes the blocks of wholly free pages from the lists, and makes pages of them
 * again; chunks that have no other pages go back to the host. */
static void sweep(struct region *r) {
  size_t last = 0;
  put_rest(r); /* no page is half cut then */
  for (size_t i = 0; i < r->nchunks; i++)
    memset(r->chunks[i]->idle, 0,
           r->chunks[i]->npages * sizeof r->chunks[i]->idle[0]);
  for (size_t c = 0; c < REGION_CLASSES; c++)
    for (struct region_block *b = r->free[c]; b; b = next_of(b)) {
      uint16_t *idle = idle_of(r, b, &last);
      if (idle)
        *idle = (uint16_t)(*idle + c + 1);
    }
  for (struct region_block *p = r->pages; p; p = next_of(p)) {
    uint16_t *idle = idle_of(r, p, &last);
    size_t i = (size_t)(idle - r->chunks[last]->idle);
    *idle = (uint16_t)(page_size(r->chunks[last], i) / REGION_ALIGN);
  }
  for (size_t c = 0; c < REGION_CLASSES; c++) {
    struct region_block *b = r->free[c], *next;
    r->free[c] = NULL;
    for (; b; b = next) {
      uint16_t *idle = idle_of(r, b, &last);
      next = next_of(b);
      if (idle &&
          page_is_idle(r->chunks[last], (size_t)(idle - r->chunks[last]->idle)))
        continue;
      put_free(r, b, c);
    }
  }
  r->pages = NULL;
  r->cut = 0;
  for (size_t k = r->nchunks; k-- > 0;) {
    struct region_chunk *c = r->chunks[k];
    struct region_block *pages = r->pages;
    size_t idle = 0;
    for (size_t i = 0; i < c->used; i++) {
      struct region_block *p = (struct region_block *)(void *)page_at(c, i);
      if (!page_is_idle(c, i)) {
        r->cut += page_size(c, i);
        continue;
      }
      idle++;
      SHOW(p, sizeof *p);
      p->next = pages;
      pages = p;
      HIDE(p, sizeof *p);
    }
    if (idle == c->used && idle > 0) {
      if (r->uncut == c)
        r->uncut = NULL;
      chunk_free(r, k);
    } else {
      r->pages = pages;
    }
  }
  r->swept_cut = r->cut;
}

/* ---------------------------------------------------------------- pages --- */

static size_t free_bytes(const struct region *r) {
  return r->cut > r->small ? r->cut - r->small : 0;
}

static bool have_page(const struct region *r) {
  return r->pages || (r->uncut && r->uncut->used < r->uncut->npages);
}

static bool more_pages(struct region *r) {
  /* What was taken and is not needed yet is at most a quarter; and an idle
   * script of many wastes no more than what is left of a page. */
  size_t size = r->cut / 4 & ~(PAGE - 1);
  /* It costs time in proportion to what is free: only if that is much, and
   * much has happened since the last time. */
  if (free_bytes(r) > r->cut / 4 + SLACK / 4 &&
      r->cut > r->swept_cut + r->swept_cut / 8) {
    sweep(r);
    if (have_page(r))
      return true;
  }
  if (size < CHUNK_MIN)
    size = CHUNK_MIN;
  if (size > CHUNK_MAX)
    size = CHUNK_MAX;
  if (chunk_new(r, size) || (size > CHUNK_MIN && chunk_new(r, CHUNK_MIN)))
    return true;
  if (free_bytes(r) < PAGE)
    return false;
  sweep(r);
  return have_page(r);
}

/* The next page to be cut up.  What is left of the last one becomes a block. */
static bool next_page(struct region *r) {
  struct region_chunk *c;
  if (!have_page(r) && !more_pages(r))
    return false;
  put_rest(r);
  if (r->pages) {
    size_t k = chunk_of(r, r->pages);
    c = r->chunks[k];
    r->at = (char *)r->pages;
    r->pages = next_of(r->pages);
    r->end = r->at + page_size(c, (size_t)(r->at - page_at(c, 0)) / PAGE);
  } else {
    c = r->uncut;
    r->at = page_at(c, c->used);
    r->end = r->at + page_size(c, c->used);
    c->used++;
  }
  r->cut += (size_t)(r->end - r->at);
  return true;
}

/* ------------------------------------------------------------- blocks --- */

/* NULL: none is free */
static inline void *free_take(struct region *r, size_t n) {
  size_t c = class_of(n), size = class_size(c);
  struct region_block *b = r->free[c];
  if (!b)
    return NULL;
  SHOW(b, size);
  r->free[c] = b->next;
  r->small += size;
  return b;
}

static void *small_take(struct region *r, size_t n) {
  size_t size = class_size(class_of(n));
  struct region_block *b = free_take(r, n);
  if (b)
    return b;
  while ((size_t)(r->end - r->at) < size)
    if (!next_page(r))
      return NULL;
  b = (struct region_block *)(void *)r->at;
  r->at += size;
  SHOW(b, size);
  r->small += size;
  return b;
}

static void small_give(struct region *r, void *p, size_t n) {
  size_t c = class_of(n);
  put_free(r, p, c);
  r->small -= class_size(c);
}

static struct large *large_of(void *p) {
  return (struct large *)(void *)((char *)p - sizeof(struct large));
}

/* May |more| bytes be held, once the pages that are wholly free have gone back?
 */
static bool make_way(struct region *r, size_t more) {
  if (!may_hold(r, more) && free_bytes(r) >= PAGE)
    sweep(r);
  return may_hold(r, more);
}

static void *large_take(struct region *r, size_t n) {
  struct large *l = NULL;
  if (n > SIZE_MAX / 2 || !make_way(r, n + sizeof *l))
    return NULL;
  gate_enter();
  l = mem_alloc(&r->base, n + sizeof *l);
  if (l) {
    l->size = n;
    list_add_tail(&r->large, &l->node);
    r->held += n + sizeof *l;
  }
  gate_leave();
  return l ? l + 1 : NULL;
}

static void large_give(struct region *r, void *p) {
  struct large *l = large_of(p);
  gate_enter();
  list_remove(&l->node);
  r->held -= l->size + sizeof *l;
  mem_free(&r->base, l, l->size + sizeof *l);
  gate_leave();
}

static void *large_resize(struct region *r, void *p, size_t n) {
  struct large *l = large_of(p), *to;
  if (n > SIZE_MAX / 2 || (n > l->size && !make_way(r, n - l->size)))
    return NULL;
  gate_enter();
  list_remove(&l->node);
  to = mem_realloc(&r->base, l, l->size + sizeof *l, n + sizeof *l);
  if (to) {
    r->held = r->held - to->size + n;
    to->size = n;
    l = to;
  }
  list_add_tail(&r->large, &l->node);
  gate_leave();
  return to ? to + 1 : NULL;
}

static void *take(struct region *r, size_t n) {
  return n <= REGION_SMALL_MAX ? small_take(r, n) : large_take(r, n);
}

static void give(struct region *r, void *p, size_t n) {
  if (n <= REGION_SMALL_MAX)
    small_give(r, p, n);
  else
    large_give(r, p);
}

/* But for the main thread, which is larger and never freed alone. */
static void *thread_take(struct region *r, size_t n) {
  char *p = small_take(r, n + REGION_THREAD_AT);
  return p ? p + REGION_THREAD_AT : NULL;
}

static bool is_thread(const void *p) {
  return (uintptr_t)p % REGION_ALIGN == REGION_THREAD_AT;
}

static void thread_give(struct region *r, void *p, size_t n) {
  r->counted -= (*(const uintptr_t *)p & REGION_COUNTED) != 0;
  small_give(r, (char *)p - REGION_THREAD_AT, n + REGION_THREAD_AT);
}

static void *move(struct region *r, void *p, size_t old_n, size_t new_n) {
  void *to;
  if (old_n == 0) /* Lua never says so, the contract of mem_fn might */
    return take(r, new_n);
  if (old_n <= REGION_SMALL_MAX && new_n <= REGION_SMALL_MAX &&
      class_of(old_n) == class_of(new_n))
    return p;
  if (old_n > REGION_SMALL_MAX && new_n > REGION_SMALL_MAX)
    return large_resize(r, p, new_n);
  to = take(r, new_n);
  if (to) {
    memcpy(to, p, old_n < new_n ? old_n : new_n);
    give(r, p, old_n);
    return to;
  }
  if (new_n > old_n)
    return NULL;
  /* Making smaller must not fail: it stays where it is, and serves as a smaller
   * block until the end. */
  if (old_n <= REGION_SMALL_MAX)
    r->small -= class_size(class_of(old_n));
  r->small += class_size(class_of(new_n));
  return p;
}

static bool is_small(size_t n) {
  return n - 1 < REGION_SMALL_MAX; /* and not 0 */
}

/* Any call; |region_alloc| leaves those to it that are not the usual ones, and
 * stays short. */
__attribute__((noinline)) static void *alloc(struct region *r, void *ptr,
                                             size_t old_size, size_t new_size) {
  struct account *a = r->account;
  bool thread = false;
  if (!ptr) {
    if (new_size == 0)
      return NULL;
    thread = old_size == LUA_TTHREAD &&
             new_size <= REGION_SMALL_MAX - REGION_THREAD_AT;
    old_size = 0; /* it was a type tag */
  } else if (new_size == 0) {
    if (r->keeps)
      return NULL;
    if (is_thread(ptr))
      thread_give(r, ptr, old_size);
    else if (old_size != 0)
      give(r, ptr, old_size);
    account_outside(a, old_size, 0);
    return NULL;
  }
  if (new_size <= old_size || account_allows(a, new_size - old_size)) {
    if (ptr)
      ptr = move(r, ptr, old_size, new_size);
    else
      ptr = thread ? thread_take(r, new_size) : take(r, new_size);
    if (ptr) {
      account_outside(a, old_size, new_size);
      r->failing = r->failing && new_size <= old_size;
      return ptr;
    }
  }
  a->refused++;
  /* Lua collects its garbage and asks once more, with nothing between the two
   * but what makes blocks smaller */
  r->failures += r->failing;
  r->failing = !r->failing;
  return NULL;
}

/* Nearly every call wants a small block where one is free, or gives one back.
 */
void *region_alloc(void *ud, void *ptr, size_t old_size, size_t new_size) {
  struct region *r = ud;
  void *b;
  if (!ptr && is_small(new_size) && old_size != LUA_TTHREAD) {
    if (account_allows(r->account, new_size) &&
        (b = free_take(r, new_size)) != NULL) {
      account_outside(r->account, 0, new_size);
      r->failing = false;
      return b;
    }
  } else if (ptr && new_size == 0 && is_small(old_size) && !is_thread(ptr) &&
             !r->keeps) {
    small_give(r, ptr, old_size);
    account_outside(r->account, old_size, 0);
    return NULL;
  }
  return alloc(r, ptr, old_size, new_size);
}

void region_drop(struct region *r) {
  struct mem base = r->base;
  struct account *a = r->account;
  struct list *node;
  while ((node = list_pop(&r->large))) {
    struct large *l = list_entry(node, struct large, node);
    mem_free(&base, l, l->size + sizeof *l);
  }
  for (size_t i = 0; i < r->nchunks; i++) {
    SHOW(r->chunks[i], r->chunks[i]->size);
    mem_free(&base, r->chunks[i], r->chunks[i]->size);
  }
  mem_free(&base, r->chunks, r->cap * sizeof *r->chunks);
  a->outside = 0;
  region_init(r, &base, a);
}
