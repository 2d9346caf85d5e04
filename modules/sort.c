/* sort.c - sorting that can be stopped half-way. */
#include "modules/sort.h"

#include "modules/json.h"

struct sort {
  lua_State *L;
  char *base;
  size_t size;
  sort_cmp_fn *cmp;
  unsigned steps;
};

static char *at(const struct sort *s, size_t i) {
  return s->base + i * s->size;
}

static void swap(const struct sort *s, size_t i, size_t j) {
  char *a = at(s, i), *b = at(s, j);
  for (size_t n = 0; n < s->size; n++) {
    char c = a[n];
    a[n] = b[n];
    b[n] = c;
  }
}

static void sift_down(struct sort *s, size_t root, size_t n) {
  for (;;) {
    size_t child = 2 * root + 1;
    if (child >= n)
      return;
    json_step(s->L, &s->steps);
    if (child + 1 < n && s->cmp(at(s, child), at(s, child + 1)) < 0)
      child++;
    if (s->cmp(at(s, root), at(s, child)) >= 0)
      return;
    swap(s, root, child);
    root = child;
  }
}

void sort_heap(lua_State *L, void *base, size_t n, size_t size,
               sort_cmp_fn *cmp) {
  struct sort s = {.L = L, .base = base, .size = size, .cmp = cmp};
  for (size_t i = n / 2; i-- > 0;)
    sift_down(&s, i, n);
  for (size_t end = n; end-- > 1;) {
    swap(&s, 0, end);
    sift_down(&s, 0, end);
  }
}
