/* subject.h - whose request is judged, and by what: the options that run and
 * eval share. */
#ifndef CLI_SUBJECT_H
#define CLI_SUBJECT_H

#include "cli/policies.h"

#include <cordon/cordon.h>

#define DEFAULT_ACTOR "local" /* without --actor */

/* Entries for the table of a command; keep them first and in this order. */
#define SUBJECT_OPTIONS                                                        \
  {"policy", 'p', "PATH", true, false},                                        \
      {"allow", 0, "URL-PATTERN", true, false},                                \
      {"scope", 0, "ID", true, false}, {"actor", 0, "ID", false, false}, {     \
    "actor-meta", 0, "KEY=VALUE", true, false                                  \
  }
enum {
  SUBJECT_POLICY,
  SUBJECT_ALLOW,
  SUBJECT_SCOPE,
  SUBJECT_ACTOR,
  SUBJECT_META,
  SUBJECT_OPTION_COUNT
};

/* Words are borrowed from the command line. */
struct words_list {
  const char **items;
  size_t len;
};

struct subject {
  const char *command; /* for messages */
  struct words_list policy, allow, scope, meta;
  const char *actor;
  struct out mistakes; /* to standard error */
  struct policies policies;
  char *meta_json; /* NULL without --actor-meta */
  cordon_value *meta_value;
};

void subject_init(struct subject *s, const char *command, int argc);
void subject_deinit(struct subject *s);

/* Takes one option of SUBJECT_OPTIONS. */
void subject_option(struct subject *s, int option, const char *value);

/* After the last option: reads everything.  A status; unless STATUS_OK,
 * everything wrong has been said. */
int subject_load(struct subject *s);

/* Reads the policies again.  STATUS_OK: |policies| is the new set; else the old
 * one is still there, and what is wrong has been said. */
int subject_reload(struct subject *s);

#endif
