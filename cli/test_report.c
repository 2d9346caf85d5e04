/* test_report.c - what came of policy tests: lines for people, TAP 14 for
 * harnesses, JUnit XML for build servers. */
#include "cli/test_report.h"

#include <cordon/cordon.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_SHOWN 2400 /* a name of 256 bytes, each made visible */

/* "file:line:column", as far as it is known, on one line. */
static char *show_place(const struct test_place *at) {
  char file[8192];
  cordon_escape(file, sizeof file, at->file, strlen(at->file));
  if (at->line == 0)
    return must_format("%s", file);
  return must_format("%s:%" PRIu32 ":%" PRIu32, file, at->line, at->column);
}

/* ------------------------------------------------------------------ XML --- */

/* Safe text (see cordon_escape) as XML 1.0; two characters it cannot hold at
 * all become visible. */
static void xml_add(struct text *t, const char *s, size_t len) {
  for (size_t i = 0; i < len; i++) {
    const char *as = s[i] == '&'   ? "&amp;"
                     : s[i] == '<' ? "&lt;"
                     : s[i] == '>' ? "&gt;"
                     : s[i] == '"' ? "&quot;"
                                   : NULL;
    if (as) {
      text_write(t, as, strlen(as));
    } else if (len - i > 2 && memcmp(s + i, "\xEF\xBF", 2) == 0 &&
               (unsigned char)s[i + 2] >= 0xBE) {
      as = (unsigned char)s[i + 2] == 0xBE ? "\\u{fffe}" : "\\u{ffff}";
      text_write(t, as, strlen(as));
      i += 2;
    } else {
      text_write(t, s + i, 1);
    }
  }
}

static void xml_text(struct text *t, const char *s) {
  text_write(t, s, strlen(s));
}

static void xml_case(struct test_report *r, const struct test_place *at,
                     const char *name, const char *why, size_t why_len) {
  struct text *t = &r->xml;
  char file[8192], line[32];
  const char *first;
  cordon_escape(file, sizeof file, at->file, strlen(at->file));
  xml_text(t, "    <testcase classname=\"");
  xml_add(t, file, strlen(file));
  xml_text(t, "\" name=\"");
  xml_add(t, name, strlen(name));
  xml_text(t, "\" file=\"");
  xml_add(t, file, strlen(file));
  snprintf(line, sizeof line, "\" line=\"%" PRIu32 "\"", at->line);
  xml_text(t, line);
  if (!why) {
    xml_text(t, "/>\n");
    return;
  }
  first = memchr(why, '\n', why_len);
  xml_text(t, ">\n      <failure message=\"");
  xml_add(t, why + 2, first ? (size_t)(first - why) - 2 : why_len - 2);
  xml_text(t, "\">");
  xml_add(t, why, why_len);
  xml_text(t, "</failure>\n    </testcase>\n");
}

/* ------------------------------------------------------------------ TAP --- */

static void tap_case(struct test_report *r, const char *place, const char *name,
                     const char *why, size_t why_len) {
  struct out *o = &r->out;
  char number[64];
  snprintf(number, sizeof number, "%sok %zu - ", why ? "not " : "",
           r->passed + r->failed);
  out_text(o, number);
  for (const char *p = name; *p; p++) {
    if (*p == '#' || *p == '\\')
      out_text(o, "\\");
    out_add(o, p, 1);
  }
  out_text(o, "\n");
  if (!why)
    return;
  out_text(o, "  ---\n  at: \"");
  for (const char *p = place; *p; p++) {
    if (*p == '"' || *p == '\\')
      out_text(o, "\\");
    out_add(o, p, 1);
  }
  out_text(o, "\"\n  why: |\n");
  while (why_len > 0) {
    const char *nl = memchr(why, '\n', why_len);
    size_t n = nl ? (size_t)(nl - why) + 1 : why_len;
    size_t lead = n > 2 ? 2 : 0; /* its own two blanks */
    out_text(o, "    ");
    out_add(o, why + lead, n - lead);
    why += n;
    why_len -= n;
  }
  out_text(o, "  ...\n");
}

/* ----------------------------------------------------------------- all --- */

void report_begin(struct test_report *r, enum test_format format, bool quiet) {
  *r = (struct test_report){.format = format, .quiet = quiet};
  out_init(&r->out, STDOUT_FILENO);
  if (format == TEST_TAP)
    out_text(&r->out, "TAP version 14\n");
}

void report_test(struct test_report *r, const struct test_place *at,
                 const char *name, const char *why, size_t why_len) {
  char shown[NAME_SHOWN];
  char *place = show_place(at);
  cordon_escape(shown, sizeof shown, name, strlen(name));
  if (why)
    r->failed++;
  else
    r->passed++;
  switch (r->format) {
  case TEST_TEXT:
    if (!why && r->quiet)
      break;
    out_text(&r->out, why ? "FAIL " : "ok   ");
    out_text(&r->out, shown);
    if (why) {
      out_text(&r->out, " (");
      out_text(&r->out, place);
      out_text(&r->out, ")");
    }
    out_text(&r->out, "\n");
    if (why)
      out_visible(&r->out, why, why_len);
    break;
  case TEST_TAP:
    tap_case(r, place, shown, why, why_len);
    break;
  case TEST_JUNIT:
    xml_case(r, at, shown, why, why_len);
    break;
  }
  free(place);
}

void report_note(struct test_report *r, const struct test_place *at,
                 const char *text) {
  char *place = at ? show_place(at) : NULL;
  char *line = must_format("%s%s%s%s\n", place ? "  " : "", place ? place : "",
                           place ? ": " : "", text);
  switch (r->format) {
  case TEST_TEXT:
    out_text(&r->out, line);
    break;
  case TEST_TAP:
    out_text(&r->out, "# ");
    out_text(&r->out, line);
    break;
  case TEST_JUNIT: /* has no place for it */
    words_text(line);
    break;
  }
  free(line);
  free(place);
}

int report_end(struct test_report *r, int status) {
  size_t n = r->passed + r->failed;
  char line[160];
  if (r->format == TEST_TAP) {
    snprintf(line, sizeof line, "1..%zu\n", n);
    out_text(&r->out, line);
  }
  if (r->format == TEST_JUNIT) {
    snprintf(line, sizeof line, " tests=\"%zu\" failures=\"%zu\" errors=\"0\"",
             n, r->failed);
    out_text(&r->out,
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    out_text(&r->out, line);
    out_text(&r->out, ">\n  <testsuite name=\"cordon test\"");
    out_text(&r->out, line);
    out_text(&r->out, ">\n");
    out_add(&r->out, r->xml.p, r->xml.len);
    out_text(&r->out, "  </testsuite>\n</testsuites>\n");
  }
  free(r->xml.p);
  return out_finish(&r->out, status);
}
