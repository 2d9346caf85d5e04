-- one-unpack.lua - results by the hundred thousand into a table.
-- status: 10
-- args: --cpu 100ms --memory 64MiB
local t = {}
for i = 1, 200000 do t[i] = i end
while true do local u = {table.unpack(t)} end
