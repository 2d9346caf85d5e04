/* manifest_examine.c - what is wrong with a manifest beyond its own text. */
#include "cli/manifest_examine.h"

#include "cli/files.h"
#include "cli/modules_dir.h"
#include "cli/print.h"
#include "cli/run_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Does a line say so?  For a text that is no value, since a key stands twice
 * in it or it has a tag: its mistakes are still to be told. */
static bool says_workload(const char *text, size_t len) {
  const char *end = text + len, *at = text, *line, *p;
  for (; (at = memmem(at, (size_t)(end - at), "kind:", 5)) != NULL; at = p) {
    line = memrchr(text, '\n', (size_t)(at - text));
    line = line ? line + 1 : text;
    p = at + 5;
    if (memchr(line, '#', (size_t)(at - line)))
      continue; /* a comment */
    while (p < end && (*p == ' ' || *p == '"' || *p == '\''))
      p++;
    if (end - p >= 11 && memcmp(p, "process.lua", 11) == 0)
      return true;
  }
  return false;
}

bool manifest_has_workloads(const char *text, size_t len) {
  cordon_value *v = NULL;
  const cordon_value *entries;
  cordon_error err;
  bool found = false;
  if (!memmem(text, len, "process.lua", 11))
    return false;
  if (cordon_value_from_yaml(&v, text, len, NULL, &err) != CORDON_OK)
    return says_workload(text, len);
  entries = cordon_value_get(v, "entries");
  for (size_t i = 0; i < cordon_value_len(entries) && !found; i++) {
    const char *kind = cordon_value_string(
        cordon_value_get(cordon_value_at(entries, i, NULL, NULL), "kind"),
        NULL);
    found = kind && strcmp(kind, "process.lua") == 0;
  }
  cordon_value_free(v);
  return found;
}

/* The texts that were compiled: workloads share scripts and modules. */
struct compiled {
  char **names;
  size_t n;
};

struct checking {
  const char *path;
  const char *text;
  size_t len;
  manifest_mistake_fn *tell;
  void *ud;
  bool texts; /* of the scripts are looked at, else what names them */
  struct compiled *compiled;
  struct compile_share *share;
};

static void on_mistake(void *ud, const cordon_error *mistake) {
  const struct checking *c = ud;
  c->tell(c->ud, c->path, mistake);
}

__attribute__((format(printf, 4, 5))) static void
tell_at(const struct checking *c, uint32_t line, uint32_t column,
        const char *fmt, ...) {
  cordon_error e = {.code = CORDON_E_POLICY, .line = line, .column = column};
  char text[sizeof e.message];
  va_list args;
  va_start(args, fmt);
  if (vsnprintf(text, sizeof text, fmt, args) < 0)
    text[0] = '\0';
  va_end(args);
  cordon_escape(e.message, sizeof e.message, text, strlen(text));
  c->tell(c->ud, c->path, &e);
}

/* --------------------------------------------------------------- modules ---
 */

/* A sandbox that has only what every script can require, asked by a script of
 * ours. */
struct builtin {
  cordon_host *host;
  bool known;
};

static void on_known(void *ud, const char *data, size_t len) {
  struct builtin *b = ud;
  b->known = len >= 4 && memcmp(data, "true", 4) == 0;
}

static bool builtin_has(struct builtin *b, const char *name) {
  static const char text[] = "print((pcall(require, (...))))";
  const cordon_source source = {"modules", text, sizeof text - 1};
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_error err;
  b->known = false;
  if (!b->host && cordon_host_new(&b->host, NULL, &err) != CORDON_OK)
    return true; /* there is nobody to ask */
  cordon_sandbox_config_init(&cfg);
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.output = on_known;
  cfg.ud = b;
  if (cordon_sandbox_new(&sb, b->host, &cfg, &err) != CORDON_OK ||
      cordon_sandbox_load(sb, &source, &name, 1, &err) != CORDON_OK ||
      cordon_sandbox_run(sb, 0, &err) != CORDON_OK)
    b->known = true;
  cordon_sandbox_free(sb);
  return b->known;
}

/* Where |name| stands as a whole word in the lines from |line| on, the first
 * time; else the beginning of the line. */
static uint32_t find_name(const struct checking *c, uint32_t *line,
                          const char *name) {
  const char *p = c->text, *end = c->text + c->len, *start, *at;
  size_t len = strlen(name);
  for (uint32_t i = 1; i < *line && p; i++) {
    p = memchr(p, '\n', (size_t)(end - p));
    p = p ? p + 1 : NULL;
  }
  for (start = p; p && (at = memmem(p, (size_t)(end - p), name, len)) != NULL;
       p = at + 1) {
    static const char ends[] = " \t\r\n,[]'\"";
    bool before = at > start && strchr(ends, at[-1]);
    bool after = at + len < end && strchr(ends, at[len]);
    if (!before || !after)
      continue;
    for (p = start; p < at; p++)
      if (*p == '\n') {
        ++*line;
        start = p + 1;
      }
    return (uint32_t)(at - start) + 1;
  }
  return 1;
}

static uint64_t cpu_now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Why nothing more is compiled; NULL: there is time left. */
static const char *why_left_out(const struct compile_share *share) {
  if (share->held_up)
    return "not looked at: a text before it takes too long to compile";
  return share->spent_ns >= UINT64_C(1000000000) * COMPILE_SHARE_S
             ? "not looked at: to compile the texts before it took more than "
               "all the CPU time there is for them"
             : NULL;
}

static void compile(const struct checking *c, const cordon_source *source) {
  struct compiled *done = c->compiled;
  const char *left_out = why_left_out(c->share);
  uint64_t begin_ns;
  cordon_error err;
  int rv;
  for (size_t i = 0; i < done->n; i++)
    if (strcmp(done->names[i], source->name) == 0)
      return;
  done->names = must_resize(done->names, done->n + 1, sizeof *done->names);
  done->names[done->n++] = must_format("%s", source->name);
  if (left_out) {
    err = (cordon_error){.code = CORDON_E_LIMIT};
    snprintf(err.message, sizeof err.message, "%s", left_out);
    c->tell(c->ud, source->name, &err);
    return;
  }
  begin_ns = cpu_now_ns();
  rv = cordon_script_check(source, NULL, &err);
  c->share->spent_ns += cpu_now_ns() - begin_ns;
  if (rv == CORDON_OK)
    return;
  c->share->held_up = rv == CORDON_E_LIMIT;
  err.column = run_report_near(source->text, source->len_bytes, &err);
  c->tell(c->ud, source->name, &err);
}

static void check_modules(const struct checking *c, const cordon_workload *w,
                          struct modules_dir *dir, struct builtin *b) {
  for (size_t i = 0; i < w->modules_len; i++) {
    const char *name = w->modules[i];
    uint32_t line = w->modules_line, column;
    cordon_source source;
    int rv = modules_dir_find(dir, name, &source);
    if (rv == CORDON_OK && c->texts)
      compile(c, &source);
    if (rv == CORDON_OK || c->texts ||
        (rv == CORDON_E_NOT_FOUND && builtin_has(b, name)))
      continue;
    column = find_name(c, &line, name);
    if (rv == CORDON_E_NOT_FOUND)
      tell_at(c, line, column,
              "unknown module '%s', expected a built-in one or a Lua file "
              "beside the script",
              name);
    else
      tell_at(c, line, column, "module '%s' cannot be read", name);
  }
}

/* --------------------------------------------------------------- scripts ---
 */

static void check_script(const struct checking *c, const cordon_workload *w,
                         struct builtin *b) {
  const char *slash = strrchr(w->source, '/');
  const char *file = slash ? slash + 1 : w->source;
  struct modules_dir dir = {.fd = -1};
  char *name, *text = NULL;
  size_t len = 0;
  if (modules_dir_init_below(&dir, c->path, w->source) != 0 ||
      !modules_dir_read(&dir, file, &text, &len)) {
    if (!c->texts)
      tell_at(c, w->source_line, w->source_column, "source 'file://%s': %s",
              w->source, modules_dir_why(errno));
    modules_dir_deinit(&dir);
    return;
  }
  if (c->texts) {
    name = must_format("%s%s", dir.prefix, file);
    compile(c, &(cordon_source){name, text ? text : "", len});
    free(name);
  }
  check_modules(c, w, &dir, b);
  modules_dir_deinit(&dir);
  free(text);
}

cordon_manifest *manifest_examine(const char *path, const char *text,
                                  size_t len, struct compile_share *share,
                                  manifest_mistake_fn *tell, void *ud) {
  struct compiled compiled = {0};
  struct checking c = {path, text, len, tell, ud, false, &compiled, share};
  const cordon_source source = {path, text, len};
  cordon_manifest *m = NULL;
  const cordon_workload *w;
  struct builtin b = {0};
  cordon_error err;
  if (cordon_manifest_new(&m, &source, NULL, on_mistake, &c, &err) != CORDON_OK)
    return NULL;
  /* what the manifest says comes first */
  for (int turn = 0; turn < 2; turn++) {
    c.texts = turn > 0;
    for (size_t i = 0; (w = cordon_manifest_at(m, i)) != NULL; i++)
      check_script(&c, w, &b);
  }
  cordon_host_free(b.host);
  for (size_t i = 0; i < compiled.n; i++)
    free(compiled.names[i]);
  free(compiled.names);
  return m;
}
