/* template.c - the helper program: one warm process with one thread, which
 * forks a worker for each request.
 *
 * It is trusted as the host is, and never runs a script.  Whatever it fails to
 * do, a worker that is not confined runs nothing. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/worker/confine.h"
#include "runtime/worker/control.h"
#include "runtime/worker/namespaces.h"
#include "runtime/worker/spawn.h"
#include "runtime/worker/worker.h"

#define CHILDREN_MAX 65536

struct child {
  pid_t pid;
  uint64_t id;
};

struct template {
  const struct worker_body *body;
  struct confine_filter *filter; /* NULL: no worker gets through its set-up */
  uint64_t own_bytes;            /* address space */
  struct control_reply hello;
  struct child *children;
  size_t nchildren, cap;
  /* One reply at a time waits for room in the socket, and nothing is read until
   * it is sent: a parent that asks and does not listen gets no more. */
  struct control_reply reply;
  int reply_fd; /* goes with it, or -1 */
  bool waiting;
  int host_fd; /* -1: the kernel has no pidfds */
  /* The request for a worker that was there before us; -1: none. */
  struct control_request first;
  int first_fd;
};

/* -------------------------------------------------------------- replies --- */

static void close_reply_fd(struct template *t) {
  if (t->reply_fd >= 0)
    close(t->reply_fd);
  t->reply_fd = -1;
}

/* False: not now. */
static bool try_reply(struct template *t) {
  struct iovec iov = {&t->reply, sizeof t->reply};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof t->reply_fd)];
  } control;
  struct msghdr msg;
  memset(&msg, 0, sizeof msg);
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  if (t->reply_fd >= 0) {
    struct cmsghdr *c;
    memset(&control, 0, sizeof control);
    msg.msg_control = &control;
    msg.msg_controllen = sizeof control;
    c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof t->reply_fd);
    memcpy(CMSG_DATA(c), &t->reply_fd, sizeof t->reply_fd);
  }
  while (sendmsg(CONTROL_FD, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno == EINTR)
      continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
      return false;
    /* Too many descriptors in flight: the host can do without. */
    if (errno == ETOOMANYREFS && msg.msg_control) {
      msg.msg_control = NULL;
      msg.msg_controllen = 0;
      continue;
    }
    _exit(0); /* nobody is there any more */
  }
  close_reply_fd(t);
  t->waiting = false;
  return true;
}

static struct control_reply *reply(struct template *t, enum control_op op,
                                   uint64_t id) {
  memset(&t->reply, 0, sizeof t->reply);
  t->reply.op = op;
  t->reply.id = id;
  t->waiting = true;
  return &t->reply;
}

static int pidfd_of(pid_t pid) {
  return (int)syscall(SYS_pidfd_open, pid, 0u);
}

/* -------------------------------------------------------------- workers --- */

/* What must be refused now; a set-up that leaves it open is none. */
static bool holds(void) {
  int fd = open("/", O_RDONLY | O_CLOEXEC);
  if (fd >= 0)
    return false;
  return errno == EPERM || errno == EACCES;
}

/* In the child: never returns. */
__attribute__((noreturn)) static void work(const struct template *t,
                                           const struct control_request *q,
                                           int fd, pid_t parent) {
  struct confine_options o;
  struct control_reply r;
  struct err e;
  sigset_t none;
  bool probe = q->op == CONTROL_PROBE;
  int rv, status;
  signal(SIGCHLD, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  memset(&o, 0, sizeof o);
  o.first_fd_closed = CONTROL_FD + 1;
  o.parent = parent;
  if (q->memory_bytes > 0 && q->memory_bytes < INT64_MAX)
    o.as_bytes = t->own_bytes + q->memory_bytes;
  o.cpu_s = q->cpu_s;
  o.nofile = q->nofile;
  o.filter = t->filter;
  o.go_on = probe;
  memset(&r, 0, sizeof r);
  r.id = q->id;
  snprintf(r.seccomp_version, sizeof r.seccomp_version, "%s",
           confine_seccomp_version());
  rv = dup2(fd, CONTROL_WORKER_FD) < 0
           ? err_system(&e, errno, "%s", confine_step_text(CONFINE_DESCRIPTORS))
           : confine_self(&o, &e);
  r.op = probe ? CONTROL_PROBED : rv == 0 ? CONTROL_READY : CONTROL_FAILED;
  r.landlock_abi = o.landlock_abi;
  memcpy(r.step_errno, o.step_errno, sizeof r.step_errno);
  if (rv != 0) {
    r.sys_errno = e.sys_errno;
    for (r.step = 0; r.step < CONFINE_NSTEPS - 1; r.step++)
      if (o.step_errno[r.step] > 0)
        break;
  }
  r.holds = probe && holds();
  /* blocks until the parent has read what was before */
  if (send(CONTROL_FD, &r, sizeof r, MSG_NOSIGNAL) != (ssize_t)sizeof r)
    _exit(100);
  close(CONTROL_FD);
  if (r.op != CONTROL_READY)
    _exit(100);
  status = t->body->main(CONTROL_WORKER_FD);
  _exit(status);
}

static bool room_for_child(struct template *t) {
  struct child *more =
      mem_grow(&mem_libc, t->children, &t->cap, t->nchildren + 1,
               sizeof *t->children, CHILDREN_MAX);
  if (!more)
    return false;
  t->children = more;
  return true;
}

static void spawn(struct template *t, const struct control_request *q, int fd) {
  pid_t parent = getpid();
  pid_t pid = -1;
  if (fd >= 0 && room_for_child(t))
    pid = fork();
  else
    errno = fd < 0 ? EMFILE : ENOMEM;
  if (pid == 0)
    work(t, q, fd, parent);
  if (pid < 0) {
    struct control_reply *r = reply(t, CONTROL_FAILED, q->id);
    r->sys_errno = errno;
    r->step = CONTROL_STEP_FORK;
    return;
  }
  t->children[t->nchildren++] = (struct child){pid, q->id};
  reply(t, CONTROL_STARTED, q->id);
  /* Nobody else waits for it: the number is its own until then. */
  t->reply_fd = pidfd_of(pid);
}

static void kill_child(const struct template *t, uint64_t id) {
  for (size_t i = 0; i < t->nchildren; i++)
    if (t->children[i].id == id) {
      kill(t->children[i].pid, SIGKILL);
      return;
    }
}

/* One that has ended becomes a reply. */
static void reap(struct template *t) {
  int status;
  pid_t pid;
  while (!t->waiting && (pid = waitpid(-1, &status, WNOHANG)) > 0)
    for (size_t i = 0; i < t->nchildren; i++)
      if (t->children[i].pid == pid) {
        reply(t, CONTROL_EXITED, t->children[i].id)->status = status;
        t->children[i] = t->children[--t->nchildren];
        break;
      }
}

/* ----------------------------------------------------------------- loop --- */

static void receive(struct template *t) {
  struct control_request q;
  struct iovec iov = {&q, sizeof q};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr msg;
  const struct cmsghdr *c;
  ssize_t n;
  int fd = -1;
  memset(&msg, 0, sizeof msg);
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = &control;
  msg.msg_controllen = sizeof control;
  n = recvmsg(CONTROL_FD, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
    return;
  if (n != (ssize_t)sizeof q) /* the host has ended, or is none of ours */
    _exit(0);
  c = CMSG_FIRSTHDR(&msg);
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
      c->cmsg_len == CMSG_LEN(sizeof fd))
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
  switch ((enum control_op)q.op) {
  case CONTROL_SPAWN:
  case CONTROL_PROBE:
    spawn(t, &q, fd);
    break;
  case CONTROL_KILL:
    kill_child(t, q.id);
    break;
  case CONTROL_NAMESPACES:
    /* Told twice: where clone does not share memory, as under valgrind, the
     * host does not know of the first time. */
    break;
  case CONTROL_HELLO:
  case CONTROL_STARTED:
  case CONTROL_READY:
  case CONTROL_FAILED:
  case CONTROL_PROBED:
  case CONTROL_EXITED:
  default:
    _exit(2);
  }
  if (fd >= 0)
    close(fd);
}

__attribute__((noreturn)) static void serve(struct template *t) {
  sigset_t none;
  sigemptyset(&none);
  for (;;) {
    struct pollfd p[] = {{CONTROL_FD, POLLIN, 0}, {t->host_fd, POLLIN, 0}};
    reap(t);
    if (t->waiting && try_reply(t))
      continue;
    if (!t->waiting && t->first_fd >= 0) {
      spawn(t, &t->first, t->first_fd);
      close(t->first_fd);
      t->first_fd = -1;
      continue;
    }
    if (t->waiting)
      p[0].events = POLLOUT;
    /* SIGCHLD is blocked but here: none gets lost between reap and this. */
    if (ppoll(p, 2, NULL, &none) < 0)
      continue;
    if (p[1].revents & POLLIN)
      _exit(0); /* the host has ended, though a fork of it still has its end */
    if (p[0].revents && !t->waiting)
      receive(t);
    else if (p[0].revents & (POLLHUP | POLLERR))
      _exit(0);
  }
}

/* ---------------------------------------------------------------- start --- */

static void on_child(int sig) {
  (void)sig;
}

/* The parent blocked every signal, and may have ignored some.  What a terminal
 * or a service manager tells all processes of a group is the host's to answer:
 * it ends its workers in good order, or goes on. */
static void reset_signals(void) {
  static const int of_host[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
  sigset_t mask;
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = SIG_DFL;
  for (int sig = 1; sig <= SIGRTMAX; sig++)
    sigaction(sig, &sa, NULL);
  sa.sa_handler = SIG_IGN;
  for (size_t i = 0; i < sizeof of_host / sizeof *of_host; i++)
    sigaction(of_host[i], &sa, NULL);
  sa.sa_handler = on_child;
  sigaction(SIGCHLD, &sa, NULL);
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* O_PATH: these can neither be read nor written, and whoever prints to "fd 2"
 * or gets a new descriptor meets them instead of a connection. */
static bool plug_standard_fds(void) {
  int fd;
  if (syscall(SYS_close_range, (unsigned)CONTROL_FIRST_UNUSED, ~0u, 0u) != 0)
    return false;
  for (int i = 0; i <= CONTROL_WORKER_FD; i++)
    if (i != STDERR_FILENO || !CONTROL_SANITIZED)
      close(i);
  while ((fd = open("/dev/null", O_PATH)) >= 0 && fd <= CONTROL_WORKER_FD)
    continue;
  if (fd < 0)
    return false;
  close(fd);
  return true;
}

static uint64_t own_bytes(void) {
  unsigned long pages = 0;
  FILE *f = fopen("/proc/self/statm", "re");
  if (!f)
    return UINT64_C(64) << 20; /* more than it is */
  if (fscanf(f, "%lu", &pages) != 1)
    pages = 0;
  fclose(f);
  return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Those we were born in, and those that were made meanwhile.  Where we are
 * process 1, all others end with us. */
static void take_namespaces(struct template *t) {
  struct control_reply *hello = &t->hello;
  struct control_request q;
  struct iovec iov = {&q, sizeof q};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(NAMESPACES_HANDED * sizeof(int))];
  } control;
  struct msghdr msg;
  const struct cmsghdr *c;
  int fds[NAMESPACES_HANDED], got[NAMESPACES_HANDED];
  static const unsigned bits[NAMESPACES_HANDED] = {WORKER_NS_NET, WORKER_NS_IPC,
                                                   WORKER_NS_MNT};
  size_t ngot = 0, next = 0;
  ssize_t n;
  memset(&msg, 0, sizeof msg);
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  for (;;) {
    msg.msg_control = &control;
    msg.msg_controllen = sizeof control;
    n = recvmsg(CONTROL_FD, &msg, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR)
      continue;
    if (n != (ssize_t)sizeof q)
      _exit(0); /* the host has ended */
    ngot = 0;
    c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
      ngot = (c->cmsg_len - CMSG_LEN(0)) / sizeof *got;
      memcpy(got, CMSG_DATA(c), ngot * sizeof *got);
    }
    if (q.op == CONTROL_NAMESPACES)
      break;
    if ((q.op != CONTROL_SPAWN && q.op != CONTROL_PROBE) || ngot != 1 ||
        t->first_fd >= 0)
      _exit(2);
    t->first = q;
    t->first_fd = got[0];
  }
  for (size_t i = 0; i < NAMESPACES_HANDED; i++)
    fds[i] = (q.namespaces & bits[i]) && next < ngot ? got[next++] : -1;
  hello->sys_errno = q.sys_errno;
  hello->namespaces = q.namespaces & (WORKER_NS_USER | WORKER_NS_PID);
  hello->namespaces |= namespaces_enter(fds, &hello->sys_errno);
}

int template_main(int argc, char **argv, const struct worker_body *body) {
  static struct template t;
  struct confine_options own;
  struct err e;
  if (argc != 2 || fcntl(CONTROL_FD, F_GETFD) < 0) {
    static const char text[] =
        "cordon-worker: started by cordon and libcordon only\n";
    return write(STDERR_FILENO, text, sizeof text - 1) < 0 ? 3 : 2;
  }
  reset_signals();
  if (!plug_standard_fds())
    return 2;
  t.body = body;
  t.reply_fd = t.first_fd = -1;
  t.host_fd = fcntl(CONTROL_HOST_FD, F_GETFD) < 0 ? -1 : CONTROL_HOST_FD;
  if (strcmp(argv[1], CONTROL_VERSION) != 0) {
    reply(&t, CONTROL_HELLO, 0)->step = CONTROL_STEP_VERSION;
    try_reply(&t);
    _exit(2);
  }
  tzset(); /* reads files, which nothing does later */
  if (body->warm)
    body->warm();
  t.own_bytes = own_bytes();
  if (confine_filter_new(&t.filter, &mem_libc, &e) != 0)
    t.filter = NULL;
  t.hello.op = CONTROL_HELLO;
  take_namespaces(&t);
  memset(&own, 0, sizeof own);
  own.skip = ~(1u << CONFINE_CAPABILITIES | 1u << CONFINE_NO_NEW_PRIVS |
               1u << CONFINE_NOT_DUMPABLE);
  confine_self(&own, &e); /* what fails here fails in workers, and is told */
  t.reply = t.hello;
  t.waiting = true;
  t.reply_fd = pidfd_of(getpid());
  serve(&t);
}
