/* standalone.c - replays files through a fuzz target without a fuzzing engine:
 * each file named (folders: the files in them), as it is and cut short at every
 * byte.  Works with any compiler; `make check` runs it over the corpora. */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A target may have one; it runs before the first input. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Longer files are replayed whole only: all prefixes take quadratic time. */
#define PREFIX_MAX_BYTES 2048
#define FILE_MAX_BYTES ((size_t)16 << 20)

static unsigned long nfiles;
static unsigned long ninputs;

/* The input ends where readable memory ends. */
static int run_one(const uint8_t *data, size_t len) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t body = (len / page + 1) * page;
  uint8_t *map = mmap(NULL, body + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED || mprotect(map + body, page, PROT_NONE) != 0) {
    perror("standalone: mmap");
    return -1;
  }
  if (len > 0)
    memcpy(map + body - len, data, len);
  (void)LLVMFuzzerTestOneInput(map + body - len, len);
  ninputs++;
  munmap(map, body + page);
  return 0;
}

static int run_file(const char *path) {
  FILE *f = fopen(path, "rb");
  uint8_t *data;
  size_t len;
  int rv = 0;
  if (!f) {
    fprintf(stderr, "standalone: %s: %s\n", path, strerror(errno));
    return -1;
  }
  data = malloc(FILE_MAX_BYTES);
  if (!data) {
    fclose(f);
    fprintf(stderr, "standalone: out of memory\n");
    return -1;
  }
  len = fread(data, 1, FILE_MAX_BYTES, f);
  if (ferror(f) || !feof(f)) {
    fprintf(stderr, "standalone: %s: cannot read it whole\n", path);
    rv = -1;
  }
  fclose(f);
  if (rv == 0)
    rv = run_one(data, len);
  if (len <= PREFIX_MAX_BYTES)
    for (size_t n = 0; n < len && rv == 0; n++)
      rv = run_one(data, n);
  nfiles++;
  free(data);
  return rv;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int run_path(const char *path) {
  struct dirent **names;
  struct stat st;
  int rv = 0;
  int n;
  if (stat(path, &st) != 0) {
    fprintf(stderr, "standalone: %s: %s\n", path, strerror(errno));
    return -1;
  }
  if (!S_ISDIR(st.st_mode))
    return run_file(path);
  n = scandir(path, &names, NULL, by_name);
  if (n < 0) {
    fprintf(stderr, "standalone: %s: %s\n", path, strerror(errno));
    return -1;
  }
  for (int i = 0; i < n; i++) {
    char file[4096];
    int len = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
    if (names[i]->d_name[0] != '.' && rv == 0)
      rv = len < (int)sizeof file ? run_path(file) : -1;
    free(names[i]);
  }
  free(names);
  return rv;
}

int main(int argc, char **argv) {
  int rv = 0;
  if (LLVMFuzzerInitialize)
    LLVMFuzzerInitialize(&argc, &argv);
  if (argc < 2) {
    fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
    return 2;
  }
  if (run_one((const uint8_t *)"", 0) != 0)
    return 1;
  for (int i = 1; i < argc && rv == 0; i++)
    rv = run_path(argv[i]);
  if (rv == 0 && nfiles == 0) {
    fprintf(stderr, "standalone: no file to replay\n");
    rv = -1;
  }
  printf("replayed %lu files as %lu inputs\n", nfiles, ninputs);
  return rv == 0 ? 0 : 1;
}
