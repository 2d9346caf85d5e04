/* worker_bridge.c - what a script in a worker and its host tell each other in
 * values: the worker's end of the wire. */
#include "runtime/worker_bridge.h"

#include <string.h>

#include "runtime/base/gate.h"

static void tell(struct bridge *b, const struct packet *m) {
  worker_link_tell(b->ud, m);
}

static void tell_number(struct bridge *b, enum packet_kind kind,
                        uint32_t number) {
  struct packet m = {.kind = kind};
  m.as.number = number;
  tell(b, &m);
}

static int call(struct bridge *b, uint32_t id, uint32_t function,
                const struct guard_place *where, const struct value *args) {
  struct packet m = {.kind = MSG_CALL};
  m.as.call = (struct msg_call){
      id, function, {slice_of(where->script), where->line}, args};
  tell(b, &m);
  return 0;
}

static void forget(struct bridge *b, uint32_t id) {
  tell_number(b, MSG_FORGET, id);
}

static void returned(struct bridge *b, uint32_t id, const struct value *value,
                     const struct err *e) {
  struct packet m = {.kind = MSG_RETURNED};
  m.as.returned.id = id;
  m.as.returned.value = value;
  if (e)
    m.as.returned.fault = fault_of(e);
  tell(b, &m);
}

static int send_value(struct bridge *b, uint32_t channel,
                      const struct value *value) {
  struct packet m = {.kind = MSG_SENT};
  m.as.item = (struct msg_item){channel, value};
  tell(b, &m);
  return 0;
}

static void taken(struct bridge *b, uint32_t channel) {
  tell_number(b, MSG_TAKEN, channel);
}

static void closing(struct bridge *b, uint32_t channel) {
  tell_number(b, MSG_CLOSING, channel);
}

static void result(struct bridge *b, const struct value *value,
                   const struct err *e) {
  struct worker_bridge *wb = list_entry(b, struct worker_bridge, bridge);
  wb->no_result.code = 0;
  if (e)
    wb->no_result = *e;
  else if (value && value_copy(&wb->result, value, &wb->arena) == 0)
    wb->has_result = true;
  else if (value)
    err_setf(&wb->no_result, ERR_INVALID, "no memory for the result");
}

static const struct bridge_ops ops = {.call = call,
                                      .forget = forget,
                                      .returned = returned,
                                      .send = send_value,
                                      .taken = taken,
                                      .shut = closing,
                                      .result = result};

void worker_bridge_init(struct worker_bridge *wb, struct worker_link *k) {
  memset(wb, 0, sizeof *wb);
  arena_init(&wb->arena, &k->mem, SIZE_MAX / 2);
  bridge_init(&wb->bridge, &ops, k);
  k->services.bridge = &wb->bridge;
}

static char *copy(struct worker_bridge *wb, struct slice s) {
  return arena_strndup(&wb->arena, s.p, s.len);
}

int worker_bridge_load(struct worker_bridge *wb, const struct msg_load *m,
                       struct state *st) {
  struct bridge *b = &wb->bridge;
  struct bridge_offer *offers =
      arena_array(&wb->arena, m->noffers, sizeof *offers);
  if (!offers)
    return ERR_NOMEM;
  for (uint32_t i = 0; i < m->noffers; i++) {
    const struct msg_offer *from = &m->offers[i];
    char *what = arena_alloc(&wb->arena, from->module.len + from->name.len + 2);
    offers[i] = (struct bridge_offer){
        (enum offer_kind)from->kind, copy(wb, from->module),
        copy(wb, from->name), what, from->capacity};
    if (!offers[i].module || !offers[i].name || !what)
      return ERR_NOMEM;
    memcpy(what, from->module.p, from->module.len);
    what[from->module.len] = '.';
    memcpy(what + from->module.len + 1, offers[i].name, from->name.len + 1);
  }
  b->offers = offers;
  b->noffers = m->noffers;
  b->keeps = m->keeps;
  if (m->input) {
    if (value_copy(&wb->input, m->input, &wb->arena) != 0)
      return ERR_NOMEM;
    b->input = &wb->input;
  }
  return bridge_start(b, st);
}

static void on_answer(struct bridge *b, const struct msg_answer *m) {
  struct refusal refusal;
  struct bridge_answer a = {.ok = m->ok,
                            .value = m->value,
                            .kind = m->kind,
                            .message = m->message,
                            .retryable = m->retryable};
  if (m->refused) {
    refusal = refusal_from(&m->refusal);
    a.refusal = &refusal;
  }
  bridge_answer(b, m->id, &a);
}

bool worker_bridge_handle(struct bridge *b, const struct packet *m) {
  switch (m->kind) {
  case MSG_ANSWER:
    on_answer(b, &m->as.answer);
    return true;
  case MSG_INVOKE:
    bridge_invoke(b, m->as.invoke.id, m->as.invoke.method, m->as.invoke.args);
    return true;
  case MSG_ABORT:
    bridge_drop(b, m->as.number);
    return true;
  case MSG_FEED:
    bridge_feed(b, m->as.item.channel, m->as.item.value);
    return true;
  case MSG_ROOM:
    bridge_room(b, m->as.room.channel, m->as.room.count);
    return true;
  case MSG_TOLD:
    bridge_told(b, m->as.number);
    return true;
  case MSG_SHUT:
    bridge_shut(b, m->as.number);
    return true;
  default:
    return false;
  }
}
