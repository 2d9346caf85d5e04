/* decide.c - policy decisions in a program that runs no script: "may ACTOR do
 * ACTION to RESOURCE?", with the reason, and what would allow it.
 *
 *   decide POLICY.yaml ACTOR ACTION RESOURCE [METADATA-AS-JSON]
 *
 * Ends with 0: allowed; 1: refused; 2: the question could not be asked.
 */
#include <cordon/cordon.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX (1024 * 1024)

/* Every mistake of a policy file, not only the first. */
static void print_mistake(void *ud, const cordon_error *mistake) {
  (void)ud;
  fprintf(stderr, "%s:%u:%u: %s\n", mistake->source, (unsigned)mistake->line,
          (unsigned)mistake->column, mistake->message);
}

static void print_text(void *ud, const char *data, size_t len) {
  (void)ud;
  fwrite(data, 1, len, stdout);
}

static cordon_policy *load(const char *name) {
  static char text[FILE_MAX];
  cordon_source source = {name, text, 0};
  cordon_policy *policy = NULL;
  FILE *f = fopen(name, "rb");
  if (!f) {
    fprintf(stderr, "decide: %s: %s\n", name, strerror(errno));
    return NULL;
  }
  source.len_bytes = fread(text, 1, sizeof text, f);
  fclose(f);
  if (cordon_policy_new(&policy, NULL, NULL) == CORDON_OK &&
      cordon_policy_add(policy, &source, print_mistake, NULL, NULL) ==
          CORDON_OK &&
      cordon_policy_finish(policy, print_mistake, NULL, NULL) == CORDON_OK)
    return policy;
  cordon_policy_unref(policy);
  return NULL;
}

static int decide(const cordon_scope *scope, const cordon_request *request) {
  cordon_decision d;
  cordon_error e;
  int rv = cordon_decide(scope, request, &d, &e);
  if (rv != CORDON_OK) { /* for instance a URL that is none: |d| says deny */
    fprintf(stderr, "decide: %s\n", e.message);
    return rv == CORDON_E_URL ? 1 : 2;
  }
  printf("%s: %s", d.verdict == CORDON_ALLOW ? "allowed" : "refused", d.reason);
  if (d.policy_id)
    printf(" %s (%s:%u)", d.policy_id, d.file, (unsigned)d.line);
  printf("\n");
  if (d.verdict == CORDON_ALLOW)
    return 0;
  if (cordon_explain(scope, request, &d, print_text, NULL) != CORDON_OK)
    fprintf(stderr, "decide: no memory to explain it\n");
  return 1;
}

int main(int argc, char **argv) {
  cordon_request request;
  cordon_policy *policy;
  cordon_scope *scope = NULL;
  cordon_value *meta = NULL;
  cordon_error e;
  int status = 2;
  if (argc < 5 || argc > 6) {
    fprintf(stderr, "usage: decide POLICY.yaml ACTOR ACTION RESOURCE [META]\n");
    return 2;
  }
  if (!(policy = load(argv[1])))
    return 2;
  memset(&request, 0, sizeof request);
  request.actor_id = argv[2];
  request.action = argv[3];
  request.resource = argv[4];
  request.resource_len_bytes = strlen(argv[4]);
  /* all policies of the set; others name groups or single policies */
  if (cordon_scope_new(&scope, policy, NULL, 0, NULL, &e) == CORDON_OK &&
      (argc == 5 || cordon_value_from_json(&meta, argv[5], strlen(argv[5]),
                                           NULL, &e) == CORDON_OK)) {
    request.meta = meta;
    status = decide(scope, &request);
  } else {
    fprintf(stderr, "decide: %s\n", e.message);
  }
  cordon_value_free(meta);
  cordon_scope_free(scope);
  cordon_policy_unref(policy);
  return status;
}
