/* remote.h - a script in a worker process: the broker's side.  Everything a
 * worker asks for is judged here by the sandbox's own guard; nothing it sends
 * is believed.  Serves many workers from the host's loop, and waits for none.
 */
#ifndef RUNTIME_REMOTE_H
#define RUNTIME_REMOTE_H

#include "cordon/cordon.h"
#include "runtime/base/err.h"
#include "runtime/base/list.h"
#include "runtime/vm/state.h"
#include "runtime/worker/wire.h"

struct remote;

/* Asks for a worker for |sb|, whose guard, services and actor are complete.
 * 0, ERR_NOMEM or ERR_ISOLATION: |e| says what could not be set up. */
int remote_new(struct remote **ret, struct cordon_sandbox *sb,
               const struct state_limits *limits, struct err *e);
/* The sandbox goes: a script that has not ended is killed, the connections of
 * one that has may say goodbye for a while. */
void remote_free(struct remote *r);

/* Hands the text to the worker; once.  What becomes of it is the result, as for
 * state_load; also ERR_ISOLATION, ERR_WORKER.  0 or ERR_NOMEM */
int remote_load(struct remote *r, const char *name, struct slice text,
                const char *const *args, size_t nargs, struct err *e);

/* Asks the script to end; it is killed when it does not. */
void remote_cancel(struct remote *r);

/* CPU time that is left to the script, as far as is known here. */
uint64_t remote_left_ns(const struct remote *r);

bool remote_ended(const struct remote *r);
/* Once it has ended. */
const struct script_result *remote_result(const struct remote *r);
enum stop_reason remote_stop(const struct remote *r);
/* As the last message of the worker says, limits, stop and wall time as the
 * broker knows them. */
void remote_usage(const struct remote *r, cordon_usage *ret);

/* Workers of sandboxes that are gone, whose connections say goodbye. */
size_t remotes_departing(const struct cordon_host *host);
/* Is this one's script over, and its worker still there for goodbyes? */
bool remote_lingers(const struct remote *r);
void remotes_cut(struct cordon_host *host);

#endif
