/* run.c - cordon run: a script under policy. */
#include "cli/cli.h"

#include "cli/files.h"
#include "cli/modules_seen.h"
#include "cli/options.h"
#include "cli/manifest.h"
#include "cli/print.h"
#include "cli/refusals.h"
#include "cli/run.h"
#include "cli/run_report.h"
#include "cli/script_output.h"
#include "cli/signals.h"
#include "cli/watch.h"

#include <cordon/cordon.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LINGER_MS 1000     /* for closing handshakes after the end */
#define OWN_DESCRIPTORS 64 /* beside those of connections */
#define ADVICE_MAX_BYTES (CORDON_URL_MAX_BYTES + 128)

enum { RUN_GRACE = RUN_SETUP_OPTION_COUNT, RUN_FORMAT, RUN_WATCH };

const struct option run_options[] = {
    RUN_SETUP_OPTIONS,
    {"grace", 0, "DURATION", false, false},
    {"format", 0, "text|json", false, false},
    {"watch", 0, NULL, false, false},
    {NULL, 0, NULL, false, false},
};

struct run {
  struct run_setup setup;
  char *text;
  size_t text_len;

  uint64_t would_refuse; /* that complain mode let pass */
  struct script_output output;
  struct modules_dir modules;
  struct modules_seen seen;
  struct refusals refusals;
  uint64_t begin_ms;

  struct watch *watch; /* NULL: without --watch */
  bool loaded;         /* the policies, once; --actor-meta */
  bool changed;        /* a file of this run is another now */
  bool hopeless;       /* it is not the files: no change can help */

  cordon_host *host;
  cordon_sandbox *sandbox;
};

/* -------------------------------------------------------------- signals --- */

/* All that the handler knows.  The sandbox is there from its birth until just
 * before it is freed. */
static _Atomic(cordon_sandbox *) running;

/* The script is stopped in good order. */
static void on_first_signal(void) {
  cordon_sandbox *sb = atomic_load(&running);
  if (sb)
    cordon_sandbox_cancel(sb);
}

static bool catch_signals(void) {
  if (signals_catch(SIGNALS_HANGUP, on_first_signal))
    return true;
  say("%s", strerror(errno));
  return false;
}

/* -------------------------------------------------------------- options --- */

static int run_option(struct run *r, int option, const char *value) {
  switch (option) {
  case RUN_GRACE:
    if (!parse_duration(value, &r->setup.grace_ms))
      return say_usage("run", "--grace takes a duration such as 5s, not '%s'",
                       value);
    return STATUS_OK;
  case RUN_FORMAT:
    if (strcmp(value, "text") != 0 && strcmp(value, "json") != 0)
      return say_usage("run", "--format takes text or json, not '%s'", value);
    r->setup.json = strcmp(value, "json") == 0;
    return STATUS_OK;
  case RUN_WATCH:
    r->setup.watch = true;
    return STATUS_OK;
  default:
    return run_setup_option(&r->setup, "run", option, value);
  }
}

/* Reads the command line up to the script; a status, or -1 to go on. */
static int run_arguments(struct run *r, int argc, char **argv) {
  struct options o = {.command = "run",
                      .table = run_options,
                      .argc = argc,
                      .argv = argv,
                      .at = 1};
  const char *value;
  int got, status;
  while ((got = options_next(&o, &value)) != OPTION_END) {
    if (got == OPTION_BAD)
      return STATUS_USAGE;
    if (got == OPTION_HELP)
      return help_print(command_find("run"));
    if (got == OPTION_WORD && !*value)
      return say_usage("run", "which script?  '' is none");
    if (got == OPTION_WORD) {
      r->setup.script = value;
      r->setup.args = (const char *const *)argv + o.at;
      r->setup.nargs = (size_t)(argc - o.at);
      return -1; /* what follows is the script's */
    }
    if ((status = run_option(r, got, value)) != STATUS_OK)
      return status;
  }
  return say_usage("run", "which script?");
}

/* --------------------------------------------------------------- script --- */

static bool has_end(const char *text, const char *end) {
  size_t len = strlen(text), elen = strlen(end);
  return len >= elen && strcmp(text + len - elen, end) == 0;
}

static bool is_manifest(const char *name) {
  return has_end(name, ".yaml") || has_end(name, ".yml");
}

static int script_read(struct run *r) {
  bool ok;
  if (strcmp(r->setup.script, "-") == 0)
    ok = read_fd(STDIN_FILENO, FILE_MAX_BYTES, &r->text, &r->text_len);
  else
    ok = read_path(r->setup.script, FILE_MAX_BYTES, &r->text, &r->text_len);
  if (ok && strcmp(r->setup.script, "-") != 0)
    ok = modules_dir_init(&r->modules, r->setup.script) == 0;
  if (!ok) {
    say("%s: %s", r->setup.script, strerror(errno));
    return STATUS_USAGE;
  }
  if (r->text_len > FILE_MAX_BYTES) {
    say("%s: the script is larger than 1 MiB", r->setup.script);
    return STATUS_LOAD;
  }
  return STATUS_OK;
}

/* ------------------------------------------------------------ callbacks --- */

static void on_output(void *ud, const char *data, size_t len) {
  struct run *r = ud;
  script_output_add(&r->output, data, len);
}

static int on_require(void *ud, const char *name, cordon_source *ret_source) {
  struct run *r = ud;
  return modules_seen_find(&r->seen, &r->modules, name, ret_source, r->watch);
}

/* Where nobody has given a policy. */
static const char *without_policy(const cordon_audit_event *e,
                                  char out[ADVICE_MAX_BYTES]) {
  const char *url = e->decision->canonical;
  snprintf(out, ADVICE_MAX_BYTES,
           url[0] ? "  no policy was given: -p FILE loads one, --allow '%s' "
                    "allows this URL\n"
                  : "  no policy was given: -p FILE loads one, --allow "
                    "'%s' allows a URL\n",
           url[0] ? url : "wss://HOST/PATH");
  return out;
}

static int on_audit(void *ud, const cordon_audit_event *e) {
  struct run *r = ud;
  char advice[ADVICE_MAX_BYTES];
  bool recorded = audit_decision(&r->setup.audit, e);
  if (e->decision->verdict == CORDON_ALLOW)
    return recorded ? 0 : -1;
  if (e->passes)
    r->would_refuse++;
  if (!r->setup.quiet)
    refusals_tell(&r->refusals, NULL, e,
                  cordon_policy_count(r->setup.subject.policies.set) == 0
                      ? without_policy(e, advice)
                      : NULL);
  return recorded ? 0 : -1;
}

static void on_connection(void *ud, const cordon_connection_event *e) {
  struct run *r = ud;
  (void)audit_connection(&r->setup.audit, e); /* why not has been said */
}

/* ----------------------------------------------------------------- life --- */

/* Descriptors for as many connections as were asked for: of one that is relayed
 * two are ours.  Says what is wrong. */
static int make_room(const struct run *r) {
  uint64_t n = r->setup.limits.connections, want;
  struct rlimit l;
  if (n == 0 || n == CORDON_UNLIMITED || getrlimit(RLIMIT_NOFILE, &l) != 0)
    return STATUS_OK;
  want = n > UINT64_MAX / 4 ? n : 2 * n + OWN_DESCRIPTORS;
  if (l.rlim_max != RLIM_INFINITY && want > l.rlim_max) {
    say("--max-connections %" PRIu64 ": that takes %" PRIu64
        " open files, and the hard limit is %" PRIu64 " (ulimit -Hn)",
        n, want, (uint64_t)l.rlim_max);
    return STATUS_USAGE;
  }
  if (l.rlim_cur != RLIM_INFINITY && l.rlim_cur < want) {
    l.rlim_cur = want;
    (void)setrlimit(RLIMIT_NOFILE, &l);
  }
  return STATUS_OK;
}

static int run_sandbox(struct run *r) {
  cordon_sandbox_config cfg;
  cordon_error err;
  int rv;
  cordon_sandbox_config_init(&cfg);
  run_setup_sandbox(&r->setup, &cfg);
  cfg.policy = r->setup.subject.policies.set;
  cfg.scope = r->setup.subject.scope.items;
  cfg.scope_len = r->setup.subject.scope.len;
  cfg.actor_id = r->setup.subject.actor;
  cfg.actor_meta_json = r->setup.subject.meta_json;
  cfg.limits = r->setup.limits;
  cfg.output = on_output;
  cfg.audit = on_audit;
  cfg.require = r->modules.fd >= 0 ? on_require : NULL;
  cfg.connection = on_connection;
  cfg.ud = r;
  rv = cordon_sandbox_new(&r->sandbox, r->host, &cfg, &err);
  if (rv == CORDON_OK) {
    atomic_store(&running, r->sandbox);
    if (signal_got) /* it came while there was nothing to cancel */
      cordon_sandbox_cancel(r->sandbox);
    return STATUS_OK;
  }
  if (rv == CORDON_E_NOT_FOUND)
    return say_usage("run", "--scope: %s", err.message);
  return run_report_new(NULL, rv, &err);
}

static int run_load(struct run *r) {
  const char *name =
      strcmp(r->setup.script, "-") == 0 ? "stdin" : r->setup.script;
  cordon_source source = {
      .name = name, .text = r->text, .len_bytes = r->text_len};
  cordon_error err;
  int rv = cordon_sandbox_load(r->sandbox, &source, r->setup.args,
                               r->setup.nargs, &err);
  if (rv == CORDON_OK)
    return STATUS_OK;
  if (rv == CORDON_E_NOMEM) {
    say("stopped: %s", err.message);
    return STATUS_MEMORY;
  }
  say("%s", err.message);
  return STATUS_LOAD;
}

/* A broken file leaves the old policies in force. */
static void reload(struct run *r) {
  cordon_error err;
  reload_asked = 0;
  if (subject_reload(&r->setup.subject) != STATUS_OK)
    say("reload: the old policies stay in force");
  else if (cordon_sandbox_set_policy(r->sandbox, r->setup.subject.policies.set,
                                     &err) != CORDON_OK)
    say("reload: %s: the old policies stay in force", err.message);
  else if (!r->setup.quiet)
    say("reload: new policies are in force");
}

/* The script is stopped in good order, to be run again. */
static void look_for_changes(struct run *r) {
  const char *what =
      r->watch ? watch_look(r->watch, script_output_now_ms()) : NULL;
  if (!what || r->changed)
    return;
  r->changed = true;
  if (!r->setup.quiet)
    say("watch: %s has changed", what);
  if (r->sandbox)
    cordon_sandbox_cancel(r->sandbox);
}

static int sooner(int a_ms, int b_ms) { /* -1: never */
  return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* Runs to the end; returns the result. */
static int run_loop(struct run *r, cordon_error *reterr) {
  bool lost = false;
  int rv;
  while ((rv = cordon_sandbox_result(r->sandbox, reterr)) == CORDON_AGAIN) {
    struct pollfd p[4] = {
        {.fd = cordon_host_fd(r->host), .events = POLLIN},
        {.fd = signals_fd(), .events = POLLIN},
        {.fd = r->changed ? -1 : watch_fd(r->watch), .events = POLLIN},
        {.fd = script_output_waits(&r->output) ? r->output.fd : -1,
         .events = POLLOUT}};
    int wait_ms = cordon_host_timeout_ms(r->host);
    if (!r->changed)
      wait_ms =
          sooner(wait_ms, watch_timeout_ms(r->watch, script_output_now_ms()));
    /* a signal makes the host's fd readable: no need to look at EINTR */
    if (wait_ms != 0)
      poll(p, 4, wait_ms);
    signals_drain();
    if (reload_asked)
      reload(r);
    look_for_changes(r);
    if (script_output_waits(&r->output))
      script_output_flush(&r->output);
    rv = cordon_host_dispatch(r->host, reterr);
    if (rv != CORDON_OK)
      return rv;
    if (r->output.error && !lost) {
      lost = true; /* nobody listens: the script ends in good order */
      cordon_sandbox_cancel(r->sandbox);
    }
  }
  return rv;
}

/* Waits until everything printed is gone.  The limits hold until then: false
 * when the deadline passed, or a signal came, before. */
static bool run_drain(struct run *r) {
  uint64_t deadline_ms = r->setup.limits.deadline_ms;
  while (script_output_waits(&r->output)) {
    struct pollfd p[2] = {{.fd = r->output.fd, .events = POLLOUT},
                          {.fd = signals_fd(), .events = POLLIN}};
    uint64_t used = script_output_now_ms() - r->begin_ms;
    uint64_t left = deadline_ms > used ? deadline_ms - used : 0;
    signals_drain(); /* what comes from here on ends the wait */
    if (signal_got || (deadline_ms && left == 0))
      return false;
    poll(p, 2, !deadline_ms ? -1 : left < 60000 ? (int)left : 60000);
    script_output_flush(&r->output);
  }
  return true;
}

static int report(const struct run *r, int rv, const cordon_error *err) {
  const char *script = r->setup.script;
  struct run_report told = {.name = strcmp(script, "-") == 0 ? "stdin" : script,
                            .text = r->text,
                            .len = r->text_len,
                            .limits = &r->setup.limits,
                            .sandbox = r->sandbox};
  if (rv != CORDON_E_CANCELLED)
    return run_report(&told, rv, err);
  if (!signal_got) /* standard output was lost, which is said */
    return r->changed && !r->output.error ? STATUS_OK : STATUS_NEGATIVE;
  return signals_stopped();
}

static int run_end(struct run *r, int rv, const cordon_error *err) {
  cordon_error ignored;
  char limit[32];
  int status;
  bool gone;
  script_output_flush(&r->output);
  if (rv != CORDON_E_SYSTEM) {
    /* it has ended: this only waits for closing handshakes */
    int again = cordon_sandbox_run(r->sandbox, LINGER_MS, &ignored);
    (void)again;
  }
  gone = run_drain(r);
  status = report(r, rv, err);
  if (r->output.error) {
    say("standard output: %s", strerror(r->output.error));
    return status == STATUS_OK ? STATUS_NEGATIVE : status;
  }
  if (gone || status != STATUS_OK)
    return status;
  if (signal_got)
    return STATUS_SIGNAL + signal_got;
  say("stopped: deadline of %s passed before all output was taken",
      show_ms(limit, r->setup.limits.deadline_ms));
  return STATUS_DEADLINE;
}

/* Loud at the start and at the end: nobody is to forget it on. */
static void say_mode(const struct run *r, bool begin) {
  if (r->setup.dry_run) {
    if (begin)
      say("dry run: nothing is opened");
  } else if (r->setup.mode == CORDON_MODE_COMPLAIN) {
    if (begin)
      say("complain mode: what no policy allows is let through");
    else
      say("complain mode: %" PRIu64 " %s let through that no policy allows",
          r->would_refuse,
          r->would_refuse == 1 ? "request was" : "requests were");
  }
}

/* What all runs share. */
static int run_host(struct run *r) {
  int status = STATUS_OK;
  if (r->host)
    return STATUS_OK;
  if (r->setup.audit_path)
    status = audit_open(&r->setup.audit, r->setup.audit_path, r->setup.script);
  if (status == STATUS_OK) {
    say_mode(r, true);
    status = make_room(r);
  }
  if (status == STATUS_OK)
    status = run_setup_host(&r->setup, &r->host);
  r->hopeless = status != STATUS_OK;
  return status;
}

static int run_policies(struct run *r) {
  int status;
  if (r->loaded)
    return subject_reload(&r->setup.subject);
  r->loaded = true;
  status = subject_load(&r->setup.subject);
  /* the command line is wrong, and no file */
  r->hopeless =
      status == STATUS_USAGE && r->setup.subject.policies.unreadable == 0;
  return status;
}

/* One run, from the files to its end. */
static int run_script(struct run *r) {
  cordon_error err = {0};
  int status = script_read(r);
  /* not before: who types a script may think again */
  if (!r->watch && !catch_signals())
    return STATUS_NEGATIVE;
  if (status == STATUS_OK)
    status = run_policies(r);
  if (status == STATUS_OK && signal_got)
    return STATUS_SIGNAL + signal_got;
  if (status == STATUS_OK)
    status = run_host(r);
  if (status == STATUS_OK)
    status = run_sandbox(r);
  if (status != STATUS_OK)
    return status;
  r->begin_ms = script_output_now_ms();
  r->output.until_ms =
      script_output_until(r->begin_ms, r->setup.limits.deadline_ms);
  status = run_load(r);
  return status == STATUS_OK ? run_end(r, run_loop(r, &err), &err) : status;
}

/* What belongs to one run. */
static void run_clean(struct run *r) {
  atomic_store(&running, NULL);
  cordon_sandbox_free(r->sandbox);
  r->sandbox = NULL;
  modules_dir_deinit(&r->modules);
  modules_seen_clear(&r->seen);
  free(r->text);
  r->text = NULL;
  r->text_len = 0;
  memset(&r->refusals, 0, sizeof r->refusals);
}

/* --------------------------------------------------------------- watch --- */

/* Waits for a change, or a signal: SIGHUP is as good as one. */
static void wait_for_change(struct run *r) {
  while (!r->changed && !signal_got && !reload_asked) {
    struct pollfd p[2] = {{.fd = watch_fd(r->watch), .events = POLLIN},
                          {.fd = signals_fd(), .events = POLLIN}};
    poll(p, 2, watch_timeout_ms(r->watch, script_output_now_ms()));
    signals_drain();
    look_for_changes(r);
  }
}

/* Once more each time that something has changed, until a signal. */
static int run_watched(struct run *r) {
  const struct words_list *policies = &r->setup.subject.policy;
  if (!catch_signals())
    return STATUS_NEGATIVE;
  for (;;) {
    int status;
    reload_asked = 0;
    r->changed = false;
    watch_reset(r->watch);
    watch_file(r->watch, r->setup.script);
    for (size_t i = 0; i < policies->len; i++)
      watch_policies(r->watch, policies->items[i]);
    status = run_script(r);
    run_clean(r);
    if (r->hopeless || r->output.error || status == STATUS_ISOLATION ||
        (signal_got && status == STATUS_SIGNAL + signal_got))
      return status;
    if (!r->changed && !signal_got && !r->setup.quiet)
      say("watch: %s, waiting for a change",
          status == STATUS_OK ? "has ended" : "has failed");
    wait_for_change(r);
    if (signal_got)
      return signals_stopped();
  }
}

static int run_whole(struct run *r) {
  int status;
  if (r->setup.json)
    return say_usage("run", "--format json is for manifests: what a script "
                            "prints is its own");
  if (r->setup.watch && strcmp(r->setup.script, "-") == 0)
    return say_usage("run", "--watch needs a file, not standard input");
  status = r->setup.watch ? watch_new(&r->watch) : STATUS_OK;
  if (status != STATUS_OK)
    return status;
  status = r->watch ? run_watched(r) : run_script(r);
  if (r->host)
    say_mode(r, false);
  return status;
}

int command_run(int argc, char **argv) {
  /* not on the stack: buffers inside */
  struct run *r = must_alloc(1, sizeof *r);
  int status;
  r->modules.fd = -1;
  r->setup.audit.fd = -1;
  subject_init(&r->setup.subject, "run", argc);
  script_output_init(&r->output, STDOUT_FILENO);
  r->output.stop = &signal_got;
  status = run_arguments(r, argc, argv);
  if (status < 0)
    status =
        is_manifest(r->setup.script) ? manifest_run(&r->setup) : run_whole(r);
  run_clean(r);
  cordon_host_free(r->host);
  watch_free(r->watch);
  audit_close(&r->setup.audit);
  subject_deinit(&r->setup.subject);
  script_output_deinit(&r->output);
  free(r);
  return status;
}
