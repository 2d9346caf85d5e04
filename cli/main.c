/* main.c - finds the command and starts it. */
#include "cli/cli.h"

#include "cli/options.h"
#include "cli/print.h"

#include <cordon/cordon.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct command commands[] = {
    {"run", command_run, "run a script under policy", help_run, run_options,
     "FILE"},
    {"repl", command_repl, "type Lua, under policy", help_repl, repl_options,
     NULL},
    {"check", command_check, "find everything wrong with policies", help_check,
     check_options, "FILE"},
    {"eval", command_eval, "one decision, or a stream of them", help_eval,
     eval_options, NULL},
    {"explain", command_explain, "one decision, with everything behind it",
     help_explain, explain_options, NULL},
    {"test", command_test, "run the tests of policies", help_test, test_options,
     "FILE"},
    {"fmt", command_fmt, "policy files in their canonical layout", help_fmt,
     fmt_options, "FILE"},
    {"schema", command_schema, "JSON Schema of policy files", help_schema, NULL,
     NULL},
    {"doctor", command_doctor, "what this machine supports", help_doctor,
     doctor_options, NULL},
    {"help", command_help, "this overview, or the help of a command", help_help,
     help_options, "COMMAND"},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

const char *const later_commands[] = {"diff", "suggest", NULL};

const struct command *command_find(const char *name) {
  for (const struct command *c = commands; c->name; c++)
    if (strcmp(c->name, name) == 0)
      return c;
  return NULL;
}

int command_unknown(const char *name) {
  const char *names[sizeof commands / sizeof *commands];
  size_t n = 0;
  const char *near;
  for (const char *const *later = later_commands; *later; later++)
    if (strcmp(*later, name) == 0) {
      say("command '%s' is not in this version", name);
      return STATUS_USAGE;
    }
  for (const struct command *c = commands; c->name; c++)
    names[n++] = c->name;
  names[n] = NULL;
  near = nearest(name, names);
  if (near)
    say("unknown command '%s', did you mean '%s'?", name, near);
  else
    say("unknown command '%s'", name);
  words_text("  try 'cordon help'\n");
  return STATUS_USAGE;
}

/* Without one of them, the next file or socket would become standard output.
 * Each is opened the wrong way round: using it is an error, as it would have
 * been. */
static void hold_standard_fds(void) {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
        open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
      _exit(STATUS_USAGE);
}

static int print_version(void) {
  struct out o;
  out_init(&o, STDOUT_FILENO);
  out_text(&o, "cordon ");
  out_text(&o, cordon_version());
  out_text(&o, "\n");
  return out_finish(&o, STATUS_OK);
}

/* glibc gives the end of its heap back to the kernel whenever 128 KiB of it are
 * free, until it has seen a larger block freed (mallopt(3), M_MMAP_THRESHOLD):
 * long messages would cost page faults each time.  Twice as much as this is
 * kept, which is the room for what a script has in hand of those of 1 MiB. */
static void expect_messages(void) {
  volatile char *p = malloc((size_t)4 << 20);
  if (!p)
    return;
  *p = 0; /* else a compiler may leave both calls out */
  free((void *)p);
}

int main(int argc, char **argv) {
  const struct command *command;
  hold_standard_fds();
  expect_messages();
  signal(SIGPIPE, SIG_IGN); /* a write that fails is reported where it is */
  if (argc < 2) {
    help_overview_words();
    return STATUS_USAGE;
  }
  if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
    return print_version();
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
    return help_print(NULL);
  if (argv[1][0] == '-') {
    say("unknown option '%s'", argv[1]);
    words_text("  try 'cordon help'\n");
    return STATUS_USAGE;
  }
  command = command_find(argv[1]);
  return command ? command->run(argc - 1, argv + 1) : command_unknown(argv[1]);
}
