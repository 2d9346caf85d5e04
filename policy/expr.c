/* expr.c - expressions: a lexer, a recursive descent with a bound, and an
 * evaluator that allocates nothing. */
#include "policy/expr_node.h"

#include "runtime/base/json.h"

static const char *op_name(enum compare_op op) {
  switch (op) {
  case OP_EQ:
    return "==";
  case OP_NE:
    return "!=";
  case OP_LT:
    return "<";
  case OP_LTE:
    return "<=";
  case OP_GT:
    return ">";
  case OP_GTE:
    return ">=";
  case OP_IN:
    return "in";
  case OP_NOT_IN:
    return "not in";
  case OP_CONTAINS:
    return "contains";
  case OP_STARTS:
    return "startsWith";
  case OP_ENDS:
    return "endsWith";
  case OP_MATCHES:
    return "matches";
  }
  return "";
}

/* ---------------------------------------------------------------- lexer --- */

enum token {
  TOKEN_END,
  TOKEN_ERROR,
  TOKEN_NAME,
  TOKEN_STRING,
  TOKEN_NUMBER,
  TOKEN_AND,
  TOKEN_OR,
  TOKEN_NOT,
  TOKEN_EQ,
  TOKEN_NE,
  TOKEN_LT,
  TOKEN_LTE,
  TOKEN_GT,
  TOKEN_GTE,
  TOKEN_OPEN,
  TOKEN_CLOSE,
  TOKEN_LIST_OPEN,
  TOKEN_LIST_CLOSE,
  TOKEN_COMMA,
  TOKEN_DOT
};

struct parser {
  struct slice text;
  struct arena *arena;
  struct regex_pool *regexes;
  struct err *error;
  int code;  /* of the first failure; 0: none */
  size_t at; /* behind the token */
  enum token token;
  size_t start;       /* of the token */
  size_t previous;    /* the end of the token before */
  struct slice name;  /* TOKEN_NAME */
  struct value value; /* TOKEN_STRING, TOKEN_NUMBER */
  unsigned nodes;
  unsigned depth;
  const struct field *url_field;
};

/* The first failure is the one that counts. */
static void fail(struct parser *ps, size_t offset, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void fail(struct parser *ps, size_t offset, const char *fmt, ...) {
  va_list ap;

  if (ps->code)
    return;
  ps->code = ERR_SYNTAX;
  ps->token = TOKEN_ERROR;
  va_start(ap, fmt);
  err_vsetf(ps->error, ERR_SYNTAX, fmt, ap);
  va_end(ap);
  if (ps->error)
    ps->error->column = (uint32_t)offset + 1;
}

static void no_memory(struct parser *ps) {
  if (!ps->code)
    ps->code = err_set(ps->error, ERR_NOMEM);
  ps->token = TOKEN_ERROR;
}

static bool name_start(char c) {
  return ascii_alpha(c) || c == '_';
}

static bool name_char(char c) {
  return name_start(c) || ascii_digit(c);
}

/* The four digits of \uXXXX at |at|, or -1. */
static long unicode_escape(const struct parser *ps, size_t at) {
  long cp = 0;

  if (ps->text.len - at < 4)
    return -1;
  for (size_t i = 0; i < 4; i++) {
    int d = hex_digit(ps->text.p[at + i]);
    if (d < 0)
      return -1;
    cp = cp << 4 | d;
  }
  return cp;
}

/* One escape whose backslash stands at |at| - 1: its bytes to |out|, their
 * number; the place behind it in |*ret_at|.  0: it is wrong. */
static size_t unescape(const struct parser *ps, size_t at, char out[4],
                       size_t *ret_at) {
  static const char from[] = "\\\"'/nrt", to[] = "\\\"'/\n\r\t";
  const char *known;
  long cp, low;

  if (at == ps->text.len)
    return 0;
  *ret_at = at + 1;
  if (ps->text.p[at] != 'u') {
    known = ps->text.p[at] ? strchr(from, ps->text.p[at]) : NULL;
    if (!known)
      return 0;
    out[0] = to[known - from];
    return 1;
  }
  if ((cp = unicode_escape(ps, at + 1)) < 0)
    return 0;
  *ret_at = at + 5;
  if (cp >= 0xDC00 && cp < 0xE000)
    return 0;
  if (cp >= 0xD800 && cp < 0xDC00) {
    at += 5;
    if (ps->text.len - at < 6 || ps->text.p[at] != '\\' ||
        ps->text.p[at + 1] != 'u')
      return 0;
    low = unicode_escape(ps, at + 2);
    if (low < 0xDC00 || low >= 0xE000)
      return 0;
    *ret_at = at + 6;
    cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
  }
  return utf8_encode((uint32_t)cp, out);
}

/* Where the string that begins at |at| ends; text.len: nowhere. */
static size_t string_end(const struct parser *ps, size_t at) {
  struct slice s = ps->text;
  size_t i = at + 1;

  while (i < s.len && s.p[i] != s.p[at])
    i += s.p[i] == '\\' ? 2 : 1;
  return i < s.len ? i : s.len;
}

static void lex_string(struct parser *ps) {
  struct slice s = ps->text;
  size_t end = string_end(ps, ps->at), n = 0;
  char *out;

  if (end == s.len) {
    fail(ps, ps->at, "string without an end, expected %c", s.p[ps->at]);
    return;
  }
  if (!(out = arena_alloc(ps->arena, end - ps->at))) { /* never longer */
    no_memory(ps);
    return;
  }
  for (size_t i = ps->at + 1, behind; i < end; i = behind) {
    char bytes[4] = {s.p[i]};
    size_t len = 1;
    behind = i + 1;
    if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F) {
      fail(ps, i, "control character in a string, expected an escape");
      return;
    }
    if (s.p[i] == '\\' && !(len = unescape(ps, i + 1, bytes, &behind))) {
      fail(ps, i,
           "bad escape in a string, expected \\\\ \\\" \\' \\/ \\n \\r \\t or "
           "\\uXXXX");
      return;
    }
    memcpy(out + n, bytes, len);
    n += len;
  }
  ps->at = end + 1;
  ps->value = (struct value){.type = VALUE_STRING, .as.string = {out, n}};
  ps->token = TOKEN_STRING;
}

static void lex_number(struct parser *ps) {
  struct slice s = ps->text;
  size_t i = ps->at + (s.p[ps->at] == '-');
  struct json_lexer lx;
  enum json_token t;
  bool whole = true;

  for (; i < s.len; i++) {
    bool sign =
        (s.p[i] == '+' || s.p[i] == '-') && ascii_lower(s.p[i - 1]) == 'e';
    if (!name_char(s.p[i]) && s.p[i] != '.' && !sign)
      break;
    whole &= ascii_digit(s.p[i]);
  }
  json_lexer_init(&lx, (struct slice){s.p + ps->at, i - ps->at}, NULL);
  t = json_next(&lx);
  if (t == JSON_INT) {
    ps->value = (struct value){.type = VALUE_INT, .as.integer = lx.integer};
  } else if (t == JSON_FLOAT && !whole) {
    ps->value = (struct value){.type = VALUE_FLOAT, .as.number = lx.number};
  } else {
    fail(ps, ps->at,
         t == JSON_FLOAT ? "number out of range, expected a 64-bit integer"
                         : "bad number, expected one like 12, -3 or 1.5e3");
    return;
  }
  if (json_next(&lx) != JSON_END) {
    fail(ps, ps->at, "bad number, expected one like 12, -3 or 1.5e3");
    return;
  }
  ps->at = i;
  ps->token = TOKEN_NUMBER;
}

static void lex_sign(struct parser *ps) {
  static const struct {
    char text[3];
    enum token token;
  } signs[] = {
      {"&&", TOKEN_AND},  {"||", TOKEN_OR},        {"==", TOKEN_EQ},
      {"!=", TOKEN_NE},   {"<=", TOKEN_LTE},       {">=", TOKEN_GTE},
      {"<", TOKEN_LT},    {">", TOKEN_GT},         {"!", TOKEN_NOT},
      {"(", TOKEN_OPEN},  {"[", TOKEN_LIST_OPEN},  {",", TOKEN_COMMA},
      {")", TOKEN_CLOSE}, {"]", TOKEN_LIST_CLOSE}, {".", TOKEN_DOT},
  };
  struct slice rest = {ps->text.p + ps->at, ps->text.len - ps->at};
  char c = *rest.p;

  for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
    if (slice_starts(rest, slice_of(signs[i].text))) {
      ps->token = signs[i].token;
      ps->at += strlen(signs[i].text);
      return;
    }
  if (c == '=' || c == '&' || c == '|')
    fail(ps, ps->at, "'%c', expected '%c%c'", c, c, c);
  else if (c == '-')
    fail(ps, ps->at,
         "'-' is no operator; an attribute with such a name is written "
         "meta[\"a-b\"]");
  else if ((unsigned char)c >= 0x80)
    fail(ps, ps->at, "character outside of ASCII, expected it in a string");
  else
    fail(ps, ps->at, "unexpected '%c'", c);
}

static void next(struct parser *ps) {
  struct slice s = ps->text;

  if (ps->code)
    return;
  ps->previous = ps->at;
  while (ps->at < s.len && (s.p[ps->at] == ' ' || s.p[ps->at] == '\t' ||
                            s.p[ps->at] == '\n' || s.p[ps->at] == '\r'))
    ps->at++;
  ps->start = ps->at;
  if (ps->at == s.len) {
    ps->token = TOKEN_END;
  } else if (name_start(s.p[ps->at])) {
    while (ps->at < s.len && name_char(s.p[ps->at]))
      ps->at++;
    ps->name = (struct slice){s.p + ps->start, ps->at - ps->start};
    ps->token = TOKEN_NAME;
  } else if (s.p[ps->at] == '"' || s.p[ps->at] == '\'') {
    lex_string(ps);
  } else if (ascii_digit(s.p[ps->at]) ||
             (s.p[ps->at] == '-' && ps->at + 1 < s.len &&
              ascii_digit(s.p[ps->at + 1]))) {
    lex_number(ps);
  } else {
    lex_sign(ps);
  }
}

static bool is_word(const struct parser *ps, const char *word) {
  return ps->token == TOKEN_NAME && slice_is(ps->name, word);
}

/* "expected ..., found ..." for the token that is there. */
static void unexpected(struct parser *ps, const char *expected) {
  size_t n = ps->at - ps->start;

  if (ps->token == TOKEN_ERROR)
    return;
  if (ps->token == TOKEN_END)
    fail(ps, ps->start, "expression ends, expected %s", expected);
  else
    fail(ps, ps->start, "unexpected '%.*s', expected %s",
         (int)(n > 40 ? 40 : n), ps->text.p + ps->start, expected);
}

static bool take(struct parser *ps, enum token t, const char *expected) {
  if (ps->token != t) {
    unexpected(ps, expected);
    return false;
  }
  next(ps);
  return !ps->code;
}

/* ---------------------------------------------------------------- types --- */

enum type {
  TYPE_ANY, /* of a path: known when it is asked */
  TYPE_NIL,
  TYPE_BOOL,
  TYPE_NUMBER,
  TYPE_STRING,
  TYPE_LIST
};

static enum type field_type(const struct field *f) {
  switch (f->root) {
  case FIELD_ACTOR_ID:
  case FIELD_ACTION:
  case FIELD_RESOURCE:
    return TYPE_STRING;
  case FIELD_ACTOR_META:
  case FIELD_META:
  case FIELD_URL:
    break;
  }
  return TYPE_ANY;
}

static enum type type_of(const struct node *n) {
  switch (n->kind) {
  case NODE_LITERAL:
    switch (n->as.literal.type) {
    case VALUE_NULL:
      return TYPE_NIL;
    case VALUE_BOOL:
      return TYPE_BOOL;
    case VALUE_INT:
    case VALUE_FLOAT:
      return TYPE_NUMBER;
    case VALUE_STRING:
      return TYPE_STRING;
    case VALUE_LIST:
    case VALUE_MAP:
      break;
    }
    return TYPE_LIST;
  case NODE_LIST:
    return TYPE_LIST;
  case NODE_PATH:
    return field_type(&n->as.field);
  case NODE_LEN:
    return TYPE_NUMBER;
  case NODE_LOWER:
    return TYPE_STRING;
  case NODE_HAS:
  case NODE_NOT:
  case NODE_AND:
  case NODE_OR:
  case NODE_COMPARE:
    break;
  }
  return TYPE_BOOL;
}

static const char *type_words(enum type t) {
  switch (t) {
  case TYPE_ANY:
    return "a value";
  case TYPE_NIL:
    return "nil";
  case TYPE_BOOL:
    return "a boolean";
  case TYPE_NUMBER:
    return "a number";
  case TYPE_STRING:
    return "a string";
  case TYPE_LIST:
    return "a list";
  }
  return "a value";
}

static void need_bool(struct parser *ps, const struct node *n,
                      const char *where) {
  enum type t = type_of(n);

  if (t != TYPE_ANY && t != TYPE_BOOL)
    fail(ps, n->offset, "%s is %s, expected a boolean", where, type_words(t));
}

static void wrong_side(struct parser *ps, const struct node *n,
                       enum compare_op op, const char *wants) {
  fail(ps, n->offset, "'%s' with %s, expected %s", op_name(op),
       type_words(type_of(n)), wants);
}

static bool may_be(const struct node *n, enum type t) {
  enum type is = type_of(n);

  return is == t || is == TYPE_ANY;
}

static void check_order(struct parser *ps, enum compare_op op,
                        const struct node *a, const struct node *b) {
  enum type ta = type_of(a), tb = type_of(b);

  if (!may_be(a, TYPE_NUMBER) && !may_be(a, TYPE_STRING))
    wrong_side(ps, a, op, "two numbers or two strings");
  else if ((!may_be(b, TYPE_NUMBER) && !may_be(b, TYPE_STRING)) ||
           (ta != TYPE_ANY && tb != TYPE_ANY && ta != tb))
    wrong_side(ps, b, op, "two numbers or two strings");
}

/* What can never be true or false is a mistake of the text. */
static void check_compare(struct parser *ps, enum compare_op op,
                          const struct node *a, const struct node *b) {
  if (op != OP_EQ && op != OP_NE) {
    if (type_of(a) == TYPE_NIL || type_of(b) == TYPE_NIL)
      fail(ps, type_of(a) == TYPE_NIL ? a->offset : b->offset,
           "'%s' with nil, expected '== nil' or '!= nil'", op_name(op));
  }
  if (a->kind == NODE_LIST ||
      (b->kind == NODE_LIST && op != OP_IN && op != OP_NOT_IN))
    fail(ps, a->kind == NODE_LIST ? a->offset : b->offset,
         "list with attributes in it, expected it right of 'in'");
  switch (op) {
  case OP_EQ:
  case OP_NE:
    break;
  case OP_LT:
  case OP_LTE:
  case OP_GT:
  case OP_GTE:
    check_order(ps, op, a, b);
    break;
  case OP_IN:
  case OP_NOT_IN:
    if (!may_be(b, TYPE_LIST))
      wrong_side(ps, b, op, "a list on the right");
    break;
  case OP_CONTAINS:
    if (!may_be(a, TYPE_STRING) && !may_be(a, TYPE_LIST))
      wrong_side(ps, a, op, "a string or a list on the left");
    else if (type_of(a) == TYPE_STRING && !may_be(b, TYPE_STRING))
      wrong_side(ps, b, op, "a string in a string");
    break;
  case OP_STARTS:
  case OP_ENDS:
    if (!may_be(a, TYPE_STRING) || !may_be(b, TYPE_STRING))
      wrong_side(ps, may_be(a, TYPE_STRING) ? b : a, op, "two strings");
    break;
  case OP_MATCHES:
    if (!may_be(a, TYPE_STRING))
      wrong_side(ps, a, op, "a string on the left");
    else if (b->kind != NODE_LITERAL || type_of(b) != TYPE_STRING)
      fail(ps, b->offset,
           "'matches' without a string in quotes on the right: regular "
           "expressions are compiled when the policy is loaded");
    break;
  }
}

/* --------------------------------------------------------------- parser --- */

static struct node *parse_or(struct parser *ps);

static struct node *new_node(struct parser *ps, enum node_kind kind,
                             size_t offset) {
  struct node *n;

  if (ps->code)
    return NULL;
  if (++ps->nodes > EXPR_MAX_NODES) {
    fail(ps, offset, "expression is too large, expected at most %d nodes",
         EXPR_MAX_NODES);
    return NULL;
  }
  if (!(n = arena_zalloc(ps->arena, sizeof *n))) {
    no_memory(ps);
    return NULL;
  }
  n->kind = kind;
  n->offset = (uint32_t)offset;
  return n;
}

/* |n| ends with the token before the present one. */
static struct node *ended(const struct parser *ps, struct node *n) {
  if (n)
    n->end = (uint32_t)ps->previous;
  return ps->code ? NULL : n;
}

static bool enter(struct parser *ps) {
  if (ps->depth == EXPR_MAX_DEPTH) {
    fail(ps, ps->start, "nested too deeply, expected at most %d levels",
         EXPR_MAX_DEPTH);
    return false;
  }
  ps->depth++;
  return true;
}

/* "." name and "[" string "]" behind the root, which is the token. */
static void parse_path(struct parser *ps, struct field *f) {
  struct slice names[FIELD_MAX_KEYS + 1], *kept;
  size_t n = 0, start = ps->start;
  struct err e;

  names[n++] = ps->name;
  next(ps);
  while (ps->token == TOKEN_DOT || ps->token == TOKEN_LIST_OPEN) {
    bool dot = ps->token == TOKEN_DOT;
    next(ps);
    if (n > FIELD_MAX_KEYS) {
      fail(ps, start, "path is too long, expected at most %d names",
           FIELD_MAX_KEYS);
      return;
    }
    if (ps->token != (dot ? TOKEN_NAME : TOKEN_STRING)) {
      unexpected(ps, dot ? "a name" : "a name in quotes, like [\"a-b\"]");
      return;
    }
    names[n++] = dot ? ps->name : ps->value.as.string;
    next(ps);
    if (!dot && !take(ps, TOKEN_LIST_CLOSE, "']'"))
      return;
  }
  if (ps->code)
    return;
  f->source = (struct slice){ps->text.p + start, ps->previous - start};
  if (field_init(f, names, n, &e) != 0) {
    fail(ps, start, "%s", e.message);
    return;
  }
  if (f->nkeys) {
    if (!(kept = arena_array(ps->arena, f->nkeys, sizeof *kept))) {
      no_memory(ps);
      return;
    }
    memcpy(kept, f->keys, f->nkeys * sizeof *kept);
    f->keys = kept;
  }
  if (f->root == FIELD_URL && !ps->url_field)
    ps->url_field = f;
}

static bool is_root(struct slice s) {
  return slice_is(s, "actor") || slice_is(s, "action") ||
         slice_is(s, "resource") || slice_is(s, "meta") || slice_is(s, "url");
}

/* name "(" path ")"; the token is the name */
static struct node *parse_call(struct parser *ps, enum node_kind kind) {
  struct node *n = new_node(ps, kind, ps->start);
  struct slice name = ps->name;

  next(ps);
  if (!n || !take(ps, TOKEN_OPEN, "'('"))
    return NULL;
  if (ps->token != TOKEN_NAME || !is_root(ps->name)) {
    if (ps->token != TOKEN_ERROR)
      fail(ps, ps->start, "%.*s() takes an attribute, like meta.owner",
           (int)name.len, name.p);
    return NULL;
  }
  parse_path(ps, &n->as.field);
  if (ps->code || !take(ps, TOKEN_CLOSE, "')'"))
    return NULL;
  if (kind == NODE_LOWER && field_type(&n->as.field) != TYPE_STRING &&
      field_type(&n->as.field) != TYPE_ANY)
    fail(ps, n->offset, "lower() takes a string");
  return ended(ps, n);
}

static struct node *literal(struct parser *ps, struct value v) {
  struct node *n = new_node(ps, NODE_LITERAL, ps->start);

  if (n)
    n->as.literal = v;
  next(ps);
  return ended(ps, n);
}

/* All items are literals: the list is one, too. */
static void fold_list(struct parser *ps, struct node *list, size_t len) {
  struct value v = {.type = VALUE_LIST};
  size_t i = 0;

  for (const struct node *n = list->items; n; n = n->next)
    if (n->kind != NODE_LITERAL)
      return;
  if (!(v.as.list.items = arena_array(ps->arena, len, sizeof(struct value)))) {
    no_memory(ps);
    return;
  }
  for (const struct node *n = list->items; n; n = n->next)
    v.as.list.items[i++] = n->as.literal;
  v.as.list.len = len;
  list->kind = NODE_LITERAL;
  list->items = NULL;
  list->as.literal = v;
}

static struct node *parse_prim(struct parser *ps);

static struct node *parse_list(struct parser *ps) {
  struct node *n = new_node(ps, NODE_LIST, ps->start), **end;
  size_t len = 0;

  if (!n || !enter(ps))
    return NULL;
  next(ps);
  end = &n->items;
  while (ps->token != TOKEN_LIST_CLOSE) {
    struct node *item;
    if (len == EXPR_MAX_LIST_ITEMS)
      fail(ps, ps->start, "list is too long, expected at most %d items",
           EXPR_MAX_LIST_ITEMS);
    if (!(item = parse_prim(ps)))
      return NULL;
    if (type_of(item) == TYPE_NIL)
      fail(ps, item->offset, "nil in a list, expected a value");
    if (item->kind == NODE_LIST)
      fail(ps, item->offset,
           "list with attributes in it, expected it right of 'in'");
    *end = item;
    end = &item->next;
    len++;
    if (ps->token == TOKEN_COMMA)
      next(ps);
    else if (ps->token != TOKEN_LIST_CLOSE)
      unexpected(ps, "',' or ']'");
    if (ps->code)
      return NULL;
  }
  next(ps);
  ps->depth--;
  fold_list(ps, n, len);
  return ended(ps, n);
}

static struct node *parse_group(struct parser *ps) {
  struct node *n;

  if (!enter(ps))
    return NULL;
  next(ps);
  n = parse_or(ps);
  ps->depth--;
  if (!n || !take(ps, TOKEN_CLOSE, "')'"))
    return NULL;
  return n;
}

static void unknown_name(struct parser *ps) {
  static const char *const functions[] = {"has", "len", "lower", NULL};
  static const char *const words[] = {"actor", "action", "resource", "meta",
                                      "url",   "true",   "false",    "nil",
                                      "not",   NULL};
  size_t start = ps->start;
  struct slice name = ps->name;
  bool call;
  const char *near;

  next(ps);
  call = ps->token == TOKEN_OPEN;
  near = str_nearest(name, call ? functions : words);
  if (slice_is(name, "null") || slice_is(name, "None"))
    near = "nil";
  if (near)
    fail(ps, start, "unknown %s '%.*s', expected '%s'",
         call ? "function" : "name", (int)(name.len > 40 ? 40 : name.len),
         name.p, near);
  else
    fail(ps, start, "unknown %s '%.*s', expected %s",
         call ? "function" : "name", (int)(name.len > 40 ? 40 : name.len),
         name.p,
         call ? "has, len or lower"
              : "actor.id, actor.meta.NAME, action, resource, meta.NAME or "
                "url.NAME");
}

static struct node *parse_name(struct parser *ps) {
  struct node *n;

  if (is_word(ps, "true") || is_word(ps, "false"))
    return literal(ps, (struct value){.type = VALUE_BOOL,
                                      .as.boolean = is_word(ps, "true")});
  if (is_word(ps, "nil"))
    return literal(ps, (struct value){.type = VALUE_NULL});
  if (is_word(ps, "has"))
    return parse_call(ps, NODE_HAS);
  if (is_word(ps, "len"))
    return parse_call(ps, NODE_LEN);
  if (is_word(ps, "lower"))
    return parse_call(ps, NODE_LOWER);
  if (!is_root(ps->name)) {
    unknown_name(ps);
    return NULL;
  }
  if (!(n = new_node(ps, NODE_PATH, ps->start)))
    return NULL;
  parse_path(ps, &n->as.field);
  return ended(ps, n);
}

static struct node *parse_prim(struct parser *ps) {
  switch (ps->token) {
  case TOKEN_STRING:
  case TOKEN_NUMBER:
    return literal(ps, ps->value);
  case TOKEN_LIST_OPEN:
    return parse_list(ps);
  case TOKEN_OPEN:
    return parse_group(ps);
  case TOKEN_NAME:
    return parse_name(ps);
  case TOKEN_NOT:
  case TOKEN_END:
  case TOKEN_ERROR:
  case TOKEN_AND:
  case TOKEN_OR:
  case TOKEN_EQ:
  case TOKEN_NE:
  case TOKEN_LT:
  case TOKEN_LTE:
  case TOKEN_GT:
  case TOKEN_GTE:
  case TOKEN_CLOSE:
  case TOKEN_LIST_CLOSE:
  case TOKEN_COMMA:
  case TOKEN_DOT:
    break;
  }
  unexpected(ps, "a value, an attribute or '('");
  return NULL;
}

static const struct {
  const char *word;
  enum compare_op op;
} word_ops[] = {
    {"in", OP_IN},           {"contains", OP_CONTAINS},
    {"matches", OP_MATCHES}, {"startsWith", OP_STARTS},
    {"endsWith", OP_ENDS},
};

/* Takes the operator, if there is one. */
static bool take_op(struct parser *ps, enum compare_op *ret) {
  switch (ps->token) {
  case TOKEN_EQ:
    *ret = OP_EQ;
    break;
  case TOKEN_NE:
    *ret = OP_NE;
    break;
  case TOKEN_LT:
    *ret = OP_LT;
    break;
  case TOKEN_LTE:
    *ret = OP_LTE;
    break;
  case TOKEN_GT:
    *ret = OP_GT;
    break;
  case TOKEN_GTE:
    *ret = OP_GTE;
    break;
  case TOKEN_NAME:
    if (is_word(ps, "not")) {
      next(ps);
      if (!is_word(ps, "in")) {
        unexpected(ps, "'in' behind 'not'");
        return false;
      }
      next(ps);
      *ret = OP_NOT_IN;
      return true;
    }
    for (size_t i = 0; i < sizeof word_ops / sizeof *word_ops; i++)
      if (is_word(ps, word_ops[i].word)) {
        *ret = word_ops[i].op;
        next(ps);
        return true;
      }
    return false;
  case TOKEN_END:
  case TOKEN_ERROR:
  case TOKEN_STRING:
  case TOKEN_NUMBER:
  case TOKEN_AND:
  case TOKEN_OR:
  case TOKEN_NOT:
  case TOKEN_OPEN:
  case TOKEN_CLOSE:
  case TOKEN_LIST_OPEN:
  case TOKEN_LIST_CLOSE:
  case TOKEN_COMMA:
  case TOKEN_DOT:
    return false;
  }
  next(ps);
  return true;
}

static void compile_regex(struct parser *ps, struct node *compare,
                          const struct node *pattern) {
  struct err e;
  int rv;

  if (ps->code)
    return;
  rv = regex_compile(&compare->as.regex, pattern->as.literal.as.string,
                     ps->regexes, ps->arena, &e);
  if (rv == ERR_NOMEM)
    no_memory(ps);
  else if (rv != 0)
    fail(ps, pattern->offset, "%s", e.message);
}

static struct node *parse_compare(struct parser *ps, size_t nots) {
  struct node *a = parse_prim(ps), *b, *n;
  size_t start = ps->start;
  enum compare_op op;

  if (!a || !take_op(ps, &op))
    return ps->code ? NULL : a;
  if (nots)
    fail(ps, start,
         "'!' or 'not' before a comparison, expected parentheses: '!(a %s b)'",
         op_name(op));
  if (!(b = parse_prim(ps)) || !(n = new_node(ps, NODE_COMPARE, a->offset)))
    return NULL;
  n->op = op;
  n->items = a;
  a->next = b;
  check_compare(ps, op, a, b);
  if (op == OP_MATCHES)
    compile_regex(ps, n, b);
  ended(ps, n);
  start = ps->start;
  if (take_op(ps, &op))
    fail(ps, start, "second comparison, expected '&&', '||' or parentheses");
  return ps->code ? NULL : n;
}

static struct node *parse_not(struct parser *ps, size_t nots) {
  struct node *n;

  if (ps->token != TOKEN_NOT && !is_word(ps, "not"))
    return parse_compare(ps, nots);
  if (!(n = new_node(ps, NODE_NOT, ps->start)) || !enter(ps))
    return NULL;
  next(ps);
  n->items = parse_not(ps, nots + 1);
  ps->depth--;
  if (!n->items)
    return NULL;
  need_bool(ps, n->items, "operand of '!'");
  return ended(ps, n);
}

/* One level of the chains "a && b && c" and "a || b || c", whose operands hang
 * side by side: only parentheses make a tree deeper. */
static struct node *parse_chain(struct parser *ps, bool or) {
  const char *word = or ? "or" : "and";
  const char *where = or ? "operand of '||'" : "operand of '&&'";
  struct node *first = or ? parse_chain(ps, false) : parse_not(ps, 0);
  struct node *n = NULL, *last = first;

  while (first &&
         (ps->token == (or ? TOKEN_OR : TOKEN_AND) || is_word(ps, word))) {
    if (!n) {
      if (!(n = new_node(ps, or ? NODE_OR : NODE_AND, first->offset)))
        return NULL;
      n->items = first;
      need_bool(ps, first, where);
    } else {
      ps->nodes++; /* each operator counts */
    }
    next(ps);
    last->next = or ? parse_chain(ps, false) : parse_not(ps, 0);
    if (!last->next)
      return NULL;
    last = last->next;
    need_bool(ps, last, where);
  }
  return n ? ended(ps, n) : first;
}

static struct node *parse_or(struct parser *ps) {
  return parse_chain(ps, true);
}

/* Behind a whole expression: what was meant to be an operator. */
static void check_end(struct parser *ps) {
  static const char *const words[] = {"and",      "or",       "in",
                                      "not in",   "contains", "startsWith",
                                      "endsWith", "matches",  NULL};
  const char *near;

  if (ps->token == TOKEN_END || ps->code)
    return;
  if (ps->token == TOKEN_NAME && (near = str_nearest(ps->name, words)) != NULL)
    fail(ps, ps->start, "unknown operator '%.*s', expected '%s'",
         (int)(ps->name.len > 40 ? 40 : ps->name.len), ps->name.p, near);
  else
    unexpected(ps, "an operator or the end");
}

int expr_compile(const struct expr **ret, struct slice text,
                 struct expr_place place, struct regex_pool *regexes,
                 struct arena *a, struct err *e) {
  struct parser ps = {.arena = a, .regexes = regexes, .error = e};
  struct expr *x;
  struct node *root;
  char *copy;

  if (text.len > EXPR_MAX_BYTES) {
    fail(&ps, 0, "expression is too long, expected at most %d bytes",
         EXPR_MAX_BYTES);
    return ps.code;
  }
  if (!(x = arena_zalloc(a, sizeof *x)) ||
      !(copy = arena_strndup(a, text.len ? text.p : "", text.len)))
    return err_set(e, ERR_NOMEM);
  ps.text = x->source = (struct slice){copy, text.len};
  next(&ps);
  if (ps.token == TOKEN_END)
    fail(&ps, 0, "expression is empty");
  if ((root = parse_or(&ps)) != NULL) {
    check_end(&ps);
    need_bool(&ps, root, "expression");
  }
  if (ps.code)
    return ps.code;
  x->place = place;
  x->root = root;
  x->url_field = ps.url_field;
  *ret = x;
  return 0;
}

struct slice expr_source(const struct expr *x) {
  return x->source;
}

const struct field *expr_url_field(const struct expr *x) {
  return x->url_field;
}

/* ------------------------------------------------------------- evaluate --- */

struct run {
  const struct expr *expr;
  const struct facts *facts;
  struct effort effort;
};

static enum outcome eval_bool(struct run *r, const struct node *n);

/* The innermost node that failed says where. */
static enum outcome placed(struct run *r, const struct node *n,
                           enum outcome o) {
  struct fault *f = r->effort.fault;

  if (o == OUTCOME_ERROR && f->line == 0 && f->column == 0) {
    f->line = r->expr->place.line;
    f->column = r->expr->place.column ? r->expr->place.column + n->offset : 0;
  }
  return o;
}

static enum outcome truth(bool b) {
  return b ? OUTCOME_TRUE : OUTCOME_FALSE;
}

static enum outcome invert(enum outcome o) {
  return o == OUTCOME_ERROR ? o : truth(o == OUTCOME_FALSE);
}

static enum outcome eval_has(struct run *r, const struct field *f) {
  struct value v;
  bool there = field_get(f, r->facts, &r->effort, &v);

  return r->effort.fault->kind ? OUTCOME_ERROR : truth(there);
}

static enum outcome get(struct run *r, const struct node *n,
                        struct operand *ret) {
  ret->field = &n->as.field;
  if (!field_get(&n->as.field, r->facts, &r->effort, &ret->value))
    return operand_missing(&n->as.field, &r->effort);
  return OUTCOME_TRUE;
}

static enum outcome eval_len(struct run *r, const struct node *n,
                             struct operand *ret) {
  struct operand o = {.lower = false};
  size_t len = 0;

  if (get(r, n, &o) == OUTCOME_ERROR)
    return OUTCOME_ERROR;
  switch (o.value.type) {
  case VALUE_STRING:
    len = o.value.as.string.len;
    break;
  case VALUE_LIST:
    len = o.value.as.list.len;
    break;
  case VALUE_MAP:
    len = o.value.as.map.len;
    break;
  case VALUE_NULL:
  case VALUE_BOOL:
  case VALUE_INT:
  case VALUE_FLOAT:
    return operand_wrong(&o, "len()", "a string, a list or a map", &r->effort);
  }
  ret->value = (struct value){.type = VALUE_INT, .as.integer = (int64_t)len};
  return OUTCOME_TRUE;
}

/* OUTCOME_TRUE with the value, or an error. */
static enum outcome eval_operand(struct run *r, const struct node *n,
                                 struct operand *ret) {
  enum outcome o = OUTCOME_TRUE;

  *ret = (struct operand){.lower = false};
  if (n->kind == NODE_LITERAL) {
    ret->value = n->as.literal;
  } else if (n->kind == NODE_PATH || n->kind == NODE_LOWER) {
    o = get(r, n, ret);
    ret->lower = n->kind == NODE_LOWER;
    if (o == OUTCOME_TRUE && ret->lower && ret->value.type != VALUE_STRING)
      o = operand_wrong(ret, "lower()", "a string", &r->effort);
  } else if (n->kind == NODE_LEN) {
    o = eval_len(r, n, ret);
  } else {
    o = eval_bool(r, n);
    ret->value =
        (struct value){.type = VALUE_BOOL, .as.boolean = o == OUTCOME_TRUE};
    if (o != OUTCOME_ERROR)
      o = OUTCOME_TRUE;
  }
  if (o != OUTCOME_ERROR && !effort_spend(&r->effort, 0))
    o = OUTCOME_ERROR;
  return placed(r, n, o);
}

static bool is_nil(const struct node *n) {
  return n->kind == NODE_LITERAL && n->as.literal.type == VALUE_NULL;
}

/* |n| == nil: what is missing is nil, and so is null. */
static enum outcome eval_nil(struct run *r, const struct node *n) {
  struct operand o;

  if (n->kind == NODE_PATH)
    return placed(r, n, invert(eval_has(r, &n->as.field)));
  if (is_nil(n))
    return OUTCOME_TRUE;
  return eval_operand(r, n, &o) == OUTCOME_ERROR ? OUTCOME_ERROR
                                                 : OUTCOME_FALSE;
}

static enum outcome eval_in(struct run *r, const struct operand *item,
                            const struct node *list, const char *name) {
  enum outcome rv = OUTCOME_FALSE;
  struct operand o;

  if (list->kind != NODE_LIST) {
    if (eval_operand(r, list, &o) == OUTCOME_ERROR)
      return OUTCOME_ERROR;
    return operand_in(item, &o, name, &r->effort);
  }
  for (const struct node *n = list->items; n && rv == OUTCOME_FALSE;
       n = n->next) {
    if (eval_operand(r, n, &o) == OUTCOME_ERROR)
      return OUTCOME_ERROR;
    rv = operand_equal(item, &o, &r->effort);
  }
  return rv;
}

static enum outcome eval_two(struct run *r, const struct node *n,
                             const struct operand *a, const struct operand *b) {
  const char *name = op_name(n->op);
  struct effort *w = &r->effort;

  switch (n->op) {
  case OP_EQ:
    return operand_equal(a, b, w);
  case OP_NE:
    return invert(operand_equal(a, b, w));
  case OP_LT:
    return operand_order(a, b, ORDER_LT, name, w);
  case OP_LTE:
    return operand_order(a, b, ORDER_LTE, name, w);
  case OP_GT:
    return operand_order(a, b, ORDER_GT, name, w);
  case OP_GTE:
    return operand_order(a, b, ORDER_GTE, name, w);
  case OP_CONTAINS:
    return operand_contains(a, b, name, w);
  case OP_STARTS:
    return operand_starts(a, b, name, w);
  case OP_ENDS:
    return operand_ends(a, b, name, w);
  case OP_MATCHES:
    return operand_matches(a, n->as.regex, name, w);
  case OP_IN:
  case OP_NOT_IN:
    break; /* eval_in */
  }
  return OUTCOME_ERROR;
}

static enum outcome eval_compare(struct run *r, const struct node *n) {
  const struct node *left = n->items, *right = left->next;
  struct operand a, b;
  enum outcome o;

  if (is_nil(left) || is_nil(right)) {
    o = eval_nil(r, is_nil(left) ? right : left);
    return n->op == OP_NE ? invert(o) : o;
  }
  if (eval_operand(r, left, &a) == OUTCOME_ERROR)
    return OUTCOME_ERROR;
  if (n->op == OP_IN || n->op == OP_NOT_IN) {
    o = eval_in(r, &a, right, op_name(n->op));
    return n->op == OP_NOT_IN ? invert(o) : o;
  }
  if (eval_operand(r, right, &b) == OUTCOME_ERROR)
    return OUTCOME_ERROR;
  return eval_two(r, n, &a, &b);
}

/* A path that stands for a truth. */
static enum outcome eval_flag(struct run *r, const struct node *n) {
  struct operand o = {.lower = false};

  if (get(r, n, &o) == OUTCOME_ERROR)
    return OUTCOME_ERROR;
  if (o.value.type != VALUE_BOOL)
    return operand_wrong(&o, "expression", "a boolean", &r->effort);
  return truth(o.value.as.boolean);
}

/* Recurses as deep as EXPR_MAX_DEPTH lets the tree be. */
static enum outcome eval_bool(struct run *r, const struct node *n) {
  enum outcome o = OUTCOME_ERROR;

  if (!effort_spend(&r->effort, 0))
    return placed(r, n, OUTCOME_ERROR);
  switch (n->kind) {
  case NODE_AND:
  case NODE_OR:
    for (const struct node *item = n->items; item; item = item->next) {
      o = eval_bool(r, item);
      if (o != truth(n->kind == NODE_AND))
        break;
    }
    break;
  case NODE_NOT:
    o = invert(eval_bool(r, n->items));
    break;
  case NODE_COMPARE:
    o = eval_compare(r, n);
    break;
  case NODE_HAS:
    o = eval_has(r, &n->as.field);
    break;
  case NODE_PATH:
    o = eval_flag(r, n);
    break;
  case NODE_LITERAL:
    o = truth(n->as.literal.as.boolean); /* of other types: not compiled */
    break;
  case NODE_LIST:
  case NODE_LEN:
  case NODE_LOWER:
    break; /* not compiled where a boolean is needed */
  }
  return placed(r, n, o);
}

enum outcome expr_eval(const struct expr *x, const struct facts *facts,
                       struct fault *fault) {
  struct run r = {.expr = x, .facts = facts, .effort = {.fault = fault}};

  *fault = (struct fault){.kind = FAULT_NONE};
  return eval_bool(&r, x->root);
}

/* ---------------------------------------------------------------- words --- */

/* The part that makes |n| false: of "a && b && c" the first that is. */
static const struct node *find_false(struct run *r, const struct node *n) {
  while (n->kind == NODE_AND) {
    const struct node *item = n->items;
    while (item->next && eval_bool(r, item) == OUTCOME_TRUE)
      item = item->next;
    n = item;
  }
  return n;
}

#define MAX_SHOWN 4

struct shown {
  const struct field *fields[MAX_SHOWN];
  size_t n;
};

static void collect(const struct node *n, struct shown *s) {
  for (const struct node *item = n->items; item; item = item->next)
    collect(item, s);
  if (n->kind != NODE_PATH && n->kind != NODE_HAS && n->kind != NODE_LEN &&
      n->kind != NODE_LOWER)
    return;
  for (size_t i = 0; i < s->n; i++)
    if (slice_eq(s->fields[i]->source, n->as.field.source))
      return;
  if (s->n < MAX_SHOWN)
    s->fields[s->n++] = &n->as.field;
}

int expr_write_miss(const struct expr *x, const struct facts *facts,
                    struct buf *out) {
  struct fault fault = {.kind = FAULT_NONE};
  struct run r = {.expr = x, .facts = facts, .effort = {.fault = &fault}};
  const struct node *n = find_false(&r, x->root);
  struct shown s = {.n = 0};
  char text[200];
  int rv;

  str_escape(text, sizeof text,
             (struct slice){x->source.p + n->offset, n->end - n->offset});
  if ((rv = buf_addf(out, "%s is false", text)) != 0)
    return rv;
  collect(n, &s);
  for (size_t i = 0; rv == 0 && i < s.n; i++) {
    struct value v;
    str_escape(text, sizeof text, s.fields[i]->source);
    fault.kind = FAULT_NONE;
    r.effort.steps = 0;
    if ((rv = buf_addf(out, "%s%s is ", i ? ", " : " (", text)) != 0)
      return rv;
    if (field_get(s.fields[i], facts, &r.effort, &v))
      rv = field_write_value(&v, out);
    else
      rv = buf_adds(out, "missing");
  }
  return rv == 0 && s.n ? buf_addc(out, ')') : rv;
}
