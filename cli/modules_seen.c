/* modules_seen.c - which modules a run has required and what they were. */
#include "cli/modules_seen.h"

#include "cli/print.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a.  Two texts of the same length and hash, made on purpose, go unnoticed
 * as a change of the one for the other: whoever writes them may as well write
 * none. */
static uint64_t hash(const char *text, size_t len) {
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < len; i++)
    h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
  return h;
}

static bool has(const struct modules_seen *s, const char *name) {
  for (size_t i = 0; i < s->len; i++)
    if (strcmp(s->items[i].name, name) == 0)
      return true;
  return false;
}

static void add(struct modules_seen *s, const char *name,
                const cordon_source *found) {
  if (s->len == s->cap) {
    s->cap = s->cap ? s->cap * 2 : 16;
    s->items = must_resize(s->items, s->cap, sizeof *s->items);
  }
  s->items[s->len++] = (struct module_seen){
      .name = must_format("%s", name),
      .found = found != NULL,
      .len = found ? found->len_bytes : 0,
      .hash = found ? hash(found->text, found->len_bytes) : 0};
}

int modules_seen_find(struct modules_seen *s, struct modules_dir *m,
                      const char *name, cordon_source *ret_source,
                      struct watch *w) {
  bool new = s->len < MODULES_SEEN_MAX && !has(s, name);
  int rv;
  if (new)
    modules_dir_watch(m, name, w, s);
  rv = modules_dir_find(m, name, ret_source);
  if (new)
    add(s, name, rv == CORDON_OK ? ret_source : NULL);
  return rv;
}

bool modules_seen_same(const struct modules_seen *s, struct modules_dir *m,
                       struct watch *w) {
  bool same = true;
  /* all are looked at, so that all are watched */
  for (size_t i = 0; i < s->len; i++) {
    const struct module_seen *was = &s->items[i];
    cordon_source now;
    bool found;
    modules_dir_watch(m, was->name, w, s);
    found = modules_dir_find(m, was->name, &now) == CORDON_OK;
    same &= found == was->found &&
            (!found || (now.len_bytes == was->len &&
                        hash(now.text, now.len_bytes) == was->hash));
  }
  return same;
}

void modules_seen_clear(struct modules_seen *s) {
  for (size_t i = 0; i < s->len; i++)
    free(s->items[i].name);
  free(s->items);
  *s = (struct modules_seen){0};
}
