/* url.c - ws:// and wss:// text to one canonical URL, or a refusal.
 *
 * The checks run in the order of URL_REASON_MAP, each over the whole of what it
 * looks at, so that a text with several faults has one answer.  Offsets in
 * messages count bytes from 1. */
#include "runtime/base/url.h"

#include <stdarg.h>
#include <stdio.h>

#define HOST_MAX 253
#define LABEL_MAX 63

const char *url_reason_text(enum url_reason r) {
  switch (r) {
  case URL_OK:
    return "ok";
#define URL_REASON_CASE(name, text)                                            \
  case URL_##name:                                                             \
    return text;
    URL_REASON_MAP(URL_REASON_CASE)
#undef URL_REASON_CASE
  }
  return "unknown";
}

/* ---------------------------------------------------------------- bytes --- */

/* What is wrong with a byte anywhere, and what it may be part of. */
#define BAD_CONTROL 1U
#define BAD_BACKSLASH 2U
#define BAD_HIGH 4U
#define IS_AT 8U
#define IS_HASH 16U
#define IS_UNRESERVED 32U /* RFC 3986, 2.3 */
#define IS_PCHAR 64U      /* RFC 3986, 3.3, without the escapes */
#define IS_LABEL 128U     /* of a host name, either case */

#define UNRESERVED (IS_UNRESERVED | IS_PCHAR)
#define ALNUM (UNRESERVED | IS_LABEL)

static const uint8_t byte_kind[256] = {
    [0 ... 0x20] = BAD_CONTROL,
    ['!'] = IS_PCHAR,
    ['#'] = IS_HASH,
    ['$'] = IS_PCHAR,
    ['&' ... ','] = IS_PCHAR, /* & ' ( ) * + , */
    ['-'] = UNRESERVED | IS_LABEL,
    ['.'] = UNRESERVED,
    ['0' ... '9'] = ALNUM,
    [':'] = IS_PCHAR,
    [';'] = IS_PCHAR,
    ['='] = IS_PCHAR,
    ['@'] = IS_PCHAR | IS_AT,
    ['A' ... 'Z'] = ALNUM,
    ['\\'] = BAD_BACKSLASH,
    ['_'] = UNRESERVED | IS_LABEL,
    ['a' ... 'z'] = ALNUM,
    ['~'] = UNRESERVED,
    [0x7f] = BAD_CONTROL,
    [0x80 ... 0xff] = BAD_HIGH,
};

static unsigned kind_of(char c) {
  return byte_kind[(uint8_t)c];
}

static unsigned kinds_in(struct slice s) {
  unsigned seen = 0;
  for (size_t i = 0; i < s.len; i++)
    seen |= kind_of(s.p[i]);
  return seen;
}

static size_t first_of_kind(struct slice s, unsigned kind) {
  size_t i = 0;
  while (i < s.len && !(kind_of(s.p[i]) & kind))
    i++;
  return i;
}

/* The first |c| in |s| from |from| on, else its length. */
static size_t find(struct slice s, size_t from, char c) {
  const char *hit = from < s.len ? memchr(s.p + from, c, s.len - from) : NULL;
  return hit ? (size_t)(hit - s.p) : s.len;
}

/* Where an authority that starts at |from| ends. */
static size_t authority_end(struct slice s, size_t from) {
  size_t i = from;
  while (i < s.len && s.p[i] != '/' && s.p[i] != '?' && s.p[i] != '#')
    i++;
  return i;
}

/* A message about the byte at offset |at|. */
static void refuse(struct err *e, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct err *e, size_t at, const char *fmt, ...) {
  char text[sizeof e->message];
  va_list ap;
  if (!e)
    return;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  err_setf(e, ERR_INVALID, "byte %zu: %s", at + 1, text);
  e->column = at < UINT32_MAX ? (uint32_t)at + 1 : 0;
}

/* For messages: long texts show their beginning. */
static int shown(size_t len) {
  return (int)(len < 80 ? len : 80);
}

/* ------------------------------------------------------------- punycode --- */

static unsigned puny_adapt(unsigned delta, unsigned npoints, bool first) {
  unsigned k = 0;
  delta = first ? delta / 700 : delta / 2;
  delta += delta / npoints;
  for (; delta > (36 - 1) * 26 / 2; k += 36)
    delta /= 36 - 1;
  return k + 36 * delta / (delta + 38);
}

static char puny_digit(unsigned d) {
  return (char)(d < 26 ? 'a' + d : '0' + (d - 26));
}

/* RFC 3492, 6.3, of at most LABEL_MAX code points, with "xn--" in front.
 * Returns the length, or 0 if the label would be too long.  With so few code
 * points nothing here can overflow 32 bits. */
static size_t puny_label(const uint32_t *cp, size_t n, char out[LABEL_MAX]) {
  unsigned code = 128, delta = 0, bias = 72;
  size_t len = 4, basic = 0, done;
  memcpy(out, "xn--", 4);
  for (size_t i = 0; i < n; i++) {
    if (cp[i] >= 128)
      continue;
    if (len == LABEL_MAX)
      return 0;
    out[len++] = ascii_lower((char)cp[i]);
    basic++;
  }
  if (basic > 0) {
    if (len == LABEL_MAX)
      return 0;
    out[len++] = '-';
  }
  for (done = basic; done < n; delta++, code++) {
    unsigned next = 0x110000;
    for (size_t i = 0; i < n; i++) {
      if (cp[i] >= code && cp[i] < next)
        next = cp[i];
    }
    delta += (next - code) * (unsigned)(done + 1);
    code = next;
    for (size_t i = 0; i < n; i++) {
      unsigned q = delta;
      if (cp[i] < code)
        delta++;
      if (cp[i] != code)
        continue;
      for (unsigned k = 36;; k += 36) {
        unsigned t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
        if (len == LABEL_MAX)
          return 0;
        if (q < t)
          break;
        out[len++] = puny_digit(t + (q - t) % (36 - t));
        q = (q - t) / (36 - t);
      }
      out[len++] = puny_digit(q);
      bias = puny_adapt(delta, (unsigned)(done + 1), done == basic);
      delta = 0;
      done++;
    }
  }
  return len;
}

/* The code point at |p| of valid UTF-8. */
static uint32_t utf8_at(const char *p, size_t *ret_len) {
  const uint8_t *b = (const uint8_t *)p;
  size_t n = b[0] < 0x80 ? 1 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
  uint32_t cp = n == 1 ? b[0] : b[0] & (0x7fU >> n);
  for (size_t i = 1; i < n; i++)
    cp = cp << 6 | (b[i] & 0x3fU);
  *ret_len = n;
  return cp;
}

/* A host with its non-ASCII labels in the xn-- form, for messages; 0: none can
 * be offered.  There is no mapping of look-alikes as IDNA has it, hence nothing
 * is offered where one would surely apply: dots, punctuation and the full-width
 * forms, whose only use in a host is to look like ASCII. */
static size_t puny_host(struct slice host, char out[HOST_MAX + 1]) {
  size_t len = 0, i = 0;
  if (!utf8_valid(host))
    return 0;
  for (;;) {
    uint32_t cp[LABEL_MAX];
    char label[LABEL_MAX];
    size_t n = 0, label_len;
    bool high = false;
    while (i < host.len && host.p[i] != '.') {
      size_t step;
      uint32_t c = utf8_at(host.p + i, &step);
      i += step;
      if (n == LABEL_MAX || c == 0x3002 || (c >= 0x2000 && c < 0x2070) ||
          (c >= 0x80 && c < 0xa1) || c == 0xad || c >= 0xe000)
        return 0;
      if (c < 0x80 && !(byte_kind[c] & IS_LABEL))
        return 0;
      high = high || c >= 0x80;
      cp[n++] = c;
    }
    if (high) {
      label_len = puny_label(cp, n, label);
      if (label_len == 0)
        return 0;
    } else {
      for (label_len = 0; label_len < n; label_len++)
        label[label_len] = ascii_lower((char)cp[label_len]);
    }
    if (label_len + 1 > HOST_MAX - len)
      return 0;
    memcpy(out + len, label, label_len);
    len += label_len;
    if (i == host.len)
      break;
    out[len++] = '.';
    i++;
  }
  out[len] = '\0';
  return len;
}

/* ------------------------------------------------------------ whole text ---
 */

static enum url_reason refuse_control(struct slice text, size_t base,
                                      struct err *e) {
  size_t at = first_of_kind(text, BAD_CONTROL);
  unsigned c = (uint8_t)text.p[at];
  if (c == ' ')
    refuse(e, base + at,
           "space in the URL, expected none; in a path or a query "
           "write it as '%%20'");
  else
    refuse(e, base + at,
           "control character 0x%02x in the URL, expected only "
           "printable ASCII",
           c);
  return URL_CONTROL;
}

/* |host| is where a host stands in |text|, as far as one can tell. */
static enum url_reason refuse_high(struct slice text, size_t base,
                                   struct slice host, struct err *e) {
  size_t at = first_of_kind(text, BAD_HIGH);
  const char *p = text.p + at;
  char xn[HOST_MAX + 1];
  if (!e)
    return URL_NON_ASCII;
  if (p < host.p || p >= host.p + host.len)
    refuse(e, base + at,
           "non-ASCII byte 0x%02x in the URL, write it as '%%%02X'",
           (uint8_t)*p, (uint8_t)*p);
  else if (puny_host(host, xn) > 0)
    refuse(e, base + at,
           "non-ASCII host '%.*s', expected its ASCII form, perhaps "
           "'%s'",
           shown(host.len), host.p, xn);
  else
    refuse(e, base + at,
           "non-ASCII host '%.*s', expected its ASCII (xn--) form",
           shown(host.len), host.p);
  return URL_NON_ASCII;
}

/* The bytes that are welcome nowhere. */
static enum url_reason check_bytes(struct slice text, size_t base,
                                   unsigned seen, struct slice host,
                                   struct err *e) {
  if (seen & BAD_CONTROL)
    return refuse_control(text, base, e);
  if (seen & BAD_BACKSLASH) {
    refuse(e, base + first_of_kind(text, BAD_BACKSLASH),
           "backslash in the URL, expected '/' or its escape '%%5C' "
           "in a query");
    return URL_BACKSLASH;
  }
  if (seen & BAD_HIGH)
    return refuse_high(text, base, host, e);
  return URL_OK;
}

/* ----------------------------------------------------------------- host --- */

struct host {
  enum url_host_kind kind;
  struct ip ip;
  size_t len;
  char *out; /* room for 256 bytes */
};

/* Digits only, or "0x" in front: what some resolvers read as a number. */
static bool numeric_label(const char *p, size_t len) {
  if (len >= 2 && p[0] == '0' && p[1] == 'x')
    return true;
  for (size_t i = 0; i < len; i++) {
    if (!ascii_digit(p[i]))
      return false;
  }
  return true;
}

static enum url_reason host_name(struct slice s, size_t base, struct host *h,
                                 struct err *e) {
  size_t len = s.len, label = 0; /* where the last one starts */
  bool colons;
  if (len > 0 && s.p[len - 1] == '.')
    len--;
  if (len == 0) {
    refuse(e, base, "no host, expected a name or an address");
    return URL_HOST;
  }
  /* The characters first: a stray one says more than a length. */
  for (size_t i = 0; i < len; i++) {
    char c = s.p[i];
    if (c == '.' || (kind_of(c) & IS_LABEL))
      continue;
    colons = c == ':' || c == '[' || c == ']';
    refuse(e, base + i,
           "'%c' in the host '%.*s', expected letters, digits, '-', "
           "'_' and '.'%s",
           c, shown(s.len), s.p,
           c == '%' ? " (escapes are not taken in a host)"
           : colons ? " (an IPv6 address stands in brackets)"
                    : "");
    return URL_HOST;
  }
  if (len > HOST_MAX) {
    refuse(e, base, "host of %zu bytes, expected at most %d", len, HOST_MAX);
    return URL_HOST;
  }
  for (size_t i = 0; i <= len; i++) {
    size_t n = i - label;
    if (i < len && s.p[i] != '.') {
      h->out[i] = ascii_lower(s.p[i]);
      continue;
    }
    if (n == 0) {
      refuse(e, base + i,
             "empty label in the host '%.*s', expected a name "
             "between the dots",
             shown(s.len), s.p);
      return URL_HOST;
    }
    if (n > LABEL_MAX) {
      refuse(e, base + label,
             "label of %zu bytes in the host, expected at most %d", n,
             LABEL_MAX);
      return URL_HOST;
    }
    if (s.p[label] == '-' || s.p[i - 1] == '-') {
      refuse(e, base + label,
             "label '%.*s' of the host starts or ends with '-'", (int)n,
             s.p + label);
      return URL_HOST;
    }
    if (i < len) {
      h->out[i] = '.';
      label = i + 1;
    }
  }
  h->len = len;
  h->kind = URL_HOST_NAME;
  if (!numeric_label(h->out + label, len - label))
    return URL_OK;
  if (ip_parse4((struct slice){h->out, len}, &h->ip) != 0) {
    refuse(e, base,
           "host '%.*s' looks like an IPv4 address, expected four "
           "decimal numbers from 0 to 255 without leading zeros, or a name "
           "whose last label is no number",
           shown(s.len), s.p);
    return URL_IPV4_FORM;
  }
  h->kind = URL_HOST_IPV4;
  return URL_OK;
}

/* |s| is what stands between the brackets. */
static enum url_reason host_v6(struct slice s, size_t base, struct host *h,
                               struct err *e) {
  const char *percent = s.len > 0 ? memchr(s.p, '%', s.len) : NULL;
  struct slice bare = {s.p, percent ? (size_t)(percent - s.p) : s.len};
  char text[IP_TEXT_MAX], v4_text[IP_TEXT_MAX];
  struct ip v4;
  if (ip_parse6(bare, &h->ip) != 0) {
    refuse(e, base,
           "'%.*s' in brackets, expected an IPv6 address such as "
           "'[2001:db8::1]'",
           shown(s.len), s.p);
    return URL_IPV6;
  }
  if (percent) {
    refuse(e, base + bare.len,
           "zone '%.*s' in an IPv6 address, expected none: it means "
           "something on one machine only",
           shown(s.len - bare.len), percent);
    return URL_IPV6_ZONE;
  }
  if (ip_is_mapped(&h->ip) || ip_is_compatible(&h->ip)) {
    if (e && ip_embedded4(&h->ip, &v4)) {
      ip_format(&v4, v4_text);
      refuse(e, base,
             "IPv4 address inside the IPv6 address '%.*s', expected "
             "'%s'",
             shown(s.len), s.p, v4_text);
    }
    return URL_IPV4_IN_IPV6;
  }
  h->len = ip_format(&h->ip, text);
  if (memchr(s.p, '.', s.len)) {
    refuse(e, base,
           "IPv4 address inside the IPv6 address '%.*s', expected "
           "'[%s]' if that is what is meant",
           shown(s.len), s.p, text);
    return URL_IPV4_IN_IPV6;
  }
  h->kind = URL_HOST_IPV6;
  h->out[0] = '[';
  memcpy(h->out + 1, text, h->len);
  h->out[h->len + 1] = ']';
  h->len += 2;
  return URL_OK;
}

static enum url_reason host_parse(struct slice s, size_t base, struct host *h,
                                  struct err *e) {
  memset(&h->ip, 0, sizeof h->ip);
  if (s.len == 0 || s.p[0] != '[')
    return host_name(s, base, h, e);
  if (s.p[s.len - 1] != ']') {
    refuse(e, base,
           "'%.*s', expected an IPv6 address between '[' and ']' "
           "and nothing behind it",
           shown(s.len), s.p);
    return URL_IPV6;
  }
  return host_v6((struct slice){s.p + 1, s.len - 2}, base + 1, h, e);
}

int url_canonical_host(struct slice text, size_t base, char *out,
                       size_t *ret_len, enum url_host_kind *ret_kind,
                       struct ip *ret_ip, enum url_reason *ret_reason,
                       struct err *e) {
  struct host h = {.out = out};
  enum url_reason r = check_bytes(text, base, kinds_in(text), text, e);
  if (r == URL_OK)
    r = host_parse(text, base, &h, e);
  if (ret_reason)
    *ret_reason = r;
  if (r != URL_OK)
    return ERR_INVALID;
  *ret_len = h.len;
  if (ret_kind)
    *ret_kind = h.kind;
  if (ret_ip)
    *ret_ip = h.ip;
  return 0;
}

/* ----------------------------------------------------------------- port --- */

static enum url_reason port_parse(struct slice s, size_t base, uint16_t *ret,
                                  struct err *e) {
  uint64_t n;
  if (s.len == 0) {
    refuse(e, base,
           "no port behind ':', expected a number from 1 to 65535 "
           "or no ':'");
    return URL_PORT;
  }
  if (s.len > 5 || str_u64(s, UINT16_MAX, &n) != 0 || n == 0) {
    refuse(e, base,
           "port '%.*s', expected a number from 1 to 65535 without "
           "leading zeros",
           shown(s.len), s.p);
    return URL_PORT;
  }
  *ret = (uint16_t)n;
  return URL_OK;
}

/* -------------------------------------------------------- path and query ---
 */

/* The fault that the order of checks puts first, and where it was first seen.
 */
struct fault {
  enum url_reason reason;
  size_t at;
};

static void fault_note(struct fault *f, enum url_reason r, size_t at) {
  if (f->reason == URL_OK || r < f->reason)
    *f = (struct fault){r, at};
}

/* Canonicalises |s| into |out| (never longer than |s|): the escapes of
 * unreserved bytes decoded, the others in upper case. */
static size_t decode_part(struct slice s, bool is_path, char *out,
                          struct fault *f) {
  enum url_reason stray = is_path ? URL_PATH : URL_QUERY;
  size_t len = 0, segment = 1; /* of |out|, behind the last '/' */
  for (size_t i = 0; i < s.len; i++) {
    char c = s.p[i];
    int hi, lo, byte;
    if (kind_of(c) & IS_PCHAR) {
      out[len++] = c;
      continue;
    }
    if (c == '/') {
      if (is_path && len > 0) {
        size_t n = len - segment;
        if (n == 0)
          fault_note(f, URL_EMPTY_SEGMENT, i);
        else if (n <= 2 && out[segment] == '.' && out[len - 1] == '.')
          fault_note(f, URL_DOT_SEGMENT, i - 1);
        segment = len + 1;
      }
      out[len++] = c;
      continue;
    }
    if (c != '%') {
      if (c != '?' || is_path)
        fault_note(f, stray, i);
      out[len++] = c;
      continue;
    }
    hi = i + 1 < s.len ? hex_digit(s.p[i + 1]) : -1;
    lo = i + 2 < s.len ? hex_digit(s.p[i + 2]) : -1;
    if (hi < 0 || lo < 0) {
      fault_note(f, URL_ESCAPE, i);
      out[len++] = c;
      continue;
    }
    byte = hi * 16 + lo;
    if (byte < 0x20 || byte == 0x7f)
      fault_note(f, URL_ESCAPE, i);
    else if (is_path && (byte == '/' || byte == '\\'))
      fault_note(f, URL_ENCODED_SLASH, i);
    if (byte_kind[byte] & IS_UNRESERVED) {
      out[len++] = (char)byte;
    } else {
      out[len++] = '%';
      out[len++] = "0123456789ABCDEF"[hi];
      out[len++] = "0123456789ABCDEF"[lo];
    }
    i += 2;
  }
  if (is_path && len > segment && len - segment <= 2 && out[segment] == '.' &&
      out[len - 1] == '.')
    fault_note(f, URL_DOT_SEGMENT, s.len - 1);
  return len;
}

static enum url_reason refuse_part(struct fault f, struct slice part,
                                   const char *what, size_t base,
                                   struct err *e) {
  const char *p = part.p + f.at;
  size_t left = part.len - f.at, at = base + f.at;
  switch (f.reason) {
  case URL_ESCAPE:
    if (left >= 3 && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0)
      refuse(e, at,
             "escaped control character '%.3s' in the %s, expected "
             "none",
             p, what);
    else
      refuse(e, at,
             "'%%' without two hexadecimal digits in the %s, "
             "expected an escape such as '%%20', or '%%25' for '%%' itself",
             what);
    break;
  case URL_ENCODED_SLASH:
    refuse(e, at,
           "'%.3s' in the path, expected '/' where a segment ends: "
           "servers do not agree on what it means",
           p);
    break;
  case URL_DOT_SEGMENT:
    refuse(e, at,
           "'.' or '..' as a segment of the path, expected the path "
           "that it leads to");
    break;
  case URL_EMPTY_SEGMENT:
    refuse(e, at,
           "empty segment in the path, expected one '/' between "
           "segments");
    break;
  default:
    refuse(e, at, "'%c' in the %s, expected it as the escape '%%%02X'", *p,
           what, (uint8_t)*p);
    break;
  }
  return f.reason;
}

int url_canonical_part(struct slice text, bool is_path, size_t base, char *out,
                       size_t *ret_len, enum url_reason *ret_reason,
                       struct err *e) {
  struct fault f = {URL_OK, 0};
  struct slice no_host = {text.p, 0};
  enum url_reason r = check_bytes(text, base, kinds_in(text), no_host, e);
  if (r == URL_OK && is_path && (text.len == 0 || text.p[0] != '/')) {
    refuse(e, base, "path '%.*s', expected '/' in front", shown(text.len),
           text.p);
    r = URL_PATH;
  }
  if (r == URL_OK) {
    *ret_len = decode_part(text, is_path, out, &f);
    if (f.reason != URL_OK)
      r = refuse_part(f, text, is_path ? "path" : "query", base, e);
  }
  if (ret_reason)
    *ret_reason = r;
  return r == URL_OK ? 0 : ERR_INVALID;
}

/* ---------------------------------------------------------------- whole --- */

/* The length of "ws://" or "wss://" in front of |text|, in any case, or 0. */
static size_t scheme_len(struct slice text, bool *ret_tls) {
  size_t n = 2;
  if (text.len < 5 || ascii_lower(text.p[0]) != 'w' ||
      ascii_lower(text.p[1]) != 's')
    return 0;
  *ret_tls = ascii_lower(text.p[2]) == 's';
  n += *ret_tls;
  if (text.len < n + 3 || memcmp(text.p + n, "://", 3) != 0)
    return 0;
  return n + 3;
}

static enum url_reason refuse_scheme(struct slice text, struct err *e) {
  size_t colon = find((struct slice){text.p, authority_end(text, 0)}, 0, ':');
  struct slice scheme = {text.p, colon};
  const char *instead = NULL;
  if (colon + 2 < text.len && memcmp(text.p + colon, "://", 3) == 0) {
    if (slice_eq_nocase(scheme, SLICE("https")))
      instead = "wss://";
    else if (slice_eq_nocase(scheme, SLICE("http")))
      instead = "ws://";
    refuse(e, 0, "scheme '%.*s', expected 'ws' or 'wss'%s%s%s",
           shown(scheme.len), scheme.p, instead ? ", perhaps '" : "",
           instead ? instead : "", instead ? "'" : "");
  } else if (slice_eq_nocase(scheme, SLICE("ws")) ||
             slice_eq_nocase(scheme, SLICE("wss"))) {
    refuse(e, colon,
           "expected '://' behind the scheme '%.*s' and then the "
           "host",
           (int)scheme.len, scheme.p);
  } else {
    refuse(e, 0,
           "no scheme, expected 'ws://' or 'wss://' in front of "
           "'%.*s'",
           shown(text.len), text.p);
  }
  return URL_SCHEME;
}

/* Where the host stands, for the message about a non-ASCII one. */
static struct slice host_guess(struct slice text) {
  size_t start = 0, end, at;
  for (size_t i = 0; i + 2 < text.len; i++) {
    if (memcmp(text.p + i, "://", 3) == 0) {
      start = i + 3;
      break;
    }
  }
  end = authority_end(text, start);
  at = find((struct slice){text.p, end}, start, '@');
  if (at < end)
    start = at + 1;
  end = find((struct slice){text.p, end}, start, ':');
  return (struct slice){text.p + start, end - start};
}

static void put(struct url *u, const char *p, size_t n) {
  memcpy(u->text + u->len, p, n);
  u->len += n;
}

static void put_port(struct url *u, uint16_t port) {
  char digits[8];
  size_t i = sizeof digits;
  unsigned n = port;
  do {
    digits[--i] = (char)('0' + n % 10);
    n /= 10;
  } while (n > 0);
  digits[--i] = ':';
  put(u, digits + i, sizeof digits - i);
}

/* |text| is all pchar, '/', '?', '%' and the few that a part refuses. */
static enum url_reason parse(struct url *u, struct slice text, struct err *e) {
  unsigned seen;
  size_t start, end, colon, query;
  struct slice authority, part;
  struct fault f = {URL_OK, 0};
  struct host h;
  enum url_reason r;
  uint16_t default_port;

  if (text.len > URL_MAX_BYTES) {
    bool all = text.len < URL_TOLD_BYTES;
    err_setf(e, ERR_INVALID, "URL of %zu bytes%s, expected at most %d",
             all ? text.len : URL_TOLD_BYTES, all ? "" : " or more",
             URL_MAX_BYTES);
    return URL_TOO_LONG;
  }
  seen = kinds_in(text);
  if (seen & (BAD_CONTROL | BAD_BACKSLASH | BAD_HIGH))
    return check_bytes(text, 0, seen, host_guess(text), e);
  start = scheme_len(text, &u->tls);
  if (start == 0)
    return refuse_scheme(text, e);
  end = authority_end(text, start);
  authority = (struct slice){text.p + start, end - start};
  if (seen & IS_AT) {
    const char *at = memchr(authority.p, '@', authority.len);
    if (at) {
      refuse(e, (size_t)(at - text.p),
             "'@' in front of the path, expected a host without "
             "user name and password; send those as a header");
      return URL_USERINFO;
    }
  }
  if (seen & IS_HASH) {
    refuse(e, first_of_kind(text, IS_HASH),
           "fragment ('#') in the URL, expected none: a WebSocket "
           "has no use for it; '#' itself is '%%23'");
    return URL_FRAGMENT;
  }

  u->len = 0;
  put(u, u->tls ? "wss://" : "ws://", u->tls ? 6 : 5);
  u->scheme = (struct slice){u->text, u->tls ? 3 : 2};
  colon = 0;
  if (authority.len > 0 && authority.p[0] == '[')
    colon = find(authority, 0, ']');
  colon = find(authority, colon, ':');
  h.out = u->text + u->len;
  r = host_parse((struct slice){authority.p, colon}, start, &h, e);
  if (r != URL_OK)
    return r;
  u->host = (struct slice){h.out, h.len};
  u->len += h.len;
  u->host_kind = h.kind;
  u->ip = h.ip;

  default_port = u->tls ? 443 : 80;
  u->port = default_port;
  if (colon < authority.len) {
    part = (struct slice){authority.p + colon + 1, authority.len - colon - 1};
    r = port_parse(part, start + colon + 1, &u->port, e);
    if (r != URL_OK)
      return r;
    if (u->port != default_port)
      put_port(u, u->port);
  }

  query = find(text, end, '?');
  u->path.p = u->text + u->len;
  if (query == end) {
    u->path.len = 1;
    put(u, "/", 1);
  } else {
    part = (struct slice){text.p + end, query - end};
    u->path.len = decode_part(part, true, u->text + u->len, &f);
    if (f.reason != URL_OK)
      return refuse_part(f, part, "path", end, e);
    u->len += u->path.len;
  }
  u->has_query = query < text.len;
  u->query = (struct slice){u->text + u->len, 0};
  if (u->has_query) {
    put(u, "?", 1);
    u->query.p = u->text + u->len;
    part = (struct slice){text.p + query + 1, text.len - query - 1};
    u->query.len = decode_part(part, false, u->text + u->len, &f);
    if (f.reason != URL_OK)
      return refuse_part(f, part, "query", query + 1, e);
    u->len += u->query.len;
  }
  u->text[u->len] = '\0';
  /* The few bytes that were added must not make of a canonical URL one that is
   * refused when it comes back. */
  if (u->len > URL_MAX_BYTES) {
    err_setf(e, ERR_INVALID, "canonical URL of %zu bytes, expected at most %d",
             u->len, URL_MAX_BYTES);
    return URL_TOO_LONG;
  }
  return URL_OK;
}

int url_parse(struct url *ret, struct slice text, enum url_reason *ret_reason,
              struct err *e) {
  enum url_reason r = parse(ret, text, e);
  if (ret_reason)
    *ret_reason = r;
  return r == URL_OK ? 0 : ERR_INVALID;
}

static struct slice moved(struct slice s, const struct url *from,
                          struct url *to) {
  return (struct slice){to->text + (s.p - from->text), s.len};
}

void url_copy(struct url *dst, const struct url *src) {
  if (dst == src)
    return;
  dst->tls = src->tls;
  dst->host_kind = src->host_kind;
  dst->port = src->port;
  dst->ip = src->ip;
  dst->scheme = moved(src->scheme, src, dst);
  dst->host = moved(src->host, src, dst);
  dst->path = moved(src->path, src, dst);
  dst->has_query = src->has_query;
  dst->query = moved(src->query, src, dst);
  dst->len = src->len;
  memcpy(dst->text, src->text, src->len + 1);
}
