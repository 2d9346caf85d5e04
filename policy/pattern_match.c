/* pattern_match.c - does a pattern match, and if not, how near was it? */
#include "policy/pattern_impl.h"

#include <stdio.h>

/* ------------------------------------------------------------- matching --- */

/*
 * The pieces between the stars, each at its leftmost place behind the one
 * before it: since a star takes any run, an earlier place never spoils a later
 * piece, and nothing is tried twice.  glibc's memmem is linear, and its
 * searches do not overlap.
 */
static bool glob(struct slice pattern, unsigned stars, struct slice s) {
  size_t piece = slice_find(pattern, 0, '*'), next;
  if (stars == 0)
    return slice_eq(pattern, s);
  if (s.len < piece || memcmp(s.p, pattern.p, piece) != 0)
    return false;
  s = slice_from(s, piece);
  for (;;) {
    const char *hit;
    pattern = slice_from(pattern, piece + 1);
    next = slice_find(pattern, 0, '*');
    if (next == pattern.len) /* the last piece stands at the end */
      return s.len >= next && memcmp(s.p + s.len - next, pattern.p, next) == 0;
    hit = memmem(s.p, s.len, pattern.p, next);
    if (!hit)
      return false;
    s = slice_from(s, (size_t)(hit - s.p) + next);
    piece = next;
  }
}

static uint16_t default_port(const struct url *url) {
  return url->tls ? 443 : 80;
}

static bool ports_match(struct pattern_ports p, uint16_t port,
                        uint16_t otherwise) {
  if (p.first == 0)
    return port == otherwise;
  return port >= p.first && port <= p.last;
}

/* The raw texts of a URL's authority begin like "host:port" or "host.:port". */
static bool host_prefix_match(struct slice prefix, const struct url *url) {
  char text[256 + 16];
  size_t n = url->host.len;
  int len;
  if (prefix.len <= n)
    return memcmp(url->host.p, prefix.p, prefix.len) == 0;
  if (n > 255 || memcmp(url->host.p, prefix.p, n) != 0)
    return false;
  prefix = slice_from(prefix, n);
  if (prefix.p[0] == '.')
    prefix = slice_from(prefix, 1);
  len = snprintf(text, sizeof text, ":%u", url->port);
  return prefix.len <= (size_t)len && memcmp(text, prefix.p, prefix.len) == 0;
}

static bool host_match(const struct pattern_url *p, const struct url *url) {
  switch ((enum pattern_host)p->host_kind) {
  case PATTERN_HOST_NAME:
    return url->host_kind == URL_HOST_NAME && slice_eq(p->host, url->host);
  case PATTERN_HOST_IP:
    return url->host_kind != URL_HOST_NAME && slice_eq(p->host, url->host);
  case PATTERN_HOST_BELOW:
    if (url->host_kind != URL_HOST_NAME || url->host.len <= p->host.len + 1)
      return false;
    return url->host.p[url->host.len - p->host.len - 1] == '.' &&
           memcmp(url->host.p + url->host.len - p->host.len, p->host.p,
                  p->host.len) == 0;
  case PATTERN_HOST_ANY_NAME:
    return url->host_kind == URL_HOST_NAME;
  case PATTERN_HOST_PREFIX:
    return host_prefix_match(p->host, url);
  }
  return false;
}

static bool scheme_match(const struct pattern_url *p, const struct url *url) {
  return (p->schemes & (url->tls ? PATTERN_WSS : PATTERN_WS)) != 0;
}

static bool url_port_match(const struct pattern_url *p, const struct url *url) {
  return p->host_kind == PATTERN_HOST_PREFIX ||
         ports_match(p->ports, url->port, default_port(url));
}

static bool path_match(const struct pattern_url *p, const struct url *url) {
  return p->any_path || glob(p->path, p->path_stars, url->path);
}

/* "?" alone is no query: none, or an empty one.  Otherwise one must be there.
 */
static bool query_match(const struct pattern_url *p, const struct url *url) {
  if (p->any_query)
    return true;
  if (p->query.len == 0)
    return url->query.len == 0;
  return url->has_query && glob(p->query, p->query_stars, url->query);
}

static bool url_match(const struct pattern_url *p, const struct url *url) {
  return scheme_match(p, url) && host_match(p, url) && url_port_match(p, url) &&
         path_match(p, url) && query_match(p, url);
}

static bool block_holds(const struct pattern *p, const struct ip *ip) {
  const struct pattern_address *a = &p->as.address;
  if (p->kind == PATTERN_CLASS)
    return ip_classify(ip) == (enum ip_class)a->class_;
  return ip_in_prefix(ip, &a->prefix, a->bits);
}

size_t pattern_ends(const struct ip *ip, struct ip ret[PATTERN_MAX_ENDS]) {
  size_t n = 1;
  ret[0] = *ip;
  if (ip_embedded4(ip, &ret[n]))
    n++;
  if (ip_means_loopback(ip, &ret[n]))
    n++;
  return n;
}

/* A deny also hits the addresses whose packets may end in its block or class:
 * those with an IPv4 address inside, and the unspecified ones, which lead to
 * this machine; an allow never does. */
static bool address_match(const struct pattern *p, const struct ip *ip,
                          uint16_t port) {
  struct pattern_ports ports = p->as.address.ports;
  struct ip ends[PATTERN_MAX_ENDS];
  size_t n;
  if (ports.first != 0 && !ports_match(ports, port, 0))
    return false;
  if (block_holds(p, ip))
    return true;
  if (!p->deny)
    return false;
  n = pattern_ends(ip, ends);
  for (size_t i = 1; i < n; i++)
    if (block_holds(p, &ends[i]))
      return true;
  return false;
}

bool pattern_match_text(const struct pattern *p, struct slice text) {
  switch (p->kind) {
  case PATTERN_ANY:
    return true;
  case PATTERN_EXACT:
    return slice_eq(p->as.text, text);
  case PATTERN_PREFIX:
    return slice_starts(text, p->as.text);
  case PATTERN_ADDRESS:
  case PATTERN_CLASS:
    /* of an action that knows no addresses: the text itself */
    return slice_eq(p->source, text);
  case PATTERN_NEVER:
  case PATTERN_URL:
    break;
  }
  return false;
}

int pattern_subject_url(const struct pattern_subject *s, struct url *ret) {
  unsigned ignored;
  if (s->ip || pattern_scheme(s->text, &ignored) == 0)
    return 0;
  return url_parse(ret, s->text, NULL, NULL) == 0 ? 1 : ERR_INVALID;
}

int pattern_match(const struct pattern *p, const struct pattern_subject *s) {
  struct url url;
  int rv;
  switch (p->kind) {
  case PATTERN_URL:
    if (s->url)
      return url_match(&p->as.url, s->url);
    rv = pattern_subject_url(s, &url);
    return rv == 1 ? url_match(&p->as.url, &url) : rv;
  case PATTERN_ADDRESS:
  case PATTERN_CLASS:
    if (s->ip)
      return address_match(p, s->ip, s->port);
    return pattern_match_text(p, s->text);
  case PATTERN_PREFIX:
    /* Addresses are allowed by block and class: "1*" among the resources of
     * "*" was never meant to open 1.1.1.1 and 169.254.169.254. */
    if (s->ip && !p->deny)
      return 0;
    break;
  case PATTERN_NEVER:
  case PATTERN_ANY:
  case PATTERN_EXACT:
    break;
  }
  return pattern_match_text(p, s->text);
}

/* --------------------------------------------------------- nearest miss --- */

/* Whoever mends a wrong scheme mends its default port with it. */
static bool port_goes_with_scheme(const struct pattern_url *p,
                                  const struct url *url) {
  return p->ports.first == 0 && !scheme_match(p, url) &&
         (url->port == 443 || url->port == 80);
}

static unsigned url_miss(const struct pattern_url *p, const struct url *url,
                         unsigned *ret_closeness) {
  unsigned parts = 0, near = 0;
  if (scheme_match(p, url))
    near += 80;
  else
    parts |= PATTERN_PART_SCHEME;
  if (host_match(p, url)) {
    near += 600;
  } else {
    parts |= PATTERN_PART_HOST;
    if (p->host_kind != PATTERN_HOST_ANY_NAME)
      near += slice_alike(p->host, url->host, 300);
  }
  if (url_port_match(p, url) || port_goes_with_scheme(p, url))
    near += 120;
  else
    parts |= PATTERN_PART_PORT;
  if (path_match(p, url)) {
    near += 120;
  } else {
    parts |= PATTERN_PART_PATH;
    near += slice_alike(p->path, url->path, 80);
  }
  if (query_match(p, url)) {
    near += 80;
  } else {
    parts |= PATTERN_PART_QUERY;
    near += slice_alike(p->query, url->query, 50);
  }
  *ret_closeness = near;
  return parts;
}

unsigned pattern_miss(const struct pattern *p, const struct pattern_subject *s,
                      unsigned *ret_closeness) {
  unsigned parts = PATTERN_PART_RESOURCE, near = 0;
  struct url own;
  const struct url *url = s->url;
  if (pattern_match(p, s) == 1) {
    parts = 0;
    near = 1000;
  } else if (p->kind == PATTERN_URL) {
    if (!url && pattern_subject_url(s, &own) == 1)
      url = &own;
    if (url)
      parts = url_miss(&p->as.url, url, &near);
  } else if (p->kind == PATTERN_EXACT || p->kind == PATTERN_PREFIX) {
    near = slice_alike(p->as.text, s->text, 500);
  } else if (s->ip &&
             (p->kind == PATTERN_ADDRESS || p->kind == PATTERN_CLASS)) {
    struct pattern any_port = *p;
    any_port.as.address.ports.first = 0;
    parts = PATTERN_PART_ADDRESS;
    near = 100;
    if (address_match(&any_port, s->ip, s->port)) {
      parts = PATTERN_PART_PORT;
      near = 900;
    }
  }
  if (ret_closeness)
    *ret_closeness = near;
  return parts;
}
