/* explain.c - cordon explain: one decision, with everything behind it. */
#include "cli/cli.h"

#include "cli/options.h"
#include "cli/print.h"
#include "cli/question.h"
#include "cli/subject.h"

#include <cordon/cordon.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXPLAIN_MISSES = QUESTION_OPTION_COUNT, EXPLAIN_FORMAT };

const struct option explain_options[] = {
    SUBJECT_OPTIONS,
    QUESTION_OPTIONS,
    {"misses", 0, "N", false, false},
    {"format", 0, "text|json", false, false},
    {NULL, 0, NULL, false, false},
};

#define MISSES_MAX 16
#define APPLIES_SHOWN 10 /* of one step, in text */
#define COLUMNS 80

struct explain {
  struct subject subject;
  struct asked asked;
  uint64_t misses;
  const char *format;
};

/* One question that is asked on the way to the answer. */
struct step {
  cordon_request request;
  const char *skipped; /* why it is not asked; NULL: it is */
};

#define STEPS_MAX 3

/* ---------------------------------------------------------------- words --- */

/* How many columns |len| bytes take, nearly. */
static size_t columns(const char *text, size_t len) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++)
    n += ((unsigned char)text[i] & 0xC0) != 0x80;
  return n;
}

static void blanks(struct out *o, size_t n) {
  while (n-- > 0)
    out_text(o, " ");
}

/* |text| as a paragraph behind |head|, which stands |indent| columns from the
 * left; further lines begin at |hang|.  A word that is too long for a line
 * stays whole, so that it can be copied. */
static void paragraph(struct out *o, size_t indent, const char *head,
                      size_t hang, const char *text) {
  size_t at = indent + columns(head, strlen(head));
  bool first = true;
  blanks(o, indent);
  out_text(o, head);
  while (*text) {
    size_t len = strcspn(text, " ");
    size_t width = columns(text, len);
    if (!first && at + 1 + width > COLUMNS) {
      out_text(o, "\n");
      blanks(o, at = hang);
    } else if (!first) {
      out_text(o, " ");
      at++;
    }
    out_one_line(o, text, len);
    at += width;
    first = false;
    text += len;
    while (*text == ' ')
      text++;
  }
  out_text(o, "\n");
}

/* A line that is not to be broken. */
static void whole_line(struct out *o, size_t indent, const char *text) {
  blanks(o, indent);
  out_one_line(o, text, strlen(text));
  out_text(o, "\n");
}

/* |text| in one line; to be freed. */
static char *visible(const char *text, size_t len) {
  char buf[4096];
  cordon_escape(buf, sizeof buf, text, len);
  return must_format("%s", buf);
}

/* "app:p (p.yaml:3)"; to be freed. */
static char *where(const cordon_explanation *e) {
  char *id = visible(e->policy_id, strlen(e->policy_id));
  char *file = visible(e->file ? e->file : "", e->file ? strlen(e->file) : 0);
  char *text = e->line ? must_format("%s (%s:%" PRIu32 ")", id, file, e->line)
                       : must_format("%s (%s)", id, file);
  free(id);
  free(file);
  return text;
}

/* ----------------------------------------------------------------- text --- */

struct text_step {
  struct out *o;
  const struct step *step;
  cordon_explanation_kind last;
  size_t applies;
  size_t misses;
  bool advised; /* a miss has said what to do */
  bool denied;
};

static void text_rule(struct out *o, const cordon_explanation *e) {
  char *line;
  if (!e->pattern)
    return;
  if (e->rule)
    line = must_format("rule %" PRIu32 " at line %" PRIu32 ", resource \"%s\"",
                       e->rule, e->rule_line, e->pattern);
  else
    line = must_format("resource \"%s\"", e->pattern);
  paragraph(o, 6, "", 8, line);
  free(line);
}

static void text_parts(struct out *o, const cordon_explanation *e) {
  for (size_t i = 0; i < e->nparts; i++) {
    const cordon_explanation_part *p = e->parts[i];
    char *line = p->line && e->kind == CORDON_EXPLAIN_MISS
                     ? must_format("%s (line %" PRIu32 ")", p->text, p->line)
                     : must_format("%s", p->text);
    paragraph(o, 6, e->kind == CORDON_EXPLAIN_MISS ? "- " : "", 8, line);
    free(line);
  }
}

static void text_edits(struct out *o, const cordon_explanation *e) {
  char *line;
  if (e->instead) {
    paragraph(o, 6, "", 8, "what it does allow:");
    whole_line(o, 8, e->instead);
  }
  if (e->edit) {
    line = must_format("%s%s", e->edit, e->add ? ":" : "");
    paragraph(o, 6, "to allow it: ", 8, line);
    free(line);
  }
  if (e->add)
    whole_line(o, 8, e->add);
  if (e->note)
    paragraph(o, 8, "note: ", 10, e->note);
  if (e->wider) {
    paragraph(o, 6, "", 8, "or, wider, with all that is allowed there:");
    line = must_format("\"%s\"", e->wider);
    whole_line(o, 8, line);
    free(line);
  }
}

static void text_applies(struct text_step *t, const cordon_explanation *e) {
  char *at, *line;
  if (t->applies++ >= APPLIES_SHOWN)
    return;
  at = where(e);
  line = must_format("%s %s", at, e->text);
  paragraph(t->o, 3, "", 5, line);
  free(line);
  free(at);
  text_rule(t->o, e);
  text_parts(t->o, e);
}

static void text_more(struct text_step *t) {
  char line[64];
  if (t->applies <= APPLIES_SHOWN)
    return;
  snprintf(line, sizeof line, "   and %zu more apply (--format json has all)\n",
           t->applies - APPLIES_SHOWN);
  out_text(t->o, line);
  t->applies = 0;
}

static void text_request(struct text_step *t, const cordon_explanation *e) {
  struct text line = {0};
  for (size_t i = 0; i < e->nparts; i++) {
    if (i > 0)
      text_write(&line, ", ", 2);
    text_write(&line, e->parts[i]->text, strlen(e->parts[i]->text));
  }
  text_write(&line, "", 1);
  if (line.p[0])
    paragraph(t->o, 3, "", 5, line.p);
  free(line.p);
}

static void text_item(void *ud, const cordon_explanation *e) {
  struct text_step *t = ud;
  char *at, *line;
  if (e->kind != CORDON_EXPLAIN_APPLIES)
    text_more(t);
  switch (e->kind) {
  case CORDON_EXPLAIN_REQUEST:
    text_request(t, e);
    break;
  case CORDON_EXPLAIN_APPLIES:
    text_applies(t, e);
    break;
  case CORDON_EXPLAIN_ERROR:
    at = where(e);
    line = must_format("%s cannot be evaluated%s: %s", at,
                       e->decides ? ", and a deny then denies" : "", e->text);
    paragraph(t->o, 3, "", 5, line);
    free(line);
    free(at);
    break;
  case CORDON_EXPLAIN_MISS:
    at = where(e);
    if (t->denied && t->misses == 0)
      paragraph(t->o, 3, "", 5, "without that deny no policy would allow it:");
    paragraph(t->o, 3, t->misses++ ? "then: " : "nearest: ", 5, at);
    free(at);
    text_rule(t->o, e);
    text_parts(t->o, e);
    text_edits(t->o, e);
    t->advised |= t->misses == 1 && e->add;
    break;
  case CORDON_EXPLAIN_ADVICE:
    /* what the nearest miss has said need not be said again */
    if (t->advised && !e->policy_id)
      break;
    line = must_format("%s%s", e->edit, e->add ? ":" : "");
    paragraph(t->o, 3, t->misses && !e->policy_id ? "or " : "to allow it: ", 5,
              line);
    free(line);
    if (e->add)
      whole_line(t->o, 5, e->add);
    if (e->note)
      paragraph(t->o, 5, "note: ", 7, e->note);
    break;
  }
}

static int explain_step(struct out *o, const struct explain *x, size_t number,
                        const struct step *step, const cordon_scope *scope) {
  struct text_step t = {.o = o, .step = step};
  const cordon_request *q = &step->request;
  char *action = visible(q->action, strlen(q->action));
  char *resource = visible(q->resource, q->resource_len_bytes);
  cordon_decision d;
  cordon_error err;
  char *line;
  int rv = CORDON_OK;
  out_text(o, "\n");
  line = number ? must_format("%zu. %s", number, action)
                : must_format("%s", action);
  if (step->skipped) {
    paragraph(o, 0, "", 3, line);
    paragraph(o, 3, "", 5, step->skipped);
  } else if ((rv = cordon_decide(scope, q, &d, &err)) == CORDON_OK) {
    char *head =
        must_format("%s%s%s: %s", line, *resource ? " " : "",
                    d.canonical[0] && *resource &&
                            strcmp(action, "websocket.connect.url") == 0
                        ? d.canonical
                        : resource,
                    verdict_word(d.verdict));
    paragraph(o, 0, "", 3, head);
    if (!d.policy_id || d.by_error)
      paragraph(o, 3, "", 5, d.reason);
    t.denied = d.verdict == CORDON_DENY && d.policy_id;
    rv = cordon_explain_all(scope, q, (size_t)x->misses, text_item, &t, NULL,
                            &err);
    free(head);
  }
  free(line);
  free(action);
  free(resource);
  if (rv != CORDON_OK)
    say("%s", err.message);
  return rv;
}

static void text_head(struct out *o, const struct explain *x,
                      const struct answer *a) {
  const struct subject *s = &x->subject;
  size_t loaded = cordon_policy_count(s->policies.set);
  struct text line = {0};
  char number[64];
  char *actor = visible(s->actor, strlen(s->actor));
  out_text(o, a->decision);
  out_text(o, "\n");
  text_write(&line, actor, strlen(actor));
  free(actor);
  if (s->meta_json) {
    char *meta = visible(s->meta_json, strlen(s->meta_json));
    text_write(&line, " ", 1);
    text_write(&line, meta, strlen(meta));
    free(meta);
  }
  text_write(&line, "", 1);
  paragraph(o, 2, "actor: ", 4, line.p);
  line.len = 0;
  for (size_t i = 0; i < s->scope.len; i++) {
    char *name = visible(s->scope.items[i], strlen(s->scope.items[i]));
    if (i > 0)
      text_write(&line, ", ", 2);
    text_write(&line, name, strlen(name));
    free(name);
  }
  snprintf(number, sizeof number,
           s->scope.len ? " (of %zu %s)" : "all of %zu %s", loaded,
           loaded == 1 ? "policy" : "policies");
  text_write(&line, number, strlen(number) + 1);
  paragraph(o, 2, "in force: ", 4, line.p);
  free(line.p);
  if (a->code[0])
    paragraph(o, 2, "reason: ", 4, a->code);
  if (a->message[0])
    paragraph(o, 2, "", 4, a->message);
}

/* ----------------------------------------------------------------- json --- */

/* The lists of one step, each without its brackets. */
struct json_step {
  struct text parts, applies, errors, misses, advice;
};

static void add(struct text *t, const char *s) {
  text_write(t, s, strlen(s));
}

static void add_string(struct text *t, const char *s, size_t len) {
  if (!s || cordon_write_json_string(s, len, text_write, t) != CORDON_OK)
    add(t, "null");
}

/* ,"key":"value" */
static void add_member(struct text *t, const char *key, const char *s) {
  add(t, ",\"");
  add(t, key);
  add(t, "\":");
  add_string(t, s, s ? strlen(s) : 0);
}

static void add_number(struct text *t, const char *key, uint64_t n) {
  char text[64];
  snprintf(text, sizeof text, ",\"%s\":%" PRIu64, key, n);
  add(t, text);
}

static void add_flag(struct text *t, const char *key, int yes) {
  add(t, ",\"");
  add(t, key);
  add(t, yes ? "\":true" : "\":false");
}

static void add_parts(struct text *t, const cordon_explanation *e) {
  for (size_t i = 0; i < e->nparts; i++) {
    const cordon_explanation_part *p = e->parts[i];
    add(t, i ? ",{\"name\":" : "{\"name\":");
    add_string(t, p->name, strlen(p->name));
    if (p->number)
      add_number(t, "number", p->number);
    if (p->line)
      add_number(t, "line", p->line);
    add_member(t, "is", p->is);
    add_member(t, "wants", p->wants);
    add_member(t, "text", p->text);
    add(t, "}");
  }
}

static void json_item(void *ud, const cordon_explanation *e) {
  struct json_step *s = ud;
  struct text *t = &s->advice;
  switch (e->kind) {
  case CORDON_EXPLAIN_REQUEST:
    add_parts(&s->parts, e);
    return;
  case CORDON_EXPLAIN_APPLIES:
    t = &s->applies;
    break;
  case CORDON_EXPLAIN_ERROR:
    t = &s->errors;
    break;
  case CORDON_EXPLAIN_MISS:
    t = &s->misses;
    break;
  case CORDON_EXPLAIN_ADVICE:
    break;
  }
  add(t, t->len ? ",{\"policy\":" : "{\"policy\":");
  add_string(t, e->policy_id, e->policy_id ? strlen(e->policy_id) : 0);
  add_member(t, "file", e->file);
  add_number(t, "line", e->line);
  if (e->kind != CORDON_EXPLAIN_ADVICE) {
    add_member(t, "effect", e->deny ? "deny" : "allow");
    add_flag(t, "decides", e->decides);
    add_flag(t, "in_scope", e->in_scope);
    add(t, ",\"groups\":[");
    for (size_t i = 0; i < e->ngroups; i++) {
      if (i > 0)
        add(t, ",");
      add_string(t, e->groups[i], strlen(e->groups[i]));
    }
    add(t, "]");
    add_number(t, "rule", e->rule);
    add_number(t, "rule_line", e->rule_line);
    add_member(t, "pattern", e->pattern);
    add_member(t, "text", e->text);
    add(t, ",\"parts\":[");
    add_parts(t, e);
    add(t, "]");
  }
  if (e->kind == CORDON_EXPLAIN_MISS || e->kind == CORDON_EXPLAIN_ADVICE) {
    add_member(t, "edit", e->edit);
    add_member(t, "add", e->add);
    add_member(t, "wider", e->wider);
    add_member(t, "instead", e->instead);
    add_member(t, "note", e->note);
  }
  add(t, "}");
}

static void out_list(struct out *o, const char *key, struct text *t) {
  out_text(o, ",\"");
  out_text(o, key);
  out_text(o, "\":[");
  if (t->len)
    out_add(o, t->p, t->len);
  out_text(o, "]");
  free(t->p);
}

static int json_step(struct out *o, const struct explain *x,
                     const struct step *step, const cordon_scope *scope) {
  const cordon_request *q = &step->request;
  struct json_step s = {{0}, {0}, {0}, {0}, {0}};
  struct text head = {0};
  cordon_decision d;
  cordon_error err;
  int rv =
      cordon_explain_all(scope, q, (size_t)x->misses, json_item, &s, &d, &err);
  if (rv != CORDON_OK)
    say("%s", err.message);
  add(&head, "{\"action\":");
  add_string(&head, q->action, strlen(q->action));
  add(&head, ",\"resource\":");
  if (strcmp(q->action, "websocket.connect.url") == 0 && d.canonical[0])
    add_string(&head, d.canonical, strlen(d.canonical));
  else
    add_string(&head, q->resource, q->resource_len_bytes);
  add_member(&head, "decision", verdict_word(d.verdict));
  add_member(&head, "reason", d.reason);
  add_flag(&head, "by_error", d.by_error);
  add_member(&head, "policy", d.policy_id);
  add_member(&head, "file", d.file);
  add_number(&head, "line", d.line);
  out_add(o, head.p, head.len);
  free(head.p);
  out_list(o, "parts", &s.parts);
  out_list(o, "applies", &s.applies);
  out_list(o, "errors", &s.errors);
  out_list(o, "misses", &s.misses);
  out_text(o, ",\"advice\":");
  if (s.advice.len)
    out_add(o, s.advice.p, s.advice.len);
  else
    out_text(o, "null");
  free(s.advice.p);
  out_text(o, "}");
  return rv;
}

static void json_head(struct out *o, const struct explain *x,
                      const struct answer *a) {
  const struct subject *s = &x->subject;
  struct text t = {0};
  add(&t, "{\"version\":1");
  add_member(&t, "decision", a->decision);
  add_member(&t, "canonical", a->canonical[0] ? a->canonical : NULL);
  add_member(&t, "reason", a->code[0] ? a->code : NULL);
  add_member(&t, "message", a->message[0] ? a->message : NULL);
  add(&t, ",\"actor\":{\"id\":");
  add_string(&t, s->actor, strlen(s->actor));
  add(&t, ",\"meta\":");
  add(&t, s->meta_json ? s->meta_json : "{}");
  add(&t, "},\"scope\":[");
  for (size_t i = 0; i < s->scope.len; i++) {
    if (i > 0)
      add(&t, ",");
    add_string(&t, s->scope.items[i], strlen(s->scope.items[i]));
  }
  add(&t, "]");
  add_number(&t, "policies", cordon_policy_count(s->policies.set));
  add(&t, ",\"steps\":[");
  out_add(o, t.p, t.len);
  free(t.p);
}

/* ---------------------------------------------------------------- steps --- */

/* The questions behind |q|; those of a URL that is none are none. */
static size_t steps_of(struct step steps[STEPS_MAX], const struct question *q,
                       struct answer *a) {
  cordon_request base = {.actor_id = q->actor_id,
                         .actor_meta = q->actor_meta,
                         .action = q->action,
                         .resource = q->resource,
                         .resource_len_bytes = q->resource_len,
                         .meta = q->meta};
  cordon_decision d;
  if (strcmp(a->decision, "invalid") == 0)
    return 0;
  if (!q->url) {
    steps[0] = (struct step){.request = base};
    return 1;
  }
  base.action = "websocket.connect";
  base.resource = "";
  base.resource_len_bytes = 0;
  base.meta = NULL;
  base.url = a->canonical;
  steps[0] = (struct step){.request = base};
  base.action = "websocket.connect.url";
  base.resource = a->canonical;
  base.resource_len_bytes = strlen(a->canonical);
  base.url = NULL;
  steps[1] = (struct step){.request = base};
  base.action = "websocket.connect.address";
  base.resource = a->address;
  base.url = a->canonical;
  if (!q->ip) {
    base.resource = "";
    base.resource_len_bytes = 0;
    steps[2] = (struct step){
        .request = base,
        .skipped = "asked for each address of the host; --resolve IP asks it "
                   "here"};
    return 3;
  }
  address_of(a->address, q->ip, a->canonical);
  base.resource_len_bytes = strlen(a->address);
  steps[2] = (struct step){.request = base};
  if (cordon_decide(q->scope, &steps[1].request, &d, NULL) != CORDON_OK ||
      d.verdict != CORDON_ALLOW)
    steps[2].skipped = "not asked, since the URL is refused";
  return 3;
}

static int explain_answer(const struct explain *x, const cordon_scope *scope) {
  struct question q = asked_question(&x->asked, &x->subject, scope);
  bool json = x->format && strcmp(x->format, "json") == 0, first = true;
  struct step steps[STEPS_MAX];
  struct answer a;
  struct out o;
  size_t n;
  int status, rv = CORDON_OK;
  answer_init(&a);
  judge(&a, &q);
  status = answer_status(&a);
  n = steps_of(steps, &q, &a);
  out_init(&o, STDOUT_FILENO);
  if (json)
    json_head(&o, x, &a);
  else
    text_head(&o, x, &a);
  for (size_t i = 0; i < n && rv == CORDON_OK; i++) {
    if (!json) {
      rv = explain_step(&o, x, n > 1 ? i + 1 : 0, &steps[i], scope);
    } else if (!steps[i].skipped) {
      out_text(&o, first ? "" : ",");
      rv = json_step(&o, x, &steps[i], scope);
      first = false;
    }
  }
  if (json)
    out_text(&o, "]}\n");
  answer_deinit(&a);
  return out_finish(&o, rv == CORDON_OK ? status : STATUS_NEGATIVE);
}

/* -------------------------------------------------------------- command --- */

static int take_misses(struct explain *x, const char *value) {
  if (parse_count(value, &x->misses) && x->misses <= MISSES_MAX)
    return STATUS_OK;
  return say_usage("explain", "--misses takes a number from 1 to %d, not '%s'",
                   MISSES_MAX, value);
}

/* A status, or -1 to go on. */
static int explain_arguments(struct explain *x, int argc, char **argv) {
  struct options o = {.command = "explain",
                      .table = explain_options,
                      .argc = argc,
                      .argv = argv,
                      .at = 1};
  const char *value;
  int got, status;
  while ((got = options_next(&o, &value)) != OPTION_END) {
    if (got == OPTION_BAD)
      return STATUS_USAGE;
    if (got == OPTION_HELP)
      return help_print(command_find("explain"));
    if (got == OPTION_WORD)
      return say_usage("explain", "unexpected '%s'", value);
    if (got < SUBJECT_OPTION_COUNT)
      subject_option(&x->subject, got, value);
    else if (got < QUESTION_OPTION_COUNT)
      x->asked.value[got - SUBJECT_OPTION_COUNT] = value;
    else if (got == EXPLAIN_FORMAT)
      x->format = value;
    else if ((status = take_misses(x, value)) != STATUS_OK)
      return status;
  }
  if (asked_something(&x->asked) != 1)
    return say_usage("explain", asked_something(&x->asked)
                                    ? "only one of --url and --action is taken"
                                    : "one of --url and --action is needed");
  if (x->format && strcmp(x->format, "json") != 0 &&
      strcmp(x->format, "text") != 0)
    return say_usage("explain", "--format takes text or json, not '%s'",
                     x->format);
  status = asked_check(&x->asked, "explain");
  return status == STATUS_OK ? -1 : status;
}

static int explain_decide(struct explain *x) {
  struct subject *s = &x->subject;
  cordon_scope *scope = NULL;
  cordon_error err;
  int status = subject_load(s);
  if (status != STATUS_OK)
    return status;
  if (cordon_scope_new(&scope, s->policies.set, s->scope.items, s->scope.len,
                       NULL, &err) != CORDON_OK)
    return say_usage("explain", "--scope: %s", err.message);
  status = explain_answer(x, scope);
  cordon_scope_free(scope);
  return status;
}

int command_explain(int argc, char **argv) {
  struct explain *x = must_alloc(1, sizeof *x);
  int status;
  x->misses = CORDON_EXPLAIN_MISSES;
  subject_init(&x->subject, "explain", argc);
  status = explain_arguments(x, argc, argv);
  if (status < 0)
    status = explain_decide(x);
  asked_deinit(&x->asked);
  subject_deinit(&x->subject);
  free(x);
  return status;
}
