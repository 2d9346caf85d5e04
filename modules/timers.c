/* timers.c - what scripts wait for on the loop: sleeping, time.after, timers
 * and tickers. */
#include <stdio.h>
#include <string.h>

#include "modules/channel.h"
#include "modules/errors.h"
#include "modules/time.h"
#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/vm/arg.h"
#include "runtime/vm/object.h"
#include "runtime/vm/sched.h"
#include "runtime/vm/state.h"

#define TIMER_META "time.Timer"
#define TICKER_META "time.Ticker"
#define AFTER_META "time.after" /* never handed out */

/* Its address is the key of a counter in the registry. */
static const char started_key;

/* Counting timers */

/* May there be one more?  Timers that nobody can reach any more hold their
 * places until they are collected, so at the limit the garbage is collected,
 * but not again before a good part of the limit was started anew: a full
 * collection is a long single step. */
static bool timer_room(lua_State *L) {
  const struct state *st = state_of(L);
  size_t *started;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &started_key);
  started = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!state_timer_room(st)) {
    if (*started <= st->limits.timers / 4)
      return false;
    *started = 0;
    objects_collect(L);
    if (!state_timer_room(st))
      return false;
  }
  ++*started;
  return true;
}

/* Sleeping */

/* In the scratch memory of the task, which outlives the wait. */
struct sleeper {
  struct wait wait;
  struct timer timer;
  struct state *st;
};

static void sleeper_release(struct sleeper *s) {
  if (!s->st)
    return;
  state_timer_release(s->st);
  s->st = NULL;
}

static void sleeper_fired(struct timer *t, void *ud) {
  struct sleeper *s = ud;
  (void)t;
  sleeper_release(s);
  wait_wake(&s->wait);
}

static void sleeper_cancel(struct wait *w) {
  struct sleeper *s = list_entry(w, struct sleeper, wait);
  timer_stop(&s->timer);
  sleeper_release(s);
}

static int sleep_done(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  lua_pushboolean(L, 1);
  return 1;
}

static int fail_timers(lua_State *L, const char *what) {
  return fail_nil(L, KIND_RATE_LIMITED, true,
                  "%s: as many timers as are allowed are running", what);
}

/* |ns| from now on, as monotonic time. */
static uint64_t due_ns(int64_t ns) {
  uint64_t now = clock_mono_ns(), d = ns > 0 ? (uint64_t)ns : 0;
  return d < UINT64_MAX - now ? now + d : UINT64_MAX;
}

int timers_sleep(lua_State *L) {
  struct state *st = state_of(L);
  struct bad_duration bad;
  struct sleeper *s;
  int64_t ns;
  int rv;
  if (!duration_get(L, 1, &ns, &bad))
    return duration_fail(L, "time.sleep", &bad);
  if (ns <= 0) {
    if (!task_can_wait(L))
      return sleep_done(L, LUA_OK, 0);
    return task_yield(L, 0, sleep_done);
  }
  task_check_wait(L, "time.sleep");
  s = task_scratch(L, sizeof *s);
  memset(s, 0, sizeof *s);
  if (!timer_room(L))
    return fail_timers(L, "time.sleep");
  s->wait.what = "time.sleep";
  s->wait.cancel = sleeper_cancel;
  timer_init(&s->timer, state_loop(st), sleeper_fired, s);
  gate_enter();
  rv = timer_start_at(&s->timer, due_ns(ns));
  if (rv == 0) {
    state_timer_acquire(st);
    s->st = st;
    wait_begin(L, &s->wait);
  }
  gate_leave();
  if (rv != 0)
    return state_no_memory(L);
  return task_wait(L, &s->wait, 0, sleep_done);
}

/* Timers and tickers */

enum source_kind { SOURCE_AFTER, SOURCE_TIMER, SOURCE_TICKER };

/* What feeds a channel with times.  User value 1 is the channel, which in turn
 * owns this: either keeps the other, and when no script can reach them both go.
 * A source that is collected stops its timer. */
struct source {
  struct object object;
  enum source_kind kind;
  struct state *st;
  struct channel *ch; /* NULL while it is built, and when it is no more */
  struct timer timer;
  bool running;     /* counted by state_timer_acquire */
  uint64_t next_ns; /* SOURCE_TICKER: the tick that comes next */
  uint64_t period_ns;
  struct channel_item item;
  bool item_used;   /* in the channel, or on its way to a receiver */
  struct moment at; /* what the item says */
};

static bool source_live(void *ud) {
  const struct source *s = ud;
  return s->running;
}

static void source_halt(struct source *s) {
  gate_enter();
  timer_stop(&s->timer);
  if (s->running) {
    s->running = false;
    state_timer_release(s->st);
  }
  gate_leave();
}

static void source_release(struct object *o) {
  struct source *s = list_entry(o, struct source, object);
  source_halt(s);
  if (s->ch)
    channel_host_detach(s->ch);
}

static void source_channel_gone(void *ud) {
  struct source *s = ud;
  source_halt(s);
  s->ch = NULL;
}

/* A ticker with an unread tick rests: ticks that nobody could get would cost
 * the host, not the script.  It goes on, in step, when the tick is gone. */
static void ticker_next(struct source *s) {
  uint64_t now = clock_mono_ns();
  if (s->next_ns <= now)
    s->next_ns += ((now - s->next_ns) / s->period_ns + 1) * s->period_ns;
  if (timer_start_at(&s->timer, s->next_ns) != 0) {
    source_halt(s); /* no memory: readers must not wait for what never comes */
    channel_host_close(s->ch);
  }
}

static void source_fired(struct timer *t, void *ud) {
  struct source *s = ud;
  (void)t;
  if (s->kind != SOURCE_TICKER)
    source_halt(s);
  if (s->item_used)
    channel_host_tidy(s->ch);
  if (s->item_used) {
    if (s->kind == SOURCE_TICKER)
      ticker_next(s);
    return; /* a timer that was reset before its last value was read */
  }
  s->at = moment_now();
  s->item_used = true;
  channel_host_put(s->ch, &s->item);
  if (s->kind == SOURCE_AFTER)
    channel_host_close(s->ch);
}

static void source_push(lua_State *L, struct channel_item *it, bool words) {
  const struct source *s = list_entry(it, struct source, item);
  (void)words;
  time_push_local(L, &s->at);
}

static void source_drop(struct channel_item *it) {
  struct source *s = list_entry(it, struct source, item);
  s->item_used = false;
  if (s->kind == SOURCE_TICKER && s->running && !timer_active(&s->timer))
    ticker_next(s);
}

/* (Re)starts |s|, |ns| > 0 or, for time.after, any; false: too many timers. */
static bool source_start(lua_State *L, struct source *s, int64_t ns) {
  int rv;
  if (!s->running && !timer_room(L))
    return false;
  s->next_ns = due_ns(ns);
  gate_enter();
  rv = timer_start_at(&s->timer, s->next_ns);
  if (rv == 0 && !s->running) {
    state_timer_acquire(s->st);
    s->running = true;
  }
  gate_leave();
  if (rv != 0) {
    source_halt(s);
    state_no_memory(L);
  }
  return true;
}

/* Pushes a source and, above it, its channel. */
static struct source *source_new(lua_State *L, enum source_kind kind,
                                 const char *meta) {
  struct channel_host host = {.live = source_live, .gone = source_channel_gone};
  struct state *st = state_of(L);
  struct source *s = object_new(L, meta, sizeof *s, 1);
  int self = lua_gettop(L);
  s->kind = kind;
  s->st = st;
  s->item.push = source_push;
  s->item.drop = source_drop;
  list_init(&s->item.node);
  timer_init(&s->timer, state_loop(st), source_fired, s);
  object_ready(&s->object, source_release);
  host.ud = s;
  s->ch = channel_new_host(L, 1, self, &host);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, self, 1);
  return s;
}

int timers_after(lua_State *L) {
  struct bad_duration bad;
  int64_t ns;
  if (!duration_get(L, 1, &ns, &bad))
    return duration_fail(L, "time.after", &bad);
  struct source *s = source_new(L, SOURCE_AFTER, AFTER_META);
  if (!source_start(L, s, ns))
    return fail_timers(L, "time.after");
  return 1; /* the channel */
}

/* The duration of argument |arg| for a timer, which must be above 0. */
static bool get_delay(lua_State *L, int arg, int64_t *ret_ns,
                      struct bad_duration *bad) {
  if (!duration_get(L, arg, ret_ns, bad))
    return false;
  if (*ret_ns > 0)
    return true;
  snprintf(bad->why, sizeof bad->why, "duration must be above 0");
  return false;
}

int timers_timer(lua_State *L) {
  struct bad_duration bad;
  int64_t ns;
  if (!get_delay(L, 1, &ns, &bad))
    return duration_fail(L, "time.timer", &bad);
  struct source *s = source_new(L, SOURCE_TIMER, TIMER_META);
  if (!source_start(L, s, ns))
    return fail_timers(L, "time.timer");
  lua_pop(L, 1);
  return 1;
}

int timers_ticker(lua_State *L) {
  struct bad_duration bad;
  int64_t ns;
  if (!get_delay(L, 1, &ns, &bad))
    return duration_fail(L, "time.ticker", &bad);
  struct source *s = source_new(L, SOURCE_TICKER, TICKER_META);
  s->period_ns = (uint64_t)ns;
  if (!source_start(L, s, ns))
    return fail_timers(L, "time.ticker");
  lua_pop(L, 1);
  return 1;
}

static int timer_channel(lua_State *L) {
  object_check(L, 1, TIMER_META);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

static int timer_stop_method(lua_State *L) {
  struct source *s = object_check(L, 1, TIMER_META);
  lua_pushboolean(L, s->running);
  source_halt(s);
  return 1;
}

static int timer_reset(lua_State *L) {
  struct source *s = object_check(L, 1, TIMER_META);
  struct bad_duration bad;
  bool was = s->running;
  int64_t ns;
  if (!get_delay(L, 2, &ns, &bad))
    return duration_fail(L, "Timer:reset", &bad);
  if (!source_start(L, s, ns))
    return fail_timers(L, "Timer:reset");
  lua_pushboolean(L, was);
  return 1;
}

static int ticker_channel(lua_State *L) {
  object_check(L, 1, TICKER_META);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/* No tick can come any more, so the channel ends. */
static int ticker_stop(lua_State *L) {
  struct source *s = object_check(L, 1, TICKER_META);
  source_halt(s);
  channel_host_close(s->ch);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg timer_methods[] = {
    {"channel", timer_channel},
    {"response", timer_channel},
    {"stop", timer_stop_method},
    {"reset", timer_reset},
    {NULL, NULL},
};

static const luaL_Reg ticker_methods[] = {
    {"channel", ticker_channel},
    {"response", ticker_channel},
    {"stop", ticker_stop},
    {NULL, NULL},
};

static const luaL_Reg no_methods[] = {{NULL, NULL}};

static const luaL_Reg source_metamethods[] = {
    {"__gc", object_gc},
    {NULL, NULL},
};

static const struct meta_def metas[] = {
    {TIMER_META, timer_methods, source_metamethods},
    {TICKER_META, ticker_methods, source_metamethods},
    {AFTER_META, no_methods, source_metamethods}};

void timers_open(lua_State *L) {
  for (size_t i = 0; i < sizeof metas / sizeof *metas; i++)
    meta_later(L, &metas[i]);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &started_key) == LUA_TNIL) {
    size_t *started = lua_newuserdatauv(L, sizeof *started, 0);
    *started = 0;
    lua_rawsetp(L, LUA_REGISTRYINDEX, &started_key);
  }
  lua_pop(L, 1);
}
