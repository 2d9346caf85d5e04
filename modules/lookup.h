/* lookup.h - what modules ask of a process that may open files and has RE2:
 * this one, or, from a worker, its broker.  No Lua. */
#ifndef MODULES_LOOKUP_H
#define MODULES_LOOKUP_H

#include "policy/regex.h"
#include "runtime/base/buf.h"
#include "runtime/base/err.h"

struct services;

/* Called with the gate closed (runtime/base/gate.h): what is asked for has to
 * be short. */
struct lookup {
  /* Reads the data (tzif.h) of the zone |name|, borrowed until the next
   * question.  0; ERR_NOT_FOUND; ERR_SYNTAX: what is there is no zone;
   * ERR_UNSUPPORTED: this machine has no zones; ERR_SYSTEM: they cannot be
   * read; ERR_NOMEM */
  int (*zone)(struct services *sv, struct slice name, struct slice *ret_data);
  /* Is |pattern| (RE2's syntax) found in |text|, which is UTF-8?  0; ERR_SYNTAX
   * with |e|; ERR_LIMIT: that is more work than one match may be, with |e|;
   * ERR_UNSUPPORTED: built without RE2; ERR_NOMEM */
  int (*match)(struct services *sv, struct slice pattern, struct slice text,
               bool *ret_found, struct err *e);
};

/* Of this process. */
extern const struct lookup lookup_here;

/* Of a text that is matched.  A match cannot be stopped half-way, so that it
 * has to be short as well: the instructions of the pattern times the bytes of
 * the text are bounded too, as that is what the slowest way of RE2 takes. */
#define LOOKUP_TEXT_MAX_BYTES (64u * 1024)
#define LOOKUP_MATCH_MAX_STEPS (1024u * 1024)

/* What lookup_here remembers for one sandbox: the patterns used last.  Each of
 * them holds up to REGEX_MAX_MEMORY, which is the host's, not the script's. */
#define LOOKUP_PATTERNS 8

struct lookup_pattern {
  struct arena arena;
  struct regex_pool pool;
  const struct regex *regex; /* NULL: free */
  uint64_t used;
};

struct lookup_memory {
  struct mem mem;
  struct lookup_pattern *patterns; /* as many; NULL: no match yet */
  uint64_t clock;                  /* ticks with each match */
  struct buf zone;
};

void lookup_memory_init(struct lookup_memory *k, const struct mem *m);
void lookup_memory_deinit(struct lookup_memory *k); /* zeroed is harmless */

/* The zone of lookup_here, into |k|. */
int lookup_zone(struct lookup_memory *k, struct slice name,
                struct slice *ret_data);

#endif
