#!/usr/bin/python3
"""overshoot.py - how far past their limits scripts get that do not want to stop.

usage: overshoot.py [--rounds N] [--level LEVEL]... CORDON [part of a name]

Each script runs under CPU limits of 20, 50 and 200 ms, in both levels of
isolation, and under a deadline of one second.  In milliseconds beyond the limit,
the worst of the rounds: what cordon itself says was used (of a deadline: time on
the wall); the processor time of all its processes as perf counts it (without
perf: of its own process, in which workers have no part); and the time on the wall
from its start to its end.  Off the latter two is what cordon took for a script of
nothing, the least of three.  On a busy machine time on the wall says how busy.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time

SCRIPTS = {
    "nothing but a loop": "while true do end",
    "string.rep": "while true do local s = ('x'):rep(1 << 20) end",
    "gsub": "local s = ('ab'):rep(1 << 18)\n"
            "while true do s:gsub('(a)(b)', '%2%1') end",
    "gsub, callbacks": "local s = ('ab'):rep(1 << 16)\n"
                       "while true do s:gsub('.', function(c) return c end) end",
    "gmatch": "local s = ('a '):rep(1 << 18)\n"
              "while true do for w in s:gmatch '%a+' do end end",
    "backtracking": "local s = ('a'):rep(200)\n"
                    "s:find(('a*'):rep(30) .. 'b')",
    "pcall": "while true do pcall(error) end",
    "pcall inside pcall": "local function f() while true do pcall(f) end end\n"
                          "f()",
    "xpcall, handlers": "local function h(e) error(e) end\n"
                        "while true do xpcall(error, h) end",
    "close": "local function f()\n"
             "  local c <close> = setmetatable({}, {__close = function()\n"
             "    pcall(f) end})\n"
             "  pcall(f)\nend\nwhile true do f() end",
    "close in coroutines": "while true do\n"
                           "  local co = coroutine.wrap(function()\n"
                           "    local c <close> = setmetatable({}, {__close =\n"
                           "      function() for i = 1, 1e9 do end end})\n"
                           "    error 'x'\n  end)\n  pcall(co)\nend",
    "sort": "local t = {}\nfor i = 1, 1 << 16 do t[i] = i * 7919 % 65537 end\n"
            "while true do\n"
            "  table.sort(t, function(a, b) return a * 31 % 977 < b * 31 % 977 "
            "end)\nend",
    "sort, false comparator": "local t = {}\n"
                              "for i = 1, 1 << 16 do t[i] = i end\n"
                              "while true do pcall(table.sort, t, function()\n"
                              "  return true end) end",
    "deep recursion": "local function f(n) return n == 0 and 0 or 1 + f(n - 1) "
                      "end\nwhile true do f(150000) end",
    "endless recursion": "local function f() return 1 + f() end\n"
                         "while true do pcall(f) end",
    "call chain": "local t = print\nfor i = 1, 1 << 18 do\n"
                  "  t = setmetatable({}, {__call = t})\nend\n"
                  "while true do pcall(t) end",
    "index chain": "local t = {}\nfor i = 1, 1900 do\n"
                   "  t = setmetatable({}, {__index = t})\nend\n"
                   "while true do local x = t.x end",
    "ephemerons": "local t = setmetatable({}, {__mode = 'k'})\n"
                  "local k = {}\nfor i = 1, 100000 do\n"
                  "  local n = {}; t[n] = k; k = n\nend\n"
                  "while true do local x = {} end",
    "json encode": "local json, t = require 'json', {}\n"
                   "for i = 1, 100000 do t[i] = 'some text' end\n"
                   "while true do json.encode(t) end",
    "json decode": "local json = require 'json'\n"
                   "local s = '[' .. ('[1,2.5,\"x\"],'):rep(100000) .. '1]'\n"
                   "while true do json.decode(s) end",
    "concat": "local t = {}\nfor i = 1, 1 << 18 do t[i] = 'x' end\n"
              "while true do local s = table.concat(t, ',') end",
    "concat, operator": "local s = ('x'):rep(1 << 22)\n"
                        "while true do local t = s .. s end",
    "upper, reverse": "local s = ('x'):rep(1 << 22)\n"
                      "while true do s:upper():reverse() end",
    "utf8": "local s = ('\\u{20ac}'):rep(1 << 20)\n"
            "while true do utf8.len(s) end",
    "many tasks": "local function f() while true do end end\n"
                  "for i = 1, 1000 do coroutine.spawn(f) end\nf()",
    "coroutines": "while true do coroutine.wrap(function()\n"
                  "  coroutine.yield() end)() end",
    "garbage": "local t = {}\nfor i = 1, 1 << 18 do t[i] = {i} end\n"
               "while true do local x = {} end",
    "a large table": "local t = {}\nwhile true do t[#t % 1000000 + 1] = #t end",
    "next in a hole": "local t = {}\nfor i = 1, 1 << 20 do t[i] = i end\n"
                      "for i = 1, 1 << 20 do t[i] = nil end\n"
                      "while true do next(t) end",
    # what costs turns of the loop, and not a line of Lua
    "sleep(0)": "local t = require 'time'\nwhile true do t.sleep(0) end",
    "sleep of a ms": "local t = require 'time'\n"
                     "while true do t.sleep('1ms') end",
    "after(0)": "local t = require 'time'\n"
                "while true do t.after(0):receive() end",
    "ping-pong": "local a, b = channel.new(), channel.new()\n"
                 "coroutine.spawn(function()\n"
                 "  while true do a:send((b:receive())) end end)\n"
                 "while true do b:send(1) a:receive() end",
    "tickers": "local t, cases = require 'time', {}\n"
               "for i = 1, 100 do\n"
               "  cases[i] = t.ticker(1):channel():case_receive()\nend\n"
               "while true do channel.select(cases) end",
    "9,000 timers": "local t, l = require 'time', {}\n"
                    "for i = 1, 9000 do l[i] = t.timer('1s') end\n"
                    "while true do for i = 1, 9000 do l[i]:reset(1) end\n"
                    "  t.sleep(0) end",
    "select of thousands": "local t, cases = require 'time', {}\n"
                           "for i = 1, 5000 do\n"
                           "  cases[i] = channel.new():case_receive() end\n"
                           "cases[1] = t.ticker(1):channel():case_receive()\n"
                           "while true do channel.select(cases) end",
    # what is held when it ends
    "channels held": "local l = {}\n"
                     "for i = 1, 100000 do l[i] = channel.new(1) end\n"
                     "while true do end",
    "memory held": "local l = {}\n"
                   "pcall(function() for i = 1, 1e9 do l[i] = {i} end end)\n"
                   "while true do end",
    "selects held": "for k = 1, 100 do coroutine.spawn(function()\n"
                    "  local cases = {}\n"
                    "  for i = 1, 300 do\n"
                    "    cases[i] = channel.new():case_receive() end\n"
                    "  channel.select(cases) end) end\n"
                    "require 'time'.sleep('1ms')\nwhile true do end",
    "a deep stack": "local function f(n)\n"
                    "  if n == 0 then while true do end end\n"
                    "  return 1 + f(n - 1)\nend\nf(190000)",
    "deep coroutines": "local function f(n)\n"
                       "  if n == 0 then while true do coroutine.yield() end "
                       "end\n  return 1 + f(n - 1)\nend\nlocal cos = {}\n"
                       "for i = 1, 60 do\n"
                       "  cos[i] = coroutine.wrap(function() f(10000) end)\n"
                       "end\n"
                       "while true do for i = 1, 60 do cos[i]() end end",
    "close of thousands": "local t = require 'time'\nwhile true do\n"
                          "  local ch = channel.new()\n"
                          "  for i = 1, 9000 do coroutine.spawn(function()\n"
                          "    ch:receive() end) end\n"
                          "  t.sleep(0) ch:close() t.sleep(0)\nend",
    # what the broker does, in a worker
    "print, many tasks": "for i = 1, 9000 do coroutine.spawn(function()\n"
                         "  while true do print 'x' end end) end\n"
                         "require 'time'.sleep('1h')",
    "connects of thousands": "local ws = require 'websocket'\n"
                             "for i = 1, 9000 do coroutine.spawn(function()\n"
                             "  while true do\n"
                             "    ws.connect('ws://127.0.0.1:2/') end\n"
                             "end) end\nrequire 'time'.sleep('1h')",
    "print": "while true do print 'x' end",
    "print, much": "local s = ('v'):rep(100000)\n"
                   "while true do print(s) end",
    "refused connects": "local ws = require 'websocket'\n"
                        "while true do ws.connect('ws://127.0.0.1:1/') end",
    "connects of many tasks": "local ws = require 'websocket'\n"
                              "for i = 1, 60 do coroutine.spawn(function()\n"
                              "  while true do\n"
                              "    ws.connect('ws://127.0.0.1:1/') end\n"
                              "end) end\nrequire 'time'.sleep('1h')",
    "connects that no policy allows": "local ws = require 'websocket'\n"
                                      "while true do\n"
                                      "  ws.connect('ws://127.0.0.1:2/') end",
    "security.can": "local s = require 'security'\n"
                    "while true do\n"
                    "  s.can('websocket.connect.url', 'wss://a.example/') end",
    "compile, gotos": None,  # made below: it is the source that takes long
    "compile, elseif": None,
}


def source(name):
    if name == "compile, gotos":  # quadratic: all are looked at in each block
        return "do goto e end\n" * 32000 + "::e::\n"
    if name == "compile, elseif":  # quadratic: a list of jumps with one end
        return "if a then a=1\n" + "elseif a then a=1\n" * 40000 + "end\n"
    return SCRIPTS[name] + "\n"


HAS_PERF = shutil.which("perf") is not None and subprocess.run(
    ["perf", "stat", "-x,", "-e", "task-clock", "true"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1000.0}


def ms(text):
    n, unit = re.fullmatch(r"([\d.]+) ?(us|ms|s)", text).groups()
    return float(n) * UNITS[unit]


def run(cordon, level, path, options):
    """Status, its last line, processor time and time on the wall in ms."""
    counted = path + ".perf"
    perf = (["perf", "stat", "-x,", "-e", "task-clock", "-o", counted]
            if HAS_PERF else [])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    done = subprocess.run(
        [*perf, cordon, "run", "--isolation=" + level, "--quiet",
         "--allow=ws://127.0.0.1:1", "--max-output=1GiB",
         "--max-connects-per-minute=1000000", *options, path],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE)
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime -
           before.ru_utime - before.ru_stime)
    if perf:
        with open(counted) as f:
            cpu = float(re.search(r"([\d.]+),msec", f.read())[1]) / 1000
    return (done.returncode, done.stderr.decode("utf-8", "replace"),
            cpu * 1000, wall * 1000)


def used(said):
    found = re.search(r"stopped: .*?, (?:after )?([\d.]+ ?(?:us|ms|s)) ?(?:used)?$",
                      said, re.M)
    return ms(found[1]) if found else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--level", action="append")
    parser.add_argument("--limit", action="append",
                        help="of CPU time, in ms; 'deadline': of one second")
    parser.add_argument("cordon")
    parser.add_argument("part", nargs="?", default="")
    args = parser.parse_args()
    levels = args.level or ["inprocess", "process"]
    limits = args.limit or ["20", "50", "200", "deadline"]
    cordon = os.path.abspath(args.cordon)
    names = [n for n in SCRIPTS if args.part in n]
    worst = {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "script.lua")
        print("| script | level |" + "".join(
            " %s: used | CPU | wall |" % (l if l == "deadline" else l + " ms")
            for l in limits))
        print("|---|---|" + "---:|---:|---:|" * len(limits), flush=True)
        for name in names:
            for level in levels:
                cells = []
                for limit in limits:
                    top = (0.0, 0.0, 0.0)
                    for _ in range(args.rounds):
                        with open(path, "w") as f:
                            f.write("")
                        runs = [run(cordon, level, path, []) for _ in range(3)]
                        idle = [min(r[i] for r in runs) for i in (2, 3)]
                        with open(path, "w") as f:
                            f.write(source(name))
                        deadline = limit == "deadline"
                        options = (["--deadline", "1s", "--cpu", "60s"]
                                   if deadline else ["--cpu", limit + "ms"])
                        given = 1000.0 if deadline else float(limit)
                        status, said, cpu, wall = run(cordon, level,
                                                      path, options)
                        over = used(said)
                        if over is None or status not in (10, 12):
                            cells.append("status %d |" % status)
                            break
                        top = (max(top[0], over - given),
                               max(top[1], cpu - idle[0] - given),
                               max(top[2], wall - idle[1] - given))
                    else:
                        cells.append("%.1f | %.1f | %.1f" % top)
                        key = (level, limit)
                        worst[key] = max(worst.get(key, 0.0), top[0],
                                         0.0 if deadline else top[1])
                print("| %s | %s | %s |" % (name, level, " | ".join(cells)),
                      flush=True)
    for (level, limit), over in sorted(worst.items()):
        print("worst, %s, %s: %.1f ms" % (level, limit, over))


if __name__ == "__main__":
    main()
