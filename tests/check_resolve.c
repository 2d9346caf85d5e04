/* check_resolve.c - against a name server of the test's own, on loopback. */
#include "runtime/net/resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/unit.h"

#define PATIENCE_S 60

/* -------------------------------------------------------------- server --- */

struct dns {
  int fd;
  int listener; /* the same port over TCP: what was truncated is asked again */
  uint16_t port;
  pthread_t thread;
  int questions;
  char asked[1024]; /* names and types in the order they came */
};

static size_t put16(uint8_t *p, unsigned v) {
  p[0] = (uint8_t)(v >> 8);
  p[1] = (uint8_t)v;
  return 2;
}

static size_t put_record(uint8_t *p, unsigned type, const void *data,
                         size_t len);

/* One that belongs to |name|, a single label, or to the question. */
static size_t put_owned(uint8_t *p, const char *name, unsigned type,
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

static size_t put_record(uint8_t *p, unsigned type, const void *data,
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

/* What is answered depends on the first label. */
static size_t dns_answer(struct dns *d, uint8_t *p, size_t len, bool tcp) {
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
  d->questions++;
  snprintf(d->asked + strlen(d->asked), sizeof d->asked - strlen(d->asked),
           "%s/%u ", name, type);
  if (strncmp(name, "silent", 6) == 0)
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
  else if (strncmp(name, "many", 4) == 0) /* as many as 512 bytes hold */
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
  else if (strncmp(name, "cut", 3) == 0)
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
static void dns_forge(const struct dns *d, const uint8_t *p, size_t n,
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
  sendto(d->fd, f, 7, 0, sa, sizeof *to); /* half a header */
}

static bool recv_all(int fd, uint8_t *p, size_t len) {
  while (len > 0) {
    ssize_t n = recv(fd, p, len, 0);
    if (n <= 0)
      return false;
    p += n;
    len -= (size_t)n;
  }
  return true;
}

/* One question after the other (RFC 1035, section 4.2.2). */
static void dns_tcp(struct dns *d) {
  static uint8_t p[65536];
  int fd = accept(d->listener, NULL, NULL);
  size_t n;
  while (fd >= 0 && recv_all(fd, p, 2)) {
    n = (size_t)(p[0] << 8 | p[1]);
    if (n <= 12 || n > 512 || !recv_all(fd, p + 2, n))
      break;
    n = dns_answer(d, p + 2, n, true);
    put16(p, (unsigned)n);
    for (size_t at = 0; at < n + 2;) { /* in pieces */
      ssize_t sent =
          send(fd, p + at, n + 2 - at > 999 ? 999 : n + 2 - at, MSG_NOSIGNAL);
      if (sent <= 0)
        break;
      at += (size_t)sent;
    }
    if (!strstr(d->asked, "huge"))
      break;
  }
  if (fd >= 0)
    close(fd);
}

static void *dns_main(void *ud) {
  struct dns *d = ud;
  for (;;) {
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    uint8_t p[4096];
    struct pollfd fds[] = {{.fd = d->fd, .events = POLLIN},
                           {.fd = d->listener, .events = POLLIN}};
    ssize_t n;
    poll(fds, 2, -1);
    if (fds[1].revents) {
      dns_tcp(d);
      continue;
    }
    n = recvfrom(d->fd, p, 512, 0, (struct sockaddr *)&from, &len);
    if (n <= 12)
      return NULL;
    n = (ssize_t)dns_answer(d, p, (size_t)n, false);
    if (strstr(d->asked, "forged") && n > 12)
      dns_forge(d, p, (size_t)n, &from);
    if (n > 0)
      sendto(d->fd, p, (size_t)n, 0, (struct sockaddr *)&from, len);
  }
}

/* The same port for both, if nobody else has it for one of them. */
static bool dns_bind(struct dns *d) {
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

static void dns_start(struct dns *d) {
  int tries = 0;
  memset(d, 0, sizeof *d);
  while (!dns_bind(d))
    ck_assert_int_lt(++tries, 100);
  ck_assert_int_eq(pthread_create(&d->thread, NULL, dns_main, d), 0);
}

static void dns_end(struct dns *d) {
  struct sockaddr_in in = {.sin_family = AF_INET,
                           .sin_port = htons(d->port),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  sendto(d->fd, "", 0, 0, (struct sockaddr *)&in, sizeof in);
  pthread_join(d->thread, NULL);
  close(d->fd);
  close(d->listener);
}

/* -------------------------------------------------------------- client --- */

static struct failing_mem fm;
static struct loop *loop;
static struct resolver *rs;
static struct dns dns;

static void setup(void) {
  char servers[64];
  failing_mem_init(&fm, FAIL_NEVER);
  dns_start(&dns);
  snprintf(servers, sizeof servers, "127.0.0.1:%u", dns.port);
  ck_assert_int_eq(loop_new(&loop, &fm.mem), 0);
  ck_assert_int_eq(resolver_new(&rs, loop, &fm.mem, servers), 0);
}

static void teardown(void) {
  resolver_free(rs);
  loop_free(loop);
  dns_end(&dns);
  ck_assert_uint_eq(fm.live_bytes, 0);
}

struct answer {
  bool come;
  int code;
  char why[128];
  size_t n;
  struct ip ip[RESOLVE_MAX_ADDRESSES];
  char text[2048]; /* sorted as they came */
  bool frees;      /* the resolver, from inside */
};

static void on_answer(void *ud, int code, const char *why,
                      const struct ip *addresses, size_t n) {
  struct answer *a = ud;
  ck_assert(!a->come);
  a->come = true;
  a->code = code;
  snprintf(a->why, sizeof a->why, "%s", why ? why : "");
  a->n = n;
  for (size_t i = 0; i < n; i++) {
    char text[IP_TEXT_MAX];
    a->ip[i] = addresses[i];
    ip_format(&addresses[i], text);
    snprintf(a->text + strlen(a->text), sizeof a->text - strlen(a->text), "%s ",
             text);
  }
  if (a->frees) {
    resolver_free(rs);
    rs = NULL;
  }
}

static void wait_for(const struct answer *a) {
  uint64_t until = clock_mono_ns() + PATIENCE_S * NS_PER_S;
  while (!a->come) {
    ck_assert_int_eq(loop_dispatch(loop, 1000), 0);
    ck_assert_uint_lt(clock_mono_ns(), until);
  }
}

static struct answer ask(const char *name) {
  struct answer a = {0};
  struct resolve_query *q;
  ck_assert_int_eq(resolve_start(&q, rs, slice_of(name), on_answer, &a), 0);
  ck_assert(!a.come); /* never from inside */
  wait_for(&a);
  return a;
}

static bool has(const struct answer *a, const char *part) {
  return strstr(a->text, part) != NULL;
}

START_TEST(both_families) {
  struct answer a = ask("both.test");
  ck_assert_int_eq(a.code, 0);
  ck_assert_uint_eq(a.n, 3);
  ck_assert(has(&a, "192.0.2.7 ") && has(&a, "192.0.2.8 ") &&
            has(&a, "2001:db8::7 "));
  a = ask("four.test");
  ck_assert_uint_eq(a.n, 2);
  ck_assert(has(&a, "192.0.2.7 "));
  a = ask("six.test");
  ck_assert_str_eq(a.text, "2001:db8::7 ");
}
END_TEST

START_TEST(bounds) {
  struct answer a = ask("many.test");
  ck_assert_uint_eq(a.n, RESOLVE_MAX_ADDRESSES);
  a = ask("twice.test");
  ck_assert_str_eq(a.text, "192.0.2.7 ");
}
END_TEST

START_TEST(failures) {
  struct answer a = ask("none.test");
  ck_assert_int_eq(a.code, ERR_NOT_FOUND);
  ck_assert_str_eq(a.why, "no such name");
  a = ask("empty.test");
  ck_assert_int_eq(a.code, ERR_NOT_FOUND);
  ck_assert_str_eq(a.why, "the name has no addresses");
  a = ask("broken.test");
  ck_assert_int_lt(a.code, 0);
  a = ask("short.test");
  ck_assert(a.code < 0 || !has(&a, "192"));
}
END_TEST

/* What is no answer to the question is not taken for one. */
START_TEST(forged) {
  struct answer a = ask("forged.test");
  ck_assert_int_eq(a.code, 0);
  ck_assert_uint_eq(a.n, 3);
  ck_assert_msg(has(&a, "192.0.2.7 ") && has(&a, "192.0.2.8 ") &&
                    has(&a, "2001:db8::7 "),
                "%s", a.text);
}
END_TEST

START_TEST(aliases) {
  static const char *const bad[] = {"loop.test", "self.test", "pointer.test"};
  struct answer a = ask("alias.test");
  ck_assert_str_eq(a.text, "192.0.2.7 ");
  unit_each(name, bad) {
    a = ask(*name);
    ck_assert_msg(a.code < 0 && a.why[0], "%s: %d %s", *name, a.code, a.text);
    ck_assert_uint_eq(a.n, 0);
  }
  a = ask("lies.test"); /* nine IPv6 addresses are announced */
  ck_assert(a.code < 0 || !has(&a, ":"));
}
END_TEST

/* RFC 7766: an answer that does not fit is asked for again over TCP. */
START_TEST(truncated) {
  struct answer a = ask("huge.test");
  ck_assert_int_eq(a.code, 0);
  ck_assert_uint_eq(a.n, RESOLVE_MAX_ADDRESSES);
  a = ask("cut.test");
  ck_assert_int_lt(a.code, 0);
  ck_assert_uint_eq(a.n, 0);
}
END_TEST

/* Exactly the name: no search list, whatever the environment says. */
START_TEST(the_very_name) {
  struct answer a = ask("none");
  ck_assert_int_lt(a.code, 0);
  ck_assert_ptr_null(strstr(dns.asked, "none."));
  ck_assert_ptr_nonnull(strstr(dns.asked, "none/"));
}
END_TEST

START_TEST(localhost_asks_nobody) {
  static const char *const names[] = {"localhost", "LocalHost", "a.localhost",
                                      "a.b.localhost"};
  unit_each(name, names) {
    struct answer a = ask(*name);
    ck_assert_str_eq(a.text, "127.0.0.1 ::1 ");
  }
  ck_assert_int_eq(dns.questions, 0);
  ck_assert(!resolve_is_localhost(SLICE("notlocalhost")));
  ck_assert(!resolve_is_localhost(SLICE("localhost.test")));
  ck_assert(!resolve_is_localhost(SLICE("")));
  ck_assert(!resolve_is_localhost(SLICE("ocalhost")));
}
END_TEST

/* The machine's own hosts file is all there is to test with. */
START_TEST(hosts_file_first) {
  char line[512], address[64], name[256];
  bool found = false;
  FILE *f = fopen("/etc/hosts", "r");
  while (!found && f && fgets(line, sizeof line, f))
    found = sscanf(line, "%63[0-9.] %255[a-z0-9.-]", address, name) == 2 &&
            !resolve_is_localhost(slice_of(name));
  if (f)
    fclose(f);
  if (found) {
    struct answer a = ask(name);
    strcat(address, " ");
    ck_assert_msg(has(&a, address), "%s: %s", name, a.text);
    ck_assert_int_eq(dns.questions, 0);
  }
}
END_TEST

START_TEST(impossible_names) {
  char text[300];
  struct answer a = {0};
  struct resolve_query *q;
  memset(text, 'a', sizeof text);
  ck_assert_int_eq(
      resolve_start(&q, rs, (struct slice){text, sizeof text}, on_answer, &a),
      0);
  wait_for(&a);
  ck_assert_int_lt(a.code, 0);
  memset(&a, 0, sizeof a);
  ck_assert_int_eq(
      resolve_start(&q, rs, (struct slice){"a\0b", 3}, on_answer, &a), 0);
  wait_for(&a);
  ck_assert_int_lt(a.code, 0);
  a = ask("");
  ck_assert_int_lt(a.code, 0);
  ck_assert_int_eq(dns.questions, 0);
}
END_TEST

START_TEST(cancelled) {
  struct answer a = {0}, b = {0};
  struct resolve_query *q;
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("both.test"), on_answer, &a), 0);
  resolve_cancel(q);
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("localhost"), on_answer, &a), 0);
  resolve_cancel(q);
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("silent.test"), on_answer, &a),
                   0);
  resolve_cancel(q);
  resolve_cancel(NULL);
  b = ask("four.test");
  ck_assert_uint_eq(b.n, 2);
  ck_assert(!a.come);
}
END_TEST

START_TEST(freed_while_asking) {
  struct answer a = {0};
  struct resolve_query *q;
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("silent.test"), on_answer, &a),
                   0);
  loop_dispatch(loop, 0);
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("localhost"), on_answer, &a), 0);
  resolver_free(rs);
  rs = NULL;
  loop_dispatch(loop, 0);
  ck_assert(!a.come);
}
END_TEST

START_TEST(freed_from_inside) {
  struct answer a = {.frees = true}, b = {0};
  struct resolve_query *q;
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("silent.test"), on_answer, &b),
                   0);
  ck_assert_int_eq(resolve_start(&q, rs, SLICE("localhost"), on_answer, &a), 0);
  wait_for(&a);
  ck_assert(!b.come);
}
END_TEST

START_TEST(many_at_once) {
  static struct answer a[200];
  struct resolve_query *q;
  char name[32];
  memset(a, 0, sizeof a);
  for (int i = 0; i < 200; i++) {
    snprintf(name, sizeof name, "four%d.test", i);
    ck_assert_int_eq(resolve_start(&q, rs, slice_of(name), on_answer, &a[i]),
                     0);
  }
  for (int i = 0; i < 200; i++) {
    wait_for(&a[i]);
    ck_assert_uint_eq(a[i].n, 2);
  }
}
END_TEST

START_TEST(failing_allocations) {
  struct failing_mem f;
  struct loop *lp;
  struct resolver *r;
  struct resolve_query *q;
  int rv = ERR_NOMEM;
  ck_assert_int_eq(loop_new(&lp, &mem_libc), 0);
  for (size_t n = 0; rv == ERR_NOMEM; n++) {
    failing_mem_init(&f, n);
    rv = resolver_new(&r, lp, &f.mem, NULL);
    if (rv == 0) {
      rv = resolve_start(&q, r, SLICE("localhost"), on_answer, NULL);
      resolver_free(r);
    }
    ck_assert_uint_eq(f.live_bytes, 0);
    ck_assert_uint_lt(n, 20);
  }
  ck_assert_int_eq(resolver_new(&r, lp, &mem_libc, "no address"), ERR_SYSTEM);
  resolver_free(NULL);
  loop_free(lp);
}
END_TEST

int main(void) {
  Suite *s = suite_create("resolve");
  TCase *tc = tcase_create("resolve");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_set_timeout(tc, 2 * PATIENCE_S);
  tcase_add_test(tc, both_families);
  tcase_add_test(tc, bounds);
  tcase_add_test(tc, failures);
  tcase_add_test(tc, forged);
  tcase_add_test(tc, aliases);
  tcase_add_test(tc, truncated);
  tcase_add_test(tc, the_very_name);
  tcase_add_test(tc, localhost_asks_nobody);
  tcase_add_test(tc, hosts_file_first);
  tcase_add_test(tc, impossible_names);
  tcase_add_test(tc, cancelled);
  tcase_add_test(tc, freed_while_asking);
  tcase_add_test(tc, freed_from_inside);
  tcase_add_test(tc, many_at_once);
  tcase_add_test(tc, failing_allocations);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
