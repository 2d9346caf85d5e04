/* sha1.h - SHA-1 (RFC 3174) and base64 (RFC 4648, section 4), for the opening
 * handshake of RFC 6455 and nothing that has to be secure. */
#ifndef RUNTIME_BASE_SHA1_H
#define RUNTIME_BASE_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_BYTES 20

void sha1(const void *p, size_t len, uint8_t out[SHA1_BYTES]);

#define BASE64_LEN(bytes) (((bytes) + 2) / 3 * 4)

/* Writes BASE64_LEN(len) characters, padding included, and no NUL. */
void base64(const uint8_t *p, size_t len, char *out);

#endif
