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

/* Of what a command line or a manifest names. */
#define FOLDERS_MAX 1024 /* that the kernel is asked about */
#define FILES_MAX 8192
/* Of what one script requires, which it can do for ever. */
#define SCRIPT_FOLDERS_MAX 256
#define SCRIPT_FILES_MAX 2048
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
/* Of a folder that is only on the way: whether the next one is the same. */
#define WAY_EVENTS                                                             \
  (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)

/* One that was there when it was asked about. */
struct folder {
  char *path;
  uint32_t events;
  int wd; /* -1: it is not watched */
};

struct watched {
  char *path;
  bool below; /* where it is a folder, its policies */
  uint64_t state;
};

/* What belongs to one script, or to nobody. */
struct share {
  const void *whose; /* NULL: nobody's, the first one */
  struct folder *folders;
  size_t nfolders, folders_cap;
  struct watched *files;
  size_t nfiles, files_cap;
  bool told; /* that it has no more room */
};

struct watch {
  int fd;
  struct share *shares;
  size_t nshares;
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

static void share_deinit(struct watch *w, struct share *s) {
  for (size_t i = 0; i < s->nfolders; i++) {
    /* two paths may lead to the same folder: the second time is refused */
    if (s->folders[i].wd >= 0)
      (void)inotify_rm_watch(w->fd, s->folders[i].wd);
    free(s->folders[i].path);
  }
  for (size_t i = 0; i < s->nfiles; i++)
    free(s->files[i].path);
  free(s->folders);
  free(s->files);
}

void watch_reset(struct watch *w) {
  for (size_t i = 0; i < w->nshares; i++)
    share_deinit(w, &w->shares[i]);
  w->nshares = 0;
  w->first_ms = w->due_ms = 0;
}

void watch_free(struct watch *w) {
  if (!w)
    return;
  watch_reset(w);
  close(w->fd);
  free(w->shares);
  free(w);
}

/* --------------------------------------------------------------- folders ---
 */

static void tell(struct watch *w, const char *path, const char *why) {
  if (w->told++ < TOLD_MAX)
    say("watch: %s: %s: its changes are not seen", path, why);
}

/* Once for each script: the rest of what it requires is the same. */
static void tell_full(struct watch *w, struct share *s, const char *path,
                      const char *what) {
  if (!s->told)
    tell(w, path, what);
  s->told = s->whose != NULL;
}

/* "a/b" of "a/b/c", "." of "c", "/" of "/c"; NULL: nothing is above it. */
static char *parent_of(const char *path) {
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  if (strcmp(path, "/") == 0 || strcmp(name, ".") == 0 ||
      strcmp(name, "..") == 0)
    return NULL;
  if (!slash)
    return must_format(".");
  while (slash > path && slash[-1] == '/') /* "a//b" */
    slash--;
  if (slash == path)
    return must_format("/");
  return must_format("%.*s", (int)(slash - path), path);
}

/* Asks about |f|, which another folder may stand for now.  Once more about the
 * same folder is the same watch. */
static void arm(struct watch *w, struct folder *f) {
  int wd = inotify_add_watch(w->fd, f->path, f->events | IN_MASK_ADD);
  /* what is gone is seen to come by the folder above */
  if (wd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
    tell(w, f->path,
         errno == ENOSPC ? "too many folders (fs.inotify.max_user_watches)"
                         : strerror(errno));
  f->wd = wd;
}

static bool has_wd(const struct watch *w, int wd) {
  for (size_t i = 0; i < w->nshares; i++)
    for (size_t k = 0; k < w->shares[i].nfolders; k++)
      if (w->shares[i].folders[k].wd == wd)
        return true;
  return false;
}

/* All of them once more: the names may lead elsewhere now. */
static void arm_again(struct watch *w) {
  for (size_t i = 0; i < w->nshares; i++)
    for (size_t k = 0; k < w->shares[i].nfolders; k++) {
      struct folder *f = &w->shares[i].folders[k];
      int before = f->wd;
      arm(w, f);
      if (before >= 0 && before != f->wd && !has_wd(w, before))
        (void)inotify_rm_watch(w->fd, before);
    }
}

static void add_folder(struct watch *w, struct share *s, const char *path,
                       uint32_t events) {
  struct folder *f;
  struct stat st;
  for (size_t i = 0; i < s->nfolders; i++) {
    f = &s->folders[i];
    if (strcmp(f->path, path) != 0)
      continue;
    if ((f->events | events) != f->events) {
      f->events |= events;
      arm(w, f);
    }
    return;
  }
  /* the nearest one that is there will tell when it comes */
  if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
    return;
  if (s->nfolders == (s->whose ? SCRIPT_FOLDERS_MAX : FOLDERS_MAX)) {
    tell_full(w, s, path, "too many folders");
    return;
  }
  if (s->nfolders == s->folders_cap) {
    s->folders_cap = s->folders_cap ? s->folders_cap * 2 : 16;
    s->folders = must_resize(s->folders, s->folders_cap, sizeof *s->folders);
  }
  f = &s->folders[s->nfolders++];
  *f = (struct folder){.path = must_format("%s", path), .events = events};
  arm(w, f);
}

/* The folder of |path|, and those above, of which any may be renamed away and
 * made anew. */
static void add_way(struct watch *w, struct share *s, const char *path) {
  uint32_t events = EVENTS;
  char *at = parent_of(path);
  while (at) {
    char *up = parent_of(at);
    add_folder(w, s, at, events);
    events = WAY_EVENTS;
    free(at);
    at = up;
  }
}

static void add_folder_of(struct watch *w, struct share *s, const char *path) {
  char *folder = parent_of(path);
  if (folder)
    add_folder(w, s, folder, EVENTS);
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
static uint64_t state_below(struct watch *w, struct share *s, const char *dir,
                            unsigned depth, size_t *left) {
  DIR *d = opendir(dir);
  struct dirent *e;
  uint64_t sum = 0;
  add_folder(w, s, dir, EVENTS);
  while (d && *left > 0 && (e = readdir(d)) != NULL) {
    struct stat st;
    char *path;
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
      continue;
    path = must_format("%s/%s", dir, e->d_name);
    --*left;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
      if (depth > 0)
        sum += state_below(w, s, path, depth - 1, left);
    } else if (is_yaml(e->d_name)) {
      sum += stat(path, &st) == 0 ? state_of(path, &st) : 1;
    }
    free(path);
  }
  if (d)
    closedir(d);
  return sum;
}

static uint64_t state_now(struct watch *w, struct share *s,
                          const struct watched *f) {
  struct stat st;
  size_t left = BELOW_MAX;
  if (stat(f->path, &st) != 0)
    return 0;
  if (f->below && S_ISDIR(st.st_mode))
    return state_below(w, s, f->path, FOLDERS_DEEP, &left);
  return state_of(f->path, &st);
}

static struct share *share_of(struct watch *w, const void *whose) {
  struct share *s;
  for (size_t i = 0; i < w->nshares; i++)
    if (w->shares[i].whose == whose)
      return &w->shares[i];
  w->shares = must_resize(w->shares, w->nshares + 1, sizeof *w->shares);
  s = &w->shares[w->nshares++];
  *s = (struct share){.whose = whose};
  return s;
}

static void add(struct watch *w, const void *whose, const char *path,
                bool below) {
  struct share *s;
  struct watched *f;
  char *real;
  if (!w || !*path)
    return;
  s = share_of(w, whose);
  for (size_t i = 0; i < s->nfiles; i++)
    if (s->files[i].below == below && strcmp(s->files[i].path, path) == 0)
      return;
  if (s->nfiles == (whose ? SCRIPT_FILES_MAX : FILES_MAX)) {
    tell_full(w, s, path, "too many files");
    return;
  }
  if (s->nfiles == s->files_cap) {
    s->files_cap = s->files_cap ? s->files_cap * 2 : 16;
    s->files = must_resize(s->files, s->files_cap, sizeof *s->files);
  }
  add_way(w, s, path);
  /* behind a symbolic link there is another folder */
  real = realpath(path, NULL);
  if (real)
    add_folder_of(w, s, real);
  free(real);
  f = &s->files[s->nfiles++];
  *f = (struct watched){.path = must_format("%s", path), .below = below};
  f->state = state_now(w, s, f);
}

void watch_file(struct watch *w, const char *path) {
  add(w, NULL, path, false);
}

void watch_module(struct watch *w, const void *whose, const char *path) {
  add(w, whose, path, false);
}

void watch_policies(struct watch *w, const char *path) {
  add(w, NULL, path, true);
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
  arm_again(w);
  for (size_t i = 0; i < w->nshares; i++) {
    struct share *s = &w->shares[i];
    for (size_t k = 0; k < s->nfiles; k++) {
      struct watched *f = &s->files[k];
      if (f->state == 0)
        add_way(w, s, f->path); /* more of it may be there now */
      if (state_now(w, s, f) != f->state)
        return f->path;
    }
  }
  return NULL;
}
