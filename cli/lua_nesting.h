/* lua_nesting.h - is a Lua text that comes in lines inside of something that is
 * not closed yet?  Of a whole text the answer is no, whatever is in it: so who
 * waits for the end of one need not compile it while the answer is yes. */
#ifndef CLI_LUA_NESTING_H
#define CLI_LUA_NESTING_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed to start. */
struct lua_nesting {
  long depth; /* blocks and brackets that are open */
  enum {
    NESTING_CODE,
    NESTING_STRING, /* in a string whose line went on with a backslash */
    NESTING_LONG    /* in a long string or comment */
  } in;
  char quote;   /* of the string */
  bool blanks;  /* behind "\z": it goes on with the next that is none */
  size_t level; /* of the long one: how many "=" */
  bool half;    /* the last token is an operator that wants more */
};

/* |text| are whole lines: no token but those above goes on in the next one. */
void lua_nesting_add(struct lua_nesting *n, const char *text, size_t len);

bool lua_nesting_open(const struct lua_nesting *n);

#endif
