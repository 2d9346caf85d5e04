/* question.h - what is asked of the policies, and what came of it: what eval
 * and explain share. */
#ifndef CLI_QUESTION_H
#define CLI_QUESTION_H

#include "cli/print.h"
#include "cli/subject.h"

#include <cordon/cordon.h>

#include <stdbool.h>

/* -------------------------------------------------------------- options --- */

/* Entries for the table of a command; keep them behind SUBJECT_OPTIONS and in
 * this order. */
#define QUESTION_OPTIONS                                                       \
  {"url", 0, "URL", false, false}, {"resolve", 0, "IP", false, false},         \
      {"action", 0, "ACTION", false, false},                                   \
      {"resource", 0, "RESOURCE", false, false}, {                             \
    "meta", 0, "JSON", false, false                                            \
  }
enum {
  QUESTION_URL = SUBJECT_OPTION_COUNT,
  QUESTION_RESOLVE,
  QUESTION_ACTION,
  QUESTION_RESOURCE,
  QUESTION_META,
  QUESTION_OPTION_COUNT
};

#define ASKED_IP_MAX 48

/* Zeroed to start. */
struct asked {
  /* by option - SUBJECT_OPTION_COUNT; NULL: not given */
  const char *value[QUESTION_OPTION_COUNT - SUBJECT_OPTION_COUNT];
  char ip[ASKED_IP_MAX];
  cordon_value *meta;
};

/* How many of --url and --action are given. */
int asked_something(const struct asked *a);
/* After the last option: a status; unless STATUS_OK, what is wrong has been
 * said. */
int asked_check(struct asked *a, const char *command);
void asked_deinit(struct asked *a);

/* ---------------------------------------------------------------- judge --- */

/* What is asked.  With |url| it is what websocket.connect asks, one action
 * after the other; else it is |action|. */
struct question {
  const cordon_scope *scope; /* NULL: none, which is refused */
  const char *actor_id;
  const cordon_value *actor_meta;
  const char *url;
  size_t url_len;
  const char *ip;      /* of the connection, or NULL; the port is the URL's */
  const char *address; /* the same with a port: "ip:port" */
  size_t address_len;
  const char *action;
  const char *resource;
  size_t resource_len;
  const cordon_value *meta;
};

#define ADDRESS_MAX 80

/* What came of it. */
struct answer {
  const char *decision; /* "allow", "deny", "undefined" or "invalid" */
  const char *policy;   /* that decided; NULL: none */
  const char *file;
  uint32_t line;
  char canonical[CORDON_URL_MAX_BYTES]; /* "" without */
  char code[32];                        /* why the URL is refused, else "" */
  char message[512];  /* why it is no question, or no URL; else "" */
  struct text errors; /* of policies whose evaluation failed, a line each */
  bool forced;        /* it is a refusal that such a failure forced */

  /* the request that settled it, for explanations */
  cordon_request request;
  cordon_decision settled;
  char address[ADDRESS_MAX];
};

/* "allow" "deny" "undefined" */
const char *verdict_word(cordon_verdict v);

void answer_init(struct answer *a);
void answer_deinit(struct answer *a);
void answer_invalid(struct answer *a, const char *message);

/* Asks, into an answer that was initialized. */
void judge(struct answer *a, const struct question *q);
int answer_status(const struct answer *a);

/* Of what the options say; lives as long as they do. */
struct question asked_question(const struct asked *a, const struct subject *s,
                               const cordon_scope *scope);

/* "ip:port" for the port that |canonical| leads to. */
void address_of(char out[ADDRESS_MAX], const char *ip, const char *canonical);

#endif
