-- concat-many.lua - concatenations of many and of long values.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local s = ("x"):rep(1 << 20)
while true do local _ = s .. s .. s .. s end
