/* control.h - what the parent and the template say to each other: one struct a
 * packet, over a SOCK_SEQPACKET socketpair that nobody else ever holds.  Both
 * are of one build, which the first argument of the helper program proves. */
#ifndef RUNTIME_WORKER_CONTROL_H
#define RUNTIME_WORKER_CONTROL_H

#include <stdint.h>

#include "runtime/worker/confine.h"

/* Changes whenever a struct below does. */
#define CONTROL_VERSION PACKAGE_VERSION "/2"

/* Descriptors.  0 to 2 are plugged everywhere, 3 in the template. */
enum {
  CONTROL_WORKER_FD = 3,   /* in a worker: its socket */
  CONTROL_FD = 4,          /* in the template, and in a worker until it says
                              that it is ready */
  CONTROL_HOST_FD = 5,     /* in the template: pidfd of the host */
  CONTROL_FIRST_UNUSED = 6 /* in the template, when it starts */
};

/* AddressSanitizer needs its shadow's addresses, and standard error. */
#if defined __SANITIZE_ADDRESS__
#define CONTROL_SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define CONTROL_SANITIZED 1
#endif
#endif
#ifndef CONTROL_SANITIZED
#define CONTROL_SANITIZED 0
#endif

/* For what runs on a stack that AddressSanitizer knows nothing of. */
#if CONTROL_SANITIZED
#define FOREIGN_STACK __attribute__((no_sanitize("address", "undefined")))
#else
#define FOREIGN_STACK
#endif

/* New ones come last: a helper of another version tells that it is one with the
 * number that HELLO has always had. */
enum control_op {
  /* requests */
  CONTROL_SPAWN = 1, /* with the worker's socket */
  CONTROL_PROBE,     /* the same; go through all steps, run nothing */
  CONTROL_KILL,
  /* replies */
  CONTROL_HELLO,   /* from the template; with its pidfd */
  CONTROL_STARTED, /* from the template; with the worker's pidfd */
  CONTROL_READY,   /* from the worker, before or after CONTROL_STARTED */
  CONTROL_FAILED,  /* from the worker, or the template that could not fork */
  CONTROL_PROBED,  /* from the worker */
  CONTROL_EXITED,  /* from the template, after all others of this worker */
  /* a request: once, the first one but for a worker that is wanted from the
   * start; with the namespaces that were made for it, in the order of their
   * bits */
  CONTROL_NAMESPACES
};

/* Behind confine.h's steps. */
enum { CONTROL_STEP_FORK = CONFINE_NSTEPS, CONTROL_STEP_VERSION };

struct control_request {
  uint32_t op;
  uint32_t cpu_s;
  uint64_t id; /* the parent's; comes back in the replies */
  uint64_t memory_bytes;
  uint32_t nofile;
  /* NAMESPACES: WORKER_NS_ bits of those it is in and those that come with
   * this, and why others are missing, or 0. */
  uint32_t namespaces;
  int32_t sys_errno;
  uint32_t zero;
};

struct control_reply {
  uint32_t op;
  uint32_t namespaces; /* HELLO: WORKER_NS_ bits */
  uint64_t id;
  int32_t step;      /* FAILED, HELLO (CONTROL_STEP_VERSION: not my version) */
  int32_t sys_errno; /* FAILED; HELLO: why namespaces are missing, or 0 */
  int32_t status;    /* EXITED: as wait(2) has it */
  int32_t landlock_abi; /* READY, PROBED */
  int32_t holds;        /* PROBED: what must be refused was refused */
  int32_t step_errno[CONFINE_NSTEPS]; /* PROBED */
  char seccomp_version[16];           /* PROBED */
};

#endif
