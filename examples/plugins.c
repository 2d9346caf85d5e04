/* plugins.c - a plug-in system: untrusted scripts, each a sandbox that stays,
 * transform records, one after the other.  A plug-in returns a table with a
 * function transform(record); what it returns goes to the next one, nil drops
 * the record.  One that fails or takes too long is left out for that record;
 * one that has been stopped by a limit is left out for good.
 *
 *   plugins PLUGIN.lua... <records.jsonl    a JSON object a line
 *
 *   return {transform = function(r) r.total = r.price * r.count return r end}
 */
#include <cordon/cordon.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (256 * 1024)
#define PLUGINS_MAX 32
#define RECORD_MS 200 /* for one record in one plug-in */

struct plugin {
  const char *name;
  cordon_sandbox *sb; /* NULL: it is left out for good */
};

/* A call under way: |value| is its result, which is the host's own copy. */
struct call {
  int ended;
  int result;
  char *json;
  size_t len;
  char message[512];
};

static void add_text(void *ud, const char *data, size_t len) {
  struct call *c = ud;
  char *grown = realloc(c->json, c->len + len);
  if (!grown)
    abort();
  c->json = grown;
  memcpy(grown + c->len, data, len);
  c->len += len;
}

static void on_done(void *ud, int result, const cordon_value *value,
                    const cordon_error *error) {
  struct call *c = ud;
  c->ended = 1;
  c->result = result;
  if (result != CORDON_OK)
    snprintf(c->message, sizeof c->message, "%s", error->message);
  else if (cordon_value_write_json(value, add_text, c) != CORDON_OK)
    c->result = CORDON_E_NOMEM;
}

/* A log line of a plug-in goes where the host's own go, not into the records.
 */
static void print_output(void *ud, const char *data, size_t len) {
  fprintf(stderr, "%s: %.*s", (const char *)ud, (int)len, data);
}

static int start(struct plugin *p, cordon_host *host, cordon_error *e) {
  static char text[FILE_MAX];
  cordon_source source = {p->name, text, 0};
  cordon_sandbox_config cfg;
  FILE *f = fopen(p->name, "rb");
  if (!f) {
    snprintf(e->message, sizeof e->message, "%s", strerror(errno));
    return CORDON_E_SYSTEM;
  }
  source.len_bytes = fread(text, 1, sizeof text, f);
  fclose(f);
  cordon_sandbox_config_init(&cfg);
  cfg.actor_id = p->name; /* without a policy: it connects to nothing */
  cfg.keep = 1;
  cfg.output = print_output;
  cfg.ud = (void *)(uintptr_t)p->name;
  cfg.limits.cpu_ms = 2000; /* of all records together */
  cfg.limits.memory_bytes = 8 * 1024 * 1024;
  if (cordon_sandbox_new(&p->sb, host, &cfg, e) != CORDON_OK)
    return e->code;
  return cordon_sandbox_load(p->sb, &source, NULL, 0, e);
}

/* |*record| (JSON) through |p|; 0: it is dropped. */
static int transform(struct plugin *p, cordon_host *host, char **record,
                     size_t *len) {
  struct call c = {0, 0, NULL, 0, ""};
  cordon_value *args = NULL;
  cordon_error e;
  char *list = malloc(*len + 3);
  size_t n = list ? (size_t)sprintf(list, "[%.*s]", (int)*len, *record) : 0;
  int rv = cordon_value_from_json(&args, list, n, NULL, &e);
  free(list);
  if (rv == CORDON_OK)
    rv = cordon_sandbox_call(p->sb, "transform", args, RECORD_MS, on_done, &c,
                             &e);
  cordon_value_free(args);
  while (rv == CORDON_OK && !c.ended) {
    struct pollfd fd = {cordon_host_fd(host), POLLIN, 0};
    poll(&fd, 1, cordon_host_timeout_ms(host));
    rv = cordon_host_dispatch(host, &e);
  }
  if (rv == CORDON_OK && c.result == CORDON_OK) {
    free(*record);
    *record = c.json;
    *len = c.len;
    return c.len != 4 || memcmp(c.json, "null", 4) != 0;
  }
  /* Why it has ended, if it has, says more than that it has. */
  if (rv == CORDON_OK && cordon_sandbox_result(p->sb, &e) == CORDON_AGAIN)
    snprintf(e.message, sizeof e.message, "%s", c.message);
  else if (rv == CORDON_E_CLOSED)
    (void)!cordon_sandbox_result(p->sb, &e);
  fprintf(stderr, "%s: left out: %s\n", p->name, e.message);
  if (!c.ended || cordon_sandbox_result(p->sb, NULL) != CORDON_AGAIN) {
    cordon_sandbox_free(p->sb); /* calls |on_done| if that is still to come */
    p->sb = NULL;
  }
  free(c.json);
  return 1;
}

int main(int argc, char **argv) {
  static struct plugin plugins[PLUGINS_MAX];
  static char line[65536];
  int n = argc - 1, status = 1;
  cordon_host *host = NULL;
  cordon_host_config cfg;
  cordon_error e;
  if (n > PLUGINS_MAX)
    return 2;
  cordon_host_config_init(&cfg);
  cfg.worker_path = getenv("CORDON_WORKER"); /* NULL: as installed */
  if (cordon_host_new(&host, &cfg, &e) != CORDON_OK)
    goto fail;
  for (int i = 0; i < n; i++) {
    plugins[i].name = argv[i + 1];
    if (start(&plugins[i], host, &e) != CORDON_OK)
      goto fail;
  }
  while (fgets(line, sizeof line, stdin)) {
    size_t len = strcspn(line, "\n");
    char *record = malloc(len + 1);
    int keep = record != NULL;
    if (record)
      memcpy(record, line, len);
    for (int i = 0; keep && i < n; i++)
      if (plugins[i].sb)
        keep = transform(&plugins[i], host, &record, &len);
    if (keep)
      printf("%.*s\n", (int)len, record);
    free(record);
  }
  status = 0;
  goto done;
fail:
  fprintf(stderr, "plugins: %s\n", e.message);
done:
  for (int i = 0; i < n; i++)
    cordon_sandbox_free(plugins[i].sb);
  cordon_host_free(host);
  return status;
}
