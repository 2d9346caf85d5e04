/* check_preempt.c - at which instructions a script can be left: each is tried
 * as if the timer's signal arrived there, by stepping through the script one
 * instruction at a time. */
#include <signal.h>
#include <ucontext.h>

#include "cordon/cordon.h"
#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/host.h"
#include "tests/unit.h"

#if defined(__x86_64__) && defined(__GLIBC__)
#include <link.h>
#include <sys/auxv.h>
#include <time.h>

#define TIMER_SIGNAL (SIGRTMAX - 3)

/* Uses functions of the C library that nothing has called before, so that they
 * are bound while it runs.  It is stepped through from its first line on: what
 * a turn of the loop does before that differs, and is not the script's. */
static const char script[] =
    "print()\n"
    "local _ = 5.5 % 2, 2 ^ 0.5, 'x' < 'y', tostring(1.5), tonumber('1e3')\n"
    "_ = math.sin(1), math.exp(1), math.log(3, 2), math.log(8, 10)\n"
    "_ = math.tan(1), math.acos(0.5), math.atan(1, 2), math.sqrt(2)\n"
    "pcall(error)\n";

/* The real timer stays silent: here only the steps are shots. */
int timer_settime(timer_t timer, int flags, const struct itimerspec *value,
                  struct itimerspec *old) {
  (void)timer;
  (void)flags;
  (void)value;
  (void)old;
  return 0;
}

enum { IN_LINKER, IN_HANDLER, ANYWHERE };

static struct {
  int where;             /* at which instructions the signal arrives */
  long at;               /* ANYWHERE: at this one, counted from 1 */
  volatile long steps;   /* instructions */
  volatile long at_open; /* of them, with an open gate */
  volatile long shots;
  uint64_t from_ns;     /* just before the first shot */
  uintptr_t begin, end; /* of the linker's code */
} plan;

static int find_linker(struct dl_phdr_info *info, size_t size, void *ud) {
  (void)size;
  (void)ud;
  if (info->dlpi_addr == getauxval(AT_BASE))
    for (size_t i = 0; i < info->dlpi_phnum; i++)
      if (info->dlpi_phdr[i].p_type == PT_LOAD &&
          (info->dlpi_phdr[i].p_flags & PF_X)) {
        plan.begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        plan.end = plan.begin + info->dlpi_phdr[i].p_memsz;
      }
  return 0;
}

static void shoot(ucontext_t *at) {
  struct sigaction sa;
  siginfo_t info;
  plan.shots++;
  memset(&info, 0, sizeof info);
  info.si_code = SI_TIMER;
  sigaction(TIMER_SIGNAL, NULL, &sa);
  sa.sa_sigaction(TIMER_SIGNAL, &info, at);
}

static void on_step(int sig, siginfo_t *info, void *context) {
  ucontext_t *at = context, other;
  uintptr_t code = (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
  (void)sig;
  (void)info;
  plan.steps++;
  if (gate_closed())
    return;
  plan.at_open++;
  switch (plan.where) {
  case IN_LINKER:
    if (code >= plan.begin && code < plan.end)
      shoot(at);
    return;
  case IN_HANDLER: /* the program's, of SIGUSR1: that is blocked in there; no
                      handler runs for a second */
    if (plan.shots == 0)
      plan.from_ns = clock_mono_ns();
    if (plan.at_open % 64 == 0 &&
        clock_mono_ns() - plan.from_ns < 300 * NS_PER_MS) {
      memcpy(&other, at, sizeof other);
      sigaddset(&other.uc_sigmask, SIGUSR1);
      shoot(&other);
    }
    return;
  default:
    if (plan.at != 0 && plan.at_open >= plan.at && plan.shots == 0 &&
        !(code >= plan.begin && code < plan.end))
      shoot(at);
  }
}

/* Below the red zone, which a compiler may use. */
#define WITH_FLAGS(change)                                                     \
  __asm__ volatile("leaq -128(%%rsp), %%rsp\n\tpushfq\n\t" change              \
                   ", (%%rsp)\n\tpopfq\n\tleaq 128(%%rsp), %%rsp" ::           \
                       : "cc", "memory")

static void set_stepping(bool on) {
  if (on)
    WITH_FLAGS("orq $0x100");
  else
    WITH_FLAGS("andq $~0x100");
}

/* False: under a tool that makes its own code of this (valgrind). */
static bool can_step(void) {
  plan.steps = 0;
  set_stepping(true);
  set_stepping(false);
  return plan.steps > 0;
}

static void on_output(void *ud, const char *data, size_t len) {
  (void)ud;
  (void)data;
  (void)len;
  set_stepping(true);
}

/* How the script ends when |plan| is followed. */
static int run_stepped(cordon_host *host) {
  cordon_source src = {"step.lua", script, sizeof script - 1};
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  int rv = CORDON_AGAIN;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.limits.cpu_ms = CORDON_UNLIMITED; /* steps are slow */
  cfg.output = on_output;
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, NULL, 0, &err), CORDON_OK);
  preempt_abandon_after(host->preempt, NULL, SLICE_NS - 1);
  plan.at_open = plan.shots = 0;
  for (int i = 0; i < 1000 && rv == CORDON_AGAIN; i++) {
    rv = cordon_host_dispatch(host, NULL);
    set_stepping(false);
    ck_assert_int_eq(rv, CORDON_OK);
    rv = cordon_sandbox_result(sb, NULL);
  }
  preempt_abandon_after(host->preempt, NULL, UINT64_MAX);
  cordon_sandbox_free(sb);
  return rv;
}

static cordon_host *begin(struct failing_mem *fm) {
  struct sigaction sa;
  cordon_host_config cfg;
  cordon_host *host = NULL;
  failing_mem_init(fm, FAIL_NEVER);
  memset(&sa, 0, sizeof sa);
  sa.sa_sigaction = on_step;
  sa.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &sa, NULL);
  dl_iterate_phdr(find_linker, NULL);
  cordon_host_config_init(&cfg);
  cfg.alloc = (cordon_allocator){failing_mem_fn, fm};
  ck_assert_int_eq(cordon_host_new(&host, &cfg, NULL), CORDON_OK);
  return host;
}

static void end(cordon_host *host, struct failing_mem *fm) {
  cordon_host_free(host);
  ck_assert_uint_eq(fm->live_bytes, 0);
}

/* It holds locks and is in the middle of the list of libraries.  Where all is
 * bound at the start (LD_BIND_NOW) nobody gets there. */
START_TEST(never_in_the_linker) {
  struct failing_mem fm;
  cordon_host *host = begin(&fm);
  plan.where = IN_LINKER;
  ck_assert_int_eq(run_stepped(host), CORDON_OK);
  ck_assert(!can_step() || plan.at_open > 0);
  end(host, &fm);
}
END_TEST

START_TEST(never_in_handlers_of_the_program) {
  struct failing_mem fm;
  cordon_host *host = begin(&fm);
  int rv, tries = 20;
  plan.where = IN_HANDLER;
  /* the system may let us wait for that second between a look at the clock and
   * the shot */
  do
    rv = run_stepped(host);
  while (rv == CORDON_E_LIMIT && clock_mono_ns() - plan.from_ns >= NS_PER_S &&
         --tries > 0);
  ck_assert_int_eq(rv, CORDON_OK);
  ck_assert(!can_step() || plan.shots > 0);
  end(host, &fm);
}
END_TEST

/* Sampled: each costs a run. */
START_TEST(anywhere_else) {
  struct failing_mem fm;
  cordon_host *host = begin(&fm);
  long all, left = 0;
  plan.where = ANYWHERE;
  plan.at = 0;
  ck_assert_int_eq(run_stepped(host), CORDON_OK);
  all = plan.at_open;
  ck_assert(can_step() ? all > 0 : all == 0);
  for (plan.at = 1; plan.at < all; plan.at += all / 20 + 1) {
    int rv = run_stepped(host);
    /* the first run took more steps: it also bound functions */
    ck_assert_int_eq(rv, plan.shots ? CORDON_E_LIMIT : CORDON_OK);
    left += plan.shots;
  }
  ck_assert(all == 0 || left > 0);
  plan.at = 0;
  ck_assert_int_eq(run_stepped(host), CORDON_OK);
  end(host, &fm);
}
END_TEST

/* What the thread blocks between two runs is no handler's doing. */
START_TEST(whatever_the_thread_blocks_meanwhile) {
  struct failing_mem fm;
  cordon_host *host = begin(&fm);
  sigset_t some;
  plan.where = ANYWHERE;
  plan.at = 0;
  ck_assert_int_eq(run_stepped(host), CORDON_OK);
  sigemptyset(&some);
  sigaddset(&some, SIGUSR1);
  ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &some, NULL), 0);
  plan.at = plan.at_open / 8; /* that run also bound functions */
  if (plan.at > 0) {
    ck_assert_int_eq(run_stepped(host), CORDON_E_LIMIT);
    ck_assert_int_eq(plan.shots, 1);
  }
  ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &some, NULL), 0);
  end(host, &fm);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("preempt");
  TCase *tc = tcase_create("instructions");
  tcase_set_timeout(tc, 120);
  tcase_add_test(tc, never_in_the_linker);
  tcase_add_test(tc, never_in_handlers_of_the_program);
  tcase_add_test(tc, anywhere_else);
  tcase_add_test(tc, whatever_the_thread_blocks_meanwhile);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
#else
int main(void) {
  return 77; /* skipped: stepping is written for one kind of machine */
}
#endif
