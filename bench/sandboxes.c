/* sandboxes.c - many sandboxes in one host: what each costs, beside a Lua state
 * with its libraries and nothing more, and whether they are fair to each other.
 *
 *   sandboxes [N]
 */
#include <cordon/cordon.h>

#include <inttypes.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_DEFAULT 10000
#define US 1e6
#define NEIGHBOURS 100
#define PERIOD_MS 10
#define FAIR_SECONDS 3
#define SPINNERS 10

static const char small_script[] = "local time = require 'time'\n"
                                   "local seen = {}\n"
                                   "local function step(name, value)\n"
                                   "  seen[name] = (seen[name] or 0) + value\n"
                                   "  return seen[name]\n"
                                   "end\n"
                                   "time.sleep((...) .. 'ms')\n"
                                   "return step('woken', 1)\n";

static const char on_channel[] = "local ch = channel.new()\n"
                                 "coroutine.spawn(function()\n"
                                 "  require('time').sleep('1h')\n"
                                 "  ch:send(1)\n"
                                 "end)\n"
                                 "return ch:receive()\n";

static void die(const char *what, const cordon_error *e) {
  fprintf(stderr, "sandboxes: %s: %s\n", what, e ? e->message : "failed");
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Processor time: what the others on the machine do does not count. */
static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double rss_bytes(void) {
  long pages = 0, ignored;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f) {
    if (fscanf(f, "%ld %ld", &ignored, &pages) != 2)
      pages = 0;
    fclose(f);
  }
  return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static size_t heap_bytes;

static void *counting(void *ud, void *p, size_t old_size, size_t new_size) {
  void *q;
  (void)ud;
  if (!p)
    old_size = 0;
  if (new_size == 0) {
    free(p);
    heap_bytes -= old_size;
    return NULL;
  }
  q = realloc(p, new_size);
  if (q)
    heap_bytes += new_size - old_size;
  return q;
}

static void show(const char *what, double value, const char *unit) {
  printf("%-48s %10.2f %s\n", what, value, unit);
}

/* --------------------------------------------------- a state and its libs */

struct bare {
  double create_us, heap, rss, close_us;
};

static void bare(struct bare *b, size_t n) {
  lua_State **all = calloc(n, sizeof *all);
  double before = rss_bytes(), start = cpu();
  size_t heap = heap_bytes;
  if (!all)
    die("memory", NULL);
  for (size_t i = 0; i < n; i++) {
    all[i] = lua_newstate(counting, NULL);
    if (!all[i])
      die("lua_newstate", NULL);
    luaL_openlibs(all[i]);
  }
  b->create_us = (cpu() - start) / (double)n * US;
  b->heap = (double)(heap_bytes - heap) / (double)n;
  b->rss = (rss_bytes() - before) / (double)n;
  start = cpu();
  for (size_t i = 0; i < n; i++)
    lua_close(all[i]);
  b->close_us = (cpu() - start) / (double)n * US;
  free(all);
}

/* ----------------------------------------------------------- sandboxes --- */

static cordon_host *new_host(void) {
  cordon_host_config cfg;
  cordon_host *host;
  cordon_error e;
  cordon_host_config_init(&cfg);
  cfg.alloc.fn = counting;
  if (cordon_host_new(&host, &cfg, &e) != CORDON_OK)
    die("host", &e);
  return host;
}

static cordon_sandbox *new_sandbox(cordon_host *host, cordon_output_fn *output,
                                   void *ud) {
  cordon_sandbox_config cfg;
  cordon_sandbox *sb;
  cordon_error e;
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.actor_id = "bench";
  cfg.output = output;
  cfg.ud = ud;
  cfg.limits.cpu_ms = CORDON_UNLIMITED;
  if (cordon_sandbox_new(&sb, host, &cfg, &e) != CORDON_OK)
    die("sandbox", &e);
  return sb;
}

static void load(cordon_sandbox *sb, const char *text, const char *arg) {
  cordon_source src = {"bench.lua", text, strlen(text)};
  cordon_error e;
  if (cordon_sandbox_load(sb, &src, &arg, arg ? 1 : 0, &e) != CORDON_OK)
    die("load", &e);
}

static void dispatch(cordon_host *host) {
  cordon_error e;
  if (cordon_host_dispatch(host, &e) != CORDON_OK)
    die("dispatch", &e);
}

/* Until nothing is to be done at once. */
static void settle(cordon_host *host) {
  do
    dispatch(host);
  while (cordon_host_timeout_ms(host) == 0);
}

static void wait_and_dispatch(cordon_host *host) {
  struct pollfd p = {cordon_host_fd(host), POLLIN, 0};
  poll(&p, 1, cordon_host_timeout_ms(host));
  dispatch(host);
}

static size_t ended(cordon_sandbox **all, size_t from, size_t n) {
  while (from < n && cordon_sandbox_result(all[from], NULL) != CORDON_AGAIN)
    from++;
  return from;
}

struct costs {
  double create_us, heap, rss, load_us, loaded_heap, loaded_rss, idle_ns,
      wake_us, free_us, left;
};

static void many(struct costs *c, size_t n, const char *text) {
  cordon_sandbox **all = calloc(n, sizeof *all);
  size_t heap_before = heap_bytes;
  cordon_host *host = new_host();
  size_t heap = heap_bytes, done = 0;
  double rss = rss_bytes(), start = cpu(), due, begun = now();
  char ms[32];
  if (!all)
    die("memory", NULL);
  for (size_t i = 0; i < n; i++)
    all[i] = new_sandbox(host, NULL, NULL);
  c->create_us = (cpu() - start) / (double)n * US;
  c->heap = (double)(heap_bytes - heap) / (double)n;
  c->rss = (rss_bytes() - rss) / (double)n;

  start = cpu();
  due = now() + 1 + (now() - begun) * 12; /* when all are loaded */
  for (size_t i = 0; i < n; i++) {
    snprintf(ms, sizeof ms, "%.0f", (due - now()) * 1e3);
    load(all[i], text, text == small_script ? ms : NULL);
    if (i % 100 == 99)
      settle(host); /* or they all were in memory twice */
  }
  settle(host);
  c->load_us = (cpu() - start) / (double)n * US;
  c->loaded_heap = (double)(heap_bytes - heap) / (double)n;
  c->loaded_rss = (rss_bytes() - rss) / (double)n;

  start = cpu();
  for (int i = 0; i < 1000; i++)
    dispatch(host);
  c->idle_ns = (cpu() - start) / 1000 * 1e9;

  if (text == small_script) {
    while (now() < due - 0.01)
      wait_and_dispatch(host);
    start = cpu();
    while ((done = ended(all, done, n)) < n)
      wait_and_dispatch(host);
    c->wake_us = (cpu() - start) / (double)n * US;
  }
  start = cpu();
  for (size_t i = 0; i < n; i++)
    cordon_sandbox_free(all[i]);
  c->free_us = (cpu() - start) / (double)n * US;
  cordon_host_free(host);
  c->left = (double)(heap_bytes - heap_before);
  free(all);
}

/* ------------------------------------------------------------ fairness --- */

static double late[1 << 20];
static size_t nlate;

struct neighbour {
  double last;
};

static void on_tick(void *ud, const char *data, size_t len) {
  struct neighbour *nb = ud;
  double t = now();
  (void)data;
  (void)len;
  if (nb->last != 0 && nlate < sizeof late / sizeof *late)
    late[nlate++] = t - nb->last - PERIOD_MS * 1e-3;
  nb->last = t;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* How late the timers of many small scripts are, beside |nspin| that spin. */
static void neighbours(size_t nspin) {
  static const char tick[] = "local time = require 'time'\n"
                             "while true do time.sleep '10ms' print '' end\n";
  cordon_host *host = new_host();
  cordon_sandbox *spin[SPINNERS], *all[NEIGHBOURS];
  struct neighbour nb[NEIGHBOURS] = {{0}};
  double end, most = 0, least = 1e9, sum = 0, little = 0;
  cordon_usage u;
  nlate = 0;
  for (size_t i = 0; i < NEIGHBOURS; i++) {
    all[i] = new_sandbox(host, on_tick, &nb[i]);
    load(all[i], tick, NULL);
  }
  for (size_t i = 0; i < nspin; i++) {
    spin[i] = new_sandbox(host, NULL, NULL);
    load(spin[i], "while true do end", NULL);
  }
  end = now() + FAIR_SECONDS;
  while (now() < end)
    wait_and_dispatch(host);
  qsort(late, nlate, sizeof *late, by_value);
  for (size_t i = 0; i < nspin; i++) {
    double used;
    cordon_sandbox_usage(spin[i], &u);
    used = (double)u.cpu_ns * 1e-9;
    most = used > most ? used : most;
    least = used < least ? used : least;
    sum += used;
    cordon_sandbox_free(spin[i]);
  }
  for (size_t i = 0; i < NEIGHBOURS; i++) {
    cordon_sandbox_usage(all[i], &u);
    little += (double)u.cpu_ns * 1e-9;
    cordon_sandbox_free(all[i]);
  }
  cordon_host_free(host);
  printf("\n%d sandboxes with a timer of %d ms each, beside %zu that spin:\n",
         NEIGHBOURS, PERIOD_MS, nspin);
  if (nlate > 0) {
    show("  timers: late, median", late[nlate / 2] * 1e3, "ms");
    show("  timers: late, 99 of 100", late[nlate * 99 / 100] * 1e3, "ms");
  }
  show("  ticks", (double)nlate, "");
  show("  processor time of the small ones", little, "s");
  if (nspin > 0) {
    show("  processor time of those that spin", sum, "s");
    show("  the most of one, of the least of one", most / least, "");
  }
}

static void show_many(const char *title, size_t n, const char *text,
                      const struct bare *b) {
  struct costs c;
  memset(&c, 0, sizeof c);
  many(&c, n, text);
  printf("\n%s:\n", title);
  show("  creating", c.create_us, "us");
  show("    of the bare state's", c.create_us / b->create_us, "");
  show("  heap before a script is loaded", c.heap / 1024, "KiB");
  show("    resident", c.rss / 1024, "KiB");
  show("  loading, and running until it waits", c.load_us, "us");
  show("  heap while it waits", c.loaded_heap / 1024, "KiB");
  show("    resident", c.loaded_rss / 1024, "KiB");
  show("  a dispatch that has nothing to do", c.idle_ns, "ns");
  if (c.wake_us > 0)
    show("  waking and ending each", c.wake_us, "us");
  show("  freeing", c.free_us, "us");
  show("  heap left behind", c.left, "bytes");
}

/* In a process of its own each, so that none lives in memory that another has
 * given back.  False: in the child. */
static bool apart(void) {
  pid_t pid;
  fflush(stdout);
  if ((pid = fork()) < 0)
    die("fork", NULL);
  if (pid == 0)
    return false;
  waitpid(pid, NULL, 0);
  return true;
}

int main(int argc, char **argv) {
  size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : N_DEFAULT;
  struct bare *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (n == 0 || b == MAP_FAILED)
    die("usage: sandboxes [N]", NULL);
  if (!apart()) {
    bare(b, n);
    return 0;
  }
  printf("%zu of each\n\na Lua state with its libraries:\n", n);
  show("  creating", b->create_us, "us");
  show("  heap", b->heap / 1024, "KiB");
  show("    resident", b->rss / 1024, "KiB");
  show("  closing", b->close_us, "us");
  if (!apart()) {
    show_many("a sandbox that waits for a timer", n, small_script, b);
    return 0;
  }
  if (!apart()) {
    show_many("a sandbox whose two tasks wait for each other", n, on_channel,
              b);
    return 0;
  }
  neighbours(0);
  neighbours(1);
  neighbours(SPINNERS);
  return 0;
}
