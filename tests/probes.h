/* probes.h - what a worker tries, and how it must be refused; read by
 * probe_worker.c, which makes the calls, and check_spawn.c, which judges.
 *
 * X(name, outcome, call): |call| is a long, negative with errno if refused.  In
 * it: |sock| is a TCP socket that is not connected, |udp| one of UDP, |pair| a
 * connected one, |to| the address of a listener with |to_len|, |page| a page of
 * memory, |buf| some bytes, |parent| process 1: in the worker's namespace of
 * processes its parent, elsewhere init. */
#ifndef TESTS_PROBES_H
#define TESTS_PROBES_H

enum outcome {
  ALLOWED,
  REFUSED,      /* EPERM */
  KILLED,       /* SIGSYS */
  REFUSED_BADF, /* EBADF: there is a descriptor, with which nothing can be done
                 */
  REFUSED_BADF_OR_SANITIZED
};

#ifdef SYS_open
#define PROBES_OLD(X)                                                          \
  X(open, REFUSED, syscall(SYS_open, "/etc/passwd", O_RDONLY))                 \
  X(creat, REFUSED, syscall(SYS_creat, "/tmp/x", 0600))                        \
  X(stat, REFUSED, syscall(SYS_stat, "/", buf))                                \
  X(access, REFUSED, syscall(SYS_access, "/etc", 0))                           \
  X(readlink, REFUSED, syscall(SYS_readlink, "/proc/self/exe", buf, 64))       \
  X(unlink, REFUSED, syscall(SYS_unlink, "/tmp/x"))                            \
  X(rename, REFUSED, syscall(SYS_rename, "/tmp/x", "/tmp/y"))                  \
  X(mkdir, REFUSED, syscall(SYS_mkdir, "/tmp/x", 0700))                        \
  X(symlink, REFUSED, syscall(SYS_symlink, "/", "/tmp/x"))                     \
  X(chmod, REFUSED, syscall(SYS_chmod, "/tmp", 0777))                          \
  X(chown, REFUSED, syscall(SYS_chown, "/tmp", 0, 0))                          \
  X(mknod, REFUSED, syscall(SYS_mknod, "/tmp/x", 0600, 0))                     \
  X(fork, KILLED, syscall(SYS_fork))                                           \
  X(vfork, KILLED, syscall(SYS_vfork))                                         \
  X(inotify_init, REFUSED, syscall(SYS_inotify_init))                          \
  X(pipe, REFUSED, syscall(SYS_pipe, buf))                                     \
  X(dup2, REFUSED, syscall(SYS_dup2, 3, 9))                                    \
  X(arch_prctl, REFUSED, syscall(SYS_arch_prctl, 0x1003, buf))                 \
  X(modify_ldt, KILLED, syscall(SYS_modify_ldt, 0, buf, 16))                   \
  X(iopl, KILLED, syscall(SYS_iopl, 3))                                        \
  X(ioperm, KILLED, syscall(SYS_ioperm, 0, 1, 1))                              \
  X(x32_read, KILLED, syscall(0x40000000 | SYS_read, 3, buf, 0))               \
  X(x32_open, KILLED, syscall(0x40000000 | SYS_open, "/", 0))                  \
  X(x32_execve, KILLED, syscall(0x40000000 | 520, "/bin/sh", 0, 0))            \
  X(x32_ptrace, KILLED, syscall(0x40000000 | 521, 0, 0, 0, 0))
#else
#define PROBES_OLD(X)
#endif

#define PROBES(X)                                                              \
  PROBES_OLD(X)                                                                \
  /* files */                                                                  \
  X(openat, REFUSED, syscall(SYS_openat, AT_FDCWD, "/etc/passwd", 0))          \
  X(openat_write, REFUSED,                                                     \
    syscall(SYS_openat, AT_FDCWD, "/tmp/x", O_CREAT | O_WRONLY, 0600))         \
  X(openat_fd, REFUSED, syscall(SYS_openat, 0, "", O_RDWR))                    \
  X(openat2, REFUSED, syscall(437, AT_FDCWD, "/", buf, 24))                    \
  X(proc_self_mem, REFUSED,                                                    \
    syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR))                   \
  X(proc_parent, REFUSED, syscall(SYS_openat, AT_FDCWD, "/proc/1/environ", 0)) \
  X(dev_null, REFUSED, syscall(SYS_openat, AT_FDCWD, "/dev/null", 0))          \
  X(open_tree, KILLED, syscall(428, AT_FDCWD, "/", 0))                         \
  X(name_to_handle, KILLED,                                                    \
    syscall(SYS_name_to_handle_at, AT_FDCWD, "/", buf, buf, 0))                \
  X(open_by_handle, KILLED, syscall(SYS_open_by_handle_at, 0, buf, 0))         \
  X(unlinkat, REFUSED, syscall(SYS_unlinkat, AT_FDCWD, "/tmp/x", 0))           \
  X(renameat2, REFUSED, syscall(SYS_renameat2, -100, "/a", -100, "/b", 0))     \
  X(statx, REFUSED, syscall(SYS_statx, AT_FDCWD, "/", 0, 0, buf))              \
  X(fstat, REFUSED, syscall(SYS_fstat, 3, buf))                                \
  X(getdents64, REFUSED, syscall(SYS_getdents64, 0, buf, 64))                  \
  X(getcwd, REFUSED, syscall(SYS_getcwd, buf, 64))                             \
  X(chdir, REFUSED, syscall(SYS_chdir, "/"))                                   \
  X(fchdir, REFUSED, syscall(SYS_fchdir, 0))                                   \
  X(chroot, KILLED, syscall(SYS_chroot, "/"))                                  \
  X(pivot_root, KILLED, syscall(SYS_pivot_root, "/", "/"))                     \
  X(mount, KILLED, syscall(SYS_mount, "a", "/", "tmpfs", 0, 0))                \
  X(umount2, KILLED, syscall(SYS_umount2, "/", 0))                             \
  X(truncate, REFUSED, syscall(SYS_truncate, "/tmp/x", 0))                     \
  X(fallocate, REFUSED, syscall(SYS_fallocate, 3, 0, 0, 1))                    \
  X(sendfile, REFUSED, syscall(SYS_sendfile, 3, 0, 0, 1))                      \
  X(copy_file_range, REFUSED, syscall(SYS_copy_file_range, 0, 0, 3, 0, 1, 0))  \
  X(splice, KILLED, syscall(SYS_splice, 3, 0, 3, 0, 1, 0))                     \
  X(vmsplice, KILLED, syscall(SYS_vmsplice, 3, 0, 0, 0))                       \
  X(setxattr, REFUSED, syscall(SYS_setxattr, "/", "user.a", buf, 1, 0))        \
  X(fanotify, KILLED, syscall(SYS_fanotify_init, 0, 0))                        \
  X(inherited_read_0, REFUSED_BADF, syscall(SYS_read, 0, buf, 1))              \
  X(inherited_write_1, REFUSED_BADF, syscall(SYS_write, 1, buf, 1))            \
  X(inherited_write_2, REFUSED_BADF_OR_SANITIZED,                              \
    syscall(SYS_write, 2, buf, 0))                                             \
  X(inherited_others, ALLOWED, others_are_closed(pair, sock, udp))             \
  X(ioctl, REFUSED, syscall(SYS_ioctl, 3, 0x5401, buf))                        \
  X(ioctl_siocgifconf, REFUSED, syscall(SYS_ioctl, sock, 0x8912, buf))         \
  X(fcntl_setown, REFUSED, syscall(SYS_fcntl, 3, F_SETOWN, parent))            \
  X(fcntl_setsig, REFUSED, syscall(SYS_fcntl, 3, F_SETSIG, 9))                 \
  X(fcntl_dupfd, REFUSED, syscall(SYS_fcntl, 3, F_DUPFD, 0))                   \
  X(fcntl_setlk, REFUSED, syscall(SYS_fcntl, 3, F_SETLK, buf))                 \
  X(fcntl_notify, REFUSED, syscall(SYS_fcntl, 0, F_NOTIFY, 1))                 \
  X(dup3, REFUSED, syscall(SYS_dup3, 3, 9, 0))                                 \
  X(memfd_create, KILLED, syscall(SYS_memfd_create, "x", 0))                   \
  X(memfd_secret, KILLED, syscall(447, 0))                                     \
  /* programs and processes */                                                 \
  X(execve, KILLED, syscall(SYS_execve, "/bin/sh", 0, 0))                      \
  X(execveat, KILLED, syscall(SYS_execveat, 0, "", 0, 0, AT_EMPTY_PATH))       \
  X(clone, KILLED, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))                    \
  X(clone_thread, KILLED,                                                      \
    syscall(SYS_clone, CLONE_THREAD | CLONE_VM | CLONE_SIGHAND, 0, 0, 0, 0))   \
  X(clone3, KILLED, syscall(435, buf, 64))                                     \
  X(fork_libc, KILLED, fork())                                                 \
  X(ptrace_parent, KILLED, syscall(SYS_ptrace, PTRACE_ATTACH, parent, 0, 0))   \
  X(ptrace_traceme, KILLED, syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0))      \
  X(vm_readv, KILLED,                                                          \
    syscall(SYS_process_vm_readv, parent, buf, 0, buf, 0, 0))                  \
  X(vm_writev, KILLED,                                                         \
    syscall(SYS_process_vm_writev, parent, buf, 0, buf, 0, 0))                 \
  X(pidfd_open, KILLED, syscall(SYS_pidfd_open, parent, 0))                    \
  X(pidfd_getfd, KILLED, syscall(438, 3, 0, 0))                                \
  X(pidfd_send_signal, KILLED, syscall(SYS_pidfd_send_signal, 3, 9, 0, 0))     \
  X(process_madvise, KILLED, syscall(440, 3, 0, 0, 0, 0))                      \
  X(kcmp, KILLED, syscall(SYS_kcmp, 1, 1, 0, 0, 0))                            \
  X(kill_parent, KILLED, syscall(SYS_kill, parent, 0))                         \
  X(kill_all, KILLED, syscall(SYS_kill, -1, 0))                                \
  X(kill_self, KILLED, syscall(SYS_kill, getpid(), 0))                         \
  X(tkill, KILLED, syscall(SYS_tkill, parent, 0))                              \
  X(tgkill_parent, REFUSED, syscall(SYS_tgkill, parent, parent, 0))            \
  X(tgkill_init, REFUSED, syscall(SYS_tgkill, 1, 1, 0))                        \
  X(tgkill_minus_one, REFUSED, syscall(SYS_tgkill, -1, getpid(), 0))           \
  X(tgkill_self, ALLOWED, syscall(SYS_tgkill, getpid(), getpid(), 0))          \
  X(sigqueue, KILLED, syscall(SYS_rt_sigqueueinfo, parent, 9, buf))            \
  X(tgsigqueue, KILLED,                                                        \
    syscall(SYS_rt_tgsigqueueinfo, parent, parent, 9, buf))                    \
  X(setpgid, REFUSED, syscall(SYS_setpgid, 0, 0))                              \
  X(setsid, REFUSED, syscall(SYS_setsid))                                      \
  X(setuid, REFUSED, syscall(SYS_setuid, 0))                                   \
  X(setresuid, REFUSED, syscall(SYS_setresuid, 0, 0, 0))                       \
  X(capset, REFUSED, syscall(SYS_capset, buf, buf))                            \
  X(prctl_name, REFUSED, prctl(PR_SET_NAME, "init", 0, 0, 0))                  \
  X(prctl_dumpable, REFUSED, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))               \
  X(prctl_pdeathsig, REFUSED, prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0))             \
  X(prctl_tsc, REFUSED, prctl(PR_SET_TSC, 1, 0, 0, 0))                         \
  X(prlimit, REFUSED, syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, buf))        \
  X(prlimit_parent, REFUSED,                                                   \
    syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, 0, buf))                     \
  X(getpriority, REFUSED, syscall(SYS_getpriority, 0, 0))                      \
  X(setpriority, REFUSED, syscall(SYS_setpriority, 0, parent, 19))             \
  X(sched_setaffinity, REFUSED,                                                \
    syscall(SYS_sched_setaffinity, parent, 8, buf))                            \
  X(sched_setscheduler, REFUSED, syscall(SYS_sched_setscheduler, 0, 1, buf))   \
  X(ioprio_set, REFUSED, syscall(SYS_ioprio_set, 1, 0, 0))                     \
  X(wait4, REFUSED, syscall(SYS_wait4, -1, 0, 1, 0))                           \
  X(unshare, KILLED, syscall(SYS_unshare, CLONE_NEWUSER))                      \
  X(setns, KILLED, syscall(SYS_setns, 3, 0))                                   \
  X(personality, KILLED, syscall(SYS_personality, 0x0400000))                  \
  X(seccomp, KILLED, syscall(SYS_seccomp, 1, 0, buf))                          \
  X(landlock, REFUSED, syscall(444, 0, 0, 1))                                  \
  X(getrusage_children, REFUSED, syscall(SYS_getrusage, -1, buf))              \
  X(getrusage_self, ALLOWED, syscall(SYS_getrusage, 0, buf))                   \
  X(cpu_clock_of_parent, REFUSED,                                              \
    syscall(SYS_clock_gettime, cpu_clock_of_parent, buf))                      \
  X(timer_on_parent, REFUSED,                                                  \
    syscall(SYS_timer_create, cpu_clock_of_parent, 0, buf))                    \
  /* sockets */                                                                \
  X(socket, KILLED, socket(AF_INET, SOCK_STREAM, 0))                           \
  X(socket_unix, KILLED, socket(AF_UNIX, SOCK_STREAM, 0))                      \
  X(socket_netlink, KILLED, socket(AF_NETLINK, SOCK_RAW, 0))                   \
  X(socketpair, KILLED, syscall(SYS_socketpair, 1, 1, 0, buf))                 \
  X(connect, KILLED, syscall(SYS_connect, sock, to, to_len))                   \
  X(connect_unspec, KILLED, syscall(SYS_connect, pair, buf, 16))               \
  X(bind, KILLED, syscall(SYS_bind, sock, to, to_len))                         \
  X(listen, KILLED, syscall(SYS_listen, sock, 1))                              \
  X(accept, KILLED, syscall(SYS_accept, sock, 0, 0))                           \
  X(accept4, KILLED, syscall(SYS_accept4, sock, 0, 0, 0))                      \
  X(sendto_address, REFUSED,                                                   \
    syscall(SYS_sendto, udp, buf, 1, MSG_NOSIGNAL, to, to_len))                \
  X(sendto_fastopen, REFUSED,                                                  \
    syscall(SYS_sendto, sock, buf, 1, MSG_FASTOPEN, to, to_len))               \
  X(sendto_fastopen_no_address, REFUSED,                                       \
    syscall(SYS_sendto, sock, buf, 1, MSG_FASTOPEN, 0, 0))                     \
  X(sendto, ALLOWED, syscall(SYS_sendto, pair, buf, 1, MSG_NOSIGNAL, 0, 0))    \
  X(sendmsg, REFUSED, syscall(SYS_sendmsg, pair, buf, 0))                      \
  X(sendmmsg, KILLED, syscall(SYS_sendmmsg, pair, buf, 1, 0))                  \
  X(recvmmsg, REFUSED, syscall(SYS_recvmmsg, pair, buf, 1, 0, 0))              \
  X(setsockopt, REFUSED,                                                       \
    syscall(SYS_setsockopt, pair, SOL_SOCKET, SO_KEEPALIVE, buf, 4))           \
  X(getsockopt_peercred, REFUSED,                                              \
    syscall(SYS_getsockopt, 3, SOL_SOCKET, SO_PEERCRED, buf, buf))             \
  X(getsockopt_error, ALLOWED, socket_error(pair))                             \
  X(getpeername, REFUSED, syscall(SYS_getpeername, 3, buf, buf))               \
  /* memory */                                                                 \
  X(mmap_exec, REFUSED, map(PROT_READ | PROT_EXEC, 0))                         \
  X(mmap_wx, REFUSED, map(PROT_WRITE | PROT_EXEC, 0))                          \
  X(mmap_fd, REFUSED, map_fd(pair))                                            \
  X(mmap_shared, REFUSED,                                                      \
    syscall(SYS_mmap, 0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0))          \
  X(mmap_huge, REFUSED, map(PROT_READ, MAP_HUGETLB))                           \
  X(mmap_locked, REFUSED, map(PROT_READ, MAP_LOCKED))                          \
  X(mmap, ALLOWED, map(PROT_READ | PROT_WRITE, 0))                             \
  X(mprotect_exec, REFUSED, mprotect(page, 4096, PROT_READ | PROT_EXEC))       \
  X(mprotect_exec_code, REFUSED,                                               \
    mprotect((void *)((uintptr_t)others_are_closed & ~(uintptr_t)4095), 4096,  \
             PROT_READ | PROT_WRITE | PROT_EXEC))                              \
  X(mprotect, ALLOWED, mprotect(page, 4096, PROT_READ))                        \
  X(pkey_mprotect, KILLED, syscall(SYS_pkey_mprotect, page, 4096, 7, -1))      \
  X(mlock, REFUSED, syscall(SYS_mlock, page, 4096))                            \
  X(mlockall, REFUSED, syscall(SYS_mlockall, 3))                               \
  X(shmget, REFUSED, syscall(SYS_shmget, 0, 4096, 01600))                      \
  X(shmat, REFUSED, syscall(SYS_shmat, 0, 0, 0))                               \
  X(msgget, REFUSED, syscall(SYS_msgget, 0, 01600))                            \
  X(semget, REFUSED, syscall(SYS_semget, 0, 1, 01600))                         \
  X(mq_open, REFUSED, syscall(SYS_mq_open, "/x", O_CREAT, 0600, 0))            \
  X(madvise_merge, REFUSED, madvise(page, 4096, MADV_MERGEABLE))               \
  X(madvise_poison, REFUSED, madvise(page, 4096, MADV_HWPOISON))               \
  X(madvise, ALLOWED, madvise(page, 4096, MADV_DONTNEED))                      \
  X(remap_file_pages, REFUSED,                                                 \
    syscall(SYS_remap_file_pages, page, 1, 0, 0, 0))                           \
  X(mbind, REFUSED, syscall(SYS_mbind, page, 4096, 0, 0, 0, 0))                \
  /* kernel machinery */                                                       \
  X(io_uring_setup, KILLED, syscall(425, 8, buf))                              \
  X(io_uring_enter, KILLED, syscall(426, 3, 1, 0, 0, 0, 0))                    \
  X(io_uring_register, KILLED, syscall(427, 3, 0, 0, 0))                       \
  X(io_setup, REFUSED, syscall(SYS_io_setup, 1, buf))                          \
  X(bpf, KILLED, syscall(SYS_bpf, 0, buf, 64))                                 \
  X(userfaultfd, KILLED, syscall(SYS_userfaultfd, 0))                          \
  X(perf_event_open, KILLED, syscall(SYS_perf_event_open, buf, 0, -1, -1, 0))  \
  X(keyctl, KILLED, syscall(SYS_keyctl, 0, 0, 0, 0, 0))                        \
  X(add_key, KILLED, syscall(SYS_add_key, "user", "a", buf, 1, -2))            \
  X(request_key, KILLED, syscall(SYS_request_key, "user", "a", 0, -2))         \
  X(init_module, KILLED, syscall(SYS_init_module, buf, 0, ""))                 \
  X(finit_module, KILLED, syscall(SYS_finit_module, 3, "", 0))                 \
  X(kexec_load, KILLED, syscall(SYS_kexec_load, 0, 0, 0, 0))                   \
  X(reboot, KILLED, syscall(SYS_reboot, 0, 0, 0, 0))                           \
  X(swapon, KILLED, syscall(SYS_swapon, "/x", 0))                              \
  X(sethostname, KILLED, syscall(SYS_sethostname, "x", 1))                     \
  X(settimeofday, KILLED, syscall(SYS_settimeofday, 0, 0))                     \
  X(clock_settime, KILLED, syscall(SYS_clock_settime, 0, buf))                 \
  X(syslog, KILLED, syscall(SYS_syslog, 3, buf, 64))                           \
  X(quotactl, KILLED, syscall(SYS_quotactl, 0, 0, 0, 0))                       \
  X(uname, REFUSED, syscall(SYS_uname, buf))                                   \
  X(sysinfo, REFUSED, syscall(SYS_sysinfo, buf))                               \
  X(getuid, REFUSED, syscall(SYS_getuid))                                      \
  X(signalfd, REFUSED, syscall(SYS_signalfd4, -1, buf, 8, 0))                  \
  X(timerfd, REFUSED, syscall(SYS_timerfd_create, 0, 0))                       \
  X(pi_futex, REFUSED, syscall(SYS_futex, buf, FUTEX_LOCK_PI, 0, 0, 0, 0))     \
  X(requeue_futex, REFUSED,                                                    \
    syscall(SYS_futex, buf, FUTEX_CMP_REQUEUE_PI, 0, 0, buf, 0))               \
  X(futex_wake, ALLOWED, syscall(SYS_futex, buf, FUTEX_WAKE, 1, 0, 0, 0))      \
  X(robust_list, REFUSED, syscall(SYS_set_robust_list, buf, 24))               \
  X(get_robust_list, REFUSED, syscall(SYS_get_robust_list, 1, buf, buf))       \
  X(no_such_call, REFUSED, syscall(999))                                       \
  X(far_call, REFUSED, syscall(0x3fffffff))

#define PROBE_ENUM(name, outcome, call) PROBE_##name,
enum probe { PROBES(PROBE_ENUM) PROBE_COUNT };
#undef PROBE_ENUM

#endif
