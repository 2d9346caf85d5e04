/* worker_main.c - what runs in a worker: one script, with its loop and state,
 * for a broker that has everything else. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "modules/errors.h"
#include "modules/modules.h"
#include "runtime/base/clock.h"
#include "runtime/net/connection.h"
#include "runtime/vm/preempt.h"
#include "runtime/worker/worker.h"
#include "runtime/worker_bridge.h"
#include "runtime/worker_link.h"

/* The goodbyes of connections take 5 s at most (connection.h). */
#define GOODBYE_NS (6 * NS_PER_S)

struct script {
  struct worker_link link;
  struct worker_bridge bridge;
  struct loop *loop;
  struct preempt *preempt;
  struct state *st;
  struct arena setup_arena;
  struct buf setup_text;
  struct msg_setup setup;
  char *method;
  bool ended;
  bool told; /* and the broker was */
  uint64_t ended_ns;
};

/* Everything else of an answer is the caller's. */
static void tell_result(struct script *s, enum packet_kind kind,
                        const struct err *e) {
  struct packet m = {.kind = kind};
  struct msg_result *r = &m.as.result;
  if (e)
    r->fault = fault_of(e);
  if (s->st) {
    r->stop = (uint8_t)s->st->stop;
    r->traceback = buf_slice(&s->st->traceback);
    r->kind = slice_of(s->st->result.kind);
    r->usage = worker_link_used(&s->link);
    r->goodbyes = connections_released(s->loop) > 0;
  }
  if (s->bridge.has_result)
    r->value = &s->bridge.result;
  if (s->bridge.no_result.code != 0)
    r->no_value = fault_of(&s->bridge.no_result);
  worker_link_tell(&s->link, &m);
}

static void on_ended(void *ud) {
  struct script *s = list_entry(ud, struct script, link);
  const struct script_result *r = &s->st->result;
  struct err ok = {.code = 0};
  websocket_end(&s->link.services);
  bridge_end(&s->bridge.bridge);
  tell_result(s, MSG_RESULT, r->code == 0 ? &ok : &r->error);
  s->ended = true;
  s->ended_ns = clock_mono_ns();
}

static int on_arguments(void *ud, lua_State *L) {
  struct script *s = list_entry(ud, struct script, link);
  return bridge_arguments(&s->bridge.bridge, L);
}

static int on_returned(void *ud, lua_State *L, int table, int first) {
  struct script *s = list_entry(ud, struct script, link);
  return bridge_returned(&s->bridge.bridge, L, table, first);
}

/* The message outlives the next one: its texts are the script's actor. */
static int take_setup(struct script *s) {
  struct packet m;
  struct slice whole;
  worker_link_expect(&s->link, MSG_SETUP, &m);
  whole = buf_slice(&s->link.reply_text);
  buf_init(&s->setup_text, &mem_libc, whole.len);
  arena_init(&s->setup_arena, &mem_libc, SIZE_MAX / 2);
  if (buf_add(&s->setup_text, whole.p, whole.len) != 0 ||
      packet_read(&m, buf_slice(&s->setup_text), &s->setup_arena) != 0)
    return ERR_NOMEM;
  s->setup = m.as.setup;
  s->method = arena_strndup(&s->setup_arena, m.as.setup.method.p,
                            m.as.setup.method.len);
  if (!s->method)
    return ERR_NOMEM;
  return m.as.setup.version == PROTOCOL_VERSION ? 0 : ERR_UNSUPPORTED;
}

static int make_state(struct script *s, struct err *e) {
  const struct msg_setup *m = &s->setup;
  struct state_limits limits = {.memory_bytes = m->memory_bytes,
                                .cpu_ns = m->cpu_ns,
                                .deadline_ns = m->deadline_ns,
                                .tasks = m->tasks,
                                .timers = m->timers,
                                .output_bytes = m->output_bytes,
                                .source_bytes = m->source_bytes};
  struct state_host host = {.output = worker_link_output,
                            .require = worker_link_require,
                            .error_kind = error_kind,
                            .arguments = on_arguments,
                            .returned = on_returned,
                            .ended = on_ended,
                            .ud = &s->link,
                            .modules = {.listed = m->modules_listed,
                                        .names = m->modules,
                                        .n = m->nmodules,
                                        .from = m->modules_from}};
  int rv;
  if ((rv = loop_new(&s->loop, &mem_libc)) != 0 ||
      (rv = worker_link_watch(&s->link, s->loop)) != 0)
    return err_setf(e, rv, "the event loop could not be made: %s",
                    err_text(rv));
  if ((rv = preempt_new(&s->preempt, &mem_libc, 0, e)) != 0)
    return rv;
  worker_link_serve(&s->link, m);
  worker_bridge_init(&s->bridge, &s->link);
  rv = state_new(&s->st, s->loop, s->preempt, &mem_libc, &limits, &host,
                 &s->link.services, modules_open);
  if (rv != 0)
    return err_setf(e, rv, "the Lua state could not be made: %s%s",
                    err_text(rv),
                    rv == ERR_NOMEM ? ", its limit is too small" : "");
  s->link.st = s->st;
  return 0;
}

/* Text and name with a NUL behind them, for Lua. */
static int load(struct script *s, struct err *e) {
  struct packet m;
  const struct msg_text *t = &m.as.load.source;
  struct arena a;
  const char **args;
  char *name;
  int rv = ERR_NOMEM;
  worker_link_expect(&s->link, MSG_LOAD, &m);
  arena_init(&a, &mem_libc, SIZE_MAX / 2);
  name = arena_strndup(&a, t->name.p, t->name.len);
  args = arena_array(&a, m.as.load.nargs + 1u, sizeof *args);
  for (uint32_t i = 0; args && i < m.as.load.nargs; i++) {
    const struct slice *arg = &m.as.load.args[i];
    if (!(args[i] = arena_strndup(&a, arg->p, arg->len)))
      args = NULL;
  }
  if (name && args)
    rv = worker_bridge_load(&s->bridge, &m.as.load, s->st);
  s->st->begun_ns = m.as.load.started_ns;
  if (rv == 0)
    rv = state_load(s->st, name, (struct slice){t->text.p, (size_t)t->len},
                    s->method, args, m.as.load.nargs, e);
  else
    err_set(e, rv);
  arena_deinit(&a);
  return rv;
}

/* Is there anything left to do? */
static bool lives(const struct script *s) {
  if (!s->ended)
    return true;
  return connections_released(s->loop) > 0 &&
         clock_mono_ns() - s->ended_ns < GOODBYE_NS;
}

static int run(struct script *s) {
  struct err e;
  int rv = take_setup(s);
  if (rv != 0)
    err_setf(&e, rv, "the helper program is of another version");
  else
    rv = make_state(s, &e);
  if (rv == 0) {
    till_always(loop_till(s->loop), &s->st->payer);
    rv = load(s, &e);
  }
  if (rv != 0) {
    tell_result(s, MSG_LOADED, &e);
    worker_link_flush(&s->link, true);
    return 0;
  }
  e.code = 0;
  e.sys_errno = 0;
  e.line = e.column = 0;
  e.source[0] = e.message[0] = '\0';
  tell_result(s, MSG_LOADED, &e);
  worker_link_flush(&s->link, false);
  while (lives(s)) {
    /* Who has heard the result may end us: close frames go out before. */
    if (s->ended && !s->told && loop_dispatch(s->loop, 0) != 0)
      return 1;
    s->told = s->ended;
    int wait_ms = worker_link_usage(&s->link);
    worker_link_flush(&s->link, false);
    if (loop_dispatch(s->loop, wait_ms < 0 && s->ended ? 1000 : wait_ms) != 0)
      return 1;
  }
  worker_link_flush(&s->link, true);
  return 0;
}

static int worker_run(int fd) {
  static struct script s; /* one in the life of a process */
  worker_link_init(&s.link, fd, &mem_libc);
  return run(&s);
}

/* glibc gives the end of its heap back to the kernel whenever 128 KiB of it are
 * free, and takes it again with a page fault for every 4 KiB: for each long
 * message anew.  Once it has seen a larger block freed it keeps twice as much
 * (mallopt(3), M_MMAP_THRESHOLD): the room for what a script has in hand of
 * messages of 1 MiB.  This is for a program to say, never for a library. */
static void expect_messages(void) {
  volatile char *p = malloc((size_t)4 << 20);
  if (!p)
    return;
  *p = 0; /* else a compiler may leave both calls out */
  free((void *)p);
}

/* What all workers share: code that is linked, pages that are touched, the time
 * zone that is read.  A state made and thrown away does it. */
static void warm(void) {
  struct state_limits limits = {.memory_bytes = UINT64_C(16) << 20,
                                .cpu_ns = UINT64_MAX,
                                .deadline_ns = UINT64_MAX,
                                .tasks = 1,
                                .timers = 1,
                                .output_bytes = 1,
                                .source_bytes = 1};
  struct state_host host = {.error_kind = error_kind};
  struct services services = {.authority = NULL};
  struct loop *lp = NULL;
  struct state *st = NULL;
  struct preempt *preempt = NULL;
  struct err e;
  tzset();
  expect_messages();
  list_init(&services.clients);
  if (loop_new(&lp, &mem_libc) == 0 &&
      preempt_new(&preempt, &mem_libc, 0, &e) == 0)
    (void)state_new(&st, lp, preempt, &mem_libc, &limits, &host, &services,
                    modules_open);
  state_free(st);
  preempt_free(preempt);
  if (lp)
    loop_free(lp);
}

const struct worker_body worker_body = {.warm = warm, .main = worker_run};
