/* echo-server.c - a small WebSocket server to talk to: echoes text and binary
 * messages; /prices sends a message every 100 ms.  Loopback only.  It uses the
 * server side of wslay, and shows nothing of cordon.
 *
 *     echo-server [--port N] [--tls CERT KEY]
 *
 * Prints "listening on 127.0.0.1:PORT" and serves until it is killed. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define MAX_CLIENTS 256
#define MAX_REQUEST 16384
#define MAX_MESSAGE (64U << 20)
#define TICK_MS 100

struct client {
  int fd;
  SSL *ssl; /* NULL: plain */
  bool open;
  bool prices;
  bool dead;
  short want;  /* what TLS waits for besides reading */
  size_t len;  /* of request */
  size_t used; /* bytes of it given to wslay */
  char request[MAX_REQUEST + 1];
  char answer[512];
  size_t answer_len;
  size_t answered;
  wslay_event_context_ptr ws;
};

static struct client *clients[MAX_CLIENTS];
static nfds_t nclients;
static SSL_CTX *tls;

static ssize_t socket_result(struct client *c, int rv) {
  switch (SSL_get_error(c->ssl, rv)) {
  case SSL_ERROR_WANT_WRITE:
    c->want = POLLOUT;
    errno = EAGAIN;
    return -1;
  case SSL_ERROR_WANT_READ:
    errno = EAGAIN;
    return -1;
  default:
    errno = ECONNRESET;
    return -1;
  }
}

static ssize_t client_read(struct client *c, void *p, size_t len) {
  int rv;
  if (!c->ssl)
    return recv(c->fd, p, len, 0);
  rv = SSL_read(c->ssl, p, (int)(len > 65536 ? 65536 : len));
  if (rv > 0)
    return rv;
  return SSL_get_error(c->ssl, rv) == SSL_ERROR_ZERO_RETURN
             ? 0
             : socket_result(c, rv);
}

static ssize_t client_write(struct client *c, const void *p, size_t len) {
  int rv;
  if (!c->ssl)
    return send(c->fd, p, len, MSG_NOSIGNAL);
  rv = SSL_write(c->ssl, p, (int)(len > 65536 ? 65536 : len));
  return rv > 0 ? rv : socket_result(c, rv);
}

/* ------------------------------------------------------ wslay callbacks --- */

static ssize_t on_recv(wslay_event_context_ptr ws, uint8_t *buf, size_t len,
                       int flags, void *ud) {
  struct client *c = ud;
  ssize_t n;
  (void)flags;
  if (c->used < c->len) { /* came together with the request */
    size_t left = c->len - c->used;
    n = (ssize_t)(left < len ? left : len);
    memcpy(buf, c->request + c->used, (size_t)n);
    c->used += (size_t)n;
    return n;
  }
  n = client_read(c, buf, len);
  if (n > 0)
    return n;
  if (n == 0)
    c->dead = true;
  wslay_event_set_error(ws, n < 0 && errno == EAGAIN
                                ? WSLAY_ERR_WOULDBLOCK
                                : WSLAY_ERR_CALLBACK_FAILURE);
  return -1;
}

static ssize_t on_send(wslay_event_context_ptr ws, const uint8_t *data,
                       size_t len, int flags, void *ud) {
  ssize_t n = client_write(ud, data, len);
  (void)flags;
  if (n < 0)
    wslay_event_set_error(ws, errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK
                                              : WSLAY_ERR_CALLBACK_FAILURE);
  return n;
}

static void on_message(wslay_event_context_ptr ws,
                       const struct wslay_event_on_msg_recv_arg *arg,
                       void *ud) {
  struct wslay_event_msg msg = {arg->opcode, arg->msg, arg->msg_length};
  (void)ud;
  if (!wslay_is_ctrl_frame(arg->opcode)) /* wslay answers pings and closes */
    wslay_event_queue_msg(ws, &msg);
}

/* ------------------------------------------------------------ handshake --- */

static void accept_key(const char *key, size_t len, char out[64]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[EVP_MAX_MD_SIZE];
  char text[128];
  unsigned n = 0;
  int text_len = snprintf(text, sizeof text, "%.*s%s",
                          (int)(len > 64 ? 64 : len), key, guid);
  EVP_Digest(text, (size_t)text_len, digest, &n, EVP_sha1(), NULL);
  EVP_EncodeBlock((unsigned char *)out, digest, (int)n);
}

/* The value of header |name| in the request, or NULL. */
static const char *header(const char *request, const char *name, size_t *len) {
  size_t n = strlen(name);
  const char *p = request;
  while ((p = strstr(p, "\r\n")) && p[2] != '\r') {
    p += 2;
    if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
      p += n + 1;
      p += strspn(p, " \t");
      *len = strcspn(p, "\r\n \t");
      return p;
    }
  }
  return NULL;
}

static void open_up(struct client *c, char *end) {
  static const struct wslay_event_callbacks callbacks = {
      .recv_callback = on_recv,
      .send_callback = on_send,
      .on_msg_recv_callback = on_message};
  char accepted[64], protocol[128] = "";
  size_t len = 0, protocol_len = 0;
  const char *key, *offered;
  *end = '\0'; /* a header that follows the request's end is none */
  key = header(c->request, "Sec-WebSocket-Key", &len);
  offered = header(c->request, "Sec-WebSocket-Protocol", &protocol_len);
  *end = '\r';
  if (strncmp(c->request, "GET /", 5) != 0 || !key) {
    c->answer_len = (size_t)snprintf(
        c->answer, sizeof c->answer,
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    c->dead = true;
    return;
  }
  accept_key(key, len, accepted);
  if (offered) { /* the first one will do */
    const char *comma = memchr(offered, ',', protocol_len);
    if (comma)
      protocol_len = (size_t)(comma - offered);
    if (protocol_len < 64)
      snprintf(protocol, sizeof protocol, "Sec-WebSocket-Protocol: %.*s\r\n",
               (int)protocol_len, offered);
  }
  c->answer_len = (size_t)snprintf(c->answer, sizeof c->answer,
                                   "HTTP/1.1 101 Switching Protocols\r\n"
                                   "Upgrade: websocket\r\n"
                                   "Connection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: %s\r\n%s\r\n",
                                   accepted, protocol);
  c->used = (size_t)(end - c->request) + 4;
  c->prices = strncmp(c->request, "GET /prices ", 12) == 0;
  if (wslay_event_context_server_init(&c->ws, &callbacks, c) != 0) {
    c->dead = true;
    return;
  }
  wslay_event_config_set_max_recv_msg_length(c->ws, MAX_MESSAGE);
  c->open = true;
}

static void handshake(struct client *c) {
  ssize_t n = client_read(c, c->request + c->len, MAX_REQUEST - c->len);
  char *end;
  if (n <= 0) {
    c->dead = n == 0 || errno != EAGAIN;
    return;
  }
  c->len += (size_t)n;
  c->request[c->len] = '\0';
  end = strstr(c->request, "\r\n\r\n");
  if (end)
    open_up(c, end);
  else if (c->len == MAX_REQUEST)
    c->dead = true;
}

/* -------------------------------------------------------------- clients --- */

static void serve(struct client *c, short events) {
  c->want = 0;
  if (!c->open)
    handshake(c);
  while (c->answered < c->answer_len) {
    ssize_t n =
        client_write(c, c->answer + c->answered, c->answer_len - c->answered);
    if (n <= 0) {
      c->dead |= errno != EAGAIN;
      return;
    }
    c->answered += (size_t)n;
  }
  if (!c->open)
    return;
  if ((events & (POLLIN | POLLHUP | POLLERR)) || c->ssl || c->used < c->len)
    if (wslay_event_recv(c->ws) != 0)
      c->dead = true;
  if (wslay_event_want_write(c->ws) && wslay_event_send(c->ws) != 0)
    c->dead = true;
  if (!wslay_event_want_read(c->ws) && !wslay_event_want_write(c->ws))
    c->dead = true;
}

static void add_client(int fd) {
  struct client *c;
  int one = 1;
  if (fd < 0)
    return;
  c = nclients < MAX_CLIENTS ? calloc(1, sizeof *c) : NULL;
  if (!c || (tls && !(c->ssl = SSL_new(tls)))) {
    free(c);
    close(fd);
    return;
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  c->fd = fd;
  if (c->ssl) {
    SSL_set_fd(c->ssl, fd);
    SSL_set_accept_state(c->ssl);
  }
  clients[nclients++] = c;
}

static void drop_client(nfds_t i) {
  struct client *c = clients[i];
  if (c->ssl) {
    SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
  }
  if (c->ws)
    wslay_event_context_free(c->ws);
  close(c->fd);
  free(c);
  clients[i] = clients[--nclients];
}

static void tick(void) {
  static unsigned n;
  char text[96];
  int len = snprintf(text, sizeof text, "{\"symbol\":\"BTC-USD\",\"value\":%u}",
                     60000 + n++ % 1000);
  struct wslay_event_msg msg = {WSLAY_TEXT_FRAME, (uint8_t *)text, (size_t)len};
  for (nfds_t i = 0; i < nclients; i++)
    if (clients[i]->open && clients[i]->prices && !clients[i]->dead &&
        wslay_event_get_queued_msg_count(clients[i]->ws) < 64) {
      wslay_event_queue_msg(clients[i]->ws, &msg);
      serve(clients[i], 0);
    }
}

static int64_t now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void run(int listener) {
  struct pollfd fds[MAX_CLIENTS + 1];
  int64_t next = now_ms() + TICK_MS;
  for (;;) {
    nfds_t n = nclients;
    int64_t left = next - now_ms();
    fds[n] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (nfds_t i = 0; i < n; i++) {
      const struct client *c = clients[i];
      bool writes = c->answered < c->answer_len ||
                    (c->open && wslay_event_want_write(c->ws));
      fds[i] = (struct pollfd){
          .fd = c->fd,
          .events = (short)(POLLIN | c->want | (writes ? POLLOUT : 0))};
    }
    if (poll(fds, n + 1, left > 0 ? (int)left : 0) < 0 && errno != EINTR)
      return;
    for (nfds_t i = 0; i < n; i++)
      if (fds[i].revents)
        serve(clients[i], fds[i].revents);
    if (now_ms() >= next) {
      next = now_ms() + TICK_MS;
      tick();
    }
    for (nfds_t i = nclients; i-- > 0;)
      if (clients[i]->dead)
        drop_client(i);
    if (fds[n].revents & POLLIN)
      add_client(accept(listener, NULL, NULL));
  }
}

static int listen_on(uint16_t port) {
  struct sockaddr_in in = {.sin_family = AF_INET,
                           .sin_port = htons(port),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof in;
  int one = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof in) != 0 ||
      listen(fd, 128) != 0 ||
      getsockname(fd, (struct sockaddr *)&in, &len) != 0) {
    perror("echo-server");
    return -1;
  }
  printf("listening on 127.0.0.1:%u\n", ntohs(in.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char **argv) {
  int port = 0, listener;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
      port = atoi(argv[++i]);
    } else if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
      tls = SSL_CTX_new(TLS_server_method());
      if (!tls || SSL_CTX_use_certificate_chain_file(tls, argv[i + 1]) != 1 ||
          SSL_CTX_use_PrivateKey_file(tls, argv[i + 2], SSL_FILETYPE_PEM) !=
              1) {
        fprintf(stderr, "echo-server: cannot use %s and %s\n", argv[i + 1],
                argv[i + 2]);
        return 1;
      }
      SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
      i += 2;
    } else {
      fprintf(stderr, "usage: echo-server [--port N] [--tls CERT KEY]\n");
      return 2;
    }
  }
  if (port < 0 || port > 65535)
    return 2;
  signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
  if ((listener = listen_on((uint16_t)port)) < 0)
    return 1;
  run(listener);
  return 0;
}
