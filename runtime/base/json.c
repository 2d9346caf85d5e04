/* json.c - RFC 8259: a pull lexer that checks the grammar, a value builder, and
 * the two texts that are hard to write right: strings and doubles. */
#include "runtime/base/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What may come next. */
enum {
  EXPECT_VALUE,
  EXPECT_VALUE_OR_END, /* behind '[' */
  EXPECT_KEY,          /* behind ',' in an object */
  EXPECT_KEY_OR_END,   /* behind '{' */
  EXPECT_COMMA,        /* behind a value in an array or object */
  EXPECT_NOTHING,      /* behind the whole value */
  EXPECT_FAILED
};

void json_lexer_init(struct json_lexer *lx, struct slice text,
                     struct err *error) {
  memset(lx, 0, sizeof *lx);
  lx->text = text.p;
  lx->len = text.len;
  lx->error = error;
  lx->expect = EXPECT_VALUE;
}

static enum json_token fail(struct json_lexer *lx, size_t at, const char *what,
                            const char *expected) {
  uint32_t line = 1, column = 1;
  char source[sizeof lx->error->source];
  char got[16];

  lx->expect = EXPECT_FAILED;
  if (!lx->error)
    return JSON_ERROR;
  for (size_t i = 0; i < at; i++) {
    column++;
    if (lx->text[i] == '\n') {
      line++;
      column = 1;
    }
  }
  if (!what) {
    unsigned char c = at < lx->len ? (unsigned char)lx->text[at] : 0;
    if (at >= lx->len)
      snprintf(got, sizeof got, "end of input");
    else if (c > ' ' && c < 0x7F)
      snprintf(got, sizeof got, "'%c'", c);
    else
      snprintf(got, sizeof got, "byte 0x%02x", c);
    what = got;
  }
  memcpy(source, lx->error->source, sizeof source);
  if (expected)
    err_at(lx->error, ERR_SYNTAX, NULL, line, column,
           what == got ? "unexpected %s, expected %s" : "%s, expected %s", what,
           expected);
  else
    err_at(lx->error, ERR_SYNTAX, NULL, line, column, "%s", what);
  memcpy(lx->error->source, source, sizeof source);
  return JSON_ERROR;
}

static bool nest_is_object(const struct json_lexer *lx) {
  unsigned top = lx->depth - 1;

  return (lx->nest[top / 8] >> (top % 8)) & 1;
}

/* A value is complete: what follows depends on where it stands. */
static void value_done(struct json_lexer *lx) {
  lx->expect = lx->depth ? EXPECT_COMMA : EXPECT_NOTHING;
}

static enum json_token nest_begin(struct json_lexer *lx, bool object) {
  unsigned top = lx->depth;
  uint8_t bit = (uint8_t)(1U << (top % 8));

  if (top == JSON_MAX_DEPTH)
    return fail(lx, lx->pos, "nested too deeply", "at most 128 levels");
  if (object)
    lx->nest[top / 8] = (uint8_t)(lx->nest[top / 8] | bit);
  else
    lx->nest[top / 8] = (uint8_t)(lx->nest[top / 8] & ~bit);
  lx->depth++;
  lx->pos++;
  lx->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
  return object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
}

static enum json_token nest_end(struct json_lexer *lx) {
  enum json_token t = nest_is_object(lx) ? JSON_OBJECT_END : JSON_ARRAY_END;

  lx->depth--;
  lx->pos++;
  value_done(lx);
  return t;
}

/* The four digits behind \u, or -1. */
static int32_t hex4(const char *p, size_t len) {
  int32_t v = 0;

  if (len < 4)
    return -1;
  for (size_t i = 0; i < 4; i++) {
    int d = hex_digit(p[i]);
    if (d < 0)
      return -1;
    v = v * 16 + d;
  }
  return v;
}

static bool is_high_surrogate(int32_t c) {
  return c >= 0xD800 && c <= 0xDBFF;
}
static bool is_low_surrogate(int32_t c) {
  return c >= 0xDC00 && c <= 0xDFFF;
}

/* Length of the escape at |pos|, which holds a backslash; 0 after fail(). */
static size_t check_escape(struct json_lexer *lx, size_t pos) {
  const char *p = lx->text + pos;
  size_t left = lx->len - pos;
  int32_t c;

  if (left < 2) {
    fail(lx, lx->len, "string without end", "'\"'");
    return 0;
  }
  if (p[1] != 'u') {
    if (p[1] != '\0' && strchr("\"\\/bfnrt", p[1]))
      return 2;
    fail(lx, pos, "unknown escape",
         "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t "
         "\\uXXXX");
    return 0;
  }
  if ((c = hex4(p + 2, left - 2)) < 0) {
    fail(lx, pos, "bad \\u escape", "four hexadecimal digits");
    return 0;
  }
  if (is_low_surrogate(c)) {
    fail(lx, pos, "low surrogate without a high one before it", NULL);
    return 0;
  }
  if (!is_high_surrogate(c))
    return 6;
  if (left < 12 || p[6] != '\\' || p[7] != 'u' ||
      !is_low_surrogate(hex4(p + 8, left - 8))) {
    fail(lx, pos, "high surrogate without a low one behind it", NULL);
    return 0;
  }
  return 12;
}

/* |pos| is at the opening quote.  Leaves |pos| behind the closing one. */
static bool lex_string(struct json_lexer *lx) {
  size_t start = lx->pos + 1, pos = start, step, good;
  bool ascii = true;

  lx->escaped = false;
  for (;; pos += step) {
    unsigned char c;
    step = 1;
    if (pos >= lx->len) {
      fail(lx, lx->len, "string without end", "'\"'");
      return false;
    }
    c = (unsigned char)lx->text[pos];
    if (c == '"')
      break;
    if (c < 0x20) {
      fail(lx, pos, "raw control character in a string", "an escape");
      return false;
    }
    if (c >= 0x80)
      ascii = false;
    if (c == '\\') {
      lx->escaped = true;
      if ((step = check_escape(lx, pos)) == 0)
        return false;
    }
  }
  lx->raw = (struct slice){lx->text + start, pos - start};
  if (!ascii &&
      (good = utf8_valid_prefix(lx->raw.p, lx->raw.len)) != lx->raw.len) {
    fail(lx, start + good, "invalid UTF-8", NULL);
    return false;
  }
  lx->pos = pos + 1;
  return true;
}

/* More significant digits than any double, or any midpoint between two, has:
 * what follows them can only break a tie (see Clinger 1990; 768 for
 * binary64).*/
#define DECIMAL_MAX_DIGITS 800

/* A decimal number: 0.d1d2d3... times ten to |exponent|. */
struct decimal {
  bool negative;
  unsigned ndigits;
  int64_t exponent;
  char digits[DECIMAL_MAX_DIGITS + 1];
};

static void decimal_add(struct decimal *d, char digit, bool fraction) {
  if (d->ndigits == 0 && digit == '0') {
    d->exponent -= fraction;
    return;
  }
  d->exponent += !fraction;
  if (d->ndigits < DECIMAL_MAX_DIGITS)
    d->digits[d->ndigits++] = digit;
  else if (digit != '0')
    d->digits[DECIMAL_MAX_DIGITS - 1] = '1'; /* sticky: above a tie */
}

/* strtod reads a decimal point as the locale of the host writes it, so it is
 * given a text that has none. */
static double decimal_to_double(const struct decimal *d) {
  char text[DECIMAL_MAX_DIGITS + 32];
  double v;
  int saved = errno;

  if (d->ndigits == 0)
    return d->negative ? -0.0 : 0.0;
  snprintf(text, sizeof text, "%s%.*se%lld", d->negative ? "-" : "",
           (int)d->ndigits, d->digits,
           (long long)(d->exponent - (int64_t)d->ndigits));
  v = strtod(text, NULL);
  errno = saved;
  return v;
}

#define EXPONENT_MAX INT64_C(1000000000000000)

/* From the sign or first digit.  Integers that fit an int64 stay integers, "-0"
 * among them: it is the integer 0. */
static enum json_token lex_number(struct json_lexer *lx) {
  const char *p = lx->text;
  size_t start = lx->pos, pos = start, len = lx->len;
  struct decimal d;
  uint64_t magnitude = 0;
  bool fits = true, integral = true;

  d.negative = p[pos] == '-';
  d.ndigits = 0;
  d.exponent = 0;
  pos += d.negative;
  if (pos >= len || !ascii_digit(p[pos]))
    return fail(lx, pos, NULL, "a digit");
  if (p[pos] == '0' && pos + 1 < len && ascii_digit(p[pos + 1]))
    return fail(lx, pos, "number with a leading zero", NULL);
  for (; pos < len && ascii_digit(p[pos]); pos++) {
    unsigned digit = (unsigned)(p[pos] - '0');
    if (magnitude > (UINT64_MAX - digit) / 10)
      fits = false;
    else
      magnitude = magnitude * 10 + digit;
    decimal_add(&d, p[pos], false);
  }
  if (pos < len && p[pos] == '.') {
    integral = false;
    if (++pos >= len || !ascii_digit(p[pos]))
      return fail(lx, pos, NULL, "a digit");
    for (; pos < len && ascii_digit(p[pos]); pos++)
      decimal_add(&d, p[pos], true);
  }
  if (pos < len && (p[pos] == 'e' || p[pos] == 'E')) {
    bool negative = false;
    int64_t e = 0;
    integral = false;
    pos++;
    if (pos < len && (p[pos] == '+' || p[pos] == '-'))
      negative = p[pos++] == '-';
    if (pos >= len || !ascii_digit(p[pos]))
      return fail(lx, pos, NULL, "a digit");
    for (; pos < len && ascii_digit(p[pos]); pos++)
      if (e < EXPONENT_MAX)
        e = e * 10 + (p[pos] - '0');
    d.exponent += negative ? -e : e;
  }
  if (integral && fits &&
      magnitude <= (uint64_t)INT64_MAX + (uint64_t)d.negative) {
    /* two's complement: also right for INT64_MIN, whose magnitude has no
     * positive int64 */
    lx->integer = (int64_t)(d.negative ? 0 - magnitude : magnitude);
    lx->pos = pos;
    value_done(lx);
    return JSON_INT;
  }
  lx->number = decimal_to_double(&d);
  if (!isfinite(lx->number))
    return fail(lx, start, "number out of range", NULL);
  lx->pos = pos;
  value_done(lx);
  return JSON_FLOAT;
}

static enum json_token lex_word(struct json_lexer *lx, const char *word,
                                enum json_token t) {
  size_t n = strlen(word);

  if (lx->len - lx->pos < n || memcmp(lx->text + lx->pos, word, n) != 0)
    return fail(lx, lx->pos, NULL, "a value");
  lx->pos += n;
  value_done(lx);
  return t;
}

static void skip_space(struct json_lexer *lx) {
  while (lx->pos < lx->len &&
         (lx->text[lx->pos] == ' ' || lx->text[lx->pos] == '\t' ||
          lx->text[lx->pos] == '\n' || lx->text[lx->pos] == '\r'))
    lx->pos++;
}

static enum json_token lex_value(struct json_lexer *lx, const char *expected) {
  char c = lx->pos < lx->len ? lx->text[lx->pos] : '\0';

  if (c == '"') {
    if (!lex_string(lx))
      return JSON_ERROR;
    value_done(lx);
    return JSON_STRING;
  }
  if (c == '{' || c == '[')
    return nest_begin(lx, c == '{');
  if (c == '-' || ascii_digit(c))
    return lex_number(lx);
  if (c == 't')
    return lex_word(lx, "true", JSON_TRUE);
  if (c == 'f')
    return lex_word(lx, "false", JSON_FALSE);
  if (c == 'n')
    return lex_word(lx, "null", JSON_NULL);
  return fail(lx, lx->pos, NULL, expected);
}

static enum json_token lex_key(struct json_lexer *lx, const char *expected) {
  if (lx->pos >= lx->len || lx->text[lx->pos] != '"')
    return fail(lx, lx->pos, NULL, expected);
  if (!lex_string(lx))
    return JSON_ERROR;
  skip_space(lx);
  if (lx->pos >= lx->len || lx->text[lx->pos] != ':')
    return fail(lx, lx->pos, NULL, "':'");
  lx->pos++;
  lx->expect = EXPECT_VALUE;
  return JSON_KEY;
}

enum json_token json_next(struct json_lexer *lx) {
  char c;

  if (lx->expect == EXPECT_FAILED)
    return JSON_ERROR;
  skip_space(lx);
  c = lx->pos < lx->len ? lx->text[lx->pos] : '\0';
  if (lx->expect == EXPECT_COMMA) {
    bool object = nest_is_object(lx);
    if (c == (object ? '}' : ']'))
      return nest_end(lx);
    if (c != ',')
      return fail(lx, lx->pos, NULL, object ? "',' or '}'" : "',' or ']'");
    lx->pos++;
    lx->expect = object ? EXPECT_KEY : EXPECT_VALUE;
    skip_space(lx);
  }
  switch (lx->expect) {
  case EXPECT_VALUE:
    return lex_value(lx, "a value");
  case EXPECT_VALUE_OR_END:
    return c == ']' ? nest_end(lx) : lex_value(lx, "a value or ']'");
  case EXPECT_KEY:
    return lex_key(lx, "a key in quotes");
  case EXPECT_KEY_OR_END:
    return c == '}' ? nest_end(lx) : lex_key(lx, "a key in quotes or '}'");
  default:
    break;
  }
  if (lx->pos < lx->len)
    return fail(lx, lx->pos, NULL, "nothing behind the value");
  return JSON_END;
}

size_t json_unescape(char *out, struct slice raw) {
  const char *p = raw.p, *end = raw.p + raw.len;
  char *to = out;

  while (p < end) {
    const char *slash = memchr(p, '\\', (size_t)(end - p));
    size_t run = (size_t)((slash ? slash : end) - p);
    int32_t c;
    memcpy(to, p, run);
    to += run;
    p += run;
    if (!slash)
      break;
    p += 2;
    switch (p[-1]) {
    case 'b':
      *to++ = '\b';
      break;
    case 'f':
      *to++ = '\f';
      break;
    case 'n':
      *to++ = '\n';
      break;
    case 'r':
      *to++ = '\r';
      break;
    case 't':
      *to++ = '\t';
      break;
    case 'u':
      c = hex4(p, 4);
      p += 4;
      if (is_high_surrogate(c)) {
        c = 0x10000 + ((c - 0xD800) << 10) + (hex4(p + 2, 4) - 0xDC00);
        p += 6;
      }
      to += utf8_encode((uint32_t)c, to);
      break;
    default: /* the quote, the backslash and the slash stand for themselves */
      *to++ = p[-1];
      break;
    }
  }
  return (size_t)(to - out);
}

/* Values whose container is still open wait on a stack; a container that
 * closes moves its share into the arena.  No recursion. */
struct waiting {
  struct value_member member;
  size_t at; /* where the key begins, in an object */
};

struct builder {
  struct arena *arena;
  struct json_lexer *lx;
  struct waiting *stack;
  size_t len;
  size_t cap;
  size_t start[JSON_MAX_DEPTH]; /* where each open container's share begins */
  unsigned depth;
  struct slice key; /* of the next value, in an object */
  size_t key_at;
};

static int build_string(struct builder *b, const struct json_lexer *lx,
                        struct slice *ret) {
  char *p;
  size_t n = lx->raw.len;

  if (!lx->escaped)
    p = arena_strndup(b->arena, lx->raw.p, n);
  else if ((p = arena_alloc(b->arena, n + 1)) != NULL)
    p[n = json_unescape(p, lx->raw)] = '\0';
  if (!p)
    return ERR_NOMEM;
  *ret = (struct slice){p, n};
  return 0;
}

static int build_push(struct builder *b, struct value v) {
  if (b->len == b->cap) {
    struct waiting *stack =
        mem_grow(&b->arena->mem, b->stack, &b->cap, b->len + 1,
                 sizeof *b->stack, SIZE_MAX / sizeof *b->stack);
    if (!stack)
      return ERR_NOMEM;
    b->stack = stack;
  }
  b->stack[b->len++] = (struct waiting){{b->key, v}, b->key_at};
  b->key = (struct slice){NULL, 0};
  return 0;
}

static int build_list(struct builder *b, size_t from, struct value *ret) {
  size_t n = b->len - from;
  struct value *items = arena_array(b->arena, n, sizeof *items);

  if (!items)
    return ERR_NOMEM;
  for (size_t i = 0; i < n; i++)
    items[i] = b->stack[from + i].member.value;
  *ret =
      (struct value){.type = VALUE_LIST, .as.list = {.items = items, .len = n}};
  return 0;
}

/* By key, and by place among equal keys. */
static bool member_before(const struct waiting *m, size_t a, size_t b) {
  int c = slice_cmp(m[a].member.key, m[b].member.key);

  return c != 0 ? c < 0 : a < b;
}

static void sift_down(const struct waiting *m, size_t *order, size_t at,
                      size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    size_t t;
    if (child + 1 < n && member_before(m, order[child], order[child + 1]))
      child++;
    if (!member_before(m, order[at], order[child]))
      return;
    t = order[at];
    order[at] = order[child];
    order[child] = t;
  }
}

/* Heapsort: in place, and no input makes it slow. */
static void sort_members(const struct waiting *m, size_t *order, size_t n) {
  for (size_t i = 0; i < n; i++)
    order[i] = i;
  for (size_t i = n / 2; i-- > 0;)
    sift_down(m, order, i, n);
  for (size_t end = n; end-- > 1;) {
    size_t t = order[0];
    order[0] = order[end];
    order[end] = t;
    sift_down(m, order, 0, end);
  }
}

static int duplicate_key(struct json_lexer *lx, const struct waiting *m) {
  struct slice key = m->member.key;
  char what[96];

  snprintf(what, sizeof what, "duplicate key '%.*s'",
           key.len > 64 ? 64 : (int)key.len, key.p);
  fail(lx, m->at, what, "each key once");
  return ERR_SYNTAX;
}

/* The first member of |n| whose key stood before; NULL: there is none. */
static int find_duplicate(struct builder *b, const struct waiting *m, size_t n,
                          const struct waiting **ret) {
  const struct mem *mem = &b->arena->mem;
  size_t *order, first = n;

  *ret = NULL;
  if (n < 2)
    return 0;
  if (n > SIZE_MAX / sizeof *order ||
      !(order = mem_alloc(mem, n * sizeof *order)))
    return ERR_NOMEM;
  sort_members(m, order, n);
  for (size_t i = 1; i < n; i++)
    if (order[i] < first &&
        slice_eq(m[order[i - 1]].member.key, m[order[i]].member.key))
      first = order[i];
  mem_free(mem, order, n * sizeof *order);
  if (first < n)
    *ret = &m[first];
  return 0;
}

static int build_map(struct builder *b, size_t from, struct value *ret) {
  const struct waiting *m = b->stack + from, *twice;
  size_t n = b->len - from;
  struct value_member *members;
  int rv = find_duplicate(b, m, n, &twice);

  if (rv != 0)
    return rv;
  if (twice)
    return duplicate_key(b->lx, twice);
  members = arena_array(b->arena, n, sizeof *members);
  if (!members)
    return ERR_NOMEM;
  for (size_t i = 0; i < n; i++)
    members[i] = m[i].member;
  *ret = (struct value){.type = VALUE_MAP,
                        .as.map = {.members = members, .len = n}};
  return 0;
}

static int build_end(struct builder *b, enum json_token t) {
  /* the place below the share holds the container itself, with its key */
  size_t at = b->start[--b->depth];
  struct value v;
  int rv = t == JSON_OBJECT_END ? build_map(b, at + 1, &v)
                                : build_list(b, at + 1, &v);

  if (rv != 0)
    return rv;
  b->len = at + 1;
  b->stack[at].member.value = v;
  return 0;
}

static int build_token(struct builder *b, const struct json_lexer *lx,
                       enum json_token t) {
  struct value v = {.type = VALUE_NULL};
  int rv;

  switch (t) {
  case JSON_NULL:
    return build_push(b, v);
  case JSON_TRUE:
  case JSON_FALSE:
    v = (struct value){.type = VALUE_BOOL, .as.boolean = t == JSON_TRUE};
    return build_push(b, v);
  case JSON_INT:
    v = (struct value){.type = VALUE_INT, .as.integer = lx->integer};
    return build_push(b, v);
  case JSON_FLOAT:
    v = (struct value){.type = VALUE_FLOAT, .as.number = lx->number};
    return build_push(b, v);
  case JSON_STRING:
    v.type = VALUE_STRING;
    rv = build_string(b, lx, &v.as.string);
    return rv == 0 ? build_push(b, v) : rv;
  case JSON_KEY:
    b->key_at = (size_t)(lx->raw.p - lx->text) - 1;
    return build_string(b, lx, &b->key);
  case JSON_ARRAY_BEGIN:
  case JSON_OBJECT_BEGIN:
    b->start[b->depth++] = b->len;
    return build_push(b, v);
  case JSON_ARRAY_END:
  case JSON_OBJECT_END:
    return build_end(b, t);
  case JSON_END:
  case JSON_ERROR:
    break;
  }
  return ERR_SYNTAX;
}

int json_parse(struct value *ret, struct slice text, struct arena *a,
               struct err *e) {
  struct json_lexer lx;
  struct builder b = {.arena = a, .lx = &lx};
  enum json_token t;
  int rv = 0;

  json_lexer_init(&lx, text, e);
  while (rv == 0 && (t = json_next(&lx)) != JSON_END) {
    if (t == JSON_ERROR)
      rv = ERR_SYNTAX; /* |e| is filled */
    else if ((rv = build_token(&b, &lx, t)) == ERR_NOMEM)
      err_set(e, rv);
  }
  if (rv == 0)
    *ret = b.stack[0].member.value;
  mem_free(&a->mem, b.stack, b.cap * sizeof *b.stack);
  return rv;
}

/* Length of the run at |p| that a JSON string takes as it is.  DEL and the C1
 * controls would pass too, but a terminal may act on them. */
static size_t plain_run(const char *p, size_t len) {
  size_t i = 0;

  for (; i < len; i++) {
    unsigned char c = (unsigned char)p[i];
    if (c < 0x20 || c == '"' || c == '\\' || c == 0x7F ||
        (c == 0xC2 && i + 1 < len && (unsigned char)p[i + 1] < 0xA0))
      break;
  }
  return i;
}

static int write_escaped(struct buf *out, uint32_t c) {
  switch (c) {
  case '"':
    return buf_adds(out, "\\\"");
  case '\\':
    return buf_adds(out, "\\\\");
  case '\b':
    return buf_adds(out, "\\b");
  case '\f':
    return buf_adds(out, "\\f");
  case '\n':
    return buf_adds(out, "\\n");
  case '\r':
    return buf_adds(out, "\\r");
  case '\t':
    return buf_adds(out, "\\t");
  default:
    return buf_addf(out, "\\u%04x", c);
  }
}

static int write_valid(struct buf *out, const char *p, size_t len) {
  int rv = 0;

  while (rv == 0 && len) {
    size_t run = plain_run(p, len), step = 0;
    if (run && (rv = buf_add(out, p, run)) != 0)
      return rv;
    if (run < len) {
      unsigned char c = (unsigned char)p[run];
      step = c == 0xC2 ? 2 : 1;
      rv = write_escaped(out, c == 0xC2 ? (unsigned char)p[run + 1] : c);
    }
    p += run + step;
    len -= run + step;
  }
  return rv;
}

int json_write_string(struct buf *out, struct slice s) {
  size_t before = out->len;
  int rv = buf_addc(out, '"');

  while (rv == 0 && s.len) {
    size_t good = utf8_valid_prefix(s.p, s.len);
    if ((rv = write_valid(out, s.p, good)) != 0)
      break;
    s.p += good;
    s.len -= good;
    if (s.len) {
      rv = buf_adds(out, "\xEF\xBF\xBD");
      s.p++;
      s.len--;
    }
  }
  if (rv == 0)
    rv = buf_addc(out, '"');
  if (rv != 0)
    out->len = before; /* nothing is added on an error */
  return rv;
}

/* |d| with |precision| significant digits, the digits alone and the exponent,
 * for the printed point is the locale's. */
static void double_to_decimal(struct decimal *to, double d, int precision) {
  char text[64];
  const char *p = text;
  int n = snprintf(text, sizeof text, "%.*e", precision - 1, d);

  (void)n; /* at most 17 digits, a point, and e-308: it fits */
  to->negative = *p == '-';
  to->ndigits = 0;
  for (; *p && *p != 'e'; p++)
    if (ascii_digit(*p))
      to->digits[to->ndigits++] = *p;
  to->exponent = strtol(p + 1, NULL, 10) + 1;
  while (to->ndigits > 1 && to->digits[to->ndigits - 1] == '0')
    to->ndigits--;
}

/* The layout of "%.*g" with |precision|, and ".0" where that would read back
 * as an integer. */
static size_t decimal_format(char *out, size_t cap, const struct decimal *d,
                             int precision) {
  const char *sign = d->negative ? "-" : "";
  int n = (int)d->ndigits, e = (int)d->exponent, len;

  if (e > precision || e < -3)
    len = snprintf(out, cap, "%s%c%s%.*se%+03d", sign, d->digits[0],
                   n > 1 ? "." : "", n - 1, d->digits + 1, e - 1);
  else if (e <= 0)
    len = snprintf(out, cap, "%s0.%.*s%.*s", sign, -e, "0000", n, d->digits);
  else if (e >= n)
    len = snprintf(out, cap, "%s%.*s%.*s.0", sign, n, d->digits, e - n,
                   "00000000000000000");
  else
    len = snprintf(out, cap, "%s%.*s.%.*s", sign, e, d->digits, n - e,
                   d->digits + e);
  return (size_t)len;
}

size_t json_format_double(char *out, size_t cap, double d) {
  struct decimal dec;
  /* 15 digits print the shortest text of every double that has one so short,
   * but not of subnormals, which hold fewer digits */
  int precision = fabs(d) < 0x1p-1022 ? 1 : 15;

  if (cap < 32)
    return 0;
  if (!isfinite(d))
    return (size_t)snprintf(out, cap, "null");
  if (fpclassify(d) == FP_ZERO)
    return (size_t)snprintf(out, cap, signbit(d) ? "-0.0" : "0.0");
  for (; precision <= 17; precision++) {
    double back;
    double_to_decimal(&dec, d, precision);
    back = decimal_to_double(&dec);
    if (back >= d && back <= d)
      break;
  }
  return decimal_format(out, cap, &dec, precision < 15 ? 15 : precision);
}
