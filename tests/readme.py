#!/usr/bin/python3
"""Does what README.md shows: writes its files, runs its commands.

A block after "<!-- test: file NAME -->" becomes a file; a block after
"<!-- test: run -->" holds commands behind "$ " with what they print, both
streams together.  "..." as a line stands for whatever follows.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("top_builddir") or os.path.join(TOP, "build")
BLOCK = re.compile(
    r"^<!-- test: (file|run) ?(.*?) -->\n```\w*\n(.*?)^```$", re.M | re.S)


class Readme(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cordon-readme-")
        self.addCleanup(shutil.rmtree, self.folder)
        with open(os.path.join(TOP, "README.md"), encoding="utf-8") as f:
            self.blocks = BLOCK.findall(f.read())

    def sh(self, command):
        env = dict(os.environ, PATH=BUILD + ":" + os.environ["PATH"])
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.folder, env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def commands(self, text):
        """[(command, lines it should print)]"""
        found = []
        for line in text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
        return found

    def test_blocks(self):
        ran = 0
        for kind, name, text in self.blocks:
            if kind == "file":
                with open(os.path.join(self.folder, name), "w",
                          encoding="utf-8") as f:
                    f.write(text)
                continue
            for command, want in self.commands(text):
                with self.subTest(command=command):
                    _, out = self.sh(command)
                    got = out.splitlines()
                    if "..." in want:
                        want = want[:want.index("...")]
                        got = got[:len(want)]
                    self.assertEqual(got, want)
                    ran += 1
        self.assertGreater(ran, 3)

    def test_host_program(self):
        sources = [text for kind, name, text in self.blocks
                   if name == "host.c"]
        self.assertEqual(len(sources), 1)
        with open(os.path.join(self.folder, "host.c"), "w") as f:
            f.write(sources[0])
        libs = os.path.join(BUILD, ".libs")
        sanitizers = ""
        with open(os.path.join(BUILD, "Makefile")) as f:
            found = re.search(r"^SANCFLAGS = (.*)$", f.read(), re.M)
            if found:
                sanitizers = found[1]
        for compiler in ("cc -x c", "cc -x c++"):
            if shutil.which(compiler.split()[0]) is None:
                self.skipTest("no cc")
            if compiler.endswith("++") and shutil.which("g++") is None:
                continue
            status, out = self.sh(
                "%s -Wall -Wextra -pedantic -Werror %s -I%s/include host.c "
                "-x none -L%s -lcordon -Wl,-rpath,%s -o host && ./host"
                % (compiler, sanitizers, TOP, libs, libs))
            self.assertEqual(status, 0, out)
            self.assertRegex(out, r"^cordon \d+\.\d+\.\d+\n$")

    def test_version_is_one(self):
        with open(os.path.join(TOP, "configure.ac")) as f:
            version = re.search(r"AC_INIT\(\[cordon\], \[(.*?)\]\)",
                                f.read())[1]
        with open(os.path.join(TOP, "CHANGELOG.md")) as f:
            self.assertIn("\n## %s" % version, f.read())
        self.assertEqual(self.sh("cordon --version"),
                         (0, "cordon %s\n" % version))

    def test_tree_of_the_readme_exists(self):
        with open(os.path.join(TOP, "README.md"), encoding="utf-8") as f:
            text = f.read()
        for path in re.findall(r"^\| `([^`]+)` \|", text, re.M):
            self.assertTrue(os.path.exists(os.path.join(TOP, path)), path)
        for path in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            self.assertTrue(os.path.exists(os.path.join(TOP, path)), path)


if __name__ == "__main__":
    unittest.main(verbosity=1)
