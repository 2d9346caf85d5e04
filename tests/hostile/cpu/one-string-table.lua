-- one-string-table.lua - short strings near the memory limit, where each new
-- one makes the collector run.
-- status: 10 11
-- args: --cpu 300ms --memory 8MiB
local all, n = {}, 0
pcall(function() while true do n = n + 1 all[n] = "s" .. n end end)
for i = n, n - 50, -1 do all[i] = nil end
while true do pcall(function() local s = "t" .. math.random(0) end) end
