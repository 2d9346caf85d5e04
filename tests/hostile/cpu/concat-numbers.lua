-- concat-numbers.lua - long lists of numbers to one string.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local t = {}
for i = 1, 100000 do t[i] = i + 0.5 end
while true do table.concat(t, ",") end
