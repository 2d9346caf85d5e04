/* check_confine.c - the finished filter, run over every call and a grid of
 * arguments, says what a plain description of it says. */
#include "runtime/worker/confine.h"

#include "tests/unit.h"

#if !CORDON_HAVE_WORKER
int main(void) {
  return 77;
}
#else

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "runtime/worker/control.h"
#include "runtime/worker/filter.h"

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define PID 0x12345u
#define EPERM_RESULT (SECCOMP_RET_ERRNO | EPERM)

/* What the kernel does: the subset of BPF that seccomp(2) takes. */
static uint32_t run(const struct sock_filter *f, size_t n,
                    const struct seccomp_data *data) {
  uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = {0};
  for (size_t pc = 0; pc < n; pc++) {
    const struct sock_filter *i = &f[pc];
    uint32_t src = BPF_SRC(i->code) == BPF_X ? x : i->k;
    switch (BPF_CLASS(i->code)) {
    case BPF_LD:
      if (BPF_MODE(i->code) == BPF_ABS) {
        if (i->k > sizeof *data - 4)
          ck_abort_msg("reads beyond its data");
        memcpy(&a, (const char *)data + i->k, 4);
      } else if (BPF_MODE(i->code) == BPF_MEM)
        a = mem[i->k];
      else
        a = i->k;
      break;
    case BPF_LDX:
      x = BPF_MODE(i->code) == BPF_MEM ? mem[i->k] : i->k;
      break;
    case BPF_ST:
      mem[i->k] = a;
      break;
    case BPF_STX:
      mem[i->k] = x;
      break;
    case BPF_ALU:
      if (BPF_OP(i->code) != BPF_AND)
        ck_abort_msg("unknown operation");
      a &= src;
      break;
    case BPF_JMP: {
      bool yes = false;
      if (BPF_OP(i->code) == BPF_JA) {
        pc += i->k;
        break;
      }
      switch (BPF_OP(i->code)) {
      case BPF_JEQ:
        yes = a == src;
        break;
      case BPF_JGT:
        yes = a > src;
        break;
      case BPF_JGE:
        yes = a >= src;
        break;
      case BPF_JSET:
        yes = (a & src) != 0;
        break;
      default:
        ck_abort_msg("unknown jump");
      }
      pc += yes ? i->jt : i->jf;
      break;
    }
    case BPF_RET:
      return i->k;
    case BPF_MISC:
      if (BPF_MISCOP(i->code) == BPF_TAX)
        x = a;
      else
        a = x;
      break;
    default:
      ck_abort_msg("unknown instruction");
    }
  }
  ck_abort_msg("the program does not end");
  return 0;
}

static uint32_t if_true(bool allowed) {
  return allowed ? SECCOMP_RET_ALLOW : EPERM_RESULT;
}

static uint32_t expected(int nr, const uint64_t a[6]) {
  switch (nr) {
  case SYS_read:
  case SYS_readv:
  case SYS_write:
  case SYS_writev:
  case SYS_recvfrom:
  case SYS_recvmsg:
  case SYS_shutdown:
  case SYS_close:
  case SYS_epoll_create1:
  case SYS_epoll_ctl:
  case SYS_epoll_pwait:
  case SYS_ppoll:
  case SYS_eventfd2:
  case SYS_nanosleep:
  case SYS_sched_yield:
  case SYS_gettimeofday:
  case SYS_munmap:
  case SYS_mremap:
  case SYS_brk:
  case SYS_rt_sigaction:
  case SYS_rt_sigprocmask:
  case SYS_rt_sigreturn:
  case SYS_sigaltstack:
  case SYS_timer_settime:
  case SYS_timer_gettime:
  case SYS_timer_delete:
  case SYS_timer_getoverrun:
  case SYS_getrandom:
  case SYS_getpid:
  case SYS_gettid:
  case SYS_exit:
  case SYS_exit_group:
  case SYS_restart_syscall:
#ifdef SYS_epoll_wait
  case SYS_epoll_wait:
  case SYS_poll:
  case SYS_time:
#endif
    return SECCOMP_RET_ALLOW;
  case SYS_mprotect:
    return if_true(!(a[2] & PROT_EXEC));
  case SYS_mmap:
    return if_true(!(a[2] & PROT_EXEC) && (a[3] & MAP_ANONYMOUS) &&
                   (a[3] & MAP_TYPE) == MAP_PRIVATE &&
                   !(a[3] & (MAP_HUGETLB | MAP_LOCKED | MAP_GROWSDOWN)));
  case SYS_sendto:
    return if_true(a[4] == 0 && !(a[3] & MSG_FASTOPEN));
  case SYS_getsockopt:
    return if_true(a[1] == SOL_SOCKET && a[2] == SO_ERROR);
  case SYS_tgkill:
    return if_true(a[0] == PID);
  case SYS_getrusage:
    return if_true(a[0] == RUSAGE_SELF);
  case SYS_fcntl:
    return if_true(a[1] >= F_GETFD && a[1] <= F_SETFL);
  case SYS_futex:
    return if_true((a[1] & ~UINT64_C(128)) <= FUTEX_WAKE);
  case SYS_madvise:
    return if_true(a[2] <= MADV_DONTNEED || a[2] == MADV_FREE ||
                   a[2] == MADV_HUGEPAGE || a[2] == MADV_NOHUGEPAGE ||
                   (CONTROL_SANITIZED && a[2] == MADV_DONTDUMP));
  case SYS_clock_gettime:
  case SYS_clock_getres:
  case SYS_clock_nanosleep:
  case SYS_timer_create:
    return if_true(a[0] <= 11);
  default:
    return EPERM_RESULT; /* or it kills: see below */
  }
}

static const uint64_t grid[] = {0,
                                1,
                                2,
                                3,
                                4,
                                5,
                                7,
                                8,
                                9,
                                11,
                                12,
                                14,
                                15,
                                16,
                                0x20,
                                0x21,
                                0x22,
                                0x23,
                                0x32,
                                0x80,
                                0x81,
                                0x82,
                                0x100,
                                0x122,
                                0x2022,
                                0x40022,
                                0x4022,
                                0x20000000,
                                0x20004000,
                                0x80000000,
                                0xfffffffe,
                                0xffffffff,
                                PID,
                                UINT64_C(0x100000000),
                                UINT64_C(0x100000000) | PID,
                                UINT64_C(0x100000003),
                                UINT64_C(0x100000022),
                                UINT64_C(0xffffffff00000000),
                                UINT64_MAX};

static struct confine_filter *filter;
static struct sock_filter *program;
static size_t program_len;

static void make_program(void) {
  size_t at;
  struct err e;
  const struct sock_filter *f;
  ck_assert_int_eq(confine_filter_new(&filter, &mem_libc, &e), 0);
  f = confine_filter_program(filter, &program_len, &at);
  ck_assert_uint_lt(program_len, 1024);
  program = malloc(program_len * sizeof *program);
  memcpy(program, f, program_len * sizeof *program);
  program[at].k = PID;
}

static void free_program(void) {
  free(program);
  confine_filter_free(filter);
}

static uint32_t result(uint32_t arch, uint32_t nr, const uint64_t a[6]) {
  struct seccomp_data data;
  memset(&data, 0, sizeof data);
  data.nr = (int)nr;
  data.arch = arch;
  memcpy(data.args, a, sizeof data.args);
  return run(program, program_len, &data);
}

START_TEST(every_call_on_a_grid) {
  uint64_t a[6];
  for (uint32_t nr = 0; nr < 700; nr++) {
    memset(a, 0, sizeof a);
    /* one to three arguments matter, and they are among 0 to 4 */
    for (size_t i = 0; i < unit_len(grid); i++)
      for (size_t j = 0; j < unit_len(grid); j++) {
        static const struct {
          unsigned i, j;
        } places[] = {{0, 1}, {1, 2}, {2, 3}, {3, 4}};
        unit_each(p, places) {
          uint32_t got, want;
          memset(a, 0, sizeof a);
          a[p->i] = grid[i];
          a[p->j] = grid[j];
          got = result(ARCH, nr, a);
          want = expected((int)nr, a);
          if (got != want &&
              (want != EPERM_RESULT || got != SECCOMP_RET_KILL_PROCESS))
            ck_abort_msg("call %u (%#llx, %#llx at %u): %#x, expected %#x", nr,
                         (unsigned long long)grid[i],
                         (unsigned long long)grid[j], p->i, got, want);
        }
      }
  }
}
END_TEST

/* Three at a time for those whose arguments come in threes. */
START_TEST(triples_on_a_grid) {
  static const int calls[] = {SYS_mmap, SYS_sendto, SYS_getsockopt, SYS_fcntl};
  uint64_t a[6];
  unit_each(nr, calls) for (unsigned base = 0; base < 4;
                            base++) for (size_t i = 0; i < unit_len(grid);
                                         i++) for (size_t j = 0;
                                                   j < unit_len(grid);
                                                   j++) for (size_t k = 0;
                                                             k < unit_len(grid);
                                                             k++) {
    memset(a, 0, sizeof a);
    a[base] = grid[i];
    a[base + 1] = grid[j];
    a[base + 2] = grid[k];
    ck_assert_uint_eq(result(ARCH, (uint32_t)*nr, a), expected(*nr, a));
  }
}
END_TEST

START_TEST(other_architectures_are_killed) {
  static const uint32_t arches[] = {AUDIT_ARCH_I386,    AUDIT_ARCH_ARM,
                                    AUDIT_ARCH_AARCH64, AUDIT_ARCH_X86_64,
                                    AUDIT_ARCH_MIPS,    0};
  const uint64_t a[6] = {0};
  unit_each(arch, arches) for (uint32_t nr = 0; nr < 700 && *arch != ARCH; nr++)
      ck_assert_uint_eq(result(*arch, nr, a), SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
  for (uint32_t nr = 0; nr < 700; nr++) /* x32 */
    ck_assert_uint_eq(result(ARCH, 0x40000000 | nr, a),
                      SECCOMP_RET_KILL_PROCESS);
  /* -1 is how tracers skip a call; nothing is behind it */
  ck_assert_uint_eq(result(ARCH, UINT32_MAX, a), EPERM_RESULT);
#endif
  ck_assert_uint_eq(result(ARCH, 0x3fffffff, a), EPERM_RESULT);
}
END_TEST

/* What an attacker needs ends the process; what libc tries for itself, not. */
START_TEST(who_is_killed) {
  static const int killed[] = {SYS_execve,       SYS_execveat,
                               SYS_clone,        435 /* clone3 */,
                               SYS_ptrace,       SYS_bpf,
                               SYS_keyctl,       425 /* io_uring */,
                               SYS_userfaultfd,  SYS_process_vm_readv,
                               SYS_socket,       SYS_connect,
                               SYS_bind,         SYS_unshare,
                               SYS_setns,        SYS_kill,
                               SYS_memfd_create, SYS_perf_event_open,
                               SYS_seccomp,      SYS_mount};
  static const int refused[] = {SYS_openat,    SYS_newfstatat, SYS_ioctl,
                                SYS_prlimit64, SYS_uname,      SYS_setsockopt,
                                SYS_sendmsg,   SYS_prctl,      SYS_getcwd,
                                SYS_sysinfo,   SYS_lseek};
  const uint64_t a[6] = {0};
  unit_each(nr, killed) ck_assert_uint_eq(result(ARCH, (uint32_t)*nr, a),
                                          SECCOMP_RET_KILL_PROCESS);
  unit_each(nr, refused)
      ck_assert_uint_eq(result(ARCH, (uint32_t)*nr, a), EPERM_RESULT);
}
END_TEST

START_TEST(steps_have_names) {
  for (unsigned i = 0; i <= CONTROL_STEP_VERSION; i++)
    for (unsigned j = 0; j < i; j++)
      ck_assert_str_ne(confine_step_text(i), confine_step_text(j));
  ck_assert_str_eq(confine_step_text(CONFINE_SECCOMP), "seccomp filter");
  ck_assert_str_eq(confine_step_text(99), "unknown step");
}
END_TEST

/* The one in the helper program, made when it was built, is what the rules of
 * this build come to. */
START_TEST(is_what_the_rules_say) {
  static struct filter made;
  ck_assert_int_eq(filter_make(&made), 0);
  ck_assert_uint_eq(made.n, program_len);
  made.insns[made.pid_at].k = PID;
  ck_assert_mem_eq(made.insns, program, program_len * sizeof *program);
}
END_TEST

START_TEST(survives_a_failing_allocation) {
  struct failing_mem fm;
  struct confine_filter *f;
  failing_mem_init(&fm, 0);
  ck_assert_int_eq(confine_filter_new(&f, &fm.mem, NULL), ERR_NOMEM);
  failing_mem_init(&fm, FAIL_NEVER);
  ck_assert_int_eq(confine_filter_new(&f, &fm.mem, NULL), 0);
  confine_filter_free(f);
  ck_assert_uint_eq(fm.live_bytes, 0);
  confine_filter_free(NULL);
}
END_TEST

int main(void) {
  Suite *s = suite_create("confine");
  TCase *tc = tcase_create("confine");

  tcase_add_test(tc, steps_have_names);
  suite_add_tcase(s, tc);
  /* valgrind has no seccomp(2), which libseccomp asks what there is. */
  tc = tcase_create(UNIT_SLOW);
  tcase_set_tags(tc, UNIT_SLOW);
  tcase_add_checked_fixture(tc, make_program, free_program);
  tcase_add_test(tc, other_architectures_are_killed);
  tcase_add_test(tc, who_is_killed);
  tcase_add_test(tc, is_what_the_rules_say);
  tcase_add_test(tc, survives_a_failing_allocation);
  tcase_add_test(tc, every_call_on_a_grid);
  tcase_add_test(tc, triples_on_a_grid);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
#endif
