/* check_pattern.c - what patterns match, what they refuse, what they miss. */
#include "tests/unit.h"

#include "policy/pattern.h"
#include "runtime/base/err.h"

#define URL_USE (PATTERN_FOR_CONNECT | PATTERN_FOR_URL)
#define DENY (URL_USE | PATTERN_IN_DENY)
#define COMPAT (URL_USE | PATTERN_COMPAT)
#define ADDR PATTERN_FOR_ADDRESS
#define OTHER PATTERN_FOR_OTHER
#define ALL (URL_USE | ADDR | OTHER)

static struct arena arena;

static void setup(void) {
  arena_init(&arena, &mem_libc, SIZE_MAX);
}

static void teardown(void) {
  arena_deinit(&arena);
}

static struct pattern compile(const char *text, unsigned use) {
  struct pattern p;
  struct err e, warning;
  struct guard g;
  int rv;
  guard_init_str(&g, text);
  rv = pattern_compile_resource(&p, guard_slice(&g), use, &arena, &warning, &e);
  guard_deinit(&g); /* nothing points into the text any more */
  ck_assert_msg(rv == 0, "%s: %s", text, e.message);
  return p;
}

static int match_url(const struct pattern *p, const char *text) {
  static struct url u;
  struct err e;
  struct pattern_subject s = {.url = &u};
  ck_assert_msg(url_parse(&u, slice_of(text), NULL, &e) == 0, "%s: %s", text,
                e.message);
  s.text = (struct slice){u.text, u.len};
  return pattern_match(p, &s);
}

static void write_back(const struct pattern *p, char *out, size_t cap) {
  struct buf b;
  buf_init(&b, &mem_libc, cap - 1);
  ck_assert_int_eq(pattern_write(p, &b), 0);
  memcpy(out, b.len > 0 ? (const char *)buf_bytes(&b) : "", b.len);
  out[b.len] = '\0';
  buf_deinit(&b);
}

/* The canonical text compiles to a pattern with the same canonical text. */
static void check_written(const struct pattern *p, unsigned use) {
  char once[URL_MAX_BYTES + 64], twice[URL_MAX_BYTES + 64];
  struct pattern again;
  write_back(p, once, sizeof once);
  again = compile(once, use);
  write_back(&again, twice, sizeof twice);
  ck_assert_str_eq(once, twice);
  ck_assert_int_eq(again.kind, p->kind);
}

static const struct {
  const char *pattern;
  unsigned use;
  const char *url;
  int matches;
} urls[] = {
    /* the table of the specification */
    {"wss://api.example.com", URL_USE, "wss://API.example.com:443/v1?x=1", 1},
    {"wss://api.example.com", URL_USE, "wss://api.example.com./", 1},
    {"wss://api.example.com", URL_USE, "wss://api.example.com.evil.com/", 0},
    {"wss://api.example.com", URL_USE, "wss://api.example.com:8443/", 0},
    {"wss://api.example.com", URL_USE, "ws://api.example.com/", 0},
    {"wss://api.example.com", URL_USE, "ws://api.example.com:443/", 0},
    {"wss://api.example.com", URL_USE, "wss://v2.api.example.com/", 0},
    {"wss://*.example.com", URL_USE, "wss://a.b.example.com/x", 1},
    {"wss://*.example.com", URL_USE, "wss://example.com/", 0},
    {"wss://*.example.com", URL_USE, "wss://evilexample.com/", 0},
    {"wss://api.example.com/chat", URL_USE, "wss://api.example.com/chat", 1},
    {"wss://api.example.com/chat", URL_USE, "wss://api.example.com/chat?room=1",
     1},
    {"wss://api.example.com/chat", URL_USE, "wss://api.example.com/ch%61t", 1},
    {"wss://api.example.com/chat", URL_USE, "wss://api.example.com/chat/1", 0},
    {"wss://api.example.com/chat/*", URL_USE, "wss://api.example.com/chat/a/b",
     1},
    {"wss://api.example.com/chat/*", URL_USE, "wss://api.example.com/chat", 0},
    {"wss://api.example.com/s?v=2*", URL_USE, "wss://api.example.com/s?v=2&t=9",
     1},
    {"wss://api.example.com/s?v=2*", URL_USE, "wss://api.example.com/s", 0},
    {"wss://*", URL_USE, "wss://any.name/x?y", 1},
    {"wss://*", URL_USE, "wss://any.name:444/", 0},
    {"wss://*", URL_USE, "wss://10.0.0.1/", 0},
    {"wss://*", URL_USE, "wss://[::1]/", 0},
    /* "*" */
    {"*", URL_USE, "ws://10.0.0.1:99/x", 1},
    {"*", URL_USE, "wss://[::1]/", 1},
    {"", URL_USE, "wss://a/", 0},
    /* schemes */
    {"*://a.b", URL_USE, "ws://a.b/", 1},
    {"*://a.b", URL_USE, "wss://a.b/", 1},
    {"*://a.b", URL_USE, "ws://a.b:443/", 0},
    {"*://a.b:*", URL_USE, "ws://a.b:443/", 1},
    {"WSS://A.b.", URL_USE, "wss://a.B/", 1},
    {"ws://a.b", URL_USE, "wss://a.b/", 0},
    {"ws://a.b:443", URL_USE, "ws://a.b:443/", 1},
    {"ws://a.b:80", URL_USE, "ws://a.b/", 1},
    /* hosts */
    {"wss://*.com", URL_USE, "wss://a.com/", 1},
    {"wss://*.com", URL_USE, "wss://com/", 0},
    {"wss://*.4a", URL_USE, "wss://1.2.3.4a/", 1},
    {"wss://*.b.c.:444", URL_USE, "wss://a.b.c:444/", 1},
    {"wss://*:*", URL_USE, "wss://a:1/", 1},
    {"wss://*:*", URL_USE, "wss://1.1.1.1:1/", 0},
    {"wss://1.2.3.4", URL_USE, "wss://1.2.3.4/", 1},
    {"wss://1.2.3.4", URL_USE, "wss://1.2.3.4./", 1},
    {"wss://1.2.3.4", URL_USE, "wss://1.2.3.40/", 0},
    {"wss://[0:0::0:1]", URL_USE, "wss://[::1]/", 1},
    {"wss://[::1]:*/x*", URL_USE, "wss://[::1]:9/xy", 1},
    {"wss://[::1]", URL_USE, "wss://[::]/", 0},
    /* ports */
    {"wss://a:8000-8999", URL_USE, "wss://a:8000/", 1},
    {"wss://a:8000-8999", URL_USE, "wss://a:8999/", 1},
    {"wss://a:8000-8999", URL_USE, "wss://a:7999/", 0},
    {"wss://a:8000-8999", URL_USE, "wss://a:9000/", 0},
    {"wss://a:8000-8999", URL_USE, "wss://a/", 0},
    {"wss://a:1-65535", URL_USE, "wss://a/", 1},
    {"wss://a:443", URL_USE, "wss://a/", 1},
    /* paths */
    {"wss://a/", URL_USE, "wss://a", 1},
    {"wss://a/", URL_USE, "wss://a/b", 0},
    {"wss://a/", URL_USE, "wss://a/?q", 1},
    {"wss://a/*", URL_USE, "wss://a", 1},
    {"wss://a/*", URL_USE, "wss://a/b/c?d", 1},
    {"wss://a/ch%61t", URL_USE, "wss://a/chat", 1},
    {"wss://a/%c3%a9*", URL_USE, "wss://a/%C3%A9x", 1},
    {"wss://a/%2a", URL_USE, "wss://a/%2A", 1},
    {"wss://a/%2a", URL_USE, "wss://a/*", 0},
    {"wss://a/x*", URL_USE, "wss://a/X", 0},
    {"wss://a/*/b", URL_USE, "wss://a/x/y/b", 1},
    {"wss://a/*/b", URL_USE, "wss://a/b", 0},
    {"wss://a/*b*c*", URL_USE, "wss://a/xbxcx", 1},
    {"wss://a/*b*c*", URL_USE, "wss://a/xcxbx", 0},
    {"wss://a/**/b", URL_USE, "wss://a/x/b", 1},
    {"wss://a/*aab", URL_USE, "wss://a/aaab", 1},
    {"wss://a/a*a", URL_USE, "wss://a/a", 0},
    {"wss://a/a*a", URL_USE, "wss://a/aa", 1},
    {"wss://a/ab*ba", URL_USE, "wss://a/aba", 0},
    {"wss://a/*ab*ab", URL_USE, "wss://a/abab", 1},
    {"wss://a/*ab*ab", URL_USE, "wss://a/ab", 0},
    /* queries */
    {"wss://a/s?", URL_USE, "wss://a/s", 1},
    {"wss://a/s?", URL_USE, "wss://a/s?", 1},
    {"wss://a/s?", URL_USE, "wss://a/s?x", 0},
    {"wss://a/s?*", URL_USE, "wss://a/s", 0},
    {"wss://a/s?*", URL_USE, "wss://a/s?", 1},
    {"wss://a/s?*", URL_USE, "wss://a/s?x", 1},
    {"wss://a/s?x=%7e", URL_USE, "wss://a/s?x=~", 1},
    {"wss://a/s?x=%2f", URL_USE, "wss://a/s?x=%2F", 1},
    {"wss://a/s?x=%2f", URL_USE, "wss://a/s?x=/", 0},
    {"wss://a?v=2", URL_USE, "wss://a/any?v=2", 1},
    {"wss://a?v=2", URL_USE, "wss://a/any?v=22", 0},
    {"wss://a?", URL_USE, "wss://a/any", 1},
    {"wss://a?", URL_USE, "wss://a/any?x", 0},
    {"wss://a?v**", COMPAT, "wss://a/any?v=1", 1},
    {"wss://a/?x?y/*", URL_USE, "wss://a/?x?y/z", 1},
    /* compatibility readings in an allow */
    {"wss://host*", COMPAT, "wss://host/x", 1},
    {"wss://host*", COMPAT, "wss://host.evil.com/x", 0},
    {"wss://host*", COMPAT, "wss://hostile/", 0},
    {"wss://host.*", COMPAT, "wss://host/x", 1},
    {"wss://host.*", COMPAT, "wss://host.evil.com/x", 0},
    {"wss://host:8*", COMPAT, "wss://host:8/", 1},
    {"wss://host:8*", COMPAT, "wss://host:80/", 0},
    {"wss://[::1]*", COMPAT, "wss://[::1]/", 1},
    {"wss*", COMPAT, "wss://a/", 1},
    {"wss*", COMPAT, "ws://a/", 0},
    {"wss*", COMPAT, "wss://10.0.0.1/", 0},
    {"ws*", COMPAT, "wss://a/", 1},
    {"wss://a?v*", COMPAT, "wss://a/?v=1", 1},
    {"wss://a?v*", COMPAT, "wss://a/admin?v=1", 0},
    /* denies never deny less than a prefix of the raw text */
    {"wss://*", DENY, "wss://10.0.0.1/", 1},
    {"wss://*", DENY, "wss://[::1]:99/", 1},
    {"wss://*", DENY, "wss://a:99/", 1},
    {"wss://*", DENY, "ws://a/", 0},
    {"*://*", DENY, "ws://10.0.0.1:99/", 1},
    {"wss://host*", DENY, "wss://host/", 1},
    {"wss://host*", DENY, "wss://host.evil.com:8443/x?y", 1},
    {"wss://HOST*", DENY, "wss://hostile/", 1},
    {"wss://host*", DENY, "wss://hos/", 0},
    {"wss://host*", DENY, "ws://host/", 0},
    {"wss://host.*", DENY, "wss://host/", 1},
    {"wss://host.*", DENY, "wss://host.a/", 1},
    {"wss://host.*", DENY, "wss://hostile/", 1},
    {"wss://host:44*", DENY, "wss://host/", 1},
    {"wss://host:44*", DENY, "wss://host:4400/", 1},
    {"wss://host:44*", DENY, "wss://host:8443/", 0},
    {"wss://host.:44*", DENY, "wss://host/", 1},
    {"wss://host.:44*", DENY, "wss://host.x/", 0},
    {"wss://host:*", DENY, "wss://host/", 1},
    {"wss://10.0.*", DENY, "wss://10.0.0.1/", 1},
    {"wss://10.0.*", DENY, "wss://10.1.0.1/", 0},
    {"wss://[0::1]*", DENY, "wss://[::1]:99/", 1},
    {"wss://[0::1]:9*", DENY, "wss://[::1]:99/", 1},
    {"wss://[0::1]:9*", DENY, "wss://[::1]:89/", 0},
    {"wss://host/a.*", DENY, "wss://host/ab", 1},
    {"wss://host/a.*", DENY, "wss://host/a", 1},
    {"wss://host/.*", DENY, "wss://host/", 1},
    {"wss://host/.*", DENY, "wss://host/x?y", 1},
    {"wss://host/a?v=1.*", DENY, "wss://host/a?v=12", 1},
    {"wss://host?v*", DENY, "wss://host/?v", 1},
    {"wss://host?v*", DENY, "wss://host/x?v", 1},
    {"ws*", DENY, "wss://10.0.0.1:9/x", 1},
    {"WSS:/*", DENY, "wss://a/", 1},
    {"WSS:/*", DENY, "ws://a/", 0},
    {"wss://*.example.com", DENY, "wss://a.example.com/", 1},
    {"wss://*.example.com/*", DENY, "wss://a.example.com:444/", 0},
    /* text patterns where any action may ask */
    {"wss://a/*", ALL, "wss://a/x", 1},
    {"document:*", ALL, "wss://a/x", 0},
    {"10.0.0.0/8", ALL, "wss://10.0.0.1/", 0},
};

START_TEST(matches_urls) {
  unit_each(row, urls) {
    struct pattern p = compile(row->pattern, row->use);
    ck_assert_msg(match_url(&p, row->url) == row->matches, "%s and %s",
                  row->pattern, row->url);
    check_written(&p, row->use);
  }
}
END_TEST

/* Without a parsed URL the answer is the same; a broken one is an error. */
START_TEST(parses_urls_itself) {
  struct pattern p = compile("wss://a/*", OTHER);
  struct pattern_subject s = {.text = SLICE("WSS://A:443/x")};
  struct ip ip = {.family = 4};
  ck_assert_int_eq(pattern_match(&p, &s), 1);
  s.text = SLICE("wss://b/x");
  ck_assert_int_eq(pattern_match(&p, &s), 0);
  s.text = SLICE("wss://a/../x");
  ck_assert_int_eq(pattern_match(&p, &s), ERR_INVALID);
  s.text = SLICE("document:a");
  ck_assert_int_eq(pattern_match(&p, &s), 0);
  s.text = SLICE("");
  ck_assert_int_eq(pattern_match(&p, &s), 0);
  s.text = SLICE("wss://a/x");
  s.ip = &ip;
  ck_assert_int_eq(pattern_match(&p, &s), 0);
}
END_TEST

static const struct {
  const char *pattern;
  unsigned use;
  unsigned column;
  const char *message; /* a part of it */
} mistakes[] = {
    {"stream.example.com", URL_USE, 1, "'wss://'"},
    {"http://a", URL_USE, 1, "'wss://'"},
    {"prefix*", URL_USE, 1, "'wss://'"},
    {"wss://host*", URL_USE, 11, "expected 'wss://host/*'"},
    {"wss://host.*", URL_USE, 12, "expected 'wss://host/*'"},
    {"wss://host:8*", URL_USE, 13, "expected 'wss://host:8/*'"},
    {"wss://[::1]*", URL_USE, 12, "expected 'wss://[::1]/*'"},
    {"*://host*", URL_USE, 9, "expected '*://host/*'"},
    {"*://host*", COMPAT, 9, "expected '*://host/*'"},
    {"wss://10.0.*", URL_USE, 12, "expected a whole host"},
    {"wss://10.0.*", COMPAT, 12, "expected a whole host"},
    {"wss://[2001:*", URL_USE, 13, "expected a whole host"},
    {"wss://[2001:*", DENY, 13, "IPv6"},
    {"wss://[::1]x*", DENY, 12, "':'"},
    {"wss://a%2e*", DENY, 8, "'%'"},
    {"wss://a:b*", DENY, 9, "port"},
    {"wss://a:123456*", DENY, 14, "port"},
    {"wss*", URL_USE, 4, "expected 'wss://*'"},
    {"w*", URL_USE, 2, "expected '*://*'"},
    {"ws:*", URL_USE, 4, "expected 'ws://*'"},
    {"wss*", ALL, 4, "expected 'wss://*'"},
    {"wss://a?v=2*", URL_USE, 8, "'wss://a/?v=2*'"},
    {"wss://", URL_USE, 7, "no host"},
    {"wss:///x", URL_USE, 7, "no host"},
    {"wss://:80", URL_USE, 7, "no host"},
    {"wss://*.", URL_USE, 9, "no host"},
    {"wss://*.1.2.3.4", URL_USE, 9, "address"},
    {"wss://*.1", URL_USE, 9, "IPv4"},
    {"wss://*.[::1]", URL_USE, 9, "address"},
    {"wss://**", URL_USE, 7, "'*' inside the host"},
    {"wss://a*.b", URL_USE, 8, "'*' inside the host"},
    {"wss://a.*.b", URL_USE, 9, "'*' inside the host"},
    {"wss://*a", URL_USE, 7, "'*' inside the host"},
    {"wss://*.a*", URL_USE, 10, "'*' inside the host"},
    {"wss://*.*.a", URL_USE, 9, "'*' inside the host"},
    {"wss://a b", URL_USE, 8, "space"},
    {"wss://a/\\", URL_USE, 9, "backslash"},
    {"wss://u@a", URL_USE, 8, "user name"},
    {"wss://a/#x", URL_USE, 9, "fragment"},
    {"wss://b\xc3\xbc.de/*", URL_USE, 8, "'xn--b-eha.de'"},
    {"wss://127.1", URL_USE, 7, "IPv4"},
    {"wss://[::ffff:1.2.3.4]", URL_USE, 8, "IPv4"},
    {"wss://a:", URL_USE, 9, "port"},
    {"wss://a:0", URL_USE, 9, "port"},
    {"wss://a:080", URL_USE, 9, "port"},
    {"wss://a:65536", URL_USE, 9, "port"},
    {"wss://a:9-8", URL_USE, 9, "'8-9'"},
    {"wss://a:8-", URL_USE, 11, "port"},
    {"wss://a:-8", URL_USE, 9, "port"},
    {"wss://a:8-9-10", URL_USE, 11, "port"},
    {"wss://a:8*/x", URL_USE, 9, "port"},
    {"wss://a:**", URL_USE, 9, "port"},
    {"wss://a/../b", URL_USE, 10, "segment"},
    {"wss://a/%2e%2e/b*", URL_USE, 14, "segment"},
    {"wss://a//b", URL_USE, 9, "empty segment"},
    {"wss://a/*//b", URL_USE, 11, "empty segment"},
    {"wss://a/%2f", URL_USE, 9, "'/'"},
    {"wss://a/%4*", URL_USE, 9, "'%'"},
    {"wss://a/%00", URL_USE, 9, "control"},
    {"wss://a/<", URL_USE, 9, "'%3C'"},
    {"wss://a/?<", URL_USE, 10, "'%3C'"},
    {"wss://a/?%zz", URL_USE, 10, "'%'"},
    {"wss://a/*a*a*a*a*a*a*a*a*", URL_USE, 25, "at most 8"},
    {"wss://a/?*a*a*a*a*a*a*a*a*", URL_USE, 26, "at most 8"},
    {"10.0.0.0/8", URL_USE, 1, "no URL pattern"},
    /* addresses */
    {"wss://a", ADDR, 1, "no address pattern"},
    {"10.20.*", ADDR, 1, "expected '10.20.0.0/16'"},
    {"10.*", ADDR, 1, "expected '10.0.0.0/8'"},
    {"fd00::/8", ADDR, 1, "expected '[fd00::]/8'"},
    {"10.20.1.0/16", ADDR, 1, "expected '10.20.0.0/16'"},
    {"[fd00::1]/8", ADDR, 1, "expected '[fd00::]/8'"},
    {"10.0.0.0/33", ADDR, 10, "from 0 to 32"},
    {"10.0.0.0/08", ADDR, 10, "from 0 to 32"},
    {"10.0.0.0/", ADDR, 10, "from 0 to 32"},
    {"[::]/129", ADDR, 6, "from 0 to 128"},
    {"10.0.0/8", ADDR, 1, "no address pattern"},
    {"010.0.0.0/8", ADDR, 1, "no address pattern"},
    {"10.0.0.0/8:0", ADDR, 12, "port"},
    {"10.0.0.0/8:", ADDR, 12, "port"},
    {"[::]x", ADDR, 5, "no address pattern"},
    {"[::", ADDR, 1, "no address pattern"},
    {"class:privat", ADDR, 7, "'private'"},
    {"class:", ADDR, 7, "one of public"},
    {"private", ADDR, 1, "'class:private'"},
    /* text */
    {"a*b", OTHER, 2, "at the end"},
    {"**", OTHER, 1, "at the end"},
    {"a**", OTHER, 2, "at the end"},
};

START_TEST(explains_mistakes) {
  unit_each(row, mistakes) {
    struct pattern p;
    struct err e, warning;
    struct slice s = slice_of(row->pattern);
    int rv = pattern_compile_resource(&p, s, row->use, &arena, &warning, &e);
    ck_assert_msg(rv == ERR_SYNTAX, "%s: %d", row->pattern, rv);
    ck_assert_int_eq(e.code, ERR_SYNTAX);
    ck_assert_msg(e.column == row->column, "%s: column %u: %s", row->pattern,
                  e.column, e.message);
    ck_assert_msg(strstr(e.message, row->message) != NULL, "%s: %s",
                  row->pattern, e.message);
    ck_assert_int_eq(
        pattern_compile_resource(&p, s, row->use, &arena, NULL, NULL), rv);
  }
}
END_TEST

START_TEST(warns_of_other_readings) {
  static const struct {
    const char *pattern;
    unsigned use;
    bool warns;
  } cases[] = {
      {"wss://host/*", URL_USE, false},
      {"wss://host*", COMPAT, true},
      {"wss://host*", DENY, true},
      {"wss*", COMPAT, true},
      {"wss://a?v*", COMPAT, true},
      {"wss://*", DENY, false},
      {"wss://*", COMPAT, false},
      {"name.*", OTHER, false},
      {"name.*", OTHER | PATTERN_IN_DENY, true},
  };
  unit_each(row, cases) {
    struct pattern p;
    struct err warning;
    ck_assert_int_eq(pattern_compile_resource(&p, slice_of(row->pattern),
                                              row->use, &arena, &warning, NULL),
                     0);
    ck_assert_msg((warning.code != 0) == row->warns, "%s: %s", row->pattern,
                  warning.message);
  }
}
END_TEST

static const struct {
  const char *pattern;
  const char *text;
  bool matches;
} texts[] = {
    {"*", "", true},
    {"*", "anything", true},
    {"a", "a", true},
    {"a", "A", false},
    {"a", "ab", false},
    {"a*", "a", true},
    {"a*", "abc", true},
    {"a*", "ba", false},
    {"doc.*", "doc.x", true},
    {"doc.*", "doc.", true},
    {"doc.*", "doc", false},
    {"doc.*", "docx", false},
    {"doc:*", "doc:1:2", true},
    {"doc:*", "doc", false},
    {"doc/*", "doc/1/2", true},
    {"doc/*", "docs/1", false},
};

START_TEST(matches_text) {
  unit_each(row, texts) {
    struct pattern_subject s = {.text = slice_of(row->text)};
    struct pattern action, resource = compile(row->pattern, OTHER);
    ck_assert_int_eq(
        pattern_compile_action(&action, slice_of(row->pattern), &arena, NULL),
        0);
    ck_assert_msg(pattern_match_text(&action, s.text) == row->matches,
                  "%s and %s", row->pattern, row->text);
    ck_assert_int_eq(pattern_match(&resource, &s), row->matches);
    check_written(&resource, OTHER);
  }
}
END_TEST

START_TEST(knows_the_empty_and_the_zeroed) {
  struct pattern never, empty = compile("", OTHER);
  struct pattern_subject s = {.text = SLICE("")};
  struct err e;
  memset(&never, 0, sizeof never);
  ck_assert_int_eq(pattern_match(&empty, &s), 1);
  ck_assert_int_eq(pattern_match(&never, &s), 0);
  ck_assert(!pattern_match_text(&never, s.text));
  s.text = SLICE("x");
  ck_assert_int_eq(pattern_match(&empty, &s), 0);
  ck_assert_int_eq(pattern_match(&never, &s), 0);
  ck_assert_int_eq(
      pattern_compile_action(&never, (struct slice){NULL, 0}, &arena, &e),
      ERR_SYNTAX);
  ck_assert_int_eq(pattern_compile_action(&never, SLICE("a.*.b"), &arena, &e),
                   ERR_SYNTAX);
  ck_assert_uint_eq(e.column, 3);
}
END_TEST

/* Nobody asks for them: a deny of one would never deny. */
START_TEST(refuses_actions_with_something_around) {
  static const struct {
    struct slice action;
    unsigned column;
  } cases[] = {
      {{"websocket.connect.url\n", 22}, 22},
      {{"websocket.connect\0", 18}, 18},
      {{" websocket.connect", 18}, 1},
      {{"websocket.connect ", 18}, 18},
      {{"a\tb", 3}, 2},
      {{"a\x7f*", 3}, 2},
      {{" ", 1}, 1},
  };
  struct pattern p;
  struct err e;
  unit_each(row, cases) {
    ck_assert_int_eq(pattern_compile_action(&p, row->action, &arena, &e),
                     ERR_SYNTAX);
    ck_assert_uint_eq(e.column, row->column);
  }
  ck_assert_int_eq(pattern_compile_action(&p, SLICE("a b"), &arena, &e), 0);
}
END_TEST

START_TEST(tells_what_actions_ask) {
  static const struct {
    const char *action;
    unsigned use;
  } cases[] = {
      {"*", ALL},
      {"websocket.connect", PATTERN_FOR_CONNECT},
      {"websocket.connect.url", PATTERN_FOR_URL},
      {"websocket.connect.address", ADDR},
      {"websocket.connect.*", PATTERN_FOR_URL | ADDR},
      {"websocket.connect*", URL_USE | ADDR},
      {"websocket.*", ALL},
      {"websocket.connect.u*", PATTERN_FOR_URL},
      {"w*", ALL},
      {"security.*", OTHER},
      {"websocket.listen", OTHER},
  };
  unit_each(row, cases) {
    struct pattern p;
    ck_assert_int_eq(
        pattern_compile_action(&p, slice_of(row->action), &arena, NULL), 0);
    ck_assert_msg(pattern_action_use(&p) == row->use, "%s", row->action);
  }
}
END_TEST

/* The index judges a guard's action by these bits alone. */
START_TEST(use_is_what_matches) {
  static const struct {
    const char *name;
    unsigned bit;
  } guards[] = {{"websocket.connect", PATTERN_FOR_CONNECT},
                {"websocket.connect.url", PATTERN_FOR_URL},
                {"websocket.connect.address", PATTERN_FOR_ADDRESS}};
  static const char *const tails[] = {"", "*", ".*", "x", "x*", ":*"};
  unit_each(guard, guards) {
    for (size_t n = 0; n <= strlen(guard->name); n++) {
      unit_each(tail, tails) {
        struct pattern p;
        char text[64];
        snprintf(text, sizeof text, "%.*s%s", (int)n, guard->name, *tail);
        ck_assert_int_eq(
            pattern_compile_action(&p, slice_of(text), &arena, NULL),
            text[0] ? 0 : ERR_SYNTAX);
        if (!text[0])
          continue;
        unit_each(g, guards) {
          bool matches = pattern_match_text(&p, slice_of(g->name));
          ck_assert_msg(matches == ((pattern_action_use(&p) & g->bit) != 0),
                        "%s of %s", text, g->name);
        }
        ck_assert_msg(pattern_is_guard(slice_of(text)) ==
                              (n == strlen(guard->name) && !**tail) ||
                          strcmp(text, guards[0].name) == 0,
                      "%s", text);
      }
    }
  }
}
END_TEST

static const struct {
  const char *pattern;
  unsigned use;
  const char *address;
  int matches;
} addresses[] = {
    {"*", ADDR, "10.0.0.1:443", 1},
    {"", ADDR, "10.0.0.1:443", 0},
    {"10.20.0.0/16", ADDR, "10.20.255.255:1", 1},
    {"10.20.0.0/16", ADDR, "10.21.0.0:1", 0},
    {"10.20.0.0/16:8443", ADDR, "10.20.0.1:8443", 1},
    {"10.20.0.0/16:8443", ADDR, "10.20.0.1:443", 0},
    {"10.20.0.0/16:8000-8999", ADDR, "10.20.0.1:8443", 1},
    {"10.20.0.0/16:*", ADDR, "10.20.0.1:1", 1},
    {"10.20.3.4", ADDR, "10.20.3.4:443", 1},
    {"10.20.3.4:443", ADDR, "10.20.3.4:443", 1},
    {"10.20.3.4:443", ADDR, "10.20.3.5:443", 0},
    {"0.0.0.0/0", ADDR, "8.8.8.8:443", 1},
    {"0.0.0.0/0", ADDR, "[2600::1]:443", 0},
    {"[fd00::]/8", ADDR, "[fd12::1]:443", 1},
    {"[fd00::]/8:443", ADDR, "[fd12::1]:443", 1},
    {"[fd00::]/8", ADDR, "[fe80::1]:443", 0},
    {"[::1]", ADDR, "[::1]:443", 1},
    {"[::]/0", ADDR, "10.0.0.1:1", 0},
    {"class:private", ADDR, "10.0.0.1:443", 1},
    {"class:private", ADDR, "8.8.8.8:443", 0},
    {"class:private", ADDR, "[fd00::1]:443", 1},
    {"class:embedded_v4", ADDR, "[::ffff:10.0.0.1]:443", 1},
    /* an allow of an IPv4 block is for IPv4; a deny goes where packets go */
    {"10.0.0.0/8", ADDR, "[::ffff:10.0.0.1]:443", 0},
    {"10.0.0.0/8", ADDR | PATTERN_IN_DENY, "[::ffff:10.0.0.1]:443", 1},
    {"10.0.0.0/8", ADDR | PATTERN_IN_DENY, "[64:ff9b::a00:1]:443", 1},
    {"10.0.0.0/8:80", ADDR | PATTERN_IN_DENY, "[64:ff9b::a00:1]:443", 0},
    {"class:private", ADDR, "[::ffff:10.0.0.1]:443", 0},
    {"class:private", ADDR | PATTERN_IN_DENY, "[2002:a00:1::]:443", 1},
    {"class:loopback", ADDR | PATTERN_IN_DENY, "[::7f00:1]:443", 1},
    {"class:public", ADDR | PATTERN_IN_DENY, "[2002:a00:1::]:443", 0},
    {"class:private", ADDR | PATTERN_IN_DENY, "[64:ff9b:1::a00:1]:443", 1},
    /* connecting to the unspecified address leads to this machine */
    {"class:loopback", ADDR, "0.0.0.0:80", 0},
    {"class:loopback", ADDR | PATTERN_IN_DENY, "0.0.0.0:80", 1},
    {"class:loopback", ADDR | PATTERN_IN_DENY, "[::]:80", 1},
    {"class:loopback", ADDR | PATTERN_IN_DENY, "0.0.0.1:80", 0},
    {"127.0.0.0/8", ADDR | PATTERN_IN_DENY, "0.0.0.0:80", 1},
    {"127.0.0.0/8", ADDR | PATTERN_IN_DENY, "[::ffff:0.0.0.0]:80", 1},
    {"127.0.0.0/8:81", ADDR | PATTERN_IN_DENY, "0.0.0.0:80", 0},
    {"[::1]", ADDR | PATTERN_IN_DENY, "[::]:80", 1},
    {"[::1]", ADDR, "[::]:80", 0},
    /* beside other actions */
    {"10.0.0.0/8", ALL, "10.0.0.1:443", 1},
    /* a text is no block: an allow opens no address by it */
    {"10.0.0.1*", ALL, "10.0.0.17:443", 0},
    {"1*", ALL, "169.254.169.254:80", 0},
    {"10.0.0.1*", ALL | PATTERN_IN_DENY, "10.0.0.17:443", 1},
    {"10.0.0.1:443", ALL, "10.0.0.1:443", 1},
    {"class:private", URL_USE | ADDR, "10.0.0.1:443", 1},
    {"wss://10.0.0.1/*", URL_USE | ADDR, "10.0.0.1:443", 0},
};

START_TEST(matches_addresses) {
  unit_each(row, addresses) {
    struct pattern p = compile(row->pattern, row->use);
    struct ip ip;
    struct pattern_subject s = {.text = slice_of(row->address), .ip = &ip};
    ck_assert_int_eq(ip_parse_port(s.text, &ip, &s.port), 0);
    ck_assert_msg(pattern_match(&p, &s) == row->matches, "%s and %s",
                  row->pattern, row->address);
    check_written(&p, row->use);
  }
}
END_TEST

/* A host module's own action whose resource only looks like a block. */
START_TEST(takes_blocks_as_text_too) {
  struct pattern p = compile("10.0.0.0/8", ALL);
  struct pattern_subject s = {.text = SLICE("10.0.0.0/8")};
  ck_assert_int_eq(pattern_match(&p, &s), 1);
  s.text = SLICE("10.0.0.1");
  ck_assert_int_eq(pattern_match(&p, &s), 0);
}
END_TEST

/* The definition of '*', for comparison. */
static bool slow_glob(const char *p, const char *s) {
  if (*p == '\0')
    return *s == '\0';
  if (*p == '*')
    return slow_glob(p + 1, s) || (*s && slow_glob(p, s + 1));
  return *s == *p && slow_glob(p + 1, s + 1);
}

/* The |n|-th text over |alphabet|. */
static void nth_text(char *out, size_t n, const char *alphabet) {
  size_t k = strlen(alphabet);
  for (; n > 0; n = (n - 1) / k)
    *out++ = alphabet[(n - 1) % k];
  *out = '\0';
}

START_TEST(globs_as_defined) {
  static struct url subjects[127];
  char text[64];
  for (size_t i = 0; i < unit_len(subjects); i++) {
    memcpy(text, "wss://h/x", 9);
    nth_text(text + 9, i, "ab");
    ck_assert_int_eq(url_parse(&subjects[i], slice_of(text), NULL, NULL), 0);
  }
  for (size_t i = 0; i < 1093; i++) {
    struct pattern p;
    memcpy(text, "wss://h/x", 9);
    nth_text(text + 9, i, "ab*");
    p = compile(text, PATTERN_FOR_URL);
    for (size_t j = 0; j < unit_len(subjects); j++) {
      struct pattern_subject s = {.url = &subjects[j],
                                  .text = {subjects[j].text, subjects[j].len}};
      bool want = slow_glob(text + 7, subjects[j].text + 7);
      ck_assert_msg(pattern_match(&p, &s) == want, "%s and %s", text,
                    subjects[j].text);
    }
  }
}
END_TEST

/* A deny of a raw prefix hits every URL whose raw text, in any spelling, has
 * that prefix.  (With a second star the pattern is a new one: the original took
 * that star for itself, and no URL of the world has it.) */
START_TEST(denies_every_raw_prefix) {
  static const char *const raws[] = {
      "wss://host.example:443/a/b?c=d", "wss://host.example.:443/a.b/c?d.e",
      "wss://host.example/%7Ea/x?y=z",  "ws://10.0.0.1:8080/a",
      "ws://10.0.0.1.:80/a?b?c",        "wss://[::1]:8443/a.b",
      "wss://a-b.c_d.example:1?x.y",    "wss://a/b/",
  };
  unit_each(raw, raws) {
    for (size_t n = 1; n <= strlen(*raw); n++) {
      for (int dot = 0; dot < 2; dot++) {
        char text[128];
        struct pattern p;
        struct err e;
        int rv;
        /* "prefix*", and "prefix.*", of which the original dropped the dot */
        snprintf(text, sizeof text, "%.*s%s*", (int)n, *raw, dot ? "." : "");
        rv = pattern_compile_resource(&p, slice_of(text), DENY, &arena, NULL,
                                      &e);
        if (rv != 0) /* refusing to load denies everything */
          continue;
        ck_assert_msg(match_url(&p, *raw) == 1, "%s and %s", text, *raw);
        check_written(&p, DENY);
      }
    }
  }
}
END_TEST

/* ... and an allow of one never hits a URL that has not that prefix. */
START_TEST(allows_no_more_than_the_raw_prefix) {
  static const char *const canonical[] = {
      "wss://host/",      "wss://host/a",     "wss://host/a?b",
      "wss://host:444/",  "wss://host.evil/", "wss://hostile/",
      "wss://host/?b=1",  "wss://host/b?b=1", "ws://host/",
      "wss://10.0.0.1/",  "wss://[::1]/",     "wss://[::1]:444/",
      "wss://host/a.b/c", "wss://host/ab",    "ws://host:443/",
  };
  unit_each(from, canonical) {
    for (size_t n = 1; n <= strlen(*from); n++) {
      char text[128];
      struct pattern p;
      snprintf(text, sizeof text, "%.*s*", (int)n, *from);
      if (pattern_compile_resource(&p, slice_of(text), COMPAT, &arena, NULL,
                                   NULL) != 0)
        continue;
      unit_each(to, canonical) {
        /* with its default port written out the URL may have the prefix */
        size_t raw = n - (text[n - 1] == '.'); /* dropped in the original */
        bool had =
            strncmp(*to, *from, raw) == 0 || (n > 6 && strchr(text + 6, ':'));
        ck_assert_msg(match_url(&p, *to) != 1 || had, "%s and %s", text, *to);
      }
    }
  }
}
END_TEST

START_TEST(names_the_nearest_miss) {
  static const struct {
    const char *pattern;
    const char *url;
    unsigned parts;
    const char *wants;
  } cases[] = {
      {"wss://a.b", "wss://a.b/", 0, ""},
      {"wss://a.b", "wss://a.b:8443/", PATTERN_PART_PORT, "port 443"},
      {"ws://a.b", "ws://a.b:8443/", PATTERN_PART_PORT, "port 80"},
      {"*://a.b", "ws://a.b:8443/", PATTERN_PART_PORT,
       "port 80 (ws) or 443 (wss)"},
      {"wss://a.b:8000-8999", "wss://a.b/", PATTERN_PART_PORT,
       "port 8000-8999"},
      {"wss://a.b", "ws://a.b:443/", PATTERN_PART_SCHEME, "scheme wss"},
      {"wss://*.b", "wss://b/", PATTERN_PART_HOST, "host *.b"},
      {"wss://*", "wss://1.2.3.4/", PATTERN_PART_HOST,
       "host * (a name, never an address)"},
      {"wss://a/x/*?", "wss://a/y?z", PATTERN_PART_PATH | PATTERN_PART_QUERY,
       "path /x/* and no query"},
      {"wss://a:1/x?v=*", "wss://b/y?z",
       PATTERN_PART_HOST | PATTERN_PART_PORT | PATTERN_PART_PATH |
           PATTERN_PART_QUERY,
       "host a, port 1, path /x and query v=*"},
      {"document:*", "wss://a/", PATTERN_PART_RESOURCE,
       "resource \"document:*\""},
      {"10.0.0.0/8", "wss://a/", PATTERN_PART_RESOURCE,
       "resource \"10.0.0.0/8\""},
  };
  unit_each(row, cases) {
    struct pattern p = compile(row->pattern, ALL);
    struct url u;
    struct pattern_subject s = {.url = &u};
    struct buf out;
    unsigned near = 5000, parts;
    ck_assert_int_eq(url_parse(&u, slice_of(row->url), NULL, NULL), 0);
    s.text = (struct slice){u.text, u.len};
    parts = pattern_miss(&p, &s, &near);
    ck_assert_msg(parts == row->parts, "%s and %s: %x", row->pattern, row->url,
                  parts);
    ck_assert_uint_le(near, 1000);
    ck_assert_int_eq(near == 1000, parts == 0);
    s.url = NULL; /* found out by itself */
    ck_assert_uint_eq(pattern_miss(&p, &s, NULL), parts);
    buf_init(&out, &mem_libc, 1000);
    ck_assert_int_eq(pattern_write_wants(&p, parts, &out), 0);
    ck_assert_slice_eq(buf_slice(&out), row->wants);
    buf_deinit(&out);
    for (size_t max = 0; max < strlen(row->wants); max++) {
      buf_init(&out, &mem_libc, max);
      ck_assert_int_eq(pattern_write_wants(&p, parts, &out), ERR_FULL);
      ck_assert_uint_eq(out.len, 0);
      buf_deinit(&out);
    }
  }
}
END_TEST

static unsigned closeness(const char *pattern, const char *url) {
  struct pattern p = compile(pattern, PATTERN_FOR_URL);
  struct url u;
  struct pattern_subject s = {.url = &u};
  unsigned near;
  ck_assert_int_eq(url_parse(&u, slice_of(url), NULL, NULL), 0);
  s.text = (struct slice){u.text, u.len};
  pattern_miss(&p, &s, &near);
  return near;
}

START_TEST(orders_misses) {
  static const struct {
    const char *near;
    const char *far;
  } cases[] = {
      /* for wss://api.example.com:8443/v1 */
      {"wss://api.example.com", "wss://other.example.com:8443/v1"},
      {"wss://api.example.com", "ws://api.example.com/v2"},
      {"wss://api.example.com/v1", "wss://api.example.com/x/y"},
      {"wss://*.api.example.com:8443", "wss://*.test:8443"},
      {"wss://apj.example.com:8443", "wss://elsewhere.test:8443"},
      {"wss://api.example.com:1", "wss://api.example.com:1/zzz"},
  };
  unit_each(row, cases) {
    const char *url = "wss://api.example.com:8443/v1";
    ck_assert_msg(closeness(row->near, url) > closeness(row->far, url),
                  "%s and %s", row->near, row->far);
  }
}
END_TEST

START_TEST(misses_addresses) {
  struct pattern p = compile("10.0.0.0/8:80-90", ADDR);
  struct ip ip;
  struct pattern_subject s = {.text = SLICE("10.0.0.1:443"), .ip = &ip};
  struct buf out;
  unsigned near;
  ck_assert_int_eq(ip_parse_port(s.text, &ip, &s.port), 0);
  ck_assert_uint_eq(pattern_miss(&p, &s, &near), PATTERN_PART_PORT);
  buf_init(&out, &mem_libc, 100);
  ck_assert_int_eq(pattern_write_wants(&p, PATTERN_PART_PORT, &out), 0);
  ck_assert_slice_eq(buf_slice(&out), "port 80-90");
  buf_clear(&out);
  ip.bytes[0] = 11;
  ck_assert_uint_eq(pattern_miss(&p, &s, NULL), PATTERN_PART_ADDRESS);
  ck_assert_int_eq(pattern_write_wants(&p, PATTERN_PART_ADDRESS, &out), 0);
  ck_assert_slice_eq(buf_slice(&out), "address 10.0.0.0/8:80-90");
  buf_deinit(&out);
  ck_assert_str_eq(pattern_part_name(PATTERN_PART_ADDRESS), "address");
  ck_assert_str_eq(pattern_part_name(PATTERN_PART_QUERY), "query");
}
END_TEST

START_TEST(tells_literal_hosts) {
  static const struct {
    const char *pattern;
    enum pattern_naming naming;
  } cases[] = {
      {"*", PATTERN_NAMES_NONE},
      {"", PATTERN_NAMES_NONE},
      {"wss://*", PATTERN_NAMES_NONE},
      {"wss://*.localhost", PATTERN_NAMES_NONE},
      {"wss://a.example", PATTERN_NAMES_HOST},
      {"wss://10.0.0.1:*/x*", PATTERN_NAMES_HOST},
      {"wss://[fd00::1]", PATTERN_NAMES_HOST},
      {"wss://[::]", PATTERN_NAMES_HOST},
      {"wss://0.0.0.0", PATTERN_NAMES_HOST},
      {"wss://localhost.", PATTERN_NAMES_LOCAL},
      {"wss://localhost.evil", PATTERN_NAMES_HOST},
      {"wss://a.localhost", PATTERN_NAMES_HOST},
      {"wss://127.9.9.9", PATTERN_NAMES_LOCAL},
      {"wss://[0::1]", PATTERN_NAMES_LOCAL},
  };
  struct pattern text = compile("localhost", OTHER);
  unit_each(row, cases) {
    struct pattern p = compile(row->pattern, URL_USE);
    ck_assert_msg(pattern_naming(&p) == row->naming, "%s", row->pattern);
  }
  ck_assert_int_eq(pattern_naming(&text), PATTERN_NAMES_NONE);
}
END_TEST

START_TEST(survives_failing_memory) {
  static const struct {
    const char *pattern;
    unsigned use;
  } cases[] = {
      {"wss://A.b/%61/*?%62*", URL_USE},
      {"wss://host*", COMPAT},
      {"wss://HOST*", DENY},
      {"wss://host/a.*", DENY},
      {"WSS*", DENY},
      {"ws*", COMPAT},
      {"10.0.0.0/8", ADDR},
      {"doc:*", ALL},
      {"wss://a?v*", COMPAT},
      {"*", ALL},
  };
  unit_each(row, cases) {
    int rv = ERR_NOMEM;
    for (size_t n = 0; rv == ERR_NOMEM; n++) {
      struct arena a;
      /* the arena takes blocks: bound its bytes instead of its requests */
      arena_init(&a, &mem_libc, n * 8);
      struct pattern p;
      struct err e, w;
      rv = pattern_compile_resource(&p, slice_of(row->pattern), row->use, &a,
                                    &w, &e);
      ck_assert(rv == 0 || (rv == ERR_NOMEM && e.code == ERR_NOMEM));
      arena_deinit(&a);
    }
    ck_assert_int_eq(rv, 0);
    for (size_t n = 0;; n++) {
      struct failing_mem f;
      struct arena a;
      struct pattern p;
      failing_mem_init(&f, n);
      arena_init(&a, &f.mem, SIZE_MAX);
      rv = pattern_compile_resource(&p, slice_of(row->pattern), row->use, &a,
                                    NULL, NULL);
      arena_deinit(&a);
      ck_assert_uint_eq(f.live_bytes, 0);
      if (f.refused == 0)
        break;
      ck_assert_int_eq(rv, ERR_NOMEM);
    }
  }
}
END_TEST

/* The longest there can be, and one byte more. */
START_TEST(bounds_patterns) {
  static char text[URL_MAX_BYTES + 2];
  struct pattern p;
  struct err e;
  memset(text, 'a', sizeof text);
  memcpy(text, "wss://a/", 8);
  ck_assert_int_eq(pattern_compile_resource(&p,
                                            (struct slice){text, URL_MAX_BYTES},
                                            URL_USE, &arena, NULL, &e),
                   0);
  ck_assert_int_eq(
      pattern_compile_resource(&p, (struct slice){text, URL_MAX_BYTES + 1},
                               URL_USE, &arena, NULL, &e),
      ERR_SYNTAX);
  memset(text, 'a', sizeof text);
  memcpy(text, "wss://", 6);
  text[URL_MAX_BYTES - 1] = '*';
  ck_assert_int_eq(pattern_compile_resource(&p,
                                            (struct slice){text, URL_MAX_BYTES},
                                            COMPAT, &arena, NULL, &e),
                   ERR_SYNTAX);
  ck_assert_int_eq(pattern_compile_resource(&p,
                                            (struct slice){text, URL_MAX_BYTES},
                                            DENY, &arena, NULL, &e),
                   0);
  ck_assert_int_eq(match_url(&p, "wss://a/"), 0);
}
END_TEST

int main(void) {
  Suite *s = suite_create("pattern");
  TCase *tc = tcase_create("pattern");

  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, matches_urls);
  tcase_add_test(tc, parses_urls_itself);
  tcase_add_test(tc, explains_mistakes);
  tcase_add_test(tc, warns_of_other_readings);
  tcase_add_test(tc, matches_text);
  tcase_add_test(tc, knows_the_empty_and_the_zeroed);
  tcase_add_test(tc, refuses_actions_with_something_around);
  tcase_add_test(tc, use_is_what_matches);
  tcase_add_test(tc, tells_what_actions_ask);
  tcase_add_test(tc, matches_addresses);
  tcase_add_test(tc, takes_blocks_as_text_too);
  tcase_add_test(tc, globs_as_defined);
  tcase_add_test(tc, denies_every_raw_prefix);
  tcase_add_test(tc, allows_no_more_than_the_raw_prefix);
  tcase_add_test(tc, names_the_nearest_miss);
  tcase_add_test(tc, orders_misses);
  tcase_add_test(tc, misses_addresses);
  tcase_add_test(tc, tells_literal_hosts);
  tcase_add_test(tc, survives_failing_memory);
  tcase_add_test(tc, bounds_patterns);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
