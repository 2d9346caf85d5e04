#!/usr/bin/python3
"""How long a script takes that does nothing: from the start of the program to
its end, for each program in turn.

usage: startup.py [--rounds N] CORDON [--deno PATH] [--node PATH]
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time


def once(command, null):
    begin = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ,
                         file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
    _, status, usage = os.wait4(pid, 0)
    took = time.perf_counter() - begin
    if status != 0:
        raise SystemExit("%s: status %d" % (" ".join(command), status))
    return took * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--deno")
    parser.add_argument("--node")
    parser.add_argument("cordon")
    options = parser.parse_args()
    cordon = os.path.abspath(options.cordon)
    with tempfile.TemporaryDirectory() as folder:
        lua = os.path.join(folder, "hello.lua")
        script = os.path.join(folder, "hello.js")
        with open(lua, "w") as f:
            f.write('print("hello")\n')
        with open(script, "w") as f:
            f.write('console.log("hello")\n')
        programs = [
            ("lua5.4", [shutil.which("lua5.4"), lua]),
            ("cordon --version", [cordon, "--version"]),
            ("cordon, inprocess",
             [cordon, "run", "--isolation=inprocess", lua]),
            ("cordon, process", [cordon, "run", lua]),
        ]
        if options.deno:
            programs.append(("deno", [options.deno, "run", script]))
        if options.node:
            programs.append(("node", [options.node, script]))
        null = os.open(os.devnull, os.O_WRONLY)
        took = {name: [] for name, _ in programs}
        for i in range(options.rounds + 1):
            for name, command in programs:
                sample = once(command, null)
                if i > 0:  # the first one finds cold caches
                    took[name].append(sample)
    base = [statistics.median(t[0] for t in took["lua5.4"]),
            min(t[0] for t in took["lua5.4"])]
    print("%-20s %10s %6s %10s %6s" % ("", "median ms", "ratio", "least ms",
                                       "ratio"))
    for name, _ in programs:
        wall = [t[0] for t in took[name]]
        median, least = statistics.median(wall), min(wall)
        print("%-20s %10.2f %6.2f %10.2f %6.2f" % (
            name, median, median / base[0], least, least / base[1]))


if __name__ == "__main__":
    main()
