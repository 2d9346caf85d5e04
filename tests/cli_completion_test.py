#!/usr/bin/python3
"""What shells complete, in the shells themselves: bash always, zsh and fish
where they are installed.  What they complete by is what this program prints."""

import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest

from patience import LIMIT_S

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("top_builddir") or os.path.join(TOP, "build")
CORDON = os.environ.get("CORDON") or os.path.join(BUILD, "cordon")
ESCAPES = re.compile(r"\x1b\[[0-9;?>=]*[a-zA-Z]|\x1b[=>]|[\x07\r]|"
                     r"\x1b\][^\x07]*\x07")

# (typed, what stands there after a tab): in every shell
TYPED = [
    ("cordon ch", "cordon check "),
    ("cordon help exp", "cordon help explain "),
    ("cordon run --mem", "cordon run --memory"),
    ("cordon run --dr", "cordon run --dry-run "),
    ("cordon check --format j", "cordon check --format json "),
    ("cordon test --format=ju", "cordon test --format=junit "),
    ("cordon run --isolation in", "cordon run --isolation inprocess "),
    ("cordon run -p my", "cordon run -p my\\ policy.yaml "),
    ("cordon fmt my", "cordon fmt my\\ policy.yaml "),
    ("cordon run --format j", "cordon run --format json "),
    ("cordon check --explain network-", "cordon check --explain "
     "network-too-wide "),
    ("cordon run -q x.lua my", "cordon run -q x.lua my\\ policy.yaml "),
    ("cordon run -q --memory 1MiB --cpu=1s --mod",
     "cordon run -q --memory 1MiB --cpu=1s --mode"),
]

# Behind a script nothing is an option of ours: (words, what comes of the last)
WORDS = [
    (["run", "x.lua", "--mem"], []),
    (["run", "-", "--mem"], []),
    (["run", "-q", "--cpu", "1s", "x.lua", "-"], []),
    (["run", "--memory", "=", "1MiB", "x.lua", "--cp"], []),
    (["run", "--cpu", "1s", "--mem"], ["--memory"]),
    (["run", "--cpu", "=", "1s", "-q", "--mem"], ["--memory"]),
    (["run", "-p", "my policy.yaml", "--mem"], ["--memory"]),
    (["check", "my policy.yaml", "--fix"], ["--fix"]),
]


class Terminal:
    """A shell that believes that somebody types."""

    def __init__(self, command, folder, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, env)
        self.seen = ""

    def send(self, text):
        self.seen = ""
        os.write(self.fd, text.encode())

    def wait_for(self, text, seconds=LIMIT_S):
        """Reads until |text| is there; False when it does not come."""
        end = time.monotonic() + seconds
        while text not in ESCAPES.sub("", self.seen):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return False
            try:
                self.seen += os.read(self.fd, 4096).decode("utf-8", "replace")
            except OSError:
                return False
        return True

    def close(self):
        os.close(self.fd)
        try:
            os.kill(self.pid, 9)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)


class Completion(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cordon-completion-")
        self.addCleanup(shutil.rmtree, self.folder)
        with open(os.path.join(self.folder, "my policy.yaml"), "w"):
            pass
        self.env = {"HOME": self.folder, "TERM": "xterm", "LC_ALL": "C.UTF-8",
                    "PATH": os.environ["PATH"], "INPUTRC": "/dev/null",
                    "COLUMNS": "200", "PS1": "ready> "}

    def script(self, shell, name):
        """A file with what the program prints for |shell|."""
        done = subprocess.run([CORDON, "help", "--completion", shell],
                              stdout=subprocess.PIPE, check=True)
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(done.stdout)
        return path

    def type_all(self, terminal, typed):
        for text, want in typed:
            with self.subTest(typed=text):
                terminal.send(text + "\t")
                self.assertTrue(terminal.wait_for(want), terminal.seen)
                terminal.send("\x15\n")
                self.assertTrue(terminal.wait_for("ready> "), terminal.seen)

    def test_bash(self):
        path = self.script("bash", "c")
        done = subprocess.run(["bash", "-n", path], stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        terminal = Terminal(["bash", "--norc", "--noprofile", "-i"],
                            self.folder, self.env)
        self.addCleanup(terminal.close)
        self.assertTrue(terminal.wait_for("ready> "), terminal.seen)
        terminal.send(". ./c\n")
        self.assertTrue(terminal.wait_for("ready> "), terminal.seen)
        self.type_all(terminal, TYPED)
        for words, want in WORDS:
            with self.subTest(words=words):
                done = subprocess.run(
                    ["bash", "--norc", "-c", ". ./c; shift; "
                     "COMP_WORDS=(cordon \"$@\"); COMP_CWORD=$#; _cordon; "
                     "printf '%s\\n' \"${COMPREPLY[@]}\"", "bash", "-", *words],
                    cwd=self.folder, stdout=subprocess.PIPE, text=True)
                self.assertEqual(done.stdout.split(), want)

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh(self):
        path = self.script("zsh", "_cordon")
        done = subprocess.run(["zsh", "-f", "-n", path],
                              stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        terminal = Terminal(["zsh", "-f", "-i"], self.folder, self.env)
        self.addCleanup(terminal.close)
        terminal.send("fpath=($PWD $fpath); autoload -Uz compinit; "
                      "compinit -u -D; cordon() { :; }; PS1='rea''dy> '\n")
        self.assertTrue(terminal.wait_for("ready> "), terminal.seen)
        self.type_all(terminal, TYPED)

    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_fish(self):
        path = self.script("fish", "cordon.fish")
        for text, want in TYPED:
            word = want.split("cordon", 1)[1].replace("\\ ", "\0").split()[-1]
            with self.subTest(typed=text):
                done = subprocess.run(
                    ["fish", "--no-config", "-c",
                     "source %s; complete -C'%s'" % (path, text)],
                    cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.assertEqual(done.stderr, b"")
                words = [line.split("\t")[0] for line in
                         done.stdout.decode().splitlines()]
                self.assertIn(word.replace("\0", " "), words)
        for words, want in WORDS:
            text = "cordon " + " ".join(
                w.replace(" ", "\\ ") for w in words).replace(" = ", "=")
            with self.subTest(typed=text):
                done = subprocess.run(
                    ["fish", "--no-config", "-c",
                     "source %s; complete -C'%s'" % (path, text)],
                    cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.assertEqual(done.stderr, b"")
                self.assertEqual([line.split("\t")[0] for line in
                                  done.stdout.decode().splitlines()], want)

    def test_usage(self):
        for arguments, words in (
                (["--completion", "tcsh"], b"unknown shell 'tcsh'"),
                (["--completion"], b"--completion=bash|zsh|fish"),
                (["run", "--completion", "bash"], b"for all commands")):
            done = subprocess.run([CORDON, "help", *arguments],
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            self.assertEqual((done.returncode, done.stdout), (2, b""))
            self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
