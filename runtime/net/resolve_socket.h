/* resolve_socket.h - the sockets of c-ares: what it sends raises no signal, and
 * what is no answer does not reach it. */
#ifndef RUNTIME_NET_RESOLVE_SOCKET_H
#define RUNTIME_NET_RESOLVE_SOCKET_H

#include <ares.h>

/* All that |channel| opens from now on are such. */
void resolve_sockets(ares_channel channel);

#endif
