/* world.h - a host and one sandbox at either level, with functions, channels
 * and calls, and what is heard of them. */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <limits.h>
#include <poll.h>
#include <time.h>

#include "cordon/cordon.h"
#include "tests/unit.h"

#if CORDON_HAVE_WORKER
static const cordon_isolation levels[] = {CORDON_ISOLATION_INPROCESS,
                                          CORDON_ISOLATION_PROCESS};
#else
static const cordon_isolation levels[] = {CORDON_ISOLATION_INPROCESS};
#endif

/* -------------------------------------------------------------- helpers --- */

struct world {
  cordon_host *host;
  cordon_sandbox *sb;
  cordon_error err;
  char output[8192];
  size_t output_len;
  /* functions */
  cordon_call *kept[16];
  size_t nkept, called, gone, refused;
  /* channels */
  cordon_channel *in, *out;
  char received[4096];
  size_t nreceived, stop_after, rooms, ended;
};

/* As much as there is room for in the |size| bytes at |p|. */
static inline void append(char *p, size_t size, size_t *used, const char *data,
                          size_t len) {
  if (len > size - 1 - *used)
    len = size - 1 - *used;
  memcpy(p + *used, data, len);
  *used += len;
  p[*used] = '\0';
}

static inline void on_output(void *ud, const char *data, size_t len) {
  struct world *w = ud;
  append(w->output, sizeof w->output, &w->output_len, data, len);
}

static inline cordon_value *json(const char *text) {
  cordon_value *v = NULL;
  cordon_error e;
  if (cordon_value_from_json(&v, text, strlen(text), NULL, &e) != CORDON_OK)
    ck_abort_msg("%s: %s", text, e.message);
  return v;
}

struct text {
  char p[4096];
  size_t len;
};

static inline void on_text(void *ud, const char *data, size_t len) {
  struct text *t = ud;
  append(t->p, sizeof t->p, &t->len, data, len);
}

/* Static: until the next one. */
static const char *text_of(const cordon_value *v) {
  static struct text t;
  t.len = 0;
  t.p[0] = '\0';
  ck_assert_int_eq(cordon_value_write_json(v, on_text, &t), CORDON_OK);
  return t.p;
}

static inline cordon_policy *policy_new(void) {
  static const char text[] = "version: \"1.0\"\nnamespace: app\nentries:\n"
                             "  - name: db\n    kind: security.policy\n"
                             "    policy:\n      actions: db.read\n"
                             "      resources: [table1]\n      effect: allow\n"
                             "  - name: no\n    kind: security.policy\n"
                             "    policy:\n      actions: db.read\n"
                             "      resources: [secret]\n      effect: deny\n";
  cordon_source src = {"policy.yaml", text, sizeof text - 1};
  cordon_policy *policy = NULL;
  cordon_error e;
  if (cordon_policy_new(&policy, NULL, &e) != CORDON_OK ||
      cordon_policy_add(policy, &src, NULL, NULL, &e) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &e) != CORDON_OK)
    ck_abort_msg("%s", e.message);
  return policy;
}

static const char *worker_path(void) {
  static char path[PATH_MAX];
  const char *top = getenv("top_builddir");
  char relative[PATH_MAX];
  snprintf(relative, sizeof relative, "%s/libexec/cordon/cordon-worker",
           top ? top : ".");
  return realpath(relative, path);
}

static inline void config_init(cordon_sandbox_config *cfg, struct world *w,
                               cordon_isolation level) {
  memset(w, 0, sizeof *w);
  cordon_sandbox_config_init(cfg);
  cfg->isolation = level;
  cfg->actor_id = "tester";
  cfg->output = on_output;
  cfg->ud = w;
}

static inline void world_begin(struct world *w, cordon_sandbox_config *cfg) {
  cordon_host_config hc;
  cordon_policy *policy = policy_new();
  cordon_host_config_init(&hc);
  hc.worker_path = worker_path();
  cfg->policy = policy;
  if (cordon_host_new(&w->host, &hc, &w->err) != CORDON_OK ||
      cordon_sandbox_new(&w->sb, w->host, cfg, &w->err) != CORDON_OK)
    ck_abort_msg("%s", w->err.message);
  cordon_policy_unref(policy);
}

static inline void load(struct world *w, const char *text) {
  cordon_source src = {"test.lua", text, strlen(text)};
  if (cordon_sandbox_load(w->sb, &src, NULL, 0, &w->err) != CORDON_OK)
    ck_abort_msg("%s: %s", text, w->err.message);
}

/* One turn, waiting for at most |ms|. */
static inline void turn(struct world *w, int ms) {
  struct pollfd p = {cordon_host_fd(w->host), POLLIN, 0};
  int timeout = cordon_host_timeout_ms(w->host);
  if (timeout < 0 || timeout > ms)
    timeout = ms;
  poll(&p, 1, timeout);
  ck_assert_int_eq(cordon_host_dispatch(w->host, NULL), CORDON_OK);
}

static inline uint64_t now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Turns until |cond|; fails when it never comes. */
#define turn_until(w, cond)                                                    \
  do {                                                                         \
    uint64_t end_ = now_ms() + 60000;                                          \
    while (!(cond)) {                                                          \
      ck_assert_msg(now_ms() < end_, "%s never came: %s", #cond, (w)->output); \
      turn((w), 50);                                                           \
    }                                                                          \
  } while (0)

static inline int finish(struct world *w) {
  int rv = cordon_sandbox_run(w->sb, 0, &w->err);
  return rv;
}

static inline void world_end(struct world *w) {
  cordon_sandbox_free(w->sb);
  cordon_host_free(w->host);
}

/* ------------------------------------------------- functions of the host ---
 */

static const cordon_value *arg(cordon_call *call, size_t i) {
  return cordon_value_at(cordon_call_args(call), i, NULL, NULL);
}

/* echo(...): a list of its arguments */
static inline void fn_echo(void *ud, cordon_call *call) {
  struct world *w = ud;
  w->called++;
  ck_assert_ptr_eq(cordon_call_sandbox(call), w->sb);
  ck_assert_int_eq(cordon_value_type(cordon_call_args(call)), CORDON_LIST);
  ck_assert_int_eq(cordon_call_return(call, cordon_call_args(call)), CORDON_OK);
  ck_assert_int_eq(cordon_call_return(call, NULL), CORDON_E_INVALID);
  ck_assert_int_eq(cordon_call_fail(call, NULL, "x", 0), CORDON_E_INVALID);
}

static inline void fn_nothing(void *ud, cordon_call *call) {
  (void)ud;
  ck_assert_int_eq(cordon_call_return(call, NULL), CORDON_OK);
}

static inline void fn_fail(void *ud, cordon_call *call) {
  const char *kind = cordon_value_string(arg(call, 0), NULL);
  (void)ud;
  ck_assert_int_eq(cordon_call_fail(call, "no such kind", "x", 0),
                   CORDON_E_INVALID);
  ck_assert_int_eq(cordon_call_fail(call, kind, "it \x1b[2J failed",
                                    cordon_value_boolean(arg(call, 1))),
                   CORDON_OK);
}

static inline void fn_read(void *ud, cordon_call *call) {
  struct world *w = ud;
  size_t len;
  const char *table = cordon_value_string(arg(call, 0), &len);
  cordon_value *v;
  if (cordon_call_guard(call, "db.read", table, len, NULL) != CORDON_ALLOW) {
    w->refused++;
    ck_assert_int_eq(cordon_call_return(call, NULL), CORDON_E_INVALID);
    return;
  }
  v = json("{\"rows\":[1,2.5,\"three\",true,null,{}]}");
  ck_assert_int_eq(cordon_call_return(call, v), CORDON_OK);
  cordon_value_free(v);
}

static inline void on_gone(void *ud) {
  ((struct world *)ud)->gone++;
}

static inline void fn_keep(void *ud, cordon_call *call) {
  struct world *w = ud;
  ck_assert_uint_lt(w->nkept, unit_len(w->kept));
  cordon_call_on_gone(call, on_gone, w);
  w->kept[w->nkept++] = call;
}

static inline void fn_forever(void *ud, cordon_call *call) {
  (void)ud;
  (void)call; /* never answered: it goes with the host */
}

static inline void add_functions(struct world *w) {
  static const struct {
    const char *module, *name;
    cordon_function *fn;
  } all[] = {{"host", "echo", fn_echo},     {"host", "nothing", fn_nothing},
             {"host", "fail", fn_fail},     {"my-db.v1", "read", fn_read},
             {"my-db.v1", "keep", fn_keep}, {"host", "forever", fn_forever}};
  unit_each(f, all) ck_assert_int_eq(
      cordon_sandbox_add_function(w->sb, f->module, f->name, f->fn, w, &w->err),
      CORDON_OK);
}

/* ---------------------------------------------------- calls of the host --- */

struct done {
  struct world *world;
  size_t calls;
  int result;
  char text[4096];
  const char *again; /* called from inside */
};

static inline void on_done(void *ud, int result, const cordon_value *value,
                           const cordon_error *error) {
  struct done *d = ud;
  d->calls++;
  d->result = result;
  ck_assert(result == CORDON_OK ? !error : error && error->code == result);
  snprintf(d->text, sizeof d->text, "%s",
           error ? error->message : text_of(value));
  if (d->again) {
    const char *again = d->again;
    d->again = NULL;
    ck_assert_int_eq(
        cordon_sandbox_call(d->world->sb, again, NULL, 0, on_done, d, NULL),
        CORDON_OK);
    ck_assert_int_eq(cordon_sandbox_run(d->world->sb, 0, NULL), CORDON_E_BUSY);
  }
}

/* ------------------------------------------------------------- channels --- */

static inline void on_room(void *ud, cordon_channel *ch) {
  struct world *w = ud;
  ck_assert_ptr_eq(ch, w->in);
  w->rooms++;
}

static inline int on_receive(void *ud, cordon_channel *ch,
                             const cordon_value *v) {
  struct world *w = ud;
  size_t used = strlen(w->received);
  ck_assert_ptr_eq(ch, w->out);
  if (!v) {
    w->ended++;
    return CORDON_OK;
  }
  snprintf(w->received + used, sizeof w->received - used, "%s ", text_of(v));
  return ++w->nreceived == w->stop_after ? CORDON_AGAIN : CORDON_OK;
}

#endif
