/* check.c - cordon check: everything wrong with policies, and what is unwise.
 */
#include "cli/cli.h"

#include "cli/check_fix.h"
#include "cli/check_report.h"
#include "cli/files.h"
#include "cli/manifest_examine.h"
#include "cli/options.h"
#include "cli/policies.h"
#include "cli/print.h"

#include <cordon/cordon.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct option check_options[] = {
    {"quiet", 'q', NULL, false, false},
    {"format", 0, "text|json|sarif|github", false, false},
    {"fail-level", 0, "error|warning|note", false, false},
    {"explain", 0, "CODE", false, false},
    {"compat", 0, NULL, false, false},
    {"fix", 0, NULL, false, false},
    {"catalogue", 0, "FILE", false, false},
    {NULL, 0, NULL, false, false},
};
enum {
  CHECK_QUIET,
  CHECK_FORMAT,
  CHECK_FAIL_LEVEL,
  CHECK_EXPLAIN,
  CHECK_COMPAT,
  CHECK_FIX,
  CHECK_CATALOGUE
};

/* A file with workloads. */
struct manifest_of {
  char *path;
  cordon_manifest *manifest; /* NULL: it has mistakes */
};

struct check {
  const char **paths;
  size_t npaths;
  const char *explain, *catalogue_path;
  enum check_format format;
  cordon_severity fail_level;
  bool quiet, compat, fix;
  cordon_value *catalogue;
  cordon_suite **suites; /* bound and run */
  size_t nsuites;
  struct check_report report;
  struct manifest_of *manifests;
  size_t nmanifests;
  struct compile_share share;
};

static const char *plural(size_t n, const char *one, const char *many) {
  return n == 1 ? one : many;
}

/* ----------------------------------------------------------------- tests ---
 */

static void drop(void *ud, const char *data, size_t len) {
  (void)ud;
  (void)data;
  (void)len;
}

/* Runs the tests of |path| against |set|.  A test file that does not load, or
 * is about other policies, says nothing about these: cordon test tells. */
static void run_tests(struct check *c, const char *path, cordon_policy *set) {
  cordon_source source = {.name = path};
  cordon_suite *s = NULL;
  cordon_error err;
  char *text;
  size_t len;
  bool good;
  if (!read_path(path, FILE_MAX_BYTES, &text, &len))
    return;
  source.text = text;
  source.len_bytes = len;
  good = len <= FILE_MAX_BYTES &&
         cordon_suite_new(&s, &source, NULL, NULL, NULL, &err) == CORDON_OK &&
         cordon_suite_bind(s, set, NULL, NULL, &err) == CORDON_OK;
  free(text);
  for (size_t i = 0; good && cordon_suite_test(s, i, NULL, NULL); i++)
    good = cordon_suite_run(s, i, NULL, NULL, drop, NULL, &err) == CORDON_OK;
  if (!good) {
    if (!c->quiet)
      words_line("%s: not looked at, see 'cordon test'", path);
    cordon_suite_free(s);
    return;
  }
  c->suites = must_resize(c->suites, c->nsuites + 1, sizeof *c->suites);
  c->suites[c->nsuites++] = s;
}

struct tests_of {
  struct check *check;
  cordon_policy *set;
};

static void each_file(void *ud, const char *path, bool below) {
  const struct tests_of *t = ud;
  size_t len = strlen(path);
  if (below && ((len > 10 && strcmp(path + len - 10, "_test.yaml") == 0) ||
                (len > 9 && strcmp(path + len - 9, "_test.yml") == 0)))
    run_tests(t->check, path, t->set);
}

static void drop_tests(struct check *c) {
  for (size_t i = 0; i < c->nsuites; i++)
    cordon_suite_free(c->suites[i]);
  free(c->suites);
  c->suites = NULL;
  c->nsuites = 0;
}

/* ----------------------------------------------------------------- check ---
 */

static void on_mistake(void *ud, const char *path,
                       const cordon_error *mistake) {
  struct check *c = ud;
  check_report_mistake(&c->report, path, mistake);
}

static void on_file(void *ud, const char *path, const char *text, size_t len) {
  struct check *c = ud;
  cordon_manifest *m;
  if (!manifest_has_workloads(text, len))
    return;
  m = manifest_examine(path, text, len, &c->share, on_mistake, c);
  c->manifests =
      must_resize(c->manifests, c->nmanifests + 1, sizeof *c->manifests);
  c->manifests[c->nmanifests++] =
      (struct manifest_of){.path = must_format("%s", path), .manifest = m};
  for (size_t i = 0; m && cordon_manifest_at(m, i); i++)
    c->report.workloads++;
}

struct names_of {
  struct check *check;
  const char *path;
};

static void on_name(void *ud, const cordon_error *mistake) {
  const struct names_of *n = ud;
  on_mistake(n->check, n->path, mistake);
}

/* The policies and groups that workloads name may stand in other files. */
static void check_names(struct check *c, cordon_policy *set) {
  for (size_t i = 0; i < c->nmanifests; i++) {
    struct names_of n = {c, c->manifests[i].path};
    cordon_error err;
    int rv;
    if (!c->manifests[i].manifest)
      continue;
    rv =
        cordon_manifest_check(c->manifests[i].manifest, set, on_name, &n, &err);
    if (rv != CORDON_OK && rv != CORDON_E_POLICY)
      say("%s: %s", n.path, err.message);
  }
}

static void drop_manifests(struct check *c) {
  for (size_t i = 0; i < c->nmanifests; i++) {
    cordon_manifest_free(c->manifests[i].manifest);
    free(c->manifests[i].path);
  }
  free(c->manifests);
  c->manifests = NULL;
  c->nmanifests = 0;
}

static void on_finding(void *ud, const cordon_finding *f) {
  struct check *c = ud;
  check_report_finding(&c->report, f);
}

static int advise(struct check *c, cordon_policy *set) {
  struct tests_of tests = {c, set}; /* that lie in the folders */
  cordon_lint_config cfg;
  cordon_error err;
  int rv;
  policies_each(c->paths, c->npaths, each_file, &tests);
  cordon_lint_config_init(&cfg);
  cfg.catalogue = c->catalogue;
  cfg.suites = (const cordon_suite *const *)c->suites;
  cfg.nsuites = c->nsuites;
  rv = cordon_policy_lint(set, &cfg, on_finding, c, &err);
  drop_tests(c);
  if (rv == CORDON_OK)
    return STATUS_OK;
  if (rv == CORDON_E_SYNTAX) {
    say("%s: %s", c->catalogue_path, err.message);
    return STATUS_USAGE;
  }
  say("%s", err.message);
  return STATUS_NEGATIVE;
}

/* Loads the policies into the report; |compat| reads as --compat does. */
static int load(struct check *c, bool compat) {
  struct policies p;
  struct out unused;
  cordon_error err;
  int status;
  check_report_clear(&c->report);
  out_init(&unused, STDOUT_FILENO);
  policies_init(&p, &unused);
  p.tell = on_mistake;
  p.tell_ud = c;
  if (!compat) /* the original runtime's workloads have more */
    p.file = on_file;
  p.file_ud = c;
  if (compat && cordon_policy_compat(p.set, &err) != CORDON_OK)
    say("%s", err.message);
  policies_add(&p, c->paths, c->npaths);
  status = policies_finish(&p);
  c->report.files = p.files;
  c->report.policies = cordon_policy_count(p.set);
  if (status == STATUS_OK && c->nmanifests > 0)
    check_names(c, p.set);
  if (c->nmanifests > 0) {
    check_report_order(&c->report);
    if (status == STATUS_OK && c->report.count[CORDON_ERROR] > 0)
      status = STATUS_LOAD;
  }
  drop_manifests(c);
  if (status == STATUS_OK)
    status = advise(c, p.set);
  policies_deinit(&p);
  return status;
}

static void summary(const struct check *c, int status) {
  const struct check_report *r = &c->report;
  const size_t *n = r->count;
  if (n[CORDON_ERROR] > 0) {
    words("%zu %s\n", n[CORDON_ERROR],
          plural(n[CORDON_ERROR], "mistake", "mistakes"));
    return;
  }
  if (status != STATUS_OK)
    return;
  words("%zu %s, %zu %s", r->files, plural(r->files, "file", "files"),
        r->policies, plural(r->policies, "policy", "policies"));
  if (r->workloads > 0)
    words(", %zu %s", r->workloads,
          plural(r->workloads, "workload", "workloads"));
  words(": ");
  if (n[CORDON_WARNING] + n[CORDON_NOTE] == 0) {
    words("ok\n");
    return;
  }
  if (n[CORDON_WARNING])
    words("%zu %s%s", n[CORDON_WARNING],
          plural(n[CORDON_WARNING], "warning", "warnings"),
          n[CORDON_NOTE] ? ", " : "\n");
  if (n[CORDON_NOTE])
    words("%zu %s\n", n[CORDON_NOTE], plural(n[CORDON_NOTE], "note", "notes"));
}

static int check(struct check *c) {
  struct out o;
  int status = STATUS_OK;
  if (c->fix) {
    status = load(c, true);
    if (status == STATUS_OK) {
      size_t n = check_fix(&c->report);
      if (!c->quiet)
        words("%zu %s corrected\n", n, plural(n, "place", "places"));
    }
  }
  if (status != STATUS_USAGE)
    status = load(c, c->compat);
  out_init(&o, STDOUT_FILENO);
  check_report_write(&c->report, c->format, &o);
  if (out_flush(&o) == 0 && !c->quiet)
    summary(c, status);
  if (status == STATUS_OK)
    for (int s = (int)c->fail_level; s <= (int)CORDON_ERROR; s++)
      if (c->report.count[s] > 0)
        status = STATUS_NEGATIVE;
  check_report_clear(&c->report);
  return out_finish(&o, status);
}

/* --------------------------------------------------------------- options ---
 */

static int explain(const char *code) {
  const char *page = cordon_lint_page(code), *near;
  const char *codes[64];
  struct out o;
  size_t n = 0;
  if (!page) {
    while (n < sizeof codes / sizeof *codes &&
           (codes[n] = cordon_lint_code(n)) != NULL)
      n++;
    near = nearest(code, codes);
    if (near)
      return say_usage("check", "no code '%s', did you mean '%s'?", code, near);
    words_line("cordon check: no code '%s'; the codes are:", code);
    for (size_t i = 0; i < n; i++)
      words("  %s\n", codes[i]);
    return STATUS_USAGE;
  }
  out_init(&o, STDOUT_FILENO);
  out_text(&o, page);
  return out_finish(&o, STATUS_OK);
}

/* The index of |value| in |words|, which ends with NULL; -1: it is none, which
 * has been said. */
static int choose(const char *option, const char *value,
                  const char *const *choices) {
  const char *near;
  for (int i = 0; choices[i]; i++)
    if (strcmp(value, choices[i]) == 0)
      return i;
  near = nearest(value, choices);
  say_usage("check", "--%s: unknown word '%s'%s%s%s", option, value,
            near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
  return -1;
}

static int read_catalogue(struct check *c) {
  cordon_error err;
  char *text;
  size_t len;
  int rv;
  if (!read_path(c->catalogue_path, FILE_MAX_BYTES, &text, &len)) {
    say("%s: %s", c->catalogue_path, strerror(errno));
    return STATUS_USAGE;
  }
  rv = cordon_value_from_yaml(&c->catalogue, text, len, NULL, &err);
  free(text);
  if (rv == CORDON_OK)
    return STATUS_OK;
  say("%s:%u:%u: %s", c->catalogue_path, err.line, err.column, err.message);
  return STATUS_USAGE;
}

static int read_options(struct check *c, struct options *o, bool *ret_help) {
  static const char *const formats[] = {"text", "json", "sarif", "github",
                                        NULL};
  static const char *const levels[] = {"note", "warning", "error", NULL};
  const char *value;
  int got, chosen;
  while ((got = options_next(o, &value)) != OPTION_END)
    switch (got) {
    case OPTION_WORD:
      c->paths[c->npaths++] = value;
      break;
    case CHECK_QUIET:
      c->quiet = true;
      break;
    case CHECK_FORMAT:
      if ((chosen = choose("format", value, formats)) < 0)
        return STATUS_USAGE;
      c->format = (enum check_format)chosen;
      break;
    case CHECK_FAIL_LEVEL:
      if ((chosen = choose("fail-level", value, levels)) < 0)
        return STATUS_USAGE;
      c->fail_level = (cordon_severity)chosen;
      break;
    case CHECK_EXPLAIN:
      c->explain = value;
      break;
    case CHECK_COMPAT:
      c->compat = true;
      break;
    case CHECK_FIX:
      c->fix = true;
      break;
    case CHECK_CATALOGUE:
      c->catalogue_path = value;
      break;
    case OPTION_HELP:
      *ret_help = true;
      return STATUS_OK;
    default:
      return STATUS_USAGE;
    }
  return STATUS_OK;
}

int command_check(int argc, char **argv) {
  struct options o = {.command = "check",
                      .table = check_options,
                      .argc = argc,
                      .argv = argv,
                      .at = 1};
  struct check c = {.paths = must_alloc((size_t)argc, sizeof(const char *)),
                    .fail_level = CORDON_WARNING};
  bool help = false;
  int status = read_options(&c, &o, &help);
  if (status == STATUS_OK && help)
    status = help_print(command_find("check"));
  else if (status == STATUS_OK && c.explain)
    status = explain(c.explain);
  else if (status == STATUS_OK && c.npaths == 0)
    status = say_usage("check", "which file or folder?");
  else if (status == STATUS_OK &&
           (!c.catalogue_path || (status = read_catalogue(&c)) == STATUS_OK))
    status = check(&c);
  cordon_value_free(c.catalogue);
  free(c.paths);
  return status;
}
