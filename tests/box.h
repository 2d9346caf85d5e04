/* box.h - sandboxes in this process: a host, one script, what it prints, a
 * policy, and a module of the host for Lua. */
#ifndef TESTS_BOX_H
#define TESTS_BOX_H

#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <time.h>

#include "cordon/cordon.h"
#include "tests/unit.h"

struct output {
  char text[65536];
  size_t len;
  size_t calls;
};

static inline void take_output(void *ud, const char *data, size_t len) {
  struct output *o = ud;
  o->calls++;
  if (len > sizeof o->text - 1 - o->len)
    len = sizeof o->text - 1 - o->len;
  memcpy(o->text + o->len, data, len);
  o->len += len;
  o->text[o->len] = '\0';
}

static inline cordon_source source(const char *name, const char *text) {
  return (cordon_source){name, text, strlen(text)};
}

static inline cordon_host *host_with(int preempt_signal) {
  cordon_host_config cfg;
  cordon_host *host = NULL;
  cordon_error err;
  cordon_host_config_init(&cfg);
  cfg.preempt_signal = preempt_signal;
  if (cordon_host_new(&host, &cfg, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  return host;
}

static inline void config_init(cordon_sandbox_config *cfg, struct output *o) {
  cordon_sandbox_config_init(cfg);
  cfg->isolation = CORDON_ISOLATION_INPROCESS;
  cfg->actor_id = "tester";
  if (o) {
    cfg->output = take_output;
    cfg->ud = o;
    memset(o, 0, sizeof *o);
  }
}

static inline cordon_sandbox *sandbox_with(cordon_host *host,
                                           const cordon_sandbox_config *cfg) {
  cordon_sandbox *sb = NULL;
  cordon_error err;
  if (cordon_sandbox_new(&sb, host, cfg, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  return sb;
}

static inline void load(cordon_sandbox *sb, const char *text) {
  cordon_source src = source("test.lua", text);
  cordon_error err;
  if (cordon_sandbox_load(sb, &src, NULL, 0, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
}

/* One script from begin to end on a host of its own. */
static inline int run(const char *text, const cordon_sandbox_config *cfg,
                      int sig, cordon_error *err, cordon_usage *usage) {
  cordon_host *host = host_with(sig);
  cordon_sandbox *sb = sandbox_with(host, cfg);
  int rv;
  load(sb, text);
  memset(err, 0, sizeof *err);
  rv = cordon_sandbox_run(sb, 0, err);
  if (usage)
    cordon_sandbox_usage(sb, usage);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  return rv;
}

static inline uint64_t now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static const char policy_text[] =
    "version: \"1.0\"\nnamespace: app\nentries:\n"
    "  - name: all\n    kind: security.policy\n    policy:\n"
    "      actions: [websocket.connect, websocket.connect.url, my.action]\n"
    "      resources: [\"\", \"ws://127.0.0.1:1/*\", \"thing\"]\n"
    "      effect: allow\n";

static inline cordon_policy *policy_new(void) {
  cordon_policy *policy = NULL;
  cordon_error err;
  cordon_source src = source("policy.yaml", policy_text);
  if (cordon_policy_new(&policy, NULL, &err) != CORDON_OK ||
      cordon_policy_add(policy, &src, NULL, NULL, &err) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &err) != CORDON_OK)
    ck_abort_msg("%s:%u: %s", err.source, err.line, err.message);
  return policy;
}

/* ------------------------------------------------- a module of the host --- */

struct db {
  cordon_wait *waiting;
  int gone;
  int finished;
  int opened;
};

static inline struct db *db_of(struct lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static inline void db_gone(void *ud) {
  struct db *db = ud;
  db->gone++;
  db->waiting = NULL;
}

static inline int db_finish(struct lua_State *L) {
  db_of(L)->finished++;
  lua_pushliteral(L, "row of ");
  lua_pushvalue(L, 1);
  lua_concat(L, 2);
  return 1;
}

/* query(name[, "at once"]) */
static inline int db_query(struct lua_State *L) {
  struct db *db = db_of(L);
  cordon_wait *w;
  lua_settop(L, 2);
  if (cordon_sandbox_guard(L, "my.action", lua_tostring(L, 1), lua_rawlen(L, 1),
                           NULL) != CORDON_ALLOW) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  w = cordon_wait_begin(L, "db.query");
  cordon_wait_on_gone(w, db_gone, db);
  if (!lua_isnil(L, 2)) {
    cordon_wait_end(w);
  } else {
    ck_assert_ptr_null(db->waiting);
    db->waiting = w;
  }
  return cordon_wait_yield(L, w, db_finish);
}

static inline int db_open(struct lua_State *L) {
  struct db *db = lua_touserdata(L, 2);
  ck_assert_str_eq(lua_tostring(L, 1), "db");
  ck_assert_ptr_nonnull(cordon_sandbox_of(L));
  db->opened++;
  lua_createtable(L, 0, 1);
  lua_pushlightuserdata(L, db);
  lua_pushcclosure(L, db_query, 1);
  lua_setfield(L, -2, "query");
  return 1;
}

#endif
