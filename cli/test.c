/* test.c - cordon test: do policies answer as their tests expect, what do the
 * tests cover, and what would they not notice. */
#include "cli/cli.h"

#include "cli/files.h"
#include "cli/options.h"
#include "cli/policies.h"
#include "cli/test_files.h"
#include "cli/test_report.h"

#include <cordon/cordon.h>

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RUN_GLOB, RUN_FORMAT, RUN_COVERAGE, RUN_MUTATE, RUN_QUIET };

const struct option test_options[] = {
    {"run", 0, "GLOB", false, false},
    {"format", 0, "text|tap|junit", false, false},
    {"coverage", 0, NULL, false, false},
    {"mutate", 0, NULL, false, false},
    {"quiet", 'q', NULL, false, false},
    {NULL, 0, NULL, false, false},
};

/* Policies that a test file asked for; the next one may ask for the same. */
struct loaded {
  char *key; /* the paths, one a line */
  struct policies policies;
  int status;
};

/* Of coverage and mutants: several files may be about the same policies. */
struct finding {
  bool mutant;
  cordon_cover_kind kind;
  char *file, *policy, *text, *witness; /* NULL: no witness */
  uint32_t line, column;
  uint64_t yes, no; /* a mutant is noticed where |yes| is not 0 */
};

struct test_run {
  const char *glob; /* NULL: all */
  bool coverage, mutate;
  struct test_report report;
  struct out told; /* mistakes, to standard error */
  struct loaded *loaded;
  size_t nloaded, loaded_cap;
  struct finding *findings;
  size_t nfindings, findings_cap;
  size_t files, matched;
  bool unreadable, broken;
};

/* ------------------------------------------------------------- mistakes --- */

struct mistake_in {
  struct test_run *run;
  const char *path;
};

static void tell_mistake(struct test_run *run, const char *path, uint32_t line,
                         uint32_t column, const char *message) {
  char at[64];
  out_one_line(&run->told, path, strlen(path));
  snprintf(at, sizeof at, ":%" PRIu32 ":%" PRIu32 ": ", line ? line : 1,
           column ? column : 1);
  out_text(&run->told, at);
  out_one_line(&run->told, message, strlen(message));
  out_text(&run->told, "\n");
  out_flush(&run->told);
}

static void on_mistake(void *ud, const cordon_error *mistake) {
  const struct mistake_in *in = ud;
  tell_mistake(in->run, in->path, mistake->line, mistake->column,
               mistake->message);
}

/* ------------------------------------------------------------- policies --- */

/* |path| of a test file, from the folder the file is in. */
static char *beside(const char *file, const char *path) {
  const char *slash = strrchr(file, '/');
  size_t len;
  char *joined;
  while (path[0] == '.' && path[1] == '/')
    path += 2;
  if (path[0] == '/' || !slash)
    joined = must_format("%s", *path ? path : ".");
  else if (strcmp(path, ".") == 0 || *path == '\0')
    joined = must_format("%.*s", slash == file ? 1 : (int)(slash - file), file);
  else
    joined = must_format("%.*s%s", (int)(slash - file + 1), file, path);
  len = strlen(joined);
  while (len > 1 && joined[len - 1] == '/')
    joined[--len] = '\0';
  return joined;
}

static int load_paths(struct test_run *run, struct policies *p,
                      const char *const *paths, size_t n) {
  int status;
  policies_init(p, &run->told);
  policies_add(p, paths, n);
  status = policies_finish(p);
  out_flush(&run->told);
  return status;
}

/* The set of the same paths, loaded once. */
static struct loaded *load_once(struct test_run *run, const char *const *paths,
                                size_t n) {
  struct text key = {0};
  struct loaded *l;
  for (size_t i = 0; i < n; i++) {
    text_write(&key, paths[i], strlen(paths[i]));
    text_write(&key, "\n", 1);
  }
  text_write(&key, "", 1);
  for (size_t i = 0; i < run->nloaded; i++)
    if (strcmp(run->loaded[i].key, key.p) == 0) {
      free(key.p);
      return &run->loaded[i];
    }
  if (run->nloaded == run->loaded_cap) {
    run->loaded_cap = run->loaded_cap * 2 + 4;
    run->loaded = must_resize(run->loaded, run->loaded_cap, sizeof *l);
  }
  l = &run->loaded[run->nloaded++];
  l->key = key.p;
  l->status = load_paths(run, &l->policies, paths, n);
  return l;
}

/* The policies |suite| is about; STATUS_OK with |*ret_set|. */
static int load_policies(struct test_run *run, const char *file,
                         const cordon_suite *suite, cordon_policy **ret_set) {
  const char **paths;
  struct loaded *l;
  uint32_t line, column;
  size_t n = 0;
  int status = STATUS_OK;
  while (cordon_suite_path(suite, n, NULL, NULL))
    n++;
  paths = must_alloc(n, sizeof(const char *));
  for (size_t i = 0; i < n; i++) {
    const char *path = cordon_suite_path(suite, i, &line, &column);
    struct stat st;
    paths[i] = beside(file, path);
    if (stat(paths[i], &st) != 0) {
      char *why = must_format("%s: %s", paths[i], strerror(errno));
      tell_mistake(run, file, line, column, why);
      free(why);
      status = STATUS_USAGE;
    }
  }
  if (status == STATUS_OK) {
    l = load_once(run, paths, n);
    status = l->status;
    *ret_set = l->policies.set;
  }
  for (size_t i = 0; i < n; i++)
    free((char *)(uintptr_t)paths[i]);
  free(paths);
  return status;
}

/* ------------------------------------------------------------- findings --- */

static struct finding *finding_add(struct test_run *run) {
  if (run->nfindings == run->findings_cap) {
    run->findings_cap = run->findings_cap * 2 + 64;
    run->findings =
        must_resize(run->findings, run->findings_cap, sizeof *run->findings);
  }
  return &run->findings[run->nfindings++];
}

static void on_cover(void *ud, const cordon_cover *c) {
  struct finding *f = finding_add(ud);
  *f = (struct finding){.kind = c->kind,
                        .file = must_format("%s", c->file),
                        .policy = must_format("%s", c->policy_id),
                        .text = must_format("%s", c->text),
                        .line = c->line,
                        .column = c->column,
                        .yes = c->yes,
                        .no = c->no};
}

static void on_mutant(void *ud, const cordon_mutant *m) {
  struct finding *f = finding_add(ud);
  *f = (struct finding){.mutant = true,
                        .file = must_format("%s", m->file),
                        .policy = must_format("%s", m->policy_id),
                        .text = must_format("%s", m->change),
                        .witness =
                            m->witness ? must_format("%s", m->witness) : NULL,
                        .line = m->line,
                        .column = m->column,
                        .yes = m->noticed ? 1 : 0};
}

static int by_number(uint64_t a, uint64_t b) {
  return a < b ? -1 : a > b;
}

/* Equal findings are one; a policy comes before what is in it. */
static int by_place(const void *a, const void *b) {
  const struct finding *x = a, *y = b;
  int c = by_number(x->mutant, y->mutant);
  if (c == 0)
    c = strcmp(x->file, y->file);
  if (c == 0)
    c = strcmp(x->policy, y->policy);
  if (c == 0)
    c = by_number(x->kind, y->kind);
  if (c == 0)
    c = by_number(x->line, y->line);
  if (c == 0)
    c = by_number(x->column, y->column);
  return c ? c : strcmp(x->text, y->text);
}

static void finding_free(struct finding *f) {
  free(f->file);
  free(f->policy);
  free(f->text);
  free(f->witness);
}

/* Those of all files together. */
static void findings_merge(struct test_run *run) {
  struct finding *all = run->findings;
  size_t n = 0;
  if (run->nfindings == 0)
    return;
  qsort(all, run->nfindings, sizeof *all, by_place);
  for (size_t i = 1; i < run->nfindings; i++)
    if (by_place(&all[n], &all[i]) == 0) {
      all[n].yes += all[i].yes;
      all[n].no += all[i].no;
      finding_free(&all[i]);
    } else {
      all[++n] = all[i];
    }
  run->nfindings = n + 1;
}

static void note(struct test_run *run, const struct finding *f,
                 const char *what) {
  struct test_place at = {f->file, f->line, f->column};
  char id[1024];
  char *line;
  cordon_escape(id, sizeof id, f->policy, strlen(f->policy));
  line = f->text[0] ? must_format("%s: %s: %s", id, f->text, what)
                    : must_format("%s: %s", id, what);
  report_note(&run->report, &at, line);
  free(line);
}

/* Coverage first: numbers, then what is missing. */
static void report_coverage(struct test_run *run) {
  uint64_t had[3] = {0, 0, 0}, all[3] = {0, 0, 0};
  bool applied = true;
  char line[160];
  for (size_t i = 0; i < run->nfindings; i++) {
    const struct finding *f = &run->findings[i];
    if (f->mutant)
      continue;
    all[f->kind] += f->kind == CORDON_COVER_CONDITION ? 2 : 1;
    had[f->kind] += f->yes > 0;
    had[f->kind] += f->kind == CORDON_COVER_CONDITION && f->no > 0;
  }
  snprintf(line, sizeof line,
           "coverage: %" PRIu64 " of %" PRIu64 " policies, %" PRIu64
           " of %" PRIu64 " rules, %" PRIu64 " of %" PRIu64
           " outcomes of conditions",
           had[CORDON_COVER_POLICY], all[CORDON_COVER_POLICY],
           had[CORDON_COVER_RULE], all[CORDON_COVER_RULE],
           had[CORDON_COVER_CONDITION], all[CORDON_COVER_CONDITION]);
  report_note(&run->report, NULL, line);
  for (size_t i = 0; i < run->nfindings; i++) {
    const struct finding *f = &run->findings[i];
    if (f->mutant)
      continue;
    switch (f->kind) {
    case CORDON_COVER_POLICY:
      applied = f->yes > 0;
      if (!applied)
        note(run, f, "never applied");
      break;
    case CORDON_COVER_RULE: /* of a policy that never did, none did */
      if (applied && f->yes == 0)
        note(run, f, "never applied");
      break;
    case CORDON_COVER_CONDITION:
      if (f->yes == 0)
        note(run, f, f->no ? "never true" : "never true, never false");
      else if (f->no == 0)
        note(run, f, "never false");
      break;
    }
  }
}

static void report_survivor(struct test_run *run, const struct finding *f) {
  struct test_place at = {f->file, f->line, f->column};
  char *what = must_format("no test notices%s%s", f->witness ? ", try " : "",
                           f->witness ? f->witness : "");
  if (run->report.format == TEST_TEXT) {
    note(run, f, what);
  } else {
    char *name = must_format("mutant of %s: %s", f->policy, f->text);
    char *why = must_format("  %s\n", what);
    report_test(&run->report, &at, name, why, strlen(why));
    free(why);
    free(name);
  }
  free(what);
}

/* Each that survives is a failure: a test is missing.  True: there are none. */
static bool report_mutants(struct test_run *run) {
  size_t all = 0, survived = 0;
  char line[160];
  for (size_t i = 0; i < run->nfindings; i++) {
    all += run->findings[i].mutant;
    survived += run->findings[i].mutant && run->findings[i].yes == 0;
  }
  snprintf(line, sizeof line, "mutants: %zu of %zu noticed", all - survived,
           all);
  report_note(&run->report, NULL, line);
  for (size_t i = 0; i < run->nfindings; i++) {
    const struct finding *f = &run->findings[i];
    if (!f->mutant || f->yes > 0)
      continue;
    report_survivor(run, f);
  }
  return survived == 0;
}

/* ---------------------------------------------------------------- files --- */

/* True: every selected test passed. */
static bool run_suite(struct test_run *run, const char *file,
                      cordon_suite *suite) {
  const char *name;
  struct test_place at = {.file = file};
  cordon_error err;
  bool good = true;
  for (size_t i = 0;
       (name = cordon_suite_test(suite, i, &at.line, &at.column)) != NULL;
       i++) {
    struct text why = {0};
    size_t failed = 0;
    if (run->glob && fnmatch(run->glob, name, 0) != 0)
      continue;
    run->matched++;
    if (cordon_suite_run(suite, i, NULL, &failed, text_write, &why, &err) !=
        CORDON_OK) {
      char *line = must_format("  %s\n", err.message);
      text_write(&why, line, strlen(line));
      free(line);
      failed = 1;
    }
    report_test(&run->report, &at, name, failed ? why.p : NULL, why.len);
    good = good && failed == 0;
    free(why.p);
  }
  return good;
}

static bool measure(struct test_run *run, cordon_suite *suite, bool good) {
  cordon_error err;
  if ((run->coverage &&
       cordon_suite_coverage(suite, on_cover, run, &err) != CORDON_OK) ||
      (run->mutate && good &&
       cordon_suite_mutate(suite, on_mutant, run, &err) != CORDON_OK)) {
    say("%s", err.message);
    return false;
  }
  return true;
}

static int test_text(struct test_run *run, const char *file, const char *text,
                     size_t len) {
  struct mistake_in in = {run, file};
  cordon_source source = {file, text, len};
  cordon_suite *suite = NULL;
  cordon_policy *set = NULL;
  cordon_error err = {.code = CORDON_OK};
  int status = STATUS_LOAD, rv;
  if (len > FILE_MAX_BYTES) {
    tell_mistake(run, file, 0, 0, "the file is larger than 1 MiB");
    return STATUS_LOAD;
  }
  rv = cordon_suite_new(&suite, &source, NULL, on_mistake, &in, &err);
  if (rv == CORDON_OK) {
    status = load_policies(run, file, suite, &set);
    if (status == STATUS_OK) {
      rv = cordon_suite_bind(suite, set, on_mistake, &in, &err);
      status = rv == CORDON_OK ? STATUS_OK : STATUS_LOAD;
    }
  }
  if (rv != CORDON_OK && rv != CORDON_E_POLICY)
    say("%s: %s", file, err.message);
  if (status == STATUS_OK) {
    bool good = run_suite(run, file, suite);
    run->files++;
    if (!measure(run, suite, good) || !good)
      status = STATUS_NEGATIVE;
  }
  cordon_suite_free(suite);
  return status;
}

static void test_file(struct test_run *run, const char *file) {
  static const char why[] = "  it does not load: see standard error\n";
  char *text;
  size_t len;
  int status;
  if (read_path(file, FILE_MAX_BYTES, &text, &len)) {
    status = test_text(run, file, text, len);
    free(text);
  } else {
    say("%s: %s", file, strerror(errno));
    status = STATUS_USAGE;
  }
  if (status == STATUS_USAGE)
    run->unreadable = true;
  if (status == STATUS_LOAD)
    run->broken = true;
  /* whoever reads the report only must not take it for a pass */
  if ((status == STATUS_USAGE || status == STATUS_LOAD) &&
      run->report.format != TEST_TEXT)
    report_test(&run->report, &(struct test_place){file, 0, 0}, file, why,
                sizeof why - 1);
}

static void summary(const struct test_run *run, size_t passed, size_t failed) {
  size_t n = passed + failed;
  words("%zu %s in %zu %s: ", n, n == 1 ? "test" : "tests", run->files,
        run->files == 1 ? "file" : "files");
  if (failed > 0)
    words("%zu passed, %zu failed\n", passed, failed);
  else
    words("all passed\n");
}

static void run_deinit(struct test_run *run) {
  for (size_t i = 0; i < run->nloaded; i++) {
    policies_deinit(&run->loaded[i].policies);
    free(run->loaded[i].key);
  }
  free(run->loaded);
  for (size_t i = 0; i < run->nfindings; i++)
    finding_free(&run->findings[i]);
  free(run->findings);
}

static int test_all(struct test_run *run, const struct test_files *files) {
  size_t passed, failed;
  bool loads;
  int status;
  for (size_t i = 0; i < files->len; i++)
    test_file(run, files->items[i].path);
  run->unreadable |= files->unreadable > 0;
  passed = run->report.passed;
  failed = run->report.failed;
  loads = !run->unreadable && !run->broken;
  status = run->unreadable ? STATUS_USAGE
           : run->broken   ? STATUS_LOAD
           : failed > 0    ? STATUS_NEGATIVE
                           : STATUS_OK;
  findings_merge(run);
  if (run->coverage && loads && run->matched > 0)
    report_coverage(run);
  if (run->mutate && status == STATUS_OK && run->matched > 0 &&
      !report_mutants(run))
    status = STATUS_NEGATIVE;
  status = report_end(&run->report, status);
  if (!run->report.quiet && run->files > 0 &&
      !(run->glob && loads && run->matched == 0)) /* told below */
    summary(run, passed, failed);
  if (run->mutate && failed > 0)
    words("mutants are tried when every test passes\n");
  if (run->glob && loads && run->matched == 0)
    return say_usage("test", "no test matches --run '%s'", run->glob);
  return status;
}

/* -------------------------------------------------------------- command --- */

static bool find_format(const char *name, enum test_format *ret) {
  static const char *const names[] = {"text", "tap", "junit"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], name) == 0) {
      *ret = (enum test_format)i;
      return true;
    }
  return false;
}

struct arguments {
  struct test_run run;
  struct test_files files;
  enum test_format format;
  bool quiet;
  size_t words;
};

/* A status, or -1 to go on. */
static int read_arguments(struct arguments *a, int argc, char **argv) {
  struct options o = {.command = "test",
                      .table = test_options,
                      .argc = argc,
                      .argv = argv,
                      .at = 1};
  const char **paths = must_alloc((size_t)argc, sizeof(const char *));
  const char *value;
  int got, status = -1;
  while (status < 0 && (got = options_next(&o, &value)) != OPTION_END)
    switch (got) {
    case OPTION_WORD:
      paths[a->words++] = value;
      break;
    case RUN_GLOB:
      a->run.glob = value;
      break;
    case RUN_FORMAT:
      if (!find_format(value, &a->format))
        status = say_usage(
            "test", "--format takes text, tap or junit, not '%s'", value);
      break;
    case RUN_COVERAGE:
      a->run.coverage = true;
      break;
    case RUN_MUTATE:
      a->run.mutate = true;
      break;
    case RUN_QUIET:
      a->quiet = true;
      break;
    case OPTION_HELP:
      status = help_print(command_find("test"));
      break;
    default:
      status = STATUS_USAGE;
      break;
    }
  if (status < 0 && a->words == 0)
    status = say_usage("test", "which file or folder?");
  for (size_t i = 0; status < 0 && i < a->words; i++)
    test_files_add(&a->files, paths[i]);
  free(paths);
  return status;
}

int command_test(int argc, char **argv) {
  struct arguments *a = must_alloc(1, sizeof *a);
  int status = read_arguments(a, argc, argv);
  if (status < 0) {
    report_begin(&a->run.report, a->format, a->quiet);
    out_init(&a->run.told, STDERR_FILENO);
    status = test_all(&a->run, &a->files);
    run_deinit(&a->run);
  }
  test_files_deinit(&a->files);
  free(a);
  return status;
}
