/* match.c - Lua patterns, matched with a stack of their own.
 *
 * What matches, and what is an error when, is that of lstrlib.c of Lua 5.4.
 * There each choice is a C call; here it is a frame on a stack, so that the
 * matcher can stop anywhere and go on later.  A frame stands for exactly one
 * nested call of Lua's do_match, which keeps "pattern too complex" where it
 * was. Success ends everything at once; failure looks at the last frame. */
#include "runtime/vm/match.h"

#include <string.h>

#define ESC '%'
#define CAP_UNFINISHED (-1)
#define CAP_POSITION (-2)

/* Between two pauses: some ten to thirty microseconds. */
#define STEPS 4096
/* An item that repeats is looked at in pieces of this many bytes. */
#define PIECE 16384
/* A failed %b over this many bytes is worth remembering. */
#define BALANCE_MIN 512
/* A set is turned into bits when it is asked more often. */
#define SET_USES 12

enum { FRAME_OPEN, FRAME_CLOSE, FRAME_OPTION, FRAME_MAX, FRAME_MIN };
enum { NEXT_UNKNOWN = -2, NEXT_ANY = -1 };

/* ------------------------------------------------------------- classes --- */

/* Those of the C locale, whatever the host has set. */
enum {
  CT = 1,   /* control */
  DG = 2,   /* digit */
  LO = 4,   /* lower case */
  UP = 8,   /* upper case */
  PU = 16,  /* punctuation */
  SP = 32,  /* space */
  XD = 64,  /* hexadecimal digit */
  NU = 128, /* NUL, for the old %z */
  CS = CT | SP,
  DX = DG | XD,
  LX = LO | XD,
  UX = UP | XD
};
static const uint8_t classes[256] = {
    CT | NU, CT, CT, CT, CT, CT, CT, CT, CT, CS, CS, CS, CS, CS, CT, CT, /* 0 */
    CT,      CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, CT, /* 1 */
    SP,      PU, PU, PU, PU, PU, PU, PU, PU, PU, PU, PU, PU, PU, PU, PU, /* 2 */
    DX,      DX, DX, DX, DX, DX, DX, DX, DX, DX, PU, PU, PU, PU, PU, PU, /* 3 */
    PU,      UX, UX, UX, UX, UX, UX, UP, UP, UP, UP, UP, UP, UP, UP, UP, /* 4 */
    UP,      UP, UP, UP, UP, UP, UP, UP, UP, UP, UP, PU, PU, PU, PU, PU, /* 5 */
    PU,      LX, LX, LX, LX, LX, LX, LO, LO, LO, LO, LO, LO, LO, LO, LO, /* 6 */
    LO,      LO, LO, LO, LO, LO, LO, LO, LO, LO, LO, PU, PU, PU, PU, CT, /* 7 */
};

static inline unsigned uchar(char c) {
  return (unsigned char)c;
}

/* The bits of class letter |cl|, 0 if it is none. */
static unsigned class_mask(unsigned cl) {
  switch (cl | 0x20) {
  case 'a':
    return UP | LO;
  case 'c':
    return CT;
  case 'd':
    return DG;
  case 'g':
    return UP | LO | DG | PU;
  case 'l':
    return LO;
  case 'p':
    return PU;
  case 's':
    return SP;
  case 'u':
    return UP;
  case 'w':
    return UP | LO | DG;
  case 'x':
    return XD;
  case 'z':
    return NU;
  default:
    return 0;
  }
}

static bool in_class(unsigned c, unsigned cl) {
  unsigned mask = class_mask(cl);
  if (mask == 0)
    return c == cl;
  return ((classes[c] & mask) != 0) == ((cl & 0x20) != 0);
}

bool match_is_plain(const char *pat, size_t len) {
  for (const char *end = pat + len; pat < end; pat++)
    switch (*pat) {
    case '^':
    case '$':
    case '*':
    case '+':
    case '?':
    case '.':
    case '(':
    case '[':
    case '%':
    case '-':
      return false;
    default:
      break;
    }
  return true;
}

/* ---------------------------------------------------------------- sets --- */

/* The end of the set that begins at |p|, or NULL. */
static const char *set_end(const struct match *m, const char *p) {
  p++;
  if (*p == '^')
    p++;
  do { /* the first one is an element, also if it is ']' */
    if (p == m->pat_end)
      return NULL;
    if (*p++ == ESC && p < m->pat_end)
      p++;
  } while (*p != ']');
  return p + 1;
}

/* |ec|: the closing ']'. */
static bool in_set_text(unsigned c, const char *p, const char *ec) {
  bool in = true;
  if (p[1] == '^') {
    in = false;
    p++;
  }
  while (++p < ec) {
    if (*p == ESC) {
      p++;
      if (in_class(c, uchar(*p)))
        return in;
    } else if (p[1] == '-' && p + 2 < ec) {
      p += 2;
      if (uchar(p[-2]) <= c && c <= uchar(*p))
        return in;
    } else if (uchar(*p) == c) {
      return in;
    }
  }
  return !in;
}

static void set_fill(struct match_set *set) {
  const char *p = set->p, *ec = set->ep - 1;
  bool inverse = p[1] == '^';
  memset(set->bits, 0, sizeof set->bits);
  p += inverse;
  while (++p < ec) {
    unsigned lo = uchar(*p), hi = lo;
    if (*p == ESC) {
      p++;
      for (unsigned c = 0; c < 256; c++)
        if (in_class(c, uchar(*p)))
          set->bits[c >> 5] |= UINT32_C(1) << (c & 31);
      continue;
    }
    if (p[1] == '-' && p + 2 < ec) {
      p += 2;
      hi = uchar(*p);
    }
    for (unsigned c = lo; c <= hi; c++)
      set->bits[c >> 5] |= UINT32_C(1) << (c & 31);
  }
  if (inverse)
    for (int i = 0; i < 8; i++)
      set->bits[i] = ~set->bits[i];
  set->ready = true;
}

static inline bool in_bits(const struct match_set *set, unsigned c) {
  return (set->bits[c >> 5] >> (c & 31)) & 1;
}

static inline struct match_set *set_slot(struct match *m, const char *p) {
  return &m->sets[(uintptr_t)p & (MATCH_SETS - 1)];
}

static bool in_set(struct match *m, unsigned c, const char *p, const char *ep) {
  struct match_set *set = set_slot(m, p);
  if (set->p != p) {
    set->p = p;
    set->ep = ep;
    set->uses = 0;
    set->ready = false;
  }
  if (set->ready)
    return in_bits(set, c);
  m->budget -= (int)((ep - p) >> 3 > STEPS ? STEPS : (ep - p) >> 3);
  if (++set->uses > SET_USES) {
    set_fill(set);
    return in_bits(set, c);
  }
  return in_set_text(c, p, ep - 1);
}

/* --------------------------------------------------------- single items --- */

/* The end of the item at |p|, which is not the pattern's end. */
static inline const char *item_end(struct match *m, const char *p) {
  if (*p == ESC) {
    if (p + 1 == m->pat_end)
      luaL_error(m->L, "malformed pattern (ends with '%%')");
    return p + 2;
  }
  if (*p == '[') {
    struct match_set *set = set_slot(m, p);
    const char *ep;
    if (set->p == p)
      return set->ep;
    ep = set_end(m, p);
    if (!ep)
      luaL_error(m->L, "malformed pattern (missing ']')");
    set->p = p;
    set->ep = ep;
    set->uses = 0;
    set->ready = false;
    m->budget -= (int)((ep - p) >> 3 > STEPS ? STEPS : (ep - p) >> 3);
    return ep;
  }
  return p + 1;
}

static inline bool single(struct match *m, const char *s, const char *p,
                          const char *ep) {
  unsigned c;
  if (s >= m->src_end)
    return false;
  c = uchar(*s);
  switch (*p) {
  case '.':
    return true;
  case ESC:
    return in_class(c, uchar(p[1]));
  case '[':
    return in_set(m, c, p, ep);
  default:
    return uchar(*p) == c;
  }
}

/* The first byte of s..end that is not the item. */
static const char *span(struct match *m, const char *s, const char *end,
                        const char *p, const char *ep) {
  switch (*p) {
  case '.':
    return end;
  case ESC: {
    unsigned cl = uchar(p[1]), mask = class_mask(cl);
    if (mask == 0)
      while (s < end && uchar(*s) == cl)
        s++;
    else if (cl & 0x20)
      while (s < end && (classes[uchar(*s)] & mask) != 0)
        s++;
    else
      while (s < end && (classes[uchar(*s)] & mask) == 0)
        s++;
    return s;
  }
  case '[': {
    struct match_set *set = set_slot(m, p);
    while (s < end && in_set(m, uchar(*s), p, ep)) {
      s++;
      if (set->ready)
        while (s < end && in_bits(set, uchar(*s)))
          s++;
    }
    return s;
  }
  default:
    while (s < end && *s == *p)
      s++;
    return s;
  }
}

/* The first byte of s..end that is the item, or |end|. */
static const char *skip(struct match *m, const char *s, const char *end,
                        const char *p, const char *ep) {
  switch (*p) {
  case '.':
    return s;
  case ESC: {
    unsigned cl = uchar(p[1]), mask = class_mask(cl);
    if (mask == 0) {
      const char *found = memchr(s, (int)cl, (size_t)(end - s));
      return found ? found : end;
    }
    if (cl & 0x20)
      while (s < end && (classes[uchar(*s)] & mask) == 0)
        s++;
    else
      while (s < end && (classes[uchar(*s)] & mask) != 0)
        s++;
    return s;
  }
  case '[': {
    struct match_set *set = set_slot(m, p);
    while (s < end && !in_set(m, uchar(*s), p, ep)) {
      s++;
      if (set->ready)
        while (s < end && !in_bits(set, uchar(*s)))
          s++;
    }
    return s;
  }
  default: {
    const char *found = memchr(s, *p, (size_t)(end - s));
    return found ? found : end;
  }
  }
}

/* -------------------------------------------------------------- frames --- */

static void more_frames(struct match *m) {
  struct match_frame *frames;
  if (m->nframes >= MATCH_DEPTH - 1)
    luaL_error(m->L, "pattern too complex");
  luaL_checkstack(m->L, 1, NULL);
  frames = lua_newuserdatauv(m->L, MATCH_DEPTH * sizeof *frames, 0);
  memcpy(frames, m->frames, m->nframes * sizeof *frames);
  m->frames = frames;
  m->max_frames = MATCH_DEPTH - 1;
}

static inline struct match_frame *push(struct match *m, int kind, const char *s,
                                       const char *p) {
  struct match_frame *f;
  if (m->nframes >= m->max_frames)
    more_frames(m);
  f = &m->frames[m->nframes++];
  f->kind = (short)kind;
  f->next = NEXT_UNKNOWN;
  f->s = s;
  f->p = p;
  return f;
}

/* What the rest of the pattern from |p| on must begin with.  Asked only after
 * that rest was tried and failed: its brackets are known to be in order. */
static short next_byte(const struct match *m, const char *p) {
  while (*p == '(' || *p == ')')
    p++;
  if (p >= m->pat_end || memchr("^$*+?.[%-", *p, 9))
    return NEXT_ANY;
  return p[1] == '*' || p[1] == '?' || p[1] == '-' ? NEXT_ANY
                                                   : (short)uchar(*p);
}

/* One repetition fewer of a greedy item: false when there is none. */
static bool shorten(struct match *m, struct match_frame *f) {
  if (f->n == 0)
    return false;
  f->n--;
  if (f->next == NEXT_UNKNOWN)
    f->next = next_byte(m, f->p);
  if (f->next != NEXT_ANY) {
    ptrdiff_t floor = f->n > PIECE ? f->n - PIECE : 0, from = f->n;
    const char *s = f->s;
    short next = f->next;
    ptrdiff_t n = f->n;
    while (n > floor && uchar(s[n]) != (unsigned)next)
      n--;
    f->n = n;
    m->budget -= (int)((from - n) >> 3);
  }
  return true;
}

/* One repetition more of a lazy one. */
static bool lengthen(struct match *m, struct match_frame *f) {
  const char *ep = f->p - 1, *s = f->s, *limit;
  if (!single(m, s, f->item, ep))
    return false;
  s++;
  if (f->next == NEXT_UNKNOWN)
    f->next = next_byte(m, f->p);
  if (f->next != NEXT_ANY) {
    if (*f->item == '.') {
      s = memchr(s, f->next, (size_t)(m->src_end - s));
      if (!s)
        return false;
      m->budget -= (s - f->s) >> 6 > STEPS ? STEPS : (int)((s - f->s) >> 6);
    } else {
      limit = m->src_end - s > PIECE ? s + PIECE : m->src_end;
      while (s < limit && uchar(*s) != (unsigned)f->next &&
             single(m, s, f->item, ep))
        s++;
      m->budget -= (int)((s - f->s) >> 2);
    }
  }
  f->s = s;
  return true;
}

/* ------------------------------------------------------------ balanced --- */

/* A %b that fails has seen the rest of the subject for nothing, and the next
 * one may again.  One look at all of it, from the end, tells which of the
 * opening bytes have no partner. */
static void find_unmatched(struct match *m, char open, char close) {
  size_t n = (size_t)(m->src_end - m->src), closed = 0;
  if (!m->unmatched) {
    luaL_checkstack(m->L, 1, NULL);
    m->unmatched = lua_newuserdatauv(m->L, n / 8 + 1, 0);
  }
  memset(m->unmatched, 0, n / 8 + 1);
  m->balance[0] = open;
  m->balance[1] = close;
  while (n-- > 0) {
    if (m->src[n] == close)
      closed++;
    else if (m->src[n] == open && closed > 0)
      closed--;
    else if (m->src[n] == open)
      m->unmatched[n >> 3] |= (uint8_t)(1u << (n & 7));
  }
}

/* %bxy at |s|, which is x: MATCH_YES with the end in |m->end|. */
static enum match_result balance(struct match *m, const char *s, char open,
                                 char close) {
  const char *at = s + 1, *limit;
  ptrdiff_t count = 1;
  size_t i = (size_t)(s - m->src);
  if (m->done > 0) {
    at = s + m->done;
    count = m->open;
    m->done = 0;
  } else if (m->unmatched && m->balance[0] == open && m->balance[1] == close &&
             (m->unmatched[i >> 3] >> (i & 7)) & 1) {
    return MATCH_NO;
  }
  limit = m->src_end - at > PIECE ? at + PIECE : m->src_end;
  m->budget -= (int)((limit - at) >> 3);
  for (; at < limit; at++) {
    if (*at == close) {
      if (--count == 0) {
        m->end = at + 1;
        m->budget += (int)((limit - at) >> 3);
        return MATCH_YES;
      }
    } else if (*at == open) {
      count++;
    }
  }
  if (at < m->src_end) {
    m->done = at - s;
    m->open = count;
    return MATCH_PAUSED;
  }
  if (at - s >= BALANCE_MIN && open != close &&
      !(m->unmatched && m->balance[0] == open && m->balance[1] == close))
    find_unmatched(m, open, close);
  return MATCH_NO;
}

/* ------------------------------------------------------------ captures --- */

static unsigned check_capture(struct match *m, unsigned digit) {
  int l = (int)digit - '1';
  if (l < 0 || (unsigned)l >= m->level || m->capture[l].len == CAP_UNFINISHED)
    luaL_error(m->L, "invalid capture index %%%d", l + 1);
  return (unsigned)l;
}

static unsigned capture_to_close(struct match *m) {
  for (unsigned level = m->level; level-- > 0;)
    if (m->capture[level].len == CAP_UNFINISHED)
      return level;
  return (unsigned)luaL_error(m->L, "invalid pattern capture");
}

bool match_capture(struct match *m, unsigned i, const char **ret,
                   size_t *ret_len) {
  ptrdiff_t len;
  if (i >= m->level) {
    if (i != 0)
      luaL_error(m->L, "invalid capture index %%%d", (int)i + 1);
    *ret = m->start;
    *ret_len = (size_t)(m->end - m->start);
    return true;
  }
  len = m->capture[i].len;
  if (len == CAP_UNFINISHED)
    luaL_error(m->L, "unfinished capture");
  if (len == CAP_POSITION) {
    lua_pushinteger(m->L, (m->capture[i].init - m->src) + 1);
    return false;
  }
  *ret = m->capture[i].init;
  *ret_len = (size_t)len;
  return true;
}

void match_push_capture(struct match *m, unsigned i) {
  const char *p;
  size_t len;
  if (match_capture(m, i, &p, &len))
    lua_pushlstring(m->L, p, len);
}

int match_push_captures(struct match *m, bool whole) {
  unsigned n = m->level == 0 && whole ? 1 : m->level;
  if (n > 8) /* every C function has room for more than that */
    luaL_checkstack(m->L, (int)n, "too many captures");
  for (unsigned i = 0; i < n; i++)
    match_push_capture(m, i);
  return (int)n;
}

/* ------------------------------------------------------------ matching --- */

static enum match_result pause_at(struct match *m, const char *s,
                                  const char *p) {
  m->s = s;
  m->p = p;
  m->budget = STEPS;
  return MATCH_PAUSED;
}

/* Tries to match at |m->s| what is left of the pattern at |m->p|. */
static enum match_result run(struct match *m) {
  const char *s = m->s, *p = m->p, *ep, *stop;
  struct match_frame *f;
  unsigned l;

  for (;;) {
    if (--m->budget < 0)
      return pause_at(m, s, p);
    if (p == m->pat_end) {
      m->end = s;
      return MATCH_YES;
    }
    switch (*p) {
    case '(':
      if (m->level >= MATCH_CAPTURES)
        luaL_error(m->L, "too many captures");
      m->capture[m->level].init = s;
      m->capture[m->level].len = p[1] == ')' ? CAP_POSITION : CAP_UNFINISHED;
      p += p[1] == ')' ? 2 : 1;
      m->level++;
      push(m, FRAME_OPEN, s, p);
      continue;
    case ')':
      l = capture_to_close(m);
      m->capture[l].len = s - m->capture[l].init;
      push(m, FRAME_CLOSE, s, p)->n = (ptrdiff_t)l;
      p++;
      continue;
    case '$':
      if (p + 1 != m->pat_end)
        break;
      if (s != m->src_end)
        goto fail;
      m->end = s;
      return MATCH_YES;
    case ESC:
      switch (p[1]) {
      case 'b':
        if (p + 3 >= m->pat_end)
          luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
        if (s == m->src_end || *s != p[2])
          goto fail;
        switch (balance(m, s, p[2], p[3])) {
        case MATCH_NO:
          goto fail;
        case MATCH_PAUSED:
          return pause_at(m, s, p);
        case MATCH_YES:
          break;
        }
        s = m->end;
        p += 4;
        continue;
      case 'f': {
        unsigned before = s == m->src ? 0 : uchar(s[-1]);
        p += 2;
        if (*p != '[')
          luaL_error(m->L, "missing '[' after '%%f' in pattern");
        ep = item_end(m, p);
        /* the byte behind the end is the NUL that ends every string of Lua */
        if (in_set(m, before, p, ep) || !in_set(m, uchar(*s), p, ep))
          goto fail;
        p = ep;
        continue;
      }
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9': {
        size_t len;
        l = check_capture(m, uchar(p[1]));
        len = (size_t)m->capture[l].len; /* a position's is too long */
        if ((size_t)(m->src_end - s) < len)
          goto fail;
        m->budget -= len >> 6 > STEPS ? STEPS : (int)(len >> 6);
        if (memcmp(m->capture[l].init, s, len) != 0)
          goto fail;
        s += len;
        p += 2;
        continue;
      }
      default:
        break;
      }
      break;
    default:
      break;
    }

    /* an item and how often it may come */
    ep = item_end(m, p);
    switch (*ep) {
    case '?':
      if (single(m, s, p, ep)) {
        push(m, FRAME_OPTION, s, ep + 1);
        s++;
      }
      p = ep + 1;
      continue;
    case '-':
      if (single(m, s, p, ep))
        push(m, FRAME_MIN, s, ep + 1)->item = p;
      p = ep + 1;
      continue;
    case '*':
    case '+':
      stop = m->src_end;
      if (*p != '.' && stop - s - m->done > PIECE)
        stop = s + m->done + PIECE;
      stop = span(m, s + m->done, stop, p, ep);
      if (*p != '.') {
        m->budget -= (int)((stop - s - m->done) >> 3);
        if (stop - s - m->done == PIECE && stop < m->src_end) {
          m->done = stop - s;
          return pause_at(m, s, p);
        }
        m->done = 0;
      }
      if (stop == s) {
        if (*ep == '+')
          goto fail;
        p = ep + 1;
        continue;
      }
      f = push(m, FRAME_MAX, *ep == '+' ? s + 1 : s, ep + 1);
      f->n = stop - f->s;
      s = stop;
      p = ep + 1;
      continue;
    default:
      if (!single(m, s, p, ep))
        goto fail;
      s++;
      p = ep;
      continue;
    }

  fail:
    for (;;) {
      if (m->nframes == 0)
        return MATCH_NO;
      f = &m->frames[m->nframes - 1];
      if (f->kind == FRAME_MAX && shorten(m, f)) {
        s = f->s + f->n;
        p = f->p;
        break;
      }
      if (f->kind == FRAME_MIN && lengthen(m, f)) {
        s = f->s;
        p = f->p;
        break;
      }
      m->nframes--;
      if (f->kind == FRAME_OPTION) {
        s = f->s;
        p = f->p;
        break;
      }
      if (f->kind == FRAME_OPEN)
        m->level--;
      else if (f->kind == FRAME_CLOSE)
        m->capture[f->n].len = CAP_UNFINISHED;
    }
  }
}

/* ----------------------------------------------------------- searching --- */

/* What every match begins with, where that is easily seen.  Nothing before it
 * can raise, and it is no mistake itself. */
static void find_first(struct match *m) {
  const char *p = m->pat, *ep;
  for (int i = 0; i < 4 && *p == '('; i++)
    p += p[1] == ')' ? 2 : 1;
  if (p >= m->pat_end)
    return;
  switch (*p) {
  case '(':
  case ')':
  case '.':
  case '$':
    return;
  case ESC:
    if (p + 1 == m->pat_end || p[1] == 'f' || (classes[uchar(p[1])] & DG) != 0)
      return;
    if (p[1] == 'b') {
      if (p + 3 < m->pat_end && !memchr(".%[", p[2], 3)) {
        m->first = p + 2;
        m->first_end = p + 3;
      }
      return;
    }
    ep = p + 2;
    break;
  case '[':
    ep = set_end(m, p);
    if (!ep)
      return;
    break;
  default:
    ep = p + 1;
  }
  if (*ep == '*' || *ep == '?' || *ep == '-')
    return;
  m->first = p;
  m->first_end = ep;
}

void match_init(struct match *m, lua_State *L, const char *src, size_t srclen,
                const char *pat, size_t patlen, bool anchor) {
  m->L = L;
  m->src = src;
  m->src_end = src + srclen;
  m->pat = pat;
  m->pat_end = pat + patlen;
  m->anchor = anchor;
  m->start = src;
  m->last = NULL;
  m->end = NULL;
  m->first = NULL;
  m->done = 0;
  m->budget = STEPS;
  m->level = 0;
  m->paused = false;
  m->unmatched = NULL;
  for (int i = 0; i < MATCH_SETS; i++)
    m->sets[i].p = NULL;
  m->nframes = 0;
  m->max_frames = MATCH_FRAMES_INLINE;
  m->frames = m->inline_frames;
  if (!anchor)
    find_first(m);
}

void match_moved(struct match *m, const struct match *from) {
  if (m->frames == from->inline_frames)
    m->frames = m->inline_frames;
}

enum match_result match_next(struct match *m) {
  enum match_result rv;
  for (;;) {
    if (!m->paused) {
      if (m->budget < 0) { /* many short tries are work too */
        m->budget = STEPS;
        return MATCH_PAUSED;
      }
      if (m->first) {
        const char *end = m->src_end - m->start > PIECE * 4
                              ? m->start + PIECE * 4
                              : m->src_end;
        const char *s = skip(m, m->start, end, m->first, m->first_end);
        m->budget -= (int)((s - m->start) >> 4);
        m->start = s;
        if (s == m->src_end)
          return MATCH_NO;
        if (s == end)
          continue;
      }
      m->s = m->start;
      m->p = m->pat;
      m->level = 0;
      m->nframes = 0;
    }
    m->paused = false;
    rv = run(m);
    if (rv == MATCH_PAUSED) {
      m->paused = true;
      return rv;
    }
    if (rv == MATCH_YES && m->end != m->last)
      return rv;
    if (m->anchor || m->start >= m->src_end)
      return MATCH_NO;
    m->start++;
  }
}
