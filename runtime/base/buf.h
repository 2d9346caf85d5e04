/* buf.h - byte buffer whose maximum is fixed at init. */
#ifndef RUNTIME_BASE_BUF_H
#define RUNTIME_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"

/* data[start .. start + len) is the content.  Zeroed memory is an empty buffer
 * that refuses everything. */
struct buf {
  struct mem mem;
  uint8_t *data;
  size_t start;
  size_t len;
  size_t cap;
  size_t max; /* of len */
};

void buf_init(struct buf *b, const struct mem *m, size_t max);
void buf_deinit(struct buf *b); /* leaves it empty, ready for buf_init */
void buf_clear(struct buf *b);  /* keeps the memory */
void buf_shrink(struct buf *b); /* gives the memory back if empty */

static inline uint8_t *buf_bytes(const struct buf *b) {
  return b->data ? b->data + b->start : NULL; /* NULL + 0 is undefined */
}
static inline struct slice buf_slice(const struct buf *b) {
  return (struct slice){(const char *)buf_bytes(b), b->len};
}

/* Room for |n| more bytes behind the content; write there, then buf_commit.
 * NULL: ERR_FULL or ERR_NOMEM in |*ret_err| (may be NULL). */
uint8_t *buf_reserve(struct buf *b, size_t n, int *ret_err);
void buf_commit(struct buf *b, size_t n);
/* Drops |n| <= len bytes at the front. */
void buf_consume(struct buf *b, size_t n);

/* 0, ERR_FULL or ERR_NOMEM; nothing is added on an error. */
int buf_add(struct buf *b, const void *p, size_t n);
int buf_addc(struct buf *b, char c);
int buf_adds(struct buf *b, const char *s);
int buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A NUL behind the content, not counted in len. */
int buf_terminate(struct buf *b);

#endif
