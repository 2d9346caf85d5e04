/* fmt.c - cordon fmt: policy files in their canonical layout. */
#include "cli/cli.h"

#include "cli/files.h"
#include "cli/options.h"
#include "cli/policies.h"
#include "cli/print.h"
#include "cli/textdiff.h"

#include <cordon/cordon.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct option fmt_options[] = {
    {"check", 0, NULL, false, false},
    {"diff", 0, NULL, false, false},
    {NULL, 0, NULL, false, false},
};
enum { FMT_CHECK, FMT_DIFF };

struct fmt {
  struct out out;
  bool check;
  bool diff;
  bool unreadable; /* or could not be written */
  bool broken;     /* does not load, or cannot be formatted */
  bool different;
};

static void unreadable(struct fmt *f, const char *path, const char *why) {
  f->unreadable = true;
  say("%s: %s", path, why);
}

static void broken(struct fmt *f, const char *path, const cordon_error *err) {
  f->broken = true;
  if (err->line)
    say("%s:%" PRIu32 ":%" PRIu32 ": %s", path, err->line,
        err->column ? err->column : 1, err->message);
  else
    say("%s: %s", path, err->message);
}

/* The canonical text; the caller frees |ret->p|. */
static bool format(struct fmt *f, const char *path, const struct text *was,
                   struct text *ret) {
  cordon_source source = {.name = path, .text = was->p, .len_bytes = was->len};
  cordon_error err;
  if (was->len > FILE_MAX_BYTES)
    err = (cordon_error){.message = "the file is larger than 1 MiB"};
  else if (cordon_policy_format(&source, text_write, ret, &err) == CORDON_OK)
    return true;
  broken(f, path, &err);
  return false;
}

static bool is_same(const struct text *a, const struct text *b) {
  return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

/* --------------------------------------------------------------- writing ---
 */

static bool write_whole(int fd, const struct text *t) {
  size_t done = 0;
  while (done < t->len) {
    ssize_t n = write(fd, t->p + done, t->len - done);
    if (n >= 0)
      done += (size_t)n;
    else if (errno != EINTR)
      return false;
  }
  return fsync(fd) == 0;
}

/* Nobody else has written it since |st| was taken. */
static bool unchanged(const char *path, const struct stat *st) {
  struct stat now;
  if (lstat(path, &now) != 0)
    return false;
  return now.st_dev == st->st_dev && now.st_ino == st->st_ino &&
         now.st_size == st->st_size &&
         now.st_mtim.tv_sec == st->st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == st->st_mtim.tv_nsec;
}

/* What went wrong while |temp| was made and put in the place of |path|, or
 * NULL. */
static const char *replace_with(int fd, const char *temp, const char *path,
                                const struct stat *st, const struct text *t) {
  struct stat made;
  if (fstat(fd, &made) != 0)
    return strerror(errno);
  if ((made.st_uid != st->st_uid || made.st_gid != st->st_gid) &&
      fchown(fd, st->st_uid, st->st_gid) != 0)
    return "cannot keep its owner";
  if (fchmod(fd, st->st_mode & 07777) != 0 || !write_whole(fd, t))
    return strerror(errno);
  if (!unchanged(path, st))
    return "changed while it was formatted";
  return rename(temp, path) == 0 ? NULL : strerror(errno);
}

/* In one step: whoever reads |path| sees the old text or the new one. */
static bool replace(struct fmt *f, const char *path, const struct stat *st,
                    const struct text *t) {
  const char *slash = strrchr(path, '/'), *why;
  int dir_len = slash ? (int)(slash - path) + 1 : 0;
  char *temp = must_format("%.*s.cordon-fmt-XXXXXX", dir_len, path);
  int fd = mkostemp(temp, O_CLOEXEC);
  why = fd < 0 ? strerror(errno) : replace_with(fd, temp, path, st, t);
  if (fd >= 0)
    close(fd);
  if (fd >= 0 && why)
    unlink(temp);
  free(temp);
  if (why)
    unreadable(f, path, why);
  return !why;
}

/* ----------------------------------------------------------------- files ---
 */

static void tell(struct fmt *f, const char *path, const struct text *was,
                 const struct text *is) {
  if (f->diff) {
    textdiff_print(&f->out, path, was->p, was->len, is->p, is->len);
    return;
  }
  out_one_line(&f->out, path, strlen(path));
  out_text(&f->out, "\n");
}

static void format_opened(struct fmt *f, const char *path, int fd) {
  struct text was = {0}, is = {0};
  struct stat st;
  if (fstat(fd, &st) != 0 || !read_fd(fd, FILE_MAX_BYTES, &was.p, &was.len)) {
    unreadable(f, path, strerror(errno));
    return;
  }
  if (format(f, path, &was, &is) && !is_same(&was, &is)) {
    if (f->check || f->diff) {
      f->different = true;
      tell(f, path, &was, &is);
    } else if (replace(f, path, &st, &is)) {
      tell(f, path, &was, &is);
    }
  }
  free(was.p);
  free(is.p);
}

/* Through a symbolic link nothing is written: the file behind it may belong to
 * somebody who did not ask. */
static void format_path(void *ud, const char *path, bool below) {
  struct fmt *f = ud;
  bool writes = !f->check && !f->diff;
  struct stat st;
  int fd;
  if (writes && lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
    unreadable(f, path, "a symbolic link, expected the file itself");
    return;
  }
  fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (writes ? O_NOFOLLOW : 0) |
                      (below ? O_NONBLOCK : 0));
  if (fd < 0) {
    unreadable(f, path, strerror(errno));
    return;
  }
  if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && (below || writes))
    unreadable(f, path, "no regular file");
  else
    format_opened(f, path, fd);
  close(fd);
}

static void format_stdin(struct fmt *f) {
  struct text was = {0}, is = {0};
  const char *name = "standard input";
  if (!read_fd(STDIN_FILENO, FILE_MAX_BYTES, &was.p, &was.len)) {
    unreadable(f, name, strerror(errno));
    return;
  }
  if (format(f, name, &was, &is)) {
    bool differs = !is_same(&was, &is);
    if (!f->check && !f->diff) {
      out_add(&f->out, is.p, is.len);
    } else if (differs) {
      f->different = true;
      tell(f, name, &was, &is);
    }
  }
  free(was.p);
  free(is.p);
}

/* --------------------------------------------------------------- command ---
 */

static int fmt_paths(struct fmt *f, const char *const *paths, size_t n) {
  out_init(&f->out, STDOUT_FILENO);
  if (n == 1 && strcmp(paths[0], "-") == 0)
    format_stdin(f);
  else if (policies_each(paths, n, format_path, f) > 0)
    f->unreadable = true;
  return out_finish(&f->out, f->unreadable  ? STATUS_USAGE
                             : f->broken    ? STATUS_LOAD
                             : f->different ? STATUS_NEGATIVE
                                            : STATUS_OK);
}

int command_fmt(int argc, char **argv) {
  struct options o = {.command = "fmt",
                      .table = fmt_options,
                      .argc = argc,
                      .argv = argv,
                      .at = 1};
  const char **paths = must_alloc((size_t)argc, sizeof(const char *));
  struct fmt *f = must_alloc(1, sizeof *f);
  const char *value;
  size_t n = 0;
  int got, status = STATUS_OK;
  bool from_stdin = false;
  while (status == STATUS_OK && (got = options_next(&o, &value)) != OPTION_END)
    switch (got) {
    case OPTION_WORD:
      from_stdin |= strcmp(value, "-") == 0;
      paths[n++] = value;
      break;
    case FMT_CHECK:
      f->check = true;
      break;
    case FMT_DIFF:
      f->diff = true;
      break;
    case OPTION_HELP:
      free(paths);
      free(f);
      return help_print(command_find("fmt"));
    default:
      status = STATUS_USAGE;
      break;
    }
  if (status == STATUS_OK && n == 0)
    status = say_usage("fmt", "which file or folder?");
  if (status == STATUS_OK && from_stdin && n > 1)
    status = say_usage("fmt", "'-' beside other paths");
  if (status == STATUS_OK)
    status = fmt_paths(f, paths, n);
  free(paths);
  free(f);
  return status;
}
