/* pattern_write.c - the canonical text of a pattern, and in words what it wants
 * of a subject. */
#include "policy/pattern_impl.h"

const char *pattern_part_name(unsigned part) {
  switch (part) {
  case PATTERN_PART_SCHEME:
    return "scheme";
  case PATTERN_PART_HOST:
    return "host";
  case PATTERN_PART_PORT:
    return "port";
  case PATTERN_PART_PATH:
    return "path";
  case PATTERN_PART_QUERY:
    return "query";
  case PATTERN_PART_ADDRESS:
    return "address";
  default:
    return "resource";
  }
}

/* -------------------------------------------------------------- writing --- */

static int add(struct buf *out, struct slice s) {
  return buf_add(out, s.p, s.len);
}

static int write_ports(struct pattern_ports p, struct buf *out) {
  if (p.first == 1 && p.last == UINT16_MAX)
    return buf_adds(out, "*");
  if (p.first == p.last)
    return buf_addf(out, "%u", p.first);
  return buf_addf(out, "%u-%u", p.first, p.last);
}

static int write_host(const struct pattern_url *u, struct buf *out) {
  int rv = 0;
  if (u->host_kind == PATTERN_HOST_BELOW)
    rv = buf_adds(out, "*.");
  if (rv == 0)
    rv = add(out, u->host);
  /* Of ".*" in a deny the dot is dropped: one more keeps what is there. */
  if (rv == 0 && u->host_kind == PATTERN_HOST_PREFIX)
    rv = buf_adds(out, slice_ends(u->host, ".") ? ".*" : "*");
  return rv;
}

static int write_url(const struct pattern *p, struct buf *out) {
  const struct pattern_url *u = &p->as.url;
  size_t start = out->len;
  struct slice written;
  int rv;
  if ((rv = buf_adds(out, pattern_scheme_text(u->schemes))) != 0 ||
      (rv = buf_adds(out, "://")) != 0 || (rv = write_host(u, out)) != 0)
    return rv;
  if (u->ports.first != 0 && ((rv = buf_adds(out, ":")) != 0 ||
                              (rv = write_ports(u->ports, out)) != 0))
    return rv;
  if (!u->any_path && (rv = add(out, u->path)) != 0)
    return rv;
  if (!u->any_query &&
      ((rv = buf_adds(out, "?")) != 0 || (rv = add(out, u->query)) != 0))
    return rv;
  if (u->host_kind == PATTERN_HOST_PREFIX)
    return 0;
  /* A second star keeps what is not to be read as a raw prefix again: ".*" in a
   * deny, and a query without a path in an allow. */
  written = slice_from(buf_slice(out), start);
  if (count_stars(written) == 1 &&
      (p->deny ? slice_ends(written, ".*")
               : u->any_path && !u->any_query && slice_ends(written, "*")))
    return buf_adds(out, "*");
  return 0;
}

static int write_address(const struct pattern *p, struct buf *out) {
  const struct pattern_address *a = &p->as.address;
  bool v6 = a->prefix.family == 6;
  char text[IP_TEXT_MAX];
  int rv;
  if (p->kind == PATTERN_CLASS)
    return buf_addf(out, "class:%s", ip_class_name((enum ip_class)a->class_));
  ip_format(&a->prefix, text);
  rv = buf_addf(out, v6 ? "[%s]" : "%s", text);
  if (rv == 0 && a->bits < (v6 ? 128 : 32))
    rv = buf_addf(out, "/%u", a->bits);
  if (rv == 0 && a->ports.first != 0 && (rv = buf_adds(out, ":")) == 0)
    rv = write_ports(a->ports, out);
  return rv;
}

int pattern_write(const struct pattern *p, struct buf *out) {
  size_t before = out->len;
  int rv = 0;
  switch (p->kind) {
  case PATTERN_NEVER:
    break;
  case PATTERN_ANY:
    rv = buf_adds(out, "*");
    break;
  case PATTERN_EXACT:
  case PATTERN_PREFIX:
    rv = add(out, p->as.text);
    if (rv == 0 && p->kind == PATTERN_PREFIX)
      rv = buf_adds(out, "*");
    break;
  case PATTERN_URL:
    rv = write_url(p, out);
    break;
  case PATTERN_ADDRESS:
  case PATTERN_CLASS:
    rv = write_address(p, out);
    break;
  }
  if (rv != 0)
    out->len = before; /* all or nothing */
  return rv;
}

/* One part, safe to print. */
static int write_part(const struct pattern *p, unsigned part, struct buf *out) {
  const struct pattern_url *u = &p->as.url;
  struct pattern_ports ports =
      p->kind == PATTERN_URL ? u->ports : p->as.address.ports;
  char text[256];
  int rv;
  if (part == PATTERN_PART_QUERY && u->query.len == 0)
    return buf_adds(out, "no query");
  if ((rv = buf_adds(out, pattern_part_name(part))) != 0 ||
      (rv = buf_adds(out, " ")) != 0)
    return rv;
  switch (part) {
  case PATTERN_PART_SCHEME:
    return buf_adds(out, pattern_scheme_text(u->schemes));
  case PATTERN_PART_HOST:
    rv = write_host(u, out);
    if (rv == 0 && u->host_kind == PATTERN_HOST_ANY_NAME)
      rv = buf_adds(out, " (a name, never an address)");
    return rv;
  case PATTERN_PART_PORT:
    if (ports.first != 0)
      return write_ports(ports, out);
    return buf_adds(out, u->schemes == PATTERN_WSS  ? "443"
                         : u->schemes == PATTERN_WS ? "80"
                                                    : "80 (ws) or 443 (wss)");
  case PATTERN_PART_PATH:
    return add(out, u->path);
  case PATTERN_PART_QUERY:
    return add(out, u->query);
  case PATTERN_PART_ADDRESS:
    return write_address(p, out);
  default:
    str_escape(text, sizeof text, p->source);
    return buf_addf(out, "\"%s\"", text);
  }
}

int pattern_write_wants(const struct pattern *p, unsigned parts,
                        struct buf *out) {
  size_t before = out->len;
  bool first = true;
  int rv = 0;
  if (p->kind != PATTERN_URL && p->kind != PATTERN_ADDRESS &&
      p->kind != PATTERN_CLASS && parts != 0)
    parts = PATTERN_PART_RESOURCE;
  else if (p->kind == PATTERN_URL)
    parts &= ~PATTERN_PART_ADDRESS;
  else
    parts &= PATTERN_PART_ADDRESS | PATTERN_PART_PORT | PATTERN_PART_RESOURCE;
  for (unsigned bit = 1; bit <= PATTERN_PART_ADDRESS && rv == 0; bit <<= 1) {
    if (!(parts & bit))
      continue;
    if (!first)
      rv = buf_adds(out, parts >> 1 >= bit ? ", " : " and ");
    if (rv == 0)
      rv = write_part(p, bit, out);
    first = false;
  }
  if (rv != 0)
    out->len = before;
  return rv;
}
