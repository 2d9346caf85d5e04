/* filter_gen.c - prints the seccomp program as C, while cordon is built. */
#include <stdio.h>
#include <string.h>

#include "runtime/worker/filter.h"

int main(void) {
  static struct filter f;
  char version[FILTER_VERSION_BYTES];
  int error = filter_make(&f);
  if (error != 0) {
    fprintf(stderr, "filter_gen: %s\n", strerror(error));
    return 1;
  }
  filter_version(version);
  printf("/* Made by filter_gen with libseccomp %s. */\n", version);
  printf("#define FILTER_VERSION \"%s\"\n", version);
  printf("#define FILTER_PID_AT %zuu\n", f.pid_at);
  printf("static const struct sock_filter filter_program[] = {\n");
  for (size_t i = 0; i < f.n; i++)
    printf("    {0x%04x, %u, %u, 0x%08xu},\n", f.insns[i].code, f.insns[i].jt,
           f.insns[i].jf, f.insns[i].k);
  printf("};\n");
  return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
