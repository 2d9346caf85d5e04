#!/usr/bin/python3
"""doc/security.md says of limits and holes what the program says of them."""

import json
import os
import re
import subprocess
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("top_builddir") or os.path.join(TOP, "build")
CORDON = os.path.join(BUILD, "cordon")
SIZES = {"MiB": 1 << 20, "KiB": 1 << 10, "": 1}


def page():
    with open(os.path.join(TOP, "doc", "security.md"), encoding="utf-8") as f:
        return f.read()


def table(title):
    """The rows of the table under a heading, without its head."""
    text = page().split("\n## " + title, 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def first_number(text):
    """'64 MiB', '64MiB', '10,000', '10 s' as a number; None: there is none."""
    found = re.search(r"(\d[\d,]*) ?(MiB|KiB|)", text)
    if not found:
        return None
    return int(found[1].replace(",", "")) * SIZES[found[2]]


class SecurityPage(unittest.TestCase):
    def test_limits(self):
        done = subprocess.run([CORDON, "help", "run"], capture_output=True,
                              text=True, check=True)
        seen = 0
        for row in table("The limits"):
            name, default, option, status = row[0], row[1], row[2], row[5]
            with self.subTest(limit=name):
                for path in re.findall(r"`([a-z_/]+\.c)`", row[3]):
                    self.assertTrue(os.path.exists(os.path.join(TOP, path)),
                                    path)
                if status != "-":
                    self.assertIn(status, done.stdout)
                if not option.startswith("`--"):
                    continue
                about = done.stdout.split("  %s " % option.strip("`"), 1)[1]
                told = re.search(r"(none|\d\S*)\s+without\s+it",
                                 about.split(" --", 1)[0])
                self.assertTrue(told, option)
                self.assertEqual(first_number(default), first_number(told[1]))
                seen += 1
        self.assertEqual(seen, 8)

    def test_holes(self):
        done = subprocess.run([CORDON, "doctor", "--format", "json"],
                              capture_output=True, text=True)
        doctor = json.loads(done.stdout)
        holes = [check["name"] for check in doctor["checks"]
                 if check["group"] == "lua"]
        self.assertTrue(holes)
        for hole in holes:
            self.assertIn(hole, page())


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=[sys.argv[0]] + sys.argv[1:])
