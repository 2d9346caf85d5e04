/* peer.h - a scripted server on loopback, in a thread of the test's process. */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/net/frames.h"
#include "runtime/net/upgrade.h"
#include "tests/unit.h"

#define PATIENCE_S 60 /* no assertion on time: only against hanging */

struct peer;
typedef void peer_fn(struct peer *p);

struct peer {
  peer_fn *fn;
  const void *arg;
  size_t arg_len;
  int arg_int;
  int listener;
  int fd;
  uint16_t port;
  pthread_t thread;
  SSL_CTX *tls;
  SSL *ssl;
  char request[65536];
  char got[4096]; /* what the client sent, as text: "T2:hi C1000" ... */
  size_t got_len;
  uint8_t *big; /* the last data message */
  size_t big_len;
};

static inline ssize_t p_read(struct peer *p, void *buf, size_t len) {
  return p->ssl ? SSL_read(p->ssl, buf, (int)len) : recv(p->fd, buf, len, 0);
}

static inline bool p_write(struct peer *p, const void *data, size_t len) {
  const char *s = data;
  while (len > 0) {
    ssize_t n = p->ssl ? SSL_write(p->ssl, s, (int)len)
                       : send(p->fd, s, len, MSG_NOSIGNAL);
    if (n <= 0)
      return false;
    s += n;
    len -= (size_t)n;
  }
  return true;
}

static inline bool p_read_all(struct peer *p, void *buf, size_t len) {
  char *s = buf;
  while (len > 0) {
    ssize_t n = p_read(p, s, len);
    if (n <= 0)
      return false;
    s += n;
    len -= (size_t)n;
  }
  return true;
}

__attribute__((format(printf, 2, 3))) static void p_note(struct peer *p,
                                                         const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  p->got_len += (size_t)vsnprintf(p->got + p->got_len,
                                  sizeof p->got - p->got_len, fmt, ap);
  va_end(ap);
  if (p->got_len >= sizeof p->got)
    p->got_len = sizeof p->got - 1;
}

static inline bool p_request(struct peer *p) {
  size_t n = 0;
  while (n < sizeof p->request - 1) {
    if (!p_read_all(p, p->request + n, 1))
      return false;
    p->request[++n] = '\0';
    if (n >= 4 && memcmp(p->request + n - 4, "\r\n\r\n", 4) == 0)
      return true;
  }
  return false;
}

/* A good answer; |extra|: more header lines. */
static inline size_t p_answer(struct peer *p, char *out, size_t cap,
                              const char *extra) {
  char accept[UPGRADE_ACCEPT_LEN];
  const char *key = strstr(p->request, "Sec-WebSocket-Key: ");
  if (!key)
    return 0;
  upgrade_accept(key + 19, accept);
  return (size_t)snprintf(
      out, cap,
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Accept: %.28s\r\n%s\r\n",
      accept, extra);
}

static inline bool p_handshake(struct peer *p, const char *extra) {
  char out[1024];
  return p_request(p) && p_write(p, out, p_answer(p, out, sizeof out, extra));
}

/* One frame of the client's; its opcode, or -1 at the end. */
static inline int p_frame(struct peer *p) {
  uint8_t h[14], *data;
  size_t len, more;
  if (!p_read_all(p, h, 2)) {
    p_note(p, "EOF");
    return -1;
  }
  if (!(h[1] & 0x80) || !(h[0] & 0x80) || (h[0] & 0x70)) {
    p_note(p, "BAD");
    return -1;
  }
  len = h[1] & 127U;
  more = len == 126 ? 2 : len == 127 ? 8 : 0;
  if (!p_read_all(p, h + 2, more + 4))
    return -1;
  if (more) {
    len = 0;
    for (size_t i = 0; i < more; i++)
      len = len << 8 | h[2 + i];
  }
  data = calloc(1, len + 4);
  if (!p_read_all(p, data, len)) {
    p_note(p, "CUT");
    free(data);
    return -1;
  }
  for (size_t i = 0; i < len; i++)
    data[i] ^= h[2 + more + i % 4];

  switch (h[0] & 15) {
  case WS_TEXT:
  case WS_BINARY:
    p_note(p, "%c%zu", (h[0] & 15) == WS_TEXT ? 'T' : 'B', len);
    if (len < 40)
      p_note(p, ":%s", data);
    break;
  case WS_CLOSE:
    p_note(p, len < 2 ? "C" : "C%u%s%s", data[0] << 8 | data[1],
           len > 2 ? ":" : "", data + 2);
    break;
  default:
    p_note(p, "%c:%s", (h[0] & 15) == WS_PING ? 'P' : 'O', data);
    break;
  }
  p_note(p, " ");
  free(p->big);
  p->big = data;
  p->big_len = len;
  return h[0] & 15;
}

static inline void p_frames(struct peer *p) {
  while (p_frame(p) >= 0)
    ;
}

/* OpenSSL writes with write(2), which raises SIGPIPE in the thread of a server
 * whose client is gone.  The threads of clients take none: theirs would be ours
 * to mend. */
static inline void peer_without_sigpipe(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static inline void *peer_main(void *ud) {
  struct peer *p = ud;
  struct timeval tv = {PATIENCE_S, 0};
  int one = 1;
  peer_without_sigpipe();
  p->fd = accept(p->listener, NULL, NULL);
  if (p->fd < 0)
    return NULL;
  setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
  setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (p->tls) {
    p->ssl = SSL_new(p->tls);
    SSL_set_fd(p->ssl, p->fd);
    if (SSL_accept(p->ssl) != 1)
      goto end;
  }
  p->fn(p);
end:
  if (p->ssl)
    SSL_free(p->ssl);
  p->ssl = NULL;
  close(p->fd);
  return NULL;
}

/* A receiver that does not read holds no more than this, though it may be told
 * to hold 32 MiB on some machines: tcp(7), tcp_rmem. */
static inline void peer_bounded(int fd) {
  int bytes = 128 * 1024;
  ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes),
                   0);
}

/* Has a port of 127.0.0.1, and does not listen: nobody else can be met there.
 */
static inline void peer_bind(struct peer *p) {
  struct sockaddr_in in = {.sin_family = AF_INET,
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof in;
  p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  peer_bounded(p->listener);
  ck_assert_int_eq(bind(p->listener, (struct sockaddr *)&in, sizeof in), 0);
  ck_assert_int_eq(getsockname(p->listener, (struct sockaddr *)&in, &len), 0);
  p->port = ntohs(in.sin_port);
}

/* The same on [::1]; false: it is taken, or a machine without IPv6. */
static inline bool peer_bind6(struct peer *p, uint16_t port) {
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                             .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                             .sin6_port = htons(port)};
  socklen_t len = sizeof in6;
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&in6, sizeof in6) != 0) {
    if (fd >= 0)
      close(fd);
    return false;
  }
  p->listener = fd;
  peer_bounded(fd);
  ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in6, &len), 0);
  p->port = ntohs(in6.sin6_port);
  return true;
}

static inline void peer_listen(struct peer *p) {
  peer_bind(p);
  ck_assert_int_eq(listen(p->listener, 8), 0);
}

/* Instead, on [::1]; false: it listens as before. */
static inline bool peer_listen6(struct peer *p, uint16_t port) {
  int before = p->listener;
  if (!peer_bind6(p, port))
    return false;
  close(before);
  ck_assert_int_eq(listen(p->listener, 8), 0);
  return true;
}

static inline void peer_start(struct peer *p, peer_fn *fn) {
  memset(p, 0, sizeof *p);
  p->fn = fn;
  peer_listen(p);
}

static inline void peer_go(struct peer *p) {
  ck_assert_int_eq(pthread_create(&p->thread, NULL, peer_main, p), 0);
}

/* The client has hung up, or will not come. */
static inline void peer_end(struct peer *p) {
  shutdown(p->listener, SHUT_RDWR);
  pthread_join(p->thread, NULL);
  close(p->listener);
  free(p->big);
  p->big = NULL;
}

/* Sends back what it gets, until a close. */
static inline void peer_echo(struct peer *p) {
  int op;
  if (!p_handshake(p, p->arg ? p->arg : ""))
    return;
  while ((op = p_frame(p)) >= 0) {
    uint8_t h[10] = {(uint8_t)(0x80 | (op == WS_PING ? WS_PONG : op)), 127};
    for (int i = 0; i < 8; i++)
      h[2 + i] = (uint8_t)((uint64_t)p->big_len >> (56 - 8 * i));
    if (p->big_len < 126) {
      h[1] = (uint8_t)p->big_len;
      p_write(p, h, 2);
    } else if (p->big_len < 65536) {
      h[1] = 126;
      h[2] = (uint8_t)(p->big_len >> 8);
      h[3] = (uint8_t)p->big_len;
      p_write(p, h, 4);
    } else {
      p_write(p, h, 10);
    }
    if (!p_write(p, p->big, p->big_len) || op == WS_CLOSE)
      return;
  }
}

#endif
