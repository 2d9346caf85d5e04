-- deadline-in-waiting.lua - a deadline while tasks wait for each other and
-- timers.
-- status: 12
-- args: --deadline 50ms --cpu 1s
local time = require "time"
local ch = channel.new()
coroutine.spawn(function() while true do time.sleep("1ms") ch:send(1) end end)
while true do ch:receive() end
