-- turns-of-sleeps.lua - a script whose work is turns of the loop pays for them.
-- status: 10
-- args: --cpu 400ms --memory 8MiB
-- stderr: CPU limit
-- levels: inprocess
local time = require "time"
while true do time.sleep(0) end
