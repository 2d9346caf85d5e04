/* options.c - options and their values, read strictly. */
#include "cli/options.h"

#include "cli/print.h"

#include <string.h>

/* ------------------------------------------------------------- nearest --- */

#define WORD_MAX 40

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Optimal string alignment: insert, drop, change or swap neighbours. */
static size_t distance(const char *a, size_t alen, const char *b, size_t blen) {
  size_t d[WORD_MAX + 1][WORD_MAX + 1];
  for (size_t i = 0; i <= alen; i++)
    d[i][0] = i;
  for (size_t j = 0; j <= blen; j++)
    d[0][j] = j;
  for (size_t i = 1; i <= alen; i++)
    for (size_t j = 1; j <= blen; j++) {
      size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      best = least(best, least(d[i - 1][j], d[i][j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = least(best, d[i - 2][j - 2] + 1);
      d[i][j] = best;
    }
  return d[alen][blen];
}

const char *nearest(const char *text, const char *const *words) {
  size_t len = strlen(text), best = 0;
  const char *found = NULL;
  if (len > WORD_MAX)
    return NULL;
  for (; *words; words++) {
    size_t wlen = strlen(*words);
    size_t n;
    if (wlen > WORD_MAX)
      continue;
    n = distance(text, len, *words, wlen);
    if (n > (wlen < 4 ? 1u : wlen / 3 + 1) || n >= wlen)
      continue;
    if (!found || n < best) {
      found = *words;
      best = n;
    }
  }
  return found;
}

/* ------------------------------------------------------------- options --- */

static int option_unknown(const struct options *o, const char *name) {
  const char *names[OPTIONS_MAX + 2];
  size_t n = 0;
  const char *near;
  for (const struct option *t = o->table; t->name; t++)
    if (!t->later)
      names[n++] = t->name;
  names[n++] = "help";
  names[n] = NULL;
  near = nearest(name, names);
  if (near)
    say_usage(o->command, "unknown option '--%s', did you mean '--%s'?", name,
              near);
  else
    say_usage(o->command, "unknown option '--%s'", name);
  return OPTION_BAD;
}

/* What holds for an option however it was written. */
static int option_take(struct options *o, size_t i, const char *value,
                       const char **ret_value) {
  const struct option *t = &o->table[i];
  if (t->later) {
    say_usage(o->command, "option '--%s' is not in this version", t->name);
    return OPTION_BAD;
  }
  if (o->seen[i] && !t->repeats) {
    say_usage(o->command, "option '--%s' is given twice", t->name);
    return OPTION_BAD;
  }
  if (t->value && !value) {
    value = o->at < o->argc ? o->argv[o->at] : NULL;
    if (!value || (value[0] == '-' && value[1] != '\0')) {
      say_usage(o->command, "option '--%s' needs a value: --%s=%s", t->name,
                t->name, t->value);
      return OPTION_BAD;
    }
    o->at++;
  }
  o->seen[i] = true;
  *ret_value = value;
  return (int)i;
}

static int option_long(struct options *o, const char *word,
                       const char **ret_value) {
  const char *equals = strchr(word, '=');
  size_t len = equals ? (size_t)(equals - word) : strlen(word);
  char name[WORD_MAX + 1];
  for (size_t i = 0; o->table[i].name; i++) {
    const struct option *t = &o->table[i];
    if (strlen(t->name) != len || memcmp(t->name, word, len) != 0)
      continue;
    if (!t->value && equals) {
      say_usage(o->command, "option '--%s' takes no value", t->name);
      return OPTION_BAD;
    }
    return option_take(o, i, equals ? equals + 1 : NULL, ret_value);
  }
  if (len == 4 && memcmp(word, "help", 4) == 0 && !equals)
    return OPTION_HELP;
  if (len > WORD_MAX)
    len = WORD_MAX;
  memcpy(name, word, len);
  name[len] = '\0';
  return option_unknown(o, name);
}

static int option_short(struct options *o, const char **ret_value) {
  char letter = *o->cluster++;
  const char *rest = *o->cluster ? o->cluster : NULL;
  for (size_t i = 0; o->table[i].name; i++) {
    const struct option *t = &o->table[i];
    if (t->letter != letter)
      continue;
    o->cluster = t->value ? NULL : rest;
    return option_take(o, i, t->value ? rest : NULL, ret_value);
  }
  if (letter == 'h')
    return OPTION_HELP;
  say_usage(o->command, "unknown option '-%c'", letter);
  return OPTION_BAD;
}

int options_next(struct options *o, const char **ret_value) {
  const char *word;
  *ret_value = NULL;
  if (o->cluster)
    return option_short(o, ret_value);
  if (o->at >= o->argc)
    return OPTION_END;
  word = o->argv[o->at++];
  if (o->words_only || word[0] != '-' || word[1] == '\0') {
    *ret_value = word;
    return OPTION_WORD;
  }
  if (word[1] != '-') {
    o->cluster = word + 1;
    return option_short(o, ret_value);
  }
  if (word[2] == '\0') {
    o->words_only = true;
    return options_next(o, ret_value); /* once only: words_only is set */
  }
  return option_long(o, word + 2, ret_value);
}

/* -------------------------------------------------------------- values --- */

/* Digits without a leading zero at |*text|, which moves behind them. */
static bool digits(const char **text, uint64_t *ret) {
  const char *p = *text;
  uint64_t n = 0;
  if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
    return false;
  for (; *p >= '0' && *p <= '9'; p++)
    if (__builtin_mul_overflow(n, 10u, &n) ||
        __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
      return false;
  *text = p;
  *ret = n;
  return true;
}

/* The library reads 0 as "the default" and the highest as "no limit"; here
 * neither may be meant. */
static bool plain_limit(uint64_t n) {
  return n > 0 && n <= INT64_MAX;
}

bool parse_count(const char *text, uint64_t *ret) {
  uint64_t n;
  if (!digits(&text, &n) || *text != '\0' || !plain_limit(n))
    return false;
  *ret = n;
  return true;
}

struct unit {
  const char *name;
  uint64_t factor;
};

bool parse_size(const char *text, uint64_t *ret_bytes) {
  static const struct unit units[] = {
      {"", 1},           {"B", 1},     {"KiB", 1u << 10}, {"MiB", 1u << 20},
      {"GiB", 1u << 30}, {"KB", 1000}, {"MB", 1000000},   {"GB", 1000000000},
  };
  uint64_t n;
  if (!digits(&text, &n))
    return false;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (strcmp(text, units[i].name) == 0) {
      if (__builtin_mul_overflow(n, units[i].factor, &n) || !plain_limit(n))
        return false;
      *ret_bytes = n;
      return true;
    }
  return false;
}

/* "300ms": adds one number and its unit to |*ns|. */
static bool duration_part(const char **text, uint64_t *ns) {
  static const struct unit units[] = {
      {"ns", 1},
      {"us", 1000},
      {"\xc2\xb5s", 1000},
      {"ms", 1000000},
      {"s", 1000000000u},
      {"m", 60000000000u},
      {"h", 3600000000000u},
  };
  const char *fraction = NULL;
  const struct unit *unit = NULL;
  uint64_t n, whole, scale;
  size_t flen = 0;
  if (!digits(text, &n))
    return false;
  if (**text == '.') {
    fraction = ++*text;
    flen = strspn(fraction, "0123456789");
    *text += flen;
    if (flen == 0 || flen > 18)
      return false;
  }
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    size_t len = strlen(units[i].name);
    if (strncmp(*text, units[i].name, len) == 0 &&
        (!unit || len > strlen(unit->name)))
      unit = &units[i];
  }
  if (!unit)
    return false;
  *text += strlen(unit->name);
  if (__builtin_mul_overflow(n, unit->factor, &whole) || whole > INT64_MAX)
    return false; /* the fraction below cannot wrap it */
  scale = unit->factor;
  for (size_t i = 0; i < flen; i++) {
    /* digits below a nanosecond do not count */
    whole += (uint64_t)(fraction[i] - '0') * (scale / 10);
    scale /= 10;
  }
  return whole <= INT64_MAX && !__builtin_add_overflow(*ns, whole, ns) &&
         *ns <= INT64_MAX;
}

bool parse_duration(const char *text, uint64_t *ret_ms) {
  uint64_t ns = 0;
  do {
    if (!duration_part(&text, &ns))
      return false;
  } while (*text != '\0');
  if (ns == 0)
    return false;
  *ret_ms = (ns - 1) / 1000000 + 1;
  return true;
}
