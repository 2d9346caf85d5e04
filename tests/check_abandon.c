/* check_abandon.c - the gate, and scripts that are left in the middle because
 * nothing else would stop them.  At random instants: check_stress.c. */
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cordon/cordon.h"
#include "tests/unit.h"

/* ------------------------------------------------------------- the gate --- */

struct walk {
  int steps;
  bool enter;
};

static void walk_on(void *ud) {
  struct walk *w = ud;
  ck_assert(!gate_closed());
  w->steps++;
  if (w->enter) {
    gate_enter();
    gate_enter();
    gate_abandon(w, NULL); /* not now */
    w->steps++;
    gate_leave();
    w->steps++;
    gate_leave(); /* but here */
  } else {
    gate_abandon(&w->enter, NULL); /* somebody else's */
    w->steps++;
    gate_abandon(w, NULL);
  }
  w->steps += 100;
}

static void walk_in_host_code(void *ud) {
  struct walk *outer = ud, inner = {.enter = true};
  gate_enter();
  gate_abandon(outer, NULL); /* not before the inner one has ended */
  ck_assert(!gate_run(&inner, walk_on, &inner));
  ck_assert(gate_closed());
  ck_assert_int_eq(inner.steps, 3);
  outer->steps++;
  gate_leave();
  outer->steps += 100;
}

static void walk_to_the_end(void *ud) {
  struct walk *w = ud;
  gate_enter();
  gate_leave();
  w->steps++;
}

START_TEST(gates) {
  struct walk w = {.enter = true};
  ck_assert(gate_closed());
  ck_assert(!gate_run(&w, walk_on, &w));
  ck_assert_int_eq(w.steps, 3);
  w = (struct walk){.enter = false};
  ck_assert(!gate_run(&w, walk_on, &w));
  ck_assert_int_eq(w.steps, 2);
  w = (struct walk){.enter = false};
  ck_assert(!gate_run(&w, walk_in_host_code, &w));
  ck_assert_int_eq(w.steps, 1);
  w = (struct walk){.enter = false};
  ck_assert(gate_run(&w, walk_to_the_end, &w));
  ck_assert_int_eq(w.steps, 1);
  ck_assert(gate_closed());
  gate_abandon(&w, NULL); /* nobody is there */
  gate_enter();
  gate_leave();
  ck_assert(gate_closed());
}
END_TEST

/* ----------------------------------------------------------------- hosts ---
 */

struct stage {
  struct failing_mem fm;
  cordon_host *host;
};

static void stage_init(struct stage *s) {
  cordon_host_config cfg;
  cordon_error err;
  memset(s, 0, sizeof *s);
  failing_mem_init(&s->fm, FAIL_NEVER);
  cordon_host_config_init(&cfg);
  cfg.alloc = (cordon_allocator){failing_mem_fn, &s->fm};
  ck_assert_int_eq(cordon_host_new(&s->host, &cfg, &err), CORDON_OK);
}

static void stage_end(struct stage *s) {
  cordon_host_free(s->host);
  ck_assert_uint_eq(s->fm.live_bytes, 0);
}

/* How a script ends that gets |cpu_ms|. */
static int run_script(struct stage *s, const char *text, uint64_t cpu_ms,
                      cordon_usage *ret_usage, cordon_error *err) {
  cordon_sandbox_config cfg;
  cordon_source src = {"step.lua", text, strlen(text)};
  cordon_sandbox *sb = NULL;
  int rv;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.limits.cpu_ms = cpu_ms;
  ck_assert_int_eq(cordon_sandbox_new(&sb, s->host, &cfg, err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, NULL, 0, err), CORDON_OK);
  rv = cordon_sandbox_run(sb, 0, err);
  cordon_sandbox_usage(sb, ret_usage);
  cordon_sandbox_free(sb);
  return rv;
}

/* --------------------------------------------------- limits really hold --- */

/* Each spends seconds or more in a single step. */
static const struct {
  const char *what, *text;
} steps[] = {
    {"a chain of __call",
     "local f = function() end\n"
     "for i = 1, 190000 do f = setmetatable({}, {__call = f}) end\n"
     "while true do pcall(f) end"},
    {"one ephemeron table",
     "local t, list = setmetatable({}, {__mode = 'k'}), {}\n"
     "for i = 1, 40000 do list[i] = {} end\n"
     "for i = 1, #list - 1 do t[list[i + 1]] = list[i] end\n"
     "local keep = list[#list] list = nil\n"
     "while true do local x = {} end"},
    {"string.rep", "while true do ('x'):rep(30 << 20) end"},
    {"table.concat", "local t = {} for i = 1, 1e6 do t[i] = 'abcdefgh' end\n"
                     "while true do table.concat(t, ',') end"},
    {"__close while unwinding",
     "local mt = {__close = function() while true do end end}\n"
     "local function f(n) local x <close> = setmetatable({}, mt)\n"
     "  if n > 0 then f(n - 1) end error('x') end\n"
     "while true do pcall(f, 100) end"},
    {"the handler of an error",
     "while true do xpcall(error, function() while true do end end) end"},
    {"a deep stack",
     "local function f(n) if n > 0 then return 1 + f(n - 1) end\n"
     "  while true do end end f(180000)"}};

START_TEST(limits_hold_inside_single_steps) {
  struct stage s;
  cordon_usage usage;
  cordon_error err;
  stage_init(&s);
  ck_assert_int_eq(run_script(&s, steps[_i].text, 400, &usage, &err),
                   CORDON_E_LIMIT);
  ck_assert_int_eq(usage.stop, CORDON_STOP_CPU);
  ck_assert_str_eq(err.message, "the CPU limit is reached");
  ck_assert_uint_eq(usage.memory_bytes, 0); /* dropped at once */
  /* others go on as ever */
  ck_assert_int_eq(
      run_script(&s,
                 "local ch = channel.new(1)\n"
                 "coroutine.spawn(function()\n"
                 "  require 'time'.sleep('10us') ch:send(42) end)\n"
                 "assert(ch:receive() == 42)\n",
                 10000, &usage, &err),
      CORDON_OK);
  stage_end(&s);
}
END_TEST

/* --------------------------------------------------------------- threads ---
 */

struct visit {
  struct stage *stage;
  pid_t tid;
  int rv;
};

static void *spin(void *ud) {
  struct visit *v = ud;
  cordon_usage usage;
  cordon_error err;
  v->tid = (pid_t)syscall(SYS_gettid);
  v->rv = run_script(v->stage, "while true do end", 20, &usage, &err);
  return NULL;
}

static void visit(struct visit *v) {
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, spin, v), 0);
  pthread_join(thread, NULL);
  ck_assert_int_eq(v->rv, CORDON_E_LIMIT);
}

/* Makes the system give out |pid| next; false: it does not let us. */
static bool next_pid(pid_t pid) {
  FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "w");
  bool good = f && fprintf(f, "%ld", (long)pid - 1) > 0;
  if (f)
    good = fclose(f) == 0 && good;
  return good;
}

/* A host goes from thread to thread, and one of them has the id of another that
 * is gone: its timer is not that one's. */
START_TEST(thread_ids_come_again) {
  struct stage s;
  struct visit first = {.stage = &s}, second = {.stage = &s};
  pid_t child = fork();
  int status;
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    /* in a namespace of our own nobody else takes the id */
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0 &&
        unshare(CLONE_NEWPID) != 0)
      _exit(0);
    if ((child = fork()) != 0)
      _exit(waitpid(child, &status, 0) == child && status == 0 ? 0 : 3);
    alarm(200);
    stage_init(&s);
    visit(&first);
    for (int i = 0; i < 20 && second.tid != first.tid; i++) {
      if (!next_pid(first.tid))
        _exit(0);
      visit(&second);
    }
    _exit(second.tid == first.tid ? 0 : 3);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
}
END_TEST

/* A child has no timer, though all it remembers says so. */
START_TEST(limits_hold_after_a_fork) {
  struct stage s;
  struct visit v = {.stage = &s};
  pid_t child;
  int status;
  stage_init(&s);
  spin(&v);
  ck_assert_int_eq(v.rv, CORDON_E_LIMIT);
  ck_assert_int_ge(child = fork(), 0);
  if (child == 0) {
    alarm(200);
    v.rv = CORDON_OK;
    spin(&v);
    _exit(v.rv == CORDON_E_LIMIT ? 0 : 3);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  stage_end(&s);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("abandon");
  TCase *tc = tcase_create("abandon");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, gates);
  tcase_add_loop_test(tc, limits_hold_inside_single_steps, 0,
                      (int)unit_len(steps));
  tcase_add_test(tc, thread_ids_come_again);
  tcase_add_test(tc, limits_hold_after_a_fork);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
