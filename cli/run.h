/* run.h - what the command line says about a run, whatever is run. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/audit.h"
#include "cli/subject.h"

#include <cordon/cordon.h>

#include <stdbool.h>

/* Entries for the tables of commands that run scripts; keep them first and in
 * this order. */
#define RUN_SETUP_OPTIONS                                                      \
  SUBJECT_OPTIONS, {"memory", 0, "SIZE", false, false},                        \
      {"cpu", 0, "DURATION", false, false},                                    \
      {"deadline", 0, "DURATION", false, false},                               \
      {"max-connections", 0, "N", false, false},                               \
      {"max-connects-per-minute", 0, "N", false, false},                       \
      {"max-tasks", 0, "N", false, false},                                     \
      {"max-timers", 0, "N", false, false},                                    \
      {"max-output", 0, "SIZE", false, false},                                 \
      {"isolation", 0, "process|inprocess", false, false},                     \
      {"ca", 0, "FILE", false, false}, {"quiet", 'q', NULL, false, false},     \
      {"audit", 0, "FILE", false, false},                                      \
      {"audit-query", 0, NULL, false, false},                                  \
      {"mode", 0, "enforce|complain", false, false}, {                         \
    "dry-run", 0, NULL, false, false                                           \
  }
enum {
  RUN_MEMORY = SUBJECT_OPTION_COUNT,
  RUN_CPU,
  RUN_DEADLINE,
  RUN_CONNECTIONS,
  RUN_CONNECTS,
  RUN_TASKS,
  RUN_TIMERS,
  RUN_OUTPUT,
  RUN_ISOLATION,
  RUN_CA,
  RUN_QUIET,
  RUN_AUDIT,
  RUN_AUDIT_QUERY,
  RUN_MODE,
  RUN_DRY_RUN,
  RUN_SETUP_OPTION_COUNT
};

struct run_setup {
  struct subject subject;
  cordon_limits limits;
  bool limited; /* one of them was given */
  const char *isolation;
  const char *ca_file;
  bool quiet;
  const char *audit_path; /* NULL: no log */
  struct audit audit;
  cordon_mode mode;
  bool dry_run;
  uint64_t grace_ms; /* 0: not given */
  bool json;         /* --format json */
  bool watch;

  const char *script; /* or the manifest, as given; "-" is standard input */
  const char *const *args;
  size_t nargs;
};

/* Takes one option of RUN_SETUP_OPTIONS; a status. */
int run_setup_option(struct run_setup *s, const char *command, int option,
                     const char *value);

/* Makes the host; a status, and unless STATUS_OK all has been said. */
int run_setup_host(const struct run_setup *s, cordon_host **ret_host);

/* What the setup says about every sandbox: isolation and mode. */
void run_setup_sandbox(const struct run_setup *s, cordon_sandbox_config *cfg);

#endif
