/* remote.c - a script in a worker process: its life, as the broker sees it. */
#include "runtime/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/remote_inside.h"

/* What a worker may do late before it is killed: it stops scripts by itself
 * within milliseconds, but on a busy machine it may have to wait its turn. */
#define KILL_AFTER_NS (300 * NS_PER_MS)
/* Output that comes later than that is not written: more than a process takes
 * to begin, which is not the script's. */
#define SPENT_AFTER_NS (3 * NS_PER_MS)
/* What it costs us is told the worker when it is that much. */
#define TELL_NS NS_PER_MS
#define GOODBYE_NS (7 * NS_PER_S) /* longer than the worker itself takes */
#define GOODBYE_BYTES (64u * 1024)
#define DEPARTING_MAX 64
#define READY_MAX_NS (60 * NS_PER_S) /* for the process to be there at all */

#define DEFAULT_CLIENTS 64
#define WORKER_FDS 16 /* of a worker, beside its connections */
#define RECEIVE_BYTES (32u * 1024)
#define SERVE_NS (1 * NS_PER_MS)     /* one worker's share of a turn */
#define QUESTION_NS (10 * NS_PER_MS) /* of security.can and evaluate */
#define UNSENT_MAX (1024u * 1024)    /* no more is read from it then */
#define UNSENT_FDS_MAX 16 /* likewise: each is a connection of ours */
#define FLUSH_AGAIN_NS (5 * NS_PER_MS)
#define ARENA_MAX (32u * 1024 * 1024)

/* ------------------------------------------------------------- the end --- */

void remote_end(struct remote *r, int code, const struct err *e) {
  if (r->phase == REMOTE_ENDED)
    return;
  r->phase = REMOTE_ENDED;
  r->ended_ns = clock_mono_ns();
  r->kill_ns = r->ended_ns + GOODBYE_NS;
  r->result.code = code;
  if (e)
    r->result.error = *e;
  remote_serve_end(r);
  if (r->sb)
    exchange_ended(&r->sb->exchange, code, e);
}

void remote_kill(struct remote *r) {
  if (r->worker && !r->gone)
    worker_kill(r->worker);
  r->killed = true;
  r->deaf = true;
  r->stuck = false;
  watch_stop(&r->watch);
  deferred_cancel(&r->more);
}

void remote_violated(struct remote *r, const char *what) {
  struct err e;
  err_setf(&e, ERR_WORKER, "the worker process broke the protocol: %s", what);
  remote_end(r, ERR_WORKER, &e);
  remote_kill(r);
}

/* There is no memory to tell it something, or to hold its limits.  What is told
 * may be told from within a callback of the host, by frames that are in the
 * middle of what the end takes away: so it ends from the loop. */
static void give_up(struct remote *r) {
  remote_kill(r);
  if (r->phase == REMOTE_ENDED)
    return;
  r->given_up = true;
  deferred_schedule(r->host->loop, &r->more);
}

static void end_given_up(struct remote *r) {
  struct err e;
  err_setf(&e, ERR_NOMEM, "no memory to answer the worker process");
  remote_end(r, ERR_NOMEM, &e);
}

/* CPU time of the process behind |pidfd|; 0: cannot be told.  Its number is
 * asked for anew: in another namespace it may have told us another. */
static uint64_t cpu_of(int pidfd) {
  char path[64], text[1024], *line;
  struct timespec ts;
  ssize_t n;
  long pid;
  int fd;
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  if (pidfd < 0 || (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
    return 0;
  n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = '\0';
  line = strstr(text, "\nPid:");
  pid = line ? strtol(line + 5, NULL, 10) : 0;
  /* the kernel's number of a process clock: clock_getcpuclockid(3) */
  if (pid <= 0 || clock_gettime((clockid_t)(~(unsigned)pid << 3 | 2), &ts) != 0)
    return 0;
  return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* What the process and we have used for the script. */
static uint64_t cpu_used(const struct remote *r) {
  return cpu_of(r->worker && !r->gone ? worker_pidfd(r->worker) : -1) +
         r->payer.cpu_ns;
}

void remote_take_usage(struct remote *r, const struct msg_usage *u) {
  const struct state_limits *l = &r->limits;
  uint64_t most = l->memory_bytes;
  r->usage = *u;
  if (r->usage.memory_bytes > most)
    r->usage.memory_bytes = most;
  if (r->usage.memory_peak_bytes > most)
    r->usage.memory_peak_bytes = most;
  /* more than the time that has passed is a lie; less may be one */
  most = clock_mono_ns() - r->started_ns + r->payer.cpu_ns;
  if (r->usage.cpu_ns > most)
    r->usage.cpu_ns = most;
}

/* Stopped from outside, after the time it had for stopping itself. */
static void end_stopped(struct remote *r, enum stop_reason why) {
  uint64_t used = cpu_used(r);
  struct err e;
  r->stop = why;
  /* what the worker has said last may be long ago, or never was */
  if (r->usage.cpu_ns < used)
    r->usage.cpu_ns = used;
  err_setf(&e, why == STOP_CANCEL ? ERR_CANCELED : ERR_LIMIT, "%s",
           why == STOP_CANCEL     ? "canceled"
           : why == STOP_CPU      ? "the CPU limit is reached"
           : why == STOP_OUTPUT   ? "the output limit is reached"
           : why == STOP_DEADLINE ? "the deadline has passed"
                                  : "stopped");
  remote_end(r, e.code, &e);
  remote_kill(r);
}

void remote_over_output(struct remote *r) {
  end_stopped(r, STOP_OUTPUT);
}

/* How the process ended, for people. */
static void describe_death(const struct remote *r, struct err *e) {
  int status = r->gone ? worker_status(r->worker) : -1;
  if (status != -1 && WIFSIGNALED(status))
    err_setf(e, ERR_WORKER, "the worker process was ended by signal %d (%s)",
             WTERMSIG(status), strsignal(WTERMSIG(status)));
  else if (status != -1 && WIFEXITED(status))
    err_setf(e, ERR_WORKER, "the worker process ended by itself, status %d",
             WEXITSTATUS(status));
  else
    err_setf(e, ERR_WORKER, "the worker process is gone");
}

/* By the CPU limit of the system, which comes behind our own and its. */
static bool used_up(const struct remote *r) {
  int status = r->gone ? worker_status(r->worker) : -1;
  return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
}

static void destroy(struct remote *r) {
  struct mem mem = r->mem;
  list_remove(&r->node);
  remote_serve_end(r);
  remote_sets_free(r);
  watch_stop(&r->watch);
  relay_crew_deinit(&r->relays);
  timer_stop(&r->backstop);
  deferred_cancel(&r->more);
  deferred_cancel(&r->owes);
  payer_remove(loop_till(r->host->loop), &r->payer);
  wire_deinit(&r->wire);
  worker_free(r->worker);
  mem_free(&mem, r, sizeof *r);
}

/* The process is over, or might as well be.  |r| may be gone afterwards. */
static void over(struct remote *r) {
  struct err e;
  r->deaf = true;
  watch_stop(&r->watch);
  deferred_cancel(&r->more);
  if (r->phase != REMOTE_ENDED && used_up(r)) {
    r->usage.cpu_ns = r->limits.cpu_ns;
    end_stopped(r, STOP_CPU);
  } else if (r->phase != REMOTE_ENDED && r->given_up) {
    end_given_up(r);
  } else if (r->phase != REMOTE_ENDED) {
    describe_death(r, &e);
    remote_end(r, ERR_WORKER, &e);
  }
  timer_stop(&r->backstop);
  if (!r->sb)
    destroy(r);
}

/* ------------------------------------------------------------ backstops --- */

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a == 0 || (b != 0 && b < a) ? b : a;
}

static uint64_t after(uint64_t at, uint64_t delay) {
  return delay > UINT64_MAX - at ? 0 : at + delay;
}

static uint64_t deadline_ns(const struct remote *r) {
  if (r->started_ns == 0 || r->limits.deadline_ns == UINT64_MAX)
    return 0;
  return after(after(r->started_ns, r->limits.deadline_ns), KILL_AFTER_NS);
}

static uint64_t ready_by_ns(const struct remote *r) {
  return r->started_ns == 0 || r->ready ? 0
                                        : after(r->started_ns, READY_MAX_NS);
}

/* A limit without a timer that holds it is no limit. */
void remote_arm(struct remote *r) {
  uint64_t at = r->kill_ns;
  if (r->phase != REMOTE_ENDED) {
    at = earlier(at, earlier(deadline_ns(r), r->cpu_check_ns));
    at = earlier(at, earlier(ready_by_ns(r), r->lost_ns));
  }
  if (r->stuck)
    at = earlier(at, clock_mono_ns() + FLUSH_AGAIN_NS);
  if (at == 0)
    timer_stop(&r->backstop);
  else if (timer_start_at(&r->backstop, at) != 0)
    give_up(r);
}

/* What it used is at most the time that has passed: only then is it looked at,
 * and again when the rest could be used up. */
static void check_cpu(struct remote *r, uint64_t now) {
  uint64_t limit = after(r->limits.cpu_ns, KILL_AFTER_NS);
  uint64_t used = cpu_used(r);
  if (limit != 0 && used >= limit) {
    end_stopped(r, STOP_CPU);
    return;
  }
  r->cpu_check_ns = limit == 0 ? 0 : after(now, limit - used);
}

static void settle(struct remote *r);

static void end_unready(struct remote *r) {
  struct err e;
  err_setf(&e, ERR_ISOLATION,
           "process isolation could not be set up: no worker process within "
           "%d s",
           (int)(READY_MAX_NS / NS_PER_S));
  remote_end(r, ERR_ISOLATION, &e);
  remote_kill(r);
}

static void on_backstop(struct timer *t, void *ud) {
  struct remote *r = ud;
  uint64_t now = clock_mono_ns();
  uint64_t deadline = deadline_ns(r);
  (void)t;
  if (r->stuck)
    settle(r);
  if (r->phase == REMOTE_ENDED) {
    if (r->kill_ns <= now) {
      remote_kill(r);
      if (!r->sb)
        destroy(r);
    } else {
      remote_arm(r);
    }
    return;
  }
  if (r->lost_ns != 0 && r->lost_ns <= now)
    remote_look_for_lost(r, now);
  if (r->hung_up && r->kill_ns != 0 && r->kill_ns <= now) {
    remote_kill(r);
    over(r); /* how it ended is not told */
    return;
  }
  if (r->kill_ns != 0 && r->kill_ns <= now)
    end_stopped(r, STOP_CANCEL);
  else if (deadline != 0 && deadline <= now)
    end_stopped(r, STOP_DEADLINE);
  else if (r->cpu_check_ns != 0 && r->cpu_check_ns <= now)
    check_cpu(r, now);
  if (r->phase != REMOTE_ENDED && ready_by_ns(r) != 0 && ready_by_ns(r) <= now)
    end_unready(r);
  remote_arm(r);
}

/* ------------------------------------------------------------- messages --- */

void remote_tell(struct remote *r, const struct packet *m, int fd) {
  int rv;
  if (r->deaf || r->gone || (rv = wire_put(&r->wire, m, fd)) != 0) {
    if (fd >= 0)
      close(fd);
    if (!r->deaf && !r->gone)
      give_up(r);
  }
}

bool remote_has_room(const struct remote *r) {
  return wire_unsent(&r->wire) < UNSENT_MAX && r->wire.nsend < UNSENT_FDS_MAX;
}

/* What cannot be sent now waits for the poller; or, where other sockets have to
 * be emptied first, for a while. */
static void settle(struct remote *r) {
  unsigned events = 0;
  bool was_stuck = r->stuck;
  int rv;
  if (r->deaf || !watch_active(&r->watch))
    return;
  rv = wire_flush(&r->wire);
  r->stuck = rv == ERR_LIMIT;
  if (rv == ERR_AGAIN)
    events |= POLLER_WRITE;
  /* ERR_CLOSED: end of file is about to be read */
  if (remote_has_room(r) || rv == ERR_CLOSED)
    events |= POLLER_READ;
  (void)watch_change(&r->watch, events);
  if (r->held && (events & POLLER_READ)) {
    r->held = false;
    deferred_schedule(r->host->loop, &r->more);
  }
  if (r->sb && remote_has_room(r))
    exchange_go_on(&r->sb->exchange);
  if (r->stuck && !was_stuck)
    remote_arm(r);
}

void remote_flush(struct remote *r) {
  settle(r);
}

/* What we did for it since it was last told. */
static void tell_charged(struct remote *r) {
  struct packet m = {.kind = MSG_CHARGED};
  m.as.charged = (struct msg_charged){remote_bill(r), r->efforts < UINT32_MAX
                                                          ? (uint32_t)r->efforts
                                                          : UINT32_MAX};
  r->efforts = 0;
  remote_tell(r, &m, -1);
}

/* It may say no more than a little before it knows. */
static void dealt_with(struct remote *r, enum packet_kind kind, size_t len) {
  r->efforts += packet_efforts(kind, len);
  if (r->efforts >= PROTOCOL_EFFORTS_TOLD && r->phase == REMOTE_RUNNING)
    tell_charged(r);
}

/* Everything whole that has come, a turn's share at most, as long as there is
 * room for answers.  False: more is left. */
static bool serve_share(struct remote *r) {
  uint64_t stop_ns = clock_mono_ns() + SERVE_NS;
  enum packet_kind kind;
  struct slice whole;
  int rv = ERR_AGAIN;
  if (r->phase == REMOTE_ENDED) {
    /* what it says of its goodbyes changes nothing, and is not much */
    r->goodbye_bytes += r->wire.in.len;
    buf_clear(&r->wire.in);
    if (r->goodbye_bytes > GOODBYE_BYTES)
      remote_kill(r);
    return true;
  }
  while (!r->deaf && (rv = wire_next(&r->wire, &kind, &whole)) == 0) {
    struct packet m;
    struct arena a;
    if (r->spent && kind == MSG_OUTPUT) {
      /* behind the limit, like what has not left the script; there can be
       * tens of thousands */
      r->dropped = true;
      wire_drop(&r->wire, whole);
      dealt_with(r, kind, whole.len);
      continue;
    }
    if (!remote_has_room(r) && watch_active(&r->watch)) {
      settle(r);
      if (!remote_has_room(r)) {
        r->held = true;
        return true;
      }
    }
    arena_init(&a, &r->mem, ARENA_MAX);
    rv = packet_read(&m, whole, &a);
    if (rv == 0)
      remote_handle(r, &m, whole.len == r->wire.in.len);
    else if (rv == ERR_NOMEM)
      remote_violated(r, "a message needs too much memory");
    else
      remote_violated(r, "a message that cannot be read");
    arena_deinit(&a);
    wire_drop(&r->wire, whole);
    dealt_with(r, kind, whole.len);
    if (r->phase == REMOTE_ENDED || clock_mono_ns() >= stop_ns)
      return false;
  }
  if (!r->deaf && rv == ERR_PROTOCOL)
    remote_violated(r, "a message of no known kind, or too long");
  return true;
}

/* Reads once and serves; false: nothing more will come. */
static bool hear(struct remote *r) {
  int rv = wire_receive(&r->wire, RECEIVE_BYTES, false);
  if (rv == ERR_NOMEM)
    remote_violated(r, "no memory to hear it");
  if (!serve_share(r) && !r->deaf)
    deferred_schedule(r->host->loop, &r->more);
  return rv != ERR_CLOSED;
}

/* It has hung up, or the process has ended: what it said last is still in the
 * socket, which holds no more than the kernel lets it. */
static void hear_the_rest(struct remote *r) {
  uint64_t limit = after(r->limits.cpu_ns, KILL_AFTER_NS);
  struct till *till = loop_till(r->host->loop);
  int rv = 0;
  till_pass(till, &r->payer);
  watch_stop(&r->watch);
  while (rv == 0 && !r->deaf && r->phase != REMOTE_ENDED) {
    rv = wire_receive(&r->wire, RECEIVE_BYTES, false);
    while (!serve_share(r) && !r->deaf && r->phase != REMOTE_ENDED)
      if (limit != 0 && till_paid_ns(till, &r->payer) >= limit)
        end_stopped(r, STOP_CPU);
  }
  if (r->gone || (r->phase == REMOTE_ENDED && !r->sb))
    over(r);
}

/* How it ended is told by the pool, soon. */
static void hung_up(struct remote *r) {
  r->hung_up = true;
  if (r->phase != REMOTE_ENDED) {
    r->kill_ns = clock_mono_ns() + NS_PER_S;
    remote_arm(r);
  }
  hear_the_rest(r);
}

static void on_watch(struct watch *w, unsigned events, void *ud) {
  struct remote *r = ud;
  (void)w;
  till_pass(loop_till(r->host->loop), &r->payer);
  if ((events & (POLLER_READ | POLLER_ERROR)) && !hear(r)) {
    hung_up(r);
    return;
  }
  settle(r);
}

static void on_more(struct deferred *d, void *ud) {
  struct remote *r = ud;
  (void)d;
  till_pass(loop_till(r->host->loop), &r->payer);
  if (r->given_up) {
    end_given_up(r);
    return;
  }
  if (r->gone || r->hung_up) {
    hear_the_rest(r);
    return;
  }
  if (!serve_share(r) && !r->deaf)
    deferred_schedule(r->host->loop, &r->more);
  settle(r);
}

/* ---------------------------------------------------------- what it costs ---
 */

/* The worker stops the script when both have used the limit together, but much
 * that it has printed before can still be on its way, at our cost. */
static void look_whether_spent(struct remote *r) {
  uint64_t limit = after(r->limits.cpu_ns, SPENT_AFTER_NS);
  uint64_t most = clock_mono_ns() - r->started_ns + r->payer.cpu_ns;
  if (limit != 0 && most >= limit && cpu_used(r) >= limit)
    remote_spend(r);
}

/* What no answer tells: output, relays, values for the host.  The worker stops
 * its script in good order, where we could only kill it, and that later. */
static void on_owes(struct deferred *d, void *ud) {
  struct remote *r = ud;
  uint64_t limit = after(r->limits.cpu_ns, KILL_AFTER_NS);
  (void)d;
  /* it was scheduled when somebody else had got the thread */
  till_pass(loop_till(r->host->loop), &r->payer);
  r->payer.alarm_ns = r->payer.cpu_ns + TELL_NS;
  if (r->phase == REMOTE_ENDED || r->given_up)
    return;
  if (limit != 0 && r->payer.cpu_ns >= limit) {
    end_stopped(r, STOP_CPU);
    return;
  }
  look_whether_spent(r);
  if (r->phase != REMOTE_RUNNING || r->payer.cpu_ns - r->told_ns < TELL_NS)
    return;
  tell_charged(r);
  settle(r);
}

static void on_paid(void *ud) {
  struct remote *r = ud;
  deferred_schedule(r->host->loop, &r->owes);
}

static void on_failed(struct remote *r) {
  struct err e;
  err_setf(&e, ERR_ISOLATION, "process isolation could not be set up: %s",
           worker_error(r->worker)->message);
  e.sys_errno = worker_error(r->worker)->sys_errno;
  remote_end(r, ERR_ISOLATION, &e);
  r->gone = true;
  over(r);
}

static void on_exited(struct remote *r) {
  r->gone = true;
  hear_the_rest(r);
}

static void on_worker(void *ud, struct worker *w, enum worker_event ev) {
  struct remote *r = ud;
  (void)w;
  switch (ev) {
  case WORKER_READY:
    r->ready = true;
    break;
  case WORKER_FAILED:
    on_failed(r);
    break;
  case WORKER_EXITED:
    on_exited(r);
    break;
  }
}

/* ----------------------------------------------------------------- life --- */

static struct worker_limits worker_limits_of(const struct cordon_sandbox *sb,
                                             const struct state_limits *l) {
  struct worker_limits w = {.nofile = UINT32_MAX};
  /* Twice what the script may have, since a realloc holds old and new at once,
   * and room for messages and for what malloc keeps. */
  if (l->memory_bytes < UINT64_MAX / 4)
    w.memory_bytes =
        2 * l->memory_bytes + 2 * l->source_bytes + (UINT64_C(128) << 20);
  if (l->source_bytes > UINT64_MAX / 4)
    w.memory_bytes = 0;
  if (l->cpu_ns / NS_PER_S < UINT32_MAX - 3)
    w.cpu_s = (uint32_t)(l->cpu_ns / NS_PER_S) + 3;
  /* connections, those that say goodbye, and its own few */
  if (sb->services.max_clients < 60000)
    w.nofile = (uint32_t)sb->services.max_clients + CONNECTIONS_RELEASED_MAX +
               WORKER_FDS;
  else
    w.nofile = 60000 + CONNECTIONS_RELEASED_MAX + WORKER_FDS;
  return w;
}

static int tell_setup(struct remote *r) {
  const struct cordon_sandbox *sb = r->sb;
  const struct state_limits *l = &r->limits;
  struct packet m = {.kind = MSG_SETUP};
  m.as.setup = (struct msg_setup){.version = PROTOCOL_VERSION,
                                  .memory_bytes = l->memory_bytes,
                                  .cpu_ns = l->cpu_ns,
                                  .deadline_ns = l->deadline_ns,
                                  .tasks = l->tasks,
                                  .timers = l->timers,
                                  .output_bytes = l->output_bytes,
                                  .source_bytes = l->source_bytes,
                                  .connections = sb->services.max_clients,
                                  .requires = sb->require != NULL,
                                  .modules_listed = sb->modules.listed,
                                  .modules = sb->module_names,
                                  .nmodules = (uint32_t)sb->modules.n,
                                  .modules_from = sb->modules.from,
                                  .method = slice_of(sb->method)};
  if (sb->services.guard.actor)
    m.as.setup.actor = (struct msg_actor){true, sb->actor.id, sb->actor.meta};
  return wire_put(&r->wire, &m, -1);
}

/* Its descriptors are bounded by our hard limit, which it cannot raise.  The
 * few of the default are a number to stay below. */
static int check_descriptors(const struct cordon_sandbox *sb, struct err *e) {
  uint64_t want = sb->services.max_clients;
  struct rlimit l;
  if (want <= DEFAULT_CLIENTS || want == UINT64_MAX ||
      getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_max == RLIM_INFINITY ||
      want + WORKER_FDS <= l.rlim_max)
    return 0;
  return err_setf(e, ERR_INVALID,
                  "%llu connections need %llu open files in a worker process, "
                  "and the hard limit of this process is %llu (ulimit -Hn)",
                  (unsigned long long)want,
                  (unsigned long long)want + WORKER_FDS,
                  (unsigned long long)l.rlim_max);
}

int remote_new(struct remote **ret, struct cordon_sandbox *sb,
               const struct state_limits *limits, struct err *e) {
  struct cordon_host *host = sb->host;
  struct worker_limits wl = worker_limits_of(sb, limits);
  struct remote *r = mem_zalloc(&host->mem, sizeof *r);
  struct err why;
  int rv;
  if (!r)
    return err_set(e, ERR_NOMEM);
  if ((rv = check_descriptors(sb, e)) != 0) {
    mem_free(&host->mem, r, sizeof *r);
    return rv;
  }
  r->mem = host->mem;
  r->host = host;
  r->sb = sb;
  r->limits = *limits;
  list_init(&r->node);
  list_init(&r->openings);
  list_init(&r->opens);
  relay_crew_init(&r->relays, host->loop);
  watch_init(&r->watch, on_watch, r);
  timer_init(&r->backstop, host->loop, on_backstop, r);
  deferred_init(&r->more, on_more, r);
  deferred_init(&r->owes, on_owes, r);
  r->payer = (struct payer){.alarm_ns = TELL_NS, .alarm = on_paid, .ud = r};
  if (payer_add(loop_till(host->loop), &r->payer) != 0) {
    destroy(r);
    return err_set(e, ERR_NOMEM);
  }
  if ((rv = host_workers(host, &why)) != 0 ||
      (rv = worker_spawn(&r->worker, host->workers, &wl, on_worker, r, &why)) !=
          0) {
    destroy(r);
    if (rv == ERR_NOMEM)
      return err_set(e, rv);
    err_setf(e, ERR_ISOLATION, "process isolation could not be set up: %s",
             why.message);
    if (e)
      e->sys_errno = why.sys_errno;
    return ERR_ISOLATION;
  }
  sb->exchange.script = &script_there;
  sb->services.question_ns = QUESTION_NS;
  wire_init(&r->wire, worker_fd(r->worker), &r->mem,
            protocol_from_worker_max(0), SIZE_MAX / 2);
  if ((rv = tell_setup(r)) != 0 ||
      (rv = watch_start(&r->watch, loop_poller(host->loop),
                        worker_fd(r->worker), POLLER_READ)) != 0) {
    destroy(r);
    return err_set(e, rv == ERR_FULL ? ERR_NOMEM : rv);
  }
  (void)wire_flush(&r->wire); /* it can begin while the host goes on */
  *ret = r;
  return 0;
}

/* The oldest goodbyes end where there are too many. */
static void bound_departing(struct cordon_host *host) {
  if (remotes_departing(host) > DEPARTING_MAX)
    destroy(list_entry(host->departing.next, struct remote, node));
}

void remote_free(struct remote *r) {
  if (!r)
    return;
  remote_serve_end(r);
  r->sb = NULL;
  if (!remote_lingers(r)) {
    destroy(r);
    return;
  }
  list_add_tail(&r->host->departing, &r->node);
  bound_departing(r->host);
}

bool remote_lingers(const struct remote *r) {
  return r->phase == REMOTE_ENDED && r->goodbyes && !r->gone && !r->killed &&
         !r->deaf && !r->hung_up;
}

size_t remotes_departing(const struct cordon_host *host) {
  size_t n = 0;
  list_foreach (it, &host->departing)
    n++;
  return n;
}

void remotes_cut(struct cordon_host *host) {
  while (!list_empty(&host->departing))
    destroy(list_entry(host->departing.next, struct remote, node));
}

/* -------------------------------------------------------------- loading --- */

static void tell_cancel(struct remote *r) {
  struct packet m = {.kind = MSG_CANCEL};
  remote_tell(r, &m, -1);
  settle(r);
  r->kill_ns = clock_mono_ns() + KILL_AFTER_NS;
  remote_arm(r);
}

int remote_load(struct remote *r, const char *name, struct slice text,
                const char *const *args, size_t nargs, struct err *e) {
  struct packet m = {.kind = MSG_LOAD};
  struct msg_text *t = &m.as.load.source;
  struct slice *list = NULL;
  struct arena a;
  uint64_t now_ns = clock_mono_ns();
  int rv;
  if (r->phase == REMOTE_ENDED)
    return 0; /* there is no worker: the result says why */
  if (nargs > 0 && !(list = mem_alloc(&r->mem, nargs * sizeof *list)))
    return err_set(e, ERR_NOMEM);
  for (size_t i = 0; i < nargs; i++)
    list[i] = slice_of(args[i]);
  t->name = slice_of(name);
  t->len = text.len;
  t->text = text;
  if (text.len > r->limits.source_bytes) /* it will not be looked at */
    t->text.len = 0;
  m.as.load.started_ns = now_ns;
  m.as.load.args = list;
  m.as.load.nargs = (uint32_t)nargs;
  arena_init(&a, &r->mem, SIZE_MAX / 2);
  rv = remote_load_offers(r, &m.as.load, &a);
  if (rv == 0)
    rv = wire_put(&r->wire, &m, -1);
  arena_deinit(&a);
  mem_free(&r->mem, list, nargs * sizeof *list);
  if (rv != 0)
    return err_set(e, ERR_NOMEM);
  r->phase = REMOTE_LOADING;
  r->started_ns = now_ns;
  r->cpu_check_ns = after(r->limits.cpu_ns, KILL_AFTER_NS);
  if (r->cpu_check_ns != 0)
    r->cpu_check_ns = after(r->started_ns, r->cpu_check_ns);
  remote_arm(r);
  settle(r);
  if (r->canceled)
    end_stopped(r, STOP_CANCEL);
  return 0;
}

void remote_cancel(struct remote *r) {
  if (r->canceled || r->phase == REMOTE_ENDED)
    return;
  r->canceled = true;
  if (r->phase == REMOTE_RUNNING)
    tell_cancel(r);
  else if (r->phase == REMOTE_LOADING) /* it would not listen, and nothing has
                                          run that could be ended in order */
    end_stopped(r, STOP_CANCEL);
}

/* --------------------------------------------------------------- asking --- */

uint64_t remote_left_ns(const struct remote *r) {
  uint64_t paid_ns = till_paid_ns(loop_till(r->host->loop), &r->payer);
  uint64_t used_ns = r->usage.cpu_ns + (paid_ns - r->told_ns);
  if (r->limits.cpu_ns == UINT64_MAX)
    return UINT64_MAX;
  return used_ns < r->limits.cpu_ns ? r->limits.cpu_ns - used_ns : 0;
}

bool remote_ended(const struct remote *r) {
  return r->phase == REMOTE_ENDED;
}

const struct script_result *remote_result(const struct remote *r) {
  return &r->result;
}

enum stop_reason remote_stop(const struct remote *r) {
  return r->stop;
}

void remote_usage(const struct remote *r, cordon_usage *ret) {
  ret->memory_bytes = r->usage.memory_bytes;
  ret->memory_peak_bytes = r->usage.memory_peak_bytes;
  ret->cpu_ns = r->usage.cpu_ns;
  ret->received = r->usage.received;
  ret->sent = r->usage.sent;
  ret->wall_ns = r->started_ns == 0         ? 0
                 : r->phase == REMOTE_ENDED ? r->ended_ns - r->started_ns
                                            : clock_mono_ns() - r->started_ns;
  ret->output_bytes = r->output_bytes;
}
