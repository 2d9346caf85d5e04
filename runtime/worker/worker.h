/* worker.h - what runs inside a worker process: the seam between the helper
 * program, which forks and confines, and the code that runs scripts there. */
#ifndef RUNTIME_WORKER_WORKER_H
#define RUNTIME_WORKER_WORKER_H

struct worker_body {
  /* Once, in the template, before anything is forked: loads and touches what
   * all workers need (files can still be read: time zones and the like), so
   * that they share it and need not fault it in.  Starts no thread, opens no
   * descriptor that stays, keeps no secret: every worker gets a copy.  May be
   * NULL.
   *
   * For the same reason all workers of a template have its addresses and its
   * stack canary: what must differ between them, such as the seed of Lua's
   * hashes, comes from getrandom in |main|, not from an address. */
  void (*warm)(void);
  /* In each worker, confined (confine.h says what still works), with one thread
   * and the socket |fd|, SOCK_STREAM and blocking, at whose other end is
   * worker_fd() of spawn.h.  End of file on it: nobody waits any more.  What
   * it returns is the exit status (_exit: nothing that atexit knows runs, no
   * stdio is flushed); keep to 0..99.
   *
   * Descriptors 0, 1 and 2 are taken by ones that can neither be read nor
   * written; a received descriptor never gets a standard number.  SIGPIPE is
   * ignored, every other signal is as by default and unblocked. */
  int (*main)(int fd);
};

/* Returns the status of the process.  main.c calls it with the body of the
 * product, tests with others. */
int template_main(int argc, char **argv, const struct worker_body *body);

/* The body of the product. */
extern const struct worker_body worker_body;

#endif
