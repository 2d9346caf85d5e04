-- output-flood.lua - output faster than anybody reads it ends at its limit.
-- status: 13
-- args: --cpu 5s --memory 16MiB --max-output 2MiB
-- stderr: output limit
local line = ("x"):rep(1000)
while true do print(line) end
