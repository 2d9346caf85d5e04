/* check_addresses.c - addresses: what their class, the URL and the rules say.
 */
#include "tests/asked.h"

static const struct {
  const char *policies;
  const char *url; /* NULL: asked without one */
  const char *address;
  enum verdict verdict;
  bool by_class;
} addresses[] = {
    /* classes */
    {EMPTY, NULL, "93.184.216.34:443", VERDICT_ALLOW, true},
    {EMPTY, NULL, "[2606:4700::1]:443", VERDICT_ALLOW, true},
    {EMPTY, NULL, "10.0.0.1:443", VERDICT_DENY, true},
    {EMPTY, NULL, "127.0.0.1:443", VERDICT_DENY, true},
    {EMPTY, NULL, "169.254.169.254:80", VERDICT_DENY, true},
    {EMPTY, NULL, "100.64.0.1:80", VERDICT_DENY, true},
    {EMPTY, NULL, "224.0.0.1:80", VERDICT_DENY, true},
    {EMPTY, NULL, "0.0.0.0:80", VERDICT_DENY, true},
    {EMPTY, NULL, "[::1]:80", VERDICT_DENY, true},
    {EMPTY, NULL, "[fd00::1]:80", VERDICT_DENY, true},
    {EMPTY, NULL, "[fe80::1]:80", VERDICT_DENY, true},
    {EMPTY, NULL, "[::ffff:8.8.8.8]:80", VERDICT_DENY, true},
    {EMPTY, NULL, "[64:ff9b::808:808]:80", VERDICT_DENY, true},
    {EMPTY, NULL, "example.com:80", VERDICT_DENY, false},
    {EMPTY, NULL, "", VERDICT_DENY, false},
    /* a wildcard never opens more than public addresses */
    {OPEN(URL_RULE("wss://*")), "wss://a.example/", "10.0.0.1:443",
     VERDICT_DENY, true},
    {OPEN(URL_RULE("wss://*.example")), "wss://a.example/", "127.0.0.1:443",
     VERDICT_DENY, true},
    {OPEN(URL_RULE("*")), "wss://10.0.0.1/", "10.0.0.1:443", VERDICT_DENY,
     true},
    {OPEN(URL_RULE("*")), "wss://localhost/", "127.0.0.1:443", VERDICT_DENY,
     true},
    {OPEN(URL_RULE("wss://*")), "wss://a.example/", "93.184.216.34:443",
     VERDICT_ALLOW, true},
    /* a full name does with "address: any" */
    {OPEN(URL_RULE("wss://a.example")), "wss://a.example/", "10.0.0.1:443",
     VERDICT_DENY, true},
    {OPEN(URL_RULE_ANY("wss://a.example")), "wss://a.example/", "10.0.0.1:443",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE_ANY("wss://a.example")), "wss://a.example/",
     "[::ffff:10.0.0.1]:443", VERDICT_ALLOW, true},
    /* the word of a rule that does not apply is nothing */
    {OPEN(URL_RULE_ANY("wss://a.example/x") URL_RULE("wss://a.example/y")),
     "wss://a.example/y", "10.0.0.1:443", VERDICT_DENY, true},
    {OPEN(URL_RULE_ANY("wss://b.example") URL_RULE("wss://a.example")),
     "wss://a.example/", "10.0.0.1:443", VERDICT_DENY, true},
    /* the second applicable rule counts too */
    {OPEN(URL_RULE("wss://*") URL_RULE_ANY("wss://a.example")),
     "wss://a.example/", "10.0.0.1:443", VERDICT_ALLOW, true},
    /* localhost */
    {OPEN(URL_RULE("ws://localhost:80")), "ws://localhost/", "127.0.0.1:80",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE("ws://localhost:80")), "ws://localhost/", "[::1]:80",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE("ws://localhost:80")), "ws://localhost/", "10.0.0.1:80",
     VERDICT_DENY, true},
    {OPEN(URL_RULE_ANY("ws://localhost:80")), "ws://localhost/", "10.0.0.1:80",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE("ws://a.localhost")), "ws://a.localhost/", "127.0.0.1:80",
     VERDICT_DENY, true},
    /* IP literals: that very address */
    {OPEN(URL_RULE("ws://127.0.0.1")), "ws://127.0.0.1/", "127.0.0.1:80",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE("ws://127.0.0.1")), "ws://127.0.0.1/", "127.0.0.2:80",
     VERDICT_DENY, true},
    {OPEN(URL_RULE("ws://[::1]")), "ws://[::1]/", "[::1]:80", VERDICT_ALLOW,
     true},
    {OPEN(URL_RULE("ws://[::1]")), "ws://[::1]/", "127.0.0.1:80", VERDICT_DENY,
     true},
    {OPEN(URL_RULE("ws://10.1.2.3")), "ws://10.1.2.3/", "10.1.2.3:80",
     VERDICT_ALLOW, true},
    {OPEN(URL_RULE("ws://10.1.2.3")), "ws://10.1.2.3/", "10.1.2.4:80",
     VERDICT_DENY, true},
    {OPEN(URL_RULE("ws://[fd00::1]")), "ws://[fd00::1]/", "[fd00::1]:80",
     VERDICT_ALLOW, true},
    /* an allow opens what it names and closes nothing */
    {OPEN(ADDRESS_RULE("10.0.0.0/8")), NULL, "10.1.2.3:443", VERDICT_ALLOW,
     false},
    {OPEN(ADDRESS_RULE("10.0.0.0/8:443")), NULL, "10.1.2.3:80", VERDICT_DENY,
     true},
    {OPEN(ADDRESS_RULE("10.0.0.0/8")), NULL, "93.184.216.34:443", VERDICT_ALLOW,
     true},
    {OPEN(ADDRESS_RULE("10.0.0.0/8") URL_RULE("ws://127.0.0.1")),
     "ws://127.0.0.1/", "127.0.0.1:80", VERDICT_ALLOW, true},
    {OPEN(ADDRESS_RULE("class:private") ADDRESS_RULE("class:public")), NULL,
     "93.184.216.34:443", VERDICT_ALLOW, false},
    {OPEN(ADDRESS_RULE("class:private")), NULL, "127.0.0.1:443", VERDICT_DENY,
     true},
    {OPEN(ADDRESS_RULE("*")), NULL, "127.0.0.1:443", VERDICT_ALLOW, false},
    {OPEN(ADDRESS_RULE("[fd00::]/8")), NULL, "[fd12::1]:443", VERDICT_ALLOW,
     false},
    /* actions with a star and URL patterns only do not speak */
    {TOP POLICY("p") "    actions: 'websocket.connect*'\n"
                     "    resources: ['', 'wss://a.example/*']\n"
                     "    effect: allow\n",
     NULL, "93.184.216.34:443", VERDICT_ALLOW, true},
    /* a deny alone closes what it names and nothing else */
    {TOP POLICY("p") "    actions: " ADDRESS_ACTION "\n"
                     "    resources: 93.184.0.0/16\n    effect: deny\n",
     NULL, "93.184.216.34:443", VERDICT_DENY, false},
    {TOP POLICY("p") "    actions: " ADDRESS_ACTION "\n"
                     "    resources: 93.184.0.0/16\n    effect: deny\n",
     NULL, "93.185.216.34:443", VERDICT_ALLOW, true},
    {TOP POLICY("p") "    actions: " ADDRESS_ACTION "\n"
                     "    resources: 93.184.0.0/16\n    effect: deny\n",
     NULL, "10.0.0.1:443", VERDICT_DENY, true},
    /* and goes before every word of an allow */
    {OPEN(URL_RULE_ANY("wss://a.example")) POLICY("q") "    actions: '*'\n"
                                                       "    resources: "
                                                       "class:private\n"
                                                       "    effect: deny\n",
     "wss://a.example/", "10.0.0.1:443", VERDICT_DENY, false},
};

START_TEST(judges_addresses) {
  unit_each(row, addresses) {
    struct fixture f;
    fixture_init(&f, row->policies);
    for (int parsed = 0; parsed < 2; parsed++) {
      struct decision d = ask_address(&f, row->url, row->address, parsed);
      ck_assert_msg(d.verdict == row->verdict &&
                        d.by_address_class == row->by_class,
                    "%s\n%s: %s (%s)", row->policies, row->address,
                    verdict_name(d.verdict), d.reason);
    }
    fixture_deinit(&f);
  }
}
END_TEST

START_TEST(trusts_no_refused_url) {
  struct fixture f;
  struct request q = {.actor = &nobody,
                      .action = SLICE(ADDRESS_ACTION),
                      .resource = SLICE("10.0.0.1:443")};
  struct decision named;

  fixture_init(
      &f, OPEN(URL_RULE_ANY("wss://a.example"))
              POLICY("q") "    actions: '*'\n    resources: 'wss://a.example'\n"
                          "    effect: deny\n");
  named = ask(&f, URL_ACTION, "wss://a.example/");
  ck_assert_int_eq(named.verdict, VERDICT_DENY);
  ck_assert(!named.any_address);
  named.any_address = true; /* even so */
  ck_assert_int_eq(policy_decide(f.set, f.scope, &q, &named).verdict,
                   VERDICT_DENY);
  fixture_deinit(&f);
}
END_TEST

START_TEST(a_deny_opens_no_address) {
  static const char *const open[] = {
      TOP, OPEN(URL_RULE_ANY("wss://a.example")), OPEN(ADDRESS_RULE("*")),
      OPEN(ADDRESS_RULE("10.0.0.0/8")), OPEN(URL_RULE("wss://*"))};
  static const char *const closed[] = {"'*'", "10.0.0.0/8", "class:public",
                                       "class:loopback", "'10.0.0.0/8:1'"};
  static const char *const ips[] = {"10.0.0.1:443", "127.0.0.1:443",
                                    "93.184.216.34:443", "[::1]:443"};
  unit_each(allow, open) unit_each(deny, closed) unit_each(ip, ips) {
    char text[1024];
    struct fixture with, without;
    struct decision a, b;
    sprintf(text,
            "%s" POLICY("z") "    actions: " ADDRESS_ACTION "\n"
                             "    resources: %s\n    effect: deny\n",
            *allow, *deny);
    fixture_init(&with, text);
    fixture_init(&without, allow == open ? EMPTY : *allow);
    a = ask_address(&with, NULL, *ip, true);
    b = ask_address(&without, NULL, *ip, true);
    ck_assert(a.verdict != VERDICT_ALLOW || b.verdict == VERDICT_ALLOW);
    fixture_deinit(&with);
    fixture_deinit(&without);
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("addresses");
  TCase *tc = tcase_create("addresses");
  tcase_set_timeout(tc, 60); /* busy machines, sanitizers */
  tcase_add_test(tc, judges_addresses);
  tcase_add_test(tc, trusts_no_refused_url);
  tcase_add_test(tc, a_deny_opens_no_address);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
