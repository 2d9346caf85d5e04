#!/usr/bin/python3
"""cordon test from outside: statuses, reports, coverage, mutants.

CORDON names the program.
"""

import os
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_test import CORDON, TOP, Case  # noqa: E402

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
      conditions:
        - {field: actor.meta.role, operator: in, value: [reader, admin]}
    groups: [default]
  - name: guard
    kind: security.policy
    policy:
      effect: deny
      rules:
        - {action: websocket.connect.address, resource: "10.0.0.0/8"}
    groups: [default]
"""
HEAD = """\
policies: [.]
actors:
  reader: {id: "user:1", meta: {role: reader}}
  guest: {id: "user:2", meta: {role: guest}}
  robot: {id: "robot:1"}
tests:
"""
GOOD = HEAD + """\
  - name: readers see prices
    actor: reader
    scope: [default]
    allow: ["wss://stream.example.com/prices/btc"]
    deny: ["wss://stream.example.com/admin", "ws://stream.example.com/prices/x"]
  - name: guests do not
    actor: guest
    deny: "wss://stream.example.com/prices/btc"
  - name: address guard
    actor: reader
    action: websocket.connect.address
    resource: "10.20.3.4:443"
    meta: {host: stream.example.com}
    expect: deny
    policy: app:guard
"""
BAD = HEAD + """\
  - name: readers see everything
    actor: reader
    allow:
      - wss://stream.example.com/prices/btc
      - wss://stream.example.com/admin
  - name: guests are out
    actor: guest
    deny: wss://stream.example.com/prices/btc
"""
# what GOOD leaves open, closed
REST = """\
  - name: neighbours
    actor: reader
    deny: ["wss://api.example.com/prices/btc",
           "wss://stream.example.com:8443/prices/btc"]
  - name: other addresses
    actor: reader
    action: websocket.connect.address
    resource: "8.8.8.8:443"
    expect: allow
"""


class Suite(Case):
    def setUp(self):
        super().setUp()
        self.write("policy.yaml", POLICY)

    def test_passes(self):
        self.write("a_test.yaml", GOOD)
        done = self.expect(0, "test", ".",
                           err="3 tests in 1 file: all passed\n")
        self.assertEqual(done.out, "ok   readers see prices\n"
                         "ok   guests do not\nok   address guard\n")
        self.expect(0, "test", "-q", ".", out="", err="")
        self.expect(0, "test", "a_test.yaml", out="address guard")
        # a file counts once
        self.expect(0, "test", "a_test.yaml", ".", "./a_test.yaml",
                    err="3 tests in 1 file")

    def test_failure_is_explained(self):
        self.write("a_test.yaml", BAD)
        done = self.expect(1, "test", "a_test.yaml",
                           err="2 tests in 1 file: 1 passed, 1 failed\n")
        lines = done.out.splitlines()
        self.assertEqual(lines[:2], [
            "FAIL readers see everything (a_test.yaml:7:5)",
            "  a_test.yaml:11:9: websocket.connect.url "
            "wss://stream.example.com/admin: expected allow, got undefined"])
        self.assertEqual(lines[-1], "ok   guests are out")
        self.assertIn("nearest: app:prices (./policy.yaml:4) wants path "
                      "/prices/*\n", done.out)
        self.assertIn("    to allow it: ", done.out)

    def test_answers(self):
        """One test of an action: policy, what is expected, what is said."""
        self.write("more.yaml", """\
namespace: m
entries:
  - {name: w, kind: security.policy, policy: {effect: allow,
     actions: write, resources: "document:*"}}
  - {name: o, kind: security.policy, policy: {effect: deny, actions: write,
     resources: "document:*",
     conditions: [{field: actor.meta.level, operator: lt, value: 3}]}}
  - {name: a, kind: security.policy, policy: {effect: allow, actions: see,
     resources: "document:*",
     conditions: [{field: actor.meta.level, operator: gt, value: 3}]}}
""")
        for action, expect, ok, said in [
            ("write", "allow", False,
             "expected allow, got deny with an error by m:o (./more.yaml:5)"),
            ("write", "deny", True, None),
            ("write", "error", True, None),
            ("write", "undefined", False, "expected undefined, got deny"),
            ("see", "undefined", True, None),
            ("see", "error", True, None),
            ("see", "deny", False, "expected deny, got undefined with an err"),
            ("other", "undefined", True, None),
            ("other", "error", False, "expected error, got undefined\n"),
            ("other", "deny", False, "expected deny, got undefined\n"),
        ]:
            with self.subTest(action=action, expect=expect):
                self.write("a_test.yaml", HEAD + """\
  - {name: x, actor: robot, action: %s, resource: "document:1", expect: %s}
""" % (action, expect))
                self.expect(0 if ok else 1, "test", "-q", ".",
                            out=said if said else "")

    def test_who_decides(self):
        for policy, status, said in [
            ("app:guard", 0, ""),
            ("guard", 0, ""),
            ("app:prices", 1, "expected deny by app:prices, got deny by "
             "app:guard (./policy.yaml:13)"),
        ]:
            with self.subTest(policy=policy):
                self.write("a_test.yaml", GOOD.replace("app:guard", policy))
                self.expect(status, "test", "-q", ".", out=said)
        self.write("a_test.yaml", HEAD + "  - {name: x, actor: reader, "
                   "action: y, expect: undefined, policy: guard}\n")
        self.expect(1, "test", ".", out="expected undefined by app:guard, got "
                    "undefined by no policy")

    def test_no_url(self):
        self.write("a_test.yaml", HEAD + """\
  - {name: refused, actor: reader, deny: "wss://u@stream.example.com/"}
""")
        self.expect(0, "test", ".")
        self.write("a_test.yaml", HEAD + "  - {name: x, actor: reader, "
                   "allow: 'wss://u@stream.example.com/prices/x'}\n")
        self.expect(1, "test", ".", out="user")

    def test_run(self):
        self.write("a_test.yaml", GOOD)
        done = self.expect(0, "test", "--run", "*do*", ".", err="1 test in")
        self.assertEqual(done.out, "ok   guests do not\n")
        done = self.expect(2, "test", "--run=nothing", ".",
                           err="no test matches --run 'nothing'")
        self.assertNotIn("all passed", done.err)

    def test_tap(self):
        self.write("a_test.yaml", BAD.replace("guests are", "'#1 \\ \"are"
                   ).replace("out\n", "out'\n"))
        done = self.expect(1, "test", "--format=tap", ".")
        lines = done.out.splitlines()
        self.assertEqual(lines[0], "TAP version 14")
        self.assertEqual(lines[1], "not ok 1 - readers see everything")
        self.assertEqual(lines[2:5],
                         ["  ---", '  at: "./a_test.yaml:7:5"', "  why: |"])
        self.assertTrue(all(x.startswith("    ")
                            for x in lines[5:lines.index("  ...")]), done)
        self.assertEqual(lines[-2], 'ok 2 - \\#1 \\\\ "are out')
        self.assertEqual(lines[-1], "1..2")

    def test_junit(self):
        name = "<b> & \\\"\\e[1m\\uFFFE\\\""
        self.write("a_test.yaml", BAD.replace("guests are out",
                                              '"%s"' % name))
        done = self.expect(1, "test", "--format=junit", ".")
        root = xml.etree.ElementTree.fromstring(done.out.encode())
        self.assertEqual(root.tag, "testsuites")
        self.assertEqual((root.get("tests"), root.get("failures")), ("2", "1"))
        cases = root.findall("./testsuite/testcase")
        self.assertEqual([c.get("name") for c in cases],
                         ["readers see everything",
                          '<b> & "\\x1b[1m\\u{fffe}"'])
        self.assertEqual(cases[0].get("line"), "7")
        self.assertIn("expected allow", cases[0].find("failure").text)
        self.assertIn("expected allow", cases[0].find("failure").get("message"))
        self.assertIsNone(cases[1].find("failure"))

    def test_coverage(self):
        self.write("a_test.yaml", GOOD)
        done = self.expect(0, "test", "--coverage", "-q", ".")
        self.assertEqual(done.out, "coverage: 2 of 2 policies, 2 of 2 rules, "
                         "2 of 2 outcomes of conditions\n")
        done = self.expect(0, "test", "--coverage", "-q", "--run", "readers*",
                           ".")
        self.assertEqual(done.out, """\
coverage: 1 of 2 policies, 1 of 2 rules, 1 of 2 outcomes of conditions
  ./policy.yaml:13:5: app:guard: never applied
  ./policy.yaml:11:11: app:prices: condition 1: actor.meta.role in: never false
""")
        # two files are about the same policies
        first, second = GOOD.index("  - name: guests"), len(HEAD)
        self.write("a_test.yaml", GOOD[:first])
        self.write("b_test.yaml", HEAD + GOOD[first:])
        self.assertGreater(first, second)
        done = self.expect(0, "test", "--coverage", "-q", ".")
        self.assertIn("2 of 2 policies, 2 of 2 rules, 2 of 2 outc", done.out)

    def test_mutants(self):
        self.write("a_test.yaml", GOOD)
        done = self.expect(1, "test", "--mutate", "-q", ".")
        lines = done.out.splitlines()
        self.assertRegex(lines[0], r"\Amutants: (\d+) of (\d+) noticed\Z")
        self.assertEqual(len(lines), 4, done)
        for part in ("widen \"10.0.0.0/8\" to anything", "widen host of",
                     "widen port of"):
            self.assertIn(part, done.out)
        self.write("a_test.yaml", GOOD + REST)
        done = self.expect(0, "test", "--mutate", "-q", ".")
        self.assertRegex(done.out, r"\Amutants: (\d+) of \1 noticed\n\Z")
        # two files together notice what neither does alone
        self.write("a_test.yaml", GOOD)
        self.write("b_test.yaml", HEAD + REST)
        self.expect(0, "test", "--mutate", "-q", ".")
        self.expect(1, "test", "--mutate", "-q", "b_test.yaml")

    def test_mutants_in_reports(self):
        self.write("a_test.yaml", GOOD)
        done = self.expect(1, "test", "--mutate", "--format=tap", ".")
        self.assertEqual(done.out.count("\nnot ok "), 3)
        self.assertIn("\n1..6\n", done.out)
        done = self.expect(1, "test", "--mutate", "--format=junit", ".")
        root = xml.etree.ElementTree.fromstring(done.out.encode())
        self.assertEqual((root.get("tests"), root.get("failures")), ("6", "3"))

    def test_mutants_need_passing_tests(self):
        self.write("a_test.yaml", BAD)
        done = self.expect(1, "test", "--mutate", ".",
                           err="mutants are tried when every test passes")
        self.assertNotIn("mutants:", done.out)

    def test_mistakes(self):
        self.write("a_test.yaml", """\
version: "2.0"
polices: [.]
actors:
  reader: {id: 7, mta: {}}
  broken: x
tests:
  - {name: a, actor: raeder, allow: []}
  - {name: a, actor: reader, action: x, expct: allow}
  - {actor: reader, deny: x, action: y, expect: denied}
  - {name: b, actor: reader, resource: x}
  - {name: c, action: x, url: "wss://x/", expect: allow}
  - 7
""")
        done = self.expect(3, "test", "a_test.yaml", out="")
        for line in [
            "1:10: unknown version '2.0', expected \"1.0\"",
            "2:1: unknown key 'polices', expected 'policies'",
            "4:16: id is a number, expected a string in quotes",
            "4:19: unknown key 'mta', expected 'meta'",
            "5:11: actor is a string, expected a map",
            "7:22: unknown actor 'raeder', expected 'reader'",
            "7:37: 'allow' is empty, expected at least one URL",
            "8:41: unknown key 'expct', expected 'expect'",
            "8:5: duplicate test 'a', first at line 7",
            "9:5: test without a name",
            "9:21: 'deny' beside 'action', expected one or the other",
            "9:49: unknown answer 'denied', expected 'allow'",
            "10:30: 'resource' without an action, expected 'action'",
            "11:5: test without an actor",
            "11:26: 'url' beside action 'x'",
            "12:5: test is a number, expected a map",
        ]:
            self.assertIn("a_test.yaml:" + line, done.err)
        self.assertEqual(done.err.count("\n"), 16, done)

    def test_names_that_do_not_exist(self):
        self.write("a_test.yaml", GOOD.replace("[default]", "[defualt]")
                   .replace("app:guard", "app:gaurd"))
        done = self.expect(3, "test", ".", out="")
        self.assertIn("./a_test.yaml:9:13: no group or policy 'defualt', did "
                      "you mean 'default'", done.err)
        self.assertIn("./a_test.yaml:21:13: no policy 'app:gaurd', did you "
                      "mean 'app:guard'", done.err)

    def test_what_cannot_be_read(self):
        self.expect(2, "test", err="which file or folder?", out="")
        self.expect(2, "test", "nothing", err="No such file", out="")
        self.expect(2, "test", "", out="", err="''")
        self.expect(2, "test", ".", err="no *_test.yaml", out="")
        self.expect(2, "test", "--format=xml", ".", out="",
                    err="--format takes text, tap or junit, not 'xml'")
        self.write("a_test.yaml", GOOD.replace("[.]", "[., ../no/p.yaml]"))
        done = self.expect(2, "test", ".", out="")
        self.assertIn("./a_test.yaml:1:15: ./../no/p.yaml: No such file",
                      done.err)

    def test_policies_that_do_not_load(self):
        self.write("policy.yaml", POLICY.replace("allow", "alow"))
        self.write("a_test.yaml", GOOD)
        self.write("b_test.yaml", GOOD)
        done = self.expect(3, "test", ".", out="",
                           err="unknown effect 'alow', expected 'allow'")
        self.assertEqual(done.err.count("unknown effect 'alow'"), 1,
                         "loaded once")
        # the other files are tested all the same
        self.write("other/policy.yaml", POLICY)
        self.write("other/c_test.yaml", GOOD)
        self.expect(3, "test", "a_test.yaml", "other", out="ok   address")
        done = self.expect(3, "test", "--format=tap", "a_test.yaml", "other")
        self.assertIn("not ok 1 - a_test.yaml\n", done.out)

    def test_folders(self):
        self.write("p/policy.yaml", POLICY)
        self.write("p/t/a_test.yml", GOOD.replace("[.]", "[..]"))
        self.write("p/t/b_test.yaml", GOOD.replace("[.]",
                                                   "../policy.yaml"))
        self.write("p/t/c.txt", "no test")
        self.expect(0, "test", "p/", err="6 tests in 2 files: all passed")
        os.symlink("../t", self.path("p/t/loop"))
        self.expect(0, "test", "p", err="6 tests in 2 files: all passed")
        self.write("q/a_test.yaml", GOOD.replace("[.]", "[../policy.yaml]"))
        os.mkfifo(self.path("q/pipe_test.yaml"))
        self.expect(0, "test", "q", err="3 tests in 1 file: all passed")

    def test_too_large(self):
        self.write("a_test.yaml", GOOD + "#" * (1 << 20))
        self.expect(3, "test", ".", err="larger than 1 MiB", out="")

    def test_example(self):
        done = self.expect(0, "test", "--coverage", "--mutate", "-q",
                           os.path.join(TOP, "examples"))
        self.assertRegex(done.out, r"mutants: (\d+) of \1 noticed\n\Z")


if __name__ == "__main__":
    if not os.access(CORDON, os.X_OK):
        sys.exit("cli_suite_test.py: no program %s" % CORDON)
    unittest.main(verbosity=1)
