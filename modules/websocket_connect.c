/* websocket_connect.c - websocket.connect: from the question to the policies
 * to an open connection, or to an error for the script. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "modules/errors.h"
#include "modules/websocket_client.h"
#include "modules/websocket_options.h"
#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/object.h"

#define ANSWER_MAX_BYTES (64 * 1024)
/* What a connection begins with, about: not asked of Lua, which would collect
 * garbage for it. */
#define CONNECTION_BYTES (16 * 1024)

/* What is needed until a connection is open. */
struct dial {
  struct mem mem;
  struct wait wait;
  struct dial_answer answer; /* for the script, once it is there */
  struct admission admission;
  /* in a worker */
  struct state *st;
  struct client *client;
  struct remote_dial remote;
  struct session_options session;
  struct arena texts; /* of |answer| */
};

void client_dial_free(struct client *c) {
  struct dial *d = c->dial;
  struct mem m;
  if (!d)
    return;
  gate_enter();
  c->dial = NULL;
  if (c->sv->dialer)
    c->sv->dialer->deinit(&d->admission);
  list_remove(&d->remote.node);
  arena_deinit(&d->texts);
  m = d->mem;
  mem_free(&m, d, sizeof *d);
  gate_leave();
}

void client_dial_forget(struct client *c) {
  if (c->dial)
    list_remove(&c->dial->remote.node);
}

/* ---------------------------------------------- opened by this process --- */

static int on_judge(void *ud, const struct ip *ip, uint16_t port) {
  struct client *c = ud;
  return c->sv->dialer->judge(&c->dial->admission, ip, port);
}

static void on_opened(void *ud) {
  struct client *c = ud;
  struct client_event event = {.number = ++c->sv->opened,
                               .opened = true,
                               .url = c->dial->admission.url.text,
                               .where = &c->dial->admission.where};
  c->number = event.number;
  c->sv->on_client(c->sv->guard.ud, &event);
  wait_wake(&c->dial->wait);
}

static void on_failed(void *ud, const struct connection_failure *f) {
  struct client *c = ud;
  struct connection *conn = c->conn;
  c->sv->dialer->failed(&c->dial->admission, f, &c->dial->answer);
  c->conn = NULL;
  client_forget(c);
  connection_free(conn);
  channel_host_close(c->ch);
  wait_wake(&c->dial->wait);
}

static const struct connection_handler handler = {.judge = on_judge,
                                                  .opened = on_opened,
                                                  .failed = on_failed,
                                                  .message = client_on_message,
                                                  .closed = client_on_closed};

/* ------------------------------------------------- opened by the broker --- */

static bool keep_text(struct arena *a, struct slice *s) {
  char *copy = s->p ? arena_strndup(a, s->p, s->len) : NULL;
  bool ok = copy || !s->p;
  s->p = copy;
  return ok;
}

/* The answer outlives the message it came in. */
static bool keep_answer(struct dial *d, const struct dial_answer *a) {
  struct refusal *r = &d->answer.refusal;
  d->answer = *a;
  return keep_text(&d->texts, &r->action) &&
         keep_text(&d->texts, &r->resource) &&
         keep_text(&d->texts, &r->policy) && keep_text(&d->texts, &r->reason) &&
         keep_text(&d->texts, &d->answer.url);
}

/* It is open over there, and cannot be used here. */
static void adopt_failed(struct dial *d, int code, const char *why) {
  struct dial_answer *a = &d->answer;
  memset(a, 0, sizeof *a);
  a->end = DIAL_FAILED;
  a->failure.code = code;
  a->failure.stage = STAGE_HANDSHAKE;
  snprintf(a->failure.reason, sizeof a->failure.reason, "%s", why);
}

static void on_remote(struct remote_dial *rd, const struct remote_answer *a) {
  struct dial *d = list_entry(rd, struct dial, remote);
  struct client *c = d->client;
  struct state *st = d->st;
  int rv;
  if (!keep_answer(d, &a->answer)) {
    adopt_failed(d, ERR_NOMEM, err_text(ERR_NOMEM));
  } else if (a->answer.end == DIAL_OPEN) {
    c->number = a->number;
    d->session.deflate = a->deflate;
    rv = a->fd < 0
             ? ERR_LIMIT
             : connection_adopt(&c->conn, st->loop, a->fd, a->rest, a->protocol,
                                &d->session, &handler, c, &st->mem);
    if (rv != 0) {
      if (a->fd >= 0)
        close(a->fd);
      adopt_failed(d, rv,
                   rv == ERR_LIMIT ? "no descriptor is left" : err_text(rv));
      client_tell_end(c, CLOSE_LOST, false);
    }
  }
  if (d->answer.end != DIAL_OPEN) {
    client_forget(c);
    channel_host_close(c->ch);
  }
  wait_wake(&d->wait);
}

/* ------------------------------------------------------------ connect --- */

static bool dial_live(const struct wait *w) {
  (void)w; /* the dial timeout ends it at the latest */
  return true;
}

static int connect_failed(lua_State *L, const struct dial_answer *a) {
  const struct connection_failure *f = &a->failure;
  lua_pushnil(L);
  lua_createtable(L, 0, 4);
  lua_pushlstring(L, a->url.p, a->url.len);
  lua_setfield(L, -2, "url");
  lua_pushstring(L, connection_stage_name(f->stage));
  lua_setfield(L, -2, "stage");
  lua_pushstring(L, f->reason);
  lua_setfield(L, -2, "reason");
  if (f->http_status != 0) {
    lua_pushinteger(L, (lua_Integer)f->http_status);
    lua_setfield(L, -2, "status");
  }
  error_push(L, KIND_INTERNAL, true, lua_gettop(L),
             "connection to %.*s failed: %s", (int)a->url.len, a->url.p,
             f->reason);
  lua_remove(L, -2);
  return 2;
}

/* nil and the error of a connect that did not come to a connection. */
static int not_open(lua_State *L, const struct dial_answer *a) {
  switch (a->end) {
  case DIAL_REFUSED:
    lua_pushnil(L);
    guard_push_refusal(L, &a->refusal);
    return 2;
  case DIAL_INVALID:
    return fail_nil(L, KIND_INVALID, false, "%s", a->message);
  case DIAL_DRY_RUN:
    return fail_nil(L, KIND_UNAVAILABLE, false, "%s", a->message);
  case DIAL_LIMITED:
    return fail_nil(L, KIND_RATE_LIMITED, true, "%s", a->message);
  case DIAL_FAILED:
  case DIAL_OPEN:
    break;
  }
  return connect_failed(L, a);
}

/* Stack: URL, options, client. */
static int connect_done(lua_State *L, int status, lua_KContext ctx) {
  struct client *c = object_get(L, 3);
  (void)status;
  (void)ctx;
  if (c->dial->answer.end != DIAL_OPEN) {
    int n = not_open(L, &c->dial->answer);
    client_dial_free(c);
    return n;
  }
  client_dial_free(c);
  if (c->conn) {
    struct slice protocol = connection_subprotocol(c->conn);
    if (protocol.len > 0) {
      lua_pushlstring(L, protocol.p, protocol.len);
      lua_setiuservalue(L, 3, USER_PROTOCOL);
    }
  }
  lua_settop(L, 3);
  return 1;
}

static int start_remote(lua_State *L, struct client *c, struct slice url,
                        const struct guard_place *where,
                        struct websocket_options *o) {
  struct services *sv = c->sv;
  struct dial *d = c->dial;
  int rv;
  d->wait.what = "websocket.connect";
  d->wait.live = dial_live;
  task_check_wait(L, d->wait.what);
  gate_enter();
  d->st = state_of(L);
  d->client = c;
  d->session = o->net.session;
  d->remote.done = on_remote;
  rv = sv->dial(sv, url, where, &o->net.opening, &d->remote);
  if (rv == 0) {
    list_add_tail(&sv->clients, &c->node);
    sv->nclients++;
    wait_begin(L, &d->wait);
  }
  gate_leave();
  if (rv != 0)
    return state_no_memory(L);
  return task_wait(L, &d->wait, 0, connect_done);
}

static int start_dial(lua_State *L, struct client *c,
                      struct websocket_options *o) {
  struct state *st = state_of(L);
  struct services *sv = c->sv;
  struct err e;
  int rv;
  o->net.opening.url = &c->dial->admission.url;
  c->dial->wait.what = "websocket.connect";
  c->dial->wait.live = dial_live;
  task_check_wait(L, c->dial->wait.what);
  gate_enter();
  rv = sv->dialer->connect(&c->conn, st->loop, sv->resolver, sv->tls, &o->net,
                           &handler, c, &st->mem, &e);
  if (rv == 0) {
    list_add_tail(&sv->clients, &c->node);
    sv->nclients++;
    wait_begin(L, &c->dial->wait);
  }
  gate_leave();
  if (rv != 0) {
    client_dial_free(c);
    if (rv == ERR_NOMEM)
      return state_no_memory(L);
    return fail_nil(L, KIND_INVALID, false, "%s", e.message);
  }
  return task_wait(L, &c->dial->wait, 0, connect_done);
}

int websocket_connect(lua_State *L) {
  struct state *st = state_of(L);
  struct slice text = arg_slice(L, 1);
  struct websocket_options o;
  struct guard_place where;
  struct client *c;
  int rv;
  if (!lua_isnoneornil(L, 2))
    luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  luaL_checkstack(L, 10, NULL);
  if ((rv = websocket_options_read(L, 2, &o)) != 0)
    return rv;
  if (!st->current || !task_can_wait(L))
    return fail_nil(L, KIND_INTERNAL, false,
                    "websocket.connect cannot wait here: no context that can "
                    "be suspended");
  guard_here(L, &where);
  (void)objects_room(L, CONNECTION_BYTES);
  c = client_new(L, o.capacity, o.net.session.control_messages);
  gate_enter();
  c->dial = mem_zalloc(&st->mem, sizeof *c->dial);
  if (c->dial) {
    c->dial->mem = st->mem;
    list_init(&c->dial->remote.node);
    arena_init(&c->dial->texts, &st->mem, ANSWER_MAX_BYTES);
  }
  gate_leave();
  if (!c->dial)
    return state_no_memory(L);
  if (c->sv->dial)
    return start_remote(L, c, text, &where, &o);
  gate_enter();
  c->sv->dialer->ask(&c->dial->admission, c->sv, text, &where,
                     loop_now_ns(st->loop), &c->dial->answer);
  gate_leave();
  if (c->dial->answer.end != DIAL_OPEN) {
    int n = not_open(L, &c->dial->answer);
    client_dial_free(c);
    return n;
  }
  return start_dial(L, c, &o);
}
