/* check_place.c - which files beside a program are its own: by who could have
 * put them there. */
#include <sys/stat.h>

#include "runtime/base/place.h"
#include "tests/unit.h"

#define OTHER 12345 /* a user, and a group, of nobody here */
#define SAME 0      /* as it was made */

/* A folder, in it lib, in that part.so. */
static const struct layout {
  struct entry {
    mode_t mode;
    unsigned user, group; /* OTHER: only root can make it so */
  } base, lib, file;
  bool ours;
} layouts[] = {
    {{0755, SAME, SAME}, {0755, SAME, SAME}, {0644, SAME, SAME}, true},
    {{0700, SAME, SAME}, {0700, SAME, SAME}, {0755, SAME, SAME}, true},
    /* everybody may write: the program is theirs to replace, or it is not */
    {{0777, SAME, SAME}, {0755, SAME, SAME}, {0644, SAME, SAME}, true},
    {{0777, SAME, SAME}, {0777, SAME, SAME}, {0666, SAME, SAME}, true},
    {{0777, SAME, SAME}, {0775, SAME, OTHER}, {0664, SAME, OTHER}, true},
    {{0777, SAME, SAME}, {0755, OTHER, SAME}, {0644, SAME, SAME}, false},
    {{01777, SAME, SAME}, {0755, SAME, SAME}, {0644, SAME, SAME}, false},
    {{0755, SAME, SAME}, {0757, SAME, SAME}, {0644, SAME, SAME}, false},
    {{0755, SAME, SAME}, {01777, SAME, SAME}, {0644, SAME, SAME}, false},
    {{0755, SAME, SAME}, {0755, SAME, SAME}, {0646, SAME, SAME}, false},
    /* a group, which may replace the program, or may not */
    {{0775, SAME, SAME}, {0775, SAME, SAME}, {0664, SAME, SAME}, true},
    {{01775, SAME, SAME}, {0755, SAME, SAME}, {0644, SAME, SAME}, false},
    {{0755, SAME, SAME}, {0775, SAME, SAME}, {0644, SAME, SAME}, false},
    {{0755, SAME, SAME}, {0755, SAME, SAME}, {0664, SAME, SAME}, false},
    {{0775, SAME, SAME}, {0775, SAME, OTHER}, {0644, SAME, SAME}, false},
    {{0775, SAME, SAME}, {0755, SAME, SAME}, {0664, SAME, OTHER}, false},
    {{0755, SAME, SAME}, {0755, SAME, OTHER}, {0644, SAME, OTHER}, true},
    /* somebody else, who may be the owner of it all */
    {{0755, SAME, SAME}, {0755, OTHER, SAME}, {0644, SAME, SAME}, false},
    {{0755, SAME, SAME}, {0755, SAME, SAME}, {0644, OTHER, SAME}, false},
    {{0755, OTHER, SAME}, {0755, OTHER, SAME}, {0644, OTHER, SAME}, true},
    {{0755, OTHER, SAME}, {0755, SAME, SAME}, {0644, SAME, SAME}, true},
};

static bool settle(const char *path, const struct entry *e) {
  if ((e->user != SAME || e->group != SAME) &&
      chown(path, e->user != SAME ? e->user : (uid_t)-1,
            e->group != SAME ? e->group : (gid_t)-1) != 0)
    return false; /* not as root */
  ck_assert_int_eq(chmod(path, e->mode), 0);
  return true;
}

struct tree {
  char base[64];
  char lib[80];
  char file[100];
};

static void tree_make(struct tree *t) {
  FILE *f;
  strcpy(t->base, "/tmp/cordon-place-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(t->base));
  snprintf(t->lib, sizeof t->lib, "%s/lib", t->base);
  snprintf(t->file, sizeof t->file, "%s/part.so", t->lib);
  ck_assert_int_eq(mkdir(t->lib, 0755), 0);
  f = fopen(t->file, "w");
  ck_assert_ptr_nonnull(f);
  fclose(f);
}

static void tree_remove(struct tree *t) {
  unlink(t->file);
  rmdir(t->file);
  rmdir(t->lib);
  rmdir(t->base);
}

START_TEST(whose_it_is) {
  unit_each(l, layouts) {
    struct tree t;
    char slashed[100];
    tree_make(&t);
    snprintf(slashed, sizeof slashed, "%s/lib/../", t.base);
    if (settle(t.file, &l->file) && settle(t.lib, &l->lib) &&
        settle(t.base, &l->base)) {
      ck_assert_msg(place_is_ours(t.base, "lib/part.so") == l->ours, "row %zu",
                    (size_t)(l - layouts));
      ck_assert(place_is_ours(slashed, "lib/part.so") == l->ours);
    }
    tree_remove(&t);
  }
}
END_TEST

START_TEST(what_is_not_there) {
  static const struct entry plain = {0755, SAME, SAME};
  static char longest[5000];
  struct tree t;
  tree_make(&t);
  ck_assert(settle(t.file, &plain) && settle(t.lib, &plain) &&
            settle(t.base, &plain));
  ck_assert(place_is_ours(t.base, "lib/part.so"));
  ck_assert(place_is_ours(t.lib, "part.so"));
  ck_assert(!place_is_ours(t.base, "lib/other.so"));
  ck_assert(!place_is_ours(t.base, "other/part.so"));
  ck_assert(!place_is_ours(t.base, "lib"));
  ck_assert(!place_is_ours(t.base, "lib/"));
  ck_assert(!place_is_ours(t.file, "part.so"));
  ck_assert(!place_is_ours("", "part.so"));
  ck_assert_int_eq(chdir(t.base), 0);
  ck_assert(!place_is_ours("lib", "part.so")); /* whose, if one goes on? */
  ck_assert_int_eq(chdir("/"), 0);
  memset(longest, 'a', sizeof longest - 1);
  longest[0] = '/';
  ck_assert(!place_is_ours(longest, "part.so"));
  ck_assert(!place_is_ours(t.base, longest));
  tree_remove(&t);
}
END_TEST

int main(void) {
  Suite *s = suite_create("place");
  TCase *tc = tcase_create("place");
  tcase_add_test(tc, whose_it_is);
  tcase_add_test(tc, what_is_not_there);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
