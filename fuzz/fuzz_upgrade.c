/* fuzz_upgrade.c - a server's answer, whole and in pieces: both must come to
 * the same end, and only a complete header block is ever accepted. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/net/upgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The example of RFC 6455, so that a corpus can hold good answers. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

/* The first cut falls on every byte so far, in one mode; more costs too much.
 */
#define EACH_BYTE 300

static void need(bool ok) {
  if (!ok)
    abort();
}

struct end {
  int rv;
  size_t used;
  unsigned status;
  size_t protocol;
  struct deflate_params deflate;
  char message[sizeof((struct err *)0)->message];
};

static void feed(struct end *end, const uint8_t *data, size_t size, size_t step,
                 enum deflate_mode deflate) {
  static const struct slice offered[] = {{"chat", 4}, {"superchat", 9}};
  struct upgrade u;
  struct err e = {0};
  size_t used = 0;
  memset(end, 0, sizeof *end);
  end->rv = ERR_AGAIN;
  upgrade_init(&u, &mem_libc, KEY, offered, 2);
  u.deflate = deflate;
  for (size_t at = 0; at < size && end->rv == ERR_AGAIN; at += step) {
    size_t n = size - at < step ? size - at : step;
    end->rv = upgrade_feed(&u, data + at, n, &used, &e);
    if (end->rv == 0)
      end->used = at + used;
  }
  end->status = u.status;
  end->protocol = u.protocol;
  end->deflate = u.agreed;
  memcpy(end->message, e.message, sizeof e.message);
  upgrade_deinit(&u);
}

static void try_mode(const uint8_t *data, size_t size,
                     enum deflate_mode deflate) {
  struct end whole, pieces;
  feed(&whole, data, size, size ? size : 1, deflate);
  for (size_t step = 1; step < size;
       step += step < EACH_BYTE && deflate == DEFLATE_TAKEOVER ? 1 : step) {
    feed(&pieces, data, size, step, deflate);
    need(memcmp(&whole, &pieces, sizeof whole) == 0);
  }
  if (whole.rv == 0) {
    need(deflate_params_valid(&whole.deflate));
    need(deflate != DEFLATE_OFF || !whole.deflate.on);
    need(whole.status == 101 && whole.used <= size && whole.used >= 4 &&
         whole.used <= UPGRADE_MAX_BYTES &&
         memcmp(data + whole.used - 4, "\r\n\r\n", 4) == 0);
  } else {
    need(whole.rv == ERR_AGAIN || whole.message[0] != '\0');
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  for (int i = DEFLATE_OFF; i <= DEFLATE_NO_CONTEXT; i++)
    try_mode(data, size, (enum deflate_mode)i);
  return 0;
}
