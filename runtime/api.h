/* api.h - between the types of cordon.h and those inside: what api.c and
 * sandbox.c share. */
#ifndef RUNTIME_API_H
#define RUNTIME_API_H

#include "cordon/cordon.h"
#include "policy/decide.h"
#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/base/url.h"
#include "runtime/base/value.h"

int api_code(int internal);             /* ERR_ to CORDON_E_ */
int api_internal_code(int public_code); /* and back */
/* Copies |e| (with its code mapped) into |out| (may be NULL); returns the
 * mapped code. */
int api_error(cordon_error *out, const struct err *e);

/* Whom to tell of the mistakes of a file, and the first of them. */
struct api_mistakes {
  cordon_mistake_fn *fn; /* may be NULL */
  void *ud;
  struct err first; /* code 0: none yet */
};
/* For parsers; |ud| is a struct api_mistakes. */
void api_mistake(void *ud, const struct err *mistake);
/* What a function that has parsed with it returns; |rv| is the parser's. */
int api_mistakes_result(int rv, struct api_mistakes *m, cordon_error *reterr);

/* A broken argument: |what| says which. */
int api_invalid(cordon_error *out, const char *what);
/* As |public_code|, with |e|'s words. */
int api_fail_as(int public_code, cordon_error *out, const struct err *e);

struct mem api_mem(const cordon_allocator *alloc); /* may be NULL */
/* Structs that begin with their size.  Zeroes one of |size| bytes. */
void api_config_init(void *cfg, size_t size);
/* Takes over into |cfg| (|size| bytes) what both the caller and this library
 * know; |given| may be NULL.  CORDON_OK, CORDON_E_INVALID (it was not
 * initialized), CORDON_E_UNSUPPORTED (the caller is newer, and wants what it
 * knows alone) */
int api_config_take(void *cfg, size_t size, const void *given,
                    cordon_error *reterr);
/* Writes |b|, which came to |rv|, and lets it go. */
int api_write_out(struct buf *b, int rv, cordon_write_fn *write, void *ud);

struct cordon_value {
  struct value value; /* first: parts are plain struct values */
  struct arena arena;
};

/* 0 or ERR_NOMEM */
int api_value_copy(cordon_value **ret, const struct mem *m,
                   const struct value *from);
const cordon_value *api_public_value(const struct value *v);
/* A value or a part of one; NULL stays NULL. */
const struct value *api_value(const cordon_value *v);

/* |url|: the canonical URL of the request, or NULL. */
void api_decision(cordon_decision *out, const struct decision *d,
                  const struct url *url);

/* Has a script in this process a module of that name, or is there no memory to
 * find out? */
bool api_lua_has_module(const cordon_sandbox *sandbox, const char *name);

/* A request in the words of the inside.  Points into itself. */
struct api_question {
  struct request rq;
  struct actor actor;
  struct url url;
  struct ip ip;
  struct decision url_decision;
  bool has_url_decision;
};

bool api_request_ok(const cordon_request *r);
/* Of a request that is ok: 0, or ERR_INVALID with |e| and, for a URL, its
 * reason in |out|. */
int api_question_init(struct api_question *q, const cordon_scope *scope,
                      const cordon_request *request, cordon_decision *out,
                      struct err *e);
/* Of websocket.connect: which URL is asked about next, for explanations. */
void api_question_url(struct api_question *q, const char *url);
struct decision api_question_decide(const struct api_question *q,
                                    const cordon_scope *scope);

#endif
