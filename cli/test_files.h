/* test_files.h - which files hold policy tests. */
#ifndef CLI_TEST_FILES_H
#define CLI_TEST_FILES_H

#include <stddef.h>
#include <sys/types.h>

struct test_file {
  char *path;
  dev_t dev; /* which file it really is */
  ino_t ino;
};

/* Zeroed to start. */
struct test_files {
  struct test_file *items;
  size_t len, cap;
  size_t found;      /* also those that were added before */
  size_t unreadable; /* paths, which have been named on standard error */
};

/* Adds a file, or every *_test.yaml and *_test.yml below a folder in the order
 * of their names.  A file that was added before is passed over. */
void test_files_add(struct test_files *f, const char *path);
void test_files_deinit(struct test_files *f);

#endif
