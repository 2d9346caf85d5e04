/* pattern.h - action, resource, URL and address patterns: text to a compiled
 * form, matching in linear time without recursion or allocation, and what a
 * pattern that did not match would have wanted. */
#ifndef POLICY_PATTERN_H
#define POLICY_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/base/ip.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/base/url.h"

#define PATTERN_MAX_STARS 8 /* in a path, and in a query */

/* Zeroed memory is a pattern that matches nothing. */
enum pattern_kind {
  PATTERN_NEVER,
  PATTERN_ANY,     /* "*" */
  PATTERN_EXACT,   /* the whole text; "" is the empty resource only */
  PATTERN_PREFIX,  /* "name.*", "name:*", "name" + separator + star, "name*" */
  PATTERN_URL,     /* by component */
  PATTERN_ADDRESS, /* CIDR block, with or without ports */
  PATTERN_CLASS    /* "class:NAME" */
};

enum pattern_host {
  PATTERN_HOST_NAME,     /* this very name */
  PATTERN_HOST_IP,       /* this very IP literal */
  PATTERN_HOST_BELOW,    /* "*." name: one or more labels below |host| */
  PATTERN_HOST_ANY_NAME, /* "*": any DNS name, never an IP literal */
  /* Denies only: what the original runtime's raw prefix would have hit.  |host|
   * is the lower-case beginning of "host:port"; empty: every host. */
  PATTERN_HOST_PREFIX
};

#define PATTERN_WS 1U
#define PATTERN_WSS 2U

struct pattern_ports {
  uint16_t first; /* 0: the scheme's default port only */
  uint16_t last;
};

struct pattern_url {
  uint8_t schemes;            /* of PATTERN_WS, PATTERN_WSS */
  uint8_t host_kind;          /* enum pattern_host */
  struct pattern_ports ports; /* not looked at with PATTERN_HOST_PREFIX */
  bool any_path;
  bool any_query;
  uint8_t path_stars;
  uint8_t query_stars;
  struct slice host;  /* canonical; of "*." name: name alone */
  struct slice path;  /* canonical, with its stars */
  struct slice query; /* canonical, with its stars; empty: no query */
};

struct pattern_address {
  struct ip prefix;
  uint8_t bits;
  uint8_t class_;             /* enum ip_class, of PATTERN_CLASS */
  struct pattern_ports ports; /* first 0: any port */
};

struct pattern {
  enum pattern_kind kind;
  bool deny; /* compiled for a deny */
  /* Where it stands in its file, by whoever read that; 0: nowhere.  in_place:
   * |source| stands right there, letter by letter. */
  bool in_place;
  uint32_t line;
  uint32_t column;
  struct slice source; /* as written; in the arena */
  union {
    struct slice text; /* EXACT; PREFIX without its star */
    struct pattern_url url;
    struct pattern_address address;
  } as;
};

/* What the actions of a rule may ask about, for pattern_compile_resource. */
#define PATTERN_FOR_CONNECT 1U /* websocket.connect: the resource is "" */
#define PATTERN_FOR_URL 2U     /* websocket.connect.url */
#define PATTERN_FOR_ADDRESS 4U /* websocket.connect.address */
#define PATTERN_FOR_OTHER 8U   /* anything else */
/* How to read it. */
#define PATTERN_IN_DENY 16U /* the policy's effect is deny */
#define PATTERN_COMPAT 32U  /* --compat: warn where it would be an error */

/*
 * Both compile |text| into |*ret|; what is kept is copied into |a|, which
 * outlives the pattern.  0, ERR_SYNTAX or ERR_NOMEM; |*ret| is written on
 * success only.  On ERR_SYNTAX |e| says what is wrong at which byte, what was
 * expected and, where there is one, the rewrite; its |column| is that byte's
 * number in |text|, from 1, and its |line| 0: a caller that knows where |text|
 * stands puts its own position there.
 */
int pattern_compile_action(struct pattern *ret, struct slice text,
                           struct arena *a, struct err *e);

/* |use|: the PATTERN_FOR_* of every action of the rule (pattern_action_use,
 * or-ed together), PATTERN_IN_DENY and PATTERN_COMPAT where they hold.
 * |warning| (may be NULL) gets code 0, or a code and a message when the pattern
 * was understood but not as its author may think (compatibility readings). */
int pattern_compile_resource(struct pattern *ret, struct slice text,
                             unsigned use, struct arena *a, struct err *warning,
                             struct err *e);

/* Whether |action| is the name of an action that a guard asks for, and
 * nothing else. */
bool pattern_is_guard(struct slice action);

/* The PATTERN_FOR_* of the actions that |action| matches. */
unsigned pattern_action_use(const struct pattern *action);

/* What a pattern is held against; all borrowed.  |url| is set for
 * websocket.connect.url only and |ip| for websocket.connect.address only, never
 * both; |text| always (the canonical URL, "ip:port", or the resource). */
struct pattern_subject {
  struct slice text;
  const struct url *url;
  const struct ip *ip;
  uint16_t port; /* with |ip| */
};

/* 1: matches; 0: does not; ERR_INVALID: |text| of a subject without |url|
 * begins like a ws:// URL but is none, so that a URL pattern cannot be judged
 * (evaluation error: a deny then denies, an allow does not allow).  A URL
 * pattern parses such a text itself; that is slow, so pass |url| where it is
 * known.  Never allocates; linear in the length of the subject and of the
 * pattern. */
int pattern_match(const struct pattern *p, const struct pattern_subject *s);

/* The URL of a subject that came without: 1; 0: its text is not meant to be
 * one; ERR_INVALID: it is meant to be one, but is none. */
int pattern_subject_url(const struct pattern_subject *s, struct url *ret);

/* Where packets to |ip| may end: |ip| itself first, then those that a deny of a
 * block or class hits as well.  Returns how many. */
#define PATTERN_MAX_ENDS 3
size_t pattern_ends(const struct ip *ip, struct ip ret[PATTERN_MAX_ENDS]);

/* For actions, where there is only text.  Never true for URL patterns. */
bool pattern_match_text(const struct pattern *p, struct slice text);

/* Parts of a subject, in the order in which they are named to people. */
#define PATTERN_PART_SCHEME 1U
#define PATTERN_PART_HOST 2U
#define PATTERN_PART_PORT 4U
#define PATTERN_PART_PATH 8U
#define PATTERN_PART_QUERY 16U
#define PATTERN_PART_RESOURCE 32U /* kinds without parts */
#define PATTERN_PART_ADDRESS 64U

/* Which parts of |s| fail |p| (0: it matches), and in |*ret_closeness| (may be
 * NULL) how near it came: 0 (nothing in common) to 1000 (matches); the same
 * host counts most, so that the nearest miss is the one a person means. */
unsigned pattern_miss(const struct pattern *p, const struct pattern_subject *s,
                      unsigned *ret_closeness);

/* Appends what |p| wants of |parts|: "port 443", "host api.example.com and path
 * /feed".  0, ERR_FULL, ERR_NOMEM */
int pattern_write_wants(const struct pattern *p, unsigned parts,
                        struct buf *out);
/* "scheme", "host", ...; of one bit. */
const char *pattern_part_name(unsigned part);

/* Appends the canonical text of |p|, which compiles to the same pattern (for
 * the same |use|).  0, ERR_FULL, ERR_NOMEM */
int pattern_write(const struct pattern *p, struct buf *out);

/* How |p| names the host, for the address rule (policy.md, "Addresses").  The
 * flag `address: any` belongs to the rule, not to the pattern. */
enum pattern_naming {
  PATTERN_NAMES_NONE, /* no URL pattern, or a wildcard */
  PATTERN_NAMES_HOST, /* this name or this IP literal */
  PATTERN_NAMES_LOCAL /* localhost, 127.0.0.0/8 or ::1, literally */
};
enum pattern_naming pattern_naming(const struct pattern *p);

#endif
