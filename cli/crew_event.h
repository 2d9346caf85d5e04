/* crew_event.h - what a crew has to say on standard output: the lines of its
 * workloads, and as JSON lines also what becomes of them.  The fields are those
 * of doc/run.schema.json. */
#ifndef CLI_CREW_EVENT_H
#define CLI_CREW_EVENT_H

#include "cli/print.h"
#include "cli/script_output.h"

#include <cordon/cordon.h>

#include <stdbool.h>

struct crew_events {
  bool json;
  struct script_output output;
};

/* A whole line of |workload|, in two parts, without its newline. */
void crew_event_line(struct crew_events *ev, const char *workload,
                     const char *head, size_t head_len, const char *rest,
                     size_t rest_len);

/* These do nothing unless events are told as JSON.  |workload| NULL: it is
 * about all of them. */
void crew_event_started(struct crew_events *ev, const char *workload,
                        uint64_t run);
/* How a run has ended. */
struct crew_exit {
  int result;
  int status;
  bool cut;         /* it was not waited for any longer */
  const char *kind; /* of the error, else "" */
  const cordon_error *err;
  const cordon_usage *usage;
};
void crew_event_exited(struct crew_events *ev, const char *workload,
                       const struct crew_exit *how);
void crew_event_restarting(struct crew_events *ev, const char *workload,
                           uint64_t delay_ms, uint64_t failures);
void crew_event_gave_up(struct crew_events *ev, const char *workload,
                        uint64_t failures);
void crew_event_denied(struct crew_events *ev, const char *workload,
                       const cordon_audit_event *e);
void crew_event_connection(struct crew_events *ev, const char *workload,
                           const cordon_connection_event *e);
void crew_event_stopping(struct crew_events *ev, const char *signal);
void crew_event_reloaded(struct crew_events *ev, bool ok, size_t started,
                         size_t stopped, size_t restarted, size_t kept);

#endif
