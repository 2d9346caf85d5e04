/* exchange.c - what a host and its script tell each other in values: the host's
 * side. */
#include "runtime/exchange.h"

#include <string.h>

#include "runtime/api.h"
#include "runtime/base/clock.h"
#include "runtime/sandbox.h"

#define SHARE_NS                                                               \
  (1 * NS_PER_MS) /* of a turn, for the callbacks of one script                \
                   */
#define NAMES_MAX_BYTES (1024 * 1024)

/* A value the script has sent, in its own arena. */
struct sent {
  struct list node;
  struct cordon_channel *channel;
  size_t cost;
  struct arena arena;
  struct value value;
};

/* A call of the host. */
struct outgoing {
  struct list node;
  struct exchange *exchange;
  uint32_t id;
  cordon_done_fn *done; /* NULL: told, but the script still has it */
  void *ud;
  struct timer deadline;
  cordon_value *value;
  size_t cost;      /* of it, in exchange.sent_cost */
  struct err error; /* code 0: |value|, NULL: null */
};

static const struct mem *mem_of(const struct exchange *x) {
  return &x->sb->host->mem;
}

static void schedule(struct exchange *x) {
  deferred_schedule(x->sb->host->loop, &x->run);
}

/* What the host does in its callbacks is not the script's to pay. */
static struct till *host_begins(const struct exchange *x, uint64_t *ret_payer) {
  struct till *till = loop_till(x->sb->host->loop);
  *ret_payer = till_pass(till, NULL);
  return till;
}

/* --------------------------------------------------- calls of the script ---
 */

static void call_free(struct cordon_call *call) {
  struct mem m = call->mem;
  list_remove(&call->node);
  arena_deinit(&call->arena);
  mem_free(&m, call, sizeof *call);
}

/* It does not count any more.  One that the script has forgotten does, here and
 * there, until it is answered: it could make and forget them for ever. */
static void call_leave(struct cordon_call *call) {
  struct exchange *x = call->exchange;
  if (!x || call->answered)
    return;
  x->ncalls--;
  x->calls_cost -= call->cost;
}

int exchange_called(struct exchange *x, uint32_t id, uint32_t function,
                    const struct guard_place *where, const struct value *args) {
  struct cordon_call *call;
  size_t cost;
  if (x->ended)
    return 0;
  if (function >= x->noffers || x->offers[function].kind != OFFER_FUNCTION ||
      args->type != VALUE_LIST || !value_may_cross(args, &cost) ||
      x->ncalls >= BRIDGE_CALLS_MAX ||
      cost > BRIDGE_CALLS_MAX_COST - x->calls_cost)
    return ERR_PROTOCOL;
  call = mem_zalloc(mem_of(x), sizeof *call);
  if (!call)
    return ERR_NOMEM;
  list_init(&call->node);
  call->mem = *mem_of(x);
  arena_init(&call->arena, &call->mem, SIZE_MAX);
  call->arena.first_bytes = cost + BRIDGE_VALUE_BYTES;
  if (value_copy(&call->args, args, &call->arena) != 0) {
    call_free(call);
    return ERR_NOMEM;
  }
  call->exchange = x;
  call->id = id;
  call->function = function;
  call->where = *where;
  call->cost = cost;
  x->ncalls++;
  x->calls_cost += cost;
  list_add_tail(&x->queue, &call->node);
  schedule(x);
  return 0;
}

/* Nobody waits for it any more. */
static void call_gone(struct cordon_call *call) {
  if (call->gone)
    return;
  call->gone = call->gone_due = true;
}

/* It tells the script's side that the call is no more. */
static const struct bridge_answer nobody_waits = {.ok = true};

void exchange_forgotten(struct exchange *x, uint32_t id) {
  list_foreach_safe (it, &x->queue) {
    struct cordon_call *call = list_entry(it, struct cordon_call, node);
    if (call->id == id) {
      call->gone = true;
      (void)exchange_answer(call, &nobody_waits);
      return;
    }
  }
  list_foreach (it, &x->calls) {
    struct cordon_call *call = list_entry(it, struct cordon_call, node);
    if (call->id == id && !call->gone) {
      call_gone(call);
      schedule(x);
      return;
    }
  }
}

int exchange_answer(struct cordon_call *call,
                    const struct bridge_answer *answer) {
  struct exchange *x = call->exchange;
  if (call->answered)
    return ERR_INVALID;
  call_leave(call);
  call->answered = true;
  if (x && !x->ended)
    x->script->answer(x, call->id, call->gone ? &nobody_waits : answer);
  if (!call->in_callback)
    call_free(call);
  return 0;
}

static void hand_out_call(struct exchange *x) {
  struct cordon_call *call =
      list_entry(x->queue.next, struct cordon_call, node);
  const struct exchange_end *end = &x->ends[call->function];
  struct till *till;
  uint64_t payer;
  list_remove(&call->node);
  list_add_tail(&x->calls, &call->node);
  call->in_callback = true;
  till = host_begins(x, &payer);
  end->fn(end->ud, call);
  till_give_back(till, payer);
  call->in_callback = false;
  if (call->answered)
    call_free(call);
}

/* One of those the host was not told of; false: there is none. */
static bool tell_gone(struct exchange *x) {
  list_foreach (it, &x->calls) {
    struct cordon_call *call = list_entry(it, struct cordon_call, node);
    if (!call->gone_due)
      continue;
    call->gone_due = false;
    if (call->on_gone) {
      uint64_t payer;
      struct till *till = host_begins(x, &payer);
      call->on_gone(call->ud);
      till_give_back(till, payer);
    }
    return true;
  }
  return false;
}

void exchange_drop_orphans(struct cordon_host *host) {
  while (!list_empty(&host->orphans))
    call_free(list_entry(host->orphans.next, struct cordon_call, node));
}

/* --------------------------------------------------- calls of the host --- */

static void outgoing_free(struct outgoing *o) {
  struct exchange *x = o->exchange;
  list_remove(&o->node);
  timer_stop(&o->deadline);
  cordon_value_free(o->value);
  x->sent_cost -= o->cost;
  x->noutgoing--;
  mem_free(mem_of(x), o, sizeof *o);
}

static void tell_done(cordon_done_fn *done, void *ud, const cordon_value *value,
                      const struct err *e) {
  cordon_error out;
  if (e->code == 0)
    done(ud, CORDON_OK, value, NULL);
  else
    done(ud, api_error(&out, e), NULL, &out);
}

/* The script keeps it until it has said that it stopped. */
static void drop(struct outgoing *o) {
  struct exchange *x = o->exchange;
  timer_stop(&o->deadline);
  o->done = NULL;
  x->script->drop(x, o->id);
}

static void on_deadline(struct timer *t, void *ud) {
  struct outgoing *o = ud;
  cordon_done_fn *done = o->done;
  void *done_ud = o->ud;
  struct err e;
  (void)t;
  drop(o);
  err_setf(&e, ERR_LIMIT, "the deadline of the call has passed");
  tell_done(done, done_ud, NULL, &e);
}

int exchange_drop(struct exchange *x, cordon_done_fn *done, void *ud) {
  struct err e;
  list_foreach (it, &x->outgoing) {
    struct outgoing *o = list_entry(it, struct outgoing, node);
    if (o->done != done || o->ud != ud)
      continue;
    drop(o);
    err_set(&e, ERR_CANCELED);
    tell_done(done, ud, NULL, &e);
    return 0;
  }
  return ERR_NOT_FOUND;
}

int exchange_invoke(struct exchange *x, const char *method,
                    const struct value *args, uint64_t deadline_ms,
                    cordon_done_fn *done, void *ud, struct err *e) {
  struct outgoing *o;
  if (x->noutgoing >= BRIDGE_INVOCATIONS_MAX)
    return err_setf(e, ERR_AGAIN, "as many calls as are allowed are under way");
  if (!(o = mem_zalloc(mem_of(x), sizeof *o)))
    return err_set(e, ERR_NOMEM);
  x->noutgoing++;
  list_init(&o->node);
  o->exchange = x;
  timer_init(&o->deadline, x->sb->host->loop, on_deadline, o);
  if (deadline_ms > 0 && deadline_ms < UINT64_MAX / NS_PER_MS &&
      timer_start_after(&o->deadline, deadline_ms * NS_PER_MS) != 0) {
    outgoing_free(o);
    return err_set(e, ERR_NOMEM);
  }
  o->id = ++x->last_id;
  o->done = done;
  o->ud = ud;
  list_add_tail(&x->outgoing, &o->node);
  x->script->invoke(x, o->id, slice_of(method), args);
  return 0;
}

int exchange_returned(struct exchange *x, uint32_t id,
                      const struct value *value, const struct err *e) {
  struct outgoing *o = NULL;
  size_t cost = 0;
  if (x->ended)
    return 0;
  if (value && value->type == VALUE_NULL)
    value = NULL; /* which is not charged */
  if (value && !value_may_cross(value, &cost))
    return ERR_PROTOCOL;
  if (value && (cost += BRIDGE_VALUE_BYTES) > x->sent_max_cost - x->sent_cost)
    return ERR_PROTOCOL; /* the script's side has charged it */
  list_foreach (it, &x->outgoing) {
    o = list_entry(it, struct outgoing, node);
    if (o->id == id)
      break;
    o = NULL;
  }
  if (!o)
    return ERR_PROTOCOL;
  if (!o->done) {
    outgoing_free(o);
    if (value)
      x->script->told(x, id);
    return 0;
  }
  timer_stop(&o->deadline);
  o->cost = cost;
  x->sent_cost += cost;
  if (e)
    o->error = *e;
  else if (value && api_value_copy(&o->value, mem_of(x), value) != 0)
    err_set(&o->error, ERR_NOMEM);
  list_remove(&o->node);
  list_add_tail(&x->done, &o->node);
  schedule(x);
  return 0;
}

static void hand_out_done(struct exchange *x) {
  struct outgoing *o = list_entry(x->done.next, struct outgoing, node);
  cordon_done_fn *done = o->done;
  cordon_value *value = o->value;
  struct err e = o->error;
  void *ud = o->ud;
  uint32_t id = o->id;
  bool charged = o->cost > 0;
  uint64_t payer;
  struct till *till = host_begins(x, &payer);
  o->value = NULL;
  outgoing_free(o); /* it may call again, at once */
  tell_done(done, ud, value, &e);
  till_give_back(till, payer);
  cordon_value_free(value);
  if (charged && !x->ended)
    x->script->told(x, id);
}

/* The script is over, and with it what it was asked. */
static void end_outgoing(struct exchange *x, int code, const struct err *e) {
  struct list *node;
  while ((node = list_pop(&x->outgoing))) {
    struct outgoing *o = list_entry(node, struct outgoing, node);
    if (!o->done) {
      outgoing_free(o);
      continue;
    }
    timer_stop(&o->deadline);
    if (e)
      o->error = *e;
    o->error.code = code;
    if (code == 0)
      err_setf(&o->error, ERR_CANCELED, "the script has ended");
    list_add_tail(&x->done, &o->node);
  }
}

/* ------------------------------------------------------------- channels --- */

static struct cordon_channel *
channel_at(const struct exchange *x, uint32_t number, enum offer_kind kind) {
  if (number >= x->noffers || x->offers[number].kind != kind)
    return NULL;
  return x->ends[number].channel;
}

int exchange_feed(struct cordon_channel *ch, const struct value *value,
                  struct err *e) {
  struct exchange *x = ch->exchange;
  if (x->ended || ch->shut)
    return err_setf(e, ERR_CLOSED, "the channel is closed");
  if (ch->used >= ch->capacity) {
    ch->wants_room = true;
    return err_setf(e, ERR_AGAIN, "the channel is full");
  }
  ch->used++;
  x->script->feed(x, ch->number, value);
  return 0;
}

int exchange_taken(struct exchange *x, uint32_t number) {
  struct cordon_channel *ch = channel_at(x, number, OFFER_INLET);
  if (x->ended)
    return 0;
  if (!ch || ch->used == 0)
    return ERR_PROTOCOL;
  ch->used--;
  if (ch->wants_room) {
    ch->wants_room = false;
    ch->room_due = true;
    schedule(x);
  }
  return 0;
}

static void sent_free(struct sent *s) {
  struct arena a = s->arena; /* which |s| is in */
  s->channel->exchange->sent_cost -= s->cost;
  list_remove(&s->node);
  arena_deinit(&a);
}

int exchange_sent(struct exchange *x, uint32_t number,
                  const struct value *value) {
  struct cordon_channel *ch = channel_at(x, number, OFFER_OUTLET);
  struct arena a;
  struct sent *s;
  size_t cost;
  if (x->ended)
    return 0;
  if (!ch || ch->shut_there || ch->used >= ch->capacity ||
      !value_may_cross(value, &cost))
    return ERR_PROTOCOL;
  if (ch->shut)
    return 0; /* it could not know */
  cost += BRIDGE_VALUE_BYTES;
  if (cost > x->sent_max_cost - x->sent_cost)
    return ERR_PROTOCOL; /* the script's side has charged it */
  arena_init(&a, mem_of(x), SIZE_MAX);
  a.first_bytes = cost;
  s = arena_zalloc(&a, sizeof *s);
  if (!s || value_copy(&s->value, value, &a) != 0) {
    arena_deinit(&a);
    return ERR_NOMEM;
  }
  s->arena = a;
  s->channel = ch;
  s->cost = cost;
  x->sent_cost += cost;
  list_add_tail(&ch->values, &s->node);
  ch->used++;
  schedule(x);
  return 0;
}

int exchange_shut(struct exchange *x, uint32_t number) {
  struct cordon_channel *ch = channel_at(x, number, OFFER_OUTLET);
  if (x->ended)
    return 0;
  if (!ch || ch->shut_there)
    return ERR_PROTOCOL;
  ch->shut_there = true;
  ch->end_due = !ch->shut;
  schedule(x);
  return 0;
}

static void drop_values(struct cordon_channel *ch) {
  while (!list_empty(&ch->values))
    sent_free(list_entry(ch->values.next, struct sent, node));
  ch->used = 0;
}

void exchange_shut_here(struct cordon_channel *ch) {
  struct exchange *x = ch->exchange;
  if (ch->shut)
    return;
  ch->shut = true;
  ch->end_due = ch->room_due = false;
  if (ch->kind == OFFER_OUTLET)
    drop_values(ch);
  if (!x->ended && x->sb->loaded)
    x->script->shut(x, ch->number);
}

void exchange_loaded(struct exchange *x) {
  for (size_t i = 0; i < x->noffers; i++)
    if (x->ends[i].channel && x->ends[i].channel->shut)
      x->script->shut(x, x->ends[i].channel->number);
}

void exchange_resume(struct cordon_channel *ch) {
  ch->paused = false;
  schedule(ch->exchange);
}

/* One event of |ch|; false: there is none. */
static bool hand_out_value(struct exchange *x, struct cordon_channel *ch) {
  struct till *till;
  struct sent *s;
  uint64_t payer;
  int rv;
  if (ch->room_due) {
    ch->room_due = false;
    till = host_begins(x, &payer);
    if (ch->room)
      ch->room(ch->ud, ch);
    till_give_back(till, payer);
    return true;
  }
  if (ch->kind != OFFER_OUTLET || ch->paused || ch->shut)
    return false;
  if (list_empty(&ch->values)) {
    if (!ch->end_due)
      return false;
    ch->end_due = false;
    till = host_begins(x, &payer);
    ch->receive(ch->ud, ch, NULL);
    till_give_back(till, payer);
    return true;
  }
  s = list_entry(list_pop(&ch->values), struct sent, node);
  ch->used--;
  till = host_begins(x, &payer);
  rv = ch->receive(ch->ud, ch, api_public_value(&s->value));
  till_give_back(till, payer);
  sent_free(s);
  ch->paused = rv != CORDON_OK;
  if (!x->ended && !ch->shut)
    x->script->room(x, ch->number, 1);
  return true;
}

/* ------------------------------------------------- telling the host --- */

/* Who does not take answers makes no more calls: a host that answers at once
 * would pile them up. */
static bool ready(const struct exchange *x) {
  return !x->ended && (!x->script->ready || x->script->ready(x));
}

void exchange_go_on(struct exchange *x) {
  if (!list_empty(&x->queue))
    schedule(x);
}

/* One thing; false: there is nothing. */
static bool hand_out(struct exchange *x) {
  bool some = false;
  if (!list_empty(&x->queue) && ready(x)) {
    hand_out_call(x);
    some = true;
  }
  for (size_t i = 0; i < x->noffers; i++)
    if (x->ends[i].channel && hand_out_value(x, x->ends[i].channel))
      some = true;
  if (!list_empty(&x->done)) {
    hand_out_done(x);
    some = true;
  }
  return some;
}

static void end_all(struct exchange *x, int code, const struct err *e) {
  end_outgoing(x, code, e);
  while (!list_empty(&x->queue))
    call_free(list_entry(x->queue.next, struct cordon_call, node));
  list_foreach (it, &x->calls)
    call_gone(list_entry(it, struct cordon_call, node));
  if (!list_empty(&x->done) || !list_empty(&x->calls))
    schedule(x);
}

static void on_run(struct deferred *d, void *ud) {
  struct exchange *x = ud;
  uint64_t stop_ns = clock_mono_ns() + SHARE_NS;
  bool more = true;
  (void)d;
  while (more && clock_mono_ns() < stop_ns)
    more = hand_out(x);
  while (tell_gone(x))
    ;
  if (more)
    schedule(x);
}

void exchange_tell_rest(struct exchange *x) {
  while (hand_out(x))
    ;
  while (tell_gone(x))
    ;
}

void exchange_ended(struct exchange *x, int code, const struct err *e) {
  if (x->ended)
    return;
  x->ended = true;
  end_all(x, code, e);
}

void exchange_close(struct exchange *x) {
  struct err e;
  struct list *node;
  err_setf(&e, ERR_CANCELED, "the sandbox is no more");
  exchange_ended(x, ERR_CANCELED, &e);
  while (!list_empty(&x->done))
    hand_out_done(x);
  while (tell_gone(x))
    ;
  while ((node = list_pop(&x->calls))) {
    struct cordon_call *call = list_entry(node, struct cordon_call, node);
    call->exchange = NULL;
    list_add_tail(&x->sb->host->orphans, node);
  }
}

/* ------------------------------------------------------------- the result ---
 */

static const struct err no_memory = {.code = ERR_NOMEM,
                                     .message = "out of memory"};

static void drop_result(struct exchange *x) {
  cordon_value_free(x->result);
  x->result = NULL;
  if (x->result_error && x->result_error != &no_memory)
    mem_free(mem_of(x), (void *)(uintptr_t)x->result_error,
             sizeof *x->result_error);
  x->result_error = NULL;
}

void exchange_result(struct exchange *x, const struct value *value,
                     const struct err *e) {
  struct err *kept;
  drop_result(x);
  if (e && (kept = mem_alloc(mem_of(x), sizeof *kept)) != NULL) {
    *kept = *e;
    x->result_error = kept;
  } else if (e ||
             (value && api_value_copy(&x->result, mem_of(x), value) != 0)) {
    x->result_error = &no_memory;
  }
}

/* --------------------------------------------------------------- offers --- */

static bool name_ok(const char *name, bool dots) {
  size_t n = strlen(name);
  if (n == 0 || n > BRIDGE_NAME_MAX || ascii_digit(name[0]))
    return false;
  for (size_t i = 0; i < n; i++)
    if (!ascii_alpha(name[i]) && !ascii_digit(name[i]) && name[i] != '_' &&
        !(dots && (name[i] == '-' || (name[i] == '.' && i > 0 && i + 1 < n &&
                                      name[i - 1] != '.'))))
      return false;
  return true;
}

bool exchange_has_module(const struct exchange *x, const char *module) {
  for (size_t i = 0; i < x->noffers; i++)
    if (strcmp(x->offers[i].module, module) == 0)
      return true;
  return false;
}

static char *join(struct arena *a, const char *module, const char *name) {
  size_t m = strlen(module), n = strlen(name);
  char *what = arena_alloc(a, m + n + 2);
  if (!what)
    return NULL;
  memcpy(what, module, m);
  what[m] = '.';
  memcpy(what + m + 1, name, n + 1);
  return what;
}

int exchange_offer(struct exchange *x, enum offer_kind kind, const char *module,
                   const char *name, uint32_t capacity,
                   const struct exchange_end *end, struct err *e) {
  struct bridge_offer o = {.kind = kind, .capacity = capacity};
  void *grown;
  if (!name_ok(module, true) || !name_ok(name, false))
    return err_setf(e, ERR_INVALID,
                    "module '%s', name '%s', expected letters, digits and _ "
                    "(in a module's name single dots and - too), at most %d",
                    module, name, BRIDGE_NAME_MAX);
  for (size_t i = 0; i < x->noffers; i++)
    if (strcmp(x->offers[i].module, module) == 0 &&
        strcmp(x->offers[i].name, name) == 0)
      return err_setf(e, ERR_INVALID, "the name '%s.%s' is taken", module,
                      name);
  if (x->noffers >= EXCHANGE_OFFERS_MAX)
    return err_setf(e, ERR_FULL, "at most %d functions and channels",
                    EXCHANGE_OFFERS_MAX);
  grown = mem_grow(mem_of(x), x->offers, &x->offers_cap, x->noffers + 1,
                   sizeof *x->offers, EXCHANGE_OFFERS_MAX);
  if (!grown)
    return err_set(e, ERR_NOMEM);
  x->offers = grown;
  grown = mem_grow(mem_of(x), x->ends, &x->ends_cap, x->noffers + 1,
                   sizeof *x->ends, EXCHANGE_OFFERS_MAX);
  if (!grown)
    return err_set(e, ERR_NOMEM);
  x->ends = grown;
  o.module = arena_strndup(&x->names, module, strlen(module));
  o.name = arena_strndup(&x->names, name, strlen(name));
  o.what = join(&x->names, module, name);
  if (!o.module || !o.name || !o.what)
    return err_set(e, ERR_NOMEM);
  x->offers[x->noffers] = o;
  x->ends[x->noffers] = *end;
  return (int)x->noffers++;
}

/* ----------------------------------------------------------------- life --- */

void exchange_init(struct exchange *x, struct cordon_sandbox *sb) {
  memset(x, 0, sizeof *x);
  x->sb = sb;
  arena_init(&x->names, mem_of(x), NAMES_MAX_BYTES);
  list_init(&x->queue);
  list_init(&x->calls);
  list_init(&x->outgoing);
  list_init(&x->done);
  deferred_init(&x->run, on_run, x);
}

void exchange_deinit(struct exchange *x) {
  const struct mem *m = mem_of(x);
  deferred_cancel(&x->run);
  for (size_t i = 0; i < x->noffers; i++) {
    struct cordon_channel *ch = x->ends[i].channel;
    if (!ch)
      continue;
    drop_values(ch);
    mem_free(m, ch, sizeof *ch);
  }
  mem_free(m, x->offers, x->offers_cap * sizeof *x->offers);
  mem_free(m, x->ends, x->ends_cap * sizeof *x->ends);
  arena_deinit(&x->names);
  cordon_value_free(x->input);
  drop_result(x);
}

/* -------------------------------------------------------- in this process ---
 */

static int bridge_call(struct bridge *b, uint32_t id, uint32_t function,
                       const struct guard_place *where,
                       const struct value *args) {
  return exchange_called(b->ud, id, function, where, args) == 0 ? 0 : ERR_NOMEM;
}

static void bridge_forget(struct bridge *b, uint32_t id) {
  exchange_forgotten(b->ud, id);
}

static void bridge_return(struct bridge *b, uint32_t id,
                          const struct value *value, const struct err *e) {
  (void)exchange_returned(b->ud, id, value, e);
}

static int bridge_send(struct bridge *b, uint32_t channel,
                       const struct value *value) {
  return exchange_sent(b->ud, channel, value) == 0 ? 0 : ERR_NOMEM;
}

static void bridge_taken(struct bridge *b, uint32_t channel) {
  (void)exchange_taken(b->ud, channel);
}

static void bridge_closes(struct bridge *b, uint32_t channel) {
  (void)exchange_shut(b->ud, channel);
}

static void bridge_result(struct bridge *b, const struct value *value,
                          const struct err *e) {
  exchange_result(b->ud, value, e);
}

const struct bridge_ops exchange_bridge_ops = {.call = bridge_call,
                                               .forget = bridge_forget,
                                               .returned = bridge_return,
                                               .send = bridge_send,
                                               .taken = bridge_taken,
                                               .shut = bridge_closes,
                                               .result = bridge_result};

static void answer_here(struct exchange *x, uint32_t id,
                        const struct bridge_answer *answer) {
  bridge_answer(&x->sb->bridge, id, answer);
}

static void invoke_here(struct exchange *x, uint32_t id, struct slice method,
                        const struct value *args) {
  bridge_invoke(&x->sb->bridge, id, method, args);
}

static void drop_here(struct exchange *x, uint32_t id) {
  bridge_drop(&x->sb->bridge, id);
}

static void feed_here(struct exchange *x, uint32_t channel,
                      const struct value *value) {
  bridge_feed(&x->sb->bridge, channel, value);
}

static void room_here(struct exchange *x, uint32_t channel, uint32_t n) {
  bridge_room(&x->sb->bridge, channel, n);
}

static void told_here(struct exchange *x, uint32_t id) {
  bridge_told(&x->sb->bridge, id);
}

static void shut_here(struct exchange *x, uint32_t channel) {
  bridge_shut(&x->sb->bridge, channel);
}

const struct script_ops script_here = {.answer = answer_here,
                                       .invoke = invoke_here,
                                       .drop = drop_here,
                                       .feed = feed_here,
                                       .room = room_here,
                                       .told = told_here,
                                       .shut = shut_here};
