/* confine.c - the steps after which a process can compute and talk to the
 * descriptors it holds, and do nothing else.
 *
 * What is refused how: a call that libc makes on its own initiative (it likes
 * to look for files, terminals and limits) fails with EPERM and the program
 * goes on; a call that only somebody who has taken over the process would make
 * ends it.  Everything that nobody thought of fails with EPERM.
 *
 * Rules are kept so simple that each call has either one rule or rules over
 * one argument: libseccomp before 2.6.1 can merge others into a weaker filter.
 * tests/check_confine.c runs the finished program over all calls and over a
 * grid of arguments. */
#include "runtime/worker/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <seccomp.h>
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

/* -------------------------------------------------------------- seccomp --- */

/* Allowed whatever the arguments: the kernel then does not even run the program
 * for them (its cache of constant actions). */
static const char *const always[] = {
    "read",          "readv",        "write",
    "writev",        "recvfrom",     "recvmsg",
    "shutdown",      "close",        "epoll_create1",
    "epoll_ctl",     "epoll_wait",   "epoll_pwait",
    "poll",          "ppoll",        "eventfd2",
    "nanosleep",     "sched_yield",  "gettimeofday",
    "time",          "munmap",       "mremap",
    "brk",           "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn",  "sigaltstack",  "timer_settime",
    "timer_gettime", "timer_delete", "timer_getoverrun",
    "getrandom",     "getpid",       "gettid",
    "exit",          "exit_group",   "restart_syscall",
};

/* Allowed if the argument |arg| is |value| under |mask|; several lines for one
 * call are alternatives.  |value| PID stands for the process's own. */
#define PID 0x7ec0de01u
#define MASK_ALL UINT64_MAX
#define CLOCKS                                                                 \
  11 /* CLOCK_TAI; negative ones are of other processes, or fds                \
      */
#define MMAP_BAD                                                               \
  (MAP_TYPE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_LOCKED | MAP_GROWSDOWN)

static const struct one {
  const char *call;
  unsigned arg;
  uint64_t mask, value;
} ones[] = {
    {"mprotect", 2, PROT_EXEC, 0},
    {"tgkill", 0, MASK_ALL, PID},
    {"getrusage", 0, MASK_ALL, RUSAGE_SELF},
    {"fcntl", 1, MASK_ALL, F_GETFD},
    {"fcntl", 1, MASK_ALL, F_SETFD},
    {"fcntl", 1, MASK_ALL, F_GETFL},
    {"fcntl", 1, MASK_ALL, F_SETFL},
    /* no PI, no requeue: locks of libc wait and wake */
    {"futex", 1, ~(uint64_t)FUTEX_PRIVATE_FLAG, FUTEX_WAIT},
    {"futex", 1, ~(uint64_t)FUTEX_PRIVATE_FLAG, FUTEX_WAKE},
    {"madvise", 2, MASK_ALL, MADV_NORMAL},
    {"madvise", 2, MASK_ALL, MADV_RANDOM},
    {"madvise", 2, MASK_ALL, MADV_SEQUENTIAL},
    {"madvise", 2, MASK_ALL, MADV_WILLNEED},
    {"madvise", 2, MASK_ALL, MADV_DONTNEED},
    {"madvise", 2, MASK_ALL, MADV_FREE},
    {"madvise", 2, MASK_ALL, MADV_HUGEPAGE},
    {"madvise", 2, MASK_ALL, MADV_NOHUGEPAGE},
#if CONTROL_SANITIZED
    {"madvise", 2, MASK_ALL, MADV_DONTDUMP},
#endif
};

static const char *const clocks[] = {"clock_gettime", "clock_getres",
                                     "clock_nanosleep", "timer_create"};

/* CONFINE_KILLED: what nobody calls by accident. */
static const char *const killed[] = {
    /* other programs, other processes */
    "execve",
    "execveat",
    "fork",
    "vfork",
    "clone",
    "clone3",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "process_mrelease",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "kill",
    "tkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "kcmp",
    "setns",
    "unshare",
    /* sockets of one's own */
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "sendmmsg",
    /* kernel machinery with a history */
    "bpf",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "userfaultfd",
    "perf_event_open",
    "memfd_create",
    "memfd_secret",
    "add_key",
    "request_key",
    "keyctl",
    "modify_ldt",
    "pkey_mprotect",
    "personality",
    "vmsplice",
    "splice",
    "tee",
    "seccomp",
    "iopl",
    "ioperm",
    /* the machine and its file systems */
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "fsconfig",
    "fspick",
    "mount_setattr",
    "pivot_root",
    "chroot",
    "open_by_handle_at",
    "name_to_handle_at",
    "fanotify_init",
    "quotactl",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "syslog",
};

struct confine_filter {
  struct mem mem;
  size_t n;
  size_t pid_at; /* the instruction that holds PID */
  struct sock_filter insns[BPF_MAXINSNS];
};

/* A call that this architecture does not have cannot be made.  Newer ones than
 * libseccomp knows fall to the default, EPERM. */
static int add(scmp_filter_ctx ctx, uint32_t action, const char *call,
               unsigned ncmp, const struct scmp_arg_cmp *cmp) {
  int nr = seccomp_syscall_resolve_name(call);
  return nr < 0 ? 0 : seccomp_rule_add_exact_array(ctx, action, nr, ncmp, cmp);
}

static int add_rules(scmp_filter_ctx ctx) {
  int rv = 0;
  for (size_t i = 0; rv == 0 && i < sizeof always / sizeof *always; i++)
    rv = add(ctx, SCMP_ACT_ALLOW, always[i], 0, NULL);
  for (size_t i = 0; rv == 0 && i < sizeof killed / sizeof *killed; i++)
    rv = add(ctx, SCMP_ACT_KILL_PROCESS, killed[i], 0, NULL);
  for (size_t i = 0; rv == 0 && i < sizeof ones / sizeof *ones; i++) {
    const struct one *o = &ones[i];
    struct scmp_arg_cmp cmp = {.arg = o->arg,
                               .op = SCMP_CMP_MASKED_EQ,
                               .datum_a = o->mask,
                               .datum_b = o->value};
    if (o->mask == MASK_ALL)
      cmp = (struct scmp_arg_cmp){
          .arg = o->arg, .op = SCMP_CMP_EQ, .datum_a = o->value};
    rv = add(ctx, SCMP_ACT_ALLOW, o->call, 1, &cmp);
  }
  for (size_t i = 0; rv == 0 && i < sizeof clocks / sizeof *clocks; i++)
    rv = add(ctx, SCMP_ACT_ALLOW, clocks[i], 1,
             &SCMP_CMP64(0, SCMP_CMP_LE, CLOCKS, 0));
  if (rv == 0) { /* anonymous, private, small pages, never executable */
    const struct scmp_arg_cmp cmp[] = {
        SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
        SCMP_CMP64(3, SCMP_CMP_MASKED_EQ, MMAP_BAD,
                   MAP_PRIVATE | MAP_ANONYMOUS)};
    rv = add(ctx, SCMP_ACT_ALLOW, "mmap", 2, cmp);
  }
  if (rv == 0) {
    /* With an address it would be connect, and with MSG_FASTOPEN as well:
     * tcp(7). */
    const struct scmp_arg_cmp cmp[] = {
        SCMP_CMP64(3, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0),
        SCMP_CMP64(4, SCMP_CMP_EQ, 0, 0)};
    rv = add(ctx, SCMP_ACT_ALLOW, "sendto", 2, cmp);
  }
  if (rv == 0) {
    const struct scmp_arg_cmp cmp[] = {
        SCMP_CMP64(1, SCMP_CMP_EQ, SOL_SOCKET, 0),
        SCMP_CMP64(2, SCMP_CMP_EQ, SO_ERROR, 0)};
    rv = add(ctx, SCMP_ACT_ALLOW, "getsockopt", 2, cmp);
  }
  return rv;
}

/* The program of |ctx|, which libseccomp gives to descriptors only. */
static int export(scmp_filter_ctx ctx, struct confine_filter *f) {
  int fds[2];
  ssize_t n = 0;
  size_t len = 0;
  int rv;
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
    return -errno;
  /* the largest program there can be, so that nothing waits */
  fcntl(fds[1], F_SETPIPE_SZ, (int)sizeof f->insns);
  rv = seccomp_export_bpf(ctx, fds[1]);
  close(fds[1]);
  while (rv == 0 && len < sizeof f->insns &&
         (n = read(fds[0], (char *)f->insns + len, sizeof f->insns - len)) > 0)
    len += (size_t)n;
  if (rv == 0 && n < 0)
    rv = -errno;
  close(fds[0]);
  f->n = len / sizeof *f->insns;
  return rv;
}

/* Where the process's own number goes; the program is right only if there is
 * exactly one such place. */
static int find_pid(struct confine_filter *f) {
  size_t found = 0;
  for (size_t i = 0; i < f->n; i++)
    if (f->insns[i].k == PID) {
      if (f->insns[i].code != (BPF_JMP | BPF_JEQ | BPF_K))
        return -EINVAL;
      f->pid_at = i;
      found++;
    }
  return found == 1 ? 0 : -EINVAL;
}

int confine_filter_new(struct confine_filter **ret, const struct mem *m,
                       struct err *e) {
  struct confine_filter *f = mem_zalloc(m, sizeof *f);
  scmp_filter_ctx ctx;
  int rv;
  if (!f)
    return err_set(e, ERR_NOMEM);
  f->mem = *m;
  ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  rv = ctx ? 0 : -ENOMEM;
  if (rv == 0)
    rv = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  /* a tree instead of a list: it is as long as the table of calls */
  if (rv == 0)
    rv = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (rv == 0)
    rv = add_rules(ctx);
  if (rv == 0)
    rv = export(ctx, f);
  if (rv == 0)
    rv = find_pid(f);
  if (ctx)
    seccomp_release(ctx);
  if (rv != 0) {
    mem_free(m, f, sizeof *f);
    return err_system(e, -rv, "%s", confine_step_text(CONFINE_SECCOMP));
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
  *ret_n = f->n;
  *ret_pid_at = f->pid_at;
  return f->insns;
}

static int take_seccomp(struct confine_options *o) {
  struct confine_filter *f = o->filter;
  struct sock_fprog prog;
  if (!f)
    return ENOSYS;
  f->insns[f->pid_at].k = (uint32_t)getpid();
  prog.len = (unsigned short)f->n;
  prog.filter = f->insns;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0 ? 0
                                                                      : errno;
}

const char *confine_seccomp_version(void) {
  static char text[24];
  const struct scmp_version *v = seccomp_version();
  if (v)
    snprintf(text, sizeof text, "%u.%u.%u", v->major, v->minor, v->micro);
  return text;
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

static int take_rlimits(struct confine_options *o) {
  static const __rlimit_resource_t none[] = {
      RLIMIT_NPROC,    RLIMIT_FSIZE, RLIMIT_CORE,   RLIMIT_MEMLOCK,
      RLIMIT_MSGQUEUE, RLIMIT_NICE,  RLIMIT_RTPRIO, RLIMIT_LOCKS};
  struct rlimit now;
  rlim_t nofile = o->nofile;
  int rv = 0;
  for (size_t i = 0; rv == 0 && i < sizeof none / sizeof *none; i++)
    rv = limit(none[i], 0, 0);
  /* Timers are counted per user: the half of all is left to the host. */
  if (rv == 0 && getrlimit(RLIMIT_SIGPENDING, &now) == 0 &&
      now.rlim_max != RLIM_INFINITY)
    rv = limit(RLIMIT_SIGPENDING, now.rlim_max / 2, now.rlim_max / 2);
  /* The host's own limit may be lower, and cannot be raised. */
  if (rv == 0 && getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max < nofile)
    nofile = now.rlim_max;
  if (rv == 0)
    rv = limit(RLIMIT_NOFILE, nofile, nofile);
  if (rv == 0 && o->cpu_s > 0) /* SIGXCPU, then SIGKILL */
    rv = limit(RLIMIT_CPU, o->cpu_s, (rlim_t)o->cpu_s + 1);
  /* AddressSanitizer's shadow is 16 TiB of addresses. */
  if (rv == 0 && o->as_bytes > 0 && !CONTROL_SANITIZED)
    rv = limit(RLIMIT_AS, o->as_bytes, o->as_bytes);
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
