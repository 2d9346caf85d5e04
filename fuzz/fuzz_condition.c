/* fuzz_condition.c - lines: a field, an operator, a value as JSON or "@" and
 * another field, and a JSON object {"actor": ..., "meta": ..., "url": ...}: it
 * is refused with a message, or comes to the same outcome twice, and the
 * opposite operator to the opposite one. */
#include <stdint.h>
#include <stdlib.h>

#include "policy/condition.h"
#include "runtime/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_MAX ((size_t)64 << 20)

static void need(bool ok) {
  if (!ok)
    abort();
}

static struct slice line(struct slice *rest) {
  const char *end = rest->len ? memchr(rest->p, '\n', rest->len) : NULL;
  struct slice s = *rest;

  if (end) {
    s.len = (size_t)(end - s.p);
    *rest = (struct slice){end + 1, rest->len - s.len - 1};
  } else {
    *rest = (struct slice){"", 0};
  }
  return s;
}

static int make(struct condition *c, const struct slice *lines,
                enum condition_op op, struct regex_pool *regexes,
                struct arena *a, struct err *e) {
  struct value v;
  int rv;

  memset(c, 0, sizeof *c);
  c->op = op;
  e->message[0] = '\0';
  if ((rv = field_parse(&c->field, lines[0], a, e)) != 0)
    return rv;
  if (lines[2].len && lines[2].p[0] == '@')
    return condition_set_value_from(
        c, (struct slice){lines[2].p + 1, lines[2].len - 1}, a, e);
  if (!lines[2].len)
    return condition_set_value(c, NULL, regexes, a, e);
  if ((rv = json_parse(&v, lines[2], a, e)) != 0)
    return rv;
  return condition_set_value(c, &v, regexes, a, e);
}

static enum outcome eval(const struct condition *c, const struct facts *facts) {
  struct fault first, second;
  enum outcome o = condition_eval(c, facts, &first);
  struct buf out;

  need(o == condition_eval(c, facts, &second));
  need((o == OUTCOME_ERROR) == (first.kind != FAULT_NONE));
  need(first.kind == second.kind);
  buf_init(&out, &mem_libc, (size_t)1 << 20);
  if (o == OUTCOME_ERROR)
    need(fault_write(&first, &out) == 0 && out.len > 0);
  need(condition_write_miss(c, facts, &out) == 0 && out.len > 0);
  for (size_t i = 0; i < out.len; i++)
    need(buf_bytes(&out)[i] >= 0x20);
  buf_deinit(&out);
  return o;
}

/* The operator that is true where |op| is false. */
static enum condition_op opposite(enum condition_op op) {
  switch (op) {
  case CONDITION_LT:
    return CONDITION_GTE;
  case CONDITION_GTE:
    return CONDITION_LT;
  case CONDITION_GT:
    return CONDITION_LTE;
  case CONDITION_LTE:
    return CONDITION_GT;
  case CONDITION_EQ:
  case CONDITION_IN:
  case CONDITION_EXISTS:
  case CONDITION_CONTAINS:
  case CONDITION_MATCHES:
    return (enum condition_op)(op + 1);
  case CONDITION_NE:
  case CONDITION_NIN:
  case CONDITION_NEXISTS:
  case CONDITION_NCONTAINS:
  case CONDITION_NMATCHES:
    break;
  }
  return (enum condition_op)(op - 1);
}

static void try_condition(const struct slice *lines, const struct facts *facts,
                          struct arena *a) {
  struct regex_pool regexes = {NULL};
  struct condition c, other;
  enum condition_op op;
  struct err e;

  if (condition_op_find(lines[1], &op) != 0)
    return;
  if (make(&c, lines, op, &regexes, a, &e) != 0) {
    need(e.message[0]);
  } else {
    enum outcome x = eval(&c, facts), y;
    need(make(&other, lines, opposite(op), &regexes, a, &e) == 0);
    y = eval(&other, facts);
    need(x == OUTCOME_ERROR ? y == x : y != OUTCOME_ERROR && x != y);
  }
  regex_pool_deinit(&regexes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct url url;
  struct slice rest = {(const char *)data, size}, lines[3];
  struct facts facts = {.actor_id = SLICE("user:1"),
                        .action = SLICE("read"),
                        .resource = SLICE("document:1")};
  struct account account;
  struct value request;
  struct arena a;
  struct mem m;

  for (size_t i = 0; i < 3; i++)
    lines[i] = line(&rest);
  account_init(&account, &mem_libc, MEMORY_MAX);
  m = account_mem(&account);
  arena_init(&a, &m, SIZE_MAX);
  if (json_parse(&request, rest, &a, NULL) == 0) {
    const struct value *text = value_get(&request, SLICE("url"));
    facts.actor_meta = value_get(&request, SLICE("actor"));
    facts.meta = value_get(&request, SLICE("meta"));
    if (text && text->type == VALUE_STRING &&
        url_parse(&url, text->as.string, NULL, NULL) == 0)
      facts.url = &url;
  }
  try_condition(lines, &facts, &a);
  arena_deinit(&a);
  need(account.used == 0);
  return 0;
}
