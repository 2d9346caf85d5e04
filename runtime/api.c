/* api.c - the public functions: check arguments, call inward, map errors. */
#include "runtime/api.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "modules/errors.h"
#include "runtime/base/clock.h"
#include "runtime/base/json.h"
#include "runtime/net/connection.h"
#include "runtime/sandbox.h"
#include "runtime/vm/env.h"
#include "runtime/vm/sched.h"

#define ACTION_CONNECT "websocket.connect"
#define ACTION_URL "websocket.connect.url"
#define ACTION_ADDRESS "websocket.connect.address"
#define EXPLANATION_MAX (64 * 1024)

#define STRING_OF(x) #x
#define VERSION_TEXT(a, b, c) STRING_OF(a) "." STRING_OF(b) "." STRING_OF(c)

const char *cordon_version(void) {
  return VERSION_TEXT(CORDON_VERSION_MAJOR, CORDON_VERSION_MINOR,
                      CORDON_VERSION_PATCH);
}

/* -------------------------------------------------------------- errors --- */

static const struct {
  int public_code;
  int internal; /* the first that fits is the way back */
  const char *text;
} codes[] = {
    {CORDON_OK, 0, "done"},
    {CORDON_AGAIN, ERR_AGAIN, "not finished"},
    {CORDON_E_NOMEM, ERR_NOMEM, "out of memory"},
    {CORDON_E_INVALID, ERR_INVALID, "invalid argument"},
    {CORDON_E_BUSY, ERR_BUSY, "called from inside a callback"},
    {CORDON_E_SYNTAX, ERR_SYNTAX, "syntax error"},
    {CORDON_E_SCRIPT, ERR_SCRIPT, "the script failed"},
    {CORDON_E_LIMIT, ERR_LIMIT, "a limit is reached"},
    {CORDON_E_CANCELLED, ERR_CANCELED, "canceled"},
    {CORDON_E_UNSUPPORTED, ERR_UNSUPPORTED, "not supported"},
    {CORDON_E_SYSTEM, ERR_SYSTEM, "system error"},
    {CORDON_E_NOT_FOUND, ERR_NOT_FOUND, "not found"},
    {CORDON_E_ISOLATION, ERR_ISOLATION, "isolation could not be set up"},
    {CORDON_E_WORKER, ERR_WORKER, "the worker process is gone"},
    {CORDON_E_CLOSED, ERR_CLOSED, "closed"},
    {CORDON_E_POLICY, ERR_SYNTAX, "the policy is wrong"},
    {CORDON_E_URL, ERR_INVALID, "not an acceptable WebSocket URL"},
    {CORDON_E_LIMIT, ERR_FULL, ""}};

#define NCODES (sizeof codes / sizeof *codes)

const char *cordon_strerror(int code) {
  for (size_t i = 0; i < NCODES; i++)
    if (codes[i].public_code == code)
      return codes[i].text;
  return "unknown result";
}

int api_code(int internal) {
  for (size_t i = 0; i < NCODES; i++)
    if (codes[i].internal == internal)
      return codes[i].public_code;
  return CORDON_E_SYSTEM;
}

int api_internal_code(int public_code) {
  for (size_t i = 0; i < NCODES; i++)
    if (codes[i].public_code == public_code)
      return codes[i].internal;
  return ERR_INVALID;
}

int api_error(cordon_error *out, const struct err *e) {
  int code = api_code(e->code);
  _Static_assert(sizeof out->source >= sizeof e->source, "room for a name");
  _Static_assert(sizeof out->message >= sizeof e->message, "room for a text");
  if (out) {
    out->code = code;
    out->sys_errno = e->sys_errno;
    out->line = e->line;
    out->column = e->column;
    memcpy(out->source, e->source, sizeof e->source);
    memcpy(out->message, e->message, sizeof e->message);
  }
  return code;
}

void api_mistake(void *ud, const struct err *mistake) {
  struct api_mistakes *m = ud;
  cordon_error out;
  if (m->first.code == 0)
    m->first = *mistake;
  if (m->fn) {
    api_fail_as(CORDON_E_POLICY, &out, mistake);
    m->fn(m->ud, &out);
  }
}

int api_mistakes_result(int rv, struct api_mistakes *m, cordon_error *reterr) {
  if (rv == 0)
    return CORDON_OK;
  if (rv == ERR_SYNTAX)
    return api_fail_as(CORDON_E_POLICY, reterr, &m->first);
  err_set(&m->first, rv);
  return api_error(reterr, &m->first);
}

int api_invalid(cordon_error *out, const char *what) {
  struct err e;
  err_setf(&e, ERR_INVALID, "%s", what);
  return api_error(out, &e);
}

int api_fail_as(int public_code, cordon_error *out, const struct err *e) {
  api_error(out, e);
  if (out)
    out->code = public_code;
  return public_code;
}

size_t cordon_escape(char *out, size_t cap_bytes, const char *text,
                     size_t len_bytes) {
  if (!out || cap_bytes < 8)
    return 0;
  return str_escape(out, cap_bytes, (struct slice){text, text ? len_bytes : 0});
}

struct mem api_mem(const cordon_allocator *alloc) {
  return alloc && alloc->fn ? (struct mem){alloc->fn, alloc->ud} : mem_libc;
}

#define CONFIG_MAX_BYTES 4096

void api_config_init(void *cfg, size_t size) {
  if (size < sizeof size)
    return; /* not even room for its size */
  memset(cfg, 0, size);
  memcpy(cfg, &size, sizeof size);
}

int api_config_take(void *cfg, size_t size, const void *given,
                    cordon_error *reterr) {
  const char *bytes = given;
  size_t given_size = 0;
  struct err e;
  api_config_init(cfg, size);
  if (!given)
    return CORDON_OK;
  memcpy(&given_size, given, sizeof given_size);
  /* garbage of a stack is seldom a size that any version will have */
  if (given_size < sizeof given_size || given_size > CONFIG_MAX_BYTES)
    return api_invalid(reterr, "the configuration was not initialized");
  for (size_t i = size; i < given_size; i++)
    if (bytes[i] != 0) {
      err_setf(&e, ERR_UNSUPPORTED,
               "the configuration asks for what this version does not know");
      return api_error(reterr, &e);
    }
  memcpy((char *)cfg + sizeof size, bytes + sizeof size,
         (given_size < size ? given_size : size) - sizeof size);
  return CORDON_OK;
}

int api_write_out(struct buf *b, int rv, cordon_write_fn *write, void *ud) {
  if (rv == 0)
    write(ud, (const char *)buf_bytes(b), b->len);
  buf_deinit(b);
  return rv == 0 ? CORDON_OK : CORDON_E_NOMEM;
}

/* -------------------------------------------------------------- policy --- */

static struct policy_set *set_of(const cordon_policy *policy) {
  return (struct policy_set *)(void *)(uintptr_t)policy;
}

static int policy_result(int rv, struct api_mistakes *m, cordon_error *reterr) {
  if (rv == 0)
    return CORDON_OK;
  if (rv != ERR_SYNTAX) {
    err_set(&m->first, rv);
    if (rv == ERR_BUSY)
      err_setf(&m->first, rv, "the policy set is finished");
    return api_error(reterr, &m->first);
  }
  if (m->first.code == 0)
    err_setf(&m->first, rv, "an earlier policy text has a mistake");
  return api_fail_as(CORDON_E_POLICY, reterr, &m->first);
}

int cordon_policy_new(cordon_policy **ret_policy, const cordon_allocator *alloc,
                      cordon_error *reterr) {
  struct mem m = api_mem(alloc);
  struct policy_set *set;
  struct err e;
  int rv;
  if (!ret_policy)
    return api_invalid(reterr, "ret_policy is required");
  if ((rv = policy_set_new(&set, &m)) != 0) {
    err_set(&e, rv);
    return api_error(reterr, &e);
  }
  *ret_policy = (cordon_policy *)(void *)set;
  return CORDON_OK;
}

int cordon_policy_add(cordon_policy *policy, const cordon_source *source,
                      cordon_mistake_fn *fn, void *ud, cordon_error *reterr) {
  struct api_mistakes m = {.fn = fn, .ud = ud};
  int rv;
  if (!policy || !source || (!source->text && source->len_bytes > 0))
    return api_invalid(reterr, "policy and source are required");
  cordon_policy_ref(policy); /* |fn| may give up its own */
  rv = policy_result(
      policy_set_add(set_of(policy), source->name ? source->name : "?",
                     (struct slice){source->text, source->len_bytes},
                     api_mistake, &m),
      &m, reterr);
  cordon_policy_unref(policy);
  return rv;
}

int cordon_policy_allow(cordon_policy *policy, const char *url_pattern,
                        cordon_error *reterr) {
  struct api_mistakes m = {.fn = NULL};
  struct err e;
  int rv;
  if (!policy || !url_pattern)
    return api_invalid(reterr, "policy and url_pattern are required");
  rv = policy_set_add_allow(set_of(policy), slice_of(url_pattern), &e);
  if (rv == ERR_SYNTAX)
    m.first = e;
  return policy_result(rv, &m, reterr);
}

int cordon_policy_finish(cordon_policy *policy, cordon_mistake_fn *fn, void *ud,
                         cordon_error *reterr) {
  struct api_mistakes m = {.fn = fn, .ud = ud};
  int rv;
  if (!policy)
    return api_invalid(reterr, "policy is required");
  cordon_policy_ref(policy);
  rv = policy_result(policy_set_finish(set_of(policy), api_mistake, &m), &m,
                     reterr);
  cordon_policy_unref(policy);
  return rv;
}

cordon_policy *cordon_policy_ref(cordon_policy *policy) {
  if (policy)
    policy_set_ref(set_of(policy));
  return policy;
}

void cordon_policy_unref(cordon_policy *policy) {
  policy_set_unref(set_of(policy));
}

size_t cordon_policy_count(const cordon_policy *policy) {
  return policy ? policy_set_len(set_of(policy)) : 0;
}

/* ------------------------------------------------------------ deciding --- */

int cordon_scope_new(cordon_scope **ret_scope, cordon_policy *policy,
                     const char *const *names, size_t n,
                     const cordon_allocator *alloc, cordon_error *reterr) {
  struct mem m = api_mem(alloc);
  struct slice *slices = NULL;
  cordon_scope *s;
  struct err e;
  int rv = ERR_NOMEM;
  if (!ret_scope || !policy || (!names && n > 0))
    return api_invalid(reterr, "ret_scope, policy and names are required");
  for (size_t i = 0; i < n; i++)
    if (!names[i])
      return api_invalid(reterr, "one of the names is NULL");
  err_set(&e, ERR_NOMEM);
  s = mem_zalloc(&m, sizeof *s);
  if (!s || n > SIZE_MAX / sizeof *slices)
    goto done;
  s->mem = m;
  s->set = set_of(policy);
  if (n > 0 && !(slices = mem_alloc(&m, n * sizeof *slices)))
    goto done;
  for (size_t i = 0; i < n; i++)
    slices[i] = slice_of(names[i]);
  rv = policy_scope_new(&s->scope, s->set, slices, n, &m, &e);
  if (rv == ERR_NOMEM)
    err_set(&e, rv);
done:
  mem_free(&m, slices, n * sizeof *slices);
  if (rv != 0) {
    mem_free(&m, s, sizeof *s);
    return api_error(reterr, &e);
  }
  *ret_scope = s;
  return CORDON_OK;
}

void cordon_scope_free(cordon_scope *scope) {
  struct mem m;
  if (!scope)
    return;
  policy_scope_free(scope->scope);
  m = scope->mem;
  mem_free(&m, scope, sizeof *scope);
}

void api_decision(cordon_decision *out, const struct decision *d,
                  const struct url *url) {
  _Static_assert((int)CORDON_DENY == VERDICT_DENY &&
                     (int)CORDON_ALLOW == VERDICT_ALLOW &&
                     (int)CORDON_UNDEFINED == VERDICT_UNDEFINED,
                 "one order of verdicts");
  _Static_assert(CORDON_URL_MAX_BYTES > URL_TEXT_MAX, "room for a URL");
  out->verdict = (cordon_verdict)d->verdict;
  out->policy_id = d->policy ? d->policy->id.p : NULL;
  out->file = d->policy ? d->policy->file : NULL;
  out->line = d->policy ? d->policy->line : 0;
  out->errors = d->nerrors;
  out->by_error = d->by_error;
  out->reason = d->reason;
  out->canonical[0] = out->canonical_reason[0] = '\0';
  if (url)
    memcpy(out->canonical, url->text, url->len + 1);
}

static const struct policy_set *scope_set(const cordon_scope *s) {
  return s ? s->set : NULL;
}

static const struct policy_scope *scope_scope(const cordon_scope *s) {
  return s ? s->scope : NULL;
}

static int parse_url(struct api_question *q, struct slice text,
                     cordon_decision *out, struct err *e) {
  enum url_reason reason = URL_OK;
  int rv = url_parse(&q->url, text, &reason, e);
  if (rv != 0) {
    strncpy(out->canonical_reason, url_reason_text(reason),
            sizeof out->canonical_reason - 1);
    return rv;
  }
  q->rq.url = &q->url;
  return 0;
}

int api_question_init(struct api_question *q, const cordon_scope *scope,
                      const cordon_request *request, cordon_decision *out,
                      struct err *e) {
  int rv;
  q->rq = (struct request){
      .action = slice_of(request->action),
      .resource = {request->resource, request->resource_len_bytes},
      .meta = api_value(request->meta)};
  q->has_url_decision = false;
  if (request->actor_id) {
    q->actor = (struct actor){slice_of(request->actor_id),
                              api_value(request->actor_meta)};
    q->rq.actor = &q->actor;
  }
  if (slice_is(q->rq.action, ACTION_URL)) {
    if ((rv = parse_url(q, q->rq.resource, out, e)) != 0)
      return rv;
    q->rq.resource = (struct slice){q->url.text, q->url.len};
  } else if (slice_is(q->rq.action, ACTION_ADDRESS)) {
    struct request url_request;
    if (ip_parse_port(q->rq.resource, &q->ip, &q->rq.port) != 0)
      return err_setf(e, ERR_INVALID,
                      "'%.*s' is no address, expected \"ip:port\" or "
                      "\"[ip]:port\"",
                      (int)(q->rq.resource.len > 80 ? 80 : q->rq.resource.len),
                      q->rq.resource.p);
    q->rq.ip = &q->ip;
    if (!request->url)
      return 0;
    if ((rv = parse_url(q, slice_of(request->url), out, e)) != 0)
      return rv;
    url_request = q->rq;
    url_request.action = SLICE(ACTION_URL);
    url_request.resource = (struct slice){q->url.text, q->url.len};
    url_request.ip = NULL;
    url_request.port = 0;
    q->url_decision =
        policy_decide(scope_set(scope), scope_scope(scope), &url_request, NULL);
    q->has_url_decision = true;
  } else if (slice_is(q->rq.action, ACTION_CONNECT) && request->url) {
    api_question_url(q, request->url);
  }
  return 0;
}

void api_question_url(struct api_question *q, const char *url) {
  if (url_parse(&q->url, slice_of(url), NULL, NULL) == 0)
    q->rq.url = &q->url;
}

struct decision api_question_decide(const struct api_question *q,
                                    const cordon_scope *scope) {
  return policy_decide(scope_set(scope), scope_scope(scope), &q->rq,
                       q->has_url_decision &&
                               q->url_decision.verdict == VERDICT_ALLOW
                           ? &q->url_decision
                           : NULL);
}

bool api_request_ok(const cordon_request *r) {
  return r && r->action && (r->resource || r->resource_len_bytes == 0) &&
         (!r->meta || cordon_value_type(r->meta) == CORDON_MAP) &&
         (!r->actor_meta || cordon_value_type(r->actor_meta) == CORDON_MAP);
}

int cordon_decide(const cordon_scope *scope, const cordon_request *request,
                  cordon_decision *ret_decision, cordon_error *reterr) {
  struct api_question q;
  struct decision d;
  struct err e;
  int rv;
  if (!ret_decision)
    return api_invalid(reterr, "ret_decision is required");
  ret_decision->verdict = CORDON_DENY;
  ret_decision->policy_id = ret_decision->file = NULL;
  ret_decision->line = ret_decision->errors = 0;
  ret_decision->by_error = 0;
  ret_decision->reason = "the request is not valid";
  /* the rest of the two thousand bytes would cost as much as a decision */
  ret_decision->canonical[0] = ret_decision->canonical_reason[0] = '\0';
  if (!api_request_ok(request))
    return api_invalid(reterr,
                       "action, resource and maps of metadata are required");
  if ((rv = api_question_init(&q, scope, request, ret_decision, &e)) != 0)
    return ret_decision->canonical_reason[0]
               ? api_fail_as(CORDON_E_URL, reterr, &e)
               : api_error(reterr, &e);
  d = api_question_decide(&q, scope);
  api_decision(ret_decision, &d, q.rq.url);
  return CORDON_OK;
}

int cordon_explain(const cordon_scope *scope, const cordon_request *request,
                   const cordon_decision *decision, cordon_write_fn *write,
                   void *ud) {
  cordon_decision scratch;
  struct api_question q;
  struct decision d;
  struct buf b;
  struct err e;
  if (!api_request_ok(request) || !decision || !write)
    return CORDON_E_INVALID;
  if (decision->verdict == CORDON_ALLOW)
    return CORDON_OK;
  buf_init(&b, &mem_libc, EXPLANATION_MAX);
  if (api_question_init(&q, scope, request, &scratch, &e) != 0)
    return api_write_out(&b, buf_addf(&b, "  %s\n", e.message), write, ud);
  if (slice_is(q.rq.action, ACTION_CONNECT) && !q.rq.url &&
      decision->canonical[0])
    api_question_url(&q, decision->canonical);
  d = api_question_decide(&q, scope);
  if (d.verdict == VERDICT_ALLOW) /* what refused it was not the policy */
    return api_write_out(&b, buf_addf(&b, "  %s\n", decision->reason), write,
                         ud);
  return api_write_out(&b,
                       policy_explain_refusal(
                           scope_set(scope), scope_scope(scope), &q.rq, &d, &b),
                       write, ud);
}

struct error_lines {
  struct buf *out;
  int rv;
};

static void add_error_line(void *ud, const struct policy *p,
                           const struct fault *fault) {
  struct error_lines *lines = ud;
  if (lines->rv == 0)
    lines->rv = policy_write_error(p, fault, lines->out);
  if (lines->rv == 0)
    lines->rv = buf_addc(lines->out, '\n');
}

int cordon_explain_errors(const cordon_scope *scope,
                          const cordon_request *request, cordon_write_fn *write,
                          void *ud) {
  cordon_decision scratch;
  struct api_question q;
  struct buf b;
  struct error_lines lines = {.out = &b};
  struct err e;
  if (!api_request_ok(request) || !write)
    return CORDON_E_INVALID;
  if (api_question_init(&q, scope, request, &scratch, &e) != 0)
    return CORDON_OK; /* no policy was asked */
  buf_init(&b, &mem_libc, EXPLANATION_MAX);
  policy_each_error(scope_scope(scope), &q.rq, add_error_line, &lines);
  /* more of them than there is room for: the first ones */
  return api_write_out(&b, lines.rv == ERR_FULL ? 0 : lines.rv, write, ud);
}

/* ---------------------------------------------------------------- host --- */

void cordon_host_config_init_sized(cordon_host_config *cfg,
                                   size_t struct_size) {
  if (cfg)
    api_config_init(cfg, struct_size);
}

int cordon_host_new(cordon_host **ret_host, const cordon_host_config *config,
                    cordon_error *reterr) {
  cordon_host_config cfg;
  struct host_config hc;
  struct mem m;
  struct err e;
  int rv;
  if (!ret_host)
    return api_invalid(reterr, "ret_host is required");
  if ((rv = api_config_take(&cfg, sizeof cfg, config, reterr)) != CORDON_OK)
    return rv;
  m = api_mem(&cfg.alloc);
  hc = (struct host_config){.ca_file = cfg.ca_file,
                            .dns_servers = cfg.dns_servers,
                            .worker_path = cfg.worker_path,
                            .preempt_signal = cfg.preempt_signal};
  if (host_new(ret_host, &m, &hc, &e) != 0)
    return api_error(reterr, &e);
  return CORDON_OK;
}

void cordon_host_free(cordon_host *host) {
  host_free(host);
}

int cordon_host_fd(const cordon_host *host) {
  return host ? loop_fd(host->loop) : -1;
}

int cordon_host_timeout_ms(const cordon_host *host) {
  return host ? loop_timeout_ms(host->loop) : -1;
}

int cordon_host_dispatch(cordon_host *host, cordon_error *reterr) {
  struct err e;
  if (!host)
    return api_invalid(reterr, "host is required");
  if (host_dispatch(host, 0, &e) != 0)
    return api_error(reterr, &e);
  return CORDON_OK;
}

/* ------------------------------------------------------------- sandbox --- */

void cordon_sandbox_config_init_sized(cordon_sandbox_config *cfg,
                                      size_t struct_size) {
  if (cfg)
    api_config_init(cfg, struct_size);
}

int cordon_sandbox_new(cordon_sandbox **ret_sandbox, cordon_host *host,
                       const cordon_sandbox_config *config,
                       cordon_error *reterr) {
  cordon_sandbox_config cfg;
  struct err e;
  int rv;
  if (!ret_sandbox || !host || !config)
    return api_invalid(reterr, "ret_sandbox, host and config are required");
  if ((rv = api_config_take(&cfg, sizeof cfg, config, reterr)) != CORDON_OK)
    return rv;
  if (sandbox_new(ret_sandbox, host, &cfg, &e) != 0)
    return api_error(reterr, &e);
  return CORDON_OK;
}

void cordon_sandbox_free(cordon_sandbox *sandbox) {
  sandbox_free(sandbox);
}

int cordon_sandbox_set_policy(cordon_sandbox *sandbox, cordon_policy *policy,
                              cordon_error *reterr) {
  struct err e;
  if (!sandbox || !policy)
    return api_invalid(reterr, "sandbox and policy are required");
  if (sandbox_set_policy(sandbox, policy, &e) != 0)
    return api_error(reterr, &e);
  return CORDON_OK;
}

/* -------------------------------------------------------- load and run --- */

int cordon_sandbox_load(cordon_sandbox *sandbox, const cordon_source *source,
                        const char *const *args, size_t nargs,
                        cordon_error *reterr) {
  struct err e;
  if (!sandbox || !source || (!source->text && source->len_bytes > 0) ||
      (!args && nargs > 0))
    return api_invalid(reterr, "sandbox, source and args are required");
  if (sandbox_load(
          sandbox, source->name ? source->name : "?",
          (struct slice){source->text ? source->text : "", source->len_bytes},
          args, nargs, &e) != 0)
    return api_error(reterr, &e);
  return CORDON_OK;
}

int cordon_sandbox_result(const cordon_sandbox *sandbox, cordon_error *reterr) {
  const struct script_result *r;
  if (!sandbox)
    return api_invalid(reterr, "sandbox is required");
  if (!sandbox_ended(sandbox))
    return CORDON_AGAIN;
  r = sandbox_result(sandbox);
  return r->code == 0 ? CORDON_OK : api_error(reterr, &r->error);
}

const char *cordon_sandbox_traceback(const cordon_sandbox *sandbox) {
  return sandbox ? sandbox->escaped_traceback : "";
}

const char *cordon_sandbox_error_kind(const cordon_sandbox *sandbox) {
  return sandbox && sandbox_ended(sandbox) ? sandbox_result(sandbox)->kind : "";
}

/* Connections that still say goodbye, here or in a worker. */
static bool goodbyes(const cordon_sandbox *sandbox) {
  cordon_host *host = sandbox->host;
  return connections_released(host->loop) > 0 || remotes_departing(host) > 0 ||
         (sandbox->remote && remote_lingers(sandbox->remote));
}

static int linger(cordon_sandbox *sandbox, int linger_ms, struct err *e) {
  cordon_host *host = sandbox->host;
  uint64_t end_ns = clock_mono_ns() + (uint64_t)linger_ms * NS_PER_MS;
  int rv = 0;
  while (rv == 0 && goodbyes(sandbox)) {
    uint64_t now_ns = clock_mono_ns(), left_ms;
    if (now_ns >= end_ns)
      break;
    left_ms = (end_ns - now_ns) / NS_PER_MS;
    rv = host_dispatch(host, left_ms < INT_MAX ? (int)left_ms + 1 : INT_MAX, e);
  }
  return rv;
}

int cordon_sandbox_run(cordon_sandbox *sandbox, int linger_ms,
                       cordon_error *reterr) {
  struct err e;
  int rv = 0;
  if (!sandbox || !sandbox->loaded)
    return api_invalid(reterr, "a sandbox with a loaded script is required");
  if (sandbox->host->busy) {
    err_setf(&e, ERR_BUSY, "called from inside a callback");
    return api_error(reterr, &e);
  }
  while (rv == 0 && !sandbox_ended(sandbox))
    rv = host_dispatch(sandbox->host, -1, &e);
  if (rv == 0 && !sandbox->host->busy) {
    sandbox->host->busy = true;
    exchange_tell_rest(&sandbox->exchange);
    sandbox->host->busy = false;
  }
  if (rv == 0 && linger_ms > 0)
    rv = linger(sandbox, linger_ms, &e);
  if (rv != 0)
    return api_error(reterr, &e);
  return cordon_sandbox_result(sandbox, reterr);
}

void cordon_sandbox_cancel(cordon_sandbox *sandbox) {
  if (!sandbox)
    return;
  atomic_store(&sandbox->cancel, true);
  if (sandbox->st) /* also where it is running now, on another thread */
    atomic_store(&sandbox->st->cancel, 1);
  atomic_store(&sandbox->host->cancel_asked, true);
  loop_wake(sandbox->host->loop);
}

void cordon_sandbox_usage_sized(const cordon_sandbox *sandbox,
                                cordon_usage *ret_usage, size_t struct_size) {
  cordon_usage usage;
  if (!ret_usage)
    return;
  if (!sandbox) {
    memset(ret_usage, 0, struct_size);
    return;
  }
  sandbox_usage(sandbox, &usage);
  usage.goodbyes = sandbox_ended(sandbox) && goodbyes(sandbox);
  if (struct_size > sizeof usage) /* of a newer caller: what is not known */
    memset((char *)ret_usage + sizeof usage, 0, struct_size - sizeof usage);
  memcpy(ret_usage, &usage,
         struct_size < sizeof usage ? struct_size : sizeof usage);
}
