/* test_files.c - which files hold policy tests: those that are named, and those
 * that are called *_test.yaml. */
#include "cli/test_files.h"

#include "cli/print.h"

#include <errno.h>
#include <fts.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX 10000 /* in one command */
#define FOLDERS_DEEP 64

static void unreadable(struct test_files *f, const char *path,
                       const char *why) {
  f->unreadable++;
  say("%s: %s", *path ? path : "''", why);
}

static bool is_test(const char *name) {
  static const char *const ends[] = {"_test.yaml", "_test.yml"};
  size_t len = strlen(name);
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    size_t n = strlen(ends[i]);
    if (len >= n && strcmp(name + len - n, ends[i]) == 0)
      return true;
  }
  return false;
}

static void add(struct test_files *f, const char *path, const struct stat *st) {
  f->found++;
  for (size_t i = 0; i < f->len; i++)
    if (f->items[i].dev == st->st_dev && f->items[i].ino == st->st_ino)
      return;
  if (f->len == FILES_MAX) {
    unreadable(f, path, "too many test files");
    return;
  }
  if (f->len == f->cap) {
    f->cap = f->cap ? f->cap * 2 : 16;
    f->items = must_resize(f->items, f->cap, sizeof *f->items);
  }
  f->items[f->len++] =
      (struct test_file){must_format("%s", path), st->st_dev, st->st_ino};
}

static int by_name(const FTSENT **a, const FTSENT **b) {
  return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void visit(struct test_files *f, FTS *fts, FTSENT *e) {
  struct stat st;
  switch (e->fts_info) {
  case FTS_D:
    if (e->fts_level < FOLDERS_DEEP)
      return;
    fts_set(fts, e, FTS_SKIP);
    unreadable(f, e->fts_path, "too many folders inside each other");
    return;
  case FTS_DNR:
  case FTS_ERR:
  case FTS_NS:
    unreadable(f, e->fts_path, strerror(e->fts_errno));
    return;
  case FTS_F:
    if (is_test(e->fts_name))
      add(f, e->fts_path, e->fts_statp);
    return;
  case FTS_SL: /* to a file; those to folders are not followed */
    if (is_test(e->fts_name) && stat(e->fts_path, &st) == 0 &&
        S_ISREG(st.st_mode))
      add(f, e->fts_path, &st);
    return;
  case FTS_SLNONE:
    if (is_test(e->fts_name))
      unreadable(f, e->fts_path, strerror(ENOENT));
    return;
  default:
    return;
  }
}

static void walk(struct test_files *f, const char *path) {
  char *root = must_format("%s", path);
  size_t before = f->found, lost = f->unreadable, len = strlen(root);
  FTS *fts;
  FTSENT *e;
  while (len > 1 && root[len - 1] == '/') /* else they stand in every path */
    root[--len] = '\0';
  fts = fts_open((char *[]){root, NULL},
                 FTS_COMFOLLOW | FTS_PHYSICAL | FTS_NOCHDIR, by_name);
  if (!fts) {
    unreadable(f, path, strerror(errno));
  } else {
    while (errno = 0, (e = fts_read(fts)) != NULL)
      visit(f, fts, e);
    if (errno != 0)
      unreadable(f, path, strerror(errno));
    fts_close(fts);
    if (f->found == before && f->unreadable == lost)
      unreadable(f, path, "no *_test.yaml in this folder");
  }
  free(root);
}

void test_files_add(struct test_files *f, const char *path) {
  struct stat st;
  if (*path == '\0' || stat(path, &st) != 0)
    unreadable(f, path, strerror(*path ? errno : ENOENT));
  else if (S_ISDIR(st.st_mode))
    walk(f, path);
  else
    add(f, path, &st);
}

void test_files_deinit(struct test_files *f) {
  for (size_t i = 0; i < f->len; i++)
    free(f->items[i].path);
  free(f->items);
}
