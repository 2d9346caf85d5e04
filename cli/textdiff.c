/* textdiff.c - what differs between two texts, line by line. */
#include "cli/textdiff.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTEXT 3
#define FAR 400               /* lines to look ahead, in both texts together */
#define COMPARISONS 50000000u /* in all */

struct line {
  const char *p;
  size_t len; /* with its newline, if it has one */
  uint64_t hash;
};

struct side {
  struct line *lines;
  size_t n;
};

/* A line that stays (from both sides), goes or comes. */
struct step {
  char sign; /* ' ', '-', '+' */
  const struct line *line;
  size_t was, is; /* lines of each side before it */
};

struct differ {
  struct side was, is;
  struct step *steps;
  size_t nsteps;
  size_t left; /* comparisons */
};

static struct side split(const char *text, size_t len) {
  struct side s = {0};
  size_t cap = 1;
  for (size_t i = 0; i < len; i++)
    cap += text[i] == '\n';
  s.lines = must_alloc(cap, sizeof *s.lines);
  while (len > 0) {
    const char *nl = memchr(text, '\n', len);
    size_t n = nl ? (size_t)(nl - text) + 1 : len;
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
      h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    s.lines[s.n++] = (struct line){text, n, h};
    text += n;
    len -= n;
  }
  return s;
}

static bool same(struct differ *d, size_t i, size_t k) {
  const struct line *a = &d->was.lines[i], *b = &d->is.lines[k];
  if (d->left > 0)
    d->left--;
  return a->hash == b->hash && a->len == b->len &&
         memcmp(a->p, b->p, a->len) == 0;
}

static void step(struct differ *d, char sign, size_t was, size_t is) {
  d->steps[d->nsteps++] = (struct step){
      sign, sign == '+' ? &d->is.lines[is] : &d->was.lines[was], was, is};
}

/* The nearest place behind |i| and |k| where the texts agree again, if there is
 * one near enough; an empty line is no agreement. */
static bool meet(struct differ *d, size_t *i, size_t *k) {
  for (size_t far = 1; far <= FAR && d->left > 0; far++)
    for (size_t a = 0; a <= far; a++) {
      size_t was = *i + a, is = *k + far - a;
      if (was < d->was.n && is < d->is.n && d->was.lines[was].len > 1 &&
          same(d, was, is)) {
        *i = was;
        *k = is;
        return true;
      }
    }
  return false;
}

static void compare(struct differ *d) {
  size_t i = 0, k = 0;
  while (i < d->was.n || k < d->is.n) {
    size_t was = i, is = k;
    if (i < d->was.n && k < d->is.n && same(d, i, k)) {
      step(d, ' ', i++, k++);
      continue;
    }
    if (!meet(d, &was, &is)) {
      was = i + (i < d->was.n);
      is = k + (k < d->is.n);
    }
    for (size_t from = i; from < was; from++)
      step(d, '-', from, k);
    for (size_t from = k; from < is; from++)
      step(d, '+', was, from);
    i = was;
    k = is;
  }
}

static void print_line(struct out *o, const struct step *s, bool visible) {
  const struct line *l = s->line;
  out_add(o, &s->sign, 1);
  if (visible)
    out_visible(o, l->p, l->len);
  else
    out_add(o, l->p, l->len);
  if (l->p[l->len - 1] != '\n')
    out_text(o, "\n\\ No newline at end of file\n");
}

/* "12,3"; of no lines the one before */
static const char *range(char out[48], size_t before, size_t n) {
  snprintf(out, 48, "%zu,%zu", before + (n > 0), n);
  return out;
}

static void print_hunk(struct out *o, const struct step *s, size_t n,
                       bool visible) {
  size_t was = 0, is = 0;
  char a[48], b[48], head[128];
  for (size_t i = 0; i < n; i++) {
    was += s[i].sign != '+';
    is += s[i].sign != '-';
  }
  snprintf(head, sizeof head, "@@ -%s +%s @@\n", range(a, s->was, was),
           range(b, s->is, is));
  out_text(o, head);
  for (size_t i = 0; i < n; i++)
    print_line(o, &s[i], visible);
}

static void print_hunks(struct out *o, const struct differ *d) {
  bool visible = isatty(o->fd);
  size_t i = 0;
  while (i < d->nsteps) {
    size_t from, end, calm = 0;
    while (i < d->nsteps && d->steps[i].sign == ' ')
      i++;
    if (i == d->nsteps)
      return;
    from = i > CONTEXT ? i - CONTEXT : 0;
    for (end = i; i < d->nsteps && calm <= 2 * CONTEXT; i++) {
      calm = d->steps[i].sign == ' ' ? calm + 1 : 0;
      if (calm == 0)
        end = i + 1;
    }
    end = d->nsteps - end > CONTEXT ? end + CONTEXT : d->nsteps;
    print_hunk(o, d->steps + from, end - from, visible);
    i = end;
  }
}

static void print_name(struct out *o, const char *sign, const char *path) {
  out_text(o, sign);
  out_one_line(o, path, strlen(path));
  out_text(o, "\n");
}

void textdiff_print(struct out *o, const char *path, const char *was,
                    size_t was_len, const char *is, size_t is_len) {
  struct differ d = {.left = COMPARISONS};
  if (was_len == is_len && memcmp(was, is, is_len) == 0)
    return;
  d.was = split(was, was_len);
  d.is = split(is, is_len);
  d.steps = must_alloc(d.was.n + d.is.n + 1, sizeof *d.steps);
  compare(&d);
  print_name(o, "--- ", path);
  print_name(o, "+++ ", path);
  print_hunks(o, &d);
  free(d.steps);
  free(d.was.lines);
  free(d.is.lines);
}
