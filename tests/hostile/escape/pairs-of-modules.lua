-- pairs-of-modules.lua - iterating over a module hands out no table behind
-- it.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
local json = require "json"
local f, t, k = pairs(json)
assert(t == json and k == nil)
local n = 0
for name, value in f, t do
  n = n + 1
  assert(type(name) == "string")
end
assert(n > 2)
assert(not pcall(f, {}, "no such key"))
for a, b in f, {} do assert(type(a) == "string") end
for _, junk in ipairs {1, {}, print, "x", true} do pcall(f, json, junk) end
assert(rawequal(require "json", json))
print "contained"
