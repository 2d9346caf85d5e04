/* signals.h - the signals that end a command, or make it read again: noted by
 * the handler, and a pipe wakes the loop.  Owns the pipe. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* What has come.  Only to be read, but for what the comments say. */
extern volatile sig_atomic_t signal_got; /* the first SIGINT or SIGTERM; 0 */
extern volatile sig_atomic_t
    reload_asked;                        /* SIGHUP; set to 0 when it is done */
extern volatile sig_atomic_t interrupts; /* see SIGNALS_INTERRUPTS; set to 0 */

enum {
  SIGNALS_HANGUP = 1,    /* SIGHUP too */
  SIGNALS_INTERRUPTS = 2 /* SIGINT is counted, and ends nothing: somebody sits
                            at a terminal */
};

/* Catches SIGINT and SIGTERM, of which the second one ends the program at once,
 * with its status; what the caller of the program ignores stays ignored.
 * |first| (NULL: nothing) is called by the handler when |signal_got| was set.
 * False with errno. */
bool signals_catch(unsigned how, void (*first)(void));

/* Readable when a signal has come, until signals_drain. */
int signals_fd(void);
void signals_drain(void);

/* "SIGINT" or "SIGTERM", as |signal_got| says. */
const char *signals_name(void);

/* Says that it was stopped; returns the status. */
int signals_stopped(void);

#endif
