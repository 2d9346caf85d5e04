-- scan-of-waiting.lua - looking for a task that can be woken is on the script,
-- which made so many that cannot.
-- status: 10
-- args: --cpu 100ms --memory 128MiB
-- stderr: CPU limit
local time = require "time"
local cases, never = {}, channel.new()
for i = 1, 1000 do cases[i] = channel.new():case_receive() end
for _ = 1, 900 do
  coroutine.spawn(function() channel.select(cases) end)
end
-- the only one that can be woken is always the last one of all
local function hop()
  time.sleep(1000)
  coroutine.spawn(hop)
  never:receive()
end
coroutine.spawn(hop)
never:receive()
