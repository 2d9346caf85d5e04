/* relay.h - carries bytes both ways between a stream, TLS as a rule, and a
 * local socket, at whose other end another process has the connection.  At most
 * RELAY_BUFFER bytes wait in each direction: who does not read is not read
 * from.  An end of file is passed on when the bytes before it are. */
#ifndef RUNTIME_NET_RELAY_H
#define RUNTIME_NET_RELAY_H

#include "runtime/base/list.h"
#include "runtime/net/stream.h"

#define RELAY_BUFFER (16u * 1024)

/* What may still come down after relay_part: it was under way. */
#define RELAY_PART_DOWN (1024u * 1024)
/* And go up, beside what the local socket holds: what the other process could
 * not yet write, where that is not empty. */
#define RELAY_PART_UP (72u * 1024)
#define RELAY_PARTING_MAX 64 /* at a time, of one crew */

struct relay;

/* The relays of one owner, which take turns: together they work for about a
 * millisecond in each turn of the loop.  The owner's; zeroed until init. */
struct relay_crew {
  struct loop *loop;
  struct list waiting; /* for their turn */
  struct list parting; /* the oldest first */
  struct list all;
  size_t nparting;
  struct deferred run;
};

void relay_crew_init(struct relay_crew *crew, struct loop *lp);
/* Relays that are left go on by themselves, for a goodbye. */
void relay_crew_deinit(struct relay_crew *crew);

/* |s| and |local| (non-blocking) are the relay's when this returns 0; it enters
 * itself in |all| and frees itself when both ends have ended, or 5 s after the
 * local one has.  |ended| (may be NULL) is told just before it does, but not by
 * the functions below.  All of it comes from the loop's memory.  0, ERR_NOMEM
 * or ERR_SYSTEM */
int relay_new(struct relay **ret, struct relay_crew *crew, struct stream *s,
              int local, struct list *all, void (*ended)(void *ud), void *ud);
/* The other process has said that the connection is over: what it said before
 * goes up, what was on its way to it comes down, within bounds and at most 5 s;
 * then it ends whatever the other process does.  |r| is not to be used any
 * more, and nobody is told.  |now|: nobody wants what would come down. */
void relay_part(struct relay *r, bool now);
void relay_free(struct relay *r); /* cuts it; NULL is harmless */
void relays_cut(struct list *all);

#endif
