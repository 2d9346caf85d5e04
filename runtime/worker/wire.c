/* wire.c - messages over one end of a socketpair, with descriptors. */
#include "runtime/worker/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEPT_BYTES 4096 /* of an idle buffer */

/* Descriptors that were sent and may not have been taken.  unix(7) bounds those
 * of all processes of a user together: one receiver must not have them all. */
#define UNTAKEN_FDS_MAX 32

void wire_init(struct wire *w, int fd, const struct mem *m, size_t in_max,
               size_t out_max) {
  memset(w, 0, sizeof *w);
  w->fd = fd;
  w->in_max = in_max;
  buf_init(&w->in, m, in_max + PROTOCOL_HEADER);
  buf_init(&w->out, m, out_max);
}

void wire_deinit(struct wire *w) {
  const struct mem *m = &w->in.mem;
  if (!m->fn)
    return;
  for (size_t i = 0; i < w->nsend; i++)
    close(w->send[i].fd);
  for (size_t i = 0; i < w->nreceived; i++)
    if (w->received[i] >= 0)
      close(w->received[i]);
  mem_free(m, w->send, w->send_cap * sizeof *w->send);
  mem_free(m, w->received, w->received_cap * sizeof *w->received);
  w->send = NULL;
  w->received = NULL;
  w->nsend = w->send_cap = w->nreceived = w->received_cap = 0;
  buf_deinit(&w->in);
  buf_deinit(&w->out);
}

int wire_put(struct wire *w, const struct packet *m, int fd) {
  uint64_t at = w->out_at + w->out.len;
  int rv;
  if (fd >= 0) {
    void *grown = mem_grow(&w->out.mem, w->send, &w->send_cap, w->nsend + 1,
                           sizeof *w->send, WIRE_FDS_MAX);
    if (!grown)
      return ERR_NOMEM;
    w->send = grown;
  }
  if ((rv = packet_write(&w->out, m)) != 0)
    return rv;
  if (fd >= 0) {
    w->send[w->nsend].at = at;
    w->send[w->nsend].fd = fd;
    w->nsend++;
  }
  return 0;
}

/* Sends up to |len| bytes with the descriptor |fd| (-1: none).  What a worker
 * may call is send; only a broker has descriptors to give. */
static ssize_t send_some(int to, const void *p, size_t len, int fd) {
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec part = {(void *)(uintptr_t)p, len};
  struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
  struct cmsghdr *c;
  if (fd < 0)
    return send(to, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  memset(&control, 0, sizeof control);
  msg.msg_control = control.room;
  msg.msg_controllen = sizeof control.room;
  c = CMSG_FIRSTHDR(&msg);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(c), &fd, sizeof fd);
  return sendmsg(to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* May one more descriptor go?  Only when the socket is empty is it known that
 * those before it were taken. */
static bool may_send_fd(struct wire *w) {
  int unread = 0;
  if (w->untaken < UNTAKEN_FDS_MAX)
    return true;
  if (ioctl(w->fd, TIOCOUTQ, &unread) == 0 && unread > 0)
    return false;
  w->untaken = 0;
  return true;
}

/* The first descriptor has gone. */
static void sent_fd(struct wire *w) {
  w->untaken++;
  close(w->send[0].fd);
  w->nsend--;
  memmove(w->send, w->send + 1, w->nsend * sizeof *w->send);
}

int wire_flush(struct wire *w) {
  while (w->out.len > 0) {
    bool with_fd = w->nsend > 0 && w->send[0].at == w->out_at;
    size_t len = w->out.len, next = with_fd ? 1 : 0;
    ssize_t n;
    /* a descriptor goes with the first byte of its message: stop before it */
    if (next < w->nsend && w->send[next].at - w->out_at < len)
      len = (size_t)(w->send[next].at - w->out_at);
    if (with_fd && !may_send_fd(w))
      return ERR_LIMIT;
    n = send_some(w->fd, buf_bytes(&w->out), len, with_fd ? w->send[0].fd : -1);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      return ERR_AGAIN;
    /* unix(7): too many of this user's descriptors are under way */
    if (n < 0 && errno == ETOOMANYREFS)
      return ERR_LIMIT;
    if (n < 0)
      return ERR_CLOSED;
    if (with_fd)
      sent_fd(w);
    buf_consume(&w->out, (size_t)n);
    w->out_at += (size_t)n;
  }
  if (w->out.cap > KEPT_BYTES)
    buf_shrink(&w->out);
  return 0;
}

/* Room for one more received descriptor. */
static bool receive_room(struct wire *w) {
  void *grown = mem_grow(&w->in.mem, w->received, &w->received_cap,
                         w->nreceived + 1, sizeof *w->received, WIRE_FDS_MAX);
  if (grown)
    w->received = grown;
  return grown != NULL;
}

static void take_control(struct wire *w, struct msghdr *msg) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
    int fd;
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len < CMSG_LEN(sizeof fd))
      continue;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    w->received[w->nreceived++] = fd;
    return;
  }
  if (msg->msg_flags & MSG_CTRUNC)
    w->received[w->nreceived++] = -1;
}

int wire_receive(struct wire *w, size_t max, bool fds) {
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  size_t room = w->in.max - w->in.len;
  struct iovec part;
  struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
  ssize_t n;
  int rv = 0;
  if (room > max)
    room = max;
  if (room == 0)
    return 0; /* a whole message is there */
  part.iov_base = buf_reserve(&w->in, room, &rv);
  part.iov_len = room;
  if (!part.iov_base || (fds && !receive_room(w)))
    return ERR_NOMEM;
  if (fds) {
    msg.msg_control = control.room;
    msg.msg_controllen = sizeof control.room;
  }
  do
    n = fds ? recvmsg(w->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
            : recv(w->fd, part.iov_base, part.iov_len, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return ERR_AGAIN;
  if (n <= 0)
    return ERR_CLOSED;
  if (fds)
    take_control(w, &msg);
  buf_commit(&w->in, (size_t)n);
  return 0;
}

int wire_next(struct wire *w, enum packet_kind *ret_kind,
              struct slice *ret_whole) {
  struct slice in = buf_slice(&w->in);
  size_t len;
  int rv = packet_peek(in, w->in_max, ret_kind, &len);
  if (rv == 0 && len > in.len)
    rv = ERR_AGAIN;
  if (rv == 0)
    *ret_whole = (struct slice){in.p, len};
  return rv;
}

void wire_drop(struct wire *w, struct slice whole) {
  buf_consume(&w->in, whole.len);
  if (w->in.len == 0 && w->in.cap > KEPT_BYTES)
    buf_shrink(&w->in);
}

int wire_take_fd(struct wire *w) {
  int fd;
  if (w->nreceived == 0)
    return -1;
  fd = w->received[0];
  w->nreceived--;
  memmove(w->received, w->received + 1, w->nreceived * sizeof *w->received);
  return fd;
}
