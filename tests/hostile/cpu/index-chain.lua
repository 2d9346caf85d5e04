-- index-chain.lua - a chain of __index as long as Lua follows.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local t = {}
for _ = 1, 1990 do t = setmetatable({}, {__index = t}) end
while true do local _ = pcall(function() return t.x end) end
