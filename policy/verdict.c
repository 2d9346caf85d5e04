/* verdict.c - what verdicts are called. */
#include "policy/decide.h"

const char *verdict_name(enum verdict v) {
  switch (v) {
  case VERDICT_DENY:
    return "deny";
  case VERDICT_ALLOW:
    return "allow";
  case VERDICT_UNDEFINED:
    return "undefined";
  }
  return "deny";
}
