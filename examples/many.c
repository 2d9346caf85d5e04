/* many.c - one thread, one poll() loop of the host's own, and many sandboxes,
 * each with its own actor and limits.  The loop also watches a timer of its
 * own, which cancels what has not ended in time.
 *
 *   many [COUNT]        100 scripts, each in a worker process of its own
 */
#include <cordon/cordon.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define COUNT_MAX 1000
#define PATIENCE_S 30

/* Every tenth never ends by itself, and is stopped by its CPU limit; every
 * tenth but one fails. */
static const char script_text[] =
    "local time = require('time')\n"
    "local n = ...\n"
    "time.sleep((n % 7) .. 'ms')\n"
    "if n % 10 == 8 then error('number ' .. n .. ' fails') end\n"
    "while n % 10 == 9 do end\n"
    "return n * n\n";

static cordon_sandbox *start(cordon_host *host, int number, cordon_error *e) {
  const cordon_source source = {"many.lua", script_text,
                                sizeof script_text - 1};
  cordon_sandbox_config cfg;
  cordon_sandbox *sb = NULL;
  cordon_value *input = NULL;
  char actor[32];
  int rv;
  snprintf(actor, sizeof actor, "%d", number);
  if (cordon_value_from_json(&input, actor, strlen(actor), NULL, e) !=
      CORDON_OK)
    return NULL;
  snprintf(actor, sizeof actor, "script-%d", number);
  cordon_sandbox_config_init(&cfg);
  cfg.actor_id = actor;
  cfg.input = input;
  cfg.limits.cpu_ms = 50;
  cfg.limits.memory_bytes = 4 * 1024 * 1024;
  rv = cordon_sandbox_new(&sb, host, &cfg, e);
  cordon_value_free(input);
  if (rv == CORDON_OK)
    rv = cordon_sandbox_load(sb, &source, NULL, 0, e);
  if (rv == CORDON_OK)
    return sb;
  cordon_sandbox_free(sb);
  return NULL;
}

/* Frees those that have ended; returns how many still run. */
static int collect(cordon_sandbox **sbs, int count, int *ended) {
  int running = 0;
  for (int i = 0; i < count; i++) {
    const cordon_value *value;
    cordon_error e;
    int rv;
    if (!sbs[i])
      continue;
    rv = cordon_sandbox_result(sbs[i], &e);
    if (rv == CORDON_AGAIN) {
      running++;
      continue;
    }
    if (rv == CORDON_OK &&
        (cordon_sandbox_value(sbs[i], &value, &e) != CORDON_OK ||
         cordon_value_integer(value) != (int64_t)i * i))
      fprintf(stderr, "many: script %d returned something else\n", i);
    ended[rv == CORDON_OK ? 0 : rv == CORDON_E_SCRIPT ? 1 : 2]++;
    cordon_sandbox_free(sbs[i]);
    sbs[i] = NULL;
  }
  return running;
}

int main(int argc, char **argv) {
  static cordon_sandbox *sbs[COUNT_MAX];
  const struct itimerspec patience = {.it_value = {.tv_sec = PATIENCE_S}};
  int count = argc > 1 ? atoi(argv[1]) : 100, ended[3] = {0, 0, 0};
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  cordon_host *host = NULL;
  cordon_host_config cfg;
  cordon_error e;
  int status = 1;
  if (count < 1 || count > COUNT_MAX || timer < 0 ||
      timerfd_settime(timer, 0, &patience, NULL) != 0) {
    fprintf(stderr, "usage: many [COUNT]\n");
    return 2;
  }
  cordon_host_config_init(&cfg);
  cfg.worker_path = getenv("CORDON_WORKER"); /* NULL: as installed */
  if (cordon_host_new(&host, &cfg, &e) != CORDON_OK)
    goto fail;
  for (int i = 0; i < count; i++)
    if (!(sbs[i] = start(host, i, &e)))
      goto fail;
  while (collect(sbs, count, ended) > 0) {
    struct pollfd p[2] = {{cordon_host_fd(host), POLLIN, 0},
                          {timer, POLLIN, 0}};
    if (poll(p, 2, cordon_host_timeout_ms(host)) < 0 && errno != EINTR) {
      perror("many: poll");
      goto done;
    }
    for (int i = 0; p[1].revents && i < count; i++)
      cordon_sandbox_cancel(sbs[i]); /* NULL is harmless */
    if (cordon_host_dispatch(host, &e) != CORDON_OK)
      goto fail;
  }
  printf("%d returned, %d failed, %d were stopped\n", ended[0], ended[1],
         ended[2]);
  status = 0;
  goto done;
fail:
  fprintf(stderr, "many: %s\n", e.message);
done:
  for (int i = 0; i < count; i++)
    cordon_sandbox_free(sbs[i]);
  cordon_host_free(host);
  close(timer);
  return status;
}
