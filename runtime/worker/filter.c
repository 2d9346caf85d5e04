/* filter.c - the seccomp program of a worker, made by libseccomp when cordon is
 * built: making it takes longer than forking and confining a worker.
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
#include "runtime/worker/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/worker/control.h"

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
static int export(scmp_filter_ctx ctx, struct filter *f) {
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
static int find_pid(struct filter *f) {
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

int filter_make(struct filter *f) {
  scmp_filter_ctx ctx;
  int rv;
  /* What the kernel of the machine that builds it knows does not matter: an
   * action that the kernel at hand does not know ends the process as well
   * (seccomp(2)).  3: with SCMP_ACT_KILL_PROCESS. */
  (void)seccomp_api_set(3);
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
  return -rv;
}

void filter_version(char out[FILTER_VERSION_BYTES]) {
  const struct scmp_version *v = seccomp_version();
  snprintf(out, FILTER_VERSION_BYTES, "%u.%u.%u", v ? v->major : 0,
           v ? v->minor : 0, v ? v->micro : 0);
}
