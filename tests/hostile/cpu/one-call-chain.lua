-- one-call-chain.lua - a call by way of hundreds of thousands of __call, in one
-- instruction.
-- status: 10
-- args: --cpu 300ms --memory 64MiB
local f = function() end
for _ = 1, 150000 do f = setmetatable({}, {__call = f}) end
while true do pcall(f) end
