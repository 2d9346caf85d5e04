/* confine.h - takes from this process, for good, everything a worker does not
 * need: the worker's side of process isolation.
 *
 * What code may rely on afterwards, in the terms of system calls:
 *
 *   memory      mmap of anonymous memory, mremap, munmap, brk, mprotect, all
 *               without PROT_EXEC; madvise (DONTNEED, FREE, and what is
 *               harmless)
 *   fds         read, readv, write, writev, recvfrom, recvmsg (descriptors
 *               come this way, up to RLIMIT_NOFILE: mind MSG_CTRUNC), sendto
 *               (which send is) with no address and without MSG_FASTOPEN,
 *               shutdown, close, getsockopt(SOL_SOCKET, SO_ERROR), fcntl
 *               (F_GETFD, F_SETFD, F_GETFL, F_SETFL)
 *   waiting     epoll_create1, epoll_ctl, epoll_wait, epoll_pwait, poll,
 *               ppoll, eventfd2, nanosleep, clock_nanosleep, sched_yield
 *   time        clock_gettime and clock_getres (no clock of another process),
 *               gettimeofday, time, getrusage of itself
 *   signals     rt_sigaction, rt_sigprocmask, rt_sigreturn, sigaltstack,
 *               timer_create, _settime, _gettime, _getoverrun, _delete;
 *               tgkill of itself (raise, abort)
 *   the rest    getrandom, getpid, gettid, futex (wait and wake), exit
 *
 * Anything else fails with EPERM, as files that libc would like to read do; or
 * ends the process with SIGSYS at once where no honest code ever comes:
 * CONFINE_KILLED in filter.c.  Nothing can be opened: what is wanted later
 * (the time zone: TZ is always set, so that libc does not look again) must be
 * loaded in worker_body.warm. */
#ifndef RUNTIME_WORKER_CONFINE_H
#define RUNTIME_WORKER_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "runtime/base/mem.h"

/* In the order they are taken.  Name, what it is called in messages. */
#define CONFINE_STEPS(X)                                                       \
  X(DESCRIPTORS, "close other descriptors")                                    \
  X(CAPABILITIES, "drop capabilities")                                         \
  X(NO_NEW_PRIVS, "no_new_privs")                                              \
  X(NOT_DUMPABLE, "not dumpable")                                              \
  X(PARENT_DEATH, "die with the parent")                                       \
  X(RLIMITS, "resource limits")                                                \
  X(LANDLOCK, "Landlock")                                                      \
  X(SECCOMP, "seccomp filter")

#define CONFINE_ENUM(name, text) CONFINE_##name,
enum confine_step { CONFINE_STEPS(CONFINE_ENUM) CONFINE_NSTEPS };
#undef CONFINE_ENUM

/* "seccomp filter"; static, never NULL. */
const char *confine_step_text(unsigned step);

/* The seccomp program (filter.h), installed many times. */
struct confine_filter;

/* 0, ERR_NOMEM, ERR_SYSTEM */
int confine_filter_new(struct confine_filter **ret, const struct mem *m,
                       struct err *e);
void confine_filter_free(struct confine_filter *f);
struct sock_filter;
/* The instructions, for those who want to look at them; the number at
 * |*ret_pid_at| becomes the process's own when it is installed. */
const struct sock_filter *confine_filter_program(const struct confine_filter *f,
                                                 size_t *ret_n,
                                                 size_t *ret_pid_at);

struct confine_options {
  /* Descriptors from this one on are closed; the few below are the caller's to
   * vouch for. */
  int first_fd_closed;
  pid_t parent;      /* what getppid must say; else the parent has died */
  uint64_t as_bytes; /* RLIMIT_AS; 0: as it is */
  uint32_t cpu_s;    /* RLIMIT_CPU; 0: as it is */
  uint32_t nofile;   /* RLIMIT_NOFILE */
  struct confine_filter *filter; /* NULL: the seccomp step fails */
  /* For probes and tests, which run no script: */
  unsigned skip;                  /* bits (1 << step) that are not taken */
  bool go_on;                     /* after a step that failed */
  int step_errno[CONFINE_NSTEPS]; /* written: 0 taken, -1 not tried, or why it
                                     failed */
  int landlock_abi;               /* written: 0: the kernel has none */
};

/* Takes the steps in order.  The first that fails ends it (unless |go_on|):
 * ERR_SYSTEM, with a message that names the step; the caller must not go on.
 * A kernel without Landlock is no failure.  0: nothing is left to take. */
int confine_self(struct confine_options *o, struct err *e);

/* Of the libseccomp that made the filter, "2.5.4"; static. */
const char *confine_seccomp_version(void);

#endif
