/* connection.h - one WebSocket client connection (RFC 6455): frames and an
 * orderly close over an open stream, which it opens itself (opening.h) or is
 * given.  Event driven on a loop; knows neither Lua nor policy. */
#ifndef RUNTIME_NET_CONNECTION_H
#define RUNTIME_NET_CONNECTION_H

#include "runtime/base/err.h"
#include "runtime/base/list.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/net/frames.h" /* enum ws_opcode, close codes */
#include "runtime/net/loop.h"
#include "runtime/net/message.h"
#include "runtime/net/opening.h"

struct connection;

/* How it ended, once it was open (RFC 6455 section 7.1.5-6). */
struct connection_close {
  uint16_t code; /* from the peer's close frame, 1005 without one in it; what we
                    failed it with (1002, 1007, 1009, 1001 ...); 1006: lost */
  bool clean;    /* close frames went both ways */
  struct slice reason; /* UTF-8 */
};

/* One thing to send.  Embedded in the sender; |data| is borrowed until |done|
 * was called, or connection_send_abandon. */
struct send_request {
  struct list node;
  uint8_t opcode; /* WS_TEXT, WS_BINARY, WS_PING */
  struct slice data;
  /* |code| 0: handed to the kernel, all of it; ERR_CLOSED, ERR_TIMEOUT (the
   * write timeout; the connection is closed then).  Never called from inside
   * connection_send. */
  void (*done)(struct send_request *r, int code);
  void *ud;
  /* private */
  size_t sent;         /* bytes that went into the connection's buffer */
  bool started;        /* a part of it did */
  bool control;        /* in the queue of control frames */
  uint64_t queued_ns;  /* for the write timeout */
  uint64_t flushed_at; /* done when that many bytes went to the kernel */
};

/* All called from the loop, never from inside a call into the connection.
 * connection_free and connection_release may be called in any of them, and in
 * send_request.done; neither loop nor resolver may be freed there. */
struct connection_handler {
  /* As in opening_handler. */
  int (*judge)(void *ud, const struct ip *ip, uint16_t port);
  void (*failed)(void *ud, const struct connection_failure *f);
  /* Messages may be sent, and come, from now on. */
  void (*opened)(void *ud);
  /* Takes |m| over. */
  void (*message)(void *ud, struct message *m);
  /* After the last message.  Nothing follows. */
  void (*closed)(void *ud, const struct connection_close *how);
};

struct session_options {
  uint64_t read_timeout_ns;  /* between data messages, not while paused; then
                                it is closed with 1001; 0: none */
  uint64_t write_timeout_ns; /* from connection_send to the kernel; 0: none */
  uint64_t read_limit;       /* bytes of one message, decompressed */
  bool control_messages;     /* deliver pings and pongs too */
  /* Shorter messages are never sent compressed. */
  uint64_t deflate_threshold;
  /* For connection_adopt: what the opening phase has agreed on.
   * connection_new knows it, and does not look here. */
  struct deflate_params deflate;
};

struct connection_options {
  struct opening_options opening;
  struct session_options session;
};

/*
 * Starts.  |opts| and what it points to are borrowed for the call.  |h| is
 * kept. All memory that the peer or the script can grow comes from |m|; when
 * |m| refuses, the connection is closed with 1009 (a message did not fit) or
 * fails with ERR_NOMEM.  What has a fixed size (about 2 KiB, and OpenSSL's own)
 * comes from the loop's memory or libc.  Nothing of |m| is
 * held any more once connection_free or connection_release has returned: the
 * account may then be closed, however long the goodbye takes.  0, ERR_NOMEM or
 * ERR_INVALID; then no callback ever comes.
 */
int connection_new(struct connection **ret, struct loop *lp,
                   struct resolver *rs, struct tls_context *tls,
                   const struct connection_options *opts,
                   const struct connection_handler *h, void *ud,
                   const struct mem *m, struct err *e);

/*
 * The same over a socket that somebody else, perhaps another process, has
 * connected and upgraded: |fd| (non-blocking; also one end of a socketpair that
 * is relayed) is the connection's when this returns 0, else it stays the
 * caller's.  |rest|: the bytes that came behind the answer, at most
 * OPENING_REST_MAX; |protocol|: the subprotocol agreed on; both are copied.
 * |h|->judge, opened and failed are never called: it is open at once, and the
 * first callback comes from the loop.  Needs no resolver, no TLS, and of the
 * kernel what stream.h says, and getrandom.  0, ERR_NOMEM, ERR_SYSTEM or
 * ERR_INVALID.
 */
int connection_adopt(struct connection **ret, struct loop *lp, int fd,
                     struct slice rest, struct slice protocol,
                     const struct session_options *opts,
                     const struct connection_handler *h, void *ud,
                     const struct mem *m);

/* Cuts it without ceremony and frees it: no callback comes any more, pending
 * send_requests are forgotten.  NULL is harmless. */
void connection_free(struct connection *c);

/* A loop has at most so many; later ones cut the oldest. */
#define CONNECTIONS_RELEASED_MAX 128

/* The same for its owner, but the goodbye is orderly: an open connection sends
 * a close frame with |code|, one that is closing goes on closing, for up to 5 s
 * and without an owner, on the loop's memory.  One that is not open yet, or is
 * in the middle of sending a long frame, is cut.  For scripts that end and
 * clients that are collected. */
void connection_release(struct connection *c, uint16_t code);
/* The same, and nothing more is heard of the peer: its answer may be a flood,
 * and the owner has no time left. */
void connection_release_now(struct connection *c, uint16_t code);

/* Released connections that still say goodbye.  A host that is about to end may
 * dispatch the loop until there are none, and must call connections_cut before
 * loop_free (and before it frees the tls_context). */
size_t connections_released(struct loop *lp);
/* Cuts them all. */
void connections_cut(struct loop *lp);

/* Queues |r|; messages go out whole and in order, control frames overtake data
 * between frames.  The caller sets opcode, data (at most 125 bytes for
 * WS_PING), done and ud; that text is UTF-8 is its business.  0; ERR_CLOSED
 * (closing or not open) or ERR_INVALID: |done| is not called then. */
int connection_send(struct connection *c, struct send_request *r);

/* The same for a sender that would rather not wait: where nothing else is
 * queued it is written at once.  CONNECTION_SENT: the kernel has all of it, and
 * |done| is not called. */
#define CONNECTION_SENT 1
int connection_send_now(struct connection *c, struct send_request *r);

/* The sender goes away: |r| is forgotten if none of it was sent; if a part was,
 * the rest is copied (when memory is refused: the connection is lost).  Not
 * after |done|. */
void connection_send_abandon(struct connection *c, struct send_request *r);

/* Starts the closing handshake; |reason| at most 123 bytes of UTF-8.  Data
 * messages already queued go first.  |r| (may be NULL) is done when the close
 * frame was handed to the kernel; opcode and data of it are ignored.  |closed|
 * follows when the peer has answered, or after 5 s without progress (1006);
 * messages that come before are still delivered, so a connection that stays
 * paused runs into the 5 s.
 * 0; ERR_CLOSED if it is closing already, or not open; ERR_INVALID */
int connection_close(struct connection *c, uint16_t code, struct slice reason,
                     struct send_request *r);
/* May |code| be sent by an application?  1000-1003, 1007-1014, 3000-4999 */
bool close_code_sendable(uint16_t code);

/* Back-pressure: while paused, nothing is read from the socket.  Messages
 * already parsed may still be delivered in the same turn: at most one. */
void connection_pause(struct connection *c, bool paused);

/* For a reader that has nothing left of what |message| brought and is not
 * paused: the next message, if it is at hand as a whole and no other event
 * comes before it.  It is borrowed until the next call for |c| or the loop.
 * False says nothing: what comes is delivered as usual.  Calls no handler. */
bool connection_peek(struct connection *c, uint8_t *ret_opcode,
                     struct slice *ret_data);
/* That message was taken. */
void connection_took(struct connection *c, struct slice data);
/* From |message|: its reader goes on with this one at once, and if it has taken
 * messages before it will take what is at hand behind it as well, without their
 * being copied and queued.  What it leaves is delivered in the next turn; and
 * one that takes none of it is given all there is until it takes some again. */
void connection_leave_rest(struct connection *c);

bool connection_is_open(const struct connection *c);
/* The subprotocol agreed on; empty: none.  Lives as long as |c|. */
struct slice connection_subprotocol(const struct connection *c);

#endif
