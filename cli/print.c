/* print.c - bytes to standard output, words to standard error. */
#include "cli/print.h"

#include "cli/cli.h"

#include <cordon/cordon.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- below --- */

static struct {
  void (*hide)(void *ud);
  void *ud;
} below;

void print_below(void (*hide)(void *ud), void *ud) {
  below.hide = hide;
  below.ud = ud;
}

void print_hide_below(void) {
  if (below.hide)
    below.hide(below.ud);
}

/* -------------------------------------------------------------- buffers --- */

void out_init(struct out *o, int fd) {
  o->fd = fd;
  o->error = 0;
  o->len = 0;
}

/* Writes everything, however slow the other side is. */
static void write_all(struct out *o, const char *data, size_t len) {
  if (o->fd == STDERR_FILENO && len > 0)
    print_hide_below();
  while (len > 0 && o->error == 0) {
    ssize_t n = write(o->fd, data, len);
    if (n >= 0) {
      data += n;
      len -= (size_t)n;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      /* somebody we share the description with made it non-blocking */
      struct pollfd p = {.fd = o->fd, .events = POLLOUT};
      if (poll(&p, 1, -1) < 0 && errno != EINTR)
        o->error = errno;
    } else if (errno != EINTR) {
      o->error = errno;
    }
  }
}

int out_flush(struct out *o) {
  size_t len = o->len;
  o->len = 0;
  write_all(o, o->buf, len);
  return o->error ? -1 : 0;
}

void out_add(struct out *o, const char *data, size_t len) {
  if (len == 0)
    return;
  if (len > sizeof o->buf - o->len)
    out_flush(o);
  if (len > sizeof o->buf) {
    write_all(o, data, len);
    return;
  }
  memcpy(o->buf + o->len, data, len);
  o->len += len;
}

void out_text(struct out *o, const char *text) {
  out_add(o, text, strlen(text));
}

void out_write(void *ud, const char *data, size_t len) {
  out_add(ud, data, len);
}

int out_finish(struct out *o, int status) {
  if (out_flush(o) == 0)
    return status;
  say("standard output: %s", strerror(o->error));
  return STATUS_NEGATIVE;
}

/* ------------------------------------------------------------- visible --- */

/* A byte grows to at most 8: "\u{xxxxx}" stands for two or more. */
#define PIECE_BYTES 256

/* How much of |data| can be escaped at once without cutting a character. */
static size_t piece(const char *data, size_t len) {
  size_t n = 0;
  while (n < len && n < PIECE_BYTES && data[n] != '\n' && data[n] != '\t')
    n++;
  if (n < PIECE_BYTES || n == len)
    return n;
  for (size_t back = 0; back < 3; back++)
    if (((unsigned char)data[n - back] & 0xc0u) != 0x80u)
      return n - back;
  return n; /* no UTF-8 anyway */
}

void out_visible(struct out *o, const char *data, size_t len) {
  char shown[PIECE_BYTES * 8 + 16];
  while (len > 0) {
    size_t n = piece(data, len);
    if (n > 0)
      out_add(o, shown, cordon_escape(shown, sizeof shown, data, n));
    if (n < len && (data[n] == '\n' || data[n] == '\t'))
      out_add(o, data + n++, 1);
    data += n;
    len -= n;
  }
}

void out_one_line(struct out *o, const char *data, size_t len) {
  char shown[PIECE_BYTES * 8 + 16];
  while (len > 0) {
    size_t n = piece(data, len);
    n = n > 0 ? n : 1; /* a newline or a tab */
    out_add(o, shown, cordon_escape(shown, sizeof shown, data, n));
    data += n;
    len -= n;
  }
}

char *one_line_of(const char *text) {
  size_t len = strlen(text), cap = len * 8 + 16;
  char *shown = must_alloc(cap, 1);
  cordon_escape(shown, cap, text, len);
  return shown;
}

/* Of a line, in bytes: a screen is not wider, and minified code is. */
#define LINE_SHOWN 120

static bool continues(char c) { /* a character of UTF-8 */
  return ((unsigned char)c & 0xc0u) == 0x80u;
}

/* |n| bytes, tabs as one space; counts what is seen of the first |before|. */
static size_t out_line_part(struct out *o, const char *p, size_t n,
                            size_t before) {
  char shown[32];
  size_t width = 0, step;
  for (size_t i = 0; i < n; i += step) {
    size_t len;
    for (step = 1; i + step < n && step < 4 && continues(p[i + step]); step++)
      ;
    len = p[i] == '\t' ? 1 : cordon_escape(shown, sizeof shown, p + i, step);
    out_add(o, p[i] == '\t' ? " " : shown, len);
    for (size_t k = 0; k < len && i < before; k++)
      width += p[i] == '\t' || !continues(shown[k]);
  }
  return width;
}

void out_source_line(struct out *o, const char *text, size_t len, uint32_t line,
                     uint32_t column) {
  const char *end = text + len, *nl;
  if (line == 0)
    return;
  for (uint32_t i = 1; i < line; i++) {
    nl = memchr(text, '\n', (size_t)(end - text));
    if (!nl)
      return;
    text = nl + 1;
  }
  out_numbered_line(o, text, (size_t)(end - text), line, column);
}

void out_numbered_line(struct out *o, const char *text, size_t len,
                       uint32_t line, uint32_t column) {
  const char *end = text + len, *nl;
  size_t n, from = 0, width;
  char margin[32];
  nl = memchr(text, '\n', (size_t)(end - text));
  n = (size_t)((nl ? nl : end) - text);
  if (n > 0 && text[n - 1] == '\r')
    n--;
  if (n == 0 || column > n + 1)
    return;
  if (column > LINE_SHOWN / 2 && n > LINE_SHOWN) {
    from = column - LINE_SHOWN / 2;
    while (from > 0 && continues(text[from]))
      from--;
  }
  text += from;
  n -= from;
  if (n > LINE_SHOWN)
    for (n = LINE_SHOWN; n > 0 && continues(text[n]);)
      n--;
  snprintf(margin, sizeof margin, "%5" PRIu32 " | ", line);
  out_text(o, margin);
  width = out_line_part(o, text, n, column ? column - 1 - from : 0);
  out_text(o, "\n");
  if (column == 0)
    return;
  for (size_t i = 0; margin[i]; i++)
    out_add(o, margin[i] == '|' ? "|" : " ", 1);
  for (size_t i = 0; i < width; i++)
    out_add(o, " ", 1);
  out_text(o, "^\n");
}

void out_write_visible(void *ud, const char *data, size_t len) {
  out_visible(ud, data, len);
}

/* --------------------------------------------------------------- words --- */

/* Words that cannot be said are lost: there is nobody left to tell. */
__attribute__((format(printf, 3, 0))) static void
words_format(const char *prefix, const char *end, const char *fmt,
             va_list args) {
  char text[8192];
  struct out o;
  int n = vsnprintf(text, sizeof text, fmt, args);
  if (n < 0)
    return;
  if ((size_t)n >= sizeof text)
    memcpy(text + sizeof text - 4, "...", 4);
  out_init(&o, STDERR_FILENO);
  out_text(&o, prefix);
  /* a file may be called anything: what it is called begins no line */
  out_one_line(&o, text, strlen(text));
  out_text(&o, end);
  out_flush(&o);
}

void say(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  words_format("cordon: ", "\n", fmt, args);
  va_end(args);
}

void words_line(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  words_format("", "\n", fmt, args);
  va_end(args);
}

static void words_out(const char *prefix, const char *text, const char *end) {
  struct out o;
  out_init(&o, STDERR_FILENO);
  out_text(&o, prefix);
  out_visible(&o, text, strlen(text));
  out_text(&o, end);
  out_flush(&o);
}

void say_lines(const char *text) {
  words_out("cordon: ", text, "\n");
}

void words(const char *fmt, ...) {
  char text[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  words_out("", text, "");
}

void words_text(const char *text) {
  words_out("", text, "");
}

int say_usage(const char *command, const char *fmt, ...) {
  char prefix[64], end[96];
  va_list args;
  snprintf(prefix, sizeof prefix, "cordon %s: ", command);
  snprintf(end, sizeof end, "\n  try 'cordon help %s'\n", command);
  va_start(args, fmt);
  words_format(prefix, end, fmt, args);
  va_end(args);
  return STATUS_USAGE;
}

const char *show_bytes(char out[32], uint64_t bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB"};
  double n = (double)bytes;
  size_t unit = 0;
  if (bytes < 1024) {
    snprintf(out, 32, "%u bytes", (unsigned)bytes);
    return out;
  }
  for (n /= 1024; n >= 1024 && unit < 2; unit++)
    n /= 1024;
  snprintf(out, 32, n == (double)(uint64_t)n ? "%.0f %s" : "%.1f %s", n,
           units[unit]);
  return out;
}

const char *show_ms(char out[32], uint64_t ms) {
  if (ms < 1000)
    snprintf(out, 32, "%u ms", (unsigned)ms);
  else
    snprintf(out, 32, "%.*f s", ms % 1000 == 0 ? 0 : 3, (double)ms / 1000);
  return out;
}

/* -------------------------------------------------------------- memory --- */

_Noreturn static void memory_gone(void) {
  static const char text[] = "cordon: out of memory\n";
  ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
  (void)n;
  _exit(STATUS_NEGATIVE);
}

void *must_alloc(size_t n, size_t size) {
  void *p = calloc(n ? n : 1, size ? size : 1);
  if (!p)
    memory_gone();
  return p;
}

void *must_resize(void *ptr, size_t n, size_t size) {
  void *p = reallocarray(ptr, n ? n : 1, size ? size : 1);
  if (!p)
    memory_gone();
  return p;
}

char *must_format(const char *fmt, ...) {
  char *text = NULL;
  va_list args;
  int n;
  va_start(args, fmt);
  n = vasprintf(&text, fmt, args);
  va_end(args);
  if (n < 0)
    memory_gone();
  return text;
}

void text_write(void *ud, const char *data, size_t len) {
  struct text *t = ud;
  if (len > t->cap - t->len) {
    t->cap = (t->len + len) * 2 + 64; /* what is kept is bounded far below */
    t->p = must_resize(t->p, t->cap, 1);
  }
  if (len > 0)
    memcpy(t->p + t->len, data, len);
  t->len += len;
}
