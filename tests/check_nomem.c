/* check_nomem.c - no memory: each allocation of a host fails, and every limit
 * of a script is one that is too small. */
#include "tests/box.h"

/* -------------------------------------------------------------- no memory ---
 */

static const char sweep_script[] =
    "local json, time = require 'json', require 'time'\n"
    "local helper = require 'helper'\n"
    "local ch = channel.new(2)\n"
    "coroutine.spawn(function(...)\n"
    "  for i = 1, 5 do ch:send {i, tostring(i), select('#', ...)} end\n"
    "  ch:close()\n"
    "end, table.unpack({}, 1, 3000))\n"
    "for i = 1, 5 do\n"
    "  local r = channel.select {ch:case_receive(),\n"
    "    time.after('1h'):case_receive()}\n"
    "  assert(r.value[1] == i and r.value[3] == 3000)\n"
    "end\n"
    "local co = coroutine.wrap(function()\n"
    "  local guard <close> = setmetatable({}, {__close = print})\n"
    "  time.sleep('10us')\n"
    "  coroutine.yield(1)\n"
    "  error(errors.new {message = 'x', details = {a = {1}}})\n"
    "end)\n"
    "co()\n"
    "assert(not pcall(co))\n"
    "assert(json.encode(json.decode('{\"a\": [1, {}, \"b\"]}')))\n"
    "assert(json.validate({type = 'object', properties = {a = {items =\n"
    "  {type = {'integer', 'string'}}, uniqueItems = true}}}, {a = {1, "
    "'x'}}))\n"
    "assert(not json.validate_string('{\"const\": {\"a\": [1]}}', '[{}]'))\n"
    "assert(json.validate({['$ref'] = '#/$defs/a', ['$defs'] = {a = {\n"
    "  pattern = '^a+$', format = 'hostname'}}}, 'aaa'))\n"
    "assert(not json.decode('[1,'))\n"
    "assert(time.load_location('Europe/Paris'))\n"
    "local t = time.parse(time.RFC3339, '2024-02-29T12:00:00+01:00')\n"
    "assert(t:add('1h'):add_date(0, 1, 0):format('Mon, 2 Jan 2006 MST'))\n"
    "assert(tostring(time.parse_duration('90m') + '1s') == '1h30m1s')\n"
    "local timer, ticker = time.timer('1h'), time.ticker('10us')\n"
    "timer:reset('10us')\n"
    "assert(timer:channel():receive() and ticker:channel():receive())\n"
    "ticker:stop()\n"
    "local wrapped = errors.wrap(errors.new('inner'), 'outer')\n"
    "assert(wrapped:stack() and errors.call_stack(wrapped).frames)\n"
    "local security = require 'security'\n"
    "local scope = security.scope()\n"
    "security.new_actor('a', {roles = {'x', {y = 1}}})\n"
    "security.can('websocket.connect', '', {a = {b = 1}})\n"
    "assert(scope:policies() and scope:without('a:b'))\n"
    "assert(security.new_scope(scope:policies()):evaluate(security.actor(),\n"
    "  'a', 'b', {c = 1}))\n"
    "security.policy('x:y') security.named_scope('z')\n"
    "local n = 0\n"
    "for _, m in ipairs {json, time, channel, errors, security,\n"
    "                    require 'websocket'} do\n"
    "  for k, v in pairs(m) do n = n + 1 end\n"
    "end\n"
    "assert(n > 80 and time.fixed_zone('X', 60) and time.utc ~= "
    "time.localtz)\n"
    "assert(utf8.char(228, 8364):match(utf8.charpattern) and "
    "math.random(9))\n"
    "assert(os.date('%Y', 0) and os.time({year = 2024, month = 1, day = 1}))\n"
    "assert(table.remove(table.move({1, 2, 3}, 1, 3, 2)))\n"
    "assert(('key = value'):match('^(%w+)%s*=%s*(%w+)$') == 'key')\n"
    "assert(('a,b'):find(',', 1, true) and ('%b()'):rep(3, ' '))\n"
    "channel.select {ch:case_receive(), channel.new(1):case_send({1})}\n"
    "local words = {}\n"
    "for w in ('b a c'):gmatch('%a') do words[#words + 1] = w end\n"
    "table.sort(words, function(x, y) return x < y end)\n"
    "assert(table.concat(words, ',') == 'a,b,c')\n"
    "assert(('abc'):gsub('%w', function(x) return x:rep(40) end))\n"
    "assert(('%q %5.1f %s'):format('x', 1.5, {}))\n"
    "assert(string.unpack('s2', string.pack('s2', ('x'):rep(300))))\n"
    "local c, e = require 'websocket'.connect('ws://127.0.0.1:1/x',\n"
    "  {headers = {a = 'b'}, protocols = {'c'}})\n"
    "assert(not c)\n"
    "c, e = require 'websocket'.connect('ws://127.0.0.2:1/x')\n"
    "assert(not c and e:kind() == errors.PERMISSION_DENIED)\n"
    "print(helper, tostring(e))\n"
    "error('the end')\n";

static int sweep_require(void *ud, const char *name, cordon_source *ret) {
  (void)ud;
  (void)name;
  *ret = source("helper.lua", "return {require 'time'.now()}");
  return CORDON_OK;
}

static void sweep_output(void *ud, const char *data, size_t len) {
  (void)ud;
  (void)data;
  (void)len;
}

static int sweep(const cordon_allocator *alloc, cordon_policy *policy,
                 uint64_t memory_bytes, cordon_usage *usage) {
  cordon_host_config hc;
  cordon_sandbox_config cfg;
  cordon_host *host = NULL;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  struct db db = {.opened = 0};
  cordon_source src = source("test.lua", sweep_script);
  const char *args[] = {"an argument"};
  int rv;
  cordon_host_config_init(&hc);
  hc.alloc = *alloc;
  hc.preempt_signal = CORDON_NO_SIGNAL;
  if ((rv = cordon_host_new(&host, &hc, &err)) != CORDON_OK)
    return rv;
  config_init(&cfg, NULL);
  cfg.actor_meta_json = "{\"team\": \"x\"}";
  cfg.policy = policy;
  cfg.require = sweep_require;
  cfg.output = sweep_output;
  cfg.limits.deadline_ms = 60000;
  cfg.limits.memory_bytes = memory_bytes;
  if ((rv = cordon_sandbox_new(&sb, host, &cfg, &err)) == CORDON_OK &&
      (rv = cordon_sandbox_add_module(sb, "db", db_open, &db, &err)) ==
          CORDON_OK &&
      (rv = cordon_sandbox_load(sb, &src, args, 1, &err)) == CORDON_OK) {
    rv = cordon_sandbox_run(sb, 0, &err);
    cordon_sandbox_traceback(sb);
    if (usage)
      cordon_sandbox_usage(sb, usage);
  }
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  return rv;
}

/* The host's allocator is asked by the host, and for the chunks that scripts
 * live in. */
START_TEST(every_allocation_fails_once) {
  cordon_policy *policy = policy_new();
  for (int after = 0; after < 2; after++) {
    size_t n, step = after ? 7 : 1;
    int rv = 0;
    for (n = 0;; n += step) {
      struct failing_mem fm;
      cordon_allocator alloc = {failing_mem_fn, &fm};
      failing_mem_init(&fm, n);
      fm.fail_after = after;
      rv = sweep(&alloc, policy, 0, NULL);
      ck_assert_uint_eq(fm.live_bytes, 0);
      if (fm.refused == 0)
        break;
    }
    ck_assert_uint_gt(n, 40);
    ck_assert_int_eq(rv, CORDON_E_SCRIPT);
  }
  cordon_policy_unref(policy);
}
END_TEST

/* What Lua asks for is refused by the limit. */
START_TEST(every_limit_on_what_uses_every_module) {
  cordon_policy *policy = policy_new();
  const cordon_allocator libc = {NULL, NULL};
  cordon_usage usage = {.memory_peak_bytes = 0};
  size_t refused = 0;
  ck_assert_int_eq(sweep(&libc, policy, 0, &usage), CORDON_E_SCRIPT);
  ck_assert_uint_gt(usage.memory_peak_bytes, 20000);
  for (uint64_t limit = 8000; limit < usage.memory_peak_bytes; limit += 61) {
    struct failing_mem fm;
    cordon_allocator alloc = {failing_mem_fn, &fm};
    int rv;
    failing_mem_init(&fm, SIZE_MAX);
    rv = sweep(&alloc, policy, limit, NULL);
    ck_assert_uint_eq(fm.live_bytes, 0);
    refused += rv == CORDON_E_NOMEM || rv == CORDON_E_LIMIT;
  }
  ck_assert_uint_gt(refused, 300);
  cordon_policy_unref(policy);
}
END_TEST

/* A script that is to fail for want of memory: every limit from what the state
 * needs upwards. */
START_TEST(every_small_limit) {
  static const char text[] =
      "local t = {} for i = 1, 3000 do t[i] = i end\n"
      "local function f() end\n"
      "pcall(coroutine.spawn, f, table.unpack(t))\n"
      "local function nest(n) local co = coroutine.create(nest) "
      "return coroutine.resume(co, n + 1) end\n"
      "pcall(nest, 1)\n"
      "xpcall(error, function(e) return ('x'):rep(1000) .. error(e) end)\n"
      "local ch = channel.new(100) for i = 1, 100 do ch:send{} end\n";
  cordon_host *host = host_with(CORDON_NO_SIGNAL);
  cordon_sandbox_config cfg;
  size_t ran = 0;
  config_init(&cfg, NULL);
  for (uint64_t limit = 40000; limit < 700000; limit += 1777) {
    cordon_sandbox *sb = NULL;
    cordon_source src = source("test.lua", text);
    cfg.limits.memory_bytes = limit;
    if (cordon_sandbox_new(&sb, host, &cfg, NULL) != CORDON_OK)
      continue;
    if (cordon_sandbox_load(sb, &src, NULL, 0, NULL) == CORDON_OK) {
      int rv = cordon_sandbox_run(sb, 0, NULL);
      ck_assert(rv == CORDON_OK || rv == CORDON_E_LIMIT ||
                rv == CORDON_E_SCRIPT);
      ran += rv == CORDON_OK;
    }
    cordon_sandbox_free(sb);
  }
  ck_assert_uint_gt(ran, 10);
  cordon_host_free(host);
}
END_TEST

/* A time is received and there is no memory for it: it is lost, but its timer
 * goes on, and when both are garbage nothing of the one is left in the other.
 */
static const char *receive_at(cordon_host *host, uint64_t limit) {
  static const char text[] =
      "local time = require 'time'\n"
      "local recv, keep = channel.new().receive, {}\n"
      "local pad = ('x'):rep(44)\n"
      "for i = 1, 600 do keep[i] = false end\n"
      "for _, make in ipairs{time.timer, time.ticker} do\n"
      "  local t = make('1us') local ch = t:channel()\n"
      "  time.sleep('100us')\n"
      "  for i = 1, 600 do keep[i] = pad .. i end\n"
      "  local got = pcall(recv, ch)\n"
      "  for i = 1, 600 do keep[i] = false end\n"
      "  if not got then\n"
      "    if t.reset then t:reset('1us') end\n"
      "    assert(recv(ch))\n"
      "    t, ch = nil\n"
      "    for i = 1, 5000 do local garbage = {i} end\n"
      "    print 'lost'\n"
      "    return\n"
      "  end\n"
      "end\n"
      "print 'got'\n";
  static struct output o;
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_source src = source("test.lua", text);
  cordon_error err;
  int rv;
  config_init(&cfg, &o);
  cfg.limits.memory_bytes = limit;
  if (cordon_sandbox_new(&sb, host, &cfg, NULL) != CORDON_OK)
    return "";
  rv = cordon_sandbox_load(sb, &src, NULL, 0, &err);
  if (rv == CORDON_OK)
    rv = cordon_sandbox_run(sb, 0, &err);
  if (rv == CORDON_E_SCRIPT) /* it has lost something else */
    ck_assert_msg(strstr(err.message, "not enough memory"), "%s", err.message);
  cordon_sandbox_free(sb);
  return rv == CORDON_OK ? o.text : "";
}

START_TEST(no_memory_to_receive) {
  cordon_host *host = host_with(0);
  uint64_t enough = 40000;
  size_t lost = 0;
  while (strcmp(receive_at(host, enough), "got\n") != 0)
    enough += 1000;
  for (uint64_t limit = enough - 1500; limit < enough; limit += 8)
    lost += strcmp(receive_at(host, limit), "lost\n") == 0;
  ck_assert_uint_gt(lost, 0);
  cordon_host_free(host);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("nomem");
  TCase *tc = tcase_create("nomem");
  tcase_set_timeout(tc, 120); /* busy machines, sanitizers */
  tcase_add_test(tc, every_allocation_fails_once);
  tcase_add_test(tc, every_limit_on_what_uses_every_module);
  tcase_add_test(tc, every_small_limit);
  tcase_add_test(tc, no_memory_to_receive);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
