/* worker_bridge.h - what a script in a worker and its host tell each other in
 * values: the worker's end of the wire. */
#ifndef RUNTIME_WORKER_BRIDGE_H
#define RUNTIME_WORKER_BRIDGE_H

#include "modules/bridge.h"
#include "runtime/worker_link.h"

struct worker_bridge {
  struct bridge bridge;
  struct arena arena; /* of the following */
  struct value input;
  struct value result;
  bool has_result;
  struct err no_result; /* code 0: |result|, or null */
};

void worker_bridge_init(struct worker_bridge *wb, struct worker_link *k);
/* Takes what |m| says the host has.  0 or ERR_NOMEM */
int worker_bridge_load(struct worker_bridge *wb, const struct msg_load *m,
                       struct state *st);
/* One message from the broker; false: it is about something else. */
bool worker_bridge_handle(struct bridge *b, const struct packet *m);

#endif
