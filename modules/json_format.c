/* json_format.c - what "format" of JSON Schema asks of a text (2020-12,
 * Validation, section 7.3). */
#include "modules/json_format.h"

#include <string.h>

#include "modules/time_format.h"
#include "runtime/base/ip.h"

static bool take(struct slice *s, char c) {
  if (s->len == 0 || s->p[0] != c)
    return false;
  s->p++;
  s->len--;
  return true;
}

/* Exactly |digits| digits; -1: they are not there. */
static int take_number(struct slice *s, size_t digits) {
  int v = 0;
  if (s->len < digits)
    return -1;
  for (size_t i = 0; i < digits; i++) {
    if (!ascii_digit(s->p[i]))
      return -1;
    v = v * 10 + (s->p[i] - '0');
  }
  s->p += digits;
  s->len -= digits;
  return v;
}

static size_t take_digits(struct slice *s) {
  size_t n = 0;
  while (n < s->len && ascii_digit(s->p[n]))
    n++;
  s->p += n;
  s->len -= n;
  return n;
}

static bool is_alnum(char c) {
  return ascii_alpha(c) || ascii_digit(c);
}

/* ----------------------------------------------- RFC 3339: dates and times */

static bool take_date(struct slice *s) {
  int year = take_number(s, 4), month, day;
  if (year < 0 || !take(s, '-') || (month = take_number(s, 2)) < 1 ||
      month > 12 || !take(s, '-') || (day = take_number(s, 2)) < 1)
    return false;
  return day <= civil_days_in(year, month);
}

static bool take_time(struct slice *s) {
  int hour = take_number(s, 2), minute, second, zone_hour = 0, zone_minute = 0;
  int sign = 0, utc;
  if (hour < 0 || hour > 23 || !take(s, ':') ||
      (minute = take_number(s, 2)) < 0 || minute > 59 || !take(s, ':') ||
      (second = take_number(s, 2)) < 0 || second > 60)
    return false;
  if (take(s, '.') && take_digits(s) == 0)
    return false;
  if (take(s, '+'))
    sign = 1;
  else if (take(s, '-'))
    sign = -1;
  else if (!take(s, 'Z') && !take(s, 'z'))
    return false;
  if (sign != 0 &&
      ((zone_hour = take_number(s, 2)) < 0 || zone_hour > 23 || !take(s, ':') ||
       (zone_minute = take_number(s, 2)) < 0 || zone_minute > 59))
    return false;
  /* leap seconds end a day of UTC: section 5.7 */
  utc = hour * 60 + minute - sign * (zone_hour * 60 + zone_minute);
  return second < 60 || (utc + 1440) % 1440 == 1439;
}

static bool is_date(struct slice s) {
  return take_date(&s) && s.len == 0;
}

static bool is_time(struct slice s) {
  return take_time(&s) && s.len == 0;
}

static bool is_date_time(struct slice s) {
  return take_date(&s) && (take(&s, 'T') || take(&s, 't')) && take_time(&s) &&
         s.len == 0;
}

/* A part of a duration: units in their order without a gap, as appendix A has
 * them: "1Y2M" and "2M3D", but not "1Y3D". */
static bool take_units(struct slice *s, const char *units) {
  const char *next = NULL;
  while (s->len > 0 && ascii_digit(s->p[0])) {
    const char *at;
    take_digits(s);
    if (s->len == 0 || s->p[0] == '\0' || !(at = strchr(units, s->p[0])) ||
        (next && at != next))
      return false;
    next = at + 1;
    (void)take(s, *at);
  }
  return next != NULL;
}

static bool is_duration(struct slice s) {
  struct slice weeks;
  if (!take(&s, 'P'))
    return false;
  weeks = s;
  if (take_digits(&weeks) > 0 && take(&weeks, 'W'))
    return weeks.len == 0;
  if (s.len > 0 && s.p[0] != 'T' && !take_units(&s, "YMD"))
    return false;
  if (take(&s, 'T'))
    return take_units(&s, "HMS") && s.len == 0;
  return s.len == 0 && s.p[-1] != 'P';
}

/* --------------------------------------------------------- names and hosts */

/* RFC 1123 section 2.1 and RFC 1035 section 2.3.4 */
static bool is_hostname(struct slice s) {
  size_t label = 0;
  if (s.len == 0 || s.len > 253)
    return false;
  for (size_t i = 0; i < s.len; i++) {
    char c = s.p[i];
    if (c == '.') {
      if (label == 0 || s.p[i - 1] == '-')
        return false;
      label = 0;
      continue;
    }
    if (!is_alnum(c) && (c != '-' || label == 0))
      return false;
    if (++label > 63)
      return false;
  }
  return label > 0 && s.p[s.len - 1] != '-';
}

static bool is_ipv4(struct slice s) {
  struct ip ip;
  return ip_parse4(s, &ip) == 0;
}

static bool is_ipv6(struct slice s) {
  struct ip ip;
  return ip_parse6(s, &ip) == 0;
}

/* RFC 5321 section 4.1.2: a mailbox. */
static bool is_email(struct slice s) {
  size_t at = 0;
  struct slice domain;
  if (s.len > 0 && s.p[0] == '"') {
    for (at = 1; at < s.len && s.p[at] != '"'; at++) {
      if (s.p[at] == '\\')
        at++;
      if (at >= s.len || s.p[at] < ' ' || s.p[at] > '~')
        return false;
    }
    at++; /* behind the other quote */
  } else {
    while (at < s.len && s.p[at] != '@') {
      char c = s.p[at];
      if (c == '.' ? at == 0 || s.p[at - 1] == '.'
                   : !is_alnum(c) &&
                         (c == '\0' || !strchr("!#$%&'*+-/=?^_`{|}~", c)))
        return false;
      at++;
    }
    if (at == 0 || s.p[at - 1] == '.')
      return false;
  }
  if (at >= s.len || s.p[at] != '@' || at > 64)
    return false;
  domain = (struct slice){s.p + at + 1, s.len - at - 1};
  if (domain.len > 2 && domain.p[0] == '[' && domain.p[domain.len - 1] == ']') {
    struct slice ip = {domain.p + 1, domain.len - 2};
    const struct slice v6 = SLICE("IPv6:");
    if (slice_starts(ip, v6))
      return is_ipv6((struct slice){ip.p + v6.len, ip.len - v6.len});
    return is_ipv4(ip);
  }
  return is_hostname(domain);
}

static bool is_uuid(struct slice s) { /* RFC 4122 section 3 */
  if (s.len != 36)
    return false;
  for (size_t i = 0; i < s.len; i++)
    if (i == 8 || i == 13 || i == 18 || i == 23 ? s.p[i] != '-'
                                                : hex_digit(s.p[i]) < 0)
      return false;
  return true;
}

/* ---------------------------------------------------------- RFC 3986: URIs */

/* Unreserved characters, sub-delims, those of |more|, and %XX. */
static bool all_chars(struct slice s, const char *more) {
  for (size_t i = 0; i < s.len; i++) {
    char c = s.p[i];
    if (c == '%') {
      if (s.len - i < 3 || hex_digit(s.p[i + 1]) < 0 ||
          hex_digit(s.p[i + 2]) < 0)
        return false;
      i += 2;
      continue;
    }
    if (!is_alnum(c) &&
        (c == '\0' || (!strchr("-._~!$&'()*+,;=", c) && !strchr(more, c))))
      return false;
  }
  return true;
}

/* What stands before the first of |ends| in |s|, which is cut off it. */
static struct slice take_until(struct slice *s, const char *ends) {
  struct slice part = {s->p, 0};
  while (part.len < s->len &&
         (s->p[part.len] == '\0' || !strchr(ends, s->p[part.len])))
    part.len++;
  s->p += part.len;
  s->len -= part.len;
  return part;
}

static bool is_authority(struct slice s) {
  const char *at = s.len ? memchr(s.p, '@', s.len) : NULL;
  struct slice host, ip;
  if (at) {
    struct slice user = {s.p, (size_t)(at - s.p)};
    if (!all_chars(user, ":"))
      return false;
    s.len -= user.len + 1;
    s.p = at + 1;
  }
  if (take(&s, '[')) {
    ip = take_until(&s, "]");
    if (!take(&s, ']'))
      return false;
    if (ip.len > 0 && (ip.p[0] == 'v' || ip.p[0] == 'V')) { /* IPvFuture */
      struct slice version;
      (void)take(&ip, ip.p[0]);
      version = take_until(&ip, ".");
      for (size_t i = 0; i < version.len; i++)
        if (hex_digit(version.p[i]) < 0)
          return false;
      if (version.len == 0 || !take(&ip, '.') || ip.len == 0 ||
          memchr(ip.p, '%', ip.len) || !all_chars(ip, ":"))
        return false;
    } else if (!is_ipv6(ip)) {
      return false;
    }
  } else {
    host = take_until(&s, ":");
    if (!all_chars(host, ""))
      return false;
  }
  if (s.len == 0)
    return true;
  if (!take(&s, ':'))
    return false;
  take_digits(&s);
  return s.len == 0;
}

/* The length of a scheme with its colon; 0: there is none. */
static size_t scheme_length(struct slice s) {
  size_t n = 0;
  if (s.len == 0 || !ascii_alpha(s.p[0]))
    return 0;
  while (n < s.len &&
         (is_alnum(s.p[n]) || s.p[n] == '+' || s.p[n] == '-' || s.p[n] == '.'))
    n++;
  return n < s.len && s.p[n] == ':' ? n + 1 : 0;
}

static bool is_reference(struct slice s) {
  size_t scheme = scheme_length(s);
  struct slice path;
  s.p += scheme;
  s.len -= scheme;
  if (s.len >= 2 && s.p[0] == '/' && s.p[1] == '/') {
    s.p += 2;
    s.len -= 2;
    if (!is_authority(take_until(&s, "/?#")))
      return false;
  } else if (scheme == 0) { /* path-noscheme: no colon before a slash */
    struct slice rest = s, first = take_until(&rest, "/?#");
    if (first.len > 0 && memchr(first.p, ':', first.len))
      return false;
  }
  path = take_until(&s, "?#");
  if (!all_chars(path, ":@/"))
    return false;
  if (take(&s, '?') && !all_chars(take_until(&s, "#"), ":@/?"))
    return false;
  return !take(&s, '#') || all_chars(s, ":@/?");
}

static bool is_uri(struct slice s) {
  return scheme_length(s) > 0 && is_reference(s);
}

/* ---------------------------------------------------------------- pointers */

static bool is_pointer(struct slice s) { /* RFC 6901 */
  if (s.len > 0 && s.p[0] != '/')
    return false;
  for (size_t i = 0; i < s.len; i++)
    if (s.p[i] == '~' &&
        (i + 1 == s.len || (s.p[i + 1] != '0' && s.p[i + 1] != '1')))
      return false;
  return true;
}

static bool is_relative_pointer(struct slice s) {
  bool zero = s.len > 0 && s.p[0] == '0';
  size_t n = take_digits(&s);
  if (n == 0 || (zero && n > 1))
    return false;
  return (s.len == 1 && s.p[0] == '#') || is_pointer(s);
}

/* ------------------------------------------------------------------- table */

static const struct {
  const char *name;
  enum json_format_known known;
  bool (*holds)(struct slice s);
} formats[] = {
    {"date", JSON_FORMAT_KNOWN, is_date},
    {"date-time", JSON_FORMAT_KNOWN, is_date_time},
    {"duration", JSON_FORMAT_KNOWN, is_duration},
    {"email", JSON_FORMAT_KNOWN, is_email},
    {"hostname", JSON_FORMAT_KNOWN, is_hostname},
    {"idn-email", JSON_FORMAT_MISSING, NULL},
    {"idn-hostname", JSON_FORMAT_MISSING, NULL},
    {"ipv4", JSON_FORMAT_KNOWN, is_ipv4},
    {"ipv6", JSON_FORMAT_KNOWN, is_ipv6},
    {"iri", JSON_FORMAT_MISSING, NULL},
    {"iri-reference", JSON_FORMAT_MISSING, NULL},
    {"json-pointer", JSON_FORMAT_KNOWN, is_pointer},
    {"regex", JSON_FORMAT_REGEX, NULL},
    {"relative-json-pointer", JSON_FORMAT_KNOWN, is_relative_pointer},
    {"time", JSON_FORMAT_KNOWN, is_time},
    {"uri", JSON_FORMAT_KNOWN, is_uri},
    {"uri-reference", JSON_FORMAT_KNOWN, is_reference},
    {"uri-template", JSON_FORMAT_MISSING, NULL},
    {"uuid", JSON_FORMAT_KNOWN, is_uuid},
};
#define NFORMATS (sizeof formats / sizeof *formats)

enum json_format_known json_format_find(struct slice name) {
  for (size_t i = 0; i < NFORMATS; i++)
    if (slice_is(name, formats[i].name))
      return formats[i].known;
  return JSON_FORMAT_FOREIGN;
}

bool json_format_holds(struct slice name, struct slice text) {
  if (text.len > JSON_FORMAT_MAX_BYTES)
    return false;
  for (size_t i = 0; i < NFORMATS; i++)
    if (formats[i].holds && slice_is(name, formats[i].name))
      return formats[i].holds(text);
  return true;
}
