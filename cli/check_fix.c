/* check_fix.c - corrections into files: the smallest span, tried out before it
 * is written. */
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

/* The byte at which line |line| and column |column| of |text| stand; SIZE_MAX:
 * nowhere. */
static size_t place(const char *text, size_t len, uint32_t line,
                    uint32_t column) {
  size_t at = 0;
  for (uint32_t l = 1; l < line; l++) {
    const char *end = memchr(text + at, '\n', len - at);
    if (!end)
      return SIZE_MAX;
    at = (size_t)(end + 1 - text);
  }
  return column - 1 < len - at ? at + column - 1 : SIZE_MAX;
}

static bool same_file(const struct check_item *a, const struct check_item *b) {
  return a->edit_text && b->edit_text && strcmp(a->file, b->file) == 0;
}

static bool is_after(const struct check_item *a, const struct check_item *b) {
  return a->edit_line != b->edit_line ? a->edit_line > b->edit_line
                                      : a->edit_column > b->edit_column;
}

/* The last edit of |first|'s file in front of |before| (NULL: of all). */
static const struct check_item *next_edit(const struct check_report *r,
                                          const struct check_item *first,
                                          const struct check_item *before) {
  const struct check_item *found = NULL;
  for (size_t k = 0; k < r->len; k++) {
    const struct check_item *i = &r->items[k];
    if (same_file(i, first) && (!before || is_after(before, i)) &&
        (!found || is_after(i, found)))
      found = i;
  }
  return found;
}

/* From the last to the first, so that no edit moves another. */
static size_t apply(const struct check_report *r,
                    const struct check_item *first, char **text, size_t *len) {
  size_t n = 0, end = *len;
  for (const struct check_item *i = next_edit(r, first, NULL); i;
       i = next_edit(r, first, i)) {
    size_t at = place(*text, *len, i->edit_line, i->edit_column);
    size_t more = strlen(i->edit_text);
    char *out;
    if (at == SIZE_MAX || at > end || i->edit_len > end - at)
      return 0; /* not the file that was read, or edits across each other */
    out = must_alloc(*len - i->edit_len + more + 1, 1);
    memcpy(out, *text, at);
    memcpy(out + at, i->edit_text, more);
    memcpy(out + at + more, *text + at + i->edit_len, *len - at - i->edit_len);
    *len = *len - i->edit_len + more;
    free(*text);
    *text = out;
    end = at;
    n++;
  }
  return n;
}

static void on_finding(void *ud, const cordon_finding *f) {
  bool *more = ud;
  if (f->edit_text)
    *more = true;
}

/* Does the text load, as it stands and without --compat, and need no more of
 * this? */
static bool is_good(const char *path, const char *text, size_t len) {
  cordon_source source = {.name = path, .text = text, .len_bytes = len};
  cordon_policy *set = NULL;
  cordon_error err;
  bool more = false;
  bool good =
      cordon_policy_new(&set, NULL, &err) == CORDON_OK &&
      cordon_policy_add(set, &source, NULL, NULL, &err) == CORDON_OK &&
      cordon_policy_finish(set, NULL, NULL, &err) == CORDON_OK &&
      cordon_policy_lint(set, NULL, on_finding, &more, &err) == CORDON_OK;
  cordon_policy_unref(set);
  return good && !more;
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

static size_t fix_file(const struct check_report *r,
                       const struct check_item *first) {
  const char *why;
  char *text;
  size_t len, n;
  if (!read_path(first->file, FILE_MAX_BYTES, &text, &len)) {
    say("%s: %s", first->file, strerror(errno));
    return 0;
  }
  n = apply(r, first, &text, &len);
  if (n == 0 || !is_good(first->file, text, len))
    why = "not corrected: it would not load, or a finding would remain";
  else
    why = replace(first->file, text, len);
  if (why)
    say("%s: %s", first->file, why);
  free(text);
  return why ? 0 : n;
}

size_t check_fix(const struct check_report *r) {
  size_t fixed = 0;
  for (size_t k = 0; k < r->len; k++) {
    bool again = false;
    if (!r->items[k].edit_text)
      continue;
    for (size_t j = 0; j < k && !again; j++)
      again = same_file(&r->items[j], &r->items[k]);
    if (!again)
      fixed += fix_file(r, &r->items[k]);
  }
  return fixed;
}
