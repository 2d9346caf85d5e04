#!/usr/bin/python3
"""cordon run --watch: run again what has changed, however it was saved."""

import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from patience import LIMIT_S

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORDON = os.environ.get("CORDON") or os.path.join(TOP, "build", "cordon")

WAITS = "print(%r)\nrequire('time').sleep('1h')\n"
HEAD = 'version: "1.0"\nnamespace: app\nentries:\n'
ALLOW = HEAD + ("- name: p\n  kind: security.policy\n"
                "  policy: {effect: %s, actions: x, resources: y}\n")
ASKS = ("print(require('security').can('x', 'y'))\n"
        "require('time').sleep('1h')\n")


class Watch(unittest.TestCase):
    isolation = "process"

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cordon-watch-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as f:
            f.write(text)

    def replace(self, name, text):
        """As editors do: another file, renamed over."""
        self.write(name + "~", text)
        os.rename(self.path(name + "~"), self.path(name))

    def start(self, *words, **how):
        p = subprocess.Popen(
            [CORDON, "run", "--watch", "--isolation", self.isolation, *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=self.folder, **how)
        os.set_blocking(p.stdout.fileno(), False)
        self.addCleanup(self.end, p)
        self.seen = ""
        return p

    def end(self, p):
        if p.poll() is None:
            p.kill()
        p.wait()
        p.stdout.close()

    def until(self, p, *words):
        """Reads until all |words| were said since the last time."""
        with selectors.DefaultSelector() as s:
            s.register(p.stdout, selectors.EVENT_READ)
            end = time.monotonic() + LIMIT_S
            while not all(w in self.seen for w in words):
                left = end - time.monotonic()
                self.assertGreater(left, 0, (words, self.seen))
                if s.select(left):
                    data = p.stdout.read()
                    self.assertTrue(data, (words, self.seen, p.poll()))
                    self.seen += data.decode()
        seen, self.seen = self.seen, ""
        return seen

    def stop(self, p, number=signal.SIGTERM):
        p.send_signal(number)
        os.set_blocking(p.stdout.fileno(), True)
        out, _ = p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 128 + number)
        self.assertTrue(out.decode().endswith(
            "cordon: stopped by %s\n" % number.name), out)


class Script(Watch):
    def test_ways_to_save(self):
        self.write("x.lua", WAITS % "one")
        p = self.start("x.lua")
        self.until(p, "one\n")
        self.write("x.lua", WAITS % "two")
        self.assertIn("cordon: watch: x.lua has changed\n",
                      self.until(p, "two\n"))
        self.replace("x.lua", WAITS % "three")
        self.until(p, "three\n")
        os.unlink(self.path("x.lua"))
        self.until(p, "x.lua: No such file or directory\n",
                   "watch: has failed, waiting for a change\n")
        self.write("x.lua", WAITS % "four")
        self.until(p, "four\n")
        os.rename(self.path("x.lua"), self.path("y.lua"))
        os.symlink("y.lua", self.path("x.lua"))
        self.until(p, "four\n")
        self.write("y.lua", WAITS % "five")
        self.until(p, "five\n")
        self.stop(p)

    def test_behind_a_link_to_elsewhere(self):
        self.write("far/x.lua", WAITS % "one")
        os.makedirs(self.path("near"))
        os.symlink("../far/x.lua", self.path("near/x.lua"))
        p = self.start("near/x.lua")
        self.until(p, "one\n")
        self.replace("far/x.lua", WAITS % "two")
        self.until(p, "two\n")
        self.stop(p, signal.SIGINT)

    def test_its_folder_is_replaced(self):
        self.write("src/x.lua", WAITS % "one")
        self.write("next/x.lua", WAITS % "two")
        p = self.start("src/x.lua")
        self.until(p, "one\n")
        shutil.rmtree(self.path("src"))
        self.until(p, "src/x.lua: No such file", "waiting for a change")
        os.rename(self.path("next"), self.path("src"))
        self.until(p, "two\n")
        os.rename(self.path("src"), self.path("old"))
        self.until(p, "src/x.lua: No such file", "waiting for a change")
        self.write("src/x.lua", WAITS % "three")
        self.until(p, "three\n")
        self.stop(p)

    def test_a_folder_above_is_replaced(self):
        self.write("a/b/c/x.lua", "print(require 'lib.m')\n" + WAITS % "one")
        self.write("a/b/c/lib/m.lua", "return 'm'")
        p = self.start("a/b/c/x.lua")
        self.until(p, "m\n", "one\n")
        os.rename(self.path("a"), self.path("old"))
        self.until(p, "x.lua: No such file", "waiting for a change")
        self.write("a/b/other", "")
        self.write("a/b/c/lib/m.lua", "return 'n'")
        self.write("a/b/c/x.lua", "print(require 'lib.m')\n" + WAITS % "two")
        self.until(p, "n\n", "two\n")
        # at once, as a new version is put in place of the old one
        shutil.copytree(self.path("a"), self.path("next"))
        self.replace("next/b/c/lib/m.lua", "return 'o'")
        os.rename(self.path("a"), self.path("older"))
        os.rename(self.path("next"), self.path("a"))
        self.until(p, "o\n", "two\n")
        self.replace("a/b/c/lib/m.lua", "return 'p'")
        self.until(p, "p\n", "two\n")
        self.stop(p)

    def test_a_link_on_the_way_is_turned(self):
        for name in ("one", "two"):
            self.write("%s/src/x.lua" % name, WAITS % name)
        os.symlink("one", self.path("now"))
        p = self.start(self.path("now/src/x.lua"))
        self.until(p, "one\n")
        os.symlink("two", self.path("then"))
        os.rename(self.path("then"), self.path("now"))
        self.until(p, "two\n")
        self.stop(p)

    def test_a_script_that_requires_for_ever(self):
        """What it has in excess is not watched, which is told once; it is."""
        os.makedirs(self.path("d"))
        for i in range(400):
            self.write("d/d%d/m.txt" % i, "")
        self.write("x.lua", "for i = 1, 400 do pcall(require, 'd.d' .. i .. "
                   "'.m') end\n" + WAITS % "one")
        p = self.start("x.lua")
        said = self.until(p, "one\n")
        self.assertEqual(said.count("too many folders"), 1, said)
        self.write("x.lua", WAITS % "two")
        self.until(p, "two\n")
        self.stop(p)

    def test_what_has_ended_and_mistakes(self):
        self.write("x.lua", "print 'one'")
        p = self.start("x.lua")
        self.until(p, "one\n", "watch: has ended, waiting for a change\n")
        self.write("x.lua", "print(1 +)")
        self.until(p, "x.lua:1:", "print(1 +)\n", "^\n", "has failed, waiting")
        self.write("x.lua", "error 'no'")
        self.until(p, "x.lua:1: no", "has failed, waiting")
        self.write("x.lua", WAITS % "four")
        self.until(p, "four\n")
        self.stop(p)

    def test_stopped_while_it_waits(self):
        self.write("x.lua", "")
        for number in (signal.SIGINT, signal.SIGTERM):
            p = self.start("x.lua")
            self.until(p, "waiting for a change")
            self.stop(p, number)

    def test_hangup_while_it_waits(self):
        self.write("x.lua", "print 'again'")
        p = self.start("x.lua")
        for _ in range(3):
            self.until(p, "again\n", "waiting for a change")
            p.send_signal(signal.SIGHUP)
        self.until(p, "again\n")
        self.stop(p)

    def test_modules(self):
        self.write("x.lua", "print(require 'lib.a', (pcall(require, 'b')))\n"
                            "require('time').sleep('1h')")
        self.write("lib/a.lua", "return 1")
        p = self.start("x.lua")
        self.until(p, "1\tfalse\n")
        self.replace("lib/a.lua", "return 2")
        self.until(p, "lib/a.lua has changed", "2\tfalse\n")
        # one that was missed, where not even its folder was
        self.write("b/init.lua", "return 1")
        self.until(p, "2\ttrue\n")
        os.unlink(self.path("lib/a.lua"))
        self.until(p, "module 'lib.a' not found", "waiting for a change")
        self.write("lib/a/init.lua", "return 3")
        self.until(p, "3\ttrue\n")
        self.stop(p)

    def test_policies(self):
        self.write("x.lua", ASKS)
        self.write("p.yaml", ALLOW % "deny")
        p = self.start("-p", "p.yaml", "-p", "more", "x.lua")
        self.until(p, "more: No such file", "waiting for a change")
        self.write("more/q.txt", "")
        os.makedirs(self.path("more/deep/down"))
        self.write("more/z.yaml", HEAD.replace("app", "z").strip() + " []\n")
        self.until(p, "false\n")
        self.write("p.yaml", ALLOW % "alow")
        self.until(p, "p.yaml:6:20: unknown effect 'alow'",
                   "waiting for a change")
        self.replace("p.yaml", ALLOW % "allow")
        self.until(p, "true\n")
        self.write("more/deep/down/d.yaml",
                   ALLOW.replace("app", "deep") % "deny")
        self.until(p, "watch: more has changed\n", "false\n")
        os.unlink(self.path("more/deep/down/d.yaml"))
        self.until(p, "true\n")
        self.stop(p)

    def test_others_change_nothing(self):
        """Neighbours are saved all the time, and policies' text files."""
        self.write("x.lua", ASKS)
        self.write("more/p.yaml", ALLOW % "allow")
        p = self.start("-p", "more", "x.lua")
        self.until(p, "true\n")
        for name in ("y.lua", "x.lua.swp", "more/notes.txt"):
            self.write(name, "no")
        self.replace("x.lua", ASKS + "-- more")
        said = self.until(p, "true\n")
        self.assertEqual(said.count("has changed"), 1)
        self.assertEqual(said.count("true\n"), 1)
        self.stop(p)

    def test_many_saves_are_few_runs(self):
        self.write("x.lua", WAITS % "first")
        p = self.start("-q", "x.lua")
        self.until(p, "first\n")
        # it sees none before all are done, and then each
        p.send_signal(signal.SIGSTOP)
        for i in range(200):
            self.replace("x.lua", WAITS % i)
        p.send_signal(signal.SIGCONT)
        said = self.until(p, "199\n")
        self.assertLess(len(said.splitlines()), 10)
        self.stop(p)

    def test_connections_are_closed(self):
        server = subprocess.Popen(
            [os.path.join(os.path.dirname(CORDON), "examples", "echo-server")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.kill)
        port = re.search(r":(\d+)$", server.stdout.readline().strip())[1]
        self.write("x.lua", "local c = assert(require('websocket').connect("
                   "'ws://localhost:%s/'))\nprint 'open'\n"
                   "c:receive()" % port)
        p = self.start("--allow", "ws://localhost:*", "--audit", "log",
                       "x.lua")
        self.until(p, "open\n")
        self.write("x.lua", WAITS % "two")
        self.until(p, "two\n")
        with open(self.path("log")) as f:
            self.assertRegex(f.read(), '"code":1001')
        self.stop(p)

    def test_not_for_ever_where_nothing_helps(self):
        self.write("x.lua", "")
        for words, status, told in (
                (["-"], 2, "--watch needs a file"),
                (["--format", "json", "x.lua"], 2, "is for manifests"),
                (["--allow", "nonsense", "x.lua"], 2, "--allow"),
                (["--actor-meta", "x", "x.lua"], 2, "--actor-meta"),
                (["--ca", "none.pem", "x.lua"], 2, "--ca"),
                (["--max-connections", "9999999999", "x.lua"], 2, "open files"),
                (["--audit", "none/log", "x.lua"], 2, "none/log")):
            with self.subTest(words=words):
                p = self.start(*words)
                os.set_blocking(p.stdout.fileno(), True)
                out, _ = p.communicate(timeout=LIMIT_S)
                self.assertEqual(p.returncode, status, out)
                self.assertIn(told, out.decode())

    def test_where_there_is_no_inotify(self):
        """In a user namespace that may have no instance of it."""
        self.write("x.lua", "print 'runs'")
        self.write("m.yaml", HEAD + "- name: x\n  kind: process.lua\n"
                                    "  source: file://x.lua\n")
        shell = ("echo %d > /proc/sys/user/max_inotify_%s && "
                 "exec \"$@\"")
        new = ["unshare", "--user", "--map-root-user", "sh", "-c"]
        if not shutil.which("unshare") or subprocess.run(
                [*new, shell % (0, "instances"), "sh", "true"],
                stderr=subprocess.DEVNULL).returncode:
            self.skipTest("no user namespaces")
        for name in ("x.lua", "m.yaml"):
            done = subprocess.run(
                [*new, shell % (0, "instances"), "sh", CORDON, "run",
                 "--watch", name], cwd=self.folder, capture_output=True,
                text=True, timeout=LIMIT_S)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stdout, "")
            self.assertIn("inotify is not available", done.stderr)
        p = subprocess.Popen(
            [*new, shell % (0, "watches"), "sh", CORDON, "run", "--isolation",
             "inprocess", "--watch", "x.lua"], cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(p.stdout.fileno(), False)
        self.addCleanup(self.end, p)
        self.seen = ""
        self.until(p, "watch: .: too many folders", "waiting for a change")


class ScriptInProcess(Script):
    isolation = "inprocess"


class Workloads(Watch):
    def entry(self, name, **more):
        text = ("- name: %s\n  kind: process.lua\n  source: file://%s.lua\n"
                "  modules: [time, lib.a, security]\n" % (name, name))
        for key, value in more.items():
            text += "  %s: %s\n" % (key, value)
        return text

    def test_scripts_modules_and_the_manifest(self):
        self.write("m.yaml", HEAD + self.entry("a") + self.entry("b"))
        self.write("a.lua", WAITS % "one")
        self.write("b.lua", "print(require 'lib.a')\n" + WAITS % "b")
        self.write("lib/a.lua", "return 1")
        p = self.start("m.yaml")
        self.until(p, "a: one\n", "b: 1\n")
        self.replace("a.lua", WAITS % "two")
        said = self.until(p, "a: two\n")
        self.assertIn("cordon: watch: a.lua has changed\n", said)
        self.assertIn("0 stopped, 1 restarted, 1 go on", said)
        self.replace("lib/a.lua", "return 2")
        said = self.until(p, "b: 2\n")
        self.assertIn("0 stopped, 1 restarted, 1 go on", said)
        # it goes on being watched
        self.write("lib/a.lua", "return 3")
        self.until(p, "b: 3\n")
        self.replace("m.yaml", HEAD + self.entry("b"))
        self.until(p, "0 started, 1 stopped, 0 restarted, 1 go on")
        self.write("lib/a.lua", "return 4")
        self.until(p, "b: 4\n")
        self.stop(p)

    def test_one_takes_no_room_from_others(self):
        names = ["d%d.x" % i for i in range(900)]
        for i in range(900):
            os.makedirs(self.path("d%d/x" % i))
        self.write("m.yaml", HEAD + "- name: a\n  kind: process.lua\n"
                   "  source: file://a.lua\n  modules: [time, %s]\n" %
                   ", ".join(names) + self.entry("b"))
        self.write("a.lua", "for i = 0, 899 do\n"
                   "pcall(require, 'd' .. i .. '.x') end\n" + WAITS % "up")
        self.write("b.lua", WAITS % "up")
        self.write("lib/a.lua", "return 1")
        p = self.start("m.yaml")
        self.until(p, "a: up\n", "b: up\n")
        # what is read anew now comes behind what the other one has
        self.write("b.lua", "print(require 'lib.a')\n" + WAITS % "b")
        self.until(p, "b: 1\n", "1 restarted, 1 go on")
        self.write("lib/a.lua", "return 2")
        self.until(p, "b: 2\n")
        self.stop(p)

    def test_mistakes(self):
        self.write("m.yaml", "entries: [")
        p = self.start("m.yaml")
        self.until(p, "m.yaml:", "1 mistake in the manifest",
                   "nothing is running, waiting for a change")
        self.write("m.yaml", HEAD + self.entry("a"))
        self.until(p, "a.lua': No such file", "old manifest")
        self.write("a.lua", WAITS % "up")
        self.until(p, "a: up\n")
        os.unlink(self.path("a.lua"))
        self.until(p, "a.lua': No such file", "old manifest")
        self.write("a.lua", WAITS % "new")
        self.until(p, "a: new\n")
        self.stop(p)

    def test_what_has_ended_waits(self):
        self.write("m.yaml", HEAD + self.entry("a"))
        self.write("a.lua", "print(require 'lib.a')")
        self.write("lib/a.lua", "return 1")
        p = self.start("m.yaml")
        self.until(p, "a: 1\n", "nothing is running, waiting for a change")
        self.write("lib/a.lua", "return 2")
        self.until(p, "a: 2\n", "nothing is running, waiting for a change")
        self.write("m.yaml", HEAD + self.entry("a") + "# no more\n")
        self.until(p, "0 restarted, 1 go on", "nothing is running")
        self.stop(p)

    def test_policies_change_under_a_run(self):
        self.write("a.lua", "local time = require 'time'\nprint 'up'\n"
                   "while not require('security').can('x', 'y') do\n"
                   "  time.sleep('1ms')\nend\nprint 'may'\ntime.sleep('1h')")
        self.write("m.yaml", HEAD + self.entry(
            "a", lifecycle="{security: {actor: {id: a}, policies: [far:p]}}"))
        self.write("more/p.yaml", ALLOW.replace("app", "far") % "deny")
        p = self.start("-p", "more", "m.yaml")
        self.until(p, "a: up\n")
        self.replace("more/p.yaml", ALLOW.replace("app", "far") % "allow")
        said = self.until(p, "a: may\n")
        self.assertIn("watch: more has changed", said)
        self.stop(p)

    def test_hangup_notices_modules(self):
        """Without --watch too."""
        self.write("m.yaml", HEAD + self.entry("a") + self.entry("b"))
        self.write("a.lua", "print(require 'lib.a')\n" + WAITS % "up")
        self.write("b.lua", WAITS % "up")
        self.write("lib/a.lua", "return 1")
        p = subprocess.Popen([CORDON, "run", "m.yaml"], cwd=self.folder,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(p.stdout.fileno(), False)
        self.addCleanup(self.end, p)
        self.seen = ""
        self.until(p, "a: up\n", "b: up\n")
        self.write("lib/a.lua", "return 2")
        p.send_signal(signal.SIGHUP)
        self.until(p, "0 stopped, 1 restarted, 1 go on", "a: 2\n")
        # the same text once more is no change
        self.write("lib/a.lua", "return 2")
        p.send_signal(signal.SIGHUP)
        self.until(p, "0 stopped, 0 restarted, 2 go on")


class WorkloadsInProcess(Workloads):
    isolation = "inprocess"


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
