/* check_abandon.c - scripts are left at random instants, in all that they can
 * do, and the host must be none the worse: it runs others, frees everything,
 * and under sanitizers every primitive of the host checks that the gate is
 * closed. CORDON_ABANDON_MS: how long, for each script; more by hand than in
 * CI. */
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "cordon/cordon.h"
#include "runtime/base/gate.h"
#include "runtime/base/random.h"
#include "runtime/host.h"
#include "tests/peer.h"

#define DEFAULT_MS 150

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

/* -------------------------------------------------------------- scripts --- */

/* Each does its work for ever, and all of what its library offers. */
static const char *const scripts[] = {
    /* strings */
    "local s = ('abc, def; '):rep(50)\n"
    "while true do\n"
    "  for w, p in s:gmatch('(%a+)()') do local _ = w:upper() .. p end\n"
    "  s:gsub('%w+', function(w) return w:reverse() end)\n"
    "  s:find('x*y*b*%d') pcall(string.format, '%q %5.2f %s %d', s, 1e300, {}, "
    "3)\n"
    "  ('x'):rep(70000):byte(1, 200) table.concat({s, s, s}, ','):len()\n"
    "  tostring(1e308 * 3) tonumber('0x1p4') utf8.char(8364, 0x10ffff)\n"
    "  for _, c in utf8.codes('aä€') do utf8.codepoint('ä') end\n"
    "  pcall(string.pack, 'i4s2z', 1, 'x', 'y')\n"
    "end\n",
    /* tables, and garbage */
    "local weak = setmetatable({}, {__mode = 'k'})\n"
    "local last\n"
    "while true do\n"
    "  local t = {}\n"
    "  for i = 1, 3000 do t[i] = (i * 7919) % 3001 end\n"
    "  table.sort(t) table.sort(t, function(a, b) return a > b end)\n"
    "  table.insert(t, 1, 0) table.remove(t, 1) table.move(t, 1, 100, 5)\n"
    "  table.unpack(t, 1, 200) table.pack(table.unpack(t, 1, 9))\n"
    "  for i = 1, 300 do local k = {} weak[k] = {last} last = k end\n"
    "  local u = {} for i = 1, 500 do u['k' .. i] = {i} end\n"
    "  for k in pairs(u) do u[k] = nil end\n"
    "end\n",
    /* coroutines and errors */
    "local mt = {__close = function() local t = {{}, {}} end,\n"
    "  __index = function(t, k) return k end, __call = function() end}\n"
    "local function deep(n) local x <close> = setmetatable({}, mt)\n"
    "  if n > 0 then return 1 + deep(n - 1) end error({n}) end\n"
    "while true do\n"
    "  pcall(deep, 100) xpcall(deep, function(e) return {e} end, 50)\n"
    "  local co = coroutine.create(function(a) while true do\n"
    "    local x <close> = setmetatable({}, mt) a = coroutine.yield(a) end "
    "end)\n"
    "  for i = 1, 20 do coroutine.resume(co, i) end coroutine.close(co)\n"
    "  local w = coroutine.wrap(function() error('x') end) pcall(w)\n"
    "  local e = errors.wrap(errors.new {message = 'm', kind = "
    "errors.INVALID,\n"
    "    details = {a = {1, {2}}}}, 'ctx')\n"
    "  local _ = e:kind() .. e:message() .. e:stack() .. tostring(e)\n"
    "  e:details() errors.call_stack(e) errors.is(e, errors.INVALID)\n"
    "end\n",
    /* tasks and channels */
    "local function feed(ch) for i = 1, 20 do ch:send {i} end ch:close() end\n"
    "while true do\n"
    "  local a, b = channel.new(), channel.new(3)\n"
    "  coroutine.spawn(feed, a) coroutine.spawn(feed, b)\n"
    "  local open = 2\n"
    "  while open > 0 do\n"
    "    local r = channel.select {a:case_receive(), b:case_receive()}\n"
    "    if not r.ok then open = open - 1\n"
    "      if r.channel == a then a = channel.new() else b = channel.new() "
    "end\n"
    "    end\n"
    "    if open == 1 then break end\n"
    "  end\n"
    "  local c = channel.new(1)\n"
    "  coroutine.spawn(function() c:receive() c:receive() end)\n"
    "  channel.select {c:case_send(1), default = true} c:send(2) c:send(3)\n"
    "  local d = channel.new() coroutine.spawn(function() d:receive() end)\n"
    "end\n",
    /* time */
    "local time = require 'time'\n"
    "while true do\n"
    "  time.sleep('5us')\n"
    "  local at = time.after('10us') at:receive()\n"
    "  local t = time.timer('1h') t:reset('20us') t:channel():receive() "
    "t:stop()\n"
    "  local k = time.ticker('15us') k:channel():receive() "
    "k:channel():receive()\n"
    "  k:stop() time.ticker('1ms') time.after('1h') time.timer('30us')\n"
    "  coroutine.spawn(function() time.sleep('40us') end)\n"
    "  local now = time.now() local _ = now:format(time.RFC1123) .. "
    "tostring(now)\n"
    "  now:in_location(time.fixed_zone('X', 3600)):add('1h'):date()\n"
    "  time.parse(time.RFC3339, '2024-02-29T12:00:00+01:00')\n"
    "  time.parse_duration('1h2m3s'):seconds()\n"
    "  os.date() os.date('!%c') os.date('*t') os.clock()\n"
    "  os.time {year = 2024, month = 2, day = 30} os.difftime(1, 2)\n"
    "end\n",
    /* json */
    "local json = require 'json'\n"
    "local t = {a = {1, 2.5, 'x\\n', {b = {}}}, c = ('y'):rep(3000)}\n"
    "local schema = {type = 'object', properties = {a = {type = 'array'}}}\n"
    "while true do\n"
    "  local s = json.encode(t) local u = json.decode(s)\n"
    "  json.decode('[1e5, null, {}, \"\\\\u20ac\"]', {null = json.null})\n"
    "  json.decode('{\"a\": [') json.validate(schema, u)\n"
    "  json.validate_string(schema, s) pcall(json.encode, {[1] = 1, a = 2})\n"
    "end\n",
    /* policies */
    "local sec = require 'security'\n"
    "while true do\n"
    "  local p, q = sec.policy('t:a'), sec.policy('t:b')\n"
    "  local s = sec.new_scope {p, q}\n"
    "  local a = sec.new_actor('me', {team = 'x', list = {1, 2}})\n"
    "  s:with(p):without(q):contains('t:a') s:policies()\n"
    "  s:evaluate(a, 'websocket.connect.url', 'ws://localhost:1/', {a = 1})\n"
    "  p:evaluate(a, 'x', 'y') sec.can('websocket.connect', '')\n"
    "  sec.named_scope('t:g') sec.scope() sec.actor():meta() "
    "sec.policy('no:no')\n"
    "  p:id() a:id() sec.can('websocket.connect.address', '1.2.3.4:5')\n"
    "end\n",
    /* connections */
    "local ws, time = require 'websocket', require 'time'\n"
    "local url = (...)\n"
    "local function talk(n)\n"
    "  local c = ws.connect(url, {control_messages = true,\n"
    "    headers = {a = 'b'}, protocols = {'p'}, channel_capacity = 2})\n"
    "  if not c then return end\n"
    "  for i = 1, n do\n"
    "    c:send(('x'):rep(i * 300)) c:ping('p')\n"
    "    local m = c:channel():receive()\n"
    "  end\n"
    "  channel.select {c:channel():case_receive(),\n"
    "    time.after('1ms'):case_receive()}\n"
    "  c:subprotocol() c:close_info()\n"
    "  if n % 2 == 0 then c:close(1000, 'bye') end\n"
    "end\n"
    "while true do\n"
    "  coroutine.spawn(talk, 3) talk(4)\n"
    "  ws.connect('ws://10.0.0.1/') ws.connect('http://x') "
    "ws.connect('ws://nohost.invalid/')\n"
    "  pcall(ws.connect, url, {nonsense = 1})\n"
    "end\n",
    /* modules, output, randomness */
    "while true do\n"
    "  print('a', 1, {}, nil) require 'm1' pcall(require, 'nothing')\n"
    "  coroutine.spawn(function() require 'm2' end) require 'm2'\n"
    "  math.randomseed(os.time()) math.random(10) math.random()\n"
    "  pcall(require, 'bad') select('#', pcall(error))\n"
    "end\n",
    /* what ends by itself, in an error with an object to describe */
    "coroutine.spawn(function() error(errors.new(('m'):rep(300))) end)\n"
    "channel.new():receive()\n"};

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

/* --------------------------------------------------------------- server --- */

static void *answer(void *ud) {
  struct peer *p = ud;
  struct timeval tv = {PATIENCE_S, 0};
  setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
  peer_echo(p);
  close(p->fd);
  free(p->big);
  free(p);
  return NULL;
}

static void *serve(void *ud) {
  struct peer *listener = ud;
  int fd;
  while ((fd = accept(listener->listener, NULL, NULL)) >= 0) {
    struct peer *p = calloc(1, sizeof *p);
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    p->fd = fd;
    if (pthread_create(&thread, &attr, answer, p) != 0) {
      close(fd);
      free(p);
    }
    pthread_attr_destroy(&attr);
  }
  return NULL;
}

/* ----------------------------------------------------------------- tests ---
 */

struct stage {
  struct failing_mem fm;
  cordon_host *host;
  cordon_policy *policy;
  struct prng prng;
  char url[64];
  size_t printed;
};

static void on_output(void *ud, const char *data, size_t len) {
  struct stage *s = ud;
  void *p = malloc(len + 1); /* a host does as it likes */
  (void)data;
  s->printed += len;
  free(p);
}

static int on_audit(void *ud, const cordon_audit_event *event) {
  (void)ud;
  free(malloc(strlen(event->request->action) + 1));
  return 0;
}

static int on_require(void *ud, const char *name, cordon_source *ret) {
  (void)ud;
  if (strcmp(name, "nothing") == 0)
    return CORDON_E_NOT_FOUND;
  *ret = (cordon_source){"m.lua", "require 'time'.sleep('1us') return {}", 37};
  if (strcmp(name, "bad") == 0)
    ret->text = "return return = = = = = = = = = = = =";
  return CORDON_OK;
}

static cordon_sandbox *sandbox(struct stage *s, const char *text) {
  cordon_source src = {"test.lua", text, strlen(text)};
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  const char *args[] = {s->url};
  int rv;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.actor_id = "tester";
  cfg.actor_meta_json = "{\"team\": \"x\"}";
  cfg.policy = s->policy;
  cfg.output = on_output;
  cfg.audit = on_audit;
  cfg.require = on_require;
  cfg.ud = s;
  cfg.limits.cpu_ms = CORDON_UNLIMITED;
  cfg.limits.connects_per_minute = CORDON_UNLIMITED;
  ck_assert_int_eq(cordon_sandbox_new(&sb, s->host, &cfg, &err), CORDON_OK);
  rv = cordon_sandbox_load(sb, &src, args, 1, &err);
  ck_assert_msg(rv == CORDON_OK, "%s", err.message);
  return sb;
}

static void turn(struct stage *s) {
  struct pollfd p = {cordon_host_fd(s->host), POLLIN, 0};
  int ms = cordon_host_timeout_ms(s->host);
  poll(&p, 1, ms < 0 || ms > 2 ? 2 : ms);
  ck_assert_int_eq(cordon_host_dispatch(s->host, NULL), CORDON_OK);
}

/* Everybody else goes on as ever. */
static void try_host(struct stage *s) {
  static const char text[] =
      "local ch = channel.new(1)\n"
      "coroutine.spawn(function() require 'time'.sleep('10us') ch:send(42) "
      "end)\n"
      "assert(ch:receive() == 42)\n"
      "assert(require 'json'.encode({1, 2}) == '[1,2]')\n"
      "assert(os.date('!%Y', 0) == '1970') print('fine')\n";
  cordon_sandbox *sb = sandbox(s, text);
  size_t before = s->printed;
  cordon_error err;
  int rv;
  while ((rv = cordon_sandbox_result(sb, &err)) == CORDON_AGAIN)
    turn(s);
  ck_assert_msg(rv == CORDON_OK, "%s", err.message);
  ck_assert_uint_eq(s->printed, before + 5);
  cordon_sandbox_free(sb);
}

static void leave_once(struct stage *s, const char *text) {
  uint64_t turns = prng_below(&s->prng, 40);
  uint64_t ns = 1000 + prng_below(&s->prng, 1 << prng_below(&s->prng, 19));
  bool loading = prng_below(&s->prng, 8) == 0;
  cordon_sandbox *sb;
  if (loading)
    preempt_abandon_after(s->host->preempt, ns / 8);
  sb = sandbox(s, text);
  if (!loading)
    for (; turns > 0 && cordon_sandbox_result(sb, NULL) == CORDON_AGAIN;
         turns--)
      turn(s);
  preempt_abandon_after(s->host->preempt, ns);
  /* a load that was abandoned has no result */
  for (int i = 0; i < 1000 && cordon_sandbox_result(sb, NULL) == CORDON_AGAIN;
       i++) {
    turn(s);
    if (loading && i == 3)
      break;
  }
  preempt_abandon_after(s->host->preempt, UINT64_MAX);
  cordon_sandbox_free(sb);
}

static uint64_t now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void stage_init(struct stage *s, uint16_t port) {
  cordon_host_config cfg;
  cordon_error err;
  cordon_source src = {"policy.yaml", policy_text, sizeof policy_text - 1};
  memset(s, 0, sizeof *s);
  failing_mem_init(&s->fm, FAIL_NEVER);
  ck_assert_int_eq(prng_seed(&s->prng), 0);
  snprintf(s->url, sizeof s->url, "ws://127.0.0.1:%u/", port);
  cordon_host_config_init(&cfg);
  cfg.alloc = (cordon_allocator){failing_mem_fn, &s->fm};
  cfg.dns_servers = "127.0.0.1:9";
  ck_assert_int_eq(cordon_host_new(&s->host, &cfg, &err), CORDON_OK);
  if (cordon_policy_new(&s->policy, NULL, &err) != CORDON_OK ||
      cordon_policy_add(s->policy, &src, NULL, NULL, &err) != CORDON_OK ||
      cordon_policy_finish(s->policy, NULL, NULL, &err) != CORDON_OK)
    ck_abort_msg("%s:%u: %s", err.source, err.line, err.message);
}

static uint64_t duration_ms(void) {
  const char *text = getenv("CORDON_ABANDON_MS");
  return text ? strtoull(text, NULL, 10) : DEFAULT_MS;
}

START_TEST(left_anywhere) {
  const char *text = scripts[_i];
  struct peer server;
  struct stage s;
  uint64_t end_ms;
  size_t n = 0;
  peer_start(&server, peer_echo);
  ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, &server), 0);
  stage_init(&s, server.port);
  end_ms = now_ms() + duration_ms();
  do {
    leave_once(&s, text);
    if (n % 16 == 0)
      try_host(&s);
  } while (++n < 8 || now_ms() < end_ms);
  try_host(&s);
  cordon_host_free(s.host);
  cordon_policy_unref(s.policy);
  ck_assert_uint_eq(s.fm.live_bytes, 0);
  peer_end(&server);
}
END_TEST

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
  cordon_sandbox_config cfg;
  cordon_source src = {"step.lua", steps[_i].text, strlen(steps[_i].text)};
  cordon_sandbox *sb = NULL;
  cordon_usage usage;
  cordon_error err;
  stage_init(&s, 1);
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.limits.cpu_ms = 400;
  ck_assert_int_eq(cordon_sandbox_new(&sb, s.host, &cfg, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, NULL, 0, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_E_LIMIT);
  cordon_sandbox_usage(sb, &usage);
  ck_assert_int_eq(usage.stop, CORDON_STOP_CPU);
  ck_assert_str_eq(err.message, "the CPU limit is reached");
  ck_assert_uint_eq(usage.memory_bytes, 0); /* dropped at once */
  cordon_sandbox_free(sb);
  try_host(&s);
  cordon_host_free(s.host);
  cordon_policy_unref(s.policy);
  ck_assert_uint_eq(s.fm.live_bytes, 0);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("abandon");
  TCase *tc = tcase_create("abandon");
  tcase_set_timeout(tc, 60.0 + 2.0 * (double)duration_ms() / 1000);
  tcase_add_test(tc, gates);
  tcase_add_loop_test(tc, left_anywhere, 0, (int)unit_len(scripts));
  tcase_add_loop_test(tc, limits_hold_inside_single_steps, 0,
                      (int)unit_len(steps));
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
