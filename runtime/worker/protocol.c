/* protocol.c - the messages between a worker and its broker. */
#include "runtime/worker/protocol.h"

#include <math.h>
#include <string.h>

/* Reads or writes: each function takes a field's address and does either, so
 * that the two sides cannot differ. */
struct codec {
  struct buf *out; /* NULL: reading */
  const uint8_t *p;
  size_t left;
  struct arena *arena;
  uint32_t values; /* that may still be read */
  int rv;          /* the first error; nothing is done after it */
};

static void fail(struct codec *c, int code) {
  if (c->rv == 0)
    c->rv = code;
}

static void raw(struct codec *c, void *p, size_t n) {
  if (c->rv != 0) {
    if (!c->out)
      memset(p, 0, n);
  } else if (c->out) {
    fail(c, buf_add(c->out, p, n));
  } else if (n > c->left) {
    memset(p, 0, n);
    fail(c, ERR_PROTOCOL);
  } else {
    memcpy(p, c->p, n);
    c->p += n;
    c->left -= n;
  }
}

static void u64_of(struct codec *c, uint64_t *v, size_t bytes) {
  uint8_t b[8];
  for (size_t i = 0; i < bytes && c->out; i++)
    b[i] = (uint8_t)(*v >> (8 * i));
  raw(c, b, bytes);
  if (c->out)
    return;
  *v = 0;
  for (size_t i = 0; i < bytes; i++)
    *v |= (uint64_t)b[i] << (8 * i);
}

static void u64(struct codec *c, uint64_t *v) {
  u64_of(c, v, 8);
}

static void u32(struct codec *c, uint32_t *v) {
  uint64_t wide = *v;
  u64_of(c, &wide, 4);
  *v = (uint32_t)wide;
}

static void u16(struct codec *c, uint16_t *v) {
  uint64_t wide = *v;
  u64_of(c, &wide, 2);
  *v = (uint16_t)wide;
}

static void i32(struct codec *c, int32_t *v) {
  uint32_t bits = (uint32_t)*v;
  u32(c, &bits);
  memcpy(v, &bits, sizeof *v);
}

/* 0 .. |max| */
static void u8(struct codec *c, uint8_t *v, uint8_t max) {
  raw(c, v, 1);
  if (*v > max) {
    *v = 0;
    fail(c, ERR_PROTOCOL);
  }
}

static void flag(struct codec *c, bool *v) {
  uint8_t b = *v;
  u8(c, &b, 1);
  *v = b != 0;
}

static void text(struct codec *c, struct slice *s, size_t max) {
  uint32_t len = (uint32_t)s->len;
  if (c->out && s->len > max)
    fail(c, ERR_FULL);
  u32(c, &len);
  if (c->out) {
    if (len > 0)
      raw(c, (void *)(uintptr_t)s->p, len);
    return;
  }
  *s = (struct slice){"", 0};
  if (c->rv == 0 && (len > max || len > c->left))
    fail(c, ERR_PROTOCOL);
  if (c->rv != 0)
    return;
  *s = (struct slice){(const char *)c->p, len};
  c->p += len;
  c->left -= len;
}

/* The length of a list whose items take at least |min| bytes each, which bounds
 * what is allocated for it by what was sent. */
static void *list(struct codec *c, void *items, uint32_t *n, uint32_t max,
                  size_t min, size_t item_size) {
  if (c->out && *n > max)
    fail(c, ERR_FULL);
  u32(c, n);
  if (c->out)
    return c->rv == 0 ? items : NULL;
  if (c->rv == 0 && (*n > max || *n > c->left / min))
    fail(c, ERR_PROTOCOL);
  if (c->rv == 0 && *n == 0)
    return NULL;
  items = c->rv == 0 ? arena_array(c->arena, *n, item_size) : NULL;
  if (!items) {
    fail(c, ERR_NOMEM);
    *n = 0;
  }
  return items;
}

/* -------------------------------------------------------------- values --- */

static void write_value(struct codec *c, const struct value *v) {
  uint8_t type = (uint8_t)v->type;
  bool boolean;
  uint64_t bits;
  struct slice s;
  uint32_t n;
  u8(c, &type, VALUE_MAP);
  switch (v->type) {
  case VALUE_NULL:
    break;
  case VALUE_BOOL:
    boolean = v->as.boolean;
    flag(c, &boolean);
    break;
  case VALUE_INT:
  case VALUE_FLOAT:
    memcpy(&bits, &v->as.integer, sizeof bits);
    u64(c, &bits);
    break;
  case VALUE_STRING:
    s = v->as.string;
    text(c, &s, UINT32_MAX);
    break;
  case VALUE_LIST:
    n = (uint32_t)v->as.list.len;
    u32(c, &n);
    for (uint32_t i = 0; i < n && c->rv == 0; i++)
      write_value(c, &v->as.list.items[i]);
    break;
  case VALUE_MAP:
    n = (uint32_t)v->as.map.len;
    u32(c, &n);
    for (uint32_t i = 0; i < n && c->rv == 0; i++) {
      s = v->as.map.members[i].key;
      text(c, &s, UINT32_MAX);
      write_value(c, &v->as.map.members[i].value);
    }
    break;
  }
}

static void read_value(struct codec *c, struct value *v, unsigned depth) {
  uint8_t type = VALUE_NULL;
  bool boolean = false;
  uint64_t bits = 0;
  uint32_t n = 0;
  memset(v, 0, sizeof *v);
  u8(c, &type, VALUE_MAP);
  if (c->rv == 0 && depth >= VALUE_MAX_DEPTH)
    fail(c, ERR_PROTOCOL);
  if (c->rv == 0 && c->values-- == 0)
    fail(c, ERR_PROTOCOL);
  if (c->rv != 0)
    return;
  v->type = (enum value_type)type;
  switch (v->type) {
  case VALUE_NULL:
    break;
  case VALUE_BOOL:
    flag(c, &boolean);
    v->as.boolean = boolean;
    break;
  case VALUE_INT:
    u64(c, &bits);
    memcpy(&v->as.integer, &bits, sizeof bits);
    break;
  case VALUE_FLOAT:
    u64(c, &bits);
    memcpy(&v->as.number, &bits, sizeof bits);
    if (!isfinite(v->as.number))
      fail(c, ERR_PROTOCOL);
    break;
  case VALUE_STRING:
    text(c, &v->as.string, UINT32_MAX);
    break;
  case VALUE_LIST:
    v->as.list.items =
        list(c, NULL, &n, c->values, 1, sizeof *v->as.list.items);
    v->as.list.len = n;
    for (uint32_t i = 0; i < n && c->rv == 0; i++)
      read_value(c, &v->as.list.items[i], depth + 1);
    break;
  case VALUE_MAP:
    v->as.map.members =
        list(c, NULL, &n, c->values, 5, sizeof *v->as.map.members);
    v->as.map.len = n;
    for (uint32_t i = 0; i < n && c->rv == 0; i++) {
      text(c, &v->as.map.members[i].key, UINT32_MAX);
      read_value(c, &v->as.map.members[i].value, depth + 1);
    }
    break;
  }
}

/* Any, or NULL; of at most |values| parts. */
static void any_value(struct codec *c, const struct value **v,
                      uint32_t values) {
  bool there = *v != NULL;
  struct value *made;
  flag(c, &there);
  if (c->out) {
    if (there)
      write_value(c, *v);
    return;
  }
  *v = NULL;
  if (!there || c->rv != 0)
    return;
  if (!(made = arena_zalloc(c->arena, sizeof *made))) {
    fail(c, ERR_NOMEM);
    return;
  }
  c->values = values;
  read_value(c, made, 0);
  *v = made;
}

static void crossing(struct codec *c, const struct value **v) {
  any_value(c, v, VALUE_CROSS_VALUES);
}

/* There must be one. */
static void required(struct codec *c, const struct value **v) {
  crossing(c, v);
  if (!c->out && c->rv == 0 && !*v)
    fail(c, ERR_PROTOCOL);
}

/* A map, or NULL. */
static void meta(struct codec *c, const struct value **v) {
  any_value(c, v, UINT32_MAX);
  if (!c->out && c->rv == 0 && *v && (*v)->type != VALUE_MAP)
    fail(c, ERR_PROTOCOL);
}

/* -------------------------------------------------------------- fields --- */

#define ANY UINT32_MAX
#define WORDS 4096 /* of names, reasons and messages */

static void fault(struct codec *c, struct msg_fault *f) {
  i32(c, &f->code);
  i32(c, &f->sys_errno);
  u32(c, &f->line);
  u32(c, &f->column);
  text(c, &f->source, WORDS);
  text(c, &f->message, WORDS);
}

static void place(struct codec *c, struct msg_place *p) {
  text(c, &p->script, WORDS);
  u32(c, &p->line);
}

static void refusal(struct codec *c, struct msg_refusal *r) {
  text(c, &r->action, ANY);
  text(c, &r->resource, ANY);
  flag(c, &r->by_policy);
  text(c, &r->why, ANY);
}

static void actor(struct codec *c, struct msg_actor *a) {
  flag(c, &a->known);
  text(c, &a->id, ANY);
  meta(c, &a->meta);
}

static void source(struct codec *c, struct msg_text *t) {
  text(c, &t->name, ANY);
  u64(c, &t->len);
  text(c, &t->text, ANY);
  if (!c->out && c->rv == 0 && t->text.len > t->len)
    fail(c, ERR_PROTOCOL);
}

static void usage(struct codec *c, struct msg_usage *u) {
  u64(c, &u->memory_bytes);
  u64(c, &u->memory_peak_bytes);
  u64(c, &u->cpu_ns);
  u64(c, &u->received);
  u64(c, &u->sent);
}

/* ------------------------------------------------------------ messages --- */

static void setup(struct codec *c, struct msg_setup *s) {
  u32(c, &s->version);
  u64(c, &s->memory_bytes);
  u64(c, &s->cpu_ns);
  u64(c, &s->deadline_ns);
  u64(c, &s->tasks);
  u64(c, &s->timers);
  u64(c, &s->output_bytes);
  u64(c, &s->source_bytes);
  u64(c, &s->connections);
  flag(c, &s->requires);
  flag(c, &s->modules_listed);
  s->modules = list(c, s->modules, &s->nmodules, ANY, 4, sizeof *s->modules);
  for (uint32_t i = 0; i < s->nmodules && c->rv == 0; i++)
    text(c, &s->modules[i], ANY);
  text(c, &s->modules_from, ANY);
  text(c, &s->method, ANY);
  actor(c, &s->actor);
}

static void load(struct codec *c, struct msg_load *l) {
  source(c, &l->source);
  l->args = list(c, l->args, &l->nargs, ANY, 4, sizeof *l->args);
  for (uint32_t i = 0; i < l->nargs && c->rv == 0; i++)
    text(c, &l->args[i], ANY);
  l->offers = list(c, l->offers, &l->noffers, ANY, 13, sizeof *l->offers);
  for (uint32_t i = 0; i < l->noffers && c->rv == 0; i++) {
    u8(c, &l->offers[i].kind, 2);
    text(c, &l->offers[i].module, WORDS);
    text(c, &l->offers[i].name, WORDS);
    u32(c, &l->offers[i].capacity);
  }
  crossing(c, &l->input);
  flag(c, &l->keeps);
  u64(c, &l->started_ns);
}

static void reply(struct codec *c, struct msg_reply *r) {
  i32(c, &r->code);
  u64(c, &r->charged_ns);
  refusal(c, &r->refusal);
  text(c, &r->message, ANY);
  u8(c, &r->verdict, UINT8_MAX);
  u32(c, &r->set);
  r->policies =
      list(c, r->policies, &r->npolicies, ANY, 8, sizeof *r->policies);
  for (uint32_t i = 0; i < r->npolicies && c->rv == 0; i++) {
    u32(c, &r->policies[i].index);
    text(c, &r->policies[i].id, ANY);
  }
  source(c, &r->text);
}

static void dialed(struct codec *c, struct msg_dialed *d) {
  u32(c, &d->id);
  u8(c, &d->end, UINT8_MAX);
  u64(c, &d->number);
  u64(c, &d->charged_ns);
  refusal(c, &d->refusal);
  text(c, &d->message, ANY);
  text(c, &d->url, ANY);
  i32(c, &d->code);
  u8(c, &d->stage, UINT8_MAX);
  u32(c, &d->http_status);
  text(c, &d->protocol, ANY);
  text(c, &d->rest, ANY);
  flag(c, &d->deflate.on);
  flag(c, &d->deflate.in_takeover);
  flag(c, &d->deflate.out_takeover);
  u8(c, &d->deflate.in_bits, 15);
  u8(c, &d->deflate.out_bits, 15);
}

static void inquiry(struct codec *c, struct msg_inquiry *q) {
  flag(c, &q->own_actor);
  actor(c, &q->actor);
  text(c, &q->action, WORDS);
  text(c, &q->resource, WORDS);
  meta(c, &q->meta);
  flag(c, &q->one);
  q->runs = list(c, q->runs, &q->nruns, ANY, sizeof *q->runs, sizeof *q->runs);
  for (uint32_t i = 0; i < q->nruns && c->rv == 0; i++) {
    u32(c, &q->runs[i].set);
    u32(c, &q->runs[i].first);
    u32(c, &q->runs[i].count);
  }
}

static void connecting(struct codec *c, struct msg_connect *m) {
  u32(c, &m->id);
  place(c, &m->where);
  text(c, &m->url, PROTOCOL_URL_MAX);
  u64(c, &m->dial_timeout_ns);
  u8(c, &m->deflate, 2);
  m->headers = list(c, m->headers, &m->nheaders, PROTOCOL_HEADERS_MAX, 8,
                    sizeof *m->headers);
  for (uint32_t i = 0; i < m->nheaders && c->rv == 0; i++) {
    text(c, &m->headers[i].name, ANY);
    text(c, &m->headers[i].value, ANY);
  }
  m->protocols = list(c, m->protocols, &m->nprotocols, PROTOCOL_PROTOCOLS_MAX,
                      4, sizeof *m->protocols);
  for (uint32_t i = 0; i < m->nprotocols && c->rv == 0; i++)
    text(c, &m->protocols[i], ANY);
}

static void result(struct codec *c, struct msg_result *r) {
  fault(c, &r->fault);
  u8(c, &r->stop, UINT8_MAX);
  text(c, &r->traceback, PROTOCOL_TRACEBACK_MAX);
  text(c, &r->kind, PROTOCOL_KIND_MAX);
  usage(c, &r->usage);
  crossing(c, &r->value);
  fault(c, &r->no_value);
  flag(c, &r->goodbyes);
}

static void answer(struct codec *c, struct msg_answer *a) {
  u32(c, &a->id);
  flag(c, &a->ok);
  crossing(c, &a->value);
  text(c, &a->kind, WORDS);
  text(c, &a->message, ANY);
  flag(c, &a->retryable);
  flag(c, &a->refused);
  refusal(c, &a->refusal);
}

static void returned(struct codec *c, struct msg_returned *r) {
  u32(c, &r->id);
  crossing(c, &r->value);
  fault(c, &r->fault);
}

/* False: no such kind. */
static bool kind_known(unsigned kind) {
  return (kind >= MSG_SETUP && kind <= MSG_TOLD) ||
         (kind >= MSG_LOADED && kind <= MSG_CLOSING);
}

static void fields(struct codec *c, struct packet *m) {
  switch (m->kind) {
  case MSG_SETUP:
    setup(c, &m->as.setup);
    break;
  case MSG_LOAD:
    load(c, &m->as.load);
    break;
  case MSG_CANCEL:
  case MSG_SCOPE:
    break;
  case MSG_REPLY:
    reply(c, &m->as.reply);
    break;
  case MSG_DIALED:
    dialed(c, &m->as.dialed);
    break;
  case MSG_OUTPUT:
    text(c, &m->as.text, PROTOCOL_OUTPUT_MAX);
    break;
  case MSG_REQUIRE:
    text(c, &m->as.text, PROTOCOL_MODULE_MAX);
    break;
  case MSG_ZONE:
    text(c, &m->as.text, WORDS);
    break;
  case MSG_MATCH:
    text(c, &m->as.match.pattern, WORDS);
    text(c, &m->as.match.text, PROTOCOL_MATCH_MAX);
    break;
  case MSG_ASK:
    place(c, &m->as.ask.where);
    text(c, &m->as.ask.action, WORDS);
    text(c, &m->as.ask.resource, WORDS);
    break;
  case MSG_POLICY:
  case MSG_GROUP:
    place(c, &m->as.named.where);
    text(c, &m->as.named.id, WORDS);
    break;
  case MSG_EVALUATE:
  case MSG_CAN:
    inquiry(c, &m->as.inquiry);
    break;
  case MSG_CONNECT:
    connecting(c, &m->as.connect);
    break;
  case MSG_CLOSED:
    u64(c, &m->as.closed.number);
    u16(c, &m->as.closed.code);
    flag(c, &m->as.closed.clean);
    break;
  case MSG_DROP:
    u32(c, &m->as.set);
    break;
  case MSG_USAGE:
    usage(c, &m->as.usage);
    break;
  case MSG_LOADED:
  case MSG_RESULT:
    result(c, &m->as.result);
    break;
  case MSG_ANSWER:
    answer(c, &m->as.answer);
    break;
  case MSG_INVOKE:
    u32(c, &m->as.invoke.id);
    text(c, &m->as.invoke.method, WORDS);
    crossing(c, &m->as.invoke.args);
    break;
  case MSG_CALL:
    u32(c, &m->as.call.id);
    u32(c, &m->as.call.function);
    place(c, &m->as.call.where);
    required(c, &m->as.call.args);
    break;
  case MSG_RETURNED:
    returned(c, &m->as.returned);
    break;
  case MSG_FEED:
  case MSG_SENT:
    u32(c, &m->as.item.channel);
    required(c, &m->as.item.value);
    break;
  case MSG_CHARGED:
    u64(c, &m->as.charged.ns);
    u32(c, &m->as.charged.efforts);
    break;
  case MSG_ROOM:
    u32(c, &m->as.room.channel);
    u32(c, &m->as.room.count);
    break;
  case MSG_ABORT:
  case MSG_FORGET:
  case MSG_SHUT:
  case MSG_TAKEN:
  case MSG_CLOSING:
  case MSG_TOLD:
    u32(c, &m->as.number);
    break;
  }
}

int packet_write(struct buf *to, const struct packet *m) {
  struct codec c = {.out = to};
  struct packet copy = *m; /* writing changes nothing, but the types say so */
  size_t begin = to->len;
  uint8_t head[PROTOCOL_HEADER] = {0};
  uint8_t *at;
  size_t len;
  head[4] = (uint8_t)m->kind;
  raw(&c, head, sizeof head);
  fields(&c, &copy);
  len = to->len - begin;
  if (c.rv == 0 && len - 4 > UINT32_MAX)
    c.rv = ERR_FULL;
  if (c.rv != 0) {
    to->len = begin;
    return c.rv;
  }
  at = buf_bytes(to) + begin;
  for (int i = 0; i < 4; i++)
    at[i] = (uint8_t)((len - 4) >> (8 * i));
  return 0;
}

size_t packet_efforts(enum packet_kind k, size_t len) {
  switch (k) {
  case MSG_OUTPUT: /* a call of the host's, and copies */
    return 1 + len / 2048;
  case MSG_CONNECT: /* three decisions, and sockets */
    return 32 + len / 256;
  case MSG_CLOSED:
  case MSG_DROP:
  case MSG_CALL:
  case MSG_FORGET:
  case MSG_RETURNED:
  case MSG_SENT:
  case MSG_TAKEN:
  case MSG_CLOSING:
    return 2 + len / 256;
  default: /* an answer says what it was, or there are few */
    return 0;
  }
}

int packet_peek(struct slice in, size_t max, enum packet_kind *ret_kind,
                size_t *ret_len) {
  const uint8_t *p = (const uint8_t *)in.p;
  size_t len = 0;
  if (in.len < PROTOCOL_HEADER)
    return ERR_AGAIN;
  for (int i = 0; i < 4; i++)
    len |= (size_t)p[i] << (8 * i);
  if (len < 1 || len > max || !kind_known(p[4]))
    return ERR_PROTOCOL;
  *ret_kind = (enum packet_kind)p[4];
  *ret_len = len + 4;
  return 0;
}

int packet_read(struct packet *ret, struct slice whole, struct arena *a) {
  struct codec c = {.p = (const uint8_t *)whole.p + PROTOCOL_HEADER,
                    .left = whole.len - PROTOCOL_HEADER,
                    .arena = a};
  memset(ret, 0, sizeof *ret);
  if (whole.len < PROTOCOL_HEADER || !kind_known((uint8_t)whole.p[4]))
    return ERR_PROTOCOL;
  ret->kind = (enum packet_kind)(uint8_t)whole.p[4];
  fields(&c, ret);
  if (c.rv == 0 && c.left > 0)
    c.rv = ERR_PROTOCOL;
  return c.rv;
}

/* -------------------------------------------------------------- faults --- */

struct msg_fault fault_of(const struct err *e) {
  return (struct msg_fault){.code = e->code,
                            .sys_errno = e->sys_errno,
                            .line = e->line,
                            .column = e->column,
                            .source = slice_of(e->source),
                            .message = slice_of(e->message)};
}

void fault_to_err(struct err *ret, const struct msg_fault *f) {
  char name[sizeof ret->source];
  str_escape(name, sizeof name, f->source);
  err_at(ret, f->code, name, f->line, f->column, "%.*s", (int)f->message.len,
         f->message.p);
  ret->sys_errno = f->sys_errno;
}
