/* manifest.c - manifests: a tree of YAML nodes to workloads, in the order in
 * which they are started.  One that is not understood never runs, for then its
 * file does not load. */
#include "policy/manifest.h"

#include "policy/mistakes.h"
#include "policy/parse.h"
#include "runtime/base/buf.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES 4096
#define NAME_MAX_BYTES 128
#define META_MAX_BYTES ((size_t)1 << 20) /* as JSON */
#define MINUTE_MS 60000u
#define YEAR_MS ((uint64_t)365 * 24 * 60 * MINUTE_MS)
#define DELAY_MS 1000
#define DELAY_MAX_MS MINUTE_MS
#define TRIES 5
#define STABLE_MS 10000

struct manifest {
  struct mem mem;
  struct arena arena;
  const char *name;
  struct manifest_workload *workloads;
  size_t n;
};

/* What only the parser knows about a workload. */
struct draft {
  struct manifest_workload w;
  struct manifest_word *needs; /* the names in depends_on */
  size_t nneeds;
  enum { UNSEEN, OPEN, PLACED } state; /* while they are put in order */
};

struct parser {
  struct mistakes ms;
  struct arena *keep;
  struct arena *scratch;
  struct slice ns; /* p NULL: a mistake */
  struct draft *drafts;
  const char **names; /* of the drafts; ends with NULL */
  size_t n;
};

/* ---------------------------------------------------------------- words --- */

static void *array(struct parser *ps, size_t n, size_t size) {
  void *p = arena_array(ps->keep, n, size);

  if (!p)
    ps->ms.nomem = true;
  return p;
}

/* A copy that outlives the tree. */
static bool keep_text(struct parser *ps, struct slice s, struct slice *ret) {
  char *p = arena_strndup(ps->keep, s.len ? s.p : "", s.len);

  if (!p) {
    ps->ms.nomem = true;
    return false;
  }
  *ret = (struct slice){p, s.len};
  return true;
}

/* A string that is not empty. */
static bool read_word(struct parser *ps, const struct tree_item *item,
                      const char *what, size_t max, struct manifest_word *ret) {
  if (!mistakes_is_string(&ps->ms, item, what, max))
    return false;
  if (item->value->text.len == 0) {
    mistakes_add(&ps->ms, item->pos, "%s is empty, expected a text", what);
    return false;
  }
  ret->pos = item->pos;
  return keep_text(ps, item->value->text, &ret->text);
}

static bool is_list(struct parser *ps, const struct tree_item *item,
                    const char *what) {
  if (item->value->kind == TREE_LIST && !item->value->tagged)
    return true;
  mistakes_add(&ps->ms, item->pos, "'%s' is %s, expected a list", what,
               tree_describe(item->value));
  return false;
}

static bool is_map(struct parser *ps, const struct tree_item *item,
                   const char *what, const char *like) {
  if (item->value->kind == TREE_MAP)
    return true;
  mistakes_add(&ps->ms, item->pos, "'%s' is %s, expected a map like %s", what,
               tree_describe(item->value), like);
  return false;
}

/* Which of |words| the string is; false after a mistake. */
static bool read_choice(struct parser *ps, const struct tree_item *item,
                        const char *what, const char *const *words, int *ret) {
  if (!mistakes_is_string(&ps->ms, item, what, TEXT_MAX_BYTES))
    return false;
  for (int i = 0; words[i]; i++)
    if (slice_is(item->value->text, words[i])) {
      *ret = i;
      return true;
    }
  mistakes_unknown(&ps->ms, item->pos, what, item->value->text, words);
  return false;
}

static void read_bool(struct parser *ps, const struct tree_item *item,
                      const char *what, bool *ret) {
  const struct tree_node *n = item->value;

  if (n->kind == TREE_SCALAR && n->type == TREE_BOOL && !n->tagged)
    *ret = ascii_lower(n->text.p[0]) == 't';
  else
    mistakes_add(&ps->ms, item->pos, "'%s' is %s, expected true or false", what,
                 tree_describe(n));
}

/* --------------------------------------------------------------- numbers ---
 */

static bool is_plain(const struct tree_node *n) {
  return n->kind == TREE_SCALAR && !n->tagged &&
         (n->type == TREE_INT || n->type == TREE_STRING);
}

static void bad_number(struct parser *ps, const struct tree_item *item,
                       const char *what, const char *form) {
  const struct tree_node *n = item->value;

  if (n->kind == TREE_SCALAR)
    mistakes_add(&ps->ms, item->pos, "'%s' is '%.*s', expected %s", what,
                 MISTAKES_SHOWN(n->text), form);
  else
    mistakes_add(&ps->ms, item->pos, "'%s' is %s, expected %s", what,
                 tree_describe(n), form);
}

static void read_count(struct parser *ps, const struct tree_item *item,
                       const char *what, uint64_t min, uint64_t *ret) {
  uint64_t v;

  if (is_plain(item->value) &&
      str_u64(item->value->text, UINT32_MAX, &v) == 0 && v >= min)
    *ret = v;
  else
    bad_number(ps, item, what,
               min ? "a whole number from 1 on" : "a whole number");
}

static void read_size(struct parser *ps, const struct tree_item *item,
                      const char *what, uint64_t *ret) {
  uint64_t v;

  if (is_plain(item->value) && str_size(item->value->text, &v) == 0 && v > 0 &&
      v < UINT64_MAX)
    *ret = v;
  else
    bad_number(ps, item, what, "a size such as 64MiB, 10MB or 4096");
}

/* A plain number would leave people guessing at its unit. */
static void read_duration(struct parser *ps, const struct tree_item *item,
                          const char *what, uint64_t *ret) {
  int64_t ns;

  if (is_plain(item->value) && str_duration(item->value->text, &ns) == 0 &&
      ns > 0 && (uint64_t)ns / 1000000 < YEAR_MS)
    *ret = (uint64_t)(ns + 999999) / 1000000;
  else
    bad_number(ps, item, what, "a duration such as 10s, 1m30s or 500ms");
}

enum {
  LIMIT_MEMORY,
  LIMIT_CPU,
  LIMIT_DEADLINE,
  LIMIT_TASKS,
  LIMIT_TIMERS,
  LIMIT_CONNECTIONS,
  LIMIT_CONNECTS,
  LIMIT_OUTPUT,
  LIMIT_KEYS
};
static const char *const limit_keys[] = {"memory",
                                         "cpu",
                                         "deadline",
                                         "tasks",
                                         "timers",
                                         "connections",
                                         "connects_per_minute",
                                         "output",
                                         NULL};

static void read_limits(struct parser *ps, const struct tree_item *item,
                        struct manifest_limits *l) {
  const struct tree_item *at[LIMIT_KEYS];
  uint64_t *const counts[LIMIT_KEYS] = {[LIMIT_TASKS] = &l->tasks,
                                        [LIMIT_TIMERS] = &l->timers,
                                        [LIMIT_CONNECTIONS] = &l->connections,
                                        [LIMIT_CONNECTS] =
                                            &l->connects_per_minute};

  if (!is_map(ps, item, "limits", "{memory: 64MiB, cpu: 10s}"))
    return;
  mistakes_read_keys(&ps->ms, item->value, limit_keys, at);
  if (at[LIMIT_MEMORY])
    read_size(ps, at[LIMIT_MEMORY], "memory", &l->memory_bytes);
  if (at[LIMIT_OUTPUT])
    read_size(ps, at[LIMIT_OUTPUT], "output", &l->output_bytes);
  if (at[LIMIT_CPU])
    read_duration(ps, at[LIMIT_CPU], "cpu", &l->cpu_ms);
  if (at[LIMIT_DEADLINE])
    read_duration(ps, at[LIMIT_DEADLINE], "deadline", &l->deadline_ms);
  for (int k = 0; k < LIMIT_KEYS; k++)
    if (at[k] && counts[k])
      read_count(ps, at[k], limit_keys[k], 1, counts[k]);
}

/* -------------------------------------------------------------- security ---
 */

static const char *meta_json(struct parser *ps, const struct tree_item *item) {
  struct value v;
  struct buf out;
  struct slice kept = {NULL, 0};
  struct err e;
  int rv = tree_to_value(&v, item->value, ps->scratch, &e);

  if (rv == ERR_SYNTAX)
    mistakes_add(&ps->ms,
                 e.line ? (struct tree_pos){e.line, e.column} : item->pos, "%s",
                 e.message);
  if (rv == ERR_NOMEM)
    ps->ms.nomem = true;
  if (rv != 0)
    return NULL;
  buf_init(&out, ps->ms.mem, META_MAX_BYTES);
  rv = value_write_json(&v, &out);
  if (rv == 0)
    keep_text(ps, buf_slice(&out), &kept);
  else if (rv == ERR_NOMEM)
    ps->ms.nomem = true;
  else
    mistakes_add(&ps->ms, item->pos, "'meta' cannot be written as JSON: %s",
                 err_text(rv));
  buf_deinit(&out);
  return kept.p;
}

enum { ACTOR_ID, ACTOR_META, ACTOR_KEYS };
static const char *const actor_keys[] = {"id", "meta", NULL};

static void read_actor(struct parser *ps, const struct tree_item *item,
                       struct manifest_workload *w) {
  const struct tree_item *at[ACTOR_KEYS];
  const struct tree_node *meta;

  if (!is_map(ps, item, "actor", "{id: ..., meta: {...}}"))
    return;
  mistakes_read_keys(&ps->ms, item->value, actor_keys, at);
  if (!at[ACTOR_ID])
    mistakes_add(&ps->ms, item->pos, "actor without an id, expected 'id'");
  else
    read_word(ps, at[ACTOR_ID], "id", TEXT_MAX_BYTES, &w->actor);
  if (!at[ACTOR_META])
    return;
  meta = at[ACTOR_META]->value;
  if (meta->kind == TREE_SCALAR && meta->type == TREE_NULL)
    return;
  if (is_map(ps, at[ACTOR_META], "meta", "{role: reader}"))
    w->actor_meta = meta_json(ps, at[ACTOR_META]);
}

/* "name" of this file or "ns:name", always kept as the latter. */
static bool read_id(struct parser *ps, const struct tree_item *item,
                    const char *what, struct manifest_word *ret) {
  struct slice s, ns = ps->ns, name;
  const char *colon;
  char *p;

  if (!mistakes_is_string(&ps->ms, item, what, TEXT_MAX_BYTES))
    return false;
  s = name = item->value->text;
  if (s.len && (colon = memchr(s.p, ':', s.len)) != NULL) {
    ns = (struct slice){s.p, (size_t)(colon - s.p)};
    name = (struct slice){colon + 1, s.len - ns.len - 1};
  }
  if (!parse_is_name(name) || (ns.p && !parse_is_name(ns))) {
    mistakes_add(&ps->ms, item->pos,
                 "bad %s '%.*s', expected 'name' or 'ns:name'; a name "
                 "is " PARSE_NAME_RULE,
                 what, MISTAKES_SHOWN(s));
    return false;
  }
  if (!ns.p)
    return false; /* the file has no namespace, which is told */
  if (!(p = arena_alloc(ps->keep, ns.len + name.len + 2))) {
    ps->ms.nomem = true;
    return false;
  }
  memcpy(p, ns.p, ns.len);
  p[ns.len] = ':';
  memcpy(p + ns.len + 1, name.p, name.len);
  p[ns.len + 1 + name.len] = '\0';
  *ret = (struct manifest_word){{p, ns.len + 1 + name.len}, item->pos};
  return true;
}

enum { SECURITY_ACTOR, SECURITY_POLICIES, SECURITY_GROUPS, SECURITY_KEYS };
static const char *const security_keys[] = {"actor", "policies", "groups",
                                            NULL};

static void read_security(struct parser *ps, const struct tree_item *item,
                          struct manifest_workload *w) {
  const struct tree_item *at[SECURITY_KEYS];
  size_t total = 0;

  if (!is_map(ps, item, "security", "{actor: {id: ...}, groups: [...]}"))
    return;
  mistakes_read_keys(&ps->ms, item->value, security_keys, at);
  if (at[SECURITY_ACTOR])
    read_actor(ps, at[SECURITY_ACTOR], w);
  for (int k = SECURITY_POLICIES; k <= SECURITY_GROUPS; k++) {
    if (at[k] && !is_list(ps, at[k], security_keys[k]))
      at[k] = NULL;
    total += at[k] ? at[k]->value->len : 0;
  }
  if (!(w->scope = array(ps, total, sizeof *w->scope)))
    return;
  for (int k = SECURITY_POLICIES; k <= SECURITY_GROUPS; k++)
    for (size_t i = 0; at[k] && i < at[k]->value->len && !ps->ms.nomem; i++)
      if (read_id(ps, &at[k]->value->items[i],
                  k == SECURITY_POLICIES ? "policy" : "group",
                  &w->scope[w->nscope]))
        w->nscope++;
}

/* ------------------------------------------------------------- lifecycle ---
 */

enum {
  RESTART_POLICY,
  RESTART_DELAY,
  RESTART_DELAY_MAX,
  RESTART_TRIES,
  RESTART_KEYS
};
static const char *const restart_keys[] = {"policy", "initial_delay",
                                           "max_delay", "max_attempts", NULL};
/* As enum manifest_restart. */
static const char *const restart_words[] = {"never", "on-failure", "always",
                                            NULL};

static void read_restart(struct parser *ps, const struct tree_item *item,
                         struct manifest_workload *w) {
  const struct tree_item *at[RESTART_KEYS];
  int choice;

  if (item->value->kind != TREE_MAP) {
    if (read_choice(ps, item, "restart", restart_words, &choice))
      w->restart = (enum manifest_restart)choice;
    return;
  }
  mistakes_read_keys(&ps->ms, item->value, restart_keys, at);
  w->restart = MANIFEST_RESTART_ON_FAILURE; /* delays mean that it restarts */
  if (at[RESTART_POLICY] &&
      read_choice(ps, at[RESTART_POLICY], "policy", restart_words, &choice))
    w->restart = (enum manifest_restart)choice;
  if (at[RESTART_DELAY])
    read_duration(ps, at[RESTART_DELAY], "initial_delay", &w->delay_ms);
  if (w->delay_max_ms < w->delay_ms)
    w->delay_max_ms = w->delay_ms;
  if (at[RESTART_DELAY_MAX]) {
    read_duration(ps, at[RESTART_DELAY_MAX], "max_delay", &w->delay_max_ms);
    if (w->delay_max_ms < w->delay_ms)
      mistakes_add(&ps->ms, at[RESTART_DELAY_MAX]->pos,
                   "'max_delay' is shorter than 'initial_delay', expected a "
                   "longer duration");
  }
  if (at[RESTART_TRIES])
    read_count(ps, at[RESTART_TRIES], "max_attempts", 0, &w->tries);
}

static void read_needs(struct parser *ps, const struct tree_item *item,
                       struct draft *d) {
  const struct tree_node *list = item->value;

  if (!is_list(ps, item, "depends_on"))
    return;
  if (!(d->needs = arena_array(ps->scratch, list->len, sizeof *d->needs))) {
    ps->ms.nomem = true;
    return;
  }
  for (size_t i = 0; i < list->len && !ps->ms.nomem; i++)
    if (read_word(ps, &list->items[i], "name of a workload", TEXT_MAX_BYTES,
                  &d->needs[d->nneeds]))
      d->nneeds++;
}

enum {
  LIFE_AUTO_START,
  LIFE_DEPENDS_ON,
  LIFE_RESTART,
  LIFE_STABLE,
  LIFE_SECURITY,
  LIFE_KEYS
};
static const char *const life_keys[] = {"auto_start", "depends_on",
                                        "restart",    "stable_threshold",
                                        "security",   NULL};

static void read_lifecycle(struct parser *ps, const struct tree_item *item,
                           struct draft *d) {
  const struct tree_item *at[LIFE_KEYS];

  if (!is_map(ps, item, "lifecycle", "{auto_start: true, security: {...}}"))
    return;
  mistakes_read_keys(&ps->ms, item->value, life_keys, at);
  if (at[LIFE_AUTO_START])
    read_bool(ps, at[LIFE_AUTO_START], "auto_start", &d->w.auto_start);
  if (at[LIFE_DEPENDS_ON])
    read_needs(ps, at[LIFE_DEPENDS_ON], d);
  if (at[LIFE_RESTART])
    read_restart(ps, at[LIFE_RESTART], &d->w);
  if (at[LIFE_STABLE])
    read_duration(ps, at[LIFE_STABLE], "stable_threshold", &d->w.stable_ms);
  if (at[LIFE_SECURITY])
    read_security(ps, at[LIFE_SECURITY], &d->w);
}

/* --------------------------------------------------------------- entries ---
 */

/* A way down from the manifest's folder, and never up. */
static bool path_is_below(struct slice path) {
  size_t begin = 0;

  for (size_t i = 0; i <= path.len; i++) {
    struct slice part = {path.p + begin, i - begin};
    if (i < path.len && path.p[i] != '/')
      continue;
    if (part.len == 0 || part.len > 255 || slice_is(part, ".") ||
        slice_is(part, ".."))
      return false;
    begin = i + 1;
  }
  return true;
}

static void read_source(struct parser *ps, const struct tree_item *item,
                        struct manifest_workload *w) {
  static const struct slice scheme = SLICE("file://");
  struct slice path;

  if (!mistakes_is_string(&ps->ms, item, "source", TEXT_MAX_BYTES))
    return;
  path = item->value->text;
  if (!slice_starts(path, scheme)) {
    mistakes_add(&ps->ms, item->pos,
                 "source is '%.*s', expected 'file://' and a file below the "
                 "manifest's folder",
                 MISTAKES_SHOWN(path));
    return;
  }
  path = (struct slice){path.p + scheme.len, path.len - scheme.len};
  if (!path_is_below(path)) {
    mistakes_add(&ps->ms, item->pos,
                 "source is 'file://%.*s', expected a file below the "
                 "manifest's folder, without '.', '..' or '//'",
                 MISTAKES_SHOWN(path));
    return;
  }
  w->source.pos = item->pos;
  keep_text(ps, path, &w->source.text);
}

static const char **read_strings(struct parser *ps,
                                 const struct tree_item *item, const char *what,
                                 const char *one, bool empty_ok,
                                 size_t *ret_n) {
  const struct tree_node *list = item->value;
  const char **words;
  struct manifest_word word;

  if (!is_list(ps, item, what) ||
      !(words = array(ps, list->len, sizeof *words)))
    return NULL;
  for (size_t i = 0; i < list->len && !ps->ms.nomem; i++) {
    const struct tree_node *n = list->items[i].value;
    if (empty_ok && n->kind == TREE_SCALAR && n->type == TREE_STRING &&
        n->text.len == 0)
      words[(*ret_n)++] = "";
    else if (read_word(ps, &list->items[i], one, TEXT_MAX_BYTES, &word))
      words[(*ret_n)++] = word.text.p;
  }
  return words;
}

enum {
  ENTRY_NAME,
  ENTRY_KIND,
  ENTRY_META,
  ENTRY_SOURCE,
  ENTRY_METHOD,
  ENTRY_MODULES,
  ENTRY_ARGS,
  ENTRY_LIMITS,
  ENTRY_LIFECYCLE,
  ENTRY_KEYS
};
static const char *const entry_keys[] = {
    "name",    "kind", "meta",   "source",    "method",
    "modules", "args", "limits", "lifecycle", NULL};

static void read_name(struct parser *ps, const struct tree_item *item,
                      struct draft *d) {
  struct slice name;

  if (!mistakes_is_string(&ps->ms, item, "name", NAME_MAX_BYTES))
    return;
  name = item->value->text;
  if (!parse_is_name(name)) {
    mistakes_add(&ps->ms, item->pos,
                 "bad name '%.*s', expected " PARSE_NAME_RULE,
                 MISTAKES_SHOWN(name));
    return;
  }
  for (size_t i = 0; i < ps->n; i++)
    if (slice_eq(ps->drafts[i].w.name.text, name)) {
      mistakes_add(&ps->ms, item->pos,
                   "duplicate workload '%.*s', first at line %u",
                   MISTAKES_SHOWN(name), ps->drafts[i].w.name.pos.line);
      return;
    }
  keep_text(ps, name, &d->w.name.text);
}

static void read_workload(struct parser *ps, const struct tree_item *entry) {
  const struct tree_item *at[ENTRY_KEYS];
  struct draft *d = &ps->drafts[ps->n];

  /* whole: one without a name leaves its place to the next */
  *d = (struct draft){.w = {.name = {{NULL, 0}, entry->pos},
                            .modules_line = entry->pos.line,
                            .auto_start = true,
                            .delay_ms = DELAY_MS,
                            .delay_max_ms = DELAY_MAX_MS,
                            .tries = TRIES,
                            .stable_ms = STABLE_MS}};
  mistakes_read_keys(&ps->ms, entry->value, entry_keys, at);
  if (!at[ENTRY_NAME])
    mistakes_add(&ps->ms, entry->pos,
                 "workload without a name, expected 'name'");
  else
    read_name(ps, at[ENTRY_NAME], d);
  if (!at[ENTRY_SOURCE])
    mistakes_add(&ps->ms, entry->pos,
                 "workload without a source, expected 'source: "
                 "file://NAME.lua'");
  else
    read_source(ps, at[ENTRY_SOURCE], &d->w);
  if (at[ENTRY_METHOD])
    read_word(ps, at[ENTRY_METHOD], "method", NAME_MAX_BYTES, &d->w.method);
  if (at[ENTRY_MODULES]) {
    d->w.modules_line = at[ENTRY_MODULES]->pos.line;
    d->w.modules = read_strings(ps, at[ENTRY_MODULES], "modules",
                                "name of a module", false, &d->w.nmodules);
  }
  if (at[ENTRY_ARGS])
    d->w.args =
        read_strings(ps, at[ENTRY_ARGS], "args", "argument", true, &d->w.nargs);
  if (at[ENTRY_LIMITS])
    read_limits(ps, at[ENTRY_LIMITS], &d->w.limits);
  if (at[ENTRY_LIFECYCLE])
    read_lifecycle(ps, at[ENTRY_LIFECYCLE], d);
  /* known by its name even if it is wrong: one mistake is enough */
  if (d->w.name.text.p)
    ps->names[ps->n++] = d->w.name.text.p;
}

/* Of the entries of other kinds only those are looked at that were meant to be
 * ours. */
static void read_entry(struct parser *ps, const struct tree_item *entry) {
  static const char *const kinds[] = {"process.lua", NULL};
  const struct tree_item *kind;
  struct slice k;

  if (entry->value->kind != TREE_MAP ||
      !(kind = tree_get(entry->value, "kind")) ||
      kind->value->kind != TREE_SCALAR || kind->value->type != TREE_STRING)
    return; /* told by who reads the policies */
  k = kind->value->text;
  if (!slice_is(k, kinds[0])) {
    if (str_nearest(k, kinds))
      mistakes_unknown(&ps->ms, kind->pos, "kind", k, kinds);
    return;
  }
  if (ps->n == MANIFEST_MAX_WORKLOADS) {
    mistakes_add(&ps->ms, entry->pos, "too many workloads, expected at most %d",
                 MANIFEST_MAX_WORKLOADS);
    return;
  }
  read_workload(ps, entry);
}

static void read_file(struct parser *ps, const struct tree_node *root) {
  const struct tree_item *entries, *ns;
  size_t most, before = ps->ms.total;

  if (root->kind != TREE_MAP) {
    mistakes_add(&ps->ms, root->pos,
                 "manifest is %s, expected a map with namespace and entries",
                 tree_describe(root));
    return;
  }
  ns = tree_get(root, "namespace");
  if (!ns)
    mistakes_add(&ps->ms, root->pos,
                 "file without a namespace, expected 'namespace'");
  else if (ns->value->kind == TREE_SCALAR && parse_is_name(ns->value->text))
    ps->ns = ns->value->text;
  entries = tree_get(root, "entries");
  if (!entries || entries->value->kind != TREE_LIST) {
    mistakes_add(&ps->ms, entries ? entries->pos : root->pos,
                 "manifest without a list of entries, expected 'entries'");
    return;
  }
  most = entries->value->len;
  if (!(ps->drafts = arena_array(ps->scratch, most + 1, sizeof *ps->drafts)) ||
      !(ps->names = arena_array(ps->scratch, most + 1, sizeof *ps->names))) {
    ps->ms.nomem = true;
    return;
  }
  for (size_t i = 0; i < most && !ps->ms.nomem; i++)
    read_entry(ps, &entries->value->items[i]);
  if (ps->n == 0 && ps->ms.total == before)
    mistakes_add(&ps->ms, entries->pos,
                 "manifest without a workload, expected an entry of kind "
                 "'process.lua'");
}

/* ----------------------------------------------------------------- order ---
 */

struct placing {
  struct parser *ps;
  struct manifest_workload *placed;
  size_t *place; /* of each draft in |placed| */
  size_t n;
  size_t *path; /* the drafts that are being placed, each needs the next */
};

static size_t find_draft(const struct parser *ps, struct slice name) {
  size_t i = 0;
  const char *colon = memchr(name.p, ':', name.len);

  if (colon && ps->ns.p &&
      slice_eq((struct slice){name.p, (size_t)(colon - name.p)}, ps->ns))
    name = (struct slice){colon + 1, name.len - (size_t)(colon - name.p) - 1};
  while (i < ps->n && !slice_eq(ps->drafts[i].w.name.text, name))
    i++;
  return i;
}

static void tell_cycle(struct placing *pl, const struct manifest_word *need,
                       size_t depth, size_t target) {
  struct parser *ps = pl->ps;
  char way[256];
  size_t n = 0, i = depth;

  while (i > 0 && pl->path[i] != target)
    i--;
  for (way[0] = '\0'; i <= depth && n < sizeof way; i++)
    n += (size_t)snprintf(way + n, sizeof way - n, "%s -> ",
                          ps->drafts[pl->path[i]].w.name.text.p);
  mistakes_add(&ps->ms, need->pos, "'depends_on' goes in a circle: %s%s", way,
               n < sizeof way ? ps->drafts[target].w.name.text.p : "...");
}

/* Depth first, without recursion: |path| is as long as the workloads are many.
 * |next| says for each draft which of its needs comes next. */
static void place_from(struct placing *pl, size_t first, size_t *next) {
  struct parser *ps = pl->ps;
  size_t depth = 0;

  pl->path[0] = first;
  ps->drafts[first].state = OPEN;
  for (;;) {
    size_t at = pl->path[depth];
    struct draft *d = &ps->drafts[at];
    if (next[at] < d->nneeds) {
      const struct manifest_word *need = &d->needs[next[at]++];
      size_t target = find_draft(ps, need->text);
      if (target == ps->n) {
        mistakes_unknown(&ps->ms, need->pos, "workload", need->text, ps->names);
      } else if (ps->drafts[target].state == OPEN) {
        tell_cycle(pl, need, depth, target);
      } else {
        if (ps->drafts[target].state == UNSEEN) {
          ps->drafts[target].state = OPEN;
          pl->path[++depth] = target;
        }
        d->w.depends_on[d->w.ndepends_on++] = target;
      }
      continue;
    }
    d->state = PLACED;
    pl->place[at] = pl->n;
    pl->placed[pl->n++] = d->w;
    if (depth-- == 0)
      return;
  }
}

static int put_in_order(struct parser *ps, struct manifest *mf) {
  struct placing pl = {.ps = ps};
  size_t *next = arena_array(ps->scratch, ps->n + 1, sizeof *next);

  pl.placed = arena_array(ps->keep, ps->n + 1, sizeof *pl.placed);
  pl.place = arena_array(ps->scratch, ps->n + 1, sizeof *pl.place);
  pl.path = arena_array(ps->scratch, ps->n + 1, sizeof *pl.path);
  if (!next || !pl.placed || !pl.place || !pl.path)
    return ERR_NOMEM;
  for (size_t i = 0; i < ps->n; i++)
    if (!(ps->drafts[i].w.depends_on =
              arena_array(ps->keep, ps->drafts[i].nneeds + 1, sizeof(size_t))))
      return ERR_NOMEM;
  for (size_t i = 0; i < ps->n; i++)
    if (ps->drafts[i].state == UNSEEN)
      place_from(&pl, i, next);
  for (size_t i = 0; i < pl.n; i++)
    for (size_t k = 0; k < pl.placed[i].ndepends_on; k++)
      pl.placed[i].depends_on[k] = pl.place[pl.placed[i].depends_on[k]];
  /* what another one needs is started whether or not it says so */
  for (size_t i = pl.n; i-- > 0;)
    for (size_t k = 0; pl.placed[i].auto_start && k < pl.placed[i].ndepends_on;
         k++)
      pl.placed[pl.placed[i].depends_on[k]].auto_start = true;
  mf->workloads = pl.placed;
  mf->n = pl.n;
  return 0;
}

/* ---------------------------------------------------------------- public ---
 */

static int manifest_parse(struct manifest *mf, struct slice text,
                          const struct tree_limits *limits,
                          policy_mistake_fn *fn, void *ud) {
  struct arena scratch;
  struct parser ps = {.keep = &mf->arena, .scratch = &scratch};
  struct tree_node *root;
  struct err e;
  int rv;

  mistakes_init(&ps.ms, mf->name, &mf->mem);
  arena_init(&scratch, &mf->mem, SIZE_MAX);
  memset(&e, 0, sizeof e);
  rv = tree_parse(&root, text, limits, &scratch, &e);
  if (rv == 0) {
    read_file(&ps, root);
    if (!ps.ms.nomem && put_in_order(&ps, mf) != 0)
      ps.ms.nomem = true;
  } else if (rv == ERR_SYNTAX) {
    mistakes_add(&ps.ms, (struct tree_pos){e.line, e.column}, "%s", e.message);
  } else {
    ps.ms.nomem = true;
  }
  rv = mistakes_tell(&ps.ms, fn, ud);
  mistakes_deinit(&ps.ms);
  arena_deinit(&scratch);
  return rv;
}

int manifest_new(struct manifest **ret, const char *name, struct slice text,
                 const struct tree_limits *limits, const struct mem *m,
                 policy_mistake_fn *fn, void *ud) {
  struct manifest *mf = mem_zalloc(m, sizeof *mf);
  int rv;

  if (!mf)
    return ERR_NOMEM;
  mf->mem = *m;
  arena_init(&mf->arena, m, SIZE_MAX);
  mf->name = arena_strndup(&mf->arena, name, strlen(name));
  rv = mf->name ? manifest_parse(mf, text, limits, fn, ud) : ERR_NOMEM;
  if (rv != 0) {
    manifest_free(mf);
    return rv;
  }
  *ret = mf;
  return 0;
}

void manifest_free(struct manifest *mf) {
  struct mem mem;

  if (!mf)
    return;
  mem = mf->mem;
  arena_deinit(&mf->arena);
  mem_free(&mem, mf, sizeof *mf);
}

size_t manifest_len(const struct manifest *mf) {
  return mf->n;
}

const struct manifest_workload *manifest_at(const struct manifest *mf,
                                            size_t i) {
  return &mf->workloads[i];
}

const struct mem *manifest_mem(const struct manifest *mf) {
  return &mf->mem;
}

int manifest_check(const struct manifest *mf, struct policy_set *set,
                   policy_mistake_fn *fn, void *ud) {
  struct mistakes ms;
  int rv;

  mistakes_init(&ms, mf->name, &mf->mem);
  for (size_t i = 0; i < mf->n && !ms.nomem; i++)
    for (size_t k = 0; k < mf->workloads[i].nscope && !ms.nomem; k++) {
      const struct manifest_word *w = &mf->workloads[i].scope[k];
      struct policy_scope *scope;
      struct err e;
      rv = policy_scope_new(&scope, set, &w->text, 1, &mf->mem, &e);
      if (rv == 0)
        policy_scope_free(scope);
      else if (rv == ERR_NOMEM)
        ms.nomem = true;
      else
        mistakes_add(&ms, w->pos, "%s", e.message);
    }
  rv = mistakes_tell(&ms, fn, ud);
  mistakes_deinit(&ms);
  return rv;
}
