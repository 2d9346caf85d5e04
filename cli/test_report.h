/* test_report.h - what came of policy tests, as text, TAP or JUnit XML. */
#ifndef CLI_TEST_REPORT_H
#define CLI_TEST_REPORT_H

#include "cli/print.h"

#include <stdbool.h>
#include <stdint.h>

enum test_format { TEST_TEXT, TEST_TAP, TEST_JUNIT };

/* Where something stands. */
struct test_place {
  const char *file;
  uint32_t line, column;
};

struct test_report {
  enum test_format format;
  bool quiet; /* text: not those that passed */
  struct out out;
  size_t passed, failed;
  struct text xml; /* of the cases so far: their number comes first */
};

void report_begin(struct test_report *r, enum test_format format, bool quiet);
/* One test.  |why| (NULL: it passed) is lines of text with two blanks in
 * front. */
void report_test(struct test_report *r, const struct test_place *at,
                 const char *name, const char *why, size_t why_len);
/* A line beside the tests, such as a part of the coverage. */
void report_note(struct test_report *r, const struct test_place *at,
                 const char *text);
/* Returns |status|, or another one when output was lost. */
int report_end(struct test_report *r, int status);

#endif
