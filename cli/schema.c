/* schema.c - cordon schema: the JSON Schema of policy files. */
#include "cli/cli.h"

#include "cli/options.h"
#include "cli/print.h"

#include <cordon/cordon.h>

#include <unistd.h>

int command_schema(int argc, char **argv) {
  static const struct option none[] = {{NULL, 0, NULL, false, false}};
  struct options o = {
      .command = "schema", .table = none, .argc = argc, .argv = argv, .at = 1};
  const char *value;
  struct out out;
  int got = options_next(&o, &value);
  if (got == OPTION_BAD)
    return STATUS_USAGE;
  if (got == OPTION_HELP)
    return help_print(command_find("schema"));
  if (got != OPTION_END)
    return say_usage("schema", "unexpected '%s'", value);
  out_init(&out, STDOUT_FILENO);
  cordon_policy_schema(out_write, &out);
  return out_finish(&out, STATUS_OK);
}
