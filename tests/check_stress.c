/* check_stress.c - a host that lives on while its scripts are left at random
 * instants in all that is offered: neighbours go on and get right results, what
 * a script held is gone when it is left, and nothing is left over at the end.
 * Under AddressSanitizer every allocation of any library checks the gate.
 * CORDON_STRESS_S: how long; minutes by hand, a moment in CI. */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "cordon/cordon.h"
#include "runtime/base/random.h"
#include "runtime/host.h"
#include "runtime/sandbox.h"
#include "tests/abandon_scripts.h"
/* The tests have one of the same name as the modules. */
#define guard unit_guard
#include "tests/echo.h"
#undef guard

#define DEFAULT_MS 2000
#define VICTIMS 12
#define ROUND 150 /* scripts until everything is looked at */

/* ------------------------------------------------- allocations anywhere --- */

#ifdef GATE_CHECKED
int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void *, size_t),
    void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *p, size_t n) {
  (void)p;
  (void)n;
  gate_check();
}

static void on_free(const volatile void *p) {
  (void)p;
  gate_check();
}

static void watch_allocations(void) {
  ck_assert_int_ne(
      __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free), 0);
}
#else
static void watch_allocations(void) {
}
#endif

/* ----------------------------------------------------------------- stage ---
 */

static const char policy_text[] = "version: \"1.0\"\n"
                                  "namespace: t\n"
                                  "entries:\n"
                                  "  - name: a\n"
                                  "    kind: security.policy\n"
                                  "    policy:\n"
                                  "      actions: '*'\n"
                                  "      resources: '*'\n"
                                  "      effect: allow\n"
                                  "    groups: [t:g]\n"
                                  "  - name: b\n"
                                  "    kind: security.policy\n"
                                  "    policy:\n"
                                  "      actions: websocket.connect.url\n"
                                  "      resources: 'ws://10.*'\n"
                                  "      effect: deny\n"
                                  "    groups: [t:g]\n";

/* They print a line when they have done some work, and fail when it came out
 * wrong. */
static const char *const neighbours[] = {
    "local time, json = require 'time', require 'json'\n"
    "local ch, sum = channel.new(2), 0\n"
    "coroutine.spawn(function() for i = 1, math.huge do ch:send(i) end end)\n"
    "for n = 1, math.huge do\n"
    "  local v = ch:receive() sum = sum + v\n"
    "  assert(v == n and sum == n * (n + 1) // 2)\n"
    "  if n % 20 == 0 then time.sleep('50us')\n"
    "    local t = json.decode(json.encode({n, {a = tostring(n)}}))\n"
    "    assert(t[1] == n and t[2].a == tostring(n)) print(n) end\n"
    "end\n",
    "local ws, time = require 'websocket', require 'time'\n"
    "local plain, secure = ...\n"
    "for n = 1, math.huge do\n"
    "  local c = assert(ws.connect(n % 2 == 0 and plain or secure,\n"
    "    {compression = n % 3}))\n"
    "  for i = 1, 5 do\n"
    "    local text = (i .. 'abc'):rep(n % 700 + i)\n"
    "    assert(c:send(text)) assert(c:channel():receive().data == text)\n"
    "  end\n"
    "  assert(c:close(1000, 'done')) print(n) time.sleep('100us')\n"
    "end\n",
    "local security, n = require 'security', 0\n"
    "local a, p = security.new_actor('me'), security.policy('t:b')\n"
    "while true do\n"
    "  local words = {}\n"
    "  for w in ('the quick brown fox'):gmatch('%a+') do words[#words + 1] = w "
    "end\n"
    "  table.sort(words) local s = table.concat(words, ' ')\n"
    "  assert(s == 'brown fox quick the', s)\n"
    "  assert(p:evaluate(a, 'websocket.connect.url', 'ws://10.1.1.1/') == "
    "'deny')\n"
    "  n = n + 1 if n % 50 == 0 then print(n) coroutine.spawn(print, n)\n"
    "    require 'time'.sleep('30us') end\n"
    "end\n"};

/* What a script and its host tell each other, which no other script here has.
 */
static const char *const exchanges[] = {
    "local h = require 'host'\n"
    "while true do\n"
    "  local v = h.echo({1, 'two', {a = 3}}, ('x'):rep(2000))\n"
    "  h.outlet:send(v) h.inlet:receive()\n"
    "end\n",
    "local h = require 'host'\n"
    "for i = 1, 50 do coroutine.spawn(function()\n"
    "  while true do h.echo(i, {i}) end end) end\n"
    "while true do h.outlet:send {n = 'x'}\n"
    "  channel.select {h.inlet:case_receive(), h.outlet:case_send('y')}\n"
    "end\n"};

struct stage {
  struct failing_mem fm, policy_fm;
  cordon_host *host;
  cordon_policy *policy;
  struct prng prng;
  struct peer plain, secure;
  char urls[2][64];
  unsigned played, left, ended; /* scripts */
  unsigned calls, values;       /* of theirs, to the host */
};

/* One sandbox, and how much it has written. */
struct player {
  struct stage *stage;
  cordon_sandbox *sb;
  cordon_channel *inlet;
  size_t printed;
  int turns; /* until it is to be left */
};

static void on_output(void *ud, const char *data, size_t len) {
  struct player *pl = ud;
  void *p = malloc(len + 1); /* a host does as it likes */
  (void)data;
  pl->printed += len;
  free(p);
}

static int on_audit(void *ud, const cordon_audit_event *event) {
  (void)ud;
  free(malloc(strlen(event->request->action) + 1));
  return 0;
}

static int on_require(void *ud, const char *name, cordon_source *ret) {
  static const char good[] = "require 'time'.sleep('1us') return {}";
  static const char bad[] = "return return = = = = = = = = = = = =";
  const char *text = strcmp(name, "bad") == 0 ? bad : good;
  (void)ud;
  if (strcmp(name, "nothing") == 0)
    return CORDON_E_NOT_FOUND;
  *ret = (cordon_source){"m.lua", text, strlen(text)};
  return CORDON_OK;
}

static void fn_echo(void *ud, cordon_call *call) {
  const struct player *pl = ud;
  const cordon_value *args = cordon_call_args(call);
  cordon_error err;
  int rv = cordon_channel_send(pl->inlet, args, &err);
  ck_assert_msg(rv == CORDON_OK || rv == CORDON_AGAIN, "%s", err.message);
  pl->stage->calls++;
  ck_assert_int_eq(cordon_call_return(call, args), CORDON_OK);
}

static int on_receive(void *ud, cordon_channel *channel,
                      const cordon_value *value) {
  struct player *pl = ud;
  (void)channel;
  free(malloc(value ? 10 : 20));
  pl->stage->values++;
  return CORDON_OK;
}

static void add_exchange(struct player *pl) {
  cordon_channel *outlet;
  cordon_error err;
  if (cordon_sandbox_add_function(pl->sb, "host", "echo", fn_echo, pl, &err) !=
          CORDON_OK ||
      cordon_sandbox_add_inlet(pl->sb, "host", "inlet", 3, NULL, NULL,
                               &pl->inlet, &err) != CORDON_OK ||
      cordon_sandbox_add_outlet(pl->sb, "host", "outlet", 3, on_receive, pl,
                                &outlet, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
}

static const char *random_script(struct stage *s) {
  if (prng_below(&s->prng, 8) == 0)
    return exchanges[prng_below(&s->prng, unit_len(exchanges))];
  return abandon_scripts[prng_below(&s->prng, unit_len(abandon_scripts))];
}

static void player_start(struct player *pl, struct stage *s, const char *text) {
  const char *args[] = {s->urls[0], s->urls[1]};
  cordon_source src = {"test.lua", text, strlen(text)};
  cordon_sandbox_config cfg;
  cordon_error err;
  int rv;
  *pl = (struct player){.stage = s};
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.actor_id = "tester";
  cfg.actor_meta_json = "{\"team\": \"x\"}";
  cfg.policy = s->policy;
  cfg.output = on_output;
  cfg.audit = on_audit;
  cfg.require = on_require;
  cfg.ud = pl;
  cfg.limits.cpu_ms = CORDON_UNLIMITED;
  cfg.limits.output_bytes = CORDON_UNLIMITED;
  cfg.limits.connects_per_minute = CORDON_UNLIMITED;
  ck_assert_int_eq(cordon_sandbox_new(&pl->sb, s->host, &cfg, &err), CORDON_OK);
  add_exchange(pl);
  rv = cordon_sandbox_load(pl->sb, &src, args, 2, &err);
  ck_assert_msg(rv == CORDON_OK, "%s", err.message);
  /* none: it is left while it is compiled */
  pl->turns = (int)prng_below(&s->prng, 1 << prng_below(&s->prng, 5));
}

static void turn(struct stage *s) {
  struct pollfd p = {cordon_host_fd(s->host), POLLIN, 0};
  int ms = cordon_host_timeout_ms(s->host);
  poll(&p, 1, ms < 0 || ms > 1 ? 1 : ms);
  ck_assert_int_eq(cordon_host_dispatch(s->host, NULL), CORDON_OK);
}

/* What must be true of a script that has ended, whatever it was doing. */
static void check_ended(const struct player *pl) {
  const struct state *st = pl->sb->st;
  cordon_usage usage;
  cordon_sandbox_usage(pl->sb, &usage);
  ck_assert_uint_eq(usage.memory_bytes, 0);
  ck_assert_uint_eq(usage.connections, 0);
  ck_assert_uint_eq(account_used(&st->account), 0);
  ck_assert_uint_eq(st->timers, 0);
  ck_assert_uint_eq(st->ntasks, 0);
  ck_assert(list_empty(&st->tasks));
  ck_assert(list_empty(&st->ready));
  ck_assert(list_empty(&st->objects));
  ck_assert(list_empty(&pl->sb->services.clients));
  ck_assert(!timer_active(&st->deadline));
  ck_assert_ptr_null(st->L);
  ck_assert(gate_closed());
}

/* Starts one after the other in the place of |pl|, and leaves it. */
static bool play(struct stage *s, struct player *pl) {
  bool over;
  if (!pl->sb)
    player_start(pl, s, random_script(s));
  over = cordon_sandbox_result(pl->sb, NULL) != CORDON_AGAIN ||
         pl->sb->st->stop != STOP_NONE;
  if (over && pl->sb->st->ended) {
    check_ended(pl);
    s->left += pl->sb->st->abandoned;
    s->ended++;
  }
  if (!over && pl->turns-- > -20)
    return false;
  s->played++;
  /* it may as well wait for something that never comes */
  cordon_sandbox_free(pl->sb);
  pl->sb = NULL;
  return true;
}

static void free_players(struct player *pl, size_t n) {
  for (size_t i = 0; i < n; i++) {
    cordon_sandbox_free(pl[i].sb);
    pl[i].sb = NULL;
  }
}

static uint64_t now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Threads of the servers go when they notice that nobody is there. */
static void await_servers(void) {
  uint64_t until_ms = now_ms() + 1000 * PATIENCE_S;
  while (atomic_load(&echo_clients) > 0 && now_ms() < until_ms)
    poll(NULL, 0, 1);
}

static size_t open_descriptors(void) {
  DIR *d = opendir("/proc/self/fd");
  size_t n = 0;
  while (d && readdir(d))
    n++;
  if (d)
    closedir(d);
  return n;
}

/* The host has nothing to do and nobody to do it for.  Goodbyes of connections
 * take their time. */
static void check_quiet(struct stage *s) {
  for (int i = 0; connections_released(s->host->loop) > 0; i++) {
    if (i == 50)
      connections_cut(s->host->loop);
    turn(s);
  }
  turn(s);
  ck_assert(list_empty(&s->host->sandboxes));
  ck_assert(list_empty(loop_released(s->host->loop)));
}

static void check_neighbours(struct stage *s, struct player *pl, size_t n) {
  size_t before[unit_len(neighbours)];
  uint64_t until_ms = now_ms() + 2000 * PATIENCE_S;
  for (size_t i = 0; i < n; i++)
    before[i] = pl[i].printed;
  for (size_t i = 0; i < n;) {
    cordon_error err;
    turn(s);
    if (cordon_sandbox_result(pl[i].sb, &err) != CORDON_AGAIN)
      ck_abort_msg("neighbour %zu: %s:%u: %s", i, err.source, err.line,
                   err.message);
    ck_assert_msg(now_ms() < until_ms, "neighbour %zu does not go on", i);
    i += pl[i].printed > before[i];
  }
}

static void stage_init(struct stage *s, const char *ca_path) {
  cordon_host_config cfg;
  cordon_error err;
  cordon_source src = {"policy.yaml", policy_text, sizeof policy_text - 1};
  cordon_allocator alloc;
  memset(s, 0, sizeof *s);
  failing_mem_init(&s->fm, FAIL_NEVER);
  failing_mem_init(&s->policy_fm, FAIL_NEVER);
  ck_assert_int_eq(prng_seed(&s->prng), 0);
  echo_start(&s->plain, NULL, NULL);
  echo_start(&s->secure, NULL, ca_path);
  snprintf(s->urls[0], sizeof s->urls[0], "ws://localhost:%u/", s->plain.port);
  snprintf(s->urls[1], sizeof s->urls[1], "wss://localhost:%u/",
           s->secure.port);
  cordon_host_config_init(&cfg);
  cfg.alloc = (cordon_allocator){failing_mem_fn, &s->fm};
  cfg.dns_servers = "127.0.0.1:9";
  cfg.ca_file = ca_path;
  ck_assert_int_eq(cordon_host_new(&s->host, &cfg, &err), CORDON_OK);
  alloc = (cordon_allocator){failing_mem_fn, &s->policy_fm};
  if (cordon_policy_new(&s->policy, &alloc, &err) != CORDON_OK ||
      cordon_policy_add(s->policy, &src, NULL, NULL, &err) != CORDON_OK ||
      cordon_policy_finish(s->policy, NULL, NULL, &err) != CORDON_OK)
    ck_abort_msg("%s:%u: %s", err.source, err.line, err.message);
}

static void stage_end(struct stage *s) {
  cordon_host_free(s->host);
  ck_assert_uint_eq(s->fm.live_bytes, 0);
  cordon_policy_unref(s->policy);
  ck_assert_uint_eq(s->policy_fm.live_bytes, 0);
  echo_end(&s->plain);
  echo_end(&s->secure);
}

/* ----------------------------------------------------------------- tests ---
 */

static uint64_t duration_ms(void) {
  const char *text = getenv("CORDON_STRESS_S");
  return text ? 1000 * strtoull(text, NULL, 10) : DEFAULT_MS;
}

/* Some scripts, one of them about to be left. */
static void play_round(struct stage *s) {
  struct player victims[VICTIMS] = {{0}}, others[unit_len(neighbours)];
  struct preempt *p = s->host->preempt;
  int done = 0;
  for (size_t i = 0; i < unit_len(neighbours); i++)
    player_start(&others[i], s, neighbours[i]);
  while (done < ROUND) {
    const struct player *next = NULL;
    for (size_t i = 0; i < VICTIMS; i++) {
      done += play(s, &victims[i]);
      if (victims[i].sb && victims[i].turns <= 0)
        next = &victims[i];
    }
    if (next)
      preempt_abandon_after(
          p, next->sb->st,
          1000 + prng_below(&s->prng, UINT64_C(1) << prng_below(&s->prng, 19)));
    turn(s);
    preempt_abandon_after(p, NULL, UINT64_MAX);
  }
  check_neighbours(s, others, unit_len(neighbours));
  free_players(victims, VICTIMS);
  free_players(others, unit_len(neighbours));
  check_quiet(s);
}

START_TEST(left_anywhere) {
  char path[] = "check_stress_ca_XXXXXX";
  struct stage s;
  uint64_t end_ms;
  size_t descriptors = 0, bytes = 0;
  int fd = mkstemp(path), rounds = 0;
  bool all;
  ck_assert_int_ge(fd, 0);
  close(fd);
  watch_allocations();
  stage_init(&s, path);
  unlink(path);
  end_ms = now_ms() + duration_ms();
  do {
    play_round(&s);
    await_servers();
    if (++rounds <= 3 && s.fm.live_bytes > bytes)
      bytes = s.fm.live_bytes;
    if (rounds <= 3 && open_descriptors() > descriptors)
      descriptors = open_descriptors();
    all = s.left > 0 && s.calls > 0 && s.values > 0;
  } while (now_ms() < end_ms || (!all && rounds < 20));
  /* what the host keeps for itself is bounded, whatever its scripts did */
  ck_assert_uint_le(s.fm.live_bytes, bytes + ((size_t)256 << 10));
  ck_assert_uint_le(open_descriptors(), descriptors + 64);
  if (getenv("CORDON_STRESS_S"))
    printf("%u scripts, %u of them left, %u at their end; %zu bytes held, "
           "then %zu\n",
           s.played, s.left, s.ended, bytes, s.fm.live_bytes);
  ck_assert(all);
  stage_end(&s);
}
END_TEST

/* All functions that a script can name are in the scripts above. */
static void on_name(void *ud, const char *data, size_t len) {
  int *missing = ud;
  char name[64];
  bool found = false;
  ck_assert_uint_lt(len, sizeof name);
  memcpy(name, data, len);
  name[len > 0 && data[len - 1] == '\n' ? len - 1 : len] = '\0';
  for (size_t i = 0; i < unit_len(abandon_scripts); i++)
    found = found || strstr(abandon_scripts[i], name);
  if (!found) {
    fprintf(stderr, "no script uses %s\n", name);
    ++*missing;
  }
}

START_TEST(nothing_is_missing) {
  static const char walk[] =
      "local function walk(t) for k, v in pairs(t) do\n"
      "  if type(v) == 'function' then print(k) end end end\n"
      "walk(_G)\n"
      "for _, n in ipairs {'string', 'table', 'math', 'utf8', 'coroutine',\n"
      "  'os', 'channel', 'errors'} do walk(assert(_G[n])) end\n"
      "for _, n in ipairs {'time', 'json', 'security', 'websocket'} do\n"
      "  walk(require(n)) end\n";
  cordon_source src = {"walk.lua", walk, sizeof walk - 1};
  cordon_sandbox_config cfg;
  cordon_host *host = NULL;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  int missing = 0, rv;
  ck_assert_int_eq(cordon_host_new(&host, NULL, &err), CORDON_OK);
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.output = on_name;
  cfg.ud = &missing;
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, NULL, 0, &err), CORDON_OK);
  rv = cordon_sandbox_run(sb, 0, &err);
  ck_assert_msg(rv == CORDON_OK, "%s", err.message);
  ck_assert_int_eq(missing, 0);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("stress");
  TCase *tc = tcase_create("stress");
  tcase_set_timeout(tc, 120.0 + 2.0 * (double)duration_ms() / 1000);
  tcase_add_test(tc, nothing_is_missing);
  tcase_add_test(tc, left_anywhere);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
