/* api.h - between the types of cordon.h and those inside: what api.c and
 * sandbox.c share. */
#ifndef RUNTIME_API_H
#define RUNTIME_API_H

#include "cordon/cordon.h"
#include "policy/decide.h"
#include "runtime/base/err.h"
#include "runtime/base/url.h"
#include "runtime/base/value.h"

int api_code(int internal);             /* ERR_ to CORDON_E_ */
int api_internal_code(int public_code); /* and back */
/* Copies |e| (with its code mapped) into |out| (may be NULL); returns the
 * mapped code. */
int api_error(cordon_error *out, const struct err *e);

/* A value or a part of one; NULL stays NULL. */
const struct value *api_value(const cordon_value *v);

/* |url|: the canonical URL of the request, or NULL. */
void api_decision(cordon_decision *out, const struct decision *d,
                  const struct url *url);

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
