/* namespaces.h - those that the template is in, and all workers with it.
 *
 * Making them takes as long as the helper program takes to start (that of the
 * network 0.4 ms), so both happen at once: who launches it makes them, and
 * hands them over.  The helper is born in those of users and processes, which
 * is cheap. */
#ifndef RUNTIME_WORKER_NAMESPACES_H
#define RUNTIME_WORKER_NAMESPACES_H

#include <stdbool.h>

/* Those that are handed over: network, IPC, mounts. */
#define NAMESPACES_HANDED 3

/* In a process that shares nothing but memory with anybody, and will end: makes
 * them and enters them.  Returns their WORKER_NS_ bits, with a descriptor of
 * each in |ret_fds|, where -1 is for one that is missing.  Allocates nothing.
 */
unsigned namespaces_make(int ret_fds[NAMESPACES_HANDED]);

/* In a child in a new namespace of users, before it becomes another program:
 * keeps the capabilities that namespaces_enter needs, there and nowhere else.
 */
void namespaces_keep_capabilities(void);

/* In the helper: enters what is in |fds|, closes them, and makes what is
 * missing itself.  Returns the bits of those that it is in now, and in
 * |*ret_errno| why others are missing, or leaves it alone. */
unsigned namespaces_enter(int fds[NAMESPACES_HANDED], int *ret_errno);

#endif
