/* check_ip.c - addresses: strict text, RFC 5952 output, blocks, classes. */
#include "tests/unit.h"

#include "runtime/base/err.h"
#include "runtime/base/ip.h"

static struct ip address(const char *text) {
  struct ip ip;
  struct slice s = slice_of(text);
  int rv = strchr(text, ':') ? ip_parse6(s, &ip) : ip_parse4(s, &ip);
  ck_assert_msg(rv == 0, "%s", text);
  return ip;
}

static const char *const quads[] = {"0.0.0.0", "1.2.3.4", "127.0.0.1",
                                    "255.255.255.255", "10.0.100.99"};

static const char *const no_quads[] = {
    "",          "1",        "1.2.3",      "1.2.3.4.5", "256.1.1.1",
    "1.2.3.256", "01.2.3.4", "1.2.3.00",   "1..2.3",    ".1.2.3.4",
    "1.2.3.4.",  "1.2.3.",   "1.2.3.4 ",   " 1.2.3.4",  "0x1.2.3.4",
    "1.2.3.4a",  "1.2.3.-4", "1.2.3.0004", "1,2,3,4",   "1.2.3.999999999999"};

START_TEST(reads_quads) {
  char out[IP_TEXT_MAX];
  struct ip ip;
  unit_each(q, quads) {
    ip = address(*q);
    ck_assert_uint_eq(ip_format(&ip, out), strlen(*q));
    ck_assert_str_eq(out, *q);
  }
  unit_each(q, no_quads) {
    struct guard g;
    guard_init_str(&g, *q);
    ck_assert_msg(ip_parse4(guard_slice(&g), &ip) == ERR_SYNTAX, "%s", *q);
    guard_deinit(&g);
  }
}
END_TEST

static const struct {
  const char *text;
  const char *canonical;
} v6[] = {
    {"::", "::"},
    {"::1", "::1"},
    {"0:0:0:0:0:0:0:1", "::1"},
    {"1::", "1::"},
    {"2001:DB8::00A0", "2001:db8::a0"},
    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},    /* the first of equals */
    {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},          /* the longest */
    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* not a single one */
    {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
    {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
    {"1:0:0:4:5:6:0:0", "1::4:5:6:0:0"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
    {"::ffff:a00:1", "::ffff:10.0.0.1"},
    {"::1.2.3.4", "::102:304"},
    {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
    {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
};

static const char *const no_v6[] = {
    "",
    ":",
    "1",
    ":::",
    "1:",
    ":1",
    "::1:",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1:2:3:4::5:6:7:8",
    "12345::",
    "g::",
    "::1%eth0",
    "[::1]",
    "1.2.3.4",
    "::1.2.3",
    "::1.2.3.4.5",
    "::1.2.3.4:5",
    "::01.2.3.4",
    "::1.2.3.256",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::.1.2.3",
    "::1 ",
    "0x1::",
    "::-1",
    "0000:0000:0000:0000:0000:0000:0000:00000",
    "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2550",
};

START_TEST(reads_v6) {
  char out[IP_TEXT_MAX];
  struct ip ip, again;
  unit_each(row, v6) {
    ip = address(row->text);
    ck_assert_uint_eq(ip_format(&ip, out), strlen(out));
    ck_assert_str_eq(out, row->canonical);
    again = address(out);
    ck_assert_mem_eq(&ip, &again, sizeof ip);
  }
  unit_each(row, no_v6) {
    struct guard g;
    guard_init_str(&g, *row);
    ck_assert_msg(ip_parse6(guard_slice(&g), &ip) == ERR_SYNTAX, "%s", *row);
    guard_deinit(&g);
  }
}
END_TEST

/* Every choice of zero groups: the text reads back, and is never longer than
 * the buffer. */
START_TEST(formats_every_zero_pattern) {
  for (unsigned mask = 0; mask < 256; mask++) {
    struct ip ip = {.family = 6}, again;
    char out[IP_TEXT_MAX];
    size_t len;
    for (unsigned i = 0; i < 8; i++) {
      if (mask & (1U << i)) {
        ip.bytes[2 * i] = 0xab;
        ip.bytes[2 * i + 1] = 0xcd;
      }
    }
    len = ip_format(&ip, out);
    ck_assert_uint_lt(len, sizeof out);
    ck_assert_int_eq(ip_parse6((struct slice){out, len}, &again), 0);
    ck_assert_mem_eq(&ip, &again, sizeof ip);
    ck_assert_ptr_null(strstr(out, ":::"));
  }
}
END_TEST

START_TEST(reads_and_writes_ports) {
  static const struct {
    const char *text;
    const char *written; /* NULL: refused */
  } cases[] = {
      {"1.2.3.4:443", "1.2.3.4:443"},
      {"[::1]:65535", "[::1]:65535"},
      {"[FD00::0:1]:1", "[fd00::1]:1"},
      {"[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]:80"},
      {"", NULL},
      {"1.2.3.4", NULL},
      {"1.2.3.4:", NULL},
      {"1.2.3.4:0", NULL},
      {"1.2.3.4:080", NULL},
      {"1.2.3.4:65536", NULL},
      {"1.2.3.4:99999999999999999999", NULL},
      {"1.2.3.4:-1", NULL},
      {"1.2.3.4: 1", NULL},
      {":443", NULL},
      {"[::1]", NULL},
      {"[::1]:", NULL},
      {"[::1]443", NULL},
      {"[::1", NULL},
      {"[]:1", NULL},
      {"::1:443", NULL},
      {"[1.2.3.4]:443", NULL},
      {"localhost:443", NULL},
  };
  unit_each(row, cases) {
    struct ip ip;
    uint16_t port;
    char out[IP_TEXT_MAX + 8];
    struct guard g;
    int rv;
    guard_init_str(&g, row->text);
    rv = ip_parse_port(guard_slice(&g), &ip, &port);
    ck_assert_msg(rv == (row->written ? 0 : ERR_SYNTAX), "%s", row->text);
    if (row->written) {
      ck_assert_uint_eq(ip_format_port(&ip, port, out), strlen(row->written));
      ck_assert_str_eq(out, row->written);
    }
    guard_deinit(&g);
  }
}
END_TEST

static const struct {
  const char *text;
  enum ip_class class_;
} classes[] = {
    {"0.0.0.0", IP_RESERVED},
    {"0.255.255.255", IP_RESERVED},
    {"1.0.0.0", IP_PUBLIC},
    {"9.255.255.255", IP_PUBLIC},
    {"10.0.0.0", IP_PRIVATE},
    {"10.255.255.255", IP_PRIVATE},
    {"11.0.0.0", IP_PUBLIC},
    {"100.63.255.255", IP_PUBLIC},
    {"100.64.0.0", IP_CGNAT},
    {"100.127.255.255", IP_CGNAT},
    {"100.128.0.0", IP_PUBLIC},
    {"127.0.0.1", IP_LOOPBACK},
    {"127.255.255.255", IP_LOOPBACK},
    {"128.0.0.0", IP_PUBLIC},
    {"169.254.169.254", IP_LINK_LOCAL},
    {"169.253.255.255", IP_PUBLIC},
    {"169.255.0.0", IP_PUBLIC},
    {"172.15.255.255", IP_PUBLIC},
    {"172.16.0.0", IP_PRIVATE},
    {"172.31.255.255", IP_PRIVATE},
    {"172.32.0.0", IP_PUBLIC},
    {"192.0.0.8", IP_RESERVED},
    {"192.0.0.9", IP_RESERVED},
    {"192.0.1.0", IP_PUBLIC},
    {"192.0.2.1", IP_RESERVED},
    {"192.31.196.1", IP_PUBLIC},
    {"192.88.99.1", IP_RESERVED},
    {"192.167.255.255", IP_PUBLIC},
    {"192.168.0.0", IP_PRIVATE},
    {"192.168.255.255", IP_PRIVATE},
    {"192.169.0.0", IP_PUBLIC},
    {"198.17.255.255", IP_PUBLIC},
    {"198.18.0.0", IP_RESERVED},
    {"198.19.255.255", IP_RESERVED},
    {"198.20.0.0", IP_PUBLIC},
    {"198.51.100.1", IP_RESERVED},
    {"203.0.113.1", IP_RESERVED},
    {"223.255.255.255", IP_PUBLIC},
    {"224.0.0.1", IP_MULTICAST},
    {"239.255.255.255", IP_MULTICAST},
    {"240.0.0.0", IP_RESERVED},
    {"255.255.255.255", IP_RESERVED},
    {"::", IP_RESERVED},
    {"::1", IP_LOOPBACK},
    {"::2", IP_EMBEDDED_V4},
    {"::7f00:1", IP_EMBEDDED_V4},
    {"::ffff:8.8.8.8", IP_EMBEDDED_V4},
    {"::ffff:0:8.8.8.8", IP_EMBEDDED_V4},
    {"64:ff9b::8.8.8.8", IP_EMBEDDED_V4},
    {"64:ff9b:1::1", IP_EMBEDDED_V4},
    {"64:ff9b:2::1", IP_RESERVED},
    {"100::1", IP_RESERVED},
    {"2001::1", IP_EMBEDDED_V4},
    {"2001:1::1", IP_RESERVED},
    {"2001:2::1", IP_RESERVED},
    {"2001:3::1", IP_PUBLIC},
    {"2001:4:112::1", IP_PUBLIC},
    {"2001:20::1", IP_RESERVED},
    {"2001:1ff:ffff::1", IP_RESERVED},
    {"2001:200::1", IP_PUBLIC},
    {"2001:db8::1", IP_RESERVED},
    {"2001:4860:4860::8888", IP_PUBLIC},
    {"2002:7f00:1::", IP_EMBEDDED_V4},
    {"2003::1", IP_PUBLIC},
    {"2620:4f:8000::1", IP_PUBLIC},
    {"3fff::1", IP_RESERVED},
    {"3fff:fff:ffff::1", IP_RESERVED},
    {"3fff:1000::1", IP_PUBLIC},
    {"4000::1", IP_RESERVED},
    {"5f00::1", IP_RESERVED},
    {"fbff::1", IP_RESERVED},
    {"fc00::1", IP_PRIVATE},
    {"fdff:ffff::1", IP_PRIVATE},
    {"fe80::1", IP_LINK_LOCAL},
    {"febf::1", IP_LINK_LOCAL},
    {"fec0::1", IP_RESERVED},
    {"ff02::1", IP_MULTICAST},
};

START_TEST(classes_by_the_registries) {
  struct ip none = {.family = 0};
  unit_each(row, classes) {
    struct ip ip = address(row->text);
    enum ip_class got = ip_classify(&ip), back;
    ck_assert_msg(got == row->class_, "%s is %s", row->text,
                  ip_class_name(got));
    ck_assert_int_eq(ip_class_from_name(slice_of(ip_class_name(got)), &back),
                     0);
    ck_assert_int_eq(back, got);
  }
  ck_assert_int_eq(ip_classify(&none), IP_RESERVED);
  ck_assert_int_eq(ip_class_from_name(SLICE("Public"), &(enum ip_class){0}),
                   ERR_NOT_FOUND);
  ck_assert_int_eq(ip_class_from_name(SLICE(""), &(enum ip_class){0}),
                   ERR_NOT_FOUND);
}
END_TEST

START_TEST(finds_embedded_v4) {
  static const struct {
    const char *text;
    const char *v4;
  } cases[] = {
      {"::ffff:10.1.2.3", "10.1.2.3"},
      {"::10.1.2.3", "10.1.2.3"},
      {"64:ff9b::10.1.2.3", "10.1.2.3"},
      {"64:ff9b:1::10.1.2.3", "10.1.2.3"},
      {"64:ff9b:1:ffff::10.1.2.3", "10.1.2.3"},
      {"64:ff9b:2::10.1.2.3", NULL},
      {"::ffff:0:10.1.2.3", "10.1.2.3"},
      {"2002:a01:203::", "10.1.2.3"},
      {"2001::f5fe:fdfc", "10.1.2.3"},
      {"::2", "0.0.0.2"},
      {"::1", NULL},
      {"::", NULL},
      {"2001:db8::10.1.2.3", NULL},
      {"fe80::a01:203", NULL},
      {"10.1.2.3", NULL},
  };
  unit_each(row, cases) {
    struct ip ip = address(row->text), v4;
    char out[IP_TEXT_MAX];
    ck_assert_msg(ip_embedded4(&ip, &v4) == (row->v4 != NULL), "%s", row->text);
    if (row->v4) {
      ip_format(&v4, out);
      ck_assert_str_eq(out, row->v4);
    }
  }
}
END_TEST

START_TEST(knows_what_means_loopback) {
  static const struct {
    const char *text;
    const char *end;
  } cases[] = {
      {"0.0.0.0", "127.0.0.1"},
      {"::", "::1"},
      {"::ffff:0.0.0.0", "127.0.0.1"},
      {"0.0.0.1", NULL},
      {"127.0.0.1", NULL},
      {"::1", NULL},
      {"::ffff:0.0.0.1", NULL},
      {"64:ff9b::", NULL},
  };
  struct ip none = {0}, end;
  unit_each(row, cases) {
    struct ip ip = address(row->text);
    char out[IP_TEXT_MAX];
    ck_assert_msg(ip_means_loopback(&ip, &end) == (row->end != NULL), "%s",
                  row->text);
    if (row->end) {
      ip_format(&end, out);
      ck_assert_str_eq(out, row->end);
    }
  }
  ck_assert(!ip_means_loopback(&none, &end));
}
END_TEST

/* Against a comparison bit by bit. */
START_TEST(compares_prefixes) {
  struct ip a = address("a5c3:5a3c:f00f:0ff0:1234:5678:9abc:def0"), b;
  struct ip v4 = address("1.2.3.4");
  for (unsigned flip = 0; flip < 128; flip++) {
    b = a;
    b.bytes[flip / 8] ^= (uint8_t)(0x80U >> flip % 8);
    for (unsigned bits = 0; bits <= 128; bits++)
      ck_assert_int_eq(ip_in_prefix(&a, &b, bits), bits <= flip);
  }
  ck_assert(!ip_in_prefix(&a, &a, 129));
  ck_assert(!ip_in_prefix(&a, &v4, 0));
  ck_assert(ip_in_prefix(&v4, &v4, 32));
  ck_assert(!ip_in_prefix(&v4, &v4, 33));
  b = v4;
  b.family = a.family = 0;
  ck_assert(!ip_in_prefix(&a, &b, 0));
}
END_TEST

int main(void) {
  Suite *s = suite_create("ip");
  TCase *tc = tcase_create("ip");

  tcase_add_test(tc, reads_quads);
  tcase_add_test(tc, reads_v6);
  tcase_add_test(tc, formats_every_zero_pattern);
  tcase_add_test(tc, reads_and_writes_ports);
  tcase_add_test(tc, classes_by_the_registries);
  tcase_add_test(tc, finds_embedded_v4);
  tcase_add_test(tc, knows_what_means_loopback);
  tcase_add_test(tc, compares_prefixes);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
