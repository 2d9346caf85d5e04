/* clock.c - monotonic, wall and CPU time in nanoseconds. */
#include "runtime/base/clock.h"

#include <time.h>

static struct timespec read_clock(clockid_t id) {
  struct timespec ts = {0, 0};
  clock_gettime(id, &ts); /* cannot fail for these clocks on Linux */
  return ts;
}

static uint64_t to_ns(struct timespec ts) {
  return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void) {
  return to_ns(read_clock(CLOCK_MONOTONIC));
}

int64_t clock_wall_ns(void) {
  struct timespec ts = read_clock(CLOCK_REALTIME);
  return (int64_t)ts.tv_sec * (int64_t)NS_PER_S + ts.tv_nsec;
}

uint64_t clock_thread_cpu_ns(void) {
  return to_ns(read_clock(CLOCK_THREAD_CPUTIME_ID));
}
