/* check_session_deflate.c - an open connection whose messages are compressed,
 * both ways; the test is the server, with zlib's own. */
#include <zlib.h>

#include "tests/session.h"

/* zlib's own, without the tail. */
static size_t zip(z_stream *z, const void *data, size_t len, uint8_t *out,
                  size_t cap) {
  if (!z->state)
    ck_assert_int_eq(deflateInit2(z, 9, Z_DEFLATED, -15, 8, 0), Z_OK);
  z->next_in = (Bytef *)(uintptr_t)data;
  z->avail_in = (uInt)len;
  z->next_out = out;
  z->avail_out = (uInt)cap;
  ck_assert_int_eq(deflate(z, Z_SYNC_FLUSH), Z_OK);
  ck_assert_uint_gt(z->avail_out, 0);
  return cap - z->avail_out - 4;
}

/* One message of the client, unmasked and inflated by zlib; its first byte and
 * how many frames it took. */
static size_t take_message(struct client *k, size_t *at, z_stream *z,
                           uint8_t *out, size_t cap, uint8_t *ret_first,
                           unsigned *ret_frames) {
  static uint8_t body[400000];
  size_t len = 0;
  bool fin;
  *ret_frames = 0;
  do {
    const uint8_t *p = k->wire + *at;
    size_t n = p[1] & 127U, h = 2;
    ck_assert_uint_ge(k->wire_len, *at + 6);
    ck_assert_uint_eq(p[1] & 128U, 128);
    if (n == 126) {
      n = (size_t)(p[2] << 8 | p[3]);
      ck_assert_uint_ge(n, 126);
      h = 4;
    }
    ck_assert_uint_ne(n, 127);
    if (*ret_frames == 0)
      *ret_first = p[0] & 0x7f;
    else
      ck_assert_uint_eq(p[0] & 0x7f, 0);
    fin = p[0] & 0x80;
    ck_assert_uint_ge(k->wire_len, *at + h + 4 + n);
    for (size_t i = 0; i < n; i++)
      body[len++] = p[h + 4 + i] ^ p[h + i % 4];
    *at += h + 4 + n;
    ++*ret_frames;
  } while (!fin);
  if (!(*ret_first & 0x40)) {
    ck_assert_uint_le(len, cap);
    memcpy(out, body, len);
    return len;
  }
  memcpy(body + len, "\0\0\xff\xff", 4);
  if (!z->state)
    ck_assert_int_eq(inflateInit2(z, -15), Z_OK);
  z->next_in = body;
  z->avail_in = (uInt)len + 4;
  z->next_out = out;
  z->avail_out = (uInt)cap;
  ck_assert_int_eq(inflate(z, Z_SYNC_FLUSH), Z_OK);
  ck_assert_uint_eq(z->avail_in, 0);
  return cap - z->avail_out;
}

static void on_done(struct send_request *r, int code) {
  struct client *k = r->ud;
  k->sent++;
  if (code != 0)
    note(k, "unsent %d ", code);
}

static void send_it(struct client *k, struct send_request *r, uint8_t opcode,
                    const void *data, size_t len) {
  *r = (struct send_request){
      .opcode = opcode, .data = {data, len}, .done = on_done, .ud = k};
  ck_assert_int_eq(connection_send(k->c, r), 0);
}

/* -------------------------------------------------------------- the cases ---
 */

START_TEST(compressed_messages) {
  static const size_t steps[] = {1, 3, 1000, SIZE_MAX};
  static char text[100000];
  static uint8_t body[110000], wire[220000];
  for (size_t i = 0; i < sizeof text; i++)
    text[i] = (char)('a' + (i * i >> 3) % 26);
  unit_each(step, steps) for (int takeover = 0; takeover < 2; takeover++) {
    struct client k;
    z_stream z = {0};
    size_t n = 0, len;
    client_init(&k, true, takeover);
    client_open(&k);
    len = zip(&z, "hello hello hello", 17, body, sizeof body);
    n += frame(wire + n, 0xc1, body, len);
    n += frame(wire + n, 0x81, "plain", 5);
    if (!takeover)
      deflateReset(&z);
    len = zip(&z, "hello hello again", 17, body, sizeof body);
    /* in fragments, with a ping between them */
    n += frame(wire + n, 0x42, body, 2);
    n += frame(wire + n, 0x89, "p", 1);
    n += frame(wire + n, 0x00, body + 2, 0);
    n += frame(wire + n, 0x80, body + 2, len - 2);
    n += frame(wire + n, 0xc2, "\0", 1); /* an empty message */
    if (!takeover)
      deflateReset(&z);
    len = zip(&z, text, sizeof text, body, sizeof body);
    n += frame(wire + n, 0xc1, body, len);
    feed(&k, wire, n, *step);
    ck_assert_str_eq(k.log, "T17:hello hello hello T5:plain "
                            "B17:hello hello again B0: T100000 ");
    ck_assert_uint_lt(k.owner.peak_bytes, 600000);
    /* idle: without takeover the window is gone */
    if (!takeover)
      ck_assert_uint_le(k.owner.live_bytes, 1024); /* a pong's buffer */
    else
      ck_assert_uint_le(k.owner.live_bytes, 48 * 1024);
    deflateEnd(&z);
    client_end(&k);
  }
}
END_TEST

/* A thousand to one: stopped at the limit, in the limit's memory. */
START_TEST(bombs) {
  static uint8_t body[200000], wire[200020];
  char *zeros = calloc(1, 8 << 20);
  size_t len = 0, n;
  z_stream z = {0};
  len = zip(&z, zeros, 8 << 20, body, sizeof body);
  deflateEnd(&z);
  n = frame(wire, 0xc2, body, len);
  for (int fragments = 0; fragments < 2; fragments++) {
    struct client k;
    client_init(&k, true, true);
    client_open(&k);
    if (fragments) {
      n = frame(wire, 0x42, "", 0);
      for (size_t at = 0; at < len; at += 100)
        n += frame(wire + n, 0x00, body + at, 100);
    }
    feed(&k, wire, n, SIZE_MAX);
    ck_assert_str_eq(k.log, "closed 1009");
    ck_assert_uint_lt(k.owner.peak_bytes, (1 << 20) + 400000);
    client_end(&k);
  }
  /* Up to the limit is good, one more is not. */
  for (size_t extra = 0; extra < 2; extra++) {
    struct client k;
    z_stream y = {0};
    client_init(&k, true, true);
    client_open(&k);
    len = zip(&y, zeros, k.o.read_limit + extra, body, sizeof body);
    n = frame(wire, 0xc2, body, len);
    feed(&k, wire, n, 100);
    ck_assert_str_eq(k.log, extra ? "closed 1009" : "B1048576 ");
    client_end(&k);
    deflateEnd(&y);
  }
  free(zeros);
}
END_TEST

struct fault {
  const char *wire;
  size_t len;
  const char *log;
};
#define FAULT(bytes, log)                                                      \
  { bytes, sizeof(bytes) - 1, log }

static const struct fault faults[] = {
    FAULT("\xc1\x01\xff", "closed 1007"),
    FAULT("\xc1\x00", "closed 1007"), /* an empty one has a byte */
    FAULT("\xc1\x05\xf2\x48\xcd\xc9\xc9", "closed 1007"),
    FAULT("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", "T5:Hello "),
    /* RSV1 belongs to the first frame of a message, and to messages */
    FAULT("\x41\x02\xf2\x48\xc0\x05\xcd\xc9\xc9\x07\x00", "closed 1002"),
    FAULT("\xc9\x00", "closed 1002"),
    FAULT("\xc8\x00", "closed 1002"),
    FAULT("\xa1\x00", "closed 1002"),
    FAULT("\xd1\x00", "closed 1002"),
    FAULT("\xe1\x00", "closed 1002"),
    /* 0xff 0xff in a stored block: no text, but bytes */
    FAULT("\xc1\x08\x00\x02\x00\xfd\xff\xff\xff\x00", "closed 1007"),
    FAULT("\xc2\x08\x00\x02\x00\xfd\xff\xff\xff\x00", "B2:\xff\xff "),
    /* half a character at the end; over two fragments it is whole */
    FAULT("\xc1\x07\x00\x01\x00\xfe\xff\xc3\x00", "closed 1007"),
    FAULT("\x41\x06\x00\x01\x00\xfe\xff\xc3\x80\x07\x00\x01\x00\xfe\xff\xa9"
          "\x00",
          "T2:\xc3\xa9 "),
    /* announced longer than anything that makes sense, before it comes */
    FAULT("\xc2\x7f\x00\x00\x00\x01\x00\x00\x00\x00", "closed 1009"),
};

START_TEST(compressed_faults) {
  unit_each(f, faults) {
    for (size_t step = 1; step < 4; step++) {
      struct client k;
      client_init(&k, true, true);
      client_open(&k);
      feed(&k, f->wire, f->len, step);
      ck_assert_msg(strcmp(k.log, f->log) == 0, "row %td: %s", f - faults,
                    k.log);
      client_end(&k);
    }
  }
}
END_TEST

START_TEST(sending_compressed) {
  static char noise[200000], json[200000];
  static uint8_t back[300000];
  srand(3);
  for (size_t i = 0; i < sizeof noise; i++) {
    noise[i] = (char)(rand() >> 7);
    json[i] = "{\"id\":1234,\"ok\":true},"[i % 22];
  }
  for (int takeover = 0; takeover < 2; takeover++) {
    struct send_request r[7];
    struct client k;
    z_stream z = {0};
    size_t at = 0, n;
    uint8_t first;
    unsigned frames;
    client_init(&k, true, takeover);
    k.o.deflate_threshold = 100;
    client_open(&k);
    send_it(&k, &r[0], WS_TEXT, json, 99);
    send_it(&k, &r[1], WS_TEXT, json, 100);
    send_it(&k, &r[2], WS_BINARY, noise, sizeof noise);
    send_it(&k, &r[3], WS_TEXT, json, sizeof json);
    send_it(&k, &r[4], WS_TEXT, "", 0);
    send_it(&k, &r[5], WS_TEXT, json, 100);
    for (int i = 0; i < TURNS && k.sent < 6; i++)
      turn(&k);
    ck_assert_int_eq(k.sent, 6);
    settle(&k);

    n = take_message(&k, &at, &z, back, sizeof back, &first, &frames);
    ck_assert(n == 99 && first == 0x01 && frames == 1);
    n = take_message(&k, &at, &z, back, sizeof back, &first, &frames);
    ck_assert(n == 100 && first == 0x41 && frames == 1);
    ck_assert_int_eq(memcmp(back, json, n), 0);
    if (!takeover)
      inflateReset(&z);
    n = take_message(&k, &at, &z, back, sizeof back, &first, &frames);
    ck_assert(n == sizeof noise && first == 0x42 && frames > 10);
    ck_assert_int_eq(memcmp(back, noise, n), 0);
    if (!takeover)
      inflateReset(&z);
    n = take_message(&k, &at, &z, back, sizeof back, &first, &frames);
    ck_assert(n == sizeof json && first == 0x41 && frames == 1);
    ck_assert_int_eq(memcmp(back, json, n), 0);
    n = take_message(&k, &at, &z, back, sizeof back, &first, &frames);
    ck_assert(n == 0 && first == 0x01);
    if (!takeover)
      inflateReset(&z);
    n = take_message(&k, &at, &z, back, sizeof back, &first, &frames);
    ck_assert(n == 100 && first == 0x41);
    ck_assert_int_eq(memcmp(back, json, n), 0);
    ck_assert_uint_eq(at, k.wire_len);
    /* the output buffer, zlib, and no copy of a message */
    ck_assert_uint_lt(k.owner.peak_bytes, 128 * 1024);
    if (!takeover)
      ck_assert_uint_le(k.owner.live_bytes, 1024);
    inflateEnd(&z);
    client_end(&k);
  }
}
END_TEST

/* Many connections of one loop, spoken to in turn: but for a few, each that is
 * idle holds no more than what may be looked back to, and none mixes up what.
 * The goals are 64 KiB of a process for each with takeover, 16 without. */
#define MANY 24U
START_TEST(many_compressed) {
  static struct client clients[MANY];
  static struct send_request r[MANY];
  static char text[60000];
  static uint8_t body[70000], wire[70020], back[100000];
  size_t live = 0;
  for (int takeover = 0; takeover < 2; takeover++) {
    z_stream in[MANY] = {0}, out[MANY] = {0};
    size_t at[MANY] = {0};
    struct loop *all;
    client_init(&clients[0], true, takeover);
    all = clients[0].loop;
    for (unsigned i = 0; i < MANY; i++) {
      struct client *k = &clients[i];
      if (i > 0) {
        client_init(k, true, takeover);
        loop_free(k->loop);
        k->loop = all;
      }
      client_open(k);
    }
    for (unsigned round = 0; round < 3; round++) {
      live = 0;
      for (unsigned i = 0; i < MANY; i++) {
        struct client *k = &clients[i];
        size_t size = round == 1 ? sizeof text : 900 + i, n;
        uint8_t first;
        unsigned frames;
        for (size_t j = 0; j < size; j++)
          text[j] = (char)('a' + (j * j * (i + 3) >> 3) % 26);
        n = frame(wire, 0xc1, body, zip(&out[i], text, size, body, 70000));
        if (!takeover)
          deflateReset(&out[i]);
        feed(k, wire, n, SIZE_MAX);
        ck_assert_uint_eq(k->bytes, size);
        k->bytes = 0;
        send_it(k, &r[i], WS_TEXT, text, size);
        for (int j = 0; j < TURNS && k->sent <= (int)round; j++)
          turn(k);
        settle(k);
        n = take_message(k, &at[i], &in[i], back, sizeof back, &first, &frames);
        ck_assert(n == size && memcmp(back, text, n) == 0 && (first & 0x40));
        if (!takeover)
          inflateReset(&in[i]);
      }
      for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_le(clients[i].owner.live_bytes,
                          takeover ? 63 * 1024 : 1024);
        live += clients[i].owner.live_bytes;
      }
      /* eight are awake; of the others the first round has 1 KiB */
      if (takeover)
        ck_assert_uint_le(live / 1024,
                          8U * 63 + (MANY - 8U) * (round == 0 ? 4 : 36));
    }
    for (unsigned i = 0; i < MANY; i++) {
      deflateEnd(&out[i]);
      inflateEnd(&in[i]);
      if (i > 0) {
        connection_free(clients[i].c);
        ck_assert_uint_eq(clients[i].owner.live_bytes, 0);
        close(clients[i].peer);
      }
    }
    client_end(&clients[0]);
  }
}
END_TEST

/* Given up in the middle: the rest still goes out, and the stream is whole. */
START_TEST(abandoned_compressed) {
  static char noise[300000];
  static uint8_t back[300000];
  struct send_request r, s;
  struct client k;
  z_stream z = {0};
  size_t at = 0, n;
  uint8_t first;
  unsigned frames;
  srand(4);
  for (size_t i = 0; i < sizeof noise; i++)
    noise[i] = (char)(rand() >> 7);
  client_init(&k, true, true);
  client_open(&k);
  send_it(&k, &r, WS_BINARY, noise, sizeof noise);
  ck_assert_int_eq(loop_dispatch(k.loop, 0), 0); /* the socket is full now */
  ck_assert(r.started && r.sent > 0 && r.sent < sizeof noise);
  connection_send_abandon(k.c, &r);
  memset(&r, 0xff, sizeof r);
  send_it(&k, &s, WS_TEXT, "behind", 6);
  for (int i = 0; i < TURNS && k.sent < 1; i++)
    turn(&k);
  settle(&k);
  n = take_message(&k, &at, &z, back, sizeof back, &first, &frames);
  ck_assert(n == sizeof noise && first == 0x42);
  ck_assert_int_eq(memcmp(back, noise, n), 0);
  n = take_message(&k, &at, &z, back, sizeof back, &first, &frames);
  ck_assert(n == 6 && memcmp(back, "behind", 6) == 0);
  inflateEnd(&z);
  client_end(&k);
}
END_TEST

/* Between the fragments of a compressed message pongs and a close may go. */
START_TEST(control_between_parts) {
  static char noise[300000];
  struct send_request r;
  struct client k;
  size_t at = 0;
  bool pong = false;
  srand(5);
  for (size_t i = 0; i < sizeof noise; i++)
    noise[i] = (char)(rand() >> 7);
  client_init(&k, true, true);
  client_open(&k);
  send_it(&k, &r, WS_BINARY, noise, sizeof noise);
  ck_assert_int_eq(loop_dispatch(k.loop, 0), 0);
  ck_assert_int_eq(write(k.peer, "\x89\x02hi", 4), 4);
  ck_assert_int_eq(loop_dispatch(k.loop, 0), 0);
  for (int i = 0; i < TURNS && k.sent < 1; i++)
    turn(&k);
  settle(&k);
  while (at < k.wire_len) {
    const uint8_t *p = k.wire + at;
    size_t n = p[1] & 127U;
    bool last = p[0] == 0x80;
    n = n == 126 ? 2 + (size_t)(p[2] << 8 | p[3]) : n;
    if (p[0] == 0x8a)
      pong = true;
    else if (last)
      ck_assert_msg(pong, "the pong came behind the message");
    at += 6 + n;
  }
  ck_assert(pong);
  client_end(&k);
}
END_TEST

/* Every allocation refused in turn, with compression both ways. */
START_TEST(failing_allocations) {
  static char json[30000];
  uint8_t body[600], wire[610];
  bool good = false;
  size_t n, len;
  for (size_t i = 0; i < sizeof json; i++)
    json[i] = (char)('a' + (i * i >> 3) % 26);
  for (n = 0; !good; n++) {
    struct send_request r;
    struct client k;
    z_stream z = {0};
    client_init(&k, true, true);
    client_open(&k);
    k.owner.fail_at = k.owner.count + n;
    len = zip(&z, json, 500, body, sizeof body);
    deflateEnd(&z);
    ck_assert_uint_le(len, sizeof body);
    len = frame(wire, 0xc1, body, len);
    send_it(&k, &r, WS_TEXT, json, sizeof json);
    feed(&k, wire, len, SIZE_MAX);
    good = strcmp(k.log, "T500 ") == 0 && k.sent == 1 && k.owner.refused == 0;
    ck_assert_msg(good || k.owner.refused == 1, "%s", k.log);
    /* a refused compressor is no failure: the message goes as it is */
    ck_assert_msg(strcmp(k.log, "T500 ") == 0 || strstr(k.log, "closed 1009") ||
                      strstr(k.log, "closed 1006"),
                  "%s", k.log);
    client_end(&k);
    ck_assert_uint_lt(n, 100);
  }
  ck_assert_uint_gt(n, 6);
}
END_TEST

/* The same in the middle of a conversation: with takeover and without, of a
 * client whose compressor is awake, and of one that others of its loop have put
 * to sleep.  What arrives is whole, and the stream behind it, too. */
#define OTHERS 9U /* deflate.c keeps eight awake */
static bool fail_midway(bool takeover, bool asleep, size_t n) {
  static struct client k, others[OTHERS];
  static char json[30000];
  static uint8_t back[40000];
  struct send_request r[3];
  uint8_t body[600], wire[610], first;
  z_stream in = {0}, out = {0};
  size_t at = 0, len;
  unsigned frames;
  bool good;
  for (size_t i = 0; i < sizeof json; i++)
    json[i] = (char)('a' + (i * i >> 3) % 26);
  client_init(&k, true, takeover);
  client_open(&k);
  send_it(&k, &r[0], WS_TEXT, json, 3000);
  len = zip(&out, json, 500, body, sizeof body);
  ck_assert_uint_le(len, sizeof body);
  feed(&k, wire, frame(wire, 0xc1, body, len), SIZE_MAX);
  ck_assert_str_eq(k.log, "T500 ");
  ck_assert_int_eq(k.sent, 1);
  for (unsigned i = 0; asleep && i < OTHERS; i++) {
    struct client *o = &others[i];
    client_init(o, true, true);
    loop_free(o->loop);
    o->loop = k.loop;
    client_open(o);
    send_it(o, &r[1], WS_TEXT, json, 3000);
    settle(o);
    ck_assert_int_eq(o->sent, 1);
  }
  k.owner.fail_at = k.owner.count + n;
  if (!takeover)
    deflateReset(&out);
  len = zip(&out, json + 400, 500, body, sizeof body);
  ck_assert_uint_le(len, sizeof body);
  send_it(&k, &r[1], WS_TEXT, json + 100, sizeof json - 100);
  feed(&k, wire, frame(wire, 0xc1, body, len), SIZE_MAX);
  good = k.owner.refused == 0;
  k.owner.fail_at = FAIL_NEVER;
  ck_assert(good || k.owner.refused == 1);
  ck_assert_msg(strcmp(k.log, "T500 T500 ") == 0 || (!good && k.closed), "%s",
                k.log);
  if (!k.closed) {
    send_it(&k, &r[2], WS_TEXT, json, 2000);
    for (int i = 0; i < TURNS && k.sent < 3; i++)
      turn(&k);
    settle(&k);
    for (int i = 0; i < 3; i++) {
      static const size_t from[] = {0, 100, 0}, lens[] = {3000, 29900, 2000};
      len = take_message(&k, &at, &in, back, sizeof back, &first, &frames);
      ck_assert_uint_eq(len, lens[i]);
      ck_assert_int_eq(memcmp(back, json + from[i], len), 0);
      if (!takeover && in.state)
        inflateReset(&in);
    }
    inflateEnd(&in);
  }
  deflateEnd(&out);
  for (unsigned i = 0; asleep && i < OTHERS; i++) {
    connection_free(others[i].c);
    ck_assert_uint_eq(others[i].owner.live_bytes, 0);
    close(others[i].peer);
  }
  client_end(&k);
  return good;
}

START_TEST(failing_allocations_midway) {
  for (int way = 0; way < 4; way++) {
    size_t n = 0;
    while (!fail_midway(way & 1, way & 2, n)) {
      n++;
      ck_assert_uint_lt(n, 100);
    }
    ck_assert_uint_gt(n, 0);
  }
}
END_TEST

/* Released while compressed messages are half-way: nothing of the owner's is
 * held. */
START_TEST(released_in_the_middle) {
  struct client k;
  z_stream z = {0};
  uint8_t wire[100];
  size_t len = zip(&z, "hello hello", 11, wire + 2, sizeof wire - 2);
  deflateEnd(&z);
  client_init(&k, true, true);
  client_open(&k);
  wire[0] = 0x41;
  wire[1] = (uint8_t)len;
  feed(&k, wire, len, 3); /* all but two of its bytes */
  ck_assert_uint_gt(k.owner.live_bytes, 0);
  connection_release(k.c, 1001);
  k.c = NULL;
  ck_assert_uint_eq(k.owner.live_bytes, 0);
  feed(&k, "\x80\x01x\xc1\x01\xff\x88\x02\x03\xe9", 10, 1);
  ck_assert_uint_eq(k.wire[0], 0x88);
  close(k.peer);
  k.peer = -1;
  for (int i = 0; i < TURNS && connections_released(k.loop); i++)
    turn(&k);
  ck_assert_uint_eq(connections_released(k.loop), 0);
  client_end(&k);
}
END_TEST

int main(void) {
  Suite *s = suite_create("session, compressed");
  TCase *tc = tcase_create("session"), *slow = tcase_create("floods");
  tcase_set_timeout(tc, 120);
  tcase_add_test(slow, compressed_messages);
  tcase_add_test(slow, bombs);
  tcase_add_test(tc, compressed_faults);
  tcase_add_test(tc, sending_compressed);
  tcase_add_test(tc, abandoned_compressed);
  tcase_add_test(tc, control_between_parts);
  tcase_add_test(slow, many_compressed);
  tcase_add_test(tc, failing_allocations);
  tcase_add_test(tc, failing_allocations_midway);
  tcase_add_test(tc, released_in_the_middle);
  tcase_set_timeout(slow, 120);
  tcase_set_tags(slow, UNIT_SLOW);
  suite_add_tcase(s, tc);
  suite_add_tcase(s, slow);
  return unit_run(s);
}
