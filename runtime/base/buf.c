/* buf.c - byte buffer whose maximum is fixed at init. */
#include "runtime/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/err.h"

void buf_init(struct buf *b, const struct mem *m, size_t max) {
  *b = (struct buf){.mem = *m, .max = max};
}

void buf_deinit(struct buf *b) {
  mem_free(&b->mem, b->data, b->cap);
  *b = (struct buf){.mem = b->mem};
}

void buf_clear(struct buf *b) {
  b->start = b->len = 0;
}

void buf_shrink(struct buf *b) {
  if (b->len == 0) {
    mem_free(&b->mem, b->data, b->cap);
    b->data = NULL;
    b->cap = b->start = 0;
  }
}

uint8_t *buf_reserve(struct buf *b, size_t n, int *ret_err) {
  size_t cap, unused;
  uint8_t *p;
  if (n > b->max - b->len) {
    if (ret_err)
      *ret_err = ERR_FULL;
    return NULL;
  }
  unused = b->cap - b->start - b->len;
  if (b->data && n <= unused)
    return b->data + b->start + b->len;
  /* Moving to the front is worth it when that frees at least half. */
  if (b->data && n <= b->cap - b->len && b->start >= b->cap / 2) {
    memmove(b->data, b->data + b->start, b->len);
    b->start = 0;
    return b->data + b->len;
  }
  cap = b->cap < 64 ? 64 : b->cap;
  while (cap < b->len + n)
    cap = cap > b->max / 2 ? b->max : cap * 2;
  if (cap < b->len + n) /* max below 64 */
    cap = b->len + n;
  /* A new block rather than realloc when there is a gap to drop. */
  if (b->start == 0) {
    p = mem_realloc(&b->mem, b->data, b->cap, cap);
  } else {
    p = mem_alloc(&b->mem, cap);
    if (p) {
      memcpy(p, b->data + b->start, b->len);
      mem_free(&b->mem, b->data, b->cap);
    }
  }
  if (!p) {
    if (ret_err)
      *ret_err = ERR_NOMEM;
    return NULL;
  }
  b->data = p;
  b->cap = cap;
  b->start = 0;
  return b->data + b->len;
}

void buf_commit(struct buf *b, size_t n) {
  b->len += n;
}

void buf_consume(struct buf *b, size_t n) {
  b->start += n;
  b->len -= n;
  if (b->len == 0)
    b->start = 0;
}

int buf_add(struct buf *b, const void *p, size_t n) {
  int rv = 0;
  uint8_t *to;
  if (n == 0)
    return 0;
  to = buf_reserve(b, n, &rv);
  if (!to)
    return rv;
  memcpy(to, p, n);
  b->len += n;
  return 0;
}

int buf_addc(struct buf *b, char c) {
  return buf_add(b, &c, 1);
}

int buf_adds(struct buf *b, const char *s) {
  return buf_add(b, s, strlen(s));
}

int buf_addf(struct buf *b, const char *fmt, ...) {
  va_list ap;
  int n, rv = 0;
  uint8_t *to;
  va_start(ap, fmt);
  n = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  if (n < 0)
    return ERR_INVALID;
  to = buf_reserve(b, (size_t)n + 1, &rv);
  if (!to)
    return rv;
  va_start(ap, fmt);
  vsnprintf((char *)to, (size_t)n + 1, fmt, ap);
  va_end(ap);
  b->len += (size_t)n;
  return 0;
}

int buf_terminate(struct buf *b) {
  int rv = 0;
  uint8_t *to = buf_reserve(b, 1, &rv);
  if (!to)
    return rv;
  *to = 0;
  return 0;
}
