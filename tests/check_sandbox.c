/* check_sandbox.c - one script through the public API: how it ends, what does
 * not load, structs of other sizes and broken arguments. */
#include <signal.h>

#include "tests/box.h"

/* ------------------------------------------------------- running to ends ---
 */

static const struct {
  const char *text;
  int result;
  const char *message;
  uint32_t line;
  const char *output;
} ends[] = {
    {"", CORDON_OK, "", 0, ""},
    {"#!/usr/bin/cordon\nprint(1, nil, 'x')", CORDON_OK, "", 0, "1\tnil\tx\n"},
    {"\xef\xbb\xbfprint 'after a mark'", CORDON_OK, "", 0, "after a mark\n"},
    {"return {main = function() print 'main' end}", CORDON_OK, "", 0, "main\n"},
    {"return {main = 'no function'}", CORDON_OK, "", 0, ""},
    {"return nil, 'why'", CORDON_E_SCRIPT, "why", 0, ""},
    {"return false, errors.new('why')", CORDON_E_SCRIPT, "why", 0, ""},
    {"return nil", CORDON_OK, "", 0, ""},
    {"return false, nil", CORDON_OK, "", 0, ""},
    {"return true, 'fine'", CORDON_OK, "", 0, ""},
    {"\nerror 'boom'", CORDON_E_SCRIPT, "boom", 2, ""},
    {"error('boom', 0)", CORDON_E_SCRIPT, "boom", 0, ""},
    {"error()", CORDON_E_SCRIPT, "nil", 0, ""},
    {"error({})", CORDON_E_SCRIPT, "(error object is a table value)", 0, ""},
    {"error(('x'):rep(100000))", CORDON_E_SCRIPT, "xxx", 0, ""},
    {"error('\\27[2J', 0)", CORDON_E_SCRIPT, "\\x1b[2J", 0, ""},
    {"coroutine.spawn(error, 'boom')\nchannel.new():receive()", CORDON_E_SCRIPT,
     "boom (in spawned task 2)", 0, ""},
    {"channel.new():receive()", CORDON_E_SCRIPT, "all tasks are asleep", 0, ""},
    {"coroutine.spawn(function() print 'never' end)", CORDON_OK, "", 0, ""},
    {"require 'websocket'.connect('ws://a.example')", CORDON_OK, "", 0, ""},
    {"local c, e = require 'websocket'.connect('ws://a.example')\nerror(e)",
     CORDON_E_SCRIPT, "PermissionDenied", 0, ""},
    {"require 'nothing'", CORDON_E_SCRIPT, "module 'nothing' not found", 1, ""},
    {"require 'a.b-c.d'", CORDON_E_SCRIPT,
     "there is no './a/b-c/d.lua' or './a/b-c/d/init.lua' beside", 1, ""},
    {"require 'a/b'", CORDON_E_SCRIPT,
     "module 'a/b' not found: expected letters, digits, '_' and '-', and a dot",
     1, ""},
    {"require 'a..b'", CORDON_E_SCRIPT, "not found: expected letters", 1, ""},
};

START_TEST(scripts_end) {
  struct output o;
  cordon_sandbox_config cfg;
  cordon_error err;
  cordon_usage usage;
  const int signals[] = {0, CORDON_NO_SIGNAL};
  unit_each(sig, signals) {
    unit_each(c, ends) {
      int rv;
      config_init(&cfg, &o);
      rv = run(c->text, &cfg, *sig, &err, &usage);
      ck_assert_msg(rv == c->result, "%s: %d, %s", c->text, rv, err.message);
      if (rv != CORDON_OK) {
        ck_assert_msg(strstr(err.message, c->message), "%s: %s", c->text,
                      err.message);
        ck_assert_int_eq(err.code, rv);
        if (c->line != 0) {
          ck_assert_uint_eq(err.line, c->line);
          ck_assert_str_eq(err.source, "test.lua");
        }
      }
      ck_assert_str_eq(o.text, c->output);
      ck_assert_uint_eq(usage.output_bytes, o.len);
      ck_assert_int_eq(usage.stop, CORDON_STOP_NONE);
      ck_assert(usage.cpu_ns > 0 && usage.memory_peak_bytes > 10000);
    }
  }
}
END_TEST

static const struct {
  const char *text;
  uint32_t line;
} unloadable[] = {
    {"\nx = = 1", 2},    {"return return", 1},
    {"\x1bLua", 0},      {"# a comment\n\x1bLua", 2},
    {"goto nowhere", 1}, {"local x <const> = 1; x = 2", 1},
    {"'unfinished", 1},
};

START_TEST(what_does_not_load) {
  cordon_host *host = host_with(0);
  cordon_sandbox_config cfg;
  cordon_error err;
  config_init(&cfg, NULL);
  unit_each(c, unloadable) {
    cordon_sandbox *sb = sandbox_with(host, &cfg);
    cordon_source src = source("bad.lua", c->text);
    ck_assert_int_eq(cordon_sandbox_load(sb, &src, NULL, 0, &err), CORDON_OK);
    ck_assert_int_eq(cordon_sandbox_result(sb, NULL), CORDON_AGAIN);
    ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_E_SYNTAX);
    ck_assert_msg(err.line == c->line, "%s: line %u: %s", c->text, err.line,
                  err.message);
    ck_assert_str_eq(err.source, "bad.lua");
    ck_assert_int_eq(cordon_sandbox_result(sb, &err), CORDON_E_SYNTAX);
    ck_assert_int_eq(cordon_sandbox_load(sb, &src, NULL, 0, &err),
                     CORDON_E_INVALID);
    cordon_sandbox_free(sb);
  }
  cordon_host_free(host);
}
END_TEST

/* The same texts, without a sandbox; and nothing of them runs. */
START_TEST(what_does_not_compile) {
  static const char *const good[] = {"",
                                     "return 1",
                                     "#!/usr/bin/env lua\nx()",
                                     "\xef\xbb\xbfx()",
                                     "while true do end",
                                     "error 'not now'"};
  cordon_error err;
  unit_each(c, unloadable) {
    cordon_source src = source("bad.lua", c->text);
    ck_assert_int_eq(cordon_script_check(&src, NULL, &err), CORDON_E_SYNTAX);
    ck_assert_msg(err.line == c->line, "%s: line %u: %s", c->text, err.line,
                  err.message);
    ck_assert_str_eq(err.source, "bad.lua");
    ck_assert_int_eq(cordon_script_check(&src, NULL, NULL), CORDON_E_SYNTAX);
  }
  unit_each(text, good) {
    cordon_source src = source("good.lua", *text);
    struct failing_mem fm;
    int rv = CORDON_E_NOMEM;
    for (size_t n = 0; rv == CORDON_E_NOMEM; n++) {
      cordon_allocator alloc = {failing_mem_fn, &fm};
      failing_mem_init(&fm, n);
      rv = cordon_script_check(&src, &alloc, &err);
      ck_assert_uint_eq(fm.live_bytes, 0);
      ck_assert_uint_lt(n, 10000);
    }
    ck_assert_int_eq(rv, CORDON_OK);
  }
  ck_assert_int_eq(cordon_script_check(NULL, NULL, &err), CORDON_E_INVALID);
}
END_TEST

START_TEST(not_compiled_at_any_price) {
  static char text[1024 * 1024 + 1];
  cordon_source src = {"big.lua", text, sizeof text};
  cordon_error err;
  memset(text, ' ', sizeof text);
  ck_assert_int_eq(cordon_script_check(&src, NULL, &err), CORDON_E_SYNTAX);
  src.len_bytes--;
  ck_assert_int_eq(cordon_script_check(&src, NULL, &err), CORDON_OK);
  memset(text, '{', src.len_bytes);
  ck_assert_int_eq(cordon_script_check(&src, NULL, &err), CORDON_E_SYNTAX);
  src.name = NULL;
  src.text = "\033Lua";
  src.len_bytes = 4;
  ck_assert_int_eq(cordon_script_check(&src, NULL, &err), CORDON_E_SYNTAX);
}
END_TEST

/* The compiler goes through the list of all branches at each of them. */
START_TEST(not_compiled_for_ever) {
  static char text[1024 * 1024];
  static const char begin[] = "if x then ", more[] = "elseif x then ";
  cordon_source src = {"long.lua", text, 0};
  cordon_error err;
  memcpy(text, begin, sizeof begin - 1);
  src.len_bytes = sizeof begin - 1;
  while (src.len_bytes + sizeof more + 3 < sizeof text) {
    memcpy(text + src.len_bytes, more, sizeof more - 1);
    src.len_bytes += sizeof more - 1;
  }
  memcpy(text + src.len_bytes, "end", 3);
  src.len_bytes += 3;
  ck_assert_int_eq(cordon_script_check(&src, NULL, &err), CORDON_E_LIMIT);
  ck_assert_str_eq(err.message,
                   "the text takes more than 2 s of CPU time to compile");
  ck_assert_str_eq(err.source, "long.lua");
}
END_TEST

START_TEST(load_once_with_arguments) {
  struct output o;
  cordon_sandbox_config cfg;
  cordon_error err;
  const char *args[] = {"one", "", "three"};
  const char *many[251];
  cordon_host *host = host_with(0);
  cordon_sandbox *sb;
  cordon_source src = source(
      NULL, "print(#arg, arg[0], ...)\n"
            "return {start = function(...) print(select('#', ...), ...) end}");
  config_init(&cfg, &o);
  cfg.method = "start";
  sb = sandbox_with(host, &cfg);
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_E_INVALID);
  for (size_t i = 0; i < unit_len(many); i++)
    many[i] = "x";
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, many, 251, &err),
                   CORDON_E_INVALID);
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, NULL, 1, &err),
                   CORDON_E_INVALID);
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, args, 3, &err), CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_load(sb, &src, args, 3, &err),
                   CORDON_E_INVALID);
  ck_assert_uint_eq(o.calls, 0); /* nothing runs inside load */
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_OK);
  ck_assert_str_eq(o.text, "3\t?\tone\t\tthree\n3\tone\t\tthree\n");
  ck_assert_uint_eq(o.calls, 2);
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_OK);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}
END_TEST

START_TEST(tracebacks) {
  static const struct {
    const char *text, *has;
  } cases[] = {
      {"local function f()\nerror 'x'\nend\nf()", "test.lua:2: in "},
      {"while true do end", "test.lua:1: in function"},
      {"channel.new():receive()", "task 1 waits in channel.receive at "
                                  "test.lua:1"},
      {"local c = channel.new()\nlocal t <close> = setmetatable({}, {__close ="
       " print})\nc:send(1)",
       "task 1 waits in channel.send at test.lua:3"},
      {"error('\\27[1m\\n\\n')", "stack traceback"},
      {"string['a\\nb'] = function() error 'x' end\nstring['a\\nb']()\n",
       "stack traceback"},
  };
  cordon_sandbox_config cfg;
  cordon_error err;
  config_init(&cfg, NULL);
  unit_each(c, cases) {
    cordon_host *host = host_with(0);
    cordon_sandbox *sb;
    const char *t;
    cfg.limits.cpu_ms = strstr(c->text, "while true") ? 100 : 0;
    sb = sandbox_with(host, &cfg);
    ck_assert_str_eq(cordon_sandbox_traceback(sb), "");
    load(sb, c->text);
    ck_assert_int_lt(cordon_sandbox_run(sb, 0, &err), 0);
    t = cordon_sandbox_traceback(sb);
    ck_assert_msg(strstr(t, c->has), "%s: %s", c->text, t);
    for (; *t; t++) {
      ck_assert(*t == '\n' || *t == '\t' || (unsigned char)*t >= 32);
      /* nothing that the script named begins a line */
      ck_assert(*t != '\n' || t[1] == '\t' || t[1] == '\0');
    }
    cordon_sandbox_free(sb);
    cordon_host_free(host);
  }
}
END_TEST

START_TEST(error_kinds) {
  static const struct {
    const char *text, *kind;
  } cases[] = {
      {"", ""},
      {"error 'x'", ""},
      {"error({kind = 'Timeout'})", ""},
      {"error(require('errors').new('x'))", ""},
      {"return nil, require('errors').new{message = 'x', kind = 'Mine'}",
       "Mine"},
      {"require('time').sleep('1ms')\n"
       "error(require('errors').new{message = 'x', kind = 'a\\27[1m\\nb'})",
       "a\\x1b[1m\\nb"},
      {"coroutine.spawn(function()\n"
       "  error(require('errors').new{message = 'x', kind = 'Timeout'})\n"
       "end)\nrequire('time').sleep('1h')",
       "Timeout"},
      {"local e = require('errors').new{message = 'x', kind = 'Timeout'}\n"
       "pcall(error, e) error(e:message())",
       ""},
      {"local e = require('errors').new{message = 'x', kind = 'Timeout'}\n"
       "pcall(error, e) while true do end",
       ""},
      {"error(require('errors').new{message = 'x', kind = ''})", ""},
  };
  cordon_sandbox_config cfg;
  cordon_error err;
  config_init(&cfg, NULL);
  ck_assert_str_eq(cordon_sandbox_error_kind(NULL), "");
  unit_each(c, cases) {
    cordon_host *host = host_with(0);
    cordon_sandbox *sb;
    int rv;
    cfg.limits.cpu_ms = strstr(c->text, "while true") ? 100 : 0;
    sb = sandbox_with(host, &cfg);
    load(sb, c->text);
    ck_assert_str_eq(cordon_sandbox_error_kind(sb), "");
    rv = cordon_sandbox_run(sb, 0, &err);
    (void)rv; /* the kind tells of it, or does not */
    ck_assert_str_eq(cordon_sandbox_error_kind(sb), c->kind);
    cordon_sandbox_free(sb);
    cordon_host_free(host);
  }
}
END_TEST

/* of any length, and cut to fit */
START_TEST(long_error_kind) {
  cordon_sandbox_config cfg;
  cordon_error err;
  config_init(&cfg, NULL);
  cordon_host *host = host_with(0);
  cordon_sandbox *sb = sandbox_with(host, &cfg);
  load(sb,
       "error(require('errors').new{message = 'x', kind = ('k'):rep(1e6)})");
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, &err), CORDON_E_SCRIPT);
  ck_assert_uint_eq(strlen(cordon_sandbox_error_kind(sb)), 63);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}
END_TEST

START_TEST(not_before_its_time) {
  cordon_sandbox_config cfg;
  cordon_error err;
  uint64_t begin_ms = now_ms();
  config_init(&cfg, NULL);
  ck_assert_int_eq(run("require 'time'.sleep('20ms')", &cfg, 0, &err, NULL),
                   CORDON_OK);
  ck_assert(now_ms() - begin_ms >= 20);
}
END_TEST

/* ------------------------------------------------------ growing structs --- */

START_TEST(structs_of_other_sizes) {
  struct {
    cordon_sandbox_config cfg;
    char newer[64];
  } big;
  struct {
    cordon_host_config cfg;
    char newer[64];
  } big_host;
  cordon_host *host = NULL;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  struct output o = {.len = 0};
  memset(&big_host, 0xa5, sizeof big_host);
  cordon_host_config_init_sized(&big_host.cfg, sizeof big_host);
  for (size_t i = 0; i < sizeof big_host.newer; i++)
    ck_assert_int_eq(big_host.newer[i], 0);
  ck_assert_int_eq(cordon_host_new(&host, &big_host.cfg, &err), CORDON_OK);
  memset(&big, 0xa5, sizeof big);
  cordon_sandbox_config_init_sized(&big.cfg, sizeof big);
  big.cfg.isolation = CORDON_ISOLATION_INPROCESS;
  big.cfg.output = take_output;
  big.cfg.ud = &o;
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &big.cfg, &err), CORDON_OK);
  load(sb, "print 'new caller'");
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, NULL), CORDON_OK);
  ck_assert_str_eq(o.text, "new caller\n");
  cordon_sandbox_free(sb);
  /* an old caller: what lies behind its struct is not looked at */
  memset(&big, 0xa5, sizeof big);
  cordon_sandbox_config_init_sized(&big.cfg,
                                   offsetof(cordon_sandbox_config, output));
  big.cfg.isolation = CORDON_ISOLATION_INPROCESS;
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &big.cfg, &err), CORDON_OK);
  load(sb, "print 'dropped'");
  ck_assert_int_eq(cordon_sandbox_run(sb, 0, NULL), CORDON_OK);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
}
END_TEST

START_TEST(broken_arguments) {
  cordon_host *host = host_with(0);
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_host *other = NULL;
  cordon_host_config hc;
  cordon_error err;
  cordon_usage usage;
  const char *scope[] = {"app:nothing"};
  cordon_policy *policy = policy_new();
  config_init(&cfg, NULL);
  ck_assert_int_eq(cordon_sandbox_new(NULL, host, &cfg, &err),
                   CORDON_E_INVALID);
  ck_assert_int_eq(cordon_sandbox_new(&sb, NULL, &cfg, &err), CORDON_E_INVALID);
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, NULL, NULL), CORDON_E_INVALID);
  ck_assert_int_eq(cordon_sandbox_run(NULL, 0, &err), CORDON_E_INVALID);
  ck_assert_int_eq(cordon_sandbox_result(NULL, &err), CORDON_E_INVALID);
  ck_assert_int_eq(cordon_sandbox_load(NULL, NULL, NULL, 0, &err),
                   CORDON_E_INVALID);
  ck_assert_str_eq(cordon_sandbox_traceback(NULL), "");
  cordon_sandbox_usage(NULL, &usage);
  cordon_sandbox_free(NULL);
  cordon_host_free(NULL);
  cfg.isolation = (cordon_isolation)7;
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_E_INVALID);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.actor_meta_json = "{\"a\": ";
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_E_SYNTAX);
  cfg.actor_meta_json = "[]";
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_E_INVALID);
  cfg.actor_id = NULL; /* read all the same */
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_E_INVALID);
  cfg.actor_id = "me";
  cfg.limits.reserved[6] = 1;
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err),
                   CORDON_E_UNSUPPORTED);
  cfg.limits.reserved[6] = 0;
  cfg.actor_meta_json = "{\"a\": [1, null]}";
  cfg.scope = scope;
  cfg.scope_len = 1;
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err), CORDON_E_INVALID);
  cfg.policy = policy;
  ck_assert_int_eq(cordon_sandbox_new(&sb, host, &cfg, &err),
                   CORDON_E_NOT_FOUND);
  ck_assert_ptr_null(sb);
  cordon_host_config_init(&hc);
  hc.struct_size = SIZE_MAX;
  ck_assert_int_eq(cordon_host_new(&other, &hc, &err), CORDON_E_INVALID);
  cordon_host_config_init(&hc);
  hc.preempt_signal = SIGKILL;
  ck_assert_int_eq(cordon_host_new(&other, &hc, &err), CORDON_E_INVALID);
  hc.preempt_signal = SIGSEGV;
  ck_assert_int_eq(cordon_host_new(&other, &hc, &err), CORDON_E_INVALID);
  hc.preempt_signal = 1000;
  ck_assert_int_eq(cordon_host_new(&other, &hc, &err), CORDON_E_INVALID);
  hc.preempt_signal = 0;
  hc.dns_servers = "nonsense";
  ck_assert_int_eq(cordon_host_new(&other, &hc, &err), CORDON_E_INVALID);
  ck_assert_ptr_nonnull(strstr(err.message, "name servers"));
  hc.dns_servers = NULL;
  hc.ca_file = "/nonexistent/ca.pem";
  ck_assert_int_eq(cordon_host_new(&other, &hc, &err), CORDON_E_SYSTEM);
  ck_assert_ptr_null(other);
  cordon_policy_unref(policy);
  cordon_host_free(host);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("sandbox");
  TCase *tc = tcase_create("sandbox");
  tcase_set_timeout(tc, 120); /* busy machines, sanitizers */
  tcase_add_test(tc, scripts_end);
  tcase_add_test(tc, what_does_not_load);
  tcase_add_test(tc, what_does_not_compile);
  tcase_add_test(tc, not_compiled_at_any_price);
  tcase_add_test(tc, not_compiled_for_ever);
  tcase_add_test(tc, load_once_with_arguments);
  tcase_add_test(tc, tracebacks);
  tcase_add_test(tc, error_kinds);
  tcase_add_test(tc, long_error_kind);
  tcase_add_test(tc, not_before_its_time);
  tcase_add_test(tc, structs_of_other_sizes);
  tcase_add_test(tc, broken_arguments);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
