/* url.h - ws:// and wss:// text to one canonical URL, or a refusal with a
 * reason code.  Nothing is repaired: a text that is not plainly one URL is
 * refused. What is matched, logged, explained and dialled is the canonical
 * text. */
#ifndef RUNTIME_BASE_URL_H
#define RUNTIME_BASE_URL_H

#include "runtime/base/err.h"
#include "runtime/base/ip.h"
#include "runtime/base/str.h"

#define URL_MAX_BYTES 2048 /* of the input */
#define URL_TOLD_BYTES ((size_t)4096) /* of a longer one no more may be known */
/* of the canonical text: "/" added, and one "::" written out as ":0:" */
#define URL_TEXT_MAX (URL_MAX_BYTES + 8)

/* Name of the code in C, its text for logs and `eval`.  In the order of the
 * checks: the first that fails names the refusal. */
#define URL_REASON_MAP(X)                                                      \
  X(TOO_LONG, "too-long")                                                      \
  X(CONTROL, "control-or-space")                                               \
  X(BACKSLASH, "backslash")                                                    \
  X(NON_ASCII, "non-ascii")                                                    \
  X(SCHEME, "scheme")                                                          \
  X(USERINFO, "userinfo")                                                      \
  X(FRAGMENT, "fragment")                                                      \
  X(HOST, "host")                                                              \
  X(IPV4_FORM, "ipv4-form")                                                    \
  X(IPV6, "ipv6")                                                              \
  X(IPV6_ZONE, "ipv6-zone")                                                    \
  X(IPV4_IN_IPV6, "ipv4-in-ipv6")                                              \
  X(PORT, "port")                                                              \
  X(ESCAPE, "escape")                                                          \
  X(ENCODED_SLASH, "encoded-slash")                                            \
  X(DOT_SEGMENT, "dot-segment")                                                \
  X(EMPTY_SEGMENT, "empty-segment")                                            \
  X(PATH, "path")                                                              \
  X(QUERY, "query")

enum url_reason {
  URL_OK,
#define URL_REASON_ENUM(name, text) URL_##name,
  URL_REASON_MAP(URL_REASON_ENUM)
#undef URL_REASON_ENUM
};

const char *url_reason_text(enum url_reason r); /* "ok" for URL_OK */

enum url_host_kind { URL_HOST_NAME, URL_HOST_IPV4, URL_HOST_IPV6 };

/* Slices point into text[], so a struct url is never copied by assignment: use
 * url_copy. */
struct url {
  bool tls; /* wss */
  enum url_host_kind host_kind;
  uint16_t port;       /* the default filled in */
  struct ip ip;        /* of an IP literal */
  struct slice scheme; /* "ws" or "wss" */
  struct slice host;   /* lower case; an IPv6 literal with its brackets */
  struct slice path;   /* starts with "/" */
  bool has_query;      /* "?" was there, be the query empty or not */
  struct slice query;  /* without "?" */
  size_t len;
  char text[URL_TEXT_MAX + 1]; /* the canonical URL, NUL-terminated */
};

/* Parses |text|.  0, or ERR_INVALID with |*ret_reason| (may be NULL) and a
 * message in |e| that says what is wrong, at which byte, and how to mend it;
 * |e->column| is that byte's number, from 1 (0: the whole text).  On an error
 * |*ret| is garbage.  Never allocates; linear time.
 *
 * A canonical URL comes back unchanged.  A dotted IPv4 tail in an IPv6 literal
 * is refused whatever stands before it (ipv4-in-ipv6). */
int url_parse(struct url *ret, struct slice text, enum url_reason *ret_reason,
              struct err *e);
void url_copy(struct url *dst, const struct url *src);

/* The parts, for patterns: each canonicalises as url_parse does.  |base| is
 * added to the byte numbers in messages. */

/* A name, IPv4 or "[IPv6]" into |out|, which has room for 256 bytes. */
int url_canonical_host(struct slice text, size_t base, char *out,
                       size_t *ret_len, enum url_host_kind *ret_kind,
                       struct ip *ret_ip, enum url_reason *ret_reason,
                       struct err *e);
/* A path ("/" in front) or a query (without "?") into |out|, which has room for
 * text.len bytes.  '*' is an ordinary character of both. */
int url_canonical_part(struct slice text, bool is_path, size_t base, char *out,
                       size_t *ret_len, enum url_reason *ret_reason,
                       struct err *e);

#endif
