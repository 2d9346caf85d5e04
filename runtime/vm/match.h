/* match.h - Lua patterns: the matcher of find, match, gmatch and gsub, written
 * so that it can stop after some steps and go on later. */
#ifndef RUNTIME_VM_MATCH_H
#define RUNTIME_VM_MATCH_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As deep as Lua's own goes (MAXCCALLS of lstrlib.c): patterns that nest deeper
 * are "too complex" here where they are there. */
#define MATCH_DEPTH 200
#define MATCH_CAPTURES 32 /* LUA_MAXCAPTURES */
#define MATCH_FRAMES_INLINE 12
#define MATCH_SETS 4 /* a power of two */

enum match_result {
  MATCH_NO,
  MATCH_YES,
  MATCH_PAUSED /* a few thousand steps are done: match_next goes on */
};

/* What to try when all that follows has failed. */
struct match_frame {
  const char *s;    /* where in the subject */
  const char *item; /* of min: the repeated item */
  const char *p;    /* the rest of the pattern */
  ptrdiff_t n;      /* repetitions left; or a capture */
  short kind;
  short next; /* the byte the rest begins with; ANY, UNKNOWN */
};

/* A [set] of the pattern. */
struct match_set {
  const char *p; /* its '['; NULL: none */
  const char *ep;
  unsigned uses;
  bool ready; /* bits are filled in */
  uint32_t bits[8];
};

struct match {
  /* set by match_init */
  lua_State *L;
  const char *src, *src_end;
  const char *pat, *pat_end;
  bool anchor;
  /* of the search: the caller may set both between two matches */
  const char *start; /* where a match may start, then where it does */
  const char *last;  /* a match that ends here is none; or NULL */
  const char *end;   /* of the match */
  /* what all matches begin with, if that is known */
  const char *first, *first_end;
  /* of the try that is under way */
  const char *s, *p;
  ptrdiff_t done; /* of an item that was left half-way */
  ptrdiff_t open; /* of a %b that was left half-way */
  int budget;
  unsigned level; /* captures, finished or not */
  bool paused;
  struct {
    const char *init;
    ptrdiff_t len;
  } capture[MATCH_CAPTURES];
  /* where %b cannot match: a bit for each byte of the subject, or NULL */
  uint8_t *unmatched;
  char balance[2];
  struct match_set sets[MATCH_SETS];
  unsigned nframes, max_frames;
  struct match_frame *frames;
  struct match_frame inline_frames[MATCH_FRAMES_INLINE];
};

/* Both texts end in a NUL that is not counted, as Lua's strings do, and must
 * live as long as |m|.  |anchor|: the pattern's leading '^' was taken off. */
void match_init(struct match *m, lua_State *L, const char *src, size_t srclen,
                const char *pat, size_t patlen, bool anchor);

/* A matcher that was copied byte by byte lives at |m| now; it was at |from|. */
void match_moved(struct match *m, const struct match *from);

/* The first match from |m->start| on, or the next steps towards it.  Raises
 * what Lua's string library raises.  May push up to two values onto |m->L|,
 * which must stay there for as long as |m| is used (frames, bits): callers have
 * room for them. */
enum match_result match_next(struct match *m);

/* Does the pattern mean itself? */
bool match_is_plain(const char *pat, size_t len);

/* Capture |i| of a match, or the whole of it where there are none: true and
 * where it is; false: it was a position, which is pushed.  Raises. */
bool match_capture(struct match *m, unsigned i, const char **ret,
                   size_t *ret_len);
void match_push_capture(struct match *m, unsigned i);
/* All captures; the whole match if there are none and |whole|: how many. */
int match_push_captures(struct match *m, bool whole);

#endif
