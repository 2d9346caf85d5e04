/* model.h - policies, groups, scopes as plain data.  A set is built once, then
 * immutable and reference counted; any thread may read it. */
#ifndef POLICY_MODEL_H
#define POLICY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

struct policy_set;   /* all policies of all files */
struct policy_scope; /* which of them are in force */
struct policy_rule;

struct policy {
  struct slice id; /* "ns:name" */
  const char *file;
  uint32_t line; /* of the entry */
  uint32_t column;
  bool deny; /* effect */
  /* the rest is the owner's business: rules, groups, index in the set */
  struct policy_rule *rules;
  size_t nrules;
  struct slice *groups; /* "ns:name" */
  size_t ngroups;
  size_t index;
};

/* Called once per mistake, in the order of the text; borrowed. */
typedef void policy_mistake_fn(void *ud, const struct err *mistake);

/* An empty set, to be filled; one reference.  0 or ERR_NOMEM */
int policy_set_new(struct policy_set **ret, const struct mem *m);

/* Parses one file's YAML into |set|.  |name| is shown in messages.  0; or
 * ERR_SYNTAX after |fn| (may be NULL) was called for each mistake, in which case
 * the set must not be used any more; or ERR_NOMEM. */
int policy_set_add(struct policy_set *set, const char *name, struct slice text,
                   policy_mistake_fn *fn, void *ud);

/* An allow of websocket.connect and websocket.connect.url for one URL pattern,
 * with the id "cli:allow" (and "cli:allow-2" ...).  0, ERR_SYNTAX with |e|,
 * ERR_NOMEM */
int policy_set_add_allow(struct policy_set *set, struct slice pattern,
                         struct err *e);

/* Checks what spans files, and freezes the set.  0, ERR_SYNTAX, ERR_NOMEM */
int policy_set_finish(struct policy_set *set, policy_mistake_fn *fn, void *ud);

struct policy_set *policy_set_ref(struct policy_set *set);
void policy_set_unref(struct policy_set *set); /* NULL is harmless */

size_t policy_set_len(const struct policy_set *set);
const struct policy *policy_set_at(const struct policy_set *set, size_t i);
const struct policy *policy_set_find(const struct policy_set *set,
                                     struct slice id);

/* The policies of the groups and ids in |names| ("ns:name", or a bare name
 * where it is unambiguous); n == 0: all policies of the set.  The policies of
 * policy_set_add_allow are always in.  0, ERR_NOT_FOUND (|e| names the nearest
 * known one), ERR_NOMEM.  Keeps a reference to |set|. */
int policy_scope_new(struct policy_scope **ret, struct policy_set *set,
                     const struct slice *names, size_t n, const struct mem *m,
                     struct err *e);
void policy_scope_free(struct policy_scope *scope);

#endif
