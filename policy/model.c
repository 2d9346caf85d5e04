/* model.c - sets of policies and scopes: built once, then shared and read. */
#include "policy/model.h"

#include <stdatomic.h>
#include <stdio.h>

#include "policy/index.h"
#include "policy/parse.h"
#include "runtime/base/gate.h"

struct policy_set {
  struct mem mem;
  struct arena arena; /* policies, patterns, names of files */
  struct regex_pool regexes;
  struct tree_limits limits;
  bool compat;
  struct policy_reference *named; /* by entries of other kinds */
  struct policy **policies;       /* sorted by id when finished */
  size_t len;
  size_t cap;
  struct policy_index *index; /* of a finished set */
  size_t nallows;             /* policy_set_add_allow */
  bool failed;  /* some call before found a mistake or no memory */
  bool telling; /* mistakes are being told: whoever hears them only listens */
  bool finished;
  atomic_size_t references;
};

struct policy_scope {
  struct mem mem;
  struct policy_set *set;
  size_t len;
  /* Which of the set's policies are in force, once as their sorted numbers and
   * once as a bit each; both NULL: all of them */
  uint32_t *numbers;
  uint8_t *bits;
};

static size_t bits_size(const struct policy_scope *scope) {
  return scope->set->len / 8 + 1;
}

#define ALLOW_FILE "--allow"

int policy_set_new(struct policy_set **ret, const struct mem *m) {
  struct policy_set *set = mem_zalloc(m, sizeof *set);

  if (!set)
    return ERR_NOMEM;
  set->mem = *m;
  arena_init(&set->arena, m, SIZE_MAX);
  set->limits = tree_limits_default;
  atomic_init(&set->references, 1);
  *ret = set;
  return 0;
}

void policy_set_limits(struct policy_set *set,
                       const struct tree_limits *limits) {
  set->limits = *limits;
}

int policy_set_compat(struct policy_set *set) {
  if (set->finished || set->telling)
    return ERR_BUSY;
  set->compat = true;
  return 0;
}

bool policy_set_is_compat(const struct policy_set *set) {
  return set->compat;
}

struct policy_set *policy_set_ref(struct policy_set *set) {
  gate_check();
  /* whoever holds one reference may pass on another: no order is needed */
  atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
  return set;
}

void policy_set_unref(struct policy_set *set) {
  struct mem mem;
  gate_check();

  /* what other threads did with the set happens before it is freed */
  if (!set ||
      atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
    return;
  mem = set->mem;
  policy_index_free(set->index);
  mem_free(&mem, set->policies, set->cap * sizeof *set->policies);
  regex_pool_deinit(&set->regexes);
  arena_deinit(&set->arena);
  mem_free(&mem, set, sizeof *set);
}

static int append(void *ud, struct policy *p) {
  struct policy_set *set = ud;

  if (set->len == set->cap) {
    struct policy **grown =
        mem_grow(&set->mem, set->policies, &set->cap, set->len + 1,
                 sizeof *grown, SIZE_MAX / sizeof *grown);
    if (!grown)
      return ERR_NOMEM;
    set->policies = grown;
  }
  p->index = set->len;
  set->policies[set->len++] = p;
  return 0;
}

int policy_set_add(struct policy_set *set, const char *name, struct slice text,
                   policy_mistake_fn *fn, void *ud) {
  struct parse_into into;
  char *kept;
  int rv;

  if (set->finished || set->telling)
    return ERR_BUSY;
  into =
      (struct parse_into){&set->arena, &set->regexes, &set->named, set->compat};
  kept = arena_strndup(&set->arena, name, strlen(name));
  set->telling = true;
  rv = kept ? parse_file(kept, text, &set->limits, &into, append, set, fn, ud)
            : ERR_NOMEM;
  set->telling = false;
  if (rv != 0)
    set->failed = true;
  return rv;
}

struct policy_place policy_action_place(const struct policy_rule *r, size_t i) {
  const struct pattern *a = &r->actions[i];

  return r->action_places ? r->action_places[i]
                          : (struct policy_place){a->line, a->column};
}

/* ------------------------------------------------------------------ --allow
 * --- */

static int allow_rule(struct policy_set *set, struct policy_rule *r,
                      struct slice action, struct slice resource,
                      struct err *e) {
  struct arena *a = &set->arena;
  struct pattern *actions;
  int rv;

  if (!(r->actions = actions = arena_array(a, 1, sizeof *actions)) ||
      !(r->resources = arena_array(a, 1, sizeof *r->resources)))
    return err_set(e, ERR_NOMEM);
  if ((rv = pattern_compile_action(actions, action, a, e)) != 0)
    return rv;
  r->use = pattern_action_use(r->actions);
  rv = pattern_compile_resource(r->resources, resource, r->use, a, NULL, e);
  r->nactions = r->nresources = rv == 0;
  return rv;
}

int policy_set_add_allow(struct policy_set *set, struct slice pattern,
                         struct err *e) {
  struct arena *a = &set->arena;
  struct policy *p;
  char id[48];
  int rv, n;

  if (set->finished || set->telling)
    return err_set(e, ERR_BUSY);
  p = arena_zalloc(a, sizeof *p);
  if (!p || !(p->rules = arena_array(a, 2, sizeof *p->rules)))
    return err_set(e, ERR_NOMEM);
  n = set->nallows == 0
          ? snprintf(id, sizeof id, "cli:allow")
          : snprintf(id, sizeof id, "cli:allow-%zu", set->nallows + 1);
  p->nrules = 2;
  p->file = ALLOW_FILE;
  p->id.len = (size_t)n;
  if (!(p->id.p = arena_strndup(a, id, (size_t)n)))
    return err_set(e, ERR_NOMEM);
  if ((rv = allow_rule(set, &p->rules[0], SLICE("websocket.connect"), SLICE(""),
                       e)) != 0 ||
      (rv = allow_rule(set, &p->rules[1], SLICE("websocket.connect.url"),
                       pattern, e)) != 0)
    return rv;
  if (p->rules[1].resources->kind == PATTERN_EXACT)
    return err_setf(e, ERR_SYNTAX,
                    "no URL pattern, expected 'wss://' or "
                    "'ws://' and a host");
  if ((rv = append(set, p)) != 0)
    return err_set(e, rv);
  set->nallows++;
  return 0;
}

/* True for the policies of policy_set_add_allow: files cannot use their
 * namespace. */
static bool is_allow(const struct policy *p) {
  return slice_starts(p->id, SLICE(PARSE_RESERVED_NAMESPACE ":"));
}

/* ------------------------------------------------------------------- finish
 * --- */

/* Of two in the same file the parser has told. */
static bool clash(const struct policy *first, const struct policy *second) {
  return slice_eq(first->id, second->id) && first->file != second->file;
}

int policy_set_finish(struct policy_set *set, policy_mistake_fn *fn, void *ud) {
  struct policy **p = set->policies;
  int rv;

  if (set->finished || set->telling)
    return ERR_BUSY;
  parse_sort(p, set->len);
  set->telling = true;
  for (size_t i = 1; i < set->len; i++) {
    struct err e;
    if (!clash(p[i - 1], p[i]))
      continue;
    set->failed = true;
    err_at(&e, ERR_SYNTAX, p[i]->file, p[i]->line, p[i]->column,
           "duplicate id '%s', first in %s at line %u", p[i]->id.p,
           p[i - 1]->file, p[i - 1]->line);
    if (fn)
      fn(ud, &e);
  }
  set->telling = false;
  if (set->failed)
    return ERR_SYNTAX;
  for (size_t i = 0; i < set->len; i++)
    p[i]->index = i;
  if ((rv = policy_index_new(&set->index, p, set->len, &set->mem)) != 0)
    return rv;
  set->finished = true;
  return 0;
}

bool policy_set_is_finished(const struct policy_set *set) {
  return set->finished;
}

const struct mem *policy_set_mem(const struct policy_set *set) {
  return &set->mem;
}

size_t policy_set_len(const struct policy_set *set) {
  return set->len;
}

const struct policy *policy_set_at(const struct policy_set *set, size_t i) {
  return set->policies[i];
}

const struct policy_reference *
policy_set_references(const struct policy_set *set) {
  return set->named;
}

const struct policy *policy_set_find(const struct policy_set *set,
                                     struct slice id) {
  size_t low = 0, high = set->finished ? set->len : 0;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int c = slice_cmp(set->policies[middle]->id, id);
    if (c == 0)
      return set->policies[middle];
    if (c < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

/* -------------------------------------------------------------------- scopes
 * --- */

/* |id| is "ns:name"; a |name| without a namespace means any. */
static bool names_id(struct slice name, struct slice id) {
  const char *colon;

  if (memchr(name.p, ':', name.len))
    return slice_eq(name, id);
  colon = memchr(id.p, ':', id.len);
  return colon &&
         slice_eq(name, (struct slice){colon + 1,
                                       (size_t)(id.p + id.len - colon - 1)});
}

/* What a name of a scope was found to mean; two different things are one too
 * many. */
struct meaning {
  struct slice id; /* NULL: nothing yet */
  bool group;
  struct slice other;
  bool ambiguous;
};

static void mean(struct meaning *m, struct slice id, bool group) {
  if (!m->id.p) {
    m->id = id;
    m->group = group;
  } else if (!m->ambiguous && (!slice_eq(m->id, id) || m->group != group)) {
    m->other = id;
    m->ambiguous = true;
  }
}

static int not_found(const struct policy_set *set, struct slice name,
                     const struct mem *m, struct err *e) {
  bool bare = name.len == 0 || !memchr(name.p, ':', name.len);
  size_t n = 1, len = 0;
  const char **words, *near;

  for (size_t i = 0; i < set->len; i++)
    n += 1 + set->policies[i]->ngroups;
  /* without memory for the suggestion the error is the same */
  words =
      n <= SIZE_MAX / sizeof *words ? mem_alloc(m, n * sizeof *words) : NULL;
  for (size_t i = 0; words && i < set->len; i++) {
    const struct policy *p = set->policies[i];
    for (size_t g = 0; g <= p->ngroups; g++) {
      const char *id = g < p->ngroups ? p->groups[g].p : p->id.p;
      words[len++] = bare ? strchr(id, ':') + 1 : id;
    }
  }
  if (words)
    words[len] = NULL;
  near = words ? str_nearest(name, words) : NULL;
  err_setf(e, ERR_NOT_FOUND, "no group or policy '%.*s'%s%s%s",
           (int)(name.len > 64 ? 64 : name.len), name.len ? name.p : "",
           near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
  mem_free(m, words, n * sizeof *words);
  return ERR_NOT_FOUND;
}

/* Marks in |in| the policies that |name| means. */
static int add_name(const struct policy_set *set, struct slice name, bool *in,
                    const struct mem *m, struct err *e) {
  struct meaning what = {.id = {NULL, 0}};

  if (!name.p)
    name = SLICE("");
  for (size_t i = 0; i < set->len; i++) {
    const struct policy *p = set->policies[i];
    if (names_id(name, p->id))
      mean(&what, p->id, false);
    for (size_t g = 0; g < p->ngroups; g++)
      if (names_id(name, p->groups[g]))
        mean(&what, p->groups[g], true);
  }
  if (!what.id.p)
    return not_found(set, name, m, e);
  if (what.ambiguous && slice_eq(what.id, what.other))
    return err_setf(e, ERR_NOT_FOUND,
                    "'%s' is both a group and a policy, expected a name of one",
                    what.id.p);
  if (what.ambiguous)
    return err_setf(
        e, ERR_NOT_FOUND, "'%.*s' is ambiguous, expected '%s' or '%s'",
        (int)(name.len > 64 ? 64 : name.len), name.p, what.id.p, what.other.p);
  for (size_t i = 0; i < set->len; i++) {
    const struct policy *p = set->policies[i];
    if (!what.group)
      in[i] |= slice_eq(p->id, what.id);
    for (size_t g = 0; what.group && g < p->ngroups; g++)
      in[i] |= slice_eq(p->groups[g], what.id);
  }
  return 0;
}

static int pick(struct policy_scope *scope, const struct slice *names, size_t n,
                struct err *e) {
  const struct policy_set *set = scope->set;
  size_t at = 0;
  bool *in;
  int rv = 0;

  if (set->len == 0)
    return not_found(set, names[0], &scope->mem, e);
  in = mem_zalloc(&scope->mem, set->len * sizeof *in);
  if (!in)
    return err_set(e, ERR_NOMEM);
  for (size_t i = 0; rv == 0 && i < n; i++)
    rv = add_name(set, names[i], in, &scope->mem, e);
  for (size_t i = 0; i < set->len; i++)
    scope->len += in[i] = in[i] || is_allow(set->policies[i]);
  /* never 0: each name that was found means a policy */
  if (rv == 0 && (!(scope->numbers = mem_alloc(
                        &scope->mem, scope->len * sizeof *scope->numbers)) ||
                  !(scope->bits = mem_zalloc(&scope->mem, bits_size(scope)))))
    rv = err_set(e, ERR_NOMEM);
  for (size_t i = 0; rv == 0 && i < set->len; i++)
    if (in[i]) {
      scope->numbers[at++] = (uint32_t)i;
      scope->bits[i / 8] |= (uint8_t)(1U << i % 8);
    }
  mem_free(&scope->mem, in, set->len * sizeof *in);
  return rv;
}

int policy_scope_new(struct policy_scope **ret, struct policy_set *set,
                     const struct slice *names, size_t n, const struct mem *m,
                     struct err *e) {
  struct policy_scope *scope;
  int rv;

  if (!set->finished)
    return err_setf(e, ERR_INVALID, "policy set is not finished");
  scope = mem_zalloc(m, sizeof *scope);
  if (!scope)
    return err_set(e, ERR_NOMEM);
  scope->mem = *m;
  scope->set = policy_set_ref(set);
  if (n == 0)
    scope->len = set->len;
  else if ((rv = pick(scope, names, n, e)) != 0) {
    policy_scope_free(scope);
    return rv;
  }
  *ret = scope;
  return 0;
}

void policy_scope_free(struct policy_scope *scope) {
  struct mem mem;

  if (!scope)
    return;
  mem = scope->mem;
  mem_free(&mem, scope->numbers, scope->len * sizeof *scope->numbers);
  mem_free(&mem, scope->bits, bits_size(scope));
  policy_set_unref(scope->set);
  mem_free(&mem, scope, sizeof *scope);
}

size_t policy_scope_len(const struct policy_scope *scope) {
  return scope->len;
}

const struct policy *policy_scope_at(const struct policy_scope *scope,
                                     size_t i) {
  return scope->set->policies[scope->numbers ? scope->numbers[i] : i];
}

bool policy_scope_has(const struct policy_scope *scope,
                      const struct policy *policy) {
  size_t i = policy->index;

  return !scope->bits || (scope->bits[i / 8] >> i % 8 & 1);
}

const struct policy_index *
policy_scope_index(const struct policy_scope *scope) {
  return scope->set->index;
}
