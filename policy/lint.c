/* lint.c - collects advice, silences what a file silences, and tells the rest
 * in order. */
#include "policy/lint_in.h"

#include <stdio.h>

const char *const lint_code_names[] = {
#define LINT_TEXT(name, text) text,
    LINT_MAP(LINT_TEXT)
#undef LINT_TEXT
        NULL};

/* -------------------------------------------------------------- findings ---
 */

struct lint_finding *lint_add(struct lint *l, enum lint_code code,
                              const struct policy *p, uint32_t line,
                              uint32_t column, const char *reason) {
  struct lint_finding *f, **grown;

  if (l->nomem || l->nfound == LINT_FINDINGS_MAX)
    return NULL;
  if (l->nfound == l->cap) {
    grown = mem_grow(&l->mem, l->found, &l->cap, l->nfound + 1, sizeof *grown,
                     LINT_FINDINGS_MAX);
    if (!grown) {
      l->nomem = true;
      return NULL;
    }
    l->found = grown;
  }
  f = arena_zalloc(&l->arena, sizeof *f);
  if (!f) {
    l->nomem = true;
    return NULL;
  }
  f->code = code;
  f->level = LINT_WARNING;
  f->file = p ? p->file : "";
  f->line = line;
  f->column = column;
  f->policy = p;
  f->message = f->fix = "";
  f->reason = reason;
  f->order = l->nfound;
  l->found[l->nfound++] = f;
  return f;
}

void lint_note(struct lint_finding *f) {
  if (f)
    f->level = LINT_NOTE;
}

static const char *words(struct lint *l, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static const char *words(struct lint *l, const char *fmt, va_list ap) {
  char raw[1024], shown[2048], *kept;
  size_t len;

  vsnprintf(raw, sizeof raw, fmt, ap);
  len = str_escape(shown, sizeof shown, slice_of(raw));
  kept = arena_strndup(&l->arena, shown, len);
  if (!kept)
    l->nomem = true;
  return kept ? kept : "";
}

void lint_message(struct lint *l, struct lint_finding *f, const char *fmt,
                  ...) {
  va_list ap;

  if (!f)
    return;
  va_start(ap, fmt);
  f->message = words(l, fmt, ap);
  va_end(ap);
}

void lint_fix(struct lint *l, struct lint_finding *f, const char *fmt, ...) {
  va_list ap;

  if (!f)
    return;
  va_start(ap, fmt);
  f->fix = words(l, fmt, ap);
  va_end(ap);
}

/* --------------------------------------------------------------- silence ---
 */

static bool code_find(struct slice s, enum lint_code *ret) {
  for (size_t i = 0; lint_code_names[i]; i++)
    if (slice_is(s, lint_code_names[i])) {
      *ret = (enum lint_code)i;
      return true;
    }
  return false;
}

static bool has_reason(const struct policy_note *n) {
  for (size_t i = 0; i < n->reason.len; i++)
    if (n->reason.p[i] != ' ' && n->reason.p[i] != '\t' &&
        n->reason.p[i] != '\n')
      return true;
  return false;
}

/* A silence that is in force. */
static bool silences(const struct policy_note *n, enum lint_code code) {
  enum lint_code silenced;

  return n->kind == POLICY_NOTE_SILENCE && has_reason(n) &&
         code_find(n->text, &silenced) && silenced == code &&
         code != LINT_BAD_SILENCE;
}

static const char bad_silence_why[] =
    "a silence that does not do what it says hides nothing today and "
    "something else tomorrow";

/* |used|: a bit for each code that the policy was found to deserve. */
static void tell_silences(struct lint *l, const struct policy *p,
                          unsigned used) {
  for (const struct policy_note *n = p->notes; n; n = n->next) {
    enum lint_code code;
    struct lint_finding *f;
    const char *near;
    if (n->kind == POLICY_NOTE_COMPAT)
      continue;
    if (n->kind == POLICY_NOTE_SILENCE && has_reason(n) &&
        code_find(n->text, &code) && code != LINT_BAD_SILENCE &&
        (used >> code & 1))
      continue;
    /* without tests nothing is untested: the silence waits for them */
    if (n->kind == POLICY_NOTE_SILENCE && has_reason(n) &&
        slice_is(n->text, "untested") && l->options->nsuites == 0)
      continue;
    f = lint_add(l, LINT_BAD_SILENCE, p, n->line, n->column, bad_silence_why);
    lint_fix(l, f, "meta: {lint: {silence: {CODE: \"why it is right here\"}}}");
    if (n->kind == POLICY_NOTE_BAD_SILENCE) {
      lint_message(l, f, "%.*s", (int)n->text.len, n->text.p);
    } else if (!code_find(n->text, &code)) {
      near = str_nearest(n->text, lint_code_names);
      lint_message(l, f, "silence of the unknown code '%.*s'%s%s%s",
                   LINT_SHOWN(n->text), near ? ", expected '" : "",
                   near ? near : "", near ? "'" : "");
    } else if (code == LINT_BAD_SILENCE) {
      lint_message(l, f, "'bad-silence' cannot be silenced");
      lint_fix(l, f, "correct or remove the silence it is about");
    } else if (!has_reason(n)) {
      lint_message(l, f, "silence of '%.*s' without a reason",
                   LINT_SHOWN(n->text));
    } else {
      lint_message(l, f, "silence of '%.*s', which this policy does not have",
                   LINT_SHOWN(n->text));
      lint_fix(l, f, "remove it");
    }
  }
}

/* Drops the findings that are silenced, and adds advice on silences. */
static void apply_silences(struct lint *l) {
  size_t n = policy_set_len(l->set), kept = 0;
  unsigned *used = n ? mem_zalloc(&l->mem, n * sizeof *used) : NULL;

  if (n && !used) {
    l->nomem = true;
    return;
  }
  for (size_t i = 0; i < l->nfound; i++) {
    struct lint_finding *f = l->found[i];
    bool silent = false;
    if (f->policy) {
      used[f->policy->index] |= 1U << f->code;
      for (const struct policy_note *s = f->policy->notes; s && !silent;
           s = s->next)
        silent = silences(s, f->code);
    }
    if (!silent)
      l->found[kept++] = f;
  }
  l->nfound = kept;
  for (size_t i = 0; i < n && !l->nomem; i++)
    if (policy_set_at(l->set, i)->notes)
      tell_silences(l, policy_set_at(l->set, i), used[i]);
  mem_free(&l->mem, used, n * sizeof *used);
}

/* ----------------------------------------------------------------- compat ---
 */

static bool is_dot_star(const struct pattern *r) {
  struct slice s = r->as.text;

  return r->kind == PATTERN_PREFIX && s.len >= 2 && s.p[s.len - 1] == '.';
}

/* "name.*" took "name" and "names" as well in the original.  Only who comes
 * from there can have meant that. */
static void tell_dot_star(struct lint *l, const struct policy *p,
                          const struct pattern *r) {
  struct slice s = r->as.text;
  struct lint_finding *f;

  if (!is_dot_star(r))
    return;
  s.len--;
  f = lint_add(l, LINT_COMPAT, p, r->line, r->column,
               p->deny ? "the original runtime denied more by this text"
                       : "the original runtime allowed more by this text");
  lint_message(l, f, "'%.*s' does not match '%.*s' itself, nor '%.*ss'",
               LINT_SHOWN(r->source), LINT_SHOWN(s), LINT_SHOWN(s));
  lint_fix(l, f, "add '%.*s' if it is meant", LINT_SHOWN(s));
  if (!p->deny)
    lint_note(f);
}

static void tell_dot_stars(struct lint *l, const struct policy *p) {
  for (size_t i = 0; i < p->nrules; i++) {
    const struct policy_rule *r = &p->rules[i];
    for (size_t k = 0; k < r->nactions; k++)
      tell_dot_star(l, p, &r->actions[k]);
    for (size_t k = 0; k < r->nresources; k++)
      tell_dot_star(l, p, &r->resources[k]);
  }
}

static void tell_compat(struct lint *l, const struct policy *p) {
  for (const struct policy_note *n = p->notes; n; n = n->next) {
    bool host;
    struct lint_finding *f;
    struct buf b;
    if (n->kind != POLICY_NOTE_COMPAT || is_dot_star(n->pattern))
      continue;
    host = n->pattern->kind == PATTERN_URL &&
           memchr(n->text.p, '\'', n->text.len) &&
           strstr(n->text.p, "inside the host") != NULL;
    f = lint_add(l, host ? LINT_HOST_OPEN_END : LINT_COMPAT, p, n->line,
                 n->column,
                 p->deny ? "the original runtime compared raw text: more is "
                           "denied than this text says, or other things are"
                         : "the original runtime took this for a prefix of raw "
                           "text, which goes on into other hosts");
    lint_message(l, f, "%.*s", (int)n->text.len, n->text.p);
    if (n->pattern->kind != PATTERN_URL && !p->deny) {
      if (f)
        f->reason = "it looks as if it allowed something, and nothing is "
                    "called like this";
      lint_fix(l, f,
               "name the prefixes that are meant, one by one, as in "
               "\"app.views:*\"");
      continue;
    }
    if (p->deny) {
      /* the deny means at least what it says */
      lint_note(f);
      lint_fix(l, f, "name the hosts or the prefix that are meant, one by one");
      continue;
    }
    buf_init(&b, &l->mem, 4 * URL_MAX_BYTES);
    if (pattern_write(n->pattern, &b) != 0 || buf_terminate(&b) != 0)
      l->nomem = true;
    else
      lint_fix(l, f, "write \"%.*s\"", (int)b.len, (char *)buf_bytes(&b));
    if (f && !l->nomem && n->pattern->in_place) {
      f->edit = (struct lint_edit){
          n->line, n->column, n->pattern->source.len,
          arena_strndup(&l->arena, (char *)buf_bytes(&b), b.len)};
      if (!f->edit.text)
        l->nomem = true;
    }
    buf_deinit(&b);
  }
}

/* ------------------------------------------------------------------ order ---
 */

static bool finding_before(const struct lint_finding *a,
                           const struct lint_finding *b) {
  int c = strcmp(a->file, b->file);

  if (c != 0)
    return c < 0;
  if (a->line != b->line)
    return a->line < b->line;
  if (a->column != b->column)
    return a->column < b->column;
  return a->code != b->code ? a->code < b->code : a->order < b->order;
}

static void sift_down(struct lint_finding **p, size_t at, size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    struct lint_finding *t;
    if (child + 1 < n && finding_before(p[child], p[child + 1]))
      child++;
    if (!finding_before(p[at], p[child]))
      return;
    t = p[at];
    p[at] = p[child];
    p[child] = t;
  }
}

static void sort(struct lint_finding **p, size_t n) {
  for (size_t i = n / 2; i-- > 0;)
    sift_down(p, i, n);
  for (size_t end = n; end-- > 1;) {
    struct lint_finding *t = p[0];
    p[0] = p[end];
    p[end] = t;
    sift_down(p, 0, end);
  }
}

/* Several rules can say the same about the same place. */
static bool same(const struct lint_finding *a, const struct lint_finding *b) {
  return a->code == b->code && a->line == b->line && a->column == b->column &&
         strcmp(a->file, b->file) == 0 && strcmp(a->message, b->message) == 0;
}

/* ------------------------------------------------------------------- run ---
 */

/* "ns:name" of |r|, whose name may be bare; in the arena. */
static struct slice whole_name(struct lint *l,
                               const struct policy_reference *r) {
  size_t len = r->ns.len + 1 + r->name.len;
  char *p;

  if (memchr(r->name.p, ':', r->name.len) || !r->ns.p)
    return r->name;
  if (!(p = arena_alloc(&l->arena, len + 1))) {
    l->nomem = true;
    return r->name;
  }
  memcpy(p, r->ns.p, r->ns.len);
  p[r->ns.len] = ':';
  memcpy(p + r->ns.len + 1, r->name.p, r->name.len);
  p[len] = '\0';
  return (struct slice){p, len};
}

const struct policy *lint_find_policy(struct lint *l,
                                      const struct policy_reference *r) {
  return policy_set_find(l->set, whole_name(l, r));
}

bool lint_find_group(struct lint *l, const struct policy_reference *r) {
  struct slice name = whole_name(l, r);
  size_t low = 0, high = l->ngroups;

  while (low < high) {
    size_t mid = low + (high - low) / 2;
    int c = slice_cmp(l->groups[mid], name);
    if (c == 0)
      return true;
    if (c < 0)
      low = mid + 1;
    else
      high = mid;
  }
  return false;
}

static void sift_slice(struct slice *p, size_t at, size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    struct slice t;
    if (child + 1 < n && slice_cmp(p[child], p[child + 1]) < 0)
      child++;
    if (slice_cmp(p[at], p[child]) >= 0)
      return;
    t = p[at];
    p[at] = p[child];
    p[child] = t;
  }
}

static void sort_slices(struct slice *p, size_t n) {
  for (size_t i = n / 2; i-- > 0;)
    sift_slice(p, i, n);
  for (size_t end = n; end-- > 1;) {
    struct slice t = p[0];
    p[0] = p[end];
    p[end] = t;
    sift_slice(p, 0, end);
  }
}

static int collect_groups(struct lint *l) {
  size_t n = 0;

  for (size_t i = 0; i < policy_set_len(l->set); i++)
    n += policy_set_at(l->set, i)->ngroups;
  if (!(l->groups = arena_array(&l->arena, n + 1, sizeof *l->groups)))
    return ERR_NOMEM;
  for (size_t i = 0; i < policy_set_len(l->set); i++) {
    const struct policy *p = policy_set_at(l->set, i);
    for (size_t k = 0; k < p->ngroups; k++)
      l->groups[l->ngroups++] = p->groups[k];
  }
  sort_slices(l->groups, l->ngroups);
  return 0;
}

static int start(struct lint *l) {
  size_t n = policy_set_len(l->set);

  l->attached = mem_zalloc(&l->mem, n + 1);
  if (!l->attached || collect_groups(l) != 0)
    return ERR_NOMEM;
  for (size_t i = 0; i < n && !l->grouped; i++)
    l->grouped = policy_set_at(l->set, i)->ngroups > 0;
  for (const struct policy_reference *r = policy_set_references(l->set); r;
       r = r->next) {
    const struct policy *p = r->group ? NULL : lint_find_policy(l, r);
    if (p)
      l->attached[p->index] = true;
  }
  return l->nomem ? ERR_NOMEM : 0;
}

int policy_lint(const struct policy_set *set, const struct lint_options *o,
                const struct mem *m, lint_fn *fn, void *ud) {
  static const struct lint_options none = {.catalogue = NULL};
  struct lint l = {
      .set = set, .options = o ? o : &none, .mem = *m, .work = LINT_WORK_MAX};
  const struct lint_finding *last = NULL;
  int rv;

  arena_init(&l.arena, m, SIZE_MAX);
  if ((rv = start(&l)) != 0)
    goto done;
  for (size_t i = 0; i < policy_set_len(set) && !l.nomem; i++) {
    const struct policy *p = policy_set_at(set, i);
    tell_compat(&l, p);
    if (policy_set_is_compat(set))
      tell_dot_stars(&l, p);
    lint_patterns(&l, p);
    lint_conditions(&l, p);
  }
  if (!l.nomem)
    lint_together_all(&l);
  if (!l.nomem)
    lint_names(&l);
  if (!l.nomem)
    lint_tests(&l);
  if (!l.nomem)
    apply_silences(&l);
  rv = l.nomem ? ERR_NOMEM : 0;
  if (rv == 0)
    sort(l.found, l.nfound);
  for (size_t i = 0; rv == 0 && i < l.nfound; last = l.found[i++])
    if (!last || !same(last, l.found[i]))
      fn(ud, l.found[i]);
done:
  mem_free(&l.mem, l.attached, policy_set_len(set) + 1);
  mem_free(&l.mem, l.found, l.cap * sizeof *l.found);
  arena_deinit(&l.arena);
  return rv;
}
