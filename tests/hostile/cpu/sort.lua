-- sort.lua - the CPU limit is reached in a comparator.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local t = {}
for i = 1, 100 do t[i] = i end
while true do
  pcall(table.sort, t, function(a, b) return a < b end)
end
print "survived"
