#!/usr/bin/python3
"""Files may be called anything: no name begins a line of its own in a report,
and none reaches a terminal as an escape sequence."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from patience import LIMIT_S, patiently

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORDON = os.environ.get("CORDON") or os.path.join(TOP, "build", "cordon")

FORGED = "FORGED: all is well"
EVIL = "a\x1b[31m\n" + FORGED + "\r\tb"
HEAD = 'version: "1.0"\nnamespace: app\nentries:\n'
GOOD = HEAD + ("- name: p\n  kind: security.policy\n  policy: {effect: allow,"
               " actions: '*', resources: '*'}\n")
DENY = HEAD + ("- name: p\n  kind: security.policy\n"
               "  policy: {actions: x,  effect: deny, resources: 'no'}\n"
               "- name: q\n  kind: security.policy\n"
               "  policy: {actions: x, effect: allow, resources: yes/*,\n"
               "    conditions: [{field: meta.a.b, operator: gt, value: 1}]}\n")
BROKEN = HEAD + "- name: p\n  kind: security.policy\n  policy: {effect: alow}\n"
TESTS = ("policies: [p.yaml]\ntests:\n- name: t\n  request: {action: x, "
         "resource: y}\n  expect: %s\n")
WORKLOAD = HEAD + ("- name: w\n  kind: process.lua\n  source: file://%s.lua\n"
                   "  modules: [websocket, time]\n%s")
CONNECTS = "require('websocket').connect('wss://a.example/')\n"


class Names(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cordon-names-")
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, EVIL)
        os.mkdir(self.folder)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        return path

    def honest(self, said, words):
        self.assertNotIn("\x1b", said)
        self.assertNotIn("\r", said)
        for line in said.split("\n"):
            self.assertFalse(line.startswith(FORGED), (words, said))

    def tell(self, *words, has=True):
        """|has|: it is a case of the name being told."""
        p = subprocess.run([CORDON, *words], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=LIMIT_S, cwd=self.folder)
        said = p.stdout.decode()
        self.honest(said, words)
        if has:
            self.assertIn("FORGED", said, words)
        return said

    def test_what_cannot_be_read(self):
        none = os.path.join(self.folder, "none")
        for words in (["run", none], ["run", none + ".yaml"],
                      ["run", "-p", none, "x.lua"], ["check", none],
                      ["check", "--catalogue", none, "."], ["test", none],
                      ["fmt", none], ["eval", "-p", none, "--url", "ws://a"],
                      ["eval", "--input", none],
                      ["explain", "-p", none, "--url", "ws://a"],
                      ["repl", "-p", none], ["repl", "--ca", none],
                      ["run", "--audit", none + "/x", "x.lua"],
                      ["doctor", "--worker", none], [none], ["help", none],
                      ["--" + none], ["run", "--" + none], ["run", "--cpu", none], ["eval", none],
                      ["check", "--format", none], ["check", "--explain", none],
                      ["test", "--format", none], ["eval", "--url", "ws://a", "--allow", none],
                      ["eval", "--url", "ws://a", "--scope", none],
                      ["eval", "--url", "ws://a", "--actor-meta", none],
                      ["eval", "--url", "ws://a", "--actor-meta", none + "=["],
                      ["eval", "--url", "ws://a", "--resolve", none]):
            self.write("x.lua", "")
            self.write("p.yaml", GOOD)
            with self.subTest(words=words[0]):
                self.tell(*words)

    def test_policies(self):
        for text in BROKEN, DENY, "entries: [", "\0":
            path = self.write("p.yaml", text)
            self.tell("check", path, has=text != GOOD)
            self.tell("fmt", path)
            self.tell("fmt", "--diff", self.write("q.yaml", DENY))
            for command in "eval", "explain":
                self.tell(command, "-p", path, "--action", "x", "--resource",
                          "yes/a")
            for form in "github", "text":
                self.tell("check", "--format", form, path)
            self.tell("run", "-p", path, self.write(
                "x.lua", "require('security').can('x', 'yes/a')\n" + CONNECTS))

    def test_policy_tests(self):
        self.write("p.yaml", DENY)
        for text in TESTS % "allow", TESTS % "deny", TESTS % "no", "tests: 1":
            path = self.write("p_test.yaml", text)
            for form in "text", "tap":
                for more in [], ["--coverage"], ["--coverage", "--mutate"]:
                    self.tell("test", "--format", form, *more, path,
                              has="deny" not in text)
            self.tell("check", self.folder)

    def test_scripts(self):
        for text in ("x = = 1", "error 'x'", CONNECTS, "while true do end",
                     "require 'none'", "require 'link'", "\x1bLua",
                     "require('time').sleep('1h')"):
            path = self.write("x.lua", text)
            if not os.path.lexists(os.path.join(self.folder, "link.lua")):
                os.symlink("x.lua", os.path.join(self.folder, "link.lua"))
            limit = (["--cpu", "20ms"] if "while" in text else
                     ["--deadline", "200ms"] if "sleep" in text else [])
            # a script that did not begin in time is not named
            patiently(lambda scale: self.tell(
                "run", *[word.replace("20", str(20 * scale), 1)
                         for word in limit], path))

    def test_manifests(self):
        for text in (WORKLOAD % ("none", ""), WORKLOAD % ("x", "  y: 1\n"),
                     WORKLOAD % ("x", "  lifecycle: {security: {actor: {id: a},"
                                 " policies: [none]}}\n"),
                     WORKLOAD % ("x", ""),
                     WORKLOAD % ("x", "  lifecycle: {security: {actor: {id: a}}"
                                 "}\n")):
            self.write("x.lua", CONNECTS + "error 'x'")
            path = self.write("m.yaml", text)
            self.tell("run", path)
            self.tell("check", path, has=False)
        name = "%s\n%s" % ("a", FORGED)
        self.tell("run", self.write("m.yaml", HEAD + '- name: "a\\n%s"\n'
                                    "  kind: process.lua\n  source: "
                                    '"file://a\\n%s.lua"\n' %
                                    (FORGED, FORGED)))
        self.write(name + ".lua", "error 'x'")
        self.tell("run", self.write("m.yaml", HEAD + "- name: a\n"
                                    "  kind: process.lua\n  source: "
                                    '"file://a\\n%s.lua"\n' % FORGED))

    def test_watch(self):
        for words in ["x.lua"], ["m.yaml"]:
            path = self.write("x.lua", "print 'up'\n"
                              "require('time').sleep('1h')")
            self.write("m.yaml", WORKLOAD % ("x", ""))
            p = subprocess.Popen(
                [CORDON, "run", "--watch",
                 *[os.path.join(self.folder, w) for w in words]],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.addCleanup(p.stdout.close)
            self.addCleanup(p.wait)
            self.addCleanup(p.kill)
            said = self.read(p, "up\n")
            os.rename(path, path + "~")
            os.rename(self.write("y.lua", "print 'new'\n"
                                 "require('time').sleep('1h')"), path)
            said += self.read(p, "new\n")
            p.send_signal(signal.SIGTERM)
            said += p.stdout.read().decode()
            self.assertIn(FORGED, said)
            self.honest(said, words)

    def read(self, p, until):
        said, end = "", time.monotonic() + LIMIT_S
        while until not in said:
            left = end - time.monotonic()
            self.assertGreater(left, 0, said)
            if select.select([p.stdout], [], [], left)[0]:
                data = os.read(p.stdout.fileno(), 65536)
                self.assertTrue(data, said)
                said += data.decode()
        return said


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
