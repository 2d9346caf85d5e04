/* crew_inside.h - what the files of a crew share: crew.c has the loop,
 * crew_member.c one workload over its runs, crew_reload.c the manifest that is
 * read again. */
#ifndef CLI_CREW_INSIDE_H
#define CLI_CREW_INSIDE_H

#include "cli/crew.h"
#include "cli/crew_event.h"
#include "cli/modules_seen.h"
#include "cli/refusals.h"
#include "cli/status_line.h"

#include <stdint.h>

struct crew;

enum member_state {
  MEMBER_OFF,     /* not to be started */
  MEMBER_WAITING, /* to be started at |due_ms| */
  MEMBER_RUNNING,
  MEMBER_CLOSING, /* has ended; its connections say goodbye, until |due_ms| */
  MEMBER_ENDED
};

/* What a manifest was when it was read; here as long as somebody runs by it. */
struct generation {
  struct generation *older;
  struct manifest_files files;
};

/* One workload, over all its runs. */
struct member {
  struct crew *crew;
  struct generation *generation;
  struct manifest_script *script;
  enum member_state state;
  cordon_sandbox *sandbox;
  struct modules_seen seen; /* in this run */
  char *modules_from;
  char *advice; /* about refusals; NULL: none */
  struct audit audit;
  struct refusals *refusals;
  char *line; /* what was printed behind the last newline */
  size_t line_len;
  uint64_t began_ms;
  uint64_t due_ms;
  uint64_t delay_ms; /* before the next restart */
  uint64_t failures; /* in a row */
  bool cancelled;    /* by us */
  bool gone;         /* not in the manifest any more */
  int status;        /* of the last run */
  uint64_t runs;
  struct member *after; /* has its name, and is to end before; or NULL */
};

struct crew {
  struct run_setup *setup;
  cordon_host *host;
  struct generation *newest;
  struct member **members; /* in the order of starting */
  size_t n;
  struct member **retired; /* not in the manifest any more, and still ending */
  size_t nretired;
  struct crew_events events;
  struct watch *watch; /* NULL: without --watch */
  bool told_idle;
  struct status_line status;
  uint64_t messages; /* of runs that have ended */
  uint64_t refused;
  uint64_t restarts;
  uint64_t would_refuse;
  bool stopping;
  uint64_t stop_by_ms;
};

uint64_t crew_now_ms(void); /* of a clock that only goes on */

/* ---------------------------------------------------------- crew_member --- */

struct member *member_new(struct crew *c, struct generation *g,
                          struct manifest_script *s);
void member_free(struct member *m);

/* Has a sandbox. */
bool member_lives(const struct member *m);

/* Looks after one member; what it is waiting for may have come. */
void member_turn(struct member *m, uint64_t now_ms);

/* It goes on as |s| of |g|, a manifest that was read again. */
void member_keep(struct member *m, struct generation *g,
                 struct manifest_script *s);

/* Asks it to end; harmless the second time. */
void member_cancel(struct member *m);

/* It had its time to end. */
void member_cut(struct member *m);

/* ---------------------------------------------------------- crew_reload --- */

/* Descriptors for as many connections as may be, if the system has them. */
void crew_make_room(const struct crew *c);

/* Reads the manifest again; one with a mistake changes nothing. */
void crew_reload(struct crew *c);

/* Frees those that have ended, and the manifests nobody runs by any more. */
void crew_drop_retired(struct crew *c);

#endif
