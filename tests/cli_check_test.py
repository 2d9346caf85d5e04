#!/usr/bin/python3
"""cordon check from outside: advice in every format, the pages about it, what
silences it, what corrects it."""

import json
import os
import re
import stat
import unittest

import cli_test
from cli_test import TOP

try:
    import jsonschema
except ImportError:
    jsonschema = None

HEAD = "version: '1.0'\nnamespace: app\nentries:\n"
WIDE = HEAD + """\
  - name: feeds  # é
    kind: security.policy
    policy:
      effect: allow
      rules:
        - {action: websocket.connect}
        - {action: websocket.connect.url, resource: "ws://a.example.com"}
"""
COMPAT = HEAD + """\
  - name: feeds   # kept
    kind: security.policy
    policy:
      effect: allow
      rules:
        # kept as well
        - {action: websocket.connect}
        - {"resource": wss://a.example.com*, action: websocket.connect.url} # é
        - action: websocket.connect.url
          resource: 'wss://b.example.com/x*'
        - {action: websocket.connect.url, resource: "wss://\\x63.example.com*"}
"""
CODES = ["allow-all-minus-deny", "bad-silence", "compat", "dead-or-shadowed",
         "deny-can-error", "host-open-end", "network-too-wide",
         "never-matches", "product-overgrant", "regex-loose",
         "unknown-reference", "untested"]
# What SARIF 2.1.0 asks of the parts that are written here.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"enum": ["2.1.0"]},
        "runs": {"type": "array", "items": {
            "type": "object",
            "required": ["tool"],
            "additionalProperties": False,
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "properties": {"driver": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "semanticVersion": {"type": "string"},
                            "rules": {
                                "type": "array",
                                "uniqueItems": True,
                                "items": {"$ref": "#/definitions/rule"},
                            },
                        },
                    }},
                },
                "columnKind": {"enum": ["utf16CodeUnits",
                                        "unicodeCodePoints"]},
                "results": {"type": "array",
                            "items": {"$ref": "#/definitions/result"}},
            },
        }},
    },
    "definitions": {
        "text": {"type": "object", "required": ["text"],
                 "additionalProperties": False,
                 "properties": {"text": {"type": "string"},
                                "markdown": {"type": "string"}}},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "region": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                name: {"type": "integer", "minimum": 1}
                for name in ("startLine", "startColumn", "endLine",
                             "endColumn")},
        },
        "artifact": {"type": "object", "required": ["uri"],
                     "additionalProperties": False,
                     "properties": {"uri": {
                         "type": "string",
                         "pattern": "^[A-Za-z0-9/._~:%-]+$"}}},
        "rule": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "shortDescription": {"$ref": "#/definitions/text"},
                "help": {"$ref": "#/definitions/text"},
                "defaultConfiguration": {
                    "type": "object",
                    "properties": {"level": {"$ref": "#/definitions/level"}},
                },
            },
        },
        "result": {
            "type": "object",
            "required": ["message"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/definitions/level"},
                "message": {"$ref": "#/definitions/text"},
                "locations": {"type": "array", "items": {
                    "type": "object",
                    "required": ["physicalLocation"],
                    "properties": {"physicalLocation": {
                        "type": "object",
                        "required": ["artifactLocation"],
                        "additionalProperties": False,
                        "properties": {
                            "artifactLocation":
                                {"$ref": "#/definitions/artifact"},
                            "region": {"$ref": "#/definitions/region"},
                        },
                    }},
                }},
                "fixes": {"type": "array", "items": {
                    "type": "object",
                    "required": ["artifactChanges"],
                    "properties": {"artifactChanges": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["artifactLocation", "replacements"],
                            "properties": {"replacements": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "object",
                                    "required": ["deletedRegion"],
                                    "properties": {
                                        "deletedRegion": {
                                            "$ref": "#/definitions/region"},
                                        "insertedContent": {
                                            "$ref": "#/definitions/text"},
                                    },
                                },
                            }},
                        },
                    }},
                }},
                "properties": {"type": "object"},
            },
        },
    },
}


class Check(cli_test.Case):
    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    def found(self, status, *args):
        """The findings as JSON, held against their schema."""
        done = self.expect(status, "check", "--format", "json", *args)
        report = json.loads(done.out)
        if jsonschema:
            with open(os.path.join(TOP, "doc", "check.schema.json")) as f:
                jsonschema.validate(report, json.load(f))
        for severity in ("error", "warning", "note"):
            self.assertEqual(report[severity + "s"], sum(
                x["severity"] == severity for x in report["findings"]))
        return report["findings"]

    def test_usage(self):
        self.expect(2, "check", "--format", "jsn", "x",
                    err="--format: unknown word 'jsn', did you mean 'json'?")
        self.expect(2, "check", "--fail-level", "warn", "x",
                    err="did you mean 'warning'?")
        self.expect(2, "check", "--fix", out="", err="which file or folder?")

    def test_text(self):
        self.write("p.yaml", WIDE)
        done = self.expect(1, "check", "p.yaml",
                           err="1 file, 1 policy: 1 warning\n")
        self.assertEqual(done.out.splitlines(), [
            "p.yaml:10:54: warning: 'ws://a.example.com' allows ws:// to a "
            "host that is not this machine [network-too-wide]",
            "   10 |         - {action: websocket.connect.url, resource: "
            "\"ws://a.example.com\"}",
            "      |                                                      ^",
            "  why: ws:// is not encrypted: whoever is on the way reads, and "
            "writes, everything",
            "  fix: write \"wss://a.example.com\""])
        self.expect(1, "check", "-q", "p.yaml", err="")

    def test_lines_are_made_visible_and_cut(self):
        self.write("p.yaml", HEAD + "  - {name: a, kind: security.policy, "
                   "policy: {effect: alow}} # \u202e\tx" + "y" * 500 + "\n")
        done = self.expect(3, "check", "p.yaml", err="mistake")
        lines = done.out.splitlines()
        at = next(i for i, line in enumerate(lines) if "'alow'" in line)
        column = int(re.match(r"p\.yaml:4:(\d+): ", lines[at])[1])
        self.assertEqual(lines[at + 2].index("^"), len("    4 | ") + column - 1)
        self.assertLess(max(len(line) for line in lines), 200)
        self.assertNotIn("\u202e", done.out)
        self.assertIn("\\u{202e}", done.out)

    WORKLOAD = ("  - name: %s\n    kind: process.lua\n"
                "    source: file://%s.lua\n")

    def test_manifest(self):
        self.write("m.yaml", HEAD + self.WORKLOAD % ("a", "a") +
                   "    modules: [json, time, lib.b, c]\n"
                   "    lifecycle: {security: {groups: ['far:net']}}\n" +
                   self.WORKLOAD % ("b", "lib/b"))
        self.write("a.lua", "while true do end")
        os.mkdir(self.path("lib"))
        os.mkdir(self.path("lib/c"))
        os.makedirs(self.path("c"))
        os.makedirs(self.path("lib/lib"))
        self.write("lib/b.lua", "error 'not run'")
        self.write("c/init.lua", "return 1")
        self.expect(3, "check", "m.yaml", err="1 mistake\n",
                    out="m.yaml:8:37: no group or policy 'far:net'\n"
                    "    8 |     lifecycle: {security: {groups: ['far:net']}}\n"
                    "      |                                     ^\n")
        self.write("far.yaml", WIDE.replace("app", "far").replace(
            "ws:", "wss:") + "    groups: [net]\n")
        self.expect(0, "check", "m.yaml", "far.yaml", out="",
                    err="2 files, 1 policy, 2 workloads: ok\n")

    def test_scripts_that_hold_the_compiler_up(self):
        """One does, and no more; what several workloads run is one text."""
        hostile = "if x then " + "elseif x then " * 74000 + "end"
        self.write("m.yaml", HEAD + "".join(
            self.WORKLOAD % (name, file) for name, file in (
                ("a", "bad"), ("b", "bad"), ("c", "slow"), ("d", "slow"),
                ("e", "slower"))))
        self.write("bad.lua", "x = = 1")
        self.write("slow.lua", hostile)
        self.write("slower.lua", hostile)
        done = self.expect(3, "check", "-q", "m.yaml", err="")
        self.assertEqual([line for line in done.out.splitlines()
                          if ".lua" in line], [
            "bad.lua:1:1: unexpected symbol near '='",
            "slow.lua: the text takes more than 2 s of CPU time to compile",
            "slower.lua: not looked at: a text before it takes too long to "
            "compile"])

    def test_all_scripts_have_one_share(self):
        """None holds the compiler up, all of them would: what is left out is
        told, in all manifests of the command."""
        names = ["s%03d" % i for i in range(250)]
        self.write("slow", "if x then " + "elseif x then " * 8000 + "end")
        for name in names:
            os.link(self.path("slow"), self.path(name + ".lua"))
        for path, some in (("m.yaml", names), ("n.yaml", ["last"])):
            self.write(path, HEAD + "".join(
                self.WORKLOAD % (name, name) for name in some))
        self.write("last.lua", "x = = 1")
        done = self.expect(3, "check", "-q", "m.yaml", "n.yaml", err="")
        told = done.out.splitlines()
        self.assertTrue(10 < len(told) < 251, len(told))
        want = ["%s.lua: not looked at: to compile the texts before it took "
                "more than all the CPU time there is for them" % name
                for name in (names + ["last"])[-len(told):]]
        self.assertEqual(told, want)

    def test_mistakes_of_manifests(self):
        self.write("m.yaml", HEAD +
                   self.WORKLOAD % ("a", "a") + "    modules: [jsn, json,\n"
                   "      'd']\n" +
                   self.WORKLOAD % ("b", "none") +
                   self.WORKLOAD % ("c", "d") + "    modules: [io, socket.x]\n"
                   "    lifecycle: {security: {policies: [no]}}\n")
        self.write("a.lua", "print 'x'\nlocal x = 1 +\n")
        self.write("d.lua", "return '\x1b[31m")
        done = self.expect(3, "check", "m.yaml", err="7 mistakes\n")
        found = [line for line in done.out.splitlines()
                 if re.match(r"\S+:\d", line)]
        self.assertEqual(found, [
            "m.yaml:7:15: unknown module 'jsn', expected a built-in one or a "
            "Lua file beside the script",
            "m.yaml:11:13: source 'file://none.lua': No such file or directory",
            "m.yaml:15:15: unknown module 'io', expected a built-in one or a "
            "Lua file beside the script",
            "m.yaml:15:19: unknown module 'socket.x', expected a built-in one "
            "or a Lua file beside the script",
            "m.yaml:16:39: no group or policy 'app:no'",
            "a.lua:3:1: unexpected symbol near <eof>",
            "d.lua:1:1: unfinished string near <eof>"])
        self.assertNotIn("\x1b", done.out)
        report = json.loads(self.cordon("check", "--format", "json",
                                        "m.yaml").out)
        self.assertEqual(report["errors"], len(report["findings"]))
        if jsonschema:
            with open(os.path.join(TOP, "doc", "check.schema.json")) as f:
                jsonschema.validate(report, json.load(f))
        # what the manifest itself says wrong is told once
        self.write("m.yaml", HEAD + self.WORKLOAD % ("a", "a") +
                   "    limits: {memory: lots, cpu: 1s, connections: 0}\n"
                   "    lifecycle: {depends_on: [b], restart: allways}\n" +
                   self.WORKLOAD % ("b", "a") +
                   "    lifecycle: {depends_on: [a]}\n"
                   "  - {name: b, kind: security.policy, policy: {}}\n"
                   "  - 7\n")
        done = self.expect(3, "check", "m.yaml", err="mistakes\n")
        found = re.findall(r"^m\.yaml:(\d+):", done.out, re.M)
        self.assertEqual(found, sorted(found, key=int))
        for words in ("'lots'", "'connections'", "'allways'", "a -> b -> a",
                      "entry is a number"):
            self.assertEqual(len([
                line for line in done.out.splitlines()
                if line.startswith("m.yaml:") and words in line]), 1,
                done.out + words)

    def test_no_manifest(self):
        self.write("m.yaml", HEAD + "  - {name: a, kind: function.lua, "
                   "meta: {comment: process.lua}}\n")
        self.expect(0, "check", "m.yaml", out="", err="1 file, 0 policies: ok")
        self.write("m.yaml", HEAD + self.WORKLOAD % ("a", "a") +
                   "    pool: {size: 3}\n")
        self.expect(3, "check", "m.yaml", err="mistake")
        self.expect(0, "check", "--compat", "m.yaml", out="")

    def test_fail_level(self):
        self.write("p.yaml", WIDE)
        self.expect(1, "check", "--fail-level", "note", "p.yaml")
        self.expect(1, "check", "--fail-level=warning", "p.yaml")
        self.expect(0, "check", "--fail-level", "error", "p.yaml")
        self.write("p.yaml", HEAD + "  - {name: a, kind: security.policy, "
                   "policy: {effect: allow, actions: read, resources: x}}\n")
        self.expect(1, "check", "--fail-level", "note", "p.yaml")
        self.expect(0, "check", "p.yaml")
        # a mistake is worse than any level
        self.write("p.yaml", WIDE.replace("allow", "alow"))
        self.expect(3, "check", "--fail-level", "error", "p.yaml")

    def test_json(self):
        self.write("p.yaml", WIDE)
        found = self.found(1, "p.yaml")
        self.assertEqual(found, [{
            "code": "network-too-wide", "severity": "warning",
            "file": "p.yaml", "line": 10, "column": 54,
            "policy": "app:feeds",
            "message": found[0]["message"], "reason": found[0]["reason"],
            "fix": "write \"wss://a.example.com\""}])
        self.write("p.yaml", WIDE.replace("effect: allow", "effect: alow"))
        found = self.found(3, "p.yaml")
        self.assertEqual([(x["code"], x["severity"], x["line"])
                          for x in found], [("invalid", "error", 7)])
        self.write("p.yaml", COMPAT)
        found = self.found(1, "--compat", "p.yaml")
        self.assertEqual([x.get("edit") for x in found], [
            {"line": 11, "column": 24, "length": 20,
             "text": "wss://a.example.com/*"}, None])

    def test_sarif(self):
        self.write("a b/é.yaml", COMPAT)
        done = self.expect(1, "check", "--format", "sarif", "--compat",
                           "a b", err="2 warnings")
        sarif = json.loads(done.out)
        if jsonschema:
            jsonschema.validate(sarif, SARIF)
        run = sarif["runs"][0]
        rules = [x["id"] for x in run["tool"]["driver"]["rules"]]
        self.assertEqual(rules, CODES + ["invalid"])
        for result in run["results"]:
            self.assertEqual(rules[result["ruleIndex"]], result["ruleId"])
            place = result["locations"][0]["physicalLocation"]
            self.assertEqual(place["artifactLocation"]["uri"],
                             "a%20b/%C3%A9.yaml")
        self.assertEqual(len(run["results"]), 2)
        self.write("p.yaml", "x: [")
        done = self.expect(3, "check", "--format", "sarif", "p.yaml")
        sarif = json.loads(done.out)
        if jsonschema:
            jsonschema.validate(sarif, SARIF)
        self.assertEqual(sarif["runs"][0]["results"][0]["ruleId"], "invalid")

    def test_sarif_columns_are_characters(self):
        self.write("p.yaml", HEAD + "  - {name: a, meta: {comment: ééé}, "
                   "kind: security.policy, policy: {effect: allow, rules: ["
                   "{action: websocket.connect}, {action: "
                   "websocket.connect.url, resource: 'wss://a.b*'}]}}\n")
        done = self.expect(1, "check", "--format", "sarif", "--compat",
                           "p.yaml")
        result = json.loads(done.out)["runs"][0]["results"][0]
        line = self.read("p.yaml").splitlines()[3]
        region = result["fixes"][0]["artifactChanges"][0]["replacements"][0][
            "deletedRegion"]
        self.assertEqual(
            line[region["startColumn"] - 1:region["endColumn"] - 1],
            "wss://a.b*")
        self.assertEqual(
            result["locations"][0]["physicalLocation"]["region"][
                "startColumn"], region["startColumn"])

    def test_github(self):
        name = "a,b:c%\n::error::x.yaml"
        self.write(name, WIDE)
        done = self.expect(1, "check", "--format", "github", name)
        lines = done.out.splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], r"^::warning file=a%2Cb%3Ac%25\\n%3A%3Aerror"
                         r"%3A%3Ax\.yaml,line=10,col=54,title=network-too-wide"
                         r"::'ws://a\.example\.com' .*%0Awhy: .*%0Afix: ")

    def test_hostile_names(self):
        self.write("p.yaml", WIDE + "  - {name: x, kind: function.lua, "
                   "security: {groups: [\"x\\e[31mx\\n::error::\"]}}\n")
        for form in ("text", "json", "sarif", "github"):
            done = self.cordon("check", "--format", form, "p.yaml")
            self.assertEqual(done.status, 1)
            self.assertIn("31m", done.out)
            self.assertNotIn("\x1b", done.out)
            self.assertNotRegex(done.out, r"(?m)^::error")

    def test_silence(self):
        meta = "    meta: {lint: {silence: {network-too-wide: %s}}}\n"
        silent = WIDE.replace("    policy:\n", meta % "test net" +
                              "    policy:\n")
        self.write("p.yaml", silent)
        self.expect(0, "check", "p.yaml", out="",
                    err="1 file, 1 policy: ok\n")
        self.write("p.yaml", silent.replace("test net", "''"))
        self.assertEqual({x["code"] for x in self.found(1, "p.yaml")},
                         {"bad-silence", "network-too-wide"})
        self.write("p.yaml", silent.replace("ws://", "wss://"))
        self.assertEqual([x["code"] for x in self.found(1, "p.yaml")],
                         ["bad-silence"])
        self.write("p.yaml", silent.replace("too-wide", "to-wide"))
        done = self.expect(1, "check", "p.yaml", out="unknown code 'network-"
                           "to-wide', expected 'network-too-wide'")
        self.assertIn("ws://", done.out)

    def test_catalogue(self):
        self.write("p.yaml", HEAD + "  - {name: a, kind: security.policy, "
                   "policy: {effect: allow, actions: [read, wirte], "
                   "resources: x}}\n")
        self.write("c.yaml", "actions: [read, write]\n")
        self.expect(0, "check", "p.yaml", out="note: ")
        found = self.found(1, "--catalogue", "c.yaml", "p.yaml")
        self.assertEqual([x["fix"] for x in found], ["write 'write'"])
        self.write("c.yaml", "actons: [read]\n")
        self.expect(2, "check", "--catalogue", "c.yaml", "p.yaml", out="",
                    err="c.yaml: unknown key 'actons', expected 'actions'")
        self.write("c.yaml", "actions: [\n")
        self.expect(2, "check", "--catalogue", "c.yaml", "p.yaml", out="",
                    err="c.yaml:2:1: ")
        self.expect(2, "check", "--catalogue", "none.yaml", "p.yaml", out="",
                    err="none.yaml: No such file")

    def test_untested(self):
        self.write("p/p.yaml", WIDE.replace("ws://", "wss://"))
        self.expect(0, "check", "p", out="")
        self.write("p/p_test.yaml", "policies: [.]\nactors: {a: {id: a}}\n"
                   "tests: [{name: x, actor: a, deny: 'wss://b.example.com'}]"
                   "\n")
        self.assertEqual([(x["code"], x["line"]) for x in self.found(1, "p")],
                         [("untested", 10)])
        self.write("p/p_test.yaml", "policies: [.]\nactors: {a: {id: a}}\n"
                   "tests: [{name: x, actor: a, allow: 'wss://a.example.com'}]"
                   "\n")
        self.expect(0, "check", "p", out="")
        # only what lies in a folder that is checked
        self.expect(0, "check", "p/p.yaml", out="")

    def test_compat(self):
        self.write("p.yaml", COMPAT)
        self.expect(3, "check", "p.yaml", out="p.yaml:11:", err="2 mistakes")
        self.assertEqual([x["code"] for x in
                          self.found(1, "--compat", "p.yaml")],
                         ["host-open-end", "host-open-end"])

    def test_fix(self):
        self.write("p/p.yaml", COMPAT)
        os.chmod(self.path("p/p.yaml"), 0o640)
        os.symlink("p/p.yaml", self.path("link.yaml"))
        # what is written with an escape is left to people
        self.expect(3, "check", "--fix", "link.yaml", out="link.yaml:14:",
                    err="1 place corrected\n")
        self.assertTrue(os.path.islink(self.path("link.yaml")))
        self.assertEqual(self.read("p/p.yaml"), COMPAT.replace(
            "a.example.com*", "a.example.com/*"))
        self.assertEqual(stat.S_IMODE(os.stat(self.path("p/p.yaml")).st_mode),
                         0o640)
        self.write("p/p.yaml", self.read("p/p.yaml").replace("\\x63", "c"))
        self.write("p/q.yaml", COMPAT.replace("feeds", "q").replace(
            "\\x63", "c"))
        self.expect(1, "check", "--fix", "p", err="3 places corrected\n")
        self.assertEqual(self.read("p/p.yaml"), self.read("p/q.yaml").replace(
            "name: q", "name: feeds"))
        self.assertNotIn("com*", self.read("p/p.yaml"))
        self.assertEqual(sorted(os.listdir(self.path("p"))),
                         ["p.yaml", "q.yaml"])
        before = os.stat(self.path("p/p.yaml"))
        self.expect(1, "check", "--fix", "p", err="0 places corrected\n")
        after = os.stat(self.path("p/p.yaml"))
        self.assertEqual((before.st_ino, before.st_mtime_ns),
                         (after.st_ino, after.st_mtime_ns))

    def test_fix_writes_all_or_nothing(self):
        self.write("p/p.yaml", COMPAT.replace("\\x63", "c"))
        os.chmod(self.path("p"), 0o500)
        try:
            if os.access(self.path("p"), os.W_OK):
                self.skipTest("everything may be written here")
            self.expect(3, "check", "--fix", "p",
                        err="p/p.yaml: Permission denied")
        finally:
            os.chmod(self.path("p"), 0o700)
        self.assertEqual(self.read("p/p.yaml"),
                         COMPAT.replace("\\x63", "c"))

    def test_fix_of_what_does_not_load(self):
        self.write("p.yaml", COMPAT.replace("effect: allow", "effect: alow"))
        before = self.read("p.yaml")
        self.expect(3, "check", "--fix", "p.yaml")
        self.assertEqual(self.read("p.yaml"), before)


class Pages(cli_test.Case):
    """The codes, the pages and the tool say the same."""

    def page(self, code):
        return self.expect(0, "check", "--explain", code, err="").out

    def test_codes(self):
        with open(os.path.join(TOP, "policy", "lint.h")) as f:
            codes = re.findall(r'X\([A-Z_]+, "([a-z-]+)"\)', f.read())
        self.assertEqual(codes, CODES)
        folder = os.path.join(TOP, "doc", "lint")
        self.assertEqual(sorted(os.listdir(folder)),
                         sorted(x + ".md" for x in codes))
        for code in codes:
            with open(os.path.join(folder, code + ".md")) as f:
                self.assertEqual(f.read(), self.page(code), code)

    def test_unknown(self):
        self.expect(2, "check", "--explain", "regexloose", out="",
                    err="did you mean 'regex-loose'?")
        done = self.expect(2, "check", "--explain", "x", out="")
        for code in CODES:
            self.assertIn("\n  %s\n" % code, done.err)

    def test_examples(self):
        for code in CODES:
            parts = dict(re.findall(r"^## (Bad|Good|With the test)\n\n"
                                    r"```yaml\n(.*?)```",
                                    self.page(code), re.M | re.S))
            for kind in ("Bad", "Good"):
                with self.subTest(code=code, kind=kind):
                    folder = "%s-%s" % (code, kind)
                    self.write(folder + "/p.yaml", parts[kind])
                    if "With the test" in parts:
                        self.write(folder + "/p_test.yaml",
                                   parts["With the test"])
                    done = self.cordon("check", "--format", "json", folder)
                    found = [x["code"] for x in
                             json.loads(done.out)["findings"]]
                    if kind == "Bad":
                        self.assertIn(code, found)
                    else:
                        # host modules' actions are one note
                        self.assertEqual(done.status, 0, done)
                        self.assertNotIn(code, [
                            x for x in found if x != "unknown-reference"])

    def test_silences(self):
        for code in CODES:
            page = self.page(code)
            self.assertEqual("silence: {%s: " % code in page,
                             code != "bad-silence")


if __name__ == "__main__":
    unittest.main()
