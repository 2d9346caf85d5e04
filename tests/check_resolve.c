/* check_resolve.c - against a name server of the test's own, on loopback. */
#include "runtime/net/resolve.h"

#include <signal.h>

#include "runtime/base/clock.h"
#include "tests/names.h"
#include "tests/unit.h"

#define PATIENCE_S 60

/* -------------------------------------------------------------- client --- */

static struct failing_mem fm;
static struct loop *loop;
static struct resolver *rs;
static struct dns dns;

static void setup(void) {
  char servers[64];
  failing_mem_init(&fm, FAIL_NEVER);
  dns_start(&dns);
  snprintf(servers, sizeof servers, "127.0.0.1:%u", dns.port);
  ck_assert_int_eq(loop_new(&loop, &fm.mem), 0);
  ck_assert_int_eq(resolver_new(&rs, loop, &fm.mem, servers), 0);
}

static void teardown(void) {
  resolver_free(rs);
  loop_free(loop);
  dns_end(&dns);
  ck_assert_uint_eq(fm.live_bytes, 0);
}

struct answer {
  bool come;
  int code;
  char why[128];
  size_t n;
  struct ip ip[RESOLVE_MAX_ADDRESSES];
  char text[2048]; /* sorted as they came */
  bool frees;      /* the resolver, from inside */
};

static void on_answer(void *ud, int code, const char *why,
                      const struct ip *addresses, size_t n) {
  struct answer *a = ud;
  ck_assert(!a->come);
  a->come = true;
  a->code = code;
  snprintf(a->why, sizeof a->why, "%s", why ? why : "");
  a->n = n;
  for (size_t i = 0; i < n; i++) {
    char text[IP_TEXT_MAX];
    a->ip[i] = addresses[i];
    ip_format(&addresses[i], text);
    snprintf(a->text + strlen(a->text), sizeof a->text - strlen(a->text), "%s ",
             text);
  }
  if (a->frees) {
    resolver_free(rs);
    rs = NULL;
  }
}

static void wait_for(const struct answer *a) {
  uint64_t until = clock_mono_ns() + PATIENCE_S * NS_PER_S;
  while (!a->come) {
    ck_assert_int_eq(loop_dispatch(loop, 1000), 0);
    ck_assert_uint_lt(clock_mono_ns(), until);
  }
}

static struct answer ask(const char *name) {
  struct answer a = {0};
  struct resolve_query *q;
  ck_assert_int_eq(resolve_start(&q, rs, slice_of(name), on_answer, &a), 0);
  ck_assert(!a.come); /* never from inside */
  wait_for(&a);
  return a;
}

static bool has(const struct answer *a, const char *part) {
  return strstr(a->text, part) != NULL;
}

START_TEST(both_families) {
  struct answer a = ask("both.test");
  ck_assert_int_eq(a.code, 0);
  ck_assert_uint_eq(a.n, 3);
  ck_assert(has(&a, "192.0.2.7 ") && has(&a, "192.0.2.8 ") &&
            has(&a, "2001:db8::7 "));
  a = ask("four.test");
  ck_assert_uint_eq(a.n, 2);
  ck_assert(has(&a, "192.0.2.7 "));
  a = ask("six.test");
  ck_assert_str_eq(a.text, "2001:db8::7 ");
}
END_TEST

/* Some name servers never answer for the one family or the other: c-ares alone
 * would keep the answer back for 14 s.  Two families that are asked for alone
 * mean two more questions. */
START_TEST(one_family_is_mute) {
  struct answer a = ask("mute6.test");
  ck_assert_int_eq(a.code, 0);
  ck_assert_str_eq(a.text, "192.0.2.7 192.0.2.8 ");
  ck_assert_int_le(dns.questions, 4);
  a = ask("mute4.test");
  ck_assert_int_eq(a.code, 0);
  ck_assert_str_eq(a.text, "2001:db8::7 ");
}
END_TEST

/* Freed, and cancelled, while c-ares still owes the answer for the other. */
START_TEST(freed_with_one_family_mute) {
  struct answer a = {.frees = true}, b = {0};
  struct resolve_query *q;
  (void)ask("mute6.test");
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("mute4.test"), on_answer, &b),
                   0);
  while (dns.questions < 8 && !b.come) /* the second name's are asked apart */
    ck_assert_int_eq(loop_dispatch(loop, 1), 0);
  if (!b.come)
    resolve_cancel(q);
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("mute6.test"), on_answer, &a),
                   0);
  wait_for(&a);
  ck_assert_str_eq(a.text, "192.0.2.7 192.0.2.8 ");
}
END_TEST

START_TEST(late_answers) {
  struct answer a = {0};
  struct resolve_query *q;
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("held.test"), on_answer, &a), 0);
  while (dns.nheld < 2)
    ck_assert_int_eq(loop_dispatch(loop, 1), 0);
  ck_assert(!a.come);
  dns.release = true;
  wait_for(&a);
  ck_assert_int_eq(a.code, 0);
  ck_assert_uint_eq(a.n, 3);
}
END_TEST

START_TEST(bounds) {
  struct answer a = ask("many.test");
  ck_assert_uint_eq(a.n, RESOLVE_MAX_ADDRESSES);
  a = ask("twice.test");
  ck_assert_str_eq(a.text, "192.0.2.7 ");
}
END_TEST

START_TEST(failures) {
  struct answer a = ask("none.test");
  ck_assert_int_eq(a.code, ERR_NOT_FOUND);
  ck_assert_str_eq(a.why, "no such name");
  a = ask("empty.test");
  ck_assert_int_eq(a.code, ERR_NOT_FOUND);
  ck_assert_str_eq(a.why, "the name has no addresses");
  a = ask("broken.test");
  ck_assert_int_lt(a.code, 0);
  a = ask("short.test");
  ck_assert(a.code < 0 || !has(&a, "192"));
}
END_TEST

/* What is no answer to the question is not taken for one. */
START_TEST(forged) {
  struct answer a = ask("forged.test");
  ck_assert_int_eq(a.code, 0);
  ck_assert_uint_eq(a.n, 3);
  ck_assert_msg(has(&a, "192.0.2.7 ") && has(&a, "192.0.2.8 ") &&
                    has(&a, "2001:db8::7 "),
                "%s", a.text);
}
END_TEST

START_TEST(aliases) {
  static const char *const bad[] = {"loop.test", "self.test", "pointer.test"};
  struct answer a = ask("alias.test");
  ck_assert_str_eq(a.text, "192.0.2.7 ");
  unit_each(name, bad) {
    a = ask(*name);
    ck_assert_msg(a.code < 0 && a.why[0], "%s: %d %s", *name, a.code, a.text);
    ck_assert_uint_eq(a.n, 0);
  }
  a = ask("lies.test"); /* nine IPv6 addresses are announced */
  ck_assert(a.code < 0 || !has(&a, ":"));
}
END_TEST

/* RFC 7766: an answer that does not fit is asked for again over TCP. */
START_TEST(truncated) {
  struct answer a = ask("huge.test");
  ck_assert_int_eq(a.code, 0);
  ck_assert_uint_eq(a.n, RESOLVE_MAX_ADDRESSES);
  a = ask("cut.test");
  ck_assert_int_lt(a.code, 0);
  ck_assert_uint_eq(a.n, 0);
}
END_TEST

/* A server over TCP that is gone before it is asked: no signal comes of it. */
START_TEST(gone) {
  struct answer a = {0};
  struct resolve_query *q;
  int seen = 0;
  signal(SIGPIPE, SIG_DFL);
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("reset.test"), on_answer, &a),
                   0);
  while (!a.come) {
    ck_assert_int_eq(loop_dispatch(loop, 100), 0);
    /* it is written to in the next turn */
    for (int i = 0; i < 100 && dns.resets == seen; i++)
      usleep(1000);
    seen = dns.resets;
  }
  ck_assert_int_gt(seen, 0);
  ck_assert_int_lt(a.code, 0);
}
END_TEST

/* Exactly the name: no search list, whatever the environment says. */
START_TEST(the_very_name) {
  struct answer a = ask("none");
  ck_assert_int_lt(a.code, 0);
  ck_assert_ptr_null(strstr(dns.asked, "none."));
  ck_assert_ptr_nonnull(strstr(dns.asked, "none/"));
}
END_TEST

START_TEST(localhost_asks_nobody) {
  static const char *const names[] = {"localhost", "LocalHost", "a.localhost",
                                      "a.b.localhost"};
  unit_each(name, names) {
    struct answer a = ask(*name);
    ck_assert_str_eq(a.text, "127.0.0.1 ::1 ");
  }
  ck_assert_int_eq(dns.questions, 0);
  ck_assert(!resolve_is_localhost(SLICE("notlocalhost")));
  ck_assert(!resolve_is_localhost(SLICE("localhost.test")));
  ck_assert(!resolve_is_localhost(SLICE("")));
  ck_assert(!resolve_is_localhost(SLICE("ocalhost")));
}
END_TEST

/* The machine's own hosts file is all there is to test with. */
START_TEST(hosts_file_first) {
  char line[512], address[64], name[256];
  bool found = false;
  FILE *f = fopen("/etc/hosts", "r");
  while (!found && f && fgets(line, sizeof line, f))
    found = sscanf(line, "%63[0-9.] %255[a-z0-9.-]", address, name) == 2 &&
            !resolve_is_localhost(slice_of(name));
  if (f)
    fclose(f);
  if (found) {
    struct answer a = ask(name);
    strcat(address, " ");
    ck_assert_msg(has(&a, address), "%s: %s", name, a.text);
    ck_assert_int_eq(dns.questions, 0);
  }
}
END_TEST

START_TEST(impossible_names) {
  char text[300];
  struct answer a = {0};
  struct resolve_query *q;
  memset(text, 'a', sizeof text);
  ck_assert_int_eq(
      resolve_start(&q, rs, (struct slice){text, sizeof text}, on_answer, &a),
      0);
  wait_for(&a);
  ck_assert_int_lt(a.code, 0);
  memset(&a, 0, sizeof a);
  ck_assert_int_eq(
      resolve_start(&q, rs, (struct slice){"a\0b", 3}, on_answer, &a), 0);
  wait_for(&a);
  ck_assert_int_lt(a.code, 0);
  a = ask("");
  ck_assert_int_lt(a.code, 0);
  ck_assert_int_eq(dns.questions, 0);
}
END_TEST

START_TEST(cancelled) {
  struct answer a = {0}, b = {0};
  struct resolve_query *q;
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("both.test"), on_answer, &a), 0);
  resolve_cancel(q);
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("localhost"), on_answer, &a), 0);
  resolve_cancel(q);
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("silent.test"), on_answer, &a),
                   0);
  resolve_cancel(q);
  resolve_cancel(NULL);
  b = ask("four.test");
  ck_assert_uint_eq(b.n, 2);
  ck_assert(!a.come);
}
END_TEST

START_TEST(freed_while_asking) {
  struct answer a = {0};
  struct resolve_query *q;
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("silent.test"), on_answer, &a),
                   0);
  loop_dispatch(loop, 0);
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("localhost"), on_answer, &a), 0);
  resolver_free(rs);
  rs = NULL;
  loop_dispatch(loop, 0);
  ck_assert(!a.come);
}
END_TEST

START_TEST(freed_from_inside) {
  struct answer a = {.frees = true}, b = {0};
  struct resolve_query *q;
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("silent.test"), on_answer, &b),
                   0);
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("localhost"), on_answer, &a), 0);
  wait_for(&a);
  ck_assert(!b.come);
}
END_TEST

START_TEST(many_at_once) {
  static struct answer a[200];
  struct resolve_query *q;
  char name[32];
  memset(a, 0, sizeof a);
  for (int i = 0; i < 200; i++) {
    snprintf(name, sizeof name, "four%d.test", i);
    ck_assert_int_eq(resolve_start(&q, rs, slice_of(name), on_answer, &a[i]),
                     0);
  }
  for (int i = 0; i < 200; i++) {
    wait_for(&a[i]);
    ck_assert_uint_eq(a[i].n, 2);
  }
}
END_TEST

START_TEST(failing_allocations) {
  struct failing_mem f;
  struct loop *lp;
  struct resolver *r;
  struct resolve_query *q;
  int rv = ERR_NOMEM;
  ck_assert_int_eq(loop_new(&lp, &mem_libc), 0);
  for (size_t n = 0; rv == ERR_NOMEM; n++) {
    failing_mem_init(&f, n);
    rv = resolver_new(&r, lp, &f.mem, NULL);
    if (rv == 0) {
      rv = resolve_start(&q, r, SLICE("localhost"), on_answer, NULL);
      resolver_free(r);
    }
    ck_assert_uint_eq(f.live_bytes, 0);
    ck_assert_uint_lt(n, 20);
  }
  ck_assert_int_eq(resolver_new(&r, lp, &mem_libc, "no address"),
                   ERR_INVALID);
  resolver_free(NULL);
  loop_free(lp);
}
END_TEST

int main(void) {
  Suite *s = suite_create("resolve");
  TCase *tc = tcase_create("resolve");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_set_timeout(tc, 2 * PATIENCE_S);
  tcase_add_test(tc, both_families);
  tcase_add_test(tc, one_family_is_mute);
  tcase_add_test(tc, freed_with_one_family_mute);
  tcase_add_test(tc, late_answers);
  tcase_add_test(tc, bounds);
  tcase_add_test(tc, failures);
  tcase_add_test(tc, forged);
  tcase_add_test(tc, aliases);
  tcase_add_test(tc, truncated);
  tcase_add_test(tc, gone);
  tcase_add_test(tc, the_very_name);
  tcase_add_test(tc, localhost_asks_nobody);
  tcase_add_test(tc, hosts_file_first);
  tcase_add_test(tc, impossible_names);
  tcase_add_test(tc, cancelled);
  tcase_add_test(tc, freed_while_asking);
  tcase_add_test(tc, freed_from_inside);
  tcase_add_test(tc, many_at_once);
  tcase_add_test(tc, failing_allocations);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
