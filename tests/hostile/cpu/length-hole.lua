-- length-hole.lua - the length of a table full of holes.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local t = {}
for i = 1, 100000 do t[i] = i end
for i = 1, 100000, 2 do t[i] = nil end
while true do local _ = #t end
