/* lines.c - a stream cut into lines, in bounded memory. */
#include "cli/lines.h"

#include "cli/print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void lines_init(struct lines *l, int fd) {
  *l = (struct lines){.fd = fd};
  l->buf = must_alloc(LINE_MAX_BYTES + 1, 1);
}

void lines_deinit(struct lines *l) {
  free(l->buf);
  l->buf = NULL;
}

/* Reads more behind what is there; there must be room. */
static void fill(struct lines *l) {
  ssize_t n;
  if (l->idle)
    l->idle(l->ud);
  do
    n = read(l->fd, l->buf + l->end, LINE_MAX_BYTES + 1 - l->end);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    l->end += (size_t)n;
    return;
  }
  l->eof = true;
  if (n < 0)
    l->error = errno;
}

enum lines_result lines_next(struct lines *l, const char **ret_line,
                             size_t *ret_len) {
  size_t searched = 0;
  for (;;) {
    char *from = l->buf + l->begin + searched;
    size_t have = l->end - l->begin;
    char *newline =
        have > searched ? memchr(from, '\n', have - searched) : NULL;
    bool whole = newline || (l->eof && have > 0);
    if (whole || (l->eof && l->skipping)) {
      size_t len = newline ? (size_t)(newline - (l->buf + l->begin)) : have;
      bool skipped = l->skipping;
      *ret_line = l->buf + l->begin;
      *ret_len = skipped ? 0 : len;
      l->begin += len + (newline ? 1 : 0);
      l->skipping = false;
      return skipped ? LINES_TOO_LONG : LINES_LINE;
    }
    if (l->eof)
      return LINES_END;
    searched = have;
    if (l->skipping || have > LINE_MAX_BYTES) {
      l->skipping = true; /* nobody wants its beginning any more */
      l->begin = l->end = searched = 0;
    } else if (l->begin > 0) {
      memmove(l->buf, l->buf + l->begin, have);
      l->begin = 0;
      l->end = have;
    }
    fill(l);
  }
}
