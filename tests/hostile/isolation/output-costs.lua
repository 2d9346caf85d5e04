-- output-costs.lua - what the broker writes costs CPU time of the script, which
-- is told so and ends in good order.
-- status: 10
-- args: --cpu 100ms --max-output 1GiB
-- stderr: stack traceback
-- levels: process
local line = ("v"):rep(100)
while true do print(line) end
