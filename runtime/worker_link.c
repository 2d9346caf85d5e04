/* worker_link.c - what a worker has instead of policies, sockets and files. */
#include "runtime/worker_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/worker_bridge.h"

#define RECEIVE_BYTES (16u * 1024)
#define FLUSH_BYTES (32u * 1024)  /* sent before the turn ends */
#define QUEUE_BYTES (256u * 1024) /* then the script waits for the host */
#define USAGE_EVERY_NS (100 * NS_PER_MS)

/* What scripts hold of a set of policies that is elsewhere: for each of them no
 * more than its place and its id. */
struct shell_set {
  struct list node;
  struct worker_link *link;
  struct mem mem; /* the script's */
  uint32_t number;
  size_t holders;
  struct policy **shells; /* by place; NULL: not shown yet */
  size_t nshells;
  struct arena arena; /* of the shells */
};

struct stashed {
  struct list node;
  size_t len;
  char bytes[];
};

/* The broker is gone, or there is no memory to hear it: nothing can be done for
 * the script any more. */
static _Noreturn void give_up(void) {
  _exit(1);
}

void worker_link_init(struct worker_link *k, int fd, const struct mem *m) {
  memset(k, 0, sizeof *k);
  k->mem = *m;
  wire_init(&k->wire, fd, m, PROTOCOL_TO_WORKER_MAX, SIZE_MAX / 2);
  list_init(&k->dials);
  list_init(&k->stashed);
  list_init(&k->sets);
  list_init(&k->services.clients);
  buf_init(&k->reply_text, m, PROTOCOL_TO_WORKER_MAX + PROTOCOL_HEADER);
  arena_init(&k->reply_arena, m, SIZE_MAX / 2);
}

/* ------------------------------------------------------------- sending --- */

static void wait_for(struct worker_link *k, short events) {
  struct pollfd p = {.fd = k->wire.fd, .events = events};
  while (poll(&p, 1, -1) < 0)
    if (errno != EINTR)
      give_up();
}

static void receive(struct worker_link *k) {
  int rv = wire_receive(&k->wire, RECEIVE_BYTES, true);
  if (rv != 0 && rv != ERR_AGAIN)
    give_up();
}

/* No poller tells of what was received outside of a turn. */
static void look_later(struct worker_link *k) {
  if (k->loop && k->wire.in.len > 0)
    deferred_schedule(k->loop, &k->later);
}

void worker_link_flush(struct worker_link *k, bool wait) {
  int rv;
  while ((rv = wire_flush(&k->wire)) == ERR_AGAIN && wait) {
    /* The broker may be waiting for us to read: do both. */
    wait_for(k, POLLIN | POLLOUT);
    receive(k);
    look_later(k);
  }
  if (rv != 0 && rv != ERR_AGAIN)
    give_up();
  if (k->watching)
    (void)watch_change(&k->watch, POLLER_READ | (rv ? POLLER_WRITE : 0));
}

/* Not the message that is waited for: later. */
static void stash(struct worker_link *k, enum packet_kind kind,
                  struct slice whole) {
  struct stashed *s = mem_alloc(&k->mem, sizeof *s + whole.len);
  if (!s)
    give_up();
  s->len = whole.len;
  memcpy(s->bytes, whole.p, whole.len);
  list_add_tail(&k->stashed, &s->node);
  if (kind == MSG_CANCEL && k->st) /* and at once, if a script is running */
    atomic_store(&k->st->cancel, 1);
  if (k->loop)
    deferred_schedule(k->loop, &k->later);
}

/* At once, whatever came before it: it may be what is waited for. */
static void hear_charged(struct worker_link *k, struct slice whole) {
  struct packet m;
  struct arena none;
  const struct msg_charged *c = &m.as.charged;
  arena_init(&none, &k->mem, 0);
  if (packet_read(&m, whole, &none) != 0)
    give_up();
  k->efforts -= c->efforts < k->efforts ? c->efforts : k->efforts;
  payer_charge(&k->st->payer, c->ns);
  /* its own time counts when it gives up the thread, but it may be over now */
  if (state_cpu_left_ns(k->st) == 0)
    state_stop(k->st, STOP_CPU);
}

/* Waits until a message of |want| has come. */
static struct slice wait_for_kind(struct worker_link *k,
                                  enum packet_kind want) {
  enum packet_kind kind;
  struct slice whole;
  int rv;
  worker_link_flush(k, true);
  for (;;) {
    while ((rv = wire_next(&k->wire, &kind, &whole)) == ERR_AGAIN) {
      wait_for(k, POLLIN);
      receive(k);
    }
    if (rv != 0)
      give_up();
    if (kind == want)
      return whole;
    if (kind == MSG_CHARGED)
      hear_charged(k, whole);
    else
      stash(k, kind, whole);
    wire_drop(&k->wire, whole);
  }
}

/* A script's limit would be reached here while much of what it has caused is
 * still to be done there. */
static void wait_for_broker(struct worker_link *k) {
  while (k->efforts > PROTOCOL_EFFORTS_MAX) {
    struct slice whole = wait_for_kind(k, MSG_CHARGED);
    hear_charged(k, whole);
    wire_drop(&k->wire, whole);
  }
  look_later(k);
}

/* The message |m| stands in the queue, |len| bytes long. */
static void told(struct worker_link *k, const struct packet *m, size_t len) {
  if (m->kind == MSG_RESULT) /* the last that anybody looks at */
    k->silent = true;
  if (!k->silent)
    k->efforts += packet_efforts(m->kind, len);
  if (k->handling)
    return;
  if (k->efforts > PROTOCOL_EFFORTS_MAX)
    wait_for_broker(k);
  else if (wire_unsent(&k->wire) > FLUSH_BYTES)
    worker_link_flush(k, wire_unsent(&k->wire) > QUEUE_BYTES);
}

static int put(struct worker_link *k, const struct packet *m) {
  size_t before = wire_unsent(&k->wire);
  int rv = wire_put(&k->wire, m, -1);
  if (rv == 0)
    told(k, m, wire_unsent(&k->wire) - before);
  return rv;
}

void worker_link_tell(struct worker_link *k, const struct packet *m) {
  if (put(k, m) != 0)
    give_up();
}

struct msg_usage worker_link_used(const struct worker_link *k) {
  return (struct msg_usage){.memory_bytes = account_used(&k->st->account),
                            .memory_peak_bytes = k->st->account.peak,
                            .cpu_ns = state_cpu_used_ns(k->st),
                            .received = k->services.received,
                            .sent = k->services.sent};
}

int worker_link_usage(struct worker_link *k) {
  struct packet m = {.kind = MSG_USAGE};
  uint64_t at = clock_mono_ns();
  if (at - k->told_ns < USAGE_EVERY_NS)
    return (int)((USAGE_EVERY_NS - (at - k->told_ns)) / NS_PER_MS) + 1;
  m.as.usage = worker_link_used(k);
  if (memcmp(&m.as.usage, &k->told, sizeof k->told) == 0)
    return -1;
  k->told = m.as.usage;
  k->told_ns = at;
  worker_link_tell(k, &m);
  return -1;
}

void worker_link_output(void *ud, const char *data, size_t len) {
  struct packet m = {.kind = MSG_OUTPUT};
  while (len > 0) {
    size_t n = len > PROTOCOL_OUTPUT_MAX ? PROTOCOL_OUTPUT_MAX : len;
    m.as.text = (struct slice){data, n};
    worker_link_tell(ud, &m);
    data += n;
    len -= n;
  }
}

/* ------------------------------------------------------------- hearing --- */

struct refusal refusal_from(const struct msg_refusal *m) {
  struct refusal r = {.action = m->action, .resource = m->resource};
  if (m->by_policy)
    r.policy = m->why;
  else
    r.reason = m->why;
  return r;
}

static void on_dialed(struct worker_link *k, const struct msg_dialed *m) {
  struct remote_answer a = {.fd = -1, .number = m->number};
  struct dial_answer *d = &a.answer;
  d->end = (enum dial_end)m->end;
  if (d->end == DIAL_OPEN)
    a.fd = wire_take_fd(&k->wire);
  if (d->end == DIAL_REFUSED)
    d->refusal = refusal_from(&m->refusal);
  snprintf(d->message, sizeof d->message, "%.*s", (int)m->message.len,
           m->message.p);
  if (d->end == DIAL_FAILED) {
    d->url = m->url;
    d->failure.code = m->code;
    d->failure.stage = (enum connection_stage)m->stage;
    d->failure.http_status = m->http_status;
    snprintf(d->failure.reason, sizeof d->failure.reason, "%.*s",
             (int)m->message.len, m->message.p);
  }
  a.deflate = (struct deflate_params){.on = m->deflate.on,
                                      .in_takeover = m->deflate.in_takeover,
                                      .out_takeover = m->deflate.out_takeover,
                                      .in_bits = m->deflate.in_bits,
                                      .out_bits = m->deflate.out_bits};
  a.rest = m->rest;
  a.protocol = m->protocol;
  payer_charge(&k->st->payer, m->charged_ns);
  list_foreach (it, &k->dials) {
    struct remote_dial *rd = list_entry(it, struct remote_dial, node);
    if (rd->id != m->id)
      continue;
    list_remove(&rd->node);
    rd->done(rd, &a);
    return;
  }
  if (d->end == DIAL_OPEN) {
    struct packet closed = {.kind = MSG_CLOSED};
    closed.as.closed.number = m->number;
    closed.as.closed.code = CLOSE_LOST;
    if (a.fd >= 0)
      close(a.fd); /* nobody waits for it any more */
    worker_link_tell(k, &closed);
  }
}

static void handle(struct worker_link *k, struct slice whole) {
  struct packet m;
  struct arena a;
  arena_init(&a, &k->mem, SIZE_MAX / 2);
  if (packet_read(&m, whole, &a) != 0)
    give_up();
  k->handling = true;
  switch (m.kind) {
  case MSG_CANCEL:
    state_stop(k->st, STOP_CANCEL);
    break;
  case MSG_DIALED:
    on_dialed(k, &m.as.dialed);
    break;
  case MSG_CHARGED:
    hear_charged(k, whole);
    break;
  default:
    if (!worker_bridge_handle(k->services.bridge, &m))
      give_up();
  }
  k->handling = false;
  arena_deinit(&a);
}

static void handle_stashed(struct worker_link *k) {
  struct list *node;
  while ((node = list_pop(&k->stashed)) != NULL) {
    struct stashed *s = list_entry(node, struct stashed, node);
    handle(k, (struct slice){s->bytes, s->len});
    mem_free(&k->mem, s, sizeof *s + s->len);
  }
}

/* All that has come, in its order. */
static void handle_all(struct worker_link *k) {
  enum packet_kind kind;
  struct slice whole;
  int rv;
  handle_stashed(k);
  while ((rv = wire_next(&k->wire, &kind, &whole)) == 0) {
    handle(k, whole);
    wire_drop(&k->wire, whole);
  }
  if (rv != ERR_AGAIN)
    give_up();
}

static void on_later(struct deferred *d, void *ud) {
  (void)d;
  handle_all(ud);
}

static void on_socket(struct watch *w, unsigned events, void *ud) {
  struct worker_link *k = ud;
  (void)w;
  if (events & (POLLER_READ | POLLER_ERROR))
    receive(k);
  handle_all(k);
  if (events & POLLER_WRITE)
    worker_link_flush(k, false);
}

int worker_link_watch(struct worker_link *k, struct loop *lp) {
  int rv;
  k->loop = lp;
  deferred_init(&k->later, on_later, k);
  watch_init(&k->watch, on_socket, k);
  rv = watch_start(&k->watch, loop_poller(lp), k->wire.fd, POLLER_READ);
  k->watching = rv == 0;
  return rv;
}

void worker_link_expect(struct worker_link *k, enum packet_kind want,
                        struct packet *ret) {
  struct slice whole = wait_for_kind(k, want);
  buf_clear(&k->reply_text);
  arena_deinit(&k->reply_arena);
  arena_init(&k->reply_arena, &k->mem, SIZE_MAX / 2);
  if (buf_add(&k->reply_text, whole.p, whole.len) != 0)
    give_up();
  wire_drop(&k->wire, whole);
  look_later(k);
  if (packet_read(ret, buf_slice(&k->reply_text), &k->reply_arena) != 0)
    give_up();
}

/* ---------------------------------------------------------- questions --- */

static struct worker_link *link_of(struct services *sv) {
  return list_entry(sv, struct worker_link, services);
}

static void drop_set(void *set);

/* Asks, and waits for the answer: its code. */
static int question(struct worker_link *k, const struct packet *m) {
  struct shell_set *recent = k->recent;
  int rv;
  k->recent = NULL;
  drop_set(recent);
  if ((rv = wire_put(&k->wire, m, -1)) != 0)
    return ERR_NOMEM;
  worker_link_expect(k, MSG_REPLY, &k->reply);
  k->st->payer.cpu_ns += k->reply.as.reply.charged_ns;
  return k->reply.as.reply.code;
}

static struct msg_place place_from(const struct guard_place *where) {
  return (struct msg_place){slice_of(where->script), where->line};
}

static bool ask_there(struct services *sv, struct slice action,
                      struct slice resource, const struct guard_place *where,
                      struct refusal *ret) {
  struct worker_link *k = link_of(sv);
  struct packet m = {.kind = MSG_ASK};
  m.as.ask = (struct msg_ask){place_from(where), action, resource};
  int rv = question(k, &m);
  if (rv == ERR_DENIED)
    *ret = refusal_from(&k->reply.as.reply.refusal);
  else if (rv != 0)
    *ret = (struct refusal){.action = action,
                            .resource = resource,
                            .reason = slice_of(err_text(rv))};
  return rv == 0;
}

/* -------------------------------------------------------------- shells --- */

static void *hold_set(void *set) {
  struct shell_set *s = set;
  if (s)
    s->holders++;
  return set;
}

static void drop_set(void *set) {
  struct shell_set *s = set;
  struct packet m = {.kind = MSG_DROP};
  struct mem mem;
  if (!s || --s->holders > 0)
    return;
  m.as.set = s->number;
  worker_link_tell(s->link, &m);
  list_remove(&s->node);
  arena_deinit(&s->arena);
  mem = s->mem;
  mem_free(&mem, s->shells, s->nshells * sizeof *s->shells);
  mem_free(&mem, s, sizeof *s);
}

/* The set |number|, held by the link.  NULL: no memory, and the broker knows
 * that it is not held. */
static struct shell_set *set_get(struct worker_link *k, uint32_t number) {
  struct packet m = {.kind = MSG_DROP};
  struct shell_set *s;
  list_foreach (it, &k->sets) {
    s = list_entry(it, struct shell_set, node);
    if (s->number == number)
      return k->recent = hold_set(s);
  }
  if (!(s = mem_zalloc(state_mem(k->st), sizeof *s))) {
    m.as.set = number;
    worker_link_tell(k, &m);
    return NULL;
  }
  s->link = k;
  s->mem = *state_mem(k->st);
  s->number = number;
  arena_init(&s->arena, &s->mem, SIZE_MAX / 2);
  list_add_tail(&k->sets, &s->node);
  return k->recent = hold_set(s);
}

static struct policy *shell_get(struct shell_set *s,
                                const struct msg_policy *m) {
  struct policy *p;
  size_t cap = s->nshells;
  if (m->index >= s->nshells) {
    struct policy **grown =
        mem_grow(&s->mem, s->shells, &cap, (size_t)m->index + 1, sizeof *grown,
                 SIZE_MAX / sizeof *grown);
    if (!grown)
      return NULL;
    memset(grown + s->nshells, 0, (cap - s->nshells) * sizeof *grown);
    s->shells = grown;
    s->nshells = cap;
  }
  if ((p = s->shells[m->index]) != NULL)
    return p;
  p = arena_zalloc(&s->arena, sizeof *p);
  if (!p || !(p->id.p = arena_strndup(&s->arena, m->id.p, m->id.len)))
    return NULL;
  p->id.len = m->id.len;
  p->index = m->index;
  return s->shells[m->index] = p;
}

/* What the reply lists, as shells.  0 or ERR_NOMEM */
static int take_policies(struct worker_link *k) {
  const struct msg_reply *r = &k->reply.as.reply;
  struct shell_set *s;
  void *grown;
  k->nlisted = 0;
  if (r->npolicies == 0)
    return 0;
  if (!(s = set_get(k, r->set)))
    return ERR_NOMEM;
  grown = mem_grow(&k->mem, k->listed, &k->listed_cap, r->npolicies,
                   sizeof *k->listed, SIZE_MAX / sizeof *k->listed);
  if (!grown)
    return ERR_NOMEM;
  k->listed = grown;
  for (; k->nlisted < r->npolicies; k->nlisted++)
    if (!(k->listed[k->nlisted] = shell_get(s, &r->policies[k->nlisted])))
      return ERR_NOMEM;
  return 0;
}

static const struct policy *listed_at(const struct listing *l, size_t i) {
  const struct worker_link *k = l->source;
  return k->listed[i];
}

static int policy_there(struct services *sv, struct slice id,
                        const struct guard_place *where, void **ret_set,
                        const struct policy **ret_policy,
                        struct refusal *ret_refusal) {
  struct worker_link *k = link_of(sv);
  struct packet m = {.kind = MSG_POLICY};
  int rv;
  m.as.named = (struct msg_named){place_from(where), id};
  if ((rv = question(k, &m)) == ERR_DENIED)
    *ret_refusal = refusal_from(&k->reply.as.reply.refusal);
  if (rv != 0)
    return rv;
  if (take_policies(k) != 0 || k->nlisted != 1)
    return ERR_NOMEM;
  *ret_set = k->recent;
  *ret_policy = k->listed[0];
  return 0;
}

static int listing(struct worker_link *k, const struct packet *m,
                   struct listing *ret) {
  int rv = question(k, m);
  if (rv != 0)
    return rv;
  if (take_policies(k) != 0)
    return ERR_NOMEM;
  *ret = (struct listing){
      .set = k->recent, .len = k->nlisted, .source = k, .at = listed_at};
  return 0;
}

static int group_there(struct services *sv, struct slice id,
                       const struct guard_place *where, struct listing *ret,
                       struct refusal *ret_refusal) {
  struct worker_link *k = link_of(sv);
  struct packet m = {.kind = MSG_GROUP};
  int rv;
  m.as.named = (struct msg_named){place_from(where), id};
  if ((rv = listing(k, &m, ret)) == ERR_DENIED)
    *ret_refusal = refusal_from(&k->reply.as.reply.refusal);
  return rv;
}

static int scope_there(struct services *sv, struct listing *ret) {
  struct packet m = {.kind = MSG_SCOPE};
  return listing(link_of(sv), &m, ret);
}

/* Neighbours go together, so that a whole set is one run. */
static size_t runs_of(const struct policy *const *policies, void *const *sets,
                      size_t len, struct msg_run *out) {
  struct msg_run run = {0, 0, 0};
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    const struct shell_set *s = sets[i];
    uint32_t index = (uint32_t)policies[i]->index;
    if (run.count > 0 && run.set == s->number &&
        index == run.first + run.count) {
      run.count++;
    } else {
      n++;
      run = (struct msg_run){s->number, index, 1};
    }
    if (out)
      out[n - 1] = run;
  }
  return n;
}

static void inquiry_from(struct worker_link *k, const struct inquiry *q,
                         struct msg_inquiry *ret) {
  const struct actor *a = q->actor;
  *ret = (struct msg_inquiry){
      .action = q->action, .resource = q->resource, .meta = q->meta};
  if (!a)
    return;
  /* the sandbox's own may be longer than what scripts can make */
  ret->own_actor = k->services.guard.actor && a->id.p == k->actor.id.p &&
                   a->meta == k->actor.meta;
  if (!ret->own_actor)
    ret->actor = (struct msg_actor){true, a->id, a->meta};
}

static int invalid_there(struct worker_link *k, struct err *e) {
  struct slice why = k->reply.as.reply.message;
  return err_setf(e, ERR_INVALID, "%.*s", (int)why.len, why.p);
}

static int evaluate_there(struct services *sv, const struct inquiry *q,
                          const struct policy *const *policies,
                          void *const *sets, size_t len, bool one,
                          enum verdict *ret, struct err *e) {
  struct worker_link *k = link_of(sv);
  struct packet m = {.kind = MSG_EVALUATE};
  size_t n = runs_of(policies, sets, len, NULL);
  struct msg_run *runs = NULL;
  int rv = inquiry_check(q, e);
  if (rv != 0)
    return rv;
  if (n > UINT32_MAX ||
      (n > 0 && !(runs = mem_alloc(state_mem(k->st), n * sizeof *runs))))
    return ERR_NOMEM;
  if (n > 0)
    runs_of(policies, sets, len, runs);
  inquiry_from(k, q, &m.as.inquiry);
  m.as.inquiry.one = one;
  m.as.inquiry.runs = runs;
  m.as.inquiry.nruns = (uint32_t)n;
  rv = question(k, &m);
  mem_free(state_mem(k->st), runs, n * sizeof *runs);
  if (rv == ERR_INVALID)
    return invalid_there(k, e);
  if (rv != 0)
    return ERR_NOMEM;
  *ret = (enum verdict)k->reply.as.reply.verdict;
  return 0;
}

static int can_there(struct services *sv, const struct inquiry *q, bool *ret,
                     struct err *e) {
  struct worker_link *k = link_of(sv);
  struct packet m = {.kind = MSG_CAN};
  int rv = inquiry_check(q, e);
  if (rv != 0)
    return rv;
  inquiry_from(k, q, &m.as.inquiry);
  if ((rv = question(k, &m)) == ERR_INVALID)
    return invalid_there(k, e);
  if (rv != 0)
    return ERR_NOMEM;
  *ret = k->reply.as.reply.verdict != 0;
  return 0;
}

const struct authority authority_there = {.ask = ask_there,
                                          .policy = policy_there,
                                          .group = group_there,
                                          .scope = scope_there,
                                          .evaluate = evaluate_there,
                                          .can = can_there,
                                          .hold = hold_set,
                                          .drop = drop_set};

/* ------------------------------------------------- connections, modules --- */

static int dial_there(struct services *sv, struct slice url,
                      const struct guard_place *where,
                      const struct opening_options *opts,
                      struct remote_dial *d) {
  struct worker_link *k = link_of(sv);
  struct packet m = {.kind = MSG_CONNECT};
  struct msg_header headers[PROTOCOL_HEADERS_MAX];
  _Static_assert(PROTOCOL_URL_MAX >= URL_TOLD_BYTES,
                 "as it is told in process");
  if (url.len > PROTOCOL_URL_MAX)
    url.len = PROTOCOL_URL_MAX; /* still too long to be a URL */
  for (size_t i = 0; i < opts->nheaders && i < PROTOCOL_HEADERS_MAX; i++)
    headers[i] =
        (struct msg_header){opts->headers[i].name, opts->headers[i].value};
  m.as.connect = (struct msg_connect){
      .id = ++k->last_dial,
      .where = place_from(where),
      .url = url,
      .dial_timeout_ns = opts->dial_timeout_ns,
      .deflate = (uint8_t)opts->deflate,
      .headers = headers,
      .nheaders = (uint32_t)opts->nheaders,
      .protocols = (struct slice *)(uintptr_t)opts->protocols,
      .nprotocols = (uint32_t)opts->nprotocols};
  if (put(k, &m) != 0)
    return ERR_NOMEM;
  d->id = k->last_dial;
  list_add_tail(&k->dials, &d->node);
  return 0;
}

static void on_client(void *ud, const struct client_event *ev) {
  struct packet m = {.kind = MSG_CLOSED};
  if (ev->opened)
    return; /* the broker has seen it open */
  m.as.closed.number = ev->number;
  m.as.closed.code = ev->code;
  m.as.closed.clean = ev->clean;
  worker_link_tell(ud, &m);
}

static int zone_there(struct services *sv, struct slice name,
                      struct slice *ret_data) {
  struct worker_link *k = link_of(sv);
  struct packet m = {.kind = MSG_ZONE};
  int rv;
  m.as.text = name;
  if ((rv = question(k, &m)) == 0)
    *ret_data = k->reply.as.reply.text.text;
  return rv;
}

static int match_there(struct services *sv, struct slice pattern,
                       struct slice text, bool *ret_found, struct err *e) {
  struct worker_link *k = link_of(sv);
  struct packet m = {.kind = MSG_MATCH};
  struct slice why;
  int rv;
  m.as.match = (struct msg_match){pattern, text};
  rv = question(k, &m);
  *ret_found = rv == 0 && k->reply.as.reply.verdict != 0;
  why = k->reply.as.reply.message;
  if (rv == ERR_SYNTAX || rv == ERR_LIMIT)
    err_setf(e, rv, "%.*s", (int)why.len, why.p);
  return rv;
}

static const struct lookup lookup_there = {.zone = zone_there,
                                           .match = match_there};

int worker_link_require(void *ud, const char *name, const char **ret_name,
                        struct slice *ret_text) {
  struct worker_link *k = ud;
  struct packet m = {.kind = MSG_REQUIRE};
  const struct msg_text *t = &k->reply.as.reply.text;
  int rv;
  if (!k->requires || strlen(name) > PROTOCOL_MODULE_MAX)
    return ERR_NOT_FOUND;
  m.as.text = slice_of(name);
  if ((rv = question(k, &m)) != 0)
    return rv == ERR_NOT_FOUND ? rv : ERR_SYSTEM;
  mem_free(&k->mem, k->module, k->module_len + 1);
  k->module = mem_strndup(&k->mem, t->name.p, t->name.len);
  k->module_len = k->module ? t->name.len : 0;
  if (!k->module)
    return ERR_SYSTEM;
  *ret_name = k->module;
  /* longer than what came only where it is too long to be looked at */
  *ret_text = (struct slice){t->text.p, (size_t)t->len};
  return 0;
}

void worker_link_serve(struct worker_link *k, const struct msg_setup *s) {
  struct services *sv = &k->services;
  sv->authority = &authority_there;
  sv->lookup = &lookup_there;
  sv->dial = dial_there;
  sv->on_client = on_client;
  sv->guard.ud = k;
  sv->max_clients = s->connections;
  k->requires = s->requires;
  k->actor.id = s->actor.id;
  k->actor.meta = s->actor.meta;
  sv->guard.actor = s->actor.known ? &k->actor : NULL;
}
