/* script_output.h - what a script prints, on its way to standard output.  A
 * slow reader holds up neither the script's limits nor its sockets, and loses
 * nothing. */
#ifndef CLI_SCRIPT_OUTPUT_H
#define CLI_SCRIPT_OUTPUT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What may wait; a script that is further ahead of its reader is held up. */
#define SCRIPT_OUTPUT_MAX_BYTES (64u * 1024 * 1024)

struct script_output {
  int fd;
  bool visible; /* a terminal: escape sequences are shown, not sent */
  bool whole;   /* a regular file: takes everything at once */
  bool socket;
  int error; /* errno of the write that failed; from then on all is dropped */
  const volatile sig_atomic_t *stop; /* not 0: hold nothing up; may be NULL */
  uint64_t until_ms; /* on script_output_now_ms: nor from then on, when
                        somebody's deadline passes; 0: there is none */
  char *data;
  size_t begin, end, cap; /* data[begin..end) waits */
};

void script_output_init(struct script_output *o, int fd);
void script_output_deinit(struct script_output *o);

uint64_t script_output_now_ms(void); /* of a clock that only goes on */

/* |delay_ms| behind |at_ms|; 0: never, as a |delay_ms| of 0 is */
uint64_t script_output_until(uint64_t at_ms, uint64_t delay_ms);

/* Takes one print; writes it at once if |o->fd| is ready. */
void script_output_add(struct script_output *o, const char *data, size_t len);

/* Something waits: |o->fd| is to be polled for writing. */
bool script_output_waits(const struct script_output *o);

/* Writes what can be written without waiting. */
void script_output_flush(struct script_output *o);

#endif
