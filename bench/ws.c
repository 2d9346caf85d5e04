/* ws.c - a WebSocket client to be measured: a host that runs bench/ws.lua, with
 * the clocks that a script does not have.
 *
 *   ws SCRIPT URL MODE N SIZE CONNECTIONS
 *
 * Prints one line of JSON.  WSBENCH_TEXT names the file that the texts of the
 * mode pipelinez are in, WSBENCH_CA a file of certificates to trust. */
#include <cordon/cordon.h>

#include <errno.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define SOURCE_MAX (1024 * 1024)
#define SAMPLES_MAX (4 * 1024 * 1024)
#define NS 1e-9

static const char policy_text[] = "version: \"1.0\"\n"
                                  "namespace: bench\n"
                                  "entries:\n"
                                  "  - name: all\n"
                                  "    kind: security.policy\n"
                                  "    policy:\n"
                                  "      actions: [websocket.*]\n"
                                  "      resources: [\"*\"]\n"
                                  "      effect: allow\n";

static struct {
  double started, cpu;
  uint32_t *samples; /* nanoseconds */
  size_t nsamples;
} run;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * NS;
}

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * NS;
}

/* KiB */
static long memory(const char *key) {
  char line[256];
  long kib = 0;
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f))
    if (strncmp(line, key, strlen(key)) == 0)
      kib = strtol(line + strlen(key), NULL, 10);
  if (f)
    fclose(f);
  return kib;
}

/* ------------------------------------------------------ the module bench ---
 */

static int bench_start(lua_State *L) {
  (void)L;
  run.started = now();
  run.cpu = cpu();
  return 0;
}

static int bench_now(lua_State *L) {
  lua_pushnumber(L, now());
  return 1;
}

static int bench_seconds(lua_State *L) {
  lua_pushnumber(L, now() - run.started);
  return 1;
}

static int bench_took(lua_State *L) {
  double ns = (now() - luaL_checknumber(L, 1)) / NS;
  if (run.nsamples < SAMPLES_MAX)
    run.samples[run.nsamples++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
  return 0;
}

static int bench_rss(lua_State *L) {
  lua_pushinteger(L, memory("VmRSS:"));
  return 1;
}

/* text(offset, size): a piece of the file of texts */
static int bench_text(lua_State *L) {
  const char *name = getenv("WSBENCH_TEXT");
  lua_Integer at = luaL_checkinteger(L, 1), size = luaL_checkinteger(L, 2);
  FILE *f;
  char *text;
  size_t n = 0;
  luaL_argcheck(L, at >= 0 && size > 0 && size < SOURCE_MAX, 2, "out of range");
  text = lua_newuserdatauv(L, (size_t)size, 0);
  if ((f = fopen(name ? name : "text", "rb")) != NULL) {
    if (fseek(f, (long)at, SEEK_SET) == 0)
      n = fread(text, 1, (size_t)size, f);
    fclose(f);
  }
  if (n != (size_t)size)
    return luaL_error(L, "WSBENCH_TEXT names no file that is long enough");
  lua_pushlstring(L, text, n);
  return 1;
}

static int by_value(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

/* finish(ops, bytes[, connects per second, KiB per connection]) */
static int bench_finish(lua_State *L) {
  double s = now() - run.started, used = cpu() - run.cpu;
  double p50 = 0, p99 = 0;
  size_t n = run.nsamples;
  if (n > 0) {
    qsort(run.samples, n, sizeof *run.samples, by_value);
    p50 = run.samples[n / 2] * 1e-3;
    p99 = run.samples[n * 99 / 100] * 1e-3;
  }
  printf("{\"secs\":%.6f,\"ops\":%.1f,\"mbs\":%.3f,\"p50\":%.2f,\"p99\":%.2f,"
         "\"cpu\":%.6f,\"rss\":%ld",
         s, luaL_checknumber(L, 1) / s, luaL_checknumber(L, 2) / s / 1e6, p50,
         p99, used, memory("VmHWM:"));
  if (!lua_isnoneornil(L, 3))
    printf(",\"connect\":%.1f,\"rssconn\":%.3f", luaL_checknumber(L, 3),
           luaL_checknumber(L, 4));
  printf("}\n");
  fflush(stdout);
  return 0;
}

static int open_bench(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"start", bench_start},   {"now", bench_now}, {"seconds", bench_seconds},
      {"took", bench_took},     {"rss", bench_rss}, {"text", bench_text},
      {"finish", bench_finish}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

/* ------------------------------------------------------------------ host ---
 */

static char *read_file(const char *name, size_t *ret_len) {
  FILE *f = fopen(name, "rb");
  char *text = malloc(SOURCE_MAX);
  if (!f || !text) {
    fprintf(stderr, "ws: %s: %s\n", name, strerror(errno));
    exit(2);
  }
  *ret_len = fread(text, 1, SOURCE_MAX, f);
  fclose(f);
  return text;
}

/* As the program cordon does: see the notes of cordon_host_config. */
static void expect_messages(void) {
  volatile char *p = malloc((size_t)4 << 20);
  if (!p)
    return;
  *p = 0; /* else a compiler may leave both calls out */
  free((void *)p);
}

int main(int argc, char **argv) {
  cordon_policy *policy = NULL;
  cordon_host *host = NULL;
  cordon_sandbox *sb = NULL;
  cordon_sandbox_config cfg;
  cordon_host_config hc;
  cordon_source allow = {.name = "bench.yaml",
                         .text = policy_text,
                         .len_bytes = sizeof policy_text - 1};
  cordon_source script;
  cordon_error e;
  char *text;
  int status = 1;
  expect_messages();
  if (argc != 7) {
    fprintf(stderr, "usage: ws SCRIPT URL MODE N SIZE CONNECTIONS\n");
    return 2;
  }
  script.name = argv[1];
  script.text = text = read_file(argv[1], &script.len_bytes);
  run.samples = malloc(SAMPLES_MAX * sizeof *run.samples);
  if (!run.samples)
    return 1;

  cordon_host_config_init(&hc);
  hc.ca_file = getenv("WSBENCH_CA");
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS; /* for the module's sake */
  cfg.actor_id = "bench";
  cfg.limits.memory_bytes = (uint64_t)1 << 30;
  cfg.limits.cpu_ms = 3600 * 1000;
  cfg.limits.connections = 100000;
  cfg.limits.connects_per_minute = CORDON_UNLIMITED;

  if (cordon_policy_new(&policy, NULL, &e) != CORDON_OK ||
      cordon_policy_add(policy, &allow, NULL, NULL, &e) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &e) != CORDON_OK ||
      cordon_host_new(&host, &hc, &e) != CORDON_OK)
    goto done;
  cfg.policy = policy;
  if (cordon_sandbox_new(&sb, host, &cfg, &e) != CORDON_OK ||
      cordon_sandbox_add_module(sb, "bench", open_bench, NULL, &e) !=
          CORDON_OK ||
      cordon_sandbox_load(sb, &script, (const char *const *)(argv + 2), 5,
                          &e) != CORDON_OK ||
      cordon_sandbox_run(sb, 0, &e) != CORDON_OK)
    goto done;
  status = 0;
done:
  if (status != 0)
    fprintf(stderr, "ws: %s\n", e.message);
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  cordon_policy_unref(policy);
  free(run.samples);
  free(text);
  return status;
}
