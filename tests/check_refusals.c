/* check_refusals.c - why something is refused, and what would allow it. */
#include "tests/asked.h"

/* -------------------------------------------------------- explanations --- */

static const struct {
  const char *policies;
  const char *action;
  const char *resource;
  const char *url;
  const char *text;
} refusals[] = {
    {prices, URL_ACTION, "wss://stream.example.com:9443/prices/btc", NULL,
     "  no policy allows it; nearest: app:prices (p.yaml:3) wants port 443\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"wss://stream.example.com:9443/prices/btc\"}\n"},
    {prices, URL_ACTION, "wss://stream.example.com/admin/", NULL,
     "  denied by app:no-admin (p.yaml:16)\n"},
    {prices, "read", "document:secret", NULL,
     "  denied by app:secret (p.yaml:28)\n"},
    {prices, URL_ACTION, "wss://x y/", NULL, "  the resource is no URL\n"},
    {prices, "read", "docs:1", NULL,
     "  no policy allows it; nearest: app:docs (p.yaml:22) wants resource "
     "\"document:*\"\n"
     "  to allow it: {action: \"read\", resource: \"docs:1\"}\n"},
    {prices, "write.x", "\"a\\\x1b\xC3\xA9\xF0\x9F\x98\x80\xE2\x82\xAC", NULL,
     "  no policy allows it\n"
     "  to allow it: {action: write.x, resource: "
     "\"\\\"a\\\\\\x1B\\xE9\\U0001F600\\u20AC\"}\n"},
    {prices, "write.x", "a*b", NULL, "  no policy allows it\n"},
    {prices, "write.x", "a\xFF", NULL, "  no policy allows it\n"},
    {prices, "websocket.connect.other", "x", NULL,
     "  no policy allows it; nearest: app:feeds (p.yaml:9) is for action "
     "websocket.connect\n"
     "  to allow it: {action: websocket.connect.other, resource: \"x\"}\n"},
    {prices, "", "", NULL, "  no policy allows it\n"},
    {OPEN(URL_RULE("wss://a.example")), "websocket.connect", "", NULL,
     "  no policy allows it; nearest: app:p (p.yaml:3) is for action "
     "websocket.connect.url\n"
     "  to allow it: {action: websocket.connect}\n"},
    {TOP POLICY("p") "    actions: [websocket.connect, " URL_ACTION "]\n"
                     "    resources: wss://a.example\n    effect: allow\n",
     "websocket.connect", "", NULL,
     "  no policy allows it; nearest: app:p (p.yaml:3) lacks the resource "
     "\"\" of websocket.connect\n"
     "  to allow it: {action: websocket.connect}\n"},
    {NULL, "websocket.connect", "", "wss://a.example/x",
     "  there is no policy\n"
     "  to allow it: {action: websocket.connect}\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"wss://a.example/x\"}\n"},
    {NULL, URL_ACTION, "wss://a.example/*/*/*/*/*/*/*/*/*/x?*", NULL,
     "  there is no policy\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"wss://a.example/*/*/*/*/*/*/*/*\"}\n"
     "    ('*' in a pattern is any run of bytes, so it takes more than this "
     "URL)\n"},
    {NULL, ADDRESS_ACTION, "127.0.0.1:80", "ws://localhost/x",
     "  loopback address that no policy opens\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"ws://localhost/x\"}\n"},
    {NULL, ADDRESS_ACTION, "10.0.0.1:80", "ws://localhost/x",
     "  private address that no policy opens\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"ws://localhost/x\", address: any}\n"},
    {NULL, ADDRESS_ACTION, "10.0.0.1:443", NULL,
     "  private address that no policy opens\n"
     "  to allow it: {action: websocket.connect.address, resource: "
     "\"10.0.0.1:443\"}\n"},
    {NULL, ADDRESS_ACTION, "10.0.0.1:443", "wss://a.example/x",
     "  private address that no policy opens\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"wss://a.example/x\", address: any}\n"},
    {NULL, ADDRESS_ACTION, "[fd00::1]:443", "wss://[fd00::1]/",
     "  private address that no policy opens\n"
     "  to allow it: {action: websocket.connect.url, resource: "
     "\"wss://[fd00::1]/\"}\n"},
    {OPEN(ADDRESS_RULE("10.0.0.0/8:80")), ADDRESS_ACTION, "10.0.0.1:443", NULL,
     "  private address that no policy opens; nearest: app:p (p.yaml:3) wants "
     "port 80\n"
     "  to allow it: {action: websocket.connect.address, resource: "
     "\"10.0.0.1:443\"}\n"},
};

START_TEST(explains_refusals) {
  unit_each(row, refusals) {
    struct fixture f;
    struct request q = {.actor = &nobody,
                        .action = slice_of(row->action),
                        .resource = slice_of(row->resource)};
    struct decision d;
    struct url url;
    struct buf out;
    fixture_init(&f, row->policies);
    if (row->url) {
      ck_assert_int_eq(url_parse(&url, slice_of(row->url), NULL, NULL), 0);
      q.url = &url;
    }
    d = policy_decide(f.set, f.scope, &q, NULL);
    buf_init(&out, &mem_libc, 1 << 16);
    ck_assert_int_eq(policy_explain_refusal(f.set, f.scope, &q, &d, &out), 0);
    ck_assert_slice_eq(buf_slice(&out), row->text);
    /* no room is an error and no harm */
    for (size_t max = 0; max < strlen(row->text); max++) {
      struct buf small;
      buf_init(&small, &mem_libc, max);
      ck_assert_int_eq(policy_explain_refusal(f.set, f.scope, &q, &d, &small),
                       ERR_FULL);
      buf_deinit(&small);
    }
    buf_deinit(&out);
    fixture_deinit(&f);
  }
}
END_TEST

START_TEST(explains_without_a_context) {
  struct request q = {.action = SLICE("a.b"), .resource = SLICE("c")};
  struct decision d = policy_decide(NULL, NULL, &q, NULL);
  struct buf out;

  buf_init(&out, &mem_libc, 1024);
  ck_assert_int_eq(policy_explain_refusal(NULL, NULL, &q, &d, &out), 0);
  ck_assert_slice_eq(buf_slice(&out), "  no actor\n");
  buf_clear(&out);
  d.verdict = VERDICT_ALLOW;
  ck_assert_int_eq(policy_explain_refusal(NULL, NULL, &q, &d, &out), 0);
  ck_assert_uint_eq(out.len, 0);
  buf_deinit(&out);
}
END_TEST

/* Puts the rules of "to allow it" lines into a policy: it must allow. */
static void take_advice(const char *action, const char *resource) {
  struct fixture f;
  struct request q = {.actor = &nobody,
                      .action = slice_of(action),
                      .resource = slice_of(resource)};
  struct decision d;
  struct buf out, text;
  char *rule, *end;

  fixture_init(&f, NULL);
  d = policy_decide(f.set, f.scope, &q, NULL);
  if (d.verdict == VERDICT_ALLOW) { /* a public address */
    fixture_deinit(&f);
    return;
  }
  buf_init(&out, &mem_libc, 1 << 16);
  buf_init(&text, &mem_libc, 1 << 16);
  ck_assert_int_eq(policy_explain_refusal(f.set, f.scope, &q, &d, &out), 0);
  ck_assert_int_eq(buf_terminate(&out), 0);
  fixture_deinit(&f);
  rule = strstr((char *)buf_bytes(&out), "to allow it: ");
  ck_assert_msg(rule != NULL, "%s %s", action, resource);
  rule += strlen("to allow it: ");
  end = strchr(rule, '\n');
  ck_assert_int_eq(
      buf_addf(&text, OPEN("    - %.*s\n"), (int)(end - rule), rule), 0);
  ck_assert_int_eq(buf_terminate(&text), 0);
  fixture_init(&f, (const char *)buf_bytes(&text));
  d = ask(&f, action, resource);
  ck_assert_msg(d.verdict == VERDICT_ALLOW, "%s", (char *)buf_bytes(&text));
  fixture_deinit(&f);
  buf_deinit(&out);
  buf_deinit(&text);
}

START_TEST(gives_good_advice) {
  static const char *const urls[] = {"wss://a.example",
                                     "ws://A.example:81/x%2a/y?z=%20",
                                     "wss://[fd00::1]:1/",
                                     "ws://10.0.0.1/*a*b*",
                                     "ws://a/?",
                                     "ws://a/?*",
                                     "ws://a/'&:@!$(),;=~",
                                     "ws://a/*/*/*/*/*/*/*/*/*?*",
                                     "ws://a/?*************"};
  static const char *const resources[] = {
      "",         "x",   ":",    "document:1", "a b",
      "#",        "- a", "{}",   "~",          "1",
      "'",        "\"",  "\\",   "\n",         "\xC3\xBC",
      "\xC2\x85", "no",  "a: b", "!x",         "&a",
      "%",        "@",   "`",    "10.0.0.1",   "class:private"};
  static const char *const actions[] = {"a.b", "true", "1.5", "a b",     "a'b",
                                        "x",   "~",    "-",   "a.b-c_d", "a:b"};
  static const char *const ips[] = {"10.0.0.1:1", "[::1]:65535", "[fe80::1]:80",
                                    "224.1.2.3:9"};

  take_advice("websocket.connect", "");
  unit_each(url, urls) take_advice(URL_ACTION, *url);
  unit_each(ip, ips) take_advice(ADDRESS_ACTION, *ip);
  unit_each(action, actions) unit_each(resource, resources)
      take_advice(*action, *resource);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("refusals");
  TCase *tc = tcase_create("refusals");
  tcase_set_timeout(tc, 60); /* busy machines, sanitizers */
  tcase_add_test(tc, explains_refusals);
  tcase_add_test(tc, explains_without_a_context);
  tcase_add_test(tc, gives_good_advice);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return unit_run(suite());
}
