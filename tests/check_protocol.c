/* check_protocol.c - the messages between worker and broker, and the wire. */
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/json.h"
#include "runtime/worker/protocol.h"
#include "runtime/worker/wire.h"

/* One of each kind, with something in every field. */
static size_t samples(struct packet *out, struct arena *a) {
  static struct slice args[] = {{"one", 3}, {"", 0}};
  static struct msg_policy policies[] = {{3, {"app:a", 5}}, {9, {"app:b", 5}}};
  static struct msg_run runs[] = {{1, 0, 7}, {2, 4, 1}};
  static struct msg_header headers[] = {{{"X-A", 3}, {"b", 1}}};
  static struct slice protocols[] = {{"chat", 4}};
  static struct value meta;
  static struct msg_offer offers[] = {{0, {"h", 1}, {"f", 1}, 0},
                                      {2, {"h", 1}, {"out", 3}, 7}};
  struct msg_fault fault = {.code = ERR_SCRIPT,
                            .sys_errno = 5,
                            .line = 7,
                            .column = 9,
                            .source = SLICE("x.lua"),
                            .message = SLICE("boom")};
  struct msg_refusal refusal = {SLICE("websocket.connect"), SLICE("ws://a/"),
                                true, SLICE("app:no")};
  struct msg_usage usage = {1, 2, 3, 4, 5};
  struct packet *m = out;
  ck_assert_int_eq(json_parse(&meta,
                              SLICE("{\"a\":[1,2.5,null,true,\"x\"],"
                                    "\"b\":{\"c\":-9223372036854775808}}"),
                              a, NULL),
                   0);
  memset(out, 0, 34 * sizeof *out);
  m->kind = MSG_SETUP;
  m++->as.setup = (struct msg_setup){.version = 1,
                                     .memory_bytes = UINT64_MAX,
                                     .cpu_ns = 2,
                                     .requires = true,
                                     .modules_listed = true,
                                     .modules = args,
                                     .nmodules = 2,
                                     .modules_from = SLICE("m.yaml:7"),
                                     .method = SLICE("main"),
                                     .actor = {true, SLICE("bot"), &meta}};
  m->kind = MSG_LOAD;
  m++->as.load = (struct msg_load){{SLICE("a.lua"), 9, SLICE("return 1")},
                                   args,
                                   2,
                                   offers,
                                   2,
                                   &meta,
                                   true,
                                   88};
  m++->kind = MSG_CANCEL;
  m->kind = MSG_REPLY;
  m++->as.reply = (struct msg_reply){.code = ERR_DENIED,
                                     .charged_ns = 77,
                                     .refusal = refusal,
                                     .message = SLICE("no"),
                                     .verdict = 2,
                                     .set = 4,
                                     .policies = policies,
                                     .npolicies = 2};
  m->kind = MSG_DIALED;
  m++->as.dialed = (struct msg_dialed){.id = 1,
                                       .end = 5,
                                       .number = 3,
                                       .refusal = refusal,
                                       .url = SLICE("ws://a/"),
                                       .code = ERR_TIMEOUT,
                                       .stage = 4,
                                       .http_status = 503,
                                       .protocol = SLICE("chat"),
                                       .rest = SLICE("\x81\x01x")};
  m->kind = MSG_LOADED;
  m++->as.result = (struct msg_result){.fault = fault,
                                       .traceback = SLICE(""),
                                       .kind = SLICE(""),
                                       .usage = usage};
  m->kind = MSG_OUTPUT;
  m++->as.text = SLICE("hello\n");
  m->kind = MSG_ASK;
  m++->as.ask = (struct msg_ask){
      {SLICE("a.lua"), 3}, SLICE("security.scope.create"), SLICE("custom")};
  m->kind = MSG_POLICY;
  m++->as.named = (struct msg_named){{SLICE("a.lua"), 3}, SLICE("app:a")};
  m->kind = MSG_GROUP;
  m++->as.named = (struct msg_named){{SLICE("a.lua"), 3}, SLICE("app:g")};
  m++->kind = MSG_SCOPE;
  m->kind = MSG_EVALUATE;
  m++->as.inquiry = (struct msg_inquiry){.actor = {true, SLICE("x"), NULL},
                                         .action = SLICE("read"),
                                         .resource = SLICE("doc"),
                                         .meta = &meta,
                                         .runs = runs,
                                         .nruns = 2};
  m->kind = MSG_CAN;
  m++->as.inquiry =
      (struct msg_inquiry){.own_actor = true, .action = SLICE("read")};
  m->kind = MSG_REQUIRE;
  m++->as.text = SLICE("lib.util");
  m->kind = MSG_ZONE;
  m++->as.text = SLICE("Europe/Paris");
  m->kind = MSG_MATCH;
  m++->as.match = (struct msg_match){SLICE("^a+$"), SLICE("aaa")};
  m->kind = MSG_CONNECT;
  m++->as.connect = (struct msg_connect){.id = 8,
                                         .where = {SLICE("a.lua"), 1},
                                         .url = SLICE("ws://localhost:1/"),
                                         .dial_timeout_ns = 30,
                                         .headers = headers,
                                         .nheaders = 1,
                                         .protocols = protocols,
                                         .nprotocols = 1};
  m->kind = MSG_CLOSED;
  m++->as.closed = (struct msg_closed){4, 1006, true};
  m->kind = MSG_DROP;
  m++->as.set = 3;
  m->kind = MSG_USAGE;
  m++->as.usage = usage;
  m->kind = MSG_RESULT;
  m++->as.result = (struct msg_result){
      fault, 2, SLICE("stack"), SLICE("Kind"), usage, &meta, fault, true};
  m->kind = MSG_ANSWER;
  m++->as.answer = (struct msg_answer){.id = 7, .ok = true, .value = &meta};
  m->kind = MSG_ANSWER;
  m++->as.answer = (struct msg_answer){.id = 8,
                                       .kind = SLICE("NotFound"),
                                       .message = SLICE("no"),
                                       .retryable = true,
                                       .refused = true,
                                       .refusal = refusal};
  m->kind = MSG_INVOKE;
  m++->as.invoke = (struct msg_invoke){9, SLICE("run"), NULL};
  m->kind = MSG_ABORT;
  m++->as.number = 9;
  m->kind = MSG_FEED;
  m++->as.item = (struct msg_item){3, &meta};
  m->kind = MSG_ROOM;
  m++->as.room = (struct msg_room){3, 2};
  m->kind = MSG_SHUT;
  m++->as.number = 3;
  m->kind = MSG_CHARGED;
  m++->as.charged = (struct msg_charged){1500000, 256};
  m->kind = MSG_TOLD;
  m++->as.number = 9;
  m->kind = MSG_CALL;
  m++->as.call = (struct msg_call){4, 1, {SLICE("a.lua"), 3}, &meta};
  m->kind = MSG_FORGET;
  m++->as.number = 4;
  m->kind = MSG_RETURNED;
  m++->as.returned = (struct msg_returned){5, &meta, fault};
  m->kind = MSG_SENT;
  m++->as.item = (struct msg_item){2, &meta};
  m->kind = MSG_TAKEN;
  m++->as.number = 1;
  m->kind = MSG_CLOSING;
  m++->as.number = 2;
  return (size_t)(m - out);
}

#define NSAMPLES 36

START_TEST(every_message_reads_back) {
  struct packet m[NSAMPLES], got;
  struct arena a;
  struct buf b, again;
  arena_init(&a, &mem_libc, 1 << 20);
  ck_assert_uint_eq(samples(m, &a), NSAMPLES);
  for (size_t i = 0; i < NSAMPLES; i++) {
    enum packet_kind kind;
    struct guard g;
    size_t len;
    buf_init(&b, &mem_libc, 1 << 20);
    buf_init(&again, &mem_libc, 1 << 20);
    ck_assert_int_eq(packet_write(&b, &m[i]), 0);
    guard_init(&g, buf_bytes(&b), b.len);
    ck_assert_int_eq(packet_peek(guard_slice(&g), 1 << 20, &kind, &len), 0);
    ck_assert_uint_eq(len, b.len);
    ck_assert_int_eq(kind, m[i].kind);
    ck_assert_int_eq(packet_read(&got, guard_slice(&g), &a), 0);
    ck_assert_int_eq(packet_write(&again, &got), 0);
    ck_assert(slice_eq(buf_slice(&b), buf_slice(&again)));
    guard_deinit(&g);
    buf_deinit(&again);
    buf_deinit(&b);
  }
  arena_deinit(&a);
}
END_TEST

START_TEST(fields_arrive) {
  struct packet m[NSAMPLES], got;
  struct arena a;
  struct buf b;
  arena_init(&a, &mem_libc, 1 << 20);
  buf_init(&b, &mem_libc, 1 << 20);
  samples(m, &a);
  for (size_t i = 0; i < NSAMPLES; i++) {
    buf_clear(&b);
    ck_assert_int_eq(packet_write(&b, &m[i]), 0);
    ck_assert_int_eq(packet_read(&got, buf_slice(&b), &a), 0);
    if (got.kind == MSG_CONNECT) {
      ck_assert_uint_eq(got.as.connect.id, 8);
      ck_assert_slice_eq(got.as.connect.url, "ws://localhost:1/");
      ck_assert_slice_eq(got.as.connect.headers[0].value, "b");
      ck_assert_slice_eq(got.as.connect.protocols[0], "chat");
    } else if (got.kind == MSG_EVALUATE) {
      ck_assert(value_equal(got.as.inquiry.meta, m[i].as.inquiry.meta));
      ck_assert(!got.as.inquiry.actor.meta);
      ck_assert_uint_eq(got.as.inquiry.runs[1].first, 4);
    } else if (got.kind == MSG_RESULT) {
      struct err e;
      fault_to_err(&e, &got.as.result.fault);
      ck_assert_str_eq(e.message, "boom");
      ck_assert_str_eq(e.source, "x.lua");
      ck_assert_uint_eq(e.line, 7);
      ck_assert_int_eq(e.sys_errno, 5);
    }
  }
  buf_deinit(&b);
  arena_deinit(&a);
}
END_TEST

/* Cut anywhere it is no message; and no byte of it can be changed so that more
 * is read than was sent (the guard page), or that it reads back otherwise. */
START_TEST(broken_messages) {
  struct packet m[NSAMPLES], got;
  struct arena a;
  struct buf b, again;
  arena_init(&a, &mem_libc, SIZE_MAX / 2);
  buf_init(&b, &mem_libc, 1 << 20);
  buf_init(&again, &mem_libc, 1 << 20);
  samples(m, &a);
  for (size_t i = 0; i < NSAMPLES; i++) {
    buf_clear(&b);
    ck_assert_int_eq(packet_write(&b, &m[i]), 0);
    for (size_t cut = PROTOCOL_HEADER; cut < b.len; cut++) {
      struct guard g;
      guard_init(&g, buf_bytes(&b), cut);
      ck_assert_int_eq(packet_read(&got, guard_slice(&g), &a), ERR_PROTOCOL);
      guard_deinit(&g);
    }
    for (size_t at = 4; at < b.len; at++)
      for (unsigned change = 1; change < 256; change = change * 2 + 1) {
        struct guard g;
        char *p = guard_init(&g, buf_bytes(&b), b.len);
        p[at] ^= (char)change;
        if (packet_read(&got, guard_slice(&g), &a) == 0) {
          buf_clear(&again);
          ck_assert_int_eq(packet_write(&again, &got), 0);
          ck_assert(slice_eq(guard_slice(&g), buf_slice(&again)));
        }
        guard_deinit(&g);
      }
    arena_deinit(&a);
    arena_init(&a, &mem_libc, SIZE_MAX / 2);
    samples(m, &a);
  }
  buf_deinit(&again);
  buf_deinit(&b);
  arena_deinit(&a);
}
END_TEST

static const struct {
  const char *bytes;
  size_t len;
  int rv;
} heads[] = {
    {"", 0, ERR_AGAIN},
    {"\1\0\0", 3, ERR_AGAIN},
    {"\1\0\0\0", 4, ERR_AGAIN},
    {"\1\0\0\0\3", 5, 0},            /* CANCEL */
    {"\0\0\0\0\3", 5, ERR_PROTOCOL}, /* no room for a kind */
    {"\1\0\0\0\0", 5, ERR_PROTOCOL}, /* no such kinds */
    {"\1\0\0\0\16", 5, ERR_PROTOCOL},
    {"\1\0\0\0\77", 5, ERR_PROTOCOL},
    {"\1\0\0\0\377", 5, ERR_PROTOCOL},
    {"\0\4\0\0\101", 5, 0},            /* as long as may be */
    {"\1\4\0\0\101", 5, ERR_PROTOCOL}, /* longer */
    {"\377\377\377\377\101", 5, ERR_PROTOCOL},
};

START_TEST(lengths_and_kinds) {
  unit_each(row, heads) {
    enum packet_kind kind;
    size_t len;
    ck_assert_int_eq(
        packet_peek((struct slice){row->bytes, row->len}, 1024, &kind, &len),
        row->rv);
  }
}
END_TEST

/* A list, value or number that cannot be. */
START_TEST(values_out_of_range) {
  struct value deep[VALUE_MAX_DEPTH + 2];
  struct value member_value;
  struct value_member member = {SLICE("a"), {.type = VALUE_NULL}};
  struct packet m = {.kind = MSG_CAN}, got;
  struct value map = {.type = VALUE_MAP};
  struct arena a;
  struct buf b;
  arena_init(&a, &mem_libc, 1 << 20);
  buf_init(&b, &mem_libc, 1 << 20);
  map.as.map.members = &member;
  map.as.map.len = 1;
  m.as.inquiry.meta = &map;
  member.value.type = VALUE_FLOAT;
  member.value.as.number = (double)INFINITY;
  ck_assert_int_eq(packet_write(&b, &m), 0);
  ck_assert_int_eq(packet_read(&got, buf_slice(&b), &a), ERR_PROTOCOL);
  /* lists in lists: as many as allowed, and one more */
  for (unsigned levels = VALUE_MAX_DEPTH - 1; levels <= VALUE_MAX_DEPTH;
       levels++) {
    memset(deep, 0, sizeof deep);
    for (unsigned i = 0; i + 1 < levels; i++) {
      deep[i].type = VALUE_LIST;
      deep[i].as.list.items = &deep[i + 1];
      deep[i].as.list.len = 1;
    }
    deep[levels - 1].type = VALUE_LIST;
    member.value = deep[0];
    buf_clear(&b);
    ck_assert_int_eq(packet_write(&b, &m), 0);
    ck_assert_int_eq(packet_read(&got, buf_slice(&b), &a),
                     levels < VALUE_MAX_DEPTH ? 0 : ERR_PROTOCOL);
  }
  /* metadata that is no map */
  member_value = (struct value){.type = VALUE_BOOL};
  m.as.inquiry.meta = &member_value;
  buf_clear(&b);
  ck_assert_int_eq(packet_write(&b, &m), 0);
  ck_assert_int_eq(packet_read(&got, buf_slice(&b), &a), ERR_PROTOCOL);
  buf_deinit(&b);
  arena_deinit(&a);
}
END_TEST

START_TEST(nothing_is_half_written) {
  struct packet m[NSAMPLES];
  struct arena a;
  arena_init(&a, &mem_libc, 1 << 20);
  samples(m, &a);
  for (size_t i = 0; i < NSAMPLES; i++)
    for (size_t max = 0;; max++) {
      struct buf b;
      int rv;
      buf_init(&b, &mem_libc, max);
      rv = packet_write(&b, &m[i]);
      if (rv != 0) {
        ck_assert_int_eq(rv, ERR_FULL);
        ck_assert_uint_eq(b.len, 0);
      }
      buf_deinit(&b);
      if (rv == 0)
        break;
    }
  arena_deinit(&a);
}
END_TEST

/* -------------------------------------------------------------- the wire ---
 */

struct ends {
  int fd[2];
  struct wire w[2];
};

static void ends_init(struct ends *e, const struct mem *m) {
  ck_assert_int_eq(
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, e->fd),
      0);
  for (int i = 0; i < 2; i++)
    wire_init(&e->w[i], e->fd[i], m, 1 << 20, 1 << 22);
}

static void ends_deinit(struct ends *e) {
  for (int i = 0; i < 2; i++) {
    wire_deinit(&e->w[i]);
    if (e->fd[i] >= 0)
      close(e->fd[i]);
  }
}

/* Everything that arrives, byte by byte when |step| is 1. */
static void carry(size_t step) {
  struct packet m[NSAMPLES], got;
  struct ends e;
  struct arena a;
  size_t n = 0;
  arena_init(&a, &mem_libc, 1 << 20);
  ends_init(&e, &mem_libc);
  samples(m, &a);
  for (size_t i = 0; i < NSAMPLES; i++)
    ck_assert_int_eq(wire_put(&e.w[0], &m[i], -1), 0);
  ck_assert_int_eq(wire_flush(&e.w[0]), 0);
  close(e.fd[0]);
  e.fd[0] = -1;
  for (;;) {
    enum packet_kind kind;
    struct slice whole;
    int rv = wire_receive(&e.w[1], step, true);
    while (wire_next(&e.w[1], &kind, &whole) == 0) {
      ck_assert_int_eq(kind, m[n++].kind);
      ck_assert_int_eq(packet_read(&got, whole, &a), 0);
      wire_drop(&e.w[1], whole);
    }
    if (rv == ERR_CLOSED)
      break;
    ck_assert_int_eq(rv, 0);
  }
  ck_assert_uint_eq(n, NSAMPLES);
  ends_deinit(&e);
  arena_deinit(&a);
}

START_TEST(wire_carries) {
  carry(1);
  carry(7);
  carry(65536);
}
END_TEST

/* Who does not take descriptors is sent few of them: the system counts those
 * under way of all processes together. */
START_TEST(wire_holds_descriptors_back) {
  struct packet open = {.kind = MSG_DIALED};
  struct ends e;
  size_t sent, taken = 0;
  int fd, rv;
  ends_init(&e, &mem_libc);
  for (unsigned i = 0; i < 100; i++)
    ck_assert_int_eq(wire_put(&e.w[0], &open, dup(0)), 0);
  ck_assert_int_eq(wire_flush(&e.w[0]), ERR_LIMIT);
  sent = 100 - e.w[0].nsend;
  ck_assert_uint_ge(sent, 16);
  ck_assert_uint_le(sent, 64);
  ck_assert_int_eq(wire_flush(&e.w[0]), ERR_LIMIT);
  ck_assert_uint_eq(100 - e.w[0].nsend, sent);
  do {
    while (wire_receive(&e.w[1], 65536, true) == 0)
      while ((fd = wire_take_fd(&e.w[1])) >= 0) {
        close(fd);
        taken++;
      }
    rv = wire_flush(&e.w[0]);
    ck_assert(rv == 0 || rv == ERR_LIMIT);
  } while (taken < 100);
  ck_assert_int_eq(rv, 0);
  ends_deinit(&e);
}
END_TEST

/* One more descriptor under way, of a user who may have few.  0 or an errno */
static int hoard(int to) {
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
  } control = {.room = {0}};
  struct iovec part = {(char[]){'x'}, 1};
  struct msghdr msg = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
  struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int)); /* of descriptor 0 */
  return sendmsg(to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

#define FEW_FDS 40

/* unix(7), ETOOMANYREFS: what waits goes when others have taken theirs, and in
 * its order.  Gives up privileges, and so needs a process of its own. */
START_TEST(wire_and_too_many_references) {
  struct __user_cap_header_struct head = {.version =
                                              _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}, {0}};
  struct rlimit few;
  struct packet open = {.kind = MSG_DIALED}, other = {.kind = MSG_CANCEL};
  struct ends e;
  int others[2], fd, rv, n = 0;
  ck_assert_int_eq(syscall(SYS_capset, &head, none), 0);
  ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &few), 0);
  few.rlim_cur = FEW_FDS;
  ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
  ends_init(&e, &mem_libc);
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, others),
                   0);
  while ((rv = hoard(others[0])) == 0)
    ck_assert_int_lt(n++, 4 * FEW_FDS);
  ck_assert_int_eq(rv, ETOOMANYREFS);
  ck_assert_int_eq(wire_put(&e.w[0], &other, -1), 0);
  ck_assert_int_eq(wire_put(&e.w[0], &open, dup(0)), 0);
  ck_assert_int_eq(wire_put(&e.w[0], &other, -1), 0);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(wire_flush(&e.w[0]), ERR_LIMIT);
  ck_assert_uint_eq(e.w[0].nsend, 1);
  close(others[0]);
  close(others[1]);
  /* the kernel may drop them a moment later */
  while ((rv = wire_flush(&e.w[0])) == ERR_LIMIT)
    usleep(1000);
  ck_assert_int_eq(rv, 0);
  while (wire_receive(&e.w[1], 65536, true) == 0)
    ;
  fd = wire_take_fd(&e.w[1]);
  ck_assert_int_ge(fd, 0);
  close(fd);
  for (int i = 0; i < 3; i++) {
    enum packet_kind kind;
    struct slice whole;
    ck_assert_int_eq(wire_next(&e.w[1], &kind, &whole), 0);
    ck_assert_int_eq(kind, i == 1 ? MSG_DIALED : MSG_CANCEL);
    wire_drop(&e.w[1], whole);
  }
  ends_deinit(&e);
}
END_TEST

/* Descriptors come in the order of their messages, whatever lies between. */
START_TEST(wire_carries_descriptors) {
  struct packet open = {.kind = MSG_DIALED}, other = {.kind = MSG_CANCEL};
  struct ends e;
  struct arena a;
  int pipes[4][2];
  unsigned n = 0;
  arena_init(&a, &mem_libc, 1 << 20);
  ends_init(&e, &mem_libc);
  for (unsigned i = 0; i < 4; i++) {
    ck_assert_int_eq(pipe2(pipes[i], O_CLOEXEC | O_NONBLOCK), 0);
    open.as.dialed.id = i;
    ck_assert_int_eq(wire_put(&e.w[0], &other, -1), 0);
    ck_assert_int_eq(wire_put(&e.w[0], &open, pipes[i][1]), 0);
  }
  ck_assert_int_eq(wire_put(&e.w[0], &other, -1), 0);
  ck_assert_int_eq(wire_flush(&e.w[0]), 0);
  while (wire_receive(&e.w[1], 65536, true) == 0) {
    enum packet_kind kind;
    struct slice whole;
    struct packet got;
    while (wire_next(&e.w[1], &kind, &whole) == 0) {
      ck_assert_int_eq(packet_read(&got, whole, &a), 0);
      if (kind == MSG_DIALED) {
        char byte = (char)('0' + got.as.dialed.id), back = 0;
        int fd = wire_take_fd(&e.w[1]);
        ck_assert_uint_eq(got.as.dialed.id, n++);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        ck_assert_int_eq((int)write(fd, &byte, 1), 1);
        close(fd);
        ck_assert_int_eq((int)read(pipes[got.as.dialed.id][0], &back, 1), 1);
        ck_assert_int_eq(back, byte);
      }
      wire_drop(&e.w[1], whole);
    }
  }
  ck_assert_uint_eq(n, 4);
  ck_assert_int_eq(wire_take_fd(&e.w[1]), -1);
  /* what is under way when a side ends is closed with it */
  ck_assert_int_eq(wire_put(&e.w[0], &open, dup(pipes[0][0])), 0);
  ck_assert_int_eq(wire_flush(&e.w[0]), 0);
  ck_assert_int_eq(wire_receive(&e.w[1], 65536, true), 0);
  ck_assert_int_eq(wire_put(&e.w[0], &open, dup(pipes[0][0])), 0);
  ends_deinit(&e);
  arena_deinit(&a);
  for (unsigned i = 0; i < 4; i++)
    close(pipes[i][0]);
}
END_TEST

/* Who does not read costs a buffer, no more, and gets all of it in the end. */
START_TEST(wire_waits_for_the_reader) {
  static char text[60000];
  struct packet m = {.kind = MSG_OUTPUT};
  size_t put = 0, got = 0;
  struct ends e;
  int rv;
  ends_init(&e, &mem_libc);
  m.as.text = (struct slice){text, sizeof text};
  while ((rv = wire_put(&e.w[0], &m, -1)) == 0) {
    put++;
    rv = wire_flush(&e.w[0]);
    ck_assert(rv == 0 || rv == ERR_AGAIN);
  }
  ck_assert_int_eq(rv, ERR_FULL);
  while (got < put) {
    enum packet_kind kind;
    struct slice whole;
    rv = wire_flush(&e.w[0]);
    ck_assert(rv == 0 || rv == ERR_AGAIN);
    ck_assert_int_eq(wire_receive(&e.w[1], 4096, false), 0);
    if (wire_next(&e.w[1], &kind, &whole) == 0) {
      got++;
      wire_drop(&e.w[1], whole);
    }
  }
  ck_assert_uint_eq(wire_unsent(&e.w[0]), 0);
  /* a reader that is gone */
  close(e.fd[1]);
  e.fd[1] = -1;
  ck_assert_int_eq(wire_put(&e.w[0], &m, -1), 0);
  ck_assert_int_eq(wire_flush(&e.w[0]), ERR_CLOSED);
  ends_deinit(&e);
}
END_TEST

START_TEST(wire_survives_refused_memory) {
  size_t n = 0;
  bool refused;
  do {
    struct packet m[NSAMPLES], got;
    struct failing_mem f;
    struct arena samples_arena, a;
    struct ends e;
    refused = false;
    failing_mem_init(&f, n++);
    arena_init(&samples_arena, &mem_libc, 1 << 20);
    samples(m, &samples_arena);
    ends_init(&e, &f.mem);
    for (size_t i = 0; i < NSAMPLES; i++) {
      int fd = i == 4 ? dup(0) : -1;
      int rv = wire_put(&e.w[0], &m[i], fd);
      if (rv != 0) {
        ck_assert_int_eq(rv, ERR_NOMEM);
        if (fd >= 0)
          close(fd);
      }
    }
    (void)wire_flush(&e.w[0]);
    arena_init(&a, &f.mem, 1 << 20);
    while (wire_receive(&e.w[1], 100, true) == 0) {
      enum packet_kind kind;
      struct slice whole;
      while (wire_next(&e.w[1], &kind, &whole) == 0) {
        int rv = packet_read(&got, whole, &a);
        ck_assert(rv == 0 || rv == ERR_NOMEM);
        wire_drop(&e.w[1], whole);
      }
    }
    arena_deinit(&a);
    ends_deinit(&e);
    arena_deinit(&samples_arena);
    ck_assert_uint_eq(f.live_bytes, 0);
    refused = f.refused > 0;
  } while (refused);
  ck_assert_uint_gt(n, 5);
}
END_TEST

int main(void) {
  Suite *s = suite_create("protocol");
  TCase *messages = tcase_create("messages");
  TCase *wire = tcase_create("wire");
  TCase *own = tcase_create("own");
  tcase_add_test(messages, every_message_reads_back);
  tcase_add_test(messages, fields_arrive);
  tcase_add_test(messages, broken_messages);
  tcase_add_test(messages, lengths_and_kinds);
  tcase_add_test(messages, values_out_of_range);
  tcase_add_test(messages, nothing_is_half_written);
  suite_add_tcase(s, messages);
  tcase_add_test(wire, wire_carries);
  tcase_add_test(wire, wire_carries_descriptors);
  tcase_add_test(wire, wire_holds_descriptors_back);
  tcase_add_test(wire, wire_waits_for_the_reader);
  tcase_add_test(wire, wire_survives_refused_memory);
  suite_add_tcase(s, wire);
  tcase_add_test(own, wire_and_too_many_references);
  tcase_set_tags(own, UNIT_FORK);
  suite_add_tcase(s, own);
  return unit_run(s);
}
