/* watch.c - notices that one of some files has changed. */
#include "cli/watch.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDERS_MAX 1024 /* that the kernel is asked about */
#define FILES_MAX 8192   /* a script can require for ever */
#define BELOW_MAX 100000 /* entries in the folders of policies */
#define FOLDERS_DEEP 64  /* as policies are looked for */
#define QUIET_MS 50      /* an editor takes several steps to save a file */
#define PATIENCE_MS 1000 /* with those who never leave off */
#define TOLD_MAX 16

/* IN_MODIFY is left out: a file that is still being written is not whole, and
 * who keeps a log beside a script would wake us for each line. */
#define EVENTS                                                                 \
  (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |      \
   IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct folder {
  char *path;
  int wd; /* -1: it is not watched */
};

struct watched {
  char *path;
  bool below; /* where it is a folder, its policies */
  uint64_t state;
};

struct watch {
  int fd;
  struct folder *folders;
  size_t nfolders, folders_cap;
  struct watched *files;
  size_t nfiles, files_cap;
  uint64_t first_ms, due_ms; /* of the events not looked into yet; 0: none */
  unsigned told;
};

int watch_new(struct watch **ret_watch) {
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  struct watch *w;
  if (fd < 0) {
    say("--watch: inotify is not available: %s%s", strerror(errno),
        errno == EMFILE ? " (fs.inotify.max_user_instances, or open files)"
                        : "");
    return STATUS_NEGATIVE;
  }
  w = must_alloc(1, sizeof *w);
  w->fd = fd;
  *ret_watch = w;
  return STATUS_OK;
}

void watch_reset(struct watch *w) {
  for (size_t i = 0; i < w->nfolders; i++) {
    /* two paths may lead to the same folder: the second time is refused */
    if (w->folders[i].wd >= 0)
      (void)inotify_rm_watch(w->fd, w->folders[i].wd);
    free(w->folders[i].path);
  }
  for (size_t i = 0; i < w->nfiles; i++)
    free(w->files[i].path);
  w->nfolders = w->nfiles = 0;
  w->first_ms = w->due_ms = 0;
}

void watch_free(struct watch *w) {
  if (!w)
    return;
  watch_reset(w);
  close(w->fd);
  free(w->folders);
  free(w->files);
  free(w);
}

/* --------------------------------------------------------------- folders ---
 */

static void tell(struct watch *w, const char *path, const char *why) {
  if (w->told++ < TOLD_MAX)
    say("watch: %s: %s: its changes are not seen", path, why);
}

/* "a/b" of "a/b/c", "." of "c", "/" of "/c". */
static char *parent_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash)
    return must_format(".");
  if (slash == path)
    return must_format("/");
  return must_format("%.*s", (int)(slash - path), path);
}

/* Asks about |f|, or where it does not exist about what it would appear in.
 * Once more about the same folder is the same watch. */
static void arm(struct watch *w, struct folder *f) {
  char *at = must_format("%s", f->path), *up;
  int wd;
  while ((wd = inotify_add_watch(w->fd, at, EVENTS)) < 0 &&
         (errno == ENOENT || errno == ENOTDIR) && strcmp(at, ".") != 0 &&
         strcmp(at, "/") != 0) {
    up = parent_of(at);
    free(at);
    at = up;
  }
  if (wd < 0)
    tell(w, at,
         errno == ENOSPC ? "too many folders (fs.inotify.max_user_watches)"
                         : strerror(errno));
  if (f->wd >= 0 && f->wd != wd)
    (void)inotify_rm_watch(w->fd, f->wd); /* there is another one now */
  f->wd = wd;
  free(at);
}

static void add_folder(struct watch *w, const char *path) {
  struct folder *f;
  for (size_t i = 0; i < w->nfolders; i++)
    if (strcmp(w->folders[i].path, path) == 0)
      return;
  if (w->nfolders == FOLDERS_MAX) {
    tell(w, path, "too many folders");
    return;
  }
  if (w->nfolders == w->folders_cap) {
    w->folders_cap = w->folders_cap ? w->folders_cap * 2 : 16;
    w->folders = must_resize(w->folders, w->folders_cap, sizeof *w->folders);
  }
  f = &w->folders[w->nfolders++];
  *f = (struct folder){.path = must_format("%s", path), .wd = -1};
  arm(w, f);
}

static void add_folder_of(struct watch *w, const char *path) {
  char *folder = parent_of(path);
  add_folder(w, folder);
  free(folder);
}

/* ----------------------------------------------------------------- state ---
 */

static uint64_t mix(uint64_t h, const void *data, size_t len) {
  const unsigned char *p = data;
  for (size_t i = 0; i < len; i++) /* FNV-1a */
    h = (h ^ p[i]) * 0x100000001b3u;
  return h;
}

/* Never 0, which is what does not exist. */
static uint64_t state_of(const char *path, const struct stat *st) {
  uint64_t h = mix(0xcbf29ce484222325u, path, strlen(path));
  h = mix(h, &st->st_dev, sizeof st->st_dev);
  h = mix(h, &st->st_ino, sizeof st->st_ino);
  h = mix(h, &st->st_mode, sizeof st->st_mode);
  h = mix(h, &st->st_size, sizeof st->st_size);
  h = mix(h, &st->st_mtim.tv_sec, sizeof st->st_mtim.tv_sec);
  h = mix(h, &st->st_mtim.tv_nsec, sizeof st->st_mtim.tv_nsec);
  h = mix(h, &st->st_ctim.tv_sec, sizeof st->st_ctim.tv_sec);
  h = mix(h, &st->st_ctim.tv_nsec, sizeof st->st_ctim.tv_nsec);
  return h | 1;
}

static bool is_yaml(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

/* All policies below |dir|, in whatever order they are found. */
static uint64_t state_below(struct watch *w, const char *dir, unsigned depth,
                            size_t *left) {
  DIR *d = opendir(dir);
  struct dirent *e;
  uint64_t sum = 0;
  add_folder(w, dir);
  while (d && *left > 0 && (e = readdir(d)) != NULL) {
    struct stat st;
    char *path;
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
      continue;
    path = must_format("%s/%s", dir, e->d_name);
    --*left;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
      if (depth > 0)
        sum += state_below(w, path, depth - 1, left);
    } else if (is_yaml(e->d_name)) {
      sum += stat(path, &st) == 0 ? state_of(path, &st) : 1;
    }
    free(path);
  }
  if (d)
    closedir(d);
  return sum;
}

static uint64_t state_now(struct watch *w, const struct watched *f) {
  struct stat st;
  size_t left = BELOW_MAX;
  if (stat(f->path, &st) != 0)
    return 0;
  if (f->below && S_ISDIR(st.st_mode))
    return state_below(w, f->path, FOLDERS_DEEP, &left);
  return state_of(f->path, &st);
}

static void add(struct watch *w, const char *path, bool below) {
  struct watched *f;
  char *real;
  if (!w || !*path)
    return;
  for (size_t i = 0; i < w->nfiles; i++)
    if (w->files[i].below == below && strcmp(w->files[i].path, path) == 0)
      return;
  if (w->nfiles == FILES_MAX) {
    tell(w, path, "too many files");
    return;
  }
  if (w->nfiles == w->files_cap) {
    w->files_cap = w->files_cap ? w->files_cap * 2 : 16;
    w->files = must_resize(w->files, w->files_cap, sizeof *w->files);
  }
  add_folder_of(w, path);
  /* behind a symbolic link there is another folder */
  real = realpath(path, NULL);
  if (real)
    add_folder_of(w, real);
  free(real);
  f = &w->files[w->nfiles++];
  *f = (struct watched){.path = must_format("%s", path), .below = below};
  f->state = state_now(w, f);
}

void watch_file(struct watch *w, const char *path) {
  add(w, path, false);
}

void watch_policies(struct watch *w, const char *path) {
  add(w, path, true);
}

/* ---------------------------------------------------------------- events ---
 */

int watch_fd(const struct watch *w) {
  /* while more is expected nobody needs to be woken for it */
  return w && w->due_ms == 0 ? w->fd : -1;
}

int watch_timeout_ms(const struct watch *w, uint64_t now_ms) {
  if (!w || w->due_ms == 0)
    return -1;
  return w->due_ms > now_ms ? (int)(w->due_ms - now_ms) : 0;
}

/* True if there was anything. */
static bool drain(struct watch *w) {
  char events[4096];
  bool any = false;
  ssize_t n;
  /* bounded: what comes meanwhile is left to the next time */
  for (int i = 0; i < 64 && (n = read(w->fd, events, sizeof events)) > 0; i++)
    any = true;
  return any;
}

const char *watch_look(struct watch *w, uint64_t now_ms) {
  bool more;
  if (w->due_ms > now_ms)
    return NULL;
  more = drain(w);
  if (w->due_ms == 0) {
    w->first_ms = more ? now_ms : 0;
    w->due_ms = more ? now_ms + QUIET_MS : 0;
    return NULL;
  }
  if (more && now_ms - w->first_ms < PATIENCE_MS) {
    w->due_ms = now_ms + QUIET_MS;
    return NULL;
  }
  w->first_ms = w->due_ms = 0;
  /* first the folders, then the files: a change in between is an event */
  for (size_t i = 0; i < w->nfolders; i++)
    arm(w, &w->folders[i]);
  for (size_t i = 0; i < w->nfiles; i++)
    if (state_now(w, &w->files[i]) != w->files[i].state)
      return w->files[i].path;
  return NULL;
}
