/* status_line.h - one line below everything else on a terminal, rewritten in
 * place: how things stand.  Goes to standard error. */
#ifndef CLI_STATUS_LINE_H
#define CLI_STATUS_LINE_H

#include <stdbool.h>
#include <stdint.h>

#define STATUS_LINE_BYTES 256

struct status_line {
  bool on; /* there is a terminal that can do it */
  bool shown;
  char text[STATUS_LINE_BYTES]; /* what stands there, or stood last */
  uint64_t due_ms;              /* not to be written again before */
};

/* Until status_line_deinit whatever is written to standard error, or by a
 * script_output to a terminal, takes the line away first.  There is one at a
 * time. */
void status_line_init(struct status_line *s, bool wanted);
void status_line_deinit(struct status_line *s);

/* Shows |text|, of plain characters, as far as the terminal is wide; not more
 * than some times a second.  Never waits.  How long until it is worth calling
 * again with the same text, -1: not before something else is written. */
int status_line_show(struct status_line *s, const char *text, uint64_t now_ms);

#endif
