-- newindex-chain.lua - the same for writing.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local t = {}
for _ = 1, 1990 do t = setmetatable({}, {__newindex = t}) end
while true do pcall(function() t.x = nil end) end
