/* decide.h - request and scope to decision: pure, no allocation, no side
 * effect.  The plain loop here is the definition of what a policy means. */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "policy/model.h"
#include "runtime/base/buf.h"
#include "runtime/base/url.h"
#include "runtime/base/value.h"

enum verdict { VERDICT_DENY = 0, VERDICT_ALLOW = 1, VERDICT_UNDEFINED = 2 };
const char *verdict_name(enum verdict v); /* "deny" "allow" "undefined" */

/* Who acts.  |meta| is a map, or NULL for none. */
struct actor {
  struct slice id;
  const struct value *meta;
};

/* All borrowed for the call. */
struct request {
  const struct actor *actor; /* NULL: none, which is refused */
  struct slice action;
  struct slice resource;
  const struct value *meta; /* a map or NULL */
  /* Where the action carries a URL (websocket.connect.url and .address). */
  const struct url *url;
  /* websocket.connect.address only */
  const struct ip *ip; /* NULL elsewhere */
  uint16_t port;
  /* A script asks, and nothing is held or half done: it may be abandoned
   * (runtime/base/gate.h) between one condition and the next, as the whole of
   * a long question would take too long. */
  bool may_leave;
  /* Where nobody can be abandoned, how long it may take: then the thread's CPU
   * time is at |until_cpu_ns|, which is looked at from the moment
   * |until_mono_ns| on.  Conditions that come later fail.  0: no bound. */
  uint64_t until_mono_ns;
  uint64_t until_cpu_ns;
};
/* Has that time passed? */
bool policy_out_of_time(const struct request *request);

struct decision {
  enum verdict verdict;
  const struct policy *policy;    /* that decided; NULL: none applied */
  const struct policy_rule *rule; /* of it, that matched; NULL: none */
  unsigned nerrors;               /* policies whose evaluation failed, or 1 when
                                     the request itself is no good */
  bool by_error; /* a deny: because its evaluation failed; undefined: because
                    the evaluation of some allow did */
  /*
   * Of an allowed websocket.connect.url, for the addresses of its host: which
   * of them the applicable allows answer for by naming the host literally
   * (policy.md, "Addresses").
   */
  bool any_address;      /* a full name and "address: any": every address */
  bool loopback_address; /* "localhost": loopback addresses */
  struct ip literal;     /* an IP literal: this very address; family 0: none */
  /* Of websocket.connect.address: no policy decided but the address's class. */
  bool by_address_class;
  const char *reason; /* static: "allowed by policy", "no actor", ... */
};

/*
 * Decides.  |scope| NULL is refused, as is an actor NULL.  The deciding policy
 * is the applicable one that comes first by (id), so that the order of files
 * never matters.
 *
 * For websocket.connect.url |request->url| may be NULL: the resource is then
 * parsed, and refused when it is no URL.  The same for
 * websocket.connect.address and |request->ip|.
 *
 * For action websocket.connect.address pass in |url_decision| the decision that
 * allowed the URL (else NULL): the default for addresses no policy applies to
 * depends on it.
 */
struct decision policy_decide(const struct policy_set *set,
                              const struct policy_scope *scope,
                              const struct request *request,
                              const struct decision *url_decision);

/* What conditions and expressions see of |request|, whose url and ip are set
 * where its action carries them.  |ret| stays where it is while it is used. */
void policy_facts(struct facts *ret, const struct request *request);

/* Do the conditions of |p| hold, and its expression?  One after the other; the
 * first that is false or fails is the answer.  |fault| is set on an error. */
enum outcome policy_holds(const struct policy *p, const struct facts *facts,
                          struct fault *fault);

/* Calls |fn| for each policy of |scope| whose evaluation fails for |request|,
 * in the order of the ids. */
typedef void policy_error_fn(void *ud, const struct policy *p,
                             const struct fault *fault);
void policy_each_error(const struct policy_scope *scope,
                       const struct request *request, policy_error_fn *fn,
                       void *ud);

/* Appends "app:p (p.yaml:3): condition 1: meta.owner is missing", safe to
 * print.  0, ERR_FULL, ERR_NOMEM */
int policy_write_error(const struct policy *p, const struct fault *fault,
                       struct buf *out);

/* policy_decide, always by the plain loop, over |len| policies in the order of
 * their ids that need not be of one set: for those who try other policies than
 * there are (suite.c). */
struct decision policy_decide_list(const struct policy *const *list, size_t len,
                                   const struct request *request,
                                   const struct decision *url_decision);

/* Says for people, in lines of text appended to |out|, why |d| is the answer:
 * the deciding policy with file and line, or the nearest miss and the smallest
 * rule that would allow it; the lines of cli.md, "A refusal is friendly", after
 * the first, each with two blanks in front and a newline behind.  Nothing for
 * an allow.  Safe to print on a terminal.  0, ERR_FULL, ERR_NOMEM */
int policy_explain_refusal(const struct policy_set *set,
                           const struct policy_scope *scope,
                           const struct request *request,
                           const struct decision *d, struct buf *out);

#endif
