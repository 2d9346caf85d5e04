/* check_frames.c - every rule of RFC 6455, section 5, whole and byte by byte.
 */
#include "runtime/net/frames.h"

#include "runtime/base/err.h"
#include "tests/unit.h"

/* ---------------------------------------------------------- receiving --- */

/* What came out, as text: T/B and the payload of whole messages, P/O/C for
 * pings, pongs and closes; "!code" at the end for a failure. */
static void run(const void *data, size_t len, size_t step, uint64_t limit,
                char *out, size_t cap) {
  struct slice in = {data, 0};
  struct frames f;
  struct frames_event ev;
  size_t n = 0;
  bool inside = false;
  int rv;
  out[0] = '\0';
  frames_init(&f, limit, false);
  for (;;) {
    rv = frames_recv(&f, &in, &ev);
    if (rv == ERR_AGAIN) {
      ck_assert_uint_eq(in.len, 0);
      ck_assert_int_eq(frames_recv(&f, &in, &ev), ERR_AGAIN);
      if (len == 0)
        break;
      in.len = step < len ? step : len;
      len -= in.len;
      continue;
    }
    if (rv != 0) {
      ck_assert_int_eq(rv, ERR_PROTOCOL);
      ck_assert_ptr_nonnull(f.fail_reason);
      ck_assert_int_eq(frames_recv(&f, &in, &ev), ERR_PROTOCOL);
      n += (size_t)snprintf(out + n, cap - n, "!%u", f.fail_code);
      break;
    }
    if (ev.kind == FRAMES_DATA) {
      if (!inside)
        n += (size_t)snprintf(out + n, cap - n, "%c",
                              ev.opcode == WS_TEXT ? 'T' : 'B');
      ck_assert(ev.opcode == WS_TEXT || ev.opcode == WS_BINARY);
      inside = !ev.end;
    } else {
      n += (size_t)snprintf(out + n, cap - n, "%c",
                            ev.kind == FRAMES_PING   ? 'P'
                            : ev.kind == FRAMES_PONG ? 'O'
                                                     : 'C');
      if (ev.kind == FRAMES_CLOSE)
        n += (size_t)snprintf(out + n, cap - n, "%u", ev.code);
    }
    for (size_t i = 0; i < ev.data.len && n + 2 < cap; i++)
      out[n++] = ev.data.p[i];
    if (ev.kind != FRAMES_DATA || ev.end)
      out[n++] = ';';
    out[n] = '\0';
  }
}

#define A16 "aaaaaaaaaaaaaaaa"
#define A125 A16 A16 A16 A16 A16 A16 A16 "aaaaaaaaaaaaa"

struct rule {
  struct slice in;
  const char *out;
};
#define IN(bytes)                                                              \
  { bytes, sizeof(bytes) - 1 }

static const struct rule rules[] = {
    {IN(""), ""},
    {IN("\x81\x02hi"), "Thi;"},
    {IN("\x82\x03\xff\xfe\x01"), "B\xff\xfe\x01;"},
    {IN("\x81\x00"), "T;"},
    {IN("\x82\x00"), "B;"},
    {IN("\x81\x02hi\x81\x02ho"), "Thi;Tho;"},
    {IN("\x81\x02h"), "Th"},
    {IN("\x81"), ""},
    {IN("\x81\x7d" A125), "T" A125 ";"},
    {IN("\x81\x7e\x00\x7e" A125 "a"), "T" A125 "a;"},
    /* fragments */
    {IN("\x01\x01h\x80\x01i"), "Thi;"},
    {IN("\x01\x01h\x00\x01i\x00\x00\x80\x00"), "Thi;"},
    {IN("\x01\x00\x80\x00"), "T;"},
    {IN("\x02\x01h\x80\x01i\x81\x01x"), "Bhi;Tx;"},
    {IN("\x01\x01h\x89\x01p\x80\x01i"), "ThPp;i;"},
    {IN("\x01\x01h\x8a\x00\x80\x01i"), "ThO;i;"},
    {IN("\x80\x01i"), "!1002"},
    {IN("\x00\x01i"), "!1002"},
    {IN("\x81\x01x\x80\x01i"), "Tx;!1002"},
    {IN("\x01\x01h\x81\x01i"), "Th!1002"},
    {IN("\x01\x01h\x02\x01i"), "Th!1002"},
    /* reserved bits and opcodes */
    {IN("\xc1\x02hi"), "!1002"},
    {IN("\xa1\x02hi"), "!1002"},
    {IN("\x91\x02hi"), "!1002"},
    {IN("\xf1\x00"), "!1002"},
    {IN("\xc9\x00"), "!1002"},
    {IN("\x01\x01h\xc0\x01i"), "Th!1002"},
    {IN("\x83\x00"), "!1002"},
    {IN("\x84\x01x"), "!1002"},
    {IN("\x85\x00"), "!1002"},
    {IN("\x86\x00"), "!1002"},
    {IN("\x87\x00"), "!1002"},
    {IN("\x8b\x00"), "!1002"},
    {IN("\x8c\x00"), "!1002"},
    {IN("\x8d\x00"), "!1002"},
    {IN("\x8e\x00"), "!1002"},
    {IN("\x8f\x00"), "!1002"},
    {IN("\x03\x00"), "!1002"},
    {IN("\x0b\x00"), "!1002"},
    /* a server does not mask */
    {IN("\x81\x82mask\x05\x08"), "!1002"},
    {IN("\x81\x80mask"), "!1002"},
    {IN("\x89\x80mask"), "!1002"},
    /* lengths: minimal, below 2^63, and no longer than allowed (1000 here) */
    {IN("\x81\x7e\x00\x7d"), "!1002"},
    {IN("\x81\x7e\x00\x00"), "!1002"},
    {IN("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), "!1002"},
    {IN("\x81\x7f\x80\x00\x00\x00\x00\x01\x00\x00"), "!1002"},
    {IN("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), "!1002"},
    {IN("\x81\x7e\x03\xe9"), "!1009"},
    {IN("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), "!1009"},
    {IN("\x01\x01x\x80\x7e\x03\xe8"), "Tx!1009"},
    /* control frames */
    {IN("\x89\x00"), "P;"},
    {IN("\x89\x7d" A125), "P" A125 ";"},
    {IN("\x8a\x02hi"), "Ohi;"},
    {IN("\x89\x7e\x00\x7e"), "!1002"},
    {IN("\x89\x7f"), "!1002"},
    {IN("\x88\x7e"), "!1002"},
    {IN("\x8a\x7e"), "!1002"},
    {IN("\x09\x00"), "!1002"},
    {IN("\x08\x00"), "!1002"},
    {IN("\x0a\x00"), "!1002"},
    /* closes */
    {IN("\x88\x00"), "C1005;"},
    {IN("\x88\x01\x03"), "!1002"},
    {IN("\x88\x02\x03\xe8"), "C1000;"},
    {IN("\x88\x05\x03\xe9"
        "bye"),
     "C1001bye;"},
    {IN("\x88\x7d\x03\xe8" A16 A16 A16 A16 A16 A16 A16 "aaaaaaaaaaa"),
     "C1000" A16 A16 A16 A16 A16 A16 A16 "aaaaaaaaaaa;"},
    {IN("\x88\x04\x03\xe8\xc3\xa9"), "C1000\xc3\xa9;"},
    {IN("\x88\x03\x03\xe8\xc3"), "!1007"},
    {IN("\x88\x03\x03\xe8\x80"), "!1007"},
    /* UTF-8, also across fragments, and at the first bad byte */
    {IN("\x81\x02\xc3\xa9"), "T\xc3\xa9;"},
    {IN("\x01\x01\xc3\x80\x01\xa9"), "T\xc3\xa9;"},
    {IN("\x01\x01\xc3\x89\x01\xc3\x80\x01\xa9"), "T\xc3P\xc3;\xa9;"},
    {IN("\x81\x01\xc3"), "!1007"},
    {IN("\x01\x01\xc3\x80\x00"), "T\xc3!1007"},
    {IN("\x81\x02\xc0\x80"), "!1007"},
    {IN("\x81\x03\xed\xa0\x80"), "!1007"},
    {IN("\x81\x04\xf4\x90\x80\x80"), "!1007"},
    {IN("\x81\x04\xf4\x8f\xbf\xbf"), "T\xf4\x8f\xbf\xbf;"},
    {IN("\x81\x7e\x03\xe8\xff"), "!1007"},
    {IN("\x02\x01\xff\x80\x01\xfe"), "B\xff\xfe;"},
    {IN("\x82\x01\xff\x81\x01x"), "B\xff;Tx;"},
};

/* The end of an unfinished message depends on how the bytes came: pieces are
 * compared without what came of a message before it failed. */
static void strip(char *s) {
  char *bang = strchr(s, '!');
  char *semi;
  if (!bang)
    return;
  *bang = '\0';
  semi = strrchr(s, ';');
  *bang = '!';
  memmove(semi ? semi + 1 : s, bang, strlen(bang) + 1);
}

START_TEST(rules_whole_and_in_pieces) {
  static const size_t steps[] = {SIZE_MAX, 1, 2, 3, 5};
  char got[2048], want[2048];
  unit_each(r, rules) {
    for (size_t i = 0; i < unit_len(steps); i++) {
      struct guard g;
      guard_init(&g, r->in.p, r->in.len);
      run(g.p, g.len, steps[i], 1000, got, sizeof got);
      guard_deinit(&g);
      snprintf(want, sizeof want, "%s", r->out);
      strip(got);
      strip(want);
      ck_assert_msg(strcmp(got, want) == 0, "row %td, step %zu: %s, not %s",
                    r - rules, steps[i], got, want);
    }
  }
}
END_TEST

/* What is peeked at is what is received then, and there is nothing else. */
static bool peeked(struct frames *f, struct slice in) {
  struct frames_event ev;
  struct slice data;
  uint8_t opcode;
  if (!frames_peek(f, in, &opcode, &data))
    return false;
  ck_assert_int_eq(frames_recv(f, &in, &ev), 0);
  ck_assert_int_eq(ev.kind, FRAMES_DATA);
  ck_assert(ev.end && ev.fin && !ev.deflated);
  ck_assert_uint_eq(ev.opcode, opcode);
  ck_assert_uint_eq(ev.data.len, data.len);
  ck_assert(data.len == 0 || ev.data.p == data.p);
  return true;
}

START_TEST(peeks) {
  static const struct {
    struct slice before, in;
    enum { NOTHING, CUT, WHOLE } seen;
  } rows[] = {
      {IN(""), IN("\x81\x02hi"), WHOLE},
      {IN(""), IN("\x82\x02\xff\xfe"), WHOLE},
      {IN(""), IN("\x81\x00"), WHOLE},
      {IN(""), IN("\x81\x02hi\x89\x00"), WHOLE},
      {IN("\x89\x00"), IN("\x81\x02hi"), WHOLE},
      {IN("\x81\x01x"), IN("\x81\x02hi"), WHOLE},
      {IN(""), IN(""), CUT},
      {IN(""), IN("\x81"), CUT},
      {IN(""), IN("\x81\x02h"), CUT},
      {IN(""), IN("\x81\x7e\x00"), CUT},
      {IN(""), IN("\x81\x7e\x00\x02hi"), NOTHING},
      {IN(""), IN("\x81\x82hihi"), NOTHING},
      {IN(""), IN("\x01\x02hi"), NOTHING},
      {IN(""), IN("\xc1\x02hi"), NOTHING},
      {IN(""), IN("\x80\x02hi"), NOTHING},
      {IN(""), IN("\x89\x02hi"), NOTHING},
      {IN(""), IN("\x88\x00"), NOTHING},
      {IN(""), IN("\x81\x01\xc3"), NOTHING},
      {IN("\x01\x01x"), IN("\x81\x02hi"), NOTHING},
      {IN("\x81"), IN("\x81\x02hi"), NOTHING},
      {IN("\x81\x03x"), IN("\x82\x01h"), NOTHING},
      {IN("\x83\x00"), IN("\x81\x02hi"), NOTHING},
  };
  char wire[5000];
  unit_each(r, rows) {
    struct slice before = r->before;
    struct frames_event ev;
    struct frames f;
    struct guard g;
    frames_init(&f, 1000, true);
    while (before.len > 0 && frames_recv(&f, &before, &ev) == 0)
      ;
    guard_init(&g, r->in.p, r->in.len);
    struct slice in = {(char *)g.p, g.len};
    ck_assert_msg(frames_cut(&f, in, 1000) == (r->seen == CUT), "row %td",
                  r - rows);
    ck_assert_msg(peeked(&f, in) == (r->seen == WHOLE), "row %td", r - rows);
    guard_deinit(&g);
  }
  for (size_t len = 0; len < 2000; len++) {
    struct slice whole = {wire, len < 126 ? len + 2 : len + 4};
    struct frames f;
    memset(wire, 'x', sizeof wire);
    memcpy(wire, len < 126 ? "\x82" : "\x82\x7e", 2);
    wire[len < 126 ? 1 : 2] = (char)(len < 126 ? len : len >> 8);
    if (len >= 126)
      wire[3] = (char)len;
    frames_init(&f, 1000, false);
    whole.len--;
    ck_assert_int_eq(frames_cut(&f, whole, 500), len <= 500);
    ck_assert_int_eq(frames_cut(&f, whole, 5000), len <= 1000);
    ck_assert(!peeked(&f, whole));
    whole.len++;
    ck_assert(!frames_cut(&f, whole, 5000));
    ck_assert_int_eq(peeked(&f, whole), len <= 1000);
  }
}
END_TEST

START_TEST(bad_utf8_fails_before_its_message_is_over) {
  char got[256];
  run("\x81\x7e\x03\xe8good\xff", 9, 1, 1000, got, sizeof got);
  ck_assert_str_eq(got, "Tgood!1007");
  run("\x01\x02\xf4\x90", 4, 1, 1000, got, sizeof got);
  ck_assert_str_eq(got, "T\xf4!1007");
}
END_TEST

START_TEST(every_close_code) {
  char got[64], want[64];
  for (unsigned code = 0; code < 65536; code++) {
    uint8_t in[] = {0x88, 2, (uint8_t)(code >> 8), (uint8_t)code};
    bool good = (code >= 1000 && code <= 1003) ||
                (code >= 1007 && code <= 1014) ||
                (code >= 3000 && code <= 4999);
    ck_assert_int_eq(close_code_valid((uint16_t)code), good);
    if (code > 5100 && code % 977 != 0)
      continue;
    run(in, sizeof in, SIZE_MAX, 10, got, sizeof got);
    snprintf(want, sizeof want, good ? "C%u;" : "!1002", code);
    ck_assert_str_eq(got, want);
  }
}
END_TEST

/* All 65,536 first two bytes against a plain reading of section 5.2. */
START_TEST(every_header) {
  char got[512];
  for (unsigned h = 0; h < 65536; h++) {
    uint8_t in[16 + 130] = {(uint8_t)(h >> 8), (uint8_t)h};
    unsigned opcode = in[0] & 15U, len = in[1] & 127U;
    bool fin = in[0] & 0x80, control = opcode >= 8;
    bool good = !(in[0] & 0x70) && !(in[1] & 0x80) &&
                (opcode == 1 || opcode == 2 || (opcode >= 8 && opcode <= 10)) &&
                (!control || (fin && len <= 125));
    size_t n = 2 + len;
    if (len == 126) {
      in[3] = 126;
      n = 4 + 126;
    } else if (len == 127) {
      in[7] = 1; /* 65536: over the limit */
      n = 11;
      good = false;
    }
    if (opcode == 8 && len >= 2 && good)
      in[2] = 3, in[3] = 0xe8;
    if (opcode == 8 && len == 1)
      good = false;
    if (in[1] & 0x80)
      n += 4;
    run(in, n, SIZE_MAX, 200, got, sizeof got);
    ck_assert_msg((strchr(got, '!') == NULL) == good, "%04x: %s", h, got);
  }
}
END_TEST

START_TEST(limits) {
  char got[64];
  run("\x82\x00", 2, 1, 0, got, sizeof got);
  ck_assert_str_eq(got, "B;");
  run("\x82\x01x", 3, 1, 0, got, sizeof got);
  ck_assert_str_eq(got, "!1009");
  run("\x82\x01x", 3, 1, UINT64_MAX, got, sizeof got);
  ck_assert_str_eq(got, "Bx;");
  run("\x02\x01x\x00\x01x\x80\x01x", 9, 1, 2, got, sizeof got);
  ck_assert_str_eq(got, "Bxx!1009");
  run("\x02\x01x\x89\x05xxxxx\x80\x01x", 13, 1, 2, got, sizeof got);
  ck_assert_str_eq(got, "BxPxxxxx;x;"); /* control frames do not count */
}
END_TEST

/* ------------------------------------------------------------ sending --- */

/* The inverse, written plainly. */
static size_t unmask(const uint8_t *p, size_t len, uint8_t *opcode,
                     uint8_t *out, size_t *ret_used) {
  size_t n = p[1] & 127U, at = 2;
  ck_assert_uint_ge(len, 6);
  ck_assert_uint_eq(p[0] & 0xf0U, 0x80);
  ck_assert_uint_eq(p[1] & 0x80U, 0x80);
  *opcode = p[0] & 15;
  if (n == 126) {
    n = (size_t)(p[2] << 8 | p[3]);
    ck_assert_uint_ge(n, 126);
    at = 4;
  } else if (n == 127) {
    n = 0;
    for (at = 2; at < 10; at++)
      n = n << 8 | p[at];
    ck_assert_uint_ge(n, 65536);
  }
  ck_assert_uint_ge(len, at + 4 + n);
  for (size_t i = 0; i < n; i++)
    out[i] = p[at + 4 + i] ^ p[at + i % 4];
  *ret_used = at + 4 + n;
  return n;
}

START_TEST(send_sizes_and_rooms) {
  static const size_t sizes[] = {0,   1,    2,     125,   126,    127,
                                 128, 4095, 65535, 65536, 200000, 16371};
  static const size_t rooms[] = {14, 15, 17, 22, 100, 4096, 16384, 1000000};
  uint8_t *data = malloc(200000), *wire = malloc(210000),
          *back = malloc(200000);
  struct failing_mem fm;
  for (size_t i = 0; i < 200000; i++)
    data[i] = (uint8_t)(i * 31 + i / 251);
  unit_each(size, sizes) unit_each(room, rooms) {
    struct frames f;
    struct buf out;
    size_t sent = 0, n = 0, used;
    uint8_t opcode;
    int rv;
    failing_mem_init(&fm, FAIL_NEVER);
    frames_init(&f, 0, false);
    buf_init(&out, &fm.mem, *room);
    do {
      rv = frames_send(&f, &out, WS_BINARY, (struct slice){(char *)data, *size},
                       &sent);
      ck_assert(rv == 0 || rv == ERR_AGAIN);
      ck_assert(rv == 0 || out.len == out.max);
      if (rv == 0)
        break;
      memcpy(wire + n, buf_bytes(&out), out.len);
      n += out.len;
      buf_clear(&out);
    } while (true);
    memcpy(wire + n, buf_bytes(&out), out.len);
    n += out.len;
    ck_assert_uint_eq(sent, *size);
    ck_assert_uint_eq(unmask(wire, n, &opcode, back, &used), *size);
    ck_assert_uint_eq(opcode, WS_BINARY);
    ck_assert_int_eq(memcmp(back, data, *size), 0);
    buf_deinit(&out);
    ck_assert_uint_eq(fm.live_bytes, 0);
  }
  free(data);
  free(wire);
  free(back);
}
END_TEST

START_TEST(masks_differ) {
  struct frames f;
  struct buf out;
  uint32_t masks[100];
  buf_init(&out, &mem_libc, 1000000);
  frames_init(&f, 0, false);
  for (size_t i = 0; i < unit_len(masks); i++) {
    size_t sent = 0;
    buf_clear(&out);
    ck_assert_int_eq(frames_send(&f, &out, WS_TEXT, SLICE("x"), &sent), 0);
    memcpy(&masks[i], buf_bytes(&out) + 2, 4);
    for (size_t k = 0; k < i; k++)
      ck_assert_uint_ne(masks[i], masks[k]);
  }
  buf_deinit(&out);
}
END_TEST

START_TEST(send_without_memory) {
  struct failing_mem fm;
  struct frames f;
  struct buf out;
  size_t sent = 0;
  failing_mem_init(&fm, 0);
  buf_init(&out, &fm.mem, 1000);
  frames_init(&f, 0, false);
  ck_assert_int_eq(frames_send(&f, &out, WS_TEXT, SLICE("x"), &sent),
                   ERR_NOMEM);
  /* nothing was begun: another frame may follow */
  ck_assert_int_eq(frames_send(&f, &out, WS_CLOSE, SLICE(""), &sent), 0);
  ck_assert_uint_eq(buf_bytes(&out)[0], 0x88);
  buf_deinit(&out);
  ck_assert_uint_eq(fm.live_bytes, 0);
}
END_TEST

int main(void) {
  Suite *s = suite_create("frames");
  TCase *tc = tcase_create("frames"), *slow = tcase_create("exhaustive");
  tcase_add_test(tc, rules_whole_and_in_pieces);
  tcase_add_test(tc, peeks);
  tcase_add_test(tc, bad_utf8_fails_before_its_message_is_over);
  tcase_add_test(tc, every_close_code);
  tcase_add_test(slow, every_header);
  tcase_add_test(tc, limits);
  tcase_add_test(slow, send_sizes_and_rooms);
  tcase_add_test(tc, masks_differ);
  tcase_add_test(tc, send_without_memory);
  tcase_set_tags(slow, UNIT_SLOW);
  suite_add_tcase(s, tc);
  suite_add_tcase(s, slow);
  return unit_run(s);
}
