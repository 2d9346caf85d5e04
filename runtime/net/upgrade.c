/* upgrade.c - writes the request, reads the answer line by line.  Strict: bare
 * LF, folded lines, NULs, blanks before the colon and repeated handshake
 * headers are all refused, since servers and proxies disagree about them. */
#include "runtime/net/upgrade.h"

#include <string.h>

#include "runtime/base/random.h"
#include "runtime/base/sha1.h"

/* ------------------------------------------------------------ request --- */

static bool value_ok(struct slice v) {
  for (size_t i = 0; i < v.len; i++)
    if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
      return false;
  return true;
}

int upgrade_check_header(const struct header *h, struct err *e) {
  static const char *const owned[] = {"Host", "Connection", "Upgrade",
                                      "Content-Length", "Transfer-Encoding"};
  static const struct slice prefix = {"Sec-WebSocket-", 14};
  char shown[80];
  str_escape(shown, sizeof shown, h->name);
  if (!http_token(h->name))
    return err_setf(e, ERR_INVALID, "'%s' is no header name", shown);
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
    if (slice_eq_nocase(h->name, slice_of(owned[i])))
      goto reserved;
  if (h->name.len >= prefix.len &&
      slice_eq_nocase((struct slice){h->name.p, prefix.len}, prefix))
    goto reserved;
  if (!value_ok(h->value))
    return err_setf(e, ERR_INVALID,
                    "the value of header '%s' holds a control character",
                    shown);
  return 0;
reserved:
  return err_setf(e, ERR_INVALID, "header '%s' belongs to the handshake",
                  shown);
}

int upgrade_check_protocols(const struct slice *protocols, size_t n,
                            struct err *e) {
  char shown[80];
  if (n > UPGRADE_MAX_PROTOCOLS)
    return err_setf(e, ERR_INVALID, "more than %d subprotocols",
                    UPGRADE_MAX_PROTOCOLS);
  for (size_t i = 0; i < n; i++) {
    str_escape(shown, sizeof shown, protocols[i]);
    if (!http_token(protocols[i]))
      return err_setf(e, ERR_INVALID, "subprotocol '%s' is no token", shown);
    for (size_t k = 0; k < i; k++)
      if (slice_eq(protocols[i], protocols[k]))
        return err_setf(e, ERR_INVALID, "subprotocol '%s' is named twice",
                        shown);
  }
  return 0;
}

int upgrade_make_key(char out[UPGRADE_KEY_LEN]) {
  uint8_t raw[16];
  int rv = random_bytes(raw, sizeof raw);
  _Static_assert(BASE64_LEN(sizeof raw) == UPGRADE_KEY_LEN, "RFC 6455");
  if (rv == 0)
    base64(raw, sizeof raw, out);
  return rv;
}

void upgrade_accept(const char key[UPGRADE_KEY_LEN],
                    char out[UPGRADE_ACCEPT_LEN]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  char text[UPGRADE_KEY_LEN + sizeof guid - 1];
  uint8_t digest[SHA1_BYTES];
  _Static_assert(BASE64_LEN(SHA1_BYTES) == UPGRADE_ACCEPT_LEN, "RFC 6455");
  memcpy(text, key, UPGRADE_KEY_LEN);
  memcpy(text + UPGRADE_KEY_LEN, guid, sizeof guid - 1);
  sha1(text, sizeof text, digest);
  base64(digest, sizeof digest, out);
}

/* Sums up the errors of a chain of appends: the first one stays. */
struct writer {
  struct buf *out;
  int rv;
};

static void put(struct writer *w, struct slice s) {
  if (w->rv == 0)
    w->rv = buf_add(w->out, s.p, s.len);
}

static void puts_(struct writer *w, const char *s) {
  put(w, slice_of(s));
}

int upgrade_write_request(struct buf *out, const struct url *url,
                          const char key[UPGRADE_KEY_LEN],
                          const struct header *headers, size_t nheaders,
                          const struct slice *protocols, size_t nprotocols,
                          enum deflate_mode deflate, struct err *e) {
  struct writer w = {out, 0};
  int rv = upgrade_check_protocols(protocols, nprotocols, e);
  for (size_t i = 0; rv == 0 && i < nheaders; i++)
    rv = upgrade_check_header(&headers[i], e);
  if (rv != 0)
    return rv;
  puts_(&w, "GET ");
  put(&w, url->path);
  if (url->has_query) {
    puts_(&w, "?");
    put(&w, url->query);
  }
  puts_(&w, " HTTP/1.1\r\nHost: ");
  put(&w, url->host);
  if (url->port != (url->tls ? 443 : 80) && w.rv == 0)
    w.rv = buf_addf(out, ":%u", (unsigned)url->port);
  puts_(&w, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: ");
  put(&w, (struct slice){key, UPGRADE_KEY_LEN});
  puts_(&w, "\r\nSec-WebSocket-Version: 13\r\n");
  for (size_t i = 0; i < nprotocols; i++) {
    puts_(&w, i == 0 ? "Sec-WebSocket-Protocol: " : ", ");
    put(&w, protocols[i]);
  }
  if (nprotocols > 0)
    puts_(&w, "\r\n");
  if (deflate != DEFLATE_OFF) {
    puts_(&w, "Sec-WebSocket-Extensions: ");
    puts_(&w, deflate_offer(deflate));
    puts_(&w, "\r\n");
  }
  for (size_t i = 0; i < nheaders; i++) {
    put(&w, headers[i].name);
    puts_(&w, ": ");
    put(&w, headers[i].value);
    puts_(&w, "\r\n");
  }
  puts_(&w, "\r\n");
  if (w.rv == ERR_FULL)
    return err_setf(e, ERR_INVALID,
                    "the headers are longer than %u bytes together",
                    UPGRADE_REQUEST_MAX_BYTES);
  return w.rv == 0 ? 0 : err_set(e, w.rv);
}

/* ------------------------------------------------------------- answer --- */

void upgrade_init(struct upgrade *u, const struct mem *m,
                  const char key[UPGRADE_KEY_LEN],
                  const struct slice *protocols, size_t nprotocols) {
  *u = (struct upgrade){.protocols = protocols, .nprotocols = nprotocols};
  buf_init(&u->in, m, UPGRADE_MAX_BYTES);
  upgrade_accept(key, u->accept);
}

void upgrade_deinit(struct upgrade *u) {
  buf_deinit(&u->in);
}

static int broken(struct err *e, const char *what) {
  return err_setf(e, ERR_PROTOCOL, "the server's answer %s", what);
}

static struct slice trim(struct slice s) {
  while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
    s = (struct slice){s.p + 1, s.len - 1};
  while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
    s.len--;
  return s;
}

/* Is |token| an element of the comma-separated list |s|? */
static bool list_has(struct slice s, struct slice token) {
  for (;;) {
    const char *comma = s.len ? memchr(s.p, ',', s.len) : NULL;
    struct slice item = {s.p, comma ? (size_t)(comma - s.p) : s.len};
    if (slice_eq_nocase(trim(item), token))
      return true;
    if (!comma)
      return false;
    s = (struct slice){comma + 1, s.len - item.len - 1};
  }
}

/* "HTTP/1.1 101 Switching Protocols" (RFC 9112, section 4) */
static int on_status_line(struct upgrade *u, struct slice line, struct err *e) {
  static const char version[] = "HTTP/1.1 ";
  const size_t n = sizeof version - 1;
  const char *p = line.p;
  if (line.len < n + 4 || memcmp(p, version, n - 2) != 0 ||
      (p[n - 2] != '1' && p[n - 2] != '0') || p[n - 1] != ' ' ||
      !ascii_digit(p[n]) || p[n] == '0' || !ascii_digit(p[n + 1]) ||
      !ascii_digit(p[n + 2]) || p[n + 3] != ' ')
    return broken(e, "is not HTTP/1.1");
  u->status = (unsigned)(p[n] - '0') * 100 + (unsigned)(p[n + 1] - '0') * 10 +
              (unsigned)(p[n + 2] - '0');
  if (u->status >= 300 && u->status < 400)
    return err_setf(e, ERR_PROTOCOL,
                    "the server answered with status %u: redirects are not "
                    "followed",
                    u->status);
  if (u->status != 101)
    return err_setf(e, ERR_PROTOCOL,
                    "the server answered with status %u, expected 101",
                    u->status);
  if (p[n - 2] != '1')
    return broken(e, "is HTTP/1.0");
  return 0;
}

static int once(bool *seen, struct err *e, const char *what) {
  if (*seen)
    return broken(e, what);
  *seen = true;
  return 0;
}

static int on_protocol(struct upgrade *u, struct slice value, struct err *e) {
  if (u->protocol != 0)
    return broken(e, "has two Sec-WebSocket-Protocol headers");
  for (size_t i = 0; i < u->nprotocols; i++)
    if (slice_eq(value, u->protocols[i])) {
      u->protocol = i + 1;
      return 0;
    }
  return broken(e, "names a subprotocol that was not offered");
}

/* Several of them are one list (RFC 6455, section 9.1), and we offered one
 * extension. */
static int on_extensions(struct upgrade *u, struct slice value, struct err *e) {
  const char *why;
  int rv = once(&u->extensions, e, "has two Sec-WebSocket-Extensions headers");
  if (rv == 0 && deflate_answer(value, u->deflate, &u->agreed, &why) != 0)
    rv = broken(e, why);
  return rv;
}

static int on_header(struct upgrade *u, struct slice name, struct slice value,
                     struct err *e) {
  int rv;
  if (slice_eq_nocase(name, SLICE("Upgrade"))) {
    if ((rv = once(&u->upgrade, e, "has two Upgrade headers")) != 0)
      return rv;
    if (!slice_eq_nocase(value, SLICE("websocket")))
      return broken(e, "does not upgrade to websocket");
  } else if (slice_eq_nocase(name, SLICE("Connection"))) {
    /* several of them are one list (RFC 9110, section 5.3) */
    u->connection = true;
    u->connection_upgrade |= list_has(value, SLICE("Upgrade"));
  } else if (slice_eq_nocase(name, SLICE("Sec-WebSocket-Accept"))) {
    if ((rv = once(&u->accepted, e, "has two Sec-WebSocket-Accept headers")) !=
        0)
      return rv;
    if (!slice_eq(value, (struct slice){u->accept, sizeof u->accept}))
      return broken(e, "has a wrong Sec-WebSocket-Accept");
  } else if (slice_eq_nocase(name, SLICE("Sec-WebSocket-Protocol"))) {
    return on_protocol(u, value, e);
  } else if (slice_eq_nocase(name, SLICE("Sec-WebSocket-Extensions"))) {
    return on_extensions(u, value, e);
  } else if (slice_eq_nocase(name, SLICE("Transfer-Encoding"))) {
    return broken(e, "has a Transfer-Encoding beside status 101");
  } else if (slice_eq_nocase(name, SLICE("Content-Length"))) {
    if (!slice_is(value, "0"))
      return broken(e, "has a Content-Length beside status 101");
  }
  return 0;
}

static int on_header_line(struct upgrade *u, struct slice line, struct err *e) {
  const char *colon = memchr(line.p, ':', line.len);
  struct slice name;
  if (!colon)
    return broken(e, "has a header line without a colon");
  name = (struct slice){line.p, (size_t)(colon - line.p)};
  if (!http_token(name)) /* also a folded line, and a blank before the colon */
    return broken(e, "has a malformed header name");
  return on_header(u, name,
                   trim((struct slice){colon + 1, line.len - name.len - 1}), e);
}

static int on_end(const struct upgrade *u, struct err *e) {
  if (!u->upgrade)
    return broken(e, "lacks the Upgrade header");
  if (!u->connection)
    return broken(e, "lacks the Connection header");
  if (!u->connection_upgrade)
    return broken(e, "has a Connection header without Upgrade");
  if (!u->accepted)
    return broken(e, "lacks the Sec-WebSocket-Accept header");
  return 0;
}

/* A line without its CRLF.  1: it was the empty one, all is well */
static int on_line(struct upgrade *u, struct slice line, struct err *e) {
  int rv;
  if (u->lines == UPGRADE_MAX_LINES && line.len > 0)
    return broken(e, "has too many header lines");
  u->lines++;
  if (u->lines == 1)
    return on_status_line(u, line, e);
  if (line.len > 0)
    return on_header_line(u, line, e);
  rv = on_end(u, e);
  return rv == 0 ? 1 : rv;
}

/* Can |c|, the byte |at| of its line after |before|, still be right? */
static int check_byte(const struct upgrade *u, size_t at, char before, char c,
                      struct err *e) {
  static const char version[] = "HTTP/1.";
  if (c == '\n' && before != '\r')
    return broken(e, "has a bare LF");
  if (before == '\r' && c != '\n')
    return broken(e, "has a bare CR");
  if (c == '\r' || c == '\n')
    return 0;
  if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
    return broken(e, "holds a control character");
  if (u->lines == 0 && at < sizeof version - 1 && c != version[at])
    return broken(e, "is not HTTP/1.1");
  return 0;
}

int upgrade_feed(struct upgrade *u, const void *data, size_t len,
                 size_t *ret_used, struct err *e) {
  const char *p = data;
  int rv;
  for (size_t i = 0; i < len; i++) {
    size_t at = u->in.len - u->line_from;
    char before = at > 0 ? buf_slice(&u->in).p[u->in.len - 1] : '\0';
    if ((rv = check_byte(u, at, before, p[i], e)) != 0)
      return rv;
    rv = buf_addc(&u->in, p[i]);
    if (rv == ERR_FULL)
      return broken(e, "has more than 16 KiB of headers");
    if (rv != 0)
      return err_set(e, rv);
    if (p[i] != '\n')
      continue;
    rv = on_line(u, (struct slice){buf_slice(&u->in).p + u->line_from, at - 1},
                 e);
    u->line_from = u->in.len;
    if (rv == 1) {
      *ret_used = i + 1;
      return 0;
    }
    if (rv != 0)
      return rv;
  }
  return ERR_AGAIN;
}
