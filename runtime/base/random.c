/* random.c - bytes from the system's CSPRNG, and a small fast generator. */
#include "runtime/base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "runtime/base/err.h"
#include "runtime/base/gate.h"

int random_bytes(void *p, size_t len) {
  unsigned char *to = p;
  gate_check();
  while (len > 0) {
    ssize_t n = getrandom(to, len, 0);
    if (n < 0) {
      if (errno == EINTR)
        continue;
      return ERR_SYSTEM;
    }
    to += n;
    len -= (size_t)n;
  }
  return 0;
}

int prng_seed(struct prng *g) {
  int rv;
  do {
    rv = random_bytes(g->s, sizeof g->s);
  } while (rv == 0 && (g->s[0] | g->s[1] | g->s[2] | g->s[3]) == 0);
  return rv;
}

static uint64_t rotl(uint64_t x, int k) {
  return (x << k) | (x >> (64 - k));
}

uint64_t prng_next(struct prng *g) {
  uint64_t *s = g->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl(s[3], 45);
  return result;
}

uint64_t prng_below(struct prng *g, uint64_t n) {
  /* Values below 2^64 mod n would favour the small results. */
  uint64_t skip = (0 - n) % n, r;
  do {
    r = prng_next(g);
  } while (r < skip);
  return r % n;
}
