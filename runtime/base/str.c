/* str.c - slices, strict numbers, durations and sizes, UTF-8, escaping for
 * messages, the nearest known word. */
#include "runtime/base/str.h"

#include <limits.h>
#include <stdio.h>

#include "runtime/base/err.h"
#include "runtime/base/utf8_bulk.h"

bool slice_eq_nocase(struct slice a, struct slice b) {
  if (a.len != b.len)
    return false;
  for (size_t i = 0; i < a.len; i++)
    if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
      return false;
  return true;
}

bool slice_starts(struct slice s, struct slice prefix) {
  return s.len >= prefix.len &&
         slice_eq((struct slice){s.p, prefix.len}, prefix);
}

int slice_cmp(struct slice a, struct slice b) {
  size_t n = a.len < b.len ? a.len : b.len;
  int c = n ? memcmp(a.p, b.p, n) : 0;
  if (c != 0)
    return c;
  return a.len < b.len ? -1 : a.len > b.len;
}

unsigned slice_alike(struct slice a, struct slice b, unsigned whole) {
  size_t shorter = a.len < b.len ? a.len : b.len;
  size_t longer = a.len < b.len ? b.len : a.len;
  size_t front = 0, back = 0;
  if (longer == 0)
    return whole;
  while (front < shorter && a.p[front] == b.p[front])
    front++;
  while (back < shorter - front &&
         a.p[a.len - 1 - back] == b.p[b.len - 1 - back])
    back++;
  return (unsigned)((uint64_t)whole * (front + back) / longer);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

bool http_token_char(char c) {
  return ascii_alpha(c) || ascii_digit(c) ||
         (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool http_token(struct slice s) {
  for (size_t i = 0; i < s.len; i++)
    if (!http_token_char(s.p[i]))
      return false;
  return s.len > 0;
}

int str_u64(struct slice s, uint64_t max, uint64_t *ret) {
  uint64_t n = 0;
  if (s.len == 0 || (s.len > 1 && s.p[0] == '0'))
    return ERR_SYNTAX;
  for (size_t i = 0; i < s.len; i++)
    if (!ascii_digit(s.p[i]))
      return ERR_SYNTAX;
  for (size_t i = 0; i < s.len; i++) {
    uint64_t d = (uint64_t)(s.p[i] - '0');
    if (n > (UINT64_MAX - d) / 10)
      return ERR_RANGE;
    n = n * 10 + d;
  }
  if (n > max)
    return ERR_RANGE;
  *ret = n;
  return 0;
}

/* The unit at the front of |s|: its length in bytes, 0 if there is none. */
static size_t duration_unit(struct slice s, uint64_t *ret_ns) {
  static const struct {
    const char *name;
    uint64_t ns;
  } units[] = {/* longer names first where one begins another */
               {"ns", 1},
               {"us", 1000},
               {"\xc2\xb5s", 1000}, /* U+00B5 micro sign */
               {"\xce\xbcs", 1000}, /* U+03BC Greek mu */
               {"ms", 1000000},
               {"s", 1000000000},
               {"m", 60 * UINT64_C(1000000000)},
               {"h", 3600 * UINT64_C(1000000000)}};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    struct slice u = slice_of(units[i].name);
    if (slice_starts(s, u)) {
      *ret_ns = units[i].ns;
      return u.len;
    }
  }
  return 0;
}

/* Go's time.ParseDuration. */
int str_duration(struct slice s, int64_t *ret_ns) {
  uint64_t total = 0, limit = (uint64_t)INT64_MAX;
  bool negative = false;
  size_t i = 0;
  if (s.len > 0 && (s.p[0] == '-' || s.p[0] == '+')) {
    negative = s.p[0] == '-';
    i = 1;
    limit += negative;
  }
  if (s.len - i == 1 && s.p[i] == '0') {
    *ret_ns = 0;
    return 0;
  }
  if (i == s.len)
    return ERR_SYNTAX;
  while (i < s.len) {
    uint64_t whole = 0, part = 0, scale = 1, unit = 0, ns;
    size_t digits = 0, n;
    bool range = false;
    for (; i < s.len && ascii_digit(s.p[i]); i++, digits++) {
      uint64_t d = (uint64_t)(s.p[i] - '0');
      range |= whole > (limit - d) / 10;
      whole = range ? 0 : whole * 10 + d;
    }
    if (i < s.len && s.p[i] == '.') {
      for (i++; i < s.len && ascii_digit(s.p[i]); i++, digits++)
        /* digits that no nanosecond can show are read and dropped */
        if (scale < UINT64_C(100000000000000000)) {
          part = part * 10 + (uint64_t)(s.p[i] - '0');
          scale *= 10;
        }
    }
    if (digits == 0)
      return ERR_SYNTAX;
    n = duration_unit((struct slice){s.p + i, s.len - i}, &unit);
    if (n == 0)
      return ERR_SYNTAX;
    i += n;
    if (range || whole > limit / unit)
      return ERR_RANGE;
    ns = whole * unit;
    /* in doubles, as Go does: "0.3333333333333333333h" is 20 minutes */
    ns += (uint64_t)((double)part * ((double)unit / (double)scale));
    if (ns > limit || total > limit - ns)
      return ERR_RANGE;
    total += ns;
  }
  if (negative)
    *ret_ns = total == (uint64_t)INT64_MAX + 1 ? INT64_MIN : -(int64_t)total;
  else
    *ret_ns = (int64_t)total;
  return 0;
}

int str_size(struct slice s, uint64_t *ret_bytes) {
  static const struct {
    const char *name;
    uint64_t bytes;
  } units[] = {{"", 1},
               {"B", 1},
               {"KiB", UINT64_C(1) << 10},
               {"MiB", UINT64_C(1) << 20},
               {"GiB", UINT64_C(1) << 30},
               {"KB", 1000},
               {"MB", 1000000},
               {"GB", 1000000000}};
  size_t digits = 0;
  uint64_t n;
  int rv;
  while (digits < s.len && ascii_digit(s.p[digits]))
    digits++;
  rv = str_u64((struct slice){s.p, digits}, UINT64_MAX, &n);
  if (rv != 0)
    return rv;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (slice_is((struct slice){s.p + digits, s.len - digits}, units[i].name)) {
      if (n > UINT64_MAX / units[i].bytes)
        return ERR_RANGE;
      *ret_bytes = n * units[i].bytes;
      return 0;
    }
  return ERR_SYNTAX;
}

/* ---------------------------------------------------------------- UTF-8 --- */

/* RFC 3629 section 4: what the second byte may be, by the first. */
static bool utf8_lead(unsigned char c, struct utf8_stream *u) {
  u->lower = 0x80;
  u->upper = 0xbf;
  if (c >= 0xc2 && c <= 0xdf) {
    u->need = 1;
  } else if (c >= 0xe0 && c <= 0xef) {
    u->need = 2;
    if (c == 0xe0)
      u->lower = 0xa0;
    else if (c == 0xed)
      u->upper = 0x9f;
  } else if (c >= 0xf0 && c <= 0xf4) {
    u->need = 3;
    if (c == 0xf0)
      u->lower = 0x90;
    else if (c == 0xf4)
      u->upper = 0x8f;
  } else {
    return false;
  }
  return true;
}

static bool utf8_tail(unsigned char c, struct utf8_stream *u) {
  if (c < u->lower || c > u->upper)
    return false;
  u->need--;
  u->lower = 0x80;
  u->upper = 0xbf;
  return true;
}

/* Texts this long are worth a look at the bulk of them first. */
#define UTF8_BULK_MIN 128

/* Length of the run of ASCII at the front, eight bytes at a time. */
static size_t ascii_run(const unsigned char *p, size_t len) {
  size_t i = 0;
  uint64_t word;
  while (len - i >= sizeof word) {
    memcpy(&word, p + i, sizeof word);
    if (word & UINT64_C(0x8080808080808080))
      break;
    i += sizeof word;
  }
  while (i < len && p[i] < 0x80)
    i++;
  return i;
}

bool utf8_stream_add(struct utf8_stream *u, const void *data, size_t len) {
  const unsigned char *p = data;
  bool bulk = false;
  size_t i = 0;
  while (i < len) {
    if (u->need > 0) {
      if (!utf8_tail(p[i++], u))
        return false;
      continue;
    }
    if (!bulk && len - i >= UTF8_BULK_MIN) {
      i += utf8_bulk(p + i, len - i);
      bulk = true; /* what it has left is short, or wrong */
    }
    i += ascii_run(p + i, len - i);
    if (i < len && !utf8_lead(p[i++], u))
      return false;
  }
  return true;
}

size_t utf8_valid_prefix(const char *s, size_t len) {
  const unsigned char *p = (const unsigned char *)s;
  size_t i = 0, good = 0;
  struct utf8_stream u = {0, 0, 0};
  if (len >= UTF8_BULK_MIN)
    i = good = utf8_bulk(p, len);
  while (i < len) {
    if (u.need > 0) {
      if (!utf8_tail(p[i++], &u))
        return good;
    } else {
      i += ascii_run(p + i, len - i);
      good = i;
      if (i < len && !utf8_lead(p[i++], &u))
        return good;
    }
    if (u.need == 0)
      good = i;
  }
  return good;
}

size_t utf8_encode(uint32_t cp, char *out) {
  if (cp < 0x80) {
    out[0] = (char)cp;
    return 1;
  }
  if (cp < 0x800) {
    out[0] = (char)(0xc0 | (cp >> 6));
    out[1] = (char)(0x80 | (cp & 0x3f));
    return 2;
  }
  if (cp < 0x10000) {
    out[0] = (char)(0xe0 | (cp >> 12));
    out[1] = (char)(0x80 | ((cp >> 6) & 0x3f));
    out[2] = (char)(0x80 | (cp & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | (cp >> 18));
  out[1] = (char)(0x80 | ((cp >> 12) & 0x3f));
  out[2] = (char)(0x80 | ((cp >> 6) & 0x3f));
  out[3] = (char)(0x80 | (cp & 0x3f));
  return 4;
}

static uint32_t utf8_decode(const unsigned char *p, size_t n) {
  uint32_t cp = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
  for (size_t i = 1; i < n; i++)
    cp = cp << 6 | (p[i] & 0x3fu);
  return cp;
}

/* Characters that can lie about what a terminal shows: controls, line
 * separators, bidirectional marks (Unicode 15, Bidi_Control), BOM. */
static bool deceptive(uint32_t cp) {
  return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x61c ||
         (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
         (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff ||
         (cp >= 0xfff9 && cp <= 0xfffb) || (cp >= 0xe0000 && cp <= 0xe0fff);
}

/* One character of |p| for people, into |out|; returns how much was read. */
static size_t escape_one(const unsigned char *p, size_t len, char out[16]) {
  size_t n = 1;
  uint32_t cp;
  if (p[0] >= 0x80) {
    struct utf8_stream u = {0, 0, 0};
    size_t want = utf8_lead(p[0], &u) ? u.need + 1u : 0;
    if (want == 0 || want > len || !utf8_stream_add(&u, p + 1, want - 1)) {
      snprintf(out, 16, "\\x%02x", p[0]);
      return 1;
    }
    n = want;
  }
  cp = utf8_decode(p, n);
  if (!deceptive(cp)) {
    memcpy(out, p, n);
    out[n] = '\0';
  } else if (cp == '\n' || cp == '\r' || cp == '\t') {
    snprintf(out, 16, "\\%c", cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't');
  } else if (cp < 0x80) {
    snprintf(out, 16, "\\x%02x", (unsigned)cp);
  } else {
    snprintf(out, 16, "\\u{%x}", (unsigned)cp);
  }
  return n;
}

size_t str_escape(char *out, size_t cap, struct slice s) {
  size_t at = 0, last_fit = 0; /* where "..." can still be put */
  for (size_t i = 0; i < s.len;) {
    char one[16];
    size_t n = escape_one((const unsigned char *)s.p + i, s.len - i, one);
    size_t width = strlen(one);
    if (width >= cap - at) {
      memcpy(out + last_fit, "...", 4);
      return last_fit + 3;
    }
    memcpy(out + at, one, width);
    at += width;
    if (at + 4 <= cap)
      last_fit = at;
    i += n;
  }
  out[at] = '\0';
  return at;
}

/* ------------------------------------------------------------- nearest --- */

#define WORD_MAX 48

/* Optimal string alignment distance; both at most WORD_MAX long. */
static size_t distance(struct slice a, struct slice b) {
  size_t rows[3][WORD_MAX + 1];
  size_t *before = rows[0], *prev = rows[1], *cur = rows[2];
  for (size_t j = 0; j <= b.len; j++)
    prev[j] = before[j] = j;
  for (size_t i = 1; i <= a.len; i++) {
    size_t *swap = before;
    cur[0] = i;
    for (size_t j = 1; j <= b.len; j++) {
      bool same = ascii_lower(a.p[i - 1]) == ascii_lower(b.p[j - 1]);
      size_t best = prev[j - 1] + !same;
      if (prev[j] + 1 < best)
        best = prev[j] + 1;
      if (cur[j - 1] + 1 < best)
        best = cur[j - 1] + 1;
      if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
          a.p[i - 2] == b.p[j - 1] && before[j - 2] + 1 < best)
        best = before[j - 2] + 1;
      cur[j] = best;
    }
    before = prev;
    prev = cur;
    cur = swap;
  }
  return prev[b.len];
}

const char *str_nearest(struct slice s, const char *const *words) {
  const char *best = NULL;
  size_t best_distance = SIZE_MAX;
  if (s.len == 0 || s.len > WORD_MAX)
    return NULL;
  for (; *words; words++) {
    struct slice w = slice_of(*words);
    size_t d;
    if (w.len > WORD_MAX)
      continue;
    d = distance(s, w);
    /* a third of the word wrong, at most: "alow", "resorces", "effct" */
    if (d < best_distance && d <= (w.len + 2) / 3 && d < s.len) {
      best_distance = d;
      best = *words;
    }
  }
  return best;
}
