/* run.h - what the command line says about a run, whatever is run. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/audit.h"
#include "cli/subject.h"

#include <cordon/cordon.h>

#include <stdbool.h>

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

/* Makes the host; a status, and unless STATUS_OK all has been said. */
int run_setup_host(const struct run_setup *s, cordon_host **ret_host);

/* What the setup says about every sandbox: isolation and mode. */
void run_setup_sandbox(const struct run_setup *s, cordon_sandbox_config *cfg);

#endif
