/* namespaces.c - as many as the system lets us have. */
#include "runtime/worker/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/worker/control.h"
#include "runtime/worker/spawn.h"

static const struct {
  unsigned bit;
  int flag;
  const char *path;
} handed[NAMESPACES_HANDED] = {
    {WORKER_NS_NET, CLONE_NEWNET, "/proc/self/ns/net"},
    {WORKER_NS_IPC, CLONE_NEWIPC, "/proc/self/ns/ipc"},
    {WORKER_NS_MNT, CLONE_NEWNS, "/proc/self/ns/mnt"},
};

/* An empty read-only file system becomes the root. */
FOREIGN_STACK static bool empty_root(void) {
  return mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
         mount("none", "/proc", "tmpfs",
               MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
               "size=4k,nr_inodes=2,mode=555") == 0 &&
         chdir("/proc") == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
         umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

FOREIGN_STACK unsigned namespaces_make(int ret_fds[NAMESPACES_HANDED]) {
  unsigned have = 0;
  int flags = 0;
  for (size_t i = 0; i < NAMESPACES_HANDED; i++) {
    ret_fds[i] = -1;
    flags |= handed[i].flag;
  }
  if (unshare(flags) != 0)
    return 0;
  for (size_t i = 0; i < NAMESPACES_HANDED; i++) {
    ret_fds[i] = open(handed[i].path, O_RDONLY | O_CLOEXEC);
    if (ret_fds[i] >= 0)
      have |= handed[i].bit;
  }
  if ((have & WORKER_NS_MNT) && !empty_root()) {
    close(ret_fds[2]);
    ret_fds[2] = -1;
    have &= ~(unsigned)WORKER_NS_MNT;
  }
  return have;
}

FOREIGN_STACK void namespaces_keep_capabilities(void) {
  static const int kept[] = {CAP_SYS_ADMIN, CAP_SYS_CHROOT};
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
    data[0].effective |= 1u << kept[i];
  data[0].permitted = data[0].inheritable = data[0].effective;
  if (syscall(SYS_capset, &head, data) != 0)
    return;
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept[i], 0L, 0L);
}

unsigned namespaces_enter(int fds[NAMESPACES_HANDED], int *ret_errno) {
  unsigned have = 0;
  for (size_t i = 0; i < NAMESPACES_HANDED; i++) {
    bool in = fds[i] >= 0 && setns(fds[i], handed[i].flag) == 0;
    if (!in) {
      in = unshare(handed[i].flag) == 0 &&
           (handed[i].bit != WORKER_NS_MNT || empty_root());
      if (!in)
        *ret_errno = errno;
    }
    if (fds[i] >= 0)
      close(fds[i]);
    fds[i] = -1;
    if (in)
      have |= handed[i].bit;
  }
  return have;
}
