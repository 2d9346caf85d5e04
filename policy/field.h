/* field.h - what policies can ask about a request: paths such as
 * actor.meta.role, what is found there, and the comparisons that conditions and
 * expressions share.  Nothing here allocates after loading. */
#ifndef POLICY_FIELD_H
#define POLICY_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/regex.h"
#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/base/ip.h"
#include "runtime/base/mem.h"
#include "runtime/base/url.h"
#include "runtime/base/value.h"

/* One request as policies see it; all borrowed for the call. */
struct facts {
  struct slice actor_id;
  const struct value *actor_meta; /* a map or NULL */
  struct slice action;
  struct slice resource;    /* canonical where it is a URL or an address */
  const struct value *meta; /* a map or NULL */
  /* Of the guards of websocket.connect, else NULL.  What they say about scheme,
   * host, port, path, query, tls, ip and class stands above |meta|: nobody can
   * pass in another host than the one that is dialled. */
  const struct url *url;
  const struct ip *ip;
  uint16_t port; /* with |ip| */
  char ip_text[IP_TEXT_MAX];
  char address[IP_TEXT_MAX + 8]; /* |resource|, with |ip| */
  bool may_leave;                /* see struct request */
  uint64_t until_mono_ns;        /* likewise */
  uint64_t until_cpu_ns;
};

/* ---------------------------------------------------------------- paths --- */

enum field_root {
  FIELD_ACTOR_ID,
  FIELD_ACTOR_META,
  FIELD_ACTION,
  FIELD_RESOURCE,
  FIELD_META,
  FIELD_URL
};

#define FIELD_MAX_KEYS 32

struct field {
  enum field_root root;
  uint8_t part; /* private: of a URL or an address */
  size_t nkeys; /* below the root */
  struct slice *keys;
  struct slice source; /* as written, for messages */
};

/* Completes |f|, whose |source| is set, from the names of a path: |names[0]| is
 * the root.  All of it must outlive |f|.  0, or ERR_SYNTAX with a message that
 * says what was expected. */
int field_init(struct field *f, struct slice *names, size_t n, struct err *e);

/* The same from text with dots between the names; copies into |a|.
 * 0, ERR_SYNTAX, ERR_NOMEM */
int field_parse(struct field *f, struct slice text, struct arena *a,
                struct err *e);

/* "host" of url.host and of meta.host, which the guards of the network give;
 * NULL: of no other field. */
const char *field_part(const struct field *f);

/* ------------------------------------------------------------- outcomes --- */

/* What a condition or an expression comes to.  Zero denies nothing and allows
 * nothing; an error denies in a deny and allows nothing in an allow. */
enum outcome { OUTCOME_FALSE = 0, OUTCOME_TRUE = 1, OUTCOME_ERROR = -1 };

enum fault_kind {
  FAULT_NONE,
  FAULT_MISSING,   /* the attribute is not there, or null */
  FAULT_TYPE,      /* |wants| says which type the operator takes */
  FAULT_STEPS,     /* more work than FIELD_MAX_STEPS */
  FAULT_TOO_LONG,  /* a text for lower() with matches */
  FAULT_NOT_UTF8,  /* a text for matches */
  FAULT_NO_MEMORY, /* the regex library got none */
  FAULT_REQUEST    /* the resource is no URL, so a URL pattern cannot be held
                      against it */
};

/* Why there is no answer.  The pointers live as long as the policy. */
struct fault {
  enum fault_kind kind;
  const struct field *field; /* that is missing or of the type; NULL: a value
                                that was computed */
  enum value_type type;      /* FAULT_TYPE: what it is */
  const char *op;            /* "lt", "&&", "len()"; NULL: none */
  const char *wants;         /* "a number" */
  uint32_t line;             /* in the file; 0: not known */
  uint32_t column;
  unsigned condition; /* its number, from 1; 0: an expression or none */
};

/* Appends "condition 2: actor.meta.level is missing".  Safe to print.
 * 0, ERR_FULL, ERR_NOMEM */
int fault_write(const struct fault *f, struct buf *out);

#define FIELD_MAX_STEPS 10000

/* The work one condition or one expression may do: a step a node, an item of a
 * list, and 64 bytes of text or members of a map that are looked at. */
struct effort {
  unsigned steps; /* used */
  struct fault *fault;
};

/* False, with FAULT_STEPS, when it is too much. */
bool effort_spend(struct effort *w, size_t units);

/* What |f| is; false: missing (null counts as missing), or too much work, for
 * which |w->fault| then has a kind. */
bool field_get(const struct field *f, const struct facts *facts,
               struct effort *w, struct value *ret);

/* ----------------------------------------------------------- comparison --- */

/* A value with the field it came from, for faults. */
struct operand {
  struct value value;
  const struct field *field; /* NULL: a literal or computed */
  bool lower;                /* a string, to be taken in lower case (ASCII) */
};

/* Equal types and values; numbers by value, whatever they are written as; never
 * a fault but for FAULT_STEPS. */
enum outcome operand_equal(const struct operand *a, const struct operand *b,
                           struct effort *w);

enum order_op { ORDER_LT, ORDER_GT, ORDER_LTE, ORDER_GTE };
/* Two numbers, exactly, or two strings, by bytes. */
enum outcome operand_order(const struct operand *a, const struct operand *b,
                           enum order_op op, const char *name,
                           struct effort *w);

/* |list| must be a list. */
enum outcome operand_in(const struct operand *item, const struct operand *list,
                        const char *name, struct effort *w);

/* Substring of a string, member of a list. */
enum outcome operand_contains(const struct operand *whole,
                              const struct operand *part, const char *name,
                              struct effort *w);

/* Of strings. */
enum outcome operand_starts(const struct operand *whole,
                            const struct operand *part, const char *name,
                            struct effort *w);
enum outcome operand_ends(const struct operand *whole,
                          const struct operand *part, const char *name,
                          struct effort *w);

/* A string in UTF-8, searched for |re|. */
enum outcome operand_matches(const struct operand *text, const struct regex *re,
                             const char *name, struct effort *w);

/* FAULT_TYPE, and OUTCOME_ERROR. */
enum outcome operand_wrong(const struct operand *o, const char *name,
                           const char *wants, struct effort *w);
enum outcome operand_missing(const struct field *f, struct effort *w);

/* -------------------------------------------------------------- words --- */

/* Appends |v| for people, cut where it is long: "guest" in quotes, words of
 * lists plain.  Safe to print.  0, ERR_FULL, ERR_NOMEM */
int field_write_value(const struct value *v, struct buf *out);

#endif
