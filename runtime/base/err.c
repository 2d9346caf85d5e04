/* err.c - result codes, their texts, and an error with a position. */
#include "runtime/base/err.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"

const char *err_text(int code) {
  switch (code) {
#define ERR_CASE(name, text)                                                   \
  case ERR_##name:                                                             \
    return text;
    ERR_MAP(ERR_CASE)
#undef ERR_CASE
  case 0:
    return "success";
  default:
    return "unknown error";
  }
}

static void err_clear(struct err *e, int code) {
  e->code = code;
  e->sys_errno = 0;
  e->line = e->column = 0;
  e->source[0] = '\0';
  e->message[0] = '\0';
}

int err_set(struct err *e, int code) {
  if (e) {
    err_clear(e, code);
    snprintf(e->message, sizeof e->message, "%s", err_text(code));
  }
  return code;
}

__attribute__((format(printf, 2, 0))) static void
format_message(struct err *e, const char *fmt, va_list ap) {
  char raw[sizeof e->message];
  int n = vsnprintf(raw, sizeof raw, fmt, ap);
  size_t len = n < 0 ? 0 : (size_t)n;
  if (len >= sizeof raw)
    len = sizeof raw - 1;
  /* A cut in the middle of a character is not the text's fault. */
  if ((size_t)(n < 0 ? 0 : n) > len) {
    size_t valid = utf8_valid_prefix(raw, len);
    if (len - valid < 4)
      len = valid;
  }
  str_escape(e->message, sizeof e->message, (struct slice){raw, len});
}

int err_vsetf(struct err *e, int code, const char *fmt, va_list ap) {
  if (e) {
    err_clear(e, code);
    format_message(e, fmt, ap);
  }
  return code;
}

int err_setf(struct err *e, int code, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  err_vsetf(e, code, fmt, ap);
  va_end(ap);
  return code;
}

int err_at(struct err *e, int code, const char *source, uint32_t line,
           uint32_t column, const char *fmt, ...) {
  if (e) {
    va_list ap;
    err_clear(e, code);
    va_start(ap, fmt);
    format_message(e, fmt, ap);
    va_end(ap);
    e->line = line;
    e->column = column;
    if (source)
      str_escape(e->source, sizeof e->source, slice_of(source));
  }
  return code;
}

int err_system(struct err *e, int sys_errno, const char *fmt, ...) {
  if (e) {
    char what[256], text[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    err_setf(e, ERR_SYSTEM, "%s: %s", what,
             strerror_r(sys_errno, text, sizeof text));
    e->sys_errno = sys_errno;
  }
  return ERR_SYSTEM;
}
