/* check.c - cordon check: everything wrong with policies. */
#include "cli/cli.h"

#include "cli/options.h"
#include "cli/policies.h"
#include "cli/print.h"

#include <cordon/cordon.h>

#include <stdlib.h>
#include <unistd.h>

static const struct option check_options[] = {
    {"quiet", 'q', NULL, false, false},
    {"format", 0, "FORMAT", false, true},
    {"fail-level", 0, "LEVEL", false, true},
    {"explain", 0, "CODE", false, true},
    {"compat", 0, NULL, false, true},
    {NULL, 0, NULL, false, false},
};
enum { CHECK_QUIET };

static const char *plural(size_t n, const char *one, const char *many) {
  return n == 1 ? one : many;
}

static int check_paths(const char *const *paths, size_t n, bool quiet) {
  struct policies p;
  struct out o;
  size_t count;
  int status;
  out_init(&o, STDOUT_FILENO);
  policies_init(&p, &o);
  policies_add(&p, paths, n);
  status = policies_finish(&p);
  count = cordon_policy_count(p.set);
  if (out_flush(&o) == 0 && !quiet) {
    if (p.mistakes > 0)
      words("%zu %s\n", p.mistakes, plural(p.mistakes, "mistake", "mistakes"));
    else if (status == STATUS_OK)
      words("%zu %s, %zu %s: ok\n", p.files, plural(p.files, "file", "files"),
            count, plural(count, "policy", "policies"));
  }
  policies_deinit(&p);
  return out_finish(&o, status);
}

int command_check(int argc, char **argv) {
  struct options o = {.command = "check",
                      .table = check_options,
                      .argc = argc,
                      .argv = argv,
                      .at = 1};
  const char **paths = must_alloc((size_t)argc, sizeof(const char *));
  const char *value;
  bool quiet = false;
  size_t n = 0;
  int got, status = STATUS_OK;
  while (status == STATUS_OK && (got = options_next(&o, &value)) != OPTION_END)
    switch (got) {
    case OPTION_WORD:
      paths[n++] = value;
      break;
    case CHECK_QUIET:
      quiet = true;
      break;
    case OPTION_HELP:
      free(paths);
      return help_print(command_find("check"));
    default:
      status = STATUS_USAGE;
      break;
    }
  if (status == STATUS_OK && n == 0)
    status = say_usage("check", "which file or folder?");
  if (status == STATUS_OK)
    status = check_paths(paths, n, quiet);
  free(paths);
  return status;
}
