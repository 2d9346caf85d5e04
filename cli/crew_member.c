/* crew_member.c - one workload of a manifest over all its runs. */
#include "cli/crew_inside.h"

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/run_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINGER_MS 1000             /* for closing handshakes after an end */
#define LINE_MAX_BYTES (64 * 1024) /* of a line that has no end yet */

/* ------------------------------------------------------------ callbacks --- */

static void put_line(struct member *m, const char *data, size_t len) {
  crew_event_line(&m->crew->events, m->script->workload->name,
                  m->line_len ? m->line : "", m->line_len, data, len);
  m->line_len = 0;
}

/* What was printed last had no end. */
static void end_line(struct member *m) {
  if (m->line_len > 0)
    put_line(m, "", 0);
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
  char *path = one_line_of(m->generation->files.path);
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
  free(path);
}

struct member *member_new(struct crew *c, struct generation *g,
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

void member_free(struct member *m) {
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
  crew_event_exited(&m->crew->events, w->name,
                    &(struct crew_exit){.result = rv,
                                        .status = status,
                                        .kind = "",
                                        .err = &err,
                                        .usage = &(cordon_usage){0}});
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
  uint64_t now = crew_now_ms();
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
  m->began_ms = crew_now_ms();
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

/* |m->status| is known. */
static void member_exited(struct member *m, int rv, const cordon_error *err,
                          bool cut) {
  struct crew_exit how = {.result = rv,
                          .status = m->status,
                          .cut = cut,
                          .kind =
                              cut ? "" : cordon_sandbox_error_kind(m->sandbox),
                          .err = err};
  cordon_usage u;
  cordon_sandbox_usage(m->sandbox, &u);
  m->crew->messages += u.received + u.sent;
  how.usage = &u;
  crew_event_exited(&m->crew->events, m->script->workload->name, &how);
}

void member_turn(struct member *m, uint64_t now) {
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
    end_line(m);
    m->status = member_report(m, rv, &err);
    member_exited(m, rv, &err, false);
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

/* ---------------------------------------------------------- from outside ---
 */

bool member_lives(const struct member *m) {
  return m->state == MEMBER_RUNNING || m->state == MEMBER_CLOSING;
}

void member_keep(struct member *m, struct generation *g,
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

void member_cancel(struct member *m) {
  if (m->state != MEMBER_RUNNING || m->cancelled)
    return;
  m->cancelled = true;
  cordon_sandbox_cancel(m->sandbox);
}

void member_cut(struct member *m) {
  const cordon_workload *w = m->script->workload;
  if (m->state == MEMBER_RUNNING) {
    const cordon_error err = {.message =
                                  "has not ended in time and is cut off"};
    end_line(m);
    run_say(w->name, "%s", err.message);
    m->status = STATUS_NEGATIVE;
    member_exited(m, CORDON_E_CANCELLED, &err, true);
  }
  if (m->state != MEMBER_OFF)
    m->state = MEMBER_ENDED;
  member_close(m);
}
