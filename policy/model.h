/* model.h - policies, groups, scopes as plain data.  A set is built once, then
 * immutable and reference counted; any thread may read it. */
#ifndef POLICY_MODEL_H
#define POLICY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/condition.h"
#include "policy/expr.h"
#include "policy/pattern.h"
#include "policy/tree.h"
#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

struct policy_set;   /* all policies of all files */
struct policy_scope; /* which of them are in force */
struct policy_index; /* index.h */

/* Applies where one of the actions and one of the resources match: the lists
 * |actions| and |resources| of a policy are one rule, each entry of |rules| is
 * one. */
struct policy_place {
  uint32_t line; /* 0: nowhere */
  uint32_t column;
};

/* The guards' actions are named by nearly every policy, in the same few lists:
 * rules share those, and say themselves where their actions stand. */
struct policy_rule {
  const struct pattern *actions;
  const struct policy_place *action_places; /* NULL: the actions say it */
  struct pattern *resources;
  uint32_t nactions;
  uint32_t nresources;
  unsigned use;     /* PATTERN_FOR_* of all the actions */
  bool any_address; /* "address: any" */
  uint32_t line;
  uint32_t column;
};

struct policy_place policy_action_place(const struct policy_rule *r, size_t i);

/* What loading leaves for lint.c to tell. */
enum policy_note_kind {
  POLICY_NOTE_COMPAT,  /* |text|: a pattern that is read otherwise than it is
                          written; |pattern| is the one */
  POLICY_NOTE_SILENCE, /* meta.lint.silence: |text| is the code, |reason| why;
                          empty where there is none */
  POLICY_NOTE_BAD_SILENCE /* |text|: what is wrong with meta.lint */
};

struct policy_note {
  struct policy_note *next; /* in the order of the text */
  enum policy_note_kind kind;
  uint32_t line;
  uint32_t column;
  struct slice text;
  struct slice reason;
  const struct pattern *pattern;
};

/* A policy or group that an entry of another kind names, in
 * "security: {policies: [...], groups: [...]}". */
struct policy_reference {
  struct policy_reference *next;
  const char *file;
  uint32_t line;
  uint32_t column;
  bool group;
  struct slice ns;   /* of the file; NULL: it has none */
  struct slice name; /* as written, NUL-terminated */
};

struct policy {
  struct slice id; /* "ns:name", NUL-terminated */
  const char *file;
  uint32_t line; /* of the entry; 0: policy_set_add_allow */
  uint32_t column;
  size_t index; /* policy_set_at; the order of loading until it is finished */
  bool deny;    /* effect */
  struct policy_rule *rules;
  size_t nrules;
  struct condition *conditions; /* all must hold */
  size_t nconditions;
  const struct expr *expr; /* must hold; NULL: none */
  struct slice *groups;    /* "ns:name" */
  size_t ngroups;
  const struct policy_note *notes; /* NULL: none */
};

/* Called once per mistake, in the order of the text; borrowed. */
typedef void policy_mistake_fn(void *ud, const struct err *mistake);

/* An empty set, to be filled; one reference.  0 or ERR_NOMEM */
int policy_set_new(struct policy_set **ret, const struct mem *m);

/* How large the files may be; before the first policy_set_add. */
void policy_set_limits(struct policy_set *set,
                       const struct tree_limits *limits);

/* Reads what the original runtime took and we do not, where there is a safe
 * reading, with a note instead of a mistake; before the first policy_set_add.
 */
int policy_set_compat(struct policy_set *set); /* 0 or ERR_BUSY */
bool policy_set_is_compat(const struct policy_set *set);

/* Parses one file's YAML into |set|.  |name| is shown in messages and kept by
 * copy.  0; or ERR_SYNTAX after |fn| (may be NULL) was called for each mistake:
 * more files can then be added to find their mistakes, but policy_set_finish
 * will refuse the set; or ERR_NOMEM; or ERR_BUSY when it is finished, or from
 * inside of a policy_mistake_fn. */
int policy_set_add(struct policy_set *set, const char *name, struct slice text,
                   policy_mistake_fn *fn, void *ud);

/* An allow of websocket.connect and websocket.connect.url for one URL pattern,
 * with the id "cli:allow" (and "cli:allow-2" ...).  0, ERR_SYNTAX with |e|,
 * ERR_NOMEM, ERR_BUSY */
int policy_set_add_allow(struct policy_set *set, struct slice pattern,
                         struct err *e);

/* Checks what spans files, and freezes the set.  0; ERR_SYNTAX, also when an
 * earlier call failed; ERR_NOMEM; ERR_BUSY when it is finished */
int policy_set_finish(struct policy_set *set, policy_mistake_fn *fn, void *ud);

struct policy_set *policy_set_ref(struct policy_set *set);
void policy_set_unref(struct policy_set *set); /* NULL is harmless */

bool policy_set_is_finished(const struct policy_set *set);
const struct mem *policy_set_mem(const struct policy_set *set);

/* Of a finished set; in the order of their ids. */
size_t policy_set_len(const struct policy_set *set);
const struct policy *policy_set_at(const struct policy_set *set, size_t i);
/* All files', the newest first. */
const struct policy_reference *
policy_set_references(const struct policy_set *set);
const struct policy *policy_set_find(const struct policy_set *set,
                                     struct slice id);

/* The policies of the groups and ids in |names| ("ns:name", or a bare name
 * where it is unambiguous); n == 0: all policies of the set.  The policies of
 * policy_set_add_allow are always in.  0, ERR_NOT_FOUND (|e| names the nearest
 * known one, or those between which a name is ambiguous), ERR_INVALID (the set
 * is not finished), ERR_NOMEM.  Keeps a reference to |set|. */
int policy_scope_new(struct policy_scope **ret, struct policy_set *set,
                     const struct slice *names, size_t n, const struct mem *m,
                     struct err *e);
void policy_scope_free(struct policy_scope *scope); /* NULL is harmless */

/* The policies in force, in the order of their ids. */
size_t policy_scope_len(const struct policy_scope *scope);
const struct policy *policy_scope_at(const struct policy_scope *scope,
                                     size_t i);
bool policy_scope_has(const struct policy_scope *scope,
                      const struct policy *policy);
/* Of all the policies of the scope's set, in force or not. */
const struct policy_index *policy_scope_index(const struct policy_scope *scope);

#endif
