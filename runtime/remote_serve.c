/* remote_serve.c - what a worker asks for: judged by the sandbox's guard, and
 * answered.  Whoever sends these messages may be anybody. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "modules/value_lua.h"
#include "runtime/base/clock.h"
#include "runtime/net/opening.h"
#include "runtime/remote_inside.h"

/* The longest a script can ask for: websocket_options.c's, and str_duration's.
 */
#define DIAL_TIMEOUT_MAX_NS ((uint64_t)INT64_MAX)

struct guard_place place_of(const struct msg_place *m) {
  struct guard_place where = {.line = m->line};
  str_escape(where.script, sizeof where.script, m->script);
  return where;
}

struct msg_refusal refusal_to(const struct refusal *r) {
  bool by_policy = r->policy.p != NULL;
  return (struct msg_refusal){.action = r->action,
                              .resource = r->resource,
                              .by_policy = by_policy,
                              .why = by_policy ? r->policy : r->reason};
}

uint64_t remote_bill(struct remote *r) {
  uint64_t paid_ns = till_paid_ns(loop_till(r->host->loop), &r->payer);
  uint64_t ns = paid_ns - r->told_ns;
  r->told_ns = paid_ns;
  return ns;
}

/* --------------------------------------------------------- policy sets --- */

void remote_sets_free(struct remote *r) {
  for (size_t i = 0; i < REMOTE_SETS_MAX; i++) {
    struct remote_set *s = &r->sets[i];
    policy_set_unref(s->set);
    mem_free(&r->mem, s->shown, s->shown_bytes);
    memset(s, 0, sizeof *s);
  }
}

static struct remote_set *set_by_number(struct remote *r, uint32_t number) {
  for (size_t i = 0; i < REMOTE_SETS_MAX && number != 0; i++)
    if (r->sets[i].number == number)
      return &r->sets[i];
  return NULL;
}

/* The place of |set|, made where there is none.  NULL: no memory, or the worker
 * holds too many. */
static struct remote_set *set_shown(struct remote *r, struct policy_set *set) {
  struct remote_set *free_place = NULL;
  for (size_t i = 0; i < REMOTE_SETS_MAX; i++) {
    struct remote_set *s = &r->sets[i];
    if (s->number != 0 && s->set == set)
      return s;
    if (s->number == 0 && !free_place)
      free_place = s;
  }
  if (!free_place)
    return NULL;
  free_place->shown_bytes = policy_set_len(set) / 8 + 1;
  free_place->shown = mem_zalloc(&r->mem, free_place->shown_bytes);
  if (!free_place->shown)
    return NULL;
  free_place->set = policy_set_ref(set);
  free_place->number = ++r->last_set != 0 ? r->last_set : ++r->last_set;
  return free_place;
}

static bool was_shown(const struct remote_set *s, size_t i) {
  return i < policy_set_len(s->set) && (s->shown[i / 8] >> (i % 8) & 1);
}

/* The lists it may send grow with what it has seen. */
static void show(struct remote *r, struct remote_set *s, size_t i) {
  if (was_shown(s, i))
    return;
  s->shown[i / 8] |= (uint8_t)(1u << (i % 8));
  r->npolicies_shown++;
  r->wire.in_max = protocol_from_worker_max(r->npolicies_shown);
  r->wire.in.max = r->wire.in_max + PROTOCOL_HEADER;
}

static void on_drop(struct remote *r, uint32_t number) {
  struct remote_set *s = set_by_number(r, number);
  if (!s) {
    remote_violated(r, "it drops policies it does not hold");
    return;
  }
  for (size_t i = 0; i < policy_set_len(s->set); i++)
    r->npolicies_shown -= was_shown(s, i);
  policy_set_unref(s->set);
  mem_free(&r->mem, s->shown, s->shown_bytes);
  memset(s, 0, sizeof *s);
}

/* ---------------------------------------------------------- questions --- */

static struct services *services_of_remote(struct remote *r) {
  return &r->sb->services;
}

/* As Lua's own strings are: who records a question may rely on the NUL. */
static bool terminated(struct slice *s, struct arena *a) {
  char *copy = arena_strndup(a, s->p, s->len);
  if (copy)
    s->p = copy;
  return copy != NULL;
}

/* What the security module asks by itself: the rest is asked by those who do
 * it.  Static, as hosts are told the action as a C string. */
static struct slice action_known(struct slice action) {
  static const char *const actions[] = {"security.actor.create",
                                        "security.scope.create"};
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
    if (slice_is(action, actions[i]))
      return slice_of(actions[i]);
  return (struct slice){NULL, 0};
}

/* Is |v| what value_from_table makes? */
struct extent {
  size_t values;
  size_t bytes;
};

static bool value_fits(const struct value *v, unsigned depth,
                       struct extent *e) {
  bool table = v->type == VALUE_LIST || v->type == VALUE_MAP;
  if (++e->values > VALUE_LUA_MAX_VALUES + 1 || /* the outermost one is none */
      (table && depth >= VALUE_LUA_MAX_DEPTH))
    return false;
  switch (v->type) {
  case VALUE_STRING:
    e->bytes += v->as.string.len;
    break;
  case VALUE_LIST:
    for (size_t i = 0; i < v->as.list.len; i++)
      if (!value_fits(&v->as.list.items[i], depth + 1, e))
        return false;
    break;
  case VALUE_MAP:
    for (size_t i = 0; i < v->as.map.len; i++) {
      const struct value_member *m = &v->as.map.members[i];
      e->bytes += m->key.len;
      /* they are looked up as the order says */
      if ((i > 0 && slice_cmp(m[-1].key, m->key) >= 0) ||
          !value_fits(&m->value, depth + 1, e))
        return false;
    }
    break;
  default:
    break;
  }
  return e->bytes <= VALUE_LUA_MAX_BYTES;
}

static bool meta_fits(const struct value *meta) {
  struct extent e = {0, 0};
  return !meta || value_fits(meta, 0, &e);
}

/* What the security module lets a script ask, by type: the worker has looked at
 * it already, if it is still itself. */
static bool question_fits(const struct remote *r, const struct packet *m) {
  const struct msg_inquiry *q = &m->as.inquiry;
  switch (m->kind) {
  case MSG_ASK:
    return m->as.ask.resource.len <= INQUIRY_ID_MAX_BYTES;
  case MSG_POLICY:
  case MSG_GROUP:
    return m->as.named.id.len <= INQUIRY_ID_MAX_BYTES;
  case MSG_REQUIRE:
    return r->sb->require != NULL;
  case MSG_CAN:
    if (q->own_actor || q->actor.known || q->one || q->nruns > 0)
      return false;
    break;
  case MSG_EVALUATE:
    if (q->own_actor && q->actor.known)
      return false;
    break;
  default:
    return true;
  }
  return q->action.len <= INQUIRY_ACTION_MAX_BYTES &&
         q->resource.len <= INQUIRY_RESOURCE_MAX_BYTES &&
         q->actor.id.len <= INQUIRY_ID_MAX_BYTES && meta_fits(q->meta) &&
         meta_fits(q->actor.meta);
}

static void on_ask(struct remote *r, const struct msg_ask *m,
                   struct msg_reply *reply, struct arena *a) {
  struct services *sv = services_of_remote(r);
  struct guard_place where = place_of(&m->where);
  struct slice action = action_known(m->action);
  struct slice resource = m->resource;
  struct refusal refusal;
  if (!action.p) {
    remote_violated(r, "it asks about an action that is none of its own");
    return;
  }
  if (!terminated(&resource, a)) {
    reply->code = ERR_NOMEM;
    return;
  }
  if (sv->authority->ask(sv, action, resource, &where, &refusal))
    return;
  reply->code = ERR_DENIED;
  reply->refusal = refusal_to(&refusal);
}

static void on_policy(struct remote *r, const struct msg_named *m,
                      struct msg_reply *reply, struct msg_policy *one,
                      struct arena *a) {
  struct services *sv = services_of_remote(r);
  struct guard_place where = place_of(&m->where);
  struct slice id = m->id;
  const struct policy *p;
  struct refusal refusal;
  struct remote_set *s;
  void *set;
  if (!terminated(&id, a)) {
    reply->code = ERR_NOMEM;
    return;
  }
  reply->code = sv->authority->policy(sv, id, &where, &set, &p, &refusal);
  if (reply->code == ERR_DENIED)
    reply->refusal = refusal_to(&refusal);
  if (reply->code != 0)
    return;
  if (!(s = set_shown(r, set))) {
    reply->code = ERR_NOMEM;
    return;
  }
  show(r, s, p->index);
  *one = (struct msg_policy){(uint32_t)p->index, p->id};
  reply->set = s->number;
  reply->policies = one;
  reply->npolicies = 1;
}

/* The policies of |l|, in |a|. */
static void reply_listing(struct remote *r, const struct listing *l,
                          struct msg_reply *reply, struct arena *a) {
  const struct policy *p;
  struct remote_set *s;
  uint32_t n = 0;
  for (size_t i = 0; i < l->len; i++)
    n += l->at(l, i) != NULL;
  if (n == 0)
    return;
  reply->policies = arena_array(a, n, sizeof *reply->policies);
  s = reply->policies ? set_shown(r, l->set) : NULL;
  if (!s) {
    reply->code = ERR_NOMEM;
    return;
  }
  reply->set = s->number;
  for (size_t i = 0; i < l->len && reply->npolicies < n; i++) {
    if (!(p = l->at(l, i)))
      continue;
    show(r, s, p->index);
    reply->policies[reply->npolicies++] =
        (struct msg_policy){(uint32_t)p->index, p->id};
  }
}

static void on_group(struct remote *r, const struct msg_named *m,
                     struct msg_reply *reply, struct arena *a) {
  struct services *sv = services_of_remote(r);
  struct guard_place where = place_of(&m->where);
  struct slice id = m->id;
  struct refusal refusal;
  struct listing l;
  if (!terminated(&id, a)) {
    reply->code = ERR_NOMEM;
    return;
  }
  reply->code = sv->authority->group(sv, id, &where, &l, &refusal);
  if (reply->code == ERR_DENIED)
    reply->refusal = refusal_to(&refusal);
  else if (reply->code == 0)
    reply_listing(r, &l, reply, a);
}

static void on_scope(struct remote *r, struct msg_reply *reply,
                     struct arena *a) {
  struct services *sv = services_of_remote(r);
  struct listing l;
  if ((reply->code = sv->authority->scope(sv, &l)) == 0)
    reply_listing(r, &l, reply, a);
}

/* The policies that |m| names, all of which it was shown; NULL: not so, or no
 * memory.  |*ret_len| may be 0. */
static const struct policy **listed(struct remote *r,
                                    const struct msg_inquiry *m,
                                    struct arena *a, size_t *ret_len,
                                    bool *ret_honest) {
  const struct policy **list;
  size_t len = 0, n = 0;
  *ret_honest = false;
  *ret_len = 0;
  for (uint32_t i = 0; i < m->nruns; i++) {
    /* no list has a policy twice */
    if (m->runs[i].count > r->npolicies_shown - len)
      return NULL;
    len += m->runs[i].count;
  }
  list = arena_array(a, len + 1, sizeof *list);
  if (!list) {
    *ret_honest = true;
    return NULL;
  }
  for (uint32_t i = 0; i < m->nruns; i++) {
    const struct remote_set *s = set_by_number(r, m->runs[i].set);
    for (uint32_t j = 0; j < m->runs[i].count; j++) {
      if (!s || !was_shown(s, (size_t)m->runs[i].first + j))
        return NULL;
      list[n++] = policy_set_at(s->set, (size_t)m->runs[i].first + j);
    }
  }
  *ret_len = len;
  *ret_honest = true;
  return list;
}

static void reply_invalid(struct msg_reply *reply, struct err *e) {
  reply->message = slice_of(e->message);
}

static void on_evaluate(struct remote *r, const struct msg_inquiry *m,
                        struct msg_reply *reply, struct arena *a,
                        struct err *e) {
  struct services *sv = services_of_remote(r);
  struct actor actor = {m->actor.id, m->actor.meta};
  struct inquiry q = {.actor = &actor,
                      .action = m->action,
                      .resource = m->resource,
                      .meta = m->meta};
  enum verdict verdict = VERDICT_DENY;
  const struct policy **list;
  bool honest;
  size_t len;
  list = listed(r, m, a, &len, &honest);
  if (!honest || (m->own_actor ? !sv->guard.actor : !m->actor.known) ||
      (m->one && len != 1)) {
    remote_violated(r, "it asks about policies or actors it was not given");
    return;
  }
  if (!list) {
    reply->code = ERR_NOMEM;
    return;
  }
  if (m->own_actor)
    q.actor = sv->guard.actor;
  reply->code =
      authority_here.evaluate(sv, &q, list, NULL, len, m->one, &verdict, e);
  reply->verdict = (uint8_t)verdict;
  if (reply->code == ERR_INVALID)
    reply_invalid(reply, e);
}

static void on_can(struct remote *r, const struct msg_inquiry *m,
                   struct msg_reply *reply, struct err *e) {
  struct services *sv = services_of_remote(r);
  struct inquiry q = {
      .action = m->action, .resource = m->resource, .meta = m->meta};
  bool can = false;
  reply->code = sv->authority->can(sv, &q, &can, e);
  reply->verdict = can;
  if (reply->code == ERR_INVALID)
    reply_invalid(reply, e);
}

static void on_require(struct remote *r, struct slice name,
                       struct msg_reply *reply) {
  char text[PROTOCOL_MODULE_MAX + 1];
  const char *found = NULL;
  struct slice code;
  if (name.len > PROTOCOL_MODULE_MAX || memchr(name.p, '\0', name.len)) {
    reply->code = ERR_NOT_FOUND;
    return;
  }
  memcpy(text, name.p, name.len);
  text[name.len] = '\0';
  reply->code = sandbox_require(r->sb, text, &found, &code);
  if (reply->code != 0)
    return;
  reply->text.name = slice_of(found);
  reply->text.len = code.len;
  reply->text.text = code;
  if (code.len > r->limits.source_bytes) /* it will not be looked at */
    reply->text.text.len = 0;
}

/* What these two read and match with is bounded whoever asks. */
static void on_zone(struct remote *r, struct slice name,
                    struct msg_reply *reply) {
  struct services *sv = services_of_remote(r);
  struct slice data;
  reply->code = sv->lookup->zone(sv, name, &data);
  if (reply->code == 0)
    reply->text = (struct msg_text){{NULL, 0}, data.len, data};
}

static void on_match(struct remote *r, const struct msg_match *m,
                     struct msg_reply *reply, struct err *e) {
  struct services *sv = services_of_remote(r);
  bool found = false;
  reply->code = sv->lookup->match(sv, m->pattern, m->text, &found, e);
  reply->verdict = found;
  if (reply->code == ERR_SYNTAX || reply->code == ERR_LIMIT)
    reply_invalid(reply, e);
}

static void on_question(struct remote *r, const struct packet *m, bool last) {
  struct packet answer = {.kind = MSG_REPLY};
  struct msg_reply *reply = &answer.as.reply;
  struct msg_policy one;
  struct arena a;
  struct err e;
  if (!last) {
    remote_violated(r, "it does not wait for an answer");
    return;
  }
  if (!question_fits(r, m)) {
    remote_violated(r, "a question that no script can ask");
    return;
  }
  arena_init(&a, &r->mem, SIZE_MAX / 2);
  switch (m->kind) {
  case MSG_ASK:
    on_ask(r, &m->as.ask, reply, &a);
    break;
  case MSG_POLICY:
    on_policy(r, &m->as.named, reply, &one, &a);
    break;
  case MSG_GROUP:
    on_group(r, &m->as.named, reply, &a);
    break;
  case MSG_SCOPE:
    on_scope(r, reply, &a);
    break;
  case MSG_EVALUATE:
    on_evaluate(r, &m->as.inquiry, reply, &a, &e);
    break;
  case MSG_CAN:
    on_can(r, &m->as.inquiry, reply, &e);
    break;
  case MSG_ZONE:
    on_zone(r, m->as.text, reply);
    break;
  case MSG_MATCH:
    on_match(r, &m->as.match, reply, &e);
    break;
  default:
    on_require(r, m->as.text, reply);
    break;
  }
  reply->charged_ns = remote_bill(r);
  remote_tell(r, &answer, -1);
  arena_deinit(&a);
}

/* -------------------------------------------------------- connections --- */

static void opening_end(struct remote_opening *o) {
  struct remote *r = o->remote;
  list_remove(&o->node);
  opening_free(o->opening);
  admission_deinit(&o->admission);
  mem_free(&r->mem, o, sizeof *o);
}

static void tell_dialed(struct remote *r, uint32_t id,
                        const struct dial_answer *a) {
  struct packet m = {.kind = MSG_DIALED};
  struct msg_dialed *d = &m.as.dialed;
  d->id = id;
  d->end = (uint8_t)a->end;
  d->charged_ns = remote_bill(r);
  d->message = slice_of(a->message);
  if (a->end == DIAL_REFUSED)
    d->refusal = refusal_to(&a->refusal);
  if (a->end == DIAL_FAILED) {
    d->url = a->url;
    d->code = a->failure.code;
    d->stage = (uint8_t)a->failure.stage;
    d->http_status = a->failure.http_status;
    d->message = slice_of(a->failure.reason);
  }
  remote_tell(r, &m, -1);
}

static int on_judge(void *ud, const struct ip *ip, uint16_t port) {
  struct remote_opening *o = ud;
  return admission_judge(&o->admission, ip, port);
}

/* It did not come to a connection. */
static void not_opened(struct remote_opening *o,
                       const struct connection_failure *f) {
  struct remote *r = o->remote;
  struct dial_answer a;
  list_remove(&o->node);
  admission_failed(&o->admission, f, &a);
  r->sb->services.nclients--;
  tell_dialed(r, o->id, &a);
  opening_end(o);
}

static void on_failed(void *ud, const struct connection_failure *f) {
  struct remote *r = ((struct remote_opening *)ud)->remote;
  not_opened(ud, f);
  remote_flush(r);
}

/* A relay has ended, and the worker may be about to say why. */
#define WORD_NS (1 * NS_PER_S)

static void on_relay_ended(void *ud) {
  struct remote_open *o = ud;
  struct remote *r = o->remote;
  o->relay = NULL;
  o->lost_ns = clock_mono_ns() + WORD_NS;
  if (r->lost_ns == 0)
    r->lost_ns = o->lost_ns;
  remote_arm(r);
}

/* An unconnected one could be connected by sending to an address. */
static bool is_connected(int fd) {
  struct sockaddr_storage peer;
  socklen_t len = sizeof peer;
  return getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
}

/* The descriptor for the worker: the socket itself, or one end of a relay to
 * it, since the keys of TLS stay here, and so does a socket that the peer has
 * reset meanwhile: what came before is the script's all the same.  -1 with
 * errno: neither |*s| nor anything else is left. */
static int fd_for_worker(struct remote *r, struct stream *s,
                         struct remote_open *open) {
  int fd = is_connected(s->fd) ? stream_take_fd(s) : -1, pair[2];
  if (fd >= 0)
    return fd;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                 pair) != 0) {
    stream_free(s);
    return -1;
  }
  if (relay_new(&open->relay, &r->relays, s, pair[0], &r->host->relays,
                on_relay_ended, open) == 0)
    return pair[1];
  close(pair[0]);
  close(pair[1]);
  stream_free(s);
  errno = ENOMEM;
  return -1;
}

static void on_opened(void *ud, const struct opened *op) {
  struct remote_opening *o = ud;
  struct remote *r = o->remote;
  struct services *sv = services_of_remote(r);
  struct packet m = {.kind = MSG_DIALED};
  struct remote_open *open = mem_zalloc(&r->mem, sizeof *open);
  struct connection_failure f = {.code = ERR_SYSTEM, .stage = STAGE_HANDSHAKE};
  struct client_event event;
  char rest[OPENING_REST_MAX];
  int fd = open ? fd_for_worker(r, op->stream, open) : -1;
  if (!open)
    stream_free(op->stream);
  if (fd < 0) {
    snprintf(f.reason, sizeof f.reason, "%s",
             open ? strerror(errno) : err_text(ERR_NOMEM));
    mem_free(&r->mem, open, sizeof *open);
    not_opened(o, &f);
    remote_flush(r);
    return;
  }
  list_remove(&o->node);
  open->remote = r;
  open->number = ++sv->opened;
  list_add_tail(&r->opens, &open->node);
  event = (struct client_event){.number = open->number,
                                .opened = true,
                                .url = o->admission.url.text,
                                .where = &o->admission.where};
  sv->on_client(sv->guard.ud, &event);
  memcpy(rest, op->rest.p ? op->rest.p : "", op->rest.len);
  m.as.dialed = (struct msg_dialed){
      .id = o->id,
      .end = DIAL_OPEN,
      .number = open->number,
      .charged_ns = remote_bill(r),
      .protocol = op->protocol,
      .rest = {rest, op->rest.len},
      .deflate = {op->deflate.on, op->deflate.in_takeover,
                  op->deflate.out_takeover, op->deflate.in_bits,
                  op->deflate.out_bits}};
  remote_tell(r, &m, fd);
  opening_end(o);
  remote_flush(r);
}

/* Answers at once, or starts to open it. */
static void start_opening(struct remote *r, const struct msg_connect *m,
                          struct remote_opening *o, struct dial_answer *a) {
  static const struct opening_handler handler = {
      .judge = on_judge, .opened = on_opened, .failed = on_failed};
  struct header headers[PROTOCOL_HEADERS_MAX];
  struct opening_options opts = {.url = &o->admission.url,
                                 .headers = headers,
                                 .nheaders = m->nheaders,
                                 .protocols = m->protocols,
                                 .nprotocols = m->nprotocols,
                                 .deflate = (enum deflate_mode)m->deflate,
                                 .dial_timeout_ns = m->dial_timeout_ns};
  struct err e;
  int rv;
  for (uint32_t i = 0; i < m->nheaders; i++)
    headers[i] = (struct header){m->headers[i].name, m->headers[i].value};
  rv = opening_new(&o->opening, r->host->loop, r->host->resolver, r->host->tls,
                   &opts, &handler, o, &r->mem, &e);
  if (rv != 0) {
    a->end = DIAL_INVALID;
    snprintf(a->message, sizeof a->message, "%s", e.message);
  }
}

static void on_connect(struct remote *r, const struct msg_connect *m) {
  struct services *sv = services_of_remote(r);
  struct guard_place where = place_of(&m->where);
  struct remote_opening *o;
  struct dial_answer a;
  if (m->dial_timeout_ns == 0 || m->dial_timeout_ns > DIAL_TIMEOUT_MAX_NS) {
    remote_violated(r, "a connect without a timeout");
    return;
  }
  o = mem_zalloc(&r->mem, sizeof *o);
  if (!o) {
    memset(&a, 0, sizeof a);
    a.end = DIAL_FAILED;
    a.failure.code = ERR_NOMEM;
    a.url = m->url;
    snprintf(a.failure.reason, sizeof a.failure.reason, "%s",
             err_text(ERR_NOMEM));
    tell_dialed(r, m->id, &a);
    return;
  }
  o->remote = r;
  o->id = m->id;
  list_init(&o->node);
  admission_ask(&o->admission, sv, m->url, &where, loop_now_ns(r->host->loop),
                &a);
  if (a.end == DIAL_OPEN)
    start_opening(r, m, o, &a);
  if (a.end == DIAL_OPEN) {
    list_add_tail(&r->openings, &o->node);
    sv->nclients++;
    return;
  }
  tell_dialed(r, m->id, &a);
  opening_end(o);
}

/* Once of each connection. */
static void tell_end(struct remote_open *o, uint16_t code, bool clean,
                     bool by_worker) {
  struct services *sv = services_of_remote(o->remote);
  struct client_event event = {.number = o->number,
                               .code = code,
                               .clean = clean,
                               .by_worker = by_worker};
  if (!o->told)
    sv->on_client(sv->guard.ud, &event);
  o->told = true;
}

/* It does not count any more, and what the worker may still say over a relay is
 * bounded. */
static void forget_open(struct remote_open *o) {
  struct remote *r = o->remote;
  struct relay *relay = o->relay;
  list_remove(&o->node);
  mem_free(&r->mem, o, sizeof *o);
  r->sb->services.nclients--;
  if (relay)
    relay_part(relay, r->stop == STOP_CPU);
}

static void on_closed(struct remote *r, const struct msg_closed *m) {
  if (m->code < 1000 || m->code > 4999 || (m->clean && m->code == CLOSE_LOST)) {
    remote_violated(r, "a close code that cannot be");
    return;
  }
  list_foreach (it, &r->opens) {
    struct remote_open *o = list_entry(it, struct remote_open, node);
    if (o->number != m->number)
      continue;
    tell_end(o, m->code, m->clean, true);
    forget_open(o);
    return;
  }
  remote_violated(r, "it closes a connection it does not have");
}

void remote_look_for_lost(struct remote *r, uint64_t now) {
  uint64_t next = 0;
  list_foreach (it, &r->opens) {
    struct remote_open *o = list_entry(it, struct remote_open, node);
    if (o->lost_ns == 0 || o->told)
      continue;
    if (o->lost_ns <= now)
      tell_end(o, CLOSE_LOST, false, false);
    else if (next == 0 || o->lost_ns < next)
      next = o->lost_ns;
  }
  r->lost_ns = next;
}

static void end_openings(struct remote *r) {
  while (!list_empty(&r->openings)) {
    r->sb->services.nclients--;
    opening_end(list_entry(r->openings.next, struct remote_opening, node));
  }
}

void remote_spend(struct remote *r) {
  static const struct connection_failure spent = {
      .code = ERR_TIMEOUT,
      .stage = STAGE_TIMEOUT,
      .reason = "the script has used its CPU time up"};
  r->spent = true;
  /* Each is answered: the worker may have less on its own account, and would
   * wait for ever. */
  while (!list_empty(&r->openings))
    not_opened(list_entry(r->openings.next, struct remote_opening, node),
               &spent);
  deferred_schedule(r->host->loop, &r->more);
}

void remote_serve_end(struct remote *r) {
  end_openings(r);
  while (!list_empty(&r->opens)) {
    struct remote_open *o = list_entry(r->opens.next, struct remote_open, node);
    tell_end(o, CLOSE_LOST, false, false);
    forget_open(o);
  }
}

/* ------------------------------------------------------ what it tells --- */

static void on_output(struct remote *r, struct slice text) {
  if (text.len > r->limits.output_bytes - r->output_bytes) {
    remote_over_output(r);
    return;
  }
  r->output_bytes += text.len;
  if (r->sb->output)
    r->sb->output(r->sb->ud, text.p, text.len);
}

/* A worker cannot say what only the broker or the host can know. */
static bool result_ok(const struct remote *r, const struct msg_result *m) {
  switch (m->fault.code) {
  case 0:
  case ERR_SCRIPT:
  case ERR_SYSTEM:
  case ERR_NOMEM:
    return m->stop == STOP_NONE;
  case ERR_LIMIT:
    return m->stop > STOP_NONE && m->stop < STOP_CANCEL;
  case ERR_CANCELED:
    return r->canceled && m->stop == STOP_CANCEL;
  default:
    return false;
  }
}

static void on_result(struct remote *r, const struct msg_result *m) {
  struct err e;
  if (!result_ok(r, m)) {
    remote_violated(r, "a result that cannot be");
    return;
  }
  remote_take_usage(r, &m->usage);
  r->stop = (enum stop_reason)m->stop;
  r->goodbyes = m->goodbyes;
  fault_to_err(&e, &m->fault);
  remote_take_value(r, m);
  if (r->phase == REMOTE_ENDED)
    return; /* it was no value */
  sandbox_keep_traceback(r->sb, m->traceback);
  if (r->dropped && r->stop == STOP_NONE) { /* not all of it was written */
    r->stop = STOP_CPU;
    err_setf(&e, ERR_LIMIT, "the CPU limit is reached");
  }
  if (e.code == ERR_SCRIPT)
    str_escape(r->result.kind, sizeof r->result.kind, m->kind);
  remote_end(r, e.code, &e);
}

static void on_loaded(struct remote *r, const struct msg_result *m) {
  struct err e;
  int code = m->fault.code;
  if (r->phase != REMOTE_LOADING ||
      (code != 0 && code != ERR_SYNTAX && code != ERR_NOMEM &&
       code != ERR_LIMIT && code != ERR_SYSTEM && code != ERR_INVALID &&
       code != ERR_UNSUPPORTED)) {
    remote_violated(r, "it says that something is loaded which is not");
    return;
  }
  remote_take_usage(r, &m->usage);
  r->phase = REMOTE_RUNNING;
  if (code == 0)
    return;
  fault_to_err(&e, &m->fault);
  if (code == ERR_LIMIT && m->stop > STOP_NONE && m->stop < STOP_CANCEL)
    r->stop = (enum stop_reason)m->stop;
  remote_end(r, code, &e);
}

void remote_handle(struct remote *r, const struct packet *m, bool last) {
  if (r->phase == REMOTE_ENDED || !r->sb)
    return; /* it is over: what it says of its goodbyes changes nothing */
  if (r->phase == REMOTE_NEW ||
      (r->phase == REMOTE_LOADING && m->kind != MSG_LOADED)) {
    remote_violated(r, "a message before a script is loaded");
    return;
  }
  if (packet_is_question(m->kind)) {
    on_question(r, m, last);
    return;
  }
  if (remote_handle_exchange(r, m))
    return;
  switch (m->kind) {
  case MSG_LOADED:
    on_loaded(r, &m->as.result);
    break;
  case MSG_OUTPUT:
    on_output(r, m->as.text);
    break;
  case MSG_CONNECT:
    on_connect(r, &m->as.connect);
    break;
  case MSG_CLOSED:
    on_closed(r, &m->as.closed);
    break;
  case MSG_DROP:
    on_drop(r, m->as.set);
    break;
  case MSG_USAGE:
    remote_take_usage(r, &m->as.usage);
    break;
  case MSG_RESULT:
    on_result(r, &m->as.result);
    break;
  default:
    remote_violated(r, "a message that only a broker sends");
    break;
  }
}
