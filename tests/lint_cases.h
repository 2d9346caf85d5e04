/* lint_cases.h - for check_lint.c: policies, and what is found in them.  Each
 * rule has what it must find, with the place, and what only looks like it. */
#ifndef TESTS_LINT_CASES_H
#define TESTS_LINT_CASES_H

#define TOP "namespace: app\nentries:\n" /* entries begin at line 3 */
#define ENTRY(name, kind, body)                                                \
  "- {name: " name ", kind: security.policy" kind ", policy: {" body "}}\n"
#define RULE(action, resource) "{action: " action ", resource: '" resource "'}"
#define CONNECT_RULE "{action: websocket.connect}, "
/* Line 3: without it no URL is ever asked for, which is a finding. */
#define CONNECT                                                                \
  ENTRY("c", "", "effect: allow, rules: [{action: websocket.connect}]")
#define ALLOW(name, pattern)                                                   \
  ENTRY(name, "",                                                              \
        "effect: allow, rules: [" RULE("websocket.connect.url", pattern) "]")
#define DENY(name, pattern)                                                    \
  ENTRY(name, "",                                                              \
        "effect: deny, rules: [" RULE("websocket.connect.url", pattern) "]")
#define ALLOW_IF(name, conditions)                                             \
  ENTRY(name, "",                                                              \
        "effect: allow, rules: [" RULE(                                        \
            "websocket.connect.url",                                           \
            "wss://a.example.com") "],\n   conditions: [" conditions "]")
#define DENY_IF(name, conditions)                                              \
  ENTRY(name, "",                                                              \
        "effect: deny, rules: [" RULE(                                         \
            "websocket.connect.url",                                           \
            "wss://a.example.com") "],\n   conditions: [" conditions "]")
#define EXPR(name, effect, expression)                                         \
  ENTRY(name, ".expr",                                                         \
        "effect: " effect ", rules: [" RULE(                                   \
            "websocket.connect.url",                                           \
            "wss://a.example.com") "],\n   expression: '" expression "'")
#define IF(field, op, value)                                                   \
  "{field: " field ", operator: " op ", value: " value "}"
#define OTHER(effect, actions, resources)                                      \
  ENTRY("o", "",                                                               \
        "effect: " effect ", actions: " actions ", resources: " resources)
/* The note about what only host modules ask for, where that is not the point;
 * it stands at the action. */
#define FOREIGN "3:69 note unknown-reference\n"
#define FOREIGN_DENY "3:68 note unknown-reference\n"
#define FOREIGN_LIST "3:70 note unknown-reference\n"

struct row {
  const char *text; /* below TOP */
  const char *findings;
};

/* Part of a host compared. */
static const struct row host_open_end[] = {
    {TOP OTHER("allow", "fetch", "'https://api.example.com*'"),
     FOREIGN "3:88 host-open-end\n"},
    {TOP OTHER("deny", "fetch", "'https://api.example.com*'"),
     FOREIGN_DENY "3:87 note host-open-end\n"},
    {TOP OTHER("allow", "fetch", "'https://api.example.com:*'"),
     FOREIGN "3:88 host-open-end\n"},
    {TOP OTHER("allow", "fetch", "['https://api.example.com/*', 'https://*']"),
     FOREIGN "3:89 dead-or-shadowed\n"},
    {TOP OTHER("allow", "fetch", "'document:a*'"), FOREIGN},
    {TOP CONNECT ALLOW_IF("a", IF("url.host", "matches", "'^api[.]example'")),
     "5:17 host-open-end\n"},
    {TOP CONNECT ALLOW_IF("a",
                          IF("url.host", "matches", "'^api[.]example.*$'")),
     "5:17 host-open-end\n"},
    {TOP CONNECT ALLOW_IF("a", IF("url.host", "matches", "'example[.]com$'")),
     "5:17 host-open-end\n"},
    {TOP CONNECT ALLOW_IF("a",
                          IF("url.host", "matches", "'^.*example[.]com$'")),
     "5:17 host-open-end\n"},
    {TOP CONNECT ALLOW_IF("a", IF("meta.host", "matches", "'^api'")),
     "5:17 host-open-end\n"},
    {TOP CONNECT DENY_IF("a", IF("url.host", "matches", "'^api'")),
     "5:17 note host-open-end\n"},
    {TOP CONNECT ALLOW_IF(
         "a", IF("resource", "matches", "'^wss://api[.]example[.]com.*$'")),
     "5:17 host-open-end\n"},
    {TOP CONNECT ALLOW_IF(
         "a", IF("url.host", "matches", "'^[a-z]+[.]example[.]com$'")),
     ""},
    {TOP CONNECT ALLOW_IF("a",
                          IF("url.host", "matches", "'[.]example[.]com$'")),
     ""},
    {TOP CONNECT ALLOW_IF(
         "a", IF("url.host", "matches", "'^(.+[.])?example[.]com$'")),
     ""},
    {TOP CONNECT ALLOW_IF(
         "a", IF("resource", "matches", "'^wss://api[.]example[.]com/.*$'")),
     ""},
    {TOP CONNECT EXPR("a", "allow", "url.host startsWith \"api.example.com\""),
     "5:17 host-open-end\n"},
    {TOP CONNECT EXPR("a", "allow", "url.host endsWith \"example.com\""),
     "5:17 host-open-end\n"},
    {TOP CONNECT EXPR("a", "allow", "url.host contains \"example.com\""),
     "5:17 host-open-end\n"},
    {TOP CONNECT EXPR("a", "allow",
                      "resource startsWith \"wss://api.example.com\""),
     "5:17 host-open-end\n"},
    {TOP CONNECT EXPR("a", "allow", "url.host endsWith \".example.com\""), ""},
    {TOP CONNECT EXPR("a", "allow",
                      "resource startsWith \"wss://api.example.com/\""),
     ""},
    {TOP CONNECT EXPR("a", "allow", "url.path startsWith \"/api\""), ""},
};

/* A deny that fails where something is missing. */
static const struct row deny_can_error[] = {
    {TOP CONNECT ALLOW("u", "wss://b.example.com")
         DENY_IF("d", IF("actor.meta.role", "eq", "guest")),
     "6:17 deny-can-error\n"},
    {TOP CONNECT DENY_IF("d", IF("actor.meta.role", "exists", "true") ", " IF(
                                  "actor.meta.role", "eq", "guest")),
     ""},
    {TOP CONNECT DENY_IF("d", IF("actor.meta.role", "eq", "guest") ", " IF(
                                  "actor.meta.role", "exists", "true")),
     "5:17 deny-can-error\n"},
    {TOP CONNECT DENY_IF("d", IF("actor.meta.role", "nexists", "false") ", " IF(
                                  "actor.meta.role", "eq", "guest")),
     ""},
    {TOP CONNECT DENY_IF(
         "d", IF("actor.meta.a", "eq", "1") ", " IF("actor.meta.a", "lt", "2")),
     "5:17 deny-can-error\n"},
    {TOP CONNECT DENY_IF(
         "d", "{field: actor.id, operator: eq, value_from: actor.meta.boss}"),
     "5:17 deny-can-error\n"},
    {TOP CONNECT DENY_IF("d", IF("url.host", "eq", "a.example.com")), ""},
    {TOP CONNECT DENY_IF("d", IF("url.query", "contains", "x")), ""},
    {TOP CONNECT DENY_IF("d", IF("meta.host", "eq", "a.example.com")), ""},
    {TOP CONNECT DENY_IF(
         "d", IF("actor.id", "eq", "x") ", " IF("action", "ne", "x")),
     ""},
    {TOP OTHER("deny", "read",
               "'*', conditions: [" IF("meta.owner", "eq", "x") "]"),
     FOREIGN_DENY "3:103 deny-can-error\n"},
    {TOP CONNECT ALLOW_IF("d", IF("actor.meta.role", "eq", "guest")), ""},
    {TOP CONNECT EXPR("d", "deny", "actor.meta.role == \"guest\""),
     "5:17 deny-can-error\n"},
    {TOP CONNECT EXPR("d", "deny",
                      "has(actor.meta.role) && actor.meta.role == \"guest\""),
     ""},
    {TOP CONNECT EXPR("d", "deny",
                      "actor.meta.role == nil || actor.meta.role == \"guest\""),
     ""},
    {TOP CONNECT EXPR("d", "deny",
                      "!has(actor.meta.role) || actor.meta.role == \"guest\""),
     ""},
    {TOP CONNECT EXPR("d", "deny",
                      "has(actor.meta.a) || actor.meta.role == \"guest\""),
     "5:38 deny-can-error\n"},
    {TOP CONNECT EXPR("d", "deny",
                      "has(actor.meta.a) && len(actor.meta.b) > 3"),
     "5:38 deny-can-error\n"},
    {TOP CONNECT EXPR("d", "deny", "url.port > \"443\""),
     "5:17 deny-can-error\n"},
    {TOP CONNECT EXPR("d", "allow", "actor.meta.role == \"guest\""), ""},
};

/* What can never apply. */
static const struct row never_matches[] = {
    {TOP CONNECT ALLOW_IF("a", IF("url.host", "eq", "b.example.com")),
     "5:17 never-matches\n"},
    {TOP CONNECT ALLOW_IF(
         "a", IF("url.host", "in", "[b.example.com, a.example.com]")),
     ""},
    {TOP CONNECT ALLOW_IF("a", IF("url.port", "eq", "8443")),
     "5:17 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("url.scheme", "eq", "ws")),
     "5:17 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("actor.id", "nexists", "true")),
     "5:17 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("meta.host", "exists", "false")),
     "5:17 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.x", "nexists", "true")), ""},
    {TOP CONNECT ENTRY(
         "a", "",
         "effect: deny, actions: websocket.connect.url, "
         "resources: ['wss://*.example.com', 'ws://x.y:8080'],"
         "\n   conditions: [" IF("url.host", "eq", "a.example.com") "]"),
     ""},
    {TOP CONNECT ENTRY(
         "a", "",
         "effect: deny, actions: websocket.connect.url, "
         "resources: ['wss://*.example.com', 'ws://x.y:8080'],"
         "\n   conditions: [" IF("url.host", "eq", "example.com") "]"),
     "5:17 never-matches\n"},
    {TOP CONNECT ENTRY("a", "",
                       "effect: deny, actions: websocket.connect.url, "
                       "resources: ['*'],\n   conditions: [" IF(
                           "url.host", "eq", "example.com") "]"),
     ""},
    {TOP ENTRY("a", "",
               "effect: allow, actions: [websocket.connect, "
               "websocket.connect.url],\n   resources: 'wss://a.example.com'"),
     "3:70 never-matches\n"
     "4:16 never-matches\n"},
    {TOP ENTRY(
         "a", "",
         "effect: allow, actions: [websocket.connect, "
         "websocket.connect.url],\n   resources: ['', 'wss://a.example.com']"),
     ""},
    {TOP ENTRY("a", "",
               "effect: allow, actions: websocket.connect,\n   resources: ['', "
               "'wss://a.example.com']"),
     "4:21 never-matches\n"},
    {TOP CONNECT ENTRY("a", "",
                       "effect: allow, actions: 'websocket.*', resources: "
                       "'wss://a.example.com'"),
     ""},
    {TOP CONNECT ENTRY(
         "a", "",
         "effect: allow, actions: '*', resources: 'wss://a.example.com'"),
     ""},
    {TOP ALLOW("a", "wss://a.example.com"), "3:111 never-matches\n"},
    {TOP DENY("a", "wss://a.example.com"), ""},
    {TOP CONNECT ALLOW_IF(
         "a", IF("actor.meta.r", "eq", "x") ", " IF("actor.meta.r", "eq", "y")),
     "5:64 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.r", "in",
                                  "[x, y]") ", " IF("actor.meta.r", "eq", "y")),
     ""},
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.r", "in", "[x, y]") ", " IF(
                                   "actor.meta.r", "nin", "[y, x]")),
     "5:69 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.r", "in", "[x, y]") ", " IF(
                                   "actor.meta.r", "nin", "[y]")),
     ""},
    {TOP CONNECT ALLOW_IF(
         "a", "{field: actor.id, operator: in, value_from: meta.host}"),
     ""},
    {TOP CONNECT ALLOW_IF(
         "a", IF("actor.meta.n", "gt", "5") ", " IF("actor.meta.n", "lt", "5")),
     "5:64 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.n", "gte",
                                  "5") ", " IF("actor.meta.n", "lte", "5")),
     ""},
    {TOP CONNECT ALLOW_IF(
         "a", IF("actor.meta.n", "gt", "5") ", " IF("actor.meta.m", "lt", "5")),
     ""},
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.n", "nexists",
                                  "true") ", " IF("actor.meta.n", "lt", "5")),
     "5:72 never-matches\n"},
    {TOP CONNECT DENY_IF("a", IF("actor.meta.n", "nexists",
                                 "true") ", " IF("actor.meta.n", "lt", "5")),
     "5:72 deny-can-error\n"},
    {TOP CONNECT DENY_IF("a", IF("actor.meta.n", "nexists", "true") ", " IF(
                                  "actor.meta.n", "exists", "true")),
     "5:72 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("url.host", "eq", "A.example.com")),
     "5:17 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("url.scheme", "eq", "https")),
     "5:17 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("url.port", "eq", "'443'")),
     "5:17 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("url.port", "gt", "'443'")),
     "5:17 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("url.port", "in", "[443, 8443]")), ""},
    {TOP CONNECT ALLOW_IF("a", IF("action", "eq", "websocket.connect")),
     "5:17 never-matches\n"},
    {TOP CONNECT ALLOW_IF("a", IF("action", "eq", "websocket.connect.url")),
     ""},
    {TOP CONNECT ALLOW_IF("a", IF("url.path", "eq", "chat")),
     "5:17 never-matches\n"},
    {TOP CONNECT EXPR(
         "a", "allow",
         "url.host == \"a.example.com\" && url.host == \"b.example.com\""),
     "5:48 never-matches\n"},
    {TOP CONNECT EXPR("a", "allow", "url.path == \"/a\" || url.path == \"/b\""),
     ""},
    {TOP CONNECT EXPR(
         "a", "allow",
         "url.host == \"a.example.com\" || url.host == \"b.example.com\""),
     "5:48 never-matches\n"},
    {TOP CONNECT EXPR(
         "a", "allow",
         "url.path == \"/\" || actor.meta.a == 1 && actor.meta.a == 2"),
     "5:57 never-matches\n"},
    {TOP CONNECT EXPR(
         "a", "allow",
         "!(url.host == \"a.example.com\" || url.host != \"a.example.com\")"),
     "5:50 never-matches\n"},
    {TOP CONNECT EXPR("a", "allow",
                      "actor.id in actor.meta.list && actor.id in [\"x\"]"),
     ""},
    {TOP CONNECT EXPR("a", "allow", "true"), "5:17 note never-matches\n"},
    {TOP CONNECT EXPR("a", "allow", "false"), "5:17 never-matches\n"},
    {TOP ENTRY(
         "a", "",
         "effect: allow, actions: [websocket.connect, "
         "websocket.connect.url],\n   resources: ['', 'wss://a.example.com'], "
         "conditions: [" IF("meta.host", "eq", "a.example.com") "]"),
     "4:57 never-matches\n"},
};

/* More pairs than anybody thought of. */
static const struct row product_overgrant[] = {
    {TOP OTHER("allow", "[read, write]", "['a:*', 'b:*']"),
     FOREIGN_LIST "3:97 product-overgrant\n"},
    {TOP OTHER("deny", "[read, write]", "['a:*', 'b:*']"), FOREIGN},
    {TOP OTHER("allow", "read", "['a:*', 'b:*']"), FOREIGN},
    {TOP OTHER("allow", "[read, write]", "'a:*'"), FOREIGN_LIST},
    {TOP OTHER("allow", "[read, write]", "'*'"), FOREIGN_LIST},
    {TOP OTHER("allow", "[read, '*']", "'a:*'"),
     FOREIGN_LIST "3:77 product-overgrant\n"},
    {TOP OTHER("allow", "read", "['*', 'a:*']"),
     FOREIGN "3:88 product-overgrant\n"},
    {TOP OTHER("deny", "read", "['a:*', '*']"),
     FOREIGN_DENY "3:94 product-overgrant\n"},
    {TOP ENTRY("a", "",
               "effect: allow, actions: [websocket.connect, "
               "websocket.connect.url],\n   resources: ['', "
               "'wss://a.example.com', 'wss://b.example.com']"),
     ""},
    {TOP ENTRY("a", "",
               "effect: allow, actions: [websocket.connect, read, "
               "websocket.connect.url],\n   resources: ['', "
               "'wss://a.example.com', x, y]"),
     "3:89 note unknown-reference\n"},
};

/* Regular expressions that match too much. */
static const struct row regex_loose[] = {
    {TOP OTHER("allow", "'*'",
               "'a:*', conditions: [" IF("action", "matches",
                                         "'registry.apply'") "]"),
     "3:105 regex-loose\n"
     "3:105 regex-loose\n"},
    {TOP OTHER("deny", "'*'",
               "'a:*', conditions: [" IF("action", "matches",
                                         "'^registry[.]apply'") "]"),
     "3:104 regex-loose\n"},
    {TOP OTHER("deny", "'*'",
               "'a:*', conditions: [" IF("action", "matches", "'apply$'") "]"),
     "3:104 regex-loose\n"},
    {TOP OTHER("deny", "'*'",
               "'a:*', conditions: [" IF("action", "matches",
                                         "'^registry\\.apply\\.*$'") "]"),
     "3:104 regex-loose\n"},
    {TOP OTHER("deny", "'*'",
               "'a:*', conditions: [" IF("action", "matches",
                                         "'^registry\\.apply.*$'") "]"),
     "3:104 note regex-loose\n"},
    {TOP OTHER("deny", "'*'",
               "'a:*', conditions: [" IF("action", "matches",
                                         "'^registry\\.apply$'") "]"),
     "3:104 note regex-loose\n"},
    {TOP OTHER("deny", "'*'",
               "'a:*', conditions: [" IF("action", "matches",
                                         "'^registry.apply[a-z]+$'") "]"),
     "3:104 regex-loose\n"},
    {TOP OTHER("deny", "'*'",
               "'a:*', conditions: [" IF("action", "matches",
                                         "'^a[0-9]|b[0-9]$'") "]"),
     "3:104 regex-loose\n"},
    {TOP OTHER(
         "deny", "'*'",
         "'a:*', conditions: [" IF("action", "matches", "'a[0-9]|b[0-9]'") "]"),
     "3:104 regex-loose\n"},
    {TOP OTHER("deny", "'*'",
               "'a:*', conditions: [" IF("action", "matches",
                                         "'^a[0-9]$|^b[0-9]$'") "]"),
     ""},
    {TOP OTHER(
         "deny", "'*'",
         "'a:*', conditions: [" IF("action", "matches", "'^(a|b)[0-9|]$'") "]"),
     ""},
    {TOP OTHER("deny", "'*'",
               "'a:*', conditions: [" IF("action", "matches",
                                         "'^registry[.].*'") "]"),
     ""},
    {TOP OTHER(
         "deny", "'*'",
         "'a:*', conditions: [" IF("action", "matches", "'^registry\\.'") "]"),
     ""},
    {TOP OTHER("deny", "'*'",
               "'a:*', conditions: [" IF("action", "matches", "'.*'") "]"),
     ""},
    {TOP OTHER("allow", "read",
               "'a:*', conditions: [" IF("actor.id", "matches",
                                         "'@example\\.com$'") "]"),
     FOREIGN},
    {TOP OTHER("allow", "read",
               "'a:*', conditions: [" IF("actor.id", "matches",
                                         "'^user:[0-9]+$'") "]"),
     FOREIGN},
    {TOP OTHER("allow", "read",
               "'a:*', conditions: [" IF("actor.id", "matches",
                                         "'(?i)^user:[0-9]+$'") "]"),
     FOREIGN},
    {TOP OTHER(
         "allow", "read",
         "'a:*', conditions: [" IF("actor.id", "matches", "'(?i)user'") "]"),
     FOREIGN "3:106 regex-loose\n"},
    {TOP OTHER(
         "allow", "read",
         "'a:*', conditions: [" IF("actor.id", "nmatches", "'^guest$'") "]"),
     FOREIGN "3:106 note regex-loose\n"},
    {TOP OTHER(
         "allow", "read",
         "'a:*', conditions: [" IF("resource", "matches", "'^a:b.*$'") "]"),
     FOREIGN "3:106 note regex-loose\n"},
};

/* Everything, and exceptions. */
static const struct row allow_all_minus_deny[] = {
    {TOP OTHER("allow", "'*'", "'*'") DENY("d", "wss://a.example.com"),
     "3:86 allow-all-minus-deny\n"},
    {TOP CONNECT ENTRY(
         "a", "",
         "effect: allow, actions: websocket.connect.url, resources: 'wss://*'")
         DENY("d", "wss://a.example.com"),
     "4:104 allow-all-minus-deny\n"
     "4:104 network-too-wide\n"},
    {TOP CONNECT ENTRY(
         "a", "",
         "effect: allow, actions: websocket.connect.url, resources: 'wss://*'")
         ENTRY("d", "", "effect: deny, actions: read, resources: x"),
     "4:104 network-too-wide\n"
     "5:68 note unknown-reference\n"},
    {TOP CONNECT ALLOW("a", "wss://*.example.com")
         DENY("d", "wss://a.example.com"),
     ""},
    {TOP ENTRY("a", "",
               "effect: allow, actions: '*', resources: '*', conditions: [" IF(
                   "actor.id", "eq", "root") "]")
         DENY("d", "wss://a.example.com"),
     ""},
    {TOP
     "- {name: a, kind: security.policy, groups: [x], policy: {effect: allow, "
     "actions: '*', resources: '*'}}\n- {name: d, kind: security.policy, "
     "groups: [y], policy: {effect: deny, actions: 'read', resources: '*'}}\n",
     "3:99 network-too-wide\n"
     "4:82 note unknown-reference\n"},
    {TOP "- {name: a, kind: security.policy, groups: [x, y], policy: {effect: "
         "allow, actions: '*', resources: '*'}}\n- {name: d, kind: "
         "security.policy, groups: [y], policy: {effect: deny, actions: "
         "'read', resources: '*'}}\n",
     "3:102 allow-all-minus-deny\n"
     "4:82 note unknown-reference\n"},
};

/* Networks. */
static const struct row network_too_wide[] = {
    {TOP CONNECT ALLOW("a", "ws://a.example.com"), "4:111 network-too-wide\n"},
    {TOP CONNECT ALLOW("a", "*://a.example.com"), "4:111 network-too-wide\n"},
    {TOP CONNECT DENY("a", "ws://a.example.com"), ""},
    {TOP CONNECT ALLOW("a", "ws://localhost:8080") ALLOW("b", "ws://127.0.0.1")
         ALLOW("d", "ws://[::1]:*") ALLOW("e", "ws://x.localhost"),
     "6:111 network-too-wide\n"},
    {TOP CONNECT ALLOW("a", "wss://*"), "4:111 network-too-wide\n"},
    {TOP CONNECT ALLOW("a", "wss://*:8443"), "4:111 network-too-wide\n"},
    {TOP CONNECT DENY("a", "wss://*"), ""},
    {TOP CONNECT ALLOW("a", "wss://*.com") ALLOW("b", "wss://*.co.uk")
         ALLOW("d", "wss://*.github.io"),
     "4:111 network-too-wide\n"
     "5:111 network-too-wide\n"
     "6:111 network-too-wide\n"},
    {TOP CONNECT ALLOW("a", "wss://*.example.com")
         ALLOW("b", "wss://*.internal") ALLOW("d", "wss://*.bbc.co.uk"),
     ""},
    {TOP CONNECT ALLOW("a", "wss://a.example.com:*")
         ALLOW("b", "wss://b.example.com:1000-9000"),
     "4:111 network-too-wide\n"
     "5:111 network-too-wide\n"},
    {TOP CONNECT ALLOW("a", "wss://a.example.com:8000-8999"), ""},
    {TOP CONNECT ENTRY(
         "a", "",
         "effect: allow, actions: websocket.connect.url, resources: '*'"),
     "4:104 network-too-wide\n"},
    {TOP CONNECT ENTRY(
         "a", "",
         "effect: allow, actions: websocket.connect.url, resources: 'wss://*', "
         "conditions: [" IF("url.host", "eq", "a.example.com") "]"),
     ""},
    {TOP CONNECT ENTRY(
         "a", "",
         "effect: allow, actions: websocket.connect.url, resources: 'wss://*', "
         "conditions: [" IF("actor.id", "eq", "root") "]"),
     "4:104 note network-too-wide\n"},
    {TOP CONNECT ENTRY(
         "a", "",
         "effect: allow, actions: websocket.connect.address, resources: '*'"),
     "4:108 network-too-wide\n"},
    {TOP CONNECT ENTRY("a", "",
                       "effect: allow, actions: websocket.connect.address, "
                       "resources: '0.0.0.0/0'"),
     "4:108 network-too-wide\n"},
    {TOP CONNECT ENTRY("a", "",
                       "effect: allow, actions: websocket.connect.address, "
                       "resources: ['169.254.0.0/16', 'class:link_local']"),
     "4:109 network-too-wide\n"
     "4:127 network-too-wide\n"},
    {TOP CONNECT ENTRY("a", "",
                       "effect: allow, actions: websocket.connect.address, "
                       "resources: ['10.20.0.0/16', 'class:public']"),
     ""},
    {TOP CONNECT ALLOW("a", "wss://*")
         ENTRY("b", "",
               "effect: allow, actions: websocket.connect.address, resources: "
               "'10.0.0.0/8'"),
     "4:111 network-too-wide\n"
     "5:108 network-too-wide\n"},
    {TOP CONNECT ALLOW("a", "wss://*.example.com")
         ENTRY("b", "",
               "effect: allow, actions: websocket.connect.address, resources: "
               "'10.0.0.0/8'"),
     ""},
    {TOP OTHER("allow", "'*'", "'*'"), "3:86 network-too-wide\n"},
    {TOP OTHER("deny", "'*'", "'*'"), ""},
    {TOP OTHER("allow", "'*'",
               "'*', conditions: [" IF("actor.id", "eq", "root") "]"),
     ""},
};

/* What changes no answer. */
static const struct row dead_or_shadowed[] = {
    {TOP CONNECT ALLOW("a", "wss://*.example.com")
         ALLOW("b", "wss://a.example.com/x"),
     "5:3 dead-or-shadowed\n"},
    {TOP CONNECT ALLOW("a", "wss://*.example.com/x")
         ALLOW("b", "wss://a.example.com"),
     ""},
    {TOP CONNECT ALLOW("a", "wss://a.example.com")
         ALLOW("b", "wss://a.example.com"),
     "5:3 dead-or-shadowed\n"},
    {TOP CONNECT ALLOW("a", "wss://a.example.com")
         DENY("b", "wss://a.example.com/*"),
     "4:3 dead-or-shadowed\n"},
    {TOP CONNECT ALLOW("a", "wss://a.example.com")
         DENY("b", "wss://a.example.com"),
     "4:3 dead-or-shadowed\n"},
    {TOP CONNECT DENY("a", "wss://*.example.com")
         DENY("b", "wss://a.example.com"),
     "5:3 dead-or-shadowed\n"},
    {TOP CONNECT DENY("a", "wss://a.example.com")
         ALLOW("b", "wss://*.example.com"),
     ""},
    {TOP CONNECT ALLOW("a", "wss://a.example.com")
         ALLOW_IF("b", IF("actor.id", "eq", "x")),
     "5:3 dead-or-shadowed\n"},
    {TOP CONNECT ALLOW_IF("a", IF("actor.id", "eq", "x"))
         ALLOW_IF("b", IF("actor.id", "eq", "x")),
     "6:3 dead-or-shadowed\n"},
    {TOP CONNECT ALLOW_IF("a", IF("actor.id", "eq", "x"))
         ALLOW_IF("b", IF("actor.id", "eq", "y")),
     ""},
    {TOP ENTRY("a", "",
               "effect: allow, rules: [" CONNECT_RULE RULE(
                   "websocket.connect.url", "wss://a.example.com") "]")
         ENTRY("b", "",
               "effect: allow, rules: [" CONNECT_RULE RULE(
                   "websocket.connect.url", "wss://b.example.com") "]"),
     ""},
    {TOP ENTRY("a", "",
               "effect: allow, rules: [" CONNECT_RULE RULE(
                   "websocket.connect.url", "wss://a.example.com") "]")
         ENTRY("b", "",
               "effect: allow, rules: [" CONNECT_RULE RULE(
                   "websocket.connect.url",
                   "wss://a.example.com") ", " RULE("websocket.connect.url",
                                                    "wss://b.example.com") "]"),
     "4:140 note dead-or-shadowed\n"},
    {TOP ENTRY("a", "",
               "effect: allow, rules: [" CONNECT_RULE RULE(
                   "websocket.connect.url",
                   "wss://a.example.com/*") ",\n  " RULE("websocket.connect."
                                                         "url",
                                                         "wss://a.example.com/"
                                                         "x") "]"),
     "4:46 dead-or-shadowed\n"},
    {TOP CONNECT ALLOW("a", "wss://a.example.com:400-500")
         ALLOW("b", "wss://a.example.com"),
     "5:3 dead-or-shadowed\n"},
    {TOP CONNECT ALLOW("a", "wss://a.example.com")
         ALLOW("b", "wss://a.example.com:443-500"),
     "4:3 dead-or-shadowed\n"},
    {TOP CONNECT ALLOW("a", "ws://*:8080") ALLOW("b", "ws://localhost:8080"),
     "4:111 network-too-wide\n"
     "4:111 network-too-wide\n"},
    {TOP CONNECT ENTRY("a", "",
                       "effect: allow, actions: websocket.connect.address, "
                       "resources: ['10.0.0.0/8', '10.1.0.0/16']"),
     "4:123 dead-or-shadowed\n"},
    {TOP CONNECT ENTRY("a", "",
                       "effect: allow, actions: websocket.connect.address, "
                       "resources: ['10.0.0.0/8:443', '10.1.0.0/16']"),
     ""},
    {TOP OTHER("allow", "read",
               "['document:*', 'document:a:*', 'document:b', 'documents']"),
     FOREIGN "3:102 dead-or-shadowed\n"
             "3:118 dead-or-shadowed\n"},
    {TOP OTHER("allow", "read", "'a:*'")
         ENTRY("p", "", "effect: allow, actions: '*', resources: 'a:b'"),
     FOREIGN},
    {TOP
     "- {name: a, kind: security.policy, groups: [x], policy: {effect: allow, "
     "actions: read, resources: 'a'}}\n- {name: d, kind: security.policy, "
     "groups: [y], policy: {effect: allow, actions: read, resources: 'a'}}\n",
     "3:82 note unknown-reference\n"},
    {TOP "- {name: a, kind: security.policy, groups: [x, y], policy: {effect: "
         "allow, actions: read, resources: 'a'}}\n- {name: d, kind: "
         "security.policy, groups: [y], policy: {effect: allow, actions: read, "
         "resources: 'a'}}\n",
     "3:85 note unknown-reference\n"
     "4:3 dead-or-shadowed\n"},
    {TOP "- {name: a, kind: security.policy, policy: {effect: allow, actions: "
         "read, resources: 'a'}}\n- {name: d, kind: security.policy, policy: "
         "{effect: allow, actions: read, resources: 'a'}}\n- {name: s, kind: "
         "process.lua, security: {policies: [d]}}\n",
     FOREIGN},
};

/* Names. */
static const struct row unknown_reference[] = {
    {TOP ENTRY("a", "",
               "effect: allow, actions: websocket.conect, resources: ''"),
     "3:69 unknown-reference\n"},
    {TOP ENTRY("a", "",
               "effect: allow, actions: Websocket.connect, resources: ''"),
     "3:69 unknown-reference\n"},
    {TOP ENTRY("a", "",
               "effect: allow, actions: websocket.open, resources: ''"),
     "3:69 unknown-reference\n"},
    {TOP ENTRY("a", "",
               "effect: allow, actions: security.policy.set, resources: 'x'"),
     "3:69 unknown-reference\n"},
    {TOP ENTRY("a", "", "effect: allow, actions: socket.connect, resources: x"),
     FOREIGN},
    {TOP ENTRY("a", "",
               "effect: allow, actions: [read, 'security.*'], resources: x"),
     FOREIGN_LIST},
    {TOP CONNECT ALLOW_IF("a", IF("meta.hots", "eq", "x")),
     "5:17 unknown-reference\n"},
    {TOP CONNECT ALLOW_IF("a", IF("meta.customer", "eq", "x")),
     "5:17 unknown-reference\n"},
    {TOP OTHER("allow", "'*'",
               "x, conditions: [" IF("action", "in", "[websocket.conect]") "]"),
     "3:101 unknown-reference\n"},
    {TOP "- {name: a, kind: security.policy, groups: [default], policy: "
         "{effect: allow, actions: '*', resources: 'a'}}\n- {name: s, kind: "
         "process.lua, security: {policies: [b, a], groups: [defualt, "
         "'app:default', 'else:where']}}\n",
     "4:54 unknown-reference\n"
     "4:70 unknown-reference\n"
     "4:94 note unknown-reference\n"},
    {TOP "- {name: a, kind: security.policy, groups: [default], policy: "
         "{effect: allow, actions: '*', resources: 'a'}}\n- {name: b, kind: "
         "security.policy, groups: [default], policy: {effect: allow, actions: "
         "'*', resources: 'b'}}\n- {name: d, kind: security.policy, groups: "
         "[defualt], policy: {effect: allow, actions: '*', resources: 'd'}}\n",
     "5:3 unknown-reference\n"},
    {TOP
     "- {name: a, kind: security.policy, groups: [team-a], policy: {effect: "
     "allow, actions: '*', resources: 'a'}}\n- {name: b, kind: "
     "security.policy, groups: [team-a], policy: {effect: allow, actions: '*', "
     "resources: 'b'}}\n- {name: d, kind: security.policy, groups: [team-b, "
     "team, team-a1], policy: {effect: allow, actions: '*', resources: 'd'}}\n",
     ""},
};

/* Silence. */
static const struct row silence[] = {
    {TOP "- {name: a, kind: security.policy, meta: {lint: {silence: "
         "{network-too-wide: why}}}, policy: {effect: allow, actions: '*', "
         "resources: '*'}}\n",
     ""},
    {TOP "- {name: a, kind: security.policy, meta: {lint: {silence: "
         "{network-too-wide: ' '}}}, policy: {effect: allow, actions: '*', "
         "resources: '*'}}\n",
     "3:60 bad-silence\n"
     "3:136 network-too-wide\n"},
    {TOP "- {name: a, kind: security.policy, meta: {lint: {silence: "
         "{network-too-wide: }}}, policy: {effect: allow, actions: '*', "
         "resources: '*'}}\n",
     "3:60 bad-silence\n"
     "3:133 network-too-wide\n"},
    {TOP "- {name: a, kind: security.policy, meta: {lint: {silence: "
         "{network-to-wide: why}}}, policy: {effect: allow, actions: '*', "
         "resources: '*'}}\n",
     "3:60 bad-silence\n"
     "3:135 network-too-wide\n"},
    {TOP "- {name: a, kind: security.policy, meta: {lint: {silence: {compat: "
         "why, untested: later}}}, policy: {effect: deny, actions: '*', "
         "resources: '*'}}\n",
     "3:60 bad-silence\n"},
    {TOP
     "- {name: a, kind: security.policy, meta: {lint: {silence: {bad-silence: "
     "why}}}, policy: {effect: deny, actions: '*', resources: '*'}}\n",
     "3:60 bad-silence\n"},
    {TOP "- {name: a, kind: security.policy, meta: {lint: {silense: {compat: "
         "why}}}, policy: {effect: deny, actions: '*', resources: '*'}}\n",
     "3:50 bad-silence\n"},
    {TOP "- {name: a, kind: security.policy, meta: {lint: [compat]}, policy: "
         "{effect: deny, actions: '*', resources: '*'}}\n",
     "3:49 bad-silence\n"},
    {TOP "- {name: a, kind: security.policy, meta: {lint: {silence: compat}}, "
         "policy: {effect: deny, actions: '*', resources: '*'}}\n",
     "3:59 bad-silence\n"},
};

/* Numbers in quotes. */
static const struct row quoted_numbers[] = {
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.n", "eq", "'3'")),
     "5:17 note compat\n"},
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.n", "eq", "3")), ""},
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.n", "eq", "'v3'")), ""},
    {TOP CONNECT ALLOW_IF("a", IF("actor.id", "eq", "'3'")), ""},
    {TOP CONNECT ALLOW_IF("a", IF("actor.meta.n", "lt", "'3.5'")),
     "5:17 note compat\n"},
};

#endif
