/* names.h - a name server on loopback, in a thread of the test's process; the
 * first label of a name says how it answers. */
#ifndef TESTS_NAMES_H
#define TESTS_NAMES_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit.h"

struct dns {
  int fd;
  int listener; /* the same port over TCP: what was truncated is asked again */
  int tcp;      /* its connection, or -1 */
  uint16_t port;
  pthread_t thread;
  atomic_int questions; /* what is sent again is none */
  uint16_t ids[64];     /* of the last ones */
  char asked[1024];     /* names and types in the order they came */
  atomic_bool release;
  atomic_int resets; /* connections over TCP that were thrown away */
  /* the answers that wait for it */
  atomic_size_t nheld;
  struct held {
    uint8_t p[512];
    size_t len;
    struct sockaddr_in to;
  } held[8];
};

static inline size_t put16(uint8_t *p, unsigned v) {
  p[0] = (uint8_t)(v >> 8);
  p[1] = (uint8_t)v;
  return 2;
}

static inline size_t put_record(uint8_t *p, unsigned type, const void *data,
                                size_t len);

/* One that belongs to |name|, a single label, or to the question. */
static inline size_t put_owned(uint8_t *p, const char *name, unsigned type,
                               const void *data, size_t len) {
  size_t n = 0;
  if (!name)
    return put_record(p, type, data, len);
  p[n++] = (uint8_t)strlen(name);
  memcpy(p + n, name, strlen(name));
  n += strlen(name);
  p[n++] = 0;
  /* what follows the two bytes of the pointer */
  uint8_t rest[300];
  size_t m = put_record(rest, type, data, len);
  memcpy(p + n, rest + 2, m - 2);
  return n + m - 2;
}

static inline size_t put_record(uint8_t *p, unsigned type, const void *data,
                                size_t len) {
  size_t n = put16(p, 0xc00c); /* the name of the question */
  n += put16(p + n, type);
  n += put16(p + n, 1);
  n += put16(p + n, 0);
  n += put16(p + n, 60);
  n += put16(p + n, (unsigned)len);
  memcpy(p + n, data, len);
  return n + len;
}

/* The resolver sends a question again, with its id, when it has waited. */
static inline bool dns_again(const struct dns *d, uint16_t id) {
  for (int i = 0; i < d->questions && i < 64; i++)
    if (d->ids[i] == id)
      return true;
  return false;
}

/* What is answered depends on the first label. */
static inline size_t dns_answer(struct dns *d, uint8_t *p, size_t len,
                                bool tcp) {
  static const uint8_t v4[4] = {192, 0, 2, 7};
  static const uint8_t v4b[4] = {192, 0, 2, 8};
  static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
  size_t n = 12, q;
  unsigned type, answers = 0, rcode = 0, truncated = 0;
  char name[256] = "";
  while (n < len && p[n] != 0) {
    snprintf(name + strlen(name), sizeof name - strlen(name), "%s%.*s",
             name[0] ? "." : "", p[n], p + n + 1);
    n += p[n] + 1U;
  }
  n++;
  type = (unsigned)(p[n] << 8 | p[n + 1]);
  n += 4;
  q = n;
  if (!dns_again(d, (uint16_t)(p[0] << 8 | p[1])))
    d->ids[d->questions++ % 64] = (uint16_t)(p[0] << 8 | p[1]);
  snprintf(d->asked + strlen(d->asked), sizeof d->asked - strlen(d->asked),
           "%s/%u ", name, type);
  if (strncmp(name, "silent", 6) == 0)
    return 0;
  if (strncmp(name, "mute6", 5) == 0 && type == 28)
    return 0;
  if (strncmp(name, "mute4", 5) == 0 && type == 1)
    return 0;
  if (strncmp(name, "garbage", 7) == 0) {
    memset(p + 4, 0xff, n - 4);
    return n;
  }
  if (strncmp(name, "none", 4) == 0)
    rcode = 3;
  else if (strncmp(name, "broken", 6) == 0)
    rcode = 2;
  else if (strncmp(name, "empty", 5) == 0)
    answers = 0;
  else if (strstr(name, "here")) {
    if (type == 1)
      n += put_record(p + n, 1, (uint8_t[]){127, 0, 0, 1}, 4), answers++;
  } else if (strncmp(name, "many", 4) == 0) /* as many as 512 bytes hold */
    for (uint8_t i = 0; i < (type == 1 ? 28 : 16); i++, answers++)
      n += type == 1 ? put_record(p + n, 1, (uint8_t[]){10, 0, 0, i}, 4)
                     : put_record(p + n, 28, (uint8_t[16]){0x20, 1, 13, i}, 16);
  else if (strncmp(name, "huge", 4) == 0 && !tcp)
    truncated = 2;
  else if (strncmp(name, "huge", 4) == 0)
    for (unsigned i = 0; i < 500; i++, answers++)
      n +=
          type == 1
              ? put_record(p + n, 1,
                           (uint8_t[]){10, 1, (uint8_t)(i >> 8), (uint8_t)i}, 4)
              : put_record(
                    p + n, 28,
                    (uint8_t[16]){0x20, 1, 13, (uint8_t)(i >> 8), (uint8_t)i},
                    16);
  else if (strncmp(name, "cut", 3) == 0 || strncmp(name, "reset", 5) == 0)
    truncated = 2; /* over TCP as well */
  else if (strncmp(name, "loop", 4) == 0) {
    n += put_owned(p + n, NULL, 5, "\1a", 3), answers++;
    n += put_owned(p + n, "a", 5, "\1b", 3), answers++;
    n += put_owned(p + n, "b", 5, "\1a", 3), answers++;
  } else if (strncmp(name, "self", 4) == 0) {
    n += put_owned(p + n, NULL, 5, (uint8_t[]){0xc0, 12}, 2), answers++;
  } else if (strncmp(name, "pointer", 7) == 0) { /* to itself */
    put16(p + n, 0xc000U | (unsigned)n);
    n += put16(p + n + 2, type) + 2;
    answers++;
  } else if (strncmp(name, "alias", 5) == 0) {
    n += put_owned(p + n, NULL, 5, "\1a", 3), answers++;
    if (type == 1)
      n += put_owned(p + n, "a", 1, v4, 4), answers++;
  } else if (strncmp(name, "lies", 4) == 0 && type == 28) {
    answers = 9; /* and there are none */
  } else if (strncmp(name, "twice", 5) == 0 && type == 1)
    for (uint8_t i = 0; i < 3; i++, answers++)
      n += put_record(p + n, 1, v4, 4);
  else if (strncmp(name, "short", 5) == 0 && type == 1)
    n += put_record(p + n, 1, v4, 3), answers++;
  else if (type == 1 && strncmp(name, "six", 3) != 0) {
    n += put_record(p + n, 1, v4, 4), answers++;
    n += put_record(p + n, 1, v4b, 4), answers++;
  } else if (type == 28 && strncmp(name, "four", 4) != 0 &&
             strncmp(name, "twice", 5) != 0)
    n += put_record(p + n, 28, v6, 16), answers++;
  p[2] = (uint8_t)(0x84 | truncated); /* an authoritative answer */
  p[3] = (uint8_t)rcode;
  put16(p + 4, 1);
  put16(p + 6, answers);
  put16(p + 8, 0);
  put16(p + 10, 0);
  return n > q || rcode || answers == 0 || strncmp(name, "lies", 4) == 0 ? n
                                                                         : 0;
}

/* Answers that are none to this question, before the true one. */
static inline void dns_forge(const struct dns *d, const uint8_t *p, size_t n,
                             const struct sockaddr_in *to) {
  const struct sockaddr *sa = (const struct sockaddr *)to;
  uint8_t f[4096];
  memcpy(f, p, n);
  f[n - 1] = 66; /* the end of the last address */
  f[0] ^= 1;     /* another id */
  sendto(d->fd, f, n, 0, sa, sizeof *to);
  f[0] ^= 1;
  f[13] ^= 1; /* for another name */
  sendto(d->fd, f, n, 0, sa, sizeof *to);
  f[13] ^= 1;
  f[2] &= 0x7f; /* a question */
  sendto(d->fd, f, n, 0, sa, sizeof *to);
  f[2] |= 0x80;
  sendto(d->fd, f, 7, 0, sa, sizeof *to); /* half a header */
  sendto(d->fd, f, 0, 0, sa, sizeof *to); /* none */
}

static inline bool recv_all(int fd, uint8_t *p, size_t len) {
  while (len > 0) {
    ssize_t n = recv(fd, p, len, 0);
    if (n <= 0)
      return false;
    p += n;
    len -= (size_t)n;
  }
  return true;
}

/* One question (RFC 1035, section 4.2.2).  False: that was all. */
static inline bool dns_tcp(struct dns *d) {
  static uint8_t p[65536];
  size_t n;
  if (!recv_all(d->tcp, p, 2))
    return false;
  n = (size_t)(p[0] << 8 | p[1]);
  if (n <= 12 || n > 512 || !recv_all(d->tcp, p + 2, n))
    return false;
  n = dns_answer(d, p + 2, n, true);
  put16(p, (unsigned)n);
  for (size_t at = 0; at < n + 2;) { /* in pieces */
    size_t piece = n + 2 - at > 999 ? 999 : n + 2 - at;
    ssize_t sent = send(d->tcp, p + at, piece, MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    at += (size_t)sent;
  }
  return strstr(d->asked, "huge") != NULL;
}

/* Says that nothing comes, and takes nothing: what is written is an EPIPE. */
static inline void dns_reset(struct dns *d) {
  struct linger now = {1, 0};
  shutdown(d->tcp, SHUT_WR);
  setsockopt(d->tcp, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(d->tcp);
  d->tcp = -1;
  d->resets++;
}

static inline void dns_hold(struct dns *d, const uint8_t *p, size_t n,
                            const struct sockaddr_in *to) {
  struct held *h = &d->held[d->nheld];
  if (n > sizeof h->p || d->nheld == sizeof d->held / sizeof *d->held)
    return;
  memcpy(h->p, p, n);
  h->len = n;
  h->to = *to;
  d->nheld++;
}

static inline void dns_let_go(struct dns *d) {
  while (d->nheld > 0) {
    const struct held *h = &d->held[--d->nheld];
    sendto(d->fd, h->p, h->len, 0, (const struct sockaddr *)&h->to,
           sizeof h->to);
  }
}

/* False: that was the end. */
static inline bool dns_udp(struct dns *d) {
  struct sockaddr_in from;
  socklen_t len = sizeof from;
  uint8_t p[4096];
  ssize_t n = recvfrom(d->fd, p, 512, 0, (struct sockaddr *)&from, &len);
  if (n <= 12)
    return false;
  n = (ssize_t)dns_answer(d, p, (size_t)n, false);
  if (strstr(d->asked, "forged") && n > 12)
    dns_forge(d, p, (size_t)n, &from);
  if (n > 0 && strstr(d->asked, "held") && !d->release)
    dns_hold(d, p, (size_t)n, &from);
  else if (n > 0)
    sendto(d->fd, p, (size_t)n, 0, (struct sockaddr *)&from, len);
  return true;
}

static inline void *dns_main(void *ud) {
  struct dns *d = ud;
  d->tcp = -1;
  for (;;) {
    struct pollfd fds[] = {{.fd = d->fd, .events = POLLIN},
                           {.fd = d->listener, .events = POLLIN},
                           {.fd = d->tcp, .events = POLLIN}};
    poll(fds, 3, d->nheld > 0 ? 1 : -1);
    if (d->release)
      dns_let_go(d);
    if (fds[0].revents && !dns_udp(d))
      break;
    if (fds[2].revents && !dns_tcp(d)) {
      close(d->tcp);
      d->tcp = -1;
    }
    if (fds[1].revents) {
      if (d->tcp >= 0)
        close(d->tcp);
      d->tcp = accept(d->listener, NULL, NULL);
      if (strstr(d->asked, "reset"))
        dns_reset(d);
    }
  }
  if (d->tcp >= 0)
    close(d->tcp);
  return NULL;
}

/* The same port for both, if nobody else has it for one of them. */
static inline bool dns_bind(struct dns *d) {
  struct sockaddr_in in = {.sin_family = AF_INET,
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof in;
  int one = 1;
  d->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq(bind(d->fd, (struct sockaddr *)&in, sizeof in), 0);
  ck_assert_int_eq(getsockname(d->fd, (struct sockaddr *)&in, &len), 0);
  d->port = ntohs(in.sin_port);
  d->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(d->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(d->listener, (struct sockaddr *)&in, sizeof in) == 0 &&
      listen(d->listener, 8) == 0)
    return true;
  close(d->fd);
  close(d->listener);
  return false;
}

static inline void dns_start(struct dns *d) {
  int tries = 0;
  memset(d, 0, sizeof *d);
  while (!dns_bind(d))
    ck_assert_int_lt(++tries, 100);
  ck_assert_int_eq(pthread_create(&d->thread, NULL, dns_main, d), 0);
}

static inline void dns_end(struct dns *d) {
  struct sockaddr_in in = {.sin_family = AF_INET,
                           .sin_port = htons(d->port),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  sendto(d->fd, "", 0, 0, (struct sockaddr *)&in, sizeof in);
  pthread_join(d->thread, NULL);
  close(d->fd);
  close(d->listener);
}

#endif
