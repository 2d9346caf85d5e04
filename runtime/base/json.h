/* json.h - RFC 8259 text to tokens, and tokens to a value.  The tokens carry no
 * memory of their own: Lua's decoder and the value builder share them. */
#ifndef RUNTIME_BASE_JSON_H
#define RUNTIME_BASE_JSON_H

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/base/value.h"

#define JSON_MAX_DEPTH VALUE_MAX_DEPTH

enum json_token {
  JSON_END, /* the whole input was read */
  JSON_ERROR,
  JSON_NULL,
  JSON_TRUE,
  JSON_FALSE,
  JSON_INT,
  JSON_FLOAT,
  JSON_STRING,
  JSON_ARRAY_BEGIN,
  JSON_ARRAY_END,
  JSON_OBJECT_BEGIN,
  JSON_OBJECT_END,
  JSON_KEY /* a string that names a member; its value follows */
};

/* A pull lexer that also checks the grammar (commas, colons, nesting), so that
 * its caller sees only well-formed sequences.  No allocation.  Integers that
 * fit an int64 are JSON_INT ("-0" is 0, "-0.0" stays -0.0), a number no double
 * can hold is an error. */
struct json_lexer {
  const char *text;
  size_t len;
  size_t pos;
  unsigned depth;
  uint8_t expect;                   /* private: what may come next */
  uint8_t nest[JSON_MAX_DEPTH / 8]; /* private: bit set: an object */
  /* of the last token */
  int64_t integer;
  double number;
  struct slice raw;  /* JSON_STRING, JSON_KEY: what stands between the quotes */
  bool escaped;      /* raw holds backslashes: use json_unescape */
  struct err *error; /* filled at JSON_ERROR with line and column */
};

/* |text| is borrowed.  |error| may be NULL; its source stays untouched. */
void json_lexer_init(struct json_lexer *lx, struct slice text,
                     struct err *error);
/* The next token.  After JSON_END or JSON_ERROR always the same again.  Strings
 * are checked: UTF-8, no raw control characters, \u pairs complete. */
enum json_token json_next(struct json_lexer *lx);
/* Decodes |raw| (already checked by json_next) into |out|, which has room for
 * raw.len bytes; returns the length, never more than raw.len. */
size_t json_unescape(char *out, struct slice raw);

/* Whole text to one value in |a|.  A key that stands twice in an object is an
 * error: which one counts depends on who reads, and what is read here is who
 * asks for what.  0, ERR_SYNTAX (position in |e|), ERR_NOMEM. */
int json_parse(struct value *ret, struct slice text, struct arena *a,
               struct err *e);

/* Appends |s| as a JSON string with its quotes; |s| that is no valid UTF-8 gets
 * U+FFFD for each broken byte.  0, ERR_FULL, ERR_NOMEM */
int json_write_string(struct buf *out, struct slice s);
/* Shortest text that reads back as the same double, always with '.' or 'e' so
 * that it reads back as a float ("1.0"), or "null" for NaN and infinities, in
 * any locale.  Returns its length (cap >= 32, else 0). */
size_t json_format_double(char *out, size_t cap, double d);

#endif
