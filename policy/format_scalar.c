/* format_scalar.c - how a scalar is written: plain, in quotes, or as it was. */
#include "policy/format_node.h"

size_t format_width(struct slice s) {
  size_t n = 0;

  for (size_t i = 0; i < s.len; i++)
    n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
  return n;
}

/* One character of valid UTF-8, and its length. */
static uint32_t next_char(struct slice s, size_t i, size_t *ret_len) {
  const unsigned char *p = (const unsigned char *)s.p + i;
  uint32_t c = p[0];
  size_t len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

  if (len > s.len - i)
    len = s.len - i;
  if (len > 1)
    c &= 0xFFu >> (len + 1);
  for (size_t k = 1; k < len; k++)
    c = c << 6 | (p[k] & 0x3Fu);
  *ret_len = len;
  return c;
}

/* Can stand in a file and be seen there: no controls, no line ends of other
 * kinds, nothing invisible that changes the direction of text. */
static bool visible(uint32_t c) {
  if (c < 0xA0)
    return c >= 0x20 && c < 0x7F;
  if ((c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
      (c >= 0x2060 && c <= 0x206F) || (c >= 0xFFF9 && c <= 0xFFFB))
    return false;
  if ((c >= 0xD800 && c <= 0xDFFF) || (c >= 0xE0000 && c <= 0xE007F))
    return false;
  return c != 0xAD && c != 0xFEFF && c != 0xFFFE && c != 0xFFFF;
}

static bool all_visible(struct slice s) {
  size_t len;

  for (size_t i = 0; i < s.len; i += len)
    if (!visible(next_char(s, i, &len)))
      return false;
  return true;
}

static bool contains(struct slice s, char c) {
  return s.len > 0 && memchr(s.p, c, s.len) != NULL;
}

/* ---------------------------------------------------------------- plain --- */

/* What readers of YAML 1.1 take for a boolean, null or a merge key. */
static bool old_word(struct slice s) {
  static const char *const words[] = {
      "y", "n", "yes", "no",   "on",   "off",   "true",  "false", "null",
      "~", "=", "<<",  ".inf", ".nan", "+.inf", "-.inf", NULL};

  for (const char *const *w = words; *w; w++)
    if (slice_eq_nocase(s, slice_of(*w)))
      return true;
  return false;
}

/* What they may take for a number or a date: 1_000, 0b1, 010, 12:30:00,
 * 2001-12-14 21:59:43.  Rather too much than too little. */
static bool old_number(struct slice s) {
  size_t sign = s.len && (s.p[0] == '-' || s.p[0] == '+'), i;
  bool digit = false;

  if (s.len == 0 || !(ascii_digit(s.p[0]) || strchr("+-.", s.p[0])))
    return false;
  if (s.len > sign + 1 && s.p[sign] == '0' && strchr("xXbBoO", s.p[sign + 1])) {
    for (i = sign + 2; i < s.len; i++)
      if (hex_digit(s.p[i]) < 0 && s.p[i] != '_')
        return false;
    return true;
  }
  for (i = 0; i < s.len; i++) {
    digit |= ascii_digit(s.p[i]);
    if (!ascii_digit(s.p[i]) && !strchr("_:.,+- eETtZz", s.p[i]))
      return false;
  }
  return digit;
}

/* Reads back as the same string when written plain, here and by readers of
 * YAML 1.1. */
static bool plain_ok(struct slice s, bool flow) {
  if (s.len == 0 || s.p[0] == ' ' || s.p[s.len - 1] == ' ' || !all_visible(s))
    return false;
  if (strchr("-?:,[]{}#&*!|>'\"%@`", s.p[0]) || slice_starts(s, SLICE("...")))
    return false;
  for (size_t i = 0; i < s.len; i++) {
    char c = s.p[i];
    if (c == ':' && (flow || i + 1 == s.len || s.p[i + 1] == ' '))
      return false;
    if (c == '#' && s.p[i - 1] == ' ') /* not the first: see above */
      return false;
    if (flow && strchr(",[]{}?", c))
      return false;
  }
  return tree_plain_type(s) == TREE_STRING && !old_word(s) && !old_number(s);
}

/* --------------------------------------------------------------- quotes --- */

static int write_single(struct buf *out, struct slice s) {
  int rv = buf_addc(out, '\'');

  for (size_t i = 0; rv == 0 && i < s.len; i++)
    if ((rv = buf_addc(out, s.p[i])) == 0 && s.p[i] == '\'')
      rv = buf_addc(out, '\'');
  return rv == 0 ? buf_addc(out, '\'') : rv;
}

static int write_escape(struct buf *out, uint32_t c) {
  switch (c) {
  case '"':
    return buf_adds(out, "\\\"");
  case '\\':
    return buf_adds(out, "\\\\");
  case '\n':
    return buf_adds(out, "\\n");
  case '\r':
    return buf_adds(out, "\\r");
  case '\t':
    return buf_adds(out, "\\t");
  default:
    break;
  }
  if (c < 0x100)
    return buf_addf(out, "\\x%02X", (unsigned)c);
  if (c < 0x10000)
    return buf_addf(out, "\\u%04X", (unsigned)c);
  return buf_addf(out, "\\U%08X", (unsigned)c);
}

static int write_double(struct buf *out, struct slice s) {
  int rv = buf_addc(out, '"');
  size_t len;

  for (size_t i = 0; rv == 0 && i < s.len; i += len) {
    uint32_t c = next_char(s, i, &len);
    if (visible(c) && c != '"' && c != '\\')
      rv = buf_add(out, s.p + i, len);
    else
      rv = write_escape(out, c);
  }
  return rv == 0 ? buf_addc(out, '"') : rv;
}

/* ------------------------------------------------------------- one line --- */

int format_scalar(struct slice *ret, const struct format_node *n, bool flow,
                  struct arena *a) {
  struct slice s = n->text;
  struct buf out;
  char *copy;
  int rv;

  if (n->kind == FORMAT_ALIAS || (n->style == FORMAT_PLAIN && s.len == 0)) {
    *ret = s;
    return 0;
  }
  if ((n->foreign || n->tagged) && !contains(n->raw, '\n') &&
      (n->style == FORMAT_PLAIN || n->style == FORMAT_QUOTED)) {
    *ret = n->raw;
    return 0;
  }
  if ((n->style == FORMAT_PLAIN && !n->tagged &&
       tree_plain_type(s) != TREE_STRING) ||
      plain_ok(s, flow)) {
    *ret = s;
    return 0;
  }
  buf_init(&out, &a->mem, SIZE_MAX / 4);
  /* what double quotes would fill with backslashes */
  if ((contains(s, '"') || contains(s, '\\')) && !contains(s, '\'') &&
      all_visible(s))
    rv = write_single(&out, s);
  else
    rv = write_double(&out, s);
  copy =
      rv == 0 ? arena_strndup(a, (const char *)buf_bytes(&out), out.len) : NULL;
  *ret = (struct slice){copy, out.len};
  buf_deinit(&out);
  return copy ? 0 : ERR_NOMEM;
}
