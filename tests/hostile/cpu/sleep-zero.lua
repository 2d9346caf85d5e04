-- sleep-zero.lua - tasks that only give way to each other.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local time = require "time"
for _ = 1, 100 do
  coroutine.spawn(function() while true do time.sleep(0) end end)
end
while true do time.sleep(0) end
