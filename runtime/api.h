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

#endif
