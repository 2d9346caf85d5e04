/* field.c - paths into a request, and comparisons that have three outcomes. */
#include "policy/field.h"

#include <math.h>

#include "runtime/base/json.h"

/* ---------------------------------------------------------------- paths --- */

/* What the guards of websocket.connect say; the first five are url.* too. */
enum part {
  PART_NONE,
  PART_SCHEME,
  PART_HOST,
  PART_PORT,
  PART_PATH,
  PART_QUERY,
  PART_TLS,
  PART_IP,
  PART_CLASS
};

static const char *const url_names[] = {"scheme", "host",  "port",
                                        "path",   "query", NULL};
static const char *const part_names[] = {
    "scheme", "host", "port", "path", "query", "tls", "ip", "class", NULL};
static const char *const root_names[] = {"actor", "action", "resource",
                                         "meta",  "url",    NULL};

static enum part part_find(struct slice name, const char *const *names) {
  for (size_t i = 0; names[i]; i++)
    if (slice_is(name, names[i]))
      return (enum part)(PART_SCHEME + i);
  return PART_NONE;
}

#define SHOWN(s) (int)((s).len > 64 ? 64 : (s).len), (s).p

static int unknown_root(struct slice root, struct err *e) {
  const char *near = str_nearest(root, root_names);

  if (near)
    return err_setf(e, ERR_SYNTAX, "unknown field '%.*s', expected '%s'",
                    SHOWN(root), near);
  return err_setf(e, ERR_SYNTAX,
                  "unknown field '%.*s', expected actor.id, actor.meta.NAME, "
                  "action, resource, meta.NAME or url.NAME",
                  SHOWN(root));
}

static int init_actor(struct field *f, struct slice *names, size_t n,
                      struct err *e) {
  static const char *const members[] = {"id", "meta", NULL};

  if (n == 1)
    return err_setf(e, ERR_SYNTAX,
                    "'actor' is no attribute, expected actor.id or "
                    "actor.meta.NAME");
  if (slice_is(names[1], "id") && n == 2) {
    f->root = FIELD_ACTOR_ID;
    return 0;
  }
  if (slice_is(names[1], "id"))
    return err_setf(e, ERR_SYNTAX, "'actor.id' is a string and has no '%.*s'",
                    SHOWN(names[2]));
  if (!slice_is(names[1], "meta")) {
    const char *near = str_nearest(names[1], members);
    if (near)
      return err_setf(e, ERR_SYNTAX,
                      "unknown field 'actor.%.*s', expected 'actor.%s'",
                      SHOWN(names[1]), near);
    return err_setf(e, ERR_SYNTAX,
                    "unknown field 'actor.%.*s', expected 'actor.id' or "
                    "'actor.meta.%.*s'",
                    SHOWN(names[1]), SHOWN(names[1]));
  }
  f->root = FIELD_ACTOR_META;
  f->keys = names + 2;
  f->nkeys = n - 2;
  return 0;
}

static int init_url(struct field *f, const struct slice *names, size_t n,
                    struct err *e) {
  const char *near;

  f->root = FIELD_URL;
  if (n > 1)
    f->part = (uint8_t)part_find(names[1], url_names);
  if (n == 2 && f->part)
    return 0;
  if (n > 2 && f->part)
    return err_setf(e, ERR_SYNTAX, "'url.%.*s' has no '%.*s'", SHOWN(names[1]),
                    SHOWN(names[2]));
  near = n > 1 ? str_nearest(names[1], url_names) : NULL;
  if (near)
    return err_setf(e, ERR_SYNTAX,
                    "unknown field 'url.%.*s', expected 'url.%s'",
                    SHOWN(names[1]), near);
  return err_setf(e, ERR_SYNTAX,
                  "unknown field 'url%s%.*s', expected url.scheme, url.host, "
                  "url.port, url.path or url.query",
                  n > 1 ? "." : "", n > 1 ? (int)names[1].len : 0,
                  n > 1 ? names[1].p : "");
}

int field_init(struct field *f, struct slice *names, size_t n, struct err *e) {
  struct field out = {.source = f->source};
  int rv = 0;

  if (n > FIELD_MAX_KEYS)
    return err_setf(e, ERR_SYNTAX,
                    "path is too long, expected at most %d names",
                    FIELD_MAX_KEYS);
  for (size_t i = 0; i < n; i++)
    if (names[i].len == 0)
      return err_setf(e, ERR_SYNTAX,
                      "path with an empty name, expected one "
                      "between two '.'");
  if (n == 0) {
    return err_setf(e, ERR_SYNTAX, "path is empty, expected a field");
  } else if (slice_is(names[0], "actor")) {
    rv = init_actor(&out, names, n, e);
  } else if (slice_is(names[0], "url")) {
    rv = init_url(&out, names, n, e);
  } else if (slice_is(names[0], "meta")) {
    if (n == 1)
      return err_setf(e, ERR_SYNTAX,
                      "'meta' is no attribute, expected meta.NAME");
    out.root = FIELD_META;
    out.keys = names + 1;
    out.nkeys = n - 1;
    out.part = (uint8_t)part_find(names[1], part_names);
  } else if (slice_is(names[0], "action") || slice_is(names[0], "resource")) {
    if (n > 1)
      return err_setf(e, ERR_SYNTAX, "'%.*s' is a string and has no '%.*s'",
                      SHOWN(names[0]), SHOWN(names[1]));
    out.root = slice_is(names[0], "action") ? FIELD_ACTION : FIELD_RESOURCE;
  } else {
    return unknown_root(names[0], e);
  }
  if (rv == 0)
    *f = out;
  return rv;
}

const char *field_part(const struct field *f) {
  return f->part && (f->root == FIELD_URL || f->nkeys == 1)
             ? part_names[f->part - PART_SCHEME]
             : NULL;
}

int field_parse(struct field *f, struct slice text, struct arena *a,
                struct err *e) {
  struct slice names[FIELD_MAX_KEYS + 1], *kept;
  const char *copy = arena_strndup(a, text.len ? text.p : "", text.len);
  size_t n = 0;
  int rv;

  if (!copy)
    return err_set(e, ERR_NOMEM);
  f->source = (struct slice){copy, text.len};
  for (size_t at = 0, i = 0; text.len && i <= text.len; i++) {
    if (i < text.len && copy[i] != '.')
      continue;
    names[n++] = (struct slice){copy + at, i - at};
    if (n > FIELD_MAX_KEYS)
      break; /* which field_init refuses */
    at = i + 1;
  }
  if ((rv = field_init(f, names, n, e)) != 0)
    return rv;
  if (!f->nkeys)
    return 0;
  kept = arena_array(a, f->nkeys, sizeof *kept);
  if (!kept)
    return err_set(e, ERR_NOMEM);
  memcpy(kept, f->keys, f->nkeys * sizeof *kept);
  f->keys = kept;
  return 0;
}

/* ------------------------------------------------------------- outcomes --- */

bool effort_spend(struct effort *w, size_t units) {
  size_t steps = 1 + units / 64;

  if (steps <= FIELD_MAX_STEPS - w->steps) {
    w->steps += (unsigned)steps;
    return true;
  }
  w->steps = FIELD_MAX_STEPS;
  w->fault->kind = FAULT_STEPS;
  return false;
}

static const char *type_words(enum value_type t) {
  switch (t) {
  case VALUE_NULL:
    return "null";
  case VALUE_BOOL:
    return "a boolean";
  case VALUE_INT:
  case VALUE_FLOAT:
    return "a number";
  case VALUE_STRING:
    return "a string";
  case VALUE_LIST:
    return "a list";
  case VALUE_MAP:
    return "a map";
  }
  return "null";
}

int fault_write(const struct fault *f, struct buf *out) {
  char field[160] = "a value";
  int rv = 0;

  if (f->field)
    str_escape(field, sizeof field, f->field->source);
  if (f->condition)
    rv = buf_addf(out, "condition %u: ", f->condition);
  if (rv != 0)
    return rv;
  switch (f->kind) {
  case FAULT_NONE:
    return 0;
  case FAULT_MISSING:
    return buf_addf(out, "%s is missing", field);
  case FAULT_TYPE:
    return buf_addf(out, "%s is %s, '%s' takes %s", field, type_words(f->type),
                    f->op ? f->op : "", f->wants ? f->wants : "");
  case FAULT_STEPS:
    return buf_addf(out, "more than %d steps", FIELD_MAX_STEPS);
  case FAULT_TOO_LONG:
    return buf_addf(out, "%s is too long for lower() with 'matches'", field);
  case FAULT_NOT_UTF8:
    return buf_addf(out, "%s is not valid UTF-8, '%s' takes text", field,
                    f->op ? f->op : "");
  case FAULT_NO_MEMORY:
    return buf_adds(out, "no memory to match a regular expression");
  case FAULT_REQUEST:
    return buf_adds(out, "the resource looks like a URL and is none");
  }
  return 0;
}

enum outcome operand_wrong(const struct operand *o, const char *name,
                           const char *wants, struct effort *w) {
  *w->fault = (struct fault){.kind = FAULT_TYPE,
                             .field = o->field,
                             .type = o->value.type,
                             .op = name,
                             .wants = wants};
  return OUTCOME_ERROR;
}

enum outcome operand_missing(const struct field *f, struct effort *w) {
  if (w->fault->kind == FAULT_NONE)
    *w->fault = (struct fault){.kind = FAULT_MISSING, .field = f};
  return OUTCOME_ERROR;
}

/* --------------------------------------------------------------- lookup --- */

static struct value string_value(struct slice s) {
  return (struct value){.type = VALUE_STRING,
                        .as.string = {s.len ? s.p : "", s.len}};
}

/* What the guards say; false: nothing about |part|. */
static bool get_part(enum part part, const struct facts *facts,
                     struct value *ret) {
  const struct url *url = facts->url;

  switch (part) {
  case PART_NONE:
    return false;
  case PART_PORT:
    if (!url && !facts->ip)
      return false;
    *ret = (struct value){.type = VALUE_INT,
                          .as.integer = facts->ip ? facts->port : url->port};
    return true;
  case PART_IP:
  case PART_CLASS:
    if (!facts->ip)
      return false;
    *ret = string_value(slice_of(part == PART_IP
                                     ? facts->ip_text
                                     : ip_class_name(ip_classify(facts->ip))));
    return true;
  case PART_SCHEME:
  case PART_HOST:
  case PART_PATH:
  case PART_QUERY:
    if (!url)
      return false;
    /* no query and an empty one are both "" here: a deny that looks for
     * something in it need not ask first */
    *ret = string_value(part == PART_SCHEME ? url->scheme
                        : part == PART_HOST ? url->host
                        : part == PART_PATH ? url->path
                                            : url->query);
    return true;
  case PART_TLS:
    if (!url)
      return false;
    *ret = (struct value){.type = VALUE_BOOL, .as.boolean = url->tls};
    return true;
  }
  return false;
}

static bool walk(const struct value *v, const struct slice *keys, size_t n,
                 struct effort *w, struct value *ret) {
  for (size_t i = 0; v && i < n; i++) {
    if (v->type != VALUE_MAP || !effort_spend(w, v->as.map.len))
      return false;
    v = value_get(v, keys[i]);
  }
  if (!v || v->type == VALUE_NULL)
    return false;
  *ret = *v;
  return true;
}

bool field_get(const struct field *f, const struct facts *facts,
               struct effort *w, struct value *ret) {
  struct value v;

  switch (f->root) {
  case FIELD_ACTOR_ID:
    *ret = string_value(facts->actor_id);
    return true;
  case FIELD_ACTION:
    *ret = string_value(facts->action);
    return true;
  case FIELD_RESOURCE:
    *ret = string_value(facts->resource);
    return true;
  case FIELD_ACTOR_META:
    return walk(facts->actor_meta, f->keys, f->nkeys, w, ret);
  case FIELD_URL: {
    struct facts of_url = {.url = facts->url};
    return get_part((enum part)f->part, &of_url, ret);
  }
  case FIELD_META:
    if (get_part((enum part)f->part, facts, &v)) {
      if (f->nkeys == 1)
        *ret = v;
      return f->nkeys == 1;
    }
    return walk(facts->meta, f->keys, f->nkeys, w, ret);
  }
  return false;
}

/* ----------------------------------------------------------- comparison --- */

static bool is_number(const struct value *v) {
  return v->type == VALUE_INT || v->type == VALUE_FLOAT;
}

/* Negative, 0, positive; exact.  |d| is not NaN. */
static int compare_int_double(int64_t i, double d) {
  double whole;

  if (d >= 0x1p63)
    return -1;
  if (d < -0x1p63)
    return 1;
  whole = floor(d);
  if (i != (int64_t)whole)
    return i < (int64_t)whole ? -1 : 1;
  return d > whole ? -1 : 0;
}

static int compare_numbers(const struct value *a, const struct value *b) {
  if (a->type == VALUE_INT && b->type == VALUE_INT)
    return a->as.integer < b->as.integer ? -1 : a->as.integer > b->as.integer;
  if (a->type == VALUE_INT)
    return compare_int_double(a->as.integer, b->as.number);
  if (b->type == VALUE_INT)
    return -compare_int_double(b->as.integer, a->as.number);
  return a->as.number < b->as.number ? -1 : a->as.number > b->as.number;
}

static bool is_nan(const struct value *v) {
  return v->type == VALUE_FLOAT && isnan(v->as.number);
}

/* As memcmp, of the first |n| bytes. */
static int compare_bytes(const struct operand *a, size_t at,
                         const struct operand *b, size_t n) {
  const char *p = a->value.as.string.p + at, *q = b->value.as.string.p;

  if (!a->lower && !b->lower)
    return n ? memcmp(p, q, n) : 0;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)(a->lower ? ascii_lower(p[i]) : p[i]);
    unsigned char d = (unsigned char)(b->lower ? ascii_lower(q[i]) : q[i]);
    if (c != d)
      return c < d ? -1 : 1;
  }
  return 0;
}

static enum outcome strings_equal(const struct operand *a,
                                  const struct operand *b, struct effort *w) {
  size_t n = a->value.as.string.len;
  bool same_len = n == b->value.as.string.len;

  if (!effort_spend(w, same_len ? n : 0))
    return OUTCOME_ERROR;
  return same_len && compare_bytes(a, 0, b, n) == 0 ? OUTCOME_TRUE
                                                    : OUTCOME_FALSE;
}

static enum outcome lists_equal(const struct value *a, const struct value *b,
                                struct effort *w) {
  enum outcome rv = OUTCOME_TRUE;

  if (a->as.list.len != b->as.list.len)
    return OUTCOME_FALSE;
  for (size_t i = 0; rv == OUTCOME_TRUE && i < a->as.list.len; i++)
    rv = operand_equal(&(struct operand){.value = a->as.list.items[i]},
                       &(struct operand){.value = b->as.list.items[i]}, w);
  return rv;
}

static enum outcome maps_equal(const struct value *a, const struct value *b,
                               struct effort *w) {
  enum outcome rv = OUTCOME_TRUE;

  if (a->as.map.len != b->as.map.len)
    return OUTCOME_FALSE;
  for (size_t i = 0; rv == OUTCOME_TRUE && i < a->as.map.len; i++) {
    const struct value_member *m = &a->as.map.members[i];
    const struct value *other;
    if (!effort_spend(w, b->as.map.len))
      return OUTCOME_ERROR;
    if (!(other = value_get(b, m->key)))
      return OUTCOME_FALSE;
    rv = operand_equal(&(struct operand){.value = m->value},
                       &(struct operand){.value = *other}, w);
  }
  return rv;
}

/* Recurses as deep as values are, VALUE_MAX_DEPTH at most. */
enum outcome operand_equal(const struct operand *a, const struct operand *b,
                           struct effort *w) {
  if (a->value.type == VALUE_STRING && b->value.type == VALUE_STRING)
    return strings_equal(a, b, w);
  if (!effort_spend(w, 0))
    return OUTCOME_ERROR;
  if (a->value.type == VALUE_LIST && b->value.type == VALUE_LIST)
    return lists_equal(&a->value, &b->value, w);
  if (a->value.type == VALUE_MAP && b->value.type == VALUE_MAP)
    return maps_equal(&a->value, &b->value, w);
  return value_equal(&a->value, &b->value) ? OUTCOME_TRUE : OUTCOME_FALSE;
}

static enum outcome order_says(int c, enum order_op op) {
  bool holds = false;

  switch (op) {
  case ORDER_LT:
    holds = c < 0;
    break;
  case ORDER_GT:
    holds = c > 0;
    break;
  case ORDER_LTE:
    holds = c <= 0;
    break;
  case ORDER_GTE:
    holds = c >= 0;
    break;
  }
  return holds ? OUTCOME_TRUE : OUTCOME_FALSE;
}

enum outcome operand_order(const struct operand *a, const struct operand *b,
                           enum order_op op, const char *name,
                           struct effort *w) {
  if (is_number(&a->value) && is_number(&b->value)) {
    if (is_nan(&a->value) || is_nan(&b->value))
      return operand_wrong(is_nan(&a->value) ? a : b, name,
                           "a number that is one (this is NaN)", w);
    return order_says(compare_numbers(&a->value, &b->value), op);
  }
  if (a->value.type == VALUE_STRING && b->value.type == VALUE_STRING) {
    size_t n = a->value.as.string.len, m = b->value.as.string.len;
    int c;
    if (!effort_spend(w, n < m ? n : m))
      return OUTCOME_ERROR;
    c = compare_bytes(a, 0, b, n < m ? n : m);
    return order_says(c ? c : n < m ? -1 : n > m, op);
  }
  if (is_number(&a->value))
    return operand_wrong(b, name, "two numbers or two strings", w);
  return operand_wrong(a, name, "two numbers or two strings", w);
}

/* Is |item| in the items of |list|, a list? */
static enum outcome member(const struct operand *item, const struct value *list,
                           struct effort *w) {
  enum outcome rv = OUTCOME_FALSE;

  for (size_t i = 0; rv == OUTCOME_FALSE && i < list->as.list.len; i++)
    rv = operand_equal(item, &(struct operand){.value = list->as.list.items[i]},
                       w);
  return rv;
}

enum outcome operand_in(const struct operand *item, const struct operand *list,
                        const char *name, struct effort *w) {
  if (list->value.type != VALUE_LIST)
    return operand_wrong(list, name, "a list", w);
  return member(item, &list->value, w);
}

/* Only the text of an operand in lower case: byte by byte, with each byte that
 * is compared paid for, so that no text makes it slow. */
static enum outcome find_lower(const struct operand *whole,
                               const struct operand *part, struct effort *w) {
  size_t n = whole->value.as.string.len, m = part->value.as.string.len;
  size_t unpaid = 0;

  for (size_t at = 0; m <= n && at <= n - m; at++) {
    size_t same = 0;
    while (same < m) {
      char c = whole->value.as.string.p[at + same];
      char d = part->value.as.string.p[same];
      if ((whole->lower ? ascii_lower(c) : c) !=
          (part->lower ? ascii_lower(d) : d))
        break;
      same++;
    }
    if (same == m)
      return OUTCOME_TRUE;
    unpaid += same;
    if (unpaid >= 64 && !effort_spend(w, unpaid))
      return OUTCOME_ERROR;
    unpaid %= 64;
  }
  return OUTCOME_FALSE;
}

enum outcome operand_contains(const struct operand *whole,
                              const struct operand *part, const char *name,
                              struct effort *w) {
  struct slice s, t;

  if (whole->value.type == VALUE_LIST)
    return member(part, &whole->value, w);
  if (whole->value.type != VALUE_STRING)
    return operand_wrong(whole, name, "a string or a list", w);
  if (part->value.type != VALUE_STRING)
    return operand_wrong(part, name, "a string in a string", w);
  s = whole->value.as.string;
  t = part->value.as.string;
  if (!effort_spend(w, s.len))
    return OUTCOME_ERROR;
  if (t.len == 0)
    return OUTCOME_TRUE;
  if (whole->lower || part->lower)
    return find_lower(whole, part, w);
  return s.len && memmem(s.p, s.len, t.p, t.len) ? OUTCOME_TRUE : OUTCOME_FALSE;
}

static enum outcome part_at(const struct operand *whole,
                            const struct operand *part, bool end,
                            const char *name, struct effort *w) {
  size_t n, m;

  if (whole->value.type != VALUE_STRING || part->value.type != VALUE_STRING)
    return operand_wrong(whole->value.type != VALUE_STRING ? whole : part, name,
                         "two strings", w);
  n = whole->value.as.string.len;
  m = part->value.as.string.len;
  if (m > n)
    return OUTCOME_FALSE;
  if (!effort_spend(w, m))
    return OUTCOME_ERROR;
  return compare_bytes(whole, end ? n - m : 0, part, m) == 0 ? OUTCOME_TRUE
                                                             : OUTCOME_FALSE;
}

enum outcome operand_starts(const struct operand *whole,
                            const struct operand *part, const char *name,
                            struct effort *w) {
  return part_at(whole, part, false, name, w);
}

enum outcome operand_ends(const struct operand *whole,
                          const struct operand *part, const char *name,
                          struct effort *w) {
  return part_at(whole, part, true, name, w);
}

static enum outcome failed(enum fault_kind kind, const struct operand *o,
                           const char *name, struct effort *w) {
  *w->fault = (struct fault){.kind = kind, .field = o->field, .op = name};
  return OUTCOME_ERROR;
}

/* RE2 wants its text in one piece. */
#define LOWER_MAX_BYTES 4096

/* A state may have to be built for each byte, from all instructions: so that
 * ten thousand steps are a million of these, some milliseconds. */
static size_t search_units(const struct regex *re, size_t len) {
  size_t each = regex_size(re) / 8 * 5;
  if (each < 16)
    each = 16;
  return len > SIZE_MAX / each ? SIZE_MAX : len * each;
}

enum outcome operand_matches(const struct operand *text, const struct regex *re,
                             const char *name, struct effort *w) {
  char lower[LOWER_MAX_BYTES];
  struct slice s;
  int rv;

  if (text->value.type != VALUE_STRING)
    return operand_wrong(text, name, "a string", w);
  s = text->value.as.string;
  if (!effort_spend(w, search_units(re, s.len)))
    return OUTCOME_ERROR;
  /* RE2 finds nothing where the text is broken: a deny could be evaded by one
   * bad byte */
  if (!utf8_valid(s))
    return failed(FAULT_NOT_UTF8, text, name, w);
  if (text->lower) {
    if (s.len > sizeof lower)
      return failed(FAULT_TOO_LONG, text, name, w);
    for (size_t i = 0; i < s.len; i++)
      lower[i] = ascii_lower(s.p[i]);
    s.p = lower;
  }
  rv = regex_search(re, s);
  if (rv < 0)
    return failed(FAULT_NO_MEMORY, text, name, w);
  return rv ? OUTCOME_TRUE : OUTCOME_FALSE;
}

/* ---------------------------------------------------------------- words --- */

/* A word that needs no quotes to be taken for a string. */
static bool plain_word(struct slice s) {
  if (s.len == 0 || s.len > 64 || !ascii_alpha(s.p[0]))
    return false;
  for (size_t i = 0; i < s.len; i++)
    if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) &&
        (s.p[i] == '\0' || !strchr("_-.:/@", s.p[i])))
      return false;
  return !slice_is(s, "true") && !slice_is(s, "false") && !slice_is(s, "null");
}

static int write_value(const struct value *v, bool in_list, struct buf *out) {
  char text[128];
  int rv = 0;

  switch (v->type) {
  case VALUE_NULL:
    return buf_adds(out, "null");
  case VALUE_BOOL:
    return buf_adds(out, v->as.boolean ? "true" : "false");
  case VALUE_INT:
    return buf_addf(out, "%lld", (long long)v->as.integer);
  case VALUE_FLOAT:
    return buf_add(out, text,
                   json_format_double(text, sizeof text, v->as.number));
  case VALUE_STRING:
    str_escape(text, sizeof text, v->as.string);
    if (in_list && plain_word(v->as.string))
      return buf_adds(out, text);
    return buf_addf(out, "\"%s\"", text);
  case VALUE_MAP:
    return buf_addf(out, "a map of %zu", v->as.map.len);
  case VALUE_LIST:
    if (in_list)
      return buf_addf(out, "a list of %zu", v->as.list.len);
    rv = buf_addc(out, '[');
    for (size_t i = 0; rv == 0 && i < v->as.list.len; i++) {
      if (i == 8)
        rv = buf_addf(out, ", ... %zu more", v->as.list.len - i);
      else if (i == 0 || (rv = buf_adds(out, ", ")) == 0)
        rv = write_value(&v->as.list.items[i], true, out);
      if (i == 8)
        break;
    }
    return rv == 0 ? buf_addc(out, ']') : rv;
  }
  return 0;
}

int field_write_value(const struct value *v, struct buf *out) {
  return write_value(v, false, out);
}
