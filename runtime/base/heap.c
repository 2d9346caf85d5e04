/* heap.c - intrusive binary min-heap. */
#include "runtime/base/heap.h"

#include "runtime/base/err.h"
#include "runtime/base/gate.h"

void heap_init(struct heap *h, const struct mem *m) {
  *h = (struct heap){.mem = *m};
}

void heap_deinit(struct heap *h) {
  for (size_t i = 0; i < h->len; i++)
    h->nodes[i]->place = 0;
  mem_free(&h->mem, h->nodes, h->cap * sizeof *h->nodes);
  *h = (struct heap){.mem = h->mem};
}

int heap_reserve(struct heap *h, size_t n) {
  struct heap_node **p;
  if (n <= h->cap)
    return 0;
  p = mem_grow(&h->mem, h->nodes, &h->cap, n, sizeof *h->nodes,
               SIZE_MAX / sizeof *h->nodes);
  if (!p)
    return ERR_NOMEM;
  h->nodes = p;
  return 0;
}

static void put(struct heap *h, size_t i, struct heap_node *n) {
  h->nodes[i] = n;
  n->place = i + 1;
}

static void sift_up(struct heap *h, size_t i, struct heap_node *n) {
  while (i > 0 && h->nodes[(i - 1) / 2]->key > n->key) {
    put(h, i, h->nodes[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  put(h, i, n);
}

static void sift_down(struct heap *h, size_t i, struct heap_node *n) {
  for (;;) {
    size_t child = 2 * i + 1;
    if (child >= h->len)
      break;
    if (child + 1 < h->len && h->nodes[child + 1]->key < h->nodes[child]->key)
      child++;
    if (h->nodes[child]->key >= n->key)
      break;
    put(h, i, h->nodes[child]);
    i = child;
  }
  put(h, i, n);
}

int heap_insert(struct heap *h, struct heap_node *n, uint64_t key) {
  int rv = heap_reserve(h, h->len + 1);
  gate_check();
  if (rv != 0)
    return rv;
  n->key = key;
  sift_up(h, h->len++, n);
  return 0;
}

void heap_remove(struct heap *h, struct heap_node *n) {
  struct heap_node *last;
  size_t i;
  gate_check();
  if (n->place == 0)
    return;
  i = n->place - 1;
  n->place = 0;
  last = h->nodes[--h->len];
  if (last == n)
    return;
  if (i > 0 && h->nodes[(i - 1) / 2]->key > last->key)
    sift_up(h, i, last);
  else
    sift_down(h, i, last);
}
