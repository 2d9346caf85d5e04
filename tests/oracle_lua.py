#!/usr/bin/python3
"""String and table functions against those of plain Lua 5.4.

oracle_lua.lua makes random calls and prints what came of each, results and
errors; under lua5.4 and under cordon it must print the same.  The seeds are
fixed; ORACLE_SEEDS="7 8 9" tries others.
"""

import os
import shutil
import subprocess
import unittest

from patience import LIMIT_S

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "oracle_lua.lua")
SEEDS = os.environ.get("ORACLE_SEEDS", "1 2 3 4 5").split()
CASES = os.environ.get("ORACLE_CASES", "4000")
LUA = shutil.which("lua5.4")


def lines_of(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=LIMIT_S)
    if done.returncode != 0:
        raise AssertionError("%s: status %d: %s" % (
            command[0], done.returncode, done.stderr.decode("utf-8", "replace")))
    return done.stdout.split(b"\n")


@unittest.skipUnless(LUA, "lua5.4 is not installed")
class Oracle(unittest.TestCase):

    def test_same_as_lua(self):
        cordon = [os.environ["CORDON"], "run", "--cpu", "200s",
                  "--max-output", "1GiB", "--isolation",
                  os.environ.get("CORDON_TEST_ISOLATION", "process"), SCRIPT]
        for seed in SEEDS:
            with self.subTest(seed=seed):
                want = lines_of([LUA, SCRIPT, seed, CASES])
                got = lines_of([*cordon, seed, CASES])
                self.assertGreater(len(want), int(CASES))
                for number, (a, b) in enumerate(zip(want, got)):
                    self.assertEqual(a, b, "line %d, first Lua's" % number)
                self.assertEqual(len(want), len(got))


if __name__ == "__main__":
    unittest.main()
