/* parse_in.h - what the files of the parser share. */
#ifndef POLICY_PARSE_IN_H
#define POLICY_PARSE_IN_H

#include "policy/mistakes.h"
#include "policy/parse.h"

/* Of a name, an action, a resource: longer is no pattern anybody means, and an
 * alias could repeat it ten thousand times. */
#define PARSE_MAX_TEXT 4096

/* Room for the members of any map, see mistakes_read_keys. */
#define PARSE_MAX_KEYS 8

/* Actions are few and come again: policies share their texts.  So many of one
 * file are remembered. */
#define PARSE_KNOWN_ACTIONS 8
/* The same of whole lists of the guards' actions. */
#define PARSE_KNOWN_LISTS 4

struct parser {
  struct arena *keep;
  struct regex_pool *regexes;
  struct policy_reference **references;
  bool compat;
  struct tree_node *root;
  struct slice ns; /* NULL: missing or wrong */
  parse_policy_fn *on_policy;
  void *ud;
  struct policy **policies; /* delivered, for the check of their ids */
  size_t npolicies;
  size_t policies_cap;
  struct pattern known[PARSE_KNOWN_ACTIONS];
  size_t nknown; /* ever */
  struct known_list {
    const struct pattern *actions;
    size_t n;
  } lists[PARSE_KNOWN_LISTS];
  size_t nlists; /* ever */
  struct mistakes ms;
};

/* A string that is not too long; else a mistake. */
bool parse_is_string(struct parser *ps, const struct tree_item *item,
                     const char *what);

/* A list or a scalar that stands for a list of one. */
size_t parse_list_len(const struct tree_node *n);
struct tree_item parse_list_at(const struct tree_item *item, size_t i);

/* Where byte |column| of the text of |item| stands. */
struct tree_pos parse_pos_inside(const struct tree_item *item, uint32_t column);

/* Whether |rv|, of something made from the text of |item|, is 0; else the
 * mistake is |e|. */
bool parse_compiled(struct parser *ps, const struct tree_item *item, int rv,
                    const struct err *e);

/* parse_rules.c: what a policy is about.  Mistakes are added to |ps|. */

void parse_rules(struct parser *ps, const struct tree_item *item,
                 struct policy *p);
/* After parse_actions, which says what the resources are for. */
bool parse_actions(struct parser *ps, const struct tree_item *item,
                   struct policy_rule *r);
bool parse_resources(struct parser *ps, const struct tree_item *item,
                     struct policy *p, struct policy_rule *r);

/* parse_condition.c: when it applies.  After the rules. */

void parse_conditions(struct parser *ps, const struct tree_item *item,
                      struct policy *p);
void parse_expression(struct parser *ps, const struct tree_item *item,
                      struct policy *p);

/* parse_note.c: what is kept for advice, and is no mistake. */

/* Behind the last, so that they stay in the order of the text.  NULL after
 * setting nomem. */
struct policy_note *parse_note(struct parser *ps, struct policy *p,
                               enum policy_note_kind kind, struct tree_pos at,
                               struct slice text);
void parse_meta(struct parser *ps, const struct tree_node *meta,
                struct policy *p);
/* Of an entry of another kind, at any depth. */
void parse_references(struct parser *ps, const struct tree_node *n);

#endif
