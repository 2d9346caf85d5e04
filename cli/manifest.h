/* manifest.h - cordon run MANIFEST: what it names, read and checked. */
#ifndef CLI_MANIFEST_H
#define CLI_MANIFEST_H

#include "cli/modules_dir.h"
#include "cli/policies.h"
#include "cli/run.h"
#include "cli/watch.h"

#include <cordon/cordon.h>

/* A workload with the files it needs. */
struct manifest_script {
  const cordon_workload *workload;
  char *name; /* of the script in messages: as a path to it */
  char *text;
  size_t len;
  struct modules_dir modules; /* the folder it lies in */
};

struct manifest_files {
  const char *path;
  cordon_manifest *manifest;
  struct policies policies;        /* its own and those of --policy */
  struct manifest_script *scripts; /* as many and in the order of the
                                      manifest's workloads */
  size_t n;
};

/* Reads the manifest |path| and everything it names; policies are also read
 * from |more|.  All of it is put into |w| (NULL: none) before it is read.
 * STATUS_OK; else everything that is wrong has been said and there is nothing
 * to deinit. */
int manifest_load(struct manifest_files *ret, const char *path,
                  const struct words_list *more, struct watch *w);
void manifest_deinit(struct manifest_files *m);

/* Runs a manifest to its end; the status. */
int manifest_run(struct run_setup *setup);

#endif
