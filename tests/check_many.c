/* check_many.c - thousands of sandboxes in one host: all run, take turns, are
 * held to their own limits, and leave nothing behind. */
#include <poll.h>

#include "cordon/cordon.h"
#include "runtime/base/gate.h"
#include "tests/unit.h"

/* Each sandbox is a Lua state: slow where every load and store is checked. */
static size_t how_many(size_t n) {
#ifdef GATE_CHECKED
  return n / 10;
#else
  return n;
#endif
}

struct box {
  cordon_sandbox *sb;
  size_t lines; /* printed */
};

static void count_lines(void *ud, const char *data, size_t len) {
  struct box *b = ud;
  (void)data;
  b->lines += len > 0;
}

static cordon_host *host_on(struct failing_mem *fm) {
  cordon_host_config cfg;
  cordon_host *host = NULL;
  cordon_error err;
  failing_mem_init(fm, FAIL_NEVER);
  cordon_host_config_init(&cfg);
  cfg.alloc.fn = fm->mem.fn;
  cfg.alloc.ud = fm->mem.ud;
  if (cordon_host_new(&host, &cfg, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  return host;
}

static void open_box(struct box *b, cordon_host *host, uint64_t cpu_ms,
                     const char *text) {
  cordon_source src = {"many.lua", text, strlen(text)};
  cordon_sandbox_config cfg;
  cordon_error err;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.limits.cpu_ms = cpu_ms;
  cfg.output = count_lines;
  cfg.ud = b;
  if (cordon_sandbox_new(&b->sb, host, &cfg, &err) != CORDON_OK ||
      cordon_sandbox_load(b->sb, &src, NULL, 0, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
}

static void dispatch(cordon_host *host) {
  cordon_error err;
  if (cordon_host_dispatch(host, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
}

static void wait_and_dispatch(cordon_host *host) {
  struct pollfd p = {cordon_host_fd(host), POLLIN, 0};
  poll(&p, 1, cordon_host_timeout_ms(host));
  dispatch(host);
}

/* A step a turn for each, and one that never gives up its own. */
START_TEST(all_take_turns) {
  enum { STEPS = 5, TURNS = 100, MOST_BYTES = 48 * 1024 };
  static const char steps[] = "local sleep = require 'time'.sleep\n"
                              "for i = 1, 5 do\n"
                              "  print(i)\n"
                              "  sleep(0)\n"
                              "end\n"
                              "channel.new():receive()\n";
  size_t n = how_many(10000), live, left = n;
  struct box *all = calloc(n, sizeof *all);
  struct box spinner = {NULL, 0};
  struct failing_mem fm;
  cordon_host *host = host_on(&fm);
  cordon_usage usage;
  ck_assert_ptr_nonnull(all);
  live = fm.live_bytes;
  for (size_t i = 0; i < n; i++) {
    if (i == n / 2)
      open_box(&spinner, host, 20, "while true do end");
    open_box(&all[i], host, 10000, steps);
  }
  ck_assert_uint_le((fm.live_bytes - live) / n, MOST_BYTES);
  /* Whose millisecond is over before its step is done has another turn: the
   * clock may have run for somebody else. */
  for (size_t turn = 1; left > 0; turn++) {
    ck_assert_uint_le(turn, TURNS);
    dispatch(host);
    left = 0;
    for (size_t i = 0; i < n; i++) {
      ck_assert_uint_le(all[i].lines, turn);
      left += all[i].lines < STEPS;
    }
  }
  left = n;
  while (left > 0 || cordon_sandbox_result(spinner.sb, NULL) == CORDON_AGAIN) {
    wait_and_dispatch(host);
    for (left = 0; left < n; left++)
      if (cordon_sandbox_result(all[left].sb, NULL) == CORDON_AGAIN)
        break;
    left = n - left;
  }
  for (size_t i = 0; i < n; i++) {
    cordon_error err;
    ck_assert_uint_eq(all[i].lines, STEPS);
    ck_assert_int_eq(cordon_sandbox_result(all[i].sb, &err), CORDON_E_SCRIPT);
    ck_assert_ptr_nonnull(strstr(err.message, "deadlock"));
    cordon_sandbox_free(all[i].sb);
  }
  ck_assert_int_eq(cordon_sandbox_result(spinner.sb, NULL), CORDON_E_LIMIT);
  cordon_sandbox_usage(spinner.sb, &usage);
  ck_assert_int_eq(usage.stop, CORDON_STOP_CPU);
  cordon_sandbox_free(spinner.sb);
  cordon_host_free(host);
  ck_assert_uint_eq(fm.live_bytes, 0);
  free(all);
}
END_TEST

/* All wait for timers; each wakes, whatever the others do, or is freed before.
 */
START_TEST(all_wake) {
  size_t n = how_many(4000), woken = 0, wait_for = n / 2;
  struct box *all = calloc(n, sizeof *all);
  struct failing_mem fm;
  cordon_host *host = host_on(&fm);
  ck_assert_ptr_nonnull(all);
  for (size_t i = 0; i < n; i++)
    open_box(&all[i], host, 10000,
             i % 2 == 0 ? "require('time').sleep '1ms' print 'woken'"
                        : "require('time').sleep '1h' print 'never'");
  while (woken < wait_for) {
    wait_and_dispatch(host);
    woken = 0;
    for (size_t i = 0; i < n; i += 2)
      woken += cordon_sandbox_result(all[i].sb, NULL) == CORDON_OK;
  }
  for (size_t i = 0; i < n; i++) {
    ck_assert_uint_eq(all[i].lines, i % 2 == 0);
    cordon_sandbox_free(all[i].sb);
  }
  ck_assert_int_eq(cordon_host_timeout_ms(host), -1);
  cordon_host_free(host);
  ck_assert_uint_eq(fm.live_bytes, 0);
  free(all);
}
END_TEST

/* Those that spin have a turn each, in every turn of the host. */
START_TEST(spinners_share) {
  enum { SPINNERS = 8, TURNS = 12 };
  struct box all[SPINNERS];
  struct failing_mem fm;
  cordon_host *host = host_on(&fm);
  uint64_t used_ns[SPINNERS] = {0};
  memset(all, 0, sizeof all);
  for (size_t i = 0; i < SPINNERS; i++)
    open_box(&all[i], host, 60000, "while true do end");
  for (size_t turn = 1; turn <= TURNS; turn++) {
    dispatch(host);
    for (size_t i = 0; i < SPINNERS; i++) {
      cordon_usage usage;
      cordon_sandbox_usage(all[i].sb, &usage);
      ck_assert_uint_gt(usage.cpu_ns, used_ns[i]); /* nobody was left out */
      used_ns[i] = usage.cpu_ns;
      ck_assert_int_eq(cordon_sandbox_result(all[i].sb, NULL), CORDON_AGAIN);
    }
  }
  for (size_t i = 0; i < SPINNERS; i++)
    cordon_sandbox_free(all[i].sb);
  cordon_host_free(host);
  ck_assert_uint_eq(fm.live_bytes, 0);
}
END_TEST

/* A small script that waits takes 20 KiB, what the host holds for it included:
 * what nobody has asked for is not there. */
START_TEST(who_waits_takes_little) {
  enum { N = 100, MOST_BYTES = 20 * 1024 };
  static const char waits[] = "local time = require 'time'\n"
                              "local seen = {}\n"
                              "local function step(name, value)\n"
                              "  seen[name] = (seen[name] or 0) + value\n"
                              "  return seen[name]\n"
                              "end\n"
                              "time.sleep('1h')\n"
                              "return step('woken', 1)\n";
  struct failing_mem fm;
  cordon_host *host = host_on(&fm);
  struct box all[N];
  size_t live = fm.live_bytes;
  memset(all, 0, sizeof all);
  for (size_t i = 0; i < N; i++)
    open_box(&all[i], host, 10000, waits);
  do
    dispatch(host);
  while (cordon_host_timeout_ms(host) == 0);
  ck_assert_uint_le((fm.live_bytes - live) / N, MOST_BYTES);
  for (size_t i = 0; i < N; i++)
    cordon_sandbox_free(all[i].sb);
  cordon_host_free(host);
  ck_assert_uint_eq(fm.live_bytes, 0);
}
END_TEST

static Suite *many_suite(void) {
  Suite *s = suite_create("many");
  TCase *tc = tcase_create("many");
  tcase_set_timeout(tc, 120);
  tcase_set_tags(tc, UNIT_SLOW);
  tcase_add_test(tc, all_take_turns);
  tcase_add_test(tc, who_waits_takes_little);
  tcase_add_test(tc, all_wake);
  tcase_add_test(tc, spinners_share);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(many_suite());
}
