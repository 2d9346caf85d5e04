/* check_upgrade.c - the request's bytes; answers whole and byte by byte. */
#include "runtime/base/sha1.h"
#include "runtime/net/upgrade.h"

#include "tests/unit.h"

/* The example of RFC 6455, section 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define STATUS "HTTP/1.1 101 Switching Protocols\r\n"
#define UP "Upgrade: websocket\r\n"
#define CONN "Connection: Upgrade\r\n"
#define ACC "Sec-WebSocket-Accept: " ACCEPT "\r\n"
#define GOOD STATUS UP CONN ACC

static const struct slice offered[] = {{"chat", 4}, {"superchat", 9}};

struct answer {
  const char *text;
  int code;
  unsigned status;
  const char *why; /* part of the message */
  size_t protocol;
};

static const struct answer answers[] = {
    {GOOD "\r\n", 0, 101, NULL, 0},
    {GOOD "Sec-WebSocket-Protocol: superchat\r\n\r\n", 0, 101, NULL, 2},
    {GOOD "sec-websocket-protocol:chat\r\n\r\n", 0, 101, NULL, 1},
    {"HTTP/1.1 101 \r\n" UP CONN ACC "\r\n", 0, 101, NULL, 0},
    {STATUS "UPGRADE:WebSocket\r\nCONNECTION: keep-alive , uPgRaDe\r\n"
            "SEC-WEBSOCKET-ACCEPT:\t " ACCEPT " \t\r\n\r\n",
     0, 101, NULL, 0},
    {GOOD "Server: x\r\nDate: now\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n"
          "Content-Length: 0\r\nX: \xc3\xa9\r\nEmpty:\r\n\r\n",
     0, 101, NULL, 0},
    /* other statuses */
    {"HTTP/1.1 404 Not Found\r\n", ERR_PROTOCOL, 404, "status 404", 0},
    {"HTTP/1.0 500 Oops\r\n", ERR_PROTOCOL, 500, "status 500", 0},
    {"HTTP/1.1 301 Moved\r\n", ERR_PROTOCOL, 301, "redirects are not", 0},
    {"HTTP/1.1 200 OK\r\n", ERR_PROTOCOL, 200, "status 200", 0},
    {"HTTP/1.1 100 Continue\r\n", ERR_PROTOCOL, 100, "status 100", 0},
    {"HTTP/1.1 103 Early Hints\r\n", ERR_PROTOCOL, 103, "status 103", 0},
    {"HTTP/1.0 101 Switching Protocols\r\n", ERR_PROTOCOL, 101, "HTTP/1.0", 0},
    /* no HTTP at all: fails at the first byte that differs */
    {"S", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {"HTTP/2", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {"http", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {"\r\n", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {" H", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {"HTTP/1.2 101 x\r\n", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {"HTTP/1.1  101 x\r\n", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {"HTTP/1.1 101\r\n", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {"HTTP/1.1 1011 x\r\n", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {"HTTP/1.1 011 x\r\n", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {"HTTP/1.1 1o1 x\r\n", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    {"HTTP/1.1 10\r\n", ERR_PROTOCOL, 0, "not HTTP/1.1", 0},
    /* missing, wrong, twice */
    {STATUS CONN ACC "\r\n", ERR_PROTOCOL, 101, "lacks the Upgrade", 0},
    {STATUS UP ACC "\r\n", ERR_PROTOCOL, 101, "lacks the Connection", 0},
    {STATUS UP CONN "\r\n", ERR_PROTOCOL, 101, "lacks the Sec-WebSocket-Acc",
     0},
    {STATUS "\r\n", ERR_PROTOCOL, 101, "lacks the Upgrade", 0},
    {GOOD UP, ERR_PROTOCOL, 101, "two Upgrade", 0},
    {GOOD ACC, ERR_PROTOCOL, 101, "two Sec-WebSocket-Accept", 0},
    {STATUS "Upgrade: websocket, h2c\r\n", ERR_PROTOCOL, 101,
     "does not upgrade", 0},
    {STATUS "Upgrade: websocke\r\n", ERR_PROTOCOL, 101, "does not upgrade", 0},
    {STATUS "Upgrade:\r\n", ERR_PROTOCOL, 101, "does not upgrade", 0},
    {STATUS UP ACC "Connection: close\r\n\r\n", ERR_PROTOCOL, 101,
     "without Upgrade", 0},
    {STATUS UP ACC "Connection: Upgraded, Up grade\r\n\r\n", ERR_PROTOCOL, 101,
     "without Upgrade", 0},
    {STATUS UP ACC "Connection:\r\n\r\n", ERR_PROTOCOL, 101, "without Upgrade",
     0},
    /* the lines of a list are one list */
    {GOOD CONN "\r\n", 0, 101, NULL, 0},
    {STATUS "Connection: keep-alive\r\nX: y\r\n" CONN UP ACC "\r\n", 0, 101,
     NULL, 0},
    {GOOD "connection: keep-alive\r\nConnection:\r\n\r\n", 0, 101, NULL, 0},
    {STATUS UP ACC "Connection: keep-alive\r\nConnection: close\r\n\r\n",
     ERR_PROTOCOL, 101, "without Upgrade", 0},
    {STATUS UP ACC "Connection: Up\r\nConnection: grade\r\n\r\n", ERR_PROTOCOL,
     101, "without Upgrade", 0},
    {STATUS "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
     ERR_PROTOCOL, 101, "wrong Sec-WebSocket-Accept", 0},
    {STATUS "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo\r\n",
     ERR_PROTOCOL, 101, "wrong Sec-WebSocket-Accept", 0},
    {STATUS "Sec-WebSocket-Accept: \r\n", ERR_PROTOCOL, 101,
     "wrong Sec-WebSocket-Accept", 0},
    {STATUS "Sec-WebSocket-Accept: " ACCEPT ", " ACCEPT "\r\n", ERR_PROTOCOL,
     101, "wrong Sec-WebSocket-Accept", 0},
    /* not offered */
    {GOOD "Sec-WebSocket-Protocol: Chat\r\n", ERR_PROTOCOL, 101, "not offered",
     0},
    {GOOD "Sec-WebSocket-Protocol: chat, superchat\r\n", ERR_PROTOCOL, 101,
     "not offered", 0},
    {GOOD "Sec-WebSocket-Protocol:\r\n", ERR_PROTOCOL, 101, "not offered", 0},
    {GOOD "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n",
     ERR_PROTOCOL, 101, "two Sec-WebSocket-Protocol", 0},
    {GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n", ERR_PROTOCOL, 101,
     "extension that was not", 0},
    {GOOD "Sec-WebSocket-Extensions:\r\n", ERR_PROTOCOL, 101,
     "extension that was not", 0},
    {GOOD "Transfer-Encoding: chunked\r\n", ERR_PROTOCOL, 101,
     "Transfer-Encoding", 0},
    {GOOD "Content-Length: 5\r\n", ERR_PROTOCOL, 101, "Content-Length", 0},
    {GOOD "Content-Length: 00\r\n", ERR_PROTOCOL, 101, "Content-Length", 0},
    /* bytes */
    {"HTTP/1.1 101 x\n", ERR_PROTOCOL, 0, "bare LF", 0},
    {STATUS "Upgrade: websocket\n", ERR_PROTOCOL, 101, "bare LF", 0},
    {GOOD "\n", ERR_PROTOCOL, 101, "bare LF", 0},
    {GOOD "\r\r", ERR_PROTOCOL, 101, "bare CR", 0},
    {GOOD "X: a\rb", ERR_PROTOCOL, 101, "bare CR", 0},
    {GOOD "X: a\r\n b", ERR_AGAIN, 101, NULL, 0},
    {GOOD "X: a\r\n b\r\n", ERR_PROTOCOL, 101, "without a colon", 0},
    {GOOD "X: a\r\n b: c\r\n", ERR_PROTOCOL, 101, "malformed header name", 0},
    {GOOD "X : a\r\n", ERR_PROTOCOL, 101, "malformed header name", 0},
    {GOOD ": a\r\n", ERR_PROTOCOL, 101, "malformed header name", 0},
    {GOOD "X\xc3\xa9: a\r\n", ERR_PROTOCOL, 101, "malformed header name", 0},
    {GOOD "X\r\n", ERR_PROTOCOL, 101, "without a colon", 0},
    {GOOD "X: a\x01", ERR_PROTOCOL, 101, "control character", 0},
    {GOOD "X: a\x7f", ERR_PROTOCOL, 101, "control character", 0},
    {GOOD "X: a\x1b[31m", ERR_PROTOCOL, 101, "control character", 0},
    {GOOD "X: a\tb\r\n\r\n", 0, 101, NULL, 0},
    /* not complete */
    {GOOD, ERR_AGAIN, 101, NULL, 0},
    {GOOD "\r", ERR_AGAIN, 101, NULL, 0},
    {"HTTP/1.", ERR_AGAIN, 0, NULL, 0},
    {"", ERR_AGAIN, 0, NULL, 0},
};

static int feed(struct upgrade *u, const char *text, size_t len, size_t step,
                size_t *used, struct err *e) {
  size_t at = 0;
  int rv = ERR_AGAIN;
  *used = 0;
  do {
    size_t n = len - at < step ? len - at : step;
    struct guard g;
    size_t took = 0;
    guard_init(&g, text + at, n);
    rv = upgrade_feed(u, g.p, n, &took, e);
    guard_deinit(&g);
    at += n;
    if (rv == 0)
      *used = at - n + took;
  } while (rv == ERR_AGAIN && at < len);
  return rv;
}

static void check_answer(const struct answer *a, size_t step,
                         const char *behind) {
  struct failing_mem fm;
  struct upgrade u;
  struct err e = {0};
  char text[2048];
  size_t used, len = strlen(a->text);
  int rv;
  failing_mem_init(&fm, FAIL_NEVER);
  memcpy(text, a->text, len);
  memcpy(text + len, behind, strlen(behind));
  upgrade_init(&u, &fm.mem, KEY, offered, 2);
  rv = feed(&u, text, len + (a->code == 0 ? strlen(behind) : 0), step, &used,
            &e);
  ck_assert_msg(rv == a->code, "%s: %d, %s", a->text, rv, e.message);
  ck_assert_msg(u.status == a->status, "%s: status %u", a->text, u.status);
  if (a->why) {
    ck_assert_msg(strstr(e.message, a->why), "%s: %s", a->text, e.message);
    ck_assert_int_eq(e.code, rv);
  }
  if (rv == 0) {
    ck_assert_uint_eq(used, len);
    ck_assert_uint_eq(u.protocol, a->protocol);
  }
  upgrade_deinit(&u);
  ck_assert_uint_eq(fm.live_bytes, 0);
}

START_TEST(answers_whole_and_in_pieces) {
  unit_each(a, answers) {
    check_answer(a, SIZE_MAX, "");
    check_answer(a, 1, "");
    check_answer(a, 7, "");
    check_answer(a, SIZE_MAX, "\x81\x02hi");
    check_answer(a, 1, "\x81\x02hi");
    check_answer(a, 5, "\r\n\r\n");
  }
}
END_TEST

START_TEST(nul_in_the_answer) {
  static const char text[] = GOOD "X: a\0b\r\n\r\n";
  struct upgrade u;
  struct err e;
  size_t used;
  upgrade_init(&u, &mem_libc, KEY, NULL, 0);
  ck_assert_int_eq(feed(&u, text, sizeof text - 1, 3, &used, &e), ERR_PROTOCOL);
  upgrade_deinit(&u);
}
END_TEST

static int feed_many(const char *line, int n, struct err *e) {
  struct upgrade u;
  size_t used = 0;
  int rv;
  upgrade_init(&u, &mem_libc, KEY, NULL, 0);
  rv = upgrade_feed(&u, GOOD, strlen(GOOD), &used, e);
  for (int i = 0; i < n && rv == ERR_AGAIN; i++)
    rv = upgrade_feed(&u, line, strlen(line), &used, e);
  if (rv == ERR_AGAIN)
    rv = upgrade_feed(&u, "\r\n", 2, &used, e);
  upgrade_deinit(&u);
  return rv;
}

START_TEST(bounds) {
  struct err e = {0};
  char line[1025];
  memset(line, 'x', sizeof line);
  memcpy(line, "X: ", 3);
  memcpy(line + 1022, "\r\n", 3);
  ck_assert_int_eq(feed_many("X: y\r\n", 96, &e), 0);
  ck_assert_int_eq(feed_many("X: y\r\n", 97, &e), ERR_PROTOCOL);
  ck_assert_ptr_nonnull(strstr(e.message, "too many"));
  ck_assert_int_eq(feed_many(line, 15, &e), 0);
  ck_assert_int_eq(feed_many(line, 16, &e), ERR_PROTOCOL);
  ck_assert_ptr_nonnull(strstr(e.message, "16 KiB"));
}
END_TEST

START_TEST(no_memory) {
  struct failing_mem fm;
  struct upgrade u;
  struct err e;
  size_t used;
  int rv = ERR_NOMEM;
  for (size_t n = 0; rv == ERR_NOMEM; n++) {
    failing_mem_init(&fm, n);
    upgrade_init(&u, &fm.mem, KEY, offered, 2);
    rv = feed(&u, GOOD "\r\n", strlen(GOOD) + 2, 1, &used, &e);
    upgrade_deinit(&u);
    ck_assert_uint_eq(fm.live_bytes, 0);
    ck_assert_uint_lt(n, 50);
  }
  ck_assert_int_eq(rv, 0);
}
END_TEST

/* ------------------------------------------------------------ request --- */

/* What ends just before, at and behind the end of a block and of its length.
 * The first three are of RFC 3174 and FIPS 180; all agree with sha1sum(1). */
START_TEST(digests) {
  static const struct {
    size_t len; /* of 'a's; 0: |text| */
    const char *text;
    const char *hex;
  } cases[] = {
      {0, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
      {0, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {0, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
      {55, NULL, "c1c8bbdc22796e28c0e15163d20899b65621d65a"},
      {56, NULL, "c2db330f6083854c99d4b5bfb6e8f29f201be699"},
      {63, NULL, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"},
      {64, NULL, "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
      {65, NULL, "11655326c708d70319be2610e8a57d9a5b959d3b"},
      {119, NULL, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"},
      {120, NULL, "f34c1488385346a55709ba056ddd08280dd4c6d6"},
      {128, NULL, "ad5b3fdbcb526778c2839d2f151ea753995e26a0"},
      {256, NULL, "9c78512ad150c8b5d8918395ad0e5169397d2b62"},
  };
  static char many[256];
  memset(many, 'a', sizeof many);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t out[SHA1_BYTES];
    char hex[2 * SHA1_BYTES + 1];
    if (cases[i].len > 0)
      sha1(many, cases[i].len, out);
    else
      sha1(cases[i].text, strlen(cases[i].text), out);
    for (size_t k = 0; k < SHA1_BYTES; k++)
      snprintf(hex + 2 * k, 3, "%02x", out[k]);
    ck_assert_str_eq(hex, cases[i].hex);
  }
}
END_TEST

/* RFC 4648, section 10 */
START_TEST(base64_of_the_rfc) {
  static const char *const cases[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"foobar", "Zm9vYmFy"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t len = strlen(cases[i][0]);
    char out[16] = "";
    base64((const uint8_t *)cases[i][0], len, out);
    ck_assert_str_eq(out, cases[i][1]);
    ck_assert_uint_eq(BASE64_LEN(len), strlen(out));
  }
}
END_TEST

START_TEST(accept_of_the_rfc) {
  char out[UPGRADE_ACCEPT_LEN];
  upgrade_accept(KEY, out);
  ck_assert_int_eq(memcmp(out, ACCEPT, sizeof out), 0);
}
END_TEST

START_TEST(keys_differ) {
  char a[UPGRADE_KEY_LEN], b[UPGRADE_KEY_LEN];
  ck_assert_int_eq(upgrade_make_key(a), 0);
  ck_assert_int_eq(upgrade_make_key(b), 0);
  ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
  ck_assert_int_eq(memcmp(a + 22, "==", 2), 0);
}
END_TEST

static void url_make(struct url *u, bool tls, const char *host, uint16_t port,
                     const char *path, const char *query) {
  memset(u, 0, sizeof *u);
  u->tls = tls;
  u->host = slice_of(host);
  u->port = port;
  u->path = slice_of(path);
  u->has_query = query != NULL;
  u->query = slice_of(query);
}

static int request(struct buf *b, const struct url *u, const struct header *h,
                   size_t nh, const struct slice *p, size_t np, struct err *e) {
  buf_init(b, &mem_libc, UPGRADE_REQUEST_MAX_BYTES);
  return upgrade_write_request(b, u, KEY, h, nh, p, np, DEFLATE_OFF, e);
}

START_TEST(request_bytes) {
  static const struct {
    bool tls;
    uint16_t port;
    const char *host, *query, *target, *host_line;
  } cases[] = {
      {false, 80, "a.example", NULL, "/p", "a.example"},
      {false, 443, "a.example", NULL, "/p", "a.example:443"},
      {true, 443, "a.example", "", "/p?", "a.example"},
      {true, 80, "[::1]", "x=1", "/p?x=1", "[::1]:80"},
      {false, 65535, "127.0.0.1", "?", "/p??", "127.0.0.1:65535"},
  };
  static const struct header h[] = {{{"Authorization", 13}, {"Bearer x", 8}},
                                    {{"X", 1}, {"", 0}}};
  char want[1024];
  struct url u;
  struct buf b;
  unit_each(c, cases) {
    url_make(&u, c->tls, c->host, c->port, "/p", c->query);
    ck_assert_int_eq(request(&b, &u, h, 2, offered, 2, NULL), 0);
    snprintf(want, sizeof want,
             "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY
             "\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Protocol: chat, superchat\r\n"
             "Authorization: Bearer x\r\nX: \r\n\r\n",
             c->target, c->host_line);
    ck_assert_slice_eq(buf_slice(&b), want);
    buf_deinit(&b);
  }
}
END_TEST

START_TEST(request_refusals) {
  static const struct {
    struct slice name, value;
    const char *why;
  } headers[] = {
      {{"", 0}, {"x", 1}, "no header name"},
      {{"a b", 3}, {"x", 1}, "no header name"},
      {{"a:", 2}, {"x", 1}, "no header name"},
      {{"a\r\nb", 4}, {"x", 1}, "no header name"},
      {{"a\0", 2}, {"x", 1}, "no header name"},
      {{"\xc3\xa9", 2}, {"x", 1}, "no header name"},
      {{"Host", 4}, {"x", 1}, "belongs to the handshake"},
      {{"hOST", 4}, {"x", 1}, "belongs to the handshake"},
      {{"connection", 10}, {"x", 1}, "belongs to the handshake"},
      {{"Upgrade", 7}, {"x", 1}, "belongs to the handshake"},
      {{"Content-Length", 14}, {"0", 1}, "belongs to the handshake"},
      {{"transfer-encoding", 17}, {"x", 1}, "belongs to the handshake"},
      {{"Sec-WebSocket-Key", 17}, {"x", 1}, "belongs to the handshake"},
      {{"sec-websocket-anything", 22}, {"x", 1}, "belongs to the handshake"},
      {{"Sec-WebSocket-", 14}, {"x", 1}, "belongs to the handshake"},
      {{"X", 1}, {"a\r\nHost: b", 10}, "control character"},
      {{"X", 1}, {"a\nb", 3}, "control character"},
      {{"X", 1}, {"a\rb", 3}, "control character"},
      {{"X", 1}, {"a\0b", 3}, "control character"},
      {{"X", 1}, {"a\x7f", 2}, "control character"},
      {{"X", 1}, {"\x1b", 1}, "control character"},
  };
  static const struct slice bad[][2] = {{{"a", 1}, {"a", 1}},
                                        {{"a b", 3}, {"c", 1}},
                                        {{"", 0}, {"c", 1}},
                                        {{"a,b", 3}, {"c", 1}},
                                        {{"a", 1}, {"a\r\n", 3}}};
  struct slice many[UPGRADE_MAX_PROTOCOLS + 1];
  char names[UPGRADE_MAX_PROTOCOLS + 1][8];
  struct url u;
  struct buf b;
  struct err e;
  url_make(&u, false, "a", 80, "/", NULL);
  unit_each(h, headers) {
    struct header one = {h->name, h->value};
    ck_assert_int_eq(request(&b, &u, &one, 1, NULL, 0, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.message, h->why), "%s", e.message);
    ck_assert_uint_eq(b.len, 0);
    buf_deinit(&b);
  }
  unit_each(p, bad) {
    ck_assert_int_eq(request(&b, &u, NULL, 0, *p, 2, &e), ERR_INVALID);
    buf_deinit(&b);
  }
  for (size_t i = 0; i < unit_len(many); i++) {
    snprintf(names[i], sizeof names[i], "p%zu", i);
    many[i] = slice_of(names[i]);
  }
  ck_assert_int_eq(request(&b, &u, NULL, 0, many, unit_len(many) - 1, &e), 0);
  buf_deinit(&b);
  ck_assert_int_eq(request(&b, &u, NULL, 0, many, unit_len(many), &e),
                   ERR_INVALID);
  buf_deinit(&b);
}
END_TEST

START_TEST(request_too_long) {
  static char text[UPGRADE_REQUEST_MAX_BYTES];
  struct header h = {{"X", 1}, {text, sizeof text}};
  struct url u;
  struct buf b;
  struct err e;
  memset(text, 'y', sizeof text);
  url_make(&u, false, "a", 80, "/", NULL);
  ck_assert_int_eq(request(&b, &u, &h, 1, NULL, 0, &e), ERR_INVALID);
  ck_assert_ptr_nonnull(strstr(e.message, "65536"));
  buf_deinit(&b);
}
END_TEST

int main(void) {
  Suite *s = suite_create("upgrade");
  TCase *tc = tcase_create("upgrade");
  tcase_add_test(tc, digests);
  tcase_add_test(tc, base64_of_the_rfc);
  tcase_add_test(tc, accept_of_the_rfc);
  tcase_add_test(tc, keys_differ);
  tcase_add_test(tc, request_bytes);
  tcase_add_test(tc, request_refusals);
  tcase_add_test(tc, request_too_long);
  tcase_add_test(tc, answers_whole_and_in_pieces);
  tcase_add_test(tc, nul_in_the_answer);
  tcase_add_test(tc, bounds);
  tcase_add_test(tc, no_memory);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
