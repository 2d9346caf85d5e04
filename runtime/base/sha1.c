/* sha1.c - SHA-1 and base64. */
#include "runtime/base/sha1.h"

#include <string.h>

#define BLOCK_BYTES 64

static uint32_t left(uint32_t x, unsigned n) {
  return x << n | x >> (32 - n);
}

/* RFC 3174, section 6.1 */
static void take_block(uint32_t h[5], const uint8_t *p) {
  uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
  for (size_t t = 0; t < 16; t++)
    w[t] = (uint32_t)p[4 * t] << 24 | (uint32_t)p[4 * t + 1] << 16 |
           (uint32_t)p[4 * t + 2] << 8 | p[4 * t + 3];
  for (size_t t = 16; t < 80; t++)
    w[t] = left(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  for (size_t t = 0; t < 80; t++) {
    uint32_t f = t < 20   ? (b & c) | (~b & d)
                 : t < 40 ? b ^ c ^ d
                 : t < 60 ? (b & c) | (b & d) | (c & d)
                          : b ^ c ^ d;
    uint32_t k = t < 20   ? 0x5a827999
                 : t < 40 ? 0x6ed9eba1
                 : t < 60 ? 0x8f1bbcdc
                          : 0xca62c1d6;
    uint32_t next = left(a, 5) + f + e + w[t] + k;
    e = d;
    d = c;
    c = left(b, 30);
    b = a;
    a = next;
  }
  h[0] += a;
  h[1] += b;
  h[2] += c;
  h[3] += d;
  h[4] += e;
}

void sha1(const void *p, size_t len, uint8_t out[SHA1_BYTES]) {
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  uint8_t last[2 * BLOCK_BYTES] = {0};
  const uint8_t *at = p;
  size_t rest = len % BLOCK_BYTES;
  size_t end = rest < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES;
  uint64_t bits = (uint64_t)len * 8;
  for (size_t n = len / BLOCK_BYTES; n > 0; n--, at += BLOCK_BYTES)
    take_block(h, at);
  if (rest > 0)
    memcpy(last, at, rest);
  last[rest] = 0x80;
  for (size_t i = 0; i < 8; i++)
    last[end - 1 - i] = (uint8_t)(bits >> (8 * i));
  take_block(h, last);
  if (end > BLOCK_BYTES)
    take_block(h, last + BLOCK_BYTES);
  for (size_t i = 0; i < SHA1_BYTES; i++)
    out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

void base64(const uint8_t *p, size_t len, char *out) {
  static const char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < len; i += 3, out += 4) {
    size_t left_over = len - i;
    uint32_t three = (uint32_t)p[i] << 16;
    if (left_over > 1)
      three |= (uint32_t)p[i + 1] << 8;
    if (left_over > 2)
      three |= p[i + 2];
    out[0] = digits[three >> 18];
    out[1] = digits[three >> 12 & 63];
    out[2] = left_over > 1 ? digits[three >> 6 & 63] : '=';
    out[3] = left_over > 2 ? digits[three & 63] : '=';
  }
}
