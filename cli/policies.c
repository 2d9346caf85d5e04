/* policies.c - policy files and folders into one set, and all their mistakes
 * told. */
#include "cli/policies.h"

#include "cli/cli.h"
#include "cli/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDERS_DEEP 64
#define FILES_MAX 100000 /* in one command */

/* A file to load.  |dev| and |ino| say which it really is. */
struct found {
  char *path;
  dev_t dev;
  ino_t ino;
  size_t at;  /* its place in the list; of two, the first counts */
  bool below; /* found in a folder, not named by somebody */
  bool again; /* stands in the list before */
};

struct list {
  struct found *items;
  size_t len, cap;
};

void policies_init(struct policies *p, struct out *told) {
  cordon_error err;
  *p = (struct policies){.told = told};
  if (cordon_policy_new(&p->set, NULL, &err) != CORDON_OK) {
    say("%s", err.message);
    exit(STATUS_NEGATIVE);
  }
}

void policies_deinit(struct policies *p) {
  cordon_policy_unref(p->set);
  p->set = NULL;
}

/* --------------------------------------------------------------- files --- */

static void unreadable(struct policies *p, const char *path, const char *why) {
  p->unreadable++;
  say("%s: %s", path, why);
}

static void list_add(struct list *l, char *path, const struct stat *st,
                     bool below) {
  if (l->len == l->cap) {
    l->cap = l->cap ? l->cap * 2 : 16;
    l->items = must_resize(l->items, l->cap, sizeof *l->items);
  }
  l->items[l->len] = (struct found){.path = path,
                                    .dev = st->st_dev,
                                    .ino = st->st_ino,
                                    .at = l->len,
                                    .below = below};
  l->len++;
}

static bool ends_with(const char *name, const char *end) {
  size_t len = strlen(name), elen = strlen(end);
  return len > elen && strcmp(name + len - elen, end) == 0;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const struct found *)a)->path,
                ((const struct found *)b)->path);
}

/* Collects what lies below |dir|; a symbolic link to a folder is not followed,
 * so that there are no loops. */
static void walk(struct policies *p, struct list *l, const char *dir,
                 unsigned depth) {
  DIR *d = opendir(dir);
  size_t dlen = strlen(dir);
  struct dirent *e;
  if (!d) {
    unreadable(p, dir, strerror(errno));
    return;
  }
  while (errno = 0, (e = readdir(d)) != NULL) {
    struct stat st;
    char *path;
    bool yaml = ends_with(e->d_name, ".yaml") || ends_with(e->d_name, ".yml");
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
      continue;
    path =
        must_format("%s%s%s", dir, dir[dlen - 1] == '/' ? "" : "/", e->d_name);
    if (lstat(path, &st) != 0) {
      unreadable(p, path, strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
      if (depth == 0)
        unreadable(p, path, "too many folders inside each other");
      else
        walk(p, l, path, depth - 1);
    } else if (yaml && stat(path, &st) != 0) {
      unreadable(p, path, strerror(errno));
    } else if (yaml && !S_ISDIR(st.st_mode) && l->len < FILES_MAX) {
      list_add(l, path, &st, true);
      continue;
    } else if (yaml && l->len == FILES_MAX) {
      unreadable(p, dir, "too many policy files");
      free(path);
      break;
    }
    free(path);
  }
  if (!e && errno != 0)
    unreadable(p, dir, strerror(errno));
  closedir(d);
}

static void collect(struct policies *p, struct list *l, const char *path) {
  struct stat st;
  size_t before = l->len, lost = p->unreadable;
  if (*path == '\0' || stat(path, &st) != 0) {
    unreadable(p, *path ? path : "''", strerror(*path ? errno : ENOENT));
    return;
  }
  if (!S_ISDIR(st.st_mode)) {
    list_add(l, must_format("%s", path), &st, false);
    return;
  }
  walk(p, l, path, FOLDERS_DEEP);
  if (l->len == before && p->unreadable == lost) {
    unreadable(p, path, "no *.yaml and no *.yml file in this folder");
    return;
  }
  qsort(l->items + before, l->len - before, sizeof *l->items, by_path);
  for (size_t i = before; i < l->len; i++)
    l->items[i].at = i;
}

static int by_identity(const void *a, const void *b) {
  const struct found *x = *(struct found *const *)a;
  const struct found *y = *(struct found *const *)b;
  if (x->dev != y->dev)
    return x->dev < y->dev ? -1 : 1;
  if (x->ino != y->ino)
    return x->ino < y->ino ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

/* Marks what stands in the list already: a folder and a file in it may both be
 * given. */
static void mark_again(struct list *l) {
  struct found **order = must_alloc(l->len, sizeof(struct found *));
  for (size_t i = 0; i < l->len; i++)
    order[i] = &l->items[i];
  qsort(order, l->len, sizeof *order, by_identity);
  for (size_t i = 1; i < l->len; i++)
    order[i]->again = order[i]->dev == order[i - 1]->dev &&
                      order[i]->ino == order[i - 1]->ino;
  free(order);
}

/* ---------------------------------------------------------------- text --- */

struct mistake_of {
  struct policies *p;
  const char *path; /* whole, where the library's is cut; NULL: see there */
  const char *text; /* NULL: not at hand any more */
  size_t len;
};

static void on_mistake(void *ud, const cordon_error *mistake) {
  struct mistake_of *of = ud;
  struct out *o = of->p->told;
  const char *path = of->path ? of->path : mistake->source;
  uint32_t column = mistake->column ? mistake->column : 1;
  char at[48];
  of->p->mistakes++;
  if (of->p->tell) {
    of->p->tell(of->p->tell_ud, path, mistake);
    return;
  }
  out_one_line(o, path, strlen(path));
  if (mistake->line)
    snprintf(at, sizeof at, ":%" PRIu32 ":%" PRIu32 ": ", mistake->line,
             column);
  else
    snprintf(at, sizeof at, "%s", *path ? ": " : "");
  out_text(o, at);
  out_one_line(o, mistake->message, strlen(mistake->message));
  out_text(o, "\n");
  if (of->text)
    out_source_line(o, of->text, of->len, mistake->line, column);
}

/* Policy tests lie beside the policies and end in "_test.yaml".  The name alone
 * must not keep a policy from being loaded: they have tests, and no entries. */
static bool is_policy_test(const char *path, const char *text, size_t len) {
  cordon_value *v = NULL;
  cordon_error err;
  bool test;
  if (!ends_with(path, "_test.yaml") && !ends_with(path, "_test.yml"))
    return false;
  if (cordon_value_from_yaml(&v, text, len, NULL, &err) != CORDON_OK)
    return false;
  test = cordon_value_get(v, "tests") && !cordon_value_get(v, "entries");
  cordon_value_free(v);
  return test;
}

static void add_text(struct policies *p, const struct found *f,
                     const char *text, size_t len) {
  struct mistake_of of = {.p = p, .path = f->path, .text = text, .len = len};
  cordon_source source = {.name = f->path, .text = text, .len_bytes = len};
  size_t before = p->mistakes;
  cordon_error err;
  int rv;
  if (len > FILE_MAX_BYTES) {
    err = (cordon_error){.code = CORDON_E_POLICY,
                         .message = "the file is larger than 1 MiB"};
    on_mistake(&of, &err);
    return;
  }
  if (f->below && is_policy_test(f->path, text, len))
    return;
  p->files++;
  rv = cordon_policy_add(p->set, &source, on_mistake, &of, &err);
  /* what is not the text's fault is not a mistake in it, but no load either */
  if (rv != CORDON_OK && p->mistakes == before)
    on_mistake(&of, &err);
  if (p->file)
    p->file(p->file_ud, f->path, text, len);
}

static void add_file(struct policies *p, const struct found *f) {
  char *text;
  size_t len;
  bool ok;
  if (f->below) {
    /* nobody named it: only a regular file (which may be behind a link) */
    struct stat st;
    int fd = open(f->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
      close(fd);
      unreadable(p, f->path, "no regular file");
      return;
    }
    ok = fd >= 0 && read_fd(fd, FILE_MAX_BYTES, &text, &len);
    if (fd >= 0) {
      int saved = errno;
      close(fd);
      errno = saved;
    }
  } else {
    ok = read_path(f->path, FILE_MAX_BYTES, &text, &len);
  }
  if (!ok) {
    unreadable(p, f->path, strerror(errno));
    return;
  }
  add_text(p, f, text, len);
  free(text);
}

static void collect_all(struct policies *p, struct list *l,
                        const char *const *paths, size_t n) {
  for (size_t i = 0; i < n; i++)
    collect(p, l, paths[i]);
}

static void drop_links(struct list *l) {
  size_t kept = 0;
  for (size_t i = 0; i < l->len; i++) {
    struct stat st;
    if (l->items[i].below && lstat(l->items[i].path, &st) == 0 &&
        S_ISLNK(st.st_mode)) {
      free(l->items[i].path);
      continue;
    }
    l->items[kept] = l->items[i];
    l->items[kept].at = kept;
    kept++;
  }
  l->len = kept;
}

static void list_deinit(struct list *l) {
  for (size_t i = 0; i < l->len; i++)
    free(l->items[i].path);
  free(l->items);
}

void policies_add(struct policies *p, const char *const *paths, size_t n) {
  struct list l = {0};
  collect_all(p, &l, paths, n);
  if (l.len > 0)
    mark_again(&l);
  for (size_t i = 0; i < l.len; i++)
    if (!l.items[i].again)
      add_file(p, &l.items[i]);
  list_deinit(&l);
}

size_t policies_each(const char *const *paths, size_t n, policies_file_fn *fn,
                     void *ud) {
  struct policies p = {0}; /* counts what cannot be read */
  struct list l = {0};
  collect_all(&p, &l, paths, n);
  drop_links(&l);
  if (l.len > 0)
    mark_again(&l);
  for (size_t i = 0; i < l.len; i++)
    if (!l.items[i].again)
      fn(ud, l.items[i].path, l.items[i].below);
  list_deinit(&l);
  return p.unreadable;
}

int policies_finish(struct policies *p) {
  struct mistake_of of = {.p = p};
  size_t before = p->mistakes;
  cordon_error err;
  int rv = cordon_policy_finish(p->set, on_mistake, &of, &err);
  if (rv != CORDON_OK && p->mistakes == before && before == 0)
    on_mistake(&of, &err);
  if (p->unreadable > 0)
    return STATUS_USAGE;
  return rv == CORDON_OK && p->mistakes == 0 ? STATUS_OK : STATUS_LOAD;
}
