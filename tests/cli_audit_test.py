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
        checked = 0
        for args in (["--allow", self.url], [], ["--mode", "complain"],
                     ["--dry-run"]):
            for line in self.audit(0, *args)[1]:
                jsonschema.validate(line, schema)
                checked += 1
        self.assertGreater(checked, 10)

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
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 0, err)
        self.assertTrue(out.endswith(b"open\n"), out)
        self.assertIn(b"new policies are in force", err)
        with open(self.path("log")) as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual(lines[0]["generation"], 1)
        self.assertEqual(lines[-1]["event"], "closed")
        self.assertEqual(lines[-3]["generation"], 2)

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
