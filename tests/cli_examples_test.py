#!/usr/bin/python3
"""The examples are real programs: each does what its first lines say."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_test import CORDON, TOP  # noqa: E402
from patience import LIMIT_S  # noqa: E402

BUILD = os.path.dirname(os.path.abspath(CORDON))
POLICY = os.path.join(TOP, "examples", "demo-policy.yaml")
CONSOLE = """version: "1.0"
namespace: app
entries:
  - name: console
    kind: security.policy
    policy: {actions: console.read, resources: stdin, effect: allow}
"""


class Examples(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cordon-examples.")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def run_program(self, command, status=0, text="", env=None):
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=LIMIT_S,
            env=dict(os.environ, CORDON_WORKER=os.path.join(
                BUILD, "libexec", "cordon", "cordon-worker"), **(env or {})))
        self.assertEqual(done.returncode, status, done)
        return done.stdout.decode(), done.stderr.decode()

    def example(self, name, *args, **more):
        path = os.path.join(BUILD, "examples", name)
        if not os.path.exists(path):
            self.skipTest("%s is not built" % name)
        return self.run_program([path, *args], **more)

    def test_embed(self):
        policy = self.file("policy.yaml", CONSOLE)
        script = self.file("s.lua", "local console = require('console')\n"
                           "for line in console.readline do "
                           "print('you said ' .. line) end\n")
        out, err = self.example("embed", policy, script, text="hello\n")
        self.assertEqual(out, "you said hello\n")
        self.assertEqual(err.count("console.read stdin: "), 2)
        self.assertIn("allow", err)
        out, err = self.example("embed", POLICY, script, text="hello\n")
        self.assertEqual(out, "")
        broken = self.file("b.lua", "x = = 1\n")
        out, err = self.example("embed", policy, broken, status=1)
        self.assertIn("b.lua:1: ", err)

    def test_many(self):
        out, err = self.example("many", "30")
        self.assertEqual((out, err),
                         ("24 returned, 3 failed, 3 were stopped\n", ""))

    def test_later(self):
        out, err = self.example("later", "12", "97", "0", "360360")
        self.assertEqual(err, "")
        self.assertEqual(out, "0 = expected an integer above 0\n"
                         "12 = 2 * 2 * 3\n"
                         "360360 = 2 * 2 * 2 * 3 * 3 * 5 * 7 * 11 * 13\n"
                         "97 = 97\n")

    def test_threads(self):
        out, err = self.example("threads", POLICY, "3")
        self.assertEqual(out, "".join(
            "thread-%d: 5000 of 5000 allowed\n" % i for i in range(3)), err)

    def test_decide(self):
        out, _ = self.example("decide", POLICY, "me", "websocket.connect.url",
                              "ws://LOCALHOST:80/echo")
        self.assertIn("allowed: ", out)
        self.assertIn("demo:server", out)
        out, _ = self.example("decide", POLICY, "me", "websocket.connect.url",
                              "ws://localhost:80/other", status=1)
        self.assertIn("refused: ", out)
        _, err = self.example("decide", POLICY, "me", "websocket.connect.url",
                              "no url", status=1)
        self.assertIn("decide: ", err)
        _, err = self.example("decide", self.file("bad.yaml", "entries: 1\n"),
                              "me", "a", "b", status=2)
        self.assertIn("bad.yaml:1:", err)

    def test_plugins(self):
        total = self.file("total.lua", "return {transform = function(r) "
                          "r.total = r.price * r.count return r end}\n")
        drop = self.file("drop.lua", "return {transform = function(r) "
                         "if r.total > 10 then return r end end}\n")
        slow = self.file("slow.lua", "return {transform = function(r) "
                         "if r.price == 4 then while true do end end "
                         "return r end}\n")
        wrong = self.file("wrong.lua", "return {transform = function(r) "
                          "error('no idea') end}\n")
        syntax = self.file("syntax.lua", "return {\n")
        out, err = self.example(
            "plugins", total, slow, wrong, syntax, drop,
            text='{"price":2,"count":3}\n{"price":4,"count":5}\n')
        self.assertEqual(out, '{"count":5,"price":4,"total":20}\n', err)
        self.assertIn("slow.lua: left out: the deadline of the call", err)
        self.assertEqual(err.count("wrong.lua: left out: no idea"), 2)
        self.assertEqual(err.count("syntax.lua: left out: "), 1)

    def test_python(self):
        library = os.path.join(BUILD, ".libs", "libcordon.so.0")
        try:
            with open(library, "rb") as f:
                if b"__asan" in f.read():
                    self.skipTest("Python cannot load this library")
        except FileNotFoundError:
            self.skipTest("there is no shared library in this build")
        script = self.file("s.lua", "local r = require('host').ask('why', 42)\n"
                           "print(r.python, r.you[1], r.you[2])\n"
                           "return {done = true}\n")
        out, err = self.run_program(
            [sys.executable, os.path.join(TOP, "examples", "python",
                                          "cordon_eval.py"), POLICY,
             "websocket.connect.url", "ws://localhost:1/echo", script],
            env={"CORDON_LIBRARY": library})
        self.assertEqual(out, "allowed allowed by policy\n3\twhy\t42\n"
                         'returned {"done": true}\n', err)


if __name__ == "__main__":
    unittest.main()
