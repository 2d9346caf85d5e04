/* fuzz_layout.c - time layouts: "LAYOUT\nTEXT" is split, read and written. */
#include <stdlib.h>
#include <string.h>

#include "modules/time_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
  if (!holds)
    abort();
}

static void write_all(struct slice layout, const struct civil *civil,
                      const struct zone *zone) {
  char part[LAYOUT_PART_MAX];
  struct layout_chunk c;
  size_t seen = 0, len = layout.len;
  do {
    layout_next(&layout, &c);
    seen += c.literal.len + c.text.len;
    must(layout_write(part, &c, civil, zone) <= sizeof part);
  } while (c.part != LAYOUT_END);
  must(seen == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *p = (const char *)data;
  const char *split = size ? memchr(p, '\n', size) : NULL;
  struct slice layout = {p, split ? (size_t)(split - p) : size};
  struct slice text = {split ? split + 1 : p + size,
                       split ? size - layout.len - 1 : 0};
  struct zone zone = {text, -12345};
  struct parsed_time t;
  struct parse_fault fault;
  struct civil civil;
  int64_t sec;
  civil_from_seconds(&civil, (int64_t)size * 86399, 123456789);
  if (layout_parse(&t, layout, text, &fault) == 0) {
    sec = civil_days(t.civil.year, t.civil.month, t.civil.day) * 86400 +
          t.civil.hour * 3600 + t.civil.minute * 60 + t.civil.second;
    civil_from_seconds(&civil, sec, t.civil.nanosecond);
    must(civil.year == t.civil.year && civil.month == t.civil.month &&
         civil.day == t.civil.day && civil.hour == t.civil.hour &&
         civil.minute == t.civil.minute && civil.second == t.civil.second);
    zone.offset = t.offset;
  }
  write_all(layout, &civil, &zone);
  return 0;
}
