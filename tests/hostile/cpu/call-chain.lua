-- call-chain.lua - values that are called by way of values that are called.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local f = function() end
for _ = 1, 150 do f = setmetatable({}, {__call = f}) end
while true do pcall(f) end
