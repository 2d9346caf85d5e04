/* policies.h - policy files and folders into one set, and all their mistakes
 * told. */
#ifndef CLI_POLICIES_H
#define CLI_POLICIES_H

#include "cli/print.h"

#include <cordon/cordon.h>

#include <stdbool.h>

struct policies {
  cordon_policy *set; /* owned; finished when policies_finish said OK */
  struct out *told;   /* where mistakes go, one line each */
  /* or NULL: called for each mistake instead; |path| is whole */
  void (*tell)(void *ud, const char *path, const cordon_error *mistake);
  void *tell_ud;
  /* or NULL: called with the text of each file that was added, whether or not
   * it has mistakes; borrowed for the call */
  void (*file)(void *ud, const char *path, const char *text, size_t len);
  void *file_ud;
  size_t files;       /* that were read */
  size_t mistakes;
  size_t unreadable; /* paths, which have been named on standard error */
};

void policies_init(struct policies *p, struct out *told);
void policies_deinit(struct policies *p);

/* Adds a file, or every *.yaml and *.yml below a folder in the order of their
 * paths.  A file that was added before is passed over. */
void policies_add(struct policies *p, const char *const *paths, size_t n);

/* The same files in the same order, without reading them, and without symbolic
 * links below a folder; |below| says that the path was found in one.  Returns
 * how many paths could not be read, which have been named on standard error. */
typedef void policies_file_fn(void *ud, const char *path, bool below);
size_t policies_each(const char *const *paths, size_t n, policies_file_fn *fn,
                     void *ud);

/* STATUS_OK and the set is finished; STATUS_USAGE when something could not be
 * read; STATUS_LOAD when there were mistakes. */
int policies_finish(struct policies *p);

#endif
