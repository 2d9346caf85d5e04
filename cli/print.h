/* print.h - bytes to standard output, words to standard error.  Words never
 * carry an escape sequence to a terminal, wherever they come from. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stddef.h>
#include <stdint.h>

/* A buffer in front of an fd.  After an error nothing more is written. */
struct out {
  int fd;
  int error; /* errno of the first failed write, else 0 */
  size_t len;
  char buf[16384];
};

void out_init(struct out *o, int fd);
void out_add(struct out *o, const char *data, size_t len);
void out_text(struct out *o, const char *text);
int out_flush(struct out *o); /* 0, or -1 when anything was lost */

/* As out_add, a cordon_write_fn: |ud| is the struct out. */
void out_write(void *ud, const char *data, size_t len);

/* Adds |data| with everything but newlines, tabs and plain characters made
 * visible.  Applied twice it changes nothing more. */
void out_visible(struct out *o, const char *data, size_t len);

/* The same, newlines and tabs too: a script's word in a line of ours. */
void out_one_line(struct out *o, const char *data, size_t len);

/* Line |line| of |text|, with its number, and a caret below the byte |column|
 * (0: none) of it:
 *   12 | local x = = 1
 *      |           ^
 * Made visible and cut where it is long; nothing where there is no such line.
 */
void out_source_line(struct out *o, const char *text, size_t len, uint32_t line,
                     uint32_t column);

/* What stands below everything else on a terminal: |hide| is called before
 * anything is written to standard error.  NULL: nothing does. */
void print_below(void (*hide)(void *ud), void *ud);
/* For those who write to a terminal otherwise. */
void print_hide_below(void);

/* The same where the line is known: it begins at |text|. */
void out_numbered_line(struct out *o, const char *text, size_t len,
                       uint32_t line, uint32_t column);

/* out_visible as a cordon_write_fn, which sees whole characters only. */
void out_write_visible(void *ud, const char *data, size_t len);

/* Flushes standard output's |o|; says why if it cannot.  Returns |status|, or
 * STATUS_NEGATIVE when output was lost. */
int out_finish(struct out *o, int status);

/* One message on standard error, "cordon: ..." and a newline, in one write: one
 * line, whatever the names in it are. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same without "cordon: ". */
void words_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Words of ours, with newlines where they belong, and nothing of others. */
void words(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Texts of any length that have lines of their own. */
void words_text(const char *text);
void say_lines(const char *text); /* behind "cordon: ", and with a newline */

/* As out_one_line, to be freed. */
char *one_line_of(const char *text);

/* "cordon COMMAND: ..." and where to read more.  Returns STATUS_USAGE. */
int say_usage(const char *command, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* For people: "64 MiB", "1.5 s". */
const char *show_bytes(char out[32], uint64_t bytes);
const char *show_ms(char out[32], uint64_t ms);

/* The program is small and its inputs are bounded: when memory is gone it says
 * so and ends. */
void *must_alloc(size_t n, size_t size); /* zeroed */
void *must_resize(void *ptr, size_t n, size_t size);
char *must_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A text that grows as it is written.  Zeroed to start; free |p|. */
struct text {
  char *p;
  size_t len, cap;
};

/* A cordon_write_fn: |ud| is the struct text. */
void text_write(void *ud, const char *data, size_t len);

#endif
