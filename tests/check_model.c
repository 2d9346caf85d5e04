/* check_model.c - policy files to sets and scopes, and each mistake in them. */
#include "tests/unit.h"

#include <pthread.h>

#include "policy/model.h"
#include "policy/parse.h"
#include "runtime/base/buf.h"

/* Mistakes as lines: "f.yaml:1:2: message". */
static void on_mistake(void *ud, const struct err *e) {
  struct buf *b = ud;

  ck_assert_int_eq(e->code, ERR_SYNTAX);
  ck_assert_int_eq(
      buf_addf(b, "%s:%u:%u: %s\n", e->source, e->line, e->column, e->message),
      0);
}

/* Loads one file and finishes; the mistakes in |out|. */
static int load(struct policy_set **ret, const char *text, struct buf *out,
                const struct mem *m) {
  struct policy_set *set;
  int rv;

  if ((rv = policy_set_new(&set, m)) != 0)
    return rv;
  rv = policy_set_add(set, "f.yaml", slice_of(text), on_mistake, out);
  if (rv == 0)
    rv = policy_set_finish(set, on_mistake, out);
  else if (rv == ERR_SYNTAX)
    ck_assert_int_eq(policy_set_finish(set, NULL, NULL), ERR_SYNTAX);
  if (rv == 0)
    *ret = set;
  else
    policy_set_unref(set);
  return rv;
}

#define HEAD "version: \"1.0\"\nnamespace: app\nentries:\n"
#define ENTRY "  - name: p\n    kind: security.policy\n"
#define BODY "    policy: {actions: a.b, resources: \"*\", effect: allow}\n"

#define CONDITIONS                                                             \
  HEAD ENTRY "    policy:\n      actions: a\n      resources: b\n"             \
             "      effect: allow\n      conditions: "
#define EXPRESSION                                                             \
  HEAD "  - name: p\n    kind: security.policy.expr\n    policy:\n"            \
       "      actions: a\n      resources: b\n      effect: allow\n"           \
       "      expression: "

static const char *const good[] = {
    CONDITIONS "[]\n",
    CONDITIONS "\n"
               "        - {field: actor.meta.a.b, operator: eq, value: {a: "
               "[1, x]}}\n"
               "        - {field: meta.a, operator: nexists}\n"
               "        - {field: meta.a, operator: exists, value: false}\n"
               "        - {field: action, operator: in, value: []}\n"
               "        - {field: resource, operator: gte, value_from: "
               "actor.id}\n",
    EXPRESSION "'actor.id == meta.owner || (action == \"read\" && meta.public "
               "== true)'\n",
    EXPRESSION "|\n        has(meta.a)\n        and not (meta.a in [1, 2])\n",
    HEAD ENTRY BODY,
    "namespace: app\nentries: []\n",
    "version: 1.0\nnamespace: a.b-c_d/e\nentries: []\nmeta: {x: [1]}\n",
    "version: \"1\"\nnamespace: app\nrequirements: ~\nentries: []\n",
    /* other kinds are left alone, whatever is in them */
    HEAD "  - {name: t, kind: security.token_store, store: app:session}\n",
    HEAD "  - {name: x, kind: process.lua, source: 1, source: 2, ? [] : 3}\n"
         "  - {kind: http.router}\n"
         "  - {kind: service.policy}\n"
         "  - {kind: policy}\n",
    HEAD ENTRY "    meta: {a: 1, a: 2}\n    groups: default\n" BODY,
    HEAD ENTRY "    groups: [a, 'x.y:b', a]\n" BODY,
    HEAD ENTRY "    groups: []\n" BODY,
    HEAD ENTRY "    policy:\n"
               "      actions: [websocket.connect, websocket.connect.url]\n"
               "      resources: ['', 'wss://a.example/*']\n"
               "      effect: deny\n",
    HEAD ENTRY
    "    policy:\n"
    "      effect: allow\n"
    "      rules:\n"
    "        - {action: websocket.connect}\n"
    "        - {action: websocket.connect.url, resource: 'wss://a.example/'}\n"
    "        - action: websocket.connect.url\n"
    "          resource: wss://b.example\n"
    "          address: any\n"
    "        - {action: websocket.connect.address, resource: 10.0.0.0/8}\n",
    /* anchors */
    "namespace: app\nlists:\n  hosts: &h ['', 'wss://a.example']\nentries:\n"
    "  - name: p\n    kind: security.policy\n    policy: &p\n"
    "      actions: [websocket.connect, websocket.connect.url]\n"
    "      resources: *h\n      effect: allow\n"
    "  - {name: q, kind: security.policy, policy: *p}\n",
    /* a file that is one entry */
    ("version: '1.0'\nnamespace: app\nname: p\nkind: security.policy\n"
     "policy: {actions: '*', resources: '*', effect: allow}\n"),
    "namespace: app\nname: p\nkind: process.lua\nsource: x\n",
};

START_TEST(loads) {
  unit_each(text, good) {
    struct policy_set *set;
    struct buf out;
    int rv;
    buf_init(&out, &mem_libc, 1 << 16);
    rv = load(&set, *text, &out, &mem_libc);
    ck_assert_msg(rv == 0, "%s\n%.*s", *text, (int)out.len,
                  (const char *)buf_bytes(&out));
    policy_set_unref(set);
    buf_deinit(&out);
  }
}
END_TEST

static const struct {
  const char *text;
  const char *mistakes;
} bad[] = {
    /* files */
    {"", "f.yaml:1:1: empty, expected a YAML document\n"},
    {"a", "f.yaml:1:1: file is a string, expected a map with version, "
          "namespace and entries\n"},
    {"[]", "f.yaml:1:1: file is a list, expected a map with version, "
           "namespace and entries\n"},
    {"a: 1", "f.yaml:1:1: file without a namespace, expected 'namespace'\n"
             "f.yaml:1:1: file without entries, expected 'entries'\n"},
    {"version: 2\nnamespace: 7\nentries: {}\n",
     "f.yaml:1:10: unknown version '2', expected \"1.0\"\n"
     "f.yaml:2:12: namespace is a number, expected a string in quotes\n"
     "f.yaml:3:10: 'entries' is a map, expected a list\n"},
    {"version: []\nnamespace: a:b\nentires: []\n",
     "f.yaml:1:10: version is a list, expected \"1.0\"\n"
     "f.yaml:2:12: bad namespace 'a:b', expected letters, digits and _ - . / "
     "@ +, at most 128\n"
     "f.yaml:3:1: unknown key 'entires', expected 'entries'\n"},
    {"namespace: cli\nentries: []\nentries: []\n",
     "f.yaml:1:12: namespace 'cli' is reserved, expected another\n"
     "f.yaml:3:1: duplicate key 'entries', first at line 2\n"},
    {"namespace: app\nname: a\nkind: process.lua\nentries: []\n",
     "f.yaml:3:1: 'kind' beside 'entries', expected one or the other\n"},
    {HEAD "  - a: [\n", NULL},
    /* what stands behind a misspelt key is looked at as well, once */
    {"namspace: t\n"
     "entires:\n"
     "  - nmae: a b\n"
     "    Kind: security.policy\n"
     "    polcy:\n"
     "      actons: a\n"
     "      resorces: '*b'\n"
     "      efect: alow\n"
     "      condtions: [{feild: usr.id, operater: ge, valeu: 1}]\n"
     "  - {name: b, knd: security.polcy}\n"
     "  - {name: c, knd: function.lua}\n"
     "  - {name: d, kind: ''}\n"
     "  - {name: e, kind: security.policy, policy: {effect: true, "
     "rules: [{acton: a*b}]}}\n",
     "f.yaml:1:1: unknown key 'namspace', expected 'namespace'\n"
     "f.yaml:2:1: unknown key 'entires', expected 'entries'\n"
     "f.yaml:3:5: unknown key 'nmae', expected 'name'\n"
     "f.yaml:3:11: bad name 'a b', expected letters, digits and _ - . / @ +, "
     "at most 128\n"
     "f.yaml:4:5: unknown key 'Kind', expected 'kind'\n"
     "f.yaml:5:5: unknown key 'polcy', expected 'policy'\n"
     "f.yaml:6:7: unknown key 'actons', expected 'actions'\n"
     "f.yaml:7:7: unknown key 'resorces', expected 'resources'\n"
     "f.yaml:7:18: byte 1: '*' in the middle of '*b', expected it at the end "
     "only ('name.*', 'name:*', 'name/*', 'name*') or alone\n"
     "f.yaml:8:7: unknown key 'efect', expected 'effect'\n"
     "f.yaml:8:14: unknown effect 'alow', expected 'allow'\n"
     "f.yaml:9:7: unknown key 'condtions', expected 'conditions'\n"
     "f.yaml:9:20: unknown key 'feild', expected 'field'\n"
     "f.yaml:9:27: unknown field 'usr', expected actor.id, actor.meta.NAME, "
     "action, resource, meta.NAME or url.NAME\n"
     "f.yaml:9:35: unknown key 'operater', expected 'operator'\n"
     "f.yaml:9:45: unknown operator 'ge', expected 'gte'\n"
     "f.yaml:9:49: unknown key 'valeu', expected 'value'\n"
     "f.yaml:10:15: unknown key 'knd', expected 'kind'\n"
     "f.yaml:10:20: unknown kind 'security.polcy', expected "
     "'security.policy'\n"
     "f.yaml:11:15: unknown key 'knd', expected 'kind'\n"
     "f.yaml:12:21: kind is empty, expected a name\n"
     "f.yaml:13:55: effect is a boolean, expected 'allow' or 'deny'\n"
     "f.yaml:13:70: unknown key 'acton', expected 'action'\n"
     "f.yaml:13:78: byte 2: '*' in the middle of 'a*b', expected it at the "
     "end only ('name.*', 'name:*', 'name/*', 'name*') or alone\n"},
    {"namespace: t\nname: a\nknd: security.policy\n"
     "policy: {actions: a, resources: b, efect: allow}\n",
     "f.yaml:3:1: unknown key 'knd', expected 'kind'\n"
     "f.yaml:4:36: unknown key 'efect', expected 'effect'\n"},
    {"namspace: t\nname: a\nkind: security.policy\n"
     "policy: {actions: a, resources: b, effect: allow}\n",
     "f.yaml:1:1: unknown key 'namspace', expected 'namespace'\n"},
    /* an alias of a mistake is the same mistake */
    {HEAD "  - {name: a, kind: security.policy, policy: &p {effect: allow, "
          "actions: a, resources: '*b'}}\n"
          "  - {name: b, kind: security.policy, policy: *p}\n",
     "f.yaml:4:89: byte 1: '*' in the middle of '*b', expected it at the end "
     "only ('name.*', 'name:*', 'name/*', 'name*') or alone\n"},
    /* entries */
    {HEAD "  - x\n  - {name: a}\n  - {kind: [a]}\n  - {kind: 3}\n"
          "  - {kind: a, kind: security.policy}\n",
     "f.yaml:4:5: entry is a string, expected a map with name and kind\n"
     "f.yaml:5:5: entry without a kind, expected 'kind'\n"
     "f.yaml:6:12: kind is a list, expected a string\n"
     "f.yaml:7:12: kind is a number, expected a string in quotes\n"
     "f.yaml:8:15: duplicate key 'kind', first at line 8\n"},
    {HEAD "  - {kind: security.polcy}\n  - {kind: security.keystore}\n"
          "  - {kind: Security.Policy}\n  - {kind: securty.policy}\n"
          "  - {kind: security.polycy.expr}\n  - {kind: securtiy.policy}\n",
     "f.yaml:4:12: unknown kind 'security.polcy', expected 'security.policy'\n"
     "f.yaml:5:12: unknown kind 'security.keystore', expected "
     "'security.policy' or 'security.policy.expr'\n"
     "f.yaml:6:12: unknown kind 'Security.Policy', expected "
     "'security.policy'\n"
     "f.yaml:7:12: unknown kind 'securty.policy', expected 'security.policy'\n"
     "f.yaml:8:12: unknown kind 'security.polycy.expr', expected "
     "'security.policy.expr'\n"
     "f.yaml:9:12: unknown kind 'securtiy.policy', expected "
     "'security.policy'\n"},
    {HEAD "  - {kind: security.policy}\n",
     "f.yaml:4:5: policy without a name, expected 'name'\n"
     "f.yaml:4:5: entry of kind 'security.policy' without a policy, expected "
     "'policy'\n"},
    {HEAD "  - {kind: security.policy, name: 'a b', policy: x, polcy: 1, "
          "groups: {}, name: b, 7: 1, [x]: 1, <<: {}, ~: 1}\n",
     "f.yaml:4:35: bad name 'a b', expected letters, digits and _ - . / @ +, "
     "at most 128\n"
     "f.yaml:4:50: 'policy' is a string, expected a map\n"
     "f.yaml:4:53: unknown key 'polcy', expected 'policy'\n"
     "f.yaml:4:71: 'groups' is a map, expected a list of names\n"
     "f.yaml:4:75: duplicate key 'name', first at line 4\n"
     "f.yaml:4:84: unknown key '7', expected 'name', 'kind', 'meta', 'policy' "
     "or 'groups'\n"
     "f.yaml:4:90: a list as a key, expected a name\n"
     "f.yaml:4:98: merge key '<<' is not supported, expected the keys written "
     "out\n"
     "f.yaml:4:106: unknown key '~', expected 'name', 'kind', 'meta', "
     "'policy' or 'groups'\n"},
    {HEAD ENTRY "    groups: ['', 'a:', ':b', 'a:b:c', 1, 'a b', [x]]\n" BODY,
     "f.yaml:6:14: bad group '', expected 'name' or 'ns:name'; a name is "
     "letters, digits and _ - . / @ +, at most 128\n"
     "f.yaml:6:18: bad group 'a:', expected 'name' or 'ns:name'; a name is "
     "letters, digits and _ - . / @ +, at most 128\n"
     "f.yaml:6:24: bad group ':b', expected 'name' or 'ns:name'; a name is "
     "letters, digits and _ - . / @ +, at most 128\n"
     "f.yaml:6:30: bad group 'a:b:c', expected 'name' or 'ns:name'; a name is "
     "letters, digits and _ - . / @ +, at most 128\n"
     "f.yaml:6:39: group is a number, expected a string in quotes\n"
     "f.yaml:6:42: bad group 'a b', expected 'name' or 'ns:name'; a name is "
     "letters, digits and _ - . / @ +, at most 128\n"
     "f.yaml:6:49: group is a list, expected a string\n"},
    {HEAD ENTRY BODY ENTRY BODY ENTRY BODY,
     "f.yaml:7:5: duplicate id 'app:p', first at line 4\n"
     "f.yaml:10:5: duplicate id 'app:p', first at line 7\n"},
    /* policies */
    {HEAD ENTRY "    policy: {}\n",
     "f.yaml:6:13: policy without an effect, expected 'effect: allow' or "
     "'effect: deny'\n"
     "f.yaml:6:13: policy without actions, expected 'actions' or 'rules'\n"
     "f.yaml:6:13: policy without resources, expected 'resources'\n"},
    {HEAD ENTRY "    policy:\n"
                "      action: a\n"
                "      resorces: b\n"
                "      effect: alow\n",
     "f.yaml:7:7: unknown key 'action', expected 'actions'\n"
     "f.yaml:8:7: unknown key 'resorces', expected 'resources'\n"
     "f.yaml:9:15: unknown effect 'alow', expected 'allow'\n"},
    {HEAD ENTRY "    policy: {actions: [], resources: {}, effect: true}\n",
     "f.yaml:6:23: 'actions' is empty, expected at least one pattern\n"
     "f.yaml:6:50: effect is a boolean, expected 'allow' or 'deny'\n"},
    {HEAD ENTRY "    policy: {actions: [a, 1, [b]], resources: [a], "
                "effect: Allow, effect: deny}\n",
     "f.yaml:6:27: action is a number, expected a string in quotes\n"
     "f.yaml:6:30: action is a list, expected a string\n"
     "f.yaml:6:60: unknown effect 'Allow', expected 'allow'\n"
     "f.yaml:6:67: duplicate key 'effect', first at line 6\n"},
    {HEAD ENTRY "    policy: {actions: a, resources: ~, effect: deny}\n",
     "f.yaml:6:37: resource is nothing, expected a string in quotes\n"},
    {HEAD ENTRY "    policy: {actions: [!x websocket.connect], resources: '', "
                "effect: allow}\n",
     "f.yaml:6:24: action is a value with a tag, expected a string\n"},
    {HEAD ENTRY "    policy: {actions: a, resources: {}, effect: !x deny}\n",
     "f.yaml:6:37: 'resources' is a map, expected a string or a list\n"
     "f.yaml:6:49: effect is a value with a tag, expected 'allow' or 'deny'\n"},
    {HEAD ENTRY "    policy: !p {actions: a, resources: a, effect: deny}\n",
     "f.yaml:6:13: tags are not supported\n"},
    {HEAD ENTRY "    policy:\n"
                "      actions: a\n"
                "      resources: b\n"
                "      effect: allow\n"
                "      conditions: []\n"
                "      expression: 'true'\n",
     "f.yaml:11:7: 'expression' in kind 'security.policy', expected kind "
     "'security.policy.expr'\n"},
    {HEAD "  - name: p\n"
          "    kind: security.policy.expr\n"
          "    policy:\n"
          "      actions: a\n"
          "      resources: b\n"
          "      effect: allow\n"
          "      conditions: []\n",
     "f.yaml:7:7: policy without an expression, expected 'expression'\n"
     "f.yaml:10:7: 'conditions' in kind 'security.policy.expr', expected them "
     "in the expression\n"},
    /* conditions */
    {CONDITIONS "x\n", "f.yaml:10:19: 'conditions' is a string, expected a "
                       "list\n"},
    {CONDITIONS
     "\n"
     "        - x\n"
     "        - {}\n"
     "        - {feild: a, operator: eq, value: 1}\n"
     "        - {field: role, operator: eq, value: 1}\n"
     "        - {field: acttion, operator: eq, value: 1}\n"
     "        - {field: actor.role, operator: eq, value: 1}\n"
     "        - {field: actor.meta.a, operator: resembles, value: 1}\n"
     "        - {field: meta..a, operator: eq, value: 1}\n"
     "        - {field: meta, operator: eq, value: 1}\n"
     "        - {field: action.x, operator: eq, value: 1}\n"
     "        - {field: meta.a, operator: eq}\n"
     "        - {field: meta.a, operator: eq, value: null}\n"
     "        - {field: meta.a, operator: in, value: a}\n"
     "        - {field: meta.a, operator: lt, value: true}\n"
     "        - {field: meta.a, operator: exists, value: 1}\n"
     "        - {field: meta.a, operator: matches, value: 3}\n"
     "        - {field: meta.a, operator: eq, value: 1, value_from: "
     "meta.b}\n"
     "        - {field: meta.a, operator: matches, value_from: "
     "meta.b}\n"
     "        - {field: meta.a, operator: exists, value_from: "
     "meta.b}\n"
     "        - {field: meta.a, operator: eq, value_from: mta.b}\n"
     "        - {field: url.host, operator: eq, value: a}\n"
     "        - {field: meta.a, operator: eq, value: {a: 1, a: 2}}\n"
     "        - {field: 3, operator: [], value: a}\n",
     "f.yaml:11:11: condition is a string, expected a map like {field: "
     "actor.meta.role, operator: eq, value: reader}\n"
     "f.yaml:12:11: condition without a field, expected 'field'\n"
     "f.yaml:12:11: condition without an operator, expected 'operator'\n"
     "f.yaml:13:12: unknown key 'feild', expected 'field'\n"
     "f.yaml:13:19: unknown field 'a', expected actor.id, actor.meta.NAME, "
     "action, resource, meta.NAME or url.NAME\n"
     "f.yaml:14:19: unknown field 'role', expected actor.id, actor.meta.NAME, "
     "action, resource, meta.NAME or url.NAME\n"
     "f.yaml:15:19: unknown field 'acttion', expected 'action'\n"
     "f.yaml:16:19: unknown field 'actor.role', expected 'actor.id' or "
     "'actor.meta.role'\n"
     "f.yaml:17:43: unknown operator 'resembles', expected 'eq', 'ne', 'lt', "
     "'gt', 'lte', 'gte', 'in', 'nin', 'exists', 'nexists', 'contains', "
     "'ncontains', 'matches' or 'nmatches'\n"
     "f.yaml:18:19: path with an empty name, expected one between two '.'\n"
     "f.yaml:19:19: 'meta' is no attribute, expected meta.NAME\n"
     "f.yaml:20:19: 'action' is a string and has no 'x'\n"
     "f.yaml:21:11: condition without a value, expected 'value' or "
     "'value_from'\n"
     "f.yaml:22:48: value of 'eq' is nothing, expected a value; what is "
     "missing "
     "is found with 'nexists'\n"
     "f.yaml:23:48: value of 'in' is a string, expected a list like [reader, "
     "admin]\n"
     "f.yaml:24:48: value of 'lt' is a boolean, expected a number or a string\n"
     "f.yaml:25:52: value of 'exists' is a number, expected true or false\n"
     "f.yaml:26:53: value of 'matches' is a number, expected a regular "
     "expression in quotes\n"
     "f.yaml:27:51: 'value_from' beside 'value', expected one or the other\n"
     "f.yaml:28:58: 'value_from' with 'matches', expected 'value': regular "
     "expressions are compiled when the policy is loaded\n"
     "f.yaml:29:57: 'value_from' with 'exists', expected 'value: true' or "
     "'value: false'\n"
     "f.yaml:30:53: unknown field 'mta', expected 'meta'\n"
     "f.yaml:31:19: 'url.host' where an action carries no URL, expected the "
     "actions websocket.connect.url or websocket.connect.address alone\n"
     "f.yaml:32:55: duplicate key, expected each key once\n"
     "f.yaml:33:19: field is a number, expected a string in quotes\n"
     "f.yaml:33:32: operator is a list, expected a string\n"},
    /* expressions: the place inside, where it can be told */
    {EXPRESSION "true\n",
     "f.yaml:10:19: expression is a boolean, expected a string in quotes\n"},
    {EXPRESSION "actor.id == 'a' && rsource == 'b'\n",
     "f.yaml:10:38: unknown name 'rsource', expected 'resource'\n"},
    {EXPRESSION "\"meta.a = 1\"\n", "f.yaml:10:27: '=', expected '=='\n"},
    {EXPRESSION "|\n        meta.a\n        = 1\n",
     "f.yaml:10:19: '=', expected '==' (at byte 8 of the expression)\n"},
    {EXPRESSION "has(url.host)\n",
     "f.yaml:10:19: 'url.host' where no action carries a URL, expected the "
     "action websocket.connect.url or websocket.connect.address\n"},
    /* rules */
    {HEAD ENTRY "    policy: {effect: allow, rules: x}\n",
     "f.yaml:6:36: 'rules' is a string, expected a list\n"},
    {HEAD ENTRY "    policy: {effect: allow, rules: []}\n",
     "f.yaml:6:36: 'rules' is empty, expected at least one rule\n"},
    {HEAD ENTRY
     "    policy: {effect: allow, rules: [{action: a, resource: b}], "
     "actions: a}\n",
     "f.yaml:6:29: 'rules' beside 'actions' or 'resources', expected one or "
     "the other\n"},
    {HEAD ENTRY
     "    policy:\n"
     "      effect: allow\n"
     "      rules:\n"
     "        - x\n"
     "        - {}\n"
     "        - {action: a}\n"
     "        - {action: [a], resource: b}\n"
     "        - {action: a, resource: [b]}\n"
     "        - {action: a, resources: b, resource: c}\n"
     "        - {action: websocket.connect.url, resource: 'wss://a', address: "
     "all}\n"
     "        - {action: websocket.connect.url, resource: 'wss://*.a', "
     "address: "
     "any}\n"
     "        - {action: websocket.connect, address: any}\n",
     "f.yaml:9:11: rule is a string, expected a map like {action: ..., "
     "resource: ...}\n"
     "f.yaml:10:11: rule without an action, expected 'action'\n"
     "f.yaml:11:11: rule without a resource, expected 'resource'\n"
     "f.yaml:12:20: action is a list, expected a string: a rule has one "
     "action\n"
     "f.yaml:13:33: resource is a list, expected a string: a rule has one "
     "resource\n"
     "f.yaml:14:23: unknown key 'resources', expected 'resource'\n"
     "f.yaml:15:73: unknown address 'all', expected 'any'\n"
     "f.yaml:16:75: 'address: any' without a host, expected a resource that "
     "names one host without a wildcard\n"
     "f.yaml:17:48: 'address: any' without a host, expected a resource that "
     "names one host without a wildcard\n"},
    {HEAD ENTRY "    policy: {effect: deny, rules: [{action: "
                "websocket.connect.url, resource: 'wss://a', address: any}]}\n",
     "f.yaml:6:98: 'address' in a deny, expected it in an allow\n"},
};

START_TEST(finds_every_mistake) {
  unit_each(row, bad) {
    struct policy_set *set;
    struct buf out;
    int rv;
    buf_init(&out, &mem_libc, 1 << 16);
    rv = load(&set, row->text, &out, &mem_libc);
    ck_assert_msg(rv == ERR_SYNTAX, "%s\ngives %d", row->text, rv);
    ck_assert_uint_gt(out.len, 0);
    if (row->mistakes)
      ck_assert_slice_eq(buf_slice(&out), row->mistakes);
    buf_deinit(&out);
  }
}
END_TEST

static void on_mistake_change(void *ud, const struct err *e) {
  struct err ignored;
  (void)e;
  ck_assert_int_eq(policy_set_finish(ud, NULL, NULL), ERR_BUSY);
  ck_assert_int_eq(policy_set_add(ud, "g.yaml", SLICE(HEAD), NULL, NULL),
                   ERR_BUSY);
  ck_assert_int_eq(policy_set_add_allow(ud, SLICE("wss://a"), &ignored),
                   ERR_BUSY);
}

/* Who hears of the first mistake cannot finish the set before it has failed. */
START_TEST(mistakes_are_only_heard) {
  struct policy_set *set;
  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  ck_assert_int_eq(
      policy_set_add(set, "f.yaml", SLICE("x: ["), on_mistake_change, set),
      ERR_SYNTAX);
  ck_assert_int_eq(policy_set_finish(set, NULL, NULL), ERR_SYNTAX);
  policy_set_unref(set);
}
END_TEST

/* Mistakes inside patterns stand at their byte. */
START_TEST(places_pattern_mistakes) {
  static const struct {
    const char *resource;
    uint32_t column; /* of the mistake, the value begins at 1 */
  } rows[] = {
      {"wss://a b", 8},         {"'wss://a b'", 9}, {"\"wss://a b\"", 9},
      {"\"wss:\\x2F/a b\"", 1}, {"wss://a:x", 9},   {"&a wss://a:x", 1},
  };
  unit_each(row, rows) {
    char text[512];
    struct policy_set *set;
    struct buf out;
    unsigned column = 0;
    sprintf(text,
            HEAD ENTRY "    policy:\n      effect: allow\n"
                       "      actions: websocket.connect.url\n"
                       "      resources: %s\n",
            row->resource);
    buf_init(&out, &mem_libc, 1 << 16);
    ck_assert_int_eq(load(&set, text, &out, &mem_libc), ERR_SYNTAX);
    ck_assert_int_eq(buf_terminate(&out), 0);
    ck_assert_int_eq(
        sscanf((const char *)buf_bytes(&out), "f.yaml:9:%u:", &column), 1);
    ck_assert_msg(column == 17 + row->column, "%s: %s", row->resource,
                  (const char *)buf_bytes(&out));
    buf_deinit(&out);
  }
}
END_TEST

/* The lists that rules share say what is written, and each rule says where. */
START_TEST(shares_lists_of_actions) {
  static const char text[] =
      HEAD "  - name: a\n    kind: security.policy\n    policy:\n"
           "      actions: [websocket.connect, websocket.connect.url]\n"
           "      resources: ['', 'wss://a.example']\n      effect: allow\n"
           "  - name: b\n    kind: security.policy\n    policy:\n"
           "      actions: [websocket.connect,   websocket.connect.url]\n"
           "      resources: ['', 'wss://b.example']\n      effect: deny\n"
           "  - name: c\n    kind: security.policy\n    policy:\n"
           "      actions:\n      - websocket.connect.url\n"
           "      - websocket.connect\n"
           "      resources: ['', 'wss://c.example']\n      effect: allow\n"
           "  - name: d\n    kind: security.policy\n    policy:\n"
           "      actions: websocket.connect.url\n"
           "      resources: wss://d.example\n      effect: allow\n"
           "  - name: e\n    kind: security.policy\n    policy:\n"
           "      actions: [websocket.connect, other]\n"
           "      resources: ''\n      effect: allow\n";
  static const struct {
    size_t n;
    unsigned use;
    struct {
      const char *name;
      struct policy_place at;
    } actions[2];
  } want[] = {
      {2,
       PATTERN_FOR_CONNECT | PATTERN_FOR_URL,
       {{"websocket.connect", {7, 17}}, {"websocket.connect.url", {7, 36}}}},
      {2,
       PATTERN_FOR_CONNECT | PATTERN_FOR_URL,
       {{"websocket.connect", {13, 17}}, {"websocket.connect.url", {13, 38}}}},
      {2,
       PATTERN_FOR_CONNECT | PATTERN_FOR_URL,
       {{"websocket.connect.url", {20, 9}}, {"websocket.connect", {21, 9}}}},
      {1, PATTERN_FOR_URL, {{"websocket.connect.url", {27, 16}}}},
      {2,
       PATTERN_FOR_CONNECT | PATTERN_FOR_OTHER,
       {{"websocket.connect", {33, 17}}, {"other", {33, 36}}}},
  };
  struct policy_set *set;
  struct buf out;

  buf_init(&out, &mem_libc, 1 << 16);
  ck_assert_int_eq(load(&set, text, &out, &mem_libc), 0);
  ck_assert_uint_eq(policy_set_len(set), sizeof want / sizeof *want);
  for (size_t k = 0; k < policy_set_len(set); k++) {
    const struct policy_rule *r = policy_set_at(set, k)->rules;
    ck_assert_uint_eq(r->nactions, want[k].n);
    ck_assert_uint_eq(r->use, want[k].use);
    for (size_t i = 0; i < want[k].n; i++) {
      struct policy_place at = policy_action_place(r, i);
      ck_assert(slice_is(r->actions[i].source, want[k].actions[i].name));
      ck_assert_msg(at.line == want[k].actions[i].at.line &&
                        at.column == want[k].actions[i].at.column,
                    "policy %zu, action %zu: %u:%u", k, i, at.line, at.column);
    }
  }
  ck_assert_ptr_eq(policy_set_at(set, 0)->rules->actions,
                   policy_set_at(set, 1)->rules->actions);
  policy_set_unref(set);
  buf_deinit(&out);
}
END_TEST

START_TEST(bounds_its_messages) {
  struct policy_set *set;
  struct buf text, out;
  size_t lines = 0;

  buf_init(&text, &mem_libc, 1 << 20);
  buf_init(&out, &mem_libc, 1 << 20);
  ck_assert_int_eq(buf_adds(&text, HEAD), 0);
  for (int i = 0; i < 1000; i++)
    ck_assert_int_eq(buf_adds(&text, "  - {kind: security.x}\n"), 0);
  ck_assert_int_eq(buf_terminate(&text), 0);
  ck_assert_int_eq(load(&set, (const char *)buf_bytes(&text), &out, &mem_libc),
                   ERR_SYNTAX);
  for (size_t i = 0; i < out.len; i++)
    lines += buf_bytes(&out)[i] == '\n';
  ck_assert_uint_eq(lines, 101);
  ck_assert(memmem(buf_bytes(&out), out.len, "900 more are not shown", 22));
  buf_deinit(&text);
  buf_deinit(&out);
}
END_TEST

START_TEST(refuses_long_text) {
  struct policy_set *set;
  struct buf text, out;

  buf_init(&text, &mem_libc, 1 << 20);
  buf_init(&out, &mem_libc, 1 << 20);
  ck_assert_int_eq(buf_adds(&text, HEAD ENTRY "    policy: {effect: allow, "
                                              "actions: a, resources: "),
                   0);
  for (int i = 0; i < 5000; i++)
    ck_assert_int_eq(buf_addc(&text, 'x'), 0);
  ck_assert_int_eq(buf_adds(&text, "}\n"), 0);
  ck_assert_int_eq(buf_terminate(&text), 0);
  ck_assert_int_eq(load(&set, (const char *)buf_bytes(&text), &out, &mem_libc),
                   ERR_SYNTAX);
  ck_assert_slice_eq(buf_slice(&out), "f.yaml:6:52: resource is too long, "
                                      "expected at most 4096 bytes\n");
  buf_deinit(&text);
  buf_deinit(&out);
}
END_TEST

/* --------------------------------------------------------------- sets --- */

static const char one[] = "namespace: one\nentries:\n"
                          "- {name: b, kind: security.policy, groups: [g, "
                          "'two:h'], policy: {actions: a, resources: '*', "
                          "effect: allow}}\n"
                          "- {name: a, kind: security.policy, policy: "
                          "{actions: a, resources: '*', effect: deny}}\n";
static const char two[] = "namespace: two\nentries:\n"
                          "- {name: c, kind: security.policy, groups: g, "
                          "policy: {actions: a, resources: '*', effect: "
                          "allow}}\n"
                          "- {name: a, kind: security.policy, groups: [x, "
                          "a], policy: {actions: a, resources: '*', effect: "
                          "allow}}\n";

static struct policy_set *both(const char *first, const char *second) {
  struct policy_set *set;
  struct err e;

  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  ck_assert_int_eq(policy_set_add(set, "1", slice_of(first), NULL, NULL), 0);
  ck_assert_int_eq(policy_set_add_allow(set, SLICE("wss://a.example/*"), &e),
                   0);
  ck_assert_int_eq(policy_set_add(set, "2", slice_of(second), NULL, NULL), 0);
  ck_assert_int_eq(policy_set_add_allow(set, SLICE("wss://b.example"), &e), 0);
  ck_assert_int_eq(policy_set_finish(set, NULL, NULL), 0);
  return set;
}

START_TEST(keeps_policies_by_id) {
  static const char *const ids[] = {"cli:allow", "cli:allow-2", "one:a",
                                    "one:b",     "two:a",       "two:c"};
  for (int turn = 0; turn < 2; turn++) {
    struct policy_set *set = turn ? both(two, one) : both(one, two);
    ck_assert_uint_eq(policy_set_len(set), unit_len(ids));
    for (size_t i = 0; i < unit_len(ids); i++) {
      const struct policy *p = policy_set_at(set, i);
      ck_assert_slice_eq(p->id, ids[i]);
      ck_assert_uint_eq(p->index, i);
      ck_assert_ptr_eq(policy_set_find(set, slice_of(ids[i])), p);
    }
    ck_assert_ptr_null(policy_set_find(set, SLICE("one:c")));
    ck_assert_ptr_null(policy_set_find(set, SLICE("")));
    ck_assert(policy_set_find(set, SLICE("one:a"))->deny);
    ck_assert_uint_eq(policy_set_find(set, SLICE("one:a"))->line, 4);
    ck_assert_str_eq(policy_set_find(set, SLICE("two:a"))->file,
                     turn ? "1" : "2");
    policy_set_unref(set);
  }
}
END_TEST

static const struct {
  const char *names[3];
  const char *ids; /* of the scope, behind the two of --allow; NULL: an error */
  const char *message;
} scopes[] = {
    {{NULL}, "one:a one:b two:a two:c ", NULL},
    {{"one:a"}, "one:a ", NULL},
    {{"two:g"}, "two:c ", NULL},
    {{"one:g", "two:h"}, "one:b ", NULL},
    {{"x"}, "two:a ", NULL},
    {{"b", "c"}, "one:b two:c ", NULL},
    {{"c", "c", "two:c"}, "two:c ", NULL},
    {{"cli:allow"}, "", NULL},
    {{"g"}, NULL, "'g' is ambiguous, expected 'one:g' or 'two:g'"},
    {{"a"}, NULL, "'a' is ambiguous, expected 'one:a' or 'two:a'"},
    {{"two:a"},
     NULL,
     "'two:a' is both a group and a policy, expected a name of one"},
    {{"three:a"}, NULL, NULL},
    {{"one:a", "nix"}, NULL, "no group or policy 'nix'"},
    {{"cli:alow"},
     NULL,
     "no group or policy 'cli:alow', did you mean 'cli:allow'"},
    {{""}, NULL, "no group or policy ''"},
    {{":"}, NULL, NULL},
    {{"\x1b[31m"}, NULL, "no group or policy '\\x1b[31m'"},
};

START_TEST(picks_scopes) {
  struct policy_set *set = both(one, two);

  unit_each(row, scopes) {
    struct slice names[3];
    struct policy_scope *scope = NULL;
    struct buf ids;
    struct err e;
    size_t n = 0;
    int rv;
    for (; n < 3 && row->names[n]; n++)
      names[n] = slice_of(row->names[n]);
    rv = policy_scope_new(&scope, set, names, n, &mem_libc, &e);
    if (!row->ids) {
      ck_assert_int_eq(rv, ERR_NOT_FOUND);
      ck_assert_int_eq(e.code, ERR_NOT_FOUND);
      if (row->message)
        ck_assert_str_eq(e.message, row->message);
      continue;
    }
    ck_assert_msg(rv == 0, "%s: %s", row->names[0], e.message);
    buf_init(&ids, &mem_libc, 1024);
    ck_assert_slice_eq(policy_scope_at(scope, 0)->id, "cli:allow");
    ck_assert_slice_eq(policy_scope_at(scope, 1)->id, "cli:allow-2");
    for (size_t i = 2; i < policy_scope_len(scope); i++)
      ck_assert_int_eq(buf_addf(&ids, "%s ", policy_scope_at(scope, i)->id.p),
                       0);
    ck_assert_slice_eq(buf_slice(&ids), row->ids);
    buf_deinit(&ids);
    policy_scope_free(scope);
  }
  policy_scope_free(NULL);
  policy_set_unref(set);
  policy_set_unref(NULL);
}
END_TEST

START_TEST(scopes_of_an_empty_set) {
  struct policy_set *set;
  struct policy_scope *scope;
  struct slice name = SLICE("a");
  struct err e;

  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  ck_assert_int_eq(policy_scope_new(&scope, set, NULL, 0, &mem_libc, &e),
                   ERR_INVALID);
  ck_assert_ptr_null(policy_set_find(set, name));
  ck_assert_int_eq(policy_set_finish(set, NULL, NULL), 0);
  ck_assert_int_eq(policy_scope_new(&scope, set, &name, 1, &mem_libc, &e),
                   ERR_NOT_FOUND);
  ck_assert_int_eq(policy_scope_new(&scope, set, NULL, 0, &mem_libc, &e), 0);
  ck_assert_uint_eq(policy_scope_len(scope), 0);
  policy_set_unref(set); /* the scope keeps it */
  ck_assert_uint_eq(policy_scope_len(scope), 0);
  policy_scope_free(scope);
}
END_TEST

START_TEST(guards_its_life) {
  struct policy_set *set;
  struct buf out;
  struct err e;

  buf_init(&out, &mem_libc, 4096);
  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  /* ids clash over files */
  ck_assert_int_eq(policy_set_add(set, "1", slice_of(one), NULL, NULL), 0);
  ck_assert_int_eq(policy_set_add(set, "2", slice_of(one), NULL, NULL), 0);
  ck_assert_int_eq(policy_set_finish(set, on_mistake, &out), ERR_SYNTAX);
  ck_assert_slice_eq(buf_slice(&out),
                     "2:4:3: duplicate id 'one:a', first in 1 at line 4\n"
                     "2:3:3: duplicate id 'one:b', first in 1 at line 3\n");
  ck_assert_int_eq(policy_set_finish(set, NULL, NULL), ERR_SYNTAX);
  policy_set_unref(set);
  /* a mistake stays, and does not hide others */
  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  buf_clear(&out);
  ck_assert_int_eq(policy_set_add(set, "1", SLICE("a"), NULL, NULL),
                   ERR_SYNTAX);
  ck_assert_int_eq(policy_set_add(set, "2", SLICE("[]"), on_mistake, &out),
                   ERR_SYNTAX);
  ck_assert_uint_gt(out.len, 0);
  ck_assert_int_eq(policy_set_add(set, "3", slice_of(one), NULL, NULL), 0);
  ck_assert_int_eq(policy_set_finish(set, NULL, NULL), ERR_SYNTAX);
  policy_set_unref(set);
  /* a bad --allow leaves no trace */
  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  ck_assert_int_eq(policy_set_add_allow(set, SLICE("http://x"), &e),
                   ERR_SYNTAX);
  ck_assert_int_eq(e.code, ERR_SYNTAX);
  ck_assert_int_eq(policy_set_add_allow(set, SLICE(""), &e), ERR_SYNTAX);
  ck_assert_int_eq(policy_set_finish(set, NULL, NULL), 0);
  ck_assert_uint_eq(policy_set_len(set), 0);
  /* finished is finished */
  ck_assert_int_eq(policy_set_finish(set, NULL, NULL), ERR_BUSY);
  ck_assert_int_eq(policy_set_add(set, "1", slice_of(one), NULL, NULL),
                   ERR_BUSY);
  ck_assert_int_eq(policy_set_add_allow(set, SLICE("wss://x"), &e), ERR_BUSY);
  policy_set_unref(set);
  buf_deinit(&out);
}
END_TEST

START_TEST(raises_its_limits) {
  static const struct tree_limits more = {(size_t)8 << 20, 400000, 64};
  struct policy_set *set;
  struct buf text;

  buf_init(&text, &mem_libc, (size_t)8 << 20);
  ck_assert_int_eq(buf_adds(&text, "namespace: app\nentries:\n"), 0);
  for (int i = 0; i < 20000; i++)
    ck_assert_int_eq(
        buf_addf(&text,
                 "- {name: p%d, kind: security.policy, policy: {actions: a, "
                 "resources: b, effect: allow}}\n",
                 i * 7919 % 20000),
        0);
  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  ck_assert_int_eq(policy_set_add(set, "f", buf_slice(&text), NULL, NULL),
                   ERR_SYNTAX);
  policy_set_unref(set);
  ck_assert_int_eq(policy_set_new(&set, &mem_libc), 0);
  policy_set_limits(set, &more);
  ck_assert_int_eq(policy_set_add(set, "f", buf_slice(&text), NULL, NULL), 0);
  ck_assert_int_eq(policy_set_finish(set, NULL, NULL), 0);
  ck_assert_uint_eq(policy_set_len(set), 20000);
  for (size_t i = 1; i < 20000; i++)
    ck_assert_int_lt(
        slice_cmp(policy_set_at(set, i - 1)->id, policy_set_at(set, i)->id), 0);
  policy_set_unref(set);
  buf_deinit(&text);
}
END_TEST

/* ------------------------------------------------------------- threads --- */

static void *use_set(void *ud) {
  struct policy_set *set = ud;
  struct slice name = SLICE("one:g");

  for (int i = 0; i < 2000; i++) {
    struct policy_scope *scope;
    struct policy_set *mine = policy_set_ref(set);
    if (policy_scope_new(&scope, mine, &name, i & 1, &mem_libc, NULL) == 0)
      policy_scope_free(scope);
    policy_set_unref(mine);
  }
  policy_set_unref(set);
  return NULL;
}

START_TEST(serves_threads) {
  struct policy_set *set = both(one, two);
  pthread_t threads[4];

  for (size_t i = 0; i < unit_len(threads); i++)
    ck_assert_int_eq(
        pthread_create(&threads[i], NULL, use_set, policy_set_ref(set)), 0);
  policy_set_unref(set); /* whichever thread is last frees it */
  for (size_t i = 0; i < unit_len(threads); i++)
    pthread_join(threads[i], NULL);
}
END_TEST

/* ------------------------------------------------------------- memory --- */

START_TEST(survives_failing_memory) {
  static const char *const texts[] = {
      HEAD ENTRY
      "    groups: [a, b, c, d]\n"
      "    policy:\n"
      "      effect: allow\n"
      "      rules:\n"
      "        - {action: websocket.connect}\n"
      "        - {action: websocket.connect.url, resource: 'wss://a:1-9/*?x'}\n"
      "        - {action: websocket.connect.address, resource: 'class:private'}"
      "\n"
      "  - name: q\n    kind: security.policy\n" BODY
      "  - name: r\n    kind: security.policy\n    policy:\n"
      "      {actions: a, resources: b, effect: deny, conditions: [\n"
      "      {field: actor.meta.a, operator: in, value: [a, {b: c}]},\n"
      "      {field: meta.a, operator: lt, value_from: meta.b}]}\n"
      "  - name: s\n    kind: security.policy.expr\n    policy:\n"
      "      {actions: a, resources: b, effect: deny, expression: \"meta['a'] "
      "in "
      "[1, 'b', meta.c] and not (lower(action) contains 'x')\"}\n",
      HEAD ENTRY BODY ENTRY BODY "  - {kind: security.x}\n", /* mistakes */
  };
  unit_each(text, texts) {
    int rv = ERR_NOMEM;
    size_t n;
    for (n = 0; rv == ERR_NOMEM; n++) {
      struct failing_mem f;
      struct policy_set *set;
      struct policy_scope *scope;
      struct slice names[] = {SLICE("a"), SLICE("app:q")};
      struct slice missing = SLICE("app:aa");
      struct buf out;
      struct err e;
      failing_mem_init(&f, n);
      buf_init(&out, &mem_libc, 4096);
      rv = policy_set_new(&set, &f.mem);
      if (rv == 0) {
        rv = policy_set_add_allow(set, SLICE("wss://x.example/*"), &e);
        if (rv == 0)
          rv = policy_set_add(set, "f.yaml", slice_of(*text), on_mistake, &out);
        if (rv == ERR_NOMEM)
          ck_assert_uint_eq(out.len, 0);
        if (rv == 0)
          rv = policy_set_finish(set, on_mistake, &out);
        if (rv == 0)
          rv = policy_scope_new(&scope, set, names, 2, &f.mem, &e);
        if (rv == 0) {
          ck_assert_uint_eq(policy_scope_len(scope), 3);
          policy_scope_free(scope);
          rv = policy_scope_new(&scope, set, &missing, 1, &f.mem, &e);
          /* the suggestion is a favour, the error is not */
          ck_assert(rv == ERR_NOT_FOUND || rv == ERR_NOMEM);
        }
        policy_set_unref(set);
      }
      buf_deinit(&out);
      ck_assert_uint_eq(f.live_bytes, 0);
    }
    ck_assert_int_eq(rv, text == texts ? ERR_NOT_FOUND : ERR_SYNTAX);
    ck_assert_uint_gt(n, 8);
  }
}
END_TEST

int main(void) {
  Suite *s = suite_create("model");
  TCase *tc = tcase_create("model");

  tcase_add_test(tc, loads);
  tcase_add_test(tc, finds_every_mistake);
  tcase_add_test(tc, places_pattern_mistakes);
  tcase_add_test(tc, shares_lists_of_actions);
  tcase_add_test(tc, bounds_its_messages);
  tcase_add_test(tc, refuses_long_text);
  tcase_add_test(tc, mistakes_are_only_heard);
  tcase_add_test(tc, keeps_policies_by_id);
  tcase_add_test(tc, picks_scopes);
  tcase_add_test(tc, scopes_of_an_empty_set);
  tcase_add_test(tc, guards_its_life);
  tcase_add_test(tc, raises_its_limits);
  tcase_add_test(tc, serves_threads);
  tcase_add_test(tc, survives_failing_memory);
  suite_add_tcase(s, tc);
  return unit_run(s);
}
