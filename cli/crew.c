/* crew.c - the workloads of a manifest, side by side in one host. */
#include "cli/crew_inside.h"

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/script_output.h"
#include "cli/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t crew_now_ms(void) {
  return script_output_now_ms();
}

/* -------------------------------------------------------------- stopping ---
 */

static void crew_stop(struct crew *c) {
  uint64_t grace = c->setup->grace_ms ? c->setup->grace_ms : GRACE_DEFAULT_MS;
  if (c->stopping)
    return;
  c->stopping = true;
  c->stop_by_ms = crew_now_ms() + grace;
  for (size_t i = 0; i < c->n; i++)
    if (c->members[i]->state == MEMBER_WAITING)
      c->members[i]->state = MEMBER_ENDED;
  if (signal_got)
    crew_event_stopping(&c->events, signals_name());
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
    if (!needed[i])
      member_cancel(m);
  }
  free(needed);
}

static void crew_cut(struct crew *c) {
  for (size_t i = 0; i < c->n; i++)
    member_cut(c->members[i]);
  for (size_t i = 0; i < c->nretired; i++)
    member_cut(c->retired[i]);
}

/* ------------------------------------------------------------------ loop ---
 */

static void crew_watch(struct crew *c) {
  const char *what = c->watch ? watch_look(c->watch, crew_now_ms()) : NULL;
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
  uint64_t now = crew_now_ms(), due = UINT64_MAX;
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

/* The first deadline of those that run: who prints much for a slow reader holds
 * up all of them, but not longer. */
static uint64_t crew_deadline(const struct crew *c) {
  uint64_t first = 0;
  for (size_t i = 0; i < c->n + c->nretired; i++) {
    const struct member *m = i < c->n ? c->members[i] : c->retired[i - c->n];
    uint64_t at = script_output_until(m->began_ms,
                                      m->script->workload->limits.deadline_ms);
    if (m->state == MEMBER_RUNNING && at != 0 && (first == 0 || at < first))
      first = at;
  }
  return first;
}

static void crew_wait(struct crew *c) {
  struct pollfd p[4] = {
      {.fd = cordon_host_fd(c->host), .events = POLLIN},
      {.fd = signals_fd(), .events = POLLIN},
      {.fd = watch_fd(c->watch), .events = POLLIN},
      {.fd = script_output_waits(&c->events.output) ? c->events.output.fd : -1,
       .events = POLLOUT}};
  poll(p, 4, crew_timeout(c));
  signals_drain();
  if (script_output_waits(&c->events.output))
    script_output_flush(&c->events.output);
}

static int crew_loop(struct crew *c) {
  cordon_error err;
  for (;;) {
    uint64_t now = crew_now_ms();
    crew_watch(c);
    if (reload_asked && !c->stopping)
      crew_reload(c);
    for (size_t i = 0; i < c->nretired; i++)
      member_turn(c->retired[i], now);
    crew_drop_retired(c);
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
    c->events.output.until_ms = crew_deadline(c);
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
                          {.fd = signals_fd(), .events = POLLIN}};
    uint64_t now = crew_now_ms();
    if (signal_got)
      crew_stop(c);
    if (c->stopping && now >= c->stop_by_ms)
      return;
    poll(p, 2, c->stopping ? (int)(c->stop_by_ms - now) : -1);
    signals_drain();
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
  crew_make_room(c);
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
  if (signal_got)
    return signals_stopped();
  if (!c->events.output.error)
    return status;
  say("standard output: %s", strerror(c->events.output.error));
  return status == STATUS_OK ? STATUS_NEGATIVE : status;
}

int crew_run(struct run_setup *setup, struct manifest_files *files,
             struct watch *w) {
  struct crew c = {.setup = setup, .events.json = setup->json, .watch = w};
  int status;
  if (!signals_catch(SIGNALS_HANGUP, NULL)) {
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
