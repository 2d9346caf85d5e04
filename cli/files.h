/* files.h - reading whole files whose size has a bound. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define FILE_MAX_BYTES (1024 * 1024) /* a policy or a script */

/* Reads |fd| to its end, or up to |max_bytes| + 1 of it, so that the caller
 * sees that there is more.  The text belongs to the caller, who frees it.
 * False with errno. */
bool read_fd(int fd, size_t max_bytes, char **ret_text, size_t *ret_len);

/* The same for a path somebody named.  A folder is EISDIR. */
bool read_path(const char *path, size_t max_bytes, char **ret_text,
               size_t *ret_len);

/* Opens |name| below |dirfd|, without following a symbolic link as its last
 * part and without waiting for or waking anything: -1 with errno, which is
 * ELOOP for a symbolic link and EINVAL for what is no regular file. */
int open_regular(int dirfd, const char *name);

#endif
