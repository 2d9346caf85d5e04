-- time-format.lua - layouts by the kilobyte.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local time = require "time"
local now, layout = time.now(), ("2006-01-02 "):rep(10000)
while true do pcall(now.format, now, layout) end
