-- one-deadline.lua - the deadline inside one instruction.
-- status: 12
-- args: --cpu 5s --deadline 300ms --memory 64MiB
local f = function() end
for _ = 1, 100000 do f = setmetatable({}, {__call = f}) end
while true do pcall(f) end
