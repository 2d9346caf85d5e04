/* modules_dir.c - the Lua files beside the main script, for require. */
#include "cli/modules_dir.h"

#include "cli/files.h"
#include "cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_BYTES 200
#define TOLD_MAX 16 /* a script can ask for ever */

int modules_dir_init(struct modules_dir *m, const char *script) {
  const char *slash = strrchr(script, '/');
  size_t len = slash ? (size_t)(slash - script) + 1 : 0;
  *m = (struct modules_dir){.fd = -1};
  m->prefix = must_format("%.*s", (int)len, script);
  m->fd = open(len ? m->prefix : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return m->fd < 0 ? -1 : 0;
}

int modules_dir_init_below(struct modules_dir *m, const char *beside,
                           const char *path) {
  char *whole = NULL;
  const char *slash;
  int rv = modules_dir_init(m, beside);
  while (rv == 0 && (slash = strchr(path, '/')) != NULL) {
    char *part = must_format("%.*s", (int)(slash - path), path);
    int fd = openat(m->fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int saved = errno;
    whole = must_format("%s%s/", m->prefix, part);
    free(part);
    free(m->prefix);
    m->prefix = whole;
    if (fd < 0) {
      modules_dir_deinit(m);
      errno = saved;
      return -1;
    }
    close(m->fd);
    m->fd = fd;
    path = slash + 1;
  }
  return rv;
}

bool modules_dir_read(const struct modules_dir *m, const char *file,
                      char **ret_text, size_t *ret_len) {
  int fd = open_regular(m->fd, file), saved;
  bool ok = fd >= 0 && read_fd(fd, FILE_MAX_BYTES, ret_text, ret_len);
  saved = errno;
  if (fd >= 0)
    close(fd);
  errno = saved;
  return ok;
}

const char *modules_dir_why(int error) {
  return error == ELOOP    ? "symbolic links are not followed"
         : error == EINVAL ? "no regular file"
                           : strerror(error);
}

void modules_dir_deinit(struct modules_dir *m) {
  if (m->fd >= 0)
    close(m->fd);
  free(m->prefix);
  free(m->name);
  free(m->text);
  *m = (struct modules_dir){.fd = -1};
}

/* Letters, digits, "_" and "-" in parts with single dots between.  The library
 * promises it; what opens files checks it once more. */
static bool plain_name(const char *name) {
  size_t part = 0, i;
  for (i = 0; name[i]; i++) {
    char c = name[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!plain && (c != '.' || part == 0))
      return false;
    part = plain ? part + 1 : 0;
  }
  return part > 0 && i <= NAME_MAX_BYTES;
}

/* Opens |path|, relative to the folder, one part after the other: a symbolic
 * link is not followed wherever it stands. */
static int open_below(int dirfd, const char *path) {
  char part[NAME_MAX_BYTES + 16];
  int at = dirfd, fd, saved;
  const char *slash;
  while ((slash = strchr(path, '/')) != NULL) {
    snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
    fd = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    saved = errno;
    if (at != dirfd)
      close(at);
    if (fd < 0) {
      errno = saved;
      return -1;
    }
    at = fd;
    path = slash + 1;
  }
  fd = open_regular(at, path);
  saved = errno;
  if (at != dirfd)
    close(at);
  errno = saved;
  return fd;
}

static void tell(struct modules_dir *m, const char *path, int error) {
  if (m->told >= TOLD_MAX)
    return;
  m->told++;
  say("require: %s%s: %s", m->prefix, path, modules_dir_why(error));
}

static int read_source(struct modules_dir *m, const char *path,
                       cordon_source *ret_source) {
  size_t len = 0;
  bool ok;
  int error;
  int fd = open_below(m->fd, path);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
    return CORDON_E_NOT_FOUND;
  if (fd < 0) {
    tell(m, path, errno);
    return CORDON_E_SYSTEM;
  }
  free(m->text);
  m->text = NULL;
  /* of a longer file enough is read to see that it is too long */
  ok = read_fd(fd, FILE_MAX_BYTES, &m->text, &len);
  error = errno;
  close(fd);
  if (!ok) {
    tell(m, path, error);
    return CORDON_E_SYSTEM;
  }
  free(m->name);
  m->name = must_format("%s%s", m->prefix, path);
  *ret_source = (cordon_source){
      .name = m->name, .text = m->text ? m->text : "", .len_bytes = len};
  return CORDON_OK;
}

/* "a/b" of the module "a.b". */
static void base_of(const char *name, char base[NAME_MAX_BYTES + 1]) {
  for (size_t i = 0;; i++) {
    base[i] = name[i] == '.' ? '/' : name[i];
    if (!name[i])
      break;
  }
}

int modules_dir_find(struct modules_dir *m, const char *name,
                     cordon_source *ret_source) {
  char base[NAME_MAX_BYTES + 1], path[NAME_MAX_BYTES + 16];
  int rv;
  if (m->fd < 0 || !plain_name(name))
    return CORDON_E_NOT_FOUND;
  base_of(name, base);
  snprintf(path, sizeof path, "%s.lua", base);
  rv = read_source(m, path, ret_source);
  if (rv == CORDON_E_NOT_FOUND) {
    snprintf(path, sizeof path, "%s/init.lua", base);
    rv = read_source(m, path, ret_source);
  }
  return rv;
}

void modules_dir_watch(const struct modules_dir *m, const char *name,
                       struct watch *w, const void *whose) {
  static const char *const ends[] = {".lua", "/init.lua"};
  char base[NAME_MAX_BYTES + 1];
  if (!w || m->fd < 0 || !plain_name(name))
    return;
  base_of(name, base);
  for (size_t i = 0; i < 2; i++) {
    char *path = must_format("%s%s%s", m->prefix, base, ends[i]);
    watch_module(w, whose, path);
    free(path);
  }
}
