#!/usr/bin/python3
"""limits.py - what it costs that a script has limits.

usage: limits.py [--rounds N] [--lua LUA] [--plain PLAIN] CORDON [part of a name]

Six programs (limits.lua) in turn under plain lua5.4, under a host that does
nothing (plain.c) but has Lua from the same shared library as cordon, and under
cordon run in both levels of isolation with all limits on: processor time of the
part that computes, measured inside of the script, the least of the rounds.
Then what cordon took of what the host took, and of what lua5.4 did.
"""

import argparse
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "limits.lua")
PROGRAMS = ("fib", "nbody", "spectral-norm", "strings", "sort", "patterns")
LIMITS = ["--cpu", "60s", "--memory", "64MiB", "--deadline", "2m"]


def seconds(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=True,
                          stdout=subprocess.PIPE)
    time, result = done.stdout.decode().split("\t")
    return float(time), result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--lua", default="lua5.4")
    parser.add_argument("cordon")
    parser.add_argument("part", nargs="?", default="")
    parser.add_argument("--plain")
    args = parser.parse_args()
    plain = args.plain or os.path.join(os.path.dirname(args.cordon), "bench",
                                       "plain")
    cordon = [os.path.abspath(args.cordon), "run", *LIMITS]
    commands = {
        "lua5.4": [args.lua],
        "plain": [os.path.abspath(plain)],
        "inprocess": [*cordon, "--isolation=inprocess"],
        "process": [*cordon, "--isolation=process"],
    }
    ratios = [(level, base) for level in ("inprocess", "process")
              for base in ("plain", "lua5.4")]
    print("| program | lua5.4 ms | plain ms |" + "".join(
        " %s / %s |" % ratio for ratio in ratios))
    print("|---|---:|---:|" + "---:|" * len(ratios), flush=True)
    products = {ratio: 1.0 for ratio in ratios}
    names = [n for n in PROGRAMS if args.part in n]
    for name in names:
        least = {}
        results = set()
        for _ in range(args.rounds):
            for kind, command in commands.items():
                time, result = seconds([*command, SCRIPT, name])
                least[kind] = min(time, least.get(kind, time))
                results.add(result)
        if len(results) != 1:
            raise SystemExit("%s: they do not agree: %s" % (name, results))
        row = "| %s | %.0f | %.0f |" % (name, least["lua5.4"] * 1000,
                                        least["plain"] * 1000)
        for level, base in ratios:
            row += " %.3f |" % (least[level] / least[base])
            products[level, base] *= least[level] / least[base]
        print(row, flush=True)
    print("| geometric mean | | |" + "".join(
        " %.3f |" % products[ratio] ** (1 / len(names)) for ratio in ratios))


if __name__ == "__main__":
    main()
