/* lookup.c - zones from the system's database, and patterns matched by RE2. */
#include "modules/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "modules/services.h"
#include "modules/tzif.h"

#define UNICODE_CLASSES_MAX 16
#define ZONES_FOLDER "/usr/share/zoneinfo"

void lookup_memory_init(struct lookup_memory *k, const struct mem *m) {
  memset(k, 0, sizeof *k);
  k->mem = *m;
  buf_init(&k->zone, m, TZIF_MAX_BYTES + 1);
}

static void pattern_forget(struct lookup_pattern *p) {
  if (!p->regex)
    return;
  regex_pool_deinit(&p->pool);
  arena_deinit(&p->arena);
  memset(p, 0, sizeof *p);
}

void lookup_memory_deinit(struct lookup_memory *k) {
  for (size_t i = 0; k->patterns && i < LOOKUP_PATTERNS; i++)
    pattern_forget(&k->patterns[i]);
  mem_free(&k->mem, k->patterns, LOOKUP_PATTERNS * sizeof *k->patterns);
  buf_deinit(&k->zone);
}

/* ------------------------------------------------------------------ zones ---
 */

/* Everything behind the opened |fd|, which must be a zone: the folder has other
 * files, and a link in it may lead anywhere.  0, ERR_NOT_FOUND (it is no file,
 * or a large one), ERR_SYNTAX, ERR_SYSTEM or ERR_NOMEM */
static int read_zone(int fd, struct buf *b) {
  struct tzif ignored;
  struct stat st;
  uint8_t *room;
  ssize_t n;
  int rv;
  if (fstat(fd, &st) != 0)
    return ERR_SYSTEM;
  if (!S_ISREG(st.st_mode) || st.st_size > (off_t)TZIF_MAX_BYTES)
    return ERR_NOT_FOUND;
  buf_clear(b);
  while (b->len <= TZIF_MAX_BYTES) {
    size_t want = b->len ? TZIF_MAX_BYTES + 1 - b->len : (size_t)st.st_size + 1;
    if (!(room = buf_reserve(b, want, &rv)))
      return ERR_NOMEM;
    n = read(fd, room, want);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return ERR_SYSTEM;
    if (n == 0)
      return tzif_parse(&ignored, buf_slice(b));
    buf_commit(b, (size_t)n);
  }
  return ERR_NOT_FOUND;
}

/* The folder is the C library's: TZDIR, if the program's user may say so. */
int lookup_zone(struct lookup_memory *k, struct slice name,
                struct slice *ret_data) {
  const char *folder = secure_getenv("TZDIR");
  char path[TZ_NAME_MAX_BYTES + 1];
  int folder_fd, fd, rv;
  if (!tz_name_ok(name))
    return ERR_NOT_FOUND;
  memcpy(path, name.p, name.len);
  path[name.len] = '\0';
  folder_fd = open(folder && *folder ? folder : ZONES_FOLDER,
                   O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd < 0)
    return errno == ENOENT || errno == ENOTDIR ? ERR_UNSUPPORTED : ERR_SYSTEM;
  /* O_NONBLOCK: a pipe that somebody put there must not hold us up */
  fd = openat(folder_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  rv = fd >= 0 ? read_zone(fd, &k->zone)
       : errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? ERR_NOT_FOUND
                                                               : ERR_SYSTEM;
  if (fd >= 0)
    close(fd);
  close(folder_fd);
  if (rv == 0)
    *ret_data = buf_slice(&k->zone);
  return rv;
}

static int zone_here(struct services *sv, struct slice name,
                     struct slice *ret_data) {
  return lookup_zone(&sv->lookup_memory, name, ret_data);
}

/* --------------------------------------------------------------- patterns ---
 */

/* Classes of Unicode in it, "\pL": each costs as much to compile as hundreds of
 * bytes of anything else, and few of them fit into REGEX_MAX_MEMORY. */
static size_t unicode_classes(struct slice pattern) {
  size_t n = 0;
  for (size_t i = 0; i + 1 < pattern.len; i++)
    n += pattern.p[i] == '\\' && ascii_lower(pattern.p[i + 1]) == 'p';
  return n;
}

/* The compiled |pattern|, which is |k|'s.  0, ERR_SYNTAX, ERR_UNSUPPORTED or
 * ERR_NOMEM */
static int pattern_get(struct lookup_memory *k, struct slice pattern,
                       const struct regex **ret, struct err *e) {
  struct lookup_pattern *oldest;
  int rv;
  if (!k->patterns)
    k->patterns = mem_zalloc(&k->mem, LOOKUP_PATTERNS * sizeof *k->patterns);
  if (!k->patterns)
    return ERR_NOMEM;
  oldest = &k->patterns[0];
  k->clock++;
  for (size_t i = 0; i < LOOKUP_PATTERNS; i++) {
    struct lookup_pattern *p = &k->patterns[i];
    if (p->regex && slice_eq(regex_source(p->regex), pattern)) {
      p->used = k->clock;
      *ret = p->regex;
      return 0;
    }
    if (p->used < oldest->used)
      oldest = p;
  }
  pattern_forget(oldest);
  arena_init(&oldest->arena, &k->mem, SIZE_MAX / 2);
  rv = regex_compile(&oldest->regex, pattern, &oldest->pool, &oldest->arena, e);
  if (rv != 0) {
    regex_pool_deinit(&oldest->pool);
    arena_deinit(&oldest->arena);
    memset(oldest, 0, sizeof *oldest);
    return rv;
  }
  oldest->used = k->clock;
  *ret = oldest->regex;
  return 0;
}

static int match_here(struct services *sv, struct slice pattern,
                      struct slice text, bool *ret_found, struct err *e) {
  const struct regex *re;
  size_t most;
  int rv;
  if (!utf8_valid(pattern) || !utf8_valid(text))
    return err_setf(e, ERR_SYNTAX, "pattern or text is no UTF-8");
  if (unicode_classes(pattern) > UNICODE_CLASSES_MAX)
    return err_setf(e, ERR_SYNTAX,
                    "pattern has more than %d classes of Unicode",
                    UNICODE_CLASSES_MAX);
  if ((rv = pattern_get(&sv->lookup_memory, pattern, &re, e)) != 0)
    return rv;
  most = LOOKUP_MATCH_MAX_STEPS / (regex_size(re) + 1);
  if (most > LOOKUP_TEXT_MAX_BYTES)
    most = LOOKUP_TEXT_MAX_BYTES;
  if (text.len > most)
    return err_setf(e, ERR_LIMIT,
                    "text of %zu bytes is too long for this pattern, expected "
                    "at most %zu",
                    text.len, most);
  rv = regex_search(re, text);
  *ret_found = rv == 1;
  return rv < 0 ? rv : 0;
}

const struct lookup lookup_here = {.zone = zone_here, .match = match_here};
