#!/usr/bin/python3
"""A worker that is killed, stopped or orphaned costs its own script, no more."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from patience import LIMIT_S, patiently

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORDON = os.environ.get("CORDON") or os.path.join(TOP, "build", "cordon")

WAITS = """
local time = require "time"
print "up"
time.sleep("1m")
"""

SPINS = """
print "up"
while true do end
"""


def field(pid, name):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].strip()
    return ""


def processes_of(pid):
    """Pids that |pid| holds descriptors of: its helper program and workers."""
    found = set()
    folder = "/proc/%d/fdinfo" % pid
    for name in os.listdir(folder):
        try:
            with open(os.path.join(folder, name)) as f:
                text = f.read()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith("Pid:") and int(line.split()[1]) > 0:
                found.add(int(line.split()[1]))
    return found


class Worker(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cordon-worker-")
        self.addCleanup(folder.cleanup)
        self.script = os.path.join(folder.name, "x.lua")

    def start(self, text, *options):
        with open(self.script, "w") as f:
            f.write(text)
        process = subprocess.Popen(
            [CORDON, "run", "--isolation=process", *options, self.script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(self.reap, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        return process

    @staticmethod
    def reap(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def finish(self, process, status):
        try:
            _, err = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            self.fail("it hangs")
        self.assertEqual(process.returncode, status, err)
        return err.decode()

    def worker(self, process):
        """The pid of the one worker, which is a child of the other process."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            pids = processes_of(process.pid)
            for pid in pids:
                try:
                    if int(field(pid, "PPid")) in pids:
                        return pid
                except (OSError, ValueError):
                    continue
            time.sleep(0.01)
        self.skipTest("the worker's pid cannot be told here")

    def test_killed(self):
        for text in (WAITS, SPINS):
            process = self.start(text)
            os.kill(self.worker(process), signal.SIGKILL)
            err = self.finish(process, 21)
            self.assertIn("signal 9", err)

    def test_crashed(self):
        process = self.start(WAITS)
        os.kill(self.worker(process), signal.SIGSEGV)
        self.assertIn("signal 11", self.finish(process, 21))

    def test_helper_program_killed(self):
        process = self.start(WAITS)
        os.kill(int(field(self.worker(process), "PPid")), signal.SIGKILL)
        self.assertIn("worker process", self.finish(process, 21))

    def test_stopped_worker_is_canceled(self):
        process = self.start(SPINS)
        os.kill(self.worker(process), signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        self.finish(process, 128 + signal.SIGTERM)

    def test_stopped_worker_and_deadline(self):
        def attempt(scale):
            process = self.start(WAITS, "--deadline", "%dms" % (500 * scale))
            try:
                worker = self.worker(process)
                os.kill(worker, signal.SIGSTOP)
            except OSError:  # it is over already
                self.fail("the worker is gone")
            self.finish(process, 12)
        patiently(attempt)

    def test_few_descriptors(self):
        """A hard limit below what a worker may have is its limit, too."""
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as f:
            f.write('print "up"')
            f.flush()
            p = subprocess.run(
                ["sh", "-c", 'ulimit -n 60 && exec "$0" "$@"', CORDON, "run",
                 "--isolation=process", f.name],
                capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual((p.returncode, p.stdout), (0, "up\n"), p.stderr)

    def test_signals_to_the_group_are_the_host_s(self):
        """As a terminal sends them at Ctrl-C, or systemd to a whole unit."""
        for text in (WAITS, SPINS):
            for number in (signal.SIGINT, signal.SIGTERM):
                process = self.start(text)
                os.killpg(process.pid, signal.SIGHUP)
                self.assertIn(b"in force", process.stderr.readline())
                os.killpg(process.pid, number)
                self.assertEqual(self.finish(process, 128 + number),
                                 "cordon: stopped by %s\n" % number.name)

    def test_lower_limits_of_the_host(self):
        for n in 5, 100:
            out = subprocess.run(
                [CORDON, "run", "-"], input=b"print 'runs'",
                capture_output=True, timeout=LIMIT_S,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU,
                                                      (n, n)))
            self.assertEqual((out.returncode, out.stdout), (0, b"runs\n"),
                             out.stderr)

    def test_many_descriptors(self):
        """More connections than the system has room for are refused."""
        for n, status, says in ((1000, 2, "hard limit is 300"), (100, 0, "")):
            p = subprocess.run(
                ["sh", "-c", 'ulimit -n 300 && exec "$0" "$@"', CORDON, "run",
                 "--isolation=process", "--max-connections", str(n), "-"],
                input="", capture_output=True, text=True, timeout=LIMIT_S)
            self.assertEqual(p.returncode, status, p.stderr)
            self.assertIn(says, p.stderr)

    def test_dies_with_the_host(self):
        process = self.start(SPINS)
        worker = self.worker(process)
        process.kill()
        process.wait()
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            try:
                if field(worker, "State").startswith("Z"):
                    return
            except OSError:
                return
            time.sleep(0.02)
        self.fail("the worker outlives its host")


if __name__ == "__main__":
    if not os.access(CORDON, os.X_OK):
        sys.exit("%s is not built" % CORDON)
    unittest.main()
