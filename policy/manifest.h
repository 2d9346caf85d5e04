/* manifest.h - the workloads of a manifest: entries of kind process.lua as
 * plain data.  The policies of the same file are model.h's. */
#ifndef POLICY_MANIFEST_H
#define POLICY_MANIFEST_H

#include "policy/model.h"
#include "policy/tree.h"

#define MANIFEST_MAX_WORKLOADS 1000

enum manifest_restart {
  MANIFEST_RESTART_NEVER,
  MANIFEST_RESTART_ON_FAILURE,
  MANIFEST_RESTART_ALWAYS
};

/* 0: not given. */
struct manifest_limits {
  uint64_t memory_bytes;
  uint64_t cpu_ms;
  uint64_t deadline_ms;
  uint64_t tasks;
  uint64_t timers;
  uint64_t connections;
  uint64_t connects_per_minute;
  uint64_t output_bytes;
};

/* A word of the file, NUL-terminated; p NULL: it is not there. */
struct manifest_word {
  struct slice text;
  struct tree_pos pos;
};

struct manifest_workload {
  struct manifest_word name;   /* unique in the file; pos is the entry's */
  struct manifest_word source; /* below the manifest's folder: "lib/x.lua", no
                                  "." or "..", not absolute */
  struct manifest_word method; /* p NULL: not given */
  const char **args;
  size_t nargs;
  const char **modules; /* that may be required; NULL: none */
  size_t nmodules;
  uint32_t modules_line; /* of the list; of the entry where there is none */
  bool auto_start;
  struct manifest_word actor;  /* p NULL: nobody */
  const char *actor_meta;      /* a JSON object; NULL: none */
  struct manifest_word *scope; /* "ns:name" of policies and groups */
  size_t nscope;
  struct manifest_limits limits;
  enum manifest_restart restart;
  uint64_t delay_ms;     /* before the first restart; doubled each time */
  uint64_t delay_max_ms; /* but no longer than this */
  uint64_t tries;        /* restarts after failures in a row; 0: no end */
  uint64_t stable_ms;    /* a run this long begins the row anew */
  size_t *depends_on;    /* which of the workloads: all stand before it */
  size_t ndepends_on;
};

struct manifest;

/* Parses |text|.  |name| is shown in messages and kept by copy.  0; ERR_SYNTAX
 * after |fn| (may be NULL) was called for each mistake, in the order of the
 * text; or ERR_NOMEM */
int manifest_new(struct manifest **ret, const char *name, struct slice text,
                 const struct tree_limits *limits, const struct mem *m,
                 policy_mistake_fn *fn, void *ud);
void manifest_free(struct manifest *mf); /* NULL is harmless */

/* Those that others depend on first; else in the order of the file. */
size_t manifest_len(const struct manifest *mf);
const struct manifest_workload *manifest_at(const struct manifest *mf,
                                            size_t i);

/* Are all the policies and groups that workloads name in |set| (finished)?  0;
 * ERR_SYNTAX after |fn| was called for each that is not; or ERR_NOMEM */
int manifest_check(const struct manifest *mf, struct policy_set *set,
                   policy_mistake_fn *fn, void *ud);

const struct mem *manifest_mem(const struct manifest *mf);

#endif
