#!/usr/bin/python3
"""cordon explain from outside: words, JSON, statuses."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_test import TOP, Case  # noqa: E402

POLICY = """\
version: "1.0"
namespace: app
entries:
  - name: prices
    kind: security.policy
    policy:
      actions: [websocket.connect, websocket.connect.url]
      resources: ["", "wss://stream.example.com/prices/*"]
      effect: allow
    groups: [default]
  - name: docs
    kind: security.policy
    policy:
      actions: [read, list]
      resources: "document:*"
      effect: allow
      conditions:
        - {field: actor.id, operator: ne, value: nobody}
        - {field: actor.meta.role, operator: in, value: [reader, admin]}
    groups: [default]
  - name: everything
    kind: security.policy
    policy: {actions: "*", resources: "*", effect: allow}
    groups: [admin]
  - name: no-admin
    kind: security.policy
    policy: {actions: websocket.connect.url, resources: "*://*/*admin/*", effect: deny}
    groups: [default]
  - name: owner
    kind: security.policy
    policy:
      actions: delete
      resources: "document:*"
      effect: deny
      conditions: [{field: meta.owner, operator: ne, value_from: actor.id}]
    groups: [default]
"""
PRICES = "wss://stream.example.com/prices/btc"


class Explain(Case):
    def setUp(self):
        super().setUp()
        self.write("p.yaml", POLICY)
        with open(os.path.join(TOP, "doc", "explain.schema.json")) as f:
            self.schema = json.load(f)

    def explain(self, status, *args, scope="default"):
        """Both forms; the text and the document, which agree."""
        import jsonschema
        args = ["-p", "p.yaml", "--scope", scope, *args]
        text = self.expect(status, "explain", *args, err="").out
        doc = json.loads(self.expect(status, "explain", *args, "--format",
                                     "json", err="").out)
        jsonschema.validate(doc, self.schema)
        self.assertEqual(text.split("\n")[0], doc["decision"])
        # the same answer as eval, with the same status
        done = self.cordon("eval", *args)
        self.assertEqual(done.status, status)
        self.assertEqual(done.out.split("\n")[0], doc["decision"])
        return text, doc

    def test_schema_is_one(self):
        import jsonschema
        jsonschema.Draft7Validator.check_schema(self.schema)

    def test_allow(self):
        text, doc = self.explain(0, "--url", "WSS://Stream.Example.com:443"
                                 "/prices/b%74c")
        self.assertEqual(doc["canonical"], PRICES)
        self.assertEqual([s["decision"] for s in doc["steps"]], ["allow"] * 2)
        step = doc["steps"][1]
        self.assertEqual({p["name"]: p["is"] for p in step["parts"]}, {
            "scheme": "wss", "host": "stream.example.com", "port": "443",
            "path": "/prices/btc"})
        self.assertEqual(step["applies"][0]["policy"], "app:prices")
        self.assertTrue(step["applies"][0]["decides"])
        self.assertEqual((step["misses"], step["advice"]), ([], None))
        self.assertIn("app:prices (p.yaml:4) allows it", text)
        self.assertIn("--resolve IP", text)

    def test_nearest_miss(self):
        text, doc = self.explain(1, "--url", "wss://stream.example.com:8443"
                                 "/prices/btc")
        step = doc["steps"][1]
        miss = step["misses"][0]
        self.assertEqual((miss["policy"], miss["line"]), ("app:prices", 4))
        self.assertEqual([p["text"] for p in miss["parts"]],
                         ["port is 8443, wants 443"])
        self.assertEqual(miss["instead"], PRICES)
        self.assertEqual(miss["wider"],
                         "wss://stream.example.com:8443/prices/*")
        self.assertEqual(miss["add"], step["advice"]["add"])
        self.assertIn(miss["add"], text)
        # the advice of eval is the same
        done = self.cordon("eval", "-p", "p.yaml", "--scope", "default",
                           "--url", "wss://stream.example.com:8443/prices/btc")
        self.assertIn("to allow it: " + miss["add"], done.err)
        self.assertIn("nearest: app:prices (p.yaml:4) wants port 443",
                      done.err)
        # and is good
        self.write("q.yaml", "namespace: q\nentries:\n- name: q\n"
                   "  kind: security.policy\n  policy:\n    effect: allow\n"
                   "    rules:\n    - %s\n" % miss["add"])
        self.expect(0, "eval", "-p", "p.yaml", "-p", "q.yaml", "--url",
                    "wss://stream.example.com:8443/prices/btc")

    def test_conditions(self):
        text, doc = self.explain(1, "--actor-meta", "role=guest", "--action",
                                 "read", "--resource", "document:7")
        miss = doc["steps"][0]["misses"][0]
        self.assertEqual(miss["parts"], [{
            "name": "condition", "number": 2, "line": 19, "is": '"guest"',
            "wants": "", "text": 'condition 2: actor.meta.role is "guest", '
            "wants one of [reader, admin]"}])
        self.assertIn("add \"guest\" to the list (p.yaml:19)", miss["edit"])
        self.assertEqual(miss["add"], None)

    def test_scope(self):
        text, doc = self.explain(1, "--action", "pay", "--resource", "x")
        miss = doc["steps"][0]["misses"][0]
        self.assertEqual((miss["policy"], miss["in_scope"], miss["groups"]),
                         ("app:everything", False, ["app:admin"]))
        self.assertIn("not in force; its group is app:admin", text)
        done = self.cordon("eval", "-p", "p.yaml", "--scope", "default",
                           "--action", "pay", "--resource", "x")
        self.assertIn("app:everything (p.yaml:21) allows it but is not in "
                      "force; its group is app:admin", done.err)
        # what allows everything is not the advice
        self.assertIn("opens more than this", text)
        for words in (text, done.err):
            self.assertIn('{action: "pay", resource: "x"}', words)

    def test_deny(self):
        text, doc = self.explain(
            1, "--url", "wss://stream.example.com/prices/admin/x")
        step = doc["steps"][1]
        self.assertEqual([(a["policy"], a["decides"]) for a in step["applies"]],
                         [("app:no-admin", True), ("app:prices", False)])
        self.assertIn("would allow it, were it not denied", text)
        self.assertIn("no allow overrules a deny", text)
        self.assertEqual(step["misses"], [])

    def test_deny_that_errs(self):
        text, doc = self.explain(4, "--action", "delete", "--resource",
                                 "document:7")
        step = doc["steps"][0]
        self.assertTrue(step["by_error"])
        self.assertEqual(step["errors"][0]["text"],
                         "condition 1: meta.owner is missing")
        self.assertIn("a deny that cannot be evaluated denies", text)
        self.assertIn("a request with meta.owner", step["advice"]["edit"])

    def test_address(self):
        text, doc = self.explain(1, "--url", PRICES, "--resolve", "10.0.0.7")
        step = doc["steps"][2]
        self.assertEqual(step["resource"], "10.0.0.7:443")
        self.assertEqual({p["name"]: p["is"] for p in step["parts"]}, {
            "address": "10.0.0.7", "port": "443", "class": "private"})
        self.assertIn("address: any", step["advice"]["add"])
        text, doc = self.explain(1, "--url", "wss://x.example/", "--resolve",
                                 "10.0.0.7")
        self.assertEqual(len(doc["steps"]), 2)
        self.assertIn("not asked, since the URL is refused", text)

    def test_invalid(self):
        text, doc = self.explain(1, "--url", "wss://user@stream.example.com/")
        self.assertEqual((doc["decision"], doc["reason"], doc["steps"]),
                         ("invalid", "userinfo", []))
        self.assertIn("'@' in front of the path", text)

    def test_stars(self):
        text, doc = self.explain(1, "--url", "wss://x.example/a*b")
        self.assertIn("takes more than this URL",
                      doc["steps"][1]["advice"]["note"])
        self.assertIn("note: ", text)

    def test_misses(self):
        entries = "".join(
            "- name: p%02d\n  kind: security.policy\n  policy: {effect: allow, "
            "rules: [{action: websocket.connect.url, resource: 'wss://"
            "a.example.com:%d'}]}\n" % (i, 1000 + i) for i in range(30))
        self.write("p.yaml", "namespace: app\nentries:\n" + entries +
                   "  groups: [default]\n")
        for args, n in (([], 3), (["--misses", "1"], 1), (["--misses=16"], 16)):
            out = self.expect(1, "explain", "-p", "p.yaml", "--format=json",
                              "--url", "wss://a.example.com", *args).out
            self.assertEqual(
                [m["policy"] for m in json.loads(out)["steps"][1]["misses"]],
                ["app:p%02d" % i for i in range(n)])

    def test_hostile(self):
        """Nothing reaches a terminal as it is; no line is forged."""
        evil = 'x\\e[31m\\nallow'
        self.write("p.yaml", 'namespace: app\nentries:\n- name: p\n  kind: '
                   'security.policy\n  policy:\n    actions: read\n    '
                   'resources: ["%s", "%sb"]\n    effect: allow\n    '
                   'conditions: [{field: actor.meta.role, operator: eq, '
                   'value: "%s"}]\n  groups: [default]\n' % (evil, evil, evil))
        raw = 'x\x1b[31m\nallow'
        for resource in (raw, raw + "c"):
            for role in ("guest", "'%s'" % raw):
                out = self.expect(1, "explain", "-p", "p.yaml", "--actor", raw,
                                  "--action", "read", "--resource", resource,
                                  "--actor-meta", "role=g").out
                self.assertNotIn("\x1b", out)
                self.assertNotIn("\nallow", out)
                self.assertIn("\\x1b", out)

    def test_columns(self):
        text, _ = self.explain(1, "--url", "wss://stream.example.com:8443"
                               "/prices/btc")
        for line in text.split("\n"):
            # a rule or URL is not broken
            if "{action:" not in line and "://" not in line:
                self.assertLessEqual(len(line), 80, line)

    def test_usage(self):
        for args, words in [
                ([], "one of --url and --action is needed"),
                (["--url=x", "--action=y"], "one of --url and --action"),
                (["--url=x", "--misses=0"], "--misses takes a number"),
                (["--url=x", "--misses=17"], "--misses takes a number"),
                (["--url=x", "--format=xml"], "--format takes text or json"),
                (["--url=x", "--meta={}"], "--meta goes with --action"),
                (["--action=x", "--meta=[]"], "--meta takes a JSON object"),
                (["--action=x", "--resolve=::1"], "--resolve goes with --url"),
                (["--url=x", "--resolve=y"], "--resolve takes an IP address"),
                (["--url=x", "--scope=y"], "--scope: "),
                (["--input=x"], "unknown option"),
                (["x"], "unexpected 'x'")]:
            with self.subTest(args=args):
                self.expect(2, "explain", *args, out="", err=words)
        self.write("bad.yaml", "entries: 3\n")
        self.expect(3, "explain", "-p", "bad.yaml", "--url", PRICES, out="")

    def test_nothing_is_loaded(self):
        done = self.expect(1, "explain", "--url", PRICES)
        self.assertIn("all of 0 policies", done.out)
        self.assertIn("{action: websocket.connect}", done.out)
        self.assertIn('{action: websocket.connect.url, resource: "%s"}' %
                      PRICES, done.out)


if __name__ == "__main__":
    unittest.main()
