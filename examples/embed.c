/* embed.c - a host of its own: a poll loop, a policy, a script, and a module
 * `console` whose readline() waits for standard input without holding up the
 * sandbox.
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
#include <lua.h>
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

/* A whole file, NUL-terminated; exits when it cannot be read. */
static char *read_file(const char *name, size_t *ret_len) {
  FILE *f = fopen(name, "rb");
  char *text = malloc(FILE_MAX + 1);
  size_t n;
  if (!f || !text) {
    fprintf(stderr, "embed: %s: %s\n", name, strerror(errno));
    exit(2);
  }
  n = fread(text, 1, FILE_MAX, f);
  text[n] = '\0';
  fclose(f);
  *ret_len = n;
  return text;
}

/* ------------------------------------------------------- the host's module */

/* One reader at a time waits here; all of it is used by one thread only. */
static struct console {
  cordon_wait *reader; /* NULL: nobody waits */
  char line[4096];
  size_t len;
  int ended;
} console;

static void reader_gone(void *ud) {
  ((struct console *)ud)->reader = NULL;
}

/* Runs when the line is there: the results of readline(). */
static int readline_finish(lua_State *L) {
  char *nl = memchr(console.line, '\n', console.len);
  if (!nl) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushlstring(L, console.line, (size_t)(nl - console.line));
  console.len -= (size_t)(nl + 1 - console.line);
  memmove(console.line, nl + 1, console.len);
  return 1;
}

static int readline(lua_State *L) {
  cordon_wait *w;
  /* Host modules ask the same policy: nil, error when it says no. */
  if (cordon_sandbox_guard(L, "console.read", "stdin", 5, NULL) !=
      CORDON_ALLOW) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  if (console.ended || memchr(console.line, '\n', console.len))
    return readline_finish(L);
  w = cordon_wait_begin(L, "console.readline");
  cordon_wait_on_gone(w, reader_gone, &console);
  console.reader = w;
  return cordon_wait_yield(L, w, readline_finish);
}

static int open_console(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, readline);
  lua_setfield(L, -2, "readline");
  return 1;
}

/* Standard input is readable: take what is there, wake the reader. */
static void console_read(void) {
  size_t room = sizeof console.line - console.len;
  ssize_t n = read(STDIN_FILENO, console.line + console.len, room);
  if (n <= 0)
    console.ended = 1;
  else
    console.len += (size_t)n;
  if (console.len == sizeof console.line)
    console.line[console.len - 1] = '\n'; /* too long: cut */
  if (console.reader &&
      (console.ended || memchr(console.line, '\n', console.len))) {
    cordon_wait *w = console.reader;
    console.reader = NULL;
    cordon_wait_end(w);
  }
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
    nfds_t n = console.reader && !console.ended ? 2 : 1;
    if (poll(p, n, cordon_host_timeout_ms(host)) < 0 && errno != EINTR) {
      perror("embed: poll");
      return CORDON_E_SYSTEM;
    }
    if (n == 2 && p[1].revents)
      console_read();
    if ((rv = cordon_host_dispatch(host, e)) != CORDON_OK)
      return rv;
  }
  return rv;
}

int main(int argc, char **argv) {
  cordon_policy *policy = NULL;
  cordon_host *host = NULL;
  cordon_sandbox *sb = NULL;
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

  cordon_sandbox_config_init(&cfg);
  /* a module of the host (below) cannot be in another process */
  cfg.isolation = CORDON_ISOLATION_INPROCESS;
  cfg.actor_id = "embed";
  cfg.limits.memory_bytes = 16 * 1024 * 1024;
  cfg.limits.cpu_ms = 1000;
  cfg.output = print_output;
  cfg.audit = write_audit;

  if (cordon_policy_new(&policy, NULL, &e) != CORDON_OK ||
      cordon_policy_add(policy, &policy_text, NULL, NULL, &e) != CORDON_OK ||
      cordon_policy_finish(policy, NULL, NULL, &e) != CORDON_OK ||
      cordon_host_new(&host, NULL, &e) != CORDON_OK) {
    fail(&e);
    goto done;
  }
  cfg.policy = policy;
  if (cordon_sandbox_new(&sb, host, &cfg, &e) != CORDON_OK ||
      cordon_sandbox_add_module(sb, "console", open_console, NULL, &e) !=
          CORDON_OK ||
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
