/* resolve.h - names to addresses without holding up the loop (c-ares). */
#ifndef RUNTIME_NET_RESOLVE_H
#define RUNTIME_NET_RESOLVE_H

#include "runtime/base/err.h"
#include "runtime/base/ip.h"
#include "runtime/base/str.h"
#include "runtime/net/loop.h"

struct resolver;
struct resolve_query; /* one question under way */

#define RESOLVE_MAX_ADDRESSES 32

/* |n| >= 1 addresses, IPv6 and IPv4 as RFC 6724 sorts them; or |code| < 0 with
 * |why| ("no such name", "no answer from the name servers"). */
typedef void resolve_fn(void *ud, int code, const char *why,
                        const struct ip *addresses, size_t n);

/* |servers|: "ip:port,..." (no spaces) or NULL for the system's.  0, ERR_NOMEM,
 * ERR_INVALID (they are no such list), ERR_SYSTEM */
int resolver_new(struct resolver **ret, struct loop *lp, const struct mem *m,
                 const char *servers);
void resolver_free(struct resolver *r); /* queries are cancelled, uncalled */

/* True for "localhost" and the names below it. */
bool resolve_is_localhost(struct slice name);

/* Asks for A and AAAA (hosts file included), for |name| exactly as it is: no
 * search list, no HOSTALIASES.  Where one of them is not answered in 350 ms,
 * the other alone is the answer.  "localhost" and names below it
 * are answered with 127.0.0.1 and ::1 without asking anyone (RFC 6761).  |fn|
 * is called later from the loop, never from inside.  0 or ERR_NOMEM */
int resolve_start(struct resolve_query **ret, struct resolver *r,
                  struct slice name, resolve_fn *fn, void *ud);
/* |fn| is not called any more.  Not after |fn| was called. */
void resolve_cancel(struct resolve_query *q);

#endif
