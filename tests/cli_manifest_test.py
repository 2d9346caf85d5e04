#!/usr/bin/python3
"""cordon run MANIFEST: workloads side by side, each in a sandbox of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from cli_worker_test import field, processes_of
from patience import LIMIT_S, patiently

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORDON = os.environ.get("CORDON") or os.path.join(TOP, "build", "cordon")

HEAD = 'version: "1.0"\nnamespace: app\nentries:\n'

FOREVER = """
local time = require "time"
print "up"
while true do time.sleep("1h") end
"""


def entry(name, source=None, **more):
    """An entry of kind process.lua; values are YAML."""
    text = "- name: %s\n  kind: process.lua\n" % name
    text += "  source: file://%s\n" % (source or name + ".lua")
    for key, value in more.items():
        text += "  %s: %s\n" % (key, value)
    return text


class Manifest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cordon-manifest-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def manifest(self, *entries, name="m.yaml", **scripts):
        self.write(name, HEAD + "".join(entries))
        for script, text in scripts.items():
            self.write(script + ".lua", text)

    def start(self, *options, name="m.yaml", **how):
        p = subprocess.Popen([CORDON, "run", *options, name],
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, cwd=self.folder, **how)
        self.addCleanup(self.end, p)
        return p

    def end(self, p):
        if p.poll() is None:
            p.kill()
        p.communicate(timeout=LIMIT_S)

    def run_it(self, status, *options, **how):
        p = self.start(*options, **how)
        out, err = p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, status, out + err)
        return out, err

    def until(self, p, *lines):
        """Reads standard output until all |lines| were there."""
        missing, seen = list(lines), []
        while missing:
            line = p.stdout.readline()
            self.assertTrue(line, (missing, seen, p.poll()))
            seen.append(line)
            if line.rstrip("\n") in missing:
                missing.remove(line.rstrip("\n"))
        return seen


class SideBySide(Manifest):
    def test_all_end_well(self):
        self.manifest(
            entry("one", args="[a, '', 'b c']"),
            entry("two", "lib/two.lua", method="start", modules="[lib.more]"),
            entry("off", lifecycle="{auto_start: false}"),
            one="print(...)\nio = nil\nprint 'x\\ny'",
            off="print 'never'")
        self.write("lib/two.lua", "return {start = function() "
                                  "print(require 'lib.more') end}")
        self.write("lib/lib/more.lua", "return 'more'")
        out, err = self.run_it(0)
        lines = out.splitlines()
        self.assertEqual([s for s in lines if s.startswith("one: ")],
                         ["one: a\t\tb c", "one: x", "one: y"])
        self.assertEqual([s for s in lines if s.startswith("two: ")],
                         ["two: more"])
        self.assertEqual(len(lines), 4)
        self.assertEqual(err, "")

    def test_a_script_fails_alone(self):
        for isolation in ("process", "inprocess"):
            with self.subTest(isolation=isolation):
                self.manifest(
                    entry("good", modules="[time]"), entry("bad"),
                    entry("hungry", limits="{memory: 1MiB}"),
                    good="require('time').sleep('20ms')\nprint 'still here'",
                    bad="error 'no'", hungry="return ('x'):rep(1 << 24)")
                out, err = self.run_it(1, "--isolation", isolation)
                self.assertEqual(out, "good: still here\n")
                self.assertIn("cordon: bad: bad.lua:1: no", err)
                self.assertIn("cordon: hungry: stopped: memory limit", err)

    def test_which_status(self):
        scripts = {"ok": "", "fail": "error 'x'", "syntax": "x =",
                   "cpu": "while true do end"}
        for names, status in [
                (["ok"], 0), (["ok", "fail"], 1), (["syntax", "fail"], 3),
                (["fail", "syntax"], 1), (["cpu", "ok", "fail"], 10)]:
            with self.subTest(names=names):
                # what is started first is not what counts: the file does
                needs = "{depends_on: [%s]}" % names[-1]
                self.manifest(*[
                    entry(n, limits="{cpu: 300ms}",
                          lifecycle="{}" if n == names[-1] else needs)
                    for n in names], **scripts)
                self.run_it(status)

    def test_line_without_an_end(self):
        self.manifest(entry("a"), a="io = io\nprint(('x'):rep(200000))")
        out, _ = self.run_it(0)
        self.assertEqual(out.replace("\na: ", "").count("x"), 200000)
        for line in out.splitlines():
            self.assertTrue(line.startswith("a: x"), line[:20])

    def test_globals_need_no_list(self):
        for modules in "[]", "[json]":
            with self.subTest(modules=modules):
                self.manifest(entry("a", modules=modules),
                              a="print(type(channel), type(errors), "
                              "pcall(require, 'channel') )")
                out, _ = self.run_it(0)
                self.assertRegex(out, "^a: table\ttable\tfalse\t")

    def test_only_listed_modules(self):
        self.manifest(entry("a", modules="[json]"), entry("b"),
                      a="print(pcall(require, 'time'))\n"
                        "print(pcall(require, 'b'))\n"
                        "print(type(require 'json'))",
                      b="print(pcall(require, 'json'))")
        for isolation in ("process", "inprocess"):
            out, _ = self.run_it(0, "--isolation", isolation)
            words = "is not in the list of modules at m.yaml:"
            self.assertIn("a: false\tmodule 'time' %s7\n" % words, out)
            self.assertIn("a: false\tmodule 'b' %s7\n" % words, out)
            self.assertIn("a: table\n", out)
            self.assertIn("b: false\tmodule 'json' %s8\n" % words, out)

    def test_usage(self):
        self.manifest(entry("a"), a="")
        for options in (["--memory", "1MiB"], ["--allow", "wss://x"],
                        ["--actor", "me"], ["--scope", "x"],
                        ["--actor-meta", "a=b"]):
            _, err = self.run_it(2, *options)
            self.assertIn("m.yaml is a manifest", err)
        _, err = self.run_it(2, name="none.yaml")
        self.assertIn("none.yaml: No such file", err)


class Security(Manifest):
    POLICY = ("- name: local\n  kind: security.policy\n  policy:\n"
              "    effect: allow\n    rules:\n"
              "    - {action: websocket.connect}\n"
              "    - {action: websocket.connect.url,"
              " resource: 'ws://localhost:*'}\n"
              "  groups: [net]\n")
    ASKS = ("local security = require 'security'\n"
            "local actor = security.actor()\n"
            "print(actor and actor:id(), "
            "security.can('websocket.connect', ''))")

    def test_each_its_own(self):
        self.manifest(
            entry("named", "x.lua", modules="[security]",
                  lifecycle="{security: {actor: {id: n}, policies: [local]}}"),
            entry("grouped", "x.lua", modules="[security]",
                  lifecycle="{security: {actor: {id: g, meta: {a: [1]}},"
                            " groups: ['app:net']}}"),
            entry("without", "x.lua", modules="[security]",
                  lifecycle="{security: {actor: {id: w}}}"),
            entry("nobody", "x.lua", modules="[security]"),
            self.POLICY, x=self.ASKS)
        out, err = self.run_it(0)
        self.assertEqual(sorted(out.splitlines()), [
            "grouped: g\ttrue", "named: n\ttrue", "nobody: nil\tfalse",
            "without: w\tfalse"])

    def test_refusals_name_the_workload(self):
        self.manifest(
            entry("a", "x.lua", modules="[websocket]",
                  lifecycle="{security: {actor: {id: a}}}"),
            self.POLICY,
            x="print(require('websocket').connect('ws://localhost:1/'))")
        _, err = self.run_it(0)
        self.assertIn("cordon: a: denied websocket.connect", err)
        self.assertIn("none in 'lifecycle.security' (m.yaml:4)", err)

    def test_policies_from_elsewhere(self):
        self.manifest(
            entry("a", "x.lua", modules="[security]",
                  lifecycle="{security: {actor: {id: a},"
                            " groups: ['far:net']}}"), x=self.ASKS)
        _, err = self.run_it(3)
        self.assertIn("m.yaml:8:51: ", err)
        self.assertIn("far:net", err)
        self.write("far.yaml", HEAD.replace("app", "far") + self.POLICY)
        out, _ = self.run_it(0, "-p", "far.yaml")
        self.assertEqual(out, "a: a\ttrue\n")
        # the manifest once more, by the folder it lies in
        self.run_it(0, "-p", ".")

    def test_audit_names_the_workload(self):
        self.manifest(
            entry("a", "x.lua", modules="[security, websocket]",
                  lifecycle="{security: {actor: {id: a}}}"),
            x="require('websocket').connect('ws://localhost:1/')")
        self.run_it(0, "--audit", "log")
        with open(os.path.join(self.folder, "log")) as f:
            self.assertIn('"sandbox":"a"', f.read())


class Mistakes(Manifest):
    def mistakes(self, text, *places, **scripts):
        self.write("m.yaml", text)
        for script, lua in scripts.items():
            self.write(script + ".lua", lua)
        out, err = self.run_it(3)
        self.assertEqual(out, "")
        found = re.findall(r"^m\.yaml:(\d+:\d+): (.*)$", err, re.M)
        self.assertEqual(len(found), len(places), err)
        for (place, words), got in zip(places, found):
            self.assertEqual(got[0], place, err)
            self.assertIn(words, got[1])
        self.assertIn("cordon: %d mistake" % len(places), err)

    def test_all_in_one_pass(self):
        self.mistakes(
            HEAD + entry("a", "../a.lua", modles="[]") +
            "- name: p\n  kind: security.policy\n  policy: {effect: alow}\n" +
            entry("b", lifecycle="{depends_on: [c]}"),
            ("6:11", "expected a file below the manifest's folder"),
            ("7:3", "unknown key 'modles', expected 'modules'"),
            ("10:11", "policy without actions"),
            ("10:11", "policy without resources"),
            ("10:20", "unknown effect 'alow', expected 'allow'"),
            ("14:28", "unknown workload 'c'"), b="")

    def test_told_once(self):
        self.mistakes("entries: [\n", ("2:1", "expected"))
        self.mistakes("entries: []\n", ("1:1", "without a namespace"))
        self.mistakes("namespace: app\nentries: []\n",
                      ("2:10", "without a workload"))

    def test_a_key_twice(self):
        """What no value can be made of is a manifest all the same."""
        text = HEAD + entry("a", args='["1"]\n  args: ["2"]') + "# kind: x\n"
        self.mistakes(text, ("8:3", "duplicate key 'args', first at line 7"),
                      a="")
        for text in (text, text.replace("process.lua", '"process.lua"')):
            self.write("m.yaml", text)
            p = subprocess.run([CORDON, "check", "m.yaml"], text=True,
                               capture_output=True, cwd=self.folder,
                               timeout=LIMIT_S)
            self.assertEqual(p.returncode, 3, p.stderr)
            self.assertTrue(p.stdout.startswith(
                "m.yaml:8:3: duplicate key 'args', first at line 7\n"),
                p.stdout)
            self.assertEqual(p.stdout.count("m.yaml:"), 1, p.stdout)

    def test_scripts_below_the_folder(self):
        os.symlink("/etc", os.path.join(self.folder, "etc"))
        os.symlink("/etc/passwd", os.path.join(self.folder, "link.lua"))
        os.mkdir(os.path.join(self.folder, "folder.lua"))
        self.mistakes(
            HEAD + entry("a", "none.lua") + entry("b", "link.lua") +
            entry("c", "etc/passwd") + entry("d", "folder.lua"),
            ("6:11", "No such file"), ("9:11", "symbolic links"),
            ("12:11", "etc/passwd"), ("15:11", "no regular file"))

    def test_circle(self):
        self.mistakes(
            HEAD + entry("a", lifecycle="{depends_on: [b]}") +
            entry("b", lifecycle="{depends_on: [app:a, b]}"),
            ("11:28", "a -> b -> a"), ("11:35", "b -> b"), a="", b="")


class Restarts(Manifest):
    def test_on_failure(self):
        self.manifest(
            entry("a", lifecycle="{restart: {policy: on-failure, "
                                 "initial_delay: 1ms, max_attempts: 2}}"),
            entry("b", lifecycle="{restart: {policy: on-failure, "
                                 "initial_delay: 1ms}}"),
            entry("c", "b.lua"),
            a="print 'begins'\nerror 'no'", b="print 'once'")
        out, err = self.run_it(1)
        self.assertEqual(sorted(out.splitlines()),
                         ["a: begins"] * 3 + ["b: once", "c: once"])
        self.assertIn("a: is started again in 1 ms (1 of 2)", err)
        self.assertIn("a: is started again in 2 ms (2 of 2)", err)
        self.assertIn("a: has failed 3 times in a row: given up", err)

    def test_what_does_not_load_stays_down(self):
        self.manifest(entry("a", lifecycle="{restart: always}"), a="x =")
        _, err = self.run_it(3)
        self.assertNotIn("started again", err)

    def test_always(self):
        self.manifest(
            entry("a", lifecycle="{restart: {policy: always, "
                                 "initial_delay: 1ms, max_delay: 1ms}}"),
            a="print 'up'")
        p = self.start("-q")
        for _ in range(5):
            self.assertEqual(p.stdout.readline(), "a: up\n")
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 143)


class Stops(Manifest):
    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.manifest(entry("a", modules="[time]"),
                          entry("b", "a.lua", modules="[time]"), a=FOREVER)
            p = self.start()
            self.until(p, "a: up", "b: up")
            p.send_signal(number)
            _, err = p.communicate(timeout=LIMIT_S)
            self.assertEqual(p.returncode, 128 + number)
            self.assertEqual(err, "cordon: stopped by %s\n" % number.name)

    def test_the_reader_goes(self):
        self.manifest(entry("a", modules="[time]"),
                      a="local t = require 'time'\n"
                        "while true do print 'x' t.sleep('1ms') end")
        p = self.start()
        p.stdout.readline()
        p.stdout.close()
        p.wait(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 1)
        self.assertIn("standard output: ", p.stderr.read())


class Reload(Manifest):
    WAITS = ("local time, security = require 'time', require 'security'\n"
             "print('up', security.can('x', 'y'))\n"
             "while true do time.sleep('1ms')\n"
             "  if security.can('x', 'y') then print 'can' break end\n"
             "end\n"
             "print 'done'\ntime.sleep('1h')")
    POLICY = ("- name: p\n  kind: security.policy\n  policy: {effect: %s,"
              " actions: x, resources: y}\n")
    SECURED = "{security: {actor: {id: a}, policies: [p]}}"

    def reload(self, p, *words):
        p.send_signal(signal.SIGHUP)
        seen = []
        while not any(line.startswith("cordon: reload: ") for line in seen):
            seen.append(p.stderr.readline())
            self.assertTrue(seen[-1], seen)
        for word in words:
            self.assertIn(word, "".join(seen))

    def test_policies_under_a_run(self):
        a = entry("a", modules="[time, security]", lifecycle=self.SECURED)
        self.manifest(a, self.POLICY % "deny", a=self.WAITS)
        p = self.start()
        self.until(p, "a: up\tfalse")
        self.write("m.yaml", HEAD + a + self.POLICY % "allow")
        self.reload(p, "0 started, 0 stopped, 0 restarted, 1 go on")
        # the same run: it does not come up again
        self.assertEqual(self.until(p, "a: done"), ["a: can\n", "a: done\n"])
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 143)

    def test_changed_new_and_gone(self):
        one, two, three, kept = [
            entry(n, "x.lua", modules="[time]")
            for n in ("one", "two", "three", "kept")]
        self.manifest(one, two, kept, x=FOREVER)
        p = self.start()
        self.until(p, "one: up", "two: up", "kept: up")
        changed = two.replace("[time]", "[time, json]")
        self.write("m.yaml", HEAD + three + changed + kept)
        self.reload(p, "1 started, 1 stopped, 1 restarted, 1 go on")
        self.assertEqual(sorted(self.until(p, "three: up", "two: up")),
                         ["three: up\n", "two: up\n"])
        self.write("x.lua", FOREVER.replace("up", "new"))
        self.reload(p, "0 started, 0 stopped, 3 restarted, 0 go on")
        self.until(p, "three: new", "two: new", "kept: new")
        # none is left: it ends well
        self.write("m.yaml", HEAD + entry("end"))
        self.write("end.lua", "")
        self.reload(p, "1 started, 3 stopped")
        p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 0)

    def test_mistakes_change_nothing(self):
        a = entry("a", modules="[time]")
        self.manifest(a, a=FOREVER)
        p = self.start()
        self.until(p, "a: up")
        self.write("m.yaml", HEAD + a.replace("modules", "modlues"))
        self.reload(p, "m.yaml:7:3: unknown key 'modlues'",
                    "reload: the old manifest and the old policies stay")
        os.unlink(os.path.join(self.folder, "m.yaml"))
        self.reload(p, "m.yaml: No such file", "stay in force")
        self.assertIsNone(p.poll())
        p.send_signal(signal.SIGTERM)
        out, _ = p.communicate(timeout=LIMIT_S)
        self.assertEqual((p.returncode, out), (143, ""))

    def test_replaced_before_it_is_started_again(self):
        """Its time comes in the turn in which the manifest is read again."""
        def attempt(scale):
            self.manifest(entry("a", modules="[time]",
                                lifecycle="{restart: {policy: always, "
                                          "initial_delay: %ds}}" % scale),
                          a="print 'old'\nerror 'x'")
            p = self.start()
            self.until(p, "a: old")
            while "is started again in %d s" % scale not in (
                    p.stderr.readline()):
                pass
            # unless it is that late already
            os.kill(p.pid, signal.SIGSTOP)
            self.write("a.lua", FOREVER.replace("up", "new"))
            os.kill(p.pid, signal.SIGHUP)
            time.sleep(scale + 0.1)
            os.kill(p.pid, signal.SIGCONT)
            self.assertEqual(self.until(p, "a: new"), ["a: new\n"])
        patiently(attempt)

    def test_replaced_twice(self):
        """The third begins when the first has ended, and not when the second
        is dropped, which never began."""
        self.manifest(entry("a", modules="[time]"), a=FOREVER)
        p = self.start("--format", "json")
        out = ""
        while '"up"' not in out:
            out += p.stdout.readline()
        pids = processes_of(p.pid)
        workers = [pid for pid in pids if int(field(pid, "PPid")) in pids]
        if len(workers) != 1:
            self.skipTest("the worker's pid cannot be told here")
        os.kill(workers[0], signal.SIGSTOP)  # it does not end when it is told
        for word in ("two", "three"):
            self.write("a.lua", FOREVER.replace("up", word))
            self.reload(p, "1 restarted")
        while '"three"' not in out:
            out += p.stdout.readline()
        self.assertEqual([json.loads(line)["event"]
                          for line in out.splitlines()],
                         ["started", "output", "reloaded", "reloaded",
                          "exited", "started", "output"])

    def test_gone_and_back(self):
        """It begins when the run of before has ended, as if it had not been
        away."""
        idle = entry("idle", lifecycle="{auto_start: false}")
        a = entry("a", modules="[time]")
        self.manifest(a, idle, a=FOREVER, idle="")
        p = self.start("--format", "json")
        out = ""
        while '"up"' not in out:
            out += p.stdout.readline()
        pids = processes_of(p.pid)
        workers = [pid for pid in pids if int(field(pid, "PPid")) in pids]
        if len(workers) != 1:
            self.skipTest("the worker's pid cannot be told here")
        os.kill(workers[0], signal.SIGSTOP)  # it does not end when it is told
        self.write("m.yaml", HEAD + idle)
        self.reload(p, "1 stopped")
        self.write("m.yaml", HEAD + a + idle)
        self.reload(p, "1 started")
        while out.count('"up"') < 2:
            out += p.stdout.readline()
        self.assertEqual([json.loads(line)["event"]
                          for line in out.splitlines()],
                         ["started", "output", "reloaded", "reloaded",
                          "exited", "started", "output"])

    def test_what_has_ended_stays_so(self):
        wait = entry("wait", modules="[time]")
        self.manifest(entry("a"), wait, a="print 'once'", wait=FOREVER)
        p = self.start()
        self.until(p, "a: once", "wait: up")
        self.reload(p, "2 go on")
        p.send_signal(signal.SIGTERM)
        out, _ = p.communicate(timeout=LIMIT_S)
        self.assertEqual(out, "")


class Told(Manifest):
    def events(self, out):
        import jsonschema
        with open(os.path.join(TOP, "doc", "run.schema.json")) as f:
            schema = json.load(f)
        jsonschema.Draft7Validator.check_schema(schema)
        found = [json.loads(line) for line in out.splitlines()]
        for event in found:
            jsonschema.validate(event, schema)
        return found


class Events(Told):
    def test_life(self):
        self.manifest(
            entry("a", lifecycle="{restart: {policy: on-failure, "
                                 "initial_delay: 1ms, max_attempts: 1}}"),
            a="print 'x\\ny \\xff'\nerror 'no'")
        out, _ = self.run_it(1, "--format", "json")
        found = self.events(out)
        self.assertEqual(
            [e["event"] for e in found],
            ["started", "output", "output", "exited", "restarting",
             "started", "output", "output", "exited", "gave_up"])
        self.assertEqual([e["text"] for e in found if "text" in e][:2],
                         ["x", "y \ufffd"])
        self.assertEqual(found[3]["status"], 1)
        self.assertIn("no", found[3]["message"])
        self.assertEqual(found[3]["line"], 2)
        self.assertEqual([e["run"] for e in found if "run" in e], [1, 2])

    def test_refusals_stops_and_reloads(self):
        self.manifest(
            entry("a", modules="[time, websocket]",
                  lifecycle="{security: {actor: {id: a}}}"),
            a="require('websocket').connect('ws://localhost:1/x?t=secret')\n" +
              FOREVER)
        p = self.start("--format", "json")
        out = ""
        while '"up"' not in out:
            out += p.stdout.readline()
        p.send_signal(signal.SIGHUP)
        while '"reloaded"' not in out:
            out += p.stdout.readline()
        p.send_signal(signal.SIGINT)
        out += p.communicate(timeout=LIMIT_S)[0]
        found = self.events(out)
        self.assertEqual([e["event"] for e in found],
                         ["started", "denied", "output", "reloaded",
                          "stopping", "exited"])
        self.assertEqual(found[1]["action"], "websocket.connect")
        self.assertNotIn("secret", out)
        self.assertTrue(found[-1]["cancelled"])

    def test_connections(self):
        server = subprocess.Popen(
            [os.path.join(os.path.dirname(CORDON), "examples", "echo-server")],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.kill)
        port = re.search(r":(\d+)$", server.stdout.readline().strip())[1]
        self.manifest(
            entry("a", modules="[websocket]",
                  lifecycle="{security: {actor: {id: a}, groups: [net]}}"),
            Security.POLICY,
            a="local c = assert(require('websocket').connect("
              "'ws://localhost:%s/x?t=secret'))\n"
              "for i = 1, 3 do c:send 'x' end c:ping()\n"
              "for i = 1, 2 do c:receive():receive() end c:close()" % port)
        for isolation in ("process", "inprocess"):
            out, _ = self.run_it(0, "--format", "json",
                                 "--isolation", isolation)
            usage = self.events(out)[-1]["usage"]
            self.assertEqual(usage["sent"], 3)
            self.assertIn(usage["received"], (2, 3, 4))  # with the pong
        found = self.events(out)
        opened = [e for e in found if e["event"] == "opened"]
        closed = [e for e in found if e["event"] == "closed"]
        self.assertEqual(opened[0]["url"], "ws://localhost:%s/x" % port)
        self.assertEqual(closed[0]["code"], 1000)

    def test_usage(self):
        self.manifest(entry("a"), a="")
        self.run_it(2, "--format", "xml")
        self.run_it(2, "--format", "json", "--audit", "-")
        self.run_it(2, "--format", "json", name="a.lua")



class Rules(Told):
    """Sentences of cordon-manifest(5), by the events that they promise."""

    def run_events(self, status, *options):
        out, err = self.run_it(status, "--format", "json", *options)
        return self.events(out), err

    def read_until(self, p, wanted):
        found = []
        while not found or not wanted(found):
            line = p.stdout.readline()
            self.assertTrue(line, found)
            found.append(json.loads(line))
        return found

    def order(self, found, event):
        return [e["workload"] for e in found if e["event"] == event]

    def test_order_of_starts_and_stops(self):
        time = {"modules": "[time]"}
        self.manifest(
            entry("c", "x.lua", lifecycle="{depends_on: [b, a]}", **time),
            entry("b", "x.lua", lifecycle="{depends_on: [a]}", **time),
            entry("off", "x.lua", lifecycle="{auto_start: false}", **time),
            entry("a", "x.lua", lifecycle="{auto_start: false}", **time),
            x=FOREVER)
        p = self.start("--format", "json")
        found = self.read_until(
            p, lambda f: len(self.order(f, "output")) == 3)
        self.assertEqual(self.order(found, "started"), ["a", "b", "c"])
        p.send_signal(signal.SIGTERM)
        out, _ = p.communicate(timeout=LIMIT_S)
        found = self.events(out)
        self.assertEqual(self.order(found, "exited"), ["c", "b", "a"])
        self.assertTrue(all(e["cancelled"] for e in found
                            if e["event"] == "exited"))

    def delays(self, found):
        return [e["delay_ms"] for e in found if e["event"] == "restarting"]

    def test_delays_grow_to_their_bound(self):
        self.manifest(entry("a", lifecycle="{restart: {policy: on-failure, "
                            "initial_delay: 1ms, max_delay: 3ms, "
                            "max_attempts: 4}}"), a="error 'no'")
        found, _ = self.run_events(1)
        self.assertEqual(self.delays(found), [1, 2, 3, 3])
        self.assertEqual(found[-1]["event"], "gave_up")
        self.assertEqual(found[-1]["failures"], 5)

    def test_a_stable_run_begins_the_row_anew(self):
        for threshold, stable in (("1ms", True), ("1h", False)):
            self.manifest(
                entry("a", modules="[time]",
                      lifecycle="{restart: {policy: on-failure, "
                                "initial_delay: 1ms, max_attempts: 1}, "
                                "stable_threshold: %s}" % threshold),
                a="require('time').sleep('5ms')\nerror 'no'")
            if not stable:
                found, _ = self.run_events(1)
                self.assertEqual(found[-1]["event"], "gave_up")
                continue
            p = self.start("--format", "json")
            found = self.read_until(
                p, lambda f: len(self.order(f, "started")) == 5)
            self.assertEqual(self.delays(found), [1, 1, 1, 1])
            p.send_signal(signal.SIGTERM)
            p.communicate(timeout=LIMIT_S)

    def test_no_end_of_attempts(self):
        self.manifest(entry("a", lifecycle="{restart: {policy: on-failure, "
                            "initial_delay: 1ms, max_delay: 1ms, "
                            "max_attempts: 0}}"), a="error 'no'")
        p = self.start("--format", "json")
        self.read_until(p, lambda f: len(self.order(f, "started")) == 9)
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 143)

    def test_complain_mode(self):
        self.manifest(
            entry("a", modules="[websocket]",
                  lifecycle="{security: {actor: {id: a}, policies: [other]}}"),
            Security.POLICY.replace("name: local", "name: other").replace(
                "ws://localhost:*", "ws://other.example:1/"),
            a="print(require('websocket').connect('ws://localhost:1/'))")
        found, err = self.run_events(0, "--mode", "complain")
        self.assertIn("complain mode: what no policy allows is let through",
                      err)
        self.assertRegex(err, "complain mode: [1-9][0-9]* request.* let "
                              "through that no policy allows")
        self.assertTrue(all(e["passes"] for e in found
                            if e["event"] == "denied"))
        self.assertIn("denied", [e["event"] for e in found])

    def silent_server(self):
        """Opens WebSockets and never answers a close frame; its port."""
        import base64
        import hashlib
        import socket
        import threading
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        held = []

        def serve():
            try:
                c, _ = listener.accept()
            except OSError:
                return
            held.append(c)
            head = b""
            while b"\r\n\r\n" not in head:
                head += c.recv(4096)
            key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)[1]
            answer = base64.b64encode(hashlib.sha1(
                key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            c.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"
                      b"Connection: Upgrade\r\nSec-WebSocket-Accept: " +
                      answer + b"\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(lambda: [c.close() for c in held])
        return listener.getsockname()[1]

    def talker(self, port):
        self.manifest(
            entry("a", modules="[websocket, time]",
                  lifecycle="{security: {actor: {id: a}, groups: [net]}}"),
            Security.POLICY.replace("localhost", "127.0.0.1"),
            a="local c = assert(require('websocket').connect("
              "'ws://127.0.0.1:%d/'))\n" % port + FOREVER)

    def test_grace(self):
        """Nobody waits longer for a peer that never says goodbye."""
        self.talker(self.silent_server())
        p = self.start("--grace", "1ms")
        self.until(p, "a: up")
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 130)
        self.assertTrue(err.endswith("cordon: stopped by SIGINT\n"), err)

    def test_grace_is_cut_off(self):
        """Who is still there behind it is killed, and told."""
        # b is not asked to end before a has, which says goodbye to nobody
        self.manifest(
            entry("b", modules="[time]"),
            entry("a", modules="[websocket, time]",
                  lifecycle="{depends_on: [b], "
                            "security: {actor: {id: a}, groups: [net]}}"),
            Security.POLICY.replace("localhost", "127.0.0.1"),
            a="local c = assert(require('websocket').connect("
              "'ws://127.0.0.1:%d/'))\n" % self.silent_server() + FOREVER,
            b="print 'up'\nwhile true do require('time').sleep('1ms') end")
        p = self.start("--format", "json", "--grace", "50ms")
        found = self.read_until(
            p, lambda f: len([e for e in f if e.get("text") == "up"]) == 2)
        p.send_signal(signal.SIGTERM)
        out, err = p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 143)
        self.assertEqual(err, "cordon: b: has not ended in time and is cut "
                              "off\ncordon: stopped by SIGTERM\n")
        found = self.events(out)
        ends = {e["workload"]: e for e in found if e["event"] == "exited"}
        self.assertEqual(ends["a"]["status"], 0)
        self.assertTrue(ends["a"]["cancelled"])
        self.assertNotIn("message", ends["a"])
        self.assertEqual(ends["b"]["status"], 1)
        self.assertTrue(ends["b"]["cancelled"])
        self.assertEqual(ends["b"]["message"],
                         "has not ended in time and is cut off")
        self.assertGreater(ends["b"]["usage"]["wall_ns"], 0)

    def test_kinds_of_errors(self):
        def fails(what):
            return "local errors = require 'errors'\n" + what
        self.manifest(
            *(entry(n, modules="[errors, time]") for n in "abcd"),
            a=fails("error(errors.new{message = 'x', kind = errors.TIMEOUT})"),
            b=fails("return nil, errors.new{message = 'x', kind = 'a\\n\"'}"),
            c=fails("error(errors.new 'x')"), d="error 'x'")
        found, _ = self.run_events(1)
        kinds = {e["workload"]: e.get("kind") for e in found
                 if e["event"] == "exited"}
        self.assertEqual(kinds, {"a": "Timeout", "b": 'a\\n"', "c": None,
                                 "d": None})

    def test_a_second_signal_does_not_wait(self):
        self.talker(self.silent_server())
        p = self.start("--format", "json", "--grace", "1h")
        self.read_until(p, lambda f: f[-1].get("text") == "up")
        p.send_signal(signal.SIGTERM)
        self.read_until(p, lambda f: f[-1]["event"] == "stopping")
        p.send_signal(signal.SIGTERM)
        _, err = p.communicate(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 143)
        self.assertNotIn("stopped by", err)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
