/* parse_note.c - what a policy file says that is no mistake and still deserves
 * advice: notes on policies, and the policies that other entries name. */
#include "policy/parse_in.h"

/* Behind the last, so that they stay in the order of the text. */
struct policy_note *parse_note(struct parser *ps, struct policy *p,
                               enum policy_note_kind kind, struct tree_pos at,
                               struct slice text) {
  struct policy_note *n = arena_zalloc(ps->keep, sizeof *n);
  const struct policy_note **link = &p->notes;

  if (!n || !(n->text.p =
                  arena_strndup(ps->keep, text.len ? text.p : "", text.len))) {
    ps->ms.nomem = true;
    return NULL;
  }
  n->kind = kind;
  n->line = at.line;
  n->column = at.column;
  n->text.len = text.len;
  n->next = NULL;
  while (*link)
    link = (const struct policy_note **)(uintptr_t) & (*link)->next;
  *link = n;
  return n;
}

static void bad_silence(struct parser *ps, struct policy *p, struct tree_pos at,
                        const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void bad_silence(struct parser *ps, struct policy *p, struct tree_pos at,
                        const char *fmt, ...) {
  struct err e;
  va_list ap;

  va_start(ap, fmt);
  err_vsetf(&e, ERR_SYNTAX, fmt, ap);
  va_end(ap);
  parse_note(ps, p, POLICY_NOTE_BAD_SILENCE, at, slice_of(e.message));
}

/* meta: {lint: {silence: {CODE: "why"}}}.  Meta is free text for everybody
 * else, so that nothing in it is a mistake: what is wrong is advice as well. */
static void read_silence(struct parser *ps, const struct tree_item *item,
                         struct policy *p) {
  const struct tree_node *map = item->value;

  if (map->kind != TREE_MAP) {
    bad_silence(ps, p, item->pos,
                "'silence' is %s, expected a map like {CODE: \"reason\"}",
                tree_describe(map));
    return;
  }
  for (size_t i = 0; i < map->len && !ps->ms.nomem; i++) {
    const struct tree_node *key = map->items[i].key;
    const struct tree_node *value = map->items[i].value;
    bool reason = value->kind == TREE_SCALAR && value->type == TREE_STRING;
    struct policy_note *n;
    if (key->kind != TREE_SCALAR) {
      bad_silence(ps, p, key->pos, "%s as a code, expected a name",
                  tree_describe(key));
      continue;
    }
    n = parse_note(ps, p, POLICY_NOTE_SILENCE, key->pos, key->text);
    if (!n || !reason)
      continue;
    n->reason.p = arena_strndup(ps->keep, value->text.p, value->text.len);
    n->reason.len = value->text.len;
    if (!n->reason.p)
      ps->ms.nomem = true;
  }
}

void parse_meta(struct parser *ps, const struct tree_node *meta,
                struct policy *p) {
  const struct tree_item *lint =
      meta->kind == TREE_MAP ? tree_get(meta, "lint") : NULL;

  if (!lint)
    return;
  if (lint->value->kind != TREE_MAP) {
    bad_silence(ps, p, lint->pos,
                "'lint' is %s, expected a map like {silence: {CODE: "
                "\"reason\"}}",
                tree_describe(lint->value));
    return;
  }
  for (size_t i = 0; i < lint->value->len && !ps->ms.nomem; i++) {
    const struct tree_item *item = &lint->value->items[i];
    if (item->key->kind == TREE_SCALAR && slice_is(item->key->text, "silence"))
      read_silence(ps, item, p);
    else
      bad_silence(ps, p, item->key->pos,
                  "unknown key '%.*s' in 'lint', expected 'silence'",
                  MISTAKES_SHOWN(item->key->text));
  }
}

static void add_reference(struct parser *ps, const struct tree_item *item,
                          bool group) {
  struct policy_reference *r;
  struct slice s = item->value->text;

  if (item->value->kind != TREE_SCALAR || item->value->type != TREE_STRING ||
      s.len == 0 || s.len > PARSE_MAX_TEXT)
    return;
  r = arena_zalloc(ps->keep, sizeof *r);
  if (!r || !(r->name.p = arena_strndup(ps->keep, s.p, s.len)) ||
      (ps->ns.p &&
       !(r->ns.p = arena_strndup(ps->keep, ps->ns.p, ps->ns.len)))) {
    ps->ms.nomem = true;
    return;
  }
  r->name.len = s.len;
  r->ns.len = ps->ns.p ? ps->ns.len : 0;
  r->file = ps->ms.name;
  r->line = item->pos.line;
  r->column = item->pos.column;
  r->group = group;
  r->next = *ps->references;
  *ps->references = r;
}

static void add_references(struct parser *ps, const struct tree_node *security,
                           const char *key, bool group) {
  const struct tree_item *list =
      security->kind == TREE_MAP ? tree_get(security, key) : NULL;

  for (size_t i = 0; list && i < parse_list_len(list->value) && !ps->ms.nomem;
       i++) {
    struct tree_item at = parse_list_at(list, i);
    add_reference(ps, &at, group);
  }
}

/* Of an entry of another kind, at any depth.  The depth of a tree is bounded
 * (TREE_MAX_LEVELS), and its size counts aliases as written out. */
void parse_references(struct parser *ps, const struct tree_node *n) {
  for (size_t i = 0; n->kind != TREE_SCALAR && i < n->len && !ps->ms.nomem;
       i++) {
    const struct tree_item *item = &n->items[i];
    if (item->key && item->key->kind == TREE_SCALAR &&
        slice_is(item->key->text, "security")) {
      add_references(ps, item->value, "policies", false);
      add_references(ps, item->value, "groups", true);
    } else {
      parse_references(ps, item->value);
    }
  }
}
