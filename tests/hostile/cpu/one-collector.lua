-- one-collector.lua - a heap of small tables that the collector goes through for
-- each megabyte.
-- status: 10
-- args: --cpu 200ms --memory 64MiB
local heap = {}
for i = 1, 200000 do heap[i] = {i} end
while true do local s = ("x"):rep(1 << 20) end
