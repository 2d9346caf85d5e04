#!/usr/bin/python3
"""Does what README.md and the tours show: writes their files, runs their
commands.

A block after "<!-- test: file NAME -->" becomes a file; a block after
"<!-- test: run -->" holds commands behind "$ " with what they print, both
streams together.  "..." as a line stands for whatever follows.  In a manual
page the same stands as a comment before .Bd, and a "\\e" at the end of a line
continues it.  Where a page
speaks of port 8765, the echo server of the examples listens on a free one.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from patience import LIMIT_S

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("top_builddir") or os.path.join(TOP, "build")
BLOCK = re.compile(
    r"^<!-- test: (file|run)(?: (\S+))? -->\n```\w*\n(.*?)^```$", re.M | re.S)

MANUAL_BLOCK = re.compile(
    r'^\.\\" test: (file|run)(?: (\S+))?\n\.Bd [^\n]*\n(.*?)^\.Ed$', re.M | re.S)


def blocks(page, text):
    """(kind, name, text) of what a page shows."""
    if page.endswith(".md"):
        return BLOCK.findall(text)
    return [(kind, name, re.sub(r"\\e\n *", "", block).replace("\\&", "")
             .replace("\\e", "\\"))
            for kind, name, block in MANUAL_BLOCK.findall(text)]


class Readme(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cordon-readme-")
        self.addCleanup(shutil.rmtree, self.folder)

    def start_server(self):
        """The echo server's port."""
        server = subprocess.Popen(
            [os.path.join(BUILD, "examples", "echo-server")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.kill)
        line = server.stdout.readline().decode()
        return re.search(r":(\d+)$", line.strip())[1]

    def sh(self, command):
        env = dict(os.environ, PATH=BUILD + ":" + os.environ["PATH"])
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.folder, env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=LIMIT_S)
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

    def do_page(self, page, at_least):
        with open(os.path.join(TOP, page), encoding="utf-8") as f:
            text = f.read()
        if "8765" in text:
            text = text.replace("8765", self.start_server())
        ran = 0
        for kind, name, block in blocks(page, text):
            if kind == "file":
                path = os.path.join(self.folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as f:
                    f.write(block)
                continue
            for command, want in self.commands(block):
                with self.subTest(command=command):
                    _, out = self.sh(command)
                    got = out.splitlines()
                    if "..." in want:
                        want = want[:want.index("...")]
                        got = got[:len(want)]
                    self.assertEqual(got, want)
                    ran += 1
        self.assertGreaterEqual(ran, at_least)

    def test_readme(self):
        self.do_page("README.md", 7)

    def test_tour_of_scripts(self):
        self.do_page("doc/tour-scripts.md", 7)

    def test_tour_of_policies(self):
        self.do_page("doc/tour-policies.md", 8)

    def test_tour_of_manifests(self):
        os.symlink(os.path.join(TOP, "examples"),
                   os.path.join(self.folder, "examples"))
        self.do_page("doc/tour-manifests.md", 9)

    def test_manual_of_policies(self):
        self.do_page("doc/cordon-policy.5", 6)

    def test_manual_of_manifests(self):
        self.do_page("doc/cordon-manifest.5", 1)

    def make_variable(self, name):
        with open(os.path.join(BUILD, "Makefile")) as f:
            found = re.search(r"^%s = *(.*)$" % name, f.read(), re.M)
        return found[1] if found else ""

    def test_installed(self):
        """What make install leaves is enough for a program of somebody else,
        in C and in C++, and for the commands."""
        root = os.path.join(self.folder, "root")
        status, out = self.sh("make -s -C '%s' install DESTDIR='%s'"
                              % (BUILD, root))
        self.assertEqual(status, 0, out)
        prefix = root + self.make_variable("prefix")
        for path in ("bin/cordon", "include/cordon/cordon.h",
                     "lib/libcordon.so", "lib/pkgconfig/cordon.pc",
                     "share/man/man1/cordon.1", "share/man/man1/cordon-run.1",
                     "share/man/man3/libcordon.3",
                     "share/man/man5/cordon-manifest.5",
                     "share/man/man5/cordon-policy.5",
                     "share/bash-completion/completions/cordon",
                     "share/zsh/site-functions/_cordon",
                     "share/fish/vendor_completions.d/cordon.fish"):
            self.assertTrue(os.path.exists(os.path.join(prefix, path)), path)
        self.assertEqual(os.listdir(prefix + "/include"), ["cordon"])
        self.assertEqual(os.listdir(prefix + "/include/cordon"),
                         ["cordon.h"])

        self.build_and_run(root, prefix, "README.md", "host.c",
                           r"^hello from Lua 5\.4\n$")
        self.build_and_run(root, prefix, "doc/tour-embedding.md", "tiny.c",
                           r"^PermissionDenied\twebsocket.connect\n$")
        self.build_and_run(root, prefix, "doc/tour-embedding.md", "price.c",
                           r'^\{"of":\["tea","jam"\],"sum":8\}\n'
                           r"no such thing \(NotFound\)\n$")

    def build_and_run(self, root, prefix, page, name, answer):
        with open(os.path.join(TOP, page), encoding="utf-8") as f:
            sources = [text for _, n, text in BLOCK.findall(f.read())
                       if n == name]
        self.assertEqual(len(sources), 1)
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(sources[0])
        cc = self.make_variable("CC")
        for language in ("c", "c++"):
            if language == "c++" and not shutil.which("g++"):
                continue
            status, out = self.sh(
                "flags=$(PKG_CONFIG_SYSROOT_DIR='%s' PKG_CONFIG_PATH="
                "'%s/lib/pkgconfig' pkg-config --cflags --libs cordon) && "
                "%s -x %s -Wall -Wextra -pedantic -Werror %s %s -x none "
                "$flags -o host && LD_LIBRARY_PATH='%s/lib' ./host"
                % (root, prefix, cc, language,
                   self.make_variable("SANCFLAGS"), name, prefix))
            self.assertEqual(status, 0, out)
            self.assertRegex(out, answer)

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
        tree = text[text.index("## A tour of the tree"):]
        for path in re.findall(r"^\| `([^`]+)` \|", tree, re.M):
            self.assertTrue(os.path.exists(os.path.join(TOP, path)), path)
        for path in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            self.assertTrue(os.path.exists(os.path.join(TOP, path)), path)


if __name__ == "__main__":
    unittest.main(verbosity=1)
