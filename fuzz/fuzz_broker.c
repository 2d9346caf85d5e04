/* fuzz_broker.c - whole conversations of a broker with a worker that may be
 * anybody, without processes: what a worker would send, what the host does
 * meanwhile, and how connections and the worker itself come and go, all of it
 * in the order of the input.  Nothing crashes, nothing is told twice, and what
 * was allowed is all that is opened.
 *
 * Each record is a tag, a length (2 bytes) and that many bytes. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/net/opening.h"
#include "runtime/net/relay.h"
#include "runtime/remote.h"
#include "runtime/sandbox.h"
#include "runtime/worker/protocol.h"
#include "runtime/worker/spawn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPENINGS 8
#define CALLS 16
#define RECORDS 300

static void need(bool ok) {
  if (!ok)
    abort();
}

/* --------------------------------------- in the place of spawn.c's processes
 */

struct worker_pool {
  struct mem mem;
  int epfd;
};

struct worker {
  struct mem mem;
  worker_event_fn *fn;
  void *ud;
  int fd;
  int status;
  struct err err;
};

static struct worker *worker; /* of the sandbox; NULL: it is gone */
static int theirs = -1;       /* its end of the socket */
static bool killed, ready, over;

int worker_pool_new(struct worker_pool **ret, const struct mem *m,
                    const char *path, struct err *e) {
  struct worker_pool *p = mem_zalloc(m, sizeof *p);
  (void)path;
  (void)e;
  need(p != NULL);
  p->mem = *m;
  p->epfd = epoll_create1(EPOLL_CLOEXEC);
  *ret = p;
  return 0;
}

void worker_pool_free(struct worker_pool *p) {
  struct mem m = p->mem;
  close(p->epfd);
  mem_free(&m, p, sizeof *p);
}

int worker_pool_start(struct worker_pool *p, struct err *e) {
  (void)p;
  (void)e;
  return 0;
}

int worker_pool_fd(const struct worker_pool *p) {
  return p->epfd;
}

void worker_pool_dispatch(struct worker_pool *p) {
  (void)p;
}

int worker_pool_probe(struct worker_pool *p, int timeout_ms,
                      struct worker_probe *ret, struct err *e) {
  (void)p;
  (void)timeout_ms;
  (void)ret;
  return err_set(e, ERR_UNSUPPORTED);
}

int worker_spawn(struct worker **ret, struct worker_pool *p,
                 const struct worker_limits *l, worker_event_fn *fn, void *ud,
                 struct err *e) {
  struct worker *w = mem_zalloc(&p->mem, sizeof *w);
  int pair[2];
  (void)l;
  (void)e;
  need(w && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                       pair) == 0);
  w->mem = p->mem;
  w->fn = fn;
  w->ud = ud;
  w->fd = pair[0];
  w->status = -1;
  theirs = pair[1];
  killed = ready = over = false;
  *ret = worker = w;
  return 0;
}

void worker_free(struct worker *w) {
  struct mem m;
  if (!w)
    return;
  m = w->mem;
  need(w == worker);
  worker = NULL;
  close(w->fd);
  mem_free(&m, w, sizeof *w);
}

int worker_fd(const struct worker *w) {
  return w->fd;
}

int worker_pidfd(const struct worker *w) {
  (void)w;
  return -1;
}

pid_t worker_pid(const struct worker *w) {
  (void)w;
  return 0;
}

void worker_kill(struct worker *w) {
  need(w == worker);
  killed = true;
}

const struct err *worker_error(const struct worker *w) {
  return &w->err;
}

int worker_status(const struct worker *w) {
  return w->status;
}

int worker_landlock_abi(const struct worker *w) {
  (void)w;
  return 0;
}

unsigned worker_namespaces(const struct worker *w) {
  (void)w;
  return 0;
}

/* READY or FAILED, then EXITED. */
static void worker_says(unsigned what) {
  if (!worker || over)
    return;
  if (what % 4 == 0 && !ready) {
    ready = true;
    worker->fn(worker->ud, worker, WORKER_READY);
  } else if (what % 4 == 1 && !ready) {
    over = true;
    err_setf(&worker->err, ERR_SYSTEM, "worker: a step");
    worker->fn(worker->ud, worker, WORKER_FAILED);
  } else if (what % 4 == 2 && ready) {
    over = true;
    worker->status = what & 8 ? 9 : what & 16 ? 24 : 3 << 8;
    shutdown(theirs, SHUT_RDWR);
    worker->fn(worker->ud, worker, WORKER_EXITED);
  } else if (what % 4 == 3) {
    shutdown(theirs, what & 8 ? SHUT_WR : SHUT_RDWR);
  }
}

/* ------------------------------------------- in the place of opening.c's dials
 */

struct opening {
  struct mem mem;
  struct loop *loop;
  const struct opening_handler *h;
  void *ud;
};

static struct opening *openings[OPENINGS];
static int peers[OPENINGS]; /* other ends of what was opened */
static size_t npeers;

int opening_new(struct opening **ret, struct loop *lp, struct resolver *rs,
                struct tls_context *tls, const struct opening_options *opts,
                const struct opening_handler *h, void *ud, const struct mem *m,
                struct err *e) {
  struct opening *o = NULL;
  (void)rs;
  (void)tls;
  need(opts->url->len > 0 && opts->dial_timeout_ns > 0);
  /* what the policy below allows */
  need(strncmp(opts->url->text, "ws://a/", 7) == 0 ||
       strncmp(opts->url->text, "wss://a/", 8) == 0);
  for (size_t i = 0; i < opts->nheaders; i++)
    if (upgrade_check_header(&opts->headers[i], e) != 0)
      return ERR_INVALID;
  for (size_t i = 0; i < OPENINGS && !o; i++)
    if (!openings[i])
      o = openings[i] = mem_zalloc(m, sizeof *o);
  if (!o)
    return err_setf(e, ERR_INVALID, "too many");
  o->mem = *m;
  o->loop = lp;
  o->h = h;
  o->ud = ud;
  *ret = o;
  return 0;
}

void opening_free(struct opening *o) {
  struct mem m;
  if (!o)
    return;
  for (size_t i = 0; i < OPENINGS; i++)
    if (openings[i] == o)
      openings[i] = NULL;
  m = o->mem;
  mem_free(&m, o, sizeof *o);
}

static void on_nothing(struct watch *w, unsigned events, void *ud) {
  (void)w;
  (void)events;
  (void)ud;
}

/* A connected socket; or one that is none, and is relayed. */
static void opened(struct opening *o, bool connected) {
  struct opened op = {.rest = SLICE("\x81\x01x"), .protocol = SLICE("p")};
  int pair[2];
  if (npeers == OPENINGS)
    return;
  if (connected)
    need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                    pair) == 0);
  else
    need(pipe2(pair, O_NONBLOCK | O_CLOEXEC) == 0);
  need(stream_new(&op.stream, o->loop, pair[0], POLLER_READ, on_nothing,
                  NULL) == 0);
  peers[npeers++] = pair[1];
  o->h->opened(o->ud, &op);
}

static void opening_says(unsigned what) {
  struct opening *o = openings[what % OPENINGS];
  struct connection_failure f = {.code = ERR_SYSTEM, .stage = STAGE_CONNECT};
  struct ip ip = {.family = 4, .bytes = {10, 0, 0, (uint8_t)(what >> 4)}};
  if (!o)
    return;
  switch (what / OPENINGS % 4) {
  case 0:
    f.code = o->h->judge(o->ud, &ip, 80);
    if (f.code == ERR_DENIED)
      o->h->failed(o->ud, &f);
    break;
  case 1:
    o->h->failed(o->ud, &f);
    break;
  case 2:
    opened(o, true);
    break;
  default:
    opened(o, false);
    break;
  }
}

/* ------------------------------------------------------------------ host ---
 */

static cordon_host *host;
static cordon_policy *policy;
static cordon_value *value;
static cordon_channel *in, *out;
static cordon_call *kept[CALLS];
static size_t nkept, nopened, nclosed, nasked, ndone;

static int on_audit(void *ud, const cordon_audit_event *ev) {
  (void)ud;
  need(ev->request->resource[ev->request->resource_len_bytes] == '\0');
  need(utf8_valid(slice_of(ev->script)));
  if (ev->sequence % 3 == 0)
    (void)!cordon_channel_send(in, value, NULL);
  return ev->sequence % 17 == 0;
}

static void on_connection(void *ud, const cordon_connection_event *ev) {
  (void)ud;
  if (ev->opened)
    nopened++;
  else
    nclosed++;
  need(nclosed <= nopened);
}

static void on_output(void *ud, const char *data, size_t len) {
  (void)ud;
  need(len == 0 || data != NULL);
}

static int on_require(void *ud, const char *name, cordon_source *ret) {
  (void)ud;
  if (strcmp(name, "mod") != 0)
    return CORDON_E_NOT_FOUND;
  *ret = (cordon_source){"mod", "return 1", 8};
  return CORDON_OK;
}

static void on_call(void *ud, cordon_call *call) {
  if (ud && nkept < CALLS)
    kept[nkept++] = call;
  else
    (void)cordon_call_return(call, cordon_call_args(call));
}

static int on_receive(void *ud, cordon_channel *ch, const cordon_value *v) {
  (void)ud;
  need(ch == out);
  return cordon_value_type(v) == CORDON_INTEGER ? CORDON_AGAIN : CORDON_OK;
}

static void on_done(void *ud, int result, const cordon_value *v,
                    const cordon_error *e) {
  (void)ud;
  need(result == CORDON_OK ? !e : e && !v);
  ndone++;
}

static void host_says(cordon_sandbox *sb, unsigned what) {
  switch (what % 8) {
  case 0:
    (void)!cordon_channel_send(in, value, NULL);
    break;
  case 1:
    cordon_channel_resume(out);
    break;
  case 2:
    nasked += cordon_sandbox_call(sb, "f", NULL, what & 8, on_done, NULL,
                                  NULL) == CORDON_OK;
    break;
  case 3:
    if (nkept > 0)
      need(cordon_call_return(kept[--nkept], value) == CORDON_OK);
    break;
  case 4:
    cordon_channel_close(what & 8 ? in : out);
    break;
  case 5:
    (void)!cordon_sandbox_set_policy(sb, what & 8 ? NULL : policy, NULL);
    break;
  case 6:
    if (nkept > 0)
      need(cordon_call_fail(kept[--nkept], "Timeout", "late", 1) == CORDON_OK);
    break;
  default:
    if ((what & 0xf8) == 0xf8)
      cordon_sandbox_cancel(sb);
    break;
  }
}

static void begin(void) {
  static const char text[] =
      "version: \"1.0\"\nnamespace: t\nentries:\n"
      "  - name: a\n    kind: security.policy\n    policy:\n"
      "      actions: '*'\n"
      "      resources: ['', 'ws://a/*', 'wss://a/*', '10.*', 'p1', 't:a']\n"
      "      effect: allow\n    groups: [t:g]\n"
      "  - name: b\n    kind: security.policy\n    policy:\n"
      "      actions: '*'\n      resources: 'secret'\n      effect: deny\n"
      "      conditions:\n"
      "        - {field: meta.k, operator: eq, value: v}\n"
      "    groups: [t:g]\n";
  cordon_source src = {"p.yaml", text, sizeof text - 1};
  cordon_host_config cfg;
  cordon_error e;
  cordon_host_config_init(&cfg);
  cfg.dns_servers = "127.0.0.1:9";
  cfg.preempt_signal = CORDON_NO_SIGNAL;
  if (cordon_policy_new(&policy, NULL, &e) != CORDON_OK ||
      cordon_policy_add(policy, &src, NULL, NULL, &e) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &e) != CORDON_OK ||
      cordon_host_new(&host, &cfg, &e) != CORDON_OK ||
      cordon_value_from_json(&value, "[1,{}]", 6, NULL, &e) != CORDON_OK) {
    fprintf(stderr, "%s:%u: %s\n", e.source, e.line, e.message);
    abort();
  }
}

static cordon_sandbox *sandbox_begin(void) {
  static const cordon_source src = {"x.lua", "", 0};
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_error e;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_PROCESS;
  cfg.policy = policy;
  cfg.actor_id = "tester";
  cfg.audit = on_audit;
  cfg.connection = on_connection;
  cfg.output = on_output;
  cfg.require = on_require;
  cfg.limits.cpu_ms = CORDON_UNLIMITED;
  cfg.limits.output_bytes = 10000;
  cfg.limits.connections = 6;
  cfg.keep = 1;
  need(cordon_sandbox_new(&sb, host, &cfg, &e) == CORDON_OK);
  need(cordon_sandbox_add_function(sb, "h", "f", on_call, NULL, &e) ==
       CORDON_OK);
  need(cordon_sandbox_add_function(sb, "h", "g", on_call, kept, &e) ==
       CORDON_OK);
  need(cordon_sandbox_add_inlet(sb, "h", "i", 4, NULL, NULL, &in, &e) ==
       CORDON_OK);
  need(cordon_sandbox_add_outlet(sb, "h", "o", 4, on_receive, NULL, &out, &e) ==
       CORDON_OK);
  need(cordon_sandbox_load(sb, &src, NULL, 0, &e) == CORDON_OK);
  return sb;
}

/* ----------------------------------------------------------------- input ---
 */

/* |p| as a message, its length in front, as far as the socket takes it. */
static void send_message(const uint8_t *p, size_t len) {
  uint8_t head[4] = {(uint8_t)len, (uint8_t)(len >> 8), 0, 0};
  if (send(theirs, head, sizeof head, MSG_NOSIGNAL | MSG_DONTWAIT) == 4)
    (void)!send(theirs, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void drain(void) {
  static uint8_t sink[65536];
  while (recv(theirs, sink, sizeof sink, MSG_DONTWAIT) > 0)
    ;
}

static void turns(void) {
  for (int i = 0; i < 3; i++)
    need(cordon_host_dispatch(host, NULL) == CORDON_OK);
}

static void one(cordon_sandbox *sb, uint8_t tag, const uint8_t *p, size_t len) {
  unsigned what = len > 0 ? p[0] : 0;
  switch (tag % 8) {
  case 0:
    (void)!send(theirs, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    break;
  case 1:
    host_says(sb, what);
    break;
  case 2:
    opening_says(what);
    break;
  case 3:
    worker_says(what);
    break;
  case 4:
    drain();
    break;
  default:
    send_message(p, len);
    break;
  }
}

static void sandbox_end(cordon_sandbox *sb) {
  cordon_error e;
  cordon_usage usage;
  int rv = cordon_sandbox_result(sb, &e);
  cordon_sandbox_usage(sb, &usage);
  need(!killed || rv != CORDON_AGAIN || cordon_host_timeout_ms(host) == 0);
  cordon_sandbox_free(sb);
  need(nopened == nclosed && nasked == ndone);
  for (size_t i = 0; i < OPENINGS; i++)
    need(!openings[i]);
  turns();
  remotes_cut(host);
  relays_cut(&host->relays);
  turns();
  need(!worker);
  while (nkept > 0)
    need(cordon_call_return(kept[--nkept], NULL) == CORDON_OK);
  while (npeers > 0)
    close(peers[--npeers]);
  close(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cordon_sandbox *sb;
  if (!host)
    begin();
  nopened = nclosed = nasked = ndone = 0;
  sb = sandbox_begin();
  for (int i = 0; i < RECORDS && size >= 3; i++) {
    size_t len = data[1] | (size_t)data[2] << 8;
    if (len > size - 3)
      len = size - 3;
    one(sb, data[0], data + 3, len);
    turns();
    data += 3 + len;
    size -= 3 + len;
  }
  sandbox_end(sb);
  return 0;
}
