/* gate.c - code that may be left behind at any instruction. */
#include "runtime/base/gate.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>

struct window {
  sigjmp_buf out;
  const void *owner;
  struct window *outer; /* around the host code that called gate_run */
  int outer_depth;
  int outer_due;
  bool masked; /* left from a handler: |mask| is to be restored */
  sigset_t mask;
};

_Thread_local struct gate gate_of_thread = {1, 0, NULL};

static void close_window(struct window *w) {
  gate_of_thread.depth = w->outer_depth;
  atomic_signal_fence(memory_order_seq_cst);
  /* In this order: what is due from now on is due to the outer one. */
  gate_of_thread.here = w->outer;
  gate_of_thread.due = w->outer_due;
}

bool gate_run(const void *owner, void (*fn)(void *ud), void *ud) {
  struct window w;
  w.owner = owner;
  w.outer = gate_of_thread.here;
  w.outer_depth = gate_of_thread.depth;
  w.outer_due = gate_of_thread.due;
  w.masked = false;
  /* Without the signal mask, which would cost a system call each time: the
   * handler knows it. */
  if (sigsetjmp(w.out, 0) != 0) {
    close_window(&w);
    if (w.masked)
      pthread_sigmask(SIG_SETMASK, &w.mask, NULL);
    return false;
  }
  gate_of_thread.due = 0;
  gate_of_thread.here = &w;
  atomic_signal_fence(memory_order_seq_cst);
  gate_of_thread.depth = 0;
  fn(ud);
  close_window(&w);
  return true;
}

void gate_jump(void) {
  struct window *w = gate_of_thread.here;
  gate_of_thread.depth = 1;
  atomic_signal_fence(memory_order_seq_cst);
  siglongjmp(w->out, 1);
}

void gate_abandon(const void *owner, const sigset_t *mask) {
  struct window *w = gate_of_thread.here;
  if (!w || w->owner != owner)
    return;
  if (gate_closed()) {
    gate_of_thread.due = 1;
    return;
  }
  if (mask) {
    w->mask = *mask;
    w->masked = true;
  }
  gate_jump();
}

#ifdef GATE_CHECKED
void __sanitizer_print_stack_trace(void);

void gate_broken(void) {
  __sanitizer_print_stack_trace();
  abort();
}
#endif
