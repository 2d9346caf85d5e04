/* admission.h - may this connection be opened?  Asks the policies about the
 * action, the URL and each address, and keeps the limits on connections.  No
 * Lua: the same code serves scripts of this process and of workers. */
#ifndef MODULES_ADMISSION_H
#define MODULES_ADMISSION_H

#include "modules/guard.h"
#include "runtime/net/connection.h"

struct services;

/* What becomes of a websocket.connect. */
enum dial_end {
  DIAL_OPEN, /* or, of admission_ask: it may be dialled */
  DIAL_REFUSED,
  DIAL_INVALID, /* the URL, or an option */
  DIAL_DRY_RUN,
  DIAL_LIMITED,
  DIAL_FAILED
};

/* For the script.  Texts are borrowed. */
struct dial_answer {
  enum dial_end end;
  struct refusal refusal;            /* DIAL_REFUSED */
  char message[512];                 /* DIAL_INVALID, _DRY_RUN, _LIMITED */
  struct slice url;                  /* DIAL_FAILED: canonical */
  struct connection_failure failure; /* DIAL_FAILED */
};

/* One connect between question and open connection. */
struct admission {
  struct services *sv;
  struct guard_place where;
  struct url url;
  /* of the URL, for the addresses; its policy may be gone when it is used */
  struct decision url_decision;
  /* the last address that was refused */
  struct decision refused;
  char address[IP_TEXT_MAX + 8];
  struct policy_set *set; /* that |refused| points into */
};

/* Asks for websocket.connect and websocket.connect.url, then whether the limits
 * leave room; an answer other than DIAL_OPEN borrows from |a| and from the
 * policies, until the next call into the host. */
void admission_ask(struct admission *a, struct services *sv, struct slice url,
                   const struct guard_place *where, uint64_t now_ns,
                   struct dial_answer *ret);
/* Asks for websocket.connect.address.  0 or ERR_DENIED */
int admission_judge(struct admission *a, const struct ip *ip, uint16_t port);
/* The answer to a failure to open it. */
void admission_failed(const struct admission *a,
                      const struct connection_failure *f,
                      struct dial_answer *ret);
void admission_deinit(struct admission *a); /* harmless on zeroed memory */

#endif
