#!/usr/bin/python3
"""Parts of the library that are loaded when they are first needed: what needs
none works without them, and what needs one says so."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_test import TOP  # noqa: E402
from patience import LIMIT_S  # noqa: E402

BUILD = os.path.dirname(os.path.abspath(
    os.environ.get("CORDON") or os.path.join(TOP, "build", "cordon")))
LIBS = os.path.join(BUILD, ".libs")
MATCHES = """\
version: "1.0"
namespace: t
entries:
  - name: p
    kind: security.policy
    policy:
      actions: "*"
      resources: "*"
      effect: allow
      conditions:
        - {field: actor.id, operator: matches, value: "^a"}
"""
DIAL = """\
local client, err = require("websocket").connect("wss://127.0.0.1:%d/")
print(client, err:message())
"""


def folders():
    """Where the program and the parts are installed."""
    with open(os.path.join(BUILD, "Makefile")) as f:
        variables = dict(re.findall(r"^(\w+) *= *(.*)$", f.read(), re.M))

    def value(name):
        return re.sub(r"[$][({](\w+)[)}]", lambda m: value(m[1]),
                      variables[name])
    variables["PACKAGE"] = "cordon"
    return value("bindir"), value("pkglibdir")


@unittest.skipUnless(os.path.exists(os.path.join(LIBS, "cordon-tls.so")),
                     "this build has no parts")
class Parts(unittest.TestCase):
    def setUp(self):
        """The library and the program somewhere else, as if all that was
        installed had been moved there."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        bindir, pkglibdir = folders()
        below = os.path.join(self.folder, "moved")
        self.program = os.path.join(below + bindir, "program")
        self.parts = below + pkglibdir
        for path in (self.parts, os.path.dirname(self.program)):
            os.makedirs(path)
        shutil.copy(os.path.join(LIBS, "libcordon.so.0"),
                    os.path.dirname(self.parts))
        shutil.copy(os.path.join(BUILD, "cordon"), self.program)
        self.policy = self.write("p.yaml", MATCHES)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def cordon(self, *args):
        done = subprocess.run(
            [self.program] + list(args), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S,
            # what dlerror says is held by thread-local storage alone
            env=dict(os.environ, LSAN_OPTIONS="exitcode=99",
                     LD_LIBRARY_PATH=os.path.dirname(self.parts)))
        return done.returncode, done.stdout

    def dial(self, deadline="10m"):
        import socket
        with socket.socket() as server:  # takes it, and says nothing
            server.bind(("127.0.0.1", 0))
            server.listen()
            port = server.getsockname()[1]
            return self.cordon(
                "run", "--isolation=inprocess",
                "--allow", "wss://127.0.0.1:%d/" % port,
                "--deadline=" + deadline, self.write("dial.lua", DIAL % port))

    def test_none(self):
        script = self.write("hello.lua", "print 'hello'\n")
        self.assertEqual(self.cordon("run", "--isolation=inprocess", script),
                         (0, "hello\n"))
        status, said = self.cordon("check", self.policy)
        self.assertEqual(status, 3, said)
        self.assertIn("RE2 cannot be loaded here", said)
        self.assertNotIn(self.parts, said)
        status, said = self.dial()
        self.assertIn("TLS cannot be loaded here", said)
        self.assertNotIn(self.parts, said)
        status, said = self.cordon("doctor")
        self.assertIn(os.path.basename(self.parts) + "/cordon-tls.so", said)

    def test_there(self):
        for part in ("tls", "regex"):
            shutil.copy(os.path.join(LIBS, "cordon-%s.so" % part), self.parts)
        status, said = self.cordon("check", self.policy)
        self.assertNotIn("RE2", said)
        self.assertNotIn("cannot be loaded", self.cordon("doctor")[1])
        self.assertNotIn("cannot be loaded", self.dial("2s")[1])

    def test_of_the_library(self):
        """They lie beside the library that was loaded."""
        shutil.copy(os.path.join(BUILD, "examples", ".libs", "decide"),
                    self.program)
        question = (self.policy, "ann", "file.read", "x")
        status, said = self.cordon(*question)
        self.assertEqual(status, 2, said)
        self.assertIn("RE2 cannot be loaded here", said)
        beside = os.path.join(os.path.dirname(self.parts), "cordon")
        os.makedirs(beside, exist_ok=True)
        shutil.copy(os.path.join(LIBS, "cordon-regex.so"), beside)
        status, said = self.cordon(*question)
        self.assertEqual(status, 0, said)

    def shared(self, *names):
        """A folder like /tmp, and the program in it or below it."""
        shared = os.path.join(self.folder, "shared")
        program = os.path.join(shared, *names)
        os.makedirs(os.path.dirname(program))
        shutil.copy(os.path.join(BUILD, "cordon"), program)
        self.program = program
        os.chmod(shared, 0o1777)
        return shared

    def test_put_there_by_others(self):
        """A copy of the program where others can write loads nothing of
        theirs."""
        bindir, pkglibdir = folders()
        if os.path.exists(pkglibdir):
            self.skipTest("it would load what is installed")
        beside = os.path.relpath(pkglibdir, os.path.dirname(bindir))
        for names, parts in ((("program",), ".libs"),
                             (("mine", "program"), beside)):
            with self.subTest(parts=parts):
                shared = self.shared(*names)
                below = os.path.join(shared, parts)
                os.makedirs(below)
                for part in ("tls", "regex"):
                    shutil.copy(os.path.join(LIBS, "cordon-%s.so" % part),
                                below)
                status, said = self.cordon("check", self.policy)
                self.assertEqual(status, 3, said)
                self.assertIn("RE2 cannot be loaded here", said)
                # and it is that alone: the same is taken where they cannot
                os.chmod(shared, 0o755)
                status, said = self.cordon("check", self.policy)
                self.assertNotIn("RE2", said)
                shutil.rmtree(shared)

    def test_helper_put_there_by_others(self):
        for names in (("program",), ("mine", "program")):
            with self.subTest(names=names):
                shared = self.shared(*names)
                marker = os.path.join(self.folder, "marker")
                helper = os.path.join(shared, "libexec/cordon/cordon-worker")
                os.makedirs(os.path.dirname(helper))
                with open(helper, "w") as f:
                    f.write("#!/bin/sh\n>%s\n" % marker)
                os.chmod(helper, 0o755)
                script = self.write("hello.lua", "print 'hello'\n")
                self.cordon("run", script)
                self.assertFalse(os.path.exists(marker))
                os.chmod(shared, 0o755)
                self.cordon("run", script)
                self.assertTrue(os.path.exists(marker))
                os.unlink(marker)
                shutil.rmtree(shared)

    def test_of_something_else(self):
        for part in ("tls", "regex"):
            shutil.copy(os.path.join(LIBS, "libcordon.so.0"),
                        os.path.join(self.parts, "cordon-%s.so" % part))
        status, said = self.cordon("check", self.policy)
        self.assertEqual(status, 3, said)
        self.assertIn("RE2 cannot be loaded here", said)
        self.assertIn("TLS cannot be loaded here", self.dial()[1])


if __name__ == "__main__":
    unittest.main()
