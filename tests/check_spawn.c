/* check_spawn.c - workers are confined, and the parent knows what becomes of
 * them. */
#include "runtime/worker/spawn.h"

#include "tests/unit.h"

#if !CORDON_HAVE_WORKER

START_TEST(is_refused_with_a_reason) {
  struct worker_pool *p;
  struct err e;
  ck_assert_int_eq(worker_pool_new(&p, &mem_libc, NULL, &e), ERR_UNSUPPORTED);
  ck_assert(strstr(e.message, "libseccomp"));
}
END_TEST

int main(void) {
  Suite *s = suite_create("spawn");
  TCase *tc = tcase_create("spawn");
  tcase_add_test(tc, is_refused_with_a_reason);
  suite_add_tcase(s, tc);
  return unit_run(s);
}

#else

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "runtime/worker/control.h"
#include "tests/probes.h"

#define WAIT_MS 120000

static const struct worker_limits limits = {UINT64_C(256) << 20, 0, 16};

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

/* What happened to a worker. */
struct seen {
  int ready, failed, exited;
};

static void on_event(void *ud, struct worker *w, enum worker_event event) {
  struct seen *seen = ud;
  (void)w;
  switch (event) {
  case WORKER_READY:
    ck_assert(!seen->ready && !seen->failed && !seen->exited);
    seen->ready++;
    break;
  case WORKER_FAILED:
    ck_assert(!seen->ready && !seen->failed && !seen->exited);
    seen->failed++;
    break;
  case WORKER_EXITED:
    ck_assert(seen->ready && !seen->exited);
    seen->exited++;
    break;
  }
}

static void turn(struct worker_pool *p) {
  struct pollfd q = {worker_pool_fd(p), POLLIN, 0};
  ck_assert_int_eq(poll(&q, 1, WAIT_MS), 1);
  worker_pool_dispatch(p);
}

/* The helper program, or a link to it of another name. */
static const char *helper(const char *name) {
  static char path[4096], link[4096];
  const char *top = getenv("top_builddir");
  char relative[4096];
  snprintf(relative, sizeof relative, "%s/tests/probe_worker", top ? top : ".");
  ck_assert_ptr_nonnull(realpath(relative, path));
  if (!name)
    return path;
  snprintf(link, sizeof link, "%s.%ld", path, (long)getpid());
  ck_assert(mkdir(link, 0700) == 0 || errno == EEXIST);
  snprintf(link, sizeof link, "%s.%ld/%s", path, (long)getpid(), name);
  ck_assert_int_eq(symlink(path, link), 0);
  return link;
}

static void remove_link(const char *path) {
  char folder[4096];
  unlink(path);
  snprintf(folder, sizeof folder, "%s", path);
  *strrchr(folder, '/') = '\0';
  rmdir(folder);
}

static struct worker_pool *pool_of(const char *path) {
  struct worker_pool *p = NULL;
  struct err e;
  int rv = worker_pool_new(&p, &mem_libc, path, &e);
  ck_assert_msg(rv == 0, "%s", rv == 0 ? "" : e.message);
  return p;
}

static struct worker *spawn(struct worker_pool *p,
                            const struct worker_limits *l, struct seen *seen) {
  struct worker *w = NULL;
  struct err e;
  int rv;
  memset(seen, 0, sizeof *seen);
  rv = worker_spawn(&w, p, l, on_event, seen, &e);
  ck_assert_msg(rv == 0, "%s", rv == 0 ? "" : e.message);
  return w;
}

/* ----------------------------------------------------------------- probes ---
 */

struct request {
  uint32_t what;
  struct sockaddr_in to;
};

static void ask(const struct worker *w, uint32_t what,
                const struct sockaddr_in *to, const int fds[3]) {
  struct request q;
  struct iovec iov = {&q, sizeof q};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(3 * sizeof(int))];
  } control;
  struct msghdr msg;
  memset(&q, 0, sizeof q);
  memset(&msg, 0, sizeof msg);
  q.what = what;
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  if (fds) {
    struct cmsghdr *c;
    q.to = *to;
    memset(&control, 0, sizeof control);
    msg.msg_control = &control;
    msg.msg_controllen = sizeof control;
    c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(c), fds, 3 * sizeof(int));
  }
  /* it may have ended already, and the answer is then that it has */
  if (sendmsg(worker_fd(w), &msg, MSG_NOSIGNAL) < 0)
    ck_assert(errno == EPIPE || errno == ECONNRESET);
}

/* -1: it has ended. */
static int answer_of(const struct worker *w) {
  struct pollfd q = {worker_fd(w), POLLIN, 0};
  int32_t answer;
  ssize_t n;
  ck_assert_int_eq(poll(&q, 1, WAIT_MS), 1);
  n = recv(worker_fd(w), &answer, sizeof answer, 0);
  return n == (ssize_t)sizeof answer ? answer : -1;
}

static const struct row {
  const char *name;
  enum outcome outcome;
} rows[] = {
#define PROBE_ROW(name, outcome, call) {#name, outcome},
    PROBES(PROBE_ROW)
#undef PROBE_ROW
};

/* A listener that nobody must ever reach. */
static int listener(struct sockaddr_in *to) {
  socklen_t len = sizeof *to;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  memset(to, 0, sizeof *to);
  to->sin_family = AF_INET;
  to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ck_assert_int_eq(bind(fd, (struct sockaddr *)to, sizeof *to), 0);
  ck_assert_int_eq(listen(fd, 8), 0);
  ck_assert_int_eq(getsockname(fd, (struct sockaddr *)to, &len), 0);
  return fd;
}

START_TEST(hurtful_calls_are_refused) {
  struct worker_pool *p = pool_of(helper(NULL));
  struct worker *w = NULL;
  struct sockaddr_in to;
  struct seen seen;
  int lfd = listener(&to), pair[2];
  int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int wrong = 0, refused = 0;
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  for (uint32_t i = 0; i < PROBE_COUNT; i++) {
    const int fds[3] = {sock, udp, pair[1]};
    enum outcome outcome;
    int answer;
    if (!w)
      w = spawn(p, &limits, &seen);
    ask(w, i, &to, fds);
    answer = answer_of(w);
    if (answer == -1) {
      while (!seen.exited && !seen.failed)
        turn(p);
      ck_assert_msg(seen.ready, "%s",
                    seen.ready ? "" : worker_error(w)->message);
      outcome =
          WIFSIGNALED(worker_status(w)) && WTERMSIG(worker_status(w)) == SIGSYS
              ? KILLED
              : (enum outcome)99;
      worker_free(w);
      w = NULL;
    } else if (answer == EBADF)
      outcome = REFUSED_BADF;
    else
      outcome = answer == 0       ? ALLOWED
                : answer == EPERM ? REFUSED
                                  : (enum outcome)(1000 + answer);
    if (rows[i].outcome == REFUSED_BADF_OR_SANITIZED &&
        (outcome == REFUSED_BADF || CONTROL_SANITIZED))
      outcome = REFUSED_BADF_OR_SANITIZED;
    if (outcome != rows[i].outcome) {
      fprintf(stderr, "%s: outcome %d, expected %d\n", rows[i].name,
              (int)outcome, (int)rows[i].outcome);
      wrong++;
    }
    refused += outcome != ALLOWED;
    if (w) { /* the next one meets none of what this one had */
      worker_free(w);
      w = NULL;
    }
  }
  ck_assert_int_eq(wrong, 0);
  ck_assert_int_gt(refused, 100);
  ck_assert(accept(lfd, NULL, NULL) < 0 && errno == EAGAIN);
  close(lfd);
  close(sock);
  close(udp);
  close(pair[0]);
  close(pair[1]);
  worker_pool_free(p);
}
END_TEST

#ifdef __x86_64__
/* The calls of another architecture are reached by another instruction. */
START_TEST(is_killed_by_foreign_calls) {
  struct worker_pool *p = pool_of(helper(NULL));
  struct seen seen;
  struct worker *w = spawn(p, &limits, &seen);
  ask(w, DO_FOREIGN, NULL, NULL);
  ck_assert_int_eq(answer_of(w), -1);
  while (!seen.exited)
    turn(p);
  /* SIGSEGV: the kernel does not know them at all */
  ck_assert(WIFSIGNALED(worker_status(w)));
  ck_assert(WTERMSIG(worker_status(w)) == SIGSYS ||
            WTERMSIG(worker_status(w)) == SIGSEGV);
  worker_free(w);
  worker_pool_free(p);
}
END_TEST
#endif

/* ------------------------------------------------------------------ lives ---
 */

static int status_after(struct worker_pool *p, const struct worker_limits *l,
                        uint32_t what) {
  struct seen seen;
  struct worker *w = spawn(p, l, &seen);
  int status;
  ask(w, what, NULL, NULL);
  ck_assert_int_eq(answer_of(w), -1);
  while (!seen.exited)
    turn(p);
  status = worker_status(w);
  worker_free(w);
  return status;
}

START_TEST(tells_how_it_ended) {
  struct worker_pool *p = pool_of(helper(NULL));
  struct worker_limits one_second = limits;
  int status = status_after(p, &limits, DO_EXIT);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
  status = status_after(p, &limits, DO_CRASH);
  ck_assert(CONTROL_SANITIZED || WTERMSIG(status) == SIGSEGV);
  status = status_after(p, &limits, DO_ABORT);
  ck_assert(CONTROL_SANITIZED || WTERMSIG(status) == SIGABRT);
  one_second.cpu_s = 1;
  status = status_after(p, &one_second, DO_SPIN);
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU);
  worker_pool_free(p);
}
END_TEST

START_TEST(works_within_its_limits) {
  struct worker_pool *p = pool_of(helper(NULL));
  struct seen seen;
  struct worker *w;
  ck_assert_int_eq(setenv("TZ", "Asia/Tokyo", 1), 0);
  w = spawn(p, &limits, &seen);
  ask(w, DO_TIMER, NULL, NULL);
  ck_assert_int_eq(answer_of(w), 0);
  ask(w, DO_EAT, NULL, NULL);
  ck_assert_int_eq(answer_of(w), CONTROL_SANITIZED ? 0 : ENOMEM);
  worker_free(w);
  w = spawn(p, &limits, &seen);
  ask(w, DO_ZONE, NULL, NULL);
  if (access("/usr/share/zoneinfo/Asia/Tokyo", R_OK) == 0)
    ck_assert_int_eq(answer_of(w), 9);
  else
    ck_assert_int_eq(answer_of(w), 0);
  worker_free(w);
  worker_pool_free(p);
}
END_TEST

START_TEST(is_killed_at_any_time) {
  struct worker_pool *p = pool_of(helper(NULL));
  for (int when = 0; when < 4; when++) {
    struct seen seen;
    struct worker *w = spawn(p, &limits, &seen);
    ask(w, DO_SPIN, NULL, NULL);
    if (when == 1)
      turn(p);
    if (when >= 2)
      while (!seen.ready)
        turn(p);
    if (when == 2) {
      ck_assert_int_gt(worker_pid(w), 0);
      ck_assert_int_eq(kill(worker_pid(w), 0), 0);
      ck_assert_int_ge(worker_pidfd(w), 0);
    }
    worker_kill(w);
    worker_kill(w);
    while (!seen.exited && !seen.failed)
      turn(p);
    if (seen.exited)
      ck_assert(WIFSIGNALED(worker_status(w)) &&
                WTERMSIG(worker_status(w)) == SIGKILL);
    worker_kill(w);
    worker_free(w);
  }
  worker_pool_free(p);
}
END_TEST

/* Ends when nobody holds |fd|'s other end any more. */
static void await_end(int fd) {
  struct pollfd q = {fd, POLLIN, 0};
  char c;
  ck_assert_int_eq(poll(&q, 1, WAIT_MS), 1);
  ck_assert_int_eq(read(fd, &c, 1), 0);
}

START_TEST(free_leaves_nobody_behind) {
  struct worker_pool *p = pool_of(helper(NULL));
  for (int when = 0; when < 3; when++) {
    struct seen seen;
    struct worker *w = spawn(p, &limits, &seen);
    int pair[2], watch;
    struct sockaddr_in to;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    memset(&to, 0, sizeof to);
    ask(w, DO_SPIN, &to, (int[3]){pair[1], pair[1], pair[1]});
    close(pair[1]);
    watch = pair[0];
    if (when >= 1)
      while (!seen.ready)
        turn(p);
    if (when < 2) {
      worker_free(w);
      /* a worker that was not there yet is killed when it comes */
      for (struct pollfd q = {watch, POLLIN, 0}; poll(&q, 1, 0) == 0;)
        worker_pool_dispatch(p);
    } else {
      worker_free(w);
      worker_pool_free(p);
      p = NULL;
    }
    await_end(watch);
    close(watch);
  }
  ck_assert_ptr_null(p);
}
END_TEST

START_TEST(survives_its_template) {
  struct worker_pool *p = pool_of(helper(NULL));
  struct seen seen[3];
  struct worker *w[3];
  char children[64], line[64] = "";
  long template = 0;
  FILE *f;
  w[0] = spawn(p, &limits, &seen[0]);
  while (!seen[0].ready)
    turn(p);
  snprintf(children, sizeof children, "/proc/%ld/status",
           (long)worker_pid(w[0]));
  f = fopen(children, "re");
  ck_assert_ptr_nonnull(f);
  while (fgets(line, sizeof line, f))
    if (sscanf(line, "PPid: %ld", &template) == 1)
      break;
  fclose(f);
  ck_assert_int_gt(template, 1);
  ck_assert_int_eq(kill((pid_t) template, SIGKILL), 0);
  w[1] = spawn(p, &limits, &seen[1]); /* told later, or served by another */
  while (!seen[0].exited)
    turn(p);
  ck_assert_int_eq(worker_status(w[0]), -1);
  ck_assert_int_eq(answer_of(w[0]), -1);
  while (!seen[1].ready && !seen[1].failed)
    turn(p);
  w[2] = spawn(p, &limits, &seen[2]);
  while (!seen[2].ready)
    turn(p);
  for (int i = 0; i < 3; i++)
    worker_free(w[i]);
  worker_pool_free(p);
}
END_TEST

static volatile sig_atomic_t sigchlds;
static void on_sigchld(int sig) {
  (void)sig;
  sigchlds++;
}

START_TEST(host_has_no_child) {
  struct worker_pool *p = pool_of(helper(NULL));
  struct seen seen;
  struct worker *w;
  sigset_t before, after;
  memset(&before, 0, sizeof before);
  memset(&after, 0, sizeof after);
  signal(SIGCHLD, on_sigchld);
  sigprocmask(SIG_SETMASK, NULL, &before);
  w = spawn(p, &limits, &seen);
  while (!seen.ready)
    turn(p);
  sigprocmask(SIG_SETMASK, NULL, &after);
  ck_assert_int_eq(memcmp(&before, &after, sizeof before), 0);
  ck_assert(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
  worker_kill(w);
  while (!seen.exited)
    turn(p);
  worker_free(w);
  worker_pool_free(p);
  ck_assert(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
  ck_assert_int_eq(sigchlds, 0);
}
END_TEST

START_TEST(many_at_once) {
  enum { MANY = 500 };
  static struct seen seen[MANY];
  static struct worker *w[MANY];
  struct worker_pool *p = pool_of(helper(NULL));
  for (int i = 0; i < MANY; i++)
    w[i] = spawn(p, &limits, &seen[i]);
  for (int i = 0; i < MANY; i++) {
    while (!seen[i].ready && !seen[i].failed)
      turn(p);
    ck_assert_msg(seen[i].ready, "%s",
                  seen[i].ready ? "" : worker_error(w[i])->message);
  }
  for (int i = 0; i < MANY; i += 2)
    worker_free(w[i]);
  for (int i = 1; i < MANY; i += 2)
    worker_kill(w[i]);
  for (int i = 1; i < MANY; i += 2) {
    while (!seen[i].exited)
      turn(p);
    worker_free(w[i]);
  }
  worker_pool_free(p);
}
END_TEST

/* ---------------------------------------------------------------- failing ---
 */

START_TEST(a_step_that_fails_is_named) {
  static const struct {
    const char *name, *message;
    int error;
  } faults[] = {
      {"fail-close_range", "worker: close other descriptors: ", EPERM},
      {"fail-capset", "worker: drop capabilities: ", EPERM},
      {"fail-no_new_privs", "worker: no_new_privs: ", EINVAL},
      {"fail-dumpable", "worker: not dumpable: ", EPERM},
      {"fail-pdeathsig", "worker: die with the parent: ", EPERM},
      {"fail-getppid", "worker: die with the parent: ", ESRCH},
      {"fail-rlimit", "worker: resource limits: ", EPERM},
      {"fail-landlock", "worker: Landlock: ", E2BIG},
      {"fail-seccomp", "worker: seccomp filter: ", EFAULT},
      {"dies", "helper program ended", 0},
      {"other-version", "helper program is of another version", 0},
  };
  unit_each(f, faults) {
    const char *link = helper(f->name);
    struct worker_pool *p = pool_of(link);
    struct seen seen;
    struct worker *w = spawn(p, &limits, &seen);
    ask(w, DO_EXIT, NULL, NULL);
    while (!seen.failed && !seen.ready)
      turn(p);
    ck_assert_msg(seen.failed, "%s: the worker runs", f->name);
    ck_assert_msg(strstr(worker_error(w)->message, f->message), "%s: %s",
                  f->name, worker_error(w)->message);
    ck_assert_int_eq(worker_error(w)->sys_errno, f->error);
    ck_assert_int_eq(answer_of(w), -1); /* and it ran nothing */
    worker_free(w);
    worker_pool_free(p);
    remove_link(link);
  }
}
END_TEST

/* Another one would end as soon: it is not tried again and again. */
START_TEST(a_helper_that_never_starts) {
  const char *link = helper("dies");
  struct worker_pool *p = pool_of(link);
  struct pollfd q = {worker_pool_fd(p), POLLIN, 0};
  struct seen seen;
  struct worker *w;
  ck_assert_int_eq(worker_pool_start(p, NULL), 0);
  ck_assert_int_eq(poll(&q, 1, WAIT_MS), 1); /* it has ended */
  w = spawn(p, &limits, &seen);
  turn(p);
  ck_assert_int_eq(seen.failed, 1);
  ck_assert_ptr_nonnull(
      strstr(worker_error(w)->message, "helper program ended"));
  worker_free(w);
  worker_pool_free(p);
  remove_link(link);
}
END_TEST

START_TEST(a_kernel_may_lack_landlock) {
  const char *link = helper("no-landlock");
  struct worker_pool *p = pool_of(link);
  struct seen seen;
  struct worker *w = spawn(p, &limits, &seen);
  while (!seen.ready && !seen.failed)
    turn(p);
  ck_assert(seen.ready);
  ck_assert_int_eq(worker_landlock_abi(w), 0);
  ask(w, PROBE_openat, &(struct sockaddr_in){0}, (int[3]){1, 1, 1});
  ck_assert_int_eq(answer_of(w), EPERM);
  worker_free(w);
  worker_pool_free(p);
  remove_link(link);
}
END_TEST

/* From here on this process, and what it starts, is refused |call| where its
 * first argument has one of |flags|; 0: always. */
static void refuse(uint32_t call, uint32_t flags) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
      BPF_JUMP(BPF_JMP | (flags ? BPF_JSET : BPF_JGE) | BPF_K, flags, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L), 0);
  ck_assert_int_eq(prctl(PR_SET_SECCOMP, (long)SECCOMP_MODE_FILTER, &program),
                   0);
}

static unsigned namespaces_of_worker(void) {
  struct worker_pool *p = pool_of(helper(NULL));
  struct seen seen;
  struct worker *w = spawn(p, &limits, &seen);
  unsigned have;
  while (!seen.ready && !seen.failed)
    turn(p);
  ck_assert(seen.ready);
  have = worker_namespaces(w);
  ask(w, PROBE_openat, &(struct sockaddr_in){0}, (int[3]){1, 1, 1});
  ck_assert_int_eq(answer_of(w), EPERM);
  worker_free(w);
  worker_pool_free(p);
  return have;
}

/* On machines that are different there are fewer; what is refused is missing in
 * each, and nothing else is. */
static const struct {
  uint32_t call, flags;
  unsigned missing;
} refused[] = {
    {SYS_clone, CLONE_NEWUSER, WORKER_NS_USER},
    {SYS_clone, CLONE_NEWPID, WORKER_NS_PID},
    {SYS_clone, CLONE_NEWUSER | CLONE_NEWPID, WORKER_NS_USER | WORKER_NS_PID},
    {SYS_unshare, 0, WORKER_NS_NET | WORKER_NS_IPC | WORKER_NS_MNT},
    {SYS_unshare, CLONE_NEWNET, WORKER_NS_NET},
    {SYS_unshare, CLONE_NEWNS, WORKER_NS_MNT},
    {SYS_setns, 0, 0}, /* what cannot be handed over is made in its place */
};

START_TEST(namespaces_are_not_required) {
  unsigned all = namespaces_of_worker();
  unsigned missing = refused[_i].missing;
  if (missing & WORKER_NS_USER && geteuid() != 0)
    missing = all; /* the others hang on it */
  refuse(refused[_i].call, refused[_i].flags);
  ck_assert_uint_eq(namespaces_of_worker(), all & ~missing);
}
END_TEST

START_TEST(paths_are_absolute) {
  static const char *const paths[] = {"", "bin/true", "./cordon-worker"};
  struct worker_pool *p;
  struct err e;
  unit_each(path, paths)
      ck_assert_int_eq(worker_pool_new(&p, &mem_libc, *path, &e), ERR_INVALID);
}
END_TEST

START_TEST(needs_its_helper_program) {
  struct worker_pool *p;
  struct worker *w;
  struct seen seen;
  struct err e;
  p = pool_of("/nonexistent/cordon-worker");
  ck_assert_int_eq(worker_spawn(&w, p, &limits, on_event, &seen, &e),
                   ERR_SYSTEM);
  ck_assert_int_eq(e.sys_errno, ENOENT);
  ck_assert(strstr(e.message, "/nonexistent/cordon-worker"));
  worker_pool_free(p);
  p = pool_of("/bin/true"); /* something else */
  w = spawn(p, &limits, &seen);
  while (!seen.failed)
    turn(p);
  ck_assert(strstr(worker_error(w)->message, "ended unexpectedly"));
  worker_free(w);
  worker_pool_free(p);
}
END_TEST

START_TEST(probes_each_step) {
  struct worker_pool *p = pool_of(helper(NULL));
  const char *link;
  struct worker_probe probe;
  struct err e;
  ck_assert_int_eq(worker_pool_probe(p, WAIT_MS, &probe, &e), 0);
  ck_assert_uint_eq(probe.nsteps, CONFINE_NSTEPS);
  for (unsigned i = 0; i < probe.nsteps; i++)
    ck_assert_int_eq(probe.step_errno[i], 0);
  ck_assert(probe.holds);
  ck_assert_int_eq(probe.seccomp_version[1], '.');
  worker_pool_free(p);
  link = helper("fail-seccomp");
  p = pool_of(link);
  ck_assert_int_eq(worker_pool_probe(p, WAIT_MS, &probe, &e), 0);
  for (unsigned i = 0; i < probe.nsteps; i++)
    ck_assert_int_eq(probe.step_errno[i], i == CONFINE_SECCOMP ? EFAULT : 0);
  worker_pool_free(p);
  remove_link(link);
}
END_TEST

START_TEST(survives_failing_allocations) {
  struct failing_mem fm;
  const char *path = helper(NULL);
  int rv = ERR_NOMEM;
  for (size_t n = 0; rv == ERR_NOMEM; n++) {
    struct worker_pool *p;
    struct worker *w;
    struct seen seen = {0, 0, 0};
    struct err e;
    failing_mem_init(&fm, n);
    rv = worker_pool_new(&p, &fm.mem, path, &e);
    if (rv == 0) {
      rv = worker_spawn(&w, p, &limits, on_event, &seen, &e);
      if (rv == 0)
        worker_free(w);
      worker_pool_free(p);
    }
    ck_assert_uint_eq(fm.live_bytes, 0);
  }
  ck_assert_int_eq(rv, 0);
}
END_TEST

int main(void) {
  Suite *s = suite_create("spawn");
  TCase *tc = tcase_create("spawn");

  tcase_add_test(tc, paths_are_absolute);
  suite_add_tcase(s, tc);
  /* valgrind makes a fork of the clone that shares our memory, and knows no
   * pidfds: it runs none of what follows. */
  tc = tcase_create(UNIT_SLOW);
  tcase_set_tags(tc, UNIT_SLOW);
  tcase_add_test(tc, hurtful_calls_are_refused);
#ifdef __x86_64__
  tcase_add_test(tc, is_killed_by_foreign_calls);
#endif
  tcase_add_test(tc, tells_how_it_ended);
  tcase_add_test(tc, works_within_its_limits);
  tcase_add_test(tc, is_killed_at_any_time);
  tcase_add_test(tc, free_leaves_nobody_behind);
  tcase_add_test(tc, survives_its_template);
  tcase_add_test(tc, host_has_no_child);
  tcase_add_test(tc, many_at_once);
  tcase_add_test(tc, a_step_that_fails_is_named);
  tcase_add_test(tc, a_helper_that_never_starts);
  tcase_add_test(tc, a_kernel_may_lack_landlock);
  tcase_add_loop_test(tc, namespaces_are_not_required, 0,
                      sizeof refused / sizeof *refused);
  tcase_add_test(tc, needs_its_helper_program);
  tcase_add_test(tc, probes_each_step);
  tcase_add_test(tc, survives_failing_allocations);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
#endif
