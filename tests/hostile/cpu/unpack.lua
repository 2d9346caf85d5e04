-- unpack.lua - a table of a hundred thousand, unpacked for nothing.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local t = {}
for i = 1, 100000 do t[i] = i end
while true do select(-1, table.unpack(t)) end
