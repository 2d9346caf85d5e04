/* lint_regex.c - advice on regular expressions, and on comparisons with a part
 * of a host. */
#include "policy/lint_test.h"

/* One alternative of a regular expression. */
struct look {
  bool start;         /* anchored */
  bool end;           /* anchored */
  bool head;          /* begins with ".*" or ".+", behind the anchor */
  bool tail;          /* ends with one, before the anchor */
  bool dot;           /* "a.b": any byte between two names */
  bool odd_star;      /* "\.*": dots, none included */
  bool literal;       /* nothing but text between first and last */
  size_t first, last; /* what is between the anchors, head and tail */
};

static bool name_byte(char c) {
  return ascii_alpha(c) || ascii_digit(c) || c == '_' || c == '-';
}

static bool repeats(char c) {
  return c == '*' || c == '+' || c == '?' || c == '{';
}

/* Is s[at] escaped by a backslash that is not itself escaped? */
static bool is_escaped(struct slice s, size_t from, size_t at) {
  size_t n = 0;

  while (at > from && s.p[at - 1] == '\\') {
    at--;
    n++;
  }
  return n % 2 == 1;
}

static bool any_bytes(struct slice s, size_t at, size_t end) {
  return at + 2 <= end && s.p[at] == '.' &&
         (s.p[at + 1] == '*' || s.p[at + 1] == '+');
}

/* Behind the class that begins at |i|. */
static size_t skip_class(struct slice s, size_t i, size_t end) {
  i++;
  if (i < end && s.p[i] == '^')
    i++;
  if (i < end && s.p[i] == ']')
    i++;
  while (i < end && s.p[i] != ']')
    i += s.p[i] == '\\' ? 2 : 1;
  return i < end ? i + 1 : end;
}

static struct look look_at(struct slice s, size_t from, size_t end) {
  struct look k = {.literal = true, .first = from, .last = end};

  if (k.first < k.last && s.p[k.first] == '^') {
    k.start = true;
    k.first++;
  } else if (k.first + 2 <= k.last && s.p[k.first] == '\\' &&
             s.p[k.first + 1] == 'A') {
    k.start = true;
    k.first += 2;
  }
  if (k.last > k.first && s.p[k.last - 1] == '$' &&
      !is_escaped(s, k.first, k.last - 1)) {
    k.end = true;
    k.last--;
  } else if (k.last >= k.first + 2 && s.p[k.last - 1] == 'z' &&
             is_escaped(s, k.first, k.last - 1)) {
    k.end = true;
    k.last -= 2;
  }
  if (any_bytes(s, k.first, k.last)) {
    k.head = true;
    k.first += 2;
  }
  if (k.last >= k.first + 2 && any_bytes(s, k.last - 2, k.last) &&
      !is_escaped(s, k.first, k.last - 2)) {
    k.tail = true;
    k.last -= 2;
  }
  if (k.head && k.first == k.last) /* ".*" is both */
    k.tail = true;
  for (size_t i = k.first; i < k.last;) {
    char c = s.p[i], next = i + 1 < k.last ? s.p[i + 1] : '\0';
    if (c == '\\') {
      if (next == '.' && i + 2 < s.len && s.p[i + 2] == '*')
        k.odd_star = true;
      if (ascii_alpha(next) || ascii_digit(next))
        k.literal = false; /* \d, \b, ... */
      i += 2;
    } else if (c == '[') {
      k.literal = false;
      i = skip_class(s, i, k.last);
    } else {
      if (c == '.' && i > k.first &&
          (name_byte(s.p[i - 1]) || s.p[i - 1] == ')') && name_byte(next))
        k.dot = true;
      if (c == '.' || c == '(' || c == ')' || c == '|' || repeats(c) ||
          c == '^' || c == '$')
        k.literal = false;
      i++;
    }
  }
  return k;
}

/* Where the alternative that begins at |from| ends: a '|' outside parentheses,
 * or the end. */
static size_t alternative_end(struct slice s, size_t from) {
  size_t depth = 0, i = from;

  while (i < s.len) {
    if (s.p[i] == '|' && depth == 0)
      return i;
    depth += s.p[i] == '(';
    depth -= s.p[i] == ')' && depth > 0;
    if (s.p[i] == '[')
      i = skip_class(s, i, s.len);
    else
      i += s.p[i] == '\\' ? 2 : 1;
  }
  return s.len;
}

/* "(?i)": behind the flags in front. */
static size_t skip_flags(struct slice s) {
  size_t i = 2;

  if (!slice_starts(s, SLICE("(?")))
    return 0;
  while (i < s.len && ascii_alpha(s.p[i]))
    i++;
  return i < s.len && s.p[i] == ')' ? i + 1 : 0;
}

/* The literal between the anchors without its backslashes. */
static struct slice unescape(struct lint *l, struct slice s,
                             const struct look *k) {
  char *out = arena_alloc(&l->arena, k->last - k->first + 1);
  size_t n = 0;

  if (!out) {
    l->nomem = true;
    return (struct slice){"", 0};
  }
  for (size_t i = k->first; i < k->last; i++) {
    if (s.p[i] == '\\' && i + 1 < k->last)
      i++;
    out[n++] = s.p[i];
  }
  out[n] = '\0';
  return (struct slice){out, n};
}

static void expressible(struct lint *l, const struct policy *p,
                        const struct test *t, struct slice s,
                        const struct look *k) {
  struct slice text = unescape(l, s, k);
  bool action = t->field->root == FIELD_ACTION;
  bool negated = t->op == TEST_NMATCHES;
  struct lint_finding *f;

  if (k->tail && s.p[k->last + 1] != '*')
    return;
  if (k->tail && !action && t->field->root != FIELD_RESOURCE && !p->expr)
    return; /* conditions have no "starts with" */
  f = lint_add(l, LINT_REGEX_LOOSE, p, t->line, t->column,
               "plain text has no anchors and no dots to forget");
  lint_note(f);
  lint_message(l, f, "'%.*s' says no more than plain text", LINT_SHOWN(s));
  if (action && !negated)
    lint_fix(l, f,
             "write it as a pattern, instead of the condition: actions: "
             "\"%.*s%s\"",
             LINT_SHOWN(text), k->tail ? "*" : "");
  else if (t->field->root == FIELD_RESOURCE && !negated)
    lint_fix(l, f,
             "write it as a pattern, instead of the condition: "
             "resources: \"%.*s%s\"",
             LINT_SHOWN(text), k->tail ? "*" : "");
  else if (k->tail)
    lint_fix(l, f, "%s%.*s startsWith \"%.*s\"%s", negated ? "!(" : "",
             LINT_SHOWN(t->field->source), LINT_SHOWN(text),
             negated ? ")" : "");
  else if (p->expr)
    lint_fix(l, f, "%.*s %s \"%.*s\"", LINT_SHOWN(t->field->source),
             negated ? "!=" : "==", LINT_SHOWN(text));
  else
    lint_fix(l, f, "{field: %.*s, operator: %s, value: \"%.*s\"}",
             LINT_SHOWN(t->field->source), negated ? "ne" : "eq",
             LINT_SHOWN(text));
}

static bool is_separator(char c) {
  return c == '/' || c == ':' || c == '@' || c == '.';
}

/* A prefix or suffix that ends where a name does, "^registry\\." or "@corp$",
 * is open on purpose. */
static bool at_boundary(struct slice s, const struct look *k, bool start) {
  size_t len = k->last - k->first;
  const char *p = s.p + k->first, *q = s.p + k->last;

  if (len == 0)
    return false;
  if (start) /* anchored there: it is the end that is open */
    return (is_separator(q[-1]) &&
            (q[-1] != '.' || (len > 1 && q[-2] == '\\'))) ||
           (len > 2 && q[-1] == ']' && q[-3] == '[' && is_separator(q[-2]));
  return (is_separator(*p) && *p != '.') ||
         (len > 1 && *p == '\\' && is_separator(p[1])) ||
         (len > 2 && *p == '[' && p[2] == ']' && is_separator(p[1]));
}

static const char loose_why[] =
    "a regular expression is searched for anywhere in the text: what stands "
    "before and behind it is not looked at";

static void tell_open(struct lint *l, const struct policy *p,
                      const struct test *t, struct slice s, size_t flags,
                      bool start, bool end) {
  struct lint_finding *f =
      lint_add(l, LINT_REGEX_LOOSE, p, t->line, t->column, loose_why);
  struct slice rest = {s.p + flags, s.len - flags};

  lint_message(l, f, "'%.*s' is open at %s", LINT_SHOWN(s),
               !start && !end ? "both ends"
               : !start       ? "its beginning"
                              : "its end");
  lint_fix(l, f, "write \"%.*s%s%.*s%s\"", (int)flags, s.p, start ? "" : "^",
           LINT_SHOWN(rest), end ? "" : "$");
}

/* Several alternatives, not all of which reach from end to end. */
static void tell_branches(struct lint *l, const struct policy *p,
                          const struct test *t, struct slice s, bool anchors) {
  struct lint_finding *f = lint_add(
      l, LINT_REGEX_LOOSE, p, t->line, t->column,
      anchors ? "an anchor belongs to its alternative alone: the others are "
                "searched for anywhere"
              : loose_why);

  if (anchors)
    lint_message(l, f, "'|' in '%.*s' is outside parentheses", LINT_SHOWN(s));
  else
    lint_message(l, f, "'%.*s' is open at both ends", LINT_SHOWN(s));
  lint_fix(l, f, "write \"^(...|...)$\"");
}

/* "a.b" as "a\\.b", for people. */
static void tell_dot(struct lint *l, const struct policy *p,
                     const struct test *t, struct slice s) {
  struct lint_finding *f =
      lint_add(l, LINT_REGEX_LOOSE, p, t->line, t->column,
               "'.' is any character: 'api.example.com' also matches "
               "'apixexample.com'");
  struct buf b;
  int rv = 0;

  buf_init(&b, &l->mem, 4096);
  for (size_t i = 0; rv == 0 && i < s.len && i < 120; i++) {
    bool plain = s.p[i] == '.' && i > 0 && i + 1 < s.len &&
                 (name_byte(s.p[i - 1]) || s.p[i - 1] == ')') &&
                 name_byte(s.p[i + 1]);
    rv = buf_addf(&b, "%s%c", plain ? "\\" : "", s.p[i]);
  }
  if (rv != 0 || buf_terminate(&b) != 0)
    l->nomem = true;
  else
    lint_fix(l, f, "write '%s' if a dot is meant", (char *)buf_bytes(&b));
  lint_message(l, f, "'%.*s' has a dot without a backslash", LINT_SHOWN(s));
  buf_deinit(&b);
}

static void tell_host(struct lint *l, const struct policy *p,
                      const struct test *t, struct slice s, bool front) {
  struct lint_finding *f = lint_add(
      l, LINT_HOST_OPEN_END, p, t->line, t->column,
      front ? "the name goes on in front: 'evilexample.com' ends with "
              "'example.com'"
            : "the host goes on where the text ends: "
              "'api.example.com.evil.com' begins with 'api.example.com'");

  lint_message(l, f, "'%.*s' matches other hosts that %s", LINT_SHOWN(s),
               front ? "end like this" : "go on behind it");
  if (front)
    lint_fix(l, f,
             "begin it with '^', or with '\\.' for the hosts below, or use "
             "the URL pattern");
  else
    lint_fix(l, f, "end the host with '$', or use the URL pattern");
  if (p->deny)
    lint_note(f);
}

/* Does |k| compare a part of a host? */
static bool open_host(struct lint *l, const struct policy *p,
                      const struct test *t, struct slice s,
                      const struct look *k) {
  bool host = lint_is_host(t->field);
  bool back = !k->end || k->tail, front = !k->start || k->head;
  size_t from = k->first;

  if (k->first >= k->last)
    return false;
  if (t->field->root == FIELD_RESOURCE) {
    const char *at = memmem(s.p + k->first, k->last - k->first, "://", 3);
    if (!at)
      return false;
    from = (size_t)(at + 3 - s.p);
    front = false;
    host = from < k->last && !memchr(s.p + from, '/', k->last - from);
  }
  if (!host)
    return false;
  if (back)
    tell_host(l, p, t, s, false);
  else if (front && name_byte(s.p[from]))
    tell_host(l, p, t, s, true);
  return back || (front && name_byte(s.p[from]));
}

void lint_regex(struct lint *l, const struct policy *p, const struct test *t) {
  struct slice s = regex_source(t->regex);
  size_t flags = skip_flags(s), n = 0, closed = 0;
  bool anchors = false, dot = false, odd_star = false, host = false;
  struct look k = {.first = 0};

  for (size_t at = flags, end;; at = end + 1) {
    end = alternative_end(s, at);
    k = look_at(s, at, end);
    n++;
    closed += (k.start || k.head) && (k.end || k.tail);
    anchors |= k.start || k.end;
    dot |= k.dot;
    odd_star |= k.odd_star;
    if (!host)
      host = open_host(l, p, t, s, &k);
    if (end >= s.len)
      break;
  }
  if (n > 1 && closed < n) {
    tell_branches(l, p, t, s, anchors);
  } else if (n == 1 && !host) {
    bool start = k.start || k.head, end = k.end || k.tail;
    bool meant = start != end && at_boundary(s, &k, start);
    if ((!start || !end) && !meant)
      tell_open(l, p, t, s, flags, start, end);
  }
  if (dot)
    tell_dot(l, p, t, s);
  if (odd_star) {
    struct lint_finding *f = lint_add(
        l, LINT_REGEX_LOOSE, p, t->line, t->column,
        "'\\.*' is any number of dots, and nothing else: what has a name "
        "behind the dot does not match");
    lint_message(l, f, "'\\.*' in '%.*s' repeats the dot", LINT_SHOWN(s));
    lint_fix(l, f,
             "write '\\..*' for a dot and then anything, '.*' for "
             "anything");
  }
  if (n == 1 && k.literal && k.start && !k.head && k.end && !odd_star &&
      !host && flags == 0 && !t->lower && k.first < k.last)
    expressible(l, p, t, s, &k);
}

/* --------------------------------------------------------- host-open-end ---
 */

/* Text that a host or a URL is compared with in part. */
void lint_open_text(struct lint *l, const struct policy *p,
                    const struct test *t) {
  struct slice s = {"", 0};
  bool host = lint_is_host(t->field), open = false;
  struct lint_finding *f;

  if (!t->value || t->value->type != VALUE_STRING || t->len)
    return;
  s = t->value->as.string;
  if (host)
    open = t->op == TEST_STARTS || t->op == TEST_CONTAINS ||
           (t->op == TEST_ENDS && s.len > 0 && s.p[0] != '.');
  else if (t->field->root == FIELD_RESOURCE &&
           (t->op == TEST_STARTS || t->op == TEST_CONTAINS)) {
    const char *at = memmem(s.p, s.len, "://", 3);
    open = at && !memchr(at + 3, '/', s.len - (size_t)(at + 3 - s.p));
  }
  if (!open)
    return;
  f = lint_add(l, LINT_HOST_OPEN_END, p, t->line, t->column,
               t->op == TEST_ENDS
                   ? "the name goes on in front: 'evilexample.com' ends with "
                     "'example.com'"
                   : "the host goes on where the text ends: "
                     "'api.example.com.evil.com' begins with "
                     "'api.example.com'");
  lint_message(l, f, "'%.*s' compared with a part of %s, '%.*s'",
               LINT_SHOWN(t->field->source), host ? "a host" : "a URL",
               LINT_SHOWN(s));
  if (t->op == TEST_ENDS)
    lint_fix(l, f, "write \".%.*s\", or use the URL pattern \"wss://*.%.*s\"",
             LINT_SHOWN(s), LINT_SHOWN(s));
  else
    lint_fix(l, f, "compare the whole host, or use a URL pattern");
  if (p->deny)
    lint_note(f);
}
