/* gate.h - code that may be left behind at any instruction, and code that may
 * not.
 *
 * A script that does not stop is abandoned: control leaves the interpreter by
 * siglongjmp, from the handler of a timer, wherever it is.  That is sound only
 * while it touches nothing but memory that is thrown away afterwards.  So every
 * thread has a gate.  It is closed, but for the body of gate_run; and in there
 * whoever touches anything else (lists and timers of the host, malloc and other
 * libc functions that lock, callbacks, libraries) does so between gate_enter
 * and gate_leave.  An abandonment that comes meanwhile waits for gate_leave.
 *
 * The stretch between the two is short, bounded, and whole: what is in it has
 * happened or has not, and nothing in it can leave by an error of Lua.  It is
 * checked, not trusted: in builds with sanitizers the primitives of the host
 * (gate_check) end the process when they are reached through an open gate. */
#ifndef RUNTIME_BASE_GATE_H
#define RUNTIME_BASE_GATE_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

struct window;

struct gate {
  volatile int depth;           /* of host code; 0: open */
  volatile int due;             /* abandon as soon as it is open */
  struct window *volatile here; /* the innermost gate_run, or NULL */
};

/* Initial-exec: a signal handler must not be the first to touch it, for that
 * could allocate. */
extern _Thread_local struct gate gate_of_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Runs |fn| with the gate open.  False: it was abandoned; the frames of |fn|
 * and all they held are gone.  |owner| tells whose it is for gate_abandon.  May
 * be nested, inside of host code. */
bool gate_run(const void *owner, void (*fn)(void *ud), void *ud);

/* From a signal handler (|mask|: of the interrupted code): leaves the innermost
 * gate_run if it is |owner|'s and the gate is open, and does not return then;
 * else makes gate_leave do that.  Without a handler |mask| is NULL. */
void gate_abandon(const void *owner, const sigset_t *mask);

/* Not to be called: what gate_leave does when something is due. */
void gate_jump(void);

static inline void gate_enter(void) {
  gate_of_thread.depth = gate_of_thread.depth + 1;
  atomic_signal_fence(memory_order_seq_cst);
}

static inline void gate_leave(void) {
  int depth = gate_of_thread.depth - 1;
  atomic_signal_fence(memory_order_seq_cst);
  gate_of_thread.depth = depth;
  if (depth == 0 && gate_of_thread.due)
    gate_jump();
}

/* Is the gate closed, as everything but the interpreter needs it? */
static inline bool gate_closed(void) {
  return gate_of_thread.depth > 0;
}

#if defined(__SANITIZE_ADDRESS__)
#define GATE_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GATE_CHECKED 1
#endif
#endif
#ifdef GATE_CHECKED
void gate_broken(void);
#define gate_check() (gate_closed() ? (void)0 : gate_broken())
#else
#define gate_check() ((void)0)
#endif

#endif
