/* suite_parse.c - test files: a tree of YAML nodes to tests.  A test that is
 * not understood never passes, for then its file does not load. */
#include "policy/suite_parse.h"

#include "policy/mistakes.h"

#define NAME_MAX_BYTES 256
#define PATH_MAX_BYTES 4096
/* More than a URL may have, so that one too long can be asked about. */
#define TEXT_MAX_BYTES 4096

struct named_actor {
  struct slice name;
  struct actor actor;
};

struct parser {
  struct mistakes ms;
  struct arena *keep;
  struct suite_file *file;
  struct named_actor *actors;
  const char **actor_names; /* of those that were understood; ends with NULL */
  size_t nactors;
};

static void *array(struct parser *ps, size_t n, size_t size) {
  void *p = arena_array(ps->keep, n, size);

  if (!p)
    ps->ms.nomem = true;
  return p;
}

/* A copy that outlives the tree. */
static bool keep_word(struct parser *ps, const struct tree_item *item,
                      struct suite_word *ret) {
  struct slice s = item->value->text;
  char *p = arena_strndup(ps->keep, s.len ? s.p : "", s.len);

  if (!p) {
    ps->ms.nomem = true;
    return false;
  }
  *ret = (struct suite_word){{p, s.len}, item->pos};
  return true;
}

static bool read_word(struct parser *ps, const struct tree_item *item,
                      const char *what, size_t max, struct suite_word *ret) {
  return mistakes_is_string(&ps->ms, item, what, max) &&
         keep_word(ps, item, ret);
}

/* The same of what must not be empty. */
static bool read_name(struct parser *ps, const struct tree_item *item,
                      const char *what, size_t max, struct suite_word *ret) {
  if (!read_word(ps, item, what, max, ret))
    return false;
  if (ret->text.len > 0)
    return true;
  mistakes_add(&ps->ms, item->pos, "%s is empty, expected a text", what);
  return false;
}

/* A list of words, or one word.  The result has as many entries as the list;
 * those that are wrong stay empty. */
static struct suite_word *read_words(struct parser *ps,
                                     const struct tree_item *item,
                                     const char *what, const char *one,
                                     size_t max, size_t *ret_n) {
  const struct tree_node *n = item->value;
  size_t len = n->kind == TREE_LIST ? n->len : 1;
  struct suite_word *words;

  *ret_n = 0;
  if (n->kind == TREE_MAP || n->tagged) {
    mistakes_add(&ps->ms, item->pos, "'%s' is %s, expected a string or a list",
                 what, tree_describe(n));
    return NULL;
  }
  if (len == 0) {
    mistakes_add(&ps->ms, item->pos, "'%s' is empty, expected at least one %s",
                 what, one);
    return NULL;
  }
  if (!(words = array(ps, len, sizeof *words)))
    return NULL;
  for (size_t i = 0; i < len && !ps->ms.nomem; i++)
    read_name(ps, n->kind == TREE_LIST ? &n->items[i] : item, one, max,
              &words[i]);
  *ret_n = len;
  return words;
}

/* A map as plain data; null counts as none. */
static const struct value *read_meta(struct parser *ps,
                                     const struct tree_item *item) {
  const struct tree_node *n = item->value;
  struct value *v;
  struct err e;
  int rv;

  if (n->kind == TREE_SCALAR && n->type == TREE_NULL)
    return NULL;
  if (n->kind != TREE_MAP) {
    mistakes_add(&ps->ms, item->pos, "'meta' is %s, expected a map",
                 tree_describe(n));
    return NULL;
  }
  if (!(v = array(ps, 1, sizeof *v)))
    return NULL;
  rv = tree_to_value(v, n, ps->keep, &e);
  if (rv == 0)
    return v;
  if (rv == ERR_NOMEM)
    ps->ms.nomem = true;
  else
    mistakes_add(&ps->ms,
                 e.line ? (struct tree_pos){e.line, e.column} : item->pos, "%s",
                 e.message);
  return NULL;
}

/* --------------------------------------------------------------- actors --- */

enum { ACTOR_ID, ACTOR_META, ACTOR_KEYS };
static const char *const actor_keys[] = {"id", "meta", NULL};

static void read_actor(struct parser *ps, const struct tree_item *item,
                       struct named_actor *ret) {
  const struct tree_item *at[ACTOR_KEYS];
  struct suite_word id = {{"", 0}, item->pos};

  if (item->value->kind != TREE_MAP) {
    mistakes_add(&ps->ms, item->pos,
                 "actor is %s, expected a map like {id: ..., meta: {...}}",
                 tree_describe(item->value));
    return;
  }
  mistakes_read_keys(&ps->ms, item->value, actor_keys, at);
  if (!at[ACTOR_ID])
    mistakes_add(&ps->ms, item->pos, "actor without an id, expected 'id'");
  else
    read_name(ps, at[ACTOR_ID], "id", TEXT_MAX_BYTES, &id);
  ret->actor.id = id.text;
  if (at[ACTOR_META])
    ret->actor.meta = read_meta(ps, at[ACTOR_META]);
}

static void read_actors(struct parser *ps, const struct tree_item *item) {
  const struct tree_node *map = item->value;

  if (map->kind != TREE_MAP || map->tagged) {
    mistakes_add(&ps->ms, item->pos,
                 "'actors' is %s, expected a map from names to actors",
                 tree_describe(map));
    return;
  }
  if (!(ps->actors = array(ps, map->len, sizeof *ps->actors)) ||
      !(ps->actor_names = array(ps, map->len + 1, sizeof *ps->actor_names)))
    return;
  for (size_t i = 0; i < map->len && !ps->ms.nomem; i++) {
    struct tree_item key = {.value = map->items[i].key,
                            .pos = map->items[i].key->pos};
    struct named_actor *a = &ps->actors[ps->nactors];
    struct suite_word name;
    size_t known = 0;
    if (!read_name(ps, &key, "name of an actor", NAME_MAX_BYTES, &name))
      continue;
    while (known < ps->nactors && !slice_eq(ps->actors[known].name, name.text))
      known++;
    if (known < ps->nactors) {
      mistakes_add(&ps->ms, key.pos, "duplicate actor '%.*s'",
                   MISTAKES_SHOWN(name.text));
      continue;
    }
    /* known by its name even if it is wrong: one mistake is enough */
    a->name = name.text;
    ps->actor_names[ps->nactors++] = name.text.p;
    read_actor(ps, &map->items[i], a);
  }
}

/* ---------------------------------------------------------------- tests --- */

enum {
  TEST_NAME,
  TEST_ACTOR,
  TEST_SCOPE,
  TEST_ALLOW,
  TEST_DENY,
  TEST_ACTION,
  TEST_RESOURCE,
  TEST_META,
  TEST_URL,
  TEST_EXPECT,
  TEST_POLICY,
  TEST_KEYS
};
static const char *const test_keys[] = {"name", "actor",  "scope",    "allow",
                                        "deny", "action", "resource", "meta",
                                        "url",  "expect", "policy",   NULL};

static void find_actor(struct parser *ps, struct tree_pos pos,
                       const struct tree_item *item, struct suite_test *t) {
  struct suite_word name;

  if (!item) {
    mistakes_add(&ps->ms, pos,
                 "test without an actor, expected 'actor': a name from "
                 "'actors', or null for nobody");
    return;
  }
  if (item->value->kind == TREE_SCALAR && item->value->type == TREE_NULL)
    return; /* nobody, who is refused everything */
  if (!read_name(ps, item, "actor", NAME_MAX_BYTES, &name))
    return;
  for (size_t i = 0; i < ps->nactors; i++)
    if (slice_eq(ps->actors[i].name, name.text)) {
      t->actor = &ps->actors[i].actor;
      return;
    }
  if (ps->nactors > 0)
    mistakes_unknown(&ps->ms, item->pos, "actor", name.text, ps->actor_names);
  else
    mistakes_add(&ps->ms, item->pos,
                 "unknown actor '%.*s', expected one that stands in 'actors'",
                 MISTAKES_SHOWN(name.text));
}

static bool find_want(struct parser *ps, const struct tree_item *item,
                      enum suite_want *ret) {
  static const char *const wants[] = {"allow", "deny", "undefined", "error",
                                      NULL};
  static const enum suite_want meaning[] = {SUITE_ALLOW, SUITE_DENY,
                                            SUITE_UNDEFINED, SUITE_ERROR};

  if (!mistakes_is_string(&ps->ms, item, "'expect'", TEXT_MAX_BYTES))
    return false;
  for (size_t i = 0; wants[i]; i++)
    if (slice_is(item->value->text, wants[i])) {
      *ret = meaning[i];
      return true;
    }
  mistakes_unknown(&ps->ms, item->pos, "answer", item->value->text, wants);
  return false;
}

/* "allow" and "deny": URLs, asked for as websocket.connect does. */
static void read_urls(struct parser *ps, const struct tree_item *allow,
                      const struct tree_item *deny, struct suite_test *t) {
  struct suite_word *words[2] = {NULL, NULL};
  size_t n[2] = {0, 0};

  if (allow)
    words[0] = read_words(ps, allow, "allow", "URL", TEXT_MAX_BYTES, &n[0]);
  if (deny)
    words[1] = read_words(ps, deny, "deny", "URL", TEXT_MAX_BYTES, &n[1]);
  if (n[0] + n[1] == 0 ||
      !(t->expectations = array(ps, n[0] + n[1], sizeof *t->expectations)))
    return;
  for (size_t k = 0; k < 2; k++)
    for (size_t i = 0; i < n[k]; i++)
      t->expectations[t->nexpectations++] = (struct suite_expectation){
          .want = k == 0 ? SUITE_ALLOW : SUITE_REFUSED,
          .connect = true,
          .action = SLICE("websocket.connect.url"),
          .resource = words[k][i].text,
          .pos = words[k][i].pos};
}

/* The URL an address is dialled for: one that is refused is never dialled. */
static struct slice read_url(struct parser *ps, const struct tree_item *item,
                             struct slice action) {
  struct suite_word word = {.text = {NULL, 0}};
  struct url url;
  struct err e;

  if (!slice_is(action, "websocket.connect.address"))
    mistakes_add(&ps->ms, item->key->pos,
                 "'url' beside action '%.*s', expected it beside "
                 "'websocket.connect.address' only",
                 MISTAKES_SHOWN(action));
  else if (read_name(ps, item, "url", TEXT_MAX_BYTES, &word) &&
           url_parse(&url, word.text, NULL, &e) != 0)
    mistakes_add(&ps->ms, item->pos, "%s", e.message);
  return word.text;
}

/* "action" and what belongs to it. */
static void read_action(struct parser *ps, const struct tree_item *const *at,
                        struct suite_test *t) {
  struct suite_word action = {.text = {NULL, 0}}, resource = {{"", 0}, {0, 0}};
  struct suite_expectation *x = array(ps, 1, sizeof *x);

  if (!x)
    return;
  read_name(ps, at[TEST_ACTION], "action", TEXT_MAX_BYTES, &action);
  if (at[TEST_RESOURCE])
    read_word(ps, at[TEST_RESOURCE], "resource", TEXT_MAX_BYTES, &resource);
  if (at[TEST_URL] && action.text.p)
    x->url = read_url(ps, at[TEST_URL], action.text);
  if (at[TEST_META])
    t->meta = read_meta(ps, at[TEST_META]);
  if (!at[TEST_EXPECT])
    mistakes_add(&ps->ms, t->name.pos,
                 "test of an action without an answer, expected 'expect: "
                 "allow', 'deny', 'undefined' or 'error'");
  else
    find_want(ps, at[TEST_EXPECT], &x->want);
  x->action = action.text;
  x->resource = resource.text;
  x->pos = at[TEST_EXPECT] ? at[TEST_EXPECT]->pos : t->name.pos;
  t->expectations = x;
  t->nexpectations = 1;
}

static void read_questions(struct parser *ps, struct tree_pos pos,
                           const struct tree_item *const *at,
                           struct suite_test *t) {
  static const int of_action[] = {TEST_RESOURCE, TEST_META, TEST_URL,
                                  TEST_EXPECT};

  if (at[TEST_ACTION]) {
    for (int k = TEST_ALLOW; k <= TEST_DENY; k++)
      if (at[k])
        mistakes_add(&ps->ms, at[k]->key->pos,
                     "'%s' beside 'action', expected one or the other",
                     test_keys[k]);
    read_action(ps, at, t);
    return;
  }
  for (size_t i = 0; i < sizeof of_action / sizeof *of_action; i++)
    if (at[of_action[i]])
      mistakes_add(&ps->ms, at[of_action[i]]->key->pos,
                   "'%s' without an action, expected 'action'",
                   test_keys[of_action[i]]);
  if (at[TEST_ALLOW] || at[TEST_DENY])
    read_urls(ps, at[TEST_ALLOW], at[TEST_DENY], t);
  else if (!at[TEST_RESOURCE] && !at[TEST_EXPECT])
    mistakes_add(&ps->ms, pos,
                 "test without a question, expected 'allow', 'deny' or "
                 "'action'");
}

static void read_test(struct parser *ps, const struct tree_item *item,
                      struct suite_test *t) {
  const struct tree_item *at[TEST_KEYS];

  t->name = (struct suite_word){{"", 0}, item->pos};
  if (item->value->kind != TREE_MAP) {
    mistakes_add(&ps->ms, item->pos,
                 "test is %s, expected a map with name, actor and allow, deny "
                 "or action",
                 tree_describe(item->value));
    return;
  }
  mistakes_read_keys(&ps->ms, item->value, test_keys, at);
  if (!at[TEST_NAME])
    mistakes_add(&ps->ms, item->pos, "test without a name, expected 'name'");
  else if (read_name(ps, at[TEST_NAME], "name", NAME_MAX_BYTES, &t->name))
    t->name.pos = item->pos;
  find_actor(ps, item->pos, at[TEST_ACTOR], t);
  if (at[TEST_SCOPE])
    t->scope = read_words(ps, at[TEST_SCOPE], "scope", "name", NAME_MAX_BYTES,
                          &t->nscope);
  if (at[TEST_POLICY])
    read_name(ps, at[TEST_POLICY], "policy", NAME_MAX_BYTES, &t->policy);
  read_questions(ps, item->pos, at, t);
}

static void read_tests(struct parser *ps, const struct tree_item *item) {
  const struct tree_node *list = item->value;
  struct suite_test *tests;

  if (list->kind != TREE_LIST || list->tagged) {
    mistakes_add(&ps->ms, item->pos, "'tests' is %s, expected a list",
                 tree_describe(list));
    return;
  }
  if (list->len == 0) {
    mistakes_add(&ps->ms, item->pos,
                 "'tests' is empty, expected at least one test");
    return;
  }
  if (!(tests = array(ps, list->len, sizeof *tests)))
    return;
  for (size_t i = 0; i < list->len && !ps->ms.nomem; i++) {
    struct slice name;
    size_t same = 0;
    read_test(ps, &list->items[i], &tests[i]);
    name = tests[i].name.text;
    while (same < i && !slice_eq(tests[same].name.text, name))
      same++;
    if (same < i && name.len > 0)
      mistakes_add(&ps->ms, tests[i].name.pos,
                   "duplicate test '%.*s', first at line %u",
                   MISTAKES_SHOWN(name), tests[same].name.pos.line);
  }
  ps->file->tests = tests;
  ps->file->ntests = list->len;
}

/* ----------------------------------------------------------------- file --- */

enum { FILE_VERSION, FILE_POLICIES, FILE_ACTORS, FILE_TESTS, FILE_KEYS };
static const char *const file_keys[] = {"version", "policies", "actors",
                                        "tests", NULL};

static void read_version(struct parser *ps, const struct tree_item *item) {
  const struct tree_node *n = item->value;

  if (n->kind != TREE_SCALAR || n->tagged || n->type == TREE_NULL)
    mistakes_add(&ps->ms, item->pos, "version is %s, expected \"1.0\"",
                 tree_describe(n));
  else if (!slice_is(n->text, "1.0") && !slice_is(n->text, "1"))
    mistakes_add(&ps->ms, item->pos, "unknown version '%.*s', expected \"1.0\"",
                 MISTAKES_SHOWN(n->text));
}

static void read_file(struct parser *ps, const struct tree_node *root) {
  const struct tree_item *at[FILE_KEYS];

  if (root->kind != TREE_MAP) {
    mistakes_add(&ps->ms, root->pos,
                 "file is %s, expected a map with policies, actors and tests",
                 tree_describe(root));
    return;
  }
  mistakes_read_keys(&ps->ms, root, file_keys, at);
  if (at[FILE_VERSION])
    read_version(ps, at[FILE_VERSION]);
  if (!at[FILE_POLICIES])
    mistakes_add(&ps->ms, root->pos,
                 "test file without policies, expected 'policies': files or "
                 "folders beside it, such as [.]");
  else
    ps->file->paths = read_words(ps, at[FILE_POLICIES], "policies", "path",
                                 PATH_MAX_BYTES, &ps->file->npaths);
  if (at[FILE_ACTORS])
    read_actors(ps, at[FILE_ACTORS]);
  if (!at[FILE_TESTS])
    mistakes_add(&ps->ms, root->pos,
                 "test file without tests, expected 'tests'");
  else if (!ps->ms.nomem)
    read_tests(ps, at[FILE_TESTS]);
}

int suite_parse(struct suite_file *ret, const char *name, struct slice text,
                const struct tree_limits *limits, struct arena *keep,
                policy_mistake_fn *fn, void *ud) {
  struct suite_file file = {.paths = NULL};
  struct parser ps = {.keep = keep, .file = &file};
  struct tree_node *root;
  struct arena scratch;
  struct err e;
  int rv;

  mistakes_init(&ps.ms, name, &keep->mem);
  arena_init(&scratch, &keep->mem, SIZE_MAX);
  memset(&e, 0, sizeof e);
  rv = tree_parse(&root, text, limits, &scratch, &e);
  if (rv == 0)
    read_file(&ps, root);
  else if (rv == ERR_SYNTAX)
    mistakes_add(&ps.ms, (struct tree_pos){e.line, e.column}, "%s", e.message);
  else
    ps.ms.nomem = true;
  rv = mistakes_tell(&ps.ms, fn, ud);
  if (rv == 0)
    *ret = file;
  mistakes_deinit(&ps.ms);
  arena_deinit(&scratch);
  return rv;
}
