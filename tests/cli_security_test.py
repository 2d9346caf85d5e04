#!/usr/bin/python3
"""The security module where it meets the program: without policies, with the
audit log, in other modes, and when policies change under a script."""

import json
import os
import signal
import subprocess
import sys
import unittest

import cli_test
from cli_test import CORDON
from patience import LIMIT_S

GUARDS = """\
local security = require "security"
local function say(what, value, err)
    print(what, value and type(value) or err:kind(),
          err and (err:details() or {}).resource)
end
say("policy", security.policy("t:a"))
say("group", security.named_scope("t:g"))
say("scope", security.new_scope())
say("actor", security.new_actor("x", {a = 1}))
local own = security.scope()
if own:contains("t:a") then
    say("with", own:with(own:policies()[1]))
end
say("without", own:without("t:a"))
"""
POLICY = """\
version: "1.0"
namespace: t
entries:
  - name: a
    kind: security.policy
    policy: {actions: %s, resources: "*", effect: %s}
    groups: [g]
"""
ALL = POLICY % ('"security.*"', "allow")


class Security(cli_test.Case):
    def log(self, *args, status=0):
        """Runs x.lua with a log: what it did and the lines of the log."""
        done = self.expect(status, "run", "--audit", "log", *args, "x.lua")
        with open(self.path("log")) as f:
            lines = [json.loads(line) for line in f]
        os.unlink(self.path("log"))
        return done, lines

    def test_no_policy(self):
        self.write("x.lua", GUARDS)
        done, lines = self.log()
        self.assertEqual(done.out, """\
policy\tPermissionDenied\tt:a
group\tPermissionDenied\tt:g
scope\tPermissionDenied\tcustom
actor\tPermissionDenied\tx
without\tPermissionDenied\twithout
""")
        self.assertEqual([e["action"] for e in lines], [
            "security.policy.get", "security.policy_group.get",
            "security.scope.create", "security.actor.create",
            "security.scope.create"])
        self.assertEqual({e["decision"] for e in lines}, {"undefined"})
        self.assertEqual([e["script_line"] for e in lines], [6, 7, 8, 9, 14])
        self.expect(0, "run", "-", stdin=b"""
            local security = require "security"
            print(#security.scope():policies(), security.can("read", "x"),
                  security.can("websocket.connect", ""))
            """, out="0\tfalse\tfalse\n")

    def test_allowed(self):
        self.write("p.yaml", ALL)
        self.write("x.lua", GUARDS)
        done, lines = self.log("-p", "p.yaml")
        self.assertEqual(done.out.count("userdata"), 6, done)
        self.assertEqual([(e["action"], e["resource"]) for e in lines], [
            ("security.policy.get", "t:a"),
            ("security.policy_group.get", "t:g"),
            ("security.scope.create", "custom"),
            ("security.actor.create", "x"),
            ("security.scope.create", "with"),
            ("security.scope.create", "without")])
        self.assertEqual({(e["decision"], e["policy"]) for e in lines},
                         {("allow", "t:a")})

    def test_denied(self):
        self.write("p.yaml", POLICY % ('"*"', "deny"))
        self.write("x.lua", GUARDS)
        for mode in ([], ["--mode", "complain"], ["--dry-run"]):
            done, lines = self.log("-p", "p.yaml", *mode)
            self.assertEqual(done.out.count("PermissionDenied"), 6, done)
            self.assertEqual({e["policy"] for e in lines}, {"t:a"})

    def test_complain(self):
        """What no policy speaks of passes, and security.can says so."""
        self.write("p.yaml", POLICY % ("nothing", "allow"))
        self.write("x.lua", GUARDS + """
local address, can = "websocket.connect.address", security.can
print(can("read", "x"), can("websocket.connect.url", "ws://localhost"))
print(can(address, "127.0.0.1:80", {url = "ws://localhost"}),
      can(address, "10.0.0.1:80", {url = "ws://localhost"}),
      can(address, "10.0.0.1:80"), can(address, "8.8.8.8:80"))
""")
        done, lines = self.log("-p", "p.yaml", "--mode", "complain")
        self.assertEqual(done.out.count("userdata"), 6, done)
        self.assertEqual({e["mode"] for e in lines}, {"complain"})
        self.assertEqual(done.out.splitlines()[-2:],
                         ["true\ttrue", "true\tfalse\tfalse\ttrue"])

    def test_actor(self):
        self.write("x.lua", """
local actor = require "security".actor()
local meta = actor:meta()
print(actor:id(), meta.role, #meta.list, meta.list[2].a, meta.none)
meta.role = "root"
print(actor:meta().role)
""")
        self.expect(0, "run", "--actor", "user:7", "--actor-meta",
                    "role=reader", "--actor-meta", "list=[1, {a: b}]",
                    "--actor-meta", "none=null", "x.lua",
                    out="user:7\treader\t2\tb\tnil\nreader\n")

    def test_scope_of_the_run(self):
        self.write("p.yaml", ALL + """\
  - name: b
    kind: security.policy
    policy: {actions: read, resources: "*", effect: allow}
""")
        self.write("x.lua", """
local security = require "security"
local own = security.scope()
print(#own:policies(), own:contains("t:b"), security.can("read", "x"))
-- to look at another policy gives nothing
local wider = own:with(security.policy("t:b"))
print(wider:evaluate(security.actor(), "read", "x"), security.can("read", "x"))
""")
        self.expect(0, "run", "-p", "p.yaml", "--scope", "t:g", "x.lua",
                    out="1\tfalse\tfalse\nallow\tfalse\n")
        self.expect(0, "run", "-p", "p.yaml", "x.lua",
                    out="2\ttrue\ttrue\nallow\ttrue\n")

    def test_questions_are_not_recorded(self):
        self.write("p.yaml", ALL)
        self.write("x.lua", """
local security = require "security"
security.can("read", "x")
security.scope():evaluate(security.actor(), "read", "x")
security.scope():policies()[1]:evaluate(security.actor(), "read", "x")
security.actor() security.scope():contains("t:a")
""")
        done, lines = self.log("-p", "p.yaml")
        self.assertEqual((lines, done.err), ([], ""))

    def test_nothing_passes_unrecorded(self):
        self.write("p.yaml", ALL)
        self.write("x.lua", GUARDS)
        for mode in ([], ["--mode", "complain"]):
            done = self.expect(0, "run", "--audit", "/dev/full", *mode, "-p",
                               "p.yaml", "x.lua",
                               err="No space left on device")
            self.assertEqual(done.out.count("PermissionDenied"), 6, done)

    def test_names_stay_on_their_line(self):
        self.write("x.lua", r"""
local security = require "security"
security.policy("x\ncordon: allowed \27[2J\0")
security.new_actor("\xff\n\n")
""")
        done, lines = self.log()
        self.assertEqual(lines[0]["resource"], "x\ncordon: allowed \x1b[2J\0")
        self.assertNotIn("\x1b", done.err)
        self.assertNotIn("\ncordon: allowed", done.err)

    def test_policies_change(self):
        """Objects of the old policies live on; questions get new answers."""
        self.write("p.yaml", ALL)
        self.write("x.lua", """
local security, time = require "security", require "time"
local actor = security.new_actor("x")
local scope, policy = security.scope(), security.policy("t:a")
local both = security.new_scope {policy}
print("ready")
while security.can("security.policy.get", "t:a") do
    time.sleep("5ms")
end
local new = security.scope()
print(scope:contains("t:a"), new:contains("t:a"), new:contains("t:b"))
for _, p in ipairs {policy, scope, both, both:policies()[1]} do
    print(p:evaluate(actor, "security.x", ""))
end
print(policy:id(), new:evaluate(actor, "security.x", ""))
print(security.policy("t:a"))
both = both:with(security.policy("t:b"))
print(#both:policies(), both:evaluate(actor, "security.x", ""),
      both:evaluate(actor, "other", ""))
print(#both:without("t:a"):policies(), #both:without(policy):policies())
print(#security.new_scope {both:policies()[2], policy}:policies())
scope, policy, new = nil
local waste = {}
for i = 1, 100000 do waste[i] = {} end
print(both:evaluate(actor, "security.x", ""))
""")
        p = subprocess.Popen([CORDON, "run", "-p", "p.yaml", "--quiet",
                              "x.lua"], cwd=self.dir, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"ready\n")
        self.write("p.yaml", """\
version: "1.0"
namespace: t
entries:
  - name: b
    kind: security.policy
    policy:
      effect: allow
      rules:
        - {action: security.scope.create, resource: "*"}
        - {action: security.policy.get, resource: "t:b"}
        - {action: other, resource: "*"}
""")
        p.send_signal(signal.SIGHUP)
        out, err = p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 0, err)
        self.assertEqual(out.decode(), """\
true\tfalse\ttrue
allow
allow
allow
allow
t:a\tundefined
nil\tsecurity.policy.get t:a refused: no policy applies
2\tallow\tallow
1\t1
2
allow
""")

    def test_limits(self):
        self.write("p.yaml", ALL)
        for memory, text in (
                ("2MiB", """
                 local kept = {}
                 for i = 1, 1e9 do
                     kept[i] = security.new_actor("a", {a = {b = i}})
                 end"""),
                ("2MiB", """
                 local kept = {}
                 for i = 1, 1e9 do kept[i] = security.scope() end"""),
                ("2MiB", """
                 local policy, kept = security.policy("t:a"), {}
                 for i = 1, 1e9 do kept[i] = policy end
                 security.new_scope(kept)""")):
            self.write("x.lua", 'local security = require "security"\n' + text)
            done = self.cordon("run", "-p", "p.yaml", "--memory", memory,
                               "x.lua")
            self.assertIn("memory", done.err)
            self.assertNotEqual(done.status, 0)
        self.write("x.lua", """
local security = require "security"
local actor = security.new_actor("x")
local list = {}
for i = 1, 2000 do list[i] = "x" end
while true do
    pcall(function()
        while true do
            security.scope():evaluate(actor, "read", "x", {a = list})
            security.can("read", "x", {a = list})
        end
    end)
end
""")
        done = self.cordon("run", "-p", "p.yaml", "--cpu", "300ms", "x.lua")
        self.assertIn("CPU", done.err)
        self.assertNotEqual(done.status, 0)


def load_tests(loader, _tests, _pattern):
    """Only what is new here: the tests of the base class have run."""
    names = [n for n in loader.getTestCaseNames(Security)
             if n in Security.__dict__]
    return unittest.TestSuite(Security(n) for n in names)


if __name__ == "__main__":
    if not os.access(CORDON, os.X_OK):
        sys.exit("cli_security_test.py: no program %s" % CORDON)
    unittest.main(verbosity=1)
