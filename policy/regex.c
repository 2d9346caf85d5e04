/* regex.c - the expressions of a set of policies: bounds, messages, life. */
#include "policy/regex.h"

#if CORDON_HAVE_RE2
#include "policy/regex_re2.h"
#include "runtime/base/gate.h"
#include "runtime/base/part.h"
#endif

struct regex {
  struct regex *older;
  struct slice source;
#if CORDON_HAVE_RE2
  const struct regex_calls *calls;
  void *re2;
#endif
};

struct slice regex_source(const struct regex *re) {
  return re->source;
}

#if CORDON_HAVE_RE2

bool regex_supported(void) {
  return true;
}

int regex_check(struct err *e) {
  return part_get(PART_REGEX, e) ? 0 : ERR_SYSTEM;
}

int regex_compile(const struct regex **ret, struct slice pattern,
                  struct regex_pool *pool, struct arena *a, struct err *e) {
  struct regex *re;
  char message[256];

  if (pattern.len > REGEX_MAX_BYTES)
    return err_setf(e, ERR_SYNTAX,
                    "regular expression is too long, expected at most %d bytes",
                    REGEX_MAX_BYTES);
  if (!(re = arena_zalloc(a, sizeof *re)) ||
      !(re->source.p = arena_strndup(a, pattern.p, pattern.len)))
    return err_set(e, ERR_NOMEM);
  re->source.len = pattern.len;
  if (!(re->calls = part_get(PART_REGEX, NULL))) /* paths: not for scripts */
    return err_setf(e, ERR_SYSTEM,
                    "RE2 cannot be loaded here ('cordon doctor' tells why)");
  re->re2 = re->calls->re2_new(re->source.p, pattern.len, REGEX_MAX_MEMORY,
                               message, sizeof message);
  if (!re->re2 && !message[0])
    return err_set(e, ERR_NOMEM);
  if (!re->re2)
    return err_setf(e, ERR_SYNTAX, "bad regular expression '%.*s': %s",
                    (int)(pattern.len > 64 ? 64 : pattern.len), pattern.p,
                    message);
  re->older = pool->newest;
  pool->newest = re;
  *ret = re;
  return 0;
}

void regex_pool_deinit(struct regex_pool *pool) {
  for (struct regex *re = pool->newest; re; re = re->older)
    re->calls->re2_free(re->re2);
  pool->newest = NULL;
}

size_t regex_size(const struct regex *re) {
  return re->calls->re2_size(re->re2);
}

int regex_search(const struct regex *re, struct slice text) {
  int rv;

  gate_check(); /* the library locks */
  rv = re->calls->re2_search(re->re2, text.len ? text.p : "", text.len);
  return rv < 0 ? ERR_NOMEM : rv;
}

#else

bool regex_supported(void) {
  return false;
}

int regex_check(struct err *e) {
  return err_setf(e, ERR_UNSUPPORTED,
                  "regular expressions are not there: built without RE2");
}

int regex_compile(const struct regex **ret, struct slice pattern,
                  struct regex_pool *pool, struct arena *a, struct err *e) {
  (void)ret;
  (void)pattern;
  (void)pool;
  (void)a;
  return regex_check(e);
}

void regex_pool_deinit(struct regex_pool *pool) {
  (void)pool;
}

size_t regex_size(const struct regex *re) {
  (void)re;
  return 0;
}

int regex_search(const struct regex *re, struct slice text) {
  (void)re;
  (void)text;
  return ERR_NOMEM; /* nothing was compiled */
}

#endif
