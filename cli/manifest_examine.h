/* manifest_examine.h - what is wrong with a manifest beyond its own text: the
 * scripts and modules that it names. */
#ifndef CLI_MANIFEST_EXAMINE_H
#define CLI_MANIFEST_EXAMINE_H

#include <cordon/cordon.h>

#include <stdbool.h>
#include <stddef.h>

typedef void manifest_mistake_fn(void *ud, const char *path,
                                 const cordon_error *mistake);

/* Is there an entry of kind process.lua in it?  Mistakes of the text are for
 * others to tell. */
bool manifest_has_workloads(const char *text, size_t len);

/* Parses the text of |path| and looks at the scripts it names: are they there,
 * do they compile, and are the modules known that they may require?  Everything
 * wrong is told.  The manifest, for cordon_manifest_check and to be freed;
 * NULL: it has mistakes. */
cordon_manifest *manifest_examine(const char *path, const char *text,
                                  size_t len, manifest_mistake_fn *tell,
                                  void *ud);

#endif
