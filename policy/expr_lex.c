/* expr_lex.c - text to the tokens of the expression language. */
#include "policy/expr_lex.h"

#include "runtime/base/json.h"

void lex_fail(struct parser *ps, size_t offset, const char *fmt, ...) {
  va_list ap;

  if (ps->code)
    return;
  ps->code = ERR_SYNTAX;
  ps->token = TOKEN_ERROR;
  va_start(ap, fmt);
  err_vsetf(ps->error, ERR_SYNTAX, fmt, ap);
  va_end(ap);
  if (ps->error)
    ps->error->column = (uint32_t)offset + 1;
}

void lex_no_memory(struct parser *ps) {
  if (!ps->code)
    ps->code = err_set(ps->error, ERR_NOMEM);
  ps->token = TOKEN_ERROR;
}

static bool name_start(char c) {
  return ascii_alpha(c) || c == '_';
}

static bool name_char(char c) {
  return name_start(c) || ascii_digit(c);
}

/* The four digits of \uXXXX at |at|, or -1. */
static long unicode_escape(const struct parser *ps, size_t at) {
  long cp = 0;

  if (ps->text.len - at < 4)
    return -1;
  for (size_t i = 0; i < 4; i++) {
    int d = hex_digit(ps->text.p[at + i]);
    if (d < 0)
      return -1;
    cp = cp << 4 | d;
  }
  return cp;
}

/* One escape whose backslash stands at |at| - 1: its bytes to |out|, their
 * number; the place behind it in |*ret_at|.  0: it is wrong. */
static size_t unescape(const struct parser *ps, size_t at, char out[4],
                       size_t *ret_at) {
  static const char from[] = "\\\"'/nrt", to[] = "\\\"'/\n\r\t";
  const char *known;
  long cp, low;

  if (at == ps->text.len)
    return 0;
  *ret_at = at + 1;
  if (ps->text.p[at] != 'u') {
    known = ps->text.p[at] ? strchr(from, ps->text.p[at]) : NULL;
    if (!known)
      return 0;
    out[0] = to[known - from];
    return 1;
  }
  if ((cp = unicode_escape(ps, at + 1)) < 0)
    return 0;
  *ret_at = at + 5;
  if (cp >= 0xDC00 && cp < 0xE000)
    return 0;
  if (cp >= 0xD800 && cp < 0xDC00) {
    at += 5;
    if (ps->text.len - at < 6 || ps->text.p[at] != '\\' ||
        ps->text.p[at + 1] != 'u')
      return 0;
    low = unicode_escape(ps, at + 2);
    if (low < 0xDC00 || low >= 0xE000)
      return 0;
    *ret_at = at + 6;
    cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
  }
  return utf8_encode((uint32_t)cp, out);
}

/* Where the string that begins at |at| ends; text.len: nowhere. */
static size_t string_end(const struct parser *ps, size_t at) {
  struct slice s = ps->text;
  size_t i = at + 1;

  while (i < s.len && s.p[i] != s.p[at])
    i += s.p[i] == '\\' ? 2 : 1;
  return i < s.len ? i : s.len;
}

static void lex_string(struct parser *ps) {
  struct slice s = ps->text;
  size_t end = string_end(ps, ps->at), n = 0;
  char *out;

  if (end == s.len) {
    lex_fail(ps, ps->at, "string without an end, expected %c", s.p[ps->at]);
    return;
  }
  if (!(out = arena_alloc(ps->arena, end - ps->at))) { /* never longer */
    lex_no_memory(ps);
    return;
  }
  for (size_t i = ps->at + 1, behind; i < end; i = behind) {
    char bytes[4] = {s.p[i]};
    size_t len = 1;
    behind = i + 1;
    if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F) {
      lex_fail(ps, i, "control character in a string, expected an escape");
      return;
    }
    if (s.p[i] == '\\' && !(len = unescape(ps, i + 1, bytes, &behind))) {
      lex_fail(
          ps, i,
          "bad escape in a string, expected \\\\ \\\" \\' \\/ \\n \\r \\t or "
          "\\uXXXX");
      return;
    }
    memcpy(out + n, bytes, len);
    n += len;
  }
  ps->at = end + 1;
  ps->value = (struct value){.type = VALUE_STRING, .as.string = {out, n}};
  ps->token = TOKEN_STRING;
}

static void lex_number(struct parser *ps) {
  struct slice s = ps->text;
  size_t i = ps->at + (s.p[ps->at] == '-');
  struct json_lexer lx;
  enum json_token t;
  bool whole = true;

  for (; i < s.len; i++) {
    bool sign =
        (s.p[i] == '+' || s.p[i] == '-') && ascii_lower(s.p[i - 1]) == 'e';
    if (!name_char(s.p[i]) && s.p[i] != '.' && !sign)
      break;
    whole &= ascii_digit(s.p[i]);
  }
  json_lexer_init(&lx, (struct slice){s.p + ps->at, i - ps->at}, NULL);
  t = json_next(&lx);
  if (t == JSON_INT) {
    ps->value = (struct value){.type = VALUE_INT, .as.integer = lx.integer};
  } else if (t == JSON_FLOAT && !whole) {
    ps->value = (struct value){.type = VALUE_FLOAT, .as.number = lx.number};
  } else {
    lex_fail(ps, ps->at,
             t == JSON_FLOAT ? "number out of range, expected a 64-bit integer"
                             : "bad number, expected one like 12, -3 or 1.5e3");
    return;
  }
  if (json_next(&lx) != JSON_END) {
    lex_fail(ps, ps->at, "bad number, expected one like 12, -3 or 1.5e3");
    return;
  }
  ps->at = i;
  ps->token = TOKEN_NUMBER;
}

static void lex_sign(struct parser *ps) {
  static const struct {
    char text[3];
    enum token token;
  } signs[] = {
      {"&&", TOKEN_AND},  {"||", TOKEN_OR},        {"==", TOKEN_EQ},
      {"!=", TOKEN_NE},   {"<=", TOKEN_LTE},       {">=", TOKEN_GTE},
      {"<", TOKEN_LT},    {">", TOKEN_GT},         {"!", TOKEN_NOT},
      {"(", TOKEN_OPEN},  {"[", TOKEN_LIST_OPEN},  {",", TOKEN_COMMA},
      {")", TOKEN_CLOSE}, {"]", TOKEN_LIST_CLOSE}, {".", TOKEN_DOT},
  };
  struct slice rest = {ps->text.p + ps->at, ps->text.len - ps->at};
  char c = *rest.p;

  for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
    if (slice_starts(rest, slice_of(signs[i].text))) {
      ps->token = signs[i].token;
      ps->at += strlen(signs[i].text);
      return;
    }
  if (c == '=' || c == '&' || c == '|')
    lex_fail(ps, ps->at, "'%c', expected '%c%c'", c, c, c);
  else if (c == '-')
    lex_fail(ps, ps->at,
             "'-' is no operator; an attribute with such a name is written "
             "meta[\"a-b\"]");
  else if ((unsigned char)c >= 0x80)
    lex_fail(ps, ps->at, "character outside of ASCII, expected it in a string");
  else if (c == '+' || c == '*' || c == '/' || c == '%')
    lex_fail(ps, ps->at, "'%c' is no operator, expected a comparison", c);
  else
    lex_fail(ps, ps->at,
             "unexpected '%c', expected an operator such as == or &&, a value "
             "or an attribute",
             c);
}

void lex_next(struct parser *ps) {
  struct slice s = ps->text;

  if (ps->code)
    return;
  ps->previous = ps->at;
  while (ps->at < s.len && (s.p[ps->at] == ' ' || s.p[ps->at] == '\t' ||
                            s.p[ps->at] == '\n' || s.p[ps->at] == '\r'))
    ps->at++;
  ps->start = ps->at;
  if (ps->at == s.len) {
    ps->token = TOKEN_END;
  } else if (name_start(s.p[ps->at])) {
    while (ps->at < s.len && name_char(s.p[ps->at]))
      ps->at++;
    ps->name = (struct slice){s.p + ps->start, ps->at - ps->start};
    ps->token = TOKEN_NAME;
  } else if (s.p[ps->at] == '"' || s.p[ps->at] == '\'') {
    lex_string(ps);
  } else if (ascii_digit(s.p[ps->at]) ||
             (s.p[ps->at] == '-' && ps->at + 1 < s.len &&
              ascii_digit(s.p[ps->at + 1]))) {
    lex_number(ps);
  } else {
    lex_sign(ps);
  }
}

bool lex_is_word(const struct parser *ps, const char *word) {
  return ps->token == TOKEN_NAME && slice_is(ps->name, word);
}

void lex_unexpected(struct parser *ps, const char *expected) {
  size_t n = ps->at - ps->start;

  if (ps->token == TOKEN_ERROR)
    return;
  if (ps->token == TOKEN_END)
    lex_fail(ps, ps->start, "expression ends, expected %s", expected);
  else
    lex_fail(ps, ps->start, "unexpected '%.*s', expected %s",
             (int)(n > 40 ? 40 : n), ps->text.p + ps->start, expected);
}

bool lex_take(struct parser *ps, enum token t, const char *expected) {
  if (ps->token != t) {
    lex_unexpected(ps, expected);
    return false;
  }
  lex_next(ps);
  return !ps->code;
}
