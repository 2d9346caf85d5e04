/* format_read.c - a file to nodes as they are written, and to each node its
 * comments.  libyaml is run twice: its tokens say what is no comment, its
 * events what belongs together. */
#include "policy/format_node.h"

#include <yaml.h>

/* A token that may hold a '#', or the dash of a list. */
struct region {
  size_t start;
  size_t end;
  yaml_token_type_t type;
  bool block; /* a literal or folded scalar */
};

struct reader {
  struct format_file *file;
  struct arena *arena;
  struct slice text;
  uint32_t *offsets; /* of each character; NULL: all are one byte */
  size_t nchars;
  struct region *regions; /* in the order of the text */
  size_t nregions;
  size_t regions_cap;
  struct format_node *open[TREE_MAX_LEVELS + 1];
  struct format_node *keys[TREE_MAX_LEVELS + 1]; /* read, the value not yet */
  unsigned depth;
  /* items of all open lists and maps */
  struct format_item **stack;
  size_t stack_len;
  size_t stack_cap;
  size_t starts[TREE_MAX_LEVELS + 1];
  struct slice *anchors;
  size_t nanchors;
  size_t anchors_cap;
};

/* ---------------------------------------------------------------- places ---
 */

static int count_chars(struct reader *r) {
  size_t n = format_width(r->text), at = 0;

  r->nchars = n;
  if (n == r->text.len)
    return 0;
  r->offsets = arena_array(r->arena, n + 1, sizeof *r->offsets);
  if (!r->offsets)
    return ERR_NOMEM;
  for (size_t i = 0; i < r->text.len; i++)
    if (((unsigned char)r->text.p[i] & 0xC0) != 0x80)
      r->offsets[at++] = (uint32_t)i;
  r->offsets[n] = (uint32_t)r->text.len;
  return 0;
}

static size_t offset_of(const struct reader *r, const yaml_mark_t *mark) {
  size_t i = mark->index < r->nchars ? mark->index : r->nchars;

  return r->offsets ? r->offsets[i] : i;
}

static size_t line_start(struct slice s, size_t at) {
  while (at > 0 && s.p[at - 1] != '\n')
    at--;
  return at;
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The line above the one of |at| is empty. */
static bool blank_above(struct slice s, size_t at) {
  size_t i = line_start(s, at);

  if (i == 0)
    return false;
  for (i--; i > 0 && s.p[i - 1] != '\n'; i--)
    if (!is_space(s.p[i - 1]))
      return false;
  return true;
}

static bool newline_between(struct slice s, size_t from, size_t to) {
  return from < to && memchr(s.p + from, '\n', to - from) != NULL;
}

static int column_of(struct slice s, size_t at) {
  size_t from = line_start(s, at);

  return (int)format_width((struct slice){s.p + from, at - from});
}

/* ---------------------------------------------------------------- tokens ---
 */

static int add_region(struct reader *r, const yaml_token_t *t) {
  struct region *p;
  bool scalar = t->type == YAML_SCALAR_TOKEN;

  switch (t->type) {
  case YAML_VERSION_DIRECTIVE_TOKEN:
  case YAML_TAG_DIRECTIVE_TOKEN:
  case YAML_ALIAS_TOKEN:
  case YAML_ANCHOR_TOKEN:
  case YAML_TAG_TOKEN:
  case YAML_SCALAR_TOKEN:
  case YAML_BLOCK_ENTRY_TOKEN:
    break;
  default:
    return 0;
  }
  if (r->nregions == r->regions_cap) {
    p = mem_grow(&r->arena->mem, r->regions, &r->regions_cap, r->nregions + 1,
                 sizeof *r->regions, SIZE_MAX / sizeof *r->regions);
    if (!p)
      return ERR_NOMEM;
    r->regions = p;
  }
  r->regions[r->nregions++] = (struct region){
      offset_of(r, &t->start_mark), offset_of(r, &t->end_mark), t->type,
      scalar && (t->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
                 t->data.scalar.style == YAML_FOLDED_SCALAR_STYLE)};
  return 0;
}

static bool parser_init(yaml_parser_t *parser, struct slice text) {
  if (!yaml_parser_initialize(parser))
    return false;
  yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(
      parser, (const unsigned char *)(text.len ? text.p : ""), text.len);
  return true;
}

static int parser_failed(const yaml_parser_t *parser) {
  return parser->error == YAML_MEMORY_ERROR ? ERR_NOMEM : ERR_SYNTAX;
}

static int read_tokens(struct reader *r) {
  yaml_parser_t parser;
  bool last = false;
  int rv = 0;

  if (!parser_init(&parser, r->text))
    return ERR_NOMEM;
  while (rv == 0 && !last) {
    yaml_token_t t;
    if (!yaml_parser_scan(&parser, &t)) {
      rv = parser_failed(&parser);
      break;
    }
    last = t.type == YAML_STREAM_END_TOKEN || t.type == YAML_NO_TOKEN;
    rv = add_region(r, &t);
    yaml_token_delete(&t);
  }
  yaml_parser_delete(&parser);
  return rv;
}

/* The first region that does not start before |at|. */
static size_t region_at(const struct reader *r, size_t at) {
  size_t low = 0, high = r->nregions;

  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (r->regions[mid].start < at)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

/* ----------------------------------------------------------------- nodes ---
 */

static struct format_node *node_new(struct reader *r, const yaml_event_t *ev,
                                    enum format_kind kind,
                                    enum format_style style) {
  struct format_node *n = arena_zalloc(r->arena, sizeof *n);

  if (!n)
    return NULL;
  n->kind = kind;
  n->style = style;
  n->start = offset_of(r, &ev->start_mark);
  n->end = offset_of(r, &ev->end_mark);
  n->column = r->open[r->depth] ? r->open[r->depth]->column : 0;
  return n;
}

static int add_anchor(struct reader *r, const yaml_char_t *name) {
  struct slice s = slice_of((const char *)name), *p;
  char *copy;

  for (size_t i = 0; i < r->nanchors; i++) /* tree_parse has bounded them */
    if (slice_eq(r->anchors[i], s)) {
      r->file->anchors_unique = false;
      return 0;
    }
  if (r->nanchors == r->anchors_cap) {
    p = mem_grow(&r->arena->mem, r->anchors, &r->anchors_cap, r->nanchors + 1,
                 sizeof *r->anchors, SIZE_MAX / sizeof *r->anchors);
    if (!p)
      return ERR_NOMEM;
    r->anchors = p;
  }
  copy = arena_strndup(r->arena, s.p, s.len);
  if (!copy)
    return ERR_NOMEM;
  r->anchors[r->nanchors++] = (struct slice){copy, s.len};
  return 0;
}

/* Anchor and tag of |n|, which the text has at its start.  Sets |*ret_next| to
 * the region behind them. */
static int read_props(struct reader *r, struct format_node *n,
                      const yaml_char_t *anchor, const yaml_char_t *tag,
                      size_t *ret_next) {
  size_t i = region_at(r, n->start), left = anchor != NULL;
  size_t len = 0;
  char *p;
  int rv;

  left += tag != NULL;
  n->tagged = tag != NULL;
  n->anchors = anchor != NULL;
  *ret_next = i + left;
  if (left == 0)
    return 0;
  if (anchor && (rv = add_anchor(r, anchor)) != 0)
    return rv;
  if (left > r->nregions - i)
    return ERR_SYNTAX;
  for (size_t k = i; k < i + left; k++)
    len += r->regions[k].end - r->regions[k].start + 1;
  p = arena_alloc(r->arena, len);
  if (!p)
    return ERR_NOMEM;
  n->props.p = p;
  for (size_t k = i; k < i + left; k++) {
    const struct region *g = &r->regions[k];
    if (g->type != YAML_ANCHOR_TOKEN && g->type != YAML_TAG_TOKEN)
      return ERR_SYNTAX;
    if (k > i)
      *p++ = ' ';
    memcpy(p, r->text.p + g->start, g->end - g->start);
    p += g->end - g->start;
  }
  n->props.len = (size_t)(p - n->props.p);
  return 0;
}

/* Where the item of the value |n| begins: a dash stands before it. */
static size_t dash_before(const struct reader *r, const struct format_node *n) {
  size_t i = region_at(r, n->start);

  return i > 0 && r->regions[i - 1].type == YAML_BLOCK_ENTRY_TOKEN
             ? r->regions[i - 1].start
             : n->start;
}

/* Puts |n| where it belongs. */
static int attach(struct reader *r, struct format_node *n) {
  struct format_node *in = r->open[r->depth];
  struct format_item *it, **p;

  if (in->kind == FORMAT_MAP && !r->keys[r->depth]) {
    r->keys[r->depth] = n;
    return 0;
  }
  it = arena_zalloc(r->arena, sizeof *it);
  if (!it)
    return ERR_NOMEM;
  it->key = r->keys[r->depth];
  it->value = n;
  it->start = it->key                     ? it->key->start
              : in->style == FORMAT_BLOCK ? dash_before(r, n)
                                          : n->start;
  it->blank = in->style == FORMAT_BLOCK && blank_above(r->text, it->start);
  r->keys[r->depth] = NULL;
  if (r->stack_len == r->stack_cap) {
    p = mem_grow(&r->arena->mem, r->stack, &r->stack_cap, r->stack_len + 1,
                 sizeof *r->stack, SIZE_MAX / sizeof *r->stack);
    if (!p)
      return ERR_NOMEM;
    r->stack = p;
  }
  r->stack[r->stack_len++] = it;
  return 0;
}

static int push(struct reader *r, struct format_node *n) {
  if (r->depth == TREE_MAX_LEVELS)
    return ERR_SYNTAX;
  r->depth++;
  r->open[r->depth] = n;
  r->keys[r->depth] = NULL;
  r->starts[r->depth] = r->stack_len;
  return 0;
}

static int pop(struct reader *r, const yaml_event_t *ev) {
  struct format_node *n = r->open[r->depth];
  size_t from = r->starts[r->depth];

  n->len = r->stack_len - from;
  n->items = arena_array(r->arena, n->len, sizeof *n->items);
  if (!n->items)
    return ERR_NOMEM;
  if (n->len > 0)
    memcpy(n->items, r->stack + from, n->len * sizeof *n->items);
  r->stack_len = from;
  /* libyaml ends a block where the next thing begins */
  if (n->style == FORMAT_FLOW)
    n->end = offset_of(r, &ev->end_mark);
  else if (n->len > 0)
    n->end = n->items[n->len - 1]->value->end;
  if (r->depth == 0)
    return 0;
  r->depth--;
  return attach(r, n);
}

static int on_scalar(struct reader *r, const yaml_event_t *ev) {
  static const enum format_style styles[] = {
      [YAML_ANY_SCALAR_STYLE] = FORMAT_PLAIN,
      [YAML_PLAIN_SCALAR_STYLE] = FORMAT_PLAIN,
      [YAML_SINGLE_QUOTED_SCALAR_STYLE] = FORMAT_QUOTED,
      [YAML_DOUBLE_QUOTED_SCALAR_STYLE] = FORMAT_QUOTED,
      [YAML_LITERAL_SCALAR_STYLE] = FORMAT_LITERAL,
      [YAML_FOLDED_SCALAR_STYLE] = FORMAT_FOLDED};
  size_t len = ev->data.scalar.length, next;
  struct format_node *n =
      node_new(r, ev, FORMAT_SCALAR, styles[ev->data.scalar.style]);
  int rv;

  if (!n)
    return ERR_NOMEM;
  rv = read_props(r, n, ev->data.scalar.anchor, ev->data.scalar.tag, &next);
  if (rv != 0)
    return rv;
  n->text.len = len;
  n->text.p = arena_strndup(r->arena, (const char *)ev->data.scalar.value, len);
  if (!n->text.p)
    return ERR_NOMEM;
  if (n->style == FORMAT_PLAIN && len == 0)
    return attach(r, n); /* nothing at all */
  if (next >= r->nregions || r->regions[next].type != YAML_SCALAR_TOKEN)
    return ERR_SYNTAX;
  n->raw = (struct slice){r->text.p + r->regions[next].start,
                          r->regions[next].end - r->regions[next].start};
  n->end = r->regions[next].end;
  while (r->regions[next].block && n->end > n->start + 1 &&
         is_space(r->text.p[n->end - 1]))
    n->end--; /* the token ends where the next line begins */
  return attach(r, n);
}

static int on_alias(struct reader *r, const yaml_event_t *ev) {
  struct format_node *n = node_new(r, ev, FORMAT_ALIAS, FORMAT_PLAIN);
  char *p;

  if (!n)
    return ERR_NOMEM;
  n->text.len = n->end - n->start;
  p = arena_strndup(r->arena, r->text.p + n->start, n->text.len);
  if (!p)
    return ERR_NOMEM;
  n->text.p = p;
  n->aliases = 1;
  return attach(r, n);
}

static int on_begin(struct reader *r, const yaml_event_t *ev) {
  bool map = ev->type == YAML_MAPPING_START_EVENT;
  bool flow = map ? ev->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                  : ev->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
  struct format_node *n = node_new(r, ev, map ? FORMAT_MAP : FORMAT_LIST,
                                   flow ? FORMAT_FLOW : FORMAT_BLOCK);
  size_t next, at;
  int rv;

  if (!n)
    return ERR_NOMEM;
  rv = read_props(
      r, n,
      map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor,
      map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag, &next);
  if (rv != 0)
    return rv;
  if (!flow) {
    /* the end mark is where the first item begins, or behind the dash of a
     * list that is not indented */
    at = offset_of(r, &ev->end_mark);
    if (!map && at > 0 && at < r->text.len && r->text.p[at] != '-' &&
        r->text.p[at - 1] == '-')
      at--;
    n->column = column_of(r->text, at);
  }
  return push(r, n);
}

static int on_event(struct reader *r, const yaml_event_t *ev) {
  switch (ev->type) {
  case YAML_SCALAR_EVENT:
    return on_scalar(r, ev);
  case YAML_ALIAS_EVENT:
    return on_alias(r, ev);
  case YAML_SEQUENCE_START_EVENT:
  case YAML_MAPPING_START_EVENT:
    return on_begin(r, ev);
  case YAML_SEQUENCE_END_EVENT:
  case YAML_MAPPING_END_EVENT:
  case YAML_STREAM_END_EVENT:
    return pop(r, ev);
  case YAML_NO_EVENT:
  case YAML_STREAM_START_EVENT:
  case YAML_DOCUMENT_START_EVENT:
  case YAML_DOCUMENT_END_EVENT:
    break;
  }
  return 0;
}

static int read_events(struct reader *r) {
  yaml_parser_t parser;
  bool last = false;
  int rv = 0;

  if (!parser_init(&parser, r->text))
    return ERR_NOMEM;
  while (rv == 0 && !last) {
    yaml_event_t ev;
    if (!yaml_parser_parse(&parser, &ev)) {
      rv = parser_failed(&parser);
      break;
    }
    last = ev.type == YAML_STREAM_END_EVENT || ev.type == YAML_NO_EVENT;
    rv = on_event(r, &ev);
    yaml_event_delete(&ev);
  }
  yaml_parser_delete(&parser);
  if (rv == 0 && r->open[0]->len != 1)
    rv = ERR_SYNTAX;
  return rv;
}

/* -------------------------------------------------------------- comments ---
 */

void format_comments_add(struct format_comments *to, struct format_comment *c) {
  c->next = NULL;
  if (to->last)
    to->last->next = c;
  else
    to->first = c;
  to->last = c;
}

void format_comments_move(struct format_comments *to,
                          struct format_comments *from) {
  if (!from->first)
    return;
  if (to->last)
    to->last->next = from->first;
  else
    to->first = from->first;
  to->last = from->last;
  *from = (struct format_comments){NULL, NULL};
}

static void add_trail(struct format_item *it, struct format_comment *c) {
  if (it->trail.first) { /* "key: # one", and then "value # two" */
    format_comments_add(&it->heads, c);
    return;
  }
  c->trails = it;
  format_comments_add(&it->trail, c);
}

static bool collection(const struct format_node *n) {
  return n->kind == FORMAT_LIST || n->kind == FORMAT_MAP;
}

/* The last item that starts before |at|, else -1. */
static size_t item_before(const struct format_node *n, size_t at) {
  size_t low = 0, high = n->len;

  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (n->items[mid]->start <= at)
      low = mid + 1;
    else
      high = mid;
  }
  return low - 1;
}

/* True: |c| stands inside of |v|, the value of an item in |n|; for a block also
 * where it follows on the last line, or below and indented like it. */
static bool inside(struct slice text, const struct format_node *n,
                   const struct format_node *v,
                   const struct format_comment *c) {
  if (!collection(v) || c->at < v->start)
    return false;
  if (c->at < v->end)
    return true;
  if (v->style == FORMAT_FLOW)
    return false;
  if (c->own)
    return v->column <= c->column && v->column > n->column;
  return !newline_between(text, v->end, c->at);
}

/* Gives |c| to an item in |n|, or below.  False where nothing in |n| can have
 * it: it stands before the first item and not on a line of its own. */
static bool place(struct slice text, struct format_node *n,
                  struct format_comment *c) {
  size_t i = item_before(n, c->at);
  struct format_item *it;
  struct format_node *v;

  if (n->len == 0 || (i == SIZE_MAX && !c->own))
    return false;
  if (i == SIZE_MAX) {
    format_comments_add(&n->items[0]->heads, c);
    return true;
  }
  it = n->items[i];
  v = it->value;
  if (it->key && c->at < it->key->end) {
    format_comments_add(&it->heads, c);
  } else if (c->at < v->start) {
    if (!c->own)
      add_trail(it, c);
    else if (collection(v) && v->style == FORMAT_BLOCK)
      return place(text, v, c);
    else
      format_comments_add(&it->heads, c);
  } else if (inside(text, n, v, c)) {
    if (place(text, v, c))
      return true;
    if (c->own)
      format_comments_add(&it->heads, c);
    else
      add_trail(it, c);
  } else if (c->at < v->end ||
             (!c->own && !newline_between(text, v->end, c->at))) {
    add_trail(it, c); /* the first also behind the '|' of a literal */
  } else if (i + 1 < n->len) {
    format_comments_add(&n->items[i + 1]->heads, c);
  } else {
    format_comments_add(&n->foot, c);
  }
  return true;
}

static uint64_t sum_of(struct slice s) {
  uint64_t h = 14695981039346656037u; /* FNV-1a */

  for (size_t i = 0; i < s.len; i++)
    h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
  return h;
}

/* Makes a comment of what starts at |at|; sets |*ret_end| to the end of its
 * line. */
static struct format_comment *comment_new(struct reader *r, size_t at,
                                          size_t line, size_t *ret_end) {
  struct format_comment *c = arena_zalloc(r->arena, sizeof *c);
  const char *nl = memchr(r->text.p + at, '\n', r->text.len - at);
  size_t end = nl ? (size_t)(nl - r->text.p) : r->text.len;
  size_t from = line_start(r->text, at);

  if (!c)
    return NULL;
  *ret_end = end;
  c->own = true;
  for (size_t i = from; i < at && c->own; i++)
    c->own = is_space(r->text.p[i]);
  while (end > at && is_space(r->text.p[end - 1]))
    end--;
  c->text = (struct slice){r->text.p + at, end - at};
  c->at = at;
  c->line = line;
  c->column = column_of(r->text, at);
  c->blank = blank_above(r->text, at);
  r->file->ncomments++;
  r->file->comments_sum += sum_of(c->text);
  return c;
}

/* A '#' between |from| and the end of the line, inside of |g|; else its end. */
static size_t header_comment(struct slice s, size_t from,
                             const struct region *g) {
  for (size_t i = from; i < g->end && s.p[i] != '\n'; i++)
    if (s.p[i] == '#')
      return i;
  return g->end;
}

static bool only_space(struct slice s, size_t from, size_t to) {
  while (from < to && is_space(s.p[from]))
    from++;
  return from == to;
}

/* The next comment from |i| on, or the end of the text.  |*g| is the region
 * where the search is. */
static size_t next_comment(const struct reader *r, size_t i, size_t *g) {
  while (i < r->text.len) {
    const struct region *in = NULL;
    size_t hash;
    while (*g < r->nregions && r->regions[*g].end <= i)
      ++*g;
    if (*g < r->nregions && r->regions[*g].start <= i)
      in = &r->regions[*g];
    if (!in && r->text.p[i] == '#')
      return i;
    if (!in)
      i++;
    else if (in->block && (hash = header_comment(r->text, i, in)) < in->end)
      return hash; /* behind the '|' */
    else
      i = in->end;
  }
  return r->text.len;
}

static int read_comments(struct reader *r) {
  struct format_node *document = r->file->document;
  struct format_comment *before = NULL, *c;
  size_t line = 0, g = 0, i = 0, at;

  while ((at = next_comment(r, i, &g)) < r->text.len) {
    for (; i < at; i++)
      line += r->text.p[i] == '\n';
    if (!(c = comment_new(r, at, line, &i)))
      return ERR_NOMEM;
    if (before && before->own && c->own && c->column > before->column &&
        only_space(r->text, before->at + before->text.len, c->at))
      c->column = before->column; /* they stay together, in their order */
    if (before && before->trails && c->own && c->line == before->line + 1 &&
        c->column == before->column) {
      c->trails = before->trails; /* goes on below */
      format_comments_add(&c->trails->trail, c);
    } else if (!place(r->text, document, c)) {
      format_comments_add(&document->items[0]->heads, c);
    }
    before = c;
  }
  return 0;
}

/* The lines of the directives, in the shape of comments. */
static int read_directives(struct reader *r) {
  for (size_t i = 0; i < r->nregions; i++) {
    const struct region *g = &r->regions[i];
    struct format_comment *c;
    if (g->type != YAML_VERSION_DIRECTIVE_TOKEN &&
        g->type != YAML_TAG_DIRECTIVE_TOKEN)
      continue;
    if (!(c = arena_zalloc(r->arena, sizeof *c)))
      return ERR_NOMEM;
    c->text = (struct slice){r->text.p + g->start, g->end - g->start};
    format_comments_add(&r->file->directives, c);
  }
  return 0;
}

int format_read(struct format_file *ret, struct slice text, struct arena *a) {
  struct format_file file = {.arena = a, .text = text, .anchors_unique = true};
  struct reader r = {.file = &file, .arena = a};
  int rv;

  if (text.len >= 3 && memcmp(text.p, "\xEF\xBB\xBF", 3) == 0)
    file.text = (struct slice){text.p + 3, text.len - 3};
  r.text = file.text;
  file.document = arena_zalloc(a, sizeof *file.document);
  if (!file.document)
    return ERR_NOMEM;
  file.document->kind = FORMAT_LIST;
  file.document->style = FORMAT_BLOCK;
  file.document->column = -1;
  r.open[0] = file.document;
  if ((rv = count_chars(&r)) == 0 && (rv = read_tokens(&r)) == 0 &&
      (rv = read_events(&r)) == 0 && (rv = read_directives(&r)) == 0)
    rv = read_comments(&r);
  mem_free(&a->mem, r.regions, r.regions_cap * sizeof *r.regions);
  mem_free(&a->mem, r.stack, r.stack_cap * sizeof *r.stack);
  mem_free(&a->mem, r.anchors, r.anchors_cap * sizeof *r.anchors);
  if (rv == 0)
    *ret = file;
  return rv;
}
