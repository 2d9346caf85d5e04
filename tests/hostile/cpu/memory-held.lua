-- memory-held.lua - all memory in small pieces: to give it back is part of what was given.
-- status: 10
-- args: --cpu 400ms --memory 64MiB
-- stderr: CPU limit
local l = {}
pcall(function() for i = 1, 1e9 do l[i] = {i} end end)
while true do end
