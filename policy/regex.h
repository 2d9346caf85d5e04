/* regex.h - regular expressions in RE2's syntax: compiled at load, matched in
 * linear time.  RE2 lives behind this header and nothing else knows it. */
#ifndef POLICY_REGEX_H
#define POLICY_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

/* Of the pattern; and what one of them may hold, program and cache of states
 * together.  RE2 takes that memory from the C library: the program at load, the
 * states lazily while matching, never more than this; when the cache is full or
 * memory is short it starts anew or takes its slower, still linear road. */
#define REGEX_MAX_BYTES 1024
#define REGEX_MAX_MEMORY (256 * 1024)

struct regex;

/* The expressions of a set of policies, freed together.  Zeroed: none. */
struct regex_pool {
  struct regex *newest;
};

/* True if this build has RE2. */
bool regex_supported(void);
/* And if it can be loaded: 0, ERR_UNSUPPORTED or ERR_SYSTEM, with |e|. */
int regex_check(struct err *e);

/* Compiles |pattern|; |*ret| belongs to |pool|, its bookkeeping to |a|.  0;
 * ERR_SYNTAX with a message that says what is wrong; ERR_UNSUPPORTED ("built
 * without RE2"); ERR_SYSTEM (RE2 cannot be loaded); ERR_NOMEM. */
int regex_compile(const struct regex **ret, struct slice pattern,
                  struct regex_pool *pool, struct arena *a, struct err *e);
/* Before the arena goes. */
void regex_pool_deinit(struct regex_pool *pool);

/* Is |re| found somewhere in |text|, which must be UTF-8?  1, 0, or ERR_NOMEM.
 * Any thread, several at a time: RE2 locks its cache of states. */
int regex_search(const struct regex *re, struct slice text);

struct slice regex_source(const struct regex *re);

/* How many instructions it has, about: times the bytes of a text, what a search
 * takes at most.  0: not known. */
size_t regex_size(const struct regex *re);

#endif
