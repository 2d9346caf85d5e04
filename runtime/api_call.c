/* api_call.c - the public functions for what hosts and scripts tell each other:
 * functions of either side, channels, what goes in and what comes out. */
#include <string.h>

#include "modules/errors.h"
#include "modules/modules.h"
#include "runtime/api.h"
#include "runtime/sandbox.h"

#define CAPACITY_MAX 10000
#define ARGS_MAX 250

static int busy(cordon_error *reterr) {
  struct err e;
  err_setf(&e, ERR_BUSY, "called from inside a callback");
  return api_error(reterr, &e);
}

/* Of this process's Lua, where the script runs in it. */
static bool module_taken(const cordon_sandbox *sandbox, const char *module) {
  return module_is_builtin(module) ||
         (sandbox->st && sandbox->st->L && api_lua_has_module(sandbox, module));
}

/* The new offer's place; or a public code, below 0. */
static int offer(cordon_sandbox *sandbox, enum offer_kind kind,
                 const char *module, const char *name, size_t capacity,
                 const struct exchange_end *end, cordon_error *reterr) {
  struct err e;
  int place;
  if (sandbox->host->busy)
    return busy(reterr);
  if (sandbox->loaded)
    return api_invalid(reterr, "a script is loaded already");
  if (module_taken(sandbox, module)) {
    err_setf(&e, ERR_INVALID, "the module name '%s' is taken", module);
    return api_error(reterr, &e);
  }
  place = exchange_offer(&sandbox->exchange, kind, module, name,
                         (uint32_t)capacity, end, &e);
  return place < 0 ? api_error(reterr, &e) : place;
}

int cordon_sandbox_add_function(cordon_sandbox *sandbox, const char *module,
                                const char *name, cordon_function *fn, void *ud,
                                cordon_error *reterr) {
  struct exchange_end end = {.fn = fn, .ud = ud};
  int rv;
  if (!sandbox || !module || !name || !fn)
    return api_invalid(reterr, "sandbox, module, name and fn are required");
  rv = offer(sandbox, OFFER_FUNCTION, module, name, 0, &end, reterr);
  return rv < 0 ? rv : CORDON_OK;
}

/* ---------------------------------------------------------------- calls --- */

const cordon_value *cordon_call_args(const cordon_call *call) {
  return call ? api_public_value(&call->args) : NULL;
}

cordon_sandbox *cordon_call_sandbox(const cordon_call *call) {
  return call && call->exchange ? call->exchange->sb : NULL;
}

cordon_verdict cordon_call_guard(cordon_call *call, const char *action,
                                 const char *resource,
                                 size_t resource_len_bytes,
                                 const cordon_value *meta) {
  struct bridge_answer answer = {.ok = false};
  struct exchange *x;
  struct request rq;
  struct refusal refusal;
  struct decision d;
  if (!call || !action || (!resource && resource_len_bytes > 0) ||
      (meta && cordon_value_type(meta) != CORDON_MAP) || call->answered)
    return CORDON_DENY;
  rq = (struct request){
      .action = slice_of(action),
      .resource = {resource ? resource : "", resource_len_bytes},
      .meta = api_value(meta)};
  x = call->exchange;
  answer.refusal = &refusal;
  if (x) {
    if (guard_ask(&x->sb->services.guard, &rq, NULL, &call->where, &d))
      return CORDON_ALLOW;
  } else { /* whose policies it would be is not known any more */
    d = (struct decision){.verdict = VERDICT_DENY,
                          .reason = "the sandbox is no more"};
  }
  refusal_of(&refusal, &rq, &d);
  (void)exchange_answer(call, &answer);
  return d.verdict == VERDICT_ALLOW ? CORDON_DENY : (cordon_verdict)d.verdict;
}

int cordon_call_return(cordon_call *call, const cordon_value *value) {
  struct bridge_answer answer = {.ok = true, .value = api_value(value)};
  size_t cost;
  if (!call || (value && !value_may_cross(answer.value, &cost)))
    return CORDON_E_INVALID;
  return api_code(exchange_answer(call, &answer));
}

int cordon_call_fail(cordon_call *call, const char *kind, const char *message,
                     int retryable) {
  struct bridge_answer answer = {
      .kind = slice_of(kind ? kind : ""),
      .message = slice_of(message ? message : "the host's function failed"),
      .retryable = retryable != 0};
  if (!call || !error_kind_known(answer.kind.p))
    return CORDON_E_INVALID;
  return api_code(exchange_answer(call, &answer));
}

void cordon_call_on_gone(cordon_call *call, void (*gone)(void *ud), void *ud) {
  if (!call)
    return;
  call->on_gone = gone;
  call->ud = ud;
}

/* ------------------------------------------------------------- channels --- */

static int add_channel(cordon_sandbox *sandbox, enum offer_kind kind,
                       const char *module, const char *name, size_t capacity,
                       const cordon_channel *from, cordon_channel **ret_channel,
                       cordon_error *reterr) {
  struct exchange_end end = {.fn = NULL};
  cordon_channel *ch;
  struct err e;
  int rv;
  if (capacity < 1 || capacity > CAPACITY_MAX)
    return api_invalid(reterr, "capacity, expected 1 to 10000");
  ch = mem_alloc(&sandbox->host->mem, sizeof *ch);
  if (!ch) {
    err_set(&e, ERR_NOMEM);
    return api_error(reterr, &e);
  }
  *ch = *from;
  ch->exchange = &sandbox->exchange;
  ch->kind = kind;
  ch->capacity = (uint32_t)capacity;
  list_init(&ch->values);
  end.channel = ch;
  rv = offer(sandbox, kind, module, name, capacity, &end, reterr);
  if (rv < 0) {
    mem_free(&sandbox->host->mem, ch, sizeof *ch);
    return rv;
  }
  ch->number = (uint32_t)rv;
  *ret_channel = ch;
  return CORDON_OK;
}

int cordon_sandbox_add_inlet(cordon_sandbox *sandbox, const char *module,
                             const char *name, size_t capacity,
                             cordon_room_fn *room, void *ud,
                             cordon_channel **ret_channel,
                             cordon_error *reterr) {
  cordon_channel from = {.room = room, .ud = ud};
  if (!sandbox || !module || !name || !ret_channel)
    return api_invalid(reterr,
                       "sandbox, module, name and ret_channel are required");
  return add_channel(sandbox, OFFER_INLET, module, name, capacity, &from,
                     ret_channel, reterr);
}

int cordon_sandbox_add_outlet(cordon_sandbox *sandbox, const char *module,
                              const char *name, size_t capacity,
                              cordon_receive_fn *receive, void *ud,
                              cordon_channel **ret_channel,
                              cordon_error *reterr) {
  cordon_channel from = {.receive = receive, .ud = ud};
  if (!sandbox || !module || !name || !receive || !ret_channel)
    return api_invalid(
        reterr, "sandbox, module, name, receive and ret_channel are required");
  return add_channel(sandbox, OFFER_OUTLET, module, name, capacity, &from,
                     ret_channel, reterr);
}

int cordon_channel_send(cordon_channel *channel, const cordon_value *value,
                        cordon_error *reterr) {
  struct err e;
  size_t cost;
  int rv;
  if (!channel || cordon_value_type(value) == CORDON_NULL)
    return api_invalid(reterr, "a channel and a value are required");
  if (channel->kind != OFFER_INLET)
    return api_invalid(reterr, "this channel is the script's to send into");
  if (!channel->exchange->sb->loaded && !channel->exchange->ended)
    return api_invalid(reterr, "no script is loaded");
  if (!value_may_cross(api_value(value), &cost))
    return api_invalid(reterr, "the value is too large");
  rv = exchange_feed(channel, api_value(value), &e);
  return rv == 0 ? CORDON_OK : api_error(reterr, &e);
}

void cordon_channel_resume(cordon_channel *channel) {
  if (channel && channel->kind == OFFER_OUTLET)
    exchange_resume(channel);
}

void cordon_channel_close(cordon_channel *channel) {
  if (channel)
    exchange_shut_here(channel);
}

/* --------------------------------------------------- what comes out of it ---
 */

int cordon_sandbox_value(const cordon_sandbox *sandbox,
                         const cordon_value **ret_value, cordon_error *reterr) {
  const struct exchange *x;
  int rv;
  if (!sandbox || !ret_value)
    return api_invalid(reterr, "sandbox and ret_value are required");
  if ((rv = cordon_sandbox_result(sandbox, reterr)) != CORDON_OK)
    return rv;
  x = &sandbox->exchange;
  if (x->result_error)
    return api_error(reterr, x->result_error);
  *ret_value = x->result;
  return CORDON_OK;
}

int cordon_sandbox_call(cordon_sandbox *sandbox, const char *method,
                        const cordon_value *args, uint64_t deadline_ms,
                        cordon_done_fn *done, void *ud, cordon_error *reterr) {
  struct exchange *x;
  struct err e;
  size_t cost;
  if (!sandbox || !method || !done)
    return api_invalid(reterr, "sandbox, method and done are required");
  x = &sandbox->exchange;
  if (args && cordon_value_type(args) != CORDON_LIST)
    return api_invalid(reterr, "args, expected a list");
  if (args && (cordon_value_len(args) > ARGS_MAX ||
               !value_may_cross(api_value(args), &cost)))
    return api_invalid(reterr, "the arguments are too many or too large");
  if (strlen(method) > BRIDGE_NAME_MAX)
    return api_invalid(reterr, "method, expected at most 200 bytes");
  if (x->ended) {
    err_setf(&e, ERR_CLOSED, "the script has ended");
    return api_error(reterr, &e);
  }
  if (!sandbox->loaded || !x->keeps)
    return api_invalid(reterr, "no script is loaded that is to be kept");
  if (exchange_invoke(x, method, api_value(args), deadline_ms, done, ud, &e) !=
      0)
    return api_error(reterr, &e);
  return CORDON_OK;
}

int cordon_sandbox_call_cancel(cordon_sandbox *sandbox, cordon_done_fn *done,
                               void *ud) {
  struct cordon_host *host;
  int rv;
  if (!sandbox || !done)
    return CORDON_E_INVALID;
  host = sandbox->host;
  if (atomic_exchange(&host->busy, true))
    return CORDON_E_BUSY;
  rv = exchange_drop(&sandbox->exchange, done, ud);
  host->busy = false;
  return rv == 0 ? CORDON_OK : CORDON_E_NOT_FOUND;
}
