-- turns-of-timers.lua - timers that are due at once, a turn each.
-- status: 10
-- args: --cpu 400ms --memory 8MiB
-- stderr: CPU limit
-- levels: inprocess
local time = require "time"
while true do time.after(0):receive() end
