/* run_report.c - how a script has ended, told to people. */
#include "cli/run_report.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The script's limits where nobody names one; the library's own defaults, for
 * messages. */
#define CPU_DEFAULT_MS 10000
#define MEMORY_DEFAULT_BYTES (64u * 1024 * 1024)
#define OUTPUT_DEFAULT_BYTES (64u * 1024 * 1024)

void run_say(const char *who, const char *fmt, ...) {
  char *text;
  va_list args;
  va_start(args, fmt);
  if (vasprintf(&text, fmt, args) < 0)
    text = NULL;
  va_end(args);
  if (!text)
    say("%s", cordon_strerror(CORDON_E_NOMEM));
  else if (who)
    say("%s: %s", who, text);
  else
    say("%s", text);
  free(text);
}

static int say_isolation(const char *who, const cordon_error *err) {
  run_say(who, "%s", err->message);
  words_text("  `cordon doctor` tells what this machine supports; "
             "--isolation=inprocess runs\n"
             "  code whose authors you trust in this process\n");
  return STATUS_ISOLATION;
}

/* "prices.lua:12: message", whether or not the message begins with that. */
static void say_error(const char *who, const cordon_error *err) {
  char *at = must_format("%s:%" PRIu32 ":", err->source, err->line);
  if (err->source[0] && err->line && strncmp(err->message, at, strlen(at)) != 0)
    run_say(who, "%s %s", at, err->message);
  else
    run_say(who, "%s", err->message);
  free(at);
}

uint32_t run_report_near(const char *text, size_t text_len,
                         const cordon_error *err) {
  const char *word = strstr(err->message, " near '"), *end, *at = NULL;
  const char *p = text, *stop = text + text_len;
  size_t len;
  if (!word || !(end = strrchr(word += 7, '\'')) || end == word)
    return 0;
  len = (size_t)(end - word);
  for (uint32_t line = 1; line < err->line; line++) {
    p = memchr(p, '\n', (size_t)(stop - p));
    if (!p)
      return 0;
    p++;
  }
  end = memchr(p, '\n', (size_t)(stop - p));
  if (!end)
    end = stop;
  for (const char *q = p; len <= (size_t)(end - q); q++) {
    if (memcmp(q, word, len) != 0)
      continue;
    if (at)
      return 0;
    at = q;
  }
  return at ? (uint32_t)(at - p) + 1 : 0;
}

/* The line of the script that |err| is about. */
static void words_source(const struct run_report *r, int rv,
                         const cordon_error *err) {
  struct out o;
  if (err->line == 0 || strcmp(err->source, r->name) != 0)
    return;
  out_init(&o, STDERR_FILENO);
  out_source_line(&o, r->text, r->len, err->line,
                  rv == CORDON_E_SYNTAX ? run_report_near(r->text, r->len, err)
                                        : err->column);
  out_flush(&o);
}

/* Is the line of a traceback about the script |name|? */
static bool is_about(const char *line, const char *name) {
  size_t len = strlen(name);
  return line[0] == '\t' && strncmp(line + 1, name, len) == 0 &&
         line[1 + len] == ':';
}

static void words_traceback(const struct run_report *r) {
  const char *line = cordon_sandbox_traceback(r->sandbox), *next;
  struct text t = {0};
  size_t lines = 0;
  for (; *line; line = next) {
    next = strchrnul(line, '\n');
    next += *next == '\n';
    if (r->ours && is_about(line, r->ours))
      continue;
    text_write(&t, line, (size_t)(next - line));
    lines++;
  }
  if (lines > 1) { /* more than its title */
    if (t.p[t.len - 1] != '\n')
      text_write(&t, "\n", 1);
    text_write(&t, "", 1);
    words_text(t.p);
  }
  free(t.p);
}

/* What was in force, though nobody asked for it. */
static uint64_t or_default(uint64_t limit, uint64_t preset) {
  return limit ? limit : preset;
}

/* Which limit it was, and how much was used. */
static int say_limit(const struct run_report *r, const cordon_error *err) {
  char limit[32], used[32];
  uint64_t memory_bytes =
      or_default(r->limits->memory_bytes, MEMORY_DEFAULT_BYTES);
  cordon_usage u;
  cordon_sandbox_usage(r->sandbox, &u);
  switch (u.stop) {
  case CORDON_STOP_CPU:
    run_say(r->who, "stopped: CPU limit of %s reached, %s used",
            show_ms(limit, or_default(r->limits->cpu_ms, CPU_DEFAULT_MS)),
            show_ms(used, u.cpu_ns / 1000000));
    return STATUS_CPU;
  case CORDON_STOP_MEMORY:
    run_say(r->who,
            "stopped: memory limit of %s reached, %s used at the highest%s",
            show_bytes(limit, memory_bytes),
            show_bytes(used, u.memory_peak_bytes),
            u.memory_peak_bytes < memory_bytes / 8 * 7
                ? ", and more than the rest asked for at once"
                : "");
    return STATUS_MEMORY;
  case CORDON_STOP_DEADLINE:
    run_say(r->who, "stopped: deadline of %s passed, after %s",
            show_ms(limit, r->limits->deadline_ms),
            show_ms(used, u.wall_ns / 1000000));
    return STATUS_DEADLINE;
  case CORDON_STOP_OUTPUT:
    run_say(r->who, "stopped: output limit of %s reached, %s printed",
            show_bytes(limit, or_default(r->limits->output_bytes,
                                         OUTPUT_DEFAULT_BYTES)),
            show_bytes(used, u.output_bytes));
    return STATUS_LIMIT;
  case CORDON_STOP_NONE:
    break;
  }
  run_say(r->who, "stopped: %s", err->message);
  return STATUS_LIMIT;
}

int run_report(const struct run_report *r, int rv, const cordon_error *err) {
  int status = STATUS_OK;
  switch (rv) {
  case CORDON_OK:
    return STATUS_OK;
  case CORDON_E_LIMIT:
    status = say_limit(r, err);
    break;
  case CORDON_E_NOMEM:
    run_say(r->who, "stopped: %s", err->message);
    status = STATUS_MEMORY;
    break;
  case CORDON_E_ISOLATION:
    return say_isolation(r->who, err);
  case CORDON_E_WORKER:
    run_say(r->who, "%s", err->message);
    status = STATUS_WORKER;
    break;
  case CORDON_E_SYNTAX:
    say_error(r->who, err);
    words_source(r, rv, err);
    status = STATUS_LOAD;
    break;
  default:
    say_error(r->who, err);
    words_source(r, rv, err);
    status = STATUS_NEGATIVE;
    break;
  }
  words_traceback(r);
  return status;
}

int run_report_new(const char *who, int rv, const cordon_error *err) {
  switch (rv) {
  case CORDON_E_ISOLATION:
    return say_isolation(who, err);
  case CORDON_E_NOMEM:
  case CORDON_E_LIMIT:
    run_say(who, "stopped: the memory limit is too small to start a script: %s",
            err->message);
    return STATUS_MEMORY;
  default:
    run_say(who, "%s", err->message);
    return STATUS_NEGATIVE;
  }
}
