/* channel.c - channels with Go's semantics, for tasks of a script and for the
 * host.
 *
 * A value on its way from task to task moves straight from the stack of one
 * parked coroutine to the other's: no memory is needed once somebody waits. */
#include "modules/channel.h"

#include <string.h>

#include "modules/errors.h"
#include "modules/modules.h"
#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/object.h"

#define CHANNEL_META "channel"
#define CASE_META "channel.case"
#define CHANNEL_MAX_CAPACITY 10000

struct op;

/* One channel that an operation waits on. */
struct waiter {
  struct list node; /* in recvq or sendq of |ch| */
  struct channel *ch;
  struct op *op;
  int index; /* of the case, from 1 */
  bool sends;
};

/* What a parked receive, send or select waits for.  In the task's scratch. */
struct op {
  struct wait wait;
  lua_State *L; /* the parked coroutine */
  int won;      /* index of the waiter that is served; 0: none yet */
  bool ok;      /* a value was passed; false: the channel was closed */
  struct channel_item *item; /* received from the host, not pushed yet */
  int n;
  int nhost; /* of them on channels of the host */
  struct waiter waiters[];
};

struct channel {
  struct object object;
  size_t capacity;
  size_t head; /* of the ring in user value 1; counts from 0 */
  size_t len;
  bool closed;
  struct list recvq; /* of struct waiter; first come first served */
  struct list sendq;
  /* the host's channels */
  bool is_host;
  bool detached;
  struct channel_host host;
  bool is_sink; /* |len| counts what the host has not taken */
  struct channel_sink sink;
  struct list items;            /* of struct channel_item; len counts them */
  struct list handed;           /* on their way to a script */
  struct channel_item *pushing; /* one of them; left there when that raised */
};

enum { USER_RING = 1, USER_OWNER = 2 };
enum { USER_CHANNEL = 1, USER_VALUE = 2 };

struct select_case {
  bool sends;
};

static struct channel *arg_channel(lua_State *L, int arg) {
  return object_check(L, arg, CHANNEL_META);
}

/* ------------------------------------------------------------- the ring --- */

/* Both expect the channel at absolute index |idx|. */
static void ring_put(lua_State *L, int idx, struct channel *ch, int value) {
  lua_getiuservalue(L, idx, USER_RING);
  lua_pushvalue(L, value);
  lua_rawseti(L, -2, (lua_Integer)((ch->head + ch->len) % ch->capacity) + 1);
  lua_pop(L, 1);
  ch->len++;
}

static void ring_take(lua_State *L, int idx, struct channel *ch) {
  lua_Integer at = (lua_Integer)ch->head + 1;
  lua_getiuservalue(L, idx, USER_RING);
  lua_rawgeti(L, -1, at);
  lua_pushnil(L); /* let go of the value */
  lua_rawseti(L, -3, at);
  lua_remove(L, -2);
  ch->head = (ch->head + 1) % ch->capacity;
  ch->len--;
}

/* ------------------------------------------------------------- waiting --- */

static void op_unlink(struct op *op) {
  for (int i = 0; i < op->n; i++)
    list_remove(&op->waiters[i].node);
}

static void sink_serve(struct channel *ch);

static void op_cancel(struct wait *w) {
  struct op *op = list_entry(w, struct op, wait);
  struct channel *ch = op->won > 0 ? op->waiters[op->won - 1].ch : NULL;
  if (op->nhost == 0 && state_of(op->L)->ended)
    return; /* nobody looks into its queues again, and there may be millions */
  op_unlink(op);
  if (ch && ch->is_sink && op->ok) { /* its place was kept for it */
    ch->len--;
    sink_serve(ch);
  }
  if (op->item) {
    list_remove(&op->item->node);
    op->item->drop(op->item);
    op->item = NULL;
  }
}

static bool op_live(const struct wait *w) {
  const struct op *op = list_entry(w, struct op, wait);
  /* the scheduler asks each task that waits: what only other tasks could wake
   * is told at a glance */
  for (int i = 0, left = op->nhost; left > 0; i++) {
    const struct channel *ch = op->waiters[i].ch;
    left -= ch->is_host || ch->is_sink;
    if (ch->is_sink)
      return true;
    if (ch->is_host && !ch->detached && ch->host.live(ch->host.ud))
      return true;
  }
  return false;
}

static struct op *op_new(lua_State *L, int n, const char *what) {
  struct op *op;
  task_check_wait(L, what);
  op = task_scratch(L, sizeof *op + (size_t)n * sizeof op->waiters[0]);
  memset(op, 0, sizeof *op);
  op->wait.what = what;
  op->wait.cancel = op_cancel;
  op->wait.live = op_live;
  op->L = L;
  return op;
}

/* Waiters are the script's memory, but they hang in queues of objects that
 * outlive it: what is counted must be linked. */
static void op_add(struct op *op, struct channel *ch, bool sends) {
  struct waiter *w = &op->waiters[op->n];
  gate_enter();
  op->n++;
  w->ch = ch;
  w->op = op;
  w->index = op->n;
  w->sends = sends;
  op->nhost += ch->is_host || ch->is_sink;
  list_add_tail(sends ? &ch->sendq : &ch->recvq, &w->node);
  gate_leave();
}

static void op_complete(struct waiter *w, bool ok) {
  struct op *op = w->op;
  gate_enter();
  op->won = w->index;
  op->ok = ok;
  op_unlink(op);
  wait_wake(&op->wait);
  gate_leave();
}

static struct waiter *first_waiter(struct list *queue) {
  return list_empty(queue) ? NULL
                           : list_entry(queue->next, struct waiter, node);
}

/* Pushes on |L| what the parked sender |w| wants to send.  Stack of a parked
 * send: channel, value; of a parked select: argument, table of its cases. */
static void take_from_sender(lua_State *L, struct waiter *w) {
  lua_State *from = w->op->L;
  if (lua_type(from, 1) == LUA_TUSERDATA) {
    lua_pushvalue(from, 2);
  } else {
    lua_rawgeti(from, 2, w->index);
    lua_getiuservalue(from, -1, USER_VALUE);
    lua_remove(from, -2);
  }
  lua_xmove(from, L, 1);
  op_complete(w, true);
}

/* Hands the value at |value| of |L| to the parked receiver |w|. */
static void give_to_receiver(lua_State *L, int value, struct waiter *w) {
  lua_pushvalue(L, value);
  lua_xmove(L, w->op->L, 1);
  op_complete(w, true);
}

/* ------------------------------------------------------- the operations --- */

static bool can_receive(const struct channel *ch) {
  return (ch->len > 0 && !ch->is_sink) || ch->closed || !list_empty(&ch->sendq);
}

static bool can_send(const struct channel *ch) {
  return ch->closed || !list_empty(&ch->recvq) ||
         (!ch->is_host && ch->len < ch->capacity);
}

static void push_item(lua_State *L, struct channel *ch, struct channel_item *it,
                      bool words);

static void taken(struct channel *ch) {
  gate_enter();
  if (!ch->detached && ch->host.taken)
    ch->host.taken(ch->host.ud);
  gate_leave();
}

static const char *const word_texts[WORDS_END] = {NULL, "type", "data", "text",
                                                  "binary"};

void channel_push_word(lua_State *L, bool at_hand, enum channel_word word) {
  if (at_hand)
    lua_pushvalue(L, lua_upvalueindex((int)word));
  else
    lua_pushstring(L, word_texts[word]);
}

/* Only if can_receive: pushes the value, returns ok.  |words|: the function
 * that runs has those of channel_push_word as its upvalues. */
static bool receive_now(lua_State *L, int idx, struct channel *ch, bool words) {
  struct waiter *sender;
  if (ch->is_host && ch->len > 0) {
    struct list *node;
    gate_enter();
    node = list_pop(&ch->items);
    list_add_tail(&ch->handed, node);
    ch->len--;
    gate_leave();
    taken(ch); /* before what may raise, or its source would rest for ever */
    push_item(L, ch, list_entry(node, struct channel_item, node), words);
    return true;
  }
  sender = first_waiter(&ch->sendq);
  if (ch->len > 0) {
    ring_take(L, idx, ch);
    if (sender) { /* there is a place now for the one who waited longest */
      take_from_sender(L, sender);
      ring_put(L, idx, ch, lua_gettop(L));
      lua_pop(L, 1);
    }
    return true;
  }
  if (sender) {
    take_from_sender(L, sender);
    return true;
  }
  lua_pushnil(L);
  return false;
}

static int closed_error(lua_State *L) {
  return luaL_error(L, "send on closed channel");
}

static void refuse_host(lua_State *L, const struct channel *ch) {
  if (ch->is_host)
    luaL_error(L, "this channel is fed by the host: it can only be received "
                  "from");
}

static void refuse_sink(lua_State *L, const struct channel *ch) {
  if (ch->is_sink)
    luaL_error(L, "this channel goes to the host: it can only be sent into");
}

/* Who waited longest for room in a sink has a place from now on. */
static void sink_serve(struct channel *ch) {
  struct waiter *w;
  while (ch->len < ch->capacity && (w = first_waiter(&ch->sendq)) != NULL) {
    ch->len++;
    op_complete(w, true);
  }
}

/* Into a sink with room. */
static void sink_send(lua_State *L, struct channel *ch, int value) {
  if (!ch->sink.send(L, value, ch->sink.ud)) {
    sink_serve(ch);
    lua_error(L);
  }
  ch->len++;
}

/* Only if can_send and not closed. */
static void send_now(lua_State *L, int idx, struct channel *ch, int value) {
  struct waiter *receiver = first_waiter(&ch->recvq);
  if (ch->is_sink)
    sink_send(L, ch, value);
  else if (receiver)
    give_to_receiver(L, value, receiver);
  else
    ring_put(L, idx, ch, value);
}

/* The item was handed out: it goes. */
static void item_end(struct channel_item *it) {
  gate_enter();
  list_remove(&it->node);
  it->drop(it);
  gate_leave();
}

/* What no receiver could be given, for lack of memory. */
static void drop_failed(struct channel *ch) {
  struct channel_item *it = ch->pushing;
  ch->pushing = NULL;
  if (it)
    item_end(it);
}

/* It stays among the handed ones meanwhile.  When memory is refused the error
 * goes to the script from here, and whoever comes next drops the item:
 * protected mode would cost every message as much as its table. */
static void push_item(lua_State *L, struct channel *ch, struct channel_item *it,
                      bool words) {
  drop_failed(ch);
  ch->pushing = it;
  luaL_checkstack(L, 4, NULL);
  it->push(L, it, words);
  ch->pushing = NULL;
  item_end(it);
}

static int receive_done(lua_State *L, int status, lua_KContext ctx) {
  struct op *op = (struct op *)ctx;
  bool ok = op->ok;
  (void)status;
  if (op->item) {
    struct channel_item *it = op->item;
    op->item = NULL;
    push_item(L, op->waiters[0].ch, it, true);
  } else if (!ok) {
    lua_pushnil(L);
  }
  lua_pushboolean(L, ok);
  return 2;
}

static int channel_receive(lua_State *L) {
  struct channel *ch = arg_channel(L, 1);
  struct op *op;
  refuse_sink(L, ch);
  drop_failed(ch);
  /* Who waits already is served first. */
  if (ch->is_host && ch->len == 0 && !ch->closed && ch->host.pull &&
      list_empty(&ch->recvq) && ch->host.pull(L, ch->host.ud, true)) {
    lua_pushboolean(L, true);
    return 2;
  }
  if (can_receive(ch)) {
    bool ok = receive_now(L, 1, ch, true);
    lua_pushboolean(L, ok);
    return 2;
  }
  lua_settop(L, 1);
  op = op_new(L, 1, "channel.receive");
  op_add(op, ch, false);
  return task_wait(L, &op->wait, (lua_KContext)op, receive_done);
}

static int send_done(lua_State *L, int status, lua_KContext ctx) {
  struct op *op = (struct op *)ctx;
  struct channel *ch = op->waiters[0].ch;
  (void)status;
  if (!op->ok)
    return closed_error(L);
  if (ch->is_sink) {
    ch->len--; /* the place that was kept */
    sink_send(L, ch, 2);
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int channel_send(lua_State *L) {
  struct channel *ch = arg_channel(L, 1);
  struct op *op;
  refuse_host(L, ch);
  lua_settop(L, 2);
  if (ch->closed)
    return closed_error(L);
  if (can_send(ch)) {
    send_now(L, 1, ch, 2);
    lua_pushboolean(L, 1);
    return 1;
  }
  op = op_new(L, 1, "channel.send");
  op_add(op, ch, true);
  return task_wait(L, &op->wait, (lua_KContext)op, send_done);
}

static void close_now(struct channel *ch) {
  struct waiter *w;
  if (ch->closed)
    return;
  ch->closed = true;
  while ((w = first_waiter(&ch->recvq)) != NULL)
    op_complete(w, false);
  while ((w = first_waiter(&ch->sendq)) != NULL)
    op_complete(w, false);
}

static int channel_close(lua_State *L) {
  struct channel *ch = arg_channel(L, 1);
  refuse_host(L, ch);
  if (ch->is_sink && !ch->closed) {
    gate_enter();
    ch->sink.shut(ch->sink.ud);
    gate_leave();
  }
  close_now(ch);
  return 0;
}

static int channel_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)arg_channel(L, 1)->len);
  return 1;
}

static int channel_capacity(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)arg_channel(L, 1)->capacity);
  return 1;
}

static void drop_items(struct list *items) {
  while (!list_empty(items))
    item_end(list_entry(items->next, struct channel_item, node));
}

static void channel_release(struct object *o) {
  struct channel *ch = list_entry(o, struct channel, object);
  close_now(ch);
  drop_items(&ch->items);
  drop_items(&ch->handed);
  if (ch->is_host && !ch->detached)
    ch->host.gone(ch->host.ud);
  if (ch->is_sink)
    ch->sink.gone(ch->sink.ud);
}

/* --------------------------------------------------------------- select --- */

static int new_case(lua_State *L, bool sends) {
  struct select_case *c = lua_newuserdatauv(L, sizeof *c, 2);
  c->sends = sends;
  luaL_setmetatable(L, CASE_META);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, USER_CHANNEL);
  if (sends) {
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, USER_VALUE);
  }
  return 1;
}

static int channel_case_receive(lua_State *L) {
  refuse_sink(L, arg_channel(L, 1));
  return new_case(L, false);
}

static int channel_case_send(lua_State *L) {
  refuse_host(L, arg_channel(L, 1));
  lua_settop(L, 2);
  return new_case(L, true);
}

/* The case at |i| of the table at |idx|, left on the stack with its channel
 * above it; |*ret_ch| is that channel. */
static struct select_case *get_case(lua_State *L, int idx, lua_Integer i,
                                    struct channel **ret_ch) {
  struct select_case *c;
  lua_rawgeti(L, idx, i);
  c = luaL_testudata(L, -1, CASE_META);
  if (!c)
    luaL_error(L,
               "channel.select: entry %d is a %s, expected ch:case_receive() "
               "or ch:case_send(value)",
               (int)i, luaL_typename(L, -1));
  lua_getiuservalue(L, -1, USER_CHANNEL);
  *ret_ch = object_get(L, -1);
  if (!*ret_ch) /* a weak table can give back a case that was collected */
    luaL_error(L, "channel.select: the channel of entry %d was collected",
               (int)i);
  return c;
}

/* Pushes {channel=, value=, ok=}: the channel at |channel|, the value at
 * |value| (0: none). */
static int push_result(lua_State *L, int channel, int value, bool ok) {
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, channel);
  lua_setfield(L, -2, "channel");
  if (value != 0) {
    lua_pushvalue(L, value);
    lua_setfield(L, -2, "value");
  }
  lua_pushboolean(L, ok);
  lua_setfield(L, -2, "ok");
  return 1;
}

/* Stack: argument, table of cases, perhaps the value received. */
static int select_done(lua_State *L, int status, lua_KContext ctx) {
  struct op *op = (struct op *)ctx;
  struct waiter *won = &op->waiters[op->won - 1];
  bool ok = op->ok, sent = won->sends;
  int value = 0, index = op->won;
  (void)status;
  if (sent && !ok)
    return closed_error(L);
  if (won->ch->is_sink) {
    won->ch->len--; /* the place that was kept */
    lua_rawgeti(L, 2, index);
    lua_getiuservalue(L, -1, USER_VALUE);
    sink_send(L, won->ch, lua_gettop(L));
    lua_settop(L, 2);
  } else if (op->item) {
    struct channel_item *it = op->item;
    op->item = NULL;
    push_item(L, won->ch, it, false);
    value = 3;
  } else if (!sent && ok) {
    value = 3;
  }
  lua_rawgeti(L, 2, index);
  lua_getiuservalue(L, -1, USER_CHANNEL);
  return push_result(L, lua_gettop(L), value, ok);
}

static int select_now(lua_State *L, lua_Integer chosen) {
  struct channel *ch;
  struct select_case *c = get_case(L, 1, chosen, &ch);
  int case_at = lua_gettop(L) - 1, channel_at = case_at + 1;
  if (c->sends) {
    if (ch->closed)
      return closed_error(L);
    lua_getiuservalue(L, case_at, USER_VALUE);
    send_now(L, channel_at, ch, lua_gettop(L));
    return push_result(L, channel_at, 0, true);
  }
  bool ok = receive_now(L, channel_at, ch, false);
  return push_result(L, channel_at, ok ? lua_gettop(L) : 0, ok);
}

static int channel_select(lua_State *L) {
  struct state *st = state_of(L);
  lua_Integer n, chosen = 0;
  uint64_t ready = 0;
  struct channel *ch;
  struct op *op;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  n = (lua_Integer)lua_rawlen(L, 1);
  if (n > CHANNEL_MAX_CAPACITY)
    return luaL_error(L, "channel.select: %I cases, at most %d are allowed",
                      (LUAI_UACINT)n, CHANNEL_MAX_CAPACITY);
  /* each ready case is kept with chance 1/ready: all are equally likely */
  for (lua_Integer i = 1; i <= n; i++) {
    struct select_case *c = get_case(L, 1, i, &ch);
    lua_settop(L, 1);
    drop_failed(ch);
    if ((c->sends ? can_send(ch) : can_receive(ch)) &&
        prng_below(&st->prng, ++ready) == 0)
      chosen = i;
  }
  if (chosen != 0)
    return select_now(L, chosen);
  lua_pushliteral(L, "default");
  lua_rawget(L, 1);
  if (lua_toboolean(L, -1)) {
    lua_createtable(L, 0, 2);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "default");
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "ok");
    return 1;
  }
  if (n == 0)
    return luaL_error(L, "channel.select: no case and no default would wait "
                         "for ever");
  /* a copy: the script may change its table meanwhile */
  lua_settop(L, 1);
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    get_case(L, 1, i, &ch); /* again: a weak table may have lost some */
    lua_pop(L, 1);
    lua_rawseti(L, 2, i);
  }
  op = op_new(L, (int)n, "channel.select");
  /* nothing below raises: a queue would be left with a waiter that is none */
  for (lua_Integer i = 1; i <= n; i++) {
    struct select_case *c = get_case(L, 2, i, &ch);
    op_add(op, ch, c->sends);
    lua_settop(L, 2);
  }
  return task_wait(L, &op->wait, (lua_KContext)op, select_done);
}

/* --------------------------------------------------------- the host's --- */

static void open_metas(lua_State *L);

static void channel_init(struct channel *ch, size_t capacity) {
  ch->capacity = capacity;
  list_init(&ch->recvq);
  list_init(&ch->sendq);
  list_init(&ch->items);
  list_init(&ch->handed);
}

static struct channel *new_channel(lua_State *L, size_t capacity) {
  struct channel *ch = object_new(L, CHANNEL_META, sizeof *ch, 2);
  channel_init(ch, capacity);
  return ch;
}

struct channel *channel_new_host(lua_State *L, size_t capacity, int owner,
                                 const struct channel_host *h) {
  struct channel *ch;
  if (owner != 0)
    owner = lua_absindex(L, owner);
  /* timers and connections have channels whether or not a script names the
   * module */
  if (luaL_getmetatable(L, CHANNEL_META) == LUA_TNIL)
    open_metas(L);
  lua_pop(L, 1);
  ch = new_channel(L, capacity);
  ch->is_host = true;
  ch->host = *h;
  object_ready(&ch->object, channel_release);
  if (owner != 0) {
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, USER_OWNER);
  }
  return ch;
}

struct channel *channel_new_sink(lua_State *L, size_t capacity, size_t used,
                                 const struct channel_sink *s) {
  struct channel *ch;
  if (luaL_getmetatable(L, CHANNEL_META) == LUA_TNIL)
    open_metas(L);
  lua_pop(L, 1);
  ch = new_channel(L, capacity);
  ch->is_sink = true;
  ch->sink = *s;
  ch->len = used;
  object_ready(&ch->object, channel_release);
  return ch;
}

void channel_sink_room(struct channel *ch, size_t n) {
  ch->len -= n;
  sink_serve(ch);
}

void channel_sink_close(struct channel *ch) {
  close_now(ch);
}

void channel_host_put(struct channel *ch, struct channel_item *it) {
  struct waiter *w = first_waiter(&ch->recvq);
  if (ch->closed) {
    it->drop(it);
  } else if (w) {
    w->op->item = it;
    list_add_tail(&ch->handed, &it->node);
    op_complete(w, true);
  } else {
    list_add_tail(&ch->items, &it->node);
    ch->len++;
  }
}

size_t channel_host_room(const struct channel *ch) {
  size_t places = ch->capacity + (list_empty(&ch->recvq) ? 0 : 1);
  return ch->len < places ? places - ch->len : 0;
}

size_t channel_host_len(const struct channel *ch) {
  return ch->len;
}

void channel_host_close(struct channel *ch) {
  close_now(ch);
}

void channel_host_tidy(struct channel *ch) {
  drop_failed(ch);
}

/* Items may be part of the producer: none is left behind, not even one that
 * could not be pushed. */
void channel_host_detach(struct channel *ch) {
  ch->detached = true;
  close_now(ch);
  drop_items(&ch->items); /* nobody is left to receive them */
  ch->len = 0;
  drop_items(&ch->handed);
  ch->pushing = NULL;
}

/* -------------------------------------------------------------- the module */

static int channel_new(lua_State *L) {
  lua_Integer size = luaL_optinteger(L, 1, 0);
  struct channel *ch;
  if (size < 0 || size > CHANNEL_MAX_CAPACITY) {
    error_push(L, KIND_INVALID, false, 0,
               "channel.new: size %lld, expected 0 to %d", (long long)size,
               CHANNEL_MAX_CAPACITY);
    return lua_error(L);
  }
  ch = new_channel(L, (size_t)size);
  object_ready_inside(&ch->object, channel_release);
  if (ch->capacity > 0) {
    lua_newtable(L); /* grows as it fills: most buffers stay empty */
    lua_setiuservalue(L, -2, USER_RING);
  }
  return 1;
}

static void open_metas(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"send", channel_send},           {"close", channel_close},
      {"capacity", channel_capacity},   {"case_receive", channel_case_receive},
      {"case_send", channel_case_send}, {NULL, NULL}};
  static const luaL_Reg meta[] = {
      {"__gc", object_gc}, {"__len", channel_len}, {NULL, NULL}};
  meta_new(L, CHANNEL_META, methods, meta);
  luaL_getmetatable(L, CHANNEL_META);
  lua_getfield(L, -1, "__index");
  for (int w = 1; w < WORDS_END; w++)
    lua_pushstring(L, word_texts[w]);
  lua_pushcclosure(L, channel_receive, WORDS_END - 1);
  lua_setfield(L, -2, "receive");
  lua_pop(L, 2);
  meta_new(L, CASE_META, NULL, NULL);
}

int luaopen_channel(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"new", channel_new}, {"select", channel_select}, {NULL, NULL}};
  static const struct library library = {"channel", functions, NULL, NULL};
  open_metas(L);
  lib_new(L, &library);
  return 1;
}
