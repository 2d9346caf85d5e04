/* worker_link.h - what a worker has instead of policies, sockets and files: its
 * broker, at the other end of a socket.  Gives modules the services they know.
 */
#ifndef RUNTIME_WORKER_LINK_H
#define RUNTIME_WORKER_LINK_H

#include "modules/services.h"
#include "runtime/net/loop.h"
#include "runtime/net/poller.h"
#include "runtime/worker/wire.h"

struct shell_set;

struct worker_link {
  struct mem mem;
  struct services services; /* what state_services gives to modules */
  struct state *st;         /* NULL until it is made */
  struct loop *loop;
  struct wire wire;
  struct watch watch;
  bool watching;
  struct list dials;
  uint32_t last_dial;
  struct actor actor;
  /* messages that came while a reply was waited for */
  struct list stashed;
  struct deferred later;
  /* the last reply, and what it is read into */
  struct buf reply_text;
  struct arena reply_arena;
  struct packet reply;
  /* policies scripts hold, by sets */
  struct list sets;
  struct shell_set *recent; /* of the last listing: held by the link */
  const struct policy **listed;
  size_t nlisted;
  size_t listed_cap;
  char *module; /* text of the last required one */
  size_t module_len;
  bool requires;
  /* told, and the broker has not said that it dealt with it */
  size_t efforts;
  bool silent;           /* it does not, any more */
  bool handling;         /* a message: what it is in must stay in place */
  struct msg_usage told; /* the last usage */
  uint64_t told_ns;
};

/* |fd| stays the caller's. */
void worker_link_init(struct worker_link *k, int fd, const struct mem *m);

/* Waits for a message of |kind| and reads it into |ret|, which is borrowed
 * until the next call.  Whoever waits in vain, or is told nonsense, ends the
 * process: without its broker a worker has nothing to do. */
void worker_link_expect(struct worker_link *k, enum packet_kind kind,
                        struct packet *ret);

/* What the broker said at first becomes the services.  |s| outlives the link.
 */
void worker_link_serve(struct worker_link *k, const struct msg_setup *s);

/* From now on messages are delivered by |lp|.  0, ERR_NOMEM, ERR_SYSTEM */
int worker_link_watch(struct worker_link *k, struct loop *lp);

/* Puts |m| into the queue, sending what is there already when it is long, and
 * waits where the broker has much to do for it.  |m| is copied before. */
void worker_link_tell(struct worker_link *k, const struct packet *m);
/* Sends what the socket takes; |wait|: all of it. */
void worker_link_flush(struct worker_link *k, bool wait);
/* Tells how much was used, if that has changed, and not too often.  In how many
 * milliseconds to ask again, even if nothing happens; -1: not before it does.
 */
int worker_link_usage(struct worker_link *k);

/* Points into |m|. */
struct refusal refusal_from(const struct msg_refusal *m);

/* For struct state_host. */
void worker_link_output(void *ud, const char *data, size_t len);
int worker_link_require(void *ud, const char *name, const char **ret_name,
                        struct slice *ret_text);
struct msg_usage worker_link_used(const struct worker_link *k);

#endif
