/* edit.h - a line that is typed on a terminal: keys, history, one row. */
#ifndef CLI_EDIT_H
#define CLI_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct edit {
  bool on;     /* it is a terminal on which lines can be edited */
  bool active; /* a line is being typed: the terminal gives every key */
  bool shown;
  struct termios before; /* what the terminal was like */
  const char *prompt;
  char *text;
  size_t len, cap;
  size_t at;    /* the cursor, in bytes */
  size_t first; /* the first character that is shown */
  char *ahead;  /* keys that came behind the end of a line */
  size_t ahead_len, ahead_cap;
  char **history; /* the newest last */
  size_t nhistory;
  size_t back; /* how far up it is looked at; 0: the line itself */
  char *kept;  /* the line itself, meanwhile */
  int state;   /* inside of a key's sequence */
  unsigned number;
};

enum edit_result {
  EDIT_MORE, /* the line goes on */
  EDIT_LINE,
  EDIT_END /* Ctrl-D, and there is no line */
};

/* Standard input and standard error are looked at; |wanted| false: not on. */
void edit_init(struct edit *e, bool wanted);
/* The terminal is as it was. */
void edit_deinit(struct edit *e);

/* Begins a line behind |prompt| (static), or shows again what something else
 * was written over. */
void edit_begin(struct edit *e, const char *prompt);
/* Drops the line that is typed, and what was typed ahead. */
void edit_drop(struct edit *e);

/* Were keys typed ahead, which edit_keys takes first? */
bool edit_has_ahead(const struct edit *e);
/* Takes keys, up to the end of a line, which |ret_line| then is, until the next
 * call; the terminal is as it was before, until edit_begin. */
enum edit_result edit_keys(struct edit *e, const char *keys, size_t len,
                           const char **ret_line, size_t *ret_len);

#endif
