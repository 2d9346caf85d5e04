-- deadlock-late.lua - the deadlock is seen when the last timer has gone.
-- status: 1
-- stderr: all tasks are asleep
local time = require "time"
local ch = channel.new()
coroutine.spawn(function() time.sleep("20ms") end)
local timer = time.timer("1h")
coroutine.spawn(function() timer:channel():receive() end)
coroutine.spawn(function() time.sleep("10ms") timer:stop() end)
ch:receive()
