/* mistakes.c - the mistakes of one YAML file, told in the order of the text. */
#include "policy/mistakes.h"

#include <stdio.h>

/* Shown for one file; a file of another kind has thousands. */
#define KEPT_MAX 100

void mistakes_init(struct mistakes *ms, const char *name,
                   const struct mem *mem) {
  *ms = (struct mistakes){.name = name, .mem = mem};
}

void mistakes_deinit(struct mistakes *ms) {
  mem_free(ms->mem, ms->list, ms->cap * sizeof *ms->list);
  ms->list = NULL;
  ms->len = ms->cap = 0;
}

/* Whether |e| was told: two readers of one map, or two aliases of it. */
static bool is_kept(const struct mistakes *ms, const struct err *e) {
  for (size_t i = ms->len; i-- > 0 && ms->list[i].line >= e->line;)
    if (ms->list[i].line == e->line && ms->list[i].column == e->column &&
        strcmp(ms->list[i].message, e->message) == 0)
      return true;
  return false;
}

static void keep(struct mistakes *ms, const struct err *e) {
  size_t at;

  if (ms->len == ms->cap) {
    struct err *grown = mem_grow(ms->mem, ms->list, &ms->cap, ms->len + 1,
                                 sizeof *ms->list, KEPT_MAX);
    if (!grown) {
      ms->nomem = true;
      return;
    }
    ms->list = grown;
  }
  /* at the same place in the order of finding */
  for (at = ms->len++; at > 0; at--) {
    const struct err *before = &ms->list[at - 1];
    if (before->line < e->line ||
        (before->line == e->line && before->column <= e->column))
      break;
    ms->list[at] = *before;
  }
  ms->list[at] = *e;
}

void mistakes_add(struct mistakes *ms, struct tree_pos at, const char *fmt,
                  ...) {
  struct err e;
  va_list ap;

  ms->total++;
  if (ms->len == KEPT_MAX)
    return;
  va_start(ap, fmt);
  err_vsetf(&e, ERR_SYNTAX, fmt, ap);
  va_end(ap);
  e.line = at.line;
  e.column = at.column;
  if (is_kept(ms, &e)) {
    ms->repeated++;
    return;
  }
  str_escape(e.source, sizeof e.source, slice_of(ms->name));
  keep(ms, &e);
}

void mistakes_unknown(struct mistakes *ms, struct tree_pos at, const char *what,
                      struct slice got, const char *const *words) {
  const char *near;
  char all[256];
  size_t n = 0;

  if (ms->len == KEPT_MAX) { /* thousands of searches for nothing */
    ms->total++;
    return;
  }
  if ((near = str_nearest(got, words)) != NULL) {
    mistakes_add(ms, at, "unknown %s '%.*s', expected '%s'", what,
                 MISTAKES_SHOWN(got), near);
    return;
  }
  all[0] = '\0';
  for (size_t i = 0; words[i] && n < sizeof all; i++)
    n += (size_t)snprintf(all + n, sizeof all - n, "%s'%s'",
                          i == 0         ? ""
                          : words[i + 1] ? ", "
                                         : " or ",
                          words[i]);
  mistakes_add(ms, at, "unknown %s '%.*s', expected %s", what,
               MISTAKES_SHOWN(got), all);
}

void mistakes_take_misspelt(const struct tree_node *map,
                            const char *const *words,
                            const struct tree_item **items) {
  for (size_t i = 0; i < map->len; i++) {
    const struct tree_node *key = map->items[i].key;
    const char *near;
    size_t w = 0;
    if (key->kind != TREE_SCALAR || key->tagged ||
        !(near = str_nearest(key->text, words)))
      continue;
    while (words[w] != near)
      w++;
    if (!items[w])
      items[w] = &map->items[i];
  }
}

void mistakes_read_keys(struct mistakes *ms, const struct tree_node *map,
                        const char *const *words,
                        const struct tree_item **items) {
  size_t before = ms->total;

  for (size_t w = 0; words[w]; w++)
    items[w] = NULL;
  if (map->tagged)
    mistakes_add(ms, map->pos, "tags are not supported");
  for (size_t i = 0; i < map->len; i++) {
    const struct tree_node *key = map->items[i].key;
    size_t w = 0;
    if (key->kind != TREE_SCALAR || key->tagged) {
      mistakes_add(ms, key->pos, "%s as a key, expected a name",
                   tree_describe(key));
      continue;
    }
    /* most words differ in the first letter; |text| has a NUL behind it */
    while (words[w] &&
           (words[w][0] != key->text.p[0] || !slice_is(key->text, words[w])))
      w++;
    if (words[w] && items[w])
      mistakes_add(ms, key->pos, "duplicate key '%s', first at line %u",
                   words[w], (unsigned)items[w]->key->pos.line);
    else if (words[w])
      items[w] = &map->items[i];
    else if (slice_is(key->text, "<<"))
      mistakes_add(ms, key->pos,
                   "merge key '<<' is not supported, expected the keys "
                   "written out");
    else
      mistakes_unknown(ms, key->pos, "key", key->text, words);
  }
  if (ms->total > before && ms->len < KEPT_MAX)
    mistakes_take_misspelt(map, words, items);
}

bool mistakes_is_string(struct mistakes *ms, const struct tree_item *item,
                        const char *what, size_t max) {
  const struct tree_node *n = item->value;
  bool quotable = n->kind == TREE_SCALAR && !n->tagged && n->text.len > 0;

  if (n->kind != TREE_SCALAR || n->type != TREE_STRING) {
    mistakes_add(ms, item->pos, "%s is %s, expected a string%s", what,
                 tree_describe(n), quotable ? " in quotes" : "");
    return false;
  }
  if (n->text.len > max) {
    mistakes_add(ms, item->pos, "%s is too long, expected at most %zu bytes",
                 what, max);
    return false;
  }
  if (n->text.len && memchr(n->text.p, '\0', n->text.len)) {
    mistakes_add(ms, item->pos, "%s has a NUL byte, expected text", what);
    return false;
  }
  return true;
}

int mistakes_tell(const struct mistakes *ms, policy_mistake_fn *fn, void *ud) {
  if (ms->nomem)
    return ERR_NOMEM;
  for (size_t i = 0; fn && i < ms->len; i++)
    fn(ud, &ms->list[i]);
  if (fn && ms->total - ms->repeated > ms->len) {
    struct err e = ms->list[ms->len - 1];
    err_at(&e, ERR_SYNTAX, NULL, e.line, e.column,
           "too many mistakes, %zu more are not shown",
           ms->total - ms->repeated - ms->len);
    str_escape(e.source, sizeof e.source, slice_of(ms->name));
    fn(ud, &e);
  }
  return ms->total ? ERR_SYNTAX : 0;
}
