/* tls.c - OpenSSL 3, in a library context of its own: what the host process did
 * to the default one, or put into openssl.cnf, has no influence here. */
#include "runtime/net/tls_calls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/part.h"

/* What a server gave us to come back with.  Each is bounded, and so is their
 * number; whom it was verified to be is part of it. */
#define TICKETS_MAX 32
#define TICKET_MAX_BYTES 4096
#define TICKET_LIFE_NS (60 * 60 * NS_PER_S) /* then it is verified anew */
#define PEER_MAX 256
/* Between a server and a root: more is work that a stranger makes for us. */
#define INTERMEDIATES_MAX 10
/* Tickets and the like that one read passes over. */
#define ASIDES_MAX 4

struct ticket {
  char peer[PEER_MAX];
  SSL_SESSION *session; /* NULL: free */
  uint64_t got_ns;
};

struct tls_store {
  struct mem mem;
  OSSL_LIB_CTX *lib;
  BIO_METHOD *bio;
  SSL_CTX *ssl;
  unsigned next_ticket; /* the oldest one's place */
  struct ticket tickets[TICKETS_MAX];
};

/* What was read beyond what OpenSSL asked for.  It asks for the header of a
 * record and then for the rest, which would be two calls of the kernel for
 * each, and one to learn that there is no other.  Its own reading ahead goes on
 * for as long as a peer sends records that hold no data. */
struct ahead {
  size_t at, len;
  char bytes[4096];
};

struct tls_session {
  const struct tls_calls *calls; /* first: tls.h looks at it */
  struct mem mem;
  struct tls_store *store;
  SSL *ssl;
  int fd;
  struct ahead *ahead; /* NULL: nothing */
  bool drained;        /* the socket gave less than it was asked for */
  bool starved;        /* or nothing at all, in the call that runs */
  bool wants_write;
  bool dead;           /* after a fatal error OpenSSL must not be asked */
  char peer[PEER_MAX]; /* for messages: the name or address asked for */
  struct err verify;   /* which check failed; code 0: none did */
};

/* ------------------------------------------------------------- socket --- */

/* OpenSSL's own socket BIO uses write(2), which can raise SIGPIPE. */
static int bio_write(BIO *b, const char *p, size_t len, size_t *ret_n) {
  const struct tls_session *s = BIO_get_data(b);
  ssize_t n;
  do
    n = send(s->fd, p, len, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  BIO_clear_retry_flags(b);
  *ret_n = n > 0 ? (size_t)n : 0;
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    BIO_set_retry_write(b);
  return n > 0;
}

static size_t take_ahead(struct ahead *a, char *p, size_t len) {
  if (len > a->len)
    len = a->len;
  memcpy(p, a->bytes + a->at, len);
  a->at += len;
  a->len -= len;
  return len;
}

static void drop_ahead(struct tls_session *s) {
  if (s->ahead && s->ahead->len == 0) {
    mem_free(&s->mem, s->ahead, sizeof *s->ahead);
    s->ahead = NULL;
  }
}

static bool is_ahead(const struct tls_session *s) {
  return s->ahead && s->ahead->len > 0;
}

/* As recv; what does not fit is kept. */
static ssize_t recv_ahead(struct tls_session *s, char *p, size_t len) {
  struct iovec parts[2] = {{p, len}, {NULL, 0}};
  struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};
  size_t room = 0;
  ssize_t n;
  if (!s->ahead)
    s->ahead = mem_alloc(&s->mem, sizeof *s->ahead);
  if (s->ahead) { /* else it goes without */
    s->ahead->at = s->ahead->len = 0;
    room = sizeof s->ahead->bytes;
    parts[1] = (struct iovec){s->ahead->bytes, room};
  }
  do
    n = recvmsg(s->fd, &msg, 0);
  while (n < 0 && errno == EINTR);
  s->drained = n < 0 || (size_t)n < len + room;
  if (n < 0 || (size_t)n <= len)
    return n;
  s->ahead->len = (size_t)n - len;
  return (ssize_t)len;
}

static int bio_read(BIO *b, char *p, size_t len, size_t *ret_n) {
  struct tls_session *s = BIO_get_data(b);
  ssize_t n;
  BIO_clear_retry_flags(b);
  if (is_ahead(s)) {
    *ret_n = take_ahead(s->ahead, p, len);
    return 1;
  }
  n = recv_ahead(s, p, len);
  *ret_n = n > 0 ? (size_t)n : 0;
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    s->starved = true;
    BIO_set_retry_read(b);
  }
  if (n == 0)
    BIO_set_flags(b, BIO_FLAGS_IN_EOF);
  return n > 0;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr) {
  (void)num;
  (void)ptr;
  switch (cmd) {
  case BIO_CTRL_FLUSH:
    return 1;
  case BIO_CTRL_EOF:
    return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
  default:
    return 0;
  }
}

static int bio_create(BIO *b) {
  BIO_set_init(b, 1);
  return 1;
}

static BIO_METHOD *bio_method_new(void) {
  BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "cordon socket");
  if (m && BIO_meth_set_write_ex(m, bio_write) &&
      BIO_meth_set_read_ex(m, bio_read) && BIO_meth_set_ctrl(m, bio_ctrl) &&
      BIO_meth_set_create(m, bio_create))
    return m;
  BIO_meth_free(m);
  return NULL;
}

/* ------------------------------------------------------------- verify --- */

static void name_text(const X509_NAME *name, char *out, size_t cap) {
  int n = name ? X509_NAME_get_text_by_NID(name, NID_commonName, NULL, 0) : -1;
  if (n > 0 && cap > 4) {
    memcpy(out, "CN=", 3);
    X509_NAME_get_text_by_NID(name, NID_commonName, out + 3,
                              (int)(cap - 3 > 128 ? 128 : cap - 3));
  } else {
    snprintf(out, cap, "without a common name");
  }
}

static void time_text(const ASN1_TIME *t, char *out, size_t cap) {
  struct tm tm;
  if (!t || !ASN1_TIME_to_tm(t, &tm) ||
      strftime(out, cap, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    snprintf(out, cap, "an unreadable time");
}

#define SAN_SHOWN 4

/* "a.example, b.example": whom |cert| is for. */
static void san_text(const X509 *cert, char *out, size_t cap) {
  GENERAL_NAMES *names =
      X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  size_t len = 0;
  int shown = 0;
  int total = names ? sk_GENERAL_NAME_num(names) : 0;
  out[0] = '\0';
  for (int i = 0; i < total && shown < SAN_SHOWN; i++) {
    const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
    char item[128] = "";
    if (n->type == GEN_DNS) {
      snprintf(item, sizeof item, "%.*s",
               ASN1_STRING_length(n->d.dNSName) > 100
                   ? 100
                   : ASN1_STRING_length(n->d.dNSName),
               (const char *)ASN1_STRING_get0_data(n->d.dNSName));
    } else if (n->type == GEN_IPADD) {
      const unsigned char *p = ASN1_STRING_get0_data(n->d.iPAddress);
      struct ip ip = {0};
      int bytes = ASN1_STRING_length(n->d.iPAddress);
      if (bytes != 4 && bytes != 16)
        continue;
      ip.family = bytes == 4 ? 4 : 6;
      memcpy(ip.bytes, p, (size_t)bytes);
      ip_format(&ip, item);
    } else {
      continue;
    }
    if (strlen(item) + 3 > cap - len)
      break;
    len +=
        (size_t)snprintf(out + len, cap - len, "%s%s", shown ? ", " : "", item);
    shown++;
  }
  if (shown == 0)
    snprintf(out, cap, "no name (it has no subjectAltName)");
  else if (shown < total && cap - len > 5)
    snprintf(out + len, cap - len, " ...");
  GENERAL_NAMES_free(names);
}

static void verify_explain(struct tls_session *s, X509_STORE_CTX *store) {
  int code = X509_STORE_CTX_get_error(store);
  X509 *cert = X509_STORE_CTX_get_current_cert(store);
  char subject[160] = "unknown", issuer[160] = "unknown";
  char when[40], names[240];
  struct err *e = &s->verify;
  if (cert) {
    name_text(X509_get_subject_name(cert), subject, sizeof subject);
    name_text(X509_get_issuer_name(cert), issuer, sizeof issuer);
  }
  switch (code) {
  case X509_V_ERR_CERT_HAS_EXPIRED:
    time_text(cert ? X509_get0_notAfter(cert) : NULL, when, sizeof when);
    err_setf(e, ERR_PROTOCOL, "certificate has expired (%s, not after %s)",
             subject, when);
    break;
  case X509_V_ERR_CERT_NOT_YET_VALID:
    time_text(cert ? X509_get0_notBefore(cert) : NULL, when, sizeof when);
    err_setf(e, ERR_PROTOCOL,
             "certificate is not valid yet (%s, not before %s)", subject, when);
    break;
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH:
    if (cert)
      san_text(cert, names, sizeof names);
    else
      snprintf(names, sizeof names, "another");
    err_setf(e, ERR_PROTOCOL, "certificate is for %s, not for %s", names,
             s->peer);
    break;
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    err_setf(e, ERR_PROTOCOL, "certificate is self-signed and not trusted (%s)",
             subject);
    break;
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    err_setf(e, ERR_PROTOCOL,
             "certificate comes from an authority that is not trusted (%s)",
             subject);
    break;
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    err_setf(e, ERR_PROTOCOL,
             "certificate comes from an authority that is not trusted, or an "
             "intermediate is missing (%s, issued by %s)",
             subject, issuer);
    break;
  case X509_V_ERR_CERT_REVOKED:
    err_setf(e, ERR_PROTOCOL, "certificate has been revoked (%s)", subject);
    break;
  default:
    err_setf(e, ERR_PROTOCOL, "certificate is not accepted: %s (%s)",
             X509_verify_cert_error_string(code), subject);
    break;
  }
}

static int on_verify(int ok, X509_STORE_CTX *store) {
  SSL *ssl =
      X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  struct tls_session *s = ssl ? SSL_get_app_data(ssl) : NULL;
  /* An authority whose revocations we were not given: most are. */
  if (!ok && X509_STORE_CTX_get_error(store) == X509_V_ERR_UNABLE_TO_GET_CRL) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  if (!ok && s && s->verify.code == 0)
    verify_explain(s, store);
  return ok;
}

/* --------------------------------------------------------- resumption --- */

static void ticket_drop(struct ticket *t) {
  SSL_SESSION_free(t->session);
  t->session = NULL;
}

/* OpenSSL's: 1 when |session| is ours from now on. */
static int on_ticket(SSL *ssl, SSL_SESSION *session) {
  struct tls_session *s = SSL_get_app_data(ssl);
  struct tls_store *c = s->store;
  struct ticket *t = &c->tickets[c->next_ticket];
  const unsigned char *text;
  size_t len = 0;
  SSL_SESSION_get0_ticket(session, &text, &len);
  if (SSL_get_verify_result(ssl) != X509_V_OK || len > TICKET_MAX_BYTES ||
      !SSL_SESSION_is_resumable(session))
    return 0;
  ticket_drop(t);
  memcpy(t->peer, s->peer, sizeof t->peer);
  t->session = session;
  t->got_ns = clock_mono_ns();
  c->next_ticket = (c->next_ticket + 1) % TICKETS_MAX;
  return 1;
}

/* A resumed session is not verified again: not for long, and not beyond what
 * the certificate itself says. */
static bool ticket_good(const struct ticket *t) {
  const X509 *cert = SSL_SESSION_get0_peer(t->session);
  return clock_mono_ns() - t->got_ns < TICKET_LIFE_NS && cert &&
         X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

/* Offers the newest ticket of the same peer.  In TLS 1.3 each is used once (RFC
 * 8446, appendix C.4) and replaced; TLS 1.2 gives no new one. */
static void resume(struct tls_session *s) {
  struct tls_store *c = s->store;
  for (unsigned i = 0; i < TICKETS_MAX; i++) {
    unsigned at = (c->next_ticket + TICKETS_MAX - 1 - i) % TICKETS_MAX;
    struct ticket *t = &c->tickets[at];
    if (!t->session || strcmp(t->peer, s->peer) != 0)
      continue;
    if (!ticket_good(t)) {
      ticket_drop(t);
      return;
    }
    (void)SSL_set_session(s->ssl, t->session); /* else a full handshake */
    if (SSL_SESSION_get_protocol_version(t->session) >= TLS1_3_VERSION)
      ticket_drop(t);
    return;
  }
}

/* ------------------------------------------------------------ context --- */

/* A missing system store is no error: every peer is then refused. */
static void load_system_store(X509_STORE *store, OSSL_LIB_CTX *lib) {
  ERR_set_mark();
  (void)X509_STORE_load_file_ex(store, X509_get_default_cert_file(), lib, NULL);
  (void)X509_STORE_load_path(store, X509_get_default_cert_dir());
  ERR_pop_to_mark();
}

/* Lists of revoked certificates that stand in the file are asked. */
static void check_revocations(X509_STORE *store) {
  STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(all); i++)
    if (X509_OBJECT_get_type(sk_X509_OBJECT_value(all, i)) == X509_LU_CRL) {
      X509_STORE_set_flags(store,
                           X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
      return;
    }
}

static int load_ca_file(X509_STORE *store, OSSL_LIB_CTX *lib,
                        const char *ca_file, struct err *e) {
  FILE *f = fopen(ca_file, "re");
  const char *why;
  if (!f)
    return err_system(e, errno, "%s", ca_file);
  fclose(f);
  ERR_clear_error();
  if (X509_STORE_load_file_ex(store, ca_file, lib, NULL)) {
    check_revocations(store);
    return 0;
  }
  why = ERR_reason_error_string(ERR_peek_last_error());
  err_setf(e, ERR_INVALID, "%s: holds no PEM certificates (%s)", ca_file,
           why ? why : "no reason given");
  ERR_clear_error();
  return ERR_INVALID;
}

static int store_setup(struct tls_store *t) {
  static const unsigned char alpn[] = "\x08http/1.1";
  X509_VERIFY_PARAM *param;
  if (!SSL_CTX_set_min_proto_version(t->ssl, TLS1_2_VERSION) ||
      SSL_CTX_set_alpn_protos(t->ssl, alpn, sizeof alpn - 1) != 0)
    return ERR_NOMEM;
  SSL_CTX_set_security_level(t->ssl, 2);
  SSL_CTX_set_verify(t->ssl, SSL_VERIFY_PEER, on_verify);
  SSL_CTX_set_verify_depth(t->ssl, INTERMEDIATES_MAX);
  SSL_CTX_set_mode(t->ssl, SSL_MODE_RELEASE_BUFFERS |
                               SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  /* Otherwise one read goes on for as long as a peer sends tickets or key
   * updates: the loop would stand still for everybody. */
  SSL_CTX_clear_mode(t->ssl, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_options(t->ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(t->ssl, SSL_SESS_CACHE_CLIENT |
                                             SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(t->ssl, on_ticket);
  param = SSL_CTX_get0_param(t->ssl);
  /* RFC 9525: names are read from subjectAltName only, and a wildcard is a
   * whole label.  Whoever lists an intermediate as --ca trusts it. */
  X509_VERIFY_PARAM_set_hostflags(param,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
  return 0;
}

static void store_close(struct tls_store *t) {
  for (size_t i = 0; i < TICKETS_MAX; i++)
    ticket_drop(&t->tickets[i]);
  SSL_CTX_free(t->ssl);
  BIO_meth_free(t->bio);
  OSSL_LIB_CTX_free(t->lib);
  t->ssl = NULL;
  t->bio = NULL;
  t->lib = NULL;
}

/* Makes what |t| needs to speak TLS.  On an error |t| is as before. */
static int store_open(struct tls_store *t, const char *ca_file, struct err *e) {
  int rv;
  if (!(t->lib = OSSL_LIB_CTX_new()) || !(t->bio = bio_method_new()) ||
      !(t->ssl = SSL_CTX_new_ex(t->lib, NULL, TLS_client_method())) ||
      store_setup(t) != 0) {
    ERR_clear_error();
    rv = err_set(e, ERR_NOMEM);
    goto fail;
  }
  load_system_store(SSL_CTX_get_cert_store(t->ssl), t->lib);
  if (ca_file && (rv = load_ca_file(SSL_CTX_get_cert_store(t->ssl), t->lib,
                                    ca_file, e)) != 0)
    goto fail;
  return 0;
fail:
  store_close(t);
  return rv;
}

static int store_new(struct tls_store **ret, const struct mem *m,
                     const char *ca_file, struct err *e) {
  struct tls_store *t = mem_zalloc(m, sizeof *t);
  int rv;
  if (!t)
    return err_set(e, ERR_NOMEM);
  t->mem = *m;
  if ((rv = store_open(t, ca_file, e)) != 0) {
    mem_free(m, t, sizeof *t);
    return rv;
  }
  *ret = t;
  return 0;
}

static void store_free(struct tls_store *t) {
  store_close(t);
  mem_free(&t->mem, t, sizeof *t);
}

/* ------------------------------------------------------------ session --- */

static const struct tls_calls calls;

static void session_free(struct tls_session *s);

static int session_new(struct tls_session **ret, struct tls_store *t, int fd,
                       const char *host, const struct ip *ip) {
  struct tls_session *s;
  BIO *bio;
  bool ok;
  if (!host && (!ip || (ip->family != 4 && ip->family != 6)))
    return ERR_INVALID;
  if (!(s = mem_zalloc(&t->mem, sizeof *s)))
    return ERR_NOMEM;
  s->calls = &calls;
  s->mem = t->mem;
  s->store = t;
  if (!(s->ssl = SSL_new(t->ssl)) || !(bio = BIO_new_ex(t->lib, t->bio)))
    goto nomem;
  s->fd = fd;
  BIO_set_data(bio, s);
  SSL_set_bio(s->ssl, bio, bio); /* owned by |ssl| from here on */
  SSL_set_app_data(s->ssl, s);
  SSL_set_connect_state(s->ssl);
  if (host) {
    snprintf(s->peer, sizeof s->peer, "%s", host);
    ok = SSL_set_tlsext_host_name(s->ssl, host) &&
         X509_VERIFY_PARAM_set1_host(SSL_get0_param(s->ssl), host, 0);
  } else {
    ip_format(ip, s->peer);
    ok = X509_VERIFY_PARAM_set1_ip(SSL_get0_param(s->ssl), ip->bytes,
                                   ip->family == 4 ? 4 : 16);
  }
  if (!ok)
    goto nomem;
  resume(s);
  *ret = s;
  return 0;
nomem:
  ERR_clear_error();
  session_free(s);
  return ERR_NOMEM;
}

static void session_free(struct tls_session *s) {
  SSL_free(s->ssl);
  mem_free(&s->mem, s->ahead, sizeof *s->ahead);
  ERR_clear_error();
  mem_free(&s->mem, s, sizeof *s);
}

static bool session_wants_write(const struct tls_session *s) {
  return s->wants_write;
}

/* What a failed call means.  |code|: SSL_get_error's answer. */
static int session_error(struct tls_session *s, int code, int sys_errno,
                         struct err *e) {
  unsigned long first;
  const char *why;
  switch (code) {
  case SSL_ERROR_WANT_READ:
    /* Of what was read already the poller does not know: a socket that takes
     * bytes wakes us at once. */
    s->wants_write = !s->starved && is_ahead(s);
    return ERR_AGAIN;
  case SSL_ERROR_WANT_WRITE:
    s->wants_write = true;
    return ERR_AGAIN;
  case SSL_ERROR_SYSCALL:
    s->dead = true;
    if (sys_errno == 0)
      return err_setf(e, ERR_CLOSED, "the server closed the connection");
    return err_system(e, sys_errno, "connection lost");
  default:
    break;
  }
  s->dead = true;
  first = ERR_peek_error();
  if (ERR_GET_REASON(first) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
    return err_setf(e, ERR_CLOSED, "the server closed the connection");
  if (ERR_GET_REASON(first) == ERR_R_MALLOC_FAILURE)
    return err_set(e, ERR_NOMEM);
  if (ERR_GET_LIB(first) == ERR_LIB_SSL &&
      ERR_GET_REASON(first) == SSL_R_WRONG_VERSION_NUMBER)
    return err_setf(e, ERR_PROTOCOL, "the server does not speak TLS");
  why = ERR_reason_error_string(first);
  return err_setf(e, ERR_PROTOCOL, "TLS failed: %s",
                  why ? why : "no reason given");
}

static int session_handshake(struct tls_session *s, struct err *e) {
  const unsigned char *alpn;
  unsigned alpn_len;
  int rv, code, sys_errno;
  if (s->dead)
    return err_set(e, ERR_CLOSED);
  ERR_clear_error();
  errno = 0;
  s->starved = false;
  rv = SSL_do_handshake(s->ssl);
  sys_errno = errno;
  drop_ahead(s);
  if (rv != 1) {
    code = SSL_get_error(s->ssl, rv);
    rv = session_error(s, code, sys_errno, e);
    if (rv != ERR_AGAIN && s->verify.code != 0) {
      if (e)
        *e = s->verify;
      rv = s->verify.code;
    }
    ERR_clear_error();
    return rv;
  }
  /* Belt and braces: OpenSSL has refused both already. */
  if (SSL_get_verify_result(s->ssl) != X509_V_OK ||
      !SSL_get0_peer_certificate(s->ssl)) {
    s->dead = true;
    return err_setf(e, ERR_PROTOCOL, "certificate was not verified");
  }
  SSL_get0_alpn_selected(s->ssl, &alpn, &alpn_len);
  if (alpn_len != 0 &&
      !slice_is((struct slice){(const char *)alpn, alpn_len}, "http/1.1")) {
    s->dead = true;
    return err_setf(e, ERR_PROTOCOL,
                    "the server chose a protocol that was not offered (ALPN)");
  }
  return 0;
}

static int session_read(struct tls_session *s, void *p, size_t len,
                        size_t *ret_n) {
  int rv, code, sys_errno, asides = 0;
  if (s->dead)
    return ERR_CLOSED;
  ERR_clear_error();
  do { /* without AUTO_RETRY it returns after each record that held no data */
    errno = 0;
    s->starved = false;
    rv = SSL_read_ex(s->ssl, p, len, ret_n);
    sys_errno = errno;
    code = rv == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, rv);
  } while (code == SSL_ERROR_WANT_READ && !s->starved && ++asides < ASIDES_MAX);
  drop_ahead(s);
  if (code == SSL_ERROR_NONE)
    return 0;
  if (code == SSL_ERROR_ZERO_RETURN) {
    *ret_n = 0;
    return 0;
  }
  rv = session_error(s, code, sys_errno, NULL);
  ERR_clear_error();
  return rv;
}

static bool session_drained(const struct tls_session *s) {
  return s->drained && !is_ahead(s) && SSL_pending(s->ssl) == 0;
}

static int session_write(struct tls_session *s, const void *p, size_t len,
                         size_t *ret_n) {
  int rv, code, sys_errno;
  if (s->dead)
    return ERR_CLOSED;
  ERR_clear_error();
  errno = 0;
  rv = SSL_write_ex(s->ssl, p, len, ret_n);
  if (rv == 1)
    return 0;
  sys_errno = errno;
  code = SSL_get_error(s->ssl, rv);
  rv = session_error(s, code, sys_errno, NULL);
  ERR_clear_error();
  return rv;
}

static void session_shutdown(struct tls_session *s) {
  if (s->dead || !SSL_is_init_finished(s->ssl))
    return;
  ERR_clear_error();
  (void)SSL_shutdown(s->ssl);
  ERR_clear_error();
}

static const struct tls_calls calls = {.store_new = store_new,
                                       .store_free = store_free,
                                       .session_new = session_new,
                                       .session_free = session_free,
                                       .handshake = session_handshake,
                                       .read = session_read,
                                       .drained = session_drained,
                                       .write = session_write,
                                       .wants_write = session_wants_write,
                                       .shutdown = session_shutdown,
                                       .version = tls_about_version,
                                       .trust = tls_about_trust};

PART_EXPORT extern const struct part cordon_part_tls;
const struct part cordon_part_tls = {PART_VERSION, &calls};
