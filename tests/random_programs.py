"""Random Lua programs over the whole offered API, under tiny limits.

usage: random_programs.py [--seed N] [--count N] [--minutes N] [--show N]

Whatever a program does, cordon does not crash, ends with a status that scripts
can end with, and soon.  Program N is made from its number alone: --show N
prints it, --seed N starts with it.  What fails is told by that number.
"""

import argparse
import concurrent.futures
import os
import random
import subprocess
import sys
import tempfile
import time

import hostile_files
import hostile_server

STATUSES = (0, 1, 10, 11, 12, 13)
ARGS = ["--cpu", "40ms", "--memory", "3MiB", "--deadline", "250ms",
        "--max-output", "64KiB", "--max-tasks", "100", "--max-timers", "50",
        "-q"]
SERVERS = ("echo", "early", "flood", "hang_up", "show", "close_1005",
           "bad_text", "ping_flood", "split_answer", "after_close")

FUNCTIONS = """
string.byte string.char string.find string.format string.gmatch string.gsub
string.len string.lower string.match string.pack string.packsize string.rep
string.reverse string.sub string.unpack string.upper
table.concat table.insert table.move table.pack table.remove table.sort
table.unpack
math.abs math.ceil math.floor math.fmod math.max math.min math.random
math.randomseed math.tointeger math.type math.ult
utf8.char utf8.codepoint utf8.codes utf8.len utf8.offset
coroutine.close coroutine.create coroutine.isyieldable coroutine.resume
coroutine.running coroutine.spawn coroutine.status coroutine.wrap
coroutine.yield
os.clock os.date os.difftime os.time
assert error getmetatable ipairs next pairs pcall print rawequal rawget rawlen
rawset require select setmetatable tonumber tostring type unpack xpcall
channel.new channel.select errors.new errors.wrap errors.is errors.call_stack
time.sleep time.after time.timer time.ticker time.now time.unix time.date
time.parse time.parse_duration time.load_location time.fixed_zone
json.encode json.decode json.validate json.validate_string
security.actor security.scope security.can security.new_actor
security.new_scope security.policy security.named_scope
websocket.connect
""".split()

METHODS = """
send receive close capacity case_receive case_send channel response stop reset
kind message retryable details stack add sub add_date before after equal format
format_rfc3339 unix unix_nano date clock year month weekday year_day is_zero utc
in_local in_location location round truncate hours minutes seconds milliseconds
nanoseconds string id meta with without contains policies evaluate ping
close_info subprotocol rep gsub find byte sub upper gmatch
""".split()

METAMETHODS = """
__index __newindex __call __add __sub __concat __eq __lt __le __len __unm
__tostring __close __pairs __metatable __name __mode __gc
""".split()

STRINGS = ['""', '"x"', '"abc"', '"%d"', '"%s%5.2f"', '"(a*)b"', '"%b()"',
           '"[^a-z]+"', '"k"', '"v"', '"kv"', '"1h30m"', '"5ms"', '"-1s"',
           '"2006-01-02T15:04:05Z07:00"', '"2024-02-29T23:59:60Z"', '"UTC"',
           '"\\0\\255"', '"\\u{10FFFF}"', '("x"):rep(300)', '("ab"):rep(20)',
           '"Invalid"', '"i4z"', '"!8s2"', '"ns:name"', '"websocket.connect"',
           '\'{"a":[1,2,{"b":null}]}\'', '"[1,"', '"text"', '"json"',
           '"require"', '"a\\nb"', '"*t"', '"%c"', '"0x1p4"', '"__index"']
NUMBERS = ["0", "1", "2", "-1", "3", "10", "100", "255", "1000", "0.5", "-0.0",
           "1e308", "1/0", "-1/0", "0/0", "2^53", "1 << 31", "1 << 62",
           "math.maxinteger", "math.mininteger", "1e6", "5000000", "1000"]


class Writer:
    """One program."""

    def __init__(self, number):
        self.r = random.Random(number)
        self.out = []
        self.depth = 0
        self.size = 0

    def line(self, text):
        self.size += 1
        self.out.append("  " * self.depth + text)

    def variable(self):
        return "v[%d]" % self.r.randint(1, 12)

    def table(self, deep):
        r = self.r
        fields = []
        for _ in range(r.randint(0, 4)):
            key = r.choice(["", "", "[%s] = " % self.scalar(), "a = ", "b = ",
                            "message = ", "kind = ", "details = ", "year = ",
                            "headers = ", "protocols = ", "read_limit = ",
                            "channel_capacity = ", "compression = ",
                            "control_messages = ", "read_timeout = ",
                            "type = ", "properties = ", "items = ",
                            "allOf = ", "default = ", "month = ", "day = "])
            fields.append(key + self.value(deep + 1))
        text = "{" + ", ".join(fields) + "}"
        roll = r.random()
        if roll < 0.1:
            return 'setmetatable(%s, {__mode = "%s"})' % (
                text, r.choice(["k", "v", "kv"]))
        if roll < 0.25:
            return "object(%s, %s)" % (text, self.metatable(deep))
        return text

    def metatable(self, deep):
        return "{" + ", ".join(
            "%s = %s" % (name, self.function(deep + 1)
                         if self.r.random() < 0.8 else self.value(deep + 1))
            for name in self.r.sample(METAMETHODS, self.r.randint(1, 3))) + "}"

    def function(self, deep):
        r = self.r
        if deep > 2 or r.random() < 0.4:
            return r.choice(FUNCTIONS + ["f1", "f2", "f3", "f4"])
        text = "function(a, b, ...) "
        for _ in range(r.randint(0, 2)):
            text += self.statement_text(deep + 1) + " "
        return text + "return %s end" % r.choice(
            ["a", "b", "...", "a, b", self.value(deep + 1), "a < b", "1, 2, 3"])

    def scalar(self):
        r = self.r
        return r.choice([r.choice(STRINGS), r.choice(NUMBERS), "true", "v[1]"])

    def value(self, deep=0):
        r = self.r
        roll = r.random()
        if roll < 0.3:
            return self.variable()
        if roll < 0.45:
            return r.choice(NUMBERS)
        if roll < 0.6:
            return r.choice(STRINGS)
        if roll < 0.65:
            return r.choice(["nil", "true", "false", "json.null", "time.SECOND",
                             "time.utc", "websocket.BINARY", "arg[1]",
                             "_G", "coroutine.running()", "string"])
        if deep > 3:
            return self.variable()
        if roll < 0.78:
            return self.table(deep)
        if roll < 0.88:
            return "(%s)" % self.function(deep)
        if roll < 0.94:
            return "(try(%s))" % self.call_arguments(deep + 1)
        return "operate(function() return %s %s %s end)" % (
            self.value(deep + 1),
            r.choice(["+", "-", "*", "/", "//", "%", "..", "==", "<", "<=",
                      "and", "or", "&", "~", "<<", "^"]),
            self.value(deep + 1))

    def arguments(self, deep, most=4):
        return [self.value(deep + 1)
                for _ in range(self.r.randint(0, most))]

    def call_arguments(self, deep):
        """A function and what it is called with, or a method."""
        r = self.r
        roll = r.random()
        if roll < 0.35:
            return ", ".join(["method", self.variable(),
                              '"%s"' % r.choice(METHODS)] +
                             self.arguments(deep, 3))
        if roll < 0.5:
            return ", ".join(self.likely(deep))
        return ", ".join([r.choice(FUNCTIONS + ["f1", "f2", "f3", "f4"])] +
                         self.arguments(deep))

    def likely(self, deep):
        """Calls whose arguments are of the right types."""
        r = self.r
        v = self.variable
        return r.choice([
            lambda: ["channel.new", str(r.randint(0, 3))],
            lambda: ["channel.select", "{%s}" % ", ".join(
                ["case(%s, %s)" % (v(), self.value(deep + 1))
                 for _ in range(r.randint(1, 4))] +
                ["default = true"] * (r.random() < 0.6))],
            lambda: ["time.sleep", r.choice(["0", "1000", '"1ms"'])],
            lambda: ["time.after", '"1ms"'],
            lambda: ["time.timer", r.choice(['"1ms"', '"1h"', "1"])],
            lambda: ["time.ticker", r.choice(['"1ms"', '"1us"', "1"])],
            lambda: ["coroutine.spawn", self.function(deep), v()],
            lambda: ["coroutine.wrap", self.function(deep)],
            lambda: ["coroutine.create", self.function(deep)],
            lambda: ["coroutine.resume", v(), self.value(deep + 1)],
            lambda: ["coroutine.close", v()],
            lambda: ["table.sort", "{3, 1, 2, 5, 4}", self.function(deep)],
            lambda: ["string.gsub", r.choice(STRINGS), '"."',
                     self.function(deep)],
            lambda: ["xpcall", self.function(deep), self.function(deep)],
            lambda: ["websocket.connect", "arg[%d]" % r.randint(1, 3),
                     r.choice(["nil", self.table(deep + 1)])],
            lambda: ["json.encode", v()],
            lambda: ["json.validate", self.table(deep + 1), v()],
            lambda: ["errors.new", "{message = %s, details = %s}" % (
                r.choice(STRINGS), self.table(deep + 1))],
            lambda: ["errors.wrap", v(), '"context"'],
            lambda: ["security.new_scope", "{%s}" % v()],
            lambda: ["security.can", '"websocket.connect"', '""',
                     self.table(deep + 1)],
            lambda: ["setmetatable", v(), self.metatable(deep)],
        ])()

    def statement_text(self, deep):
        r = self.r
        roll = r.random()
        if roll < 0.55:
            return "%s = try(%s)" % (self.variable(),
                                     self.call_arguments(deep))
        if roll < 0.7:
            return "%s = %s" % (self.variable(), self.value(deep))
        if roll < 0.75:
            return "try(function() local x <close> = %s %s = x end)" % (
                self.value(deep), self.variable())
        if roll < 0.8:
            return "for i = 1, %d do %s = try(%s) end" % (
                r.choice([2, 5, 50]), self.variable(),
                self.call_arguments(deep + 1))
        if roll < 0.84:
            return "try(function() for k, x in %s do %s = x end end)" % (
                r.choice(["pairs(%s)" % self.variable(),
                          "ipairs(%s)" % self.variable(),
                          self.value(deep + 1)]), self.variable())
        if roll < 0.9:
            return "try(function() %s[%s] = %s end)" % (
                self.variable(), self.value(deep + 1), self.value(deep + 1))
        if roll < 0.96:
            return "coroutine.spawn(function(...) %s end, %s)" % (
                "try(%s)" % self.call_arguments(deep + 1), self.variable())
        return "f%d(%s)" % (r.randint(1, 4), self.value(deep + 1))

    def program(self):
        r = self.r
        self.out.append("""\
local time, json, security, websocket = require "time", require "json",
  require "security", require "websocket"
local v = {}
local f1, f2, f3, f4
local function keep(ok, ...) return ... end
local function try(...) return keep(pcall(...)) end
local function method(o, name, ...) return o[name](o, ...) end
local function operate(f) return (try(f)) end
local function object(t, m) return keep(pcall(setmetatable, t, m)) or t end
local function case(ch, x)
  return try(function()
    return x and ch:case_send(x) or ch:case_receive()
  end) or v[9]
end
v[1], v[2] = channel.new(), channel.new(2)
v[3], v[4] = time.now(), time.timer("1ms")
v[5], v[6] = errors.new {message = "m", details = {a = {}}}, {1, 2, 3}
v[7] = time.after("2ms")
v[8] = coroutine.create(function(...)
  while true do try(coroutine.yield, ...) end
end)
v[9] = v[1]:case_receive()
v[10] = time.parse_duration("1ms")
v[11] = security.scope()""")
        if r.random() < 0.5:
            self.out.append("v[12] = websocket.connect(arg[%d])" %
                            r.randint(1, 3))
        for i in range(1, 5):
            self.out.append("function f%d(a, b)" % i)
            self.depth += 1
            for _ in range(r.randint(1, 3)):
                self.line(self.statement_text(1))
            self.line("return " + self.value(1))
            self.depth -= 1
            self.out.append("end")
        for _ in range(r.randint(5, 25)):
            self.line(self.statement_text(0))
        if r.random() < 0.7:
            self.line('time.sleep("%dms")' % r.choice([1, 3, 10]))
        return "\n".join(self.out) + "\n"


def program(number):
    return Writer(number).program()


def run(number, cordon, env, level, folder):
    """None, or what is wrong with program |number|."""
    path = os.path.join(folder, "%d.lua" % number)
    r = random.Random(-number - 1)
    urls = [hostile_server.url(name) for name in r.sample(SERVERS, 3)]
    with open(path, "w") as f:
        f.write(program(number))
    allow = [word for url in urls for word in ("--allow", url)]
    status, out, err, _ = hostile_files.execute(
        [cordon, "run", "--isolation=" + level, *ARGS, *allow, path, *urls],
        env)
    os.unlink(path)
    text = err.decode("utf-8", "replace")
    if status in STATUSES and not hostile_files.SANITIZER.search(text):
        return None
    return "program %d (%s): status %s\n%s" % (number, level, status,
                                               text[:6000])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--minutes", type=float)
    options.add_argument("--show", type=int)
    options = options.parse_args()
    if options.show is not None:
        sys.stdout.write(program(options.show))
        return 0
    cordon = os.environ.get("CORDON") or os.path.join(
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build",
        "cordon")
    env = dict(os.environ)
    levels = hostile_files.levels_of(cordon, env)
    end = time.monotonic() + (options.minutes or 1e9) * 60
    failed = ran = 0
    with tempfile.TemporaryDirectory(prefix="cordon-random-") as folder:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            number = options.seed
            while time.monotonic() < end and (
                    options.minutes or ran < options.count):
                batch = range(number, number + 20)
                number += 20
                for level in levels:
                    for wrong in pool.map(
                            lambda n: run(n, cordon, env, level, folder),
                            batch):
                        ran += 1
                        if wrong:
                            failed += 1
                            print(wrong, flush=True)
    print("Ran %d tests" % ran)
    print("FAILED (failures=%d)" % failed if failed else "OK")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
