/* check_deflate.c - permessage-deflate: what is agreed on, the examples of RFC
 * 7692, any text through both halves in pieces of any size, and bytes that are
 * no deflate. */
#include "runtime/net/deflate.h"

#include <stdlib.h>
#include <zlib.h>

#include "runtime/base/err.h"
#include "tests/unit.h"

/* ---------------------------------------------------------- agreement --- */

struct answer {
  const char *value;
  enum deflate_mode mode;
  const char *why; /* NULL: accepted */
  struct deflate_params p;
};

#define BOTH true, true, true
#define T DEFLATE_TAKEOVER
#define N DEFLATE_NO_CONTEXT
#define PMD "permessage-deflate"

static const struct answer answers[] = {
    {PMD, T, NULL, {BOTH, 15, 15}},
    {" " PMD "\t", T, NULL, {BOTH, 15, 15}},
    {"Permessage-Deflate", T, NULL, {BOTH, 15, 15}},
    {PMD ";server_no_context_takeover", T, NULL, {true, false, true, 15, 15}},
    {PMD "; client_no_context_takeover", T, NULL, {true, true, false, 15, 15}},
    {PMD "; server_max_window_bits=8", T, NULL, {BOTH, 8, 15}},
    {PMD "; client_max_window_bits=15", T, NULL, {BOTH, 15, 15}},
    {PMD "; client_max_window_bits = 9 ;server_max_window_bits=\"12\"",
     T,
     NULL,
     {BOTH, 12, 9}},
    {PMD "; server_no_context_takeover", N, NULL, {true, false, false, 15, 15}},
    {PMD "; client_no_context_takeover; server_no_context_takeover; "
         "client_max_window_bits=10; server_max_window_bits=11",
     N,
     NULL,
     {true, false, false, 11, 10}},
    {PMD, N, "without server_no_context_takeover", {0}},
    {PMD, DEFLATE_OFF, "not offered", {0}},
    {"", T, "not offered", {0}},
    {";", T, "not offered", {0}},
    {"x-" PMD, T, "not offered", {0}},
    {"x-webkit-deflate-frame", T, "not offered", {0}},
    {PMD ", " PMD, T, "not offered", {0}},
    {PMD ",", T, "not offered", {0}},
    {PMD ";", T, "unknown parameter", {0}},
    {PMD "; foo", T, "unknown parameter", {0}},
    {PMD "; server_no_context_takeover=1", T, "bad value", {0}},
    {PMD "; server_no_context_takeover=", T, "bad value", {0}},
    {PMD "; client_no_context_takeover; client_no_context_takeover",
     T,
     "twice",
     {0}},
    {PMD "; server_max_window_bits=9; server_max_window_bits=9",
     T,
     "twice",
     {0}},
    {PMD "; client_max_window_bits", T, "bad value", {0}},
    {PMD "; client_max_window_bits=", T, "bad value", {0}},
    {PMD "; client_max_window_bits=7", T, "bad value", {0}},
    {PMD "; client_max_window_bits=16", T, "bad value", {0}},
    {PMD "; client_max_window_bits=09", T, "bad value", {0}},
    {PMD "; client_max_window_bits=+9", T, "bad value", {0}},
    {PMD "; client_max_window_bits=\"9", T, "bad value", {0}},
    {PMD "; client_max_window_bits=\"\"", T, "bad value", {0}},
    {PMD "; client_max_window_bits=99999999999999999999", T, "bad value", {0}},
};

START_TEST(agreement) {
  unit_each(a, answers) {
    struct deflate_params p = {0};
    const char *why = NULL;
    struct guard g;
    int rv;
    guard_init_str(&g, a->value);
    rv = deflate_answer(guard_slice(&g), a->mode, &p, &why);
    guard_deinit(&g);
    if (a->why) {
      ck_assert_int_eq(rv, ERR_PROTOCOL);
      ck_assert_msg(strstr(why, a->why), "%s: %s", a->value, why);
      continue;
    }
    ck_assert_msg(rv == 0, "%s: %s", a->value, why);
    ck_assert_int_eq(p.on, a->p.on);
    ck_assert_int_eq(p.in_takeover, a->p.in_takeover);
    ck_assert_int_eq(p.out_takeover, a->p.out_takeover);
    ck_assert_int_eq(p.in_bits, a->p.in_bits);
    ck_assert_int_eq(p.out_bits, a->p.out_bits);
    ck_assert(deflate_params_valid(&p));
  }
  ck_assert(!deflate_params_valid(&(struct deflate_params){BOTH, 7, 15}));
  ck_assert(!deflate_params_valid(&(struct deflate_params){BOTH, 15, 16}));
  ck_assert(deflate_params_valid(&(struct deflate_params){0}));
  ck_assert(!deflater_possible(&(struct deflate_params){BOTH, 15, 8}));
  ck_assert(!deflater_possible(&(struct deflate_params){0}));
}
END_TEST

/* ---------------------------------------------------------- receiving --- */

/* One message in pieces of |step|, to room for |cap| bytes a call.  What the
 * last call said. */
static int inflate_all(struct inflater *z, const void *data, size_t len,
                       size_t step, size_t cap, char *out, size_t max,
                       size_t *ret_n) {
  const char *p = data;
  size_t n, total = 0;
  int rv;
  do {
    struct slice in = {p, len < step ? len : step};
    bool last = in.len == len;
    p += in.len;
    len -= in.len;
    do {
      size_t room = max - total < cap ? max - total : cap;
      ck_assert_uint_gt(room, 0);
      n = 0;
      rv = inflater_run(z, &in, last, out + total, room, &n);
      ck_assert_uint_le(n, room);
      ck_assert(rv != 0 || in.len == 0);
      ck_assert(rv != ERR_AGAIN || n == room);
      total += n;
    } while (rv == ERR_AGAIN);
    if (rv != 0)
      break;
    if (last)
      break;
  } while (true);
  *ret_n = total;
  return rv;
}

struct example {
  const char *messages[2]; /* of one connection, "Hello" each */
  size_t len[2];
};
#define EX(a, b)                                                               \
  {                                                                            \
    {a, b}, {                                                                  \
      sizeof(a) - 1, sizeof(b) - 1                                             \
    }                                                                          \
  }

/* RFC 7692, sections 7.2.3.1 to 7.2.3.5. */
static const struct example examples[] = {
    EX("\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf2\x48\xcd\xc9\xc9\x07\x00"),
    EX("\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf2\x00\x11\x00\x00"),
    EX("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "\xf2\x00\x11\x00\x00"),
    EX("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\xf2\x00\x11\x00\x00"),
    EX("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
       "\xf2\x00\x11\x00\x00"),
    /* the last block announces itself in what is not sent */
    EX("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x01", "\xf2\x00\x11\x00\x00"),
};

START_TEST(rfc_examples) {
  static const struct deflate_params p = {BOTH, 15, 15};
  unit_each(x, examples) {
    for (size_t step = 1; step < 15; step++)
      for (size_t cap = 1; cap < 8; cap++) {
        struct inflater *z;
        struct failing_mem fm;
        char got[16];
        size_t n;
        failing_mem_init(&fm, FAIL_NEVER);
        ck_assert_int_eq(inflater_new(&z, &fm.mem, &p), 0);
        for (int i = 0; i < 2; i++) {
          int rv = inflate_all(z, x->messages[i], x->len[i], step, cap, got,
                               sizeof got, &n);
          ck_assert_msg(rv == 0 && n == 5 && memcmp(got, "Hello", 5) == 0,
                        "row %td message %d step %zu cap %zu: %d, %zu bytes",
                        x - examples, i, step, cap, rv, n);
        }
        inflater_free(z);
        ck_assert_uint_eq(fm.live_bytes, 0);
      }
  }
}
END_TEST

struct bad {
  const char *data;
  size_t len;
};
#define BAD(bytes)                                                             \
  { bytes, sizeof(bytes) - 1 }

static const struct bad bad[] = {
    BAD("\xff"),                                 /* reserved block type */
    BAD("\x06\x00"),                             /* the same */
    BAD("\x00\x05\x00\xfa\xfe"),                 /* length and complement */
    BAD("\x00\x06\x00\xf9\xff\x48"),             /* ends inside a block */
    BAD("\xf2\x48\xcd\xc9\xc9"),                 /* the same */
    BAD("\xf2\x00\x11\x00\x00"),                 /* looks back to nothing */
    BAD("\x04\xc0\x01\x01\x00\x00\x00\x10\x00"), /* broken codes */
    BAD("\xf3\x48\xcd\xc9\xc9\x07\x00\xff"),     /* after the last block */
};

START_TEST(no_deflate) {
  static const struct deflate_params p = {BOTH, 15, 15};
  unit_each(b, bad) {
    for (size_t step = 1; step < 10; step++) {
      struct inflater *z;
      char got[300];
      size_t n;
      int rv;
      ck_assert_int_eq(inflater_new(&z, &mem_libc, &p), 0);
      rv = inflate_all(z, b->data, b->len, step, 100, got, sizeof got, &n);
      ck_assert_msg(rv == ERR_PROTOCOL, "row %td, step %zu: %d", b - bad, step,
                    rv);
      inflater_free(z);
    }
  }
}
END_TEST

/* A text compressed with a larger window than was agreed on. */
START_TEST(window_bits) {
  static char text[5000], got[6000];
  static uint8_t wire[6000];
  for (uint8_t bits = 8; bits <= 15; bits++) {
    struct deflate_params p = {BOTH, bits, 15};
    struct inflater *z;
    z_stream d = {0};
    size_t n;
    int rv;
    /* 1500 different bytes, and the same again: 1500 back */
    for (size_t i = 0; i < sizeof text; i++)
      text[i] = i < 3000 ? (char)(((i % 1500) * 7919) >> 5) : 'a';
    ck_assert_int_eq(deflateInit2(&d, 9, Z_DEFLATED, -15, 8, 0), Z_OK);
    d.next_in = (Bytef *)text;
    d.avail_in = sizeof text;
    d.next_out = wire;
    d.avail_out = sizeof wire;
    ck_assert_int_eq(deflate(&d, Z_SYNC_FLUSH), Z_OK);
    ck_assert_int_eq(inflater_new(&z, &mem_libc, &p), 0);
    rv = inflate_all(z, wire, sizeof wire - d.avail_out - 4, 100, 50, got,
                     sizeof got, &n);
    if (bits >= 11) {
      ck_assert_int_eq(rv, 0);
      ck_assert_uint_eq(n, sizeof text);
      ck_assert_int_eq(memcmp(got, text, n), 0);
    } else {
      ck_assert_int_eq(rv, ERR_PROTOCOL);
    }
    inflater_free(z);
    deflateEnd(&d);
  }
}
END_TEST

/* ------------------------------------------------------------- through --- */

static size_t deflate_all(struct deflater *z, const char *data, size_t len,
                          size_t step, size_t cap, uint8_t *out, size_t max) {
  size_t total = 0, n;
  for (;;) {
    struct slice in = {data, len < step ? len : step};
    bool last = in.len == len;
    int rv;
    data += in.len;
    len -= in.len;
    do {
      size_t room = max - total < cap ? max - total : cap;
      ck_assert_uint_ge(room, 16);
      rv = deflater_run(z, &in, last, out + total, room, &n);
      ck_assert(rv == 0 || rv == ERR_AGAIN);
      ck_assert_uint_le(n, room);
      ck_assert(rv != 0 || in.len == 0);
      total += n;
    } while (rv == ERR_AGAIN);
    if (last)
      return total;
  }
}

static void fill_text(char *p, size_t len, unsigned kind) {
  for (size_t i = 0; i < len; i++)
    p[i] = kind == 0   ? (char)(rand() >> 7)
           : kind == 1 ? (char)("{\"id\":17,\"name\":\"alpha\"}"[i % 24])
                       : 'x';
}

START_TEST(through_both) {
  static const size_t sizes[] = {1, 2, 5, 17, 100, 1000, 4096, 20000};
  static const size_t steps[] = {SIZE_MAX, 1, 7, 4096};
  static const size_t caps[] = {16, 17, 19, 23, 1000, 100000};
  static char text[20000], got[20001];
  static uint8_t wire[40000];
  static const struct deflate_params params[] = {
      {true, true, true, 15, 15},
      {true, false, false, 15, 15},
      {true, true, true, 9, 9},
      {true, false, false, 10, 10},
  };
  srand(1);
  unit_each(p, params) unit_each(step, steps) unit_each(cap, caps) {
    struct failing_mem fm;
    struct inflater *in;
    struct deflater *out;
    failing_mem_init(&fm, FAIL_NEVER);
    ck_assert_int_eq(inflater_new(&in, &fm.mem, p), 0);
    ck_assert_int_eq(deflater_new(&out, &fm.mem, p), 0);
    ck_assert_int_eq(deflater_wake(out), 0);
    unit_each(size, sizes) for (unsigned kind = 0; kind < 3; kind++) {
      size_t len, n;
      if (*size > 5000 && *step < 4096)
        continue;
      fill_text(text, *size, kind);
      len = deflate_all(out, text, *size, *step, *cap, wire, sizeof wire);
      if (kind == 2 && *size == 20000)
        ck_assert_uint_lt(len, *size / 100);
      ck_assert_int_eq(
          inflate_all(in, wire, len, *step, *cap, got, sizeof got, &n), 0);
      ck_assert_uint_eq(n, *size);
      ck_assert_int_eq(memcmp(got, text, n), 0);
    }
    /* The goal for a connection that keeps both windows is 64 KiB. */
    ck_assert_uint_le(fm.peak_bytes, 63 * 1024);
    inflater_free(in);
    deflater_free(out);
    ck_assert_uint_eq(fm.live_bytes, 0);
  }
}
END_TEST

/* The second message is short because of the first, or stands on its own. */
START_TEST(takeover) {
  static char text[1500];
  static uint8_t wire[3000], again[3000];
  srand(2);
  fill_text(text, sizeof text, 0);
  for (int keep = 0; keep < 2; keep++) {
    struct deflate_params p = {true, keep, keep, 15, 15};
    struct deflater *z;
    size_t first, second;
    ck_assert_int_eq(deflater_new(&z, &mem_libc, &p), 0);
    ck_assert_int_eq(deflater_wake(z), 0);
    first = deflate_all(z, text, sizeof text, SIZE_MAX, 3000, wire, 3000);
    second = deflate_all(z, text, sizeof text, SIZE_MAX, 3000, again, 3000);
    ck_assert_uint_ge(first, sizeof text);
    if (keep) {
      ck_assert_uint_lt(second, 100);
    } else {
      ck_assert_uint_eq(second, first);
      ck_assert_int_eq(memcmp(wire, again, first), 0);
    }
    deflater_free(z);
  }
}
END_TEST

/* Between messages both forget all but what later ones may look back to. */
START_TEST(sleeping) {
  static const size_t sizes[] = {1, 100, 100, 3000, 40000, 7, 40000};
  static char text[40000], got[40001];
  static uint8_t wire[50000];
  static const struct deflate_params params[] = {
      {true, true, true, 15, 15},
      {true, false, false, 15, 15},
      {true, true, false, 10, 15},
      {true, true, true, 15, 9},
  };
  unit_each(p, params) for (unsigned kind = 0; kind < 3; kind++) {
    struct failing_mem in_mem, out_mem;
    struct inflater *in;
    struct deflater *out;
    size_t total = 0, n, len;
    failing_mem_init(&in_mem, FAIL_NEVER);
    failing_mem_init(&out_mem, FAIL_NEVER);
    ck_assert_int_eq(inflater_new(&in, &in_mem.mem, p), 0);
    ck_assert_int_eq(deflater_new(&out, &out_mem.mem, p), 0);
    ck_assert(!inflater_awake(in) && !deflater_awake(out));
    srand(5);
    fill_text(text, sizeof text, kind);
    unit_each(size, sizes) {
      size_t in_past = (size_t)1 << p->in_bits;
      ck_assert_int_eq(deflater_wake(out), 0);
      len = deflate_all(out, text, *size, SIZE_MAX, 1000, wire, sizeof wire);
      ck_assert_int_eq(
          inflate_all(in, wire, len, SIZE_MAX, sizeof got, got, sizeof got, &n),
          0);
      ck_assert(n == *size && memcmp(got, text, n) == 0);
      if (p->out_takeover && size == &sizes[2]) /* the same again */
        ck_assert_uint_lt(len, 20);
      total += n;
      inflater_sleep(in);
      deflater_sleep(out);
      ck_assert(!inflater_awake(in) && !deflater_awake(out));
      if (in_past > total)
        in_past = total;
      ck_assert_uint_le(in_mem.live_bytes,
                        256 + (p->in_takeover ? in_past : 0));
      ck_assert_uint_le(out_mem.live_bytes, 256 + (p->out_takeover ? 2048 : 0));
    }
    inflater_free(in);
    deflater_free(out);
    ck_assert_uint_eq(in_mem.live_bytes + out_mem.live_bytes, 0);
  }
}
END_TEST

/* In the middle of a message there is no sleep, and without memory none. */
START_TEST(sleepless) {
  static const struct deflate_params p = {BOTH, 15, 15};
  struct failing_mem fm;
  struct inflater *in;
  struct deflater *out;
  struct slice part = {"\xf2\x48\xcd", 3};
  char got[16];
  uint8_t wire[100];
  size_t n;
  failing_mem_init(&fm, FAIL_NEVER);
  ck_assert_int_eq(inflater_new(&in, &fm.mem, &p), 0);
  ck_assert_int_eq(inflater_run(in, &part, false, got, sizeof got, &n), 0);
  inflater_sleep(in);
  ck_assert(inflater_awake(in));
  part = (struct slice){"\xc9\xc9\x07\x00", 4};
  ck_assert_int_eq(inflater_run(in, &part, true, got + n, sizeof got - n, &n),
                   0);
  ck_assert_int_eq(memcmp(got, "Hello", 5), 0);
  fm.fail_at = fm.count;
  inflater_sleep(in); /* refused: it goes on as it is */
  ck_assert(inflater_awake(in));
  ck_assert_int_eq(
      inflate_all(in, "\xf2\x00\x11\x00\x00", 5, 1, 9, got, sizeof got, &n), 0);
  ck_assert(n == 5 && memcmp(got, "Hello", 5) == 0);
  inflater_sleep(in);
  ck_assert(!inflater_awake(in));
  for (size_t i = 0; i < 2; i++) { /* what it takes to wake */
    fm.fail_at = fm.count + i;
    ck_assert_int_eq(
        inflate_all(in, "\xf2\x00\x11\x00\x00", 5, 9, 9, got, sizeof got, &n),
        ERR_NOMEM);
    ck_assert(!inflater_awake(in));
  }
  fm.fail_at = FAIL_NEVER;
  ck_assert_int_eq(
      inflate_all(in, "\xf2\x00\x11\x00\x00", 5, 9, 9, got, sizeof got, &n), 0);
  ck_assert(n == 5 && memcmp(got, "Hello", 5) == 0);
  inflater_sleep(in);
  inflater_free(in);

  ck_assert_int_eq(deflater_new(&out, &fm.mem, &p), 0);
  for (size_t i = 0; i < 5; i++) {
    fm.fail_at = fm.count + i;
    ck_assert_int_eq(deflater_wake(out), ERR_NOMEM);
  }
  fm.fail_at = FAIL_NEVER;
  ck_assert_int_eq(deflater_wake(out), 0);
  part = (struct slice){"Hello", 5};
  ck_assert_int_eq(deflater_run(out, &part, false, wire, sizeof wire, &n), 0);
  deflater_sleep(out);
  ck_assert(deflater_awake(out));
  part = (struct slice){"Hello", 5};
  ck_assert_int_eq(deflater_run(out, &part, true, wire, sizeof wire, &n), 0);
  fm.fail_at = fm.count;
  deflater_sleep(out);
  ck_assert(deflater_awake(out));
  deflater_sleep(out);
  ck_assert(!deflater_awake(out));
  deflater_free(out);
  ck_assert_uint_eq(fm.live_bytes, 0);
}
END_TEST

START_TEST(failing_allocations) {
  static const struct deflate_params p = {BOTH, 15, 15};
  int rv = ERR_NOMEM;
  size_t n, got;
  char out[100];
  for (n = 0; rv != 0; n++) {
    struct failing_mem fm;
    struct inflater *in = NULL;
    struct deflater *z = NULL;
    failing_mem_init(&fm, n);
    rv = deflater_new(&z, &fm.mem, &p);
    if (rv == 0)
      rv = deflater_wake(z);
    if (rv == 0)
      rv = inflater_new(&in, &fm.mem, &p);
    if (rv == 0)
      rv = inflate_all(in, examples[0].messages[0], 7, 1, 100, out, 100, &got);
    ck_assert(rv == 0 || rv == ERR_NOMEM);
    inflater_free(in);
    deflater_free(z);
    ck_assert_uint_eq(fm.live_bytes, 0);
  }
  ck_assert_uint_gt(n, 8);
  inflater_free(NULL);
  deflater_free(NULL);
}
END_TEST

int main(void) {
  Suite *s = suite_create("deflate");
  TCase *tc = tcase_create("deflate"), *slow = tcase_create("through");
  tcase_add_test(tc, agreement);
  tcase_add_test(tc, rfc_examples);
  tcase_add_test(tc, no_deflate);
  tcase_add_test(tc, window_bits);
  tcase_add_test(slow, through_both);
  tcase_add_test(tc, takeover);
  tcase_add_test(tc, sleeping);
  tcase_add_test(tc, sleepless);
  tcase_add_test(tc, failing_allocations);
  tcase_set_timeout(slow, 120);
  tcase_set_tags(slow, UNIT_SLOW);
  suite_add_tcase(s, tc);
  suite_add_tcase(s, slow);
  return unit_run(s);
}
