/* eval.c - cordon eval: one decision, or a stream of them. */
#include "cli/cli.h"

#include "cli/lines.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/question.h"
#include "cli/subject.h"

#include <cordon/cordon.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EVAL_INPUT = QUESTION_OPTION_COUNT, EVAL_FORMAT, EVAL_QUIET };

const struct option eval_options[] = {
    SUBJECT_OPTIONS,
    QUESTION_OPTIONS,
    {"input", 0, "FILE", false, false},
    {"format", 0, "text|json", false, false},
    {"quiet", 'q', NULL, false, false},
    {NULL, 0, NULL, false, false},
};

/* --------------------------------------------------------------- answer --- */

static void json_text(struct out *o, const char *text) {
  if (!text ||
      cordon_write_json_string(text, strlen(text), out_write, o) != CORDON_OK)
    out_text(o, "null");
}

/* Of the line of |text| that begins at |at|. */
static size_t line_len(const struct text *text, size_t at) {
  const char *end = memchr(text->p + at, '\n', text->len - at);
  return end ? (size_t)(end - text->p) - at : text->len - at;
}

/* Each line of |text| as a string, with commas between. */
static void json_lines(struct out *o, const struct text *text) {
  for (size_t at = 0; at < text->len; at += line_len(text, at) + 1) {
    if (at > 0)
      out_text(o, ",");
    if (cordon_write_json_string(text->p + at, line_len(text, at), out_write,
                                 o) != CORDON_OK)
      out_text(o, "null");
  }
}

/* One line; |id| NULL is null. */
static void answer_json(struct out *o, const struct answer *a,
                        const cordon_value *id) {
  out_text(o, "{\"v\":1,\"id\":");
  if (!id || cordon_value_write_json(id, out_write, o) != CORDON_OK)
    out_text(o, "null");
  out_text(o, ",\"decision\":");
  json_text(o, a->decision);
  out_text(o, ",\"policy\":");
  json_text(o, a->policy);
  out_text(o, ",\"canonical\":");
  json_text(o, a->canonical[0] ? a->canonical : NULL);
  out_text(o, ",\"reason\":");
  json_text(o, a->code[0] ? a->code : NULL);
  out_text(o, ",\"errors\":[");
  if (a->message[0] && !a->code[0])
    json_text(o, a->message);
  else
    json_lines(o, &a->errors);
  out_text(o, "]}\n");
}

static void field(struct out *o, const char *name, const char *text,
                  size_t len) {
  out_text(o, "  ");
  out_text(o, name);
  out_text(o, ": ");
  /* what a resource holds cannot make another field */
  out_one_line(o, text, len);
  out_text(o, "\n");
}

static void answer_text(struct out *o, const struct answer *a) {
  const cordon_request *q = &a->request;
  out_text(o, a->decision);
  out_text(o, "\n");
  field(o, "action", q->action, strlen(q->action));
  if (q->resource_len_bytes > 0 &&
      strcmp(q->action, "websocket.connect.url") != 0)
    field(o, "resource", q->resource, q->resource_len_bytes);
  if (a->canonical[0])
    field(o, "url", a->canonical, strlen(a->canonical));
  if (a->policy) {
    char *at = a->file && a->line ? must_format("%s (%s:%" PRIu32 ")",
                                                a->policy, a->file, a->line)
               : a->file          ? must_format("%s (%s)", a->policy, a->file)
                                  : must_format("%s", a->policy);
    field(o, "policy", at, strlen(at));
    free(at);
  }
  if (a->code[0])
    field(o, "reason", a->code, strlen(a->code));
  else if (!a->message[0] && a->settled.reason)
    field(o, "reason", a->settled.reason, strlen(a->settled.reason));
  /* the words beside a refusal name them too */
  if (strcmp(a->decision, "allow") == 0)
    for (size_t at = 0; at < a->errors.len; at += line_len(&a->errors, at) + 1)
      field(o, "error", a->errors.p + at, line_len(&a->errors, at));
}

/* The words beside a refusal. */
static void answer_explain(const struct answer *a, const cordon_scope *scope) {
  struct out o;
  out_init(&o, STDERR_FILENO);
  if (a->message[0]) {
    out_text(&o, "  ");
    out_one_line(&o, a->message, strlen(a->message));
    out_text(&o, "\n");
  } else {
    (void)cordon_explain(scope, &a->request, &a->settled, out_write_visible,
                         &o);
  }
  out_flush(&o);
}

/* ---------------------------------------------------------------- batch --- */

/* Scopes that lines have named, newest over oldest. */
#define SCOPES_KEPT 32

struct kept_scope {
  char *key; /* the JSON of the line's list */
  size_t key_len;
  cordon_scope *scope;
};

struct batch {
  struct subject *subject;
  const cordon_scope *scope; /* for lines that name none */
  struct kept_scope kept[SCOPES_KEPT];
  size_t next; /* the place that is used next */
  struct out out;
};

/* A member that is text without NUL; |*ret| stays as it is if it is missing.
 * False when it is something else. */
static bool get_text(const cordon_value *v, const char *key, const char **ret,
                     size_t *ret_len) {
  const cordon_value *member = cordon_value_get(v, key);
  const char *text;
  size_t len;
  if (!member)
    return true;
  text = cordon_value_string(member, &len);
  if (!text)
    return false;
  *ret = text;
  *ret_len = len;
  return true;
}

static bool get_plain_text(const cordon_value *v, const char *key,
                           const char **ret) {
  size_t len = 0;
  return get_text(v, key, ret, &len) && (!*ret || strlen(*ret) == len);
}

/* Every key of |v| is in |known|, which ends with NULL; else says so. */
static bool only_known(struct answer *a, const cordon_value *v,
                       const char *const *known) {
  for (size_t i = 0; i < cordon_value_len(v); i++) {
    const char *key = "", *near;
    char *name, *message;
    size_t len = 0, k = 0;
    (void)cordon_value_at(v, i, &key, &len);
    while (known[k] &&
           (strlen(known[k]) != len || memcmp(known[k], key, len) != 0))
      k++;
    if (known[k])
      continue;
    name = must_format("%.*s", len > 64 ? 64 : (int)len, key);
    near = nearest(name, known);
    message =
        near ? must_format("unknown key '%s', did you mean '%s'?", name, near)
             : must_format("unknown key '%s'", name);
    answer_invalid(a, message);
    free(name);
    free(message);
    return false;
  }
  return true;
}

static bool batch_scope_new(struct batch *b, struct answer *a,
                            const cordon_value *list, struct kept_scope *to) {
  size_t n = cordon_value_len(list);
  const char **names = must_alloc(n, sizeof(const char *));
  cordon_error err;
  bool ok = true;
  for (size_t i = 0; i < n && ok; i++) {
    size_t len = 0;
    names[i] = cordon_value_string(cordon_value_at(list, i, NULL, NULL), &len);
    ok = names[i] && strlen(names[i]) == len;
  }
  if (!ok) {
    answer_invalid(a, "scope is no list of names");
  } else if (cordon_scope_new(&to->scope, b->subject->policies.set, names, n,
                              NULL, &err) != CORDON_OK) {
    answer_invalid(a, err.message);
    ok = false;
  }
  free(names);
  return ok;
}

/* The scope a line names.  An empty list is no scope, which is refused: it
 * must not mean everything. */
static bool batch_scope(struct batch *b, struct answer *a,
                        const cordon_value *list, const cordon_scope **ret) {
  struct kept_scope *kept;
  struct text key = {0};
  if (cordon_value_type(list) != CORDON_LIST) {
    answer_invalid(a, "scope is no list of names");
    return false;
  }
  *ret = NULL;
  if (cordon_value_len(list) == 0)
    return true;
  if (cordon_value_write_json(list, text_write, &key) != CORDON_OK) {
    free(key.p);
    answer_invalid(a, "out of memory");
    return false;
  }
  for (size_t i = 0; i < SCOPES_KEPT; i++)
    if (b->kept[i].scope && b->kept[i].key_len == key.len &&
        memcmp(b->kept[i].key, key.p, key.len) == 0) {
      free(key.p);
      *ret = b->kept[i].scope;
      return true;
    }
  kept = &b->kept[b->next];
  cordon_scope_free(kept->scope);
  free(kept->key);
  *kept = (struct kept_scope){.key = key.p, .key_len = key.len};
  if (!batch_scope_new(b, a, list, kept))
    return false;
  b->next = (b->next + 1) % SCOPES_KEPT;
  *ret = kept->scope;
  return true;
}

static bool batch_actor(struct answer *a, const cordon_value *actor,
                        struct question *q) {
  static const char *const known[] = {"id", "meta", NULL};
  q->actor_id = NULL;
  q->actor_meta = NULL;
  if (cordon_value_type(actor) == CORDON_NULL)
    return true; /* nobody, which is refused */
  if (cordon_value_type(actor) != CORDON_MAP) {
    answer_invalid(a, "actor is no object");
    return false;
  }
  if (!only_known(a, actor, known))
    return false;
  if (!get_plain_text(actor, "id", &q->actor_id) || !q->actor_id) {
    answer_invalid(a, "actor.id is no text");
    return false;
  }
  q->actor_meta = cordon_value_get(actor, "meta");
  if (q->actor_meta && cordon_value_type(q->actor_meta) == CORDON_NULL)
    q->actor_meta = NULL;
  if (q->actor_meta && cordon_value_type(q->actor_meta) != CORDON_MAP) {
    answer_invalid(a, "actor.meta is no object");
    return false;
  }
  return true;
}

/* The question in |v|, which lives as long as the question does. */
static bool batch_question(struct batch *b, struct answer *a,
                           const cordon_value *v, struct question *q) {
  static const char *const known[] = {"id",       "url",     "action",
                                      "resource", "meta",    "actor",
                                      "scope",    "address", NULL};
  static const char *const texts[] = {"url", "resource", "address"};
  const cordon_value *part;
  *q = (struct question){.scope = b->scope,
                         .actor_id = b->subject->actor,
                         .actor_meta = b->subject->meta_value,
                         .resource = ""};
  if (cordon_value_type(v) != CORDON_MAP) {
    answer_invalid(a, "the line is no JSON object");
    return false;
  }
  if (!only_known(a, v, known))
    return false;
  for (size_t i = 0; i < 3; i++) {
    const char **to[] = {&q->url, &q->resource, &q->address};
    size_t *len[] = {&q->url_len, &q->resource_len, &q->address_len};
    if (!get_text(v, texts[i], to[i], len[i])) {
      snprintf(a->message, sizeof a->message, "%s is no text", texts[i]);
      return false;
    }
  }
  if (!get_plain_text(v, "action", &q->action)) {
    answer_invalid(a, "action is no text");
    return false;
  }
  if ((q->url && q->action) || (!q->url && !q->action)) {
    answer_invalid(a, q->url ? "url and action are two questions"
                             : "neither url nor action is there");
    return false;
  }
  q->meta = cordon_value_get(v, "meta");
  if (q->meta && cordon_value_type(q->meta) == CORDON_NULL)
    q->meta = NULL;
  if (q->meta && cordon_value_type(q->meta) != CORDON_MAP) {
    answer_invalid(a, "meta is no object");
    return false;
  }
  if (q->url && (q->meta || cordon_value_get(v, "resource"))) {
    answer_invalid(a, "meta and resource go with action, not with url");
    return false;
  }
  if (!q->url && q->address) {
    answer_invalid(a, "address goes with url");
    return false;
  }
  if ((part = cordon_value_get(v, "actor")) && !batch_actor(a, part, q))
    return false;
  part = cordon_value_get(v, "scope");
  return !part || batch_scope(b, a, part, &q->scope);
}

static void batch_line(struct batch *b, const char *line, size_t len) {
  struct answer a;
  struct question q;
  cordon_value *v = NULL;
  cordon_error err;
  answer_init(&a);
  if (cordon_value_from_json(&v, line, len, NULL, &err) != CORDON_OK)
    answer_invalid(&a, err.message);
  else if (batch_question(b, &a, v, &q))
    judge(&a, &q);
  answer_json(&b->out, &a, cordon_value_get(v, "id"));
  answer_deinit(&a);
  cordon_value_free(v);
}

static void batch_idle(void *ud) {
  struct batch *b = ud;
  out_flush(&b->out);
}

static int batch_lines(struct batch *b, int fd, const char *name) {
  struct lines lines;
  enum lines_result got;
  const char *line;
  size_t len;
  int status = STATUS_OK;
  lines_init(&lines, fd);
  lines.idle = batch_idle;
  lines.ud = b;
  while (b->out.error == 0 &&
         (got = lines_next(&lines, &line, &len)) != LINES_END) {
    if (got == LINES_LINE) {
      batch_line(b, line, len);
    } else {
      struct answer a;
      answer_init(&a);
      answer_invalid(&a, "the line is longer than 1 MiB");
      answer_json(&b->out, &a, NULL);
      answer_deinit(&a);
    }
  }
  if (lines.error) {
    say("%s: %s", name, strerror(lines.error));
    status = STATUS_USAGE;
  }
  lines_deinit(&lines);
  return out_finish(&b->out, status);
}

static int eval_batch(struct subject *s, const cordon_scope *scope,
                      const char *input) {
  struct batch *b;
  int fd = STDIN_FILENO, status;
  const char *name = "standard input";
  if (strcmp(input, "-") != 0) {
    name = input;
    fd = open(input, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
      say("%s: %s", input, strerror(errno));
      return STATUS_USAGE;
    }
  }
  b = must_alloc(1, sizeof *b);
  b->subject = s;
  b->scope = scope;
  out_init(&b->out, STDOUT_FILENO);
  status = batch_lines(b, fd, name);
  for (size_t i = 0; i < SCOPES_KEPT; i++) {
    cordon_scope_free(b->kept[i].scope);
    free(b->kept[i].key);
  }
  free(b);
  if (fd != STDIN_FILENO)
    close(fd);
  return status;
}

/* --------------------------------------------------------------- single --- */

struct eval {
  struct subject subject;
  struct asked asked;
  const char *input; /* NULL: not given */
  const char *format;
  bool quiet;
};

static int eval_single(const struct eval *e, const cordon_scope *scope) {
  struct question q = asked_question(&e->asked, &e->subject, scope);
  struct answer a;
  struct out o;
  int status;
  answer_init(&a);
  judge(&a, &q);
  out_init(&o, STDOUT_FILENO);
  if (e->format && strcmp(e->format, "json") == 0)
    answer_json(&o, &a, NULL);
  else
    answer_text(&o, &a);
  out_flush(&o);
  if (!e->quiet && strcmp(a.decision, "allow") != 0)
    answer_explain(&a, scope);
  status = answer_status(&a);
  answer_deinit(&a);
  return out_finish(&o, status);
}

/* Which options go together. */
static int eval_together(struct eval *e) {
  int asked = asked_something(&e->asked) + !!e->input;
  if (asked != 1)
    return say_usage("eval",
                     asked ? "only one of --url, --action and --input is taken"
                           : "one of --url, --action and --input is needed");
  if (e->format && strcmp(e->format, "json") != 0 &&
      (strcmp(e->format, "text") != 0 || e->input))
    return say_usage("eval", "--format takes %s, not '%s'",
                     e->input ? "json with --input" : "text or json",
                     e->format);
  return asked_check(&e->asked, "eval");
}

/* A status, or -1 to go on. */
static int eval_arguments(struct eval *e, int argc, char **argv) {
  struct options o = {.command = "eval",
                      .table = eval_options,
                      .argc = argc,
                      .argv = argv,
                      .at = 1};
  const char *value;
  int got, status;
  while ((got = options_next(&o, &value)) != OPTION_END) {
    if (got == OPTION_BAD)
      return STATUS_USAGE;
    if (got == OPTION_HELP)
      return help_print(command_find("eval"));
    if (got == OPTION_WORD)
      return say_usage("eval", "unexpected '%s'", value);
    if (got < SUBJECT_OPTION_COUNT)
      subject_option(&e->subject, got, value);
    else if (got < QUESTION_OPTION_COUNT)
      e->asked.value[got - SUBJECT_OPTION_COUNT] = value;
    else if (got == EVAL_INPUT)
      e->input = value;
    else if (got == EVAL_FORMAT)
      e->format = value;
    else
      e->quiet = true;
  }
  status = eval_together(e);
  return status == STATUS_OK ? -1 : status;
}

static int eval_decide(struct eval *e) {
  struct subject *s = &e->subject;
  cordon_scope *scope = NULL;
  cordon_error err;
  int status = subject_load(s);
  if (status != STATUS_OK)
    return status;
  if (cordon_scope_new(&scope, s->policies.set, s->scope.items, s->scope.len,
                       NULL, &err) != CORDON_OK)
    return say_usage("eval", "--scope: %s", err.message);
  status = e->input ? eval_batch(s, scope, e->input) : eval_single(e, scope);
  cordon_scope_free(scope);
  return status;
}

int command_eval(int argc, char **argv) {
  struct eval *e = must_alloc(1, sizeof *e);
  int status;
  subject_init(&e->subject, "eval", argc);
  status = eval_arguments(e, argc, argv);
  if (status < 0)
    status = eval_decide(e);
  asked_deinit(&e->asked);
  subject_deinit(&e->subject);
  free(e);
  return status;
}
