/* fuzz_expr.c - an expression and, behind a line "---", a JSON object
 * {"actor": ..., "meta": ..., "url": ...} to ask it about: it compiles or has a
 * place where it is wrong, comes to the same outcome twice, and its negation to
 * the opposite. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/expr.h"
#include "runtime/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_MAX ((size_t)64 << 20)

static void need(bool ok) {
  if (!ok)
    abort();
}

struct world {
  struct arena arena;
  struct regex_pool regexes;
  struct value request;
  struct facts facts;
  struct url url;
};

static void printable(const struct buf *b) {
  for (size_t i = 0; i < b->len; i++)
    need(buf_bytes(b)[i] >= 0x20);
}

static enum outcome eval(const struct world *w, const struct expr *x) {
  struct fault first, second;
  enum outcome o = expr_eval(x, &w->facts, &first);
  struct buf out;

  need(o == expr_eval(x, &w->facts, &second));
  need((o == OUTCOME_ERROR) == (first.kind != FAULT_NONE));
  need(first.kind == second.kind && first.column == second.column);
  buf_init(&out, &mem_libc, (size_t)1 << 20);
  if (o == OUTCOME_ERROR) {
    need(first.column > 0);
    need(fault_write(&first, &out) == 0 && out.len > 0);
  }
  need(expr_write_miss(x, &w->facts, &out) == 0);
  printable(&out);
  buf_deinit(&out);
  return o;
}

/* |before| the expression |behind|, where that is not too long or too deep */
static void relate(struct world *w, struct slice text, const char *before,
                   const char *behind, enum outcome want) {
  const struct expr *x;
  struct buf b;
  struct err e;

  buf_init(&b, &w->arena.mem, EXPR_MAX_BYTES * 2);
  need(buf_adds(&b, before) == 0 && buf_add(&b, text.p, text.len) == 0 &&
       buf_adds(&b, behind) == 0);
  if (expr_compile(&x, buf_slice(&b), (struct expr_place){1, 1}, &w->regexes,
                   &w->arena, &e) == 0)
    need(eval(w, x) == want);
  else
    need(text.len + 16 > EXPR_MAX_BYTES || strstr(e.message, "too large") ||
         strstr(e.message, "too deeply"));
  buf_deinit(&b);
}

static void try_expr(struct world *w, struct slice text) {
  const struct expr *x = NULL;
  struct err e;
  enum outcome o;
  int rv = expr_compile(&x, text, (struct expr_place){1, 1}, &w->regexes,
                        &w->arena, &e);

  need(rv == 0 || rv == ERR_SYNTAX);
  if (rv != 0) {
    need(!x && e.column > 0 && e.column <= text.len + 1 && e.message[0]);
    return;
  }
  o = eval(w, x);
  relate(w, text, "(", ")", o);
  relate(w, text, "(", ") and true", o);
  relate(w, text, "false or (", ")", o);
  relate(w, text, "!(", ")",
         o == OUTCOME_ERROR  ? o
         : o == OUTCOME_TRUE ? OUTCOME_FALSE
                             : OUTCOME_TRUE);
}

static void set_request(struct world *w, struct slice json) {
  const struct value *url;

  w->facts = (struct facts){.actor_id = SLICE("user:1"),
                            .action = SLICE("read"),
                            .resource = SLICE("document:1")};
  if (json_parse(&w->request, json, &w->arena, NULL) != 0)
    return;
  w->facts.actor_meta = value_get(&w->request, SLICE("actor"));
  w->facts.meta = value_get(&w->request, SLICE("meta"));
  url = value_get(&w->request, SLICE("url"));
  if (url && url->type == VALUE_STRING &&
      url_parse(&w->url, url->as.string, NULL, NULL) == 0)
    w->facts.url = &w->url;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct world w;
  struct slice text = {(const char *)data, size}, json = {"", 0};
  const char *cut = size ? memmem(data, size, "\n---\n", 5) : NULL;
  struct account account;
  struct mem m;

  if (cut) {
    text.len = (size_t)(cut - text.p);
    json = (struct slice){cut + 5, size - text.len - 5};
  }
  account_init(&account, &mem_libc, MEMORY_MAX);
  m = account_mem(&account);
  w.regexes.newest = NULL;
  arena_init(&w.arena, &m, SIZE_MAX);
  set_request(&w, json);
  try_expr(&w, text);
  regex_pool_deinit(&w.regexes);
  arena_deinit(&w.arena);
  need(account.used == 0);
  return 0;
}
