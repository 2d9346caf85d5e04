/* resolve.c - c-ares on the loop.  c-ares cannot cancel one question of many:
 * a query that is cancelled is detached, and freed when its answer comes or
 * the resolver ends.
 *
 * c-ares asks for A and AAAA together and says nothing before both are there,
 * but there are name servers and firewalls that drop the one and answer the
 * other.  Where it takes too long, each is asked for alone as well, and what
 * has come by then will do (RFC 8305, section 3). */
#include "runtime/net/resolve.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/base/list.h"
#include "runtime/net/poller.h"
#include "runtime/net/resolve_socket.h"

/* c-ares keeps one UDP and one TCP socket a server open. */
#define RESOLVE_MAX_SOCKETS 32
#define RESOLVE_NAME_MAX 253
#define RESOLVE_TIMEOUT_MS 2000 /* of the first try; c-ares doubles it */
#define RESOLVE_TRIES 3
#define RESOLVE_APART_NS (300 * NS_PER_MS)
#define RESOLVE_DELAY_NS (50 * NS_PER_MS) /* RFC 8305, section 8 */

struct resolver {
  struct mem mem;
  struct loop *loop;
  ares_channel channel;
  bool library; /* ares_library_init succeeded */
  bool channel_open;
  bool ending;
  struct timer timer;
  struct list queries;
  struct watch watches[RESOLVE_MAX_SOCKETS];
};

struct resolve_query {
  struct list node;
  struct resolver *resolver;
  struct deferred answer; /* fn is never called from inside resolve_start */
  struct timer timer;
  resolve_fn *fn; /* NULL: cancelled, or called */
  void *ud;
  unsigned asking; /* answers that c-ares still owes */
  bool ready;      /* |answer| is on its way */
  bool answering;  /* |fn| is being called */
  char name[RESOLVE_NAME_MAX + 1];
  uint64_t payer;
  int code;
  const char *why;
  size_t naddresses;
  struct ip addresses[RESOLVE_MAX_ADDRESSES];
};

static void resolve_arm(struct resolver *r) {
  struct timeval tv;
  if (!r->channel_open || r->ending)
    return;
  if (!ares_timeout(r->channel, NULL, &tv)) {
    timer_stop(&r->timer);
    return;
  }
  /* Refused memory: the next answer or question tries again, and the dial
   * timeout stands behind both. */
  (void)timer_start_after(&r->timer, (uint64_t)tv.tv_sec * NS_PER_S +
                                         (uint64_t)tv.tv_usec * NS_PER_US);
  r->timer.payer = 0; /* it is for all who ask */
}

static void on_socket(struct watch *w, unsigned events, void *ud) {
  struct resolver *r = ud;
  ares_socket_t fd = w->fd;
  bool in = events & (POLLER_READ | POLLER_ERROR);
  bool out = events & (POLLER_WRITE | POLLER_ERROR);
  ares_process_fd(r->channel, in ? fd : ARES_SOCKET_BAD,
                  out && (w->events & POLLER_WRITE) ? fd : ARES_SOCKET_BAD);
  resolve_arm(r);
}

static void on_timer(struct timer *t, void *ud) {
  struct resolver *r = ud;
  (void)t;
  ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  resolve_arm(r);
}

/* c-ares tells what it waits for; both 0: it is about to close the socket. */
static void on_socket_state(void *ud, ares_socket_t fd, int readable,
                            int writable) {
  struct resolver *r = ud;
  unsigned events =
      (readable ? POLLER_READ : 0U) | (writable ? POLLER_WRITE : 0U);
  struct watch *unused = NULL;
  for (size_t i = 0; i < RESOLVE_MAX_SOCKETS; i++) {
    struct watch *w = &r->watches[i];
    if (watch_active(w) && w->fd == fd) {
      if (events)
        (void)watch_change(w, events);
      else
        watch_stop(w);
      return;
    }
    if (!watch_active(w) && !unused)
      unused = w;
  }
  /* A socket that finds no place is answered by nobody and times out. */
  if (events && unused) {
    (void)watch_start(unused, loop_poller(r->loop), fd, events);
    unused->payer = 0; /* it is for all who ask */
  }
}

/* An ARES_ status.  |servers| NULL: the system's. */
static int open_channel(struct resolver *r, const char *servers) {
  /* The environment (LOCALDOMAIN, RES_OPTIONS, HOSTALIASES) cannot change
   * which name is asked for: no search list, no aliases. */
  struct ares_options opts = {
      .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
      .timeout = RESOLVE_TIMEOUT_MS,
      .tries = RESOLVE_TRIES,
      .ndots = 0,
      .lookups = (char[]){"fb"}, /* hosts file, then DNS */
      .sock_state_cb = on_socket_state,
      .sock_state_cb_data = r,
  };
  int rv;
  if (!r->library && (rv = ares_library_init(ARES_LIB_INIT_ALL)) != 0)
    return rv;
  r->library = true;
  rv = ares_init_options(&r->channel, &opts,
                         ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                             ARES_OPT_NDOTS | ARES_OPT_LOOKUPS |
                             ARES_OPT_SOCK_STATE_CB);
  if (rv != ARES_SUCCESS)
    return rv;
  r->channel_open = true;
  resolve_sockets(r->channel);
  return servers ? ares_set_servers_ports_csv(r->channel, servers) : rv;
}

int resolver_new(struct resolver **ret, struct loop *lp, const struct mem *m,
                 const char *servers) {
  struct resolver *r = mem_zalloc(m, sizeof *r);
  int rv;
  if (!r)
    return ERR_NOMEM;
  r->mem = *m;
  r->loop = lp;
  list_init(&r->queries);
  timer_init(&r->timer, lp, on_timer, r);
  for (size_t i = 0; i < RESOLVE_MAX_SOCKETS; i++)
    watch_init(&r->watches[i], on_socket, r);
  /* The system's files are read when the first name is asked for. */
  if (servers && (rv = open_channel(r, servers)) != ARES_SUCCESS) {
    resolver_free(r);
    return rv == ARES_ENOMEM    ? ERR_NOMEM
           : rv == ARES_EBADSTR ? ERR_INVALID
                                : ERR_SYSTEM;
  }
  *ret = r;
  return 0;
}

static void query_free(struct resolve_query *q) {
  list_remove(&q->node);
  timer_stop(&q->timer);
  deferred_cancel(&q->answer);
  mem_free(&q->resolver->mem, q, sizeof *q);
}

void resolver_free(struct resolver *r) {
  if (!r)
    return;
  r->ending = true;
  list_foreach (node, &r->queries)
    list_entry(node, struct resolve_query, node)->fn = NULL;
  if (r->channel_open)
    ares_destroy(r->channel); /* calls on_answer for all that it holds */
  while (!list_empty(&r->queries))
    query_free(list_entry(r->queries.next, struct resolve_query, node));
  for (size_t i = 0; i < RESOLVE_MAX_SOCKETS; i++)
    watch_stop(&r->watches[i]);
  timer_stop(&r->timer);
  if (r->library)
    ares_library_cleanup();
  mem_free(&r->mem, r, sizeof *r);
}

/* Nothing else is waited for. */
static void query_ready(struct resolve_query *q) {
  q->ready = true;
  timer_stop(&q->timer);
  deferred_schedule(q->resolver->loop, &q->answer);
}

static void query_answer(struct deferred *d, void *ud) {
  struct resolve_query *q = ud;
  struct mem mem = q->resolver->mem;
  resolve_fn *fn = q->fn;
  (void)d;
  list_remove(&q->node); /* |fn| may free the resolver, but not this */
  q->fn = NULL;
  q->answering = true;
  fn(q->ud, q->code, q->why, q->addresses, q->naddresses);
  q->answering = false;
  if (q->asking > 0) /* so the resolver is still there */
    list_add_tail(&q->resolver->queries, &q->node);
  else
    mem_free(&mem, q, sizeof *q);
}

static bool query_has(const struct resolve_query *q, const struct ip *ip) {
  for (size_t i = 0; i < q->naddresses; i++)
    if (q->addresses[i].family == ip->family &&
        memcmp(q->addresses[i].bytes, ip->bytes, sizeof ip->bytes) == 0)
      return true;
  return false;
}

static void query_add(struct resolve_query *q, const struct sockaddr *sa) {
  struct ip ip = {0};
  if (sa->sa_family == AF_INET) {
    struct sockaddr_in in;
    memcpy(&in, sa, sizeof in);
    ip.family = 4;
    memcpy(ip.bytes, &in.sin_addr, 4);
  } else if (sa->sa_family == AF_INET6) {
    struct sockaddr_in6 in6;
    memcpy(&in6, sa, sizeof in6);
    ip.family = 6;
    memcpy(ip.bytes, &in6.sin6_addr, 16);
  } else {
    return;
  }
  if (q->naddresses < RESOLVE_MAX_ADDRESSES && !query_has(q, &ip))
    q->addresses[q->naddresses++] = ip;
}

static void query_fail(struct resolve_query *q, int status) {
  q->code = ERR_SYSTEM;
  switch (status) {
  case ARES_ENOTFOUND:
    q->code = ERR_NOT_FOUND;
    q->why = "no such name";
    break;
  case ARES_ENODATA:
    q->code = ERR_NOT_FOUND;
    q->why = "the name has no addresses";
    break;
  case ARES_ETIMEOUT:
  case ARES_ECONNREFUSED:
    q->code = ERR_TIMEOUT;
    q->why = "no answer from the name servers";
    break;
  case ARES_ENOMEM:
    q->code = ERR_NOMEM;
    q->why = err_text(ERR_NOMEM);
    break;
  case ARES_EBADNAME:
    q->why = "the name is no host name";
    break;
  case ARES_EBADRESP:
    q->why = "the name servers' answer is malformed";
    break;
  case ARES_ESERVFAIL:
    q->why = "the name servers failed";
    break;
  case ARES_EREFUSED:
    q->why = "the name servers refused to answer";
    break;
  default:
    q->why = "the name could not be resolved";
    break;
  }
}

/* One of the answers has come.  True where anybody still waits for it. */
static bool query_wants(struct resolve_query *q) {
  q->asking--;
  if (q->resolver->ending)
    return false; /* resolver_free frees what is left */
  if (q->fn)
    return !q->ready;
  if (q->asking == 0 && !q->answering)
    query_free(q);
  return false;
}

static size_t query_take(struct resolve_query *q, struct ares_addrinfo *res) {
  for (struct ares_addrinfo_node *n = res->nodes; n; n = n->ai_next)
    query_add(q, n->ai_addr);
  return q->naddresses;
}

/* Of both families: nothing better will come. */
static void on_answer(void *ud, int status, int timeouts,
                      struct ares_addrinfo *res) {
  struct resolve_query *q = ud;
  struct till *till = loop_till(q->resolver->loop);
  /* who has the thread may be asking for something else just now */
  uint64_t before = till_pass_id(till, q->payer);
  (void)timeouts;
  if (query_wants(q)) {
    if (status == ARES_SUCCESS && res) {
      q->naddresses = 0; /* those are sorted (RFC 6724) */
      if (query_take(q, res) == 0)
        query_fail(q, ARES_ENODATA);
    } else if (q->naddresses == 0) {
      query_fail(q, status);
    }
    query_ready(q);
  }
  if (res)
    ares_freeaddrinfo(res);
  till_pass_id(till, before);
}

/* Of one family: the other has a moment more. */
static void on_part(void *ud, int status, int timeouts,
                    struct ares_addrinfo *res) {
  struct resolve_query *q = ud;
  bool first = q->naddresses == 0;
  struct till *till = loop_till(q->resolver->loop);
  uint64_t before = till_pass_id(till, q->payer);
  (void)timeouts;
  if (query_wants(q)) {
    if (status == ARES_SUCCESS && res && query_take(q, res) > 0) {
      if (!first || timer_start_after(&q->timer, RESOLVE_DELAY_NS) != 0)
        query_ready(q);
    } else if (first && status == ARES_ECONNREFUSED) {
      /* No server is left that c-ares would ask.  Of four questions it notices
       * only some, and waits 8 s for the others. */
      query_fail(q, status);
      query_ready(q);
    }
  }
  if (res)
    ares_freeaddrinfo(res);
  till_pass_id(till, before);
}

static void ask(struct resolve_query *q, int family,
                ares_addrinfo_callback callback) {
  struct ares_addrinfo_hints hints = {.ai_family = family,
                                      .ai_socktype = SOCK_STREAM,
                                      .ai_flags = ARES_AI_NUMERICSERV};
  q->asking++;
  ares_getaddrinfo(q->resolver->channel, q->name, NULL, &hints, callback, q);
}

static void on_query_timer(struct timer *t, void *ud) {
  struct resolve_query *q = ud;
  (void)t;
  if (q->naddresses > 0) {
    query_ready(q);
    return;
  }
  ask(q, AF_INET6, on_part);
  ask(q, AF_INET, on_part);
  resolve_arm(q->resolver);
}

bool resolve_is_localhost(struct slice name) {
  static const char suffix[] = "localhost";
  const size_t n = sizeof suffix - 1;
  if (name.len < n || !slice_eq_nocase((struct slice){name.p + name.len - n, n},
                                       SLICE("localhost")))
    return false;
  return name.len == n || name.p[name.len - n - 1] == '.';
}

int resolve_start(struct resolve_query **ret, struct resolver *r,
                  struct slice name, resolve_fn *fn, void *ud) {
  struct resolve_query *q = mem_zalloc(&r->mem, sizeof *q);
  int rv;
  gate_check();
  if (!q)
    return ERR_NOMEM;
  q->resolver = r;
  q->fn = fn;
  q->ud = ud;
  q->payer = till_id(loop_till(r->loop));
  deferred_init(&q->answer, query_answer, q);
  timer_init(&q->timer, r->loop, on_query_timer, q);
  list_add_tail(&r->queries, &q->node);
  *ret = q;
  if (resolve_is_localhost(name)) {
    q->addresses[0] = (struct ip){.family = 4, .bytes = {127, 0, 0, 1}};
    q->addresses[1] = (struct ip){.family = 6, .bytes = {[15] = 1}};
    q->naddresses = 2;
    query_ready(q);
  } else if (name.len == 0 || name.len > RESOLVE_NAME_MAX ||
             memchr(name.p, '\0', name.len)) {
    query_fail(q, ARES_EBADNAME);
    query_ready(q);
  } else if (!r->channel_open && (rv = open_channel(r, NULL)) != ARES_SUCCESS) {
    query_fail(q, rv);
    query_ready(q);
  } else {
    memcpy(q->name, name.p, name.len);
    /* Without a timer c-ares' own patience is all there is. */
    (void)timer_start_after(&q->timer, RESOLVE_APART_NS);
    ask(q, AF_UNSPEC, on_answer);
    resolve_arm(r);
  }
  return 0;
}

void resolve_cancel(struct resolve_query *q) {
  gate_check();
  if (!q)
    return;
  q->fn = NULL;
  timer_stop(&q->timer);
  deferred_cancel(&q->answer);
  if (q->asking == 0)
    query_free(q);
}
