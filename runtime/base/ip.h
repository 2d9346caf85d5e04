/* ip.h - IPv4 and IPv6 addresses as plain bytes: strict text, RFC 5952 output,
 * CIDR blocks, and the class of an address by the IANA special-purpose
 * registries. */
#ifndef RUNTIME_BASE_IP_H
#define RUNTIME_BASE_IP_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/str.h"

struct ip {
  uint8_t family;    /* 4 or 6; 0: none */
  uint8_t bytes[16]; /* network order; the first 4 for IPv4 */
};

enum ip_class {
  IP_PUBLIC,
  IP_PRIVATE,
  IP_LOOPBACK,
  IP_LINK_LOCAL,
  IP_CGNAT,
  IP_MULTICAST,
  IP_RESERVED,   /* everything else that is not globally reachable */
  IP_EMBEDDED_V4 /* NAT64, 6to4, Teredo, IPv4-mapped, IPv4-compatible */
};

/* "public" "private" "loopback" "link_local" "cgnat" "multicast" "reserved"
 * "embedded_v4" */
const char *ip_class_name(enum ip_class c);
int ip_class_from_name(struct slice s, enum ip_class *ret); /* ERR_NOT_FOUND */
enum ip_class ip_classify(const struct ip *a);

/* Strict dotted quad, no leading zeros.  0 or ERR_SYNTAX */
int ip_parse4(struct slice s, struct ip *ret);
/* RFC 4291 text without brackets, without zone; an IPv4 tail is accepted (look
 * at the class afterwards).  0 or ERR_SYNTAX */
int ip_parse6(struct slice s, struct ip *ret);

#define IP_TEXT_MAX 48
/* Dotted quad or RFC 5952 (IPv4-mapped addresses with a dotted tail, its
 * section 5), no brackets; NUL-terminated; returns the length. */
size_t ip_format(const struct ip *a, char out[IP_TEXT_MAX]);
/* "1.2.3.4:443" or "[::1]:443"; out of IP_TEXT_MAX + 8 bytes */
size_t ip_format_port(const struct ip *a, uint16_t port,
                      char out[IP_TEXT_MAX + 8]);
/* The inverse of ip_format_port; strict about the port (1-65535), and takes
 * every RFC 4291 spelling of an address.  0 or ERR_SYNTAX */
int ip_parse_port(struct slice s, struct ip *ret, uint16_t *ret_port);

/* ::ffff:0:0/96; and ::/96 without "::" and "::1", which are no IPv4 */
bool ip_is_mapped(const struct ip *a);
bool ip_is_compatible(const struct ip *a);
/* The IPv4 address that a packet to |a| may end at (mapped, compatible, NAT64
 * with the well-known prefix or the last 32 bits behind the local one, SIIT,
 * 6to4, Teredo); false: none. */
bool ip_embedded4(const struct ip *a, struct ip *ret);
/* The loopback address that a connection to the unspecified address |a|
 * (0.0.0.0, "::", ::ffff:0.0.0.0) is made to; false: |a| is another. */
bool ip_means_loopback(const struct ip *a, struct ip *ret);

/* True if the first |bits| bits agree and the families are the same. */
bool ip_in_prefix(const struct ip *a, const struct ip *prefix, unsigned bits);

#endif
