/* str.h - slices, strict numbers, durations and sizes, UTF-8 check, escaping
 * for messages, the nearest known word. */
#ifndef RUNTIME_BASE_STR_H
#define RUNTIME_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes; no final NUL is promised. */
struct slice {
  const char *p;
  size_t len;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_of(const char *s) {
  return (struct slice){s, s ? strlen(s) : 0};
}
static inline bool slice_eq(struct slice a, struct slice b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
static inline bool slice_is(struct slice a, const char *s) {
  return slice_eq(a, slice_of(s));
}
bool slice_eq_nocase(struct slice a, struct slice b); /* ASCII case */
bool slice_starts(struct slice s, struct slice prefix);
int slice_cmp(struct slice a, struct slice b); /* bytes; as memcmp */
/* |whole| times the share of |a| and |b| that agrees at both ends: the longer
 * one's. */
unsigned slice_alike(struct slice a, struct slice b, unsigned whole);

/* ASCII only, whatever the locale. */
static inline bool ascii_digit(char c) {
  return c >= '0' && c <= '9';
}
static inline bool ascii_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline char ascii_upper(char c) {
  return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}
static inline char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}
int hex_digit(char c); /* 0-15, or -1 */
/* RFC 9110 token character */
bool http_token_char(char c);
bool http_token(struct slice s); /* not empty, all token characters */

/* The whole of |s| is a decimal number without sign or leading zero.
 * 0, ERR_SYNTAX or ERR_RANGE (above |max|). */
int str_u64(struct slice s, uint64_t max, uint64_t *ret);

/* Go's duration format, "1h30m", "-1.5s", "300ms", "0": nanoseconds.
 * 0, ERR_SYNTAX or ERR_RANGE. */
int str_duration(struct slice s, int64_t *ret_ns);

/* "64MiB", "1GB", "512k"?  No: digits and one of B KiB MiB GiB KB MB GB, or
 * plain digits for bytes.  0, ERR_SYNTAX or ERR_RANGE. */
int str_size(struct slice s, uint64_t *ret_bytes);

/* Length of the longest prefix that is valid UTF-8 (RFC 3629: no surrogates,
 * no overlong forms, nothing above U+10FFFF). */
size_t utf8_valid_prefix(const char *s, size_t len);
static inline bool utf8_valid(struct slice s) {
  return utf8_valid_prefix(s.p, s.len) == s.len;
}
/* UTF-8 of |cp| <= 0x10FFFF into |out[4]|; returns its length. */
size_t utf8_encode(uint32_t cp, char *out);

/* The same check for a text that comes in pieces.  Zeroed to start. */
struct utf8_stream {
  uint8_t need;  /* continuation bytes still to come */
  uint8_t lower; /* bounds of the next one, when need > 0 */
  uint8_t upper;
};
/* False at the first byte that cannot be part of valid UTF-8. */
bool utf8_stream_add(struct utf8_stream *u, const void *p, size_t len);
static inline bool utf8_stream_complete(const struct utf8_stream *u) {
  return u->need == 0;
}

/* Copies |s| for people: control characters, DEL, C1 controls, bidirectional
 * overrides and broken UTF-8 become \n, \x1b, \u{202e} ...; a text that does
 * not fit ends in "...".  Always NUL-terminated (cap >= 8); returns the length
 * written. */
size_t str_escape(char *out, size_t cap, struct slice s);

/* The entry of |words| (NULL-terminated) nearest to |s| by edits, or NULL when
 * none is near enough to be a misspelling. */
const char *str_nearest(struct slice s, const char *const *words);

#endif
