/* remote_inside.h - between remote.c, which has a worker's life, and
 * remote_serve.c, which answers it. */
#ifndef RUNTIME_REMOTE_INSIDE_H
#define RUNTIME_REMOTE_INSIDE_H

#include "modules/admission.h"
#include "runtime/host.h"
#include "runtime/net/relay.h"
#include "runtime/remote.h"
#include "runtime/sandbox.h"
#include "runtime/worker/spawn.h"

/* Policy sets a worker may hold at a time.  Each is one that was in force when
 * it asked: more than a few take as many reloads of the host. */
#define REMOTE_SETS_MAX 64

struct remote_set {
  uint32_t number; /* in messages; 0: the place is free */
  struct policy_set *set;
  uint8_t *shown; /* bit by policy: the worker was given it */
  size_t shown_bytes;
};

/* A connect under way. */
struct remote_opening {
  struct list node;
  struct remote *remote;
  uint32_t id;
  struct opening *opening;
  struct admission admission;
};

/* A connection the worker has: it says when it ends.  Of one that is relayed
 * the end is seen here, too; then the worker's word is waited for no longer
 * than it can take, and the host is told without it. */
struct remote_open {
  struct list node;
  struct remote *remote;
  uint64_t number;
  struct relay *relay; /* NULL: none, or it has ended */
  uint64_t lost_ns;    /* when that is told; 0: it has not ended */
  bool told;           /* that it has ended, and still counts until the worker
                          has said so */
};

enum remote_phase {
  REMOTE_NEW,
  REMOTE_LOADING,
  REMOTE_RUNNING,
  REMOTE_ENDED, /* the result is known; goodbyes */
};

struct remote {
  struct list node; /* in cordon_host.departing, once |sb| is NULL */
  struct cordon_host *host;
  struct cordon_sandbox *sb;
  struct mem mem;
  struct worker *worker;
  struct wire wire;
  struct watch watch;
  struct timer backstop;
  struct deferred more; /* messages that were left for the next turn */
  struct state_limits limits;
  enum remote_phase phase;
  bool ready;    /* it is confined */
  bool gone;     /* the process has ended */
  bool hung_up;  /* end of file was read */
  bool deaf;     /* nothing more is heard from it */
  bool canceled; /* the host wants it to end */
  bool killed;   /* by us, after |result| was set */
  bool goodbyes; /* it has connections that say goodbye */
  bool stuck;    /* the system takes no more descriptors: tried again soon */
  bool held;     /* messages wait until it has read answers */
  bool spent;    /* the CPU limit was reached a while ago */
  bool dropped;  /* output that came after that */
  bool given_up; /* no memory: it is killed, and ends from the loop */
  uint64_t started_ns;
  uint64_t ended_ns;
  uint64_t kill_ns; /* for a cancel, or the end of goodbyes; 0: none */
  uint64_t cpu_check_ns;
  uint64_t lost_ns; /* the first of |opens| whose end is to be told; 0: none */
  struct payer payer; /* CPU time of ours */
  uint64_t told_ns;   /* of that: the worker knows */
  size_t efforts;     /* dealt with, and it does not know */
  struct deferred owes;
  uint64_t output_bytes;
  size_t goodbye_bytes; /* heard after |result| was set */
  enum stop_reason stop;
  struct script_result result;
  struct msg_usage usage;
  struct list openings;
  struct list opens;
  struct relay_crew relays;
  size_t npolicies_shown;
  uint32_t last_set;
  struct remote_set sets[REMOTE_SETS_MAX];
};

/* remote.c */

/* The script is over: |code| and |e| are its result, unless it has one. */
void remote_end(struct remote *r, int code, const struct err *e);
/* The worker broke its word; no more is heard from it. */
void remote_violated(struct remote *r, const char *what);
/* Puts |m| into its queue; |fd| as for wire_put.  A worker that cannot be told
 * something is killed; its end is told later, from the loop. */
void remote_tell(struct remote *r, const struct packet *m, int fd);
void remote_kill(struct remote *r);
/* Believes |u| as far as it can be true. */
void remote_take_usage(struct remote *r, const struct msg_usage *u);
/* It has printed more than it may. */
void remote_over_output(struct remote *r);
/* Some deadline has changed.  Ends nothing before it returns. */
void remote_arm(struct remote *r);
/* Less waits to be sent than what stops us from hearing it. */
bool remote_has_room(const struct remote *r);
/* Sends what was told outside of remote_handle. */
void remote_flush(struct remote *r);

/* remote_exchange.c */

/* What the host has for the script, in |a|, into a LOAD.  0 or ERR_NOMEM */
int remote_load_offers(const struct remote *r, struct msg_load *m,
                       struct arena *a);
/* One message about values.  False: |m| is no such message. */
bool remote_handle_exchange(struct remote *r, const struct packet *m);
/* What RESULT says main returned. */
void remote_take_value(struct remote *r, const struct msg_result *m);
extern const struct script_ops script_there;

/* remote_serve.c */

/* CPU time that the worker is to count from now on, too: it stops its script in
 * good order, where we could only kill it. */
uint64_t remote_bill(struct remote *r);
struct guard_place place_of(const struct msg_place *m);
struct msg_refusal refusal_to(const struct refusal *r);

/* Does what one message says.  |last|: nothing came behind it. */
void remote_handle(struct remote *r, const struct packet *m, bool last);
/* Tells of connections that have ended without a word of the worker. */
void remote_look_for_lost(struct remote *r, uint64_t now);
/* The script has no time left, and the worker will hear of it: no more is done
 * for it, and what it waits for is answered soon. */
void remote_spend(struct remote *r);
/* Nothing of it is left: connections are told as lost, openings dropped. */
void remote_serve_end(struct remote *r);
void remote_sets_free(struct remote *r);

#endif
