/* utf8_bulk.h - the fast half of the UTF-8 check; str.c's own business. */
#ifndef RUNTIME_BASE_UTF8_BULK_H
#define RUNTIME_BASE_UTF8_BULK_H

#include <stddef.h>

/* How many bytes at the front are sure to be valid UTF-8, whole characters all
 * of them.  A lower bound: 0 is always right, and is the answer for short texts
 * and where the processor has no help to offer. */
size_t utf8_bulk(const unsigned char *p, size_t len);

#endif
