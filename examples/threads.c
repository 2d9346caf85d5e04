/* threads.c - several threads, each with a host of its own, and one policy set
 * that they share: it does not change once it is finished, so that nothing is
 * locked.  Any thread may cancel a script of another.
 *
 *   threads POLICY.yaml [THREADS]
 */
#include <cordon/cordon.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 64
#define SCRIPTS 5 /* of each thread, one after the other */
#define FILE_MAX (1024 * 1024)

static const char script_text[] =
    "local security = require('security')\n"
    "local url = 'ws://localhost:8080/echo'\n"
    "local yes = 0\n"
    "for i = 1, 1000 do\n"
    "  if security.can('websocket.connect.url', url) then yes = yes + 1 end\n"
    "end\n"
    "return yes\n";

struct thread {
  pthread_t id;
  int number;
  cordon_policy *policy;
  int64_t allowed;
  cordon_error error; /* code CORDON_OK: there was none */
};

static int run_one(struct thread *t, cordon_host *host, cordon_error *e) {
  const cordon_source source = {"threads.lua", script_text,
                                sizeof script_text - 1};
  const cordon_value *value;
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  char actor[32];
  int rv;
  snprintf(actor, sizeof actor, "thread-%d", t->number);
  cordon_sandbox_config_init(&cfg);
  /* many short scripts that the host itself has written */
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.policy = t->policy; /* each sandbox takes a reference */
  cfg.actor_id = actor;
  if ((rv = cordon_sandbox_new(&sb, host, &cfg, e)) == CORDON_OK &&
      (rv = cordon_sandbox_load(sb, &source, NULL, 0, e)) == CORDON_OK &&
      (rv = cordon_sandbox_run(sb, 0, e)) == CORDON_OK &&
      (rv = cordon_sandbox_value(sb, &value, e)) == CORDON_OK)
    t->allowed += cordon_value_integer(value);
  cordon_sandbox_free(sb);
  return rv;
}

/* All that is called for a host is called on its thread. */
static void *run_thread(void *ud) {
  struct thread *t = ud;
  cordon_host *host = NULL;
  int rv = cordon_host_new(&host, NULL, &t->error);
  for (int i = 0; rv == CORDON_OK && i < SCRIPTS; i++)
    rv = run_one(t, host, &t->error);
  if (rv == CORDON_OK)
    t->error.code = CORDON_OK;
  cordon_host_free(host);
  return NULL;
}

static cordon_policy *load_policy(const char *name) {
  static char text[FILE_MAX];
  cordon_source source = {name, text, 0};
  cordon_policy *policy = NULL;
  cordon_error e;
  FILE *f = fopen(name, "rb");
  if (!f) {
    fprintf(stderr, "threads: %s: %s\n", name, strerror(errno));
    return NULL;
  }
  source.len_bytes = fread(text, 1, sizeof text, f);
  fclose(f);
  if (cordon_policy_new(&policy, NULL, &e) == CORDON_OK &&
      cordon_policy_add(policy, &source, NULL, NULL, &e) == CORDON_OK &&
      cordon_policy_finish(policy, NULL, NULL, &e) == CORDON_OK)
    return policy;
  fprintf(stderr, "%s:%u: %s\n", e.source, (unsigned)e.line, e.message);
  cordon_policy_unref(policy);
  return NULL;
}

int main(int argc, char **argv) {
  static struct thread threads[THREADS_MAX];
  int n = argc > 2 ? atoi(argv[2]) : 4, status = 0, started = 0;
  cordon_policy *policy;
  if (argc < 2 || n < 1 || n > THREADS_MAX) {
    fprintf(stderr, "usage: threads POLICY.yaml [THREADS]\n");
    return 2;
  }
  if (!(policy = load_policy(argv[1])))
    return 1;
  for (; started < n; started++) {
    threads[started].number = started;
    threads[started].policy = policy;
    if (pthread_create(&threads[started].id, NULL, run_thread,
                       &threads[started]) != 0)
      break;
  }
  for (int i = 0; i < started; i++) {
    pthread_join(threads[i].id, NULL);
    if (threads[i].error.code != CORDON_OK) {
      fprintf(stderr, "thread-%d: %s\n", i, threads[i].error.message);
      status = 1;
    } else {
      printf("thread-%d: %lld of %d allowed\n", i,
             (long long)threads[i].allowed, 1000 * SCRIPTS);
    }
  }
  cordon_policy_unref(policy);
  return started == n ? status : 1;
}
