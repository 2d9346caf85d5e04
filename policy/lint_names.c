/* lint_names.c - advice on names that nobody knows, and on what no test asks.
 */
#include "policy/lint_in.h"

/* What the guards of this program ask. */
static const char *const actions[] = {LINT_CONNECT,
                                      LINT_URL,
                                      LINT_ADDRESS,
                                      "security.actor.create",
                                      "security.policy.get",
                                      "security.policy_group.get",
                                      "security.scope.create",
                                      NULL};

static const struct value *declared(const struct lint *l, const char *key) {
  return l->options->catalogue ? value_get(l->options->catalogue, slice_of(key))
                               : NULL;
}

int lint_check_catalogue(const struct value *catalogue, struct err *e) {
  static const char *const keys[] = {"actions", "actor", "groups", "policies",
                                     NULL};

  if (catalogue->type != VALUE_MAP)
    return err_setf(e, ERR_SYNTAX,
                    "catalogue is a %s, expected a map with the lists actions, "
                    "actor, groups and policies",
                    value_type_name(catalogue->type));
  for (size_t i = 0; i < catalogue->as.map.len; i++) {
    const struct value_member *m = &catalogue->as.map.members[i];
    const char *near = str_nearest(m->key, keys);
    size_t k = 0;
    while (keys[k] && !slice_is(m->key, keys[k]))
      k++;
    if (!keys[k])
      return err_setf(e, ERR_SYNTAX, "unknown key '%.*s', expected %s%s%s",
                      LINT_SHOWN(m->key), near ? "'" : "",
                      near ? near : "actions, actor, groups or policies",
                      near ? "'" : "");
    if (m->value.type != VALUE_LIST)
      return err_setf(e, ERR_SYNTAX, "'%s' is a %s, expected a list of names",
                      keys[k], value_type_name(m->value.type));
    for (size_t j = 0; j < m->value.as.list.len; j++)
      if (m->value.as.list.items[j].type != VALUE_STRING)
        return err_setf(
            e, ERR_SYNTAX, "item %zu of '%s' is a %s, expected a name", j + 1,
            keys[k], value_type_name(m->value.as.list.items[j].type));
  }
  return 0;
}

/* Is |s| in |list|, whose names may end with a star? */
static bool in_list(const struct value *list, struct slice s) {
  for (size_t i = 0; list && i < list->as.list.len; i++) {
    struct slice w = list->as.list.items[i].as.string;
    if (w.len > 0 && w.p[w.len - 1] == '*'
            ? slice_starts(s, (struct slice){w.p, w.len - 1})
            : slice_eq(s, w))
      return true;
  }
  return false;
}

/* The nearest of |list| and |words|, either of which may be NULL. */
static const char *nearest(struct lint *l, struct slice s,
                           const struct value *list, const char *const *more) {
  size_t n = 1, len = 0;
  const char **words, *near;

  for (size_t i = 0; more && more[i]; i++)
    n++;
  n += list ? list->as.list.len : 0;
  words = mem_alloc(&l->mem, n * sizeof *words);
  if (!words) {
    l->nomem = true;
    return NULL;
  }
  for (size_t i = 0; more && more[i]; i++)
    words[len++] = more[i];
  for (size_t i = 0; list && i < list->as.list.len; i++) {
    struct slice w = list->as.list.items[i].as.string;
    const char *copy = arena_strndup(&l->arena, w.p, w.len);
    if (copy)
      words[len++] = copy;
  }
  words[len] = NULL;
  near = str_nearest(s, words);
  mem_free(&l->mem, words, n * sizeof *words);
  return near;
}

/* --------------------------------------------------------------- actions ---
 */

static bool is_known(const struct lint *l, struct slice s, bool prefix) {
  const struct value *more = declared(l, "actions");

  for (size_t i = 0; actions[i]; i++)
    if (prefix ? slice_starts(slice_of(actions[i]), s)
               : slice_is(s, actions[i]))
      return true;
  if (!prefix)
    return in_list(more, s);
  for (size_t i = 0; more && i < more->as.list.len; i++) {
    struct slice w = more->as.list.items[i].as.string;
    if (w.len > 0 && w.p[w.len - 1] == '*')
      w.len--;
    if (slice_starts(w, s) || slice_starts(s, w))
      return true;
  }
  return false;
}

bool lint_is_typo(struct slice s, struct slice word) {
  size_t same = 0, tail = 0;

  if (word.len < 5)
    return false;
  while (same < s.len && same < word.len &&
         ascii_lower(s.p[same]) == ascii_lower(word.p[same]))
    same++;
  while (tail < s.len - same && tail < word.len - same &&
         ascii_lower(s.p[s.len - 1 - tail]) ==
             ascii_lower(word.p[word.len - 1 - tail]))
    tail++;
  return same + tail + 2 >= s.len && same + tail + 2 >= word.len;
}

/* Is it meant to be one of ours? */
static bool is_ours(struct slice s) {
  return slice_starts(s, SLICE("websocket.")) ||
         slice_starts(s, SLICE("security."));
}

static const char unknown_action_why[] =
    "a policy about an action that nobody asks for neither allows nor denies "
    "anything";

void lint_action_name(struct lint *l, const struct policy *p, struct slice s,
                      uint32_t line, uint32_t column) {
  const char *near;
  struct lint_finding *f;

  if (is_known(l, s, false))
    return;
  near = nearest(l, s, declared(l, "actions"), actions);
  /* "socket.connect" is no misspelling, a host may well have it */
  if (near && !is_ours(s) && !declared(l, "actions") &&
      !lint_is_typo(s, slice_of(near)))
    near = NULL;
  if (!near && !is_ours(s) && !declared(l, "actions"))
    return; /* lint_names tells all of them in one */
  f = lint_add(l, LINT_UNKNOWN_REFERENCE, p, line, column, unknown_action_why);
  lint_message(l, f, "no guard asks for the action '%.*s'", LINT_SHOWN(s));
  if (near)
    lint_fix(l, f, "write '%s'", near);
  else
    lint_fix(l, f,
             "remove it, or declare it in the catalogue if a host module "
             "asks for it");
}

/* Names of other programs' guards in one file. */
struct foreign {
  const char *file;
  const struct policy *policy; /* the first one in the file */
  uint32_t line, column;
  struct slice names[4];
  size_t n; /* all of them */
};

#define FOREIGN_FILES 256

struct foreigners {
  struct foreign files[FOREIGN_FILES];
  size_t n;
};

static void add_foreign(struct foreigners *all, const struct policy *p,
                        const struct pattern *a) {
  struct foreign *f = all->files;
  size_t shown;

  while (f < all->files + all->n && f->file != p->file)
    f++;
  if (f == all->files + FOREIGN_FILES)
    return;
  if (f == all->files + all->n) {
    *f = (struct foreign){.file = p->file};
    all->n++;
  }
  if (!f->policy || a->line < f->line ||
      (a->line == f->line && a->column < f->column)) {
    f->policy = p;
    f->line = a->line;
    f->column = a->column;
  }
  shown = f->n < 4 ? f->n : 4;
  for (size_t i = 0; i < shown; i++)
    if (slice_eq(f->names[i], a->source))
      return;
  if (shown < 4)
    f->names[shown] = a->source;
  f->n++;
}

static void tell_foreign(struct lint *l, const struct foreigners *all) {
  for (size_t i = 0; i < all->n; i++) {
    const struct foreign *x = &all->files[i];
    struct lint_finding *f = lint_add(l, LINT_UNKNOWN_REFERENCE, x->policy,
                                      x->line, x->column, unknown_action_why);
    struct buf b;
    int rv = 0;
    lint_note(f);
    buf_init(&b, &l->mem, 2048);
    for (size_t k = 0; rv == 0 && k < x->n && k < 4; k++)
      rv = buf_addf(&b, "%s'%.*s'", k ? ", " : "",
                    (int)(x->names[k].len > 60 ? 60 : x->names[k].len),
                    x->names[k].p);
    if (rv == 0 && x->n > 4)
      rv = buf_adds(&b, " and more");
    if (rv != 0 || buf_terminate(&b) != 0)
      l->nomem = true;
    else
      lint_message(l, f, "no guard of this program asks for %s",
                   (char *)buf_bytes(&b));
    lint_fix(l, f,
             "if host modules ask for them, declare them in a catalogue "
             "(actions: [...])");
    buf_deinit(&b);
  }
}

static void action_patterns(struct lint *l, struct foreigners *all) {
  for (size_t i = 0; i < policy_set_len(l->set); i++) {
    const struct policy *p = policy_set_at(l->set, i);
    for (size_t k = 0; k < p->nrules; k++)
      for (size_t j = 0; j < p->rules[k].nactions; j++) {
        const struct pattern *a = &p->rules[k].actions[j];
        struct policy_place at = policy_action_place(&p->rules[k], j);
        struct slice s = a->as.text;
        bool prefix = a->kind == PATTERN_PREFIX;
        size_t before = l->nfound;
        if (a->kind == PATTERN_ANY || is_known(l, s, prefix))
          continue;
        lint_action_name(l, p, s, at.line, at.column);
        if (l->nfound == before && !l->nomem)
          add_foreign(all, p, a);
      }
  }
}

/* ---------------------------------------------------------------- fields ---
 */

/* "team.name" of actor.meta.team.name */
static struct slice joined(struct lint *l, const struct field *f) {
  size_t len = 0;
  char *p;

  for (size_t i = 0; i < f->nkeys; i++)
    len += f->keys[i].len + 1;
  if (!(p = arena_alloc(&l->arena, len))) {
    l->nomem = true;
    return f->keys[0];
  }
  len = 0;
  for (size_t i = 0; i < f->nkeys; i++) {
    if (i > 0)
      p[len++] = '.';
    memcpy(p + len, f->keys[i].p, f->keys[i].len);
    len += f->keys[i].len;
  }
  return (struct slice){p, len};
}

void lint_field_name(struct lint *l, const struct policy *p,
                     const struct field *f, uint32_t line, uint32_t column) {
  static const char *const parts[] = {
      "scheme", "host", "port", "path", "query", "tls", "ip", "class", NULL};
  const struct value *known = declared(l, "actor");
  struct lint_finding *x;
  const char *near;
  unsigned use = 0;

  if (f->root == FIELD_ACTOR_META && known && f->nkeys > 0) {
    struct slice whole = joined(l, f);
    for (size_t i = 0; i < known->as.list.len; i++) {
      struct slice w = known->as.list.items[i].as.string;
      if (slice_starts(w, SLICE("actor.meta.")))
        w = (struct slice){w.p + 11, w.len - 11};
      if (slice_eq(w, whole) || slice_eq(w, f->keys[0]))
        return;
    }
    near = nearest(l, whole, known, NULL);
    x = lint_add(l, LINT_UNKNOWN_REFERENCE, p, line, column,
                 "an attribute that no actor has is always missing");
    lint_message(l, x, "no actor has the attribute '%.*s'",
                 LINT_SHOWN(f->source));
    if (near)
      lint_fix(l, x, "write '%s%s'",
               slice_starts(slice_of(near), SLICE("actor.")) ? ""
                                                             : "actor.meta.",
               near);
    else
      lint_fix(l, x, "declare it in the catalogue, or remove it");
    return;
  }
  if (f->root != FIELD_META)
    return;
  for (size_t i = 0; i < p->nrules; i++)
    use |= p->rules[i].use;
  if (use == 0 || (use & PATTERN_FOR_OTHER))
    return;
  if (field_part(f))
    return;
  near = str_nearest(f->keys[0], parts);
  x = lint_add(l, LINT_UNKNOWN_REFERENCE, p, line, column,
               "an attribute that no guard gives is always missing");
  lint_message(l, x, "websocket.connect and its like have no '%.*s'",
               LINT_SHOWN(f->source));
  if (near)
    lint_fix(l, x, "write 'meta.%s'", near);
  else
    lint_fix(l, x, "use one of meta.scheme, host, port, path, query and tls");
}

/* -------------------------------------------------- groups and policies --- */

/* Does anything that is loaded live in the namespace of |r|'s name? */
static bool is_near_by(struct lint *l, const struct policy_reference *r) {
  const char *colon = memchr(r->name.p, ':', r->name.len);
  size_t n = colon ? (size_t)(colon - r->name.p) + 1 : 0;

  if (!colon)
    return true;
  for (size_t i = 0; i < policy_set_len(l->set) && l->work; i++) {
    const struct policy *p = policy_set_at(l->set, i);
    l->work--;
    if (p->id.len > n && memcmp(p->id.p, r->name.p, n) == 0)
      return true;
    for (size_t k = 0; k < p->ngroups; k++)
      if (p->groups[k].len > n && memcmp(p->groups[k].p, r->name.p, n) == 0)
        return true;
  }
  return false;
}

/* The known name that |r| may mean: looked for while there is time. */
static const char *meant(struct lint *l, const struct policy_reference *r) {
  bool bare = !memchr(r->name.p, ':', r->name.len);
  size_t n = r->group ? l->ngroups : policy_set_len(l->set), len = 0;
  const char **words, *near;

  /* a comparison of two names is worth about a hundred of other things */
  if (l->work / 100 < n)
    return NULL;
  l->work -= 100 * n;
  words = mem_alloc(&l->mem, (n + 1) * sizeof *words);
  if (!words) {
    l->nomem = true;
    return NULL;
  }
  for (size_t i = 0; i < n; i++) {
    const char *id = r->group ? l->groups[i].p : policy_set_at(l->set, i)->id.p;
    words[len++] = bare ? strchr(id, ':') + 1 : id;
  }
  words[len] = NULL;
  near = str_nearest(r->name, words);
  mem_free(&l->mem, words, (n + 1) * sizeof *words);
  return near;
}

static void reference(struct lint *l, const struct policy_reference *r) {
  const struct value *more = declared(l, r->group ? "groups" : "policies");
  const char *near;
  struct lint_finding *f;

  if (in_list(more, r->name) ||
      (r->group ? lint_find_group(l, r) : lint_find_policy(l, r) != NULL))
    return;
  near = meant(l, r);
  f = lint_add(l, LINT_UNKNOWN_REFERENCE, NULL, r->line, r->column,
               "whoever relies on it runs without it: with fewer rights, or "
               "with fewer denies");
  if (f)
    f->file = r->file;
  if (!near && !is_near_by(l, r))
    lint_note(f); /* of a module that is not here */
  lint_message(l, f, "no %s '%.*s'",
               r->group ? "policy is in a group" : "policy",
               LINT_SHOWN(r->name));
  if (near)
    lint_fix(l, f, "write '%s'", near);
  else
    lint_fix(l, f,
             "check it together with the files that have it, or declare "
             "it in a catalogue");
}

/* A group of a policy that looks like a misspelling of one that others use. */
static void groups(struct lint *l) {
  const struct value *known = declared(l, "groups");

  for (size_t i = 0; known && i < policy_set_len(l->set); i++) {
    const struct policy *p = policy_set_at(l->set, i);
    for (size_t k = 0; k < p->ngroups; k++) {
      struct slice id = p->groups[k], name = id;
      const char *colon = memchr(id.p, ':', id.len), *near;
      struct lint_finding *f;
      if (colon)
        name = (struct slice){colon + 1, id.len - (size_t)(colon + 1 - id.p)};
      if (in_list(known, id) || in_list(known, name))
        continue;
      if (!(near = nearest(l, id, known, NULL)))
        near = nearest(l, name, known, NULL);
      f = lint_add(l, LINT_UNKNOWN_REFERENCE, p, p->line, p->column,
                   "a policy in a group that nobody asks for is in force "
                   "nowhere");
      lint_message(l, f, "the group '%.*s' is not declared", LINT_SHOWN(id));
      if (near)
        lint_fix(l, f, "write '%s'", near);
      else
        lint_fix(l, f, "declare it in the catalogue, or remove it");
    }
  }
}

struct group_use {
  struct slice id;
  const struct policy *policy; /* one that is in it */
  size_t n;
};

#define GROUPS_COMPARED 128

/* The part of "ns:name" behind the colon. */
static const char *name_of(struct slice id) {
  const char *colon = strchr(id.p, ':');

  return colon ? colon + 1 : id.p;
}

static bool same_namespace(struct slice a, struct slice b) {
  size_t n = (size_t)(name_of(a) - a.p);

  return n == (size_t)(name_of(b) - b.p) && memcmp(a.p, b.p, n) == 0;
}

/* Is |s| |word| with a letter too many or too few, or two of them in each
 * other's place?  Another letter in the place of one is how people number:
 * "team-a", "team-b"; and so are digits. */
static bool is_slip(struct slice s, struct slice word) {
  size_t same = 0, tail = 0, a, b;
  const char *p;

  while (same < s.len && same < word.len && s.p[same] == word.p[same])
    same++;
  while (tail < s.len - same && tail < word.len - same &&
         s.p[s.len - 1 - tail] == word.p[word.len - 1 - tail])
    tail++;
  a = s.len - same - tail;
  b = word.len - same - tail;
  p = (a > b ? s.p : word.p) + same;
  if (word.len < 5)
    return false;
  if (a == 2 && b == 2)
    return s.p[same] == word.p[same + 1] && s.p[same + 1] == word.p[same] &&
           ascii_alpha(s.p[same]) && ascii_alpha(word.p[same]);
  return a + b == 1 && ascii_alpha(*p);
}

/* Does an entry name the group |id|, or is it declared? */
static bool is_named(struct lint *l, struct slice id) {
  for (const struct policy_reference *r = policy_set_references(l->set);
       r && l->work; r = r->next) {
    l->work--;
    if (r->group && (slice_eq(r->name, id) ||
                     slice_eq(r->name, slice_of(strchr(id.p, ':') + 1))))
      return true;
  }
  return false;
}

/* Without a catalogue: one policy in a group that is a slip away from one with
 * several. */
static void odd_groups(struct lint *l) {
  struct group_use *uses =
      arena_array(&l->arena, GROUPS_COMPARED, sizeof *uses);
  size_t n = 0;

  if (!uses) {
    l->nomem = true;
    return;
  }
  for (size_t i = 0; i < policy_set_len(l->set); i++) {
    const struct policy *p = policy_set_at(l->set, i);
    for (size_t k = 0; k < p->ngroups; k++) {
      size_t u = 0;
      while (u < n && !slice_eq(uses[u].id, p->groups[k]))
        u++;
      if (u == GROUPS_COMPARED)
        return; /* too many to say anything */
      if (u == n)
        uses[n++] = (struct group_use){p->groups[k], p, 0};
      uses[u].n++;
    }
  }
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < n; k++) {
      struct lint_finding *f;
      if (uses[i].n != 1 || uses[k].n < 2 ||
          !same_namespace(uses[i].id, uses[k].id) ||
          !is_slip(slice_of(name_of(uses[i].id)),
                   slice_of(name_of(uses[k].id))) ||
          is_named(l, uses[i].id))
        continue;
      f = lint_add(l, LINT_UNKNOWN_REFERENCE, uses[i].policy,
                   uses[i].policy->line, uses[i].policy->column,
                   "a policy in a group that nobody asks for is in force "
                   "nowhere");
      lint_message(l, f,
                   "the group '%.*s' has this policy alone, '%.*s' has "
                   "%zu",
                   LINT_SHOWN(uses[i].id), LINT_SHOWN(uses[k].id), uses[k].n);
      lint_fix(l, f, "write '%.*s', or declare the groups in a catalogue",
               LINT_SHOWN(uses[k].id));
      break;
    }
}

void lint_names(struct lint *l) {
  struct foreigners *all = arena_zalloc(&l->arena, sizeof *all);

  if (!all) {
    l->nomem = true;
    return;
  }
  l->work = LINT_WORK_MAX;
  action_patterns(l, all);
  tell_foreign(l, all);
  for (const struct policy_reference *r = policy_set_references(l->set);
       r && !l->nomem; r = r->next)
    reference(l, r);
  if (declared(l, "groups"))
    groups(l);
  else
    odd_groups(l);
}

/* -------------------------------------------------------------- untested ---
 */

/* What all suites together asked, in the order each of them tells it. */
struct covered {
  struct lint *l;
  struct suite_cover *list;
  size_t len, cap, at;
};

static void on_cover(void *ud, const struct suite_cover *c) {
  struct covered *all = ud;

  if (all->at == all->len) {
    struct suite_cover *grown =
        mem_grow(&all->l->mem, all->list, &all->cap, all->len + 1,
                 sizeof *grown, SIZE_MAX / sizeof *grown);
    if (!grown) {
      all->l->nomem = true;
      return;
    }
    all->list = grown;
    all->list[all->len++] = *c;
    /* the text lives only as long as this call */
    all->list[all->at].text =
        arena_strndup(&all->l->arena, c->text, strlen(c->text));
    if (!all->list[all->at].text)
      all->l->nomem = true;
  } else {
    all->list[all->at].yes += c->yes;
    all->list[all->at].no += c->no;
    all->list[all->at].error += c->error;
  }
  all->at++;
}

static void tell_untested(struct lint *l, const struct suite_cover *c) {
  const struct policy *p = c->policy;
  bool condition = c->kind == SUITE_COVER_CONDITION;
  struct lint_finding *f =
      lint_add(l, LINT_UNTESTED, p, c->pos.line, c->pos.column,
               "what no test asks can be changed, or broken, without anybody "
               "seeing it");

  if (c->kind == SUITE_COVER_POLICY)
    lint_message(l, f, "no test comes to a request this policy applies to");
  else if (!condition)
    lint_message(l, f, "no test comes to this rule: %s", c->text);
  else
    lint_message(l, f, "in no test this condition is %s: %s",
                 c->yes ? "false" : "true", c->text);
  lint_fix(l, f,
           condition ? "add a test with another actor or another request"
                     : "add a test with a request it %s, to *_test.yaml",
           p->deny ? "denies" : "allows");
}

void lint_tests(struct lint *l) {
  struct covered all = {.l = l};
  bool skip = false;

  for (size_t i = 0; i < l->options->nsuites && !l->nomem; i++) {
    all.at = 0;
    if (suite_coverage(l->options->suites[i], on_cover, &all) != 0)
      l->nomem = true;
  }
  for (size_t i = 0; i < all.len && !l->nomem; i++) {
    const struct suite_cover *c = &all.list[i];
    bool missed =
        c->yes == 0 || (c->kind == SUITE_COVER_CONDITION && c->no == 0);
    if (c->kind == SUITE_COVER_POLICY)
      skip = false;
    if (c->policy->line == 0 || !missed || skip ||
        (c->kind == SUITE_COVER_RULE && c->policy->nrules == 1))
      continue;
    tell_untested(l, c);
    skip = c->kind == SUITE_COVER_POLICY; /* all of it, then */
  }
  mem_free(&l->mem, all.list, all.cap * sizeof *all.list);
}
