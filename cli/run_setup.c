/* run_setup.c - what the command line says about sandboxes, in the commands
 * that run scripts. */
#include "cli/run.h"

#include "cli/cli.h"
#include "cli/helper.h"
#include "cli/print.h"

#include <string.h>

static const struct option shared[] = {RUN_SETUP_OPTIONS};

static int limit(struct run_setup *s, const char *command, int option,
                 const char *value) {
  static const char size_form[] = "a size such as 64MiB, 10MB or 4096";
  static const char time_form[] = "a duration such as 10s, 1m30s or 500ms";
  static const char count_form[] = "a whole number from 1 on";
  const char *form = count_form;
  bool ok = false;
  switch (option) {
  case RUN_MEMORY:
    form = size_form;
    ok = parse_size(value, &s->limits.memory_bytes);
    break;
  case RUN_OUTPUT:
    form = size_form;
    ok = parse_size(value, &s->limits.output_bytes);
    break;
  case RUN_CPU:
    form = time_form;
    ok = parse_duration(value, &s->limits.cpu_ms);
    break;
  case RUN_DEADLINE:
    form = time_form;
    ok = parse_duration(value, &s->limits.deadline_ms);
    break;
  case RUN_CONNECTIONS:
    ok = parse_count(value, &s->limits.connections);
    break;
  case RUN_CONNECTS:
    ok = parse_count(value, &s->limits.connects_per_minute);
    break;
  case RUN_TASKS:
    ok = parse_count(value, &s->limits.tasks);
    break;
  case RUN_TIMERS:
    ok = parse_count(value, &s->limits.timers);
    break;
  }
  return ok ? STATUS_OK
            : say_usage(command, "--%s takes %s, not '%s'", shared[option].name,
                        form, value);
}

int run_setup_option(struct run_setup *s, const char *command, int option,
                     const char *value) {
  if (option < SUBJECT_OPTION_COUNT) {
    subject_option(&s->subject, option, value);
    return STATUS_OK;
  }
  switch (option) {
  case RUN_ISOLATION:
    if (strcmp(value, "process") != 0 && strcmp(value, "inprocess") != 0)
      return say_usage(command,
                       "--isolation takes process or inprocess, not "
                       "'%s'",
                       value);
    s->isolation = value;
    return STATUS_OK;
  case RUN_CA:
    s->ca_file = value;
    return STATUS_OK;
  case RUN_QUIET:
    s->quiet = true;
    return STATUS_OK;
  case RUN_AUDIT:
    s->audit_path = value;
    return STATUS_OK;
  case RUN_AUDIT_QUERY:
    s->audit.query = true;
    return STATUS_OK;
  case RUN_DRY_RUN:
    s->dry_run = true;
    return STATUS_OK;
  case RUN_MODE:
    if (strcmp(value, "enforce") != 0 && strcmp(value, "complain") != 0)
      return say_usage(command, "--mode takes enforce or complain, not '%s'",
                       value);
    s->mode = strcmp(value, "complain") == 0 ? CORDON_MODE_COMPLAIN
                                             : CORDON_MODE_ENFORCE;
    return STATUS_OK;
  default:
    s->limited = true;
    return limit(s, command, option, value);
  }
}

int run_setup_host(const struct run_setup *s, cordon_host **ret_host) {
  cordon_host_config cfg;
  cordon_error err;
  int rv;
  cordon_host_config_init(&cfg);
  cfg.ca_file = s->ca_file;
  cfg.worker_path = helper_path();
  rv = cordon_host_new(ret_host, &cfg, &err);
  if (rv == CORDON_OK)
    return STATUS_OK;
  if (s->ca_file && (rv == CORDON_E_INVALID || rv == CORDON_E_SYSTEM)) {
    say("--ca %s: %s", s->ca_file, err.message);
    return STATUS_USAGE;
  }
  say("%s", err.message);
  return STATUS_NEGATIVE;
}

void run_setup_sandbox(const struct run_setup *s, cordon_sandbox_config *cfg) {
  cfg->isolation = s->isolation && strcmp(s->isolation, "inprocess") == 0
                       ? CORDON_ISOLATION_INPROCESS
                       : CORDON_ISOLATION_PROCESS;
  cfg->mode = s->dry_run ? CORDON_MODE_DRY_RUN : s->mode;
}
