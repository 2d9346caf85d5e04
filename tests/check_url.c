/* check_url.c - canonical URLs and the reasons for a refusal. */
#include "tests/unit.h"

#include "runtime/base/err.h"
#include "runtime/base/url.h"

/* Before a guard page, so that no byte behind the text is read. */
static int parse(struct url *u, const void *text, size_t len,
                 enum url_reason *reason, struct err *e) {
  struct guard g;
  int rv;
  guard_init(&g, text, len);
  rv = url_parse(u, guard_slice(&g), reason, e);
  guard_deinit(&g);
  return rv;
}

static const struct {
  const char *text;
  const char *canonical;
} good[] = {
    {"wss://api.example.com", "wss://api.example.com/"},
    {"wss://API.example.com:443/v1?x=1", "wss://api.example.com/v1?x=1"},
    {"wss://api.example.com./", "wss://api.example.com/"},
    {"wss://api.example.com.:443", "wss://api.example.com/"},
    {"WSS://A/", "wss://a/"},
    {"wS://a:80/", "ws://a/"},
    {"ws://a:443/", "ws://a:443/"},
    {"wss://a:80/", "wss://a:80/"},
    {"wss://a:1", "wss://a:1/"},
    {"wss://a:65535", "wss://a:65535/"},
    {"wss://a?", "wss://a/?"},
    {"wss://a/?", "wss://a/?"},
    {"wss://a?x", "wss://a/?x"},
    {"wss://a?/../x//y?z@:", "wss://a/?/../x//y?z@:"},
    {"wss://a/ch%61t", "wss://a/chat"},
    {"wss://a/%7e%2D%2e%5Fx", "wss://a/~-._x"},
    {"wss://a/%c3%a9%20%25", "wss://a/%C3%A9%20%25"},
    {"wss://a/%252F%252e%252e", "wss://a/%252F%252e%252e"},
    {"wss://a/%2a*", "wss://a/%2A*"},
    {"wss://a/%ff%80", "wss://a/%FF%80"},
    {"wss://a/x?%2f%5c%7e%3f", "wss://a/x?%2F%5C~%3F"},
    {"wss://a/!$&'()*+,;=:@-._~", "wss://a/!$&'()*+,;=:@-._~"},
    {"wss://a/b/", "wss://a/b/"},
    {"wss://a/...", "wss://a/..."},
    {"wss://a/..b/b../.b/b.", "wss://a/..b/b../.b/b."},
    {"wss://a/..;/b", "wss://a/..;/b"},
    {"wss://a/:80", "wss://a/:80"},
    {"wss://a/@b", "wss://a/@b"},
    {"wss://localhost", "wss://localhost/"},
    {"wss://_x-1.xn--bcher-kva.a_", "wss://_x-1.xn--bcher-kva.a_/"},
    {"wss://1a.0x1.b", "wss://1a.0x1.b/"},
    {"wss://a.1x", "wss://a.1x/"},
    {"wss://a.x0", "wss://a.x0/"},
    {"wss://127.0.0.1", "wss://127.0.0.1/"},
    {"wss://1.2.3.4.:444", "wss://1.2.3.4:444/"},
    {"wss://[::1]", "wss://[::1]/"},
    {"wss://[::]", "wss://[::]/"},
    {"wss://[0:0::0:1]:443", "wss://[::1]/"},
    {"wss://[2001:DB8:0:0:1:0:0:1]:8443/x", "wss://[2001:db8::1:0:0:1]:8443/x"},
    {"wss://[1::3:4:5:6:7:8]", "wss://[1:0:3:4:5:6:7:8]/"},
    {"wss://[64:ff9b::102:304]", "wss://[64:ff9b::102:304]/"},
};

static const struct {
  const char *text;
  enum url_reason reason;
  unsigned column;
} refused[] = {
    {"", URL_SCHEME, 1},
    {"wss", URL_SCHEME, 4},
    {"wss:", URL_SCHEME, 4},
    {"wss:/", URL_SCHEME, 4},
    {"wss:/a", URL_SCHEME, 4},
    {"wss//a", URL_SCHEME, 4},
    {"://a", URL_SCHEME, 1},
    {"//a/", URL_SCHEME, 1},
    {"a.example/", URL_SCHEME, 1},
    {"http://a/", URL_SCHEME, 1},
    {"https://a/", URL_SCHEME, 1},
    {"wsss://a/", URL_SCHEME, 1},
    {"w://a/", URL_SCHEME, 1},
    {"xwss://a/", URL_SCHEME, 1},
    {"w%73://a/", URL_SCHEME, 1},
    {" wss://a/", URL_CONTROL, 1},
    {"wss://a/ ", URL_CONTROL, 9},
    {"wss://a/\t", URL_CONTROL, 9},
    {"wss://a\r\nHost: b/", URL_CONTROL, 8},
    {"wss://a/\x7f", URL_CONTROL, 9},
    {"wss:\\\\a/", URL_BACKSLASH, 5},
    {"wss://a\\@b/", URL_BACKSLASH, 8},
    {"wss://a/\\ ", URL_CONTROL, 10},
    {"wss://\xc3\xbc/\\", URL_BACKSLASH, 10},
    {"wss://b\xc3\xbc"
     "cher.example/",
     URL_NON_ASCII, 8},
    {"http://a/\xc3\xbc", URL_NON_ASCII, 10},
    {"wss://a/\xff", URL_NON_ASCII, 9},
    {"wss://u@a/", URL_USERINFO, 8},
    {"wss://@a/", URL_USERINFO, 7},
    {"wss://good.example:443@evil.example/", URL_USERINFO, 23},
    {"wss://u@a/#f", URL_USERINFO, 8},
    {"wss://a#", URL_FRAGMENT, 8},
    {"wss://a#@b/", URL_FRAGMENT, 8},
    {"wss://a/?x#f", URL_FRAGMENT, 11},
    {"wss://#a", URL_FRAGMENT, 7},
    {"wss://", URL_HOST, 7},
    {"wss:///a", URL_HOST, 7},
    {"wss://:80/", URL_HOST, 7},
    {"wss://./", URL_HOST, 7},
    {"wss://a../", URL_HOST, 9},
    {"wss://a..b/", URL_HOST, 9},
    {"wss://.a/", URL_HOST, 7},
    {"wss://-a/", URL_HOST, 7},
    {"wss://b.a-/", URL_HOST, 9},
    {"wss://a%2eb/", URL_HOST, 8},
    {"wss://*/", URL_HOST, 7},
    {"wss://a]/", URL_HOST, 8},
    {"wss://a[::1]/", URL_HOST, 8},
    {"wss://1/", URL_IPV4_FORM, 7},
    {"wss://127.1/", URL_IPV4_FORM, 7},
    {"wss://2130706433/", URL_IPV4_FORM, 7},
    {"wss://0x7f.0.0.1/", URL_IPV4_FORM, 7},
    {"wss://0X7F000001/", URL_IPV4_FORM, 7},
    {"wss://a.0x/", URL_IPV4_FORM, 7},
    {"wss://a.0xyz/", URL_IPV4_FORM, 7},
    {"wss://01.2.3.4/", URL_IPV4_FORM, 7},
    {"wss://1.2.3.4.5/", URL_IPV4_FORM, 7},
    {"wss://256.2.3.4/", URL_IPV4_FORM, 7},
    {"wss://a.1:x/", URL_IPV4_FORM, 7},
    {"wss://1..2/", URL_HOST, 9},
    {"wss://[/", URL_IPV6, 7},
    {"wss://[]/", URL_IPV6, 8},
    {"wss://[::1/", URL_IPV6, 7},
    {"wss://[::1]a/", URL_IPV6, 7},
    {"wss://[::1]]/", URL_IPV6, 8},
    {"wss://[1.2.3.4]/", URL_IPV6, 8},
    {"wss://[v1.x]/", URL_IPV6, 8},
    {"wss://[::1%25eth0]/", URL_IPV6_ZONE, 11},
    {"wss://[::1%]/", URL_IPV6_ZONE, 11},
    {"wss://[zz%25eth0]/", URL_IPV6, 8},
    {"wss://[::ffff:1.2.3.4]/", URL_IPV4_IN_IPV6, 8},
    {"wss://[::ffff:102:304]/", URL_IPV4_IN_IPV6, 8},
    {"wss://[::1.2.3.4]/", URL_IPV4_IN_IPV6, 8},
    {"wss://[::0.0.0.1]/", URL_IPV4_IN_IPV6, 8},
    {"wss://[::2]/", URL_IPV4_IN_IPV6, 8},
    {"wss://[64:ff9b::1.2.3.4]/", URL_IPV4_IN_IPV6, 8},
    {"wss://[::ffff:0:1.2.3.4]/", URL_IPV4_IN_IPV6, 8},
    {"wss://[::ffff:01.2.3.4]/", URL_IPV6, 8},
    {"wss://a:/", URL_PORT, 9},
    {"wss://a:0/", URL_PORT, 9},
    {"wss://a:080/", URL_PORT, 9},
    {"wss://a:65536/", URL_PORT, 9},
    {"wss://a:4294967376/", URL_PORT, 9},
    {"wss://a:+80/", URL_PORT, 9},
    {"wss://a:80:80/", URL_PORT, 9},
    {"wss://a:%38/", URL_PORT, 9},
    {"wss://[::1]:/", URL_PORT, 13},
    {"wss://a/%", URL_ESCAPE, 9},
    {"wss://a/%4", URL_ESCAPE, 9},
    {"wss://a/%4g", URL_ESCAPE, 9},
    {"wss://a/%00", URL_ESCAPE, 9},
    {"wss://a/%1f", URL_ESCAPE, 9},
    {"wss://a/%7F", URL_ESCAPE, 9},
    {"wss://a/%2F%00", URL_ESCAPE, 12},
    {"wss://a/x%2f", URL_ENCODED_SLASH, 10},
    {"wss://a/%5C", URL_ENCODED_SLASH, 9},
    {"wss://a/../%2f", URL_ENCODED_SLASH, 12},
    {"wss://a/.", URL_DOT_SEGMENT, 9},
    {"wss://a/..", URL_DOT_SEGMENT, 10},
    {"wss://a/b/../c", URL_DOT_SEGMENT, 12},
    {"wss://a/%2e%2E/", URL_DOT_SEGMENT, 14},
    {"wss://a/.%2e", URL_DOT_SEGMENT, 12},
    {"wss://a//../", URL_DOT_SEGMENT, 11},
    {"wss://a//", URL_EMPTY_SEGMENT, 9},
    {"wss://a//b", URL_EMPTY_SEGMENT, 9},
    {"wss://a/b//", URL_EMPTY_SEGMENT, 11},
    {"wss://a/<//", URL_EMPTY_SEGMENT, 11},
    {"wss://a/\"", URL_PATH, 9},
    {"wss://a/[x]", URL_PATH, 9},
    {"wss://a/{?<", URL_PATH, 9},
    {"wss://a/?%", URL_ESCAPE, 10},
    {"wss://a/?%0a", URL_ESCAPE, 10},
    {"wss://a/?a[]=1", URL_QUERY, 11},
    {"wss://a/?<%zz", URL_ESCAPE, 11},
    {"wss://a?|", URL_QUERY, 9},
};

START_TEST(canonicalises) {
  struct url u, again, copy;
  enum url_reason reason;
  struct err e;
  unit_each(row, good) {
    ck_assert_msg(parse(&u, row->text, strlen(row->text), &reason, &e) == 0,
                  "%s: %s", row->text, e.message);
    ck_assert_int_eq(reason, URL_OK);
    ck_assert_str_eq(u.text, row->canonical);
    ck_assert_uint_eq(u.len, strlen(u.text));
    ck_assert_int_eq(
        url_parse(&again, (struct slice){u.text, u.len}, NULL, NULL), 0);
    ck_assert_str_eq(again.text, u.text);
    memset(&copy, 0xa5, sizeof copy);
    url_copy(&copy, &u);
    memset(&u, 0x5a, sizeof u);
    ck_assert_str_eq(copy.text, again.text);
    ck_assert(slice_eq(copy.scheme, again.scheme));
    ck_assert(slice_eq(copy.host, again.host));
    ck_assert(slice_eq(copy.path, again.path));
    ck_assert(slice_eq(copy.query, again.query));
    ck_assert(copy.has_query == again.has_query && copy.tls == again.tls);
    ck_assert_uint_eq(copy.port, again.port);
    ck_assert_int_eq(copy.host_kind, again.host_kind);
    ck_assert(copy.path.p >= copy.text && copy.path.p < copy.text + copy.len);
  }
}
END_TEST

START_TEST(refuses_with_a_reason) {
  struct url u;
  enum url_reason reason;
  struct err e;
  unit_each(row, refused) {
    size_t len = strlen(row->text);
    reason = URL_OK;
    ck_assert_msg(parse(&u, row->text, len, &reason, &e) == ERR_INVALID, "%s",
                  row->text);
    ck_assert_msg(reason == row->reason, "%s: %s, not %s", row->text,
                  url_reason_text(reason), url_reason_text(row->reason));
    ck_assert_msg(e.column == row->column, "%s: column %u: %s", row->text,
                  e.column, e.message);
    ck_assert_int_eq(e.code, ERR_INVALID);
    ck_assert_msg(strncmp(e.message, "byte ", 5) == 0, "%s", e.message);
    ck_assert_int_eq(parse(&u, row->text, len, NULL, NULL), ERR_INVALID);
  }
}
END_TEST

START_TEST(messages_say_how_to_mend_it) {
  static const struct {
    const char *text;
    const char *message;
  } cases[] = {
      {"wss://b\xc3\xbc"
       "cher.example/",
       "byte 8: non-ASCII host 'b\xc3\xbc"
       "cher.example', expected its ASCII form, perhaps "
       "'xn--bcher-kva.example'"},
      {"https://a", "byte 1: scheme 'https', expected 'ws' or 'wss', perhaps "
                    "'wss://'"},
      {"a.b/c", "byte 1: no scheme, expected 'ws://' or 'wss://' in front of "
                "'a.b/c'"},
      {"wss://[::ffff:1.2.3.4]/", "byte 8: IPv4 address inside the IPv6 "
                                  "address '::ffff:1.2.3.4', expected "
                                  "'1.2.3.4'"},
      {"wss://a/<", "byte 9: '<' in the path, expected it as the escape '%3C'"},
      {"wss://a/?<",
       "byte 10: '<' in the query, expected it as the escape '%3C'"},
  };
  struct url u;
  struct err e;
  unit_each(row, cases) {
    ck_assert_int_ne(url_parse(&u, slice_of(row->text), NULL, &e), 0);
    ck_assert_str_eq(e.message, row->message);
  }
}
END_TEST

/* RFC 3492, 7.1 (A, B, I, L), in lower case. */
START_TEST(offers_punycode) {
  static const struct {
    const char *host;
    const char *xn; /* NULL: nothing is offered */
  } cases[] = {
      {"ليهمابتكلموشعربي؟", "xn--egbpdaj6bu4bxfgehfvwxn"},
      {"他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"},
      {"почемужеонинеговорятпорусски", "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l"},
      {"3年b組金八先生", "xn--3b-ww4c5e180e575a65lsy2b"},
      {"A.ü.B", "a.xn--tda.b"},
      {"ｅｖｉｌ.example", NULL}, /* full-width */
      {"日本。jp", NULL},         /* a dot that is none */
      {"a\xe2\x80\xae"
       "b",
       NULL},                 /* override */
      {"\xff.example", NULL}, /* no UTF-8 */
      {"ü_ü!", NULL},
      {"üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü",
       NULL},
  };
  unit_each(row, cases) {
    char text[600];
    struct url u;
    struct err e;
    enum url_reason reason;
    const char *offer;
    snprintf(text, sizeof text, "wss://%s:443/", row->host);
    ck_assert_int_ne(url_parse(&u, slice_of(text), &reason, &e), 0);
    ck_assert_int_eq(reason, URL_NON_ASCII);
    offer = strstr(e.message, "perhaps '");
    ck_assert_msg((offer != NULL) == (row->xn != NULL), "%s", e.message);
    if (row->xn) {
      snprintf(text, sizeof text, "perhaps '%s'", row->xn);
      ck_assert_str_eq(offer, text);
    }
  }
}
END_TEST

/* Each byte in each place: never accepted where the rules name it. */
START_TEST(knows_every_byte) {
  static const struct {
    const char *front;
    const char *back;
  } frames[] = {{"wss://a", "b.c/"}, {"wss://a/x", "y"}, {"wss://a/?x", "y"}};
  unit_each(frame, frames) {
    for (int c = 0; c < 256; c++) {
      char text[64];
      struct url u, again;
      enum url_reason reason;
      int n =
          snprintf(text, sizeof text, "%s%c%s", frame->front, c, frame->back);
      int rv = parse(&u, text, (size_t)n, &reason, NULL);
      if (c <= 0x20 || c == 0x7f)
        ck_assert_int_eq(reason, URL_CONTROL);
      else if (c == '\\')
        ck_assert_int_eq(reason, URL_BACKSLASH);
      else if (c >= 0x80)
        ck_assert_int_eq(reason, URL_NON_ASCII);
      else if (c == '#')
        ck_assert_int_eq(reason, URL_FRAGMENT);
      else if (c == '%' && frame != frames)
        ck_assert_int_eq(reason, URL_ESCAPE);
      else if (strchr("\"<>[]^`{|}", c) && frame != frames)
        ck_assert_int_eq(reason, frame == frames + 1 ? URL_PATH : URL_QUERY);
      if (rv == 0) {
        ck_assert_int_eq(
            url_parse(&again, (struct slice){u.text, u.len}, NULL, NULL), 0);
        ck_assert_str_eq(again.text, u.text);
      }
    }
  }
}
END_TEST

/* Each escape, in both cases, has one canonical spelling. */
START_TEST(knows_every_escape) {
  for (int c = 0; c < 256; c++) {
    for (int query = 0; query < 2; query++) {
      char upper[64], lower[64];
      struct url a, b;
      enum url_reason ra, rb;
      snprintf(upper, sizeof upper, "wss://a/%sx%%%02X", query ? "?" : "", c);
      snprintf(lower, sizeof lower, "wss://a/%sx%%%02x", query ? "?" : "", c);
      url_parse(&a, slice_of(upper), &ra, NULL);
      url_parse(&b, slice_of(lower), &rb, NULL);
      ck_assert_int_eq(ra, rb);
      if (c < 0x20 || c == 0x7f)
        ck_assert_int_eq(ra, URL_ESCAPE);
      else if (!query && (c == '/' || c == '\\'))
        ck_assert_int_eq(ra, URL_ENCODED_SLASH);
      else
        ck_assert_int_eq(ra, URL_OK);
      if (ra == URL_OK)
        ck_assert_str_eq(a.text, b.text);
    }
  }
}
END_TEST

START_TEST(bounds_lengths) {
  static char text[URL_MAX_BYTES + 64];
  struct url u;
  enum url_reason reason;
  struct err e;
  char host[400];
  for (size_t len = URL_MAX_BYTES - 3; len < URL_MAX_BYTES + 4; len++) {
    memset(text, 'a', len);
    memcpy(text, "wss://a/", 8);
    parse(&u, text, len, &reason, &e);
    ck_assert_int_eq(reason, len > URL_MAX_BYTES ? URL_TOO_LONG : URL_OK);
    /* one byte is added to this one */
    memcpy(text, "wss://a?", 8);
    parse(&u, text, len, &reason, &e);
    ck_assert_int_eq(reason, len >= URL_MAX_BYTES ? URL_TOO_LONG : URL_OK);
    /* ... and two to this */
    memcpy(text, "wss://[::3:4:5:6:7:8:9]?", 24);
    parse(&u, text, len, &reason, &e);
    ck_assert_int_eq(reason, len >= URL_MAX_BYTES ? URL_TOO_LONG : URL_OK);
    memcpy(text, "wss://[1::4:5:6:7:8:9]?b", 24);
    parse(&u, text, len, &reason, &e);
    ck_assert_int_eq(reason, len >= URL_MAX_BYTES - 1 ? URL_TOO_LONG : URL_OK);
  }
  for (size_t n = 60; n < 70; n++) { /* a label */
    snprintf(host, sizeof host, "wss://%0*d.a/", (int)n, 0);
    parse(&u, host, strlen(host), &reason, &e);
    ck_assert_int_eq(reason, n > 63 ? URL_HOST : URL_OK);
  }
  for (size_t n = 250; n < 258; n++) { /* a host, with and without its dot */
    for (int dot = 0; dot < 2; dot++) {
      memcpy(host, "wss://", 6);
      memset(host + 6, 'a', n);
      for (size_t i = 60; i < n; i += 60)
        host[6 + i] = '.';
      memcpy(host + 6 + n, dot ? "./" : "/", dot ? 3 : 2);
      parse(&u, host, strlen(host), &reason, &e);
      ck_assert_int_eq(reason, n > 253 ? URL_HOST : URL_OK);
    }
  }
}
END_TEST

START_TEST(canonicalises_parts) {
  char out[256];
  size_t len;
  enum url_host_kind kind;
  enum url_reason reason;
  struct ip ip;
  struct err e;
  ck_assert_int_eq(
      url_canonical_host(SLICE("A.b."), 0, out, &len, &kind, &ip, &reason, &e),
      0);
  ck_assert_slice_eq(((struct slice){out, len}), "a.b");
  ck_assert_int_eq(kind, URL_HOST_NAME);
  ck_assert_uint_eq(ip.family, 0);
  ck_assert_int_eq(
      url_canonical_host(SLICE("[0::1]"), 0, out, &len, &kind, &ip, NULL, &e),
      0);
  ck_assert_slice_eq(((struct slice){out, len}), "[::1]");
  ck_assert_int_eq(kind, URL_HOST_IPV6);
  ck_assert_int_eq(
      url_canonical_host(SLICE("a b"), 10, out, &len, NULL, NULL, &reason, &e),
      ERR_INVALID);
  ck_assert_int_eq(reason, URL_CONTROL);
  ck_assert_uint_eq(e.column, 12);
  ck_assert_int_eq(
      url_canonical_host(SLICE(""), 0, out, &len, NULL, NULL, &reason, NULL),
      ERR_INVALID);
  ck_assert_int_eq(
      url_canonical_part(SLICE("/%61*"), true, 0, out, &len, NULL, &e), 0);
  ck_assert_slice_eq(((struct slice){out, len}), "/a*");
  ck_assert_int_eq(
      url_canonical_part(SLICE("a"), true, 0, out, &len, &reason, &e),
      ERR_INVALID);
  ck_assert_int_eq(reason, URL_PATH);
  ck_assert_int_eq(url_canonical_part(SLICE(""), false, 0, out, &len, NULL, &e),
                   0);
  ck_assert_uint_eq(len, 0);
  ck_assert_int_eq(
      url_canonical_part(SLICE("a#"), false, 4, out, &len, &reason, &e),
      ERR_INVALID);
  ck_assert_uint_eq(e.column, 6);
}
END_TEST

START_TEST(names_reasons) {
  ck_assert_str_eq(url_reason_text(URL_OK), "ok");
  ck_assert_str_eq(url_reason_text(URL_CONTROL), "control-or-space");
  ck_assert_str_eq(url_reason_text(URL_QUERY), "query");
  ck_assert_str_eq(url_reason_text((enum url_reason)999), "unknown");
}
END_TEST

int main(void) {
  Suite *s = suite_create("url");
  TCase *tc = tcase_create("url");

  tcase_add_test(tc, canonicalises);
  tcase_add_test(tc, refuses_with_a_reason);
  tcase_add_test(tc, messages_say_how_to_mend_it);
  tcase_add_test(tc, offers_punycode);
  tcase_add_test(tc, knows_every_byte);
  tcase_add_test(tc, knows_every_escape);
  tcase_add_test(tc, bounds_lengths);
  tcase_add_test(tc, canonicalises_parts);
  tcase_add_test(tc, names_reasons);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
