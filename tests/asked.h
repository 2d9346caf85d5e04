/* asked.h - a policy set in force, and questions to it. */
#ifndef TESTS_ASKED_H
#define TESTS_ASKED_H

/* The tests have one of the same name as the modules. */
#define guard unit_guard
#include "tests/unit.h"
#undef guard

#include "modules/guard.h"
#include "policy/decide.h"
#include "runtime/base/gate.h"

#define URL_ACTION "websocket.connect.url"
#define ADDRESS_ACTION "websocket.connect.address"

static const struct actor nobody = {.id = {"user:1", 6}};

static inline struct policy_set *load(const char *text, const struct mem *m) {
  struct policy_set *set;

  if (policy_set_new(&set, m) != 0)
    return NULL;
  if ((text &&
       policy_set_add(set, "p.yaml", slice_of(text), NULL, NULL) != 0) ||
      policy_set_finish(set, NULL, NULL) != 0) {
    policy_set_unref(set);
    return NULL;
  }
  return set;
}

/* A set in force as a whole. */
struct fixture {
  struct policy_set *set;
  struct policy_scope *scope;
};

static inline void fixture_init(struct fixture *f, const char *text) {
  struct err e;

  f->set = load(text, &mem_libc);
  ck_assert_msg(f->set != NULL, "does not load:\n%s", text ? text : "");
  ck_assert_int_eq(policy_scope_new(&f->scope, f->set, NULL, 0, &mem_libc, &e),
                   0);
}

static inline void fixture_deinit(struct fixture *f) {
  policy_scope_free(f->scope);
  policy_set_unref(f->set);
}

static inline struct decision ask(const struct fixture *f, const char *action,
                                  const char *resource) {
  struct request q = {.actor = &nobody,
                      .action = slice_of(action),
                      .resource = slice_of(resource)};

  return policy_decide(f->set, f->scope, &q, NULL);
}

/* --allow makes the same policies the file would. */
#define TOP "namespace: app\nentries:\n"
#define EMPTY "namespace: app\nentries: []\n"
#define POLICY(name) "- name: " name "\n  kind: security.policy\n  policy:\n"

static const char prices[] = TOP POLICY(
    "prices") "    actions: [websocket.connect, websocket.connect.url]\n"
              "    resources: ['', 'wss://stream.example.com/prices/*']\n"
              "    effect: allow\n" POLICY(
                  "feeds") "    effect: allow\n"
                           "    rules:\n"
                           "    - {action: websocket.connect}\n"
                           "    - {action: websocket.connect.url, resource: "
                           "'wss://*.example.com:8000-8999/feed/*'}\n" POLICY(
                               "no-admin") "    actions: "
                                           "websocket.connect.url\n"
                                           "    resources: ['*://*/admin/*', "
                                           "'*://*:*/admin/*']\n"
                                           "    effect: deny\n" POLICY(
                                               "docs") "    actions: [read, "
                                                       "'list.*']\n"
                                                       "    resources: "
                                                       "'document:*'\n"
                                                       "    effect: "
                                                       "allow\n" POLICY(
                                                           "secret") "    "
                                                                     "actions: "
                                                                     "'*'\n"
                                                                     "    "
                                                                     "resources"
                                                                     ": "
                                                                     "'document"
                                                                     ":secret'"
                                                                     "\n"
                                                                     "    "
                                                                     "effect: "
                                                                     "deny\n";

/* ---------------------------------------------------------- addresses --- */

#define OPEN(rules) TOP POLICY("p") "    effect: allow\n    rules:\n" rules
#define URL_RULE(pattern)                                                      \
  "    - {action: " URL_ACTION ", resource: '" pattern "'}\n"
#define URL_RULE_ANY(pattern)                                                  \
  "    - {action: " URL_ACTION ", resource: '" pattern "', address: any}\n"
#define ADDRESS_RULE(pattern)                                                  \
  "    - {action: " ADDRESS_ACTION ", resource: '" pattern "'}\n"

static inline struct decision ask_address(const struct fixture *f,
                                          const char *url, const char *address,
                                          bool parsed) {
  struct request q = {.actor = &nobody,
                      .action = SLICE(ADDRESS_ACTION),
                      .resource = slice_of(address)};
  struct decision named;
  struct url u;
  struct ip ip;

  if (url) {
    ck_assert_int_eq(url_parse(&u, slice_of(url), NULL, NULL), 0);
    named = ask(f, URL_ACTION, url);
    ck_assert_int_eq(named.verdict, VERDICT_ALLOW);
    q.url = &u;
  }
  if (parsed && ip_parse_port(q.resource, &ip, &q.port) == 0)
    q.ip = &ip;
  return policy_decide(f->set, f->scope, &q, url ? &named : NULL);
}

#endif
