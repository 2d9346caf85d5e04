/* dial.c - Happy Eyeballs over the addresses that the judge lets pass. */
#include "runtime/net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/gate.h"
#include "runtime/net/poller.h"
#include "runtime/net/resolve.h"

#define DIAL_STAGGER_NS (250 * NS_PER_MS) /* RFC 8305, section 5 */

struct attempt {
  struct watch watch;
  struct dial *dial;
  int fd; /* -1: none */
};

struct dial {
  struct mem mem;
  struct loop *loop;
  const struct dial_handler *h;
  void *ud;
  struct timer stagger;
  struct deferred start;
  uint16_t port;
  bool in_judge;
  bool freed; /* in the judge: whoever called it frees */
  size_t naddresses;
  size_t next; /* the address to be tried next */
  size_t nunderway;
  size_t ndenied;
  int last_errno; /* of the attempt that failed last; 0: none did */
  struct ip addresses[RESOLVE_MAX_ADDRESSES];
  struct attempt attempts[RESOLVE_MAX_ADDRESSES];
};

static void dial_next(struct dial *d);

static void dial_finish(struct dial *d, int fd, const struct err *e) {
  timer_stop(&d->stagger);
  deferred_cancel(&d->start);
  for (size_t i = 0; i < d->naddresses; i++) {
    struct attempt *a = &d->attempts[i];
    watch_stop(&a->watch);
    if (a->fd >= 0 && a->fd != fd)
      close(a->fd);
    a->fd = -1;
  }
  d->next = d->naddresses;
  d->nunderway = 0;
  d->h->done(d->ud, fd, e);
}

/* Reasons are read by scripts and people: errno's own text, without its
 * capital. */
static void dial_explain(const struct dial *d, struct err *e) {
  const char *text;
  if (d->last_errno == 0) {
    err_setf(e, ERR_DENIED, "every address is refused");
    return;
  }
  if (d->last_errno == ENOMEM || d->last_errno == ENOBUFS) {
    err_set(e, ERR_NOMEM);
    return;
  }
  text = strerrordesc_np(d->last_errno);
  if (!text)
    text = "Unknown error";
  err_setf(e, d->last_errno == ETIMEDOUT ? ERR_TIMEOUT : ERR_SYSTEM, "%c%s",
           ascii_lower(text[0]), text + 1);
  e->sys_errno = d->last_errno;
}

static void attempt_end(struct attempt *a, int sys_errno) {
  watch_stop(&a->watch);
  close(a->fd);
  a->fd = -1;
  a->dial->nunderway--;
  a->dial->last_errno = sys_errno;
}

static void on_connect(struct watch *w, unsigned events, void *ud) {
  struct attempt *a = ud;
  struct dial *d = a->dial;
  int code = 0;
  socklen_t len = sizeof code;
  (void)w;
  (void)events;
  if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &code, &len) != 0)
    code = errno;
  if (code == 0) {
    dial_finish(d, a->fd, NULL);
    return;
  }
  attempt_end(a, code);
  dial_next(d); /* a failure does not wait for the stagger */
}

static socklen_t to_sockaddr(const struct ip *ip, uint16_t port,
                             struct sockaddr_storage *ss) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  if (ip->family == 4) {
    memcpy(&in.sin_addr, ip->bytes, 4);
    memcpy(ss, &in, sizeof in);
    return sizeof in;
  }
  memcpy(&in6.sin6_addr, ip->bytes, 16);
  memcpy(ss, &in6, sizeof in6);
  return sizeof in6;
}

/* 0: under way (or connected already: the poller tells); else an errno */
static int attempt_start(struct dial *d, struct attempt *a,
                         const struct ip *ip) {
  struct sockaddr_storage ss;
  socklen_t len = to_sockaddr(ip, d->port, &ss);
  int one = 1;
  int saved;
  int fd = socket(ip->family == 4 ? AF_INET : AF_INET6,
                  SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return errno;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, (const struct sockaddr *)&ss, len) != 0 &&
      errno != EINPROGRESS && errno != EINTR) {
    saved = errno;
    close(fd);
    return saved;
  }
  if (watch_start(&a->watch, loop_poller(d->loop), fd, POLLER_WRITE) != 0) {
    close(fd);
    return ENOMEM;
  }
  a->fd = fd;
  d->nunderway++;
  return 0;
}

/* Starts the next address that may be tried. */
static void dial_next(struct dial *d) {
  struct err e;
  while (d->next < d->naddresses) {
    size_t i = d->next++;
    struct ip ip = d->addresses[i]; /* what is judged is what is dialled */
    int rv;
    d->in_judge = true;
    rv = d->h->judge(d->ud, &ip, d->port);
    d->in_judge = false;
    if (d->freed) {
      mem_free(&d->mem, d, sizeof *d);
      return;
    }
    if (rv != 0) {
      d->ndenied++;
      continue;
    }
    rv = attempt_start(d, &d->attempts[i], &d->addresses[i]);
    if (rv != 0) {
      d->last_errno = rv;
      continue;
    }
    /* Without a timer the next address waits for this one to fail. */
    if (d->next < d->naddresses)
      (void)timer_start_after(&d->stagger, DIAL_STAGGER_NS);
    return;
  }
  timer_stop(&d->stagger);
  if (d->nunderway > 0)
    return;
  dial_explain(d, &e);
  dial_finish(d, -1, &e);
}

static void on_stagger(struct timer *t, void *ud) {
  (void)t;
  dial_next(ud);
}

static void on_start(struct deferred *def, void *ud) {
  (void)def;
  dial_next(ud);
}

/* RFC 8305, section 4: the first one's family, then the other, in turns. */
static void dial_interleave(struct dial *d, const struct ip *from) {
  size_t i[2] = {0, 0};
  uint8_t family[2] = {from[0].family, from[0].family == 4 ? 6 : 4};
  size_t n = 0;
  for (unsigned turn = 0; n < d->naddresses; turn ^= 1U) {
    while (i[turn] < d->naddresses && from[i[turn]].family != family[turn])
      i[turn]++;
    if (i[turn] < d->naddresses)
      d->addresses[n++] = from[i[turn]++];
  }
}

int dial_new(struct dial **ret, struct loop *lp, const struct mem *m,
             const struct ip *addresses, size_t n, uint16_t port,
             const struct dial_handler *h, void *ud) {
  struct dial *d;
  gate_check();
  if (n == 0)
    return ERR_INVALID;
  for (size_t i = 0; i < n; i++)
    if (addresses[i].family != 4 && addresses[i].family != 6)
      return ERR_INVALID;
  if (!(d = mem_zalloc(m, sizeof *d)))
    return ERR_NOMEM;
  d->mem = *m;
  d->loop = lp;
  d->h = h;
  d->ud = ud;
  d->port = port;
  d->naddresses = n < RESOLVE_MAX_ADDRESSES ? n : RESOLVE_MAX_ADDRESSES;
  dial_interleave(d, addresses);
  timer_init(&d->stagger, lp, on_stagger, d);
  deferred_init(&d->start, on_start, d);
  for (size_t i = 0; i < d->naddresses; i++) {
    d->attempts[i].dial = d;
    d->attempts[i].fd = -1;
    watch_init(&d->attempts[i].watch, on_connect, &d->attempts[i]);
  }
  deferred_schedule(lp, &d->start);
  *ret = d;
  return 0;
}

void dial_free(struct dial *d) {
  gate_check();
  if (!d)
    return;
  timer_stop(&d->stagger);
  deferred_cancel(&d->start);
  for (size_t i = 0; i < d->naddresses; i++) {
    watch_stop(&d->attempts[i].watch);
    if (d->attempts[i].fd >= 0)
      close(d->attempts[i].fd);
  }
  if (d->in_judge)
    d->freed = true;
  else
    mem_free(&d->mem, d, sizeof *d);
}
