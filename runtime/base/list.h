/* list.h - intrusive doubly linked list.  A node is in one list at most.  Lists
 * are the host's: what changes one is not left half-way (gate.h). */
#ifndef RUNTIME_BASE_LIST_H
#define RUNTIME_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/gate.h"

struct list {
  struct list *prev;
  struct list *next;
};

#define list_entry(ptr, type, member)                                          \
  ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Of a head: empty.  Of a node: in no list. */
static inline void list_init(struct list *l) {
  l->prev = l->next = l;
}
static inline bool list_empty(const struct list *l) {
  return l->next == l;
}
static inline void list_insert_after(struct list *at, struct list *node) {
  gate_check();
  node->prev = at;
  node->next = at->next;
  at->next->prev = node;
  at->next = node;
}
static inline void list_add_tail(struct list *head, struct list *node) {
  list_insert_after(head->prev, node);
}
static inline void list_add_head(struct list *head, struct list *node) {
  list_insert_after(head, node);
}
/* Harmless on a node that is in no list. */
static inline void list_remove(struct list *node) {
  gate_check();
  node->prev->next = node->next;
  node->next->prev = node->prev;
  list_init(node);
}
static inline struct list *list_pop(struct list *head) {
  struct list *first = head->next;
  if (first == head)
    return NULL;
  list_remove(first);
  return first;
}
/* Moves all of |from| to the end of |to|. */
static inline void list_splice_tail(struct list *to, struct list *from) {
  if (list_empty(from))
    return;
  gate_check();
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  list_init(from);
}

#define list_foreach(it, head)                                                 \
  for (struct list *it = (head)->next; it != (head); it = it->next)
/* |it| may be removed in the body. */
#define list_foreach_safe(it, head)                                            \
  for (struct list *it = (head)->next, *it##_next = it->next; it != (head);    \
       it = it##_next, it##_next = it->next)

#endif
