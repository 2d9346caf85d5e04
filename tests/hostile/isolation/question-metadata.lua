-- question-metadata.lua - metadata that is as large, as deep and as wide as it
-- can be, and more: answered or refused, never lost.
-- status: 0
-- args: --cpu 5s --memory 32MiB
-- stdout: fine
local security = require "security"
local function ask(meta)
  local ok, e = security.can("a", "b", meta)
  assert(ok == false or ok == true)
  return e
end
local deep = {}
for _ = 1, 100 do deep = {a = deep} end
assert(ask(deep):kind() == errors.INVALID)
local wide = {}
for i = 1, 100000 do wide["k" .. i] = i end
assert(ask(wide):kind() == errors.INVALID)
assert(ask({a = ("x"):rep(1 << 20)}):kind() == errors.INVALID)
local cyclic = {}
cyclic.self = cyclic
assert(ask(cyclic):kind() == errors.INVALID)
assert(ask({f = print}):kind() == errors.INVALID)
assert(ask({n = 0 / 0}):kind() == errors.INVALID)
assert(ask({[1] = 1, a = 2}):kind() == errors.INVALID)
ask({a = ("x"):rep(60000)})
ask({["\0\1\255"] = "\0\1\255", [""] = "", ["\27[2J"] = "\27[2J"})
print "fine"
