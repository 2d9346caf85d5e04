/* api_manifest.c - the public functions about manifests. */
#include "policy/manifest.h"
#include "runtime/api.h"

#include <string.h>

struct cordon_manifest {
  struct manifest *inside;
  struct arena arena; /* the workloads as they are shown */
  cordon_workload *workloads;
  size_t n;
};

static cordon_restart restart_of(enum manifest_restart r) {
  switch (r) {
  case MANIFEST_RESTART_NEVER:
    return CORDON_RESTART_NEVER;
  case MANIFEST_RESTART_ON_FAILURE:
    return CORDON_RESTART_ON_FAILURE;
  case MANIFEST_RESTART_ALWAYS:
    return CORDON_RESTART_ALWAYS;
  }
  return CORDON_RESTART_NEVER;
}

static int show(struct cordon_manifest *mf, const struct manifest_workload *w,
                cordon_workload *ret) {
  static const char *const none[] = {NULL};
  const char **scope = arena_array(&mf->arena, w->nscope, sizeof *scope);
  if (!scope)
    return ERR_NOMEM;
  for (size_t i = 0; i < w->nscope; i++)
    scope[i] = w->scope[i].text.p;
  *ret = (cordon_workload){
      .struct_size = sizeof *ret,
      .name = w->name.text.p,
      .line = w->name.pos.line,
      .column = w->name.pos.column,
      .source = w->source.text.p,
      .source_line = w->source.pos.line,
      .source_column = w->source.pos.column,
      .method = w->method.text.p,
      .args = w->args,
      .args_len = w->nargs,
      .modules = w->modules ? w->modules : none,
      .modules_len = w->nmodules,
      .modules_line = w->modules_line,
      .auto_start = w->auto_start,
      .actor_id = w->actor.text.p,
      .actor_meta_json = w->actor_meta,
      .scope = scope,
      .scope_len = w->nscope,
      .limits = {.memory_bytes = w->limits.memory_bytes,
                 .cpu_ms = w->limits.cpu_ms,
                 .deadline_ms = w->limits.deadline_ms,
                 .tasks = w->limits.tasks,
                 .timers = w->limits.timers,
                 .connections = w->limits.connections,
                 .connects_per_minute = w->limits.connects_per_minute,
                 .output_bytes = w->limits.output_bytes},
      .restart = restart_of(w->restart),
      .restart_delay_ms = w->delay_ms,
      .restart_delay_max_ms = w->delay_max_ms,
      .restart_tries = w->tries,
      .stable_ms = w->stable_ms,
      .depends_on = w->depends_on,
      .depends_on_len = w->ndepends_on};
  return 0;
}

static int show_all(struct cordon_manifest *mf) {
  size_t n = manifest_len(mf->inside);
  int rv = 0;
  mf->workloads = arena_array(&mf->arena, n, sizeof *mf->workloads);
  if (!mf->workloads)
    return ERR_NOMEM;
  for (; mf->n < n && rv == 0; mf->n++)
    rv = show(mf, manifest_at(mf->inside, mf->n), &mf->workloads[mf->n]);
  return rv;
}

int cordon_manifest_new(cordon_manifest **ret_manifest,
                        const cordon_source *source,
                        const cordon_allocator *alloc, cordon_mistake_fn *fn,
                        void *ud, cordon_error *reterr) {
  struct mem m = api_mem(alloc);
  struct api_mistakes out = {.fn = fn, .ud = ud};
  struct cordon_manifest *mf;
  int rv;
  if (!ret_manifest || !source || (!source->text && source->len_bytes > 0))
    return api_invalid(reterr, "ret_manifest and source are required");
  mf = mem_zalloc(&m, sizeof *mf);
  if (!mf)
    return api_mistakes_result(ERR_NOMEM, &out, reterr);
  arena_init(&mf->arena, &m, SIZE_MAX);
  rv = manifest_new(&mf->inside, source->name ? source->name : "?",
                    (struct slice){source->text, source->len_bytes},
                    &tree_limits_default, &m, api_mistake, &out);
  if (rv == 0)
    rv = show_all(mf);
  if (rv != 0) {
    cordon_manifest_free(mf);
    return api_mistakes_result(rv, &out, reterr);
  }
  *ret_manifest = mf;
  return CORDON_OK;
}

void cordon_manifest_free(cordon_manifest *manifest) {
  struct mem m;
  if (!manifest)
    return;
  m = manifest->arena.mem;
  manifest_free(manifest->inside);
  arena_deinit(&manifest->arena);
  mem_free(&m, manifest, sizeof *manifest);
}

int cordon_manifest_check(const cordon_manifest *manifest,
                          cordon_policy *policy, cordon_mistake_fn *fn,
                          void *ud, cordon_error *reterr) {
  struct policy_set *set = (struct policy_set *)(void *)policy;
  struct api_mistakes out = {.fn = fn, .ud = ud};
  if (!manifest || !policy)
    return api_invalid(reterr, "manifest and policy are required");
  if (!policy_set_is_finished(set))
    return api_invalid(reterr, "the policy set is not finished");
  return api_mistakes_result(
      manifest_check(manifest->inside, set, api_mistake, &out), &out, reterr);
}

const cordon_workload *cordon_manifest_at(const cordon_manifest *manifest,
                                          size_t i) {
  return manifest && i < manifest->n ? &manifest->workloads[i] : NULL;
}
