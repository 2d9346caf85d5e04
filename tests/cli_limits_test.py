#!/usr/bin/python3
"""The table of limits: what is over one ends as the table says, in every level
of isolation, and is told which limit it was and how much was used."""

import os
import re
import subprocess
import tempfile
import unittest

from patience import LIMIT_S

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORDON = os.path.abspath(
    os.environ.get("CORDON") or os.path.join(TOP, "build", "cordon"))
LEVELS = ("inprocess", "process")

SPIN = "while true do end"
FILL = "local t = {} for i = 1, 1e9 do t[i] = {} end"
SLEEP = "require 'time'.sleep '1h'"
# Quadratic in the compiler: every block looks at all jumps that wait.
GOTOS = "do goto e end\n" * 32000 + "::e::\nprint 'compiled'"

# name, options, script, status, on stdout, on stderr (patterns, each a part)
STOPS = (
    ("memory, default", [], FILL, 11, "",
     r"stopped: memory limit of 64 MiB reached, 6[0-4]\.\d MiB used at the"),
    ("memory", ["--memory", "2MiB"], FILL, 11, "",
     r"stopped: memory limit of 2 MiB reached, [12]\.\d MiB used at the"),
    ("memory, caught once", ["--memory", "2MiB"],
     "print(pcall(function() %s end)) print(pcall(function() %s end))\n"
     "print 'survived'" % (FILL, FILL), 11,
     r"^false\tnot enough memory\n$",
     r"stopped: memory limit of 2 MiB reached"),
    ("memory, of one text", ["--memory", "2MiB"],
     "print(pcall(string.rep, 'x', 1 << 24)) local s = ('x'):rep(1 << 24)",
     11, r"^false\tnot enough memory\n$", "memory limit of 2 MiB reached"),
    ("memory, outside of Lua", ["--memory", "2MiB"],
     "local all = {}\n"
     "for i = 1, 1e6 do all[i] = channel.new(1) end", 11, "",
     r"stopped: memory limit of 2 MiB reached"),
    ("CPU", ["--cpu", "50ms"], SPIN, 10, "",
     r"stopped: CPU limit of 50 ms reached, [\d.]+ m?s used"),
    ("CPU, all tasks", ["--cpu", "50ms"],
     "for _ = 1, 10 do coroutine.spawn(function() %s end) end %s" % (
         SPIN, SLEEP), 10, "", "CPU limit of 50 ms reached"),
    ("CPU, compiling", ["--cpu", "20ms"], GOTOS, 10, "^$",
     r"stopped: CPU limit of 20 ms reached, [\d.]+ m?s used"),
    ("CPU, compiling a module", ["--cpu", "20ms"], "require 'gotos'", 10, "^$",
     r"stopped: CPU limit of 20 ms reached, [\d.]+ m?s used"),
    ("CPU, caught", ["--cpu", "50ms"],
     "while true do pcall(function() %s end) end" % SPIN, 10, "",
     "CPU limit of 50 ms reached"),
    ("deadline, waiting", ["--deadline", "50ms"], SLEEP, 12, "",
     r"stopped: deadline of 50 ms passed, after [\d.]+ m?s"),
    ("deadline, spinning", ["--deadline", "50ms"], SPIN, 12, "",
     r"stopped: deadline of 50 ms passed, after [\d.]+ m?s"),
    ("output, default", [],
     "local s = ('x'):rep((1 << 20) - 1)\n"
     "for _ = 1, 64 do print(s) end\nprint 'x'", 13, "",
     r"stopped: output limit of 64 MiB reached, 64 MiB printed"),
    ("output", ["--max-output", "10B"],
     "print '123456789' pcall(print, '') print 'survived'", 13,
     r"^123456789\n$", r"stopped: output limit of 10 bytes reached, 10 bytes printed"),
)

# name, options, script that succeeds, what it prints
RAISED = (
    ("tasks", ["--max-tasks", "5"],
     "local n, ok, e = 0\n"
     "repeat ok, e = pcall(coroutine.spawn, function() %s end)\n"
     "  n = n + (ok and 1 or 0) until not ok\nprint(n, e)" % SLEEP,
     "4\ttoo many tasks: 5 tasks and coroutines are alive, which is the "
     "limit\n"),
    ("coroutines", ["--max-tasks", "5"],
     "local all, ok, e = {}\n"
     "repeat ok, e = pcall(coroutine.wrap, print)\n"
     "  all[#all + 1] = ok and e or nil until not ok\nprint(#all, e)",
     "4\ttoo many coroutines: 5 tasks and coroutines are alive, which is the "
     "limit\n"),
    ("timers, default", [],
     "local time, all, t, e = require 'time', {}\n"
     "repeat t, e = time.timer '1h'; all[#all + 1] = t until not t\n"
     "print(#all, e:kind(), e:retryable())",
     "10000\tRateLimited\ttrue\n"),
    ("timers", ["--max-timers", "3"],
     "local time, all, t, e = require 'time', {}\n"
     "repeat t, e = time.timer '1h'; all[#all + 1] = t until not t\n"
     "print(#all, e:kind(), e:retryable())",
     "3\tRateLimited\ttrue\n"),
)


class Limits(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cordon-limits-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.write("gotos.lua", GOTOS)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)

    def run_script(self, level, options, script):
        self.write("x.lua", script)
        done = subprocess.run(
            [CORDON, "run", "--isolation", level, *options, "x.lua"],
            cwd=self.folder, stdin=subprocess.DEVNULL, timeout=LIMIT_S,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return (done.returncode, done.stdout.decode("utf-8", "replace"),
                done.stderr.decode("utf-8", "replace"))

    def test_stopped(self):
        for level in LEVELS:
            for name, options, script, status, out, err in STOPS:
                with self.subTest(name, level=level):
                    got = self.run_script(level, options, script)
                    shown = (got[0], got[1][-500:], got[2][-2000:])
                    self.assertEqual(got[0], status, shown)
                    self.assertRegex(got[2], err, shown)
                    self.assertIsNotNone(re.search(out, got[1]), shown)
                    self.assertNotIn("survived", got[1])

    def test_raised(self):
        for level in LEVELS:
            for name, options, script, out in RAISED:
                with self.subTest(name, level=level):
                    status, got, err = self.run_script(level, options, script)
                    self.assertEqual((status, got), (0, out), err)

    def test_source_text(self):
        """As long as may be, and a byte more; in modules too."""
        for level in LEVELS:
            for more, status in ((0, 0), (1, 3)):
                with self.subTest(more=more, level=level):
                    text = "--" + "x" * ((1 << 20) - 2 + more)
                    got = self.run_script(level, [], text)
                    self.assertEqual(got[0], status, got)
                    if more:
                        self.assertIn("larger than 1 MiB", got[2])
                    self.write("long.lua", text)
                    got = self.run_script(level, [], "require 'long'")
                    self.assertEqual(got[0], 1 if more else 0, got)
                    if more:
                        self.assertIn("1048577 bytes, at most 1048576 are "
                                      "allowed", got[2])


if __name__ == "__main__":
    unittest.main()
