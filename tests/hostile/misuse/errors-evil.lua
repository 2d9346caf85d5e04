-- errors-evil.lua - error objects made of what should not be in them.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: fine
local self = {}
self.self = self
local deep = {}
for _ = 1, 200 do deep = {deep} end
for _, v in ipairs {self, deep, {[print] = 1}, {[{}] = 1}, "x", 1, print} do
  pcall(errors.new, {message = "x", details = v})
  pcall(errors.new, {message = v})
  pcall(errors.new, {message = "x", kind = v})
  pcall(errors.new, {message = "x", retryable = v})
  pcall(errors.new, v)
  pcall(errors.wrap, v, v)
  pcall(errors.is, v, v)
  pcall(errors.call_stack, v)
end
local evil = setmetatable({}, {__index = function() error("asked") end})
assert(not pcall(errors.new, evil))
local e = errors.new {message = "m", details = {t = {1}}}
e:details().t[1] = 2
assert(e:details().t[1] == 1)
assert(not pcall(function() e.message = "x" end))
for _ = 1, 1000 do e = errors.wrap(e, "c") end
assert(#tostring(e) == 3001 and e:message() == "m")
assert(not pcall(e.kind, {}))
assert(not pcall(function() return e .. {} end))
print "fine"
