/* hostile_worker.c - a helper program whose workers lie: what the broker is
 * sent when the VM has been broken into.  The text of the script names the act
 * and a seed; it is confined as the real one is. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/vm/state.h"
#include "runtime/worker/wire.h"
#include "runtime/worker/worker.h"

static struct wire wire;
static uint64_t state;

static uint32_t any(uint32_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % below;
}

/* ------------------------------------------------------------- talking --- */

static void wait_ms(int ms) {
  struct pollfd p = {-1, 0, 0};
  poll(&p, 1, ms);
}

static void put(const struct packet *m) {
  if (wire_put(&wire, m, -1) != 0)
    _exit(9);
}

/* Sends all of it, reading what comes if |listen|. */
static void flush(bool listen) {
  while (wire_flush(&wire) == ERR_AGAIN) {
    struct pollfd p = {wire.fd, POLLOUT | (listen ? POLLIN : 0), 0};
    poll(&p, 1, 1000);
    if (listen && (p.revents & POLLIN))
      (void)wire_receive(&wire, 16384, true);
  }
}

/* Throws away what has come, descriptors too. */
static void drain(void) {
  enum packet_kind kind;
  struct slice whole;
  int fd;
  while (wire_receive(&wire, 16384, true) == 0)
    continue;
  while (wire_next(&wire, &kind, &whole) == 0)
    wire_drop(&wire, whole);
  while ((fd = wire_take_fd(&wire)) >= 0)
    close(fd);
}

static void expect(enum packet_kind want, struct packet *ret, struct arena *a) {
  static char copy[1 << 20];
  enum packet_kind kind;
  struct slice whole;
  for (;;) {
    while (wire_next(&wire, &kind, &whole) != 0) {
      struct pollfd p = {wire.fd, POLLIN, 0};
      poll(&p, 1, -1);
      if (wire_receive(&wire, 65536, true) == ERR_CLOSED)
        _exit(8);
    }
    if (kind != MSG_CHARGED) /* comes when it has cost enough */
      break;
    wire_drop(&wire, whole);
  }
  if (kind != want || whole.len > sizeof copy)
    _exit(7);
  memcpy(copy, whole.p, whole.len);
  if (packet_read(ret, (struct slice){copy, whole.len}, a) != 0)
    _exit(6);
  wire_drop(&wire, whole);
}

static void loaded(void) {
  struct packet m = {.kind = MSG_LOADED};
  put(&m);
  flush(false);
}

/* ------------------------------------------------------- made-up words --- */

static struct slice words(void) {
  static const char *const some[] = {"",
                                     "security.actor.create",
                                     "security.scope.create",
                                     "websocket.connect.url",
                                     "p1",
                                     "p2",
                                     "all",
                                     "mod",
                                     "../../etc/passwd",
                                     "ws://127.0.0.1:1/",
                                     "wss://user:pw@[::1]:9/\r\nX: y",
                                     "\x1b[2J\xff\xfe",
                                     "%s%n%n"};
  static char noise[4000];
  static bool filled;
  if (!filled)
    for (size_t i = 0; i < sizeof noise; i++)
      noise[i] = (char)any(256);
  filled = true;
  if (any(6) == 0)
    return (struct slice){noise, any(sizeof noise)};
  return slice_of(some[any(sizeof some / sizeof *some)]);
}

/* What crosses: mostly as an honest worker would send it. */
static const struct value *args(void) {
  static struct value items[5], list;
  static struct value_member members[2];
  for (size_t i = 0; i < 5; i++)
    items[i] = (struct value){.type = VALUE_INT, .as.integer = any(1000)};
  items[1].type = VALUE_STRING;
  items[1].as.string = words();
  items[2] = (struct value){.type = VALUE_MAP};
  items[2].as.map.members = members;
  items[2].as.map.len = any(3);
  members[0].key = slice_of(any(40) ? "a" : "b");
  members[1].key = slice_of("b");
  members[0].value.type = members[1].value.type = VALUE_NULL;
  list = (struct value){.type = any(40) ? VALUE_LIST : VALUE_NULL};
  list.as.list.items = items;
  list.as.list.len = any(6);
  return &list;
}

static uint32_t returned;

static void random_packet(struct packet *m, const char *url) {
  static struct msg_header headers[64];
  static struct slice protocols[64];
  static struct msg_run runs[64];
  static struct value_member members[8];
  static struct value map;
  static const uint8_t kinds[] = {
      MSG_OUTPUT,   MSG_ASK,     MSG_POLICY,  MSG_GROUP, MSG_SCOPE,
      MSG_EVALUATE, MSG_CAN,     MSG_REQUIRE, MSG_ZONE,  MSG_MATCH,
      MSG_CONNECT,  MSG_CONNECT, MSG_CLOSED,  MSG_DROP,  MSG_USAGE,
      MSG_CLOSED,   MSG_CALL,    MSG_CALL,    MSG_CALL,  MSG_FORGET,
      MSG_RETURNED, MSG_SENT,    MSG_SENT,    MSG_TAKEN, MSG_CLOSING};
  struct msg_place where = {words(), any(UINT16_MAX)};
  memset(m, 0, sizeof *m);
  m->kind = (enum packet_kind)kinds[any(sizeof kinds)];
  map = (struct value){.type = VALUE_MAP};
  map.as.map.members = members;
  map.as.map.len = any(8);
  for (size_t i = 0; i < map.as.map.len; i++) {
    members[i].key = (struct slice){&"abcdefgh"[i], 1}; /* in order */
    if (any(50) == 0)
      members[i].key = words();
    members[i].value = (struct value){.type = VALUE_STRING};
    members[i].value.as.string = words();
  }
  switch (m->kind) {
  case MSG_ASK:
    m->as.ask = (struct msg_ask){where, words(), words()};
    if (any(4) > 0)
      m->as.ask.action = slice_of("security.actor.create");
    break;
  case MSG_MATCH:
    m->as.match = (struct msg_match){words(), words()};
    break;
  case MSG_POLICY:
  case MSG_GROUP:
    m->as.named = (struct msg_named){where, words()};
    break;
  case MSG_EVALUATE:
  case MSG_CAN:
    m->as.inquiry.own_actor = any(2);
    if (!m->as.inquiry.own_actor)
      m->as.inquiry.actor = (struct msg_actor){true, words(), &map};
    m->as.inquiry.action = words();
    m->as.inquiry.resource = words();
    m->as.inquiry.meta = any(2) ? &map : NULL;
    m->as.inquiry.one = any(2);
    m->as.inquiry.runs = runs;
    m->as.inquiry.nruns = any(3);
    for (size_t i = 0; i < 3; i++)
      runs[i] = (struct msg_run){any(3), any(3), any(3)};
    if (m->kind == MSG_CAN && any(20) > 0) {
      m->as.inquiry.own_actor = m->as.inquiry.one = false;
      memset(&m->as.inquiry.actor, 0, sizeof m->as.inquiry.actor);
      m->as.inquiry.nruns = 0;
    }
    break;
  case MSG_CONNECT:
    m->as.connect.id = any(3);
    m->as.connect.where = where;
    m->as.connect.url = any(3) ? slice_of(url) : words();
    m->as.connect.dial_timeout_ns =
        any(9) ? UINT64_C(1) << any(64) : UINT64_MAX;
    m->as.connect.deflate = (uint8_t)any(3);
    m->as.connect.headers = headers;
    m->as.connect.protocols = protocols;
    m->as.connect.nheaders = any(4) ? 0 : any(64);
    m->as.connect.nprotocols = any(4) ? 0 : any(64);
    for (size_t i = 0; i < 64; i++) {
      headers[i] = (struct msg_header){words(), words()};
      protocols[i] = words();
    }
    break;
  case MSG_CLOSED:
    m->as.closed =
        (struct msg_closed){any(40), (uint16_t)(1000 + any(4000)), any(2)};
    if (any(20) == 0)
      m->as.closed.code = (uint16_t)any(65536);
    break;
  /* functions 0 and 1, an inlet 2, an outlet 3: most of it could be true */
  case MSG_CALL:
    m->as.call =
        (struct msg_call){any(9), any(40) ? any(2) : any(9), where, args()};
    break;
  case MSG_FORGET:
    m->as.number = any(9);
    break;
  case MSG_RETURNED:
    m->as.returned.id = any(9) ? ++returned : any(9);
    m->as.returned.value = any(4) ? args() : NULL;
    if (any(2))
      m->as.returned.fault =
          (struct msg_fault){.code = any(9) ? ERR_SCRIPT : -(int)any(20),
                             .line = any(9),
                             .source = slice_of("x.lua"),
                             .message = slice_of("boom")};
    break;
  case MSG_SENT:
    m->as.item = (struct msg_item){any(40) ? 3 : any(9), args()};
    break;
  case MSG_TAKEN:
    m->as.number = any(9) ? 2 : any(9);
    break;
  case MSG_CLOSING:
    m->kind = any(30) ? MSG_USAGE : MSG_CLOSING;
    m->as.number = 3;
    break;
  case MSG_DROP:
    m->as.set = any(4);
    break;
  case MSG_SCOPE:
    break;
  case MSG_USAGE:
    m->as.usage = (struct msg_usage){any(9), any(9), any(9), any(9), any(9)};
    break;
  default:
    m->as.text = words();
    break;
  }
}

/* ---------------------------------------------------------------- acts --- */

static void send_raw(const void *p, size_t n) {
  (void)!send(wire.fd, p, n, MSG_NOSIGNAL);
}

static int garbage(void) {
  uint8_t text[8192];
  for (size_t i = 0; i < sizeof text; i++)
    text[i] = (uint8_t)any(256);
  if (any(2))
    loaded();
  send_raw(text, 1 + any(sizeof text - 1));
  wait_ms((int)any(20));
  return 0;
}

/* Messages that can be read; now and then a byte of one is another. */
static int babble(const char *url, bool spoil) {
  uint32_t n = 1 + any(200);
  loaded();
  while (n-- > 0) {
    struct packet m;
    random_packet(&m, url);
    put(&m);
    if (spoil && any(20) == 0)
      buf_bytes(&wire.out)[any((uint32_t)wire.out.len)] ^=
          (uint8_t)(1 + any(9));
    flush(any(8) > 0);
    if (any(3) > 0)
      wait_ms((int)any(3));
    if (any(4) > 0)
      drain();
    if (any(300) == 0)
      raise(any(3) ? SIGKILL : SIGSTOP);
    if (any(300) == 0)
      shutdown(wire.fd, (int)any(3));
  }
  if (any(2)) {
    struct packet m = {.kind = MSG_RESULT};
    m.as.result.fault.code = any(2) ? 0 : -(int)any(30);
    m.as.result.fault.message = words();
    m.as.result.fault.source = words();
    m.as.result.stop = (uint8_t)any(8);
    m.as.result.goodbyes = any(2);
    m.as.result.traceback = words();
    m.as.result.kind = words();
    put(&m);
    flush(false);
    wait_ms((int)any(30));
  }
  return (int)any(99);
}

/* Opens, says that it has closed, and takes no descriptor. */
static int hoard(const char *url, int ms) {
  uint64_t number = 0;
  loaded();
  for (uint32_t round = 0; round < 40; round++) {
    struct packet m;
    for (uint32_t i = 0; i < 40; i++) {
      m.kind = MSG_CONNECT;
      memset(&m.as, 0, sizeof m.as);
      m.as.connect.id = i;
      m.as.connect.url = slice_of(url);
      m.as.connect.dial_timeout_ns = UINT64_C(10000000000);
      put(&m);
    }
    flush(false);
    wait_ms(ms); /* for them to be open: then their numbers are known */
    for (uint32_t i = 0; i < 40; i++) {
      m.kind = MSG_CLOSED;
      memset(&m.as, 0, sizeof m.as);
      m.as.closed.number = ++number;
      m.as.closed.code = 1000;
      put(&m);
    }
    flush(false);
  }
  wait_ms(60000);
  return 0;
}

/* Few bytes that take long to read. */
static _Noreturn void burden(void) {
  static struct value nulls[2000];
  struct value_member one = {.key = slice_of("k")};
  struct value map = {.type = VALUE_MAP};
  struct packet m = {.kind = MSG_CAN};
  loaded();
  one.value.type = VALUE_LIST;
  one.value.as.list.items = nulls;
  one.value.as.list.len = sizeof nulls / sizeof *nulls;
  map.as.map.members = &one;
  map.as.map.len = 1;
  m.as.inquiry.meta = &map;
  for (;;) {
    struct packet reply;
    struct arena a;
    arena_init(&a, &mem_libc, SIZE_MAX / 2);
    put(&m);
    flush(false);
    expect(MSG_REPLY, &reply, &a);
    arena_deinit(&a);
  }
}

/* ------------------------------------------- what the broker must refuse ---
 */

#define DEEP 40

/* Message |n| of those no honest worker sends, though each can be read. */
static int break_word(uint32_t n, const char *url) {
  static char many[128 * 1024];
  static struct value values[3000];
  static struct value deep[DEEP];
  struct value_member two[2];
  struct value map = {.type = VALUE_MAP};
  struct packet m = {.kind = MSG_CAN};
  struct msg_inquiry *q = &m.as.inquiry;
  struct msg_run run = {1, 0, 1};
  memset(many, 'x', sizeof many);
  memset(two, 0, sizeof two);
  map.as.map.members = two;
  map.as.map.len = 1;
  two[0].key = slice_of("k");
  two[1].key = slice_of("k");
  q->action = slice_of("a");
  switch (n) {
  case 0:
    q->action = (struct slice){many, 257};
    break;
  case 1:
    q->actor = (struct msg_actor){true, slice_of("root"), NULL};
    break;
  case 2:
    m.kind = MSG_EVALUATE;
    q->actor = (struct msg_actor){true, {many, 513}, NULL};
    break;
  case 3: /* too many values */
    q->meta = &map;
    two[0].value.type = VALUE_LIST;
    two[0].value.as.list.items = values;
    two[0].value.as.list.len = 2048;
    break;
  case 4: /* too long */
    q->meta = &map;
    two[0].value.type = VALUE_STRING;
    two[0].value.as.string = (struct slice){many, 64 * 1024};
    break;
  case 5: /* too deep */
    q->meta = &map;
    for (size_t i = 0; i + 1 < DEEP; i++) {
      deep[i].type = VALUE_LIST;
      deep[i].as.list.items = &deep[i + 1];
      deep[i].as.list.len = 1;
    }
    two[0].value = deep[0];
    break;
  case 6: /* a key twice */
    q->meta = &map;
    map.as.map.len = 2;
    break;
  case 7:
    q->meta = &map;
    map.as.map.len = 2;
    two[1].key = slice_of("a"); /* not in order */
    break;
  case 8:
    q->runs = &run;
    q->nruns = 1;
    break;
  case 9:
    q->own_actor = true;
    break;
  case 10:
    m.kind = MSG_POLICY;
    memset(&m.as, 0, sizeof m.as);
    m.as.named.id = (struct slice){many, 513};
    break;
  case 11:
    m.kind = MSG_ASK;
    memset(&m.as, 0, sizeof m.as);
    m.as.ask.action = slice_of("security.actor.create");
    m.as.ask.resource = (struct slice){many, 513};
    break;
  case 12:
    m.kind = MSG_REQUIRE;
    memset(&m.as, 0, sizeof m.as);
    m.as.text = (struct slice){many, 256};
    if (packet_write(&wire.out, &m) != ERR_FULL)
      return 3;
    m.as.text.len = 255;
    put(&m);
    buf_bytes(&wire.out)[0]++; /* one more */
    buf_bytes(&wire.out)[5] = 0;
    buf_bytes(&wire.out)[6] = 1;
    (void)buf_add(&wire.out, "x", 1);
    break;
  case 13: /* an actor that is the sandbox's, and is not */
    m.kind = MSG_EVALUATE;
    q->own_actor = true;
    q->actor = (struct msg_actor){true, slice_of("root"), NULL};
    break;
  case 14:
    m.kind = MSG_CONNECT;
    memset(&m.as, 0, sizeof m.as);
    m.as.connect.url = slice_of(url);
    break;
  case 15:
    m.kind = MSG_CONNECT;
    memset(&m.as, 0, sizeof m.as);
    m.as.connect.url = slice_of(url);
    m.as.connect.dial_timeout_ns = UINT64_MAX;
    break;
  case 16:
    m.kind = MSG_CLOSED;
    memset(&m.as, 0, sizeof m.as);
    m.as.closed.number = 1;
    m.as.closed.code = 1000;
    break;
  case 17:
    m.kind = MSG_LOADED;
    memset(&m.as, 0, sizeof m.as);
    break;
  case 18:
    m.kind = MSG_SETUP;
    memset(&m.as, 0, sizeof m.as);
    break;
  case 19:
    m.kind = MSG_DROP;
    memset(&m.as, 0, sizeof m.as);
    m.as.set = 1;
    break;
  default:
    return 2;
  }
  loaded();
  if (n != 12)
    put(&m);
  flush(false);
  wait_ms(600000);
  return 0;
}

/* -------------------------------------------------------- connections --- */

static void ask_for(uint32_t id, const char *url) {
  struct packet m = {.kind = MSG_CONNECT};
  m.as.connect.id = id;
  m.as.connect.url = slice_of(url);
  m.as.connect.dial_timeout_ns = UINT64_C(30000000000);
  put(&m);
}

static void say(const char *text) {
  struct packet m = {.kind = MSG_OUTPUT};
  m.as.text = slice_of(text);
  put(&m);
  flush(false);
}

/* Asks for |n| connections at once, waits for all, and says of every descriptor
 * it has what it is. */
static int inventory(uint32_t n, const char *url) {
  unsigned connected = 0, wrong = 0;
  char text[100], byte;
  struct packet m;
  struct arena a;
  loaded();
  for (uint32_t i = 0; i < n; i++)
    ask_for(i, url);
  flush(true);
  for (uint32_t i = 0; i < n; i++) {
    arena_init(&a, &mem_libc, SIZE_MAX / 2);
    expect(MSG_DIALED, &m, &a);
    if (m.as.dialed.end != 0)
      wrong++;
    arena_deinit(&a);
  }
  for (int fd = 3; fd < 4096; fd++) {
    if (fd == wire.fd || fcntl(fd, F_GETFD) < 0)
      continue;
    /* ENOTCONN: what could be connected by sending to an address */
    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno == EAGAIN)
      connected++;
    else
      wrong++;
  }
  snprintf(text, sizeof text, "%u connected, %u wrong\n", connected, wrong);
  say(text);
  m = (struct packet){.kind = MSG_RESULT};
  put(&m);
  flush(false);
  return 0;
}

/* The script is over, and it goes on talking. */
static int chatter(void) {
  static char noise[64 * 1024];
  struct packet m = {.kind = MSG_RESULT};
  loaded();
  put(&m);
  flush(false);
  for (;;)
    if (send(wire.fd, noise, sizeof noise, MSG_NOSIGNAL) < 0)
      return 0;
}

static _Noreturn void spin(void) {
  static volatile unsigned n;
  loaded();
  for (;;)
    n++;
}

/* What it used, it says. */
static int boast(void) {
  struct packet m = {.kind = MSG_RESULT};
  loaded();
  m.as.result.usage = (struct msg_usage){UINT64_MAX, UINT64_MAX - 1, UINT64_MAX,
                                         UINT64_MAX, UINT64_MAX};
  put(&m);
  flush(false);
  return 0;
}

/* ---------------------------------------------------------------- output ---
 */

static void put_lines(uint32_t n) {
  struct packet m = {.kind = MSG_OUTPUT};
  m.as.text = slice_of("x");
  while (n-- > 0)
    put(&m);
}

/* Leaves as many lines behind as the socket holds. */
static int scrawl(uint32_t n) {
  loaded();
  put_lines(n);
  (void)wire_flush(&wire);
  return 0;
}

/* Prints them all, whatever that has cost, and ends as if nothing was. */
static int print_all(uint32_t n) {
  struct packet m = {.kind = MSG_RESULT};
  loaded();
  put_lines(n);
  put(&m);
  flush(false);
  wait_ms(600000);
  return 0;
}

/* ---------------------------------------------------------------- calls --- */

static void call(uint32_t id, uint32_t function) {
  static const struct value none = {.type = VALUE_LIST};
  struct packet m = {.kind = MSG_CALL};
  m.as.call.id = id;
  m.as.call.function = function;
  m.as.call.args = &none;
  put(&m);
}

/* Calls what does not answer soon, forgets that it has called, and calls
 * again.  Function 0 answers at once, after all that was called before it. */
static int nag(uint32_t rounds) {
  struct packet m;
  struct arena a;
  loaded();
  while (rounds-- > 0) {
    for (uint32_t i = 1; i <= 400; i++)
      call(i, 1);
    call(0, 0);
    flush(true);
    do {
      arena_init(&a, &mem_libc, SIZE_MAX / 2);
      expect(MSG_ANSWER, &m, &a);
      arena_deinit(&a);
    } while (m.as.answer.id != 0);
    for (uint32_t i = 1; i <= 400; i++) {
      m = (struct packet){.kind = MSG_FORGET};
      m.as.number = i;
      put(&m);
    }
    flush(true);
  }
  m = (struct packet){.kind = MSG_RESULT};
  put(&m);
  flush(true);
  return 0;
}

/* Asks for much, and takes no answer. */
static int gorge(uint32_t n) {
  loaded();
  for (uint32_t i = 0; i < n; i++)
    call(i, 0);
  flush(false);
  wait_ms(600000);
  return 0;
}

/* ---------------------------------------------------------------- relays ---
 */

static void finish(void) {
  struct packet m = {.kind = MSG_RESULT};
  put(&m);
  flush(true);
}

static void say_closed(uint64_t number) {
  struct packet m = {.kind = MSG_CLOSED};
  m.as.closed.number = number;
  m.as.closed.code = 1000;
  put(&m);
  flush(true);
}

/* Writes for |ms|, or until nobody takes it any more. */
static void pour(int fd, int ms) {
  static const char noise[16384];
  while (ms > 0) {
    ssize_t n = send(fd, noise, sizeof noise, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
      return;
    if (n < 0)
      wait_ms(10);
    ms -= n < 0 ? 10 : 0;
  }
}

/* One connection whose other end is the broker's. */
static int relay(const char *what, const char *url) {
  struct packet m;
  struct arena a;
  int fd;
  loaded();
  ask_for(1, url);
  flush(true);
  arena_init(&a, &mem_libc, SIZE_MAX / 2);
  expect(MSG_DIALED, &m, &a);
  fd = wire_take_fd(&wire);
  if (fd < 0)
    return 3;
  if (strcmp(what, "goes-on") == 0) {
    say_closed(m.as.dialed.number);
    pour(fd, 1000);
  } else if (strcmp(what, "cuts") == 0) {
    (void)!send(fd, "\x82\xfe", 2, MSG_NOSIGNAL);
    close(fd);
    wait_ms(200);
  } else if (strcmp(what, "sits") == 0) {
    wait_ms(600000);
  } else if (strcmp(what, "pours") == 0) {
    pour(fd, 600000);
  } else {
    say_closed(m.as.dialed.number);
    say_closed(m.as.dialed.number);
    wait_ms(600000);
  }
  finish();
  return 0;
}

static int act(const char *what, const char *url) {
  if (strcmp(what, "break") == 0)
    return break_word((uint32_t)state, url);
  if (strcmp(what, "inventory") == 0)
    return inventory((uint32_t)state, url);
  if (strcmp(what, "chatter") == 0)
    return chatter();
  if (strcmp(what, "spin") == 0)
    spin();
  if (strcmp(what, "boast") == 0)
    return boast();
  if (strcmp(what, "goes-on") == 0 || strcmp(what, "cuts") == 0 ||
      strcmp(what, "sits") == 0 || strcmp(what, "pours") == 0 ||
      strcmp(what, "twice") == 0)
    return relay(what, url);
  if (strcmp(what, "scrawl") == 0)
    return scrawl((uint32_t)state);
  if (strcmp(what, "print-all") == 0)
    return print_all((uint32_t)state);
  if (strcmp(what, "nag") == 0)
    return nag((uint32_t)state);
  if (strcmp(what, "gorge") == 0)
    return gorge((uint32_t)state);
  if (strcmp(what, "garbage") == 0)
    return garbage();
  if (strcmp(what, "babble") == 0)
    return babble(url, false);
  if (strcmp(what, "spoil") == 0)
    return babble(url, true);
  if (strcmp(what, "hoard") == 0)
    return hoard(url, (int)state);
  if (strcmp(what, "burden") == 0)
    burden();
  if (strcmp(what, "silent") == 0)
    wait_ms(600000); /* never loaded */
  if (strcmp(what, "vanish") == 0)
    raise(SIGKILL);
  if (strcmp(what, "halt") == 0)
    raise(SIGSTOP);
  if (strcmp(what, "lie") == 0) {
    static const struct {
      int code;
      enum stop_reason stop;
    } lies[] = {{ERR_CANCELED, STOP_CANCEL}, /* only the host can know */
                {0, STOP_CPU},               /* one or the other */
                {0, STOP_CANCEL},
                {ERR_SCRIPT, STOP_MEMORY},
                {ERR_LIMIT, STOP_NONE}};
    struct packet m = {.kind = MSG_RESULT};
    loaded();
    m.as.result.fault.code =
        lies[(size_t)state % (sizeof lies / sizeof *lies)].code;
    m.as.result.stop =
        (uint8_t)lies[(size_t)state % (sizeof lies / sizeof *lies)].stop;
    put(&m);
    flush(false);
    wait_ms(600000);
  }
  return 5;
}

static int body(int fd) {
  char text[256], what[32], url[128];
  struct packet m;
  struct arena a;
  arena_init(&a, &mem_libc, SIZE_MAX / 2);
  wire_init(&wire, fd, &mem_libc, PROTOCOL_TO_WORKER_MAX, SIZE_MAX / 2);
  expect(MSG_SETUP, &m, &a);
  expect(MSG_LOAD, &m, &a);
  snprintf(text, sizeof text, "%.*s", (int)m.as.load.source.text.len,
           m.as.load.source.text.p);
  if (sscanf(text, "%31s %127s %lu", what, url, &state) != 3)
    return 4;
  return act(what, url);
}

int main(int argc, char **argv) {
  static const struct worker_body hostile = {NULL, body};
  return template_main(argc, argv, &hostile);
}
