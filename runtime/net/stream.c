/* stream.c - reads and writes of a socket, with or without TLS. */
#include "runtime/net/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/err.h"
#include "runtime/base/gate.h"
#include "runtime/net/tls.h"

int stream_new(struct stream **ret, struct loop *lp, int fd, unsigned events,
               watch_fn *fn, void *ud) {
  struct stream *s = mem_zalloc(loop_mem(lp), sizeof *s);
  int rv;
  gate_check();
  if (!s)
    return ERR_NOMEM;
  s->loop = lp;
  s->fd = fd;
  watch_init(&s->watch, fn, ud);
  if ((rv = watch_start(&s->watch, loop_poller(lp), fd, events)) != 0) {
    mem_free(loop_mem(lp), s, sizeof *s);
    return rv;
  }
  *ret = s;
  return 0;
}

void stream_free(struct stream *s) {
  gate_check();
  if (!s)
    return;
  watch_stop(&s->watch);
  tls_session_free(s->tls);
  if (s->fd >= 0)
    close(s->fd);
  mem_free(loop_mem(s->loop), s, sizeof *s);
}

void stream_hand_over(struct stream *s, watch_fn *fn, void *ud) {
  s->watch.fn = fn;
  s->watch.ud = ud;
}

int stream_take_fd(struct stream *s) {
  int fd = s->fd;
  if (s->tls)
    return -1;
  watch_stop(&s->watch);
  s->fd = -1;
  stream_free(s);
  return fd;
}

static int again_or_lost(void) {
  return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_SYSTEM;
}

int stream_read(struct stream *s, void *p, size_t len, size_t *ret_n) {
  ssize_t n;
  int rv;
  gate_check();
  if (s->tls) {
    rv = tls_read(s->tls, p, len, ret_n);
    s->read_wants_write = rv == ERR_AGAIN && tls_wants_write(s->tls);
    s->drained = rv == 0 && tls_drained(s->tls);
    return rv;
  }
  do
    n = recv(s->fd, p, len, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return again_or_lost();
  *ret_n = (size_t)n;
  s->drained = (size_t)n < len;
  return 0;
}

int stream_write(struct stream *s, const void *p, size_t len, size_t *ret_n) {
  ssize_t n;
  int rv;
  gate_check();
  if (s->tls) {
    rv = tls_write(s->tls, p, len, ret_n);
    s->write_wants_read = rv == ERR_AGAIN && !tls_wants_write(s->tls);
    return rv;
  }
  do
    n = send(s->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return again_or_lost();
  *ret_n = (size_t)n;
  return 0;
}

void stream_end(struct stream *s) {
  gate_check();
  if (s->tls)
    tls_shutdown(s->tls);
  (void)shutdown(s->fd, SHUT_WR);
}
