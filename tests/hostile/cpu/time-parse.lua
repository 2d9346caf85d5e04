-- time-parse.lua - parsing times that are none.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local time = require "time"
while true do
  pcall(time.parse, ("2006"):rep(500), ("2006"):rep(499) .. "x")
  pcall(time.parse_duration, ("1h"):rep(2000))
end
