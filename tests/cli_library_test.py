#!/usr/bin/python3
"""share/cordon/library: what it tells editors is what scripts really have."""

import os
import re
import unittest

import cli_test
from cli_test import TOP

FOLDER = os.path.join(TOP, "share", "cordon", "library")
MODULES = ("channel", "errors", "json", "security", "time", "websocket")
# Tables of methods, by the file and the name they have in C.
METHODS = {
    ("channel.c", "methods"): "channel.Channel",
    ("errors.c", "methods"): "errors.Error",
    ("security.c", "actor_methods"): "security.Actor",
    ("security.c", "policy_methods"): "security.Policy",
    ("security.c", "scope_methods"): "security.Scope",
    ("time.c", "duration_methods"): "time.Duration",
    ("time.c", "location_methods"): "time.Location",
    ("time.c", "time_methods"): "time.Time",
    ("timers.c", "timer_methods"): "time.Timer",
    ("timers.c", "ticker_methods"): "time.Ticker",
    ("websocket.c", "methods"): "websocket.Client",
}
# Methods with upvalues, which no table of pointers holds.
CLOSURES = {("channel.c", "methods"): ("receive",)}
# Of plain Lua 5.4, which every editor knows.
PLAIN = set("""_G _VERSION assert coroutine error getmetatable ipairs math next
os pairs pcall print rawequal rawget rawlen rawset require select setmetatable
string table tonumber tostring type utf8 xpcall""".split())
DUMP = """\
for _, name in ipairs {%s} do
  for key, value in pairs(require(name)) do
    local kind = type(value)
    if kind == "number" or kind == "string" then
      kind = kind .. " " .. value
    end
    print(name, key, kind)
    if kind == "table" then
      for k, v in pairs(value) do print(name .. "." .. key, k, v) end
    end
  end
end
for key in pairs(_G) do print("_G", key, "") end
"""


def definitions(name):
    """(functions with their parameters, fields by class, classes of locals)"""
    with open(os.path.join(FOLDER, name + ".lua")) as f:
        text = f.read()
    functions, fields, classes = {}, {}, {}
    params, current = [], None
    for line in text.splitlines():
        found = re.match(r"---@(class|param|field|meta|alias) (\S+) ?(.*)",
                         line)
        if found and found[1] == "class":
            current = found[2]
            fields.setdefault(current, {})
        elif found and found[1] == "param":
            params.append(found[2].rstrip("?"))
        elif found and found[1] == "field" and current:
            fields[current][found[2].rstrip("?")] = found[3]
        found = re.match(r"(?:local )?(\w+) = \{\}$", line)
        if found and current:
            classes[found[1]] = current
            current = None
        found = re.match(r"function ([\w.:]+)\((.*)\) end$", line)
        if found:
            given = [p for p in found[2].split(", ") if p]
            functions[found[1]] = (given, params)
            params = []
        elif line == "":
            params = []
    return text, functions, fields, classes


class Library(cli_test.Case):
    def test_files(self):
        self.assertEqual(sorted(os.listdir(FOLDER)),
                         sorted(m + ".lua" for m in (*MODULES, "globals")))
        for name in (*MODULES, "globals"):
            text, functions, _, _ = definitions(name)
            self.assertTrue(text.startswith("---@meta "), name)
            self.assertEqual(text.count("\nfunction "), len(functions), name)
            for function, (given, documented) in functions.items():
                self.assertEqual(given, documented, function)
            self.write("definition_%s.lua" % name, text)
        # they are Lua
        self.write("x.lua", "".join(
            "require 'definition_%s'\n" % name
            for name in (*MODULES, "globals")))
        self.expect(0, "run", "x.lua", err="")

    def really(self):
        self.write("dump.lua", DUMP % ", ".join('"%s"' % m for m in MODULES))
        done = self.expect(0, "run", "dump.lua", err="")
        found = {}
        for line in done.out.splitlines():
            name, key, kind = line.split("\t")
            found.setdefault(name, {})[key] = kind
        return found

    def test_modules(self):
        really = self.really()
        for name in MODULES:
            _, functions, fields, _ = definitions(name)
            here = {f.split(".")[1] for f in functions
                    if f.startswith(name + ".")}
            self.assertEqual(
                here, {k for k, v in really[name].items() if v == "function"})
            constants = {k: v for k, v in really[name].items()
                         if v != "function"}
            self.assertEqual(set(fields[name]), set(constants), name)
            for key, value in constants.items():
                said = fields[name][key].split(" ")[0]
                if value.startswith("number "):
                    self.assertEqual(said, value.split(" ")[1], key)
                elif value.startswith("string"):
                    self.assertIn(said, ("string", '"%s"' % value[7:]), key)
                elif value == "table":
                    self.assertEqual(
                        {k: v.split(" ")[0] for k, v in fields[said].items()},
                        really["%s.%s" % (name, key)])

    def test_methods(self):
        seen = set()
        for (path, table), name in METHODS.items():
            with open(os.path.join(TOP, "modules", path)) as f:
                source = f.read()
            found = re.search(r"luaL_Reg %s\[\] = \{(.*?)\};" % table, source,
                              re.S)
            self.assertIsNotNone(found, (path, table))
            really = set(re.findall(r'\{"(\w+)"', found[1]))
            really |= {m for m in CLOSURES.get((path, table), ())
                       if 'lua_setfield(L, -2, "%s")' % m in source}
            _, functions, _, classes = definitions(name.split(".")[0])
            local = {v: k for k, v in classes.items()}[name]
            here = {f.split(":")[1] for f in functions
                    if f.startswith(local + ":")}
            self.assertEqual(here, really, name)
            seen.add(name)
        for module in MODULES:
            _, functions, _, classes = definitions(module)
            for function in functions:
                if ":" in function:
                    self.assertIn(classes[function.split(":")[0]], seen)

    def test_globals(self):
        text, functions, _, _ = definitions("globals")
        here = {re.split(r"[.:]", f)[0] for f in functions}
        here |= set(re.findall(r"^(\w+) = ", text, re.M)) | {
            "channel", "errors"}
        self.assertEqual(here - PLAIN, set(self.really()["_G"]) - PLAIN)


if __name__ == "__main__":
    unittest.main()
