/* embed.c - a host of its own: a poll loop, a policy, a script, and a function
 * console.readline() that is answered when standard input has a line.
 *
 *   embed POLICY.yaml SCRIPT.lua
 *
 * A script for it:
 *
 *   local console = require("console")
 *   for line in console.readline do print("you said " .. line) end
 */
#include <cordon/cordon.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (1024 * 1024)

static int fail(const cordon_error *e) {
  if (e->line > 0)
    fprintf(stderr, "%s:%u: %s\n", e->source, (unsigned)e->line, e->message);
  else
    fprintf(stderr, "embed: %s\n", e->message);
  return 1;
}

/* A whole file; exits when it cannot be read. */
static char *read_file(const char *name, size_t *ret_len) {
  FILE *f = fopen(name, "rb");
  char *text = malloc(FILE_MAX);
  if (!f || !text) {
    fprintf(stderr, "embed: %s: %s\n", name, strerror(errno));
    exit(2);
  }
  *ret_len = fread(text, 1, FILE_MAX, f);
  fclose(f);
  return text;
}

/* ------------------------------------------------- a function of the host */

/* One reader at a time: the task of the script that called waits. */
static cordon_call *reader;

static void on_gone(void *ud) {
  (void)ud;
  reader = NULL; /* what the host keeps of it goes with the host */
}

static void readline(void *ud, cordon_call *call) {
  (void)ud;
  /* Functions of the host ask the same policies as websocket.connect does. */
  if (cordon_call_guard(call, "console.read", "stdin", 5, NULL) != CORDON_ALLOW)
    return; /* it has been answered */
  if (reader) {
    cordon_call_fail(call, "Conflict", "another task is reading", 1);
    return;
  }
  cordon_call_on_gone(call, on_gone, NULL);
  reader = call;
}

/* Standard input is readable: what is there answers the call.  Lines are short
 * enough for this example. */
static void answer_reader(void) {
  char line[4096];
  cordon_value *value = NULL;
  cordon_call *call = reader;
  ssize_t n = read(STDIN_FILENO, line, sizeof line);
  reader = NULL;
  if (n <= 0) {
    cordon_call_return(call, NULL); /* nil: the end */
    return;
  }
  if (line[n - 1] == '\n')
    n--;
  if (cordon_value_from_string(&value, line, (size_t)n, NULL, NULL) !=
          CORDON_OK ||
      cordon_call_return(call, value) != CORDON_OK)
    cordon_call_fail(call, "Internal", "the line cannot be told", 0);
  cordon_value_free(value);
}

/* ------------------------------------------------------------ the callbacks */

static void print_output(void *ud, const char *data, size_t len) {
  (void)ud;
  fwrite(data, 1, len, stdout);
  fflush(stdout);
}

static int write_audit(void *ud, const cordon_audit_event *event) {
  (void)ud;
  fprintf(stderr, "audit %llu: %s %s: %s\n",
          (unsigned long long)event->sequence, event->request->action,
          event->request->resource, event->decision->reason);
  return 0;
}

/* ----------------------------------------------------------------- the loop */

static int run(cordon_host *host, cordon_sandbox *sb, cordon_error *e) {
  int rv;
  while ((rv = cordon_sandbox_result(sb, e)) == CORDON_AGAIN) {
    struct pollfd p[2] = {{cordon_host_fd(host), POLLIN, 0},
                          {STDIN_FILENO, POLLIN, 0}};
    /* Reading only while somebody waits: the rest stays in the pipe. */
    if (poll(p, reader ? 2 : 1, cordon_host_timeout_ms(host)) < 0 &&
        errno != EINTR) {
      perror("embed: poll");
      exit(1);
    }
    if (reader && p[1].revents)
      answer_reader();
    if ((rv = cordon_host_dispatch(host, e)) != CORDON_OK)
      return rv;
  }
  return rv;
}

int main(int argc, char **argv) {
  cordon_policy *policy = NULL;
  cordon_host *host = NULL;
  cordon_sandbox *sb = NULL;
  cordon_host_config host_config;
  cordon_sandbox_config cfg;
  cordon_source policy_text, script;
  cordon_error e;
  char *texts[2];
  int status = 1;
  if (argc != 3) {
    fprintf(stderr, "usage: embed POLICY.yaml SCRIPT.lua\n");
    return 2;
  }
  policy_text.name = argv[1];
  policy_text.text = texts[0] = read_file(argv[1], &policy_text.len_bytes);
  script.name = argv[2];
  script.text = texts[1] = read_file(argv[2], &script.len_bytes);

  cordon_host_config_init(&host_config);
  host_config.worker_path = getenv("CORDON_WORKER"); /* NULL: as installed */
  cordon_sandbox_config_init(&cfg);
  cfg.actor_id = "embed";
  cfg.limits.memory_bytes = 16 * 1024 * 1024;
  cfg.limits.cpu_ms = 1000;
  cfg.output = print_output;
  cfg.audit = write_audit;

  if (cordon_policy_new(&policy, NULL, &e) != CORDON_OK ||
      cordon_policy_add(policy, &policy_text, NULL, NULL, &e) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &e) != CORDON_OK ||
      cordon_host_new(&host, &host_config, &e) != CORDON_OK) {
    fail(&e);
    goto done;
  }
  cfg.policy = policy;
  if (cordon_sandbox_new(&sb, host, &cfg, &e) != CORDON_OK ||
      cordon_sandbox_add_function(sb, "console", "readline", readline, NULL,
                                  &e) != CORDON_OK ||
      cordon_sandbox_load(sb, &script, NULL, 0, &e) != CORDON_OK ||
      run(host, sb, &e) != CORDON_OK) {
    fail(&e);
    if (sb)
      fputs(cordon_sandbox_traceback(sb), stderr);
    goto done;
  }
  status = 0;
done:
  cordon_sandbox_free(sb);
  cordon_host_free(host);
  cordon_policy_unref(policy);
  free(texts[0]);
  free(texts[1]);
  return status;
}
