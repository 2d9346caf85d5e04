/* part_apart.c - parts that are shared objects of their own, in a folder beside
 * the library's. */
#include <dlfcn.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/gate.h"
#include "runtime/base/part.h"
#include "runtime/base/place.h"

static const struct {
  const char *file;
  const char *symbol;
} parts[] = {
    [PART_TLS] = {"cordon-tls.so", "cordon_part_tls"},
    [PART_REGEX] = {"cordon-regex.so", "cordon_part_regex"},
};

#ifdef CORDON_PROGRAM_PATH
/* The program that has the library inside may have been moved with all that was
 * installed: the way from its folder to the parts stays the same.  In a build
 * tree they are in .libs.  Who has copied the program alone, and to where
 * others can write, gets what was installed. */
static void part_path(char *out, size_t cap, const char *file) {
  static const char program[] = CORDON_PROGRAM_PATH "/";
  static const char there[] = CORDON_PARTS_PATH "/";
  char self[PATH_MAX], base[PATH_MAX + 64], rest[sizeof there + 64];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  size_t same = 0;
  int folder;
  for (size_t i = 0; program[i] && program[i] == there[i]; i++)
    if (program[i] == '/')
      same = i + 1;
  if (n > 0 && n < (ssize_t)sizeof self && self[0] == '/') {
    for (folder = (int)n; self[folder - 1] != '/'; folder--)
      continue;
    snprintf(base, sizeof base, "%.*s", folder, self);
    for (size_t i = same; program[i] && strlen(base) + 4 < sizeof base; i++)
      if (program[i] == '/')
        strcat(base, "../");
    snprintf(rest, sizeof rest, "%s%s", there + same, file);
    snprintf(out, cap, "%s%s", base, rest);
    if (place_is_ours(base, rest))
      return;
    snprintf(base, sizeof base, "%.*s", folder, self);
    snprintf(rest, sizeof rest, ".libs/%s", file);
    snprintf(out, cap, "%s%s", base, rest);
    if (place_is_ours(base, rest))
      return;
  }
  snprintf(out, cap, "%s%s", there, file);
}
#else
/* Where the library itself was loaded from is where it was installed: it may
 * have been moved since it was built.  Only what lies in the folder beside it
 * is loaded, whatever LD_LIBRARY_PATH says of it; or what was installed, if
 * that is not ours (place.h).  The folder has the name that it was configured
 * with (a distribution may put the library's version into it). A relative name
 * (LD_LIBRARY_PATH=lib) may mean another folder by now. */
static void part_path(char *out, size_t cap, const char *file) {
#ifdef PIC
  Dl_info info;
  const char *slash;
  if (dladdr((void *)(uintptr_t)&parts, &info) && info.dli_fname &&
      info.dli_fname[0] == '/' &&
      (slash = strrchr(info.dli_fname, '/')) != NULL) {
    char base[PATH_MAX], rest[sizeof CORDON_PARTS_PATH + 64];
    int len = (int)(slash - info.dli_fname) + 1;
    bool build_tree = len >= 7 && memcmp(slash - 6, "/.libs", 6) == 0;
    snprintf(base, sizeof base, "%.*s", len, info.dli_fname);
    snprintf(rest, sizeof rest, "%s%s%s",
             build_tree ? "" : strrchr(CORDON_PARTS_PATH, '/') + 1,
             build_tree ? "" : "/", file);
    snprintf(out, cap, "%s%s", base, rest);
    if (place_is_ours(base, rest))
      return;
  }
#endif
  snprintf(out, cap, "%s/%s", CORDON_PARTS_PATH, file);
}
#endif

const void *part_get(enum part_name name, struct err *e) {
  static _Atomic(const void *) known[sizeof parts / sizeof *parts];
  const void *calls = atomic_load(&known[name]);
  const struct part *part = NULL;
  char path[PATH_MAX];
  const char *why = NULL;
  void *handle;
  gate_check();
  if (calls)
    return calls;
  gate_check(); /* the dynamic linker locks */
  part_path(path, sizeof path, parts[name].file);
  handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle)
    part = dlsym(handle, parts[name].symbol);
  if (!part)
    why = dlerror();
  if (part && strcmp(part->version, PART_VERSION) == 0) {
    atomic_store(&known[name], part->calls);
    return part->calls;
  }
  err_setf(e, ERR_SYSTEM, "a part of the library cannot be loaded: %s",
           part  ? "it is of another version"
           : why ? why
                 : path);
  return NULL;
}
