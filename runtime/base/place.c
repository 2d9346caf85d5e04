/* place.c - may what lies beside a program be run with it?
 *
 * Who may write to a folder may put another program into it, be it its group
 * or everybody; but not where the sticky bit keeps them from one another's
 * files, as in /tmp: there the program stays, and what lies beside it may be
 * anybody's.  Below it all must
 * belong to the folder's owner or to root, and to be written by nobody else who
 * could not write to the folder itself.  Folders above do not matter: they hold
 * the program, too. */
#include "runtime/base/place.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_as_safe(const struct stat *it, const struct stat *base) {
  if ((it->st_uid != 0 && it->st_uid != base->st_uid) ||
      ((it->st_mode & S_IWOTH) && !(base->st_mode & S_IWOTH)))
    return false;
  if (base->st_mode & S_IWOTH)
    return true;
  return !(it->st_mode & S_IWGRP) ||
         ((base->st_mode & S_IWGRP) && it->st_gid == base->st_gid);
}

bool place_is_ours(const char *base, const char *rest) {
  char path[PATH_MAX];
  size_t len = strlen(base);
  struct stat top, it;
  int n = snprintf(path, sizeof path, "%s%s%s", base,
                   len > 0 && base[len - 1] == '/' ? "" : "/", rest);
  if (base[0] != '/' || n < 0 || (size_t)n >= sizeof path ||
      stat(base, &top) != 0 || !S_ISDIR(top.st_mode) ||
      ((top.st_mode & (S_IWGRP | S_IWOTH)) && (top.st_mode & S_ISVTX)))
    return false;
  for (char *p = path + n - strlen(rest); *p; p++) {
    bool safe;
    if (*p != '/')
      continue;
    *p = '\0';
    safe = stat(path, &it) == 0 && S_ISDIR(it.st_mode) && is_as_safe(&it, &top);
    *p = '/';
    if (!safe)
      return false;
  }
  return stat(path, &it) == 0 && S_ISREG(it.st_mode) && is_as_safe(&it, &top);
}
