/* refusals.h - what was refused, told to people: once for each that differs. */
#ifndef CLI_REFUSALS_H
#define CLI_REFUSALS_H

#include <cordon/cordon.h>

#include <stddef.h>
#include <stdint.h>

#define REFUSALS_MAX 256 /* distinct ones that are told in a run */

/* Zeroed to start. */
struct refusals {
  uint64_t told[REFUSALS_MAX]; /* hashes of the refusals told */
  size_t n;
};

/* |who|: a workload, or NULL; |advice| (may be NULL): lines with two blanks in
 * front, told behind what the policies have to say. */
void refusals_tell(struct refusals *r, const char *who,
                   const cordon_audit_event *e, const char *advice);

#endif
