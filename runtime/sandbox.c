/* sandbox.c - one sandbox: ties vm, loop, policy and modules together. */
#include "runtime/sandbox.h"

#include <stdlib.h>
#include <string.h>

#include "modules/errors.h"
#include "modules/modules.h"
#include "runtime/api.h"
#include "runtime/base/clock.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/sched.h"

#define ACTOR_MAX_BYTES (1024 * 1024)
#define ARENA_FIRST_BYTES 128 /* most hold two short names */
#define TRACEBACK_MAX (64 * 1024)
#define MODULE_NAME_MAX 255
#define MODULES_LISTED_MAX 10000

static char no_text[1];

static const cordon_limits default_limits = {.memory_bytes = UINT64_C(64) << 20,
                                             .cpu_ms = 10000,
                                             .deadline_ms = CORDON_UNLIMITED,
                                             .tasks = 10000,
                                             .timers = 10000,
                                             .connections = 64,
                                             .connects_per_minute = 600,
                                             .output_bytes = UINT64_C(64) << 20,
                                             .source_bytes = UINT64_C(1) << 20};

static uint64_t or_default(uint64_t given, uint64_t otherwise) {
  return given != 0 ? given : otherwise;
}

static uint64_t ms_to_ns(uint64_t ms) {
  return ms > UINT64_MAX / NS_PER_MS ? UINT64_MAX : ms * NS_PER_MS;
}

/* ----------------------------------------------------- asked by the vm --- */

static void on_output(void *ud, const char *data, size_t len) {
  struct cordon_sandbox *sb = ud;
  if (sb->output)
    sb->output(sb->ud, data, len);
}

/* Letters, digits, "_", "-" and single inner dots: nothing that a path could
 * be made of. */
static bool module_name_ok(const char *name) {
  for (const char *p = name; *p; p++) {
    if (*p == '.') {
      if (p == name || p[1] == '.' || p[1] == '\0')
        return false;
    } else if (!ascii_alpha(*p) && !ascii_digit(*p) && *p != '_' && *p != '-') {
      return false;
    }
  }
  return *name != '\0' && strlen(name) <= MODULE_NAME_MAX;
}

int sandbox_require(struct cordon_sandbox *sb, const char *name,
                    const char **ret_name, struct slice *ret_text) {
  cordon_source src = {NULL, NULL, 0};
  int rv;
  /* a worker that has been taken over asks for what it likes */
  if (!sb->require || !module_name_ok(name) ||
      !state_module_allowed(&sb->modules, slice_of(name)))
    return ERR_NOT_FOUND;
  rv = sb->require(sb->ud, name, &src);
  if (rv != CORDON_OK)
    return rv == CORDON_E_NOT_FOUND ? ERR_NOT_FOUND : ERR_SYSTEM;
  if (!src.text)
    return ERR_SYSTEM;
  *ret_name = src.name ? src.name : name;
  *ret_text = (struct slice){src.text, src.len_bytes};
  return 0;
}

static int on_require(void *ud, const char *name, const char **ret_name,
                      struct slice *ret_text) {
  return sandbox_require(ud, name, ret_name, ret_text);
}

/* All lines of a traceback but the first begin with a tab; where one does not,
 * the line feed is in a name that the script or a file has. */
static const char *line_end(struct slice rest) {
  const char *end = rest.p + rest.len, *p = rest.p;
  while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
    if (p + 1 == end || p[1] == '\t')
      return p;
    p++;
  }
  return NULL;
}

void sandbox_keep_traceback(struct cordon_sandbox *sb, struct slice rest) {
  struct buf b;
  char line[512];
  buf_init(&b, &sb->host->mem, TRACEBACK_MAX);
  while (rest.len > 0) {
    const char *nl = line_end(rest);
    size_t n = nl ? (size_t)(nl - rest.p) : rest.len, tabs = 0;
    while (tabs < n && rest.p[tabs] == '\t')
      tabs++;
    str_escape(line, sizeof line, (struct slice){rest.p + tabs, n - tabs});
    if (buf_add(&b, rest.p, tabs) != 0 || buf_adds(&b, line) != 0 ||
        buf_addc(&b, '\n') != 0)
      break;
    n += nl != NULL;
    rest.p += n;
    rest.len -= n;
  }
  if (b.len > 0) {
    char *copy =
        arena_strndup(&sb->arena, (const char *)buf_bytes(&b), b.len - 1);
    if (copy)
      sb->escaped_traceback = copy;
  }
  buf_deinit(&b);
}

static void on_ended(void *ud) {
  struct cordon_sandbox *sb = ud;
  const struct script_result *r = &sb->st->result;
  sandbox_keep_traceback(sb, buf_slice(&sb->st->traceback));
  websocket_end(&sb->services);
  bridge_end(&sb->bridge);
  exchange_ended(&sb->exchange, r->code, &r->error);
}

static int on_arguments(void *ud, lua_State *L) {
  struct cordon_sandbox *sb = ud;
  return bridge_arguments(&sb->bridge, L);
}

static int on_returned(void *ud, lua_State *L, int table, int first) {
  struct cordon_sandbox *sb = ud;
  return bridge_returned(&sb->bridge, L, table, first);
}

/* --------------------------------------------------- asked by the guard --- */

static int on_record(void *ud, const struct guard_event *ev) {
  struct cordon_sandbox *sb = ud;
  const struct request *rq = ev->request;
  cordon_request request;
  cordon_decision decision;
  cordon_audit_event event;
  if (!sb->audit)
    return 0;
  request = (cordon_request){
      .actor_id = sb->services.guard.actor ? sb->actor.id.p : NULL,
      .actor_meta = sb->actor_meta,
      .action = rq->action.p,
      .resource = rq->resource.p,
      .resource_len_bytes = rq->resource.len,
      .meta = (const cordon_value *)(const void *)rq->meta,
      .url = rq->ip ? rq->url->text : NULL};
  api_decision(&decision, ev->decision, rq->ip ? NULL : rq->url);
  event = (cordon_audit_event){.sequence = ++sb->sequence,
                               .unix_ns = clock_wall_ns(),
                               .sandbox = sb,
                               .scope = sb->scope,
                               .request = &request,
                               .decision = &decision,
                               .script = ev->where->script,
                               .line = ev->where->line,
                               .mode = (cordon_mode)sb->services.guard.mode,
                               .passes = ev->passes,
                               .generation = sb->generation,
                               .latency_ns = ev->latency_ns};
  return sb->audit(sb->ud, &event);
}

static uint64_t on_left(void *ud) {
  struct cordon_sandbox *sb = ud;
  return sb->remote ? remote_left_ns(sb->remote) : state_cpu_left_ns(sb->st);
}

static void on_client(void *ud, const struct client_event *ev) {
  struct cordon_sandbox *sb = ud;
  cordon_connection_event event;
  if (!sb->connection)
    return;
  event =
      (cordon_connection_event){.number = ev->number,
                                .unix_ns = clock_wall_ns(),
                                .sandbox = sb,
                                .opened = ev->opened,
                                .url = ev->url,
                                .script = ev->where ? ev->where->script : "",
                                .line = ev->where ? ev->where->line : 0,
                                .code = ev->code,
                                .clean = ev->clean,
                                .by_worker = ev->by_worker};
  sb->connection(sb->ud, &event);
}

/* --------------------------------------------------------- life and end --- */

static int take_actor(struct cordon_sandbox *sb,
                      const struct cordon_sandbox_config *config,
                      struct err *e) {
  cordon_error ce;
  size_t len;
  int rv;
  sb->method = config->method ? config->method : "main";
  sb->method = arena_strndup(&sb->arena, sb->method, strlen(sb->method));
  if (!sb->method)
    return err_set(e, ERR_NOMEM);
  if (config->actor_id) {
    len = strlen(config->actor_id);
    sb->actor.id.p = arena_strndup(&sb->arena, config->actor_id, len);
    if (!sb->actor.id.p)
      return err_set(e, ERR_NOMEM);
    sb->actor.id.len = len;
    sb->services.guard.actor = &sb->actor;
  }
  if (!config->actor_meta_json)
    return 0;
  cordon_allocator alloc = {sb->host->mem.fn, sb->host->mem.ud};
  rv = cordon_value_from_json(&sb->actor_meta, config->actor_meta_json,
                              strlen(config->actor_meta_json), &alloc, &ce);
  if (rv == CORDON_E_NOMEM)
    return err_set(e, ERR_NOMEM);
  if (rv != CORDON_OK)
    return err_at(e, ERR_SYNTAX, "actor metadata", ce.line, ce.column, "%s",
                  ce.message);
  if (cordon_value_type(sb->actor_meta) != CORDON_MAP)
    return err_setf(e, ERR_INVALID, "actor metadata, expected a JSON object");
  sb->actor.meta = api_value(sb->actor_meta);
  return 0;
}

static int take_input(struct cordon_sandbox *sb,
                      const struct cordon_sandbox_config *config,
                      struct err *e) {
  struct exchange *x = &sb->exchange;
  size_t cost;
  x->keeps = config->keep != 0;
  if (!config->input)
    return 0;
  if (!value_may_cross(api_value(config->input), &cost))
    return err_setf(e, ERR_INVALID, "input is too large");
  if (api_value_copy(&x->input, &sb->host->mem, api_value(config->input)) != 0)
    return err_set(e, ERR_NOMEM);
  return 0;
}

static int take_scope_names(struct cordon_sandbox *sb,
                            const struct cordon_sandbox_config *config,
                            struct err *e) {
  size_t n = config->scope_len;
  sb->scope_names = arena_array(&sb->arena, n, sizeof *sb->scope_names);
  if (!sb->scope_names)
    return err_set(e, ERR_NOMEM);
  for (; sb->nscope_names < n; sb->nscope_names++) {
    const char *name = config->scope[sb->nscope_names];
    if (!name)
      return err_setf(e, ERR_INVALID, "one of the names in scope is NULL");
    name = arena_strndup(&sb->arena, name, strlen(name));
    if (!name)
      return err_set(e, ERR_NOMEM);
    sb->scope_names[sb->nscope_names] = name;
  }
  return 0;
}

int sandbox_set_policy(struct cordon_sandbox *sb, cordon_policy *policy,
                       struct err *e) {
  cordon_allocator alloc = {sb->host->mem.fn, sb->host->mem.ud};
  cordon_scope *scope;
  cordon_error ce;
  int rv;
  if (sb->host->busy)
    return err_setf(e, ERR_BUSY, "called from inside a callback");
  rv = cordon_scope_new(&scope, policy, sb->scope_names, sb->nscope_names,
                        &alloc, &ce);
  if (rv != CORDON_OK)
    return err_setf(e, api_internal_code(rv), "%s", ce.message);
  cordon_scope_free(sb->scope);
  sb->scope = scope;
  sb->services.guard.set = scope->set;
  sb->services.guard.scope = scope->scope;
  sb->generation++;
  return 0;
}

static int take_modules(struct cordon_sandbox *sb,
                        const struct cordon_sandbox_config *config,
                        struct err *e) {
  struct state_modules *m = &sb->modules;
  const char *from = config->modules_from ? config->modules_from : "";
  if (!config->modules)
    return config->modules_len == 0
               ? 0
               : err_setf(e, ERR_INVALID,
                          "modules is required with modules_len");
  if (config->modules_len > MODULES_LISTED_MAX)
    return err_setf(e, ERR_INVALID, "more than %d modules are listed",
                    MODULES_LISTED_MAX);
  m->listed = true;
  m->from.len = strlen(from);
  m->from.p = arena_strndup(&sb->arena, from, m->from.len);
  m->names = sb->module_names =
      arena_array(&sb->arena, config->modules_len, sizeof *sb->module_names);
  if (!m->from.p || !m->names)
    return err_set(e, ERR_NOMEM);
  for (; m->n < config->modules_len; m->n++) {
    struct slice s = slice_of(config->modules[m->n]);
    if (!s.p)
      return err_setf(e, ERR_INVALID, "one of the modules is NULL");
    if (!(s.p = arena_strndup(&sb->arena, s.p, s.len)))
      return err_set(e, ERR_NOMEM);
    sb->module_names[m->n] = s;
  }
  return 0;
}

static int take_policy(struct cordon_sandbox *sb,
                       const struct cordon_sandbox_config *config,
                       struct err *e) {
  int rv = take_scope_names(sb, config, e);
  if (rv != 0)
    return rv;
  if (config->policy)
    return sandbox_set_policy(sb, config->policy, e);
  if (config->scope_len > 0)
    return err_setf(e, ERR_INVALID, "a scope was given, but no policy");
  return 0;
}

static struct state_limits vm_limits(const cordon_limits *l) {
  const cordon_limits *d = &default_limits;
  uint64_t deadline_ms = or_default(l->deadline_ms, d->deadline_ms);
  return (struct state_limits){
      .memory_bytes = or_default(l->memory_bytes, d->memory_bytes),
      .cpu_ns = ms_to_ns(or_default(l->cpu_ms, d->cpu_ms)),
      .deadline_ns = ms_to_ns(deadline_ms),
      .tasks = or_default(l->tasks, d->tasks),
      .timers = or_default(l->timers, d->timers),
      .output_bytes = or_default(l->output_bytes, d->output_bytes),
      .source_bytes = or_default(l->source_bytes, d->source_bytes)};
}

int sandbox_new(struct cordon_sandbox **ret, struct cordon_host *host,
                const struct cordon_sandbox_config *config, struct err *e) {
  struct cordon_sandbox *sb;
  struct state_limits limits = vm_limits(&config->limits);
  const struct state_host callbacks = {.output = on_output,
                                       .require = on_require,
                                       .error_kind = error_kind,
                                       .arguments = on_arguments,
                                       .returned = on_returned,
                                       .ended = on_ended};
  struct state_host vm_host = callbacks;
  int rv;
  if (host->busy)
    return err_setf(e, ERR_BUSY, "called from inside a callback");
  if (config->isolation != CORDON_ISOLATION_INPROCESS &&
      config->isolation != CORDON_ISOLATION_PROCESS)
    return err_setf(e, ERR_INVALID, "an unknown isolation");
  if (config->mode != CORDON_MODE_ENFORCE &&
      config->mode != CORDON_MODE_COMPLAIN &&
      config->mode != CORDON_MODE_DRY_RUN)
    return err_setf(e, ERR_INVALID, "an unknown mode");
  if (config->scope_len > 0 && !config->scope)
    return err_setf(e, ERR_INVALID, "scope is required with scope_len");
  for (size_t i = 0; i < sizeof config->limits.reserved / sizeof(uint64_t); i++)
    if (config->limits.reserved[i] != 0) /* asked for, and not held to */
      return err_setf(e, ERR_UNSUPPORTED, "a limit of a newer version");
  sb = mem_zalloc(&host->mem, sizeof *sb);
  if (!sb)
    return err_set(e, ERR_NOMEM);
  sb->host = host;
  sb->escaped_traceback = no_text;
  list_init(&sb->node);
  list_init(&sb->services.clients);
  exchange_init(&sb->exchange, sb);
  sb->exchange.sent_max_cost =
      limits.memory_bytes > SIZE_MAX ? SIZE_MAX : (size_t)limits.memory_bytes;
  bridge_init(&sb->bridge, &exchange_bridge_ops, &sb->exchange);
  sb->services.bridge = &sb->bridge;
  arena_init(&sb->arena, &host->mem, ACTOR_MAX_BYTES);
  sb->arena.first_bytes = ARENA_FIRST_BYTES;
  sb->output = config->output;
  sb->audit = config->audit;
  sb->require = config->require;
  sb->connection = config->connection;
  sb->ud = config->ud;
  sb->services.resolver = host->resolver;
  sb->services.tls = host->tls;
  sb->services.max_clients =
      or_default(config->limits.connections, default_limits.connections);
  sb->services.connects_per_minute = or_default(
      config->limits.connects_per_minute, default_limits.connects_per_minute);
  sb->services.on_client = on_client;
  sb->services.authority = &authority_here;
  sb->services.lookup = &lookup_here;
  lookup_memory_init(&sb->services.lookup_memory, &host->mem);
  sb->services.dialer = &dialer_here;
  sb->services.guard.mode = (enum guard_mode)config->mode;
  sb->services.guard.record = on_record;
  sb->services.guard.left_ns = on_left;
  sb->services.guard.ud = sb;
  vm_host.ud = sb;
  if ((rv = take_actor(sb, config, e)) != 0 ||
      (rv = take_input(sb, config, e)) != 0 ||
      (rv = take_modules(sb, config, e)) != 0 ||
      (rv = take_policy(sb, config, e)) != 0)
    goto fail;
  if (config->isolation == CORDON_ISOLATION_PROCESS) {
    rv = remote_new(&sb->remote, sb, &limits, e);
  } else {
    vm_host.modules = sb->modules;
    rv = state_new(&sb->st, host->loop, host->preempt, &host->mem, &limits,
                   &vm_host, &sb->services, modules_open);
    if (rv != 0)
      err_setf(e, rv, "the Lua state could not be made: %s", err_text(rv));
  }
  if (rv != 0)
    goto fail;
  list_add_tail(&host->sandboxes, &sb->node);
  *ret = sb;
  return 0;
fail:
  sandbox_free(sb);
  return rv;
}

static void drop_pending(struct cordon_sandbox *sb);

void sandbox_free(struct cordon_sandbox *sb) {
  struct cordon_host *host;
  if (!sb)
    return;
  host = sb->host;
  if (host->busy)
    abort();         /* frames below still use it: see cordon.h */
  host->busy = true; /* who is told something cannot use it, nor what is left */
  exchange_close(&sb->exchange);
  list_remove(&sb->node);
  drop_pending(sb);
  remote_free(sb->remote);
  websocket_end(&sb->services);
  bridge_end(&sb->bridge);
  state_free(sb->st);
  bridge_deinit(&sb->bridge);
  exchange_deinit(&sb->exchange);
  lookup_memory_deinit(&sb->services.lookup_memory);
  cordon_scope_free(sb->scope);
  cordon_value_free(sb->actor_meta);
  arena_deinit(&sb->arena);
  mem_free(&host->mem, sb, sizeof *sb);
  host->busy = false;
}

/* Compiled from the loop, as a worker does it: one block, with its texts
 * behind it. */
struct pending {
  struct deferred run;
  struct cordon_sandbox *sb;
  size_t size;
  const char *name;
  struct slice text;
  size_t nargs;
  const char *args[];
};

static void drop_pending(struct cordon_sandbox *sb) {
  struct pending *p = sb->pending;
  sb->pending = NULL;
  if (!p)
    return;
  deferred_cancel(&p->run);
  mem_free(&sb->host->mem, p, p->size);
}

static void on_pending(struct deferred *d, void *ud) {
  struct pending *p = ud;
  struct cordon_sandbox *sb = p->sb;
  struct state *st = sb->st;
  struct err e;
  int rv;
  (void)d;
  if (!st->ended && (rv = state_load(st, p->name, p->text, sb->method, p->args,
                                     p->nargs, &e)) != 0) {
    sched_end(st, rv, &e);
    state_drop(st);
  }
  drop_pending(sb);
}

/* |*at| is where the next text goes; NULL: only counted. */
static const char *keep_text(char **at, size_t *size, struct slice text) {
  char *copy = *at;
  *size += text.len + 1;
  if (!copy)
    return NULL;
  memcpy(copy, text.p, text.len);
  copy[text.len] = '\0';
  *at += text.len + 1;
  return copy;
}

static size_t lay_out(struct pending *p, char *at, const char *name,
                      struct slice text, const char *const *args,
                      size_t nargs) {
  size_t size = sizeof *p + nargs * sizeof *p->args;
  const char *copy;
  copy = keep_text(&at, &size, slice_of(name));
  if (p)
    p->name = copy;
  copy = keep_text(&at, &size, text);
  if (p)
    p->text.p = copy;
  for (size_t i = 0; i < nargs; i++) {
    copy = keep_text(&at, &size, slice_of(args[i]));
    if (p)
      p->args[i] = copy;
  }
  return size;
}

static int load_later(struct cordon_sandbox *sb, const char *name,
                      struct slice text, const char *const *args, size_t nargs,
                      struct err *e) {
  struct slice kept = text;
  struct pending *p;
  size_t size;
  if (text.len > sb->st->limits.source_bytes) /* it will not be looked at */
    kept.len = 0;
  size = lay_out(NULL, NULL, name, kept, args, nargs);
  if (!(p = mem_zalloc(&sb->host->mem, size)))
    return err_set(e, ERR_NOMEM);
  lay_out(p, (char *)(p->args + nargs), name, kept, args, nargs);
  p->sb = sb;
  p->size = size;
  p->text.len = text.len;
  p->nargs = nargs;
  deferred_init(&p->run, on_pending, p);
  deferred_schedule(sb->host->loop, &p->run);
  sb->pending = p;
  return 0;
}

/* What the host has can be required from now on. */
static int start_bridge(struct cordon_sandbox *sb, struct err *e) {
  struct exchange *x = &sb->exchange;
  struct bridge *b = &sb->bridge;
  if (b->st || !sb->st->L)
    return 0; /* a second try, which will fail */
  b->offers = x->offers;
  b->noffers = x->noffers;
  b->input = x->input ? &x->input->value : NULL;
  b->keeps = x->keeps;
  x->script = &script_here;
  return bridge_start(b, sb->st) == 0 ? 0 : err_set(e, ERR_NOMEM);
}

int sandbox_load(struct cordon_sandbox *sb, const char *name, struct slice text,
                 const char *const *args, size_t nargs, struct err *e) {
  int rv;
  if (sb->host->busy)
    return err_setf(e, ERR_BUSY, "called from inside a callback");
  if (nargs > 250)
    return err_setf(e, ERR_INVALID, "a script takes at most 250 arguments");
  for (size_t i = 0; i < nargs; i++)
    if (!args[i])
      return err_setf(e, ERR_INVALID, "an argument of the script is NULL");
  if (sb->loaded)
    return err_setf(e, ERR_INVALID, "a script is loaded already");
  if (sb->remote)
    rv = remote_load(sb->remote, name, text, args, nargs, e);
  else if ((rv = start_bridge(sb, e)) == 0)
    rv = load_later(sb, name, text, args, nargs, e);
  if (rv == 0) {
    sb->loaded = true;
    exchange_loaded(&sb->exchange);
  }
  return rv;
}

void sandbox_look_at_cancel(struct cordon_sandbox *sb) {
  if (!atomic_load(&sb->cancel))
    return;
  if (sb->remote)
    remote_cancel(sb->remote);
  else
    state_stop(sb->st, STOP_CANCEL);
}

bool sandbox_ended(const struct cordon_sandbox *sb) {
  return sb->remote ? remote_ended(sb->remote) : sb->st->ended;
}

const struct script_result *sandbox_result(const struct cordon_sandbox *sb) {
  return sb->remote ? remote_result(sb->remote) : &sb->st->result;
}

static cordon_stop public_stop(enum stop_reason why) {
  switch (why) {
  case STOP_CPU:
    return CORDON_STOP_CPU;
  case STOP_MEMORY:
    return CORDON_STOP_MEMORY;
  case STOP_DEADLINE:
    return CORDON_STOP_DEADLINE;
  case STOP_OUTPUT:
    return CORDON_STOP_OUTPUT;
  case STOP_CANCEL:
  case STOP_NONE:
    break;
  }
  return CORDON_STOP_NONE;
}

static void state_usage(const struct state *st, cordon_usage *ret) {
  ret->memory_bytes = account_used(&st->account);
  ret->memory_peak_bytes = st->account.peak;
  ret->cpu_ns = state_cpu_used_ns(st);
  ret->wall_ns = st->started_ns == 0 ? 0
                 : st->ended         ? st->ended_ns - st->started_ns
                                     : clock_mono_ns() - st->started_ns;
  ret->output_bytes = st->output_bytes;
}

void sandbox_usage(const struct cordon_sandbox *sb, cordon_usage *ret) {
  *ret = (cordon_usage){.allowed = sb->services.guard.allowed,
                        .refused = sb->services.guard.refused,
                        .connections = sb->services.nclients,
                        .received = sb->services.received,
                        .sent = sb->services.sent};
  if (sb->remote)
    remote_usage(sb->remote, ret);
  else
    state_usage(sb->st, ret);
  ret->stop = public_stop(sb->remote ? remote_stop(sb->remote) : sb->st->stop);
}
