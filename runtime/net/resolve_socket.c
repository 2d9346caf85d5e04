/* resolve_socket.c - the sockets of c-ares. */
#define CARES_NO_DEPRECATED /* newer ones have another such call, older not */
#include "runtime/net/resolve_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_BYTES 12
#define QR 0x80 /* of the third byte: a response (RFC 1035, section 4.1.1) */

/* Of one call: who floods us with what is dropped gets no more of a turn. */
#define DROPPED_MAX 64

static ares_socket_t on_open(int family, int type, int protocol, void *ud) {
  int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  int one = 1;
  (void)ud;
  if (fd >= 0 && type == SOCK_STREAM)
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static int on_close(ares_socket_t fd, void *ud) {
  (void)ud;
  return close(fd);
}

static int on_connect(ares_socket_t fd, const struct sockaddr *to,
                      ares_socklen_t len, void *ud) {
  (void)ud;
  return connect(fd, to, len);
}

/* "Discard datagrams which are queries when responses are expected" (RFC 1035,
 * section 7.3): c-ares takes our own question, sent back, for an answer without
 * addresses, and an empty datagram for the end of the server. */
static bool is_response(const uint8_t *p, ssize_t len) {
  return len >= HEADER_BYTES && (p[2] & QR);
}

/* |from| NULL: of a stream, where anything may come in pieces. */
static ares_ssize_t on_receive(ares_socket_t fd, void *p, size_t len, int flags,
                               struct sockaddr *from, ares_socklen_t *from_len,
                               void *ud) {
  ares_socklen_t room = from ? *from_len : 0;
  ssize_t n;
  (void)ud;
  for (int i = 0; i < DROPPED_MAX; i++) {
    if (from)
      *from_len = room;
    n = recvfrom(fd, p, len, flags, from, from_len);
    if (n < 0 || !from || is_response(p, n))
      return n;
  }
  errno = EAGAIN;
  return -1;
}

static ares_ssize_t on_send(ares_socket_t fd, const struct iovec *parts, int n,
                            void *ud) {
  struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                     .msg_iovlen = (size_t)n};
  (void)ud;
  return sendmsg(fd, &m, MSG_NOSIGNAL);
}

void resolve_sockets(ares_channel channel) {
  static const struct ares_socket_functions calls = {.asocket = on_open,
                                                     .aclose = on_close,
                                                     .aconnect = on_connect,
                                                     .arecvfrom = on_receive,
                                                     .asendv = on_send};
  ares_set_socket_functions(channel, &calls, NULL);
}
