/* run_report.h - how a script has ended, told to people. */
#ifndef CLI_RUN_REPORT_H
#define CLI_RUN_REPORT_H

#include <cordon/cordon.h>

#include <stddef.h>

struct run_report {
  const char *who;  /* a workload; NULL: there is only one script */
  const char *name; /* of the script in messages */
  const char *text; /* of the script */
  size_t len;
  const cordon_limits *limits;
  const cordon_sandbox *sandbox;
  const char *ours; /* a script whose lines of a traceback are nobody's business;
                       NULL: none */
};

/* Where in its line the compiler gave up: it says "near 'word'", and no column.
 * 0: that word is not there, or not only once. */
uint32_t run_report_near(const char *text, size_t len, const cordon_error *err);

/* "cordon: ", the workload if there is one, and the words. */
void run_say(const char *who, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Says what |rv|, a result of the sandbox that is neither CORDON_OK nor
 * CORDON_E_CANCELLED, means.  The status. */
int run_report(const struct run_report *r, int rv, const cordon_error *err);

/* Says why there is no sandbox.  The status. */
int run_report_new(const char *who, int rv, const cordon_error *err);

#endif
