/* subject.c - whose request is judged, and by what. */
#include "cli/subject.h"

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void subject_init(struct subject *s, const char *command, int argc) {
  struct words_list *lists[] = {&s->policy, &s->allow, &s->scope, &s->meta};
  *s = (struct subject){.command = command, .actor = DEFAULT_ACTOR};
  /* no more options than words */
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    lists[i]->items = must_alloc((size_t)argc, sizeof(const char *));
  out_init(&s->mistakes, STDERR_FILENO);
  policies_init(&s->policies, &s->mistakes);
}

void subject_deinit(struct subject *s) {
  policies_deinit(&s->policies);
  cordon_value_free(s->meta_value);
  free(s->meta_json);
  free(s->policy.items);
  free(s->allow.items);
  free(s->scope.items);
  free(s->meta.items);
}

void subject_option(struct subject *s, int option, const char *value) {
  struct words_list *list = &s->policy;
  switch (option) {
  case SUBJECT_ACTOR:
    s->actor = value;
    return;
  case SUBJECT_ALLOW:
    list = &s->allow;
    break;
  case SUBJECT_SCOPE:
    list = &s->scope;
    break;
  case SUBJECT_META:
    list = &s->meta;
    break;
  }
  list->items[list->len++] = value;
}

/* ---------------------------------------------------------- actor-meta --- */

/* One KEY=VALUE as a member of the JSON object in |t|. */
static int meta_add(struct subject *s, struct text *t, const char *word) {
  const char *equals = strchr(word, '=');
  size_t klen = equals ? (size_t)(equals - word) : 0;
  const char *value;
  cordon_value *v = NULL;
  cordon_error err;
  int rv;
  if (klen == 0)
    return say_usage(s->command, "--actor-meta takes KEY=VALUE, not '%s'",
                     word);
  for (size_t i = 0; s->meta.items[i] != word; i++)
    if (strncmp(s->meta.items[i], word, klen + 1) == 0)
      return say_usage(s->command, "--actor-meta '%.*s' is given twice",
                       (int)klen, word);
  value = equals[1] ? equals + 1 : "null"; /* as in YAML */
  rv = cordon_value_from_yaml(&v, value, strlen(value), NULL, &err);
  if (rv != CORDON_OK)
    return say_usage(s->command, "--actor-meta %.*s: the value is no YAML: %s",
                     (int)klen, word, err.message);
  text_write(t, t->len ? "," : "{", 1);
  rv = cordon_write_json_string(word, klen, text_write, t);
  text_write(t, ":", 1);
  if (rv == CORDON_OK)
    rv = cordon_value_write_json(v, text_write, t);
  cordon_value_free(v);
  return rv == CORDON_OK ? STATUS_OK
                         : say_usage(s->command, "--actor-meta %.*s: %s",
                                     (int)klen, word, cordon_strerror(rv));
}

static int meta_load(struct subject *s) {
  struct text t = {0};
  cordon_error err;
  int rv;
  if (s->meta.len == 0)
    return STATUS_OK;
  for (size_t i = 0; i < s->meta.len; i++)
    if ((rv = meta_add(s, &t, s->meta.items[i])) != STATUS_OK) {
      free(t.p);
      return rv;
    }
  text_write(&t, "}", 2); /* with its NUL */
  s->meta_json = t.p;
  rv = cordon_value_from_json(&s->meta_value, t.p, t.len - 1, NULL, &err);
  return rv == CORDON_OK
             ? STATUS_OK
             : say_usage(s->command, "--actor-meta: %s", err.message);
}

/* ---------------------------------------------------------------- load --- */

static int policies_load(struct subject *s, struct policies *p) {
  cordon_error err;
  int status;
  for (size_t i = 0; i < s->allow.len; i++)
    if (cordon_policy_allow(p->set, s->allow.items[i], &err) != CORDON_OK)
      return say_usage(s->command, "--allow '%s': %s", s->allow.items[i],
                       err.message);
  policies_add(p, s->policy.items, s->policy.len);
  status = policies_finish(p);
  out_flush(&s->mistakes);
  return status;
}

static const char *mistakes_word(const struct policies *p) {
  return p->mistakes == 1 ? "mistake" : "mistakes";
}

int subject_load(struct subject *s) {
  struct policies *p = &s->policies;
  int status = meta_load(s);
  if (status == STATUS_OK)
    status = policies_load(s, p);
  if (p->mistakes > 0)
    say("%zu %s in the policies: nothing was %s", p->mistakes, mistakes_word(p),
        strcmp(s->command, "run") == 0 ? "run" : "decided");
  return status;
}

int subject_reload(struct subject *s) {
  struct policies fresh;
  int status;
  policies_init(&fresh, &s->mistakes);
  status = policies_load(s, &fresh);
  if (status != STATUS_OK) {
    policies_deinit(&fresh);
    return status;
  }
  policies_deinit(&s->policies);
  s->policies = fresh;
  return STATUS_OK;
}
