/* check_report.c - what cordon check found: lines for people, JSON, SARIF 2.1.0
 * and GitHub's workflow commands. */
#include "cli/check_report.h"

#include "cli/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const severity_names[] = {"note", "warning", "error"};

static char *copy(const char *s) {
  return s ? must_format("%s", s) : NULL;
}

static struct check_item *add(struct check_report *r, cordon_severity s) {
  struct check_item *i;
  if (r->len == r->cap) {
    r->cap = r->cap ? r->cap * 2 : 16;
    r->items = must_resize(r->items, r->cap, sizeof *r->items);
  }
  i = &r->items[r->len++];
  memset(i, 0, sizeof *i);
  i->severity = s;
  r->count[s]++;
  return i;
}

void check_report_mistake(struct check_report *r, const char *path,
                          const cordon_error *mistake) {
  struct check_item *i = add(r, CORDON_ERROR);
  i->code = copy("invalid");
  i->file = copy(path);
  i->line = mistake->line;
  i->column = mistake->line && !mistake->column ? 1 : mistake->column;
  i->placed = mistake->column != 0;
  i->message = copy(mistake->message);
}

void check_report_finding(struct check_report *r, const cordon_finding *f) {
  struct check_item *i = add(r, f->severity);
  i->code = copy(f->code);
  i->file = copy(f->file);
  i->line = f->line;
  i->column = f->line && !f->column ? 1 : f->column;
  i->placed = f->column != 0;
  i->policy = copy(f->policy_id);
  i->message = copy(f->message);
  i->reason = copy(f->reason);
  i->fix = copy(f->fix);
  i->edit_line = f->edit_line;
  i->edit_column = f->edit_column;
  i->edit_len = f->edit_len_bytes;
  i->edit_text = copy(f->edit_text);
}

static void item_deinit(struct check_item *i) {
  free(i->code);
  free(i->file);
  free(i->policy);
  free(i->message);
  free(i->reason);
  free(i->fix);
  free(i->edit_text);
}

/* Files in the order in which they were first found wrong; nearly all items are
 * in it already. */
static void number_files(struct check_report *r) {
  size_t *first = must_alloc(r->len, sizeof *first), n = 0, f = 0;
  for (size_t k = 0; k < r->len; k++) {
    struct check_item *i = &r->items[k];
    if (n == 0 || strcmp(r->items[first[f]].file, i->file) != 0)
      for (f = 0; f < n && strcmp(r->items[first[f]].file, i->file) != 0;)
        f++;
    if (f == n)
      first[n++] = k;
    i->at = k;
    i->file_at = f;
  }
  free(first);
}

static int in_order(const void *a, const void *b) {
  const struct check_item *x = a, *y = b;
  if (x->file_at != y->file_at)
    return x->file_at < y->file_at ? -1 : 1;
  if (x->line != y->line)
    return x->line < y->line ? -1 : 1;
  if (x->column != y->column)
    return x->column < y->column ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

static bool same_item(const struct check_item *x, const struct check_item *y) {
  return x->file_at == y->file_at && x->line == y->line &&
         x->column == y->column && strcmp(x->message, y->message) == 0;
}

void check_report_order(struct check_report *r) {
  size_t kept = 0;
  number_files(r);
  if (r->len > 0)
    qsort(r->items, r->len, sizeof *r->items, in_order);
  for (size_t k = 0; k < r->len; k++) {
    struct check_item *i = &r->items[k];
    bool again = false;
    for (size_t b = kept; b-- > 0 && !again;) {
      const struct check_item *before = &r->items[b];
      if (before->file_at != i->file_at || before->line != i->line ||
          before->column != i->column)
        break;
      again = same_item(before, i);
    }
    if (again) {
      r->count[i->severity]--;
      item_deinit(i);
    } else {
      r->items[kept++] = *i;
    }
  }
  r->len = kept;
}

void check_report_clear(struct check_report *r) {
  for (size_t k = 0; k < r->len; k++)
    item_deinit(&r->items[k]);
  free(r->items);
  memset(r, 0, sizeof *r);
}

/* ------------------------------------------------------------------ text ---
 */

static void one_line(struct out *o, const char *s) {
  out_one_line(o, s, strlen(s));
}

static void number(struct out *o, const char *fmt, uint64_t n) {
  char text[64];
  snprintf(text, sizeof text, "%s%" PRIu64, fmt, n);
  out_text(o, text);
}

/* The file that was read last, for its lines and columns. */
struct source {
  const char *file;
  char *text; /* NULL: cannot be read */
  size_t len;
  size_t start; /* of |line| */
  uint32_t line;
};

static void source_open(struct source *s, const char *file) {
  if (s->file && strcmp(s->file, file) == 0)
    return;
  free(s->text);
  *s = (struct source){.file = file, .line = 1};
  if (!read_path(file, FILE_MAX_BYTES, &s->text, &s->len))
    s->text = NULL;
}

/* To the beginning of |line|; false: there is no such line. */
static bool source_seek(struct source *s, uint32_t line) {
  if (!s->text)
    return false;
  if (line < s->line) {
    s->line = 1;
    s->start = 0;
  }
  while (s->line < line) {
    const char *end = memchr(s->text + s->start, '\n', s->len - s->start);
    if (!end)
      return false;
    s->start = (size_t)(end + 1 - s->text);
    s->line++;
  }
  return true;
}

static void write_line(struct out *o, struct source *s,
                       const struct check_item *i) {
  source_open(s, i->file);
  if (i->line && source_seek(s, i->line))
    out_numbered_line(o, s->text + s->start, s->len - s->start, i->line,
                      i->placed ? i->column : 0);
}

static void write_text(const struct check_report *r, struct out *o) {
  struct source source = {.file = NULL};
  for (size_t k = 0; k < r->len; k++) {
    const struct check_item *i = &r->items[k];
    one_line(o, i->file);
    if (i->line) {
      number(o, ":", i->line);
      number(o, ":", i->column);
    }
    if (*i->file)
      out_text(o, ": ");
    if (i->severity != CORDON_ERROR) {
      out_text(o, severity_names[i->severity]);
      out_text(o, ": ");
    }
    one_line(o, i->message);
    if (i->severity != CORDON_ERROR) {
      out_text(o, " [");
      out_text(o, i->code);
      out_text(o, "]");
    }
    out_text(o, "\n");
    write_line(o, &source, i);
    if (i->severity != CORDON_ERROR) {
      out_text(o, "  why: ");
      one_line(o, i->reason);
      out_text(o, "\n  fix: ");
      one_line(o, i->fix);
      out_text(o, "\n");
    }
  }
  free(source.text);
}

/* ------------------------------------------------------------------ JSON ---
 */

static void string(struct out *o, const char *s) {
  cordon_write_json_string(s, strlen(s), out_write, o);
}

/* ',"key":' and the string, or null. */
static void member(struct out *o, const char *key, const char *s) {
  out_text(o, ",\"");
  out_text(o, key);
  out_text(o, "\":");
  if (s)
    string(o, s);
  else
    out_text(o, "null");
}

static void write_json(const struct check_report *r, struct out *o) {
  out_text(o, "{\"version\":1");
  number(o, ",\"files\":", r->files);
  number(o, ",\"policies\":", r->policies);
  number(o, ",\"errors\":", r->count[CORDON_ERROR]);
  number(o, ",\"warnings\":", r->count[CORDON_WARNING]);
  number(o, ",\"notes\":", r->count[CORDON_NOTE]);
  out_text(o, ",\"findings\":[");
  for (size_t k = 0; k < r->len; k++) {
    const struct check_item *i = &r->items[k];
    out_text(o, k ? ",\n{\"code\":" : "\n{\"code\":");
    string(o, i->code);
    member(o, "severity", severity_names[i->severity]);
    member(o, "file", i->file);
    number(o, ",\"line\":", i->line);
    number(o, ",\"column\":", i->column);
    member(o, "policy", i->policy);
    member(o, "message", i->message);
    member(o, "reason", i->reason);
    member(o, "fix", i->fix);
    if (i->edit_text) {
      number(o, ",\"edit\":{\"line\":", i->edit_line);
      number(o, ",\"column\":", i->edit_column);
      number(o, ",\"length\":", i->edit_len);
      member(o, "text", i->edit_text);
      out_text(o, "}");
    }
    out_text(o, "}");
  }
  out_text(o, "]}\n");
}

/* ----------------------------------------------------------------- SARIF ---
 */

/* A path as a URI reference: relative ones stay relative. */
static void uri(struct out *o, const char *path) {
  struct text t = {0};
  char hex[4];
  if (*path == '/')
    text_write(&t, "file://", 7);
  for (const char *p = path; *p; p++) {
    unsigned char c = (unsigned char)*p;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        (c >= '0' && c <= '9') || strchr("/-._~", c)) {
      text_write(&t, p, 1);
    } else {
      snprintf(hex, sizeof hex, "%%%02X", c);
      text_write(&t, hex, 3);
    }
  }
  text_write(&t, "", 1);
  string(o, t.p);
  free(t.p);
}

static size_t rule_index(const char *code) {
  size_t n = 0;
  while (cordon_lint_code(n) && strcmp(cordon_lint_code(n), code) != 0)
    n++;
  return n;
}

/* The first line of a page that is a sentence, below its title. */
static void summary(struct out *o, const char *page) {
  const char *p = strchr(page, '\n');
  const char *end;
  struct text t = {0};
  while (p && *p == '\n')
    p++;
  end = p ? strstr(p, "\n\n") : NULL;
  for (; p && end && p < end; p++)
    text_write(&t, *p == '\n' ? " " : p, 1);
  text_write(&t, "", 1);
  string(o, t.p);
  free(t.p);
}

static void write_rules(struct out *o) {
  size_t n;
  const char *code;
  for (n = 0; (code = cordon_lint_code(n)) != NULL; n++) {
    const char *page = cordon_lint_page(code);
    out_text(o, n ? ",\n{\"id\":" : "\n{\"id\":");
    string(o, code);
    out_text(o, ",\"shortDescription\":{\"text\":");
    summary(o, page);
    out_text(o, "},\"help\":{\"text\":");
    string(o, page);
    out_text(o, ",\"markdown\":");
    string(o, page);
    out_text(o, "},\"defaultConfiguration\":{\"level\":\"warning\"}}");
  }
  out_text(o, ",\n{\"id\":\"invalid\",\"shortDescription\":{\"text\":\"The "
              "file does not load.\"},\"defaultConfiguration\":{\"level\":"
              "\"error\"}}");
}

/* SARIF counts characters, we count bytes. */
static uint64_t characters(struct source *s, const char *file, uint32_t line,
                           uint64_t column) {
  uint64_t n = 1;
  source_open(s, file);
  if (!source_seek(s, line))
    return column;
  if (column - 1 > s->len - s->start)
    return column;
  for (size_t i = s->start; i < s->start + column - 1; i++)
    n += ((unsigned char)s->text[i] & 0xc0) != 0x80;
  return n;
}

static void location(struct out *o, const struct check_item *i,
                     struct source *s) {
  out_text(o, "{\"physicalLocation\":{\"artifactLocation\":{\"uri\":");
  uri(o, i->file);
  out_text(o, "}");
  if (i->line) {
    number(o, ",\"region\":{\"startLine\":", i->line);
    number(o, ",\"startColumn\":", characters(s, i->file, i->line, i->column));
    out_text(o, "}");
  }
  out_text(o, "}}");
}

static void write_sarif_fix(struct out *o, const struct check_item *i,
                            struct source *s) {
  out_text(o, ",\"fixes\":[{\"description\":{\"text\":");
  string(o, i->fix);
  out_text(o, "},\"artifactChanges\":[{\"artifactLocation\":{\"uri\":");
  uri(o, i->file);
  number(o, "},\"replacements\":[{\"deletedRegion\":{\"startLine\":",
         i->edit_line);
  number(o, ",\"startColumn\":",
         characters(s, i->file, i->edit_line, i->edit_column));
  number(o, ",\"endColumn\":",
         characters(s, i->file, i->edit_line, i->edit_column + i->edit_len));
  out_text(o, "},\"insertedContent\":{\"text\":");
  string(o, i->edit_text);
  out_text(o, "}}]}]}]");
}

static void write_sarif(const struct check_report *r, struct out *o) {
  struct source source = {.file = NULL};
  out_text(o, "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\","
              "\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{"
              "\"name\":\"cordon\"");
  member(o, "semanticVersion", cordon_version());
  out_text(o, ",\"rules\":[");
  write_rules(o);
  out_text(o, "]}},\"columnKind\":\"unicodeCodePoints\",\"results\":[");
  for (size_t k = 0; k < r->len; k++) {
    const struct check_item *i = &r->items[k];
    struct text t = {0};
    text_write(&t, i->message, strlen(i->message));
    if (i->reason) {
      text_write(&t, "\nwhy: ", 6);
      text_write(&t, i->reason, strlen(i->reason));
      text_write(&t, "\nfix: ", 6);
      text_write(&t, i->fix, strlen(i->fix));
    }
    text_write(&t, "", 1);
    out_text(o, k ? ",\n{\"ruleId\":" : "\n{\"ruleId\":");
    string(o, i->code);
    number(o, ",\"ruleIndex\":", rule_index(i->code));
    member(o, "level", severity_names[i->severity]);
    out_text(o, ",\"message\":{\"text\":");
    string(o, t.p);
    out_text(o, "},\"locations\":[");
    if (*i->file)
      location(o, i, &source);
    out_text(o, "]");
    if (i->edit_text)
      write_sarif_fix(o, i, &source);
    if (i->policy) {
      out_text(o, ",\"properties\":{\"policy\":");
      string(o, i->policy);
      out_text(o, "}");
    }
    out_text(o, "}");
    free(t.p);
  }
  out_text(o, "]}]}\n");
  free(source.text);
}

/* ---------------------------------------------------------------- GitHub ---
 */

/* Of a workflow command: nothing may begin a line of its own, and a property
 * must not end early.  cordon_escape leaves no line feed. */
static void part(struct out *o, const char *s, bool property) {
  size_t cap = strlen(s) * 8 + 16;
  char *shown = must_alloc(cap, 1);
  cordon_escape(shown, cap, s, strlen(s));
  for (const char *p = shown; *p; p++) {
    char hex[4];
    snprintf(hex, sizeof hex, "%%%02X", (unsigned)(unsigned char)*p);
    if (*p == '%' || (property && (*p == ':' || *p == ',')))
      out_text(o, hex);
    else
      out_add(o, p, 1);
  }
  free(shown);
}

static void write_github(const struct check_report *r, struct out *o) {
  static const char *const words[] = {"notice", "warning", "error"};
  for (size_t k = 0; k < r->len; k++) {
    const struct check_item *i = &r->items[k];
    out_text(o, "::");
    out_text(o, words[i->severity]);
    out_text(o, " ");
    if (*i->file) {
      out_text(o, "file=");
      part(o, i->file, true);
      if (i->line) {
        number(o, ",line=", i->line);
        number(o, ",col=", i->column);
      }
      out_text(o, ",");
    }
    out_text(o, "title=");
    part(o, i->code, true);
    out_text(o, "::");
    part(o, i->message, false);
    if (i->reason) {
      out_text(o, "%0Awhy: ");
      part(o, i->reason, false);
      out_text(o, "%0Afix: ");
      part(o, i->fix, false);
    }
    out_text(o, "\n");
  }
}

void check_report_write(const struct check_report *r, enum check_format format,
                        struct out *o) {
  switch (format) {
  case CHECK_TEXT:
    write_text(r, o);
    break;
  case CHECK_JSON:
    write_json(r, o);
    break;
  case CHECK_SARIF:
    write_sarif(r, o);
    break;
  case CHECK_GITHUB:
    write_github(r, o);
    break;
  }
}
