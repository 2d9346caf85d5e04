/* filter.h - makes the seccomp program of a worker, with libseccomp. */
#ifndef RUNTIME_WORKER_FILTER_H
#define RUNTIME_WORKER_FILTER_H

#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <stddef.h>

struct filter {
  size_t n;
  size_t pid_at; /* the instruction whose number is the process's own */
  struct sock_filter insns[BPF_MAXINSNS];
};

/* 0, or an errno. */
int filter_make(struct filter *f);

#define FILTER_VERSION_BYTES 16
/* libseccomp's, "2.5.4" */
void filter_version(char out[FILTER_VERSION_BYTES]);

#endif
