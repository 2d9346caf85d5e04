-- sort-invalid.lua - an order that is none.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local t = {}
for i = 1, 10000 do t[i] = i end
while true do
  pcall(table.sort, t, function() return true end)
  pcall(table.sort, t, function() return math.random(2) == 1 end)
end
