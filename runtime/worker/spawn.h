/* spawn.h - the parent's side of workers: starts the helper program once, asks
 * it for confined processes, ends them, and learns how they ended.
 *
 * The host is never forked, and has no child that it could see: the helper, the
 * "template", is started as an orphan, and its workers are its own children; no
 * SIGCHLD reaches the host, and wait(-1) finds nothing.  (A host that is the
 * reaper of orphans, process 1 of a container, inherits the template like any
 * other; it is then waited for here, if nobody else does.)  The template dies
 * with the host, and each worker with the template.
 *
 * Nothing here waits for the template: a worker's socket can be written to as
 * soon as worker_spawn returns, and what happens to it is told by
 * worker_pool_dispatch.  Used by one thread at a time. */
#ifndef RUNTIME_WORKER_SPAWN_H
#define RUNTIME_WORKER_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "runtime/base/mem.h"

struct worker_pool;
struct worker;

/* Namespaces the template, and with it every worker, could enter. */
enum {
  WORKER_NS_USER = 1,
  WORKER_NS_NET = 2,
  WORKER_NS_IPC = 4,
  WORKER_NS_MNT = 8,
  WORKER_NS_PID = 16
};

struct worker_limits {
  uint64_t memory_bytes; /* address space beyond what the helper itself needs:
                            a backstop, so be generous; 0: none */
  uint32_t cpu_s;        /* CPU seconds; a backstop as well; 0: none */
  uint32_t nofile;       /* descriptors; 4 are taken, 2 by a loop */
};

enum worker_event {
  WORKER_READY,  /* it is confined, and its body runs */
  WORKER_FAILED, /* it never ran: worker_error says why */
  WORKER_EXITED  /* it is gone: worker_status; never after WORKER_FAILED */
};

/* May call everything below but worker_pool_free and worker_pool_dispatch. */
typedef void worker_event_fn(void *ud, struct worker *w, enum worker_event ev);

/* |path| is the helper program's, absolute; NULL: where it was installed.
 * Nothing is started yet.
 * 0, ERR_NOMEM, ERR_INVALID (path), ERR_SYSTEM, ERR_UNSUPPORTED (the build has
 * no process isolation) */
int worker_pool_new(struct worker_pool **ret, const struct mem *m,
                    const char *path, struct err *e);
/* Ends the template and with it all that is left.  Its workers must have been
 * freed before. */
void worker_pool_free(struct worker_pool *p);

/* Starts the template, if it does not run: what worker_spawn does where it
 * must, done early.  It takes a millisecond, most of it for the namespaces, in
 * which the helper program starts; the template is ready soon after that (a
 * worker then takes 0.3 ms).  0, ERR_SYSTEM */
int worker_pool_start(struct worker_pool *p, struct err *e);

/* Readable when worker_pool_dispatch has something to do.  The same for the
 * pool's life. */
int worker_pool_fd(const struct worker_pool *p);
/* Tells what happened.  Never waits. */
void worker_pool_dispatch(struct worker_pool *p);

/* Asks for a worker.  |fn| is called from worker_pool_dispatch only: READY or
 * FAILED first, then EXITED after READY.
 * 0, ERR_NOMEM, ERR_SYSTEM (no descriptor left, no helper program) */
int worker_spawn(struct worker **ret, struct worker_pool *p,
                 const struct worker_limits *l, worker_event_fn *fn, void *ud,
                 struct err *e);
/* Kills it if it lives; closes its descriptors; |fn| is not called any more. */
void worker_free(struct worker *w);

/* SOCK_STREAM, non-blocking, close-on-exec; w's.  End of file: the worker has
 * ended, and why is told by an event that is on its way (call
 * worker_pool_dispatch, but it may take another turn of the loop). */
int worker_fd(const struct worker *w);
/* Readable when the process has ended; -1 until READY, and where no descriptor
 * was left for it. */
int worker_pidfd(const struct worker *w);
pid_t worker_pid(const struct worker *w); /* for people; 0 until READY */
/* SIGKILL, now or as soon as it exists; without a race for its pid.  EXITED
 * follows. */
void worker_kill(struct worker *w);
/* After FAILED: "worker: seccomp filter: Invalid argument"; its code and, in
 * sys_errno, the reason. */
const struct err *worker_error(const struct worker *w);
/* After EXITED: as wait(2) gives it; -1: not known, for the template died. */
int worker_status(const struct worker *w);
/* After READY. */
int worker_landlock_abi(const struct worker *w);    /* 0: the kernel has none */
unsigned worker_namespaces(const struct worker *w); /* WORKER_NS_ bits */

/* What a throw-away process could do of confine.h's steps; it runs nothing. */
struct worker_probe {
  int step_errno[16]; /* by enum confine_step; 0: taken, -1: not tried */
  unsigned nsteps;
  int landlock_abi;
  unsigned namespaces;
  int namespaces_errno; /* why some are missing, or 0 */
  bool holds;           /* and then it could open nothing */
  char seccomp_version[16];
};
/* Waits for the answer, at most |timeout_ms|; for cordon doctor.  0,
 * ERR_NOMEM, ERR_SYSTEM, ERR_TIMEOUT, ERR_UNSUPPORTED */
int worker_pool_probe(struct worker_pool *p, int timeout_ms,
                      struct worker_probe *ret, struct err *e);

#endif
