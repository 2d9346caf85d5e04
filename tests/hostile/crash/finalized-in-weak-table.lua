-- finalized-in-weak-table.lua - what was collected and is found again in a
-- weak table does nothing any more.
-- status: 0
-- stdout: nothing happened
local time = require "time"
local found = setmetatable({}, {__mode = "k"})
local function use(object)
  object:reset("1ms")
end
for i = 1, 8000 do
  found[time.timer("1h")] = true
  found[time.ticker("1h")] = true
  found[time.after("1h")] = true
  found[channel.new(3)] = true
  if i % 40 == 0 then
    for object in pairs(found) do
      pcall(use, object)
      pcall(function() object:stop() end)
      pcall(function() object:channel():close() end)
      pcall(function() object:send(1) object:close() end)
    end
  end
end
found = nil
for _ = 1, 100 do
  local garbage = ("x"):rep(100000)
  time.sleep("100us")
end
print "nothing happened"
