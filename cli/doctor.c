/* doctor.c - cordon doctor: what this machine supports. */
#include "cli/cli.h"

#include "cli/helper.h"
#include "cli/options.h"
#include "cli/print.h"

#include <cordon/cordon.h>

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DOCTOR_FORMAT, DOCTOR_WORKER };

const struct option doctor_options[] = {
    {"format", 0, "text|json", false, false},
    {"worker", 0, "FILE", false, false},
    {NULL, 0, NULL, false, false},
};

struct doctor {
  struct out out;
  bool json;
  unsigned warned, failed, n;
  char group[32];
};

static const char *status_text(cordon_check_status status) {
  switch (status) {
  case CORDON_CHECK_OK:
    return "ok";
  case CORDON_CHECK_WARN:
    return "warn";
  case CORDON_CHECK_FAIL:
    return "fail";
  }
  return "fail";
}

static void json_field(struct out *o, const char *name, const char *text,
                       const char *end) {
  out_text(o, "\"");
  out_text(o, name);
  out_text(o, "\":");
  if (cordon_write_json_string(text, strlen(text), out_write, o) != CORDON_OK)
    out_text(o, "null");
  out_text(o, end);
}

static void tell_json(struct doctor *d, const cordon_check *c) {
  out_text(&d->out, d->n > 0 ? ",\n    {" : "\n    {");
  json_field(&d->out, "group", c->group, ", ");
  json_field(&d->out, "name", c->name, ", ");
  json_field(&d->out, "status", status_text(c->status), ", ");
  json_field(&d->out, "value", c->value, ", ");
  json_field(&d->out, "advice", c->advice, "}");
}

static void tell_text(struct doctor *d, const cordon_check *c) {
  char line[128];
  if (strcmp(d->group, c->group) != 0) {
    snprintf(d->group, sizeof d->group, "%s", c->group);
    out_text(&d->out, d->n > 0 ? "\n" : "");
    out_text(&d->out, c->group);
    out_text(&d->out, "\n");
  }
  snprintf(line, sizeof line, "  %-4s  %-26s ", status_text(c->status),
           c->name);
  out_text(&d->out, line);
  out_one_line(&d->out, c->value, strlen(c->value));
  out_text(&d->out, "\n");
  if (c->advice[0]) {
    out_text(&d->out, "        ");
    out_one_line(&d->out, c->advice, strlen(c->advice));
    out_text(&d->out, "\n");
  }
}

static void on_check(void *ud, const cordon_check *c) {
  struct doctor *d = ud;
  if (d->json)
    tell_json(d, c);
  else
    tell_text(d, c);
  d->n++;
  d->warned += c->status == CORDON_CHECK_WARN;
  d->failed += c->status == CORDON_CHECK_FAIL;
}

int command_doctor(int argc, char **argv) {
  static struct doctor d;
  struct options o = {.command = "doctor",
                      .table = doctor_options,
                      .argc = argc,
                      .argv = argv,
                      .at = 1};
  const char *worker = NULL, *value;
  char whole[PATH_MAX];
  cordon_error err;
  int got;
  while ((got = options_next(&o, &value)) != OPTION_END) {
    if (got == OPTION_BAD)
      return STATUS_USAGE;
    if (got == OPTION_HELP)
      return help_print(command_find("doctor"));
    if (got == OPTION_WORD)
      return say_usage("doctor", "unexpected '%s'", value);
    if (got == DOCTOR_WORKER)
      worker = value;
    else if (strcmp(value, "json") == 0)
      d.json = true;
    else if (strcmp(value, "text") != 0)
      return say_usage("doctor", "--format takes text or json, not '%s'",
                       value);
  }
  /* what does not exist is told by its own check */
  if (worker && realpath(worker, whole))
    worker = whole;
  else if (worker && worker[0] != '/')
    return say_usage("doctor", "--worker %s: no such file", worker);
  else if (!worker)
    worker = helper_path();
  out_init(&d.out, STDOUT_FILENO);
  if (d.json) {
    out_text(&d.out, "{\n  \"version\": 1,\n  \"checks\": [");
  }
  if (cordon_doctor(worker, on_check, &d, &err) != CORDON_OK) {
    say("doctor: %s", err.message);
    return STATUS_USAGE;
  }
  if (d.json) {
    out_text(&d.out, "\n  ],\n  \"process_isolation\": ");
    out_text(&d.out, d.failed > 0 ? "false" : "true");
    out_text(&d.out, "\n}\n");
  } else
    out_text(&d.out, d.failed > 0
                         ? "\nscripts cannot be isolated in processes here\n"
                         : "\nscripts can be isolated in processes\n");
  return out_finish(&d.out, d.failed > 0 ? STATUS_ISOLATION : STATUS_OK);
}
