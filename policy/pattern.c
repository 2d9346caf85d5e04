/* pattern.c - action, resource, URL and address patterns: text to their
 * compiled form.
 *
 * A URL pattern is canonicalised with the very functions that canonicalise URLs
 * and then compared byte by byte, so that no spelling of either side matters.
 * A pattern that could never match anything is a mistake, not a silent rule. */
#include "policy/pattern_impl.h"

#include <stdarg.h>
#include <stdio.h>

#define EVERY_USE                                                              \
  (PATTERN_FOR_CONNECT | PATTERN_FOR_URL | PATTERN_FOR_ADDRESS |               \
   PATTERN_FOR_OTHER)

/* What compiling one text needs to know. */
struct compiling {
  struct slice text; /* the copy in the arena */
  unsigned use;
  struct arena *arena;
  struct err *warning; /* never NULL */
  struct err *e;       /* may be NULL */
};

static int bad(struct err *e, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A mistake at the byte with offset |at|.  Returns ERR_SYNTAX. */
static int bad(struct err *e, size_t at, const char *fmt, ...) {
  char text[sizeof e->message];
  va_list ap;
  if (!e)
    return ERR_SYNTAX;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  err_setf(e, ERR_SYNTAX, "byte %zu: %s", at + 1, text);
  e->column = at < UINT32_MAX ? (uint32_t)at + 1 : 0;
  return ERR_SYNTAX;
}

/* The same of a mistake that base/url found. */
static int bad_url(struct err *e) {
  if (e)
    e->code = ERR_SYNTAX;
  return ERR_SYNTAX;
}

static int shown(size_t len) {
  return (int)(len < 120 ? len : 120);
}

/* |canonical| for good: the source itself where it says the same. */
static int keep(const struct compiling *c, struct slice source,
                struct slice canonical, struct slice *ret) {
  if (slice_eq(source, canonical)) {
    *ret = source;
    return 0;
  }
  ret->p = arena_strndup(c->arena, canonical.p, canonical.len);
  ret->len = canonical.len;
  return ret->p ? 0 : err_set(c->e, ERR_NOMEM);
}

/* ----------------------------------------------------------------- text --- */

/* "", "*", exact text, or a prefix. */
static int compile_text(struct pattern *p, const struct compiling *c) {
  size_t star = slice_find(c->text, 0, '*');
  if (star + 1 < c->text.len && (c->use & PATTERN_COMPAT) &&
      !(c->use & PATTERN_IN_DENY)) {
    /* The original takes a star for one at the end only.  A deny that was
     * meant as more would be open; an allow that is less is not. */
    err_setf(c->warning, ERR_SYNTAX,
             "'*' in the middle of '%.*s' is an asterisk and nothing else, as "
             "in the original runtime",
             shown(c->text.len), c->text.p);
    star = c->text.p[c->text.len - 1] == '*' ? c->text.len - 1 : c->text.len;
  }
  if (star + 1 < c->text.len)
    return bad(c->e, star,
               "'*' in the middle of '%.*s', expected it at the end only "
               "('name.*', 'name:*', 'name/*', 'name*') or alone",
               shown(c->text.len), c->text.p);
  p->as.text = slice_upto(c->text, star);
  if (star == c->text.len)
    p->kind = PATTERN_EXACT;
  else
    p->kind = star == 0 ? PATTERN_ANY : PATTERN_PREFIX;
  return 0;
}

/* The actions of the guards. */
static const struct {
  struct slice name;
  unsigned use;
} guards[] = {
    {{"websocket.connect", 17}, PATTERN_FOR_CONNECT},
    {{"websocket.connect.url", 21}, PATTERN_FOR_URL},
    {{"websocket.connect.address", 25}, PATTERN_FOR_ADDRESS},
};

bool pattern_is_guard(struct slice action) {
  for (size_t i = 0; i < sizeof guards / sizeof *guards; i++)
    if (slice_eq(action, guards[i].name))
      return true;
  return false;
}

int pattern_compile_action(struct pattern *ret, struct slice text,
                           struct arena *a, struct err *e) {
  struct pattern p = {.kind = PATTERN_NEVER};
  struct compiling c = {.arena = a, .e = e};
  int rv;
  if (text.len == 0)
    return bad(e, 0,
               "empty action, expected a name such as "
               "'websocket.connect', 'websocket.*' or '*'");
  /* No guard asks for such an action, so a deny of it would never deny: most
   * likely a block scalar of YAML, which ends with a line feed. */
  for (size_t i = 0; i < text.len; i++) {
    uint8_t b = (uint8_t)text.p[i];
    if (b < 0x20 || b == 0x7f || (b == ' ' && (i == 0 || i + 1 == text.len)))
      return bad(e, i,
                 "%s 0x%02x in the action, expected a name such as "
                 "'websocket.connect' and nothing around it",
                 b == ' ' ? "blank" : "control character", b);
  }
  c.text = (struct slice){arena_strndup(a, text.p, text.len), text.len};
  if (!c.text.p)
    return err_set(e, ERR_NOMEM);
  p.source = c.text;
  rv = compile_text(&p, &c);
  if (rv == 0)
    *ret = p;
  return rv;
}

unsigned pattern_action_use(const struct pattern *action) {
  unsigned use = 0;
  for (size_t i = 0; i < sizeof guards / sizeof guards[0]; i++) {
    if (pattern_match_text(action, guards[i].name))
      use |= guards[i].use;
  }
  if (use == 0 || action->kind == PATTERN_ANY)
    return use | PATTERN_FOR_OTHER;
  /* A prefix of "websocket.connect" and longer cannot mean other actions than
   * these three; a shorter one may. */
  if (action->kind == PATTERN_PREFIX &&
      !slice_starts(action->as.text, guards[0].name))
    use |= PATTERN_FOR_OTHER;
  return use;
}

/* ---------------------------------------------------------------- ports --- */

static int one_port(struct slice s, size_t at, uint16_t *ret, struct err *e) {
  uint64_t n;
  if (s.len > 5 || str_u64(s, UINT16_MAX, &n) != 0 || n == 0)
    return bad(e, at,
               "port '%.*s', expected a number from 1 to 65535 without leading "
               "zeros, a range such as '8000-8999', or '*'",
               shown(s.len), s.p);
  *ret = (uint16_t)n;
  return 0;
}

/* N, N-N or "*". */
static int compile_ports(struct slice s, size_t at, struct pattern_ports *ret,
                         struct err *e) {
  struct pattern_ports ports;
  size_t dash = slice_find(s, 0, '-');
  int rv;
  if (slice_is(s, "*")) {
    *ret = (struct pattern_ports){1, UINT16_MAX};
    return 0;
  }
  if ((rv = one_port(slice_upto(s, dash), at, &ports.first, e)) != 0)
    return rv;
  ports.last = ports.first;
  if (dash < s.len && (rv = one_port(slice_from(s, dash + 1), at + dash + 1,
                                     &ports.last, e)) != 0)
    return rv;
  if (ports.last < ports.first)
    return bad(e, at, "ports '%.*s', expected the smaller one first: '%u-%u'",
               shown(s.len), s.p, ports.last, ports.first);
  *ret = ports;
  return 0;
}

/* ------------------------------------------------------------------ URL --- */

size_t pattern_scheme(struct slice s, unsigned *ret_schemes) {
  static const struct {
    struct slice text;
    unsigned schemes;
  } schemes[] = {
      {{"wss://", 6}, PATTERN_WSS},
      {{"ws://", 5}, PATTERN_WS},
      {{"*://", 4}, PATTERN_WS | PATTERN_WSS},
  };
  for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
    size_t n = schemes[i].text.len;
    if (s.len >= n && slice_eq_nocase(slice_upto(s, n), schemes[i].text)) {
      *ret_schemes = schemes[i].schemes;
      return n;
    }
  }
  return 0;
}

const char *pattern_scheme_text(unsigned schemes) {
  return schemes == PATTERN_WSS ? "wss" : schemes == PATTERN_WS ? "ws" : "*";
}

/* Bytes that no URL holds; the parts are looked at later. */
static int check_url_bytes(const struct compiling *c, size_t authority_end) {
  struct slice s = c->text;
  size_t at;
  if (s.len > URL_MAX_BYTES)
    return bad(c->e, URL_MAX_BYTES,
               "URL pattern of %zu bytes, expected at most %d", s.len,
               URL_MAX_BYTES);
  for (at = 0; at < s.len; at++) {
    uint8_t b = (uint8_t)s.p[at];
    if (b <= 0x20 || b == 0x7f)
      return bad(c->e, at,
                 "space or control character 0x%02x in a URL pattern, expected "
                 "none: no URL holds one; a space in a path is '%%20'",
                 b);
    if (b == '\\')
      return bad(c->e, at,
                 "backslash in a URL pattern, expected '/': no URL holds one");
  }
  at = slice_find(slice_upto(s, authority_end), 0, '@');
  if (at < authority_end)
    return bad(c->e, at,
               "'@' in front of the path, expected a host without user name "
               "and password: no URL that has them is accepted");
  at = slice_find(s, 0, '#');
  if (at < s.len)
    return bad(c->e, at,
               "fragment ('#') in a URL pattern, expected none: no URL holds "
               "one");
  return 0;
}

static int compile_host(struct pattern_url *u, const struct compiling *c,
                        struct slice host, size_t at) {
  char out[256];
  size_t len;
  enum url_host_kind kind;
  struct slice name = host;
  if (slice_is(host, "*")) {
    u->host_kind = PATTERN_HOST_ANY_NAME;
    u->host = host;
    return 0;
  }
  if (host.len >= 2 && host.p[0] == '*' && host.p[1] == '.') {
    u->host_kind = PATTERN_HOST_BELOW;
    name = slice_from(host, 2);
    at += 2;
  }
  if (count_stars(name) > 0)
    return bad(c->e, at + slice_find(name, 0, '*'),
               "'*' inside the host '%.*s', expected a host without it, '*' "
               "alone, or '*.' in front of a name ('*.example.com')",
               shown(host.len), host.p);
  if (url_canonical_host(name, at, out, &len, &kind, NULL, NULL, c->e) != 0)
    return bad_url(c->e);
  if (kind != URL_HOST_NAME) {
    if (u->host_kind == PATTERN_HOST_BELOW)
      return bad(c->e, at, "'*.' in front of an address, expected a name");
    u->host_kind = PATTERN_HOST_IP;
  } else if (u->host_kind != PATTERN_HOST_BELOW) {
    u->host_kind = PATTERN_HOST_NAME;
  }
  return keep(c, name, (struct slice){out, len}, &u->host);
}

/* Path or query, with stars. */
static int compile_part(const struct compiling *c, struct slice part,
                        bool is_path, size_t at, struct slice *ret,
                        uint8_t *ret_stars) {
  char out[URL_MAX_BYTES];
  size_t len, n = 0, stars = 0;
  if (url_canonical_part(part, is_path, at, out, &len, NULL, c->e) != 0)
    return bad_url(c->e);
  for (size_t i = 0; i < part.len; i++) {
    if (part.p[i] == '*' && (i == 0 || part.p[i - 1] != '*') &&
        ++stars > PATTERN_MAX_STARS)
      return bad(c->e, at + i, "too many '*' in the %s, expected at most %d",
                 is_path ? "path" : "query", PATTERN_MAX_STARS);
  }
  for (size_t i = 0; i < len; i++) { /* "**" is "*" */
    if (out[i] != '*' || n == 0 || out[n - 1] != '*')
      out[n++] = out[i];
  }
  *ret_stars = (uint8_t)stars;
  return keep(c, part, (struct slice){out, n}, ret);
}

/* The beginning of "host:port" that a deny is to hit, from the text between
 * "://" and its final star.  Lower case; a bracketed address, which has many
 * spellings, must be there whole. */
static int compile_host_prefix(struct pattern_url *u, const struct compiling *c,
                               struct slice s, size_t at) {
  char out[URL_MAX_BYTES];
  size_t len = 0, close = 0, colon;
  if (s.len > 0 && s.p[0] == '[') {
    close = slice_find(s, 0, ']') + 1;
    if (close > s.len)
      return bad(c->e, at + s.len,
                 "'*' inside an IPv6 address, expected the whole address or a "
                 "rule for websocket.connect.address with a block such as "
                 "'[2001:db8::]/32'");
    if (url_canonical_host(slice_upto(s, close), at, out, &len, NULL, NULL,
                           NULL, c->e) != 0)
      return bad_url(c->e);
  }
  colon = slice_find(s, close, ':');
  if (close > 0 && colon != close && close < s.len)
    return bad(c->e, at + close, "'%c' behind an IPv6 address, expected ':'",
               s.p[close]);
  for (size_t i = close; i < s.len; i++) {
    char ch = ascii_lower(s.p[i]);
    if (i > colon ? !ascii_digit(ch) || i - colon > 5
                  : !ascii_alpha(ch) && !ascii_digit(ch) && !strchr("-_.:", ch))
      return bad(c->e, at + i, "'%c' in the %s, expected %s", s.p[i],
                 i > colon ? "port" : "host",
                 i > colon ? "a number from 1 to 65535"
                           : "letters, digits, '-', '_' and '.'");
    out[len++] = ch;
  }
  /* "host.*" hit "host" as well: the original dropped the dot. */
  if (len > 0 && out[len - 1] == '.')
    len--;
  u->host_kind = PATTERN_HOST_PREFIX;
  u->any_path = u->any_query = true;
  return keep(c, s, (struct slice){out, len}, &u->host);
}

/* Every scheme prefix hit every host, so "scheme://" + star does in a deny. */
static void warn_prefix(const struct compiling *c) {
  err_setf(c->warning, ERR_UNSUPPORTED,
           "'*' inside the host of '%.*s': this deny hits every host and port "
           "that begins like this, as in the original runtime",
           shown(c->text.len), c->text.p);
}

static int compile_url(struct pattern *p, const struct compiling *c);

/*
 * "scheme://begin*": |begin| ends inside the authority.  In the original this
 * hit "begin.evil.com" as well.  A deny keeps hitting all of that; an allow
 * must say a whole host, or be read as one with PATTERN_COMPAT.
 */
static int compile_open_host(struct pattern *p, const struct compiling *c,
                             unsigned schemes, struct slice begin, size_t at) {
  struct pattern_url *u = &p->as.url;
  char text[URL_MAX_BYTES + 8];
  struct compiling again = *c;
  struct err ignored;
  int len, rv;
  if (c->use & PATTERN_IN_DENY) {
    if ((rv = compile_host_prefix(u, c, begin, at)) == 0)
      warn_prefix(c);
    return rv;
  }
  while (begin.len > 0 &&
         (begin.p[begin.len - 1] == '.' || begin.p[begin.len - 1] == ':'))
    begin.len--;
  len = snprintf(text, sizeof text, "%s://%.*s/*", pattern_scheme_text(schemes),
                 (int)begin.len, begin.p);
  again.text =
      (struct slice){arena_strndup(c->arena, text, (size_t)len), (size_t)len};
  if (!again.text.p)
    return err_set(c->e, ERR_NOMEM);
  again.warning = &ignored;
  again.e = NULL;
  rv = compile_url(p, &again);
  if (rv == ERR_NOMEM)
    return err_set(c->e, ERR_NOMEM);
  if (rv != 0)
    return bad(c->e, c->text.len - 1,
               "'*' inside the host and port of '%.*s', expected a whole host, "
               "'*' alone or '*.' in front of a name, and a port, a range or "
               "'*'",
               shown(c->text.len), c->text.p);
  /* With a scheme of "*" the original matched nothing: no reading needed. */
  if (!(c->use & PATTERN_COMPAT) || schemes == (PATTERN_WS | PATTERN_WSS))
    return bad(c->e, c->text.len - 1,
               "'*' inside the host of '%.*s' would also allow other hosts "
               "that begin like this, expected '%.*s'",
               shown(c->text.len), c->text.p, shown((size_t)len), text);
  err_setf(c->warning, ERR_UNSUPPORTED,
           "'*' inside the host of '%.*s' is read as '%.*s'",
           shown(c->text.len), c->text.p, shown((size_t)len), text);
  return 0;
}

/* host [":" ports] */
static int compile_authority(struct pattern_url *u, const struct compiling *c,
                             struct slice s, size_t at) {
  size_t colon = 0;
  int rv;
  if (s.len > 0 && s.p[0] == '[')
    colon = slice_find(s, 0, ']');
  colon = slice_find(s, colon, ':');
  if (s.len == 0)
    return bad(c->e, at,
               "no host, expected a name, an address, '*' or '*.' and a name");
  if ((rv = compile_host(u, c, slice_upto(s, colon), at)) != 0)
    return rv;
  if (colon == s.len)
    return 0;
  return compile_ports(slice_from(s, colon + 1), at + colon + 1, &u->ports,
                       c->e);
}

/* Whether |s| is host [":" ports] as the grammar has it, stars and all. */
static bool authority_is_plain(struct slice s) {
  size_t colon = slice_find(s, 0, ':');
  if (s.len > 0 && s.p[0] == '[')
    return slice_ends(s, "]:*") || count_stars(s) == 0;
  if (slice_is(slice_upto(s, colon), "*"))
    s = slice_from(s, 1);
  return count_stars(s) == 0 ||
         slice_is(slice_from(s, slice_find(s, 0, ':')), ":*");
}

static int compile_url(struct pattern *p, const struct compiling *c) {
  struct pattern_url *u = &p->as.url;
  struct slice s = c->text, authority;
  unsigned schemes = 0;
  size_t start = pattern_scheme(s, &schemes), end = start, query;
  /* What the original read as a prefix of the raw text. */
  bool raw_prefix = slice_ends(s, "*") && count_stars(s) == 1;
  int rv;

  while (end < s.len && !strchr("/?#", s.p[end]))
    end++;
  if ((rv = check_url_bytes(c, end)) != 0)
    return rv;
  authority = (struct slice){s.p + start, end - start};
  memset(u, 0, sizeof *u);
  p->kind = PATTERN_URL;
  u->schemes = (uint8_t)schemes;

  if (end == s.len && slice_ends(authority, "*")) {
    struct slice begin = slice_upto(authority, authority.len - 1);
    if (begin.len == 0 && (c->use & PATTERN_IN_DENY))
      return compile_host_prefix(u, c, begin, start);
    if (count_stars(begin) == 0 && !authority_is_plain(authority))
      return compile_open_host(p, c, schemes, begin, start);
  }
  if ((rv = compile_authority(u, c, authority, start)) != 0)
    return rv;

  if (raw_prefix && (c->use & PATTERN_IN_DENY) && end < s.len &&
      slice_ends(s, ".*")) {
    /* The original hit what begins like the text before the dot. */
    char wide[URL_MAX_BYTES];
    size_t n = s.len - 1;
    memcpy(wide, s.p, n);
    wide[n - 1] = '*';
    s = (struct slice){arena_strndup(c->arena, wide, n), n};
    if (!s.p)
      return err_set(c->e, ERR_NOMEM);
  }

  query = slice_find(s, end, '?');
  u->any_path = query == end;
  u->any_query = query == s.len;
  if (!u->any_path) {
    struct slice path = {s.p + end, query - end};
    rv = compile_part(c, path, true, end, &u->path, &u->path_stars);
    if (rv != 0)
      return rv;
  }
  if (u->any_query)
    return 0;
  rv = compile_part(c, slice_from(s, query + 1), false, query + 1, &u->query,
                    &u->query_stars);
  if (rv != 0 || !u->any_path || !raw_prefix || (c->use & PATTERN_IN_DENY))
    return rv;
  /* "wss://host?v=2*": any path by the grammar, "/" only in the original, which
   * an allow must not outdo. */
  if (!(c->use & PATTERN_COMPAT))
    return bad(c->e, end,
               "no path in front of '?', expected '/' for that path alone or "
               "'/*' for any: '%.*s/%.*s'",
               shown(end), s.p, shown(s.len - end), s.p + end);
  u->any_path = false;
  u->path = SLICE("/");
  err_setf(c->warning, ERR_UNSUPPORTED,
           "no path in front of '?', read as '%.*s/%.*s'", shown(end), s.p,
           shown(s.len - end), s.p + end);
  return 0;
}

/* Whether |s| is the beginning of "ws://" or "wss://" and a star: "ws*". */
static bool open_scheme(struct slice s, const char **ret_rewrite) {
  struct slice begin;
  bool ws, wss;
  if (s.len < 2 || !slice_ends(s, "*"))
    return false;
  begin = slice_upto(s, s.len - 1);
  ws = begin.len < 5 &&
       slice_eq_nocase(begin, (struct slice){"ws://", begin.len});
  wss = begin.len < 6 &&
        slice_eq_nocase(begin, (struct slice){"wss://", begin.len});
  *ret_rewrite = ws && wss ? "*://*" : ws ? "ws://*" : "wss://*";
  return ws || wss;
}

static int compile_open_scheme(struct pattern *p, const struct compiling *c,
                               const char *rewrite) {
  struct compiling again = *c;
  char *low;
  int rv;
  if (c->use & PATTERN_IN_DENY) {
    /* Canonical URLs are lower-case: a plain prefix hits them all. */
    low = arena_strndup(c->arena, c->text.p, c->text.len - 1);
    if (!low)
      return err_set(c->e, ERR_NOMEM);
    for (size_t i = 0; low[i]; i++)
      low[i] = ascii_lower(low[i]);
    p->kind = PATTERN_PREFIX;
    p->as.text = slice_of(low);
    return 0;
  }
  if (!(c->use & PATTERN_COMPAT))
    return bad(c->e, c->text.len - 1,
               "'*' inside the scheme '%.*s', expected '%s'",
               shown(c->text.len), c->text.p, rewrite);
  again.text = slice_of(rewrite);
  rv = compile_url(p, &again);
  if (rv == 0)
    err_setf(c->warning, ERR_UNSUPPORTED,
             "'*' inside the scheme of '%.*s' is read as '%s'",
             shown(c->text.len), c->text.p, rewrite);
  return rv;
}

/* -------------------------------------------------------------- address --- */

static const char *const class_words[] = {
    "public",    "private",  "loopback",    "link_local", "cgnat",
    "multicast", "reserved", "embedded_v4", NULL};

static int compile_class(struct pattern *p, const struct compiling *c) {
  struct slice name = slice_from(c->text, 6);
  enum ip_class class_;
  const char *near;
  if (ip_class_from_name(name, &class_) != 0) {
    near = str_nearest(name, class_words);
    return bad(c->e, 6,
               "unknown address class '%.*s', expected %s%s%sone of public, "
               "private, loopback, link_local, cgnat, multicast, reserved, "
               "embedded_v4",
               shown(name.len), name.p, near ? "'" : "", near ? near : "",
               near ? "' or " : "");
  }
  p->kind = PATTERN_CLASS;
  p->as.address = (struct pattern_address){.class_ = (uint8_t)class_};
  return 0;
}

/* What a text that is no address pattern was perhaps meant to be: "10.20.*" is
 * 10.20.0.0/16, and an IPv6 block lacks its brackets. */
static bool address_rewrite(struct slice s, char *out, size_t cap) {
  struct ip ip;
  unsigned octets = 0;
  size_t slash = slice_find(s, 0, '/');
  char quad[32];
  size_t len = 0;
  if (ip_parse6(slice_upto(s, slash), &ip) == 0) {
    snprintf(out, cap, "[%.*s]%.*s", (int)slash, s.p, shown(s.len - slash),
             s.p + slash);
    return true;
  }
  if (s.len < 3 || s.len > 13 || !slice_ends(s, ".*"))
    return false;
  memcpy(quad, s.p, s.len - 2);
  len = s.len - 2;
  for (size_t i = 0; i < len; i++)
    octets += quad[i] == '.';
  if (++octets > 3)
    return false;
  for (unsigned i = octets; i < 4; i++) {
    quad[len++] = '.';
    quad[len++] = '0';
  }
  if (ip_parse4((struct slice){quad, len}, &ip) != 0)
    return false;
  snprintf(out, cap, "%.*s/%u", (int)len, quad, octets * 8);
  return true;
}

static int bad_address(const struct compiling *c, size_t at) {
  char rewrite[200];
  if (address_rewrite(c->text, rewrite, sizeof rewrite))
    return bad(c->e, at, "'%.*s' is no address pattern, expected '%s'",
               shown(c->text.len), c->text.p, rewrite);
  return bad(c->e, at,
             "'%.*s' is no address pattern, expected a block such as "
             "'10.20.0.0/16', '10.20.0.0/16:8443' or '[fd00::]/8', a class "
             "such as 'class:private', or '*'",
             shown(c->text.len), c->text.p);
}

/* Addresses ["/" bits] [":" ports], or "class:" name */
static int compile_address(struct pattern *p, const struct compiling *c) {
  struct slice s = c->text;
  struct pattern_address a = {.bits = 0};
  unsigned max = 32;
  size_t i = 0, end;
  uint64_t bits;
  struct ip masked;
  if (slice_starts(s, SLICE("class:")))
    return compile_class(p, c);
  if (s.len > 0 && s.p[0] == '[') {
    end = slice_find(s, 0, ']');
    if (end == s.len ||
        ip_parse6((struct slice){s.p + 1, end - 1}, &a.prefix) != 0)
      return bad_address(c, 0);
    max = 128;
    i = end + 1;
  } else {
    while (i < s.len && s.p[i] != '/' && s.p[i] != ':')
      i++;
    if (ip_parse4(slice_upto(s, i), &a.prefix) != 0)
      return bad_address(c, 0);
  }
  a.bits = (uint8_t)max;
  if (i < s.len && s.p[i] == '/') {
    end = slice_find(s, i, ':');
    struct slice number = {s.p + i + 1, end - i - 1};
    if (str_u64(number, max, &bits) != 0)
      return bad(c->e, i + 1,
                 "length '%.*s' of the block, expected a number from 0 to %u",
                 shown(number.len), number.p, max);
    a.bits = (uint8_t)bits;
    i = end;
  }
  masked = a.prefix;
  for (unsigned b = a.bits; b < max; b++)
    masked.bytes[b / 8] &= (uint8_t) ~(0x80U >> b % 8);
  if (memcmp(masked.bytes, a.prefix.bytes, sizeof masked.bytes) != 0) {
    char text[IP_TEXT_MAX];
    ip_format(&masked, text);
    return bad(c->e, 0,
               "address bits behind the block's length in '%.*s', expected "
               "'%s%s%s/%u'",
               shown(s.len), s.p, max == 128 ? "[" : "", text,
               max == 128 ? "]" : "", a.bits);
  }
  if (i < s.len) {
    int rv;
    if (s.p[i] != ':')
      return bad_address(c, i);
    rv = compile_ports(slice_from(s, i + 1), i + 1, &a.ports, c->e);
    if (rv != 0)
      return rv;
  }
  p->kind = PATTERN_ADDRESS;
  p->as.address = a;
  return 0;
}

static bool looks_like_address(struct slice s) {
  return s.len > 0 && (ascii_digit(s.p[0]) || s.p[0] == '[' ||
                       slice_starts(s, SLICE("class:")));
}

/* ------------------------------------------------------------- resource --- */

static int compile_resource(struct pattern *p, struct compiling *c) {
  unsigned use = c->use & EVERY_USE, ignored;
  bool other = (use & PATTERN_FOR_OTHER) != 0;
  const char *rewrite;
  if (c->text.len == 0 || slice_is(c->text, "*"))
    return compile_text(p, c);
  if (pattern_scheme(c->text, &ignored) > 0) {
    if ((use & PATTERN_FOR_ADDRESS) && !(use & PATTERN_FOR_URL) && !other)
      return bad_address(c, 0);
    return compile_url(p, c);
  }
  if (use & PATTERN_FOR_ADDRESS) {
    if (!other && (!(use & PATTERN_FOR_URL) || looks_like_address(c->text)))
      return compile_address(p, c);
    if (other) {
      struct compiling quiet = *c;
      quiet.e = NULL;
      if (compile_address(p, &quiet) == 0)
        return 0;
    }
  }
  if (use & PATTERN_FOR_URL) {
    if (open_scheme(c->text, &rewrite))
      return compile_open_scheme(p, c, rewrite);
    if (!other)
      return bad(c->e, 0,
                 "'%.*s' is no URL pattern, expected 'ws://', 'wss://' or "
                 "'*://' in front, as in 'wss://stream.example.com/*'",
                 shown(c->text.len), c->text.p);
  }
  if ((c->use & PATTERN_IN_DENY) && slice_ends(c->text, ".*"))
    err_setf(c->warning, ERR_UNSUPPORTED,
             "'%.*s' hits what has the dot, in the original runtime it hit "
             "'%.*s*'",
             shown(c->text.len), c->text.p, shown(c->text.len - 2), c->text.p);
  return compile_text(p, c);
}

int pattern_compile_resource(struct pattern *ret, struct slice text,
                             unsigned use, struct arena *a, struct err *warning,
                             struct err *e) {
  struct pattern p = {.kind = PATTERN_NEVER};
  struct err unread;
  struct compiling c = {.use = use, .arena = a, .e = e};
  int rv;
  c.warning = warning ? warning : &unread;
  err_set(c.warning, 0);
  c.text.p = arena_strndup(a, text.len > 0 ? text.p : "", text.len);
  c.text.len = text.len;
  if (!c.text.p)
    return err_set(e, ERR_NOMEM);
  p.source = c.text;
  p.deny = (use & PATTERN_IN_DENY) != 0;
  rv = compile_resource(&p, &c);
  if (rv == 0)
    *ret = p;
  return rv;
}

/* --------------------------------------------------------------- naming --- */

enum pattern_naming pattern_naming(const struct pattern *p) {
  const struct pattern_url *u = &p->as.url;
  struct ip ip;
  struct slice inner;
  if (p->kind != PATTERN_URL)
    return PATTERN_NAMES_NONE;
  if (u->host_kind == PATTERN_HOST_NAME)
    return slice_is(u->host, "localhost") ? PATTERN_NAMES_LOCAL
                                          : PATTERN_NAMES_HOST;
  if (u->host_kind != PATTERN_HOST_IP)
    return PATTERN_NAMES_NONE;
  inner = u->host;
  if (inner.p[0] == '[')
    inner = (struct slice){inner.p + 1, inner.len - 2};
  if ((ip_parse4(inner, &ip) == 0 || ip_parse6(inner, &ip) == 0) &&
      ip_classify(&ip) == IP_LOOPBACK)
    return PATTERN_NAMES_LOCAL;
  return PATTERN_NAMES_HOST;
}
