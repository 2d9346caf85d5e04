/* spawn.c - starts the template and speaks with it. */
#include "runtime/worker/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/worker/control.h"
#include "runtime/worker/namespaces.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#define WORKERS_MAX 65536
#define REPLIES_PER_DISPATCH 256
#define PATH_BYTES 4096

enum state {
  STATE_ENDED,  /* FAILED or EXITED was told */
  STATE_QUEUED, /* to be asked for: the socket was full */
  STATE_ASKED,  /* of the template of |epoch| */
  STATE_READY
};

struct worker {
  struct worker_pool *pool;
  uint32_t slot;
  enum state state;
  uint32_t epoch;
  int fd;
  int their_fd; /* until it is sent; else -1 */
  int pidfd;
  bool started; /* the template's word has come, */
  bool ready;   /* the worker's own, */
  bool killed;  /* by worker_kill, perhaps before either */
  enum control_op op;
  struct worker_limits limits;
  pid_t pid;
  int status;
  int landlock_abi;
  struct err err;
  struct control_reply *probe; /* where the answer of a probe goes, or NULL */
  worker_event_fn *fn;
  void *ud;
};

struct slot {
  struct worker *w;
  uint32_t generation; /* half of the id: late replies find nobody */
};

struct worker_pool {
  struct mem mem;
  int epfd;        /* the one that callers see; holds |control| */
  int control;     /* -1: no template */
  int template_fd; /* pidfd, once it has said hello; else -1 */
  uint32_t epoch;  /* of the template: 1, 2, 3 ... */
  unsigned namespaces;
  int namespaces_errno;
  bool other_version;
  bool greeted; /* this template has started */
  struct slot *slots;
  size_t nslots, cap;
  size_t nqueued, nasked; /* workers in these states */
  char path[PATH_BYTES];
};

#define NONE(fd) ((fd) >= 0 ? (close(fd), -1) : -1)

/* ---------------------------------------------------------------- start --- */

struct launch {
  char *const *argv;
  char *const *envp;
  int control;
  int ours; /* its other end */
  int host; /* pidfd of this process, or -1 */
  char *stack;
  volatile int error;
  volatile bool told; /* the helper has what it waits for first */
  struct control_request namespaces;
};

#define LAUNCH_STACK_BYTES 65536

/* In a process of its own that shares our memory; we stand still meanwhile. */
FOREIGN_STACK static int launch_helper(void *ud) {
  struct launch *l = ud;
  /* out of the way of the numbers they are to get */
  int control = fcntl(l->control, F_DUPFD, CONTROL_FIRST_UNUSED);
  int host = l->host < 0 ? -1 : fcntl(l->host, F_DUPFD, CONTROL_FIRST_UNUSED);
  close(CONTROL_HOST_FD);
  if (l->namespaces.namespaces & WORKER_NS_USER)
    namespaces_keep_capabilities();
  if (control < 0 || dup2(control, CONTROL_FD) < 0 ||
      (host >= 0 && dup2(host, CONTROL_HOST_FD) < 0))
    l->error = errno;
  else {
    execve(l->argv[0], l->argv, l->envp);
    l->error = errno;
  }
  syscall(SYS_exit, 127);
  return 127;
}

/* False: the helper does not know yet what was made for it. */
FOREIGN_STACK static bool tell_namespaces(const struct launch *l,
                                          const int fds[NAMESPACES_HANDED]) {
  struct iovec iov = {(void *)&l->namespaces, sizeof l->namespaces};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(NAMESPACES_HANDED * sizeof(int))];
  } control;
  struct msghdr msg;
  struct cmsghdr *c;
  unsigned n = 0;
  memset(&msg, 0, sizeof msg);
  memset(&control, 0, sizeof control);
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = &control;
  msg.msg_controllen = sizeof control;
  c = CMSG_FIRSTHDR(&msg);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  for (unsigned i = 0; i < NAMESPACES_HANDED; i++)
    if (fds[i] >= 0)
      memcpy(CMSG_DATA(c) + n++ * sizeof(int), &fds[i], sizeof(int));
  c->cmsg_len = CMSG_LEN(n * sizeof(int));
  msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
  if (n == 0) {
    msg.msg_control = NULL;
    msg.msg_controllen = 0;
  }
  return sendmsg(l->ours, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) ==
         (ssize_t)sizeof l->namespaces;
}

/* The same once more: when this one ends, the helper is nobody's child.  As
 * soon as that is another program, both go on: it starts, and this one makes
 * the namespaces that take as long. */
FOREIGN_STACK static int launch_orphan(void *ud) {
  struct launch *l = ud;
  char *stack = l->stack + LAUNCH_STACK_BYTES;
  unsigned given;
  int fds[NAMESPACES_HANDED];
  l->namespaces.namespaces |= WORKER_NS_PID;
  if (clone(launch_helper, stack, CLONE_VM | CLONE_VFORK | CLONE_NEWPID, l) <
      0) {
    l->namespaces.sys_errno = errno;
    l->namespaces.namespaces &= ~(unsigned)WORKER_NS_PID;
    if (clone(launch_helper, stack, CLONE_VM | CLONE_VFORK, l) < 0)
      l->error = errno;
  }
  if (l->error == 0) {
    given = namespaces_make(fds);
    l->namespaces.namespaces |= given;
    l->told = tell_namespaces(l, fds);
    if (!l->told)
      l->namespaces.namespaces &= ~given;
  }
  syscall(SYS_exit, 0);
  return 0;
}

/* posix_spawn would do, but for two things: its child is one that wait(-1)
 * finds, and its end sends SIGCHLD.  A clone without a signal does neither.
 * Until the helper resets them no signal is delivered: a handler of the host
 * would run in a copy of its process. */
static int launch(struct launch *l) {
  static const int none[NAMESPACES_HANDED] = {-1, -1, -1};
  char *stacks =
      mmap(NULL, (size_t)2 * LAUNCH_STACK_BYTES, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  sigset_t all, before;
  pid_t pid;
  if (stacks == MAP_FAILED)
    return errno;
  l->stack = stacks;
  l->error = 0;
  l->namespaces.op = CONTROL_NAMESPACES;
  l->namespaces.namespaces = WORKER_NS_USER;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pid = clone(launch_orphan, stacks + (size_t)2 * LAUNCH_STACK_BYTES,
              CLONE_VM | CLONE_VFORK | CLONE_NEWUSER, l);
  if (pid < 0) { /* not for us */
    l->namespaces.sys_errno = errno;
    l->namespaces.namespaces = 0;
    pid = clone(launch_orphan, stacks + (size_t)2 * LAUNCH_STACK_BYTES,
                CLONE_VM | CLONE_VFORK, l);
  }
  if (pid < 0)
    l->error = errno;
  else
    while (waitpid(pid, NULL, (int)__WCLONE) < 0 && errno == EINTR)
      continue;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  munmap(stacks, (size_t)2 * LAUNCH_STACK_BYTES);
  if (l->error == 0 && !l->told && !tell_namespaces(l, none))
    l->error = EPIPE;
  return l->error;
}

/* The socket of the next template, and in |*ret_theirs| its other end. */
static int open_control(struct worker_pool *p, int *ret_theirs, struct err *e) {
  struct epoll_event ev;
  int fds[2], on = 1, error;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
    return err_system(e, errno, "worker: socketpair");
  memset(&ev, 0, sizeof ev);
  ev.events = EPOLLIN;
  /* The pid of a worker, in our terms, comes with what it sends. */
  if (setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
      epoll_ctl(p->epfd, EPOLL_CTL_ADD, fds[0], &ev) != 0) {
    error = errno;
    close(fds[0]);
    close(fds[1]);
    return err_system(e, error, "worker: %s", p->path);
  }
  p->control = fds[0];
  *ret_theirs = fds[1];
  p->other_version = p->greeted = false;
  p->epoch++;
  return 0;
}

/* Takes |theirs|; where it fails there is no control socket any more. */
static int launch_template(struct worker_pool *p, int theirs, struct err *e) {
  /* Nothing of the host's environment but its time zone, which is always
   * set: without it libc looks at the file each time, and workers cannot. */
  char zone[256];
  const char *tz = getenv("TZ");
  char version[] = CONTROL_VERSION;
  char *argv[] = {p->path, version, NULL};
  char *envp[5] = {zone, NULL, NULL, NULL, NULL};
  struct launch l;
  int error;
  if (!tz || strlen(tz) > sizeof zone - 4)
    tz = ":/etc/localtime";
  snprintf(zone, sizeof zone, "TZ=%s", tz);
#if CONTROL_SANITIZED
  {
    static const char *const names[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS"};
    static char text[2][512];
    for (size_t i = 0; i < 2; i++)
      if (getenv(names[i])) {
        snprintf(text[i], sizeof text[i], "%s=%s", names[i], getenv(names[i]));
        envp[1 + (envp[1] != NULL)] = text[i];
      }
  }
#endif
  memset(&l, 0, sizeof l);
  l.argv = argv;
  l.envp = envp;
  l.control = theirs;
  l.ours = p->control;
  l.host = (int)syscall(SYS_pidfd_open, getpid(), 0u);
  error = launch(&l);
  NONE(l.host);
  close(theirs);
  if (error == 0)
    return 0;
  p->control = NONE(p->control);
  return err_system(e, error, "worker: %s", p->path);
}

int worker_pool_start(struct worker_pool *p, struct err *e) {
  int theirs;
  if (p->control >= 0)
    return 0;
  return open_control(p, &theirs, e) == 0 ? launch_template(p, theirs, e)
                                          : ERR_SYSTEM;
}

/* The end of a process that is ours only if we are the reaper of orphans; its
 * pidfd makes sure that no child of the host is taken for it. */
static int reap(int pidfd, int options) {
  siginfo_t info;
  if (pidfd < 0)
    return -1;
  memset(&info, 0, sizeof info);
  while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info,
                WEXITED | __WALL | options) < 0)
    if (errno != EINTR)
      break;
  close(pidfd);
  return -1;
}

static void kill_by_pidfd(int pidfd) {
  syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0u);
}

static void stop_template(struct worker_pool *p) {
  p->control = NONE(p->control); /* which ends it */
  if (p->template_fd >= 0)
    kill_by_pidfd(p->template_fd);
  p->template_fd = reap(p->template_fd, 0);
}

/* ----------------------------------------------------------------- pool --- */

int worker_pool_new(struct worker_pool **ret, const struct mem *m,
                    const char *path, struct err *e) {
  struct worker_pool *p;
#if !CORDON_HAVE_WORKER
  (void)ret;
  (void)m;
  (void)path;
  (void)p;
  return err_setf(e, ERR_UNSUPPORTED,
                  "this build has no process isolation: it was configured "
                  "without libseccomp");
#else
  if (!path)
    path = CORDON_WORKER_PATH;
  if (path[0] != '/' || strlen(path) >= sizeof p->path)
    return err_setf(e, ERR_INVALID,
                    "the path of the helper program is not absolute: '%s'",
                    path);
  p = mem_zalloc(m, sizeof *p);
  if (!p)
    return err_set(e, ERR_NOMEM);
  p->mem = *m;
  p->control = p->template_fd = -1;
  snprintf(p->path, sizeof p->path, "%s", path);
  p->epfd = epoll_create1(EPOLL_CLOEXEC);
  if (p->epfd < 0) {
    int error = errno;
    mem_free(m, p, sizeof *p);
    return err_system(e, error, "worker: epoll");
  }
  *ret = p;
  return 0;
#endif
}

void worker_pool_free(struct worker_pool *p) {
  struct mem m;
  if (!p)
    return;
  stop_template(p);
  close(p->epfd);
  m = p->mem;
  mem_free(&m, p->slots, p->cap * sizeof *p->slots);
  mem_free(&m, p, sizeof *p);
}

int worker_pool_fd(const struct worker_pool *p) {
  return p->epfd;
}

/* -------------------------------------------------------------- workers --- */

static uint64_t id_of(const struct worker *w) {
  return (uint64_t)w->pool->slots[w->slot].generation << 32 | w->slot;
}

static struct worker *by_id(const struct worker_pool *p, uint64_t id) {
  uint32_t slot = (uint32_t)id;
  if (slot >= p->nslots || p->slots[slot].generation != id >> 32)
    return NULL;
  return p->slots[slot].w;
}

/* 0, or the errno; EAGAIN: the socket is full. */
static int send_request(const struct worker_pool *p,
                        const struct control_request *q, int fd) {
  struct iovec iov = {(void *)q, sizeof *q};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof fd)];
  } control;
  struct msghdr msg;
  memset(&msg, 0, sizeof msg);
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  if (fd >= 0) {
    struct cmsghdr *c;
    memset(&control, 0, sizeof control);
    msg.msg_control = &control;
    msg.msg_controllen = sizeof control;
    c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  while (sendmsg(p->control, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
    if (errno != EINTR)
      return errno;
  return 0;
}

static void set_state(struct worker *w, enum state state) {
  struct worker_pool *p = w->pool;
  if (w->state == STATE_QUEUED)
    p->nqueued--;
  if (w->state == STATE_ASKED)
    p->nasked--;
  w->state = state;
  if (state == STATE_QUEUED)
    p->nqueued++;
  if (state == STATE_ASKED)
    p->nasked++;
}

/* Asks the template for |w|, or leaves it queued; 0 or an errno. */
static int ask(struct worker *w) {
  struct worker_pool *p = w->pool;
  struct control_request q;
  int rv;
  memset(&q, 0, sizeof q);
  q.op = w->op;
  q.id = id_of(w);
  q.memory_bytes = w->limits.memory_bytes;
  q.cpu_s = w->limits.cpu_s;
  q.nofile = w->limits.nofile;
  rv = send_request(p, &q, w->their_fd);
  /* A template that has just died is replaced when its end is read, but not one
   * that never started: the next would do the same.  If the socket is full, or
   * holds as many descriptors as the system allows, the replies to what it
   * holds bring us back here. */
  if ((p->greeted && (rv == EPIPE || rv == ECONNRESET)) ||
      ((rv == EAGAIN || rv == ETOOMANYREFS) && p->nasked > 0))
    return 0;
  if (rv != 0 && rv != EPIPE && rv != ECONNRESET)
    return rv;
  set_state(w, STATE_ASKED);
  w->epoch = p->epoch;
  w->their_fd = NONE(w->their_fd);
  return 0;
}

static int take_slot(struct worker_pool *p, struct worker *w) {
  size_t i;
  for (i = 0; i < p->nslots; i++)
    if (!p->slots[i].w)
      break;
  if (i == p->nslots) {
    struct slot *more = mem_grow(&p->mem, p->slots, &p->cap, i + 1,
                                 sizeof *p->slots, WORKERS_MAX);
    if (!more)
      return ERR_NOMEM;
    p->slots = more;
    p->slots[i].generation = 0;
    p->nslots++;
  }
  p->slots[i].w = w;
  p->slots[i].generation++;
  w->slot = (uint32_t)i;
  return 0;
}

static int spawn(struct worker **ret, struct worker_pool *p,
                 const struct worker_limits *l, enum control_op op,
                 worker_event_fn *fn, void *ud, struct err *e) {
  struct worker *w;
  int fds[2], rv, theirs = -1;
  w = mem_zalloc(&p->mem, sizeof *w);
  if (!w)
    return err_set(e, ERR_NOMEM);
  w->pool = p;
  w->fd = w->their_fd = w->pidfd = -1;
  w->op = op;
  w->limits = *l;
  w->fn = fn;
  w->ud = ud;
  w->status = -1;
  if (take_slot(p, w) != 0) {
    mem_free(&p->mem, w, sizeof *w);
    return err_set(e, ERR_NOMEM);
  }
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    rv = err_system(e, errno, "worker: socketpair");
    goto fail;
  }
  w->fd = fds[0];
  w->their_fd = fds[1];
  if (fcntl(w->fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0) {
    rv = err_system(e, errno, "worker: socketpair");
    goto fail;
  }
  /* A template finds its first request when it has started: it need not wait
   * for us, who stand still meanwhile. */
  if (p->control < 0 && (rv = open_control(p, &theirs, e)) != 0)
    goto fail;
  set_state(w, STATE_QUEUED);
  if ((rv = ask(w)) != 0) {
    rv = err_system(e, rv, "worker: ask the template");
    goto fail;
  }
  if (theirs >= 0) {
    rv = launch_template(p, theirs, e);
    theirs = -1;
    if (rv != 0)
      goto fail;
  }
  *ret = w;
  return 0;
fail:
  if (theirs >= 0) {
    close(theirs);
    p->control = NONE(p->control);
  }
  worker_free(w);
  return rv;
}

int worker_spawn(struct worker **ret, struct worker_pool *p,
                 const struct worker_limits *l, worker_event_fn *fn, void *ud,
                 struct err *e) {
  return spawn(ret, p, l, CONTROL_SPAWN, fn, ud, e);
}

/* It comes after the request for it.  If there is no room the kill is made up
 * for when CONTROL_STARTED comes, even to nobody. */
static void kill_by_template(const struct worker_pool *p, uint64_t id) {
  struct control_request q;
  memset(&q, 0, sizeof q);
  q.op = CONTROL_KILL;
  q.id = id;
  if (p->control >= 0)
    send_request(p, &q, -1);
}

void worker_kill(struct worker *w) {
  if (w->state == STATE_ENDED)
    return;
  w->killed = true;
  if (w->pidfd >= 0)
    kill_by_pidfd(w->pidfd);
  else if (w->state != STATE_QUEUED && w->epoch == w->pool->epoch)
    kill_by_template(w->pool, id_of(w));
}

void worker_free(struct worker *w) {
  struct worker_pool *p;
  if (!w)
    return;
  p = w->pool;
  worker_kill(w);
  set_state(w, STATE_ENDED);
  NONE(w->fd);
  NONE(w->their_fd);
  NONE(w->pidfd);
  p->slots[w->slot].w = NULL;
  mem_free(&p->mem, w, sizeof *w);
}

int worker_fd(const struct worker *w) {
  return w->fd;
}
int worker_pidfd(const struct worker *w) {
  return w->ready && w->started ? w->pidfd : -1;
}
pid_t worker_pid(const struct worker *w) {
  return w->pid;
}
const struct err *worker_error(const struct worker *w) {
  return &w->err;
}
int worker_status(const struct worker *w) {
  return w->status;
}
int worker_landlock_abi(const struct worker *w) {
  return w->landlock_abi;
}
unsigned worker_namespaces(const struct worker *w) {
  return w->pool->namespaces;
}

/* --------------------------------------------------------------- events --- */

/* |w| may be gone when these return. */
static void tell_failed(struct worker *w, int step, int sys_errno) {
  set_state(w, STATE_ENDED);
  err_system(&w->err, sys_errno, "worker: %s",
             confine_step_text((unsigned)step));
  w->fn(w->ud, w, WORKER_FAILED);
}

static void tell_died(struct worker *w, const char *why) {
  set_state(w, STATE_ENDED);
  err_setf(&w->err, ERR_SYSTEM, "worker: %s", why);
  w->fn(w->ud, w, WORKER_FAILED);
}

static void tell_exited(struct worker *w, int status) {
  set_state(w, STATE_ENDED);
  w->status = status;
  w->fn(w->ud, w, WORKER_EXITED);
}

static void tell_ready(struct worker *w) {
  if (!w->ready || !w->started || w->state != STATE_ASKED)
    return; /* the other word is on its way */
  set_state(w, STATE_READY);
  w->fn(w->ud, w, WORKER_READY);
}

/* Takes |*fd| if it needs it, and leaves -1 there. */
static void on_reply(struct worker_pool *p, const struct control_reply *r,
                     int *fd, pid_t pid) {
  struct worker *w = by_id(p, r->id);
  switch ((enum control_op)r->op) {
  case CONTROL_HELLO:
    p->other_version = r->step == CONTROL_STEP_VERSION;
    p->greeted = !p->other_version;
    p->namespaces = r->namespaces;
    p->namespaces_errno = r->sys_errno;
    if (p->template_fd < 0) {
      p->template_fd = *fd;
      *fd = -1;
    }
    return;
  case CONTROL_STARTED:
    if (!w || w->killed) { /* nobody wants it any more */
      if (*fd >= 0)
        kill_by_pidfd(*fd);
      else
        kill_by_template(p, r->id);
    }
    if (!w)
      return;
    w->started = true;
    if (w->pidfd < 0) {
      w->pidfd = *fd;
      *fd = -1;
    }
    tell_ready(w);
    return;
  case CONTROL_READY:
    if (!w)
      return;
    w->ready = true;
    w->pid = pid;
    w->landlock_abi = r->landlock_abi;
    tell_ready(w);
    return;
  case CONTROL_FAILED:
    if (w && w->state == STATE_ASKED)
      tell_failed(w, r->step, r->sys_errno);
    return;
  case CONTROL_PROBED:
    if (w && w->probe) {
      *w->probe = *r;
      set_state(w, STATE_ENDED);
    }
    return;
  case CONTROL_EXITED:
    if (w && w->state == STATE_READY)
      tell_exited(w, r->status);
    else if (w && w->state == STATE_ASKED)
      tell_died(w, "it died while it was set up");
    return;
  case CONTROL_NAMESPACES:
  case CONTROL_SPAWN:
  case CONTROL_PROBE:
  case CONTROL_KILL:
    return;
  }
}

/* False when there is nothing more; |*ret_dead|: and never will be. */
static bool read_reply(struct worker_pool *p, bool *ret_dead) {
  struct control_reply r;
  struct iovec iov = {&r, sizeof r};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  } control;
  struct msghdr msg;
  int fd = -1;
  pid_t pid = 0;
  ssize_t n;
  memset(&msg, 0, sizeof msg);
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = &control;
  msg.msg_controllen = sizeof control;
  n = recvmsg(p->control, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  /* It ended with something unread: that is told once, before what it said. */
  if (n < 0 && (errno == EINTR || errno == ECONNRESET))
    return true;
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return false;
  for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg); c;
       c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET)
      continue;
    if (c->cmsg_type == SCM_RIGHTS) {
      memcpy(&fd, CMSG_DATA(c), sizeof fd);
    } else if (c->cmsg_type == SCM_CREDENTIALS) {
      struct ucred cred;
      memcpy(&cred, CMSG_DATA(c), sizeof cred);
      pid = cred.pid;
    }
  }
  *ret_dead = n != (ssize_t)sizeof r;
  if (!*ret_dead)
    on_reply(p, &r, &fd, pid);
  NONE(fd);
  return !*ret_dead;
}

/* Its workers end with it.  Those it was not asked for yet get another. */
static void template_died(struct worker_pool *p) {
  uint32_t epoch = p->epoch;
  const char *why = "the helper program ended unexpectedly";
  if (p->other_version)
    why = "the helper program is of another version than the library";
  stop_template(p);
  /* Slots that callbacks add belong to the next template. */
  for (size_t i = 0; i < p->nslots; i++) {
    struct worker *w = p->slots[i].w;
    if (!w || w->epoch != epoch)
      continue;
    if (w->state == STATE_ASKED)
      tell_died(w, why);
    else if (w->state == STATE_READY)
      tell_exited(w, -1);
  }
}

static void ask_queued(struct worker_pool *p) {
  for (size_t i = 0; i < p->nslots && p->nqueued > 0; i++) {
    struct worker *w = p->slots[i].w;
    struct err e;
    int rv;
    if (!w || w->state != STATE_QUEUED)
      continue;
    if (worker_pool_start(p, &e) != 0) {
      set_state(w, STATE_ENDED);
      w->err = e;
      w->fn(w->ud, w, WORKER_FAILED);
    } else if ((rv = ask(w)) != 0)
      tell_failed(w, CONTROL_STEP_FORK, rv);
    else if (w->state == STATE_QUEUED)
      return; /* still full */
  }
}

void worker_pool_dispatch(struct worker_pool *p) {
  bool dead = false;
  for (int i = 0; i < REPLIES_PER_DISPATCH && p->control >= 0; i++)
    if (!read_reply(p, &dead))
      break;
  if (dead)
    template_died(p);
  if (p->nqueued > 0)
    ask_queued(p);
}

/* ---------------------------------------------------------------- probe --- */

static void on_probe(void *ud, struct worker *w, enum worker_event event) {
  (void)ud;
  (void)w;
  (void)event;
}

int worker_pool_probe(struct worker_pool *p, int timeout_ms,
                      struct worker_probe *ret, struct err *e) {
  static const struct worker_limits limits = {UINT64_C(256) << 20, 10, 16};
  struct control_reply r;
  struct worker *w;
  uint64_t end_ms = clock_mono_ns() / 1000000 + (uint64_t)timeout_ms;
  int rv;
  memset(&r, 0, sizeof r);
  rv = spawn(&w, p, &limits, CONTROL_PROBE, on_probe, NULL, e);
  if (rv != 0)
    return rv;
  w->probe = &r;
  while (w->state != STATE_ENDED) {
    struct pollfd q = {p->epfd, POLLIN, 0};
    uint64_t now_ms = clock_mono_ns() / 1000000;
    if (now_ms >= end_ms) {
      worker_free(w);
      return err_setf(e, ERR_TIMEOUT,
                      "worker: the helper program does not answer");
    }
    poll(&q, 1, (int)(end_ms - now_ms));
    worker_pool_dispatch(p);
  }
  if (r.op != CONTROL_PROBED) {
    if (e)
      *e = w->err;
    worker_free(w);
    return ERR_SYSTEM;
  }
  worker_free(w);
  memset(ret, 0, sizeof *ret);
  ret->nsteps = CONFINE_NSTEPS;
  memcpy(ret->step_errno, r.step_errno, sizeof r.step_errno);
  ret->landlock_abi = r.landlock_abi;
  ret->namespaces = p->namespaces;
  ret->namespaces_errno = p->namespaces_errno;
  ret->holds = r.holds;
  snprintf(ret->seccomp_version, sizeof ret->seccomp_version, "%.15s",
           r.seccomp_version);
  return 0;
}
