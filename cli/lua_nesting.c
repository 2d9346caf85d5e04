/* lua_nesting.c - is a Lua text that comes in lines inside of something that is
 * not closed yet?  Tokens are those of the manual, section 3.1; where a text is
 * no Lua, any answer will do. */
#include "cli/lua_nesting.h"

#include <string.h>

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         is_digit(c);
}

static bool is_blank(char c) {
  return c != '\0' && strchr(" \t\r\n\v\f", c);
}

static bool is_one_of(const char *p, size_t len, const char *const *words) {
  for (; *words; words++)
    if (strlen(*words) == len && memcmp(*words, p, len) == 0)
      return true;
  return false;
}

/* Takes the word, or the number, at |p|; behind it. */
static const char *word(struct lua_nesting *n, const char *p, const char *end) {
  /* the loops open with their "do", and the rest of an "if" is in it */
  static const char *const opens[] = {"function", "do", "if", "repeat", NULL};
  static const char *const closes[] = {"end", "until", NULL};
  static const char *const halves[] = {"and", "or", "not", NULL};
  const char *begin = p;
  bool number = is_digit(*p);
  while (p < end && (is_word(*p) || (number && *p == '.')))
    p++;
  n->half = is_one_of(begin, (size_t)(p - begin), halves);
  if (is_one_of(begin, (size_t)(p - begin), opens))
    n->depth++;
  else if (is_one_of(begin, (size_t)(p - begin), closes))
    n->depth--;
  return p;
}

/* Is there "[", "=" |level| times and "[" at |p|? */
static bool long_opens(const char *p, const char *end, size_t *ret_level) {
  const char *q = p + 1;
  while (q < end && *q == '=')
    q++;
  if (*p != '[' || q == end || *q != '[')
    return false;
  *ret_level = (size_t)(q - p) - 1;
  return true;
}

/* Goes behind the end of the long one, or to |end|. */
static const char *long_rest(struct lua_nesting *n, const char *p,
                             const char *end) {
  while (p < end && (p = memchr(p, ']', (size_t)(end - p))) != NULL) {
    const char *q = ++p;
    while (q < end && *q == '=')
      q++;
    if (q < end && *q == ']' && (size_t)(q - p) == n->level) {
      n->in = NESTING_CODE;
      return q + 1;
    }
  }
  return end;
}

/* The same of a string.  At a line feed that nothing leads over it is broken
 * off. */
static const char *string_rest(struct lua_nesting *n, const char *p,
                               const char *end) {
  while (p < end) {
    char c = *p++;
    if (n->blanks && is_blank(c))
      continue;
    n->blanks = false;
    if (c == n->quote || c == '\n') {
      n->in = NESTING_CODE;
      return p;
    }
    if (c == '\\' && p < end) {
      n->blanks = *p == 'z';
      p += *p == '\r' && end - p > 1 && p[1] == '\n' ? 2 : 1;
    }
  }
  return end;
}

static const char *comment(struct lua_nesting *n, const char *p,
                           const char *end) {
  const char *newline;
  if (p < end && long_opens(p, end, &n->level)) {
    n->in = NESTING_LONG;
    return p + n->level + 2;
  }
  newline = memchr(p, '\n', (size_t)(end - p));
  return newline ? newline + 1 : end;
}

static const char *token(struct lua_nesting *n, const char *p,
                         const char *end) {
  char c = *p, next = '\0';
  if (end - p > 1)
    next = p[1];
  if (is_word(c) || (c == '.' && is_digit(next)))
    return word(n, c == '.' ? p + 1 : p, end);
  if (is_blank(c))
    return p + 1;
  if (c == '-' && next == '-')
    return comment(n, p + 2, end);
  n->half = c != '\0' && strchr("+-*/%^#&~|<=,", c);
  if (c == '"' || c == '\'') {
    n->in = NESTING_STRING;
    n->quote = c;
    n->blanks = false;
  } else if (long_opens(p, end, &n->level)) {
    n->in = NESTING_LONG;
    return p + n->level + 2;
  } else if (c != '\0' && strchr("({[", c)) {
    n->depth++;
  } else if (c != '\0' && strchr(")}]", c)) {
    n->depth--;
  } else if (c == '.' && next == '.') {
    n->half = end - p < 3 || p[2] != '.';
    return p + (n->half ? 2 : 3);
  }
  return p + 1;
}

void lua_nesting_add(struct lua_nesting *n, const char *text, size_t len) {
  const char *end = text + len;
  while (text < end)
    switch (n->in) {
    case NESTING_CODE:
      text = token(n, text, end);
      break;
    case NESTING_STRING:
      text = string_rest(n, text, end);
      break;
    case NESTING_LONG:
      text = long_rest(n, text, end);
      break;
    }
}

bool lua_nesting_open(const struct lua_nesting *n) {
  return n->depth > 0 || n->in != NESTING_CODE || n->half;
}
