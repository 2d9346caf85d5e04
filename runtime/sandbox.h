/* sandbox.h - one sandbox: ties vm, loop, policy and modules together. */
#ifndef RUNTIME_SANDBOX_H
#define RUNTIME_SANDBOX_H

#include "cordon/cordon.h"
#include "modules/services.h"
#include "runtime/host.h"
#include "runtime/vm/state.h"

/* The public handle of a scope. */
struct cordon_scope {
  struct mem mem;
  struct policy_set *set;
  struct policy_scope *scope;
};

struct cordon_sandbox {
  struct list node; /* in cordon_host.sandboxes */
  struct cordon_host *host;
  struct state *st;
  struct services services;
  struct cordon_scope *scope; /* NULL: no policy */
  struct arena arena;         /* actor, method, meta */
  struct actor actor;
  const char *method;
  cordon_value *actor_meta;
  cordon_output_fn *output;
  cordon_audit_fn *audit;
  cordon_require_fn *require;
  void *ud;
  cordon_connection_fn *connection;
  const char **scope_names; /* in |arena|, with their texts */
  size_t nscope_names;
  uint64_t generation; /* of the policies */
  uint64_t sequence;
  bool loaded;
  char *escaped_traceback; /* in |arena|; "" */
};

/* 0 or an ERR_ code with |e|; see cordon_sandbox_new. */
int sandbox_new(struct cordon_sandbox **ret, struct cordon_host *host,
                const struct cordon_sandbox_config *config, struct err *e);
void sandbox_free(struct cordon_sandbox *sb);

int sandbox_load(struct cordon_sandbox *sb, const char *name, struct slice text,
                 const char *const *args, size_t nargs, struct err *e);

/* See cordon_sandbox_set_policy. */
int sandbox_set_policy(struct cordon_sandbox *sb, cordon_policy *policy,
                       struct err *e);

/* Was cordon_sandbox_cancel called for it?  Then it ends in this turn. */
void sandbox_look_at_cancel(struct cordon_sandbox *sb);

#endif
