#!/usr/bin/python3
"""cordon fmt and cordon schema from outside: what is written and what is not,
and the schema against a validator and the loader."""

import glob
import json
import os
import stat
import subprocess
import unittest

import cli_test
from cli_test import CORDON, POLICY, TOP
from patience import LIMIT_S

try:
    import yaml
except ImportError:
    yaml = None
try:
    import jsonschema
except ImportError:
    jsonschema = None

UGLY = """\
version: '1.0'
namespace: app   # of all
entries:
- kind: security.policy
  # who may read
  name: 'readers'
  policy: {effect: allow, actions: ["read"], resources: 'document:*'}
"""
NICE = """\
version: "1.0"
namespace: app  # of all
entries:
  # who may read
  - name: readers
    kind: security.policy
    policy:
      actions: [read]
      resources: document:*
      effect: allow
"""


class Fmt(cli_test.Case):
    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def test_usage(self):
        self.expect(2, "fmt", out="", err="which file or folder?")
        self.expect(2, "fmt", "-", "x.yaml", out="", err="'-' beside other")
        self.expect(2, "fmt", "--chek", "x", err="did you mean '--check'?")
        self.expect(2, "fmt", "none.yaml", out="",
                    err="none.yaml: No such file or directory")

    def test_rewrites(self):
        self.write("p/ugly.yaml", UGLY)
        self.write("p/nice.yml", NICE)
        self.write("p/words.txt", "a:   b\n")
        self.write("p/sub/ugly.yaml", UGLY)
        os.chmod(self.path("p/ugly.yaml"), 0o640)
        before = os.stat(self.path("p/nice.yml"))
        self.expect(0, "fmt", "p", out="p/sub/ugly.yaml\np/ugly.yaml\n",
                    err="")
        for name in ("p/ugly.yaml", "p/sub/ugly.yaml", "p/nice.yml"):
            self.assertEqual(self.read(name), NICE)
        self.assertEqual(self.read("p/words.txt"), "a:   b\n")
        after = os.stat(self.path("p/nice.yml"))
        self.assertEqual((before.st_ino, before.st_mtime_ns),
                         (after.st_ino, after.st_mtime_ns))
        mode = os.stat(self.path("p/ugly.yaml")).st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o640)
        self.assertEqual(sorted(os.listdir(self.path("p"))),
                         ["nice.yml", "sub", "ugly.yaml", "words.txt"])
        self.expect(0, "fmt", "p", "p/ugly.yaml", out="", err="")

    def test_check(self):
        self.write("ugly.yaml", UGLY)
        self.write("nice.yaml", NICE)
        done = self.expect(1, "fmt", "--check", "nice.yaml", "ugly.yaml",
                           err="")
        self.assertEqual(done.out, "ugly.yaml\n")
        self.assertEqual(self.read("ugly.yaml"), UGLY)
        self.expect(0, "fmt", "--check", "nice.yaml", out="", err="")
        self.expect(1, "fmt", "--check", "-", stdin=UGLY, err="")
        self.expect(0, "fmt", "--check", "-", stdin=NICE, out="", err="")

    def test_shipped_files_are_formatted(self):
        shipped = sorted(glob.glob(os.path.join(TOP, "examples/**/*.yaml"),
                                   recursive=True))
        # Kubernetes reads that one
        shipped = [p for p in shipped if os.path.basename(p) != "job.yaml"]
        self.assertGreater(len(shipped), 1)
        self.expect(0, "fmt", "--check", *shipped, out="", err="")

    def test_standard_input(self):
        done = self.expect(0, "fmt", "-", stdin=UGLY, err="")
        self.assertEqual(done.out, NICE)
        self.expect(3, "fmt", "-", stdin="a: [", out="",
                    err="standard input:1:")
        self.expect(3, "fmt", "-", stdin="", out="", err="empty")

    def test_diff(self):
        self.write("ugly.yaml", UGLY)
        done = self.expect(1, "fmt", "--diff", "ugly.yaml", err="")
        self.assertTrue(done.out.startswith(
            "--- ugly.yaml\n+++ ugly.yaml\n@@ -1,7 +1,10 @@\n"
            "-version: '1.0'\n"), done.out)
        self.assertEqual(self.read("ugly.yaml"), UGLY)
        self.expect(0, "fmt", "--diff", "-", stdin=NICE, out="", err="")
        self.patched("ugly.yaml", done.out)

    def patched(self, name, diff):
        """Applies |diff| by hand: what it says must be the formatted file."""
        old = self.read(name).splitlines(True)
        new, at = [], 0
        for line in diff.splitlines(True)[2:]:
            if line.startswith("@@"):
                start, n = line.split()[1][1:].split(",")
                start = int(start) - (int(n) > 0)
                new += old[at:start]
                at = start
            elif line.startswith("\\"):
                pass  # of the line before, which has been compared
            elif line[0] == "+":
                new.append(line[1:])
            else:
                text = line[1:]
                if at == len(old) - 1 and not old[at].endswith("\n"):
                    text = text.rstrip("\n")
                self.assertEqual(text, old[at])
                if line[0] == " ":
                    new.append(text)
                at += 1
        new += old[at:]
        want = self.expect(0, "fmt", "-", stdin="".join(old)).out
        self.assertEqual("".join(new), want)

    def test_diff_of_long_files(self):
        entries = "".join(
            "  - name: n%d\n    kind: security.policy\n    policy:\n"
            "      actions: %s\n      resources: r\n      effect: deny\n\n"
            % (i, "'a'" if i % 17 == 3 else "a") for i in range(400))
        text = "namespace: a\nentries:\n" + entries[:-2]
        self.write("long.yaml", text)
        done = self.expect(1, "fmt", "--diff", "long.yaml", err="")
        self.assertEqual(done.out.count("\n@@ "), 25, done.out[:3000])
        self.assertIn("\\ No newline at end of file\n", done.out)
        self.patched("long.yaml", done.out)

    def test_only_ours(self):
        foreign = {
            "compose": "services:\n    web: {image: x}\n",
            "pod": "apiVersion: v1\nkind: Pod\nmetadata: {name:   x}\n",
            "ci": "on: push\njobs:\n   a: {runs-on:   x}\n",
            "list": "-   a\n-   b\n",
            "text": "a   text\n",
            "map": "entries: {a:   b}\ntests:   3\n",
        }
        for name, text in foreign.items():
            path = name + ".yaml"
            self.write(path, text)
            for args in ([path], ["--check", path], ["--diff", path]):
                self.expect(3, "fmt", *args, out="",
                            err="cordon: %s:1:1: no policy file, manifest or "
                                "suite of tests, expected " % path)
            self.expect(3, "fmt", "-", stdin=text, out="",
                        err="standard input:1:1: no policy file")
            self.assertEqual(self.read(path), text)
        ours = {  # with mistakes, too
            "version: 1\ntests:   []\n": "version: 1\ntests: []\n",
            "entires:\n    -   name: x\n": "entires:\n  - name: x\n",
            "kind:   security.polcy\n": "kind: security.polcy\n",
            "entries:\n    - kind:   process.lua\n":
                "entries:\n  - kind: process.lua\n",
        }
        for text, nice in ours.items():
            self.expect(0, "fmt", "-", stdin=text, out=nice, err="")

    def test_refusals(self):
        self.write("bad.yaml", "a: b\n\tc: d\n")
        self.write("ugly.yaml", UGLY)
        self.write("large.yaml", "a: %s\n" % ("x" * (1 << 20)))
        done = self.expect(3, "fmt", "bad.yaml", "large.yaml", "ugly.yaml",
                           out="ugly.yaml\n",
                           err=["cordon: bad.yaml:2:1: tab",
                                "large.yaml: the file is larger than 1 MiB"])
        self.assertEqual(done.out, "ugly.yaml\n")
        self.assertEqual(self.read("bad.yaml"), "a: b\n\tc: d\n")
        self.assertEqual(self.read("ugly.yaml"), NICE)

    def test_links(self):
        """A file behind a link is not written through it."""
        self.write("other/ugly.yaml", UGLY)
        os.mkdir(self.path("p"))
        os.symlink("../other/ugly.yaml", self.path("p/link.yaml"))
        os.symlink("../other", self.path("p/folder"))
        self.write("p/nice.yaml", NICE)
        self.expect(0, "fmt", "p", out="", err="")
        self.expect(2, "fmt", "p/link.yaml", out="", err="a symbolic link")
        self.assertEqual(self.read("other/ugly.yaml"), UGLY)
        self.expect(1, "fmt", "--check", "p/link.yaml", out="p/link.yaml\n")
        os.symlink("zz.yaml", self.path("p/a.yaml"))  # before its target
        self.write("p/zz.yaml", UGLY)
        self.expect(0, "fmt", "p", out="p/zz.yaml\n", err="")
        self.assertTrue(os.path.islink(self.path("p/a.yaml")))
        os.mkfifo(self.path("p/fifo.yaml"))
        self.expect(2, "fmt", "p", out="", err="fifo.yaml: no regular file")

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_read_only_folder(self):
        self.write("p/ugly.yaml", UGLY)
        os.chmod(self.path("p"), 0o500)
        self.addCleanup(os.chmod, self.path("p"), 0o700)
        self.expect(2, "fmt", "p", out="", err="Permission denied")
        self.assertEqual(self.read("p/ugly.yaml"), UGLY)

    def same_strings(self, was, now):
        """What was a string for a reader of YAML 1.1 still is, the same."""
        if isinstance(was, str):
            self.assertEqual(now, was)
        elif isinstance(was, list):
            for a, b in zip(was, now):
                self.same_strings(a, b)
        elif isinstance(was, dict):
            for key, value in was.items():
                if isinstance(key, str):
                    self.same_strings(value, now[key])

    @unittest.skipIf(yaml is None, "no python3-yaml")
    def test_means_the_same_to_others(self):
        texts = [UGLY, POLICY]
        for path in sorted(glob.glob(
                os.path.join(TOP, "fuzz/corpus/*/*.yaml"))):
            with open(path, encoding="utf-8", errors="replace") as f:
                texts.append(f.read())
        compared = 0
        for text in texts:
            done = self.cordon("fmt", "-", stdin=text)
            if done.status != 0:
                continue
            try:
                plain = yaml.load(text, Loader=yaml.BaseLoader)
                was = yaml.safe_load(text)
            except (yaml.YAMLError, ValueError):
                continue  # it cannot read everything
            compared += 1
            with self.subTest(text=text):
                self.assertEqual(
                    yaml.load(done.out, Loader=yaml.BaseLoader), plain)
                self.same_strings(was, yaml.safe_load(done.out))
        self.assertGreater(compared, 20)

    def test_formatted_files_decide_the_same(self):
        self.write("p.yaml", POLICY)
        questions = "".join(
            json.dumps({"id": i, "action": "websocket.connect.url",
                        "resource": u}) + "\n"
            for i, u in enumerate([cli_test.PRICES, "wss://x.example/",
                                   cli_test.PRICES[:-3] + "secret"]))
        ask = ("eval", "-p", "p.yaml", "--input", "-")
        before = self.expect(0, *ask, stdin=questions).out
        self.expect(0, "fmt", "p.yaml", out="p.yaml")
        self.assertEqual(self.expect(0, *ask, stdin=questions).out, before)


RULES = "{rules: [%s], effect: allow}"
BODY = "{actions: a, resources: r, effect: allow%s}"

# (a policy, whether it is right); the loader must say the same
BODIES = [
    ("{actions: a, resources: r, effect: allow}", True),
    ("{actions: [a, b.*, '*'], resources: ['', r, 'x:*'], effect: deny}", True),
    ("{actions: a, resources: r}", False),
    ("{actions: a, resources: r, effect: alow}", False),
    ("{actions: a, resources: r, effect: [allow]}", False),
    ("{actions: a, effect: allow}", False),
    ("{resources: r, effect: allow}", False),
    ("{effect: allow}", False),
    ("{actions: [], resources: r, effect: allow}", False),
    ("{actions: a, resources: [], effect: allow}", False),
    ("{actions: '', resources: r, effect: allow}", False),
    ("{actions: 'a*b', resources: r, effect: allow}", False),
    ("{actions: ' a', resources: r, effect: allow}", False),
    ("{actions: 'a ', resources: r, effect: allow}", False),
    ("{actions: 'a *', resources: r, effect: allow}", True),
    ("{actions: '**', resources: r, effect: allow}", False),
    ("{actions: 1, resources: r, effect: allow}", False),
    ("{actions: a, resources: 1, effect: allow}", False),
    ("{actions: a, resources: {}, effect: allow}", False),
    ("{actions: a, resources: r, effect: allow, efect: deny}", False),
    ("{actions: a, resources: r, effect: allow, expression: 'true'}", False),
    ("[]", False),
    ("null", False),
    (RULES % "{action: a, resource: r}", True),
    (RULES % "{action: websocket.connect}", True),
    (RULES % "{action: a}", False),
    (RULES % "{resource: a}", False),
    (RULES % "", False),
    (RULES % "a", False),
    (RULES % "{action: [a], resource: r}", False),
    (RULES % "{action: a, resource: r, adress: any}", False),
    (RULES % "{action: websocket.connect.url, resource: 'wss://a.example', "
     "address: any}", True),
    (RULES % "{action: websocket.connect.url, resource: 'wss://a.example', "
     "address: all}", False),
    ("{effect: deny, rules: [{action: websocket.connect.url, resource: "
     "'wss://a.example', address: any}]}", False),
    ("{effect: allow, rules: [{action: a, resource: r}], actions: a}", False),
    ("{effect: allow, rules: [{action: a, resource: r}], resources: a}", False),
    ("{effect: allow, rules: {action: a, resource: r}}", False),
    (BODY % ", conditions: []", True),
    (BODY % ", conditions: {}", False),
    (BODY % ", conditions: [x]", False),
] + [(BODY % (", conditions: [{%s}]" % c), ok) for c, ok in [
    ("field: actor.id, operator: eq, value: x", True),
    ("field: actor.id, operator: eq, value: 1", True),
    ("field: actor.id, operator: eq, value: null", False),
    ("field: actor.id, operator: eq", False),
    ("field: actor.id, value: x", False),
    ("operator: eq, value: x", False),
    ("field: actor.id, operator: eqq, value: x", False),
    ("field: actor.id, operator: eq, value: x, value_from: action", False),
    ("field: actor.id, operator: eq, value_from: meta.owner", True),
    ("field: actor.id, operator: eq, value_from: owner", False),
    ("field: actor.meta.a.b.c, operator: lt, value: 3.5", True),
    ("field: actor.meta.a, operator: gte, value: b", True),
    ("field: actor.meta.a, operator: gte, value: true", False),
    ("field: actor.meta.a, operator: gte, value: [1]", False),
    ("field: meta.a, operator: in, value: [1, b]", True),
    ("field: meta.a, operator: in, value: b", False),
    ("field: meta.a, operator: nin, value_from: actor.meta.list", True),
    ("field: meta.a, operator: exists", True),
    ("field: meta.a, operator: nexists, value: false", True),
    ("field: meta.a, operator: exists, value: 'yes'", False),
    ("field: meta.a, operator: exists, value_from: action", False),
    ("field: meta.a, operator: contains, value: x", True),
    ("field: meta.a, operator: ncontains, value: {a: b}", True),
    ("field: meta.a, operator: contains, value: ~", False),
    ("field: resource, operator: matches, value: 3", False),
    ("field: resource, operator: nmatches", False),
    ("field: resource, operator: matches, value_from: meta.a", False),
    ("field: actor, operator: exists", False),
    ("field: actor.name, operator: exists", False),
    ("field: actor.id.x, operator: exists", False),
    ("field: actor.meta, operator: exists", True),
    ("field: meta, operator: exists", False),
    ("field: meta., operator: exists", False),
    ("field: meta..a, operator: exists", False),
    ("field: user.id, operator: exists", False),
    ("field: action.x, operator: exists", False),
    ("field: url.user, operator: exists", False),
    ("field: '', operator: exists", False),
    ("field: meta.a, operator: exists, valeu: true", False),
]]

URL_BODY = ("{actions: websocket.connect.url, resources: '*', effect: deny, "
            "conditions: [{field: url.%s, operator: eq, value: x}]}")
BODIES += [(URL_BODY % part, part != "user") for part in
           ("scheme", "host", "port", "path", "query", "user")]

EXPRESSIONS = [
    ("{actions: a, resources: r, effect: allow, expression: 'actor.id == "
     "\"x\"'}", True),
    ("{actions: a, resources: r, effect: allow}", False),
    ("{actions: a, resources: r, effect: allow, expression: ''}", False),
    ("{actions: a, resources: r, effect: allow, expression: true}", False),
    ("{actions: a, resources: r, effect: allow, expression: 'has(meta.a)', "
     "conditions: []}", False),
]

# (a whole file, whether it is right)
ENTRY = "{name: p, kind: security.policy%s, policy: {actions: a, resources: " \
        "r, effect: deny}}"
FILES = [
    ("namespace: a\nentries: []\n", True),
    ("entries: []\n", False),
    ("namespace: a\n", False),
    ("namespace: cli\nentries: []\n", False),
    ("namespace: 'a b'\nentries: []\n", False),
    ("namespace: 1\nentries: []\n", False),
    ("version: '1.0'\nnamespace: a\nentries: []\n", True),
    ("version: 1.0\nnamespace: a\nentries: []\n", True),
    ("version: '2.0'\nnamespace: a\nentries: []\n", False),
    ("version: null\nnamespace: a\nentries: []\n", False),
    ("namespace: a\nentries: {}\n", False),
    ("namespace: a\nentries: [x]\n", False),
    ("namespace: a\nentries: [{}]\n", False),
    ("namespace: a\nentries: [{kind: 1}]\n", False),
    ("namespace: a\nentries: [{kind: ''}]\n", False),
    ("namespace: a\nentries: [{kind: function.lua, what: ever}]\n", True),
    ("namespace: a\nentries: [{kind: security.token_store}]\n", True),
    ("namespace: a\nentries: [{kind: security.polcy}]\n", False),
    ("namespace: a\nentries: [{kind: Security.policy}]\n", False),
    ("namespace: a\nentries: [{kind: security}]\n", False),
    ("namespace: a\nother: x\nentries: []\n", True),
    ("namespace: a\nentries: [%s]\n" % (ENTRY % ""), True),
    ("namespace: a\nentries: [%s]\n" % (ENTRY % ", meta: [1]"), True),
    ("namespace: a\nentries: [%s]\n" % (ENTRY % ", groups: g"), True),
    ("namespace: a\nentries: [%s]\n" % (ENTRY % ", groups: [g, 'n:g']"), True),
    ("namespace: a\nentries: [%s]\n" % (ENTRY % ", groups: []"), True),
    ("namespace: a\nentries: [%s]\n" % (ENTRY % ", groups: {}"), False),
    ("namespace: a\nentries: [%s]\n" % (ENTRY % ", groups: ['a b']"), False),
    ("namespace: a\nentries: [%s]\n" % (ENTRY % ", groups: 'a:b:c'"), False),
    ("namespace: a\nentries: [%s]\n" % (ENTRY % ", group: g"), False),
    ("namespace: a\nentries: [%s]\n" % (ENTRY % ", version: '1'"), False),
    ("namespace: a\nentries: [{kind: security.policy, policy: %s}]\n"
     % (BODY % ""), False),
    ("namespace: a\nentries: [{kind: security.policy, name: p}]\n", False),
    ("namespace: a\nentries: [{kind: security.policy, name: 'a:b', "
     "policy: %s}]\n" % (BODY % ""), False),
    ("namespace: a\n" + (ENTRY % "")[1:-1].replace(", ", "\n", 2) + "\n", True),
    ("namespace: a\nkind: security.policy\nname: p\npolicy: %s\n"
     % (BODY % ""), True),
    ("version: '1'\nnamespace: a\nkind: security.policy\nname: p\n"
     "policy: %s\nother: x\n" % (BODY % ""), False),
    ("namespace: a\nkind: security.policy\nentries: []\n", False),
    ("namespace: a\nkind: process.lua\n", True),
    ("[]\n", False),
    ("x\n", False),
]


@unittest.skipIf(yaml is None or jsonschema is None,
                 "no python3-jsonschema or python3-yaml")
class Schema(cli_test.Case):
    def setUp(self):
        super().setUp()
        text = self.expect(0, "schema", err="").out
        self.schema = json.loads(text)
        self.validator = jsonschema.Draft7Validator(self.schema)

    def test_usage(self):
        self.expect(2, "schema", "x", out="", err="unexpected 'x'")
        jsonschema.Draft7Validator.check_schema(self.schema)
        self.assertEqual(self.schema["$schema"],
                         "http://json-schema.org/draft-07/schema#")

    def agree(self, text, right):
        """Validator and loader think the same of |text|."""
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            self.fail("not YAML: " + text)
        problems = [e.message for e in self.validator.iter_errors(value)]
        self.assertEqual(not problems, right, "schema: %s %s"
                         % (text, problems))
        self.write("x.yaml", text)
        done = self.cordon("check", "-q", "x.yaml")
        self.assertEqual(done.status != 3, right, (text, done))

    def test_policies(self):
        for kind, rows in (("security.policy", BODIES),
                           ("security.policy.expr", EXPRESSIONS)):
            for body, right in rows:
                with self.subTest(kind=kind, body=body):
                    self.agree("namespace: a\nentries:\n- name: p\n"
                               "  kind: %s\n  policy: %s\n" % (kind, body),
                               right)

    def test_files(self):
        for text, right in FILES:
            with self.subTest(text=text):
                self.agree(text, right)

    def test_files_of_the_tree(self):
        """What loads is valid: examples, and the seeds of the fuzzers."""
        seen = 0
        for path in sorted(
                glob.glob(os.path.join(TOP, "examples/*.yaml")) +
                glob.glob(os.path.join(TOP, "tests/**/*.yaml"),
                          recursive=True) +
                glob.glob(os.path.join(TOP, "fuzz/corpus/*/*.yaml"))):
            done = subprocess.run([CORDON, "check", "-q", path],
                                  stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=LIMIT_S)
            if done.returncode not in (0, 1):
                continue
            with open(path, encoding="utf-8-sig") as f:
                value = yaml.safe_load(f)
            with self.subTest(path=path):
                self.assertEqual(
                    [e.message for e in self.validator.iter_errors(value)], [])
            seen += 1
        self.assertGreaterEqual(seen, 5)

    def test_every_operator_is_there(self):
        """The schema offers what the loader names in its message."""
        self.write("x.yaml", "namespace: a\nentries:\n- name: p\n"
                   "  kind: security.policy\n  policy: " + BODY %
                   ", conditions: [{field: actor.id, operator: zzzzzzzz, "
                   "value: x}]" + "\n")
        said = self.cordon("check", "-q", "x.yaml").out
        names = self.schema["definitions"]["condition"]["properties"][
            "operator"]["enum"]
        self.assertEqual(len(names), 14)
        for name in names:
            self.assertIn("'%s'" % name, said)


if __name__ == "__main__":
    unittest.main()
