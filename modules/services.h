/* services.h - what a sandbox lends its modules.  state_services(L) is this. */
#ifndef MODULES_SERVICES_H
#define MODULES_SERVICES_H

#include "modules/guard.h"
#include "runtime/base/list.h"
#include "runtime/net/resolve.h"
#include "runtime/net/tls.h"
#include "runtime/vm/state.h"

struct services {
  struct guard guard;
  struct resolver *resolver;
  struct tls_context *tls;
  /* websocket.c */
  struct list clients; /* dialling or open */
  size_t nclients;
  uint64_t max_clients;
  uint64_t connects_per_minute;
  uint64_t minute_started_ns; /* of the window that is being counted */
  uint64_t minute_connects;
};

static inline struct services *services_of(lua_State *L) {
  return state_services(L);
}

/* websocket.c: the script has ended; every connection is closed with 1001 and
 * let go, without Lua. */
void websocket_end(struct services *sv);

#endif
