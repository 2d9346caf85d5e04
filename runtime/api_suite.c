/* api_suite.c - the public functions about policy tests. */
#include "policy/suite.h"
#include "runtime/api.h"

/* Of what one test can say: each expectation has a few lines. */
#define WHY_MAX_BYTES ((size_t)64 << 20)

static struct suite *inside(const cordon_suite *suite) {
  return (struct suite *)(void *)(uintptr_t)suite;
}

static int fail(cordon_error *out, int rv) {
  struct err e;
  err_set(&e, rv);
  return api_error(out, &e);
}

int cordon_suite_new(cordon_suite **ret_suite, const cordon_source *source,
                     const cordon_allocator *alloc, cordon_mistake_fn *fn,
                     void *ud, cordon_error *reterr) {
  struct mem m =
      alloc && alloc->fn ? (struct mem){alloc->fn, alloc->ud} : mem_libc;
  struct api_mistakes out = {.fn = fn, .ud = ud};
  struct suite *s;
  int rv;
  if (!ret_suite || !source || (!source->text && source->len_bytes > 0))
    return api_invalid(reterr, "ret_suite and source are required");
  rv = suite_new(&s, source->name ? source->name : "?",
                 (struct slice){source->text, source->len_bytes},
                 &tree_limits_default, &m, api_mistake, &out);
  if (rv != 0)
    return api_mistakes_result(rv, &out, reterr);
  *ret_suite = (cordon_suite *)(void *)s;
  return CORDON_OK;
}

void cordon_suite_free(cordon_suite *suite) {
  suite_free(inside(suite));
}

static void place(const struct tree_pos *pos, uint32_t *ret_line,
                  uint32_t *ret_column) {
  if (ret_line)
    *ret_line = pos->line;
  if (ret_column)
    *ret_column = pos->column;
}

const char *cordon_suite_path(const cordon_suite *suite, size_t i,
                              uint32_t *ret_line, uint32_t *ret_column) {
  const struct suite_word *w;
  if (!suite || i >= suite_paths(inside(suite)))
    return NULL;
  w = suite_path(inside(suite), i);
  place(&w->pos, ret_line, ret_column);
  return w->text.p;
}

const char *cordon_suite_test(const cordon_suite *suite, size_t i,
                              uint32_t *ret_line, uint32_t *ret_column) {
  const struct suite_word *w;
  if (!suite || i >= suite_len(inside(suite)))
    return NULL;
  w = &suite_at(inside(suite), i)->name;
  place(&w->pos, ret_line, ret_column);
  return w->text.p;
}

int cordon_suite_bind(cordon_suite *suite, cordon_policy *policy,
                      cordon_mistake_fn *fn, void *ud, cordon_error *reterr) {
  struct api_mistakes out = {.fn = fn, .ud = ud};
  if (!suite || !policy)
    return api_invalid(reterr, "suite and policy are required");
  return api_mistakes_result(suite_bind(inside(suite),
                                        (struct policy_set *)(void *)policy,
                                        api_mistake, &out),
                             &out, reterr);
}

int cordon_suite_run(cordon_suite *suite, size_t i, size_t *ret_asked,
                     size_t *ret_failed, cordon_write_fn *write, void *ud,
                     cordon_error *reterr) {
  struct suite *s = inside(suite);
  size_t failed;
  struct buf why;
  int rv;
  if (!s || !suite_set(s) || i >= suite_len(s))
    return api_invalid(reterr,
                       "a bound suite and one of its tests are required");
  buf_init(&why, suite_mem(s), WHY_MAX_BYTES);
  rv = suite_run(s, i, &failed, &why);
  if (rv == 0 && write && why.len > 0)
    write(ud, (const char *)buf_bytes(&why), why.len);
  buf_deinit(&why);
  if (rv != 0)
    return fail(reterr, rv);
  if (ret_asked)
    *ret_asked = suite_at(s, i)->nexpectations;
  if (ret_failed)
    *ret_failed = failed;
  return CORDON_OK;
}

struct cover_out {
  void (*fn)(void *ud, const cordon_cover *cover);
  void *ud;
};

static void on_cover(void *ud, const struct suite_cover *c) {
  const struct cover_out *out = ud;
  cordon_cover told = {.kind = CORDON_COVER_POLICY,
                       .policy_id = c->policy->id.p,
                       .file = c->policy->file,
                       .line = c->pos.line,
                       .column = c->pos.column,
                       .text = c->text,
                       .yes = c->yes,
                       .no = c->no,
                       .error = c->error};
  switch (c->kind) {
  case SUITE_COVER_POLICY:
    break;
  case SUITE_COVER_RULE:
    told.kind = CORDON_COVER_RULE;
    break;
  case SUITE_COVER_CONDITION:
    told.kind = CORDON_COVER_CONDITION;
    break;
  }
  out->fn(out->ud, &told);
}

int cordon_suite_coverage(const cordon_suite *suite,
                          void (*fn)(void *ud, const cordon_cover *cover),
                          void *ud, cordon_error *reterr) {
  struct cover_out out = {fn, ud};
  int rv;
  if (!suite || !fn || !suite_set(inside(suite)))
    return api_invalid(reterr, "a bound suite and fn are required");
  rv = suite_coverage(inside(suite), on_cover, &out);
  return rv == 0 ? CORDON_OK : fail(reterr, rv);
}

struct mutant_out {
  void (*fn)(void *ud, const cordon_mutant *mutant);
  void *ud;
};

static void on_mutant(void *ud, const struct suite_mutant *m) {
  const struct mutant_out *out = ud;
  cordon_mutant told = {.policy_id = m->policy->id.p,
                        .file = m->policy->file,
                        .line = m->pos.line,
                        .column = m->pos.column,
                        .change = m->change,
                        .noticed = m->noticed ? m->noticed->name.text.p : NULL,
                        .witness = m->witness};
  out->fn(out->ud, &told);
}

int cordon_suite_mutate(cordon_suite *suite,
                        void (*fn)(void *ud, const cordon_mutant *mutant),
                        void *ud, cordon_error *reterr) {
  struct mutant_out out = {fn, ud};
  int rv;
  if (!suite || !fn || !suite_set(inside(suite)))
    return api_invalid(reterr, "a bound suite and fn are required");
  rv = suite_mutate(inside(suite), on_mutant, &out);
  return rv == 0 ? CORDON_OK : fail(reterr, rv);
}
