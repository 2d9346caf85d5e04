/* heap.h - intrusive binary min-heap over uint64 keys.  Nodes know their place,
 * so removing one is O(log n). */
#ifndef RUNTIME_BASE_HEAP_H
#define RUNTIME_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"

struct heap_node {
  uint64_t key;
  size_t place; /* index + 1; 0: in no heap */
};

struct heap {
  struct mem mem;
  struct heap_node **nodes;
  size_t len;
  size_t cap;
};

void heap_init(struct heap *h, const struct mem *m);
void heap_deinit(struct heap *h); /* nodes still inside are forgotten */
/* Makes sure that |n| nodes in all fit without allocating.  0 or ERR_NOMEM */
int heap_reserve(struct heap *h, size_t n);
/* 0 or ERR_NOMEM.  Equal keys leave in no promised order. */
int heap_insert(struct heap *h, struct heap_node *n, uint64_t key);
void heap_remove(struct heap *h, struct heap_node *n); /* harmless if outside */
static inline struct heap_node *heap_min(const struct heap *h) {
  return h->len ? h->nodes[0] : NULL;
}
static inline bool heap_contains(const struct heap_node *n) {
  return n->place != 0;
}

#endif
