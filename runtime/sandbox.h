/* sandbox.h - one sandbox: ties vm, loop, policy and modules together. */
#ifndef RUNTIME_SANDBOX_H
#define RUNTIME_SANDBOX_H

#include "cordon/cordon.h"
#include "modules/bridge.h"
#include "modules/services.h"
#include "runtime/exchange.h"
#include "runtime/host.h"
#include "runtime/remote.h"
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
  /* One of these: in this process, or in a worker. */
  struct state *st;
  struct remote *remote;
  struct services services;
  struct exchange exchange;
  struct bridge bridge;       /* of |st| */
  struct cordon_scope *scope; /* NULL: no policy */
  struct arena arena;         /* actor, method, meta */
  struct actor actor;
  const char *method;
  cordon_value *actor_meta;
  cordon_output_fn *output;
  cordon_audit_fn *audit;
  cordon_require_fn *require;
  struct state_modules modules;
  struct slice *module_names; /* of |modules|, in |arena| */
  void *ud;
  cordon_connection_fn *connection;
  const char **scope_names; /* in |arena|, with their texts */
  size_t nscope_names;
  uint64_t generation; /* of the policies */
  uint64_t sequence;
  bool loaded;
  struct pending *pending; /* a script that is to be compiled; or NULL */
  atomic_bool cancel;      /* asked for, by any thread */
  char *escaped_traceback; /* in |arena|; "" */
};

/* 0 or an ERR_ code with |e|; see cordon_sandbox_new. */
int sandbox_new(struct cordon_sandbox **ret, struct cordon_host *host,
                const struct cordon_sandbox_config *config, struct err *e);
void sandbox_free(struct cordon_sandbox *sb);

/* See cordon_sandbox_load.  0, ERR_NOMEM, ERR_INVALID, ERR_BUSY */
int sandbox_load(struct cordon_sandbox *sb, const char *name, struct slice text,
                 const char *const *args, size_t nargs, struct err *e);

/* See cordon_sandbox_set_policy. */
int sandbox_set_policy(struct cordon_sandbox *sb, cordon_policy *policy,
                       struct err *e);

/* For the worker's side, which asks as the VM does: see state_host.require. */
int sandbox_require(struct cordon_sandbox *sb, const char *name,
                    const char **ret_name, struct slice *ret_text);
/* The traceback line by line, each made safe to print. */
void sandbox_keep_traceback(struct cordon_sandbox *sb, struct slice text);

bool sandbox_ended(const struct cordon_sandbox *sb);
/* Once it has ended. */
const struct script_result *sandbox_result(const struct cordon_sandbox *sb);
void sandbox_usage(const struct cordon_sandbox *sb, cordon_usage *ret);

/* Was cordon_sandbox_cancel called for it?  Then it ends in this turn. */
void sandbox_look_at_cancel(struct cordon_sandbox *sb);

#endif
