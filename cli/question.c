/* question.c - what is asked of the policies, and what came of it. */
#include "cli/question.h"

#include "cli/cli.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- judge --- */

const char *verdict_word(cordon_verdict v) {
  switch (v) {
  case CORDON_DENY:
    return "deny";
  case CORDON_ALLOW:
    return "allow";
  case CORDON_UNDEFINED:
    return "undefined";
  }
  return "deny";
}

void answer_init(struct answer *a) {
  a->decision = "invalid";
  a->policy = a->file = NULL;
  a->line = 0;
  a->errors = (struct text){0};
  a->canonical[0] = a->code[0] = a->message[0] = a->address[0] = '\0';
  a->forced = false;
  memset(&a->request, 0, sizeof a->request);
}

void answer_invalid(struct answer *a, const char *message) {
  a->decision = "invalid";
  snprintf(a->message, sizeof a->message, "%s", message);
}

void answer_deinit(struct answer *a) {
  free(a->errors.p);
}

/* Makes |d| the answer; |rv| and |err| are what cordon_decide returned. */
static void settle(struct answer *a, const cordon_scope *scope,
                   const cordon_request *q, const cordon_decision *d, int rv,
                   const cordon_error *err) {
  a->request = *q;
  a->settled = *d;
  if (rv == CORDON_OK && d->errors > 0)
    (void)cordon_explain_errors(scope, q, text_write, &a->errors);
  if (rv != CORDON_OK) {
    answer_invalid(a, err->message);
    a->policy = a->file = NULL;
    return;
  }
  a->decision = verdict_word(d->verdict);
  a->forced = d->by_error;
  /* an address that no policy speaks of rests on the policy of its URL */
  if (d->policy_id || d->verdict != CORDON_ALLOW) {
    a->policy = d->policy_id;
    a->file = d->file;
    a->line = d->line;
  }
}

/* "ip:port" for the port that |canonical| leads to. */
void address_of(char out[ADDRESS_MAX], const char *ip, const char *canonical) {
  const char *host = strstr(canonical, "://");
  const char *end;
  const char *port = strncmp(canonical, "wss:", 4) == 0 ? "443" : "80";
  size_t plen = strlen(port);
  host = host ? host + 3 : canonical;
  end = host + strcspn(host, "/?");
  /* the colons of an IPv6 host stand before its bracket */
  for (const char *p = end; p > host && p[-1] != ']'; p--)
    if (p[-1] == ':') {
      port = p;
      plen = (size_t)(end - p);
      break;
    }
  snprintf(out, ADDRESS_MAX, strchr(ip, ':') ? "[%s]:%.*s" : "%s:%.*s", ip,
           (int)plen, port);
}

/* Everything websocket.connect would ask; the first refusal is the answer.
 * The URL is read in any case: its canonical form is worth knowing. */
static void judge_url(struct answer *a, const struct question *q) {
  cordon_request request = {.actor_id = q->actor_id,
                            .actor_meta = q->actor_meta,
                            .action = "websocket.connect",
                            .resource = ""};
  cordon_request url = request;
  cordon_decision d, du;
  cordon_error err = {0}, uerr = {0};
  int rv = cordon_decide(q->scope, &request, &d, &err);
  int urv;
  url.action = "websocket.connect.url";
  url.resource = q->url;
  url.resource_len_bytes = q->url_len;
  urv = cordon_decide(q->scope, &url, &du, &uerr);
  snprintf(a->code, sizeof a->code, "%s", du.canonical_reason);
  if (urv == CORDON_OK)
    memcpy(a->canonical, du.canonical, sizeof a->canonical);
  /* a text that is no URL is that, whatever else is refused */
  if (urv == CORDON_OK) {
    request.url = a->canonical; /* for its explanation */
    settle(a, q->scope, &request, &d, rv, &err);
    if (rv != CORDON_OK || d.verdict != CORDON_ALLOW)
      return;
  }
  settle(a, q->scope, &url, &du, urv, &uerr);
  if (urv != CORDON_OK || du.verdict != CORDON_ALLOW || (!q->ip && !q->address))
    return;
  request.action = "websocket.connect.address";
  request.resource = q->address;
  request.resource_len_bytes = q->address_len;
  request.url = a->canonical;
  if (q->ip) {
    address_of(a->address, q->ip, a->canonical);
    request.resource = a->address;
    request.resource_len_bytes = strlen(a->address);
  }
  rv = cordon_decide(q->scope, &request, &d, &err);
  settle(a, q->scope, &request, &d, rv, &err);
}

void judge(struct answer *a, const struct question *q) {
  cordon_request request = {.actor_id = q->actor_id,
                            .actor_meta = q->actor_meta,
                            .action = q->action,
                            .resource = q->resource,
                            .resource_len_bytes = q->resource_len,
                            .meta = q->meta};
  cordon_decision d;
  cordon_error err = {0};
  int rv;
  if (q->url) {
    judge_url(a, q);
    return;
  }
  rv = cordon_decide(q->scope, &request, &d, &err);
  snprintf(a->code, sizeof a->code, "%s", d.canonical_reason);
  if (rv == CORDON_OK)
    memcpy(a->canonical, d.canonical, sizeof a->canonical);
  settle(a, q->scope, &request, &d, rv, &err);
}

int answer_status(const struct answer *a) {
  if (strcmp(a->decision, "allow") == 0)
    return STATUS_OK;
  return a->forced ? STATUS_FORCED : STATUS_NEGATIVE;
}

/* -------------------------------------------------------------- options --- */

static const char *value_of(const struct asked *a, int option) {
  return a->value[option - SUBJECT_OPTION_COUNT];
}

int asked_something(const struct asked *a) {
  return !!value_of(a, QUESTION_URL) + !!value_of(a, QUESTION_ACTION);
}

static int check_ip(struct asked *a, const char *command) {
  const char *text = value_of(a, QUESTION_RESOLVE);
  unsigned char bytes[16];
  char plain[INET6_ADDRSTRLEN];
  size_t len = strlen(text);
  if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
    text++;
    len -= 2;
  }
  if (len < sizeof plain) {
    memcpy(plain, text, len);
    plain[len] = '\0';
    for (size_t i = 0; i < 2; i++) {
      int family = i == 0 ? AF_INET : AF_INET6;
      if (inet_pton(family, plain, bytes) == 1 &&
          inet_ntop(family, bytes, a->ip, sizeof a->ip))
        return STATUS_OK;
    }
  }
  return say_usage(command, "--resolve takes an IP address, not '%s'",
                   value_of(a, QUESTION_RESOLVE));
}

static int check_meta(struct asked *a, const char *command) {
  const char *text = value_of(a, QUESTION_META);
  cordon_error err;
  if (cordon_value_from_json(&a->meta, text, strlen(text), NULL, &err) !=
      CORDON_OK)
    return say_usage(command, "--meta: %s", err.message);
  if (cordon_value_type(a->meta) != CORDON_MAP)
    return say_usage(command, "--meta takes a JSON object");
  return STATUS_OK;
}

int asked_check(struct asked *a, const char *command) {
  int status = STATUS_OK;
  if (value_of(a, QUESTION_RESOLVE) && !value_of(a, QUESTION_URL))
    return say_usage(command, "--resolve goes with --url");
  if ((value_of(a, QUESTION_RESOURCE) || value_of(a, QUESTION_META)) &&
      !value_of(a, QUESTION_ACTION))
    return say_usage(command, "--%s goes with --action",
                     value_of(a, QUESTION_RESOURCE) ? "resource" : "meta");
  if (value_of(a, QUESTION_RESOLVE))
    status = check_ip(a, command);
  if (status == STATUS_OK && value_of(a, QUESTION_META))
    status = check_meta(a, command);
  return status;
}

struct question asked_question(const struct asked *a, const struct subject *s,
                               const cordon_scope *scope) {
  struct question q = {.scope = scope,
                       .actor_id = s->actor,
                       .actor_meta = s->meta_value,
                       .url = value_of(a, QUESTION_URL),
                       .action = value_of(a, QUESTION_ACTION),
                       .resource = value_of(a, QUESTION_RESOURCE),
                       .meta = a->meta};
  q.url_len = q.url ? strlen(q.url) : 0;
  q.ip = value_of(a, QUESTION_RESOLVE) ? a->ip : NULL;
  q.resource = q.resource ? q.resource : "";
  q.resource_len = strlen(q.resource);
  return q;
}

void asked_deinit(struct asked *a) {
  cordon_value_free(a->meta);
}
