#!/usr/bin/python3
"""Mistakes are shown with the line they are on: of scripts, and of policies."""

import unittest

import cli_test


class Source(cli_test.Case):
    def said(self, text, status=1, level="process"):
        self.write("x.lua", text, "wb" if isinstance(text, bytes) else "w")
        done = self.expect(status, "run", "--isolation", level, "x.lua")
        return done.err.splitlines()

    def test_uncaught(self):
        for level in ("process", "inprocess"):
            lines = self.said("local t\nprint(t.x)\n", level=level)
            self.assertIn("x.lua:2: attempt to index", lines[0])
            self.assertEqual(lines[1], "    2 | print(t.x)")
            self.assertEqual(lines[2], "stack traceback:")

    def test_syntax(self):
        lines = self.said("local a = 1\n\tlocal b 5\n", 3)
        self.assertIn("x.lua:2: ", lines[0])
        self.assertEqual(lines[1:3], ["    2 |  local b 5",
                                      "      |          ^"])
        # a word that is there twice, or not at all
        self.assertEqual(self.said("local y = = 2", 3)[1:],
                         ["    1 | local y = = 2"])
        self.assertEqual(self.said("do\n", 3)[1:], [])
        self.assertEqual(self.said("do\n\nif", 3)[1:], ["    3 | if"])

    def test_from_stdin(self):
        done = self.expect(1, "run", "-", stdin="error 'no'\r\n")
        self.assertEqual(done.err.splitlines()[1], "    1 | error 'no'")

    def test_hostile_lines(self):
        lines = self.said(b"error('\x1b[31m\xff\xc3\xa9') -- \xe2\x80\xae\n")
        self.assertEqual(lines[1][:30], "    1 | error('\\x1b[31m\\xffé')")
        self.assertNotIn("\u202e", lines[1])
        lines = self.said("error('" + "é" * 5000 + "')")
        self.assertLessEqual(len(lines[1]), 130)
        # the line of another file is not at hand
        self.write("m.lua", "return function() error 'there' end\n")
        lines = self.said("\n\nrequire 'm'()\n")
        self.assertIn("m.lua:1: there", lines[0])
        self.assertEqual(lines[1], "stack traceback:")
        # no line at all
        self.assertEqual(self.said("error('plain', 0)")[1],
                         "stack traceback:")

    def policy(self, text):
        self.write("p.yaml", text)
        self.write("x.lua", "")
        return self.expect(3, "run", "-p", "p.yaml", "x.lua").err.splitlines()

    def test_policy(self):
        head = 'version: "1.0"\nnamespace: t\nentries:\n'
        lines = self.policy(head + "  - name: a\n    kind: security.policy\n"
                            "    policy: {actions: x, resources: x, efect: allow}\n")
        self.assertIn("p.yaml:6:40: unknown key", lines[0])
        self.assertEqual(
            lines[1], "    6 |     policy: {actions: x, resources: x, "
            "efect: allow}")
        self.assertEqual(lines[2], "      |" + " " * 40 + "^")
        lines = self.policy(head + "  - {name: %s, x: 1}\n" % ("é" * 300))
        shown = [line for line in lines if " | " in line]
        self.assertTrue(shown)
        for line in shown:
            self.assertLessEqual(len(line), 130)


if __name__ == "__main__":
    unittest.main()
