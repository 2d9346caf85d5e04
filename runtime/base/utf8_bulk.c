/* utf8_bulk.c - UTF-8 sixteen bytes at a time, with the byte shuffles of SSSE3:
 * the algorithm of J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One
 * Instruction Per Byte" (Software: Practice and Experience 51, 2021). */
#include "runtime/base/utf8_bulk.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <stdbool.h>
#include <stdint.h>
#include <tmmintrin.h>

/* What can be wrong with two bytes in a row: each is a bit that three tables,
 * asked about three of their four halves, must have in common. */
enum {
  TOO_SHORT = 1 << 0,      /* a lead byte without a continuation */
  TOO_LONG = 1 << 1,       /* a continuation behind ASCII */
  OVERLONG_3 = 1 << 2,     /* e0 80-9f */
  TOO_LARGE = 1 << 3,      /* f4 90-bf, f5-ff */
  SURROGATE = 1 << 4,      /* ed a0-bf */
  OVERLONG_2 = 1 << 5,     /* c0, c1 */
  TOO_LARGE_1000 = 1 << 6, /* f5-ff 80-8f */
  OVERLONG_4 = 1 << 6,     /* f0 80-8f: the same bit, told apart below */
  TWO_CONTS = 1 << 7, /* two continuations: right only in long characters */
  ANY_LOW = TOO_SHORT | TOO_LONG | TWO_CONTS
};

/* By the high half of the first byte, */
static const uint8_t first_high[16] = {TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TWO_CONTS,
                                       TWO_CONTS,
                                       TWO_CONTS,
                                       TWO_CONTS,
                                       TOO_SHORT | OVERLONG_2,
                                       TOO_SHORT,
                                       TOO_SHORT | OVERLONG_3 | SURROGATE,
                                       TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 |
                                           OVERLONG_4};
/* its low half, */
#define LARGE (ANY_LOW | TOO_LARGE | TOO_LARGE_1000)
static const uint8_t first_low[16] = {ANY_LOW | OVERLONG_3 | OVERLONG_2 |
                                          OVERLONG_4,
                                      ANY_LOW | OVERLONG_2,
                                      ANY_LOW,
                                      ANY_LOW,
                                      ANY_LOW | TOO_LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE | SURROGATE,
                                      LARGE,
                                      LARGE};
/* and the high half of the second. */
#define CONT (TOO_LONG | OVERLONG_2 | TWO_CONTS)
static const uint8_t second_high[16] = {TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        CONT | OVERLONG_3 | TOO_LARGE_1000 |
                                            OVERLONG_4,
                                        CONT | OVERLONG_3 | TOO_LARGE,
                                        CONT | SURROGATE | TOO_LARGE,
                                        CONT | SURROGATE | TOO_LARGE,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT};

#define SSSE3 __attribute__((target("ssse3")))

struct tables {
  __m128i first_high, first_low, second_high;
};

/* Not zero where |now|, with |before| in front of it, is wrong. */
SSSE3 static inline __m128i wrong(const struct tables *t, __m128i now,
                                  __m128i before) {
  const __m128i low = _mm_set1_epi8(15);
  __m128i back1 = _mm_alignr_epi8(now, before, 15);
  __m128i back2 = _mm_alignr_epi8(now, before, 14);
  __m128i back3 = _mm_alignr_epi8(now, before, 13);
  __m128i pair = _mm_shuffle_epi8(t->first_high,
                                  _mm_and_si128(_mm_srli_epi16(back1, 4), low));
  __m128i third, fourth, conts;
  pair = _mm_and_si128(
      pair, _mm_shuffle_epi8(t->first_low, _mm_and_si128(back1, low)));
  pair = _mm_and_si128(
      pair, _mm_shuffle_epi8(t->second_high,
                             _mm_and_si128(_mm_srli_epi16(now, 4), low)));
  /* The third byte of three and the third and fourth of four follow a
   * continuation, and nothing else does. */
  third = _mm_subs_epu8(back2, _mm_set1_epi8(0xe0 - 0x80));
  fourth = _mm_subs_epu8(back3, _mm_set1_epi8(0xf0 - 0x80));
  conts = _mm_and_si128(_mm_or_si128(third, fourth), _mm_set1_epi8((char)0x80));
  return _mm_xor_si128(conts, pair);
}

SSSE3 static inline __m128i load(const void *p) {
  return _mm_loadu_si128(p);
}

SSSE3 static inline bool is_zero(__m128i v) {
  return _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128())) == 0xffff;
}

/* Bytes in whole steps of 64 that begin no error, from the front. */
SSSE3 static size_t steps(const unsigned char *p, size_t len) {
  struct tables t;
  __m128i before = _mm_setzero_si128();
  bool was_ascii = true;
  size_t i = 0;
  t.first_high = load(first_high);
  t.first_low = load(first_low);
  t.second_high = load(second_high);
  for (; len - i >= 64; i += 64) {
    __m128i a = load(p + i), b = load(p + i + 16);
    __m128i c = load(p + i + 32), d = load(p + i + 48);
    __m128i bad;
    if (_mm_movemask_epi8(
            _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))) == 0) {
      if (was_ascii)
        continue; /* |before| is ASCII, and any will do */
      /* Only the end of what came before can be wrong. */
      was_ascii = true;
      bad = wrong(&t, a, before);
    } else {
      was_ascii = false;
      bad = _mm_or_si128(_mm_or_si128(wrong(&t, a, before), wrong(&t, b, a)),
                         _mm_or_si128(wrong(&t, c, b), wrong(&t, d, c)));
    }
    if (!is_zero(bad))
      break;
    before = d;
  }
  return i;
}

size_t utf8_bulk(const unsigned char *p, size_t len) {
  size_t n;
  if (len < 64 || !__builtin_cpu_supports("ssse3"))
    return 0;
  n = steps(p, len);
  /* The last character may go on behind the last step, or be found wrong only
   * there: at most three bytes and a lead. */
  for (size_t i = 1; i <= 4 && i <= n; i++)
    if (p[n - i] < 0x80)
      return n - i + 1;
    else if (p[n - i] >= 0xc0)
      return n - i;
  return n < 4 ? 0 : n - 4;
}

#else

size_t utf8_bulk(const unsigned char *p, size_t len) {
  (void)p;
  (void)len;
  return 0;
}

#endif
