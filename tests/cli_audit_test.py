#!/usr/bin/python3
"""The audit log, complain mode, dry runs, and policies read again at SIGHUP."""

import json
import os
import signal
import subprocess
import sys
import time
import unittest

import cli_test
from cli_test import CORDON, TOP
from patience import LIMIT_S

CONNECT = """\
local client, err = require "websocket".connect(arg[1])
print(client and "open" or err:kind())
if client then
    client:send("hello")
    print(client:channel():receive().data)
    client:close()
end
"""
DENY = """\
version: "1.0"
namespace: t
entries:
  - name: never
    kind: security.policy
    policy: {actions: websocket.connect.url, resources: "%s", effect: deny}
"""
ALLOW = """\
version: "1.0"
namespace: t
entries:
  - name: server
    kind: security.policy
    policy:
      actions: [websocket.connect, websocket.connect.url]
      resources: ["", "%s"]
      effect: allow
"""


class Audit(cli_test.Server):
    def audit(self, status, *args, url=None):
        """Runs CONNECT with a log; its standard output and the lines."""
        self.write("x.lua", CONNECT)
        done = self.expect(status, "run", "--audit", "log", *args, "x.lua",
                           url or self.url)
        with open(self.path("log")) as f:
            lines = [json.loads(line) for line in f]
        os.unlink(self.path("log"))
        return done, lines

    def test_lines(self):
        done, lines = self.audit(0, "--allow", self.url,
                                 url=self.url + "/a?token=secret&x")
        self.assertEqual(done.out, "open\nhello\n")
        self.assertEqual([(e["event"], e.get("action")) for e in lines], [
            ("decision", "websocket.connect"),
            ("decision", "websocket.connect.url"),
            ("decision", "websocket.connect.address"),
            ("opened", None), ("closed", None)])
        self.assertEqual([e["seq"] for e in lines[:3]], [1, 2, 3])
        self.assertEqual(lines[1]["resource"],
                         self.url + "/a?token=REDACTED&REDACTED")
        self.assertEqual(lines[1]["policy"], "cli:allow")
        self.assertEqual(lines[1]["script_line"], 1)
        self.assertNotIn("secret", json.dumps(lines))
        self.assertEqual(lines[4]["code"], 1000)
        _, lines = self.audit(0, "--audit-query", "--allow", self.url,
                              url=self.url + "/a?token=secret&x")
        self.assertEqual(lines[1]["resource"], self.url + "/a?token=secret&x")

    def test_lines_agree_with_the_schema(self):
        import jsonschema
        with open(os.path.join(TOP, "doc", "audit.schema.json")) as f:
            schema = json.load(f)
        jsonschema.Draft7Validator.check_schema(schema)
        self.write("deny.yaml", DENY % (self.url + "*"))
        self.write("error.yaml", (DENY % (self.url + "*")).replace(
            "effect: deny",
            "effect: deny, conditions: [{field: actor.meta.x, operator: eq, "
            "value: 1}]"))
        seen, keys = set(), set()
        odd = self.url + "/a%20b?t=%22%0a&\u00e9".replace("%0a", "")
        for url in (self.url, self.url + "/x?token=a&b=c%22&d",
                    "wss://u@x.example", "x\x1b[1m\u00e9", odd,
                    "ws://127.0.0.1:1/", "ws://no.invalid/"):
            for mode in ([], ["--mode", "complain"], ["--dry-run"]):
                for args in (["--allow", self.url + "/*"],
                             ["--allow", self.url + "/*", "--audit-query"],
                             ["--allow", "ws://127.0.0.1:1"], [],
                             ["--allow", "*", "-p", "deny.yaml"],
                             ["--allow", "*", "-p", "error.yaml"]):
                    for line in self.audit(0, *mode, *args, url=url)[1]:
                        with self.subTest(url=url, mode=mode, args=args):
                            jsonschema.validate(line, schema)
                        seen.add((line["event"], line.get("mode"),
                                  line.get("decision")))
                        keys |= set(line)
        self.assertLessEqual(
            {("decision", mode, decision)
             for mode in ("enforce", "complain", "dry-run")
             for decision in ("allow", "deny", "undefined")}
            | {("opened", None, None), ("closed", None, None)}, seen)
        self.assertLessEqual({"would", "errors", "policy", "code"}, keys)

    def test_standard_output(self):
        self.write("x.lua", CONNECT)
        done = self.expect(0, "run", "--audit", "-", "--allow", self.url,
                           "x.lua", self.url, out="hello\n")
        self.assertEqual(done.out.count('"event":"decision"'), 3)

    def test_what_cannot_be_recorded_is_refused(self):
        self.write("x.lua", CONNECT)
        for mode in ([], ["--mode", "complain"]):
            self.expect(0, "run", "--audit", "/dev/full", *mode, "--allow",
                        self.url, "x.lua", self.url, out="PermissionDenied\n",
                        err="No space left on device")
        self.assertEqual(self.closed, [])
        self.expect(2, "run", "--audit", "no/such/folder", "x.lua",
                    err="--audit no/such/folder: No such file or directory")

    def test_complain(self):
        done, lines = self.audit(0, "--mode", "complain")
        self.assertEqual(done.out, "open\nhello\n")
        self.assertEqual([e.get("would") for e in lines[:3]],
                         ["deny", "deny", None])
        self.assertEqual([e["mode"] for e in lines[:3]], ["complain"] * 3)
        for part in ("complain mode: what no policy allows is let through",
                     "would be denied websocket.connect.url " + self.url,
                     "complain mode: 2 requests were let through"):
            self.assertIn(part, done.err)

    def test_complain_never_passes_what_is_denied(self):
        self.write("p.yaml", DENY % (self.url + "*"))
        done, lines = self.audit(0, "--mode", "complain", "-p", "p.yaml")
        self.assertEqual(done.out, "PermissionDenied\n")
        self.assertEqual(lines[-1]["policy"], "t:never")
        self.assertEqual(self.closed, [])

    def test_dry_run(self):
        for args in ([], ["--allow", self.url]):
            done, lines = self.audit(0, "--dry-run", *args)
            self.assertEqual(done.out, "Unavailable\n")
            self.assertEqual([e["action"] for e in lines],
                             ["websocket.connect", "websocket.connect.url"])
            self.assertEqual({e["mode"] for e in lines}, {"dry-run"})
        self.assertEqual(self.closed, [])

    def test_hangup_reads_policies_again(self):
        self.write("p.yaml", DENY % self.url)
        self.write("x.lua", """\
local websocket, time = require "websocket", require "time"
while true do
    local client, err = websocket.connect(arg[1])
    print(client and "open" or err:kind())
    if client then client:close() return end
    time.sleep("20ms")
end
""")
        p = subprocess.Popen([CORDON, "run", "-p", "p.yaml", "--max-connects"
                              "-per-minute=100000", "--audit", "log", "x.lua",
                              self.url],
                             cwd=self.dir, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"PermissionDenied\n")
        self.write("p.yaml", "entries: [")
        p.send_signal(signal.SIGHUP)
        told = b""
        while b"old policies stay in force" not in told:
            line = p.stderr.readline()
            self.assertNotEqual(line, b"", told)
            told += line
        self.assertIn(b"p.yaml:", told)
        self.assertEqual(p.stdout.readline(), b"PermissionDenied\n")
        self.write("p.yaml", ALLOW % self.url)
        p.send_signal(signal.SIGHUP)
        out, err = p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 0, err)
        self.assertTrue(out.endswith(b"open\n"), out)
        self.assertIn(b"new policies are in force", err)
        with open(self.path("log")) as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual(lines[0]["generation"], 1)
        self.assertEqual(lines[-1]["event"], "closed")
        self.assertEqual(lines[-3]["generation"], 2)

    def test_hangup_with_nothing_to_read(self):
        """A file that is gone or cannot be read leaves the old policies in
        force; an open connection outlives all of it."""
        self.write("p.yaml", ALLOW % self.url)
        self.write("x.lua", """\
local websocket, time = require "websocket", require "time"
local client = assert(websocket.connect(arg[1]))
while true do
    client:send("still here")
    local more, err = websocket.connect(arg[1])
    print(client:channel():receive().data, more and "open" or err:kind())
    if not more then return end
    more:close()
    time.sleep("20ms")
end
""")
        p = subprocess.Popen([CORDON, "run", "-p", "p.yaml", "--max-connects"
                              "-per-minute=100000", "x.lua", self.url],
                             cwd=self.dir, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"still here\topen\n")
        for replace, said in ((lambda path: None, b"No such file"),
                              (lambda path: os.symlink("p.yaml", path),
                               b"symbolic links"),
                              (lambda path: os.symlink("x.lua", path),
                               b"p.yaml:")):
            os.unlink(self.path("p.yaml"))
            replace(self.path("p.yaml"))
            p.send_signal(signal.SIGHUP)
            told = b""
            while b"old policies stay in force" not in told:
                line = p.stderr.readline()
                self.assertNotEqual(line, b"", told)
                told += line
            self.assertIn(said, told)
            line = p.stdout.readline()
            self.assertEqual(line, b"still here\topen\n",
                             None if line else p.stderr.read())
            if not os.path.lexists(self.path("p.yaml")):
                self.write("p.yaml", "")
        os.unlink(self.path("p.yaml"))
        self.write("p.yaml", DENY % self.url)
        p.send_signal(signal.SIGHUP)
        out, err = p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 0, err)
        self.assertTrue(out.endswith(b"still here\tPermissionDenied\n"), out)
        self.assertIn(b"new policies are in force", err)

    def test_bad_mode(self):
        self.write("x.lua", "")
        self.expect(2, "run", "--mode", "complian", "x.lua",
                    err="--mode takes enforce or complain")


def load_tests(loader, _tests, _pattern):
    """Only what is new here: the tests of the base class have run."""
    names = [n for n in loader.getTestCaseNames(Audit)
             if n in Audit.__dict__]
    return unittest.TestSuite(Audit(n) for n in names)


if __name__ == "__main__":
    if not os.access(CORDON, os.X_OK):
        sys.exit("cli_audit_test.py: no program %s" % CORDON)
    unittest.main(verbosity=1)
