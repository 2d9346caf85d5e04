/* status_line.c - one line below everything else on a terminal. */
#include "cli/status_line.h"

#include "cli/print.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define EVERY_MS 100
#define WIDTH_DEFAULT 80

/* A terminal that was stopped (Ctrl-S) would hold all scripts up. */
static bool ready(void) {
  struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
  return poll(&p, 1, 0) > 0 && (p.revents & POLLOUT);
}

static void put(const char *text, size_t len) {
  /* what a terminal does not take at once is not worth the trouble */
  ssize_t n = write(STDERR_FILENO, text, len);
  (void)n;
}

/* ECMA-48: back to the first column, erase to the end of the line. */
static void hide(void *ud) {
  struct status_line *s = ud;
  if (s->shown)
    put("\r\033[K", 4);
  s->shown = false;
}

void status_line_init(struct status_line *s, bool wanted) {
  const char *term = getenv("TERM");
  memset(s, 0, sizeof *s);
  s->on = wanted && isatty(STDERR_FILENO) == 1 && term && *term &&
          strcmp(term, "dumb") != 0;
  if (s->on)
    print_below(hide, s);
}

void status_line_deinit(struct status_line *s) {
  if (!s->on)
    return;
  hide(s);
  print_below(NULL, NULL);
  s->on = false;
}

static size_t width(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return WIDTH_DEFAULT;
  return size.ws_col;
}

int status_line_show(struct status_line *s, const char *text, uint64_t now_ms) {
  char line[STATUS_LINE_BYTES + 8];
  size_t room;
  int n;
  if (!s->on || (s->shown && strcmp(s->text, text) == 0))
    return -1;
  if (now_ms < s->due_ms)
    return (int)(s->due_ms - now_ms);
  s->due_ms = now_ms + EVERY_MS;
  if (!ready())
    return EVERY_MS;
  snprintf(s->text, sizeof s->text, "%s", text);
  /* in the last column some terminals go on to the next line */
  room = width() - 1;
  if (room > STATUS_LINE_BYTES)
    room = STATUS_LINE_BYTES;
  n = snprintf(line, sizeof line, "\r%.*s\033[K", (int)room, s->text);
  put(line, (size_t)n);
  s->shown = true;
  return -1;
}
