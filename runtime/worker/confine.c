/* confine.c - the steps after which a process can compute and talk to the
 * descriptors it holds, and do nothing else. */
#include "runtime/worker/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/worker/control.h"
#include "runtime/worker/filter.h"
#if CORDON_FILTER_BUILT
#include "runtime/worker/filter_program.h"
#endif

/* -------------------------------------------------------------- seccomp --- */

struct confine_filter {
  struct mem mem;
  struct filter program;
};

/* 0, or an errno. */
static int make_program(struct filter *f) {
#if CORDON_FILTER_BUILT
  f->n = sizeof filter_program / sizeof *filter_program;
  f->pid_at = FILTER_PID_AT;
  memcpy(f->insns, filter_program, sizeof filter_program);
  return 0;
#else
  return filter_make(f);
#endif
}

int confine_filter_new(struct confine_filter **ret, const struct mem *m,
                       struct err *e) {
  struct confine_filter *f = mem_zalloc(m, sizeof *f);
  int error;
  if (!f)
    return err_set(e, ERR_NOMEM);
  f->mem = *m;
  if ((error = make_program(&f->program)) != 0) {
    mem_free(m, f, sizeof *f);
    return err_system(e, error, "%s", confine_step_text(CONFINE_SECCOMP));
  }
  *ret = f;
  return 0;
}

void confine_filter_free(struct confine_filter *f) {
  struct mem m;
  if (!f)
    return;
  m = f->mem;
  mem_free(&m, f, sizeof *f);
}

const struct sock_filter *confine_filter_program(const struct confine_filter *f,
                                                 size_t *ret_n,
                                                 size_t *ret_pid_at) {
  *ret_n = f->program.n;
  *ret_pid_at = f->program.pid_at;
  return f->program.insns;
}

static int take_seccomp(struct confine_options *o) {
  struct filter *f;
  struct sock_fprog prog;
  if (!o->filter)
    return ENOSYS;
  f = &o->filter->program;
  f->insns[f->pid_at].k = (uint32_t)getpid();
  prog.len = (unsigned short)f->n;
  prog.filter = f->insns;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0 ? 0
                                                                      : errno;
}

const char *confine_seccomp_version(void) {
#if CORDON_FILTER_BUILT
  return FILTER_VERSION;
#else
  static char text[FILTER_VERSION_BYTES];
  filter_version(text);
  return text;
#endif
}

/* ------------------------------------------------------------- Landlock --- */

/* Debian 12's headers end at the first version of Landlock; the numbers are the
 * kernel's (include/uapi/linux/landlock.h).  Rights are handled, and no rule
 * gives any back: all are denied. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self 446
#endif
#define LANDLOCK_VERSION 1u /* flag of create_ruleset */

struct landlock_attr {
  uint64_t fs;     /* bits 0..12 in ABI 1, REFER 2, TRUNCATE 3, IOCTL_DEV 5 */
  uint64_t net;    /* BIND_TCP, CONNECT_TCP: ABI 4 */
  uint64_t scoped; /* ABSTRACT_UNIX_SOCKET, SIGNAL: ABI 6 */
};

static int take_landlock(struct confine_options *o) {
  struct landlock_attr attr = {.fs = (UINT64_C(1) << 13) - 1};
  size_t size = sizeof attr.fs;
  int fd, result = 0;
  long abi =
      syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION);
  if (abi < 1) /* not compiled in, or not switched on */
    return abi < 0 && errno != ENOSYS && errno != EOPNOTSUPP ? errno : 0;
  if (abi >= 2)
    attr.fs |= UINT64_C(1) << 13;
  if (abi >= 3)
    attr.fs |= UINT64_C(1) << 14;
  if (abi >= 5)
    attr.fs |= UINT64_C(1) << 15;
  if (abi >= 4) {
    attr.net = 3;
    size = offsetof(struct landlock_attr, scoped);
  }
  if (abi >= 6) {
    attr.scoped = 3;
    size = sizeof attr;
  }
  fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0u);
  if (fd < 0)
    return errno;
  if (syscall(SYS_landlock_restrict_self, fd, 0u) != 0)
    result = errno;
  close(fd);
  if (result == 0)
    o->landlock_abi = (int)abi;
  return result;
}

/* ------------------------------------------------------- the other steps ---
 */

static int take_descriptors(struct confine_options *o) {
  return syscall(SYS_close_range, (unsigned)o->first_fd_closed, ~0u, 0u) == 0
             ? 0
             : errno;
}

static int take_capabilities(struct confine_options *o) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2];
  (void)o;
  memset(none, 0, sizeof none);
  return syscall(SYS_capset, &head, none) == 0 ? 0 : errno;
}

static int take_no_new_privs(struct confine_options *o) {
  (void)o;
  return prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0 ? 0 : errno;
}

static int take_not_dumpable(struct confine_options *o) {
  (void)o;
  return prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) == 0 ? 0 : errno;
}

static int take_parent_death(struct confine_options *o) {
  if (prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0L, 0L, 0L) != 0)
    return errno;
  return getppid() == o->parent ? 0 : ESRCH; /* it died before */
}

static int limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard) {
  struct rlimit l = {soft, hard};
  return setrlimit(resource, &l) == 0 ? 0 : errno;
}

/* As |limit|; where the host's own limit is lower, that cannot be raised. */
static int limit_within(__rlimit_resource_t resource, rlim_t soft,
                        rlim_t hard) {
  struct rlimit now;
  if (getrlimit(resource, &now) != 0)
    return errno;
  if (now.rlim_max < hard)
    hard = now.rlim_max;
  return limit(resource, soft < hard ? soft : hard, hard);
}

static int take_rlimits(struct confine_options *o) {
  static const __rlimit_resource_t none[] = {
      RLIMIT_NPROC,    RLIMIT_FSIZE, RLIMIT_CORE,   RLIMIT_MEMLOCK,
      RLIMIT_MSGQUEUE, RLIMIT_NICE,  RLIMIT_RTPRIO, RLIMIT_LOCKS};
  struct rlimit now;
  int rv = 0;
  for (size_t i = 0; rv == 0 && i < sizeof none / sizeof *none; i++)
    rv = limit(none[i], 0, 0);
  /* Timers are counted per user: the half of all is left to the host. */
  if (rv == 0 && getrlimit(RLIMIT_SIGPENDING, &now) == 0 &&
      now.rlim_max != RLIM_INFINITY)
    rv = limit(RLIMIT_SIGPENDING, now.rlim_max / 2, now.rlim_max / 2);
  if (rv == 0)
    rv = limit_within(RLIMIT_NOFILE, o->nofile, o->nofile);
  if (rv == 0 && o->cpu_s > 0) /* SIGXCPU, then SIGKILL */
    rv = limit_within(RLIMIT_CPU, o->cpu_s, (rlim_t)o->cpu_s + 1);
  /* AddressSanitizer's shadow is 16 TiB of addresses. */
  if (rv == 0 && o->as_bytes > 0 && !CONTROL_SANITIZED)
    rv = limit_within(RLIMIT_AS, o->as_bytes, o->as_bytes);
  return rv;
}

int confine_self(struct confine_options *o, struct err *e) {
  static int (*const take[])(struct confine_options *) = {
      [CONFINE_DESCRIPTORS] = take_descriptors,
      [CONFINE_CAPABILITIES] = take_capabilities,
      [CONFINE_NO_NEW_PRIVS] = take_no_new_privs,
      [CONFINE_NOT_DUMPABLE] = take_not_dumpable,
      [CONFINE_PARENT_DEATH] = take_parent_death,
      [CONFINE_RLIMITS] = take_rlimits,
      [CONFINE_LANDLOCK] = take_landlock,
      [CONFINE_SECCOMP] = take_seccomp,
  };
  unsigned step;
  int rv = 0;
  o->landlock_abi = 0;
  for (step = 0; step < CONFINE_NSTEPS; step++)
    o->step_errno[step] = -1;
  for (step = 0; step < CONFINE_NSTEPS; step++) {
    if (o->skip & (1u << step))
      continue;
    o->step_errno[step] = take[step](o);
    if (o->step_errno[step] == 0)
      continue;
    if (rv == 0)
      rv = err_system(e, o->step_errno[step], "%s", confine_step_text(step));
    if (!o->go_on)
      break;
  }
  return rv;
}
