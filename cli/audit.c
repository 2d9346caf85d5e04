/* audit.c - the audit log. */
#include "cli/audit.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int audit_open(struct audit *a, const char *path, const char *name) {
  a->path = path;
  a->name = name;
  if (strcmp(path, "-") == 0) {
    a->path = "standard output";
    a->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  } else {
    a->fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
  }
  if (a->fd >= 0)
    return STATUS_OK;
  say("--audit %s: %s", path, strerror(errno));
  return STATUS_USAGE;
}

void audit_close(struct audit *a) {
  if (a->fd >= 0)
    close(a->fd);
  a->fd = -1;
}

/* ----------------------------------------------------------- the fields --- */

static void add(struct text *t, const char *s) {
  text_write(t, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void
add_format(struct text *t, const char *fmt, ...) {
  char piece[128];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(piece, sizeof piece, fmt, ap);
  va_end(ap);
  add(t, piece);
}

/* False: memory is gone. */
static bool add_string(struct text *t, const char *key, const char *s,
                       size_t len) {
  add_format(t, ",\"%s\":", key);
  if (!s) {
    add(t, "null");
    return true;
  }
  return cordon_write_json_string(s, len, text_write, t) == CORDON_OK;
}

static bool add_text(struct text *t, const char *key, const char *s) {
  return add_string(t, key, s, s ? strlen(s) : 0);
}

/* RFC 3339, UTC, with nanoseconds. */
static void add_time(struct text *t, int64_t unix_ns) {
  time_t seconds = (time_t)(unix_ns / 1000000000);
  char text[40] = "";
  struct tm tm;
  if (gmtime_r(&seconds, &tm))
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  add_format(t, "{\"v\":1,\"time\":\"%s.%09" PRId64 "Z\"", text,
             unix_ns % 1000000000);
}

/* A URL's query carries tokens more often than not: its names are kept, its
 * values are not.  A part without "=" is a value, as far as anyone knows. */
static char *redact(const char *url, size_t len, size_t *ret_len) {
  const char *query = memchr(url, '?', len), *end = url + len;
  struct text t = {0};
  if (!query) {
    text_write(&t, url, len);
  } else {
    text_write(&t, url, (size_t)(++query - url));
    while (query < end) {
      const char *next = memchr(query, '&', (size_t)(end - query));
      const char *stop = next ? next : end;
      const char *equals = memchr(query, '=', (size_t)(stop - query));
      if (equals)
        text_write(&t, query, (size_t)(equals + 1 - query));
      if (stop > query)
        add(&t, "REDACTED");
      if (next)
        add(&t, "&");
      query = next ? next + 1 : end;
    }
  }
  *ret_len = t.len;
  return t.p;
}

static bool add_url(const struct audit *a, struct text *t, const char *key,
                    const char *url, size_t len) {
  char *redacted = NULL;
  bool ok;
  if (!url || a->query)
    return add_string(t, key, url, len);
  redacted = redact(url, len, &len);
  ok = add_string(t, key, redacted ? redacted : "", len);
  free(redacted);
  return ok;
}

/* One write a line, so that several programs may share a log. */
static bool put_line(struct audit *a, struct text *t, bool complete) {
  size_t done = 0;
  int why = complete ? 0 : ENOMEM;
  add(t, "}\n");
  while (why == 0 && done < t->len) {
    ssize_t n = write(a->fd, t->p + done, t->len - done);
    if (n >= 0) {
      done += (size_t)n;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      struct pollfd p = {.fd = a->fd, .events = POLLOUT};
      poll(&p, 1, -1);
    } else if (errno != EINTR) {
      why = errno;
    }
  }
  free(t->p);
  if (why != 0 && !a->failed) {
    a->failed = true;
    say("audit: %s: %s; what cannot be recorded is refused", a->path,
        strerror(why));
  }
  return why == 0;
}

/* ------------------------------------------------------------ the lines --- */

static const char *verdict_name(cordon_verdict v) {
  switch (v) {
  case CORDON_ALLOW:
    return "allow";
  case CORDON_UNDEFINED:
    return "undefined";
  case CORDON_DENY:
    break;
  }
  return "deny";
}

static const char *mode_name(cordon_mode mode) {
  switch (mode) {
  case CORDON_MODE_COMPLAIN:
    return "complain";
  case CORDON_MODE_DRY_RUN:
    return "dry-run";
  case CORDON_MODE_ENFORCE:
    break;
  }
  return "enforce";
}

bool audit_decision(struct audit *a, const cordon_audit_event *e) {
  const cordon_request *q = e->request;
  const cordon_decision *d = e->decision;
  struct text t = {0};
  bool ok;
  if (a->fd < 0)
    return true;
  add_time(&t, e->unix_ns);
  add_format(&t, ",\"seq\":%" PRIu64 ",\"event\":\"decision\"", e->sequence);
  ok = add_text(&t, "sandbox", a->name) && add_text(&t, "actor", q->actor_id) &&
       add_text(&t, "action", q->action) &&
       add_url(a, &t, "resource", q->resource ? q->resource : "",
               q->resource ? q->resource_len_bytes : 0) &&
       (!q->url || add_url(a, &t, "url", q->url, strlen(q->url))) &&
       add_text(&t, "decision", verdict_name(d->verdict)) &&
       (d->verdict == CORDON_ALLOW || e->mode == CORDON_MODE_ENFORCE ||
        add_text(&t, "would", "deny")) &&
       add_text(&t, "policy", d->policy_id) && add_text(&t, "file", d->file);
  add_format(&t, ",\"line\":%" PRIu32, d->line);
  ok = ok && add_text(&t, "reason", d->reason);
  add_format(&t, ",\"errors\":%" PRIu32, d->errors);
  ok = ok && add_text(&t, "script", e->script);
  add_format(&t, ",\"script_line\":%" PRIu32 ",\"mode\":\"%s\"", e->line,
             mode_name(e->mode));
  add_format(&t, ",\"generation\":%" PRIu64 ",\"latency_ns\":%" PRIu64,
             e->generation, e->latency_ns);
  return put_line(a, &t, ok);
}

bool audit_connection(struct audit *a, const cordon_connection_event *e) {
  struct text t = {0};
  bool ok;
  if (a->fd < 0)
    return true;
  add_time(&t, e->unix_ns);
  add_format(&t, ",\"connection\":%" PRIu64 ",\"event\":\"%s\"", e->number,
             e->opened ? "opened" : "closed");
  ok = add_text(&t, "sandbox", a->name);
  if (e->opened) {
    ok = ok && add_url(a, &t, "url", e->url, strlen(e->url)) &&
         add_text(&t, "script", e->script);
    add_format(&t, ",\"script_line\":%" PRIu32, e->line);
  } else {
    add_format(&t, ",\"code\":%u,\"clean\":%s,\"by\":\"%s\"", (unsigned)e->code,
               e->clean ? "true" : "false", e->by_worker ? "worker" : "host");
  }
  return put_line(a, &t, ok);
}
