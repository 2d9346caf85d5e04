/* regex_re2.h - the C side of RE2; for regex.c and regex_part.c alone. */
#ifndef POLICY_REGEX_RE2_H
#define POLICY_REGEX_RE2_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A compiled expression to free with regex_re2_free.  NULL: it is wrong, and
 * why is in |message|; or, |message| being empty, there is no memory. */
void *regex_re2_new(const char *pattern, size_t len, int64_t max_memory,
                    char *message, size_t message_cap);
void regex_re2_free(void *re2);
size_t regex_re2_size(const void *re2); /* instructions; 0: not known */
/* 1: found; 0: not; -1: no memory */
int regex_re2_search(const void *re2, const char *text, size_t len);

/* All of them, as PART_REGEX has them. */
struct regex_calls {
  void *(*re2_new)(const char *pattern, size_t len, int64_t max_memory,
                   char *message, size_t message_cap);
  void (*re2_free)(void *re2);
  size_t (*re2_size)(const void *re2);
  int (*re2_search)(const void *re2, const char *text, size_t len);
};

#ifdef __cplusplus
}
#endif

#endif
