/* explain.h - everything behind one decision, item by item.  What is told is
 * what policy_explain_refusal (decide.h) says in a few lines. */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include "policy/decide.h"
#include "policy/nearest.h"

enum explain_kind {
  EXPLAIN_REQUEST, /* what was asked; |parts| are those of the URL or address */
  EXPLAIN_APPLIES, /* a policy that applies; the deciding one first */
  EXPLAIN_ERROR,   /* one that could not be evaluated: |text| says why */
  EXPLAIN_MISS,    /* an allow that does not apply, the nearest first */
  EXPLAIN_ADVICE   /* the least that would allow it; one, behind a refusal */
};

/* One part of a URL, a condition, ...  All texts are safe to print. */
struct explain_part {
  const char *name;  /* "port", "condition", "action", "scope" ...; static */
  unsigned number;   /* of a condition, from 1; else 0 */
  const char *is;    /* "8443"; "" if there is nothing to say */
  const char *wants; /* "443"; "" where nothing fails */
  const char *text;  /* both in words: "port is 8443, wants 443" */
  uint32_t line;     /* of the condition in the policy's file; else 0 */
};

#define EXPLAIN_MAX_PARTS 16

/* Texts are NULL where there is nothing to say, else safe to print, and live
 * for the call. */
struct explain_item {
  enum explain_kind kind;
  const struct policy *policy;    /* NULL: it is about none */
  const struct policy_rule *rule; /* of it; NULL: none */
  unsigned rule_number;           /* from 1; 0: none, or its only one */
  const struct pattern *resource; /* of the rule; NULL: none */
  bool decides;
  bool outside; /* not in force */
  const char *pattern;
  const char *text; /* the item in one line */
  const struct explain_part *parts;
  size_t nparts;
  /* Of misses and the advice: */
  const char *edit;    /* what to change, in words */
  const char *add;     /* a rule in YAML that allows it, and as little else as
                          can be */
  const char *wider;   /* a resource pattern: all the miss allows, and this */
  const char *instead; /* a URL that the miss allows */
  const char *note;    /* what to know before doing so */
};

typedef void explain_fn(void *ud, const struct explain_item *item);

/* Tells everything about |d|, the decision on |request| in |scope| (NULL:
 * none); at most |max_misses| of the misses.  |set|: all policies, in force or
 * not; NULL: those in force.  0 or ERR_NOMEM */
int policy_explain_all(const struct policy_set *set,
                       const struct policy_scope *scope,
                       const struct request *request, const struct decision *d,
                       size_t max_misses, const struct mem *m, explain_fn *fn,
                       void *ud);

/* ------------------------------ between explain.c and explain_all.c --- */

/* "app:p (p.yaml:3)".  All write what is safe to print: 0, ERR_FULL, ERR_NOMEM
 */
int explain_write_where(const struct policy *p, struct buf *out);
/* "another actor.meta.role ...": what would make the conditions hold. */
int explain_write_unmet_edit(const struct policy *p, const struct request *q,
                             struct buf *out);
/* "condition 2: actor.meta.role is ...", for one that does not hold. */
int explain_write_condition(const struct policy *p, size_t i,
                            const struct facts *facts, struct buf *out);
int explain_write_expression(const struct policy *p, const struct facts *facts,
                             struct buf *out);
/* "not in force; its group is ns:default" */
int explain_write_outside(const struct policy *p, struct buf *out);
/* '{action: websocket.connect.url, resource: "wss://..."}' for |q|; false:
 * there is no rule for it. */
bool explain_has_rule(const struct request *q);
int explain_write_rule(const struct request *q, const struct decision *d,
                       struct buf *out);
/* What to know before |q| is allowed; NULL: nothing. */
const char *explain_note(const struct request *q);
/* A string in double quotes for YAML, ASCII only; |s| is UTF-8. */
int explain_write_quoted(struct slice s, struct buf *out);
bool explain_is_url_class(const struct request *q, const struct decision *d);

#endif
