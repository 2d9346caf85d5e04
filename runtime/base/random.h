/* random.h - bytes from the system's CSPRNG, and a small fast generator for
 * fairness (never for secrets). */
#ifndef RUNTIME_BASE_RANDOM_H
#define RUNTIME_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills |p| from getrandom(2).  0 or ERR_SYSTEM. */
int random_bytes(void *p, size_t len);

struct prng {
  uint64_t s[4]; /* xoshiro256** (Blackman, Vigna) */
};
int prng_seed(struct prng *g); /* from random_bytes; 0 or ERR_SYSTEM */
uint64_t prng_next(struct prng *g);
uint64_t prng_below(struct prng *g, uint64_t n); /* 0 .. n-1, unbiased; n > 0 */

#endif
