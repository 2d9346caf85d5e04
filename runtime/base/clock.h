/* clock.h - monotonic, wall and CPU time in nanoseconds. */
#ifndef RUNTIME_BASE_CLOCK_H
#define RUNTIME_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_mono_ns(void);       /* CLOCK_MONOTONIC */
int64_t clock_wall_ns(void);        /* CLOCK_REALTIME, since 1970 */
uint64_t clock_thread_cpu_ns(void); /* CPU time of the calling thread */

#endif
