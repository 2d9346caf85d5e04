-- load-location.lua - the host is asked to read files without end.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local time = require "time"
while true do
  pcall(time.load_location, "Europe/Paris")
  pcall(time.load_location, "Nowhere/" .. math.random(1e9))
end
