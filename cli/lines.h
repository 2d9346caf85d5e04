/* lines.h - a stream cut into lines, in bounded memory. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_MAX_BYTES (1024 * 1024)

struct lines {
  int fd;
  char *buf; /* LINE_MAX_BYTES + 1 */
  size_t begin, end;
  bool skipping; /* the line was too long: on to its end */
  bool eof;
  int error; /* errno of a read that failed, else 0 */
  /* Called before a read that may have to wait; may be NULL. */
  void (*idle)(void *ud);
  void *ud;
};

enum lines_result {
  LINES_END,
  LINES_LINE,
  LINES_TOO_LONG /* the line is passed over; |*ret_len| is 0 */
};

void lines_init(struct lines *l, int fd);
void lines_deinit(struct lines *l);

/* The next line, without its newline; the last one needs none.  The text lives
 * until the next call. */
enum lines_result lines_next(struct lines *l, const char **ret_line,
                             size_t *ret_len);

#endif
