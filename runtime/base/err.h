/* err.h - result codes, their texts, and an error with a position. */
#ifndef RUNTIME_BASE_ERR_H
#define RUNTIME_BASE_ERR_H

#include <stdarg.h>
#include <stdint.h>

/* Name, text.  Codes are -1, -2, ... in this order; 0 is success. */
#define ERR_MAP(X)                                                             \
  X(NOMEM, "out of memory")                                                    \
  X(INVALID, "invalid argument")                                               \
  X(AGAIN, "not ready yet")                                                    \
  X(FULL, "bound reached")                                                     \
  X(CLOSED, "closed")                                                          \
  X(SYNTAX, "syntax error")                                                    \
  X(RANGE, "out of range")                                                     \
  X(NOT_FOUND, "not found")                                                    \
  X(DENIED, "denied")                                                          \
  X(TIMEOUT, "timed out")                                                      \
  X(LIMIT, "limit reached")                                                    \
  X(CANCELED, "canceled")                                                      \
  X(BUSY, "busy")                                                              \
  X(UNSUPPORTED, "not supported")                                              \
  X(PROTOCOL, "protocol error")                                                \
  X(SCRIPT, "script error")                                                    \
  X(SYSTEM, "system error")                                                    \
  X(ISOLATION, "isolation could not be set up")                                \
  X(WORKER, "the worker process is gone")

#define ERR_ORDINAL(name, text) ERR_ORDINAL_##name,
enum err_ordinal { ERR_MAP(ERR_ORDINAL) ERR_COUNT };
#undef ERR_ORDINAL
#define ERR_CODE(name, text) ERR_##name = -1 - (int)ERR_ORDINAL_##name,
enum err_code { ERR_MAP(ERR_CODE) ERR_OK = 0 };
#undef ERR_CODE

/* Where and why.  Lives on the caller's stack, holds no pointers, and can be
 * filled when memory is gone. */
struct err {
  int code;
  int sys_errno;   /* errno behind ERR_SYSTEM, else 0 */
  uint32_t line;   /* from 1; 0: no position */
  uint32_t column; /* in bytes, from 1; 0: not known */
  char source[128];
  char message[512]; /* one line, no full stop, safe to print */
};

/* Short English text of |code|; static, never NULL. */
const char *err_text(int code);

/* Fills |e| (may be NULL) with |code| and its own text, without a position.
 * Returns |code|, so that a function can end in it. */
int err_set(struct err *e, int code);

/* The same with a message of its own.  Control characters and broken UTF-8
 * that came in through the arguments are replaced by '?'-style escapes:
 * the result is safe to print on a terminal. */
int err_setf(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int err_vsetf(struct err *e, int code, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* The same with a position.  |source| may be NULL. */
int err_at(struct err *e, int code, const char *source, uint32_t line,
           uint32_t column, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* ERR_SYSTEM with errno |sys_errno|: "|what|: No such file or directory". */
int err_system(struct err *e, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
