/* crew_reload.c - a manifest that is read again while its workloads run. */
#include "cli/crew_inside.h"

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/run_report.h"
#include "cli/signals.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define CONNECTIONS_DEFAULT 64 /* as cordon_limits says */
#define OWN_DESCRIPTORS 64

static bool same_text(const char *a, const char *b) {
  return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_words(const char *const *a, size_t n, const char *const *b,
                       size_t m) {
  if (n != m)
    return false;
  for (size_t i = 0; i < n; i++)
    if (strcmp(a[i], b[i]) != 0)
      return false;
  return true;
}

/* Would a run begun now be the one that was begun then?  What is in force for
 * it is not asked: policies can be changed under a run. */
static bool same_run(const struct manifest_script *a,
                     const struct manifest_script *b) {
  const cordon_workload *x = a->workload, *y = b->workload;
  return strcmp(x->source, y->source) == 0 && a->len == b->len &&
         (a->len == 0 || memcmp(a->text, b->text, a->len) == 0) &&
         same_text(x->method, y->method) &&
         same_words(x->args, x->args_len, y->args, y->args_len) &&
         same_words(x->modules, x->modules_len, y->modules, y->modules_len) &&
         same_text(x->actor_id, y->actor_id) &&
         same_text(x->actor_meta_json, y->actor_meta_json) &&
         same_words(x->scope, x->scope_len, y->scope, y->scope_len) &&
         memcmp(&x->limits, &y->limits, sizeof x->limits) == 0;
}

static struct member *find_member(const struct crew *c, const char *name) {
  for (size_t i = 0; i < c->n; i++)
    if (strcmp(c->members[i]->script->workload->name, name) == 0)
      return c->members[i];
  return NULL;
}

/* Who had the name before it was in no manifest, and still ends. */
static struct member *find_retired(const struct crew *c, const char *name) {
  for (size_t i = c->nretired; i-- > 0;)
    if (member_lives(c->retired[i]) &&
        strcmp(c->retired[i]->script->workload->name, name) == 0)
      return c->retired[i];
  return NULL;
}

static void member_retire(struct crew *c, struct member *m) {
  m->gone = true;
  if (m->state == MEMBER_WAITING) /* its time may have come just now */
    m->state = MEMBER_ENDED;
  member_cancel(m);
  c->retired =
      must_resize(c->retired, c->nretired + 1, sizeof(struct member *));
  c->retired[c->nretired++] = m;
}

/* Who was to wait for |m| waits for whom |m| was to wait for, if it never
 * began. */
static void hand_on(struct crew *c, const struct member *m) {
  for (size_t i = 0; i < c->n; i++)
    if (c->members[i]->after == m)
      c->members[i]->after = m->after;
  for (size_t i = 0; i < c->nretired; i++)
    if (c->retired[i]->after == m)
      c->retired[i]->after = m->after;
}

void crew_drop_retired(struct crew *c) {
  size_t kept = 0;
  for (size_t i = 0; i < c->nretired; i++)
    if (!member_lives(c->retired[i]))
      hand_on(c, c->retired[i]);
  for (size_t i = 0; i < c->nretired; i++) {
    struct member *m = c->retired[i];
    if (member_lives(m))
      c->retired[kept++] = m;
    else
      member_free(m);
  }
  c->nretired = kept;
  for (struct generation **at = &c->newest->older; *at;) {
    struct generation *g = *at;
    bool used = false;
    for (size_t i = 0; i < c->nretired; i++)
      used |= c->retired[i]->generation == g;
    if (used) {
      at = &g->older;
      continue;
    }
    *at = g->older;
    manifest_deinit(&g->files);
    free(g);
  }
}

/* Descriptors for as many connections as may be, if the system has them: of one
 * that is relayed two are ours. */
void crew_make_room(const struct crew *c) {
  uint64_t want = OWN_DESCRIPTORS;
  struct rlimit l;
  for (size_t i = 0; i < c->n; i++) {
    uint64_t n = c->members[i]->script->workload->limits.connections;
    want += 2 * (n ? n : CONNECTIONS_DEFAULT) + 8;
  }
  if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur == RLIM_INFINITY ||
      l.rlim_cur >= want)
    return;
  l.rlim_cur =
      l.rlim_max != RLIM_INFINITY && want > l.rlim_max ? l.rlim_max : want;
  (void)setrlimit(RLIMIT_NOFILE, &l);
}

struct tally {
  size_t started, stopped, restarted, kept;
};

static void crew_take(struct crew *c, struct generation *g, struct tally *t) {
  size_t n = g->files.n;
  struct member **members = must_alloc(n, sizeof(struct member *));
  for (size_t i = 0; i < n; i++) {
    struct manifest_script *s = &g->files.scripts[i];
    struct member *old = find_member(c, s->workload->name);
    if (old && same_run(old->script, s) &&
        modules_seen_same(&old->seen, &s->modules, c->watch)) {
      member_keep(old, g, s);
      members[i] = old;
      t->kept++;
      continue;
    }
    members[i] = member_new(c, g, s);
    members[i]->after = old ? old : find_retired(c, s->workload->name);
    if (old)
      t->restarted++;
    else
      t->started += s->workload->auto_start != 0;
  }
  for (size_t i = 0; i < c->n; i++) {
    struct member *m = c->members[i];
    bool replaced = false;
    if (m->generation == g)
      continue; /* kept */
    for (size_t k = 0; k < n; k++)
      replaced |= members[k]->after == m;
    t->stopped += !replaced && member_lives(m);
    member_retire(c, m);
  }
  free(c->members);
  c->members = members;
  c->n = n;
  crew_make_room(c);
  g->older = c->newest;
  c->newest = g;
}

void crew_reload(struct crew *c) {
  struct generation *g = must_alloc(1, sizeof *g);
  struct tally t = {0};
  reload_asked = 0;
  c->told_idle = false;
  if (c->watch)
    watch_reset(c->watch);
  if (manifest_load(&g->files, c->setup->script, &c->setup->subject.policy,
                    c->watch) != STATUS_OK) {
    free(g);
    say("reload: the old manifest and the old policies stay in force");
    crew_event_reloaded(&c->events, false, 0, 0, 0, 0);
    return;
  }
  crew_take(c, g, &t);
  crew_event_reloaded(&c->events, true, t.started, t.stopped, t.restarted,
                      t.kept);
  if (!c->setup->quiet)
    say("reload: %zu started, %zu stopped, %zu restarted, %zu go on under the "
        "new policies",
        t.started, t.stopped, t.restarted, t.kept);
}
