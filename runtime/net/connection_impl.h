/* connection_impl.h - what connection.c, connection_in.c and connection_out.c
 * share; nobody else includes it. */
#ifndef RUNTIME_NET_CONNECTION_IMPL_H
#define RUNTIME_NET_CONNECTION_IMPL_H

#include "runtime/base/buf.h"
#include "runtime/net/connection.h"
#include "runtime/net/deflate.h"

#define CLOSE_REASON_MAX (FRAMES_CONTROL_MAX - 2)

/* Masked bytes that wait for the socket; a control frame always finds room
 * behind a full share of data. */
#define OUT_DATA_MAX (64U * 1024 + FRAMES_HEADER_MAX)
#define OUT_CONTROL_ROOM (FRAMES_HEADER_MAX + FRAMES_CONTROL_MAX)
#define OUT_MAX (OUT_DATA_MAX + 2 * OUT_CONTROL_ROOM)
#define OUT_KEPT 1024 /* a buffer that an idle connection may keep */

/* What is read of a peer after we have said goodbye: about what may be under
 * way when our close frame reaches one that is not hostile.  Who sends more
 * would have us read for all the time a goodbye may take.  An owner that still
 * listens may be sent one more message of the greatest length. */
#define GOODBYE_BYTES (1024U * 1024)
#define GOODBYE_FRAMES (16U * 1024)

/* Of the connections of a loop so many may have zlib's memory at hand while no
 * message is under way.  To wake a compressor costs about as much as a message
 * of 1 KiB. */
#define AWAKE_MAX 8

enum connection_state {
  CONN_OPENING,
  CONN_OPEN,
  CONN_CLOSING,  /* a close frame is queued, sent or received */
  CONN_DRAINING, /* the owner knows the end; the last bytes go and come */
  CONN_DEAD      /* no socket */
};

struct connection {
  struct mem mem; /* of the owner; the loop's after connection_release */
  struct loop *loop;
  const struct connection_handler *h; /* NULL: nobody is told any more */
  void *ud;
  struct list released;
  struct list awake; /* where it stands in loop_awake */
  enum connection_state state;
  unsigned depth; /* of calls from the loop that are using |this| */
  bool freed;     /* the last of them frees the memory */

  struct opening *opening;                /* until it is open, and */
  void (*opening_free)(struct opening *); /* of connection_dial.c */
  struct stream *stream;                  /* from then on */
  struct timer timer;
  struct deferred kick;
  char *subprotocol;
  size_t subprotocol_len;

  uint64_t read_timeout_ns;
  uint64_t write_timeout_ns;
  uint64_t read_limit;
  uint64_t read_at; /* deadlines; 0: none */
  uint64_t close_at;

  /* receiving */
  struct frames frames;
  struct buf leftover; /* read, and not looked at yet */
  size_t read_size;    /* bytes asked for at a time */
  struct message *message;
  struct message *expected; /* room for the next one, while reading */
  size_t trusted; /* bytes of the last message that was not compressed */
  bool expects;   /* another like it */
  struct deflate_params deflate;
  struct inflater *inflater;
  struct utf8_stream inflated_text; /* of a compressed message */
  size_t inflated; /* bytes that came of compressed ones in this turn */
  bool control_messages;
  bool paused;
  bool flooded;       /* the last read brought much, */
  bool took;          /* and the owner took messages out of it by itself */
  bool takes;         /* it has done so since it was left some */
  bool left_to_owner; /* connection_leave_rest */
  bool owner_first;   /* and it has its turn before the kick that is due */
  bool more;          /* something may be there that the poller does not tell */
  bool read_end;      /* EOF or an error: nothing more comes */
  bool hung_up;       /* reported while nothing was to be read: not watched */

  /* sending */
  struct buf out;
  uint64_t out_sent; /* bytes handed to the kernel so far */
  struct list data;  /* send_requests in order; the first may be started */
  struct list control;
  struct list flushing; /* in |out| as a whole */
  uint64_t deflate_threshold;
  struct deflater *deflater;
  size_t deflated; /* bytes that were compressed in this turn */
  bool deflating;  /* the first of |data| is sent compressed, */
  bool part_sent;  /* and its first fragment is out */
  struct send_request close_request; /* when nobody waits for the frame */
  struct send_request orphan;        /* the rest of an abandoned one */
  char *orphan_data;
  bool write_broken;
  bool pong_wanted;
  uint8_t pong_len;
  uint8_t pong[FRAMES_CONTROL_MAX];

  /* closing */
  uint64_t goodbye_bytes; /* read since then, and */
  size_t goodbye_frames;  /* those nobody was given */
  size_t goodbye_share;   /* of the bounds: one in so many; 0: all */
  bool close_queued;
  bool close_begun;   /* our frame is in |out|: nothing follows it */
  uint8_t fail_turns; /* not 0: then it fails, with these */
  uint16_t fail_code;
  const char *fail_reason;
  bool peer_closed;
  uint16_t close_code; /* ours; 1005: an empty frame */
  uint16_t peer_code;
  uint8_t close_reason_len;
  uint8_t peer_reason_len;
  char close_reason[CLOSE_REASON_MAX];
  char peer_reason[CLOSE_REASON_MAX];
};

/* ------------------------------------------------------ connection.c --- */

void conn_kick(struct connection *c);
/* Moves the timer to the next deadline.  0 or ERR_NOMEM */
int conn_arm(struct connection *c);
uint64_t conn_after(uint64_t now, uint64_t delay_ns);
void conn_start_close_timeout(struct connection *c);
/* No socket, no buffers, no deadline; the struct stays its owner's. */
void conn_disconnect(struct connection *c);
/* The last words went to the kernel: says that nothing follows, and lets the
 * peer hang up, since closing with unread bytes would reset what is still on
 * its way. */
void conn_end_output(struct connection *c);
/* The owner is told; |linger|: the socket may still have something to send. */
void conn_finish(struct connection *c, uint16_t code, bool clean,
                 struct slice reason, bool linger);
/* The connection went away under us. */
void conn_lose(struct connection *c);
/* RFC 6455, section 7.1.7: say why, and listen no more. */
void conn_fail_open(struct connection *c, uint16_t code, const char *reason);
/* The same some turns later, for what the peer has sent: the owner may answer
 * the good messages that came before. */
void conn_fail_soon(struct connection *c, uint16_t code, const char *reason);
/* Puts our close frame behind the data that is queued already. */
void conn_queue_close(struct connection *c, uint16_t code, struct slice reason,
                      struct send_request *r);

static inline bool conn_receiving(const struct connection *c) {
  return !c->freed && !c->paused && !c->peer_closed && c->fail_turns == 0 &&
         (c->state == CONN_OPEN || c->state == CONN_CLOSING);
}

/* We have said goodbye, or will as soon as there is room. */
static inline bool conn_parting(const struct connection *c) {
  return c->close_queued || c->state == CONN_DRAINING;
}

static inline bool conn_goodbye_over(const struct connection *c) {
  size_t share = c->goodbye_share > 0 ? c->goodbye_share : 1;
  uint64_t most = GOODBYE_BYTES / share;
  if (c->h && c->state != CONN_DRAINING)
    most += c->read_limit;
  return c->goodbye_bytes > most || c->goodbye_frames > GOODBYE_FRAMES / share;
}

/* Forgets what was received of a message. */
void conn_drop_message(struct connection *c);
/* If its compressors are awake others have to sleep, sooner or later. */
void conn_count_awake(struct connection *c);
/* They go, with all they know. */
void conn_free_compressors(struct connection *c);

/* Between calls that may free it: the last one out does. */
void conn_enter(struct connection *c);
void conn_leave(struct connection *c);
/* Closed but complete.  NULL: no memory */
struct connection *conn_create(struct loop *lp, const struct session_options *o,
                               const struct connection_handler *h, void *ud,
                               const struct mem *m);
/* From here on it is open, on |s|, which is the connection's when this returns
 * 0.  0, ERR_NOMEM or ERR_SYSTEM */
int conn_open_up(struct connection *c, struct stream *s, struct slice rest,
                 struct slice protocol, const struct deflate_params *deflate);

/* --------------------------------------------------- connection_in.c --- */

/* A turn's share of what the peer sends. */
void conn_receive(struct connection *c);
/* After the end: nothing is looked at any more. */
void conn_drain(struct connection *c);

/* -------------------------------------------------- connection_out.c --- */

/* Sends what is queued, a turn's share at most. */
void conn_pump(struct connection *c);
/* Hands |out| to the kernel as far as it takes it.  False: the way out is
 * broken, and |out| was emptied. */
bool conn_flush(struct connection *c);
/* Appends a pong that is owed.  0: none is, or there is no room now; else an
 * error that breaks the stream */
int conn_write_pong(struct connection *c);
/* Appends our close frame to |out|.  0, or it cannot be sent any more. */
int conn_write_close(struct connection *c);
/* Tells all who wait for a send; |unstarted|: only those of whose message
 * nothing was sent.  The state lets no new ones in. */
void conn_fail_requests(struct connection *c, bool unstarted);
/* Forgets what is queued; nobody is called. */
void conn_drop_requests(struct connection *c);

#endif
