/* check_session.c - an open connection over a socketpair: long messages,
 * back-pressure, floods, and a peer that breaks off anywhere. */
#include "tests/session.h"

/* ------------------------------------------------------- long messages --- */

/* Every way in which a message may be like the one before, or not: what is read
 * to where it belongs is what was sent. */
struct flood {
  struct client k;
  unsigned seen; /* messages */
  size_t lens[4000];
};

static uint8_t flood_byte(size_t message, size_t at) {
  return (uint8_t)('a' + (message * 7 + at * 3 + (at >> 8)) % 26);
}

static void on_flood(void *ud, struct message *m) {
  struct flood *f = ud;
  if (m->opcode == WS_PING) {
    message_free(m);
    return;
  }
  ck_assert_uint_eq(m->len, f->lens[f->seen]);
  for (size_t i = 0; i < m->len; i++)
    if ((uint8_t)m->data[i] != flood_byte(f->seen, i))
      ck_abort_msg("message %u of %zu bytes differs at %zu", f->seen, m->len,
                   i);
  for (size_t i = 0; i < sizeof m->user / sizeof *m->user; i++)
    ck_assert_ptr_null(m->user[i]);
  f->seen++;
  message_free(m);
  if (rand() % 50 == 0)
    connection_pause(f->k.c, true);
}

START_TEST(long_messages) {
  static const struct connection_handler floods = {.message = on_flood,
                                                   .closed = on_closed};
  static const size_t lens[] = {0,     100,    32767, 32768,   40000,
                                40000, 65535,  65536, 65536,   65537,
                                65536, 200000, 70000, 1 << 20, 3 << 20};
  static struct flood f;
  static uint8_t text[3 << 20], wire[(3 << 20) + 4096];
  size_t len = 65536;
  int pair[2];
  struct slice none = {NULL, 0};
  srand(6);
  client_init(&f.k, false, false);
  f.k.o.read_limit = 4 << 20;
  f.k.o.control_messages = true;
  pair_open(pair);
  f.k.peer = pair[1];
  ck_assert_int_eq(connection_adopt(&f.k.c, f.k.loop, pair[0], none, none,
                                    &f.k.o, &floods, &f, &f.k.owner.mem),
                   0);
  for (unsigned i = 0; i < 600; i++) {
    size_t n = 0, at = 0;
    size_t step = rand() % 3 ? SIZE_MAX : 1 + (size_t)rand() % 70000;
    unsigned first = 1 + (unsigned)rand() % 2;
    if (rand() % 4 == 0) /* else it is as long as the last one */
      len = lens[(size_t)rand() % (sizeof lens / sizeof *lens - (i % 8 != 0))];
    f.lens[i] = len;
    for (size_t j = 0; j < len; j++)
      text[j] = flood_byte(i, j);
    if (rand() % 8 == 0) { /* in a few fragments, with pings between them */
      while (at < len && rand() % 8) {
        size_t part = (size_t)rand() % (len - at + 1);
        n += frame(wire + n, first, text + at, part);
        first = 0;
        at += part;
        if (rand() % 2)
          n += frame(wire + n, 0x89, "ping", 4);
      }
    }
    n += frame(wire + n, 0x80 | first, text + at, len - at);
    if (rand() % 8 == 0)
      n += frame(wire + n, 0x89, "ping", 4);
    for (size_t sent = 0; sent < n;) {
      ssize_t went = send(f.k.peer, wire + sent,
                          n - sent < step ? n - sent : step, MSG_NOSIGNAL);
      if (went > 0)
        sent += (size_t)went;
      if (went < 0 || rand() % 2) {
        turn(&f.k);
        f.k.wire_len = 0;
        connection_pause(f.k.c, false);
      }
      ck_assert(!f.k.closed);
    }
  }
  for (int i = 0; i < TURNS && f.seen < 600; i++) {
    turn(&f.k);
    connection_pause(f.k.c, false);
  }
  ck_assert_uint_eq(f.seen, 600);
  settle(&f.k);
  ck_assert_uint_le(f.k.owner.live_bytes, 1024);
  client_end(&f.k);
}
END_TEST

/* ---------------------------------------------------------------- faults ---
 */

/* Reset and EOF after each byte of a conversation: what was whole is
 * delivered, and it ends. */
START_TEST(cut_anywhere) {
  static const char talk[] = "\x81\x02hi\x02\x01x\x89\x01p\x80\x01y"
                             "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
                             "\x88\x04\x03\xe8ok";
  static const size_t ends[] = {4, 13, 22};
  for (size_t at = 0; at < sizeof talk; at++) {
    struct client k;
    size_t whole = 0;
    unit_each(e, ends) whole += at >= *e;
    client_init(&k, true, true);
    client_open(&k);
    feed(&k, talk, at, SIZE_MAX);
    ck_assert_uint_eq(k.messages, whole);
    close(k.peer);
    k.peer = -1;
    for (int i = 0; i < TURNS && !k.closed; i++)
      turn(&k);
    ck_assert(k.closed);
    ck_assert_uint_eq(k.messages, whole);
    ck_assert_uint_eq(k.code, at == sizeof talk - 1 ? 1000 : 1006);
    client_end(&k);
  }
}
END_TEST

/* However much comes at once, a paused connection holds what one read took,
 * delivers one message a pause, and loses none. */
START_TEST(paused_in_a_flood) {
  static uint8_t wire[200000];
  struct client k;
  size_t n = 0, count = 0, sent = 0;
  while (n + 12 < sizeof wire) {
    n += frame(wire + n, 0x82, "0123456789", count % 11);
    count++;
  }
  client_init(&k, false, false);
  client_open(&k);
  k.pause_at_message = true;
  for (int i = 0; i < TURNS && k.messages < count; i++) {
    size_t before = k.messages;
    ssize_t put = send(k.peer, wire + sent, n - sent, MSG_NOSIGNAL);
    sent += put > 0 ? (size_t)put : 0;
    settle(&k);
    ck_assert_uint_le(k.messages, before + 1);
    connection_pause(k.c, false);
  }
  ck_assert_uint_eq(k.messages, count);
  ck_assert_uint_le(k.owner.peak_bytes, LOOP_SCRATCH_BYTES + 20000);
  settle(&k);
  ck_assert_uint_eq(k.owner.live_bytes, 0);
  client_end(&k);
}
END_TEST

/* From now on it takes what is left to it. */
static void begin_taking(struct client *k) {
  struct slice data;
  uint8_t opcode;
  k->leaves = k->pause_at_message = true;
  feed(k, "\x81\1a\x81\1b", 6, SIZE_MAX);
  connection_pause(k->c, false);
  ck_assert(connection_peek(k->c, &opcode, &data) && *data.p == 'b');
  connection_took(k->c, data);
  k->pause_at_message = false;
  k->takes = true;
  settle(k);
  k->log_len = k->messages = k->taken = 0;
}

/* What is left to an owner is for it alone, in its place between those that it
 * is given; and is left again only to one that has taken it. */
START_TEST(left_to_the_owner) {
  static const char *const at_once = "T1:1 T1:2 T1:3 P1:p T1:4 T1:5 | ";
  static const struct {
    bool takes;
    const char *log;
  } batches[] = {
      {true, "T1:1 | =2 =3 P1:p | =4 =5 "},
      {true, "T1:1 | =2 =3 P1:p | =4 =5 "},
      {false, "T1:1 | T1:2 T1:3 P1:p T1:4 T1:5 | "},
      {false, at_once},
  };
  static const char wire[] = "\x81\1"
                             "1\x81\1"
                             "2\x81\1"
                             "3\x89\1p"
                             "\x81\1"
                             "4\x81\1"
                             "5";
  struct client k;
  client_init(&k, false, false);
  k.o.control_messages = true;
  k.leaves = true;
  client_open(&k);
  feed(&k, wire, sizeof wire - 1, SIZE_MAX);
  ck_assert_str_eq(k.log, at_once); /* who has never taken any */
  begin_taking(&k);
  unit_each(batch, batches) {
    k.log_len = 0;
    k.takes = batch->takes;
    feed(&k, wire, sizeof wire - 1, SIZE_MAX);
    ck_assert_str_eq(k.log, batch->log);
  }
  ck_assert_uint_eq(k.wire_len, 5 * 7); /* pongs, with masks */
  client_end(&k);
}
END_TEST

/* Who is left something is given nothing before it had its turn, however much
 * there is to read. */
START_TEST(the_owner_goes_first) {
  struct client k;
  client_init(&k, false, false);
  client_open(&k);
  begin_taking(&k);
  k.leaves = false;
  k.pause_at_message = true;
  feed(&k, "\x81\1x\x81\1y\x81\1z", 9, SIZE_MAX);
  ck_assert_str_eq(k.log, "T1:x ");
  k.log_len = 0;
  k.leaves = true;
  k.pause_at_message = false;
  connection_pause(k.c, false);
  k.slow = true;
  turn(&k);
  k.slow = false;
  ck_assert_str_eq(k.log, "T1:y ");
  feed(&k, "\x81\1!", 3, SIZE_MAX);
  ck_assert_str_eq(k.log, "T1:y | =z T1:! | ");
  client_end(&k);
}
END_TEST

/* Where a read ends in the middle of a small message, the owner goes on reading
 * by itself. */
START_TEST(the_owner_reads_on) {
  static uint8_t wire[400 * 66];
  struct client k;
  client_init(&k, false, false);
  client_open(&k);
  begin_taking(&k);
  for (size_t i = 0; i < sizeof wire; i += 66)
    frame(wire + i, 0x81,
          "0123456789012345678901234567890123456789"
          "012345678901234567890123",
          64);
  feed(&k, wire, sizeof wire, SIZE_MAX);
  ck_assert_uint_eq(k.messages, 1);
  ck_assert_uint_eq(k.taken, 399);
  client_end(&k);
}
END_TEST

/* Fragments without an end and without bytes: turns are bounded, memory stays
 * what it was, and others are served. */
START_TEST(endless_nothing) {
  static uint8_t wire[100000];
  struct client k;
  memcpy(wire, "\x02\x00", 2);
  client_init(&k, true, true);
  client_open(&k);
  for (int i = 0; i < 20; i++) {
    feed(&k, wire, sizeof wire, SIZE_MAX);
    wire[0] = 0; /* from now on they continue */
  }
  ck_assert_str_eq(k.log, "");
  ck_assert_uint_lt(k.owner.peak_bytes, LOOP_SCRATCH_BYTES + 4096);
  client_end(&k);
  /* and empty blocks of deflate, last ones too */
  for (int last = 0; last < 2; last++) {
    size_t n = frame(wire, 0x42, "", 0);
    client_init(&k, true, true);
    client_open(&k);
    for (int i = 0; i < 100; i++) {
      char blocks[600];
      for (size_t b = 0; b < 120; b++)
        memcpy(blocks + 5 * b, last ? "\1\0\0\xff\xff" : "\0\0\0\xff\xff", 5);
      n += frame(wire + n, 0x00, blocks, sizeof blocks);
    }
    n += frame(wire + n, 0x80, "\x00", 1);
    feed(&k, wire, n, SIZE_MAX);
    ck_assert_str_eq(k.log, "B0: ");
    client_end(&k);
  }
}
END_TEST

/* A turn is over after so many frames; a long message may go on behind any of
 * them, the last one too, and be there as a whole already. */
START_TEST(long_one_around_a_flood) {
  static char data[120000];
  static uint8_t wire[sizeof data + 4096];
  for (size_t frames = 1000; frames < 1030; frames++) {
    struct client k;
    int room = 4 << 20;
    size_t n = frame(wire, 0x02, data, sizeof data);
    client_init(&k, false, false);
    client_open(&k);
    ck_assert_int_eq(
        setsockopt(k.peer, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    feed(&k, wire, n, SIZE_MAX);
    n = 0;
    for (size_t i = 0; i < frames; i++)
      n += frame(wire + n, 0x8a, "", 0);
    n += frame(wire + n, 0x80, data, sizeof data);
    ck_assert_int_eq(send(k.peer, wire, n, MSG_NOSIGNAL), (ssize_t)n);
    settle(&k);
    ck_assert_msg(!k.closed, "%zu frames: %u", frames, k.code);
    ck_assert_str_eq(k.log, "B240000 ");
    client_end(&k);
  }
}
END_TEST

/* A flood of pings from who reads nothing: one buffer. */
START_TEST(ping_flood) {
  static uint8_t wire[127 * 100];
  struct client k;
  char data[125];
  size_t n = 0;
  memset(data, 'p', sizeof data);
  for (int i = 0; i < 100; i++)
    n += frame(wire + n, 0x89, data, sizeof data);
  client_init(&k, false, false);
  client_open(&k);
  for (int i = 0; i < 1000; i++) {
    (void)send(k.peer, wire, n, MSG_NOSIGNAL);
    ck_assert_int_eq(loop_dispatch(k.loop, 0), 0);
  }
  ck_assert_uint_lt(k.owner.peak_bytes, 2 * 70000);
  client_end(&k);
}
END_TEST

/* Whom we have said goodbye to is read from for a while, not for as long as it
 * can talk: data, control frames, and what follows a mistake. */
START_TEST(floods_of_goodbyes) {
  static const struct {
    const char *begin;
    uint8_t first;
    size_t len;
    bool release;
    bool close;
  } cases[] = {{"", 0x82, 1000, true, false},
               {"", 0x89, 125, true, false},
               {"", 0x89, 0, true, false},
               {"", 0x82, 1000, false, true},
               {"", 0x89, 0, false, true},
               {"", 0x00, 1, false, true},
               {"", 0x82, 1000, true, true},
               {"\x83", 0x82, 1000, false, false}, /* no such opcode: drains */
               {"\x83", 0x82, 1000, true, false}};
  unit_each(it, cases) {
    static uint8_t wire[64 * 1024];
    static char data[1000];
    size_t n = 0, sent = 0, most = 4 << 20;
    size_t at;
    struct client k;
    ssize_t some = 0;
    while (n + 1010 < sizeof wire)
      n += frame(wire + n, it->first, data, it->len);
    client_init(&k, false, false);
    client_open(&k);
    if (it->begin[0])
      feed(&k, it->begin, 1, 1);
    if (it->begin[0])
      feed(&k, "", 1, 1); /* its length */
    if (it->first == 0)
      feed(&k, "\2", 1, 1); /* a message that does not end */
    if (it->first == 0)
      feed(&k, "", 1, 1);
    if (it->close)
      ck_assert_int_eq(
          connection_close(k.c, 1000, (struct slice){NULL, 0}, NULL), 0);
    if (it->release) {
      connection_release(k.c, 1001);
      k.c = NULL;
    }
    /* as long as it reads there is room again */
    for (int idle = 0; sent < most && idle < 100 && some >= 0;) {
      at = sent % n;
      some = send(k.peer, wire + at, n - at, MSG_NOSIGNAL | MSG_DONTWAIT);
      idle = some > 0 ? 0 : idle + 1;
      sent += some > 0 ? (size_t)some : 0;
      if (some < 0 && errno == EAGAIN)
        some = 0;
      ck_assert_int_eq(loop_dispatch(k.loop, 0), 0);
      (void)recv(k.peer, data, sizeof data, MSG_DONTWAIT);
      memset(data, 0, sizeof data);
    }
    ck_assert_msg(some < 0, "%02x: it still reads after %zu bytes", it->first,
                  sent);
    ck_assert_uint_eq(connections_released(k.loop), 0);
    client_end(&k);
  }
}
END_TEST

int main(void) {
  Suite *s = suite_create("session");
  TCase *tc = tcase_create("session"), *slow = tcase_create("floods");
  tcase_set_timeout(tc, 120);
  tcase_add_test(tc, cut_anywhere);
  tcase_add_test(slow, long_messages);
  tcase_add_test(slow, paused_in_a_flood);
  tcase_add_test(tc, left_to_the_owner);
  tcase_add_test(tc, the_owner_goes_first);
  tcase_add_test(tc, the_owner_reads_on);
  tcase_add_test(slow, endless_nothing);
  tcase_add_test(slow, long_one_around_a_flood);
  tcase_add_test(slow, ping_flood);
  tcase_add_test(slow, floods_of_goodbyes);
  tcase_set_timeout(slow, 120);
  tcase_set_tags(slow, UNIT_SLOW);
  suite_add_tcase(s, tc);
  suite_add_tcase(s, slow);
  return unit_run(s);
}
