/* control.c - the names of the steps, for both sides. */
#include "runtime/worker/control.h"

const char *confine_step_text(unsigned step) {
  switch (step) {
#define STEP_TEXT(name, text)                                                  \
  case CONFINE_##name:                                                         \
    return text;
    CONFINE_STEPS(STEP_TEXT)
#undef STEP_TEXT
  case CONTROL_STEP_FORK:
    return "start the process";
  case CONTROL_STEP_VERSION:
    return "find a helper program of this version";
  default:
    return "unknown step";
  }
}
