/* policy.c - how long a decision takes, and how long and how much memory
 * loading takes, with sets of URL policies of several sizes. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cordon/cordon.h"

#define POLICIES_A_FILE 400 /* within the bounds of one file */
#define FILE_BYTES 512      /* a policy's share of a file, at most */
#define REQUESTS (1 << 16)  /* other policies for each: caches stay cold */
#define DECISIONS (1 << 19) /* that are measured, one by one */

static void die(const char *what, const char *why) {
  fprintf(stderr, "policy: %s: %s\n", what, why);
  exit(1);
}

static uint64_t read_ns(clockid_t clock) {
  struct timespec t;

  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void) {
  return read_ns(CLOCK_MONOTONIC);
}

/* Loading takes long enough for other processes to be in the way. */
static uint64_t cpu_ns(void) {
  return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* splitmix64: the same policies and requests in every run */
static uint64_t random_state;

static uint64_t random_below(uint64_t n) {
  uint64_t z = (random_state += UINT64_C(0x9E3779B97F4A7C15));

  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return (z ^ z >> 31) % n;
}

/* ------------------------------------------------------------ allocator --- */

struct counter {
  size_t live;
  size_t peak;
  size_t calls;
};

static void *count(void *ud, void *ptr, size_t old_size, size_t new_size) {
  struct counter *c = ud;
  void *p = NULL;

  c->calls++;
  if (new_size == 0)
    free(ptr);
  else if (!(p = realloc(ptr, new_size)))
    return NULL;
  c->live += new_size - (ptr ? old_size : 0);
  if (c->live > c->peak)
    c->peak = c->live;
  return p;
}

/* ------------------------------------------------------------- policies --- */

/* What policy |i| is about; the request for it is made from the same. */
static bool with_connect;

static size_t write_policy(char *out, size_t cap, size_t i) {
  const char *effect = i % 10 == 9 ? "deny" : "allow";
  char resource[128];

  switch (i % 5) {
  case 0: /* one host */
    snprintf(resource, sizeof resource, "wss://h%zu.example.com", i);
    break;
  case 1: /* and a beginning of its paths */
    snprintf(resource, sizeof resource, "wss://h%zu.example.com/v1/feed/*", i);
    break;
  case 2: /* every host below a name */
    snprintf(resource, sizeof resource, "wss://*.t%zu.example.net", i);
    break;
  case 3: /* ports */
    snprintf(resource, sizeof resource, "*://h%zu.example.org:8000-8999/feed/*",
             i);
    break;
  default: /* one of a thousand tenants of a host */
    snprintf(resource, sizeof resource, "wss://shared%zu.example.com/t/%zu/*",
             i / 5000, i);
    break;
  }
  return (size_t)snprintf(
      out, cap,
      "- name: p%zu\n"
      "  kind: security.policy\n"
      "  policy:\n"
      "    actions: %swebsocket.connect.url%s\n"
      "    resources: %s\"%s\"%s\n"
      "    effect: %s\n",
      i, with_connect ? "[websocket.connect, " : "", with_connect ? "]" : "",
      with_connect ? "[\"\", " : "", resource, with_connect ? "]" : "", effect);
}

/* One in four is not for a policy but beside it. */
static char *new_request(size_t policies) {
  size_t i = random_below(policies), beside = random_below(12);
  char text[128], *copy;

  switch (i % 5) {
  case 0:
    snprintf(text, sizeof text, "wss://h%zu.example.com/v1/stream?x=%zu",
             beside ? i : i + 1, i);
    break;
  case 1:
    snprintf(text, sizeof text, "WSS://h%zu.example.com/v1/%s/%zu", i,
             beside < 3 ? "food" : "fe%65d", i);
    break;
  case 2:
    snprintf(text, sizeof text, "wss://a.b.t%zu.example.%s/chat", i,
             beside < 3 ? "org" : "net");
    break;
  case 3:
    snprintf(text, sizeof text, "ws://h%zu.Example.org:%zu/feed/x?y", i,
             beside < 3 ? 9000 : 8000 + i % 1000);
    break;
  default:
    snprintf(text, sizeof text, "wss://shared%zu.example.com/t/%zu/room",
             i / 5000, beside < 3 ? i + 1 : i);
    break;
  }
  if (!(copy = strdup(text)))
    die("request", strerror(errno));
  return copy;
}

struct loaded {
  cordon_policy *policy;
  cordon_scope *scope;
  uint64_t ns;
  size_t bytes; /* of all files */
};

static void load(struct loaded *l, size_t policies,
                 const cordon_allocator *alloc) {
  size_t cap = POLICIES_A_FILE * FILE_BYTES;
  char *text = malloc(cap), name[32];
  cordon_error e;
  uint64_t start;

  if (!text)
    die("file", strerror(errno));
  start = cpu_ns();
  if (cordon_policy_new(&l->policy, alloc, &e) != CORDON_OK)
    die("new", e.message);
  l->ns = cpu_ns() - start;
  l->bytes = 0;
  for (size_t i = 0; i < policies;) {
    size_t len = (size_t)snprintf(
        text, cap, "version: \"1.0\"\nnamespace: bench\nentries:\n");
    cordon_source source = {.name = name, .text = text};
    snprintf(name, sizeof name, "%zu.yaml", i / POLICIES_A_FILE);
    do
      len += write_policy(text + len, cap - len, i++);
    while (i < policies && i % POLICIES_A_FILE);
    source.len_bytes = len;
    l->bytes += len;
    start = cpu_ns();
    if (cordon_policy_add(l->policy, &source, NULL, NULL, &e) != CORDON_OK)
      die(name, e.message);
    l->ns += cpu_ns() - start;
  }
  free(text);
  start = cpu_ns();
  if (cordon_policy_finish(l->policy, NULL, NULL, &e) != CORDON_OK)
    die("finish", e.message);
  l->ns += cpu_ns() - start;
  if (cordon_scope_new(&l->scope, l->policy, NULL, 0, alloc, &e) != CORDON_OK)
    die("scope", e.message);
}

/* ------------------------------------------------------------ decisions --- */

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

  return (x > y) - (x < y);
}

/* What reading the clock twice adds to every measurement. */
static uint32_t clock_overhead_ns(void) {
  uint32_t least = UINT32_MAX;

  for (unsigned i = 0; i < 10000; i++) {
    uint64_t start = now_ns(), took = now_ns() - start;
    if (took < least)
      least = (uint32_t)took;
  }
  return least;
}

static void measure(size_t policies) {
  static uint32_t took[DECISIONS];
  static char *texts[REQUESTS];
  struct counter counter = {0};
  cordon_allocator alloc = {.fn = count, .ud = &counter};
  uint32_t overhead = clock_overhead_ns();
  size_t verdicts[3] = {0}, calls, decided = 0;
  struct loaded l;
  struct rusage usage;
  cordon_decision d;
  uint64_t start, all;

  load(&l, policies, &alloc);
  getrusage(RUSAGE_SELF, &usage);
  random_state = 1;
  for (size_t i = 0; i < REQUESTS; i++)
    texts[i] = new_request(policies);
  calls = counter.calls;
  /* a tenth of the time is warming up, and never more than a few seconds */
  all = now_ns();
  for (size_t i = 0; i < DECISIONS + DECISIONS / 10; i++) {
    cordon_request q = {.actor_id = "bench",
                        .action = "websocket.connect.url",
                        .resource = texts[i % REQUESTS]};
    q.resource_len_bytes = strlen(q.resource);
    start = now_ns();
    if (cordon_decide(l.scope, &q, &d, NULL) != CORDON_OK)
      die(q.resource, d.canonical_reason);
    if (i < DECISIONS / 10)
      continue;
    took[decided++] = (uint32_t)(now_ns() - start);
    verdicts[d.verdict]++;
    if (now_ns() - all > UINT64_C(5000000000))
      break;
  }
  if (counter.calls != calls)
    die("decisions", "memory was allocated");
  qsort(took, decided, sizeof *took, compare);
  for (size_t i = 0; i < decided; i++)
    took[i] -= took[i] < overhead ? took[i] : overhead;
  printf("%9zu %9.1f %8.1f %8.1f %8.1f %7u %7u %8u   %zu/%zu/%zu%%\n", policies,
         (double)l.ns / 1e6, (double)l.bytes / 1e6, (double)counter.peak / 1e6,
         (double)usage.ru_maxrss / 1024, took[decided / 2],
         took[decided - 1 - decided / 100], took[decided - 1 - decided / 1000],
         verdicts[CORDON_ALLOW] * 100 / decided,
         verdicts[CORDON_DENY] * 100 / decided,
         verdicts[CORDON_UNDEFINED] * 100 / decided);
  for (size_t i = 0; i < REQUESTS; i++)
    free(texts[i]);
  cordon_scope_free(l.scope);
  cordon_policy_unref(l.policy);
  if (counter.live)
    die("end", "memory was not given back");
}

/* In a process of its own, for its peak of memory. */
static int measure_apart(size_t policies) {
  int status;
  pid_t child;

  fflush(stdout);
  child = fork();
  if (child < 0)
    die("fork", strerror(errno));
  if (child == 0) {
    measure(policies);
    fflush(stdout);
    _exit(0);
  }
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      die("waitpid", strerror(errno));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
  static const size_t usual[] = {10, 1000, 10000, 100000, 1000000};
  size_t n = sizeof usual / sizeof *usual;
  int failed = 0, first = 1;

  if (argc > 1 && strcmp(argv[1], "--connect") == 0) {
    with_connect = true;
    first++;
  }
  if (argc > first)
    n = (size_t)(argc - first);
  printf("%9s %9s %8s %8s %8s %7s %7s %8s   %s\n", "policies", "load ms",
         "text MB", "heap MB", "RSS MiB", "median", "p99", "p99.9 ns",
         "allow/deny/undefined");
  for (size_t i = 0; i < n; i++) {
    size_t policies = usual[i < 5 ? i : 0];
    if (argc > first)
      policies = strtoul(argv[(size_t)first + i], NULL, 10);
    if (policies < 1 || policies > 100000000) {
      fprintf(stderr, "usage: %s [--connect] [number of policies]...\n",
              argv[0]);
      return 2;
    }
    failed |= measure_apart(policies);
  }
  return failed;
}
