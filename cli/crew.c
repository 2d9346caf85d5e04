/* crew.c - the workloads of a manifest, side by side in one host. */
#include "cli/crew.h"

#include "cli/cli.h"
#include "cli/crew_event.h"
#include "cli/modules_seen.h"
#include "cli/print.h"
#include "cli/refusals.h"
#include "cli/run_report.h"
#include "cli/script_output.h"
#include "cli/status_line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LINGER_MS 1000             /* for closing handshakes after an end */
#define LINE_MAX_BYTES (64 * 1024) /* of a line that has no end yet */
#define CONNECTIONS_DEFAULT 64     /* as cordon_limits says */
#define OWN_DESCRIPTORS 64

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

/* -------------------------------------------------------------- signals --- */

static volatile sig_atomic_t signal_got;
static volatile sig_atomic_t reload_asked;
static int wake_pipe[2] = {-1, -1};

/* The first one stops the workloads in good order, the second one does not wait
 * for that. */
static void on_signal(int number) {
  int saved = errno;
  if (signal_got)
    _exit(STATUS_SIGNAL + number);
  signal_got = number;
  if (write(wake_pipe[1], "", 1) < 0)
    errno = 0; /* full: the loop will wake */
  errno = saved;
}

static const char *signal_name(void) {
  return signal_got == SIGINT ? "SIGINT" : "SIGTERM";
}

/* The manifest is to be read again. */
static void on_hangup(int number) {
  int saved = errno;
  (void)number;
  reload_asked = 1;
  if (write(wake_pipe[1], "", 1) < 0)
    errno = 0;
  errno = saved;
}

static bool catch_signals(void) {
  struct sigaction sa = {.sa_handler = on_signal}, old;
  const int numbers[] = {SIGINT, SIGTERM};
  sigemptyset(&sa.sa_mask);
  sigaddset(&sa.sa_mask, SIGINT);
  sigaddset(&sa.sa_mask, SIGTERM);
  if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
    return false;
  for (size_t i = 0; i < 2; i++)
    if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
      sigaction(numbers[i], &sa, NULL);
  sa.sa_handler = on_hangup;
  sa.sa_flags = SA_RESTART;
  sigemptyset(&sa.sa_mask);
  if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
    sigaction(SIGHUP, &sa, NULL);
  return true;
}

static uint64_t now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ------------------------------------------------------------ callbacks --- */

static void put_line(struct member *m, const char *data, size_t len) {
  crew_event_line(&m->crew->events, m->script->workload->name,
                  m->line_len ? m->line : "", m->line_len, data, len);
  m->line_len = 0;
}

/* What is too long becomes several lines: a script cannot make us hold more. */
static void keep_part(struct member *m, const char *data, size_t len) {
  while (len > LINE_MAX_BYTES - m->line_len) {
    size_t n = LINE_MAX_BYTES - m->line_len;
    put_line(m, data, n);
    data += n;
    len -= n;
  }
  if (!m->line)
    m->line = must_alloc(LINE_MAX_BYTES, 1);
  memcpy(m->line + m->line_len, data, len);
  m->line_len += len;
}

static void on_output(void *ud, const char *data, size_t len) {
  struct member *m = ud;
  const char *end;
  while (len > 0 && (end = memchr(data, '\n', len)) != NULL) {
    put_line(m, data, (size_t)(end - data));
    len -= (size_t)(end - data) + 1;
    data = end + 1;
  }
  if (len > 0)
    keep_part(m, data, len);
}

static int on_require(void *ud, const char *name, cordon_source *ret_source) {
  struct member *m = ud;
  return modules_seen_find(&m->seen, &m->script->modules, name, ret_source,
                           m->crew->watch);
}

static int on_audit(void *ud, const cordon_audit_event *e) {
  struct member *m = ud;
  bool recorded = audit_decision(&m->audit, e);
  if (e->decision->verdict == CORDON_ALLOW)
    return recorded ? 0 : -1;
  m->crew->would_refuse += e->passes != 0;
  m->crew->refused += !e->passes;
  crew_event_denied(&m->crew->events, m->script->workload->name, e);
  if (!m->crew->setup->quiet)
    refusals_tell(m->refusals, m->script->workload->name, e, m->advice);
  return recorded ? 0 : -1;
}

static void on_connection(void *ud, const cordon_connection_event *e) {
  struct member *m = ud;
  (void)audit_connection(&m->audit, e); /* why not has been said */
  crew_event_connection(&m->crew->events, m->script->workload->name, e);
}

/* ------------------------------------------------------------- one run --- */

/* What of the manifest is only for messages. */
static void member_places(struct member *m) {
  const cordon_workload *w = m->script->workload;
  const char *path = m->generation->files.path;
  free(m->modules_from);
  free(m->advice);
  m->modules_from = must_format("%s:%" PRIu32, path, w->modules_line);
  m->advice = NULL;
  if (!w->actor_id)
    m->advice = must_format("  it acts for nobody: the manifest has no "
                            "'lifecycle.security.actor' (%s:%" PRIu32 ")\n",
                            path, w->line);
  else if (w->scope_len == 0)
    m->advice = must_format("  no policy is in force for it: the manifest has "
                            "none in 'lifecycle.security' (%s:%" PRIu32 ")\n",
                            path, w->line);
}

static struct member *member_new(struct crew *c, struct generation *g,
                                 struct manifest_script *s) {
  const cordon_workload *w = s->workload;
  struct member *m = must_alloc(1, sizeof *m);
  *m = (struct member){.crew = c,
                       .generation = g,
                       .script = s,
                       .state = w->auto_start ? MEMBER_WAITING : MEMBER_OFF,
                       .delay_ms = w->restart_delay_ms,
                       .audit = c->setup->audit};
  m->audit.name = w->name;
  m->refusals = must_alloc(1, sizeof *m->refusals);
  member_places(m);
  return m;
}

static void member_free(struct member *m) {
  cordon_sandbox_free(m->sandbox);
  modules_seen_clear(&m->seen);
  free(m->refusals);
  free(m->modules_from);
  free(m->advice);
  free(m->line);
  free(m);
}

static int member_open(struct member *m) {
  const cordon_workload *w = m->script->workload;
  cordon_source source = {.name = m->script->name,
                          .text = m->script->text,
                          .len_bytes = m->script->len};
  cordon_sandbox_config cfg;
  cordon_error err;
  int rv, status;
  cordon_sandbox_config_init(&cfg);
  run_setup_sandbox(m->crew->setup, &cfg);
  /* an empty scope would mean every policy */
  if (w->scope_len > 0) {
    cfg.policy = m->generation->files.policies.set;
    cfg.scope = w->scope;
    cfg.scope_len = w->scope_len;
  }
  cfg.actor_id = w->actor_id;
  cfg.actor_meta_json = w->actor_meta_json;
  cfg.limits = w->limits;
  cfg.method = w->method;
  cfg.modules = w->modules;
  cfg.modules_len = w->modules_len;
  cfg.modules_from = m->modules_from;
  cfg.output = on_output;
  cfg.audit = on_audit;
  cfg.require = on_require;
  cfg.connection = on_connection;
  cfg.ud = m;
  rv = cordon_sandbox_new(&m->sandbox, m->crew->host, &cfg, &err);
  if (rv == CORDON_OK)
    rv = cordon_sandbox_load(m->sandbox, &source, w->args, w->args_len, &err);
  if (rv == CORDON_OK)
    return STATUS_OK;
  status = run_report_new(w->name, rv, &err);
  crew_event_exited(&m->crew->events, w->name, rv, status, &err,
                    &(cordon_usage){0});
  return status;
}

static void member_close(struct member *m) {
  cordon_sandbox_free(m->sandbox);
  m->sandbox = NULL;
}

static void say_restart(struct member *m, uint64_t delay_ms) {
  const cordon_workload *w = m->script->workload;
  char wait[32];
  m->crew->restarts++;
  crew_event_restarting(&m->crew->events, w->name, delay_ms, m->failures);
  if (m->crew->setup->quiet)
    return;
  show_ms(wait, delay_ms);
  if (m->failures > 0 && w->restart_tries > 0)
    run_say(w->name, "is started again in %s (%" PRIu64 " of %" PRIu64 ")",
            wait, m->failures, w->restart_tries);
  else
    run_say(w->name, "is started again in %s", wait);
}

/* What comes after a run that has ended with |m->status|: another one, or
 * nothing. */
static void member_next(struct member *m) {
  const cordon_workload *w = m->script->workload;
  bool failed = m->status != STATUS_OK;
  uint64_t now = now_ms();
  m->state = MEMBER_ENDED;
  /* its text stays the same: it will not load the next time either */
  if (m->crew->stopping || m->gone || m->status == STATUS_LOAD ||
      w->restart == CORDON_RESTART_NEVER ||
      (w->restart == CORDON_RESTART_ON_FAILURE && !failed))
    return;
  if (!failed || now - m->began_ms >= w->stable_ms) {
    m->failures = 0;
    m->delay_ms = w->restart_delay_ms;
  }
  m->failures += failed;
  if (w->restart_tries > 0 && m->failures > w->restart_tries) {
    run_say(w->name, "has failed %" PRIu64 " times in a row: given up",
            m->failures);
    crew_event_gave_up(&m->crew->events, w->name, m->failures);
    return;
  }
  m->due_ms = now + m->delay_ms;
  m->delay_ms = m->delay_ms > w->restart_delay_max_ms / 2
                    ? w->restart_delay_max_ms
                    : m->delay_ms * 2;
  m->state = MEMBER_WAITING;
  say_restart(m, m->due_ms - now);
}

static void member_start(struct member *m) {
  m->began_ms = now_ms();
  m->cancelled = false;
  modules_seen_clear(&m->seen);
  m->state = MEMBER_RUNNING;
  m->runs++;
  crew_event_started(&m->crew->events, m->script->workload->name, m->runs);
  m->status = member_open(m);
  if (m->status == STATUS_OK)
    return;
  member_close(m);
  member_next(m);
}

static int member_report(const struct member *m, int rv,
                         const cordon_error *err) {
  struct run_report told = {.who = m->script->workload->name,
                            .name = m->script->name,
                            .text = m->script->text,
                            .len = m->script->len,
                            .limits = &m->script->workload->limits,
                            .sandbox = m->sandbox};
  if (rv == CORDON_E_CANCELLED)
    return m->cancelled ? STATUS_OK : STATUS_NEGATIVE;
  return run_report(&told, rv, err);
}

/* Looks after one member; what it is waiting for may have come. */
static void member_turn(struct member *m, uint64_t now) {
  cordon_error err;
  cordon_usage u;
  int rv;
  switch (m->state) {
  case MEMBER_OFF:
  case MEMBER_ENDED:
    break;
  case MEMBER_WAITING:
    if (now >= m->due_ms && !m->after)
      member_start(m);
    break;
  case MEMBER_RUNNING:
    rv = cordon_sandbox_result(m->sandbox, &err);
    if (rv == CORDON_AGAIN)
      break;
    if (m->line_len > 0)
      put_line(m, "", 0);
    m->status = member_report(m, rv, &err);
    cordon_sandbox_usage(m->sandbox, &u);
    m->crew->messages += u.received + u.sent;
    crew_event_exited(&m->crew->events, m->script->workload->name, rv,
                      m->status, &err, &u);
    m->state = MEMBER_CLOSING;
    m->due_ms = now + LINGER_MS;
    __attribute__((fallthrough));
  case MEMBER_CLOSING:
    cordon_sandbox_usage(m->sandbox, &u);
    if (u.goodbyes && now < m->due_ms)
      break;
    member_close(m);
    member_next(m);
    break;
  }
}

/* -------------------------------------------------------------- stopping ---
 */

static void crew_stop(struct crew *c) {
  uint64_t grace = c->setup->grace_ms ? c->setup->grace_ms : GRACE_DEFAULT_MS;
  if (c->stopping)
    return;
  c->stopping = true;
  c->stop_by_ms = now_ms() + grace;
  for (size_t i = 0; i < c->n; i++)
    if (c->members[i]->state == MEMBER_WAITING)
      c->members[i]->state = MEMBER_ENDED;
  if (signal_got)
    crew_event_stopping(&c->events, signal_name());
}

/* Those that nobody needs who still runs.  Who needs another one stands behind
 * it. */
static void crew_cancel(struct crew *c) {
  bool *needed = must_alloc(c->n, sizeof *needed);
  for (size_t i = c->n; i-- > 0;) {
    struct member *m = c->members[i];
    const cordon_workload *w = m->script->workload;
    if (m->state != MEMBER_RUNNING && m->state != MEMBER_CLOSING)
      continue;
    for (size_t k = 0; k < w->depends_on_len; k++)
      needed[w->depends_on[k]] = true;
    if (needed[i] || m->cancelled || m->state != MEMBER_RUNNING)
      continue;
    m->cancelled = true;
    cordon_sandbox_cancel(m->sandbox);
  }
  free(needed);
}

static void member_cut(struct member *m) {
  if (m->state == MEMBER_RUNNING)
    run_say(m->script->workload->name, "has not ended in time and is cut off");
  if (m->state != MEMBER_OFF)
    m->state = MEMBER_ENDED;
  member_close(m);
}

static void crew_cut(struct crew *c) {
  for (size_t i = 0; i < c->n; i++)
    member_cut(c->members[i]);
  for (size_t i = 0; i < c->nretired; i++)
    member_cut(c->retired[i]);
}

/* -------------------------------------------------------------- reload --- */

static bool same_text(const char *a, const char *b) {
  return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_words(const char *const *a, size_t n, const char *const *b,
                       size_t m) {
  if (n != m)
    return false;
  for (size_t i = 0; i < n; i++)
    if (strcmp(a[i], b[i]) != 0)
      return false;
  return true;
}

/* Would a run begun now be the one that was begun then?  What is in force for
 * it is not asked: policies can be changed under a run. */
static bool same_run(const struct manifest_script *a,
                     const struct manifest_script *b) {
  const cordon_workload *x = a->workload, *y = b->workload;
  return strcmp(x->source, y->source) == 0 && a->len == b->len &&
         (a->len == 0 || memcmp(a->text, b->text, a->len) == 0) &&
         same_text(x->method, y->method) &&
         same_words(x->args, x->args_len, y->args, y->args_len) &&
         same_words(x->modules, x->modules_len, y->modules, y->modules_len) &&
         same_text(x->actor_id, y->actor_id) &&
         same_text(x->actor_meta_json, y->actor_meta_json) &&
         same_words(x->scope, x->scope_len, y->scope, y->scope_len) &&
         memcmp(&x->limits, &y->limits, sizeof x->limits) == 0;
}

static struct member *find_member(const struct crew *c, const char *name) {
  for (size_t i = 0; i < c->n; i++)
    if (strcmp(c->members[i]->script->workload->name, name) == 0)
      return c->members[i];
  return NULL;
}

static bool member_lives(const struct member *m) {
  return m->state == MEMBER_RUNNING || m->state == MEMBER_CLOSING;
}

/* It goes on under the new manifest. */
static void member_keep(struct member *m, struct generation *g,
                        struct manifest_script *s) {
  const cordon_workload *w = s->workload;
  cordon_error err;
  m->generation = g;
  m->script = s;
  m->audit.name = w->name;
  member_places(m);
  if (m->state == MEMBER_OFF && w->auto_start)
    m->state = MEMBER_WAITING;
  if (!m->sandbox || w->scope_len == 0)
    return;
  /* its names were looked up before: only memory can be missing */
  if (cordon_sandbox_set_policy(m->sandbox, g->files.policies.set, &err) !=
      CORDON_OK) {
    run_say(w->name, "reload: %s: stopped, its policies are not the new ones",
            err.message);
    cordon_sandbox_cancel(m->sandbox);
  }
}

static void member_retire(struct crew *c, struct member *m) {
  m->gone = true;
  if (m->state == MEMBER_RUNNING && !m->cancelled) {
    m->cancelled = true;
    cordon_sandbox_cancel(m->sandbox);
  }
  c->retired =
      must_resize(c->retired, c->nretired + 1, sizeof(struct member *));
  c->retired[c->nretired++] = m;
}

/* Those that have ended, and the manifests nobody runs by any more. */
static void drop_retired(struct crew *c) {
  size_t kept = 0;
  for (size_t i = 0; i < c->nretired; i++) {
    struct member *m = c->retired[i];
    if (member_lives(m)) {
      c->retired[kept++] = m;
      continue;
    }
    for (size_t k = 0; k < c->n; k++)
      if (c->members[k]->after == m)
        c->members[k]->after = NULL;
    member_free(m);
  }
  c->nretired = kept;
  for (struct generation **at = &c->newest->older; *at;) {
    struct generation *g = *at;
    bool used = false;
    for (size_t i = 0; i < c->nretired; i++)
      used |= c->retired[i]->generation == g;
    if (used) {
      at = &g->older;
      continue;
    }
    *at = g->older;
    manifest_deinit(&g->files);
    free(g);
  }
}

/* Descriptors for as many connections as may be, if the system has them: of one
 * that is relayed two are ours. */
static void make_room(const struct crew *c) {
  uint64_t want = OWN_DESCRIPTORS;
  struct rlimit l;
  for (size_t i = 0; i < c->n; i++) {
    uint64_t n = c->members[i]->script->workload->limits.connections;
    want += 2 * (n ? n : CONNECTIONS_DEFAULT) + 8;
  }
  if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur == RLIM_INFINITY ||
      l.rlim_cur >= want)
    return;
  l.rlim_cur =
      l.rlim_max != RLIM_INFINITY && want > l.rlim_max ? l.rlim_max : want;
  (void)setrlimit(RLIMIT_NOFILE, &l);
}

struct tally {
  size_t started, stopped, restarted, kept;
};

static void crew_take(struct crew *c, struct generation *g, struct tally *t) {
  size_t n = g->files.n;
  struct member **members = must_alloc(n, sizeof(struct member *));
  for (size_t i = 0; i < n; i++) {
    struct manifest_script *s = &g->files.scripts[i];
    struct member *old = find_member(c, s->workload->name);
    if (old && same_run(old->script, s) &&
        modules_seen_same(&old->seen, &s->modules, c->watch)) {
      member_keep(old, g, s);
      members[i] = old;
      t->kept++;
      continue;
    }
    members[i] = member_new(c, g, s);
    members[i]->after = old;
    if (old)
      t->restarted++;
    else
      t->started += s->workload->auto_start != 0;
  }
  for (size_t i = 0; i < c->n; i++) {
    struct member *m = c->members[i];
    bool replaced = false;
    if (m->generation == g)
      continue; /* kept */
    for (size_t k = 0; k < n; k++)
      replaced |= members[k]->after == m;
    t->stopped += !replaced && member_lives(m);
    member_retire(c, m);
  }
  free(c->members);
  c->members = members;
  c->n = n;
  make_room(c);
  g->older = c->newest;
  c->newest = g;
}

/* A manifest with a mistake changes nothing. */
static void crew_reload(struct crew *c) {
  struct generation *g = must_alloc(1, sizeof *g);
  struct tally t = {0};
  reload_asked = 0;
  c->told_idle = false;
  if (c->watch)
    watch_reset(c->watch);
  if (manifest_load(&g->files, c->setup->script, &c->setup->subject.policy,
                    c->watch) != STATUS_OK) {
    free(g);
    say("reload: the old manifest and the old policies stay in force");
    crew_event_reloaded(&c->events, false, 0, 0, 0, 0);
    return;
  }
  crew_take(c, g, &t);
  crew_event_reloaded(&c->events, true, t.started, t.stopped, t.restarted,
                      t.kept);
  if (!c->setup->quiet)
    say("reload: %zu started, %zu stopped, %zu restarted, %zu go on under the "
        "new policies",
        t.started, t.stopped, t.restarted, t.kept);
}

/* ------------------------------------------------------------------ loop ---
 */

static void crew_watch(struct crew *c) {
  const char *what = c->watch ? watch_look(c->watch, now_ms()) : NULL;
  if (!what || c->stopping)
    return;
  reload_asked = 1;
  if (!c->setup->quiet)
    say("watch: %s has changed", what);
}

static bool crew_lives(const struct crew *c) {
  for (size_t i = 0; i < c->n; i++)
    if (c->members[i]->state != MEMBER_OFF &&
        c->members[i]->state != MEMBER_ENDED)
      return true;
  return c->nretired > 0;
}

static void add_count(char text[STATUS_LINE_BYTES], uint64_t n, const char *one,
                      const char *many) {
  size_t len = strlen(text);
  snprintf(text + len, STATUS_LINE_BYTES - len, "%s%" PRIu64 " %s",
           len ? ", " : "", n, n == 1 ? one : many);
}

/* How things stand.  Until when to wait at most, -1: however long. */
static int crew_show(struct crew *c, uint64_t now) {
  char text[STATUS_LINE_BYTES] = "";
  uint64_t running = 0, connections = 0, messages = c->messages;
  cordon_usage u;
  if (!c->status.on || script_output_waits(&c->events.output))
    return -1;
  for (size_t i = 0; i < c->n + c->nretired; i++) {
    const struct member *m = i < c->n ? c->members[i] : c->retired[i - c->n];
    if (!m->sandbox)
      continue;
    cordon_sandbox_usage(m->sandbox, &u);
    connections += u.connections;
    if (m->state != MEMBER_RUNNING)
      continue;
    running++;
    messages += u.received + u.sent;
  }
  add_count(text, running, "running", "running");
  add_count(text, connections, "connection", "connections");
  add_count(text, messages, "message", "messages");
  add_count(text, c->refused, "denied", "denied");
  add_count(text, c->restarts, "restart", "restarts");
  return status_line_show(&c->status, text, now);
}

/* Until the host, or one of us, has something to do. */
static int crew_timeout(struct crew *c) {
  int timeout = cordon_host_timeout_ms(c->host), look;
  uint64_t now = now_ms(), due = UINT64_MAX;
  for (size_t i = 0; i < c->n; i++) {
    const struct member *m = c->members[i];
    if (((m->state == MEMBER_WAITING && !m->after) ||
         m->state == MEMBER_CLOSING) &&
        m->due_ms < due)
      due = m->due_ms;
  }
  for (size_t i = 0; i < c->nretired; i++)
    if (c->retired[i]->state == MEMBER_CLOSING && c->retired[i]->due_ms < due)
      due = c->retired[i]->due_ms;
  if (c->stopping && c->stop_by_ms < due)
    due = c->stop_by_ms;
  look = watch_timeout_ms(c->watch, now);
  if (look >= 0 && now + (uint64_t)look < due)
    due = now + (uint64_t)look;
  look = crew_show(c, now);
  if (look >= 0 && now + (uint64_t)look < due)
    due = now + (uint64_t)look;
  if (due == UINT64_MAX)
    return timeout;
  due = due > now ? due - now : 0;
  due = due < 60000 ? due : 60000;
  return timeout >= 0 && (uint64_t)timeout < due ? timeout : (int)due;
}

static void crew_wait(struct crew *c) {
  struct pollfd p[4] = {
      {.fd = cordon_host_fd(c->host), .events = POLLIN},
      {.fd = wake_pipe[0], .events = POLLIN},
      {.fd = watch_fd(c->watch), .events = POLLIN},
      {.fd = script_output_waits(&c->events.output) ? c->events.output.fd : -1,
       .events = POLLOUT}};
  char drained[64];
  poll(p, 4, crew_timeout(c));
  while (read(wake_pipe[0], drained, sizeof drained) > 0)
    ;
  if (script_output_waits(&c->events.output))
    script_output_flush(&c->events.output);
}

static int crew_loop(struct crew *c) {
  cordon_error err;
  for (;;) {
    uint64_t now = now_ms();
    crew_watch(c);
    if (reload_asked && !c->stopping)
      crew_reload(c);
    for (size_t i = 0; i < c->nretired; i++)
      member_turn(c->retired[i], now);
    drop_retired(c);
    for (size_t i = 0; i < c->n; i++)
      member_turn(c->members[i], now);
    if (signal_got || c->events.output.error)
      crew_stop(c);
    if (c->stopping)
      crew_cancel(c);
    if (!crew_lives(c) && (!c->watch || c->stopping))
      return STATUS_OK;
    if (!crew_lives(c) && !c->told_idle) {
      c->told_idle = true;
      if (!c->setup->quiet)
        say("watch: nothing is running, waiting for a change");
    }
    if (c->stopping && now >= c->stop_by_ms) {
      crew_cut(c);
      return STATUS_OK;
    }
    crew_wait(c);
    if (cordon_host_dispatch(c->host, &err) != CORDON_OK) {
      say("%s", err.message);
      return STATUS_NEGATIVE;
    }
  }
}

/* Waits until everything printed is gone; after a signal no longer than the
 * grace time. */
static void crew_drain(struct crew *c) {
  while (script_output_waits(&c->events.output)) {
    struct pollfd p[2] = {{.fd = c->events.output.fd, .events = POLLOUT},
                          {.fd = wake_pipe[0], .events = POLLIN}};
    uint64_t now = now_ms();
    char drained[64];
    if (signal_got)
      crew_stop(c);
    if (c->stopping && now >= c->stop_by_ms)
      return;
    poll(p, 2, c->stopping ? (int)(c->stop_by_ms - now) : -1);
    while (read(wake_pipe[0], drained, sizeof drained) > 0)
      ;
    script_output_flush(&c->events.output);
  }
}

/* The first in the file, so that it does not depend on who was quicker. */
static int crew_status(const struct crew *c) {
  const struct member *first = NULL;
  for (size_t i = 0; i < c->n; i++) {
    const struct member *m = c->members[i];
    const cordon_workload *w = m->script->workload;
    if (m->state == MEMBER_OFF || m->status == STATUS_OK)
      continue;
    if (!first || w->line < first->script->workload->line ||
        (w->line == first->script->workload->line &&
         w->column < first->script->workload->column))
      first = m;
  }
  return first ? first->status : STATUS_OK;
}

/* ------------------------------------------------------------------- run ---
 */

/* Loud at the start and at the end: nobody is to forget it on. */
static void say_mode(const struct crew *c, bool begin) {
  if (c->setup->dry_run) {
    if (begin)
      say("dry run: nothing is opened");
  } else if (c->setup->mode == CORDON_MODE_COMPLAIN) {
    if (begin)
      say("complain mode: what no policy allows is let through");
    else
      say("complain mode: %" PRIu64 " %s let through that no policy allows",
          c->would_refuse,
          c->would_refuse == 1 ? "request was" : "requests were");
  }
}

static int crew_whole(struct crew *c) {
  int status;
  make_room(c);
  status = run_setup_host(c->setup, &c->host);
  if (status != STATUS_OK)
    return status;
  say_mode(c, true);
  status_line_init(&c->status, !c->setup->quiet && !c->setup->json);
  status = crew_loop(c);
  status_line_deinit(&c->status);
  crew_drain(c);
  say_mode(c, false);
  if (status == STATUS_OK)
    status = crew_status(c);
  if (signal_got) {
    say("stopped by %s", signal_name());
    return STATUS_SIGNAL + signal_got;
  }
  if (!c->events.output.error)
    return status;
  say("standard output: %s", strerror(c->events.output.error));
  return status == STATUS_OK ? STATUS_NEGATIVE : status;
}

int crew_run(struct run_setup *setup, struct manifest_files *files,
             struct watch *w) {
  struct crew c = {.setup = setup, .events.json = setup->json, .watch = w};
  int status;
  if (!catch_signals()) {
    say("%s", strerror(errno));
    manifest_deinit(files);
    return STATUS_NEGATIVE;
  }
  script_output_init(&c.events.output, STDOUT_FILENO);
  c.events.output.stop = &signal_got;
  c.newest = must_alloc(1, sizeof *c.newest);
  c.newest->files = *files;
  c.n = files->n;
  c.members = must_alloc(c.n, sizeof(struct member *));
  for (size_t i = 0; i < c.n; i++)
    c.members[i] = member_new(&c, c.newest, &c.newest->files.scripts[i]);
  status = crew_whole(&c);
  for (size_t i = 0; i < c.nretired; i++)
    member_free(c.retired[i]);
  for (size_t i = 0; i < c.n; i++)
    member_free(c.members[i]);
  free(c.members);
  free(c.retired);
  cordon_host_free(c.host);
  script_output_deinit(&c.events.output);
  while (c.newest) {
    struct generation *g = c.newest;
    c.newest = g->older;
    manifest_deinit(&g->files);
    free(g);
  }
  return status;
}
