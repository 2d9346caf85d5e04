/* repl.c - cordon repl: Lua that is typed, one chunk after the other, under
 * policy. */
#include "cli/cli.h"

#include "cli/edit.h"
#include "cli/lua_nesting.h"
#include "cli/modules_dir.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/refusals.h"
#include "cli/repl_script.h"
#include "cli/run.h"
#include "cli/run_report.h"
#include "cli/script_output.h"
#include "cli/signals.h"

#include <cordon/cordon.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MAX_BYTES (1024u * 1024) /* of one chunk */
#define LINES_MAX 2000                 /* of one */
#define CHEAP_BYTES 4096    /* to compile it with each line is nothing yet */
#define COMPILE_MAX_MS 2000 /* of one, all attempts together */
#define READ_BYTES 65536
#define LINGER_MS 1000

const struct option repl_options[] = {
    RUN_SETUP_OPTIONS,
    {NULL, 0, NULL, false, false},
};

struct repl {
  struct run_setup setup;
  cordon_host *host;
  cordon_sandbox *sandbox; /* NULL: the next chunk makes another one */
  struct script_output output;
  struct modules_dir modules;
  struct refusals refusals;
  bool terminal; /* somebody sits there */
  struct edit edit;

  char *input; /* read and not yet looked at */
  size_t input_len, input_cap;
  bool eof;
  struct text chunk; /* the lines of one that is not complete */
  size_t lines;
  struct lua_nesting nesting; /* of the chunk */
  size_t pause, retry; /* while it is open: lines between attempts, and at how
                          many the next one is due */
  bool statement;      /* what it has so far begins no expression */
  uint64_t compiled_ns;
  bool skipping; /* it was too long: to the end of what is there */
  bool refused;  /* and nothing behind it is read */
  bool prompted;

  uint64_t n;       /* of the chunk */
  char module[32];  /* that it is required as: nobody can guess it */
  char name[32];    /* as messages call it */
  struct text code; /* as it is compiled */
  bool evaluating;
  bool failed; /* one of them has */
};

/* ------------------------------------------------------------ callbacks --- */

static void on_output(void *ud, const char *data, size_t len) {
  struct repl *r = ud;
  script_output_add(&r->output, data, len);
}

static int on_require(void *ud, const char *name, cordon_source *ret_source) {
  struct repl *r = ud;
  if (strcmp(name, r->module) != 0)
    return modules_dir_find(&r->modules, name, ret_source);
  *ret_source = (cordon_source){r->name, r->code.p, r->code.len};
  return CORDON_OK;
}

static int on_audit(void *ud, const cordon_audit_event *e) {
  struct repl *r = ud;
  bool recorded = audit_decision(&r->setup.audit, e);
  if (e->decision->verdict != CORDON_ALLOW && !r->setup.quiet)
    refusals_tell(
        &r->refusals, NULL, e,
        cordon_policy_count(r->setup.subject.policies.set) == 0
            ? "  no policy was given: -p FILE loads one, --allow PATTERN "
              "allows URLs\n"
            : NULL);
  return recorded ? 0 : -1;
}

static void on_connection(void *ud, const cordon_connection_event *e) {
  struct repl *r = ud;
  (void)audit_connection(&r->setup.audit, e); /* why not has been said */
}

static void on_done(void *ud, int result, const cordon_value *value,
                    const cordon_error *error) {
  struct repl *r = ud;
  const cordon_value *text = cordon_value_at(value, 1, NULL, NULL);
  const char *shown;
  size_t len = 0;
  r->evaluating = false;
  if (result == CORDON_E_CANCELLED) {
    r->failed = true;
    if (!signal_got)
      say("interrupted");
    return;
  }
  if (result != CORDON_OK) {
    r->failed = true;
    if (cordon_sandbox_result(r->sandbox, NULL) == CORDON_AGAIN)
      say("%s", error->message); /* else its end tells */
    return;
  }
  shown = cordon_value_string(text, &len);
  if (cordon_value_boolean(cordon_value_at(value, 0, NULL, NULL))) {
    if (len > 0) {
      script_output_add(&r->output, shown, len);
      script_output_add(&r->output, "\n", 1);
    }
  } else {
    r->failed = true;
    say_lines(shown ? shown : "");
  }
}

/* -------------------------------------------------------------- sandbox --- */

static int sandbox_open(struct repl *r) {
  const cordon_source source = {REPL_SCRIPT_NAME, repl_script,
                                sizeof repl_script - 1};
  const struct subject *s = &r->setup.subject;
  cordon_sandbox_config cfg;
  cordon_error err;
  int rv;
  cordon_sandbox_config_init(&cfg);
  run_setup_sandbox(&r->setup, &cfg);
  cfg.policy = s->policies.set;
  cfg.scope = s->scope.items;
  cfg.scope_len = s->scope.len;
  cfg.actor_id = s->actor;
  cfg.actor_meta_json = s->meta_json;
  cfg.limits = r->setup.limits;
  cfg.output = on_output;
  cfg.audit = on_audit;
  cfg.require = on_require;
  cfg.connection = on_connection;
  cfg.keep = 1;
  cfg.ud = r;
  rv = cordon_sandbox_new(&r->sandbox, r->host, &cfg, &err);
  if (rv == CORDON_OK)
    rv = cordon_sandbox_load(r->sandbox, &source, NULL, 0, &err);
  if (rv == CORDON_E_NOT_FOUND)
    return say_usage("repl", "--scope: %s", err.message);
  return rv == CORDON_OK ? STATUS_OK : run_report_new(NULL, rv, &err);
}

/* Tells why there is no sandbox any more.  STATUS_OK: there can be another. */
static int sandbox_ended(struct repl *r, int rv, const cordon_error *err) {
  const struct run_report told = {.name = REPL_SCRIPT_NAME,
                                  .text = repl_script,
                                  .len = sizeof repl_script - 1,
                                  .limits = &r->setup.limits,
                                  .sandbox = r->sandbox,
                                  .ours = REPL_SCRIPT_NAME};
  int status = STATUS_OK;
  if (rv == CORDON_E_CANCELLED)
    say("interrupted");
  else
    status = run_report(&told, rv, err);
  cordon_sandbox_free(r->sandbox);
  r->sandbox = NULL;
  r->evaluating = false;
  r->failed = true;
  /* what comes next was written for what is gone, and limits would begin
   * anew: on a terminal somebody sees it */
  if (status == STATUS_ISOLATION || !r->terminal)
    return status == STATUS_OK ? STATUS_NEGATIVE : status;
  say("what was defined is gone: the next line begins in a new sandbox");
  return STATUS_OK;
}

/* --------------------------------------------------------------- chunks --- */

/* "|head| chunk |tail|" */
static void compose(struct text *t, const char *head, const struct text *chunk,
                    const char *tail) {
  t->len = 0;
  text_write(t, head, strlen(head));
  text_write(t, chunk->p, chunk->len);
  text_write(t, tail, strlen(tail));
}

static uint64_t cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static bool compiles(struct repl *r, const char *head, const char *tail,
                     cordon_error *reterr) {
  cordon_source source = {.name = r->name};
  uint64_t begun_ns = cpu_ns();
  int rv;
  compose(&r->code, head, &r->chunk, tail);
  source.text = r->code.p;
  source.len_bytes = r->code.len;
  rv = cordon_script_check(&source, NULL, reterr);
  r->compiled_ns += cpu_ns() - begun_ns;
  return rv == CORDON_OK;
}

static void chunk_clear(struct repl *r) {
  r->chunk.len = r->lines = 0;
  r->nesting = (struct lua_nesting){0};
  r->pause = r->retry = 0;
  r->statement = false;
  r->compiled_ns = 0;
}

/* What is left of a chunk that was not taken would be run as the next ones: on
 * a terminal somebody sees it. */
static void refuse(struct repl *r, const char *why) {
  chunk_clear(r);
  r->failed = true;
  if (r->terminal) {
    say("a chunk %s, and is passed over", why);
  } else {
    say("a chunk %s: it is not run, and nothing behind it is", why);
    r->refused = true;
  }
}

/* Can it be complete?  What is inside of something cannot; it is looked at now
 * and then for mistakes, which are told as soon as they are cheap to find. */
static bool worth_a_try(struct repl *r) {
  if (r->chunk.len <= CHEAP_BYTES || !lua_nesting_open(&r->nesting))
    return true;
  if (r->lines < r->retry)
    return false;
  r->pause = r->pause ? 2 * r->pause : 1;
  r->retry = r->lines + r->pause;
  return true;
}

/* More lines can make it whole. */
static bool incomplete(const cordon_error *err) {
  static const char end[] = " near <eof>";
  size_t len = strlen(err->message);
  return len >= sizeof end - 1 &&
         strcmp(err->message + len - (sizeof end - 1), end) == 0;
}

static void tell_syntax(struct repl *r, const cordon_error *err) {
  struct out o;
  r->failed = true;
  if (err->line > 0)
    say("%s:%" PRIu32 ": %s", r->name, err->line, err->message);
  else
    say("%s", err->message);
  out_init(&o, STDERR_FILENO);
  out_source_line(&o, r->chunk.p, r->chunk.len, err->line,
                  run_report_near(r->chunk.p, r->chunk.len, err));
  out_flush(&o);
}

/* A script may require the names of chunks to come, which are found in files
 * then. */
static bool name_module(struct repl *r) {
  uint64_t secret;
  if (getrandom(&secret, sizeof secret, 0) != (ssize_t)sizeof secret) {
    say("%s", strerror(errno));
    return false;
  }
  snprintf(r->module, sizeof r->module, "repl.%016" PRIx64, secret);
  return true;
}

static int evaluate(struct repl *r, bool expression) {
  cordon_value *args = NULL;
  cordon_error err;
  char *json;
  int status = r->sandbox ? STATUS_OK : sandbox_open(r), rv;
  if (status != STATUS_OK)
    return status;
  if (!name_module(r))
    return STATUS_NEGATIVE;
  /* a whole chunk stays one inside of a function, and lines stay lines; but
   * for the deepest of all */
  if (!compiles(r,
                expression ? "return function(...) return "
                           : "return function(...) ",
                "\nend", &err)) {
    tell_syntax(r, &err);
    return STATUS_OK;
  }
  json = must_format("[\"%s\"]", r->module);
  rv = cordon_value_from_json(&args, json, strlen(json), NULL, &err);
  if (rv == CORDON_OK)
    rv = cordon_sandbox_call(r->sandbox, "eval", args, 0, on_done, r, &err);
  r->evaluating = rv == CORDON_OK;
  if (rv == CORDON_E_CLOSED)
    r->evaluating = false; /* it has ended meanwhile, which is told next */
  else if (rv != CORDON_OK)
    say("%s", err.message);
  cordon_value_free(args);
  free(json);
  return STATUS_OK;
}

/* Looks at the chunk so far; |last|: there is no more. */
static int chunk_turn(struct repl *r, bool last) {
  cordon_error err, as_expression;
  int status = STATUS_OK;
  size_t blank = 0;
  while (blank < r->chunk.len && strchr(" \t\r\n", r->chunk.p[blank]))
    blank++;
  if (blank == r->chunk.len) {
    chunk_clear(r);
    return STATUS_OK;
  }
  if (!last && r->lines < LINES_MAX && !worth_a_try(r))
    return STATUS_OK;
  snprintf(r->name, sizeof r->name, "input%" PRIu64, r->n + 1);
  if (!r->statement && compiles(r, "return ", "", &as_expression)) {
    r->n++;
    status = evaluate(r, true);
  } else if (compiles(r, " ", "", &err)) { /* "#!" is for files */
    r->n++;
    status = evaluate(r, false);
  } else {
    bool more = !r->statement && incomplete(&as_expression);
    if (!more) /* nor will it with more lines */
      r->statement = true;
    if (r->compiled_ns > COMPILE_MAX_MS * UINT64_C(1000000)) {
      refuse(r, "takes too long to compile");
      return STATUS_OK;
    }
    if (!last && (more || incomplete(&err))) {
      if (r->lines >= LINES_MAX)
        refuse(r, "has more than 2000 lines");
      return STATUS_OK;
    }
    r->n++;
    tell_syntax(r, more ? &as_expression : &err);
  }
  chunk_clear(r);
  return status;
}

/* Takes the next line of what was read, if there is a whole one. */
static bool next_line(struct repl *r) {
  char *end = r->input_len > 0 ? memchr(r->input, '\n', r->input_len) : NULL;
  size_t len = end ? (size_t)(end - r->input) + 1 : r->input_len;
  if (!end && (!r->eof || len == 0))
    return false;
  if (r->chunk.len + len > INPUT_MAX_BYTES && !r->skipping) {
    refuse(r, "is longer than 1 MiB");
    r->skipping = true;
  }
  if (!r->skipping) {
    text_write(&r->chunk, r->input, len);
    lua_nesting_add(&r->nesting, r->input, len);
    r->lines++;
  }
  if (end)
    r->skipping = false;
  r->input_len -= len;
  memmove(r->input, r->input + len, r->input_len);
  return true;
}

static void read_input(struct repl *r) {
  ssize_t n;
  if (r->input_len > INPUT_MAX_BYTES) { /* a line without an end */
    if (!r->skipping)
      refuse(r, "is longer than 1 MiB");
    r->skipping = true;
    r->input_len = 0;
  }
  if (r->input_cap - r->input_len < READ_BYTES) {
    r->input_cap = r->input_len + 2 * READ_BYTES;
    r->input = must_resize(r->input, r->input_cap, 1);
  }
  n = read(STDIN_FILENO, r->input + r->input_len, READ_BYTES);
  if (n > 0)
    r->input_len += (size_t)n;
  else if (n == 0 || (errno != EINTR && errno != EAGAIN))
    r->eof = true;
}

/* The same of a terminal on which lines are edited. */
static void take_keys(struct repl *r, const char *keys, size_t len) {
  const char *line;
  size_t line_len;
  switch (edit_keys(&r->edit, keys, len, &line, &line_len)) {
  case EDIT_MORE:
    return;
  case EDIT_END:
    r->eof = true;
    return;
  case EDIT_LINE:
    break;
  }
  r->input_cap = r->input_len + line_len + 1;
  r->input = must_resize(r->input, r->input_cap, 1);
  if (line_len > 0)
    memcpy(r->input + r->input_len, line, line_len);
  r->input_len += line_len;
  r->input[r->input_len++] = '\n';
}

static void read_keys(struct repl *r) {
  char keys[4096];
  ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
  if (n > 0)
    take_keys(r, keys, (size_t)n);
  else if (n == 0 || (errno != EINTR && errno != EAGAIN))
    r->eof = true;
}

/* ----------------------------------------------------------------- loop --- */

static void prompt(struct repl *r) {
  const char *text = r->chunk.len > 0 ? "... " : "> ";
  if (!r->terminal || r->evaluating || r->eof ||
      script_output_waits(&r->output))
    return;
  if (r->edit.on) {
    edit_begin(&r->edit, text);
  } else if (!r->prompted) {
    words_text(text);
    r->prompted = true;
  }
}

static void interrupted(struct repl *r) {
  int times = interrupts;
  interrupts = 0;
  if (!r->terminal) {
    signal_got = SIGINT;
    return;
  }
  if (r->evaluating &&
      cordon_sandbox_call_cancel(r->sandbox, on_done, r) != CORDON_OK)
    cordon_sandbox_cancel(r->sandbox);
  else if (r->evaluating && times > 1)
    cordon_sandbox_cancel(r->sandbox);
  if (r->edit.active)
    edit_drop(&r->edit);
  words_text("\n");
  chunk_clear(r);
  r->input_len = 0;
  r->prompted = false;
}

static void turn_wait(struct repl *r) {
  struct pollfd p[4] = {
      {.fd = r->host ? cordon_host_fd(r->host) : -1, .events = POLLIN},
      {.fd = signals_fd(), .events = POLLIN},
      {.fd = r->evaluating || r->eof ? -1 : STDIN_FILENO, .events = POLLIN},
      {.fd = script_output_waits(&r->output) ? r->output.fd : -1,
       .events = POLLOUT}};
  poll(p, 4, cordon_host_timeout_ms(r->host));
  signals_drain();
  if (script_output_waits(&r->output))
    script_output_flush(&r->output);
  if (p[2].revents && !interrupts) {
    if (r->edit.active)
      read_keys(r);
    else
      read_input(r);
  }
}

static int repl_loop(struct repl *r) {
  cordon_error err;
  int status = sandbox_open(r), rv;
  while (status == STATUS_OK && !signal_got && r->output.error == 0) {
    if (interrupts)
      interrupted(r);
    while (status == STATUS_OK && !r->evaluating && !r->refused &&
           next_line(r)) {
      r->prompted = false;
      status = chunk_turn(r, r->eof && r->input_len == 0);
    }
    if (r->refused)
      status = STATUS_LOAD;
    if (status != STATUS_OK)
      break;
    prompt(r);
    if (r->edit.active && edit_has_ahead(&r->edit)) {
      take_keys(r, NULL, 0);
      continue;
    }
    if (r->eof && !r->evaluating && r->input_len == 0) {
      if (r->chunk.len == 0)
        break;
      status = chunk_turn(r, true); /* its end is missing */
      continue;
    }
    turn_wait(r);
    if (cordon_host_dispatch(r->host, &err) != CORDON_OK) {
      say("%s", err.message);
      return STATUS_NEGATIVE;
    }
    if (r->sandbox &&
        (rv = cordon_sandbox_result(r->sandbox, &err)) != CORDON_AGAIN) {
      status = sandbox_ended(r, rv, &err);
      r->prompted = false;
    }
  }
  return status;
}

/* Waits until everything that was printed is gone, or a signal comes. */
static void drain(struct repl *r) {
  while (script_output_waits(&r->output) && !signal_got && !interrupts) {
    struct pollfd p[2] = {{.fd = r->output.fd, .events = POLLOUT},
                          {.fd = signals_fd(), .events = POLLIN}};
    poll(p, 2, -1);
    script_output_flush(&r->output);
  }
}

static int repl(struct repl *r) {
  cordon_error err;
  int status = subject_load(&r->setup.subject), again;
  if (status == STATUS_OK && r->setup.audit_path)
    status = audit_open(&r->setup.audit, r->setup.audit_path, "repl");
  if (status == STATUS_OK)
    status = run_setup_host(&r->setup, &r->host);
  if (status != STATUS_OK)
    return status;
  if (r->terminal && !r->setup.quiet)
    words("cordon %s, Lua under policy; Ctrl-D ends\n", cordon_version());
  if (r->setup.mode == CORDON_MODE_COMPLAIN && !r->setup.dry_run)
    say("complain mode: what no policy allows is let through");
  edit_init(&r->edit, r->terminal);
  status = repl_loop(r);
  if (r->terminal && r->eof && !r->edit.on)
    words_text("\n");
  edit_deinit(&r->edit);
  if (r->sandbox) { /* connections are closed in good order */
    cordon_sandbox_cancel(r->sandbox);
    again = cordon_sandbox_run(r->sandbox, LINGER_MS, &err);
    (void)again;
  }
  drain(r);
  if (signal_got)
    return signals_stopped();
  if (r->output.error) {
    say("standard output: %s", strerror(r->output.error));
    return STATUS_NEGATIVE;
  }
  return status == STATUS_OK && r->failed && !r->terminal ? STATUS_NEGATIVE
                                                          : status;
}

static int repl_arguments(struct repl *r, int argc, char **argv) {
  struct options o = {.command = "repl",
                      .table = repl_options,
                      .argc = argc,
                      .argv = argv,
                      .at = 1};
  const char *value;
  int got, status;
  while ((got = options_next(&o, &value)) != OPTION_END) {
    if (got == OPTION_BAD)
      return STATUS_USAGE;
    if (got == OPTION_HELP)
      return help_print(command_find("repl"));
    if (got == OPTION_WORD)
      return say_usage("repl", "unexpected '%s': it reads standard input",
                       value);
    status = run_setup_option(&r->setup, "repl", got, value);
    if (status != STATUS_OK)
      return status;
  }
  return -1;
}

int command_repl(int argc, char **argv) {
  /* not on the stack: buffers inside */
  struct repl *r = must_alloc(1, sizeof *r);
  int status;
  r->setup.audit.fd = -1;
  r->modules.fd = -1;
  r->terminal = isatty(STDIN_FILENO) == 1;
  subject_init(&r->setup.subject, "repl", argc);
  script_output_init(&r->output, STDOUT_FILENO);
  r->output.stop = &signal_got;
  status = repl_arguments(r, argc, argv);
  if (status < 0 && (modules_dir_init(&r->modules, "") != 0 ||
                     !signals_catch(SIGNALS_INTERRUPTS, NULL))) {
    say("%s", strerror(errno));
    status = STATUS_NEGATIVE;
  }
  if (status < 0)
    status = repl(r);
  cordon_sandbox_free(r->sandbox);
  cordon_host_free(r->host);
  audit_close(&r->setup.audit);
  subject_deinit(&r->setup.subject);
  modules_dir_deinit(&r->modules);
  script_output_deinit(&r->output);
  free(r->input);
  free(r->chunk.p);
  free(r->code.p);
  free(r);
  return status;
}
