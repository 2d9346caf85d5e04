/* remote_exchange.c - what a host and a script in a worker tell each other in
 * values: the broker's end of the wire.  The worker's is worker_bridge.c. */
#include "runtime/api.h"
#include "runtime/remote_inside.h"

/* ------------------------------------------------------- to the worker --- */

static struct remote *remote_of(struct exchange *x) {
  return x->sb->remote;
}

/* Told outside of remote_handle as well. */
static void tell(struct exchange *x, const struct packet *m) {
  struct remote *r = remote_of(x);
  remote_tell(r, m, -1);
  remote_flush(r);
}

static void tell_number(struct exchange *x, enum packet_kind kind,
                        uint32_t number) {
  struct packet m = {.kind = kind};
  m.as.number = number;
  tell(x, &m);
}

static void answer_there(struct exchange *x, uint32_t id,
                         const struct bridge_answer *a) {
  struct packet m = {.kind = MSG_ANSWER};
  struct msg_answer *to = &m.as.answer;
  to->id = id;
  to->ok = a->ok;
  if (a->ok) {
    to->value = a->value;
  } else if (a->refusal) {
    to->refused = true;
    to->refusal = refusal_to(a->refusal);
  } else {
    to->kind = a->kind;
    to->message = a->message;
    to->retryable = a->retryable;
  }
  tell(x, &m);
}

static void invoke_there(struct exchange *x, uint32_t id, struct slice method,
                         const struct value *args) {
  struct packet m = {.kind = MSG_INVOKE};
  m.as.invoke = (struct msg_invoke){id, method, args};
  tell(x, &m);
}

static void drop_there(struct exchange *x, uint32_t id) {
  tell_number(x, MSG_ABORT, id);
}

static void feed_there(struct exchange *x, uint32_t channel,
                       const struct value *value) {
  struct packet m = {.kind = MSG_FEED};
  m.as.item = (struct msg_item){channel, value};
  tell(x, &m);
}

static void room_there(struct exchange *x, uint32_t channel, uint32_t n) {
  struct packet m = {.kind = MSG_ROOM};
  m.as.room = (struct msg_room){channel, n};
  tell(x, &m);
}

static void told_there(struct exchange *x, uint32_t id) {
  tell_number(x, MSG_TOLD, id);
}

static void shut_there(struct exchange *x, uint32_t channel) {
  tell_number(x, MSG_SHUT, channel);
}

static bool ready_there(const struct exchange *x) {
  return remote_has_room(x->sb->remote);
}

const struct script_ops script_there = {.answer = answer_there,
                                        .invoke = invoke_there,
                                        .drop = drop_there,
                                        .feed = feed_there,
                                        .room = room_there,
                                        .told = told_there,
                                        .shut = shut_there,
                                        .ready = ready_there};

int remote_load_offers(const struct remote *r, struct msg_load *m,
                       struct arena *a) {
  const struct exchange *x = &r->sb->exchange;
  m->input = x->input ? &x->input->value : NULL;
  m->keeps = x->keeps;
  m->offers = arena_array(a, x->noffers, sizeof *m->offers);
  if (!m->offers)
    return ERR_NOMEM;
  for (size_t i = 0; i < x->noffers; i++) {
    const struct bridge_offer *o = &x->offers[i];
    m->offers[i] = (struct msg_offer){(uint8_t)o->kind, slice_of(o->module),
                                      slice_of(o->name), o->capacity};
  }
  m->noffers = (uint32_t)x->noffers;
  return 0;
}

/* ----------------------------------------------------- from the worker --- */

/* As an honest script's side makes them. */
static bool honest(const struct value *v) {
  return !v || value_is_sorted(v);
}

static int on_call(struct remote *r, const struct msg_call *m) {
  struct exchange *x = &r->sb->exchange;
  struct guard_place where = place_of(&m->where);
  struct bridge_answer sorry = {.kind = SLICE("Internal"),
                                .message = SLICE("the host is out of memory")};
  int rv;
  if (!honest(m->args))
    return ERR_PROTOCOL;
  rv = exchange_called(x, m->id, m->function, &where, m->args);
  if (rv == ERR_NOMEM) {
    answer_there(x, m->id, &sorry);
    return 0;
  }
  return rv;
}

static int on_returned(struct remote *r, const struct msg_returned *m) {
  struct exchange *x = &r->sb->exchange;
  struct err e;
  if (m->fault.code == 0)
    return honest(m->value) ? exchange_returned(x, m->id, m->value, NULL)
                            : ERR_PROTOCOL;
  switch (m->fault.code) {
  case ERR_SCRIPT:
  case ERR_NOT_FOUND:
  case ERR_INVALID:
  case ERR_LIMIT:
  case ERR_CANCELED:
    break;
  default:
    return ERR_PROTOCOL;
  }
  fault_to_err(&e, &m->fault);
  return exchange_returned(x, m->id, NULL, &e);
}

static int on_sent(struct remote *r, const struct msg_item *m) {
  int rv = honest(m->value)
               ? exchange_sent(&r->sb->exchange, m->channel, m->value)
               : ERR_PROTOCOL;
  struct err e;
  if (rv == ERR_NOMEM) { /* what was sent must not be lost */
    err_set(&e, rv);
    remote_end(r, rv, &e);
    remote_kill(r);
    return 0;
  }
  return rv;
}

bool remote_handle_exchange(struct remote *r, const struct packet *m) {
  struct exchange *x = &r->sb->exchange;
  int rv;
  switch (m->kind) {
  case MSG_CALL:
    rv = on_call(r, &m->as.call);
    break;
  case MSG_FORGET:
    exchange_forgotten(x, m->as.number);
    rv = 0;
    break;
  case MSG_RETURNED:
    rv = on_returned(r, &m->as.returned);
    break;
  case MSG_SENT:
    rv = on_sent(r, &m->as.item);
    break;
  case MSG_TAKEN:
    rv = exchange_taken(x, m->as.number);
    break;
  case MSG_CLOSING:
    rv = exchange_shut(x, m->as.number);
    break;
  default:
    return false;
  }
  if (rv == ERR_PROTOCOL)
    remote_violated(r, "a call or a value that cannot be");
  return true;
}

void remote_take_value(struct remote *r, const struct msg_result *m) {
  struct exchange *x = &r->sb->exchange;
  struct err e;
  if (m->no_value.code == 0) {
    if (honest(m->value))
      exchange_result(x, m->value, NULL);
    else
      remote_violated(r, "a result that is no value");
  } else if (m->no_value.code == ERR_INVALID) {
    fault_to_err(&e, &m->no_value);
    exchange_result(x, NULL, &e);
  } else {
    remote_violated(r, "a result that is no value");
  }
}
