/* probe_worker.c - a helper program for tests: its workers make the calls of
 * probes.h.  Under the name fail-CALL, that call fails before anybody is
 * confined. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "runtime/worker/worker.h"
#include "tests/probes.h"

static const char *program;

/* ------------------------------------------------------------- the calls ---
 */

/* 0 if no descriptor but the standard ones, 3 and the given are open. */
static long others_are_closed(int a, int b, int c) {
  for (int fd = 4; fd < 1024; fd++)
    if (fd != a && fd != b && fd != c &&
        (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)) {
      errno = EEXIST;
      return -1;
    }
  return 0;
}

static long map(int prot, int flags) {
  void *p = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  return p == MAP_FAILED ? -1 : 0;
}

static long map_fd(int fd) {
  void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  return p == MAP_FAILED ? -1 : 0;
}

static long socket_error(int fd) {
  int error = 0;
  socklen_t len = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
}

static long make_call(uint32_t probe, int sock, int udp, int pair,
                      const struct sockaddr_in *to) {
  static char buf[4096];
  static char page[8192] __attribute__((aligned(4096)));
  const socklen_t to_len = sizeof *to;
  const pid_t parent = 1;
  /* MAKE_PROCESS_CPUCLOCK of the kernel's posix-timers.h */
  const long cpu_clock_of_parent = ~(long)parent * 8 + 2;
  switch ((enum probe)probe) {
#define PROBE_CASE(name, outcome, call)                                        \
  case PROBE_##name:                                                           \
    return (call);
    PROBES(PROBE_CASE)
#undef PROBE_CASE
  case PROBE_COUNT:
    break;
  }
  errno = EINVAL;
  return -1;
}

/* --------------------------------------------------------------- the body ---
 */

/* Beyond the calls, by number from PROBE_COUNT on: what workers do otherwise.
 */
enum {
  DO_SPIN = 1000,
  DO_EXIT,
  DO_ABORT,
  DO_EAT,
  DO_CRASH,
  DO_TIMER,
  DO_ZONE,
  DO_FOREIGN
};

static volatile sig_atomic_t ticks;
static void on_tick(int sig) {
  (void)sig;
  ticks++;
}

/* The preemption timer's way; RT signals to oneself. */
static int use_timer(void) {
  struct sigevent ev;
  struct itimerspec its;
  timer_t timer;
  sigset_t none;
  signal(SIGRTMAX - 3, on_tick);
  memset(&ev, 0, sizeof ev);
  ev.sigev_notify = SIGEV_THREAD_ID;
  ev.sigev_signo = SIGRTMAX - 3;
  ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  memset(&its, 0, sizeof its);
  its.it_value.tv_nsec = its.it_interval.tv_nsec = 1000000;
  sigemptyset(&none);
  if (timer_create(CLOCK_MONOTONIC, &ev, &timer) != 0 ||
      timer_settime(timer, 0, &its, NULL) != 0)
    return errno;
  while (ticks < 3)
    nanosleep(&(struct timespec){0, 1000000}, NULL);
  return timer_delete(timer) == 0 ? 0 : errno;
}

static int eat(void) {
  for (size_t n = 0; n < 4096; n++) {
    char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
      return n < 1024 ? errno : 0;
    p[0] = 1;
  }
  return 0;
}

/* Hours between local time and UTC, asked in ways that look for files. */
static int zone(void) {
  time_t t = 1700000000;
  struct tm tm;
  if (!localtime(&t) || !localtime_r(&t, &tm) || mktime(&tm) != t)
    return 99;
  return (int)(tm.tm_gmtoff / 3600);
}

static volatile int *volatile nowhere;

/* On purpose, so that the sanitizer need not say so. */
__attribute__((no_sanitize("undefined"))) static int crash(void) {
  return *nowhere;
}

static int other(uint32_t what) {
  switch (what) {
  case DO_SPIN:
    for (;;)
      ticks++;
  case DO_EXIT:
    _exit(42);
  case DO_ABORT:
    abort();
  case DO_EAT:
    return eat();
  case DO_CRASH:
    return crash();
  case DO_TIMER:
    return use_timer();
  case DO_ZONE:
    return zone();
#ifdef __x86_64__
  case DO_FOREIGN: { /* getpid of the 32-bit table */
    long nr = 20;
    __asm__ volatile("int $0x80" : "+a"(nr) : : "memory");
    return 0;
  }
#endif
  default:
    return EINVAL;
  }
}

/* A request: the number, an address, and up to three sockets. */
struct request {
  uint32_t what;
  struct sockaddr_in to;
};

static int body(int fd) {
  for (;;) {
    struct request q;
    struct iovec iov = {&q, sizeof q};
    union {
      struct cmsghdr align;
      char bytes[CMSG_SPACE(3 * sizeof(int))];
    } control;
    struct msghdr msg;
    struct cmsghdr *c;
    int fds[3] = {-1, -1, -1};
    int32_t answer;
    memset(&msg, 0, sizeof msg);
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = &control;
    msg.msg_controllen = sizeof control;
    if (recvmsg(fd, &msg, MSG_WAITALL) != (ssize_t)sizeof q)
      return 0;
    c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_len <= CMSG_LEN(sizeof fds))
      memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    if (q.what >= DO_SPIN)
      answer = other(q.what);
    else
      answer = make_call(q.what, fds[0], fds[1], fds[2], &q.to) < 0 ? errno : 0;
    if (send(fd, &answer, sizeof answer, MSG_NOSIGNAL) < 0)
      return 1;
  }
}

/* ------------------------------------------------------ failing to set up ---
 */

static const struct fault {
  const char *name;
  int nr;
  unsigned long arg0; /* 0: any */
  int error;
} faults[] = {
    {"fail-close_range", 436, 5, EPERM},
    {"fail-capset", SYS_capset, 0, EPERM},
    {"fail-no_new_privs", SYS_prctl, PR_SET_NO_NEW_PRIVS, EINVAL},
    {"fail-dumpable", SYS_prctl, PR_SET_DUMPABLE, EPERM},
    {"fail-pdeathsig", SYS_prctl, PR_SET_PDEATHSIG, EPERM},
    {"fail-rlimit", SYS_prlimit64, 0, EPERM},
    {"fail-landlock", 446, 0, E2BIG},
    {"no-landlock", 444, 0, ENOSYS},
    {"fail-seccomp", SYS_seccomp, 0, EFAULT},
    {"fail-getppid", SYS_getppid, 0, 1},
};

static void warm(void) {
  const char *name = strrchr(program, '/');
  name = name ? name + 1 : program;
  if (strcmp(name, "dies") == 0)
    _exit(1);
  for (const struct fault *f = faults;
       f < faults + sizeof faults / sizeof *faults; f++) {
    scmp_filter_ctx ctx;
    if (strcmp(name, f->name) != 0)
      continue;
    ctx = seccomp_init(SCMP_ACT_ALLOW);
    if (!ctx ||
        seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)f->error), f->nr,
                         f->arg0 != 0,
                         SCMP_CMP64(0, SCMP_CMP_EQ, f->arg0, 0)) != 0 ||
        seccomp_load(ctx) != 0)
      _exit(1);
    seccomp_release(ctx);
  }
}

int main(int argc, char **argv) {
  static const struct worker_body probes = {warm, body};
  const char *name = strrchr(argv[0], '/');
  program = argv[0];
  if (argc == 2 && name && strcmp(name, "/other-version") == 0)
    argv[1] = argv[0]; /* as if it had been asked for another */
  return template_main(argc, argv, &probes);
}
