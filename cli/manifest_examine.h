/* manifest_examine.h - what is wrong with a manifest beyond its own text: the
 * scripts and modules that it names. */
#ifndef CLI_MANIFEST_EXAMINE_H
#define CLI_MANIFEST_EXAMINE_H

#include <cordon/cordon.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void manifest_mistake_fn(void *ud, const char *path,
                                 const cordon_error *mistake);

/* Is there an entry of kind process.lua in it?  Mistakes of the text are for
 * others to tell. */
bool manifest_has_workloads(const char *text, size_t len);

/* Of processor time, for all scripts that one command compiles: each may take
 * long, and a manifest names as many as it likes. */
#define COMPILE_SHARE_S 4

struct compile_share {
  uint64_t spent_ns;
  bool held_up; /* by one that was made for it: no more of them */
};

/* Parses the text of |path| and looks at the scripts it names: are they there,
 * do they compile, and are the modules known that they may require?  Everything
 * wrong is told, and so is each script that was not looked at because nothing
 * of |share| was left.  The manifest, for cordon_manifest_check and to be
 * freed; NULL: it has mistakes. */
cordon_manifest *manifest_examine(const char *path, const char *text,
                                  size_t len, struct compile_share *share,
                                  manifest_mistake_fn *tell, void *ud);

#endif
