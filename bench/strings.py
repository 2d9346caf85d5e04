#!/usr/bin/python3
"""String and table functions: cordon against lua5.4, in turn.

usage: strings.py [--rounds N] CORDON [part of a name]

Prints a line a case: nanoseconds of one call under each (the best of all
rounds) and their ratio; below 1 cordon is faster.
"""

import math
import os
import subprocess
import sys

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "strings.lua")


def measure(command, best):
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    for line in out.stdout.splitlines():
        name, seconds = line.split("\t")
        best[name] = min(best.get(name, math.inf), float(seconds) * 1e9)


def main(arguments):
    rounds = 5
    if arguments[:1] == ["--rounds"]:
        rounds = int(arguments[1])
        arguments = arguments[2:]
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    cordon, *only = arguments
    plain, ours = {}, {}
    for _ in range(rounds):
        measure(["lua5.4", SCRIPT, *only], plain)
        measure([cordon, "run", "--cpu", "1h", SCRIPT, *only], ours)
    print("| case | lua5.4 ns | cordon ns | ratio |\n|---|---:|---:|---:|")
    product = 1.0
    for name, ns in plain.items():
        ratio = ours[name] / ns
        product *= ratio
        print("| %s | %.0f | %.0f | %.2f |" % (name, ns, ours[name], ratio))
    print("| geometric mean | | | %.2f |" % product ** (1 / len(plain)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
