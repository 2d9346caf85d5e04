/* check_tls.c - connections over TLS: certificates, revocation, resumption,
 * faults below the frames. */
#include <signal.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tests/client.h"

/* ----------------------------------------------------------------- TLS --- */

#define DAY 86400L

struct identity {
  EVP_PKEY *key;
  X509 *cert;
};

/* |san|: "DNS:localhost,IP:127.0.0.1", or NULL; |ca|: signs it, NULL: itself.
 */
static struct identity identity_make(const char *cn, const char *san,
                                     const struct identity *ca, bool is_ca,
                                     long from_s, long to_s) {
  static long serial = 1000;
  struct identity id = {EVP_EC_gen("P-256"), X509_new()};
  X509_NAME *name;
  X509V3_CTX ctx;
  X509_EXTENSION *ext;
  ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
  X509_set_version(id.cert, 2);
  X509_gmtime_adj(X509_getm_notBefore(id.cert), from_s);
  X509_gmtime_adj(X509_getm_notAfter(id.cert), to_s);
  X509_set_pubkey(id.cert, id.key);
  name = X509_get_subject_name(id.cert);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             (const unsigned char *)cn, -1, -1, 0);
  X509_set_issuer_name(id.cert, ca ? X509_get_subject_name(ca->cert) : name);
  X509V3_set_ctx(&ctx, ca ? ca->cert : id.cert, id.cert, NULL, NULL, 0);
  ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints,
                            is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  X509_add_ext(id.cert, ext, -1);
  X509_EXTENSION_free(ext);
  if (san) {
    ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, san);
    X509_add_ext(id.cert, ext, -1);
    X509_EXTENSION_free(ext);
  }
  ck_assert_int_gt(X509_sign(id.cert, ca ? ca->key : id.key, EVP_sha256()), 0);
  return id;
}

static void identity_free(struct identity *id) {
  X509_free(id->cert);
  EVP_PKEY_free(id->key);
}

static void peer_tls(struct peer *p, const struct identity *id, int max) {
  p->tls = SSL_CTX_new(TLS_server_method());
  ck_assert_int_eq(SSL_CTX_use_certificate(p->tls, id->cert), 1);
  ck_assert_int_eq(SSL_CTX_use_PrivateKey(p->tls, id->key), 1);
  if (max) {
    SSL_CTX_set_security_level(p->tls, 0);
    SSL_CTX_set_min_proto_version(p->tls, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(p->tls, max);
  }
}

static void ca_write(char path[64], const struct identity *ca) {
  FILE *f;
  int fd;
  strcpy(path, "check_tls_ca_XXXXXX");
  fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  f = fdopen(fd, "w");
  PEM_write_X509(f, ca->cert);
  fclose(f);
}

static void tls_try(const struct identity *id, const char *ca_path,
                    const char *host, int max, const char *want) {
  static uint8_t big[300000];
  struct sender a;
  struct peer p;
  struct client k;
  for (size_t i = 0; i < sizeof big; i++)
    big[i] = (uint8_t)(i * 7);
  peer_start(&p, peer_echo);
  if (host[0] == '[' && !peer_listen6(&p, 0)) {
    close(p.listener);
    return;
  }
  peer_tls(&p, id, max);
  peer_go(&p);
  client_init(&k, "wss://%s:%u/", host, p.port);
  ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, ca_path, &k.err), 0);
  ck_assert_int_eq(client_start(&k), 0);
  while (k.log_len == 0)
    ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  if (want) {
    expect_part(k.log, "failed tls 0 ");
    expect_part(k.log, want);
  } else {
    expect(k.log, "open ");
    sender_init(&a, &k, 0, WS_BINARY, big, sizeof big);
    ck_assert_int_eq(connection_send(k.c, &a.r), 0);
    ck_assert_int_eq(connection_close(k.c, 1000, SLICE(""), NULL), 0);
    client_run(&k, NULL);
    expect(k.log, "open B300000 closed 1000 clean");
  }
  client_end(&k);
  peer_end(&p);
  SSL_CTX_free(p.tls);
}

START_TEST(certificates) {
  struct identity ca = identity_make("Test CA", NULL, NULL, true, -DAY, DAY);
  struct identity other =
      identity_make("Other CA", NULL, NULL, true, -DAY, DAY);
  struct identity good = identity_make(
      "localhost", "DNS:localhost,IP:127.0.0.1", &ca, false, -DAY, DAY);
  struct identity expired =
      identity_make("localhost", "DNS:localhost", &ca, false, -2 * DAY, -DAY);
  struct identity early =
      identity_make("localhost", "DNS:localhost", &ca, false, DAY, 2 * DAY);
  struct identity wrong =
      identity_make("localhost", "DNS:a.example,DNS:*.b.example,IP:127.0.0.2",
                    &ca, false, -DAY, DAY);
  struct identity nameless =
      identity_make("localhost", NULL, &ca, false, -DAY, DAY);
  struct identity self = identity_make(
      "localhost", "DNS:localhost,IP:127.0.0.1", NULL, false, -DAY, DAY);
  struct identity stranger =
      identity_make("localhost", "DNS:localhost", &other, false, -DAY, DAY);
  struct identity six =
      identity_make("localhost", "IP:0:0::0:1", &ca, false, -DAY, DAY);
  char path[64], self_path[64];
  ca_write(path, &ca);
  ca_write(self_path, &self);
  tls_try(&good, path, "localhost", 0, NULL);
  tls_try(&good, path, "127.0.0.1", 0, NULL);
  tls_try(&good, path, "localhost", TLS1_2_VERSION, NULL);
  tls_try(&self, self_path, "localhost", 0, NULL); /* trusted by name */
  tls_try(&good, path, "localhost", TLS1_1_VERSION, "TLS failed");
  tls_try(&expired, path, "localhost", 0,
          "certificate has expired (CN=localhost, not after 20");
  tls_try(&early, path, "localhost", 0,
          "certificate is not valid yet (CN=localhost, not before 20");
  tls_try(&wrong, path, "localhost", 0,
          "certificate is for a.example, *.b.example, 127.0.0.2, not for "
          "localhost");
  tls_try(&wrong, path, "127.0.0.1", 0, "127.0.0.2, not for 127.0.0.1");
  tls_try(&six, path, "[::1]", 0, NULL);
  tls_try(&six, path, "[::1]", TLS1_2_VERSION, NULL);
  tls_try(&six, path, "localhost", 0, "not for localhost");
  tls_try(&good, path, "[::1]", 0, "127.0.0.1, not for ::1");
  tls_try(&nameless, path, "localhost", 0,
          "no name (it has no subjectAltName), not for localhost");
  tls_try(&self, path, "localhost", 0, "certificate is self-signed");
  tls_try(&stranger, path, "localhost", 0, "authority that is not trusted");
  tls_try(&good, NULL, "localhost", 0, "authority that is not trusted");
  /* The environment does not choose whom to trust. */
  setenv("SSL_CERT_FILE", path, 1);
  tls_try(&good, NULL, "localhost", 0, "authority that is not trusted");
  unsetenv("SSL_CERT_FILE");
  unlink(path);
  unlink(self_path);
  identity_free(&ca);
  identity_free(&other);
  identity_free(&good);
  identity_free(&expired);
  identity_free(&early);
  identity_free(&wrong);
  identity_free(&nameless);
  identity_free(&self);
  identity_free(&stranger);
  identity_free(&six);
}
END_TEST

static int resumed; /* as the server sees it */

static void peer_notes_resumption(struct peer *p) {
  resumed += SSL_session_reused(p->ssl);
  peer_echo(p);
}

/* Four connections to one server, under two names. */
START_TEST(resumption) {
  static const char *const hosts[] = {"localhost", "localhost", "127.0.0.1",
                                      "localhost"};
  static const int versions[] = {0, TLS1_2_VERSION};
  struct identity ca = identity_make("Test CA", NULL, NULL, true, -DAY, DAY);
  struct identity good = identity_make(
      "localhost", "DNS:localhost,IP:127.0.0.1", &ca, false, -DAY, DAY);
  char path[64];
  ca_write(path, &ca);
  unit_each(version, versions) {
    struct client k;
    SSL_CTX *server = NULL;
    struct tls_context *tls = NULL;
    struct failing_mem fm;
    failing_mem_init(&fm, FAIL_NEVER);
    ck_assert_int_eq(tls_context_new(&tls, &fm.mem, path, NULL), 0);
    resumed = 0;
    unit_each(host, hosts) {
      struct peer p;
      struct sender a;
      peer_start(&p, peer_notes_resumption);
      peer_tls(&p, &good, *version);
      if (server) {
        SSL_CTX_free(p.tls);
        p.tls = server;
      }
      server = p.tls;
      peer_go(&p);
      client_init(&k, "wss://%s:%u/", *host, p.port);
      k.tls = tls;
      client_open(&k);
      sender_init(&a, &k, 0, WS_TEXT, "x", 1); /* tickets come before it */
      ck_assert_int_eq(connection_send(k.c, &a.r), 0);
      ck_assert_int_eq(connection_close(k.c, 1000, SLICE(""), NULL), 0);
      client_run(&k, NULL);
      expect(k.log, "open T1:x closed 1000 clean");
      k.tls = NULL;
      client_end(&k);
      peer_end(&p);
    }
    ck_assert_int_eq(resumed, 2); /* not for the name it was not verified as */
    tls_context_free(tls);
    ck_assert_uint_eq(fm.live_bytes, 0);
    SSL_CTX_free(server);
  }
  unlink(path);
  identity_free(&ca);
  identity_free(&good);
}
END_TEST

/* A list of revoked certificates behind the authority's own, in its file. */
static void crl_append(const char *path, const struct identity *ca,
                       const struct identity *gone, long until) {
  X509_CRL *crl = X509_CRL_new();
  ASN1_TIME *t = X509_gmtime_adj(NULL, -DAY);
  FILE *f = fopen(path, "a");
  ck_assert(X509_CRL_set_version(crl, X509_CRL_VERSION_2));
  ck_assert(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)));
  ck_assert(X509_CRL_set1_lastUpdate(crl, t));
  X509_gmtime_adj(t, until);
  ck_assert(X509_CRL_set1_nextUpdate(crl, t));
  if (gone) {
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_INTEGER *serial = X509_get_serialNumber(gone->cert);
    X509_gmtime_adj(t, -1);
    ck_assert(X509_REVOKED_set_serialNumber(r, serial));
    ck_assert(X509_REVOKED_set_revocationDate(r, t));
    ck_assert(X509_CRL_add0_revoked(crl, r));
  }
  ck_assert_int_gt(X509_CRL_sign(crl, ca->key, EVP_sha256()), 0);
  PEM_write_X509_CRL(f, crl);
  fclose(f);
  ASN1_TIME_free(t);
  X509_CRL_free(crl);
}

START_TEST(revocation) {
  struct identity ca = identity_make("Test CA", NULL, NULL, true, -DAY, DAY);
  struct identity other = identity_make("Other", NULL, NULL, true, -DAY, DAY);
  struct identity good =
      identity_make("localhost", "DNS:localhost", &ca, false, -DAY, DAY);
  struct identity gone =
      identity_make("localhost", "DNS:localhost", &ca, false, -DAY, DAY);
  struct identity foreign =
      identity_make("localhost", "DNS:localhost", &other, false, -DAY, DAY);
  char path[64];
  FILE *f;
  ASN1_INTEGER_set(X509_get_serialNumber(gone.cert), 77);
  ck_assert_int_gt(X509_sign(gone.cert, ca.key, EVP_sha256()), 0);
  ca_write(path, &ca);
  f = fopen(path, "a");
  PEM_write_X509(f, other.cert);
  fclose(f);
  tls_try(&gone, path, "localhost", 0, NULL); /* nobody says anything yet */
  crl_append(path, &ca, &gone, DAY);
  tls_try(&good, path, "localhost", 0, NULL);
  tls_try(&gone, path, "localhost", 0, "certificate has been revoked");
  tls_try(&foreign, path, "localhost", 0, NULL); /* without a list */
  unlink(path);
  ca_write(path, &ca);
  crl_append(path, &ca, NULL, -10);
  tls_try(&good, path, "localhost", 0, "CRL has expired");
  unlink(path);
  identity_free(&ca);
  identity_free(&other);
  identity_free(&good);
  identity_free(&gone);
  identity_free(&foreign);
}
END_TEST

/* TLS ends without close_notify: truncation, not an end. */
static void peer_truncates(struct peer *p) {
  if (p_handshake(p, ""))
    p_write(p, "\x81\x02hi", 4);
}

/* One record, whose first frame begins with the last byte of what is read at
 * once while the answer is awaited. */
static void peer_one_record(struct peer *p) {
  static const char frame[] = "\x81\x02hi";
  char extra[4096], out[8192];
  size_t n, pad;
  if (!p_request(p))
    return;
  n = p_answer(p, out, sizeof out, "");
  pad = 4096 - (size_t)p->arg_int - n - 5; /* "a: " and CRLF */
  snprintf(extra, sizeof extra, "a: %0*d\r\n", (int)pad, 0);
  n = p_answer(p, out, sizeof out, extra);
  memcpy(out + n, frame, 4);
  p_write(p, out, n + 4);
  p_frames(p);
}

#define KEY_UPDATES 200

/* Many key updates and then a message, all in the client's socket when the gate
 * opens. */
static void peer_key_updates(struct peer *p) {
  if (!p_handshake(p, ""))
    return;
  while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST) == 0)
    usleep(1000);
  for (int i = 0; i < KEY_UPDATES; i++)
    if (SSL_key_update(p->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
        SSL_do_handshake(p->ssl) != 1)
      return;
  p_write(p, "\x81\x02hi", 4);
  __atomic_store_n(&gate, 2, __ATOMIC_SEQ_CST);
  p_frames(p);
}

static void peer_talks_plain(struct peer *p) {
  char buf[4096]; /* what is left unread would reset the connection */
  if (recv(p->fd, buf, sizeof buf, 0) > 0)
    p_write(p, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

START_TEST(tls_faults) {
  struct identity ca = identity_make("Test CA", NULL, NULL, true, -DAY, DAY);
  struct identity good =
      identity_make("localhost", "DNS:localhost", &ca, false, -DAY, DAY);
  struct peer p;
  struct client k;
  struct tls_context *t;
  struct err e;
  char path[64];
  unsigned turns;
  FILE *f;
  ca_write(path, &ca);
  peer_start(&p, peer_truncates);
  peer_tls(&p, &good, 0);
  peer_go(&p);
  client_init(&k, "wss://localhost:%u/", p.port);
  ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, path, &k.err), 0);
  client_ends(&k, "open T2:hi closed 1006 unclean");
  client_end(&k);
  peer_end(&p);
  SSL_CTX_free(p.tls);

  for (int i = 0; i < 6; i++) {
    peer_start(&p, peer_one_record);
    peer_tls(&p, &good, 0);
    p.arg_int = i;
    peer_go(&p);
    client_init(&k, "wss://localhost:%u/", p.port);
    ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, path, &k.err), 0);
    ck_assert_int_eq(client_start(&k), 0);
    while (k.log_len < 11) /* the check's own time limit stands behind */
      ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
    expect(k.log, "open T2:hi ");
    client_end(&k);
    peer_end(&p);
    SSL_CTX_free(p.tls);
  }

  gate = 0;
  peer_start(&p, peer_key_updates);
  peer_tls(&p, &good, 0);
  peer_go(&p);
  client_init(&k, "wss://localhost:%u/", p.port);
  ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, path, &k.err), 0);
  client_open(&k);
  for (int i = 0; i < 5; i++) /* the tickets of the handshake */
    ck_assert_int_eq(loop_dispatch(k.loop, 20), 0);
  open_gate();
  while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST) != 2)
    usleep(1000);
  for (turns = 0; k.log_len < 11; turns++)
    ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
  ck_assert_uint_ge(turns, KEY_UPDATES / 4); /* others have theirs between */
  connection_free(k.c);
  k.c = NULL;
  client_end(&k);
  peer_end(&p);
  SSL_CTX_free(p.tls);

  peer_start(&p, peer_talks_plain);
  peer_go(&p);
  client_init(&k, "wss://127.0.0.1:%u/", p.port);
  ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, path, &k.err), 0);
  client_ends(&k, "failed tls 0 the server does not speak TLS");
  client_end(&k);
  peer_end(&p);

  ck_assert_int_eq(tls_context_new(&t, &mem_libc, "/nonexistent/ca.pem", &e),
                   ERR_SYSTEM);
  expect_part(e.message, "/nonexistent/ca.pem");
  f = fopen(path, "w");
  fputs("no certificate\n", f);
  fclose(f);
  ck_assert_int_eq(tls_context_new(&t, &mem_libc, path, &e), ERR_INVALID);
  expect_part(e.message, "no PEM certificates");
  unlink(path);
  identity_free(&ca);
  identity_free(&good);
}
END_TEST

/* ------------------------------------------------- servers that go on --- */

enum odd {
  ODD_KEY_UPDATES, /* each asks for one of ours */
  ODD_TICKETS,
  ODD_RENEGOTIATION,
  ODD_PLAIN_ALERT,
  ODD_RESET_IN_SHUTDOWN,
  ODD_WARNINGS,
  ODD_EMPTY_RECORDS
};

#define ODD_TIMES 100

/* Records that are no part of a handshake, again and again. */
static void odd_records(struct peer *p, const char *record, size_t len) {
  char hello[4096];
  if (recv(p->fd, hello, sizeof hello, 0) <= 0)
    return;
  for (int i = 0; i < 1000 && p_write(p, record, len); i++)
    ;
  while (recv(p->fd, hello, sizeof hello, 0) > 0)
    ;
}

static void peer_odd(struct peer *p) {
  struct linger at_once = {1, 0};
  if (p->arg_int == ODD_WARNINGS) {
    odd_records(p, "\x15\x03\x03\x00\x02\x01\x70", 7); /* unrecognized_name */
    return;
  }
  if (p->arg_int == ODD_EMPTY_RECORDS) {
    odd_records(p, "\x16\x03\x03\x00\x00", 5);
    return;
  }
  if (!p_handshake(p, ""))
    return;
  for (int i = 0; i < ODD_TIMES; i++)
    if (p->arg_int == ODD_KEY_UPDATES)
      ck_assert(SSL_key_update(p->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
                SSL_do_handshake(p->ssl) == 1);
    else if (p->arg_int == ODD_TICKETS)
      ck_assert_int_eq(SSL_new_session_ticket(p->ssl), 1);
  if (p->arg_int == ODD_RENEGOTIATION)
    ck_assert(SSL_renegotiate(p->ssl) == 1 && SSL_do_handshake(p->ssl) == 1);
  p_write(p, "\x81\x02hi", 4);
  if (p->arg_int == ODD_PLAIN_ALERT)
    (void)!send(p->fd, "\x15\x03\x03\x00\x02\x01\x00", 7, MSG_NOSIGNAL);
  if (p->arg_int == ODD_RENEGOTIATION) {
    usleep(1000); /* the client's refusal ends this side: as it does */
    return;
  }
  if (p_frame(p) == WS_CLOSE)
    p_write(p, "\x88\x02\x03\xe8", 4);
  if (p->arg_int == ODD_RESET_IN_SHUTDOWN) {
    SSL_shutdown(p->ssl);
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
}

START_TEST(servers_that_go_on) {
  static const struct {
    int max; /* of the protocol; -1: the server's part is not OpenSSL's */
    enum odd what;
    const char *log; /* or its beginning */
  } table[] = {
      {0, ODD_KEY_UPDATES, "open T2:hi closed 1000 clean"},
      {0, ODD_TICKETS, "open T2:hi closed 1000 clean"},
      {TLS1_2_VERSION, ODD_RENEGOTIATION, "open T2:hi closed 1006 unclean"},
      {0, ODD_PLAIN_ALERT, "open T2:hi closed 1006 unclean"},
      {TLS1_2_VERSION, ODD_PLAIN_ALERT, "open T2:hi closed 1006 unclean"},
      {0, ODD_RESET_IN_SHUTDOWN, "open T2:hi closed 1000 clean"},
      {TLS1_2_VERSION, ODD_RESET_IN_SHUTDOWN, "open T2:hi closed 1000 clean"},
      {-1, ODD_WARNINGS, "failed tls 0 "},
      {-1, ODD_EMPTY_RECORDS, "failed tls 0 "},
  };
  struct identity ca = identity_make("Test CA", NULL, NULL, true, -DAY, DAY);
  struct identity good =
      identity_make("localhost", "DNS:localhost", &ca, false, -DAY, DAY);
  char path[64];
  ca_write(path, &ca);
  unit_each(t, table) {
    struct peer p;
    struct client k;
    bool talks = t->max >= 0;
    peer_start(&p, peer_odd);
    p.arg_int = (int)t->what;
    if (talks)
      peer_tls(&p, &good, t->max);
    peer_go(&p);
    client_init(&k, "wss://localhost:%u/", p.port);
    ck_assert_int_eq(tls_context_new(&k.tls, &k.lib.mem, path, &k.err), 0);
    ck_assert_int_eq(client_start(&k), 0);
    while (talks && !k.ended && k.log_len < 11)
      ck_assert_int_eq(loop_dispatch(k.loop, 1000), 0);
    if (t->what != ODD_PLAIN_ALERT && t->what != ODD_RENEGOTIATION && talks)
      ck_assert_int_eq(connection_close(k.c, 1000, SLICE(""), NULL), 0);
    client_run(&k, NULL);
    ck_assert_msg(strncmp(k.log, t->log, strlen(t->log)) == 0, "%d: %s",
                  t->what, k.log);
    client_end(&k);
    peer_end(&p);
    SSL_CTX_free(p.tls);
  }
  unlink(path);
  identity_free(&ca);
  identity_free(&good);
}
END_TEST

int main(void) {
  Suite *s = suite_create("tls");
  TCase *tc = tcase_create("tls");
  signal(SIGPIPE, SIG_IGN); /* of the server's side: OpenSSL's own writes */
  tcase_set_timeout(tc, 4 * PATIENCE_S);
  tcase_add_test(tc, certificates);
  tcase_add_test(tc, resumption);
  tcase_add_test(tc, revocation);
  tcase_add_test(tc, tls_faults);
  tcase_add_test(tc, servers_that_go_on);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
