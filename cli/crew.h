/* crew.h - the workloads of a manifest, side by side in one host: started in
 * order, watched, started again, stopped. */
#ifndef CLI_CREW_H
#define CLI_CREW_H

#include "cli/manifest.h"
#include "cli/run.h"

#define GRACE_DEFAULT_MS 5000 /* for an orderly stop */

/* Takes |files| over.  Runs them until all have ended, or a signal has stopped
 * them.  With |w|, which has all that was read of them, it reads again what has
 * changed there, and goes on until a signal.  STATUS_OK if the last run of each
 * ended well; 128 and the number after a signal; else the status of the first
 * in the manifest's order whose last run did not. */
int crew_run(struct run_setup *setup, struct manifest_files *files,
             struct watch *w);

#endif
