/* tree.c - YAML text to a tree of nodes with positions, over libyaml's events.
 * libyaml allocates with malloc; what it can be made to hold is bounded by the
 * size of the text and by the levels that are let through. */
#include "policy/tree.h"

#include <yaml.h>

#include "runtime/base/json.h"

const struct tree_limits tree_limits_default = {1 << 20, 10000, 64};

/* In one document: finding an anchor is linear, and so is libyaml's check of a
 * %TAG directive. */
#define MAX_ANCHORS 1000
#define MAX_TAG_DIRECTIVES 16

#define TAG_PREFIX "tag:yaml.org,2002:"

struct anchor {
  struct slice name;
  struct tree_node *node;
};

/* A container that is still open. */
struct frame {
  struct tree_node *node;
  size_t start; /* of its items on the stack */
  size_t nodes; /* counted when it was opened */
  size_t bytes;
  struct tree_node *key; /* read, its value not yet */
};

struct builder {
  struct arena *arena;
  struct slice text;
  const struct tree_limits *limits;
  struct err *error;
  struct tree_node *root;
  struct frame frames[TREE_MAX_LEVELS];
  unsigned depth;
  struct tree_item *stack; /* items of all open containers */
  size_t stack_len;
  size_t stack_cap;
  struct anchor *anchors;
  size_t nanchors;
  size_t anchors_cap;
  size_t nodes; /* so far, aliases written out */
  size_t bytes;
  unsigned documents;
  /* A place in the text, from where the next is looked for: marks come nearly
   * in order, so turning their characters into bytes is linear in all. */
  size_t at_line;
  size_t at_start;  /* offset of the line */
  size_t at_char;   /* of the line */
  size_t at_offset; /* of that character */
};

static int fail(struct builder *b, struct tree_pos at, const char *message) {
  char source[sizeof b->error->source];

  if (!b->error)
    return ERR_SYNTAX;
  memcpy(source, b->error->source, sizeof source);
  err_at(b->error, ERR_SYNTAX, NULL, at.line, at.column, "%s", message);
  memcpy(b->error->source, source, sizeof source);
  return ERR_SYNTAX;
}

static int too_much(struct builder *b, struct tree_pos at, const char *what,
                    size_t max, const char *unit) {
  char message[128];

  snprintf(message, sizeof message,
           "%s, expected at most %zu %s with aliases written out", what, max,
           unit);
  return fail(b, at, message);
}

static struct tree_pos pos_of(struct builder *b, const yaml_mark_t *mark) {
  const char *p = b->text.p;
  size_t i;

  if (mark->line < b->at_line)
    b->at_line = b->at_start = b->at_char = b->at_offset = 0;
  else if (mark->line == b->at_line && mark->column < b->at_char) {
    b->at_char = 0;
    b->at_offset = b->at_start;
  }
  while (b->at_line < mark->line) {
    const char *nl =
        b->at_offset < b->text.len
            ? memchr(p + b->at_offset, '\n', b->text.len - b->at_offset)
            : NULL;
    if (!nl)
      break;
    b->at_start = b->at_offset = (size_t)(nl - p) + 1;
    b->at_char = 0;
    b->at_line++;
  }
  for (i = b->at_offset; i < b->text.len && b->at_char < mark->column;
       b->at_char++)
    for (i++; i < b->text.len && ((unsigned char)p[i] & 0xC0) == 0x80;)
      i++;
  b->at_offset = i;
  return (struct tree_pos){(uint32_t)(b->at_line + 1),
                           (uint32_t)(i - b->at_start + 1)};
}

/* ------------------------------------------------------------- the bytes ---
 */

/* What the byte or character at |p| is that a policy file must not hold, or
 * NULL.  Characters that end a line for YAML 1.1 but not for editors and
 * YAML 1.2 would hide text behind a comment. */
static const char *bad_character(const unsigned char *p, size_t len) {
  if (*p == '\0')
    return "NUL byte, expected text";
  if (*p == '\r' && (len < 2 || p[1] != '\n'))
    return "carriage return without a line feed, expected a line feed";
  if ((*p < 0x20 && *p != '\t' && *p != '\n' && *p != '\r') || *p == 0x7F)
    return "control character, expected text";
  if (*p == 0xC2 && p[1] == 0x85)
    return "character U+0085 (next line), expected a line feed";
  if (*p == 0xC2 && p[1] < 0xA0)
    return "control character, expected text";
  if (*p == 0xE2 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9))
    return "line separator U+2028 or U+2029, expected a line feed";
  if (*p == 0xEF &&
      ((p[1] == 0xBB && p[2] == 0xBF) || (p[1] == 0xBF && p[2] >= 0xBE)))
    return "byte order mark or non-character, expected text";
  return NULL;
}

/* Before libyaml sees it: valid UTF-8 and nothing that two readers could take
 * for different texts. */
static int check_bytes(struct builder *b) {
  const unsigned char *p = (const unsigned char *)b->text.p;
  size_t good = utf8_valid_prefix(b->text.p, b->text.len), start = 0;
  const char *message = NULL;
  unsigned directives = 0;
  uint32_t line = 1;
  size_t i;

  for (i = 0; i < good && !message; i++) {
    if (p[i] >= 0x20 && p[i] < 0x7F && p[i] != '%')
      continue;
    message = bad_character(p + i, good - i);
    if (p[i] == '%' && i == start && good - i > 4 &&
        memcmp(p + i, "%TAG", 4) == 0 && ++directives > MAX_TAG_DIRECTIVES)
      message = "too many %TAG directives, expected at most 16";
    if (!message && p[i] == '\n') {
      line++;
      start = i + 1;
    }
  }
  if (message)
    i--;
  else if (good < b->text.len)
    message = "invalid UTF-8, expected UTF-8 text";
  if (!message)
    return 0;
  return fail(b, (struct tree_pos){line, (uint32_t)(i - start + 1)}, message);
}

/* ------------------------------------------------------------ the scalars ---
 */

static bool is_word(struct slice s, const char *const *words) {
  for (; *words; words++)
    if (**words == (s.len ? s.p[0] : '\0') && slice_is(s, *words))
      return true;
  return false;
}

static size_t digits(struct slice s, size_t i) {
  size_t n = 0;

  while (i + n < s.len && ascii_digit(s.p[i + n]))
    n++;
  return n;
}

static bool all_of(struct slice s, const char *set) {
  for (size_t i = 0; i < s.len; i++)
    if (s.p[i] == '\0' || !strchr(set, s.p[i]))
      return false;
  return s.len > 0;
}

static enum tree_type number_type(struct slice s) {
  size_t i = s.len && (s.p[0] == '-' || s.p[0] == '+'), whole, part = 0;

  if (s.len > 2 && s.p[0] == '0' && s.p[1] == 'o')
    return all_of((struct slice){s.p + 2, s.len - 2}, "01234567") ? TREE_INT
                                                                  : TREE_STRING;
  if (s.len > 2 && s.p[0] == '0' && s.p[1] == 'x')
    return all_of((struct slice){s.p + 2, s.len - 2}, "0123456789abcdefABCDEF")
               ? TREE_INT
               : TREE_STRING;
  if (is_word((struct slice){s.p + i, s.len - i},
              (const char *const[]){".inf", ".Inf", ".INF", NULL}) ||
      is_word(s, (const char *const[]){".nan", ".NaN", ".NAN", NULL}))
    return TREE_FLOAT;
  whole = digits(s, i);
  i += whole;
  if (whole && i == s.len)
    return TREE_INT;
  if (i < s.len && s.p[i] == '.') {
    part = digits(s, i + 1);
    i += 1 + part;
  }
  if (whole + part == 0)
    return TREE_STRING;
  if (i < s.len && (s.p[i] == 'e' || s.p[i] == 'E')) {
    size_t exponent;
    i++;
    i += i < s.len && (s.p[i] == '-' || s.p[i] == '+');
    exponent = digits(s, i);
    if (!exponent)
      return TREE_STRING;
    i += exponent;
  }
  return i == s.len ? TREE_FLOAT : TREE_STRING;
}

enum tree_type tree_plain_type(struct slice s) {
  if (is_word(s, (const char *const[]){"", "~", "null", "Null", "NULL", NULL}))
    return TREE_NULL;
  if (is_word(s, (const char *const[]){"true", "True", "TRUE", "false", "False",
                                       "FALSE", NULL}))
    return TREE_BOOL;
  return number_type(s);
}

static bool tag_is(const yaml_char_t *tag, const char *name) {
  return strcmp((const char *)tag, name) == 0;
}

/* ------------------------------------------------------------- the nodes ---
 */

static int count(struct builder *b, struct tree_pos at, size_t nodes,
                 size_t bytes) {
  if (nodes > b->limits->max_nodes - b->nodes)
    return too_much(b, at, "too many nodes", b->limits->max_nodes, "nodes");
  /* escapes can double a text ("\L" is three bytes), aliases must not */
  if (bytes > 2 * b->limits->max_bytes - b->bytes)
    return too_much(b, at, "too much text", 2 * b->limits->max_bytes, "bytes");
  b->nodes += nodes;
  b->bytes += bytes;
  return 0;
}

static int too_deep(struct builder *b, struct tree_pos at) {
  return too_much(b, at, "nested too deeply", b->limits->max_levels, "levels");
}

/* Puts |n|, which stands at |at|, where it belongs. */
static int attach(struct builder *b, struct tree_node *n, struct tree_pos at) {
  struct frame *f;
  struct tree_item *stack;

  if (b->depth == 0) {
    b->root = n;
    return 0;
  }
  f = &b->frames[b->depth - 1];
  if (f->node->kind == TREE_MAP && !f->key) {
    f->key = n;
    return 0;
  }
  if (b->stack_len == b->stack_cap) {
    /* no more items than nodes */
    stack = mem_grow(&b->arena->mem, b->stack, &b->stack_cap, b->stack_len + 1,
                     sizeof *b->stack, b->limits->max_nodes);
    if (!stack)
      return ERR_NOMEM;
    b->stack = stack;
  }
  b->stack[b->stack_len++] = (struct tree_item){f->key, n, at};
  f->key = NULL;
  return 0;
}

static int add_anchor(struct builder *b, struct tree_node *n,
                      const yaml_char_t *name) {
  struct anchor *anchors;
  size_t len;
  char *copy;

  if (!name)
    return 0;
  if (b->nanchors == MAX_ANCHORS)
    return fail(b, n->pos, "too many anchors, expected at most 1000");
  if (b->nanchors == b->anchors_cap) {
    anchors = mem_grow(&b->arena->mem, b->anchors, &b->anchors_cap,
                       b->nanchors + 1, sizeof *b->anchors, MAX_ANCHORS);
    if (!anchors)
      return ERR_NOMEM;
    b->anchors = anchors;
  }
  len = strlen((const char *)name);
  copy = arena_strndup(b->arena, (const char *)name, len);
  if (!copy)
    return ERR_NOMEM;
  b->anchors[b->nanchors++] = (struct anchor){{copy, len}, n};
  return 0;
}

static int new_node(struct builder *b, const yaml_event_t *ev,
                    enum tree_kind kind, const yaml_char_t *anchor,
                    struct tree_node **ret) {
  struct tree_node *n = arena_zalloc(b->arena, sizeof *n);
  int rv;

  if (!n)
    return ERR_NOMEM;
  n->kind = kind;
  n->pos = pos_of(b, &ev->start_mark);
  n->type = TREE_ODD;
  n->levels = kind != TREE_SCALAR;
  /* an anchor of an open container is known at once, so that an alias to it
   * from inside is found out */
  if ((rv = count(b, n->pos, 1, 0)) != 0 ||
      (rv = add_anchor(b, n, anchor)) != 0)
    return rv;
  *ret = n;
  return 0;
}

/* Where the text of |n| stands letter by letter in the file, for messages about
 * a part of it. */
static void find_text(struct builder *b, struct tree_node *n, bool quoted) {
  size_t at = b->at_start + n->pos.column - 1 + quoted;

  if (at <= b->text.len && n->text.len <= b->text.len - at &&
      memcmp(b->text.p + at, n->text.p, n->text.len) == 0)
    n->text_column = n->pos.column + quoted;
}

static int on_scalar(struct builder *b, const yaml_event_t *ev) {
  const yaml_char_t *tag = ev->data.scalar.tag;
  size_t len = ev->data.scalar.length;
  struct tree_node *n;
  char *text;
  int rv = new_node(b, ev, TREE_SCALAR, ev->data.scalar.anchor, &n);

  if (rv != 0 || (rv = count(b, n->pos, 0, len)) != 0)
    return rv;
  text = arena_strndup(b->arena, (const char *)ev->data.scalar.value, len);
  if (!text)
    return ERR_NOMEM;
  n->text = (struct slice){text, len};
  n->tagged = tag && !tag_is(tag, TAG_PREFIX "str");
  if (n->tagged)
    n->type = TREE_ODD;
  else if (tag || ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
    n->type = TREE_STRING;
  else
    n->type = tree_plain_type(n->text);
  find_text(b, n, ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE);
  n->nodes = 1;
  n->bytes = len;
  n->complete = true;
  return attach(b, n, n->pos);
}

static int on_begin(struct builder *b, const yaml_event_t *ev) {
  bool map = ev->type == YAML_MAPPING_START_EVENT;
  const yaml_char_t *anchor =
      map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor;
  const yaml_char_t *tag =
      map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag;
  size_t nodes = b->nodes, bytes = b->bytes;
  struct tree_node *n;
  int rv = new_node(b, ev, map ? TREE_MAP : TREE_LIST, anchor, &n);

  if (rv != 0)
    return rv;
  if (b->depth == b->limits->max_levels)
    return too_deep(b, n->pos);
  n->tagged = tag && !tag_is(tag, map ? TAG_PREFIX "map" : TAG_PREFIX "seq");
  b->frames[b->depth++] = (struct frame){
      .node = n, .start = b->stack_len, .nodes = nodes, .bytes = bytes};
  return 0;
}

static int on_end(struct builder *b) {
  struct frame *f = &b->frames[--b->depth];
  struct tree_node *n = f->node;

  n->len = b->stack_len - f->start;
  n->items = arena_array(b->arena, n->len, sizeof *n->items);
  if (!n->items)
    return ERR_NOMEM;
  if (n->len)
    memcpy(n->items, b->stack + f->start, n->len * sizeof *n->items);
  b->stack_len = f->start;
  for (size_t i = 0; i < n->len; i++) {
    const struct tree_item *item = &n->items[i];
    if (n->levels <= item->value->levels)
      n->levels = item->value->levels + 1;
    if (item->key && n->levels <= item->key->levels)
      n->levels = item->key->levels + 1;
  }
  n->nodes = b->nodes - f->nodes;
  n->bytes = b->bytes - f->bytes;
  n->complete = true;
  return attach(b, n, n->pos);
}

static int on_alias(struct builder *b, const yaml_event_t *ev) {
  struct slice name = slice_of((const char *)ev->data.alias.anchor);
  struct tree_pos at = pos_of(b, &ev->start_mark);
  struct tree_node *n = NULL;
  int rv;

  for (size_t i = b->nanchors; i-- > 0 && !n;)
    if (slice_eq(b->anchors[i].name, name))
      n = b->anchors[i].node;
  if (!n)
    return fail(b, at,
                "alias of an anchor that was not defined before, expected "
                "quotes around text that begins with '*'");
  if (!n->complete)
    return fail(b, at, "alias inside of what it stands for");
  if (n->levels > b->limits->max_levels - b->depth)
    return too_deep(b, at);
  if ((rv = count(b, at, n->nodes, n->bytes)) != 0)
    return rv;
  return attach(b, n, at);
}

static int on_event(struct builder *b, const yaml_event_t *ev) {
  switch (ev->type) {
  case YAML_SCALAR_EVENT:
    return on_scalar(b, ev);
  case YAML_SEQUENCE_START_EVENT:
  case YAML_MAPPING_START_EVENT:
    return on_begin(b, ev);
  case YAML_SEQUENCE_END_EVENT:
  case YAML_MAPPING_END_EVENT:
    return on_end(b);
  case YAML_ALIAS_EVENT:
    return on_alias(b, ev);
  case YAML_DOCUMENT_START_EVENT:
    if (b->documents++)
      return fail(b, pos_of(b, &ev->start_mark),
                  "second document, expected one document a file");
    return 0;
  case YAML_NO_EVENT:
  case YAML_STREAM_START_EVENT:
  case YAML_STREAM_END_EVENT:
  case YAML_DOCUMENT_END_EVENT:
    break;
  }
  return 0;
}

/* -------------------------------------------------------------- the text ---
 */

/* What libyaml says, and what those say who know nothing of its states: what
 * was expected.  Where it noticed a mistake only later, it was made where the
 * construct starts. */
static const struct {
  const char *problem;
  const char *context; /* NULL: any */
  const char *message;
  enum { AT_PROBLEM, AT_CONTEXT, SAYS_LINE, SAYS_LINE_AND_COLUMN } shows;
} yaml_problems[] = {
    {"did not find expected alphabetic or numeric character",
     "while scanning an alias",
     "'*' in front of a value means an alias, expected quotes around text that "
     "begins with it",
     AT_CONTEXT},
    {"did not find expected alphabetic or numeric character",
     "while scanning an anchor",
     "'&' in front of a value means an anchor, expected quotes around text "
     "that begins with it",
     AT_CONTEXT},
    {"found character that cannot start any token", NULL,
     "'%', '@' or '`' in front of a value, expected quotes around text that "
     "begins with it",
     AT_PROBLEM},
    {"found unknown escape character", NULL,
     "unknown escape in double quotes, expected '\\\\' for a backslash, or "
     "single quotes",
     AT_PROBLEM},
    {"mapping values are not allowed in this context", NULL,
     "': ' inside of a value, expected quotes around the value, or a key that "
     "is indented as those before it",
     AT_PROBLEM},
    {"block sequence entries are not allowed in this context", NULL,
     "'- ' inside of a line, expected each item of a list on a line of its "
     "own, or a list in brackets: [a, b]",
     AT_PROBLEM},
    {"could not find expected ':'", NULL,
     "line without ': ', expected 'key: value'", AT_CONTEXT},
    {"did not find expected key", "while parsing a block mapping",
     "no key of the map, expected one indented as those", SAYS_LINE_AND_COLUMN},
    {"did not find expected '-' indicator", "while parsing a block collection",
     "no item of the list, expected '- ' indented as those",
     SAYS_LINE_AND_COLUMN},
    {"did not find expected ',' or ']'", NULL,
     "list without its end, expected ',' or ']' in the one", SAYS_LINE},
    {"did not find expected ',' or '}'", NULL,
     "map without its end, expected ',' or '}' in the one", SAYS_LINE},
    {"found unexpected end of stream", "while scanning a quoted scalar",
     "quotes without their end, expected a second one", AT_CONTEXT},
    {"found unexpected document indicator", "while scanning a quoted scalar",
     "quotes without their end, expected a second one", AT_CONTEXT},
    {"did not find expected <document start>", NULL,
     "text that is no part of the document, expected a key indented as the "
     "first one",
     AT_PROBLEM},
    {"did not find expected node content", NULL, "no value, expected one",
     AT_PROBLEM},
};

#define NPROBLEMS (sizeof yaml_problems / sizeof *yaml_problems)

static int yaml_failed(struct builder *b, const yaml_parser_t *parser) {
  const char *problem = parser->problem ? parser->problem : "syntax error";
  const yaml_mark_t *context = &parser->context_mark;
  struct tree_pos at = pos_of(b, &parser->problem_mark);
  size_t offset = b->at_start + at.column - 1, i = 0;
  char message[256];

  if (parser->error == YAML_MEMORY_ERROR)
    return ERR_NOMEM;
  if (offset < b->text.len && b->text.p[offset] == '\t')
    return fail(b, at, "tab, expected blanks for indentation");
  while (i < NPROBLEMS &&
         (strcmp(problem, yaml_problems[i].problem) != 0 ||
          (yaml_problems[i].context &&
           (!parser->context ||
            strcmp(parser->context, yaml_problems[i].context) != 0))))
    i++;
  if (i < NPROBLEMS && yaml_problems[i].shows == AT_CONTEXT && parser->context)
    at = pos_of(b, context);
  if (i < NPROBLEMS && yaml_problems[i].shows == SAYS_LINE_AND_COLUMN)
    snprintf(message, sizeof message, "%s since line %zu, column %zu",
             yaml_problems[i].message, context->line + 1, context->column + 1);
  else if (i < NPROBLEMS && yaml_problems[i].shows == SAYS_LINE)
    snprintf(message, sizeof message, "%s that starts at line %zu",
             yaml_problems[i].message, context->line + 1);
  else if (i < NPROBLEMS)
    snprintf(message, sizeof message, "%s", yaml_problems[i].message);
  else if (parser->context)
    snprintf(message, sizeof message, "%s, %s that starts at line %zu", problem,
             parser->context, context->line + 1);
  else
    snprintf(message, sizeof message, "%s", problem);
  return fail(b, at, message);
}

static int read_events(struct builder *b, yaml_parser_t *parser) {
  for (;;) {
    yaml_event_t ev;
    bool last;
    int rv;
    if (!yaml_parser_parse(parser, &ev))
      return yaml_failed(b, parser);
    last = ev.type == YAML_STREAM_END_EVENT;
    rv = on_event(b, &ev);
    yaml_event_delete(&ev);
    if (rv != 0)
      return rv;
    if (last)
      return 0;
  }
}

int tree_parse(struct tree_node **ret, struct slice text,
               const struct tree_limits *limits, struct arena *a,
               struct err *e) {
  struct builder b = {.arena = a, .text = text, .limits = limits, .error = e};
  yaml_parser_t parser;
  int rv;

  if (limits->max_levels > TREE_MAX_LEVELS ||
      limits->max_bytes > SIZE_MAX / 2 || limits->max_bytes > UINT32_MAX / 2)
    return err_set(e, ERR_INVALID);
  if (text.len > limits->max_bytes) {
    char message[64];
    snprintf(message, sizeof message,
             "file too large, expected at most %zu bytes", limits->max_bytes);
    return fail(&b, (struct tree_pos){1, 1}, message);
  }
  if (text.len >= 3 && memcmp(text.p, "\xEF\xBB\xBF", 3) == 0)
    b.text = (struct slice){text.p + 3, text.len - 3};
  if ((rv = check_bytes(&b)) != 0)
    return rv;
  if (!yaml_parser_initialize(&parser))
    return err_set(e, ERR_NOMEM);
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(
      &parser, (const unsigned char *)(b.text.len ? b.text.p : ""), b.text.len);
  rv = read_events(&b, &parser);
  yaml_parser_delete(&parser);
  if (rv == 0 && !b.root)
    rv = fail(&b, (struct tree_pos){1, 1}, "empty, expected a YAML document");
  mem_free(&a->mem, b.stack, b.stack_cap * sizeof *b.stack);
  mem_free(&a->mem, b.anchors, b.anchors_cap * sizeof *b.anchors);
  if (rv == ERR_NOMEM)
    err_set(e, rv);
  if (rv == 0)
    *ret = b.root;
  return rv;
}

const struct tree_item *tree_get(const struct tree_node *map, const char *key) {
  if (map->kind != TREE_MAP)
    return NULL;
  for (size_t i = 0; i < map->len; i++)
    if (map->items[i].key->kind == TREE_SCALAR &&
        slice_is(map->items[i].key->text, key))
      return &map->items[i];
  return NULL;
}

const char *tree_describe(const struct tree_node *n) {
  if (n->tagged)
    return "a value with a tag";
  if (n->kind == TREE_LIST)
    return "a list";
  if (n->kind == TREE_MAP)
    return "a map";
  switch (n->type) {
  case TREE_NULL:
    return "nothing";
  case TREE_BOOL:
    return "a boolean";
  case TREE_INT:
  case TREE_FLOAT:
    return "a number";
  case TREE_STRING:
    return "a string";
  case TREE_ODD:
    break;
  }
  return "a value with a tag";
}

/* ------------------------------------------------------------ to values --- */

static int value_error(const struct tree_node *n, const char *message,
                       struct err *e) {
  char source[sizeof e->source];

  if (!e)
    return ERR_SYNTAX;
  memcpy(source, e->source, sizeof source);
  err_at(e, ERR_SYNTAX, NULL, n->pos.line, n->pos.column, "%s", message);
  memcpy(e->source, source, sizeof source);
  return ERR_SYNTAX;
}

/* "0o17", "0x1F" */
static int based_number(struct value *ret, const struct tree_node *n,
                        struct err *e) {
  unsigned shift = n->text.p[1] == 'x' ? 4 : 3;
  uint64_t v = 0;

  for (size_t i = 2; i < n->text.len; i++) {
    if (v > (uint64_t)INT64_MAX >> shift)
      return value_error(n, "number out of range", e);
    v = v << shift | (uint64_t)hex_digit(n->text.p[i]);
  }
  *ret = (struct value){.type = VALUE_INT, .as.integer = (int64_t)v};
  return 0;
}

/* Decimal: rewritten as JSON ("+.5e3" to "0.5e3"), which reads it exactly. */
static int decimal_number(struct value *ret, const struct tree_node *n,
                          struct arena *a, struct err *e) {
  struct slice s = n->text;
  char *json = arena_alloc(a, s.len + 4), *to = json;
  struct json_lexer lx;
  size_t i = 0, whole;
  enum json_token t;

  if (!json)
    return err_set(e, ERR_NOMEM);
  if (s.p[0] == '-')
    *to++ = '-';
  i += s.p[0] == '-' || s.p[0] == '+';
  for (whole = digits(s, i); whole > 1 && s.p[i] == '0'; whole--)
    i++;
  if (!whole)
    *to++ = '0';
  memcpy(to, s.p + i, whole);
  to += whole;
  i += whole;
  if (i < s.len && s.p[i] == '.' && digits(s, i + 1) == 0) {
    *to++ = '.';
    *to++ = '0';
    i++;
  }
  memcpy(to, s.p + i, s.len - i);
  to += s.len - i;
  json_lexer_init(&lx, (struct slice){json, (size_t)(to - json)}, NULL);
  t = json_next(&lx);
  if (t == JSON_INT)
    *ret = (struct value){.type = VALUE_INT, .as.integer = lx.integer};
  else if (t == JSON_FLOAT)
    *ret = (struct value){.type = VALUE_FLOAT, .as.number = lx.number};
  else
    return value_error(n, "number out of range", e);
  return 0;
}

static int scalar_to_value(struct value *ret, const struct tree_node *n,
                           struct arena *a, struct err *e) {
  char *text;

  switch (n->type) {
  case TREE_NULL:
    *ret = (struct value){.type = VALUE_NULL};
    return 0;
  case TREE_BOOL:
    *ret = (struct value){.type = VALUE_BOOL,
                          .as.boolean = ascii_lower(n->text.p[0]) == 't'};
    return 0;
  case TREE_INT:
    if (n->text.len > 2 && (n->text.p[1] == 'x' || n->text.p[1] == 'o'))
      return based_number(ret, n, e);
    return decimal_number(ret, n, a, e);
  case TREE_FLOAT:
    if (memchr(n->text.p, 'n', n->text.len) ||
        memchr(n->text.p, 'N', n->text.len))
      return value_error(n, "infinite or no number, expected a number", e);
    return decimal_number(ret, n, a, e);
  case TREE_STRING:
    text = arena_strndup(a, n->text.p, n->text.len);
    if (!text)
      return err_set(e, ERR_NOMEM);
    *ret =
        (struct value){.type = VALUE_STRING, .as.string = {text, n->text.len}};
    return 0;
  case TREE_ODD:
    break;
  }
  return value_error(n, "tags are not supported", e);
}

static int key_to_slice(struct slice *ret, const struct value *map,
                        const struct tree_node *key, struct arena *a,
                        struct err *e) {
  char *text;

  if (key->kind != TREE_SCALAR || key->tagged)
    return value_error(key, "bad key, expected a string", e);
  if (value_get(map, key->text))
    return value_error(key, "duplicate key, expected each key once", e);
  text = arena_strndup(a, key->text.p, key->text.len);
  if (!text)
    return err_set(e, ERR_NOMEM);
  *ret = (struct slice){text, key->text.len};
  return 0;
}

int tree_to_value(struct value *ret, const struct tree_node *n, struct arena *a,
                  struct err *e) {
  struct value v = {.type = n->kind == TREE_MAP ? VALUE_MAP : VALUE_LIST};
  int rv = 0;

  if (n->tagged)
    return value_error(n, "tags are not supported", e);
  if (n->kind == TREE_SCALAR)
    return scalar_to_value(ret, n, a, e);
  if (n->kind == TREE_LIST) {
    v.as.list.items = arena_array(a, n->len, sizeof(struct value));
    if (!v.as.list.items)
      return err_set(e, ERR_NOMEM);
    for (; rv == 0 && v.as.list.len < n->len; v.as.list.len++)
      rv = tree_to_value(&v.as.list.items[v.as.list.len],
                         n->items[v.as.list.len].value, a, e);
  } else {
    v.as.map.members = arena_array(a, n->len, sizeof(struct value_member));
    if (!v.as.map.members)
      return err_set(e, ERR_NOMEM);
    for (; rv == 0 && v.as.map.len < n->len; v.as.map.len++) {
      const struct tree_item *item = &n->items[v.as.map.len];
      struct value_member *m = &v.as.map.members[v.as.map.len];
      if ((rv = key_to_slice(&m->key, &v, item->key, a, e)) == 0)
        rv = tree_to_value(&m->value, item->value, a, e);
    }
  }
  if (rv == 0)
    *ret = v;
  return rv;
}

const char *tree_yaml_version(void) {
  return yaml_get_version_string();
}
