-- wrap-parked.lua - the function of coroutine.wrap is called by another task
-- while it waits.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: fine
local time, ch = require "time", channel.new()
local w = coroutine.wrap(function()
  for _ = 1, 3 do coroutine.yield(ch:receive()) end
end)
coroutine.spawn(function() assert(w() == 1) ch:send "next" end)
time.sleep("1ms")
assert(not pcall(w))
local ok = pcall(w, 7)
assert(not ok)
ch:send(1)
assert(ch:receive() == "next")
coroutine.spawn(function() ch:send(2) end)
assert(w() == 2)
print "fine"
