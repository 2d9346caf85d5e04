#!/usr/bin/python3
"""The status line of cordon run MANIFEST: seen on a terminal, and only there."""

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

from patience import LIMIT_S

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORDON = os.environ.get("CORDON") or os.path.join(TOP, "build", "cordon")

HEAD = 'version: "1.0"\nnamespace: app\nentries:\n'
NET = ("- name: local\n  kind: security.policy\n  policy:\n"
       "    effect: allow\n    rules:\n"
       "    - {action: websocket.connect}\n"
       "    - {action: websocket.connect.url, resource: 'ws://localhost:*'}\n"
       "  groups: [net]\n")


def entry(name, **more):
    text = ("- name: %s\n  kind: process.lua\n  source: file://%s.lua\n"
            "  modules: [time, websocket]\n" % (name, name))
    for key, value in more.items():
        text += "  %s: %s\n" % (key, value)
    return text


class Screen:
    """What a terminal shows of the bytes it is sent."""

    def __init__(self, columns):
        self.columns = columns
        self.lines, self.column = [""], 0
        self.raw = self.rest = b""
        self.moments = []  # the last line, each time that one was whole

    def feed(self, data):
        self.raw += data
        # what a read has cut in two waits for its end
        data = self.rest + data
        whole = data[:len(data) - len(re.search(
            rb"(\033\[?|[\xc0-\xff][\x80-\xbf]*)?$", data)[0])]
        self.rest = data[len(whole):]
        text = whole.decode()
        while text:
            if text.startswith("\033[K"):
                self.lines[-1] = self.lines[-1][:self.column]
                self.moments.append(self.lines[-1])
                text = text[3:]
                continue
            c, text = text[0], text[1:]
            if c == "\r":
                self.column = 0
            elif c == "\n":
                self.lines.append("")
                self.column = 0
            else:
                c = " " if c == "\t" else c
                assert c >= " ", repr(c)
                line = self.lines[-1].ljust(self.column)
                self.lines[-1] = (line[:self.column] + c +
                                  line[self.column + 1:])
                self.column += 1
                assert self.column < self.columns, self.lines[-1]


class Status(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cordon-status-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)

    def manifest(self, *entries, **scripts):
        self.write("m.yaml", HEAD + "".join(entries))
        for name, text in scripts.items():
            self.write(name + ".lua", text)

    def start(self, *options, columns=200, stdout=True, term="xterm"):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, columns, 0, 0))
        self.screen = Screen(columns)
        self.master = master
        p = subprocess.Popen(
            [CORDON, "run", *options, "m.yaml"], stdin=subprocess.DEVNULL,
            stdout=slave if stdout else subprocess.PIPE, stderr=slave,
            cwd=self.folder, env=dict(os.environ, TERM=term))
        os.close(slave)
        self.addCleanup(self.end, p)
        return p

    def end(self, p):
        if p.poll() is None:
            p.kill()
        p.wait()
        if p.stdout:
            p.stdout.close()

    def read(self):
        """False: nobody writes any more."""
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.screen.feed(data)
        return bool(data)

    def until(self, wanted):
        end = time.monotonic() + LIMIT_S
        while not wanted(self.screen):
            left = end - time.monotonic()
            self.assertGreater(left, 0, self.screen.lines)
            if select.select([self.master], [], [], left)[0]:
                self.assertTrue(self.read(), self.screen.lines)

    def finish(self, p, number=signal.SIGTERM):
        p.send_signal(number)
        while self.read():
            pass
        p.wait(timeout=LIMIT_S)
        self.assertEqual(p.returncode, 128 + number)

    def test_counts(self):
        server = subprocess.Popen(
            [os.path.join(os.path.dirname(CORDON), "examples", "echo-server")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.kill)
        port = re.search(r":(\d+)$", server.stdout.readline().strip())[1]
        self.manifest(
            entry("talks",
                  lifecycle="{security: {actor: {id: a}, groups: [net]}}"),
            entry("denied"),
            entry("fails", lifecycle="{restart: {policy: on-failure, "
                  "initial_delay: 1ms, max_attempts: 1}}"), NET,
            talks="local c = assert(require('websocket').connect("
                  "'ws://localhost:%s/'))\n"
                  "for i = 1, 3 do c:send('x') c:receive():receive() end\n"
                  "print 'talked'\nrequire('time').sleep('1h')" % port,
            denied="require('websocket').connect('ws://localhost:1/')\n"
                   "require('time').sleep('1h')",
            fails="error 'no'")
        for isolation in ("process", "inprocess"):
            with self.subTest(isolation=isolation):
                p = self.start("--isolation", isolation)
                self.until(lambda s: s.lines[-1] == (
                    "2 running, 1 connection, 6 messages, 1 denied, "
                    "1 restart"))
                self.finish(p)
                # and it has left nothing behind
                for line in self.screen.lines:
                    self.assertNotIn("running", line)
                self.assertEqual(self.screen.lines[-2:],
                                 ["cordon: stopped by SIGTERM", ""])

    def test_below_what_scripts_print(self):
        self.manifest(
            entry("a"),
            a="local t = require 'time'\nt.sleep('150ms')\n"
              "for i = 1, 30 do print(i) if i % 10 == 0 then\n"
              "  t.sleep('150ms') end end\n"
              "print '\\27[31mred\\27[K\\r'\nt.sleep('1h')")
        p = self.start()
        self.until(lambda s: any("red" in line for line in s.lines) and
                   s.lines[-1].startswith("1 running"))
        lines = self.screen.lines
        self.assertEqual(lines[:30], ["a: %d" % i for i in range(1, 31)])
        self.assertEqual(lines[30], "a: \\x1b[31mred\\x1b[K\\r")
        self.assertEqual(len(lines), 32)
        # nothing of a script gets through, and no other sequence is used
        self.assertEqual(self.screen.raw.count(b"\033"),
                         self.screen.raw.count(b"\033[K"))
        self.assertIn("1 running, 0 connections, 0 messages, 0 denied, "
                      "0 restarts", self.screen.moments)
        self.finish(p)

    def test_no_wider_than_the_terminal(self):
        self.manifest(entry("a"), a="require('time').sleep('1h')")
        for columns in (20, 2):
            p = self.start(columns=columns)
            want = "1 running, 0 connections"[:columns - 1]
            self.until(lambda s: s.lines[-1] == want)
            p.kill()
            p.wait()

    def test_only_where_it_is_wanted(self):
        self.manifest(entry("a"), a="local t = require 'time'\n"
                                    "for i = 1, 3 do print(i) "
                                    "t.sleep('150ms') end")
        for options, how in ((["-q"], {}), (["--format", "json"], {}),
                             ([], {"term": "dumb"}), ([], {"term": ""})):
            with self.subTest(options=options, how=how):
                p = self.start(*options, columns=10000, **how)
                while self.read():
                    pass
                self.assertEqual(p.wait(timeout=LIMIT_S), 0)
                self.assertNotIn(b"running", self.screen.raw)
                self.assertNotIn(b"\033", self.screen.raw)
        p = subprocess.run([CORDON, "run", "m.yaml"], cwd=self.folder,
                           capture_output=True, timeout=LIMIT_S,
                           env=dict(os.environ, TERM="xterm"))
        self.assertEqual((p.stdout, p.stderr), (b"a: 1\na: 2\na: 3\n", b""))

    def test_output_elsewhere_does_not_disturb_it(self):
        self.manifest(entry("a"), a="local t = require 'time'\n"
                      "t.sleep('150ms')\nprint 'x'\nt.sleep('1h')")
        p = self.start(stdout=False)
        self.until(lambda s: s.lines[-1].startswith("1 running"))
        self.assertEqual(p.stdout.readline(), b"a: x\n")
        self.assertEqual(len(self.screen.moments), 1)
        self.finish(p)

    def test_a_terminal_that_was_stopped(self):
        """Ctrl-S holds up no script as long as it says nothing."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        self.manifest(
            entry("a"), entry("b", lifecycle="{security: {actor: {id: b}, "
                              "groups: [net]}}"), NET,
            a="local t = require 'time'\n"
              "while true do print 'x' t.sleep('20ms') end",
            b="require('websocket').connect('ws://localhost:%d/',\n"
              "  {dial_timeout = '1h'})\nprint 'end'" %
              server.getsockname()[1])
        p = self.start(stdout=False)
        self.until(lambda s: s.lines[-1].startswith("2 running"))
        os.write(self.master, b"\x13")
        server.accept()[0].close()  # which ends b
        while p.stdout.readline() != b"b: end\n":
            pass
        for _ in range(20):  # it is one less now, and that cannot be shown
            self.assertEqual(p.stdout.readline(), b"a: x\n")
        self.assertTrue(self.screen.lines[-1].startswith("2 running"))
        os.write(self.master, b"\x11")
        self.until(lambda s: s.lines[-1].startswith("1 running"))
        p.stdout.close()
        while self.read():
            pass
        self.assertEqual(p.wait(timeout=LIMIT_S), 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
