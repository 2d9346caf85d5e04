/* preempt.c - ends slices by a timer signal that arms a hook, and scripts by
 * leaving them.
 *
 * The handler does what lua.c does at an interrupt: lua_sethook on the running
 * thread, which Lua allows from a signal handler.  It finds that thread through
 * a thread-local, not through the signal's value: a signal that is delivered
 * late, after its timer and host are gone, finds nothing and does nothing. */
#include "runtime/vm/preempt.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/vm/sched.h"

/* An instruction is some nanoseconds: a check each 20 microseconds or so. */
#define COUNTED_INSTRUCTIONS 4000

/* Where a script cannot be left now, it is tried again that soon. */
#define RETRY_NS UINT64_C(50000)
/* No handler of the program runs for that long: the mask of the thread was
 * changed by a callback, and tells nothing. */
#define MASK_TRUSTED_NS UINT64_C(1000000000)

struct preempt {
  struct mem mem;
  int signal; /* -1: counting */
  timer_t timer;
  uint64_t thread;          /* that the timer signals, and */
  unsigned forks;           /* the process it is in; */
  bool has_timer;           /* false: none yet */
  volatile uint64_t due_ns; /* when the last shot of the timer is due */
  struct state *volatile running;
  struct preempt *outer; /* whose script called the host that runs this one */
  volatile uint64_t slice_end_ns;
  bool stretched;            /* the slice is longer than SLICE_NS */
  volatile uint64_t over_ns; /* when a limit was first seen to be passed; 0 */
  volatile unsigned over_shots;  /* of the timer since then */
  volatile uint64_t over_cpu_ns; /* CPU time of the thread then */
  uint64_t test_ns;              /* see preempt_abandon_after */
  const struct state *test_state;
  /* Of the thread, outside of all handlers.  Asked for once in a process that
   * is there for one script: nobody else changes it. */
  sigset_t mask;
  bool has_mask;
};

/* The one host whose script runs on this thread now.  Initial-exec: a handler
 * must not be the first to touch it, for that could allocate. */
static _Thread_local struct preempt *volatile active
    __attribute__((tls_model("initial-exec")));

/* One shot, a slice from now as a rule.  An idle host gets at most one stray
 * signal, and a busy one at most one system call a slice, however many bursts
 * that holds. */
static void arm(struct preempt *p, uint64_t now_ns, uint64_t after_ns) {
  struct itimerspec its;
  memset(&its, 0, sizeof its);
  its.it_value.tv_nsec = (long)after_ns;
  p->due_ns = now_ns + after_ns;
  timer_settime(p->timer, 0, &its, NULL);
}

static bool is_test(const struct preempt *p) {
  return p->test_ns != UINT64_MAX &&
         (!p->test_state || p->test_state == p->running);
}

/* Must the script be left now?  Not for time alone: a thread that the system
 * did not run meanwhile had no chance to be polite.  Shots come at most one a
 * slice, and only where it runs. */
static bool is_overdue(struct preempt *p, const struct state *st,
                       uint64_t now_ns) {
  if (p->over_ns == 0) {
    if (!is_test(p) && !state_over(st))
      return false;
    p->over_ns = now_ns;
    p->over_cpu_ns = clock_thread_cpu_ns();
    p->over_shots = 0;
  }
  p->over_shots = p->over_shots + 1;
  if (is_test(p) || !st->current) /* the compiler is never polite */
    return true;
  if (now_ns - p->over_ns < GRACE_NS || p->over_shots <= GRACE_NS / SLICE_NS)
    return false;
  /* nor had one that waits in host code */
  return !gate_closed() || clock_thread_cpu_ns() - p->over_cpu_ns >= GRACE_NS;
}

/* ---------------------------------------------- what was interrupted --- */

/* The code of the dynamic linker.  It binds functions of shared libraries (of
 * Lua's, say) when they are called for the first time, and holds locks and the
 * list of all libraries meanwhile. */
static uintptr_t linker_begin, linker_end;

static int find_linker(struct dl_phdr_info *info, size_t size, void *ud) {
  (void)size;
  (void)ud;
  if (info->dlpi_addr != getauxval(AT_BASE))
    return 0;
  for (size_t i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *h = &info->dlpi_phdr[i];
    if (h->p_type == PT_LOAD && (h->p_flags & PF_X)) {
      linker_begin = info->dlpi_addr + h->p_vaddr;
      linker_end = linker_begin + h->p_memsz;
    }
  }
  return 1;
}

static void look_for_linker(void) {
#ifdef __GLIBC__ /* others have it in the C library, and bind at the start */
  if (getauxval(AT_BASE) != 0)
    dl_iterate_phdr(find_linker, NULL);
#endif
}

/* 0: not known on this machine */
static uintptr_t code_address(const ucontext_t *at) {
#if defined(__x86_64__)
  return (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__i386__)
  return (uintptr_t)at->uc_mcontext.gregs[REG_EIP];
#elif defined(__aarch64__)
  return (uintptr_t)at->uc_mcontext.pc;
#elif defined(__riscv)
  return (uintptr_t)at->uc_mcontext.__gregs[REG_PC];
#else
  (void)at;
  return 0;
#endif
}

/* With an open gate too there is code that is not the script's: the dynamic
 * linker's, and that of the program's own signal handlers, which would be left
 * half-way, with their signals blocked for ever. */
static bool may_leave(const struct preempt *p, const ucontext_t *at,
                      uint64_t now_ns) {
  uintptr_t code = code_address(at);
  if (code >= linker_begin && code < linker_end)
    return false;
  return memcmp(&at->uc_sigmask, &p->mask, (_NSIG - 1) / 8) == 0 ||
         now_ns - p->over_ns >= MASK_TRUSTED_NS;
}

static void on_signal(int sig, siginfo_t *info, void *context) {
  int saved = errno;
  struct preempt *p = active;
  (void)sig;
  if (p && info->si_code == SI_TIMER) {
    struct state *st = p->running;
    lua_State *L = st ? st->running : NULL;
    uint64_t now_ns = clock_mono_ns();
    /* Once is enough: to arm it costs time in proportion to the depth of the
     * stack, tens of milliseconds at worst, and C code that runs for longer
     * than a slice must still get on. */
    if (L && now_ns >= p->slice_end_ns && lua_gethook(L) != sched_hook)
      lua_sethook(L, sched_hook, LUA_MASKCOUNT, 1);
    arm(p, now_ns,
        now_ns + SLICE_NS < p->slice_end_ns ? p->slice_end_ns - now_ns
                                            : SLICE_NS);
    /* Functions of the host's own modules cannot tell when not to be left. */
    if (st && !st->host_code && is_overdue(p, st, now_ns)) {
      const ucontext_t *interrupted = context;
      if (gate_closed() || may_leave(p, interrupted, now_ns)) {
        errno = saved;
        gate_abandon(p, &interrupted->uc_sigmask);
      } else {
        arm(p, now_ns, RETRY_NS);
      }
    }
  }
  errno = saved;
}

/* Timers are not inherited by a child, where all else looks as before. */
static atomic_uint forks;

static void on_fork(void) {
  atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

/* Of the calling thread, never that of another: the system gives the id of a
 * thread that is gone to a new one, which its timer does not signal. */
static uint64_t thread_number(void) {
  static atomic_uint_least64_t last;
  static _Thread_local uint64_t number;
  if (number == 0)
    number = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
  return number;
}

static int make_timer(struct preempt *p) {
  struct sigevent ev;
  sigset_t ours;
  pid_t tid;
  uint64_t thread = thread_number();
  unsigned process = atomic_load_explicit(&forks, memory_order_relaxed);
  if (p->has_timer && p->thread == thread && p->forks == process)
    return 0;
  /* programs with a thread for signals block them all in the others; no limit
   * would hold here then */
  sigemptyset(&ours);
  sigaddset(&ours, p->signal);
  if (pthread_sigmask(SIG_UNBLOCK, &ours, NULL) != 0)
    return ERR_SYSTEM;
  if (p->has_timer && p->forks == process)
    timer_delete(p->timer); /* the host has moved to another thread */
  p->has_timer = false;
  p->due_ns = 0;
  p->has_mask = false;
  tid = (pid_t)syscall(SYS_gettid);
  memset(&ev, 0, sizeof ev);
  ev.sigev_notify = SIGEV_THREAD_ID;
  ev.sigev_signo = p->signal;
#ifdef sigev_notify_thread_id
  ev.sigev_notify_thread_id = tid;
#else
  ev._sigev_un._tid = tid;
#endif
  if (timer_create(CLOCK_MONOTONIC, &ev, &p->timer) != 0)
    return ERR_SYSTEM;
  p->has_timer = true;
  p->thread = thread;
  p->forks = process;
  return 0;
}

static void look_around(void) {
  look_for_linker();
  (void)pthread_atfork(NULL, NULL, on_fork);
}

/* Must handlers use the signal stack of the thread?  Where threads have such
 * (Go's do), they must.  Elsewhere the flag would change nothing, but valgrind
 * then does not grow the stack it puts the handler's frame on. */
static int stack_flag(void) {
#ifdef GATE_CHECKED
  /* AddressSanitizer's own, for reports of a stack that is used up: to jump off
   * it, it reads /proc/self/maps, which a worker cannot open */
  return 0;
#else
  stack_t stack;
  return sigaltstack(NULL, &stack) == 0 && !(stack.ss_flags & SS_DISABLE)
             ? SA_ONSTACK
             : 0;
#endif
}

int preempt_new(struct preempt **ret, const struct mem *m, int signal,
                struct err *e) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  /* what cannot be caught, and what the processor raises where it cannot go on:
   * a handler that returns would do so for ever */
  static const char never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGILL,
                               SIGFPE,  SIGTRAP, SIGSYS,  SIGABRT, 0};
  struct preempt *p;
  struct sigaction sa, before;
  if (signal == 0)
    signal = SIGRTMAX - 3;
  if (signal != -1 &&
      (signal < 1 || signal > SIGRTMAX || strchr(never, signal)))
    return err_setf(e, ERR_INVALID, "signal %d cannot be used", signal);
  p = mem_zalloc(m, sizeof *p);
  if (!p)
    return err_set(e, ERR_NOMEM);
  p->mem = *m;
  p->signal = signal;
  p->test_ns = UINT64_MAX;
  if (signal != -1) {
    pthread_once(&once, look_around);
    memset(&sa, 0, sizeof sa);
    sa.sa_sigaction = on_signal;
    sa.sa_flags = SA_SIGINFO | SA_RESTART | stack_flag();
    /* nor may a host that another thread makes take it away */
    if (sigaction(signal, NULL, &before) == 0 &&
        (before.sa_flags & SA_SIGINFO) && before.sa_sigaction == on_signal)
      sa.sa_flags |= before.sa_flags & SA_ONSTACK;
    sigfillset(&sa.sa_mask);
    if (sigaction(signal, &sa, NULL) != 0) {
      mem_free(m, p, sizeof *p);
      return err_system(e, errno, "signal %d", signal);
    }
  }
  *ret = p;
  return 0;
}

void preempt_free(struct preempt *p) {
  struct mem m;
  if (!p)
    return;
  if (p->has_timer &&
      p->forks == atomic_load_explicit(&forks, memory_order_relaxed))
    timer_delete(p->timer);
  m = p->mem;
  mem_free(&m, p, sizeof *p);
}

int preempt_enter(struct preempt *p, struct state *st, uint64_t slice_ns) {
  uint64_t now_ns;
  if (p->signal != -1 && make_timer(p) != 0)
    return ERR_SYSTEM;
  p->running = st;
  p->over_ns = 0;
  /* First this, then the time: a shot that comes before is seen to be past due
   * below, and one that comes after rearms itself.  The other way round one
   * could get lost between them, and the slice would never end. */
  p->outer = active;
  if (p->signal != -1)
    active = p;
  atomic_signal_fence(memory_order_seq_cst);
  now_ns = clock_mono_ns();
  p->slice_end_ns = now_ns + slice_ns;
  p->stretched = slice_ns > SLICE_NS;
  if (p->signal != -1 && (!p->has_mask || !loop_till(st->loop)->always)) {
    (void)pthread_sigmask(SIG_BLOCK, NULL, &p->mask); /* cannot fail */
    p->has_mask = true;
  }
  if (p->signal != -1 && is_test(p))
    arm(p, now_ns, p->test_ns);
  else if (p->signal != -1 &&
           (now_ns >= p->due_ns || p->due_ns > p->slice_end_ns ||
            p->stretched)) /* a shot costs more than this call */
    arm(p, now_ns, slice_ns);
  return 0;
}

void preempt_shorten(struct preempt *p) {
  uint64_t now_ns;
  if (!p->stretched)
    return;
  p->stretched = false;
  now_ns = clock_mono_ns();
  if (now_ns + SLICE_NS >= p->slice_end_ns)
    return;
  p->slice_end_ns = now_ns + SLICE_NS;
  if (p->signal != -1 && p->due_ns > p->slice_end_ns)
    arm(p, now_ns, SLICE_NS);
}

void preempt_leave(struct preempt *p) {
  struct preempt *outer = p->outer;
  active = outer;
  p->running = NULL;
  p->outer = NULL;
  p->stretched = false;
  atomic_signal_fence(memory_order_seq_cst);
  if (outer) { /* its shot may have come meanwhile */
    uint64_t now_ns = clock_mono_ns();
    if (now_ns >= outer->due_ns)
      arm(outer, now_ns, SLICE_NS);
  }
}

void preempt_abandon_after(struct preempt *p, const struct state *st,
                           uint64_t ns) {
  p->test_state = st;
  p->test_ns = ns;
}

bool preempt_slice_over(const struct preempt *p) {
  return clock_mono_ns() >= p->slice_end_ns;
}

void preempt_prepare(struct preempt *p, lua_State *L) {
  if (p->signal == -1)
    lua_sethook(L, sched_hook, LUA_MASKCOUNT, COUNTED_INSTRUCTIONS);
}
