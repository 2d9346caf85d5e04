/* expr.c - expressions: their types, and a recursive descent with a bound. */
#include "policy/expr_lex.h"

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
    lex_fail(ps, n->offset, "%s is %s, expected a boolean", where,
             type_words(t));
}

static void wrong_side(struct parser *ps, const struct node *n,
                       enum compare_op op, const char *wants) {
  lex_fail(ps, n->offset, "'%s' with %s, expected %s", expr_op_name(op),
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
      lex_fail(ps, type_of(a) == TYPE_NIL ? a->offset : b->offset,
               "'%s' with nil, expected '== nil' or '!= nil'",
               expr_op_name(op));
  }
  if (a->kind == NODE_LIST ||
      (b->kind == NODE_LIST && op != OP_IN && op != OP_NOT_IN))
    lex_fail(ps, a->kind == NODE_LIST ? a->offset : b->offset,
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
      lex_fail(ps, b->offset,
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
    lex_fail(ps, offset, "expression is too large, expected at most %d nodes",
             EXPR_MAX_NODES);
    return NULL;
  }
  if (!(n = arena_zalloc(ps->arena, sizeof *n))) {
    lex_no_memory(ps);
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
    lex_fail(ps, ps->start, "nested too deeply, expected at most %d levels",
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
  lex_next(ps);
  while (ps->token == TOKEN_DOT || ps->token == TOKEN_LIST_OPEN) {
    bool dot = ps->token == TOKEN_DOT;
    lex_next(ps);
    if (n > FIELD_MAX_KEYS) {
      lex_fail(ps, start, "path is too long, expected at most %d names",
               FIELD_MAX_KEYS);
      return;
    }
    if (ps->token != (dot ? TOKEN_NAME : TOKEN_STRING)) {
      lex_unexpected(ps, dot ? "a name" : "a name in quotes, like [\"a-b\"]");
      return;
    }
    names[n++] = dot ? ps->name : ps->value.as.string;
    lex_next(ps);
    if (!dot && !lex_take(ps, TOKEN_LIST_CLOSE, "']'"))
      return;
  }
  if (ps->code)
    return;
  f->source = (struct slice){ps->text.p + start, ps->previous - start};
  if (field_init(f, names, n, &e) != 0) {
    lex_fail(ps, start, "%s", e.message);
    return;
  }
  if (f->nkeys) {
    if (!(kept = arena_array(ps->arena, f->nkeys, sizeof *kept))) {
      lex_no_memory(ps);
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

  lex_next(ps);
  if (!n || !lex_take(ps, TOKEN_OPEN, "'('"))
    return NULL;
  if (ps->token != TOKEN_NAME || !is_root(ps->name)) {
    if (ps->token != TOKEN_ERROR)
      lex_fail(ps, ps->start, "%.*s() takes an attribute, like meta.owner",
               (int)name.len, name.p);
    return NULL;
  }
  parse_path(ps, &n->as.field);
  if (ps->code || !lex_take(ps, TOKEN_CLOSE, "')'"))
    return NULL;
  if (kind == NODE_LOWER && field_type(&n->as.field) != TYPE_STRING &&
      field_type(&n->as.field) != TYPE_ANY)
    lex_fail(ps, n->offset, "lower() takes a string");
  return ended(ps, n);
}

static struct node *literal(struct parser *ps, struct value v) {
  struct node *n = new_node(ps, NODE_LITERAL, ps->start);

  if (n)
    n->as.literal = v;
  lex_next(ps);
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
    lex_no_memory(ps);
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
  lex_next(ps);
  end = &n->items;
  while (ps->token != TOKEN_LIST_CLOSE) {
    struct node *item;
    if (len == EXPR_MAX_LIST_ITEMS)
      lex_fail(ps, ps->start, "list is too long, expected at most %d items",
               EXPR_MAX_LIST_ITEMS);
    if (!(item = parse_prim(ps)))
      return NULL;
    if (type_of(item) == TYPE_NIL)
      lex_fail(ps, item->offset, "nil in a list, expected a value");
    if (item->kind == NODE_LIST)
      lex_fail(ps, item->offset,
               "list with attributes in it, expected it right of 'in'");
    *end = item;
    end = &item->next;
    len++;
    if (ps->token == TOKEN_COMMA)
      lex_next(ps);
    else if (ps->token != TOKEN_LIST_CLOSE)
      lex_unexpected(ps, "',' or ']'");
    if (ps->code)
      return NULL;
  }
  lex_next(ps);
  ps->depth--;
  fold_list(ps, n, len);
  return ended(ps, n);
}

static struct node *parse_group(struct parser *ps) {
  struct node *n;

  if (!enter(ps))
    return NULL;
  lex_next(ps);
  n = parse_or(ps);
  ps->depth--;
  if (!n || !lex_take(ps, TOKEN_CLOSE, "')'"))
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

  lex_next(ps);
  call = ps->token == TOKEN_OPEN;
  near = str_nearest(name, call ? functions : words);
  if (slice_is(name, "null") || slice_is(name, "None"))
    near = "nil";
  if (near)
    lex_fail(ps, start, "unknown %s '%.*s', expected '%s'",
             call ? "function" : "name", (int)(name.len > 40 ? 40 : name.len),
             name.p, near);
  else
    lex_fail(ps, start, "unknown %s '%.*s', expected %s",
             call ? "function" : "name", (int)(name.len > 40 ? 40 : name.len),
             name.p,
             call ? "has, len or lower"
                  : "actor.id, actor.meta.NAME, action, resource, meta.NAME or "
                    "url.NAME, or text in quotes");
}

static struct node *parse_name(struct parser *ps) {
  struct node *n;

  if (lex_is_word(ps, "true") || lex_is_word(ps, "false"))
    return literal(ps, (struct value){.type = VALUE_BOOL,
                                      .as.boolean = lex_is_word(ps, "true")});
  if (lex_is_word(ps, "nil"))
    return literal(ps, (struct value){.type = VALUE_NULL});
  if (lex_is_word(ps, "has"))
    return parse_call(ps, NODE_HAS);
  if (lex_is_word(ps, "len"))
    return parse_call(ps, NODE_LEN);
  if (lex_is_word(ps, "lower"))
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
  lex_unexpected(ps, "a value, an attribute or '('");
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
    if (lex_is_word(ps, "not")) {
      lex_next(ps);
      if (!lex_is_word(ps, "in")) {
        lex_unexpected(ps, "'in' behind 'not'");
        return false;
      }
      lex_next(ps);
      *ret = OP_NOT_IN;
      return true;
    }
    for (size_t i = 0; i < sizeof word_ops / sizeof *word_ops; i++)
      if (lex_is_word(ps, word_ops[i].word)) {
        *ret = word_ops[i].op;
        lex_next(ps);
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
  lex_next(ps);
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
    lex_no_memory(ps);
  else if (rv != 0)
    lex_fail(ps, pattern->offset, "%s", e.message);
}

static struct node *parse_compare(struct parser *ps, size_t nots) {
  struct node *a = parse_prim(ps), *b, *n;
  size_t start = ps->start;
  enum compare_op op;

  if (!a || !take_op(ps, &op))
    return ps->code ? NULL : a;
  if (nots)
    lex_fail(
        ps, start,
        "'!' or 'not' before a comparison, expected parentheses: '!(a %s b)'",
        expr_op_name(op));
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
    lex_fail(ps, start,
             "second comparison, expected '&&', '||' or parentheses");
  return ps->code ? NULL : n;
}

static struct node *parse_not(struct parser *ps, size_t nots) {
  struct node *n;

  if (ps->token != TOKEN_NOT && !lex_is_word(ps, "not"))
    return parse_compare(ps, nots);
  if (!(n = new_node(ps, NODE_NOT, ps->start)) || !enter(ps))
    return NULL;
  lex_next(ps);
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
         (ps->token == (or ? TOKEN_OR : TOKEN_AND) || lex_is_word(ps, word))) {
    if (!n) {
      if (!(n = new_node(ps, or ? NODE_OR : NODE_AND, first->offset)))
        return NULL;
      n->items = first;
      need_bool(ps, first, where);
    } else {
      ps->nodes++; /* each operator counts */
    }
    lex_next(ps);
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
    lex_fail(ps, ps->start, "unknown operator '%.*s', expected '%s'",
             (int)(ps->name.len > 40 ? 40 : ps->name.len), ps->name.p, near);
  else
    lex_unexpected(ps, "an operator or the end");
}

int expr_compile(const struct expr **ret, struct slice text,
                 struct expr_place place, struct regex_pool *regexes,
                 struct arena *a, struct err *e) {
  struct parser ps = {.arena = a, .regexes = regexes, .error = e};
  struct expr *x;
  struct node *root;
  char *copy;

  if (text.len > EXPR_MAX_BYTES) {
    lex_fail(&ps, 0, "expression is too long, expected at most %d bytes",
             EXPR_MAX_BYTES);
    return ps.code;
  }
  if (!(x = arena_zalloc(a, sizeof *x)) ||
      !(copy = arena_strndup(a, text.len ? text.p : "", text.len)))
    return err_set(e, ERR_NOMEM);
  ps.text = x->source = (struct slice){copy, text.len};
  lex_next(&ps);
  if (ps.token == TOKEN_END)
    lex_fail(&ps, 0,
             "expression is empty, expected one such as "
             "actor.meta.role == \"admin\"");
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
