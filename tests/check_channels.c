/* check_channels.c - channels between a script and its host. */
#include "tests/world.h"

static void channels_begin(struct world *w, cordon_isolation level,
                           const char *text) {
  cordon_sandbox_config cfg;
  config_init(&cfg, w, level);
  world_begin(w, &cfg);
  ck_assert_int_eq(cordon_sandbox_add_inlet(w->sb, "io", "jobs", 3, on_room, w,
                                            &w->in, &w->err),
                   CORDON_OK);
  ck_assert_int_eq(cordon_sandbox_add_outlet(w->sb, "io", "results", 2,
                                             on_receive, w, &w->out, &w->err),
                   CORDON_OK);
  if (text)
    load(w, text);
}

static int send_text(struct world *w, const char *text) {
  cordon_value *v = json(text);
  int rv = cordon_channel_send(w->in, v, &w->err);
  cordon_value_free(v);
  return rv;
}

START_TEST(values_go_through_channels) {
  unit_each(level, levels) {
    struct world w;
    char text[32];
    int sent = 0, rv;
    channels_begin(&w, *level,
                   "local io = require 'io' local n = 0 for i = 1, 100 do "
                   "local v, ok = io.jobs:receive() assert(ok and v.n == i) "
                   "n = n + v.n io.results:send({n}) end print(n, "
                   "io.jobs:receive()) io.results:close()");
    while (sent < 100) {
      snprintf(text, sizeof text, "{\"n\":%d}", sent + 1);
      if ((rv = send_text(&w, text)) == CORDON_OK)
        sent++;
      else
        turn(&w, 50);
      ck_assert(rv == CORDON_OK || rv == CORDON_AGAIN);
    }
    cordon_channel_close(w.in);
    ck_assert_int_eq(send_text(&w, "1"), CORDON_E_CLOSED);
    ck_assert_int_eq(finish(&w), CORDON_OK);
    turn_until(&w, w.ended == 1);
    ck_assert_str_eq(w.output, "5050\tnil\tfalse\n");
    ck_assert_uint_eq(w.nreceived, 100);
    ck_assert_uint_gt(w.rooms, 0);
    ck_assert_ptr_nonnull(strstr(w.received, "[1] [3] [6] [10] "));
    ck_assert_int_eq(send_text(&w, "1"), CORDON_E_CLOSED);
    world_end(&w);
  }
}
END_TEST

START_TEST(who_is_slow_holds_up_the_other) {
  unit_each(level, levels) {
    struct world w;
    channels_begin(&w, *level,
                   "local io, time = require 'io', require 'time' for i = 1, 9 "
                   "do io.results:send(i) print(i, #io.results) end "
                   "time.sleep('1h')");
    /* three fit, though nobody has received */
    ck_assert_int_eq(send_text(&w, "1"), CORDON_OK);
    ck_assert_int_eq(send_text(&w, "2"), CORDON_OK);
    ck_assert_int_eq(send_text(&w, "3"), CORDON_OK);
    ck_assert_int_eq(send_text(&w, "4"), CORDON_AGAIN);
    w.stop_after = 2;
    turn_until(&w, w.nreceived == 2);
    for (int i = 0; i < 20; i++)
      turn(&w, 1);
    ck_assert_str_eq(w.received, "1 2 ");
    /* two were received, two wait here */
    turn_until(&w, strstr(w.output, "4\t") != NULL);
    ck_assert_ptr_null(strstr(w.output, "5\t"));
    cordon_channel_resume(w.out);
    turn_until(&w, w.nreceived == 9);
    ck_assert_str_eq(w.received, "1 2 3 4 5 6 7 8 9 ");
    ck_assert_uint_eq(w.rooms, 0);
    ck_assert_int_eq(send_text(&w, "4"), CORDON_AGAIN);
    world_end(&w);
  }
}
END_TEST

/* As world_begin, and |fm| sees what the host's side takes. */
static void counted_begin(struct world *w, struct failing_mem *fm,
                          cordon_isolation level, size_t limit) {
  cordon_sandbox_config cfg;
  cordon_host_config hc;
  failing_mem_init(fm, FAIL_NEVER);
  config_init(&cfg, w, level);
  cfg.limits.memory_bytes = limit;
  cordon_host_config_init(&hc);
  hc.worker_path = worker_path();
  hc.alloc.fn = failing_mem_fn;
  hc.alloc.ud = fm;
  if (cordon_host_new(&w->host, &hc, &w->err) != CORDON_OK ||
      cordon_sandbox_new(&w->sb, w->host, &cfg, &w->err) != CORDON_OK ||
      cordon_sandbox_add_function(w->sb, "host", "forever", fn_forever, w,
                                  &w->err) != CORDON_OK ||
      cordon_sandbox_add_outlet(w->sb, "io", "results", 1000, on_receive, w,
                                &w->out, &w->err) != CORDON_OK)
    ck_abort_msg("%s", w->err.message);
}

/* A host that does not take what it is sent holds it at the script's expense,
 * who gets its memory back when it is taken. */
START_TEST(what_waits_for_the_host_is_charged) {
  static const char text[] =
      "local io, time = require 'io', require 'time' "
      "local text, n = ('x'):rep(500000), 0 io.results:send(1) "
      "print(pcall(function() while true do io.results:send(text) n = n + 1 "
      "end end)) print(n > 8 and n < 16) "
      "for i = 1, 40 do while #io.results > 0 do time.sleep('1ms') end "
      "io.results:send(text) end print 'again'";
  const size_t limit = 8 << 20;
  unit_each(level, levels) {
    cordon_usage usage;
    struct failing_mem fm;
    struct world w;
    counted_begin(&w, &fm, *level, limit);
    w.stop_after = 1;
    load(&w, text);
    turn_until(&w, strstr(w.output, "true") != NULL);
    ck_assert_str_eq(w.output, "false\tnot enough memory\ntrue\n");
    cordon_sandbox_usage(w.sb, &usage);
    ck_assert_uint_le(usage.memory_peak_bytes, limit);
    ck_assert_uint_gt(fm.live_bytes, limit / 2); /* so it is held here */
    ck_assert_uint_lt(fm.peak_bytes, limit + limit / 2);
    cordon_channel_resume(w.out);
    ck_assert_msg(finish(&w) == CORDON_OK, "%s", w.err.message);
    ck_assert_ptr_nonnull(strstr(w.output, "again"));
    world_end(&w);
    ck_assert_uint_eq(fm.live_bytes, 0);
  }
}
END_TEST

/* So is what it is asked and has not answered. */
START_TEST(what_the_host_is_asked_is_charged) {
  static const char text[] =
      "local text = ('x'):rep(500000) for i = 1, 30 do "
      "coroutine.spawn(function() pcall(require 'host'.forever, text) end) end "
      "require 'time'.sleep('1h')";
  const size_t limit = 8 << 20;
  unit_each(level, levels) {
    struct failing_mem fm;
    struct world w;
    counted_begin(&w, &fm, *level, limit);
    load(&w, text);
    ck_assert_int_eq(finish(&w), CORDON_E_LIMIT);
    ck_assert_uint_lt(fm.peak_bytes, limit + limit / 2);
    world_end(&w);
    ck_assert_uint_eq(fm.live_bytes, 0);
  }
}
END_TEST

static const struct {
  const char *text, *output;
} uses[] = {
    {"local io = require 'io' print(pcall(io.jobs.send, io.jobs, 1))",
     "false\tthis channel is fed by the host"},
    {"local io = require 'io' print(pcall(io.results.receive, io.results))",
     "false\tthis channel goes to the host"},
    {"local io = require 'io' print(pcall(io.results.case_receive, "
     "io.results))",
     "false\tthis channel goes to the host"},
    {"local io = require 'io' print(pcall(function() io.results:send(print) "
     "end)) io.results:send('after')",
     "false\ttest.lua:1: channel.send: value is a function, expected plain "
     "data\n"},
    {"local io = require 'io' io.results:close() io.results:close() "
     "print(pcall(io.results.send, io.results, 1))",
     "false\tsend on closed channel\n"},
    {"local io = require 'io' print(io.jobs:capacity(), io.results:capacity())",
     "3\t2\n"},
    {"local io = require 'io' local r = channel.select{io.jobs:case_receive(), "
     "default = true} print(r.default)",
     "true\n"},
    {"local io = require 'io' for i = 1, 5 do local r = "
     "channel.select{io.results:case_send(i), io.jobs:case_receive()} "
     "print(r.channel == io.results, r.ok) end",
     "true\ttrue\ntrue\ttrue\ntrue\ttrue\ntrue\ttrue\ntrue\ttrue\n"},
    {"local io = require 'io' for i = 1, 3 do coroutine.spawn(function() "
     "io.results:send(i == 3 and print or i) end) end "
     "coroutine.spawn(function() print(pcall(io.results.send, io.results, "
     "{print})) end) require 'time'.sleep('1h')",
     ""},
};

START_TEST(channels_are_ordinary_ones) {
  unit_each(level, levels) {
    unit_each(u, uses) {
      struct world w;
      channels_begin(&w, *level, u->text);
      (void)!finish(&w);
      ck_assert_msg(strncmp(w.output, u->output, strlen(u->output)) == 0,
                    "%d: %s: %s %s", *level, u->text, w.output, w.err.message);
      world_end(&w);
    }
  }
}
END_TEST

START_TEST(the_host_closes_an_outlet) {
  unit_each(level, levels) {
    struct world w;
    channels_begin(&w, *level,
                   "local io = require 'io' while true do local ok, e = "
                   "pcall(io.results.send, io.results, 1) if not ok then "
                   "print(e) break end end");
    turn_until(&w, w.nreceived > 3);
    cordon_channel_close(w.out);
    w.nreceived = 0;
    ck_assert_int_eq(finish(&w), CORDON_OK);
    ck_assert_str_eq(w.output, "send on closed channel\n");
    ck_assert_uint_eq(w.nreceived, 0);
    world_end(&w);
  }
}
END_TEST

/* Also what is sent with the last breath. */
START_TEST(all_is_received_when_it_has_run) {
  unit_each(level, levels) {
    struct world w;
    channels_begin(&w, *level,
                   "local r = require 'io'.results r:send(1) r:send(2) "
                   "r:close()");
    ck_assert_int_eq(finish(&w), CORDON_OK);
    ck_assert_str_eq(w.received, "1 2 ");
    ck_assert_uint_eq(w.ended, 1);
    world_end(&w);
  }
}
END_TEST

/* Who closes a channel before the script is there has closed it for good. */
START_TEST(the_host_closes_before_it_loads) {
  unit_each(level, levels) {
    struct world w;
    channels_begin(&w, *level, NULL);
    cordon_channel_close(w.in);
    cordon_channel_close(w.out);
    /* a worker hears of one after the other, the script running meanwhile */
    load(&w, "local io, time = require 'io', require 'time' "
             "print(io.jobs:receive()) local ok, why "
             "repeat ok, why = pcall(io.results.send, io.results, 1) "
             "time.sleep('1ms') until not ok print(ok, why)");
    ck_assert_int_eq(send_text(&w, "1"), CORDON_E_CLOSED);
    ck_assert_int_eq(finish(&w), CORDON_OK);
    ck_assert_str_eq(w.output, "nil\tfalse\nfalse\tsend on closed channel\n");
    ck_assert_uint_eq(w.nreceived, 0);
    world_end(&w);
  }
}
END_TEST

/* What is sent before anybody has required the module waits for it. */
START_TEST(values_wait_for_the_script) {
  unit_each(level, levels) {
    struct world w;
    channels_begin(&w, *level, NULL);
    ck_assert_int_eq(send_text(&w, "1"), CORDON_E_INVALID);
    load(&w, "require 'time'.sleep('5ms') local j = require 'io'.jobs "
             "print(j:receive(), (j:receive()), j:receive())");
    ck_assert_int_eq(send_text(&w, "\"a\""), CORDON_OK);
    ck_assert_int_eq(send_text(&w, "[]"), CORDON_OK);
    cordon_channel_close(w.in);
    cordon_channel_close(w.in);
    ck_assert_int_eq(finish(&w), CORDON_OK);
    ck_assert_msg(strncmp(w.output, "a\ttable", 7) == 0 &&
                      strstr(w.output, "\tnil\tfalse\n"),
                  "%s", w.output);
    world_end(&w);
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("channels");
  TCase *tc = tcase_create("channels");
  tcase_set_timeout(tc, 120); /* busy machines, sanitizers */
  tcase_add_test(tc, values_go_through_channels);
  tcase_add_test(tc, who_is_slow_holds_up_the_other);
  tcase_add_test(tc, what_waits_for_the_host_is_charged);
  tcase_add_test(tc, what_the_host_is_asked_is_charged);
  tcase_add_test(tc, channels_are_ordinary_ones);
  tcase_add_test(tc, the_host_closes_an_outlet);
  tcase_add_test(tc, the_host_closes_before_it_loads);
  tcase_add_test(tc, all_is_received_when_it_has_run);
  tcase_add_test(tc, values_wait_for_the_script);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
