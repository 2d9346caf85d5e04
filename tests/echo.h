/* echo.h - a server on loopback for many clients at a time, with TLS or
 * without: a thread for each, which sends back what it gets, or does what
 * peer.fn says. */
#ifndef TESTS_ECHO_H
#define TESTS_ECHO_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdatomic.h>

#include "tests/peer.h"

#define ECHO_BOTH_FORGET                                                       \
  "Sec-WebSocket-Extensions: permessage-deflate; "                             \
  "server_no_context_takeover; client_no_context_takeover\r\n"

static atomic_int echo_clients; /* with a thread */

/* Sends back what it gets, byte for byte: since no message refers to the one
 * before it, compressed ones are good that way too. */
static inline void echo_frames(struct peer *p) {
  uint8_t h[14], *data;
  for (;;) {
    size_t len, more;
    int op;
    if (!p_read_all(p, h, 2))
      return;
    len = h[1] & 127U;
    more = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (!p_read_all(p, h + 2, more + 4))
      return;
    for (size_t i = 0; more > 0 && i < more; i++)
      len = (i == 0 ? 0 : len << 8) | h[2 + i];
    data = malloc(2 + more + len);
    if (!p_read_all(p, data + 2 + more, len)) {
      free(data);
      return;
    }
    for (size_t i = 0; i < len; i++)
      data[2 + more + i] ^= h[2 + more + i % 4];
    op = h[0] & 15;
    memcpy(data, h, 2 + more);
    data[0] = (uint8_t)((h[0] & 0xf0) | (op == WS_PING ? WS_PONG : op));
    data[1] &= 127;
    if (!p_write(p, data, 2 + more + len))
      op = WS_CLOSE;
    free(data);
    if (op == WS_CLOSE)
      return;
  }
}

static inline void *echo_answer(void *ud) {
  struct peer *p = ud;
  struct timeval tv = {PATIENCE_S, 0};
  int one = 1;
  setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
  setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (p->tls) {
    p->ssl = SSL_new(p->tls);
    SSL_set_fd(p->ssl, p->fd);
  }
  if ((!p->ssl || SSL_accept(p->ssl) == 1) && p_request(p)) {
    char out[1024];
    bool squeeze = strstr(p->request, "permessage-deflate") != NULL;
    if (p_write(p, out,
                p_answer(p, out, sizeof out, squeeze ? ECHO_BOTH_FORGET : "")))
      p->fn(p);
  }
  SSL_free(p->ssl);
  close(p->fd);
  free(p);
  atomic_fetch_sub(&echo_clients, 1);
  return NULL;
}

static inline void *echo_serve(void *ud) {
  struct peer *listener = ud;
  int fd;
  peer_without_sigpipe(); /* nor have those that it starts */
  while ((fd = accept4(listener->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
    struct peer *p = calloc(1, sizeof *p);
    pthread_attr_t attr;
    pthread_t thread;
    p->fd = fd;
    p->fn = listener->fn ? listener->fn : echo_frames;
    p->tls = listener->tls;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    atomic_fetch_add(&echo_clients, 1);
    if (pthread_create(&thread, &attr, echo_answer, p) != 0) {
      atomic_fetch_sub(&echo_clients, 1);
      close(fd);
      free(p);
    }
    pthread_attr_destroy(&attr);
  }
  return NULL;
}

static inline X509_EXTENSION *echo_extension(X509 *cert, int nid,
                                             const char *value) {
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
  return X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
}

/* A server whose own certificate, in the file |path|, is to be trusted. */
static inline SSL_CTX *echo_context(const char *path) {
  SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *cert = X509_new();
  X509_EXTENSION *ext[] = {
      echo_extension(cert, NID_basic_constraints, "critical,CA:TRUE"),
      echo_extension(cert, NID_subject_alt_name, "DNS:localhost")};
  FILE *f = fopen(path, "w");
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
  X509_set_pubkey(cert, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                             (const unsigned char *)"Stress", -1, -1, 0);
  X509_set_issuer_name(cert, X509_get_subject_name(cert));
  for (size_t i = 0; i < unit_len(ext); i++) {
    X509_add_ext(cert, ext[i], -1);
    X509_EXTENSION_free(ext[i]);
  }
  ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
  ck_assert_int_eq(SSL_CTX_use_certificate(tls, cert), 1);
  ck_assert_int_eq(SSL_CTX_use_PrivateKey(tls, key), 1);
  ck_assert_ptr_nonnull(f);
  PEM_write_X509(f, cert);
  fclose(f);
  X509_free(cert);
  EVP_PKEY_free(key);
  return tls;
}

/* Listens; |path|: over TLS, with a certificate that is written there. */
static inline void echo_start(struct peer *p, peer_fn *fn, const char *path) {
  peer_start(p, fn);
  if (path)
    p->tls = echo_context(path);
  ck_assert_int_eq(pthread_create(&p->thread, NULL, echo_serve, p), 0);
}

/* The clients of all servers have hung up. */
static inline void echo_end(struct peer *p) {
  peer_end(p);
  for (int i = 0; atomic_load(&echo_clients) > 0; i++) {
    ck_assert_int_lt(i, PATIENCE_S * 100);
    poll(NULL, 0, 10);
  }
  SSL_CTX_free(p->tls);
}

#endif
