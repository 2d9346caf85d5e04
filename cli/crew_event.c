/* crew_event.c - what a crew has to say on standard output. */
#include "cli/crew_event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void add(struct text *t, const char *s) {
  text_write(t, s, strlen(s));
}

static void add_string(struct text *t, const char *key, const char *s,
                       size_t len) {
  add(t, ",\"");
  add(t, key);
  add(t, "\":");
  if (cordon_write_json_string(s, len, text_write, t) != CORDON_OK) {
    say("%s", cordon_strerror(CORDON_E_NOMEM));
    exit(1);
  }
}

static void add_text(struct text *t, const char *key, const char *s) {
  add_string(t, key, s, strlen(s));
}

static void add_number(struct text *t, const char *key, uint64_t n) {
  char piece[64];
  snprintf(piece, sizeof piece, ",\"%s\":%" PRIu64, key, n);
  add(t, piece);
}

static void add_flag(struct text *t, const char *key, bool yes) {
  add(t, ",\"");
  add(t, key);
  add(t, yes ? "\":true" : "\":false");
}

/* Tokens stand in queries more often than not; the audit log has them for those
 * who ask. */
static void add_url(struct text *t, const char *key, const char *url,
                    size_t len) {
  const char *query = len > 0 ? memchr(url, '?', len) : NULL;
  add_string(t, key, url, query ? (size_t)(query - url) : len);
}

/* False: it is not to be told. */
static bool begin(const struct crew_events *ev, struct text *t,
                  const char *event, const char *workload) {
  char text[40] = "", whole[80];
  struct timespec now;
  struct tm tm;
  if (!ev->json)
    return false;
  clock_gettime(CLOCK_REALTIME, &now);
  if (gmtime_r(&now.tv_sec, &tm))
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(whole, sizeof whole, "{\"version\":1,\"time\":\"%s.%06ldZ\"", text,
           now.tv_nsec / 1000);
  add(t, whole);
  add_text(t, "event", event);
  if (workload)
    add_text(t, "workload", workload);
  return true;
}

static void end(struct crew_events *ev, struct text *t) {
  add(t, "}\n");
  script_output_add(&ev->output, t->p, t->len);
  free(t->p);
}

void crew_event_line(struct crew_events *ev, const char *workload,
                     const char *head, size_t head_len, const char *rest,
                     size_t rest_len) {
  struct text whole = {0}, t = {0};
  text_write(&whole, head, head_len);
  text_write(&whole, rest, rest_len);
  if (begin(ev, &t, "output", workload)) {
    add_string(&t, "text", whole.len ? whole.p : "", whole.len);
    end(ev, &t);
  } else {
    add(&t, workload);
    add(&t, ": ");
    text_write(&t, whole.p, whole.len);
    add(&t, "\n");
    script_output_add(&ev->output, t.p, t.len);
    free(t.p);
  }
  free(whole.p);
}

void crew_event_started(struct crew_events *ev, const char *workload,
                        uint64_t run) {
  struct text t = {0};
  if (!begin(ev, &t, "started", workload))
    return;
  add_number(&t, "run", run);
  end(ev, &t);
}

void crew_event_exited(struct crew_events *ev, const char *workload,
                       const struct crew_exit *how) {
  const cordon_usage *u = how->usage;
  const cordon_error *err = how->err;
  bool cancelled = how->result == CORDON_E_CANCELLED;
  struct text t = {0};
  if (!begin(ev, &t, "exited", workload))
    return;
  add_number(&t, "status", (uint64_t)how->status);
  add_flag(&t, "cancelled", cancelled);
  if (how->result != CORDON_OK && (!cancelled || how->cut)) {
    add_text(&t, "message", err->message);
    if (how->kind[0])
      add_text(&t, "kind", how->kind);
    if (err->source[0])
      add_text(&t, "source", err->source);
    if (err->line)
      add_number(&t, "line", err->line);
  }
  add(&t, ",\"usage\":{\"cpu_ns\":");
  {
    char piece[32];
    snprintf(piece, sizeof piece, "%" PRIu64, u->cpu_ns);
    add(&t, piece);
  }
  add_number(&t, "wall_ns", u->wall_ns);
  add_number(&t, "memory_peak_bytes", u->memory_peak_bytes);
  add_number(&t, "output_bytes", u->output_bytes);
  add_number(&t, "allowed", u->allowed);
  add_number(&t, "refused", u->refused);
  add_number(&t, "received", u->received);
  add_number(&t, "sent", u->sent);
  add(&t, "}");
  end(ev, &t);
}

void crew_event_restarting(struct crew_events *ev, const char *workload,
                           uint64_t delay_ms, uint64_t failures) {
  struct text t = {0};
  if (!begin(ev, &t, "restarting", workload))
    return;
  add_number(&t, "delay_ms", delay_ms);
  add_number(&t, "failures", failures);
  end(ev, &t);
}

void crew_event_gave_up(struct crew_events *ev, const char *workload,
                        uint64_t failures) {
  struct text t = {0};
  if (!begin(ev, &t, "gave_up", workload))
    return;
  add_number(&t, "failures", failures);
  end(ev, &t);
}

void crew_event_denied(struct crew_events *ev, const char *workload,
                       const cordon_audit_event *e) {
  const cordon_request *q = e->request;
  const cordon_decision *d = e->decision;
  struct text t = {0};
  if (!begin(ev, &t, "denied", workload))
    return;
  add_text(&t, "action", q->action);
  if (d->canonical[0])
    add_url(&t, "resource", d->canonical, strlen(d->canonical));
  else
    add_url(&t, "resource", q->resource ? q->resource : "",
            q->resource ? q->resource_len_bytes : 0);
  add_text(&t, "reason", d->reason);
  if (d->policy_id)
    add_text(&t, "policy", d->policy_id);
  if (e->script && e->script[0])
    add_text(&t, "source", e->script);
  if (e->line)
    add_number(&t, "line", e->line);
  add_flag(&t, "passes", e->passes);
  end(ev, &t);
}

void crew_event_connection(struct crew_events *ev, const char *workload,
                           const cordon_connection_event *e) {
  struct text t = {0};
  if (!begin(ev, &t, e->opened ? "opened" : "closed", workload))
    return;
  add_number(&t, "connection", e->number);
  if (e->opened) {
    add_url(&t, "url", e->url, strlen(e->url));
  } else {
    add_number(&t, "code", e->code);
    add_flag(&t, "clean", e->clean);
  }
  end(ev, &t);
}

void crew_event_stopping(struct crew_events *ev, const char *signal) {
  struct text t = {0};
  if (!begin(ev, &t, "stopping", NULL))
    return;
  add_text(&t, "signal", signal);
  end(ev, &t);
}

void crew_event_reloaded(struct crew_events *ev, bool ok, size_t started,
                         size_t stopped, size_t restarted, size_t kept) {
  struct text t = {0};
  if (!begin(ev, &t, "reloaded", NULL))
    return;
  add_flag(&t, "ok", ok);
  add_number(&t, "started", started);
  add_number(&t, "stopped", stopped);
  add_number(&t, "restarted", restarted);
  add_number(&t, "kept", kept);
  end(ev, &t);
}
