/* options.h - options and their values, read strictly: what is not plainly
 * right is an error that says what would be. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option {
  const char *name;  /* without its dashes */
  char letter;       /* 0: none */
  const char *value; /* what it takes, "FILE"; NULL: it is a flag */
  bool repeats;      /* may be given more than once */
  bool later;        /* belongs to a later version: refused by name */
};

#define OPTIONS_MAX 32

/* To start: |command|, |table|, |argc| and |argv| set, |at| 1, the rest 0. */
struct options {
  const char *command;        /* for messages */
  const struct option *table; /* ends with a name of NULL; at most
                                 OPTIONS_MAX entries */
  int argc;
  char **argv;
  int at;              /* the next word of argv */
  const char *cluster; /* the rest of "-qp" */
  bool words_only;     /* "--" was seen */
  bool seen[OPTIONS_MAX];
};

enum {
  OPTION_END = -1,
  OPTION_WORD = -2, /* no option: |*ret_value| is the word */
  OPTION_BAD = -3,  /* what is wrong has been said */
  OPTION_HELP = -4  /* --help or -h */
};

/* The index in the table of the next option, with its value (NULL for flags),
 * or one of the codes above. */
int options_next(struct options *o, const char **ret_value);

/* The entry of |words| (which ends with NULL) nearest to |text|, or NULL when
 * none is near enough to be a misspelling. */
const char *nearest(const char *text, const char *const *words);

/* The whole of |text|, and at least 1.  False when it is something else, or
 * too much. */
bool parse_count(const char *text, uint64_t *ret);       /* 64 */
bool parse_size(const char *text, uint64_t *ret_bytes);  /* 64MiB, 10MB, 4096 */
bool parse_duration(const char *text, uint64_t *ret_ms); /* 1m30s, 1.5s, 20ms;
                                                            rounded up */

#endif
