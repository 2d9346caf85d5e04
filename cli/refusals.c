/* refusals.c - what was refused, told to people. */
#include "cli/refusals.h"

#include "cli/print.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* FNV-1a: a refusal that collides with another is not told, no more. */
static uint64_t hash(uint64_t h, const char *data, size_t len) {
  for (size_t i = 0; i < len; i++)
    h = (h ^ (unsigned char)data[i]) * 0x100000001b3u;
  return h;
}

/* True the first time, and for as many different ones as are told. */
static bool is_new(struct refusals *r, const cordon_request *q,
                   const char *resource, size_t len) {
  uint64_t h = hash(0xcbf29ce484222325u, q->action, strlen(q->action) + 1);
  h = hash(h, resource, len);
  for (size_t i = 0; i < r->n && i < REFUSALS_MAX; i++)
    if (r->told[i] == h)
      return false;
  if (r->n >= REFUSALS_MAX) {
    if (r->n++ == REFUSALS_MAX)
      say("further refusals are not told");
    r->n = REFUSALS_MAX + 1;
    return false;
  }
  r->told[r->n++] = h;
  return true;
}

void refusals_tell(struct refusals *r, const char *who,
                   const cordon_audit_event *e, const char *advice) {
  const cordon_request *q = e->request;
  const cordon_decision *d = e->decision;
  const char *resource = q->resource ? q->resource : "";
  size_t len = q->resource ? q->resource_len_bytes : 0;
  struct out o;
  char *line;
  if (d->canonical[0] && strcmp(q->action, "websocket.connect.url") == 0) {
    resource = d->canonical;
    len = strlen(resource);
  }
  if (!is_new(r, q, resource, len))
    return;
  out_init(&o, STDERR_FILENO);
  out_text(&o, "cordon: ");
  if (who) {
    out_one_line(&o, who, strlen(who));
    out_text(&o, ": ");
  }
  out_text(&o, e->passes ? "would be denied " : "denied ");
  out_one_line(&o, q->action, strlen(q->action));
  out_text(&o, len ? " " : "");
  out_one_line(&o, resource, len);
  if (e->script && e->script[0]) {
    line = must_format(e->line ? " (%s:%" PRIu32 ")" : " (%s)", e->script,
                       e->line);
    out_one_line(&o, line, strlen(line));
    free(line);
  }
  out_text(&o, "\n");
  (void)cordon_explain(e->scope, q, d, out_write_visible, &o);
  if (advice)
    out_visible(&o, advice, strlen(advice));
  out_flush(&o);
}
