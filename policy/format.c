/* format.c - policy files in their canonical layout.  Nothing is given out
 * that was not read back and found to mean the same. */
#include "policy/format.h"

#include "policy/format_node.h"

#include <stdio.h>

/* Of the tree twice, the nodes twice and the comments: far more than a file of
 * the largest size needs. */
#define WORK_MAX ((size_t)256 << 20)

/* ---------------------------------------------------------- the same tree ---
 */

struct comparison {
  struct arena *scratch;
  bool nomem; /* "not the same" is no answer */
};

static bool same_tree(const struct tree_node *a, const struct tree_node *b,
                      struct comparison *with);

/* Keys may have changed places, but not those of the same name among
 * themselves. */
static bool same_map(const struct tree_node *a, const struct tree_node *b,
                     struct comparison *with) {
  bool *used = arena_array(with->scratch, b->len, sizeof *used);
  size_t from = 0; /* what is before has been used */

  if (!used) {
    with->nomem = true;
    return false;
  }
  for (size_t i = 0; i < a->len; i++) {
    size_t k = from;
    while (k < b->len &&
           (used[k] || !same_tree(a->items[i].key, b->items[k].key, with)))
      k++;
    if (k == b->len || !same_tree(a->items[i].value, b->items[k].value, with))
      return false;
    used[k] = true;
    while (from < b->len && used[from])
      from++;
  }
  return true;
}

/* Recursion ends where the levels of a tree do. */
static bool same_tree(const struct tree_node *a, const struct tree_node *b,
                      struct comparison *with) {
  if (a->kind != b->kind || a->tagged != b->tagged || a->len != b->len)
    return false;
  if (a->kind == TREE_SCALAR)
    return a->type == b->type && slice_eq(a->text, b->text);
  if (a->kind == TREE_MAP)
    return same_map(a, b, with);
  for (size_t i = 0; i < a->len; i++)
    if (!same_tree(a->items[i].value, b->items[i].value, with))
      return false;
  return true;
}

/* ---------------------------------------------------------- the same file ---
 */

/* What a tree does not show: anchors, tags, aliases.  |a| is in its new
 * order. */
static bool same_node(const struct format_node *a,
                      const struct format_node *b) {
  if (a->kind != b->kind || a->len != b->len || !slice_eq(a->props, b->props))
    return false;
  if (!slice_eq(a->text, b->text))
    return false;
  for (size_t i = 0; i < a->len; i++)
    if ((a->items[i]->key && !same_node(a->items[i]->key, b->items[i]->key)) ||
        !same_node(a->items[i]->value, b->items[i]->value))
      return false;
  return true;
}

static int unsupported(struct err *e, const char *what) {
  return err_setf(e, ERR_UNSUPPORTED, "cannot be formatted: %s", what);
}

/* |made| is what became of |was|. */
static int check(const struct format_file *was, const struct tree_node *tree,
                 struct slice made, const struct tree_limits *limits,
                 struct arena *a, struct err *e) {
  struct comparison with = {.scratch = a};
  struct format_file again;
  struct tree_node *read;
  struct buf twice;
  int rv;

  if ((rv = tree_parse(&read, made, limits, a, e)) != 0)
    return rv == ERR_NOMEM ? rv : unsupported(e, "the result does not load");
  if (!same_tree(tree, read, &with))
    return with.nomem ? ERR_NOMEM
                      : unsupported(e, "the result would mean something else");
  if ((rv = format_read(&again, made, a)) != 0)
    return rv == ERR_NOMEM ? rv : unsupported(e, "the result does not load");
  if (!same_node(was->document->items[0]->value,
                 again.document->items[0]->value))
    return unsupported(e, "the result would mean something else");
  if (was->ncomments != again.ncomments ||
      was->comments_sum != again.comments_sum)
    return unsupported(e, "a comment would be lost");
  if ((rv = format_arrange(&again)) != 0)
    return rv;
  buf_init(&twice, &a->mem, made.len);
  rv = format_write(&again, &twice);
  if (rv != ERR_NOMEM)
    rv = rv == 0 && slice_eq(buf_slice(&twice), made)
             ? 0
             : unsupported(e, "the result is not final");
  buf_deinit(&twice);
  return rv;
}

/* ----------------------------------------------------------------- ours --- */

static bool is_list(const struct tree_item *item) {
  return item && item->value->kind == TREE_LIST;
}

/* The one policy of a file; maps of other programs have kinds, too. */
static bool is_single(const struct tree_node *root) {
  static const char *const kinds[] = {"security.policy", "security.policy.expr",
                                      NULL};
  const struct tree_item *kind = tree_get(root, "kind");
  if (!kind || kind->value->kind != TREE_SCALAR)
    return false;
  for (size_t i = 0; kinds[i]; i++)
    if (slice_is(kind->value->text, kinds[i]))
      return true;
  return str_nearest(kind->value->text, kinds) != NULL;
}

static bool is_ours(const struct tree_node *root) {
  static const char *const misspelt[] = {"entries", NULL};
  if (root->kind != TREE_MAP)
    return false;
  if (is_single(root) || is_list(tree_get(root, "entries")) ||
      is_list(tree_get(root, "tests")))
    return true;
  for (size_t i = 0; i < root->len; i++)
    if (root->items[i].key->kind == TREE_SCALAR && is_list(&root->items[i]) &&
        str_nearest(root->items[i].key->text, misspelt))
      return true;
  return false;
}

static int format_any(struct buf *out, struct slice text, bool ours,
                      const struct tree_limits *limits, const struct mem *m,
                      struct err *e) {
  struct format_file file;
  struct tree_node *tree;
  struct arena a;
  struct buf made;
  struct err local;
  int rv;

  if (!e)
    e = &local;
  arena_init(&a, m, WORK_MAX);
  buf_init(&made, m, limits->max_bytes);
  if ((rv = tree_parse(&tree, text, limits, &a, e)) != 0)
    goto done;
  if (ours && !is_ours(tree)) {
    rv = err_at(e, ERR_SYNTAX, NULL, tree->pos.line, tree->pos.column,
                "no policy file, manifest or suite of tests, expected a list "
                "'entries' or 'tests', or one policy with its 'kind'");
    goto done;
  }
  if ((rv = format_read(&file, text, &a)) == ERR_SYNTAX)
    rv = unsupported(e, "its words cannot be told apart");
  if (rv != 0)
    goto done;
  if ((rv = format_arrange(&file)) == 0 &&
      (rv = format_write(&file, &made)) == ERR_FULL)
    rv = unsupported(e, "the result would be larger than a policy file may be");
  if (rv == 0)
    rv = check(&file, tree, buf_slice(&made), limits, &a, e);
  if (rv == 0)
    rv = buf_add(out, buf_bytes(&made), made.len);
done:
  if (rv == ERR_NOMEM || rv == ERR_FULL)
    err_set(e, rv);
  buf_deinit(&made);
  arena_deinit(&a);
  return rv;
}

int format_text(struct buf *out, struct slice text,
                const struct tree_limits *limits, const struct mem *m,
                struct err *e) {
  return format_any(out, text, false, limits, m, e);
}

int format_document(struct buf *out, struct slice text,
                    const struct tree_limits *limits, const struct mem *m,
                    struct err *e) {
  return format_any(out, text, true, limits, m, e);
}
