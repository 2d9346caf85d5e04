/* json_format.h - what "format" of JSON Schema asks of a text.  No Lua. */
#ifndef MODULES_JSON_FORMAT_H
#define MODULES_JSON_FORMAT_H

#include <stdbool.h>

#include "runtime/base/str.h"

/* Longer texts match no format: none can be stopped half-way. */
#define JSON_FORMAT_MAX_BYTES (64u * 1024)

enum json_format_known {
  JSON_FORMAT_KNOWN,   /* json_format_holds knows it */
  JSON_FORMAT_REGEX,   /* "regex": RE2 has to be asked */
  JSON_FORMAT_MISSING, /* JSON Schema has it, but not this program */
  JSON_FORMAT_FOREIGN  /* no format of JSON Schema: means nothing here */
};

enum json_format_known json_format_find(struct slice name);

/* Is |text| of the format |name|, which is known? */
bool json_format_holds(struct slice name, struct slice text);

#endif
