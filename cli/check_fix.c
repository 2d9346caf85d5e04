/* check_fix.c - corrections into files: the smallest span, tried out before it
 * is written, and written at once. */
#include "cli/check_fix.h"

#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One file: its text, and the edits in the order of the text. */
struct fixing {
  const char *path;
  char *text;
  size_t len;
  struct edit {
    uint32_t line, column;
    size_t len;
    char *text;
  } * edits;
  size_t nedits;
};

static void on_finding(void *ud, const cordon_finding *f) {
  struct fixing *x = ud;
  if (!f->edit_text)
    return;
  x->edits = must_resize(x->edits, x->nedits + 1, sizeof *x->edits);
  x->edits[x->nedits++] =
      (struct edit){f->edit_line, f->edit_column, f->edit_len_bytes,
                    must_format("%s", f->edit_text)};
}

static void drop_edits(struct fixing *x) {
  for (size_t i = 0; i < x->nedits; i++)
    free(x->edits[i].text);
  free(x->edits);
  x->edits = NULL;
  x->nedits = 0;
}

/* Collects the edits of the text as it is now, read as --compat does; false: it
 * does not load.  What has an edit is a matter of one file alone. */
static bool collect(struct fixing *x) {
  cordon_source source = {
      .name = x->path, .text = x->text, .len_bytes = x->len};
  cordon_policy *set = NULL;
  cordon_error err;
  bool good = cordon_policy_new(&set, NULL, &err) == CORDON_OK &&
              cordon_policy_compat(set, &err) == CORDON_OK &&
              cordon_policy_add(set, &source, NULL, NULL, &err) == CORDON_OK &&
              cordon_policy_finish(set, NULL, NULL, &err) == CORDON_OK &&
              cordon_policy_lint(set, NULL, on_finding, x, &err) == CORDON_OK;
  cordon_policy_unref(set);
  return good;
}

/* Applies the edits; false, and no change: they do not fit the text. */
static bool apply(struct fixing *x) {
  size_t cap = x->len + 1, n = 0, from = 0, start = 0;
  uint32_t line = 1;
  char *out;
  for (size_t i = 0; i < x->nedits; i++)
    cap += strlen(x->edits[i].text);
  out = must_alloc(cap, 1);
  for (size_t i = 0; i < x->nedits; i++) {
    const struct edit *e = &x->edits[i];
    size_t at, more = strlen(e->text);
    for (; line < e->line; line++) {
      const char *end = memchr(x->text + start, '\n', x->len - start);
      if (!end)
        break;
      start = (size_t)(end + 1 - x->text);
    }
    at = start + e->column - 1;
    if (line != e->line || at < from || at > x->len ||
        e->len > x->len - at) { /* edits across each other */
      free(out);
      return false;
    }
    memcpy(out + n, x->text + from, at - from);
    n += at - from;
    memcpy(out + n, e->text, more);
    n += more;
    from = at + e->len;
  }
  memcpy(out + n, x->text + from, x->len - from);
  n += x->len - from;
  free(x->text);
  x->text = out;
  x->len = n;
  return true;
}

/* Puts |text| in the place of |path|, or of what a symbolic link means, at
 * once.  NULL, or why not. */
static const char *replace(const char *path, const char *text, size_t len) {
  char *real = realpath(path, NULL), *temp;
  const char *why = NULL;
  struct stat st;
  size_t done = 0;
  int fd;
  if (!real || stat(real, &st) != 0) {
    free(real);
    return strerror(errno);
  }
  temp = must_format("%s.XXXXXX", real);
  fd = mkostemp(temp, O_CLOEXEC);
  if (fd < 0) {
    why = strerror(errno);
  } else {
    while (!why && done < len) {
      ssize_t n = write(fd, text + done, len - done);
      if (n < 0 && errno != EINTR)
        why = strerror(errno);
      done += n > 0 ? (size_t)n : 0;
    }
    if (!why && (fchmod(fd, st.st_mode & 07777) != 0 || fsync(fd) != 0))
      why = strerror(errno);
    if (close(fd) != 0 && !why)
      why = strerror(errno);
    if (!why && rename(temp, real) != 0)
      why = strerror(errno);
    if (why)
      unlink(temp);
  }
  free(temp);
  free(real);
  return why;
}

static size_t fix_file(const char *path) {
  struct fixing x = {.path = path};
  const char *why = "not corrected: it would not load, or a finding would "
                    "remain";
  size_t n = 0;
  if (!read_path(path, FILE_MAX_BYTES, &x.text, &x.len)) {
    say("%s: %s", path, strerror(errno));
    return 0;
  }
  /* from the very text that is changed, whoever else writes to the file */
  if (x.len <= FILE_MAX_BYTES && collect(&x) && (n = x.nedits) > 0 &&
      apply(&x)) {
    drop_edits(&x);
    if (collect(&x) && x.nedits == 0)
      why = replace(path, x.text, x.len);
  }
  if (why)
    say("%s: %s", path, why);
  drop_edits(&x);
  free(x.text);
  return why ? 0 : n;
}

size_t check_fix(const struct check_report *r) {
  const char *last = NULL;
  size_t fixed = 0;
  for (size_t k = 0; k < r->len; k++) { /* in the order of the files */
    if (!r->items[k].edit_text || (last && strcmp(last, r->items[k].file) == 0))
      continue;
    last = r->items[k].file;
    fixed += fix_file(last);
  }
  return fixed;
}
