#!/usr/bin/python3
"""cordon doctor from outside: every step is tried, words and JSON agree."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_test import TOP, Case  # noqa: E402

STEPS = ["worker process", "close other descriptors", "drop capabilities",
         "no_new_privs", "not dumpable", "die with the parent",
         "resource limits", "Landlock", "seccomp filter",
         "opening a file afterwards", "namespaces"]


class Doctor(Case):
    def doctor(self, status, *args):
        out = self.expect(status, "doctor", "--format=json", *args, err="").out
        document = json.loads(out)
        try:
            import jsonschema
        except ImportError:
            return document
        with open(os.path.join(TOP, "doc", "doctor.schema.json")) as f:
            jsonschema.validate(document, json.load(f))
        return document

    def test_every_step(self):
        document = self.doctor(0)
        self.assertIs(document["process_isolation"], True)
        checks = document["checks"]
        self.assertEqual(
            [c["name"] for c in checks if c["group"] == "isolation"], STEPS)
        for c in checks:
            self.assertNotEqual(c["status"], "fail", c)
            self.assertEqual(c["status"] == "ok", c["advice"] == "", c)
        versions = {c["name"]: c["value"] for c in checks
                    if c["group"] == "versions"}
        self.assertRegex(versions["Lua"], r"^5\.4\.\d+$")
        for name in ("cordon", "OpenSSL", "c-ares", "zlib", "libyaml",
                     "libseccomp"):
            self.assertRegex(versions[name], r"^\d+\.\d+")
        if versions["Lua"] == "5.4.4":
            self.assertEqual(
                [c["name"] for c in checks if c["group"] == "lua"],
                ["603b2c64", "1e64c139", "3fe7be95", "983bc433", "9386e49a",
                 "efddc230"])

    def test_words(self):
        out = self.expect(0, "doctor", err="").out
        for step in STEPS:
            self.assertIn("  %s  " % step, out)
        self.assertTrue(out.endswith(
            "\nscripts can be isolated in processes\n"), out)

    def test_no_helper_program(self):
        document = self.doctor(20, "--worker=/nonexistent/helper")
        self.assertIs(document["process_isolation"], False)
        first = document["checks"][0]
        self.assertEqual(first["status"], "fail")
        self.assertIn("/nonexistent/helper: No such file", first["value"])
        out = self.expect(20, "doctor", "--worker", "/bin/true").out
        self.assertIn("ended unexpectedly", out)
        self.assertTrue(out.endswith("cannot be isolated in processes here\n"))

    def test_usage(self):
        self.expect(2, "doctor", "x", out="", err="unexpected 'x'")
        self.expect(2, "doctor", "--format=xml", out="", err="takes text or json")
        self.expect(2, "doctor", "--worker=nowhere", out="", err="no such file")


if __name__ == "__main__":
    unittest.main()
