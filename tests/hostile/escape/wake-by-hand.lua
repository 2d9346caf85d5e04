-- wake-by-hand.lua - a parked task cannot be resumed, closed or confused.
-- status: 0
-- stdout: unmoved
local time = require "time"
local ch = channel.new()
local task
coroutine.spawn(function()
  task = coroutine.running()
  assert(ch:receive() == "real")
  ch:send("ok")
end)
time.sleep("10ms")
assert(not coroutine.resume(task, "forged", true))
assert(not pcall(coroutine.close, task))
ch:send("real")
assert(ch:receive() == "ok")
print "unmoved"
