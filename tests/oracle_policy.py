#!/usr/bin/python3
"""oracle_policy.py - conditions and expressions once more, from the page "The
policy language" alone, and a seeded generator of policies and requests.

It shares nothing with policy/*.c: policies are made as trees, judged as trees,
and written as YAML for the program under test, which has to read them first.

  oracle_policy.py [-s SEED] [-n SETS] [-k]   asks $CORDON eval --input; status 1
                                              and the first differences if it
                                              answers otherwise; -k keeps going
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

CORDON = os.environ.get("CORDON", "./cordon")
POLICIES = 24
REQUESTS = 80

MISSING = object()


class Fault(Exception):
    pass


# ------------------------------------------------------------ what is true ---

def lookup(path, request):
    """The value at a path, or MISSING; null is missing."""
    root, keys = path[0], list(path[1:])
    if root == "action":
        return request["action"]
    if root == "resource":
        return request["resource"]
    if root == "actor":
        if keys == ["id"]:
            return request["actor"]["id"]
        value, keys = request["actor"].get("meta", {}), keys[1:]
    elif root == "meta":
        value = request.get("meta", {})
    else:
        value = request.get("url*", {})
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return MISSING if value is None else value


def get(path, request):
    value = lookup(path, request)
    if value is MISSING:
        raise Fault("%s is missing" % ".".join(path))
    return value


def kind(v):
    if isinstance(v, bool):
        return "bool"
    if isinstance(v, (int, float)):
        return "number"
    if isinstance(v, str):
        return "string"
    if isinstance(v, list):
        return "list"
    if isinstance(v, dict):
        return "map"
    assert v is None
    return "null"


def same(a, b):
    if kind(a) != kind(b):
        return False
    if kind(a) == "list":
        return len(a) == len(b) and all(map(same, a, b))
    if kind(a) == "map":
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b  # Python compares int and float exactly


def ordered(op, a, b):
    if kind(a) != kind(b) or kind(a) not in ("number", "string"):
        raise Fault("type")
    if kind(a) == "string":
        a, b = a.encode(), b.encode()
    return {"lt": a < b, "gt": a > b, "lte": a <= b, "gte": a >= b}[op]


def member(item, whole):
    if kind(whole) != "list":
        raise Fault("type")
    return any(same(item, other) for other in whole)


def contains(whole, part):
    if kind(whole) == "list":
        return any(same(part, other) for other in whole)
    if kind(whole) != "string" or kind(part) != "string":
        raise Fault("type")
    return part in whole


def matches(text, pattern):
    if kind(text) != "string":
        raise Fault("type")
    return re.search(pattern, text) is not None


def holds_condition(c, request):
    op = c["operator"]
    value = lookup(c["path"], request)
    if op in ("exists", "nexists"):
        return (value is not MISSING) == (c["value"] == (op == "exists"))
    if value is MISSING:
        raise Fault("missing")
    other = c.get("value")
    if "from" in c:
        other = get(c["from"], request)
    if op in ("eq", "ne"):
        return same(value, other) == (op == "eq")
    if op in ("lt", "gt", "lte", "gte"):
        return ordered(op, value, other)
    if op in ("in", "nin"):
        return member(value, other) == (op == "in")
    if op in ("contains", "ncontains"):
        return contains(value, other) == (op == "contains")
    return matches(value, other) == (op == "matches")


def lower(text):
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def evaluate(e, request):
    """The value of an expression tree; Fault."""
    op = e[0]
    if op == "lit":
        return e[1]
    if op == "path":
        return get(e[1], request)
    if op == "has":
        return lookup(e[1], request) is not MISSING
    if op == "len":
        v = get(e[1], request)
        if kind(v) not in ("string", "list", "map"):
            raise Fault("type")
        return len(v.encode()) if kind(v) == "string" else len(v)
    if op == "lower":
        v = get(e[1], request)
        if kind(v) != "string":
            raise Fault("type")
        return lower(v)
    if op in ("and", "or", "not"):
        for item in e[1:]:
            v = evaluate(item, request)
            if kind(v) != "bool":
                raise Fault("type")
            if op == "not":
                return not v
            if v == (op == "or"):
                return v
        return op == "and"
    if op in ("==", "!=") and ("lit", None) in (e[1], e[2]):
        other = e[2] if e[1] == ("lit", None) else e[1]
        if other[0] == "path":
            nil = lookup(other[1], request) is MISSING
        else:
            nil = evaluate(other, request) is None
        return nil == (op == "==")
    a = evaluate(e[1], request)
    if op in ("in", "not in") and e[2][0] == "list":
        found = False
        for item in e[2][1:]:
            if same(a, evaluate(item, request)):
                found = True
                break
        return found == (op == "in")
    b = evaluate(e[2], request)
    if op in ("==", "!="):
        return same(a, b) == (op == "==")
    if op in ("<", "<=", ">", ">="):
        return ordered({"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[op],
                       a, b)
    if op in ("in", "not in"):
        return member(a, b) == (op == "in")
    if op == "contains":
        return contains(a, b)
    if op == "matches":
        return matches(a, b)
    if kind(a) != "string" or kind(b) != "string":
        raise Fault("type")
    return a.startswith(b) if op == "startsWith" else a.endswith(b)


def holds(policy, request):
    """True, False or None for an error."""
    try:
        for c in policy.get("conditions", []):
            if not holds_condition(c, request):
                return False
        if "expression" in policy:
            v = evaluate(policy["expression"], request)
            if kind(v) != "bool":
                raise Fault("type")
            return v
        return True
    except Fault:
        return None


def decide(policies, request):
    """(decision, id of the policy or None, number of errors)"""
    errors = 0
    denies, maybes, allows = [], [], []
    for p in sorted(policies, key=lambda p: p["name"].encode()):
        if request["action"] not in p["actions"] and p["actions"] != ["*"]:
            continue
        if not (p["resource"] == "*" or request["resource"] == p["resource"] or
                (p["resource"].endswith("*") and
                 request["resource"].startswith(p["resource"][:-1]))):
            continue
        outcome = holds(p, request)
        if outcome is None:
            errors += 1
            if p["effect"] == "deny":
                maybes.append(p)
        elif outcome:
            (denies if p["effect"] == "deny" else allows).append(p)
    for verdict, which in (("deny", denies), ("deny", maybes),
                           ("allow", allows)):
        if which:
            return verdict, "t:" + which[0]["name"], errors
    return "undefined", None, errors


# -------------------------------------------------------------- the dice ----

WORDS = ["", "a", "b", "ab", "B", "reader", "Admin", "user:1", "3", "true",
         "é", "\u4e2d", "a\nb", "x" * 70, "'", '"', "\\", "a-b"]
NUMBERS = [0, 1, -1, 2, 3, 2**53, 2**53 + 1, -2**53 - 1, 2**63 - 1, -2**63,
           0.5, 1.0, 3.0, -0.0, 1e300, 9007199254740992.0, 9.25e18, -1.5]
PATTERNS = ["^a", "b", "a.b", "[0-9]+", "^(reader|Admin)$", "x{3}", "^\\w*:\\d",
            "(?i)ADMIN", "^[^a]*$", "\u4e2d", "\\\\"]
PATHS = [("actor", "id"), ("actor", "meta", "role"), ("actor", "meta", "level"),
         ("actor", "meta", "deep", "x", "y"), ("actor", "meta", "tags"),
         ("action",), ("resource",), ("meta", "owner"), ("meta", "n"),
         ("meta", "flag"), ("meta", "list"), ("meta", "map"),
         ("meta", "map", "a"), ("meta", "nothing"), ("meta", "a-b"),
         ("meta", "host"), ("meta", "tls"), ("meta", "in")]
URL_PATHS = [("url", k) for k in ("scheme", "host", "port", "path", "query")]
URLS = [("wss://h.example/p/a?q=1", "wss", "h.example", 443, "/p/a", "q=1"),
        ("ws://H.example:81", "ws", "h.example", 81, "/", ""),
        ("wss://[2001:DB8::1]:8443/x", "wss", "[2001:db8::1]", 8443, "/x", ""),
        ("wss://10.0.0.1/?", "wss", "10.0.0.1", 443, "/", "")]
CANONICAL = {"ws://H.example:81": "ws://h.example:81/",
             "wss://[2001:DB8::1]:8443/x": "wss://[2001:db8::1]:8443/x"}
ACTIONS = ["read", "write", "list"]
URL_ACTION = "websocket.connect.url"


class Dice:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def one(self, *choices):
        return self.r.choice(choices)

    def of(self, choices):
        return self.r.choice(choices)

    def chance(self, p):
        return self.r.random() < p

    def value(self, depth=0):
        n = self.r.random()
        if n < 0.3:
            return self.of(WORDS)
        if n < 0.55:
            return self.of(NUMBERS)
        if n < 0.7:
            return self.chance(0.5)
        if depth > 2:
            return 7
        if n < 0.9:
            return [self.value(depth + 1) for _ in range(self.r.randrange(4))]
        return {self.of("abxy"): self.value(depth + 1)
                for _ in range(self.r.randrange(3))}

    def scalar(self):
        return self.of(WORDS) if self.chance(0.5) else (
            self.of(NUMBERS) if self.chance(0.7) else self.chance(0.5))

    def path(self, with_url):
        return self.of(URL_PATHS if with_url and self.chance(0.4) else PATHS)

    def condition(self, with_url):
        c = {"path": self.path(with_url),
             "operator": self.one("eq", "ne", "lt", "gt", "lte", "gte", "in",
                                  "nin", "exists", "nexists", "contains",
                                  "ncontains", "matches", "nmatches")}
        op = c["operator"]
        if op in ("exists", "nexists"):
            c["value"] = self.chance(0.5)
        elif op in ("matches", "nmatches"):
            c["value"] = self.of(PATTERNS)
        elif self.chance(0.25):
            c["from"] = self.path(with_url)
        elif op in ("in", "nin"):
            c["value"] = [self.value(1) for _ in range(self.r.randrange(5))]
        elif op in ("lt", "gt", "lte", "gte"):
            c["value"] = self.of(WORDS) if self.chance(0.4) else self.of(NUMBERS)
        else:
            c["value"] = self.value()
        return c

    def static(self, e):
        """What is known of the type before anything is asked."""
        if e[0] == "lit":
            return kind(e[1])
        if e[0] == "path":
            return "string" if e[1] in (("actor", "id"), ("action",),
                                        ("resource",)) else "any"
        return {"list": "list", "len": "number", "lower": "string"}.get(
            e[0], "bool")

    def operand(self, with_url, depth):
        n = self.r.random()
        if n < 0.45:
            return ("path", self.path(with_url))
        if n < 0.7:
            return ("lit", self.scalar())
        if n < 0.78:
            return ("len", self.path(with_url))
        if n < 0.86:
            return ("lower", self.path(with_url))
        if n < 0.93 or depth > 3:
            return ("lit", [self.scalar()
                            for _ in range(self.r.randrange(4))])
        return self.boolean(with_url, depth + 1)

    def compare(self, with_url, depth):
        while True:
            op = self.one("==", "!=", "<", "<=", ">", ">=", "in", "not in",
                          "contains", "startsWith", "endsWith", "matches")
            a = self.operand(with_url, depth)
            if op in ("==", "!=") and self.chance(0.2):
                pair = [("lit", None), a]
                self.r.shuffle(pair)
                return (op, *pair)
            if op in ("in", "not in") and self.chance(0.3):
                return (op, a, ("list", ("path", self.path(with_url)), *(
                    self.one(("path", self.path(with_url)),
                             ("lit", self.scalar()))
                    for _ in range(self.r.randrange(3)))))
            b = (("lit", self.of(PATTERNS)) if op == "matches" else
                 self.operand(with_url, depth))
            ta, tb = self.static(a), self.static(b)
            both = {ta, tb} - {"any"}
            if op in ("<", "<=", ">", ">=") and (
                    len(both) > 1 or not both <= {"number", "string"}):
                continue
            if op in ("in", "not in") and tb not in ("any", "list"):
                continue
            if op == "contains" and (ta not in ("any", "string", "list") or (
                    ta == "string" and tb not in ("any", "string"))):
                continue
            if op in ("startsWith", "endsWith") and not both <= {"string"}:
                continue
            if op == "matches" and ta not in ("any", "string"):
                continue
            return (op, a, b)

    def boolean(self, with_url, depth=0):
        n = self.r.random()
        if depth > 4 or n < 0.5:
            return self.compare(with_url, depth)
        if n < 0.6:
            return ("has", self.path(with_url))
        if n < 0.65:
            return ("path", self.one(("meta", "flag"), ("meta", "tls"),
                                     ("actor", "meta", "role")))
        if n < 0.67:
            return ("lit", self.chance(0.5))
        if n < 0.75:
            return ("not", self.boolean(with_url, depth + 1))
        return (self.one("and", "or"),
                *(self.boolean(with_url, depth + 1)
                  for _ in range(self.r.randrange(2, 4))))

    def policy(self, i):
        with_url = self.chance(0.3)
        p = {"name": "p%02d%s" % (i, self.of(["", "-x", ".y"])),
             "effect": "deny" if self.chance(0.35) else "allow",
             "actions": ([URL_ACTION] if with_url else
                         self.r.sample(ACTIONS, self.r.randrange(1, 3))),
             "resource": "*" if with_url else self.one("*", "doc:1", "doc:*")}
        if self.chance(0.5):
            p["conditions"] = [self.condition(with_url) for _ in
                               range(self.r.randrange(1, 4))]
        else:
            p["expression"] = self.boolean(with_url)
        return p

    def request(self, i):
        def some(table):
            return {k: v() for k, v in table.items() if self.chance(0.6)}
        text = lambda: self.of(WORDS)
        q = {"id": i, "actor": {"id": self.one("user:1", "amy", "Admin", "")}}
        if self.chance(0.9):
            q["actor"]["meta"] = some({
                "role": text, "level": lambda: self.of(NUMBERS),
                "tags": lambda: [self.scalar() for _ in range(3)],
                "deep": lambda: self.one({"x": {"y": self.value()}}, {"x": 1},
                                         {"x": {}}, None)})
        if self.chance(0.9):
            q["meta"] = some({
                "owner": lambda: self.one("user:1", "amy", 3, None),
                "n": lambda: self.of(NUMBERS), "flag": lambda: self.scalar(),
                "list": lambda: [self.value(1) for _ in range(3)],
                "map": lambda: {"a": self.value()}, "nothing": lambda: None,
                "a-b": text, "host": lambda: "evil.example",
                "tls": lambda: self.chance(0.5), "in": self.value})
        if self.chance(0.7):
            q["action"] = self.of(ACTIONS)
            q["resource"] = self.one("doc:1", "doc:2", "", "x")
        else:
            q["action"] = URL_ACTION
            q["resource"] = self.of(URLS)[0]
        return q


def seen(request):
    """The request as the policies see it: the URL canonical, and its parts,
    which nobody can replace, in meta."""
    q = dict(request)
    if q["action"] != URL_ACTION:
        return q
    url, scheme, host, port, path, query = next(
        u for u in URLS if u[0] == q["resource"])
    q["url*"] = {"scheme": scheme, "host": host, "port": port, "path": path,
                 "query": query}
    q["resource"] = CANONICAL.get(url, url)
    q["meta"] = {**q.get("meta", {}), **q["url*"], "tls": scheme == "wss"}
    return q


# ------------------------------------------------------------- the writing ---

def number(v):
    if isinstance(v, int):
        return str(v)
    text = repr(v)
    return text if re.search("[.e]", text) else text + ".0"


def yaml_value(v):
    """JSON is YAML, but for what the core schema reads as numbers."""
    if isinstance(v, list):
        return "[%s]" % ", ".join(map(yaml_value, v))
    if isinstance(v, dict):
        return "{%s}" % ", ".join("%s: %s" % (json.dumps(k), yaml_value(w))
                                  for k, w in v.items())
    if kind(v) == "number":
        return number(v)
    return json.dumps(v)


def dotted(path):
    return ".".join(path)


def write_path(path, dice):
    out = path[0]
    for i, key in enumerate(path[1:]):
        plain = re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", key)
        if plain and (path[0] in ("actor", "url") and i == 0
                      or dice.chance(0.7)):
            out += "." + key
        else:
            out += "[%s]" % write_string(key, dice)
    return out


def write_string(s, dice):
    if dice.chance(0.3) and "'" not in s and "\\" not in s and "\n" not in s:
        return "'%s'" % s
    return json.dumps(s, ensure_ascii=dice.chance(0.5))


def write(e, dice, level=0):
    """|level|: 0 or, 1 and, 2 not, 3 comparison, 4 operand."""
    op = e[0]
    space = dice.one(" ", "  ")
    if op == "lit":
        v = e[1]
        if v is None:
            return "nil"
        if kind(v) == "list":
            return "[%s]" % ", ".join(write(("lit", w), dice) for w in v)
        if kind(v) == "bool":
            return "true" if v else "false"
        return number(v) if kind(v) == "number" else write_string(v, dice)
    if op == "list":
        return "[%s]" % ", ".join(write(w, dice) for w in e[1:])
    if op == "path":
        return write_path(e[1], dice)
    if op in ("has", "len", "lower"):
        return "%s(%s)" % (op, write_path(e[1], dice))
    if op == "not":
        mine = 2
        inner = write(e[1], dice, 4 if e[1][0] != "not" else 2)
        text = dice.one("!", "not ", "! ") + inner
    elif op in ("and", "or"):
        mine = 1 if op == "and" else 0
        sign = dice.one("&&", "and") if op == "and" else dice.one("||", "or")
        text = (space + sign + " ").join(write(x, dice, mine + 1)
                                         for x in e[1:])
    else:
        mine = 3
        text = "%s %s %s" % (write(e[1], dice, 4), op, write(e[2], dice, 4))
    if mine < level or dice.chance(0.1):
        return "(" + text + ")"
    return text


def yaml(policies, dice):
    lines = ["namespace: t", "entries:"]
    for p in policies:
        expr = "expression" in p
        lines += ["- name: %s" % p["name"],
                  "  kind: security.policy" + (".expr" if expr else ""),
                  "  policy:", "    actions: %s" % json.dumps(p["actions"]),
                  "    resources: %s" % json.dumps(p["resource"]),
                  "    effect: %s" % p["effect"]]
        if expr:
            lines.append("    expression: %s" %
                         json.dumps(write(p["expression"], dice)))
            continue
        lines.append("    conditions:")
        for c in p["conditions"]:
            lines.append("    - {field: %s, operator: %s, %s}" % (
                json.dumps(dotted(c["path"])), c["operator"],
                "value_from: " + json.dumps(dotted(c["from"])) if "from" in c
                else "value: " + yaml_value(c["value"])))
    return "\n".join(lines) + "\n"


# --------------------------------------------------------------- the trial ---

def trial(seed):
    """Differences, as text, of one set of policies."""
    dice = Dice(seed)
    policies = [dice.policy(i) for i in range(POLICIES)]
    requests = [dice.request(i) for i in range(REQUESTS)]
    text = yaml(policies, dice)
    lines = "".join(json.dumps(q) + "\n" for q in requests)
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "t.yaml")
        with open(name, "w", encoding="utf-8") as f:
            f.write(text)
        done = subprocess.run(
            [CORDON, "eval", "-p", name, "--input", "-"], input=lines.encode(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        return ["seed %d: status %d\n%s\n%s" % (
            seed, done.returncode, done.stderr.decode("utf-8", "replace"),
            text)]
    answers = [json.loads(a) for a in done.stdout.decode().splitlines()]
    wrong = []
    if len(answers) != len(requests):
        wrong.append("seed %d: %d answers" % (seed, len(answers)))
    for q, a in zip(requests, answers):
        want = decide(policies, seen(q))
        got = (a["decision"], a["policy"], len(a["errors"]))
        if want != got:
            wrong.append("seed %d: %s\n  expected %s\n  got      %s\n  %s" % (
                seed, json.dumps(q), want, got, a["errors"]))
    return wrong


class Agreement(unittest.TestCase):
    def test_program_and_oracle_agree(self):
        for seed in range(1, 41):
            self.assertEqual(trial(seed), [])

    def test_oracle_sees_every_outcome(self):
        """The dice must not make everything an error."""
        seen_outcomes = {}
        for seed in range(1, 11):
            dice = Dice(seed)
            policies = [dice.policy(i) for i in range(POLICIES)]
            for i in range(REQUESTS):
                q = seen(dice.request(i))
                for p in policies:
                    key = ("expression" in p, holds(p, q))
                    seen_outcomes[key] = seen_outcomes.get(key, 0) + 1
        for expression in (True, False):
            for outcome in (True, False, None):
                self.assertGreater(seen_outcomes[expression, outcome], 500)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-s", "--seed", type=int)
    parser.add_argument("-n", "--sets", type=int, default=100)
    parser.add_argument("-k", "--keep-going", action="store_true")
    args, rest = parser.parse_known_args()
    if args.seed is None:
        unittest.main(argv=[sys.argv[0], *rest])
    differences = 0
    for seed in range(args.seed, args.seed + args.sets):
        wrong = trial(seed)
        differences += len(wrong)
        if wrong:
            print("\n".join(wrong[:3]))
            if not args.keep_going:
                return 1
    print("%d sets, %d differences" % (args.sets, differences))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
