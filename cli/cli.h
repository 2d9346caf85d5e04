/* cli.h - the commands of the program and the exit statuses they share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "cli/options.h"

#include <stdbool.h>

/* Frozen: scripts around the program rely on the numbers. */
enum status {
  STATUS_OK = 0,        /* done, allow, clean */
  STATUS_NEGATIVE = 1,  /* the script failed; or the answer is no */
  STATUS_USAGE = 2,     /* usage, or a file that cannot be read */
  STATUS_LOAD = 3,      /* a policy or a script does not load */
  STATUS_FORCED = 4,    /* the answer was forced by an evaluation error */
  STATUS_CPU = 10,      /* stopped by a limit: CPU time, */
  STATUS_MEMORY = 11,   /* memory, */
  STATUS_DEADLINE = 12, /* the deadline, */
  STATUS_LIMIT = 13,    /* or another one */
  STATUS_ISOLATION = 20, /* isolation could not be set up */
  STATUS_WORKER = 21     /* the worker process died */
};
#define STATUS_SIGNAL 128 /* plus the number of SIGINT or SIGTERM */

struct command {
  const char *name;
  int (*run)(int argc, char **argv); /* argv[0] is the name; the status */
  const char *brief;                 /* one line for the list */
  const char *help;                  /* what `cordon help NAME` prints */
  const struct option *options;      /* NULL: none but --help */
  const char *words; /* its other words: "FILE" or "COMMAND"; NULL: none */
};

/* Ends with a name of NULL. */
extern const struct command commands[];

/* Commands of a later version, for an honest answer; ends with NULL. */
extern const char *const later_commands[];

const struct command *command_find(const char *name); /* NULL: none */

/* Says that |name| is no command; returns the status. */
int command_unknown(const char *name);

int command_run(int argc, char **argv);
int command_repl(int argc, char **argv);
int command_check(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_test(int argc, char **argv);
int command_fmt(int argc, char **argv);
int command_schema(int argc, char **argv);
int command_help(int argc, char **argv);

extern const char help_repl[], help_run[], help_check[], help_doctor[], help_eval[], help_explain[], help_fmt[], help_schema[], help_test[],
    help_help[];

extern const struct option check_options[], doctor_options[], eval_options[],
    explain_options[], fmt_options[], help_options[], repl_options[], run_options[],
    test_options[];

/* Prints what |shell| (bash, zsh, fish) completes by; returns the status. */
int completion_print(const char *shell);

/* Prints a command's help, or with NULL the overview; returns the status. */
int help_print(const struct command *command);

/* The overview, on standard error: for those who gave no command. */
void help_overview_words(void);

#endif
