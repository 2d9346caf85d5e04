/* parse.c - policy files: a tree of YAML nodes to policies, and every mistake
 * on the way.  What is not understood is never half-read: a policy with a
 * mistake is not delivered, and its file fails. */
#include "policy/parse_in.h"

#define MAX_NAME 128

bool parse_is_string(struct parser *ps, const struct tree_item *item,
                     const char *what) {
  return mistakes_is_string(&ps->ms, item, what, PARSE_MAX_TEXT);
}

size_t parse_list_len(const struct tree_node *n) {
  return n->kind == TREE_LIST ? n->len : 1;
}

struct tree_item parse_list_at(const struct tree_item *item, size_t i) {
  if (item->value->kind == TREE_LIST)
    return item->value->items[i];
  return *item;
}

struct tree_pos parse_pos_inside(const struct tree_item *item,
                                 uint32_t column) {
  const struct tree_node *n = item->value;
  bool alias =
      item->pos.line != n->pos.line || item->pos.column != n->pos.column;

  if (alias || !n->text_column || !column)
    return item->pos;
  return (struct tree_pos){n->pos.line, n->text_column + column - 1};
}

bool parse_compiled(struct parser *ps, const struct tree_item *item, int rv,
                    const struct err *e) {
  if (rv == ERR_NOMEM)
    ps->ms.nomem = true;
  else if (rv != 0)
    mistakes_add(&ps->ms, parse_pos_inside(item, e->column), "%s", e->message);
  return rv == 0;
}

bool parse_is_name(struct slice s) {
  if (s.len == 0 || s.len > MAX_NAME)
    return false;
  for (size_t i = 0; i < s.len; i++)
    if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) &&
        (s.p[i] == '\0' || !strchr("_-./@+", s.p[i])))
      return false;
  return true;
}

/* ----------------------------------------------------------------- policies
 * --- */

enum {
  BODY_ACTIONS,
  BODY_RESOURCES,
  BODY_EFFECT,
  BODY_RULES,
  BODY_CONDITIONS,
  BODY_EXPRESSION
};
static const char *const body_keys[] = {"actions", "resources",  "effect",
                                        "rules",   "conditions", "expression",
                                        NULL};

/* True for a deny, and where it cannot be known: denies take more patterns, so
 * that no second mistake follows from the first. */
static bool read_effect(struct parser *ps, struct tree_pos pos,
                        const struct tree_item *item) {
  const struct tree_node *n = item ? item->value : NULL;

  if (!item)
    mistakes_add(&ps->ms, pos,
                 "policy without an effect, expected 'effect: allow' or "
                 "'effect: deny'");
  else if (n->kind != TREE_SCALAR || n->type != TREE_STRING)
    mistakes_add(&ps->ms, item->pos, "effect is %s, expected 'allow' or 'deny'",
                 tree_describe(n));
  else if (slice_is(n->text, "allow"))
    return false;
  else if (!slice_is(n->text, "deny"))
    mistakes_unknown(&ps->ms, item->pos, "effect", n->text,
                     (const char *const[]){"allow", "deny", NULL});
  return true;
}

static void read_lists(struct parser *ps, const struct tree_item *at[],
                       struct tree_pos pos, struct policy *p) {
  struct policy_rule *r = arena_zalloc(ps->keep, sizeof *r);

  if (!r) {
    ps->ms.nomem = true;
    return;
  }
  r->line = pos.line;
  r->column = pos.column;
  p->rules = r;
  p->nrules = 1;
  if (!at[BODY_ACTIONS])
    mistakes_add(&ps->ms, pos,
                 "policy without actions, expected 'actions' or 'rules'");
  if (!at[BODY_RESOURCES])
    mistakes_add(&ps->ms, pos,
                 "policy without resources, expected 'resources'");
  /* what a resource may be depends on the actions: with a wrong one nothing
   * sure can be said about it */
  if (at[BODY_ACTIONS] && parse_actions(ps, at[BODY_ACTIONS], r) &&
      at[BODY_RESOURCES])
    parse_resources(ps, at[BODY_RESOURCES], p, r);
}

static void read_body(struct parser *ps, const struct tree_item *item,
                      bool is_expr, struct policy *p) {
  const struct tree_node *body = item->value;
  const struct tree_item *at[PARSE_MAX_KEYS];

  if (body->kind != TREE_MAP) {
    mistakes_add(&ps->ms, item->pos, "'policy' is %s, expected a map",
                 tree_describe(body));
    return;
  }
  mistakes_read_keys(&ps->ms, body, body_keys, at);
  p->deny = read_effect(ps, item->pos, at[BODY_EFFECT]);
  if (at[BODY_RULES] && (at[BODY_ACTIONS] || at[BODY_RESOURCES]))
    mistakes_add(&ps->ms, at[BODY_RULES]->key->pos,
                 "'rules' beside 'actions' or 'resources', expected one or the "
                 "other");
  else if (at[BODY_RULES])
    parse_rules(ps, at[BODY_RULES], p);
  else
    read_lists(ps, at, item->pos, p);
  if (at[BODY_CONDITIONS] && is_expr)
    mistakes_add(
        &ps->ms, at[BODY_CONDITIONS]->key->pos,
        "'conditions' in kind 'security.policy.expr', expected them in "
        "the expression");
  else if (at[BODY_CONDITIONS])
    parse_conditions(ps, at[BODY_CONDITIONS], p);
  if (at[BODY_EXPRESSION] && !is_expr)
    mistakes_add(&ps->ms, at[BODY_EXPRESSION]->key->pos,
                 "'expression' in kind 'security.policy', expected kind "
                 "'security.policy.expr'");
  else if (at[BODY_EXPRESSION])
    parse_expression(ps, at[BODY_EXPRESSION], p);
  else if (is_expr)
    mistakes_add(&ps->ms, item->pos,
                 "policy without an expression, expected 'expression'");
}

/* "|ns|:|name|" in the arena; NULL after setting nomem. */
static bool make_id(struct parser *ps, struct slice ns, struct slice name,
                    struct slice *ret) {
  size_t len = ns.len + 1 + name.len;
  char *p = arena_alloc(ps->keep, len + 1);

  if (!p) {
    ps->ms.nomem = true;
    return false;
  }
  memcpy(p, ns.p, ns.len);
  p[ns.len] = ':';
  memcpy(p + ns.len + 1, name.p, name.len);
  p[len] = '\0';
  *ret = (struct slice){p, len};
  return true;
}

static void read_group(struct parser *ps, const struct tree_item *item,
                       struct slice *ret) {
  struct slice s, ns = ps->ns, name;
  const char *colon;

  if (!parse_is_string(ps, item, "group"))
    return;
  s = name = item->value->text;
  if ((colon = memchr(s.p, ':', s.len)) != NULL) {
    ns = (struct slice){s.p, (size_t)(colon - s.p)};
    name = (struct slice){colon + 1, s.len - ns.len - 1};
  }
  if (!parse_is_name(name) || (colon && !parse_is_name(ns)))
    mistakes_add(&ps->ms, item->pos,
                 "bad group '%.*s', expected 'name' or 'ns:name'; a "
                 "name is " PARSE_NAME_RULE,
                 MISTAKES_SHOWN(s));
  else if (ns.p)
    make_id(ps, ns, name, ret);
}

static void read_groups(struct parser *ps, const struct tree_item *item,
                        struct policy *p) {
  const struct tree_node *n = item->value;
  size_t len = parse_list_len(n);

  if (n->kind == TREE_MAP || n->tagged) {
    mistakes_add(&ps->ms, item->pos, "'groups' is %s, expected a list of names",
                 tree_describe(n));
    return;
  }
  p->groups = arena_array(ps->keep, len, sizeof *p->groups);
  if (!p->groups) {
    ps->ms.nomem = true;
    return;
  }
  for (p->ngroups = 0; p->ngroups < len && !ps->ms.nomem; p->ngroups++) {
    struct tree_item at = parse_list_at(item, p->ngroups);
    read_group(ps, &at, &p->groups[p->ngroups]);
  }
}

static void deliver(struct parser *ps, struct policy *p) {
  if (ps->npolicies == ps->policies_cap) {
    struct policy **grown =
        mem_grow(ps->ms.mem, ps->policies, &ps->policies_cap, ps->npolicies + 1,
                 sizeof *grown, SIZE_MAX / sizeof *grown);
    if (!grown) {
      ps->ms.nomem = true;
      return;
    }
    ps->policies = grown;
  }
  p->index = ps->npolicies;
  ps->policies[ps->npolicies++] = p;
}

/* ------------------------------------------------------------------ entries
 * --- */

enum {
  ENTRY_NAME,
  ENTRY_KIND,
  ENTRY_META,
  ENTRY_POLICY,
  ENTRY_GROUPS,
  ENTRY_VERSION, /* of a file that is one entry */
  ENTRY_NAMESPACE
};
static const char *const entry_keys[] = {"name",   "kind",   "meta",
                                         "policy", "groups", NULL};
static const char *const single_keys[] = {
    "name", "kind", "meta", "policy", "groups", "version", "namespace", NULL};

static void read_policy(struct parser *ps, const struct tree_item *entry,
                        const char *const *keys, bool is_expr) {
  const struct tree_item *at[PARSE_MAX_KEYS];
  struct policy *p = arena_zalloc(ps->keep, sizeof *p);
  size_t before = ps->ms.total;

  if (!p) {
    ps->ms.nomem = true;
    return;
  }
  mistakes_read_keys(&ps->ms, entry->value, keys, at);
  p->file = ps->ms.name;
  p->line = entry->pos.line;
  p->column = entry->pos.column;
  if (!at[ENTRY_NAME])
    mistakes_add(&ps->ms, entry->pos, "policy without a name, expected 'name'");
  else if (parse_is_string(ps, at[ENTRY_NAME], "name")) {
    struct slice name = at[ENTRY_NAME]->value->text;
    if (!parse_is_name(name))
      mistakes_add(&ps->ms, at[ENTRY_NAME]->pos,
                   "bad name '%.*s', expected " PARSE_NAME_RULE,
                   MISTAKES_SHOWN(name));
    else if (ps->ns.p)
      make_id(ps, ps->ns, name, &p->id);
  }
  if (!at[ENTRY_POLICY])
    mistakes_add(&ps->ms, entry->pos,
                 "entry of kind '%s' without a policy, expected 'policy'",
                 is_expr ? "security.policy.expr" : "security.policy");
  else
    read_body(ps, at[ENTRY_POLICY], is_expr, p);
  if (at[ENTRY_GROUPS])
    read_groups(ps, at[ENTRY_GROUPS], p);
  if (at[ENTRY_META] && !ps->ms.nomem)
    parse_meta(ps, at[ENTRY_META]->value, p);
  if (ps->ms.total == before && p->id.p && !ps->ms.nomem)
    deliver(ps, p);
}

static const char *const kinds[] = {"security.policy", "security.policy.expr",
                                    NULL};

/* Another kind is left alone, unless it is one of ours misspelt: a policy that
 * silently is none could be a deny. */
static bool kind_is_ours(struct slice kind) {
  struct slice prefix = SLICE("security.");
  const char *near = str_nearest(kind, kinds);
  /* The original's place for login tokens; no policy. */
  bool other = slice_is(kind, "security.token_store");
  struct slice s = slice_of(near);
  size_t same = 0, tail = 0;

  if (other)
    return false;
  if (kind.len >= prefix.len &&
      slice_eq_nocase((struct slice){kind.p, prefix.len}, prefix))
    return true;
  if (!near)
    return slice_eq_nocase(kind, SLICE("security"));
  /* one edit away: all but one byte (or two that changed places) are shared by
   * a beginning and an end */
  while (same < kind.len && same < s.len &&
         ascii_lower(kind.p[same]) == s.p[same])
    same++;
  while (tail < kind.len - same && tail < s.len - same &&
         ascii_lower(kind.p[kind.len - 1 - tail]) == s.p[s.len - 1 - tail])
    tail++;
  return same + tail + 2 >= kind.len && same + tail + 2 >= s.len;
}

/* The key of |map| that was meant to be 'kind'; NULL: none. */
static const struct tree_item *misspelt_kind(const struct tree_node *map,
                                             const char *const *keys) {
  const struct tree_item *at[PARSE_MAX_KEYS] = {NULL};

  mistakes_take_misspelt(map, keys, at);
  return at[ENTRY_KIND];
}

static void read_entry(struct parser *ps, const struct tree_item *entry,
                       const char *const *keys) {
  const struct tree_node *map = entry->value;
  const struct tree_item *kind = NULL, *misspelt = NULL;
  struct slice k;
  bool twice = false;

  if (map->kind != TREE_MAP) {
    mistakes_add(&ps->ms, entry->pos,
                 "entry is %s, expected a map with name and kind",
                 tree_describe(map));
    return;
  }
  for (size_t i = 0; i < map->len; i++) {
    const struct tree_node *key = map->items[i].key;
    if (key->kind != TREE_SCALAR || !slice_is(key->text, "kind"))
      continue;
    if (kind) {
      mistakes_add(&ps->ms, key->pos, "duplicate key 'kind', first at line %u",
                   (unsigned)kind->key->pos.line);
      twice = true;
    } else {
      kind = &map->items[i];
    }
  }
  if (twice)
    return;
  if (!kind)
    kind = misspelt = misspelt_kind(map, keys);
  if (!kind) {
    mistakes_add(&ps->ms, entry->pos, "entry without a kind, expected 'kind'");
    return;
  }
  k = kind->value->text;
  if (kind->value->kind == TREE_SCALAR && kind->value->type == TREE_STRING &&
      (slice_is(k, kinds[0]) || slice_is(k, kinds[1]))) {
    read_policy(ps, entry, keys, slice_is(k, kinds[1]));
    return; /* it has told of a misspelt key */
  }
  if (misspelt)
    mistakes_unknown(&ps->ms, kind->key->pos, "key", kind->key->text,
                     (const char *const[]){"kind", NULL});
  if (!parse_is_string(ps, kind, "kind"))
    return;
  if (k.len == 0)
    mistakes_add(&ps->ms, kind->pos, "kind is empty, expected a name");
  else if (kind_is_ours(k))
    mistakes_unknown(&ps->ms, kind->pos, "kind", k, kinds);
  else
    parse_references(ps, map);
}

/* ------------------------------------------------------------------- files ---
 */

enum { FILE_VERSION, FILE_NAMESPACE, FILE_ENTRIES };
static const char *const file_keys[] = {"version", "namespace", "entries",
                                        NULL};

/* The keys of ours; what else stands at the top is left alone, unless it is one
 * of ours misspelt. */
static void read_top(struct parser *ps, const struct tree_item *at[]) {
  const struct tree_node *map = ps->root;

  memset(at, 0, PARSE_MAX_KEYS * sizeof *at);
  for (size_t i = 0; i < map->len; i++) {
    const struct tree_node *key = map->items[i].key;
    const char *near;
    size_t w = 0;
    if (key->kind != TREE_SCALAR)
      continue;
    while (file_keys[w] && !slice_is(key->text, file_keys[w]))
      w++;
    if (file_keys[w] && at[w])
      mistakes_add(&ps->ms, key->pos, "duplicate key '%s', first at line %u",
                   file_keys[w], (unsigned)at[w]->key->pos.line);
    else if (file_keys[w])
      at[w] = &map->items[i];
    else if ((near = str_nearest(key->text, file_keys)) != NULL)
      mistakes_add(&ps->ms, key->pos, "unknown key '%.*s', expected '%s'",
                   MISTAKES_SHOWN(key->text), near);
  }
  if (ps->ms.total)
    mistakes_take_misspelt(map, file_keys, at);
}

static void read_head(struct parser *ps, const struct tree_item *version,
                      const struct tree_item *ns) {
  if (version) {
    const struct tree_node *n = version->value;
    /* the number 1.0 is what people write who forget the quotes */
    if (n->kind != TREE_SCALAR || n->tagged || n->type == TREE_NULL)
      mistakes_add(&ps->ms, version->pos, "version is %s, expected \"1.0\"",
                   tree_describe(n));
    else if (!slice_is(n->text, "1.0") && !slice_is(n->text, "1"))
      mistakes_add(&ps->ms, version->pos,
                   "unknown version '%.*s', expected \"1.0\"",
                   MISTAKES_SHOWN(n->text));
  }
  if (!ns) {
    mistakes_add(&ps->ms, ps->root->pos,
                 "file without a namespace, expected 'namespace'");
  } else if (parse_is_string(ps, ns, "namespace")) {
    struct slice s = ns->value->text;
    if (!parse_is_name(s))
      mistakes_add(&ps->ms, ns->pos,
                   "bad namespace '%.*s', expected " PARSE_NAME_RULE,
                   MISTAKES_SHOWN(s));
    else if (slice_is(s, PARSE_RESERVED_NAMESPACE))
      mistakes_add(&ps->ms, ns->pos,
                   "namespace 'cli' is reserved, expected another");
    else
      ps->ns = s;
  }
}

static void read_file(struct parser *ps) {
  const struct tree_item *at[PARSE_MAX_KEYS];
  struct tree_item root = {.value = ps->root, .pos = ps->root->pos};

  if (ps->root->kind != TREE_MAP) {
    mistakes_add(&ps->ms, root.pos,
                 "file is %s, expected a map with version, namespace "
                 "and entries",
                 tree_describe(ps->root));
    return;
  }
  read_top(ps, at);
  read_head(ps, at[FILE_VERSION], at[FILE_NAMESPACE]);
  if (!at[FILE_ENTRIES]) {
    if (tree_get(ps->root, "kind") || misspelt_kind(ps->root, single_keys))
      read_entry(ps, &root, single_keys);
    else
      mistakes_add(&ps->ms, root.pos,
                   "file without entries, expected 'entries'");
    return;
  }
  if (tree_get(ps->root, "kind"))
    mistakes_add(&ps->ms, tree_get(ps->root, "kind")->key->pos,
                 "'kind' beside 'entries', expected one or the other");
  if (at[FILE_ENTRIES]->value->kind != TREE_LIST ||
      at[FILE_ENTRIES]->value->tagged) {
    mistakes_add(&ps->ms, at[FILE_ENTRIES]->pos,
                 "'entries' is %s, expected a list",
                 tree_describe(at[FILE_ENTRIES]->value));
    return;
  }
  for (size_t i = 0; i < at[FILE_ENTRIES]->value->len && !ps->ms.nomem; i++)
    read_entry(ps, &at[FILE_ENTRIES]->value->items[i], entry_keys);
}

/* -------------------------------------------------------------------- order
 * --- */

static bool before(const struct policy *a, const struct policy *b) {
  int c = slice_cmp(a->id, b->id);

  return c != 0 ? c < 0 : a->index < b->index;
}

static void sift_down(struct policy **p, size_t at, size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    struct policy *t;
    if (child + 1 < n && before(p[child], p[child + 1]))
      child++;
    if (!before(p[at], p[child]))
      return;
    t = p[at];
    p[at] = p[child];
    p[child] = t;
  }
}

void parse_sort(struct policy **p, size_t n) {
  for (size_t i = n / 2; i-- > 0;)
    sift_down(p, i, n);
  for (size_t end = n; end-- > 1;) {
    struct policy *t = p[0];
    p[0] = p[end];
    p[end] = t;
    sift_down(p, 0, end);
  }
}

static void find_duplicates(struct parser *ps) {
  struct policy **p = ps->policies;

  for (size_t i = 0; i < ps->npolicies && !ps->ms.nomem; i++)
    if (ps->on_policy(ps->ud, p[i]) != 0)
      ps->ms.nomem = true;
  parse_sort(p, ps->npolicies);
  for (size_t i = 1; i < ps->npolicies; i++)
    if (slice_eq(p[i - 1]->id, p[i]->id))
      mistakes_add(&ps->ms, (struct tree_pos){p[i]->line, p[i]->column},
                   "duplicate id '%s', first at line %u", p[i]->id.p,
                   p[i - 1]->line);
}

int parse_file(const char *name, struct slice text,
               const struct tree_limits *limits, const struct parse_into *into,
               parse_policy_fn *on_policy, void *policy_ud,
               policy_mistake_fn *on_mistake, void *mistake_ud) {
  struct parser ps = {.keep = into->keep,
                      .regexes = into->regexes,
                      .references = into->references,
                      .compat = into->compat,
                      .on_policy = on_policy,
                      .ud = policy_ud};
  struct arena scratch;
  struct err e;
  int rv;

  mistakes_init(&ps.ms, name, &into->keep->mem);
  arena_init(&scratch, &into->keep->mem, SIZE_MAX);
  memset(&e, 0, sizeof e);
  rv = tree_parse(&ps.root, text, limits, &scratch, &e);
  if (rv == ERR_SYNTAX) {
    mistakes_add(&ps.ms, (struct tree_pos){e.line, e.column}, "%s", e.message);
  } else if (rv == 0) {
    read_file(&ps);
    find_duplicates(&ps);
  } else {
    ps.ms.nomem = true;
  }
  rv = mistakes_tell(&ps.ms, on_mistake, mistake_ud);
  mistakes_deinit(&ps.ms);
  mem_free(&into->keep->mem, ps.policies,
           ps.policies_cap * sizeof *ps.policies);
  arena_deinit(&scratch);
  return rv;
}
