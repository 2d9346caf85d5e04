/* ip.c - IPv4 and IPv6 text, CIDR blocks, address classes.  Own parsers, for
 * inet_pton's ideas of what is an address differ between C libraries. */
#include "runtime/base/ip.h"

#include "runtime/base/err.h"

static const char *const class_names[] = {
    [IP_PUBLIC] = "public",     [IP_PRIVATE] = "private",
    [IP_LOOPBACK] = "loopback", [IP_LINK_LOCAL] = "link_local",
    [IP_CGNAT] = "cgnat",       [IP_MULTICAST] = "multicast",
    [IP_RESERVED] = "reserved", [IP_EMBEDDED_V4] = "embedded_v4",
};

#define NCLASSES (sizeof class_names / sizeof class_names[0])

const char *ip_class_name(enum ip_class c) {
  return (size_t)c < NCLASSES ? class_names[c] : "reserved";
}

int ip_class_from_name(struct slice s, enum ip_class *ret) {
  for (size_t i = 0; i < NCLASSES; i++) {
    if (slice_is(s, class_names[i])) {
      *ret = (enum ip_class)i;
      return 0;
    }
  }
  return ERR_NOT_FOUND;
}

/* -------------------------------------------------------------- classes --- */

struct block {
  uint8_t bytes[16];
  uint8_t bits;
  uint8_t class_;
};

/* IANA IPv4 Special-Purpose Address Registry, and RFC 5771 and RFC 1112 for the
 * upper end.  192.0.0.9 and .10 are "globally reachable" there, but as anycast
 * to the nearest gateway: they stay reserved.  Everything else is public. */
static const struct block blocks4[] = {
    {{0}, 8, IP_RESERVED},             /* this network, RFC 791 */
    {{10}, 8, IP_PRIVATE},             /* RFC 1918 */
    {{100, 64}, 10, IP_CGNAT},         /* RFC 6598 */
    {{127}, 8, IP_LOOPBACK},           /* RFC 1122 */
    {{169, 254}, 16, IP_LINK_LOCAL},   /* RFC 3927 */
    {{172, 16}, 12, IP_PRIVATE},       /* RFC 1918 */
    {{192, 0, 0}, 24, IP_RESERVED},    /* IETF protocols, RFC 6890 */
    {{192, 0, 2}, 24, IP_RESERVED},    /* TEST-NET-1, RFC 5737 */
    {{192, 88, 99}, 24, IP_RESERVED},  /* 6to4 relays, RFC 7526 */
    {{192, 168}, 16, IP_PRIVATE},      /* RFC 1918 */
    {{198, 18}, 15, IP_RESERVED},      /* benchmarking, RFC 2544 */
    {{198, 51, 100}, 24, IP_RESERVED}, /* TEST-NET-2 */
    {{203, 0, 113}, 24, IP_RESERVED},  /* TEST-NET-3 */
    {{224}, 4, IP_MULTICAST},          /* RFC 5771 */
    {{240}, 4, IP_RESERVED},           /* RFC 1112, and broadcast */
};

/* IANA IPv6 Special-Purpose Address Registry; the first block that holds the
 * address decides.  Only 2000::/3 is handed out as global unicast, so whatever
 * is outside and not named is reserved. */
static const struct block blocks6[] = {
    {{[15] = 1}, 128, IP_LOOPBACK},                    /* ::1 */
    {{0}, 128, IP_RESERVED},                           /* :: */
    {{[10] = 0xff, 0xff}, 96, IP_EMBEDDED_V4},         /* mapped, RFC 4291 */
    {{0}, 96, IP_EMBEDDED_V4},                         /* compatible */
    {{[8] = 0xff, 0xff}, 96, IP_EMBEDDED_V4},          /* SIIT, RFC 2765 */
    {{0, 0x64, 0xff, 0x9b}, 96, IP_EMBEDDED_V4},       /* NAT64, RFC 6052 */
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, IP_EMBEDDED_V4}, /* NAT64, RFC 8215 */
    {{0x20, 1}, 32, IP_EMBEDDED_V4},                   /* Teredo, RFC 4380 */
    {{0x20, 1, 0, 3}, 32, IP_PUBLIC},                  /* AMT, RFC 7450 */
    {{0x20, 1, 0, 4, 1, 0x12}, 48, IP_PUBLIC},         /* AS112, RFC 7535 */
    {{0x20, 1}, 23, IP_RESERVED},                      /* IETF protocols */
    {{0x20, 1, 0x0d, 0xb8}, 32, IP_RESERVED},          /* documentation */
    {{0x20, 2}, 16, IP_EMBEDDED_V4},                   /* 6to4, RFC 3056 */
    {{0x3f, 0xff}, 20, IP_RESERVED},                   /* documentation */
    {{0x20}, 3, IP_PUBLIC},                            /* global unicast */
    {{0xfc}, 7, IP_PRIVATE},                           /* RFC 4193 */
    {{0xfe, 0x80}, 10, IP_LINK_LOCAL},                 /* RFC 4291 */
    {{0xff}, 8, IP_MULTICAST},                         /* RFC 4291 */
};

static bool prefix_agrees(const uint8_t *a, const uint8_t *b, unsigned bits) {
  unsigned whole = bits / 8, rest = bits % 8;
  if (memcmp(a, b, whole) != 0)
    return false;
  return rest == 0 || ((unsigned)(a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool ip_in_prefix(const struct ip *a, const struct ip *prefix, unsigned bits) {
  if (a->family != prefix->family || (a->family != 4 && a->family != 6) ||
      bits > (a->family == 4 ? 32U : 128U))
    return false;
  return prefix_agrees(a->bytes, prefix->bytes, bits);
}

enum ip_class ip_classify(const struct ip *a) {
  const struct block *b = blocks6, *end = b + sizeof blocks6 / sizeof *b;
  enum ip_class otherwise = IP_RESERVED;
  if (a->family == 4) {
    b = blocks4;
    end = b + sizeof blocks4 / sizeof *b;
    otherwise = IP_PUBLIC;
  } else if (a->family != 6) {
    return IP_RESERVED; /* no address at all: never public */
  }
  for (; b < end; b++) {
    if (prefix_agrees(a->bytes, b->bytes, b->bits))
      return (enum ip_class)b->class_;
  }
  return otherwise;
}

static bool is_v6_block(const struct ip *a, const uint8_t block[16],
                        unsigned bits) {
  return a->family == 6 && prefix_agrees(a->bytes, block, bits);
}

bool ip_is_mapped(const struct ip *a) {
  static const uint8_t mapped[16] = {[10] = 0xff, 0xff};
  return is_v6_block(a, mapped, 96);
}

bool ip_is_compatible(const struct ip *a) {
  static const uint8_t zero[16];
  return is_v6_block(a, zero, 96) &&
         (a->bytes[12] || a->bytes[13] || a->bytes[14] || a->bytes[15] > 1);
}

bool ip_embedded4(const struct ip *a, struct ip *ret) {
  static const uint8_t nat64[16] = {0, 0x64, 0xff, 0x9b};
  /* RFC 8215 leaves open where in it the IPv4 address stands (RFC 6052, 2.2):
   * at the end, as with the well-known prefix, unless somebody wants it
   * otherwise. */
  static const uint8_t nat64_local[16] = {0, 0x64, 0xff, 0x9b, 0, 1};
  static const uint8_t siit[16] = {[8] = 0xff, 0xff};
  static const uint8_t teredo[16] = {0x20, 1};
  static const uint8_t sixto4[16] = {0x20, 2};
  struct ip v4 = {.family = 4};
  if (ip_is_mapped(a) || ip_is_compatible(a) || is_v6_block(a, nat64, 96) ||
      is_v6_block(a, nat64_local, 48) || is_v6_block(a, siit, 96)) {
    memcpy(v4.bytes, a->bytes + 12, 4);
  } else if (is_v6_block(a, sixto4, 16)) {
    memcpy(v4.bytes, a->bytes + 2, 4);
  } else if (is_v6_block(a, teredo, 32)) {
    /* RFC 4380, 4: the client's address, with every bit turned round */
    for (int i = 0; i < 4; i++)
      v4.bytes[i] = (uint8_t)~a->bytes[12 + i];
  } else {
    return false;
  }
  *ret = v4;
  return true;
}

/* Linux and the BSDs connect to this machine then, whatever RFC 1122 says of
 * "this host" as a destination. */
bool ip_means_loopback(const struct ip *a, struct ip *ret) {
  static const uint8_t zero[16];
  if ((a->family == 4 && memcmp(a->bytes, zero, 4) == 0) ||
      (ip_is_mapped(a) && memcmp(a->bytes + 12, zero, 4) == 0))
    *ret = (struct ip){.family = 4, .bytes = {127, 0, 0, 1}};
  else if (is_v6_block(a, zero, 128))
    *ret = (struct ip){.family = 6, .bytes = {[15] = 1}};
  else
    return false;
  return true;
}

/* -------------------------------------------------------------- reading --- */

int ip_parse4(struct slice s, struct ip *ret) {
  struct ip ip = {.family = 4};
  size_t i = 0;
  for (int part = 0; part < 4; part++) {
    unsigned n = 0;
    size_t start = i;
    if (part > 0 && (i >= s.len || s.p[i++] != '.'))
      return ERR_SYNTAX;
    start = i;
    while (i < s.len && i - start < 3 && ascii_digit(s.p[i]))
      n = n * 10 + (unsigned)(s.p[i++] - '0');
    if (i == start || n > 255 || (s.p[start] == '0' && i - start > 1))
      return ERR_SYNTAX;
    ip.bytes[part] = (uint8_t)n;
  }
  if (i != s.len)
    return ERR_SYNTAX;
  *ret = ip;
  return 0;
}

int ip_parse6(struct slice s, struct ip *ret) {
  struct ip ip = {.family = 6};
  size_t i = 0, n = 0;     /* of the text; bytes written */
  size_t gap = SIZE_MAX;   /* where "::" stands, in bytes */
  bool need_group = false; /* a single ':' came last */
  if (s.len < 2 || s.len > 45)
    return ERR_SYNTAX;
  if (s.p[0] == ':') {
    if (s.p[1] != ':')
      return ERR_SYNTAX;
    gap = 0;
    i = 2;
  }
  while (i < s.len) {
    size_t start = i;
    unsigned group = 0;
    struct ip v4;
    while (i < s.len && i - start < 4 && hex_digit(s.p[i]) >= 0)
      group = group * 16 + (unsigned)hex_digit(s.p[i++]);
    if (i < s.len && s.p[i] == '.') {
      struct slice tail = {s.p + start, s.len - start};
      if (n > 12 || ip_parse4(tail, &v4) != 0)
        return ERR_SYNTAX;
      memcpy(ip.bytes + n, v4.bytes, 4);
      n += 4;
      need_group = false;
      break;
    }
    if (i == start || n > 14)
      return ERR_SYNTAX;
    ip.bytes[n++] = (uint8_t)(group >> 8);
    ip.bytes[n++] = (uint8_t)(group & 0xff);
    need_group = false;
    if (i == s.len)
      break;
    if (s.p[i++] != ':')
      return ERR_SYNTAX;
    need_group = true;
    if (i < s.len && s.p[i] == ':') {
      if (gap != SIZE_MAX)
        return ERR_SYNTAX;
      gap = n;
      i++;
      need_group = false;
    }
  }
  if (need_group || (gap == SIZE_MAX) != (n == 16))
    return ERR_SYNTAX; /* "::" stands for one group at least */
  if (gap != SIZE_MAX) {
    memmove(ip.bytes + 16 - (n - gap), ip.bytes + gap, n - gap);
    memset(ip.bytes + gap, 0, 16 - n);
  }
  *ret = ip;
  return 0;
}

int ip_parse_port(struct slice s, struct ip *ret, uint16_t *ret_port) {
  struct ip ip;
  struct slice port;
  const char *colon;
  uint64_t n;
  int rv;
  if (s.len == 0)
    return ERR_SYNTAX;
  if (s.p[0] == '[') {
    const char *close = memchr(s.p, ']', s.len);
    if (!close)
      return ERR_SYNTAX;
    colon = close + 1;
    rv = ip_parse6((struct slice){s.p + 1, (size_t)(close - s.p) - 1}, &ip);
  } else {
    colon = memchr(s.p, ':', s.len);
    if (!colon)
      return ERR_SYNTAX;
    rv = ip_parse4((struct slice){s.p, (size_t)(colon - s.p)}, &ip);
  }
  if (rv != 0 || colon == s.p + s.len || *colon != ':')
    return ERR_SYNTAX;
  port = (struct slice){colon + 1, (size_t)(s.p + s.len - colon) - 1};
  if (str_u64(port, UINT16_MAX, &n) != 0 || n == 0)
    return ERR_SYNTAX;
  *ret = ip;
  *ret_port = (uint16_t)n;
  return 0;
}

/* -------------------------------------------------------------- writing --- */

static size_t put_decimal(char *out, unsigned n) {
  size_t len = 0;
  char digits[8];
  do {
    digits[len++] = (char)('0' + n % 10);
    n /= 10;
  } while (n > 0);
  for (size_t i = 0; i < len; i++)
    out[i] = digits[len - 1 - i];
  return len;
}

static size_t put_quad(char *out, const uint8_t *b) {
  size_t len = 0;
  for (int i = 0; i < 4; i++) {
    if (i > 0)
      out[len++] = '.';
    len += put_decimal(out + len, b[i]);
  }
  return len;
}

static size_t put_group(char *out, unsigned group) {
  size_t len = 0;
  for (int shift = 12; shift >= 0; shift -= 4) {
    if (len > 0 || shift == 0 || group >> shift)
      out[len++] = "0123456789abcdef"[(group >> shift) & 15];
  }
  return len;
}

static size_t put_v6(char *out, const struct ip *a) {
  unsigned group[8];
  int best = -1, best_len = 1; /* RFC 5952, 4.2.2: a single zero stays */
  /* RFC 5952, 5: the last 32 bits as a dotted quad where it is known that they
   * are one. */
  int ngroups = ip_is_mapped(a) ? 6 : 8;
  size_t len = 0;
  for (int i = 0; i < 8; i++)
    group[i] = (unsigned)a->bytes[2 * i] << 8 | a->bytes[2 * i + 1];
  for (int i = 0, run = 0; i < ngroups; i++) {
    run = group[i] == 0 ? run + 1 : 0;
    if (run > best_len) { /* the first of equal runs */
      best_len = run;
      best = i - run + 1;
    }
  }
  for (int i = 0; i < ngroups;) {
    if (i == best) {
      out[len++] = ':';
      out[len++] = ':';
      i += best_len;
      continue;
    }
    if (len > 0 && out[len - 1] != ':')
      out[len++] = ':';
    len += put_group(out + len, group[i++]);
  }
  if (ngroups == 6) {
    out[len++] = ':';
    len += put_quad(out + len, a->bytes + 12);
  }
  return len;
}

size_t ip_format(const struct ip *a, char out[IP_TEXT_MAX]) {
  size_t len = 0;
  if (a->family == 4)
    len = put_quad(out, a->bytes);
  else if (a->family == 6)
    len = put_v6(out, a);
  else
    out[len++] = '?'; /* no address; parses as none either */
  out[len] = '\0';
  return len;
}

size_t ip_format_port(const struct ip *a, uint16_t port,
                      char out[IP_TEXT_MAX + 8]) {
  size_t len = 0;
  if (a->family == 6)
    out[len++] = '[';
  len += ip_format(a, out + len);
  if (a->family == 6)
    out[len++] = ']';
  out[len++] = ':';
  len += put_decimal(out + len, port);
  out[len] = '\0';
  return len;
}
