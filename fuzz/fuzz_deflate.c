/* fuzz_deflate.c - permessage-deflate in both directions.  What comes: any
 * bytes, whole and in pieces, to the same end, with a bound on the output and
 * on the memory, and what zlib alone makes of them.  What goes: any text comes
 * back the same.  The first three bytes of the input choose windows, takeover
 * and the size of the pieces; then messages follow, each behind two bytes that
 * hold its length. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "runtime/base/err.h"
#include "runtime/net/deflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MESSAGES_MAX 8
#define LIMIT 20000                  /* of a message, as read_limit is */
#define MEMORY (80U << 10)           /* of one half: deflate.h says less */
#define PAST_MAX (256 + (32U << 10)) /* of one that sleeps */

static void need(bool ok) {
  if (!ok)
    abort();
}

struct input {
  struct deflate_params params;
  size_t step; /* of what is put in */
  size_t room; /* for what comes out */
  struct slice messages[MESSAGES_MAX];
  size_t n;
};

static void read_input(struct input *in, const uint8_t *data, size_t size) {
  memset(in, 0, sizeof *in);
  in->params =
      (struct deflate_params){.on = true,
                              .in_bits = (uint8_t)(8 + data[0] % 8),
                              .out_bits = (uint8_t)(8 + data[0] / 8 % 8),
                              .in_takeover = data[0] & 64,
                              .out_takeover = data[0] & 128};
  in->step = 1 + data[1] % 64U;
  in->room = 16 + data[2];
  for (size_t at = 3; at + 2 <= size && in->n < MESSAGES_MAX;) {
    size_t len = (size_t)(data[at] << 8 | data[at + 1]);
    at += 2;
    len = len < size - at ? len : size - at;
    in->messages[in->n++] = (struct slice){(const char *)data + at, len};
    at += len;
  }
}

/* ---------------------------------------------------------- receiving --- */

struct end {
  size_t whole; /* messages */
  int code;     /* of the one after them; 0: there is none */
  size_t len;   /* of all of them, and of what came of that one */
  uint8_t out[MESSAGES_MAX * LIMIT];
};

/* One message; ERR_LIMIT: more comes of it than may. */
static int receive(struct inflater *z, struct slice m, size_t step, size_t room,
                   uint8_t *out, size_t *ret_len) {
  size_t len = 0, n;
  int rv;
  do {
    struct slice in = {m.p, m.len < step ? m.len : step};
    bool last = in.len == m.len;
    m = (struct slice){m.p + in.len, m.len - in.len};
    do {
      size_t left = LIMIT - len;
      uint8_t over;
      if (left > room)
        left = room;
      rv = inflater_run(z, &in, last, left ? out + len : &over, left ? left : 1,
                        &n);
      need(n <= (left ? left : 1));
      if (left == 0 && n > 0)
        rv = ERR_LIMIT;
      else
        len += n;
      need(rv != 0 || in.len == 0);
    } while (rv == ERR_AGAIN);
  } while (rv == 0 && m.len > 0);
  *ret_len = len;
  return rv;
}

static void receive_all(const struct input *in, size_t step, size_t room,
                        bool sleeps, struct end *end) {
  struct account account;
  struct inflater *z;
  struct mem m;
  account_init(&account, &mem_libc, MEMORY);
  m = account_mem(&account);
  need(inflater_new(&z, &m, &in->params) == 0);
  end->whole = end->len = 0;
  end->code = 0;
  for (size_t i = 0; i < in->n && end->code == 0; i++) {
    size_t len;
    end->code =
        receive(z, in->messages[i], step, room, end->out + end->len, &len);
    if (end->code == 0) {
      end->len += len;
      end->whole++;
      if (sleeps) {
        inflater_sleep(z);
        need(!inflater_awake(z) && account.used <= PAST_MAX);
      }
    } else {
      /* how far it came depends on the pieces: not how it ended */
      need(end->code == ERR_PROTOCOL || end->code == ERR_LIMIT);
    }
  }
  need(account.refused == 0 && account.peak <= MEMORY);
  inflater_free(z);
  need(account.used == 0);
}

/* The first message as zlib alone reads it, when no block of it says that it is
 * the last. */
static void ask_zlib(const struct input *in, const struct end *end) {
  static const uint8_t tail[4] = {0, 0, 0xff, 0xff};
  static uint8_t out[LIMIT + 1], text[70000];
  z_stream z;
  int rv;
  if (in->n == 0)
    return;
  memset(&z, 0, sizeof z);
  need(inflateInit2(&z, -(int)in->params.in_bits) == Z_OK);
  memcpy(text, in->messages[0].p, in->messages[0].len);
  memcpy(text + in->messages[0].len, tail, sizeof tail);
  z.next_in = text;
  z.avail_in = (uInt)(in->messages[0].len + sizeof tail);
  z.next_out = out;
  z.avail_out = sizeof out;
  rv = inflate(&z, Z_SYNC_FLUSH);
  if (rv == Z_DATA_ERROR)
    need(end->whole == 0 && end->code != 0);
  if (rv == Z_OK && end->whole > 0)
    need(z.avail_in == 0 && z.avail_out > 0 && end->len >= z.total_out &&
         memcmp(out, end->out, z.total_out) == 0);
  inflateEnd(&z);
}

/* Of a distance that is longer than a window of less than 32 KiB, zlib notices
 * only what lies before that window and before the room it was given (inflate.c
 * knows INFLATE_STRICT for the rest): with such, one way may come farther. */
static bool is_same(const struct input *in, const struct end *a,
                    const struct end *b) {
  if (in->params.in_bits == 15)
    return a->whole == b->whole && a->code == b->code && a->len == b->len &&
           memcmp(a->out, b->out, a->len) == 0;
  return memcmp(a->out, b->out, a->len < b->len ? a->len : b->len) == 0;
}

static void try_receiving(const struct input *in) {
  static struct end whole, pieces;
  const size_t ways[][2] = {{in->step, in->room}, {1, 1}, {SIZE_MAX, 1}};
  receive_all(in, SIZE_MAX, SIZE_MAX, false, &whole);
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    receive_all(in, ways[i][0], ways[i][1], i != 1, &pieces);
    need(is_same(in, &whole, &pieces));
  }
  ask_zlib(in, &whole);
}

/* ------------------------------------------------------------ sending --- */

/* deflate.h: 16 bytes of room are enough.  Returns the length. */
static size_t send_one(struct deflater *z, struct slice m, size_t step,
                       size_t room, uint8_t *out, size_t cap) {
  size_t len = 0, n;
  int rv;
  do {
    struct slice in = {m.p, m.len < step ? m.len : step};
    bool last = in.len == m.len;
    m = (struct slice){m.p + in.len, m.len - in.len};
    do {
      size_t left = cap - len;
      need(left >= 16);
      rv = deflater_run(z, &in, last, out + len, left < room ? left : room, &n);
      need(rv == 0 || rv == ERR_AGAIN);
      need(rv != 0 || in.len == 0);
      len += n;
    } while (rv == ERR_AGAIN);
  } while (m.len > 0);
  return len;
}

static void try_sending(const struct input *in) {
  static uint8_t packed[140000], text[70000];
  /* the server's side: what it agreed to is what it gets along with */
  struct deflate_params theirs = {.on = true,
                                  .in_takeover = in->params.out_takeover,
                                  .in_bits = in->params.out_bits};
  struct account account;
  struct inflater *back;
  struct deflater *z;
  struct mem m;
  if (!deflater_possible(&in->params))
    return;
  account_init(&account, &mem_libc, MEMORY);
  m = account_mem(&account);
  need(deflater_new(&z, &m, &in->params) == 0);
  need(deflater_wake(z) == 0);
  need(inflater_new(&back, &mem_libc, &theirs) == 0);
  for (size_t i = 0; i < in->n; i++) {
    struct slice message = in->messages[i], rest;
    size_t len, n;
    if (message.len == 0)
      continue; /* those are sent as they are */
    len = send_one(z, message, in->step, in->room, packed, sizeof packed);
    /* stored blocks are the worst: 5 bytes for each, and its bits */
    need(len <= message.len + message.len / 8 + 64);
    rest = (struct slice){(const char *)packed, len};
    need(inflater_run(back, &rest, true, text, sizeof text, &n) == 0);
    need(n == message.len && (n == 0 || memcmp(text, message.p, n) == 0));
    if (in->step % 2) {
      deflater_sleep(z);
      need(!deflater_awake(z) && account.used <= PAST_MAX);
      need(deflater_wake(z) == 0);
    }
  }
  need(account.refused == 0);
  deflater_free(z);
  inflater_free(back);
  need(account.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in;
  if (size < 3)
    return 0;
  read_input(&in, data, size);
  try_receiving(&in);
  try_sending(&in);
  return 0;
}
