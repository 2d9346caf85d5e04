/* pattern_impl.h - what compiling, matching and writing of patterns share. */
#ifndef POLICY_PATTERN_IMPL_H
#define POLICY_PATTERN_IMPL_H

#include <string.h>

#include "policy/pattern.h"

static inline size_t count_stars(struct slice s) {
  size_t n = 0;
  for (size_t i = 0; i < s.len; i++)
    n += s.p[i] == '*';
  return n;
}

static inline size_t slice_find(struct slice s, size_t from, char c) {
  const char *hit = from < s.len ? memchr(s.p + from, c, s.len - from) : NULL;
  return hit ? (size_t)(hit - s.p) : s.len;
}

static inline struct slice slice_from(struct slice s, size_t at) {
  return (struct slice){s.p + at, s.len - at};
}

static inline struct slice slice_upto(struct slice s, size_t at) {
  return (struct slice){s.p, at};
}

static inline bool slice_ends(struct slice s, const char *tail) {
  size_t n = strlen(tail);
  return s.len >= n && memcmp(s.p + s.len - n, tail, n) == 0;
}

/* The length of "ws://", "wss://" or "*://" in front, in any case, or 0. */
size_t pattern_scheme(struct slice s, unsigned *ret_schemes);
const char *pattern_scheme_text(unsigned schemes);

#endif
