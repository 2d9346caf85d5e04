/* services.h - what a sandbox lends its modules.  state_services(L) is this. */
#ifndef MODULES_SERVICES_H
#define MODULES_SERVICES_H

#include "modules/admission.h"
#include "modules/authority.h"
#include "modules/guard.h"
#include "modules/lookup.h"
#include "runtime/base/list.h"
#include "runtime/net/resolve.h"
#include "runtime/net/tls.h"
#include "runtime/vm/state.h"

/* A connection that was opened or has ended.  Borrowed for the call. */
struct client_event {
  uint64_t number; /* of the connection, from 1 */
  bool opened;
  const char *url;                 /* opened */
  const struct guard_place *where; /* opened */
  uint16_t code;                   /* ended: RFC 6455 section 7.1.5 */
  bool clean;                      /* ended: close frames went both ways */
  bool by_worker;                  /* ended: so it says, who may say anything */
};

/* What became of a dial that another process was asked for.  Borrowed for the
 * call but for the descriptor, which is the callee's. */
struct remote_answer {
  struct dial_answer answer;
  int fd; /* DIAL_OPEN: connected and upgraded; else -1 */
  struct slice rest;
  struct slice protocol;
  struct deflate_params deflate;
  uint64_t number;
};

/* Embedded in whoever waits for it; taken out of its list it is forgotten, and
 * what it opens is closed. */
struct remote_dial {
  struct list node;
  uint32_t id;
  void (*done)(struct remote_dial *d, const struct remote_answer *a);
};

/* How this process opens connections itself.  A table, so that a program which
 * cannot is linked without policies, resolver and TLS. */
struct dialer {
  void (*ask)(struct admission *a, struct services *sv, struct slice url,
              const struct guard_place *where, uint64_t now_ns,
              struct dial_answer *ret);
  int (*judge)(struct admission *a, const struct ip *ip, uint16_t port);
  void (*failed)(const struct admission *a, const struct connection_failure *f,
                 struct dial_answer *ret);
  void (*deinit)(struct admission *a);
  int (*connect)(struct connection **ret, struct loop *lp, struct resolver *rs,
                 struct tls_context *tls, const struct connection_options *opts,
                 const struct connection_handler *h, void *ud,
                 const struct mem *m, struct err *e);
};

/* admission.h and connection_new. */
extern const struct dialer dialer_here;

struct bridge;

struct services {
  struct guard guard;
  struct bridge
      *bridge; /* what the host has for the script, and the other way */
  const struct authority *authority;
  /* CPU time that one question of authority_here may take; 0: any, as whoever
   * asks can be abandoned in between. */
  uint64_t question_ns;
  const struct lookup *lookup;
  struct lookup_memory lookup_memory; /* of lookup_here */
  const struct dialer *dialer;        /* NULL in a worker, which has |dial| */
  struct resolver *resolver;
  struct tls_context *tls;
  /* of the websocket module */
  struct list clients; /* dialling or open */
  size_t nclients;
  uint64_t max_clients;
  uint64_t connects_per_minute;
  uint64_t minute_started_ns; /* of the window that is being counted */
  uint64_t minute_connects;
  uint64_t opened; /* connections so far */
  uint64_t received; /* messages of all of them */
  uint64_t sent;
  /* In a worker: asks the process that may do it for a connection.  NULL: it is
   * this one.  |d|->done is called from the loop.  0 or ERR_NOMEM */
  int (*dial)(struct services *sv, struct slice url,
              const struct guard_place *where,
              const struct opening_options *opts, struct remote_dial *d);
  /* Tells of connections; never NULL.  No Lua. */
  void (*on_client)(void *ud, const struct client_event *event);
};

static inline struct services *services_of(lua_State *L) {
  return state_services(L);
}

/* websocket_client.c: the script has ended; every connection is closed with 1001 and
 * let go, without Lua. */
void websocket_end(struct services *sv);

#endif
