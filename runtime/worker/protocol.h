/* protocol.h - the messages between a worker and its broker: one function reads
 * and writes them for both sides.  Bytes in, bytes out: no fd.
 *
 * A message is its length (4 bytes, of what follows them), its kind (1 byte)
 * and its fields, little endian, without padding; a text is its length (4
 * bytes) and its bytes.  The broker trusts nothing in what it reads: each
 * message is bounded, whole, of a known kind, with every number in its range,
 * and ends where its last field does; anything else is ERR_PROTOCOL.
 *
 * The worker says LOADED once, after SETUP and LOAD; RESULT once, after which
 * only CLOSED follows.  ASK, POLICY, GROUP, SCOPE, EVALUATE, CAN, REQUIRE, ZONE
 * and MATCH are each answered by one REPLY, and the worker says nothing before
 * it has come; CONNECT is answered by one DIALED some time later, and so is
 * CALL by ANSWER and, the other way, INVOKE by RETURNED.
 */
#ifndef RUNTIME_WORKER_PROTOCOL_H
#define RUNTIME_WORKER_PROTOCOL_H

#include <stdbool.h>

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/base/value.h"

#define PROTOCOL_VERSION 7
#define PROTOCOL_HEADER 5

/* Of one message. */
#define PROTOCOL_TO_WORKER_MAX (256u << 20)
/* Beside what the list of an EVALUATE takes: see protocol_from_worker_max. */
#define PROTOCOL_FROM_WORKER_MAX (320u << 10)

/* What values that cross take at most, beside the rest of a message. */
#define PROTOCOL_VALUE_MAX (VALUE_CROSS_BYTES + VALUE_CROSS_VALUES * 13u)

#define PROTOCOL_OUTPUT_MAX (64u << 10) /* of one OUTPUT */
#define PROTOCOL_URL_MAX 4096           /* a longer one is no URL */
#define PROTOCOL_MODULE_MAX 255         /* a longer name is no module's */
#define PROTOCOL_KIND_MAX 64            /* of an error, made safe to print */
#define PROTOCOL_HEADERS_MAX 64
#define PROTOCOL_PROTOCOLS_MAX 64
#define PROTOCOL_MATCH_MAX (64u << 10) /* of a text that is matched */
#define PROTOCOL_TRACEBACK_MAX (16u << 10)

enum packet_kind {
  /* to the worker */
  MSG_SETUP = 1,
  MSG_LOAD,
  MSG_CANCEL,
  MSG_REPLY,
  MSG_DIALED, /* with a descriptor, if it is open */
  MSG_ANSWER,
  MSG_INVOKE,
  MSG_ABORT, /* an INVOKE */
  MSG_FEED,
  MSG_ROOM,
  MSG_SHUT,
  MSG_CHARGED,
  MSG_TOLD, /* the value of a RETURNED is the host's no more */
  /* from the worker */
  MSG_LOADED = 64,
  MSG_OUTPUT,
  MSG_ASK,
  MSG_POLICY,
  MSG_GROUP,
  MSG_SCOPE,
  MSG_EVALUATE,
  MSG_CAN,
  MSG_REQUIRE,
  MSG_ZONE,
  MSG_MATCH,
  MSG_CONNECT,
  MSG_CLOSED,
  MSG_DROP,
  MSG_USAGE,
  MSG_RESULT,
  MSG_CALL,
  MSG_FORGET, /* a CALL */
  MSG_RETURNED,
  MSG_SENT,
  MSG_TAKEN,
  MSG_CLOSING
};

/* The most a worker may have under way to a broker that has not dealt with it:
 * what its script has caused there, and nobody has counted yet.  About a
 * microsecond each.  CHARGED tells how many were dealt with, when they are
 * enough of them. */
#define PROTOCOL_EFFORTS_MAX 1024u
#define PROTOCOL_EFFORTS_TOLD 256u
/* Of a message of |len| bytes. */
size_t packet_efforts(enum packet_kind k, size_t len);

/* The worker waits for a REPLY to it. */
static inline bool packet_is_question(enum packet_kind k) {
  return k >= MSG_ASK && k <= MSG_MATCH;
}

/* A struct err, and whether there is one. */
struct msg_fault {
  int32_t code; /* 0: none */
  int32_t sys_errno;
  uint32_t line;
  uint32_t column;
  struct slice source;
  struct slice message;
};

struct msg_place {
  struct slice script;
  uint32_t line;
};

struct msg_refusal {
  struct slice action;
  struct slice resource;
  bool by_policy;
  struct slice why; /* the policy's id, or a reason */
};

struct msg_actor {
  bool known; /* else nothing of the following is there */
  struct slice id;
  const struct value *meta; /* NULL: none */
};

struct msg_setup {
  uint32_t version;
  uint64_t memory_bytes;
  uint64_t cpu_ns;
  uint64_t deadline_ns;
  uint64_t tasks;
  uint64_t timers;
  uint64_t output_bytes;
  uint64_t source_bytes;
  uint64_t connections;
  bool requires;       /* there are modules to ask for */
  bool modules_listed; /* only these may be required: */
  struct slice *modules;
  uint32_t nmodules;
  struct slice modules_from; /* where they are listed; for messages */
  struct slice method;
  struct msg_actor actor;
};

/* |text| may be shorter than |len|: a text too long to be loaded. */
struct msg_text {
  struct slice name;
  uint64_t len;
  struct slice text;
};

/* What the host has for the script (modules/bridge.h). */
struct msg_offer {
  uint8_t kind; /* enum offer_kind */
  struct slice module;
  struct slice name;
  uint32_t capacity;
};

struct msg_load {
  struct msg_text source;
  struct slice *args;
  uint32_t nargs;
  struct msg_offer *offers;
  uint32_t noffers;
  const struct value *input; /* NULL: none */
  bool keeps;
  uint64_t started_ns; /* monotonic time from which the deadline counts */
};

/* A policy of a set: its place there, and its id. */
struct msg_policy {
  uint32_t index;
  struct slice id;
};

struct msg_reply {
  int32_t code;        /* 0, or an ERR_ code */
  uint64_t charged_ns; /* CPU time the answer took, the script's to pay */
  struct msg_refusal refusal; /* ERR_DENIED */
  struct slice message;       /* ERR_INVALID, ERR_SYNTAX, ERR_LIMIT */
  uint8_t verdict;            /* EVALUATE; CAN, MATCH: 0 or 1 */
  uint32_t set;               /* POLICY, GROUP, SCOPE */
  struct msg_policy *policies;
  uint32_t npolicies;
  struct msg_text text; /* REQUIRE, ZONE */
};

/* permessage-deflate as agreed on (runtime/net/deflate.h). */
struct msg_deflate {
  bool on;
  bool in_takeover;
  bool out_takeover;
  uint8_t in_bits;
  uint8_t out_bits;
};

struct msg_dialed {
  uint32_t id;
  uint8_t end; /* enum dial_end */
  uint64_t number;
  uint64_t charged_ns;
  struct msg_refusal refusal;
  struct slice message;
  struct slice url;
  int32_t code;
  uint8_t stage;
  uint32_t http_status;
  struct slice protocol;
  struct slice rest;
  struct msg_deflate deflate;
};

struct msg_ask {
  struct msg_place where;
  struct slice action;
  struct slice resource;
};

struct msg_named {
  struct msg_place where;
  struct slice id;
};

/* Policies first .. first + count - 1 of a set. */
struct msg_run {
  uint32_t set;
  uint32_t first;
  uint32_t count;
};

struct msg_inquiry {
  bool own_actor;         /* the sandbox's, and |actor| is empty */
  struct msg_actor actor; /* EVALUATE */
  struct slice action;
  struct slice resource;
  const struct value *meta; /* NULL: none */
  bool one;
  struct msg_run *runs;
  uint32_t nruns;
};

struct msg_match {
  struct slice pattern;
  struct slice text;
};

struct msg_header {
  struct slice name;
  struct slice value;
};

struct msg_connect {
  uint32_t id;
  struct msg_place where;
  struct slice url;
  uint64_t dial_timeout_ns;
  uint8_t deflate; /* enum deflate_mode */
  struct msg_header *headers;
  uint32_t nheaders;
  struct slice *protocols;
  uint32_t nprotocols;
};

struct msg_closed {
  uint64_t number;
  uint16_t code;
  bool clean;
};

struct msg_usage {
  uint64_t memory_bytes;
  uint64_t memory_peak_bytes;
  uint64_t cpu_ns;
  uint64_t received; /* messages */
  uint64_t sent;
};

/* To a call of the script. */
struct msg_answer {
  uint32_t id;
  bool ok;
  const struct value *value; /* NULL: null */
  struct slice kind;
  struct slice message;
  bool retryable;
  bool refused; /* and nothing of these three is there */
  struct msg_refusal refusal;
};

struct msg_invoke {
  uint32_t id;
  struct slice method;
  const struct value *args;
};

struct msg_call {
  uint32_t id;
  uint32_t function;
  struct msg_place where;
  const struct value *args;
};

struct msg_returned {
  uint32_t id;
  const struct value *value; /* NULL: null */
  struct msg_fault fault;    /* code 0: none */
};

struct msg_item {
  uint32_t channel;
  const struct value *value;
};

struct msg_room {
  uint32_t channel;
  uint32_t count;
};

struct msg_result {
  struct msg_fault fault;
  uint8_t stop; /* enum stop_reason */
  struct slice traceback;
  struct slice kind; /* of the error object; or empty */
  struct msg_usage usage;
  const struct value *value; /* what main returned; NULL: null */
  struct msg_fault no_value; /* why it is none; code 0: it is one */
  bool goodbyes; /* closing handshakes go on: the worker ends by itself */
};

/* CPU time of the broker's, for the script. */
struct msg_charged {
  uint64_t ns;
  uint32_t efforts;
};

struct packet {
  enum packet_kind kind;
  union {
    struct msg_setup setup;
    struct msg_load load;
    struct msg_reply reply;
    struct msg_dialed dialed;
    struct msg_result result; /* also LOADED */
    struct slice text;        /* OUTPUT, REQUIRE, ZONE */
    struct msg_ask ask;
    struct msg_named named; /* POLICY, GROUP */
    struct msg_inquiry inquiry;
    struct msg_match match;
    struct msg_connect connect;
    struct msg_closed closed;
    uint32_t set;    /* DROP */
    uint32_t number; /* ABORT, FORGET, TOLD: the id; SHUT, CLOSING, TAKEN: the
                        channel */
    struct msg_answer answer;
    struct msg_invoke invoke;
    struct msg_call call;
    struct msg_returned returned;
    struct msg_item item; /* FEED, SENT */
    struct msg_room room;
    struct msg_charged charged;
    struct msg_usage usage;
  } as;
};

/* Appends |m|.  0, ERR_NOMEM or ERR_FULL; nothing is appended on an error. */
int packet_write(struct buf *to, const struct packet *m);

/* How long the message at the front of |in| is, its header included: 0 with
 * |*ret_len| and |*ret_kind|; ERR_AGAIN: not known yet; ERR_PROTOCOL: more than
 * |max|, or of no known kind. */
int packet_peek(struct slice in, size_t max, enum packet_kind *ret_kind,
                size_t *ret_len);

/* Reads the whole message |whole|, as long as packet_peek said.  Texts point
 * into it; lists and values are made in |a|.  0, ERR_NOMEM or ERR_PROTOCOL. */
int packet_read(struct packet *ret, struct slice whole, struct arena *a);

/* The longest message a worker may send that was shown |policies| of them. */
static inline size_t protocol_from_worker_max(size_t policies) {
  size_t max = PROTOCOL_FROM_WORKER_MAX + policies * sizeof(struct msg_run);
  return max > PROTOCOL_FROM_WORKER_MAX + PROTOCOL_VALUE_MAX
             ? max
             : PROTOCOL_FROM_WORKER_MAX + PROTOCOL_VALUE_MAX;
}

/* |e| as a fault and back.  The text is made safe to print again. */
struct msg_fault fault_of(const struct err *e);
void fault_to_err(struct err *ret, const struct msg_fault *f);

#endif
