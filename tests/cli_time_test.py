#!/usr/bin/python3
"""Time zones: against Python's reading of the same database, on machines
without one, and with one that lies."""

import datetime
import os
import random
import shutil
import unittest
import zoneinfo

import cli_test

LEVELS = ("process", "inprocess")
ZONES = """Africa/Casablanca Africa/Monrovia America/Caracas America/New_York
America/Nuuk America/Sao_Paulo America/St_Johns Antarctica/Troll Asia/Gaza
Asia/Kathmandu Asia/Tehran Atlantic/Azores Australia/Lord_Howe
Australia/Sydney Europe/Dublin Europe/London Europe/Moscow Europe/Paris
Pacific/Apia Pacific/Chatham UTC""".split()
SCRIPT = """\
local time = require "time"
for line in require "cases":gmatch "[^\\n]+" do
  local zone, sec, clock = line:match "^(%S+) (%S+) (.*)$"
  local loc = assert(time.load_location(zone))
  local t = time.unix(math.tointeger(sec)):in_location(loc)
  local got = t:format "2006-01-02 15:04:05 -070000"
  if got ~= clock then print(line, got) end
end
print "done"
"""
LOAD = """\
local loc, err = require "time".load_location(arg[1])
print(loc, err and err:kind())
print(require "time".utc, require "time".fixed_zone("X", 3600))
"""


class Zones(cli_test.Case):
    def test_as_python(self):
        seeded = random.Random(8536)
        lines = []
        for zone in ZONES:
            info = zoneinfo.ZoneInfo(zone)
            for _ in range(150):
                sec = seeded.randrange(-4 * 10**9, 10**10)
                t = datetime.datetime.fromtimestamp(sec, info)
                offset = int(t.utcoffset().total_seconds())
                size = abs(offset)
                lines.append("%s %d %s %s%02d%02d%02d" % (
                    zone, sec, t.strftime("%Y-%m-%d %H:%M:%S"),
                    "-" if offset < 0 else "+", size // 3600,
                    size // 60 % 60, size % 60))
        self.write("cases.lua", "return [[\n%s\n]]" % "\n".join(lines))
        self.write("x.lua", SCRIPT)
        self.expect(0, "run", "x.lua", out="done\n", err="")

    def load(self, folder, name):
        """What loading it says, the same in both levels."""
        said = set()
        self.write("load.lua", LOAD)
        for level in LEVELS:
            done = self.expect(0, "run", "--isolation", level, "load.lua",
                               name, env=dict(os.environ, TZDIR=folder))
            first, rest = done.out.split("\n", 1)
            self.assertEqual(rest, "UTC\tX\n")
            said.add(first)
        self.assertEqual(len(said), 1, said)
        return said.pop().split("\t")

    def test_no_database(self):
        self.assertEqual(self.load(self.path("none"), "Europe/Paris"),
                         ["nil", "Unavailable"])
        self.assertEqual(self.load(self.path("none"), "UTC"), ["UTC", "nil"])

    def test_odd_files(self):
        folder = self.path("zones")
        os.makedirs(folder + "/Area")
        paris = "/usr/share/zoneinfo/Europe/Paris"
        shutil.copy(paris, folder + "/Area/Good")
        os.symlink("Area/Good", folder + "/Alias")
        os.symlink("Loop", folder + "/Loop")
        os.mkfifo(folder + "/Pipe")
        with open(paris, "rb") as f:
            good = f.read()
        for name, data in (("Empty", b""), ("Text", b"hello\n" * 20),
                           ("Short", good[:-5]), ("Long", good + b"\n" * 70000),
                           ("Odd", good[:-3] + b"!\n")):
            with open(folder + "/" + name, "wb") as f:
                f.write(data)
        for name, kind in (
                ("Area/Good", "nil"), ("Alias", "nil"), ("Loop", "NotFound"),
                ("Pipe", "NotFound"), ("Area", "NotFound"),
                ("Long", "NotFound"), ("Empty", "Internal"),
                ("Text", "Internal"), ("Short", "Internal"),
                ("Odd", "Internal"), ("../zones/Alias", "NotFound")):
            self.assertEqual(self.load(folder, name)[1], kind, name)


if __name__ == "__main__":
    unittest.main()
