/* fuzz_url.c - any bytes are one canonical URL or a refusal with a reason. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/url.h"

#define MUST(cond)                                                             \
  do {                                                                         \
    if (!(cond)) {                                                             \
      fprintf(stderr, "%d: %s\n", __LINE__, #cond);                            \
      abort();                                                                 \
    }                                                                          \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each part lies in the text, in order, and holds what it may. */
static void check(const struct url *u) {
  char host[256];
  size_t len;
  enum url_host_kind kind;
  struct ip ip;
  MUST(u->len == strlen(u->text) && u->len <= URL_MAX_BYTES);
  MUST(u->scheme.p == u->text && u->scheme.len == (u->tls ? 3 : 2));
  MUST(u->host.p == u->text + u->scheme.len + 3 && u->host.len > 0);
  MUST(u->path.p > u->host.p && u->path.p[0] == '/');
  MUST(u->has_query || u->path.p + u->path.len == u->text + u->len);
  MUST(!u->has_query || u->query.p + u->query.len == u->text + u->len);
  MUST(u->port != 0);
  for (size_t i = 0; i < u->len; i++)
    MUST(u->text[i] > 0x20 && u->text[i] < 0x7f && u->text[i] != '\\' &&
         u->text[i] != '#');
  MUST(!memchr(u->host.p, '@', u->host.len));
  MUST(!memmem(u->path.p, u->path.len, "/../", 4) &&
       !memmem(u->path.p, u->path.len, "//", 2));
  MUST(url_canonical_host(u->host, 0, host, &len, &kind, &ip, NULL, NULL) == 0);
  MUST(slice_eq(u->host, (struct slice){host, len}) && kind == u->host_kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct url u, again, copy;
  struct slice text = {(const char *)data, size};
  enum url_reason reason, silent;
  struct err e;
  int rv;
  if (size == 0)
    text.p = "";
  rv = url_parse(&u, text, &reason, &e);
  MUST((rv == 0) == (reason == URL_OK));
  MUST(url_parse(&again, text, &silent, NULL) == rv && silent == reason);
  if (rv != 0) {
    MUST(e.code == ERR_INVALID && e.message[0] && e.column <= size + 1);
    return 0;
  }
  check(&u);
  MUST(url_parse(&again, (struct slice){u.text, u.len}, NULL, NULL) == 0);
  MUST(strcmp(u.text, again.text) == 0 && u.port == again.port);
  url_copy(&copy, &u);
  MUST(slice_eq(copy.query, again.query) && slice_eq(copy.path, again.path));
  return 0;
}
