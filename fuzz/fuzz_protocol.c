/* fuzz_protocol.c - bytes from a worker: what is read as a message is written
 * as the same bytes, and reading takes memory in proportion to them. */
#include <stdint.h>
#include <stdlib.h>

#include "runtime/worker/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
  if (!ok)
    abort();
}

/* The message at the front, |len| bytes long. */
static void one(struct slice whole) {
  struct packet m, again;
  struct arena a;
  struct buf b;
  struct err e;
  arena_init(&a, &mem_libc, SIZE_MAX / 2);
  buf_init(&b, &mem_libc, SIZE_MAX / 2);
  if (packet_read(&m, whole, &a) == 0) {
    need(a.bytes <= 64 * whole.len + 65536);
    need(packet_write(&b, &m) == 0);
    need(slice_eq(buf_slice(&b), whole));
    need(packet_read(&again, buf_slice(&b), &a) == 0);
    need(again.kind == m.kind);
    if (m.kind == MSG_RESULT || m.kind == MSG_LOADED) {
      fault_to_err(&e, &m.as.result.fault);
      need(e.code == m.as.result.fault.code);
      need(utf8_valid(slice_of(e.message)));
    }
  }
  buf_deinit(&b);
  arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct slice rest = {(const char *)data, size};
  enum packet_kind kind;
  size_t len;
  int rv;
  while ((rv = packet_peek(rest, PROTOCOL_FROM_WORKER_MAX, &kind, &len)) == 0 &&
         len <= rest.len) {
    one((struct slice){rest.p, len});
    rest.p += len;
    rest.len -= len;
  }
  need(rv == 0 || rv == ERR_AGAIN || rv == ERR_PROTOCOL);
  return 0;
}
