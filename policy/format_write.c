/* format_write.c - the canonical layout: which style, which order, which
 * words, and then all of it on paper. */
#include "policy/format_node.h"

#define COLUMNS 80
#define INDENT 2
/* A longer key must be written with "? ": libyaml looks ahead 1,024. */
#define KEY_MAX 1000
/* A map with more keys and with anchors in it keeps its order. */
#define ORDERED_MAX 64

static bool collection(const struct format_node *n) {
  return n->kind == FORMAT_LIST || n->kind == FORMAT_MAP;
}

/* Written over several lines whatever happens. */
static bool lines_of_text(const struct format_node *n) {
  return n->kind == FORMAT_SCALAR && n->text.len > 0 &&
         (n->style == FORMAT_LITERAL || n->style == FORMAT_FOLDED);
}

static bool nothing(const struct format_node *n) {
  return n->kind == FORMAT_SCALAR && n->style == FORMAT_PLAIN &&
         n->text.len == 0;
}

/* ---------------------------------------------------- what is known here ---
 */

/* "*" is where the keys go that are not known. */
static const char *const file_order[] = {
    "version", "namespace", "name", "kind",    "meta",
    "policy",  "groups",    "*",    "entries", NULL};
static const char *const entry_order[] = {"name",   "kind", "meta", "policy",
                                          "groups", "*",    NULL};
static const char *const policy_order[] = {
    "actions",    "resources",  "effect", "rules",
    "conditions", "expression", "*",      NULL};
static const char *const rule_order[] = {"action", "resource", "address", "*",
                                         NULL};
static const char *const condition_order[] = {"field",      "operator", "value",
                                              "value_from", "*",        NULL};

static size_t rank_of(const char *const *order, const struct format_node *key) {
  size_t other = 0;

  for (size_t i = 0; order[i]; i++) {
    if (strcmp(order[i], "*") == 0)
      other = i;
    else if (key->kind == FORMAT_SCALAR && slice_is(key->text, order[i]))
      return i;
  }
  return other;
}

static struct format_node *get(const struct format_node *map, const char *key) {
  if (map->kind == FORMAT_MAP)
    for (size_t i = 0; i < map->len; i++) {
      const struct format_node *k = map->items[i]->key;
      if (k->kind == FORMAT_SCALAR && slice_is(k->text, key))
        return map->items[i]->value;
    }
  return NULL;
}

/* Keys of a merge or keys we know only by their alias: order has a meaning
 * then, or may have. */
static bool merges(const struct format_node *map) {
  for (size_t i = 0; i < map->len; i++)
    if (map->items[i]->key->kind != FORMAT_SCALAR ||
        slice_is(map->items[i]->key->text, "<<"))
      return true;
  return false;
}

static void know_items(struct format_node *list, const char *const *order) {
  if (!list || list->kind != FORMAT_LIST)
    return;
  list->force_block = true;
  for (size_t i = 0; i < list->len; i++)
    if (list->items[i]->value->kind == FORMAT_MAP)
      list->items[i]->value->order = order;
}

static void know_policy(struct format_node *body) {
  if (!body || body->kind != FORMAT_MAP)
    return;
  body->order = policy_order;
  body->force_block = true;
  know_items(get(body, "rules"), rule_order);
  know_items(get(body, "conditions"), condition_order);
}

static void make_foreign(struct format_node *n) {
  n->foreign = true;
  for (size_t i = 0; i < n->len; i++) {
    if (n->items[i]->key)
      make_foreign(n->items[i]->key);
    make_foreign(n->items[i]->value);
  }
}

static void know_entry(struct format_node *entry, const char *const *order) {
  const struct format_node *kind = get(entry, "kind");

  if (entry->kind != FORMAT_MAP || !kind || kind->kind != FORMAT_SCALAR ||
      !(slice_is(kind->text, "security.policy") ||
        slice_is(kind->text, "security.policy.expr"))) {
    make_foreign(entry);
    return;
  }
  entry->order = order;
  entry->force_block = true;
  know_policy(get(entry, "policy"));
}

/* Other keys than ours at the top are no business of ours. */
static void know_top(struct format_node *root) {
  for (size_t i = 0; i < root->len; i++) {
    const struct format_item *it = root->items[i];
    if (strcmp(file_order[rank_of(file_order, it->key)], "*") == 0)
      make_foreign(it->value);
  }
}

static void know_file(struct format_node *root) {
  struct format_node *entries = get(root, "entries");

  if (collection(root))
    root->force_block = true;
  if (entries && entries->kind == FORMAT_LIST) {
    root->order = file_order;
    entries->force_block = entries->spaced = true;
    for (size_t i = 0; i < entries->len; i++)
      know_entry(entries->items[i]->value, entry_order);
  } else if (get(root, "kind")) {
    know_entry(root, file_order);
  }
}

/* -------------------------------------------------------- order of keys --- */

static size_t anchors_of(const struct format_item *it) {
  return it->key->anchors + it->value->anchors;
}

static size_t aliases_of(const struct format_item *it) {
  return it->key->aliases + it->value->aliases;
}

/* True: in the order of the ranks every alias still means the same. */
static bool may_order(const struct format_file *f,
                      const struct format_node *map) {
  size_t anchors = 0, aliases = 0;

  for (size_t i = 0; i < map->len; i++) {
    anchors += anchors_of(map->items[i]);
    aliases += aliases_of(map->items[i]);
  }
  if (anchors == 0)
    return true;
  if (!f->anchors_unique || map->len > ORDERED_MAX)
    return false;
  for (size_t i = 0; aliases > 0 && i < map->len; i++)
    for (size_t k = i + 1; k < map->len; k++)
      if (rank_of(map->order, map->items[i]->key) >
              rank_of(map->order, map->items[k]->key) &&
          anchors_of(map->items[i]) > 0 && aliases_of(map->items[k]) > 0)
        return false;
  return true;
}

/* Stable, and in a file that is in order already linear. */
static void put_in_order(const struct format_file *f, struct format_node *map) {
  if (!map->order || merges(map) || !may_order(f, map))
    return;
  for (size_t i = 1; i < map->len; i++) {
    struct format_item *it = map->items[i];
    size_t rank = rank_of(map->order, it->key), k = i;
    for (; k > 0 && rank_of(map->order, map->items[k - 1]->key) > rank; k--)
      map->items[k] = map->items[k - 1];
    map->items[k] = it;
  }
}

/* ------------------------------------------------------------ bottom up --- */

static size_t props_width(const struct format_node *n) {
  return n->props.len ? format_width(n->props) + 1 : 0;
}

/* Words, widths and what is inside. */
static int measure(struct format_file *f, struct format_node *n) {
  int rv;

  n->width = props_width(n);
  if (!collection(n)) {
    n->must_block = lines_of_text(n);
    if ((rv = format_scalar(&n->words, n, false, f->arena)) != 0 ||
        (rv = format_scalar(&n->flow, n, true, f->arena)) != 0)
      return rv;
    n->width += format_width(n->flow);
    return 0;
  }
  n->commented = n->foot.first != NULL;
  n->width += 2;
  for (size_t i = 0; i < n->len; i++) {
    struct format_item *it = n->items[i];
    struct format_node *parts[] = {it->value, it->key};
    for (size_t k = 0; k < 2 && parts[k]; k++) {
      if ((rv = measure(f, parts[k])) != 0)
        return rv;
      n->anchors += parts[k]->anchors;
      n->aliases += parts[k]->aliases;
      n->commented |= parts[k]->commented;
      n->must_block |= parts[k]->must_block || parts[k]->style == FORMAT_BLOCK;
      if (k == 1 || !it->key || !nothing(it->value) || it->value->props.len)
        n->width += parts[k]->width + 2;
    }
    it->question =
        it->key && (collection(it->key) || nothing(it->key) ||
                    lines_of_text(it->key) || it->key->width > KEY_MAX);
    n->must_block |= it->question;
    n->commented |= it->heads.first || it->trail.first;
  }
  if (n->len > 0)
    n->width -= 2; /* no comma behind the last */
  put_in_order(f, n);
  return 0;
}

/* ------------------------------------------------------------- top down --- */

static struct format_item *first_item(const struct format_node *n) {
  return collection(n) && n->block ? n->items[0] : NULL;
}

/* |from| go above |it|, as the last there. */
static void move_up(struct format_item *it, struct format_comments *from) {
  if (!from->first)
    return;
  from->first->blank = it->blank;
  it->blank = false;
  format_comments_move(&it->heads, from);
}

/* What begins on the line of a dash or a question mark has its comments above
 * that. */
static void hoist(struct format_item *it, struct format_node *n) {
  struct format_item *first = first_item(n);

  if (!first)
    return;
  move_up(it, &it->trail);
  if (!first->heads.first)
    return;
  move_up(it, &first->heads);
  it->blank = first->blank;
}

/* Only one comment fits behind a '|': below it is text. */
static void clear_text(struct format_item *it) {
  if (lines_of_text(it->value) && it->trail.first && it->trail.first->next)
    move_up(it, &it->trail);
}

/* |n| begins in |column|; its items, if it is a block, at |indent|. */
static void arrange(struct format_node *n, size_t column, size_t indent) {
  if (!collection(n) || n->len == 0)
    return;
  n->block = n->style == FORMAT_BLOCK || n->force_block || n->commented ||
             n->must_block || n->width > COLUMNS || column > COLUMNS - n->width;
  if (!n->block)
    return;
  for (size_t i = 0; i < n->len; i++) {
    struct format_item *it = n->items[i];
    size_t key = 0;
    if (it->key && !it->question)
      key = props_width(it->key) + format_width(it->key->words);
    clear_text(it);
    if (it->question) {
      arrange(it->key, indent + INDENT, indent + INDENT);
      hoist(it, it->key);
    }
    arrange(it->value, indent + key + INDENT, indent + INDENT);
    if (!it->key || it->question)
      hoist(it, it->value);
  }
}

/* The comments at the top that an empty line parts from the rest stay there;
 * the others go where the first key goes. */
static void part_heads(struct format_file *f) {
  struct format_item *top = f->document->items[0];
  struct format_comments all = top->heads, rest = {NULL, NULL};
  struct format_node *root = top->value;

  if (!collection(root) || root->len == 0 ||
      !(root->style == FORMAT_BLOCK || root->force_block))
    return;
  top->heads = (struct format_comments){NULL, NULL};
  for (struct format_comment *c = all.first, *next; c; c = next) {
    next = c->next;
    format_comments_add(&rest, c);
    if (next ? next->blank : top->blank)
      format_comments_move(&top->heads, &rest);
  }
  format_comments_move(&rest, &root->items[0]->heads);
  root->items[0]->heads = rest;
}

/* Without such an empty line, what stands at the very top is about the file and
 * not about |first|, which has left its place. */
static void keep_title(struct format_file *f, struct format_item *first) {
  struct format_item *top = f->document->items[0];

  if (first && top->value->items[0] != first && !top->heads.first)
    format_comments_move(&top->heads, &first->heads);
}

/* "---" and nothing behind it, which is not the same as an empty file. */
static bool nothing_at_all(const struct format_file *f) {
  const struct format_node *root = f->document->items[0]->value;

  return nothing(root) && !root->props.len;
}

int format_arrange(struct format_file *f) {
  struct format_item *top = f->document->items[0], *first = NULL;
  int rv;

  if (nothing_at_all(f)) {
    format_comments_move(&top->heads, &top->trail);
    format_comments_move(&top->heads, &f->document->foot);
    return 0;
  }
  know_file(top->value);
  if (get(top->value, "entries"))
    know_top(top->value);
  part_heads(f);
  if (top->value->len > 0)
    first = top->value->items[0];
  if ((rv = measure(f, top->value)) != 0)
    return rv;
  keep_title(f, first);
  arrange(top->value, 0, 0);
  if (first_item(top->value))
    format_comments_move(&top->heads, &top->trail);
  clear_text(top);
  return 0;
}

/* --------------------------------------------------------------- writing ---
 */

struct writer {
  struct buf *out;
  int rv;
  bool kept; /* the last text counts the empty lines behind it as its own */
};

static void put(struct writer *w, struct slice s) {
  if (w->rv == 0 && s.len > 0)
    w->rv = buf_add(w->out, s.p, s.len);
}

static void puts_of(struct writer *w, const char *s) {
  put(w, slice_of(s));
}

static void pad(struct writer *w, size_t n) {
  while (n-- > 0)
    puts_of(w, " ");
}

static void newline(struct writer *w) {
  puts_of(w, "\n");
  w->kept = false;
}

static void empty_line(struct writer *w) {
  if (!w->kept)
    puts_of(w, "\n");
}

static void write_comments(struct writer *w, const struct format_comments *cs,
                           size_t indent, bool first) {
  for (const struct format_comment *c = cs->first; c; c = c->next) {
    if (c->blank && !first)
      empty_line(w);
    first = false;
    pad(w, indent);
    put(w, c->text);
    newline(w);
  }
}

/* The rest of the line. */
static void write_trail(struct writer *w, const struct format_comments *cs) {
  size_t column = 0, from;

  if (w->rv == 0 && cs->first) {
    struct slice s = buf_slice(w->out);
    for (from = s.len; from > 0 && s.p[from - 1] != '\n';)
      from--;
    column = format_width((struct slice){s.p + from, s.len - from}) + 2;
    puts_of(w, "  ");
  }
  for (const struct format_comment *c = cs->first; c; c = c->next) {
    if (c != cs->first)
      pad(w, column);
    put(w, c->text);
    newline(w);
  }
  if (!cs->first)
    newline(w);
}

/* Without a colon behind it, a key that ends in one would be another key. */
static bool ends_in_colon(const struct format_node *key) {
  struct slice s = key->flow;

  return !collection(key) && s.len > 0 && s.p[s.len - 1] == ':';
}

static void write_flow(struct writer *w, const struct format_node *n) {
  if (n->props.len) {
    put(w, n->props);
    puts_of(w, " ");
  }
  if (!collection(n)) {
    put(w, n->flow);
    return;
  }
  puts_of(w, n->kind == FORMAT_MAP ? "{" : "[");
  for (size_t i = 0; i < n->len; i++) {
    const struct format_item *it = n->items[i];
    if (i > 0)
      puts_of(w, ", ");
    if (it->key) {
      write_flow(w, it->key);
      if (nothing(it->value) && !it->value->props.len &&
          !ends_in_colon(it->key))
        continue;
      puts_of(w, it->key->kind == FORMAT_ALIAS ? " : " : ": ");
    }
    write_flow(w, it->value);
  }
  puts_of(w, n->kind == FORMAT_MAP ? "}" : "]");
}

/* The next line of |*s|, without its end. */
static struct slice take_line(struct slice *s) {
  const char *nl = memchr(s->p, '\n', s->len);
  struct slice line = {s->p, nl ? (size_t)(nl - s->p) : s->len};
  size_t used = line.len + (nl != NULL);

  s->p += used;
  s->len -= used;
  if (line.len > 0 && line.p[line.len - 1] == '\r')
    line.len--;
  return line;
}

static size_t blanks(struct slice s) {
  size_t n = 0;

  while (n < s.len && s.p[n] == ' ')
    n++;
  return n;
}

/* How far the text of the folded scalar |n| is indented in the file. */
static size_t text_indent(const struct format_node *n) {
  struct slice rest = n->raw, line = take_line(&rest);
  size_t most = 0;

  for (size_t i = 1; i < line.len && line.p[i] != '#'; i++)
    if (line.p[i] >= '1' && line.p[i] <= '9')
      return (size_t)(n->column > 0 ? n->column : 0) +
             (size_t)(line.p[i] - '0');
  while (rest.len > 0) {
    line = take_line(&rest);
    if (blanks(line) < line.len)
      return blanks(line);
    if (blanks(line) > most)
      most = blanks(line);
  }
  return most;
}

/* The lines of a literal are its value.  Those of a folded one are taken as
 * they stand, for many foldings mean the same. */
static void write_text(struct writer *w, const struct format_node *n,
                       const struct format_comments *trail, size_t indent) {
  bool literal = n->style == FORMAT_LITERAL, digit = false, seen = false;
  struct slice lines = n->text, rest, line;
  size_t strip = 0, ends = 0;

  while (ends < n->text.len && n->text.p[n->text.len - 1 - ends] == '\n')
    ends++;
  if (!literal && ends < n->text.len) {
    lines = n->raw;
    take_line(&lines);
    strip = text_indent(n);
    for (rest = lines, lines.len = 0; rest.len > 0;) {
      line = take_line(&rest);
      if (line.len > strip)
        lines.len = (size_t)(line.p + line.len - lines.p);
    }
  } else {
    lines.len -= ends;
  }
  for (rest = lines; rest.len > 0 && !seen;) {
    line = take_line(&rest);
    seen = line.len > strip || (strip == 0 && line.len > 0);
    digit = seen && (line.p[strip] == ' ' || line.p[strip] == '\t');
  }
  puts_of(w, literal ? "|" : ">");
  if (digit)
    puts_of(w, "2");
  if (ends == 0)
    puts_of(w, "-");
  else if (ends > 1 || lines.len == 0)
    puts_of(w, "+");
  write_trail(w, trail);
  while (lines.len > 0) {
    line = take_line(&lines);
    if (line.len > strip) {
      pad(w, indent);
      put(w, (struct slice){line.p + strip, line.len - strip});
    }
    newline(w);
  }
  for (size_t i = n->text.len > ends ? 1 : 0; i < ends; i++)
    newline(w);
  w->kept = ends > 1 || n->text.len == ends;
}

static void write_block(struct writer *w, const struct format_node *n,
                        size_t indent, bool here);

/* What stands behind a dash, a colon or a question mark: |n| and the end of the
 * line.  |short_form|: its first item may begin right here. */
static void write_value(struct writer *w, const struct format_node *n,
                        struct format_comments *trail, size_t indent,
                        bool short_form) {
  if (n->props.len) {
    puts_of(w, " ");
    put(w, n->props);
  }
  if (collection(n) && n->block) {
    bool here = short_form && !n->props.len;
    if (here)
      puts_of(w, " ");
    else
      write_trail(w, trail);
    write_block(w, n, indent + INDENT, here);
    return;
  }
  if (!nothing(n))
    puts_of(w, " ");
  if (lines_of_text(n)) {
    write_text(w, n, trail, indent + INDENT);
    return;
  }
  if (collection(n)) {
    struct format_node bare = *n;
    bare.props.len = 0;
    write_flow(w, &bare);
  } else {
    put(w, n->words);
  }
  write_trail(w, trail);
}

static void write_item(struct writer *w, struct format_item *it,
                       size_t indent) {
  struct format_comments none = {NULL, NULL};

  if (!it->key) {
    puts_of(w, "-");
  } else if (it->question) {
    puts_of(w, "?");
    write_value(w, it->key, &none, indent, true);
    pad(w, indent);
    puts_of(w, ":");
  } else {
    if (it->key->props.len) {
      put(w, it->key->props);
      puts_of(w, " ");
    }
    put(w, it->key->words);
    puts_of(w, it->key->kind == FORMAT_ALIAS ? " :" : ":");
  }
  write_value(w, it->value, &it->trail, indent, !it->key || it->question);
}

/* An entry of ours, over several lines. */
static bool wants_space(const struct format_item *it) {
  return collection(it->value) && it->value->block && !it->value->foreign;
}

static void write_block(struct writer *w, const struct format_node *n,
                        size_t indent, bool here) {
  for (size_t i = 0; i < n->len; i++) {
    struct format_item *it = n->items[i];
    bool spaced =
        i > 0 && n->spaced && (wants_space(it) || wants_space(n->items[i - 1]));
    bool headed = it->heads.first != NULL;
    if (spaced && !(headed ? it->heads.first->blank : it->blank))
      empty_line(w);
    write_comments(w, &it->heads, indent, i == 0);
    if (it->blank && (i > 0 || headed))
      empty_line(w);
    if (i > 0 || !here)
      pad(w, indent);
    write_item(w, it, indent);
  }
  write_comments(w, &n->foot, indent, false);
}

int format_write(const struct format_file *f, struct buf *out) {
  struct format_item *top = f->document->items[0];
  const struct format_node *root = top->value;
  struct writer w = {.out = out};

  write_comments(&w, &f->directives, 0, true);
  if (f->directives.first || nothing_at_all(f))
    puts_of(&w, "---\n");
  write_comments(&w, &top->heads, 0, true);
  if (nothing_at_all(f))
    return w.rv;
  if (collection(root) && root->block) {
    if (top->heads.first)
      empty_line(&w);
    if (root->props.len) {
      put(&w, root->props);
      newline(&w);
    }
    write_block(&w, root, 0, false);
  } else {
    if (top->heads.first && top->blank)
      empty_line(&w);
    /* as behind a dash, but without the blank */
    if (root->props.len) {
      put(&w, root->props);
      puts_of(&w, " ");
    }
    if (lines_of_text(root)) {
      write_text(&w, root, &top->trail, INDENT);
    } else {
      struct format_node bare = *root;
      bare.props.len = 0;
      if (collection(root))
        write_flow(&w, &bare);
      else
        put(&w, root->words);
      write_trail(&w, &top->trail);
    }
  }
  write_comments(&w, &f->document->foot, 0, false);
  return w.rv;
}
