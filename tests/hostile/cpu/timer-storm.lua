-- timer-storm.lua - timers that are due at once.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local time = require "time"
while true do
  time.after(1):receive()
  time.sleep(1)
end
