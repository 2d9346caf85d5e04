#!/usr/bin/python3
"""The manual against what it describes: every option that exists is in its
page and in the help, and every option of a page or of the help exists; every
function is in libcordon(3); the pages are good roff."""

import os
import re
import shutil
import subprocess
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("top_builddir") or os.path.join(TOP, "build")
CORDON = os.environ.get("CORDON") or os.path.join(BUILD, "cordon")
DOC = os.path.join(TOP, "doc")


def said(*arguments):
    return subprocess.run([CORDON, *arguments], stdout=subprocess.PIPE,
                          check=True).stdout.decode()


def page(name):
    with open(os.path.join(DOC, name), encoding="utf-8") as f:
        return f.read()


def pages():
    return sorted(n for n in os.listdir(DOC) if re.search(r"\.[135]$", n))


class Papers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # the tables that options are read by, as fish is told them
        fish = said("help", "--completion", "fish")
        cls.commands = re.findall(r"__cordon_first -a (\w+)", fish)
        cls.options = {c: {} for c in cls.commands}
        for command, letter, name in re.findall(
                r"'__cordon_command (\w+)(?:; [^']*)?'(?: -s (.))? -l (\S+)", fish):
            cls.options[command][name] = letter

    def test_there_are_some(self):
        self.assertGreaterEqual(len(self.commands), 9)
        self.assertIn("memory", self.options["run"])
        self.assertEqual(self.options["run"]["policy"], "p")

    def test_help(self):
        """What begins a line of the help is an option, and each option does."""
        for command, options in self.options.items():
            with self.subTest(command=command):
                lines = re.findall(r"^  (?:-(\w), |    )--([\w-]+)(?= |$)",
                                   said("help", command)
                                   .split("\nexample")[0], re.M)
                told = {name: letter for letter, name in lines}
                self.assertEqual(len(told), len(lines))
                if told:
                    self.assertEqual(told.pop("help"), "h")
                self.assertEqual(told, options)

    def test_help_has_examples(self):
        for command in self.commands:
            with self.subTest(command=command):
                text = said("help", command)
                self.assertRegex(text, r"\Ausage: cordon %s" % command)
                self.assertRegex(text, r"\nexamples?:\n  (\. <\()?cordon %s"
                                 % command)
                for line in text.splitlines():
                    self.assertLessEqual(len(line), 80, line)

    def test_page_of_each_command(self):
        for command, options in self.options.items():
            if command == "help":
                continue
            with self.subTest(command=command):
                text = page("cordon-%s.1" % command)
                told = {}
                for line in re.findall(r"^\.It (.*Fl .*)$", text, re.M):
                    letter = ""
                    for word in re.findall(r"(?:Fl|,) (?:Fl )?(-?[\w-]+)",
                                           line):
                        if word.startswith("-"):
                            self.assertNotIn(word[1:], told)
                            told[word[1:]] = letter
                            letter = ""
                        else:
                            letter = word
                self.assertEqual(told, options)
                # and what is spoken of elsewhere in it exists
                for name in re.findall(r"Fl -([\w-]+)", text):
                    self.assertIn(name, options)
                self.assertIn(".Xr cordon-%s 1" % command, page("cordon.1"))

    def test_no_page_without_a_command(self):
        found = {n[len("cordon-"):-2] for n in pages()
                 if n.startswith("cordon-") and n.endswith(".1")}
        self.assertEqual(found, set(self.commands) - {"help"})

    def test_references(self):
        """Pages of ours that others point to are there."""
        for name in pages():
            for other, section in re.findall(
                    r"^\.Xr (\S*cordon\S*) (\d)", page(name), re.M):
                self.assertIn("%s.%s" % (other, section), pages(), name)

    def test_installed(self):
        with open(os.path.join(TOP, "Makefile.am")) as f:
            listed = set(re.findall(r"doc/(\S+\.[135])(?=\s)", f.read()))
        self.assertEqual(listed, set(pages()))

    def test_library(self):
        text = page("libcordon.3")
        with open(os.path.join(TOP, "abi", "libcordon.symbols")) as f:
            functions = {re.sub("_sized$", "", n) for n in f.read().split()}
        told = set(re.findall(r"\bFn (cordon_\w+)", text))
        self.assertEqual(told, functions, "run scripts/libcordon-page")

    @unittest.skipUnless(shutil.which("man"), "no man")
    def test_man(self):
        for name in pages():
            done = subprocess.run(
                ["man", "--warnings=w", "-l", os.path.join(DOC, name)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE)
            self.assertEqual((done.returncode, done.stderr), (0, b""), name)
            self.assertIn(b"DESCRIPTION", done.stdout)

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc")
    def test_mandoc(self):
        for name in pages():
            done = subprocess.run(
                ["mandoc", "-T", "lint", os.path.join(DOC, name)],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            lines = [line for line in done.stdout.decode().splitlines()
                     if not re.search(
                         r"referenced manual not found|outdated mandoc.db|"
                         r"possible typo in section name", line)]
            self.assertEqual(lines, [])


if __name__ == "__main__":
    unittest.main(verbosity=1)
