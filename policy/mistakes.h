/* mistakes.h - the mistakes of one YAML file: collected in one pass, told in
 * the order of the text, bounded. */
#ifndef POLICY_MISTAKES_H
#define POLICY_MISTAKES_H

#include "policy/model.h"
#include "policy/tree.h"

struct mistakes {
  const char *name; /* of the file, for people; borrowed */
  const struct mem *mem;
  struct err *list; /* the first ones, in the order of the text */
  size_t len;
  size_t cap;
  size_t total;    /* also those that are not kept */
  size_t repeated; /* of them: told before, at the same place */
  bool nomem;      /* something could not be allocated, here or by the caller */
};

void mistakes_init(struct mistakes *ms, const char *name,
                   const struct mem *mem);
void mistakes_deinit(struct mistakes *ms);

void mistakes_add(struct mistakes *ms, struct tree_pos at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "unknown |what| 'got', expected 'nearest'", or all of |words| (which ends
 * with NULL) when none is near. */
void mistakes_unknown(struct mistakes *ms, struct tree_pos at, const char *what,
                      struct slice got, const char *const *words);

/* Finds the members |words| of |map| into |items| (NULL where absent), which
 * has as many.  Other keys and keys that stand twice are mistakes; a misspelt
 * one then counts as the one it was meant to be. */
void mistakes_read_keys(struct mistakes *ms, const struct tree_node *map,
                        const char *const *words,
                        const struct tree_item **items);

/* The second half of that: a misspelt key counts as what it was meant to be,
 * after it was told, so that its value is looked at too, and nobody is told
 * that it is missing. */
void mistakes_take_misspelt(const struct tree_node *map,
                            const char *const *words,
                            const struct tree_item **items);

/* A string of at most |max| bytes without NUL; else a mistake. */
bool mistakes_is_string(struct mistakes *ms, const struct tree_item *item,
                        const char *what, size_t max);

/* Calls |fn| (may be NULL) for each.  0, ERR_SYNTAX or ERR_NOMEM */
int mistakes_tell(const struct mistakes *ms, policy_mistake_fn *fn, void *ud);

/* For "%.*s" of text that came from the file. */
#define MISTAKES_SHOWN(s) (int)((s).len > 64 ? 64 : (s).len), (s).p

#endif
