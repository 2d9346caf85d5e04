/* manifest.c - a manifest and the files it names, read in one pass that finds
 * all the mistakes. */
#include "cli/manifest.h"

#include "cli/cli.h"
#include "cli/crew.h"
#include "cli/files.h"
#include "cli/print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------- mistakes --- */

struct mistake {
  char *path;
  uint32_t line, column;
  char *message;
  size_t at; /* the order of finding */
};

/* Two readers look at the same text, and both tell of what is wrong with the
 * whole of it. */
struct mistake_list {
  const char *path; /* of the manifest */
  struct mistake *items;
  size_t len, cap;
};

static void mistake_add(struct mistake_list *l, const char *path, uint32_t line,
                        uint32_t column, const char *message) {
  if (l->len == l->cap) {
    l->cap = l->cap ? l->cap * 2 : 16;
    l->items = must_resize(l->items, l->cap, sizeof *l->items);
  }
  l->items[l->len] = (struct mistake){.path = must_format("%s", path),
                                      .line = line,
                                      .column = column,
                                      .message = must_format("%s", message),
                                      .at = l->len};
  l->len++;
}

static void on_policy_mistake(void *ud, const char *path,
                              const cordon_error *e) {
  mistake_add(ud, path, e->line, e->column, e->message);
}

static void on_mistake(void *ud, const cordon_error *e) {
  struct mistake_list *l = ud;
  mistake_add(l, l->path, e->line, e->column, e->message);
}

/* Files in the order in which they were first found wrong would take another
 * pass: the order of their names serves as well. */
static int in_order(const void *a, const void *b) {
  const struct mistake *x = a, *y = b;
  int files = strcmp(x->path, y->path);
  if (files != 0)
    return files;
  if (x->line != y->line)
    return x->line < y->line ? -1 : 1;
  if (x->column != y->column)
    return x->column < y->column ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

static void drop_repeated(struct mistake_list *l) {
  size_t kept = 0;
  for (size_t i = 0; i < l->len; i++) {
    struct mistake *m = &l->items[i];
    bool same = false;
    for (size_t k = kept; k-- > 0 && !same;) {
      const struct mistake *before = &l->items[k];
      if (before->line != m->line || before->column != m->column ||
          strcmp(before->path, m->path) != 0)
        break;
      same = strcmp(before->message, m->message) == 0;
    }
    if (same) {
      free(m->path);
      free(m->message);
    } else {
      l->items[kept++] = *m;
    }
  }
  l->len = kept;
}

static void tell_mistakes(struct mistake_list *l) {
  const char *path = NULL;
  char *text = NULL;
  size_t len = 0;
  struct out o;
  out_init(&o, STDERR_FILENO);
  if (l->len > 0)
    qsort(l->items, l->len, sizeof *l->items, in_order);
  drop_repeated(l);
  for (size_t i = 0; i < l->len; i++) {
    const struct mistake *m = &l->items[i];
    char at[48];
    if (!path || strcmp(path, m->path) != 0) {
      free(text);
      text = NULL;
      path = m->path;
      if (!read_path(path, FILE_MAX_BYTES, &text, &len))
        text = NULL; /* it is gone: no line is shown */
    }
    if (m->line)
      snprintf(at, sizeof at, ":%" PRIu32 ":%" PRIu32 ": ", m->line,
               m->column ? m->column : 1);
    else
      snprintf(at, sizeof at, ": ");
    out_one_line(&o, m->path, strlen(m->path));
    out_text(&o, at);
    out_one_line(&o, m->message, strlen(m->message));
    out_text(&o, "\n");
    if (text)
      out_source_line(&o, text, len, m->line, m->column ? m->column : 1);
  }
  out_flush(&o);
  free(text);
}

static void list_deinit(struct mistake_list *l) {
  for (size_t i = 0; i < l->len; i++) {
    free(l->items[i].path);
    free(l->items[i].message);
  }
  free(l->items);
}

/* -------------------------------------------------------------- reading --- */

/* As a path from here. */
static void watch_script(const char *manifest, const char *source,
                         struct watch *w) {
  const char *slash = strrchr(manifest, '/');
  char *path = must_format("%.*s%s", slash ? (int)(slash - manifest) + 1 : 0,
                           manifest, source);
  watch_file(w, path);
  free(path);
}

static void read_script(struct manifest_files *m, struct manifest_script *s,
                        struct mistake_list *l) {
  const cordon_workload *w = s->workload;
  const char *slash = strrchr(w->source, '/');
  const char *file = slash ? slash + 1 : w->source;
  const char *why = NULL;
  char *message;
  if (modules_dir_init_below(&s->modules, m->path, w->source) != 0) {
    why = modules_dir_why(errno);
  } else {
    s->name = must_format("%s%s", s->modules.prefix, file);
    if (!modules_dir_read(&s->modules, file, &s->text, &s->len))
      why = modules_dir_why(errno);
    else if (s->len > FILE_MAX_BYTES)
      why = "the script is larger than 1 MiB";
  }
  if (!why)
    return;
  message = must_format("source 'file://%s': %s", w->source, why);
  mistake_add(l, m->path, w->source_line, w->source_column, message);
  free(message);
}

static void read_scripts(struct manifest_files *m, struct mistake_list *l,
                         struct watch *w) {
  while (cordon_manifest_at(m->manifest, m->n))
    m->n++;
  m->scripts = must_alloc(m->n, sizeof *m->scripts);
  for (size_t i = 0; i < m->n; i++) {
    m->scripts[i].workload = cordon_manifest_at(m->manifest, i);
    m->scripts[i].modules.fd = -1;
    watch_script(m->path, m->scripts[i].workload->source, w);
    read_script(m, &m->scripts[i], l);
  }
}

struct loading {
  struct manifest_files *m;
  struct mistake_list *l;
  struct watch *w;
  bool read; /* the manifest; it stands first among the policies */
};

/* The text of the manifest, on its way to the policies in it. */
static void on_file(void *ud, const char *path, const char *text, size_t len) {
  struct loading *ld = ud;
  const cordon_source source = {path, text, len};
  size_t before = ld->l->len;
  cordon_error err;
  int rv;
  if (ld->read)
    return;
  ld->read = true;
  rv = cordon_manifest_new(&ld->m->manifest, &source, NULL, on_mistake, ld->l,
                           &err);
  if (rv == CORDON_OK)
    read_scripts(ld->m, ld->l, ld->w);
  else if (ld->l->len == before)
    mistake_add(ld->l, path, 0, 0, err.message);
}

static int read_all(struct loading *ld, const struct words_list *more) {
  struct policies *p = &ld->m->policies;
  const char **paths = must_alloc(more->len + 1, sizeof *paths);
  struct stat st;
  int status;
  paths[0] = ld->m->path;
  memcpy(paths + 1, more->items, more->len * sizeof *paths);
  if (stat(ld->m->path, &st) == 0 && S_ISDIR(st.st_mode)) {
    say("%s: %s", ld->m->path, strerror(EISDIR));
    free(paths);
    return STATUS_USAGE;
  }
  policies_init(p, NULL);
  p->tell = on_policy_mistake;
  p->tell_ud = ld->l;
  p->file = on_file;
  p->file_ud = ld;
  policies_add(p, paths, more->len + 1);
  free(paths);
  status = policies_finish(p);
  p->tell_ud = p->file_ud = NULL;
  return status;
}

int manifest_load(struct manifest_files *ret, const char *path,
                  const struct words_list *more, struct watch *w) {
  struct manifest_files m = {.path = path};
  struct mistake_list l = {.path = path};
  struct loading ld = {.m = &m, .l = &l, .w = w};
  cordon_error err;
  int status;
  watch_file(w, path);
  for (size_t i = 0; i < more->len; i++)
    watch_policies(w, more->items[i]);
  status = read_all(&ld, more);
  if (status == STATUS_OK && m.manifest &&
      cordon_manifest_check(m.manifest, m.policies.set, on_mistake, &l, &err) !=
          CORDON_OK &&
      l.len == 0)
    mistake_add(&l, path, 0, 0, err.message);
  if (status == STATUS_OK && l.len > 0)
    status = STATUS_LOAD;
  tell_mistakes(&l);
  if (l.len > 0)
    say("%zu %s in the manifest", l.len, l.len == 1 ? "mistake" : "mistakes");
  list_deinit(&l);
  if (status == STATUS_OK)
    *ret = m;
  else
    manifest_deinit(&m);
  return status;
}

void manifest_deinit(struct manifest_files *m) {
  for (size_t i = 0; i < m->n; i++) {
    modules_dir_deinit(&m->scripts[i].modules);
    free(m->scripts[i].name);
    free(m->scripts[i].text);
  }
  free(m->scripts);
  policies_deinit(&m->policies);
  cordon_manifest_free(m->manifest);
  *m = (struct manifest_files){.path = m->path};
}

/* ------------------------------------------------------------------ run --- */

/* What a script is told on the command line, and workloads in the manifest. */
static int check_setup(const struct run_setup *s) {
  const struct subject *t = &s->subject;
  if (s->nargs > 0)
    return say_usage("run",
                     "%s is a manifest: arguments of its scripts stand "
                     "in it, in 'args'",
                     s->script);
  if (s->json && s->audit_path && strcmp(s->audit_path, "-") == 0)
    return say_usage("run", "--format json and --audit - both take standard "
                            "output");
  if (s->limited)
    return say_usage("run", "%s is a manifest: limits stand in it, in 'limits'",
                     s->script);
  if (t->allow.len + t->scope.len + t->meta.len > 0 ||
      strcmp(t->actor, DEFAULT_ACTOR) != 0)
    return say_usage("run",
                     "%s is a manifest: actors, policies and groups "
                     "stand in it, in 'lifecycle.security'",
                     s->script);
  return STATUS_OK;
}

int manifest_run(struct run_setup *setup) {
  struct manifest_files m = {.path = setup->script};
  struct watch *w = NULL;
  int status = check_setup(setup);
  if (status == STATUS_OK && setup->watch)
    status = watch_new(&w);
  if (status != STATUS_OK)
    return status;
  status = manifest_load(&m, setup->script, &setup->subject.policy, w);
  if (status != STATUS_OK && w) {
    /* nothing to run yet */
    m = (struct manifest_files){.path = setup->script};
    status = STATUS_OK;
  }
  if (status == STATUS_OK && setup->audit_path) {
    status = audit_open(&setup->audit, setup->audit_path, setup->script);
    if (status != STATUS_OK)
      manifest_deinit(&m);
  }
  if (status == STATUS_OK)
    status = crew_run(setup, &m, w);
  watch_free(w);
  return status;
}
