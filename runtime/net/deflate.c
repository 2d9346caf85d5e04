/* deflate.c - permessage-deflate over zlib. */
#include "runtime/net/deflate.h"

#include <string.h>
#include <zlib.h>

#include "runtime/base/err.h"
#include "runtime/base/gate.h"

/* 22 KiB instead of zlib's 268: together with a window of 32 KiB for what the
 * server sends, a connection stays below 64 KiB also while both are awake. What
 * is lost is a few per cent of a message's size: those are short, and look back
 * not far. */
#define DEFLATE_BITS 11
#define DEFLATE_MEM_LEVEL 4
#define DEFLATE_LEVEL 3

/* RFC 7692, section 7.2.1: what ends each message and is not sent. */
static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

/* ---------------------------------------------------------- agreement --- */

bool deflate_params_valid(const struct deflate_params *p) {
  return !p->on || (p->in_bits >= 8 && p->in_bits <= 15 && p->out_bits >= 8 &&
                    p->out_bits <= 15);
}

const char *deflate_offer(enum deflate_mode mode) {
  return mode == DEFLATE_NO_CONTEXT
             ? "permessage-deflate; server_no_context_takeover; "
               "client_no_context_takeover; client_max_window_bits"
             : "permessage-deflate; client_max_window_bits";
}

static struct slice trim(struct slice s) {
  while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
    s = (struct slice){s.p + 1, s.len - 1};
  while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
    s.len--;
  return s;
}

/* What stands before |sep|, trimmed; |*s| is what follows.  Quotes are not
 * looked at: no valid value holds a separator. */
static struct slice cut(struct slice *s, char sep, bool *ret_found) {
  const char *at = s->len > 0 ? memchr(s->p, sep, s->len) : NULL;
  struct slice before = *s;
  *ret_found = at != NULL;
  if (at) {
    before.len = (size_t)(at - s->p);
    *s = (struct slice){at + 1, s->len - before.len - 1};
  } else {
    *s = (struct slice){NULL, 0};
  }
  return trim(before);
}

/* "8" to "15", without leading zeros; a quoted-string is as good (section 7.1:
 * the value is a token in either form). */
static bool read_bits(struct slice v, uint8_t *ret) {
  uint64_t n;
  if (v.len >= 2 && v.p[0] == '"' && v.p[v.len - 1] == '"')
    v = (struct slice){v.p + 1, v.len - 2};
  if (str_u64(v, 15, &n) != 0 || n < 8)
    return false;
  *ret = (uint8_t)n;
  return true;
}

struct answer {
  struct deflate_params params;
  bool in_none, out_none, in_bits, out_bits; /* seen */
};

/* NULL, or what is wrong with it. */
static const char *on_param(struct answer *a, struct slice name, bool has_value,
                            struct slice value) {
  bool *seen;
  uint8_t *bits = NULL;
  if (slice_eq_nocase(name, SLICE("server_no_context_takeover"))) {
    seen = &a->in_none;
  } else if (slice_eq_nocase(name, SLICE("client_no_context_takeover"))) {
    seen = &a->out_none;
  } else if (slice_eq_nocase(name, SLICE("server_max_window_bits"))) {
    seen = &a->in_bits;
    bits = &a->params.in_bits;
  } else if (slice_eq_nocase(name, SLICE("client_max_window_bits"))) {
    seen = &a->out_bits;
    bits = &a->params.out_bits;
  } else {
    return "has an unknown parameter for permessage-deflate";
  }
  if (*seen)
    return "has a parameter of permessage-deflate twice";
  *seen = true;
  if (bits ? !has_value || !read_bits(value, bits) : has_value)
    return "has a bad value for a parameter of permessage-deflate";
  return NULL;
}

int deflate_answer(struct slice value, enum deflate_mode mode,
                   struct deflate_params *ret, const char **ret_why) {
  struct answer a = {.params = {.on = true, .in_bits = 15, .out_bits = 15}};
  bool more;
  struct slice name;
  if (mode == DEFLATE_OFF || (value.len && memchr(value.p, ',', value.len))) {
    *ret_why = "names an extension that was not offered";
    return ERR_PROTOCOL;
  }
  name = cut(&value, ';', &more);
  if (!slice_eq_nocase(name, SLICE("permessage-deflate"))) {
    *ret_why = "names an extension that was not offered";
    return ERR_PROTOCOL;
  }
  while (more) {
    struct slice param = cut(&value, ';', &more);
    bool has_value;
    name = cut(&param, '=', &has_value);
    if ((*ret_why = on_param(&a, name, has_value, trim(param))) != NULL)
      return ERR_PROTOCOL;
  }
  /* Section 7.1.1.1: who accepts such an offer says so. */
  if (mode == DEFLATE_NO_CONTEXT && !a.in_none) {
    *ret_why = "accepts permessage-deflate without "
               "server_no_context_takeover, which was asked for";
    return ERR_PROTOCOL;
  }
  a.params.in_takeover = !a.in_none;
  a.params.out_takeover = mode == DEFLATE_TAKEOVER && !a.out_none;
  *ret = a.params;
  return 0;
}

/* ------------------------------------------------------------- memory --- */

/* zlib frees without a size: it stands in front of each block. */
#define BLOCK_HEADER 16

static voidpf zlib_alloc(voidpf ud, uInt items, uInt size) {
  size_t n = (size_t)items * size + BLOCK_HEADER;
  uint8_t *p;
  if (size != 0 && items > (SIZE_MAX - BLOCK_HEADER) / size)
    return Z_NULL;
  /* zlib looks at some of it before it was written. */
  if (!(p = mem_zalloc(ud, n)))
    return Z_NULL;
  memcpy(p, &n, sizeof n);
  return p + BLOCK_HEADER;
}

static void zlib_free(voidpf ud, voidpf block) {
  uint8_t *p = (uint8_t *)block - BLOCK_HEADER;
  size_t n;
  memcpy(&n, p, sizeof n);
  mem_free(ud, p, n);
}

static uInt piece(size_t len) {
  return len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)len;
}

/* What one that sleeps remembers: the end of what went through it. */
struct past {
  uint8_t *p;
  uInt len;
};

static void past_free(struct past *past, const struct mem *m) {
  mem_free(m, past->p, past->len);
  *past = (struct past){NULL, 0};
}

static void stream_init(z_stream *z, struct mem *m) {
  *z = (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = m};
}

/* ---------------------------------------------------------- receiving --- */

struct inflater {
  struct mem mem;
  z_stream z;
  struct past past; /* while it sleeps */
  uint8_t bits;
  bool awake;
  bool takeover;
  bool in_message;
  bool held_back;  /* the last call had no room for more of a block */
  uint8_t tail_at; /* so many bytes of |tail| were given to zlib */
};

int inflater_new(struct inflater **ret, const struct mem *m,
                 const struct deflate_params *p) {
  struct inflater *z = mem_zalloc(m, sizeof *z);
  gate_check();
  if (!z)
    return ERR_NOMEM;
  z->mem = *m;
  z->takeover = p->in_takeover;
  z->bits = p->in_bits;
  *ret = z;
  return 0;
}

void inflater_free(struct inflater *z) {
  struct mem m;
  gate_check();
  if (!z)
    return;
  m = z->mem;
  if (z->awake)
    inflateEnd(&z->z);
  past_free(&z->past, &m);
  mem_free(&m, z, sizeof *z);
}

/* 0 or ERR_NOMEM */
static int inflater_wake(struct inflater *z) {
  if (z->awake)
    return 0;
  stream_init(&z->z, &z->mem);
  if (inflateInit2(&z->z, -(int)z->bits) != Z_OK)
    return ERR_NOMEM;
  if (z->past.len > 0 &&
      inflateSetDictionary(&z->z, z->past.p, z->past.len) != Z_OK) {
    inflateEnd(&z->z);
    return ERR_NOMEM;
  }
  past_free(&z->past, &z->mem);
  z->awake = true;
  return 0;
}

void inflater_sleep(struct inflater *z) {
  struct past past = {NULL, 0};
  gate_check();
  if (!z->awake || z->in_message)
    return;
  if (z->takeover && inflateGetDictionary(&z->z, NULL, &past.len) != Z_OK)
    return;
  if (past.len > 0) {
    if (!(past.p = mem_alloc(&z->mem, past.len)))
      return;
    (void)inflateGetDictionary(&z->z, past.p, &past.len);
  }
  inflateEnd(&z->z);
  z->past = past;
  z->awake = false;
}

bool inflater_awake(const struct inflater *z) {
  return z->awake;
}

/* After a block that says it is the last (section 7.2.3.4 lets a message
 * have one) another begins all the same, and may look back. */
static int go_on(struct inflater *z) {
  z->z.data_type = 128; /* see between_blocks */
  return inflateResetKeep(&z->z) == Z_OK ? 0 : ERR_PROTOCOL;
}

/* One call into zlib.  0, ERR_PROTOCOL or ERR_NOMEM */
static int inflate_some(struct inflater *z, const void *in, size_t len,
                        size_t *ret_used) {
  int rv;
  z->z.next_in = (Bytef *)(uintptr_t)in; /* zlib does not write there */
  z->z.avail_in = piece(len);
  rv = inflate(&z->z, Z_SYNC_FLUSH);
  *ret_used = (size_t)(z->z.next_in - (const Bytef *)in);
  switch (rv) {
  case Z_OK:
  case Z_BUF_ERROR: /* no input, or no room: nothing is lost */
    return 0;
  case Z_STREAM_END:
    return go_on(z);
  case Z_MEM_ERROR:
    return ERR_NOMEM;
  default:
    return ERR_PROTOCOL;
  }
}

/* zlib waits for the next block, at the beginning of a byte: as zlib.h says of
 * data_type. */
static bool between_blocks(const z_stream *z) {
  return (z->data_type & 128) != 0 && (z->data_type & 7) == 0;
}

int inflater_run(struct inflater *z, struct slice *in, bool last, void *out,
                 size_t cap, size_t *ret_n) {
  size_t used;
  int rv = 0;
  gate_check();
  *ret_n = 0;
  if (inflater_wake(z) != 0)
    return ERR_NOMEM;
  if (!z->in_message && !z->takeover)
    (void)inflateReset(&z->z);
  z->in_message = true;
  z->z.next_out = out;
  z->z.avail_out = piece(cap);
  /* What zlib holds back comes out now, not with the input that follows: how
   * long a message has become does not depend on how its bytes were cut. */
  if (z->held_back && in->len == 0)
    rv = inflate_some(z, tail, 0, &used);
  while (rv == 0 && in->len > 0 && z->z.avail_out > 0) {
    rv = inflate_some(z, in->p, in->len, &used);
    *in = (struct slice){in->p + used, in->len - used};
  }
  while (rv == 0 && last && in->len == 0 && z->z.avail_out > 0 &&
         z->tail_at < sizeof tail) {
    rv = inflate_some(z, tail + z->tail_at, sizeof tail - z->tail_at, &used);
    z->tail_at = (uint8_t)(z->tail_at + used);
  }
  *ret_n = (size_t)(z->z.next_out - (Bytef *)out);
  if (rv != 0)
    return rv;
  z->held_back = z->z.avail_out == 0 && !(z->z.data_type & 128);
  if (z->z.avail_out == 0) /* zlib may hold back what found no room */
    return ERR_AGAIN;
  if (last) {
    if (!between_blocks(&z->z))
      return ERR_PROTOCOL;
    z->in_message = false;
    z->tail_at = 0;
  }
  return 0;
}

/* ------------------------------------------------------------ sending --- */

struct deflater {
  struct mem mem;
  z_stream z;
  struct past past; /* while it sleeps */
  uint8_t bits;
  bool awake;
  bool takeover;
  bool in_message;
  uint8_t held_len; /* the last bytes, which may be the tail */
  uint8_t held[sizeof tail];
};

bool deflater_possible(const struct deflate_params *p) {
  return p->on && p->out_bits >= 9;
}

int deflater_new(struct deflater **ret, const struct mem *m,
                 const struct deflate_params *p) {
  struct deflater *z = mem_zalloc(m, sizeof *z);
  gate_check();
  if (!z)
    return ERR_NOMEM;
  z->mem = *m;
  z->takeover = p->out_takeover;
  z->bits = p->out_bits < DEFLATE_BITS ? p->out_bits : DEFLATE_BITS;
  *ret = z;
  return 0;
}

void deflater_free(struct deflater *z) {
  struct mem m;
  gate_check();
  if (!z)
    return;
  m = z->mem;
  if (z->awake)
    (void)deflateEnd(&z->z);
  past_free(&z->past, &m);
  mem_free(&m, z, sizeof *z);
}

int deflater_wake(struct deflater *z) {
  gate_check();
  if (z->awake)
    return 0;
  stream_init(&z->z, &z->mem);
  if (deflateInit2(&z->z, DEFLATE_LEVEL, Z_DEFLATED, -(int)z->bits,
                   DEFLATE_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
    return ERR_NOMEM;
  /* Without it messages would be longer, and no less right. */
  if (z->past.len > 0)
    (void)deflateSetDictionary(&z->z, z->past.p, z->past.len);
  past_free(&z->past, &z->mem);
  z->awake = true;
  return 0;
}

void deflater_sleep(struct deflater *z) {
  struct past past = {NULL, 0};
  gate_check();
  if (!z->awake || z->in_message)
    return;
  if (z->takeover && deflateGetDictionary(&z->z, NULL, &past.len) != Z_OK)
    return;
  if (past.len > 0) {
    if (!(past.p = mem_alloc(&z->mem, past.len)))
      return;
    (void)deflateGetDictionary(&z->z, past.p, &past.len);
  }
  (void)deflateEnd(&z->z);
  z->past = past;
  z->awake = false;
}

bool deflater_awake(const struct deflater *z) {
  return z->awake;
}

int deflater_run(struct deflater *z, struct slice *in, bool last, void *out,
                 size_t cap, size_t *ret_n) {
  uint8_t *p = out;
  size_t len;
  uInt given;
  int rv;
  gate_check();
  if (!z->in_message && !z->takeover)
    (void)deflateReset(&z->z);
  z->in_message = true;
  memcpy(p, z->held, z->held_len);
  z->z.next_out = p + z->held_len;
  z->z.avail_out = piece(cap - z->held_len);
  do {
    given = piece(in->len);
    z->z.next_in = (Bytef *)(uintptr_t)in->p;
    z->z.avail_in = given;
    rv = deflate(&z->z, last && given == in->len ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    given -= z->z.avail_in;
    if (given > 0)
      *in = (struct slice){in->p + given, in->len - given};
    if (rv != Z_OK && rv != Z_BUF_ERROR)
      return ERR_SYSTEM;
  } while (in->len > 0 && z->z.avail_out > 0);
  len = (size_t)(z->z.next_out - p);
  if (last && in->len == 0 && z->z.avail_out > 0) {
    if (len < sizeof tail || memcmp(p + len - sizeof tail, tail, sizeof tail))
      return ERR_SYSTEM;
    z->in_message = false;
    z->held_len = 0;
    *ret_n = len - sizeof tail;
    return 0;
  }
  z->held_len = (uint8_t)(len < sizeof tail ? len : sizeof tail);
  *ret_n = len - z->held_len;
  memcpy(z->held, p + *ret_n, z->held_len);
  return z->z.avail_out == 0 ? ERR_AGAIN : 0;
}
