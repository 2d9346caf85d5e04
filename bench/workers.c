/* workers.c - many workers in one host: what each costs to start and to hold.
 *
 * usage: workers [--worker=PATH] [--most-kib=N] [number of workers]...
 *
 * Each runs a script that waits on a timer.  With --most-kib it fails if one of
 * them holds more (PSS), and with 77 where the kernel does not tell. */
#include <cordon/cordon.h>

#include <dirent.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED 77
#define PATIENCE_MS 60000

static const char script[] = "print 'ready'\n"
                             "require('time').sleep('1h')\n";

static size_t nready;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void fail(const char *what, const cordon_error *err) {
  fprintf(stderr, "workers: %s: %s\n", what, err->message);
  exit(1);
}

static void on_output(void *ud, const char *data, size_t len) {
  (void)ud;
  for (size_t i = 0; i < len; i++)
    nready += data[i] == '\n';
}

static void turn(cordon_host *host) {
  struct pollfd p = {.fd = cordon_host_fd(host), .events = POLLIN};
  int wait_ms = cordon_host_timeout_ms(host);
  cordon_error err;
  poll(&p, 1, wait_ms < 0 || wait_ms > 1000 ? 1000 : wait_ms);
  if (cordon_host_dispatch(host, &err) != CORDON_OK)
    fail("dispatch", &err);
}

static long parent_of(const char *pid) {
  char path[300], text[512], *after;
  long parent = 0;
  FILE *f;
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  if (!(f = fopen(path, "re")))
    return 0;
  text[fread(text, 1, sizeof text - 1, f)] = '\0';
  fclose(f);
  if ((after = strrchr(text, ')')) != NULL)
    sscanf(after + 1, " %*c %ld", &parent);
  return parent;
}

/* In KiB; -1: not told. */
static long pss_of(const char *pid) {
  char path[300], line[256];
  long kib = -1;
  FILE *f;
  snprintf(path, sizeof path, "/proc/%s/smaps_rollup", pid);
  if (!(f = fopen(path, "re")))
    return -1;
  while (kib < 0 && fgets(line, sizeof line, f))
    if (sscanf(line, "Pss: %ld", &kib) != 1)
      kib = -1;
  fclose(f);
  return kib;
}

struct held {
  size_t workers, told;
  long least, most, sum, template_kib;
};

/* The template is our child, as we adopt orphans, and has the workers. */
static void measure(struct held *h) {
  const struct dirent *entry;
  DIR *d = opendir("/proc");
  memset(h, 0, sizeof *h);
  h->least = -1;
  while (d && (entry = readdir(d)) != NULL) {
    char above[32];
    long parent, kib;
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
      continue;
    parent = parent_of(entry->d_name);
    if (parent == getpid())
      h->template_kib = pss_of(entry->d_name);
    snprintf(above, sizeof above, "%ld", parent);
    if (parent <= 1 || parent_of(above) != getpid())
      continue;
    h->workers++;
    if ((kib = pss_of(entry->d_name)) < 0)
      continue;
    h->told++;
    h->sum += kib;
    if (h->least < 0 || kib < h->least)
      h->least = kib;
    if (kib > h->most)
      h->most = kib;
  }
  if (d)
    closedir(d);
}

static int run(size_t n, const char *worker, long most_kib) {
  cordon_sandbox **all = calloc(n, sizeof(cordon_sandbox *));
  const cordon_source source = {
      .name = "idle.lua", .text = script, .len_bytes = sizeof script - 1};
  cordon_host_config hc;
  cordon_sandbox_config sc;
  cordon_host *host;
  cordon_error err;
  struct held h;
  double begin, running, end;
  cordon_host_config_init(&hc);
  hc.worker_path = worker;
  cordon_sandbox_config_init(&sc);
  sc.output = on_output;
  if (!all || cordon_host_new(&host, &hc, &err) != CORDON_OK)
    fail("host", &err);
  nready = 0;
  begin = now_ms();
  for (size_t i = 0; i < n; i++)
    if (cordon_sandbox_new(&all[i], host, &sc, &err) != CORDON_OK ||
        cordon_sandbox_load(all[i], &source, NULL, 0, &err) != CORDON_OK)
      fail("sandbox", &err);
  while (nready < n) {
    turn(host);
    if (now_ms() - begin > PATIENCE_MS) {
      fprintf(stderr, "workers: %zu of %zu have begun\n", nready, n);
      return 1;
    }
  }
  running = now_ms();
  measure(&h);
  end = now_ms();
  for (size_t i = 0; i < n; i++)
    cordon_sandbox_free(all[i]);
  cordon_host_free(host);
  free(all);
  printf("%7zu %9.3f %9.3f", n, (running - begin) / (double)n,
         (now_ms() - end) / (double)n);
  if (h.told > 0)
    printf(" %8ld %8.0f %8ld %8ld\n", h.least, (double)h.sum / (double)h.told,
           h.most, h.template_kib);
  else
    printf(" the kernel does not tell their memory\n");
  if (h.workers != n) {
    fprintf(stderr, "workers: %zu are there, not %zu\n", h.workers, n);
    return 1;
  }
  if (most_kib > 0 && h.told < h.workers)
    return SKIPPED;
  if (most_kib > 0 && h.most > most_kib) {
    fprintf(stderr, "workers: one holds %ld KiB, more than %ld\n", h.most,
            most_kib);
    return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  static const char *const usual[] = {"1", "100", "1000"};
  const char *worker = NULL, *const *numbers = usual;
  size_t nnumbers = sizeof usual / sizeof *usual;
  struct rlimit files;
  long most_kib = 0;
  int status = 0, at = 1;
  for (; at < argc && argv[at][0] == '-'; at++)
    if (strncmp(argv[at], "--worker=", 9) == 0)
      worker = argv[at] + 9;
    else if (strncmp(argv[at], "--most-kib=", 11) == 0)
      most_kib = strtol(argv[at] + 11, NULL, 10);
    else
      return fprintf(stderr, "workers: unknown option %s\n", argv[at]), 2;
  if (at < argc) {
    numbers = (const char *const *)argv + at;
    nnumbers = (size_t)(argc - at);
  }
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
  printf("%7s %9s %9s %8s %8s %8s %8s\n", "workers", "start ms", "end ms",
         "PSS KiB", "mean", "most", "template");
  for (size_t i = 0; i < nnumbers && status == 0; i++)
    status = run(strtoul(numbers[i], NULL, 10), worker, most_kib);
  return status;
}
