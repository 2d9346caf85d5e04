#!/usr/bin/python3
"""The program from outside: statuses, options, messages, check, eval, run.

CORDON names the program.  Every message is asked for in the words a user sees;
every exit status of cordon.1 that this version has is reached.
"""

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from patience import LIMIT_S

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORDON = os.path.abspath(
    os.environ.get("CORDON", os.path.join(TOP, "build", "cordon")))

POLICY = """\
version: "1.0"
namespace: app.security
entries:
  - name: prices
    kind: security.policy
    policy:
      actions: [websocket.connect, websocket.connect.url]
      resources: ["", "wss://stream.example.com/prices/*"]
      effect: allow
    groups: [default]
  - name: secret
    kind: security.policy
    policy:
      actions: websocket.connect.url
      resources: "wss://stream.example.com/prices/secret*"
      effect: deny
    groups: [default]
  - name: docs
    kind: security.policy
    policy:
      actions: [read]
      resources: "document:*"
      effect: allow
    groups: [office]
"""
PRICES = "wss://stream.example.com/prices/btc"
EVERYTHING = """\
version: "1.0"
namespace: t
entries:
  - name: all
    kind: security.policy
    policy: {actions: "*", resources: "*", effect: allow}
"""


class Done:
    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err

    def __repr__(self):
        return "status %d\nstdout: %s\nstderr: %s" % (
            self.status, self.out[:2000], self.err[:4000])


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="cordon-cli-")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode="w"):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, mode) as f:
            f.write(text)
        return name

    def cordon(self, *args, stdin=b"", timeout=LIMIT_S, stdout=subprocess.PIPE,
               **more):
        if isinstance(stdin, str):
            stdin = stdin.encode()
        done = subprocess.run(
            [CORDON, *args], cwd=self.dir, input=stdin, stdout=stdout,
            stderr=subprocess.PIPE, timeout=timeout, **more)
        return Done(done.returncode, (done.stdout or b"").decode("utf-8"),
                    done.stderr.decode("utf-8"))

    def expect(self, status, *args, out=None, err=None, **more):
        """Runs it; |out| and |err| are parts that must be there, "" for
        nothing at all."""
        done = self.cordon(*args, **more)
        self.assertEqual(done.status, status, done)
        for want, got in ((out, done.out), (err, done.err)):
            if want == "":
                self.assertEqual(got, "", done)
            for part in [want] if isinstance(want, str) else want or []:
                self.assertIn(part, got, done)
        self.assertIsNone(re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.err))
        return done

    def lua(self, text, *args, name="x.lua"):
        self.write(name, text)
        return self.cordon("run", *args, name)


class Usage(Case):
    def test_help(self):
        top = self.expect(0, "help", err="")
        self.assertEqual(self.expect(0, "--help").out, top.out)
        self.assertEqual(self.expect(0, "-h").out, top.out)
        for command in ("run", "check", "eval", "explain", "test", "fmt",
                        "schema", "help"):
            self.assertIn("\n  %s " % command, top.out)
            text = self.expect(0, "help", command, err="").out
            self.assertEqual(self.expect(0, command, "--help").out, text)
            self.assertEqual(self.expect(0, command, "-h").out, text)
            self.assertTrue(text.startswith("usage: cordon " + command))
            for line in text.splitlines():
                self.assertLessEqual(len(line), 80, line)

    def test_help_names_every_option(self):
        """What the help of a command names is an option of it."""
        for command in ("run", "check", "eval", "explain", "test", "fmt",
                        "schema"):
            text = self.expect(0, "help", command).out
            for option in set(re.findall(r"--[a-z][a-z-]+", text)):
                done = self.cordon(command, option)
                self.assertNotIn("unknown option", done.err, option)

    def test_version(self):
        done = self.expect(0, "--version", err="")
        self.assertRegex(done.out, r"^cordon \d+\.\d+\.\d+\n$")

    def test_nothing(self):
        self.expect(2, out="", err="usage: cordon COMMAND")

    def test_mistyped(self):
        for args, words in [
                (["rnu"], "unknown command 'rnu', did you mean 'run'?"),
                (["help", "evla"], "did you mean 'eval'?"),
                (["xyzzy"], "unknown command 'xyzzy'\n"),
                (["a\x1b[31mb"], "unknown command 'a\\x1b[31mb'"),
                (["--polcy"], "unknown option '--polcy'"),
                (["run", "--polcy", "x"],
                 "unknown option '--polcy', did you mean '--policy'?"),
                (["eval", "--urll=x"], "did you mean '--url'?"),
                (["run", "-z"], "unknown option '-z'"),
                (["run", "--policy"], "option '--policy' needs a value"),
                (["run", "-p"], "option '--policy' needs a value"),
                (["run", "--allow", "--quiet", "x.lua"],
                 "option '--allow' needs a value"),
                (["run", "--quiet=yes", "x.lua"], "takes no value"),
                (["run", "--cpu=1s", "--cpu=2s", "x"], "given twice"),
                (["run"], "which script?"),
                (["run", "-q", "--"], "which script?"),
                (["check"], "which file or folder?"),
                (["eval", "x"], "unexpected 'x'"),
                (["help", "run", "eval"], "unexpected 'eval'"),
        ]:
            with self.subTest(args=args):
                self.expect(2, *args, out="", err=words)

    def test_later(self):
        for command in ("diff", "suggest"):
            self.expect(2, command, out="",
                        err="command '%s' is not in this version" % command)
        self.write("x", "")
        self.expect(2, "run", "--format=json", "x", out="",
                    err="--format json is for manifests")

    def test_values(self):
        self.write("x.lua", "print(1)")
        for option, good, bad in [
                ("--memory", ["64MiB", "100000000", "8000000B", "9GB"],
                 ["", "0", "0MiB", "64M", "64 MiB", "-1", "1.5MiB", "064",
                  "99999999999999999999", "18446744073709551615",
                  "17179869184GiB", "0x10", "MiB"]),
                ("--max-output", ["1KiB", "1KB"], ["0", "1kib"]),
                ("--cpu", ["10s", "1m30s", "5000ms", "9.5s", "2h", "9500000us"],
                 ["", "10", "0s", "-1s", "1.s", "1s ", "1x", ".5s", "1s2",
                  "9999999999999h", "inf", "0.0s", "1e3s"]),
                ("--deadline", ["10m"], ["0", "s"]),
                ("--max-connections", ["1", "64"], ["0", "-1", "1e3", "x"]),
                ("--max-connects-per-minute", ["1"], ["0"]),
                ("--max-tasks", ["5"], ["0"]),
                ("--max-timers", ["5"], ["0", "5s"]),
        ]:
            for value in good:
                with self.subTest(option=option, value=value):
                    self.expect(0, "run", option + "=" + value, "x.lua",
                                out="1\n")
            for value in bad:
                with self.subTest(option=option, value=value):
                    self.expect(2, "run", option + "=" + value, "x.lua",
                                out="", err=option + " takes a")

    def test_closed_standard_fds(self):
        self.write("x.lua", "print(1)")
        for closed in ("<&-", "2>&-", "<&- 2>&-"):
            done = subprocess.run(
                ["/bin/sh", "-c", 'exec "$0" run x.lua ' + closed, CORDON],
                cwd=self.dir, stdout=subprocess.PIPE, timeout=LIMIT_S)
            self.assertEqual((done.returncode, done.stdout), (0, b"1\n"))
        done = subprocess.run(
            ["/bin/sh", "-c", 'exec "$0" run x.lua >&-', CORDON],
            cwd=self.dir, stderr=subprocess.PIPE, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard output", done.stderr)


CONDITIONAL = """\
namespace: app
entries:
  - name: owners
    kind: security.policy
    policy:
      actions: read
      resources: "doc:*"
      effect: allow
      conditions:
        - {field: meta.owner, operator: eq, value_from: actor.id}
  - name: no-guests
    kind: security.policy.expr
    policy:
      actions: "*"
      resources: "secret:*"
      effect: deny
      expression: actor.meta.level < 2
  - name: the-drafts
    kind: security.policy.expr
    policy:
      actions: read
      resources: "doc:*"
      effect: allow
      expression: has(meta.draft) && meta.draft
"""


class Policies(Case):
    def test_check(self):
        self.write("policy.yaml", POLICY)
        done = self.expect(0, "check", "policy.yaml",
                           err="1 file, 3 policies: 1 note\n")
        self.assertRegex(done.out, r"^policy.yaml:21:17: note: .* 'read' ")
        self.expect(0, "check", "-q", "policy.yaml", err="")

    def test_check_tells_everything(self):
        self.write("a.yaml", POLICY.replace("effect: allow", "effect: alow"))
        self.write("b.yaml", "version: '1.0'\nnamespace: b\nentries: {\n")
        done = self.expect(3, "check", "a.yaml", "b.yaml", err=" mistakes\n")
        lines = [x for x in done.out.splitlines()
                 if not re.match(r" +\d* \| ", x)]
        self.assertGreaterEqual(len(lines), 3, done)
        for line in lines:
            self.assertRegex(line, r"^[ab]\.yaml:\d+:\d+: \S")
        self.assertEqual([x.split(":")[1] for x in lines
                          if x.startswith("a.")], ["9", "23"])
        self.assertIn("'alow'", done.out)

    def test_check_summary(self):
        self.write("a.yaml", POLICY.replace("effect: allow", "effect: alow"))
        self.assertEqual(self.expect(3, "check", "a.yaml").err, "2 mistakes\n")

    def test_names_are_made_visible(self):
        name = "a\x1b[31m\n.yaml"
        self.write(name, "x: [")
        done = self.expect(3, "check", name)
        self.assertNotIn("\x1b", done.out)
        self.assertIn("a\\x1b[31m", done.out)

    def test_unreadable(self):
        self.expect(2, "check", "none.yaml", out="",
                    err="cordon: none.yaml: No such file")
        self.expect(2, "check", "", err="No such file")
        os.mkdir(self.path("empty"))
        self.expect(2, "check", "empty", err="empty: no *.yaml")
        self.write("x.lua", "print(1)")
        self.expect(2, "run", "-p", "none.yaml", "x.lua", out="",
                    err="none.yaml: No such file")
        self.expect(2, "eval", "-p", "none.yaml", "--url", PRICES, out="")
        self.write("d/p.yaml", POLICY)
        os.mkfifo(self.path("d/q.yaml"))
        self.expect(2, "check", "d", err="d/q.yaml: no regular file")
        os.remove(self.path("d/q.yaml"))
        os.symlink("nowhere", self.path("d/q.yaml"))
        self.expect(2, "check", "d", err="d/q.yaml: ")

    def test_folders(self):
        self.write("d/b.yaml", POLICY)
        self.write("d/a.yml", POLICY.replace("app.security", "one"))
        self.write("d/sub/c.yaml", POLICY.replace("app.security", "two"))
        self.write("d/readme.txt", "no policy")
        self.write("d/x.yaml.bak", "no: policy: [")
        self.write("d/a_test.yaml", "policies: [.]\ntests: []\n")
        os.symlink("..", self.path("d/sub/loop"))
        self.expect(0, "check", "d", err="3 files, 9 policies: 3 notes\n")
        self.expect(0, "check", "d/", "d/b.yaml", "d/sub",
                    err="3 files, 9 policies: 3 notes\n")
        # a policy is a policy whatever its file is called
        self.write("d/b_test.yaml", POLICY.replace("app.security", "three"))
        self.expect(0, "check", "d", err="4 files, 12 policies: 4 notes\n")
        self.write("d/sub/c_test.yaml", "tests: [\n")
        self.expect(3, "check", "d", out="d/sub/c_test.yaml:")

    def test_sorted(self):
        for name in ("c", "a", "b/x", "a-b"):
            self.write("d/%s.yaml" % name, "x: 1\n")
        done = self.expect(3, "check", "d")
        order = [x.split(":")[0] for x in done.out.splitlines()
                 if x.startswith("d/")]
        self.assertEqual(order, sorted(order))
        self.assertEqual(len(set(order)), 4)

    def test_same_id_twice(self):
        self.write("a.yaml", POLICY)
        self.write("b.yaml", POLICY)
        self.expect(3, "check", "a.yaml", "b.yaml", out="b.yaml:4:")

    def test_too_large(self):
        self.write("a.yaml", POLICY + "#" + "x" * (1 << 20))
        self.expect(3, "check", "a.yaml", out="1 MiB")

    def test_broken_policy_runs_nothing(self):
        self.write("a.yaml", POLICY.replace("effect: deny", "effekt: deny"))
        self.write("x.lua", "print('ran')")
        for args in (["run", "-p", "a.yaml", "x.lua"],
                     ["eval", "-p", "a.yaml", "--url", PRICES],
                     ["eval", "-p", "a.yaml", "--input", "-"]):
            done = self.expect(3, *args, out="")
            self.assertRegex(done.err, r"(?m)^a\.yaml:\d+:\d+: .*effekt")

    def test_conditions(self):
        self.write("a.yaml", CONDITIONAL)
        ask = ("eval", "-p", "a.yaml", "--action", "read", "--resource",
               "doc:1", "--actor")
        self.expect(0, *ask, "amy", "--meta", '{"owner": "amy"}', out="allow")
        self.expect(1, *ask, "bob", "--meta", '{"owner": "amy"}',
                    out="undefined",
                    err='condition 1: meta.owner is "amy", wants actor.id, '
                        'which is "bob"')
        # a missing attribute is an error: no allow, but a deny
        self.expect(4, *ask, "amy", out="undefined",
                    err="condition 1: meta.owner is missing")
        self.expect(4, *ask[:6], "secret:1", "--actor", "amy", out="deny",
                    err="app:no-guests (a.yaml:11), which could not be "
                        "evaluated: actor.meta.level is missing")
        self.expect(1, *ask[:6], "secret:1", "--actor", "amy", "--actor-meta",
                    "level=1", out="deny")
        self.expect(1, *ask[:6], "secret:1", "--actor", "amy", "--actor-meta",
                    "level=3", out="undefined")
        # an error that forced nothing
        done = self.expect(0, *ask, "amy", "--meta",
                           '{"owner": "amy", "draft": 1}', out="allow")
        self.assertIn("error: app:the-drafts", done.out)

    def test_allow_is_checked(self):
        self.write("x.lua", "print('ran')")
        self.expect(2, "run", "--allow", "http://x", "x.lua", out="",
                    err="--allow 'http://x'")

    def test_unknown_scope(self):
        self.write("a.yaml", POLICY)
        self.write("x.lua", "print('ran')")
        self.expect(2, "run", "-p", "a.yaml", "--scope", "nope", "x.lua",
                    out="", err="nope")
        self.expect(2, "eval", "-p", "a.yaml", "--scope", "nope", "--url",
                    PRICES, out="", err="nope")

    def test_actor_meta(self):
        self.write("x.lua", "print('ran')")
        for good in ("role=admin", "level=3", "teams=[a, b]", "x=", "x='a=b'",
                     "a.b={c: 1}"):
            self.expect(0, "run", "--actor-meta", good, "x.lua", out="ran")
        self.expect(0, "run", "--actor-meta", "a=1", "--actor-meta", "ab=1",
                    "--actor-meta", 'q"\n=1', "x.lua", out="ran")
        for bad in (["role"], ["=x"], ["x=[1"], ["x=1", "x=2"]):
            args = [w for b in bad for w in ("--actor-meta", b)]
            self.expect(2, "run", *args, "x.lua", out="", err="--actor-meta")


class Eval(Case):
    def setUp(self):
        super().setUp()
        self.write("policy.yaml", POLICY)
        self.write("all.yaml", EVERYTHING)

    def ask(self, status, *args, policy="policy.yaml"):
        done = self.expect(status, "eval", "-p", policy, *args)
        return done.out.splitlines(), done.err

    def test_allow(self):
        out, err = self.ask(0, "--url", PRICES.replace("stream", "STREAM"))
        self.assertEqual(out[0], "allow")
        self.assertIn("  url: " + PRICES, out)
        self.assertIn("  policy: app.security:prices (policy.yaml:4)", out)
        self.assertEqual(err, "")

    def test_deny(self):
        out, err = self.ask(1, "--url", PRICES.replace("btc", "secret/1"))
        self.assertEqual(out[0], "deny")
        self.assertIn("  policy: app.security:secret (policy.yaml:11)", out)
        self.assertIn("app.security:secret", err)

    def test_undefined(self):
        out, err = self.ask(1, "--url", "wss://stream.example.com:8443/prices/b")
        self.assertEqual(out[0], "undefined")
        self.assertIn("to allow it: ", err)
        _, err = self.ask(1, "-q", "--url", "wss://x.example/")
        self.assertEqual(err, "")

    def test_invalid(self):
        out, err = self.ask(1, "--url", "wss://a@b.example/")
        self.assertEqual(out[0], "invalid")
        self.assertIn("  reason: userinfo", out)
        self.assertNotEqual(err, "")

    def test_action(self):
        out, _ = self.ask(0, "--action", "read", "--resource", "document:7")
        self.assertEqual(out[0], "allow")
        self.ask(1, "--action", "read", "--resource", "memo:7")
        self.ask(1, "--action", "read")
        self.ask(1, "--action", "read", "--resource", "a\x1b\nb")
        out, _ = self.ask(0, "--action", "read", "--resource",
                          "document:\nallow\x1b[1m")
        self.assertIn("  resource: document:\\nallow\\x1b[1m", out)

    def test_scope(self):
        self.ask(1, "--scope", "office", "--url", PRICES)
        self.ask(0, "--scope", "default", "--url", PRICES)
        self.ask(0, "--scope", "app.security:prices", "--scope", "office",
                 "--url", PRICES)

    def test_resolve(self):
        out, _ = self.ask(0, "--url", PRICES, "--resolve", "93.184.216.34")
        self.assertIn("  policy: app.security:prices (policy.yaml:4)", out)
        for ip in ("10.0.0.1", "127.0.0.1", "::1", "[fd00::1]",
                   "::ffff:10.0.0.1", "169.254.169.254", "64:ff9b::a00:1"):
            out, _ = self.ask(1, "--url", PRICES, "--resolve", ip)
            self.assertIn("  action: websocket.connect.address", out)
        out, _ = self.ask(1, "--url", PRICES, "--resolve", "fd00::0001")
        self.assertIn("  resource: [fd00::1]:443", out)
        for bad in ("10.0.0", "x", "", "10.0.0.1:80", "0x7f.1", "fe80::1%lo"):
            self.expect(2, "eval", "--url", PRICES, "--resolve=" + bad,
                        err="--resolve takes an IP address")

    def test_address_port(self):
        self.write("deny.yaml", EVERYTHING + """\
  - name: no
    kind: security.policy
    policy: {actions: websocket.connect.address, resources: "*", effect: deny}
""")
        for url, port in (("ws://h.example", 80), ("wss://h.example", 443),
                          ("ws://h.example:8080/x?y=:1", 8080),
                          ("wss://[2001:db8::1]/", 443),
                          ("ws://[2001:db8::1]:81?q", 81)):
            out, _ = self.ask(1, "--url", url, "--resolve", "1.2.3.4",
                              policy="deny.yaml")
            self.assertEqual(out[0], "deny")
            self.assertIn("  resource: 1.2.3.4:%d" % port, out)

    def test_no_policy(self):
        self.expect(1, "eval", "--url", PRICES, out="undefined\n")
        self.expect(0, "eval", "--allow", "wss://*", "--url", PRICES,
                    out="cli:allow")

    def test_allow_never_loosens(self):
        self.ask(1, "--allow", "wss://*", "--url",
                 PRICES.replace("btc", "secret"))

    def test_json(self):
        done = self.expect(0, "eval", "-p", "policy.yaml", "--format=json",
                           "--url", PRICES)
        self.assertEqual(json.loads(done.out), {
            "v": 1, "id": None, "decision": "allow",
            "policy": "app.security:prices", "canonical": PRICES,
            "reason": None, "errors": []})
        done = self.expect(1, "eval", "--format", "json", "--allow", "wss://*",
                           "--url", "wss://x y")
        self.assertEqual(json.loads(done.out)["reason"], "control-or-space")

    def test_together(self):
        for args in ([], ["--url", "x", "--action", "y"],
                     ["--url", "x", "--input", "-"], ["--resolve", "1.1.1.1"],
                     ["--url", "x", "--meta", "{}"],
                     ["--url", "x", "--resource", "y"],
                     ["--action", "x", "--resolve", "1.1.1.1"],
                     ["--action", "x", "--meta", "[]"],
                     ["--action", "x", "--meta", "{"],
                     ["--action", "x", "--meta", '{"a":1,"a":1}'],
                     ["--url", "x", "--format", "yaml"],
                     ["--input", "-", "--format", "text"]):
            with self.subTest(args=args):
                self.expect(2, "eval", *args, out="")

    def batch(self, lines, *args, policy="policy.yaml"):
        text = b"".join(
            (x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n"
            for x in lines)
        done = self.expect(0, "eval", "-p", policy, "--input", "-", *args,
                           stdin=text, err="")
        answers = [json.loads(x) for x in done.out.splitlines()]
        self.assertEqual(len(answers), len(lines), done)
        for a in answers:
            self.assertEqual(list(a), ["v", "id", "decision", "policy",
                                       "canonical", "reason", "errors"])
            self.assertEqual(a["v"], 1)
        return answers

    def test_batch(self):
        lines = [
            ({"id": 1, "url": PRICES}, "allow", "app.security:prices", PRICES,
             None),
            ({"id": "two", "url": PRICES.replace("btc", "secret")}, "deny",
             "app.security:secret", PRICES.replace("btc", "secret"), None),
            ({"id": [3, {"x": None}], "url": "wss://x.example"}, "undefined",
             None, "wss://x.example/", None),
            ({"id": 1.5, "url": "http://x.example/"}, "invalid", None, None,
             "scheme"),
            ({"url": PRICES + "\0"}, "invalid", None, None,
             "control-or-space"),
            ({"id": None, "action": "read", "resource": "document:1",
              "meta": {"a": [1]}}, "allow", "app.security:docs", None, None),
            ({"id": True, "action": "read"}, "undefined", None, None, None),
            ({"action": "websocket.connect.url", "resource": PRICES}, "allow",
             "app.security:prices", PRICES, None),
            ({"url": PRICES, "address": "93.184.216.34:443"}, "allow",
             "app.security:prices", PRICES, None),
            ({"url": PRICES, "address": "[::1]:443"}, None, None, PRICES,
             None),
            ({"url": PRICES, "scope": ["default"]}, "allow",
             "app.security:prices", PRICES, None),
            ({"url": PRICES, "scope": ["office"]}, "undefined", None, PRICES,
             None),
            ({"url": PRICES, "actor": {"id": "u", "meta": {"x": 1}}}, "allow",
             "app.security:prices", PRICES, None),
        ]
        answers = self.batch([x[0] for x in lines])
        for (line, decision, policy, canonical, reason), a in zip(lines,
                                                                  answers):
            with self.subTest(line=line):
                self.assertEqual(a["id"], line.get("id"))
                if decision:
                    self.assertEqual(a["decision"], decision)
                else:
                    self.assertIn(a["decision"], ("deny", "undefined"))
                self.assertEqual(a["policy"], policy)
                self.assertEqual(a["canonical"], canonical)
                self.assertEqual(a["reason"], reason)
                self.assertEqual(a["errors"], [])

    def test_batch_strict(self):
        """Nobody and no scope are refused; an empty list is not everything."""
        for a in self.batch([{"url": PRICES, "scope": []},
                             {"url": PRICES, "actor": None}]):
            self.assertIn(a["decision"], ("deny", "undefined"))

    def test_batch_no_request(self):
        lines = [
            b"", b"{", b"[]", b"null", b"x" * 100, b'{"id":7}', b"\xff",
            {"id": 7, "url": PRICES, "action": "x"},
            {"id": 7, "urll": PRICES}, {"id": 7, "url": 5},
            {"id": 7, "url": None}, {"id": 7, "action": 5},
            {"id": 7, "action": "a\0b"},
            {"id": 7, "action": "x", "resource": 1},
            {"id": 7, "action": "x", "meta": []},
            {"id": 7, "action": "x", "address": "1.1.1.1:1"},
            {"id": 7, "url": PRICES, "meta": {}},
            {"id": 7, "url": PRICES, "scope": "default"},
            {"id": 7, "url": PRICES, "scope": [1]},
            {"id": 7, "url": PRICES, "scope": ["nope"]},
            {"id": 7, "url": PRICES, "actor": "x"},
            {"id": 7, "url": PRICES, "actor": {}},
            {"id": 7, "url": PRICES, "actor": {"id": 1}},
            {"id": 7, "url": PRICES, "actor": {"id": "u", "mta": {}}},
            {"id": 7, "url": PRICES, "actor": {"id": "u", "meta": 1}},
            # who reads the last key and who reads the first must not differ
            b'{"url":"x","id":8,"url":"%s"}' % PRICES.encode(),
            b'{"url":"%s","id":8,"id":9}' % PRICES.encode(),
            b'{"url":"%s","actor":{"id":"a","\\u0069d":"b"}}' % PRICES.encode(),
            b'{"url":"%s","actor":{"id":"a","meta":{"r":1,"r":1}}}'
            % PRICES.encode(),
            b'{"action":"read","meta":{"a":[{"b":1,"b":2}]}}',
            b'{"id":8,"url":"' + b"x" * (1 << 20) + b'"}',
        ]
        answers = self.batch(lines + [{"id": 9, "url": PRICES}])
        for line, a in zip(lines, answers):
            with self.subTest(line=line[:80] if isinstance(line, bytes)
                              else line):
                self.assertEqual(a["decision"], "invalid")
                self.assertEqual(len(a["errors"]), 1)
                self.assertIsNone(a["policy"])
                self.assertIsNone(a["reason"])
                self.assertEqual(
                    a["id"], 7 if b'"id":7' in (line if isinstance(line, bytes)
                                                else b'"id":7') else None)
        self.assertEqual(answers[-1]["decision"], "allow")
        self.assertIn("did you mean 'url'", answers[8]["errors"][0])

    def test_batch_lines(self):
        """Where a line ends, and how long it may be."""
        one = json.dumps({"url": PRICES}).encode()
        for text, n in ((b"", 0), (one, 1), (one + b"\n" + one, 2),
                        (one + b"\r\n" + one + b"\r\n", 2)):
            done = self.expect(0, "eval", "-p", "policy.yaml", "--input", "-",
                               stdin=text)
            self.assertEqual(done.out.count('"allow"'), n)
        for extra in (-1, 0, 1, 5000, 1 << 20):
            pad = (1 << 20) + extra - len(one)
            for end in (b"\n", b""):
                done = self.expect(
                    0, "eval", "-p", "policy.yaml", "--input", "-",
                    stdin=one + b"\n" + one + b" " * pad + b"\n" + one + end)
                got = [json.loads(x)["decision"]
                       for x in done.out.splitlines()]
                self.assertEqual(got, ["allow", "allow" if extra <= 0
                                       else "invalid", "allow"])
                done = self.expect(
                    0, "eval", "-p", "policy.yaml", "--input", "-",
                    stdin=one + b" " * pad + end)
                self.assertEqual(len(done.out.splitlines()), 1)

    def test_batch_many_scopes(self):
        text = POLICY
        for i in range(100):
            text += ("  - {name: p%d, kind: security.policy, groups: [g%d], "
                     "policy: {actions: a%d, resources: '*', effect: allow}}\n"
                     % (i, i, i))
        self.write("many.yaml", text)
        lines = [{"action": "a%d" % (i * 7 % 100), "scope": ["g%d" % (j % 100)]}
                 for i in range(40) for j in range(100)]
        for line, a in zip(lines, self.batch(lines, policy="many.yaml")):
            same = line["action"][1:] == line["scope"][0][1:]
            self.assertEqual(a["decision"], "allow" if same else "undefined")

    def test_batch_file_and_speed(self):
        n = 40000
        with open(self.path("in.jsonl"), "w") as f:
            for i in range(n):
                f.write('{"id":%d,"url":"wss://stream.example.com/prices/%d"}'
                        "\n" % (i, i))
        done = self.expect(0, "eval", "-p", "policy.yaml", "--input",
                           "in.jsonl")
        ids = [json.loads(x)["id"] for x in done.out.splitlines()]
        self.assertEqual(ids, list(range(n)))
        self.expect(2, "eval", "--input", "none.jsonl", err="none.jsonl: ")
        self.expect(2, "eval", "--input", ".", err=".: ")

    def test_batch_answers_at_once(self):
        """A program at the other end may wait for each answer."""
        p = subprocess.Popen(
            [CORDON, "eval", "-p", "policy.yaml", "--input", "-"],
            cwd=self.dir, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for i in range(3):
            p.stdin.write(b'{"id":%d,"url":"wss://x.example"}\n' % i)
            p.stdin.flush()
            self.assertTrue(select.select([p.stdout], [], [],
                                          LIMIT_S)[0])
            self.assertEqual(json.loads(p.stdout.readline())["id"], i)
        p.stdin.close()
        self.assertEqual(p.wait(LIMIT_S), 0)
        p.stdout.close()

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            for args in (["--version"], ["help"],
                         ["eval", "--allow", "wss://*", "--url", PRICES]):
                self.expect(1, *args, stdout=full, err="standard output: ")
            self.expect(1, "eval", "--input", "-", stdout=full,
                        stdin=b'{"url":"x"}\n' * 5000, err="standard output: ")


class Run(Case):
    def test_done(self):
        self.write("x.lua", "#!/usr/bin/env cordon\n"
                            "print(#arg, arg[1], arg[2], ...)\n")
        self.expect(0, "run", "x.lua", "--quiet", "b c",
                    out="2\t--quiet\tb c\t--quiet\tb c\n", err="")
        self.expect(0, "run", "--", "x.lua", "--", out="1\t--\tnil\t--\n")

    def test_main(self):
        self.write("x.lua", "return {main = function(a) print(a) "
                            "return nil, 'oh no' end}")
        self.expect(1, "run", "x.lua", "hi", out="hi\n", err="oh no")

    def test_stdin(self):
        self.expect(0, "run", "-", "a", stdin="print('in', ...)",
                    out="in\ta\n")
        self.write("m.lua", "return 1")
        self.expect(1, "run", "-", stdin="require 'm'", err="stdin:1:")
        self.expect(0, "run", "-", stdin="require 'json'")
        self.expect(3, "run", "-", stdin="x = = 1", err="stdin:1:")

    def test_does_not_load(self):
        self.write("x.lua", "\nx = = 1\n")
        self.expect(3, "run", "x.lua", out="", err="x.lua:2:")
        self.write("x.lua", b"\x1bLua\x54\x00\x19\x93", mode="wb")
        self.expect(3, "run", "x.lua", out="")
        self.write("x.lua", "--" + "x" * (1 << 20))
        self.expect(3, "run", "x.lua", out="", err="larger than 1 MiB")
        self.expect(2, "run", "none.lua", err="none.lua: No such file")
        self.expect(2, "run", ".", err=".: ")

    def test_uncaught(self):
        self.write("x.lua", "local function deep()\n  error('boom')\nend\n"
                            "print 'before'\ndeep()\n")
        done = self.expect(1, "run", "x.lua", out="before\n",
                           err="cordon: x.lua:2: boom")
        self.assertIn("x.lua:5:", done.err)
        self.assertEqual(done.err.count("x.lua:2: boom"), 1, done)

    def test_uncaught_kind(self):
        self.write("x.lua", "error(errors.new{message='gone', "
                            "kind=errors.NOT_FOUND})")
        self.expect(1, "run", "x.lua", err=["gone", "NotFound"])

    def test_words_are_visible(self):
        self.write("x.lua", "error('a\\27[31mb\\0c\\226\\128\\174d', 0)")
        self.expect(1, "run", "x.lua", err="a\\x1b[31mb")

    def test_limits(self):
        self.write("cpu.lua", "local x = 0 while true do x = x + 1 end")
        for _ in range(40):
            done = self.expect(10, "run", "--cpu=100ms", "cpu.lua",
                               err="CPU limit of 100 ms")
            # a script that had to be cut off has no traceback
            if "cpu.lua:1:" in done.err:
                break
        else:
            self.fail(done)
        self.write("pcall.lua", "while true do pcall(error) end")
        self.expect(10, "run", "--cpu=100ms", "pcall.lua", err="CPU limit")
        self.write("mem.lua", "local t = {} while true do "
                              "t[#t + 1] = ('x'):rep(1e5) .. #t end")
        self.expect(11, "run", "--memory=8MiB", "mem.lua",
                    err="memory limit of 8 MiB")
        self.write("sleep.lua", "local time = require 'time' time.sleep('1h')")
        self.expect(12, "run", "--deadline=100ms", "sleep.lua",
                    err="deadline of 100 ms")
        self.write("out.lua", "while true do print(('x'):rep(999)) end")
        done = self.expect(13, "run", "--max-output=10KB", "out.lua",
                           err="output limit of")
        self.assertLessEqual(len(done.out), 10000)

    def test_small_memory(self):
        self.write("x.lua", "print(1)")
        done = self.expect(11, "run", "--memory=1KiB", "x.lua", out="")
        self.assertIn("memory", done.err)

    def test_isolation(self):
        self.write("x.lua", "print(1)")
        self.expect(0, "run", "--isolation=inprocess", "x.lua", out="1\n")
        self.expect(0, "run", "--isolation=process", "x.lua", out="1\n")
        self.expect(2, "run", "--isolation=none", "x.lua", out="")

    def test_ca(self):
        self.write("x.lua", "print(1)")
        self.expect(2, "run", "--ca", "none.pem", "x.lua", out="",
                    err="none.pem")
        self.write("bad.pem", "no certificate\n")
        self.expect(2, "run", "--ca", "bad.pem", "x.lua", out="",
                    err="bad.pem")

    REFUSED = """\
local websocket = require "websocket"
for i = 1, 3 do
  local c, err = websocket.connect("%s")
  print(c, err:kind())
end
"""

    def test_refused(self):
        self.write("policy.yaml", POLICY)
        self.write("x.lua", self.REFUSED %
                   "wss://stream.example.com:8443/prices/btc")
        done = self.expect(0, "run", "-p", "policy.yaml", "x.lua",
                           out="nil\tPermissionDenied\n" * 3)
        lines = done.err.splitlines()
        self.assertEqual(
            lines[0], "cordon: denied websocket.connect.url "
            "wss://stream.example.com:8443/prices/btc (x.lua:3)")
        self.assertIn("app.security:prices (policy.yaml:4)", lines[1])
        self.assertIn("port 443", lines[1])
        self.assertEqual(
            lines[2], "  to allow it: {action: websocket.connect.url, "
            'resource: "wss://stream.example.com:8443/prices/btc"}')
        self.assertEqual(done.err.count("cordon: denied"), 1)
        self.expect(0, "run", "-q", "-p", "policy.yaml", "x.lua", err="")

    def test_denied(self):
        self.write("policy.yaml", POLICY)
        self.write("x.lua", self.REFUSED % PRICES.replace("btc", "secret"))
        self.expect(0, "run", "-p", "policy.yaml", "x.lua",
                    err=["cordon: denied websocket.connect.url",
                         "app.security:secret (policy.yaml:11)"])

    def test_no_policy(self):
        self.write("x.lua", "local c, err = require 'websocket'.connect("
                            "'wss://x.example/')\nif err then error(err) end")
        self.expect(1, "run", "x.lua",
                    err=["cordon: denied websocket.connect (x.lua:1)",
                         "--allow ", "PermissionDenied"])

    def test_many_refusals(self):
        self.write("x.lua", """\
local websocket = require "websocket"
for i = 1, 1000 do websocket.connect("wss://x.example/" .. i) end
""")
        done = self.expect(0, "run", "--allow", "wss://y.example",
                           "--max-connects-per-minute=100000", "x.lua",
                           err="further refusals are not told")
        self.assertLess(done.err.count("cordon: denied"), 300)
        self.assertEqual(done.err.count("further refusals"), 1)

    def test_output_is_raw(self):
        done = subprocess.run(
            [CORDON, "run", "-"], input=b"print('\\27[1m\\0\\255\\r')",
            stdout=subprocess.PIPE, timeout=LIMIT_S)
        self.assertEqual(done.stdout, b"\x1b[1m\0\xff\r\n")

    def test_output_on_a_terminal(self):
        self.write("x.lua", "print('a\\27[1m\\tb\\194\\155c\\r\\255')\n"
                            "print(('\\226\\128\\174'):rep(400))\n"
                            "print(('\\195\\169'):rep(5000))\n")
        parent, child = pty.openpty()
        p = subprocess.Popen([CORDON, "run", "x.lua"], cwd=self.dir,
                             stdout=child)
        os.close(child)
        got = b""
        while True:
            try:
                data = os.read(parent, 4096)
            except OSError:
                break
            if not data:
                break
            got += data
        os.close(parent)
        self.assertEqual(p.wait(LIMIT_S), 0)
        lines = got.replace(b"\r\n", b"\n").split(b"\n")
        self.assertEqual(lines[0], b"a\\x1b[1m\tb\\u{9b}c\\r\\xff")
        self.assertEqual(lines[1], b"\\u{202e}" * 400)
        self.assertEqual(lines[2], "\u00e9".encode() * 5000)

    def test_output_lost(self):
        self.write("x.lua", "for i = 1, 1e9 do print(i) end")
        p = subprocess.Popen([CORDON, "run", "x.lua"], cwd=self.dir,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.read(10)
        p.stdout.close()
        err = p.stderr.read()
        p.stderr.close()
        self.assertEqual(p.wait(LIMIT_S), 1)
        self.assertIn(b"cordon: standard output: Broken pipe", err)
        with open("/dev/full", "wb") as full:
            self.write("y.lua", "print(1)")
            self.expect(1, "run", "y.lua", stdout=full,
                        err="standard output: No space left")

    def test_slow_reader(self):
        """Nothing is lost, and the deadline holds while output waits."""
        self.write("x.lua", "for i = 1, 300000 do print(i) end")
        for make in (os.pipe, self.socket_pair):
            r, w = make()
            p = subprocess.Popen([CORDON, "run", "x.lua"], cwd=self.dir,
                                 stdout=w)
            os.close(w)
            got = 0
            tail = b""
            while True:
                data = os.read(r, 1 << 16)
                if not data:
                    break
                if got < 1 << 19:
                    time.sleep(0.001)
                got += len(data)
                tail = (tail + data)[-20:]
            os.close(r)
            self.assertEqual(p.wait(LIMIT_S), 0)
            self.assertTrue(tail.endswith(b"\n299999\n300000\n"), tail)
            self.assertEqual(got, sum(len(str(i)) + 1
                                      for i in range(1, 300001)))

    @staticmethod
    def socket_pair():
        a, b = socket.socketpair()
        return a.detach(), b.detach()

    def test_deadline_holds_while_output_waits(self):
        self.write("x.lua", "print(('x'):rep(1000000))")
        p = subprocess.Popen([CORDON, "run", "--deadline=300ms", "x.lua"],
                             cwd=self.dir, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.assertEqual(p.wait(LIMIT_S), 12)
        self.assertIn(b"deadline of 300 ms", p.stderr.read())
        p.stdout.close()
        p.stderr.close()

    def test_deadline_holds_where_output_has_no_room(self):
        """More than is kept for a reader that takes nothing."""
        self.write("x.lua", "local s = ('x'):rep(1 << 16)\n"
                            "while true do print(s) end")
        for isolation in ("process", "inprocess"):
            p = subprocess.Popen([CORDON, "run", "--deadline=1s",
                                  "--max-output=1GiB", "--isolation",
                                  isolation, "x.lua"], cwd=self.dir,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
            try:
                self.assertEqual(p.wait(LIMIT_S), 12)
                self.assertIn(b"deadline of 1 s", p.stderr.read())
            finally:
                p.kill()
                p.stdout.close()
                p.stderr.close()

    def stop(self, script, number, *args, twice=False, status=None):
        self.write("x.lua", script)
        p = subprocess.Popen([CORDON, "run", *args, "x.lua"], cwd=self.dir,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"up\n")
        p.send_signal(number)
        if twice:
            p.send_signal(number)
        got = p.wait(LIMIT_S)
        err = p.stderr.read().decode()
        p.stdout.close()
        p.stderr.close()
        self.assertEqual(got, status or 128 + number, err)
        return err

    def test_signals(self):
        sleep = "print('up') require 'time'.sleep('1h')"
        spin = "print('up') while true do end"
        stubborn = "print('up') while true do pcall(function() while true " \
            "do end end) end"
        for number in (signal.SIGINT, signal.SIGTERM):
            for script in (sleep, spin, stubborn):
                self.stop(script, number)
            self.stop(sleep, number, twice=True)

    def test_signal_while_output_waits(self):
        self.write("x.lua", "print('up') print(('x'):rep(1000000))")
        p = subprocess.Popen([CORDON, "run", "x.lua"], cwd=self.dir,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(os.read(p.stdout.fileno(), 3), b"up\n")
        with self.assertRaises(subprocess.TimeoutExpired):
            p.wait(0.5)
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(LIMIT_S), 143)
        p.stdout.close()
        p.stderr.close()

    def test_signal_while_the_script_is_held_up(self):
        self.write("x.lua", "local s = ('x'):rep(1000000) print('up') "
                            "while true do print(s) end")
        p = subprocess.Popen([CORDON, "run", "--max-output=1GiB", "x.lua"],
                             cwd=self.dir, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.assertEqual(os.read(p.stdout.fileno(), 3), b"up\n")
        with self.assertRaises(subprocess.TimeoutExpired):
            p.wait(1)
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(LIMIT_S), 143)
        p.stdout.close()
        p.stderr.close()

    def test_ignored_sigint_stays_ignored(self):
        self.write("x.lua", "print('up') require 'time'.sleep('1s')")
        p = subprocess.Popen(
            ["/bin/sh", "-c", 'trap "" INT; exec "$0" run x.lua', CORDON],
            cwd=self.dir, stdout=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"up\n")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(LIMIT_S), 0)
        p.stdout.close()


class Require(Case):
    def setUp(self):
        super().setUp()
        self.write("app/util.lua", "return 'util'")
        self.write("app/pack/init.lua", "return 'pack'")
        self.write("app/pack/part.lua", "return 'part'")
        self.write("secret.lua", "return 'SECRET'")

    def try_require(self, name, *args, cwd=None):
        self.write("app/main.lua", "print(pcall(require, %s))" %
                   json.dumps(name).replace("\\u0000", "\\0"))
        done = self.cordon("run", *args, "app/main.lua")
        self.assertEqual(done.status, 0, done)
        self.assertNotIn("SECRET", done.out + done.err)
        return done

    def test_found(self):
        for name, value in (("util", "util"), ("pack", "pack"),
                            ("pack.part", "part"), ("pack.init", "pack")):
            self.assertEqual(self.try_require(name).out,
                             "true\t%s\n" % value)

    def test_file_before_folder(self):
        self.write("app/pack.lua", "return 'file'")
        self.assertEqual(self.try_require("pack").out, "true\tfile\n")

    def test_beside_the_script_not_the_shell(self):
        self.write("util.lua", "return 'wrong'")
        self.assertEqual(self.try_require("util").out, "true\tutil\n")
        self.write("main.lua", "print(require 'util')")
        self.assertEqual(self.cordon("run", "main.lua").out, "wrong\n")
        self.assertEqual(self.cordon("run", self.path("app/../main.lua")).out,
                         "wrong\n")

    def test_not_found(self):
        outside = self.path("secret")
        for name in ("nope", "../secret", "..secret", "...secret", "..",
                     ".", "", "/etc/passwd", outside, "pack/part", "./util",
                     "util.lua", "util\0x", "pack..part", ".util", "util.",
                     "pack.", "io", "os.x", "x" * 5000, "a." * 2000 + "a",
                     "%s", "uti?"):
            with self.subTest(name=name[:40]):
                self.assertTrue(
                    self.try_require(name).out.startswith("false\t"))

    def test_links(self):
        os.symlink("../secret.lua", self.path("app/link.lua"))
        os.symlink("util.lua", self.path("app/inner.lua"))
        os.symlink("..", self.path("app/up"))
        os.symlink("/proc/self/root", self.path("app/root"))
        os.symlink("loop.lua", self.path("app/loop.lua"))
        done = self.try_require("link")
        self.assertTrue(done.out.startswith("false\t"))
        self.assertIn("symbolic links are not followed", done.err)
        for name in ("inner", "up.secret", "up.app.util", "loop",
                     "root.etc.x"):
            with self.subTest(name=name):
                self.assertTrue(
                    self.try_require(name).out.startswith("false\t"))

    def test_no_regular_file(self):
        os.mkfifo(self.path("app/fifo.lua"))
        os.mkdir(self.path("app/folder.lua"))
        s = socket.socket(socket.AF_UNIX)
        self.addCleanup(s.close)
        s.bind(self.path("app/sock.lua"))
        for name in ("fifo", "folder", "sock"):
            with self.subTest(name=name):
                done = self.try_require(name)
                self.assertTrue(done.out.startswith("false\t"))
                self.assertIn("no regular file", done.err)

    def test_unreadable(self):
        if os.geteuid() == 0:
            self.skipTest("root reads everything")
        os.chmod(self.path("app/util.lua"), 0)
        self.assertTrue(self.try_require("util").out.startswith("false\t"))

    def test_too_large(self):
        self.write("app/big.lua", "return 1 --" + "x" * (1 << 20))
        self.assertTrue(self.try_require("big").out.startswith("false\t"))

    def test_text_only(self):
        code = b"\x1bLua\x54\x00\x19\x93\r\n\x1a\n" + b"\0" * 40
        for head in (b"", b"#!x\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf#\n"):
            self.write("app/code.lua", head + code, mode="wb")
            self.assertTrue(
                self.try_require("code").out.startswith("false\t"))

    def test_words_are_bounded(self):
        for i in range(40):
            os.symlink("x", self.path("app/l%d.lua" % i))
        self.write("app/main.lua", "for i = 0, 39 do for _ = 1, 50 do "
                                   "pcall(require, 'l' .. i) end end")
        done = self.cordon("run", "app/main.lua")
        self.assertEqual(done.status, 0)
        self.assertLess(done.err.count("\n"), 30)

    def test_errors_name_the_file(self):
        self.write("app/broken.lua", "x = = 1")
        self.write("app/main.lua", "require 'broken'")
        self.assertIn("app/broken.lua:1:",
                      self.cordon("run", "app/main.lua").err)


class Server(Case):
    """A WebSocket server of python3-websockets, in a thread."""

    def setUp(self):
        super().setUp()
        try:
            import asyncio
            import websockets
        except ImportError:
            self.skipTest("python3-websockets is not here")
        self.closed = []
        ready = threading.Event()

        async def serve(ws, path=None):
            try:
                async for message in ws:
                    await ws.send(message)
            except websockets.ConnectionClosed:
                pass
            await ws.wait_closed()
            self.closed.append(ws.close_code)

        async def main():
            self.loop = asyncio.get_running_loop()
            self.end = asyncio.Event()
            async with websockets.serve(
                    serve, "127.0.0.1", 0, ping_interval=None,
                    close_timeout=LIMIT_S) as server:
                self.port = server.sockets[0].getsockname()[1]
                ready.set()
                await self.end.wait()

        self.thread = threading.Thread(target=lambda: asyncio.run(main()))
        self.thread.start()
        self.addCleanup(self.thread.join, LIMIT_S)
        self.assertTrue(ready.wait(LIMIT_S))
        self.addCleanup(lambda: self.loop.call_soon_threadsafe(self.end.set))
        self.url = "ws://127.0.0.1:%d" % self.port

    def wait_closed(self, n):
        end = time.monotonic() + LIMIT_S
        while len(self.closed) < n and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(len(self.closed), n)
        return self.closed

    def test_allow(self):
        self.write("x.lua", """\
local client, err = require "websocket".connect(arg[1])
if err then return nil, err end
client:send("hello")
local m = client:channel():receive()
print(m.data)
client:close()
""")
        self.expect(0, "run", "--allow", self.url, "x.lua", self.url,
                    out="hello\n", err="")
        self.assertEqual(self.wait_closed(1), [1000])
        self.expect(0, "run", "--allow", self.url + "/a*", "x.lua",
                    self.url + "/a", out="hello\n")
        done = self.expect(1, "run", "--allow", self.url + "/a", "x.lua",
                           self.url + "/b", out="")
        self.assertIn("cordon: denied websocket.connect.url %s/b" % self.url,
                      done.err)

    def test_end_and_signal_close_1001(self):
        script = """\
local client = assert(require "websocket".connect("%s"))
print('up')
%s
"""
        self.write("x.lua", script % (self.url, ""))
        self.expect(0, "run", "--allow", self.url, "x.lua", out="up\n")
        self.assertEqual(self.wait_closed(1), [1001])
        for number in (signal.SIGINT, signal.SIGTERM):
            Run.stop(self, script % (self.url, "client:channel():receive()"),
                     number, "--allow", self.url)
        self.assertEqual(self.wait_closed(3), [1001] * 3)


if __name__ == "__main__":
    if not os.access(CORDON, os.X_OK):
        sys.exit("cli_test.py: no program %s" % CORDON)
    unittest.main(verbosity=1)
