/* signals.c - the signals that end a command, or make it read again. */
#include "cli/signals.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define INTERRUPTS_MAX 100 /* nobody has looked at them for long */

volatile sig_atomic_t signal_got, reload_asked, interrupts;

static int wake_pipe[2] = {-1, -1};
static volatile sig_atomic_t counts_interrupts;
static void (*volatile on_first)(void);

static void on_signal(int number) {
  int saved = errno;
  if (number == SIGHUP) {
    reload_asked = 1;
  } else if (number == SIGINT && counts_interrupts &&
             interrupts < INTERRUPTS_MAX) {
    interrupts++;
  } else if (signal_got) {
    _exit(STATUS_SIGNAL + number);
  } else {
    signal_got = number;
    if (on_first)
      on_first();
  }
  if (write(wake_pipe[1], "", 1) < 0)
    errno = 0; /* full: the loop will wake */
  errno = saved;
}

bool signals_catch(unsigned how, void (*first)(void)) {
  const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  size_t n = how & SIGNALS_HANGUP ? 3 : 2;
  struct sigaction sa = {.sa_handler = on_signal}, old;
  sigemptyset(&sa.sa_mask);
  for (size_t i = 0; i < n; i++)
    sigaddset(&sa.sa_mask, numbers[i]);
  if (wake_pipe[0] < 0 && pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
    return false;
  counts_interrupts = (how & SIGNALS_INTERRUPTS) != 0;
  on_first = first;
  for (size_t i = 0; i < n; i++) {
    /* to read again is no reason to break anything off */
    sa.sa_flags = numbers[i] == SIGHUP ? SA_RESTART : 0;
    /* nohup and shells that start us in the background ignore them for us */
    if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
      sigaction(numbers[i], &sa, NULL);
  }
  return true;
}

int signals_fd(void) {
  return wake_pipe[0];
}

void signals_drain(void) {
  char drained[64];
  while (read(wake_pipe[0], drained, sizeof drained) > 0)
    ;
}

const char *signals_name(void) {
  return signal_got == SIGINT ? "SIGINT" : "SIGTERM";
}

int signals_stopped(void) {
  say("stopped by %s", signals_name());
  return STATUS_SIGNAL + signal_got;
}
