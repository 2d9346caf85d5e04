-- handler-fails.lua - message handlers may fail, and fail again.
-- status: 1
-- stderr: all tasks are asleep
local ok = xpcall(error, error, "x")
assert(not ok)
ok = xpcall(error, function() error("again") end, "x")
assert(not ok)
ok = xpcall(error, function() return nil + 1 end, "x")
assert(not ok)
local function handler(e) return xpcall(error, handler, e) end
ok = xpcall(error, handler, "x")
assert(not ok)
local depth = 0
local function rising(e)
  depth = depth + 1
  error(e)
end
assert(not xpcall(error, rising, "x") and depth < 1000)
ok = xpcall(function() channel.new():receive() end, function(e)
  return require "time".sleep("1ms")
end)
