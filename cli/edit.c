/* edit.c - a line that is typed on a terminal: keys, history, one row. */
#include "cli/edit.h"

#include "cli/files.h"
#include "cli/print.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_MAX_BYTES (1024u * 1024)
#define HISTORY_LINES 200
#define HISTORY_LINE_BYTES 4096
#define WIDTH_DEFAULT 80

#define WITH_CTRL(c) ((c)&31)

/* States between the bytes of a key. */
enum { KEY_PLAIN, KEY_ESCAPE, KEY_CSI, KEY_SS3 };

static void put(const char *text, size_t len) {
  while (len > 0) {
    ssize_t n = write(STDERR_FILENO, text, len);
    if (n <= 0)
      return; /* who reads it is gone, which standard input will tell */
    text += n;
    len -= (size_t)n;
  }
}

/* -------------------------------------------------------------- terminal ---
 */

static bool take_terminal(struct edit *e) {
  struct termios t;
  if (tcgetattr(STDIN_FILENO, &e->before) != 0)
    return false;
  t = e->before;
  /* Ctrl-C stays a signal; Ctrl-Z comes as a key, so that the terminal can be
   * given back first */
  t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
  t.c_cc[VSUSP] = _POSIX_VDISABLE;
  t.c_cc[VMIN] = 1;
  t.c_cc[VTIME] = 0;
  return tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
}

static void give_terminal(struct edit *e) {
  tcsetattr(STDIN_FILENO, TCSANOW, &e->before);
}

/* --------------------------------------------------------------- the row ---
 */

static bool begins_character(char c) {
  return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t characters(const char *text, size_t len) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++)
    n += begins_character(text[i]);
  return n;
}

static size_t width(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return WIDTH_DEFAULT;
  return size.ws_col;
}

/* At most |room| characters from |e->first| on.  What was pasted can hold
 * anything: no control character reaches the terminal, C1 in UTF-8 neither. */
static void add_visible(const struct edit *e, struct text *t, size_t room) {
  size_t i = 0, n = 0;
  for (; i < e->len && n < e->first; i++)
    n += i + 1 >= e->len || begins_character(e->text[i + 1]);
  for (n = 0; i < e->len; i++) {
    unsigned char c = (unsigned char)e->text[i];
    if (begins_character(e->text[i]) && n++ == room)
      break;
    if (c == 0xc2 && i + 1 < e->len && (unsigned char)e->text[i + 1] < 0xa0) {
      text_write(t, "?", 1);
      i++;
    } else {
      text_write(t, c == '\t' ? " " : e->text + i, 1);
    }
  }
}

static void show(struct edit *e) {
  struct text t = {0};
  size_t lead = strlen(e->prompt), cols = width();
  size_t room = cols > lead + 8 ? cols - lead - 1 : 8;
  size_t at = characters(e->text, e->at);
  char move[32];
  if (at < e->first)
    e->first = at;
  else if (at - e->first > room)
    e->first = at - room;
  text_write(&t, "\r", 1);
  text_write(&t, e->prompt, lead);
  add_visible(e, &t, room);
  /* ECMA-48: erase to the end of the line; so many columns to the right */
  snprintf(move, sizeof move, "\033[K\r\033[%zuC", lead + at - e->first);
  text_write(&t, move, strlen(move));
  put(t.p, t.len);
  free(t.p);
  e->shown = true;
}

static void hide(void *ud) {
  struct edit *e = ud;
  if (e->shown)
    put("\r\033[K", 4);
  e->shown = false;
}

/* ------------------------------------------------------------------ line ---
 */

static size_t before(const struct edit *e, size_t at) {
  while (at > 0 && !begins_character(e->text[--at]))
    ;
  return at;
}

static size_t behind(const struct edit *e, size_t at) {
  while (at < e->len && (++at == e->len || !begins_character(e->text[at])))
    ;
  return at;
}

static void erase(struct edit *e, size_t from, size_t to) {
  if (from == to)
    return;
  memmove(e->text + from, e->text + to, e->len - to);
  e->len -= to - from;
  e->at = from;
}

static void insert(struct edit *e, char c) {
  if (e->len == LINE_MAX_BYTES) {
    put("\a", 1);
    return;
  }
  if (e->len == e->cap) {
    e->cap = e->cap ? e->cap * 2 : 256;
    e->text = must_resize(e->text, e->cap, 1);
  }
  memmove(e->text + e->at + 1, e->text + e->at, e->len - e->at);
  e->text[e->at++] = c;
  e->len++;
}

static void replace(struct edit *e, const char *text) {
  e->len = e->at = e->first = 0;
  for (; *text; text++)
    insert(e, *text);
}

static void erase_word(struct edit *e) {
  size_t from = e->at;
  while (from > 0 && e->text[from - 1] == ' ')
    from--;
  while (from > 0 && e->text[from - 1] != ' ')
    from--;
  erase(e, from, e->at);
}

static void clear(struct edit *e) {
  e->len = e->at = e->first = 0;
  e->back = 0;
  e->state = KEY_PLAIN;
  free(e->kept);
  e->kept = NULL;
}

/* --------------------------------------------------------------- history ---
 */

static char *line_copy(const struct edit *e) {
  return must_format("%.*s", (int)e->len, e->len > 0 ? e->text : "");
}

static void remember(struct edit *e) {
  size_t blanks = 0;
  char *line;
  while (blanks < e->len && e->text[blanks] == ' ')
    blanks++;
  if (blanks == e->len || e->len > HISTORY_LINE_BYTES)
    return;
  line = line_copy(e);
  if (e->nhistory > 0 && strcmp(e->history[e->nhistory - 1], line) == 0) {
    free(line);
    return;
  }
  if (e->nhistory == HISTORY_LINES) {
    free(e->history[0]);
    memmove(e->history, e->history + 1, --e->nhistory * sizeof *e->history);
  }
  e->history = must_resize(e->history, e->nhistory + 1, sizeof *e->history);
  e->history[e->nhistory++] = line;
}

/* |back| lines up, where there are as many. */
static void look_back(struct edit *e, size_t back) {
  if (back > e->nhistory)
    return;
  if (e->back == 0) {
    free(e->kept);
    e->kept = line_copy(e);
  }
  e->back = back;
  replace(e, back > 0 ? e->history[e->nhistory - back] : e->kept);
}

/* ------------------------------------------------------------------ keys ---
 */

/* The last byte of a sequence: ECMA-48, as xterm and the Linux console use it.
 */
static void function_key(struct edit *e, char c) {
  switch (c) {
  case 'A':
    look_back(e, e->back + 1);
    break;
  case 'B':
    if (e->back > 0)
      look_back(e, e->back - 1);
    break;
  case 'C':
    e->at = behind(e, e->at);
    break;
  case 'D':
    e->at = before(e, e->at);
    break;
  case 'H':
    e->at = 0;
    break;
  case 'F':
    e->at = e->len;
    break;
  case '~':
    if (e->number == 1 || e->number == 7)
      e->at = 0;
    else if (e->number == 4 || e->number == 8)
      e->at = e->len;
    else if (e->number == 3)
      erase(e, e->at, behind(e, e->at));
    break;
  default:
    break;
  }
}

static void suspend(struct edit *e) {
  hide(e);
  give_terminal(e);
  raise(SIGTSTP);
  take_terminal(e);
}

static void control_key(struct edit *e, char c) {
  switch (c) {
  case WITH_CTRL('A'):
    e->at = 0;
    break;
  case WITH_CTRL('B'):
    e->at = before(e, e->at);
    break;
  case WITH_CTRL('D'):
    erase(e, e->at, behind(e, e->at));
    break;
  case WITH_CTRL('E'):
    e->at = e->len;
    break;
  case WITH_CTRL('F'):
    e->at = behind(e, e->at);
    break;
  case WITH_CTRL('H'):
  case 127:
    erase(e, before(e, e->at), e->at);
    break;
  case WITH_CTRL('K'):
    e->len = e->at;
    break;
  case WITH_CTRL('L'):
    put("\033[H\033[2J", 7);
    break;
  case WITH_CTRL('N'):
    function_key(e, 'B');
    break;
  case WITH_CTRL('P'):
    function_key(e, 'A');
    break;
  case WITH_CTRL('U'):
    erase(e, 0, e->at);
    break;
  case WITH_CTRL('W'):
    erase_word(e);
    break;
  case WITH_CTRL('Z'):
    suspend(e);
    break;
  default:
    break;
  }
}

static void key(struct edit *e, char c) {
  switch (e->state) {
  case KEY_ESCAPE:
    if (c == '\033') /* Escape itself, and then another key */
      return;
    e->number = 0;
    e->state = c == '[' ? KEY_CSI : c == 'O' ? KEY_SS3 : KEY_PLAIN;
    return;
  case KEY_CSI:
    if (c >= '0' && c <= '9') {
      e->number =
          e->number < 1000 ? e->number * 10 + (unsigned)(c - '0') : 1000;
      return;
    }
    if (c < '@') /* with Shift or Ctrl it is the same key */
      return;
    e->state = KEY_PLAIN;
    function_key(e, c);
    return;
  case KEY_SS3:
    e->state = KEY_PLAIN;
    function_key(e, c);
    return;
  default:
    break;
  }
  if (c == '\033')
    e->state = KEY_ESCAPE;
  else if (c == '\t' || ((unsigned char)c >= ' ' && c != 127))
    insert(e, c);
  else
    control_key(e, c);
}

/* ---------------------------------------------------------------- public ---
 */

void edit_init(struct edit *e, bool wanted) {
  const char *term = getenv("TERM");
  memset(e, 0, sizeof *e);
  e->on = wanted && isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 &&
          term && *term && strcmp(term, "dumb") != 0;
  if (e->on)
    print_below(hide, e);
}

void edit_deinit(struct edit *e) {
  if (!e->on)
    return;
  edit_drop(e);
  print_below(NULL, NULL);
  for (size_t i = 0; i < e->nhistory; i++)
    free(e->history[i]);
  free(e->history);
  free(e->text);
  free(e->ahead);
  e->on = false;
}

void edit_begin(struct edit *e, const char *prompt) {
  if (!e->active) {
    if (!take_terminal(e)) {
      edit_deinit(e);
      return;
    }
    clear(e);
    e->active = true;
  }
  e->prompt = prompt;
  if (!e->shown)
    show(e);
}

void edit_drop(struct edit *e) {
  e->ahead_len = 0;
  if (!e->active)
    return;
  clear(e);
  e->active = e->shown = false;
  give_terminal(e);
}

bool edit_has_ahead(const struct edit *e) {
  return e->ahead_len > 0;
}

/* Ends the line, which stays to be seen. */
static void finish(struct edit *e) {
  e->at = e->len;
  show(e);
  put("\n", 1);
  e->active = e->shown = false;
  give_terminal(e);
}

enum edit_result edit_keys(struct edit *e, const char *keys, size_t len,
                           const char **ret_line, size_t *ret_len) {
  enum edit_result got = EDIT_MORE;
  size_t i = 0;
  if (e->ahead_cap - e->ahead_len < len) {
    e->ahead_cap = e->ahead_len + len + 256;
    e->ahead = must_resize(e->ahead, e->ahead_cap, 1);
  }
  if (len > 0)
    memcpy(e->ahead + e->ahead_len, keys, len);
  e->ahead_len += len;
  while (i < e->ahead_len && got == EDIT_MORE) {
    char c = e->ahead[i++];
    if (e->state == KEY_PLAIN && (c == '\n' || c == '\r'))
      got = EDIT_LINE;
    else if (e->state == KEY_PLAIN && c == WITH_CTRL('D') && e->len == 0)
      got = EDIT_END;
    else
      key(e, c);
  }
  e->ahead_len -= i;
  if (e->ahead_len > 0)
    memmove(e->ahead, e->ahead + i, e->ahead_len);
  if (got == EDIT_MORE) {
    show(e);
    return got;
  }
  if (got == EDIT_LINE)
    remember(e);
  finish(e);
  *ret_line = e->text;
  *ret_len = e->len;
  return got;
}
