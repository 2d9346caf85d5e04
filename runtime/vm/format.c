/* format.c - string.format: Lua's, without addresses, and without handing a
 * script's text to printf.
 *
 * A conversion is taken apart and checked here (flags, width and precision of
 * at most two digits, as in lstrlib.c of Lua 5.4); of the C library only the
 * digits of floats are asked. */
#include <ctype.h>
#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/vm/arg.h"
#include "runtime/vm/out.h"
#include "runtime/vm/strlib.h"

/* Longest of all: "%.99f" of the largest number. */
#define FLOAT_MAX (110 + DBL_MAX_10_EXP)
#define SPEC_MAX 32

struct spec {
  char text[SPEC_MAX]; /* with its '%', for messages */
  bool minus, plus, space, alt, zero;
  int width;
  int precision; /* -1: none */
};

static bool digit(char c) {
  return c >= '0' && c <= '9';
}

static int two_digits(const char **p) {
  int n = 0;
  for (int i = 0; i < 2 && digit(**p); i++)
    n = n * 10 + (*(*p)++ - '0');
  return n;
}

/* Copies the conversion behind a '%' and returns the address of its letter. */
static const char *spec_read(lua_State *L, struct spec *sp, const char *p) {
  size_t len = strspn(p, "-+#0 123456789.") + 1;
  if (len >= SPEC_MAX - 10)
    luaL_error(L, "invalid format (too long)");
  sp->text[0] = '%';
  memcpy(sp->text + 1, p, len);
  sp->text[len + 1] = '\0';
  return p + len - 1;
}

/* Takes it apart; raises unless it has only |flags|, and a precision only if
 * |precision|. */
static void spec_check(lua_State *L, struct spec *sp, const char *flags,
                       bool precision) {
  const char *p = sp->text + 1;
  sp->minus = sp->plus = sp->space = sp->alt = sp->zero = false;
  sp->width = 0;
  sp->precision = -1;
  for (; *p != '\0' && strchr(flags, *p); p++)
    switch (*p) {
    case '-':
      sp->minus = true;
      break;
    case '+':
      sp->plus = true;
      break;
    case ' ':
      sp->space = true;
      break;
    case '#':
      sp->alt = true;
      break;
    default:
      sp->zero = true;
    }
  if (*p != '0') {
    sp->width = two_digits(&p);
    if (*p == '.' && precision) {
      p++;
      sp->precision = two_digits(&p);
    }
  }
  if (!ascii_alpha(*p))
    luaL_error(L, "invalid conversion specification: '%s'", sp->text);
}

/* |head| (a sign, "0x"), zeros, |body|; in a field as wide as asked for. */
static void add_field(lua_State *L, struct out *o, const struct spec *sp,
                      const char *head, size_t head_len, size_t zeros,
                      const char *body, size_t len) {
  size_t used = head_len + zeros + len, width = (size_t)sp->width;
  size_t pad = width > used ? width - used : 0;
  char *p = out_room(L, o, used + pad);
  o->len += used + pad;
  if (!sp->minus) {
    memset(p, ' ', pad);
    p += pad;
  }
  memcpy(p, head, head_len);
  p += head_len;
  memset(p, '0', zeros);
  p += zeros;
  memcpy(p, body, len);
  if (sp->minus)
    memset(p + len, ' ', pad);
}

/* Digits of |n| up to |end|; the first of them. */
static char *digits(char *end, lua_Unsigned n, unsigned base, bool upper) {
  const char *names = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  do
    *--end = names[n % base];
  while ((n /= base) != 0);
  return end;
}

static char *decimal(char *end, lua_Integer n) {
  lua_Unsigned u = n < 0 ? 0 - (lua_Unsigned)n : (lua_Unsigned)n;
  do
    *--end = (char)('0' + u % 10);
  while ((u /= 10) != 0);
  if (n < 0)
    *--end = '-';
  return end;
}

static void add_integer(lua_State *L, struct out *o, const struct spec *sp,
                        char conversion, lua_Integer n) {
  char buf[32], *end = buf + sizeof buf, *p = end;
  char head[2];
  size_t head_len = 0, len, zeros = 0;
  lua_Unsigned u = (lua_Unsigned)n;
  switch (conversion) {
  case 'd':
  case 'i':
    if (n < 0) {
      u = 0 - u;
      head[head_len++] = '-';
    } else if (sp->plus || sp->space) {
      head[head_len++] = sp->plus ? '+' : ' ';
    }
    p = digits(end, u, 10, false);
    break;
  case 'u':
    p = digits(end, u, 10, false);
    break;
  case 'o':
    p = digits(end, u, 8, false);
    break;
  default:
    p = digits(end, u, 16, conversion == 'X');
    if (sp->alt && u != 0) {
      head[head_len++] = '0';
      head[head_len++] = conversion;
    }
  }
  if (u == 0 && sp->precision == 0)
    p = end;
  len = (size_t)(end - p);
  if (sp->precision >= 0)
    zeros = (size_t)sp->precision > len ? (size_t)sp->precision - len : 0;
  else if (sp->zero && !sp->minus && (size_t)sp->width > head_len + len)
    zeros = (size_t)sp->width - head_len - len;
  if (conversion == 'o' && sp->alt && zeros == 0 && (len == 0 || *p != '0'))
    zeros = 1;
  add_field(L, o, sp, head, head_len, zeros, p, len);
}

/* clang-format off */
static int float_digits(char *buf, char conversion, bool alt, int precision,
                        lua_Number x) {
#define CASE(letter, plain, with_alt)                                          \
  case letter:                                                                 \
    return alt ? snprintf(buf, FLOAT_MAX, with_alt, precision, x)              \
               : snprintf(buf, FLOAT_MAX, plain, precision, x)
  switch (conversion) {
    CASE('a', "%.*a", "%#.*a");
    CASE('A', "%.*A", "%#.*A");
    CASE('e', "%.*e", "%#.*e");
    CASE('E', "%.*E", "%#.*E");
    CASE('f', "%.*f", "%#.*f");
    CASE('g', "%.*g", "%#.*g");
    CASE('G', "%.*G", "%#.*G");
  default:
    return 0;
  }
#undef CASE
}
/* clang-format on */

static void add_float(lua_State *L, struct out *o, const struct spec *sp,
                      char conversion, lua_Number x) {
  char buf[FLOAT_MAX], head[3];
  const char *body = buf;
  size_t head_len = 0, len, zeros = 0;
  if (signbit(x))
    head[head_len++] = '-';
  else if (sp->plus || sp->space)
    head[head_len++] = sp->plus ? '+' : ' ';
  len = (size_t)float_digits(buf, conversion, sp->alt, sp->precision, fabs(x));
  if (isfinite(x)) {
    if (conversion == 'a' || conversion == 'A') {
      head[head_len++] = *body++;
      head[head_len++] = *body++;
      len -= 2;
    }
    if (sp->zero && !sp->minus && (size_t)sp->width > head_len + len)
      zeros = (size_t)sp->width - head_len - len;
  }
  add_field(L, o, sp, head, head_len, zeros, body, len);
}

/* ------------------------------------------------------------ literals --- */

static void add_quoted(lua_State *L, struct out *o, const char *s, size_t len) {
  out_byte(L, o, '"');
  for (const char *end = s + len; s < end; s++) {
    unsigned c = (unsigned char)*s;
    if (c == '"' || c == '\\' || c == '\n') {
      out_byte(L, o, '\\');
      out_byte(L, o, *s);
    } else if (c < 32 || c == 127) {
      char *p = out_room(L, o, 8);
      /* s[1] is the NUL behind the string at the latest */
      o->len += (size_t)snprintf(p, 8, digit(s[1]) ? "\\%03u" : "\\%u", c);
    } else {
      out_byte(L, o, *s);
    }
  }
  out_byte(L, o, '"');
}

/* A float as Lua reads it back: exactly. */
static void add_exact(lua_State *L, struct out *o, lua_Number x) {
  char buf[FLOAT_MAX], *p = buf;
  int len;
  if (x == HUGE_VAL)
    len = snprintf(buf, sizeof buf, "1e9999");
  else if (x == -HUGE_VAL)
    len = snprintf(buf, sizeof buf, "-1e9999");
  else if (x != x)
    len = snprintf(buf, sizeof buf, "(0/0)");
  else {
    len = snprintf(buf, sizeof buf, "%a", x);
    if (!memchr(buf, '.', (size_t)len) &&
        (p = memchr(buf, localeconv()->decimal_point[0], (size_t)len)) != NULL)
      *p = '.';
  }
  out_add(L, o, buf, (size_t)len);
}

static void add_literal(lua_State *L, struct out *o, int arg) {
  char buf[32], *p;
  const char *s;
  size_t len;
  switch (lua_type(L, arg)) {
  case LUA_TSTRING:
    s = lua_tolstring(L, arg, &len);
    add_quoted(L, o, s, len);
    return;
  case LUA_TNUMBER:
    if (!lua_isinteger(L, arg)) {
      add_exact(L, o, lua_tonumber(L, arg));
      return;
    }
    if (lua_tointeger(L, arg) == LUA_MININTEGER) {
      out_add(L, o, "0x8000000000000000", 18);
      return;
    }
    p = decimal(buf + sizeof buf, lua_tointeger(L, arg));
    out_add(L, o, p, (size_t)(buf + sizeof buf - p));
    return;
  case LUA_TNIL:
  case LUA_TBOOLEAN:
    s = luaL_tolstring(L, arg, &len);
    out_add(L, o, s, len);
    lua_pop(L, 1);
    return;
  default:
    luaL_argerror(L, arg, "value has no literal form");
  }
}

/* ------------------------------------------------------------- strings --- */

static void add_string(lua_State *L, struct out *o, struct spec *sp, int arg) {
  size_t len;
  const char *s;
  bool tmp = lua_type(L, arg) != LUA_TSTRING;
  s = tmp ? env_tolstring(L, arg, &len) : lua_tolstring(L, arg, &len);
  if (sp->text[2] == '\0') {
    out_add(L, o, s, len);
  } else {
    luaL_argcheck(L, len == strlen(s), arg, "string contains zeros");
    spec_check(L, sp, "-", true);
    if (sp->precision >= 0 && (size_t)sp->precision < len)
      len = (size_t)sp->precision;
    add_field(L, o, sp, "", 0, 0, s, len);
  }
  if (tmp)
    lua_pop(L, 1);
}

/* ------------------------------------------------------------ the whole --- */

static void add_conversion(lua_State *L, struct out *o, struct spec *sp,
                           char conversion, int arg) {
  lua_Integer n;
  lua_Number x;
  char c;
  switch (conversion) {
  case 'c':
    spec_check(L, sp, "-", false);
    c = (char)luaL_checkinteger(L, arg);
    add_field(L, o, sp, "", 0, 0, &c, 1);
    return;
  case 'd':
  case 'i':
    n = luaL_checkinteger(L, arg);
    spec_check(L, sp, "-+0 ", true);
    add_integer(L, o, sp, conversion, n);
    return;
  case 'u':
    n = luaL_checkinteger(L, arg);
    spec_check(L, sp, "-0", true);
    add_integer(L, o, sp, conversion, n);
    return;
  case 'o':
  case 'x':
  case 'X':
    n = luaL_checkinteger(L, arg);
    spec_check(L, sp, "-#0", true);
    add_integer(L, o, sp, conversion, n);
    return;
  case 'a':
  case 'A':
    spec_check(L, sp, "-+#0 ", true);
    x = luaL_checknumber(L, arg);
    add_float(L, o, sp, conversion, x);
    return;
  case 'f':
  case 'e':
  case 'E':
  case 'g':
  case 'G':
    x = luaL_checknumber(L, arg);
    spec_check(L, sp, "-+#0 ", true);
    add_float(L, o, sp, conversion, x);
    return;
  case 'p':
    luaL_error(L, "invalid conversion '%%p' to 'format': addresses are not "
                  "available to scripts");
    return;
  case 'q':
    if (sp->text[2] != '\0')
      luaL_error(L, "specifier '%%q' cannot have modifiers");
    add_literal(L, o, arg);
    return;
  case 's':
    add_string(L, o, sp, arg);
    return;
  default:
    luaL_error(L, "invalid conversion '%s' to 'format'", sp->text);
  }
}

int string_format(lua_State *L) {
  int top = lua_gettop(L), arg = 1;
  size_t len;
  const char *f = luaL_checklstring(L, 1, &len), *end = f + len;
  struct out o;
  struct spec sp;
  char buf[32];
  if (len == 2 && f[0] == '%' && f[1] == 's' && top >= 2 &&
      lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    return 1;
  }
  lua_pushnil(L);
  out_init(&o, top + 1);
  while (f < end) {
    const char *esc = memchr(f, '%', (size_t)(end - f));
    if (!esc)
      esc = end;
    out_add(L, &o, f, (size_t)(esc - f));
    if (esc == end)
      break;
    f = esc + 1;
    if (*f == '%') {
      out_byte(L, &o, *f++);
      continue;
    }
    if (++arg > top)
      return luaL_argerror(L, arg, "no value");
    /* the plain ones of which most formats consist */
    if (*f == 's' && lua_type(L, arg) == LUA_TSTRING) {
      const char *s = lua_tolstring(L, arg, &len);
      out_add(L, &o, s, len);
      f++;
    } else if (*f == 'd' && lua_isinteger(L, arg)) {
      char *p = decimal(buf + sizeof buf, lua_tointeger(L, arg));
      out_add(L, &o, p, (size_t)(buf + sizeof buf - p));
      f++;
    } else {
      f = spec_read(L, &sp, f);
      add_conversion(L, &o, &sp, *f, arg);
      f++;
    }
  }
  out_push(L, &o);
  return 1;
}
