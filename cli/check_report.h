/* check_report.h - what cordon check found, in one of its formats. */
#ifndef CLI_CHECK_REPORT_H
#define CLI_CHECK_REPORT_H

#include "cli/print.h"

#include <cordon/cordon.h>

#include <stdbool.h>

enum check_format { CHECK_TEXT, CHECK_JSON, CHECK_SARIF, CHECK_GITHUB };

/* A mistake or a finding. */
struct check_item {
  char *code; /* "invalid" of a mistake */
  cordon_severity severity;
  char *file; /* "": none */
  uint32_t line, column;
  bool placed;  /* the column is more than the beginning of the line */
  char *policy; /* NULL: none */
  char *message;
  char *reason, *fix; /* NULL of a mistake */
  uint32_t edit_line, edit_column;
  size_t edit_len;
  char *edit_text;    /* NULL: none */
  size_t at, file_at; /* of check_report_order */
};

/* Zeroed to start. */
struct check_report {
  struct check_item *items;
  size_t len, cap;
  size_t count[3]; /* of each severity */
  size_t files, policies, workloads;
};

void check_report_mistake(struct check_report *r, const char *path,
                          const cordon_error *mistake);
void check_report_finding(struct check_report *r, const cordon_finding *f);
/* Puts what was found into the order of its places, file by file, and drops
 * what two readers of a file have both told. */
void check_report_order(struct check_report *r);
void check_report_write(const struct check_report *r, enum check_format format,
                        struct out *o);
void check_report_clear(struct check_report *r);

#endif
