/* files.c - reading whole files whose size has a bound. */
#include "cli/files.h"

#include "cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool read_fd(int fd, size_t max_bytes, char **ret_text, size_t *ret_len) {
  char *text = NULL;
  size_t len = 0, cap = 0;
  for (;;) {
    ssize_t n;
    if (len == cap) {
      if (cap > max_bytes)
        break; /* one byte more than wanted is here */
      cap = cap ? cap * 2 : 16384;
      if (cap > max_bytes)
        cap = max_bytes + 1;
      text = must_resize(text, cap, 1);
    }
    n = read(fd, text + len, cap - len);
    if (n == 0)
      break;
    if (n > 0) {
      len += (size_t)n;
    } else if (errno != EINTR) {
      int saved = errno;
      free(text);
      errno = saved;
      return false;
    }
  }
  *ret_text = text;
  *ret_len = len;
  return true;
}

bool read_path(const char *path, size_t max_bytes, char **ret_text,
               size_t *ret_len) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  bool ok;
  int saved;
  if (fd < 0)
    return false;
  ok = read_fd(fd, max_bytes, ret_text, ret_len);
  saved = errno;
  close(fd);
  errno = saved;
  return ok;
}

int open_regular(int dirfd, const char *name) {
  struct stat st;
  int fd;
  /* opening a device can do things: look first */
  if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return -1;
  if (!S_ISREG(st.st_mode)) {
    errno = S_ISLNK(st.st_mode) ? ELOOP : EINVAL;
    return -1;
  }
  fd = openat(dirfd, name,
              O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  /* somebody may have put another thing there in between */
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    close(fd);
    errno = EINVAL;
    return -1;
  }
  return fd;
}
