/* hostile.h - hosts whose workers are those of tests/hostile_worker.c, for
 * tests of the broker. */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include <limits.h>
#include <poll.h>
#include <time.h>

#include "cordon/cordon.h"
#include "tests/unit.h"

static inline uint64_t now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* |fm| (NULL: none) sees what the host takes. */
static inline cordon_host *hostile_host_with(struct failing_mem *fm) {
  static char path[PATH_MAX];
  const char *top = getenv("top_builddir");
  char relative[PATH_MAX];
  cordon_host_config cfg;
  cordon_host *host = NULL;
  cordon_error err;
  snprintf(relative, sizeof relative, "%s/tests/hostile_worker",
           top ? top : ".");
  ck_assert_ptr_nonnull(realpath(relative, path));
  cordon_host_config_init(&cfg);
  cfg.worker_path = path;
  if (fm)
    cfg.alloc = (cordon_allocator){failing_mem_fn, fm};
  if (cordon_host_new(&host, &cfg, &err) != CORDON_OK)
    ck_abort_msg("%s", err.message);
  return host;
}

static inline cordon_host *hostile_host(void) {
  return hostile_host_with(NULL);
}

/* The worker does |what|, knows the server on |port|, and has |seed|. */
static inline int load(cordon_sandbox *sb, const char *what, int port,
                       unsigned seed, cordon_error *err) {
  char text[256];
  cordon_source src = {"x", text, 0};
  snprintf(text, sizeof text, "%s ws://127.0.0.1:%d/ %u", what, port, seed);
  src.len_bytes = strlen(text);
  return cordon_sandbox_load(sb, &src, NULL, 0, err);
}

static inline void turn(cordon_host *host, int most_ms) {
  struct pollfd p = {cordon_host_fd(host), POLLIN, 0};
  int wait = cordon_host_timeout_ms(host);
  cordon_error err;
  poll(&p, 1, wait < 0 || wait > most_ms ? most_ms : wait);
  ck_assert_int_eq(cordon_host_dispatch(host, &err), CORDON_OK);
}

#endif
